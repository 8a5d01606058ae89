//! A learner's rows: merging a batch with the resulting grades and decisions, and reading changes.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::{
    AttemptId, DeviceId, ItemId, SessionId, Slug, UserId,
    lattice::{Extra, ItemKind, Progress, Row, RowKey, Session, date_of_day},
};
use carrel_overview::Today;

use crate::store::{Quota, Store, StoreError, tx::Tx};
use crate::{
    DomainError, DomainResult,
    attempts::{self, Quizzes, UngradedAttempts},
    change_log::{Author, ChangeLog, Pushed},
    enrolment::{self, Grant},
    study,
};

/// Merges a batch. Also returns the attempts left to grade in another transaction.
pub(crate) fn push(
    tx: &dyn Tx,
    user: UserId,
    batch: &[Row],
    with_rows: bool,
    quota: Quota,
    now_ms: i64,
) -> DomainResult<(Pushed, UngradedAttempts)> {
    let mut log = ChangeLog::open(tx, user, quota)?.at(now_ms);
    let mut quizzes = Quizzes::default();
    let mut index = 0;
    while index < batch.len() {
        let applied = log.apply_client_batch(&batch[index..])?;
        index += applied;
        if applied == 0 {
            let row = &batch[index];
            let rule = quizzes.rule(&log, row)?;
            if log.apply_client(index, row, rule)? {
                quizzes.count_new(row);
            }
            index += 1;
        }
    }
    // Rows pushed again are graded and decided again, since their quiz or course may have been published after the
    // first push.
    let mut answered: BTreeMap<AttemptId, BTreeSet<Slug>> = BTreeMap::new();
    let refused: BTreeSet<usize> = log.pushed.refused.iter().map(|(index, _)| *index).collect();
    for (_, row) in batch.iter().enumerate().filter(|(index, _)| !refused.contains(index)) {
        match row {
            Row::Attempt(a) => drop(answered.entry(a.id).or_default()),
            Row::Answer(a) => {
                answered.entry(a.attempt).or_default().insert(a.question.clone());
            }
            Row::Kv(kv) => {
                if let Some(course) = enrolment::requested_course(kv) {
                    enrolment::decide(&mut log, &course, Grant::None, now_ms)?;
                }
            }
            _ => {}
        }
    }
    let mut ungraded = attempts::submitted(&log, answered)?;
    quizzes.grade_batch(&mut log, &mut ungraded, now_ms)?;
    if with_rows {
        let keys: Vec<RowKey> = batch.iter().map(Row::key).collect();
        let joined = tx.rows_with_keys(user, &keys)?;
        log.pushed.rows = keys.iter().map(|key| joined.get(key).cloned()).collect();
    }
    Ok((log.close()?, ungraded))
}

/// Grades attempts left by a push.
fn grade(
    tx: &dyn Tx,
    user: UserId,
    mut ungraded: UngradedAttempts,
    quota: Quota,
    now_ms: i64,
) -> DomainResult<(Pushed, UngradedAttempts)> {
    let mut log = ChangeLog::open(tx, user, quota)?.at(now_ms);
    Quizzes::default().grade_batch(&mut log, &mut ungraded, now_ms)?;
    Ok((log.close()?, ungraded))
}

/// A report of studying a story, by a client that does not sync rows.
#[derive(Debug, Clone)]
pub struct StoryReport {
    /// A story, or `course/story`.
    pub story: ItemId,
    /// 0 to 10,000, in hundredths of a percent.
    pub percent: u16,
    /// Study time up to now in milliseconds, at most `Session::MAX_ACTIVE_MS`.
    pub spent_ms: i64,
    /// Id of the session with this time. A repeated report has the same.
    pub session: SessionId,
    pub device: DeviceId,
    /// Offset of the learner's time zone from UTC, in minutes.
    pub off_min: i16,
}

/// Returns the rows of a report, as a device would push them.
fn rows_of_report(
    tx: &dyn Tx,
    user: UserId,
    report: &StoryReport,
    now_ms: i64,
) -> DomainResult<Vec<Row>> {
    let StoryReport { story, percent, spent_ms, session, device, off_min } = report.clone();
    let mut progress = Progress {
        kind: ItemKind::Story,
        item: story.clone(),
        generation: 0,
        percent,
        done_ms: (percent == 10_000).then_some(now_ms),
        pos: None,
        extra: Extra::default(),
    };
    // The report continues the run that the learner has begun.
    if let Some(Row::Progress(stored)) = tx.row(user, &Row::Progress(progress.clone()).key())? {
        progress.generation = stored.generation;
    }
    let mut rows = vec![Row::Progress(progress)];
    let started_ms = now_ms - spent_ms;
    let today = Today::at(started_ms, off_min, study::day_start(tx, user)?);
    let session = Row::Session(Session {
        id: session,
        item: story,
        device,
        started_ms,
        day: date_of_day(today.day).to_string(),
        off_min: Some(off_min),
        active_ms: spent_ms,
        extra: Extra::default(),
    });
    // A report that was repeated began at another time: it does not change the session.
    if spent_ms > 0 && !tx.has_row(user, &session.key())? {
        rows.push(session);
    }
    Ok(rows)
}

impl Store {
    /// Merges a report as a push of its progress and of its time, a session of its own. A report with the id of a stored
    /// session adds no time. The first row of the result is the progress.
    pub async fn report_story(
        &self,
        author: impl Into<Author>,
        report: StoryReport,
        now_ms: i64,
    ) -> DomainResult<Pushed> {
        let (author, quota) = (author.into(), self.quota());
        self.write_with_events("report_story", move |tx, events| {
            // Locks the learner's rows before they are read.
            tx.usn(author.user)?.ok_or(DomainError::NoAccount(author.user))?;
            let rows = rows_of_report(tx, author.user, &report, now_ms)?;
            let (pushed, _) = push(tx, author.user, &rows, true, quota, now_ms)?;
            events.extend(pushed.event(author));
            Ok::<_, DomainError>(pushed)
        })
        .await
    }
    /// Merges rows that were validated and folded. Each changed row gets a change number. Grades and decisions are
    /// written in the same transaction; if many attempts have to be graded, some grades are written in later ones.
    pub async fn push(
        &self,
        author: impl Into<Author>,
        rows: Vec<Row>,
        with_rows: bool,
        now_ms: i64,
    ) -> DomainResult<Pushed> {
        let (author, quota) = (author.into(), self.quota());
        let write = self.write_with_events("push", move |tx, events| {
            let (pushed, ungraded) = push(tx, author.user, &rows, with_rows, quota, now_ms)?;
            events.extend(pushed.event(author));
            Ok::<_, DomainError>((pushed, ungraded))
        });
        let (pushed, ungraded) = write.await?;
        if ungraded.is_empty() {
            return Ok(pushed);
        }
        // Spawned, so that grading completes even if the caller is cancelled.
        let rest = tokio::spawn(self.clone().grade_rest(author, pushed, ungraded, now_ms));
        rest.await.map_err(|e| StoreError::Internal(e.to_string().into()))?
    }
    /// Grades in several transactions, so that other writers are not blocked.
    async fn grade_rest(
        self,
        author: Author,
        mut pushed: Pushed,
        mut ungraded: UngradedAttempts,
        now_ms: i64,
    ) -> DomainResult<Pushed> {
        let quota = self.quota();
        while !ungraded.is_empty() {
            let write = self.write_with_events("grade", move |tx, events| {
                let (more, ungraded) = grade(tx, author.user, ungraded, quota, now_ms)?;
                events.extend(more.event(Author { sign_in: None, ..author }));
                Ok::<_, DomainError>((more, ungraded))
            });
            let more;
            (more, ungraded) = write.await?;
            pushed.usn = more.usn;
            pushed.changed += more.changed;
            pushed.own_since = pushed.own_since.filter(|_| more.changed == 0);
        }
        Ok(pushed)
    }
    /// Returns the rows with a change number above `since`, in ascending order, and whether there are more. Reading
    /// stops after about `max_bytes`.
    pub async fn pull(
        &self,
        user: UserId,
        since: u64,
        limit: u32,
        max_bytes: usize,
    ) -> DomainResult<(Vec<(u64, Row)>, bool)> {
        self.read("pull", move |tx| {
            // A device that is up to date needs only this lookup.
            if tx.usn(user)?.ok_or(DomainError::NoAccount(user))? <= since {
                return Ok((Vec::new(), false));
            }
            Ok(tx.rows_since(user, since, limit, max_bytes)?)
        })
        .await
    }
    /// Returns the learner's change number.
    pub async fn usn(&self, user: UserId) -> DomainResult<u64> {
        let found = self.read("usn", move |tx| tx.usn(user)).await?;
        found.ok_or(DomainError::NoAccount(user))
    }
    /// Returns progress and sessions of a course or story.
    pub async fn progress(
        &self,
        user: UserId,
        root: &Slug,
    ) -> DomainResult<(Vec<Progress>, Vec<Session>)> {
        let root = root.clone();
        Ok(self.read("progress", move |tx| tx.progress_below(user, &root)).await?)
    }
}
