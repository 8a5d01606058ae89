//! Reservations of space, stored in `content.db`, so that two processes do not reserve the same bytes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use carrel_system::run_or_spawn;
use rusqlite::{Connection, params};

use crate::{
    Error, Result,
    sql::signed,
    storage::{Storage, quota::Measured},
};

/// A reservation expires after this time without renewal, because its process ended.
const EXPIRES_AFTER_MS: i64 = 10 * 60_000;
/// The row is updated after this many bytes were used.
const UPDATE_AFTER: u64 = 4 * 1024 * 1024;

/// Reserved space. Released when dropped.
pub struct Reservation {
    storage: Storage,
    id: i64,
    left: AtomicU64,
    recorded: AtomicU64,
    recorded_ms: AtomicI64,
    /// Set when the reservation is released.
    is_released: Arc<AtomicBool>,
}

impl Reservation {
    /// Reports that `bytes` of the reservation were written.
    pub fn used(&self, bytes: u64) {
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(bytes))
        });
        let left = before.unwrap_or(0).saturating_sub(bytes);
        let now = self.storage.inner.clock.now_ms();
        let old = self.recorded_ms.load(Ordering::Relaxed);
        let due = self.recorded.load(Ordering::Relaxed).saturating_sub(left) >= UPDATE_AFTER
            || now.abs_diff(old) >= EXPIRES_AFTER_MS as u64 / 4;
        if due
            && self
                .recorded_ms
                .compare_exchange(old, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.recorded.store(left, Ordering::Relaxed);
            let (id, storage, is_released) =
                (self.id, self.storage.clone(), self.is_released.clone());
            run_or_spawn(move || {
                let recorded = storage.inner.db.write_blocking("reserve.used", |tx| {
                    if !is_released.load(Ordering::Relaxed) {
                        tx.prepare_cached("INSERT OR REPLACE INTO reservation (reservation, bytes, until_ms) VALUES (?1, ?2, ?3)")?
                            .execute(params![id, signed(left), now + EXPIRES_AFTER_MS])?;
                    }
                    Ok(())
                });
                if let Err(e) = recorded {
                    tracing::debug!(error = %e, "cannot renew a reservation");
                }
            });
        }
    }
    /// Returns the reserved bytes that are not used yet.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.is_released.store(true, Ordering::Relaxed);
        let (id, storage) = (self.id, self.storage.clone());
        run_or_spawn(move || {
            let deleted = storage.inner.db.write_blocking("reserve.drop", |tx| {
                tx.prepare_cached("DELETE FROM reservation WHERE reservation = ?1")?
                    .execute([id])?;
                Ok(())
            });
            if let Err(e) = deleted {
                tracing::debug!(error = %e, "cannot release a reservation; it will expire");
            }
        });
    }
}

impl Storage {
    /// Reserves space for `bytes`, evicting blobs if necessary.
    ///
    /// # Errors
    ///
    /// `Error::NoSpace` with the number of missing bytes.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation> {
        let mut tried = false;
        loop {
            let reserved = self.inner.db.write_blocking("reserve.reserve", |tx| {
                let limits = self.limits_at(tx)?;
                let now = self.measure_at(tx)?;
                match limits.shortage(now, bytes) {
                    Some(short) => Ok(Err(short)),
                    None => Ok(Ok(self.insert_reservation(tx, bytes)?)),
                }
            })?;
            match reserved {
                Ok(reservation) => {
                    // A reservation smaller than the one that failed does not end the shortage.
                    if self.shortage().is_some_and(|t| t.wanted <= bytes) {
                        self.set_shortage(None);
                    }
                    return Ok(reservation);
                }
                Err(short) if tried || short.exceeds_capacity => {
                    self.set_shortage(Some(short));
                    return Err(Error::NoSpace { missing: short.missing, limit: short.limit });
                }
                Err(short) => {
                    tried = true;
                    self.evict(short.evict)?;
                }
            }
        }
    }

    fn insert_reservation(&self, tx: &Connection, bytes: u64) -> Result<Reservation> {
        let now = self.inner.clock.now_ms();
        tx.prepare_cached("INSERT INTO reservation (bytes, until_ms) VALUES (?1, ?2)")?
            .execute(params![signed(bytes), now + EXPIRES_AFTER_MS])?;
        Ok(Reservation {
            storage: self.clone(),
            id: tx.last_insert_rowid(),
            left: AtomicU64::new(bytes),
            recorded: AtomicU64::new(bytes),
            recorded_ms: AtomicI64::new(now),
            is_released: Arc::default(),
        })
    }

    /// Returns used and reserved bytes from the database, and the free bytes of the disk.
    pub(super) fn measure_at(&self, conn: &Connection) -> Result<Measured> {
        let used: i64 = conn
            .prepare_cached("SELECT (SELECT sum(bytes) FROM tally) + (SELECT coalesce(sum(bytes), 0) FROM part)")?
            .query_row([], |r| r.get(0))?;
        Ok(Measured {
            free: self.inner.disk.free_bytes(&self.inner.dir)?,
            used: u64::try_from(used).unwrap_or(0),
            reserved: self.reserved_at(conn)?,
        })
    }

    /// Returns the bytes that all processes have reserved and not used yet.
    pub(super) fn reserved_at(&self, conn: &Connection) -> Result<u64> {
        let now = self.inner.clock.now_ms();
        // Ignores reservations that were made while the clock was ahead.
        let reserved: i64 = conn
            .prepare_cached(
                "SELECT coalesce(sum(bytes), 0) FROM reservation WHERE until_ms BETWEEN ?1 AND ?1 + 2 * ?2",
            )?
            .query_row([now, EXPIRES_AFTER_MS], |r| r.get(0))?;
        Ok(u64::try_from(reserved).unwrap_or(0))
    }
}
