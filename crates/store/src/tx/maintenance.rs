//! Checks of the stored data and of the indices.

use std::collections::BTreeMap;

use carrel_model::{UserId, lattice::Session};
use carrel_sqlite::rows::SPECS;

use crate::Result;

/// A column whose values must be in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueRange {
    pub table: &'static str,
    pub column: &'static str,
    pub min: i64,
    pub max: i64,
    /// The value can be replaced by the nearest one of the range. Not in rows that never change after the first write:
    /// devices have the same, and its hash is stored with it.
    pub is_correctable: bool,
}

/// The ranges that are checked: those that a push must keep.
pub const RANGES: [ValueRange; 4] = [
    ValueRange { table: "progress", column: "percent", min: 0, max: 10_000, is_correctable: true },
    ValueRange {
        table: "study_session",
        column: "active_ms",
        min: 0,
        max: Session::MAX_ACTIVE_MS,
        is_correctable: false,
    },
    ValueRange { table: "review", column: "rating", min: 0, max: 4, is_correctable: false },
    ValueRange { table: "grade", column: "points", min: 0, max: i64::MAX, is_correctable: false },
];

/// Returns the tables whose rows belong to a learner.
pub fn learner_tables() -> Vec<&'static str> {
    let rows = SPECS.iter().map(|spec| spec.table);
    rows.chain(["graded_attempt", "open_grade"]).collect()
}

/// An index as the engine describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFact {
    pub table: String,
    pub name: String,
    pub columns: Vec<String>,
    pub is_unique: bool,
    /// It has a condition, or an expression in place of a column.
    pub is_partial: bool,
    /// Number of uses since the engine began to count; `None` if it does not.
    pub scans: Option<u64>,
    pub bytes: Option<u64>,
}

/// A table as the engine describes it. `None`: the engine does not count this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFact {
    pub name: String,
    /// About this number.
    pub rows: Option<u64>,
    /// Rows that were deleted or replaced and whose space was not reclaimed.
    pub dead_rows: Option<u64>,
    pub bytes: Option<u64>,
}

/// What the engine tells about its storage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StorageFacts {
    /// Faults that the engine found in its files; empty if there are none, or if it has no such check.
    pub faults: Vec<String>,
    /// Size of the database, and the unused part of it.
    pub bytes: u64,
    pub free_bytes: u64,
    pub tables: Vec<TableFact>,
    pub indices: Vec<IndexFact>,
    /// Columns that refer to another table, by table.
    pub references: BTreeMap<String, Vec<Vec<String>>>,
}

pub trait MaintenanceTx {
    /// Returns the number of rows of a table whose learner has no account, and that of all rows.
    fn count_orphans(&self, table: &'static str) -> Result<(u64, u64)>;
    /// Deletes the rows of a table whose learner has no account, of at most `max` learners. Returns the number of rows.
    fn delete_orphans(&self, table: &'static str, max: u32) -> Result<u64>;
    fn count_out_of_range(&self, range: &ValueRange) -> Result<u64>;
    /// Returns learner and change number of rows with a value out of range, at most `max`.
    fn rows_out_of_range(&self, range: &ValueRange, max: u32) -> Result<Vec<(UserId, u64)>>;
    /// Replaces the value of the row with change number `usn` by the nearest one of the range. The row gets the change
    /// number `new_usn`.
    fn correct_value(&self, range: &ValueRange, user: UserId, usn: u64, new_usn: u64)
    -> Result<()>;
    /// Lets the engine renew the statistics by which it chooses indices, if it does not do so by itself.
    fn optimize(&self) -> Result<()>;
    fn storage_facts(&self) -> Result<StorageFacts>;
}
