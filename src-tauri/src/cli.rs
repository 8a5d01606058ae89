//! The command line: files and links to open, and commands that print a report instead of opening the window.
//!
//! Not here: the reports themselves.

use std::{ffi::OsString, process::ExitCode};

use carrel_policy::{Effect, PolicyReport};
use clap::Parser;

use crate::shell::console;

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
enum Command {}

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

    /// Runs the command; `None` if the window is to be opened.
    pub fn run_command(&self, policies: &PolicyReport) -> Option<ExitCode> {
        if self.policy_report {
            let (text, code) = policy_report(policies, self.json);
            console::print(&text);
            return Some(code);
        }
        match *self.command.as_ref()? {}
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
    use carrel_policy::{Source, load_from};

    use super::*;

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
