//! Quiz attempts: the rules for accepting answers, and grades, which are computed from the rows alone. Answers are
//! scored by `carrel_model::content`, as on the device.
//!
//! An attempt is graded once, from the answers submitted with it. Later answers, or another submission of the same
//! attempt, are stored but do not count.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use carrel_model::{
    AttemptId, BlobHash, ItemId, Slug,
    content::{GivenAnswer, Question, Quiz, check_answer, grade, has_attempts_left},
    lattice::{Answer, Attempt, Extra, Grade, Row, RowKey, RowType},
    wire::{RefusalReason, ResultCode},
};

use crate::store::tx::OpenGrade;
use crate::{
    DomainResult,
    change_log::{ChangeLog, Rule},
};

/// For an attempt submitted without its answers: time after the first grade in which answers to further questions
/// count, since they may arrive in a later batch. A graded question keeps its points.
pub(crate) const OPEN_MS: i64 = 24 * 3_600_000;

/// A transaction stops grading after this number of answers and questions, so that other writers are not blocked for
/// long.
const MAX_GRADED_PER_CALL: usize = 5_000;

/// Submitted attempts to grade, in the order in which they count (`content::counted_attempts`), each with the
/// questions whose answers were in the batch.
pub(crate) type UngradedAttempts = BTreeMap<(i64, AttemptId), BTreeSet<Slug>>;

/// Cache of quizzes and attempts within one transaction.
#[derive(Default)]
pub(crate) struct Quizzes {
    by_item: HashMap<(BlobHash, ItemId), Option<Rc<ParsedQuiz>>>,
    accepted: HashMap<AttemptId, AcceptedAnswers>,
    /// By quiz: the attempt limit, and the number of graded attempts.
    limits: HashMap<ItemId, (u32, usize)>,
}

/// A quiz and the ids of its questions.
struct ParsedQuiz {
    quiz: Quiz,
    questions: HashSet<Slug>,
}

/// The answers accepted for an attempt.
enum AcceptedAnswers {
    /// Answers to the questions of its quiz.
    Questions(Rc<ParsedQuiz>),
    /// Any answers, up to this number of further ones, because the quiz is unknown to this server.
    Any(usize),
}

impl Quizzes {
    /// Returns the rule that a valid row violates, or `None`. Only attempts and answers have rules.
    pub(crate) fn rule(&mut self, log: &ChangeLog<'_>, row: &Row) -> DomainResult<Option<Rule>> {
        match row {
            Row::Answer(answer) => self.answer_rule(log, answer),
            Row::Attempt(attempt) if changes_quiz(log, attempt)? => {
                let text = "quiz: cannot be changed for an existing attempt";
                let reason = RefusalReason::text("quiz_changed", &[], text);
                Ok(Some(Rule::Always((ResultCode::Invalid, reason))))
            }
            _ => Ok(None),
        }
    }
    /// Counts a new answer if the quiz of its attempt is unknown.
    pub(crate) fn count_new(&mut self, row: &Row) {
        if let Row::Answer(answer) = row
            && let Some(AcceptedAnswers::Any(left)) = self.accepted.get_mut(&answer.attempt)
        {
            *left = left.saturating_sub(1);
        }
    }
    /// Refuses a new answer to a question that is not in the quiz or, if the quiz is unknown, more than
    /// `Attempt::MAX_ANSWERS` answers.
    fn answer_rule(&mut self, log: &ChangeLog<'_>, answer: &Answer) -> DomainResult<Option<Rule>> {
        let id = answer.attempt;
        if !self.accepted.contains_key(&id) {
            let stored_quiz = log.tx.quiz_of_attempt(log.user, id)?;
            let quiz =
                stored_quiz.map(|(item, hash)| self.quiz(log, item, hash)).transpose()?.flatten();
            let accepted = match quiz {
                Some(quiz) => AcceptedAnswers::Questions(quiz),
                None => {
                    let max = Attempt::MAX_ANSWERS;
                    let stored = log.tx.count_answers(log.user, id, max)?;
                    AcceptedAnswers::Any(max.saturating_sub(stored))
                }
            };
            self.accepted.insert(id, accepted);
        }
        let reason = match self.accepted.get(&id) {
            Some(AcceptedAnswers::Questions(quiz))
                if !quiz.questions.contains(&answer.question) =>
            {
                let question = &answer.question;
                let text = format!("question: the quiz of the attempt has no question {question}");
                RefusalReason::text("unknown_question", &[("question", question)], text)
            }
            Some(AcceptedAnswers::Any(0)) => {
                let max = Attempt::MAX_ANSWERS;
                let text = format!("question: more than {max} answers for one attempt");
                RefusalReason::text("too_many_answers", &[("max", &max)], text)
            }
            _ => return Ok(None),
        };
        Ok(Some(Rule::IfNew((ResultCode::Invalid, reason))))
    }
    /// Returns the quiz of an attempt, if it was ever published on this server.
    fn quiz(
        &mut self,
        log: &ChangeLog<'_>,
        item: ItemId,
        hash: BlobHash,
    ) -> DomainResult<Option<Rc<ParsedQuiz>>> {
        let key = (hash, item);
        if let Some(parsed) = self.by_item.get(&key) {
            return Ok(parsed.clone());
        }
        let body = log.tx.quiz(key.0, &key.1)?;
        let parsed = body.and_then(|body| match serde_json::from_str::<Quiz>(&body) {
            Ok(quiz) => {
                let questions = quiz.questions.iter().map(|q| q.id.clone()).collect();
                Some(Rc::new(ParsedQuiz { quiz, questions }))
            }
            // An unreadable quiz must not block the learner's rows.
            Err(e) => {
                tracing::error!(quiz.item = %key.1, error = %e, "failed to parse a stored quiz");
                None
            }
        });
        self.by_item.insert(key, parsed.clone());
        Ok(parsed)
    }
    /// Returns true if another attempt at the quiz may be graded.
    fn allows_attempt(
        &mut self,
        log: &ChangeLog<'_>,
        attempt: &Attempt,
        quiz: &Quiz,
    ) -> DomainResult<bool> {
        let (limit, counted) = match self.limits.get(&attempt.quiz) {
            Some(limit) => *limit,
            None => {
                let limit = attempt_limit(log, attempt)?.unwrap_or(quiz.attempts);
                (limit, log.tx.count_graded(log.user, &attempt.quiz, limit)?)
            }
        };
        self.limits.insert(attempt.quiz.clone(), (limit, counted));
        Ok(has_attempts_left(limit, counted))
    }
    /// Stores a grade. The first grade of an attempt counts towards the attempt limit.
    fn add_grade(
        &mut self,
        log: &mut ChangeLog<'_>,
        attempt: &Attempt,
        grade: Grade,
        is_first: bool,
    ) -> DomainResult<()> {
        if is_first {
            let is_new = log.tx.add_graded(log.user, &attempt.quiz, attempt.id)?;
            if let Some((_, counted)) = self.limits.get_mut(&attempt.quiz) {
                *counted += usize::from(is_new);
            }
        }
        log.apply_server(Row::Grade(grade))
    }
    /// Grades attempts, about `MAX_GRADED_PER_CALL` answers; the remaining attempts stay in `attempts`.
    pub(crate) fn grade_batch(
        &mut self,
        log: &mut ChangeLog<'_>,
        attempts: &mut UngradedAttempts,
        now_ms: i64,
    ) -> DomainResult<()> {
        let mut cost = 0;
        while cost < MAX_GRADED_PER_CALL
            && let Some(((_, id), answered)) = attempts.pop_first()
        {
            cost += self.grade(log, id, &answered, now_ms)?;
        }
        Ok(())
    }
    /// Grades a submitted attempt if its quiz is known. Returns the number of answers examined.
    fn grade(
        &mut self,
        log: &mut ChangeLog<'_>,
        id: AttemptId,
        answered: &BTreeSet<Slug>,
        now_ms: i64,
    ) -> DomainResult<usize> {
        let key = |row_type| RowKey { row_type, key: id.to_string() };
        let Some(Row::Attempt(attempt)) = log.row(&key(RowType::Attempt))? else { return Ok(1) };
        if attempt.is_open() {
            return Ok(1);
        }
        let quiz = self.quiz(log, attempt.quiz.clone(), attempt.quiz_hash)?;
        let Some(parsed) = quiz else { return Ok(1) };
        let old = match log.row(&key(RowType::Grade))? {
            Some(Row::Grade(grade)) => Some(grade),
            _ => None,
        };
        if old.is_none() && !self.allows_attempt(log, &attempt, &parsed.quiz)? {
            return Ok(1);
        }
        let paper = parsed.quiz.for_attempt(id);
        if let (Some(answers), None) = (&attempt.answers, &old) {
            if let Some(grade) = next_grade(id, score(&paper, answers), None, now_ms) {
                self.add_grade(log, &attempt, grade, true)?;
            }
            return Ok(1 + answers.len() + parsed.quiz.questions.len());
        }
        self.grade_open(log, &attempt, &paper, answered, old.as_ref(), now_ms)
    }
    /// Grades an attempt of a client release that does not submit answers with it: each question keeps the points of
    /// its first graded answer.
    fn grade_open(
        &mut self,
        log: &mut ChangeLog<'_>,
        attempt: &Attempt,
        paper: &Quiz,
        answered: &BTreeSet<Slug>,
        old: Option<&Grade>,
        now_ms: i64,
    ) -> DomainResult<usize> {
        let id = attempt.id;
        let stored = log.tx.open_grade(log.user, id)?;
        let is_first = stored.is_none();
        let mut open = match (stored, old) {
            // Graded from the submitted answers, or by a release without per-question grades, or so long ago that the
            // `OpenGrade` was deleted.
            (None, Some(_)) => return Ok(1),
            (Some(open), _) if now_ms.saturating_sub(open.first_ms) > OPEN_MS => return Ok(1),
            (Some(open), _) => open,
            (None, None) => OpenGrade { first_ms: now_ms, points: BTreeMap::new() },
        };
        let mut cost = 1;
        let before = open.points.len();
        for question in &paper.questions {
            let is_graded = open.points.contains_key(&question.id);
            if is_graded || !(is_first || answered.contains(&question.id)) {
                continue;
            }
            cost += 1;
            let key = RowKey::of(RowType::Answer, &[id.to_string(), question.id.to_string()]);
            if let Some(Row::Answer(answer)) = log.row(&key)? {
                let points = score_answer(question, &answer.value, &paper.lang);
                open.points.insert(question.id.clone(), points);
            }
        }
        if is_first || open.points.len() > before {
            log.tx.put_open_grade(log.user, id, &open)?;
        }
        let score = (open.points.values().sum(), max_points(paper));
        if let Some(grade) = next_grade(id, score, old, now_ms) {
            self.add_grade(log, attempt, grade, old.is_none())?;
        }
        Ok(cost)
    }
}

/// Returns true if the attempt is stored with another quiz. The merge would keep one of the two quizzes, but the grade
/// could be that of the other.
fn changes_quiz(log: &ChangeLog<'_>, attempt: &Attempt) -> DomainResult<bool> {
    let stored = log.tx.quiz_of_attempt(log.user, attempt.id)?;
    Ok(stored.is_some_and(|(quiz, hash)| quiz != attempt.quiz || hash != attempt.quiz_hash))
}

/// Returns the submitted attempts among `answered`, in the order in which they count.
pub(crate) fn submitted(
    log: &ChangeLog<'_>,
    answered: BTreeMap<AttemptId, BTreeSet<Slug>>,
) -> DomainResult<UngradedAttempts> {
    let mut submitted = UngradedAttempts::new();
    for (id, questions) in answered {
        if let Some(at_ms) = log.tx.submitted_ms(log.user, id)? {
            submitted.insert((at_ms, id), questions);
        }
    }
    Ok(submitted)
}

/// Returns the attempt limit of the last published version of the quiz, or `None` if it is unknown.
fn attempt_limit(log: &ChangeLog<'_>, attempt: &Attempt) -> DomainResult<Option<u32>> {
    #[derive(serde::Deserialize)]
    struct Limit {
        #[serde(default)]
        attempts: u32,
    }
    let body = log.tx.latest_quiz(&attempt.quiz, attempt.quiz_hash)?;
    Ok(body.and_then(|body| serde_json::from_str::<Limit>(&body).ok()).map(|l| l.attempts))
}

/// Returns points and maximum points, in thousandths, of the answers submitted with an attempt. An unreadable answer
/// scores 0.
fn score(quiz: &Quiz, answers: &BTreeMap<Slug, String>) -> (i64, i64) {
    let given: BTreeMap<&Slug, GivenAnswer> = answers
        .iter()
        .filter_map(|(question, value)| Some((question, serde_json::from_str(value).ok()?)))
        .collect();
    let score = grade(quiz, |question| given.get(question));
    (score.points, score.max_points)
}

/// Returns the points for one answer, in thousandths; 0 if the answer is unreadable.
fn score_answer(question: &Question, value: &str, lang: &str) -> i64 {
    serde_json::from_str(value).map_or(0, |given| check_answer(question, &given, lang).points)
}

/// Returns the maximum points of a quiz, in thousandths.
fn max_points(quiz: &Quiz) -> i64 {
    quiz.questions.iter().map(|q| i64::from(q.points) * 1000).sum()
}

/// Returns the next revision of the grade, or `None` if the score is unchanged.
fn next_grade(
    attempt: AttemptId,
    (points, max_points): (i64, i64),
    old: Option<&Grade>,
    now_ms: i64,
) -> Option<Grade> {
    if old.is_some_and(|g| (g.points, g.max_points) == (points, max_points)) {
        return None;
    }
    Some(Grade {
        attempt,
        rev: old.map_or(1, |g| g.rev.saturating_add(1)),
        points,
        max_points,
        graded_ms: now_ms,
        extra: Extra::default(),
    })
}
