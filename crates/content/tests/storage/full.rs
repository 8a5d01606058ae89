//! Full disks, on a small in-memory file system that is filled up to a few pages. Mounting it needs
//! root; without it, these tests are skipped.

use std::{fs, path::Path, sync::Arc};

use carrel_content::{Error, Limit, blobs::BlobOrigin, storage::Storage};
use carrel_learning::{Learning, Step, store, store::Store};
use carrel_model::{DeviceId, ErrorCode, ItemId, lattice::ItemKind};
use carrel_sqlite::Changes;
use carrel_system::SystemDisk;
use carrel_testkit::{FakeClock, FakeDisk, SeededIds, SmallDisk};

use crate::support::*;

fn open_work(dir: &Path, clock: &FakeClock) -> (Arc<Store>, Learning) {
    let options = store::Options {
        device: DeviceId::from_u128(1),
        app_version: "1.0.0".into(),
        has_server: true,
        clock: Arc::new(clock.clone()),
        changes: Changes::new(),
        page_limit: None,
    };
    let store = Arc::new(Store::open(dir, options).unwrap());
    (store.clone(), Learning::new(store, Arc::new(SeededIds::new(1))))
}

async fn finish_section(learning: &Learning, n: usize) {
    let item = ItemId::new(format!("course/lesson/s{n}")).unwrap();
    learning
        .record(Step { done: true, ..Step::at(ItemKind::Section, item) })
        .await
        .expect("work is saved on a full disk");
}

fn refused(result: carrel_content::Result<()>) -> bool {
    match result {
        Ok(()) => false,
        Err(e) if e.code() == ErrorCode::DiskFull => true,
        Err(e) => panic!("unexpected error on a full disk: {e:?}"),
    }
}

/// Stores blobs as downloads do: small ones as a whole, large ones in pieces.
fn fetch(
    storage: &Storage,
    blobs: &[(carrel_model::BlobHash, bytes::Bytes)],
) -> carrel_content::Result<()> {
    for (hash, bytes) in blobs {
        if bytes.len() as u64 <= carrel_content::blobs::MAX_INLINE {
            storage.blobs().put_with_origin(*hash, bytes, BlobOrigin::Prefetched)?;
            continue;
        }
        let mut part = storage.blobs().part(*hash)?;
        let stored_len = part.len() as usize;
        for piece in bytes[stored_len..].chunks(48 * 1024) {
            part.write(piece)?;
        }
        part.finish()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_full_disk_at_any_step_keeps_work_and_recovers() {
    let step = if std::env::var_os("CARREL_LONG").is_some() { 4 * KIB } else { 104 * KIB };
    let Some(disk) = SmallDisk::new(20 * MIB) else { return };
    let (mut stopped, mut completed) = (0, 0);
    for (n, left) in (0..1_400 * KIB).step_by(step as usize).enumerate() {
        let clock = FakeClock::noon();
        let dir = disk.path().join(format!("run-{n}"));
        let (store, learning) = open_work(&dir.join("work"), &clock);
        // The simulated free space is large: only the file system refuses writes.
        let storage = open(&dir.join("content"), FakeDisk::new(100 * GIB), &clock);
        storage.set_limits(None, Some(0)).unwrap();
        let pinned = course(1, 4, 20 * KIB);
        store_course(&storage, "asha", "pinned", &pinned, true);
        let old = blob(50, 300 * KIB);
        storage.blobs().put(old.0, &old.1).unwrap();
        let wanted = [course(2, 3, 250 * KIB), course(3, 6, 9 * KIB)].concat();
        let list: Vec<_> = wanted.iter().map(|(h, b)| (*h, b.len() as u64)).collect();
        let version = insert_download(&storage, "asha", "wanted", &list, true, false);

        let filler = disk.fill(left);
        let full = refused(fetch(&storage, &wanted));
        stopped += usize::from(full);
        completed += usize::from(!full);
        if full {
            assert_eq!(
                storage.shortage().map(|t| t.limit),
                Some(Limit::Disk),
                "{left}: the shortage is reported"
            );
        }
        for s in 0..20 {
            finish_section(&learning, s).await;
        }
        // Downloads can be removed on a full disk.
        delete_download(&storage, "asha", "nothing");
        drop(storage);
        store.close().await;

        fs::remove_file(filler).unwrap();
        // The next start has free space.
        let storage = open(&dir.join("content"), FakeDisk::new(100 * GIB), &clock);
        storage.sweep().unwrap();
        assert_consistent(&storage);
        assert!(
            pinned.iter().all(|(h, _)| storage.blobs().verify(*h).unwrap()),
            "{left}: pinned blobs are kept"
        );
        fetch(&storage, &wanted).unwrap();
        assert!(
            storage.blobs().missing(version).unwrap().is_empty(),
            "{left}: the download completes"
        );
        assert_consistent(&storage);
        let (store, learning) = open_work(&dir.join("work"), &clock);
        assert_eq!(
            learning.done_sections("course").await.unwrap().len(),
            20,
            "{left}: every finished section is saved"
        );
        check_integrity(&dir.join("content/content.db"));
        check_integrity(&dir.join("work/user.db"));
        store.close().await;
        drop((store, learning, storage));
        fs::remove_dir_all(&dir).unwrap();
    }
    assert!(
        stopped > 2 && completed > 2,
        "both full disks and disks with space were tested: {stopped} and {completed}"
    );
}

fn check_integrity(path: &Path) {
    let conn = carrel_sqlite::open(path, carrel_sqlite::Options::reader()).unwrap();
    carrel_sqlite::integrity_check(&conn).unwrap();
}

/// With the real free space of the file system.
#[tokio::test]
async fn below_the_floor_only_work_is_written() {
    let Some(disk) = SmallDisk::new(128 * MIB) else { return };
    let clock = FakeClock::noon();
    let (store, learning) = open_work(&disk.path().join("work"), &clock);
    let storage = open(&disk.path().join("content"), SystemDisk, &clock);
    storage.set_limits(Some(GIB), Some(60 * MIB)).unwrap();
    let cached = blob(1, 2 * MIB);
    storage.blobs().put(cached.0, &cached.1).unwrap();
    // The budget of a small disk is a tenth of it.
    assert!(matches!(storage.reserve(30 * MIB), Err(Error::NoSpace { limit: Limit::Budget, .. })));

    let filler = disk.fill(61 * MIB);
    let reservation = storage.reserve(2 * MIB).expect("cached content is evicted");
    assert!(!storage.blobs().has(cached.0).unwrap());
    let short = storage.reserve(2 * MIB).err().unwrap();
    let Error::NoSpace { missing, limit: Limit::Disk } = short else { panic!("{short:?}") };
    assert!((MIB / 4..3 * MIB).contains(&missing), "{missing} bytes are missing");
    assert!(
        refused(storage.blobs().put(cached.0, &cached.1)),
        "requested blobs are not stored either"
    );
    drop(reservation);
    for n in 0..50 {
        finish_section(&learning, n).await;
    }
    assert!(!storage.recheck().unwrap() || storage.shortage().is_none());
    fs::remove_file(filler).unwrap();
    storage.recheck().unwrap();
    assert_eq!(storage.shortage(), None, "there is space again");
    storage.blobs().put(cached.0, &cached.1).unwrap();
    assert_consistent(&storage);
    store.close().await;
    drop((store, learning));
}

/// Returns the names and lengths of all files, without the WAL of the database.
#[cfg(target_os = "linux")]
fn files(dir: &Path) -> std::collections::BTreeMap<std::path::PathBuf, u64> {
    let (mut found, mut folders) = (std::collections::BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => drop(found.insert(entry.path(), entry.metadata().unwrap().len())),
            }
        }
    }
    found.retain(|path, _| !path.to_string_lossy().contains("content.db-"));
    found
}

/// Opens the store in other processes: with few file descriptors, and as a user without permission.
#[cfg(target_os = "linux")]
#[test]
fn without_descriptors_or_permission_the_store_opens_unchanged() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};

    use carrel_sqlite::Cause;

    const CHILD: &str = "CARREL_TEST_OPEN";
    let course = course(1, 4, 60 * KIB);
    let clock = FakeClock::noon();
    if let Ok(what) = std::env::var(CHILD) {
        let dir = std::path::PathBuf::from(std::env::var(crate::kill::DIR).unwrap());
        if what == "denied" {
            let storage = open(&dir, FakeDisk::new(100 * GIB), &clock);
            assert_eq!(storage.degraded(), Some(Cause::Denied));
            assert_eq!(storage.shortage().map(|t| t.limit), Some(Limit::Index));
            assert_eq!(storage.sweep().unwrap(), Default::default());
            assert!(!storage.recheck().unwrap());
            return;
        }
        let mut open_files = Vec::new();
        while let Ok(file) = fs::File::open("/dev/null") {
            open_files.push(file);
        }
        let mut degraded = 0;
        for free in 0..12 {
            let storage = open(&dir, FakeDisk::new(100 * GIB), &clock);
            if let Some(cause) = storage.degraded() {
                degraded += 1;
                assert!(matches!(cause, Cause::TooManyFiles | Cause::Other), "{free}: {cause}");
                assert!(storage.shortage().is_some());
                assert_eq!(storage.sweep().unwrap(), Default::default());
            }
            drop(storage);
            open_files.pop();
        }
        assert!(degraded > 0);
        while let Ok(file) = fs::File::open("/dev/null") {
            open_files.push(file);
        }
        let storage = open(&dir, FakeDisk::new(100 * GIB), &clock);
        assert!(storage.degraded().is_some());
        drop(open_files);
        assert!(storage.recheck().unwrap());
        assert!(course.iter().all(|(h, _)| storage.blobs().verify(*h).unwrap()));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let store = dir.path().join("content");
    let storage = open(&store, FakeDisk::new(100 * GIB), &clock);
    store_course(&storage, "asha", "one", &course, true);
    drop(storage);
    let before = files(&store);
    let program = dir.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let nobody = 65_534;
    for what in ["files", "denied"] {
        let mut child = std::process::Command::new("sh");
        child
            .args(["-c", "ulimit -n 96; exec \"$0\" --exact \"$1\""])
            .arg(&program)
            .arg("full::without_descriptors_or_permission_the_store_opens_unchanged")
            .env(CHILD, what)
            .env(crate::kill::DIR, &store)
            .current_dir("/");
        if what == "denied" {
            let mine = fs::metadata(dir.path()).unwrap();
            if std::os::unix::fs::MetadataExt::uid(&mine) != 0 {
                #[expect(clippy::print_stderr, reason = "skipped tests are reported")]
                {
                    eprintln!("skipped: a process of another user needs root");
                }
                continue;
            }
            child.uid(nobody).gid(nobody);
        }
        let done = child.output().unwrap();
        let output = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && output.contains("1 passed"), "{what}: {output}");
        assert_eq!(files(&store), before, "{what}: the files are unchanged");
    }
    let storage = open(&store, FakeDisk::new(100 * GIB), &clock);
    storage.sweep().unwrap();
    assert!(course.iter().all(|(h, _)| storage.blobs().verify(*h).unwrap()));
    assert_consistent(&storage);
}
