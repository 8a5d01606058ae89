//! Learners' rows in tables: join, get, scan.
//!
//! The join is one upsert, generated from a table description (`TableSpec`). On the server an insert is tried first,
//! because most rows are new. A differential test compares both with the join in Rust. The client stores one learner
//! per file; the server stores all in one database, with a leading `user_id` and the learner's change number (`usn`) on
//! each row.
//!
//! Not here: transactions (callers), assigning change numbers (server), the outbox (client), validation
//! (`carrel-model`).

mod bind;
mod spec;
mod sql;

use bind::{Binder, Parameters};
pub use bind::{ColumnSink, ColumnSource, Value, payload_hash, read, read_key, write, write_key};
use carrel_model::{
    UserId,
    lattice::{Row, RowKey, RowKind, RowType},
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, types::ValueRef};
pub use spec::{ABSENT, Column, Kind, NEVER, SPECS, TableSpec};
pub use sql::{schema, size};

use crate::Result;

/// The schema of the client or of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Client,
    Server,
}

/// The learner whose rows are accessed. On the server each call requires one, so that rows of another learner are not
/// accessed by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The only learner of this file.
    Client,
    Server(UserId),
}
impl Owner {
    pub fn scope(self) -> Scope {
        match self {
            Self::Client => Scope::Client,
            Self::Server(_) => Scope::Server,
        }
    }
}

/// Result of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Joined {
    /// The stored row changed. If not, nothing was written, and the change number can be used for another row.
    pub changed: bool,
    /// Server only: the stored row changed and now equals the one that was passed.
    pub as_sent: bool,
    /// The stored row with this id has another payload (because of a cloned device, a bug or an attack). The payload
    /// with the greater hash was kept.
    pub payload_conflict: bool,
    /// There was no row with this key. On a client only for rows with a payload.
    pub added: bool,
    /// Server only: change of the size of the stored row (`size`) in bytes.
    pub growth: i64,
}

/// Joins one valid row into its table.
///
/// `usn` is written with the row if the stored row changes; it must be new for this learner (the index is unique). A
/// client passes 0. To be called inside a transaction: a commit costs more than a thousand joins.
pub fn join(conn: &Connection, owner: Owner, row: &Row, usn: u64) -> Result<Joined> {
    let sql = sql::of(TableSpec::of(row.row_type()), owner.scope());
    if owner.scope() == Scope::Server {
        // Most rows of a large push are new, and an insert costs half as much as a join.
        let mut stmt = conn.prepare_cached(&sql.insert)?;
        if let Some(joined) = insert(&mut stmt, owner, row, usn)? {
            return Ok(joined);
        }
    }
    join_stored(conn, owner, row, usn)
}

/// Joins valid rows in order; each one that changes gets the next change number after `usn`. Server only. Consecutive
/// rows of one kind share a statement.
pub fn join_all(
    conn: &Connection,
    user: UserId,
    rows: &[Row],
    mut usn: u64,
) -> Result<Vec<Joined>> {
    let owner = Owner::Server(user);
    let mut all = Vec::with_capacity(rows.len());
    for run in rows.chunk_by(|a, b| a.row_type() == b.row_type()) {
        let sql = sql::of(TableSpec::of(run[0].row_type()), Scope::Server);
        let mut stmt = conn.prepare_cached(&sql.insert)?;
        for row in run {
            let joined = match insert(&mut stmt, owner, row, usn + 1)? {
                Some(joined) => joined,
                None => join_stored(conn, owner, row, usn + 1)?,
            };
            usn += u64::from(joined.changed);
            all.push(joined);
        }
    }
    Ok(all)
}

/// Inserts a row if its key does not exist.
fn insert(
    stmt: &mut CachedStatement<'_>,
    owner: Owner,
    row: &Row,
    usn: u64,
) -> Result<Option<Joined>> {
    let growth = bind_all(stmt, owner, row, usn)? as i64;
    let is_new = stmt.raw_execute()? > 0;
    Ok(is_new.then(|| Joined {
        changed: true,
        as_sent: true,
        added: true,
        growth,
        ..Joined::default()
    }))
}

/// Joins a row whose key may exist.
fn join_stored(conn: &Connection, owner: Owner, row: &Row, usn: u64) -> Result<Joined> {
    let sql = sql::of(TableSpec::of(row.row_type()), owner.scope());
    let mut joined = Joined::default();
    let hash = payload_hash(row);
    let mut size_before = 0;
    if hash.is_some() || owner.scope() == Scope::Server {
        let mut stmt = conn.prepare_cached(&sql.size_and_hash)?;
        bind_owner(&mut stmt, owner)?.key(&row.key())?;
        let mut found = stmt.raw_query();
        if let Some(stored) = found.next()? {
            size_before = stored.get::<_, i64>(0)?;
            let stored = stored.get_ref(1)?.as_blob();
            joined.payload_conflict = hash.is_some_and(|h| stored != Ok(&h.0[..]));
        } else {
            joined.added = true;
        }
    }
    let mut stmt = conn.prepare_cached(&sql.upsert)?;
    bind_all(&mut stmt, owner, row, usn)?;
    if owner == Owner::Client {
        joined.changed = stmt.raw_execute()? > 0;
        return Ok(joined);
    }
    let mut written = stmt.raw_query();
    if let Some(r) = written.next()? {
        joined.changed = true;
        joined.as_sent = r.get(0)?;
        joined.growth = r.get::<_, i64>(1)? - size_before;
    }
    Ok(joined)
}

/// Returns the size of the stored row with this key (see `size`), or `None` if there is no such row.
pub fn size_of(conn: &Connection, owner: Owner, key: &RowKey) -> Result<Option<u64>> {
    let sql = &sql::of(TableSpec::of(key.row_type), owner.scope()).size_and_hash;
    let mut stmt = conn.prepare_cached(sql)?;
    bind_owner(&mut stmt, owner)?.key(key)?;
    let mut rows = stmt.raw_query();
    Ok(rows.next()?.map(|r| r.get::<_, i64>(0)).transpose()?.map(i64::unsigned_abs))
}

/// Returns the row with this key. Returns `BadKey` if the text is not a key of that kind.
pub fn get(conn: &Connection, owner: Owner, key: &RowKey) -> Result<Option<Row>> {
    let mut stmt = conn.prepare_cached(&sql::of(TableSpec::of(key.row_type), owner.scope()).get)?;
    bind_owner(&mut stmt, owner)?.key(key)?;
    let mut rows = stmt.raw_query();
    rows.next()?.map(|r| read(key.row_type, r)).transpose()
}

/// Returns all rows of one kind, ordered by key.
pub fn all(conn: &Connection, owner: Owner, row_type: RowType) -> Result<Vec<Row>> {
    let mut found = Vec::new();
    each(conn, owner, row_type, |row| {
        found.push(row);
        Ok::<_, crate::Error>(())
    })?;
    Ok(found)
}

/// Passes all rows of one kind to `f`, ordered by key; stops at the first error.
pub fn each<E: From<crate::Error>>(
    conn: &Connection,
    owner: Owner,
    row_type: RowType,
    mut f: impl FnMut(Row) -> Result<(), E>,
) -> Result<(), E> {
    let sql = sql::of(TableSpec::of(row_type), owner.scope());
    let mut stmt = conn.prepare_cached(&sql.all).map_err(crate::Error::from)?;
    bind_owner(&mut stmt, owner)?;
    let mut rows = stmt.raw_query();
    while let Some(row) = rows.next().map_err(crate::Error::from)? {
        f(read(row_type, row)?)?;
    }
    Ok(())
}

/// Returns the keys of all rows of one kind, in order.
pub fn keys(conn: &Connection, owner: Owner, row_type: RowType) -> Result<Vec<RowKey>> {
    let mut stmt = conn.prepare_cached(&sql::of(TableSpec::of(row_type), owner.scope()).keys)?;
    bind_owner(&mut stmt, owner)?;
    let mut rows = stmt.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_key(row_type, row)?);
    }
    Ok(found)
}

/// Returns the rows of one kind that match a clause: `query::<Progress>(conn, "WHERE item = ?1 ORDER BY kind",
/// [item])`.
///
/// The clause must not contain user input; on the server it must restrict `user_id`.
pub fn query<T: RowKind>(conn: &Connection, clause: &str, params: impl Params) -> Result<Vec<T>> {
    let select = &sql::of(TableSpec::of(T::TYPE), Scope::Client).select;
    let mut stmt = conn.prepare_cached(&format!("{select}{clause}"))?;
    let mut rows = stmt.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(T::try_from(read(T::TYPE, row)?).ok());
    }
    Ok(found)
}

/// A page of changed rows, ordered by change number.
#[derive(Debug, Default)]
pub struct Page {
    pub rows: Vec<(u64, Row)>,
    /// More rows follow.
    pub more: bool,
}

/// Returns the rows of all kinds of a learner that changed after `since`, ordered by change number: at most `limit`
/// rows and about `max_bytes`, but at least one row. Server only.
///
/// The last number is the next cursor. Must be called inside a read transaction, because it runs several statements.
pub fn since(
    conn: &Connection,
    user: UserId,
    since: u64,
    limit: usize,
    max_bytes: usize,
) -> Result<Page> {
    // First only the change numbers, from the indices; one more than requested, to detect further rows.
    let mut order = Vec::new();
    let mut last = 0;
    let mut stmt = conn.prepare_cached(&sql::CHANGED)?;
    let max_rows = stored_usn(limit as u64).saturating_add(1);
    let mut changed = stmt.query((user.0.as_bytes().as_slice(), stored_usn(since), max_rows))?;
    let mut more = false;
    while let Some(row) = changed.next()? {
        if order.len() == limit {
            more = true;
            break;
        }
        order.push(usize::from(row.get::<_, u8>(0)?));
        last = row.get(1)?;
    }
    drop(changed);
    // Then one statement for each table with rows in the page. Rows are read in the order of the numbers, so that only
    // rows of the page are read.
    let mut pages: Vec<Option<CachedStatement<'_>>> = Vec::with_capacity(SPECS.len());
    for (table, spec) in SPECS.iter().enumerate() {
        let is_in_page = order.contains(&table);
        let page = &sql::of(spec, Scope::Server).page;
        let mut stmt = is_in_page.then(|| conn.prepare_cached(page)).transpose()?;
        if let Some(stmt) = &mut stmt {
            bind_owner(stmt, Owner::Server(user))?.int(stored_usn(since))?.int(last)?;
        }
        pages.push(stmt);
    }
    let mut pages: Vec<_> = pages.iter_mut().map(|s| s.as_mut().map(|s| s.raw_query())).collect();
    let mut page = Page { rows: Vec::with_capacity(order.len()), more };
    let mut bytes = 0;
    for table in order {
        let Some(row) = pages[table].as_mut().map(|p| p.next()).transpose()?.flatten() else {
            continue;
        };
        let spec = &SPECS[table];
        let columns = spec.columns().count();
        for i in 0..columns {
            bytes += match row.get_ref(i)? {
                ValueRef::Text(b) | ValueRef::Blob(b) => b.len(),
                _ => 8,
            };
        }
        if bytes > max_bytes && !page.rows.is_empty() {
            page.more = true;
            break;
        }
        let usn: i64 = row.get(columns)?;
        page.rows.push((usn.unsigned_abs(), read(spec.row_type, row)?));
    }
    Ok(page)
}

/// Returns the greatest change number among a learner's rows; 0 if there are none. Server only.
pub fn last_usn(conn: &Connection, user: UserId) -> Result<u64> {
    let mut last = 0;
    for spec in &SPECS {
        let sql =
            format!("SELECT usn FROM {} WHERE user_id = ?1 ORDER BY usn DESC LIMIT 1", spec.table);
        let mut stmt = conn.prepare_cached(&sql)?;
        let usn: Option<i64> =
            stmt.query_row([user.0.as_bytes().as_slice()], |r| r.get(0)).optional()?;
        last = last.max(usn.unwrap_or(0).unsigned_abs());
    }
    Ok(last)
}

fn bind_all(stmt: &mut CachedStatement<'_>, owner: Owner, row: &Row, usn: u64) -> Result<usize> {
    let mut binder = bind_owner(stmt, owner)?;
    if owner.scope() == Scope::Server {
        binder.int(stored_usn(usn))?;
    }
    binder.row(row)
}

fn bind_owner<'a, 'c>(
    stmt: &'a mut CachedStatement<'c>,
    owner: Owner,
) -> Result<Binder<Parameters<'a, 'c>>> {
    let mut binder = Binder::new(stmt);
    if let Owner::Server(user) = owner {
        binder.uuid(user.0)?;
    }
    Ok(binder)
}

/// Converts a change number to a signed integer of SQL; a number that is too large becomes the maximum.
fn stored_usn(usn: u64) -> i64 {
    i64::try_from(usn).unwrap_or(i64::MAX)
}
