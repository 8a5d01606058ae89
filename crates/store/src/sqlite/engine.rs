//! Operations on a whole database: open, copy, check, restore.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_model::BlobHash;
use carrel_sqlite::{Migrated, Migration, Options};
use rusqlite::Connection;

use super::{SqliteTransactions, accounts, fact, search, set_fact};
use crate::{CopyMetadata, Engine, OpenOptions, Opened, Result, StoreError, facts};

macro_rules! migration {
    ($number:literal, $name:literal, $file:literal) => {
        Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../../../../migrations/server-sqlite/", $file, ".sql")),
        }
    };
}

/// The schema of a server database.
pub const MIGRATIONS: &[Migration] = &[
    migration!(1, "rows", "0001_rows"),
    migration!(2, "server", "0002_server"),
    migration!(3, "accounts", "0003_accounts"),
    migration!(4, "limits", "0004_limits"),
    migration!(5, "attempt_limits", "0005_attempt_limits"),
    migration!(6, "jobs", "0006_jobs"),
    migration!(7, "publications", "0007_publications"),
    migration!(8, "search_terms", "0008_search_terms"),
    migration!(9, "password_reset", "0009_password_reset"),
    migration!(10, "single_characters", "0010_single_characters"),
    migration!(11, "enrolment_tokens", "0011_enrolment_tokens"),
    migration!(12, "study_days", "0012_study_days"),
    migration!(13, "people", "0013_people"),
    migration!(14, "enrolments", "0014_enrolments"),
    migration!(15, "operators", "0015_operators"),
    migration!(16, "one_time_codes", "0016_one_time_codes"),
    migration!(17, "roster_reports", "0017_roster_reports"),
    migration!(18, "class_codes", "0018_class_codes"),
    migration!(19, "external_sign_in", "0019_external_sign_in"),
    migration!(20, "courses", "0020_courses"),
    migration!(21, "course_uploads", "0021_course_uploads"),
    migration!(22, "mail_addresses", "0022_mail_addresses"),
    migration!(23, "mail", "0023_mail"),
    migration!(24, "story_uploads", "0024_story_uploads"),
    migration!(25, "analytics", "0025_analytics"),
    migration!(26, "device reports", "0026_device_reports"),
    migration!(27, "consents", "0027_consents"),
    migration!(28, "use of tokens", "0028_token_use"),
];

/// Name of the database file in its folder.
pub const FILE: &str = "server.db";
const LOG: &str = "server.db-wal";
const INDEX: &str = "server.db-shm";

/// SQLite, with one database file in the data folder.
#[derive(Debug, Clone, Copy, Default)]
pub struct SqliteEngine;

impl Engine for SqliteEngine {
    fn name(&self) -> &'static str {
        "sqlite"
    }
    fn file(&self) -> &'static str {
        FILE
    }
    fn side_files(&self) -> &'static [&'static str] {
        &[LOG, INDEX]
    }
    /// The data folder of each tenant has a database of its own.
    fn for_tenant(&self, _name: &str) -> Arc<dyn Engine> {
        Arc::new(Self)
    }
    fn exists(&self, folder: &Path) -> Result<bool> {
        Ok(folder.join(FILE).metadata().is_ok_and(|m| m.len() > 0))
    }
    fn open(&self, folder: &Path, options: OpenOptions) -> Result<Opened> {
        let conn = open_file(&folder.join(FILE), &folder.join("backups"), options.now_ms)?;
        let token_salt = fact(&conn, facts::TOKEN_SALT)?.unwrap_or_default();
        let transactions =
            Box::new(SqliteTransactions::new(conn, &folder.join(FILE), options.readers)?);
        Ok(Opened { transactions, messages: None, limits: None, token_salt })
    }
    fn copy(&self, folder: &Path, into: &Path) -> Result<()> {
        let conn = carrel_sqlite::open(&folder.join(FILE), Options::reader())?;
        Ok(carrel_sqlite::backup(&conn, &into.join(FILE))?)
    }
    fn copy_metadata(&self, copy: &Path) -> Result<CopyMetadata> {
        let conn = open_copy(copy)?;
        let mut stmt = conn.prepare("SELECT hash, size FROM blob ORDER BY hash")?;
        let blobs = stmt.query_map([], |r| {
            Ok((BlobHash(r.get("hash")?), r.get::<_, i64>("size")?.unsigned_abs()))
        })?;
        Ok(CopyMetadata {
            epoch: fact(&conn, facts::EPOCH)?.unwrap_or_default(),
            blobs: blobs.collect::<rusqlite::Result<_>>()?,
        })
    }
    fn check_copy(&self, copy: &Path) -> Result<()> {
        let conn = open_copy(copy)?;
        carrel_sqlite::integrity_check(&conn)?;
        check_schema(&conn)
    }
    fn prepare_restored(&self, folder: &Path, end_sign_ins: bool, now_ms: i64) -> Result<String> {
        let file = folder.join(FILE);
        let conn = open_file(&file, &folder.join("backups"), now_ms)?;
        let epoch = random_text();
        set_fact(&conn, facts::EPOCH, &epoch)?;
        if end_sign_ins {
            conn.execute("DELETE FROM sign_in", [])?;
            set_fact(&conn, facts::TOKEN_SALT, &random_text())?;
        }
        conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        drop(conn);
        let failed = |action: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::from(carrel_sqlite::Error::Io { action, path, source })
        };
        for side in [LOG, INDEX].map(|name| folder.join(name)) {
            match fs::remove_file(&side) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed("remove", &side)(e));
                }
                _ => {}
            }
        }
        File::open(&file).and_then(|f| f.sync_all()).map_err(failed("sync", &file))?;
        Ok(epoch)
    }
    fn load(&self, copy: &Path, folder: &Path) -> Result<()> {
        let (from, to) = (copy.join(FILE), folder.join(FILE));
        fs::rename(&from, &to).map_err(|source| {
            carrel_sqlite::Error::Io { action: "rename", path: from, source }.into()
        })
    }
}

fn random_text() -> String {
    crate::new_id().simple().to_string()
}

/// Opens and migrates the file, and ensures that it has an epoch and an id.
pub(super) fn open_file(path: &Path, backups: &Path, now_ms: i64) -> Result<Connection> {
    let mut conn =
        carrel_sqlite::open(path, Options { cache_kib: 32 * 1024, ..Options::default() })?;
    let Migrated { from, .. } =
        carrel_sqlite::migrate(&mut conn, MIGRATIONS, Some(backups), now_ms)?;
    check_schema(&conn)?;
    accounts::migrate_login_keys(&mut conn)?;
    search::index_missing(&conn)?;
    if from == 0 {
        set_fact(&conn, facts::EPOCH, &random_text())?;
    }
    // A database of an earlier release has no id.
    if fact(&conn, facts::SERVER_ID)?.is_none() {
        set_fact(&conn, facts::SERVER_ID, &random_text())?;
    }
    Ok(conn)
}

/// Returns `Damaged` if the schema is not the one of the migrations: SQLite's own checks do not compare it.
fn check_schema(conn: &Connection) -> Result<()> {
    match carrel_sqlite::schema_problem(conn, MIGRATIONS)? {
        Some(problem) => Err(carrel_sqlite::Error::Damaged(vec![problem]).into()),
        None => Ok(()),
    }
}

/// Opens the database of a copy that no other process uses, for reading and without creating files beside it.
fn open_copy(folder: &Path) -> Result<Connection> {
    let log: PathBuf = folder.join(LOG);
    if log.metadata().is_ok_and(|m| m.len() > 0) {
        let message = format!("{log:?}: the copy is incomplete, because it has a write-ahead log");
        return Err(StoreError::Corrupt(message.into()));
    }
    Ok(carrel_sqlite::open_immutable(&folder.join(FILE))?)
}
