//! Checks of the stored data and of the indices on SQLite.

use carrel_model::UserId;
use rusqlite::params;

use super::SqliteTx;
use crate::{
    Result,
    tx::{IndexFact, MaintenanceTx, StorageFacts, TableFact, ValueRange},
};

/// A file with more faults is replaced by a backup anyway.
const MAX_FAULTS: u32 = 10;

const INDICES: &str = "SELECT m.name AS tbl, l.name, l.\"unique\", l.partial,
        group_concat(coalesce(c.name, ''), ',' ORDER BY c.seqno) AS columns
    FROM sqlite_schema m
    JOIN pragma_index_list(m.name) l
    JOIN pragma_index_info(l.name) c
    WHERE m.type = 'table' GROUP BY m.name, l.name ORDER BY m.name, l.name";
const REFERENCES: &str =
    "SELECT m.name AS tbl, f.id, group_concat(f.\"from\", ',' ORDER BY f.seq) AS columns
    FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table' GROUP BY m.name, f.id ORDER BY m.name, f.id";

/// Condition for the rows of a table without an account.
fn orphans(table: &str) -> String {
    format!("NOT EXISTS (SELECT 1 FROM account a WHERE a.id = {table}.user_id)")
}

fn columns(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

impl MaintenanceTx for SqliteTx<'_> {
    fn count_orphans(&self, table: &'static str) -> Result<(u64, u64)> {
        let sql = format!(
            "SELECT count(*) FILTER (WHERE {}) AS orphans, count(*) AS total FROM {table}",
            orphans(table)
        );
        let (orphans, all): (i64, i64) = self
            .prepare_cached(&sql)?
            .query_row([], |r| Ok((r.get("orphans")?, r.get("total")?)))?;
        Ok((orphans.unsigned_abs(), all.unsigned_abs()))
    }
    fn delete_orphans(&self, table: &'static str, max: u32) -> Result<u64> {
        let sql = format!(
            "DELETE FROM {table} WHERE user_id IN
             (SELECT DISTINCT user_id FROM {table} WHERE {} LIMIT ?1)",
            orphans(table)
        );
        Ok(self.prepare_cached(&sql)?.execute([max])? as u64)
    }
    fn count_out_of_range(&self, range: &ValueRange) -> Result<u64> {
        let ValueRange { table, column, min, max, .. } = range;
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} NOT BETWEEN ?1 AND ?2");
        Ok(self.prepare_cached(&sql)?.query_row([min, max], |r| r.get::<_, i64>(0))?.unsigned_abs())
    }
    fn rows_out_of_range(&self, range: &ValueRange, max_rows: u32) -> Result<Vec<(UserId, u64)>> {
        let ValueRange { table, column, min, max, .. } = range;
        let sql = format!(
            "SELECT user_id, usn FROM {table} WHERE {column} NOT BETWEEN ?1 AND ?2 LIMIT ?3"
        );
        let mut stmt = self.prepare_cached(&sql)?;
        let mut rows = stmt.query(params![min, max, max_rows])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let user: [u8; 16] = row.get("user_id")?;
            let usn: i64 = row.get("usn")?;
            found.push((UserId(uuid::Uuid::from_bytes(user)), usn.unsigned_abs()));
        }
        Ok(found)
    }
    fn correct_value(
        &self,
        range: &ValueRange,
        user: UserId,
        usn: u64,
        new_usn: u64,
    ) -> Result<()> {
        let ValueRange { table, column, min, max, .. } = range;
        let sql = format!(
            "UPDATE {table} SET {column} = max(?1, min(?2, {column})), usn = ?3
             WHERE user_id = ?4 AND usn = ?5"
        );
        let usns = (new_usn as i64, usn as i64);
        self.prepare_cached(&sql)?.execute(params![min, max, usns.0, user.0.as_bytes(), usns.1])?;
        Ok(())
    }
    fn optimize(&self) -> Result<()> {
        Ok(self.execute_batch("PRAGMA optimize")?)
    }
    fn storage_facts(&self) -> Result<StorageFacts> {
        let number = |name: &str| -> Result<u64> {
            let found: i64 = self.query_row(&format!("PRAGMA {name}"), [], |r| r.get(0))?;
            Ok(found.unsigned_abs())
        };
        let page_size = number("page_size")?;
        let mut facts = StorageFacts {
            bytes: number("page_count")? * page_size,
            free_bytes: number("freelist_count")? * page_size,
            ..StorageFacts::default()
        };
        let mut stmt = self.prepare(&format!("PRAGMA quick_check({MAX_FAULTS})"))?;
        let faults =
            stmt.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        facts.faults = faults.into_iter().filter(|fault| fault != "ok").collect();
        let mut stmt = self.prepare(INDICES)?;
        let mut rows = stmt.query([])?;
        while let Some(row) = rows.next()? {
            let columns = columns(&row.get::<_, String>("columns")?);
            facts.indices.push(IndexFact {
                table: row.get("tbl")?,
                name: row.get("name")?,
                is_unique: row.get("unique")?,
                is_partial: row.get("partial")? || columns.iter().any(String::is_empty),
                columns,
                scans: None,
                bytes: None,
            });
        }
        let mut stmt = self.prepare(REFERENCES)?;
        let mut rows = stmt.query([])?;
        while let Some(row) = rows.next()? {
            let table: String = row.get("tbl")?;
            let found = columns(&row.get::<_, String>("columns")?);
            facts.references.entry(table).or_default().push(found);
        }
        let sql =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name";
        let mut stmt = self.prepare(sql)?;
        let names = stmt.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        let table = |name| TableFact { name, rows: None, dead_rows: None, bytes: None };
        facts.tables = names.into_iter().map(table).collect();
        Ok(facts)
    }
}
