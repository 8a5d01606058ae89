//! Every command of the UI, over a narrow `Host`: the window's shell and the browser bridge call the same registry.
//!
//! Not here: windows, sockets, SQL.

pub mod api;
pub mod registry;
pub mod typescript;
