//! Errors of packs.

use carrel_model::ErrorCode;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a pack cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is a valid database, but not that of a pack. Contains what is wrong.
    #[error("not a dictionary pack: {0}")]
    NotPack(String),
    #[error(transparent)]
    Database(#[from] carrel_sqlite::Error),
    #[error("{action} {path:?}: {source}")]
    Io { action: &'static str, path: std::path::PathBuf, source: std::io::Error },
    #[error(transparent)]
    File(#[from] carrel_bundle::Fault),
}

impl Error {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotPack(_) => ErrorCode::Corrupt,
            Self::Database(e) => e.code(),
            Self::Io { .. } => ErrorCode::Storage,
            Self::File(e) => e.code(),
        }
    }
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Database(e) if e.is_retryable())
    }
    /// Returns what the user can do, in English, for logs and command lines.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotPack(_) | Self::File(_) => "copy the file again, or build the pack again",
            Self::Database(e) => e.hint(),
            Self::Io { .. } => "check the permissions and the free disk space",
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        Self::Database(e.into())
    }
}
