//! The epoch is bound to the PostgreSQL cluster and its timeline. A recovery to a point in time and a failover lose
//! committed rows without a restore by this program, and both begin a timeline; a database of another cluster has
//! another identifier. Then the database gets a new epoch, so that all devices compare their rows with it.

use carrel_store::{Result, facts, new_id};
use tokio_postgres::Client;

use crate::{error, tx::EPOCH_LOCK};

/// Fact with the identifier and the timeline of the cluster to which the epoch belongs.
const CLUSTER: &str = "postgres_cluster";

/// The stored and the current cluster, and whether epoch and id of the server are stored.
const CURRENT: &str = "SELECT (SELECT value FROM server_fact WHERE name = $1),
    (SELECT system_identifier FROM pg_control_system()) || '/' ||
        (SELECT timeline_id FROM pg_control_checkpoint()),
    (SELECT count(*) FROM server_fact WHERE name IN ($2, $3)) = 2";

async fn current(client: &Client) -> Result<(Option<String>, String, bool), tokio_postgres::Error> {
    let row = client.query_one(CURRENT, &[&CLUSTER, &facts::EPOCH, &facts::SERVER_ID]).await?;
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}

/// Sets epoch and id of the server if they are missing, and replaces the epoch if cluster or timeline changed.
pub(crate) async fn bind(client: &Client) -> Result<()> {
    let (stored, now, is_complete) = current(client).await.map_err(|e| error::of(&e))?;
    if is_complete && stored.as_ref() == Some(&now) {
        return Ok(());
    }
    replace(client).await.map_err(|e| error::of(&e))
}

/// After an error, the transaction is open.
async fn replace(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("BEGIN").await?;
    client.execute("SELECT pg_advisory_xact_lock($1, 0)", &[&EPOCH_LOCK]).await?;
    // Read again under the lock: another process may have set it.
    let (stored, now, _) = current(client).await?;
    let is_new_cluster = stored.as_ref().is_some_and(|stored| *stored != now);
    let put = "INSERT INTO server_fact (name, value) VALUES ($1, $2) ON CONFLICT (name) DO";
    let put_missing = format!("{put} NOTHING");
    let put = format!("{put} UPDATE SET value = excluded.value");
    let random = || new_id().simple().to_string();
    if is_new_cluster {
        client.execute(put.as_str(), &[&facts::EPOCH, &random()]).await?;
    }
    client.execute(put_missing.as_str(), &[&facts::EPOCH, &random()]).await?;
    client.execute(put_missing.as_str(), &[&facts::SERVER_ID, &random()]).await?;
    client.execute(put.as_str(), &[&CLUSTER, &now]).await?;
    client.batch_execute("COMMIT").await?;
    if is_new_cluster {
        tracing::warn!(
            cluster.before = stored,
            cluster.now = now,
            "another PostgreSQL cluster or timeline: new epoch, so that devices send what it lacks"
        );
    }
    Ok(())
}
