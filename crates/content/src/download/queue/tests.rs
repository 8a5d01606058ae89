use std::sync::Arc;

use carrel_model::content::{Manifest, ManifestContent, SignedManifest, StoryMeta};
use carrel_net::FolderHttp;
use carrel_sqlite::Changes;
use carrel_system::{SystemClock, SystemDisk, SystemIds};
use carrel_testkit::scratch::scratch;

use super::*;
use crate::{
    Content, ContentConfig,
    storage::{Storage, StorageOptions},
};

fn library(dir: &std::path::Path) -> Arc<Content> {
    // The functions of this module block.
    carrel_system::allow_blocking();
    let clock = Arc::new(SystemClock::new());
    let storage = Storage::open(StorageOptions {
        dir: dir.join("shared"),
        policy_budget: None,
        disk: Arc::new(SystemDisk),
        clock: clock.clone(),
        changes: Changes::new(),
        failpoints: None,
        shared_store: None,
    })
    .expect("the storage opens");
    Content::open(ContentConfig {
        storage,
        account_dir: dir.join("account"),
        account: "asha".into(),
        base_url: FolderHttp::BASE.into(),
        mirror_url: None,
        http: Arc::new(FolderHttp::new(dir.join("nothing"))),
        clock,
        ids: Arc::new(SystemIds),
        changes: Changes::new(),
    })
    .expect("the content opens")
}

/// Returns a manifest with these blobs and without a valid signature.
fn manifest(n: u8, blobs: &[ManifestBlob]) -> OpenManifest {
    let meta: StoryMeta = serde_json::from_value(serde_json::json!({
        "id": "river", "title": "River", "lang": "en", "level": 1, "license": "CC0-1.0", "pageCount": 1,
        "narrated": false, "totalBytes": 1, "cover": carrel_model::content::Cover::from_title("x"),
    }))
    .expect("valid story metadata");
    let content = ManifestContent::Story { meta, body: blobs[0].hash };
    let format = carrel_model::content::MANIFEST_FORMAT.into();
    OpenManifest {
        version: BlobHash([n; 32]),
        signed: SignedManifest {
            key: "00".into(),
            signature: String::new(),
            manifest: String::new(),
        },
        manifest: Manifest { format, content, blobs: blobs.to_vec(), fonts: Vec::new() },
    }
}

/// Actions of the learner, and of the task of the download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Request,
    Pause,
    Remove,
    /// The manifest was received: the task records the version.
    Manifest,
    /// The task waits for a network.
    Waiting,
    /// All bytes are stored.
    Complete,
}
use Action::*;

#[tokio::test]
async fn the_task_does_not_override_actions_of_the_learner() {
    let dir = scratch();
    let content = library(dir.path());
    let library = &content.library;
    let target = DownloadTarget::whole(Kind::Story, &Slug::new("river").expect("a valid slug"));
    let blob =
        |n: u8| ManifestBlob { hash: BlobHash([n; 32]), size: 10, media_type: "text/plain".into() };
    let (first, second) = (manifest(1, &[blob(3), blob(4)]), manifest(2, &[blob(3), blob(5)]));
    let rows = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        library
            .content_db()
            .read_blocking(|c| Ok(c.query_row(&sql, [], |r| r.get(0))?))
            .expect("the value is read")
    };
    let by_learner = [Request, Pause, Remove];
    let by_task = [Manifest, Waiting, Complete];
    // All sequences of four actions (five in a long run) after a request.
    let all: Vec<Action> = by_learner.into_iter().chain(by_task).collect();
    let count: u32 = if std::env::var_os("CARREL_LONG").is_some() { 5 } else { 4 };
    for number in 0..all.len().pow(count) {
        let actions: Vec<Action> =
            (0..count).map(|i| all[number / all.len().pow(i) % all.len()]).collect();
        request(library, &target, true).expect("requested");
        let mut version = None;
        // The last action of the learner, which must stay in effect.
        let mut last = Request;
        let mut current = &first;
        for action in &actions {
            match action {
                Request => {
                    request(library, &target, true).expect("requested");
                    current = &second;
                }
                Pause => set_phase(library, &target, Phase::Paused, Reason::User).expect("paused"),
                Remove => remove(library, &target).expect("removed"),
                Manifest => {
                    let blobs = &current.manifest.blobs;
                    let state = get(library, &target).expect("the state is read");
                    let runs = last == Request && state.is_some_and(|s| s.phase != Phase::Ready);
                    let recorded = set_wanted(library, &target, current, blobs).expect("recorded");
                    assert_eq!(recorded.is_some(), runs, "{actions:?}");
                    version = recorded.or(version);
                }
                Waiting => {
                    set_stopped(library, &target, Phase::Paused, Reason::Offline)
                        .expect("recorded");
                }
                Complete => {
                    if let Some(version) = version {
                        set_ready(library, &target, version, 1).expect("recorded");
                    }
                }
            }
            if by_learner.contains(action) && (last != Remove || *action == Request) {
                last = *action;
            }
            let state = get(library, &target).expect("the state is read");
            match (last, state) {
                (Remove, state) => {
                    assert!(state.is_none(), "{actions:?}: removed");
                    assert_eq!((rows("version"), rows("need")), (0, 0), "{actions:?}");
                }
                (Pause, Some(state)) => {
                    let paused = (state.phase, state.reason) == (Phase::Paused, Reason::User);
                    let ready = state.phase == Phase::Ready && actions.contains(&Complete);
                    assert!(paused || ready, "{actions:?}: {state:?}");
                }
                (_, state) => assert!(state.is_some(), "{actions:?}"),
            }
            assert!(
                rows("version") <= 2,
                "{actions:?}: at most the requested and the ready version"
            );
        }
        remove(library, &target).expect("removed");
        assert_eq!((rows("version"), rows("need"), rows("download")), (0, 0, 0), "{actions:?}");
    }
}

#[tokio::test]
async fn a_removal_keeps_blobs_that_another_download_needs() {
    let dir = scratch();
    let content = library(dir.path());
    let library = &content.library;
    let blobs: Vec<ManifestBlob> = (0..3_000_u32)
        .map(|n| ManifestBlob {
            hash: BlobHash::of(&n.to_le_bytes()),
            size: 1,
            media_type: "text/plain".into(),
        })
        .collect();
    let targets = ["river", "pond"]
        .map(|id| DownloadTarget::whole(Kind::Story, &Slug::new(id).expect("a valid slug")));
    for (n, target) in targets.iter().enumerate() {
        request(library, target, true).expect("requested");
        // Each needs one blob that the other does not need.
        let needed = &blobs[n..blobs.len() - 1 + n];
        set_wanted(library, target, &manifest(n as u8, needed), needed).expect("recorded");
    }
    for blob in &blobs {
        let bytes = blob.hash.0;
        library
            .content_db()
            .write_blocking("queue.a_removal_keeps_blobs_that_another_download_needs", |c| {
                Ok(c.execute(
                    "INSERT INTO blob (hash, size, inline, kind, origin, used_ms, proved_ms) VALUES (?1, 1, 1, 0, 0, 0, 0)",
                    [bytes],
                )?)
            })
            .expect("the row is inserted");
    }
    remove(library, &targets[0]).expect("removed");
    let hashes: Vec<BlobHash> = blobs.iter().map(|b| b.hash).collect();
    let left = library.blobs().find_stored(&hashes).expect("the blobs are looked up");
    assert_eq!(
        left.len(),
        blobs.len() - 1,
        "the blob needed only by the removed download is deleted"
    );
    assert!(!left.contains(&hashes[0]));
}

/// Returns the CPU time of this thread, which does not depend on the load of the machine.
#[cfg(target_os = "linux")]
fn cpu_time_ns() -> u64 {
    let text =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat of this thread");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("the value is read")
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_time_of_a_removal_is_linear_in_its_blobs() {
    let time = |count: u32| {
        let dir = scratch();
        let content = library(dir.path());
        let library = &content.library;
        let blob = |n: u32| ManifestBlob {
            hash: BlobHash::of(&n.to_le_bytes()),
            size: 1,
            media_type: "text/plain".into(),
        };
        let blobs: Vec<ManifestBlob> = (0..count).map(blob).collect();
        let target = DownloadTarget::whole(Kind::Story, &Slug::new("river").expect("a valid slug"));
        request(library, &target, true).expect("requested");
        set_wanted(library, &target, &manifest(1, &blobs), &blobs).expect("recorded");
        let start = cpu_time_ns();
        remove(library, &target).expect("removed");
        cpu_time_ns() - start
    };
    let (few, many) = (time(5_000), time(40_000));
    assert!(many < 20 * few, "8 times the blobs took {} times the time", many / few);
}
