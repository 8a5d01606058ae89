//! A learner's rows: their merge, their change numbers, and data for grading.

use std::collections::{BTreeMap, HashMap};

use carrel_model::{
    AttemptId, BlobHash, ItemId, Slug, UserId,
    lattice::{Progress, Row, RowKey, Session},
};

use crate::Result;

/// Result of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JoinedRow {
    /// False if nothing was written; then no change number is used.
    pub changed: bool,
    /// The stored row changed and is now equal to the received row.
    pub as_sent: bool,
    /// No row with this key was stored.
    pub added: bool,
    /// One id was received with two payloads; the one with the greater hash was kept.
    pub payload_conflict: bool,
    /// Change of the row's size in bytes.
    pub growth: i64,
}

/// Rows of a learner, as counted for the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub rows: i64,
    pub bytes: i64,
}

/// State of grading an attempt that was submitted without its answers: time of the first grade, and points of each
/// graded question, in thousandths.
#[derive(Debug, Clone)]
pub struct OpenGrade {
    pub first_ms: i64,
    pub points: BTreeMap<Slug, i64>,
}

pub trait RowTx {
    /// Returns the learner's change number, or `None` if there is no such account.
    fn usn(&self, user: UserId) -> Result<Option<u64>>;
    fn set_usn(&self, user: UserId, usn: u64) -> Result<()>;
    fn usage(&self, user: UserId) -> Result<Usage>;
    fn set_usage(&self, user: UserId, usage: Usage) -> Result<()>;

    fn row(&self, user: UserId, key: &RowKey) -> Result<Option<Row>>;
    /// Returns the stored ones of these rows by their keys, of any kinds.
    fn rows_with_keys(&self, user: UserId, keys: &[RowKey]) -> Result<HashMap<RowKey, Row>>;
    fn has_row(&self, user: UserId, key: &RowKey) -> Result<bool>;
    /// Merges valid rows in order. Each changed row gets the next change number after `usn`.
    fn join(&self, user: UserId, rows: &[Row], usn: u64) -> Result<Vec<JoinedRow>>;
    /// Merges a row. If the stored row would become larger, writes nothing and returns `None`.
    fn join_unless_larger(&self, user: UserId, row: &Row, usn: u64) -> Result<Option<JoinedRow>>;

    /// Returns rows with a change number above `since`, in ascending order: at most `limit` rows, and about `max_bytes`
    /// bytes. The flag is true if there are more rows.
    fn rows_since(
        &self,
        user: UserId,
        since: u64,
        limit: u32,
        max_bytes: usize,
    ) -> Result<(Vec<(u64, Row)>, bool)>;
    /// Returns progress and sessions of a course or story and of all its items.
    fn progress_below(&self, user: UserId, root: &Slug) -> Result<(Vec<Progress>, Vec<Session>)>;

    /// Returns the quiz of a stored attempt.
    fn quiz_of_attempt(&self, user: UserId, id: AttemptId) -> Result<Option<(ItemId, BlobHash)>>;
    /// Returns the time at which a stored attempt was submitted, or `None` if it was not submitted.
    fn submitted_ms(&self, user: UserId, id: AttemptId) -> Result<Option<i64>>;
    /// Returns the number of answers of an attempt, counted up to `max`.
    fn count_answers(&self, user: UserId, id: AttemptId, max: usize) -> Result<usize>;
    /// Returns the number of graded attempts at a quiz, counted up to `max`.
    fn count_graded(&self, user: UserId, quiz: &ItemId, max: u32) -> Result<usize>;
    /// Records that an attempt has a grade. Returns false if that was already recorded.
    fn add_graded(&self, user: UserId, quiz: &ItemId, id: AttemptId) -> Result<bool>;
    fn open_grade(&self, user: UserId, id: AttemptId) -> Result<Option<OpenGrade>>;
    fn put_open_grade(&self, user: UserId, id: AttemptId, grade: &OpenGrade) -> Result<()>;
    /// Deletes open grades with an earlier `first_ms`, the oldest first: at most `max`, or all if `None`. Returns the
    /// number of deleted grades.
    fn delete_open_grades(&self, first_ms: i64, max: Option<u32>) -> Result<u64>;
}
