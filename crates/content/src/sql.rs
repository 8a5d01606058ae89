//! Values of rows.

use carrel_model::BlobHash;

pub(crate) fn hash_at(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<BlobHash> {
    row.get(column).map(BlobHash)
}

/// A count of bytes as SQLite stores it; what does not fit becomes the largest number.
pub(crate) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
