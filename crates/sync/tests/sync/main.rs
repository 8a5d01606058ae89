//! Tests of sync between devices and a server.
//!
//! Clocks and ids are fakes, and the server is a fake in this process; files are real. No test waits for real time.

mod clocks;
mod engine;
mod machine;
mod reachability;
mod scheduler;
mod world;
