//! Order of eviction, pins, reservations and the budget.

use std::sync::{
    Arc, Mutex, Once, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bytes::Bytes;
use carrel_content::{Limit, blobs::BlobOrigin, storage::Storage};
use carrel_model::{BlobHash, ErrorCode};
use carrel_testkit::{FakeDisk, SeededRng, disk::length_of};

use crate::support::*;

/// A pinned course and its blobs.
type Pinned = (String, Vec<(BlobHash, Bytes)>);

/// A download may start to need a blob between the selection and the removal.
#[test]
fn a_blob_pinned_during_an_eviction_is_kept() {
    let dir = scratch();
    let opened: Arc<OnceLock<Storage>> = Arc::default();
    let (hash, bytes) = blob(1, MIB);
    let (pin, once) = (opened.clone(), Once::new());
    let storage = with_failpoints(
        dir.path(),
        Arc::new(move |name| {
            if let ("eviction planned", Some(storage)) = (name, pin.get()) {
                once.call_once(|| {
                    insert_download(storage, "asha", "pinned", &[(hash, MIB)], true, true);
                });
            }
        }),
    );
    storage.blobs().put(hash, &bytes).unwrap();
    assert!(opened.set(storage.clone()).is_ok());
    assert_eq!(storage.evict(1).unwrap(), 0);
    assert!(storage.blobs().verify(hash).unwrap(), "the blob is kept");
}

#[test]
fn eviction_follows_the_order_and_keeps_pinned_blobs() {
    let dir = scratch();
    let (storage, clock, _) = small_store(dir.path(), 64 * MIB);
    let blobs = storage.blobs();
    let put = |n, origin| {
        let (hash, bytes) = blob(n, MIB);
        blobs.put_with_origin(hash, &bytes, origin).unwrap();
        clock.advance(2 * 3_600_000);
        hash
    };
    let pinned = course(1, 3, MIB);
    store_course(&storage, "asha", "pinned", &pinned, true);
    let unpinned = course(2, 3, MIB);
    store_course(&storage, "asha", "unpinned", &unpinned, false);
    let near = put(10, BlobOrigin::Prefetched);
    storage.set_near("asha", &[near]).unwrap();
    let (old, new) = (put(11, BlobOrigin::Requested), put(12, BlobOrigin::Requested));
    let ahead = put(13, BlobOrigin::Prefetched);
    // The older blob is used again.
    assert!(blobs.get(old).unwrap().is_some());
    let evicted = |hash: BlobHash| !blobs.has(hash).unwrap();
    let steps: [(&str, u64, &[BlobHash]); 4] = [
        ("the oldest prefetched blob, of an unpinned download", 1, &[unpinned[2].0]),
        ("the other prefetched blobs", 3 * MIB, &[unpinned[0].0, unpinned[1].0, ahead]),
        ("the least recently used blob", 1, &[new]),
        ("the other blob, then the open lesson", u64::MAX, &[old, near]),
    ];
    for (what, bytes, expected) in steps {
        assert!(expected.iter().all(|h| !evicted(*h)), "{what}: evicted too early");
        storage.evict(bytes).unwrap();
        assert!(expected.iter().all(|h| evicted(*h)), "{what}");
        assert_eq!(
            number(&storage, "SELECT count(*) FROM download WHERE id = 'unpinned'"),
            0,
            "an incomplete download is removed"
        );
    }
    assert!(pinned.iter().all(|(h, _)| blobs.verify(*h).unwrap()), "pinned");
    assert_consistent(&storage);
    // Without a pinned download its blobs are evicted.
    delete_download(&storage, "asha", "pinned");
    assert_eq!(
        storage.clear_cache().unwrap(),
        pinned.iter().map(|(_, b)| b.len() as u64).sum::<u64>()
    );
    assert_consistent(&storage);
}

#[test]
fn the_largest_blob_of_the_oldest_hour_is_evicted_first() {
    let dir = scratch();
    let (storage, clock, _) = small_store(dir.path(), 64 * MIB);
    let put = |n, size| {
        let (hash, bytes) = blob(n, size);
        storage.blobs().put_with_origin(hash, &bytes, BlobOrigin::Requested).unwrap();
        clock.advance(60_000);
        hash
    };
    let (small, large, medium) = (put(1, MIB), put(2, 3 * MIB), put(3, 2 * MIB));
    clock.advance(2 * 3_600_000);
    let later = put(4, 8 * MIB);
    let is_stored = |hash| storage.blobs().has(hash).unwrap();
    for (bytes, evicted, kept) in [
        (2 * MIB, vec![large], vec![small, medium, later]),
        (MIB, vec![medium], vec![small, later]),
        (2 * MIB, vec![small, later], vec![]),
    ] {
        storage.evict(bytes).unwrap();
        assert!(
            evicted.iter().all(|hash| !is_stored(*hash)),
            "{bytes} bytes: too little was evicted"
        );
        assert!(kept.iter().all(|hash| is_stored(*hash)), "{bytes} bytes: too much was evicted");
    }
    assert_consistent(&storage);
}

#[test]
fn blobs_of_another_pinned_course_are_not_evicted() {
    let dir = scratch();
    let (storage, ..) = small_store(dir.path(), 64 * MIB);
    let shared = course(1, 4, 100 * KIB);
    let own = course(2, 2, 100 * KIB);
    store_course(&storage, "asha", "one", &shared, true);
    store_course(&storage, "ben", "two", &[shared.clone(), own.clone()].concat(), true);
    assert_eq!(storage.evict(u64::MAX).unwrap(), 0);
    delete_download(&storage, "ben", "two");
    let freed = storage.evict(u64::MAX).unwrap();
    assert_eq!(freed, own.iter().map(|(_, b)| b.len() as u64).sum::<u64>());
    assert!(shared.iter().all(|(h, _)| storage.blobs().verify(*h).unwrap()));
    assert_consistent(&storage);
}

#[test]
fn space_is_reserved_once_and_shortages_are_reported() {
    let dir = scratch();
    let (storage, clock, disk) = small_store(dir.path(), 20 * MIB);
    let first = storage.reserve(12 * MIB).unwrap();
    let second = open(dir.path(), disk.clone(), &clock);
    let short = second.reserve(12 * MIB).err().unwrap();
    assert!(
        matches!(short, carrel_content::Error::NoSpace { missing, limit: Limit::Budget } if missing == 4 * MIB),
        "{short}"
    );
    assert_eq!(short.code(), ErrorCode::DiskFull);
    assert_eq!(second.shortage().unwrap().limit, Limit::Budget);
    first.used(8 * MIB);
    assert_eq!(first.left(), 4 * MIB);
    drop(second.reserve(12 * MIB).unwrap());
    assert_eq!(second.shortage(), None);
    drop(first);
    // The reservation of a killed process expires.
    std::mem::forget(storage.reserve(15 * MIB).unwrap());
    assert!(second.reserve(15 * MIB).is_err());
    clock.advance(11 * 60_000);
    drop(second.reserve(15 * MIB).unwrap());
    // Near the floor no space is reserved, even with a large budget.
    storage.set_limits(Some(20 * MIB), Some(50 * MIB)).unwrap();
    disk.set_capacity(length_of(dir.path()) + 52 * MIB);
    let short = storage.reserve(5 * MIB).err().unwrap();
    assert!(matches!(short, carrel_content::Error::NoSpace { limit: Limit::Disk, .. }), "{short}");
    let (hash, bytes) = blob(5, 2 * MIB + 1);
    assert!(storage.blobs().put(hash, &bytes).is_err(), "requested blobs are not written either");
    insert_download(&storage, "asha", "waits", &[(hash, 2 * MIB + 1)], true, false);
    storage
        .db()
        .write_blocking("test", |c| {
            Ok(c.execute("UPDATE download SET phase = 'paused', reason = 'disk_full'", [])?)
        })
        .unwrap();
    assert!(!storage.recheck().unwrap());
    disk.set_capacity(100 * GIB);
    assert!(storage.recheck().unwrap(), "there is space again");
    assert_eq!(storage.shortage(), None);
    storage.blobs().put(hash, &bytes).unwrap();
}

/// Four threads with two stores, like two processes, fetch, read, pin, remove, evict and sweep at
/// random.
#[test]
fn random_operations_keep_pinned_blobs_and_the_budget() {
    const BUDGET: u64 = 24 * MIB;
    // The largest blobs of four threads, and the bytes written between two checks of the budget.
    const TOLERANCE: u64 = 12 * MIB;
    let rounds = if std::env::var_os("CARREL_LONG").is_some() { 4_000 } else { 300 };
    let dir = scratch();
    let work = dir.path().join("user.db");
    std::fs::write(&work, b"work of Asha").unwrap();
    let content = dir.path().join("content");
    let (storage, clock, _) = small_store(&content, BUDGET);
    let other = open(&content, FakeDisk::new(100 * GIB), &clock);
    let (max_used, refused, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let pins: Mutex<Vec<Pinned>> = Mutex::default();
    let seed = std::env::var("CARREL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let rng = SeededRng::new(seed);
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..4_u64)
            .map(|t| {
                let storage = if t % 2 == 0 { &storage } else { &other };
                let (rng, clock, pins, refused) = (rng.fork(), &clock, &pins, &refused);
                s.spawn(move || {
                    for round in 0..rounds {
                        clock.advance(30_000);
                        match rng.below(100) {
                            0..45 => {
                                let (hash, bytes) = blob(rng.below(400), 1 + rng.below(2 * MIB));
                                let origin = if rng.permille(500) {
                                    BlobOrigin::Requested
                                } else {
                                    BlobOrigin::Prefetched
                                };
                                let reservation = if origin == BlobOrigin::Prefetched {
                                    storage.reserve(bytes.len() as u64).map(Some)
                                } else {
                                    Ok(None)
                                };
                                match reservation.and_then(|_held| {
                                    storage.blobs().put_with_origin(hash, &bytes, origin)
                                }) {
                                    Ok(()) => {}
                                    Err(e) if e.code() == ErrorCode::DiskFull => {
                                        refused.fetch_add(1, Ordering::SeqCst);
                                    }
                                    Err(e) => panic!("{e}"),
                                }
                            }
                            45..70 => {
                                let n = rng.below(400);
                                let _ = storage.blobs().get(blob(n, 1).0).unwrap();
                            }
                            70..80 => {
                                let id = format!("c-{t}-{round}");
                                let blobs =
                                    course(10_000 + t * 10_000 + round, 3, rng.below(700 * KIB));
                                let bytes = blobs.iter().map(|(_, b)| b.len() as u64).sum();
                                let list: Vec<_> =
                                    blobs.iter().map(|(h, b)| (*h, b.len() as u64)).collect();
                                let Ok(reservation) = storage.reserve(bytes) else { continue };
                                let version =
                                    insert_download(storage, "asha", &id, &list, true, false);
                                for (hash, bytes) in &blobs {
                                    storage
                                        .blobs()
                                        .put_with_origin(*hash, bytes, BlobOrigin::Prefetched)
                                        .unwrap();
                                    reservation.used(bytes.len() as u64);
                                }
                                set_ready(storage, version);
                                pins.lock().unwrap().push((id, blobs));
                            }
                            80..88 => {
                                let removed = {
                                    let mut pins = pins.lock().unwrap();
                                    let n = rng.below(pins.len() as u64) as usize;
                                    if pins.is_empty() { continue } else { pins.swap_remove(n) }
                                };
                                delete_download(storage, "asha", &removed.0);
                            }
                            88..96 => {
                                let pins = pins.lock().unwrap();
                                if let Some((id, blobs)) =
                                    pins.get(rng.below(pins.len() as u64) as usize)
                                {
                                    for (hash, bytes) in blobs {
                                        assert_eq!(
                                            storage.blobs().get(*hash).unwrap().as_ref(),
                                            Some(bytes),
                                            "seed {seed}: {id} is pinned"
                                        );
                                    }
                                }
                            }
                            96 => drop(storage.clear_cache().unwrap()),
                            97 => drop(storage.sweep().unwrap()),
                            98 => drop(storage.enforce_budget().unwrap()),
                            _ => storage.set_near("asha", &[blob(rng.below(400), 1).0]).unwrap(),
                        }
                    }
                })
            })
            .collect();
        let monitor = s.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                max_used.fetch_max(length_of(&content.join("blobs")), Ordering::SeqCst);
                std::thread::yield_now();
            }
        });
        let ends: Vec<_> = threads.into_iter().map(|t| t.join()).collect();
        done.store(true, Ordering::SeqCst);
        monitor.join().unwrap();
        ends.into_iter().for_each(|end| end.unwrap());
    });
    let max_used = max_used.load(Ordering::SeqCst);
    assert!(max_used <= BUDGET + TOLERANCE, "seed {seed}: {max_used} bytes were used");
    assert!(max_used > BUDGET / 2, "the run did not reach the budget: {max_used}");
    for (id, blobs) in pins.into_inner().unwrap() {
        for (hash, _) in blobs {
            assert!(storage.blobs().verify(hash).unwrap(), "seed {seed}: {id} is pinned");
        }
    }
    assert_eq!(std::fs::read(&work).unwrap(), b"work of Asha");
    storage.sweep().unwrap();
    assert_consistent(&storage);
}
