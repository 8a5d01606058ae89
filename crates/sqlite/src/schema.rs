//! Compares the schema stored in a file with the schema that the migrations create. SQLite's integrity checks do not
//! report a changed byte in the text of a `CREATE` statement; a column or table of that name is then missing.

use rusqlite::{Connection, config::DbConfig, params};

use crate::{
    Error, Result,
    migrate::{Migration, applied, migrate},
    open_in_memory,
};

/// A file with at least half of our tables and indices is ours, whatever its list of migrations contains.
const OURS: usize = 2;
const MIGRATIONS_TABLE: &str = "schema_migration";

/// A row of `sqlite_schema`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    kind: String,
    name: String,
    table: String,
    /// Empty for automatic indices.
    sql: String,
}

/// Returns how the schema of the file differs from that of the applied migrations. Returns `None` if
/// both are equal, if a newer release wrote the file, or if Carrel did not write it.
///
/// Changed migrations of an unreleased build are not damage: `migrate` returns `MigrationChanged` for them.
pub fn schema_problem(conn: &Connection, migrations: &[Migration]) -> Result<Option<String>> {
    let found = entries(conn)?;
    let ours = match applied(conn, migrations) {
        Ok(0)
        | Err(Error::NewerFile { .. } | Error::MigrationChanged { .. } | Error::Numbering(_)) => {
            return Ok(None);
        }
        Ok(number) => expected(&migrations[..number as usize])?,
        Err(e) => {
            let ours = expected(migrations)?;
            let same = found.iter().filter(|entry| ours.contains(entry)).count();
            return Ok((same * OURS >= ours.len()).then(|| format!("the schema is corrupt: {e}")));
        }
    };
    Ok((found != ours).then(|| difference(&found, &ours)))
}

/// Returns what is wrong with the list of applied migrations of a file that has exactly the schema of `migrations`.
/// `None` for any other schema.
pub fn migrations_problem(conn: &Connection, migrations: &[Migration]) -> Result<Option<String>> {
    let is_ours = entries(conn)? == expected(migrations)?;
    Ok(match applied(conn, migrations) {
        Err(Error::NewerFile { .. }) => None,
        Err(e) => is_ours.then(|| format!("the list of applied migrations is corrupt: {e}")),
        Ok(_) => None,
    })
}

/// Writes the schema of the migrations into a damaged copy, so that its rows can be read. Only for a copy in memory:
/// the tables themselves are not changed. Returns how many entries were corrected.
pub fn restore_schema(conn: &Connection, migrations: &[Migration]) -> Result<usize> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    let corrected = restore_entries(conn, migrations);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    corrected
}

fn restore_entries(conn: &Connection, migrations: &[Migration]) -> Result<usize> {
    // While this is on, SQLite ignores statements of the schema that it cannot parse.
    conn.pragma_update(None, "writable_schema", true)?;
    // The table of migrations has the same schema at every number; it tells which schema the others have.
    let mut corrected = correct(conn, &expected(migrations)?, |e| e.table == MIGRATIONS_TABLE)?;
    conn.execute_batch("PRAGMA writable_schema = RESET; PRAGMA writable_schema = ON")?;
    let newest = format!("SELECT max(number) FROM {MIGRATIONS_TABLE}");
    let number: Option<u32> = conn.query_row(&newest, [], |r| r.get(0)).ok();
    let number = number.map_or(migrations.len(), |number| number as usize);
    if (1..=migrations.len()).contains(&number) {
        corrected += correct(conn, &expected(&migrations[..number])?, |_| true)?;
    }
    conn.execute_batch("PRAGMA writable_schema = RESET")?;
    Ok(corrected)
}

fn correct(conn: &Connection, ours: &[Entry], of: impl Fn(&Entry) -> bool) -> Result<usize> {
    let found = entries(conn)?;
    let mut missing: Vec<&Entry> = ours.iter().filter(|e| of(e) && !found.contains(e)).collect();
    let mut update = conn.prepare(
        "UPDATE sqlite_schema SET type = ?5, name = ?6, tbl_name = ?7, sql = nullif(?8, '')
         WHERE type = ?1 AND name = ?2 AND tbl_name = ?3 AND coalesce(sql, '') = ?4",
    )?;
    let mut corrected = 0;
    for entry in found.iter().filter(|entry| !ours.contains(entry)) {
        // One of the texts is damaged, so the other one names the entry.
        let same_name = |e: &&Entry| e.name == entry.name;
        let same_sql = |e: &&Entry| !e.sql.is_empty() && e.sql == entry.sql;
        let at = missing.iter().position(same_name).or_else(|| missing.iter().position(same_sql));
        let Some(at) = at else { continue };
        let right = missing.remove(at);
        corrected += update.execute(params![
            entry.kind,
            entry.name,
            entry.table,
            entry.sql,
            right.kind,
            right.name,
            right.table,
            right.sql
        ])?;
    }
    Ok(corrected)
}

fn expected(migrations: &[Migration]) -> Result<Vec<Entry>> {
    let mut conn = open_in_memory()?;
    migrate(&mut conn, migrations, None, 0)?;
    entries(&conn)
}

/// Returns tables, indices and triggers, without the statistics of `ANALYZE`, with Unix line ends.
fn entries(conn: &Connection) -> Result<Vec<Entry>> {
    let mut found = conn
        .prepare(
            "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema
             WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'",
        )?
        .query_map([], |r| {
            let sql: String = r.get(3)?;
            let sql = if sql.contains('\r') { sql.replace("\r\n", "\n") } else { sql };
            Ok(Entry { kind: r.get(0)?, name: r.get(1)?, table: r.get(2)?, sql })
        })?
        .collect::<rusqlite::Result<Vec<Entry>>>()?;
    found.sort();
    Ok(found)
}

fn difference(found: &[Entry], ours: &[Entry]) -> String {
    let entry = found.iter().find(|e| !ours.contains(e));
    let missing = ours.iter().find(|e| !found.contains(e));
    match (entry, missing) {
        (Some(entry), _) => format!("the schema of {} differs from the migrations", entry.name),
        (None, Some(missing)) => format!("{} is missing in the schema", missing.name),
        (None, None) => "the schema has an entry twice".into(),
    }
}
