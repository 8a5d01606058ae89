//! The error type of this crate.

use std::io;

use crate::Unsupported;

/// Why a recording cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is damaged, truncated or empty; holds the reason.
    #[error("{0}")]
    Broken(String),
    /// A known format that not every device plays.
    #[error("it is {}", .0.name)]
    Unsupported(Unsupported),
}

pub(crate) fn broken(reason: impl Into<String>) -> RecordingError {
    RecordingError::Broken(reason.into())
}
