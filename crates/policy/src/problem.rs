//! What is wrong with a source or a key, in words and as data.

use std::fmt;

use serde::Serialize;

/// Longest text of a source that is quoted in a message, in characters.
const MAX_QUOTED: usize = 60;

/// A place in a file. Both numbers begin at 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Kind of a problem. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The source exists, but cannot be read.
    Unreadable,
    /// A folder, a device or a pipe instead of a file.
    NotAFile,
    TooLarge,
    /// Neither UTF-8 nor UTF-16 with a byte order mark.
    Encoding,
    /// Not JSON, or not a property list.
    Syntax,
    /// Something other than a list of keys with values.
    NotAnObject,
    UnknownKey,
    DuplicateKey,
    WrongType,
    /// The right type, but not an allowed value.
    BadValue,
    OutOfRange,
    /// Contradicts another key.
    Conflict,
    /// Allowed, but does nothing with the other keys as they are.
    NoEffect,
    /// Users without administrator rights can change the file.
    InsecureFile,
}

/// What became of the source or key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing of the source is in force.
    SourceIgnored,
    /// The key is not in force.
    KeyIgnored,
    /// The key or source is in force.
    InForce,
}

/// A problem: what is wrong, on which input, what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub code: ProblemCode,
    pub effect: Effect,
    /// Path of the file, or the registry key.
    pub source: String,
    pub key: Option<String>,
    pub position: Option<Position>,
    pub message: String,
    /// Empty if the message says it all.
    pub expected: String,
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        f.write_str(match self.effect {
            Effect::SourceIgnored => " (nothing of it is in force)",
            Effect::KeyIgnored => " (ignored)",
            Effect::InForce => " (in force)",
        })?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// Returns a text of a source in quotes: shortened, and with characters that are not visible as `\u{..}`.
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// Returns the first character that is invisible or changes the direction of the text around it.
pub fn invisible(text: &str) -> Option<char> {
    text.chars().find(|c| {
        c.is_control()
            || matches!(
                c,
                '\u{ad}'
                    | '\u{61c}'
                    | '\u{180e}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{feff}'
                    | '\u{fff9}'..='\u{fffb}'
                    | '\u{e0000}'..='\u{e007f}'
            )
    })
}
