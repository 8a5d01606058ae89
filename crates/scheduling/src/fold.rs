//! The state of a card as a fold of its reviews.
//!
//! The reviews are a set: sorted by study day, time and id, they have one order on every device. Voided reviews must be
//! left out by the caller; nothing else of them remains.

use carrel_model::{
    EventId,
    lattice::{Review, ReviewKind},
};

use crate::{Memory, Weights};

/// A standing answer to a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event<'a> {
    /// Study day.
    pub day: i32,
    /// Corrected time: UTC, ms.
    pub at_ms: i64,
    /// Id of the review.
    pub id: EventId,
    /// 1 again, 2 hard, 3 good, 4 easy.
    pub rating: u8,
    /// What the learner did.
    pub kind: ReviewKind,
    /// Id of the parameter set that was shown; empty for the default one.
    pub params: &'a str,
}

impl<'a> Event<'a> {
    /// Returns the event of a review, or `None` if the review only added the card to the list.
    pub fn of(review: &'a Review) -> Option<Self> {
        (1..=4).contains(&review.rating).then(|| Self {
            day: review.study_day(),
            at_ms: review.at_ms,
            id: review.id,
            rating: review.rating,
            kind: review.kind.unwrap_or(ReviewKind::Review),
            params: review.params.as_deref().unwrap_or_default(),
        })
    }
    /// Returns true if the answer changes the state. Practice outside the schedule does not.
    pub fn counts(&self) -> bool {
        self.kind != ReviewKind::Cram
    }
}

/// The state of a card, and the last answer that changed it. A new card has none.
#[derive(Debug, Clone, PartialEq)]
pub struct CardState {
    /// The memory after the last answer.
    pub memory: Memory,
    /// Id of the last answer.
    pub last: EventId,
    /// Study day of the last answer.
    pub last_day: i32,
    /// Time of the last answer: UTC, ms.
    pub last_ms: i64,
    /// Rating of the last answer.
    pub last_rating: u8,
    /// Study day of the first answer.
    pub first_day: i32,
    /// Number of answers.
    pub reviews: u32,
    /// Number of times the card was forgotten: answered "again" on a later day than the answer before.
    pub lapses: u32,
}

impl CardState {
    /// Returns the state after the first answer to a card.
    pub fn first(event: &Event<'_>, weights: &Weights) -> Self {
        Self {
            memory: Memory::first(weights, event.rating),
            last: event.id,
            last_day: event.day,
            last_ms: event.at_ms,
            last_rating: event.rating,
            first_day: event.day,
            reviews: 1,
            lapses: 0,
        }
    }
    /// Returns the state after a further answer, which must be later in the order of the fold. Continuing a stored
    /// state is the same as folding all events, if the parameter set is the same.
    #[must_use]
    pub fn after(&self, event: &Event<'_>, weights: &Weights) -> Self {
        let days = event.day.saturating_sub(self.last_day).max(0).unsigned_abs();
        Self {
            memory: self.memory.next(weights, days, event.rating),
            last: event.id,
            last_day: event.day,
            last_ms: event.at_ms,
            last_rating: event.rating,
            first_day: self.first_day,
            reviews: self.reviews.saturating_add(1),
            lapses: self.lapses.saturating_add(u32::from(days > 0 && event.rating == 1)),
        }
    }
    /// Returns the days since the last answer on a study day.
    pub fn days_since(&self, day: i32) -> u32 {
        day.saturating_sub(self.last_day).max(0).unsigned_abs()
    }
}

/// Returns the state of one card; `None` for a card without a standing answer. Sorts the events; repeated ones count
/// once. The weights are those of the set that the last answer names, so that a newly trained set changes the due day
/// of a card only when it is answered.
pub fn fold(
    events: &mut Vec<Event<'_>>,
    weights: impl FnOnce(&Event<'_>) -> Weights,
) -> Option<CardState> {
    events.sort_unstable();
    events.dedup_by_key(|event| event.id);
    let weights = weights(events.iter().rfind(|event| event.counts())?);
    let mut counted = events.iter().filter(|event| event.counts());
    let first = CardState::first(counted.next()?, &weights);
    Some(counted.fold(first, |state, event| state.after(event, &weights)))
}

/// Returns true for a card that was forgotten so often that learning it this way is not worth the time: `threshold`
/// times (0: never), and again each half of it after the learner dismissed the hint at `dismissed` lapses.
pub fn is_leech(lapses: u32, threshold: u32, dismissed: Option<u32>) -> bool {
    let next = dismissed.map_or(threshold, |at| at.saturating_add(threshold.div_ceil(2)));
    threshold > 0 && lapses >= next.max(threshold)
}

/// Returns how well a card is known, from 0 to 1: 0.8 at a stability of about 40 days, 1 at 100 days.
pub fn mastery(memory: &Memory) -> f64 {
    (libm::log(1.0 + memory.stability) / libm::log(101.0)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u128, day: i32, rating: u8) -> Event<'static> {
        let at_ms = i64::from(day) * 86_400_000 + id as i64;
        Event {
            day,
            at_ms,
            id: EventId::from_u128(id),
            rating,
            kind: ReviewKind::Review,
            params: "",
        }
    }
    fn state(events: &[Event<'_>]) -> Option<CardState> {
        fold(&mut events.to_vec(), |_| Weights::DEFAULT)
    }

    #[test]
    fn practice_outside_the_schedule_changes_nothing() {
        let all = [event(1, 10, 3), event(2, 12, 3), event(3, 20, 4)];
        let expected = state(&all);
        let cram = |id, day| Event { kind: ReviewKind::Cram, ..event(id, day, 1) };
        let with = [cram(9, 9), all[0], cram(10, 11), all[1], all[2], cram(11, 30)];
        assert_eq!(state(&with), expected);
        assert_eq!(state(&[cram(9, 9)]), None, "a card that was only practised is new");
        assert_eq!(state(&[]), None);
    }

    #[test]
    fn a_day_before_the_previous_one_counts_as_the_same_day() {
        // After a journey across the date line the study day may be earlier than that of the answer before; sorted by
        // day, the answers are then in the order of days.
        let there = Event { day: 20, at_ms: 1_000, ..event(1, 0, 3) };
        let back = Event { day: 19, at_ms: 2_000, ..event(2, 0, 3) };
        let state = state(&[there, back]).unwrap();
        assert_eq!((state.first_day, state.last_day, state.last), (19, 20, there.id));
    }

    #[test]
    fn lapses_are_counted_once_a_day() {
        let all = [
            event(1, 10, 1),
            event(2, 10, 1),
            event(3, 11, 1),
            event(4, 11, 1),
            event(5, 11, 3),
            event(6, 15, 1),
            event(7, 15, 3),
            event(8, 20, 3),
        ];
        let state = state(&all).unwrap();
        assert_eq!((state.lapses, state.reviews), (2, 8));
        for (lapses, threshold, dismissed, expected) in [
            (7, 8, None, false),
            (8, 8, None, true),
            (8, 8, Some(8), false),
            (11, 8, Some(8), false),
            (12, 8, Some(8), true),
            (100, 0, None, false),
            (3, 8, Some(1), false),
        ] {
            assert_eq!(
                is_leech(lapses, threshold, dismissed),
                expected,
                "{lapses} {threshold} {dismissed:?}"
            );
        }
    }

    #[test]
    fn the_weights_are_those_of_the_last_answer() {
        let events = [event(1, 10, 3), Event { params: "b", ..event(2, 12, 3) }];
        let cram = Event { params: "c", kind: ReviewKind::Cram, ..event(3, 13, 3) };
        let mut named = String::new();
        fold(&mut [events[1], cram, events[0]].to_vec(), |last| {
            named = last.params.to_owned();
            Weights::DEFAULT
        });
        assert_eq!(named, "b");
    }

    #[test]
    fn mastery_rises_with_stability() {
        let of = |stability| mastery(&Memory { stability, difficulty: 5.0 });
        assert!(of(0.001) < 0.01 && of(2.3) < 0.3 && of(38.0) < 0.8 && of(41.0) > 0.8);
        assert_eq!((of(100.0), of(36_500.0)), (1.0, 1.0));
    }
}
