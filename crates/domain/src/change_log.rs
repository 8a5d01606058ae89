//! A learner's change numbers: each changed row gets the next number, so that a device can pull the rows it does not
//! have.
//!
//! Not here: validity of single rows (`push_validation`), the merge (`carrel-model`), rules for attempts and
//! enrolments (`attempts`, `enrolment`).

use std::collections::BTreeSet;

use carrel_model::{
    Hlc, Slug, UserId,
    lattice::{ENROLMENT, Row, RowKey},
    wire::{RefusalReason, ResultCode},
};
use uuid::Uuid;

use crate::{DomainError, DomainResult};
use crate::{
    clock::MAX_AHEAD_MS,
    events::Event,
    store::{
        Quota,
        tx::{JoinedRow, Tx, Usage},
    },
};

/// Why a row is refused.
pub type Refusal = (ResultCode, String);

/// Refusal of a row that is valid by itself.
pub(crate) enum Rule {
    Always(Refusal),
    /// Refuses a new row; a change to a stored row is accepted.
    IfNew(Refusal),
}

/// Upper bound of the size of a row that is neither an attempt nor an answer, in bytes. Gives the number of rows that
/// fit into the remaining quota, which are merged without a quota check for each.
const MAX_ROW_BYTES: u64 = 256 * 1024;

/// Maximum age of a value that wins over one from the future, in ms.
const MAX_AGE_MS: i64 = 24 * 3_600_000;

/// Returns the stamp and the value of a last-writer-wins register.
fn register_of(row: &Row) -> Option<(Hlc, &str)> {
    match row {
        Row::Kv(kv) => Some((kv.hlc, &kv.value)),
        Row::Progress(progress) => progress.pos.as_ref().map(|pos| (pos.hlc, pos.at.as_str())),
        _ => None,
    }
}

/// Owner of the rows, and the sign-in that wrote them (`None`: the server).
#[derive(Debug, Clone, Copy)]
pub struct Author {
    pub user: UserId,
    pub sign_in: Option<Uuid>,
}
impl From<UserId> for Author {
    fn from(user: UserId) -> Self {
        Self { user, sign_in: None }
    }
}

/// Result of pushing a batch of rows.
#[derive(Debug, Clone, Default)]
pub struct Pushed {
    /// The learner's change number after the push.
    pub usn: u64,
    /// Number of changed rows, including rows written by the server (grades, decisions).
    pub changed: u64,
    /// The change number before the push, if every changed row is stored exactly as sent and nothing else changed.
    pub own_since: Option<u64>,
    pub payload_conflicts: u64,
    /// Refused rows: index in the batch, and the reason.
    pub refused: Vec<(usize, Refusal)>,
    /// The merged row for each row of the batch, in its order; empty unless requested.
    pub rows: Vec<Option<Row>>,
}

/// Changes to one learner's rows within one transaction.
pub(crate) struct ChangeLog<'t> {
    pub(crate) tx: &'t dyn Tx,
    pub(crate) user: UserId,
    before: u64,
    quota: Quota,
    usage_before: Usage,
    usage: Usage,
    /// Something changed that the author's device does not have.
    has_more: bool,
    /// The server's clock.
    now_ms: Option<i64>,
    /// Courses and stories whose figures are to be computed again.
    dirty: BTreeSet<String>,
    pub(crate) pushed: Pushed,
}

impl<'t> ChangeLog<'t> {
    pub(crate) fn open(tx: &'t dyn Tx, user: UserId, quota: Quota) -> DomainResult<Self> {
        let before = tx.usn(user)?.ok_or(DomainError::NoAccount(user))?;
        let usage = tx.usage(user)?;
        Ok(Self {
            tx,
            user,
            before,
            quota,
            usage_before: usage,
            usage,
            has_more: false,
            now_ms: None,
            dirty: BTreeSet::new(),
            pushed: Pushed { usn: before, ..Pushed::default() },
        })
    }
    /// Sets the server's clock, by which rows of devices are judged, and which tells when figures changed.
    #[must_use]
    pub(crate) fn at(self, now_ms: i64) -> Self {
        Self { now_ms: Some(now_ms), ..self }
    }
    /// Merges the leading rows to which no rule applies. Returns their number.
    pub(crate) fn apply_client_batch(&mut self, rows: &[Row]) -> DomainResult<usize> {
        let count = self.unrestricted_rows(rows);
        if count > 0 {
            let joined = self.tx.join(self.user, &rows[..count], self.pushed.usn)?;
            for (row, joined) in rows.iter().zip(&joined) {
                self.count_client(row, *joined)?;
            }
            // Afterwards, because it takes the next change number.
            let merged = rows.iter().zip(joined);
            let kept: Vec<&Row> = merged
                .filter(|(row, joined)| self.may_lose_to_future_stamp(row, *joined))
                .map(|(row, _)| row)
                .collect();
            let keys: Vec<RowKey> = kept.iter().map(|row| row.key()).collect();
            let stored = self.tx.rows_with_keys(self.user, &keys)?;
            for (row, key) in kept.into_iter().zip(&keys) {
                self.win_over_future_stamp(row, stored.get(key))?;
            }
        }
        Ok(count)
    }
    /// Returns whether a merged value of a register may have lost to a stored one whose stamp is in the future.
    ///
    /// A value from more than `MAX_AGE_MS` ago may be older than the stored one, and does not win.
    fn may_lose_to_future_stamp(&self, row: &Row, joined: JoinedRow) -> bool {
        let is_recent = |now_ms: i64| {
            register_of(row)
                .is_some_and(|(stamp, _)| stamp.ms() > now_ms.saturating_sub(MAX_AGE_MS))
        };
        !joined.as_sent && self.now_ms.is_some_and(is_recent)
    }
    /// Lets a new value of a register win over a stored one whose stamp is in the future, which was written while the
    /// server's clock was wrong: otherwise the register could not be changed until that time. The new value gets a
    /// later stamp, so that it wins on every device.
    fn win_over_future_stamp(&mut self, row: &Row, stored: Option<&Row>) -> DomainResult<()> {
        let (Some(now_ms), Some((stamp, _)), Some((stored_stamp, stored_value))) =
            (self.now_ms, register_of(row), stored.and_then(register_of))
        else {
            return Ok(());
        };
        let is_same = register_of(row).is_some_and(|(_, value)| value == stored_value);
        let is_future = stored_stamp.ms() > now_ms.saturating_add(MAX_AHEAD_MS);
        if is_same || !is_future || stored_stamp <= stamp {
            return Ok(());
        }
        let mut later = row.clone();
        later.set_stamp(stored_stamp.tick(0));
        let joined = self.join(&later)?;
        // The device has the value with the earlier stamp.
        self.has_more |= joined.changed;
        self.count(&later, joined)
    }
    /// Returns the number of leading rows that need no rule or quota check: neither attempts nor answers, and far
    /// from the quota.
    fn unrestricted_rows(&self, rows: &[Row]) -> usize {
        let Quota { rows: max_rows, bytes } = self.quota;
        let remaining = |max: u64, used: i64| max.saturating_sub(used.max(0).unsigned_abs());
        let capacity = remaining(max_rows, self.usage.rows)
            .min(remaining(bytes, self.usage.bytes) / MAX_ROW_BYTES);
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        rows.iter()
            .take(capacity)
            .take_while(|row| !matches!(row, Row::Attempt(_) | Row::Answer(_)))
            .count()
    }
    /// Merges the row at index `index` of a device's batch unless the rule or the quota refuses it. Returns true if
    /// the row is new.
    pub(crate) fn apply_client(
        &mut self,
        index: usize,
        row: &Row,
        rule: Option<Rule>,
    ) -> DomainResult<bool> {
        let joined = match self.refusal(row, rule)? {
            Some(refusal) => Err(refusal),
            None if self.usage.bytes >= self.hard_limit() => {
                let joined = self.tx.join_unless_larger(self.user, row, self.pushed.usn)?;
                joined.ok_or_else(|| self.over_quota())
            }
            None => Ok(self.join(row)?),
        };
        match joined {
            Ok(joined) => {
                self.count_client(row, joined)?;
                if self.may_lose_to_future_stamp(row, joined) {
                    let stored = self.row(&row.key())?;
                    self.win_over_future_stamp(row, stored.as_ref())?;
                }
                Ok(joined.added)
            }
            Err(refusal) => {
                self.pushed.refused.push((index, refusal));
                Ok(false)
            }
        }
    }
    /// Merges a row written by the server.
    pub(crate) fn apply_server(&mut self, row: Row) -> DomainResult<()> {
        let joined = self.join(&row)?;
        self.count(&row, joined)?;
        self.has_more |= joined.changed;
        Ok(())
    }
    fn join(&self, row: &Row) -> DomainResult<JoinedRow> {
        let joined = self.tx.join(self.user, std::slice::from_ref(row), self.pushed.usn)?;
        Ok(joined.into_iter().next().unwrap_or_default())
    }
    fn count_client(&mut self, row: &Row, joined: JoinedRow) -> DomainResult<()> {
        self.has_more |= joined.changed && !joined.as_sent;
        self.count(row, joined)
    }
    /// A no-op merge does not consume a change number.
    fn count(&mut self, row: &Row, joined: JoinedRow) -> DomainResult<()> {
        if joined.changed {
            self.pushed.usn += 1;
            self.pushed.changed += 1;
            self.usage.rows += i64::from(joined.added);
            self.usage.bytes += joined.growth;
            self.dirty.extend(self.studied(row)?);
        }
        self.pushed.payload_conflicts += u64::from(joined.payload_conflict);
        Ok(())
    }
    /// Returns the course or story whose figures depend on a row.
    fn studied(&self, row: &Row) -> DomainResult<Option<String>> {
        let item = match row {
            Row::Progress(progress) => &progress.item,
            Row::Session(session) => &session.item,
            Row::Attempt(attempt) => &attempt.quiz,
            Row::Grade(grade) => {
                let quiz = self.tx.quiz_of_attempt(self.user, grade.attempt)?;
                return Ok(quiz.map(|(quiz, _)| quiz.root().to_owned()));
            }
            // The key of a register may be any text.
            Row::Kv(kv) if kv.ns == ENROLMENT => {
                return Ok(Slug::new(&kv.key).ok().map(|course| course.to_string()));
            }
            Row::Decision(decision) => return Ok(Some(decision.course.to_string())),
            _ => return Ok(None),
        };
        Ok(Some(item.root().to_owned()))
    }
    fn hard_limit(&self) -> i64 {
        i64::try_from(self.quota.bytes.saturating_add(self.quota.bytes / 4)).unwrap_or(i64::MAX)
    }
    fn over_quota(&self) -> Refusal {
        let Quota { rows, bytes } = self.quota;
        let mib = bytes / (1024 * 1024);
        let reason = format!(
            "over the quota of this server: {rows} rows or {mib} MiB per learner; hint: ask the administrator"
        );
        let reason = RefusalReason::text("quota", &[("rows", &rows), ("mib", &mib)], reason);
        (ResultCode::Forbidden, reason)
    }
    fn refusal(&self, row: &Row, rule: Option<Rule>) -> DomainResult<Option<Refusal>> {
        let rule_refusal = match rule {
            Some(Rule::Always(refusal)) => return Ok(Some(refusal)),
            Some(Rule::IfNew(refusal)) => Some(refusal),
            None => None,
        };
        let is_reached = |used: i64, max: u64| used.unsigned_abs() >= max;
        let is_over = is_reached(self.usage.rows, self.quota.rows)
            || is_reached(self.usage.bytes, self.quota.bytes);
        let Some(refusal) = rule_refusal.or_else(|| is_over.then(|| self.over_quota())) else {
            return Ok(None);
        };
        Ok((!self.tx.has_row(self.user, &row.key())?).then_some(refusal))
    }
    pub(crate) fn row(&self, key: &RowKey) -> DomainResult<Option<Row>> {
        Ok(self.tx.row(self.user, key)?)
    }
    pub(crate) fn close(mut self) -> DomainResult<Pushed> {
        self.pushed.own_since = (!self.has_more).then_some(self.before);
        if self.pushed.usn > self.before {
            self.tx.set_usn(self.user, self.pushed.usn)?;
        }
        if self.usage != self.usage_before {
            self.tx.set_usage(self.user, self.usage)?;
        }
        if !self.dirty.is_empty() {
            let courses: Vec<&str> = self.dirty.iter().map(String::as_str).collect();
            self.tx.mark_dirty(self.user, &courses, self.now_ms.unwrap_or(0))?;
        }
        Ok(self.pushed)
    }
}

impl Pushed {
    /// Returns the event for the learner's other devices, or `None` if nothing changed.
    pub(crate) fn event(&self, author: Author) -> Option<Event> {
        let Author { user, sign_in } = author;
        (self.changed > 0).then_some(Event::RowsChanged { user, usn: self.usn, from: sign_in })
    }
}
