//! The review log of an Anki package, as neutral data. Reviews are personal: they are read only on request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::collection::{Collection, LogRow};

/// A review of another program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedReview {
    /// Id of the word in the vocabulary of the course.
    pub word: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// 1 again, 2 hard, 3 good, 4 easy.
    pub rating: u8,
    /// Time until the answer in milliseconds.
    pub duration_ms: u32,
}

/// Maximum time until an answer that is kept, in milliseconds.
const MAX_DURATION_MS: i64 = 600_000;

/// Returns the reviews of the words in order. `words` maps ids of cards to ids of words. If a word has several cards,
/// only the reviews of the card that was reviewed first are returned, because a schedule is computed from one card.
/// Reviews before the last reset of a card are left out, as in Anki.
pub(crate) fn read(collection: &Collection, words: &BTreeMap<i64, String>) -> Vec<ImportedReview> {
    let is_old = collection.scheduler == 1;
    let ordinals: BTreeMap<i64, u32> =
        collection.cards.iter().map(|card| (card.id, card.ordinal)).collect();
    let mut resets: BTreeMap<i64, i64> = BTreeMap::new();
    for row in collection.reviews.iter().filter(|row| is_reset(row)) {
        let at = resets.entry(row.card).or_insert(row.id);
        *at = row.id.max(*at);
    }
    let answers: Vec<(&LogRow, &String, u8)> = collection
        .reviews
        .iter()
        .filter(|row| resets.get(&row.card).is_none_or(|reset| row.id > *reset))
        .filter_map(|row| Some((row, words.get(&row.card)?, rating(row, is_old)?)))
        .collect();
    let mut cards: BTreeMap<&str, (u32, i64)> = BTreeMap::new();
    for (row, word, _) in &answers {
        let card = (ordinals.get(&row.card).copied().unwrap_or(0), row.card);
        let first = cards.entry(word).or_insert(card);
        *first = card.min(*first);
    }
    let of_first = |(row, word, _): &&(&LogRow, &String, u8)| {
        cards.get(word.as_str()).is_some_and(|(_, card)| *card == row.card)
    };
    let review = |(row, word, rating): &(&LogRow, &String, u8)| {
        let duration = row.duration_ms.clamp(0, MAX_DURATION_MS);
        let duration_ms = u32::try_from(duration).unwrap_or(0);
        ImportedReview { word: (*word).clone(), at_ms: row.id, rating: *rating, duration_ms }
    };
    let mut reviews: Vec<ImportedReview> = answers.iter().filter(of_first).map(review).collect();
    reviews.sort_by(|a, b| (a.at_ms, &a.word).cmp(&(b.at_ms, &b.word)));
    reviews
}

/// Returns true for the row of a card that was made a new one again.
fn is_reset(row: &LogRow) -> bool {
    row.kind == 4 && row.factor == 0 && row.ease == 0
}

/// Returns the rating of a row; `None` for rows that are no answer: a reset, a changed date, cramming.
fn rating(row: &LogRow, is_old: bool) -> Option<u8> {
    let is_answer = match row.kind {
        0..=2 => true,
        // A filtered deck that does not change dates has no factor.
        3 => row.factor != 0,
        _ => false,
    };
    let rating = u8::try_from(row.ease).ok().filter(|ease| (1..=4).contains(ease) && is_answer)?;
    // The first scheduler had three buttons while learning: again, good, easy.
    let is_learning = matches!(row.kind, 0 | 2);
    Some(match rating {
        2 | 3 if is_old && is_learning => rating + 1,
        rating => rating,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anki::collection::Card;

    fn row(ease: i64, factor: i64, kind: i64) -> LogRow {
        LogRow { id: 1_000, card: 1, ease, factor, duration_ms: 5_000_000, kind }
    }

    #[test]
    fn answers_are_kept_and_everything_else_is_dropped() {
        for (ease, factor, kind, old, new) in [
            (1, 0, 0, Some(1), Some(1)),
            (2, 0, 0, Some(3), Some(2)),
            (3, 0, 2, Some(4), Some(3)),
            (3, 2500, 1, Some(3), Some(3)),
            (4, 2500, 1, Some(4), Some(4)),
            (3, 0, 3, None, None),
            (3, 2500, 3, Some(3), Some(3)),
            (0, 0, 4, None, None),
            (3, 0, 4, None, None),
            (0, 0, 5, None, None),
            (9, 0, 1, None, None),
        ] {
            assert_eq!(rating(&row(ease, factor, kind), true), old, "{ease} {factor} {kind}");
            assert_eq!(rating(&row(ease, factor, kind), false), new, "{ease} {factor} {kind}");
        }
    }

    #[test]
    fn reviews_belong_to_words_and_have_a_limit_of_time() {
        let collection = Collection {
            scheduler: 2,
            reviews: vec![row(3, 0, 0), LogRow { card: 2, ..row(3, 0, 0) }],
            ..Collection::default()
        };
        let words = BTreeMap::from([(1, "w-1".to_owned())]);
        let reviews = read(&collection, &words);
        assert_eq!(
            reviews,
            [ImportedReview { word: "w-1".into(), at_ms: 1_000, rating: 3, duration_ms: 600_000 }]
        );
    }

    #[test]
    fn one_card_of_a_word_counts_and_only_after_its_last_reset() {
        let card = |id, ordinal| Card { id, note: 1, deck: 1, ordinal };
        let at = |id, card, ease| LogRow { id, card, ..row(ease, 2500, 1) };
        let reset = |id, card| LogRow { id, card, ..row(0, 0, 4) };
        let collection = Collection {
            scheduler: 2,
            cards: vec![card(7, 1), card(9, 0), card(5, 2)],
            reviews: vec![
                at(1, 9, 1),
                at(2, 7, 2),
                reset(3, 9),
                at(4, 9, 3),
                at(5, 5, 4),
                at(6, 9, 4),
                reset(7, 7),
            ],
            ..Collection::default()
        };
        let words = BTreeMap::from([(7, "w".to_owned()), (9, "w".into()), (5, "other".into())]);
        let found: Vec<_> =
            read(&collection, &words).into_iter().map(|r| (r.word, r.at_ms, r.rating)).collect();
        assert_eq!(
            found,
            [("w".to_owned(), 4, 3), ("other".to_owned(), 5, 4), ("w".to_owned(), 6, 4)]
        );
    }
}
