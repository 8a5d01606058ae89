//! The rules of the server, independent of the database engine: change numbers, grading, enrolment, validity of refresh
//! tokens, content of publications, retention.
//!
//! Each file contains the rules of one subject as functions of a transaction, and the operations used by handlers as
//! methods of `Store`, which open the transaction. Traits allow replacing what is local to a process or machine:
//! `blobs`, `clock`, `events`, `signing`.
//!
//! Not here: SQL (`carrel-store`), HTTP and commands (`carrel-server`), rules about people (`carrel-people`), the score
//! of an answer and the merge of rows (`carrel-model`).

pub mod accounts;
pub mod admission;
pub mod analytics;
pub mod assessments;
mod attempts;
pub mod blobs;
pub mod catalogue;
pub mod change_log;
pub mod clock;
pub mod courses;
mod devices;
pub mod enrolment;
pub mod enrolment_tokens;
pub mod erasure;
mod error;
pub mod events;
pub mod exports;
pub mod external;
mod facts;
pub mod jobs;
pub mod mail;
pub mod maintenance;
pub mod people;
mod person_export;
pub mod publishing;
pub mod push_validation;
pub mod reply_state;
pub mod retention;
mod rosters;
pub mod rows;
pub mod search;
pub mod sessions;
pub mod signing;
pub mod store;
pub mod study;
pub mod tokens;
pub mod uploads;
pub mod vocabulary;

pub use error::{DomainError, DomainResult};
