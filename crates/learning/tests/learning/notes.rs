//! Notes as rows: versions, deletion, undo.

use std::sync::Arc;

use carrel_learning::{
    Error, Learning,
    notes::{BodyText, NoteDraft, Passage},
    store::Store,
};
use carrel_model::{
    BlobHash, RevisionId,
    lattice::{NoteAnchor, NoteLife, NoteMark, NoteRevision, Row, RowType},
};
use carrel_sqlite::Change;
use carrel_testkit::{
    FakeClock, SeededIds,
    work::{item, options},
};
use tempfile::TempDir;

struct TestDevice {
    store: Arc<Store>,
    learning: Learning,
    clock: FakeClock,
    _dir: TempDir,
}

fn device(number: u128) -> TestDevice {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    let store = Arc::new(Store::open(dir.path(), options(number, &clock)).unwrap());
    let ids = Arc::new(SeededIds::new(number as u64));
    TestDevice { learning: Learning::new(store.clone(), ids), store, clock, _dir: dir }
}

impl TestDevice {
    /// Takes over all notes of another device, as a sync does.
    async fn pull(&self, other: &TestDevice) {
        let rows = other.store.read(|conn| {
            let mut rows: Vec<Row> = Vec::new();
            for row_type in [RowType::NoteRevision, RowType::NoteLife] {
                rows.extend(carrel_learning::store::checked::all(conn, row_type)?);
            }
            Ok(rows)
        });
        let rows = rows.await.unwrap();
        self.store
            .write("pull", move |tx| {
                rows.iter().try_for_each(|row| tx.apply_remote(row.clone()).map(|_| ()))
            })
            .await
            .unwrap();
    }
    async fn texts(&self) -> Vec<Vec<String>> {
        let notes = self.learning.notes(&item("rivers")).await.unwrap();
        notes.iter().map(|n| n.versions.iter().map(|v| v.body.clone()).collect()).collect()
    }
    async fn edit(&self, text: &str) -> RevisionId {
        let note = self.learning.notes(&item("rivers")).await.unwrap().remove(0);
        let anchor = note.versions[0].anchor.clone();
        let draft = NoteDraft {
            note: Some(note.note),
            base: note.revisions,
            item: note.item,
            body: text.to_owned(),
            anchor,
        };
        self.learning.save_note(draft).await.unwrap()
    }
}

fn draft(text: &str) -> NoteDraft {
    let hash = BlobHash::of(b"body");
    let body = BodyText::new(&hash, ["The river bends to the north."]);
    let anchor = body.anchor(&hash, Passage { block: 0, start: 4, end: 9 }).unwrap();
    NoteDraft {
        note: None,
        base: Vec::new(),
        item: item("rivers/basin/read"),
        body: text.to_owned(),
        anchor: Some(NoteAnchor { m: NoteMark::Blue, ..anchor }),
    }
}

#[tokio::test]
async fn a_note_is_saved_edited_deleted_and_restored() {
    let d = device(1);
    let mut changes = d.store.changes().subscribe();
    let note = d.learning.save_note(draft("first")).await.unwrap();
    assert!(changes.recv().await.unwrap().contains(&Change::Notes));
    let saved = d.learning.notes(&item("rivers/basin/read")).await.unwrap().remove(0);
    assert_eq!((saved.note, saved.waiting), (note, true));
    assert_eq!(saved.versions[0].anchor.as_ref().unwrap().m, NoteMark::Blue);
    assert_eq!(saved.created_ms, FakeClock::NOON);
    d.clock.advance(1_000);
    assert_eq!(d.edit("second").await, note);
    assert_eq!(d.texts().await, [["second"]]);
    for other in ["rivers/basin", "rivers/basin/read", "rivers"] {
        assert_eq!(d.learning.notes(&item(other)).await.unwrap().len(), 1, "{other}");
    }
    for other in ["rivers/basin/readers", "river", "rivers/load"] {
        assert!(d.learning.notes(&item(other)).await.unwrap().is_empty(), "{other}");
    }
    d.learning.delete_note(note).await.unwrap();
    assert!(d.texts().await.is_empty());
    assert!(d.learning.all_notes().await.unwrap().is_empty());
    assert_eq!(d.learning.note_revision(note).await.unwrap().unwrap().body, "second");
    d.learning.restore_note(note).await.unwrap();
    d.learning.restore_note(note).await.unwrap();
    assert_eq!(d.texts().await, [["second"]]);
    let unknown = RevisionId::from_u128(99);
    for result in [
        d.learning.delete_note(unknown).await,
        d.learning.restore_note(unknown).await,
        d.learning.save_note(NoteDraft { note: Some(unknown), ..draft("x") }).await.map(|_| ()),
        d.learning
            .save_note(NoteDraft { note: Some(note), item: item("other/a/b"), ..draft("x") })
            .await
            .map(|_| ()),
    ] {
        assert!(matches!(result, Err(Error::NotFound(_))), "{result:?}");
    }
    let long = d.learning.save_note(draft(&"x".repeat(64 * 1024 + 1))).await;
    assert!(matches!(long, Err(Error::Invalid(_))), "{long:?}");
}

#[tokio::test]
async fn two_devices_that_edit_one_note_keep_both_versions_until_they_are_merged() {
    let (a, b) = (device(1), device(2));
    let note = a.learning.save_note(draft("first")).await.unwrap();
    b.pull(&a).await;
    a.clock.advance(10);
    b.clock.advance(20);
    a.edit("from a").await;
    b.edit("from b").await;
    a.pull(&b).await;
    b.pull(&a).await;
    assert_eq!(a.texts().await, [["from b", "from a"]], "newest first");
    assert_eq!(b.texts().await, a.texts().await);
    // A deletion and its undo keep both.
    a.learning.delete_note(note).await.unwrap();
    a.learning.restore_note(note).await.unwrap();
    let mut texts = a.texts().await;
    texts[0].sort();
    assert_eq!(texts, [["from a", "from b"]]);
    a.edit("both").await;
    b.pull(&a).await;
    assert_eq!(b.texts().await, [["both"]]);
    // The same edit on both devices is one version.
    a.edit("same").await;
    b.edit("same").await;
    a.pull(&b).await;
    assert_eq!(a.texts().await, [["same"]]);
    assert_eq!(a.learning.all_notes().await.unwrap()[0].revisions.len(), 2);
}

#[tokio::test]
async fn a_later_edit_on_another_device_keeps_a_deleted_note() {
    let (a, b) = (device(1), device(2));
    let note = a.learning.save_note(draft("first")).await.unwrap();
    b.pull(&a).await;
    a.learning.delete_note(note).await.unwrap();
    b.clock.advance(60_000);
    b.edit("still needed").await;
    a.pull(&b).await;
    b.pull(&a).await;
    assert_eq!(a.texts().await, [["still needed"]]);
    assert_eq!(b.texts().await, a.texts().await);
    b.learning.delete_note(note).await.unwrap();
    a.pull(&b).await;
    assert!(a.texts().await.is_empty());
}

#[tokio::test]
async fn notes_of_other_releases_are_listed() {
    let d = device(1);
    d.store
        .write("remote", |tx| {
            let (rev, hlc) = (RevisionId::from_u128(5), tx.hlc());
            tx.apply_remote(NoteRevision {
                rev,
                note: rev,
                base: Vec::new(),
                hlc,
                item: item("rivers/basin/read"),
                body: "kept".into(),
                anchor: "p3.s2".into(),
                extra: Default::default(),
            })?;
            // A deletion of a note that is not here yet.
            let (note, deleted) = (RevisionId::from_u128(6), tx.hlc());
            tx.apply_remote(NoteLife { note, deleted, extra: Default::default() })
        })
        .await
        .unwrap();
    let notes = d.learning.all_notes().await.unwrap();
    assert_eq!((notes.len(), notes[0].waiting), (1, false));
    assert_eq!(notes[0].versions[0].anchor, None);
}
