//! Integration tests of the client: accounts, sign-in, bundles, full disks.
//!
//! Clocks and ids are fakes, the network is an `Http` in this process, files are real. No test waits for real time.

mod account;
mod browser_sign_in;
mod bundle;
mod kiosk;
mod learners;
mod lifecycle;
mod policies;
