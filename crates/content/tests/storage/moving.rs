//! Moving content to another folder: during use, with kills, and refused moves.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use carrel_content::{
    Error, Limit,
    blobs::BlobOrigin,
    storage::{ContentLocation, Storage},
};
use carrel_model::ErrorCode;
use carrel_testkit::{FakeClock, FakeDisk, disk::length_of};

use crate::{
    kill::{DIR, STEP, abort_at, run_test},
    support::*,
};

fn location(dir: &Path) -> ContentLocation {
    ContentLocation::new(dir.join("data/content.json"), dir.join("old"))
}

/// Opens the folder in use, starts or continues a move, and empties the old folder, like a start of the
/// app.
fn continue_move(
    dir: &Path,
    to: Option<&Path>,
    failpoints: Option<carrel_content::storage::Failpoints>,
) -> carrel_content::Result<Storage> {
    let location = location(dir);
    let clock = FakeClock::noon();
    let mut options = options(&location.current(), FakeDisk::new(100 * GIB), &clock);
    options.failpoints.clone_from(&failpoints);
    let storage = Storage::open(options.clone())?;
    if let Some(to) = to.map(Path::to_owned).or_else(|| location.pending()) {
        location.begin(&storage, &to)?;
        location.copy_blobs(&storage)?;
        options.dir = location.switch(&storage)?;
    }
    drop(storage);
    let failpoint = failpoints.unwrap_or_else(|| std::sync::Arc::new(|_| {}));
    location.empty_old_folder(&|name| failpoint(name))?;
    options.failpoints = None;
    let storage = Storage::open(options)?;
    storage.sweep()?;
    Ok(storage)
}

fn content() -> Vec<(carrel_model::BlobHash, bytes::Bytes)> {
    [course(1, 12, 60 * KIB), course(2, 6, KIB)].concat()
}

fn filled_store(dir: &Path) -> Storage {
    let (storage, ..) = small_store(&dir.join("old"), GIB);
    store_course(&storage, "asha", "one", &content(), true);
    let mut part = storage.blobs().part(blob(77, MIB).0).unwrap();
    part.write(&blob(77, MIB).1[..5000]).unwrap();
    drop(part);
    std::fs::write(dir.join("old/foreign.txt"), "stays").unwrap();
    storage
}

fn assert_moved(dir: &Path, storage: &Storage, what: &str) {
    assert_eq!(storage.dir(), dir.join("new"), "{what}");
    assert_consistent(storage);
    assert!(
        content().iter().all(|(h, _)| storage.blobs().verify(*h).unwrap()),
        "{what}: all bytes were copied"
    );
    assert_eq!(number(storage, "SELECT count(*) FROM download WHERE phase = 'ready'"), 1, "{what}");
    assert_eq!(storage.limits().unwrap().budget, Some(GIB), "{what}: the budget was copied");
    assert_eq!(
        length_of(&dir.join("old")),
        5,
        "{what}: only the foreign file is left in the old folder"
    );
    assert!(location(dir).pending().is_none());
}

#[test]
fn a_move_copies_everything_and_empties_the_old_folder() {
    let dir = scratch();
    drop(filled_store(dir.path()));
    let new = dir.path().join("new");
    let storage = continue_move(dir.path(), Some(&new), None).unwrap();
    assert_moved(dir.path(), &storage, "moved");
    assert_eq!(number(&storage, "SELECT count(*) FROM part"), 0, "partial files are not copied");
    drop(storage);
    // Back to the old folder, which contains another file.
    let storage = continue_move(dir.path(), Some(&dir.path().join("old")), None).unwrap();
    assert!(content().iter().all(|(h, _)| storage.blobs().verify(*h).unwrap()));
    assert!(!new.exists());
}

#[test]
#[ignore = "started by the next test"]
fn child() {
    let (Ok(step), Ok(dir)) = (std::env::var(STEP), std::env::var(DIR)) else { return };
    let dir = Path::new(&dir);
    continue_move(dir, Some(&dir.join("new")), Some(abort_at(&step))).unwrap();
}

#[test]
fn a_kill_at_any_step_of_a_move_loses_nothing() {
    let each = [
        ("copied", 12),
        ("closed", 1),
        ("records", 1),
        ("snapshot", 1),
        ("switched", 1),
        ("deleted", 10),
    ];
    let runs = if std::env::var_os("CARREL_LONG").is_some() { 500 } else { 18 };
    for run in 0..runs {
        let (name, max) = each[run % each.len()];
        let step = format!("{name}:{}", 1 + (run / each.len() * 7) % max);
        let step = step.as_str();
        let dir = scratch();
        drop(filled_store(dir.path()));
        assert!(!run_test(dir.path(), step, "moving::child"), "{step}: the process was not killed");
        // Killed again at the next start, then completed.
        let _ = run_test(dir.path(), "copied:2", "moving::child");
        let storage = continue_move(dir.path(), None, None).unwrap();
        assert_moved(dir.path(), &storage, step);
    }
}

#[test]
fn changes_during_the_copy_are_included() {
    let dir = scratch();
    let storage = filled_store(dir.path());
    let location = location(dir.path());
    let new = dir.path().join("new");
    location.begin(&storage, &new).unwrap();
    location.copy_blobs(&storage).unwrap();
    let (late, bytes) = blob(50, 90 * KIB);
    storage.blobs().put_with_origin(late, &bytes, BlobOrigin::Requested).unwrap();
    let removed = content()[0].0;
    storage.blobs().remove(removed).unwrap();
    // A damaged copy is detected by its length.
    let (cut, _) = content()[1];
    let hex = cut.to_hex();
    std::fs::write(new.join("blobs").join(&hex[..2]).join(&hex), b"cut").unwrap();
    location.switch(&storage).unwrap();
    drop(storage);
    let storage = continue_move(dir.path(), None, None).unwrap();
    assert_consistent(&storage);
    assert!(storage.blobs().verify(late).unwrap() && storage.blobs().verify(cut).unwrap());
    assert!(
        storage.blobs().verify(removed).unwrap(),
        "the copied file without a row is adopted, because a download needs it"
    );
}

/// All writes that succeeded before the switch are in the new folder; later writes fail.
#[test]
fn concurrent_writes_survive_a_move() {
    for round in 0..6 {
        let dir = scratch();
        let storage = filled_store(dir.path());
        let location = location(dir.path());
        location.begin(&storage, &dir.path().join("new")).unwrap();
        location.copy_blobs(&storage).unwrap();
        let (unfinished, bytes) = blob(60, 90 * KIB);
        let mut part = storage.blobs().part(unfinished).unwrap();
        part.write(&bytes).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let moved = AtomicBool::new(false);
        let (written, refused) = std::thread::scope(|s| {
            let writer = s.spawn(|| {
                let mut written = Vec::new();
                for n in 0.. {
                    let (hash, bytes) = blob(5_000 + n, if n % 2 == 0 { KIB } else { 40 * KIB });
                    let is_late = moved.load(Ordering::SeqCst);
                    match storage.blobs().put_with_origin(hash, &bytes, BlobOrigin::Requested) {
                        Ok(()) if is_late => panic!("written to the old folder after the move"),
                        Ok(()) => written.push(hash),
                        Err(e) => return (written, e),
                    }
                    let _ = sender.send(());
                }
                unreachable!()
            });
            for _ in 0..=round {
                receiver.recv().unwrap();
            }
            location.switch(&storage).unwrap();
            moved.store(true, Ordering::SeqCst);
            writer.join().unwrap()
        });
        assert_eq!(refused.code(), ErrorCode::Storage, "{refused}");
        assert!(part.finish().is_err(), "the old store is closed");
        assert!(storage.set_limits(Some(GIB), None).is_err());
        assert!(
            storage
                .db()
                .write_blocking("test", |tx| Ok(tx.execute("DELETE FROM download", [])?))
                .is_err()
        );
        drop(storage);
        let storage = continue_move(dir.path(), None, None).unwrap();
        assert!(written.iter().all(|h| storage.blobs().verify(*h).unwrap()), "round {round}");
        assert!(content().iter().all(|(h, _)| storage.blobs().verify(*h).unwrap()));
        assert_consistent(&storage);
    }
}

#[test]
fn invalid_moves_are_refused() {
    let dir = scratch();
    let (storage, clock, disk) = small_store(&dir.path().join("old"), GIB);
    store_course(&storage, "asha", "one", &content(), true);
    let location = location(dir.path());
    let refused = |to: &Path| location.begin(&storage, to).err().unwrap();
    assert_eq!(refused(Path::new("some/where")).code(), ErrorCode::InvalidRequest);
    assert_eq!(
        refused(&dir.path().join("old/deeper")).code(),
        ErrorCode::InvalidRequest,
        "a folder inside the content folder"
    );
    let other = dir.path().join("other");
    drop(open(&other, disk.clone(), &clock));
    assert_eq!(
        refused(&other).code(),
        ErrorCode::InvalidRequest,
        "the folder contains other content"
    );
    disk.set_capacity(100 * KIB);
    assert!(matches!(refused(&dir.path().join("new")), Error::NoSpace { limit: Limit::Disk, .. }));
    disk.set_capacity(100 * GIB);
    // Another process uses the store.
    let second = open(&dir.path().join("old"), disk, &clock);
    let new = dir.path().join("new");
    location.begin(&storage, &new).unwrap();
    location.copy_blobs(&storage).unwrap();
    assert_eq!(location.switch(&storage).err().unwrap().code(), ErrorCode::InvalidRequest);
    location.cancel().unwrap();
    assert!(!new.exists() && location.pending().is_none());
    assert!(content().iter().all(|(h, _)| second.blobs().verify(*h).unwrap()), "nothing was lost");
}
