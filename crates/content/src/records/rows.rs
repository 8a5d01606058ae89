//! The contents of records, and their conversion from and to rows.

use std::collections::{BTreeMap, HashMap};

use carrel_model::{BlobHash, content::SignedManifest};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    sql::{hash_at, signed},
};

/// The record of a row of `download`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DownloadRecord {
    pub account: String,
    pub kind: String,
    pub id: String,
    pub scope: String,
    pub pinned: bool,
    pub requested_ms: i64,
    /// `None` until a version is ready.
    pub ready: Option<ReadyVersion>,
    pub imported: Option<ImportedRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadyVersion {
    pub hash: BlobHash,
    pub signer: String,
    /// Digest of the version: see [`VersionRecord::digest`].
    pub digest: BlobHash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportedRecord {
    pub version: BlobHash,
    pub server: String,
    pub server_name: String,
    pub as_of_ms: i64,
    pub taken_ms: i64,
}

/// The record of a row of `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub hash: BlobHash,
    pub scope: String,
    pub signer: String,
    pub kind: String,
    pub id: String,
    pub signed: String,
    /// Hash, size and kind of each blob, ordered by hash.
    pub needs: Vec<(BlobHash, i64, i64)>,
}

impl VersionRecord {
    /// Returns the hash over all fields.
    pub(crate) fn digest(&self) -> BlobHash {
        let mut hasher = blake3::Hasher::new();
        for text in [&self.scope, &self.signer, &self.kind, &self.id, &self.signed] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        hasher.update(&self.hash.0);
        for (hash, size, kind) in &self.needs {
            hasher.update(&hash.0).update(&size.to_le_bytes()).update(&kind.to_le_bytes());
        }
        BlobHash(*hasher.finalize().as_bytes())
    }
    /// Returns whether the manifest has this hash and a valid signature of the signer. Whether the
    /// signer is trusted is checked when the manifest is opened.
    pub(crate) fn is_authentic(&self) -> bool {
        serde_json::from_str::<SignedManifest>(&self.signed)
            .is_ok_and(|m| m.version() == self.hash && m.verify(Some(&self.signer)).is_ok())
    }

    /// Reads the row with this number and the list of its blobs.
    pub(crate) fn of_row(conn: &Connection, version: i64) -> Result<Option<Self>> {
        let row = conn
            .prepare_cached(
                "SELECT v.hash, v.scope, v.signer, v.kind, v.id, coalesce(m.signed, '')
                 FROM version v LEFT JOIN manifest m ON m.version = v.version WHERE v.version = ?1",
            )?
            .query_row([version], |r| {
                Ok(Self {
                    hash: hash_at(r, 0)?,
                    scope: r.get(1)?,
                    signer: r.get(2)?,
                    kind: r.get(3)?,
                    id: r.get(4)?,
                    signed: r.get(5)?,
                    needs: Vec::new(),
                })
            })
            .optional()?;
        let Some(mut record) = row else { return Ok(None) };
        record.needs = conn
            .prepare_cached("SELECT hash, size, kind FROM need WHERE version = ?1 ORDER BY hash")?
            .query_map([version], |r| Ok((hash_at(r, 0)?, r.get(1)?, r.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Some(record))
    }
}

/// The header of a pack, with hash and length of each body.
#[derive(Serialize, Deserialize)]
pub(crate) struct PackHeader {
    pub version: VersionRecord,
    pub bodies: Vec<(BlobHash, u32)>,
}

/// A pack with its bodies.
pub(crate) struct Pack {
    pub version: VersionRecord,
    /// Bodies whose hashes were verified.
    pub bodies: HashMap<BlobHash, Vec<u8>>,
}

/// Keys and limits, as in `signing_key`, `accepted_key` and `setting`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Keys {
    pub signing: BTreeMap<String, String>,
    pub accepted: Vec<AcceptedKey>,
    pub limits: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct AcceptedKey {
    pub account: String,
    pub key: String,
    pub server: String,
    pub server_name: String,
    pub accepted_ms: i64,
}

impl Keys {
    pub(crate) fn of_rows(conn: &Connection) -> Result<Self> {
        let signing = conn
            .prepare_cached("SELECT server, key FROM signing_key")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let accepted = conn
            .prepare_cached(
                "SELECT account, key, server, server_name, accepted_ms FROM accepted_key ORDER BY account, key",
            )?
            .query_map([], |r| {
                Ok(AcceptedKey {
                    account: r.get(0)?,
                    key: r.get(1)?,
                    server: r.get(2)?,
                    server_name: r.get(3)?,
                    accepted_ms: r.get(4)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let limits = conn
            .prepare_cached("SELECT name, value FROM setting WHERE name IN ('budget', 'floor')")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self { signing, accepted, limits })
    }

    /// Inserts or corrects the recorded rows. Other keys are kept, and so are limits that are newer than the record.
    pub(crate) fn restore(&self, tx: &Connection) -> Result<()> {
        for (server, key) in &self.signing {
            tx.prepare_cached("INSERT OR REPLACE INTO signing_key (server, key) VALUES (?1, ?2)")?
                .execute([server, key])?;
        }
        for k in &self.accepted {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO accepted_key (account, key, server, server_name, accepted_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![k.account, k.key, k.server, k.server_name, k.accepted_ms])?;
        }
        if has_new_limits(tx)? {
            return Ok(());
        }
        tx.execute("DELETE FROM setting WHERE name IN ('budget', 'floor')", [])?;
        for (name, value) in &self.limits {
            tx.execute("INSERT INTO setting (name, value) VALUES (?1, ?2)", params![name, value])?;
        }
        Ok(())
    }
}

/// Name of the setting that means: the limits in the database are newer than the record.
pub(crate) const NEW_LIMITS: &str = "new_limits";

/// Sets `NEW_LIMITS`; `write_keys` deletes it.
pub(crate) fn mark_new_limits(tx: &Connection) -> Result<()> {
    tx.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?1, 1)", [NEW_LIMITS])?;
    Ok(())
}
pub(crate) fn has_new_limits(conn: &Connection) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM setting WHERE name = ?1")?.exists([NEW_LIMITS])?)
}

/// Inserts or corrects the row of a version and returns its number.
pub(crate) fn restore_version(tx: &Connection, record: &VersionRecord) -> Result<i64> {
    let known: Option<i64> = tx
        .prepare_cached(
            "SELECT version FROM version WHERE hash = ?1 AND scope = ?2 AND signer = ?3",
        )?
        .query_row(params![record.hash.0, record.scope, record.signer], |r| r.get(0))
        .optional()?;
    let version = match known {
        Some(version) => {
            tx.execute("DELETE FROM need WHERE version = ?1", [version])?;
            tx.execute(
                "UPDATE version SET kind = ?2, id = ?3 WHERE version = ?1",
                params![version, record.kind, record.id],
            )?;
            version
        }
        None => {
            tx.execute(
                "INSERT INTO version (hash, scope, signer, kind, id, files, bytes, text_bytes, picture_bytes, audio_bytes,
                                      video_bytes, other_bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 0, 0, 0, 0)",
                params![record.hash.0, record.scope, record.signer, record.kind, record.id],
            )?;
            tx.last_insert_rowid()
        }
    };
    tx.execute(
        "INSERT OR REPLACE INTO manifest (version, signed) VALUES (?1, ?2)",
        params![version, record.signed],
    )?;
    let mut need = tx.prepare_cached(
        "INSERT OR REPLACE INTO need (version, hash, size, kind) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (hash, size, kind) in &record.needs {
        need.execute(params![version, hash.0, size, kind])?;
    }
    tx.execute(
        "UPDATE version SET (files, bytes, text_bytes, picture_bytes, audio_bytes, video_bytes, other_bytes) = (
           SELECT count(*), coalesce(sum(size), 0), coalesce(sum(iif(kind = 0, size, 0)), 0), coalesce(sum(iif(kind = 1, size, 0)), 0),
                  coalesce(sum(iif(kind = 2, size, 0)), 0), coalesce(sum(iif(kind = 3, size, 0)), 0),
                  coalesce(sum(iif(kind = 4, size, 0)), 0)
           FROM need WHERE version = ?1)
         WHERE version = ?1",
        [version],
    )?;
    Ok(version)
}

/// Inserts the row of a blob that is in the pack (`body`) or in a file.
pub(crate) fn restore_blob(
    tx: &Connection,
    (hash, kind): (BlobHash, i64),
    size: u64,
    body: Option<&[u8]>,
    verified_ms: i64,
) -> Result<()> {
    tx.prepare_cached("DELETE FROM blob WHERE hash = ?1")?.execute([hash.0])?;
    tx.prepare_cached(
        "INSERT INTO blob (hash, size, inline, kind, origin, used_ms, proved_ms) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5)",
    )?
    .execute(params![hash.0, signed(size), body.is_some(), kind, verified_ms])?;
    if let Some(body) = body {
        tx.prepare_cached("INSERT OR REPLACE INTO blob_body (hash, body) VALUES (?1, ?2)")?
            .execute(params![hash.0, body])?;
    }
    tx.prepare_cached("DELETE FROM doomed WHERE hash = ?1")?.execute([hash.0])?;
    Ok(())
}
