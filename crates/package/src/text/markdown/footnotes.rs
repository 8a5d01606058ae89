//! Footnotes: numbered by their first reference, whichever block that is in.
//!
//! Not here: how a note is shown.

use std::{collections::HashMap, ops::Range};

use pulldown_cmark::{Event, Tag};

use super::{Spanned, group_end};

/// A definition: its events, and once it was referred to, its place in the order and the number of references.
type Definition = (Range<usize>, Option<(usize, usize)>);

/// Footnotes in the order in which they are first referred to, and where they are defined.
pub(super) struct Footnotes {
    /// The events of each note.
    pub order: Vec<Range<usize>>,
    /// The first definition of each name.
    defined: HashMap<String, Definition>,
}

impl Footnotes {
    pub fn of(events: &[Spanned<'_>]) -> Self {
        let mut defined = HashMap::new();
        for (i, (event, _)) in events.iter().enumerate() {
            if let Event::Start(Tag::FootnoteDefinition(name)) = event {
                let range = i + 1..group_end(events, i) - 1;
                defined.entry(name.to_string()).or_insert((range, None));
            }
        }
        Self { order: Vec::new(), defined }
    }
    /// Number of the note and how often it has been referred to, this time included; None if nobody defines it.
    pub fn refer(&mut self, name: &str) -> Option<(usize, usize)> {
        let (range, referred) = self.defined.get_mut(name)?;
        let (at, references) = referred.get_or_insert_with(|| {
            self.order.push(range.clone());
            (self.order.len() - 1, 0)
        });
        *references += 1;
        Some((*at + 1, *references))
    }
}
