//! Tests of the whole client (`Client`, as the UI uses it) with the real server. See docs/TESTING.md for what each test
//! shows.

mod bundles;
mod client;
mod crash;
mod full_disk;
mod imports;
mod interrupted_downloads;
mod invalid_answers;
mod isolation;
mod offline;
mod prefetch;
mod refused_rows;
mod server_restore;
mod servers;
mod space;
