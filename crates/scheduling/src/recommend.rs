//! Recommended words: which words a learner could take up next, and why.
//!
//! Not here: which words there are, their levels and their mastery.

use std::{cmp::Ordering, collections::BTreeSet};

use carrel_model::{CardKey, content::Difficulty};

/// Maximum number of recommended words.
pub const MAX_RECOMMENDED: usize = 10;
/// A story counts for the level from this completion on, exclusive.
const READ_ABOVE: f64 = 0.5;
/// Level of a learner who has read no story.
const FIRST_LEVEL: f64 = 1.0;
/// A word may be this much above the level of the learner.
const STEP: f64 = 0.5;
/// A word with this mastery is not recommended.
pub(crate) const MASTERED: f64 = 0.8;

/// A word that may be recommended.
#[derive(Debug, Clone, PartialEq)]
pub struct RecommendedWord {
    /// The card; of several words of one card, the first in the order counts.
    pub card: CardKey,
    /// Difficulty, 1 to 5.
    pub level: f64,
    /// Relative frequency, the greater the more frequent; 0 if it is not known.
    pub frequency: f64,
    /// 0 to 1.
    pub mastery: f64,
    /// Study day of the last answer; `None` if the word was never answered.
    pub last_day: Option<i32>,
}

/// How long ago a word was last answered, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Never answered.
    Never,
    /// 7 days ago or more.
    Week,
    /// 3 to 6 days ago.
    ThreeDays,
    /// Less than 3 days ago.
    Recent,
}

impl Urgency {
    /// Returns the urgency of a word on the study day `today`.
    pub fn of(last_day: Option<i32>, today: i32) -> Self {
        match last_day.map(|day| today.saturating_sub(day)) {
            None => Self::Never,
            Some(7..) => Self::Week,
            Some(3..) => Self::ThreeDays,
            Some(_) => Self::Recent,
        }
    }
    /// Returns the urgency as a number, 0 to 1.
    pub fn value(self) -> f64 {
        match self {
            Self::Never => 1.0,
            Self::Week => 0.8,
            Self::ThreeDays => 0.6,
            Self::Recent => 0.3,
        }
    }
}

/// A recommended word with the reasons for its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// The word.
    pub word: RecommendedWord,
    /// How long ago it was answered.
    pub urgency: Urgency,
    /// Distance between the levels of the word and of the learner.
    pub distance: f64,
}

/// Returns the level of a learner: the mean difficulty of the stories read above 50 %, 1.0 if there are none.
/// `stories`: (difficulty, completion from 0 to 1).
pub fn learner_level(stories: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (difficulty, completion) in stories {
        if completion > READ_ABOVE && difficulty.is_finite() {
            sum += difficulty;
            count += 1.0;
        }
    }
    if count > 0.0 { sum / count } else { FIRST_LEVEL }
}

/// Returns the level of the words of a course that have none of their own.
pub fn course_level(difficulty: Difficulty) -> f64 {
    match difficulty {
        Difficulty::Beginner => 1.0,
        Difficulty::Intermediate => 3.0,
        _ => 5.0,
    }
}

/// Returns the first ten words of `rank`.
pub fn recommend(
    words: impl IntoIterator<Item = RecommendedWord>,
    level: f64,
    today: i32,
) -> Vec<Recommendation> {
    let mut found = rank(words, level, today);
    found.truncate(MAX_RECOMMENDED);
    found
}

/// Returns the words up to half a level above the learner's `level` that are not mastered: the most urgent first, then
/// those nearest to the level, then the most frequent, then by the key. The order of `words` does not matter.
pub fn rank(
    words: impl IntoIterator<Item = RecommendedWord>,
    level: f64,
    today: i32,
) -> Vec<Recommendation> {
    let mut found: Vec<Recommendation> = words
        .into_iter()
        .filter(|word| word.level <= level + STEP && word.mastery < MASTERED)
        .map(|word| Recommendation {
            urgency: Urgency::of(word.last_day, today),
            distance: (word.level - level).abs(),
            word,
        })
        .collect();
    found.sort_by(by_rank);
    let mut seen = BTreeSet::new();
    found.retain(|one| seen.insert(one.word.card.clone()));
    found
}

fn by_rank(a: &Recommendation, b: &Recommendation) -> Ordering {
    let frequency = b.word.frequency.total_cmp(&a.word.frequency);
    (a.urgency.cmp(&b.urgency))
        .then_with(|| a.distance.total_cmp(&b.distance))
        .then(frequency)
        .then_with(|| a.word.card.cmp(&b.word.card))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(
        name: &str,
        level: f64,
        frequency: f64,
        mastery: f64,
        last: Option<i32>,
    ) -> RecommendedWord {
        let card = CardKey::of_word("en", None, name);
        RecommendedWord { card, level, frequency, mastery, last_day: last }
    }
    fn names(found: &[Recommendation]) -> Vec<&str> {
        found.iter().map(|r| r.word.card.lemma()).collect()
    }

    #[test]
    fn the_level_is_the_mean_of_the_stories_read_above_half() {
        for (stories, level) in [
            (&[][..], 1.0),
            (&[(3.0, 0.5)], 1.0),
            (&[(3.0, 0.51)], 3.0),
            (&[(1.0, 1.0), (2.0, 0.9), (5.0, 0.2)], 1.5),
            (&[(2.0, 1.0), (3.0, 0.75), (4.0, 0.6)], 3.0),
        ] {
            assert_eq!(learner_level(stories.iter().copied()), level, "{stories:?}");
        }
    }

    #[test]
    fn urgency_depends_on_the_days_since_the_last_answer() {
        for (last, value) in [
            (None, 1.0),
            (Some(80), 0.8),
            (Some(93), 0.8),
            (Some(94), 0.6),
            (Some(97), 0.6),
            (Some(98), 0.3),
            (Some(100), 0.3),
            (Some(105), 0.3),
        ] {
            assert_eq!(Urgency::of(last, 100).value(), value, "{last:?}");
        }
        let mut all = [Urgency::Recent, Urgency::Never, Urgency::ThreeDays, Urgency::Week];
        all.sort();
        assert!(all.windows(2).all(|pair| pair[0].value() > pair[1].value()));
    }

    #[test]
    fn words_are_filtered_and_ordered() {
        let words = vec![
            word("too-hard", 2.6, 9.0, 0.0, None),
            word("mastered", 2.0, 9.0, 0.8, Some(50)),
            word("recent", 2.0, 9.0, 0.5, Some(99)),
            word("three-days", 2.0, 9.0, 0.5, Some(97)),
            word("week", 2.0, 9.0, 0.79, Some(93)),
            word("far", 1.0, 9.0, 0.0, None),
            word("near-rare", 2.5, 1.0, 0.0, None),
            word("near-frequent", 1.5, 5.0, 0.0, None),
            word("at-level", 2.0, 0.0, 0.0, None),
        ];
        let expected =
            ["at-level", "near-frequent", "near-rare", "far", "week", "three-days", "recent"];
        assert_eq!(names(&recommend(words.clone(), 2.0, 100)), expected);
        let reversed: Vec<_> = words.into_iter().rev().collect();
        assert_eq!(names(&recommend(reversed, 2.0, 100)), expected, "in any order");
    }

    #[test]
    fn at_most_ten_words_each_once() {
        let words = |n: usize| (0..n).map(|n| word(&format!("w{n:02}"), 1.0, 0.0, 0.0, None));
        assert_eq!(recommend(words(30), 1.0, 0).len(), MAX_RECOMMENDED);
        assert_eq!(names(&recommend(words(12), 1.0, 0))[9], "w09");
        assert_eq!(recommend(words(3).chain(words(3)), 1.0, 0).len(), 3);
        assert!(recommend([], 1.0, 0).is_empty());
    }
}
