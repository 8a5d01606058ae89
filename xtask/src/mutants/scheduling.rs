//! Mutants of spaced repetition: the fold, due days, clocks, undo.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "reviews are folded in the order in which they arrived",
        file: "crates/scheduling/src/fold.rs",
        good: "    events.sort_unstable();\n    events.dedup_by_key(|event| event.id);",
        bad: "    events.dedup_by_key(|event| event.id);",
        tests: &["-p", "carrel-scheduling", "--test", "laws"],
    },
    Mutant {
        name: "the fuzz of a due day depends on the number of reviews",
        file: "crates/scheduling/src/due.rs",
        good: "let seed = seed(card, state.last);",
        bad: "let seed = u64::from(state.reviews) << 40;",
        tests: &["-p", "carrel-scheduling", "--lib", "--test", "golden"],
    },
    Mutant {
        name: "further answers of one day use the formula of later days",
        file: "crates/scheduling/src/memory.rs",
        good: "(0, _) => same_day(w, s, rating),",
        bad: "(0, 5) => same_day(w, s, rating),",
        tests: &["-p", "carrel-scheduling", "--lib", "--test", "reference"],
    },
    Mutant {
        name: "a card has the parameters that are chosen now",
        file: "crates/learning/src/reviews/states.rs",
        good: "_ => last.params.to_owned(),",
        bad: "_ => self.sets.keys().next().cloned().unwrap_or_default(),",
        tests: &["-p", "carrel-learning", "--test", "learning", "-E", "test(reviews::)"],
    },
    Mutant {
        name: "the study day of a review is computed in the present zone",
        file: "crates/model/src/lattice/review.rs",
        good: "self.day.unwrap_or_else(|| study_day(self.at_ms, 0, 0))",
        bad: "study_day(self.at_ms, 0, 0)",
        tests: &["-p", "carrel-learning", "--test", "learning", "-E", "test(reviews::)"],
    },
    Mutant {
        name: "a void that arrives before its review is dropped",
        file: "crates/learning/src/store/tx.rs",
        good: "        let joined = rows::join(self.conn, Owner::Client, row, 0)?;",
        bad: "        if let Row::ReviewVoid(void) = row\n            && self.find::<carrel_model::lattice::Review>(&[void.id.to_string()])?.is_none()\n        {\n            return Ok(rows::Joined::default());\n        }\n        let joined = rows::join(self.conn, Owner::Client, row, 0)?;",
        tests: &["-p", "carrel-learning", "--test", "learning", "-E", "test(reviews::)"],
    },
    Mutant {
        name: "parameters are chosen although they predict worse",
        file: "crates/learning/src/reviews/training.rs",
        good: "result.is_better = result.log_loss_after < result.log_loss_before - MIN_GAIN;",
        bad: "result.is_better = true;",
        tests: &[
            "-p",
            "carrel-learning",
            "--test",
            "learning",
            "-E",
            "test(parameters_are_trained)",
        ],
    },
    Mutant {
        name: "a second tap replaces the first answer",
        file: "crates/learning/src/reviews/mod.rs",
        good: "if tx.find::<Review>(&[answer.event.to_string()])?.is_some() {\n                    return Ok(());\n                }",
        bad: "",
        tests: &["-p", "carrel-learning", "--test", "learning", "-E", "test(a_double_tap)"],
    },
    Mutant {
        name: "times of a wrong clock are sent as they are",
        file: "crates/sync/src/batch.rs",
        good: "    clock::correct_times(tx)\n",
        bad: "    Ok(())\n",
        tests: &["-p", "carrel-sync", "--test", "sync", "-E", "test(clocks::)"],
    },
    Mutant {
        name: "a suspend counts as a wrong clock",
        file: "crates/sync/src/clock.rs",
        good: "let may_be_suspended = late_ms < 0 && !is_other && !is_unset;",
        bad: "let may_be_suspended = false;",
        tests: &["-p", "carrel-sync", "--lib", "--test", "sync", "-E", "test(clock)"],
    },
    Mutant {
        name: "the server accepts reviews of a clock that is days ahead",
        file: "crates/server/src/push_validation.rs",
        good: "Row::Session(_) | Row::Review(_) | Row::Attempt(_) => MAX_AHEAD_MS,",
        bad: "Row::Session(_) => MAX_AHEAD_MS,",
        tests: unit!("carrel-server", "push_validation"),
    },
    Mutant {
        name: "new fields of a review are not part of its payload",
        file: "crates/model/src/lattice/review.rs",
        good: "if fields != (None, None, None, &None, &None) {",
        bad: "if false && fields != (None, None, None, &None, &None) {",
        tests: unit!("carrel-model", "review"),
    },
];
