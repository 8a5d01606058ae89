//! Errors of a database file, with hints for users.

use std::path::PathBuf;

use carrel_model::{ErrorCode, lattice::RowKey};

use crate::Cause;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{action} {path:?}: {source}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// An error of SQLite whose reason was determined by [`Error::probed`].
    #[error("{path:?}: {cause}: {source}")]
    Probed { cause: Cause, path: PathBuf, source: Box<Error> },
    /// Older versions can corrupt a database (`MIN_SQLITE_VERSION`).
    #[error("sqlite {found} is too old: at least 3.51.3 is needed")]
    OldSqlite { found: &'static str },
    /// For example on a network drive.
    #[error("write-ahead logging is not possible here: the journal mode stays {0:?}")]
    NoWal(String),
    #[error("the database is damaged: {}", .0.join("; "))]
    Damaged(Vec<String>),
    /// The file has tables, but not those of Carrel.
    #[error("the file is a database of another program")]
    ForeignDatabase,
    #[error("the file has schema {file}; this version supports schemas up to {app}")]
    NewerFile { file: u32, app: u32 },
    #[error("migration {number:04} ({name}) differs from the one that was applied to this file")]
    MigrationChanged { number: u32, name: String },
    #[error("migration {0} is out of order: migrations are numbered 1, 2, 3, ... without gaps")]
    Numbering(u32),
    #[error("migration {number:04} ({name}) failed: {source}")]
    Failed { number: u32, name: &'static str, source: rusqlite::Error },
    #[error("migration {number:04} ({name}) {problem}")]
    Refused { number: u32, name: &'static str, problem: String },
    #[error("not a key of a {} row: {:?}", .0.row_type.as_str(), .0.key)]
    BadKey(RowKey),
    /// A stored value that no version of this code writes.
    #[error("{table}.{column}: {problem}")]
    BadRow { table: &'static str, column: &'static str, problem: String },
}

impl Error {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::BadRow { .. } => ErrorCode::Corrupt,
            Self::BadKey(_) => ErrorCode::InvalidRequest,
            _ => self.cause().code(),
        }
    }
    /// Returns true if the same call may succeed later without an action of the user.
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
    /// Returns what the user can do, in English, for logs and command lines; empty if there is nothing to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoWal(_) => "put the data folder on a local disk",
            Self::ForeignDatabase => "choose another file; this one is unchanged",
            Self::MigrationChanged { .. } => {
                "use the release that created this file, or a backup made by this release; the file is unchanged"
            }
            Self::Failed { .. } if self.cause() != Cause::Other => self.cause().hint(),
            Self::Failed { .. } | Self::Refused { .. } => {
                "the file is unchanged; a backup made before the migration is in the backup folder"
            }
            Self::BadRow { .. } => Cause::Corrupt.hint(),
            _ => self.cause().hint(),
        }
    }
}
