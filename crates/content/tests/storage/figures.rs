//! Usage figures, compared with the lengths of files, and the limits.

use bytes::Bytes;
use carrel_content::{
    Kind,
    blobs::{BlobOrigin, MediaKind},
    download::DownloadTarget,
    storage::{Removal, Storage},
};
use carrel_model::{BlobHash, Slug};
use carrel_testkit::disk::length_of;

use crate::support::*;

#[test]
fn figures_match_the_lengths_of_files() {
    let dir = scratch();
    let (storage, ..) = small_store(dir.path(), 64 * MIB);
    let shared = course(1, 3, 200 * KIB);
    let (a, b, c) = (course(2, 2, 300 * KIB), course(3, 2, 10 * KIB), course(4, 1, 400 * KIB));
    store_course(&storage, "asha", "one", &[shared.clone(), a.clone()].concat(), true);
    store_course(&storage, "asha", "two", &[shared.clone(), b.clone()].concat(), true);
    store_course(&storage, "ben", "three", &c, true);
    let sum = |blobs: &[(BlobHash, Bytes)]| blobs.iter().map(|(_, b)| b.len() as u64).sum::<u64>();
    let png = Bytes::from([b"\x89PNG".as_slice(), &[7; 50_000]].concat());
    storage.blobs().put(BlobHash::of(&png), &png).unwrap();
    let text = Bytes::from_static(b"{\"blocks\":[]}");
    storage.blobs().put(BlobHash::of(&text), &text).unwrap();
    let (hash, large) = blob(9, 2 * MIB);
    let mut part = storage.blobs().part(hash).unwrap();
    part.write(&large[..MIB as usize]).unwrap();
    drop(part);

    let f = storage.figures("asha").unwrap();
    assert_eq!(f.mine, sum(&shared) + sum(&a) + sum(&b), "shared bytes count once");
    assert_eq!(f.others, sum(&c));
    assert_eq!(f.cache, (png.len() + text.len()) as u64);
    assert_eq!(f.unfinished, MIB);
    let of = |kind| f.by_kind.iter().find(|k| k.kind == kind).map(|k| (k.blobs, k.bytes)).unwrap();
    assert_eq!(of(MediaKind::Image), (1, png.len() as u64));
    assert_eq!(of(MediaKind::Text), (1, text.len() as u64));
    assert_eq!(f.measured.used, f.mine + f.others + f.cache + f.unfinished);
    // The total equals all files in the folder except the reserve file.
    let reserve_file = std::fs::metadata(dir.path().join("ballast")).unwrap().len();
    assert_eq!(f.measured.used + f.index + reserve_file, length_of(dir.path()), "{f:?}");

    let (rows, total) = storage.courses("asha", 0, 10).unwrap();
    assert_eq!(total, 2);
    let rows: Vec<_> = rows
        .iter()
        .map(|r| (r.target.id.as_str(), r.bytes, r.by_kind.iter().sum::<u64>()))
        .collect();
    let (one, two) = (sum(&shared) + sum(&a), sum(&shared) + sum(&b));
    assert_eq!(rows, [("one", one, one), ("two", two, two)]);
    assert_eq!(storage.courses("asha", 1, 10).unwrap().0.len(), 1);

    let target = |id: &str| DownloadTarget::whole(Kind::Course, &Slug::new(id).unwrap());
    assert_eq!(
        storage.removal("asha", &target("one")).unwrap(),
        Removal { freed: sum(&a), shared: sum(&shared) }
    );
    assert_eq!(
        storage.removal("ben", &target("three")).unwrap(),
        Removal { freed: sum(&c), shared: 0 }
    );
    let before = length_of(&dir.path().join("blobs"));
    delete_download(&storage, "asha", "one");
    assert_eq!(storage.figures("asha").unwrap().mine, two);
    storage.clear_cache().unwrap();
    assert_eq!(
        before - length_of(&dir.path().join("blobs")),
        sum(&a) + png.len() as u64 + MIB,
        "including the partial file"
    );
    let f = storage.figures("asha").unwrap();
    assert_eq!((f.cache, f.unfinished), (0, 0));
}

/// Eviction of small bodies shrinks the database file.
#[test]
fn evicted_bodies_shrink_the_database() {
    let dir = scratch();
    let (storage, ..) = small_store(dir.path(), 64 * MIB);
    for n in 0..400 {
        let (hash, bytes) = blob(n, 20 * KIB);
        storage.blobs().put_with_origin(hash, &bytes, BlobOrigin::Prefetched).unwrap();
    }
    let full = length_of(dir.path());
    assert_eq!(storage.clear_cache().unwrap(), 400 * 20 * KIB);
    let freed = full - length_of(dir.path());
    assert!(freed > 7 * MIB, "{freed} bytes were freed");
}

/// The record of limits (`records/keys.json`) restores the limits of a lost database, and never replaces
/// newer limits.
#[test]
fn limits_without_a_record_survive_a_restart() {
    let dir = scratch();
    let (mut storage, clock, disk) = small_store(dir.path(), GIB);
    let reopen = |storage: Storage| {
        drop(storage);
        open(dir.path(), disk.clone(), &clock)
    };
    // With this folder the temporary file cannot be created, so that each write of the record fails.
    let blocker = dir.path().join(format!("records/keys.{}.new", std::process::id()));
    for budget in [Some(2 * GIB), None, Some(GIB)] {
        std::fs::create_dir(&blocker).unwrap();
        storage.set_limits(budget, Some(0)).unwrap();
        storage = reopen(storage);
        assert_eq!(storage.limits().unwrap().budget, budget, "from the database");
        std::fs::remove_dir(&blocker).unwrap();
        storage.sweep().unwrap();
        drop(storage);
        for name in ["content.db", "content.db-wal", "content.db-shm"] {
            let _ = std::fs::remove_file(dir.path().join(name));
        }
        storage = open(dir.path(), disk.clone(), &clock);
        assert_eq!(storage.limits().unwrap().budget, budget, "from the record");
    }
}
