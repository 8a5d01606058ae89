//! Opens a span for each request: its time until the head of the reply, and whether it failed. Each request is a trace of
//! its own (W3C Trace Context), so that the server's spans of a request can be found.
//!
//! Not here: who measures spans (`carrel-diagnostics`).

use std::sync::Arc;

use async_trait::async_trait;
use carrel_system::{IdGen, SPAN_TARGET, SystemIds};
use http::HeaderValue;
use tracing::{Instrument, field::Empty};

use crate::{Failure, FailureKind, Http, NetworkSettings, Reply, Request};

/// An `Http` whose requests are measured. The span has no address, only the method and the id of the trace, which is
/// random.
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
    async fn send(&self, mut request: Request) -> Result<Reply, Failure> {
        let label = match request.method {
            http::Method::GET => "get",
            http::Method::POST => "post",
            http::Method::PUT => "put",
            http::Method::DELETE => "delete",
            _ => "other",
        };
        let trace = trace_id();
        if let Ok(parent) = HeaderValue::from_str(&format!("00-{trace}-{}-01", &trace[16..])) {
            request.headers.insert("traceparent", parent);
        }
        let span = tracing::info_span!(
            target: SPAN_TARGET,
            "http",
            label,
            trace,
            failed = Empty,
            offline = Empty
        );
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

/// Returns a random id of a trace, as 32 hexadecimal digits.
fn trace_id() -> String {
    let mut bytes = [0; 16];
    // Not the app's generator of ids: nothing that is stored depends on it.
    SystemIds.fill(&mut bytes);
    // An id of zeros is invalid.
    format!("{:032x}", u128::from_be_bytes(bytes) | 1)
}
