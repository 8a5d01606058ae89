//! The connection of a process to one database, shared by the tenants that the process has open: the pool, and the
//! runtime that runs its connections.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use carrel_store::{Result, StoreError};
use deadpool_postgres::Pool;
use tokio::runtime::{Handle, Runtime};
use tokio_postgres::Client;

use crate::{
    engine, epoch,
    messages::MessageHub,
    migrate,
    monitor::PoolCounts,
    pool,
    replicas::Replicas,
    roles,
    settings::{DatabaseUrl, PoolSettings},
};

/// Threads that run the connections. Transactions wait on other threads.
const WORKERS: usize = 2;
/// Threads besides those of transactions, for looking up the host.
const SPARE_THREADS: usize = 2;

/// A connected database. Dropping it closes the pool.
pub(crate) struct Cluster {
    runtime: Option<Runtime>,
    pub(crate) handle: Handle,
    pub(crate) pool: Pool,
    pub(crate) counts: Arc<PoolCounts>,
    pub(crate) replicas: Replicas,
    pub(crate) messages: MessageHub,
    /// Transactions run as a role that owns nothing.
    pub(crate) has_app_role: bool,
}

/// The cluster that the tenants of one engine share, while one of them is open.
pub(crate) type Shared = Arc<Mutex<Weak<Cluster>>>;

impl Cluster {
    /// Returns the open cluster or opens one: migrates the database and prepares the role of the transactions.
    pub(crate) fn open(
        shared: &Shared,
        url: &DatabaseUrl,
        settings: &PoolSettings,
        now_ms: i64,
    ) -> Result<Arc<Self>> {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = shared.upgrade() {
            return Ok(open);
        }
        let cluster = Arc::new(Self::connect(url, settings, now_ms)?);
        *shared = Arc::downgrade(&cluster);
        Ok(cluster)
    }

    fn connect(url: &DatabaseUrl, settings: &PoolSettings, now_ms: i64) -> Result<Self> {
        let max = settings.max.max(1);
        let threads = max * (1 + settings.replicas.len()) + SPARE_THREADS;
        let (role, runtime) = on_thread(threads, async || {
            let mut owner = pool::owner(url, settings).await?;
            engine::check(&owner).await?;
            let role = migrate::migrate(&mut owner, now_ms).await?;
            epoch::bind(&owner).await?;
            Ok(role)
        })?;
        let handle = runtime.handle().clone();
        let pool = pool::create(url, settings, role.as_deref())?;
        let counts = Arc::<PoolCounts>::default();
        let counted = Arc::clone(&counts);
        handle.spawn(pool::maintain(pool.clone(), url.clone(), settings.clone(), counted));
        tracing::info!(
            database = %url,
            pool.max = settings.max,
            replicas = settings.replicas.len(),
            role = role.as_deref().unwrap_or("the owner"),
            "PostgreSQL"
        );
        let replicas = Replicas::open(&handle, url, settings, role.as_deref())?;
        let messages = MessageHub::new(handle.clone(), pool.clone(), url.clone(), settings.clone());
        let has_app_role = role.is_some();
        Ok(Self { runtime: Some(runtime), handle, pool, counts, replicas, messages, has_app_role })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.pool.close();
        self.replicas.close();
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed on a thread that runs async tasks.
            runtime.shutdown_background();
        }
    }
}

/// Runs `f` with a connection as the user of the URL, on a runtime of its own.
pub(crate) fn with_owner<T: Send>(
    url: &DatabaseUrl,
    settings: &PoolSettings,
    f: impl AsyncFnOnce(&Client) -> Result<T> + Send,
) -> Result<T> {
    let (value, runtime) = on_thread(SPARE_THREADS, async || {
        let owner = pool::owner(url, settings).await?;
        f(&owner).await
    })?;
    runtime.shutdown_background();
    Ok(value)
}

/// Runs `f` on a new runtime on another thread: the caller may be a thread that runs async tasks, on which waiting is not
/// allowed.
fn on_thread<T: Send>(
    blocking_threads: usize,
    f: impl AsyncFnOnce() -> Result<T> + Send,
) -> Result<(T, Runtime)> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            // One for each connection, so that no transaction waits for a thread with its connection.
            .max_blocking_threads(blocking_threads)
            .thread_name("carrel-postgres")
            .enable_all()
            .build()
            .map_err(|e| StoreError::Internal(format!("PostgreSQL: {e}").into()))?;
        match runtime.block_on(f()) {
            Ok(value) => Ok((value, runtime)),
            Err(e) => {
                runtime.shutdown_background();
                Err(e)
            }
        }
    };
    let result = std::thread::scope(|scope| scope.spawn(run).join());
    result.unwrap_or_else(|_| Err(StoreError::closed()))
}

/// Returns the id of a tenant, which is added if the database has none with this name.
pub(crate) async fn tenant(owner: &Client, name: &str, now_ms: i64) -> Result<i32> {
    let sql = |e: tokio_postgres::Error| crate::error::of(&e);
    owner.batch_execute("BEGIN").await.map_err(sql)?;
    roles::lock(owner).await?;
    let found = owner.query_opt("SELECT id FROM tenant WHERE name = $1", &[&name]).await;
    let id = match found.map_err(sql)? {
        Some(row) => row.get(0),
        None => {
            let insert = "INSERT INTO tenant (id, name, created_ms)
                SELECT max(id) + 1, $1, $2 FROM tenant RETURNING id";
            owner.query_one(insert, &[&name, &now_ms]).await.map_err(sql)?.get(0)
        }
    };
    epoch::complete(owner, id).await?;
    owner.batch_execute("COMMIT").await.map_err(sql)?;
    Ok(id)
}
