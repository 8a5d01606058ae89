//! Checks of the stored data and of the indices on PostgreSQL. Numbers are those that the server counts for its views of
//! statistics.

use carrel_model::UserId;
use carrel_store::{
    Result,
    tx::{IndexFact, MaintenanceTx, StorageFacts, TableFact, ValueRange},
};

use crate::tx::{PgTx, bytes, get};

const TABLES: &str = "SELECT relname::text, n_live_tup, n_dead_tup, pg_total_relation_size(relid)
    FROM pg_stat_user_tables WHERE schemaname = current_schema() ORDER BY relname";
/// The columns of each index in its order; an expression has an empty name.
const INDICES: &str = "SELECT s.relname::text, s.indexrelname::text, x.indisunique, x.indpred IS NOT NULL,
        s.idx_scan, pg_relation_size(s.indexrelid),
        ARRAY(SELECT coalesce(a.attname::text, '')
            FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k (number, place)
            LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number AND k.number > 0
            ORDER BY k.place)
    FROM pg_stat_user_indexes s JOIN pg_index x ON x.indexrelid = s.indexrelid
    WHERE s.schemaname = current_schema() ORDER BY s.relname, s.indexrelname";
const REFERENCES: &str = "SELECT t.relname::text,
        ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place)
    FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE c.contype = 'f' AND n.nspname = current_schema() ORDER BY t.relname, c.conname";

/// Condition for the rows of a table without an account.
fn orphans(table: &str) -> String {
    format!("NOT EXISTS (SELECT 1 FROM account a WHERE a.id = {table}.user_id)")
}

impl MaintenanceTx for PgTx<'_> {
    fn count_orphans(&self, table: &'static str) -> Result<(u64, u64)> {
        let sql =
            format!("SELECT count(*) FILTER (WHERE {}), count(*) FROM {table}", orphans(table));
        let Some(row) = self.query_opt(&sql, &[])? else { return Ok((0, 0)) };
        Ok((get::<i64>(&row, 0)?.unsigned_abs(), get::<i64>(&row, 1)?.unsigned_abs()))
    }
    fn delete_orphans(&self, table: &'static str, max: u32) -> Result<u64> {
        let sql = format!(
            "DELETE FROM {table} WHERE user_id IN
             (SELECT DISTINCT user_id FROM {table} WHERE {} LIMIT $1)",
            orphans(table)
        );
        self.execute(&sql, &[&i64::from(max)])
    }
    fn count_out_of_range(&self, range: &ValueRange) -> Result<u64> {
        let ValueRange { table, column, min, max, .. } = range;
        let sql =
            format!("SELECT count(*) FROM {table} WHERE {column}::bigint NOT BETWEEN $1 AND $2");
        Ok(self.count(&sql, &[min, max])? as u64)
    }
    fn rows_out_of_range(&self, range: &ValueRange, max_rows: u32) -> Result<Vec<(UserId, u64)>> {
        let ValueRange { table, column, min, max, .. } = range;
        let sql = format!(
            "SELECT user_id, usn FROM {table} WHERE {column}::bigint NOT BETWEEN $1 AND $2 LIMIT $3"
        );
        let rows = self.query(&sql, &[min, max, &i64::from(max_rows)])?;
        rows.iter()
            .map(|row| {
                let user: &[u8] = get(row, 0)?;
                let user = uuid::Uuid::from_slice(user).unwrap_or_default();
                Ok((UserId(user), get::<i64>(row, 1)?.unsigned_abs()))
            })
            .collect()
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
            "UPDATE {table} SET {column} = greatest($1::bigint, least($2::bigint, {column})), usn = $3
             WHERE user_id = $4 AND usn = $5"
        );
        let (new_usn, usn) = (new_usn as i64, usn as i64);
        self.execute(&sql, &[min, max, &new_usn, &bytes(&user.0), &usn])?;
        Ok(())
    }
    /// Nothing: autovacuum renews the statistics.
    fn optimize(&self) -> Result<()> {
        Ok(())
    }
    fn storage_facts(&self) -> Result<StorageFacts> {
        let count = |n: i64| Some(n.unsigned_abs());
        let mut facts = StorageFacts::default();
        for row in self.query(TABLES, &[])? {
            let bytes = get::<i64>(&row, 3)?;
            facts.bytes += bytes.unsigned_abs();
            facts.tables.push(TableFact {
                name: get(&row, 0)?,
                rows: count(get(&row, 1)?),
                dead_rows: count(get(&row, 2)?),
                bytes: count(bytes),
            });
        }
        for row in self.query(INDICES, &[])? {
            let columns: Vec<String> = get(&row, 6)?;
            facts.indices.push(IndexFact {
                table: get(&row, 0)?,
                name: get(&row, 1)?,
                is_unique: get(&row, 2)?,
                is_partial: get::<bool>(&row, 3)? || columns.iter().any(String::is_empty),
                scans: count(get(&row, 4)?),
                bytes: count(get(&row, 5)?),
                columns,
            });
        }
        for row in self.query(REFERENCES, &[])? {
            facts.references.entry(get(&row, 0)?).or_default().push(get(&row, 1)?);
        }
        Ok(facts)
    }
}
