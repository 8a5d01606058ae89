//! Scores answers with one pure function, so that the provisional score on the device and the server's grade agree.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use unicode_normalization::UnicodeNormalization;

use super::quiz::{Question, QuestionKind, Quiz, Response};
use crate::Slug;

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
}

/// Score of an attempt, in thousandths of a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// Points scored, in thousandths.
    pub points: i64,
    /// Maximum points, in thousandths.
    pub max_points: i64,
    /// True if the percentage is at least the quiz's `pass`.
    pub passed: bool,
    /// Score of each question, in the order of the quiz.
    pub questions: Vec<QuestionResult>,
}

impl Score {
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
            let points = response.map_or(0, |r| grade_question(q, r));
            QuestionResult {
                question: q.id.clone(),
                points,
                max_points,
                answered: response.is_some(),
            }
        })
        .collect();
    let points = questions.iter().map(|q| q.points).sum();
    let max_points: i64 = questions.iter().map(|q| q.max_points).sum();
    let passed = points * 100 >= max_points * i64::from(quiz.pass);
    Score { points, max_points, passed, questions }
}

/// Returns thousandths of a point for one answer, by the partial-credit rules of docs/PACKAGE.md.
pub fn grade_question(question: &Question, response: &Response) -> i64 {
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
        (QuestionKind::Fill { blanks, exact }, Response::Fill { texts }) => {
            let accepts = |accepted: &Vec<String>, text: &String| {
                accepted.iter().any(|a| {
                    if *exact { a == text } else { normalise_answer(a) == normalise_answer(text) }
                })
            };
            share(
                blanks.iter().zip(texts).filter(|(accepted, text)| accepts(accepted, text)).count(),
                blanks.len(),
            )
        }
        (QuestionKind::Order { items }, Response::Order { order }) => {
            let mut seen = order.clone();
            seen.sort_unstable();
            if !seen.iter().copied().eq(0..items.len() as u32) {
                return 0;
            }
            let kept = order.windows(2).filter(|w| w[1] == w[0] + 1).count();
            share(kept, items.len().saturating_sub(1))
        }
        (QuestionKind::Match { pairs }, Response::Match { right }) => {
            // If the same text occurs twice on the right side, either occurrence is correct.
            let hit = |(i, r): (usize, &Option<u32>)| {
                r.and_then(|r| pairs.get(r as usize))
                    .zip(pairs.get(i))
                    .is_some_and(|(chosen, own)| chosen.1 == own.1)
            };
            share(
                right.iter().enumerate().filter(|x| hit(*x)).count().min(pairs.len()),
                pairs.len(),
            )
        }
        _ => 0,
    }
}

/// Normalises a typed answer for comparison: NFKC, lower case, no outer white space, inner white space as one space.
pub fn normalise_answer(text: &str) -> String {
    let text: String = text.nfkc().flat_map(char::to_lowercase).collect();
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
            assert_eq!(grade_question(question, &response), points, "row {i}");
        }
    }
}
