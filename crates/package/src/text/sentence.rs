//! Splits paragraphs of a story into sentences, with the words linked to the vocabulary.
//!
//! Sentence boundaries follow Unicode (UAX #29); a forced line break (`\` at the end of a line) is not a boundary. Not
//! here: pages, times.

use carrel_model::{
    Slug,
    content::{Sentence, WordSpan},
};
use unicode_segmentation::UnicodeSegmentation;

/// A paragraph that is being read.
#[derive(Debug, Default)]
pub(crate) struct Paragraph {
    text: String,
    /// Byte ranges of linked words, with their ids and lines.
    words: Vec<(usize, usize, Slug, u32)>,
    /// Byte offsets of forced line breaks.
    breaks: Vec<usize>,
    open: Option<(usize, Slug, u32)>,
}

impl Paragraph {
    /// Appends text; each run of white space becomes one space.
    pub fn text(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() && c != '\u{a0}' && c != '\u{202f}' {
                if !self.text.is_empty() && !self.text.ends_with(' ') {
                    self.text.push(' ');
                }
            } else {
                self.text.push(c);
            }
        }
    }
    pub fn forced_break(&mut self) {
        self.text(" ");
        self.breaks.push(self.text.len());
    }
    pub fn open_word(&mut self, word: Slug, line: u32) {
        self.open = Some((self.text.len(), word, line));
    }
    pub fn close_word(&mut self) {
        if let Some((start, word, line)) = self.open.take() {
            self.words.push((start, self.text.len(), word, line));
        }
    }
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
    /// Returns the sentences, and the lines of words that cross a sentence boundary.
    pub fn sentences(&self) -> (Vec<Sentence>, Vec<u32>) {
        let mut ends: Vec<usize> = self
            .text
            .split_sentence_bound_indices()
            .map(|(at, part)| at + part.len())
            .filter(|end| *end == self.text.len() || self.breaks.binary_search(end).is_err())
            .map(|end| end + closing_marks_length(&self.text[end..]))
            .collect();
        ends.dedup();
        let (mut sentences, mut crossing_lines) = (Vec::<Sentence>::new(), Vec::new());
        let mut start = 0;
        let mut ranges = Vec::new();
        for end in ends {
            let part = &self.text[start..end];
            let trimmed = part.trim();
            // A dash or an ornament alone is not a sentence and is appended to the sentence before it.
            if trimmed.chars().any(char::is_alphanumeric)
                || ranges.is_empty() && end == self.text.len() && !trimmed.is_empty()
            {
                let from = start + (part.len() - part.trim_start().len());
                ranges.push((from, from + trimmed.len()));
            } else if let Some(last) = ranges.last_mut()
                && !trimmed.is_empty()
            {
                last.1 = start + part.trim_end().len();
            } else if !trimmed.is_empty() {
                // There is no sentence before it, so it is prepended to the one after it.
                continue;
            }
            start = end;
        }
        for (n, (from, to)) in ranges.iter().enumerate() {
            let text = &self.text[*from..*to];
            let utf16 = |at: usize| {
                u32::try_from(self.text[*from..at].encode_utf16().count()).unwrap_or(u32::MAX)
            };
            let mut words = Vec::new();
            // Words are in text order, so only those of this sentence are visited.
            let first = self.words.partition_point(|(start, ..)| start < from);
            for (start, end, word, line) in self.words[first..].iter().take_while(|w| w.0 < *to) {
                if start >= from && end <= to && start < end {
                    words.push(WordSpan {
                        start: utf16(*start),
                        end: utf16(*end),
                        word: word.clone(),
                    });
                } else if start < to && end > to && start >= from {
                    crossing_lines.push(*line);
                }
            }
            sentences.push(Sentence {
                text: text.to_owned(),
                paragraph: n == 0,
                start_ms: None,
                end_ms: None,
                words,
            });
        }
        (sentences, crossing_lines)
    }
}

/// Returns the texts of the sentences of a paragraph of a story.
pub fn sentences(paragraph: &str) -> Vec<String> {
    let mut read = Paragraph::default();
    read.text(paragraph);
    read.sentences().0.into_iter().map(|sentence| sentence.text).collect()
}

/// Returns the length in bytes of closing quotation marks at the start of a sentence. In French a space precedes them,
/// so Unicode assigns them to the next sentence. In German the same characters open a quotation, but a letter follows.
fn closing_marks_length(rest: &str) -> usize {
    let marks = rest.trim_start_matches(['»', '›', '”', '’', ')', ']']);
    let length = rest.len() - marks.len();
    if length > 0 && (marks.is_empty() || marks.starts_with(char::is_whitespace)) {
        length
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
