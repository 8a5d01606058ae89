//! What client and server share of SQLite: how a file is opened, how its schema grows, and the lattices of `carrel-model` as
//! tables whose upserts are the same joins as in Rust.
//!
//! Not here: what a client or a server keeps besides learners' rows, threads and pools, clocks, and the rules by which a row is
//! refused (`carrel_model::lattice::Validate`, before a row comes here).

mod backup;
mod cause;
mod changes;
pub mod database;
mod error;
pub mod migrate;
mod open;
pub mod rows;

pub use backup::backup;
pub use carrel_system::{Cause, StorageError};
pub use cause::{cause_of, storage_error};
pub use changes::{Change, Changes};
pub use database::{
    Database, DatabaseError, Hooks, NoHooks, WriteTx, connect, in_memory, set_aside,
};
pub use error::{Error, Result};
pub use migrate::{Migrated, Migration, is_migrated, migrate};
pub use open::{
    Options, Synchronous, confirm_damage, integrity_check, open, open_immutable, open_in_memory,
    quick_check,
};
pub use rusqlite;
