//! The whole client on a full disk: it starts, shows downloaded content, reports why nothing can be written, records
//! progress as long as there is a reserve, and recovers when there is space again. A small file system requires root;
//! without it the test prints a message and passes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_client::{Client, OpenAccount};
use carrel_content::download::Phase;
use carrel_model::ErrorCode;
use carrel_testkit::{
    FakeClock, SmallDisk, TestServer, content,
    device::PASSWORD,
    scratch::{copy_dir, scratch},
};
use serde_json::{Value, json};

use crate::{
    cable::{both, opens_offline, phase},
    desk::{self, ALL, tick, until},
    space::Window,
};

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    entries.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}
fn is_named(path: &Path, part: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(part))
}

async fn open(dir: &Path, clock: &FakeClock) -> (Arc<Client>, Arc<OpenAccount>, Window) {
    let core = desk::open(dir, desk::live(), clock, 2, false).await;
    assert!(core.open_failure().is_none());
    let account = core.account().expect("the account opens");
    (core.clone(), account, Window(core))
}

/// Creates a folder with a downloaded course, a story and three finished sections.
async fn template(clock: &FakeClock) -> tempfile::TempDir {
    let mut server = TestServer::with_library(clock).await;
    let dir = scratch();
    let core = desk::open(dir.path(), desk::live(), clock, 2, false).await;
    let account = core.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    account.content.library.courses(&ALL).await.expect("the list");
    account.content.library.stories(&ALL).await.expect("the list");
    for (kind, id) in both() {
        account.content.downloads.start(kind, &id).expect("a download");
        until(&core, "the download", || async {
            (phase(&account, kind) == Phase::Ready).then_some(())
        })
        .await;
    }
    // The search index of a download is written after it is ready; on a full disk that would fail.
    until(&core, "the words", || async {
        let hits = account.content.library.search("meander").expect("a search");
        (!hits.is_empty()).then_some(())
    })
    .await;
    for n in 0..3 {
        account.learning.record(tick(n)).await.expect("a tick");
    }
    desk::sync(&account).await;
    core.close().await;
    server.stop().await;
    dir
}

async fn finished(account: &OpenAccount) -> usize {
    account.learning.done_sections(content::COURSE).await.expect("finished ones").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_app_starts_on_a_full_disk_reports_it_and_loses_no_data() {
    let Some(disk) = SmallDisk::new(24 << 20) else { return };
    let clock = FakeClock::noon();
    let template = template(&clock).await;
    let (mut refused, mut read_only) = (0, 0);
    for free in [0, 4, 8, 32, 64, 96, 128_u64] {
        for reserve in [true, false] {
            let what = format!("{free} KiB free, reserve {reserve}");
            disk.clear();
            copy_dir(template.path(), disk.path()).expect("a copy");
            if !reserve {
                for file in files(disk.path()).iter().filter(|f| is_named(f, "ballast")) {
                    fs::remove_file(file).expect("a reserve file");
                }
            }
            let filler = disk.fill(free * 1024);
            let (core, account, window) = open(disk.path(), &clock).await;
            let state = window.call("get_app_state", json!({})).await;
            // A request for content space is refused, and the Storage screen then shows the reason.
            let asked = account.content.library.storage().reserve(64 * 1024);
            let refusal = asked.err().map(|e| e.code());
            assert_eq!(refusal, Some(ErrorCode::DiskFull), "{what}");
            let view = window.call("get_storage", json!({})).await;
            match account.store.read_only() {
                Some(_) => {
                    assert_eq!(state["readOnly"], "disk_full", "{what}");
                    read_only += 1;
                }
                None => assert_eq!(state.get("readOnly"), None, "{what}"),
            }
            assert!(view.get("shortage").is_some_and(|t| !t.is_null()), "{what}: {view}");
            let mut done = 3;
            for n in 3..6 {
                match account.learning.record(tick(n)).await {
                    Ok(_) => done += 1,
                    Err(e) if e.code() == ErrorCode::DiskFull && !reserve => refused += 1,
                    Err(e) => panic!("{what}: {e}"),
                }
            }
            assert!(!reserve || done == 6, "{what}");
            assert_eq!(finished(&account).await, done, "{what}");
            opens_offline(&account).await;
            core.close().await;
            drop((core, account, window));

            let (core, account, window) = open(disk.path(), &clock).await;
            assert_eq!(finished(&account).await, done, "{what}, started again");
            opens_offline(&account).await;
            // There is space again, and nothing is restarted.
            fs::remove_file(filler).expect("the filler");
            account.learning.record(tick(6)).await.expect(&what);
            let storage = account.content.library.storage();
            storage.look_again().expect(&what);
            assert_eq!(storage.degraded(), None, "{what}");
            assert!(window.call("get_app_state", json!({})).await["readOnly"] == Value::Null);
            assert_eq!(finished(&account).await, done + 1, "{what}");
            opens_offline(&account).await;
            core.close().await;
            drop((core, account, window));

            let (core, account, _) = open(disk.path(), &clock).await;
            assert_eq!(finished(&account).await, done + 1, "{what}, with space");
            opens_offline(&account).await;
            let aside: Vec<_> =
                files(disk.path()).into_iter().filter(|f| is_named(f, "damaged")).collect();
            assert!(aside.is_empty(), "{what}: {aside:?}");
            core.close().await;
        }
    }
    assert!(refused > 0 && read_only > 0, "the disk was full: {refused} and {read_only}");
}
