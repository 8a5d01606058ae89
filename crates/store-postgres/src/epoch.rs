//! The epoch is bound to the PostgreSQL cluster and its timeline. A recovery to a point in time and a failover lose
//! committed rows without a restore by this program, and both begin a timeline; a database of another cluster has
//! another identifier. Then all tenants get a new epoch, so that their devices compare their rows with the database.

use carrel_store::{Result, facts, new_id};
use tokio_postgres::Client;

use crate::{error, tx::EPOCH_LOCK};

/// The stored and the current cluster. The timeline is that of the log that is being written: `pg_control_checkpoint`
/// returns the old one until the first checkpoint after a failover, which may take minutes.
const CURRENT: &str = "SELECT (SELECT identity FROM cluster),
    (SELECT system_identifier FROM pg_control_system()) || '/' ||
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int";

const PUT: &str =
    "INSERT INTO server_fact (name, value) VALUES ($1, $2) ON CONFLICT (tenant, name) DO";

async fn current(client: &Client) -> Result<(Option<String>, String), tokio_postgres::Error> {
    let row = client.query_one(CURRENT, &[]).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Returns true if the epochs belong to the cluster of this connection.
pub(crate) async fn is_bound(client: &Client) -> Result<bool> {
    let (stored, now) = current(client).await.map_err(|e| error::of(&e))?;
    Ok(stored.as_ref() == Some(&now))
}

/// Replaces the epochs of all tenants if cluster or timeline changed.
pub(crate) async fn bind(owner: &Client) -> Result<()> {
    if is_bound(owner).await? {
        return Ok(());
    }
    replace(owner).await.map_err(|e| error::of(&e))
}

/// After an error, the transaction is open.
async fn replace(owner: &Client) -> Result<(), tokio_postgres::Error> {
    owner.batch_execute("BEGIN").await?;
    owner.execute("SELECT pg_advisory_xact_lock($1, 0)", &[&EPOCH_LOCK]).await?;
    // Read again under the lock: another process may have set it.
    let (stored, now) = current(owner).await?;
    let is_new_cluster = stored.as_ref().is_some_and(|stored| *stored != now);
    if is_new_cluster {
        let put = format!("{PUT} UPDATE SET value = excluded.value");
        for row in owner.query("SELECT id FROM tenant ORDER BY id", &[]).await? {
            set_tenant(owner, row.get(0)).await?;
            owner.execute(put.as_str(), &[&facts::EPOCH, &random()]).await?;
        }
    }
    let put = "INSERT INTO cluster (identity) VALUES ($1)
        ON CONFLICT (is_only) DO UPDATE SET identity = excluded.identity";
    owner.execute(put, &[&now]).await?;
    owner.batch_execute("COMMIT").await?;
    if is_new_cluster {
        tracing::warn!(
            cluster.before = stored,
            cluster.now = now,
            "another PostgreSQL cluster or timeline: new epoch, so that devices send what it lacks"
        );
    }
    Ok(())
}

/// Sets epoch and id of the server of a tenant if they are missing. Called in a transaction.
pub(crate) async fn complete(owner: &Client, tenant: i32) -> Result<()> {
    set_tenant(owner, tenant).await.map_err(|e| error::of(&e))?;
    let put = format!("{PUT} NOTHING");
    for fact in [facts::EPOCH, facts::SERVER_ID] {
        owner.execute(put.as_str(), &[&fact, &random()]).await.map_err(|e| error::of(&e))?;
    }
    Ok(())
}

/// Sets the tenant until the end of the transaction.
async fn set_tenant(owner: &Client, tenant: i32) -> Result<(), tokio_postgres::Error> {
    owner.batch_execute(&crate::tx::set_tenant_sql(tenant)).await
}

fn random() -> String {
    new_id().simple().to_string()
}
