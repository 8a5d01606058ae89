//! SQL of the three sync tables: keys to send (`outbox`), rejected rows (`quarantine`), accepted rows (`receipt`).
//!
//! Not here: when rows are sent (`sync`).

use std::collections::BTreeSet;

use carrel_model::lattice::{RowKey, RowType};
use carrel_sqlite::Change;
use rusqlite::{Connection, OptionalExtension};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    Result,
    store::{Tx, checked, checked::Found},
};

/// Number of receipts that are kept for display.
pub const RECEIPTS: usize = 200;

/// Quarantine code of a row that this device cannot read.
pub const DAMAGED: &str = "damaged";

/// A key in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The row to send.
    pub key: RowKey,
    /// Local revision of its last change.
    pub rev: i64,
    /// Time of its first unsent change, in UTC milliseconds.
    pub first_ms: i64,
}

/// A row that the server rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The rejected row.
    pub key: RowKey,
    /// `invalid`, `forbidden`, `too_new` or `clock_skew` from the server; `damaged` if the row cannot be read on this
    /// device.
    pub code: String,
    /// The server's message, or why the row cannot be read. At most 500 characters.
    pub reason: String,
    /// Time of the rejection, in UTC milliseconds.
    pub at_ms: i64,
}

/// A row that the server accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The accepted row.
    pub key: RowKey,
    /// Time of the acceptance, in UTC milliseconds.
    pub at_ms: i64,
}

/// When a row was first changed: the clocks of the device at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Wall clock, uncorrected (UTC, ms).
    pub wall_ms: i64,
    /// Monotonic clock of the run.
    pub mono_ms: i64,
    /// Number of the run (`State::run`).
    pub run: i64,
    /// Correction of the wall clock that was applied to the times of the row.
    pub offset_ms: i64,
    /// The row did not exist before, so no other replica has its times.
    pub is_new: bool,
}

pub(super) fn mark(conn: &Connection, key: &RowKey, rev: i64, at: Measured) -> Result<()> {
    let sql = "INSERT INTO outbox (row_type, key, rev, first_ms, mono_ms, run, offset_ms, is_new) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
               ON CONFLICT (row_type, key) DO UPDATE SET rev = excluded.rev";
    let (row_type, key_text) = (key.row_type.as_str(), &key.key);
    conn.prepare_cached(sql)?.execute((
        row_type,
        key_text,
        rev,
        at.wall_ms,
        at.mono_ms,
        at.run,
        at.offset_ms,
        at.is_new,
    ))?;
    // The changed row may be accepted.
    let sql = "DELETE FROM quarantine WHERE row_type = ?1 AND key = ?2";
    conn.prepare_cached(sql)?.execute([key.row_type.as_str(), &key.key])?;
    Ok(())
}

/// Row types with times that a wrong clock falsifies: they are corrected before they are sent.
pub const TIMED: [RowType; 3] = [RowType::Session, RowType::Attempt, RowType::Review];

/// Row types that are last-writer-wins registers, or contain one.
pub const STAMPED: [RowType; 2] = [RowType::Kv, RowType::Progress];

/// Returns true if a row with times waits.
pub fn has_timed(conn: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE row_type IN (?1, ?2, ?3))";
    let types = TIMED.map(RowType::as_str);
    Ok(conn.prepare_cached(sql)?.query_row(types, |r| r.get(0))?)
}

/// Returns the waiting rows of these types, and when they were first changed, in the order of their last changes.
pub fn measured(conn: &Connection, types: &[RowType]) -> Result<Vec<(RowKey, Measured)>> {
    let sql = "SELECT row_type, key, rev, first_ms, mono_ms, run, offset_ms, is_new FROM outbox \
               WHERE row_type IN (SELECT value FROM json_each(?1)) ORDER BY rev";
    let types: Vec<_> = types.iter().map(|t| t.as_str()).collect();
    let mut stmt = conn.prepare_cached(sql)?;
    let mut found = stmt.query([serde_json::to_string(&types)?])?;
    let mut all = Vec::new();
    while let Some(r) = found.next()? {
        let Some(waiting) = waiting_of(r)? else { continue };
        let at = Measured {
            wall_ms: waiting.first_ms,
            mono_ms: r.get("mono_ms")?,
            run: r.get("run")?,
            offset_ms: r.get("offset_ms")?,
            is_new: r.get("is_new")?,
        };
        all.push((waiting.key, at));
    }
    Ok(all)
}

/// Stores that the times of a waiting row are now corrected by `offset_ms`, and the wall clock that corresponds to
/// them.
pub fn store_correction(tx: &Tx<'_>, key: &RowKey, wall_ms: i64, offset_ms: i64) -> Result<()> {
    let sql = "UPDATE outbox SET first_ms = ?3, offset_ms = ?4 WHERE row_type = ?1 AND key = ?2";
    let values = (key.row_type.as_str(), &key.key, wall_ms, offset_ms);
    tx.conn().prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The next rows to send.
#[derive(Default)]
pub struct Sendable {
    /// Each key with its row as JSON, in the order of revisions.
    pub rows: Vec<(Waiting, Box<RawValue>)>,
    /// Keys that were skipped, for `quarantine_broken`.
    pub broken: Vec<Broken>,
}

/// A key in the outbox without a row that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// `None` if the row type is unknown to this release or damaged.
    key: Option<RowKey>,
    rev: i64,
    problem: String,
}

/// Returns the next rows to send after the local revision `after_rev`, in the order of revisions: at most `limit` rows
/// and `bytes` of JSON, but at least one row. Keys without a readable row do not count.
pub fn batch(conn: &Connection, after_rev: i64, limit: usize, bytes: usize) -> Result<Sendable> {
    let mut stmt = conn.prepare_cached(
        "SELECT row_type, key, rev, first_ms FROM outbox WHERE rev > ?1 ORDER BY rev",
    )?;
    let mut found = stmt.query([after_rev])?;
    let mut batch = Sendable::default();
    let mut sum = 0;
    while batch.rows.len() < limit
        && let Some(r) = found.next()?
    {
        let rev = r.get("rev")?;
        let Some(waiting) = waiting_of(r)? else {
            let problem = "unknown row type".to_owned();
            batch.broken.push(Broken { key: None, rev, problem });
            continue;
        };
        let problem = match checked::find(conn, &waiting.key)? {
            Found::Row(row) => {
                let json = to_raw_value(&row)?;
                sum += json.get().len() + 1;
                if sum > bytes && !batch.rows.is_empty() {
                    break;
                }
                batch.rows.push((waiting, json));
                continue;
            }
            Found::Missing => "the row is missing on this device".to_owned(),
            Found::Damaged(problem) => problem,
        };
        batch.broken.push(Broken { key: Some(waiting.key), rev, problem });
    }
    Ok(batch)
}

/// Removes keys that cannot be sent from the outbox. A key of a known row type whose row is missing or unreadable is
/// added to the quarantine with the code `damaged`.
pub fn quarantine_broken(tx: &mut Tx<'_>, broken: &[Broken]) -> Result<()> {
    for Broken { key, rev, problem } in broken {
        tracing::error!(sync.key = ?key, error = problem, "a key in the outbox has no row that can be sent");
        match key {
            // `get` removes an unreadable row from its table. A readable row may have been pulled since.
            Some(key) if tx.get(key)?.is_none() => {
                refuse(tx, key, *rev, DAMAGED, problem)?;
            }
            Some(_) => {}
            None => {
                tx.conn().prepare_cached("DELETE FROM outbox WHERE rev = ?1")?.execute([rev])?;
            }
        }
    }
    Ok(())
}

fn waiting_of(r: &rusqlite::Row<'_>) -> Result<Option<Waiting>> {
    let Some(row_type) = RowType::parse(r.get_ref("row_type")?.as_str().unwrap_or_default()) else {
        return Ok(None);
    };
    let key = RowKey { row_type, key: r.get("key")? };
    Ok(Some(Waiting { key, rev: r.get("rev")?, first_ms: r.get("first_ms")? }))
}

/// Removes a key without a row from the outbox.
pub(super) fn remove(conn: &Connection, key: &RowKey) -> Result<()> {
    let sql = "DELETE FROM outbox WHERE row_type = ?1 AND key = ?2";
    conn.prepare_cached(sql)?.execute([key.row_type.as_str(), &key.key])?;
    Ok(())
}

/// Returns the number of keys in the outbox and of rows in the quarantine.
pub fn counts(conn: &Connection) -> Result<(u32, u32)> {
    let sql = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM quarantine)";
    Ok(conn.prepare_cached(sql)?.query_row([], |r| Ok((r.get(0)?, r.get(1)?)))?)
}

/// Returns the time of the first unsent change of the row that waits longest, in UTC milliseconds.
pub fn oldest_ms(conn: &Connection) -> Result<Option<i64>> {
    Ok(conn.prepare_cached("SELECT min(first_ms) FROM outbox")?.query_row([], |r| r.get(0))?)
}

/// Returns the number of rows that the server does not have, by type: those in the outbox and those that it rejected.
pub fn unsynced(conn: &Connection) -> Result<Vec<(RowType, u32)>> {
    let sql = "SELECT (SELECT count(*) FROM outbox WHERE row_type = ?1) \
               + (SELECT count(*) FROM quarantine WHERE row_type = ?1)";
    let mut stmt = conn.prepare_cached(sql)?;
    let mut all = Vec::new();
    for row_type in RowType::ALL {
        let count: u32 = stmt.query_row([row_type.as_str()], |r| r.get(0))?;
        all.extend((count > 0).then_some((*row_type, count)));
    }
    Ok(all)
}

/// Returns the keys in the outbox, newest first.
pub fn waiting(conn: &Connection, limit: usize) -> Result<Vec<Waiting>> {
    let mut stmt = conn.prepare_cached(
        "SELECT row_type, key, rev, first_ms FROM outbox ORDER BY rev DESC LIMIT ?1",
    )?;
    let mut found = stmt.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut all = Vec::new();
    while let Some(r) = found.next()? {
        all.extend(waiting_of(r)?);
    }
    Ok(all)
}

/// Returns the keys in the outbox of one row type, as in `RowKey::key`.
pub fn waiting_of_type(conn: &Connection, row_type: RowType) -> Result<BTreeSet<String>> {
    let mut stmt = conn.prepare_cached("SELECT key FROM outbox WHERE row_type = ?1")?;
    Ok(stmt.query_map([row_type.as_str()], |r| r.get("key"))?.collect::<rusqlite::Result<_>>()?)
}

/// Returns true if the key is in the outbox.
pub fn is_waiting(conn: &Connection, key: &RowKey) -> Result<bool> {
    let mut stmt = conn.prepare_cached("SELECT 1 FROM outbox WHERE row_type = ?1 AND key = ?2")?;
    Ok(stmt.query_row([key.row_type.as_str(), &key.key], |_| Ok(())).optional()?.is_some())
}

/// Removes the key from the outbox, because the server has the row as of `rev`. Returns false if the row changed since
/// and stays in the outbox.
pub fn acknowledge(tx: &mut Tx<'_>, key: &RowKey, rev: i64) -> Result<bool> {
    let sql = "DELETE FROM outbox WHERE row_type = ?1 AND key = ?2 AND rev = ?3";
    let removed =
        tx.conn().prepare_cached(sql)?.execute((key.row_type.as_str(), &key.key, rev))? > 0;
    tx.changed(Change::Receipts);
    Ok(removed)
}

/// Stores a receipt for display. `prune_receipts` limits their number to [`RECEIPTS`].
pub fn store_receipt(tx: &Tx<'_>, key: &RowKey, at_ms: i64) -> Result<()> {
    let sql = "INSERT INTO receipt (row_type, key, at_ms) VALUES (?1, ?2, ?3) \
               ON CONFLICT (row_type, key) DO UPDATE SET at_ms = excluded.at_ms";
    tx.conn().prepare_cached(sql)?.execute((key.row_type.as_str(), &key.key, at_ms))?;
    Ok(())
}

/// Moves the key from the outbox to the quarantine, because the row as of `rev` was rejected. The row stays in its
/// table. Returns false if it changed since and stays in the outbox.
pub fn refuse(tx: &mut Tx<'_>, key: &RowKey, rev: i64, code: &str, reason: &str) -> Result<bool> {
    let sql = "DELETE FROM outbox WHERE row_type = ?1 AND key = ?2 AND rev = ?3";
    let removed =
        tx.conn().prepare_cached(sql)?.execute((key.row_type.as_str(), &key.key, rev))? > 0;
    tx.changed(Change::Receipts);
    if removed {
        let sql = "INSERT INTO quarantine (row_type, key, code, reason, at_ms, app_version) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT (row_type, key) DO UPDATE SET code = excluded.code, reason = excluded.reason, \
                   at_ms = excluded.at_ms, app_version = excluded.app_version";
        let reason: String = reason.chars().take(500).collect();
        let values = (key.row_type.as_str(), &key.key, code, reason, tx.now_ms(), tx.app_version());
        tx.conn().prepare_cached(sql)?.execute(values)?;
    }
    Ok(removed)
}

/// Stores how many times the server rejected the row's stamp.
pub fn store_skew_count(tx: &Tx<'_>, key: &RowKey, times: u32) -> Result<()> {
    let sql = "UPDATE outbox SET skews = ?3 WHERE row_type = ?1 AND key = ?2";
    tx.conn().prepare_cached(sql)?.execute((key.row_type.as_str(), &key.key, times))?;
    Ok(())
}

/// Deletes all but the newest receipts.
pub fn prune_receipts(tx: &Tx<'_>) -> Result<()> {
    let sql = "DELETE FROM receipt WHERE (row_type, key) IN \
               (SELECT row_type, key FROM receipt ORDER BY at_ms DESC, row_type, key LIMIT -1 OFFSET ?1)";
    tx.conn().prepare_cached(sql)?.execute([RECEIPTS as i64])?;
    Ok(())
}

/// Returns receipts, newest first.
pub fn accepted(conn: &Connection, limit: usize) -> Result<Vec<Accepted>> {
    let sql =
        "SELECT row_type, key, at_ms FROM receipt ORDER BY at_ms DESC, row_type, key LIMIT ?1";
    let mut stmt = conn.prepare_cached(sql)?;
    let mut found = stmt.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut all = Vec::new();
    while let Some(r) = found.next()? {
        if let Some(row_type) = RowType::parse(r.get_ref("row_type")?.as_str().unwrap_or_default())
        {
            all.push(Accepted {
                key: RowKey { row_type, key: r.get("key")? },
                at_ms: r.get("at_ms")?,
            });
        }
    }
    Ok(all)
}

/// Returns the rows in the quarantine, newest first.
pub fn refused(conn: &Connection) -> Result<Vec<Refused>> {
    let sql = "SELECT row_type, key, code, reason, at_ms FROM quarantine ORDER BY at_ms DESC, row_type, key";
    let mut stmt = conn.prepare_cached(sql)?;
    let mut found = stmt.query([])?;
    let mut all = Vec::new();
    while let Some(r) = found.next()? {
        if let Some(row_type) = RowType::parse(r.get_ref("row_type")?.as_str().unwrap_or_default())
        {
            let key = RowKey { row_type, key: r.get("key")? };
            all.push(Refused {
                key,
                code: r.get("code")?,
                reason: r.get("reason")?,
                at_ms: r.get("at_ms")?,
            });
        }
    }
    Ok(all)
}
