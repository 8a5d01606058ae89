//! A learner's rows: push, pull, progress, enrolment. Change numbers are given here, under the one writer.
//!
//! Not here: validation and folding (`crate::push`), the joins (`carrel_sqlite::rows`), scoring (`crate::grading`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use carrel_model::{
    AttemptId, BlobHash, DeviceId, Hlc, ItemId, Slug, UserId,
    content::{Quiz, has_room},
    lattice::{
        Answer, Attempt, Decision, DecisionStatus, ENROLMENT, Extra, Grade, Kv, Progress, Row,
        RowKey, RowType, Session,
    },
    wire::ResultCode,
};
use carrel_sqlite::rows::{self, Joined, Owner};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    grading,
    store::{
        Enrolled, NOT_WANTED, Pushed, Quota, Refusal, Result, StoreError, WANTED, is_wanted,
        sqlite::unreadable,
    },
};

/// How many answers are graded in one transaction, so that others can write in between.
const GRADED_AT_ONCE: usize = 5_000;

/// Submitted attempts to grade, in the order in which they count (`content::counted_attempts`), and which of their answers were in the
/// batch.
pub(super) type ToGrade = BTreeMap<(i64, AttemptId), BTreeSet<Slug>>;

/// A quiz and the ids of its questions.
struct KnownQuiz {
    quiz: Quiz,
    questions: HashSet<Slug>,
}

/// Which answers an attempt takes.
enum Takes {
    /// Those to the questions of its quiz.
    Questions(Rc<KnownQuiz>),
    /// The quiz is not known here: so many more.
    Any(usize),
}

/// What a learner's rows count against the quota.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Usage {
    rows: i64,
    bytes: i64,
}

/// One learner's change numbers inside one transaction.
struct Ledger<'c> {
    conn: &'c Connection,
    user: UserId,
    before: u64,
    quota: Quota,
    usage_before: Usage,
    usage: Usage,
    /// Something changed that whoever sent the rows does not have.
    news: bool,
    quizzes: HashMap<(BlobHash, ItemId), Option<Rc<KnownQuiz>>>,
    takes: HashMap<AttemptId, Takes>,
    /// The limit of each quiz, and how many attempts count already.
    limits: HashMap<ItemId, (u32, usize)>,
    done: Pushed,
}

impl<'c> Ledger<'c> {
    fn open(conn: &'c Connection, user: UserId, quota: Quota) -> Result<Self> {
        let before = usn(conn, user)?;
        let usage = usage(conn, user)?;
        Ok(Self {
            conn,
            user,
            before,
            quota,
            usage_before: usage,
            usage,
            news: false,
            quizzes: HashMap::new(),
            takes: HashMap::new(),
            limits: HashMap::new(),
            done: Pushed { usn: before, ..Pushed::default() },
        })
    }
    fn owner(&self) -> Owner {
        Owner::Server(self.user)
    }
    /// Joins the row at `place` of a device's batch; a no-op takes no change number. False if it was refused.
    fn take(&mut self, place: usize, row: &Row) -> Result<bool> {
        let refusal = self.refusal(row)?;
        let joined = match refusal {
            Some(refusal) => Err(refusal),
            None if self.usage.bytes >= self.hard_limit() => self.join_smaller(row)?,
            None => Ok(self.join(row)?),
        };
        match joined {
            Ok(joined) => {
                self.news |= joined.changed && !joined.as_sent;
                if let (true, Row::Answer(a)) = (joined.added, row)
                    && let Some(Takes::Any(left)) = self.takes.get_mut(&a.attempt)
                {
                    *left = left.saturating_sub(1);
                }
                Ok(true)
            }
            Err(refusal) => {
                self.done.refused.push((place, refusal));
                Ok(false)
            }
        }
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
            self.usage.rows += i64::from(joined.added);
            self.usage.bytes += joined.growth;
        }
        self.done.payload_conflicts += u64::from(joined.payload_conflict);
        Ok(joined)
    }
    /// Joins a row unless that makes it larger.
    fn join_smaller(&mut self, row: &Row) -> Result<Result<Joined, Refusal>> {
        self.conn.prepare_cached("SAVEPOINT quota")?.execute([])?;
        let joined = rows::join(self.conn, self.owner(), row, self.done.usn + 1)?;
        let too_large = joined.growth > 0;
        if too_large {
            self.conn.prepare_cached("ROLLBACK TO quota")?.execute([])?;
        }
        self.conn.prepare_cached("RELEASE quota")?.execute([])?;
        if too_large {
            return Ok(Err(self.over_quota()));
        }
        if joined.changed {
            self.done.usn += 1;
            self.done.changed += 1;
            self.usage.bytes += joined.growth;
        }
        self.done.payload_conflicts += u64::from(joined.payload_conflict);
        Ok(Ok(joined))
    }
    fn hard_limit(&self) -> i64 {
        i64::try_from(self.quota.bytes.saturating_add(self.quota.bytes / 4)).unwrap_or(i64::MAX)
    }
    fn over_quota(&self) -> Refusal {
        let Quota { rows, bytes } = self.quota;
        let mib = bytes / (1024 * 1024);
        let reason = format!(
            "over the quota of this server: {rows} rows or {mib} MiB for each learner; ask who runs the server"
        );
        (ResultCode::Forbidden, reason)
    }
    /// Why a row that is valid by itself is not taken. Of the changes of a row that is there, only another quiz of an attempt is refused.
    fn refusal(&mut self, row: &Row) -> Result<Option<Refusal>> {
        let by_rule = match row {
            Row::Answer(answer) => self.answer_refusal(answer)?,
            Row::Attempt(attempt) if self.is_of_another_quiz(attempt)? => {
                let reason = "quiz: of an attempt never changes".to_owned();
                return Ok(Some((ResultCode::Invalid, reason)));
            }
            _ => None,
        };
        let is_over = |used: i64, most: u64| used.unsigned_abs() >= most;
        let over = is_over(self.usage.rows, self.quota.rows)
            || is_over(self.usage.bytes, self.quota.bytes);
        let Some(refusal) = by_rule.or_else(|| over.then(|| self.over_quota())) else {
            return Ok(None);
        };
        let is_new = rows::size_of(self.conn, self.owner(), &row.key())?.is_none();
        Ok(is_new.then_some(refusal))
    }
    /// An attempt takes answers to the questions of its quiz; while the quiz is unknown here, a bounded number.
    fn answer_refusal(&mut self, answer: &Answer) -> Result<Option<Refusal>> {
        let id = answer.attempt;
        if !self.takes.contains_key(&id) {
            let attempt = match self.get(&RowKey::of(RowType::Attempt, &[id.to_string()]))? {
                Some(Row::Attempt(attempt)) => Some(attempt),
                _ => None,
            };
            let quiz = attempt.map(|a| self.quiz(&a)).transpose()?.flatten();
            let takes = match quiz {
                Some(quiz) => Takes::Questions(quiz),
                None => Takes::Any(Attempt::MAX_ANSWERS - self.count_answers(id)?),
            };
            self.takes.insert(id, takes);
        }
        let reason = match self.takes.get(&id) {
            Some(Takes::Questions(quiz)) if !quiz.questions.contains(&answer.question) => {
                format!("question: the quiz of the attempt has no question {}", answer.question)
            }
            Some(Takes::Any(0)) => {
                format!("question: over {} answers for one attempt", Attempt::MAX_ANSWERS)
            }
            _ => return Ok(None),
        };
        Ok(Some((ResultCode::Invalid, reason)))
    }
    /// True if the attempt is stored with another quiz. The join would take the greater of the two, and with it a grade that was given
    /// for another quiz.
    fn is_of_another_quiz(&self, attempt: &Attempt) -> Result<bool> {
        let sql = "SELECT 1 FROM attempt WHERE user_id = ?1 AND id = ?2 AND (quiz <> ?3 OR quiz_hash <> ?4)";
        let Attempt { id, quiz, quiz_hash, .. } = attempt;
        let values = (self.user.0.as_bytes(), id.0.as_bytes(), quiz.as_str(), quiz_hash.0);
        Ok(self.conn.prepare_cached(sql)?.exists(values)?)
    }
    /// How many answers an attempt has; not counted beyond `MAX_ANSWERS`.
    fn count_answers(&self, id: AttemptId) -> Result<usize> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM answer WHERE user_id = ?1 AND attempt = ?2 LIMIT ?3)";
        let most = Attempt::MAX_ANSWERS as i64;
        let values = (self.user.0.as_bytes(), id.0.as_bytes(), most);
        let count: i64 = self.conn.prepare_cached(sql)?.query_row(values, |r| r.get(0))?;
        Ok(count.clamp(0, most) as usize)
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
        if self.usage != self.usage_before {
            let sql = "INSERT INTO learner_usage (user_id, row_count, row_bytes) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (user_id) DO UPDATE SET row_count = excluded.row_count, row_bytes = excluded.row_bytes";
            let values = (self.user.0.as_bytes(), self.usage.rows, self.usage.bytes);
            self.conn.prepare_cached(sql)?.execute(values)?;
        }
        Ok(self.done)
    }
    /// The quiz of an attempt, if it was ever published here.
    fn quiz(&mut self, attempt: &Attempt) -> Result<Option<Rc<KnownQuiz>>> {
        let key = (attempt.quiz_hash, attempt.quiz.clone());
        if let Some(known) = self.quizzes.get(&key) {
            return Ok(known.clone());
        }
        let known = quiz(self.conn, attempt)?.map(|quiz| {
            let questions = quiz.questions.iter().map(|q| q.id.clone()).collect();
            Rc::new(KnownQuiz { quiz, questions })
        });
        self.quizzes.insert(key, known.clone());
        Ok(known)
    }
    /// Those of the attempts that were submitted, in the order in which they count.
    fn submitted(&self, touched: BTreeMap<AttemptId, BTreeSet<Slug>>) -> Result<ToGrade> {
        let sql =
            "SELECT submitted_ms FROM attempt WHERE user_id = ?1 AND id = ?2 AND submitted_ms < ?3";
        let mut stmt = self.conn.prepare_cached(sql)?;
        let mut submitted = ToGrade::new();
        for (id, questions) in touched {
            let values = (self.user.0.as_bytes(), id.0.as_bytes(), rows::NEVER);
            if let Some(at_ms) = stmt.query_row(values, |r| r.get(0)).optional()? {
                submitted.insert((at_ms, id), questions);
            }
        }
        Ok(submitted)
    }
    /// True if one more attempt at the quiz may be graded.
    fn has_room(&mut self, attempt: &Attempt, quiz: &Quiz) -> Result<bool> {
        let (limit, counted) = match self.limits.get(&attempt.quiz) {
            Some(known) => *known,
            None => {
                let limit = limit(self.conn, attempt)?.unwrap_or(quiz.attempts);
                let sql = "SELECT count(*) FROM (SELECT 1 FROM graded_attempt WHERE user_id = ?1 AND quiz = ?2 LIMIT ?3)";
                let values = (self.user.0.as_bytes(), attempt.quiz.as_str(), limit);
                let counted: i64 =
                    self.conn.prepare_cached(sql)?.query_row(values, |r| r.get(0))?;
                (limit, usize::try_from(counted).unwrap_or(usize::MAX))
            }
        };
        self.limits.insert(attempt.quiz.clone(), (limit, counted));
        Ok(has_room(limit, counted))
    }
    /// Adds a grade that is the first of its attempt, or the next one.
    fn add_grade(&mut self, attempt: &Attempt, grade: Grade, is_first: bool) -> Result<()> {
        if is_first {
            let sql =
                "INSERT OR IGNORE INTO graded_attempt (user_id, quiz, attempt) VALUES (?1, ?2, ?3)";
            let values = (self.user.0.as_bytes(), attempt.quiz.as_str(), attempt.id.0.as_bytes());
            let added = self.conn.prepare_cached(sql)?.execute(values)?;
            if let Some((_, counted)) = self.limits.get_mut(&attempt.quiz) {
                *counted += added;
            }
        }
        self.add(&Row::Grade(grade))
    }
    /// Grades attempts until enough was done for one transaction; the rest is left in `attempts`.
    fn grade_all(&mut self, attempts: &mut ToGrade, now_ms: i64) -> Result<()> {
        let mut work = 0;
        while work < GRADED_AT_ONCE
            && let Some(((_, id), touched)) = attempts.pop_first()
        {
            work += self.grade(id, &touched, now_ms)?;
        }
        Ok(())
    }
    /// Scores an attempt that was submitted, if its quiz is known: once, from the answers that were submitted with it. Whatever comes
    /// later (answers, or another submission of the same attempt) is kept but does not count. Returns how many answers were looked at.
    fn grade(&mut self, id: AttemptId, touched: &BTreeSet<Slug>, now_ms: i64) -> Result<usize> {
        let key = |row_type| RowKey { row_type, key: id.to_string() };
        let Some(Row::Attempt(attempt)) = self.get(&key(RowType::Attempt))? else { return Ok(1) };
        if attempt.submitted_ms.is_none() {
            return Ok(1);
        }
        let Some(known) = self.quiz(&attempt)? else { return Ok(1) };
        let old = match self.get(&key(RowType::Grade))? {
            Some(Row::Grade(grade)) => Some(grade),
            _ => None,
        };
        if old.is_none() && !self.has_room(&attempt, &known.quiz)? {
            return Ok(1);
        }
        if let (Some(answers), None) = (&attempt.answers, &old) {
            let score = grading::score(&known.quiz, answers);
            if let Some(grade) = grading::next(id, score, None, now_ms) {
                self.add_grade(&attempt, grade, true)?;
            }
            return Ok(1 + answers.len() + known.quiz.questions.len());
        }
        self.grade_open(&attempt, &known, touched, old.as_ref(), now_ms)
    }
    /// The same for an attempt that a release without submitted answers made: each question counts as it is when it is first seen.
    fn grade_open(
        &mut self,
        attempt: &Attempt,
        known: &KnownQuiz,
        touched: &BTreeSet<Slug>,
        old: Option<&Grade>,
        now_ms: i64,
    ) -> Result<usize> {
        let id = attempt.id;
        let open = open_grade(self.conn, self.user, id)?;
        let is_first = open.is_none();
        let (first_ms, mut points) = match (open, old) {
            // Graded by the answers that were submitted, or before questions were graded one by one, or so long ago that the row was
            // deleted.
            (None, Some(_)) => return Ok(1),
            (Some((first_ms, _)), _) if now_ms.saturating_sub(first_ms) > grading::OPEN_MS => {
                return Ok(1);
            }
            (Some(open), _) => open,
            (None, None) => (now_ms, BTreeMap::new()),
        };
        let mut work = 1;
        let before = points.len();
        for question in &known.quiz.questions {
            if points.contains_key(&question.id) || !(is_first || touched.contains(&question.id)) {
                continue;
            }
            work += 1;
            let key = RowKey::of(RowType::Answer, &[id.to_string(), question.id.to_string()]);
            if let Some(Row::Answer(answer)) = self.get(&key)? {
                points.insert(question.id.clone(), grading::score_one(question, &answer.value));
            }
        }
        if is_first || points.len() > before {
            let text = serde_json::to_string(&points).map_err(|e| unreadable("grade", e))?;
            let sql = "INSERT OR REPLACE INTO open_grade (user_id, attempt, first_ms, points) VALUES (?1, ?2, ?3, ?4)";
            let values = (self.user.0.as_bytes(), id.0.as_bytes(), first_ms, text);
            self.conn.prepare_cached(sql)?.execute(values)?;
        }
        let score = (points.values().sum(), grading::max_points(&known.quiz));
        if let Some(grade) = grading::next(id, score, old, now_ms) {
            self.add_grade(attempt, grade, old.is_none())?;
        }
        Ok(work)
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
    let Some(body) = body else { return Ok(None) };
    match serde_json::from_str(&body) {
        Ok(quiz) => Ok(Some(quiz)),
        // A learner's rows must not wait for it.
        Err(e) => {
            tracing::error!(quiz.item = %attempt.quiz, error = %e, "a stored quiz cannot be read");
            Ok(None)
        }
    }
}

/// How many attempts at the quiz count, by the version that was published last; none if that cannot be told.
fn limit(conn: &Connection, attempt: &Attempt) -> Result<Option<u32>> {
    #[derive(serde::Deserialize)]
    struct Limit {
        #[serde(default)]
        attempts: u32,
    }
    // In a database of an earlier release it is not known which version was the last: then the attempt's own.
    let sql =
        "SELECT body FROM quiz WHERE item = ?1 ORDER BY revision DESC, hash = ?2 DESC LIMIT 1";
    let mut stmt = conn.prepare_cached(sql)?;
    let values = (attempt.quiz.as_str(), attempt.quiz_hash.0);
    let body: Option<String> = stmt.query_row(values, |r| r.get(0)).optional()?;
    Ok(body.and_then(|body| serde_json::from_str::<Limit>(&body).ok()).map(|l| l.attempts))
}

/// When an attempt without submitted answers was first graded, and the points of the questions that were.
fn open_grade(
    conn: &Connection,
    user: UserId,
    id: AttemptId,
) -> Result<Option<(i64, BTreeMap<Slug, i64>)>> {
    let sql = "SELECT first_ms, points FROM open_grade WHERE user_id = ?1 AND attempt = ?2";
    let mut stmt = conn.prepare_cached(sql)?;
    let found: Option<(i64, String)> = stmt
        .query_row((user.0.as_bytes(), id.0.as_bytes()), |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let Some((first_ms, points)) = found else { return Ok(None) };
    let points = serde_json::from_str(&points).map_err(|e| unreadable("grade", e))?;
    Ok(Some((first_ms, points)))
}

fn usage(conn: &Connection, user: UserId) -> Result<Usage> {
    let sql = "SELECT row_count, row_bytes FROM learner_usage WHERE user_id = ?1";
    let mut stmt = conn.prepare_cached(sql)?;
    let found = stmt
        .query_row([user.0.as_bytes()], |r| Ok(Usage { rows: r.get(0)?, bytes: r.get(1)? }))
        .optional()?;
    Ok(found.unwrap_or(Usage { rows: 0, bytes: 0 }))
}

/// Joins a batch. What is left to grade comes back for another transaction.
pub(super) fn push(
    conn: &Connection,
    user: UserId,
    batch: &[Row],
    give_rows: bool,
    quota: Quota,
    now_ms: i64,
) -> Result<(Pushed, ToGrade)> {
    let mut ledger = Ledger::open(conn, user, quota)?;
    let mut touched: BTreeMap<AttemptId, BTreeSet<Slug>> = BTreeMap::new();
    for (place, row) in batch.iter().enumerate() {
        // A replay asks again too: its quiz or course may have been published since.
        if !ledger.take(place, row)? {
            continue;
        }
        match row {
            Row::Attempt(a) => drop(touched.entry(a.id).or_default()),
            Row::Answer(a) => {
                touched.entry(a.attempt).or_default().insert(a.question.clone());
            }
            Row::Kv(kv) if is_wanted(kv) => {
                if let Ok(course) = Slug::new(kv.key.as_str()) {
                    ledger.decide(&course)?;
                }
            }
            _ => {}
        }
    }
    let mut attempts = ledger.submitted(touched)?;
    ledger.grade_all(&mut attempts, now_ms)?;
    if give_rows {
        for row in batch {
            let joined = ledger.get(&row.key())?;
            ledger.done.rows.push(joined);
        }
    }
    Ok((ledger.close()?, attempts))
}

/// Grades what a push left.
pub(super) fn grade(
    conn: &Connection,
    user: UserId,
    mut attempts: ToGrade,
    quota: Quota,
    now_ms: i64,
) -> Result<(Pushed, ToGrade)> {
    let mut ledger = Ledger::open(conn, user, quota)?;
    ledger.grade_all(&mut attempts, now_ms)?;
    Ok((ledger.close()?, attempts))
}

pub(super) fn pull(
    conn: &Connection,
    user: UserId,
    since: u64,
    limit: u32,
    max_bytes: usize,
) -> Result<(Vec<(u64, Row)>, bool)> {
    // One look tells a device that is up to date that it is.
    if usn(conn, user)? <= since {
        return Ok((Vec::new(), false));
    }
    let page = rows::since(conn, user, since, limit as usize, max_bytes)?;
    Ok((page.rows, page.more))
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
    quota: Quota,
    now_ms: i64,
) -> Result<Enrolled> {
    let mut ledger = Ledger::open(conn, user, quota)?;
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
