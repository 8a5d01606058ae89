//! Checks of the learners' rows and of the indices. Their reports are read with `jobs reports` and over the API.

use async_trait::async_trait;

use super::{HOUR_MS, Job};
use crate::{data_dir::DataDir, error::Error};

pub struct CheckRows;

#[async_trait]
impl Job for CheckRows {
    fn name(&self) -> &'static str {
        "check-rows"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(24 * HOUR_MS)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        Ok(data.store.check_rows(data.config.clock.now_ms()).await?.summary())
    }
}

pub struct CheckIndices;

#[async_trait]
impl Job for CheckIndices {
    fn name(&self) -> &'static str {
        "check-indices"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(7 * 24 * HOUR_MS)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        Ok(data.store.check_indices(data.config.clock.now_ms()).await?.summary())
    }
}
