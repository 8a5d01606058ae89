//! Stems of words: what two forms of a word have in common, by the rules of Snowball. A stem finds an entry only as a
//! guess.

use carrel_model::text::language;
use rust_stemmers::{Algorithm, Stemmer};

/// Returns the stem of a folded word; none for languages without rules, and for words of several parts.
pub(crate) fn stem(key: &str, lang: &str) -> Option<String> {
    let algorithm = match language::primary(lang).as_str() {
        "ar" => Algorithm::Arabic,
        "da" => Algorithm::Danish,
        "nl" => Algorithm::Dutch,
        "en" => Algorithm::English,
        "fi" => Algorithm::Finnish,
        "fr" => Algorithm::French,
        "de" => Algorithm::German,
        "el" => Algorithm::Greek,
        "hu" => Algorithm::Hungarian,
        "it" => Algorithm::Italian,
        "no" | "nb" | "nn" => Algorithm::Norwegian,
        "pt" => Algorithm::Portuguese,
        "ro" => Algorithm::Romanian,
        "ru" => Algorithm::Russian,
        "es" => Algorithm::Spanish,
        "sv" => Algorithm::Swedish,
        "ta" => Algorithm::Tamil,
        "tr" => Algorithm::Turkish,
        _ => return None,
    };
    let is_word = !key.is_empty() && key.chars().all(|c| c.is_alphabetic() || c == '\'');
    is_word.then(|| Stemmer::create(algorithm).stem(key).into_owned())
}
