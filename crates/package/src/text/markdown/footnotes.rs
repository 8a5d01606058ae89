//! Footnotes, numbered in the order of their first references in the whole text.
//!
//! Not here: rendering of notes.

use std::{collections::HashMap, ops::Range};

use pulldown_cmark::{Event, Tag};

use super::events::Spanned;
use super::group_end;

/// A definition: its events and, if it is referenced, its index in `order` and the number of references.
type Definition = (Range<usize>, Option<(usize, usize)>);

/// Footnotes in the order of their first references, and their definitions.
pub(super) struct Footnotes {
    /// The events of each referenced note.
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
    /// Returns name and index of the first event of each note without a reference, in the order of the text.
    pub fn unused(&self) -> Vec<(&str, usize)> {
        let mut unused: Vec<_> = self
            .defined
            .iter()
            .filter(|(_, (_, reference))| reference.is_none())
            .map(|(name, (range, _))| (name.as_str(), range.start.saturating_sub(1)))
            .collect();
        unused.sort_by_key(|(_, index)| *index);
        unused
    }
    /// Adds a reference. Returns the note's number and its count of references so far; `None` if the note is not
    /// defined.
    pub fn add_reference(&mut self, name: &str) -> Option<(usize, usize)> {
        let (range, position) = self.defined.get_mut(name)?;
        let (index, references) = position.get_or_insert_with(|| {
            self.order.push(range.clone());
            (self.order.len() - 1, 0)
        });
        *references += 1;
        Some((*index + 1, *references))
    }
}
