//! Why a download stopped, and what makes it go on.
//!
//! Not here: the waiting itself (`run`).

use carrel_model::ErrorCode;
use carrel_net::Error as Net;

use crate::{
    Error,
    download::{Phase, Reason},
};

/// What a download that stopped waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The next try of a growing row, or the world is another one: a network, a sign-in, space.
    World,
    /// The next try of a growing row, and nothing else: a server that is asked more often does not get well sooner.
    Turn,
    /// The server said when, in ms.
    Told(u64),
    /// A person.
    Person,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    pub phase: Phase,
    pub reason: Reason,
    pub wait: Wait,
}

/// The longest `Retry-After` that is believed: a wrong one must not stop a download for a year.
const LONGEST_MS: u64 = 3_600_000;

impl Stop {
    /// What an error means for the download as a whole.
    pub fn of(error: &Error) -> Self {
        let paused = |reason, wait| Self { phase: Phase::Paused, reason, wait };
        let failed = |reason| Self { phase: Phase::Failed, reason, wait: Wait::Person };
        match error {
            Error::Net(Net::Offline(_)) | Error::NotDownloaded { .. } => {
                paused(Reason::Offline, Wait::World)
            }
            e if e.code() == ErrorCode::DiskFull => paused(Reason::DiskFull, Wait::World),
            Error::Net(Net::Unauthenticated) => paused(Reason::SignIn, Wait::World),
            // A page of the Wi-Fi, a redirect: it may be gone as soon as the learner has signed in there.
            Error::Net(Net::BadReply { .. }) => paused(Reason::Portal, Wait::World),
            Error::Net(Net::Server { status: 403, .. }) => failed(Reason::Policy),
            Error::Net(Net::Server { code: ErrorCode::TooNew, .. }) => failed(Reason::Server),
            Error::Net(Net::Server { retry_after_ms: Some(ms), .. }) => {
                paused(Reason::Server, Wait::Told((*ms).min(LONGEST_MS)))
            }
            Error::Net(Net::Server { .. }) => paused(Reason::Server, Wait::Turn),
            Error::Corrupt(_) => paused(Reason::Corrupt, Wait::Turn),
            // Gone from the library.
            Error::NotFound(_) => failed(Reason::Server),
            // A database that is busy, a file that another program holds, a folder that is read-only.
            Error::Storage(_) => paused(Reason::Storage, Wait::Turn),
            _ => failed(Reason::Server),
        }
    }
}

#[cfg(test)]
mod tests {
    use carrel_sqlite::{Cause, StorageError};

    use super::*;

    #[test]
    fn every_error_has_its_reason() {
        let server = |status, code, wait| {
            let detail = String::new();
            Error::from(Net::Server { status, code, detail, retry_after_ms: wait })
        };
        let storage = |cause| Error::from(StorageError::new(cause, ""));
        let text = String::new;
        for (error, phase, reason, wait) in [
            (Net::Offline(text()).into(), Phase::Paused, Reason::Offline, Wait::World),
            (storage(Cause::Full), Phase::Paused, Reason::DiskFull, Wait::World),
            (Net::Unauthenticated.into(), Phase::Paused, Reason::SignIn, Wait::World),
            (
                Net::BadReply { url: text(), problem: text() }.into(),
                Phase::Paused,
                Reason::Portal,
                Wait::World,
            ),
            (server(503, ErrorCode::Unavailable, None), Phase::Paused, Reason::Server, Wait::Turn),
            (
                server(429, ErrorCode::RateLimited, Some(9_000)),
                Phase::Paused,
                Reason::Server,
                Wait::Told(9_000),
            ),
            (
                server(503, ErrorCode::Unavailable, Some(u64::MAX)),
                Phase::Paused,
                Reason::Server,
                Wait::Told(LONGEST_MS),
            ),
            (server(403, ErrorCode::Forbidden, None), Phase::Failed, Reason::Policy, Wait::Person),
            (Error::Corrupt(text()), Phase::Paused, Reason::Corrupt, Wait::Turn),
            (storage(Cause::Busy), Phase::Paused, Reason::Storage, Wait::Turn),
            (storage(Cause::Denied), Phase::Paused, Reason::Storage, Wait::Turn),
            (storage(Cause::Other), Phase::Paused, Reason::Storage, Wait::Turn),
            (Error::NotFound(text()), Phase::Failed, Reason::Server, Wait::Person),
        ] {
            assert_eq!(Stop::of(&error), Stop { phase, reason, wait }, "{error}");
        }
    }
}
