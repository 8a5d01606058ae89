//! A learner's rows: the lattices of `carrel-model`, their change numbers and what belongs to grading.

use std::collections::BTreeMap;

use carrel_model::{
    AttemptId, BlobHash, ItemId, Slug, UserId,
    lattice::{Progress, Row, RowKey, Session},
};

use crate::store::Result;

/// What a join did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JoinedRow {
    /// False: nothing was written, and the change number is still free.
    pub changed: bool,
    /// The row changed, and is now exactly what was joined.
    pub as_sent: bool,
    /// There was no row with this key.
    pub added: bool,
    /// One id came with two payloads; the one with the greater hash was kept.
    pub payload_conflict: bool,
    /// By how many bytes the row grew or shrank.
    pub growth: i64,
}

/// What a learner's rows count against the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub rows: i64,
    pub bytes: i64,
}

/// Grading of an attempt that was submitted without its answers: when it began, and the thousandths of a point of each graded question.
#[derive(Debug, Clone)]
pub struct OpenGrade {
    pub first_ms: i64,
    pub points: BTreeMap<Slug, i64>,
}

pub trait RowTx {
    /// The learner's change number; none if there is no such account.
    fn usn(&self, user: UserId) -> Result<Option<u64>>;
    fn set_usn(&self, user: UserId, usn: u64) -> Result<()>;
    fn usage(&self, user: UserId) -> Result<Usage>;
    fn set_usage(&self, user: UserId, usage: Usage) -> Result<()>;

    fn row(&self, user: UserId, key: &RowKey) -> Result<Option<Row>>;
    fn has_row(&self, user: UserId, key: &RowKey) -> Result<bool>;
    /// Joins valid rows in order. Each row that changes takes the next change number after `usn`.
    fn join(&self, user: UserId, rows: &[Row], usn: u64) -> Result<Vec<JoinedRow>>;
    /// Joins one row unless that makes it larger; then nothing is written and the answer is none.
    fn join_unless_larger(&self, user: UserId, row: &Row, usn: u64) -> Result<Option<JoinedRow>>;

    /// Rows with a greater change number in its order: at most `limit`, and no more after about `max_bytes`. True if there are more.
    fn rows_since(
        &self,
        user: UserId,
        since: u64,
        limit: u32,
        max_bytes: usize,
    ) -> Result<(Vec<(u64, Row)>, bool)>;
    /// Progress and sessions on a course or story and everything below it.
    fn progress_below(&self, user: UserId, root: &Slug) -> Result<(Vec<Progress>, Vec<Session>)>;

    /// The quiz that a stored attempt is of.
    fn quiz_of_attempt(&self, user: UserId, id: AttemptId) -> Result<Option<(ItemId, BlobHash)>>;
    /// When a stored attempt was submitted; none if it was not.
    fn submitted_ms(&self, user: UserId, id: AttemptId) -> Result<Option<i64>>;
    /// How many answers an attempt has; not counted beyond `most`.
    fn count_answers(&self, user: UserId, id: AttemptId, most: usize) -> Result<usize>;
    /// How many attempts at a quiz have a grade; not counted beyond `most`.
    fn count_graded(&self, user: UserId, quiz: &ItemId, most: u32) -> Result<usize>;
    /// Notes that an attempt has a grade. False if that was noted before.
    fn add_graded(&self, user: UserId, quiz: &ItemId, id: AttemptId) -> Result<bool>;
    fn open_grade(&self, user: UserId, id: AttemptId) -> Result<Option<OpenGrade>>;
    fn put_open_grade(&self, user: UserId, id: AttemptId, grade: &OpenGrade) -> Result<()>;
    /// Deletes what was noted before `first_ms`, the oldest first; `most` none: all of it. Returns how many.
    fn delete_open_grades(&self, first_ms: i64, most: Option<u32>) -> Result<u64>;
}
