//! Jobs: when they are due, and which process runs them.

use crate::Result;

/// A job as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    pub name: String,
    /// `i64::MAX`: the job runs only on request.
    pub due_ms: i64,
    /// Number of runs started since the last success.
    pub attempts: u32,
    /// The process that holds the lease; empty if none.
    pub worker: String,
    pub lease_until_ms: i64,
    pub started_ms: i64,
    /// Time of the last success; 0 if none.
    pub succeeded_ms: i64,
    /// Error of the last run; empty after a success.
    pub error: String,
}

pub trait JobTx {
    /// Returns all jobs, by name.
    fn jobs(&self) -> Result<Vec<JobRow>>;
    fn job(&self, name: &str) -> Result<Option<JobRow>>;
    fn put_job(&self, job: &JobRow) -> Result<()>;
    /// Returns the first of these jobs that is due and not leased. An engine with several writers must lock the job, and skip
    /// jobs locked by other transactions.
    fn due_job(&self, known: &[&str], now_ms: i64) -> Result<Option<JobRow>>;
}
