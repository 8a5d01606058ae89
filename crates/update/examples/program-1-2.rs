//! Version 1.2.0 of the program that the tests update. It crashes before its window opens.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program of tests")]

#[path = "program/mod.rs"]
mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::run("1.2.0", true).unwrap_or(ExitCode::FAILURE)
}
