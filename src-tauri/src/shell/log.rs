//! Log lines on standard error and in the log file, reports of panics, and the measured spans of actions. Log lines
//! never contain tokens, answers or file contents.

use std::{io::IsTerminal, sync::Arc};

use carrel_client::{
    support::{Folders, register_private},
    system::SystemClock,
};
use carrel_diagnostics::{
    Diagnostics,
    actions::{SpanLayer, TARGET},
    crash::{self, CrashReporter},
    logs::{self, LogFiles},
};
use carrel_policy::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging to standard error with the level that the organisation fixes, or with the filter in `CARREL_LOG`, for
/// example `info,carrel_sync=debug`. The default is warnings and this app's informational messages. Returns the
/// diagnostics of this run.
///
/// With `folders`, also writes the log file and reports of panics there. The file has this app's lines from the fixed
/// level on.
pub fn start(
    folders: Option<&Folders>,
    version: &str,
    fixed: Option<LogLevel>,
) -> Arc<Diagnostics> {
    let filter = match fixed {
        Some(LogLevel::Error) => EnvFilter::new("error"),
        Some(level) => EnvFilter::new(format!("warn,carrel={}", level.name())),
        None => EnvFilter::try_from_env("CARREL_LOG")
            .unwrap_or_else(|_| EnvFilter::new("warn,carrel=info")),
    };
    let level = fixed.and_then(|level| level.name().parse().ok()).unwrap_or(LevelFilter::INFO);
    // Spans that are only measured: `carrel` above includes their target.
    let filter = match format!("{TARGET}=off").parse() {
        Ok(off) => filter.add_directive(off),
        Err(_) => filter,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_filter(filter);
    let clock = Arc::new(SystemClock::new());
    let diagnostics = Arc::new(Diagnostics::new(clock.clone()));
    let redactor = diagnostics.redactor.clone();
    let spans = SpanLayer::new(diagnostics.clone()).with_filter(SpanLayer::filter());
    let file = folders.map(|folders| {
        register_private(&folders.data_dir, &redactor);
        let log = LogFiles::new(Some(folders.data_dir.join(logs::FOLDER)), redactor.clone());
        let reporter = CrashReporter {
            folder: folders.data_dir.join(crash::FOLDER),
            version: version.to_owned(),
            clock,
            log: log.clone(),
            redactor,
        };
        reporter.install();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(log);
        layer.with_filter(logs::filter(level))
    });
    // A second call (tests, a resumed phone app) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(lines).with(file).with(spans).try_init();
    diagnostics
}
