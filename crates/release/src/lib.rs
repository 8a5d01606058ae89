//! Makes the feed of a release: signatures, checksums, list of components, release notes, layout of a mirror.
//!
//! | Module | Content |
//! |---|---|
//! | `error` | errors |
//! | `sign` | the private key, signatures |
//! | `artefact` | which target a file of a release is for |
//! | `notes` | the section of a version in CHANGELOG.md |
//! | `sbom` | CycloneDX lists of components |
//! | `publish` | writes the folder of a mirror |
//!
//! A module uses only modules above it in this table.
//!
//! Not here: reading and verifying a feed (`carrel-update`), building the packages (`cargo xtask bundle`).

pub mod artefact;
mod error;
pub mod notes;
pub mod publish;
pub mod sbom;
pub mod sign;

pub use error::{Error, Result};
