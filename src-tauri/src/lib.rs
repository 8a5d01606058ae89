//! The shell, and only the shell: it builds the window and puts the command registry behind it.
//!
//! Not here: rules, SQL, HTTP. A call from the window goes to `host`, and nothing comes back but its reply.

mod host;
mod shell;

use std::process::ExitCode;

use tauri::Manager;

/// Runs the app until its last window is closed. A start that fails is logged with its cause and gives exit code 1.
#[cfg_attr(mobile, tauri::mobile_entry_point)]
pub fn run() -> ExitCode {
    shell::log::start();
    match build().map(|app| app.run_return(|_, _| {})) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            tracing::error!(error = %error, "the app could not start");
            ExitCode::FAILURE
        }
    }
}

fn build() -> tauri::Result<tauri::App> {
    let profile = shell::profile::Profile::from_env();
    shell::plugins(tauri::Builder::default(), &profile)
        .invoke_handler(tauri::generate_handler![host::call])
        .register_asynchronous_uri_scheme_protocol("carrel", host::serve_picture)
        .setup(move |app| {
            let data = profile.data_dir(app.handle())?;
            let open = host::open(app.handle().clone(), &data)?;
            #[cfg(debug_assertions)]
            tauri::async_runtime::block_on(shell::greet::sign_in(open.desk()));
            app.manage(open);
            shell::window::open(app.handle(), &profile)?;
            Ok(())
        })
        .build(context())
}

/// tauri.conf.json, the UI and the icons, compiled in.
#[expect(clippy::disallowed_methods, reason = "the macro's own code")]
fn context() -> tauri::Context {
    tauri::generate_context!()
}
