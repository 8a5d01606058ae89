//! `content.db` is destroyed, gone, or cannot be opened: what was downloaded is read with the network off, nothing is
//! deleted, and all of it is back once the cause is gone.

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
    desk::{Desk, long, scratch, whole},
    net::{Course, Fault, Net},
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

fn offline() -> Arc<Net> {
    let net = Net::new();
    net.always(Some(Fault::Refused));
    net
}

/// A folder with the downloaded library, closed; `log`: as a killed process leaves it, with a write-ahead log.
async fn library(log: bool) -> (Arc<Net>, TempDir) {
    let net = Net::new();
    let desk = Desk::new(&net);
    for course in courses() {
        net.publish(&course);
        desk.start(&course);
        desk.ready(&course).await;
    }
    desk.content.library.storage().sweep().unwrap();
    let copy = scratch();
    if log {
        copy_folder(desk.dir.path(), copy.path());
        assert!(copy.path().join("shared/content.db-wal").metadata().unwrap().len() > 0);
    } else {
        let desk = desk.restart().await;
        desk.content.close();
        let dir = desk.dir.clone();
        drop(desk);
        copy_folder(dir.path(), copy.path());
    }
    (net, copy)
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

/// All files but the database's and the reserve, with their lengths.
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

/// Every course opens, and every byte of it is what it should be.
async fn assert_readable(desk: &Desk, what: &str) {
    for course in &courses() {
        let shown = desk.content.library.manifest(course.kind(), &course.id).await;
        let shown = shown.unwrap_or_else(|e| panic!("{what}: {}: {e}", course.id)).value;
        assert_eq!(shown.manifest, course.manifest(), "{what}");
        for (blob, bytes) in &course.blobs {
            let here = desk.content.library.blobs().get(blob.hash);
            let here = here.unwrap_or_else(|e| panic!("{what}: {}: {e}", course.id));
            assert!(here.as_ref() == Some(bytes), "{what}: a blob of {}", course.id);
        }
    }
}

async fn assert_ready(desk: &Desk, what: &str) {
    assert_readable(desk, what).await;
    for course in &courses() {
        assert_eq!(desk.state_of(course).phase, Phase::Ready, "{what}: {}", course.id);
        desk.assert_whole(course);
    }
}

/// Numbers from a seed.
struct Numbers(blake3::OutputReader);
impl Numbers {
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

/// Opens the damaged copy offline, twice.
async fn assert_recovers(copy: TempDir, what: &str) {
    let desk = Desk::in_folder(&offline(), copy);
    assert_readable(&desk, what).await;
    // What counts as ready is whole, before anything is checked in the background.
    for course in &courses() {
        if desk.state_of(course).phase == Phase::Ready {
            desk.assert_whole(course);
        }
    }
    desk.content.library.storage().sweep().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_readable(&desk, what).await;
    let desk = desk.restart().await;
    desk.content.library.storage().sweep().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_ready(&desk, what).await;
}

#[tokio::test]
async fn flipped_bytes_in_the_index_lose_no_download() {
    let templates = [library(false).await, library(true).await];
    for seed in 0..if long() { 200 } else { 24 } {
        let (_, template) = &templates[seed as usize % 2];
        let copy = scratch();
        copy_folder(template.path(), copy.path());
        let mut numbers = Numbers::new("flips", seed);
        let count = 1 + numbers.below(200);
        let log = seed % 4 == 3;
        let path =
            copy.path().join(if log { "shared/content.db-wal" } else { "shared/content.db" });
        let mut bytes = fs::read(&path).unwrap();
        for _ in 0..count {
            let at = numbers.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 + numbers.below(255) as u8;
        }
        fs::write(&path, bytes).unwrap();
        assert_recovers(copy, &format!("seed {seed}, {count} flips")).await;
    }
}

#[tokio::test]
async fn a_cut_a_deleted_and_a_foreign_index_lose_no_download() {
    let (_, template) = library(false).await;
    let path = |dir: &TempDir| dir.path().join("shared/content.db");
    for seed in 0..if long() { 100 } else { 10 } {
        let copy = scratch();
        copy_folder(template.path(), copy.path());
        let len = fs::metadata(path(&copy)).unwrap().len();
        let cut = match seed {
            0 => 0,
            1 => 50,
            2 => 4096,
            _ => Numbers::new("cut", seed).below(len),
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

/// Bytes that SQLite cannot see to be wrong: texts and numbers in rows.
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
        // Downloads that were taken back on purpose do not come back.
        if sql == "DELETE FROM download" {
            drop(conn);
            let desk = Desk::in_folder(&offline(), copy);
            desk.content.library.storage().sweep().unwrap();
            assert_eq!(desk.state(&courses()[0].id).phase, Phase::Absent);
            let desk = desk.restart().await;
            assert_eq!(desk.state(&courses()[0].id).phase, Phase::Absent, "nor later");
            continue;
        }
        drop(conn);
        assert_recovers(copy, sql).await;
    }
}

/// A download of before there were records gets its records in the background.
#[tokio::test]
async fn a_library_without_records_gets_them() {
    let (_, template) = library(false).await;
    fs::remove_dir_all(template.path().join("shared/records")).unwrap();
    let desk = Desk::in_folder(&offline(), template);
    assert_ready(&desk, "without records").await;
    desk.content.library.storage().sweep().unwrap();
    let desk =
        desk.restart_after(|dir| fs::remove_file(dir.join("shared/content.db")).unwrap()).await;
    assert_ready(&desk, "rebuilt").await;
}

/// Files whose bytes are not those of their name are found when the index is made anew, and so are files that nobody names.
#[tokio::test]
async fn files_are_hashed_before_an_index_counts_as_complete() {
    let (net, template) = library(false).await;
    let [river, stone, ..] = courses();
    let file = |dir: &Path, n: usize, course: &Course| {
        let hex = course.media()[n].hash.to_hex();
        dir.join("shared/blobs").join(&hex[..2]).join(hex)
    };
    let damaged = file(template.path(), 0, &river);
    let len = fs::metadata(&damaged).unwrap().len() as usize;
    fs::write(&damaged, vec![7; len]).unwrap();
    fs::remove_file(template.path().join("shared/content.db")).unwrap();
    let kept = file(template.path(), 0, &stone);
    let desk = Desk::in_folder(&offline(), template);
    let swept = desk.content.library.storage().sweep().unwrap();
    assert!(swept.lost > 0, "{swept:?}");
    assert_ne!(desk.state(&river.id).phase, Phase::Ready, "it is not whole");
    assert_eq!(desk.state(&stone.id).phase, Phase::Ready);
    assert!(kept.exists());
    drop(net);
}

/// Without index and records nothing says what a file is for: it is hashed and kept, and a download does not fetch it again.
#[tokio::test]
async fn files_that_nothing_names_are_kept_when_the_index_is_made_anew() {
    let (net, template) = library(false).await;
    let path = |name: &str| template.path().join("shared").join(name);
    fs::remove_dir_all(path("records")).unwrap();
    fs::remove_file(path("content.db")).unwrap();
    let before: BTreeMap<_, _> = files(&path("blobs"));
    assert!(before.len() >= 4, "{before:?}");
    net.forget_counts();
    let (blobs, count) = (path("blobs"), before.len());
    let desk = Desk::in_folder_at(&net, template.path());
    let swept = desk.content.library.storage().sweep().unwrap();
    assert_eq!((swept.orphans, swept.adopted), (0, count), "{swept:?}");
    assert_eq!(files(&blobs), before);
    for course in &courses() {
        desk.start(course);
        desk.ready(course).await;
        desk.assert_whole(course);
        for blob in course.media().iter().filter(|b| b.size > 32 * 1024) {
            assert_eq!(net.sent(blob.hash), 0, "{}: it was here", course.id);
        }
    }
}

/// The state of a store whose index cannot be opened, for each cause: read, and not touched.
async fn assert_waits(desk: &Desk, cause: Cause, before: &BTreeMap<PathBuf, u64>, what: &str) {
    let storage = desk.content.library.storage();
    assert_eq!(storage.degraded(), Some(cause), "{what}");
    assert!(storage.trouble().is_some(), "{what}: the learner is informed");
    assert_ready(desk, what).await;
    assert_eq!(storage.sweep().unwrap(), Default::default(), "{what}");
    assert_eq!(storage.evict(u64::MAX).unwrap(), 0, "{what}");
    let code = if cause == Cause::Full { ErrorCode::DiskFull } else { ErrorCode::Storage };
    let wanted = desk.downloads().start(Kind::Course, &courses()[0].id).unwrap_err();
    assert_eq!(wanted.code(), code, "{what}");
    let removed = desk.downloads().remove(Kind::Course, &courses()[0].id).unwrap_err();
    assert_eq!(removed.code(), code, "{what}");
    assert!(!storage.look_again().unwrap(), "{what}");
    assert_eq!(&files(desk.dir.path()), before, "{what}: nothing was renamed, made or deleted");
}

async fn assert_back(desk: &Desk, what: &str) {
    let storage = desk.content.library.storage();
    assert!(storage.look_again().unwrap(), "{what}");
    assert_eq!((storage.degraded(), storage.trouble()), (None, None), "{what}");
    assert_ready(desk, what).await;
    storage.sweep().unwrap();
    assert_ready(desk, what).await;
}

#[tokio::test]
async fn a_locked_a_newer_and_another_programs_index_are_left_alone_and_content_is_read() {
    for what in ["locked", "newer", "edited", "foreign"] {
        let (_, copy) = library(false).await;
        let path = copy.path().join("shared/content.db");
        let aside = copy.path().join("kept.db");
        fs::copy(&path, &aside).unwrap();
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
        let holder = (what == "locked").then_some(conn);
        if what == "foreign" {
            fs::remove_file(&path).unwrap();
            let other = carrel_sqlite::open(&path, carrel_sqlite::Options::default()).unwrap();
            other.execute_batch("CREATE TABLE notes (n)").unwrap();
        }
        let before = files(copy.path());
        let desk = Desk::in_folder(&offline(), copy);
        let mut before = before;
        before.extend(
            files(desk.dir.path())
                .into_iter()
                .filter(|(p, _)| p.starts_with(desk.dir.path().join("account"))),
        );
        assert_waits(&desk, cause, &before, what).await;
        drop(holder);
        if what != "locked" {
            fs::copy(desk.dir.path().join("kept.db"), &path).unwrap();
            let _ = fs::remove_file(path.with_extension("db-wal"));
            let _ = fs::remove_file(path.with_extension("db-shm"));
        }
        assert_back(&desk, what).await;
    }
}

#[tokio::test]
async fn content_on_a_read_only_file_system_is_read() {
    let Some(disk) = SmallDisk::new(16 << 20) else { return };
    let (_, template) = library(false).await;
    copy_folder(template.path(), disk.path());
    disk.set_read_only(true);
    let before = files(disk.path());
    let desk = Desk::in_folder_at(&offline(), disk.path());
    assert_waits(&desk, Cause::Denied, &before, "read-only").await;
    disk.set_read_only(false);
    assert_back(&desk, "writable again").await;
}

/// The full-disk table: free space from nothing to 512 KiB, with the reserve file and without, for each action.
#[tokio::test]
async fn on_a_full_disk_nothing_is_lost_and_space_brings_all_of_it_back() {
    let Some(disk) = SmallDisk::new(6 << 20) else { return };
    let (net, template) = library(false).await;
    let fourth = Course::new("grass", &[&[36_000, 700]]);
    net.publish(&fourth);
    let update = courses()[1].with_another(0, 1);
    let step = if long() { 4 } else { 52 };
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
            let desk = Desk::in_folder_at(&net, disk.path());
            let storage = desk.content.library.storage().clone();
            degraded += usize::from(storage.degraded().is_some());
            if storage.degraded().is_some() {
                assert_eq!(storage.degraded(), Some(Cause::Full), "{what}");
                assert!(storage.trouble().is_some(), "{what}: the learner is informed");
            }
            assert_ready(&desk, &what).await;
            let _ = storage.sweep();
            assert_ready(&desk, &what).await;
            if action == "download" || action == "update" {
                let wanted = if action == "update" { &update } else { &fourth };
                net.publish(wanted);
                match desk.downloads().start(Kind::Course, &wanted.id) {
                    Ok(_) => {
                        let settled = |s: &carrel_content::download::State| {
                            s.phase == Phase::Ready
                                || (s.phase == Phase::Paused && s.reason == Reason::DiskFull)
                                || s.phase == Phase::Failed
                        };
                        let state = desk.in_time(&whole(wanted), &what, settled).await;
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
            let desk = if action == "restart" { desk.restart().await } else { desk };
            if action != "update" {
                assert_readable(&desk, &what).await;
            }
            assert!(!disk.path().join("shared/content.db.damaged").exists(), "{what}");
            fs::remove_file(filler).unwrap();
            let storage = desk.content.library.storage();
            if storage.trouble().is_some() {
                assert!(storage.look_again().unwrap(), "{what}");
            }
            assert_eq!((storage.degraded(), storage.trouble()), (None, None), "{what}");
            storage.sweep().unwrap();
            let shown = match action {
                "update" => Some(&update),
                "download" => Some(&fourth),
                _ => None,
            };
            if let Some(course) = shown {
                desk.start(course);
                desk.ready(course).await;
                desk.assert_whole(course);
            }
            net.publish(&courses()[1]);
            let desk = desk.restart().await;
            let course = &courses()[0];
            assert_eq!(desk.state_of(course).phase, Phase::Ready, "{what}");
            desk.assert_whole(course);
            if action != "update" {
                assert_ready(&desk, &what).await;
            }
            desk.content.close();
        }
    }
    assert!(degraded > 0 && stopped > 0, "the disk was full: {degraded} and {stopped}");
}

#[tokio::test]
async fn damage_that_is_found_while_the_app_runs_is_repaired() {
    let (_, copy) = library(false).await;
    let desk = Desk::in_folder(&offline(), copy);
    assert_ready(&desk, "before").await;
    let path = desk.dir.path().join("shared/content.db");
    // Under the lock of the index, so that nothing is written meanwhile: the log is emptied, the file is damaged, and the pages that are
    // held in memory are dropped.
    let damaged = desk.content.library.storage().db().with_connection(|conn| {
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let mut bytes = fs::read(&path)?;
        bytes[4096..].fill(0x5a);
        fs::write(&path, bytes)?;
        conn.flush_prepared_statement_cache();
        Ok(conn.execute_batch("PRAGMA cache_size = 0; PRAGMA shrink_memory")?)
    });
    damaged.unwrap();
    assert_readable(&desk, "damaged while open").await;
    let storage: &Storage = desk.content.library.storage();
    // Readers may still have had all pages in memory. The writer has none: the first sweep ends with the damage if it finds it.
    let _ = storage.sweep();
    assert!(desk.dir.path().join("shared/content.db.damaged").exists(), "it was found");
    storage.sweep().unwrap();
    assert_ready(&desk, "repaired").await;
}

/// The app is killed while the files of a removed download are deleted, and the index is destroyed before the next start.
#[tokio::test]
async fn a_removed_download_does_not_come_back_with_its_record() {
    let (_, template) = library(false).await;
    let picture = scratch();
    let (from, to) = (template.path().to_owned(), picture.path().to_owned());
    let steps = Arc::new(move |step: &'static str| {
        if step == "doomed" && !to.join("shared").exists() {
            copy_folder(&from, &to);
        }
    });
    let [river, others @ ..] = courses();
    let desk = Desk::stepped(&offline(), template.path(), steps);
    desk.downloads().remove(Kind::Course, &river.id).unwrap();
    desk.content.close();
    fs::remove_file(picture.path().join("shared/content.db")).expect("the step was reached");
    let _ = fs::remove_file(picture.path().join("shared/content.db-wal"));
    let _ = fs::remove_file(picture.path().join("shared/content.db-shm"));
    let desk = Desk::in_folder(&offline(), picture);
    desk.content.library.storage().sweep().unwrap();
    assert_eq!(desk.state_of(&river).phase, Phase::Absent);
    for course in &others {
        assert_eq!(desk.state_of(course).phase, Phase::Ready, "{}", course.id);
        desk.assert_whole(course);
    }
}

/// Killed at each step of downloading, replacing and removing, opened again with the network, then rebuilt without both.
#[tokio::test]
async fn a_kill_at_any_step_of_a_download_loses_nothing_and_leaves_a_library_that_can_be_rebuilt() {
    const STEP: &str = "CARREL_TEST_STEP";
    const DIR: &str = "CARREL_TEST_DIR";
    let publish = || {
        let net = Net::new();
        for course in &courses() {
            net.publish(course);
        }
        net
    };
    if let (Ok(step), Ok(dir)) = (std::env::var(STEP), std::env::var(DIR)) {
        let (name, count) = step.split_once(':').unwrap();
        let (name, left) = (name.to_owned(), AtomicU32::new(count.parse().unwrap()));
        let steps = Arc::new(move |step: &'static str| {
            if step == name && left.fetch_sub(1, Ordering::SeqCst) == 1 {
                std::process::abort();
            }
        });
        let net = publish();
        let desk = Desk::stepped(&net, Path::new(&dir), steps);
        for course in &courses() {
            desk.start(course);
            desk.ready(course).await;
        }
        let [river, stone, ..] = courses();
        net.publish(&stone.with_another(0, 1));
        desk.start(&stone);
        desk.ready(&stone).await;
        desk.downloads().remove(Kind::Course, &river.id).unwrap();
        return;
    }
    let each = [
        ("renamed", 5),
        ("admitted", 12),
        ("packed", 4),
        ("recorded", 8),
        ("record removed", 1),
        ("doomed", 1),
        ("unlinked", 2),
    ];
    let runs = if long() { 500 } else { 21 };
    let mut killed = 0;
    for run in 0..runs {
        let (name, most) = each[run % each.len()];
        let step = format!("{name}:{}", 1 + (run / each.len()) % most);
        let dir = scratch();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "recovery::a_kill_at_any_step_of_a_download_loses_nothing_and_leaves_a_library_that_can_be_rebuilt"])
            .env(STEP, &step)
            .env(DIR, dir.path())
            .output()
            .unwrap();
        killed += usize::from(!child.status.success());
        let desk = Desk::in_folder(&publish(), dir);
        desk.content.library.storage().sweep().unwrap();
        for course in &courses() {
            if desk.state_of(course).phase == Phase::Ready {
                let shown = desk.content.library.manifest(course.kind(), &course.id).await.unwrap();
                for blob in &shown.value.manifest.blobs {
                    assert!(desk.content.library.blobs().prove(blob.hash).unwrap(), "{step}");
                }
            }
            desk.start(course);
            desk.ready(course).await;
        }
        let desk =
            desk.restart_after(|dir| fs::remove_file(dir.join("shared/content.db")).unwrap()).await;
        desk.content.library.storage().sweep().unwrap();
        assert_ready(&desk, &step).await;
        desk.content.close();
    }
    assert!(killed * 10 >= runs * 9, "{killed} of {runs} processes were killed");
}
