//! How well the learner knows the words on the review list: the figures of the Progress screen and of
//! `GET /api/vocabulary/progress`.

use std::collections::BTreeMap;

use crate::{ReviewDay, recommend::MASTERED};

/// Number of classes in `WordCounts::classes`.
pub const MASTERY_CLASSES: usize = 6;

/// Figures of some words on the review list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WordCounts {
    /// Number of words.
    pub words: u32,
    /// Never answered, and not marked as known.
    pub new: u32,
    /// Answered, and not known yet.
    pub learning: u32,
    /// With a mastery of 0.8 or more, or marked as known.
    pub known: u32,
    /// Asked today, were there no daily limit.
    pub due: u32,
    /// Number of words without an answer, then with a mastery below 0.2, 0.4, 0.6, 0.8 and from 0.8.
    pub classes: [u32; MASTERY_CLASSES],
    sum: f64,
}

impl WordCounts {
    /// Returns the mean mastery, 0 to 1; 0 without words.
    pub fn mean(&self) -> f64 {
        if self.words == 0 { 0.0 } else { self.sum / f64::from(self.words) }
    }

    fn add(&mut self, is_answered: bool, mastery: f64, is_due: bool) {
        let is_new = !is_answered && mastery == 0.0;
        let class = if is_new { 0 } else { 1 + (mastery * 5.0) as usize };
        self.classes[class.min(MASTERY_CLASSES - 1)] += 1;
        self.words += 1;
        self.sum += mastery;
        self.due += u32::from(is_due);
        match is_new {
            true => self.new += 1,
            false if mastery < MASTERED => self.learning += 1,
            false => self.known += 1,
        }
    }
}

/// Figures of all words on the review list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WordFigures {
    /// All words.
    pub all: WordCounts,
    /// By language (primary code); `item` for words whose entry is not known.
    pub languages: BTreeMap<String, WordCounts>,
    /// Number of words that were answered for the first time in the asked days, also if they were removed since.
    pub learned: u32,
}

impl ReviewDay {
    /// Returns the figures of the words. `days`: number of days up to today for `learned`.
    pub fn figures(&self, days: u32) -> WordFigures {
        let mut found = WordFigures::default();
        let before = self.today.saturating_sub_unsigned(days);
        for (row, due) in self.rows.iter().zip(&self.dues) {
            let is_learned = row.state.as_ref().is_some_and(|state| state.first_day > before);
            found.learned += u32::from(is_learned);
            if row.added_ms.is_none() {
                continue;
            }
            let (is_answered, mastery) = (row.state.is_some(), self.mastery_of(row));
            let is_due = self.is_due(row, due.as_ref());
            found.all.add(is_answered, mastery, is_due);
            let language = found.languages.entry(row.card.language().to_owned()).or_default();
            language.add(is_answered, mastery, is_due);
        }
        found
    }
}
