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
    let result = parser.value(0).and_then(|node| {
        parser.skip_whitespace();
        if parser.at < parser.bytes.len() {
            Err(parser.syntax_error("unexpected data after the end of the document"))
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
        let starts = |words: &[&str]| words.iter().any(|word| rest.starts_with(word));
        let hint = if starts(&["//", "/*", "#"]) {
            "remove the comment: JSON has none"
        } else if starts(&["“", "”", "„", "«", "‘", "’", "'", "`"]) {
            "write straight double quotes: \""
        } else if starts(&["True", "False", "None", "TRUE", "FALSE", "Null", "NULL"]) {
            "write true, false or null in lower case"
        } else if starts(&[","]) {
            "remove one of the commas"
        } else {
            SEPARATE_HINT
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
            Some(c) if c.is_control() || c.is_whitespace() || c == '\u{feff}' => {
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
            self.syntax_error(&format!("{:?} is not a number", &self.text[start..self.at]))
        })
    }
    fn string(&mut self) -> ParseResult<String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.syntax_error("a string has no closing quote")),
                Some(b'\n' | b'\r') => {
                    return Err(self.syntax_error(
                        "a string continues past the end of the line; write \\n for a new line",
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
            let what = format!("the string {raw} has an invalid escape or a control character");
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

#[cfg(test)]
mod tests;
