//! The network: one HTTP client trait and its implementations, the signed-in session, the classification of replies,
//! retries.
//!
//! | Module | Content |
//! |---|---|
//! | `client` | `Http`, `Request`, `Reply`, `Failure` |
//! | `cause` | why a connection failed: name resolution, TLS, proxy |
//! | `settings` | proxy and authorities, as set by the organisation |
//! | `system_proxies` | proxies in the settings of the operating system |
//! | `proxy` | which proxy is used: the system's, a fixed one, a configuration script |
//! | `live`, `folder` | `Http` over `reqwest`, and over a folder for the demo library |
//! | `min_throughput` | aborts a reply whose average throughput is below a minimum |
//! | `traced` | opens a span for each request, for diagnostics |
//! | `session` | adds the access token to requests; refreshes it once for all concurrent requests |
//! | `reachability` | whether the server can be reached, observed from all requests of a session |
//! | `reply` | classes of replies; `Retry-After` |
//! | `retry` | when a failed request is repeated |
//!
//! Not here: caching (`carrel-http-cache`), the content of requests and replies.

mod cause;
mod client;
mod dns;
mod error;
mod folder;
mod live;
mod min_throughput;
mod proxy;
mod reachability;
pub mod reply;
mod retry;
mod session;
mod settings;
mod system_proxies;
mod traced;

pub use cause::NetworkCause;
pub use client::{Body, Failure, FailureKind, Http, Reply, Request};
pub use error::{Error, Result};
pub use folder::FolderHttp;
pub use live::LiveHttp;
pub use min_throughput::MinThroughput;
pub use reachability::{Contact, PATIENCE};
pub use retry::{Backoff, Retry, RetryPolicy};
pub use session::{SecretStore, Session, Tokens};
pub use settings::{NetworkSettings, ProxyCredentials, ProxyMode};
pub use system_proxies::{RealSystem, SystemProxies, SystemSettings};
pub use traced::TracedHttp;
