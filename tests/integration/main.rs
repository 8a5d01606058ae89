//! Tests of the whole client (`Client`, as the UI uses it) with the real server. See docs/TESTING.md for what each test
//! shows.

mod ahead;
mod cable;
mod crash;
mod desk;
mod fetched;
mod full;
mod hostile;
mod imports;
mod isolation;
mod offline;
mod refused;
mod restored;
mod servers;
mod space;
