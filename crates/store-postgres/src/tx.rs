//! A transaction: executing statements, locks, and facts.
//!
//! Texts that people typed may contain the character NUL, which PostgreSQL cannot store: `text` replaces it.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap};

use carrel_model::{BlobHash, UserId};
use carrel_store::{CatalogueState, Result, StoreError, facts, tx::FactTx};
use carrel_system::SQL_TARGET;
use deadpool_postgres::Object;
use tokio::{runtime::Handle, time::Instant};
use tokio_postgres::{
    Row, SimpleQueryMessage,
    types::{FromSql, ToSql},
};
use uuid::Uuid;

use crate::{error, monitor::PoolCounts, rows::Learner, transactions::Access};

/// Classes of advisory locks; the second key is 0, or from an id.
pub(crate) const MIGRATION_LOCK: i32 = 0x6361_7201;
pub(crate) const EPOCH_LOCK: i32 = 0x6361_7202;

/// A lock of a transaction on data without a row that could be locked: before a row is inserted, its absence must not
/// change. Order: `SignIn`, `Accounts`, rows of `sign_in` and `enrolment_token`, the row of the learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Logins, ids of accounts, and adopted ids.
    Accounts,
    /// Publications, their blobs, and the revision of the catalogue.
    Catalogue,
    /// A sign-in that is not in the database.
    SignIn(Uuid),
}

impl Lock {
    fn keys(self, tenant: i32) -> (i32, i32) {
        match self {
            Self::Accounts => (0x6361_7203, tenant),
            Self::Catalogue => (0x6361_7204, tenant),
            Self::SignIn(id) => {
                let [a, b, c, d, ..] = *blake3::hash(id.as_bytes()).as_bytes();
                (0x6361_7205, i32::from_be_bytes([a, b, c, d]))
            }
        }
    }
}

pub(crate) type Params<'a> = [&'a (dyn ToSql + Sync)];

const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Returns the statement that sets the tenant until the end of the transaction.
pub(crate) fn set_tenant_sql(tenant: i32) -> String {
    format!("SET LOCAL carrel.tenant = '{tenant}'")
}

/// One transaction.
pub(crate) struct PgTx<'c> {
    client: &'c Object,
    handle: &'c Handle,
    counts: &'c PoolCounts,
    tenant: i32,
    access: Access,
    locks: RefCell<Vec<Lock>>,
    /// The error of a statement that failed: PostgreSQL commits nothing.
    failure: RefCell<Option<StoreError>>,
    /// The learner whose row is locked, with values that are written at the end.
    pub(crate) learner: RefCell<Option<Learner>>,
}

impl<'c> PgTx<'c> {
    /// Begins a transaction of a tenant.
    pub(crate) fn begin(
        client: &'c Object,
        handle: &'c Handle,
        counts: &'c PoolCounts,
        tenant: i32,
        access: Access,
    ) -> Result<Self> {
        let begin = match access {
            Access::Read => BEGIN_READ,
            Access::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        let sql = format!("{begin}; {}", set_tenant_sql(tenant));
        handle.block_on(client.batch_execute(&sql)).map_err(|e| error::of(&e))?;
        Ok(Self::new(client, handle, counts, tenant, access))
    }
    /// Begins a read transaction of a tenant on a replica, and returns the catalogue that the transaction sees.
    pub(crate) fn begin_on_replica(
        client: &'c Object,
        handle: &'c Handle,
        counts: &'c PoolCounts,
        tenant: i32,
    ) -> Result<(Self, CatalogueState)> {
        let [a, b, c] = CatalogueState::FACTS;
        // In one round trip.
        let sql = format!(
            "{BEGIN_READ}; {}; SELECT name, value FROM server_fact WHERE name IN ('{a}', '{b}', '{c}')",
            set_tenant_sql(tenant)
        );
        let found = handle.block_on(client.simple_query(&sql)).map_err(|e| error::of(&e))?;
        let facts = found.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((row.get(0)?, row.get(1)?)),
            _ => None,
        });
        let state = CatalogueState::of(facts);
        Ok((Self::new(client, handle, counts, tenant, Access::Read), state))
    }
    fn new(
        client: &'c Object,
        handle: &'c Handle,
        counts: &'c PoolCounts,
        tenant: i32,
        access: Access,
    ) -> Self {
        Self {
            client,
            handle,
            counts,
            tenant,
            access,
            locks: RefCell::default(),
            failure: RefCell::default(),
            learner: RefCell::default(),
        }
    }
    /// Returns the error of a statement that failed.
    pub(crate) fn failure(&self) -> Option<StoreError> {
        self.failure.borrow().clone()
    }
    pub(crate) fn is_write(&self) -> bool {
        self.access == Access::Write
    }
    /// Returns the clause that locks the rows of a query in a transaction that writes.
    pub(crate) fn for_update(&self) -> &'static str {
        if self.is_write() { " FOR UPDATE" } else { "" }
    }
    /// Ends a transaction that is to be committed.
    ///
    /// # Errors
    /// If a statement failed: PostgreSQL would answer COMMIT with a roll-back.
    pub(crate) fn finish(&self) -> Result<()> {
        self.write_learner()?;
        if self.failure.borrow().is_some() {
            let message = "not committed: a statement of the transaction failed".to_owned();
            return Err(StoreError::Internal(message.into()));
        }
        Ok(())
    }
    fn result<T>(&self, result: Result<T, tokio_postgres::Error>) -> Result<T> {
        result.map_err(|e| {
            let e = error::of(&e);
            *self.failure.borrow_mut() = Some(e.clone());
            e
        })
    }
    /// Runs a statement, and measures its duration.
    fn run<T>(
        &self,
        sql: &str,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        let _span = tracing::debug_span!(target: SQL_TARGET, "sql", db.query.text = sql).entered();
        let begun = Instant::now();
        let result = self.handle.block_on(statement);
        self.counts.statement(begun.elapsed());
        self.result(result)
    }
    pub(crate) fn query(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>> {
        self.run(sql, async {
            let statement = self.client.prepare_cached(sql).await?;
            self.client.query(&statement, params).await
        })
    }
    pub(crate) fn query_opt(&self, sql: &str, params: &Params<'_>) -> Result<Option<Row>> {
        self.query(sql, params).map(|rows| rows.into_iter().next())
    }
    pub(crate) fn exists(&self, sql: &str, params: &Params<'_>) -> Result<bool> {
        self.query_opt(sql, params).map(|row| row.is_some())
    }
    /// Returns the number of changed rows.
    pub(crate) fn execute(&self, sql: &str, params: &Params<'_>) -> Result<u64> {
        self.run(sql, async {
            let statement = self.client.prepare_cached(sql).await?;
            self.client.execute(&statement, params).await
        })
    }
    /// Takes a lock until the end of the transaction. Does nothing in a read transaction.
    pub(crate) fn lock(&self, lock: Lock) -> Result<()> {
        if !self.is_write() || self.locks.borrow().contains(&lock) {
            return Ok(());
        }
        let (class, key) = lock.keys(self.tenant);
        self.query("SELECT pg_advisory_xact_lock($1, $2)", &[&class, &key])?;
        self.locks.borrow_mut().push(lock);
        Ok(())
    }
    /// Runs `find`. In a transaction that writes, if it finds nothing, takes `lock` and runs it again, so that no other
    /// transaction can add what is missing.
    pub(crate) fn find_or_lock<T>(
        &self,
        lock: Lock,
        find: impl Fn() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let found = find()?;
        if found.is_some() || !self.is_write() {
            return Ok(found);
        }
        self.lock(lock)?;
        find()
    }
}

impl FactTx for PgTx<'_> {
    fn fact(&self, name: &'static str) -> Result<Option<String>> {
        if name == facts::CATALOGUE {
            self.lock(Lock::Catalogue)?;
        }
        let row = self.query_opt("SELECT value FROM server_fact WHERE name = $1", &[&name])?;
        row.map(|row| get(&row, 0)).transpose()
    }
    fn set_fact(&self, name: &'static str, value: &str) -> Result<()> {
        self.execute(
            "INSERT INTO server_fact (name, value) VALUES ($1, $2)
             ON CONFLICT (tenant, name) DO UPDATE SET value = excluded.value",
            &[&name, &text(value)],
        )?;
        Ok(())
    }
    fn facts(&self, names: &[&'static str]) -> Result<Vec<Option<String>>> {
        let sql = "SELECT name, value FROM server_fact WHERE name = ANY($1)";
        let mut found = BTreeMap::new();
        for row in self.query(sql, &[&names])? {
            found.insert(get::<String>(&row, 0)?, get::<String>(&row, 1)?);
        }
        Ok(names.iter().map(|name| found.remove(*name)).collect())
    }
}

/// Returns the text for a parameter: with U+FFFD in place of NUL.
pub(crate) fn text(value: &str) -> Cow<'_, str> {
    if value.contains('\0') { Cow::Owned(value.replace('\0', "\u{fffd}")) } else { value.into() }
}

/// Returns a column of a result.
pub(crate) fn get<'r, T: FromSql<'r>>(row: &'r Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(|e| {
        let name = row.columns().get(index).map_or("?", tokio_postgres::Column::name);
        StoreError::unreadable(name, error::of(&e))
    })
}

pub(crate) fn uuid(row: &Row, index: usize) -> Result<Uuid> {
    let bytes: &[u8] = get(row, index)?;
    Uuid::from_slice(bytes).map_err(|e| StoreError::unreadable("id", e))
}

pub(crate) fn user_id(row: &Row, index: usize) -> Result<UserId> {
    uuid(row, index).map(UserId)
}

pub(crate) fn hash(row: &Row, index: usize) -> Result<BlobHash> {
    let bytes: &[u8] = get(row, index)?;
    let hash = <[u8; 32]>::try_from(bytes);
    hash.map(BlobHash).map_err(|e| StoreError::unreadable("hash", e))
}

/// Returns the bytes of an id for a parameter.
pub(crate) fn bytes(id: &Uuid) -> &[u8] {
    id.as_bytes()
}
