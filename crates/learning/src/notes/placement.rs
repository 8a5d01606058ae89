//! Finds the passage of a note in the text that is open: exact offsets in the edition in which the note was written,
//! a search by its quote and surroundings in any other. A passage that is not found with certainty is not placed.
//!
//! Not here: the text of blocks (`text`), and notes of the learner (`store`).

use carrel_model::{BlobHash, lattice::NoteAnchor};

use super::myers::{MAX_PATTERN, Pattern};

/// Least similarity of a quote.
const MIN_QUOTE: f64 = 0.8;
/// Least similarity of the text before or after the quote; of both if the quote is short or is known only by its ends.
const MIN_CONTEXT: f64 = 0.6;
/// Least similarity of both if the quote was changed. More than `BLOCK_EDGE`.
const MIN_CONTEXT_IF_UNSURE: f64 = 0.85;
/// Similarity of the surroundings at an edge of the block, if the quote was there: there is nothing to compare.
const BLOCK_EDGE: f64 = 0.7;
/// Quotes of fewer characters are short.
const SHORT_QUOTE: usize = 24;
/// Contexts of fewer characters count half unless they are at an edge of the block, as they were.
const SHORT_CONTEXT: usize = 12;
/// How much better than every other candidate a passage has to be.
const MIN_LEAD: f64 = 0.1;
/// A quote with more candidates is not unique enough to be placed.
const MAX_CANDIDATES: usize = 1_000;
/// The same for a quote of which only the ends are known: its end is searched for each candidate.
const MAX_LONG_CANDIDATES: usize = 16;
/// An edge of a changed passage is certain if so many characters inside it are unchanged, or so many outside it.
const EDGE_INSIDE: usize = 4;
const EDGE_OUTSIDE: usize = 8;

/// A passage of a section: characters `start..end` of the text of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Passage {
    /// Number of the block, from 0.
    pub block: usize,
    /// First character.
    pub start: usize,
    /// Character after the last one.
    pub end: usize,
}

/// Where the passage of a note is in the text that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The text is the one in which the note was written.
    Exact(Passage),
    /// Found in another edition.
    Moved(Passage),
    /// Not found with certainty.
    Orphan,
}

impl Placement {
    /// Returns the passage, if there is one.
    pub fn passage(self) -> Option<Passage> {
        match self {
            Self::Exact(passage) | Self::Moved(passage) => Some(passage),
            Self::Orphan => None,
        }
    }
}

/// The text of a compiled body: its blocks, folded, separated by spaces.
pub struct BodyText {
    edition: String,
    chars: Vec<char>,
    /// First and last character of each block in `chars`.
    blocks: Vec<(usize, usize)>,
}

/// A passage that resembles a quote. Positions are those of `BodyText::chars`; similarities are 0 to 1.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    block: usize,
    start: usize,
    end: usize,
    quote: f64,
    prefix: f64,
    suffix: f64,
    /// Errors of the first and of the last characters of the quote.
    errors: (usize, usize),
    /// The last characters of the quote occur more than once near its former end.
    has_other_end: bool,
}

impl Candidate {
    fn total(&self) -> f64 {
        self.quote / 2.0 + (self.prefix + self.suffix) / 4.0
    }
    /// Whether this is another passage, and not the same one with a slightly different edge.
    fn differs(&self, start: usize, end: usize) -> bool {
        self.start.abs_diff(start) > EDGE_INSIDE || self.end.abs_diff(end) > EDGE_INSIDE
    }
}

/// The parts of an anchor as characters.
struct Quote {
    /// Length of the whole passage.
    len: usize,
    first: Vec<char>,
    last: Vec<char>,
    before: Vec<char>,
    after: Vec<char>,
}

impl Quote {
    fn of(anchor: &NoteAnchor) -> Self {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let len = anchor.chars() as usize;
        let (mut first, mut last) = (chars(&anchor.s), chars(&anchor.e));
        // The anchor contains the whole quote.
        if first.len() + last.len() == len && len <= MAX_PATTERN {
            first.append(&mut last);
        }
        Self { len, first, last, before: chars(&anchor.p), after: chars(&anchor.q) }
    }
    /// Whether the anchor contains the whole quote, and not only its ends.
    fn is_whole(&self) -> bool {
        self.first.len() + self.last.len() == self.len
    }
    fn is_short(&self) -> bool {
        self.first.len() + self.last.len() < SHORT_QUOTE
    }
}

impl BodyText {
    /// Creates the text of a body from the texts of its blocks, each as returned by `block_text`.
    pub fn new<T: AsRef<str>>(body: &BlobHash, texts: impl IntoIterator<Item = T>) -> Self {
        let mut chars: Vec<char> = Vec::new();
        let mut blocks = Vec::new();
        for text in texts {
            if !chars.is_empty() && chars.last() != Some(&' ') {
                chars.push(' ');
            }
            let start = chars.len();
            chars.extend(text.as_ref().chars());
            blocks.push((start, chars.len()));
        }
        Self { edition: body.to_hex()[..16].to_owned(), chars, blocks }
    }
    /// Returns the text of a passage; `None` if it is empty or not in the text.
    pub fn passage_text(&self, passage: Passage) -> Option<String> {
        let chars = self.block(passage.block)?.get(passage.start..passage.end)?;
        (!chars.is_empty()).then(|| chars.iter().collect())
    }
    /// Returns the number of characters of a block; 0 for a block that does not exist.
    pub fn block_len(&self, block: usize) -> usize {
        self.block(block).map_or(0, <[char]>::len)
    }
    fn block(&self, block: usize) -> Option<&[char]> {
        let (start, end) = *self.blocks.get(block)?;
        self.chars.get(start..end)
    }

    /// Finds the passage of a note. Needs at most two steps per character of the text, and a bounded number for each
    /// candidate.
    pub fn place(&self, anchor: &NoteAnchor) -> Placement {
        self.place_counted(anchor).0
    }
    /// Like `place`; also returns the number of characters that were compared.
    fn place_counted(&self, anchor: &NoteAnchor) -> (Placement, usize) {
        let quote = Quote::of(anchor);
        if anchor.body == self.edition
            && let Some(passage) = self.same_edition(anchor, &quote)
        {
            return (Placement::Exact(passage), 0);
        }
        let mut compared = 0;
        let Some((mut candidates, least)) = self.candidates(&quote, &mut compared) else {
            return (Placement::Orphan, compared);
        };
        candidates.sort_by(|a, b| b.total().total_cmp(&a.total()).then(a.start.cmp(&b.start)));
        let Some(best) = candidates.first() else { return (Placement::Orphan, compared) };
        let others: Vec<&Candidate> =
            candidates.iter().filter(|other| other.differs(best.start, best.end)).collect();
        let runner_up = others.first().map_or(0.0, |other| other.total());
        // In the edition of the note, other passages resembled the quote. If the passage itself was deleted, none of
        // these may be taken for it: they are all still there, and this one is better than they were.
        let rivals = usize::from(anchor.n.unwrap_or(0));
        let rival = f64::from(anchor.r.unwrap_or(0)) / 100.0;
        let is_changed = best.quote < 1.0;
        let is_long = |context: &[char]| context.len() >= SHORT_CONTEXT;
        let is_unlike_rivals = rivals == 0
            || !is_changed
                && others.len() >= rivals
                && is_long(&quote.before)
                && is_long(&quote.after);
        // Also if only one end of a long quote is elsewhere: it was moved, and a similar one is in its place.
        let is_most_similar = others.iter().all(|other| other.quote <= best.quote)
            && best.errors.0 <= least.0
            && best.errors.1 <= least.1;
        let (weaker, stronger) = match best.prefix < best.suffix {
            true => (best.prefix, best.suffix),
            false => (best.suffix, best.prefix),
        };
        let is_surrounded = if rivals > 0 {
            // Passages that repeat each other often have similar surroundings too.
            weaker >= 1.0
        } else if is_changed {
            weaker >= MIN_CONTEXT_IF_UNSURE
        } else if quote.is_short() || !quote.is_whole() {
            weaker >= MIN_CONTEXT
        } else {
            stronger >= MIN_CONTEXT
        };
        if !is_unlike_rivals
            || !is_most_similar
            || !is_surrounded
            || best.has_other_end
            || best.total() < runner_up.max(rival) + MIN_LEAD
        {
            return (Placement::Orphan, compared);
        }
        let (block_start, _) = self.blocks[best.block];
        let passage = Passage {
            block: best.block,
            start: best.start - block_start,
            end: best.end - block_start,
        };
        (Placement::Moved(passage), compared)
    }

    /// Returns the anchor of a passage of this body without spaces at its ends, with how much the rest of the body
    /// resembles it; `None` if the passage is empty or not in the text.
    pub fn anchor(&self, body: &BlobHash, passage: Passage) -> Option<NoteAnchor> {
        let block = self.block(passage.block)?;
        let chars = block.get(passage.start..passage.end)?;
        let start = passage.start + chars.iter().take_while(|c| **c == ' ').count();
        let end = passage.end - chars.iter().rev().take_while(|c| **c == ' ').count();
        let text: String = block.iter().collect();
        let number = u32::try_from(passage.block).ok()?;
        let anchor = (start < end).then(|| NoteAnchor::of(body, number, &text, start, end))??;
        let (block_start, _) = self.blocks[passage.block];
        let (start, end) = (block_start + start, block_start + end);
        let (n, r) = match self.candidates(&Quote::of(&anchor), &mut 0) {
            Some((candidates, _)) => {
                let others: Vec<f64> = candidates
                    .iter()
                    .filter(|c| c.differs(start, end))
                    .map(Candidate::total)
                    .collect();
                let rival = others.iter().copied().fold(0.0, f64::max);
                let n = u16::try_from(others.len()).unwrap_or(u16::MAX);
                (n, (rival * 100.0).ceil().clamp(0.0, 100.0) as u8)
            }
            None => (u16::MAX, 100),
        };
        Some(NoteAnchor { n: Some(n), r: Some(r), ..anchor })
    }

    /// Returns the offsets of the anchor if they still contain its quote.
    fn same_edition(&self, anchor: &NoteAnchor, quote: &Quote) -> Option<Passage> {
        let passage = Passage {
            block: anchor.block as usize,
            start: anchor.start as usize,
            end: anchor.end as usize,
        };
        let text = self.block(passage.block)?.get(passage.start..passage.end)?;
        (text.starts_with(&quote.first) && text.ends_with(&quote.last)).then_some(passage)
    }

    /// Returns all passages that resemble the quote, and the least errors with which its first and its last characters
    /// occur anywhere; `None` if there are too many, or if the anchor has no quote.
    fn candidates(
        &self,
        quote: &Quote,
        compared: &mut usize,
    ) -> Option<(Vec<Candidate>, (usize, usize))> {
        let max_errors = |len: usize| (len as f64 * (1.0 - MIN_QUOTE) + 1e-9) as usize;
        let search = Search {
            text: self,
            quote,
            first: Pattern::new(&quote.first)?,
            first_back: Pattern::reversed(&quote.first)?,
            last: Pattern::new(&quote.last),
            before: Pattern::reversed(&quote.before),
            after: Pattern::new(&quote.after),
            max_errors_last: max_errors(quote.last.len()),
        };
        if !quote.last.is_empty() && search.last.is_none() {
            return None;
        }
        let max_candidates = match quote.last.is_empty() {
            true => MAX_CANDIDATES,
            false => MAX_LONG_CANDIDATES,
        };
        let mut candidates = Vec::new();
        let mut least = (usize::MAX, usize::MAX);
        for (block, (start, end)) in self.blocks.iter().enumerate() {
            *compared += end - start;
            if let Some(last) = &search.last {
                *compared += end - start;
                let found = last.find(&self.chars[*start..*end], search.max_errors_last);
                least.1 = found.iter().map(|(_, errors)| *errors).fold(least.1, usize::min);
            }
            for (found, errors) in
                search.first.find(&self.chars[*start..*end], max_errors(quote.first.len()))
            {
                least.0 = least.0.min(errors);
                candidates.extend(search.candidate(block, start + found, errors, compared));
                if candidates.len() > max_candidates {
                    return None;
                }
            }
        }
        Some((candidates, least))
    }
}

/// A quote that is searched in a text.
struct Search<'t> {
    text: &'t BodyText,
    quote: &'t Quote,
    first: Pattern,
    first_back: Pattern,
    last: Option<Pattern>,
    before: Option<Pattern>,
    after: Option<Pattern>,
    max_errors_last: usize,
}

impl Search<'_> {
    /// Completes a passage whose first characters end at `first_end`.
    fn candidate(
        &self,
        block: usize,
        first_end: usize,
        errors: usize,
        compared: &mut usize,
    ) -> Option<Candidate> {
        let (block_start, block_end) = self.text.blocks[block];
        let chars = &self.text.chars;
        let window = block_start.max(first_end.saturating_sub(2 * MAX_PATTERN));
        *compared += first_end - window;
        let back = chars[window..first_end].iter().rev().copied();
        let mut start = first_end - self.first_back.compare(back).1;
        while start < first_end && chars[start] == ' ' {
            start += 1;
        }
        let prefix = self.prefix(block_start, start, compared);
        let ends = match &self.last {
            None => vec![(first_end, 0)],
            Some(last) => {
                // The end of a long passage is near its former length; sentences within it may have been changed. If
                // the whole quote is known, only single characters.
                let len = self.quote.len;
                let slack = if self.quote.is_whole() { len / 5 } else { (len / 2).max(200) };
                let limit = block_end.min(start + len + slack).max(first_end);
                let from = first_end.max((start + len).saturating_sub(slack)).min(limit);
                *compared += limit - from;
                let found = last.find(&chars[from..limit], self.max_errors_last);
                let mut ends: Vec<_> = found.into_iter().map(|(end, n)| (from + end, n)).collect();
                ends.sort_by_key(|(end, _)| end.abs_diff(start + len));
                ends
            }
        };
        let shown = (self.quote.first.len() + self.quote.last.len()) as f64;
        let differ = |a: usize, b: usize| a.abs_diff(b) > EDGE_INSIDE;
        let has_other_end =
            ends.first().is_some_and(|(a, _)| ends.iter().any(|(b, _)| differ(*a, *b)));
        let mut best: Option<(f64, Candidate)> = None;
        for (end, last_errors) in ends.into_iter().take(MAX_LONG_CANDIDATES) {
            let trimmed = chars[start..end].iter().rev().take_while(|c| **c == ' ').count();
            let end = end - trimmed;
            if end <= start || !self.has_certain_edges(start, end) {
                continue;
            }
            let quote = 1.0 - (errors + last_errors) as f64 / shown;
            let suffix = self.suffix(block_end, end, compared);
            let moved = (end - start).abs_diff(self.quote.len) as f64 / self.quote.len as f64;
            // The end that resembles the quote most; of equal ones that with the same text after it.
            let rank = quote * 10.0 + suffix / 4.0 - moved / 10.0;
            if best.as_ref().is_none_or(|(other, _)| rank > *other) {
                best = Some((
                    rank,
                    Candidate {
                        block,
                        start,
                        end,
                        quote,
                        prefix,
                        suffix,
                        errors: (errors, last_errors),
                        has_other_end,
                    },
                ));
            }
        }
        best.map(|(_, candidate)| candidate).filter(|c| c.quote >= MIN_QUOTE)
    }

    /// Whether the passage begins and ends where the quote did: an inexact match can contain a part of the neighbouring
    /// sentence instead of a changed word.
    fn has_certain_edges(&self, start: usize, end: usize) -> bool {
        let chars = &self.text.chars;
        let Quote { first, last, before, after, .. } = self.quote;
        let last = if last.is_empty() { first } else { last };
        let begins = chars[start..end].starts_with(&first[..EDGE_INSIDE.min(first.len())])
            || before.len() >= EDGE_OUTSIDE
                && chars[..start].ends_with(&before[before.len() - EDGE_OUTSIDE..]);
        let ends = chars[start..end].ends_with(&last[last.len().saturating_sub(EDGE_INSIDE)..])
            || after.len() >= EDGE_OUTSIDE && chars[end..].starts_with(&after[..EDGE_OUTSIDE]);
        begins && ends
    }

    /// Compares the text before `start` with that before the quote.
    fn prefix(&self, block_start: usize, start: usize, compared: &mut usize) -> f64 {
        let Some(before) = &self.before else { return edge(start == block_start) };
        let len = self.quote.before.len();
        let window = start.saturating_sub(len + len / 2);
        *compared += start - window;
        let back = self.text.chars[window..start].iter().rev().copied();
        let similar = similarity(before.compare(back).0, len);
        let at_edge = start - block_start <= len + len / 2;
        if len < SHORT_CONTEXT && !at_edge { similar / 2.0 } else { similar }
    }
    /// Compares the text after `end` with that after the quote.
    fn suffix(&self, block_end: usize, end: usize, compared: &mut usize) -> f64 {
        let Some(after) = &self.after else { return edge(end == block_end) };
        let len = self.quote.after.len();
        let chars = &self.text.chars;
        let window = chars.len().min(end + len + len / 2);
        *compared += window - end;
        let similar = similarity(after.compare(chars[end..window].iter().copied()).0, len);
        let at_edge = block_end - end <= len + len / 2;
        if len < SHORT_CONTEXT && !at_edge { similar / 2.0 } else { similar }
    }
}

fn edge(is_there: bool) -> f64 {
    if is_there { BLOCK_EDGE } else { 0.0 }
}

fn similarity(errors: usize, len: usize) -> f64 {
    1.0 - errors as f64 / len.max(1) as f64
}

#[cfg(test)]
mod tests;
