//! The result of the checks, as data and as text.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Result of one check, in the order of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Ok,
    /// Not possible here, or not reached because of an earlier problem.
    Skipped,
    /// Carrel works, but something should be changed.
    Warning,
    /// Something does not work.
    Problem,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// For example `server.certificate`.
    pub id: String,
    pub outcome: Outcome,
    /// Short name of the cause, for example `certificate_expired`; `ok` without one.
    pub cause: String,
    /// What was found, in words.
    pub found: String,
    /// What to do about it; empty if there is nothing to do.
    pub action: String,
}

impl Check {
    pub(super) fn new(
        id: &str,
        outcome: Outcome,
        cause: &str,
        found: String,
        action: &str,
    ) -> Self {
        let (id, cause, action) = (id.to_owned(), cause.to_owned(), action.to_owned());
        Self { id, outcome, cause, found, action }
    }
    pub(super) fn ok(id: &str, found: impl Into<String>) -> Self {
        Self::new(id, Outcome::Ok, "ok", found.into(), "")
    }
    pub(super) fn skipped(id: &str, why: &str) -> Self {
        Self::new(id, Outcome::Skipped, "skipped", why.to_owned(), "")
    }
    pub(super) fn warning(id: &str, cause: &str, found: impl Into<String>, action: &str) -> Self {
        Self::new(id, Outcome::Warning, cause, found.into(), action)
    }
    pub(super) fn problem(id: &str, cause: &str, found: impl Into<String>, action: &str) -> Self {
        Self::new(id, Outcome::Problem, cause, found.into(), action)
    }
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DoctorReport {
    /// Release of the app.
    pub version: String,
    /// Operating system and architecture.
    pub system: String,
    /// Time of the checks (UTC, ms).
    pub checked_ms: i64,
    pub checks: Vec<Check>,
}

impl DoctorReport {
    /// Returns the most severe result.
    pub fn worst(&self) -> Outcome {
        self.checks.iter().map(|c| c.outcome).max().unwrap_or(Outcome::Ok)
    }

    /// Returns the exit code of `carrel doctor`: 0 without a finding, 1 with warnings only, 3 with problems. 2 is a
    /// wrong command line.
    pub fn exit_code(&self) -> u8 {
        match self.worst() {
            Outcome::Ok | Outcome::Skipped => 0,
            Outcome::Warning => 1,
            Outcome::Problem => 3,
        }
    }

    /// Returns the report as text, one or two lines per check.
    pub fn to_text(&self) -> String {
        let mut text = format!("Carrel {} on {}\n", self.version, self.system);
        for check in &self.checks {
            let mark = match check.outcome {
                Outcome::Ok => "ok",
                Outcome::Skipped => "-",
                Outcome::Warning => "WARNING",
                Outcome::Problem => "PROBLEM",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{mark:8} {:22} {}", check.id, check.found);
            if !check.action.is_empty() {
                let _ = writeln!(text, "{:8} {:22} -> {}", "", "", check.action);
            }
        }
        let count = |outcome| self.checks.iter().filter(|c| c.outcome == outcome).count();
        let (problems, warnings) = (count(Outcome::Problem), count(Outcome::Warning));
        let _ = writeln!(text, "{problems} problems, {warnings} warnings");
        text
    }
}
