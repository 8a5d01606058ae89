//! How well the learner knows the words on the review list.

use super::Day;
use crate::{Learning, Result};

/// Number of classes in `WordMastery::classes`.
pub const MASTERY_CLASSES: usize = 6;

/// How well the words are known.
#[derive(Debug, Clone, PartialEq)]
pub struct WordMastery {
    /// Number of words on the list: without an answer, then with a mastery below 0.2, 0.4, 0.6, 0.8 and from 0.8.
    pub classes: [u32; MASTERY_CLASSES],
    /// Mean mastery of the words on the list, 0 to 1; 0 without words.
    pub mean: f64,
    /// Number of words that were answered for the first time in the asked days, also if they were removed since.
    pub learned: u32,
}

impl Learning {
    /// Returns how well the words on the list are known. `days`: number of days up to today for `learned`.
    pub async fn word_mastery(&self, days: u32) -> Result<WordMastery> {
        self.with_day(move |_, day| Ok(day.word_mastery(days))).await
    }
}

impl Day {
    fn word_mastery(&self, days: u32) -> WordMastery {
        let mut found = WordMastery { classes: [0; MASTERY_CLASSES], mean: 0.0, learned: 0 };
        let before = self.now.day.saturating_sub_unsigned(days);
        let (mut words, mut sum) = (0_u32, 0.0);
        for row in &self.rows {
            let is_learned = row.state.as_ref().is_some_and(|state| state.first_day > before);
            found.learned += u32::from(is_learned);
            if row.added_ms.is_none() {
                continue;
            }
            let mastery = self.mastery_of(row);
            (words, sum) = (words + 1, sum + mastery);
            let is_new = row.state.is_none() && mastery == 0.0;
            let class = if is_new { 0 } else { 1 + (mastery * 5.0) as usize };
            found.classes[class.min(MASTERY_CLASSES - 1)] += 1;
        }
        if words > 0 {
            found.mean = sum / f64::from(words);
        }
        found
    }
}
