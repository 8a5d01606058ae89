//! Aborts a body whose average throughput is below a minimum. Otherwise a server that sends one byte before each
//! timeout could keep a request open for weeks.
//!
//! Not here: the timeout for the head and for the next chunk (`Request::timeout`, applied by `LiveHttp`).

use std::sync::Arc;

use async_trait::async_trait;
use carrel_system::Clock;
use futures_util::StreamExt;
use http::header;

use crate::{Failure, FailureKind, Http, NetworkSettings, Reply, Request};

/// Time at the start of a body in which the throughput is not checked.
const GRACE_PERIOD_MS: i64 = 60_000;
/// Minimum average throughput in bytes per second: a tenth of the slowest connection in use.
const MIN_BYTES_PER_S: i64 = 100;

/// An `Http` that aborts slow bodies. Event streams are exempt.
pub struct MinThroughput {
    inner: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
}

impl MinThroughput {
    /// Wraps `inner`; `clock` measures the throughput.
    pub fn new(inner: Arc<dyn Http>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }
}

#[async_trait]
impl Http for MinThroughput {
    fn set_network(&self, settings: &NetworkSettings) -> crate::Result<()> {
        self.inner.set_network(settings)
    }
    fn network_changed(&self) {
        self.inner.network_changed();
    }
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let mut reply = self.inner.send(request).await?;
        if reply.header(header::CONTENT_TYPE).is_some_and(|t| t.starts_with("text/event-stream")) {
            return Ok(reply);
        }
        let (clock, start_ms) = (self.clock.clone(), self.clock.monotonic_ms());
        let mut received: i64 = 0;
        let checked = reply.body.map(move |piece| {
            let piece = piece?;
            received = received.saturating_add(i64::try_from(piece.len()).unwrap_or(i64::MAX));
            let elapsed_ms = clock.monotonic_ms() - start_ms;
            if elapsed_ms > GRACE_PERIOD_MS && received < elapsed_ms / 1_000 * MIN_BYTES_PER_S {
                let message =
                    format!("reply too slow: {received} bytes in {} s", elapsed_ms / 1_000);
                return Err(Failure::new(FailureKind::Timeout, message));
            }
            Ok(piece)
        });
        // The stream ends after an error.
        let body = checked.scan(false, |ended, piece| {
            let next = (!*ended).then_some(piece);
            *ended = matches!(next, None | Some(Err(_)));
            std::future::ready(next)
        });
        reply.body = Box::pin(body);
        Ok(reply)
    }
}
