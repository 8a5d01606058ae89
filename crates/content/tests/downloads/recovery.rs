//! `content.db` is damaged, missing, or cannot be opened: downloaded content stays readable without a
//! network, no content is deleted, and the database is restored.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use carrel_content::{
    Kind,
    download::{Phase, Reason},
    storage::Storage,
};
use carrel_model::ErrorCode;
use carrel_sqlite::Cause;
use carrel_testkit::SmallDisk;
use tempfile::TempDir;

use crate::{
    client::{TestClient, is_long_run, scratch, target_of},
    fake_server::{Course, FakeServer, Fault},
};

/// Courses and a story, with small and large bodies.
fn courses() -> [Course; 4] {
    [
        Course::new("river", &[&[40_000, 900], &[70_000]]),
        Course::new("stone", &[&[35_000; 2], &[2_000; 12]]),
        Course::new("cloud", &[&[33_000], &[500; 3]]),
        Course::story("lantern", &[45_000, 800]),
    ]
}

fn offline() -> Arc<FakeServer> {
    let server = FakeServer::new();
    server.set_fault(Some(Fault::Refused));
    server
}

/// Returns a folder with the downloaded courses. `log`: with a write-ahead log, as after a kill.
async fn library(log: bool) -> (Arc<FakeServer>, TempDir) {
    let server = FakeServer::new();
    let client = TestClient::new(&server);
    for course in courses() {
        server.publish(&course);
        client.start(&course);
        client.wait_ready(&course).await;
    }
    client.content.library.storage().sweep().unwrap();
    let copy = scratch();
    if log {
        copy_folder(client.dir.path(), copy.path());
        assert!(copy.path().join("shared/content.db-wal").metadata().unwrap().len() > 0);
    } else {
        let client = client.restart().await;
        client.content.close();
        let dir = client.dir.clone();
        drop(client);
        copy_folder(dir.path(), copy.path());
    }
    (server, copy)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Returns all files except those of the database and the reserve file, with their lengths.
fn files(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if name.starts_with("content.db-") || name == "ballast" => {}
                false => drop(found.insert(entry.path(), entry.metadata().unwrap().len())),
            }
        }
    }
    found.retain(|path, _| !path.ends_with("account/cache.db") && !path.ends_with("filler"));
    found
}

/// Asserts that the manifests and all blobs can be read.
async fn assert_readable(client: &TestClient, what: &str) {
    for course in &courses() {
        let shown = client.content.library.manifest(course.kind(), &course.id).await;
        let shown = shown.unwrap_or_else(|e| panic!("{what}: {}: {e}", course.id)).value;
        assert_eq!(shown.manifest, course.manifest(), "{what}");
        for (blob, bytes) in &course.blobs {
            let stored = client.content.library.blobs().get(blob.hash);
            let stored = stored.unwrap_or_else(|e| panic!("{what}: {}: {e}", course.id));
            assert!(stored.as_ref() == Some(bytes), "{what}: a blob of {}", course.id);
        }
    }
}

async fn assert_ready(client: &TestClient, what: &str) {
    assert_readable(client, what).await;
    for course in &courses() {
        assert_eq!(client.state_of(course).phase, Phase::Ready, "{what}: {}", course.id);
        client.assert_complete(course);
    }
}

/// Pseudo-random numbers from a seed.
struct Rng(blake3::OutputReader);
impl Rng {
    fn new(what: &str, seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(what.as_bytes()).update(&seed.to_le_bytes());
        Self(hasher.finalize_xof())
    }
    fn below(&mut self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end.max(1)
    }
}

/// Opens the damaged copy without a network, twice.
async fn assert_recovers(copy: TempDir, what: &str) {
    let client = TestClient::in_dir(&offline(), copy);
    assert_readable(&client, what).await;
    // Ready downloads are complete already before the sweep.
    for course in &courses() {
        if client.state_of(course).phase == Phase::Ready {
            client.assert_complete(course);
        }
    }
    client.content.library.storage().sweep().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_readable(&client, what).await;
    let client = client.restart().await;
    client.content.library.storage().sweep().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_ready(&client, what).await;
}

#[tokio::test]
async fn flipped_bytes_in_the_index_lose_no_download() {
    let templates = [library(false).await, library(true).await];
    for seed in 0..if is_long_run() { 200 } else { 24 } {
        let (_, template) = &templates[seed as usize % 2];
        let copy = scratch();
        copy_folder(template.path(), copy.path());
        let mut rng = Rng::new("flips", seed);
        let count = 1 + rng.below(200);
        let log = seed % 4 == 3;
        let path =
            copy.path().join(if log { "shared/content.db-wal" } else { "shared/content.db" });
        let mut bytes = fs::read(&path).unwrap();
        for _ in 0..count {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 + rng.below(255) as u8;
        }
        fs::write(&path, bytes).unwrap();
        assert_recovers(copy, &format!("seed {seed}, {count} flips")).await;
    }
}

#[tokio::test]
async fn a_truncated_deleted_or_foreign_index_loses_no_download() {
    let (_, template) = library(false).await;
    let path = |dir: &TempDir| dir.path().join("shared/content.db");
    for seed in 0..if is_long_run() { 100 } else { 10 } {
        let copy = scratch();
        copy_folder(template.path(), copy.path());
        let len = fs::metadata(path(&copy)).unwrap().len();
        let cut = match seed {
            0 => 0,
            1 => 50,
            2 => 4096,
            _ => Rng::new("cut", seed).below(len),
        };
        let file = fs::File::options().write(true).open(path(&copy)).unwrap();
        file.set_len(cut).unwrap();
        assert_recovers(copy, &format!("cut to {cut} of {len}")).await;
    }
    for what in ["deleted", "text", "zeros"] {
        let copy = scratch();
        copy_folder(template.path(), copy.path());
        match what {
            "deleted" => fs::remove_file(path(&copy)).unwrap(),
            "text" => fs::write(path(&copy), "this is no database\n".repeat(900)).unwrap(),
            _ => fs::write(path(&copy), vec![0; 60_000]).unwrap(),
        }
        assert_recovers(copy, what).await;
    }
}

/// Wrong values in rows, which SQLite does not detect.
#[tokio::test]
async fn a_changed_row_is_corrected_from_its_record() {
    let (_, template) = library(false).await;
    for sql in [
        "UPDATE download SET account = 'asla' WHERE id = 'river'",
        "UPDATE download SET pinned = 0",
        "UPDATE download SET phase = 'reedy'",
        "UPDATE download SET ready = (SELECT version FROM version WHERE id = 'stone') WHERE id = 'river'",
        "UPDATE manifest SET signed = replace(signed, 'Lesson 1', 'Lesson 2')
           WHERE version IN (SELECT version FROM version WHERE id = 'stone')",
        "DELETE FROM manifest",
        "UPDATE version SET pins = 0",
        "UPDATE need SET hash = randomblob(32) WHERE hash IN (SELECT hash FROM need LIMIT 3)",
        "UPDATE blob_body SET body = zeroblob(length(body))",
        "UPDATE blob SET inline = 1 - inline",
        "DELETE FROM blob_body",
        "DELETE FROM blob",
        "DELETE FROM download",
        "DELETE FROM download; DELETE FROM dropped_download; DELETE FROM blob; DELETE FROM setting",
        "UPDATE signing_key SET key = replace(key, 'a', 'b')",
        "DELETE FROM schema_migration",
        "UPDATE schema_migration SET checksum = zeroblob(32)",
    ] {
        let copy = scratch();
        copy_folder(template.path(), copy.path());
        let path = copy.path().join("shared/content.db");
        let conn = carrel_sqlite::open(&path, carrel_sqlite::Options::default()).unwrap();
        conn.pragma_update(None, "foreign_keys", false).unwrap();
        conn.execute_batch(sql).unwrap();
        // Removed downloads are not restored.
        if sql == "DELETE FROM download" {
            drop(conn);
            let client = TestClient::in_dir(&offline(), copy);
            client.content.library.storage().sweep().unwrap();
            assert_eq!(client.state(&courses()[0].id).phase, Phase::Absent);
            let client = client.restart().await;
            assert_eq!(client.state(&courses()[0].id).phase, Phase::Absent, "after a restart");
            continue;
        }
        drop(conn);
        assert_recovers(copy, sql).await;
    }
}

/// A file that is unchanged since it was closed is compared with the records by the sweep, any other when it is opened.
#[tokio::test]
async fn an_unchanged_index_is_opened_without_comparing_all_records() {
    for what in ["closed", "closed and changed", "closed, then opened by a killed process"] {
        let (_, copy) = library(false).await;
        let path = copy.path().join("shared/content.db");
        let client = TestClient::in_dir(&offline(), copy);
        let unpin = |path: &Path| {
            let conn = carrel_sqlite::open(path, carrel_sqlite::Options::default()).unwrap();
            conn.execute("UPDATE download SET pinned = 0 WHERE id = 'river'", []).unwrap();
        };
        client.content.library.storage().close();
        let client = client
            .restart_after(|dir| {
                let closed = dir.join("shared/content.closed");
                let before = fs::metadata(&path).unwrap();
                unpin(&path);
                assert_eq!(fs::metadata(&path).unwrap().len(), before.len());
                match what {
                    "closed and changed" => assert!(closed.exists()),
                    "closed" => {
                        let file = fs::File::options().write(true).open(&path).unwrap();
                        file.set_modified(before.modified().unwrap()).unwrap();
                    }
                    _ => fs::remove_file(closed).unwrap(),
                }
            })
            .await;
        let is_pinned = || {
            let pinned = client.content.library.storage().db().read_blocking(|conn| {
                Ok(conn.query_row("SELECT pinned FROM download WHERE id = 'river'", [], |r| {
                    r.get::<_, bool>(0)
                })?)
            });
            pinned.unwrap()
        };
        assert_eq!(is_pinned(), what != "closed", "{what}: when it is opened");
        assert!(!client.dir.path().join("shared/content.closed").exists(), "{what}: used once");
        client.content.library.storage().sweep().unwrap();
        assert!(is_pinned(), "{what}: after the sweep");
    }
}

/// Downloads without records get their records from the sweep.
#[tokio::test]
async fn missing_records_are_written() {
    let (_, template) = library(false).await;
    fs::remove_dir_all(template.path().join("shared/records")).unwrap();
    let client = TestClient::in_dir(&offline(), template);
    assert_ready(&client, "without records").await;
    client.content.library.storage().sweep().unwrap();
    let client =
        client.restart_after(|dir| fs::remove_file(dir.join("shared/content.db")).unwrap()).await;
    assert_ready(&client, "rebuilt").await;
}

/// The sweep after a rebuild detects files whose bytes do not match their name.
#[tokio::test]
async fn files_are_hashed_before_an_index_counts_as_complete() {
    let (server, template) = library(false).await;
    let [river, stone, ..] = courses();
    let file = |dir: &Path, n: usize, course: &Course| {
        let hex = course.media()[n].hash.to_hex();
        dir.join("shared/blobs").join(&hex[..2]).join(hex)
    };
    let damaged = file(template.path(), 0, &river);
    let len = fs::metadata(&damaged).unwrap().len() as usize;
    fs::write(&damaged, vec![7; len]).unwrap();
    fs::remove_file(template.path().join("shared/content.db")).unwrap();
    let intact = file(template.path(), 0, &stone);
    let client = TestClient::in_dir(&offline(), template);
    let swept = client.content.library.storage().sweep().unwrap();
    assert!(swept.lost > 0, "{swept:?}");
    assert_ne!(client.state(&river.id).phase, Phase::Ready, "a file is corrupt");
    assert_eq!(client.state(&stone.id).phase, Phase::Ready);
    assert!(intact.exists());
    drop(server);
}

/// Without index and records, blob files are kept, and downloads do not fetch them again.
#[tokio::test]
async fn files_without_a_row_are_kept_when_the_index_is_recreated() {
    let (server, template) = library(false).await;
    let path = |name: &str| template.path().join("shared").join(name);
    fs::remove_dir_all(path("records")).unwrap();
    fs::remove_file(path("content.db")).unwrap();
    let before: BTreeMap<_, _> = files(&path("blobs"));
    assert!(before.len() >= 4, "{before:?}");
    server.reset_counts();
    let (blobs, count) = (path("blobs"), before.len());
    let client = TestClient::in_borrowed_dir(&server, template.path());
    let swept = client.content.library.storage().sweep().unwrap();
    assert_eq!((swept.orphans, swept.adopted), (0, count), "{swept:?}");
    assert_eq!(files(&blobs), before);
    for course in &courses() {
        client.start(course);
        client.wait_ready(course).await;
        client.assert_complete(course);
        for blob in course.media().iter().filter(|b| b.size > 32 * 1024) {
            assert_eq!(server.sent(blob.hash), 0, "{}: the file was stored", course.id);
        }
    }
}

/// Asserts that a store in degraded mode is readable and not changed.
async fn assert_degraded(
    client: &TestClient,
    cause: Cause,
    before: &BTreeMap<PathBuf, u64>,
    what: &str,
) {
    let storage = client.content.library.storage();
    assert_eq!(storage.degraded(), Some(cause), "{what}");
    assert!(storage.shortage().is_some(), "{what}: the shortage is reported");
    assert_ready(client, what).await;
    assert_eq!(storage.sweep().unwrap(), Default::default(), "{what}");
    assert_eq!(storage.evict(u64::MAX).unwrap(), 0, "{what}");
    let code = if cause == Cause::Full { ErrorCode::DiskFull } else { ErrorCode::Storage };
    let started = client.downloads().start(Kind::Course, &courses()[0].id).unwrap_err();
    assert_eq!(started.code(), code, "{what}");
    let removed = client.downloads().remove(Kind::Course, &courses()[0].id).unwrap_err();
    assert_eq!(removed.code(), code, "{what}");
    assert!(!storage.recheck().unwrap(), "{what}");
    assert_eq!(&files(client.dir.path()), before, "{what}: the files are unchanged");
}

async fn assert_reopened(client: &TestClient, what: &str) {
    let storage = client.content.library.storage();
    assert!(storage.recheck().unwrap(), "{what}");
    assert_eq!((storage.degraded(), storage.shortage()), (None, None), "{what}");
    assert_ready(client, what).await;
    storage.sweep().unwrap();
    assert_ready(client, what).await;
}

#[tokio::test]
async fn an_unusable_index_is_not_changed_and_content_is_readable() {
    for what in ["locked", "newer", "edited", "foreign"] {
        let (_, copy) = library(false).await;
        let path = copy.path().join("shared/content.db");
        let backup = copy.path().join("kept.db");
        fs::copy(&path, &backup).unwrap();
        let conn = carrel_sqlite::open(&path, carrel_sqlite::Options::default()).unwrap();
        let (sql, cause) = match what {
            "locked" => ("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT", Cause::Busy),
            "newer" => {
                ("INSERT INTO schema_migration VALUES (99, 'later', x'00', 0)", Cause::Newer)
            }
            "edited" => (
                "ALTER TABLE near RENAME TO nearer; UPDATE schema_migration SET checksum = x'00' WHERE number = 2",
                Cause::Other,
            ),
            _ => ("", Cause::Other),
        };
        conn.execute_batch(sql).unwrap();
        let lock = (what == "locked").then_some(conn);
        if what == "foreign" {
            fs::remove_file(&path).unwrap();
            let other = carrel_sqlite::open(&path, carrel_sqlite::Options::default()).unwrap();
            other.execute_batch("CREATE TABLE notes (n)").unwrap();
        }
        let before = files(copy.path());
        let client = TestClient::in_dir(&offline(), copy);
        let mut before = before;
        before.extend(
            files(client.dir.path())
                .into_iter()
                .filter(|(p, _)| p.starts_with(client.dir.path().join("account"))),
        );
        assert_degraded(&client, cause, &before, what).await;
        drop(lock);
        if what != "locked" {
            fs::copy(client.dir.path().join("kept.db"), &path).unwrap();
            let _ = fs::remove_file(path.with_extension("db-wal"));
            let _ = fs::remove_file(path.with_extension("db-shm"));
        }
        assert_reopened(&client, what).await;
    }
}

#[tokio::test]
async fn content_on_a_read_only_file_system_is_readable() {
    let Some(disk) = SmallDisk::new(16 << 20) else { return };
    let (_, template) = library(false).await;
    copy_folder(template.path(), disk.path());
    disk.set_read_only(true);
    let before = files(disk.path());
    let client = TestClient::in_borrowed_dir(&offline(), disk.path());
    assert_degraded(&client, Cause::Denied, &before, "read-only").await;
    disk.set_read_only(false);
    assert_reopened(&client, "writable again").await;
}

/// 0 to 512 KiB of free space, with and without the reserve file, for each action.
#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let Some(disk) = SmallDisk::new(6 << 20) else { return };
    let (server, template) = library(false).await;
    let new_course = Course::new("grass", &[&[36_000, 700]]);
    server.publish(&new_course);
    let update = courses()[1].with_another(0, 1);
    let step = if is_long_run() { 4 } else { 52 };
    let (mut degraded, mut stopped) = (0, 0);
    for (n, free) in (0..=512_u64).step_by(step).enumerate() {
        for action in ["start", "download", "update", "restart"] {
            let what = format!("{free} KiB, {action}");
            disk.clear();
            copy_folder(template.path(), disk.path());
            if n % 2 == 0 {
                fs::remove_file(disk.path().join("shared/ballast")).unwrap();
            }
            let filler = disk.fill(free * 1024);
            let client = TestClient::in_borrowed_dir(&server, disk.path());
            let storage = client.content.library.storage().clone();
            degraded += usize::from(storage.degraded().is_some());
            if storage.degraded().is_some() {
                assert_eq!(storage.degraded(), Some(Cause::Full), "{what}");
                assert!(storage.shortage().is_some(), "{what}: the shortage is reported");
            }
            assert_ready(&client, &what).await;
            let _ = storage.sweep();
            assert_ready(&client, &what).await;
            if action == "download" || action == "update" {
                let wanted = if action == "update" { &update } else { &new_course };
                server.publish(wanted);
                match client.downloads().start(Kind::Course, &wanted.id) {
                    Ok(_) => {
                        let settled = |s: &carrel_content::download::State| {
                            s.phase == Phase::Ready
                                || (s.phase == Phase::Paused && s.reason == Reason::DiskFull)
                                || s.phase == Phase::Failed
                        };
                        let state = client.wait_advancing(&target_of(wanted), &what, settled).await;
                        assert_ne!(state.phase, Phase::Failed, "{what}");
                        stopped += usize::from(state.phase == Phase::Paused);
                    }
                    Err(e) => {
                        assert_eq!(e.code(), ErrorCode::DiskFull, "{what}: {e}");
                        stopped += 1;
                    }
                }
            }
            drop(storage);
            let client = if action == "restart" { client.restart().await } else { client };
            if action != "update" {
                assert_readable(&client, &what).await;
            }
            assert!(!disk.path().join("shared/content.db.damaged").exists(), "{what}");
            fs::remove_file(filler).unwrap();
            let storage = client.content.library.storage();
            if storage.shortage().is_some() {
                assert!(storage.recheck().unwrap(), "{what}");
            }
            assert_eq!((storage.degraded(), storage.shortage()), (None, None), "{what}");
            storage.sweep().unwrap();
            let shown = match action {
                "update" => Some(&update),
                "download" => Some(&new_course),
                _ => None,
            };
            if let Some(course) = shown {
                client.start(course);
                client.wait_ready(course).await;
                client.assert_complete(course);
            }
            server.publish(&courses()[1]);
            let client = client.restart().await;
            let course = &courses()[0];
            assert_eq!(client.state_of(course).phase, Phase::Ready, "{what}");
            client.assert_complete(course);
            if action != "update" {
                assert_ready(&client, &what).await;
            }
            client.content.close();
        }
    }
    assert!(degraded > 0 && stopped > 0, "the disk was never full: {degraded} and {stopped}");
}

#[tokio::test]
async fn damage_detected_while_the_app_runs_is_repaired() {
    let (_, copy) = library(false).await;
    let client = TestClient::in_dir(&offline(), copy);
    assert_ready(&client, "before").await;
    let path = client.dir.path().join("shared/content.db");
    // Under the write lock: empties the WAL, damages the file, and drops cached pages.
    let damaged = client.content.library.storage().db().with_connection(|conn| {
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let mut bytes = fs::read(&path)?;
        bytes[4096..].fill(0x5a);
        fs::write(&path, bytes)?;
        conn.flush_prepared_statement_cache();
        Ok(conn.execute_batch("PRAGMA cache_size = 0; PRAGMA shrink_memory")?)
    });
    damaged.unwrap();
    assert_readable(&client, "damaged while open").await;
    let storage: &Storage = client.content.library.storage();
    // Readers may have cached all pages; the writer has none. The sweep that detects the damage fails.
    let _ = storage.sweep();
    assert!(
        client.dir.path().join("shared/content.db.damaged").exists(),
        "the damaged file was renamed"
    );
    storage.sweep().unwrap();
    assert_ready(&client, "repaired").await;
}

/// The app is killed while it deletes the files of a removed download, and the index is lost before
/// the next start.
#[tokio::test]
async fn a_removed_download_is_not_restored_from_its_record() {
    let (_, template) = library(false).await;
    let snapshot = scratch();
    let (from, to) = (template.path().to_owned(), snapshot.path().to_owned());
    let failpoints = Arc::new(move |step: &'static str| {
        if step == "marked" && !to.join("shared").exists() {
            copy_folder(&from, &to);
        }
    });
    let [river, others @ ..] = courses();
    let client = TestClient::with_failpoints(&offline(), template.path(), failpoints);
    client.downloads().remove(Kind::Course, &river.id).unwrap();
    client.content.close();
    fs::remove_file(snapshot.path().join("shared/content.db")).expect("the step was reached");
    let _ = fs::remove_file(snapshot.path().join("shared/content.db-wal"));
    let _ = fs::remove_file(snapshot.path().join("shared/content.db-shm"));
    let client = TestClient::in_dir(&offline(), snapshot);
    client.content.library.storage().sweep().unwrap();
    assert_eq!(client.state_of(&river).phase, Phase::Absent);
    for course in &others {
        assert_eq!(client.state_of(course).phase, Phase::Ready, "{}", course.id);
        client.assert_complete(course);
    }
}

/// Kills a process at steps of downloading, updating and removing, opens the store again with a network,
/// then rebuilds the index.
#[tokio::test]
async fn a_kill_at_any_step_leaves_a_rebuildable_library() {
    const STEP: &str = "CARREL_TEST_STEP";
    const DIR: &str = "CARREL_TEST_DIR";
    let publish = || {
        let server = FakeServer::new();
        for course in &courses() {
            server.publish(course);
        }
        server
    };
    if let (Ok(step), Ok(dir)) = (std::env::var(STEP), std::env::var(DIR)) {
        let (name, count) = step.split_once(':').unwrap();
        let (name, left) = (name.to_owned(), AtomicU32::new(count.parse().unwrap()));
        let failpoints = Arc::new(move |step: &'static str| {
            if step == name && left.fetch_sub(1, Ordering::SeqCst) == 1 {
                std::process::abort();
            }
        });
        let server = publish();
        let client = TestClient::with_failpoints(&server, Path::new(&dir), failpoints);
        for course in &courses() {
            client.start(course);
            client.wait_ready(course).await;
        }
        let [river, stone, ..] = courses();
        server.publish(&stone.with_another(0, 1));
        client.start(&stone);
        client.wait_ready(&stone).await;
        client.downloads().remove(Kind::Course, &river.id).unwrap();
        return;
    }
    let each = [
        ("renamed", 5),
        ("admitted", 12),
        ("packed", 4),
        ("recorded", 8),
        ("record removed", 1),
        ("marked", 1),
        ("unlinked", 2),
    ];
    let runs = if is_long_run() { 500 } else { 21 };
    let mut killed = 0;
    for run in 0..runs {
        let (name, max) = each[run % each.len()];
        let step = format!("{name}:{}", 1 + (run / each.len()) % max);
        let dir = scratch();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "recovery::a_kill_at_any_step_leaves_a_rebuildable_library"])
            .env(STEP, &step)
            .env(DIR, dir.path())
            .output()
            .unwrap();
        killed += usize::from(!child.status.success());
        let client = TestClient::in_dir(&publish(), dir);
        client.content.library.storage().sweep().unwrap();
        for course in &courses() {
            if client.state_of(course).phase == Phase::Ready {
                let shown =
                    client.content.library.manifest(course.kind(), &course.id).await.unwrap();
                for blob in &shown.value.manifest.blobs {
                    assert!(client.content.library.blobs().verify(blob.hash).unwrap(), "{step}");
                }
            }
            client.start(course);
            client.wait_ready(course).await;
        }
        let client = client
            .restart_after(|dir| fs::remove_file(dir.join("shared/content.db")).unwrap())
            .await;
        client.content.library.storage().sweep().unwrap();
        assert_ready(&client, &step).await;
        client.content.close();
    }
    assert!(killed * 10 >= runs * 9, "{killed} of {runs} processes were killed");
}
