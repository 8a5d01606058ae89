//! Full-text search with FTS5. The index `passage_words` ignores case and accents; `passage_trigrams` is for scripts
//! without spaces between words. Words of such a script with fewer than three characters are found by a scan of the
//! texts.

use carrel_model::{
    ItemId,
    wire::{SearchHit, SearchKind},
};
use rusqlite::{params_from_iter, types::Value};

use super::SqliteTx;
use crate::store::{
    Result, StoreError,
    tx::{Listed, SearchPlan, SearchTx},
};

/// A search plan as parts of a statement on `passage s`, and the values of its parameters.
pub(super) struct Lookup {
    pub join: &'static str,
    pub clause: String,
    pub order: &'static str,
    pub values: Vec<String>,
    snippet: &'static str,
}

impl Lookup {
    pub fn of(plan: &SearchPlan) -> Self {
        // Quoted, so that no word is parsed as an operator of the FTS5 query syntax.
        let quoted = |words: &[String]| -> Vec<String> {
            words.iter().map(|w| format!("\"{}\"", w.replace('"', "\"\""))).collect()
        };
        match plan {
            SearchPlan::Words { words, last_is_prefix } => {
                let prefix_operator = if *last_is_prefix { "*" } else { "" };
                Self {
                    join: "JOIN passage_words f ON f.rowid = s.id",
                    clause: "passage_words MATCH ?".into(),
                    order: "bm25(passage_words, 4.0, 1.0)",
                    values: vec![quoted(words).join(" ") + prefix_operator],
                    snippet: "snippet(passage_words, 1, '', '', '…', 24)",
                }
            }
            SearchPlan::Trigrams(texts) => Self {
                join: "JOIN passage_trigrams f ON f.rowid = s.id",
                clause: "passage_trigrams MATCH ?".into(),
                order: "bm25(passage_trigrams, 4.0, 1.0)",
                values: vec![quoted(texts).join(" ")],
                snippet: "snippet(passage_trigrams, 1, '', '', '…', 60)",
            },
            SearchPlan::Scan(texts) => Self {
                join: "",
                clause: vec!["instr(s.title || ' ' || s.text, ?) > 0"; texts.len()].join(" AND "),
                order: "s.id",
                values: texts.clone(),
                snippet: "substr(s.text, 1, 160)",
            },
        }
    }
}

impl SearchTx for SqliteTx<'_> {
    fn search(&self, plan: &SearchPlan, offset: u64, limit: u32) -> Result<Listed<SearchHit>> {
        let lookup = Lookup::of(plan);
        let from_where = format!("FROM passage s {} WHERE {}", lookup.join, lookup.clause);
        let mut values: Vec<Value> = lookup.values.into_iter().map(Value::from).collect();
        let total: i64 = self
            .prepare_cached(&format!("SELECT count(*) {from_where}"))?
            .query_row(params_from_iter(&values), |r| r.get(0))?;
        values.push(i64::from(limit).into());
        values.push(i64::try_from(offset).unwrap_or(i64::MAX).into());
        let sql = format!(
            "SELECT s.kind, s.item, s.title, s.lang, {} AS snippet {from_where} ORDER BY {}, s.id LIMIT ? OFFSET ?",
            lookup.snippet, lookup.order
        );
        let mut stmt = self.prepare_cached(&sql)?;
        let mut rows = stmt.query(params_from_iter(&values))?;
        let mut items = Vec::new();
        while let Some(r) = rows.next()? {
            let item: String = r.get("item")?;
            items.push(SearchHit {
                kind: match r.get_ref("kind")?.as_str().unwrap_or_default() {
                    "course" => SearchKind::Course,
                    "story" => SearchKind::Story,
                    "section" => SearchKind::Section,
                    _ => SearchKind::StoryText,
                },
                item: ItemId::new(item).map_err(|e| StoreError::unreadable("passage", e))?,
                title: r.get("title")?,
                lang: r.get("lang")?,
                snippet: r.get("snippet")?,
            });
        }
        Ok(Listed { items, total: total.unsigned_abs() })
    }
}
