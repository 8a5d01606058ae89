//! The window, the plugins, the log output, the device's name and the profile's folders.
//!
//! Not here: commands (`host`).

pub mod console;
pub mod device;
pub mod log;
pub mod profile;
pub mod window;

use tauri::{Builder, Runtime};

/// Adds the desktop's plugins. All are called from Rust: the UI has no permission for any of them.
pub fn plugins<R: Runtime>(builder: Builder<R>, profile: &profile::Profile) -> Builder<R> {
    #[cfg(desktop)]
    {
        use tauri_plugin_window_state::StateFlags;

        // Registered first: a second instance must exit before it opens a file. With a custom profile it may run.
        let builder = if profile.is_default() {
            builder.plugin(tauri_plugin_single_instance::init(|app, _args, _dir| {
                window::focus(app);
            }))
        } else {
            builder
        };
        let flags = StateFlags::POSITION | StateFlags::SIZE | StateFlags::MAXIMIZED;
        let state = tauri_plugin_window_state::Builder::default().with_state_flags(flags);
        if profile.is_default() { builder.plugin(state.build()) } else { builder }
    }
    #[cfg(mobile)]
    {
        let _ = profile;
        builder
    }
}
