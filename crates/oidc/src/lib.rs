//! OpenID Connect for the server: the configuration of a provider, its metadata and keys, the authorization code flow
//! with PKCE, and the verification of ID tokens (docs/adr/0034).
//!
//! Only the host of the configured issuer is contacted, and those that the configuration names. Redirects are not
//! followed; replies have a maximum size and time. Each module uses only those before it: `error`, `settings`, `web`,
//! `keys`, `token`, `provider`.
//!
//! Not here: accounts, and who is linked to which subject (`carrel-domain`); routes and pages (`carrel-server`).

mod error;
mod keys;
mod provider;
mod settings;
mod token;
mod web;

pub use error::{OidcError, TokenProblem};
pub use provider::{Callback, FlowSecrets, Provider, challenge_of};
pub use settings::{OidcSettings, SettingsProblem};
pub use token::Identity;
