//! The words of a text. Scripts with spaces are split by the rules of Unicode (UAX 29); scripts without spaces into
//! character clusters, from which the look-up forms words by longest match.

use std::ops::Range;

use carrel_model::text::is_unspaced;
use unicode_segmentation::UnicodeSegmentation;

/// Number of bytes of a text before and after a place that are searched for words.
const WINDOW_BYTES: usize = 1_500;

/// Returns true for characters of scripts in which words are not separated: not Hangul, which has spaces.
pub(crate) fn is_run(c: char) -> bool {
    let is_hangul = matches!(u32::from(c), 0x1100..=0x11FF | 0x3130..=0x318F | 0xA960..=0xA97F | 0xAC00..=0xD7FF);
    is_unspaced(c) && !is_hangul
}

/// Returns the byte offset of a place in UTF-16 code units; at most the end of the text. A place inside a character is
/// that of the character.
pub fn byte_offset(text: &str, utf16: usize) -> usize {
    let mut units = 0;
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > utf16 {
            return at;
        }
    }
    text.len()
}

/// Returns the place in UTF-16 code units of a byte offset.
pub fn utf16_offset(text: &str, at: usize) -> usize {
    text.get(..at).map_or(0, |before| before.encode_utf16().count())
}

/// Returns the part of the text around `at` that is searched, as the offset of its start and its end.
pub(crate) fn window(text: &str, at: usize) -> Range<usize> {
    let mut start = at.saturating_sub(WINDOW_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    if start > 0 {
        // Not in the middle of a word.
        let space = text[start..at].find(char::is_whitespace);
        start += space.unwrap_or(0);
    }
    let mut end = (at + WINDOW_BYTES).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    start..end
}

/// Returns the words of a text of scripts with spaces, in order.
pub(crate) fn words(text: &str) -> Vec<Range<usize>> {
    text.unicode_word_indices().map(|(at, word)| at..at + word.len()).collect()
}

/// Returns the run of characters without spaces around `at`; none if there is another character.
pub(crate) fn run(text: &str, at: usize) -> Option<Range<usize>> {
    if !text[at..].chars().next().is_some_and(is_run) {
        return None;
    }
    let before = text[..at].char_indices().rev().take_while(|(_, c)| is_run(*c)).last();
    let after = text[at..].find(|c| !is_run(c)).map_or(text.len(), |n| at + n);
    Some(before.map_or(at, |(start, _)| start)..after)
}

/// Returns the ends of the clusters of a run: a letter with its marks, and in scripts with stacked consonants the whole
/// stack.
pub(crate) fn cluster_ends(run: &str) -> Vec<usize> {
    let stacks = |c: char| matches!(c, '\u{17D2}' | '\u{1039}' | '\u{1A60}');
    // A vowel written before its consonant belongs to it.
    let leads = |c: char| matches!(u32::from(c), 0xE40..=0xE44 | 0xEC0..=0xEC4);
    let mut ends = Vec::new();
    for (at, cluster) in run.grapheme_indices(true) {
        let end = at + cluster.len();
        let is_open = ends.last().is_some_and(|before: &usize| {
            let last = run[..*before].chars().next_back();
            let is_lead = run[..*before].chars().next_back().is_some_and(leads);
            *before == at && (last.is_some_and(stacks) || is_lead)
        });
        match ends.last_mut() {
            Some(before) if is_open => *before = end,
            _ => ends.push(end),
        }
    }
    ends
}

/// Returns true for characters between the words of one phrase.
pub(crate) fn joins_words(gap: &str) -> bool {
    let mut separators = 0;
    for c in gap.chars() {
        match c {
            c if c.is_whitespace() => {}
            '-' | '\u{2010}' | '\u{2011}' | '\u{F0B}' | '\u{1361}' | '\u{5BE}' => separators += 1,
            _ => return false,
        }
    }
    !gap.is_empty() && separators <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_converted() {
        let text = "a\u{1F600}\u{E9}z";
        for (utf16, byte) in [(0, 0), (1, 1), (2, 1), (3, 5), (4, 7), (5, 8), (99, 8)] {
            assert_eq!(byte_offset(text, utf16), byte, "{utf16}");
        }
        for byte in [0, 1, 5, 7, 8] {
            assert_eq!(byte_offset(text, utf16_offset(text, byte)), byte);
        }
    }

    #[test]
    fn clusters_are_not_split() {
        let clusters = |text: &str| -> Vec<String> {
            let mut start = 0;
            let ends = cluster_ends(text);
            ends.into_iter()
                .map(|end| text[std::mem::replace(&mut start, end)..end].to_owned())
                .collect()
        };
        // Khmer with a stack, Burmese with a stack, Thai with a vowel before its consonant, Han.
        assert_eq!(
            clusters("\u{1781}\u{17D2}\u{1798}\u{17C2}\u{179A}"),
            ["\u{1781}\u{17D2}\u{1798}\u{17C2}", "\u{179A}"]
        );
        assert_eq!(
            clusters("\u{1019}\u{1014}\u{1039}\u{1010}"),
            ["\u{1019}", "\u{1014}\u{1039}\u{1010}"]
        );
        assert_eq!(clusters("\u{E41}\u{E21}\u{E48}"), ["\u{E41}\u{E21}\u{E48}"]);
        assert_eq!(clusters("\u{6CB3}\u{6D41}"), ["\u{6CB3}", "\u{6D41}"]);
    }

    #[test]
    fn the_window_does_not_split_a_word() {
        let text = "\u{E9}t\u{E9} ".repeat(2_000);
        for at in [0, 5, 3_000, text.len()] {
            let mut at = at;
            while !text.is_char_boundary(at) {
                at += 1;
            }
            let window = window(&text, at);
            assert!(window.contains(&at) || at == text.len());
            assert!(window.len() <= 2 * WINDOW_BYTES);
            assert!(text[window].split_whitespace().next().is_none_or(|w| w == "\u{E9}t\u{E9}"));
        }
    }
}
