//! Version 1.1.0 of the program that the tests update.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program of tests")]

#[path = "program/mod.rs"]
mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::run("1.1.0", false).unwrap_or(ExitCode::FAILURE)
}
