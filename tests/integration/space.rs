//! Disk space and location of content in the complete client: imports while another process reserves the same space,
//! and moves of content from the Storage screen.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use carrel_client::{Client, Config, ImportError, Space, account::FileSecrets, bundle::BundleInfo};
use carrel_commands::{Host, api::error::CommandError, dispatch};
use carrel_content::{
    Kind,
    download::Phase,
    storage::{Storage, StorageOptions},
};
use carrel_model::ErrorCode;
use carrel_sqlite::Changes;
use carrel_system::{Clock, Disk};
use carrel_testkit::{
    FakeClock, FakeDisk, SeededIds, TestServer, content, device::PASSWORD, scratch::scratch,
};
use serde_json::{Value, json};

use crate::{
    bundle_faults::CallbackClock,
    client::{self, finish_section, wait_until},
    exported::{
        check_offline_content, course_and_story, export_fixture, import_error, library, phase,
        stop_server,
    },
};

const GIB: u64 = 1024 * 1024 * 1024;

/// Opens a client whose content is on `disk`.
async fn open_with_disk(
    dir: &Path,
    disk: impl Disk,
    clock: Arc<dyn Clock>,
    seed: u64,
) -> Arc<Client> {
    // Tests call blocking functions of the content crate on async threads.
    carrel_system::allow_blocking();
    let ids = Arc::new(SeededIds::new(seed));
    let config = Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        space: Space { disk: Arc::new(disk), ..Space::default() },
        demo_dir: None,
        http: client::live_http(),
        clock,
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir, ids))),
        device_name: format!("device {seed}"),
        network: Default::default(),
        policies: Vec::new(),
        app_version: "0.1.0".into(),
        event_stream: false,
    };
    Client::open(config).await.expect("the client opens")
}

/// Opens the content folder `dir` a second time, as another process would.
fn open_in_another_process(dir: &Path, disk: impl Disk, clock: &FakeClock) -> Storage {
    let options = StorageOptions {
        dir: dir.to_owned(),
        policy_budget: None,
        disk: Arc::new(disk),
        clock: Arc::new(clock.clone()),
        changes: Changes::new(),
        failpoints: None,
        shared_store: None,
    };
    Storage::open(options).expect("the content opens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_imports_do_not_reserve_the_same_space() {
    let fixture = export_fixture().await;
    let sent = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");
    let (dir, disk) = (scratch(), FakeDisk::new(100 * GIB));
    let callback_clock =
        Arc::new(CallbackClock { clock: fixture.clock.clone(), callback: Mutex::default() });
    let client = open_with_disk(dir.path(), disk.clone(), callback_clock.clone(), 2).await;
    let other_account =
        client.sign_in(&fixture.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    let BundleInfo::Courses(found) =
        client.inspect_file(&sent.path, Default::default()).await.expect("the file is inspected")
    else {
        panic!("not a course file")
    };
    // There is space for one import, but not for two.
    let (storage, need) = (other_account.content.library.storage().clone(), found.new_bytes);
    let free = storage.measure().expect("figures").free;
    storage.set_limits(None, Some(free - need * 3 / 2)).expect("a limit");
    let other = open_in_another_process(storage.dir(), disk, &fixture.clock);

    // The other process has reserved the space: the import is refused with a reason, and no download is started.
    let other_reservation = other.reserve(need).expect("a reservation");
    let error =
        import_error(client.import_courses(&sent.path, None).await.expect_err("not enough space"));
    let ImportError::NoSpace { need: required, free } = error else { panic!("{error:?}") };
    assert!(required == need && free < need, "required {required}, free {free}");
    for kind in [Kind::Course, Kind::Story] {
        assert_eq!(phase(&other_account, kind), Phase::Absent);
    }
    assert_eq!(reservations(&storage), 1, "only the reservation of the other process");
    drop(other_reservation);

    // During the import the other process cannot reserve its space.
    let checked = Arc::new(AtomicBool::new(false));
    *callback_clock.callback.lock().expect("the callback") = Some(Arc::new({
        let (client, checked) = (Arc::downgrade(&client), checked.clone());
        move || {
            let progress = client.upgrade().and_then(|c| c.transfers().progress());
            if progress.is_some_and(|t| t.bytes_done > 0) && !checked.swap(true, Ordering::SeqCst) {
                assert!(
                    matches!(other.reserve(need), Err(carrel_content::Error::NoSpace { .. })),
                    "the space was reserved twice"
                );
            }
        }
    }));
    client.import_courses(&sent.path, None).await.expect("imported");
    assert!(checked.load(Ordering::SeqCst));
    *callback_clock.callback.lock().expect("the callback") = None;
    assert_eq!(reservations(&storage), 0, "the reservation is released");
    check_offline_content(&other_account).await;
}

fn reservations(storage: &Storage) -> i64 {
    let count = "SELECT count(*) FROM reservation";
    storage
        .db()
        .read_blocking(|c| Ok(c.query_row(count, [], |r| r.get(0))?))
        .expect("the reservations")
}

/// A large disk with a small one mounted at a folder.
struct TwoDisks {
    small: PathBuf,
}

impl Disk for TwoDisks {
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        Ok(if path.starts_with(&self.small) { 1024 * 1024 } else { 100 * GIB })
    }
}

/// Calls commands as the UI does.
pub struct UiHost(pub Arc<Client>);

impl Host for UiHost {
    fn client(&self) -> &Arc<Client> {
        &self.0
    }
    fn open_url(&self, _: &str) -> Result<(), CommandError> {
        panic!("a page was opened")
    }
}

impl UiHost {
    pub async fn call(&self, name: &str, request: Value) -> Value {
        dispatch(self, name, request).await.unwrap_or_else(|e| panic!("{name}: {e:?}"))
    }
    async fn move_to(&self, folder: &Path) -> Result<Value, CommandError> {
        dispatch(self, "move_content", json!({ "folder": folder })).await
    }
    async fn download(&self, id: &str, is_story: bool) {
        self.call("start_download", json!({ "id": id, "isStory": is_story })).await;
        wait_until(&self.0, "the download", || async {
            let view = self.call("get_storage", json!({})).await;
            let rows = view["courses"].as_array().expect("downloads").clone();
            rows.into_iter().find(|r| r["id"] == id && r["phase"] == "ready")
        })
        .await;
    }
    /// Checks without a network: every section opens, every byte is verified, and the loopback server serves a
    /// recording.
    async fn check_all_content(&self) {
        for item in content::sections() {
            let page = self.call("open_section", json!({ "item": item })).await;
            assert_eq!(page["item"], json!(item));
        }
        let check = self.call("check_offline", json!({ "id": content::COURSE, "isStory": false }));
        assert_eq!(check.await["ready"], json!(true));
        let account = self.0.account().expect("the account is open");
        check_offline_content(&account).await;
        let done =
            account.learning.done_sections(content::COURSE).await.expect("the finished sections");
        assert_eq!(done.len(), 3, "no work is lost");
        let manifest = account.content.library.manifest(Kind::Course, &content::course()).await;
        let manifest = manifest.expect("the manifest").value;
        let recording = manifest.manifest.blobs.iter().find(|b| b.media_type.starts_with("audio/"));
        let recording = recording.expect("a recording");
        let url = format!("{}{}", self.0.media_base(), recording.hash);
        let reply = client::live_http().send(carrel_net::Request::get(&url)).await;
        let reply = reply.expect("the loopback server");
        assert_eq!(reply.status, 200);
        let body = reply.bytes(usize::MAX >> 1).await.expect("the whole recording");
        assert_eq!(body.len() as u64, recording.size);
    }
}

/// Returns the names of content files in a folder: databases, blobs and reserve.
fn content_files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = names.map(|e| e.file_name().to_string_lossy().into_owned());
    let is_content = |n: &String| n.starts_with("content") || n == "blobs" || n == "ballast";
    let mut names: Vec<_> = names.filter(is_content).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_moved_from_the_storage_screen() {
    let (clock, made, dir) = (FakeClock::noon(), library().await, scratch());
    let settings = carrel_server::Settings::default();
    let mut server = TestServer::with_settings(&clock, settings, Some(made.path())).await;
    let path = |name: &str| dir.path().join(name);
    let disks = || TwoDisks { small: path("stick") };
    let client = open_with_disk(dir.path(), disks(), Arc::new(clock.clone()), 1).await;
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let ui = UiHost(client);
    ui.call("list_courses", json!({})).await;
    ui.call("list_stories", json!({})).await;
    ui.download(content::COURSE, false).await;
    ui.download(content::STORY, true).await;
    let account = ui.0.account().expect("the account");
    for n in 0..3 {
        account.learning.record(finish_section(n)).await.expect("recorded");
    }
    client::sync(&account).await;
    drop(account);
    stop_server(&mut server).await;
    let before = ui.call("get_storage", json!({})).await;
    let old = path("cache");
    assert_eq!((&before["folder"], &before["canMove"]), (&json!(old), &json!(true)));

    // Invalid targets: each has its own reason, and nothing changes.
    fs::create_dir_all(path("other/blobs")).expect("another store");
    fs::write(path("a file"), "not a folder").expect("a file");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&old, path("a link")).expect("a link");
    let refusals = [
        ("a relative path", PathBuf::from("some/where"), "must be absolute"),
        ("a path with ..", old.join("../cache/deeper"), "must be absolute"),
        ("the current folder", old.clone(), "overlaps the current content folder"),
        ("a subfolder", old.join("deeper"), "overlaps the current content folder"),
        ("a parent folder", dir.path().to_owned(), "overlaps the current content folder"),
        #[cfg(unix)]
        (
            "a subfolder through a link",
            path("a link/deeper"),
            "overlaps the current content folder",
        ),
        ("another store", path("other"), "contains other content"),
        ("below a file", path("a file/deeper"), "not writable"),
        ("too small", path("stick/carrel"), "bytes missing"),
    ];
    for (what, to, why) in &refusals {
        let error = ui.move_to(to).await.expect_err(what);
        let small = *what == "too small";
        let code = if small { ErrorCode::DiskFull } else { ErrorCode::InvalidRequest };
        assert_eq!(error.code, code, "{what}: {error:?}");
        assert!(error.message.contains(why), "{what}: {}", error.message);
        let view = ui.call("get_storage", json!({})).await;
        assert_eq!(
            (&view["folder"], &view["used"]),
            (&before["folder"], &before["used"]),
            "{what}"
        );
        if small || to.ends_with("deeper") {
            assert!(!to.exists(), "{what}: no folder is left");
        }
    }
    // Another process uses the content: this is detected only after the copy.
    let other = open_in_another_process(&old, disks(), &clock);
    let error = ui.move_to(&path("new")).await.expect_err("in use");
    assert_eq!(error.code, ErrorCode::InvalidRequest, "{error:?}");
    drop(other);
    assert_eq!(content_files(&path("new")), [""; 0], "the copy was deleted");
    ui.check_all_content().await;

    // The new folder contains other files.
    fs::create_dir_all(path("new")).expect("a folder");
    fs::write(path("new/letter.txt"), "not ours").expect("a letter");
    let view = ui.move_to(&path("new")).await.expect("the content is moved");
    assert_eq!((&view["folder"], &view["used"]), (&json!(path("new")), &before["used"]));
    assert_eq!(content_files(&old), [""; 0], "no content is left in the old folder");
    assert!(old.join("accounts").is_dir(), "other files are kept");
    ui.check_all_content().await;

    // The same after a restart.
    ui.0.close().await;
    drop(ui);
    let ui = UiHost(open_with_disk(dir.path(), disks(), Arc::new(clock.clone()), 3).await);
    ui.check_all_content().await;
    assert_eq!(ui.call("get_storage", json!({})).await["folder"], json!(path("new")));
    assert_eq!(fs::read_to_string(path("new/letter.txt")).expect("the letter"), "not ours");

    // Content that is removed and downloaded again is stored in the new folder.
    server.start().await;
    ui.0.account().expect("the account").network_changed();
    ui.call("remove_download", json!({ "id": content::STORY, "isStory": true })).await;
    ui.download(content::STORY, true).await;
    ui.check_all_content().await;
    assert_eq!(content_files(&old), [""; 0]);
}

/// Two concurrent moves run one after the other. All content is in one folder, also that of a concurrent download.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_moves_of_content_end_in_one_folder() {
    let (clock, dir) = (FakeClock::noon(), scratch());
    let mut server = TestServer::with_library(&clock).await;
    let path = |name: &str| dir.path().join(name);
    let disks = || TwoDisks { small: path("stick") };
    for round in 0..4 {
        let home = path(&format!("home-{round}"));
        let client = open_with_disk(&home, disks(), Arc::new(clock.clone()), 10 + round).await;
        let login = format!("learner{round}");
        client.register(&server.url(), &login, "Asha", PASSWORD).await.expect("an account");
        let ui = UiHost(client.clone());
        ui.call("list_courses", json!({})).await;
        ui.call("list_stories", json!({})).await;
        ui.download(content::COURSE, false).await;
        ui.call("start_download", json!({ "id": content::STORY, "isStory": true })).await;
        let (one, two) = (home.join("one"), home.join("two"));
        let (first, second) =
            tokio::join!(client.move_content(one.clone()), client.move_content(two.clone()));
        first.expect("the first move");
        second.expect("the second move");
        for n in 0..3 {
            client
                .account()
                .expect("the account")
                .learning
                .record(finish_section(n))
                .await
                .expect("recorded");
        }
        ui.download(content::STORY, true).await;
        let now = client.storage().await.expect("the content").dir().to_owned();
        assert!(now == one || now == two, "{now:?}");
        for other in [one, two, home.join("cache")].into_iter().filter(|f| *f != now) {
            assert_eq!(content_files(&other), [""; 0], "round {round}: {other:?}");
        }
        ui.check_all_content().await;
        client.close().await;
        drop((client, ui));
        let client = open_with_disk(&home, disks(), Arc::new(clock.clone()), 20 + round).await;
        assert_eq!(client.storage().await.expect("the content").dir(), now);
        UiHost(client.clone()).check_all_content().await;
        client.close().await;
    }
    server.stop().await;
}
