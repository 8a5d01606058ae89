//! A store shared by several users: concurrent processes, group permissions, and users who may only
//! read.

use carrel_content::{
    blobs::BlobOrigin,
    storage::{MIGRATIONS, SharedFigures, Storage, StorageOptions},
};
use carrel_testkit::{FakeClock, FakeDisk};

use crate::{kill::run_test, support::*};

#[test]
fn the_third_migration_keeps_manifests() {
    const SIGNED: &str = r#"{"text": "a manifest"}"#;
    let dir = scratch();
    let blobs = course(1, 2, KIB);
    let old = carrel_sqlite::Database::<carrel_content::Error>::open_disposable(
        &dir.path().join("content.db"),
        &MIGRATIONS[..2],
        0,
    )
    .unwrap();
    carrel_system::allow_blocking();
    old.write_blocking("test", |tx| {
        tx.execute(
            "INSERT INTO version (hash, scope, signer, kind, id, files, bytes, text_bytes, picture_bytes, audio_bytes,
                                  video_bytes, other_bytes, signed)
             VALUES (zeroblob(32), '', 'k', 'course', 'river', 0, 0, 0, 0, 0, 0, 0, ?1)",
            [SIGNED],
        )?;
        tx.execute(
            "INSERT INTO download (account, kind, id, scope, phase, reason, bytes_done, bytes_total, wanted, ready, pinned,
                                   requested_ms, used_ms, checked_ms)
             VALUES ('asha', 'course', 'river', '', 'ready', '', 0, 0, NULL, 1, 1, 0, 0, 0)",
            (),
        )?;
        Ok(())
    })
    .unwrap();
    old.close_blocking();
    let storage = open(dir.path(), FakeDisk::new(100 * GIB), &FakeClock::noon());
    let kept = |storage: &Storage| {
        number(storage, &format!("SELECT count(*) FROM manifest WHERE signed = '{SIGNED}'"))
    };
    assert_eq!(kept(&storage), 1);
    // A manifest is deleted with its version.
    delete_download(&storage, "asha", "river");
    assert_eq!(kept(&storage), 0);
    store_course(&storage, "asha", "other", &blobs, true);
    assert_consistent(&storage);
}

#[test]
fn the_shared_store_is_in_the_figures_of_its_readers() {
    let dir = scratch();
    let clock = FakeClock::noon();
    let (shared, mine) = (dir.path().join("shared"), dir.path().join("mine"));
    let blobs = course(1, 4, 200 * KIB);
    let writer = open(&shared, FakeDisk::new(100 * GIB), &clock);
    store_course(&writer, "asha", "river", &blobs, true);
    assert_eq!(writer.figures("asha").unwrap().shared, None);
    let reader = || {
        let options = options(&mine, FakeDisk::new(100 * GIB), &clock);
        let options = StorageOptions { shared_store: Some(shared.clone()), ..options };
        Storage::open(options).unwrap().figures("ben").unwrap()
    };
    let bytes = blobs.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let expected = Some(SharedFigures { folder: shared.clone(), bytes });
    let figures = reader();
    assert_eq!((figures.shared, figures.measured.used, figures.others), (expected.clone(), 0, 0));
    // The index cannot be read: the files are counted.
    drop(writer);
    for name in ["content.db-wal", "content.db-shm"] {
        let _ = std::fs::remove_file(shared.join(name));
    }
    std::fs::write(shared.join("content.db"), "damaged").unwrap();
    assert_eq!(reader().shared, expected);
    std::fs::remove_dir_all(&shared).unwrap();
    assert_eq!(reader().shared.map(|shared| shared.bytes), Some(0));
}

#[test]
#[ignore = "started by the next test"]
fn child() {
    let (Ok(seed), Ok(dir)) = (std::env::var(crate::kill::STEP), std::env::var(crate::kill::DIR))
    else {
        return;
    };
    let n: u64 = seed.parse().unwrap();
    let clock = FakeClock::noon();
    let storage = open(std::path::Path::new(&dir), FakeDisk::new(100 * GIB), &clock);
    // One course of all users, and one of this user.
    let (shared, own) = (course(1, 20, 50 * KIB), course(10 + n, 20, 40 * KIB));
    for round in 0..6 {
        store_course(&storage, &format!("user-{n}"), "shared", &shared, true);
        store_course(&storage, &format!("user-{n}"), "own", &own, true);
        storage
            .blobs()
            .put_with_origin(
                blob(100 + round, MIB).0,
                &blob(100 + round, MIB).1,
                BlobOrigin::Requested,
            )
            .unwrap();
        storage.evict(if round % 2 == 0 { MIB } else { u64::MAX }).unwrap();
        storage.sweep().unwrap();
        for (hash, bytes) in shared.iter().chain(&own) {
            assert_eq!(storage.blobs().get(*hash).unwrap().as_ref(), Some(bytes), "{n}: pinned");
        }
        delete_download(&storage, &format!("user-{n}"), "shared");
        if round < 5 {
            delete_download(&storage, &format!("user-{n}"), "own");
        }
    }
}

#[test]
#[cfg_attr(
    windows,
    ignore = "fails in Wine 8, which cannot replace a file just deleted by another process; not run on Windows"
)]
fn concurrent_processes_fetch_and_remove_without_damage() {
    let dir = scratch();
    std::thread::scope(|s| {
        let runs: Vec<_> = (0..3)
            .map(|n| {
                s.spawn({
                    let dir = dir.path();
                    move || run_test(dir, &n.to_string(), "shared::child")
                })
            })
            .collect();
        for run in runs {
            assert!(run.join().unwrap(), "a process failed");
        }
    });
    let (storage, ..) = small_store(dir.path(), GIB);
    storage.sweep().unwrap();
    storage.clear_cache().unwrap();
    assert_consistent(&storage);
    for n in 0..3 {
        assert!(
            course(10 + n, 20, 40 * KIB).iter().all(|(h, _)| storage.blobs().verify(*h).unwrap())
        );
    }
    assert_eq!(number(&storage, "SELECT count(*) FROM blob"), 60, "unneeded blobs are deleted");
}

#[cfg(unix)]
#[test]
fn new_files_in_a_shared_folder_are_group_writable() {
    use std::os::unix::fs::PermissionsExt;
    let dir = scratch();
    let shared = dir.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o2770)).unwrap();
    let (storage, ..) = small_store(&shared, GIB);
    store_course(&storage, "asha", "one", &course(1, 3, 60 * KIB), true);
    let mut part = storage.blobs().part(blob(9, MIB).0).unwrap();
    part.write(b"begun").unwrap();
    let mut folders = vec![shared];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o7777, 0o2770, "{folder:?}");
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let mode = entry.metadata().unwrap().permissions().mode();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if entry.file_name() == "ballast" => {}
                false => {
                    seen += 1;
                    assert_eq!(mode & 0o777, 0o660, "{:?}", entry.path());
                }
            }
        }
    }
    assert!(seen >= 7, "only {seen} files: database, log, lock, blobs");
}

/// Files and folders that a program with a narrow umask created get the permissions of the folder of the machine.
#[cfg(unix)]
#[test]
fn those_who_may_read_the_folder_may_read_its_files_regardless_of_the_umask() {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};
    let set =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    // The folder; then the database and the folder of blobs.
    for (of_folder, of_file, of_blobs) in [
        (0o755, 0o644, 0o755),
        (0o750, 0o640, 0o750),
        (0o711, 0o600, 0o711),
        (0o700, 0o600, 0o700),
        (0o2775, 0o664, 0o2775),
    ] {
        let dir = scratch();
        let shared = dir.path().join("shared");
        let (database, blobs) = (shared.join("content.db"), shared.join("blobs"));
        fs::create_dir_all(&blobs).unwrap();
        fs::write(&database, "").unwrap();
        set(&shared, of_folder);
        set(&database, 0o600);
        set(&blobs, 0o700);
        let (storage, ..) = small_store(&shared, GIB);
        store_course(&storage, "asha", "one", &course(1, 3, 60 * KIB), true);
        // Writes the records of downloads.
        storage.sweep().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&database), mode(&blobs)), (of_file, of_blobs), "{of_folder:o}");
        assert_eq!(mode(&shared.join("content.db-wal")), of_file, "{of_folder:o}");
        // The records of downloads are for those who may write.
        let of_records = if of_folder == 0o2775 { 0o664 } else { 0o600 };
        let records = fs::read_dir(shared.join("records/downloads")).unwrap();
        let modes: Vec<u32> = records.map(|entry| mode(&entry.unwrap().path())).collect();
        assert!(modes.iter().all(|mode| *mode == of_records), "{of_folder:o}: {modes:?}");
    }
}

/// Starts a process of another user, which needs root.
#[cfg(unix)]
#[test]
fn a_read_only_user_reads_shared_blobs_and_fetches_the_rest() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (shared, mine) = (dir.path().join("shared"), dir.path().join("mine"));
    std::fs::create_dir(&mine).unwrap();
    let clock = FakeClock::noon();
    let writer = open(&shared, FakeDisk::new(100 * GIB), &clock);
    let course =
        course(1, 4, 20 * KIB).into_iter().chain(course(2, 3, 60 * KIB)).collect::<Vec<_>>();
    store_course(&writer, "library", "one", &course, true);
    let make_readable = || {
        let ok =
            std::process::Command::new("chmod").args(["-R", "a+rX"]).arg(&shared).status().unwrap();
        assert!(ok.success());
    };
    make_readable();
    let nobody = 65_534;
    let read = |what: &str| {
        let exe = std::env::current_exe().unwrap();
        let copy = dir.path().join("program");
        std::fs::copy(exe, &copy).unwrap();
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::process::Command::new(copy)
            .args(["--exact", "shared::reader", "--ignored", "--nocapture"])
            .env(crate::kill::STEP, what)
            .env(crate::kill::DIR, dir.path())
            .uid(nobody)
            .gid(nobody)
            .current_dir("/")
            .output()
    };
    let changed = std::os::unix::fs::chown(&mine, Some(nobody), Some(nobody)).is_ok();
    let first = if changed { read("in use").ok() } else { None };
    let Some(first) = first else {
        #[expect(clippy::print_stderr, reason = "skipped tests are reported")]
        {
            eprintln!("skipped: cannot start a process of another user (needs root)");
        }
        return;
    };
    assert!(
        first.status.success(),
        "while the store is in use: {}",
        String::from_utf8_lossy(&first.stderr)
    );
    // The store is closed, and has no WAL.
    drop(writer);
    make_readable();
    let second = read("closed").unwrap();
    assert!(
        second.status.success(),
        "while the store is closed: {}",
        String::from_utf8_lossy(&second.stderr)
    );
}

#[test]
#[ignore = "started by the previous test, as another user"]
fn reader() {
    let Ok(dir) = std::env::var(crate::kill::DIR) else { return };
    let dir = std::path::Path::new(&dir);
    let (shared, mine) = (dir.join("shared"), dir.join("mine"));
    assert!(!Storage::is_writable(&shared), "this user may only read");
    assert!(Storage::is_writable(&mine));
    let clock = FakeClock::noon();
    let options = StorageOptions {
        shared_store: Some(shared.clone()),
        ..options(&mine, FakeDisk::new(100 * GIB), &clock)
    };
    let storage = Storage::open(options).unwrap();
    let shared_blobs =
        course(1, 4, 20 * KIB).into_iter().chain(course(2, 3, 60 * KIB)).collect::<Vec<_>>();
    let own = course(3, 2, 50 * KIB);
    let all: Vec<_> = shared_blobs.iter().chain(&own).cloned().collect();
    let list: Vec<_> = all.iter().map(|(h, b)| (*h, b.len() as u64)).collect();
    delete_download(&storage, "asha", "one");
    let version = insert_download(&storage, "asha", "one", &list, true, false);
    let missing: Vec<_> =
        storage.blobs().missing(version).unwrap().iter().map(|m| m.hash).collect();
    assert!(
        shared_blobs.iter().all(|(h, _)| !missing.contains(h)),
        "blobs of the shared store are not missing"
    );
    for (hash, bytes) in &own {
        storage.blobs().put_with_origin(*hash, bytes, BlobOrigin::Prefetched).unwrap();
    }
    for (hash, bytes) in &all {
        assert!(storage.blobs().has(*hash).unwrap() && storage.blobs().verify(*hash).unwrap());
        assert_eq!(storage.blobs().get(*hash).unwrap().as_ref(), Some(bytes));
    }
    storage.clear_cache().unwrap();
    assert_eq!(
        number(&storage, "SELECT count(*) FROM blob"),
        2,
        "only blobs missing in the shared store are in the own store"
    );
}
