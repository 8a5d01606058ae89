//! Log lines on standard error, and traces for OpenTelemetry.

use std::io::IsTerminal;

use carrel_monitoring::traces;
use tokio::runtime::Handle;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Log levels, unless `CARREL_LOG` sets others. The decoders of recordings log each file that they open.
const DEFAULT: &str = "info,symphonia=error";

/// Traces that are sent until the end of the program.
#[derive(Default)]
#[must_use]
pub struct Tracing {
    #[cfg(feature = "opentelemetry")]
    traces: Option<traces::Traces>,
}

impl Tracing {
    /// Sends the spans that wait. Must be called before the runtime ends, and not on one of its threads.
    pub fn close(self) {
        #[cfg(feature = "opentelemetry")]
        if let Some(traces) = self.traces {
            traces.close();
        }
    }
}

/// Starts the log, and traces if the environment names a collector. Requests to the collector run on `runtime`.
pub fn init(runtime: &Handle) -> Tracing {
    let filter = EnvFilter::try_from_env("CARREL_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_filter(filter);
    let registry = tracing_subscriber::registry().with(lines);
    if !traces::is_requested() {
        registry.init();
        return Tracing::default();
    }
    #[cfg(feature = "opentelemetry")]
    {
        use carrel_system::{SPAN_TARGET, SQL_TARGET};
        use tracing_subscriber::filter::{LevelFilter, Targets};

        match traces::Traces::open(runtime.clone(), env!("CARGO_PKG_VERSION"), None) {
            Ok(traces) => {
                let targets = [SPAN_TARGET, SQL_TARGET].map(|target| (target, LevelFilter::DEBUG));
                registry.with(traces.layer().with_filter(Targets::from_iter(targets))).init();
                return Tracing { traces: Some(traces) };
            }
            Err(error) => {
                registry.init();
                tracing::error!(%error, "traces are not sent");
            }
        }
    }
    #[cfg(not(feature = "opentelemetry"))]
    {
        let _ = runtime;
        registry.init();
        tracing::warn!(
            "traces are not sent: this program was built without the feature `opentelemetry`"
        );
    }
    Tracing::default()
}
