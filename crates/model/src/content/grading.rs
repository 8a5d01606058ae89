//! Scores answers with one pure function, so that the provisional score on the device and the server's grade agree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::quiz::{Question, QuestionKind, Quiz, Response};
use crate::{
    Slug,
    text::{fold_exact, is_same_answer},
};

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
    /// For an answered fill-in question, whether each blank is right; otherwise empty.
    pub blanks: Vec<bool>,
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

/// Scores a quiz. A missing answer, or one that does not match the kind of its question, scores 0.
pub fn grade<'a>(quiz: &Quiz, answer: impl Fn(&Slug) -> Option<&'a Response>) -> Score {
    let questions: Vec<QuestionResult> = quiz
        .questions
        .iter()
        .map(|q| {
            let response = answer(&q.id);
            let max_points = i64::from(q.points) * 1000;
            QuestionResult {
                question: q.id.clone(),
                points: response.map_or(0, |r| grade_question(q, r, &quiz.lang)),
                max_points,
                answered: response.is_some(),
                blanks: response.map_or_else(Vec::new, |r| right_blanks(q, r, &quiz.lang)),
            }
        })
        .collect();
    let points = questions.iter().map(|q| q.points).sum();
    let max_points: i64 = questions.iter().map(|q| q.max_points).sum();
    let passed = Some(is_passed(points, max_points, quiz.pass));
    Score { points, max_points, passed, questions }
}

fn is_passed(points: i64, max_points: i64, pass: u8) -> bool {
    points * 100 >= max_points * i64::from(pass)
}

/// Returns thousandths of a point for one answer, by the partial-credit rules of docs/PACKAGE.md. `lang`: language tag
/// of the quiz, which decides how typed answers are compared.
pub fn grade_question(question: &Question, response: &Response, lang: &str) -> i64 {
    let full = i64::from(question.points) * 1000;
    let share =
        |right: usize, of: usize| if of == 0 { full } else { full * right as i64 / of as i64 };
    match (&question.kind, response) {
        (QuestionKind::Single { choices }, Response::Choice { chosen }) => {
            let right = choices.iter().find(|c| c.correct).map(|c| &c.id);
            if chosen.len() == 1 && chosen.first() == right { full } else { 0 }
        }
        (QuestionKind::Multiple { choices }, Response::Choice { chosen }) => {
            let picked = |correct: bool| {
                choices.iter().filter(|c| c.correct == correct && chosen.contains(&c.id)).count()
            };
            let of = choices.iter().filter(|c| c.correct).count();
            if of == 0 {
                return if picked(false) == 0 { full } else { 0 };
            }
            share(picked(true).saturating_sub(picked(false)), of)
        }
        (QuestionKind::Fill { blanks, .. }, Response::Fill { .. }) => {
            let right = right_blanks(question, response, lang);
            share(right.iter().filter(|right| **right).count(), blanks.len())
        }
        (QuestionKind::Order { items }, Response::Order { order }) => {
            let mut seen = order.clone();
            seen.sort_unstable();
            if !seen.iter().copied().eq(0..items.len() as u32) {
                return 0;
            }
            let right: Vec<String> = items.iter().map(|item| comparable(item)).collect();
            let given: Vec<&String> =
                order.iter().filter_map(|index| right.get(*index as usize)).collect();
            if given.iter().copied().eq(&right) {
                return full;
            }
            // Another order of a text with repeated words may consist of the same pairs.
            share(kept_pairs(&right, &given).min(items.len().saturating_sub(2)), items.len() - 1)
        }
        (QuestionKind::Match { pairs }, Response::Match { right }) => {
            // If the same text occurs twice on the right side, either occurrence is correct.
            let hit = |(i, r): (usize, &Option<u32>)| {
                r.and_then(|r| pairs.get(r as usize))
                    .zip(pairs.get(i))
                    .is_some_and(|(chosen, own)| comparable(&chosen.1) == comparable(&own.1))
            };
            share(
                right.iter().enumerate().filter(|x| hit(*x)).count().min(pairs.len()),
                pairs.len(),
            )
        }
        _ => 0,
    }
}

/// Returns for each blank of a fill-in question whether the typed text is right; empty for other kinds and answers.
pub fn right_blanks(question: &Question, response: &Response, lang: &str) -> Vec<bool> {
    let (QuestionKind::Fill { blanks, exact }, Response::Fill { texts }) =
        (&question.kind, response)
    else {
        return Vec::new();
    };
    let is_right = |(accepted, text): (&Vec<String>, &String)| {
        accepted.iter().any(|a| is_same_answer(a, text, *exact, lang))
    };
    let mut right: Vec<bool> = blanks.iter().zip(texts).map(is_right).collect();
    right.resize(blanks.len(), false);
    right
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
mod tests {
    use super::*;
    use crate::content::Choice;

    fn slug(s: &str) -> Slug {
        Slug::new(s).unwrap()
    }
    fn question(points: u32, kind: QuestionKind) -> Question {
        Question {
            id: slug("q"),
            prompt: String::new(),
            points,
            image: None,
            audio: None,
            explanation: String::new(),
            kind,
        }
    }
    fn choices(right: &[&str], wrong: &[&str]) -> Vec<Choice> {
        let make = |id: &&str, correct| Choice {
            id: slug(id),
            text: (*id).to_owned(),
            correct,
            feedback: String::new(),
        };
        right.iter().map(|c| make(c, true)).chain(wrong.iter().map(|c| make(c, false))).collect()
    }
    fn chosen(ids: &[&str]) -> Response {
        Response::Choice { chosen: ids.iter().map(|s| slug(s)).collect() }
    }

    #[test]
    fn scores_follow_the_rules_of_package_md() {
        let single = question(1, QuestionKind::Single { choices: choices(&["a"], &["b"]) });
        let multiple =
            question(2, QuestionKind::Multiple { choices: choices(&["a", "b"], &["c", "d"]) });
        let fill = question(
            2,
            QuestionKind::Fill {
                blanks: vec![vec!["Oxbow".into(), "ox-bow".into()], vec!["é".into()]],
                exact: false,
            },
        );
        let order = question(
            3,
            QuestionKind::Order { items: (0..4).map(|n: u32| n.to_string()).collect() },
        );
        let pairs =
            vec![("a".into(), "1".into()), ("b".into(), "2".into()), ("c".into(), "1".into())];
        let matching = question(3, QuestionKind::Match { pairs });
        let texts =
            |t: &[&str]| Response::Fill { texts: t.iter().map(|s| (*s).to_owned()).collect() };
        let table = [
            (&single, chosen(&["a"]), 1000),
            (&single, chosen(&["b"]), 0),
            (&single, chosen(&["a", "b"]), 0),
            (&single, chosen(&[]), 0),
            (&multiple, chosen(&["a", "b"]), 2000),
            (&multiple, chosen(&["a"]), 1000),
            (&multiple, chosen(&["a", "b", "c"]), 1000),
            (&multiple, chosen(&["c", "d"]), 0),
            (&fill, texts(&[" oxBOW ", "e\u{301}"]), 2000),
            (&fill, texts(&["ox-bow"]), 1000),
            (&fill, texts(&["lake", "e"]), 0),
            (&order, Response::Order { order: vec![0, 1, 2, 3] }, 3000),
            (&order, Response::Order { order: vec![1, 2, 3, 0] }, 2000),
            (&order, Response::Order { order: vec![3, 2, 1, 0] }, 0),
            (&order, Response::Order { order: vec![0, 0, 1, 2] }, 0),
            (&matching, Response::Match { right: vec![Some(2), Some(1), Some(0)] }, 3000),
            (&matching, Response::Match { right: vec![Some(1), None, Some(9)] }, 0),
            (&single, texts(&["a"]), 0),
        ];
        for (i, (question, response, points)) in table.into_iter().enumerate() {
            assert_eq!(grade_question(question, &response, "en"), points, "row {i}");
        }
    }

    #[test]
    fn equal_items_of_an_order_are_interchangeable() {
        let items = |texts: &[&str]| QuestionKind::Order {
            items: texts.iter().map(|t| (*t).to_owned()).collect(),
        };
        let sentence = items(&["the", "cat", "saw", "<em>the</em>", "dog"]);
        let letters = items(&["a", "b", "a", "c", "a"]);
        let powers = items(&["10<sup>2</sup>", "102"]);
        let accents = items(&["caf\u{e9} x", "cafe\u{301}  x", "tea"]);
        for (kind, order, points) in [
            (&sentence, vec![0, 1, 2, 3, 4], 4000),
            (&sentence, vec![3, 1, 2, 0, 4], 4000),
            (&sentence, vec![0, 4, 2, 3, 1], 3000),
            (&sentence, vec![0, 3, 1, 2, 4], 2000),
            // The same pairs in another order are not the right order.
            (&letters, vec![0, 3, 2, 1, 4], 3000),
            (&letters, vec![4, 1, 0, 3, 2], 4000),
            (&powers, vec![1, 0], 0),
            (&accents, vec![1, 0, 2], 4000),
            (&items(&["a"]), vec![0], 4000),
            (&items(&[]), vec![], 4000),
            (&items(&["a", "a"]), vec![0, 0], 0),
        ] {
            let question = question(4, kind.clone());
            let response = Response::Order { order: order.clone() };
            assert_eq!(grade_question(&question, &response, "en"), points, "{kind:?} {order:?}");
        }
        let pairs = vec![("x".into(), "the".into()), ("y".into(), "<b>the</b>".into())];
        let question = question(2, QuestionKind::Match { pairs });
        let swapped = Response::Match { right: vec![Some(1), Some(0)] };
        assert_eq!(grade_question(&question, &swapped, "en"), 2000);
    }

    #[test]
    fn typed_answers_are_compared_in_the_language_of_the_quiz() {
        let fill = |accepted: &str, exact| {
            question(1, QuestionKind::Fill { blanks: vec![vec![accepted.into()]], exact })
        };
        for (accepted, typed, exact, lang, is_right) in [
            ("3.5", "3,5", false, "de", true),
            ("3,5", "3.5", false, "de", true),
            ("3.5", "3,5", false, "en", false),
            ("3.5", "3,5", true, "de", false),
            ("kapı", "KAPI", false, "tr", true),
            ("kapı", "kapi", false, "tr", false),
            ("don't", "don’t", false, "en", true),
            ("café", "cafe\u{301}", true, "fr", true),
        ] {
            let response = Response::Fill { texts: vec![typed.into()] };
            let (question, points) = (fill(accepted, exact), i64::from(is_right) * 1000);
            assert_eq!(grade_question(&question, &response, lang), points, "{accepted} {typed}");
            assert_eq!(right_blanks(&question, &response, lang), [is_right], "{accepted} {typed}");
        }
        let two =
            QuestionKind::Fill { blanks: vec![vec!["a".into()], vec!["b".into()]], exact: false };
        let response = Response::Fill { texts: vec!["A".into()] };
        assert_eq!(right_blanks(&question(2, two), &response, "en"), [true, false]);
    }

    #[test]
    fn a_score_of_an_unknown_quiz_is_passed_or_not_known() {
        for (points, max_points, passed) in
            [(1000, 1000, Some(true)), (999, 1000, None), (0, 1000, None), (0, 0, Some(true))]
        {
            assert_eq!(Score::of_unknown_quiz(points, max_points).passed, passed, "{points}");
        }
    }
}
