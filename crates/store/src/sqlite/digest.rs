//! Digests of the tables of a copy, to compare two copies of the same data.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, types::ValueRef};

use super::FILE;
use crate::Result;

/// Number of rows of a table, and a digest of them that does not depend on their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableDigest {
    pub rows: u64,
    digest: [u64; 4],
}

/// Returns the digests of the tables in a finished copy. Tables and columns that are derived from others, such as the
/// search index, and those of the program itself are left out.
pub fn digest(copy: &Path) -> Result<BTreeMap<String, TableDigest>> {
    let conn = carrel_sqlite::open_immutable(&copy.join(FILE))?;
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
        AND name NOT LIKE '%_terms%' AND name NOT IN ('schema_migration')";
    let mut stmt = conn.prepare(sql)?;
    let names: Vec<String> =
        stmt.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    names.into_iter().map(|name| Ok((name.clone(), table_digest(&conn, &name)?))).collect()
}

fn table_digest(conn: &Connection, name: &str) -> Result<TableDigest> {
    let mut columns: Vec<String> = {
        let mut stmt = conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
        stmt.query_map([name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
    };
    // Columns that no release uses any more.
    columns.retain(|column| {
        name != "sign_in" || !column.starts_with("redeemed") || column == "redeemed_floor"
    });
    columns.sort_unstable();
    // A learner without rows may have no usage.
    let filter =
        if name == "learner_usage" { " WHERE row_count <> 0 OR row_bytes <> 0" } else { "" };
    let mut stmt =
        conn.prepare(&format!("SELECT \"{}\" FROM \"{name}\"{filter}", columns.join("\", \"")))?;
    let mut rows = stmt.query([])?;
    let mut found = TableDigest::default();
    while let Some(row) = rows.next()? {
        let mut hasher = blake3::Hasher::new();
        for index in 0..columns.len() {
            let value = row.get_ref(index)?;
            let (kind, bytes): (u8, &[u8]) = match value {
                ValueRef::Null => (0, &[]),
                ValueRef::Integer(n) => {
                    hasher.update(&[1]);
                    hasher.update(&n.to_be_bytes());
                    continue;
                }
                ValueRef::Real(n) => {
                    hasher.update(&[2]);
                    hasher.update(&n.to_be_bytes());
                    continue;
                }
                ValueRef::Text(text) => (3, text),
                ValueRef::Blob(bytes) => (4, bytes),
            };
            hasher.update(&[kind]);
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        }
        let hash = hasher.finalize();
        for (sum, part) in found.digest.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            let part = part.try_into().map(u64::from_be_bytes).unwrap_or_default();
            *sum = sum.wrapping_add(part);
        }
        found.rows += 1;
    }
    Ok(found)
}
