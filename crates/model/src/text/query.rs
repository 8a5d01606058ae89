//! Search queries as terms of the index.

use std::ops::ControlFlow;

use super::{
    script::is_unspaced,
    terms::{Chunk, Term, for_each_chunk},
};

/// Maximum number of words of a query, and of terms in all; further ones are ignored.
const MAX_WORDS: usize = 16;
const MAX_TERMS: usize = 64;

/// A search query. A text is found if for each word at least one of its alternatives is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    /// For each word of the query, which may be a compound or a run of a script without spaces, its alternatives.
    pub words: Vec<Vec<Phrase>>,
}

/// Terms that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// The terms, as in the index; at least one.
    pub terms: Vec<String>,
    /// The last term is the beginning of a term.
    pub is_prefix: bool,
}

impl Phrase {
    /// Returns the character of a query for one character of a script without spaces.
    pub fn single(&self) -> Option<char> {
        let [term] = self.terms.as_slice() else { return None };
        let mut chars = term.chars();
        let only = chars.next().filter(|c| is_unspaced(*c))?;
        (self.is_prefix && chars.next().is_none()).then_some(only)
    }
}

impl SearchQuery {
    /// Parses what a person typed. The last word also matches as a prefix if it has two or more letters. Returns `None`
    /// if there is no word.
    pub fn parse(text: &str) -> Option<Self> {
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut terms = 0;
        let _ = for_each_chunk(text, |chunk| {
            chunks.push(chunk.clone());
            terms += chunk.terms.len();
            if chunks.len() < MAX_WORDS && terms < MAX_TERMS {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        let last = chunks.len().checked_sub(1)?;
        let words =
            chunks.iter().enumerate().map(|(n, chunk)| alternatives(chunk, n == last)).collect();
        Some(Self { words })
    }
}

fn alternatives(chunk: &Chunk, is_last: bool) -> Vec<Phrase> {
    let is_prefix = |term: &Term| {
        // In the index a single character begins a pair, or ends its run.
        term.is_single || is_last && chunk.ends_with_word && term.text.chars().nth(1).is_some()
    };
    let mut terms = chunk.terms.clone();
    terms.truncate(MAX_TERMS);
    let phrase = terms.last().map(|term| Phrase {
        terms: terms.iter().map(|t| t.text.clone()).collect(),
        is_prefix: is_prefix(term),
    });
    let others = chunk
        .alternatives
        .iter()
        // In a compound only the whole is an alternative, not one of its parts without the article.
        .filter(|term| chunk.terms.len() == 1 || term.place == whole(chunk))
        .map(|term| Phrase { terms: vec![term.text.clone()], is_prefix: is_prefix(term) });
    phrase.into_iter().chain(others).collect()
}

fn whole(chunk: &Chunk) -> std::ops::Range<usize> {
    let start = chunk.terms.first().map_or(0, |t| t.place.start);
    start..chunk.terms.last().map_or(0, |t| t.place.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a query as text: alternatives separated by `|`, words by `,`, prefixes with `*`.
    fn written(q: &str) -> String {
        let Some(query) = SearchQuery::parse(q) else { return String::new() };
        let phrase = |p: &Phrase| p.terms.join(" ") + if p.is_prefix { "*" } else { "" };
        let word = |w: &Vec<Phrase>| w.iter().map(phrase).collect::<Vec<_>>().join("|");
        query.words.iter().map(word).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn queries_become_phrases() {
        for (q, expected) in [
            ("", ""),
            ("\" * ( )", ""),
            ("rivi", "rivi*"),
            ("Boucle de la rivière!", "boucle,de,la,riviere*"),
            ("plan B", "plan,b"),
            ("\" OR NOT * ( ) : ^ NEAR", "or,not,near*"),
            ("ox-bow", "ox bow*|oxbow*"),
            ("l'eau claire", "l eau|leau,claire*"),
            ("生命的密码", "生命 命的 的密 密码"),
            ("河", "河*"),
            ("河 流", "河*,流*"),
            ("iPhone手机", "iphone 手机"),
            ("DNA是", "dna 是*"),
            ("命DNA", "命 dna*"),
            ("生命DNA", "生命 命 dna*"),
            ("المدرسة", "المدرسه*|مدرسه*"),
            ("الم", "الم*"),
            ("می‌خوانم", "مي خوانم*|ميخوانم*"),
            ("10-12", "10 12*"),
            ("وقمر", "وقمر*|قمر*"),
            ("ولد وكتاب", "ولد,وكتاب*|كتاب*"),
        ] {
            assert_eq!(written(q), expected, "{q}");
        }
        assert_eq!(SearchQuery::parse(&"a ".repeat(100)).unwrap().words.len(), MAX_WORDS);
        let long = SearchQuery::parse(&"河".repeat(1000)).unwrap();
        assert_eq!(long.words[0][0].terms.len(), MAX_TERMS);
    }
}
