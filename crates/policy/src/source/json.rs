//! The JSON policy file: one object, whose members are keys.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue as RawJson;

use super::{RawEntry, Source, file};
use crate::{
    check::RawValue,
    problem::{Position, Problem, ProblemCode},
};

/// Most members of a file that are read.
const MAX_MEMBERS: usize = 1000;

/// The member with which editors find the schema. It is not a key.
const SCHEMA: &str = "$schema";

/// Returns the members of the object in their order, repeated ones included.
pub fn parse(source: &Source, text: &str) -> Result<Vec<RawEntry>, Problem> {
    let syntax = |e: &serde_json::Error| {
        let problem =
            file::ignored(source, ProblemCode::Syntax, message(e, text), syntax_hint(text));
        let is_known = e.line() > 0;
        Problem {
            position: is_known.then(|| Position { line: e.line(), column: e.column().max(1) }),
            ..problem
        }
    };
    let start = text.trim_start();
    if !start.is_empty()
        && !start.starts_with('{')
        && serde_json::from_str::<&RawJson>(text).is_ok()
    {
        let message = "the file contains something other than an object";
        let hint = "write { \"Key\": value, ... }";
        let problem = file::ignored(source, ProblemCode::NotAnObject, message, hint);
        let offset = text.len() - start.len();
        return Err(Problem { position: Some(position(text, offset)), ..problem });
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(Members).map_err(|e| syntax(&e))?;
    reader.end().map_err(|e| syntax(&e))?;
    if members.len() > MAX_MEMBERS {
        let message = format!("the file has {} keys, more than {MAX_MEMBERS}", members.len());
        let hint = "check that this is the policy file";
        return Err(file::ignored(source, ProblemCode::TooLarge, message, hint));
    }
    let start = text.as_ptr().addr();
    let entries = members.into_iter().filter(|(name, _)| name != SCHEMA).map(|(name, raw)| {
        let offset = raw.get().as_ptr().addr().saturating_sub(start);
        RawEntry { name, value: value(raw), position: Some(position(text, offset)) }
    });
    Ok(entries.collect())
}

/// Reads the members without parsing their values, so that a deeply nested value costs no stack.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawJson)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// The name of `null` in [`RawValue::Other`].
pub const NULL: &str = "null";

fn value(raw: &RawJson) -> RawValue {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => RawValue::Other("an object"),
        Some(b'n') => RawValue::Other(NULL),
        Some(b'[') => match serde_json::from_str::<Vec<&RawJson>>(text) {
            Ok(items) => RawValue::List(items.into_iter().map(item).collect()),
            Err(_) => RawValue::Other("a list that cannot be read"),
        },
        _ => item(raw),
    }
}

fn item(raw: &RawJson) -> RawValue {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => RawValue::Other("an object"),
        Some(b'[') => RawValue::Other("a list"),
        Some(b'n') => RawValue::Other(NULL),
        Some(b't') => RawValue::Bool(true),
        Some(b'f') => RawValue::Bool(false),
        Some(b'"') => match serde_json::from_str(text) {
            Ok(text) => RawValue::Text(text),
            Err(_) => RawValue::Other("a text with a half character (\\uD800 to \\uDFFF)"),
        },
        _ => text.parse().map_or(RawValue::Other("a number that is not whole"), RawValue::Integer),
    }
}

fn message(error: &serde_json::Error, text: &str) -> String {
    if text.trim().is_empty() {
        return "the file is empty".into();
    }
    // Without the position, which is a field of its own.
    let whole = error.to_string();
    let what = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(what, _)| what);
    format!("the file is not JSON: {what}")
}

fn syntax_hint(text: &str) -> &'static str {
    if text.trim().is_empty() {
        "write {} or remove the file"
    } else if text.lines().any(|line| line.trim_start().starts_with(['#', '/'])) {
        "JSON has no comments: remove them"
    } else {
        "check commas, quotes and brackets there"
    }
}

fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
