//! The review list. It contains each word with an "added" event that is not voided.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::{
    EventId, ItemId,
    lattice::{Review, ReviewVoid},
};
use rusqlite::Connection;

use crate::{Learning, Result, store::checked};

/// A word on the review list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word's id, `root/word`.
    pub item: ItemId,
    /// Time of the earliest "added" event that is not voided, in UTC milliseconds.
    pub saved_ms: i64,
}

/// SQL condition for "added" events that are not voided.
const NOT_VOIDED: &str = "WHERE rating = 0 AND id NOT IN (SELECT id FROM review_void)";

impl Learning {
    /// Adds a word to the list or removes it. Idempotent.
    pub async fn save_word(&self, word: &ItemId, saved: bool) -> Result<()> {
        let word = word.clone();
        let id = EventId(self.ids.uuid_v7(self.store.clock().now_ms()));
        self.store
            .write("save_word", move |tx| {
                let added: Vec<Review> = checked::query(
                    tx.conn(),
                    &format!("{NOT_VOIDED} AND word = ?1"),
                    [word.as_str()],
                )?;
                if !saved {
                    for review in added {
                        tx.join(ReviewVoid { id: review.id, extra: Default::default() })?;
                    }
                } else if added.is_empty() {
                    let at_ms = tx.now_ms();
                    tx.join(Review {
                        id,
                        word: word.clone(),
                        rating: 0,
                        at_ms,
                        duration_ms: 0,
                        extra: Default::default(),
                    })?;
                }
                Ok(())
            })
            .await
    }

    /// Returns the list, newest first.
    pub async fn words(&self) -> Result<Vec<Word>> {
        self.store.read(words).await
    }

    /// Returns the words of a course or story that are on the list.
    pub async fn saved_words(&self, root: &str) -> Result<BTreeSet<ItemId>> {
        let root = root.to_owned();
        self.store
            .read(move |conn| {
                let clause = format!("{NOT_VOIDED} AND word > ?1 || '/' AND word < ?1 || '0'");
                Ok(checked::query::<Review>(conn, &clause, [root])?
                    .into_iter()
                    .map(|r| r.word)
                    .collect())
            })
            .await
    }
}

fn words(conn: &Connection) -> Result<Vec<Word>> {
    let mut first: BTreeMap<ItemId, i64> = BTreeMap::new();
    for review in checked::query::<Review>(conn, NOT_VOIDED, [])? {
        let at = first.entry(review.word).or_insert(i64::MAX);
        *at = review.at_ms.min(*at);
    }
    let mut words: Vec<Word> =
        first.into_iter().map(|(item, saved_ms)| Word { item, saved_ms }).collect();
    words.sort_by(|a, b| b.saved_ms.cmp(&a.saved_ms).then_with(|| a.item.cmp(&b.item)));
    Ok(words)
}
