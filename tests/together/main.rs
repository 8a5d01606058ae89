//! The whole client (`Core`, as the window uses it) and the real server: offline, refused rows, several learners, hostile answers, and
//! processes that are killed. docs/TESTING.md tells what each shows.

mod cable;
mod crash;
mod desk;
mod hostile;
mod isolation;
mod offline;
mod refused;
