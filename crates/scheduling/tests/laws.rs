//! Laws of the fold: the state depends on the set of standing reviews alone.

use carrel_model::{
    CardKey, EventId, ItemId,
    lattice::{Review, ReviewKind},
};
use carrel_scheduling::{Away, CardState, DueSettings, Event, Weights, due, fold};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};

/// Reviews of one card with different ids; days and times often collide.
fn reviews(most: usize) -> impl Strategy<Value = Vec<Review>> {
    let one = (0..40_i32, 0..5_i64, 1..5_u8, select(ReviewKind::ALL.to_vec()), any::<bool>());
    vec(one, 0..most).prop_map(|all| {
        let with_ids = all.into_iter().enumerate();
        with_ids
            .map(|(n, (day, ms, rating, kind, other))| review(n, day, ms, rating, kind, other))
            .collect()
    })
}
fn review(n: usize, day: i32, ms: i64, rating: u8, kind: ReviewKind, other: bool) -> Review {
    Review {
        // In another order than the numbers.
        id: EventId::from_u128((n as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
        word: ItemId::new("rivers/meander").unwrap(),
        rating,
        at_ms: i64::from(day) * 86_400_000 + ms,
        duration_ms: 0,
        day: Some(day),
        off_min: Some(0),
        kind: Some(kind),
        card: Some(card()),
        params: Some(if other { "other".into() } else { String::new() }),
        extra: Default::default(),
    }
}
fn card() -> CardKey {
    CardKey::of_word("en", None, "meander")
}
/// Weights by the id of the set.
fn weights(event: &Event<'_>) -> Weights {
    match event.params {
        "" => Weights::DEFAULT,
        _ => Weights::new(&Weights::DEFAULT.as_array().map(|w| w * 1.1)).unwrap(),
    }
}
fn state(reviews: &[Review]) -> Option<CardState> {
    fold(&mut reviews.iter().filter_map(Event::of).collect(), weights)
}
/// The state with the bits of its numbers, so that equal means equal in each bit.
fn bits(state: &Option<CardState>) -> Option<(u64, u64, EventId, u32, u32, i32)> {
    state.as_ref().map(|s| {
        let (stability, difficulty) = (s.memory.stability.to_bits(), s.memory.difficulty.to_bits());
        (stability, difficulty, s.last, s.reviews, s.lapses, s.first_day)
    })
}
fn run<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config =
        ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() };
    if let Err(e) = TestRunner::new(config).run(&strategy, test) {
        panic!("{e}");
    }
}

#[test]
fn order_and_repeats_do_not_matter() {
    let shuffled = reviews(12).prop_flat_map(|all| {
        let len = all.len();
        let repeats = proptest::sample::subsequence(all.clone(), 0..=len);
        let delivered = repeats.prop_map({
            let all = all.clone();
            move |again| [all.clone(), again].concat()
        });
        (Just(all), delivered.prop_shuffle())
    });
    run(shuffled, |(all, delivered)| {
        prop_assert_eq!(bits(&state(&all)), bits(&state(&delivered)));
        Ok(())
    });
}

/// A stored state continued by later answers is the fold of all; an earlier answer that arrives late needs a new fold,
/// which is the same on each device.
#[test]
fn a_stored_state_can_be_continued_by_later_answers() {
    let split = reviews(12).prop_flat_map(|all| {
        let len = all.len();
        (Just(all), 0..=len)
    });
    run(split, |(mut all, at)| {
        for review in &mut all {
            review.params = Some(String::new());
            review.kind = Some(ReviewKind::Review);
        }
        let mut events: Vec<Event<'_>> = all.iter().filter_map(Event::of).collect();
        events.sort();
        let (before, after) = events.split_at(at);
        let stored = fold(&mut before.to_vec(), weights);
        let continued = after.iter().fold(stored, |state, event| {
            Some(match state {
                Some(state) => state.after(event, &Weights::DEFAULT),
                None => CardState::first(event, &Weights::DEFAULT),
            })
        });
        prop_assert_eq!(bits(&continued), bits(&state(&all)));
        Ok(())
    });
}

/// Without an answer is without its void and the answer: nothing of it remains, at each position.
#[test]
fn a_voided_answer_leaves_nothing() {
    run((reviews(10), reviews(2)), |(all, other)| {
        let voided: Vec<Review> = (100..)
            .zip(other)
            .map(|(n, mut review)| {
                review.id = EventId::from_u128(n);
                review
            })
            .collect();
        let standing = |all: &[Review]| -> Vec<Review> {
            all.iter().filter(|r| !voided.iter().any(|v| v.id == r.id)).cloned().collect()
        };
        let with: Vec<Review> = voided.iter().chain(&all).cloned().collect();
        prop_assert_eq!(bits(&state(&standing(&with))), bits(&state(&all)));
        Ok(())
    });
}

/// Answers of another card do not move the due day of this one, whatever the settings; and settings change no state.
#[test]
fn a_due_day_depends_on_its_card_alone() {
    let settings =
        (70..97_u8, 1..400_u32, vec(select(vec![0_u8, 50, 100]), 7), -5..60_i32, 0..20_i32)
            .prop_map(|(retention, max_interval, easy_days, from_day, days)| DueSettings {
                retention: f64::from(retention) / 100.0,
                max_interval,
                easy_days: easy_days.try_into().unwrap(),
                away: vec![Away { from_day, to_day: from_day + days }],
            });
    run((reviews(8), settings), |(all, settings)| {
        let Some(found) = state(&all) else { return Ok(()) };
        let of = |settings: &DueSettings| due(&card(), &found, &Weights::DEFAULT, settings);
        let first = of(&settings);
        prop_assert_eq!(&first, &of(&settings.clone()));
        prop_assert!(first.day > found.last_day, "at least a day");
        prop_assert!((first.from_day..=first.to_day).contains(&first.day));
        prop_assert!(first.day - found.last_day <= settings.max_interval as i32);
        Ok(())
    });
}
