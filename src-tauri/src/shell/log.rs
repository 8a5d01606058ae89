//! Writes log lines to standard error, and measures the spans of actions. Log lines never contain tokens, answers or file
//! contents.

use std::{io::IsTerminal, sync::Arc};

use carrel_client::system::SystemClock;
use carrel_diagnostics::{
    Diagnostics,
    actions::{SpanLayer, TARGET},
};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging with the filter in `CARREL_LOG`, for example `info,carrel_sync=debug`. The default is warnings and
/// this app's informational messages. Returns the diagnostics of this run.
pub fn start() -> Arc<Diagnostics> {
    let filter = EnvFilter::try_from_env("CARREL_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,carrel=info"));
    // Spans that are only measured: `carrel` above includes their target.
    let filter = match format!("{TARGET}=off").parse() {
        Ok(off) => filter.add_directive(off),
        Err(_) => filter,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_filter(filter);
    let diagnostics = Arc::new(Diagnostics::new(Arc::new(SystemClock::new())));
    let spans = SpanLayer::new(diagnostics.clone()).with_filter(SpanLayer::filter());
    // A second call (tests, a resumed phone app) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(lines).with(spans).try_init();
    diagnostics
}
