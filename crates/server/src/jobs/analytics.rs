//! Stores the figures of learners whose rows changed, compares some of the stored figures with the rows, and writes
//! exports whose runs were interrupted.

use async_trait::async_trait;
use carrel_model::UserId;

use super::{HOUR_MS, Job};
use crate::{data_dir::DataDir, error::Error};

pub struct RefreshAnalytics;

#[async_trait]
impl Job for RefreshAnalytics {
    fn name(&self) -> &'static str {
        "analytics"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(60_000)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        let learners = data.store.refresh_analytics().await?;
        Ok(format!("figures of {learners} learners computed"))
    }
}

pub struct CheckAnalytics;

#[async_trait]
impl Job for CheckAnalytics {
    fn name(&self) -> &'static str {
        "check-analytics"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(24 * HOUR_MS)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        // Ids of learners are random, too.
        let pivot = UserId(carrel_store::new_id());
        Ok(data.store.check_analytics(pivot, data.config.clock.now_ms()).await?.summary())
    }
}

pub struct Exports;

#[async_trait]
impl Job for Exports {
    fn name(&self) -> &'static str {
        "exports"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(60_000)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        Ok(format!("{} exports run", data.store.run_exports(&data.config.clock).await?))
    }
}
