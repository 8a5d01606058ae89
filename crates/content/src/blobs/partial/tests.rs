use super::*;

#[test]
fn readers_follow_one_writer_until_it_ends() {
    let all = PartialBlobs::default();
    let hash = BlobHash::of(b"x");
    let mut registered = all.registrations();
    registered.mark_unchanged();
    assert!(all.reader(hash).is_none());
    let writer = all.register(hash, "a".into(), 3);
    assert!(registered.has_changed().unwrap());
    let second = all.register(hash, "b".into(), 0);
    let reader = all.reader(hash).unwrap();
    second.set_len(99);
    writer.set_total(10);
    writer.set_len(7);
    assert_eq!(reader.current(), PartProgress { len: 7, total: Some(10), end: None });
    drop(second);
    assert!(all.reader(hash).is_some(), "the first writer is still registered");
    drop(writer);
    assert_eq!(reader.current().end, Some(PartEnd::Abandoned));
    assert!(all.reader(hash).is_none());
    let mut writer = all.register(hash, "a".into(), 5);
    writer.set_total(9);
    let reader = all.reader(hash).unwrap();
    writer.restart();
    assert_eq!(
        reader.current().end,
        Some(PartEnd::Corrupt),
        "readers of the old bytes are notified"
    );
    let reader = all.reader(hash).unwrap();
    assert_eq!(reader.current(), PartProgress { len: 0, total: Some(9), end: None });
    writer.set_end(PartEnd::Complete);
    drop(writer);
    assert_eq!(reader.current().end, Some(PartEnd::Complete));
}
