//! Reviews of another program: reviews of the past, never twice, with their own times.

use std::{collections::BTreeMap, sync::Arc};

use carrel_learning::{
    Learning, PastReview,
    store::{Store, outbox},
};
use carrel_model::{
    CardKey,
    lattice::{Review, ReviewKind, Row, RowType, study_day},
};
use carrel_sqlite::rows::{self, Owner};
use carrel_testkit::{
    FakeClock, SeededIds,
    work::{item, options},
};
use tempfile::TempDir;

const DAY: i64 = 24 * 3_600_000;

struct TestDevice {
    store: Arc<Store>,
    learning: Learning,
    _dir: TempDir,
}

fn device(number: u128, clock: &FakeClock) -> TestDevice {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), options(number, clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(number as u64)));
    TestDevice { store, learning, _dir: dir }
}
fn card(word: &str) -> CardKey {
    CardKey::of_word("en", None, word)
}
/// A review some days before noon of the clock.
fn past(word: &str, days: i64, rating: u8) -> PastReview {
    PastReview {
        card: card(word),
        at_ms: FakeClock::NOON - days * DAY,
        rating,
        item: item(&format!("deck/{word}")),
        duration_ms: 3_000,
    }
}

impl TestDevice {
    async fn reviews(&self) -> Vec<Review> {
        let read = self.store.read(|conn| {
            let rows = rows::all(conn, Owner::Client, RowType::Review)?;
            Ok(rows)
        });
        let rows = read.await.unwrap().into_iter();
        rows.filter_map(|row| if let Row::Review(r) = row { Some(r) } else { None }).collect()
    }
    async fn waiting(&self) -> usize {
        self.store.read(outbox::counts).await.unwrap().0 as usize
    }
}

#[tokio::test]
async fn a_card_starts_with_its_history_and_a_second_import_adds_nothing() {
    let clock = FakeClock::noon();
    let (a, b) = (device(1, &clock), device(2, &clock));
    let history = vec![
        past("river", 40, 1),
        past("river", 40, 3),
        past("river", 30, 3),
        past("river", 5, 4),
        past("delta", 2, 3),
    ];
    assert_eq!(
        a.learning.import_reviews(history.clone()).await.unwrap(),
        4,
        "one time is one review"
    );
    let first = a.reviews().await;
    let kinds: BTreeMap<i64, (ReviewKind, u8)> = first
        .iter()
        .filter(|r| r.rating > 0 && r.card == Some(card("river")))
        .map(|r| (r.at_ms, (r.kind.unwrap(), r.rating)))
        .collect();
    let expected = [(40, ReviewKind::Learn), (30, ReviewKind::Review), (5, ReviewKind::Review)];
    for (days, kind) in expected {
        assert_eq!(kinds[&(FakeClock::NOON - days * DAY)].0, kind, "{days}");
    }
    assert!(first.iter().all(|r| r.study_day() == study_day(r.at_ms, 0, 4 * 60)));

    // The state is that of the fold: three reviews long ago, due later than a word that is new.
    let river = a.learning.card(&card("river")).await.unwrap();
    assert!(river.is_listed);
    assert_eq!(river.state.as_ref().unwrap().reviews, 3);
    assert!(river.due.unwrap().day > 20_777, "known well");
    let counts = a.learning.review_counts().await.unwrap();
    assert_eq!(counts.new, 0, "{counts:?}");

    // Again, in another order, with one more; also on another device.
    let mut again: Vec<PastReview> = history.iter().rev().cloned().collect();
    again.push(past("delta", 1, 3));
    assert_eq!(a.learning.import_reviews(again).await.unwrap(), 1);
    assert_eq!(a.learning.import_reviews(history.clone()).await.unwrap(), 0);
    assert_eq!(b.learning.import_reviews(history).await.unwrap(), 4);
    let same = |rows: Vec<Review>| -> BTreeMap<String, Review> {
        rows.into_iter().map(|r| (r.id.to_string(), r)).collect()
    };
    let (of_a, of_b) = (same(a.reviews().await), same(b.reviews().await));
    assert!(of_b.iter().all(|(id, review)| of_a.get(id) == Some(review)));
    assert_eq!(of_a.len(), of_b.len() + 1);
    assert_eq!(a.waiting().await, of_a.len(), "all are sent");
}

#[tokio::test]
async fn a_removed_word_stays_removed_and_bad_reviews_are_left_out() {
    let clock = FakeClock::noon();
    let device = device(1, &clock);
    let history = vec![past("river", 9, 3), past("river", 4, 3)];
    device.learning.import_reviews(history.clone()).await.unwrap();
    device.learning.save_word(&item("deck/river"), Some(&card("river")), false).await.unwrap();
    assert_eq!(device.learning.import_reviews(history).await.unwrap(), 0);
    assert!(device.learning.words().await.unwrap().is_empty());

    let bad = vec![
        past("delta", -1, 3),
        past("delta", 1, 0),
        past("delta", 1, 5),
        PastReview { at_ms: 5, ..past("delta", 1, 3) },
        PastReview { at_ms: i64::MAX, ..past("delta", 1, 3) },
    ];
    assert_eq!(device.learning.import_reviews(bad).await.unwrap(), 0);
    assert!(device.learning.words().await.unwrap().is_empty());
}

#[tokio::test]
async fn more_reviews_than_one_transaction_holds_are_stored() {
    let clock = FakeClock::noon();
    let device = device(1, &clock);
    let history: Vec<PastReview> = (0..700)
        .flat_map(|n| (1..=3).map(move |day| past(&format!("word{n}"), day * 3, 3)))
        .collect();
    assert_eq!(device.learning.import_reviews(history.clone()).await.unwrap(), 2_100);
    assert_eq!(device.learning.words().await.unwrap().len(), 700);
    assert_eq!(device.learning.import_reviews(history).await.unwrap(), 0);
}
