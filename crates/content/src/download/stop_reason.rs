//! Why an attempt failed, and what starts the next one.
//!
//! Not here: waiting (`task`).

use carrel_model::ErrorCode;
use carrel_net::{Error as Net, Retry};

use crate::{
    Error,
    download::{Phase, Reason},
};

/// State of a download after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopReason {
    /// Phase of the download.
    pub phase: Phase,
    /// Why the download waits or failed.
    pub reason: Reason,
    /// What starts the next attempt.
    pub retry: Retry,
}

impl StopReason {
    /// Classifies an error that ended an attempt.
    pub fn of(error: &Error) -> Self {
        let paused = |reason, retry| Self { phase: Phase::Paused, reason, retry };
        let failed = |reason| Self { phase: Phase::Failed, reason, retry: Retry::ByUser };
        match error {
            Error::Net(Net::Offline { .. }) | Error::NotDownloaded { .. } => {
                paused(Reason::Offline, Retry::OnChange)
            }
            e if e.code() == ErrorCode::DiskFull => paused(Reason::DiskFull, Retry::OnChange),
            Error::Net(Net::Unauthenticated) => paused(Reason::SignIn, Retry::OnChange),
            // A captive portal: retried after a change of the network, for example a sign-in.
            Error::Net(Net::BadReply { .. }) => paused(Reason::Portal, Retry::OnChange),
            Error::Net(Net::Server { status: 403, .. }) => failed(Reason::Policy),
            Error::Net(Net::Server { code: ErrorCode::TooNew, .. }) => failed(Reason::Server),
            Error::Net(Net::Server { retry_after_ms: Some(ms), .. }) => {
                paused(Reason::Server, Retry::After(*ms))
            }
            Error::Net(Net::Server { .. }) => paused(Reason::Server, Retry::Backoff),
            Error::Corrupt(_) => paused(Reason::Corrupt, Retry::Backoff),
            // Removed from the server.
            Error::NotFound(_) => failed(Reason::Server),
            // For example, a busy database, a locked file, a read-only folder.
            Error::Storage(_) => paused(Reason::Storage, Retry::Backoff),
            _ => failed(Reason::Server),
        }
    }
}

#[cfg(test)]
mod tests;
