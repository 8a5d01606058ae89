//! The updates of a running program: its state for the UI, checks in the background, download, installation.
//!
//! An operation never returns an error: the problem is part of the state, which the UI shows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use carrel_net::{Http, NetworkCause};
use carrel_system::{Clock, Disk, IdGen, blocking, files};
use jiff::Timestamp;
use parking_lot::Mutex;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{
    Channel, Decision, Error, Keys, Mode, PackageKind, Problem, Refusal, Result, Target,
    UpdatePolicy, VerifiedFeed, decide,
    decision::{Installation, may_update},
    download::{Downloader, Package, packages_dir},
    install::{Replacement, check_replaceable, recorded},
    journal::{Journal, Report, remove_leftovers},
    mirror::Mirrors,
};

/// Time between two checks in the background.
const CHECK_INTERVAL: Duration = Duration::from_secs(6 * 3_600);
/// Time after the start before the first check, so that it does not delay the first screen.
const FIRST_CHECK: Duration = Duration::from_secs(60);
/// File name of the stored state in the folder of updates.
const STORED: &str = "state.json";

/// Installs a package by other means than replacing one file (Windows, macOS).
pub trait Installer: Send + Sync + 'static {
    /// Installs a verified package. Blocking. May end the process.
    fn install(&self, feed: &VerifiedFeed, target: &str, package: &Path) -> Result<()>;
}

/// What the host program says about this installation.
#[derive(Clone)]
pub struct Setup {
    /// Installed version.
    pub version: Version,
    /// Kind of package; none if the program is not installed, such as during development.
    pub package: Option<PackageKind>,
    /// Program file, for kinds that are one file.
    pub program: PathBuf,
    /// Accepted keys.
    pub keys: Keys,
    /// Base addresses of the feed in this build.
    pub urls: Vec<String>,
    /// Rules.
    pub policy: UpdatePolicy,
    /// Installs what is not one file.
    pub installer: Option<Arc<dyn Installer>>,
}

/// What the updater uses.
#[derive(Clone)]
pub struct Services {
    /// Folder of updates.
    pub dir: PathBuf,
    pub http: Arc<dyn Http>,
    pub clock: Arc<dyn Clock>,
    pub disk: Arc<dyn Disk>,
    pub ids: Arc<dyn IdGen>,
    /// Called after each change of the state.
    pub changed: Arc<dyn Fn() + Send + Sync>,
}

/// What the updater is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UpdatePhase {
    /// Nothing was checked yet, or the last operation failed.
    #[default]
    Idle,
    /// The feed is being fetched.
    Checking,
    /// The newest version is installed.
    UpToDate,
    /// A newer version exists; this device gets it later.
    NotYet,
    /// A newer version can be downloaded.
    Available,
    /// It is being downloaded.
    Downloading,
    /// It can be installed.
    Downloaded,
    /// It is installed when the program ends.
    InstallsOnQuit,
    /// It is being installed.
    Installing,
    /// It is installed, and runs after a restart.
    Installed,
}

/// The state for the UI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateState {
    pub phase: UpdatePhase,
    /// Offered release.
    pub release: Option<Release>,
    /// Downloaded bytes.
    pub received: u64,
    /// Why the last operation had no result.
    pub problem: Option<UpdateProblem>,
    /// Time of the last successful check.
    pub checked_ms: Option<i64>,
}

/// A release in the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub version: Version,
    /// What is new, as Markdown.
    pub notes: String,
    /// Size of the package in bytes.
    pub size: u64,
}

/// A problem in the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateProblem {
    pub kind: Problem,
    /// Why the connection failed, if it is known.
    pub cause: Option<NetworkCause>,
    /// What failed, in English, for support.
    pub message: String,
}

/// The stored state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stored {
    /// Random, for staged releases only; never sent.
    device_id: String,
    /// Time of the newest feed of each channel.
    newest: BTreeMap<Channel, Timestamp>,
    checked_ms: Option<i64>,
}

/// The updates of a running program.
pub struct Updater {
    setup: Setup,
    services: Services,
    state: Mutex<UpdateState>,
    stored: Mutex<Stored>,
    /// The release of the state, with its package after the download.
    found: Mutex<Option<(VerifiedFeed, Option<Package>)>>,
    /// Held by the running operation.
    running: tokio::sync::Mutex<()>,
}

impl Updater {
    /// Creates the updater. Blocking.
    pub fn new(setup: Setup, services: Services) -> Arc<Self> {
        let mut stored: Stored = fs::read(services.dir.join(STORED))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        if stored.device_id.is_empty() {
            stored.device_id = services.ids.uuid_v7(services.clock.now_ms()).to_string();
        }
        if Journal::read(&services.dir).install.is_none() {
            remove_leftovers(&setup.program);
        }
        let state = UpdateState { checked_ms: stored.checked_ms, ..UpdateState::default() };
        Arc::new(Self {
            setup,
            services,
            state: Mutex::new(state),
            stored: Mutex::new(stored),
            found: Mutex::default(),
            running: tokio::sync::Mutex::default(),
        })
    }

    /// Returns the state.
    pub fn state(&self) -> UpdateState {
        self.state.lock().clone()
    }
    /// Returns the rules.
    pub fn policy(&self) -> &UpdatePolicy {
        &self.setup.policy
    }
    /// Returns the installed version.
    pub fn version(&self) -> &Version {
        &self.setup.version
    }
    /// Returns the result of the last installation, until `forget_report`. Blocking.
    pub fn report(&self) -> Option<Report> {
        Journal::read(&self.services.dir).report
    }
    /// Forgets the result of the last installation. Blocking.
    pub fn forget_report(&self) -> Result<()> {
        let mut journal = Journal::read(&self.services.dir);
        if journal.report.take().is_some() {
            journal.write(&self.services.dir)?;
            (self.services.changed)();
        }
        Ok(())
    }

    /// Returns why this installation never updates itself.
    pub fn disabled(&self) -> Option<Error> {
        let installation = match self.installation() {
            Ok(installation) => installation,
            Err(error) => return Some(error),
        };
        let checked = may_update(&installation, &self.setup.policy).map_err(Error::from);
        checked.and_then(|()| self.mirrors().map(drop)).err()
    }

    fn installation(&self) -> Result<Installation> {
        let package = self.setup.package.ok_or_else(|| {
            Error::NotSetUp("the program was not installed from a package".into())
        })?;
        if self.setup.keys.is_empty() {
            return Err(Error::NotSetUp("it has no public key".into()));
        }
        Ok(Installation {
            version: self.setup.version.clone(),
            target: Target::of_this_program(package),
            device_id: self.stored.lock().device_id.clone(),
            failed_versions: Journal::read(&self.services.dir).failed,
        })
    }
    fn mirrors(&self) -> Result<Mirrors> {
        let own = &self.setup.policy.urls;
        Mirrors::parse(if own.is_empty() { &self.setup.urls } else { own })
    }
    fn downloader(&self) -> Downloader {
        Downloader {
            http: self.services.http.clone(),
            clock: self.services.clock.clone(),
            disk: self.services.disk.clone(),
            dir: packages_dir(&self.services.dir),
            keys: self.setup.keys.clone(),
        }
    }

    /// Checks at intervals while the updater exists, and downloads in the mode `Automatic`.
    pub async fn run(updater: Weak<Self>) {
        let Some(clock) = updater.upgrade().map(|u| u.services.clock.clone()) else { return };
        clock.sleep(FIRST_CHECK).await;
        loop {
            let Some(this) = updater.upgrade() else { return };
            if this.disabled().is_none() {
                this.check().await;
            }
            drop(this);
            clock.sleep(CHECK_INTERVAL).await;
        }
    }

    /// Fetches the feed and decides; in the mode `Automatic` also downloads the release, which is then installed when
    /// the program ends.
    pub async fn check(&self) -> UpdateState {
        self.operate(async || {
            self.look().await?;
            if self.setup.policy.mode == Mode::Automatic {
                self.fetch().await?;
                self.install_on_quit(true);
            }
            Ok(())
        })
        .await
    }
    /// Downloads the release that was found.
    pub async fn download(&self) -> UpdateState {
        self.operate(async || self.fetch().await).await
    }
    /// Installs the downloaded release when the program ends, or not.
    pub fn install_on_quit(&self, is_wanted: bool) -> UpdateState {
        self.set(|state| match (state.phase, is_wanted) {
            (UpdatePhase::Downloaded, true) => state.phase = UpdatePhase::InstallsOnQuit,
            (UpdatePhase::InstallsOnQuit, false) => state.phase = UpdatePhase::Downloaded,
            _ => {}
        });
        self.state()
    }
    /// Installs the downloaded release. The phase is `Installed` if it succeeded.
    pub async fn install(&self) -> UpdateState {
        self.operate(async || {
            let before = self.state().phase;
            self.set(|state| state.phase = UpdatePhase::Installing);
            let installed = self.replace().await;
            let phase = if installed.is_ok() { UpdatePhase::Installed } else { before };
            self.set(|state| state.phase = phase);
            installed
        })
        .await
    }
    /// Installs the release if it was to be installed at the end of the program.
    pub async fn quit(&self) {
        if self.state().phase == UpdatePhase::InstallsOnQuit {
            self.install().await;
        }
    }

    /// Runs one operation; a second one does not start before the first one has ended.
    async fn operate(&self, operation: impl AsyncFnOnce() -> Result<()>) -> UpdateState {
        let Ok(_running) = self.running.try_lock() else { return self.state() };
        self.set(|state| state.problem = None);
        if let Err(error) = operation().await {
            tracing::warn!(error = %error, hint = error.hint(), "no update");
            self.set(|state| {
                state.problem = Some(UpdateProblem {
                    kind: error.problem(),
                    cause: error.network_cause(),
                    message: error.to_string(),
                });
                if matches!(state.phase, UpdatePhase::Checking) {
                    state.phase = UpdatePhase::Idle;
                }
                if state.phase == UpdatePhase::Downloading {
                    state.phase = UpdatePhase::Available;
                }
            });
        }
        self.state()
    }

    async fn look(&self) -> Result<()> {
        let installation = self.installation()?;
        let policy = &self.setup.policy;
        may_update(&installation, policy)?;
        let mirrors = self.mirrors()?;
        let phase = self.state().phase;
        self.set(|state| state.phase = UpdatePhase::Checking);
        let newest = self.stored.lock().newest.get(&policy.channel).copied();
        let now_ms = self.services.clock.now_ms();
        let refused = |feed: &VerifiedFeed| -> Result<(), Refusal> {
            match decide(&installation, policy, feed, newest, now_ms) {
                Decision::Refused(refusal) => Err(refusal),
                _ => Ok(()),
            }
        };
        let accept = |feed: &VerifiedFeed| refused(feed).map_err(Error::from);
        let (http, keys) = (&self.services.http, &self.setup.keys);
        let feed = match mirrors.feed(http, keys, policy.channel, &accept).await {
            Ok(feed) => feed,
            Err(error) => {
                // A release that was downloaded before can still be installed.
                let kept = matches!(phase, UpdatePhase::Downloaded | UpdatePhase::InstallsOnQuit);
                self.set(|state| state.phase = if kept { phase } else { UpdatePhase::Idle });
                return Err(error);
            }
        };
        {
            let mut stored = self.stored.lock();
            stored.newest.insert(policy.channel, feed.published);
            stored.checked_ms = Some(now_ms);
        }
        self.store().await?;
        let target = installation.target.to_string();
        let (next, file) = match decide(&installation, policy, &feed, newest, now_ms) {
            Decision::UpToDate => (UpdatePhase::UpToDate, None),
            Decision::NotYet => (UpdatePhase::NotYet, None),
            Decision::Offer(file) | Decision::Download(file) => {
                (UpdatePhase::Available, Some(file))
            }
            Decision::Refused(refusal) => return Err(refusal.into()),
        };
        let downloader = self.downloader();
        downloader.clean(file);
        let package = match file {
            Some(_) => downloader.downloaded(&feed, &target).await?,
            None => None,
        };
        let next = match (&package, phase) {
            (None, _) => next,
            (Some(_), UpdatePhase::InstallsOnQuit) => UpdatePhase::InstallsOnQuit,
            (Some(_), _) => UpdatePhase::Downloaded,
        };
        let release = file.map(|file| Release {
            version: feed.version.clone(),
            notes: feed.notes.clone(),
            size: file.size,
        });
        *self.found.lock() = file.is_some().then(|| (feed.clone(), package));
        self.set(|state| {
            let checked_ms = Some(now_ms);
            *state = UpdateState { phase: next, release, checked_ms, ..UpdateState::default() };
        });
        Ok(())
    }

    async fn fetch(&self) -> Result<()> {
        let found = self.found.lock().clone();
        let Some((feed, None)) = found else { return Ok(()) };
        let installation = self.installation()?;
        if installation.target.package.is_single_file() {
            let program = self.setup.program.clone();
            blocking(move || check_replaceable(&program)).await?;
        }
        let target = installation.target.to_string();
        let urls = feed.files.get(&target).map(|file| file.urls.clone()).unwrap_or_default();
        let addresses = self.mirrors()?.addresses(&urls);
        self.set(|state| state.phase = UpdatePhase::Downloading);
        let progress = |received| self.set(|state| state.received = received);
        let package = self.downloader().download(&feed, &target, &addresses, &progress).await?;
        *self.found.lock() = Some((feed, Some(package)));
        self.set(|state| state.phase = UpdatePhase::Downloaded);
        Ok(())
    }

    async fn replace(&self) -> Result<()> {
        let found = self.found.lock().clone();
        let Some((feed, Some(package))) = found else {
            return Err(Error::NotNow("no update was downloaded"));
        };
        let target = self.installation()?.target;
        let (setup, services) = (self.setup.clone(), self.services.clone());
        blocking(move || {
            let (dir, disk) = (&services.dir, services.disk.as_ref());
            install_package(&setup, dir, disk, &feed, target, package.path)
        })
        .await
    }

    async fn store(&self) -> Result<()> {
        let (dir, stored) = (self.services.dir.clone(), self.stored.lock().clone());
        blocking(move || {
            fs::create_dir_all(&dir)?;
            let json = serde_json::to_vec_pretty(&stored).map_err(std::io::Error::from)?;
            Ok::<_, Error>(files::write_atomic(&dir.join(STORED), &json)?)
        })
        .await
    }

    fn set(&self, change: impl FnOnce(&mut UpdateState)) {
        let mut state = self.state.lock();
        let before = state.clone();
        change(&mut state);
        let is_changed = *state != before;
        drop(state);
        if is_changed {
            (self.services.changed)();
        }
    }
}

/// Installs a verified package: replaces the program, or runs the installer of the host. Blocking.
pub fn install_package(
    setup: &Setup,
    updates: &Path,
    disk: &dyn Disk,
    feed: &VerifiedFeed,
    target: Target,
    package: PathBuf,
) -> Result<()> {
    let target_name = target.to_string();
    if !target.package.is_single_file() {
        let installer = setup.installer.as_ref().ok_or_else(|| {
            Error::Installer(format!("{} packages cannot be installed by the app", target.package))
        })?;
        crate::download::verify(&setup.keys, feed, &target_name, package.clone())?;
        let install = || installer.install(feed, &target_name, &package);
        return recorded(updates, &setup.version, feed, &setup.program, install).map(drop);
    }
    let replacement = Replacement {
        updates,
        program: &setup.program,
        version: &setup.version,
        feed,
        target: &target_name,
        package,
        keys: &setup.keys,
        disk,
        at: &|_| (),
    };
    replacement.run()
}
