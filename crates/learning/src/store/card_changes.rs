//! Which cards have to be computed again because of a changed row: the table `card_changed`.
//!
//! Not here: the states (`reviews`).

use carrel_model::{
    CardKey, EventId, ItemId,
    lattice::{Kv, PARAMS, REVIEW, Review, Row},
};
use carrel_scheduling::APPLIED;
use rusqlite::{Connection, OptionalExtension};

use crate::Result;

/// In the table: all cards.
pub const ALL: &str = "*";

/// Marks the cards whose states a changed row affects. `payload_conflict`: it replaced another payload.
pub(super) fn mark_row(conn: &Connection, row: &Row, payload_conflict: bool) -> Result<()> {
    match row {
        // The card of the replaced payload may be another one.
        Row::Review(_) if payload_conflict => mark(conn, ALL),
        Row::Review(Review { card, word, rating, .. }) => {
            mark_review(conn, card.as_ref(), word, *rating)
        }
        Row::ReviewVoid(void) => mark_void(conn, void.id),
        Row::Kv(Kv { ns, key, .. }) if ns == PARAMS || ns == REVIEW && key == APPLIED => {
            mark(conn, ALL)
        }
        _ => Ok(()),
    }
}

/// Marks a card, or all.
pub fn mark(conn: &Connection, card: &str) -> Result<()> {
    let sql = "INSERT INTO card_changed (card) VALUES (?1) ON CONFLICT (card) DO NOTHING";
    conn.prepare_cached(sql)?.execute([card])?;
    Ok(())
}

fn mark_review(conn: &Connection, card: Option<&CardKey>, word: &ItemId, rating: u8) -> Result<()> {
    let of_word = CardKey::of_item(word);
    mark(conn, card.unwrap_or(&of_word).as_str())?;
    if rating == 0 {
        // An added word may be the reason why other reviews of it belong to a card.
        let sql = "SELECT DISTINCT card FROM review WHERE word = ?1 AND rating = 0 AND card > ''";
        let mut stmt = conn.prepare_cached(sql)?;
        let mut rows = stmt.query([word.as_str()])?;
        while let Some(row) = rows.next()? {
            mark(conn, row.get_ref(0)?.as_str().unwrap_or(ALL))?;
        }
        mark(conn, of_word.as_str())?;
    }
    Ok(())
}

/// Marks the card of a voided review. If the review arrives later, it marks its card itself.
fn mark_void(conn: &Connection, id: EventId) -> Result<()> {
    let sql = "SELECT word, card, rating FROM review WHERE id = ?1";
    let mut stmt = conn.prepare_cached(sql)?;
    let found = stmt.query_row([id.0.as_bytes().as_slice()], |r| {
        Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, u8>(2)?))
    });
    let Some((word, card, rating)) = found.optional()? else { return Ok(()) };
    match ItemId::new(word) {
        Ok(word) => mark_review(conn, CardKey::new(card).ok().as_ref(), &word, rating),
        Err(_) => mark(conn, ALL),
    }
}
