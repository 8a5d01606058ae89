//! Services of the operating system: clocks, random ids, free disk space (as traits, which tests replace), atomic file
//! writes, blocking threads, storage errors.
//!
//! Not here: databases (`carrel-sqlite`), the network (`carrel-net`).

mod blocking;
mod cause;
mod clock;
mod disk;
pub mod files;
mod ids;
mod storage_error;

pub use blocking::{
    Panicked, allow_blocking, assert_may_block, blocking, may_block, run_or_spawn, spawn,
};
pub use cause::Cause;
pub use clock::{Clock, SystemClock};
pub use disk::{Disk, SystemDisk};
pub use ids::{IdGen, SystemIds};
pub use storage_error::StorageError;

/// Target of the `tracing` spans that are measured (`carrel-diagnostics`), and of no log line: calls of the UI, and access
/// to databases and to the network below them.
pub const SPAN_TARGET: &str = "carrel::span";
/// Target of the `tracing` spans of SQL statements. Statements of SQLite have none unless the target is enabled when
/// their connection is opened.
pub const SQL_TARGET: &str = "carrel::sql";
