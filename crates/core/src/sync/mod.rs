//! From the outbox to the server and back.
//!
//! | File | What it is |
//! |---|---|
//! | `machine` | decides: events in, instructions out; no sockets, no clock, no database |
//! | `backoff` | decorrelated jitter |
//! | `fault` | what a reply that is not a good one means: a table |
//! | `transport` | push, pull, events over `Http` |
//! | `outbound` | reads, packs and sends what waits, two full batches at a time |
//! | `batch` | what a push reply does to the outbox, in one transaction |
//! | `pull` | pulled rows and the cursor, in one transaction |
//! | `engine` | runs one instruction with transport and store: what a simulation steps |
//! | `scheduler` | the task that waits for timers, changes and news: the only part that sleeps |
//! | `receipts` | what became of each thing: saved here, accepted, refused |
//!
//! docs/SYNC.md tells the protocol. Not here: the joins (`carrel-model`, `carrel-sqlite`), tokens (`account::Session`).

mod backoff;
mod batch;
mod engine;
mod fault;
pub mod machine;
mod outbound;
mod pull;
mod receipts;
mod scheduler;
mod transport;

pub use backoff::Backoff;
pub use engine::Engine;
pub(crate) use fault::seconds_or_date;
pub use fault::{Fault, Head, classify};
pub use machine::{Event, Instruction, Machine, Phase};
pub use receipts::{Receipt, ReceiptState, Receipts};
pub use scheduler::{Status, Sync};
pub use transport::Transport;
