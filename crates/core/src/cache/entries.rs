//! Answers of the server in `cache.db`.

use bytes::Bytes;
use rusqlite::{OptionalExtension, params};

use super::{Db, freshness::Arrival};
use crate::Result;

/// One kept answer.
#[derive(Debug, Clone)]
pub struct Entry {
    pub etag: String,
    pub last_modified: String,
    pub fresh_s: u64,
    pub initial_age_s: u64,
    pub arrival: Arrival,
    pub must_revalidate: bool,
    pub body: Bytes,
}

pub fn get(db: &Db, path: &str) -> Result<Option<Entry>> {
    db.with(|conn| {
        let mut stmt = conn.prepare_cached(
            "SELECT etag, last_modified, fresh_s, initial_age_s, stored_ms, stored_mono_ms, run, must_revalidate, body
             FROM entry WHERE path = ?1",
        )?;
        let entry = stmt
            .query_row([path], |r| {
                Ok(Entry {
                    etag: r.get("etag")?,
                    last_modified: r.get("last_modified")?,
                    fresh_s: r.get::<_, i64>("fresh_s")?.unsigned_abs(),
                    initial_age_s: r.get::<_, i64>("initial_age_s")?.unsigned_abs(),
                    arrival: Arrival {
                        wall_ms: r.get("stored_ms")?,
                        mono_ms: r.get("stored_mono_ms")?,
                        run: r.get::<_, Vec<u8>>("run")?.try_into().unwrap_or_default(),
                    },
                    must_revalidate: r.get("must_revalidate")?,
                    body: r.get::<_, Vec<u8>>("body")?.into(),
                })
            })
            .optional()?;
        Ok(entry)
    })
}

pub fn put(db: &Db, path: &str, entry: &Entry) -> Result<()> {
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    db.with(|conn| {
        conn.prepare_cached(
            "INSERT OR REPLACE INTO entry
             (path, etag, last_modified, fresh_s, initial_age_s, stored_ms, stored_mono_ms, run, must_revalidate, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            path,
            entry.etag,
            entry.last_modified,
            whole(entry.fresh_s),
            whole(entry.initial_age_s),
            entry.arrival.wall_ms,
            entry.arrival.mono_ms,
            entry.arrival.run,
            entry.must_revalidate,
            &entry.body[..],
        ])?;
        Ok(())
    })
}

pub fn remove(db: &Db, path: &str) -> Result<()> {
    db.with(|conn| {
        conn.prepare_cached("DELETE FROM entry WHERE path = ?1")?.execute([path])?;
        Ok(())
    })
}
