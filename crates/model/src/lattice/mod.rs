//! Rows of a learner as elements of join-semilattices. Rows are merged only by `join`.
//!
//! The laws (commutative, associative, idempotent, monotone) hold over *all* rows with one key and are checked by
//! property tests in `tests/laws.rs`. A join of valid rows is valid: each limit either applies to a part that is taken
//! from one side as a whole, or is part of the join (`Extra`). `carrel-sqlite` implements the same joins in SQL; a
//! differential test compares both.
//!
//! Not here: displayed values (percentage of a course, minutes, mastery): `derive`. Storage: `carrel-sqlite`.

mod anchor;
mod attempt;
mod day;
mod extra;
mod kv;
mod note;
mod progress;
mod review;
mod row;
mod session;

pub use anchor::{NoteAnchor, NoteMark};
pub use attempt::{Answer, Attempt, Grade};
pub use day::{DAY_MS, date_of_day, day_of_date, row_time, study_day};
pub use extra::Extra;
pub use kv::{
    CARD, Decision, DecisionStatus, ENROLMENT, EXERCISE, EXERCISE_SEPARATOR, Kv, PARAMS, PROGRAM,
    REVIEW, TIMING, WORD,
};
pub use note::{NoteLife, NoteRevision};
pub use progress::{ItemKind, Position, Progress};
pub use review::{Review, ReviewKind, ReviewVoid, params_id};
pub use row::{Row, RowKey, RowKind, RowType, fold};
pub use session::{Session, day_of};

use crate::hash::BlobHash;
pub use crate::hlc::TIME_MS;

/// A join-semilattice. For rows with the same key, `join` is commutative, associative and idempotent.
pub trait Join {
    /// Sets `self` to the least upper bound of `self` and `other`.
    fn join(&mut self, other: &Self);
}

/// Why a row is rejected before any merge. It depends only on the row, not on the current time (R4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Invalid {
    /// Name of the field on the wire.
    pub field: &'static str,
    /// What is wrong with it, in lower case.
    pub problem: String,
}

/// The rules for valid rows, which client and server check.
pub trait Validate {
    /// Returns the first violated rule as an error.
    fn validate(&self) -> Result<(), Invalid>;
}

pub(crate) fn check(ok: bool, field: &'static str, problem: &str) -> Result<(), Invalid> {
    if ok { Ok(()) } else { Err(Invalid { field, problem: problem.to_owned() }) }
}

pub(crate) fn check_time(ms: i64, field: &'static str) -> Result<(), Invalid> {
    check(TIME_MS.contains(&ms), field, "is not between the years 2000 and 2200")
}
pub(crate) fn check_len(text: &str, max: usize, field: &'static str) -> Result<(), Invalid> {
    if text.len() <= max {
        Ok(())
    } else {
        Err(Invalid { field, problem: format!("is {} bytes long, the limit is {max}", text.len()) })
    }
}

/// Canonical bytes, which are equal if and only if the values are equal. Each field is written as its length and its
/// bytes.
#[derive(Default)]
pub struct Canonical(Vec<u8>);

impl Canonical {
    /// Appends an integer.
    pub fn int(&mut self, n: i64) -> &mut Self {
        self.bytes(&n.to_be_bytes())
    }
    /// Appends a text as UTF-8.
    pub fn text(&mut self, s: &str) -> &mut Self {
        self.bytes(s.as_bytes())
    }
    /// Appends bytes after their length (32 bits, big-endian).
    pub fn bytes(&mut self, b: &[u8]) -> &mut Self {
        self.0.extend_from_slice(&(b.len() as u32).to_be_bytes());
        self.0.extend_from_slice(b);
        self
    }
    /// Appends an optional integer; none is written as zero bytes.
    pub fn option_int(&mut self, n: Option<i64>) -> &mut Self {
        match n {
            Some(n) => self.int(n),
            None => self.bytes(b""),
        }
    }
    /// Appends an optional text; none is written as zero bytes, a text after the byte 1.
    pub fn option_text(&mut self, s: Option<&str>) -> &mut Self {
        match s {
            Some(s) => self.bytes(&[&[1], s.as_bytes()].concat()),
            None => self.bytes(b""),
        }
    }
    /// Returns the BLAKE3 hash of the bytes.
    pub fn hash(&self) -> BlobHash {
        BlobHash::of(&self.0)
    }
    /// Returns the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Returns the earlier of two times, where `None` means "not yet".
pub(crate) fn earliest(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, None) => a,
        (None, b) => b,
    }
}
