//! SQL statements for jobs.

use rusqlite::{OptionalExtension, Row};

use super::SqliteTx;
use crate::{
    Result,
    tx::{JobRow, JobTx},
};

const COLUMNS: &str =
    "name, due_ms, attempts, worker, lease_until_ms, started_ms, succeeded_ms, error";

fn job(r: &Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        name: r.get("name")?,
        due_ms: r.get("due_ms")?,
        attempts: r.get("attempts")?,
        worker: r.get("worker")?,
        lease_until_ms: r.get("lease_until_ms")?,
        started_ms: r.get("started_ms")?,
        succeeded_ms: r.get("succeeded_ms")?,
        error: r.get("error")?,
    })
}

impl JobTx for SqliteTx<'_> {
    fn jobs(&self) -> Result<Vec<JobRow>> {
        let mut stmt = self.prepare_cached(&format!("SELECT {COLUMNS} FROM job ORDER BY name"))?;
        Ok(stmt.query_map([], job)?.collect::<rusqlite::Result<_>>()?)
    }
    fn job(&self, name: &str) -> Result<Option<JobRow>> {
        let mut stmt =
            self.prepare_cached(&format!("SELECT {COLUMNS} FROM job WHERE name = ?1"))?;
        Ok(stmt.query_row([name], job).optional()?)
    }
    fn put_job(&self, j: &JobRow) -> Result<()> {
        self.prepare_cached(&format!(
            "INSERT OR REPLACE INTO job ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        ))?
        .execute((
            &j.name,
            j.due_ms,
            j.attempts,
            &j.worker,
            j.lease_until_ms,
            j.started_ms,
            j.succeeded_ms,
            &j.error,
        ))?;
        Ok(())
    }
    fn due_job(&self, known: &[&str], now_ms: i64) -> Result<Option<JobRow>> {
        let mut stmt = self.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM job WHERE due_ms <= ?1 AND (worker = '' OR lease_until_ms <= ?1)
             AND name IN (SELECT value FROM json_each(?2)) ORDER BY due_ms, name LIMIT 1"
        ))?;
        let known = serde_json::to_string(known).unwrap_or_default();
        Ok(stmt.query_row((now_ms, known), job).optional()?)
    }
}
