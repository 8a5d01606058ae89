//! A read-only store shared by the users of a machine. Its blobs are not fetched from the server.
//!
//! Files are not hashed when they are read, because a file gets its final name after verification.
//! Small bodies are hashed on each read. A blob found damaged is ignored until the process exits.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use carrel_model::BlobHash;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::{Result, blobs::BlobLocation};

pub(super) struct SharedStore {
    dir: PathBuf,
    connection: Mutex<Option<(Connection, FileStamp)>>,
    damaged: Mutex<HashSet<BlobHash>>,
}

/// Length and modification time of the database and its WAL. The connection is reopened after a
/// change.
type FileStamp = [Option<(u64, SystemTime)>; 2];

impl SharedStore {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), connection: Mutex::new(None), damaged: Mutex::default() }
    }

    pub(super) fn locate(&self, hash: BlobHash) -> Option<BlobLocation> {
        if self.damaged().contains(&hash) {
            return None;
        }
        let path = self.path(hash);
        if let Ok(m) = fs::metadata(&path) {
            return Some(BlobLocation::File { path, size: m.len() });
        }
        let body = self.with_connection(|conn| {
            Ok(conn
                .prepare_cached("SELECT body FROM blob_body WHERE hash = ?1")?
                .query_row([hash.0], |r| r.get::<_, Vec<u8>>(0))
                .optional()?)
        })?;
        let body = Bytes::from(body?);
        if BlobHash::of(&body) == hash { Some(BlobLocation::Memory(body)) } else { None }
    }

    /// Returns those of `hashes` that are in the store.
    pub(super) fn find_stored(&self, hashes: &[BlobHash]) -> HashSet<BlobHash> {
        let damaged = self.damaged().clone();
        let (files, others): (Vec<BlobHash>, Vec<BlobHash>) =
            hashes.iter().filter(|h| !damaged.contains(h)).partition(|h| self.path(**h).is_file());
        let mut found: HashSet<_> = files.into_iter().collect();
        let small = self.with_connection(|conn| {
            let list = serde_json::to_string(&others)?;
            Ok(conn
                .prepare_cached("SELECT b.hash FROM json_each(?1) j JOIN blob_body b ON b.hash = unhex(j.value)")?
                .query_map([list], |r| crate::sql::hash_at(r, 0))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        });
        found.extend(small.unwrap_or_default());
        found
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
    /// Returns the bytes of all blobs; none if the database cannot be read.
    pub(super) fn bytes(&self) -> Option<u64> {
        let sum = self.with_connection(|conn| {
            Ok(conn
                .prepare_cached("SELECT coalesce(sum(bytes), 0) FROM tally")?
                .query_row([], |r| r.get::<_, i64>(0))?)
        });
        sum.and_then(|bytes| u64::try_from(bytes).ok())
    }

    pub(super) fn mark_damaged(&self, hash: BlobHash) {
        self.damaged().insert(hash);
    }
    fn damaged(&self) -> std::sync::MutexGuard<'_, HashSet<BlobHash>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, hash: BlobHash) -> PathBuf {
        let hex = hash.to_hex();
        self.dir.join("blobs").join(&hex[..2]).join(hex)
    }

    /// Returns `None` if the database cannot be read; small bodies then count as missing.
    fn with_connection<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Option<T> {
        let stamps = self.file_stamps();
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.as_ref().is_none_or(|(_, opened_at)| *opened_at != stamps) {
            *connection = self.connect().map(|conn| (conn, stamps));
        }
        let (conn, _) = connection.as_ref()?;
        f(conn)
            .inspect_err(
                |e| tracing::debug!(error = %e, "cannot read content.db of the shared store"),
            )
            .ok()
    }

    fn file_stamps(&self) -> FileStamp {
        ["content.db", "content.db-wal"].map(|name| {
            let m = fs::metadata(self.dir.join(name)).ok()?;
            Some((m.len(), m.modified().ok()?))
        })
    }

    fn connect(&self) -> Option<Connection> {
        let path = self.dir.join("content.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let usable = |conn: Connection| {
            conn.query_row("SELECT count(*) FROM tally", [], |_| Ok(())).ok().map(|()| conn)
        };
        if let Some(conn) = Connection::open_with_flags(&path, flags).ok().and_then(usable) {
            return Some(conn);
        }
        // No process has the database open, and this user may not create the WAL files: the file is
        // read as immutable. Torn reads caused by a concurrent writer fail the hash check.
        let mut uri = url::Url::from_file_path(&path).ok()?;
        uri.set_query(Some("immutable=1"));
        Connection::open_with_flags(uri.as_str(), flags | OpenFlags::SQLITE_OPEN_URI)
            .ok()
            .and_then(usable)
    }
}
