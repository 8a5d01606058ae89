//! Conversions between Rust values and SQLite columns.

use carrel_model::BlobHash;

pub(crate) fn hash_at(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<BlobHash> {
    row.get(column).map(BlobHash)
}

/// Converts a number of bytes to SQLite's signed integer; saturates at `i64::MAX`.
pub(crate) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
