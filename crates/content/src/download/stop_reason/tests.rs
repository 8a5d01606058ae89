use carrel_sqlite::{Cause, StorageError};

use super::*;

#[test]
fn errors_have_the_expected_reasons() {
    let server = |status, code, wait| {
        let detail = String::new();
        Error::from(Net::Server { status, code, detail, retry_after_ms: wait })
    };
    let storage = |cause| Error::from(StorageError::new(cause, ""));
    let text = String::new;
    for (error, phase, reason, retry) in [
        (Net::offline(text()).into(), Phase::Paused, Reason::Offline, Retry::OnChange),
        (storage(Cause::Full), Phase::Paused, Reason::DiskFull, Retry::OnChange),
        (Net::Unauthenticated.into(), Phase::Paused, Reason::SignIn, Retry::OnChange),
        (
            Net::BadReply { url: text(), problem: text() }.into(),
            Phase::Paused,
            Reason::Portal,
            Retry::OnChange,
        ),
        (server(503, ErrorCode::Unavailable, None), Phase::Paused, Reason::Server, Retry::Backoff),
        (
            server(429, ErrorCode::RateLimited, Some(9_000)),
            Phase::Paused,
            Reason::Server,
            Retry::After(9_000),
        ),
        (
            server(503, ErrorCode::Unavailable, Some(u64::MAX)),
            Phase::Paused,
            Reason::Server,
            Retry::After(u64::MAX),
        ),
        (server(403, ErrorCode::Forbidden, None), Phase::Failed, Reason::Policy, Retry::ByUser),
        (Error::Corrupt(text()), Phase::Paused, Reason::Corrupt, Retry::Backoff),
        (storage(Cause::Busy), Phase::Paused, Reason::Storage, Retry::Backoff),
        (storage(Cause::Denied), Phase::Paused, Reason::Storage, Retry::Backoff),
        (storage(Cause::Other), Phase::Paused, Reason::Storage, Retry::Backoff),
        (Error::NotFound(text()), Phase::Failed, Reason::Server, Retry::ByUser),
    ] {
        assert_eq!(StopReason::of(&error), StopReason { phase, reason, retry }, "{error}");
    }
}
