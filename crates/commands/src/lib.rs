//! All commands of the UI. The app and the browser bridge use the same registry; each implements `Host`.
//!
//! Not here: windows, sockets, SQL.

pub mod api;
mod error;
pub mod events;
mod handlers;
pub mod host;
pub mod registry;
pub mod typescript;

pub use host::Host;
pub use registry::{dispatch, dispatch_action};
