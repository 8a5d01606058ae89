//! Runs jobs in transactions, each on a blocking thread with a connection of its own.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use async_trait::async_trait;
use carrel_store::{Freshness, PoolUse, Result, StoreError, Transactions, TxJob};
use deadpool_postgres::{Object, Pool};
use tokio::runtime::Handle;

use crate::{cluster::Cluster, error, monitor::PoolCounts, pool, tx::PgTx};

/// Transactions of a tenant. Dropping it waits for the writes that were started.
pub(crate) struct PgTransactions {
    cluster: Arc<Cluster>,
    tenant: i32,
    writes: Arc<Running>,
}

/// Counts the writes and messages that were started and have not finished.
#[derive(Default)]
pub(crate) struct Running {
    count: Mutex<usize>,
    is_zero: Condvar,
}

/// A write or message that was started; dropping it marks it as finished.
pub(crate) struct Started(Arc<Running>);

impl Running {
    pub(crate) fn start(self: &Arc<Self>) -> Started {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Started(Arc::clone(self))
    }
    fn wait(&self) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *count > 0 {
            count = self.is_zero.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let mut count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count -= 1;
        if *count == 0 {
            self.0.is_zero.notify_all();
        }
    }
}

impl PgTransactions {
    pub(crate) fn new(cluster: Arc<Cluster>, tenant: i32, writes: Arc<Running>) -> Self {
        Self { cluster, tenant, writes }
    }
}

impl Drop for PgTransactions {
    fn drop(&mut self) {
        // The connections are tasks of the cluster's runtime, so the writes end although this thread waits.
        self.writes.wait();
    }
}

#[async_trait]
impl Transactions for PgTransactions {
    async fn read(&self, job: Box<dyn TxJob>) {
        let (pool, tenant) = (self.cluster.pool.clone(), self.tenant);
        let counts = Arc::clone(&self.cluster.counts);
        let task =
            self.cluster.handle.spawn(connect_and_run(pool, counts, tenant, job, Access::Read));
        // If the task fails, the job was dropped, which closes the reply channel of the caller.
        let _ = task.await;
    }
    fn has_replicas(&self) -> bool {
        !self.cluster.replicas.is_empty()
    }
    async fn read_replica(&self, job: Box<dyn TxJob>, freshness: Freshness) {
        let Some(replica) = self.cluster.replicas.choose() else { return self.read(job).await };
        let (pool, tenant) = (self.cluster.pool.clone(), self.tenant);
        let counts = Arc::clone(&self.cluster.counts);
        let task = self.cluster.handle.spawn(async move {
            if let Some(job) = replica.run(tenant, job, freshness).await {
                connect_and_run(pool, counts, tenant, job, Access::Read).await;
            }
        });
        // If the task fails, the job was dropped, which closes the reply channel of the caller.
        let _ = task.await;
    }
    fn pool(&self) -> Option<PoolUse> {
        let status = self.cluster.pool.status();
        Some(PoolUse {
            active: status.size.saturating_sub(status.available),
            idle: status.available,
            max: status.max_size,
            waiting: status.waiting,
        })
    }
    fn write(&self, job: Box<dyn TxJob>) {
        let (pool, tenant, started) = (self.cluster.pool.clone(), self.tenant, self.writes.start());
        let counts = Arc::clone(&self.cluster.counts);
        // Not awaited: a write is finished even if the caller is cancelled.
        drop(self.cluster.handle.spawn(async move {
            connect_and_run(pool, counts, tenant, job, Access::Write).await;
            drop(started);
        }));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Waits for a connection to the primary, and runs a job on it.
async fn connect_and_run(
    pool: Pool,
    counts: Arc<PoolCounts>,
    tenant: i32,
    job: Box<dyn TxJob>,
    access: Access,
) {
    counts.acquire(&pool);
    match pool::connection(&pool).await {
        Ok(client) => run(client, counts, tenant, job, access).await,
        Err(e) => job.finish(Err(e)),
    }
}

async fn run(
    client: Object,
    counts: Arc<PoolCounts>,
    tenant: i32,
    mut job: Box<dyn TxJob>,
    access: Access,
) {
    let handle = Handle::current();
    let _ = tokio::task::spawn_blocking(move || {
        let mut connection = Connection::new(client);
        let ended = match connection.client() {
            Some(client) => {
                let begin = || PgTx::begin(client, &handle, &counts, tenant, access);
                transaction(&handle, client, begin, job.as_mut(), access)
            }
            None => Err(StoreError::closed()),
        };
        if ended.is_ok() {
            connection.release();
        }
        drop(connection);
        job.finish(ended);
    })
    .await;
}

/// A connection in use. Unless it is released, it is closed: its transaction may still be open, after an error or a
/// panic.
pub(crate) struct Connection(Option<Object>);

impl Connection {
    pub(crate) fn new(client: Object) -> Self {
        Self(Some(client))
    }
    /// Returns the connection unless it was released.
    pub(crate) fn client(&self) -> Option<&Object> {
        self.0.as_ref()
    }
    pub(crate) fn release(&mut self) {
        drop(self.0.take());
    }
}
impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

/// Runs a job in a transaction. After an error the state of the transaction is unknown.
fn transaction<'c>(
    handle: &Handle,
    client: &'c Object,
    begin: impl FnOnce() -> Result<PgTx<'c>>,
    job: &mut dyn TxJob,
    access: Access,
) -> Result<()> {
    let execute = |sql: &str| handle.block_on(client.batch_execute(sql)).map_err(|e| error::of(&e));
    let tx = begin()?;
    if access == Access::Read {
        job.run(&tx);
        return execute("ROLLBACK");
    }
    if !job.run(&tx) {
        return execute("ROLLBACK");
    }
    tx.finish()?;
    // The reply may be lost after the commit. Merges are joins, so repeating them is safe.
    execute("COMMIT")
}
