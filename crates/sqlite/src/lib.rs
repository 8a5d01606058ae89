//! SQLite code shared by client and server: opening and migrating files, transactions and reads, and the lattices of
//! `carrel-model` as tables whose upserts compute the same joins as the Rust code.
//!
//! Not here: tables other than learners' rows, clocks, and the validation of rows, which callers do before a join
//! (`carrel_model::lattice::Validate`).

mod backup;
mod cause;
mod changes;
pub mod database;
mod error;
pub mod migrate;
mod open;
pub mod rows;
mod schema;
pub mod search;
mod trace;

pub use backup::backup;
pub use carrel_system::{Cause, StorageError};
pub use cause::{cause_of, storage_error};
pub use changes::{Change, Changes};
pub use database::{
    Database, DatabaseError, Hooks, NoHooks, WriteTx, connect, in_memory, rename_damaged,
};
pub use error::{Error, Result};
pub use migrate::{Migrated, Migration, is_migrated, migrate};
pub use open::{
    Options, Synchronous, confirm_damage, integrity_check, open, open_immutable, open_in_memory,
    quick_check,
};
pub use rusqlite;
pub use schema::{migrations_problem, restore_schema, schema_problem};
