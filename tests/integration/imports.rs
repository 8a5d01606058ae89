//! A process that imports a file is killed at each step: existing data is kept, the content is complete, and the import
//! can be repeated. Imports of the server are tested in the same way.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use carrel_client::{Client, OpenAccount};
use carrel_content::{
    Kind,
    download::{DownloadTarget, Phase, Reason},
};
use carrel_model::{
    BlobHash, UserId,
    lattice::{Row, fold},
};
use carrel_system::Clock as _;
use carrel_testkit::{
    FakeClock, Rows, SeededRng, TestServer, content,
    device::PASSWORD,
    oracle::compare,
    scratch::{copy_dir, scratch},
};
use tempfile::TempDir;

use crate::{
    client::{self, ALL, finish_section, wait_until},
    exported::{check_offline_content, course_and_story, phase, wav},
};

/// A device with an older version of a course, with work and with a pending download; and files to import.
struct Fixture {
    clock: FakeClock,
    dir: TempDir,
    old: BlobHash,
    new: BlobHash,
    /// Rows of the device before the import.
    before: Rows,
    /// Rows of the device and the work file together.
    after: Rows,
    /// True if the learner paused the download of the story; otherwise it is paused because there is no network.
    paused: bool,
    /// Data folder of the server, fingerprint of its key, and the learner's id.
    server: TempDir,
    key: String,
    user: UserId,
}

impl Fixture {
    async fn new(paused: bool) -> Self {
        // The killed processes use the machine's clock. This clock is four hours behind: no row is in their future.
        let clock = FakeClock::new(carrel_system::SystemClock::new().now_ms() - 4 * 3_600_000);
        let packages = scratch();
        content::write_library(packages.path()).expect("the packages");
        write_recordings(&packages.path().join(content::COURSE), 0);
        let library_dir = scratch();
        let library = carrel_server::DataDir::open(carrel_server::Config::new(library_dir.path()))
            .expect("a library");
        library.import(&[packages.path().to_owned()]).await.expect("an import");
        drop(library);
        let mut server = TestServer::with_settings(
            &clock,
            carrel_server::Settings::default(),
            Some(library_dir.path()),
        )
        .await;
        let dir = scratch();
        let files = dir.path().join("files");
        fs::create_dir(&files).expect("a folder");

        let sender = scratch();
        let client = client::open(sender.path(), client::live_http(), &clock, 1, false).await;
        let account =
            client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
        account.content.library.courses(&ALL).await.expect("the list");
        account.content.library.stories(&ALL).await.expect("the list");
        for (kind, id) in course_and_story() {
            account.content.downloads.start(kind, &id).expect("a download");
            wait_until(&client, "the download", || async {
                (phase(&account, kind) == Phase::Ready).then_some(())
            })
            .await;
        }
        let old = version(&account);
        let first =
            client.export_courses(&course_and_story()[..1], &files).await.expect("a file").path;
        let first_file = files.join("first.carrel");
        fs::rename(first, &first_file).expect("renamed");

        // The second device has not downloaded the server's lists. It imports the first version and records work.
        let other =
            client::open(&dir.path().join("device"), client::live_http(), &clock, 2, false).await;
        let other_account =
            other.sign_in(&server.url(), "asha", PASSWORD).await.expect("a sign-in");
        other.import_courses(&first_file, None).await.expect("the first version");
        for n in 0..4 {
            other_account.learning.record(finish_section(n)).await.expect("recorded");
            account.learning.record(finish_section(n + 3)).await.expect("recorded");
        }
        for account in [&account, &other_account] {
            account
                .learning
                .study_heartbeat(&content::sections()[0], true)
                .await
                .expect("a heartbeat");
        }
        clock.advance(9_000);
        for account in [&account, &other_account] {
            account
                .learning
                .study_heartbeat(&content::sections()[0], false)
                .await
                .expect("a heartbeat");
        }

        // Publishes a new version of the course.
        content::write_course(
            &packages.path().join(content::COURSE),
            content::COURSE,
            "Rivers, again",
        )
        .expect("the package");
        write_recordings(&packages.path().join(content::COURSE), 7);
        server.running().import(&[packages.path().to_owned()]).await.expect("an import");
        clock.advance(3_600_000);
        account.content.library.refresh(Kind::Course).await.expect("the list");
        account.content.downloads.start(Kind::Course, &content::course()).expect("an update");
        wait_until(&client, "the update", || async { (version(&account) != old).then_some(()) })
            .await;
        let new = version(&account);
        let (key, data) = (server.running().data().fingerprint(), scratch());
        let from = server.running().data().config.data_dir.clone();
        server.stop().await;
        copy_dir(&from, data.path()).expect("a copy");
        for n in 7..9 {
            account.learning.record(finish_section(n)).await.expect("recorded");
        }
        let sent = client.export_courses(&course_and_story(), &files).await.expect("a file").path;
        fs::rename(sent, files.join("courses.carrel")).expect("renamed");
        let sent = client.export_work(&files).await.expect("a file").path;
        fs::rename(sent, files.join("work.carrel")).expect("renamed");

        other_account.content.downloads.start(Kind::Story, &content::story()).expect("a request");
        if paused {
            other_account
                .content
                .downloads
                .pause(&DownloadTarget::whole(Kind::Story, &content::story()))
                .expect("a pause");
        }
        wait_until(&other, "the download to be paused", || async {
            (phase(&other_account, Kind::Story) == Phase::Paused).then_some(())
        })
        .await;
        let (before, sent) = (client::rows(&other_account).await, client::rows(&account).await);
        let all = before.values().chain(sent.values().filter(|r| !r.is_server_only())).cloned();
        let after: Rows = fold(all).into_iter().collect();
        assert!(after.len() > before.len());
        let user = client.account_info().expect("the account").user.id;
        other.close().await;
        client.close().await;
        Self { clock, dir, old, new, before, after, paused, server: data, key, user }
    }
    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("files").join(name)
    }
    /// Returns a copy of the device's folder.
    fn device(&self) -> TempDir {
        let copy = scratch();
        copy_dir(&self.dir.path().join("device"), copy.path()).expect("a copy");
        copy
    }
    async fn open(&self, dir: &Path) -> (Arc<Client>, Arc<OpenAccount>) {
        let client = client::open(dir, client::live_http(), &self.clock, 9, false).await;
        let account = client.require_account().expect("the account opens");
        assert!(client.open_failure().is_none());
        (client, account)
    }

    /// Checks what must hold after a kill at any step; then repeats the import.
    async fn check_courses(&self, dir: &Path, step: &str) {
        let (client, account) = self.open(dir).await;
        compare(("before", &self.before), ("now", &client::rows(&account).await)).expect(step);
        let actual = version(&account);
        assert!(actual == self.old || actual == self.new, "{step}: {actual:?}");
        check_complete(&account, Kind::Course, step).await;
        match account.content.downloads.state(Kind::Story, &content::story()).expect("its state") {
            state if state.phase == Phase::Ready => {
                check_complete(&account, Kind::Story, step).await
            }
            state if self.paused => {
                assert_eq!((state.phase, state.reason), (Phase::Paused, Reason::User), "{step}");
            }
            state => assert!(
                matches!(state.phase, Phase::Queued | Phase::Running | Phase::Paused)
                    && state.reason != Reason::User,
                "{step}: the download of the story does not continue: {state:?}"
            ),
        }

        client.import_courses(&self.file("courses.carrel"), None).await.expect(step);
        assert_eq!(version(&account), self.new, "{step}");
        check_offline_content(&account).await;
        // Longer than a reservation is valid.
        self.clock.advance(24 * 3_600_000);
        let storage = account.content.library.storage().clone();
        storage.sweep().expect("a sweep");
        let count = |sql: &'static str| {
            storage
                .db()
                .read_blocking(|c| Ok(c.query_row(sql, [], |r| r.get::<_, i64>(0))?))
                .expect(sql)
        };
        assert_eq!(count("SELECT count(*) FROM reservation"), 0, "{step}");
        assert_eq!(count("SELECT count(*) FROM part"), 0, "{step}");
        assert_eq!(
            count("SELECT count(*) FROM download WHERE reason <> '' OR wanted IS NOT NULL"),
            0,
            "{step}"
        );
        compare(("before", &self.before), ("now", &client::rows(&account).await)).expect(step);
        client.close().await;
        // A daily backup may be unfinished: the clock jumped by a day.
        let left =
            list_files(dir).into_iter().filter(|p| p.extension().is_some_and(|e| e == "part"));
        let left: Vec<_> =
            left.filter(|p| p.parent().is_none_or(|d| !d.ends_with("backups"))).collect();
        assert!(left.is_empty(), "{step}: {left:?}");
    }

    async fn check_work(&self, dir: &Path, step: &str) {
        let (client, account) = self.open(dir).await;
        let rows = client::rows(&account).await;
        let is_before = compare(("before", &self.before), ("now", &rows)).is_ok();
        if !is_before {
            compare(("all", &self.after), ("now", &rows)).expect(step);
        }
        client.import_work(&self.file("work.carrel"), false).await.expect(step);
        compare(("all", &self.after), ("now", &client::rows(&account).await)).expect(step);
        let again = client.import_work(&self.file("work.carrel"), false).await.expect(step);
        assert_eq!(again.changed, 0, "{step}: the second import changes nothing");
        assert_eq!(account.learning.time_spent_total().await.expect("the time"), 9_000, "{step}");
        assert_eq!(
            account.learning.done_sections(content::COURSE).await.expect("done").len(),
            9,
            "{step}"
        );
        client.close().await;
    }
}

/// Writes recordings that are too large for the database.
fn write_recordings(course: &Path, pitch: u32) {
    for (n, lesson) in content::LESSONS.iter().enumerate() {
        let samples = if n == 0 { 200_000 } else { 30_000 };
        fs::write(course.join(lesson).join("stream.wav"), wav(samples, 20 + pitch + n as u32))
            .expect("a recording");
    }
}
fn version(account: &OpenAccount) -> BlobHash {
    let state =
        account.content.downloads.state(Kind::Course, &content::course()).expect("its state");
    state.ready_version.expect("a version that is ready")
}
/// Checks that ready content is listed and every byte is present and correct.
async fn check_complete(account: &OpenAccount, kind: Kind, step: &str) {
    let library = &account.content.library;
    let (_, id) = course_and_story().into_iter().find(|(k, _)| *k == kind).expect("its id");
    let listed: Vec<String> = match kind {
        Kind::Course => {
            let list = library.courses(&ALL).await.expect("the list").value.items;
            list.iter().map(|c| c.meta.id.to_string()).collect()
        }
        Kind::Story => {
            let list = library.stories(&ALL).await.expect("the list").value.items;
            list.iter().map(|c| c.meta.id.to_string()).collect()
        }
    };
    assert_eq!(listed, [id.to_string()], "{step}");
    let manifest = library.ready_manifest(kind, &id).expect("the library").expect("a manifest");
    for blob in &manifest.manifest.blobs {
        assert!(
            library.blobs().verify(blob.hash).expect("a proof"),
            "{step}: {:?} does not verify",
            blob.hash
        );
    }
    let verification =
        account.content.downloads.verify(&DownloadTarget::whole(kind, &id)).await.expect("a proof");
    assert_eq!(verification.missing(), 0, "{step}");
}
fn list_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    entries.flat_map(|p| if p.is_dir() { list_files(&p) } else { vec![p] }).collect()
}

/// Runs a process that aborts at `step`. Returns false if it ended before that step.
fn run_killed_at(arguments: &[&Path], what: &str, step: u64) -> bool {
    let status = Command::new(env!("CARGO_BIN_EXE_crash_target"))
        .arg(what)
        .args(arguments)
        .env(carrel_tests::STEP, step.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the process starts");
    assert!(
        status.success() || status.code().is_none(),
        "{what} ended with {status} before step {step}"
    );
    !status.success()
}

/// Calls `run` once for each step at which a process can be killed. With `CARREL_LONG` also 500 times with two random
/// steps: the repeated import is killed too. `run` returns for each process whether it was killed. Returns the number
/// of steps.
async fn at_each_step(mut run: impl AsyncFnMut(&[u64]) -> Vec<bool>) -> u64 {
    let (mut steps, mut kills) = (0, 0);
    while run(&[steps + 1]).await == [true] {
        steps += 1;
    }
    kills += steps;
    if std::env::var_os("CARREL_LONG").is_some() {
        let rng = SeededRng::new(steps);
        for _ in 0..500 {
            let killed = run(&[1 + rng.below(steps), 1 + rng.below(steps)]).await;
            kills += killed.into_iter().filter(|k| *k).count() as u64;
        }
    }
    print_summary(steps, kills);
    steps
}

#[expect(clippy::print_stdout, reason = "the log of a run contains its statistics")]
fn print_summary(steps: u64, kills: u64) {
    println!("{steps} steps, {kills} kills");
}

async fn check_killed_course_imports(paused: bool) {
    let fixture = Fixture::new(paused).await;
    let file = fixture.file("courses.carrel");
    let steps = at_each_step(async |kills| {
        let dir = fixture.device();
        let killed = kills
            .iter()
            .map(|step| run_killed_at(&[dir.path(), &file], "import", *step))
            .collect::<Vec<_>>();
        fixture.check_courses(dir.path(), &format!("killed at {kills:?}")).await;
        killed
    })
    .await;
    assert!(steps > 20, "only {steps} steps");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_course_import_killed_at_any_step_loses_no_data_and_can_be_repeated() {
    check_killed_course_imports(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_keeps_a_paused_download_paused() {
    check_killed_course_imports(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_work_import_killed_at_any_step_counts_once() {
    let fixture = Fixture::new(false).await;
    let file = fixture.file("work.carrel");
    let steps = at_each_step(async |kills| {
        let dir = fixture.device();
        let killed = kills
            .iter()
            .map(|step| run_killed_at(&[dir.path(), &file], "import", *step))
            .collect::<Vec<_>>();
        fixture.check_work(dir.path(), &format!("killed at {kills:?}")).await;
        killed
    })
    .await;
    assert!(steps >= 3, "only {steps} steps");
}

/// A server with its own first version of the course and the story.
struct ServerFixture {
    base: Fixture,
    data: TempDir,
    /// A second version, as packages.
    packages: TempDir,
    old: BlobHash,
}

async fn published(library: &carrel_server::DataDir) -> BlobHash {
    let id = content::course();
    let course = library.store.published(carrel_server::store::Kind::Course, &id);
    course.await.expect("the catalogue").expect("the course").version
}

impl ServerFixture {
    async fn new() -> Self {
        let base = Fixture::new(false).await;
        let (packages, data) = (scratch(), scratch());
        content::write_library(packages.path()).expect("the packages");
        write_recordings(&packages.path().join(content::COURSE), 3);
        let library = carrel_server::DataDir::open(carrel_server::Config::new(data.path()))
            .expect("a library");
        library.import(&[packages.path().to_owned()]).await.expect("an import");
        let old = published(&library).await;
        drop(library);
        content::write_course(
            &packages.path().join(content::COURSE),
            content::COURSE,
            "Rivers at last",
        )
        .expect("the package");
        write_recordings(&packages.path().join(content::COURSE), 11);
        Self { base, data, packages, old }
    }

    /// Checks what must hold after a kill at any step; then repeats the import.
    async fn check(&self, dir: &Path, step: &str) {
        let server = carrel_server::Server::start(carrel_server::Config::new(dir))
            .await
            .expect("the server starts");
        let library = server.data();
        let actual = published(library).await;
        check_catalogue(library, step).await;
        let paths = [self.base.file("courses.carrel"), self.packages.path().to_owned()];
        let report =
            library.import_from(&paths, std::slice::from_ref(&self.base.key)).await.expect(step);
        assert!(report.is_ok(), "{step}: {report:?}");
        let new = published(library).await;
        assert!(new != self.old, "{step}");
        assert!([self.old, self.base.new, new].contains(&actual), "{step}: {actual:?}");
        check_catalogue(library, step).await;
        let again = library.import(&paths[1..]).await.expect(step);
        assert!(
            again.packages.iter().all(|p| p.outcome.as_ref().is_some_and(|o| !o.changed)),
            "{step}: {again:?}"
        );
        server.shutdown().await;
    }
}

/// Checks that each blob of the catalogue exists and its bytes are correct.
async fn check_catalogue(library: &carrel_server::DataDir, step: &str) {
    for blob in library.store.blobs().await.expect("the blobs") {
        let bytes = library.blobs.read(blob.hash).unwrap_or_else(|e| panic!("{step}: {e}"));
        assert_eq!(BlobHash::of(&bytes), blob.hash, "{step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_import_killed_at_any_step_leaves_a_complete_catalogue() {
    let fixture = ServerFixture::new().await;
    let (file, packages) =
        (fixture.base.file("courses.carrel"), fixture.packages.path().to_owned());
    let steps = at_each_step(async |kills| {
        let dir = scratch();
        copy_dir(fixture.data.path(), dir.path()).expect("a copy");
        let arguments =
            [Path::new("import"), dir.path(), Path::new(&fixture.base.key), &file, &packages];
        let killed: Vec<bool> =
            kills.iter().map(|step| run_killed_at(&arguments, "server", *step)).collect();
        fixture.check(dir.path(), &format!("killed at {kills:?}")).await;
        killed
    })
    .await;
    assert!(steps > 20, "only {steps} steps");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_work_import_killed_at_any_step_counts_once() {
    let fixture = Fixture::new(false).await;
    let file = fixture.file("work.carrel");
    let steps = at_each_step(async |kills| {
        let step = format!("killed at {kills:?}");
        let dir = scratch();
        copy_dir(fixture.server.path(), dir.path()).expect("a copy");
        let arguments = [Path::new("accept"), dir.path(), &file];
        let killed: Vec<bool> =
            kills.iter().map(|step| run_killed_at(&arguments, "server", *step)).collect();
        let library = carrel_server::DataDir::open(carrel_server::Config::new(dir.path()))
            .expect("the server opens");
        let acceptance =
            carrel_server::bundle_import::AcceptOptions { trust_device: true, login: None };
        carrel_server::bundle_import::accept_work(&library, &file, acceptance).await.expect(&step);
        let again = carrel_server::bundle_import::accept_work(&library, &file, acceptance)
            .await
            .expect(&step);
        assert_eq!(
            (again.changed, again.refused),
            (0, 0),
            "{step}: the second import changes nothing"
        );
        let (rows, _) =
            library.store.pull(fixture.user, 0, 10_000, usize::MAX).await.expect("the rows");
        let done = rows
            .iter()
            .filter(|(_, r)| matches!(r, Row::Progress(p) if p.done_ms.is_some()))
            .count();
        assert_eq!(done, 9, "{step}");
        killed
    })
    .await;
    assert!(steps >= 2, "only {steps} steps");
}
