//! The rules of the server about people, as functions of a transaction of `carrel-store`.
//!
//! Each function makes all changes of one operation with their lines of the audit log. The caller commits the
//! transaction, and then tells the devices of ended sign-ins. Each module uses only those before it: `error`, `logins`,
//! `permissions`, `sign_ins`, `accounts`, `codes`, `consents`, `mail`, `rosters`,
//! `report`.
//!
//! Not here: formats and comparison of rosters (`carrel-roster`), SQL (`carrel-store`), HTTP and commands
//! (`carrel-server`).

pub mod accounts;
pub mod codes;
pub mod consents;
mod error;
mod logins;
pub mod mail;
pub mod permissions;
pub mod report;
pub mod rosters;
mod sign_ins;

pub use error::{PeopleError, Result};
pub use logins::{by_login, login_keys};
pub use sign_ins::{EndedSignIn, end_all, void_codes, void_links};
