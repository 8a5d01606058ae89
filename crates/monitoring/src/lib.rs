//! Monitoring of the server: metrics for Prometheus, the load of the last minutes, slow transactions, and the rules and
//! messages of alerts, which are sent to a chat and a pager; traces for OpenTelemetry.
//!
//! Not here: routes, mail, and when the rules are judged (`carrel-server`).

mod alerts;
mod deliver;
mod load;
mod messages;
mod metrics;
mod process;
mod query_kind;
mod settings;
mod slow;
pub mod traces;

pub use alerts::{Alert, AlertState, Change, Notice, RULES, Reading, Rule, Severity};
pub use deliver::{AlertError, Sender};
pub use load::{Load, LoadWindow};
pub use messages::{Context, chat_message, mail_text, pager_event, rfc3339};
pub use metrics::{CONTENT_TYPE, CacheResult, Gauges, METRICS, Metrics, Outcome, RowFlow};
pub use process::{ProcessUse, cpu_share, read_process};
pub use query_kind::QueryKind;
pub use settings::AlertSettings;
pub use slow::{SlowTransaction, SlowTransactions};
