//! The position of a note in a section or page: exact offsets for the same text, and a quote with its surroundings to
//! find the passage in another edition.
//!
//! Not here: finding the passage in another edition.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use unicode_normalization::UnicodeNormalization;

use crate::BlobHash;

/// Characters of the beginning and of the end of the quote.
const QUOTE_CHARS: usize = 48;
/// Characters before and after the quote.
const CONTEXT_CHARS: usize = 24;

/// The anchor of a note: the text of `NoteRevision::anchor`. Offsets are in characters (Unicode scalar values) of the
/// text of the block as returned by `NoteAnchor::fold`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NoteAnchor {
    /// Version of the format: 1.
    pub v: u8,
    /// The first 16 hex digits of the hash of the compiled body that was open.
    pub body: String,
    /// Number of the block within the body, from 0.
    pub block: u32,
    /// First character of the passage.
    pub start: u32,
    /// Character after the last one.
    pub end: u32,
    /// The first characters of the passage: all of them if `e` is empty.
    pub s: String,
    /// The last characters of a passage that is longer than `s`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub e: String,
    /// The characters before the passage.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub p: String,
    /// The characters after the passage.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub q: String,
    /// How the passage is marked.
    #[serde(default, skip_serializing_if = "NoteMark::is_default")]
    pub m: NoteMark,
    /// How many other passages of the same body resemble this one; missing if they were not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub n: Option<u16>,
    /// How much the most similar other passage of the same body resembles this one with its surroundings, in percent;
    /// missing if it was not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub r: Option<u8>,
}

/// How the passage of a note is marked: a highlight in one of four colours, each with its own line, or a bookmark.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS,
)]
#[serde(rename_all = "lowercase", from = "String")]
pub enum NoteMark {
    /// A yellow highlight; also the mark of another release that this one does not know.
    #[default]
    Yellow,
    /// A green highlight.
    Green,
    /// A blue highlight.
    Blue,
    /// A pink highlight.
    Pink,
    /// A bookmark.
    Bookmark,
}

impl From<String> for NoteMark {
    fn from(name: String) -> Self {
        match name.as_str() {
            "green" => Self::Green,
            "blue" => Self::Blue,
            "pink" => Self::Pink,
            "bookmark" => Self::Bookmark,
            _ => Self::Yellow,
        }
    }
}

impl NoteMark {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl NoteAnchor {
    /// Maximum length of the text of an anchor in bytes, in every script.
    pub const MAX_BYTES: usize = 600;

    /// Returns the anchor of the characters `start..end` of a block, and `None` if the range is empty or not in the
    /// block. `text` is the whole text of the block, folded.
    pub fn of(body: &BlobHash, block: u32, text: &str, start: usize, end: usize) -> Option<Self> {
        let chars: Vec<char> = text.chars().collect();
        let quote = chars.get(start..end).filter(|quote| !quote.is_empty())?;
        let collect = |chars: &[char]| chars.iter().collect::<String>();
        let mut shown = (QUOTE_CHARS, CONTEXT_CHARS);
        loop {
            let (edge, context) = shown;
            let is_long = quote.len() > edge;
            let anchor = Self {
                v: 1,
                body: body.to_hex()[..16].to_owned(),
                block,
                start: u32::try_from(start).ok()?,
                end: u32::try_from(end).ok()?,
                s: collect(&quote[..edge.min(quote.len())]),
                e: if is_long {
                    let rest = (quote.len() - edge).min(edge);
                    collect(&quote[quote.len() - rest..])
                } else {
                    String::new()
                },
                p: collect(&chars[start.saturating_sub(context)..start]),
                q: collect(&chars[end..(end + context).min(chars.len())]),
                m: NoteMark::default(),
                n: None,
                r: None,
            };
            // Characters of four bytes, and characters that JSON escapes, need more space.
            if anchor.to_text().len() <= Self::MAX_BYTES || edge <= 4 {
                return Some(anchor);
            }
            shown = (edge - 4, context.saturating_sub(2));
        }
    }
    /// Returns the number of characters of the passage.
    pub fn chars(&self) -> u32 {
        self.end.saturating_sub(self.start)
    }
    /// Returns the compact JSON text that is stored.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
    /// Parses a stored anchor; `None` for a text of another format.
    pub fn parse(text: &str) -> Option<Self> {
        let anchor: Self = serde_json::from_str(text).ok()?;
        (anchor.v == 1 && anchor.start < anchor.end).then_some(anchor)
    }
    /// Folds the text of a block: composed characters (NFC), runs of white space as one space, none at the ends.
    pub fn fold(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for word in text.split_whitespace() {
            if !out.is_empty() {
                out.push(' ');
            }
            out.extend(word.nfc());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Hlc, ItemId, RevisionId,
        lattice::{Extra, NoteRevision, Validate},
    };

    #[test]
    fn an_anchor_of_any_script_fits_into_a_note() {
        let body = BlobHash::of(b"body");
        let letters = ["a", "é", "ወ", "河", "ب", "\u{1f30a}", "\u{1}", "\"", "\\", "e\u{301}"];
        for letter in letters {
            let text = NoteAnchor::fold(&letter.repeat(400));
            let count = text.chars().count();
            for (start, end) in
                [(0, count), (0, 1), (count - 1, count), (30, 70), (100, 300), (5, 53)]
            {
                let anchor = NoteAnchor::of(&body, 7, &text, start, end).unwrap();
                let stored = anchor.to_text();
                assert!(stored.len() <= NoteAnchor::MAX_BYTES, "{letter:?}: {}", stored.len());
                assert_eq!(NoteAnchor::parse(&stored), Some(anchor.clone()), "{letter:?}");
                assert_eq!(anchor.chars() as usize, end - start);
                let note = NoteRevision {
                    rev: RevisionId::from_u128(1),
                    note: RevisionId::from_u128(1),
                    base: Vec::new(),
                    hlc: Hlc::ZERO.tick(1),
                    item: ItemId::new("a/b/c").unwrap(),
                    body: String::new(),
                    anchor: stored,
                    extra: Extra::default(),
                };
                assert!(note.validate().is_ok());
            }
            assert_eq!(NoteAnchor::of(&body, 7, &text, 3, 3), None, "empty");
            assert_eq!(NoteAnchor::of(&body, 7, &text, 3, count + 1), None, "outside");
        }
    }

    #[test]
    fn the_mark_of_an_anchor_is_optional() {
        let mut anchor = NoteAnchor::of(&BlobHash::of(b""), 0, "a river", 2, 7).unwrap();
        let plain = anchor.to_text();
        assert!(
            !plain.contains("\"m\"") && !plain.contains("\"r\"") && !plain.contains("\"n\""),
            "{plain}"
        );
        for mark in [NoteMark::Green, NoteMark::Blue, NoteMark::Pink, NoteMark::Bookmark] {
            anchor.m = mark;
            anchor.n = Some(u16::MAX);
            anchor.r = Some(100);
            let stored = anchor.to_text();
            assert_eq!(NoteAnchor::parse(&stored), Some(anchor.clone()));
            assert!(stored.len() <= plain.len() + 36, "{stored}");
        }
        let newer = anchor.to_text().replace("bookmark", "violet");
        assert_eq!(NoteAnchor::parse(&newer).unwrap().m, NoteMark::Yellow);
    }

    #[test]
    fn an_anchor_contains_the_ends_of_the_passage_and_its_surroundings() {
        let text = NoteAnchor::fold("  The river\n bends;\tthe cafe\u{301} stays.  ");
        assert_eq!(text, "The river bends; the caf\u{e9} stays.");
        let anchor = NoteAnchor::of(&BlobHash::of(b""), 0, &text, 4, 9).unwrap();
        assert_eq!((anchor.s.as_str(), anchor.e.as_str()), ("river", ""));
        assert_eq!(
            (anchor.p.as_str(), anchor.q.as_str()),
            ("The ", " bends; the caf\u{e9} stays.")
        );
        let long = "0123456789".repeat(10);
        let anchor = NoteAnchor::of(&BlobHash::of(b""), 0, &long, 10, 70).unwrap();
        assert_eq!((anchor.s.chars().count(), anchor.e.chars().count()), (48, 12));
        assert_eq!(format!("{}{}", anchor.s, anchor.e), long[10..70]);
        for other in ["", "p3.s4", "{}", r#"{"v":2}"#] {
            assert_eq!(NoteAnchor::parse(other), None, "{other}");
        }
    }
}
