//! Schema migrations: numbered SQL, each applied once, in one transaction, after a backup. See migrations/README.md for
//! the rules.
//!
//! Not here: the migrations, which client and server define, and the clock.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::{Error, Result, backup::backup, open::broken_references};

/// A migration: `migrations/<side>/NNNN_name.sql`.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// 1, 2, 3, ... without gaps.
    pub number: u32,
    pub name: &'static str,
    pub sql: &'static str,
}
impl Migration {
    /// Returns the BLAKE3 hash of the name and the SQL. Line ends are converted to those of Unix, so that a checkout on
    /// Windows has the same checksum.
    pub fn checksum(&self) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        hash.update(self.name.as_bytes())
            .update(&[0])
            .update(self.sql.replace("\r\n", "\n").as_bytes());
        *hash.finalize().as_bytes()
    }
}

/// Result of `migrate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Schema number before; 0 for a new file.
    pub from: u32,
    /// Schema number now.
    pub to: u32,
    /// Path of the backup, if one was made.
    pub backup: Option<PathBuf>,
}

/// Applies the missing migrations: all of them, or none if one fails.
///
/// A file that already has a schema is first copied to `backup_dir` as `before-NNNN-<now_ms>.db`. `now_ms` (UTC) is
/// stored with each migration.
///
/// # Errors
///
/// `NewerFile`, `MigrationChanged`, `ForeignDatabase`, `Numbering` (nothing was changed); `Failed` and `Refused`
/// (rolled back).
pub fn migrate(
    conn: &mut Connection,
    migrations: &[Migration],
    backup_dir: Option<&Path>,
    now_ms: i64,
) -> Result<Migrated> {
    let file = conn.path().map(PathBuf::from);
    migrate_unprobed(conn, migrations, backup_dir, now_ms).map_err(|e| match &file {
        Some(file) => e.probed(file),
        None => e,
    })
}

fn migrate_unprobed(
    conn: &mut Connection,
    migrations: &[Migration],
    backup_dir: Option<&Path>,
    now_ms: i64,
) -> Result<Migrated> {
    if let Some((_, m)) = (1..).zip(migrations).find(|(n, m)| m.number != *n) {
        return Err(Error::Numbering(m.number));
    }
    let app = migrations.len() as u32;
    let from = applied(conn, migrations)?;
    if from == app {
        return Ok(Migrated { from, to: app, backup: None });
    }
    let copy = match backup_dir {
        Some(dir) if from > 0 => {
            let path = dir.join(format!("before-{:04}-{now_ms}.db", from + 1));
            backup(conn, &path)?;
            Some(path)
        }
        _ => None,
    };
    // To rebuild a table, references must not be enforced, which cannot be changed inside a transaction.
    let enforced: bool = conn.pragma_query_value(None, "foreign_keys", |r| r.get(0))?;
    conn.pragma_update(None, "foreign_keys", false)?;
    let done = apply(conn, migrations, now_ms);
    conn.pragma_update(None, "foreign_keys", enforced)?;
    done?;
    // Not for the databases in memory that schemas are compared with.
    if conn.path().is_some_and(|path| !path.is_empty()) {
        tracing::info!(schema.from = from, schema.to = app, "database migrated");
    }
    Ok(Migrated { from, to: app, backup: copy })
}

fn apply(conn: &mut Connection, migrations: &[Migration], now_ms: i64) -> Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again under the lock: another process may have migrated since.
    let from = applied(&tx, migrations)?;
    let broken_before = broken_references(&tx)?;
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migration (
            number INTEGER NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            checksum BLOB NOT NULL,
            applied_ms INTEGER NOT NULL
        ) STRICT",
    )?;
    for m in &migrations[from as usize..] {
        tx.execute_batch(m.sql).map_err(|source| Error::Failed {
            number: m.number,
            name: m.name,
            source,
        })?;
        let refused = |problem: String| Error::Refused { number: m.number, name: m.name, problem };
        if tx.is_autocommit() {
            return Err(refused("ends its own transaction".into()));
        }
        let broken = broken_references(&tx)?;
        if let Some(problem) = broken.iter().find(|b| !broken_before.contains(b)) {
            return Err(refused(format!("breaks references: {problem}")));
        }
        tx.execute(
            "INSERT INTO schema_migration (number, name, checksum, applied_ms) VALUES (?1, ?2, ?3, ?4)",
            (m.number, m.name, m.checksum(), now_ms),
        )?;
    }
    Ok(tx.commit()?)
}

/// Returns true if the file has all of `migrations`, with equal checksums. Writes nothing. Same errors as `migrate`.
pub fn is_migrated(conn: &Connection, migrations: &[Migration]) -> Result<bool> {
    Ok(applied(conn, migrations)? == migrations.len() as u32)
}

/// Returns how many of `migrations` the file has, after comparing their checksums.
pub(crate) fn applied(conn: &Connection, migrations: &[Migration]) -> Result<u32> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migration'";
    if conn.query_row(sql, [], |_| Ok(())).optional()?.is_none() {
        let tables: u32 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
        return if tables == 0 { Ok(0) } else { Err(Error::ForeignDatabase) };
    }
    let mut stmt =
        conn.prepare("SELECT number, name, checksum FROM schema_migration ORDER BY number")?;
    let rows: Vec<(u32, String, Vec<u8>)> = stmt
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    // Checked first, because the numbers may have another meaning in a newer release.
    let file = rows.last().map_or(0, |r| r.0);
    if file > migrations.len() as u32 {
        return Err(Error::NewerFile { file, app: migrations.len() as u32 });
    }
    for (n, (number, name, checksum)) in (1..).zip(&rows) {
        if *number != n {
            return Err(Error::Numbering(n));
        }
        if *checksum != migrations[n as usize - 1].checksum() {
            return Err(Error::MigrationChanged { number: n, name: name.clone() });
        }
    }
    Ok(rows.len() as u32)
}
