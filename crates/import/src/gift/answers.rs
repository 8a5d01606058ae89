//! The answers of a GIFT question: they decide its kind.

use super::{formatted, unescaped};
use crate::question::{Answer, Kind, Number, NumericAnswer, Pair, Text, TextFormat};
use crate::remark::RemarkCode;

type Parsed<T> = std::result::Result<T, RemarkCode>;

/// Reads the text between the braces, without the general feedback.
pub(super) fn kind(answers: &str, format: TextFormat) -> Parsed<Kind> {
    if answers.is_empty() {
        return Ok(Kind::Essay);
    }
    if let Some(numbers) = answers.strip_prefix('#') {
        return numerical(numbers, format);
    }
    if answers.contains('~') {
        return choices(answers, format);
    }
    if answers.contains('=') && answers.contains("->") {
        return pairs(answers, format);
    }
    let word = answers.split('#').next().unwrap_or_default().trim();
    match word {
        "T" | "TRUE" => Ok(true_false(true, answers, format)),
        "F" | "FALSE" => Ok(true_false(false, answers, format)),
        _ => short(answers, format),
    }
}

fn true_false(answer: bool, answers: &str, format: TextFormat) -> Kind {
    let mut parts = answers.splitn(3, '#').skip(1).map(|text| formatted(text, format));
    let wrong = parts.next().unwrap_or_default();
    let right = parts.next().unwrap_or_default();
    Kind::TrueFalse { answer, right, wrong }
}

/// Splits at a separator; nothing before the first separator is no part.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(separator).map(str::trim).collect();
    if parts.first().is_some_and(|first| first.is_empty()) {
        parts.remove(0);
    }
    parts
}

/// Splits `%50%text` into the weight and the text. Anything else has no weight.
fn weighted(text: &str) -> (Option<f64>, &str) {
    let number = || {
        let (number, rest) = text.strip_prefix('%')?.split_once('%')?;
        let digits = number.trim_start_matches('-');
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && digits.matches('.').count() < 2;
        let value: f64 = number.trim_end_matches('.').parse().ok()?;
        is_number.then_some((value, rest))
    };
    match number() {
        Some((weight, rest)) => (Some(weight), rest),
        None => (None, text),
    }
}

/// Splits `text#feedback`.
fn commented(text: &str, format: TextFormat) -> (Text, Text) {
    match text.split_once('#') {
        Some((text, feedback)) => (formatted(text, format), formatted(feedback, format)),
        None => (formatted(text, format), Text::new(format, "")),
    }
}

fn choices(answers: &str, format: TextFormat) -> Parsed<Kind> {
    // Several answers can be chosen if none is marked as the right one.
    let single = answers.contains('=');
    let mut list = Vec::new();
    let marked = answers.replace('=', "~=");
    for part in split(&marked, '~') {
        let (weight, part) = match part.strip_prefix('=') {
            // `=%50%text` states a weight too.
            Some(part) => {
                let (weight, part) = weighted(part.trim_start());
                (weight.unwrap_or(100.0), part)
            }
            None => {
                let (weight, part) = weighted(part);
                (weight.unwrap_or(0.0), part)
            }
        };
        let (text, feedback) = commented(part, format);
        list.push(Answer { weight, text, feedback });
    }
    if list.len() < 2 {
        return Err(RemarkCode::TildeFewAnswers);
    }
    Ok(Kind::Choice { single, answers: list, shuffle: true })
}

fn short(answers: &str, format: TextFormat) -> Parsed<Kind> {
    let list: Vec<Answer> = split(answers, '=')
        .into_iter()
        .map(|part| {
            let (weight, part) = weighted(part);
            let (text, feedback) = commented(part, format);
            Answer { weight: weight.unwrap_or(100.0), text, feedback }
        })
        .collect();
    if list.is_empty() {
        return Err(RemarkCode::NoAnswer);
    }
    Ok(Kind::Short { answers: list, case: false })
}

fn pairs(answers: &str, format: TextFormat) -> Parsed<Kind> {
    let mut list = Vec::new();
    for part in split(answers, '=') {
        let (left, right) = part.split_once("->").ok_or(RemarkCode::PairForm)?;
        let right = Text::new(TextFormat::Plain, unescaped(right).trim());
        list.push(Pair { left: formatted(left, format), right });
    }
    if list.len() < 2 {
        return Err(RemarkCode::ArrowFewPairs);
    }
    Ok(Kind::Match { pairs: list })
}

fn numerical(numbers: &str, format: TextFormat) -> Parsed<Kind> {
    let (numbers, wrong) = match numbers.find('~') {
        Some(at) => (&numbers[..at], Some(&numbers[at..])),
        None => (numbers, None),
    };
    let mut list = Vec::new();
    for part in split(numbers, '=') {
        let (weight, part) = weighted(part);
        let (text, feedback) = commented(part, format);
        let number = number(&text.text).ok_or(RemarkCode::NumberForm)?;
        list.push(NumericAnswer { weight: weight.unwrap_or(100.0), number, feedback });
    }
    if list.is_empty() {
        return Err(RemarkCode::NoNumber);
    }
    if let Some(wrong) = wrong {
        let (_, feedback) = commented(wrong, format);
        list.push(NumericAnswer { weight: 0.0, number: Number::Any, feedback });
    }
    Ok(Kind::Numerical {
        answers: list,
        units: Vec::new(),
        multipliers: Vec::new(),
        unit_required: false,
    })
}

/// Reads `low..high`, `value:tolerance` or `value`.
pub(crate) fn number(text: &str) -> Option<Number> {
    let parse = |text: &str| {
        let text = text.trim();
        let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        text.parse::<f64>().ok().filter(|n| n.is_finite() && is_plain)
    };
    let text = text.trim();
    if text == "*" {
        return Some(Number::Any);
    }
    if let Some((low, high)) = text.split_once("..").filter(|(low, _)| !low.is_empty()) {
        let (low, high) = (parse(low)?, parse(high)?);
        return Some(Number::Range { low: low.min(high), high: low.max(high) });
    }
    if let Some((value, tolerance)) = text.split_once(':').filter(|(value, _)| !value.is_empty()) {
        return Some(Number::Value { value: parse(value)?, tolerance: parse(tolerance)?.abs() });
    }
    Some(Number::Value { value: parse(text)?, tolerance: 0.0 })
}
