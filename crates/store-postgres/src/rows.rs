//! Learners' rows. They are changed under the lock of the learner's row: the stored rows are read, joined in Rust and
//! written back, each in one statement for a table. The tables are those of `carrel_sqlite::rows::SPECS`.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::LazyLock,
};

use carrel_model::{
    AttemptId, BlobHash, ItemId, Slug, UserId,
    lattice::{Join as _, Progress, Row, RowKey, RowKind, RowType, Session},
};
use carrel_sqlite::rows::{
    self as tables, Column, ColumnSink, ColumnSource, Kind, SPECS, TableSpec, Value,
};
use carrel_store::{
    Result, StoreError,
    tx::{JoinedRow, OpenGrade, RowTx, Usage},
};
use tokio_postgres::types::ToSql;

use crate::tx::{Params, PgTx, bytes, get, hash, text, user_id};

/// A learner whose row is locked, with the values to write before the commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Learner {
    user: UserId,
    usn: i64,
    usage: Usage,
    is_changed: bool,
}

/// Converts a change number to a signed integer of SQL; a number that is too large becomes the maximum.
fn stored_usn(usn: u64) -> i64 {
    i64::try_from(usn).unwrap_or(i64::MAX)
}

/// A stored value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// The columns of one row, in the order of `TableSpec::columns`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Columns(Vec<Owned>);

impl ColumnSink for Columns {
    fn push(&mut self, value: Value<'_>) -> carrel_sqlite::Result<()> {
        self.0.push(match value {
            Value::Int(n) => Owned::Int(n),
            Value::Text(text) => Owned::Text(text.to_owned()),
            Value::Blob(bytes) => Owned::Blob(bytes.to_vec()),
        });
        Ok(())
    }
}

/// Reads the columns of a result.
struct StoredRow<'r>(&'r tokio_postgres::Row, &'static TableSpec);

impl ColumnSource for StoredRow<'_> {
    fn column(&self, index: usize) -> Result<Value<'_>, String> {
        let kind = self.1.columns().nth(index).map_or(Kind::Int, |column| column.kind);
        let value = match kind {
            Kind::Int => self.0.try_get(index).map(Value::Int),
            Kind::Text => self.0.try_get(index).map(Value::Text),
            Kind::Uuid | Kind::Hash | Kind::MaybeUuid => self.0.try_get(index).map(Value::Blob),
        };
        value.map_err(|e| e.to_string())
    }
}

fn read(spec: &'static TableSpec, row: &tokio_postgres::Row) -> Result<Row> {
    Ok(tables::read(spec.row_type, &StoredRow(row, spec))?)
}

/// Returns the columns of a row and its size in bytes.
fn columns_of(row: &Row) -> Result<(Columns, usize)> {
    let mut columns = Columns::default();
    let size = tables::write(row, &mut columns)?;
    Ok((columns, size))
}

/// The statements of one table. `$1` is the user.
struct Statements {
    /// Binds arrays of the key columns.
    get_all: String,
    /// Binds arrays of all columns, and of the change numbers.
    put_all: String,
    /// Binds the key columns.
    get: String,
    exists: String,
    /// Rows with `$2 < usn <= $3`, in order; the change number is the last column.
    page: String,
    /// `SELECT columns FROM table`, to which clauses are appended.
    select: String,
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "int8",
        Kind::Text => "text",
        Kind::Uuid | Kind::Hash | Kind::MaybeUuid => "bytea",
    }
}

static STATEMENTS: LazyLock<Vec<Statements>> =
    LazyLock::new(|| SPECS.iter().map(statements).collect());

fn statements(spec: &TableSpec) -> Statements {
    let table = spec.table;
    let list = |columns: &[Column], prefix: &str| {
        columns.iter().map(|c| format!("{prefix}{}", c.name)).collect::<Vec<_>>().join(", ")
    };
    let all: Vec<Column> = spec.columns().collect();
    let arrays = |columns: &[Column]| {
        let one = |(c, place): (&Column, usize)| format!("${place}::{}[]", sql_type(c.kind));
        columns.iter().zip(2..).map(one).collect::<Vec<_>>().join(", ")
    };
    let (names, keys) = (list(&all, ""), list(spec.keys, ""));
    let by_key = |of: &dyn Fn(usize, &Column) -> String| {
        let conditions =
            spec.keys.iter().enumerate().map(|(i, c)| format!("t.{} = {}", c.name, of(i, c)));
        conditions.collect::<Vec<_>>().join(" AND ")
    };
    let (stored, place) =
        (by_key(&|_, c| format!("k.{}", c.name)), by_key(&|i, _| format!("${}", i + 2)));
    let mut set = String::new();
    for column in &all[spec.keys.len()..] {
        let _ = write!(set, "{0} = excluded.{0}, ", column.name);
    }
    Statements {
        // `OFFSET 0` makes the planner look up each key in the index. Joined directly, a plan that was made while the
        // table was small would read the whole table.
        get_all: format!(
            "SELECT {0} FROM unnest({1}) AS k ({keys}) CROSS JOIN LATERAL
             (SELECT {0} FROM {table} t WHERE t.user_id = $1 AND {stored} OFFSET 0) AS t",
            list(&all, "t."),
            arrays(spec.keys),
        ),
        put_all: format!(
            "INSERT INTO {table} (user_id, {names}, usn)
             SELECT $1::bytea, v.* FROM unnest({}, ${}::int8[]) AS v
             ON CONFLICT (tenant, user_id, {keys}) DO UPDATE SET {set}usn = excluded.usn",
            arrays(&all),
            all.len() + 2,
        ),
        get: format!("SELECT {} FROM {table} t WHERE t.user_id = $1 AND {place}", list(&all, "t.")),
        exists: format!("SELECT 1 FROM {table} t WHERE t.user_id = $1 AND {place}"),
        page: format!(
            "SELECT {names}, usn FROM {table} WHERE user_id = $1 AND usn > 0 AND usn > $2 AND usn <= $3
             ORDER BY usn"
        ),
        select: format!("SELECT {names} FROM {table} "),
    }
}

fn of(row_type: RowType) -> &'static Statements {
    &STATEMENTS[row_type as usize]
}

/// The next `$3` changes of user `$1` after `$2`: index of the table in `SPECS`, change number, size of the row.
static CHANGED: LazyLock<String> = LazyLock::new(|| {
    let arm = |(i, spec): (usize, &TableSpec)| {
        format!(
            "(SELECT {i} AS row_type, usn, ({})::int8 AS size FROM {}
              WHERE user_id = $1 AND usn > 0 AND usn > $2 ORDER BY usn LIMIT $3)",
            tables::size(spec),
            spec.table
        )
    };
    let arms: Vec<String> = SPECS.iter().enumerate().map(arm).collect();
    format!("{} ORDER BY usn LIMIT $3", arms.join(" UNION ALL "))
});

/// Arrays of the values of some columns of several rows.
enum Array {
    Ints(Vec<i64>),
    Texts(Vec<String>),
    Blobs(Vec<Vec<u8>>),
}

impl Array {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Int => Self::Ints(Vec::new()),
            Kind::Text => Self::Texts(Vec::new()),
            Kind::Uuid | Kind::Hash | Kind::MaybeUuid => Self::Blobs(Vec::new()),
        }
    }
    fn push(&mut self, value: Owned) -> Result<()> {
        match (self, value) {
            (Self::Ints(all), Owned::Int(n)) => all.push(n),
            (Self::Texts(all), Owned::Text(t)) => all.push(storable(t)?),
            (Self::Blobs(all), Owned::Blob(b)) => all.push(b),
            _ => return Err(StoreError::unreadable("row", "a column has another type")),
        }
        Ok(())
    }
    fn parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Ints(all) => all,
            Self::Texts(all) => all,
            Self::Blobs(all) => all,
        }
    }
}

/// Returns the text, unless it contains NUL: validation refuses such a row before the transaction.
fn storable(text: String) -> Result<String> {
    if text.contains('\0') {
        let message = "a text of a row contains the character NUL, which cannot be stored";
        return Err(StoreError::Internal(message.to_owned().into()));
    }
    Ok(text)
}

fn arrays<'a>(
    columns: impl Iterator<Item = &'a Column>,
    rows: impl Iterator<Item = Columns>,
) -> Result<Vec<Array>> {
    let mut arrays: Vec<Array> = columns.map(|c| Array::new(c.kind)).collect();
    for row in rows {
        for (array, value) in arrays.iter_mut().zip(row.0) {
            array.push(value)?;
        }
    }
    Ok(arrays)
}

/// Values for the placeholders of one key.
fn key_values(key: &RowKey) -> Result<Option<Columns>> {
    let mut values = Columns::default();
    tables::write_key(key, &mut values)?;
    let has_nul = values.0.iter().any(|v| matches!(v, Owned::Text(t) if t.contains('\0')));
    Ok((!has_nul).then_some(values))
}

fn parameter(value: &Owned) -> &(dyn ToSql + Sync) {
    match value {
        Owned::Int(n) => n,
        Owned::Text(text) => text,
        Owned::Blob(bytes) => bytes,
    }
}

/// A row of a batch: as stored, or as it will be.
struct Merged {
    row: Row,
    columns: Columns,
    size: usize,
    /// The change number to write with the row; `None` if it did not change.
    usn: Option<i64>,
}

impl PgTx<'_> {
    /// Returns the learner's change number and usage; in a transaction that writes, locks the learner's row first.
    fn learner(&self, user: UserId) -> Result<Option<Learner>> {
        if let Some(known) = self.learner.borrow().filter(|known| known.user == user) {
            return Ok(Some(known));
        }
        self.write_learner()?;
        let sql = format!(
            "SELECT usn, row_count, row_bytes FROM learner WHERE user_id = $1{}",
            self.for_update()
        );
        let Some(row) = self.query_opt(&sql, &[&bytes(&user.0)])? else { return Ok(None) };
        let usage = Usage { rows: get(&row, 1)?, bytes: get(&row, 2)? };
        let found = Learner { user, usn: get(&row, 0)?, usage, is_changed: false };
        *self.learner.borrow_mut() = Some(found);
        Ok(Some(found))
    }
    fn change_learner(&self, user: UserId, change: impl FnOnce(&mut Learner)) -> Result<()> {
        if let Some(mut learner) = self.learner(user)? {
            change(&mut learner);
            learner.is_changed = true;
            *self.learner.borrow_mut() = Some(learner);
        }
        Ok(())
    }
    /// Writes the changed values of the learner.
    pub(crate) fn write_learner(&self) -> Result<()> {
        let Some(learner) = self.learner.take().filter(|learner| learner.is_changed) else {
            return Ok(());
        };
        let Learner { user, usn, usage, .. } = learner;
        self.execute(
            "UPDATE learner SET usn = $2, row_count = $3, row_bytes = $4 WHERE user_id = $1",
            &[&bytes(&user.0), &usn, &usage.rows, &usage.bytes],
        )?;
        Ok(())
    }

    fn by_key(&self, sql: &str, user: UserId, key: &RowKey) -> Result<Option<tokio_postgres::Row>> {
        let Some(values) = key_values(key)? else { return Ok(None) };
        let user = bytes(&user.0);
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&user];
        params.extend(values.0.iter().map(parameter));
        self.query_opt(sql, &params)
    }

    /// Reads the stored rows with these keys, which are of one kind.
    fn stored(&self, user: UserId, keys: impl Iterator<Item = RowKey>) -> Result<Vec<Row>> {
        let mut keys = keys.peekable();
        let Some(first) = keys.peek() else { return Ok(Vec::new()) };
        let spec = TableSpec::of(first.row_type);
        let keys = keys.map(|key| {
            let mut values = Columns::default();
            tables::write_key(&key, &mut values).map(|()| values)
        });
        let keys: Vec<Columns> = keys.collect::<carrel_sqlite::Result<_>>()?;
        let arrays = arrays(spec.keys.iter(), keys.into_iter())?;
        let user = bytes(&user.0);
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&user];
        params.extend(arrays.iter().map(Array::parameter));
        let found = self.query(&of(spec.row_type).get_all, &params)?;
        found.iter().map(|row| read(spec, row)).collect()
    }

    /// Joins rows of one kind in order with the stored ones, and writes those that changed.
    fn join_run(
        &self,
        user: UserId,
        rows: &[Row],
        usn: &mut i64,
        allow: impl Fn(&JoinedRow) -> bool,
    ) -> Result<Vec<JoinedRow>> {
        let mut merged = HashMap::with_capacity(rows.len());
        for row in self.stored(user, rows.iter().map(Row::key))? {
            let (columns, size) = columns_of(&row)?;
            merged.insert(row.key(), Merged { row, columns, size, usn: None });
        }
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let (sent, sent_size) = columns_of(row)?;
            let joined = match merged.get_mut(&row.key()) {
                None => JoinedRow {
                    changed: true,
                    as_sent: true,
                    added: true,
                    payload_conflict: false,
                    growth: sent_size as i64,
                },
                Some(before) => {
                    let mut after = before.row.clone();
                    after.join(row);
                    let (columns, size) = columns_of(&after)?;
                    let changed = columns != before.columns;
                    let joined = JoinedRow {
                        changed,
                        as_sent: changed && columns == sent,
                        added: false,
                        payload_conflict: tables::payload_hash(row)
                            != tables::payload_hash(&before.row),
                        growth: if changed { size as i64 - before.size as i64 } else { 0 },
                    };
                    if changed && allow(&joined) {
                        *usn += 1;
                        *before = Merged { row: after, columns, size, usn: Some(*usn) };
                    }
                    joined
                }
            };
            if joined.added && allow(&joined) {
                *usn += 1;
                let new =
                    Merged { row: row.clone(), columns: sent, size: sent_size, usn: Some(*usn) };
                merged.insert(row.key(), new);
            }
            all.push(joined);
        }
        self.put_all(user, merged.into_values().filter(|row| row.usn.is_some()).collect())?;
        Ok(all)
    }

    fn put_all(&self, user: UserId, mut rows: Vec<Merged>) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let spec = TableSpec::of(first.row.row_type());
        rows.sort_by_key(|row| row.usn);
        let usns: Vec<i64> = rows.iter().filter_map(|row| row.usn).collect();
        let columns: Vec<Column> = spec.columns().collect();
        let arrays = arrays(columns.iter(), rows.into_iter().map(|row| row.columns))?;
        let user = bytes(&user.0);
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&user];
        params.extend(arrays.iter().map(Array::parameter));
        params.push(&usns);
        self.execute(&of(spec.row_type).put_all, &params)?;
        Ok(())
    }

    pub(crate) fn select<T: RowKind>(&self, clause: &str, params: &Params<'_>) -> Result<Vec<T>> {
        let spec = TableSpec::of(T::TYPE);
        let found = self.query(&format!("{}{clause}", of(T::TYPE).select), params)?;
        let rows = found.iter().map(|row| read(spec, row));
        let rows: Vec<Row> = rows.collect::<Result<_>>()?;
        Ok(rows.into_iter().filter_map(|row| T::try_from(row).ok()).collect())
    }
    /// Returns the rows of one kind of many learners. `clause` follows the condition on the learner.
    pub(crate) fn select_of_users<T: RowKind>(
        &self,
        clause: &str,
        users: &[&[u8]],
    ) -> Result<Vec<(UserId, T)>> {
        let spec = TableSpec::of(T::TYPE);
        let names: Vec<&str> = spec.columns().map(|column| column.name).collect();
        let (table, last) = (spec.table, names.len());
        let names = names.join(", ");
        let sql = format!("SELECT {names}, user_id FROM {table} WHERE user_id = ANY($1){clause}");
        let mut rows = Vec::new();
        for found in self.query(&sql, &[&users])? {
            if let Ok(row) = T::try_from(read(spec, &found)?) {
                rows.push((user_id(&found, last)?, row));
            }
        }
        Ok(rows)
    }
    pub(crate) fn count(&self, sql: &str, params: &Params<'_>) -> Result<usize> {
        let count = self.query_opt(sql, params)?.map_or(Ok(0), |row| get::<i64>(&row, 0))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

impl RowTx for PgTx<'_> {
    fn usn(&self, user: UserId) -> Result<Option<u64>> {
        Ok(self.learner(user)?.map(|learner| learner.usn.unsigned_abs()))
    }
    fn set_usn(&self, user: UserId, usn: u64) -> Result<()> {
        self.change_learner(user, |learner| learner.usn = stored_usn(usn))
    }
    fn usage(&self, user: UserId) -> Result<Usage> {
        Ok(self.learner(user)?.map(|learner| learner.usage).unwrap_or_default())
    }
    fn set_usage(&self, user: UserId, usage: Usage) -> Result<()> {
        self.change_learner(user, |learner| learner.usage = usage)
    }

    fn row(&self, user: UserId, key: &RowKey) -> Result<Option<Row>> {
        let found = self.by_key(&of(key.row_type).get, user, key)?;
        found.map(|row| read(TableSpec::of(key.row_type), &row)).transpose()
    }
    fn rows_with_keys(&self, user: UserId, keys: &[RowKey]) -> Result<HashMap<RowKey, Row>> {
        let mut by_type: BTreeMap<RowType, Vec<RowKey>> = BTreeMap::new();
        for key in keys {
            by_type.entry(key.row_type).or_default().push(key.clone());
        }
        let mut found = HashMap::with_capacity(keys.len());
        for keys in by_type.into_values() {
            found.extend(
                self.stored(user, keys.into_iter())?.into_iter().map(|row| (row.key(), row)),
            );
        }
        Ok(found)
    }
    fn has_row(&self, user: UserId, key: &RowKey) -> Result<bool> {
        Ok(self.by_key(&of(key.row_type).exists, user, key)?.is_some())
    }
    fn join(&self, user: UserId, rows: &[Row], usn: u64) -> Result<Vec<JoinedRow>> {
        // Also locks the learner's row if the caller has not.
        self.learner(user)?;
        let mut usn = stored_usn(usn);
        let mut all = Vec::with_capacity(rows.len());
        for run in rows.chunk_by(|a, b| a.row_type() == b.row_type()) {
            all.extend(self.join_run(user, run, &mut usn, |_| true)?);
        }
        Ok(all)
    }
    fn join_unless_larger(&self, user: UserId, row: &Row, usn: u64) -> Result<Option<JoinedRow>> {
        self.learner(user)?;
        let rows = std::slice::from_ref(row);
        let is_allowed = |joined: &JoinedRow| joined.growth <= 0;
        let joined = self.join_run(user, rows, &mut stored_usn(usn), is_allowed)?;
        Ok(joined.into_iter().next().filter(is_allowed))
    }

    fn rows_since(
        &self,
        user: UserId,
        since: u64,
        limit: u32,
        max_bytes: usize,
    ) -> Result<(Vec<(u64, Row)>, bool)> {
        let user = bytes(&user.0);
        let since = stored_usn(since);
        // One more than requested, to detect further rows.
        let changed = self.query(&CHANGED, &[&user, &since, &(i64::from(limit) + 1)])?;
        let mut order: Vec<(usize, i64)> = Vec::with_capacity(changed.len());
        let (mut more, mut size) = (false, 0_i64);
        for row in &changed {
            size = size.saturating_add(get(row, 2)?);
            let is_full = size > i64::try_from(max_bytes).unwrap_or(i64::MAX);
            if order.len() == limit as usize || (is_full && !order.is_empty()) {
                more = true;
                break;
            }
            order.push((get::<i32>(row, 0)?.unsigned_abs() as usize, get(row, 1)?));
        }
        let Some((_, last)) = order.last().copied() else { return Ok((Vec::new(), more)) };
        let mut rows = Vec::with_capacity(order.len());
        for (table, spec) in SPECS.iter().enumerate() {
            if !order.iter().any(|(of_table, _)| *of_table == table) {
                continue;
            }
            let columns = spec.columns().count();
            for found in self.query(&of(spec.row_type).page, &[&user, &since, &last])? {
                rows.push((get::<i64>(&found, columns)?.unsigned_abs(), read(spec, &found)?));
            }
        }
        rows.sort_by_key(|(usn, _)| *usn);
        Ok((rows, more))
    }
    fn progress_below(&self, user: UserId, root: &Slug) -> Result<(Vec<Progress>, Vec<Session>)> {
        // All items from `root/` up to but not including `root0` ('0' follows '/').
        let (from, to) = (format!("{root}/"), format!("{root}0"));
        let params: &Params<'_> = &[&bytes(&user.0), &root.as_str(), &from, &to];
        let filter = "WHERE user_id = $1 AND (item = $2 OR item >= $3 AND item < $4)";
        let progress = self.select(&format!("{filter} ORDER BY kind, item"), params)?;
        let sessions = self.select(&format!("{filter} ORDER BY started_ms, id"), params)?;
        Ok((progress, sessions))
    }

    fn quiz_of_attempt(&self, user: UserId, id: AttemptId) -> Result<Option<(ItemId, BlobHash)>> {
        let sql = "SELECT quiz, quiz_hash FROM attempt WHERE user_id = $1 AND id = $2";
        let found = self.query_opt(sql, &[&bytes(&user.0), &bytes(&id.0)])?;
        let Some(row) = found else { return Ok(None) };
        let quiz = ItemId::new(get::<String>(&row, 0)?);
        let quiz = quiz.map_err(|e| StoreError::unreadable("attempt", e))?;
        Ok(Some((quiz, hash(&row, 1)?)))
    }
    fn submitted_ms(&self, user: UserId, id: AttemptId) -> Result<Option<i64>> {
        let sql =
            "SELECT submitted_ms FROM attempt WHERE user_id = $1 AND id = $2 AND submitted_ms < $3";
        let params: &Params<'_> = &[&bytes(&user.0), &bytes(&id.0), &tables::NEVER];
        self.query_opt(sql, params)?.map(|row| get(&row, 0)).transpose()
    }
    fn count_answers(&self, user: UserId, id: AttemptId, max: usize) -> Result<usize> {
        let sql = "SELECT count(*) FROM
            (SELECT 1 FROM answer WHERE user_id = $1 AND attempt = $2 LIMIT $3) AS found";
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        self.count(sql, &[&bytes(&user.0), &bytes(&id.0), &max])
    }
    fn count_graded(&self, user: UserId, quiz: &ItemId, max: u32) -> Result<usize> {
        let sql = "SELECT count(*) FROM
            (SELECT 1 FROM graded_attempt WHERE user_id = $1 AND quiz = $2 LIMIT $3) AS found";
        self.count(sql, &[&bytes(&user.0), &quiz.as_str(), &i64::from(max)])
    }
    fn add_graded(&self, user: UserId, quiz: &ItemId, id: AttemptId) -> Result<bool> {
        let sql = "INSERT INTO graded_attempt (user_id, quiz, attempt) VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING";
        Ok(self.execute(sql, &[&bytes(&user.0), &quiz.as_str(), &bytes(&id.0)])? > 0)
    }
    fn open_grade(&self, user: UserId, id: AttemptId) -> Result<Option<OpenGrade>> {
        let sql = "SELECT first_ms, points FROM open_grade WHERE user_id = $1 AND attempt = $2";
        let Some(row) = self.query_opt(sql, &[&bytes(&user.0), &bytes(&id.0)])? else {
            return Ok(None);
        };
        let points = serde_json::from_str(get(&row, 1)?);
        let points = points.map_err(|e| StoreError::unreadable("grade", e))?;
        Ok(Some(OpenGrade { first_ms: get(&row, 0)?, points }))
    }
    fn put_open_grade(&self, user: UserId, id: AttemptId, grade: &OpenGrade) -> Result<()> {
        let points = serde_json::to_string(&grade.points);
        let points = points.map_err(|e| StoreError::unreadable("grade", e))?;
        self.execute(
            "INSERT INTO open_grade (user_id, attempt, first_ms, points) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, user_id, attempt)
             DO UPDATE SET first_ms = excluded.first_ms, points = excluded.points",
            &[&bytes(&user.0), &bytes(&id.0), &grade.first_ms, &text(&points)],
        )?;
        Ok(())
    }
    fn delete_open_grades(&self, first_ms: i64, max: Option<u32>) -> Result<u64> {
        // Rows that another transaction has locked are deleted by a later call.
        self.execute(
            "DELETE FROM open_grade WHERE (user_id, attempt) IN (SELECT user_id, attempt FROM open_grade
             WHERE first_ms < $1 ORDER BY first_ms LIMIT $2 FOR UPDATE SKIP LOCKED)",
            &[&first_ms, &max.map_or(i64::MAX, i64::from)],
        )
    }
}
