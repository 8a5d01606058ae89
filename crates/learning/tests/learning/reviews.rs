//! Reviews on devices: queue, answers, undo, what a learner sets, training. Rows travel between devices as in a pull.

mod settings;

use std::{collections::BTreeMap, sync::Arc};

use carrel_learning::{
    CardDetails, CardMarks, Error, Learning, ReviewAnswer, ReviewCard, store::Store,
};
use carrel_model::{
    CardKey, EventId,
    lattice::{Kv, Review, ReviewKind, ReviewVoid, Row, RowType, Session, date_of_day},
};
use carrel_sqlite::rows::{self, Owner};
use carrel_system::Clock;
use carrel_testkit::{
    FakeClock, SeededIds,
    work::{item, options},
};
use tempfile::TempDir;

const DAY: i64 = 24 * 3_600_000;
const HOUR: i64 = 3_600_000;
/// The study day of `FakeClock::NOON`, 2026-11-20.
const TODAY: i32 = 20_777;

struct TestDevice {
    clock: FakeClock,
    store: Arc<Store>,
    learning: Learning,
    _dir: TempDir,
}

fn device(number: u128, clock: &FakeClock) -> TestDevice {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), options(number, clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(number as u64)));
    TestDevice { clock: clock.clone(), store, learning, _dir: dir }
}
fn one() -> TestDevice {
    device(1, &FakeClock::noon())
}
fn card(word: &str) -> CardKey {
    CardKey::of_word("en", None, word)
}

impl TestDevice {
    async fn add(&self, word: &str) {
        let item = item(&format!("rivers/{word}"));
        self.learning.save_word(&item, Some(&card(word)), true).await.unwrap();
    }
    async fn next(&self) -> ReviewCard {
        self.learning.review_queue(1).await.unwrap().cards.remove(0)
    }
    async fn answer(&self, shown: &ReviewCard, rating: u8) -> EventId {
        let answer = ReviewAnswer {
            event: shown.event,
            card: shown.card.clone(),
            item: shown.item.clone(),
            kind: shown.kind,
            rating,
            duration_ms: 2_000,
        };
        self.learning.answer_card(answer).await.unwrap();
        shown.event
    }
    /// Answers the card of a word as if it were shown now.
    async fn answer_word(&self, word: &str, rating: u8) -> EventId {
        let mut shown = ReviewCard {
            card: card(word),
            event: EventId::from_u128(0),
            kind: ReviewKind::Review,
            item: item(&format!("rivers/{word}")),
            days: [0; 4],
            due_day: None,
            retrievability: 0.0,
            lapses: 0,
            is_leech: false,
        };
        shown.event = EventId::from_u128(
            u128::from(self.clock.now_ms().unsigned_abs()) << 16 | u128::from(rating),
        );
        self.answer(&shown, rating).await
    }
    async fn rows(&self) -> BTreeMap<String, Row> {
        self.store
            .read(|conn| {
                let mut found = BTreeMap::new();
                for row_type in RowType::ALL {
                    for row in rows::all(conn, Owner::Client, *row_type)? {
                        found.insert(format!("{:?}", row.key()), row);
                    }
                }
                Ok(found)
            })
            .await
            .unwrap()
    }
    /// Applies rows as a pull does.
    async fn pull(&self, rows: impl IntoIterator<Item = Row>) {
        let rows: Vec<Row> = rows.into_iter().collect();
        self.store
            .write("pull", move |tx| {
                for row in &rows {
                    tx.apply_remote(row.clone())?;
                }
                Ok(())
            })
            .await
            .unwrap();
    }
    async fn details(&self, word: &str) -> CardDetails {
        self.learning.card(&card(word)).await.unwrap()
    }
    /// The states as they would be computed from the reviews alone.
    async fn recomputed(&self, words: &[&str]) -> Vec<CardDetails> {
        self.store
            .write("mark", |tx| {
                tx.conn().execute("INSERT OR IGNORE INTO card_changed (card) VALUES ('*')", [])?;
                Ok(())
            })
            .await
            .unwrap();
        let mut all = Vec::new();
        for word in words {
            all.push(self.details(word).await);
        }
        all
    }
}

#[tokio::test]
async fn a_new_card_is_learned_and_becomes_due() {
    let d = one();
    d.add("meander").await;
    d.clock.advance(1);
    d.add("delta").await;
    let queue = d.learning.review_queue(10).await.unwrap();
    assert_eq!((queue.day, queue.cards.len(), queue.counts.new), (TODAY, 2, 2));
    let shown = &queue.cards[0];
    assert_eq!((shown.card.as_str(), shown.kind), ("en//meander", ReviewKind::Learn));
    assert_eq!((shown.days[0], shown.due_day), (0, None));
    assert!(shown.days[1] >= 1 && shown.days[2] >= 2 && shown.days[3] >= 6, "{:?}", shown.days);
    d.answer(shown, 3).await;
    let after = d.details("meander").await;
    let due = after.due.unwrap();
    assert_eq!(
        due.day,
        TODAY + shown.days[2] as i32,
        "the interval on the button is the stored one"
    );
    let counts = d.learning.review_counts().await.unwrap();
    assert_eq!((counts.new, counts.done_today, counts.due), (1, 1, 0));
    assert_eq!(counts.next_due_day, Some(due.day));
    d.clock.advance(i64::from(shown.days[2]) * DAY);
    let queue = d.learning.review_queue(10).await.unwrap();
    assert_eq!((queue.counts.due, queue.counts.new), (1, 1));
    let again = queue.cards.iter().find(|c| c.card == card("meander")).unwrap();
    assert_eq!((again.kind, again.due_day), (ReviewKind::Review, Some(due.day)));
    assert!((0.85..0.95).contains(&again.retrievability), "{again:?}");
}

/// The intervals on the buttons are exact for each rating, for new and for known cards.
#[tokio::test]
async fn the_intervals_on_the_buttons_are_those_that_are_stored() {
    for rating in 1..=4_u8 {
        let d = one();
        d.add("meander").await;
        for _ in 0..5 {
            let shown = d.next().await;
            d.answer(&shown, rating).await;
            let due = d.details("meander").await.due.unwrap().day;
            let today = d.learning.moment().await.unwrap().day;
            let days = shown.days[usize::from(rating) - 1];
            match rating {
                1 => assert_eq!((days, due > today), (0, true)),
                _ => assert_eq!(due, today + days as i32, "rating {rating}"),
            }
            d.clock.advance(i64::from(due - today) * DAY);
        }
    }
}

#[tokio::test]
async fn a_double_tap_counts_once() {
    let d = one();
    d.add("meander").await;
    let shown = d.next().await;
    d.answer(&shown, 3).await;
    d.answer(&shown, 3).await;
    // The second button that a finger touched does not replace the first answer.
    d.answer(&shown, 4).await;
    assert_eq!(d.learning.review_counts().await.unwrap().done_today, 1);
    assert_eq!(d.details("meander").await.state.unwrap().last_rating, 3);
    let wrong = ReviewAnswer {
        event: EventId::from_u128(9),
        card: card("meander"),
        item: item("rivers/meander"),
        kind: ReviewKind::Review,
        rating: 5,
        duration_ms: 0,
    };
    assert!(matches!(d.learning.answer_card(wrong).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_forgotten_card_is_asked_again_today() {
    let d = one();
    for n in 0..8 {
        d.add(&format!("w{n}")).await;
        d.clock.advance(1_000);
    }
    let first = d.next().await;
    d.answer(&first, 1).await;
    for answered in 0..5 {
        let shown = d.next().await;
        assert_ne!(shown.card, first.card, "after {answered}");
        d.clock.advance(1_000);
        d.answer(&shown, 3).await;
    }
    let again = d.next().await;
    assert_eq!((again.card.clone(), again.kind), (first.card.clone(), ReviewKind::AgainToday));
    d.clock.advance(1_000);
    d.answer(&again, 3).await;
    let queue = d.learning.review_queue(20).await.unwrap();
    assert!(queue.cards.iter().all(|c| c.card != first.card));
    assert_eq!((queue.counts.again_today, queue.counts.done_today, queue.counts.new), (0, 7, 2));
}

#[tokio::test]
async fn an_answer_of_another_device_can_be_undone_while_that_device_continues() {
    let clock = FakeClock::noon();
    let (a, b) = (device(1, &clock), device(2, &clock));
    a.add("meander").await;
    a.add("delta").await;
    let first = a.answer_word("meander", 1).await;
    b.pull(a.rows().await.into_values()).await;
    let recent = b.learning.recent_reviews().await.unwrap();
    assert_eq!(recent.iter().map(|r| (r.event, r.rating)).collect::<Vec<_>>(), [(first, 1)]);
    b.learning.undo_review(first).await.unwrap();
    b.learning.undo_review(first).await.unwrap();
    assert_eq!(b.details("meander").await.state, None);
    clock.advance(DAY);
    let second = a.answer_word("meander", 3).await;
    // Both directions, the void before and after the answers.
    let (of_a, of_b) = (a.rows().await, b.rows().await);
    a.pull(of_b.into_values()).await;
    b.pull(of_a.into_values()).await;
    assert_eq!(a.rows().await, b.rows().await);
    let (on_a, on_b) = (a.details("meander").await, b.details("meander").await);
    assert_eq!(on_a, on_b);
    let state = on_a.state.unwrap();
    assert_eq!((state.last, state.reviews, state.lapses), (second, 1, 0), "as if never answered");
    for unknown in [EventId::from_u128(77), a.added("delta").await] {
        assert!(matches!(a.learning.undo_review(unknown).await, Err(Error::NotFound(_))));
    }
}

impl TestDevice {
    /// The event that added a word.
    async fn added(&self, word: &str) -> EventId {
        let rows = self.rows().await;
        let found = rows.into_values().find_map(|row| match row {
            Row::Review(r) if r.rating == 0 && r.card == Some(card(word)) => Some(r.id),
            _ => None,
        });
        found.unwrap()
    }
}

#[tokio::test]
async fn a_void_that_arrives_before_its_answer_is_kept() {
    let clock = FakeClock::noon();
    let (a, b) = (device(1, &clock), device(2, &clock));
    a.add("meander").await;
    let event = a.answer_word("meander", 1).await;
    clock.advance(DAY);
    a.answer_word("meander", 3).await;
    b.pull([ReviewVoid { id: event, extra: Default::default() }.into()]).await;
    b.pull(a.rows().await.into_values()).await;
    let state = b.details("meander").await.state.unwrap();
    assert_eq!((state.reviews, state.lapses), (1, 0));
}

/// The word list: what is due is what the queue contains without its limits.
#[tokio::test]
async fn summaries_of_cards_agree_with_the_queue_and_the_card_itself() {
    let d = one();
    for word in ["new", "again", "due", "later", "known", "suspended", "buried", "removed"] {
        d.add(word).await;
    }
    for word in ["again", "due", "known", "suspended", "buried", "removed"] {
        // The time is part of the id.
        d.clock.advance(1);
        d.answer_word(word, 3).await;
    }
    d.clock.advance(40 * DAY);
    d.answer_word("again", 1).await;
    d.answer_word("later", 4).await;
    let mark = |word: &'static str, change: fn(&mut CardMarks)| {
        let card = card(word);
        let learning = &d.learning;
        async move { learning.mark_card(&card, move |marks, _| change(marks)).await.unwrap() }
    };
    mark("known", |marks| marks.known = true).await;
    mark("suspended", |marks| marks.suspended = true).await;
    mark("buried", |marks| marks.buried_until = Some(TODAY + 41)).await;
    d.learning.save_word(&item("rivers/removed"), Some(&card("removed")), false).await.unwrap();

    let summaries = d.learning.card_summaries().await.unwrap();
    assert_eq!(summaries.day, TODAY + 40);
    let due: Vec<&str> =
        summaries.cards.iter().filter(|(_, s)| s.is_due).map(|(c, _)| c.as_str()).collect();
    assert_eq!(due, ["en//again", "en//due"]);
    let queue = d.learning.review_queue(10).await.unwrap().cards;
    let mut asked: Vec<String> =
        queue.iter().filter(|c| c.kind != ReviewKind::Learn).map(|c| c.card.to_string()).collect();
    asked.sort();
    assert_eq!(asked, due);
    for (card, summary) in &summaries.cards {
        let details = d.learning.card(card).await.unwrap();
        assert_eq!(summary.mastery, details.mastery, "{card}");
        assert_eq!(summary.marks, details.marks, "{card}");
        assert_eq!(summary.due_day, details.due.map(|due| due.day), "{card}");
        assert_eq!(summary.reviews, details.state.map_or(0, |state| state.reviews), "{card}");
    }
    let of = |word: &str| &summaries.cards[&card(word)];
    assert_eq!((of("new").reviews, of("new").due_day, of("new").mastery), (0, None, 0.0));
    assert_eq!(of("known").mastery, 1.0);
    d.clock.advance(DAY);
    let summaries = d.learning.card_summaries().await.unwrap();
    assert!(summaries.cards[&card("buried")].is_due, "buried until this day");
}

/// Whatever order the rows arrive in, and however often: the stored states are those of a full computation, equal on
/// all devices.
#[tokio::test]
async fn stored_states_are_those_of_a_full_computation() {
    let clock = FakeClock::noon();
    let a = device(1, &clock);
    let words = ["meander", "delta", "oxbow"];
    for word in words {
        a.add(word).await;
    }
    let mut events = Vec::new();
    for n in 0..24_i64 {
        clock.advance(DAY / 2 + n * HOUR);
        events
            .push(a.answer_word(words[(n % 3) as usize], [3, 1, 4, 2, 3][(n % 5) as usize]).await);
    }
    a.learning.undo_review(events[7]).await.unwrap();
    a.learning.undo_review(events[20]).await.unwrap();
    let rows: Vec<Row> = a.rows().await.into_values().collect();
    let expected = a.recomputed(&words).await;
    for turn in [0, 5, 11, 19] {
        let b = device(2, &clock);
        let mut order = rows.clone();
        order.rotate_left(turn % rows.len());
        if turn % 2 == 1 {
            order.reverse();
        }
        // In parts, with the states read between them, and one part twice.
        for part in order.chunks(4) {
            b.pull(part.to_vec()).await;
            b.learning.review_counts().await.unwrap();
        }
        b.pull(order[..order.len() / 2].to_vec()).await;
        let mut found = Vec::new();
        for word in words {
            found.push(b.details(word).await);
        }
        assert_eq!(found, expected, "turn {turn}");
        assert_eq!(b.recomputed(&words).await, expected, "turn {turn}");
    }
}

#[tokio::test]
async fn the_words_of_two_courses_are_one_card() {
    let d = one();
    let key = card("meander");
    d.learning.save_word(&item("rivers/meander"), Some(&key), true).await.unwrap();
    d.clock.advance(1_000);
    d.learning.save_word(&item("walks/to-meander"), Some(&key), true).await.unwrap();
    let words = d.learning.words().await.unwrap();
    assert_eq!(words.len(), 1);
    assert_eq!((words[0].item.as_str(), words[0].card.clone()), ("rivers/meander", key.clone()));
    assert_eq!(d.learning.review_queue(9).await.unwrap().cards.len(), 1);
    d.learning.save_word(&item("walks/to-meander"), Some(&key), false).await.unwrap();
    assert!(d.learning.words().await.unwrap().is_empty());
    let counts = d.learning.review_counts().await.unwrap();
    assert_eq!((counts.new, counts.due), (0, 0));
}

/// Rows of sync version 1 have no card: they belong to the card of their word, once the entry is known.
/// The words of a card come from its reviews, the vocabularies on the device, and words without an entry.
#[tokio::test]
async fn one_card_is_read_as_all_cards_are() {
    let d = one();
    for word in ["meander", "delta", "silt"] {
        d.add(word).await;
    }
    // Without its entry, and under another course's word that became the same card.
    d.learning.save_word(&item("hills/ridge"), None, true).await.unwrap();
    d.learning.save_word(&item("seas/delta"), None, true).await.unwrap();
    let ridge = CardKey::of_item(&item("hills/ridge"));
    d.learning.mark_word(&ridge, |marks| marks.known = true).await.unwrap();
    d.learning.mark_card(&card("silt"), |marks, _| marks.suspended = true).await.unwrap();
    d.learning.save_word(&item("rivers/meander"), Some(&card("meander")), false).await.unwrap();
    let delta_of_seas = CardKey::of_item(&item("seas/delta"));
    let keys = [
        card("meander"),
        card("delta"),
        card("silt"),
        card("ridge"),
        card("unknown"),
        ridge.clone(),
        delta_of_seas.clone(),
    ];
    for step in 0..3 {
        if step == 1 {
            d.learning.link_words(vec![(item("seas/delta"), card("delta"))]).await.unwrap();
        }
        if step == 2 {
            d.learning.link_words(vec![(item("hills/ridge"), card("ridge"))]).await.unwrap();
        }
        let listed: std::collections::BTreeSet<CardKey> =
            d.learning.words().await.unwrap().into_iter().map(|word| word.card).collect();
        let saved = d.learning.saved_among(keys.to_vec()).await.unwrap();
        for key in &keys {
            assert_eq!(saved.contains(key), listed.contains(key), "step {step}: {key}");
        }
        for (key, known) in
            [(&ridge, step < 2), (&card("ridge"), step == 2), (&card("delta"), false)]
        {
            let marks = d.learning.word_marks(key).await.unwrap();
            assert_eq!(marks.known, known, "step {step}: {key}");
        }
        assert!(d.learning.word_marks(&card("silt")).await.unwrap().suspended);
    }
    d.answer_word("delta", 3).await;
    assert_eq!(d.details("delta").await.state.unwrap().reviews, 1);
}

#[tokio::test]
async fn words_saved_by_an_older_release_keep_their_place() {
    let d = one();
    let old = Review {
        id: EventId::from_u128(5),
        word: item("rivers/meander"),
        rating: 0,
        at_ms: FakeClock::NOON - 40 * DAY,
        duration_ms: 0,
        day: None,
        off_min: None,
        kind: None,
        card: None,
        params: None,
        extra: Default::default(),
    };
    d.pull([old.clone().into()]).await;
    let words = d.learning.words().await.unwrap();
    assert_eq!(words[0].card.as_str(), "item//rivers/meander");
    let shown = d.next().await;
    assert_eq!(shown.card.as_str(), "item//rivers/meander");
    let event = d.answer(&shown, 3).await;
    // The course was downloaded: the answer without an entry, and the old row, belong to its card.
    let key = card("meander");
    d.learning.link_words(vec![(item("rivers/meander"), key.clone())]).await.unwrap();
    let words = d.learning.words().await.unwrap();
    assert_eq!(
        (words.len(), words[0].card.clone(), words[0].saved_ms),
        (1, key.clone(), old.at_ms)
    );
    let details = d.learning.card(&key).await.unwrap();
    assert_eq!(details.state.unwrap().last, event);
    assert_eq!(d.learning.card(&shown.card).await.unwrap().card, key, "the former key leads to it");
    // Another device of this release added the same word with its card.
    let other = device(2, &d.clock);
    other.add("meander").await;
    other.pull(d.rows().await.into_values()).await;
    let there = other.learning.words().await.unwrap();
    assert_eq!((there.len(), there[0].card.clone(), there[0].saved_ms), (1, key, old.at_ms));
    assert_eq!(other.details("meander").await.state.unwrap().last, event);
}

#[tokio::test]
async fn mastery_counts_the_words_on_the_list() {
    let d = one();
    let words = d.learning.word_mastery(30).await.unwrap();
    assert_eq!((words.classes, words.mean, words.learned), ([0; 6], 0.0, 0));
    for word in ["meander", "delta", "oxbow"] {
        d.add(word).await;
        d.clock.advance(1_000);
    }
    d.answer_word("meander", 4).await;
    d.clock.advance(DAY);
    d.answer_word("delta", 1).await;
    let words = d.learning.word_mastery(30).await.unwrap();
    let each = [d.details("meander").await.mastery, d.details("delta").await.mastery];
    assert!(0.4 < each[0] && each[0] < 0.6 && each[1] < 0.2, "{each:?}");
    assert_eq!((words.classes, words.learned), ([1, 1, 0, 1, 0, 0], 2));
    assert!((words.mean - (each[0] + each[1]) / 3.0).abs() < 1e-12);
    assert_eq!(d.learning.word_mastery(1).await.unwrap().learned, 1, "today alone");
    // A word that was removed stays learned.
    d.learning.save_word(&item("rivers/meander"), Some(&card("meander")), false).await.unwrap();
    let words = d.learning.word_mastery(30).await.unwrap();
    assert_eq!((words.classes, words.learned), ([1, 1, 0, 0, 0, 0], 2));
}

/// A change of the zone, of daylight saving time or of the start of the day changes no stored day.
#[tokio::test]
async fn study_days_are_stored_and_never_computed_again() {
    let d = one();
    d.add("meander").await;
    let days = async |d: &TestDevice| -> Vec<(i32, i16)> {
        let mut found: Vec<Review> = d
            .rows()
            .await
            .into_values()
            .filter_map(|row| Review::try_from(row).ok())
            .filter(|r| r.rating > 0)
            .collect();
        found.sort_by_key(|r| r.at_ms);
        found.iter().map(|r| (r.study_day(), r.off_min.unwrap())).collect()
    };
    // Noon UTC; 01:30 of the next day in Kiritimati, before the day starts; then the day has started.
    d.answer_word("meander", 3).await;
    d.clock.set_zone(14 * HOUR);
    d.clock.advance(30 * 60_000);
    d.answer_word("meander", 3).await;
    d.clock.advance(2 * HOUR);
    d.answer_word("meander", 3).await;
    let stored = [(TODAY, 0), (TODAY, 840), (TODAY + 1, 840)];
    assert_eq!(days(&d).await, stored);
    // To Samoa: a day back.
    d.clock.set_zone(-11 * HOUR);
    d.learning.set_review_settings(|s| s.day_start_minutes = 0).await.unwrap();
    assert_eq!(days(&d).await, stored);
    d.clock.advance(1_000);
    d.answer_word("meander", 3).await;
    assert_eq!(days(&d).await[3], (TODAY, -660));
    assert!(d.details("meander").await.state.is_some());
    assert_eq!(date_of_day(TODAY).to_string(), "2026-11-20");
}

/// With a known error of the clock, rows have the corrected time.
#[tokio::test]
async fn times_are_corrected_by_the_known_error_of_the_clock() {
    // The clock shows 2031, five years ahead, and the server's time is known.
    let ahead = 5 * 365 * DAY;
    let d = device(1, &FakeClock::new(FakeClock::NOON + ahead));
    d.store
        .write("clock", move |tx| {
            tx.state().clock_offset_ms = -ahead;
            Ok(())
        })
        .await
        .unwrap();
    d.add("meander").await;
    d.answer_word("meander", 3).await;
    d.learning.study_heartbeat(&item("a/b/c"), true).await.unwrap();
    d.clock.advance(10_000);
    d.learning.study_heartbeat(&item("a/b/c"), true).await.unwrap();
    let hash = carrel_model::BlobHash::of(b"quiz");
    d.learning.start_attempt(&item("a/q"), hash).await.unwrap();
    for row in d.rows().await.into_values() {
        let wall = row.wall_ms();
        if matches!(row, Row::Review(_) | Row::Session(_) | Row::Attempt(_)) {
            let near = FakeClock::NOON..=FakeClock::NOON + 10_000;
            assert!(near.contains(&wall.unwrap()), "{row:?}");
            assert_eq!(row.study_day(), Some(TODAY), "{row:?}");
        }
    }
    // The correction changes during a session: its start stays the stored one.
    d.store
        .write("clock", move |tx| {
            tx.state().clock_offset_ms = 0;
            Ok(())
        })
        .await
        .unwrap();
    d.clock.advance(5_000);
    d.learning.study_heartbeat(&item("a/b/c"), false).await.unwrap();
    let sessions: Vec<Session> =
        d.rows().await.into_values().filter_map(|row| Session::try_from(row).ok()).collect();
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].started_ms, sessions[0].active_ms), (FakeClock::NOON, 15_000));
}
