//! One SQLite file behind a lock: `cache.db` and `content.db` are small, local and quick; work is elsewhere (`store`).

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use carrel_sqlite::{Migration, Options, Synchronous};
use rusqlite::Connection;

use crate::Result;

/// A database that can be made anew: opened with `synchronous=NORMAL`; a file that is damaged or not ours is set aside.
#[derive(Clone)]
pub struct Db {
    conn: Arc<Mutex<Connection>>,
}

impl Db {
    /// Opens or makes the file. A file that cannot be used is renamed to `*.damaged` and a new one is begun: all of it can be fetched again.
    pub fn open(path: &Path, migrations: &[Migration], now_ms: i64) -> Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let conn = match Self::try_open(path, migrations, now_ms) {
            Ok(conn) => conn,
            Err(carrel_sqlite::Error::NewerFile { file, app }) => {
                return Err(crate::Error::Storage(format!(
                    "{} has schema {file}, this version knows {app}",
                    path.display()
                )));
            }
            Err(e) => {
                tracing::warn!(cache.file = %path.display(), error = %e, "the cache is damaged and is made anew");
                for suffix in ["", "-wal", "-shm"] {
                    let mut from = path.as_os_str().to_owned();
                    from.push(suffix);
                    let mut to = from.clone();
                    to.push(".damaged");
                    let _ = std::fs::rename(from, to);
                }
                Self::try_open(path, migrations, now_ms)?
            }
        };
        Ok(Self { conn: Arc::new(Mutex::new(conn)) })
    }

    fn try_open(
        path: &Path,
        migrations: &[Migration],
        now_ms: i64,
    ) -> carrel_sqlite::Result<Connection> {
        let mut conn = carrel_sqlite::open(
            path,
            Options { synchronous: Synchronous::Normal, ..Options::default() },
        )?;
        carrel_sqlite::migrate(&mut conn, migrations, None, now_ms)?;
        Ok(conn)
    }

    /// Runs `f` with the connection. Keep it short: everybody waits.
    pub fn with<T>(&self, f: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut conn = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut conn)
    }
}
