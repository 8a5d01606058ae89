//! Every row a learner makes is an element of a join-semilattice: merging is `join`, and nothing else.
//!
//! The laws (commutative, associative, idempotent, monotone) hold over *all* rows with one key and are shown by property tests in
//! `tests/laws.rs`. A join of valid rows is valid: each limit either holds for a part that is taken over as a whole, or is part of the
//! join (`Extra`). `carrel-sqlite` does the same joins in SQL; a differential test holds the two together.
//!
//! Not here: what people see (percent of a course, minutes, mastery): `derive`. Where rows are kept: `carrel-sqlite`.

mod attempt;
mod extra;
mod kv;
mod note;
mod progress;
mod review;
mod row;
mod session;

pub use attempt::{Answer, Attempt, Grade};
pub use extra::Extra;
pub use kv::{Decision, DecisionStatus, ENROLMENT, Kv};
pub use note::{NoteLife, NoteRevision};
pub use progress::{ItemKind, Position, Progress};
pub use review::{Review, ReviewVoid};
pub use row::{Row, RowKey, RowKind, RowType, fold};
pub use session::{Session, day_of};

use crate::hash::BlobHash;
pub use crate::hlc::TIME_MS;

/// A join-semilattice. For rows with the same key: commutative, associative, idempotent.
pub trait Join {
    /// Makes `self` the least upper bound of `self` and `other`.
    fn join(&mut self, other: &Self);
}

/// Why a row is refused before any merge. It depends on the row alone, never on "now" (R4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Invalid {
    /// The field, in the wire's spelling.
    pub field: &'static str,
    pub problem: String,
}

/// What a row must satisfy on both sides.
pub trait Validate {
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
        Err(Invalid { field, problem: format!("is {} bytes long, the most is {max}", text.len()) })
    }
}

/// Bytes that are equal exactly when the values are: each field as a tag, a length and its bytes.
#[derive(Default)]
pub struct Canonical(Vec<u8>);

impl Canonical {
    pub fn int(&mut self, n: i64) -> &mut Self {
        self.bytes(&n.to_be_bytes())
    }
    pub fn text(&mut self, s: &str) -> &mut Self {
        self.bytes(s.as_bytes())
    }
    pub fn bytes(&mut self, b: &[u8]) -> &mut Self {
        self.0.extend_from_slice(&(b.len() as u32).to_be_bytes());
        self.0.extend_from_slice(b);
        self
    }
    pub fn option_int(&mut self, n: Option<i64>) -> &mut Self {
        match n {
            Some(n) => self.int(n),
            None => self.bytes(b""),
        }
    }
    pub fn hash(&self) -> BlobHash {
        BlobHash::of(&self.0)
    }
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The earlier of two times, where `None` is "not yet".
pub(crate) fn earliest(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, None) => a,
        (None, b) => b,
    }
}
