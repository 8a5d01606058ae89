//! Verification, use times and removal of blobs.
//!
//! Not here: storing and reading (`store`), the order of eviction (`storage`).

use std::{
    fs::{self, File},
    sync::PoisonError,
};

use carrel_model::BlobHash;
use carrel_system::run_or_spawn;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Result,
    blobs::{
        BlobLocation, BlobStore,
        store::{MAX_DELETE_BATCH, MAX_TOUCHES, MIN_TOUCH_MS},
    },
    sql::hash_at,
};

impl BlobStore {
    /// Verifies the stored bytes against the hash. A damaged blob is restored from its pack or
    /// removed. Returns whether the blob is stored and intact.
    pub fn verify(&self, hash: BlobHash) -> Result<bool> {
        let stored: Option<Option<Vec<u8>>> = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT y.body FROM blob b LEFT JOIN blob_body y ON y.hash = b.hash WHERE b.hash = ?1",
                )?
                .query_row([hash.0], |r| r.get("body"))
                .optional()?)
        })?;
        let found = match stored {
            None => return self.verify_shared(hash),
            Some(Some(body)) => BlobHash::of(&body),
            Some(None) => {
                let mut hasher = blake3::Hasher::new();
                match File::open(self.path(hash)) {
                    Ok(mut file) => std::io::copy(&mut file, &mut hasher)?,
                    Err(_) => 0,
                };
                BlobHash(*hasher.finalize().as_bytes())
            }
        };
        if found != hash {
            if self.restore_body(hash)?.is_some() {
                return Ok(true);
            }
            tracing::warn!(blob.hash = ?hash, "removing a corrupt blob");
            self.remove(hash)?;
            return Ok(false);
        }
        let now = self.inner.clock.now_ms();
        self.inner.db.write_blocking("verify.verify", |conn| {
            conn.prepare_cached("UPDATE blob SET proved_ms = ?2 WHERE hash = ?1")?
                .execute(params![hash.0, now])?;
            Ok(())
        })?;
        Ok(true)
    }

    fn verify_shared(&self, hash: BlobHash) -> Result<bool> {
        let Some(shared_store) = self.inner.shared_store.get() else { return Ok(false) };
        let mut hasher = blake3::Hasher::new();
        match shared_store.locate(hash) {
            Some(BlobLocation::Memory(bytes)) => drop(hasher.update(&bytes)),
            Some(BlobLocation::File { path, .. }) => {
                let mut file = match File::open(path) {
                    // Removed by the owner of the shared store.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
                    file => file?,
                };
                std::io::copy(&mut file, &mut hasher)?;
            }
            None => return Ok(false),
        }
        let matches = hasher.finalize().as_bytes() == &hash.0;
        if !matches {
            tracing::warn!(blob.hash = ?hash, "a blob of the shared store is corrupt; fetching it from the server");
            shared_store.mark_damaged(hash);
        }
        Ok(matches)
    }

    /// Removes the blob from this device.
    pub fn remove(&self, hash: BlobHash) -> Result<()> {
        self.remove_from_memory([hash]);
        if self.is_read_only() {
            return self.inner.db.write_blocking("verify.remove", |tx| {
                tx.prepare_cached("DELETE FROM blob WHERE hash = ?1")?.execute([hash.0])?;
                Ok(())
            });
        }
        self.inner.db.write_blocking("verify.remove", |tx| mark_for_deletion(tx, hash))?;
        self.delete_marked().map(|_| ())
    }
    pub(crate) fn remove_from_memory(&self, hashes: impl IntoIterator<Item = BlobHash>) {
        for hash in hashes {
            self.inner.memory.remove(&hash);
        }
    }

    /// Deletes the files listed in `doomed` and returns their number. Files that remain after an
    /// interruption are deleted at the next start.
    pub(crate) fn delete_marked(&self) -> Result<usize> {
        if self.is_read_only() {
            return Ok(0);
        }
        let (mut after, mut deleted) = (Vec::new(), 0);
        loop {
            // Under the write lock, because a new writer of the blob uses the same path.
            let batch = self.inner.db.write_blocking("verify.delete_marked", |tx| {
                let pending_delete = tx
                    .prepare_cached("SELECT hash FROM doomed WHERE hash > ?1 ORDER BY hash LIMIT ?2")?
                    .query_map(params![after, MAX_DELETE_BATCH as i64], |r| hash_at(r, 0))?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                if !pending_delete.is_empty() {
                    self.failpoint("marked");
                }
                for hash in &pending_delete {
                    match fs::remove_file(self.path(*hash)) {
                        // Some systems do not delete open files; retried at the next start.
                        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                            tracing::debug!(blob.hash = ?hash, error = %e, "cannot delete a blob file");
                        }
                        _ => {
                            tx.prepare_cached("DELETE FROM doomed WHERE hash = ?1")?.execute([hash.0])?;
                        }
                    }
                    self.failpoint("unlinked");
                }
                Ok(pending_delete)
            })?;
            deleted += batch.len();
            match batch.last() {
                Some(last) if batch.len() == MAX_DELETE_BATCH => after = last.0.to_vec(),
                _ => return Ok(deleted),
            }
        }
    }

    /// Deletes a partial file unless it is locked by a writer. Returns whether it does not exist any
    /// more.
    pub(crate) fn discard_part(&self, hash: BlobHash) -> Result<bool> {
        if self.is_read_only() {
            return Ok(false);
        }
        let gone = super::part::discard_file(&self.path(hash).with_extension("part"))?;
        if gone {
            self.delete_part_row(hash)?;
        }
        Ok(gone)
    }

    /// Records a use in memory. Uses are written to the database in batches.
    pub(super) fn touch(&self, hash: BlobHash) {
        let now = self.inner.clock.now_ms();
        let mut touched = self.inner.touched.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = touched.entry(hash).or_insert((i64::MIN, true));
        if now.saturating_sub(entry.0).unsigned_abs() < MIN_TOUCH_MS.unsigned_abs() {
            return;
        }
        *entry = (now, false);
        if touched.len() < MAX_TOUCHES {
            return;
        }
        drop(touched);
        let blobs = self.clone();
        run_or_spawn(move || {
            if let Err(e) = blobs.write_touches() {
                tracing::debug!(error = %e, "cannot write use times");
            }
        });
    }

    /// Writes the recorded uses to the database. Called before blobs are selected by last use.
    pub(crate) fn write_touches(&self) -> Result<()> {
        let touched =
            std::mem::take(&mut *self.inner.touched.lock().unwrap_or_else(PoisonError::into_inner));
        self.inner.db.write_blocking("verify.write_touches", |tx| {
            let mut update = tx.prepare_cached(
                "UPDATE blob SET used_ms = max(used_ms, ?2), origin = 1 WHERE hash = ?1",
            )?;
            for (hash, (used_ms, known)) in &touched {
                if !known {
                    update.execute(params![hash.0, used_ms])?;
                }
            }
            Ok(())
        })
    }
}

/// Deletes the row and the small body, and marks the file for deletion by
/// [`BlobStore::delete_marked`]. Must be called within a write transaction.
pub(crate) fn mark_for_deletion(tx: &Connection, hash: BlobHash) -> Result<()> {
    let inline = tx
        .prepare_cached("DELETE FROM blob WHERE hash = ?1 RETURNING inline")?
        .query_row([hash.0], |r| r.get::<_, bool>(0))
        .optional()?;
    if inline == Some(false) {
        tx.prepare_cached("INSERT OR IGNORE INTO doomed (hash) VALUES (?1)")?.execute([hash.0])?;
    }
    Ok(())
}
