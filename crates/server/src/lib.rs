//! The Carrel server: accounts, catalogue, blobs and sync over HTTP, stored in one folder.
//!
//! A request passes through `http` (parse, call, render), `carrel-domain` (the rules, over transactions) and
//! `carrel-store` (transactions and SQL, one implementation for each engine). `import`, `fonts`, `backup` and `export`
//! implement commands of the program.
//!
//! Not here: the rules (`carrel-domain`), the merge of rows (`carrel-model`) and its SQL (`carrel-sqlite`), compiling
//! packages (`carrel-package`), and client code.

pub mod alerts;
pub mod backup;
pub mod blob_place;
pub mod bundle_import;
mod catalogue;
pub mod config;
pub mod data_dir;
pub mod database;
mod erasure_ledger;
pub mod error;
pub mod export;
pub mod folders;
pub mod fonts;
pub mod http;
pub mod import;
pub mod jobs;
mod key_file;
pub mod mail;
pub use carrel_domain as domain;
pub use carrel_domain::{blobs, clock, events, push_validation, signing, store, tokens};
pub use carrel_oidc as oidc;
pub use carrel_password as password;
pub mod publish;
pub mod relocate;
pub mod restore;
mod served;
pub mod server;
mod shared_limits;
pub mod tenants;
pub mod uploads;

pub use carrel_precis as precis;
pub use clock::{Clock, FakeClock, SystemClock};
pub use config::{Config, Settings};
pub use data_dir::{DataDir, Failpoints};
pub use error::Error;
pub use server::{RunningServer, Server};

/// Encodes all but letters, digits and `-._~:/[]`, which are allowed in the value of a link.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
