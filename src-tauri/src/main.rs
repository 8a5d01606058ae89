//! The desktop program. All code is in the library, which phones share.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    carrel_app::run()
}
