//! The rules of the server, independent of the database engine: change numbers, grading, enrolment, validity of refresh
//! tokens, content of publications, retention.
//!
//! Each file contains the rules of one subject as functions of a transaction, and the operations used by handlers as
//! methods of `Store`, which open the transaction.
//!
//! Not here: SQL (`store`), HTTP (`http`), the score of an answer and the merge of rows (`carrel-model`).

pub mod accounts;
mod attempts;
pub mod change_log;
mod enrolment;
pub mod enrolment_tokens;
mod error;
mod facts;
pub mod jobs;
pub mod people;
pub mod publishing;
mod retention;
mod rosters;
pub mod rows;
pub mod search;
pub mod sessions;
pub mod study;

pub use error::{DomainError, DomainResult};
