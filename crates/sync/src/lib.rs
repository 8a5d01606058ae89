//! Synchronisation of the outbox and the learner's rows with the server.
//!
//! | File | Content |
//! |---|---|
//! | `machine` | the state machine: returns instructions for events; no I/O, no clock |
//! | `transport` | push, pull, events over `Http` |
//! | `outbound` | reads, compresses and sends the outbox, two full batches at a time |
//! | `batch` | applies a push reply to the outbox, in one transaction |
//! | `pull` | applies pulled rows and the cursor, in one transaction |
//! | `engine` | runs one instruction with transport and store; simulations call it step by step |
//! | `scheduler` | the task that waits for timers, changes and server events; only it sleeps |
//! | `receipts` | the sync state of each row: saved locally, accepted, refused |
//!
//! Protocol: docs/SYNC.md. Not here: the joins (`carrel-model`, `carrel-sqlite`), tokens (`carrel_net::Session`).

#![warn(missing_docs)]

mod batch;
mod clock;
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
