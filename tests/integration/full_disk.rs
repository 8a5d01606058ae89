//! The complete client on a full disk: it starts, shows downloaded content, reports why nothing can be written, records
//! progress as long as there is a reserve, and recovers when there is space again. The test needs root to mount a small
//! file system; without root it prints a message and passes.

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
    client::{self, ALL, finish_section, wait_until},
    exported::{check_offline_content, course_and_story, phase},
    space::UiHost,
};

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    entries.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}
fn name_contains(path: &Path, part: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(part))
}

async fn open(dir: &Path, clock: &FakeClock) -> (Arc<Client>, Arc<OpenAccount>, UiHost) {
    let client = client::open(dir, client::live_http(), clock, 2, false).await;
    assert!(client.open_failure().is_none());
    let account = client.account().expect("the account opens");
    (client.clone(), account, UiHost(client))
}

/// Creates a folder with a downloaded course, a story and three finished sections.
async fn template(clock: &FakeClock) -> tempfile::TempDir {
    let mut server = TestServer::with_library(clock).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), clock, 2, false).await;
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
    // The search index is written after the download is ready, which would fail on a full disk.
    wait_until(&client, "the search index", || async {
        let hits = account.content.library.search("meander", 0, 50).expect("a search").hits;
        (!hits.is_empty()).then_some(())
    })
    .await;
    for n in 0..3 {
        account.learning.record(finish_section(n)).await.expect("recorded");
    }
    client::sync(&account).await;
    client.close().await;
    server.stop().await;
    dir
}

async fn finished(account: &OpenAccount) -> usize {
    account.learning.done_sections(content::COURSE).await.expect("the finished sections").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_app_starts_on_a_full_disk_reports_it_and_loses_no_data() {
    let Some(disk) = SmallDisk::new(24 << 20) else { return };
    let clock = FakeClock::noon();
    let template = template(&clock).await;
    let (mut refused, mut read_only) = (0, 0);
    for free in [0, 4, 8, 32, 64, 96, 128_u64] {
        for reserve in [true, false] {
            let case = format!("{free} KiB free, reserve {reserve}");
            disk.clear();
            copy_dir(template.path(), disk.path()).expect("a copy");
            if !reserve {
                for file in files(disk.path()).iter().filter(|f| name_contains(f, "ballast")) {
                    fs::remove_file(file).expect("a reserve file");
                }
            }
            let filler = disk.fill(free * 1024);
            let (client, account, ui) = open(disk.path(), &clock).await;
            let state = ui.call("get_app_state", json!({})).await;
            // A request for content space is refused, and the Storage screen then shows the reason.
            let reserved = account.content.library.storage().reserve(64 * 1024);
            let refusal = reserved.err().map(|e| e.code());
            assert_eq!(refusal, Some(ErrorCode::DiskFull), "{case}");
            let view = ui.call("get_storage", json!({})).await;
            match account.store.read_only() {
                Some(_) => {
                    assert_eq!(state["readOnly"], "disk_full", "{case}");
                    read_only += 1;
                }
                None => assert_eq!(state.get("readOnly"), None, "{case}"),
            }
            assert!(view.get("shortage").is_some_and(|t| !t.is_null()), "{case}: {view}");
            let mut done = 3;
            for n in 3..6 {
                match account.learning.record(finish_section(n)).await {
                    Ok(_) => done += 1,
                    Err(e) if e.code() == ErrorCode::DiskFull && !reserve => refused += 1,
                    Err(e) => panic!("{case}: {e}"),
                }
            }
            assert!(!reserve || done == 6, "{case}");
            assert_eq!(finished(&account).await, done, "{case}");
            check_offline_content(&account).await;
            client.close().await;
            drop((client, account, ui));

            let (client, account, ui) = open(disk.path(), &clock).await;
            assert_eq!(finished(&account).await, done, "{case}, started again");
            check_offline_content(&account).await;
            // With free space again, without a restart.
            fs::remove_file(filler).expect("the filler");
            account.learning.record(finish_section(6)).await.expect(&case);
            let storage = account.content.library.storage();
            storage.recheck().expect(&case);
            assert_eq!(storage.degraded(), None, "{case}");
            assert!(ui.call("get_app_state", json!({})).await["readOnly"] == Value::Null);
            assert_eq!(finished(&account).await, done + 1, "{case}");
            check_offline_content(&account).await;
            client.close().await;
            drop((client, account, ui));

            let (client, account, _) = open(disk.path(), &clock).await;
            assert_eq!(finished(&account).await, done + 1, "{case}, with space");
            check_offline_content(&account).await;
            let damaged: Vec<_> =
                files(disk.path()).into_iter().filter(|f| name_contains(f, "damaged")).collect();
            assert!(damaged.is_empty(), "{case}: {damaged:?}");
            client.close().await;
        }
    }
    assert!(refused > 0 && read_only > 0, "refused: {refused}, read-only: {read_only}");
}
