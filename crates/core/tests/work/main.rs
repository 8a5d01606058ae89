//! The learner's work: how it is saved, what it means, how it reaches a server and comes back.
//!
//! Clocks and ids are given, the network is an `Http` in this process, files are real. Nothing here waits for real time.

mod account;
mod cable;
mod damage;
mod engine;
mod full;
mod learning;
mod machine;
mod scheduler;
mod server;
#[path = "../storage/small_disk.rs"]
mod small_disk;
mod store;
mod whole;
mod world;
