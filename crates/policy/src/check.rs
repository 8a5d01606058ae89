//! Checks one value against its key.
//!
//! Not here: rules that concern several keys (`conflicts`).

use std::path::{Component, Path};

use url::{ParseError, Url};

use crate::{
    choices::Choice,
    problem::{ProblemCode, invisible, quoted},
    schema::{ItemKind, Key, Kind},
    server_pattern::ServerPattern,
};

/// Longest text of a value, in bytes.
const MAX_TEXT: usize = 4096;
/// Most entries of a list.
const MAX_ITEMS: usize = 1000;
/// Length of a token, in bytes.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 8..=512;

/// A value as a source contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawValue {
    Bool(bool),
    Integer(i128),
    Text(String),
    List(Vec<RawValue>),
    /// Something that no key accepts, with its name.
    Other(&'static str),
}

/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Bool(bool),
    Bytes(u64),
    Text(String),
    List(Vec<String>),
}

/// Why a value is refused.
#[derive(Debug)]
pub struct Refusal {
    pub code: ProblemCode,
    pub message: String,
    pub expected: String,
    pub hint: String,
}

impl RawValue {
    /// Returns what this is, for messages.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "true or false",
            Self::Integer(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Other(name) => name,
        }
    }
}

impl Value {
    /// Returns the value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Bytes(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
            Self::List(items) => items.clone().into(),
        }
    }
}

/// Returns what the key accepts, in words.
pub fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Bool { only: None } => "true or false".into(),
        Kind::Bool { only: Some(only) } => only.to_string(),
        Kind::Choice(choices) => format!("one of {}", names(choices)),
        Kind::Size { min, max } => format!(
            "a number of bytes or a text such as \"20 GB\", from {} to {}",
            size_text(*min),
            size_text(*max)
        ),
        Kind::Url { schemes, may_have_password, .. } => {
            let starts: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
            let password =
                if *may_have_password { "" } else { ", without a user name and password" };
            format!("an address that begins with {}{password}", starts.join(" or "))
        }
        Kind::Path => {
            r"an absolute path without `..`, such as /srv/carrel or C:\ProgramData\Carrel".into()
        }
        Kind::Token => "8 to 512 ASCII letters, digits and the characters . _ ~ -".into(),
        Kind::List(item) => format!("a list of texts, each {}", expected_item(item)),
    }
}

fn expected_item(kind: &ItemKind) -> String {
    match kind {
        ItemKind::Choice(choices) => format!("one of {}", names(choices)),
        ItemKind::Server => "a server such as school.example or https://school.example:8443".into(),
        ItemKind::Bypass => "a name, *.name, an IP address or a range such as 10.0.0.0/8".into(),
    }
}

fn names(choices: &[Choice]) -> String {
    choices.iter().map(|choice| choice.name).collect::<Vec<_>>().join(", ")
}

/// Checks a value and returns it in its normal form.
pub fn check(key: &Key, raw: &RawValue) -> Result<Value, Refusal> {
    let refused = |code, message: String| Refusal {
        code,
        message,
        expected: expected(&key.kind),
        hint: hint(key, raw),
    };
    let wrong_type =
        || refused(ProblemCode::WrongType, format!("the value is {}", raw.type_name()));
    let bad = |message: String| refused(ProblemCode::BadValue, message);
    match (key.kind, raw) {
        (Kind::Bool { only }, RawValue::Bool(value)) => match only {
            Some(only) if only != *value => Err(bad(format!("the value is {value}"))),
            _ => Ok(Value::Bool(*value)),
        },
        (Kind::Size { min, max }, RawValue::Integer(bytes)) => match u64::try_from(*bytes) {
            Ok(bytes) if (min..=max).contains(&bytes) => Ok(Value::Bytes(bytes)),
            _ => Err(refused(ProblemCode::OutOfRange, format!("{bytes} bytes"))),
        },
        (Kind::Size { min, max }, RawValue::Text(text)) => {
            let text = plain(text).map_err(bad)?;
            match parse_size(text) {
                Some(bytes) if (min..=max).contains(&bytes) => Ok(Value::Bytes(bytes)),
                Some(_) => Err(refused(ProblemCode::OutOfRange, shown(text))),
                None => Err(bad(format!("{} is not an amount of bytes", shown(text)))),
            }
        }
        (Kind::List(item), RawValue::List(items)) => check_list(item, items).map_err(|e| match e {
            ListError::Type(message) => refused(ProblemCode::WrongType, message),
            ListError::Value(message) => bad(message),
        }),
        (Kind::Choice(choices), RawValue::Text(text)) => {
            let text = plain(text).map_err(bad)?;
            let is_known = choices.iter().any(|choice| choice.name == text);
            let found = is_known.then(|| Value::Text(text.to_owned()));
            found.ok_or_else(|| bad(format!("{} is not possible", shown(text))))
        }
        (Kind::Token, RawValue::Text(text)) => check_token(text).map(Value::Text).map_err(bad),
        (Kind::Url { .. } | Kind::Path, RawValue::Text(text)) => {
            let checked = plain(text).and_then(|text| match key.kind {
                Kind::Url { schemes, may_have_password, may_have_query } => {
                    check_url(text, schemes, may_have_password, may_have_query)
                }
                _ => check_path(text),
            });
            checked.map(Value::Text).map_err(bad)
        }
        _ => Err(wrong_type()),
    }
}

/// Returns what to do about a refused value.
fn hint(key: &Key, raw: &RawValue) -> String {
    let example = format!("for example {}: {}", key.name, key.example);
    match (key.kind, raw) {
        (Kind::Bool { only: Some(_) }, _) => {
            "remove the key: Carrel sends no telemetry, so there is nothing to turn on".into()
        }
        (Kind::Bool { .. }, RawValue::Text(text)) if matches!(text.as_str(), "true" | "false") => {
            format!("write {text} without quotes")
        }
        (Kind::Url { schemes, .. }, RawValue::Text(text))
            if !text.contains([':', '@']) && !text.is_empty() && invisible(text).is_none() =>
        {
            format!("write the scheme too: {}://{}", schemes[0], shown(text).trim_matches('"'))
        }
        (Kind::List(_), RawValue::Text(_)) => format!("write it as a list, {example}"),
        (Kind::Choice(choices), RawValue::Text(text)) => {
            let name = text.to_lowercase();
            match choices.iter().find(|choice| choice.name == name) {
                Some(choice) => format!("write {}, in small letters", choice.name),
                None => example,
            }
        }
        _ => example,
    }
}

/// Returns a text for messages. What may contain a password is not shown.
fn shown(text: &str) -> String {
    if text.contains('@') { "the value".to_owned() } else { quoted(text) }
}

/// Returns the text, if nothing in it is invisible, and it is neither empty nor too long.
fn plain(text: &str) -> Result<&str, String> {
    if text.trim().is_empty() {
        return Err("the value is empty".into());
    }
    if text.len() > MAX_TEXT {
        return Err(format!("the value has {} bytes, more than {MAX_TEXT}", text.len()));
    }
    if let Some(c) = invisible(text) {
        return Err(format!(
            "{} contains the invisible character U+{:04X}",
            shown(text),
            u32::from(c)
        ));
    }
    if text.trim() != text {
        return Err(format!("{} begins or ends with a space", shown(text)));
    }
    Ok(text)
}

enum ListError {
    Type(String),
    Value(String),
}

fn check_list(kind: ItemKind, items: &[RawValue]) -> Result<Value, ListError> {
    if items.is_empty() {
        return Err(ListError::Value("the list is empty".into()));
    }
    if items.len() > MAX_ITEMS {
        let message = format!("the list has {} entries, more than {MAX_ITEMS}", items.len());
        return Err(ListError::Value(message));
    }
    let mut checked: Vec<String> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let place = |message: &str| format!("entry {}: {message}", at + 1);
        let RawValue::Text(text) = item else {
            return Err(ListError::Type(place(&format!("it is {}", item.type_name()))));
        };
        let value = plain(text).and_then(|text| check_item(kind, text));
        let value = value.map_err(|message| ListError::Value(place(&message)))?;
        if !checked.contains(&value) {
            checked.push(value);
        }
    }
    Ok(Value::List(checked))
}

fn check_item(kind: ItemKind, text: &str) -> Result<String, String> {
    match kind {
        ItemKind::Choice(choices) => {
            let is_known = choices.iter().any(|choice| choice.name == text);
            is_known
                .then(|| text.to_owned())
                .ok_or_else(|| format!("{} is not possible", shown(text)))
        }
        ItemKind::Server => ServerPattern::parse(text)
            .map(|pattern| pattern.to_string())
            .map_err(|why| format!("{}: {why}", shown(text))),
        ItemKind::Bypass => {
            let is_allowed = |c: char| {
                c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '*' | ':' | '/' | '[' | ']')
            };
            let is_name = text.chars().all(is_allowed) && !text.contains("//");
            is_name
                .then(|| text.to_owned())
                .ok_or_else(|| format!("{} is not a name or address", shown(text)))
        }
    }
}

fn check_url(
    text: &str,
    schemes: &[&str],
    may_have_password: bool,
    may_have_query: bool,
) -> Result<String, String> {
    let shown = shown(text);
    if text.contains([' ', '\\']) {
        return Err(format!("{shown} contains a space or a backslash"));
    }
    let url = Url::parse(text).map_err(|e| match e {
        ParseError::RelativeUrlWithoutBase => format!("{shown} has no scheme"),
        e => format!("{shown} is not an address: {e}"),
    })?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!(
            "the scheme {}: is not possible",
            quoted(url.scheme()).trim_matches('"')
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("{shown} has no host"));
    }
    // The parser accepts `https:host` and `https:///host`, and removes `..`; none of them is meant.
    let written_host = text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
    if !written_host || text.split('/').any(|part| part == "..") {
        return Err(format!("{shown} is not a complete address"));
    }
    if !may_have_password && (!url.username().is_empty() || url.password().is_some()) {
        return Err("it contains a user name or a password".into());
    }
    if url.fragment().is_some() || (!may_have_query && url.query().is_some()) {
        return Err(format!("{shown} has something after the path"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn check_path(text: &str) -> Result<String, String> {
    let (path, shown) = (Path::new(text), shown(text));
    if !path.is_absolute() {
        return Err(format!("{shown} is not an absolute path"));
    }
    let mut has_name = false;
    for component in path.components() {
        match component {
            Component::ParentDir => return Err(format!("{shown} contains `..`")),
            Component::Prefix(prefix) if !is_plain_prefix(prefix.kind()) => {
                return Err(format!("{shown} is the path of a device"));
            }
            Component::Normal(_) => has_name = true,
            _ => {}
        }
    }
    if !has_name {
        return Err(format!("{shown} is the root of a disk"));
    }
    Ok(text.to_owned())
}

fn is_plain_prefix(prefix: std::path::Prefix<'_>) -> bool {
    matches!(prefix, std::path::Prefix::Disk(_) | std::path::Prefix::UNC(..))
}

/// The message never contains the text.
fn check_token(text: &str) -> Result<String, String> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-');
    if !TOKEN_LENGTH.contains(&text.len()) {
        return Err(format!("the token has {} bytes", text.len()));
    }
    text.bytes()
        .all(is_allowed)
        .then(|| text.to_owned())
        .ok_or_else(|| "the token has other characters".into())
}

const UNITS: [(&str, u64); 6] = [
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Parses `20 GB`, `20GB` or a number of bytes.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = unit.trim_start();
    let factor = match unit {
        "" => 1,
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    // A product that is too large is out of range, not unreadable.
    Some(number.saturating_mul(factor))
}

/// Returns bytes in the largest unit that divides them, for example `20 GB`.
pub fn size_text(bytes: u64) -> String {
    let exact =
        UNITS[..3].iter().rev().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    match exact {
        Some((unit, factor)) => format!("{} {unit}", bytes / factor),
        None => format!("{bytes} bytes"),
    }
}
