//! Errors of updates.

use carrel_model::ErrorCode;
use carrel_net::{Error as Net, Failure, NetworkCause};
use carrel_system::{Panicked, StorageError};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::decision::Refusal;

/// Result with [`Error`] as the default error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The build has no public key or no address of a feed.
    #[error("updates are not set up in this build: {0}")]
    NotSetUp(String),
    /// The network or a server failed.
    #[error(transparent)]
    Net(#[from] Net),
    /// A file that is not what its name says: a feed, a signature, an update file.
    #[error("{file} cannot be read: {problem}")]
    Malformed { file: String, problem: String },
    /// A signature that is not by an accepted key, or for other bytes.
    #[error("the signature of {file} is not valid: {problem}")]
    Signature { file: String, problem: String },
    /// The signed comment names another version, channel, target or file.
    #[error("the signature of {file} is for another {field}: {found}, not {expected}")]
    OtherFile { file: String, field: &'static str, found: String, expected: String },
    /// The bytes do not have the size or the hash in the feed.
    #[error("{file} is damaged: {problem}")]
    Damaged { file: String, problem: String },
    /// A valid update that is not installed.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Not enough disk space.
    #[error("the update needs {needed} bytes of disk space, {free} are free")]
    NoSpace { needed: u64, free: u64 },
    /// This user cannot replace the program.
    #[error("{program} cannot be replaced: {problem}")]
    NotReplaceable { program: String, problem: String },
    /// The new program does not run on this device.
    #[error("version {version} does not run on this device: {problem}")]
    DoesNotRun { version: String, problem: String },
    /// The installer of the operating system failed.
    #[error("the installer failed: {0}")]
    Installer(String),
    /// Nothing was downloaded, or another operation is running.
    #[error("{0}")]
    NotNow(&'static str),
    /// The file system failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The kind of a problem, for the UI, which has a text for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(rename = "UpdateProblemKind")]
pub enum Problem {
    /// Updates are not set up in this build.
    NotSetUp,
    /// The policy switches updates off.
    Off,
    /// The package is updated by the system or the organisation.
    Managed,
    /// The feed is no longer valid.
    Expired,
    /// The feed was published before one that this device has read.
    Replayed,
    /// The feed offers an older version than the installed one.
    Downgrade,
    /// The release has no package for this device.
    NoPackage,
    /// The installed version is too old to be updated directly.
    TooOld,
    /// This version did not start before and was rolled back.
    FailedBefore,
    /// A signature is not valid, or is for another file.
    Signature,
    /// Bytes are missing or wrong.
    Damaged,
    /// No network or no server.
    Offline,
    /// Not enough disk space.
    NoSpace,
    /// This user cannot replace the program.
    NotReplaceable,
    /// The new program does not run on this device, or the installer failed.
    InstallFailed,
    /// Anything else.
    Other,
}

impl Error {
    /// Returns the kind of the problem.
    pub fn problem(&self) -> Problem {
        match self {
            Self::NotSetUp(_) => Problem::NotSetUp,
            Self::Refused(refusal) => refusal.problem(),
            Self::Signature { .. } | Self::OtherFile { .. } => Problem::Signature,
            Self::Damaged { .. } | Self::Malformed { .. } => Problem::Damaged,
            Self::NoSpace { .. } => Problem::NoSpace,
            Self::NotReplaceable { .. } => Problem::NotReplaceable,
            Self::DoesNotRun { .. } | Self::Installer(_) => Problem::InstallFailed,
            Self::NotNow(_) => Problem::Other,
            Self::Net(_) | Self::Storage(_) => match self.code() {
                ErrorCode::DiskFull => Problem::NoSpace,
                code if code.is_retryable() || code == ErrorCode::NotFound => Problem::Offline,
                _ => Problem::Other,
            },
        }
    }
    /// Returns why the connection failed, if it is known.
    pub fn network_cause(&self) -> Option<NetworkCause> {
        match self {
            Self::Net(e) => e.network_cause(),
            _ => None,
        }
    }
    /// Returns the error code for callers.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotSetUp(_) | Self::Refused(_) | Self::NotNow(_) => ErrorCode::Conflict,
            Self::Net(e) => e.code(),
            Self::Malformed { .. }
            | Self::Signature { .. }
            | Self::OtherFile { .. }
            | Self::Damaged { .. } => ErrorCode::Corrupt,
            Self::NoSpace { .. } => ErrorCode::DiskFull,
            Self::NotReplaceable { .. } => ErrorCode::Storage,
            Self::DoesNotRun { .. } | Self::Installer(_) => ErrorCode::Unavailable,
            Self::Storage(e) => e.code(),
        }
    }
    /// Returns true if the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
    /// Returns what the user can do about it, in lower case; empty if there is nothing.
    pub fn hint(&self) -> &'static str {
        match self.problem() {
            Problem::NotSetUp => "install a release of Carrel, or ask your administrator",
            Problem::Off | Problem::Managed => "ask your administrator",
            Problem::Expired => "check the clock of this device; otherwise try again later",
            Problem::TooOld => "install the newest version by hand",
            Problem::Signature | Problem::Damaged => {
                "nothing was installed; try again later or use another network"
            }
            Problem::Offline => "try again with a network",
            Problem::NoSpace => "free some space on this device",
            Problem::NotReplaceable => {
                "move the program to a folder in which this user may write, or ask your administrator"
            }
            Problem::Replayed | Problem::NoPackage | Problem::Downgrade => "try again later",
            Problem::FailedBefore | Problem::InstallFailed => "wait for the next version",
            Problem::Other => "",
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Net(failure.into())
    }
}
impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::Storage(e.into())
    }
}
impl From<Panicked> for Error {
    fn from(e: Panicked) -> Self {
        Self::Storage(e.into())
    }
}
