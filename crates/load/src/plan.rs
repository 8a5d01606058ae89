//! The scenarios: how many people of which role do what, how often, and for how long.

use crate::{Result, work::Action};

/// Targets of a run: those of the product's first specification for all scenarios, and stricter ones of ours.
#[derive(Debug, Clone, Copy)]
pub struct Targets {
    pub p95_ms: f64,
    pub p99_ms: f64,
    /// From 0 to 1.
    pub errors: f64,
}

/// p95 below 800 ms, p99 below 2 s, errors below 2 %.
pub const FOUNDING: Targets = Targets { p95_ms: 800.0, p99_ms: 2_000.0, errors: 0.02 };

/// How the planned times of the requests are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// This number of requests in a second, from all people together, at random times.
    Rate(f64),
    /// From the first to the second rate, evenly.
    Ramp(f64, f64),
    /// The first rate, and in the middle third the second one.
    Spike(f64, f64),
    /// Each person sends the next request when the last one was answered, as `wrk` does.
    Closed,
    /// Everybody does everything once, at the same time.
    Once,
    /// Everybody opens an event stream and keeps it open.
    Streams,
}

/// A scenario.
#[derive(Debug, Clone)]
pub struct Plan {
    pub name: &'static str,
    pub about: &'static str,
    /// Number of people; each has a connection.
    pub people: usize,
    pub seconds: u64,
    pub pace: Pace,
    /// Actions with their weights.
    pub mix: &'static [(Action, u32)],
    pub targets: Targets,
}

/// A learner who reads, answers and syncs; an instructor who looks at classes; an administrator who looks at people.
/// Their shares are 80, 15 and 5 %.
const REALISTIC: &[(Action, u32)] = &[
    (Action::Courses, 16),
    (Action::Course, 14),
    (Action::Manifest, 6),
    (Action::Push, 22),
    (Action::Pull, 12),
    (Action::Dashboard, 6),
    (Action::Search, 4),
    (Action::Classes, 10),
    (Action::StaffCourses, 5),
    (Action::People, 5),
];
const STUDY: &[(Action, u32)] = &[(Action::Courses, 30), (Action::Push, 50), (Action::Pull, 20)];
/// The mix that was measured before this program existed: 60 % catalogue, 30 % push, 10 % pull.
const CATALOGUE_PUSH_PULL: &[(Action, u32)] =
    &[(Action::Courses, 60), (Action::Push, 30), (Action::Pull, 10)];
const STORIES_WORDS_DASHBOARD: &[(Action, u32)] =
    &[(Action::Stories, 60), (Action::Vocabulary, 30), (Action::Dashboard, 10)];
const RETURN: &[(Action, u32)] = &[(Action::WeekOfWork, 1)];

/// Returns the scenario with this name, or all; `seconds` replaces their lengths.
pub fn plans(name: Option<&str>, seconds: Option<u64>) -> Result<Vec<Plan>> {
    let plan = |name, about, people, seconds, pace, mix| Plan {
        name,
        about,
        people,
        seconds,
        pace,
        mix,
        targets: FOUNDING,
    };
    let all = [
        plan("baseline", "10 people", 10, 20, Pace::Rate(20.0), REALISTIC),
        plan(
            "realistic",
            "100 people: students 80 %, instructors 15 %, administrators 5 %; 100 requests/s",
            100,
            30,
            Pace::Rate(100.0),
            REALISTIC,
        ),
        plan(
            "stress",
            "200 people; from 50 to 1,000 requests/s",
            200,
            60,
            Pace::Ramp(50.0, 1_000.0),
            REALISTIC,
        ),
        plan(
            "spike",
            "200 people; 50 requests/s, and 800 in the middle third",
            200,
            30,
            Pace::Spike(50.0, 800.0),
            REALISTIC,
        ),
        plan(
            "soak",
            "100 people; 100 requests/s for five minutes",
            100,
            300,
            Pace::Rate(100.0),
            REALISTIC,
        ),
        plan(
            "stories",
            "100 people: stories 60 %, vocabulary 30 %, dashboard 10 %; 100 requests/s",
            100,
            30,
            Pace::Rate(100.0),
            STORIES_WORDS_DASHBOARD,
        ),
        Plan {
            targets: Targets { p95_ms: 50.0, p99_ms: 150.0, errors: 0.0 },
            ..plan(
                "learners",
                "1,000 learners at once, each with a request every five seconds",
                1_000,
                30,
                Pace::Rate(200.0),
                STUDY,
            )
        },
        plan(
            "closed",
            "200 connections without a pause: catalogue 60 %, push 30 %, pull 10 %",
            200,
            20,
            Pace::Closed,
            CATALOGUE_PUSH_PULL,
        ),
        plan(
            "closed-1000",
            "1,000 connections without a pause, the same mix",
            1_000,
            20,
            Pace::Closed,
            CATALOGUE_PUSH_PULL,
        ),
        plan(
            "wifi",
            "500 devices come back together, each with a week of work",
            500,
            60,
            Pace::Once,
            RETURN,
        ),
        plan("streams", "10,000 open event streams", 10_000, 60, Pace::Streams, STUDY),
    ];
    let found: Vec<Plan> = all
        .into_iter()
        .filter(|plan| name.is_none_or(|name| plan.name == name))
        .map(|plan| Plan { seconds: seconds.unwrap_or(plan.seconds), ..plan })
        .collect();
    match (found.is_empty(), name) {
        (true, Some(name)) => {
            Err(format!("unknown scenario {name:?}\nhint: `carrel-load scenarios` lists them")
                .into())
        }
        _ => Ok(found),
    }
}

impl Plan {
    /// Returns the planned rate of all people together at a time from 0 to 1 of the run; `None` if requests are not
    /// planned.
    pub fn rate(&self, part: f64) -> Option<f64> {
        match self.pace {
            Pace::Rate(rate) => Some(rate),
            Pace::Ramp(from, to) => Some(from + (to - from) * part),
            Pace::Spike(base, top) => {
                Some(if (1.0 / 3.0..2.0 / 3.0).contains(&part) { top } else { base })
            }
            Pace::Closed | Pace::Once | Pace::Streams => None,
        }
    }

    /// Chooses an action by the weights; `random`: any number.
    pub fn action(&self, random: u32) -> Action {
        let total: u32 = self.mix.iter().map(|(_, weight)| weight).sum();
        let mut rest = random % total.max(1);
        for (action, weight) in self.mix {
            if rest < *weight {
                return *action;
            }
            rest -= weight;
        }
        self.mix[0].0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_mix_has_its_shares() {
        let plan = plans(Some("closed"), Some(3)).unwrap().remove(0);
        assert_eq!(plan.seconds, 3);
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for random in 0..100 {
            *counts.entry(plan.action(random).name()).or_default() += 1;
        }
        assert_eq!(
            counts.into_iter().collect::<Vec<_>>(),
            [("courses", 60), ("pull", 10), ("push", 30)]
        );
    }

    #[test]
    fn the_realistic_mix_has_80_15_and_5_percent() {
        let of = |is: fn(Action) -> bool| -> u32 {
            REALISTIC.iter().filter(|(action, _)| is(*action)).map(|(_, weight)| weight).sum()
        };
        assert_eq!(of(|action| matches!(action, Action::Classes | Action::StaffCourses)), 15);
        assert_eq!(of(|action| matches!(action, Action::People)), 5);
        assert_eq!(of(|_| true), 100);
    }

    #[test]
    fn rates_follow_the_pace() {
        let rates = |name: &str| {
            let plan = plans(Some(name), None).unwrap().remove(0);
            [0.0, 0.5, 0.9].map(|part| plan.rate(part))
        };
        assert_eq!(rates("spike"), [Some(50.0), Some(800.0), Some(50.0)]);
        assert_eq!(rates("stress"), [Some(50.0), Some(525.0), Some(905.0)]);
        assert_eq!(rates("closed"), [None; 3]);
        assert!(plans(Some("unknown"), None).is_err());
    }
}
