//! Opens a span for each request: its time until the head of the reply, and whether it failed.
//!
//! Not here: who measures spans (`carrel-diagnostics`).

use std::sync::Arc;

use async_trait::async_trait;
use carrel_system::SPAN_TARGET;
use tracing::{Instrument, field::Empty};

use crate::{Failure, FailureKind, Http, NetworkSettings, Reply, Request};

/// An `Http` whose requests are measured. The span has no address, only the method.
pub struct TracedHttp {
    inner: Arc<dyn Http>,
}

impl TracedHttp {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Http>) -> Self {
        Self { inner }
    }
}

#[async_trait]
impl Http for TracedHttp {
    fn set_network(&self, settings: &NetworkSettings) -> crate::Result<()> {
        self.inner.set_network(settings)
    }
    fn network_changed(&self) {
        self.inner.network_changed();
    }
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let label = match request.method {
            http::Method::GET => "get",
            http::Method::POST => "post",
            http::Method::PUT => "put",
            http::Method::DELETE => "delete",
            _ => "other",
        };
        let span = tracing::info_span!(target: SPAN_TARGET, "http", label, failed = Empty, offline = Empty);
        let result = self.inner.send(request).instrument(span.clone()).await;
        match &result {
            Ok(reply) if reply.status < 500 => {}
            // No network is a state, not an error.
            Err(failure) if failure.kind == FailureKind::Connect => {
                span.record("failed", true);
                span.record("offline", true);
            }
            Ok(_) | Err(_) => _ = span.record("failed", true),
        }
        result
    }
}
