//! Downloads from a simulated server: interruptions, faulty replies, rules, scheduling, updates, a
//! shared store. The clock is simulated.

mod blocking;
mod catalogue;
mod client;
mod fake_server;
mod hostile;
mod interruptions;
mod mirror;
mod pauses;
mod recovery;
mod scheduling;
mod shared_store;
mod updates;
mod verify;
