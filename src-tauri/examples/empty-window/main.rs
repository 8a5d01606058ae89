//! An empty window: the minimum cost of a Tauri program, measured as the baseline of `cargo xtask bench window`.
//!
//! Not here: any code of Carrel. An example is not installed.

use std::path::PathBuf;

use tauri::WebviewWindowBuilder;

fn main() -> tauri::Result<()> {
    // A separate folder, like that of the app during the measurement.
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

/// Returns the page and the window's configuration, which are compiled in.
#[allow(clippy::disallowed_methods, reason = "the macro's own code")]
fn context() -> tauri::Context {
    tauri::generate_context!("src-tauri/examples/empty-window/tauri.conf.json")
}
