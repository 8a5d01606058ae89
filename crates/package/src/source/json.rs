//! A JSON parser that keeps line numbers, so that all wrong values of a file are reported with their lines.
//!
//! Not here: the meaning of fields. serde stops at the first problem and does not keep positions.

use std::collections::HashMap;

use crate::problem::{Problems, SourceLocation};

/// A value and the line on which it starts.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub line: u32,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

#[derive(Debug, Clone)]
/// A key of an object and its value.
pub(crate) struct Member {
    pub key: String,
    /// The line of the key.
    pub line: u32,
    pub node: Node,
}

impl Value {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Maximum nesting depth; the format needs at most 6.
const MAX_DEPTH: usize = 40;

/// Parses a document, or reports why that fails (`json-syntax`, `json-duplicate-key`).
pub(crate) fn parse(text: &str, file: &str, problems: &Problems) -> Option<Node> {
    let mut parser = Parser { bytes: text.as_bytes(), text, at: 0, line: 1, file, problems };
    if text.trim().is_empty() {
        let at = SourceLocation { file, line: 1 };
        problems.error(at, "json-syntax", "the file is empty", "write { \"format\": ... }");
        return None;
    }
    let result = parser.value(0).and_then(|node| {
        parser.skip_whitespace();
        if parser.at < parser.bytes.len() {
            let hint = "remove it, or the bracket that ends the document too early";
            Err(parser.error_with_hint("unexpected data after the end of the document", hint))
        } else {
            Ok(node)
        }
    });
    match result {
        Ok(node) => Some(node),
        Err(SyntaxError { line, message, hint }) => {
            problems.error(SourceLocation { file, line }, "json-syntax", message, hint);
            None
        }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    line: u32,
    file: &'a str,
    problems: &'a Problems,
}

struct SyntaxError {
    line: u32,
    message: String,
    hint: &'static str,
}

type ParseResult<T> = Result<T, SyntaxError>;

const SEPARATE_HINT: &str = "close every `{`, `[` and `\"`, and separate entries with one comma";
/// Maximum number of characters of a quotation in a message.
const MAX_QUOTE: usize = 60;

/// Starts of a text that is wrong at its place, with what to do.
const COMMON_MISTAKES: &[(&[&str], &str)] = &[
    (&["//", "/*", "#"], "remove the comment: JSON has none"),
    (
        &["“", "”", "„", "«", "»", "‘", "’", "'", "`", "＂", "「"],
        "write straight double quotes: \"",
    ),
    (
        &["True", "False", "None", "TRUE", "FALSE", "Null", "NULL"],
        "write true, false or null in lower case",
    ),
    (&[","], "remove one of the commas"),
    (&["，", "、", "،", "؛", ";", "；"], "write the comma of an English keyboard: ,"),
    (&["：", "="], "write the colon of an English keyboard: \":\""),
    (&["｛", "｝", "［", "］"], "write the brackets of an English keyboard: { } [ ]"),
    (&["+", "."], "write a number without +, and with a digit before the point: 0.5"),
    (&["NaN", "Infinity", "-Infinity", "undefined"], "write a number, or remove the field"),
    (&["<"], "this is a web page or another file: download or save the file again"),
];

impl Parser<'_> {
    fn syntax_error(&self, what: &str) -> SyntaxError {
        self.error_with_hint(what, SEPARATE_HINT)
    }
    fn error_with_hint(&self, what: &str, hint: &'static str) -> SyntaxError {
        SyntaxError { line: self.line, message: format!("invalid JSON: {what}"), hint }
    }
    /// Returns the error for a character that cannot be at this place, with a hint for common mistakes.
    fn unexpected(&self, expected: &str) -> SyntaxError {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let common = COMMON_MISTAKES
            .iter()
            .find(|(starts, _)| starts.iter().any(|start| rest.starts_with(start)));
        let next = rest.chars().next();
        let before = self.text.get(..self.at).unwrap_or_default();
        let hint = match (common, next) {
            (Some((_, hint)), _) => hint,
            (_, Some(c)) if is_invisible(c) => "remove it, or write an ordinary space",
            // `3,5`
            (_, Some('0'..='9')) if before.ends_with(',') => {
                "write a decimal point instead of the comma, such as 3.5"
            }
            (_, Some('"' | '{' | '[')) if expected.starts_with("a comma") => {
                "write a comma before it"
            }
            (_, Some(c)) if expected.starts_with("a name") && (c.is_alphabetic() || c == '_') => {
                "write the name in double quotes"
            }
            (_, Some(c)) if expected.starts_with("a value") && c.is_alphabetic() => {
                "write a text in double quotes"
            }
            _ => SEPARATE_HINT,
        };
        let what = format!("{expected} is expected here, not {}", self.describe_next());
        self.error_with_hint(&what, hint)
    }
    /// Skips a comma, and reports it if the list or object ends after it. Returns true at the end.
    fn comma(&mut self, end: u8) -> bool {
        let line = self.line;
        self.at += 1;
        self.skip_whitespace();
        let is_end = self.peek() == Some(end);
        if is_end {
            self.at += 1;
            let at = SourceLocation { file: self.file, line };
            let message = "invalid JSON: there is a comma after the last entry";
            self.problems.error(at, "json-syntax", message, "remove this comma");
        }
        is_end
    }
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
    fn skip_whitespace(&mut self) {
        while let Some(b) = self.peek() {
            match b {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                _ => break,
            }
            self.at += 1;
        }
    }
    fn describe_next(&self) -> String {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            None => "the end of the file".to_owned(),
            Some(c) if is_invisible(c) => {
                format!("the invisible character U+{:04X}", u32::from(c))
            }
            Some(c) => format!("'{c}'"),
        }
    }
    fn value(&mut self, depth: usize) -> ParseResult<Node> {
        self.skip_whitespace();
        if depth > MAX_DEPTH {
            return Err(self.syntax_error("it is nested too deeply"));
        }
        let line = self.line;
        let value = match self.peek() {
            Some(b'{') => Value::Object(self.object(depth)?),
            Some(b'[') => Value::List(self.list(depth)?),
            Some(b'"') => Value::Text(self.string()?),
            Some(b't') => self.literal("true", Value::Bool(true))?,
            Some(b'f') => self.literal("false", Value::Bool(false))?,
            Some(b'n') => self.literal("null", Value::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node { line, value })
    }
    fn literal(&mut self, literal: &str, value: Value) -> ParseResult<Value> {
        if self.bytes[self.at..].starts_with(literal.as_bytes()) {
            self.at += literal.len();
            Ok(value)
        } else {
            Err(self.unexpected("a value"))
        }
    }
    fn number(&mut self) -> ParseResult<Value> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        {
            self.at += 1;
        }
        // serde_json checks the grammar of numbers: no leading zeros, no bare dots.
        serde_json::from_str::<f64>(&self.text[start..self.at]).map(Value::Number).map_err(|_| {
            let what = format!("{:?} is not a number", &self.text[start..self.at]);
            self.error_with_hint(&what, "write a number such as 12, 0.5 or -3, or put it in quotes")
        })
    }
    fn string(&mut self) -> ParseResult<String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.syntax_error("a string has no closing quote")),
                Some(b'\n' | b'\r') => {
                    return Err(self.error_with_hint(
                        "a string continues past the end of the line",
                        "close it with \", or write \\n for a new line",
                    ));
                }
                Some(b'\\') => self.at += 2,
                Some(b'"') => break,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let raw = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(raw).map_err(|_| {
            let end = raw.char_indices().nth(MAX_QUOTE).map_or(raw.len(), |(at, _)| at);
            if let Some(c) = raw.chars().find(|c| c.is_control()) {
                let what = format!(
                    "the string {:?} contains the control character U+{:04X}",
                    raw[..end].trim_matches('"'),
                    u32::from(c)
                );
                return self.error_with_hint(&what, "write \\t for a tab, or a space");
            }
            let what = format!("the string {} has an invalid escape", &raw[..end]);
            self.error_with_hint(&what, "write / between folders, and \\\\ for a backslash")
        })
    }
    fn list(&mut self, depth: usize) -> ParseResult<Vec<Node>> {
        self.at += 1;
        let mut list = Vec::new();
        self.skip_whitespace();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(list);
        }
        loop {
            list.push(self.value(depth + 1)?);
            self.skip_whitespace();
            match self.peek() {
                Some(b',') if self.comma(b']') => return Ok(list),
                Some(b',') => {}
                Some(b']') => {
                    self.at += 1;
                    return Ok(list);
                }
                _ => return Err(self.unexpected("a comma or ']'")),
            }
        }
    }
    fn object(&mut self, depth: usize) -> ParseResult<Vec<Member>> {
        self.at += 1;
        let mut entries: Vec<Member> = Vec::new();
        let mut lines: HashMap<String, u32> = HashMap::new();
        self.skip_whitespace();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(entries);
        }
        loop {
            self.skip_whitespace();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a name in quotes"));
            }
            let line = self.line;
            let key = self.string()?;
            self.skip_whitespace();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("a ':'"));
            }
            self.at += 1;
            let node = self.value(depth + 1)?;
            if let Some(first) = lines.insert(key.clone(), line) {
                let at = SourceLocation { file: self.file, line };
                let message = format!("duplicate key {key:?} (first on line {first})");
                self.problems.error(at, "json-duplicate-key", message, "keep one of them");
            }
            entries.push(Member { key, line, node });
            self.skip_whitespace();
            match self.peek() {
                Some(b',') if self.comma(b'}') => return Ok(entries),
                Some(b',') => {}
                Some(b'}') => {
                    self.at += 1;
                    return Ok(entries);
                }
                _ => return Err(self.unexpected("a comma or '}'")),
            }
        }
    }
}

/// Returns true for characters that a text editor does not show.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
