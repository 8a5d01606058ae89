//! Accounts of this device: learners on several servers, each with its own folder, tokens and session.
//!
//! Not here: learning records (`store`, `learning`), and which account is open (`client`).

mod keychain;
mod registry;
mod secrets;
mod server;

pub use keychain::{Keychain, ProbeResult};
pub use registry::{AccountInfo, Accounts, Device};
pub use secrets::{FileSecrets, Secrets};
pub use server::{
    Identity, ServerCheck, addresses, adopt, check_server, identity, login, logout, register,
};
