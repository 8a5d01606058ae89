//! Writes log lines to standard error. They never contain tokens, answers or file contents.

use std::io::IsTerminal;

use carrel_policy::LogLevel;
use tracing_subscriber::EnvFilter;

/// Starts logging with the level that the organisation fixes, or with the filter in `CARREL_LOG`, for example
/// `info,carrel_sync=debug`. The default is warnings and this app's informational messages.
pub fn start(fixed: Option<LogLevel>) {
    let filter = match fixed {
        Some(LogLevel::Error) => EnvFilter::new("error"),
        Some(level) => EnvFilter::new(format!("warn,carrel={}", level.name())),
        None => EnvFilter::try_from_env("CARREL_LOG")
            .unwrap_or_else(|_| EnvFilter::new("warn,carrel=info")),
    };
    // A second call (tests, a resumed phone app) keeps the first subscriber.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
