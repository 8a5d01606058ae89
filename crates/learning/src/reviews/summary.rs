//! What the word list shows of each card.
//!
//! Not here: one card in detail (`Learning::card`).

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::CardKey;

use super::{CardMarks, states};
use crate::{Learning, Result, words::cards_among};

/// A card with reviews, as the word list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct CardSummary {
    /// What the learner set.
    pub marks: CardMarks,
    /// It was forgotten so often that the learner should change something.
    pub is_leech: bool,
    /// It is asked today, were there no daily limit. False for a new card.
    pub is_due: bool,
    /// Number of answers.
    pub reviews: u32,
    /// Number of times it was forgotten.
    pub lapses: u32,
    /// 0 to 1; 1 for a card that the learner marked as known.
    pub mastery: f64,
    /// Study day; `None` for a new card.
    pub due_day: Option<i32>,
    /// Study day of the last answer; `None` for a new card.
    pub last_day: Option<i32>,
}

/// The cards with reviews on a study day.
#[derive(Debug, Clone, PartialEq)]
pub struct WordSummaries {
    /// The study day.
    pub day: i32,
    /// The cards.
    pub cards: BTreeMap<CardKey, CardSummary>,
}

impl Learning {
    /// Returns those of `keys` that are on the list. Reads only the rows of these cards.
    pub async fn saved_among(&self, keys: Vec<CardKey>) -> Result<BTreeSet<CardKey>> {
        self.store
            .read(move |conn| {
                let cards = cards_among(conn, &keys)?;
                let mut saved = BTreeSet::new();
                for key in keys {
                    let added = states::of_card(conn, &cards, &key)?;
                    if added.iter().any(|review| review.rating == 0) {
                        saved.insert(key);
                    }
                }
                Ok(saved)
            })
            .await
    }

    /// Returns a summary of each card that was added or answered.
    pub async fn card_summaries(&self) -> Result<WordSummaries> {
        self.with_day(|_, day| {
            let cards = day.review.rows.iter().zip(&day.review.dues).map(|(row, due)| {
                let state = row.state.as_ref();
                let summary = CardSummary {
                    marks: day.review.marks_of(&row.card),
                    is_leech: day.review.is_leech(row),
                    is_due: day.review.is_due(row, due.as_ref()),
                    reviews: state.map_or(0, |state| state.reviews),
                    lapses: state.map_or(0, |state| state.lapses),
                    mastery: day.review.mastery_of(row),
                    due_day: due.as_ref().map(|due| due.day),
                    last_day: state.map(|state| state.last_day),
                };
                (row.card.clone(), summary)
            });
            Ok(WordSummaries { day: day.now.day, cards: cards.collect() })
        })
        .await
    }
}
