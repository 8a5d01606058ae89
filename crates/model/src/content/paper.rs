//! The questions of one attempt: which are drawn from pools, and their order and that of their choices.
//!
//! All of it follows from the id of the attempt, which is random and part of its row: server and devices grade the same
//! questions, and a review shows them in the same order. The order is part of the format: it must never change.

use std::collections::BTreeSet;

use super::quiz::{Gap, Pool, Question, QuestionKind, Quiz};
use crate::AttemptId;

impl Quiz {
    /// Returns the quiz as the learner of this attempt sees it: with the drawn questions in their order and, if choices
    /// are shuffled, the choices in theirs. It has no pools.
    pub fn for_attempt(&self, attempt: AttemptId) -> Self {
        let left_out = self.left_out(attempt);
        let drawn = self.questions.iter().filter(|q| !left_out.contains(q.id.as_str()));
        let mut questions: Vec<Question> = drawn.cloned().collect();
        if self.shuffle_questions {
            shuffle(&mut questions, attempt, "questions");
        }
        if self.shuffle {
            for question in &mut questions {
                shuffle_choices(&mut question.kind, attempt, question.id.as_str());
            }
        }
        Self { questions, pools: Vec::new(), ..self.clone() }
    }

    /// Returns the number of questions that each attempt has.
    pub fn question_count(&self) -> usize {
        let left_out: usize =
            self.pools.iter().map(|pool| pool.questions.len().saturating_sub(pool.draw())).sum();
        self.questions.len().saturating_sub(left_out)
    }

    /// Returns the questions of pools that were not drawn.
    fn left_out(&self, attempt: AttemptId) -> BTreeSet<&str> {
        let mut left_out = BTreeSet::new();
        for (at, pool) in self.pools.iter().enumerate() {
            let mut ids: Vec<&str> = pool.questions.iter().map(|id| id.as_str()).collect();
            shuffle(&mut ids, attempt, &format!("pool {at}"));
            left_out.extend(ids.into_iter().skip(pool.draw()));
        }
        left_out
    }
}

impl Pool {
    fn draw(&self) -> usize {
        usize::try_from(self.draw).unwrap_or(usize::MAX)
    }
}

fn shuffle_choices(kind: &mut QuestionKind, attempt: AttemptId, name: &str) {
    match kind {
        QuestionKind::Single { choices } | QuestionKind::Multiple { choices } => {
            shuffle(choices, attempt, &format!("choices {name}"));
        }
        QuestionKind::Cloze { gaps } => {
            for (at, Gap { kind, .. }) in gaps.iter_mut().enumerate() {
                shuffle_choices(kind, attempt, &format!("{name} {at}"));
            }
        }
        _ => {}
    }
}

/// Orders a list by the attempt and a name (Fisher-Yates with numbers from BLAKE3).
fn shuffle<T>(list: &mut [T], attempt: AttemptId, name: &str) {
    let mut hasher = blake3::Hasher::new_derive_key("carrel 2026-11 order of a quiz");
    hasher.update(attempt.0.as_bytes()).update(name.as_bytes());
    let mut random = hasher.finalize_xof();
    for last in (1..list.len()).rev() {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        // The product of a number of 64 bits and the count, divided by 2^64, is below the count.
        let at = (u128::from(u64::from_le_bytes(bytes)) * (last as u128 + 1)) >> 64;
        list.swap(last, at as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn quiz(changes: serde_json::Value) -> Quiz {
        let question = |n: usize| {
            serde_json::json!({ "id": format!("q{n}"), "prompt": "", "points": 1, "kind": "single", "choices":
                (0..4).map(|c| serde_json::json!({ "id": format!("c{c}"), "text": "" })).collect::<Vec<_>>() })
        };
        let mut json = serde_json::json!({ "id": "q", "title": "", "lang": "en", "pass": 50,
            "questions": (0..8).map(question).collect::<Vec<_>>() });
        for (key, value) in changes.as_object().unwrap() {
            json[key] = value.clone();
        }
        serde_json::from_value(json).unwrap()
    }
    fn ids(quiz: &Quiz) -> Vec<&str> {
        quiz.questions.iter().map(|q| q.id.as_str()).collect()
    }
    fn attempt(n: u128) -> AttemptId {
        AttemptId::from_u128(n)
    }

    #[test]
    fn a_quiz_without_pools_and_shuffling_is_unchanged() {
        let quiz = quiz(serde_json::json!({}));
        assert_eq!(quiz.for_attempt(attempt(1)), quiz);
        assert_eq!(quiz.question_count(), 8);
    }

    #[test]
    fn a_pool_gives_each_attempt_its_number_of_questions() {
        let pools = serde_json::json!([{ "draw": 2, "questions": ["q1", "q2", "q3", "q4", "q5"] },
            { "draw": 1, "questions": ["q6", "q7"] }]);
        let quiz = quiz(serde_json::json!({ "pools": pools }));
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for n in 0..600 {
            let paper = quiz.for_attempt(attempt(n));
            let ids = ids(&paper);
            assert_eq!((ids.len(), ids[0], quiz.question_count()), (4, "q0", 4));
            assert!(ids.is_sorted(), "the author's order is kept: {ids:?}");
            assert_eq!(ids.iter().filter(|id| matches!(**id, "q6" | "q7")).count(), 1);
            assert_eq!(paper, quiz.for_attempt(attempt(n)));
            assert_eq!(paper.for_attempt(attempt(n + 1)), paper, "nothing is drawn twice");
            for id in ids {
                *seen.entry(id.to_owned()).or_default() += 1;
            }
        }
        // Each question of the first pool is expected 240 times.
        for id in ["q1", "q2", "q3", "q4", "q5"] {
            assert!((190..290).contains(&seen[id]), "{seen:?}");
        }
    }

    #[test]
    fn the_order_of_an_attempt_never_changes() {
        // Attempts that are stored on devices and servers depend on these lists.
        let quiz = quiz(serde_json::json!({ "shuffle": true, "shuffleQuestions": true }));
        let paper = quiz.for_attempt(attempt(7));
        let QuestionKind::Single { choices } = &paper.questions[0].kind else { panic!() };
        let choices: Vec<&str> = choices.iter().map(|c| c.id.as_str()).collect();
        assert_eq!(ids(&paper), ORDER);
        assert_eq!(choices, CHOICES);
        assert_ne!(ids(&quiz.for_attempt(attempt(8))), ids(&paper));
    }
    const ORDER: [&str; 8] = ["q7", "q0", "q4", "q3", "q2", "q6", "q1", "q5"];
    const CHOICES: [&str; 4] = ["c1", "c2", "c3", "c0"];

    #[test]
    fn a_pool_that_is_too_small_is_drawn_whole() {
        let pools = serde_json::json!([{ "draw": 9, "questions": ["q1", "q2"] }]);
        let quiz = quiz(serde_json::json!({ "pools": pools }));
        assert_eq!((quiz.for_attempt(attempt(1)).questions.len(), quiz.question_count()), (8, 8));
    }
}
