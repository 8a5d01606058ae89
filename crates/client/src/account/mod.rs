//! The accounts of this device. Each is one learner on one server and has its own folder, tokens and session.
//!
//! Not here: learning records (`carrel_learning`), and which account is open (`client`).

pub(crate) mod address;
mod keychain;
mod pin;
mod registry;
mod secrets;
mod server;

pub use address::addresses;
pub use keychain::{Keychain, ProbeResult};
pub use pin::{PIN_DIGITS, Pin};
pub use registry::{AccountInfo, Accounts, Device};
pub use secrets::{FileSecrets, Secrets};
pub use server::{
    Identity, ServerCheck, adopt, check_addresses, check_server, enter_code,
    finish_provider_sign_in, identity, login, logout, register, request_password_reset,
};
