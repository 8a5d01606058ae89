//! A learner's rows: push, pull, progress, enrolment. Change numbers are given here, under the one writer.
//!
//! Not here: validation and folding (`crate::push`), the joins (`carrel_sqlite::rows`), scoring (`crate::grading`).

use std::collections::BTreeSet;

use carrel_model::{
    AttemptId, DeviceId, Hlc, Slug, UserId,
    content::Quiz,
    lattice::{
        Answer, Attempt, Decision, DecisionStatus, Extra, Kv, Progress, Row, RowKey, RowType,
        Session,
    },
};
use carrel_sqlite::rows::{self, Joined, Owner};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    grading,
    store::{
        ENROLMENT, Enrolled, NOT_WANTED, Pushed, Result, StoreError, WANTED, is_wanted,
        sqlite::unreadable,
    },
};

/// One learner's change numbers inside one transaction.
struct Ledger<'c> {
    conn: &'c Connection,
    user: UserId,
    before: u64,
    /// Something changed that whoever sent the rows does not have.
    news: bool,
    done: Pushed,
}

impl<'c> Ledger<'c> {
    fn open(conn: &'c Connection, user: UserId) -> Result<Self> {
        let before = usn(conn, user)?;
        let done = Pushed { usn: before, ..Pushed::default() };
        Ok(Self { conn, user, before, news: false, done })
    }
    fn owner(&self) -> Owner {
        Owner::Server(self.user)
    }
    /// Joins one row that a device sent; a row that says nothing new takes no number.
    fn take(&mut self, row: &Row) -> Result<()> {
        let joined = self.join(row)?;
        self.news |= joined.changed && !joined.as_sent;
        Ok(())
    }
    /// Joins one of the server's own.
    fn add(&mut self, row: &Row) -> Result<()> {
        self.news |= self.join(row)?.changed;
        Ok(())
    }
    fn join(&mut self, row: &Row) -> Result<Joined> {
        let joined = rows::join(self.conn, self.owner(), row, self.done.usn + 1)?;
        if joined.changed {
            self.done.usn += 1;
            self.done.changed += 1;
        }
        self.done.payload_conflicts += u64::from(joined.payload_conflict);
        Ok(joined)
    }
    fn get(&self, key: &RowKey) -> Result<Option<Row>> {
        Ok(rows::get(self.conn, self.owner(), key)?)
    }
    fn close(mut self) -> Result<Pushed> {
        self.done.own_since = (!self.news).then_some(self.before);
        if self.done.usn > self.before {
            self.conn
                .prepare_cached("UPDATE account SET usn = ?2 WHERE id = ?1")?
                .execute((self.user.0.as_bytes(), self.done.usn as i64))?;
        }
        Ok(self.done)
    }
    /// Scores an attempt that was handed in, if its quiz is known and the result is new.
    fn grade(&mut self, id: AttemptId, now_ms: i64) -> Result<()> {
        let key = |row_type| RowKey { row_type, key: id.to_string() };
        let Some(Row::Attempt(attempt)) = self.get(&key(RowType::Attempt))? else { return Ok(()) };
        if attempt.submitted_ms.is_none() {
            return Ok(());
        }
        let Some(quiz) = quiz(self.conn, &attempt)? else { return Ok(()) };
        let answers: Vec<Answer> = rows::query(
            self.conn,
            "WHERE user_id = ?1 AND attempt = ?2",
            (self.user.0.as_bytes(), id.0.as_bytes()),
        )?;
        let old = match self.get(&key(RowType::Grade))? {
            Some(Row::Grade(grade)) => Some(grade),
            _ => None,
        };
        if let Some(grade) = grading::regrade(&quiz, id, &answers, old.as_ref(), now_ms) {
            self.add(&Row::Grade(grade))?;
        }
        Ok(())
    }
    /// Open policy: whoever wants to be in a course of this catalogue is in it.
    fn decide(&mut self, course: &Slug) -> Result<Option<Decision>> {
        let key = RowKey { row_type: RowType::Decision, key: course.to_string() };
        let old = match self.get(&key)? {
            Some(Row::Decision(decision)) => Some(decision),
            _ => None,
        };
        let known = self
            .conn
            .prepare_cached("SELECT 1 FROM publication WHERE kind = 'course' AND id = ?1")?
            .exists([course.as_str()])?;
        if !known || old.as_ref().is_some_and(|d| d.status == DecisionStatus::Active) {
            return Ok(old);
        }
        let decision = Decision {
            course: course.clone(),
            rev: old.map_or(1, |d| d.rev.saturating_add(1)),
            status: DecisionStatus::Active,
            reason: String::new(),
            extra: Extra::default(),
        };
        self.add(&Row::Decision(decision.clone()))?;
        Ok(Some(decision))
    }
}

fn quiz(conn: &Connection, attempt: &Attempt) -> Result<Option<Quiz>> {
    let mut stmt = conn.prepare_cached("SELECT body FROM quiz WHERE hash = ?1 AND item = ?2")?;
    let body: Option<String> =
        stmt.query_row((attempt.quiz_hash.0, attempt.quiz.as_str()), |r| r.get(0)).optional()?;
    body.map(|b| serde_json::from_str(&b).map_err(|e| unreadable("quiz", e))).transpose()
}

pub(super) fn push(
    conn: &Connection,
    user: UserId,
    batch: &[Row],
    give_rows: bool,
    now_ms: i64,
) -> Result<Pushed> {
    let mut ledger = Ledger::open(conn, user)?;
    let mut attempts: BTreeSet<AttemptId> = BTreeSet::new();
    for row in batch {
        // A replay asks again too: its quiz or course may have been published since.
        ledger.take(row)?;
        match row {
            Row::Attempt(a) => drop(attempts.insert(a.id)),
            Row::Answer(a) => drop(attempts.insert(a.attempt)),
            Row::Kv(kv) if is_wanted(kv) => {
                if let Ok(course) = Slug::new(kv.key.as_str()) {
                    ledger.decide(&course)?;
                }
            }
            _ => {}
        }
    }
    for id in attempts {
        ledger.grade(id, now_ms)?;
    }
    if give_rows {
        for row in batch {
            let joined = ledger.get(&row.key())?;
            ledger.done.rows.extend(joined);
        }
    }
    ledger.close()
}

pub(super) fn pull(
    conn: &Connection,
    user: UserId,
    since: u64,
    limit: u32,
) -> Result<(Vec<(u64, Row)>, bool)> {
    // One look tells a device that is up to date that it is.
    if usn(conn, user)? <= since {
        return Ok((Vec::new(), false));
    }
    let limit = limit as usize;
    let mut found = rows::since(conn, user, since, limit + 1)?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}

pub(super) fn usn(conn: &Connection, user: UserId) -> Result<u64> {
    let mut stmt = conn.prepare_cached("SELECT usn FROM account WHERE id = ?1")?;
    let usn: Option<i64> = stmt.query_row([user.0.as_bytes()], |r| r.get(0)).optional()?;
    usn.map(i64::unsigned_abs).ok_or(StoreError::NoAccount(user))
}

pub(super) fn progress(
    conn: &Connection,
    user: UserId,
    root: &Slug,
) -> Result<(Vec<Progress>, Vec<Session>)> {
    // Everything from `root/` up to, and without, `root0` ('0' follows '/').
    let (from, to) = (format!("{root}/"), format!("{root}0"));
    let below = || (user.0.as_bytes(), root.as_str(), from.as_str(), to.as_str());
    let mine = "WHERE user_id = ?1 AND (item = ?2 OR item >= ?3 AND item < ?4)";
    let progress = rows::query(conn, &format!("{mine} ORDER BY kind, item"), below())?;
    let sessions = rows::query(conn, &format!("{mine} ORDER BY started_ms, id"), below())?;
    Ok((progress, sessions))
}

pub(super) fn enrol(
    conn: &Connection,
    user: UserId,
    course: &Slug,
    device: DeviceId,
    wanted: bool,
    now_ms: i64,
) -> Result<Enrolled> {
    let mut ledger = Ledger::open(conn, user)?;
    let key = RowKey { row_type: RowType::Kv, key: format!("{ENROLMENT}\u{1f}{course}") };
    let old = match ledger.get(&key)? {
        Some(Row::Kv(kv)) => Some(kv),
        _ => None,
    };
    // The same wish again is no news.
    if old.as_ref().is_some_and(is_wanted) != wanted {
        ledger.add(&Row::Kv(Kv {
            ns: ENROLMENT.into(),
            key: course.to_string(),
            value: (if wanted { WANTED } else { NOT_WANTED }).into(),
            // After whatever a device wrote before, so that this wish is the last one.
            hlc: old.map_or(Hlc::ZERO, |kv| kv.hlc).tick(now_ms),
            device,
            extra: Extra::default(),
        }))?;
    }
    let decision = if wanted { ledger.decide(course)? } else { None };
    let done = ledger.close()?;
    Ok(Enrolled { decision, usn: done.usn, changed: done.changed })
}
