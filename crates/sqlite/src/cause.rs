//! Determines why a database could not be opened, read or written.
//!
//! SQLite reports the failed call (`IOERR`, `CANTOPEN`), not the reason of the operating system. [`Error::probed`]
//! determines the reason by writing a small temporary file to the same folder.
//!
//! Not here: the error type (`error`).

use std::path::Path;

use carrel_system::{Cause, StorageError};
use rusqlite::ffi;

use crate::Error;

/// Returns the cause as far as the code of SQLite determines it. A failed write counts as `Full`, because SQLite has no
/// code for an exceeded quota.
pub fn cause_of(error: &rusqlite::Error) -> Cause {
    let Some(error) = error.sqlite_error() else { return Cause::Other };
    match error.code {
        ffi::ErrorCode::DiskFull => Cause::Full,
        ffi::ErrorCode::DatabaseCorrupt | ffi::ErrorCode::NotADatabase => Cause::Corrupt,
        ffi::ErrorCode::DatabaseBusy
        | ffi::ErrorCode::DatabaseLocked
        | ffi::ErrorCode::FileLockingProtocolFailed => Cause::Busy,
        ffi::ErrorCode::PermissionDenied | ffi::ErrorCode::ReadOnly => Cause::Denied,
        ffi::ErrorCode::SystemIoFailure => match error.extended_code {
            ffi::SQLITE_IOERR_WRITE
            | ffi::SQLITE_IOERR_FSYNC
            | ffi::SQLITE_IOERR_DIR_FSYNC
            | ffi::SQLITE_IOERR_TRUNCATE
            | ffi::SQLITE_IOERR_SHMSIZE
            | ffi::SQLITE_IOERR_SHMMAP => Cause::Full,
            ffi::SQLITE_IOERR_ACCESS => Cause::Denied,
            _ => Cause::Other,
        },
        _ => Cause::Other,
    }
}

impl Error {
    /// Returns the cause of this error.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Sqlite(e) | Self::Failed { source: e, .. } => cause_of(e),
            Self::Io { source, .. } => Cause::of_io(source),
            Self::Probed { cause, .. } => *cause,
            Self::Damaged(_) => Cause::Corrupt,
            Self::NewerFile { .. } => Cause::Newer,
            _ => Cause::Other,
        }
    }

    /// Determines the reason of an input/output error by a probe of the folder of `database`; returns other errors
    /// unchanged. `open` and `migrate` return probed errors; to be called for errors of later statements.
    pub fn probed(self, database: &Path) -> Self {
        let known = match &self {
            Self::Sqlite(e) | Self::Failed { source: e, .. } => match e.sqlite_error() {
                Some(e) if e.code == ffi::ErrorCode::SystemIoFailure => {
                    // The index of the log could not be extended; a full disk is the only reason.
                    (e.extended_code == ffi::SQLITE_IOERR_SHMSIZE).then_some(Cause::Full)
                }
                Some(e) if e.code == ffi::ErrorCode::CannotOpen => None,
                _ => return self,
            },
            Self::NoWal(_) => None,
            _ => return self,
        };
        let folder = match database.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let cause = known.or_else(|| Cause::probe(folder)).unwrap_or(Cause::Other);
        Self::Probed { cause, path: database.to_owned(), source: Box::new(self) }
    }
}

impl From<Error> for StorageError {
    fn from(e: Error) -> Self {
        let text = match e.hint() {
            "" => e.to_string(),
            hint => format!("{e}; hint: {hint}"),
        };
        match e {
            Error::BadRow { .. } => Self::corrupt(text),
            e => Self::new(e.cause(), text),
        }
    }
}

/// Converts the failure of a statement to the error type that other crates report.
pub fn storage_error(e: &rusqlite::Error) -> StorageError {
    StorageError::new(cause_of(e), e.to_string())
}
