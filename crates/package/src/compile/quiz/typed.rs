//! Compiles the kinds of questions whose answers are typed: blanks, numbers, and texts with gaps of several kinds.

use carrel_model::{
    content::{AcceptedNumber, Gap, QuestionKind, TextRule, TextRules, TypedAnswer, UnitPolicy},
    text::{fold_exact, parse_unit},
};

use super::{Texts, choices};
use crate::source::fields::Fields;
use crate::source::json::{Node, Value};

/// Names of the policies for units.
const UNITS: [(&str, UnitPolicy); 3] = [
    ("none", UnitPolicy::None),
    ("optional", UnitPolicy::Optional),
    ("required", UnitPolicy::Required),
];

/// Compiles a fill-in question with this number of blanks in its prompt.
pub(super) fn fill(fields: &Fields<'_>, texts: &Texts<'_>, blanks: usize) -> Option<QuestionKind> {
    let exact = fields.bool("exact");
    let mut rules = rules(fields, texts);
    let Some(node) = fields.node("blanks") else {
        fields.missing("blanks");
        return None;
    };
    let list = fields.list("blanks");
    let (accepted, answers): (Vec<_>, Vec<_>) =
        list.iter().map(|node| spellings(node, fields, texts)).unzip();
    check_blanks(fields, node, "blanks", blanks, accepted.len());
    rules.answers = without_empty(answers);
    Some(QuestionKind::Fill { blanks: accepted, exact, rules })
}

/// Returns the answers of the blanks; no list at all if there are none, so that such a quiz keeps its bytes.
fn without_empty(answers: Vec<Vec<TypedAnswer>>) -> Vec<Vec<TypedAnswer>> {
    if answers.iter().all(Vec::is_empty) { Vec::new() } else { answers }
}

/// Compiles the spellings of a blank: a string, or a list of strings and of objects with a percentage and feedback.
/// Returns those for all points, and the objects.
fn spellings<'a>(
    node: &'a Node,
    fields: &Fields<'a>,
    texts: &Texts<'_>,
) -> (Vec<String>, Vec<TypedAnswer>) {
    let (mut spellings, mut answers) = (Vec::new(), Vec::new());
    match &node.value {
        Value::Text(text) => spellings.push(fold_exact(text)),
        Value::List(list) => {
            for entry in list {
                match &entry.value {
                    Value::Text(text) => spellings.push(fold_exact(text)),
                    Value::Object(_) => {
                        let Some(answer) = typed_answer(entry, fields, texts) else { continue };
                        spellings.extend(answer.text.clone().filter(|_| answer.percent == 100));
                        answers.push(answer);
                    }
                    other => fields.error(
                        entry.line,
                        "wrong-type",
                        format!(
                            "an accepted spelling must be a string or an object, not {}",
                            other.kind()
                        ),
                        "",
                    ),
                }
            }
        }
        other => fields.error(
            node.line,
            "wrong-type",
            format!("a blank must be a list of spellings, not {}", other.kind()),
            "",
        ),
    }
    if spellings.iter().all(String::is_empty) {
        fields.error(
            node.line,
            "empty",
            "a blank has no accepted spelling".to_owned(),
            "write at least one",
        );
    }
    (spellings, answers)
}

/// Compiles `{ "text": "lake", "percent": 50, "feedback": "..." }`; without `text` it is every other text.
fn typed_answer<'a>(node: &'a Node, fields: &Fields<'a>, texts: &Texts<'_>) -> Option<TypedAnswer> {
    let inner = fields.inner(node, "a typed answer")?;
    let text = inner.text("text").map(|text| fold_exact(text.value));
    let default = if text.is_some() { 100 } else { 0 };
    let percent = inner.integer("percent", 0..=100).map_or(default, |n| n.value);
    let feedback = inner.text("feedback").map(|t| texts.prompt(t.value, t.line));
    let line = inner.line;
    inner.finish();
    if text.as_ref().is_some_and(String::is_empty) {
        fields.error(line, "empty", "the text of a typed answer is empty".to_owned(), "");
    }
    let percent = u8::try_from(percent).unwrap_or(100);
    Some(TypedAnswer { text, percent, feedback: feedback.unwrap_or_default() })
}

/// Reports a prompt without blanks, or with another number of them than the list has.
fn check_blanks(
    fields: &Fields<'_>,
    node: &Node,
    key: &'static str,
    blanks: usize,
    entries: usize,
) {
    if blanks == 0 {
        fields.error(
            fields.line,
            "blank-count",
            "the prompt has no blank".to_owned(),
            "write ___ in the place of the answer",
        );
    } else if matches!(node.value, Value::List(_)) && entries != blanks {
        let noun = if blanks == 1 { "blank" } else { "blanks" };
        let message = format!("the prompt has {blanks} {noun}, {key:?} has {entries}");
        let hint = match key {
            "blanks" => "add one list of accepted spellings for each ___",
            _ => "add one gap for each ___",
        };
        fields.error(node.line, "blank-count", message, hint);
    }
}

/// Compiles what counts besides the accepted spellings.
fn rules(fields: &Fields<'_>, texts: &Texts<'_>) -> TextRules {
    let right = fields.text("feedback").map(|t| texts.prompt(t.value, t.line)).unwrap_or_default();
    TextRules {
        right,
        accent: rule(fields, texts, "accent"),
        nearly: rule(fields, texts, "nearly"),
        answers: Vec::new(),
    }
}

/// Compiles `"accent": 50` or `"accent": { "percent": 50, "feedback": "..." }`.
fn rule(fields: &Fields<'_>, texts: &Texts<'_>, key: &'static str) -> TextRule {
    let percent = |fields: &Fields<'_>, key| {
        fields.integer(key, 0..=100).map_or(0, |n| u8::try_from(n.value).unwrap_or(100))
    };
    let Some(node) = fields.node(key) else { return TextRule::default() };
    if !matches!(node.value, Value::Object(_)) {
        return TextRule { percent: percent(fields, key), feedback: String::new() };
    }
    let Some(inner) = fields.inner(node, "a rule") else {
        return TextRule::default();
    };
    let feedback = inner.text("feedback").map(|t| texts.prompt(t.value, t.line));
    let rule =
        TextRule { percent: percent(&inner, "percent"), feedback: feedback.unwrap_or_default() };
    inner.finish();
    rule
}

/// Compiles a numeric question, or a gap for a number.
pub(super) fn numeric(fields: &Fields<'_>, texts: &Texts<'_>) -> Option<QuestionKind> {
    let units = fields.node("units");
    let Some(node) = fields.node("answers") else {
        fields.missing("answers");
        return None;
    };
    let answers: Vec<AcceptedNumber> = fields
        .list("answers")
        .iter()
        .filter_map(|node| accepted_number(node, fields, texts))
        .collect();
    if matches!(&node.value, Value::List(list) if list.is_empty()) {
        fields.error(node.line, "empty", "the question accepts no number", "add a number");
    }
    let has_unit = |a: &AcceptedNumber| !a.unit.is_empty();
    let unit = match units {
        Some(_) => fields.one_of("units", &UNITS).unwrap_or_default(),
        None if answers.iter().any(has_unit) => UnitPolicy::Required,
        None => UnitPolicy::None,
    };
    if unit != UnitPolicy::None && !answers.is_empty() && !answers.iter().all(has_unit) {
        fields.error(
            node.line,
            "unit-missing",
            "an accepted number has no unit, but learners may type one",
            "add \"unit\": ... to each number, or write \"units\": \"none\"",
        );
    }
    Some(QuestionKind::Numeric { answers, unit })
}

/// Compiles an accepted number: `5`, `"6.02e23"`, or an object with a tolerance, a range, a unit and feedback.
fn accepted_number<'a>(
    node: &'a Node,
    fields: &Fields<'a>,
    texts: &Texts<'_>,
) -> Option<AcceptedNumber> {
    let mut answer = AcceptedNumber {
        value: String::new(),
        to: None,
        tolerance: None,
        relative: false,
        unit: String::new(),
        percent: 100,
        feedback: String::new(),
    };
    if !matches!(node.value, Value::Object(_)) {
        answer.value = decimal(node, fields)?;
        return Some(answer);
    }
    let inner = fields.inner(node, "an accepted number")?;
    let value = match (inner.node("value"), inner.node("from"), inner.node("to")) {
        (Some(value), None, None) => decimal(value, &inner),
        (None, Some(from), Some(to)) => {
            answer.to = decimal(to, &inner);
            decimal(from, &inner)
        }
        (None, None, None) => {
            inner.missing("value");
            None
        }
        _ => {
            inner.error(
                inner.line,
                "bad-value",
                "a number is either one value or a range",
                "write \"value\", or \"from\" and \"to\"",
            );
            None
        }
    };
    if let Some(node) = inner.node("tolerance") {
        let share = match &node.value {
            Value::Text(text) => text.trim().strip_suffix('%').map(str::trim),
            _ => None,
        };
        answer.relative = share.is_some();
        answer.tolerance = match share {
            // Moves the decimal point, so that 5 % is 0.05 and not 0.05000000000000001.
            Some(share) => number_text(&format!("{share}e-2"), node, &inner),
            None => decimal(node, &inner),
        };
        if answer.tolerance.as_ref().is_some_and(|t| t.starts_with('-')) {
            inner.error(node.line, "bad-value", "the tolerance is negative", "write it without -");
        }
    }
    if let Some(unit) = inner.text("unit") {
        unit.value.clone_into(&mut answer.unit);
        if parse_unit(unit.value).is_none() {
            let message =
                format!("the unit {:?} is not known; it is compared as a text", unit.value);
            let hint = "use a symbol of the table in docs/PACKAGE.md, if there is one";
            inner.warn(unit.line, "unit-unknown", message, hint);
        }
    }
    if let Some(percent) = inner.integer("percent", 0..=100) {
        answer.percent = u8::try_from(percent.value).unwrap_or(100);
    }
    if let Some(feedback) = inner.text("feedback") {
        answer.feedback = texts.prompt(feedback.value, feedback.line);
    }
    inner.finish();
    answer.value = value?;
    Some(answer)
}

/// Returns a number of a quiz file as a decimal text.
fn decimal(node: &Node, fields: &Fields<'_>) -> Option<String> {
    match &node.value {
        Value::Number(value) => number_text(&value.to_string(), node, fields),
        Value::Text(text) => number_text(text.trim(), node, fields),
        other => {
            let message = format!("a number must be a number or a string, not {}", other.kind());
            fields.error(node.line, "wrong-type", message, "");
            None
        }
    }
}

fn number_text(text: &str, node: &Node, fields: &Fields<'_>) -> Option<String> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    match text.parse::<f64>() {
        Ok(value) if is_plain && value.is_finite() => Some(plain_number(text, value)),
        _ => {
            let message = format!("{text:?} is not a number");
            fields.error(node.line, "bad-value", message, "write it as 1200, 0.5 or 6.02e23");
            None
        }
    }
}

/// Returns the text, or the shortest text of the same number if it has a power of ten that a person would not write.
fn plain_number(text: &str, value: f64) -> String {
    let is_moderate = value == 0.0 || (1e-6..1e21).contains(&value.abs());
    if text.contains(['e', 'E']) && is_moderate { value.to_string() } else { text.to_owned() }
}

/// Compiles a text with gaps of several kinds.
pub(super) fn cloze(fields: &Fields<'_>, texts: &Texts<'_>, blanks: usize) -> Option<QuestionKind> {
    let Some(node) = fields.node("gaps") else {
        fields.missing("gaps");
        return None;
    };
    let list = fields.list("gaps");
    let gaps: Vec<Option<Gap>> = list.iter().map(|node| gap(node, fields, texts)).collect();
    check_blanks(fields, node, "gaps", blanks, gaps.len());
    Some(QuestionKind::Cloze { gaps: gaps.into_iter().collect::<Option<_>>()? })
}

fn gap<'a>(node: &'a Node, fields: &Fields<'a>, texts: &Texts<'_>) -> Option<Gap> {
    let inner = fields.inner(node, "a gap")?;
    let kinds = [("choose", 0), ("type", 1), ("number", 2)];
    let weight = inner.integer("weight", 1..=1000).map_or(1, |n| n.value);
    let kind = match inner.one_of("kind", &kinds) {
        Some(0) => choices(&inner, texts, true),
        Some(1) => {
            let exact = inner.bool("exact");
            let mut rules = rules(&inner, texts);
            match inner.node("accepted") {
                Some(node) => {
                    let (accepted, answers) = spellings(node, &inner, texts);
                    rules.answers = without_empty(vec![answers]);
                    Some(QuestionKind::Fill { blanks: vec![accepted], exact, rules })
                }
                None => {
                    inner.missing("accepted");
                    None
                }
            }
        }
        Some(_) => numeric(&inner, texts),
        None => {
            for key in
                ["choices", "accepted", "answers", "units", "exact", "accent", "nearly", "feedback"]
            {
                inner.node(key);
            }
            None
        }
    };
    inner.finish();
    Some(Gap { weight, kind: kind? })
}
