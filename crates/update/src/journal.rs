//! `update.json`: what a start of the program needs to know about the last installation. It is written with every step,
//! so that a crash or a power cut between two steps leaves a program that works.
//!
//! Not here: the reaction (`guard`), the steps (`install`).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use carrel_system::files;
use semver::Version;
use serde::{Deserialize, Serialize};

/// File name of the journal in the folder of updates.
pub const JOURNAL: &str = "update.json";

/// The journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Journal {
    /// An installation that is not known to have worked yet.
    pub install: Option<Install>,
    /// The result of the last installation, until the user has read it.
    pub report: Option<Report>,
    /// Versions that did not start.
    pub failed: Vec<Version>,
}

/// An installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Install {
    /// Replaced version.
    pub from: Version,
    /// Installed version.
    pub to: Version,
    /// The program file that is replaced.
    pub program: PathBuf,
    /// Whether the new program is in its place.
    pub stage: Stage,
    /// Starts of the new version after which its window did not open.
    pub attempts: u32,
}

/// How far an installation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The program may be the old or the new one.
    Replacing,
    /// The new program is in its place and has not proved that it works.
    Trial,
}

/// The result of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What happened.
    pub outcome: Outcome,
    /// The new version.
    pub version: Version,
}

/// The end of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new version works.
    Updated,
    /// The new version did not start, and the old one was restored.
    RolledBack,
    /// The new version did not start, and there was no old one to restore.
    NotRolledBack,
    /// The installation was interrupted; the old version is installed.
    Interrupted,
}

impl Journal {
    /// Reads the journal of a folder. One that cannot be read counts as empty: the program that is running works.
    pub fn read(updates: &Path) -> Self {
        let path = updates.join(JOURNAL);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                tracing::warn!(error = %error, "the journal of updates cannot be read");
                return Self::default();
            }
        };
        serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(error = %error, "the journal of updates is damaged");
            Self::default()
        })
    }
    /// Writes the journal atomically and durably.
    pub fn write(&self, updates: &Path) -> io::Result<()> {
        fs::create_dir_all(updates)?;
        files::write_atomic(&updates.join(JOURNAL), &serde_json::to_vec_pretty(self)?)
    }
    /// Ends the installation with a report.
    pub fn finish(&mut self, outcome: Outcome) {
        let Some(install) = self.install.take() else { return };
        let version = install.to;
        if matches!(outcome, Outcome::RolledBack | Outcome::NotRolledBack)
            && !self.failed.contains(&version)
        {
            self.failed.push(version.clone());
        }
        self.report = Some(Report { outcome, version });
    }
}

/// Returns the path of the previous program, which is kept until the new one has proved that it works.
pub fn previous_of(program: &Path) -> PathBuf {
    with_suffix(program, ".previous")
}
/// Returns the path of the new program before it replaces the old one.
pub fn new_of(program: &Path) -> PathBuf {
    with_suffix(program, ".new")
}
fn with_suffix(program: &Path, suffix: &str) -> PathBuf {
    let mut name = program.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Deletes the previous and the new program beside `program`. Failures are logged.
pub fn remove_leftovers(program: &Path) {
    for path in [previous_of(program), new_of(program)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), error = %error, "a file of an update remains");
            }
            _ => {}
        }
    }
}
