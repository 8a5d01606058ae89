//! Deletes blobs that no publication has referenced for some time, and files left by a killed import. Blobs of a
//! replaced version are kept for that time, because devices may still be downloading it.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;

use super::{HOUR_MS, Job};
use crate::{
    data_dir::DataDir,
    error::{Error, io},
};

pub struct CleanUp {
    pub keep_hours: u32,
}

#[async_trait]
impl Job for CleanUp {
    fn name(&self) -> &'static str {
        "clean-up"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(24 * HOUR_MS)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        // An import does not write blobs that are already stored, so none may be removed while it runs.
        let Some(lock) = data.lock_blobs()? else {
            return Err(Error::Refused("an import is running".into()));
        };
        let now_ms = data.config.clock.now_ms();
        let before_ms = now_ms.saturating_sub(i64::from(self.keep_hours.max(1)) * HOUR_MS);
        data.store.delete_unused_blobs(now_ms, before_ms).await?;
        let keep: HashSet<_> = data.store.blobs().await?.into_iter().map(|b| b.hash).collect();
        let blobs = Arc::clone(&data.blobs);
        let removed = tokio::task::spawn_blocking(move || {
            let removed = blobs.remove_others(&keep, before_ms);
            drop(lock);
            removed
        });
        let removed = removed
            .await
            .map_err(|e| Error::Refused(e.to_string()))?
            .map_err(io("clean up", &data.config.data_dir))?;
        Ok(format!("{} blobs removed ({} bytes)", removed.blobs, removed.bytes))
    }
}
