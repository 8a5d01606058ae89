//! Validated reads of the tables: a damaged stored value affects only its own row.
//!
//! SQLite has no checksums, so its checks do not detect flipped bits inside a value. Here each row is parsed and
//! validated when it is read; an unreadable row is skipped and logged. `move_unreadable_rows` finds all of them.

use carrel_model::{
    ItemId,
    lattice::{Row, RowKey, RowKind, RowType, Validate},
};
use carrel_sqlite::rows::{self, Column, Kind, Owner, TableSpec};
use rusqlite::{
    Connection, Params, params_from_iter,
    types::{Value, ValueRef},
};

use crate::{Result, store::state};

/// Result of looking up a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A valid row.
    Row(Row),
    /// No row has this key.
    Missing,
    /// The row is unreadable, with the reason.
    Damaged(String),
}

/// An unreadable row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The table it was found in.
    pub row_type: RowType,
    /// `None` if the key is unreadable too.
    pub key: Option<RowKey>,
    /// Why it cannot be read.
    pub problem: String,
}

/// Looks up the row with this key.
pub fn find(conn: &Connection, key: &RowKey) -> Result<Found> {
    use carrel_sqlite::Error;
    match rows::get(conn, Owner::Client, key) {
        Ok(None) => Ok(Found::Missing),
        Ok(Some(row)) => Ok(match row.validate() {
            Ok(()) => Found::Row(row),
            Err(why) => Found::Damaged(why.to_string()),
        }),
        Err(e @ (Error::BadRow { .. } | Error::BadKey(_))) => Ok(Found::Damaged(e.to_string())),
        Err(e) => Err(e.into()),
    }
}

/// Returns the row with this key; `None` if it is missing or unreadable.
pub fn get(conn: &Connection, key: &RowKey) -> Result<Option<Row>> {
    Ok(match find(conn, key)? {
        Found::Row(row) => Some(row),
        Found::Missing => None,
        Found::Damaged(problem) => {
            log(key.row_type, &problem);
            None
        }
    })
}

/// Returns the readable rows of one kind that match a clause.
pub fn query<T: RowKind>(conn: &Connection, clause: &str, params: impl Params) -> Result<Vec<T>> {
    let mut found = Vec::new();
    each(conn, T::TYPE, clause, params, |row| {
        found.extend(T::try_from(row).ok());
        Ok(())
    })?;
    Ok(found)
}

/// Returns all readable rows of one kind, ordered by key.
pub fn all(conn: &Connection, row_type: RowType) -> Result<Vec<Row>> {
    let mut found = Vec::new();
    each(conn, row_type, &order(row_type), [], |row| {
        found.push(row);
        Ok(())
    })?;
    Ok(found)
}

/// Passes the readable rows that match a clause to `f`; stops at its first error.
pub(super) fn each(
    conn: &Connection,
    row_type: RowType,
    clause: &str,
    params: impl Params,
    mut f: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
    visit(conn, row_type, clause, params, |_, read| match read {
        Ok(row) => f(row),
        Err(problem) => {
            log(row_type, &problem);
            Ok(())
        }
    })
}

/// Like `each`, for a file of this or an earlier schema: a missing column is read as its empty value, and fields that
/// an earlier release stored as unknown are parsed if this release has them.
pub(super) fn each_of_earlier_schema(
    conn: &Connection,
    row_type: RowType,
    clause: &str,
    mut f: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
    let spec = TableSpec::of(row_type);
    let missing = missing_columns(conn, spec);
    let columns: Vec<String> = spec
        .columns()
        .map(|c| match missing.contains(&c.name) {
            true => format!("{} AS {}", empty_value(spec, c), c.name),
            false => c.name.to_owned(),
        })
        .collect();
    visit_columns(conn, row_type, &columns.join(", "), clause, [], |_, read| match read {
        Ok(row) if missing.is_empty() => f(row),
        Ok(row) => f(with_known_fields(row)),
        Err(problem) => {
            log(row_type, &problem);
            Ok(())
        }
    })
}

/// Returns the columns of this release that the table in the file does not have. Empty if its columns cannot be listed,
/// because the table cannot be read then.
fn missing_columns(conn: &Connection, spec: &TableSpec) -> Vec<&'static str> {
    let names = || -> rusqlite::Result<Vec<String>> {
        conn.prepare("SELECT name FROM pragma_table_info(?1)")?
            .query_map([spec.table], |r| r.get(0))?
            .collect()
    };
    match names() {
        Ok(present) if !present.is_empty() => spec
            .columns()
            .map(|c| c.name)
            .filter(|name| !present.iter().any(|t| t == name))
            .collect(),
        _ => Vec::new(),
    }
}

/// Returns the empty value of a column, as SQL.
fn empty_value(spec: &TableSpec, column: Column) -> String {
    let is_earliest_time = spec.minima.contains(&column)
        || spec.least.iter().any(|tuple| tuple.first() == Some(&column));
    match column.kind {
        Kind::Int if is_earliest_time => rows::NEVER.to_string(),
        Kind::Int if spec.has_payload() && spec.registers[0].contains(&column) => {
            rows::ABSENT.to_string()
        }
        Kind::Int => "0".to_owned(),
        Kind::Text => "''".to_owned(),
        Kind::Uuid | Kind::Hash | Kind::MaybeUuid => "x''".to_owned(),
    }
}

/// Parses stored unknown fields that this release knows, if the result is valid.
fn with_known_fields(row: Row) -> Row {
    let read = serde_json::to_string(&row).ok().and_then(|text| Row::from_json(&text).ok());
    read.filter(|read| read.validate().is_ok()).unwrap_or(row)
}

/// Returns the readable keys of all rows of one kind, including those of unreadable rows.
pub fn keys(conn: &Connection, row_type: RowType) -> Result<Vec<RowKey>> {
    let spec = TableSpec::of(row_type);
    let sql = format!("SELECT {0} FROM {1} ORDER BY {0}", key_names(spec), spec.table);
    let mut stmt = conn.prepare_cached(&sql)?;
    let mut found = stmt.query([])?;
    let mut keys = Vec::new();
    while let Some(r) = found.next()? {
        keys.extend(key_of(r, row_type));
    }
    Ok(keys)
}

/// Removes all unreadable rows from their tables, so that valid ones can replace them. Their stored values are kept in
/// `foreign_row`. Reads every row.
pub(super) fn move_unreadable_rows(conn: &Connection, now_ms: i64) -> Result<Vec<Damaged>> {
    let mut damaged = Vec::new();
    for row_type in RowType::ALL {
        let mut stored = Vec::new();
        visit(conn, *row_type, &order(*row_type), [], |r, read| {
            if let Err(problem) = read {
                let key = key_of(r, *row_type);
                damaged.push(Damaged { row_type: *row_type, key, problem });
                stored.push(values(r, *row_type)?);
            }
            Ok(())
        })?;
        for values in stored {
            move_to_foreign(conn, *row_type, &values, now_ms)?;
        }
    }
    Ok(damaged)
}

/// Like `move_unreadable_rows`, for the row with this key.
pub(super) fn move_unreadable_row(conn: &Connection, key: &RowKey, now_ms: i64) -> Result<()> {
    let mut stored = Vec::new();
    visit(conn, key.row_type, &order(key.row_type), [], |r, read| {
        if read.is_err() && key_of(r, key.row_type).as_ref() == Some(key) {
            stored.push(values(r, key.row_type)?);
        }
        Ok(())
    })?;
    stored.iter().try_for_each(|values| move_to_foreign(conn, key.row_type, values, now_ms))
}

fn values(r: &rusqlite::Row<'_>, row_type: RowType) -> Result<Vec<Value>> {
    let columns = TableSpec::of(row_type).columns().count();
    (0..columns).map(|i| Ok(r.get_ref(i)?.try_into().unwrap_or(Value::Null))).collect()
}

fn move_to_foreign(
    conn: &Connection,
    row_type: RowType,
    values: &[Value],
    now_ms: i64,
) -> Result<()> {
    let spec = TableSpec::of(row_type);
    let stored = spec.columns().zip(values).map(|(column, value)| {
        let value = match value {
            Value::Null => serde_json::Value::Null,
            Value::Integer(n) => (*n).into(),
            Value::Real(n) => (*n).into(),
            Value::Text(t) => t.as_str().into(),
            Value::Blob(b) => b.iter().map(|b| format!("{b:02x}")).collect::<String>().into(),
        };
        (column.name.to_owned(), value)
    });
    let stored: serde_json::Map<String, serde_json::Value> = stored.collect();
    let body = serde_json::json!({ "type": "damaged", "table": spec.table, "stored": stored });
    state::store_foreign_body(conn, &body.to_string(), now_ms)?;
    let equal = spec.keys.iter().zip(1..).map(|(c, i)| format!("{} IS ?{i}", c.name));
    let equal: Vec<String> = equal.collect();
    let sql = format!("DELETE FROM {} WHERE {}", spec.table, equal.join(" AND "));
    conn.execute(&sql, params_from_iter(&values[..spec.keys.len()]))?;
    Ok(())
}

fn visit(
    conn: &Connection,
    row_type: RowType,
    clause: &str,
    params: impl Params,
    f: impl FnMut(&rusqlite::Row<'_>, Result<Row, String>) -> Result<()>,
) -> Result<()> {
    let columns: Vec<&str> = TableSpec::of(row_type).columns().map(|c| c.name).collect();
    visit_columns(conn, row_type, &columns.join(", "), clause, params, f)
}

/// `columns` are those of the table, in the order that `rows::read` requires.
fn visit_columns(
    conn: &Connection,
    row_type: RowType,
    columns: &str,
    clause: &str,
    params: impl Params,
    mut f: impl FnMut(&rusqlite::Row<'_>, Result<Row, String>) -> Result<()>,
) -> Result<()> {
    let sql = format!("SELECT {columns} FROM {} {clause}", TableSpec::of(row_type).table);
    let mut stmt = conn.prepare_cached(&sql)?;
    let mut found = stmt.query(params)?;
    while let Some(r) = found.next()? {
        let read = match rows::read(row_type, r) {
            Ok(row) => row.validate().map(|()| row).map_err(|why| why.to_string()),
            Err(e @ carrel_sqlite::Error::BadRow { .. }) => Err(e.to_string()),
            Err(e) => return Err(e.into()),
        };
        f(r, read)?;
    }
    Ok(())
}

fn order(row_type: RowType) -> String {
    order_by(row_type, "")
}
/// Returns an `ORDER BY` clause for the key; `direction` is `" DESC"` or `""`.
pub(super) fn order_by(row_type: RowType, direction: &str) -> String {
    let keys = TableSpec::of(row_type).keys.iter().map(|c| format!("{}{direction}", c.name));
    format!("ORDER BY {}", keys.collect::<Vec<_>>().join(", "))
}

/// Returns false for a key that no row can have, which a damaged index may contain.
pub(super) fn is_valid_key(key: &RowKey) -> bool {
    match (key.row_type, key.parts()) {
        (RowType::Progress, (kind, Some(item))) => {
            ["section", "story", "media"].contains(&kind) && ItemId::new(item).is_ok()
        }
        (RowType::Progress, (_, None)) => false,
        (row_type, (first, _)) if TableSpec::of(row_type).keys[0].kind == Kind::Uuid => {
            first.parse::<uuid::Uuid>().is_ok()
        }
        _ => !key.key.is_empty(),
    }
}
fn key_names(spec: &TableSpec) -> String {
    spec.keys.iter().map(|c| c.name).collect::<Vec<_>>().join(", ")
}

/// Reads the key of a row whose first columns are the key columns.
fn key_of(r: &rusqlite::Row<'_>, row_type: RowType) -> Option<RowKey> {
    let spec = TableSpec::of(row_type);
    let parts =
        spec.keys.iter().enumerate().map(|(i, column)| match (column.kind, r.get_ref(i).ok()?) {
            (Kind::Uuid, ValueRef::Blob(b)) => Some(uuid::Uuid::from_slice(b).ok()?.to_string()),
            (Kind::Text, ValueRef::Text(t)) => Some(std::str::from_utf8(t).ok()?.to_owned()),
            _ => None,
        });
    let parts: Vec<String> = parts.collect::<Option<_>>()?;
    Some(RowKey::of(row_type, &parts))
}

fn log(row_type: RowType, problem: &str) {
    tracing::warn!(row.kind = row_type.as_str(), error = problem, "skipped an unreadable row");
}
