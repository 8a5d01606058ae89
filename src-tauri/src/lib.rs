//! The app: opens the window and connects it to the command registry.
//!
//! Not here: application logic, SQL, HTTP (`carrel_client`).

mod cli;
#[cfg(debug_assertions)]
mod dev_sign_in;
mod doctor;
mod host;
mod shell;

use std::{process::ExitCode, sync::Arc};

#[cfg(any(target_os = "macos", target_os = "ios", target_os = "android"))]
use carrel_client::open_request::OpenRequest;
use carrel_client::open_request::OpenRequests;
use carrel_diagnostics::Diagnostics;
use tauri::{AppHandle, Manager, RunEvent, WindowEvent};

/// Runs the app until its window is closed. If the start fails, logs the cause and returns exit code 1.
pub fn run() -> ExitCode {
    let arguments = match cli::Arguments::from_env() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let policies = carrel_policy::load();
    let context = context();
    let version = context.package_info().version.to_string();
    let folders = shell::profile::Profile::from_env().folders(&context.config().identifier);
    // A report does not write to the folders that it checks.
    let logged = folders.as_ref().filter(|_| !arguments.has_command());
    let diagnostics = shell::log::start(logged, &version, policies.policies.log_level);
    if let Some(code) = arguments.run_command(folders.as_ref(), &version, &policies.report) {
        return code;
    }
    #[cfg(desktop)]
    if let Some(code) = shell::profile::Profile::from_env()
        .updates_dir()
        .and_then(|dir| shell::updates::guard(&dir))
    {
        return code;
    }
    match build(&arguments, diagnostics, context).map(|app| app.run_return(on_run_event)) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            tracing::error!(error = %error, "the app could not start");
            ExitCode::FAILURE
        }
    }
}

fn build(
    arguments: &cli::Arguments,
    diagnostics: Arc<Diagnostics>,
    context: tauri::Context,
) -> tauri::Result<tauri::App> {
    let profile = shell::profile::Profile::from_env();
    let open_requests = Arc::new(OpenRequests::default());
    open_requests.add(arguments.open_requests());
    shell::plugins(tauri::Builder::default(), &profile, &open_requests)
        .manage(open_requests.clone())
        .invoke_handler(tauri::generate_handler![host::call])
        .setup(move |app| {
            host::open(app.handle(), &profile, open_requests, &diagnostics);
            #[cfg(debug_assertions)]
            tauri::async_runtime::block_on(dev_sign_in::sign_in(app.handle()));
            shell::window::open(app.handle(), &profile)?;
            Ok(())
        })
        .build(context)
}

/// Handles events of the system. Those before `setup` are ignored. When the window gets the focus, sync resumes,
/// because the computer may have slept.
fn on_run_event(app: &AppHandle, event: RunEvent) {
    // macOS and phones deliver files and links as events, the first ones before `setup`.
    #[cfg(any(target_os = "macos", target_os = "ios", target_os = "android"))]
    if let RunEvent::Opened { urls } = &event {
        let requests = urls.iter().map(|url| OpenRequest::of_link(url.as_str()));
        host::add_open_requests(app, &app.state::<Arc<OpenRequests>>(), requests);
    }
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
