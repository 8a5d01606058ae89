//! Tests of `Database`: transactions and reads, and files whose content can be downloaded again.

mod disposable;
mod schema;
mod transactions;
