//! The review log of an Anki package, as neutral data. Reviews are personal: they are read only on request.

use std::collections::BTreeMap;

use super::collection::{Collection, LogRow};

/// A review of another program.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Returns the reviews of the words in order. `words`: the ids of words by the ids of cards.
pub(crate) fn read(collection: &Collection, words: &BTreeMap<i64, String>) -> Vec<ImportedReview> {
    let is_old = collection.scheduler == 1;
    let mut reviews: Vec<ImportedReview> = collection
        .reviews
        .iter()
        .filter_map(|row| {
            let word = words.get(&row.card)?.clone();
            let rating = rating(row, is_old)?;
            let duration = row.duration_ms.clamp(0, MAX_DURATION_MS);
            let duration_ms = u32::try_from(duration).unwrap_or(0);
            Some(ImportedReview { word, at_ms: row.id, rating, duration_ms })
        })
        .collect();
    reviews.sort_by(|a, b| (a.at_ms, &a.word).cmp(&(b.at_ms, &b.word)));
    reviews
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
}
