//! Patience that ends. A body that drips, each byte just before the time limit between two pieces, would keep a request open for weeks;
//! one that brings less than a very bad line would is as good as none.
//!
//! Not here: how long a head or the next piece may take (`Request::timeout`, kept by the network itself).

use std::sync::Arc;

use async_trait::async_trait;
use carrel_system::Clock;
use futures_util::StreamExt;
use http::header;

use crate::{Failure, FailureKind, Http, Reply, Request};

/// A body may begin slowly for this long ...
const GRACE_MS: i64 = 60_000;
/// ... and then brings at least so many bytes a second on average: a tenth of the slowest line that anybody still uses.
const BYTES_PER_S: i64 = 100;

/// An `Http` whose bodies end or come on. Event streams may be silent.
pub struct MinThroughput {
    inner: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
}

impl MinThroughput {
    pub fn new(inner: Arc<dyn Http>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }
}

#[async_trait]
impl Http for MinThroughput {
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let mut reply = self.inner.send(request).await?;
        if reply.header(header::CONTENT_TYPE).is_some_and(|t| t.starts_with("text/event-stream")) {
            return Ok(reply);
        }
        let (clock, began) = (self.clock.clone(), self.clock.monotonic_ms());
        let mut received: i64 = 0;
        let watched = reply.body.map(move |piece| {
            let piece = piece?;
            received = received.saturating_add(i64::try_from(piece.len()).unwrap_or(i64::MAX));
            let took = clock.monotonic_ms() - began;
            if took > GRACE_MS && received < took / 1_000 * BYTES_PER_S {
                let message = format!("the answer drips: {received} bytes in {} s", took / 1_000);
                return Err(Failure::new(FailureKind::Timeout, message));
            }
            Ok(piece)
        });
        // After a fault there is nothing more.
        let body = watched.scan(false, |ended, piece| {
            let next = (!*ended).then_some(piece);
            *ended = matches!(next, None | Some(Err(_)));
            std::future::ready(next)
        });
        reply.body = Box::pin(body);
        Ok(reply)
    }
}
