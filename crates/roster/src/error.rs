//! Errors that stop an import.

use crate::problem::FileError;

/// An error of a directory, a sink or the input.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why an import was stopped. None of its entries may be applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file as a whole cannot be read.
    #[error("{0}")]
    File(#[from] FileError),
    /// The directory or the sink failed, or the import was cancelled.
    #[error("{0}")]
    Other(BoxError),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;
