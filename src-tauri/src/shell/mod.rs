//! The window, the plugins, the updates, the log output, the device's name and the profile's folders.
//!
//! Not here: commands (`host`).

pub mod console;
pub mod device;
pub mod log;
pub mod profile;
#[cfg(desktop)]
pub mod updates;
pub mod window;

use std::sync::Arc;

use carrel_client::open_request::OpenRequests;
use tauri::{Builder, Runtime};

/// Adds the desktop's plugins. All are called from Rust: the UI has no permission for any of them.
pub fn plugins<R: Runtime>(
    builder: Builder<R>,
    profile: &profile::Profile,
    open_requests: &Arc<OpenRequests>,
) -> Builder<R> {
    #[cfg(desktop)]
    {
        use std::path::Path;

        use tauri_plugin_window_state::StateFlags;

        use crate::{cli::Arguments, host};

        // Registered first: a second instance must exit before it opens a file. With a custom profile it may run.
        let builder = if profile.is_default() {
            let open_requests = open_requests.clone();
            builder.plugin(tauri_plugin_single_instance::init(move |app, arguments, folder| {
                let requests = Arguments::open_requests_of(arguments, Path::new(&folder));
                host::add_open_requests(app, &open_requests, requests);
                window::focus(app);
            }))
        } else {
            builder
        };
        let builder = builder.plugin(tauri_plugin_updater::Builder::new().build());
        let flags = StateFlags::POSITION | StateFlags::SIZE | StateFlags::MAXIMIZED;
        let state = tauri_plugin_window_state::Builder::default().with_state_flags(flags);
        if profile.is_default() { builder.plugin(state.build()) } else { builder }
    }
    #[cfg(mobile)]
    {
        let _ = (profile, open_requests);
        builder
    }
}
