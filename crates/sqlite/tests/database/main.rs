//! `Database`: transactions and reads, and files that can be fetched again.

mod disposable;
mod transactions;
