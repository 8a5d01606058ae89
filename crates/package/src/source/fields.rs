//! Reads the fields of a JSON object and reports each that is missing, of the wrong type or unknown, with its line.
//!
//! Not here: files and the meaning of their fields.

use std::{cell::RefCell, collections::HashMap};

use carrel_model::{Slug, language_tag::language_tag};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::problem::{Problems, SourceLocation};
use crate::source::json::{Member, Node, Value};

/// A value and its line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located<T> {
    pub value: T,
    pub line: u32,
}

/// An object of a file. [`Fields::finish`] reports each field that was not read before as unknown.
pub(crate) struct Fields<'a> {
    pub file: &'a str,
    pub line: u32,
    entries: &'a [Member],
    problems: &'a Problems,
    requested_keys: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// Reports a problem and returns `None` if the node is not an object.
    pub fn new(node: &'a Node, file: &'a str, problems: &'a Problems, what: &str) -> Option<Self> {
        match &node.value {
            Value::Object(entries) => Some(Self {
                file,
                line: node.line,
                entries,
                problems,
                requested_keys: RefCell::default(),
            }),
            other => {
                let message = format!("{what} must be an object, not {}", other.kind());
                problems.error(
                    SourceLocation { file, line: node.line },
                    "wrong-type",
                    message,
                    "write { \"name\": value, ... }",
                );
                None
            }
        }
    }
    /// Returns the fields of an object inside of this one.
    pub fn inner(&self, node: &'a Node, what: &str) -> Option<Self> {
        Self::new(node, self.file, self.problems, what)
    }
    pub fn warn(&self, line: u32, code: &'static str, message: impl Into<String>, hint: &str) {
        self.problems.warn(self.at(line), code, message, hint);
    }
    pub fn at(&self, line: u32) -> SourceLocation<'a> {
        SourceLocation { file: self.file, line }
    }
    pub fn error(&self, line: u32, code: &'static str, message: impl Into<String>, hint: &str) {
        self.problems.error(self.at(line), code, message, hint);
    }
    /// Returns the raw value; null counts as absent.
    pub fn node(&self, key: &'static str) -> Option<&'a Node> {
        self.requested_keys.borrow_mut().push(key);
        let node = &self.entries.iter().find(|e| e.key == key)?.node;
        (!matches!(node.value, Value::Null)).then_some(node)
    }
    pub fn missing(&self, key: &'static str) {
        let message = format!("{key:?} is missing");
        self.problems.error(
            self.at(self.line),
            "missing-field",
            message,
            format!("add \"{key}\": ..."),
        );
    }
    fn wrong_type(&self, key: &str, node: &Node, expected: &str) {
        let message = format!("{key:?} must be {expected}, not {}", node.value.kind());
        self.problems.error(self.at(node.line), "wrong-type", message, "");
    }
    /// Returns a string, trimmed; `None` if it is absent or empty.
    pub fn text(&self, key: &'static str) -> Option<Located<&'a str>> {
        let node = self.node(key)?;
        match &node.value {
            Value::Text(text) => {
                let value = text.trim();
                (!value.is_empty()).then_some(Located { value, line: node.line })
            }
            _ => {
                self.wrong_type(key, node, "a string");
                None
            }
        }
    }
    /// Returns the text or `""`.
    pub fn text_or_empty(&self, key: &'static str) -> String {
        self.text(key).map(|t| t.value.to_owned()).unwrap_or_default()
    }
    /// Returns a required text.
    pub fn require_text(&self, key: &'static str) -> Option<Located<&'a str>> {
        let found = self.text(key);
        if found.is_none() {
            match self.entries.iter().find(|e| e.key == key) {
                Some(Member { node: Node { value: Value::Text(_), line }, .. }) => {
                    self.problems.error(
                        self.at(*line),
                        "missing-field",
                        format!("{key:?} is empty"),
                        "enter a value",
                    );
                }
                Some(Member { node: Node { value: Value::Null, .. }, .. }) | None => {
                    self.missing(key)
                }
                Some(_) => {}
            }
        }
        found
    }
    /// Returns a required id.
    pub fn require_slug(&self, key: &'static str) -> Option<Located<Slug>> {
        let text = self.require_text(key)?;
        self.slug_of(key, text)
    }
    /// Returns an optional id.
    pub fn slug(&self, key: &'static str) -> Option<Located<Slug>> {
        self.text(key).and_then(|text| self.slug_of(key, text))
    }
    fn slug_of(&self, key: &str, text: Located<&str>) -> Option<Located<Slug>> {
        match Slug::new(text.value) {
            Ok(value) => Some(Located { value, line: text.line }),
            Err(_) => {
                let message = format!("{key:?} is {:?}", text.value);
                let hint = match suggest_slug(text.value) {
                    Some(slug) => {
                        format!("an id is 1 to 64 characters of a-z, 0-9 and '-', such as {slug:?}")
                    }
                    None => "an id is 1 to 64 characters of a-z, 0-9 and '-'".to_owned(),
                };
                self.problems.error(self.at(text.line), "bad-id", message, hint);
                None
            }
        }
    }
    pub fn bool(&self, key: &'static str) -> bool {
        match self.node(key) {
            Some(Node { value: Value::Bool(value), .. }) => *value,
            Some(node) => {
                self.wrong_type(key, node, "true or false");
                false
            }
            None => false,
        }
    }
    /// Returns an integer within a range.
    pub fn integer(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<Located<u32>> {
        let number = self.number(key)?;
        let value = number.value as u32;
        if f64::from(value) == number.value && range.contains(&value) {
            return Some(Located { value, line: number.line });
        }
        let message = format!("{key:?} is {}", number.value);
        let hint = format!("use a whole number from {} to {}", range.start(), range.end());
        self.problems.error(self.at(number.line), "bad-value", message, hint);
        None
    }
    pub fn number(&self, key: &'static str) -> Option<Located<f64>> {
        let node = self.node(key)?;
        match node.value {
            Value::Number(value) => Some(Located { value, line: node.line }),
            _ => {
                self.wrong_type(key, node, "a number");
                None
            }
        }
    }
    /// Returns a list; empty if absent.
    pub fn list(&self, key: &'static str) -> &'a [Node] {
        match self.node(key) {
            Some(Node { value: Value::List(list), .. }) => list,
            Some(node) => {
                self.wrong_type(key, node, "a list");
                &[]
            }
            None => &[],
        }
    }
    /// Returns a list of strings.
    pub fn strings(&self, key: &'static str) -> Vec<Located<&'a str>> {
        let mut texts = Vec::new();
        for node in self.list(key) {
            match &node.value {
                Value::Text(text) => texts.push(Located { value: text.trim(), line: node.line }),
                _ => self.wrong_type(key, node, "a list of strings"),
            }
        }
        texts
    }
    pub fn string_list(&self, key: &'static str) -> Vec<String> {
        self.strings(key)
            .into_iter()
            .filter(|t| !t.value.is_empty())
            .map(|t| t.value.to_owned())
            .collect()
    }
    /// Returns the value of a required text. `table` contains the allowed texts with their values.
    pub fn one_of<T: Copy>(&self, key: &'static str, table: &[(&str, T)]) -> Option<T> {
        let text = self.require_text(key)?;
        let found = table.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let words: Vec<_> = table.iter().map(|(word, _)| *word).collect();
            let message = format!("{key:?} is {:?}", text.value);
            self.problems.error(
                self.at(text.line),
                "bad-value",
                message,
                format!("use one of {}", words.join(", ")),
            );
        }
        found.map(|(_, value)| *value)
    }
    /// Returns `lang`, if it is a language tag.
    pub fn language(&self) -> Option<String> {
        self.checked_language(self.text("lang")?)
    }
    /// Returns `lang`, which is required.
    pub fn require_language(&self) -> Option<String> {
        self.checked_language(self.require_text("lang")?)
    }
    fn checked_language(&self, text: Located<&str>) -> Option<String> {
        language_tag(text.value)
            .map_err(|hint| {
                let message = format!("\"lang\" is {:?}, which is not a language tag", text.value);
                self.error(text.line, "bad-lang", message, &hint);
            })
            .ok()
    }
    /// Checks `"format": "carrel-x/1"`. A newer version and an unknown format are reported with different codes.
    pub fn format(&self, name: &str) {
        let Some(text) = self.require_text("format") else { return };
        let at = self.at(text.line);
        match text.value.split_once('/') {
            Some((n, "1")) if n == name => {}
            Some((n, version)) if n == name && version.parse::<u32>().is_ok_and(|v| v > 1) => {
                let message = format!("the format {:?} is newer than this program", text.value);
                self.problems.error(at, "format-newer", message, "update Carrel");
            }
            _ => {
                let message = format!("the format is {:?}", text.value);
                self.problems.error(at, "format-unknown", message, format!("write \"{name}/1\""));
            }
        }
    }
    /// Warns about unknown fields, because a misspelled name would otherwise be ignored.
    pub fn finish(self) {
        let requested_keys = self.requested_keys.into_inner();
        for entry in self.entries {
            if requested_keys.iter().any(|key| *key == entry.key) || entry.key.starts_with('$') {
                continue;
            }
            let closest = requested_keys
                .iter()
                .min_by_key(|key| distance(key, &entry.key))
                .filter(|key| distance(key, &entry.key) <= 2);
            let hint = match closest {
                Some(key) => format!("did you mean {key:?}?"),
                None => "remove it".to_owned(),
            };
            let at = SourceLocation { file: self.file, line: entry.line };
            self.problems.warn(at, "unknown-field", format!("unknown field {:?}", entry.key), hint);
        }
    }
}

/// The ids of one list, with their lines.
#[derive(Debug, Default)]
pub(crate) struct UniqueIds(HashMap<Slug, u32>);

impl UniqueIds {
    /// Adds an id, and reports it if it is already in the list. `what` names it in the message, for example "lesson
    /// id".
    pub fn add(&mut self, fields: &Fields<'_>, id: Option<&Located<Slug>>, what: &str) {
        let Some(Located { value, line }) = id else { return };
        if let Some(first) = self.0.insert(value.clone(), *line) {
            let message = format!("duplicate {what} {:?} (first on line {first})", value.as_str());
            fields.error(*line, "duplicate-id", message, "give one of them another id");
        }
    }
}

/// Suggests an id for a title: `how-rivers-work` for `How Rivers Work!`, `ete` for `Été`.
pub fn suggest_slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    let plain = text.nfkd().filter(|c| !is_combining_mark(*c));
    for c in plain.flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
        if slug.len() == 64 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    Slug::new(slug).ok().map(|s| s.as_str().to_owned())
}

/// Returns the edit distance, ignoring case. A long key is truncated, because it is not similar to any known key.
fn distance(a: &str, b: &str) -> usize {
    let b: String = b.chars().take(40).collect();
    strsim::levenshtein(&a.to_lowercase(), &b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_keys_are_suggested() {
        assert_eq!(suggest_slug(" How  Rivers Work! ").as_deref(), Some("how-rivers-work"));
        assert_eq!(suggest_slug("L’été à Orléans").as_deref(), Some("l-ete-a-orleans"));
        assert_eq!(suggest_slug("河"), None);
        assert_eq!((distance("titel", "title"), distance("a", "a")), (2, 0));
    }
}
