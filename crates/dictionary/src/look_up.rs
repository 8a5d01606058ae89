//! Finds the entries of the word at a place of a text: exact, then with another case or accents, then by the table of
//! forms, then the longest phrase over the words beside it, then by its stem as a guess. Never by similarity.

use std::{collections::BTreeSet, ops::Range};

use carrel_model::text::{fold_answer, fold_exact, fold_word, language};

use crate::{
    Entry, Result,
    segment::{cluster_ends, joins_words, run, window, words},
    stem::stem,
};

/// Maximum number of hits in a reply.
const MAX_HITS: usize = 12;
/// Number of words before the tapped one at which a phrase may begin.
const WORDS_BEFORE: usize = 3;
/// Maximum number of words of a phrase.
const MAX_PHRASE_WORDS: usize = 8;
/// Maximum number of character clusters of a word without spaces.
const MAX_CLUSTERS: usize = 24;
/// Number of clusters before a place from which a run is split into words.
const CLUSTERS_BEFORE: usize = 40;

/// A list of words with their entries: a pack, or the vocabulary of a course.
pub trait Lexicon {
    /// Returns the headwords with this key (`carrel_model::text::fold_word`), as they are written.
    fn by_headword(&self, key: &str) -> Result<Vec<Named>>;
    /// Returns the forms with this key, as they are written.
    fn by_form(&self, key: &str) -> Result<Vec<Named>>;
    /// Returns the entries whose headwords have this stem.
    fn by_stem(&self, stem: &str) -> Result<Vec<u32>>;
    /// Returns true if the key of a headword or form begins with `key`.
    fn has_prefix(&self, key: &str) -> Result<bool>;
    /// Returns the number of words of the longest headword or form.
    fn max_words(&self) -> usize;
    fn entry(&self, id: u32) -> Result<Option<Entry>>;
}

/// A headword or a form, with the number of its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub text: String,
    pub entry: u32,
}

/// How an entry was found, the most certain first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// The headword is the word of the text.
    Exact,
    /// The headword differs in case, accents or marks that are usually left out.
    Folded,
    /// The word is a form of the headword, by the table of a pack.
    Form,
    /// The headword is a phrase that contains the word.
    Phrase,
    /// The headword has the same stem or begins the word. May be wrong.
    Guess,
}

/// An entry for a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub found: Found,
    /// Index of the lexicon.
    pub lexicon: usize,
    /// Number of the entry in its lexicon.
    pub id: u32,
    pub entry: Entry,
    /// The word or phrase in the text, in bytes.
    pub range: Range<usize>,
}

/// The word at a place of a text, and its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookUp {
    /// The word, in bytes.
    pub range: Range<usize>,
    /// The limits of the word or its entries are a guess.
    pub is_guess: bool,
    /// The best first: words before phrases before guesses, then in order of the lexicons. May be empty.
    pub hits: Vec<Hit>,
}

/// Looks up the word at the byte `at` of a text in the language `lang`. An earlier lexicon comes first. Returns none if
/// there is no word.
pub fn look_up(
    text: &str,
    at: usize,
    lang: &str,
    lexicons: &[&dyn Lexicon],
) -> Result<Option<LookUp>> {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let window = window(text, at);
    let search = Search { text: &text[window.clone()], lang, lexicons };
    // A place after a word is that of its last character.
    let before = search.text[..at - window.start].chars().next_back().map_or(0, char::len_utf8);
    for at in [at - window.start, at - window.start - before] {
        let found = match at < search.text.len() {
            true => search.at(at)?,
            false => None,
        };
        if let Some(mut found) = found {
            let place = |r: &Range<usize>| r.start + window.start..r.end + window.start;
            found.range = place(&found.range);
            for hit in &mut found.hits {
                hit.range = place(&hit.range);
            }
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Looks up a text as one word or phrase; if it is none, its first word.
pub fn look_up_phrase(text: &str, lang: &str, lexicons: &[&dyn Lexicon]) -> Result<Option<LookUp>> {
    let trimmed = text.trim();
    let start = text.len() - text.trim_start().len();
    let range = start..start + trimmed.len();
    let search = Search { text, lang, lexicons };
    let hits = search.hits(range.clone())?;
    if hits.is_empty() {
        return look_up(text, start, lang, lexicons);
    }
    Ok(Some(LookUp { range, is_guess: false, hits: search.sorted(hits)? }))
}

struct Search<'t> {
    text: &'t str,
    lang: &'t str,
    lexicons: &'t [&'t dyn Lexicon],
}

/// A hit whose entry was not read yet.
#[derive(Debug, Clone)]
struct Candidate {
    found: Found,
    /// Only accents differ.
    has_other_accents: bool,
    lexicon: usize,
    id: u32,
    range: Range<usize>,
}

impl Search<'_> {
    fn at(&self, at: usize) -> Result<Option<LookUp>> {
        if let Some(run) = run(self.text, at) {
            return self.in_run(run, at).map(Some);
        }
        let words = words(self.text);
        let is_at = |word: &Range<usize>| word.contains(&at);
        match words.iter().position(is_at) {
            Some(index) => self.in_words(&words, index, at).map(Some),
            None => Ok(None),
        }
    }

    fn key(&self, range: &Range<usize>) -> String {
        fold_word(&self.text[range.clone()], self.lang)
    }

    /// Splits a run of characters without spaces by longest match, and looks up the word at `at`.
    fn in_run(&self, run: Range<usize>, at: usize) -> Result<LookUp> {
        let ends: Vec<usize> =
            cluster_ends(&self.text[run.clone()]).into_iter().map(|end| end + run.start).collect();
        let start_of = |n: usize| if n == 0 { run.start } else { ends[n - 1] };
        let tapped = ends.partition_point(|end| *end <= at).min(ends.len().saturating_sub(1));
        let mut from = tapped.saturating_sub(CLUSTERS_BEFORE);
        loop {
            let known = self.longest(start_of(from), &ends[from..])?;
            let count =
                known.unwrap_or_else(|| unknown_clusters(self.text, start_of(from), &ends[from..]));
            let to = from + count.max(1);
            if to > tapped {
                let range = start_of(from)..ends[to - 1];
                let hits = self.hits(range.clone())?;
                return Ok(LookUp { range, is_guess: known.is_none(), hits: self.sorted(hits)? });
            }
            from = to;
        }
    }
    /// Returns the number of clusters of the longest known word that begins at `start`.
    fn longest(&self, start: usize, ends: &[usize]) -> Result<Option<usize>> {
        let mut longest = None;
        for (n, end) in ends.iter().take(MAX_CLUSTERS).enumerate() {
            let key = self.key(&(start..*end));
            let (mut continues, mut is_known) = (false, false);
            for lexicon in self.lexicons {
                if lexicon.has_prefix(&key)? {
                    continues = true;
                    is_known = is_known
                        || !lexicon.by_headword(&key)?.is_empty()
                        || !lexicon.by_form(&key)?.is_empty();
                }
            }
            if is_known {
                longest = Some(n + 1);
            }
            if !continues {
                break;
            }
        }
        Ok(longest)
    }

    fn in_words(&self, words: &[Range<usize>], index: usize, at: usize) -> Result<LookUp> {
        let mut range = words[index].clone();
        let mut hits = self.hits(range.clone())?;
        if hits.is_empty()
            && let Some(part) = self.part_at(&range, at)
        {
            let of_part = self.hits(part.clone())?;
            if !of_part.is_empty() {
                (range, hits) = (part, of_part);
            }
        }
        hits.extend(self.phrases(words, index)?);
        let is_guess = hits.is_empty();
        if is_guess {
            hits = self.guesses(&range)?;
        }
        let is_guess = is_guess && !hits.is_empty();
        Ok(LookUp { range, is_guess, hits: self.sorted(hits)? })
    }
    /// Returns the part of a word with an apostrophe ("l'eau", "dog's") at `at`, or the longest if that is one letter.
    fn part_at(&self, word: &Range<usize>, at: usize) -> Option<Range<usize>> {
        let is_apostrophe = |c: char| matches!(c, '\'' | '\u{2019}' | '\u{2BC}' | '\u{FF07}');
        let text = &self.text[word.clone()];
        let mut parts = Vec::new();
        let mut start = 0;
        for part in text.split(is_apostrophe) {
            parts.push(word.start + start..word.start + start + part.len());
            start += part.len();
            start += text[start..].chars().next().map_or(0, char::len_utf8);
        }
        if parts.len() < 2 {
            return None;
        }
        let letters = |part: &Range<usize>| self.text[part.clone()].chars().count();
        let tapped = parts.iter().find(|part| part.contains(&at) && letters(part) > 1);
        tapped.or_else(|| parts.iter().max_by_key(|part| letters(part))).cloned()
    }

    /// Returns the entries whose headword or form is a part of the text.
    fn hits(&self, range: Range<usize>) -> Result<Vec<Candidate>> {
        self.hits_of(&self.text[range.clone()], range)
    }
    fn hits_of(&self, text: &str, range: Range<usize>) -> Result<Vec<Candidate>> {
        let key = fold_word(text, self.lang);
        if key.is_empty() {
            return Ok(Vec::new());
        }
        let (exact, folded) = (fold_exact(text), fold_answer(text, self.lang));
        let candidate = |found, lexicon, named: &Named| Candidate {
            found,
            has_other_accents: fold_answer(&named.text, self.lang) != folded,
            lexicon,
            id: named.entry,
            range: range.clone(),
        };
        let mut hits = Vec::new();
        for (n, lexicon) in self.lexicons.iter().enumerate() {
            for named in lexicon.by_headword(&key)? {
                let is_exact = fold_exact(&named.text) == exact;
                hits.push(candidate(
                    if is_exact { Found::Exact } else { Found::Folded },
                    n,
                    &named,
                ));
            }
            for named in lexicon.by_form(&key)? {
                hits.push(candidate(Found::Form, n, &named));
            }
        }
        // "où" is another word than "ou": other accents count only if nothing else is found.
        if hits.iter().any(|hit| !hit.has_other_accents) {
            hits.retain(|hit| !hit.has_other_accents);
        }
        self.add_lemmas_elsewhere(&mut hits)?;
        let mut seen = BTreeSet::new();
        hits.sort_by_key(|hit| hit.found);
        hits.retain(|hit| seen.insert((hit.lexicon, hit.id)));
        Ok(hits)
    }
    /// Adds the entries of other lexicons whose headword is the lemma of a form: one pack has the forms for all.
    fn add_lemmas_elsewhere(&self, hits: &mut Vec<Candidate>) -> Result<()> {
        let forms: Vec<Candidate> =
            hits.iter().filter(|hit| hit.found == Found::Form).cloned().collect();
        for form in forms {
            let Some(entry) = self.lexicons[form.lexicon].entry(form.id)? else { continue };
            let key = fold_word(&entry.headword, self.lang);
            let lemma = fold_answer(&entry.headword, self.lang);
            for (n, lexicon) in self.lexicons.iter().enumerate() {
                if n == form.lexicon {
                    continue;
                }
                for named in lexicon.by_headword(&key)? {
                    if fold_answer(&named.text, self.lang) == lemma {
                        hits.push(Candidate { lexicon: n, id: named.entry, ..form.clone() });
                    }
                }
            }
        }
        Ok(())
    }
    /// Returns the lemmas of a word by the tables of forms.
    fn lemmas(&self, range: &Range<usize>) -> Result<BTreeSet<String>> {
        let mut lemmas = BTreeSet::new();
        for hit in self.hits(range.clone())? {
            if hit.found == Found::Form
                && let Some(entry) = self.lexicons[hit.lexicon].entry(hit.id)?
            {
                lemmas.insert(entry.headword);
            }
        }
        Ok(lemmas)
    }

    /// Returns the longest phrase of words beside each other that contains the word.
    fn phrases(&self, words: &[Range<usize>], index: usize) -> Result<Vec<Candidate>> {
        let max = self.lexicons.iter().map(|l| l.max_words()).max().unwrap_or(0);
        let max = max.min(MAX_PHRASE_WORDS);
        if max < 2 {
            return Ok(Vec::new());
        }
        let joins = |n: usize| joins_words(&self.text[words[n].end..words[n + 1].start]);
        let mut first = index;
        while first > 0 && index - first < WORDS_BEFORE.min(max - 1) && joins(first - 1) {
            first -= 1;
        }
        let mut end = index + 1;
        while end < words.len() && end - index < max && joins(end - 1) {
            end += 1;
        }
        let mut best: Vec<Candidate> = Vec::new();
        let mut best_words = 1;
        for from in first..=index {
            let lemmas = self.lemmas(&words[from])?;
            for to in (index + 1..=end.min(from + max)).rev() {
                if to - from <= best_words {
                    break;
                }
                let range = words[from].start..words[to - 1].end;
                let mut hits = self.hits(range.clone())?;
                if hits.is_empty() {
                    // "ran out of": the first word is a form of that of the phrase.
                    let rest = &self.text[words[from].end..range.end];
                    for lemma in &lemmas {
                        hits.extend(self.hits_of(&format!("{lemma}{rest}"), range.clone())?);
                    }
                }
                if !hits.is_empty() {
                    best_words = to - from;
                    best = hits;
                    break;
                }
            }
        }
        for hit in &mut best {
            hit.found = Found::Phrase;
        }
        Ok(best)
    }

    /// Returns the entries with the stem of the word; for languages without rules of stems, the longest headword that
    /// begins the word and is at least half of it.
    fn guesses(&self, range: &Range<usize>) -> Result<Vec<Candidate>> {
        let key = self.key(range);
        let guess = |lexicon, id| Candidate {
            found: Found::Guess,
            has_other_accents: false,
            lexicon,
            id,
            range: range.clone(),
        };
        let mut hits = Vec::new();
        if let Some(stem) = stem(&key, self.lang) {
            for (n, lexicon) in self.lexicons.iter().enumerate() {
                hits.extend(lexicon.by_stem(&stem)?.into_iter().map(|id| guess(n, id)));
            }
            if !hits.is_empty() || !has_long_endings(self.lang) {
                return Ok(hits);
            }
        }
        let letters: Vec<usize> = key.char_indices().map(|(at, _)| at).collect();
        let least = match key.chars().next() {
            // A syllable may be a word; a few syllables of particles follow it.
            Some('\u{AC00}'..='\u{D7A3}') => letters.len().saturating_sub(3).max(1),
            Some('\u{1200}'..='\u{139F}') => letters.len().div_ceil(2).max(2),
            Some(c) if c.is_alphabetic() => letters.len().div_ceil(2).max(3),
            _ => return Ok(hits),
        };
        for count in (least..letters.len()).rev() {
            let start = &key[..letters[count]];
            for (n, lexicon) in self.lexicons.iter().enumerate() {
                hits.extend(
                    lexicon.by_headword(start)?.into_iter().map(|named| guess(n, named.entry)),
                );
            }
            if !hits.is_empty() {
                break;
            }
        }
        Ok(hits)
    }

    /// Reads the entries and sorts them.
    fn sorted(&self, candidates: Vec<Candidate>) -> Result<Vec<Hit>> {
        let group = |found: Found| match found {
            Found::Exact | Found::Folded | Found::Form => 0,
            Found::Phrase => 1,
            Found::Guess => 2,
        };
        let mut hits = Vec::new();
        for Candidate { found, lexicon, id, range, .. } in candidates {
            if let Some(entry) = self.lexicons[lexicon].entry(id)? {
                hits.push(Hit { found, lexicon, id, entry, range });
            }
        }
        hits.sort_by_key(|hit| {
            let rank = hit.entry.rank.unwrap_or(u32::MAX);
            (group(hit.found), hit.lexicon, hit.found, rank, hit.id)
        });
        hits.truncate(MAX_HITS);
        Ok(hits)
    }
}

/// Returns true for languages with rules of stems that do not reach the lemma of many forms.
fn has_long_endings(lang: &str) -> bool {
    matches!(language::primary(lang).as_str(), "tr" | "fi" | "hu" | "ta")
}

/// Returns how many clusters of an unknown word belong together: one, or a whole run of katakana.
fn unknown_clusters(text: &str, start: usize, ends: &[usize]) -> usize {
    let is_katakana = |range: Range<usize>| {
        text[range]
            .chars()
            .next()
            .is_some_and(|c| matches!(c, '\u{30A1}'..='\u{30FA}' | '\u{30FC}'))
    };
    let starts = std::iter::once(start).chain(ends.iter().copied());
    starts.zip(ends).take_while(|(start, end)| is_katakana(*start..**end)).count().max(1)
}
