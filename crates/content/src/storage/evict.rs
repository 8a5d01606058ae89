//! Eviction, in this order: partial files that no download needs, prefetched blobs, requested blobs by
//! last use, blobs of the current and the next lesson. Blobs of pinned downloads are never evicted.
//!
//! The blobs are selected without a write lock; each is checked again in the transaction that removes
//! it.

use carrel_model::BlobHash;
use carrel_sqlite::Change;
use rusqlite::{Connection, params};

use crate::{Result, blobs::mark_for_deletion, sql::hash_at, storage::Storage};

/// Largest number of blobs removed in one transaction. Large transactions write fewer pages, because
/// rows are ordered by hash.
const MAX_BATCH: usize = 512;
/// Blobs last used within the same hour count as equally old; of these the largest are evicted first,
/// so that fewer blobs are evicted.
const AGE_MS: i64 = 3_600_000;
/// Smallest number of bytes to free on a full disk.
const MIN_FREED_WHEN_FULL: u64 = 1024 * 1024;

/// Condition: no pinned version needs the blob.
const UNPINNED: &str = "NOT EXISTS (SELECT 1 FROM need n JOIN version v ON v.version = n.version WHERE n.hash = b.hash AND v.pins > 0)";
const NOT_NEAR: &str = "NOT EXISTS (SELECT 1 FROM near x WHERE x.hash = b.hash)";

/// Classes of blobs, in the order of eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EvictionClass {
    Prefetched,
    Used,
    Near,
}

impl EvictionClass {
    fn condition(self) -> String {
        match self {
            Self::Prefetched => format!("b.origin = 0 AND {NOT_NEAR} AND {UNPINNED}"),
            Self::Used => format!("b.origin = 1 AND {NOT_NEAR} AND {UNPINNED}"),
            Self::Near => {
                format!("EXISTS (SELECT 1 FROM near x WHERE x.hash = b.hash) AND {UNPINNED}")
            }
        }
    }
}

impl Storage {
    /// Evicts until `bytes` are freed or nothing else can be evicted; returns the bytes freed.
    pub fn evict(&self, bytes: u64) -> Result<u64> {
        self.evict_classes(
            bytes,
            &[EvictionClass::Prefetched, EvictionClass::Used, EvictionClass::Near],
        )
    }

    /// Evicts everything that no pinned download needs; returns the bytes freed.
    pub fn clear_cache(&self) -> Result<u64> {
        let freed = self.evict(u64::MAX)?;
        self.vacuum()?;
        self.inner.changes.publish_one(Change::Storage);
        Ok(freed)
    }

    /// Frees twice `bytes`, at least 1 MiB, after a write of `bytes` failed on a full disk.
    ///
    /// # Errors
    ///
    /// `Error::NoSpace` if less than `bytes` could be freed.
    pub fn free_for_retry(&self, bytes: u64) -> Result<()> {
        let wanted = bytes.saturating_mul(2).max(MIN_FREED_WHEN_FULL);
        let freed = match self.evict(wanted) {
            // Deleting rows needs disk space.
            Err(e)
                if e.code() == carrel_model::ErrorCode::DiskFull && self.delete_reserve_file() =>
            {
                self.evict(wanted)?
            }
            other => other?,
        };
        if freed >= bytes {
            return Ok(());
        }
        self.set_full(bytes - freed);
        Err(crate::Error::NoSpace { missing: bytes - freed, limit: crate::Limit::Disk })
    }

    fn evict_classes(&self, bytes: u64, classes: &[EvictionClass]) -> Result<u64> {
        if self.is_degraded() {
            return Ok(0);
        }
        let _guard = self.inner.evicting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(e) = self.inner.blobs.write_touches() {
            tracing::debug!(error = %e, "cannot write use times");
        }
        let mut freed = self.delete_unneeded_parts(bytes)?;
        for class in classes {
            if freed >= bytes {
                break;
            }
            let mut plan = self.plan(*class, bytes - freed)?;
            for batch in plan.chunks_mut(MAX_BATCH) {
                batch.sort_unstable();
                self.failpoint("eviction planned");
                freed += self.remove_if_evictable(*class, batch)?;
            }
        }
        if freed > 0 {
            tracing::info!(storage.freed = freed, "content evicted");
        }
        Ok(freed)
    }

    /// Selects blobs of a class with a sum of at least `bytes`, ordered by the hour of the last use, then
    /// by size, largest first.
    ///
    /// Reads blobs by last use (index `blob_used`) up to the end of the hour in which `bytes` are
    /// reached: the cost does not depend on the number of blobs kept.
    fn plan(&self, class: EvictionClass, bytes: u64) -> Result<Vec<BlobHash>> {
        self.inner.db.read_blocking(|conn| {
            let mut stmt = conn.prepare_cached(&format!(
                "SELECT b.hash, b.size, b.used_ms / {AGE_MS} FROM blob b WHERE {} ORDER BY b.used_ms, b.hash",
                class.condition()
            ))?;
            let mut rows = stmt.query([])?;
            let (mut found, mut sum) = (Vec::<(i64, u64, BlobHash)>::new(), 0_u64);
            while let Some(r) = rows.next()? {
                let (hash, size, hour) =
                    (hash_at(r, 0)?, r.get::<_, i64>(1)?.unsigned_abs(), r.get::<_, i64>(2)?);
                if sum >= bytes && found.last().is_some_and(|(last, ..)| *last != hour) {
                    break;
                }
                found.push((hour, size, hash));
                sum = sum.saturating_add(size);
            }
            found.sort_by_key(|(hour, size, _)| (*hour, std::cmp::Reverse(*size)));
            let mut planned = 0_u64;
            let enough = found.iter().take_while(|(_, size, _)| {
                let wanted = planned < bytes;
                planned = planned.saturating_add(*size);
                wanted
            });
            Ok(enough.map(|(.., hash)| *hash).collect())
        })
    }

    /// Removes a batch in one transaction. Blobs that have changed their class are kept. Unpinned
    /// downloads that need a removed blob are deleted.
    fn remove_if_evictable(&self, class: EvictionClass, batch: &[BlobHash]) -> Result<u64> {
        let (removed, freed, deleted_any) =
            self.inner.db.write_blocking("evict.remove_if_evictable", |tx| {
                let mut evictable = tx.prepare_cached(&format!(
                    "SELECT b.size FROM blob b WHERE b.hash = ?1 AND {}",
                    class.condition()
                ))?;
                let (mut removed, mut freed, mut deleted_any) = (Vec::new(), 0, false);
                for hash in batch {
                    let size: Vec<i64> = evictable
                        .query_map([hash.0], |r| r.get(0))?
                        .collect::<rusqlite::Result<_>>()?;
                    let Some(size) = size.first() else { continue };
                    deleted_any |= delete_downloads_of(tx, *hash)?;
                    mark_for_deletion(tx, *hash)?;
                    removed.push(*hash);
                    freed += size.unsigned_abs();
                }
                Ok((removed, freed, deleted_any))
            })?;
        self.inner.blobs.remove_from_memory(removed);
        self.inner.blobs.delete_marked()?;
        if deleted_any {
            self.remove_records()?;
            self.inner.changes.publish_one(Change::Downloads);
        }
        Ok(freed)
    }

    /// Deletes partial files that no version needs until `bytes` are freed; returns the bytes freed.
    fn delete_unneeded_parts(&self, bytes: u64) -> Result<u64> {
        let parts = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT hash, bytes FROM part p WHERE NOT EXISTS (SELECT 1 FROM need n WHERE n.hash = p.hash)",
                )?
                .query_map([], |r| Ok((hash_at(r, 0)?, r.get::<_, i64>(1)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        let mut freed = 0;
        for (hash, size) in parts {
            if freed >= bytes {
                break;
            }
            if self.inner.blobs.discard_part(hash)? {
                freed += size.unsigned_abs();
            }
        }
        Ok(freed)
    }

    /// Returns freed pages of `content.db` to the file system.
    pub(super) fn vacuum(&self) -> Result<()> {
        if self.is_degraded() {
            return Ok(());
        }
        self.inner.db.with_connection(|conn| {
            // The pragma returns a row for each freed page; all rows must be read.
            let mut pages = conn.prepare("PRAGMA incremental_vacuum")?;
            let mut rows = pages.query([])?;
            while rows.next()?.is_some() {}
            drop(rows);
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(())
        })
    }
}

/// Deletes unpinned downloads that need the blob, and their indexed text. Returns whether there were
/// any.
fn delete_downloads_of(tx: &Connection, hash: BlobHash) -> Result<bool> {
    let deleted = tx
        .prepare_cached(
            "DELETE FROM download WHERE pinned = 0 AND (
               ready IN (SELECT version FROM need WHERE hash = ?1) OR wanted IN (SELECT version FROM need WHERE hash = ?1))
             RETURNING account, id, scope",
        )?
        .query_map([hash.0], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (account, id, scope) in &deleted {
        if scope.is_empty() {
            tx.prepare_cached("DELETE FROM page_text WHERE account = ?1 AND root = ?2")?
                .execute(params![account, id])?;
        }
    }
    Ok(!deleted.is_empty())
}
