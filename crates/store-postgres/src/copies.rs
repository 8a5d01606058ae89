//! Copies of the data of a tenant: a file with the schema of the SQLite engine, so that a backup can be restored on both
//! engines, and moving a server to the other one is a backup and a restore.
//!
//! Tables and columns have the same names on both engines, with the exceptions in `Table::of`. Columns that only
//! PostgreSQL has are derived from others.

use std::{fs, path::Path};

use carrel_sqlite::{
    Options,
    rusqlite::{self, Connection, types::ValueRef},
};
use carrel_store::{
    Engine, OpenOptions, Reason, Result, StoreError,
    sqlite::{self, SqliteEngine},
};
use tokio_postgres::{Client, Row, types::ToSql};

use crate::{error, search, tx::set_tenant_sql};

/// Number of rows of a statement.
const BATCH: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Bool,
    Text,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Kind,
}

/// A table of PostgreSQL, and the statements with which its rows are read from and written to SQLite.
#[derive(Debug)]
struct Table {
    name: String,
    /// The columns that are copied.
    columns: Vec<Column>,
    has_identity: bool,
    /// Returns the columns in their order.
    read: String,
    /// With a parameter for each column; executed for each row.
    write: Vec<String>,
}

/// A value of a row, in both databases.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Table {
    fn of(name: String, mut columns: Vec<Column>, has_identity: bool) -> Self {
        if name == "passage" {
            columns.retain(|c| !["title_terms", "text_terms", "lexemes"].contains(&&*c.name));
        }
        let quoted = |names: &[String]| format!("\"{}\"", names.join("\", \""));
        let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        let places: Vec<String> = (1..=names.len()).map(|n| format!("?{n}")).collect();
        let (list, mut places) = (quoted(&names), places.join(", "));
        let mut into = list.clone();
        match &*name {
            // SQLite has the change number in the account, and keeps no usage of a learner without rows.
            "learner" => {
                let place = |column: &str| {
                    let index = names.iter().position(|n| n == column).unwrap_or_default();
                    format!("?{}", index + 1)
                };
                let (user, usn) = (place("user_id"), place("usn"));
                let (rows, bytes) = (place("row_count"), place("row_bytes"));
                let read = "SELECT * FROM (SELECT a.id AS user_id, a.usn AS usn,
                    coalesce(u.row_count, 0) AS row_count, coalesce(u.row_bytes, 0) AS row_bytes
                    FROM account a LEFT JOIN learner_usage u ON u.user_id = a.id)";
                return Self {
                    read: read.replacen('*', &list, 1),
                    write: vec![
                        format!("UPDATE account SET usn = {usn} WHERE id = {user}"),
                        format!(
                            "INSERT INTO learner_usage (user_id, row_count, row_bytes)
                             SELECT {user}, {rows}, {bytes} WHERE {rows} <> 0 OR {bytes} <> 0"
                        ),
                    ],
                    name,
                    columns,
                    has_identity,
                };
            }
            "account" => (into, places) = (format!("{into}, usn"), format!("{places}, 0")),
            // Columns of a release that stored one branch only.
            "sign_in" => {
                into += ", redeemed, redeemed_ms";
                places += ", 0, 0";
            }
            _ => {}
        }
        let read = format!("SELECT {list} FROM \"{name}\"");
        let write = vec![format!("INSERT INTO \"{name}\" ({into}) VALUES ({places})")];
        Self { read, write, name, columns, has_identity }
    }
}

/// Returns the tables of the tenants, so that each is after those to which it refers.
async fn tables(owner: &Client) -> Result<Vec<Table>, tokio_postgres::Error> {
    let sql = "WITH RECURSIVE depth AS (
            SELECT c.oid, 0 AS level FROM pg_class c
            -- Partitions are read and written as their table.
            WHERE c.relnamespace = 'carrel'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                AND c.relname NOT IN ('schema_migration', 'tenant', 'cluster')
                -- What need not survive a crash need not be copied.
                AND c.relpersistence = 'p'
            UNION ALL
            SELECT f.conrelid, d.level + 1 FROM depth d
            JOIN pg_constraint f ON f.confrelid = d.oid AND f.contype = 'f' AND f.conrelid <> f.confrelid)
        SELECT c.relname::text, a.attname::text, a.atttypid::regtype::text, a.attidentity <> ''
        FROM (SELECT oid, max(level) AS level FROM depth GROUP BY oid) d
        JOIN pg_class c ON c.oid = d.oid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE a.attname <> 'tenant' ORDER BY d.level, c.relname, a.attnum";
    let mut found: Vec<(String, Vec<Column>, bool)> = Vec::new();
    for row in owner.query(sql, &[]).await? {
        let (table, name): (String, String) = (row.get(0), row.get(1));
        let kind = match row.get::<_, &str>(2) {
            "bigint" | "integer" => Kind::Int,
            "boolean" => Kind::Bool,
            "bytea" => Kind::Bytes,
            _ => Kind::Text,
        };
        if found.last().is_none_or(|(last, ..)| *last != table) {
            found.push((table, Vec::new(), false));
        }
        if let Some((_, columns, has_identity)) = found.last_mut() {
            columns.push(Column { name, kind });
            *has_identity |= row.get::<_, bool>(3);
        }
    }
    Ok(found.into_iter().map(|(name, columns, id)| Table::of(name, columns, id)).collect())
}

/// Writes the data of a tenant to a new SQLite database in the folder `into`.
pub(crate) async fn export(owner: &Client, tenant: i32, into: &Path) -> Result<()> {
    let work = into.join("copying");
    let io = |source| {
        StoreError::from(carrel_sqlite::Error::Io { action: "create", path: work.clone(), source })
    };
    fs::create_dir_all(&work).map_err(io)?;
    let options = OpenOptions { readers: 1, now_ms: 0 };
    drop(SqliteEngine.open(&work, options)?);
    let mut conn = carrel_sqlite::open(&work.join(sqlite::FILE), Options::default())?;
    conn.pragma_update(None, "foreign_keys", false)?;
    let tx = conn.transaction()?;
    tx.execute("DELETE FROM server_fact", [])?;
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}; SET LOCAL statement_timeout = 0",
        set_tenant_sql(tenant)
    );
    let sql = |e: tokio_postgres::Error| error::of(&e);
    owner.batch_execute(&begin).await.map_err(sql)?;
    for table in tables(owner).await.map_err(sql)? {
        export_table(owner, &tx, &table).await?;
    }
    owner.batch_execute("ROLLBACK").await.map_err(sql)?;
    tx.commit()?;
    drop(conn);
    // Adds the search index, which is derived.
    drop(SqliteEngine.open(&work, options)?);
    SqliteEngine.copy(&work, into)?;
    fs::remove_dir_all(&work).map_err(io)
}

async fn export_table(owner: &Client, to: &Connection, table: &Table) -> Result<()> {
    let names: Vec<String> = table.columns.iter().map(|c| format!("\"{}\"", c.name)).collect();
    // A cursor: the rows of a table may be larger than the memory.
    let declare = format!(
        "DECLARE rows NO SCROLL CURSOR FOR SELECT {} FROM \"{}\" WHERE tenant = current_tenant()",
        names.join(", "),
        table.name
    );
    let sql = |e: tokio_postgres::Error| error::of(&e);
    owner.batch_execute(&declare).await.map_err(sql)?;
    let fetch = owner.prepare(&format!("FETCH {BATCH} FROM rows")).await.map_err(sql)?;
    let mut writes = Vec::new();
    for sql in &table.write {
        writes.push(to.prepare(sql)?);
    }
    loop {
        let rows = owner.query(&fetch, &[]).await.map_err(sql)?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let values = values_of(row, table).map_err(sql)?;
            for write in &mut writes {
                let values = values.iter().take(write.parameter_count()).map(to_sqlite);
                write.execute(rusqlite::params_from_iter(values))?;
            }
        }
    }
    owner.batch_execute("CLOSE rows").await.map_err(sql)
}

fn values_of(row: &Row, table: &Table) -> Result<Vec<Value>, tokio_postgres::Error> {
    let value = |(index, column): (usize, &Column)| {
        Ok(match column.kind {
            Kind::Int => Value::Int(row.try_get(index)?),
            Kind::Bool => Value::Int(row.try_get::<_, bool>(index)?.into()),
            Kind::Text => Value::Text(row.try_get(index)?),
            Kind::Bytes => Value::Bytes(row.try_get(index)?),
        })
    };
    table.columns.iter().enumerate().map(value).collect()
}

fn to_sqlite(value: &Value) -> rusqlite::types::ToSqlOutput<'_> {
    rusqlite::types::ToSqlOutput::Borrowed(match value {
        Value::Int(n) => ValueRef::Integer(*n),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Bytes(bytes) => ValueRef::Blob(bytes),
    })
}

/// Replaces the data of a tenant by that of the SQLite database in the folder `from`, in one transaction.
pub(crate) async fn import(owner: &Client, tenant: i32, from: &Path) -> Result<()> {
    let conn = carrel_sqlite::open_immutable(&from.join(sqlite::FILE))?;
    let sql = |e: tokio_postgres::Error| error::of(&e);
    let begin = format!("BEGIN; {}; SET LOCAL statement_timeout = 0", set_tenant_sql(tenant));
    owner.batch_execute(&begin).await.map_err(sql)?;
    let tables = tables(owner).await.map_err(sql)?;
    for table in tables.iter().rev() {
        let delete = format!("DELETE FROM \"{}\" WHERE tenant = current_tenant()", table.name);
        owner.batch_execute(&delete).await.map_err(sql)?;
    }
    for table in &tables {
        import_table(owner, &conn, table).await?;
    }
    owner.batch_execute("COMMIT").await.map_err(sql)
}

async fn import_table(owner: &Client, from: &Connection, table: &Table) -> Result<()> {
    let failed = |e: tokio_postgres::Error| match error::of(&e) {
        StoreError::Internal(reason) | StoreError::Conflict(reason) => {
            StoreError::Internal(Reason {
                message: format!("table {}: {}", table.name, reason.message),
                ..reason
            })
        }
        other => other,
    };
    let mut names: Vec<String> = table.columns.iter().map(|c| format!("\"{}\"", c.name)).collect();
    let mut places: Vec<String> = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        let array = match column.kind {
            Kind::Int => "int8",
            Kind::Bool => "bool",
            Kind::Text => "text",
            Kind::Bytes => "bytea",
        };
        places.push(format!("${}::{array}[]", index + 1));
    }
    let mut select = "v.*".to_owned();
    let is_passage = table.name == "passage";
    if is_passage {
        names.extend(["title_terms", "text_terms", "lexemes"].map(str::to_owned));
        // An array of arrays must have equal lengths, so the lexemes of a row are one text.
        places.extend((1..=3).map(|n| format!("${}::text[]", table.columns.len() + n)));
        let last = names.len();
        let all: Vec<String> = (1..last).map(|n| format!("v.c{n}")).collect();
        select = format!("{}, array_to_tsvector(string_to_array(v.c{last}, ' '))", all.join(", "));
    }
    let aliases: Vec<String> = (1..=names.len()).map(|n| format!("c{n}")).collect();
    let insert = format!(
        "INSERT INTO \"{}\" ({}) OVERRIDING SYSTEM VALUE SELECT {select} FROM unnest({}) AS v ({})",
        table.name,
        names.join(", "),
        places.join(", "),
        aliases.join(", ")
    );
    let statement = owner.prepare(&insert).await.map_err(failed)?;
    let mut read = from.prepare(&table.read)?;
    let mut rows = read.query([])?;
    let mut batch = Batch::new(table);
    while let Some(row) = rows.next()? {
        batch.add(row, table)?;
        if batch.len == BATCH {
            owner.execute(&statement, &batch.params()).await.map_err(failed)?;
            batch = Batch::new(table);
        }
    }
    if batch.len > 0 {
        owner.execute(&statement, &batch.params()).await.map_err(failed)?;
    }
    if table.has_identity {
        let next = format!(
            "SELECT setval(pg_get_serial_sequence('{0}', 'id'), greatest(
                 (SELECT max(id) FROM \"{0}\"),
                 (SELECT last_value FROM pg_sequences WHERE schemaname = 'carrel' AND sequencename = '{0}_id_seq'),
                 1))",
            table.name
        );
        owner.query(&next, &[]).await.map_err(failed)?;
    }
    Ok(())
}

/// The columns of some rows.
struct Batch {
    columns: Vec<ColumnValues>,
    len: usize,
}

enum ColumnValues {
    Int(Vec<i64>),
    Bool(Vec<bool>),
    Text(Vec<String>),
    Bytes(Vec<Vec<u8>>),
}

impl Batch {
    fn new(table: &Table) -> Self {
        let mut columns: Vec<ColumnValues> = table
            .columns
            .iter()
            .map(|column| match column.kind {
                Kind::Int => ColumnValues::Int(Vec::new()),
                Kind::Bool => ColumnValues::Bool(Vec::new()),
                Kind::Text => ColumnValues::Text(Vec::new()),
                Kind::Bytes => ColumnValues::Bytes(Vec::new()),
            })
            .collect();
        if table.name == "passage" {
            columns.extend((0..3).map(|_| ColumnValues::Text(Vec::new())));
        }
        Self { columns, len: 0 }
    }
    fn add(&mut self, row: &rusqlite::Row<'_>, table: &Table) -> Result<()> {
        let (mut title, mut text) = (String::new(), String::new());
        for (index, (values, column)) in self.columns.iter_mut().zip(&table.columns).enumerate() {
            match values {
                ColumnValues::Int(all) => all.push(row.get(index)?),
                ColumnValues::Bool(all) => all.push(row.get(index)?),
                ColumnValues::Bytes(all) => all.push(row.get(index)?),
                ColumnValues::Text(all) => {
                    let value: String = row.get(index)?;
                    let value = crate::tx::text(&value).into_owned();
                    match &*column.name {
                        "title" => title.clone_from(&value),
                        "text" => text.clone_from(&value),
                        _ => {}
                    }
                    all.push(value);
                }
            }
        }
        if table.name == "passage" {
            let terms = (search::stored_terms(&title), search::stored_terms(&text));
            let lexemes = search::lexemes(&format!("{}{}", terms.0, terms.1)).join(" ");
            let derived = [terms.0, terms.1, lexemes];
            for (values, value) in self.columns.iter_mut().skip(table.columns.len()).zip(derived) {
                if let ColumnValues::Text(all) = values {
                    all.push(value);
                }
            }
        }
        self.len += 1;
        Ok(())
    }
    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut params: Vec<&(dyn ToSql + Sync)> = Vec::new();
        for values in &self.columns {
            params.push(match values {
                ColumnValues::Int(all) => all,
                ColumnValues::Bool(all) => all,
                ColumnValues::Text(all) => all,
                ColumnValues::Bytes(all) => all,
            });
        }
        params
    }
}
