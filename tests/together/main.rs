//! The whole client (`Client`, as the window uses it) and the real server: offline, refused rows, several learners, hostile answers, and
//! processes that are killed, what comes ahead, and where content lies. docs/TESTING.md tells what each shows.

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
