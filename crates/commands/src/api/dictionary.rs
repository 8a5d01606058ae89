//! Types of the commands for dictionary packs, and for words that are looked up in a text or typed.
//!
//! Not here: the entries of a vocabulary (`reading`), the review list (`learning`).

use carrel_model::{CardKey, ItemId, Slug, content::VocabularyEntry};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::download::DownloadState;

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LookUpWord {
    /// The section, quiz or story of the text, whose vocabulary comes first; missing for a typed word.
    #[serde(default)]
    #[ts(optional)]
    pub item: Option<ItemId>,
    /// BCP 47 tag of the text.
    pub lang: String,
    /// The paragraph or sentence, or the typed word or phrase; at most 64 KiB.
    pub text: String,
    /// The place in UTF-16 code units; missing: the text is looked up as one word or phrase.
    #[serde(default)]
    #[ts(optional)]
    pub at: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WordLookUp {
    /// None if there is no word at the place.
    pub word: Option<FoundWord>,
    /// A dictionary of the language is installed.
    pub has_dictionary: bool,
}

/// The word at a place of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FoundWord {
    /// First UTF-16 code unit of the word in the text.
    pub start: u32,
    /// UTF-16 code unit after the last one.
    pub end: u32,
    /// The word as it is written in the text.
    pub form: String,
    /// The limits of the word or its entries are a guess.
    pub is_guess: bool,
    /// The best first; at least one, which has no meaning if no dictionary has the word.
    pub entries: Vec<FoundEntry>,
}

/// How an entry was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    Exact,
    /// Case, accents or marks that are usually left out differ.
    Folded,
    /// The text has a form of the word.
    Form,
    /// The word is a part of this phrase.
    Phrase,
    /// May be wrong.
    Guess,
    /// No dictionary has the word.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FoundEntry {
    pub found: FoundBy,
    /// The word or phrase as it is written in the text.
    pub form: String,
    /// `root/word` of a course or story, `own-words/...` of a dictionary.
    pub item: ItemId,
    pub card: CardKey,
    /// BCP 47 tag of the word.
    pub lang: String,
    /// The entry in the form of a vocabulary; its word is the lemma.
    pub entry: VocabularyEntry,
    /// All meanings, if the entry is of a dictionary.
    pub meanings: Vec<Meaning>,
    /// The dictionary; none for the vocabulary of a course or story.
    pub dictionary: Option<DictionarySource>,
    pub saved: bool,
    /// The learner marked the word as known.
    pub known: bool,
    /// The learner does not want to be asked or offered the word.
    pub ignored: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Meaning {
    pub text: String,
    /// BCP 47 tag of the text.
    pub lang: String,
    /// In the language of the word.
    pub examples: Vec<String>,
}

/// Where a meaning comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DictionarySource {
    pub name: String,
    pub license: String,
}

/// Adds a word to the review list, with the sentence in which it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AddWord {
    /// `item` of the entry.
    pub item: ItemId,
    pub card: CardKey,
    /// BCP 47 tag of the word.
    pub lang: String,
    /// The lemma.
    pub word: String,
    /// The word as it is written in the sentence.
    pub form: String,
    pub part_of_speech: String,
    pub pronunciation: String,
    pub meaning: String,
    /// BCP 47 tag of the meaning; may be empty.
    pub meaning_lang: String,
    /// The sentence; may be empty.
    pub sentence: String,
    /// The section, quiz or story of the sentence.
    #[serde(default)]
    #[ts(optional)]
    pub source: Option<ItemId>,
    /// Name of the dictionary; may be empty.
    pub dictionary: String,
}

/// Changes the fields that are present and keeps the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MarkWord {
    pub card: CardKey,
    #[serde(default)]
    #[ts(optional)]
    pub known: Option<bool>,
    #[serde(default)]
    #[ts(optional)]
    pub ignored: Option<bool>,
    /// False removes the word from the review list; `add_word` adds it.
    #[serde(default)]
    #[ts(optional)]
    pub saved: Option<bool>,
}

/// What the learner set for a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WordMarks {
    pub saved: bool,
    pub known: bool,
    pub ignored: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DictionaryList {
    pub dictionaries: Vec<DictionaryView>,
}

/// The packs that the server of the account offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OfferedDictionaries {
    /// Sorted by name.
    pub dictionaries: Vec<OfferedDictionaryView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OfferedDictionaryView {
    pub dictionary: DictionaryView,
    pub status: OfferedStatus,
    /// The download; none if it was not requested.
    pub download: Option<DownloadState>,
}

/// The installed pack with the id of an offered one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum OfferedStatus {
    /// There is none.
    New,
    /// It is an earlier one.
    Update,
    /// It is this one, or a later one.
    Installed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DownloadDictionary {
    pub id: Slug,
    /// Ignores the settings for metered networks and battery for this download.
    #[serde(default)]
    #[ts(optional)]
    pub anyway: Option<bool>,
}

/// An installed pack, or the pack of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DictionaryView {
    pub id: Slug,
    pub name: String,
    /// BCP 47 tag of the words.
    pub lang: String,
    /// BCP 47 tags of the meanings.
    pub gloss_langs: Vec<String>,
    pub license: String,
    pub source: String,
    pub entries: u64,
    pub made_ms: i64,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DictionaryRef {
    pub id: Slug,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ImportDictionary {
    pub path: String,
    /// Fingerprint of the key that the user accepted; missing if the key is trusted.
    #[serde(default)]
    #[ts(optional)]
    pub accept: Option<String>,
}
