//! The review list: each card with an "added" event that is not voided. The words of several courses with one language,
//! lemma and sense are one card.
//!
//! Not here: the schedule (`reviews`).

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::{
    CardKey, EventId, ItemId,
    lattice::{Review, ReviewKind, ReviewVoid},
};
use carrel_scheduling::Cards;
use rusqlite::{Connection, OptionalExtension};

use crate::{
    Learning, Result,
    store::{Tx, card_changes, checked},
};

/// A card on the review list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word that was added first, `root/word`.
    pub item: ItemId,
    /// Key of the card.
    pub card: CardKey,
    /// Time of the earliest "added" event that is not voided, in UTC milliseconds.
    pub saved_ms: i64,
}

/// SQL condition for "added" events that are not voided.
const NOT_VOIDED: &str = "WHERE rating = 0 AND id NOT IN (SELECT id FROM review_void)";

impl Learning {
    /// Adds a word to the list or removes it. Idempotent. `card` is the key of its entry; `None` if the entry is not on
    /// this device. A card that several words add is on the list once; removing one of them removes the card.
    pub async fn save_word(
        &self,
        word: &ItemId,
        card: Option<&CardKey>,
        saved: bool,
    ) -> Result<()> {
        let (word, card) = (word.clone(), card.cloned());
        let id = EventId(self.ids.uuid_v7(self.store.clock().now_ms()));
        self.store.write("save_word", move |tx| save(tx, id, &word, card.as_ref(), saved)).await
    }

    /// Returns the list, newest first.
    pub async fn words(&self) -> Result<Vec<Word>> {
        self.store.read(words).await
    }

    /// Returns all cards on the list.
    pub(crate) async fn saved_cards(&self) -> Result<BTreeSet<CardKey>> {
        let cards = |conn: &Connection| {
            let cards = load_cards(conn)?;
            let added = checked::query::<Review>(conn, NOT_VOIDED, [])?;
            Ok(added.iter().map(|review| cards.of(review)).collect())
        };
        self.store.read(cards).await
    }

    /// Stores the cards of words whose entries are on this device, so that their reviews without a card belong to them.
    /// Words that are known already cost no write.
    pub async fn link_words(&self, found: Vec<(ItemId, CardKey)>) -> Result<()> {
        let is_new = self.store.read({
            let found = found.clone();
            move |conn| {
                let mut stmt = conn.prepare_cached("SELECT card FROM word_card WHERE item = ?1")?;
                for (item, card) in &found {
                    let known: Option<String> =
                        stmt.query_row([item.as_str()], |r| r.get(0)).optional()?;
                    if known.as_deref() != Some(card.as_str()) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        });
        if !is_new.await? {
            return Ok(());
        }
        self.store
            .write("link_words", move |tx| {
                let sql = "INSERT INTO word_card (item, card) VALUES (?1, ?2) \
                           ON CONFLICT (item) DO UPDATE SET card = excluded.card";
                for (item, card) in &found {
                    tx.conn().prepare_cached(sql)?.execute([item.as_str(), card.as_str()])?;
                    card_changes::mark(tx.conn(), card.as_str())?;
                    card_changes::mark(tx.conn(), CardKey::of_item(item).as_str())?;
                }
                Ok(())
            })
            .await
    }
}

/// Adds a word to the list or removes it. `id`: the id of the event, if one is needed.
pub(crate) fn save(
    tx: &mut Tx<'_>,
    id: EventId,
    word: &ItemId,
    card: Option<&CardKey>,
    saved: bool,
) -> Result<()> {
    let keys: Vec<CardKey> = card.cloned().into_iter().chain([CardKey::of_item(word)]).collect();
    let cards = cards_among(tx.conn(), &keys)?;
    let card = card.cloned().unwrap_or_else(|| cards.of_item(word));
    let added = added_events(tx.conn(), &cards, word, &card)?;
    if !saved {
        for id in added {
            tx.join(ReviewVoid { id, extra: Default::default() })?;
        }
    } else if added.is_empty() {
        let event = added_event(tx, id, word, &card)?;
        tx.join(event)?;
    }
    Ok(())
}

/// Condition for the "added" events that name a card; its second part is the condition of the index.
const ADDED_CARD: &str = "AND card = ?1 AND card <> ''";
/// Condition for the "added" events of a word.
const ADDED_WORD: &str = "AND word = ?1";

/// Returns the ids of the "added" events of a word and its card that are not voided. The time does not grow with the
/// list.
fn added_events(
    conn: &Connection,
    cards: &Cards,
    word: &ItemId,
    card: &CardKey,
) -> Result<BTreeSet<EventId>> {
    let of_word = |word: &ItemId| -> Result<Vec<Review>> {
        checked::query(conn, &format!("{NOT_VOIDED} {ADDED_WORD}"), [word.as_str()])
    };
    let mut found = of_word(word)?;
    found.extend(checked::query(conn, &format!("{NOT_VOIDED} {ADDED_CARD}"), [card.as_str()])?);
    for item in cards.items_of(card) {
        found.extend(of_word(&item)?);
    }
    found.retain(|review: &Review| review.word == *word || cards.of(review) == *card);
    Ok(found.into_iter().map(|review| review.id).collect())
}

/// Returns the event that adds a word to the list now.
pub(crate) fn added_event(
    tx: &mut Tx<'_>,
    id: EventId,
    word: &ItemId,
    card: &CardKey,
) -> Result<Review> {
    let now = tx.moment()?;
    Ok(Review {
        id,
        word: word.clone(),
        rating: 0,
        at_ms: now.at_ms,
        duration_ms: 0,
        day: Some(now.day),
        off_min: Some(now.off_min),
        kind: Some(ReviewKind::Learn),
        card: Some(card.clone()),
        params: Some(String::new()),
        extra: Default::default(),
    })
}

const WORDS_OF_CARD: &str = "SELECT word FROM review WHERE card = ?1 AND card <> '' AND rating = 0 \
                             UNION SELECT item FROM word_card WHERE card = ?1";
/// As in `load_cards`: the vocabularies on this device, then the least key of the reviews.
const CARD_OF_WORD: &str = "SELECT coalesce((SELECT card FROM word_card WHERE item = ?1), (SELECT min(card) \
                            FROM review WHERE word = ?1 AND card > '' AND card NOT LIKE 'item/%' AND rating = 0))";

/// Reads the cards of all words.
pub(crate) fn load_cards(conn: &Connection) -> Result<Cards> {
    let mut cards = BTreeMap::new();
    // The least key, if reviews of one word name several, so that the order of rows does not matter.
    let from_reviews = "SELECT word, min(card) FROM review WHERE card > '' AND card NOT LIKE 'item/%' \
                        AND rating = 0 GROUP BY word";
    for sql in [from_reviews, "SELECT item, card FROM word_card"] {
        let mut stmt = conn.prepare_cached(sql)?;
        let mut rows = stmt.query([])?;
        while let Some(row) = rows.next()? {
            let item = row.get_ref(0)?.as_str().ok().and_then(|t| ItemId::new(t).ok());
            let card = row.get_ref(1)?.as_str().ok().and_then(|t| CardKey::new(t).ok());
            cards.extend(item.zip(card));
        }
    }
    Ok(cards.into_iter().collect())
}
/// Reads the cards of the words that belong to one of `keys`, so that the time does not grow with the list. For other
/// words the result has no card.
pub(crate) fn cards_among(conn: &Connection, keys: &[CardKey]) -> Result<Cards> {
    let mut cards = BTreeMap::new();
    let mut open = keys.to_vec();
    let mut seen = BTreeSet::new();
    while let Some(key) = open.pop() {
        if !seen.insert(key.clone()) {
            continue;
        }
        let mut words: Vec<ItemId> = key.item().into_iter().collect();
        let mut stmt = conn.prepare_cached(WORDS_OF_CARD)?;
        let mut rows = stmt.query([key.as_str()])?;
        while let Some(row) = rows.next()? {
            words.extend(row.get_ref(0)?.as_str().ok().and_then(|t| ItemId::new(t).ok()));
        }
        for word in words {
            let mut stmt = conn.prepare_cached(CARD_OF_WORD)?;
            let card: Option<String> = stmt.query_row([word.as_str()], |r| r.get(0))?;
            if let Some(card) = card.and_then(|text| CardKey::new(text).ok()) {
                // A card of the word itself is now this one, with the other words that belong to it.
                open.push(card.clone());
                cards.insert(word, card);
            }
        }
    }
    Ok(cards.into_iter().collect())
}

fn words(conn: &Connection) -> Result<Vec<Word>> {
    let cards = load_cards(conn)?;
    let mut first: BTreeMap<CardKey, (i64, ItemId)> = BTreeMap::new();
    for review in checked::query::<Review>(conn, NOT_VOIDED, [])? {
        let at = (review.at_ms, review.word.clone());
        let first = first.entry(cards.of(&review)).or_insert_with(|| at.clone());
        if at < *first {
            *first = at;
        }
    }
    let mut words: Vec<Word> =
        first.into_iter().map(|(card, (saved_ms, item))| Word { item, card, saved_ms }).collect();
    words.sort_by(|a, b| b.saved_ms.cmp(&a.saved_ms).then_with(|| a.item.cmp(&b.item)));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::query_plan;

    /// Otherwise each answer and each added word would read the whole list, or all words of the vocabularies.
    #[test]
    fn the_words_of_one_card_are_found_by_an_index() {
        for sql in [
            WORDS_OF_CARD,
            CARD_OF_WORD,
            &format!("SELECT * FROM review {NOT_VOIDED} {ADDED_CARD}"),
            &format!("SELECT * FROM review {NOT_VOIDED} {ADDED_WORD}"),
        ] {
            let plan = query_plan(sql);
            assert!(
                !plan.contains("SCAN review") && !plan.contains("SCAN word_card"),
                "{sql}: {plan}"
            );
        }
    }
}
