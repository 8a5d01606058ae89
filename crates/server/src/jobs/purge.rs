//! Deletes sign-ins whose tokens have all expired, and open grades to which no further answers are added.

use async_trait::async_trait;

use super::{HOUR_MS, Job};
use crate::{data_dir::DataDir, error::Error};

/// Maximum number of rows of each kind deleted in one transaction.
const BATCH: u32 = 1_000;

pub struct Purge;

#[async_trait]
impl Job for Purge {
    fn name(&self) -> &'static str {
        "purge"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(HOUR_MS)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        let now_ms = data.config.clock.now_ms();
        // After a failover or a recovery while the server runs.
        data.store.apply_erasures(now_ms).await?;
        let rows = data.store.purge_all(now_ms, BATCH).await?;
        Ok(format!("{rows} rows deleted"))
    }
}
