//! The sweep compares files and rows in the background after a start. It deletes leftovers of killed
//! processes, and detects files that were changed or deleted by other programs. It processes the 256
//! folders one by one, so that locks are held briefly.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use carrel_model::BlobHash;
use carrel_sqlite::Change;
use rusqlite::{Connection, params};

use crate::{
    Result,
    blobs::mark_for_deletion,
    sql::{hash_at, signed},
    storage::{
        Storage,
        index::{is_complete, set_complete},
    },
};

/// Largest number of hashes looked up in one statement.
const MAX_LOOKUPS: usize = 1_024;

/// Result of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Deleted files whose rows were deleted earlier.
    pub deleted: usize,
    /// Deleted files without a row that no download needs, or whose bytes do not match their name.
    pub orphans: usize,
    /// Files whose missing rows were added: a download needs them, or the index was incomplete.
    pub adopted: usize,
    /// Deleted partial files, which no download needs.
    pub parts: usize,
    /// Blobs that are missing or damaged; they are fetched again if a download needs them.
    pub lost: usize,
}

impl Storage {
    /// Runs the sweep. Blocking. Concurrent fetches and removals of any process are allowed, and the
    /// sweep may be interrupted at any point. Does nothing in degraded mode.
    pub fn sweep(&self) -> Result<SweepReport> {
        if self.is_degraded() {
            return Ok(SweepReport::default());
        }
        self.remove_records()?;
        self.inner.db.with_connection(|conn| self.inner.index.compare(conn))?;
        let mut report =
            SweepReport { deleted: self.inner.blobs.delete_marked()?, ..SweepReport::default() };
        self.inner.db.write_blocking("sweep.sweep", |tx| {
            let now = self.inner.clock.now_ms();
            tx.execute("DELETE FROM reservation WHERE until_ms < ?1", [now])?;
            tx.execute(
                "UPDATE tally SET blobs = (SELECT count(*) FROM blob b WHERE b.kind = tally.kind),
                                  bytes = (SELECT coalesce(sum(size), 0) FROM blob b WHERE b.kind = tally.kind)",
                [],
            )?;
            Ok(())
        })?;
        for first in 0..=u8::MAX {
            self.sweep_folder(first, &mut report)?;
        }
        self.sweep_needs(&mut report)?;
        self.verify_adopted(&mut report)?;
        // Every remaining file has a row now.
        self.inner.db.write_blocking("sweep.sweep", |tx| match is_complete(tx)? {
            true => Ok(()),
            false => set_complete(tx, true),
        })?;
        if let Err(e) = self.write_missing_records() {
            tracing::warn!(error = %e, "cannot write missing records of downloads");
        }
        if report.lost > 0 {
            self.inner.changes.publish_one(Change::Downloads);
        }
        if report != SweepReport::default() {
            tracing::info!(
                sweep.deleted = report.deleted,
                sweep.orphans = report.orphans,
                sweep.adopted = report.adopted,
                sweep.parts = report.parts,
                sweep.lost = report.lost,
                "sweep finished"
            );
        }
        Ok(report)
    }

    fn sweep_folder(&self, first: u8, report: &mut SweepReport) -> Result<()> {
        let folder = self.inner.blobs.folder(first);
        let (mut files, mut parts) = (HashMap::new(), HashSet::new());
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap_or_default();
            let Some(hash) = name.get(..64).and_then(|hex| hex.parse::<BlobHash>().ok()) else {
                continue;
            };
            match &name[64..] {
                "" => {
                    files.insert(hash, entry.metadata().map_or(0, |m| m.len()));
                }
                ".part" => {
                    parts.insert(hash);
                    self.sweep_part(hash, entry.metadata().map_or(0, |m| m.len()), report)?;
                }
                // The file of a second writer, which is never resumed.
                _ => report.parts += usize::from(crate::blobs::discard_file(&entry.path())?),
            }
        }
        for hash in self.recorded_parts(first)?.difference(&parts) {
            self.inner.blobs.discard_part(*hash)?;
        }
        self.sweep_files(first, &folder, &files, report)
    }

    /// Requeues ready downloads that need one of these missing blobs. Their other content stays readable.
    /// Returns whether there was such a download.
    pub fn report_lost(&self, lost: &[BlobHash]) -> Result<bool> {
        // Checked first without a write lock: usually no download needs the blobs.
        let is_needed = self.inner.db.read_blocking(|conn| {
            let mut is_needed = conn.prepare_cached(
                "SELECT 1 FROM need n JOIN download d ON d.ready = n.version WHERE n.hash = ?1 AND d.phase = 'ready'",
            )?;
            let found = lost.iter().map(|hash| is_needed.exists([hash.0]));
            Ok(found.collect::<rusqlite::Result<Vec<_>>>()?.contains(&true))
        })?;
        if !is_needed {
            return Ok(false);
        }
        let requeued = self.inner.db.write_blocking("sweep.report_lost", |tx| {
            lost.iter().try_fold(0, |sum, hash| Ok(sum + requeue_downloads_of(tx, *hash)?))
        })?;
        if requeued > 0 {
            tracing::warn!(
                download.count = requeued,
                "ready downloads have missing blobs; fetching them again"
            );
            self.inner.changes.publish_one(Change::Downloads);
        }
        Ok(requeued > 0)
    }

    /// Detects blobs that ready downloads need and that are neither in this store nor in the shared
    /// store, whose owner may have removed them.
    fn sweep_needs(&self, report: &mut SweepReport) -> Result<()> {
        let missing = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT DISTINCT n.hash FROM download d JOIN need n ON n.version = d.ready
                     WHERE d.phase = 'ready' AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.hash = n.hash)",
                )?
                .query_map([], |r| hash_at(r, 0))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        for batch in missing.chunks(MAX_LOOKUPS) {
            let stored = self.inner.blobs.find_stored(batch)?;
            let lost: Vec<_> = batch.iter().filter(|h| !stored.contains(h)).copied().collect();
            if self.report_lost(&lost)? {
                report.lost += lost.len();
            }
        }
        Ok(())
    }

    fn recorded_parts(&self, first: u8) -> Result<HashSet<BlobHash>> {
        self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT hash FROM part WHERE hash BETWEEN ?1 AND ?2")?
                .query_map(hash_range(first), |r| hash_at(r, 0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    fn sweep_part(&self, hash: BlobHash, len: u64, report: &mut SweepReport) -> Result<()> {
        // A recreated index may lack downloads that were in progress.
        let wanted =
            self.inner.db.read_blocking(|conn| Ok(needed(conn, hash)? || !is_complete(conn)?))?;
        let kept = self.inner.kept_parts.lock().is_ok_and(|kept| kept.contains(&hash));
        if !wanted && !kept {
            report.parts += usize::from(self.inner.blobs.discard_part(hash)?);
        } else {
            // After a kill the file may be longer than recorded.
            self.inner.db.write_blocking("sweep.sweep_part", |conn| {
                conn.prepare_cached(
                    "INSERT INTO part (hash, bytes) VALUES (?1, ?2) ON CONFLICT (hash) DO UPDATE SET bytes = max(bytes, excluded.bytes)",
                )?
                .execute(params![hash.0, signed(len)])?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Adds the row of a file whose hash was verified.
    fn adopt_file(&self, tx: &Connection, hash: BlobHash, len: u64) -> Result<()> {
        let body: bool =
            tx.prepare_cached("SELECT 1 FROM blob_body WHERE hash = ?1")?.exists([hash.0])?;
        if body {
            // The blob is stored in the database.
            return Ok(());
        }
        let now = self.inner.clock.now_ms();
        tx.prepare_cached(
            "INSERT INTO blob (hash, size, inline, kind, origin, used_ms, proved_ms)
             VALUES (?1, ?2, 0, coalesce((SELECT kind FROM need WHERE hash = ?1 LIMIT 1), 4),
                     EXISTS (SELECT 1 FROM need WHERE hash = ?1), ?3, ?3)
             ON CONFLICT (hash) DO UPDATE SET size = excluded.size, inline = 0, proved_ms = excluded.proved_ms",
        )?
        .execute(params![hash.0, signed(len), now])?;
        Ok(())
    }

    /// Verifies the files whose rows were restored from records without hashing.
    fn verify_adopted(&self, report: &mut SweepReport) -> Result<()> {
        let unverified = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT hash FROM blob WHERE proved_ms = 0")?
                .query_map([], |r| hash_at(r, 0))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        let mut lost = Vec::new();
        for hash in unverified {
            if !self.inner.blobs.verify(hash)? {
                lost.push(hash);
            }
        }
        if self.report_lost(&lost)? {
            report.lost += lost.len();
        }
        Ok(())
    }

    /// Compares the files of a folder with their rows.
    fn sweep_files(
        &self,
        first: u8,
        folder: &Path,
        files: &HashMap<BlobHash, u64>,
        report: &mut SweepReport,
    ) -> Result<()> {
        let rows: HashMap<BlobHash, i64> = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT hash, size FROM blob WHERE hash BETWEEN ?1 AND ?2 AND inline = 0",
                )?
                .query_map(hash_range(first), |r| Ok((hash_at(r, 0)?, r.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?)
        })?;
        let orphans: Vec<_> = files.keys().filter(|h| !rows.contains_key(h)).copied().collect();
        let lost: Vec<_> = rows
            .iter()
            .filter(|(h, size)| files.get(h).is_none_or(|len| *len != size.unsigned_abs()))
            .map(|(h, _)| *h)
            .collect();
        if orphans.is_empty() && lost.is_empty() {
            return Ok(());
        }
        let (complete, needed_files) = self.inner.db.read_blocking(|conn| {
            let mut needed_files = Vec::new();
            for hash in &orphans {
                if needed(conn, *hash)? {
                    needed_files.push(*hash);
                }
            }
            Ok((is_complete(conn)?, needed_files))
        })?;
        // Hashed outside the write transaction, because it is slow.
        let mut valid = HashSet::new();
        for hash in if complete { &needed_files } else { &orphans } {
            if hash_of(&folder.join(hash.to_hex()))? == Some(*hash) {
                valid.insert(*hash);
            }
        }
        // Checked again within the transaction: rows and files may have changed.
        let found = self.inner.db.write_blocking("sweep.sweep_files", |tx| {
            let mut found = (0, 0);
            for hash in &orphans {
                let known = tx
                    .prepare_cached("SELECT 1 FROM blob WHERE hash = ?1 AND inline = 0")?
                    .exists([hash.0])?;
                let pending_delete =
                    tx.prepare_cached("SELECT 1 FROM doomed WHERE hash = ?1")?.exists([hash.0])?;
                if !known && !pending_delete && valid.contains(hash) {
                    self.adopt_file(tx, *hash, files.get(hash).copied().unwrap_or_default())?;
                    report.adopted += 1;
                } else if !known && fs::remove_file(folder.join(hash.to_hex())).is_ok() {
                    tx.prepare_cached("DELETE FROM doomed WHERE hash = ?1")?.execute([hash.0])?;
                    found.0 += 1;
                }
            }
            for hash in &lost {
                let size = rows.get(hash).copied().unwrap_or_default().unsigned_abs();
                let known =
                    tx.prepare_cached("SELECT 1 FROM blob WHERE hash = ?1")?.exists([hash.0])?;
                if known
                    && fs::metadata(folder.join(hash.to_hex())).map_or(true, |m| m.len() != size)
                {
                    mark_for_deletion(tx, *hash)?;
                    requeue_downloads_of(tx, *hash)?;
                    found.1 += 1;
                }
            }
            Ok(found)
        })?;
        self.inner.blobs.remove_from_memory(lost);
        report.orphans += found.0;
        report.lost += found.1;
        self.inner.blobs.delete_marked()?;
        Ok(())
    }
}

/// Returns the first and the last hash of a folder.
fn hash_range(first: u8) -> [[u8; 32]; 2] {
    [0, 0xff].map(|rest| {
        let mut hash = [rest; 32];
        hash[0] = first;
        hash
    })
}

/// Returns the hash of a file; `None` if the file does not exist any more.
fn hash_of(path: &Path) -> Result<Option<BlobHash>> {
    let mut hasher = blake3::Hasher::new();
    match fs::File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => std::io::copy(&mut file?, &mut hasher)?,
    };
    Ok(Some(BlobHash(*hasher.finalize().as_bytes())))
}

fn needed(conn: &Connection, hash: BlobHash) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM need WHERE hash = ?1")?.exists([hash.0])?)
}

/// Requeues ready downloads that need the missing blob; returns their number.
fn requeue_downloads_of(tx: &Connection, hash: BlobHash) -> Result<usize> {
    Ok(tx
        .prepare_cached(
            "UPDATE download SET phase = 'queued', reason = ''
         WHERE phase = 'ready' AND ready IN (SELECT version FROM need WHERE hash = ?1)",
        )?
        .execute([hash.0])?)
}
