//! The reasons why a bundle is not written or not imported, each with a stable code for which the UI has a message.

use carrel_bundle::Fault;
use carrel_model::ErrorCode;

/// A reason why a bundle is not written or not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The file is not a valid bundle or cannot be read or written.
    #[error(transparent)]
    File(#[from] Fault),
    #[error("{0} is not on this device")]
    NotDownloaded(String),
    /// Blobs of a course are missing or damaged. `what` names the first five.
    #[error("{title}: {files} files ({bytes} bytes) are missing or damaged: {what}")]
    Missing { title: String, files: u32, bytes: u64, what: String },
    /// Not enough space. `free`: bytes that may still be written, within the disk's free space and the storage limits.
    #[error("{need} bytes are needed, {free} are free")]
    NoSpace { need: u64, free: u64 },
    #[error("cannot write to {0}")]
    NotWritable(String),
    /// The bundle names a known library but is signed with another key.
    #[error("the file names {name} as its library, but is signed with another key ({fingerprint})")]
    WrongKey { name: String, fingerprint: String },
    #[error("the file is from {theirs}, not from {ours}")]
    OtherLibrary { ours: String, theirs: String },
    /// The first bundle with this key: the user has to accept the key.
    #[error("the key of {name} ({fingerprint}) has not been accepted")]
    NotAccepted { name: String, fingerprint: String },
    #[error("the id of {title} is already used by a course of another library on this device")]
    Taken { title: String },
    #[error("the file contains the work of {name}")]
    OtherLearner { name: String },
    #[error("the file contains work for another server: {server}")]
    OtherServer { server: String },
    /// The work was done without an account: the user has to confirm that it is theirs.
    #[error("the work was done without an account")]
    Unclaimed,
    #[error("another export or import is running")]
    Busy,
    /// A file of another program cannot be converted. `code`: that of the first problem, for which the UI has a
    /// message; `problems`: sentences with what to do, in English.
    #[error("the file cannot be converted: {problems}")]
    NotConverted { code: String, problems: String },
}

impl ImportError {
    /// Returns a code that is stable across releases; the UI has a message for each.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::File(fault) => fault.reason(),
            Self::NotDownloaded(_) => "not_here",
            Self::Missing { .. } => "missing",
            Self::NoSpace { .. } => "no_space",
            Self::NotWritable(_) => "no_place",
            Self::WrongKey { .. } => "wrong_key",
            Self::OtherLibrary { .. } => "other_library",
            Self::NotAccepted { .. } => "not_accepted",
            Self::Taken { .. } => "taken",
            Self::OtherLearner { .. } => "other_learner",
            Self::OtherServer { .. } => "other_server",
            Self::Unclaimed => "unclaimed",
            Self::Busy => "busy",
            Self::NotConverted { .. } => "not_converted",
        }
    }
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::File(fault) => fault.code(),
            Self::NotDownloaded(_) | Self::Missing { .. } => ErrorCode::NotDownloaded,
            Self::NoSpace { .. } => ErrorCode::DiskFull,
            Self::NotWritable(_) => ErrorCode::Storage,
            Self::WrongKey { .. } | Self::NotConverted { .. } => ErrorCode::Corrupt,
            Self::Taken { .. } => ErrorCode::Conflict,
            Self::Busy => ErrorCode::Unavailable,
            Self::OtherLibrary { .. }
            | Self::NotAccepted { .. }
            | Self::OtherLearner { .. }
            | Self::OtherServer { .. }
            | Self::Unclaimed => ErrorCode::Forbidden,
        }
    }
    /// Returns what the message refers to: a title, a learner, a library, a path, or the code of a problem of a file of
    /// another program; empty if there is nothing.
    pub fn subject(&self) -> &str {
        match self {
            Self::NotDownloaded(s) | Self::NotWritable(s) => s,
            Self::Missing { title, .. } | Self::Taken { title } => title,
            Self::WrongKey { name, .. }
            | Self::NotAccepted { name, .. }
            | Self::OtherLearner { name } => name,
            Self::OtherLibrary { theirs, .. } => theirs,
            Self::OtherServer { server } => server,
            Self::NotConverted { code, .. } => code,
            _ => "",
        }
    }
}
