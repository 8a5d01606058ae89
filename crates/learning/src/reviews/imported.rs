//! Reviews of another program, which a learner takes over as reviews of the past.
//!
//! The id of each row follows from its card, its time and its rating, so that a second import, also on another device,
//! adds nothing.
//!
//! Not here: reading the file of the other program (`carrel-import`).

use std::collections::BTreeSet;

use carrel_model::{
    CardKey, EventId, ItemId,
    lattice::{Review, ReviewKind, TIME_MS},
};

use super::states;
use crate::{Learning, Result, store::Tx, words::load_cards};

/// Maximum number of reviews that are taken over in one import; the latest ones count.
pub const MAX_PAST_REVIEWS: usize = 200_000;
/// Number of reviews in one transaction.
const BATCH: usize = 1_000;

/// A review that was made in another program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PastReview {
    /// The card.
    pub card: CardKey,
    /// UTC, ms since 1970.
    pub at_ms: i64,
    /// 1 again, 2 hard, 3 good, 4 easy.
    pub rating: u8,
    /// The word of the card.
    pub item: ItemId,
    /// Time until the answer in milliseconds.
    pub duration_ms: i64,
}

impl Learning {
    /// Stores reviews of the past, and adds their cards to the review list. Reviews that are stored already, of the
    /// future or without a rating of 1 to 4 are left out. Returns the number of new ones. After an error a part is
    /// stored; another import stores the rest.
    pub async fn import_reviews(&self, mut past: Vec<PastReview>) -> Result<u64> {
        let now_ms = self.store.clock().now_ms();
        let is_past = |at_ms: i64| TIME_MS.contains(&at_ms) && at_ms <= now_ms;
        past.retain(|review| (1..=4).contains(&review.rating) && is_past(review.at_ms));
        if past.len() > MAX_PAST_REVIEWS {
            past.sort_by_key(|review| std::cmp::Reverse(review.at_ms));
            past.truncate(MAX_PAST_REVIEWS);
        }
        past.sort();
        past.dedup_by(|a, b| (&a.card, a.at_ms) == (&b.card, b.at_ms));
        let listed = self.saved_cards().await?;
        let mut stored = 0;
        let mut rest = past.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(end_of_batch(rest));
            rest = after;
            let (batch, listed) = (batch.to_vec(), listed.clone());
            stored += self
                .store
                .write("import_reviews", move |tx| store_batch(tx, &batch, &listed))
                .await?;
        }
        Ok(stored)
    }
}

/// Returns the number of reviews of the next transaction. All reviews of one card are in one transaction.
fn end_of_batch(reviews: &[PastReview]) -> usize {
    let at_least = reviews.len().min(BATCH);
    let last = &reviews[at_least - 1].card;
    at_least + reviews[at_least..].iter().take_while(|review| review.card == *last).count()
}

fn store_batch(tx: &mut Tx<'_>, batch: &[PastReview], listed: &BTreeSet<CardKey>) -> Result<u64> {
    let cards = load_cards(tx.conn())?;
    let mut stored = 0;
    let mut before: Option<(CardKey, i32, u8)> = None;
    for past in batch {
        let card = cards.resolved(&past.card);
        let moment = tx.moment_at(past.at_ms)?;
        let kind = match &before {
            Some((last, day, 1)) if *last == card && *day == moment.day => ReviewKind::AgainToday,
            Some((last, ..)) if *last == card => ReviewKind::Review,
            _ => ReviewKind::Learn,
        };
        let is_first = before.as_ref().is_none_or(|(last, ..)| *last != card);
        let review = Review {
            id: id_of(&card, past.at_ms, past.rating),
            word: past.item.clone(),
            rating: past.rating,
            at_ms: moment.at_ms,
            duration_ms: past.duration_ms.clamp(0, 3_600_000),
            day: Some(moment.day),
            off_min: Some(moment.off_min),
            kind: Some(kind),
            card: Some(card.clone()),
            params: Some(String::new()),
            extra: Default::default(),
        };
        if is_first && !listed.contains(&card) {
            let added = Review {
                id: id_of(&card, past.at_ms, 0),
                rating: 0,
                duration_ms: 0,
                kind: Some(ReviewKind::Learn),
                ..review.clone()
            };
            add(tx, added)?;
        }
        stored += u64::from(add(tx, review)?);
        before = Some((card, moment.day, past.rating));
    }
    states::refresh(tx)?;
    Ok(stored)
}

/// Stores a review that is not stored yet. Its time is not that of this device's clock, so it is not corrected with it.
fn add(tx: &mut Tx<'_>, review: Review) -> Result<bool> {
    match tx.find::<Review>(&[review.id.to_string()])? {
        Some(_) => Ok(false),
        None => tx.import(review),
    }
}

/// Returns the id of a review of the past: a UUID of version 7 whose random bits are a hash.
fn id_of(card: &CardKey, at_ms: i64, rating: u8) -> EventId {
    let hash = blake3::hash(format!("past review\n{card}\n{at_ms}\n{rating}").as_bytes());
    let mut random = [0; 10];
    random.copy_from_slice(&hash.as_bytes()[..10]);
    EventId(uuid::Builder::from_unix_timestamp_millis(at_ms.unsigned_abs(), &random).into_uuid())
}
