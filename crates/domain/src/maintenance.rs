//! Checks of the stored data: rows without an account, values out of range, the indices. Each writes a report, which
//! staff read.
//!
//! Not here: deletion of expired rows (`retention`), unused blobs (the job `clean-up`), SQL (`carrel-store`).

use carrel_people::permissions::Rank;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    DomainResult,
    analytics::AnalyticsReport,
    change_log::Author,
    events::Event,
    retention::RetentionReport,
    store::{
        Store, StoreError, facts,
        tx::{IndexFact, RANGES, StorageFacts, TableFact, Tx, ValueRange, learner_tables},
    },
};

/// Number of learners whose rows are deleted in one transaction.
const LEARNERS: u32 = 50;
/// Number of values that are corrected in one transaction.
const VALUES: u32 = 500;
/// More rows of a table than this number and than a tenth of it are not deleted without a person: the accounts may be
/// what is missing.
const MAX_DELETED: u64 = 1_000;
/// A table with fewer rows to reclaim is not mentioned.
const MIN_DEAD_ROWS: u64 = 10_000;
/// An index that is smaller is not mentioned as unused.
const MIN_UNUSED_BYTES: u64 = 1024 * 1024;

/// Rows of a table whose learner has no account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrphanCount {
    pub table: String,
    pub found: u64,
    /// 0 although some were found: they are too many to be deleted without a person.
    pub deleted: u64,
}

/// Values of a column that are out of range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValueCount {
    pub table: String,
    pub column: String,
    pub min: i64,
    pub max: i64,
    pub found: u64,
    /// Replaced by the nearest value of the range. Rows that never change after the first write are not corrected.
    pub corrected: u64,
}

/// Report of the job `check-rows`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowReport {
    /// UTC, ms since 1970.
    pub checked_ms: i64,
    /// All tables of learners' rows.
    pub orphans: Vec<OrphanCount>,
    /// All columns that are checked.
    pub values: Vec<ValueCount>,
}

impl RowReport {
    /// Returns a line for the log and the list of jobs.
    pub fn summary(&self) -> String {
        let orphans: u64 = self.orphans.iter().map(|count| count.found).sum();
        let deleted: u64 = self.orphans.iter().map(|count| count.deleted).sum();
        let values: u64 = self.values.iter().map(|count| count.found).sum();
        let corrected: u64 = self.values.iter().map(|count| count.corrected).sum();
        format!(
            "{orphans} rows without an account ({deleted} deleted), {values} values out of range ({corrected} corrected)"
        )
    }
}

/// What is wrong with an index or table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum IndexFault {
    /// Another index begins with the same columns.
    Duplicate,
    /// It was not used since the database began to count.
    Unused,
    /// Rows refer to another table by columns without an index.
    Missing,
    /// More than a fifth of the rows were deleted or replaced and not reclaimed.
    Bloat,
}

/// A fault of an index or table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndexFinding {
    pub fault: IndexFault,
    pub table: String,
    /// Name of the index, or the columns without one.
    pub name: String,
    /// The other index, or a number.
    pub detail: String,
}

/// Report of the job `check-indices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndexReport {
    /// UTC, ms since 1970.
    pub checked_ms: i64,
    /// Faults that the database found in its files. Restore a backup if there are any.
    pub file_faults: Vec<String>,
    /// Size of the tables with their indices.
    pub bytes: u64,
    /// Unused part of the file; 0 on PostgreSQL.
    pub free_bytes: u64,
    pub tables: u32,
    pub indices: u32,
    pub findings: Vec<IndexFinding>,
}

impl IndexReport {
    /// Returns the report of what an engine tells.
    pub fn of(facts: &StorageFacts, checked_ms: i64) -> Self {
        let mut findings: Vec<IndexFinding> = Vec::new();
        for index in &facts.indices {
            if let Some(other) = facts.indices.iter().find(|other| makes_superfluous(other, index))
            {
                findings.push(finding(IndexFault::Duplicate, index, other.name.clone()));
            }
            let is_large = index.bytes.is_some_and(|bytes| bytes >= MIN_UNUSED_BYTES);
            if index.scans == Some(0) && !index.is_unique && is_large {
                let bytes = index.bytes.unwrap_or_default();
                findings.push(finding(IndexFault::Unused, index, format!("{bytes} bytes")));
            }
        }
        for (table, references) in &facts.references {
            for columns in references {
                let covers = |index: &IndexFact| {
                    index.table == *table && !index.is_partial && index.columns.starts_with(columns)
                };
                if !facts.indices.iter().any(covers) {
                    findings.push(IndexFinding {
                        fault: IndexFault::Missing,
                        table: table.clone(),
                        name: columns.join(", "),
                        detail: String::new(),
                    });
                }
            }
        }
        findings.extend(facts.tables.iter().filter_map(bloat));
        findings.sort_by(|a, b| (a.fault, &a.table, &a.name).cmp(&(b.fault, &b.table, &b.name)));
        Self {
            checked_ms,
            file_faults: facts.faults.clone(),
            bytes: facts.bytes,
            free_bytes: facts.free_bytes,
            tables: u32::try_from(facts.tables.len()).unwrap_or(u32::MAX),
            indices: u32::try_from(facts.indices.len()).unwrap_or(u32::MAX),
            findings,
        }
    }
    /// Returns a line for the log and the list of jobs.
    pub fn summary(&self) -> String {
        let Self { tables, indices, .. } = self;
        let (faults, findings) = (self.file_faults.len(), self.findings.len());
        format!("{tables} tables, {indices} indices: {faults} faults of files, {findings} findings")
    }
}

/// Returns true if every query that can use `index` can use `other`. Of two equal ones, the second by name is
/// superfluous.
fn makes_superfluous(other: &IndexFact, index: &IndexFact) -> bool {
    let is_same = other.columns == index.columns;
    let is_first = other.is_unique && !index.is_unique || other.name < index.name;
    other.table == index.table
        && other.name != index.name
        && !index.is_unique
        && !index.is_partial
        && !other.is_partial
        && other.columns.starts_with(&index.columns)
        && (!is_same || is_first)
}

fn finding(fault: IndexFault, index: &IndexFact, detail: String) -> IndexFinding {
    IndexFinding { fault, table: index.table.clone(), name: index.name.clone(), detail }
}

fn bloat(table: &TableFact) -> Option<IndexFinding> {
    let (rows, dead) = (table.rows?, table.dead_rows?);
    (dead >= MIN_DEAD_ROWS && dead.saturating_mul(5) > rows).then(|| IndexFinding {
        fault: IndexFault::Bloat,
        table: table.name.clone(),
        name: String::new(),
        detail: format!("{dead} of {} rows", rows.saturating_add(dead)),
    })
}

/// The last reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceReports {
    /// Absent before the first check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowReport>,
    /// Absent before the first review, and for staff of a tenant: an engine may keep all tenants in the same tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indices: Option<IndexReport>,
    /// Absent before the first deletion of expired rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionReport>,
    /// Absent before the first check of stored figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analytics: Option<AnalyticsReport>,
}

/// Replaces a value out of range, as a change by the server. Returns the event.
fn correct(
    tx: &dyn Tx,
    range: &ValueRange,
    (user, usn): (carrel_model::UserId, u64),
) -> Result<Option<Event>, StoreError> {
    // Without an account, the row is deleted, not corrected.
    let Some(last) = tx.usn(user)? else { return Ok(None) };
    tx.correct_value(range, user, usn, last + 1)?;
    tx.set_usn(user, last + 1)?;
    tx.mark_dirty(user, &[""], 0)?;
    let Author { user, sign_in } = user.into();
    Ok(Some(Event::RowsChanged { user, usn: last + 1, from: sign_in }))
}

impl Store {
    /// Deletes the rows of learners who have no account, corrects values that are out of range, and stores a report.
    pub async fn check_rows(&self, now_ms: i64) -> DomainResult<RowReport> {
        let mut report = RowReport { checked_ms: now_ms, orphans: Vec::new(), values: Vec::new() };
        for table in learner_tables() {
            let count = self.read("count_orphans", move |tx| tx.count_orphans(table));
            let (found, all) = count.await?;
            let mut deleted = 0;
            while found > 0 && found <= MAX_DELETED.max(all / 10) {
                let delete =
                    self.write("delete_orphans", move |tx| tx.delete_orphans(table, LEARNERS));
                match delete.await? {
                    0 => break,
                    rows => deleted += rows,
                }
            }
            report.orphans.push(OrphanCount { table: table.to_owned(), found, deleted });
        }
        for range in &RANGES {
            let count = self.read("count_out_of_range", move |tx| tx.count_out_of_range(range));
            let found = count.await?;
            let mut corrected = 0;
            while found > corrected && range.is_correctable {
                let write = self.write_with_events("correct_values", move |tx, events| {
                    let mut corrected = 0;
                    for row in tx.rows_out_of_range(range, VALUES)? {
                        let event = correct(tx, range, row)?;
                        corrected += u64::from(event.is_some());
                        events.extend(event);
                    }
                    Ok::<u64, StoreError>(corrected)
                });
                match write.await? {
                    0 => break,
                    rows => corrected += rows,
                }
            }
            let ValueRange { table, column, min, max, .. } = *range;
            let (table, column) = (table.to_owned(), column.to_owned());
            report.values.push(ValueCount { table, column, min, max, found, corrected });
        }
        self.put_report(facts::ROW_REPORT, &report).await?;
        Ok(report)
    }

    /// Reviews the indices, lets the engine renew its statistics, and stores a report.
    pub async fn check_indices(&self, now_ms: i64) -> DomainResult<IndexReport> {
        self.write("optimize", |tx| tx.optimize()).await?;
        let facts = self.read("storage_facts", |tx| tx.storage_facts()).await?;
        let report = IndexReport::of(&facts, now_ms);
        self.put_report(facts::INDEX_REPORT, &report).await?;
        Ok(report)
    }

    /// Returns the last reports, as staff of this rank may read them.
    pub async fn maintenance_reports(&self, rank: Rank) -> DomainResult<MaintenanceReports> {
        let read = self.read("maintenance_reports", move |tx| {
            // A report of another release that cannot be read is replaced by the next one.
            let read = |name| Ok::<_, StoreError>(tx.fact(name)?.unwrap_or_default());
            let indices = match rank {
                Rank::Operator => serde_json::from_str(&read(facts::INDEX_REPORT)?).ok(),
                _ => None,
            };
            Ok::<_, StoreError>(MaintenanceReports {
                rows: serde_json::from_str(&read(facts::ROW_REPORT)?).ok(),
                indices,
                retention: serde_json::from_str(&read(facts::PURGE_REPORT)?).ok(),
                analytics: serde_json::from_str(&read(facts::ANALYTICS_REPORT)?).ok(),
            })
        });
        Ok(read.await?)
    }

    pub(crate) async fn put_report(
        &self,
        name: &'static str,
        report: &impl Serialize,
    ) -> DomainResult<()> {
        let text = serde_json::to_string(report).unwrap_or_default();
        Ok(self.write("put_report", move |tx| tx.set_fact(name, &text)).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn index(name: &str, columns: &str, is_unique: bool) -> IndexFact {
        IndexFact {
            table: "t".into(),
            name: name.into(),
            columns: columns.split(' ').map(str::to_owned).collect(),
            is_unique,
            is_partial: false,
            scans: Some(1),
            bytes: Some(2 * MIN_UNUSED_BYTES),
        }
    }
    fn faults(facts: &StorageFacts) -> Vec<(IndexFault, String)> {
        let findings = IndexReport::of(facts, 0).findings.into_iter();
        findings.map(|finding| (finding.fault, finding.name)).collect()
    }

    #[test]
    fn duplicate_unused_and_missing_indices_and_bloat_are_found() {
        use IndexFault::{Bloat, Duplicate, Missing, Unused};
        let mut facts = StorageFacts {
            indices: vec![
                index("key", "a b", true),
                index("prefix", "a", false),
                index("same", "a b", false),
                index("other-order", "b a", false),
                IndexFact { is_partial: true, ..index("partial", "a", false) },
                IndexFact { scans: Some(0), ..index("unused", "c", false) },
                IndexFact { scans: Some(0), bytes: Some(8_192), ..index("small", "d", false) },
                IndexFact { scans: Some(0), ..index("unused-key", "e", true) },
                IndexFact { table: "u".into(), ..index("elsewhere", "a", false) },
            ],
            references: BTreeMap::from([(
                "t".to_owned(),
                vec![vec!["a".to_owned()], vec!["f".to_owned()]],
            )]),
            ..StorageFacts::default()
        };
        let expected = [
            (Duplicate, "prefix".to_owned()),
            (Duplicate, "same".to_owned()),
            (Unused, "unused".to_owned()),
            (Missing, "f".to_owned()),
        ];
        assert_eq!(faults(&facts), expected);
        // Only an index with the same first columns and without a condition is a duplicate.
        facts.indices.retain(|index| !["prefix", "same", "unused"].contains(&index.name.as_str()));
        assert_eq!(faults(&facts), [(Missing, "f".to_owned())]);

        let table = |rows, dead_rows| TableFact {
            name: "t".into(),
            rows: Some(rows),
            dead_rows: Some(dead_rows),
            bytes: None,
        };
        for (rows, dead, is_found) in
            [(100_000, 20_001, true), (100_000, 20_000, false), (1_000, 9_999, false)]
        {
            let facts = StorageFacts { tables: vec![table(rows, dead)], ..StorageFacts::default() };
            assert_eq!(faults(&facts).iter().any(|(f, _)| *f == Bloat), is_found, "{rows} {dead}");
        }
    }

    #[test]
    fn of_two_equal_indices_one_is_a_duplicate() {
        let facts = StorageFacts {
            indices: vec![index("one", "a", false), index("two", "a", false)],
            ..StorageFacts::default()
        };
        assert_eq!(faults(&facts), [(IndexFault::Duplicate, "two".to_owned())]);
    }
}
