//! Counts the enrolled learners of each course, which order the results of a search for courses.

use async_trait::async_trait;

use super::Job;
use crate::{data_dir::DataDir, error::Error};

pub struct CountLearners;

#[async_trait]
impl Job for CountLearners {
    fn name(&self) -> &'static str {
        "count-learners"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(5 * 60_000)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        Ok(format!("{} courses changed", data.store.count_learners().await?))
    }
}
