//! Files that are damaged, cancelled or interrupted by a kill: nothing half imported remains.

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use carrel_client::{Client, Config, ImportError, account::FileSecrets, bundle::BundleInfo};
use carrel_content::{Kind, download::Phase};
use carrel_model::ErrorCode;
use carrel_system::Clock;
use carrel_testkit::{
    FakeClock, SeededIds, SeededRng, content, device::PASSWORD, scratch::scratch,
};

use crate::{
    client::{self, ALL},
    exported::{
        check_offline_content, course_and_story, export_fixture, import_error, phase, stop_server,
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_file_changes_nothing() {
    let mut fixture = export_fixture().await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &fixture.clock, 2, false).await;
    let other_account =
        client.sign_in(&fixture.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    stop_server(&mut fixture.server).await;
    let sent = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");
    let valid = fs::read(&sent.path).expect("the file");
    let bad = fixture.drive.path().join("bad.carrel");
    let head = 44 + u32::from_be_bytes(valid[8..12].try_into().expect("a length")) as usize;
    let flip = |at: usize| {
        let mut file = valid.clone();
        file[at] ^= 1;
        file
    };
    let table: [(&str, Vec<u8>, &str); 6] = [
        // In order of position in the file: verified blobs are kept and not read again.
        ("a bit of the first blob", flip(head), "blob_damaged"),
        ("a bit in the middle", flip(head + (valid.len() - head) / 2), "blob_damaged"),
        ("a bit of the last blob", flip(valid.len() - 1), "blob_damaged"),
        ("without the last byte", valid[..valid.len() - 1].to_vec(), "truncated"),
        ("a bit of the head", flip(60), "head_damaged"),
        ("an empty file", vec![], "empty"),
    ];
    for (what, file, reason) in table {
        fs::write(&bad, file).expect("a bad file");
        let error = import_error(client.import_courses(&bad, None).await.expect_err(what));
        assert_eq!(error.reason(), reason, "{what}");
        for kind in [Kind::Course, Kind::Story] {
            assert_eq!(phase(&other_account, kind), Phase::Absent, "{what}");
        }
        assert!(
            other_account.content.library.courses(&ALL).await.is_err(),
            "{what}: nothing is listed"
        );
        assert!(client.transfers().progress().is_none());
    }
    for (what, path) in [
        ("a folder", fixture.drive.path().to_owned()),
        ("a missing file", fixture.drive.path().join("no")),
    ] {
        let error = import_error(client.import_courses(&path, None).await.expect_err(what));
        assert!(["not_carrel", "unreadable"].contains(&error.reason()), "{what}: {error}");
    }
    // Blobs verified before the damaged one were kept: the valid file has fewer new bytes.
    let BundleInfo::Courses(found) =
        client.inspect_file(&sent.path, Default::default()).await.expect("the file is inspected")
    else {
        panic!("not a course file")
    };
    assert!(found.new_bytes < found.bytes - head as u64, "{} of {}", found.new_bytes, found.bytes);
    client.import_courses(&sent.path, None).await.expect("the valid file is imported");
    check_offline_content(&other_account).await;

    // The import of a damaged file does not affect the existing course.
    fs::write(&bad, flip(valid.len() - 1)).expect("a bad file");
    let _ = client.import_courses(&bad, None).await;
    check_offline_content(&other_account).await;

    // An import restores missing local content.
    let manifest = other_account
        .content
        .library
        .manifest(Kind::Course, &content::course())
        .await
        .expect("the manifest")
        .value;
    let large = manifest.manifest.blobs.iter().max_by_key(|b| b.size).expect("a blob");
    other_account.content.library.blobs().remove(large.hash).expect("removed");
    let error = import_error(
        client
            .export_courses(&course_and_story(), fixture.drive.path())
            .await
            .expect_err("a blob is missing"),
    );
    let ImportError::Missing { files: 1, bytes, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*bytes, large.size);
    assert!(!error.to_string().is_empty());
    client.import_courses(&sent.path, None).await.expect("restored");
    check_offline_content(&other_account).await;
}

/// A clock that runs a callback whenever its monotonic time is read.
pub struct CallbackClock {
    pub clock: FakeClock,
    pub callback: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

impl Clock for CallbackClock {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
    fn monotonic_ms(&self) -> i64 {
        let callback = self.callback.lock().expect("the callback").clone();
        if let Some(callback) = callback {
            callback();
        }
        self.clock.monotonic_ms()
    }
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep(duration)
    }
    fn zone_offset_min(&self, at_ms: i64) -> i32 {
        self.clock.zone_offset_min(at_ms)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_transfer_leaves_no_data() {
    let fixture = export_fixture().await;
    let callback_clock =
        Arc::new(CallbackClock { clock: fixture.clock.clone(), callback: Mutex::default() });
    let dir = scratch();
    let ids = Arc::new(SeededIds::new(2));
    let client = Client::open(Config {
        data_dir: dir.path().join("data"),
        cache_dir: dir.path().join("cache"),
        demo_dir: None,
        http: client::live_http(),
        clock: callback_clock.clone(),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir.path(), ids))),
        device_name: "alarm".into(),
        network: Default::default(),
        app_version: "0.1.0".into(),
        policies: Vec::new(),
        event_stream: false,
        space: Default::default(),
    })
    .await
    .expect("the client opens");
    let other_account =
        client.sign_in(&fixture.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    let sent = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");

    // Cancels a transfer when it next reads the clock.
    let cancel_soon = |client: &Arc<Client>| {
        let client = Arc::downgrade(client);
        *callback_clock.callback.lock().expect("the callback") = Some(Arc::new(move || {
            if let Some(client) = client.upgrade() {
                client.transfers().cancel();
            }
        }));
    };
    let clear_callback = || *callback_clock.callback.lock().expect("the callback") = None;
    cancel_soon(&client);
    let ended = client.import_courses(&sent.path, None).await;
    clear_callback();
    assert_eq!(ended.map_err(|e| e.code()), Err(ErrorCode::Cancelled));
    assert_eq!(phase(&other_account, Kind::Course), Phase::Absent);
    assert!(client.transfers().progress().is_none());
    client.import_courses(&sent.path, None).await.expect("imported");
    assert_eq!(phase(&other_account, Kind::Course), Phase::Ready);
    let before = fs::read(&sent.path).expect("the file");
    cancel_soon(&client);
    let ended = client.export_courses(&course_and_story(), fixture.drive.path()).await;
    clear_callback();
    assert_eq!(ended.map_err(|e| e.code()), Err(ErrorCode::Cancelled));
    assert_eq!(
        fs::read_dir(fixture.drive.path()).expect("the drive").count(),
        1,
        "no incomplete file is left"
    );
    assert!(fs::read(&sent.path).expect("the file") == before, "the existing file is unchanged");

    // A cancelled import of a newer version leaves the ready version unchanged.
    cancel_soon(&client);
    let _ = client.import_courses(&sent.path, None).await;
    clear_callback();
    assert_eq!(phase(&other_account, Kind::Course), Phase::Ready);

    // An export to a missing folder is refused, and so is an export of missing content.
    let refusal = |r: carrel_client::Result<carrel_client::bundle::ExportedFile>| {
        import_error(r.expect_err("refused")).reason()
    };
    let nowhere =
        fixture.client.export_courses(&course_and_story(), Path::new("/no/such/stick")).await;
    assert_eq!(refusal(nowhere), "no_place");
    fixture.account.content.downloads.remove(Kind::Story, &content::story()).expect("removed");
    assert_eq!(
        refusal(fixture.client.export_courses(&course_and_story(), fixture.drive.path()).await),
        "not_here"
    );
}

/// A process that imports a file is repeatedly killed after a random number of stored bytes, until an import completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_can_be_repeated() {
    let fixture = export_fixture().await;
    let sent = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");
    let import_into = |dir: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crash_target"));
        command.arg("import").args([dir, &sent.path]).stdout(Stdio::null());
        command.spawn().expect("the process starts")
    };
    let whole = scratch();
    assert!(import_into(whole.path()).wait().expect("its exit status").success());
    let all_bytes = stored_bytes(whole.path());
    let rng = SeededRng::new(40_017);
    let kills = std::env::var("CARREL_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let (mut killed, mut completed) = (0, 0);
    for _ in 0..kills {
        let dir = scratch();
        for process in 0.. {
            let before = stored_bytes(dir.path());
            let mut child = import_into(dir.path());
            // The maximum increases with each process, so that the import finishes.
            let kill_after = rng.below(all_bytes * (process + 1));
            let status = loop {
                if let Some(status) = child.try_wait().expect("its state") {
                    break Some(status);
                }
                if stored_bytes(dir.path()) >= before + kill_after {
                    break None;
                }
            };
            let _ = child.kill();
            let status = match status {
                Some(status) => status,
                None => child.wait().expect("its exit status"),
            };
            if status.success() {
                completed += 1;
                break;
            }
            killed += 1;
        }
        let client = client::open(dir.path(), client::live_http(), &fixture.clock, 9, false).await;
        check_offline_content(&client.open_guest().await.expect("the guest account")).await;
        let parts = list_files(&dir.path().join("cache"));
        assert!(!parts.iter().any(|p| p.extension().is_some_and(|e| e == "part")), "{parts:?}");
        client.close().await;
    }
    assert_eq!(completed, kills);
    assert!(killed >= kills / 3, "only {killed} processes were killed before their end");
}

/// Returns the size of all files below a folder in which another process writes.
fn stored_bytes(dir: &Path) -> u64 {
    list_files(dir).iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len()).sum()
}

fn list_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    entries.flat_map(|p| if p.is_dir() { list_files(&p) } else { vec![p] }).collect()
}
