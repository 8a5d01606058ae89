//! The rules of the server about people, as functions of a transaction of `carrel-store`.
//!
//! Each function makes all changes of one operation with their lines of the audit log. The caller commits the
//! transaction, and then tells the devices of ended sign-ins. Each module uses only those before it: `error`, `logins`,
//! `sign_ins`, `rosters`.
//!
//! Not here: formats and comparison of rosters (`carrel-roster`), SQL (`carrel-store`), HTTP and commands
//! (`carrel-server`).

mod error;
mod logins;
pub mod rosters;
mod sign_ins;

pub use error::{PeopleError, Result};
pub use logins::{by_login, login_keys};
pub use sign_ins::{EndedSignIn, end_all};
