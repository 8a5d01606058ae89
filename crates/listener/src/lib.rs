//! Accepts HTTP/1.1 and HTTP/2 connections for a router, with and without TLS.
//!
//! | Module | Content |
//! |---|---|
//! | `accept` | the accept loop, and the graceful end of connections |
//! | `connections` | deadlines of connections, limits on their number |
//! | `tls` | certificates, which are read again when their files change |
//!
//! Not here: requests and replies (the router), configuration.

mod accept;
mod connections;
mod tls;

pub use accept::{Limits, Listener, Peer};
pub use connections::{ConnectionLimits, Connections, Deadlines};
pub use tls::{Tls, TlsError};
