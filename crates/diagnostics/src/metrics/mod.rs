//! The metric tracker: the newest samples of each metric in memory, statistics of the last hour, alerts.
//!
//! Nothing is stored and nothing is sent.
//!
//! Not here: what measures (`actions`, `memory`, the UI).

mod alerts;
mod definition;
mod series;
mod statistics;
mod tracker;

pub use alerts::Alert;
pub use definition::{DEFINITIONS, Definition, Level, Limit, Metric, Statistic, Unit};
pub use series::{MAX_SAMPLES, WINDOW_MS};
pub use statistics::Statistics;
pub(crate) use tracker::is_label;
pub use tracker::{ContextReport, LimitReport, MetricReport, MetricState, Tracker};
