//! The entry point of the app on Android and iOS. The app itself is the package `carrel`.

/// Runs the app until the system ends it.
#[cfg_attr(mobile, tauri::mobile_entry_point)]
pub fn run() {
    carrel_app::run();
}
