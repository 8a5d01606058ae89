//! The rules of the server, written once over the transactions of `store`: which change numbers rows take, how attempts are graded, who
//! is enrolled, when a refresh token is valid, what a publication consists of, what is deleted when.
//!
//! Each file has the rules of one subject as functions of a transaction, and the calls of handlers as methods of `Store`, which open
//! the transaction.
//!
//! Not here: SQL (`store`), HTTP (`http`), the score of an answer and the merge of rows (`carrel-model`).

pub mod accounts;
mod attempts;
pub mod change_log;
mod enrolment;
mod error;
mod facts;
pub mod jobs;
pub mod publishing;
mod retention;
pub mod rows;
pub mod search;
pub mod sessions;

pub use error::{DomainError, DomainResult};
