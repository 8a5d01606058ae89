//! Processes killed at steps of storing and removing blobs, and the next start. The test program starts
//! itself with the name of a step, at which it aborts without unwinding.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use carrel_content::{blobs::BlobOrigin, storage::Failpoints};
use carrel_model::BlobHash;

use crate::support::*;

pub const STEP: &str = "CARREL_TEST_STEP";
pub const DIR: &str = "CARREL_TEST_DIR";

fn kept_courses() -> Vec<(BlobHash, Bytes)> {
    [course(1, 5, 60 * KIB), course(2, 5, KIB)].concat()
}
fn removed_course() -> Vec<(BlobHash, Bytes)> {
    [course(3, 300, 40 * KIB), course(4, 20, KIB)].concat()
}

/// The process that is killed. `CARREL_TEST_STEP` is `name:count`.
#[test]
#[ignore = "started by the other tests of this file"]
fn child() {
    let (Ok(step), Ok(dir)) = (std::env::var(STEP), std::env::var(DIR)) else { return };
    let storage = with_failpoints(Path::new(&dir), abort_at(&step));
    storage.set_limits(Some(GIB), Some(0)).unwrap();
    store_course(&storage, "asha", "kept", &kept_courses(), true);
    store_course(&storage, "asha", "going", &removed_course(), true);
    delete_download(&storage, "asha", "going");
    storage.clear_cache().unwrap();
}

/// Returns a callback that aborts the process at the given occurrence of a step, `name:count`.
pub fn abort_at(step: &str) -> Failpoints {
    let (name, count) = step.split_once(':').unwrap();
    let (name, left) = (name.to_owned(), AtomicU32::new(count.parse().unwrap()));
    Arc::new(move |step| {
        if step == name && left.fetch_sub(1, Ordering::SeqCst) == 1 {
            std::process::abort();
        }
    })
}

fn run_child(dir: &Path, step: &str) -> bool {
    run_test(dir, step, "kill::child")
}

/// Runs one test of this program in a new process; returns whether it succeeded.
pub fn run_test(dir: &Path, step: &str, test: &str) -> bool {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .env(STEP, step)
        .env(DIR, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

#[test]
fn a_kill_at_any_step_loses_nothing_and_leaves_no_orphans() {
    // Step; whether the kept course was being fetched and may be incomplete.
    let steps = [
        ("renamed:1", true),
        ("renamed:5", true),
        ("renamed:100", false),
        ("admitted:3", true),
        ("admitted:200", false),
        ("marked:1", false),
        ("unlinked:1", false),
        ("unlinked:77", false),
        ("unlinked:128", false),
        ("marked:2", false),
        ("unlinked:300", false),
    ];
    for (step, fetching) in steps {
        let dir = scratch();
        assert!(!run_child(dir.path(), step), "{step}: the process was not killed");
        let (storage, ..) = small_store(dir.path(), GIB);
        storage.sweep().unwrap();
        assert_consistent(&storage);
        let missing =
            kept_courses().iter().filter(|(h, _)| !storage.blobs().has(*h).unwrap()).count();
        assert!(fetching || missing == 0, "{step}: {missing} blobs of a pinned course are missing");
        // The download continues.
        for (hash, bytes) in kept_courses() {
            storage.blobs().put_with_origin(hash, &bytes, BlobOrigin::Prefetched).unwrap();
        }
        delete_download(&storage, "asha", "going");
        storage.clear_cache().unwrap();
        assert!(kept_courses().iter().all(|(h, _)| storage.blobs().verify(*h).unwrap()), "{step}");
        assert!(removed_course().iter().all(|(h, _)| !storage.blobs().has(*h).unwrap()), "{step}");
        assert_consistent(&storage);
    }
    let dir = scratch();
    assert!(run_child(dir.path(), "never:1"), "the process succeeds without a kill");
}

#[test]
fn a_sweep_finds_orphans_and_missing_files() {
    let dir = scratch();
    let (storage, ..) = small_store(dir.path(), GIB);
    let blobs = course(1, 3, 60 * KIB);
    store_course(&storage, "asha", "one", &blobs, true);
    let path = |hash: BlobHash, end: &str| {
        let hex = hash.to_hex();
        let folder = dir.path().join("blobs").join(&hex[..2]);
        std::fs::create_dir_all(&folder).unwrap();
        folder.join(format!("{hex}{end}"))
    };
    // A file without a row, partial files that are needed and not needed, and the second partial file of
    // an ended process.
    let (orphan, bytes) = blob(50, 40 * KIB);
    std::fs::write(path(orphan, ""), &bytes).unwrap();
    let (unwanted, _) = blob(51, 40 * KIB);
    std::fs::write(path(unwanted, ".part"), b"begun").unwrap();
    std::fs::write(path(unwanted, ".77-0.part"), b"begun").unwrap();
    let (wanted, large) = blob(52, 90 * KIB);
    insert_download(&storage, "asha", "two", &[(wanted, large.len() as u64)], true, false);
    std::fs::write(path(wanted, ".part"), &large[..1000]).unwrap();
    // A partial file that is being written.
    let (writing, more) = blob(53, 90 * KIB);
    let mut part = storage.blobs().part(writing).unwrap();
    part.write(&more[..500]).unwrap();
    // A file of a ready course was deleted, and another one truncated.
    std::fs::remove_file(path(blobs[0].0, "")).unwrap();
    std::fs::write(path(blobs[1].0, ""), b"short").unwrap();

    let swept = storage.sweep().unwrap();
    assert_eq!((swept.orphans, swept.parts, swept.lost), (1, 2, 2));
    assert!(
        !path(orphan, "").exists()
            && !path(unwanted, ".part").exists()
            && !path(unwanted, ".77-0.part").exists()
    );
    assert_eq!(
        number(&storage, "SELECT count(*) FROM part WHERE bytes = 1000"),
        1,
        "a needed partial file is kept and counted"
    );
    assert_eq!(
        number(&storage, "SELECT count(*) FROM download WHERE id = 'one' AND phase = 'queued'"),
        1,
        "the download is queued again"
    );
    let version = number(&storage, "SELECT ready FROM download WHERE id = 'one'");
    assert_eq!(storage.blobs().missing(version).unwrap().len(), 2);
    part.write(&more[500..]).unwrap();
    part.finish().unwrap();
    assert!(storage.blobs().verify(writing).unwrap(), "the sweep does not affect an active writer");
    assert_eq!(storage.sweep().unwrap(), Default::default(), "a second sweep finds nothing");
    assert_consistent(&storage);
}

#[test]
fn two_writers_of_one_blob_use_separate_files() {
    let dir = scratch();
    let (storage, clock, disk) = small_store(dir.path(), GIB);
    let other = open(dir.path(), disk, &clock);
    let (hash, bytes) = blob(1, 200 * KIB);
    let (mut one, mut two) =
        (storage.blobs().part(hash).unwrap(), other.blobs().part(hash).unwrap());
    one.write(&bytes[..100_000]).unwrap();
    two.write(&bytes[..50_000]).unwrap();
    two.restart().unwrap();
    one.write(&bytes[100_000..]).unwrap();
    two.write(&bytes).unwrap();
    one.finish().unwrap();
    assert!(other.blobs().verify(hash).unwrap());
    two.finish().unwrap();
    assert!(storage.blobs().verify(hash).unwrap());
    storage.sweep().unwrap();
    assert_consistent(&storage);
    assert_eq!(number(&storage, "SELECT count(*) FROM part"), 0);
}
