//! SQL statements for messages to send.

use carrel_model::UserId;
use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::{SqliteTx, accounts::uuid};
use crate::{
    Result,
    tx::{MailKind, MailRow, MailState, MailTx},
};

const COLUMNS: &str =
    "id, user_id, kind, address, lang, created_ms, due_ms, deadline_ms, attempts, state, error";

/// The condition repeats that of the partial index, which is used only then.
const DUE: &str = "WHERE state = 'waiting' AND due_ms <= ?1 ORDER BY due_ms, id LIMIT 1";

fn mail(row: &Row<'_>) -> rusqlite::Result<MailRow> {
    Ok(MailRow {
        id: uuid(row, "id")?,
        user: UserId(uuid(row, "user_id")?),
        kind: MailKind::of(row.get_ref("kind")?.as_str()?),
        address: row.get("address")?,
        lang: row.get("lang")?,
        created_ms: row.get("created_ms")?,
        due_ms: row.get("due_ms")?,
        deadline_ms: row.get("deadline_ms")?,
        attempts: row.get("attempts")?,
        state: MailState::of(row.get_ref("state")?.as_str()?),
        error: row.get("error")?,
    })
}

impl MailTx for SqliteTx<'_> {
    fn put_mail(&self, m: &MailRow) -> Result<()> {
        let sql = format!(
            "INSERT OR REPLACE INTO mail ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        );
        self.prepare_cached(&sql)?.execute((
            m.id.as_bytes(),
            m.user.0.as_bytes(),
            m.kind.as_str(),
            &m.address,
            &m.lang,
            m.created_ms,
            m.due_ms,
            m.deadline_ms,
            m.attempts,
            m.state.as_str(),
            &m.error,
        ))?;
        Ok(())
    }
    fn mail(&self, id: Uuid) -> Result<Option<MailRow>> {
        let sql = format!("SELECT {COLUMNS} FROM mail WHERE id = ?1");
        Ok(self.prepare_cached(&sql)?.query_row([id.as_bytes()], mail).optional()?)
    }
    fn due_mail(&self, now_ms: i64) -> Result<Option<MailRow>> {
        let sql = format!("SELECT {COLUMNS} FROM mail {DUE}");
        Ok(self.prepare_cached(&sql)?.query_row([now_ms], mail).optional()?)
    }
    fn latest_mails(&self, limit: u32) -> Result<Vec<MailRow>> {
        let sql = format!("SELECT {COLUMNS} FROM mail ORDER BY created_ms DESC, id DESC LIMIT ?1");
        let mut stmt = self.prepare_cached(&sql)?;
        Ok(stmt.query_map([limit], mail)?.collect::<rusqlite::Result<_>>()?)
    }
    fn count_mails(&self, user: UserId, kind: MailKind, since_ms: i64) -> Result<u64> {
        let sql = "SELECT count(*) FROM mail WHERE user_id = ?1 AND kind = ?2 AND created_ms > ?3";
        let key = (user.0.as_bytes(), kind.as_str(), since_ms);
        let count: i64 = self.prepare_cached(sql)?.query_row(key, |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
    fn delete_waiting_mails(&self, user: UserId) -> Result<()> {
        let sql = "DELETE FROM mail WHERE user_id = ?1 AND state = 'waiting'";
        self.prepare_cached(sql)?.execute([user.0.as_bytes()])?;
        Ok(())
    }
    fn delete_mails(&self, before_ms: i64, limit: Option<u32>) -> Result<u64> {
        let sql =
            "DELETE FROM mail WHERE id IN (SELECT id FROM mail WHERE created_ms < ?1 LIMIT ?2)";
        let limit = limit.map_or(-1, i64::from);
        Ok(self.prepare_cached(sql)?.execute((before_ms, limit))? as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::tests::plan;

    #[test]
    fn waiting_messages_are_found_by_index() {
        let plan = plan(&format!("SELECT id FROM mail {DUE}"));
        assert!(plan.contains("mail_due"), "{plan}");
    }
}
