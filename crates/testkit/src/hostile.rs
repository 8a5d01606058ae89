//! Wrong replies: captive portals, truncated, endless and slow bodies.

use std::time::Duration;

use bytes::Bytes;
use carrel_net::{Failure, FailureKind, Reply};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, header};

use crate::{
    FakeClock,
    reply::{header, reply, with_body},
};

/// The page of a captive portal.
pub const PORTAL: &str = "<!doctype html><html><head><title>Welcome to FreeWiFi</title></head><body><form action=\"/login\">Accept our \
                          terms to go online.</form></body></html>";

/// Returns 200 and the page of a captive portal.
pub fn portal() -> Reply {
    reply(200, "text/html; charset=utf-8", PORTAL)
}
/// Returns 302 to the page of a captive portal. The address cannot be resolved.
pub fn redirect() -> Reply {
    header(reply(302, "text/html", "moved"), header::LOCATION, "http://portal.invalid/login")
}
/// Returns 200 and an endless body.
pub fn endless_body(content_type: &str, piece: &'static [u8]) -> Reply {
    let piece = Bytes::from(piece.repeat(64 * 1024 / piece.len().max(1)));
    with_body(200, content_type, stream::repeat_with(move || Ok(piece.clone())).boxed())
}
/// Returns 200 and a body of `pieces - 1` bytes, followed by a timeout. Reading a byte advances the
/// clock by `pause`.
pub fn slow_body(content_type: &str, clock: FakeClock, pause: Duration, pieces: u32) -> Reply {
    let body = stream::unfold((clock, pieces), move |(clock, left)| async move {
        clock.advance(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        // Other tasks run here, so that expired timeouts take effect.
        tokio::task::yield_now().await;
        let piece = match left {
            0 => return None,
            1 => Err(Failure::new(FailureKind::Timeout, "the response body timed out")),
            _ => Ok(Bytes::from_static(b" ")),
        };
        Some((piece, (clock, left - 1)))
    });
    with_body(200, content_type, Box::pin(body))
}
/// Returns the first `at` bytes of a body, after which the connection is reset.
pub fn truncated(status: u16, headers: HeaderMap, body: &Bytes, at: usize) -> Reply {
    let first = body.slice(..at.min(body.len()));
    let broken = Failure::new(FailureKind::Broken, "the connection was reset");
    Reply { status, headers, body: Box::pin(stream::iter([Ok(first), Err(broken)])) }
}
