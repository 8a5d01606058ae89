//! Updates against simulated mirrors: signatures, decisions, downloads.

mod decisions;
mod downloads;
mod feeds;
mod support;
mod update_files;
mod updaters;
