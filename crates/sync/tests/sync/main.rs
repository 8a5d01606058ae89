//! Tests of sync between devices and a server.
//!
//! Clocks and ids are fakes, the network is an `Http` in this process, files are real. No test waits for real time.

mod engine;
mod machine;
mod scheduler;
mod world;
