//! Rate limits that the processes of a database share: one row for each limit and key.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use carrel_store::{Burst, Counted, Result, SharedLimits, StoreError};
use deadpool_postgres::Object;
use tokio::{sync::RwLock, task::JoinHandle};

use crate::{cluster::Cluster, error, pool, tx::set_tenant_sql};

/// Number of events between two deletions of rows that say nothing any more.
const CLEANED_AFTER: u64 = 500;

/// Counts an event, unless the burst is used up. `$3`: the present time, `$4`: the time for one event, `$5`: the window. A
/// time of a clock that was ahead is replaced.
const TAKE: &str =
    "INSERT INTO rate_limit AS l (name, key, full_at_ms) VALUES ($1, $2, $3::int8 + $4::int8)
    ON CONFLICT (tenant, name, key) DO UPDATE SET full_at_ms = $4 + CASE
        WHEN l.full_at_ms BETWEEN $3 AND $3 + 2 * $5::int8 THEN l.full_at_ms ELSE $3 END
    WHERE l.full_at_ms + $4 - $3 <= $5 OR l.full_at_ms > $3 + 2 * $5
    RETURNING full_at_ms";

/// The limits of a tenant.
pub(crate) struct PgLimits {
    cluster: Arc<Cluster>,
    tenant: i32,
    count: AtomicU64,
    /// Read while a refund is being written.
    refunds: Arc<RwLock<()>>,
}

/// What is done to the count of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Take { now_ms: i64, is_cleaned: bool },
    Refund,
}

impl PgLimits {
    pub(crate) fn new(cluster: Arc<Cluster>, tenant: i32) -> Self {
        Self { cluster, tenant, count: AtomicU64::new(0), refunds: Arc::default() }
    }
    /// Starts a transaction, which ends even if the caller is cancelled: a connection with an open transaction must not
    /// return to the pool.
    fn start(&self, burst: Burst, key: &str, action: Action) -> JoinHandle<Result<Counted>> {
        let (pool, tenant) = (self.cluster.pool.clone(), self.tenant);
        let key = *blake3::hash(key.as_bytes()).as_bytes();
        self.cluster.handle.spawn(async move {
            let client = pool::connection(&pool).await?;
            let ended = run(&client, tenant, burst, &key, action).await;
            ended.map_err(|e| {
                drop(Object::take(client));
                error::of(&e)
            })
        })
    }
}

async fn run(
    client: &Object,
    tenant: i32,
    burst: Burst,
    key: &[u8],
    action: Action,
) -> std::result::Result<Counted, tokio_postgres::Error> {
    client.batch_execute(&format!("BEGIN; {}", set_tenant_sql(tenant))).await?;
    let counted = match action {
        Action::Take { now_ms, is_cleaned } => {
            if is_cleaned {
                let clean =
                    "DELETE FROM rate_limit WHERE tenant = current_tenant() AND full_at_ms < $1";
                client.execute(clean, &[&now_ms]).await?;
            }
            take(client, burst, key, now_ms).await?
        }
        Action::Refund => {
            let refund = "UPDATE rate_limit SET full_at_ms = full_at_ms - $3
                WHERE tenant = current_tenant() AND name = $1 AND key = $2";
            client.execute(refund, &[&burst.name, &key, &burst.interval_ms()]).await?;
            Counted::Yes { full_in_ms: 0 }
        }
    };
    client.batch_execute("COMMIT").await?;
    Ok(counted)
}

async fn take(
    client: &Object,
    burst: Burst,
    key: &[u8],
    now_ms: i64,
) -> std::result::Result<Counted, tokio_postgres::Error> {
    let take = client.prepare_cached(TAKE).await?;
    let interval_ms = burst.interval_ms();
    let counted = client
        .query_opt(&take, &[&burst.name, &key, &now_ms, &interval_ms, &burst.window_ms])
        .await?;
    if let Some(row) = counted {
        return Ok(Counted::Yes { full_in_ms: row.try_get::<_, i64>(0)? - now_ms });
    }
    let find = "SELECT full_at_ms FROM rate_limit
        WHERE tenant = current_tenant() AND name = $1 AND key = $2";
    let full_in_ms = match client.query_opt(find, &[&burst.name, &key]).await? {
        Some(row) => row.try_get::<_, i64>(0)? - now_ms,
        // Deleted meanwhile: the event can be repeated at once.
        None => 0,
    };
    Ok(Counted::No { full_in_ms })
}

#[async_trait]
impl SharedLimits for PgLimits {
    async fn take(&self, burst: Burst, key: &str, now_ms: i64) -> Result<Counted> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let is_cleaned = count % CLEANED_AFTER == CLEANED_AFTER - 1;
        let take = async || {
            let task = self.start(burst, key, Action::Take { now_ms, is_cleaned });
            task.await.map_err(|_| StoreError::closed())?
        };
        let counted = take().await?;
        if matches!(counted, Counted::No { .. }) && self.refunds.try_write().is_err() {
            // Refunds of this process count as soon as `refund` was called.
            drop(self.refunds.write().await);
            return take().await;
        }
        Ok(counted)
    }
    fn refund(&self, burst: Burst, key: &str) {
        let refunding = Arc::clone(&self.refunds).try_read_owned();
        let task = self.start(burst, key, Action::Refund);
        drop(self.cluster.handle.spawn(async move {
            // If it fails, the event counts until it refills.
            let _ = task.await;
            drop(refunding);
        }));
    }
}
