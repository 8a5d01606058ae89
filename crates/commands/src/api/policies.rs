//! Types of the policies command.
//!
//! Not here: the keys and their meaning (docs/POLICIES.md).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the organisation fixes on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PolicyList {
    /// The policies in force, in the order of docs/POLICIES.md.
    pub entries: Vec<PolicyEntry>,
    /// What is wrong with the policies of this machine, for the administrator, in English.
    pub problems: Vec<String>,
    /// The address to suggest for a sign-in.
    pub server_address: Option<String>,
    /// The learner can sign in to `server_address` only.
    pub server_address_locked: bool,
    /// The allowed ways to start.
    pub sign_in_methods: Vec<SignInMethod>,
    /// Courses may be imported from files.
    pub import_courses: bool,
    /// Work may be imported from files.
    pub import_work: bool,
    /// Work is deleted from this machine at a sign-out (the key KioskMode).
    pub kiosk: bool,
}

/// A policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEntry {
    /// Name of the key, for example `ContentQuota`.
    pub key: String,
    /// The value for display, without secrets.
    pub value: String,
    /// The learner cannot change the setting.
    pub locked: bool,
    /// Path of the file, or the registry key.
    pub source: String,
}

/// A way to start using the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SignInMethod {
    Password,
    /// With an identity provider, in the system's browser.
    Provider,
    /// Creating an account on the server.
    Registration,
    /// Without an account.
    Guest,
}
