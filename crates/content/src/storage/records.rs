//! Writing and deleting records.

use carrel_model::BlobHash;
use rusqlite::{Connection, OptionalExtension};

use crate::{Error, Result, records::*, sql::hash_at, storage::Storage};

impl Storage {
    pub(crate) fn records(&self) -> Records {
        Records::of(&self.inner.dir)
    }

    /// Writes the pack of a complete version. Must be called before the version becomes ready, and
    /// outside a transaction, because it is slow.
    pub(crate) fn write_pack(&self, version: i64) -> Result<()> {
        let records = self.records();
        let found = self.inner.db.read_blocking(|conn| {
            let Some(record) = VersionRecord::of_row(conn, version)? else { return Ok(None) };
            if records.has_pack(&record) {
                return Ok(None);
            }
            let bodies = conn
                .prepare_cached(
                    "SELECT y.hash, y.body FROM need n JOIN blob_body y ON y.hash = n.hash WHERE n.version = ?1",
                )?
                .query_map([version], |r| Ok((hash_at(r, 0)?, r.get(1)?)))?
                .collect::<rusqlite::Result<Vec<(BlobHash, Vec<u8>)>>>()?;
            Ok(Some((record, bodies)))
        })?;
        let Some((record, bodies)) = found else { return Ok(()) };
        let bytes =
            record.signed.len() as u64 + bodies.iter().map(|b| b.1.len() as u64).sum::<u64>();
        self.inner.blobs.with_space(bytes, || records.write_pack(record.clone(), &bodies))?;
        self.failpoint("packed");
        Ok(())
    }

    /// Writes the record of a download. Must be called within a write transaction. `ready`: the row
    /// number of the version that becomes ready, whose pack is written already; `None` if no version
    /// becomes ready.
    pub(crate) fn write_record(
        &self,
        tx: &Connection,
        [account, kind, id, scope]: [&str; 4],
        ready: Option<i64>,
    ) -> Result<()> {
        let records = self.records();
        let row = tx
            .prepare_cached(
                "SELECT pinned, requested_ms, ready FROM download WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4",
            )?
            .query_row([account, kind, id, scope], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .optional()?;
        let Some((pinned, requested_ms, now_ready)) = row else { return Ok(()) };
        let now_ready: Option<i64> = now_ready;
        let version = match ready.or(now_ready) {
            Some(version) => VersionRecord::of_row(tx, version)?,
            None => None,
        };
        if version.as_ref().is_some_and(|version| !records.has_pack(version)) {
            // Without a pack, the sweep writes pack and record later.
            return match ready {
                Some(_) => Err(Error::Internal("the pack of the version is missing".into())),
                None => Ok(()),
            };
        }
        let ready =
            version.map(|v| ReadyVersion { hash: v.hash, digest: v.digest(), signer: v.signer });
        let imported = tx
            .prepare_cached(
                "SELECT version, server, server_name, as_of_ms, taken_ms FROM carried WHERE account = ?1 AND kind = ?2 AND id = ?3",
            )?
            .query_row([account, kind, id], |r| {
                Ok(ImportedRecord {
                    version: hash_at(r, 0)?,
                    server: r.get(1)?,
                    server_name: r.get(2)?,
                    as_of_ms: r.get(3)?,
                    taken_ms: r.get(4)?,
                })
            })
            .optional()?;
        let [account, kind, id, scope] = [account, kind, id, scope].map(str::to_owned);
        let record =
            DownloadRecord { account, kind, id, scope, pinned, requested_ms, ready, imported };
        let path = (&*record.account, &*record.kind, &*record.id, &*record.scope);
        if records.download(path.0, path.1, path.2, path.3).ok().flatten().as_ref() == Some(&record)
        {
            return Ok(());
        }
        records.write_download(&record)?;
        self.failpoint("recorded");
        Ok(())
    }

    /// Writes the record of keys and limits.
    pub(crate) fn write_keys(&self) -> Result<()> {
        if self.is_degraded() {
            return Ok(());
        }
        // Under the write lock, because other processes write this record, too.
        self.inner.db.write_blocking("records.write_keys", |tx| {
            let (records, keys) = (self.records(), Keys::of_rows(tx)?);
            if records.keys().ok().flatten().as_ref() != Some(&keys) {
                records.write_keys(&keys)?;
            }
            tx.execute("DELETE FROM setting WHERE name = ?1", [NEW_LIMITS])?;
            Ok(())
        })
    }

    /// Deletes the record of a download before the deletion of its row is committed. A record without a
    /// row would restore the download when the database is rebuilt; a row without a record gets a new
    /// one from the sweep.
    pub(crate) fn remove_record(&self, [account, kind, id, scope]: [&str; 4]) {
        if let Err(e) = self.records().remove_download(account, kind, id, scope) {
            // Retried by `remove_records`.
            tracing::warn!(error = %e, "cannot delete the record of a download");
        }
    }

    /// Deletes what belongs to one account: downloads, accepted keys and search text. Blobs that no other account needs
    /// are evicted before all others.
    ///
    /// # Errors
    ///
    /// `Error::Storage` in degraded mode.
    pub fn forget_account(&self, account: &str) -> Result<()> {
        self.require_index()?;
        self.inner.db.write_blocking("storage.forget_account", |tx| {
            for table in ["download", "near", "accepted_key", "carried", "page_text"] {
                tx.execute(&format!("DELETE FROM {table} WHERE account = ?1"), [account])?;
            }
            Ok(())
        })?;
        self.write_keys()?;
        self.remove_records()
    }

    /// Deletes the records of removed downloads.
    pub(crate) fn remove_records(&self) -> Result<()> {
        if self.is_degraded() {
            return Ok(());
        }
        let records = self.records();
        self.inner.db.write_blocking("records.remove_records", |tx| {
            let dropped = tx
                .prepare_cached("SELECT account, kind, id, scope FROM dropped_download")?
                .query_map([], |r| Ok([r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?]))?
                .collect::<rusqlite::Result<Vec<[String; 4]>>>()?;
            if dropped.is_empty() {
                return Ok(());
            }
            for [account, kind, id, scope] in &dropped {
                records.remove_download(account, kind, id, scope)?;
                self.failpoint("record removed");
            }
            tx.execute("DELETE FROM dropped_download", [])?;
            records.remove_unused_packs()
        })
    }

    /// Writes missing records and packs.
    pub(crate) fn write_missing_records(&self) -> Result<()> {
        type Row = ([String; 4], Option<i64>, bool);
        let rows: Vec<Row> = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT account, kind, id, scope, ready, phase = 'ready' FROM download WHERE reason <> 'cable'",
                )?
                .query_map([], |r| {
                    Ok(([r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?], r.get(4)?, r.get(5)?))
                })?
                .collect::<rusqlite::Result<_>>()?)
        })?;
        let records = self.records();
        for ([account, kind, id, scope], ready, is_ready) in rows {
            let known = records.download(&account, &kind, &id, &scope).ok().flatten();
            let missing = match (&known, ready) {
                (None, _) => true,
                (Some(known), Some(_)) => is_ready && known.ready.is_none(),
                (Some(_), None) => false,
            };
            if !missing || (ready.is_some() && !is_ready) {
                continue;
            }
            if let Some(version) = ready {
                self.write_pack(version)?;
            }
            let key = [&account, &kind, &id, &scope].map(String::as_str);
            self.inner.db.write_blocking("records.write_missing_records", |tx| {
                self.write_record(tx, key, None)
            })?;
        }
        self.write_keys()
    }
}
