//! Course content on the device.
//!
//! | Module | Content |
//! |---|---|
//! | `blobs` | blobs by hash in `content.db` and files, partial files |
//! | `library` | courses and stories: catalogue, manifests, bodies, search |
//! | `download` | whole courses and stories onto this device |
//! | `storage` | quota, eviction, sweep, figures |
//! | `media` | loopback server for images, audio and video, also while they are being fetched |
//! | `images` | image variants in the width that a screen needs |
//!
//! Not here: a learner's work (`carrel-learning`), files without a network (`carrel-client`).

pub mod blobs;
pub mod download;
mod error;
pub mod images;
pub mod library;
pub mod media;
pub mod storage;

pub use error::{Error, Result};
