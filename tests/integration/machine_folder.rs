//! One content folder for all users of a machine: one may write to it, another one only reads it, at the same time and
//! in processes of their own. Each has their own work.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use carrel_client::{Client, Config, Space, account::FileSecrets, carrel_policy::Source};
use carrel_commands::dispatch;
use carrel_content::{
    Kind,
    download::{DownloadTarget, Phase},
};
use carrel_model::Slug;
use carrel_net::LiveHttp;
use carrel_testkit::{FakeClock, SeededIds, TestServer, content, device::PASSWORD};
use serde_json::json;

use crate::client::{self, CommandHost, finish_section, wait_until};

const FOLDER: &str = "CARREL_TEST_MACHINE";
const SERVER: &str = "CARREL_TEST_SERVER";
/// The user `nobody`.
const NOBODY: u32 = 65_534;

/// A user of the machine: their client uses the content folder of the machine.
async fn user(home: &Path, machine: &Path, seed: u64, policies: Vec<Source>) -> Arc<Client> {
    carrel_client::system::allow_blocking();
    let ids = Arc::new(SeededIds::new(seed));
    let space = Space { content_dir: Some(machine.to_owned()), ..Space::default() };
    let config = Config {
        data_dir: home.join("data"),
        cache_dir: home.join("cache"),
        space,
        demo_dir: None,
        http: Arc::new(LiveHttp::new("Carrel/test").expect("the HTTP client")),
        clock: Arc::new(FakeClock::noon()),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(home, ids))),
        device_name: format!("device {seed}"),
        network: Default::default(),
        app_version: "0.1.0".into(),
        policies,
        event_stream: false,
    };
    Client::open(config).await.expect("the client opens")
}

async fn download(client: &Client, kind: Kind, id: &Slug) {
    let account = client.account().expect("an account");
    let (id, target) = (id.clone(), DownloadTarget::whole(kind, id));
    let downloads = account.content.downloads.clone();
    downloads.request(&target, true).expect("the download is requested");
    wait_until(client, "the download", || async {
        let state = downloads.state(kind, &id).expect("the state");
        (state.phase == Phase::Ready).then_some(())
    })
    .await;
}

/// Returns all files of a folder with length and modification time, except those that SQLite shares between processes.
fn listing(folder: &Path) -> Vec<(PathBuf, u64, i64)> {
    let mut all = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).expect("a folder").map(|e| e.expect("an entry").path()) {
            let meta = entry.metadata().expect("metadata");
            if meta.is_dir() {
                pending.push(entry);
            } else if !entry.to_string_lossy().ends_with("-shm") {
                all.push((entry, meta.len(), meta.mtime_nsec()));
            }
        }
    }
    all.sort();
    all
}

fn contains(folder: &Path, text: &str) -> bool {
    listing(folder).iter().any(|(path, ..)| {
        let bytes = fs::read(path).expect("a file");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// Starts a test of this file in a process of another user, with a narrow umask. None if this process may not do that.
fn start(test: &str, dir: &Path, server: &str, uid: u32) -> Option<Child> {
    let program = dir.join(format!("program-{uid}"));
    fs::copy(std::env::current_exe().expect("this program"), &program).expect("a copy");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(&program)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(FOLDER, dir)
        .env(SERVER, server)
        .env("HOME", dir)
        .current_dir("/")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if uid != 0 {
        command.uid(uid).gid(uid);
    }
    command.spawn().ok()
}

fn finish(child: Child, what: &str) {
    let output = child.wait_with_output().expect("the process ends");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success() && text.contains("1 passed"), "{what}: {text}");
}

/// Returns the folder of the machine and the homes of two users, if this test may start processes of other users.
fn machine() -> Option<tempfile::TempDir> {
    let dir = tempfile::tempdir().expect("a folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("readable");
    for name in ["machine", "writer", "reader"] {
        fs::create_dir(dir.path().join(name)).expect("a folder");
    }
    fs::set_permissions(dir.path().join("machine"), fs::Permissions::from_mode(0o755))
        .expect("readable");
    fs::set_permissions(dir.path().join("writer"), fs::Permissions::from_mode(0o700))
        .expect("private");
    if chown(dir.path().join("reader"), Some(NOBODY), Some(NOBODY)).is_err() {
        #[expect(clippy::print_stderr, reason = "skipped tests are reported")]
        {
            eprintln!("skipped: processes of another user need root");
        }
        return None;
    }
    Some(dir)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_of_a_machine_share_content_and_not_their_work() {
    let Some(dir) = machine() else { return };
    let (machine, at) = (dir.path().join("machine"), |name: &str| dir.path().join(name));
    let server = TestServer::with_library(&FakeClock::noon()).await;
    // Both processes run at the same time; files in `dir` tell each how far the other one is.
    fs::create_dir(at("steps")).expect("a folder");
    fs::set_permissions(at("steps"), fs::Permissions::from_mode(0o777)).expect("writable");
    let writer = start("machine_folder::writer", dir.path(), &server.url(), 0).expect("a process");
    let reader =
        start("machine_folder::reader", dir.path(), &server.url(), NOBODY).expect("a process");
    let (of_writer, of_reader) = tokio::join!(
        tokio::task::spawn_blocking(|| finish(writer, "the user who may write")),
        tokio::task::spawn_blocking(|| finish(reader, "the user who only reads")),
    );
    of_reader.expect("the reader");
    of_writer.expect("the writer");
    for login in ["\"asha\"", "\"ben\""] {
        assert!(!contains(&machine, login), "{login} is not in the shared folder");
    }
    assert!(contains(&at("writer"), "\"asha\"") && !contains(&at("writer"), "\"ben\""));
    assert!(contains(&at("reader"), "\"ben\"") && !contains(&at("reader"), "\"asha\""));

    // The user who may write is gone, and the folder has no log: it can still be read.
    let reader = start("machine_folder::reader_alone", dir.path(), &server.url(), NOBODY)
        .expect("a process");
    let before = listing(&machine);
    tokio::task::spawn_blocking(|| finish(reader, "the user who only reads, alone"))
        .await
        .expect("ended");
    assert_eq!(listing(&machine), before, "the reader changes nothing");
}

fn places() -> Option<(PathBuf, PathBuf, String)> {
    let dir = PathBuf::from(std::env::var_os(FOLDER)?);
    Some((dir.join("machine"), dir, std::env::var(SERVER).ok()?))
}
fn done(dir: &Path, step: &str) {
    fs::write(dir.join("steps").join(step), "").expect("a step");
}
async fn until(dir: &Path, step: &str) {
    let path = dir.join("steps").join(step);
    client::within_a_minute(step, async {
        while !path.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test above, as root"]
async fn writer() {
    let Some((machine, dir, server)) = places() else { return };
    let client = user(&dir.join("writer"), &machine, 1, Vec::new()).await;
    client.register(&server, "asha", "Asha", PASSWORD).await.expect("an account");
    download(&client, Kind::Course, &content::course()).await;
    assert_eq!(client.storage().await.expect("the content").dir(), machine);
    let host = CommandHost { client: client.clone() };
    let view = dispatch(&host, "get_storage", json!({})).await.expect("the storage");
    assert_eq!((&view["folder"], &view["shared"]), (&json!(machine), &json!(null)));
    drop(host);
    let account = client.account().expect("an account");
    account.learning.record(finish_section(0)).await.expect("recorded");
    done(&dir, "course");
    // Downloads while the other user reads and downloads the same story.
    until(&dir, "reading").await;
    download(&client, Kind::Story, &content::story()).await;
    until(&dir, "read").await;
    drop(account);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test above, as another user"]
async fn reader() {
    let Some((machine, dir, server)) = places() else { return };
    until(&dir, "course").await;
    let home = dir.join("reader");
    let client = user(&home, &machine, 2, Vec::new()).await;
    assert!(client.accounts().all().is_empty(), "the accounts of the other user are not listed");
    client.register(&server, "ben", "Ben", PASSWORD).await.expect("an account");
    let storage = client.storage().await.expect("the content");
    assert_eq!(
        (storage.dir(), client.content_folder_problem()),
        (home.join("cache").as_path(), None)
    );
    let account = client.account().expect("an account");
    assert!(account.learning.done_sections(content::COURSE).await.expect("progress").is_empty());
    done(&dir, "reading");
    download(&client, Kind::Course, &content::course()).await;
    // The catalogue and the manifest come from the server, the files from the machine.
    let figures = storage.figures(account.id()).expect("the figures");
    assert_eq!(figures.measured.used, 0, "nothing was downloaded twice");
    // The storage screen shows where the content is, and that it needs no space of this user.
    let host = CommandHost { client: client.clone() };
    let view = dispatch(&host, "get_storage", json!({})).await.expect("the storage");
    assert_eq!(view["shared"]["folder"], machine.display().to_string());
    let (stored, course) = (&view["shared"]["bytes"], &view["courses"][0]["bytes"]);
    assert!(stored.as_u64() >= course.as_u64() && course.as_u64() > Some(0), "{view}");
    drop(host);
    account.learning.record(finish_section(4)).await.expect("recorded");
    download(&client, Kind::Story, &content::story()).await;
    assert!(fs::write(machine.join("x"), "").is_err(), "this user may not write");
    done(&dir, "read");
    drop((account, storage));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test above, as another user"]
async fn reader_alone() {
    let Some((machine, dir, _)) = places() else { return };
    let client = user(&dir.join("reader"), &machine, 2, Vec::new()).await;
    let account = client.account().expect("the account of the last run");
    assert_eq!(account.learning.done_sections(content::COURSE).await.expect("progress").len(), 1);
    let library = &account.content.library;
    let open = library.known_manifest(Kind::Course, &content::course()).await;
    let open = open.expect("readable").expect("the course is on this machine");
    for blob in &open.manifest.blobs {
        let stored = library.blobs().verify(blob.hash).expect("readable");
        assert!(stored, "{:?}", blob.hash);
    }
    drop(account);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_folder_that_cannot_be_used_is_reported_and_the_learner_can_work() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("file"), "x").expect("a file");
    for (seed, folder, expected) in [
        (1, dir.path().join("file"), "is not a folder"),
        (2, dir.path().join("file/below"), "is not a folder"),
        (
            3,
            PathBuf::from("/proc/carrel/content"),
            "does not exist, and this user may not create it",
        ),
    ] {
        let home = dir.path().join(format!("home{seed}"));
        fs::create_dir(&home).expect("a folder");
        let policies = home.join("policies.json");
        fs::write(&policies, json!({ "ContentFolder": folder }).to_string())
            .expect("a policy file");
        let source = Source::File { path: policies, of_machine: false };
        let client = user(&home, Path::new("/nonexistent"), seed, vec![source]).await;
        client
            .register(&server.url(), &format!("user{seed}"), "A", PASSWORD)
            .await
            .expect("an account");
        let host = CommandHost { client: client.clone() };
        let list = dispatch(&host, "get_policies", json!({})).await.expect("the policies");
        let problem = list["problems"][0].as_str().expect("a problem").to_owned();
        let shown = folder.display().to_string();
        for part in [expected, &shown, "stored in their own folder", "hint: "] {
            assert!(problem.contains(part), "{part}: {problem}");
        }
        download(&client, Kind::Course, &content::course()).await;
        let account = client.account().expect("an account");
        account.learning.record(finish_section(0)).await.expect("recorded");
        let storage = client.storage().await.expect("the content");
        assert_eq!(storage.dir(), home.join("cache"));
        drop((account, storage));
        client.close().await;
    }
}
