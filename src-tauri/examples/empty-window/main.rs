//! An empty window: what a program of this kind costs before it does anything. The floor of `cargo xtask bench window`.
//!
//! Not here: anything of Carrel. An example is no part of what is installed.

use std::path::PathBuf;

use tauri::WebviewWindowBuilder;

fn main() -> tauri::Result<()> {
    // Files of its own, as the app has them when it is measured.
    let files = std::env::var_os("CARREL_DATA_DIR").map(|dir| PathBuf::from(dir).join("webview"));
    tauri::Builder::default()
        .setup(move |app| {
            let config = app.config().app.windows.first().cloned().unwrap_or_default();
            let mut window = WebviewWindowBuilder::from_config(app.handle(), &config)?;
            if let Some(dir) = files {
                window = window.data_directory(std::path::absolute(dir)?);
            }
            window.build()?;
            Ok(())
        })
        .run(context())
}

/// The page and its window, compiled in.
#[allow(clippy::disallowed_methods, reason = "the macro's own code")]
fn context() -> tauri::Context {
    tauri::generate_context!("src-tauri/examples/empty-window/tauri.conf.json")
}
