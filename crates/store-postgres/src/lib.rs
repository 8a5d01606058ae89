//! PostgreSQL as an engine of the server's store: `carrel_store::Engine` on one database of a PostgreSQL server.
//!
//! The traits of `carrel_store::tx` are synchronous: a transaction runs on a blocking thread, which waits for the
//! asynchronous driver. The connections are tasks of a runtime that the engine owns.
//!
//! Concurrency: a transaction that writes is `READ COMMITTED` and locks what it depends on before it reads it, so that
//! no transaction fails because of another one and none has to be repeated (`tx::Lock`, `rows`). A learner's rows are
//! changed under the lock of the learner's row. Read transactions are `REPEATABLE READ`.
//!
//! Replicas: what may be some time old is read from hot standbys (`replicas`).
//!
//! Not here: the rules (`carrel-server`), the merge of rows and their tables (`carrel-model`, `carrel_sqlite::rows`).

mod accounts;
mod analytics;
mod catalogue;
mod cluster;
mod copies;
mod courses;
mod engine;
mod enrolment_tokens;
mod epoch;
mod error;
mod external;
mod jobs;
mod limits;
mod mail;
mod maintenance;
mod messages;
mod migrate;
mod monitor;
mod people;
mod pool;
mod replicas;
mod roles;
mod rows;
mod search;
mod sessions;
mod settings;
mod study;
mod transactions;
mod tx;

pub use engine::PostgresEngine;
pub use migrate::MIGRATIONS;
pub use settings::{BadUrl, DatabaseUrl, PoolSettings};
