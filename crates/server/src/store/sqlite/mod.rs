//! The embedded engine: one file, one writing thread, a few readers, nothing on the async threads.
//!
//! Not here: the joins (`carrel_sqlite::rows`), the rules of HTTP.

pub(crate) mod account;
mod catalogue;
mod learner;
mod search;
mod writer;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use carrel_model::{
    BlobHash, DeviceId, Slug, UserId,
    content::ManifestBlob,
    lattice::{Progress, Row, Session},
    wire::SearchHit,
};
use carrel_sqlite::{Migrated, Migration, Options};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::{
    Account, Adopted, Adoption, Enrolled, Filter, Kind, Listed, NewAccount, NewSignIn, Presented,
    Publication, Published, Pushed, Quota, Redeem, Redeemed, Result, SignedIn, Store, StoreError,
};
use crate::tokens::AccountCertificate;
use writer::{Writer, log_slow};

/// The schema of a server database.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "rows",
        sql: include_str!("../../../../../migrations/server-sqlite/0001_rows.sql"),
    },
    Migration {
        number: 2,
        name: "server",
        sql: include_str!("../../../../../migrations/server-sqlite/0002_server.sql"),
    },
    Migration {
        number: 3,
        name: "accounts",
        sql: include_str!("../../../../../migrations/server-sqlite/0003_accounts.sql"),
    },
    Migration {
        number: 4,
        name: "limits",
        sql: include_str!("../../../../../migrations/server-sqlite/0004_limits.sql"),
    },
    Migration {
        number: 5,
        name: "attempt_limits",
        sql: include_str!("../../../../../migrations/server-sqlite/0005_attempt_limits.sql"),
    },
];

/// The name of the database file in the data folder.
pub const FILE: &str = "server.db";

/// See the module.
pub struct SqliteStore {
    writer: Writer,
    readers: Arc<Readers>,
    slow_ms: u64,
    token_salt: String,
    quota: Quota,
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
}

/// A reading connection that goes back to the pool, also out of a panic; its permit follows it, also when nobody waits any more.
struct Borrowed {
    conn: Option<Connection>,
    pool: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}
impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}

impl SqliteStore {
    /// Opens `server.db` in a data folder, makes or migrates it, and gives a new one its epoch. `readers` 0: by the number of cores.
    pub fn open(data_dir: &Path, readers: usize, slow_ms: u64, now_ms: i64) -> Result<Self> {
        let path = data_dir.join(FILE);
        let conn = open_file(&path, &data_dir.join("backups"), now_ms)?;
        account::purge(&conn, now_ms, None)?;
        let token_salt = fact(&conn, "token_salt")?.unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
        let count = if readers == 0 { (cores * 2).clamp(2, 8) } else { readers };
        let idle = (0..count)
            .map(|_| carrel_sqlite::open(&path, Options { cache_kib: 8192, ..Options::reader() }))
            .collect::<Result<Vec<_>, _>>()?;
        let writer = Writer::start(conn).map_err(|_| StoreError::Closed)?;
        let readers =
            Arc::new(Readers { idle: Mutex::new(idle), free: Arc::new(Semaphore::new(count)) });
        Ok(Self { writer, readers, slow_ms, token_salt, quota: Quota::default() })
    }

    /// The random text that all refresh tokens depend on; empty until all sign-ins were ended once.
    pub fn token_salt(&self) -> &str {
        &self.token_salt
    }
    /// The same store with another quota for each learner.
    pub fn with_quota(self, quota: Quota) -> Self {
        Self { quota, ..self }
    }

    /// Runs `f` in a read transaction: all its statements see one state of the database.
    async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        f: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit =
            Arc::clone(&self.readers.free).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let conn = self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let borrowed = Borrowed { conn, pool: Arc::clone(&self.readers), _permit: permit };
        let slow_ms = self.slow_ms;
        tokio::task::spawn_blocking(move || {
            let conn = borrowed.conn.as_ref().ok_or(StoreError::Closed)?;
            let start = crate::clock::stopwatch();
            // Rolled back when it is dropped, also by a panic: the connection goes back to the pool without a transaction.
            let snapshot = conn.unchecked_transaction()?;
            let result = f(&snapshot);
            drop(snapshot);
            log_slow(name, start, slow_ms);
            result
        })
        .await
        .map_err(|_| StoreError::Closed)?
    }

    async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        f: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(name, self.slow_ms, f).await
    }
}

/// Opens and migrates the file, and makes sure that it has an epoch.
pub(crate) fn open_file(path: &Path, backups: &Path, now_ms: i64) -> Result<Connection> {
    let mut conn =
        carrel_sqlite::open(path, Options { cache_kib: 32 * 1024, ..Options::default() })?;
    let Migrated { from, .. } =
        carrel_sqlite::migrate(&mut conn, MIGRATIONS, Some(backups), now_ms)?;
    account::migrate_login_keys(&mut conn)?;
    if from == 0 {
        set_epoch(&conn)?;
    }
    // A database of an earlier release gets its id at the first start.
    conn.execute(
        "INSERT OR IGNORE INTO server_fact (name, value) VALUES ('server_id', ?1)",
        [crate::clock::new_id().simple().to_string()],
    )?;
    Ok(conn)
}

/// Gives the database a new random epoch: devices then pull from 0 and send everything they have.
pub(crate) fn set_epoch(conn: &Connection) -> Result<String> {
    let epoch = crate::clock::new_id().simple().to_string();
    conn.execute(
        "INSERT OR REPLACE INTO server_fact (name, value) VALUES ('epoch', ?1)",
        [&epoch],
    )?;
    Ok(epoch)
}

pub(crate) fn fact(conn: &Connection, name: &'static str) -> Result<Option<String>> {
    let mut stmt = conn.prepare_cached("SELECT value FROM server_fact WHERE name = ?1")?;
    Ok(stmt.query_row([name], |r| r.get(0)).optional()?)
}

pub(super) fn unreadable(what: &'static str, problem: impl ToString) -> StoreError {
    StoreError::Unreadable { what, problem: problem.to_string() }
}

#[async_trait]
impl Store for SqliteStore {
    async fn epoch(&self) -> Result<String> {
        self.read("epoch", |c| {
            fact(c, "epoch")?.ok_or_else(|| unreadable("epoch", "there is none"))
        })
        .await
    }
    async fn server_id(&self) -> Result<String> {
        self.read("server_id", |c| {
            fact(c, "server_id")?.ok_or_else(|| unreadable("server_id", "there is none"))
        })
        .await
    }
    async fn add_account(
        &self,
        account: NewAccount,
        sign_in: Option<NewSignIn>,
        now_ms: i64,
    ) -> Result<()> {
        self.write("add_account", move |c| {
            account::add(c, &account, now_ms)?;
            sign_in.map_or(Ok(()), |s| account::open_sign_in(c, &s, now_ms))
        })
        .await
    }
    async fn account(&self, login: &str, device: Option<DeviceId>) -> Result<Option<Account>> {
        let login = login.to_owned();
        self.read("account", move |c| account::by_login(c, &login, device)).await
    }
    async fn account_by_id(&self, id: UserId) -> Result<Option<Account>> {
        self.read("account_by_id", move |c| account::by_id(c, id)).await
    }
    async fn set_password(&self, id: UserId, password: String) -> Result<()> {
        self.write("set_password", move |c| account::set_password(c, id, &password)).await
    }
    async fn recreate_account(
        &self,
        certificate: AccountCertificate,
        now_ms: i64,
    ) -> Result<Account> {
        self.write("recreate_account", move |c| account::recreate(c, &certificate, now_ms)).await
    }
    async fn adopt(&self, adoption: Adoption, now_ms: i64) -> Result<Adopted> {
        self.write("adopt", move |c| account::adopt(c, &adoption, now_ms)).await
    }
    async fn open_sign_in(&self, sign_in: NewSignIn, now_ms: i64) -> Result<()> {
        self.write("open_sign_in", move |c| account::open_sign_in(c, &sign_in, now_ms)).await
    }
    async fn redeem(&self, request: Redeem, now_ms: i64) -> Result<Redeemed> {
        self.write("redeem", move |c| account::redeem(c, &request, now_ms)).await
    }
    async fn signed_in(&self, access: [u8; 32], now_ms: i64) -> Result<Option<SignedIn>> {
        self.read("signed_in", move |c| account::signed_in(c, access, now_ms)).await
    }
    async fn sign_out(&self, presented: Presented, now_ms: i64) -> Result<Option<(UserId, Uuid)>> {
        self.write("sign_out", move |c| account::sign_out(c, &presented, now_ms)).await
    }

    async fn catalogue_revision(&self) -> Result<u64> {
        self.read("catalogue_revision", catalogue::revision).await
    }
    async fn publish(&self, publication: Publication, now_ms: i64) -> Result<()> {
        self.write("publish", move |c| catalogue::publish(c, &publication, now_ms)).await
    }
    async fn list(&self, kind: Kind, filter: Filter) -> Result<Listed<String>> {
        self.read("list", move |c| catalogue::list(c, kind, &filter)).await
    }
    async fn published(&self, kind: Kind, id: &Slug) -> Result<Option<Published>> {
        let id = id.clone();
        self.read("published", move |c| catalogue::published(c, kind, &id)).await
    }
    async fn search(&self, q: &str, offset: u64, limit: u32) -> Result<Listed<SearchHit>> {
        let q = q.to_owned();
        self.read("search", move |c| search::search(c, &q, offset, limit)).await
    }
    async fn blob(&self, hash: BlobHash) -> Result<Option<ManifestBlob>> {
        self.read("blob", move |c| catalogue::blob(c, hash)).await
    }
    async fn blobs(&self) -> Result<Vec<ManifestBlob>> {
        self.read("blobs", catalogue::blobs).await
    }

    async fn push(
        &self,
        user: UserId,
        rows: Vec<Row>,
        give_rows: bool,
        now_ms: i64,
    ) -> Result<Pushed> {
        let quota = self.quota;
        let (mut done, mut ungraded) = self
            .write("push", move |c| learner::push(c, user, &rows, give_rows, quota, now_ms))
            .await?;
        // Grading many attempts at once takes long: others write in between.
        while !ungraded.is_empty() {
            let more;
            (more, ungraded) = self
                .write("grade", move |c| learner::grade(c, user, ungraded, quota, now_ms))
                .await?;
            done.usn = more.usn;
            done.changed += more.changed;
            done.own_since = done.own_since.filter(|_| more.changed == 0);
        }
        Ok(done)
    }
    async fn pull(
        &self,
        user: UserId,
        since: u64,
        limit: u32,
        max_bytes: usize,
    ) -> Result<(Vec<(u64, Row)>, bool)> {
        self.read("pull", move |c| learner::pull(c, user, since, limit, max_bytes)).await
    }
    async fn usn(&self, user: UserId) -> Result<u64> {
        self.read("usn", move |c| learner::usn(c, user)).await
    }
    async fn progress(&self, user: UserId, root: &Slug) -> Result<(Vec<Progress>, Vec<Session>)> {
        let root = root.clone();
        self.read("progress", move |c| learner::progress(c, user, &root)).await
    }
    async fn enrol(
        &self,
        user: UserId,
        course: &Slug,
        device: DeviceId,
        wanted: bool,
        now_ms: i64,
    ) -> Result<Enrolled> {
        let (course, quota) = (course.clone(), self.quota);
        self.write("enrol", move |c| {
            learner::enrol(c, user, &course, device, wanted, quota, now_ms)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_statements_of_a_read_see_one_state() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), 1, 1_000, 1_790_000_000_000).unwrap();
        let path = dir.path().join(FILE);
        // Twice on the same connection: it goes back without a transaction, and the second read sees what was written before it.
        for seen in [0, 1] {
            let path = path.clone();
            let read = store.read("test", move |conn| {
                let sql = "SELECT count(*) FROM server_fact WHERE name LIKE 'test-%'";
                let count = || conn.query_row(sql, [], |r| r.get::<_, i64>(0));
                let first = count()?;
                let other = carrel_sqlite::open(&path, Options::default())?;
                let name = format!("test-{first}");
                other.execute("INSERT INTO server_fact (name, value) VALUES (?1, '')", [name])?;
                Ok((first, count()?))
            });
            assert_eq!(read.await.unwrap(), (seen, seen));
        }
    }
}
