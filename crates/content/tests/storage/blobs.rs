//! The blob store without downloads.

use std::sync::Arc;

use bytes::Bytes;
use carrel_content::blobs::BlobStore;
use carrel_model::{BlobHash, ErrorCode};
use carrel_sqlite::Database;
use carrel_testkit::FakeClock;

#[test]
fn only_matching_bytes_are_stored_and_damage_is_detected() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::noon());
    let content = carrel_content::storage::MIGRATIONS;
    let db = Database::open_disposable(&dir.path().join("content.db"), content, 0).unwrap();
    let store = BlobStore::new(db, &dir.path().join("blobs"), clock);
    for bytes in [Bytes::from_static(b"small"), Bytes::from(vec![3; 100_000])] {
        let hash = BlobHash::of(&bytes);
        let wrong = Bytes::from([b"x", &bytes[..]].concat());
        assert_eq!(store.put(hash, &wrong).unwrap_err().code(), ErrorCode::Corrupt);
        assert!(store.get(hash).unwrap().is_none());
        store.put(hash, &bytes).unwrap();
        assert_eq!(store.get(hash).unwrap().unwrap(), bytes);
        assert!(store.verify(hash).unwrap());
    }
    // A large blob in pieces: resumed, refused with wrong bytes, then complete.
    let bytes = Bytes::from((0..200_000_u32).map(|n| n as u8).collect::<Vec<_>>());
    let hash = BlobHash::of(&bytes);
    store.part(hash).unwrap().write(&bytes[..70_000]).unwrap();
    let mut part = store.part(hash).unwrap();
    assert_eq!(part.len(), 70_000);
    part.write(&bytes[..130_000]).unwrap();
    assert_eq!(part.finish().unwrap_err().code(), ErrorCode::Corrupt);
    let mut part = store.part(hash).unwrap();
    assert!(part.is_empty(), "wrong bytes are not resumed");
    part.write(&bytes).unwrap();
    part.finish().unwrap();
    // One flipped bit on the disk.
    let hex = hash.to_hex();
    let file = dir.path().join("blobs").join(&hex[..2]).join(&hex);
    let mut damaged = std::fs::read(&file).unwrap();
    damaged[99_999] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    assert!(!store.verify(hash).unwrap());
    assert!(!store.has(hash).unwrap(), "a damaged blob is fetched again");
}
