//! How well the learner knows the words on the review list.
//!
//! Not here: the figures themselves (`ReviewDay::figures` in `carrel-scheduling`).

use carrel_scheduling::{MASTERY_CLASSES, WordFigures};

use crate::{Learning, Result};

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
        let WordFigures { all, learned, .. } = self.word_figures(days).await?;
        Ok(WordMastery { mean: all.mean(), classes: all.classes, learned })
    }

    /// Returns the figures of the words on the list, also by language. `days`: number of days up to today for
    /// `learned`.
    pub async fn word_figures(&self, days: u32) -> Result<WordFigures> {
        self.with_day(move |_, day| Ok(day.review.figures(days))).await
    }
}
