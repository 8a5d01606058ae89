//! The states of cards in `card_state`: a cache that is computed from the reviews, and again for the cards of changed
//! rows (`card_changed`).
//!
//! Not here: the computation (`CardRow::of` in `carrel-scheduling`), due days, which also depend on settings.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::{
    CardKey, EventId, ItemId,
    lattice::{Kv, PARAMS, REVIEW, Review, ReviewKind},
};
use carrel_scheduling::{APPLIED, CardRow, CardState, Cards, Memory, ParamSets};
use carrel_sqlite::rows::ABSENT;
use rusqlite::Connection;

use crate::{
    Result,
    store::{Tx, card_changes::ALL, checked},
    words::{cards_among, load_cards},
};

/// Reads the parameter sets.
pub(super) fn param_sets(conn: &Connection) -> Result<ParamSets> {
    let mut registers = checked::query::<Kv>(conn, "WHERE ns = ?1", [PARAMS])?;
    registers.extend(checked::query::<Kv>(conn, "WHERE ns = ?1 AND key = ?2", [REVIEW, APPLIED])?);
    Ok(ParamSets::of_registers(&registers))
}

/// The columns of a review from which states are computed.
const COLUMNS: &str = "SELECT id, word, rating, at_ms, day, kind, card, params FROM review";
const STANDING: &str = "id NOT IN (SELECT id FROM review_void)";

/// Reads a review; `None` for an unreadable one, which does not hide others.
fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Review>> {
    let id: Option<[u8; 16]> = row.get_ref(0)?.as_blob().ok().and_then(|b| b.try_into().ok());
    let word = row.get_ref(1)?.as_str().ok().and_then(|t| ItemId::new(t).ok());
    let card = row.get_ref(6)?.as_str().ok().map(|t| match t {
        "" => Some(None),
        t => CardKey::new(t).ok().map(Some),
    });
    let (Some(id), Some(word), Some(Some(card))) = (id, word, card) else { return Ok(None) };
    let Ok(rating) = row.get::<_, u8>(2) else { return Ok(None) };
    let (Ok(at_ms), Ok(day)) = (row.get(3), row.get::<_, i64>(4)) else { return Ok(None) };
    let params = row.get_ref(7)?.as_str().unwrap_or_default();
    Ok(Some(Review {
        id: EventId(uuid::Uuid::from_bytes(id)),
        word,
        rating,
        at_ms,
        duration_ms: 0,
        day: if day == ABSENT { None } else { i32::try_from(day).ok() },
        off_min: None,
        kind: row.get_ref(5)?.as_str().ok().and_then(ReviewKind::parse),
        card,
        params: Some(if params == "-" { String::new() } else { params.to_owned() }),
        extra: Default::default(),
    }))
}

fn reviews(conn: &Connection, clause: &str, values: impl rusqlite::Params) -> Result<Vec<Review>> {
    let mut stmt = conn.prepare_cached(&format!("{COLUMNS} WHERE {STANDING} {clause}"))?;
    let mut rows = stmt.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(read(row)?);
    }
    Ok(found)
}

/// Condition for the reviews that name a card; the second part is the condition of the index.
const OF_CARD: &str = "AND card = ?1 AND card <> ''";
/// Condition for the reviews of a word that do not name another card.
const OF_ITEM: &str = "AND word = ?1 AND (card = '' OR card = ?2)";

/// Returns the standing reviews of a card.
pub(super) fn of_card(conn: &Connection, cards: &Cards, card: &CardKey) -> Result<Vec<Review>> {
    let mut found = match card.item() {
        Some(_) => Vec::new(),
        None => reviews(conn, OF_CARD, [card.as_str()])?,
    };
    // Reviews that do not name the card.
    for item in cards.items_of(card) {
        found.extend(reviews(conn, OF_ITEM, [item.as_str(), CardKey::of_item(&item).as_str()])?);
    }
    Ok(found)
}

/// Computes the states of all cards from the reviews.
pub(super) fn compute_all(conn: &Connection) -> Result<Vec<CardRow>> {
    let (cards, sets) = (load_cards(conn)?, param_sets(conn)?);
    let rows = by_card(conn, &cards)?.into_iter();
    Ok(rows.filter_map(|(card, reviews)| CardRow::of(card, &reviews, &sets)).collect())
}

/// Returns the standing reviews of all cards.
pub(super) fn by_card(conn: &Connection, cards: &Cards) -> Result<BTreeMap<CardKey, Vec<Review>>> {
    let mut by_card: BTreeMap<CardKey, Vec<Review>> = BTreeMap::new();
    for review in reviews(conn, "", [])? {
        by_card.entry(cards.of(&review)).or_default().push(review);
    }
    Ok(by_card)
}

/// Returns true if states have to be computed again.
pub(super) fn is_stale(conn: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM card_changed)";
    Ok(conn.prepare_cached(sql)?.query_row([], |r| r.get(0))?)
}

/// Computes the states of changed cards.
pub(super) fn refresh(tx: &Tx<'_>) -> Result<()> {
    let conn = tx.conn();
    let changed: Vec<String> = {
        let mut stmt = conn.prepare_cached("SELECT card FROM card_changed")?;
        stmt.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?
    };
    if changed.iter().any(|card| card == ALL) {
        conn.execute("DELETE FROM card_state", [])?;
        for row in compute_all(conn)? {
            store(conn, &row)?;
        }
    } else {
        let sets = param_sets(conn)?;
        let changed: Vec<CardKey> =
            changed.iter().filter_map(|key| CardKey::new(key.as_str()).ok()).collect();
        let cards = cards_among(conn, &changed)?;
        let mut keys = BTreeSet::new();
        for key in changed {
            delete(conn, &key)?;
            keys.insert(cards.resolved(&key));
        }
        for key in keys {
            // Reviews that were of a card of the word itself before the card was known.
            for item in cards.items_of(&key) {
                delete(conn, &CardKey::of_item(&item))?;
            }
            match CardRow::of(key.clone(), &of_card(conn, &cards, &key)?, &sets) {
                Some(row) => store(conn, &row)?,
                None => delete(conn, &key)?,
            }
        }
    }
    conn.execute("DELETE FROM card_changed", [])?;
    Ok(())
}

fn delete(conn: &Connection, card: &CardKey) -> Result<()> {
    conn.prepare_cached("DELETE FROM card_state WHERE card = ?1")?.execute([card.as_str()])?;
    Ok(())
}

fn store(conn: &Connection, row: &CardRow) -> Result<()> {
    let sql = "INSERT INTO card_state (card, item, added_ms, last, stability, difficulty, last_day, last_ms, \
               last_rating, first_day, reviews, lapses, params) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
               ON CONFLICT (card) DO UPDATE SET item = excluded.item, added_ms = excluded.added_ms, \
               last = excluded.last, stability = excluded.stability, difficulty = excluded.difficulty, \
               last_day = excluded.last_day, last_ms = excluded.last_ms, last_rating = excluded.last_rating, \
               first_day = excluded.first_day, reviews = excluded.reviews, lapses = excluded.lapses, \
               params = excluded.params";
    let state = row.state.as_ref();
    let memory = state.map(|s| s.memory);
    conn.prepare_cached(sql)?.execute(rusqlite::params![
        row.card.as_str(),
        row.item.as_str(),
        row.added_ms.unwrap_or(ABSENT),
        state.map_or(Vec::new(), |s| s.last.0.as_bytes().to_vec()),
        memory.map_or(0.0, |m| m.stability),
        memory.map_or(0.0, |m| m.difficulty),
        state.map_or(0, |s| s.last_day),
        state.map_or(0, |s| s.last_ms),
        state.map_or(0, |s| s.last_rating),
        state.map_or(0, |s| s.first_day),
        state.map_or(0, |s| s.reviews),
        state.map_or(0, |s| s.lapses),
        row.params,
    ])?;
    Ok(())
}

/// Returns the stored states.
pub(super) fn load(conn: &Connection) -> Result<Vec<CardRow>> {
    let sql = "SELECT card, item, added_ms, last, stability, difficulty, last_day, last_ms, last_rating, first_day, \
               reviews, lapses, params FROM card_state";
    let mut stmt = conn.prepare_cached(sql)?;
    let mut rows = stmt.query([])?;
    let mut found = Vec::new();
    while let Some(r) = rows.next()? {
        let card = r.get_ref(0)?.as_str().ok().and_then(|t| CardKey::new(t).ok());
        let item = r.get_ref(1)?.as_str().ok().and_then(|t| ItemId::new(t).ok());
        let Some((card, item)) = card.zip(item) else { continue };
        let added_ms: i64 = r.get(2)?;
        let last: Option<[u8; 16]> = r.get_ref(3)?.as_blob().ok().and_then(|b| b.try_into().ok());
        let state = match last {
            None => None,
            Some(last) => Some(CardState {
                memory: Memory { stability: r.get(4)?, difficulty: r.get(5)? },
                last: EventId(uuid::Uuid::from_bytes(last)),
                last_day: r.get(6)?,
                last_ms: r.get(7)?,
                last_rating: r.get(8)?,
                first_day: r.get(9)?,
                reviews: r.get(10)?,
                lapses: r.get(11)?,
            }),
        };
        let added_ms = (added_ms != ABSENT).then_some(added_ms);
        found.push(CardRow { card, item, added_ms, state, params: r.get(12)? });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::query_plan;

    /// Without an index, each answer would read all reviews of the learner.
    #[test]
    fn the_reviews_of_one_card_are_found_by_an_index() {
        for (clause, index) in [(OF_CARD, "review_card"), (OF_ITEM, "review_word")] {
            let plan = query_plan(&format!("{COLUMNS} WHERE {STANDING} {clause}"));
            assert!(plan.contains(&format!("USING INDEX {index} ")), "{clause}: {plan}");
        }
    }
}
