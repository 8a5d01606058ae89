//! The app's only window.
//!
//! Not here: its contents (ui/).

#[cfg(desktop)]
use tauri::Manager;
use tauri::{AppHandle, Runtime, Url, WebviewWindowBuilder};

use super::profile::Profile;

/// Opens the window that tauri.conf.json describes.
pub fn open<R: Runtime>(app: &AppHandle<R>, profile: &Profile) -> tauri::Result<()> {
    let config = app.config().app.windows.first().cloned().unwrap_or_default();
    let mut window = WebviewWindowBuilder::from_config(app, &config)?.on_navigation(may_navigate);
    if let Some(dir) = profile.webview_dir() {
        window = window.data_directory(dir);
    }
    window.build()?;
    Ok(())
}

/// Brings the window to the front when the app is started a second time.
#[cfg(desktop)]
pub fn focus<R: Runtime>(app: &AppHandle<R>) {
    if let Some(window) = app.get_webview_window("main") {
        let result =
            window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
        if let Err(error) = result {
            tracing::warn!(error = %error, "the window could not be brought to the front");
        }
    }
}

/// Returns true for addresses of the UI. Links in lessons are opened by a command in the system's browser.
fn may_navigate(url: &Url) -> bool {
    let is_own = match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" | "https" => {
            url.host_str() == Some("tauri.localhost")
                || (cfg!(dev) && url.host_str() == Some("localhost"))
        }
        "about" => url.path() == "blank",
        _ => false,
    };
    if !is_own {
        tracing::warn!(url.host = url.host_str().unwrap_or_default(), "a navigation was blocked");
    }
    is_own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_ui_may_be_navigated_to() {
        let allowed = |url: &str| may_navigate(&Url::parse(url).unwrap());
        for url in [
            "tauri://localhost/",
            "tauri://localhost/#/sync",
            "http://tauri.localhost/",
            "about:blank",
        ] {
            assert!(allowed(url), "{url}");
        }
        for url in [
            "https://example.org/",
            "http://127.0.0.1:7300/",
            "file:///etc/passwd",
            "tauri://elsewhere/",
            "https://tauri.localhost.example.org/",
            "data:text/html,x",
        ] {
            assert!(!allowed(url), "{url}");
        }
    }
}
