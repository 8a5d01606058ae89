//! The command line: files and links to open, and commands that print a report instead of opening the window.
//!
//! Not here: the reports themselves.

#[cfg(desktop)]
use std::path::PathBuf;
use std::{ffi::OsString, path::Path, process::ExitCode};

use carrel_client::{open_request::OpenRequest, support::Folders};
use carrel_policy::{Effect, PolicyReport};
use clap::Parser;

use crate::{doctor, shell::console};

/// Exit code of a wrong command line.
const USAGE: u8 = 2;
/// Exit code of `--policy-report` if a policy is not in force because of a problem.
const POLICY_PROBLEM: u8 = 3;

/// The arguments of the program.
#[derive(Debug, Default, Parser)]
#[command(
    name = "carrel",
    version,
    about = "Study offline: courses and stories",
    args_conflicts_with_subcommands = true
)]
pub struct Arguments {
    /// Course files and carrel:// links to open
    #[arg(value_name = "FILE OR LINK")]
    pub open: Vec<OsString>,
    /// Show the dialog that adds content or work from a file
    #[arg(long)]
    pub add_from_file: bool,
    /// Install an update file, for devices without a network
    #[cfg(desktop)]
    #[arg(long, value_name = "FILE")]
    install_update: Option<PathBuf>,
    /// Print the organisation's policies in force on this machine, and what is wrong with them
    #[arg(long, conflicts_with = "open")]
    policy_report: bool,
    /// Print the report as JSON
    #[arg(long, requires = "policy_report")]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Commands that do not open the window.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check this device and the connection to the server, and print what to do
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Arguments {
    /// Reads the arguments of the process. `Err` with the exit code if there is nothing to open: after `--help`,
    /// `--version` or a wrong argument, which are answered here.
    pub fn from_env() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            // Fails only if the output is closed, and then nobody reads it.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
        })
    }

    /// Returns what the arguments of another instance, which ran in `folder` and has checked them, ask to open.
    #[cfg(desktop)]
    pub fn open_requests_of(arguments: Vec<String>, folder: &Path) -> Vec<OpenRequest> {
        Self::try_parse_from(arguments).unwrap_or_default().requests_in(folder)
    }

    /// Returns what this process's arguments ask to open.
    pub fn open_requests(&self) -> Vec<OpenRequest> {
        // Without a working folder, a relative path cannot be found, and the import says so.
        self.requests_in(&std::env::current_dir().unwrap_or_default())
    }

    fn requests_in(&self, folder: &Path) -> Vec<OpenRequest> {
        let dialog = self.add_from_file.then_some(OpenRequest::ChooseFile);
        let open = self.open.iter().map(|argument| OpenRequest::of_argument(argument, folder));
        dialog.into_iter().chain(open).collect()
    }

    /// Runs the command with the folders of this user; `None` if the window is to be opened.
    pub fn run_command(
        &self,
        folders: Option<&Folders>,
        version: &str,
        policies: &PolicyReport,
    ) -> Option<ExitCode> {
        if self.policy_report {
            let (text, code) = policy_report(policies, self.json);
            console::print(&text);
            return Some(code);
        }
        #[cfg(desktop)]
        if let Some(file) = &self.install_update {
            return Some(install_update(file));
        }
        match *self.command.as_ref()? {
            Command::Doctor { json } => Some(doctor::run(folders.cloned(), version, json)),
        }
    }
    /// Returns true if a command prints a report instead of opening the window.
    pub fn has_command(&self) -> bool {
        self.command.is_some() || self.policy_report
    }
}

/// Installs an update file and prints the result.
#[cfg(desktop)]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for the terminal")]
fn install_update(file: &std::path::Path) -> ExitCode {
    let Some(updates) = crate::shell::profile::Profile::from_env().updates_dir() else {
        eprintln!("error: this user has no folder for data");
        return ExitCode::FAILURE;
    };
    match crate::shell::updates::install_file(&updates, file) {
        Ok(version) => {
            println!(
                "version {version} is installed; it runs when the app is opened the next time"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            if !error.hint().is_empty() {
                eprintln!("hint: {}", error.hint());
            }
            ExitCode::FAILURE
        }
    }
}

/// Returns the text of the report, and the exit code.
fn policy_report(report: &PolicyReport, json: bool) -> (String, ExitCode) {
    let text = match serde_json::to_value(report) {
        Ok(value) if json => format!("{value:#}\n"),
        _ => report.to_string(),
    };
    let is_ignored = report.problems.iter().any(|problem| problem.effect != Effect::InForce);
    (text, if is_ignored { ExitCode::from(POLICY_PROBLEM) } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use carrel_policy::{Source, load_from};

    use super::*;

    #[test]
    #[cfg(desktop)]
    fn files_links_and_the_dialog_are_read_from_the_arguments_of_another_instance() {
        let of = |arguments: &[&str]| {
            let arguments = ["carrel"].iter().chain(arguments).map(|a| (*a).to_owned()).collect();
            Arguments::open_requests_of(arguments, Path::new("/work"))
        };
        assert_eq!(of(&[]), []);
        assert_eq!(of(&["--add-from-file"]), [OpenRequest::ChooseFile]);
        let requests = of(&["a.carrel", "carrel://course/rivers", "javascript:x"]);
        assert_eq!(requests[0], OpenRequest::File(PathBuf::from("/work/a.carrel")));
        assert!(matches!(requests[1], OpenRequest::Link(_)), "{requests:?}");
        assert!(matches!(requests[2], OpenRequest::Refused { .. }), "{requests:?}");
        // A link or a name is never an option if it stands behind `--`, as in the registry of Windows.
        assert!(matches!(of(&["--", "--add-from-file"])[..], [OpenRequest::File(_)]));
        assert_eq!(of(&["--no-such-option"]), []);
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["carrel"], arguments].concat())
    }

    #[test]
    fn the_report_is_text_or_json_and_its_exit_code_says_whether_a_policy_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policies.json");
        // (file, part of the text, exit code)
        for (text, part, code) in [
            ("{}", "No policy is in force", ExitCode::SUCCESS),
            (r#"{"KioskMode": true}"#, "KioskMode = true", ExitCode::SUCCESS),
            (r#"{"ProxyUrl": "http://proxy.example"}"#, "has no effect", ExitCode::SUCCESS),
            (r#"{"KioskMod": true}"#, "did you mean KioskMode?", ExitCode::from(3)),
            ("{", "is not JSON", ExitCode::from(3)),
        ] {
            std::fs::write(&path, text).unwrap();
            let source = Source::File { path: path.clone(), of_machine: false };
            let report = load_from(&[source]).report;
            let (found, found_code) = policy_report(&report, false);
            assert!(found.contains(part) && found.ends_with('\n'), "{text}: {found}");
            // `ExitCode` has no equality.
            assert_eq!(format!("{found_code:?}"), format!("{code:?}"), "{text}");
            let (json, _) = policy_report(&report, true);
            let json: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(json["sources"].as_array().map(Vec::len), Some(1), "{text}");
        }
    }

    #[test]
    fn the_report_is_not_combined_with_files_to_open() {
        assert!(parse(&["--policy-report"]).is_ok_and(|a| a.policy_report && !a.json));
        assert!(parse(&["--policy-report", "--json"]).is_ok_and(|a| a.json));
        assert!(parse(&["--json"]).is_err());
        assert!(parse(&["--policy-report", "course.carrel"]).is_err());
        assert!(parse(&["course.carrel"]).is_ok_and(|a| !a.policy_report && a.open.len() == 1));
    }
}
