//! Every command of the UI, over a narrow `Host`: the window's shell and the browser bridge call the same registry.
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
pub use registry::dispatch;
