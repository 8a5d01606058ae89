//! Runs before everything else at each start of the program: counts the starts of a new version until its window has
//! opened, and restores the previous program if it did not open twice.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use carrel_system::files;
use semver::Version;

use crate::journal::{Install, Journal, Outcome, Stage, previous_of, remove_leftovers};

/// Starts of a new version without a window, after which it is rolled back.
pub const MAX_ATTEMPTS: u32 = 2;
/// Held by the process that counts its start, so that a second instance does not count.
const LOCK: &str = "start.lock";

/// What the program has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Start as usual.
    Normal,
    /// Start as usual; this is the given attempt of a new version.
    Trial(u32),
    /// Start this program instead, which is the previous version, and end.
    Previous(PathBuf),
}

/// The start of this process.
#[derive(Debug)]
pub struct Guard {
    updates: PathBuf,
    version: Version,
    start: Start,
    /// Locked until the process ends.
    _lock: Option<File>,
}

impl Guard {
    /// Checks the journal in the folder of updates for the program of this path and version. Never fails: if a file
    /// cannot be read or written, the program starts as usual.
    pub fn start(updates: &Path, version: &Version, program: &Path) -> Self {
        let mut guard = Self {
            updates: updates.to_owned(),
            version: version.clone(),
            start: Start::Normal,
            _lock: None,
        };
        let mut journal = Journal::read(updates);
        // Another copy of the program says nothing about the installation.
        let Some(install) = journal.install.clone().filter(|i| i.program == program) else {
            return guard;
        };
        guard._lock = lock(updates);
        if guard._lock.is_none() {
            return guard;
        }
        match guard.check(&mut journal, install) {
            Ok(start) => guard.start = start,
            Err(error) => {
                tracing::error!(error = %error, "the start after an update could not be recorded");
            }
        }
        guard
    }

    fn check(&self, journal: &mut Journal, mut install: Install) -> io::Result<Start> {
        if self.version == install.to {
            if install.attempts >= MAX_ATTEMPTS {
                return self.roll_back(journal, &install.program);
            }
            install.attempts += 1;
            install.stage = Stage::Trial;
            let attempt = install.attempts;
            journal.install = Some(install);
            journal.write(&self.updates)?;
            return Ok(Start::Trial(attempt));
        }
        // The old version runs: the installation was interrupted before the program was replaced, or after it was
        // restored. A version that is neither was installed by hand.
        let program = install.program;
        if self.version == install.from {
            let outcome = match install.stage {
                Stage::Replacing => Outcome::Interrupted,
                Stage::Trial => Outcome::RolledBack,
            };
            journal.finish(outcome);
        } else {
            journal.install = None;
        }
        journal.write(&self.updates)?;
        remove_leftovers(&program);
        Ok(Start::Normal)
    }

    fn roll_back(&self, journal: &mut Journal, program: &Path) -> io::Result<Start> {
        let previous = previous_of(program);
        if !previous.is_file() {
            journal.finish(Outcome::NotRolledBack);
            journal.write(&self.updates)?;
            return Ok(Start::Normal);
        }
        fs::rename(&previous, program)?;
        files::sync_folder_of(program)?;
        journal.finish(Outcome::RolledBack);
        // If this fails, the old version records it at its start.
        if let Err(error) = journal.write(&self.updates) {
            tracing::warn!(error = %error, "the roll-back could not be recorded");
        }
        Ok(Start::Previous(program.to_owned()))
    }

    /// Returns what the program has to do.
    pub fn decision(&self) -> &Start {
        &self.start
    }

    /// Records that the program works: its window has opened and shows the UI. Blocking.
    pub fn ready(&self) {
        if !matches!(self.start, Start::Trial(_)) {
            return;
        }
        let mut journal = Journal::read(&self.updates);
        let Some(install) = journal.install.clone().filter(|i| i.to == self.version) else {
            return;
        };
        journal.finish(Outcome::Updated);
        match journal.write(&self.updates) {
            Ok(()) => remove_leftovers(&install.program),
            Err(error) => {
                tracing::error!(error = %error, "the successful start could not be recorded");
            }
        }
    }
}

/// Returns the locked file, or nothing if another process holds the lock.
fn lock(updates: &Path) -> Option<File> {
    let path = updates.join(LOCK);
    let file = File::options().write(true).create(true).truncate(false).open(path).ok()?;
    file.try_lock().ok().map(|()| file)
}
