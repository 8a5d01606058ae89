//! Runs uploads whose runs were interrupted by the end of a process.

use async_trait::async_trait;

use super::Job;
use crate::{data_dir::DataDir, error::Error, uploads};

pub struct Uploads;

#[async_trait]
impl Job for Uploads {
    fn name(&self) -> &'static str {
        "uploads"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(60_000)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        Ok(format!("{} uploads run", uploads::run_interrupted(data).await?))
    }
}
