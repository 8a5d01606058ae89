//! Enrolment in courses. The policy is open: a learner who requests a course of this catalogue is enrolled in it.

use carrel_model::{
    DeviceId, Hlc, Slug,
    lattice::{Decision, DecisionStatus, ENROLMENT, Extra, Kv, Row, RowKey, RowType},
};

use crate::store::Store;
use crate::{
    DomainError, DomainResult,
    change_log::{Author, ChangeLog},
};

/// JSON value of a request for enrolment.
const REQUESTED: &str = "true";
/// JSON value of a withdrawn request.
const NOT_REQUESTED: &str = "null";

/// Result of `enrol`.
#[derive(Debug, Clone)]
pub struct Enrolled {
    pub decision: Option<Decision>,
    pub usn: u64,
    pub changed: u64,
}

/// Returns the course for which a register requests enrolment, if any.
pub(crate) fn requested_course(kv: &Kv) -> Option<Slug> {
    is_request(kv).then(|| Slug::new(kv.key.as_str()).ok()).flatten()
}

fn is_request(kv: &Kv) -> bool {
    kv.ns == ENROLMENT && kv.value == REQUESTED
}

/// Decides on a request for enrolment. A course that is not in the catalogue gets no new decision.
pub(crate) fn decide(log: &mut ChangeLog<'_>, course: &Slug) -> DomainResult<Option<Decision>> {
    let key = RowKey { row_type: RowType::Decision, key: course.to_string() };
    let old = match log.row(&key)? {
        Some(Row::Decision(decision)) => Some(decision),
        _ => None,
    };
    let is_active = old.as_ref().is_some_and(|d| d.status == DecisionStatus::Active);
    if is_active || !log.tx.has_course(course)? {
        return Ok(old);
    }
    let decision = Decision {
        course: course.clone(),
        rev: old.map_or(1, |d| d.rev.saturating_add(1)),
        status: DecisionStatus::Active,
        reason: String::new(),
        extra: Extra::default(),
    };
    log.apply_server(Row::Decision(decision.clone()))?;
    Ok(Some(decision))
}

/// Writes a request for enrolment (as `device`) or its withdrawal, and the resulting decision.
pub(crate) fn request(
    log: &mut ChangeLog<'_>,
    course: &Slug,
    device: DeviceId,
    requested: bool,
    now_ms: i64,
) -> DomainResult<Option<Decision>> {
    let key = RowKey { row_type: RowType::Kv, key: format!("{ENROLMENT}\u{1f}{course}") };
    let old = match log.row(&key)? {
        Some(Row::Kv(kv)) => Some(kv),
        _ => None,
    };
    // Repeating a request changes nothing.
    if old.as_ref().is_some_and(is_request) != requested {
        log.apply_server(Row::Kv(Kv {
            ns: ENROLMENT.into(),
            key: course.to_string(),
            value: (if requested { REQUESTED } else { NOT_REQUESTED }).into(),
            // Later than the stored value, so that this request wins.
            hlc: old.map_or(Hlc::ZERO, |kv| kv.hlc).tick(now_ms),
            device,
            extra: Extra::default(),
        }))?;
    }
    if requested { decide(log, course) } else { Ok(None) }
}

impl Store {
    /// Writes the learner's request (as `device`) and the resulting decision. `requested = false` withdraws the
    /// request.
    pub async fn enrol(
        &self,
        author: impl Into<Author>,
        course: &Slug,
        device: DeviceId,
        requested: bool,
        now_ms: i64,
    ) -> DomainResult<Enrolled> {
        let (author, course, quota) = (author.into(), course.clone(), self.quota());
        self.write_with_events("enrol", move |tx, events| {
            let mut log = ChangeLog::open(tx, author.user, quota)?;
            let decision = request(&mut log, &course, device, requested, now_ms)?;
            let pushed = log.close()?;
            events.extend(pushed.event(author));
            Ok::<_, DomainError>(Enrolled { decision, usn: pushed.usn, changed: pushed.changed })
        })
        .await
    }
}
