//! Footnotes: numbered by their first reference, whichever block that is in.
//!
//! Not here: how a note is shown.

use std::ops::Range;

use pulldown_cmark::{Event, Tag};

use super::{Spanned, group_end};

/// Names of footnotes in the order in which they are first referred to, and where they are defined.
pub(super) struct Footnotes {
    pub order: Vec<String>,
    pub defined: Vec<(String, Range<usize>)>,
    references: Vec<usize>,
}

impl Footnotes {
    pub fn of(events: &[Spanned<'_>]) -> Self {
        let mut defined = Vec::new();
        for (i, (event, _)) in events.iter().enumerate() {
            if let Event::Start(Tag::FootnoteDefinition(name)) = event {
                defined.push((name.to_string(), i + 1..group_end(events, i) - 1));
            }
        }
        Self { order: Vec::new(), defined, references: Vec::new() }
    }
    /// Number of the note and how often it has been referred to, this time included; None if nobody defines it.
    pub fn refer(&mut self, name: &str) -> Option<(usize, usize)> {
        self.defined.iter().find(|(n, _)| n == name)?;
        let at = self.order.iter().position(|n| n == name).unwrap_or_else(|| {
            self.order.push(name.to_owned());
            self.references.push(0);
            self.order.len() - 1
        });
        self.references[at] += 1;
        Some((at + 1, self.references[at]))
    }
}
