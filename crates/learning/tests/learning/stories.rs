//! Exercises after a story, and corrected times of sentences.

use std::{collections::BTreeMap, sync::Arc};

use carrel_learning::{Error, ExerciseAnswer, Learning, store::Store};
use carrel_model::{
    BlobHash, ItemId, Slug,
    content::Response,
    lattice::{Kv, Row, RowType},
};
use carrel_testkit::{
    FakeClock, SeededIds,
    work::{item, options},
};

struct TestDevice {
    store: Arc<Store>,
    learning: Learning,
    clock: FakeClock,
    _dir: tempfile::TempDir,
}

fn device(number: u128, clock: &FakeClock) -> TestDevice {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), options(number, clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(number as u64)));
    TestDevice { store, learning, clock: clock.clone(), _dir: dir }
}

impl TestDevice {
    /// Takes over the registers of another device, as a sync does.
    async fn pull(&self, other: &TestDevice) {
        let rows =
            |conn: &rusqlite::Connection| carrel_learning::store::checked::all(conn, RowType::Kv);
        let rows: Vec<Row> = other.store.read(rows).await.unwrap();
        for row in rows {
            let Row::Kv(kv) = row else { panic!("{row:?}") };
            self.store.write("pull", move |tx| tx.join(kv.clone()).map(drop)).await.unwrap();
        }
    }
}

fn exercise(n: usize) -> Slug {
    Slug::new(format!("exercise-{n}")).unwrap()
}
fn typed(text: &str, points: i64) -> ExerciseAnswer {
    ExerciseAnswer {
        response: Response::Fill { texts: vec![text.to_owned()] },
        points,
        max_points: 1000,
    }
}

#[tokio::test]
async fn a_run_is_continued_until_each_exercise_has_an_answer() {
    let d = device(1, &FakeClock::noon());
    let goat: ItemId = item("goat");
    assert!(d.learning.exercise_runs(&goat).await.unwrap().is_empty());
    let run = d.learning.start_exercises(&goat, |_| 2).await.unwrap();
    assert_eq!((run.count, run.answers.len()), (2, 0));
    d.clock.advance(1_000);
    let first = typed("goat", 1000);
    let stored = d.learning.answer_exercise(&goat, &run.id, &exercise(1), first.clone()).await;
    assert_eq!(stored.unwrap(), first);
    // The first answer counts.
    let second = d.learning.answer_exercise(&goat, &run.id, &exercise(1), typed("sheep", 0)).await;
    assert_eq!(second.unwrap(), first);
    let again = d.learning.start_exercises(&goat, |_| 9).await.unwrap();
    assert_eq!((&again.id, again.seed, again.count), (&run.id, run.seed, 2));
    assert_eq!(again.answers, BTreeMap::from([(exercise(1), first)]));
    let unknown = d.learning.answer_exercise(&goat, "none", &exercise(1), typed("x", 0)).await;
    assert!(matches!(unknown, Err(Error::NotFound(_))));
    d.learning.answer_exercise(&goat, &run.id, &exercise(2), typed("hay", 0)).await.unwrap();
    d.clock.advance(1_000);
    let next = d.learning.start_exercises(&goat, |_| 3).await.unwrap();
    assert_ne!((&next.id, next.seed), (&run.id, run.seed));
    let runs = d.learning.exercise_runs(&goat).await.unwrap();
    let shown: Vec<_> = runs.iter().map(|run| (run.is_done(), run.answers.len())).collect();
    assert_eq!(shown, [(true, 2), (false, 0)]);
    // Stories whose ids begin with the same letters have their own runs.
    for other in ["goat-two", "goat/more", "goa"] {
        assert!(d.learning.exercise_runs(&item(other)).await.unwrap().is_empty(), "{other}");
    }
}

#[tokio::test]
async fn two_devices_that_continue_a_run_keep_the_answers_of_both() {
    let clock = FakeClock::noon();
    let (a, b) = (device(1, &clock), device(2, &clock));
    let story: ItemId = item("rivers/boat");
    let run = a.learning.start_exercises(&story, |seed| seed % 3 + 2).await.unwrap();
    assert_eq!(run.count, run.seed % 3 + 2);
    b.pull(&a).await;
    a.learning.answer_exercise(&story, &run.id, &exercise(1), typed("a", 0)).await.unwrap();
    b.learning.answer_exercise(&story, &run.id, &exercise(2), typed("b", 1000)).await.unwrap();
    a.pull(&b).await;
    b.pull(&a).await;
    for device in [&a, &b] {
        let runs = device.learning.exercise_runs(&story).await.unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].answers.keys().collect::<Vec<_>>(), [&exercise(1), &exercise(2)]);
        assert_eq!((runs[0].seed, runs[0].started_ms), (run.seed, run.started_ms));
    }
}

#[tokio::test]
async fn registers_of_exercises_that_cannot_be_read_are_left_out() {
    let d = device(1, &FakeClock::noon());
    let story: ItemId = item("goat");
    let run = d.learning.start_exercises(&story, |_| 2).await.unwrap();
    let rows = [
        ("goat#zz".to_owned(), r#"{"later":1}"#),
        ("goat#zz/exercise-1".to_owned(), "{}"),
        (format!("goat#{}/exercise-1", run.id), "null"),
        (format!("goat#{}/No Slug", run.id), "{}"),
        ("goat#".to_owned(), "5"),
    ];
    for (key, value) in rows {
        let set = move |tx: &mut carrel_learning::store::Tx<'_>| {
            tx.set_register_text("exercise", &key, value.to_owned()).map(drop)
        };
        d.store.write("set", set).await.unwrap();
    }
    assert_eq!(d.learning.exercise_runs(&story).await.unwrap(), [run]);
}

#[tokio::test]
async fn corrected_times_belong_to_a_recording_and_reach_other_devices() {
    let clock = FakeClock::noon();
    let (a, b) = (device(1, &clock), device(2, &clock));
    let [one, two] = [BlobHash::of(b"one"), BlobHash::of(b"two")];
    a.learning.set_sentence_starts(one, vec![0, 1_200, 3_000]).await.unwrap();
    a.learning.set_sentence_starts(two, vec![40]).await.unwrap();
    b.pull(&a).await;
    let expected = BTreeMap::from([(one, vec![0, 1_200, 3_000]), (two, vec![40])]);
    assert_eq!(b.learning.sentence_starts().await.unwrap(), expected);
    clock.advance(1_000);
    b.learning.set_sentence_starts(two, Vec::new()).await.unwrap();
    a.pull(&b).await;
    let expected = BTreeMap::from([(one, vec![0, 1_200, 3_000])]);
    assert_eq!(a.learning.sentence_starts().await.unwrap(), expected);
    for invalid in [vec![5, 5], vec![9, 3], (0..1_001).collect()] {
        let refused = a.learning.set_sentence_starts(one, invalid).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    assert_eq!(a.learning.sentence_starts().await.unwrap(), expected);
    let bad = Kv { value: "[3,1]".to_owned(), ..register(&a, one).await };
    let bad = Kv { key: BlobHash::of(b"three").to_string(), ..bad };
    a.store.write("set", move |tx| tx.join(bad.clone()).map(drop)).await.unwrap();
    assert_eq!(a.learning.sentence_starts().await.unwrap(), expected);
}

async fn register(device: &TestDevice, recording: BlobHash) -> Kv {
    let rows =
        |conn: &rusqlite::Connection| carrel_learning::store::checked::all(conn, RowType::Kv);
    let rows: Vec<Row> = device.store.read(rows).await.unwrap();
    let is_it = |row: &Row| matches!(row, Row::Kv(kv) if kv.key == recording.to_string());
    match rows.into_iter().find(is_it) {
        Some(Row::Kv(kv)) => kv,
        other => panic!("{other:?}"),
    }
}
