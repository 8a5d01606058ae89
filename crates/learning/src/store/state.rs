//! Sync state (`sync_state`), and rows that this release cannot read (`foreign_row`).

use carrel_model::{
    BlobHash, Hlc,
    lattice::{Row, RowKey, RowType},
};
use rusqlite::Connection;

use crate::{
    Error, Result,
    store::{Tx, card_changes},
};

/// The single row of `sync_state`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Epoch of the server's database that `pulled` refers to; empty before the first sync.
    pub epoch: String,
    /// Change number of the server up to which rows have been pulled.
    pub pulled: u64,
    /// The last local revision.
    pub rev: i64,
    /// The greatest stamp written or received.
    pub hlc: Hlc,
    /// The server's clock minus the local one in milliseconds; 0 unless the server reported a skew.
    pub clock_offset_ms: i64,
    /// Time of the last successful sync, in UTC milliseconds.
    pub last_ok_ms: Option<i64>,
    /// Release that opened the file last.
    pub app_version: String,
    /// Number of the present run: how many times the file was opened. Monotonic times are comparable within a run.
    pub run: i64,
}

/// Reads the sync state. An invalid clock value is read as the default.
pub fn load(conn: &Connection) -> Result<State> {
    let sql = "SELECT epoch, pulled, rev, hlc, clock_offset_ms, last_ok_ms, app_version, run \
               FROM sync_state WHERE id = 1";
    let mut stmt = conn.prepare_cached(sql)?;
    let state = stmt.query_row([], |r| {
        let last_ok_ms: i64 = r.get("last_ok_ms")?;
        Ok(State {
            epoch: r.get("epoch")?,
            pulled: r.get::<_, i64>("pulled")?.unsigned_abs(),
            rev: r.get("rev")?,
            hlc: Hlc::from_raw(r.get("hlc")?).unwrap_or_default(),
            clock_offset_ms: r.get("clock_offset_ms")?,
            last_ok_ms: (last_ok_ms > 0).then_some(last_ok_ms),
            app_version: r.get("app_version")?,
            run: r.get("run")?,
        })
    })?;
    Ok(state)
}

pub(super) fn save(conn: &Connection, s: &State) -> Result<()> {
    let sql = "UPDATE sync_state SET epoch = ?1, pulled = ?2, rev = ?3, hlc = ?4, clock_offset_ms = ?5, \
               last_ok_ms = ?6, app_version = ?7, run = ?8 WHERE id = 1";
    let pulled = i64::try_from(s.pulled)
        .map_err(|_| Error::Internal("change number out of range".into()))?;
    let last_ok_ms = s.last_ok_ms.unwrap_or(0);
    conn.prepare_cached(sql)?.execute((
        &s.epoch,
        pulled,
        s.rev,
        s.hlc.raw(),
        s.clock_offset_ms,
        last_ok_ms,
        &s.app_version,
        s.run,
    ))?;
    Ok(())
}

/// Maximum revision, far below the range of an integer.
const MAX_REV: i64 = 1 << 62;

/// Corrects values that a damaged page may have changed. Afterwards the row exists, revisions are positive, and none in
/// the outbox is greater than the last one.
pub(super) fn repair_state(conn: &Connection) -> Result<()> {
    conn.execute(
        "INSERT INTO sync_state (id, epoch, pulled, rev, hlc, clock_offset_ms, last_ok_ms, app_version) \
         VALUES (1, '', 0, 0, 0, 0, 0, '') ON CONFLICT (id) DO NOTHING",
        [],
    )?;
    let wrong = "SELECT row_type, key FROM outbox WHERE rev NOT BETWEEN 1 AND ?1";
    let keys: Vec<(String, String)> = conn
        .prepare(wrong)?
        .query_map([MAX_REV], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (row_type, key) in keys {
        let next = "UPDATE outbox SET rev = \
                    (SELECT coalesce(max(rev), 0) + 1 FROM outbox WHERE rev BETWEEN 1 AND ?3) \
                    WHERE row_type = ?1 AND key = ?2";
        conn.execute(next, (row_type, key, MAX_REV))?;
    }
    let last = "UPDATE sync_state SET rev = (SELECT coalesce(max(rev), 0) FROM outbox) \
                WHERE rev > ?1 OR rev < (SELECT coalesce(max(rev), 0) FROM outbox)";
    conn.execute(last, [MAX_REV])?;
    Ok(())
}

/// Stores a pulled row that this release cannot read, unchanged.
pub fn store_foreign(tx: &Tx<'_>, body: &str) -> Result<()> {
    store_foreign_body(tx.conn(), body, tx.now_ms())
}

pub(super) fn store_foreign_body(conn: &Connection, body: &str, now_ms: i64) -> Result<()> {
    let sql = "INSERT INTO foreign_row (hash, body, at_ms) VALUES (?1, ?2, ?3) ON CONFLICT (hash) DO NOTHING";
    let hash = BlobHash::of(body.as_bytes()).0;
    conn.prepare_cached(sql)?.execute((hash.as_slice(), body, now_ms))?;
    Ok(())
}

/// If another release opened the file last, reads the foreign rows again and requeues rows that the server rejected as
/// too new.
pub(super) fn after_update(tx: &mut Tx<'_>, version: &str) -> Result<()> {
    if tx.state().app_version == version {
        return Ok(());
    }
    tx.state().app_version = version.to_owned();
    let conn = tx.conn();
    // This release may compute other states from the same reviews.
    card_changes::mark(conn, card_changes::ALL)?;
    let mut stmt = conn.prepare("SELECT hash, body FROM foreign_row")?;
    let kept: Vec<(Vec<u8>, String)> = stmt
        .query_map([], |r| Ok((r.get("hash")?, r.get("body")?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (hash, body) in kept {
        let Ok(mut row) = Row::from_json(&body) else { continue };
        // A row with unknown fields over the limits is applied without them, and also kept for a later release.
        let is_whole = !row.extra_mut().limit();
        if tx.apply_remote(row).is_ok() && is_whole {
            conn.execute("DELETE FROM foreign_row WHERE hash = ?1", [hash])?;
        }
    }
    let mut stmt = conn.prepare("SELECT row_type, key FROM quarantine WHERE code = 'too_new'")?;
    let waiting: Vec<(String, String)> = stmt
        .query_map([], |r| Ok((r.get("row_type")?, r.get("key")?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (row_type, key) in waiting {
        if let Some(row_type) = RowType::parse(&row_type) {
            tx.requeue(&RowKey { row_type, key })?;
        }
    }
    Ok(())
}
