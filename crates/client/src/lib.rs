//! Carrel's client without a UI: the accounts, and the open account with its database, content and sync.
//!
//! | Module | Content |
//! |---|---|
//! | `error`, `config` | errors; start-up configuration |
//! | `policy` | what the organisation's policies fix and allow |
//! | `account` | accounts of this device, secret stores, sign-in |
//! | `open_account` | an account while it is open: database, content, sync, tasks |
//! | `dictionary` | the dictionary packs of this device |
//! | `bundle` | courses and work as files, for devices without a network |
//! | `open_request` | files and links that the system asks the app to open |
//! | `client` | which account is open, where content is stored |
//! | `support` | what the checks and the support bundle read about the accounts |
//!
//! A module uses only modules above it in this table.
//!
//! Crates that this crate uses are re-exported for the commands and their hosts.
//!
//! Not here: windows, commands, Tauri, the server.

pub mod account;
pub mod bundle;
mod client;
mod config;
pub mod dictionary;
mod error;
mod open_account;
pub mod open_request;
mod policy;
pub mod support;

pub use carrel_content as content;
pub use carrel_dictionary as lexicon;
pub use carrel_http_cache as http_cache;
pub use carrel_learning as learning;
pub use carrel_net as net;
pub use carrel_policy;
pub use carrel_sqlite::{Change, Changes};
pub use carrel_sync as sync;
pub use carrel_system as system;
pub use carrel_update as update;

pub use self::{
    client::{BrowserSignInOptions, Client, KeptWork, OpenFailure, Unsynced, updates_dir},
    config::{Config, Space},
    error::{Error, ImportError, PinError, Result},
    open_account::{OpenAccount, StaffChange, StaffReply},
    policy::{network_settings, update_policy},
};
