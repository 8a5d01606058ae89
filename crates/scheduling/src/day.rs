//! The cards of a learner on a study day: which are due, in which order, and how well they are known.
//!
//! Not here: what the answers to a card would do (`carrel-learning`).

use std::collections::BTreeMap;

use carrel_model::{CardKey, ItemId};

use crate::{
    Candidate, CardMarks, CardRow, Cards, Due, DueSettings, Kind, Limits, ParamSets, Queue,
    ReviewSettings, WordRows, build, due, is_leech, mastery, retrievability,
};

/// The cards on a study day.
#[derive(Debug)]
pub struct ReviewDay {
    /// Days since 1970-01-01.
    pub today: i32,
    /// The settings of reviews.
    pub settings: ReviewSettings,
    /// Those that decide due days.
    pub due_settings: DueSettings,
    /// The parameter sets.
    pub sets: ParamSets,
    /// The cards of words.
    pub cards: Cards,
    /// What the learner set, by card.
    pub marks: BTreeMap<CardKey, CardMarks>,
    /// The cards with reviews, by key.
    pub rows: Vec<CardRow>,
    /// When each of `rows` is due; `None` for a new card.
    pub dues: Vec<Option<Due>>,
}

impl ReviewDay {
    /// Returns the cards of a study day. `rows` may be in any order.
    pub fn new(
        today: i32,
        settings: ReviewSettings,
        sets: ParamSets,
        cards: Cards,
        marks: BTreeMap<CardKey, CardMarks>,
        mut rows: Vec<CardRow>,
    ) -> Self {
        // One order everywhere, so that sums of fractions are equal to the last bit.
        rows.sort_by(|a, b| a.card.cmp(&b.card));
        let due_settings = settings.due();
        let due_of = |row: &CardRow| {
            let weights = sets.weights(&row.params);
            row.state.as_ref().map(|state| due(&row.card, state, &weights, &due_settings))
        };
        let dues = rows.iter().map(due_of).collect();
        Self { today, settings, due_settings, sets, cards, marks, rows, dues }
    }
    /// Computes the cards of a study day from all rows of a learner. `links`: the cards of words whose entries are
    /// known.
    pub fn of_rows(
        rows: &WordRows,
        links: impl IntoIterator<Item = (ItemId, CardKey)>,
        today: i32,
    ) -> Self {
        let registers = &rows.registers;
        let sets = ParamSets::of_registers(registers);
        let cards = Cards::of_reviews(&rows.reviews, links);
        let marks = CardMarks::of_registers(registers, &cards);
        let all = rows.cards(&cards, &sets);
        Self::new(today, ReviewSettings::of_registers(registers), sets, cards, marks, all)
    }

    /// Returns a card and when it is due; `None` if it has no reviews.
    pub fn find(&self, card: &CardKey) -> Option<(&CardRow, Option<&Due>)> {
        let at = self.rows.binary_search_by(|row| row.card.cmp(card)).ok()?;
        Some((&self.rows[at], self.dues[at].as_ref()))
    }
    /// Returns what the learner set for a card.
    pub fn marks_of(&self, card: &CardKey) -> CardMarks {
        self.marks.get(card).copied().unwrap_or_default()
    }
    /// Returns true for a card that was forgotten so often that the learner should change something.
    pub fn is_leech(&self, row: &CardRow) -> bool {
        let lapses = row.state.as_ref().map_or(0, |state| state.lapses);
        is_leech(lapses, self.settings.leech_lapses, self.marks_of(&row.card).leech_dismissed)
    }
    /// Returns how well a card is known, 0 to 1; 1 for a card that the learner marked as known.
    pub fn mastery_of(&self, row: &CardRow) -> f64 {
        let of_memory = row.state.as_ref().map_or(0.0, |state| mastery(&state.memory));
        if self.marks_of(&row.card).known { 1.0 } else { of_memory }
    }
    /// Returns true if an answered card on the list is asked today, were there no daily limit.
    pub fn is_due(&self, row: &CardRow, due: Option<&Due>) -> bool {
        let today = self.today;
        let Some(state) = &row.state else { return false };
        let is_shown = row.added_ms.is_some() && !self.marks_of(&row.card).is_hidden(today);
        is_shown
            && if state.last_day >= today {
                state.last_rating == 1
            } else {
                due.is_some_and(|due| due.day <= today)
            }
    }
    /// Returns the due days of the answered cards on the list that are not hidden for good.
    pub fn scheduled(&self) -> impl Iterator<Item = (&Due, &CardRow)> {
        self.rows.iter().zip(&self.dues).filter_map(|(row, due)| {
            let marks = self.marks_of(&row.card);
            if row.added_ms.is_none() || marks.suspended || marks.known {
                return None;
            }
            Some((due.as_ref()?, row))
        })
    }

    /// Returns the cards of the day in their order, within the daily limits of the learner.
    pub fn queue(&self) -> Queue {
        let (mut new_today, mut reviewed_today) = (0, 0);
        for state in self.rows.iter().filter_map(|row| row.state.as_ref()) {
            if state.last_day == self.today {
                new_today += usize::from(state.first_day == self.today);
                reviewed_today += usize::from(state.first_day < self.today);
            }
        }
        let left = |limit: u32, done: usize| (limit as usize).saturating_sub(done);
        self.queue_within(Limits {
            new: left(self.settings.new_per_day, new_today),
            due: left(self.settings.reviews_per_day, reviewed_today),
        })
    }
    /// Returns the cards of the day in their order: all due ones, and `new` that were never answered.
    pub fn queue_without_limit(&self, new: usize) -> Queue {
        self.queue_within(Limits { new, due: usize::MAX })
    }

    fn queue_within(&self, limits: Limits) -> Queue {
        let today = self.today;
        let states = self.rows.iter().filter_map(|row| row.state.as_ref());
        let of_today = states.filter(|state| state.last_day == today);
        let mut answered: Vec<i64> = of_today.map(|state| state.last_ms).collect();
        answered.sort_unstable();
        let candidates = self.rows.iter().zip(&self.dues).filter_map(|(row, due)| {
            let added_ms = row.added_ms?;
            let kind = match &row.state {
                None if self.marks_of(&row.card).is_hidden(today) => return None,
                None => Kind::New { added_ms },
                Some(_) if !self.is_due(row, due.as_ref()) => return None,
                Some(state) if state.last_day >= today => {
                    let later = answered.partition_point(|ms| *ms <= state.last_ms);
                    let others_since = answered.len() - later;
                    Kind::AgainToday { last_ms: state.last_ms, others_since }
                }
                Some(state) => {
                    let weights = self.sets.weights(&row.params);
                    let recall = |days| retrievability(&weights, state.memory.stability, days);
                    let days = state.days_since(today);
                    let retrievability = recall(days);
                    Kind::Due { retrievability, loss: retrievability - recall(days + 1) }
                }
            };
            Some(Candidate { card: row.card.clone(), kind })
        });
        build(candidates.collect(), limits)
    }
}
