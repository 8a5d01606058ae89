//! The memory model of FSRS-6: stability, difficulty, and the probability of recall. One step of `f64` arithmetic with
//! `libm`, without fused operations, so that all platforms compute the same bits.
//!
//! Source of the formulas: the crate `fsrs` 6.6.2, which is the reference in tests and the trainer.

use crate::Weights;

const MIN_STABILITY: f64 = 0.001;
const MAX_STABILITY: f64 = 36_500.0;
const MIN_DIFFICULTY: f64 = 1.0;
const MAX_DIFFICULTY: f64 = 10.0;

/// What is known about the memory of a card. Never rounded before it is used again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// Days until the probability of recall is 90 %.
    pub stability: f64,
    /// 1 (easy) to 10.
    pub difficulty: f64,
}

impl Memory {
    /// Returns the memory after the first answer to a card. `rating`: 1 to 4.
    pub fn first(weights: &Weights, rating: u8) -> Self {
        let w = weights.as_array();
        let rating = rating.clamp(1, 4);
        Self {
            stability: w[usize::from(rating) - 1].clamp(MIN_STABILITY, MAX_STABILITY),
            difficulty: first_difficulty(w, rating).clamp(MIN_DIFFICULTY, MAX_DIFFICULTY),
        }
    }

    /// Returns the memory after an answer `days` days after the previous one. `rating`: 1 to 4.
    #[must_use]
    pub fn next(self, weights: &Weights, days: u32, rating: u8) -> Self {
        let w = weights.as_array();
        let rating = rating.clamp(1, 4);
        let s = self.stability.clamp(MIN_STABILITY, MAX_STABILITY);
        let d = self.difficulty.clamp(MIN_DIFFICULTY, MAX_DIFFICULTY);
        let stability = match (days, rating) {
            (0, _) => same_day(w, s, rating),
            (_, 1) => failure(w, s, d, retrievability(weights, s, days)),
            _ => success(w, s, d, retrievability(weights, s, days), rating),
        };
        let step = -w[6] * (f64::from(rating) - 3.0);
        let damped = d + (MAX_DIFFICULTY - d) * step / 9.0;
        let difficulty = w[7] * (first_difficulty(w, 4) - damped) + damped;
        Self {
            stability: stability.clamp(MIN_STABILITY, MAX_STABILITY),
            difficulty: difficulty.clamp(MIN_DIFFICULTY, MAX_DIFFICULTY),
        }
    }
}

/// Returns the probability of recall after `days` days.
pub fn retrievability(weights: &Weights, stability: f64, days: u32) -> f64 {
    let (decay, factor) = curve(weights);
    libm::pow(f64::from(days) / stability * factor + 1.0, decay)
}

/// Returns the days after which the probability of recall is `retention` (0 to 1, without 0).
pub fn interval(weights: &Weights, stability: f64, retention: f64) -> f64 {
    let (decay, factor) = curve(weights);
    stability / factor * (libm::pow(retention, 1.0 / decay) - 1.0)
}

/// Returns the exponent of the forgetting curve, and the factor that makes the recall at the stability 90 %.
fn curve(weights: &Weights) -> (f64, f64) {
    let decay = -weights.as_array()[20];
    (decay, libm::exp(libm::log(0.9) / decay) - 1.0)
}

fn first_difficulty(w: &[f64; 21], rating: u8) -> f64 {
    w[4] - libm::exp(w[5] * (f64::from(rating) - 1.0)) + 1.0
}

fn success(w: &[f64; 21], s: f64, d: f64, r: f64, rating: u8) -> f64 {
    let hard = if rating == 2 { w[15] } else { 1.0 };
    let easy = if rating == 4 { w[16] } else { 1.0 };
    let growth = libm::exp(w[8])
        * (11.0 - d)
        * libm::pow(s, -w[9])
        * (libm::exp((1.0 - r) * w[10]) - 1.0)
        * hard
        * easy;
    s * (growth + 1.0)
}

fn failure(w: &[f64; 21], s: f64, d: f64, r: f64) -> f64 {
    let forgotten = w[11]
        * libm::pow(d, -w[12])
        * (libm::pow(s + 1.0, w[13]) - 1.0)
        * libm::exp((1.0 - r) * w[14]);
    forgotten.min(s / libm::exp(w[17] * w[18]))
}

/// The change of stability by a further answer on the same day.
fn same_day(w: &[f64; 21], s: f64, rating: u8) -> f64 {
    let change = libm::exp(w[17] * (f64::from(rating) - 3.0 + w[18])) * libm::pow(s, -w[19]);
    s * if rating >= 2 { change.max(1.0) } else { change }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parameters in the tests of the reference, which are those of FSRS-5, and the two constants that convert
    /// them.
    const REFERENCE: [f64; 21] = [
        0.684_542_2,
        1.679_082_5,
        4.734_942_4,
        10.042_885,
        7.441_023_3,
        0.642_197_97,
        1.071_918,
        0.002_519_525_4,
        1.432_437,
        0.154_4,
        0.869_276_6,
        2.069_675_2,
        0.095_3,
        0.297_5,
        2.469_124_8,
        0.195_420_35,
        3.201_072,
        0.180_462_61,
        0.121_442_534,
        0.0,
        0.5,
    ];

    fn after(weights: &Weights, reviews: &[(u8, u32)]) -> Memory {
        let (first, rest) = reviews.split_first().unwrap();
        let memory = Memory::first(weights, first.0);
        rest.iter().fold(memory, |memory, (rating, days)| memory.next(weights, *days, *rating))
    }
    /// The expected values are printed `f32`.
    fn assert_close(found: Memory, stability: f64, difficulty: f64) {
        let close = |a: f64, b: f64| (a - b).abs() <= b.abs() * 2e-6;
        let ok = close(found.stability, stability) && close(found.difficulty, difficulty);
        assert!(ok, "{found:?}, not {stability} {difficulty}");
    }

    #[test]
    fn a_history_has_the_state_of_the_reference() {
        let weights = Weights::new(&REFERENCE).unwrap();
        let history = [(1, 0), (3, 1), (3, 3), (3, 8), (3, 21)];
        assert_close(after(&weights, &history), 31.722_992, 7.382_128);
        let before = after(&weights, &history[..4]);
        for (rating, stability, difficulty) in [
            (1, 2.969_145_5, 8.000_659),
            (2, 17.091_452, 7.691_393_4),
            (3, 31.722_992, 7.382_128),
            (4, 71.750_2, 7.072_862_6),
        ] {
            assert_close(before.next(&weights, 21, rating), stability, difficulty);
        }
        let stored = Memory { stability: 20.925_528, difficulty: 7.005_062 };
        assert_close(stored.next(&weights, 21, 3), 40.874_56, 6.991_380_7);
    }

    #[test]
    fn answers_on_one_day_use_the_short_term_formula() {
        let history = [(1, 0), (3, 0), (3, 1), (3, 3), (3, 8), (3, 21)];
        assert_close(after(&Weights::DEFAULT, &history), 53.626_91, 6.357_486_7);
        let mut w = *Weights::DEFAULT.as_array();
        w[17..20].fill(0.0);
        let weights = Weights::new(&w).unwrap();
        assert_close(after(&weights, &history), 53.335_106, 6.357_486_7);
    }

    #[test]
    fn the_first_answer_sets_the_state() {
        let table = [
            (1, 0.212, 6.4133),
            (2, 1.2931, 5.112_170_71),
            (3, 2.3065, 2.118_103_97),
            (4, 8.2956, 1.0),
        ];
        for (rating, stability, difficulty) in table {
            assert_close(Memory::first(&Weights::DEFAULT, rating), stability, difficulty);
        }
    }

    #[test]
    fn intervals_follow_the_forgetting_curve() {
        let expected = [3_116_766, 34_793, 2_508, 387, 90, 27, 9, 3, 1, 1];
        for (i, days) in (1..=10).zip(expected) {
            let found = interval(&Weights::DEFAULT, 1.0, f64::from(i) / 10.0);
            let rounded = libm::round(found).max(1.0);
            // The reference computes with f32, which has 24 significant bits.
            let ulps = f64::from(days) / f64::from(1 << 18);
            assert!((rounded - f64::from(days)).abs() <= ulps, "{i}: {rounded}, not {days}");
        }
        let weights = Weights::DEFAULT;
        for days in [1, 7, 30, 365] {
            let r = retrievability(&weights, 10.0, days);
            assert!((interval(&weights, 10.0, r) - f64::from(days)).abs() < 1e-6, "{days}: {r}");
        }
        assert!((retrievability(&weights, 10.0, 10) - 0.9).abs() < 1e-12);
    }
}
