//! Jobs: when they are due, and who runs them.

use crate::store::Result;

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    pub name: String,
    /// `i64::MAX`: not by itself.
    pub due_ms: i64,
    /// Tries that were begun since the last success.
    pub attempts: u32,
    /// The process that runs it; empty for none.
    pub worker: String,
    pub lease_until_ms: i64,
    pub started_ms: i64,
    /// The last success; 0 for none.
    pub succeeded_ms: i64,
    /// Of the last try; empty after a success.
    pub error: String,
}

pub trait JobTx {
    /// All jobs, by name.
    fn jobs(&self) -> Result<Vec<JobRow>>;
    fn job(&self, name: &str) -> Result<Option<JobRow>>;
    fn put_job(&self, job: &JobRow) -> Result<()>;
    /// The first job that is due and that nobody has a lease of. An engine with several writers locks it, and skips those that others
    /// have locked.
    fn due_job(&self, now_ms: i64) -> Result<Option<JobRow>>;
}
