//! Small last-writer-wins registers: settings, and the wish to be enrolled beside the server's decision.

use std::collections::BTreeMap;

use carrel_model::{
    Slug,
    lattice::{Decision, DecisionStatus, ENROLMENT, Kv, Row, RowKey, RowType},
};
use rusqlite::Connection;
use serde_json::Value;

use crate::{
    Learning, Result,
    store::{checked, outbox},
};

const SETTING: &str = "setting";

/// What the learner wants and what the server says of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enrolment {
    /// None: never asked.
    pub wanted: Option<bool>,
    pub decision: Option<Decision>,
    /// The wish was not sent yet.
    pub waiting: bool,
}

impl Enrolment {
    /// What to show: pending as soon as it is wanted, the server's word once it is there, none if it is not wanted.
    pub fn status(&self) -> Option<DecisionStatus> {
        match (self.wanted, &self.decision) {
            (Some(false), _) | (None, None) => None,
            (Some(true), None) => Some(DecisionStatus::Pending),
            // Asked anew after a refusal: the old word does not count until the server has spoken again.
            (Some(true), Some(d)) if self.waiting && d.status == DecisionStatus::Refused => {
                Some(DecisionStatus::Pending)
            }
            (_, Some(d)) => Some(d.status),
        }
    }
}

impl Learning {
    /// All settings as JSON values; those that were never set are missing.
    pub async fn settings(&self) -> Result<BTreeMap<String, Value>> {
        self.store
            .read(|conn| {
                let set = checked::query::<Kv>(conn, "WHERE ns = ?1", [SETTING])?.into_iter();
                // A value that is not JSON cannot come from this code: it is as good as not set.
                let values = set.filter_map(|kv| {
                    Some((kv.key, serde_json::from_str::<Value>(&kv.value).ok()?))
                });
                Ok(values.filter(|(_, v)| !v.is_null()).collect())
            })
            .await
    }

    /// Sets some; `null` takes one back to its default.
    pub async fn set_settings(&self, values: BTreeMap<String, Value>) -> Result<()> {
        self.store
            .write("set_settings", move |tx| {
                for (key, value) in &values {
                    let value = serde_json::to_string(value)?;
                    let before: Option<Kv> = tx.find(&[SETTING, key.as_str()])?;
                    if before.is_some_and(|b| b.value == value) {
                        continue;
                    }
                    let (hlc, device) = (tx.hlc(), tx.device());
                    let (ns, key) = (SETTING.to_owned(), key.clone());
                    tx.join(Kv { ns, key, value, hlc, device, extra: Default::default() })?;
                }
                Ok(())
            })
            .await
    }

    /// Says that the learner wants, or does not want, to be enrolled. It takes effect when the server has it.
    pub async fn want_enrolment(&self, course: &Slug, wanted: bool) -> Result<Enrolment> {
        let course = course.clone();
        self.store
            .write("want_enrolment", move |tx| {
                if enrolment(tx.conn(), &course)?.wanted != Some(wanted) {
                    let (hlc, device) = (tx.hlc(), tx.device());
                    let (ns, key) = (ENROLMENT.to_owned(), course.to_string());
                    tx.join(Kv {
                        ns,
                        key,
                        value: wanted.to_string(),
                        hlc,
                        device,
                        extra: Default::default(),
                    })?;
                }
                enrolment(tx.conn(), &course)
            })
            .await
    }

    pub async fn enrolment(&self, course: &Slug) -> Result<Enrolment> {
        let course = course.clone();
        self.store.read(move |conn| enrolment(conn, &course)).await
    }

    /// Every course with a wish or a decision: for a list in one go.
    pub async fn enrolments(&self) -> Result<BTreeMap<Slug, Enrolment>> {
        self.store
            .read(|conn| {
                let wishes: Vec<Kv> = checked::query(conn, "WHERE ns = ?1", [ENROLMENT])?;
                let decisions: Vec<Decision> = checked::query(conn, "", [])?;
                let mut courses: Vec<Slug> =
                    wishes.into_iter().filter_map(|kv| Slug::new(kv.key).ok()).collect();
                courses.extend(decisions.into_iter().map(|d| d.course));
                courses.into_iter().map(|c| Ok((c.clone(), enrolment(conn, &c)?))).collect()
            })
            .await
    }
}

fn enrolment(conn: &Connection, course: &Slug) -> Result<Enrolment> {
    let key = RowKey::of(RowType::Kv, &[ENROLMENT, course.as_str()]);
    let wanted = match checked::get(conn, &key)? {
        // A value that no release writes must not hide the course.
        Some(Row::Kv(kv)) => serde_json::from_str::<Option<bool>>(&kv.value).ok().flatten(),
        _ => None,
    };
    let decided = checked::get(conn, &RowKey::of(RowType::Decision, &[course.as_str()]))?;
    let decision = decided.and_then(|r| Decision::try_from(r).ok());
    Ok(Enrolment { wanted, decision, waiting: outbox::is_waiting(conn, &key)? })
}
