//! The updater of a running program, whose program file is a script that prints its version.
#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use carrel_net::{Failure, FailureKind, NetworkCause};
use carrel_testkit::{Answer, FakeClock, FakeDisk, Network, SeededIds, clock::NoWait};
use carrel_update::{
    Channel, Error, Feed, Keys, Mode, PackageKind, Problem, Target, UpdatePolicy, VerifiedFeed,
    guard::{Guard, Start},
    journal::{Journal, Outcome},
    updater::{Installer, Services, Setup, UpdatePhase, UpdateState, Updater},
};

use super::support::{BASE, Files, Publisher, day, version};

/// Returns a program of this version.
fn script(version: &str) -> Vec<u8> {
    format!("#!/bin/sh\necho program {version}\n").into_bytes()
}

struct Machine {
    dir: tempfile::TempDir,
    publisher: Publisher,
    files: Files,
    network: Arc<Network>,
    clock: FakeClock,
    disk: FakeDisk,
    changes: Arc<AtomicUsize>,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let machine = Self {
            publisher: Publisher::new(),
            network: Files::default().network(),
            files: Files::default(),
            clock: FakeClock::noon(),
            disk: FakeDisk::new(1 << 40),
            changes: Arc::default(),
            dir,
        };
        let files = machine.files.clone();
        machine.network.intercept(move |request| files.answer(request));
        fs::write(machine.program(), script("1.1.0")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(machine.program(), mode).unwrap();
        machine
    }
    fn program(&self) -> PathBuf {
        self.dir.path().join("program")
    }
    fn updates(&self) -> PathBuf {
        self.dir.path().join("updates")
    }
    fn feed(&self, release: &str) -> Feed {
        let target = Target::of_this_program(PackageKind::Program).to_string();
        self.publisher.feed_for(release, Channel::Stable, &target, &script(release))
    }
    fn publish(&self, release: &str, change: impl FnOnce(&mut Feed)) {
        let mut feed = self.feed(release);
        change(&mut feed);
        self.files.publish(BASE, &self.publisher, &feed, &script(release));
    }
    fn updater(&self, mode: Mode) -> Arc<Updater> {
        self.with(Some(PackageKind::Program), self.publisher.keys(), mode)
    }
    fn with(&self, package: Option<PackageKind>, keys: Keys, mode: Mode) -> Arc<Updater> {
        let policy = UpdatePolicy { mode, ..UpdatePolicy::default() };
        Updater::new(self.setup(package, keys, policy), self.services())
    }
    fn setup(&self, package: Option<PackageKind>, keys: Keys, policy: UpdatePolicy) -> Setup {
        Setup {
            version: version("1.1.0"),
            package,
            program: self.program(),
            keys,
            urls: vec![BASE.into()],
            policy,
            installer: None,
        }
    }
    fn services(&self) -> Services {
        let changes = self.changes.clone();
        Services {
            dir: self.updates(),
            http: self.network.clone(),
            clock: Arc::new(NoWait(self.clock.clone())),
            disk: Arc::new(self.disk.clone()),
            ids: Arc::new(SeededIds::new(7)),
            changed: Arc::new(move || {
                changes.fetch_add(1, Ordering::Relaxed);
            }),
        }
    }
    fn installed(&self) -> Vec<u8> {
        fs::read(self.program()).unwrap()
    }
}

#[tokio::test]
async fn a_failed_connection_is_reported_with_its_cause() {
    let machine = Machine::new();
    for cause in [Some(NetworkCause::CertificateUntrusted), Some(NetworkCause::Dns), None] {
        machine.network.intercept(move |_| {
            Answer::Fail(Failure { cause, ..Failure::new(FailureKind::Connect, "no connection") })
        });
        let state = machine.updater(Mode::Notify).check().await;
        let found = state.problem.map(|problem| (problem.kind, problem.cause));
        assert_eq!(found, Some((Problem::Offline, cause)));
    }
}

fn problem(state: &UpdateState) -> Option<Problem> {
    state.problem.as_ref().map(|problem| problem.kind)
}

#[tokio::test]
async fn an_automatic_update_is_installed_when_the_program_ends() {
    let machine = Machine::new();
    machine.publish("1.2.0", |_| ());
    let updater = machine.updater(Mode::Automatic);
    assert_eq!(updater.state().phase, UpdatePhase::Idle);
    let state = updater.check().await;
    assert_eq!((state.phase, problem(&state)), (UpdatePhase::InstallsOnQuit, None));
    let release = state.release.unwrap();
    assert_eq!((release.version, &*release.notes), (version("1.2.0"), "- Faster."));
    assert_eq!(state.checked_ms, Some(FakeClock::NOON));
    assert!(machine.changes.load(Ordering::Relaxed) >= 4, "the UI is told");
    assert_eq!(machine.installed(), script("1.1.0"));
    updater.quit().await;
    assert_eq!(machine.installed(), script("1.2.0"));
    let guard = Guard::start(&machine.updates(), &version("1.2.0"), &machine.program());
    assert_eq!(guard.decision(), &Start::Trial(1));
    guard.ready();
    let report = Journal::read(&machine.updates()).report.unwrap();
    assert_eq!((report.outcome, report.version), (Outcome::Updated, version("1.2.0")));
}

#[tokio::test]
async fn with_the_mode_notify_the_user_decides_each_step() {
    let machine = Machine::new();
    machine.publish("1.2.0", |_| ());
    let updater = machine.updater(Mode::Notify);
    assert_eq!(updater.check().await.phase, UpdatePhase::Available);
    assert_eq!(updater.install().await.phase, UpdatePhase::Available, "nothing is downloaded");
    assert_eq!(updater.download().await.phase, UpdatePhase::Downloaded);
    updater.quit().await;
    assert_eq!(machine.installed(), script("1.1.0"), "not asked for");
    assert_eq!(updater.install_on_quit(true).phase, UpdatePhase::InstallsOnQuit);
    assert_eq!(updater.install_on_quit(false).phase, UpdatePhase::Downloaded);
    assert_eq!(updater.install().await.phase, UpdatePhase::Installed);
    assert_eq!(machine.installed(), script("1.2.0"));
}

#[tokio::test]
async fn an_installation_that_may_not_update_itself_sends_no_request() {
    let machine = Machine::new();
    machine.publish("1.2.0", |_| ());
    let keys = machine.publisher.keys();
    for (package, keys, mode, expected) in [
        (Some(PackageKind::Program), keys.clone(), Mode::Off, Problem::Off),
        (Some(PackageKind::Deb), keys.clone(), Mode::Automatic, Problem::Managed),
        (Some(PackageKind::Program), Keys::default(), Mode::Automatic, Problem::NotSetUp),
        (None, keys, Mode::Automatic, Problem::NotSetUp),
    ] {
        let updater = machine.with(package, keys, mode);
        assert_eq!(updater.disabled().map(|e| e.problem()), Some(expected));
        let state = updater.check().await;
        assert_eq!((state.phase, problem(&state)), (UpdatePhase::Idle, Some(expected)));
    }
    assert_eq!(machine.network.request_count(), 0);
    assert_eq!(machine.updater(Mode::Notify).disabled(), None);
}

#[tokio::test]
async fn an_older_feed_is_refused_also_after_a_restart() {
    let machine = Machine::new();
    machine.publish("1.1.0", |feed| feed.published = day(2));
    assert_eq!(machine.updater(Mode::Automatic).check().await.phase, UpdatePhase::UpToDate);
    machine.publish("1.2.0", |feed| feed.published = day(1));
    let state = machine.updater(Mode::Automatic).check().await;
    assert_eq!((state.phase, problem(&state)), (UpdatePhase::Idle, Some(Problem::Replayed)));
    machine.publish("1.2.0", |feed| feed.published = day(3));
    let state = machine.updater(Mode::Automatic).check().await;
    assert_eq!((state.phase, problem(&state)), (UpdatePhase::InstallsOnQuit, None));
}

#[tokio::test]
async fn a_release_for_part_of_the_devices_says_so() {
    let machine = Machine::new();
    machine.publish("1.2.0", |feed| feed.rollout = 0);
    let updater = machine.updater(Mode::Automatic);
    assert_eq!(updater.check().await.phase, UpdatePhase::NotYet);
    machine.publish("1.2.0", |feed| feed.rollout = 100);
    assert_eq!(updater.check().await.phase, UpdatePhase::InstallsOnQuit);
}

#[tokio::test]
async fn a_full_disk_at_the_installation_keeps_the_old_version_and_the_download() {
    let machine = Machine::new();
    machine.publish("1.2.0", |_| ());
    let updater = machine.updater(Mode::Notify);
    updater.check().await;
    updater.download().await;
    machine.disk.set_capacity(1_000);
    let state = updater.install().await;
    assert_eq!((state.phase, problem(&state)), (UpdatePhase::Downloaded, Some(Problem::NoSpace)));
    assert_eq!(machine.installed(), script("1.1.0"));
    machine.disk.set_capacity(1 << 40);
    assert_eq!(updater.install().await.phase, UpdatePhase::Installed);
}

#[tokio::test]
async fn a_downloaded_update_can_be_installed_without_a_network() {
    let machine = Machine::new();
    machine.publish("1.2.0", |_| ());
    let updater = machine.updater(Mode::Notify);
    updater.check().await;
    updater.download().await;
    machine.network.intercept(|_| Answer::refused());
    let state = updater.check().await;
    assert_eq!((state.phase, problem(&state)), (UpdatePhase::Downloaded, Some(Problem::Offline)));
    assert_eq!(updater.install().await.phase, UpdatePhase::Installed);
}

#[tokio::test]
async fn after_a_restart_the_downloaded_package_is_found_again() {
    let machine = Machine::new();
    machine.publish("1.2.0", |_| ());
    let updater = machine.updater(Mode::Notify);
    updater.check().await;
    updater.download().await;
    machine.network.take_requests();
    let updater = machine.updater(Mode::Notify);
    assert_eq!(updater.state().checked_ms, Some(FakeClock::NOON));
    assert_eq!(updater.check().await.phase, UpdatePhase::Downloaded);
    assert_eq!(machine.network.request_count(), 2, "only the feed and its signature");
    let updater = machine.updater(Mode::Automatic);
    assert_eq!(updater.check().await.phase, UpdatePhase::InstallsOnQuit);
}

/// An installer of the system that fails at the first attempt.
#[derive(Default)]
struct FakeInstaller(AtomicUsize);

impl Installer for FakeInstaller {
    fn install(&self, feed: &VerifiedFeed, target: &str, package: &Path) -> Result<(), Error> {
        assert_eq!(fs::read(package).unwrap(), script(&feed.version.to_string()));
        assert!(target.ends_with("-deb"), "{target}");
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Error::Installer("cancelled".into())),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_package_of_the_system_is_installed_by_the_installer_of_the_host() {
    let machine = Machine::new();
    let target = Target::of_this_program(PackageKind::Deb).to_string();
    let feed = machine.publisher.feed_for("1.2.0", Channel::Stable, &target, &script("1.2.0"));
    machine.files.publish(BASE, &machine.publisher, &feed, &script("1.2.0"));
    let updater = |installer: Option<Arc<dyn Installer>>| {
        let policy =
            UpdatePolicy { mode: Mode::Notify, managed_packages: true, ..UpdatePolicy::default() };
        let keys = machine.publisher.keys();
        let setup = machine.setup(Some(PackageKind::Deb), keys, policy);
        Updater::new(Setup { installer, ..setup }, machine.services())
    };
    let without = updater(None);
    without.check().await;
    without.download().await;
    assert_eq!(problem(&without.install().await), Some(Problem::InstallFailed));

    let updater = updater(Some(Arc::new(FakeInstaller::default())));
    updater.check().await;
    let state = updater.install().await;
    assert_eq!(
        (state.phase, problem(&state)),
        (UpdatePhase::Downloaded, Some(Problem::InstallFailed))
    );
    assert_eq!(Journal::read(&machine.updates()).install, None);
    assert_eq!(updater.install().await.phase, UpdatePhase::Installed);
    assert_eq!(machine.installed(), script("1.1.0"), "only the installer changes files");
    // The new version counts its starts, as a single file does, and says that it cannot be rolled back.
    let start = || {
        let guard = Guard::start(&machine.updates(), &version("1.2.0"), &machine.program());
        guard.decision().clone()
    };
    assert_eq!([start(), start(), start()], [Start::Trial(1), Start::Trial(2), Start::Normal]);
    let report = Journal::read(&machine.updates()).report.unwrap();
    assert_eq!(report.outcome, Outcome::NotRolledBack);
}

#[tokio::test]
async fn a_report_is_shown_until_it_was_read() {
    let machine = Machine::new();
    let mut journal = Journal::default();
    journal.install = Some(carrel_update::journal::Install {
        from: version("1.1.0"),
        to: version("1.2.0"),
        program: machine.program(),
        stage: carrel_update::journal::Stage::Trial,
        attempts: 2,
    });
    journal.finish(Outcome::RolledBack);
    journal.write(&machine.updates()).unwrap();
    machine.publish("1.2.0", |_| ());
    let updater = machine.updater(Mode::Automatic);
    assert_eq!(updater.report().map(|r| r.outcome), Some(Outcome::RolledBack));
    let state = updater.check().await;
    assert_eq!(problem(&state), Some(Problem::FailedBefore));
    updater.forget_report().unwrap();
    assert_eq!(updater.report(), None);
    assert_eq!(problem(&updater.check().await), Some(Problem::FailedBefore), "still known");
}
