//! The recent actions of the user, each with its spans from the UI to the disk.
//!
//! The host opens a span `command` for each call ([`command_span`]); the crates below it open spans with the target
//! [`TARGET`] for database and network access. [`SpanLayer`] collects them.
//!
//! Not here: log lines (`logs`).

mod layer;
mod recent;

pub use carrel_system::SPAN_TARGET as TARGET;
pub use layer::SpanLayer;
pub use recent::{Action, ActionSpan, MAX_ACTIONS, MAX_SPANS, RecentActions};

/// Opens the span of one call from the UI. `action` is the id that the UI's call layer created.
pub fn command_span(command: &str, action: &str) -> tracing::Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "command",
        label = command,
        action,
        failed = tracing::field::Empty
    )
}

/// Ends the action of a command's span. Spans below it that are still open are not listed.
pub fn end_command(span: &tracing::Span, failed: bool) {
    span.record("failed", failed);
}
