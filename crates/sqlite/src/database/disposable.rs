//! Database files whose content can be downloaded again: a file whose damage is confirmed is renamed and recreated.
//!
//! Not here: databases with learning records, which are never discarded.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use carrel_system::{Cause, StorageError};
use rusqlite::Connection;

use super::hooks::Hooks;
use crate::{Migration, Options, Synchronous, confirm_damage, schema_problem};

/// How long opening a file waits for another connection. Short, because it delays the first window.
const OPEN_BUSY_TIMEOUT: Duration = Duration::from_secs(1);
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A file that is recreated empty if it is damaged.
pub(crate) struct Disposable {
    pub path: PathBuf,
    pub migrations: &'static [Migration],
    pub now_ms: i64,
}

impl Disposable {
    /// Opens the file, or a database in memory if this fails.
    pub fn open_or_memory(&self) -> Result<Connection, StorageError> {
        self.open().or_else(|e| {
            tracing::warn!(
                cache.file = %self.path.display(),
                error = %e,
                "the cache file cannot be opened: caching in memory only"
            );
            in_memory(self.migrations, self.now_ms)
        })
    }

    fn open(&self) -> crate::Result<Connection> {
        match self.connect() {
            Ok(conn) => match schema_problem(&conn, self.migrations)? {
                None => Ok(conn),
                Some(found) => {
                    tracing::warn!(database.file = %self.path.display(), found, "a database is damaged");
                    drop(conn);
                    rename_damaged(&self.path)?;
                    self.connect()
                }
            },
            Err(e) if e.cause() == Cause::Corrupt && is_damaged(&self.path)? => {
                rename_damaged(&self.path)?;
                self.connect()
            }
            Err(e) => Err(e),
        }
    }

    fn connect(&self) -> crate::Result<Connection> {
        connect(&self.path, self.migrations, self.now_ms)
    }
}

impl Hooks for Disposable {
    fn repair(&mut self, conn: Connection) -> Result<Connection, StorageError> {
        match is_damaged(&self.path) {
            Ok(true) => {
                drop(conn);
                let recreated = rename_damaged(&self.path).and_then(|()| self.connect());
                recreated.or_else(|_| in_memory(self.migrations, self.now_ms))
            }
            _ => Ok(conn),
        }
    }
}

fn is_damaged(path: &Path) -> crate::Result<bool> {
    Ok(confirm_damage(path)?
        .inspect(
            |found| tracing::warn!(database.file = %path.display(), found, "a database is damaged"),
        )
        .is_some())
}

/// Opens the file and migrates its schema.
pub fn connect(path: &Path, migrations: &[Migration], now_ms: i64) -> crate::Result<Connection> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|source| crate::Error::Io {
            action: "create",
            path: dir.to_owned(),
            source,
        })?;
    }
    let options = Options {
        synchronous: Synchronous::Normal,
        incremental_vacuum: true,
        busy: OPEN_BUSY_TIMEOUT,
        ..Options::default()
    };
    let mut conn = crate::open(path, options)?;
    crate::migrate(&mut conn, migrations, None, now_ms)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    Ok(conn)
}

/// Opens an empty database in memory with this schema.
pub fn in_memory(migrations: &[Migration], now_ms: i64) -> Result<Connection, StorageError> {
    let mut conn = crate::open_in_memory()?;
    crate::migrate(&mut conn, migrations, None, now_ms)?;
    Ok(conn)
}

/// Renames the file and its log to `*.damaged`, replacing older files of these names.
pub fn rename_damaged(path: &Path) -> crate::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut from = path.as_os_str().to_owned();
        from.push(suffix);
        let mut to = from.clone();
        to.push(".damaged");
        match std::fs::rename(&from, to) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(crate::Error::Io { action: "rename", path: from.into(), source });
            }
            _ => {}
        }
    }
    Ok(())
}
