//! Reads and stores what a learner sets for cards and for reviews.
//!
//! Not here: the settings themselves (`ReviewSettings`, `CardMarks` in `carrel-scheduling`).

use std::collections::BTreeMap;

use carrel_model::{
    CardKey,
    lattice::{CARD, Kv, REVIEW},
};
use carrel_scheduling::{CardMarks, Cards, ReviewSettings};
use rusqlite::Connection;

use crate::{
    Result,
    store::{Tx, checked},
};

/// Returns what the learner set, by card.
pub(super) fn marks(conn: &Connection, cards: &Cards) -> Result<BTreeMap<CardKey, CardMarks>> {
    let registers = checked::query::<Kv>(conn, "WHERE ns = ?1", [CARD])?;
    Ok(CardMarks::of_registers(&registers, cards))
}

/// Returns what the learner set for one card. `cards` has the words of the card.
pub(crate) fn marks_of(conn: &Connection, cards: &Cards, card: &CardKey) -> Result<CardMarks> {
    let items = cards.items_of(card);
    let own = items.iter().map(CardKey::of_item).chain([card.clone()]);
    let keys: Vec<String> = own.flat_map(|card| CardMarks::keys(&card)).collect();
    let clause = "WHERE ns = ?1 AND key IN (SELECT value FROM json_each(?2))";
    let keys = serde_json::to_string(&keys)?;
    let found = checked::query::<Kv>(conn, clause, [CARD, keys.as_str()])?;
    Ok(CardMarks::of_registers(&found, cards).remove(card).unwrap_or_default())
}

/// Stores what differs from the present marks of a card.
pub(crate) fn set_marks(
    tx: &mut Tx<'_>,
    card: &CardKey,
    before: &CardMarks,
    after: &CardMarks,
) -> Result<()> {
    for ((field, value), (_, old)) in after.registers().into_iter().zip(before.registers()) {
        if value != old {
            tx.set_register(CARD, &CardMarks::key(field, card), &value)?;
        }
    }
    Ok(())
}

/// Reads the settings of reviews.
pub(super) fn load(conn: &Connection) -> Result<ReviewSettings> {
    let registers = checked::query::<Kv>(conn, "WHERE ns = ?1", [REVIEW])?;
    Ok(ReviewSettings::of_registers(&registers))
}

/// Stores the fields of `after`, within their ranges, that differ from `before`.
pub(super) fn store(
    tx: &mut Tx<'_>,
    before: &ReviewSettings,
    after: &ReviewSettings,
) -> Result<()> {
    let old = before.fields();
    for (name, value) in after.clone().limited().fields() {
        if old.get(&name) != Some(&value) {
            tx.set_register(REVIEW, &name, &value)?;
        }
    }
    Ok(())
}
