//! Helpers: a store on a simulated disk, and generated content.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use carrel_content::{
    blobs::BlobOrigin,
    storage::{Failpoints, Storage, StorageOptions},
};
use carrel_model::BlobHash;
use carrel_sqlite::Changes;
use carrel_system::Disk;
pub use carrel_testkit::scratch::scratch;
use carrel_testkit::{FakeClock, FakeDisk};

pub const KIB: u64 = 1024;
pub const MIB: u64 = 1024 * KIB;
pub const GIB: u64 = 1024 * MIB;

pub fn options(dir: &Path, disk: impl Disk, clock: &FakeClock) -> StorageOptions {
    StorageOptions {
        dir: dir.to_owned(),
        policy_budget: None,
        disk: Arc::new(disk),
        clock: Arc::new(clock.clone()),
        changes: Changes::new(),
        failpoints: None,
        shared_store: None,
    }
}

pub fn open(dir: &Path, disk: impl Disk, clock: &FakeClock) -> Storage {
    // The tests make blocking calls.
    carrel_system::allow_blocking();
    Storage::open(options(dir, disk, clock)).unwrap()
}

/// Opens a store on a large disk with a small budget and no floor.
pub fn small_store(dir: &Path, budget: u64) -> (Storage, FakeClock, FakeDisk) {
    let (clock, disk) = (FakeClock::noon(), FakeDisk::new(100 * GIB));
    let storage = open(dir, disk.clone(), &clock);
    storage.set_limits(Some(budget), Some(0)).unwrap();
    (storage, clock, disk)
}

pub fn with_failpoints(dir: &Path, failpoints: Failpoints) -> Storage {
    let clock = FakeClock::noon();
    let options = StorageOptions {
        failpoints: Some(failpoints),
        ..options(dir, FakeDisk::new(100 * GIB), &clock)
    };
    Storage::open(options).unwrap()
}

/// Returns a blob of pseudo-random bytes derived from `n`.
pub fn blob(n: u64, size: u64) -> (BlobHash, Bytes) {
    let mut bytes = vec![0; size as usize];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&n.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    let bytes = Bytes::from(bytes);
    (BlobHash::of(&bytes), bytes)
}

/// Returns the blobs of a course.
pub fn course(n: u64, blobs: u64, size: u64) -> Vec<(BlobHash, Bytes)> {
    (0..blobs).map(|b| blob(n * 1_000 + b, size + b)).collect()
}

/// Inserts the rows of a download, as the queue does. `ready`: its version is ready. Returns the number
/// of the version.
pub fn insert_download(
    storage: &Storage,
    account: &str,
    id: &str,
    blobs: &[(BlobHash, u64)],
    pinned: bool,
    ready: bool,
) -> i64 {
    storage
        .db()
        .write_blocking("test", |tx| {
            let name = BlobHash::of(id.as_bytes());
            let bytes: i64 = blobs.iter().map(|b| b.1 as i64).sum();
            tx.execute(
                "INSERT INTO version (hash, scope, signer, kind, id, files, bytes, text_bytes, picture_bytes, audio_bytes, video_bytes,
                                      other_bytes)
                 VALUES (?1, '', ?2, 'course', ?3, ?4, ?5, 0, 0, 0, 0, ?5)",
                (name.0, account, id, blobs.len() as i64, bytes),
            )?;
            let version = tx.last_insert_rowid();
            for (hash, size) in blobs {
                tx.execute("INSERT INTO need (version, hash, size, kind) VALUES (?1, ?2, ?3, 4)", (version, hash.0, *size as i64))?;
            }
            let (wanted, ready_version) = if ready { (None, Some(version)) } else { (Some(version), None) };
            tx.execute(
                "INSERT INTO download (account, kind, id, scope, phase, reason, bytes_done, bytes_total, wanted, ready, pinned,
                                       requested_ms, used_ms, checked_ms)
                 VALUES (?1, 'course', ?2, '', ?3, '', ?4, ?4, ?5, ?6, ?7, 0, 0, 0)",
                (account, id, if ready { "ready" } else { "running" }, bytes, wanted, ready_version, pinned),
            )?;
            Ok(version)
        })
        .unwrap()
}

pub fn set_ready(storage: &Storage, version: i64) {
    storage
        .db()
        .write_blocking("test", |tx| {
            Ok(tx.execute("UPDATE download SET phase = 'ready', ready = wanted, wanted = NULL WHERE wanted = ?1", [version])?)
        })
        .unwrap();
}

pub fn delete_download(storage: &Storage, account: &str, id: &str) {
    storage
        .db()
        .write_blocking("test", |tx| {
            Ok(tx.execute("DELETE FROM download WHERE account = ?1 AND id = ?2", (account, id))?)
        })
        .unwrap();
}

/// Stores a ready course.
pub fn store_course(
    storage: &Storage,
    account: &str,
    id: &str,
    blobs: &[(BlobHash, Bytes)],
    pinned: bool,
) {
    let list: Vec<_> = blobs.iter().map(|(h, b)| (*h, b.len() as u64)).collect();
    let version = insert_download(storage, account, id, &list, pinned, false);
    for (hash, bytes) in blobs {
        storage.blobs().put_with_origin(*hash, bytes, BlobOrigin::Prefetched).unwrap();
    }
    set_ready(storage, version);
}

pub fn number(storage: &Storage, sql: &str) -> i64 {
    storage.db().read_blocking(|conn| Ok(conn.query_row(sql, [], |r| r.get(0))?)).unwrap()
}

/// Asserts the invariants of an idle store: rows and files match, sums are correct, no blob is marked
/// for deletion, no space is reserved.
pub fn assert_consistent(storage: &Storage) {
    let rows: Vec<(BlobHash, i64, bool)> = storage
        .db()
        .read_blocking(|conn| {
            let mut stmt = conn.prepare("SELECT hash, size, inline FROM blob")?;
            let rows = stmt.query_map([], |r| Ok((BlobHash(r.get(0)?), r.get(1)?, r.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .unwrap();
    let mut files = std::collections::BTreeMap::new();
    for folder in std::fs::read_dir(storage.dir().join("blobs")).unwrap().flatten() {
        for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
            let name = file.file_name().into_string().unwrap();
            if !name.ends_with(".part") {
                files.insert(name, file.metadata().unwrap().len() as i64);
            }
        }
    }
    let named: std::collections::BTreeMap<_, _> =
        rows.iter().filter(|r| !r.2).map(|r| (r.0.to_hex(), r.1)).collect();
    assert_eq!(files, named, "files and rows match");
    for (hash, _, _) in &rows {
        assert!(storage.blobs().verify(*hash).unwrap(), "{hash:?} does not match its hash");
    }
    let sum: i64 = rows.iter().map(|r| r.1).sum();
    assert_eq!(number(storage, "SELECT sum(bytes) FROM tally"), sum, "the sums match");
    assert_eq!(number(storage, "SELECT sum(blobs) FROM tally"), rows.len() as i64);
    assert_eq!(number(storage, "SELECT count(*) FROM doomed"), 0);
    assert_eq!(number(storage, "SELECT count(*) FROM reservation"), 0);
    assert_eq!(
        number(
            storage,
            "SELECT count(*) FROM blob_body WHERE hash NOT IN (SELECT hash FROM blob WHERE inline = 1)"
        ),
        0
    );
}
