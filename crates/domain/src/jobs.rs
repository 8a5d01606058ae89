//! Scheduling of jobs. Each job runs in one process at a time: a process leases a due job, extends the lease while
//! the job runs, and reports the result. If the process dies, the job can be leased again when the lease expires.
//!
//! What the jobs do is in `jobs`.

use crate::DomainResult;
use crate::store::{
    Store, StoreError,
    tx::{JobRow, Tx},
};

/// Duration of a lease that is not extended.
pub const LEASE_MS: i64 = 5 * 60_000;
/// Delay after the first failure; each further failure doubles it.
const MIN_BACKOFF_MS: i64 = 60_000;
const MAX_BACKOFF_MS: i64 = 6 * 3_600_000;
/// A job that has been due for longer is one of an earlier release.
const FORGOTTEN_AFTER_MS: i64 = 24 * 3_600_000;
/// Due time of jobs that run only on request.
const NEVER: i64 = i64::MAX;

/// Name of a job and its interval in ms (`None`: it runs only on request).
pub type Schedule = (&'static str, Option<i64>);

/// Result of leasing a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseResult {
    Ok(JobRow),
    /// No job has this name.
    Unknown,
    /// Another process holds the lease, which expires at `until_ms` unless it is extended.
    LeasedByOther {
        until_ms: i64,
    },
}

fn is_leased(job: &JobRow, now_ms: i64) -> bool {
    !job.worker.is_empty() && job.lease_until_ms > now_ms
}

fn lease(tx: &dyn Tx, job: JobRow, worker: &str, now_ms: i64) -> Result<JobRow, StoreError> {
    let job = JobRow {
        worker: worker.to_owned(),
        lease_until_ms: now_ms.saturating_add(LEASE_MS),
        started_ms: now_ms,
        attempts: job.attempts.saturating_add(1),
        ..job
    };
    tx.put_job(&job)?;
    Ok(job)
}

/// Returns the delay after this number of failed attempts.
fn backoff_ms(attempts: u32) -> i64 {
    let doublings = attempts.saturating_sub(1).min(20);
    (MIN_BACKOFF_MS << doublings).min(MAX_BACKOFF_MS)
}

impl Store {
    /// Applies a schedule to the stored jobs. New jobs are due at once. Other jobs that nobody has run for a day run only
    /// on request: until then, a process of a newer release may know them.
    pub async fn schedule_jobs(&self, schedule: Vec<Schedule>, now_ms: i64) -> DomainResult<()> {
        let write = self.write("schedule_jobs", move |tx| {
            for (name, every_ms) in &schedule {
                let stored = tx.job(name)?;
                let next_due_ms = match every_ms {
                    Some(every_ms) => now_ms.saturating_add(*every_ms),
                    None => NEVER,
                };
                let job = match stored {
                    // A shorter interval takes effect at once. A requested job stays due.
                    Some(job)
                        if job.due_ms <= next_due_ms
                            && (every_ms.is_some() || job.due_ms <= now_ms) =>
                    {
                        continue;
                    }
                    Some(job) => JobRow { due_ms: next_due_ms, ..job },
                    None => JobRow {
                        name: (*name).to_owned(),
                        due_ms: if every_ms.is_some() { now_ms } else { NEVER },
                        attempts: 0,
                        worker: String::new(),
                        lease_until_ms: 0,
                        started_ms: 0,
                        succeeded_ms: 0,
                        error: String::new(),
                    },
                };
                tx.put_job(&job)?;
            }
            for job in tx.jobs()? {
                let is_late = job.due_ms < now_ms.saturating_sub(FORGOTTEN_AFTER_MS);
                if !schedule.iter().any(|(name, _)| *name == job.name) && is_late {
                    tx.put_job(&JobRow { due_ms: NEVER, ..job })?;
                }
            }
            Ok::<_, StoreError>(())
        });
        Ok(write.await?)
    }
    pub async fn jobs(&self) -> DomainResult<Vec<JobRow>> {
        Ok(self.read("jobs", |tx| tx.jobs()).await?)
    }
    /// Leases the first due job to `worker`. `known`: the jobs that the process can run; a process of a newer release may
    /// have others.
    pub async fn lease_due_job(
        &self,
        worker: &str,
        known: &[&'static str],
        now_ms: i64,
    ) -> DomainResult<Option<JobRow>> {
        let (worker, known) = (worker.to_owned(), known.to_vec());
        let write = self.write("lease_due_job", move |tx| {
            let due = tx.due_job(&known, now_ms)?;
            due.map(|job| lease(tx, job, &worker, now_ms)).transpose()
        });
        Ok(write.await?)
    }
    /// Leases the named job to `worker`, due or not.
    pub async fn lease_job(
        &self,
        name: &str,
        worker: &str,
        now_ms: i64,
    ) -> DomainResult<LeaseResult> {
        let (name, worker) = (name.to_owned(), worker.to_owned());
        let write = self.write("lease_job", move |tx| {
            Ok::<_, StoreError>(match tx.job(&name)? {
                None => LeaseResult::Unknown,
                Some(job) if is_leased(&job, now_ms) => {
                    LeaseResult::LeasedByOther { until_ms: job.lease_until_ms }
                }
                Some(job) => LeaseResult::Ok(lease(tx, job, &worker, now_ms)?),
            })
        });
        Ok(write.await?)
    }
    /// Extends a lease. Returns false if `job.worker` no longer holds it.
    pub async fn extend_lease(&self, job: &JobRow, now_ms: i64) -> DomainResult<bool> {
        let (name, worker) = (job.name.clone(), job.worker.clone());
        let write = self.write("extend_lease", move |tx| {
            let Some(job) = tx.job(&name)?.filter(|j| j.worker == worker) else {
                return Ok::<_, StoreError>(false);
            };
            tx.put_job(&JobRow { lease_until_ms: now_ms.saturating_add(LEASE_MS), ..job })?;
            Ok(true)
        });
        Ok(write.await?)
    }
    /// Ends a lease with its result, and sets when the job is due again. Does nothing if `leased.worker` no longer
    /// holds it.
    pub async fn finish_job(
        &self,
        leased: &JobRow,
        every_ms: Option<i64>,
        result: Result<(), String>,
        now_ms: i64,
    ) -> DomainResult<()> {
        let leased = leased.clone();
        let write = self.write("finish_job", move |tx| {
            let Some(job) = tx.job(&leased.name)?.filter(|j| j.worker == leased.worker) else {
                return Ok::<_, StoreError>(());
            };
            let released = JobRow { worker: String::new(), lease_until_ms: 0, ..job };
            let next = every_ms.map_or(NEVER, |every_ms| now_ms.saturating_add(every_ms));
            tx.put_job(&match result {
                Ok(()) => JobRow {
                    due_ms: next,
                    attempts: 0,
                    succeeded_ms: now_ms,
                    error: String::new(),
                    ..released
                },
                Err(error) => JobRow {
                    due_ms: now_ms.saturating_add(backoff_ms(released.attempts)),
                    error,
                    ..released
                },
            })
        });
        Ok(write.await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_a_limit() {
        let minutes: Vec<i64> =
            [0, 1, 2, 3, 9, 10, u32::MAX].map(|n| backoff_ms(n) / 60_000).into();
        assert_eq!(minutes, [1, 1, 2, 4, 256, 360, 360]);
    }
}
