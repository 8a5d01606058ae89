//! Policies: the settings that an organisation fixes for its machines.
//!
//! `schema` is the one list of keys. The readers (`source`), the checks, the report and all files for administrators
//! (`generate`) use it. A bad source, key or value never stops the app: it is reported and ignored.
//!
//! Not here: what the app does with a policy (`carrel_client`, the app), and the learner's settings
//! (`carrel_learning`).

mod check;
mod choices;
mod conflicts;
pub mod generate;
mod policies;
mod problem;
mod report;
mod schema;
mod server_pattern;
mod source;

pub use choices::{LogLevel, MeteredDownloads, SignInMethod, UpdateChannel, UpdateMode};
pub use policies::{Loaded, Policies, ProxyPolicy, load, load_from};
pub use problem::{Effect, Position, Problem, ProblemCode};
pub use report::{Entry, PolicyReport, SourceState, SourceStatus};
pub use schema::{Applies, Group, KEYS, Key, Kind, UserAccess};
pub use server_pattern::ServerPattern;
pub use source::{
    MANAGED_CONFIGURATION_VARIABLE, MAX_FILE_BYTES, OVERRIDE_VARIABLE, REGISTRY_KEY, Source,
    machine_folder, machine_sources,
};
