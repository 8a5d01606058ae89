//! Sources of packs: word lists and WordNet.

mod list;
mod rows;
mod wordnet;

pub use list::{read_list, read_list_text};
pub use wordnet::read_wordnet;

use crate::Entry;

/// Maximum length of a headword or form in characters.
pub const MAX_WORD_CHARS: usize = 200;
/// Maximum length of a meaning or an example in characters.
pub const MAX_GLOSS_CHARS: usize = 4_000;
/// Maximum number of forms of an entry.
pub const MAX_FORMS: usize = 400;

/// An entry of a source with its forms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceEntry {
    /// Line in the source, from 1; of several lines, the first.
    pub line: u64,
    pub entry: Entry,
    /// Other forms of the headword in texts.
    pub forms: Vec<String>,
    /// The headword is only a form of this one.
    pub form_of: Option<String>,
}

/// A line that is no entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: u64,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// What a source contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    pub entries: Vec<SourceEntry>,
    pub bad: Vec<BadLine>,
}

/// Returns why a text is no headword or form; none if it is one.
pub(crate) fn word_problem(word: &str) -> Option<String> {
    if word.is_empty() {
        return Some("is empty".to_owned());
    }
    if word.chars().count() > MAX_WORD_CHARS {
        return Some(format!("has more than {MAX_WORD_CHARS} characters"));
    }
    if word.chars().any(char::is_control) {
        return Some("contains a control character".to_owned());
    }
    if !word.chars().any(char::is_alphanumeric) {
        return Some(format!("has no letter: {word:?}"));
    }
    None
}
