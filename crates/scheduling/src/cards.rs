//! Cards and their states, computed from the rows of a learner: which card a review belongs to, which parameter set its
//! state has, when the card was added.
//!
//! Not here: reading the rows (`carrel-learning` on a device, `carrel-domain` on the server), due days (`day`).

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::{
    CardKey, EventId, ItemId,
    lattice::{Kv, PARAMS, REVIEW, Review},
};
use serde::{Deserialize, Serialize};

use crate::{CardState, Event, ParamSet, Weights, fold};

/// Register with the parameter set that the learner applied to all cards.
pub const APPLIED: &str = "applied";

/// The cards of words, for reviews that do not name a card or were made without the entry: from known vocabularies,
/// otherwise from the other reviews of the word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cards(BTreeMap<ItemId, CardKey>);

impl Cards {
    /// Returns the cards that the events name which added words to the list, voided ones too. `links`: the cards of
    /// words whose entries are known; these count first.
    pub fn of_reviews<'a>(
        reviews: impl IntoIterator<Item = &'a Review>,
        links: impl IntoIterator<Item = (ItemId, CardKey)>,
    ) -> Self {
        let mut cards: BTreeMap<ItemId, CardKey> = BTreeMap::new();
        for review in reviews.into_iter().filter(|review| review.rating == 0) {
            let Some(card) = review.card.as_ref().filter(|card| !card.is_of_item()) else {
                continue;
            };
            // The least key, if reviews of one word name several, so that the order of rows does not matter.
            match cards.get_mut(&review.word) {
                Some(least) if *least <= *card => {}
                Some(least) => least.clone_from(card),
                None => drop(cards.insert(review.word.clone(), card.clone())),
            }
        }
        cards.extend(links);
        Self(cards)
    }
    /// Returns the card of a review.
    pub fn of(&self, review: &Review) -> CardKey {
        match &review.card {
            Some(card) => self.resolved(card),
            None => self.of_item(&review.word),
        }
    }
    /// Returns the words whose reviews belong to a card although they do not name it.
    pub fn items_of(&self, card: &CardKey) -> Vec<ItemId> {
        match card.item() {
            Some(item) if !self.0.contains_key(&item) => vec![item],
            Some(_) => Vec::new(),
            None => {
                let items = self.0.iter().filter(|(_, of)| *of == card);
                items.map(|(item, _)| item.clone()).collect()
            }
        }
    }
    /// Returns the card of a word.
    pub fn of_item(&self, item: &ItemId) -> CardKey {
        self.0.get(item).cloned().unwrap_or_else(|| CardKey::of_item(item))
    }
    /// Returns the card, or for a word without entry its card if that is known by now.
    pub fn resolved(&self, card: &CardKey) -> CardKey {
        match card.item() {
            Some(item) => self.of_item(&item),
            None => card.clone(),
        }
    }
}

impl FromIterator<(ItemId, CardKey)> for Cards {
    fn from_iter<T: IntoIterator<Item = (ItemId, CardKey)>>(words: T) -> Self {
        Self(words.into_iter().collect())
    }
}

/// A card with its state.
#[derive(Debug, Clone, PartialEq)]
pub struct CardRow {
    /// Key of the card.
    pub card: CardKey,
    /// The word that was added first, or the one of the first answer if the card is not on the list.
    pub item: ItemId,
    /// When the card was added; `None` if it is not on the list.
    pub added_ms: Option<i64>,
    /// `None` for a new card.
    pub state: Option<CardState>,
    /// Id of the parameter set of the state.
    pub params: String,
}

impl CardRow {
    /// Computes a card from its standing reviews; `None` if it has none.
    pub fn of<'a>(
        card: CardKey,
        reviews: impl IntoIterator<Item = &'a Review, IntoIter: Clone>,
        sets: &ParamSets,
    ) -> Option<Self> {
        let reviews = reviews.into_iter();
        let all = reviews.clone();
        let added = all.clone().filter(|r| r.rating == 0).map(|r| (r.at_ms, &r.word)).min();
        let first = all.map(|r| (r.at_ms, &r.word)).min()?;
        let mut events: Vec<Event<'_>> = reviews.filter_map(Event::of).collect();
        let mut params = String::new();
        let state = fold(&mut events, |last| {
            params = sets.id_of(last);
            sets.weights(&params)
        });
        let item = added.unwrap_or(first).1.clone();
        Some(Self { card, item, added_ms: added.map(|(ms, _)| ms), state, params })
    }
}

/// The value of the register `APPLIED`: cards whose last answer is not later than `through_ms` have this set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Id of the set.
    pub params: String,
    /// UTC, ms.
    pub through_ms: i64,
}

/// The parameter sets.
#[derive(Debug, Default)]
pub struct ParamSets {
    sets: BTreeMap<String, Weights>,
    applied: Option<Applied>,
}

impl ParamSets {
    /// Reads the sets from registers of the namespaces `PARAMS` and `REVIEW`. Others are ignored.
    pub fn of_registers<'a>(registers: impl IntoIterator<Item = &'a Kv>) -> Self {
        let mut found = Self::default();
        for kv in registers {
            if kv.ns == PARAMS {
                let weights = ParamSet::weights(&kv.value);
                found.sets.extend(weights.map(|weights| (kv.key.clone(), weights)));
            } else if kv.ns == REVIEW && kv.key == APPLIED {
                found.applied = serde_json::from_str(&kv.value).ok();
            }
        }
        found
    }
    /// Returns the weights of a set; the default ones for a set that has not arrived yet or cannot be used.
    pub fn weights(&self, id: &str) -> Weights {
        self.sets.get(id).copied().unwrap_or_default()
    }
    /// Returns the set for a card with this last answer.
    fn id_of(&self, last: &Event<'_>) -> String {
        match &self.applied {
            Some(applied) if last.at_ms <= applied.through_ms => applied.params.clone(),
            _ => last.params.to_owned(),
        }
    }
}

/// The rows of a learner from which the cards of a study day are computed.
#[derive(Debug, Clone, Default)]
pub struct WordRows {
    /// All reviews, voided ones too.
    pub reviews: Vec<Review>,
    /// Ids of voided reviews.
    pub voids: BTreeSet<EventId>,
    /// The registers of the namespaces `CARD`, `PARAMS` and `REVIEW`.
    pub registers: Vec<Kv>,
}

impl WordRows {
    /// Returns the reviews that are not voided.
    pub fn standing(&self) -> impl Iterator<Item = &Review> + Clone {
        self.reviews.iter().filter(|review| !self.voids.contains(&review.id))
    }
    /// Returns all cards.
    pub fn cards(&self, cards: &Cards, sets: &ParamSets) -> Vec<CardRow> {
        let mut by_card: BTreeMap<CardKey, Vec<&Review>> = BTreeMap::new();
        for review in self.standing() {
            by_card.entry(cards.of(review)).or_default().push(review);
        }
        let cards = by_card.into_iter();
        cards.filter_map(|(card, reviews)| CardRow::of(card, reviews, sets)).collect()
    }
    /// Returns the latest standing answers, at most `limit`, the newest first.
    pub fn latest(&self, limit: usize) -> Vec<&Review> {
        let mut answers: Vec<&Review> = self.standing().filter(|r| r.rating > 0).collect();
        let by_time = |r: &&Review| std::cmp::Reverse((r.day, r.at_ms, r.id));
        if answers.len() > limit && limit > 0 {
            answers.select_nth_unstable_by_key(limit - 1, by_time);
        }
        answers.truncate(limit);
        answers.sort_unstable_by_key(by_time);
        answers
    }
}
