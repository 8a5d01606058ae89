//! The app: opens the window and connects it to the command registry.
//!
//! Not here: application logic, SQL, HTTP (`carrel_client`).

mod cli;
#[cfg(debug_assertions)]
mod dev_sign_in;
mod host;
mod shell;

use std::process::ExitCode;

use tauri::{AppHandle, Manager, RunEvent, WindowEvent};

/// Runs the app until its window is closed. If the start fails, logs the cause and returns exit code 1.
#[cfg_attr(mobile, tauri::mobile_entry_point)]
pub fn run() -> ExitCode {
    let arguments = match cli::Arguments::from_env() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let policies = carrel_policy::load();
    shell::log::start(policies.policies.log_level);
    if let Some(code) = arguments.run_command(&policies.report) {
        return code;
    }
    match build().map(|app| app.run_return(on_run_event)) {
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
        .setup(move |app| {
            let state = host::open(app.handle(), &profile);
            #[cfg(debug_assertions)]
            tauri::async_runtime::block_on(dev_sign_in::sign_in(app.handle(), &state));
            app.manage(state);
            shell::window::open(app.handle(), &profile)?;
            Ok(())
        })
        .build(context())
}

/// Handles events of the system. Those before `setup` are ignored. When the window gets the focus, sync resumes,
/// because the computer may have slept.
fn on_run_event(app: &AppHandle, event: RunEvent) {
    let Some(state) = app.try_state::<host::ClientState>() else { return };
    match event {
        RunEvent::WindowEvent { event: WindowEvent::Focused(true), .. } | RunEvent::Resumed => {
            state.resume();
        }
        RunEvent::Exit => state.close(),
        _ => {}
    }
}

/// Returns tauri.conf.json, the UI and the icons, which are compiled in.
#[expect(clippy::disallowed_methods, reason = "the macro's own code")]
fn context() -> tauri::Context {
    tauri::generate_context!()
}
