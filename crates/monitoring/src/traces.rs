//! Traces of requests for OpenTelemetry (feature `opentelemetry`): the spans of requests, transactions and SQL statements
//! are sent to a collector over OTLP/HTTP.
//!
//! Settings are the standard environment variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER` and others).
//! Without an endpoint there are no traces, and spans cost nothing.
//!
//! Not here: who opens spans (`carrel-server`, `carrel-domain`, the engines).

/// Variables of which one must be set for traces to be sent.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Returns true if the environment names a collector.
pub fn is_requested() -> bool {
    ENDPOINTS.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

#[cfg(feature = "opentelemetry")]
pub use otel::{TraceError, Traces};

/// Makes the span a part of the trace that the caller of a request has begun. `traceparent`: the header of W3C Trace
/// Context; anything else is ignored.
#[cfg(not(feature = "opentelemetry"))]
pub fn set_parent(_span: &tracing::Span, _traceparent: &str) {}

#[cfg(feature = "opentelemetry")]
pub use otel::set_parent;

#[cfg(feature = "opentelemetry")]
mod otel {
    use std::time::Duration;

    use async_trait::async_trait;
    use bytes::Bytes;
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
    };
    use opentelemetry_http::{HttpClient, HttpError, Request, Response};
    use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
    use opentelemetry_sdk::{
        Resource,
        trace::{SdkTracerProvider, Tracer},
    };
    use tokio::runtime::Handle;
    use tracing::Subscriber;
    use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
    use tracing_subscriber::registry::LookupSpan;

    use crate::deliver::http_client;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Why traces cannot be sent.
    #[derive(Debug, thiserror::Error)]
    pub enum TraceError {
        #[error("the HTTP client of traces: {0}")]
        Client(#[from] reqwest::Error),
        #[error("the settings of traces (environment variables OTEL_*): {0}")]
        Settings(#[from] opentelemetry_otlp::ExporterBuildError),
    }

    /// Sends spans in the background.
    pub struct Traces {
        provider: SdkTracerProvider,
    }

    impl Traces {
        /// Reads the settings of the environment; `endpoint` replaces the address in them. Requests to the collector run
        /// on `runtime`.
        ///
        /// # Errors
        /// The settings cannot be used.
        pub fn open(
            runtime: Handle,
            version: &'static str,
            endpoint: Option<&str>,
        ) -> Result<Self, TraceError> {
            let client = http_client()?;
            let mut exporter =
                SpanExporter::builder().with_http().with_http_client(Client { client, runtime });
            if let Some(endpoint) = endpoint {
                exporter = exporter.with_endpoint(endpoint);
            }
            let mut resource = Resource::builder();
            if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
                resource = resource.with_service_name("carrel-server");
            }
            let version = opentelemetry::KeyValue::new("service.version", version);
            let provider = SdkTracerProvider::builder()
                .with_batch_exporter(exporter.build()?)
                .with_resource(resource.with_attribute(version).build())
                .build();
            Ok(Self { provider })
        }

        /// Returns the layer that records spans.
        pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(
            &self,
        ) -> OpenTelemetryLayer<S, Tracer> {
            // Places in the source are in no span: they only make spans longer.
            tracing_opentelemetry::layer()
                .with_tracer(self.provider.tracer("carrel-server"))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
        }

        /// Sends the spans that wait, and ends the sending. Blocks for some seconds at most, so it must not be called on
        /// a thread of the runtime.
        pub fn close(self) {
            if let Err(error) = self.provider.shutdown_with_timeout(TIMEOUT) {
                tracing::warn!(%error, "the last spans were not sent");
            }
        }
    }

    /// Sends the requests of the exporter, whose thread has no runtime.
    #[derive(Debug)]
    struct Client {
        client: reqwest::Client,
        runtime: Handle,
    }

    #[async_trait]
    impl HttpClient for Client {
        async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
            let request = reqwest::Request::try_from(request)?;
            let client = self.client.clone();
            let sent = self.runtime.spawn(async move {
                let reply = client.execute(request).await?;
                let (status, headers) = (reply.status(), reply.headers().clone());
                Ok::<_, reqwest::Error>((status, headers, reply.bytes().await?))
            });
            let (status, headers, body) = sent.await??;
            let mut reply = Response::new(body);
            *reply.status_mut() = status;
            *reply.headers_mut() = headers;
            Ok(reply)
        }
    }

    /// Makes the span a part of the trace that the caller of a request has begun. `traceparent`: the header of W3C Trace
    /// Context; anything else is ignored.
    pub fn set_parent(span: &tracing::Span, traceparent: &str) {
        if span.is_disabled() {
            return;
        }
        let Some(parent) = parent(traceparent) else { return };
        let context = opentelemetry::Context::new().with_remote_span_context(parent);
        // Fails only after the span was used as a parent, and it is new.
        let _ = span.set_parent(context);
    }

    fn parent(header: &str) -> Option<SpanContext> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may have more parts.
        let is_known = version != "ff" && (version != "00" || parts.next().is_none());
        let lengths = [version.len(), trace.len(), span.len(), flags.len()];
        let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let mut chars = [version, trace, span, flags].into_iter().flat_map(str::chars);
        if !is_known || lengths != [2, 32, 16, 2] || !chars.all(is_hex) {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
        context.is_valid().then_some(context)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_a_header_of_the_standard_is_a_parent() {
            let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
            for header in [format!("00-{trace}-{span}-01"), format!("01-{trace}-{span}-01-more")] {
                let found = parent(&header).unwrap();
                assert_eq!(found.trace_id().to_string(), trace);
                assert_eq!(found.span_id().to_string(), span);
                assert!(found.is_remote() && found.is_sampled());
            }
            assert!(!parent(&format!("00-{trace}-{span}-00")).unwrap().is_sampled());
            for header in [
                String::new(),
                "00".to_owned(),
                format!("00-{trace}-{span}"),
                format!("00-{trace}-{span}-01-more"),
                format!("ff-{trace}-{span}-01"),
                format!("00-{}-{span}-01", trace.to_uppercase()),
                format!("00-{}-{span}-01", "0".repeat(32)),
                format!("00-{trace}-{}-01", "0".repeat(16)),
                format!("00-{trace}é-{span}-01"),
                format!("00-{trace}-{span}-+1"),
            ] {
                assert_eq!(parent(&header), None, "{header}");
            }
        }
    }
}
