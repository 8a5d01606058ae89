//! From the outbox to the server and back.
//!
//! | File | What it is |
//! |---|---|
//! | `machine` | decides: events in, instructions out; no sockets, no clock, no database |
//! | `transport` | push, pull, events over `Http` |
//! | `outbound` | reads, packs and sends what waits, two full batches at a time |
//! | `batch` | what a push reply does to the outbox, in one transaction |
//! | `pull` | pulled rows and the cursor, in one transaction |
//! | `engine` | runs one instruction with transport and store: what a simulation steps |
//! | `scheduler` | the task that waits for timers, changes and news: the only part that sleeps |
//! | `receipts` | what became of each thing: saved here, accepted, refused |
//!
//! docs/SYNC.md tells the protocol. Not here: the joins (`carrel-model`, `carrel-sqlite`), tokens (`carrel_net::Session`).

mod batch;
mod engine;
mod fault;
pub mod machine;
mod outbound;
mod pull;
mod receipts;
mod scheduler;
mod transport;

pub use carrel_learning::{Error, Result};
pub use engine::Engine;
pub use fault::Fault;
pub use machine::{Event, Instruction, Machine, Phase};
pub use receipts::{Receipt, ReceiptState, Receipts};
pub use scheduler::{Status, Sync};
pub use transport::Transport;
