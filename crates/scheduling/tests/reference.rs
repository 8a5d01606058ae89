//! Comparison with other implementations of FSRS-6: a stored table (tests/data/make_reference.py), and random histories
//! against the crate `fsrs`.

use carrel_scheduling::{Memory, Weights, interval};
use fsrs::{FSRS, FSRSItem, FSRSReview};

fn memory(weights: &Weights, history: &[(u8, u32)]) -> Memory {
    let (first, rest) = history.split_first().unwrap();
    let memory = Memory::first(weights, first.0);
    rest.iter().fold(memory, |memory, (rating, days)| memory.next(weights, *days, *rating))
}
fn differs(a: f64, b: f64, limit: f64) -> bool {
    (a - b).abs() > limit * b.abs()
}

#[test]
fn states_agree_with_two_other_implementations() {
    let table = include_str!("data/reference.csv");
    let mut lines = 0;
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let ratings = columns[0].bytes().map(|b| b - b'0');
        let days = columns[1].split(' ').map(|d| d.parse().unwrap());
        let history: Vec<(u8, u32)> = ratings.zip(days).collect();
        let found = memory(&Weights::DEFAULT, &history);
        let number = |i: usize| columns[i].parse::<f64>().unwrap();
        assert!(!differs(found.stability, number(2), 1e-9), "{line}: {found:?}");
        assert!(!differs(found.difficulty, number(3), 1e-9), "{line}: {found:?}");
        // 32-bit arithmetic.
        assert!(!differs(found.stability, number(4), 1e-4), "{line}: {found:?}");
        assert!(!differs(found.difficulty, number(5), 1e-4), "{line}: {found:?}");
        lines += 1;
    }
    assert_eq!(lines, 150);
}

/// A small generator of numbers, so that the histories are the same in each run.
struct Numbers(u64);
impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// 10,000 histories with random weights: states within 1e-4, and the same whole interval, except where the exact one is
/// within 1e-3 of a half day.
#[test]
fn ten_thousand_histories_agree_with_the_reference() {
    let mut numbers = Numbers(7);
    let (mut ties, mut worst) = (Vec::new(), 0.0_f64);
    for case in 0..10_000 {
        let mut w = *Weights::DEFAULT.as_array();
        if case % 2 == 1 {
            for w in &mut w {
                *w *= 0.8 + numbers.below(400) as f64 / 1000.0;
            }
        }
        // The reference has 32-bit weights.
        let w = w.map(|w| f64::from(w as f32));
        let weights = Weights::new(&w).unwrap();
        let reference = FSRS::new(&weights.as_array().map(|w| w as f32)).unwrap();
        let history: Vec<(u8, u32)> = (0..=numbers.below(12))
            .map(|n| {
                let days = [0, 1, 1, 2, 3, 5, 8, 13, 34, 120, 700][numbers.below(11) as usize];
                (1 + numbers.below(4) as u8, if n == 0 { 0 } else { days })
            })
            .collect();
        let found = memory(&weights, &history);
        let reviews = history
            .iter()
            .map(|(rating, days)| FSRSReview { rating: (*rating).into(), delta_t: *days })
            .collect();
        let expected = reference.memory_state(FSRSItem { reviews }, None).unwrap();
        let (s, d) = (f64::from(expected.stability), f64::from(expected.difficulty));
        assert!(
            !differs(found.stability, s, 1e-4),
            "case {case} {history:?}: {found:?} {expected:?}"
        );
        assert!(
            !differs(found.difficulty, d, 1e-4),
            "case {case} {history:?}: {found:?} {expected:?}"
        );
        worst = worst.max((found.stability - s).abs() / s);
        let days = interval(&weights, found.stability, 0.9);
        let other = reference.next_interval(Some(expected.stability), 0.9, 3);
        if libm::round(days) != f64::from(other.round()) {
            let to_tie = (days - libm::floor(days) - 0.5).abs();
            assert!(to_tie < 1e-3_f64.max(days * 1e-5), "case {case}: {days} {other}");
            ties.push((case, days));
        }
    }
    assert!(ties.len() < 30, "{ties:?}, worst {worst:e}");
}
