//! Maps typed numbers, and texts with gaps.

use carrel_model::text::parse_unit;
use serde_json::{Map, Value, json};

use super::text::plain_text;
use super::{Context, FULL, Mapped, Texts, choices};
use crate::error::Result;
use crate::question::{Answer, ClozeGap, Number, NumericAnswer};
use crate::remark::RemarkCode;
use crate::report::Level;

/// Any number.
const ANY: (&str, &str) = ("-1e300", "1e300");

/// Returns the fields of a numeric question: `answers` and `units`. `units`: names with the factor by which a number in
/// the first unit is multiplied. `None` if the question is kept as text.
pub(super) fn numbers(
    answers: &[NumericAnswer],
    units: &[(&str, f64)],
    unit_required: bool,
    texts: &mut Texts<'_>,
    context: &mut Context<'_>,
) -> Result<Option<Map<String, Value>>> {
    let units = distinct(units);
    let mut list = Vec::new();
    for answer in answers {
        let feedback = texts.feedback(&answer.feedback, context)?;
        let percent = whole_percent(answer.weight, context);
        if percent == 0 && feedback.is_empty() {
            continue;
        }
        for (unit, factor) in &units {
            let mut fields = number(&answer.number, *factor);
            if !unit.is_empty() {
                fields.insert("unit".to_owned(), json!(unit));
            }
            if percent < 100 {
                fields.insert("percent".to_owned(), json!(percent));
            }
            if !feedback.is_empty() {
                fields.insert("feedback".to_owned(), json!(feedback));
            }
            list.push(Value::Object(fields));
        }
    }
    if !answers.iter().any(|a| a.weight >= FULL) || list.len() > super::MAX_PARTS {
        context.item.lower(Level::KeptAsText, RemarkCode::NoFullNumber);
        return Ok(None);
    }
    let policy = match (units[0].0.is_empty(), unit_required) {
        (true, _) => "none",
        (false, true) => "required",
        (false, false) => "optional",
    };
    let fields = [("answers".to_owned(), json!(list)), ("units".to_owned(), json!(policy))];
    Ok(Some(Map::from_iter(fields)))
}

/// Returns a weight as a percentage of a quiz, and reports a difference.
fn whole_percent(weight: f64, context: &mut Context<'_>) -> u32 {
    let percent = weight.round().clamp(0.0, 100.0);
    if (percent - weight).abs() > 0.01 && weight > 0.0 {
        context.item.changed(RemarkCode::PercentRounded.with("from", weight).with("to", percent));
    }
    percent as u32
}

/// Returns the spellings of a typed text, with the feedback to each and those for a part of the points. `None` if none
/// gives all points. Reports answers that are not accepted any more.
pub(super) fn spellings(
    answers: &[Answer],
    texts: &mut Texts<'_>,
    context: &mut Context<'_>,
) -> Result<Option<Vec<Value>>> {
    let mut seen: Vec<String> = Vec::new();
    let (mut list, mut has_right) = (Vec::new(), false);
    for answer in answers {
        let feedback = texts.feedback(&answer.feedback, context)?;
        let percent = whole_percent(answer.weight, context);
        if percent == 0 && feedback.is_empty() {
            continue;
        }
        let text = plain_text(&answer.text);
        let is_any = text == "*";
        // In Moodle, * stands for any text and \* for the character.
        let has_wildcard = !is_any && text.replace("\\*", "").contains('*');
        let text = text.replace("\\*", "*");
        if has_wildcard {
            context.item.changed(RemarkCode::Wildcard.with("answer", text));
            continue;
        }
        // As in Moodle, the first of equal answers counts.
        if text.is_empty() || seen.contains(&text) {
            continue;
        }
        seen.push(text.clone());
        has_right |= percent == 100 && !is_any;
        let mut fields = Map::new();
        if !feedback.is_empty() {
            fields.insert("feedback".to_owned(), json!(feedback));
        }
        if percent < 100 || is_any {
            fields.insert("percent".to_owned(), json!(percent));
        }
        list.push(match (is_any, fields.is_empty()) {
            (false, true) => json!(text),
            (false, false) => {
                fields.insert("text".to_owned(), json!(text));
                Value::Object(fields)
            }
            (true, _) => Value::Object(fields),
        });
    }
    Ok(has_right.then_some(list))
}

/// Returns the units that have to be listed: without those that follow from the first one. One empty name if there are
/// no units.
fn distinct<'u>(units: &[(&'u str, f64)]) -> Vec<(&'u str, f64)> {
    let Some(((first, factor), rest)) = units.split_first() else { return vec![("", 1.0)] };
    let follows = |(name, other): &&(&str, f64)| {
        let converted = parse_unit(first)
            .zip(parse_unit(name))
            .and_then(|(from, to)| from.convert(1.0, &to))
            .map(|value| value * factor);
        converted.is_some_and(|value| (value - other).abs() <= 1e-9 * value.abs())
    };
    let others = rest.iter().filter(|unit| !follows(unit));
    [(*first, *factor)].into_iter().chain(others.copied()).collect()
}

fn number(number: &Number, factor: f64) -> Map<String, Value> {
    let scaled = |value: f64| json!(if factor == 1.0 { value } else { value * factor });
    let mut fields = Map::new();
    match number {
        Number::Value { value, tolerance } => {
            fields.insert("value".to_owned(), scaled(*value));
            if *tolerance > 0.0 {
                fields.insert("tolerance".to_owned(), scaled(*tolerance));
            }
        }
        Number::Range { low, high } => {
            fields.insert("from".to_owned(), scaled(*low));
            fields.insert("to".to_owned(), scaled(*high));
        }
        Number::Any => {
            fields.insert("from".to_owned(), json!(ANY.0));
            fields.insert("to".to_owned(), json!(ANY.1));
        }
    }
    fields
}

/// Maps a text with gaps: `fill` if all are typed texts of the same kind, otherwise `cloze`.
pub(super) fn cloze(
    gaps: &[ClozeGap],
    texts: &mut Texts<'_>,
    context: &mut Context<'_>,
) -> Result<Option<Mapped>> {
    if gaps.is_empty() {
        context.item.lower(Level::KeptAsText, RemarkCode::NoGap);
        return Ok(None);
    }
    let short = |gap: &ClozeGap| match gap {
        ClozeGap::Short { points, case, .. } => Some((*points, *case)),
        _ => None,
    };
    let first = short(&gaps[0]);
    let mut mapped = if first.is_some() && gaps.iter().all(|gap| short(gap) == first) {
        let mut blanks = Vec::new();
        for gap in gaps {
            let Some(fields) = typed_gap(gap, texts, context)? else { return Ok(None) };
            blanks.push(fields["accepted"].clone());
        }
        let mut mapped = Mapped::new("fill", json!({ "blanks": blanks }));
        if first.is_some_and(|(_, case)| case) {
            mapped.fields.insert("exact".to_owned(), json!(true));
        }
        mapped
    } else {
        let mut list = Vec::new();
        for gap in gaps {
            let Some(fields) = self::gap(gap, texts, context)? else { return Ok(None) };
            list.push(Value::Object(fields));
        }
        Mapped::new("cloze", json!({ "gaps": list }))
    };
    mapped.gaps = gaps.len();
    Ok(Some(mapped))
}

/// Returns the fields of a gap for a typed text; `None` if the question is kept as text.
fn typed_gap(
    gap: &ClozeGap,
    texts: &mut Texts<'_>,
    context: &mut Context<'_>,
) -> Result<Option<Map<String, Value>>> {
    let ClozeGap::Short { answers, case, .. } = gap else { return Ok(None) };
    let Some(accepted) = spellings(answers, texts, context)? else {
        context.item.lower(Level::KeptAsText, RemarkCode::GapNotComparable);
        return Ok(None);
    };
    let mut fields = Map::from_iter([
        ("kind".to_owned(), json!("type")),
        ("accepted".to_owned(), json!(accepted)),
    ]);
    if *case {
        fields.insert("exact".to_owned(), json!(true));
    }
    Ok(Some(fields))
}

fn gap(
    gap: &ClozeGap,
    texts: &mut Texts<'_>,
    context: &mut Context<'_>,
) -> Result<Option<Map<String, Value>>> {
    let (fields, points) = match gap {
        ClozeGap::Short { points, .. } => (typed_gap(gap, texts, context)?, points),
        ClozeGap::Numerical { points, answers } => {
            let fields = numbers(answers, &[], false, texts, context)?.map(|mut fields| {
                fields.insert("kind".to_owned(), json!("number"));
                fields
            });
            (fields, points)
        }
        ClozeGap::Choice { points, single: true, answers } => {
            let fields = choices(true, answers, texts, context)?.map(|mapped| mapped.fields);
            let fields = fields.and_then(|mut fields| {
                if fields["kind"] != json!("single") {
                    let reason = RemarkCode::GapSeveralRight;
                    context.item.lower(Level::KeptAsText, reason);
                    return None;
                }
                fields.insert("kind".to_owned(), json!("choose"));
                Some(fields)
            });
            (fields, points)
        }
        ClozeGap::Choice { .. } => {
            let reason = RemarkCode::GapMultiple;
            context.item.lower(Level::KeptAsText, reason);
            return Ok(None);
        }
    };
    let weight = points.round().clamp(1.0, 1000.0);
    Ok(fields.map(|mut fields| {
        if weight > 1.0 {
            fields.insert("weight".to_owned(), json!(weight as u32));
        }
        fields
    }))
}
