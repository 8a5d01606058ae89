//! The desktop program: everything is in the library, so that phones share it.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    carrel_app::run()
}
