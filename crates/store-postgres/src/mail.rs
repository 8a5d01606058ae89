//! SQL statements for messages to send.

use carrel_model::UserId;
use carrel_store::{
    Result,
    tx::{MailKind, MailRow, MailState, MailTx},
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::tx::{PgTx, bytes, get, text, user_id, uuid};

const COLUMNS: &str =
    "id, user_id, kind, address, lang, created_ms, due_ms, deadline_ms, attempts, state, error";

fn mail(row: &Row) -> Result<MailRow> {
    Ok(MailRow {
        id: uuid(row, 0)?,
        user: user_id(row, 1)?,
        kind: MailKind::of(get(row, 2)?),
        address: get(row, 3)?,
        lang: get(row, 4)?,
        created_ms: get(row, 5)?,
        due_ms: get(row, 6)?,
        deadline_ms: get(row, 7)?,
        attempts: u32::try_from(get::<i64>(row, 8)?).unwrap_or(u32::MAX),
        state: MailState::of(get(row, 9)?),
        error: get(row, 10)?,
    })
}

impl MailTx for PgTx<'_> {
    fn put_mail(&self, m: &MailRow) -> Result<()> {
        let sql = format!(
            "INSERT INTO mail ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (tenant, id) DO UPDATE SET due_ms = excluded.due_ms, attempts = excluded.attempts,
                 state = excluded.state, error = excluded.error"
        );
        self.execute(
            &sql,
            &[
                &bytes(&m.id),
                &bytes(&m.user.0),
                &m.kind.as_str(),
                &text(&m.address),
                &text(&m.lang),
                &m.created_ms,
                &m.due_ms,
                &m.deadline_ms,
                &i64::from(m.attempts),
                &m.state.as_str(),
                &text(&m.error),
            ],
        )?;
        Ok(())
    }
    fn mail(&self, id: Uuid) -> Result<Option<MailRow>> {
        let sql = format!("SELECT {COLUMNS} FROM mail WHERE id = $1{}", self.for_update());
        self.query_opt(&sql, &[&bytes(&id)])?.as_ref().map(mail).transpose()
    }
    fn due_mail(&self, now_ms: i64) -> Result<Option<MailRow>> {
        let lock = if self.is_write() { " FOR UPDATE SKIP LOCKED" } else { "" };
        let sql = format!(
            "SELECT {COLUMNS} FROM mail WHERE state = 'waiting' AND due_ms <= $1
             ORDER BY due_ms, id LIMIT 1{lock}"
        );
        self.query_opt(&sql, &[&now_ms])?.as_ref().map(mail).transpose()
    }
    fn latest_mails(&self, limit: u32) -> Result<Vec<MailRow>> {
        let sql = format!("SELECT {COLUMNS} FROM mail ORDER BY created_ms DESC, id DESC LIMIT $1");
        self.query(&sql, &[&i64::from(limit)])?.iter().map(mail).collect()
    }
    fn count_mails(&self, user: UserId, kind: MailKind, since_ms: i64) -> Result<u64> {
        let sql = "SELECT count(*) FROM mail WHERE user_id = $1 AND kind = $2 AND created_ms > $3";
        let row = self.query_opt(sql, &[&bytes(&user.0), &kind.as_str(), &since_ms])?;
        row.map_or(Ok(0), |row| Ok(get::<i64>(&row, 0)?.unsigned_abs()))
    }
    fn delete_waiting_mails(&self, user: UserId) -> Result<()> {
        let sql = "DELETE FROM mail WHERE user_id = $1 AND state = 'waiting'";
        self.execute(sql, &[&bytes(&user.0)])?;
        Ok(())
    }
    fn delete_mails(&self, before_ms: i64, limit: Option<u32>) -> Result<u64> {
        // Without a limit, LIMIT NULL returns all rows.
        let sql = "DELETE FROM mail WHERE id IN (SELECT id FROM mail WHERE created_ms < $1 LIMIT $2
            FOR UPDATE SKIP LOCKED)";
        self.execute(sql, &[&before_ms, &limit.map(i64::from)])
    }
}
