//! The due day of a card: interval, fuzz, easy days, absences, limits, and why it is that day.
//!
//! The choice within the fuzz window uses only a seed from the card and its last answer, and the weights of the days
//! that the learner set. It spreads the load without looking at other cards, so no review moves another card.

use carrel_model::{CardKey, EventId};

use crate::{CardState, Weights, interval};

/// The weight of a normal day.
const FULL: u64 = 100;

/// The settings of the learner that decide the due day. They never change a state.
#[derive(Debug, Clone, PartialEq)]
pub struct DueSettings {
    /// Probability of recall on the due day, 0.70 to 0.97.
    pub retention: f64,
    /// Longest interval in days, at least 1.
    pub max_interval: u32,
    /// Weight of each day of the week from Monday, in percent: 100 normal, 50 reduced, 0 none.
    pub easy_days: [u8; 7],
    /// Absences. No card is made due on these days if another day of the window is possible.
    pub away: Vec<Away>,
}

impl DueSettings {
    /// The lowest retention that can be set.
    pub const MIN_RETENTION: f64 = 0.70;
    /// The highest retention that can be set.
    pub const MAX_RETENTION: f64 = 0.97;

    /// Returns true if all days have the same weight.
    fn is_plain(&self) -> bool {
        self.away.is_empty() && self.easy_days.iter().all(|weight| *weight >= FULL as u8)
    }
    fn weight(&self, day: i32) -> u64 {
        if self.away.iter().any(|away| (away.from_day..=away.to_day).contains(&day)) {
            return 0;
        }
        // 1970-01-01 was a Thursday.
        let weekday = (i64::from(day) + 3).rem_euclid(7) as usize;
        u64::from(self.easy_days[weekday]).min(FULL)
    }
}

impl Default for DueSettings {
    fn default() -> Self {
        Self { retention: 0.9, max_interval: 36_500, easy_days: [100; 7], away: Vec::new() }
    }
}

/// Days on which the learner is away, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away {
    /// First study day.
    pub from_day: i32,
    /// Last study day.
    pub to_day: i32,
}

/// When a card is due, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Study day.
    pub day: i32,
    /// Days until the probability of recall falls to the desired retention, before rounding.
    pub exact_days: f64,
    /// The first study day that could have been chosen.
    pub from_day: i32,
    /// The last study day that could have been chosen.
    pub to_day: i32,
    /// The interval was limited by the longest one.
    pub is_capped: bool,
    /// Easy days or absences made days of the window rarer.
    pub has_easy_days: bool,
}

/// Returns the seed of the choice for a card: the same on every device, another one after each answer.
pub fn seed(card: &CardKey, last: EventId) -> u64 {
    let mut hash = blake3::Hasher::new();
    hash.update(card.as_str().as_bytes()).update(&[0]).update(last.0.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize().as_bytes()[..8]);
    u64::from_be_bytes(first)
}

/// Returns the due day of a card.
pub fn due(card: &CardKey, state: &CardState, weights: &Weights, settings: &DueSettings) -> Due {
    let longest = settings.max_interval.clamp(1, 36_500);
    let retention =
        settings.retention.clamp(DueSettings::MIN_RETENTION, DueSettings::MAX_RETENTION);
    let exact_days = interval(weights, state.memory.stability, retention);
    let (low, high) = window(exact_days, longest);
    let day = |days: u32| state.last_day.saturating_add_unsigned(days);
    let weight = |days: u32| settings.weight(day(days));
    let is_plain = settings.is_plain();
    let total: u64 = match is_plain {
        true => u64::from(high - low + 1) * FULL,
        false => (low..=high).map(weight).sum(),
    };
    let has_easy_days = !is_plain && (low..=high).any(|days| weight(days) < FULL);
    let seed = seed(card, state.last);
    let chosen = match total {
        // No day is possible: as if all were.
        0 => low + pick(seed, u64::from(high - low + 1)) as u32,
        // The same choice as below, without a loop.
        total if is_plain => low + (pick(seed, total) / FULL) as u32,
        total => {
            let mut left = pick(seed, total);
            (low..=high)
                .find(|days| match left.checked_sub(weight(*days)) {
                    Some(rest) => {
                        left = rest;
                        false
                    }
                    None => true,
                })
                .unwrap_or(high)
        }
    };
    Due {
        day: day(chosen),
        exact_days,
        from_day: day(low),
        to_day: day(high),
        is_capped: exact_days > f64::from(longest),
        has_easy_days,
    }
}

/// Returns the shortest and the longest interval that may be chosen, in days. The window is that of Anki: short
/// intervals have none.
fn window(exact_days: f64, longest: u32) -> (u32, u32) {
    const PARTS: [(f64, f64, f64); 3] =
        [(2.5, 7.0, 0.15), (7.0, 20.0, 0.10), (20.0, f64::INFINITY, 0.05)];
    // `max` also replaces a value that is no number.
    let days = exact_days.max(1.0).min(f64::from(longest));
    let whole = |days: f64| (libm::round(days) as u32).clamp(1, longest);
    if days < 2.5 {
        return (whole(days), whole(days));
    }
    let spread: f64 =
        PARTS.iter().map(|(from, to, share)| share * (days.min(*to) - from).max(0.0)).sum();
    let (low, high) = (whole(days - spread - 1.0).max(2).min(longest), whole(days + spread + 1.0));
    (low, high.max(low))
}

/// Returns a number below `n` (at least 1), evenly for evenly distributed seeds.
fn pick(seed: u64, n: u64) -> u64 {
    ((u128::from(seed) * u128::from(n)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    fn state(stability: f64, last_day: i32, last: u128) -> CardState {
        CardState {
            memory: Memory { stability, difficulty: 5.0 },
            last: EventId::from_u128(last),
            last_day,
            last_ms: 0,
            last_rating: 3,
            first_day: last_day,
            reviews: 1,
            lapses: 0,
        }
    }
    fn card(n: u32) -> CardKey {
        CardKey::of_word("en", None, &format!("word {n}"))
    }
    fn due_of(n: u32, state: &CardState, settings: &DueSettings) -> Due {
        due(&card(n), state, &Weights::DEFAULT, settings)
    }

    #[test]
    fn an_interval_is_limited_and_has_a_window() {
        for (exact, longest, expected) in [
            (0.0, 36_500, (1, 1)),
            (0.4, 36_500, (1, 1)),
            (1.6, 36_500, (2, 2)),
            (2.4, 36_500, (2, 2)),
            (2.5, 36_500, (2, 4)),
            (7.0, 36_500, (5, 9)),
            (20.0, 36_500, (17, 23)),
            (100.0, 36_500, (93, 107)),
            (100.0, 95, (88, 95)),
            (1e9, 30, (27, 30)),
            (5.0, 1, (1, 1)),
            (f64::NAN, 10, (1, 1)),
        ] {
            assert_eq!(window(exact, longest), expected, "{exact} {longest}");
        }
    }

    #[test]
    fn the_choice_depends_on_the_card_and_its_last_answer() {
        let settings = DueSettings::default();
        let days: std::collections::BTreeSet<i32> =
            (0..200).map(|n| due_of(n, &state(30.0, 100, 1), &settings).day).collect();
        let due = due_of(0, &state(30.0, 100, 1), &settings);
        assert!(days.len() > 5, "spread: {days:?}");
        assert!(
            days.iter().all(|day| (due.from_day..=due.to_day).contains(day)),
            "{days:?} {due:?}"
        );
        assert!(!due.is_capped && !due.has_easy_days && (due.exact_days - 30.0).abs() < 1e-9);
        let seeds: std::collections::BTreeSet<u64> = (0..1_000)
            .map(|n| seed(&card(n % 10), EventId::from_u128(u128::from(n / 10))))
            .collect();
        assert_eq!(seeds.len(), 1_000);
        assert_eq!(
            seed(&card(1), EventId::from_u128(1)),
            4_045_697_834_502_071_001,
            "part of the format"
        );
    }

    #[test]
    fn days_of_equal_weight_are_chosen_as_without_weights() {
        let plain = DueSettings::default();
        let away = vec![Away { from_day: 9_000, to_day: 9_000 }];
        let weighted = DueSettings { away, ..DueSettings::default() };
        for n in 0..500 {
            let state = state(f64::from(n % 50) * 3.0 + 1.0, 100, 1);
            assert_eq!(due_of(n, &state, &plain), due_of(n, &state, &weighted), "{n}");
        }
    }

    #[test]
    fn easy_days_are_rarer_and_absences_are_skipped() {
        // Day 4 is a Monday.
        let mut settings =
            DueSettings { easy_days: [0, 100, 100, 100, 100, 50, 100], ..DueSettings::default() };
        let mut by_weekday = [0_u32; 7];
        for n in 0..3_000 {
            let due = due_of(n, &state(40.0, 4, 1), &settings);
            by_weekday[(due.day + 3).rem_euclid(7) as usize] += 1;
            assert!(due.has_easy_days);
        }
        assert_eq!(by_weekday[0], 0, "{by_weekday:?}");
        assert!(by_weekday[5] * 3 < by_weekday[4] * 2, "{by_weekday:?}");
        settings.away = vec![Away { from_day: 0, to_day: 43 }];
        for n in 0..500 {
            assert!(due_of(n, &state(40.0, 4, 1), &settings).day > 43);
        }
        // An absence of the whole window moves nothing.
        settings.away = vec![Away { from_day: 0, to_day: 1_000 }];
        let due = due_of(1, &state(40.0, 4, 1), &settings);
        assert!((due.from_day..=due.to_day).contains(&due.day));
    }

    #[test]
    fn settings_out_of_range_are_limited() {
        let strange =
            DueSettings { retention: 2.0, max_interval: 0, easy_days: [255; 7], away: vec![] };
        let due = due_of(1, &state(1e9, i32::MAX, 1), &strange);
        assert_eq!((due.day, due.is_capped), (i32::MAX, true));
        let due = due_of(
            1,
            &state(100.0, 0, 1),
            &DueSettings { retention: f64::NAN, ..Default::default() },
        );
        assert!(due.day >= 1, "{due:?}");
    }
}
