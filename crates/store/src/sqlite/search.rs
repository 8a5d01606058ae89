//! Full-text search with FTS5 (`carrel_sqlite::search`). Publications are found by title, description and tags, in the
//! index `publication_terms`; the texts in them in `passage_terms`.

use std::collections::HashSet;

use carrel_model::{
    ItemId,
    text::{SearchQuery, excerpt},
    wire::{SearchHit, SearchKind},
};
use carrel_sqlite::search::{self, Found, Source};
use rusqlite::Connection;

use super::SqliteTx;
use crate::{
    Result, StoreError,
    tx::{Audience, EXCERPT_CHARS, Listed, SearchTx, passage_kind_of},
};

pub(super) const PUBLICATIONS: &str = "publication_terms";
const PASSAGES: &str = "passage_terms";
/// Texts that are indexed in one transaction.
const BATCH: u32 = 500;

/// Returns the source of an index.
const fn passages(index: &'static str) -> Source {
    Source { index, table: "passage", row: "id", item: "item" }
}

/// Returns the index for passages of this kind.
pub(super) fn index_of(kind: SearchKind) -> &'static str {
    match kind {
        SearchKind::Course | SearchKind::Story => PUBLICATIONS,
        SearchKind::Section | SearchKind::StoryText => PASSAGES,
    }
}

/// Indexes the passages that an earlier release stored.
pub(super) fn index_missing(conn: &Connection) -> rusqlite::Result<()> {
    for (index, condition) in [(PUBLICATIONS, "IN"), (PASSAGES, "NOT IN")] {
        let texts = format!(
            "SELECT id AS row, title, text FROM passage WHERE kind {condition} ('course', 'story')"
        );
        loop {
            let tx = conn.unchecked_transaction()?;
            let added = search::insert_missing(&tx, index, &texts, BATCH)?;
            tx.commit()?;
            if added < BATCH {
                break;
            }
        }
    }
    Ok(())
}

impl SearchTx for SqliteTx<'_> {
    fn search(
        &self,
        query: &SearchQuery,
        audience: &Audience,
        offset: u64,
        limit: u32,
    ) -> Result<Listed<SearchHit>> {
        let hidden = self.hidden_courses(audience)?;
        // Ids of courses and stories differ, so the first part of an item tells where it is.
        let is_visible = |f: &Found| match f.item.split_once('/') {
            Some((root, _)) => !hidden.contains(root),
            None => !hidden.contains(&f.item),
        };
        let rows = i64::MIN..=i64::MAX;
        let mut found = search::find(self, &passages(PUBLICATIONS), query, &rows)?;
        // The text of a story that is found by its title is not a hit of its own: both have the same item.
        let stories: HashSet<String> =
            found.iter().filter(|f| f.kind == "story").map(|f| f.item.clone()).collect();
        let texts = search::find(self, &passages(PASSAGES), query, &rows)?;
        let is_other = |f: &Found| f.kind != "story_text" || !stories.contains(&f.item);
        found.extend(texts.into_iter().filter(is_other));
        found.retain(is_visible);
        let total = found.len() as u64;
        let page = found
            .into_iter()
            .skip(usize::try_from(offset).unwrap_or(usize::MAX))
            .take(limit as usize);
        let mut stmt = self.prepare_cached("SELECT lang, text FROM passage WHERE id = ?1")?;
        let mut items = Vec::new();
        for found in page {
            let (lang, text): (String, String) =
                stmt.query_row([found.row], |r| Ok((r.get("lang")?, r.get("text")?)))?;
            items.push(SearchHit {
                kind: passage_kind_of(&found.kind),
                item: ItemId::new(found.item).map_err(|e| StoreError::unreadable("passage", e))?,
                title: found.title,
                lang,
                snippet: excerpt(&text, query, EXCERPT_CHARS).text,
            });
        }
        Ok(Listed { items, total })
    }
}
