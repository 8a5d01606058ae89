//! Tests of sync between devices and a server.
//!
//! Clocks and ids are fakes, and the server is a fake in this process; files are real. No test waits for real time.

mod clock_skew;
mod clocks;
mod engine;
mod faults;
mod machine;
mod reachability;
mod restored;
mod scheduler;
mod world;
