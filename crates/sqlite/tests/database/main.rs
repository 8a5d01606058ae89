//! Tests of `Database`: transactions and reads, and files that can be downloaded again.

mod disposable;
mod schema;
mod transactions;
