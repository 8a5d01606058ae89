//! Blobs of the server in an S3-compatible object store, so that processes on several computers need no shared folder
//! (docs/adr/0035).
//!
//! Each module uses only those before it: `time`, `settings`, `signature`, `xml`, `client`, `store`.
//!
//! Not here: which blobs the catalogue references (`carrel-store`), where a data folder has its blobs
//! (`carrel-server`).

mod client;
mod settings;
mod signature;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod xml;

pub use settings::{ACCESS_KEY_VARIABLE, ObjectStoreSettings, SECRET_KEY_VARIABLE, StoreProblem};
pub use store::ObjectStore;
