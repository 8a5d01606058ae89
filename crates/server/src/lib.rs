//! The Carrel server: accounts, catalogue, blobs and sync over HTTP, kept in one folder.
//!
//! The way through the house: `http` takes a request apart, `push` judges rows, `store` joins and keeps them, `news` wakes the
//! learner's other devices. `import`, `backup` and `export` are what the program's commands do.
//!
//! Not here: what a merge means (`carrel-model`), the joins in SQL (`carrel-sqlite`), compiling packages (`carrel-package`), and
//! anything that a device does.

pub mod backup;
pub mod blobs;
pub mod carried;
pub mod clock;
pub mod config;
pub mod connections;
pub mod error;
pub mod export;
mod grading;
pub mod http;
pub mod import;
pub mod news;
pub mod password;

pub mod precis;
pub mod push;
pub mod range;
pub mod restore;
pub mod server;
mod signing;
pub mod store;
mod throttle;
pub mod tokens;

pub use clock::{Clock, FakeClock, SystemClock};
pub use config::{Config, Settings};
pub use error::Error;
pub use server::{Library, RunningServer, Server, Steps};
