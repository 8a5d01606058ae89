//! Scores answers with one pure function, so that the provisional score on the device and the server's grade agree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    numeric::{NumberProblem, grade_number},
    quiz::{Gap, GivenAnswer, Question, QuestionKind, Quiz, Response},
    typed::{TextMatch, grade_text},
};
use crate::{Slug, text::fold_exact};

/// Score of one question, in thousandths of a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct QuestionResult {
    /// Id of the question.
    pub question: Slug,
    /// Points scored, in thousandths.
    pub points: i64,
    /// Maximum points, in thousandths.
    pub max_points: i64,
    /// True if there is an answer, correct or not.
    pub answered: bool,
    /// For an answered fill-in question, whether each blank scores all its points; otherwise empty.
    pub blanks: Vec<bool>,
    /// For an answer to a fill-in, numeric or cloze question, the result of each blank, number or gap; otherwise empty.
    #[serde(default)]
    pub parts: Vec<PartResult>,
}

/// Result of a blank, a number or a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PartResult {
    /// Percentage of the points of this part, 0 to 100.
    pub percent: u8,
    /// How a typed text matches. A number or choice is right or wrong.
    pub matched: TextMatch,
    /// Inline HTML of the author for this answer; may be empty.
    pub feedback: String,
    /// Why a typed number is not graded until it is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub problem: Option<NumberProblem>,
}

/// Score of an attempt, in thousandths of a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// Points scored, in thousandths.
    pub points: i64,
    /// Maximum points, in thousandths.
    pub max_points: i64,
    /// Whether the percentage is at least the quiz's `pass`. `None` if that is not known, because this version of the
    /// quiz is not on the device.
    pub passed: Option<bool>,
    /// Score of each question, in the order of the quiz.
    pub questions: Vec<QuestionResult>,
}

impl Score {
    /// Returns the score of a graded attempt at a version of the quiz that is not known: without questions, and passed
    /// only if all points were scored.
    pub fn of_unknown_quiz(points: i64, max_points: i64) -> Self {
        let passed = (points >= max_points).then_some(true);
        Self { points, max_points, passed, questions: Vec::new() }
    }
    /// Replaces the points by those of the server's grade. `pass`: percentage of the quiz.
    pub fn set_points(&mut self, points: i64, max_points: i64, pass: u8) {
        (self.points, self.max_points) = (points, max_points);
        self.passed = Some(is_passed(points, max_points, pass));
    }
    /// Returns hundredths of a percent, 0 to 10,000; 10,000 for a quiz without points.
    pub fn percent(&self) -> u16 {
        if self.max_points <= 0 { 10_000 } else { (self.points * 10_000 / self.max_points) as u16 }
    }
}

/// Scores the questions of an attempt (`Quiz::for_attempt`). A missing answer scores 0, and so does
/// an answer of another kind than its question.
pub fn grade<'a>(quiz: &Quiz, answer: impl Fn(&Slug) -> Option<&'a GivenAnswer>) -> Score {
    let questions: Vec<QuestionResult> = quiz
        .questions
        .iter()
        .map(|q| {
            let unanswered = || QuestionResult {
                question: q.id.clone(),
                points: 0,
                max_points: i64::from(q.points) * 1000,
                answered: false,
                blanks: Vec::new(),
                parts: Vec::new(),
            };
            answer(&q.id).map_or_else(unanswered, |r| check_answer(q, r, &quiz.lang))
        })
        .collect();
    let points = questions.iter().map(|q| q.points).sum();
    let max_points: i64 = questions.iter().map(|q| q.max_points).sum();
    let passed = Some(is_passed(points, max_points, quiz.pass));
    Score { points, max_points, passed, questions }
}

/// Returns true if these points are at least the percentage `pass` of the maximum.
pub fn is_passed(points: i64, max_points: i64, pass: u8) -> bool {
    points * 100 >= max_points * i64::from(pass)
}

/// Returns the result of one answer, by the partial-credit rules of docs/PACKAGE.md. `lang`: language tag of the quiz,
/// which decides how typed answers are compared.
pub fn check_answer(question: &Question, given: &GivenAnswer, lang: &str) -> QuestionResult {
    let max_points = i64::from(question.points) * 1000;
    let response = &given.response;
    let (share, parts) = check(&question.kind, response, lang);
    let hints = i64::from(given.hints).min(question.hints.len() as i64);
    let kept = (100 - hints * i64::from(question.hint_penalty)).max(0);
    QuestionResult {
        question: question.id.clone(),
        points: share.of(max_points) * kept / 100,
        max_points,
        answered: !response.is_empty(),
        blanks: match &question.kind {
            QuestionKind::Fill { .. } => parts.iter().map(|p| p.percent == 100).collect(),
            _ => Vec::new(),
        },
        parts,
    }
}

/// A part of the points of a question.
#[derive(Clone, Copy)]
struct Share {
    right: i64,
    of: i64,
}

impl Share {
    const ALL: Self = Self { right: 1, of: 1 };
    const NOTHING: Self = Self { right: 0, of: 1 };

    fn new(right: usize, of: usize) -> Self {
        if of == 0 { Self::ALL } else { Self { right: right as i64, of: of as i64 } }
    }
    /// Returns this part of `points`, rounded down.
    fn of(self, points: i64) -> i64 {
        points * self.right / self.of
    }
}

fn check(kind: &QuestionKind, response: &Response, lang: &str) -> (Share, Vec<PartResult>) {
    match (kind, response) {
        (QuestionKind::Fill { blanks, exact, rules }, Response::Fill { texts }) => {
            let parts: Vec<PartResult> = blanks
                .iter()
                .enumerate()
                .map(|(at, accepted)| {
                    let typed = texts.get(at).map_or("", String::as_str);
                    let graded = grade_text(rules, (at, accepted), typed, *exact, lang);
                    PartResult {
                        percent: graded.percent,
                        matched: graded.matched,
                        feedback: graded.feedback.to_owned(),
                        problem: None,
                    }
                })
                .collect();
            let sum: usize = parts.iter().map(|p| usize::from(p.percent)).sum();
            (Share::new(sum, 100 * parts.len()), parts)
        }
        (QuestionKind::Numeric { answers, unit }, Response::Number { text, lang: of, decimal }) => {
            let result = grade_number(answers, *unit, (text, of, *decimal), lang);
            let matched = result.matched.and_then(|at| answers.get(at));
            let part = PartResult {
                percent: result.percent,
                matched: if result.percent > 0 { TextMatch::Right } else { TextMatch::Wrong },
                feedback: matched.map(|a| a.feedback.clone()).unwrap_or_default(),
                problem: result.problem.filter(|_| !response.is_empty()),
            };
            (Share::new(result.percent.into(), 100), vec![part])
        }
        (QuestionKind::Cloze { gaps }, Response::Cloze { gaps: given }) => {
            check_gaps(gaps, given, lang)
        }
        _ => (share(kind, response), Vec::new()),
    }
}

/// Returns the sum of the gaps, by their weights.
fn check_gaps(gaps: &[Gap], given: &[Option<Response>], lang: &str) -> (Share, Vec<PartResult>) {
    /// Denominator of the parts of a gap.
    const PARTS: i64 = 100_000;
    let mut parts = Vec::new();
    let (mut right, mut of) = (0, 0);
    for (at, gap) in gaps.iter().enumerate() {
        let weight = i64::from(gap.weight.min(1000));
        of += weight * PARTS;
        let response = given.get(at).and_then(Option::as_ref);
        let (share, inner) = response
            .map_or((Share::NOTHING, Vec::new()), |response| check(&gap.kind, response, lang));
        right += weight * share.of(PARTS);
        let part = inner.into_iter().next().unwrap_or_else(|| PartResult {
            percent: u8::try_from(share.of(100)).unwrap_or(100),
            matched: if share.of(100) == 100 { TextMatch::Right } else { TextMatch::Wrong },
            feedback: chosen_feedback(&gap.kind, response),
            problem: None,
        });
        parts.push(part);
    }
    (if of == 0 { Share::ALL } else { Share { right, of } }, parts)
}

/// Returns the feedback of the chosen choice.
fn chosen_feedback(kind: &QuestionKind, response: Option<&Response>) -> String {
    match (kind, response) {
        (QuestionKind::Single { choices }, Some(Response::Choice { chosen })) => {
            let choice = choices.iter().find(|c| chosen.first() == Some(&c.id));
            choice.map(|c| c.feedback.clone()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// Returns the part of the points of a question whose answer has no typed parts.
fn share(kind: &QuestionKind, response: &Response) -> Share {
    match (kind, response) {
        (QuestionKind::Single { choices }, Response::Choice { chosen }) => {
            let right = choices.iter().find(|c| c.correct).map(|c| &c.id);
            if chosen.len() == 1 && chosen.first() == right { Share::ALL } else { Share::NOTHING }
        }
        (QuestionKind::Multiple { choices }, Response::Choice { chosen }) => {
            chosen_share(&choices.iter().map(|c| (&c.id, c.correct)).collect::<Vec<_>>(), chosen)
        }
        (QuestionKind::Hotspot { regions }, Response::Choice { chosen }) => {
            chosen_share(&regions.iter().map(|r| (&r.id, r.correct)).collect::<Vec<_>>(), chosen)
        }
        (QuestionKind::Order { items }, Response::Order { order }) => {
            let mut seen = order.clone();
            seen.sort_unstable();
            if !seen.iter().copied().eq(0..items.len() as u32) {
                return Share::NOTHING;
            }
            let right: Vec<String> = items.iter().map(|item| comparable(item)).collect();
            let given: Vec<&String> =
                order.iter().filter_map(|index| right.get(*index as usize)).collect();
            if given.iter().copied().eq(&right) {
                return Share::ALL;
            }
            // Another order of a text with repeated words may consist of the same pairs.
            Share::new(
                kept_pairs(&right, &given).min(items.len().saturating_sub(2)),
                items.len() - 1,
            )
        }
        (QuestionKind::Match { pairs }, Response::Match { right }) => {
            // If the same text occurs twice on the right side, either occurrence is correct.
            let hit = |(i, r): (usize, &Option<u32>)| {
                r.and_then(|r| pairs.get(r as usize))
                    .zip(pairs.get(i))
                    .is_some_and(|(chosen, own)| comparable(&chosen.1) == comparable(&own.1))
            };
            Share::new(
                right.iter().enumerate().filter(|x| hit(*x)).count().min(pairs.len()),
                pairs.len(),
            )
        }
        _ => Share::NOTHING,
    }
}

/// Returns the right options that were chosen, less the wrong ones.
fn chosen_share(options: &[(&Slug, bool)], chosen: &[Slug]) -> Share {
    let picked = |correct: bool| {
        options.iter().filter(|(id, right)| *right == correct && chosen.contains(id)).count()
    };
    let of = options.iter().filter(|(_, right)| *right).count();
    if of == 0 {
        return if picked(false) == 0 { Share::ALL } else { Share::NOTHING };
    }
    Share::new(picked(true).saturating_sub(picked(false)), of)
}

/// Returns the number of adjacent items of `given` that are adjacent in `right` too. Repeated pairs count as often as in
/// `right`.
fn kept_pairs(right: &[String], given: &[&String]) -> usize {
    let mut left: BTreeMap<(&String, &String), usize> = BTreeMap::new();
    for pair in right.windows(2) {
        *left.entry((&pair[0], &pair[1])).or_default() += 1;
    }
    let mut kept = 0;
    for pair in given.windows(2) {
        if let Some(count) = left.get_mut(&(pair[0], pair[1])).filter(|count| **count > 0) {
            *count -= 1;
            kept += 1;
        }
    }
    kept
}

/// Tags that do not change what an item says.
const EMPHASIS: [&str; 10] = ["em", "strong", "b", "i", "u", "span", "small", "mark", "a", "bdi"];

/// Returns what a learner reads of an item in inline HTML, for comparison with other items of the same question.
/// Emphasis and links are left out if there is no other markup: 10<sup>2</sup> is not 102.
fn comparable(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').unwrap_or((tag, ""));
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next();
        if !name.is_some_and(|name| EMPHASIS.contains(&name)) {
            return html.to_owned();
        }
        text.push_str(before);
        rest = after;
    }
    text.push_str(rest);
    let text = fold_exact(&text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
