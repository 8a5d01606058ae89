//! Compiles the pools of a quiz: groups of questions of which each attempt has some.

use std::collections::BTreeMap;

use carrel_model::{Slug, content::Pool};

use crate::source::fields::{Fields, Located, UniqueIds};
use crate::source::json::Node;

/// The pools that a quiz declares, and the questions that name them.
pub(super) struct Pools<'a> {
    /// Name, number of questions to draw, and the entry of each pool, in the author's order.
    declared: Vec<(Located<Slug>, u32, &'a Node)>,
    questions: BTreeMap<Slug, Vec<(Slug, u32)>>,
}

impl<'a> Pools<'a> {
    pub fn read(fields: &Fields<'a>) -> Self {
        let mut declared = Vec::new();
        let mut ids = UniqueIds::default();
        for node in fields.list("pools") {
            let Some(pool) = fields.inner(node, "a pool") else { continue };
            let id = pool.require_slug("id");
            ids.add(&pool, id.as_ref(), "id");
            if pool.node("draw").is_none() {
                pool.missing("draw");
            }
            let draw = pool.integer("draw", 1..=1000);
            pool.finish();
            if let (Some(id), Some(draw)) = (id, draw) {
                declared.push((id, draw.value, node));
            }
        }
        Self { declared, questions: BTreeMap::new() }
    }

    /// Adds a question to the pool that it names.
    pub fn add(&mut self, question: &Fields<'_>, id: Option<&Located<Slug>>, points: u32) {
        let Some(pool) = question.slug("pool") else { return };
        if !self.declared.iter().any(|(name, ..)| name.value == pool.value) {
            let message = format!("the quiz has no pool {:?}", pool.value.as_str());
            let hint = "add it to \"pools\": [ { \"id\": ..., \"draw\": 2 } ]";
            question.error(pool.line, "pool-unknown", message, hint);
        } else if let Some(id) = id {
            self.questions.entry(pool.value).or_default().push((id.value.clone(), points));
        }
    }

    /// Returns the pools with their questions.
    pub fn finish(mut self, fields: &Fields<'_>) -> Vec<Pool> {
        let mut pools = Vec::new();
        for (name, draw, node) in &self.declared {
            let questions = self.questions.remove(&name.value).unwrap_or_default();
            let count = questions.len();
            if (count as u64) < u64::from(*draw) {
                let message = format!(
                    "{draw} questions are drawn from the pool {:?}, which has {count}",
                    name.value.as_str()
                );
                fields.error(node.line, "pool-small", message, "add questions, or draw fewer");
            } else if count as u64 == u64::from(*draw) {
                let message =
                    format!("all questions of the pool {:?} are drawn", name.value.as_str());
                fields.warn(node.line, "pool-whole", message, "add questions, or remove the pool");
            }
            if questions.iter().any(|(_, points)| *points != questions[0].1) {
                let message = format!(
                    "the questions of the pool {:?} have different points",
                    name.value.as_str()
                );
                let hint = "give them the same points, so that all attempts can reach the same sum";
                fields.error(node.line, "pool-points", message, hint);
            }
            let questions = questions.into_iter().map(|(id, _)| id).collect();
            pools.push(Pool { draw: *draw, questions });
        }
        pools
    }
}
