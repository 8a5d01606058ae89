//! Accounts, sign-in, files without a network, full disks: the client as a whole.
//!
//! Clocks and ids are given, the network is an `Http` in this process, files are real. Nothing here waits for real time.

mod account;
mod bundle;
mod whole;
