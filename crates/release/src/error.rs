//! Errors of the release tool.

use std::{io, path::Path};

/// Result with [`Error`] as the default error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The private key cannot be read.
    #[error(
        "the signing key cannot be used: {0}; hint: set CARREL_UPDATE_KEY and CARREL_UPDATE_KEY_PASSWORD"
    )]
    Key(String),
    /// A file cannot be read or written.
    #[error("{path}: {cause}")]
    File { path: String, cause: io::Error },
    /// An input is missing or wrong.
    #[error("{0}")]
    Input(String),
}

impl Error {
    /// Returns a function that adds the path to an I/O error.
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |cause| Self::File { path, cause }
    }
}
