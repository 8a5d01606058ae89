//! Sends the messages that wait.

use async_trait::async_trait;

use super::Job;
use crate::{data_dir::DataDir, error::Error, mail};

pub struct SendMail;

#[async_trait]
impl Job for SendMail {
    fn name(&self) -> &'static str {
        "mail"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(60_000)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        mail::send_due(data).await
    }
}
