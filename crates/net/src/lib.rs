//! The network: one HTTP client trait and its implementations, the signed-in session, the classification of replies,
//! retries.
//!
//! | Module | Content |
//! |---|---|
//! | `client` | `Http`, `Request`, `Reply`, `Failure` |
//! | `live`, `folder` | `Http` over `reqwest`; over a folder, for the demo library |
//! | `min_throughput` | aborts a reply whose throughput stays below a minimum |
//! | `session` | attaches the access token, refreshes it once for all concurrent requests |
//! | `reply` | classifies replies; `Retry-After` |
//! | `retry` | what starts the next attempt, and the wait before it |
//!
//! Not here: caching (`carrel-http-cache`), the content of requests and replies.

mod client;
mod error;
mod folder;
mod live;
mod min_throughput;
pub mod reply;
mod retry;
mod session;

pub use client::{Body, Failure, FailureKind, Http, Reply, Request};
pub use error::{Error, Result};
pub use folder::FolderHttp;
pub use live::LiveHttp;
pub use min_throughput::MinThroughput;
pub use retry::{Backoff, Retry, RetryPolicy};
pub use session::{SecretStore, Session, Tokens};
