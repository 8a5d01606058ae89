//! SQL statements for jobs.

use carrel_store::{
    Result,
    tx::{JobRow, JobTx},
};
use tokio_postgres::Row;

use crate::tx::{PgTx, get, text};

const COLUMNS: &str =
    "name, due_ms, attempts, worker, lease_until_ms, started_ms, succeeded_ms, error";

fn job(row: &Row) -> Result<JobRow> {
    Ok(JobRow {
        name: get(row, 0)?,
        due_ms: get(row, 1)?,
        attempts: u32::try_from(get::<i64>(row, 2)?).unwrap_or(u32::MAX),
        worker: get(row, 3)?,
        lease_until_ms: get(row, 4)?,
        started_ms: get(row, 5)?,
        succeeded_ms: get(row, 6)?,
        error: get(row, 7)?,
    })
}

impl JobTx for PgTx<'_> {
    fn jobs(&self) -> Result<Vec<JobRow>> {
        let sql = format!("SELECT {COLUMNS} FROM job ORDER BY name{}", self.for_update());
        self.query(&sql, &[])?.iter().map(job).collect()
    }
    fn job(&self, name: &str) -> Result<Option<JobRow>> {
        let sql = format!("SELECT {COLUMNS} FROM job WHERE name = $1{}", self.for_update());
        self.query_opt(&sql, &[&text(name)])?.as_ref().map(job).transpose()
    }
    fn put_job(&self, j: &JobRow) -> Result<()> {
        let sql = format!(
            "INSERT INTO job ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (tenant, name) DO UPDATE SET due_ms = excluded.due_ms, attempts = excluded.attempts,
             worker = excluded.worker, lease_until_ms = excluded.lease_until_ms,
             started_ms = excluded.started_ms, succeeded_ms = excluded.succeeded_ms, error = excluded.error"
        );
        self.execute(
            &sql,
            &[
                &text(&j.name),
                &j.due_ms,
                &i64::from(j.attempts),
                &text(&j.worker),
                &j.lease_until_ms,
                &j.started_ms,
                &j.succeeded_ms,
                &text(&j.error),
            ],
        )?;
        Ok(())
    }
    fn due_job(&self, known: &[&str], now_ms: i64) -> Result<Option<JobRow>> {
        let lock = if self.is_write() { " FOR UPDATE SKIP LOCKED" } else { "" };
        let sql = format!(
            "SELECT {COLUMNS} FROM job WHERE due_ms <= $1 AND (worker = '' OR lease_until_ms <= $1)
             AND name = ANY($2) ORDER BY due_ms, name LIMIT 1{lock}"
        );
        self.query_opt(&sql, &[&now_ms, &known])?.as_ref().map(job).transpose()
    }
}
