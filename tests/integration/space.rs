//! Location and space of content in the whole client: an import while another process reserves the same space, and
//! content that is moved from the Storage screen.

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
    cable::{Alarm, both, is_closed, library, opens_offline, phase, refused, school},
    desk::{self, tick, until},
};

const GIB: u64 = 1024 * 1024 * 1024;

/// Opens a client whose content is on a disk of a given size.
async fn open_on(dir: &Path, disk: impl Disk, clock: Arc<dyn Clock>, seed: u64) -> Arc<Client> {
    // Tests call content functions directly, which may block.
    carrel_system::allow_blocking();
    let ids = Arc::new(SeededIds::new(seed));
    let config = Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        space: Space { disk: Arc::new(disk), ..Space::default() },
        demo_dir: None,
        http: desk::live(),
        clock,
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir, ids))),
        device_name: format!("device {seed}"),
        app_version: "0.1.0".into(),
        event_stream: false,
    };
    Client::open(config).await.expect("the core opens")
}

/// Opens the same content as another process does.
fn another_process(dir: &Path, disk: impl Disk, clock: &FakeClock) -> Storage {
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
    let s = school().await;
    let sent = s.core.export_courses(&both(), s.stick.path()).await.expect("a file");
    let (dir, disk) = (scratch(), FakeDisk::new(100 * GIB));
    let alarm = Arc::new(Alarm { clock: s.clock.clone(), ring: Mutex::default() });
    let core = open_on(dir.path(), disk.clone(), alarm.clone(), 2).await;
    let there = core.sign_in(&s.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    let BundleInfo::Courses(found) = core.inspect_file(&sent.path).await.expect("a look") else {
        panic!("courses")
    };
    // There is space for one and a half imports.
    let (storage, need) = (there.content.library.storage().clone(), found.new_bytes);
    let free = storage.measure().expect("figures").free;
    storage.set_limits(None, Some(free - need * 3 / 2)).expect("a floor");
    let other = another_process(storage.dir(), disk, &s.clock);

    // The other process has reserved the space: the import is refused with a reason, and nothing was begun.
    let theirs = other.reserve(need).expect("a promise");
    let no = refused(core.import_courses(&sent.path, None).await.expect_err("half a course"));
    let ImportError::NoSpace { need: wanted, free } = no else { panic!("{no:?}") };
    assert!(wanted == need && free < need, "{wanted} and {free}");
    for kind in [Kind::Course, Kind::Story] {
        assert_eq!(phase(&there, kind), Phase::Absent);
    }
    assert_eq!(promises(&storage), 1, "theirs");
    drop(theirs);

    // Vice versa: during the import its space cannot be reserved.
    let asked = Arc::new(AtomicBool::new(false));
    *alarm.ring.lock().expect("the alarm") = Some(Arc::new({
        let (core, asked) = (Arc::downgrade(&core), asked.clone());
        move || {
            let travelled = core.upgrade().and_then(|c| c.transfers().progress());
            if travelled.is_some_and(|t| t.bytes_done > 0) && !asked.swap(true, Ordering::SeqCst) {
                assert!(
                    matches!(other.reserve(need), Err(carrel_content::Error::NoSpace { .. })),
                    "it is promised"
                );
            }
        }
    }));
    core.import_courses(&sent.path, None).await.expect("taken in");
    assert!(asked.load(Ordering::SeqCst));
    *alarm.ring.lock().expect("the alarm") = None;
    assert_eq!(promises(&storage), 0, "and given back");
    opens_offline(&there).await;
}

fn promises(storage: &Storage) -> i64 {
    let count = "SELECT count(*) FROM reservation";
    storage.db().read_blocking(|c| Ok(c.query_row(count, [], |r| r.get(0))?)).expect("the promises")
}

/// A large disk with a small one mounted at a folder.
struct Disks {
    small: PathBuf,
}

impl Disk for Disks {
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        Ok(if path.starts_with(&self.small) { 1024 * 1024 } else { 100 * GIB })
    }
}

/// The commands as the UI calls them.
pub struct Window(pub Arc<Client>);

impl Host for Window {
    fn client(&self) -> &Arc<Client> {
        &self.0
    }
    fn open_url(&self, _: &str) -> Result<(), CommandError> {
        panic!("no page is opened")
    }
}

impl Window {
    pub async fn call(&self, name: &str, request: Value) -> Value {
        dispatch(self, name, request).await.unwrap_or_else(|e| panic!("{name}: {e:?}"))
    }
    async fn move_to(&self, folder: &Path) -> Result<Value, CommandError> {
        dispatch(self, "move_content", json!({ "folder": folder })).await
    }
    async fn download(&self, id: &str, is_story: bool) {
        self.call("start_download", json!({ "id": id, "isStory": is_story })).await;
        until(&self.0, "the download", || async {
            let view = self.call("get_storage", json!({})).await;
            let rows = view["courses"].as_array().expect("downloads").clone();
            rows.into_iter().find(|r| r["id"] == id && r["phase"] == "ready")
        })
        .await;
    }
    /// Checks that every page opens, every byte verifies, and every recording is served by the loopback server, without
    /// a network.
    async fn reads_everything(&self) {
        for item in content::sections() {
            let page = self.call("open_section", json!({ "item": item })).await;
            assert_eq!(page["item"], json!(item));
        }
        let check = self.call("check_offline", json!({ "id": content::COURSE, "isStory": false }));
        assert_eq!(check.await["ready"], json!(true));
        let account = self.0.account().expect("the account is open");
        opens_offline(&account).await;
        let done = account.learning.done_sections(content::COURSE).await.expect("finished ones");
        assert_eq!(done.len(), 3, "work is where it was");
        let manifest = account.content.library.manifest(Kind::Course, &content::course()).await;
        let manifest = manifest.expect("the manifest").value;
        let sound = manifest.manifest.blobs.iter().find(|b| b.media_type.starts_with("audio/"));
        let sound = sound.expect("a recording");
        let url = format!("{}{}", self.0.media_base(), sound.hash);
        let reply = desk::live().send(carrel_net::Request::get(&url)).await;
        let reply = reply.expect("the loopback server");
        assert_eq!(reply.status, 200);
        let heard = reply.bytes(usize::MAX >> 1).await.expect("all of it");
        assert_eq!(heard.len() as u64, sound.size);
    }
}

/// Returns the content files in a folder, databases and blobs only.
fn content_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = names.map(|e| e.file_name().to_string_lossy().into_owned());
    let ours = |n: &String| n.starts_with("content") || n == "blobs" || n == "ballast";
    let mut names: Vec<_> = names.filter(ours).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_moved_from_the_storage_screen() {
    let (clock, made, dir) = (FakeClock::noon(), library().await, scratch());
    let settings = carrel_server::Settings::default();
    let mut server = TestServer::with_settings(&clock, settings, Some(made.path())).await;
    let place = |name: &str| dir.path().join(name);
    let disks = || Disks { small: place("stick") };
    let core = open_on(dir.path(), disks(), Arc::new(clock.clone()), 1).await;
    core.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let window = Window(core);
    window.call("list_courses", json!({})).await;
    window.call("list_stories", json!({})).await;
    window.download(content::COURSE, false).await;
    window.download(content::STORY, true).await;
    let account = window.0.account().expect("the account");
    for n in 0..3 {
        account.learning.record(tick(n)).await.expect("a tick");
    }
    desk::sync(&account).await;
    drop(account);
    is_closed(&mut server).await;
    let before = window.call("get_storage", json!({})).await;
    let old = place("cache");
    assert_eq!((&before["folder"], &before["canMove"]), (&json!(old), &json!(true)));

    // Invalid targets: each has its own reason, and nothing changes.
    fs::create_dir_all(place("theirs/blobs")).expect("another store");
    fs::write(place("a file"), "not a folder").expect("a file");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&old, place("a link")).expect("a link");
    let refusals = [
        ("named from somewhere", PathBuf::from("some/where"), "from its beginning"),
        ("named by a detour", old.join("../cache/deeper"), "from its beginning"),
        ("where it is", old.clone(), "lies there already"),
        ("inside", old.join("deeper"), "lies there already"),
        ("around it", dir.path().to_owned(), "lies there already"),
        #[cfg(unix)]
        ("inside, by a link", place("a link/deeper"), "lies there already"),
        ("another store's", place("theirs"), "other content"),
        ("not to be written to", place("a file/deeper"), "nothing can be written"),
        ("too small", place("stick/carrel"), "bytes are missing"),
    ];
    for (what, to, why) in &refusals {
        let no = window.move_to(to).await.expect_err(what);
        let small = *what == "too small";
        let code = if small { ErrorCode::DiskFull } else { ErrorCode::InvalidRequest };
        assert_eq!(no.code, code, "{what}: {no:?}");
        assert!(no.message.contains(why), "{what}: {}", no.message);
        let view = window.call("get_storage", json!({})).await;
        assert_eq!(
            (&view["folder"], &view["used"]),
            (&before["folder"], &before["used"]),
            "{what}"
        );
        if small || to.ends_with("deeper") {
            assert!(!to.exists(), "{what}: nothing is left there");
        }
    }
    // Another process uses it: this is detected only after everything was copied.
    let other = another_process(&old, disks(), &clock);
    let no = window.move_to(&place("new")).await.expect_err("in use");
    assert_eq!(no.code, ErrorCode::InvalidRequest, "{no:?}");
    drop(other);
    assert_eq!(content_in(&place("new")), [""; 0], "what was copied is gone again");
    window.reads_everything().await;

    // Into a folder that contains other files.
    fs::create_dir_all(place("new")).expect("a folder");
    fs::write(place("new/letter.txt"), "not ours").expect("a letter");
    let view = window.move_to(&place("new")).await.expect("it is moved");
    assert_eq!((&view["folder"], &view["used"]), (&json!(place("new")), &before["used"]));
    assert_eq!(content_in(&old), [""; 0], "nothing of it is left in the old place");
    assert!(old.join("accounts").is_dir(), "what is not content stays");
    window.reads_everything().await;

    // Also after a restart.
    window.0.close().await;
    drop(window);
    let window = Window(open_on(dir.path(), disks(), Arc::new(clock.clone()), 3).await);
    window.reads_everything().await;
    assert_eq!(window.call("get_storage", json!({})).await["folder"], json!(place("new")));
    assert_eq!(fs::read_to_string(place("new/letter.txt")).expect("the letter"), "not ours");

    // Content that is removed and downloaded again is stored in the new folder.
    server.start().await;
    window.0.account().expect("the account").network_changed();
    window.call("remove_download", json!({ "id": content::STORY, "isStory": true })).await;
    window.download(content::STORY, true).await;
    window.reads_everything().await;
    assert_eq!(content_in(&old), [""; 0]);
}

/// Two concurrent moves end one after the other: content is in one folder, including what is downloaded meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_moves_of_content_end_in_one_folder() {
    let (clock, dir) = (FakeClock::noon(), scratch());
    let mut server = TestServer::with_library(&clock).await;
    let place = |name: &str| dir.path().join(name);
    let disks = || Disks { small: place("stick") };
    for round in 0..4 {
        let home = place(&format!("home-{round}"));
        let core = open_on(&home, disks(), Arc::new(clock.clone()), 10 + round).await;
        let login = format!("learner{round}");
        core.register(&server.url(), &login, "Asha", PASSWORD).await.expect("an account");
        let window = Window(core.clone());
        window.call("list_courses", json!({})).await;
        window.call("list_stories", json!({})).await;
        window.download(content::COURSE, false).await;
        window.call("start_download", json!({ "id": content::STORY, "isStory": true })).await;
        let (one, two) = (home.join("one"), home.join("two"));
        let (first, second) =
            tokio::join!(core.move_content(one.clone()), core.move_content(two.clone()));
        first.expect("the first move");
        second.expect("the second move");
        for n in 0..3 {
            core.account().expect("the account").learning.record(tick(n)).await.expect("a tick");
        }
        window.download(content::STORY, true).await;
        let now = core.storage().await.expect("the content").dir().to_owned();
        assert!(now == one || now == two, "{now:?}");
        for other in [one, two, home.join("cache")].into_iter().filter(|f| *f != now) {
            assert_eq!(content_in(&other), [""; 0], "round {round}: {other:?}");
        }
        window.reads_everything().await;
        core.close().await;
        drop((core, window));
        let core = open_on(&home, disks(), Arc::new(clock.clone()), 20 + round).await;
        assert_eq!(core.storage().await.expect("the content").dir(), now);
        Window(core.clone()).reads_everything().await;
        core.close().await;
    }
    server.stop().await;
}
