//! The states and due days of 10,000 generated histories, as one hash that is equal on every platform. The histories
//! are generated without random numbers of a library.

use carrel_model::{
    CardKey, EventId, ItemId,
    lattice::{Review, ReviewKind},
};
use carrel_scheduling::{Away, DueSettings, Event, Weights, due, fold};

/// BLAKE3 of the lines. It changes only if a state or a due day of a learner may change.
const EXPECTED: &str = "bfc0ff8568f271adbde0aed3fcfeecc2288d6d486c0ca54489b261d71fc25243";
const LINES: usize = 10_000;

struct Numbers(u64);
impl Numbers {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Returns a line: the bits of stability and difficulty, the due day and its window.
fn line(n: usize, numbers: &mut Numbers) -> String {
    let mut w = *Weights::DEFAULT.as_array();
    if n % 3 == 0 {
        for w in &mut w {
            *w *= 0.75 + numbers.below(500) as f64 / 1000.0;
        }
    }
    let weights = Weights::new(&w).unwrap();
    let mut day = 20_000 + numbers.below(500) as i32;
    let mut reviews = Vec::new();
    for _ in 0..=numbers.below(15) {
        reviews.push(Review {
            id: EventId::from_u128((u128::from(numbers.next()) << 64) | u128::from(numbers.next())),
            word: ItemId::new("a/w").unwrap(),
            rating: [1, 2, 3, 3, 3, 4][numbers.below(6) as usize],
            at_ms: i64::from(day) * 86_400_000 + numbers.below(86_400_000) as i64,
            duration_ms: 0,
            day: Some(day),
            off_min: Some(0),
            kind: Some(ReviewKind::Review),
            card: None,
            params: None,
            extra: Default::default(),
        });
        day += [0, 0, 1, 1, 2, 4, 9, 20, 45, 130][numbers.below(10) as usize];
    }
    let state = fold(&mut reviews.iter().filter_map(Event::of).collect(), |_| weights).unwrap();
    let settings = DueSettings {
        retention: 0.70 + numbers.below(28) as f64 / 100.0,
        max_interval: [36_500, 365, 30][numbers.below(3) as usize],
        easy_days: [100, 100, 50, 100, 100, 0, 100],
        away: vec![Away { from_day: day + 5, to_day: day + 9 }],
    };
    let card = CardKey::of_word("en", None, &format!("word {n}"));
    let due = due(&card, &state, &weights, &settings);
    format!(
        "{:016x} {:016x} {:016x} {} {} {}\n",
        state.memory.stability.to_bits(),
        state.memory.difficulty.to_bits(),
        due.exact_days.to_bits(),
        due.day,
        due.from_day,
        due.to_day
    )
}

#[test]
fn states_and_due_days_are_equal_on_every_platform() {
    let mut numbers = Numbers(1);
    let mut hash = blake3::Hasher::new();
    let mut first = String::new();
    for n in 0..LINES {
        let line = line(n, &mut numbers);
        hash.update(line.as_bytes());
        if n == 0 {
            first = line;
        }
    }
    assert_eq!(hash.finalize().to_hex().as_str(), EXPECTED, "the first line is {first}");
}
