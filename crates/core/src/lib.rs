//! Carrel's client without a window.
//!
//! | Room | What it is |
//! |---|---|
//! | `store` | `user.db`: one writer thread, read-only readers, `Changes` |
//! | `account` | accounts of this device, tokens, the session with a server |
//! | `learning` | what a learner does: progress, time, attempts, words, settings |
//! | `sync` | outbox to server and back: a machine without I/O, its transport, its scheduler |
//! | `cache` | `cache.db` and blob files, the route table, the five strategies |
//! | `library` | courses and stories as the learner sees them: catalogue, manifests, bodies, search |
//! | `download` | whole courses and stories onto this device |
//! | `storage` | how much content may take, who goes when space is short, the figures |
//! | `media` | the loopback server that pictures, audio and video come from, also while they are still being fetched |
//! | `images` | pictures in the width that a screen wants, made on this device |
//! | `cable` | courses and work as files, where there is no network |
//! | `core` | the client as one thing: accounts, and the open one with everything that belongs to it |
//! | `http`, `clock`, `ids` | the world outside, through traits |
//!
//! Not here: windows, commands, anything of Tauri; the server.

pub mod account;
pub mod cable;
pub mod cache;
pub mod changes;
pub mod clock;
pub mod core;
pub mod download;
pub mod error;
mod files;
pub mod http;
pub mod ids;
pub mod images;
pub mod learning;
pub mod library;
pub mod media;
pub mod storage;
pub mod store;
pub mod sync;

pub use self::core::{Config, Core, OpenAccount};
pub use changes::{Change, Changes};
pub use clock::{Clock, SystemClock};
pub use error::{Error, Result};
pub use ids::{IdGen, SystemIds};
