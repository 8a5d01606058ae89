//! The learner's enrolment request, a last-writer-wins register. The server's decision is read from its own table.

use std::collections::BTreeMap;

use carrel_model::{
    Slug,
    lattice::{Decision, DecisionStatus, ENROLMENT, Kv, Row, RowKey, RowType},
};
use rusqlite::Connection;

use crate::{
    Learning, Result,
    store::{checked, outbox},
};

/// The learner's enrolment request for a course and the server's decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enrolment {
    /// True: requested; false: cancelled; `None`: neither.
    pub requested: Option<bool>,
    /// The server's decision, as last pulled.
    pub decision: Option<Decision>,
    /// The request is in the outbox.
    pub waiting: bool,
}

impl Enrolment {
    /// Returns the status to display: pending after the request, then the server's decision; `None` if enrolment is not
    /// requested.
    pub fn status(&self) -> Option<DecisionStatus> {
        match (self.requested, &self.decision) {
            (Some(false), _) | (None, None) => None,
            (Some(true), None) => Some(DecisionStatus::Pending),
            // Requested again after a refusal: the old decision is ignored until the request is sent.
            (Some(true), Some(d)) if self.waiting && d.status == DecisionStatus::Refused => {
                Some(DecisionStatus::Pending)
            }
            (_, Some(d)) => Some(d.status),
        }
    }
}

impl Learning {
    /// Stores a request to be enrolled (`requested`) or to leave the course. It takes effect after it is sent.
    pub async fn request_enrolment(&self, course: &Slug, requested: bool) -> Result<Enrolment> {
        let course = course.clone();
        self.store
            .write("request_enrolment", move |tx| {
                if enrolment(tx.conn(), &course)?.requested != Some(requested) {
                    let (hlc, device) = (tx.hlc(), tx.device());
                    let (ns, key) = (ENROLMENT.to_owned(), course.to_string());
                    tx.join(Kv {
                        ns,
                        key,
                        value: requested.to_string(),
                        hlc,
                        device,
                        extra: Default::default(),
                    })?;
                }
                enrolment(tx.conn(), &course)
            })
            .await
    }

    /// Returns the enrolment of one course; the default if there is none.
    pub async fn enrolment(&self, course: &Slug) -> Result<Enrolment> {
        let course = course.clone();
        self.store.read(move |conn| enrolment(conn, &course)).await
    }

    /// Returns every course with a request or a decision.
    pub async fn enrolments(&self) -> Result<BTreeMap<Slug, Enrolment>> {
        self.store
            .read(|conn| {
                let requests: Vec<Kv> = checked::query(conn, "WHERE ns = ?1", [ENROLMENT])?;
                let decisions: Vec<Decision> = checked::query(conn, "", [])?;
                let mut courses: Vec<Slug> =
                    requests.into_iter().filter_map(|kv| Slug::new(kv.key).ok()).collect();
                courses.extend(decisions.into_iter().map(|d| d.course));
                courses.into_iter().map(|c| Ok((c.clone(), enrolment(conn, &c)?))).collect()
            })
            .await
    }
}

fn enrolment(conn: &Connection, course: &Slug) -> Result<Enrolment> {
    let key = RowKey::of(RowType::Kv, &[ENROLMENT, course.as_str()]);
    let requested = match checked::get(conn, &key)? {
        // The server withdraws a request by `null`. An invalid value is ignored: the decision is displayed regardless.
        Some(Row::Kv(kv)) => {
            let value = serde_json::from_str::<Option<bool>>(&kv.value);
            value.ok().map(|requested| requested.unwrap_or(false))
        }
        _ => None,
    };
    let decided = checked::get(conn, &RowKey::of(RowType::Decision, &[course.as_str()]))?;
    let decision = decided.and_then(|r| Decision::try_from(r).ok());
    Ok(Enrolment { requested, decision, waiting: outbox::is_waiting(conn, &key)? })
}
