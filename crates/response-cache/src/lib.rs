//! Replies of the server that are kept in memory and, if it is configured, in Redis or Valkey.
//!
//! A reply is kept under a key of what was asked for and of the state of the database on which the reply depends
//! (revisions, change numbers). A write changes the state, so the next request asks for another key: nothing has to be
//! deleted, and no process has to be told. Who stores a reply must have read the same state before and after computing
//! it.
//!
//! Not here: the state, permissions, routes (`carrel-domain`, `carrel-server`).

mod cache;
mod entry;
mod figures;
mod flights;
mod kinds;
mod memory;
mod popularity;
mod serve;

pub use cache::{Computation, Found, LookUp, ResponseCache, TenantCache};
pub use entry::CachedReply;
pub use figures::{CacheFigures, KindFigures, Origin};
pub use kinds::{KindRule, RULES, ReplyKind};
pub use serve::{CacheableRequest, PresentState, SeenBy, ValidUntil, serve};
