//! How work reaches a server and comes back.
//!
//! Clocks and ids are given, the network is an `Http` in this process, files are real. Nothing here waits for real time.

mod engine;
mod machine;
mod scheduler;
mod world;
