//! Downloads from a simulated server: interruptions, faulty replies, rules, fairness, updates, a
//! shared store. Nothing waits for real time.

mod blocking;
mod client;
mod fake_server;
mod hostile;
mod interruptions;
mod pauses;
mod recovery;
mod scheduling;
mod shared_store;
mod updates;
mod verify;
