//! Replaces the program file (AppImage, or a program in any folder). At each moment the path of the program names a
//! complete program, either the old or the new one.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use carrel_system::{Disk, files};
use semver::Version;

use crate::{
    Error, Feed, Keys, Result,
    download::{self, MIN_FREE_BYTES},
    journal::{Install, Journal, Stage, new_of, previous_of, remove_leftovers},
};

/// Longest time in which the new program has to print its version.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);
/// Wait before the new program is started again while another thread still has its file open for writing.
const BUSY_WAIT: Duration = Duration::from_millis(50);
/// Attempts to start a file that is open for writing.
const MAX_BUSY: u32 = 20;

/// A step of the installation, after which a process may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The installation is in the journal.
    Recorded,
    /// The new program is beside the old one, and not complete.
    Copying,
    /// The new program is beside the old one.
    Copied,
    /// The new program was started once and printed its version.
    Checked,
    /// The old program has a second name.
    PreviousKept,
    /// The new program has the name of the old one.
    Replaced,
    /// The journal counts the starts of the new program.
    Done,
}

impl Step {
    /// All steps in their order.
    pub const ALL: [Self; 7] = [
        Self::Recorded,
        Self::Copying,
        Self::Copied,
        Self::Checked,
        Self::PreviousKept,
        Self::Replaced,
        Self::Done,
    ];
}

/// What is installed, and where.
pub struct Replacement<'a> {
    /// Folder of updates, with the journal.
    pub updates: &'a Path,
    /// Installed program file.
    pub program: &'a Path,
    /// Installed version.
    pub version: &'a Version,
    /// Verified feed of the release.
    pub feed: &'a Feed,
    /// Target of the package.
    pub target: &'a str,
    /// Downloaded package.
    pub package: PathBuf,
    /// Accepted keys.
    pub keys: &'a Keys,
    /// Disk of the program.
    pub disk: &'a dyn Disk,
    /// Called after each step; tests end the process there.
    pub at: &'a dyn Fn(Step),
}

impl Replacement<'_> {
    /// Replaces the program by the package, which is verified again. Blocking. The new version runs at the next start.
    ///
    /// # Errors
    ///
    /// After an error the old program is installed, and nothing else remains.
    pub fn run(&self) -> Result<()> {
        download::verify(self.keys, self.feed, self.target, self.package.clone())?;
        self.check_space()?;
        let mut journal = recorded(self.updates, self.version, self.feed, self.program, || {
            (self.at)(Step::Recorded);
            self.replace().inspect_err(|_| remove_leftovers(self.program))
        })?;
        if let Some(install) = &mut journal.install {
            install.stage = Stage::Trial;
        }
        // Without this the guard finds `Replacing` with the new version running, which counts as a trial too.
        if let Err(error) = journal.write(self.updates) {
            tracing::warn!(error = %error, "the journal of updates could not be completed");
        }
        (self.at)(Step::Done);
        Ok(())
    }

    fn check_space(&self) -> Result<()> {
        let folder = self.program.parent().unwrap_or_else(|| Path::new("."));
        let needed = fs::metadata(&self.package)?.len().saturating_add(MIN_FREE_BYTES);
        let free = self.disk.free_bytes(folder)?;
        if free < needed { Err(Error::NoSpace { needed, free }) } else { Ok(()) }
    }

    fn replace(&self) -> Result<()> {
        let (new, previous) = (new_of(self.program), previous_of(self.program));
        self.copy(&new)?;
        (self.at)(Step::Copied);
        check_version(&new, &self.feed.version)?;
        (self.at)(Step::Checked);
        remove_if_present(&previous)?;
        // A second name for the old program, so that its path is never without a file.
        if fs::hard_link(self.program, &previous).is_err() {
            fs::copy(self.program, &previous)?;
            files::sync(&previous)?;
        }
        files::sync_folder_of(self.program)?;
        (self.at)(Step::PreviousKept);
        fs::rename(&new, self.program)?;
        files::sync_folder_of(self.program)?;
        (self.at)(Step::Replaced);
        Ok(())
    }

    /// Copies the package beside the program, with the permissions of the program, and verifies the copy.
    fn copy(&self, new: &Path) -> Result<()> {
        remove_if_present(new).map_err(|e| self.not_replaceable(&e))?;
        let mut from = File::open(&self.package)?;
        let mut to = File::options()
            .write(true)
            .create_new(true)
            .open(new)
            .map_err(|e| self.not_replaceable(&e))?;
        let half = from.metadata()?.len() / 2;
        io::copy(&mut from.by_ref().take(half), &mut to)?;
        (self.at)(Step::Copying);
        io::copy(&mut from, &mut to)?;
        to.set_permissions(fs::metadata(self.program)?.permissions())?;
        to.sync_all()?;
        drop(to);
        download::verify(self.keys, self.feed, self.target, new.to_owned())?;
        Ok(())
    }

    fn not_replaceable(&self, e: &io::Error) -> Error {
        if files::is_full(e) {
            return Error::Storage(io::Error::from(e.kind()).into());
        }
        Error::NotReplaceable {
            program: self.program.display().to_string(),
            problem: e.to_string(),
        }
    }
}

/// Records an installation in the journal while `install` runs, which may end the process. Blocking.
///
/// # Errors
///
/// After an error of `install` the journal contains no installation.
pub fn recorded(
    updates: &Path,
    version: &Version,
    feed: &Feed,
    program: &Path,
    install: impl FnOnce() -> Result<()>,
) -> Result<Journal> {
    let mut journal = Journal::read(updates);
    if journal.install.as_ref().is_some_and(|install| install.stage == Stage::Trial) {
        return Err(Error::NotNow("the last update has to be started once first"));
    }
    journal.report = None;
    journal.install = Some(Install {
        from: version.clone(),
        to: feed.version.clone(),
        program: program.to_owned(),
        stage: Stage::Replacing,
        attempts: 0,
    });
    journal.write(updates)?;
    if let Err(error) = install() {
        journal.install = None;
        journal.write(updates)?;
        return Err(error);
    }
    Ok(journal)
}

fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Returns an error if this user cannot replace the program. Blocking.
pub fn check_replaceable(program: &Path) -> Result<()> {
    let probe = new_of(program);
    let opened = File::options().write(true).create(true).truncate(true).open(&probe);
    let done = opened.and_then(|_| fs::remove_file(&probe));
    done.map_err(|e| Error::NotReplaceable {
        program: program.display().to_string(),
        problem: e.to_string(),
    })
}

/// Starts the program with `--version` and requires this version in its output: it is built for this processor, its
/// libraries are present, and it is the version that the feed promises.
fn check_version(program: &Path, version: &Version) -> Result<()> {
    let fails = |problem: String| Error::DoesNotRun { version: version.to_string(), problem };
    let mut child = start(program).map_err(|e| fails(e.to_string()))?;
    let (sender, receiver) = mpsc::channel();
    if let Some(mut output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = output.by_ref().take(4_096).read_to_end(&mut text);
            let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
        });
    }
    let Ok(text) = receiver.recv_timeout(CHECK_TIMEOUT) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(fails(format!(
            "it did not print its version in {} s",
            CHECK_TIMEOUT.as_secs()
        )));
    };
    let status = child.wait().map_err(|e| fails(e.to_string()))?;
    if !status.success() {
        return Err(fails(format!("it ended with {status}")));
    }
    if !text.split_whitespace().any(|word| word == version.to_string()) {
        return Err(fails(format!("it says that it is {:?}", text.trim())));
    }
    Ok(())
}

fn start(program: &Path) -> io::Result<Child> {
    let mut attempt = 0;
    loop {
        let mut command = Command::new(program);
        command.arg(OsStr::new("--version"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        match command.spawn() {
            // Another thread forked while this process had the file open for writing.
            Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy && attempt < MAX_BUSY => {
                attempt += 1;
                let (_sender, receiver) = mpsc::channel::<()>();
                let _ = receiver.recv_timeout(BUSY_WAIT);
            }
            done => return done,
        }
    }
}
