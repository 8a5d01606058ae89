//! An entry of a dictionary.

use serde::{Deserialize, Serialize};

/// A word with its meanings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The word as the dictionary lists it: the lemma of all its forms.
    pub headword: String,
    /// For example "noun"; may be empty.
    pub part_of_speech: String,
    /// Pronunciation, usually IPA; may be empty.
    pub ipa: String,
    /// Rank by frequency, 1 for the most frequent word.
    pub rank: Option<u32>,
    /// The most usual first.
    pub senses: Vec<Sense>,
}

/// A meaning of a word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sense {
    /// Definition or translation.
    pub gloss: String,
    /// BCP 47 tag of the gloss; empty: the language of the words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lang: String,
    /// Sentences in the language of the words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}
