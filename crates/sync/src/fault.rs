//! Classifies failed requests for sync.

use carrel_model::ErrorCode;
use carrel_net::{
    Failure, FailureKind,
    reply::{ClassifiedReply, ReplyClass},
};

/// Why a push, a pull or the event stream failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No network, no server, or no complete reply in time.
    Offline,
    /// The server is temporarily unavailable: 408, 425, 429, 5xx.
    Busy {
        /// HTTP status; 0 if the cause was not a reply to this request.
        status: u16,
        /// Earliest time of a retry, in milliseconds from now.
        retry_after_ms: Option<u64>,
    },
    /// 413: the batch is too large.
    TooLarge {
        /// The reply is from the server, not from a proxy.
        from_server: bool,
    },
    /// Another 4xx of the server. The cause may be a row or the whole batch.
    Refused {
        /// Code of the problem.
        code: ErrorCode,
        /// Message of the server.
        reason: String,
    },
    /// A reply that a Carrel server never sends.
    BadReply,
    /// The server requires a newer protocol: the app must be updated.
    TooNew,
    /// A 401 although the session has not ended; retried like a temporary fault.
    Unauthenticated,
    /// The session ended.
    SignedOut,
    /// 415: the server does not accept compressed bodies. The transport sends the batch again uncompressed.
    UnsupportedEncoding,
}

impl Fault {
    /// Classifies a reply whose status is not 200. `is_ended` is true if the session ended.
    pub fn of(reply: ClassifiedReply, is_ended: bool) -> Self {
        let busy = |reply: &ClassifiedReply| Self::Busy {
            status: reply.status,
            retry_after_ms: reply.retry_after_ms,
        };
        match (reply.class, &reply.problem) {
            (ReplyClass::RetryLater, _) => busy(&reply),
            (ReplyClass::Portal, _) if reply.status >= 500 => busy(&reply),
            (ReplyClass::TooLarge, problem) => Self::TooLarge { from_server: problem.is_some() },
            (ReplyClass::UnsupportedEncoding, _) => Self::UnsupportedEncoding,
            (ReplyClass::Unauthenticated, _) if is_ended => Self::SignedOut,
            (ReplyClass::Unauthenticated, _) => Self::Unauthenticated,
            (ReplyClass::TooNew, _) => Self::TooNew,
            // The route does not exist, which is not caused by a row.
            (ReplyClass::NotFound, Some(p)) if p.code == ErrorCode::NotFound => busy(&reply),
            (
                ReplyClass::NotFound | ReplyClass::Refused | ReplyClass::RangeNotSatisfiable,
                Some(p),
            ) => {
                let reason = if p.detail.is_empty() { &p.title } else { &p.detail };
                Self::Refused { code: p.code, reason: reason.clone() }
            }
            _ => Self::BadReply,
        }
    }
    /// Returns the error code for display.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Offline => ErrorCode::Offline,
            Self::Busy { status: 429, .. } => ErrorCode::RateLimited,
            Self::Busy { .. } => ErrorCode::Unavailable,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Refused { code, .. } => *code,
            Self::BadReply | Self::UnsupportedEncoding => ErrorCode::BadReply,
            Self::TooNew => ErrorCode::TooNew,
            Self::Unauthenticated | Self::SignedOut => ErrorCode::Unauthenticated,
        }
    }
    /// Returns the server's `Retry-After` in milliseconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Busy { retry_after_ms, .. } => *retry_after_ms,
            _ => None,
        }
    }
}

impl From<Failure> for Fault {
    fn from(f: Failure) -> Self {
        match f.kind {
            FailureKind::Connect
            | FailureKind::Timeout
            | FailureKind::Broken
            | FailureKind::Request => Self::Offline,
            FailureKind::TooLarge | FailureKind::Decode => Self::BadReply,
        }
    }
}

#[cfg(test)]
mod tests {
    use carrel_net::reply::classify;
    use http::HeaderMap;

    use super::*;

    fn problem(code: &str) -> Vec<u8> {
        format!(
            r#"{{"type":"about:blank#x","title":"t","status":400,"code":"{code}","detail":"because"}}"#
        )
        .into_bytes()
    }

    #[test]
    fn replies_are_classified_by_status_and_problem() {
        let html = b"<html><body>Sign in to the Wi-Fi</body></html>".to_vec();
        let busy = |status, ms| Fault::Busy { status, retry_after_ms: ms };
        let refused = |code| Fault::Refused { code, reason: "because".into() };
        let table: Vec<(u16, Vec<u8>, Fault)> = vec![
            (408, vec![], busy(408, None)),
            (425, vec![], busy(425, None)),
            (429, problem("rate_limited"), busy(429, None)),
            (500, html.clone(), busy(500, None)),
            (502, html.clone(), busy(502, None)),
            (503, problem("unavailable"), busy(503, None)),
            (507, vec![], busy(507, None)),
            (413, problem("too_large"), Fault::TooLarge { from_server: true }),
            (413, html.clone(), Fault::TooLarge { from_server: false }),
            (415, vec![], Fault::UnsupportedEncoding),
            (401, problem("unauthenticated"), Fault::Unauthenticated),
            (401, html.clone(), Fault::BadReply),
            (403, problem("forbidden"), refused(ErrorCode::Forbidden)),
            (403, html.clone(), Fault::BadReply),
            (400, problem("invalid_request"), refused(ErrorCode::InvalidRequest)),
            (409, problem("conflict"), refused(ErrorCode::Conflict)),
            (422, problem("invalid_request"), refused(ErrorCode::InvalidRequest)),
            (404, problem("not_found"), busy(404, None)),
            (404, html.clone(), Fault::BadReply),
            (426, problem("too_new"), Fault::TooNew),
            (400, problem("too_new"), Fault::TooNew),
            (400, problem("a_code_of_the_future"), Fault::BadReply),
            (204, vec![], Fault::BadReply),
            (302, vec![], Fault::BadReply),
            (407, html, Fault::BadReply),
            (511, vec![], busy(511, None)),
        ];
        let fault = |status, body: &[u8], is_ended| {
            Fault::of(classify(status, &HeaderMap::new(), body, None), is_ended)
        };
        for (status, body, expected) in table {
            let text = String::from_utf8_lossy(&body);
            assert_eq!(fault(status, &body, false), expected, "{status} {text}");
        }
        assert_eq!(fault(401, &problem("unauthenticated"), true), Fault::SignedOut);
        assert_eq!(fault(401, b"<html>", true), Fault::BadReply);
    }
}
