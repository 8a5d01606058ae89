//! Errors of commands and of the start of the server. Errors of single requests are in `http::api_error`.

use std::path::PathBuf;

use carrel_model::ErrorCode;

use crate::{
    config::ConfigError,
    domain::{DomainError, publishing::RenderError},
    password::PasswordError,
    store::StoreError,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Domain(#[from] DomainError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("{action} {path:?}: {source}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("listen on {address}: {source}")]
    Listen { address: std::net::SocketAddr, source: std::io::Error },
    #[error("{0:?} is not a signing key of 64 hex digits")]
    SigningKey(PathBuf),
    #[error("{0:?} is missing, but a database exists")]
    NoSigningKey(PathBuf),
    #[error("{0:?} is not the data folder of a server")]
    NoServer(PathBuf),
    #[error("{0:?} contains files of a server, but no database")]
    NoDatabase(PathBuf),
    #[error("a restore into {0:?} was interrupted")]
    Unfinished(PathBuf),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("{path:?} is damaged: {problem}")]
    Damaged { path: PathBuf, problem: String },
}

impl From<StoreError> for Error {
    fn from(e: StoreError) -> Self {
        Self::Domain(e.into())
    }
}

impl Error {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Config(_) | Self::Refused(_) | Self::NoServer(_) => ErrorCode::InvalidRequest,
            Self::Unfinished(_) => ErrorCode::Conflict,
            Self::Domain(e) => e.code(),
            Self::Password(_) | Self::Listen { .. } => ErrorCode::Unavailable,
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                ErrorCode::DiskFull
            }
            Self::Io { .. } | Self::Render(RenderError::Blob { .. }) => ErrorCode::Storage,
            Self::SigningKey(_)
            | Self::NoSigningKey(_)
            | Self::NoDatabase(_)
            | Self::Render(_)
            | Self::Damaged { .. } => ErrorCode::Corrupt,
        }
    }
    /// Returns what an administrator can do; empty if the message is sufficient.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Config(_) => "docs/OPERATIONS.md lists the settings",
            Self::Domain(e) => e.hint(),
            Self::Listen { .. } => {
                "choose another port with --listen, or stop the process that uses it"
            }
            Self::NoServer(_) => "check --data; `serve` and `import` create a new server",
            Self::NoDatabase(_) => {
                "put the database back or restore a backup; for a new server, choose an empty folder"
            }
            Self::Unfinished(_) => {
                "run `carrel-server restore` again to finish it, or with --abandon to undo it"
            }
            Self::SigningKey(_) | Self::NoSigningKey(_) => {
                "restore it from a backup: clients have pinned the public key"
            }
            Self::Damaged { .. } => "use another backup; nothing was changed",
            _ => "",
        }
    }
}

/// Adds action and path to an I/O error.
pub(crate) fn io(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { action, path, source }
}
