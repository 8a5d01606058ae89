//! Operations on a whole database.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use carrel_store::{CopyMetadata, Engine, OpenOptions, Opened, Reason, Result, StoreError, facts};
use deadpool_postgres::Pool;
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use crate::{
    epoch, error,
    messages::PgMessages,
    migrate, pool,
    settings::{DatabaseUrl, PoolSettings},
    transactions::PgTransactions,
};

/// Threads that run the connections. Transactions wait on other threads.
const WORKERS: usize = 2;
/// Threads besides those of transactions, for looking up the host.
const SPARE_THREADS: usize = 2;

/// A database of a PostgreSQL server. The data folder contains the other files of the server.
#[derive(Debug, Clone)]
pub struct PostgresEngine {
    url: DatabaseUrl,
    settings: PoolSettings,
}

impl PostgresEngine {
    pub fn new(url: DatabaseUrl, settings: PoolSettings) -> Self {
        Self { url, settings }
    }

    /// Runs `f` with a pool on a runtime of its own, on another thread: the caller may be a thread that runs async
    /// tasks, on which waiting is not allowed.
    fn with_pool<T: Send>(
        &self,
        is_migrated: &Arc<AtomicBool>,
        f: impl AsyncFnOnce(&Pool) -> Result<T> + Send,
    ) -> Result<(T, Runtime, Pool)> {
        let run = || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(WORKERS)
                // One for each connection, so that no transaction waits for a thread with its connection.
                .max_blocking_threads(self.settings.max.max(1) + SPARE_THREADS)
                .thread_name("carrel-postgres")
                .enable_all()
                .build()
                .map_err(|e| StoreError::Internal(format!("PostgreSQL: {e}").into()))?;
            let pool = pool::create(&self.url, &self.settings, Arc::clone(is_migrated))?;
            match runtime.block_on(f(&pool)) {
                Ok(value) => Ok((value, runtime, pool)),
                Err(e) => {
                    runtime.shutdown_background();
                    Err(e)
                }
            }
        };
        let result = std::thread::scope(|scope| scope.spawn(run).join());
        result.unwrap_or_else(|_| Err(StoreError::closed()))
    }

    fn with_client<T: Send>(&self, f: impl AsyncFnOnce(&Client) -> Result<T> + Send) -> Result<T> {
        let (value, runtime, _) =
            self.with_pool(&Arc::default(), async |pool: &Pool| -> Result<T> {
                let client = pool::connection(pool).await?;
                let client: &Client = &client;
                f(client).await
            })?;
        runtime.shutdown_background();
        Ok(value)
    }
}

/// Copies are made by PostgreSQL's own programs.
fn no_copies() -> StoreError {
    StoreError::Internal(Reason {
        message: "PostgreSQL: this release does not back up or restore a PostgreSQL database"
            .to_owned(),
        hint: "use pg_dump and pg_restore, and copy the data folder",
    })
}

impl Engine for PostgresEngine {
    fn name(&self) -> &'static str {
        "postgres"
    }
    fn is_shared(&self) -> bool {
        true
    }
    fn file(&self) -> &'static str {
        "server.dump"
    }
    fn side_files(&self) -> &'static [&'static str] {
        &[]
    }
    fn exists(&self, _folder: &Path) -> Result<bool> {
        self.with_client(async |client: &Client| -> Result<bool> {
            let has_table = "SELECT to_regclass('carrel.server_fact') IS NOT NULL";
            let row = client.query_one(has_table, &[]).await.map_err(|e| error::of(&e))?;
            if !row.get::<_, bool>(0) {
                return Ok(false);
            }
            let has_id = "SELECT EXISTS (SELECT 1 FROM server_fact WHERE name = $1)";
            let row = client.query_one(has_id, &[&facts::SERVER_ID]).await;
            Ok(row.map_err(|e| error::of(&e))?.get(0))
        })
    }
    fn open(&self, _folder: &Path, options: OpenOptions) -> Result<Opened> {
        let is_migrated = Arc::new(AtomicBool::new(false));
        let ready = Arc::clone(&is_migrated);
        let (token_salt, runtime, pool) =
            self.with_pool(&is_migrated, async |pool: &Pool| -> Result<String> {
                let client = pool::connection(pool).await?;
                check(&client).await?;
                migrate::migrate(&client, options.now_ms).await?;
                epoch::bind(&client).await?;
                ready.store(true, Ordering::Release);
                let sql = "SELECT value FROM server_fact WHERE name = $1";
                let row = client.query_opt(sql, &[&facts::TOKEN_SALT]).await;
                let row = row.map_err(|e| error::of(&e))?;
                Ok(row.map(|row| row.get::<_, String>(0)).unwrap_or_default())
            })?;
        runtime.spawn(pool::maintain(pool.clone(), self.settings.clone()));
        tracing::info!(database = %self.url, pool.max = self.settings.max, "PostgreSQL");
        let writes = Arc::default();
        let messages = PgMessages::new(
            runtime.handle().clone(),
            pool.clone(),
            Arc::clone(&writes),
            self.url.clone(),
            self.settings.clone(),
        );
        Ok(Opened {
            transactions: Box::new(PgTransactions::new(runtime, pool, writes)),
            messages: Some(Box::new(messages)),
            token_salt,
        })
    }
    fn copy(&self, _folder: &Path, _into: &Path) -> Result<()> {
        Err(no_copies())
    }
    fn copy_metadata(&self, _copy: &Path) -> Result<CopyMetadata> {
        Err(no_copies())
    }
    fn check_copy(&self, _copy: &Path) -> Result<()> {
        Err(no_copies())
    }
    fn prepare_restored(
        &self,
        _folder: &Path,
        _end_sign_ins: bool,
        _now_ms: i64,
    ) -> Result<String> {
        Err(no_copies())
    }
}

/// Refuses a server or a database that cannot store what this program writes.
async fn check(client: &Client) -> Result<()> {
    let sql =
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
        current_setting('server_encoding'), pg_is_in_recovery()";
    let row = client.query_one(sql, &[]).await.map_err(|e| error::of(&e))?;
    let (number, version): (i32, String) = (row.get(0), row.get(1));
    let (encoding, is_standby): (String, bool) = (row.get(2), row.get(3));
    let refused = |message: String, hint: &'static str| {
        Err(StoreError::Internal(Reason { message: format!("PostgreSQL: {message}"), hint }))
    };
    if number < MIN_VERSION {
        return refused(format!("version {version} is too old"), "use PostgreSQL 14 or later");
    }
    if encoding != "UTF8" {
        return refused(
            format!("the database has the encoding {encoding}"),
            "create it with createdb --encoding UTF8 --template template0 NAME",
        );
    }
    if is_standby {
        return Err(StoreError::Unavailable(Reason {
            message: "PostgreSQL: the server is a standby, which cannot be written".to_owned(),
            hint: "name the primary, or several hosts with target_session_attrs=read-write",
        }));
    }
    Ok(())
}

/// PostgreSQL 14, as in `server_version_num`.
const MIN_VERSION: i32 = 140_000;
