//! Why a file or a database could not be opened, read or written.

use std::{
    fmt,
    io::{self, Write},
    path::Path,
};

use carrel_model::ErrorCode;

/// Bytes that a probe writes. Opening a database may create its file, the write-ahead log and the index of the log (32
/// KiB).
const PROBE_BYTES: usize = 128 * 1024;
/// File descriptors that a probe opens. A database needs four: file, log, index of the log, folder.
const PROBE_FILES: usize = 4;

/// Why an operation on a file or database failed: the cases that callers handle differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The file is damaged: SQLite reported `CORRUPT` or `NOTADB`, or a check found damage. Confirm it with
    /// `carrel_sqlite::confirm_damage` before changing the file.
    Corrupt,
    /// No space on the disk, or the quota is exhausted.
    Full,
    /// Another connection has locked the file.
    Busy,
    /// The file was written by a newer version of the app.
    Newer,
    /// No permission, or a read-only file system.
    Denied,
    /// The process or the system has no file descriptor left.
    TooManyFiles,
    /// Any other reason, for example an input/output error of the device.
    Other,
}

impl Cause {
    /// Classifies an error of the file system.
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied,
            _ if error.raw_os_error().is_some_and(too_many_files) => Self::TooManyFiles,
            _ => Self::Other,
        }
    }

    /// Writes a temporary file in the folder and removes it. Returns the cause if this fails, otherwise `None`.
    pub fn probe(folder: &Path) -> Option<Self> {
        let attempt = || {
            let mut file = tempfile::tempfile_in(folder)?;
            let mut others = Vec::new();
            for _ in 1..PROBE_FILES {
                others.push(file.try_clone()?);
            }
            // Random bytes, which a compressing file system cannot store in less space.
            let mut bytes = vec![0; PROBE_BYTES];
            blake3::Hasher::new().finalize_xof().fill(&mut bytes);
            file.write_all(&bytes)?;
            file.sync_data()
        };
        attempt().err().map(|e| Self::of_io(&e))
    }

    /// Returns the error code for this cause.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Corrupt => ErrorCode::Corrupt,
            Self::Full => ErrorCode::DiskFull,
            Self::Busy => ErrorCode::Unavailable,
            Self::Newer | Self::Denied | Self::TooManyFiles | Self::Other => ErrorCode::Storage,
        }
    }

    /// Returns what the user can do about it, in lower case; empty if there is nothing.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Corrupt => "restore the newest backup; the next sync transfers the missing rows",
            Self::Full => "free some disk space; no data was lost",
            Self::Busy => "close the other program that uses the file, then try again",
            Self::Newer => "update Carrel; the file is unchanged",
            Self::Denied => "allow this user to write to the folder and the file",
            Self::TooManyFiles => "close other programs, or raise the limit of open files",
            Self::Other => "",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "damaged",
            Self::Full => "disk full",
            Self::Busy => "in use",
            Self::Newer => "newer version",
            Self::Denied => "not permitted",
            Self::TooManyFiles => "too many open files",
            Self::Other => "unknown cause",
        })
    }
}

#[cfg(unix)]
fn too_many_files(errno: i32) -> bool {
    // ENFILE and EMFILE, which have these numbers on Linux, Android, macOS, iOS and the BSDs.
    matches!(errno, 23 | 24)
}
#[cfg(windows)]
fn too_many_files(errno: i32) -> bool {
    // ERROR_TOO_MANY_OPEN_FILES
    errno == 4
}
#[cfg(not(any(unix, windows)))]
fn too_many_files(_: i32) -> bool {
    false
}
