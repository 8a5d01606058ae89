//! Enrolment in courses, by the policy of each course. What devices get is the row `decision`.

use carrel_model::{
    DeviceId, Hlc, Slug, UserId,
    lattice::{
        Decision, DecisionStatus, ENROLMENT, Extra, Kv, Row, RowKey, RowType, Validate as _,
    },
    wire::RefusalReason,
};
use carrel_people::{
    PeopleError,
    permissions::{self, Caller, Permission, Subject},
};

use crate::store::{
    Store,
    tx::{AuditRow, CourseState, EnrolmentPolicy, PersonKey, RequestRow},
};
use crate::{
    DomainError, DomainResult,
    change_log::{Author, ChangeLog},
    courses::{CourseRefusal, may_see},
};

/// Maximum number of pending requests in one reply.
const MAX_REQUESTS: u32 = 500;

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

/// Why a learner is enrolled although the policy of the course is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    None,
    /// An enrolment token of the course or of a class that has it.
    Token,
}

/// Returns the text of a refusal, whose name apps translate.
fn refusal(name: &str, english: &str) -> String {
    RefusalReason::text(name, &[], english)
}

fn decision_of(log: &ChangeLog<'_>, course: &Slug) -> DomainResult<Option<Decision>> {
    let key = RowKey { row_type: RowType::Decision, key: course.to_string() };
    Ok(match log.row(&key)? {
        Some(Row::Decision(decision)) => Some(decision),
        _ => None,
    })
}

/// Writes the next decision, unless it is the same.
fn put_decision(
    log: &mut ChangeLog<'_>,
    course: &Slug,
    old: Option<Decision>,
    status: DecisionStatus,
    reason: String,
) -> DomainResult<Decision> {
    if let Some(old) = &old
        && old.status == status
        && old.reason == reason
    {
        return Ok(old.clone());
    }
    let decision = Decision {
        course: course.clone(),
        rev: old.map_or(1, |d| d.rev.saturating_add(1)),
        status,
        reason,
        extra: Extra::default(),
    };
    log.apply_server(Row::Decision(decision.clone()))?;
    Ok(decision)
}

/// Decides on a request for enrolment by the policy of the course. There is no new decision on a course that the learner
/// may not see: the reply is the same as for a course that does not exist.
pub(crate) fn decide(
    log: &mut ChangeLog<'_>,
    id: &Slug,
    grant: Grant,
    now_ms: i64,
) -> DomainResult<Option<Decision>> {
    let old = decision_of(log, id)?;
    let is_active = old.as_ref().is_some_and(|d| d.status == DecisionStatus::Active);
    let Some(course) = log.tx.course(id)?.filter(|_| !is_active) else { return Ok(old) };
    let viewer = log.tx.viewer(log.user)?.unwrap_or_default();
    let is_withdrawn = matches!(course.state, CourseState::Withdrawn | CourseState::Archived);
    // That a course for everybody was withdrawn is no secret.
    let was_seen = is_withdrawn && !course.for_classes;
    let is_seen = may_see(&course, Some(&viewer)) || was_seen;
    if course.state < CourseState::Published || (!is_seen && grant == Grant::None) {
        return Ok(old);
    }
    let is_assigned = viewer.class_courses.contains(id);
    let (status, reason) = match course.policy {
        _ if is_withdrawn => (
            DecisionStatus::Refused,
            refusal("course_withdrawn", "the course takes no new learners"),
        ),
        _ if grant == Grant::Token => (DecisionStatus::Active, String::new()),
        EnrolmentPolicy::Open => (DecisionStatus::Active, String::new()),
        EnrolmentPolicy::Code => (
            DecisionStatus::Refused,
            refusal("needs_code", "the course needs an enrolment code from the school"),
        ),
        EnrolmentPolicy::Assigned if is_assigned => (DecisionStatus::Active, String::new()),
        EnrolmentPolicy::Assigned => (
            DecisionStatus::Refused,
            refusal("assigned_only", "the school enrols the learners of this course"),
        ),
        EnrolmentPolicy::Approval => return ask(log, id, old, now_ms).map(Some),
    };
    put_decision(log, id, old, status, reason).map(Some)
}

/// Records a request about which staff decide. A request that was refused is asked again only if the learner requests
/// again: a device may send the same request many times.
fn ask(
    log: &mut ChangeLog<'_>,
    id: &Slug,
    old: Option<Decision>,
    now_ms: i64,
) -> DomainResult<Decision> {
    let stamp = match log.row(&request_key(id))? {
        Some(Row::Kv(kv)) => kv.hlc.raw(),
        _ => 0,
    };
    let known = log.tx.enrolment_request(id, log.user)?;
    if let (Some(known), Some(old)) = (&known, &old)
        && known.stamp >= stamp
        && old.status == known.status
    {
        return Ok(old.clone());
    }
    log.tx.put_enrolment_request(&RequestRow {
        course: id.clone(),
        user: log.user,
        stamp,
        requested_ms: now_ms,
        status: DecisionStatus::Pending,
        decided_ms: 0,
    })?;
    put_decision(log, id, old, DecisionStatus::Pending, String::new())
}

fn request_key(course: &Slug) -> RowKey {
    RowKey { row_type: RowType::Kv, key: format!("{ENROLMENT}\u{1f}{course}") }
}

/// Writes a request for enrolment (as `device`) or its withdrawal, and the resulting decision.
pub(crate) fn request(
    log: &mut ChangeLog<'_>,
    course: &Slug,
    device: DeviceId,
    requested: bool,
    grant: Grant,
    now_ms: i64,
) -> DomainResult<Option<Decision>> {
    let old = match log.row(&request_key(course))? {
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
    if requested { decide(log, course, grant, now_ms) } else { Ok(None) }
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
            let mut log = ChangeLog::open(tx, author.user, quota)?.at(now_ms);
            let decision = request(&mut log, &course, device, requested, Grant::None, now_ms)?;
            let pushed = log.close()?;
            events.extend(pushed.event(author));
            Ok::<_, DomainError>(Enrolled { decision, usn: pushed.usn, changed: pushed.changed })
        })
        .await
    }

    /// Lists the pending requests for a course, the earliest first, with login and name of the learner.
    pub async fn pending_requests(
        &self,
        course: &Slug,
    ) -> DomainResult<Vec<(RequestRow, String, String)>> {
        let course = course.clone();
        let read =
            self.read("pending_requests", move |tx| tx.pending_requests(&course, MAX_REQUESTS));
        Ok(read.await?)
    }

    /// Enrols a learner in a course, or refuses the enrolment, whether or not the learner has requested it. An enrolment
    /// without a request is stored with a request of the server, so that it is the same on all devices.
    ///
    /// # Errors
    /// `Forbidden`, `NoPerson`, `Course`.
    pub async fn decide_enrolment(
        &self,
        caller: Caller,
        course: &Slug,
        learner: UserId,
        verdict: Verdict,
        now_ms: i64,
    ) -> DomainResult<Decision> {
        let (course, quota) = (course.clone(), self.quota());
        self.write_with_events("decide_enrolment", move |tx, events| {
            let subject = Subject::Course(course.clone());
            permissions::require(tx, caller, Permission::EditCourses, subject)?;
            // An instructor who is asked may answer; without a request, only about one's own students.
            let is_asked = tx.enrolment_request(&course, learner)?.is_some();
            let subject = Subject::Person(learner);
            if !is_asked && !permissions::is_allowed(tx, caller, Permission::ViewLearners, subject)?
            {
                return Err(PeopleError::Forbidden.into());
            }
            if tx.person(PersonKey::Id(learner))?.is_none() {
                return Err(PeopleError::NoPerson(learner).into());
            }
            let found = tx.course(&course)?;
            if found.is_none_or(|found| found.state != CourseState::Published) {
                return Err(CourseRefusal::NotFound(course).into());
            }
            let mut log = ChangeLog::open(tx, learner, quota)?.at(now_ms);
            let Verdict { accepted, reason, device } = verdict;
            let status = if accepted { DecisionStatus::Active } else { DecisionStatus::Refused };
            if accepted {
                // The policy does not decide: the request is stored only.
                let old = match log.row(&request_key(&course))? {
                    Some(Row::Kv(kv)) => Some(kv),
                    _ => None,
                };
                if !old.as_ref().is_some_and(is_request) {
                    log.apply_server(Row::Kv(Kv {
                        ns: ENROLMENT.into(),
                        key: course.to_string(),
                        value: REQUESTED.into(),
                        hlc: old.map_or(Hlc::ZERO, |kv| kv.hlc).tick(now_ms),
                        device,
                        extra: Extra::default(),
                    }))?;
                }
            }
            let old = decision_of(&log, &course)?;
            let decision = put_decision(&mut log, &course, old, status, reason)?;
            decision.validate().map_err(|e| CourseRefusal::Invalid(e.to_string()))?;
            let stamp = match log.row(&request_key(&course))? {
                Some(Row::Kv(kv)) => kv.hlc.raw(),
                _ => 0,
            };
            let known = tx.enrolment_request(&course, learner)?;
            tx.put_enrolment_request(&RequestRow {
                course: course.clone(),
                user: learner,
                stamp,
                requested_ms: known.map_or(now_ms, |known| known.requested_ms),
                status,
                decided_ms: now_ms,
            })?;
            let pushed = log.close()?;
            events.extend(pushed.event(learner.into()));
            let detail = serde_json::json!({ "course": course, "status": status.as_str() });
            tx.add_audit(&AuditRow {
                at_ms: now_ms,
                actor: caller.id,
                action: "enrolment.decide".to_owned(),
                subject: Some(learner),
                detail: detail.to_string(),
            })?;
            Ok(decision)
        })
        .await
    }
}

/// What staff decide about an enrolment.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub accepted: bool,
    /// For the learner; may be empty.
    pub reason: String,
    /// The device on which staff decide.
    pub device: DeviceId,
}
