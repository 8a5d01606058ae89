//! Commands for quizzes and attempts.
//!
//! Not here: grading (`carrel_model::content::grade`).

use std::collections::{BTreeMap, BTreeSet};

use carrel_client::{OpenAccount, learning::AttemptRecord};
use carrel_model::{
    AttemptId, BlobHash, ItemId, Slug,
    content::{
        GivenAnswer, Quiz, ReviewPolicy, Score, Submitted, check_answer, counted_attempts, grade,
        open_attempt,
    },
};

use super::{Result, percent};
use crate::{
    api::{
        error::CommandError,
        quiz::{AnswerView, AttemptRef, AttemptView, OpenQuiz, QuizView, SaveAnswer, SavedAnswer},
    },
    host::{Host, account},
};

pub async fn open_quiz(host: &dyn Host, request: OpenQuiz) -> Result<QuizView> {
    let account = account(host)?;
    let quiz: Quiz = account.content.library.body(request.body).await?;
    account.submit_expired_attempts().await?;
    let records = account.learning.attempts(&request.quiz).await?;
    let counted = counted(quiz.attempts, &records);
    let mut attempts = Vec::new();
    for record in &records {
        attempts.push(attempt_view(&account, record, &counted, request.body).await?);
    }
    let counting = attempts.iter().filter(|a| a.counts);
    let best = counting.filter_map(|a| a.score.as_ref()).map(score_percent).max();
    let used = u32::try_from(counted.len()).unwrap_or(u32::MAX);
    let attempts_left = (quiz.attempts > 0).then(|| quiz.attempts.saturating_sub(used));
    // An attempt at an earlier version that is not on this device cannot be shown: a new attempt takes its place.
    let readable =
        attempts.iter().filter(|a| a.quiz.is_some()).map(|a| a.id).collect::<BTreeSet<_>>();
    let rows = records.iter().map(|r| &r.attempt).filter(|a| readable.contains(&a.id));
    let open = open_attempt(rows).map(|a| a.id).filter(|_| attempts_left != Some(0));
    let question_count = u32::try_from(quiz.question_count()).unwrap_or(u32::MAX);
    Ok(QuizView { quiz, question_count, attempts, open, best, attempts_left })
}

/// Returns the submitted attempts at one quiz that count towards its limit.
fn counted(limit: u32, records: &[AttemptRecord]) -> BTreeSet<AttemptId> {
    let submitted: Vec<Submitted> = records
        .iter()
        .filter_map(|r| {
            let submitted_ms = r.attempt.submitted_ms?;
            Some(Submitted { id: r.attempt.id, submitted_ms, is_graded: r.grade.is_some() })
        })
        .collect();
    counted_attempts(limit, &submitted)
}

/// Returns the attempts that count, with the limit of the latest local version of the quiz.
async fn counted_with_local_limit(
    account: &OpenAccount,
    records: &[AttemptRecord],
) -> BTreeSet<AttemptId> {
    for record in records.iter().rev() {
        let quiz = account.content.library.body::<Quiz>(record.attempt.quiz_hash).await;
        if let Ok(quiz) = quiz {
            return counted(quiz.attempts, records);
        }
    }
    counted(0, records)
}

pub async fn start_attempt(host: &dyn Host, request: OpenQuiz) -> Result<AttemptView> {
    let account = account(host)?;
    let view = open_quiz(host, request.clone()).await?;
    if view.attempts_left == Some(0) {
        return Err(CommandError::invalid(format!(
            "all {} attempts at {} are used",
            view.quiz.attempts, request.quiz
        )));
    }
    let record = match view.open {
        Some(open) => account.learning.attempt(open).await?,
        None => account.learning.start_attempt(&request.quiz, request.body).await?,
    };
    attempt_view(&account, &record, &BTreeSet::new(), request.body).await
}

pub async fn save_answer(host: &dyn Host, request: SaveAnswer) -> Result<SavedAnswer> {
    let account = account(host)?;
    let record = account.learning.attempt(request.attempt).await?;
    let quiz: Quiz = account.content.library.body(record.attempt.quiz_hash).await?;
    if let Some(deadline) = quiz.deadline_ms(record.attempt.started_ms)
        && account.learning.moment().await?.at_ms > deadline
    {
        account.submit_expired_attempts().await?;
        let message = format!("the time for attempt {} at {} is over", request.attempt, quiz.id);
        return Err(CommandError::invalid(message));
    }
    let question = quiz.questions.iter().find(|q| q.id == request.question).ok_or_else(|| {
        CommandError::from(carrel_client::Error::NotFound(format!(
            "question {} of {}",
            request.question, quiz.id
        )))
    })?;
    let given = GivenAnswer { response: request.response, hints: request.hints };
    account.learning.save_given_answer(request.attempt, &request.question, &given).await?;
    let result = check_answer(question, &given, &quiz.lang);
    Ok(SavedAnswer {
        points: result.points,
        max_points: result.max_points,
        blanks: result.blanks,
        parts: result.parts,
    })
}

pub async fn submit_attempt(host: &dyn Host, request: AttemptRef) -> Result<AttemptView> {
    let account = account(host)?;
    let attempt = account.learning.attempt(request.attempt).await?.attempt;
    let deadline = account.attempt_deadline_ms(&attempt).await;
    let record = account.learning.submit_attempt_until(request.attempt, deadline).await?;
    let others = account.learning.attempts(&record.attempt.quiz).await?;
    let counted = counted_with_local_limit(&account, &others).await;
    let version = record.attempt.quiz_hash;
    attempt_view(&account, &record, &counted, version).await
}

/// Converts an attempt. `counted` contains the submitted attempts at this quiz that count; `current` is the version of
/// the quiz that is open.
async fn attempt_view(
    account: &OpenAccount,
    record: &AttemptRecord,
    counted: &BTreeSet<AttemptId>,
    current: BlobHash,
) -> Result<AttemptView> {
    let given: BTreeMap<Slug, GivenAnswer> = record
        .answers
        .iter()
        .filter_map(|a| Some((a.question.clone(), serde_json::from_str(&a.value).ok()?)))
        .collect();
    let quiz = account.content.library.body::<Quiz>(record.attempt.quiz_hash).await.ok();
    let quiz = quiz.map(|quiz| quiz.for_attempt(record.attempt.id));
    let may_review = record.grade.is_some()
        || quiz.as_ref().is_none_or(|quiz| quiz.review == ReviewPolicy::Submitted);
    let left_ms = match quiz.as_ref().and_then(|q| q.deadline_ms(record.attempt.started_ms)) {
        Some(deadline) if record.attempt.is_open() => {
            Some((deadline - account.learning.moment().await?.at_ms).max(0))
        }
        _ => None,
    };
    let grade_points = record.grade.as_ref().map(|g| (g.points, g.max_points));
    let score = match (&quiz, grade_points) {
        _ if record.attempt.is_open() => None,
        (Some(quiz), grade_points) => {
            let mut score = grade(quiz, |q| given.get(q));
            if !may_review {
                score.questions.clear();
            }
            if let Some((points, max_points)) = grade_points {
                score.set_points(points, max_points, quiz.pass);
            }
            Some(score)
        }
        // If the attempt's version of the quiz is no longer local, only the points of the server's grade are known.
        (None, grade_points) => {
            grade_points.map(|(points, max)| Score::of_unknown_quiz(points, max))
        }
    };
    Ok(AttemptView {
        id: record.attempt.id,
        quiz,
        is_earlier_version: record.attempt.quiz_hash != current,
        started_ms: record.attempt.started_ms,
        submitted_ms: record.attempt.submitted_ms,
        left_ms,
        may_review,
        answers: given
            .into_iter()
            .map(|(question, g)| AnswerView { question, response: g.response, hints: g.hints })
            .collect(),
        provisional: score.is_some() && record.grade.is_none(),
        counts: record.attempt.is_open() || counted.contains(&record.attempt.id),
        score,
    })
}

fn score_percent(score: &Score) -> u16 {
    percent(score.points.unsigned_abs(), score.max_points.unsigned_abs())
}

/// Returns the best score of each quiz of a course, in hundredths of a percent, over the attempts that count.
pub(crate) async fn best_scores(
    account: &OpenAccount,
    root: &str,
) -> Result<BTreeMap<ItemId, u16>> {
    let mut by_quiz: BTreeMap<ItemId, Vec<AttemptRecord>> = BTreeMap::new();
    for record in account.learning.attempts_under(root).await? {
        by_quiz.entry(record.attempt.quiz.clone()).or_default().push(record);
    }
    let mut best: BTreeMap<ItemId, u16> = BTreeMap::new();
    for (quiz, records) in by_quiz {
        let counted = counted_with_local_limit(account, &records).await;
        for record in records.iter().filter(|r| counted.contains(&r.attempt.id)) {
            if let Some(score) =
                attempt_view(account, record, &counted, record.attempt.quiz_hash).await?.score
            {
                let entry = best.entry(quiz.clone()).or_default();
                *entry = (*entry).max(score_percent(&score));
            }
        }
    }
    Ok(best)
}
