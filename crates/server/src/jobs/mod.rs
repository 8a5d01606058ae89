//! Scheduled jobs, and the runner, which leases due jobs and runs them one at a time.
//!
//! Not here: when a job is due and which process may run it (`domain::jobs`).

mod analytics;
mod backup;
mod check;
mod clean_up;
mod count_learners;
mod purge;
mod render;
mod send_mail;
mod share_blobs;
mod uploads;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use carrel_monitoring::Outcome;
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::{
    blob_place,
    data_dir::DataDir,
    domain::jobs::{LEASE_MS, LeaseResult, Schedule},
    error::Error,
    store::tx::JobRow,
    tenants,
};

/// A job. It must be possible to repeat a run after a failure or a crash.
#[async_trait]
pub trait Job: Send + Sync {
    /// Returns the name, without spaces, as used on the command line.
    fn name(&self) -> &'static str;
    /// Returns the interval in ms, or `None` if the job runs only on request.
    fn every_ms(&self) -> Option<i64>;
    /// Runs the job and returns a short summary of the result.
    async fn run(&self, data: &DataDir) -> Result<String, Error>;
}

const HOUR_MS: i64 = 3_600_000;
/// Interval at which the runner looks for due jobs.
const POLL_INTERVAL: Duration = Duration::from_secs(30);

/// Returns the jobs of a server with these settings.
fn all(data: &DataDir) -> Vec<Box<dyn Job>> {
    let settings = &data.config.settings;
    let mut jobs: Vec<Box<dyn Job>> = vec![
        Box::new(purge::Purge),
        Box::new(clean_up::CleanUp { keep_hours: settings.keep_unused_blobs_hours }),
        Box::new(check::CheckRows),
        Box::new(check::CheckIndices),
        Box::new(analytics::RefreshAnalytics),
        Box::new(analytics::CheckAnalytics),
        Box::new(analytics::Exports),
        Box::new(render::Render),
        Box::new(count_learners::CountLearners),
        Box::new(backup::ScheduledBackup {
            every_ms: settings.backup.every_ms(),
            folder: settings
                .backup_dir
                .clone()
                .unwrap_or_else(|| data.config.data_dir.join("scheduled-backups")),
            kept: settings.backups_kept.max(1),
        }),
        Box::new(uploads::Uploads),
    ];
    if data.mailer.is_some() {
        jobs.push(Box::new(send_mail::SendMail));
    }
    // Only Unix tells how many links a file has. An object store has each blob once.
    let dir = &data.config.data_dir;
    if cfg!(unix) && tenants::name_of(dir).is_some() && !blob_place::is_remote(dir) {
        jobs.push(Box::new(share_blobs::ShareBlobs));
    }
    jobs
}

/// Result of a job run by this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    pub name: String,
    pub result: Result<String, String>,
}

/// Runs jobs in this process.
pub struct JobRunner {
    data: Arc<DataDir>,
    jobs: Vec<Box<dyn Job>>,
    /// Random id of this process.
    worker: String,
}

impl JobRunner {
    pub fn new(data: Arc<DataDir>) -> Self {
        let jobs = all(&data);
        Self::with(data, jobs)
    }
    /// Like `new`, with other jobs.
    pub fn with(data: Arc<DataDir>, jobs: Vec<Box<dyn Job>>) -> Self {
        Self { data, jobs, worker: carrel_store::new_id().simple().to_string() }
    }
    fn now_ms(&self) -> i64 {
        self.data.config.clock.now_ms()
    }
    /// Stores the schedule of the jobs.
    pub async fn schedule(&self) -> Result<(), Error> {
        let schedule: Vec<Schedule> = self.jobs.iter().map(|j| (j.name(), j.every_ms())).collect();
        Ok(self.data.store.schedule_jobs(schedule, self.now_ms()).await?)
    }
    /// Runs the first due job that no other process runs. Returns `None` if there is none.
    pub async fn run_due(&self) -> Result<Option<JobReport>, Error> {
        let known: Vec<&'static str> = self.jobs.iter().map(|job| job.name()).collect();
        match self.data.store.lease_due_job(&self.worker, &known, self.now_ms()).await? {
            Some(leased) => self.run(leased).await.map(Some),
            None => Ok(None),
        }
    }
    /// Runs the named job now, due or not. Returns `Refused` if the job is unknown or another process is running it.
    pub async fn run_named(&self, name: &str) -> Result<JobReport, Error> {
        self.schedule().await?;
        match self.data.store.lease_job(name, &self.worker, self.now_ms()).await? {
            LeaseResult::Ok(leased) => self.run(leased).await,
            LeaseResult::Unknown => {
                let names: Vec<&str> = self.jobs.iter().map(|j| j.name()).collect();
                Err(Error::Refused(format!(
                    "unknown job {name:?}; hint: use one of {}",
                    names.join(", ")
                )))
            }
            LeaseResult::LeasedByOther { until_ms } => {
                let minutes = (until_ms - self.now_ms()).max(0) / 60_000 + 1;
                Err(Error::Refused(format!(
                    "another process is running {name:?}; hint: if it was killed, try again in {minutes} minutes"
                )))
            }
        }
    }
    /// Runs due jobs until the server stops. A job that is running then is cancelled; it runs again after its lease has
    /// expired.
    pub async fn serve(self, stopping: CancellationToken) {
        let work = async {
            loop {
                match self.run_due().await {
                    Ok(Some(_)) => continue,
                    Ok(None) => {}
                    Err(e) => tracing::error!(error = %e, "failed to run jobs"),
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        if let Err(e) = self.schedule().await {
            tracing::error!(error = %e, "failed to schedule jobs");
        }
        tokio::select! {
            () = stopping.cancelled() => {}
            () = work => {}
        }
    }

    async fn run(&self, leased: JobRow) -> Result<JobReport, Error> {
        let name = leased.name.clone();
        let Some(job) = self.jobs.iter().find(|j| j.name() == name) else {
            let error = "the job is unknown to this release".to_owned();
            self.data.store.finish_job(&leased, None, Err(error.clone()), self.now_ms()).await?;
            return Ok(JobReport { name, result: Err(error) });
        };
        let run = std::panic::AssertUnwindSafe(job.run(&self.data)).catch_unwind();
        let result = tokio::select! {
            ended = run => match ended {
                Ok(Ok(done)) => Ok(done),
                Ok(Err(e)) => Err(e.to_string()),
                Err(_) => Err("the job panicked".to_owned()),
            },
            () = self.keep_lease(&leased) => Err("another process has leased the job".to_owned()),
        };
        let outcome = if result.is_ok() { Outcome::Ok } else { Outcome::Failed };
        self.data.config.metrics.job(job.name(), outcome);
        match &result {
            Ok(done) => tracing::info!(job.name = name, job.result = done, "job done"),
            Err(e) => tracing::error!(job.name = name, error = e, "job failed"),
        }
        let stored_result = result.clone().map(drop);
        self.data.store.finish_job(&leased, job.every_ms(), stored_result, self.now_ms()).await?;
        Ok(JobReport { name, result })
    }
    /// Extends a lease until another process holds it.
    async fn keep_lease(&self, leased: &JobRow) {
        let mut tick = tokio::time::interval(Duration::from_millis(LEASE_MS.unsigned_abs() / 3));
        tick.tick().await;
        loop {
            tick.tick().await;
            // A store error does not end the job: `finish_job` stores the result only if this process still holds the
            // lease.
            if let Ok(false) = self.data.store.extend_lease(leased, self.now_ms()).await {
                return;
            }
        }
    }
}
