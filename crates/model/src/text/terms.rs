//! Splits texts and queries into the terms of the search index. One function for both, so that they always agree.
//!
//! A word of a script with spaces is one term. In scripts without spaces each character forms a term with the one after
//! it, and the last character of a run is a term of its own; any part of a run is then a phrase. A compound
//! ("ox-bow", "l'eau") has its parts as terms, and the whole without the connecting marks as another term. An Arabic
//! word with an article or with the conjunction "and" is also a term without it.
//!
//! At the end, the index has a term for each different character of the scripts without spaces: otherwise a query for
//! one character would read all pairs that begin with it.

use std::{
    collections::BTreeSet,
    ops::{ControlFlow, Range},
    sync::OnceLock,
};

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{
    chars::{
        ZWNJ, ascii_digit, fold_case, is_invisible, is_optional_mark, plain_punctuation,
        unify_letter,
    },
    script::{
        Rewrite, is_arabic, is_ignored_mark, is_unspaced, may_be_arabic_prefix, push_search_letter,
        rewrite, without_arabic_prefix,
    },
};

/// Begins the terms for single characters. Private use, so that no text contains it.
const SINGLE_MARK: char = '\u{E000}';

/// Longest term in characters; the rest of a longer word is ignored.
const MAX_TERM_CHARS: usize = 48;

/// A term with its place in the original text, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub text: String,
    pub place: Range<usize>,
    /// A run of one character of a script without spaces.
    pub is_single: bool,
}

/// The terms of a piece of text without spaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    /// In the order of the text.
    pub terms: Vec<Term>,
    /// Other forms of the whole chunk or of one word.
    pub alternatives: Vec<Term>,
    /// The last part is a word of a script with spaces.
    pub ends_with_word: bool,
    /// Characters of scripts without spaces.
    pub unspaced: Vec<char>,
    /// The last character of the last run, which is a term of the index but not of a query that ends here.
    pub last_single: Option<Term>,
}

/// Returns the term of the index for texts that contain this character of a script without spaces.
pub fn single_term(c: char) -> String {
    [SINGLE_MARK, c].iter().collect()
}

/// Returns the terms of a text for the index, separated by single spaces. Terms contain letters, digits and marks.
pub fn index_terms(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut singles = BTreeSet::new();
    let _: ControlFlow<()> = for_each_chunk(text, |chunk| {
        singles.extend(chunk.unspaced.iter().copied());
        for term in chunk.terms.iter().chain(&chunk.last_single).chain(&chunk.alternatives) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&term.text);
        }
        ControlFlow::Continue(())
    });
    for c in singles {
        out.extend([' ', SINGLE_MARK, c]);
    }
    out
}

/// A folded character and the place of its original.
#[derive(Clone, Copy)]
struct Piece {
    c: char,
    start: usize,
    end: usize,
}

/// A part of a chunk: a word, or a run of a script without spaces.
struct Part {
    pieces: Vec<Piece>,
    is_unspaced: bool,
    /// The word without an Arabic article or conjunction.
    stem: Option<String>,
}

/// Calls `visit` with each chunk until it returns `Break`.
pub(super) fn for_each_chunk<B>(
    text: &str,
    mut visit: impl FnMut(&Chunk) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut scanner = Scanner::default();
    let mut at = 0;
    let mut pending_connector = false;
    while let Some(base) = text[at..].chars().next() {
        let end = cluster_end(text, at, base);
        let cluster = &text[at..end];
        if base.is_alphanumeric() || is_combining_mark(base) {
            if std::mem::take(&mut pending_connector) {
                scanner.connect();
            }
            scanner.add(cluster, at);
        } else if scanner.is_empty() {
            // A connector at the start of a word, or no word at all.
        } else if is_connector(base, scanner.last()) {
            // Two connectors, such as a double hyphen, end the word.
            if std::mem::replace(&mut pending_connector, true)
                && let Some(chunk) = scanner.finish()
            {
                pending_connector = false;
                visit(&chunk)?;
            }
        } else if !is_invisible(base) {
            pending_connector = false;
            if let Some(chunk) = scanner.finish() {
                visit(&chunk)?;
            }
        }
        at = end;
    }
    match scanner.finish() {
        Some(chunk) => visit(&chunk),
        None => ControlFlow::Continue(()),
    }
}

/// Returns the end of the cluster that begins with `base` at `at`: the marks that belong to it.
fn cluster_end(text: &str, at: usize, base: char) -> usize {
    let mut end = at + base.len_utf8();
    let bytes = text.as_bytes();
    if bytes.get(end).is_none_or(u8::is_ascii) {
        return end;
    }
    let is_jamo =
        |c: char| matches!(u32::from(c), 0x1100..=0x11FF | 0xA960..=0xA97F | 0xD7B0..=0xD7FF);
    let mut before = base;
    for c in text[end..].chars() {
        let continues = is_combining_mark(c)
            || matches!(c, '\u{FF9E}' | '\u{FF9F}')
            // Vowels and final consonants of conjoining Hangul.
            || is_jamo(c) && !matches!(u32::from(c), 0x1100..=0x115F | 0xA960..=0xA97F)
                && (is_jamo(before) || matches!(u32::from(before), 0xAC00..=0xD7A3));
        if !continues {
            break;
        }
        before = c;
        end += c.len_utf8();
    }
    end
}

/// Returns true for a mark that connects the parts of a compound.
fn is_connector(c: char, before: Option<char>) -> bool {
    match c {
        ZWNJ => before.is_some_and(is_arabic),
        '_' | '\u{B7}' | '\u{2027}' | '\u{30FB}' | '\u{F0B}' | '\u{F0C}' => true,
        // Gershayim in an acronym.
        '"' => before.is_some_and(|c| matches!(c, 'א'..='ת')),
        c => matches!(plain_punctuation(c), '\'' | '-') || c == '\u{5F4}',
    }
}

/// Collects the parts of one chunk.
#[derive(Default)]
struct Scanner {
    parts: Vec<Part>,
    has_connector: bool,
    starts_part: bool,
}

impl Scanner {
    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
    fn last(&self) -> Option<char> {
        self.parts.last().and_then(|part| part.pieces.last()).map(|piece| piece.c)
    }
    fn connect(&mut self) {
        self.has_connector = true;
        self.starts_part = true;
    }
    /// Adds the folded characters of a cluster.
    fn add(&mut self, cluster: &str, start: usize) {
        let end = start + cluster.len();
        if let [byte] = cluster.as_bytes() {
            return self.push(Piece { c: char::from(byte.to_ascii_lowercase()), start, end });
        }
        let mut chars = cluster.chars();
        if let (Some(c), None) = (chars.next(), chars.next())
            && let Some(c) = folded_letter(c)
        {
            return self.push(Piece { c, start, end });
        }
        self.add_folded(cluster, start);
    }
    fn add_folded(&mut self, cluster: &str, start: usize) {
        let end = start + cluster.len();
        let mut folded = String::new();
        for c in cluster.nfkd() {
            if is_invisible(c) || is_optional_mark(c) {
                continue;
            }
            if let Some(digit) = ascii_digit(c) {
                folded.push(digit);
                continue;
            }
            let (c, second) = unify_letter(c);
            for c in std::iter::once(c).chain(second) {
                fold_case(c, |c| {
                    let base = folded.chars().next_back();
                    // Hamza marks are removed later: they tell an article from other letters.
                    if super::script::is_hamza_mark(c) || !is_ignored_mark(base, c) {
                        folded.push(c);
                    }
                });
            }
        }
        for c in folded.nfc() {
            if c.is_alphanumeric() || is_combining_mark(c) {
                self.push(Piece { c, start, end });
            }
        }
    }
    fn push(&mut self, piece: Piece) {
        let is_unspaced = is_unspaced(piece.c);
        match self.parts.last_mut() {
            Some(part) if !self.starts_part && part.is_unspaced == is_unspaced => {
                part.pieces.push(piece);
            }
            _ => self.parts.push(Part { pieces: vec![piece], is_unspaced, stem: None }),
        }
        self.starts_part = false;
    }
    /// Returns the chunk and starts the next one.
    fn finish(&mut self) -> Option<Chunk> {
        let mut parts = std::mem::take(&mut self.parts);
        let has_connector = std::mem::take(&mut self.has_connector);
        self.starts_part = false;
        for part in &mut parts {
            if part.pieces.iter().any(|p| !p.c.is_ascii()) {
                finish_letters(part);
            }
        }
        parts.retain(|part| !part.pieces.is_empty());
        if parts.is_empty() {
            return None;
        }
        let mut chunk = Chunk::default();
        let last = parts.len() - 1;
        for (n, part) in parts.iter().enumerate() {
            let pieces = &part.pieces;
            if part.is_unspaced {
                chunk.unspaced.extend(pieces.iter().map(|p| p.c));
                for pair in pieces.windows(2) {
                    chunk.terms.push(term(pair));
                }
                let single = Term { is_single: true, ..term(&pieces[pieces.len() - 1..]) };
                // Alone it is the only term of its run; otherwise it is a term that follows the pairs.
                if n < last || pieces.len() == 1 {
                    chunk.terms.push(single);
                } else {
                    chunk.last_single = Some(single);
                }
            } else {
                chunk.terms.push(term(pieces));
            }
            if let Some(stem) = &part.stem {
                chunk.alternatives.push(Term { text: stem.clone(), ..term(pieces) });
            }
        }
        chunk.ends_with_word = !parts[last].is_unspaced;
        let is_number = |part: &Part| part.pieces.iter().all(|p| p.c.is_ascii_digit());
        if has_connector && parts.len() > 1 && parts.iter().all(|p| !p.is_unspaced && !is_number(p))
        {
            let all: Vec<Piece> = parts.iter().flat_map(|p| p.pieces.iter().copied()).collect();
            chunk.alternatives.push(term(&all));
        }
        Some(chunk)
    }
}

/// Returns what a character without marks folds to, if it is one character. A table, because folding takes 100 times as
/// long as a look-up.
fn folded_letter(c: char) -> Option<char> {
    static TABLE: OnceLock<Vec<Option<char>>> = OnceLock::new();
    if ('\u{4E00}'..='\u{9FFF}').contains(&c) {
        return Some(c);
    }
    let index = u32::from(c) as usize;
    if index >= TABLE_LEN {
        return None;
    }
    let fold = |code: usize| {
        let c = u32::try_from(code).ok().and_then(char::from_u32)?;
        let mut scanner = Scanner::default();
        scanner.add_folded(c.encode_utf8(&mut [0; 4]), 0);
        match scanner.parts.as_slice() {
            [Part { pieces, .. }] if pieces.len() == 1 => Some(pieces[0].c),
            _ => None,
        }
    };
    TABLE.get_or_init(|| (0..TABLE_LEN).map(fold).collect())[index]
}

/// Up to and with kana.
const TABLE_LEN: usize = 0x3100;

fn term(pieces: &[Piece]) -> Term {
    let place = pieces.first().map_or(0, |p| p.start)..pieces.last().map_or(0, |p| p.end);
    let text = pieces.iter().take(MAX_TERM_CHARS).map(|p| p.c).collect();
    Term { text, place, is_single: false }
}

/// Applies the rules that need the whole word: Arabic prefixes, letters of one sound, and two spellings of a
/// sequence.
fn finish_letters(part: &mut Part) {
    if part.pieces.first().is_some_and(|p| may_be_arabic_prefix(p.c)) {
        let word: String = part.pieces.iter().take(MAX_TERM_CHARS).map(|p| p.c).collect::<String>();
        let decomposed: String = word.nfd().collect();
        part.stem = without_arabic_prefix(&decomposed).map(|stem| {
            let mut folded = String::new();
            for c in stem.chars().filter(|c| !is_ignored_mark(None, *c)) {
                push_search_letter(c, |c| folded.push(c));
            }
            folded
        });
    }
    let mut out: Vec<Piece> = Vec::with_capacity(part.pieces.len());
    for piece in &part.pieces {
        let decomposed = if is_arabic(piece.c) { base_letter(piece.c) } else { piece.c };
        if is_ignored_mark(None, decomposed) {
            continue;
        }
        push_search_letter(decomposed, |c| out.push(Piece { c, ..*piece }));
    }
    let mut at = 0;
    while at + 1 < out.len() {
        match rewrite(out[at].c, out[at + 1].c, out.get(at + 2).map(|p| p.c)) {
            Rewrite::None => {}
            Rewrite::Swap => {
                let (first, second) = (out[at].c, out[at + 1].c);
                (out[at].c, out[at + 1].c) = (second, first);
            }
            Rewrite::Merge(c) => {
                out[at] = Piece { c, end: out[at + 1].end, ..out[at] };
                out.remove(at + 1);
            }
        }
        at += 1;
    }
    part.pieces = out;
}

/// Returns an Arabic letter without hamza or madda.
fn base_letter(c: char) -> char {
    match c {
        '\u{622}'..='\u{626}' | '\u{6C0}' | '\u{6C2}' | '\u{6D3}' => {
            std::iter::once(c).nfd().next().unwrap_or(c)
        }
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_terms() {
        for (text, terms) in [
            ("", ""),
            (" \u{200B}* ( ) \" ' - ", ""),
            ("Plan B, 2nd", "plan b 2nd"),
            ("Boucle de la rivière!", "boucle de la riviere"),
            ("ox-bow", "ox bow oxbow"),
            ("L’eau de l’école", "l eau leau de l ecole lecole"),
            ("don't -- stop", "don t dont stop"),
            ("3.5 and 10-12", "3 5 and 10 12"),
            ("ox\u{200B}bow co\u{AD}op", "oxbow coop"),
            // Scripts without spaces, mixed with others.
            ("河流入海", "河流 流入 入海 海"),
            ("河", "河"),
            ("DNA是生命", "dna 是生 生命 命"),
            ("iPhone手机", "iphone 手机 机"),
            ("第3章", "第 3 章"),
            ("カフェ", "かふ ふぇ ぇ"),
            ("ｶﾞｽ", "がす す"),
            ("한글", "한글 글"),
            ("\u{1112}\u{1161}\u{11AB}\u{1100}\u{1173}\u{11AF}", "한글 글"),
            ("กา", "กา า"),
            // Letters that are equal in a search.
            ("Straße STRASSE", "strasse strasse"),
            ("ΔΡΌΜΟΣ δρόμος", "δρομοσ δρομοσ"),
            ("İstanbul ISTANBUL ılık", "istanbul istanbul ilik"),
            ("Đường", "duong"),
            ("œuvre Ærø", "oeuvre aero"),
            ("Ọmọdé", "omode"),
            ("ёлка Ёж йод їжак молоко́", "елка еж йод їжак молоко"),
            ("المدرسة", "المدرسه مدرسه"),
            ("والقمر وقمر", "والقمر قمر وقمر قمر"),
            ("ولد واحد", "ولد واحد"),
            ("وَالمَدْرَسَةِ", "والمدرسه مدرسه"),
            ("مدرسة", "مدرسه"),
            ("ألوان", "الوان"),
            ("أُمّ إلى آخر", "ام الي اخر"),
            ("می‌خوانم", "مي خوانم ميخوانم"),
            ("שָׁלוֹם", "שלום"),
            ("צה״ל", "צה ל צהל"),
            ("हिन्दी हिंदी", "हिंदी हिंदी"),
            ("ज़मीन", "जमीन"),
            ("ሠላም ፀሐይ", "ሰላም ጸሀይ"),
            ("Ⅻ ①", "xii 1"),
            ("٤٢ ४२", "42 42"),
            ("Ქართული ქართული", "ქართული ქართული"),
            ("H₂O", "h2o"),
        ] {
            let all = index_terms(text);
            let (found, _) = all.split_once(SINGLE_MARK).unwrap_or((&all, ""));
            assert_eq!(found.trim_end(), terms, "{text}");
        }
        assert_eq!(index_terms("น้ำ"), index_terms("น\u{E4D}\u{E49}า"));
        assert_eq!(index_terms("แม่"), index_terms("เเม่"));
        assert_eq!(index_terms(&"x".repeat(1000)).len(), MAX_TERM_CHARS);
        let singles = |text: &str| -> String {
            index_terms(text).split(' ').filter_map(|t| t.strip_prefix(SINGLE_MARK)).collect()
        };
        for (text, expected) in [
            ("河流入海河", "入河流海"),
            ("DNA是生命", "命是生"),
            ("カフェ, かふ", "ぇかふ"),
            ("한글", "글한"),
            ("river", ""),
            ("\u{E000}河", "河"),
        ] {
            let mut expected: Vec<char> = expected.chars().collect();
            expected.sort_unstable();
            assert_eq!(singles(text).chars().collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn the_table_of_letters_is_the_folding() {
        for c in ['\0'..='\u{D7FF}', '\u{E000}'..='\u{10FFFF}'].into_iter().flatten() {
            let text = c.to_string();
            let mut scanner = Scanner::default();
            scanner.add_folded(&text, 0);
            let pieces: Vec<char> =
                scanner.parts.iter().flat_map(|p| &p.pieces).map(|p| p.c).collect();
            assert!(folded_letter(c).is_none_or(|folded| pieces == [folded]), "{c:?}");
            let decomposed = text.nfd().next().unwrap();
            assert!(!is_arabic(c) || base_letter(c) == decomposed, "{c:?}");
        }
    }

    #[test]
    fn terms_contain_no_separators_of_the_index() {
        let text: String = (0..0x1_1000_u32).filter_map(char::from_u32).collect();
        for word in index_terms(&text).split(' ') {
            assert!(!word.is_empty());
            assert!(word.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric()), "{word:?}");
            assert!(word.chars().all(|c| !c.is_ascii_uppercase()), "{word:?}");
        }
    }

    #[test]
    fn places_are_those_of_the_original() {
        let text = "À l’Ærø: 河流 आओ";
        let mut found = Vec::new();
        let _: ControlFlow<()> = for_each_chunk(text, |chunk| {
            for term in &chunk.terms {
                found.push((term.text.clone(), text[term.place.clone()].to_owned()));
            }
            ControlFlow::Continue(())
        });
        let expected = [("a", "À"), ("l", "l"), ("aero", "Ærø"), ("河流", "河流"), ("आओ", "आओ")];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
