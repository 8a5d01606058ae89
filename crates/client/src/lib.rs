//! Carrel's client without a UI: accounts, and the open account with everything that belongs to it.
//!
//! | Module | Content |
//! |---|---|
//! | `account` | accounts of this device, secret stores, sign-in |
//! | `cable` | courses and work as files, where there is no network |
//! | `core` | wiring: which account is open, where content lies |
//! | `triggers` | tells downloads of changed settings, network, battery, sign-in, catalogue |
//!
//! The crates below are re-exported for the hosts of the commands, which depend on this one alone.
//!
//! Not here: windows, commands, anything of Tauri; the server.

pub mod account;
pub mod cable;
pub mod core;
mod error;
mod triggers;

pub use carrel_content as content;
pub use carrel_http_cache as http_cache;
pub use carrel_learning as learning;
pub use carrel_net as net;
pub use carrel_sqlite::{Change, Changes};
pub use carrel_sync as sync;
pub use carrel_system as system;
pub use error::{Error, Result};

pub use self::core::{Config, Core, OpenAccount};
