//! Downloads from a simulated server: interruptions, faulty replies, rules, fairness, updates, a
//! shared store. Nothing waits for real time.

mod cuts;
mod desk;
mod editions;
mod fair;
mod hostile;
mod machine;
mod net;
mod pauses;
mod verify;
mod recovery;
mod stalls;
