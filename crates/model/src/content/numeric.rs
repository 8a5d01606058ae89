//! Numeric questions: accepted numbers with tolerance and unit, and what a typed number scores.
//!
//! Not here: reading numbers and units (`text`).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::text::{DecimalSign, TypedNumber, fold_answer, parse_unit, read_number};

/// Whether a unit is typed with a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum UnitPolicy {
    /// Only a number is typed.
    #[default]
    None,
    /// A number without a unit is in the unit of the accepted number.
    Optional,
    /// A number without a unit is not right.
    Required,
}

/// An accepted number, or all numbers of a range. Numbers are decimal texts, so that each program reads the same value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedNumber {
    /// The number, or the least one of a range.
    pub value: String,
    /// The greatest number of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub to: Option<String>,
    /// Greatest accepted difference, in the unit of `value`; of a relative tolerance, as a share of `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub tolerance: Option<String>,
    /// True if `tolerance` is a share of `value`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub relative: bool,
    /// Unit of `value`; empty if it has none. A unit that `text::parse_unit` does not know is compared as a text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>", optional)]
    pub unit: String,
    /// Percentage of the points, 0 to 100. A number for 0 % is wrong, with feedback of its own.
    #[serde(default = "full", skip_serializing_if = "is_full")]
    #[ts(as = "Option<u8>", optional)]
    pub percent: u8,
    /// Inline HTML shown with this answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>", optional)]
    pub feedback: String,
}

fn full() -> u8 {
    100
}

fn is_full(percent: &u8) -> bool {
    *percent == full()
}

/// One way to read a typed number, as an offer to the learner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReadingChoice {
    /// The decimal sign of this reading.
    pub decimal: DecimalSign,
    /// The number in ASCII with a decimal point: `1234.5`, `1.2e40`.
    pub plain: String,
}

/// Why a typed number is not graded until the learner has changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "problem", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum NumberProblem {
    /// The text is a different number in the learner's language and in that of the quiz.
    Ambiguous {
        /// The readings, that of the learner's language first.
        readings: Vec<ReadingChoice>,
    },
    /// The text is not a number.
    NoNumber,
    /// A unit is required.
    UnitMissing,
    /// The unit is not known.
    UnitUnknown {
        /// The unit as typed.
        unit: String,
    },
    /// The question asks for a number only.
    UnitUnexpected {
        /// The unit as typed.
        unit: String,
    },
}

/// What a typed number scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberResult {
    /// Percentage of the points, 0 to 100.
    pub percent: u8,
    /// Index of the accepted number that matches.
    pub matched: Option<usize>,
    /// Why the number cannot be graded.
    pub problem: Option<NumberProblem>,
}

/// Share of a value by which two equal numbers may differ after calculations with 64-bit floating-point numbers: of
/// the same unit, and after a conversion.
const ROUNDING: (f64, f64) = (2.0 * f64::EPSILON, 64.0 * f64::EPSILON);

/// Grades a typed number. `lang`: language tag of the learner, `quiz_lang` that of the quiz; `decimal`: the sign that
/// the learner stated. A text with two readings scores nothing before that.
pub(super) fn grade_number(
    answers: &[AcceptedNumber],
    policy: UnitPolicy,
    (text, lang, decimal): (&str, &str, Option<DecimalSign>),
    quiz_lang: &str,
) -> NumberResult {
    let problem = |problem| NumberResult { percent: 0, matched: None, problem: Some(problem) };
    let langs = if lang.is_empty() { vec![quiz_lang] } else { vec![lang, quiz_lang] };
    let typed = read_number(text, &langs);
    let chosen =
        typed.readings.iter().find(|r| typed.readings.len() == 1 || decimal == Some(r.decimal));
    let value = match (chosen, typed.readings.as_slice()) {
        (Some(reading), _) => reading.value,
        (None, []) => return problem(NumberProblem::NoNumber),
        (None, readings) => {
            let readings = readings
                .iter()
                .map(|r| ReadingChoice { decimal: r.decimal, plain: r.plain.clone() })
                .collect();
            return problem(NumberProblem::Ambiguous { readings });
        }
    };
    if let Some(found) = unit_problem(answers, policy, &typed, quiz_lang) {
        return problem(found);
    }
    // The best of the answers that match.
    let best = (0..answers.len())
        .filter(|at| matches(&answers[*at], value, &typed.unit, quiz_lang))
        .max_by_key(|at| (answers[*at].percent, std::cmp::Reverse(*at)));
    NumberResult {
        percent: best.map_or(0, |at| answers[at].percent.min(100)),
        matched: best,
        problem: None,
    }
}

fn unit_problem(
    answers: &[AcceptedNumber],
    policy: UnitPolicy,
    typed: &TypedNumber,
    lang: &str,
) -> Option<NumberProblem> {
    let unit = || typed.unit.clone();
    let is_known = || {
        parse_unit(&typed.unit).is_some()
            || answers.iter().any(|a| is_same_unit_text(&a.unit, &typed.unit, lang))
    };
    match (policy, typed.unit.is_empty()) {
        (UnitPolicy::None, false) => Some(NumberProblem::UnitUnexpected { unit: unit() }),
        (UnitPolicy::Required, true) if answers.iter().all(|a| !a.unit.is_empty()) => {
            Some(NumberProblem::UnitMissing)
        }
        (_, false) if !is_known() => Some(NumberProblem::UnitUnknown { unit: unit() }),
        _ => None,
    }
}

/// Compares units as texts, without case: `Km` is no other unit, so it is `km`.
fn is_same_unit_text(accepted: &str, typed: &str, lang: &str) -> bool {
    !accepted.is_empty() && fold_answer(accepted, lang) == fold_answer(typed, lang)
}

fn matches(answer: &AcceptedNumber, value: f64, unit: &str, lang: &str) -> bool {
    let (value, rounding) = match (parse_unit(&answer.unit), parse_unit(unit)) {
        _ if unit.is_empty() => (value, ROUNDING.0),
        (Some(own), Some(typed)) if own == typed => (value, ROUNDING.0),
        (Some(own), Some(typed)) => match typed.convert(value, &own) {
            Some(converted) => (converted, ROUNDING.1),
            None => return false,
        },
        // A symbol with another meaning is not the same unit with another case.
        (Some(_), None) | (None, _) if is_same_unit_text(&answer.unit, unit, lang) => {
            (value, ROUNDING.0)
        }
        _ => return false,
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite());
    let Some(low) = number(&answer.value) else { return false };
    let tolerance = match &answer.tolerance {
        Some(text) => number(text).map_or(0.0, f64::abs),
        None => 0.0,
    };
    let high = answer.to.as_deref().and_then(number).unwrap_or(low);
    let (low, high) = if low <= high { (low, high) } else { (high, low) };
    let by = |bound: f64| if answer.relative { bound.abs() * tolerance } else { tolerance };
    let slack = rounding * low.abs().max(high.abs()).max(value.abs());
    low - by(low) - slack <= value && value <= high + by(high) + slack
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &str) -> AcceptedNumber {
        AcceptedNumber {
            value: value.to_owned(),
            to: None,
            tolerance: None,
            relative: false,
            unit: String::new(),
            percent: 100,
            feedback: String::new(),
        }
    }
    fn within(value: &str, tolerance: &str, relative: bool) -> AcceptedNumber {
        AcceptedNumber { tolerance: Some(tolerance.to_owned()), relative, ..accepted(value) }
    }
    fn in_unit(value: &str, unit: &str) -> AcceptedNumber {
        AcceptedNumber { unit: unit.to_owned(), ..accepted(value) }
    }
    fn percent(answer: &AcceptedNumber, policy: UnitPolicy, text: &str) -> u8 {
        grade_number(std::slice::from_ref(answer), policy, (text, "en", None), "en").percent
    }

    #[test]
    fn tolerances_include_their_bounds() {
        for (answer, right, wrong) in [
            (accepted("0.3"), &["0.3", "3e-1", "0.30", "3/10"][..], &["0.31", "0.3000001"][..]),
            (within("3.5", "0.1", false), &["3.4", "3.6", "3.5"], &["3.39", "3.61", "3.600001"]),
            (within("0.1", "0.2", false), &["0.3", "-0.1"], &["0.31", "-0.11"]),
            (within("200", "0.05", true), &["190", "210"], &["189.9", "210.1"]),
            (within("-200", "0.05", true), &["-190", "-210"], &["-189.9", "200"]),
            (within("0", "0.05", true), &["0", "-0"], &["0.001"]),
            (accepted("1234567890123456"), &["1234567890123456"], &["1234567890123460"]),
            (accepted("6.02e23"), &["6.02·10^23", "602e21"], &["6.03e23"]),
            (
                AcceptedNumber { to: Some("5".into()), ..accepted("1") },
                &["1", "5", "2.5"],
                &["0.99", "5.01"],
            ),
            (AcceptedNumber { to: Some("-5".into()), ..accepted("-1") }, &["-1", "-5"], &["-0.9"]),
        ] {
            for text in right {
                assert_eq!(percent(&answer, UnitPolicy::None, text), 100, "{answer:?} {text}");
            }
            for text in wrong {
                assert_eq!(percent(&answer, UnitPolicy::None, text), 0, "{answer:?} {text}");
            }
        }
    }

    #[test]
    fn units_are_converted_and_compared() {
        let required = UnitPolicy::Required;
        for (answer, right, wrong) in [
            (
                in_unit("5", "km"),
                &["5 km", "5km", "5000 m", "5e5 cm", "5 Km", "5 KM"][..],
                &["5 m", "5", "5 kg"][..],
            ),
            (in_unit("20", "m/s"), &["72 km/h", "20 m·s⁻¹", "20 m/s"], &["72 m/s", "20 km/h"]),
            (in_unit("0.1", "m"), &["10 cm", "100 mm", "0.0001 km"], &["10 mm"]),
            (in_unit("5", "mW"), &["5 mW", "0.005 W"], &["5 MW", "5 W"]),
            (in_unit("298.15", "K"), &["25 °C", "77 °F", "298.15K"], &["25 K"]),
            (in_unit("12", "apples"), &["12 apples", "12 Apples"], &["12 pears", "12 m", "12"]),
            (in_unit("5", "€"), &["5 €", "€5", "5€"], &["$5"]),
            (in_unit("45", "%"), &["45 %", "45%"], &["45"]),
        ] {
            for text in right {
                assert_eq!(percent(&answer, required, text), 100, "{answer:?} {text}");
            }
            for text in wrong {
                assert_eq!(percent(&answer, required, text), 0, "{answer:?} {text}");
            }
        }
        let close = AcceptedNumber { unit: "m".into(), ..within("1.5", "0.01", false) };
        for (text, expected) in [("149 cm", 100), ("151 cm", 100), ("152 cm", 0), ("1.49 m", 100)] {
            assert_eq!(percent(&close, required, text), expected, "{text}");
        }
        assert_eq!(percent(&in_unit("5", "km"), UnitPolicy::Optional, "5"), 100);
        assert_eq!(percent(&in_unit("5", "km"), UnitPolicy::Optional, "5 m"), 0);
    }

    #[test]
    fn what_cannot_be_graded_is_named() {
        let km = [in_unit("5", "km")];
        let ask = |policy, text: &str| grade_number(&km, policy, (text, "fr", None), "en").problem;
        use UnitPolicy::{None as Never, Optional, Required};
        assert_eq!(ask(Required, "5"), Some(NumberProblem::UnitMissing));
        assert_eq!(ask(Optional, "5"), None);
        assert_eq!(ask(Required, "5 m"), None);
        let unknown = NumberProblem::UnitUnknown { unit: "parsecs".into() };
        assert_eq!(ask(Required, "5 parsecs"), Some(unknown.clone()));
        assert_eq!(ask(Optional, "5 parsecs"), Some(unknown));
        let unexpected = NumberProblem::UnitUnexpected { unit: "km".into() };
        assert_eq!(ask(Never, "5 km"), Some(unexpected));
        for text in ["", "five", "1.2.3", "km"] {
            assert_eq!(ask(Required, text), Some(NumberProblem::NoNumber), "{text}");
        }
    }

    #[test]
    fn a_number_with_two_readings_is_asked_for_and_not_graded() {
        let answers = [accepted("16")];
        let grade = |lang, decimal| {
            grade_number(&answers, UnitPolicy::None, ("16,000", lang, decimal), "en")
        };
        let asked = grade("fr", None);
        let readings = vec![
            ReadingChoice { decimal: DecimalSign::Comma, plain: "16".into() },
            ReadingChoice { decimal: DecimalSign::Point, plain: "16000".into() },
        ];
        assert_eq!(
            (asked.percent, asked.problem),
            (0, Some(NumberProblem::Ambiguous { readings }))
        );
        assert_eq!(grade("fr", Some(DecimalSign::Comma)).percent, 100);
        assert_eq!(grade("fr", Some(DecimalSign::Point)).percent, 0);
        // One reading is not asked for: 16,000 is not 16 in English.
        assert_eq!((grade("en", None).percent, grade("en", None).problem), (0, None));
        assert_eq!(grade("", None).problem, None);
    }

    #[test]
    fn the_best_of_several_answers_counts() {
        let near = AcceptedNumber { percent: 50, ..within("10", "1", false) };
        let answers = [near, within("10", "0.1", false), accepted("20")];
        for (text, percent, matched) in
            [("10", 100, Some(1)), ("10.5", 50, Some(0)), ("20", 100, Some(2)), ("12", 0, None)]
        {
            let result = grade_number(&answers, UnitPolicy::None, (text, "en", None), "en");
            assert_eq!((result.percent, result.matched), (percent, matched), "{text}");
        }
    }
}
