//! A lexicon in memory: the vocabulary of a course or story.

use std::{collections::BTreeMap, ops::Bound};

use carrel_model::text::fold_word;

use crate::{
    Entry, Result,
    look_up::{Lexicon, Named},
    stem::stem,
};

/// Words with their entries, numbered from 0.
#[derive(Debug, Default)]
pub struct WordList {
    entries: Vec<Entry>,
    by_key: BTreeMap<String, Vec<u32>>,
    by_stem: BTreeMap<String, Vec<u32>>,
    max_words: usize,
}

impl WordList {
    /// Indexes the entries of words in the language `lang`.
    pub fn new(lang: &str, entries: Vec<Entry>) -> Self {
        let mut list = Self::default();
        for (n, entry) in (0..).zip(&entries) {
            let key = fold_word(&entry.headword, lang);
            list.max_words = list.max_words.max(key.split(' ').count());
            if let Some(stem) = stem(&key, lang) {
                list.by_stem.entry(stem).or_default().push(n);
            }
            list.by_key.entry(key).or_default().push(n);
        }
        Self { entries, ..list }
    }
}

impl Lexicon for WordList {
    fn by_headword(&self, key: &str) -> Result<Vec<Named>> {
        let found = self.by_key.get(key).into_iter().flatten();
        let named = found.filter_map(|id| {
            let entry = self.entries.get(*id as usize)?;
            Some(Named { text: entry.headword.clone(), entry: *id })
        });
        Ok(named.collect())
    }
    fn by_form(&self, _: &str) -> Result<Vec<Named>> {
        Ok(Vec::new())
    }
    fn by_stem(&self, stem: &str) -> Result<Vec<u32>> {
        Ok(self.by_stem.get(stem).cloned().unwrap_or_default())
    }
    fn has_prefix(&self, key: &str) -> Result<bool> {
        let next = self.by_key.range::<str, _>((Bound::Included(key), Bound::Unbounded)).next();
        Ok(next.is_some_and(|(found, _)| found.starts_with(key)))
    }
    fn max_words(&self) -> usize {
        self.max_words
    }
    fn entry(&self, id: u32) -> Result<Option<Entry>> {
        Ok(self.entries.get(id as usize).cloned())
    }
}
