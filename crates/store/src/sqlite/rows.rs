//! SQL statements for learners' rows. The merge is in `carrel_sqlite::rows`.

use std::collections::HashMap;

use carrel_model::{
    AttemptId, BlobHash, ItemId, Slug, UserId,
    lattice::{Progress, Row, RowKey, Session},
};
use carrel_sqlite::rows::{self, Joined, Owner};
use rusqlite::OptionalExtension;

use super::SqliteTx;
use crate::{
    Result, StoreError,
    tx::{JoinedRow, OpenGrade, RowTx, Usage},
};

impl From<Joined> for JoinedRow {
    fn from(j: Joined) -> Self {
        let Joined { changed, as_sent, added, payload_conflict, growth } = j;
        Self { changed, as_sent, added, payload_conflict, growth }
    }
}

impl RowTx for SqliteTx<'_> {
    fn usn(&self, user: UserId) -> Result<Option<u64>> {
        let mut stmt = self.prepare_cached("SELECT usn FROM account WHERE id = ?1")?;
        let usn: Option<i64> = stmt.query_row([user.0.as_bytes()], |r| r.get(0)).optional()?;
        Ok(usn.map(i64::unsigned_abs))
    }
    fn set_usn(&self, user: UserId, usn: u64) -> Result<()> {
        self.prepare_cached("UPDATE account SET usn = ?2 WHERE id = ?1")?
            .execute((user.0.as_bytes(), usn as i64))?;
        Ok(())
    }
    fn usage(&self, user: UserId) -> Result<Usage> {
        let sql = "SELECT row_count, row_bytes FROM learner_usage WHERE user_id = ?1";
        let found = self.prepare_cached(sql)?.query_row([user.0.as_bytes()], |r| {
            Ok(Usage { rows: r.get("row_count")?, bytes: r.get("row_bytes")? })
        });
        Ok(found.optional()?.unwrap_or_default())
    }
    fn set_usage(&self, user: UserId, usage: Usage) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO learner_usage (user_id, row_count, row_bytes) VALUES (?1, ?2, ?3)
             ON CONFLICT (user_id) DO UPDATE SET row_count = excluded.row_count, row_bytes = excluded.row_bytes",
        )?
        .execute((user.0.as_bytes(), usage.rows, usage.bytes))?;
        Ok(())
    }

    fn row(&self, user: UserId, key: &RowKey) -> Result<Option<Row>> {
        Ok(rows::get(self, Owner::Server(user), key)?)
    }
    fn rows_with_keys(&self, user: UserId, keys: &[RowKey]) -> Result<HashMap<RowKey, Row>> {
        let mut found = HashMap::with_capacity(keys.len());
        for key in keys {
            if let Some(row) = self.row(user, key)? {
                found.insert(key.clone(), row);
            }
        }
        Ok(found)
    }
    fn has_row(&self, user: UserId, key: &RowKey) -> Result<bool> {
        Ok(rows::size_of(self, Owner::Server(user), key)?.is_some())
    }
    fn join(&self, user: UserId, rows: &[Row], usn: u64) -> Result<Vec<JoinedRow>> {
        let joined = rows::join_all(self, user, rows, usn)?;
        Ok(joined.into_iter().map(JoinedRow::from).collect())
    }
    fn join_unless_larger(&self, user: UserId, row: &Row, usn: u64) -> Result<Option<JoinedRow>> {
        self.prepare_cached("SAVEPOINT smaller")?.execute([])?;
        let joined = rows::join(self, Owner::Server(user), row, usn + 1)?;
        if joined.growth > 0 {
            self.prepare_cached("ROLLBACK TO smaller")?.execute([])?;
        }
        self.prepare_cached("RELEASE smaller")?.execute([])?;
        Ok((joined.growth <= 0).then(|| joined.into()))
    }

    fn rows_since(
        &self,
        user: UserId,
        since: u64,
        limit: u32,
        max_bytes: usize,
    ) -> Result<(Vec<(u64, Row)>, bool)> {
        let page = rows::since(self, user, since, limit as usize, max_bytes)?;
        Ok((page.rows, page.more))
    }
    fn progress_below(&self, user: UserId, root: &Slug) -> Result<(Vec<Progress>, Vec<Session>)> {
        // All items from `root/` up to but not including `root0` ('0' follows '/').
        let (from, to) = (format!("{root}/"), format!("{root}0"));
        let values = || (user.0.as_bytes(), root.as_str(), from.as_str(), to.as_str());
        let filter = "WHERE user_id = ?1 AND (item = ?2 OR item >= ?3 AND item < ?4)";
        let progress = rows::query(self, &format!("{filter} ORDER BY kind, item"), values())?;
        let sessions = rows::query(self, &format!("{filter} ORDER BY started_ms, id"), values())?;
        Ok((progress, sessions))
    }

    fn quiz_of_attempt(&self, user: UserId, id: AttemptId) -> Result<Option<(ItemId, BlobHash)>> {
        let sql = "SELECT quiz, quiz_hash FROM attempt WHERE user_id = ?1 AND id = ?2";
        let found: Option<(String, [u8; 32])> = self
            .prepare_cached(sql)?
            .query_row((user.0.as_bytes(), id.0.as_bytes()), |r| {
                Ok((r.get("quiz")?, r.get("quiz_hash")?))
            })
            .optional()?;
        let Some((quiz, hash)) = found else { return Ok(None) };
        let quiz = ItemId::new(quiz).map_err(|e| StoreError::unreadable("attempt", e))?;
        Ok(Some((quiz, BlobHash(hash))))
    }
    fn submitted_ms(&self, user: UserId, id: AttemptId) -> Result<Option<i64>> {
        let sql =
            "SELECT submitted_ms FROM attempt WHERE user_id = ?1 AND id = ?2 AND submitted_ms < ?3";
        let values = (user.0.as_bytes(), id.0.as_bytes(), rows::NEVER);
        Ok(self.prepare_cached(sql)?.query_row(values, |r| r.get(0)).optional()?)
    }
    fn count_answers(&self, user: UserId, id: AttemptId, max: usize) -> Result<usize> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM answer WHERE user_id = ?1 AND attempt = ?2 LIMIT ?3)";
        let values = (user.0.as_bytes(), id.0.as_bytes(), max as i64);
        let count: i64 = self.prepare_cached(sql)?.query_row(values, |r| r.get(0))?;
        Ok(usize::try_from(count).unwrap_or(max))
    }
    fn count_graded(&self, user: UserId, quiz: &ItemId, max: u32) -> Result<usize> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM graded_attempt WHERE user_id = ?1 AND quiz = ?2 LIMIT ?3)";
        let values = (user.0.as_bytes(), quiz.as_str(), max);
        let count: i64 = self.prepare_cached(sql)?.query_row(values, |r| r.get(0))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
    fn add_graded(&self, user: UserId, quiz: &ItemId, id: AttemptId) -> Result<bool> {
        let sql =
            "INSERT OR IGNORE INTO graded_attempt (user_id, quiz, attempt) VALUES (?1, ?2, ?3)";
        let values = (user.0.as_bytes(), quiz.as_str(), id.0.as_bytes());
        Ok(self.prepare_cached(sql)?.execute(values)? > 0)
    }
    fn open_grade(&self, user: UserId, id: AttemptId) -> Result<Option<OpenGrade>> {
        let sql = "SELECT first_ms, points FROM open_grade WHERE user_id = ?1 AND attempt = ?2";
        let found: Option<(i64, String)> = self
            .prepare_cached(sql)?
            .query_row((user.0.as_bytes(), id.0.as_bytes()), |r| {
                Ok((r.get("first_ms")?, r.get("points")?))
            })
            .optional()?;
        let Some((first_ms, points)) = found else { return Ok(None) };
        let points =
            serde_json::from_str(&points).map_err(|e| StoreError::unreadable("grade", e))?;
        Ok(Some(OpenGrade { first_ms, points }))
    }
    fn put_open_grade(&self, user: UserId, id: AttemptId, grade: &OpenGrade) -> Result<()> {
        let points =
            serde_json::to_string(&grade.points).map_err(|e| StoreError::unreadable("grade", e))?;
        let sql = "INSERT OR REPLACE INTO open_grade (user_id, attempt, first_ms, points) VALUES (?1, ?2, ?3, ?4)";
        let values = (user.0.as_bytes(), id.0.as_bytes(), grade.first_ms, points);
        self.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
    fn delete_open_grades(&self, first_ms: i64, max: Option<u32>) -> Result<u64> {
        let deleted = self
            .prepare_cached(
                "DELETE FROM open_grade WHERE (user_id, attempt) IN
                 (SELECT user_id, attempt FROM open_grade WHERE first_ms < ?1 ORDER BY first_ms LIMIT ?2)",
            )?
            .execute((first_ms, max.map_or(-1, i64::from)))?;
        Ok(deleted as u64)
    }
}
