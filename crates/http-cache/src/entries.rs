//! Answers of the server in `cache.db`, bounded by bytes: what was not used for longest goes first.
//!
//! Uses, those of the memory tier too, are noted and written with the next answer, so that reading does not write.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use carrel_sqlite::{Database, DatabaseError};
use rusqlite::{Connection, params};

use crate::{
    Error, Result,
    freshness::{Arrival, Policy},
    head::Head,
};

/// Whether so many bytes may be written to the disk of `cache.db`; they are counted as written then. Called for each answer, on the thread
/// that writes: it must be cheap.
pub type Floor = Box<dyn Fn(u64) -> bool + Send + Sync>;

/// Answers in `cache.db` together; the quarter of it that one may have is the longest body there is.
pub const DISK: u64 = 64 * 1024 * 1024;
/// A row costs about this much besides its texts.
const ROW: u64 = 200;
/// Uses that are noted until the next write.
const MOST_NOTED: usize = 4_096;
/// Answers to one path that differ by their request fields.
pub const MOST_VARIANTS: u32 = 4;

/// One kept answer.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The request fields that `Vary` named, as they were.
    pub selecting: String,
    pub head: Head,
    /// What `head` says.
    pub policy: Policy,
    pub initial_age_ms: u64,
    pub arrival: Arrival,
    /// Not to be used without asking: something was written to its path.
    pub invalid: bool,
    pub body: Bytes,
}

impl Entry {
    /// Bytes that it counts for, in memory and on the disk.
    pub fn size(&self, path: &str) -> u64 {
        (self.body.len() + path.len() + self.selecting.len()) as u64 + ROW
    }
}

/// All kept answers to one path, the newest first.
#[derive(Debug, Default)]
pub struct Page {
    pub all: Vec<Arc<Entry>>,
    /// The turn in which its use was noted last.
    noted: AtomicU64,
}

impl Page {
    pub fn new(all: Vec<Arc<Entry>>) -> Self {
        Self { all, noted: AtomicU64::new(0) }
    }
}

/// The kept answers of one account.
pub struct Answers {
    db: Database<Error>,
    totals: Arc<Totals>,
}

/// What is counted of all answers, here and by transactions that were committed.
struct Totals {
    bytes: AtomicU64,
    budget: AtomicU64,
    evicted: AtomicU64,
    next_use: AtomicI64,
    /// The latest wall clock that any kept answer has seen.
    latest_ms: AtomicI64,
    /// Paths that were used since the last write, the latest last; and the number of that write.
    used: Mutex<Vec<String>>,
    turn: AtomicU64,
    floor: OnceLock<Floor>,
}

/// Answers that were thrown out.
#[derive(Debug, Clone, Copy, Default)]
struct Evicted {
    bytes: u64,
    answers: u64,
}

impl Answers {
    /// Blocking.
    pub fn open(db: Database<Error>) -> Result<Self> {
        let (bytes, next_use, latest_ms) = db.with_connection(|conn| {
            Ok(conn.query_row(
                "SELECT coalesce(sum(size), 0), coalesce(max(used), 0) + 1, coalesce(max(stored_ms), 0) FROM entry",
                [],
                |r| Ok((r.get::<_, i64>(0)?, r.get(1)?, r.get(2)?)),
            )?)
        })?;
        let totals = Totals {
            bytes: bytes.unsigned_abs().into(),
            budget: DISK.into(),
            evicted: 0.into(),
            next_use: AtomicI64::new(next_use),
            latest_ms: AtomicI64::new(latest_ms),
            used: Mutex::default(),
            turn: AtomicU64::new(1),
            floor: OnceLock::new(),
        };
        Ok(Self { db, totals: Arc::new(totals) })
    }

    pub fn bytes(&self) -> u64 {
        self.totals.bytes()
    }
    pub fn budget(&self) -> u64 {
        self.totals.budget()
    }
    pub fn evicted(&self) -> u64 {
        self.totals.evicted.load(Relaxed)
    }
    pub fn latest_ms(&self) -> i64 {
        self.totals.latest_ms.load(Relaxed)
    }
    /// The first one stays.
    pub fn set_floor(&self, floor: Floor) {
        let _ = self.totals.floor.set(floor);
    }

    /// All answers to a path, the newest first.
    pub async fn get(&self, path: &str) -> Result<Vec<Arc<Entry>>> {
        let path = path.to_owned();
        self.db.read(move |conn| stored(conn, &path)).await
    }

    /// Somebody used `page`; once for each turn is enough.
    pub fn note(&self, path: &str, page: &Page) {
        let turn = self.totals.turn.load(Relaxed);
        if page.noted.load(Relaxed) == turn {
            return;
        }
        page.noted.store(turn, Relaxed);
        let mut used = self.totals.used();
        if used.len() >= MOST_NOTED {
            used.drain(..MOST_NOTED / 2);
        }
        used.push(path.to_owned());
    }

    /// Keeps an answer and stays in the budget. On a full disk twice what is needed is thrown out, and it is tried once more. Where no more
    /// than the floor is free, nothing is written and nothing has to go: `Error::NoSpace`; also for an answer that is too large to keep.
    pub async fn put(&self, path: &str, entry: &Arc<Entry>) -> Result<()> {
        let size = entry.size(path);
        if size > self.budget() / 4 + ROW * 10 {
            self.remove(path).await?;
            return Err(Error::NoSpace { missing: size });
        }
        let totals = self.totals.clone();
        let is_low = move || totals.floor.get().is_some_and(|may| !may(size));
        match self.write(path, entry, size, is_low).await {
            Err(e) if e.is_full() => {
                self.evict(2 * size).await?;
                self.write(path, entry, size, || false).await
            }
            done => done,
        }
    }

    /// `is_low`: there is no space above the floor. Asked once, on the thread that writes, because it may ask the disk.
    async fn write(
        &self,
        path: &str,
        entry: &Arc<Entry>,
        size: u64,
        is_low: impl Fn() -> bool + Send + 'static,
    ) -> Result<()> {
        self.totals.turn.fetch_add(1, Relaxed);
        let used = std::mem::take(&mut *self.totals.used());
        let (path, entry, totals) = (path.to_owned(), entry.clone(), self.totals.clone());
        let mut low = None;
        let written = self.db.write("store an answer", move |tx| {
            if *low.get_or_insert_with(&is_low) {
                return Err(Error::NoSpace { missing: size });
            }
            for path in &used {
                tx.prepare_cached("UPDATE entry SET used = ?2 WHERE path = ?1")?
                    .execute(params![path, totals.next_use()])?;
            }
            let before = weight(tx, &path)?;
            insert(tx, &path, &entry, size, totals.next_use())?;
            let after = weight(tx, &path)?;
            let bytes = (totals.bytes() + after).saturating_sub(before);
            let evicted = match bytes.saturating_sub(totals.budget()) {
                0 => Evicted::default(),
                // A little more than needed, so that not every answer from now on has to push one out.
                over => evict(tx, over + totals.budget() / 10)?,
            };
            let (totals, latest_ms) = (totals.clone(), entry.arrival.wall_ms);
            tx.after_commit(move || {
                totals.latest_ms.fetch_max(latest_ms, Relaxed);
                totals.bytes.fetch_add(after, Relaxed);
                totals.less(before);
                totals.count(evicted);
            });
            Ok(())
        });
        written.await
    }

    /// Throws out at least `bytes`.
    async fn evict(&self, bytes: u64) -> Result<()> {
        let totals = self.totals.clone();
        let evicted = self.db.write("evict answers", move |tx| {
            let (evicted, totals) = (evict(tx, bytes)?, totals.clone());
            tx.after_commit(move || totals.count(evicted));
            Ok(())
        });
        evicted.await
    }

    /// Another budget, in bytes; what is over it goes now.
    pub async fn set_budget(&self, bytes: u64) -> Result<()> {
        self.totals.budget.store(bytes, Relaxed);
        match self.bytes().saturating_sub(bytes) {
            0 => Ok(()),
            over => self.evict(over).await,
        }
    }

    pub async fn remove(&self, path: &str) -> Result<()> {
        let (path, totals) = (path.to_owned(), self.totals.clone());
        let removed = self.db.write("remove an answer", move |tx| {
            let (before, totals) = (weight(tx, &path)?, totals.clone());
            tx.prepare_cached("DELETE FROM entry WHERE path = ?1")?.execute([&path])?;
            tx.after_commit(move || totals.less(before));
            Ok(())
        });
        removed.await
    }
    /// Not to be used again without asking (RFC 9111, 4.4).
    pub async fn invalidate(&self, path: &str) -> Result<()> {
        let path = path.to_owned();
        let marked = self.db.write("invalidate an answer", move |tx| {
            tx.prepare_cached("UPDATE entry SET invalid = 1 WHERE path = ?1")?.execute([&path])?;
            Ok(())
        });
        marked.await
    }
    pub async fn clear(&self) -> Result<()> {
        let totals = self.totals.clone();
        let cleared = self.db.write("clear the cache", move |tx| {
            tx.execute("DELETE FROM entry", [])?;
            let totals = totals.clone();
            tx.after_commit(move || totals.bytes.store(0, Relaxed));
            Ok(())
        });
        cleared.await
    }
}

impl Totals {
    fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
    fn budget(&self) -> u64 {
        self.budget.load(Relaxed)
    }
    fn next_use(&self) -> i64 {
        self.next_use.fetch_add(1, Relaxed)
    }
    fn used(&self) -> MutexGuard<'_, Vec<String>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn less(&self, bytes: u64) {
        let _ = self.bytes.fetch_update(Relaxed, Relaxed, |b| Some(b.saturating_sub(bytes)));
    }
    fn count(&self, evicted: Evicted) {
        self.less(evicted.bytes);
        self.evicted.fetch_add(evicted.answers, Relaxed);
    }
}

fn stored(conn: &Connection, path: &str) -> Result<Vec<Arc<Entry>>> {
    let mut stmt = conn.prepare_cached(
        "SELECT selecting, head, initial_age_ms, stored_ms, stored_mono_ms, run, invalid, body
         FROM entry WHERE path = ?1 ORDER BY rowid DESC",
    )?;
    let rows = stmt.query_map([path], |r| {
        let arrival = Arrival {
            wall_ms: r.get("stored_ms")?,
            mono_ms: r.get("stored_mono_ms")?,
            run: r.get::<_, Vec<u8>>("run")?.try_into().unwrap_or_default(),
        };
        let head = Head::from_text(&r.get::<_, String>("head")?);
        Ok(Arc::new(Entry {
            selecting: r.get("selecting")?,
            policy: Policy::of(&head, arrival.wall_ms),
            head,
            initial_age_ms: r.get::<_, i64>("initial_age_ms")?.unsigned_abs(),
            arrival,
            invalid: r.get("invalid")?,
            body: r.get::<_, Vec<u8>>("body")?.into(),
        }))
    })?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
}

/// Puts an answer in, in place of one to the same request fields; the oldest goes if there are too many variants.
fn insert(conn: &Connection, path: &str, entry: &Entry, size: u64, used: i64) -> Result<()> {
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "INSERT OR REPLACE INTO entry
         (path, selecting, head, initial_age_ms, stored_ms, stored_mono_ms, run, invalid, size, used, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        path,
        entry.selecting,
        entry.head.to_text(),
        whole(entry.initial_age_ms),
        entry.arrival.wall_ms,
        entry.arrival.mono_ms,
        entry.arrival.run,
        entry.invalid,
        whole(size),
        used,
        &entry.body[..],
    ])?;
    conn.prepare_cached(
        "DELETE FROM entry WHERE path = ?1 AND rowid NOT IN
         (SELECT rowid FROM entry WHERE path = ?1 ORDER BY rowid DESC LIMIT ?2)",
    )?
    .execute(params![path, MOST_VARIANTS])?;
    Ok(())
}

/// Throws out at least `bytes`, what was used least recently first.
fn evict(conn: &Connection, bytes: u64) -> Result<Evicted> {
    let mut gone = Vec::new();
    let mut freed = 0;
    {
        let mut stmt = conn.prepare_cached("SELECT rowid, size FROM entry ORDER BY used")?;
        let mut rows = stmt.query([])?;
        while freed < bytes
            && let Some(row) = rows.next()?
        {
            gone.push(row.get::<_, i64>("rowid")?);
            freed += row.get::<_, i64>("size")?.unsigned_abs();
        }
    }
    for id in &gone {
        conn.prepare_cached("DELETE FROM entry WHERE rowid = ?1")?.execute([id])?;
    }
    Ok(Evicted { bytes: freed, answers: gone.len() as u64 })
}

/// Bytes of all answers to a path.
fn weight(conn: &Connection, path: &str) -> Result<u64> {
    let sum: i64 = conn
        .prepare_cached("SELECT coalesce(sum(size), 0) FROM entry WHERE path = ?1")?
        .query_row([path], |r| r.get(0))?;
    Ok(sum.unsigned_abs())
}
