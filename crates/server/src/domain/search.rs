//! Search queries: all words must match, ignoring case and accents; the last word also matches as a prefix. Scripts
//! without spaces between words (such as Chinese, Japanese and Thai) are searched by trigrams, or by a scan if a word
//! has only one or two characters.

use carrel_model::wire::SearchHit;

use super::DomainResult;
use crate::store::{Listed, SearchPlan, Store};

/// Maximum number of words of a query; further words are ignored.
const MAX_WORDS: usize = 16;

/// Returns the plan for a query, or `None` if it contains no word.
pub fn plan(q: &str) -> Option<SearchPlan> {
    let words: Vec<String> = q
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .take(MAX_WORDS)
        .map(str::to_owned)
        .collect();
    let last_is_prefix = words.last()?.chars().count() > 1;
    if !words.iter().any(|w| w.chars().any(is_unspaced)) {
        return Some(SearchPlan::Words { words, last_is_prefix });
    }
    if words.iter().all(|w| w.chars().count() >= 3) {
        return Some(SearchPlan::Trigrams(words));
    }
    Some(SearchPlan::Scan(words))
}

/// Returns true for characters of scripts without spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(c as u32,
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x9FFF
        | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

impl Store {
    /// Returns passages by relevance. The hits may contain a course and its sections.
    pub async fn search(
        &self,
        q: &str,
        offset: u64,
        limit: u32,
    ) -> DomainResult<Listed<SearchHit>> {
        let Some(plan) = plan(q) else { return Ok(Listed { items: Vec::new(), total: 0 }) };
        Ok(self.read("search", move |tx| tx.search(&plan, offset, limit)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_words_trigrams_or_a_scan() {
        let owned = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let words = |list: &[&str], last_is_prefix| {
            Some(SearchPlan::Words { words: owned(list), last_is_prefix })
        };
        for (q, expected) in [
            ("rivi", words(&["rivi"], true)),
            ("Boucle de la rivière!", words(&["Boucle", "de", "la", "rivière"], true)),
            ("plan B", words(&["plan", "B"], false)),
            ("为什么", Some(SearchPlan::Trigrams(owned(&["为什么"])))),
            ("弯曲", Some(SearchPlan::Scan(owned(&["弯曲"])))),
            ("为什么 弯", Some(SearchPlan::Scan(owned(&["为什么", "弯"])))),
            ("", None),
            ("\" * ( )", None),
            ("\" OR NOT * ( ) : ^ NEAR", words(&["OR", "NOT", "NEAR"], true)),
        ] {
            assert_eq!(plan(q), expected, "{q}");
        }
    }
}
