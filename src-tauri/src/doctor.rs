//! `carrel doctor`: the checks without a window, and what this program knows about the system.
//!
//! Not here: the checks (`carrel_diagnostics::doctor`).

use std::{io::Write, process::ExitCode, sync::Arc};

use carrel_client::{
    net::LiveHttp,
    network_settings,
    support::{self, Folders},
    system::SystemClock,
};
use carrel_diagnostics::doctor::{self, DoctorReport, Environment, SystemFacts};

/// Exit code if the checks could not run.
const FAILED: u8 = 3;

/// Returns what is known about the system. Reads files, so it blocks.
pub fn facts() -> SystemFacts {
    let policies = carrel_policy::load().report;
    SystemFacts {
        webview: Some(tauri::webview_version().map_err(|e| e.to_string())),
        policy_problems: policies.problems.iter().map(ToString::to_string).collect(),
        ..SystemFacts::of_this_system()
    }
}

/// Returns the policies in force, as JSON. Blocks.
pub fn policies() -> Option<String> {
    serde_json::to_string_pretty(&carrel_policy::load().report).ok()
}

/// Runs the checks and prints the report, as text or JSON. The exit codes are in docs/SUPPORT.md.
pub fn run(folders: Option<Folders>, version: &str, as_json: bool) -> ExitCode {
    let result = folders.ok_or_else(|| "the folders of this user are unknown".to_owned());
    let result = result.and_then(|folders| checked(&folders, version));
    let (text, code) = match result {
        Ok(report) if as_json => {
            (serde_json::to_string_pretty(&report).unwrap_or_default(), report.exit_code())
        }
        Ok(report) => (report.to_text(), report.exit_code()),
        Err(e) => {
            tracing::error!("the checks could not run: {e}");
            return ExitCode::from(FAILED);
        }
    };
    // Fails only if the output is closed, and then nobody reads it.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    ExitCode::from(code)
}

fn checked(folders: &Folders, version: &str) -> Result<DoctorReport, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    let policies = carrel_policy::load().policies;
    let network = network_settings(&policies);
    let clock = Arc::new(SystemClock::new());
    let user_agent = format!("Carrel/{version}");
    let http =
        LiveHttp::with_settings(&user_agent, &network, clock.clone()).map_err(|e| e.to_string())?;
    let system = SystemFacts { keychain: support::keychain(), ..facts() };
    let environment = Environment {
        machine_folder: policies.content_folder,
        ..support::environment(folders, version, Arc::new(http), clock, system)
    };
    Ok(runtime.block_on(doctor::run(environment)))
}
