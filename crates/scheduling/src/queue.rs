//! The cards of a study day in their order, and the daily limits.
//!
//! Due cards come first, those most at risk of being forgotten first; new cards are spread between them. After a break,
//! the daily limit bounds the work, and the order makes sure that the most valuable cards are reviewed.

use std::cmp::Ordering;

use carrel_model::CardKey;

/// How many other cards are shown before a card that was answered "again" is shown again, if there are so many.
const OTHERS_BETWEEN: usize = 5;

/// A card that may be shown on a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The card.
    pub card: CardKey,
    /// What is known about it today.
    pub kind: Kind,
}

/// Why a card is a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Not answered yet; the time at which it was added (UTC, ms).
    New {
        /// When it was added.
        added_ms: i64,
    },
    /// Due today or earlier.
    Due {
        /// Probability of recall today.
        retrievability: f64,
        /// How much the probability falls until tomorrow.
        loss: f64,
    },
    /// Answered "again" today.
    AgainToday {
        /// Time of that answer (UTC, ms).
        last_ms: i64,
        /// Other cards that were answered since.
        others_since: usize,
    },
}

/// What is left of the daily limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// New cards that may still be shown today.
    pub new: usize,
    /// Due cards that may still be shown today.
    pub due: usize,
}

/// The cards of a day.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queue {
    /// The cards in the order in which they are shown.
    pub cards: Vec<Candidate>,
    /// Number of cards in `cards` that were answered "again" today.
    pub again_today: usize,
    /// Number of due cards in `cards`.
    pub due: usize,
    /// Number of new cards in `cards`.
    pub new: usize,
    /// Number of due cards over the limit.
    pub backlog: usize,
}

/// Builds the queue of a day. The order of the candidates does not matter.
pub fn build(candidates: Vec<Candidate>, limits: Limits) -> Queue {
    let (mut new, mut due, mut again_today) = (Vec::new(), Vec::new(), Vec::new());
    for candidate in candidates {
        match candidate.kind {
            Kind::New { added_ms } => new.push((added_ms, candidate)),
            Kind::Due { loss, .. } => due.push((loss, candidate)),
            Kind::AgainToday { last_ms, .. } => again_today.push((last_ms, candidate)),
        }
    }
    new.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.card.cmp(&y.card)));
    due.sort_by(|(a, x), (b, y)| {
        b.partial_cmp(a).unwrap_or(Ordering::Equal).then_with(|| x.card.cmp(&y.card))
    });
    again_today.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.card.cmp(&y.card)));
    let backlog = due.len().saturating_sub(limits.due);
    due.truncate(limits.due);
    // No new cards while due ones wait for another day: they would add to the backlog.
    new.truncate(if backlog > 0 { 0 } else { limits.new });
    let (due_count, new_count, again_count) = (due.len(), new.len(), again_today.len());
    let mut cards = spread(due, new);
    for (earlier, (_, candidate)) in again_today.into_iter().enumerate() {
        let Kind::AgainToday { others_since, .. } = candidate.kind else { continue };
        let at = OTHERS_BETWEEN.saturating_sub(others_since).max(earlier);
        cards.insert(at.min(cards.len()), candidate);
    }
    Queue { cards, again_today: again_count, due: due_count, new: new_count, backlog }
}

/// Returns the due cards in their order with the new ones spread evenly between them.
fn spread<A, B>(due: Vec<(A, Candidate)>, new: Vec<(B, Candidate)>) -> Vec<Candidate> {
    let (due_count, new_count) = (due.len(), new.len());
    let (mut due, mut new) = (due.into_iter(), new.into_iter());
    let mut all = Vec::with_capacity(due_count + new_count);
    let mut shown_new = 0;
    for shown in 0..due_count + new_count {
        // After `shown` cards, this share of the new ones should have been shown.
        let is_new = (shown + 1) * new_count >= (shown_new + 1) * (due_count + new_count);
        let next = if is_new { new.next().map(|(_, c)| c) } else { due.next().map(|(_, c)| c) };
        shown_new += usize::from(is_new);
        all.extend(next);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, kind: Kind) -> Candidate {
        Candidate { card: CardKey::of_word("en", None, name), kind }
    }
    fn due(name: &str, loss: f64) -> Candidate {
        candidate(name, Kind::Due { retrievability: 0.5, loss })
    }
    fn new(name: &str, added_ms: i64) -> Candidate {
        candidate(name, Kind::New { added_ms })
    }
    fn names(cards: &[Candidate]) -> Vec<&str> {
        cards.iter().map(|c| c.card.lemma()).collect()
    }

    #[test]
    fn cards_at_risk_come_first_and_new_ones_are_spread() {
        let all = vec![
            new("n2", 20),
            due("safe", 0.001),
            due("risk", 0.2),
            new("n1", 10),
            due("b", 0.1),
            due("a", 0.1),
            candidate("again", Kind::AgainToday { last_ms: 5, others_since: 2 }),
        ];
        for turn in 0..all.len() {
            let mut shuffled = all.clone();
            shuffled.rotate_left(turn);
            let queue = build(shuffled, Limits { new: 10, due: 10 });
            let expected = ["risk", "a", "n1", "again", "b", "safe", "n2"];
            assert_eq!(names(&queue.cards), expected, "{turn}");
            assert_eq!((queue.due, queue.new, queue.again_today, queue.backlog), (4, 2, 1, 0));
        }
    }

    #[test]
    fn a_forgotten_card_is_shown_again_after_others() {
        let again = |name: &str, last_ms, others_since| {
            candidate(name, Kind::AgainToday { last_ms, others_since })
        };
        let queue = |again: Vec<Candidate>, others: usize| {
            let others = (0..others).map(|n| due(&format!("d{n}"), 9.0 - n as f64));
            let queue = build(again.into_iter().chain(others).collect(), Limits { new: 9, due: 9 });
            names(&queue.cards).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(queue(vec![again("x", 1, 0)], 7), "d0 d1 d2 d3 d4 x d5 d6");
        assert_eq!(queue(vec![again("x", 1, 3)], 7), "d0 d1 x d2 d3 d4 d5 d6");
        assert_eq!(queue(vec![again("x", 1, 99)], 2), "x d0 d1");
        assert_eq!(queue(vec![again("x", 1, 0)], 1), "d0 x");
        assert_eq!(queue(vec![again("y", 2, 0), again("x", 1, 1)], 0), "x y", "the earliest first");
        assert_eq!(queue(vec![again("y", 2, 8), again("x", 1, 9)], 2), "x y d0 d1");
    }

    #[test]
    fn the_limits_of_a_day_bound_the_work() {
        let all: Vec<Candidate> = (0..30)
            .map(|n| due(&format!("d{n:02}"), f64::from(n)))
            .chain((0..9).map(|n| new(&format!("n{n}"), n)))
            .collect();
        let queue = build(all.clone(), Limits { new: 5, due: 8 });
        assert_eq!((queue.due, queue.new, queue.backlog), (8, 0, 22), "no new cards on top");
        assert_eq!(names(&queue.cards)[..2], ["d29", "d28"]);
        let queue = build(all.clone(), Limits { new: 5, due: 30 });
        assert_eq!((queue.due, queue.new, queue.cards.len()), (30, 5, 35));
        let queue = build(all[30..].to_vec(), Limits { new: 3, due: 0 });
        assert_eq!(names(&queue.cards), ["n0", "n1", "n2"]);
        assert_eq!(build(Vec::new(), Limits { new: 3, due: 3 }), Queue::default());
    }
}
