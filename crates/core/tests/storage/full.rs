//! A disk that is full at every step: a small file system in memory, filled to within a few pages of what is being done. Making one needs
//! root; without it these tests say so and pass.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use carrel_core::{
    Changes, Error,
    cache::Came,
    learning::{Learning, Step},
    storage::{Limit, Storage, SystemDisk},
    store::{self, Store},
};
use carrel_model::{DeviceId, ErrorCode, ItemId, lattice::ItemKind};
use carrel_testkit::{FakeClock, FakeDisk, SeededIds};

use crate::world::*;

/// A file system of its own; gone with its owner.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn new(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(dir.path())
            .output();
        if mounted.is_ok_and(|o| o.status.success()) {
            return Some(Self { dir });
        }
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: a small file system cannot be mounted here (root is needed)");
        }
        None
    }
    fn path(&self) -> &Path {
        self.dir.path()
    }
    fn free(&self) -> u64 {
        fs4::available_space(self.path()).unwrap()
    }
    /// Fills all but `left` bytes (to a page).
    fn fill(&self, left: u64) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).unwrap();
        let page = vec![1; 4096];
        while self.free() > left && file.write_all(&page).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn work(dir: &Path, clock: &FakeClock) -> (Arc<Store>, Learning) {
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

async fn tick(learning: &Learning, n: usize) {
    let item = ItemId::new(format!("course/lesson/s{n}")).unwrap();
    learning
        .record(Step { done: true, ..Step::at(ItemKind::Section, item) })
        .await
        .expect("work is saved on a full disk");
}

fn refused(result: carrel_core::Result<()>) -> bool {
    match result {
        Ok(()) => false,
        Err(e) if e.code() == ErrorCode::DiskFull => true,
        Err(e) => panic!("a full disk is called {e:?}"),
    }
}

/// Fetches the way downloads do: small blobs whole, large ones in pieces.
fn fetch(
    storage: &Storage,
    blobs: &[(carrel_model::BlobHash, bytes::Bytes)],
) -> carrel_core::Result<()> {
    for (hash, bytes) in blobs {
        if bytes.len() as u64 <= carrel_core::cache::INLINE {
            storage.blobs().put_from(*hash, bytes, Came::Ahead)?;
            continue;
        }
        let mut part = storage.blobs().part(*hash)?;
        let begun = part.len() as usize;
        for piece in bytes[begun..].chunks(48 * 1024) {
            part.write(piece)?;
        }
        part.finish()?;
    }
    Ok(())
}

#[tokio::test]
async fn at_every_step_nothing_breaks_work_is_saved_and_space_heals_it() {
    let step = if std::env::var_os("CARREL_LONG").is_some() { 4 * KIB } else { 104 * KIB };
    let Some(disk) = SmallDisk::new(20 * MIB) else { return };
    let (mut stopped, mut whole) = (0, 0);
    for (n, left) in (0..1_400 * KIB).step_by(step as usize).enumerate() {
        let clock = FakeClock::noon();
        let dir = disk.path().join(format!("run-{n}"));
        let (store, learning) = work(&dir.join("work"), &clock);
        // A measure that never warns: what stops the writes is the file system itself.
        let storage = open(&dir.join("content"), FakeDisk::new(100 * GIB), &clock);
        storage.set_limits(None, Some(0)).unwrap();
        let pinned = course(1, 4, 20 * KIB);
        fetched(&storage, "asha", "pinned", &pinned, true);
        let old = blob(50, 300 * KIB);
        storage.blobs().put(old.0, &old.1).unwrap();
        let wanted = [course(2, 3, 250 * KIB), course(3, 6, 9 * KIB)].concat();
        let list: Vec<_> = wanted.iter().map(|(h, b)| (*h, b.len() as u64)).collect();
        let version = wish(&storage, "asha", "wanted", &list, true, false);

        let filler = disk.fill(left);
        let full = refused(fetch(&storage, &wanted));
        stopped += usize::from(full);
        whole += usize::from(!full);
        if full {
            assert_eq!(storage.trouble().map(|t| t.limit), Some(Limit::Disk), "{left}: the banner");
        }
        for s in 0..20 {
            tick(&learning, s).await;
        }
        // Taking something off a full disk works: that is how people make room.
        unwish(&storage, "asha", "nothing");
        drop(storage);
        store.close().await;

        fs::remove_file(filler).unwrap();
        // The next start, with space again.
        let storage = open(&dir.join("content"), FakeDisk::new(100 * GIB), &clock);
        storage.sweep().unwrap();
        assert_sound(&storage);
        assert!(
            pinned.iter().all(|(h, _)| storage.blobs().prove(*h).unwrap()),
            "{left}: pinned stays"
        );
        fetch(&storage, &wanted).unwrap();
        assert!(
            storage.blobs().missing(version).unwrap().is_empty(),
            "{left}: it goes on and is whole"
        );
        assert_sound(&storage);
        let (store, learning) = work(&dir.join("work"), &clock);
        assert_eq!(
            learning.done_sections("course").await.unwrap().len(),
            20,
            "{left}: every tick is there"
        );
        carrel_sqlite_check(&dir.join("content/content.db"));
        carrel_sqlite_check(&dir.join("work/user.db"));
        store.close().await;
        drop((store, learning, storage));
        fs::remove_dir_all(&dir).unwrap();
    }
    assert!(
        stopped > 2 && whole > 2,
        "the run went from a full disk to one with space: {stopped} and {whole}"
    );
}

fn carrel_sqlite_check(path: &Path) {
    let conn = carrel_sqlite::open(path, carrel_sqlite::Options::reader()).unwrap();
    carrel_sqlite::integrity_check(&conn).unwrap();
}

/// The real measure of the real file system: the floor stops content long before work has no place, and says so.
#[tokio::test]
async fn below_the_floor_only_work_is_written_and_it_goes_on_when_space_returns() {
    let Some(disk) = SmallDisk::new(128 * MIB) else { return };
    let clock = FakeClock::noon();
    let (store, learning) = work(&disk.path().join("work"), &clock);
    let storage = open(&disk.path().join("content"), SystemDisk, &clock);
    storage.set_limits(Some(GIB), Some(60 * MIB)).unwrap();
    let cached = blob(1, 2 * MIB);
    storage.blobs().put(cached.0, &cached.1).unwrap();
    // The budget of a small disk is a tenth of it.
    assert!(matches!(storage.reserve(30 * MIB), Err(Error::NoSpace { limit: Limit::Budget, .. })));

    let filler = disk.fill(61 * MIB);
    let promise = storage.reserve(2 * MIB).expect("what was only cached went for it");
    assert!(!storage.blobs().has(cached.0).unwrap());
    let short = storage.reserve(2 * MIB).err().unwrap();
    let Error::NoSpace { missing, limit: Limit::Disk } = short else { panic!("{short:?}") };
    assert!((MIB / 4..3 * MIB).contains(&missing), "{missing} bytes are missing");
    assert!(refused(storage.blobs().put(cached.0, &cached.1)), "nor what somebody asked for");
    drop(promise);
    for n in 0..50 {
        tick(&learning, n).await;
    }
    assert!(!storage.look_again().unwrap() || storage.trouble().is_none());
    fs::remove_file(filler).unwrap();
    storage.look_again().unwrap();
    assert_eq!(storage.trouble(), None, "space is back");
    storage.blobs().put(cached.0, &cached.1).unwrap();
    assert_sound(&storage);
    store.close().await;
    drop((store, learning));
}
