//! The desktop program. All its code is in the library, which is also used on phones.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    carrel_app::run()
}
