//! Stores the server's responses in `cache.db`, with a limit in bytes: the least recently used are removed first.
//!
//! Uses, including hits in memory, are collected and written with the next response, so that a read does not write.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use carrel_sqlite::{Database, DatabaseError};
use rusqlite::{Connection, params};

use crate::{
    Error, Result,
    freshness::{Arrival, Policy},
    stored_headers::StoredHeaders,
};

/// Returns whether this number of bytes may be written to the disk of `cache.db`, and if so counts them as written.
/// Called for each response on the writer thread, so it must be fast.
pub type FreeSpaceCheck = Box<dyn Fn(u64) -> bool + Send + Sync>;

/// Maximum size of all responses in `cache.db` in bytes. One response may use a quarter of it, which is also the limit
/// of a body that is received.
pub const DISK_BUDGET: u64 = 64 * 1024 * 1024;
/// Approximate size of a row without its texts in bytes.
const ROW_BYTES: u64 = 200;
/// Maximum number of uses recorded until the next write.
const MAX_RECORDED_USES: usize = 4_096;
/// Maximum number of responses to one path with different `selecting`.
pub const MAX_VARIANTS: u32 = 4;

/// One stored response.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The request fields listed in `Vary`, with the values of the request.
    pub selecting: String,
    /// The stored header fields.
    pub headers: StoredHeaders,
    /// Parsed from `headers`.
    pub policy: Policy,
    /// Age at arrival, including the duration of the request.
    pub initial_age_ms: u64,
    /// Time of arrival.
    pub arrival: Arrival,
    /// The JSON document.
    pub body: Bytes,
}

impl Entry {
    /// Returns the size that is counted, in memory and on the disk, in bytes.
    pub fn size(&self, path: &str) -> u64 {
        (self.body.len() + path.len() + self.selecting.len()) as u64 + ROW_BYTES
    }
}

/// All stored responses to one path, newest first.
#[derive(Debug, Default)]
pub struct Variants {
    /// The responses, which differ by their `selecting`.
    pub all: Vec<Arc<Entry>>,
    /// Value of `Totals::writes` when a use was last recorded.
    recorded_at: AtomicU64,
}

impl Variants {
    /// Creates a list without a recorded use.
    pub fn new(all: Vec<Arc<Entry>>) -> Self {
        Self { all, recorded_at: AtomicU64::new(0) }
    }
}

/// The stored responses of one account.
pub struct StoredResponses {
    db: Database<Error>,
    budget: u64,
    free_space: Option<Arc<FreeSpaceCheck>>,
    totals: Arc<Totals>,
}

/// Totals over all responses, updated when a transaction is committed.
struct Totals {
    bytes: AtomicU64,
    evicted: AtomicU64,
    next_use: AtomicI64,
    /// Latest arrival of any stored response by the wall clock.
    latest_ms: AtomicI64,
    /// Paths used since the last write, most recent last.
    used: Mutex<Vec<String>>,
    writes: AtomicU64,
}

/// Responses that were removed to free space.
#[derive(Debug, Clone, Copy, Default)]
struct Evicted {
    bytes: u64,
    responses: u64,
}

impl StoredResponses {
    /// Reads the totals from the database. Blocking.
    pub fn open(db: Database<Error>, budget: u64) -> Result<Self> {
        let (bytes, next_use, latest_ms) = db.with_connection(|conn| {
            Ok(conn.query_row(
                "SELECT coalesce(sum(size), 0), coalesce(max(used), 0) + 1, coalesce(max(stored_ms), 0) FROM entry",
                [],
                |r| Ok((r.get::<_, i64>(0)?, r.get(1)?, r.get(2)?)),
            )?)
        })?;
        let totals = Totals {
            bytes: bytes.unsigned_abs().into(),
            evicted: 0.into(),
            next_use: AtomicI64::new(next_use),
            latest_ms: AtomicI64::new(latest_ms),
            used: Mutex::default(),
            writes: AtomicU64::new(1),
        };
        Ok(Self { db, budget, free_space: None, totals: Arc::new(totals) })
    }

    /// Size of all stored responses in bytes.
    pub fn bytes(&self) -> u64 {
        self.totals.bytes()
    }
    /// Limit of `bytes`.
    pub fn budget(&self) -> u64 {
        self.budget
    }
    /// Number of responses removed to stay within the limit, since start-up.
    pub fn evicted(&self) -> u64 {
        self.totals.evicted.load(Relaxed)
    }
    /// Latest arrival of any stored response by the wall clock (UTC, ms).
    pub fn latest_ms(&self) -> i64 {
        self.totals.latest_ms.load(Relaxed)
    }
    /// Sets the check that is called before each write.
    pub fn set_free_space_check(&mut self, check: Option<FreeSpaceCheck>) {
        self.free_space = check.map(Arc::new);
    }

    /// Returns all responses to a path, newest first.
    pub async fn get(&self, path: &str) -> Result<Vec<Arc<Entry>>> {
        let path = path.to_owned();
        self.db.read(move |conn| stored(conn, &path)).await
    }

    /// Records a use of `variants`, once between two writes.
    pub fn record_use(&self, path: &str, variants: &Variants) {
        let writes = self.totals.writes.load(Relaxed);
        if variants.recorded_at.swap(writes, Relaxed) == writes {
            return;
        }
        let mut used = self.totals.used();
        if used.len() >= MAX_RECORDED_USES {
            used.drain(..MAX_RECORDED_USES / 2);
        }
        used.push(path.to_owned());
    }

    /// Stores a response within the budget. On a full disk, twice the required space is freed and the write is repeated
    /// once. Returns `NoSpace` if the check of free space forbids the write (nothing is removed then), or if the
    /// response is too large.
    pub async fn put(&self, path: &str, entry: &Arc<Entry>) -> Result<()> {
        let size = entry.size(path);
        if size > self.budget / 4 + ROW_BYTES * 10 {
            self.remove(path).await?;
            return Err(Error::NoSpace { missing: size });
        }
        let check = self.free_space.clone();
        let is_space_low = move || check.as_ref().is_some_and(|may| !may(size));
        match self.write(path, entry, size, is_space_low).await {
            Err(e) if e.is_full() => {
                self.evict(2 * size).await?;
                self.write(path, entry, size, || false).await
            }
            done => done,
        }
    }

    /// `is_space_low` returns whether the disk has too little free space. Called once, on the writer thread, because it
    /// may query the disk.
    async fn write(
        &self,
        path: &str,
        entry: &Arc<Entry>,
        size: u64,
        is_space_low: impl Fn() -> bool + Send + 'static,
    ) -> Result<()> {
        self.totals.writes.fetch_add(1, Relaxed);
        let used = std::mem::take(&mut *self.totals.used());
        let (path, entry, totals) = (path.to_owned(), entry.clone(), self.totals.clone());
        let budget = self.budget;
        let mut space_low = None;
        let written = self.db.write("store a response", move |tx| {
            if *space_low.get_or_insert_with(&is_space_low) {
                return Err(Error::NoSpace { missing: size });
            }
            for path in &used {
                tx.prepare_cached("UPDATE entry SET used = ?2 WHERE path = ?1")?
                    .execute(params![path, totals.next_use()])?;
            }
            let before = stored_size(tx, &path)?;
            insert(tx, &path, &entry, size, totals.next_use())?;
            let after = stored_size(tx, &path)?;
            let bytes = (totals.bytes() + after).saturating_sub(before);
            let evicted = match bytes.saturating_sub(budget) {
                0 => Evicted::default(),
                // Remove a tenth of the budget more than needed, so that the next responses fit without another
                // eviction.
                over => evict(tx, over + budget / 10)?,
            };
            let (totals, latest_ms) = (totals.clone(), entry.arrival.wall_ms);
            tx.after_commit(move || {
                totals.latest_ms.fetch_max(latest_ms, Relaxed);
                totals.bytes.fetch_add(after, Relaxed);
                totals.subtract(before);
                totals.count_evicted(evicted);
            });
            Ok(())
        });
        written.await
    }

    /// Removes responses of at least `bytes` in total.
    async fn evict(&self, bytes: u64) -> Result<()> {
        let totals = self.totals.clone();
        let evicted = self.db.write("evict responses", move |tx| {
            let (evicted, totals) = (evict(tx, bytes)?, totals.clone());
            tx.after_commit(move || totals.count_evicted(evicted));
            Ok(())
        });
        evicted.await
    }

    /// Removes all responses to a path.
    pub async fn remove(&self, path: &str) -> Result<()> {
        let (path, totals) = (path.to_owned(), self.totals.clone());
        let removed = self.db.write("remove a response", move |tx| {
            let (before, totals) = (stored_size(tx, &path)?, totals.clone());
            tx.prepare_cached("DELETE FROM entry WHERE path = ?1")?.execute([&path])?;
            tx.after_commit(move || totals.subtract(before));
            Ok(())
        });
        removed.await
    }
}

impl Totals {
    fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
    fn next_use(&self) -> i64 {
        self.next_use.fetch_add(1, Relaxed)
    }
    fn used(&self) -> MutexGuard<'_, Vec<String>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn subtract(&self, bytes: u64) {
        let _ = self.bytes.fetch_update(Relaxed, Relaxed, |b| Some(b.saturating_sub(bytes)));
    }
    fn count_evicted(&self, evicted: Evicted) {
        self.subtract(evicted.bytes);
        self.evicted.fetch_add(evicted.responses, Relaxed);
    }
}

fn stored(conn: &Connection, path: &str) -> Result<Vec<Arc<Entry>>> {
    let mut stmt = conn.prepare_cached(
        "SELECT selecting, head, initial_age_ms, stored_ms, stored_mono_ms, run, body
         FROM entry WHERE path = ?1 ORDER BY rowid DESC",
    )?;
    let rows = stmt.query_map([path], |r| {
        let arrival = Arrival {
            wall_ms: r.get("stored_ms")?,
            mono_ms: r.get("stored_mono_ms")?,
            run: r.get::<_, Vec<u8>>("run")?.try_into().unwrap_or_default(),
        };
        let headers = StoredHeaders::from_text(&r.get::<_, String>("head")?);
        Ok(Arc::new(Entry {
            selecting: r.get("selecting")?,
            policy: Policy::of(&headers, arrival.wall_ms),
            headers,
            initial_age_ms: r.get::<_, i64>("initial_age_ms")?.unsigned_abs(),
            arrival,
            body: r.get::<_, Vec<u8>>("body")?.into(),
        }))
    })?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
}

/// Inserts or replaces a response; removes the oldest variant if there are too many.
fn insert(conn: &Connection, path: &str, entry: &Entry, size: u64, used: i64) -> Result<()> {
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "INSERT OR REPLACE INTO entry
         (path, selecting, head, initial_age_ms, stored_ms, stored_mono_ms, run, size, used, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        path,
        entry.selecting,
        entry.headers.to_text(),
        whole(entry.initial_age_ms),
        entry.arrival.wall_ms,
        entry.arrival.mono_ms,
        entry.arrival.run,
        whole(size),
        used,
        &entry.body[..],
    ])?;
    conn.prepare_cached(
        "DELETE FROM entry WHERE path = ?1 AND rowid NOT IN
         (SELECT rowid FROM entry WHERE path = ?1 ORDER BY rowid DESC LIMIT ?2)",
    )?
    .execute(params![path, MAX_VARIANTS])?;
    Ok(())
}

/// Removes responses of at least `bytes` in total, least recently used first.
fn evict(conn: &Connection, bytes: u64) -> Result<Evicted> {
    let mut evicted = Vec::new();
    let mut freed = 0;
    {
        let mut stmt = conn.prepare_cached("SELECT rowid, size FROM entry ORDER BY used")?;
        let mut rows = stmt.query([])?;
        while freed < bytes
            && let Some(row) = rows.next()?
        {
            evicted.push(row.get::<_, i64>("rowid")?);
            freed += row.get::<_, i64>("size")?.unsigned_abs();
        }
    }
    for id in &evicted {
        conn.prepare_cached("DELETE FROM entry WHERE rowid = ?1")?.execute([id])?;
    }
    Ok(Evicted { bytes: freed, responses: evicted.len() as u64 })
}

/// Returns the size of all responses to a path in bytes.
fn stored_size(conn: &Connection, path: &str) -> Result<u64> {
    let sum: i64 = conn
        .prepare_cached("SELECT coalesce(sum(size), 0) FROM entry WHERE path = ?1")?
        .query_row([path], |r| r.get(0))?;
    Ok(sum.unsigned_abs())
}
