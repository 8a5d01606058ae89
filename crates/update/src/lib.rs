//! Updates of the app: a signed feed, the decision about it, the download, the installation and the roll-back.
//!
//! | Module | Content |
//! |---|---|
//! | `error` | errors, and the problem that the UI shows for each |
//! | `target` | channel, package kind and target of an installation |
//! | `signature` | public keys, minisign signatures and their signed comments |
//! | `feed` | the feed of a channel and its verification |
//! | `rollout` | which devices a staged release is offered to |
//! | `policy`, `decision` | what to do about a feed |
//! | `mirror` | requests to the mirrors of a feed |
//! | `download` | the file of a release: resumed, verified |
//! | `journal` | the file that survives a crash during an installation |
//! | `install`, `guard` | replaces the program; rolls it back if it does not start |
//! | `offline` | an update as one file, for devices without a network |
//! | `updater` | all of this together, for the client |
//!
//! A module uses only modules above it in this table.
//!
//! Not here: signing (`carrel-release`), installers of Windows and macOS (the app).

pub mod decision;
pub mod download;
mod error;
pub mod feed;
pub mod guard;
pub mod install;
pub mod journal;
pub mod mirror;
pub mod offline;
pub mod policy;
pub mod rollout;
pub mod signature;
pub mod target;
pub mod updater;

pub use self::{
    decision::{Decision, Refusal, decide},
    error::{Error, Problem, Result},
    feed::{Feed, FeedFile, VerifiedFeed},
    policy::{Mode, UpdatePolicy},
    signature::Keys,
    target::{Channel, PackageKind, Target},
};
