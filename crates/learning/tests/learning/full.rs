//! `user.db` on a full disk, in a read-only folder, without file descriptors, and locked by another program: the store
//! opens whenever the file can be read, reports why it cannot be written, loses no row, and can be written as soon as
//! the cause no longer exists.
//!
//! A small file system in memory and a process of another user require root; without it, these tests print a note and
//! pass.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use carrel_learning::{Error, Learning, store::Store};
use carrel_sqlite::{Cause, DatabaseError};
use carrel_testkit::{
    FakeClock, SeededIds, SmallDisk,
    scratch::copy_dir,
    work::{finished, options},
};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

#[expect(clippy::print_stderr, reason = "a skipped test prints a note")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

fn open(dir: &Path, clock: &FakeClock) -> carrel_learning::Result<(Arc<Store>, Learning)> {
    let store = Arc::new(Store::open(dir, options(1, clock))?);
    Ok((store.clone(), Learning::new(store, Arc::new(SeededIds::new(1)))))
}
async fn done_count(learning: &Learning) -> usize {
    learning.done_sections("a").await.unwrap().len()
}
async fn finish_sections(
    learning: &Learning,
    from: usize,
    to: usize,
) -> carrel_learning::Result<()> {
    for n in from..to {
        learning.record(finished(&format!("a/b/s{n}"))).await?;
    }
    Ok(())
}
fn has_repair_files(dir: &Path) -> bool {
    let mut names = fs::read_dir(dir).unwrap().flatten().map(|f| f.file_name());
    names.any(|n| {
        let name = n.to_string_lossy().into_owned();
        name.contains("damaged") || name.contains("recover")
    })
}

/// Free space from 0 to 512 KiB; in steps of 4 KiB if `CARREL_LONG` is set.
fn free_space_sizes() -> impl Iterator<Item = u64> {
    let step = if std::env::var_os("CARREL_LONG").is_some() { 4 } else { 32 };
    (0..=512).step_by(step).map(|kib| kib * KIB)
}

/// Creates a folder with 30 finished sections. `killed`: with a log that is not checkpointed.
async fn folder(dir: &Path, clock: &FakeClock, killed: bool) {
    let from = tempfile::tempdir().unwrap();
    let (store, learning) = open(from.path(), clock).unwrap();
    finish_sections(&learning, 0, 30).await.unwrap();
    if !killed {
        store.close().await;
    }
    copy_dir(from.path(), dir).unwrap();
}

#[tokio::test]
async fn at_any_free_space_the_account_opens_and_progress_is_recorded() {
    let Some(disk) = SmallDisk::new(12 * MIB) else { return };
    for left in free_space_sizes() {
        for killed in [false, true] {
            let what = format!("{left} bytes free, killed {killed}");
            let (dir, clock) = (disk.path().join("work"), FakeClock::noon());
            folder(&dir, &clock, killed).await;
            let filler = disk.fill(left);
            // Starts twice on the full disk: the reserve is released in pieces, not as a whole.
            for round in 1..3 {
                let (store, learning) = open(&dir, &clock).unwrap();
                assert!(store.read_only().is_none(), "{what}: {:?}", store.read_only());
                assert_eq!(done_count(&learning).await, 30 * round, "{what}");
                finish_sections(&learning, 30 * round, 30 * (round + 1)).await.expect(&what);
                // A backup may fail for lack of space.
                assert!(store.maintain().await.err().is_none_or(|e| e.is_full()), "{what}");
                store.close().await;
            }
            fs::remove_file(filler).unwrap();
            let (store, learning) = open(&dir, &clock).unwrap();
            assert_eq!(done_count(&learning).await, 90, "{what}");
            assert_eq!(fs::metadata(dir.join("ballast")).unwrap().len(), 4 * MIB, "{what}");
            store.close().await;
            assert!(!has_repair_files(&dir), "{what}");
            drop((store, learning));
            fs::remove_dir_all(&dir).unwrap();
        }
    }
}

#[tokio::test]
async fn without_a_reserve_the_account_opens_read_only_with_a_reason() {
    let Some(disk) = SmallDisk::new(8 * MIB) else { return };
    let (mut read_only, mut live) = (0, 0);
    for left in free_space_sizes() {
        for killed in [false, true] {
            let what = format!("{left} bytes free, killed {killed}");
            let (dir, clock) = (disk.path().join("work"), FakeClock::noon());
            folder(&dir, &clock, killed).await;
            // Deleted, as if released by an earlier run.
            fs::remove_file(dir.join("ballast")).unwrap();
            let filler = disk.fill(left);
            let (store, learning) = open(&dir, &clock).unwrap();
            assert_eq!(done_count(&learning).await, 30, "{what}");
            let written = match store.read_only() {
                Some(why) => {
                    assert!(why.is_full(), "{what}: {why}");
                    assert!(!why.hint().is_empty());
                    read_only += 1;
                    let refused = finish_sections(&learning, 30, 31).await.unwrap_err();
                    assert!(refused.is_full(), "{what}: {refused}");
                    0
                }
                None => {
                    live += 1;
                    let mut written = 0;
                    while written < 20 {
                        match finish_sections(&learning, 30 + written, 31 + written).await {
                            Ok(()) => written += 1,
                            Err(e) if e.is_full() => break,
                            Err(e) => panic!("{what}: {e:?}"),
                        }
                    }
                    written
                }
            };
            assert_eq!(
                done_count(&learning).await,
                30 + written,
                "{what}: exactly the acknowledged rows"
            );
            assert!(!has_repair_files(&dir), "{what}");
            // Once there is space, the same store can be written, without a restart.
            fs::remove_file(filler).unwrap();
            finish_sections(&learning, 60, 70).await.expect(&what);
            assert!(store.read_only().is_none());
            assert_eq!(done_count(&learning).await, 40 + written, "{what}");
            store.close().await;
            drop((store, learning));
            let (store, learning) = open(&dir, &clock).unwrap();
            assert_eq!(done_count(&learning).await, 40 + written, "{what}");
            store.close().await;
            drop((store, learning));
            fs::remove_dir_all(&dir).unwrap();
        }
    }
    assert!(read_only > 0 && live > 0, "{read_only} opened read-only, {live} for writing");
}

#[tokio::test]
async fn a_damaged_file_on_a_full_disk_is_read_and_repaired_when_there_is_space() {
    let Some(disk) = SmallDisk::new(8 * MIB) else { return };
    for left in [0, 60 * KIB] {
        let (dir, clock) = (disk.path().join("work"), FakeClock::noon());
        folder(&dir, &clock, false).await;
        fs::remove_file(dir.join("ballast")).unwrap();
        fs::write(dir.join("user.db"), "no database\n".repeat(1_000)).unwrap();
        let filler = disk.fill(left);
        let (store, learning) = open(&dir, &clock).unwrap();
        assert!(store.read_only().is_some_and(|e| e.is_full()), "{:?}", store.read_only());
        assert_eq!(done_count(&learning).await, 30, "restored from the journal");
        assert!(!dir.join("user.damaged-0.db").exists());
        assert_eq!(
            fs::metadata(dir.join("user.db")).unwrap().len(),
            12_000,
            "the damaged file is unchanged"
        );
        fs::remove_file(filler).unwrap();
        finish_sections(&learning, 30, 31).await.unwrap();
        assert!(store.opened().damaged_file_kept);
        assert_eq!(done_count(&learning).await, 31);
        store.close().await;
        drop((store, learning));
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[tokio::test]
async fn the_store_is_readable_on_a_read_only_file_system() {
    let Some(disk) = SmallDisk::new(12 * MIB) else { return };
    for killed in [false, true] {
        let (dir, clock) = (disk.path().join(format!("work-{killed}")), FakeClock::noon());
        folder(&dir, &clock, killed).await;
        disk.set_read_only(true);
        let (store, learning) = open(&dir, &clock).unwrap();
        assert!(
            store.read_only().is_some_and(|e| e.cause() == Some(Cause::Denied)),
            "{:?}",
            store.read_only()
        );
        assert_eq!(done_count(&learning).await, 30);
        let refused = finish_sections(&learning, 30, 31).await.unwrap_err();
        assert!(
            (refused.cause() == Some(Cause::Denied)) && !refused.hint().is_empty(),
            "{refused}"
        );
        disk.set_read_only(false);
        finish_sections(&learning, 30, 32).await.unwrap();
        assert_eq!(done_count(&learning).await, 32);
        assert!(store.read_only().is_none() && !has_repair_files(&dir));
        store.close().await;
    }
}

#[tokio::test]
async fn the_store_is_readable_while_another_program_locks_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (work, clock) = (dir.path().join("work"), FakeClock::noon());
    folder(&work, &clock, false).await;
    let quick = carrel_sqlite::Options { create: false, ..Default::default() };
    let other = carrel_sqlite::open(&work.join("user.db"), quick).unwrap();
    let lock = "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; UPDATE sync_state SET rev = rev; COMMIT; \
                BEGIN EXCLUSIVE";
    other.execute_batch(lock).unwrap();
    let (store, learning) = open(&work, &clock).unwrap();
    assert!(
        store.read_only().is_some_and(|e| e.cause() == Some(Cause::Busy)),
        "{:?}",
        store.read_only()
    );
    assert_eq!(done_count(&learning).await, 30);
    other.execute_batch("COMMIT").unwrap();
    drop(other);
    finish_sections(&learning, 30, 32).await.unwrap();
    assert_eq!(done_count(&learning).await, 32);

    // A second Carrel can read the data while the first one runs, and write after that one is closed.
    let (second, reading) = open(&work, &clock).unwrap();
    let why = second.read_only().unwrap();
    assert!(
        why.cause() == Some(Cause::Busy) && why.to_string().contains("another Carrel"),
        "{why}"
    );
    assert_eq!(done_count(&reading).await, 32);
    assert!(finish_sections(&reading, 40, 41).await.unwrap_err().cause() == Some(Cause::Busy));
    store.close().await;
    finish_sections(&reading, 40, 41).await.unwrap();
    assert_eq!(done_count(&reading).await, 33);
    assert!(!has_repair_files(&work));
}

const CHILD_DIR: &str = "CARREL_TEST_DIR";
const CHILD_EXPECTS: &str = "CARREL_TEST_EXPECTS";

/// Opens the folder as another user, or with few file descriptors.
#[tokio::test]
#[ignore = "started as a process by the tests below"]
async fn child() {
    let (Ok(dir), Ok(expected)) = (std::env::var(CHILD_DIR), std::env::var(CHILD_EXPECTS)) else {
        return;
    };
    let (dir, clock) = (PathBuf::from(dir), FakeClock::noon());
    match (expected.as_str(), open(&dir, &clock)) {
        ("writing", Ok((store, learning))) => {
            assert!(store.read_only().is_none(), "{:?}", store.read_only());
            let now = done_count(&learning).await;
            finish_sections(&learning, now, now + 1).await.unwrap();
            assert_eq!(done_count(&learning).await, now + 1);
            store.close().await;
        }
        ("reading", Ok((store, learning))) => {
            assert!(
                store.read_only().is_some_and(|e| e.cause() == Some(Cause::Denied)),
                "{:?}",
                store.read_only()
            );
            assert!(done_count(&learning).await >= 30);
            let refused = finish_sections(&learning, 90, 91).await.unwrap_err();
            assert!((refused.cause() == Some(Cause::Denied)), "{refused:?}");
        }
        ("nothing", Err(e)) => {
            assert!((e.cause() == Some(Cause::Denied)) && !e.hint().is_empty(), "{e:?}");
        }
        ("anything", Ok((store, learning))) => {
            let found = learning.done_sections("a").await;
            assert!(found.as_ref().is_ok_and(|f| f.len() == 30) || found.is_err(), "{found:?}");
            store.close().await;
        }
        ("anything", Err(Error::Storage(_))) => {}
        (expected, opened) => {
            panic!("expected {expected}, got {:?}", opened.map(|(s, _)| s.read_only()))
        }
    }
}

const NOBODY: u32 = 65_534;

#[cfg(unix)]
fn as_nobody(program: &Path, dir: &Path, expected: &str) -> Option<Output> {
    use std::os::unix::process::CommandExt;
    Command::new(program)
        .args(["--exact", "full::child", "--ignored", "--nocapture"])
        .env(CHILD_DIR, dir)
        .env(CHILD_EXPECTS, expected)
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .output()
        .ok()
}

#[cfg(unix)]
#[tokio::test]
async fn missing_permissions_are_reported() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let chmod = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(dir.path(), 0o755);
    let program = dir.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    chmod(&program, 0o755);
    let clock = FakeClock::noon();
    for killed in [false, true] {
        let work = dir.path().join(format!("work-{killed}"));
        folder(&work, &clock, killed).await;
        let chown = |owner: &str| {
            Command::new("chown").args(["-R", owner]).arg(&work).status().is_ok_and(|s| s.success())
        };
        if !chown("65534:65534") {
            return skipped("a process of another user cannot be started here (root is needed)");
        }
        let run = |what: &str, expected: &str| {
            let output = as_nobody(&program, &work, expected).unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{what}, killed {killed}: {text}");
            assert!(!has_repair_files(&work), "{what}, killed {killed}");
        };
        let file = |name: &str| work.join(name);
        chmod(&work, 0o555);
        // The log of a killed run exists and is writable, so no new file has to be created in the folder.
        run("the folder cannot be written", if killed { "writing" } else { "reading" });
        chmod(&file("user.db"), 0o444);
        run("neither folder nor file can be written", "reading");
        chmod(&work, 0o755);
        run("the file cannot be written", "reading");
        chmod(&file("user.db"), 0o000);
        run("the file cannot be read", "nothing");
        chmod(&file("user.db"), 0o600);
        chmod(&work, 0o000);
        run("the folder cannot be entered", "nothing");
        chmod(&work, 0o755);
        std::os::unix::fs::chown(file("user.lock"), Some(0), Some(0)).unwrap();
        chmod(&file("user.lock"), 0o600);
        run("the lock belongs to another user", "reading");
        assert!(chown("65534:65534"));
        run("permissions are restored", "writing");
        run("the following start", "writing");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn without_file_descriptors_no_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    for killed in [false, true] {
        let work = dir.path().join(format!("work-{killed}"));
        folder(&work, &clock, killed).await;
        for limit in 5..30 {
            let program = std::env::current_exe().unwrap();
            let line = format!(
                "ulimit -n {limit} && exec '{}' --exact full::child --ignored --nocapture",
                program.display()
            );
            let output = Command::new("sh")
                .args(["-c", &line])
                .env(CHILD_DIR, &work)
                .env(CHILD_EXPECTS, "anything")
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            // With very few descriptors the runtime of the test cannot start.
            let no_runtime =
                text.contains("/tokio-") || text.contains("Failed building the Runtime");
            let started = output.status.success() || no_runtime;
            assert!(started, "{limit} descriptors, killed {killed}: {text}");
            assert!(!has_repair_files(&work), "{limit} descriptors, killed {killed}");
        }
        let (store, learning) = open(&work, &clock).unwrap();
        assert_eq!(done_count(&learning).await, 30);
        assert!(store.read_only().is_none());
        finish_sections(&learning, 30, 31).await.unwrap();
        store.close().await;
    }
}
