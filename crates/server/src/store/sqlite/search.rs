//! Full-text search with FTS5 (`carrel_sqlite::search`). Publications are found by title, description and tags, in the
//! index `publication_terms`; the texts in them in `passage_terms`.

use carrel_model::{
    ItemId,
    text::{SearchQuery, excerpt},
    wire::{SearchHit, SearchKind},
};
use carrel_sqlite::search;
use rusqlite::Connection;

use super::SqliteTx;
use crate::store::{
    Result, StoreError,
    tx::{Listed, SearchTx},
};

pub(super) const PUBLICATIONS: &str = "publication_terms";
const PASSAGES: &str = "passage_terms";
/// Length of an excerpt in characters.
const EXCERPT_CHARS: usize = 160;
/// Texts that are indexed in one transaction.
const BATCH: u32 = 500;

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
    fn search(&self, query: &SearchQuery, offset: u64, limit: u32) -> Result<Listed<SearchHit>> {
        // The text of a story that is found by its title is not a hit of its own: both have the same item.
        let found = format!(
            "WITH publication_found AS (
               SELECT s.id, s.kind, s.item, {} AS score FROM {PUBLICATIONS} f JOIN passage s ON s.id = f.rowid
               WHERE {PUBLICATIONS} MATCH ?1
             ), found AS (
               SELECT 0 AS part, id, item, score FROM publication_found
               UNION ALL
               SELECT 1 AS part, s.id, s.item, {} AS score FROM {PASSAGES} f JOIN passage s ON s.id = f.rowid
               WHERE {PASSAGES} MATCH ?1 AND NOT (s.kind = 'story_text'
                 AND EXISTS (SELECT 1 FROM publication_found p WHERE p.kind = 'story' AND p.item = s.item))
             )",
            search::rank(PUBLICATIONS),
            search::rank(PASSAGES)
        );
        let expression = search::match_expression(query);
        let total: i64 = self
            .prepare_cached(&format!("{found} SELECT count(*) FROM found"))?
            .query_row([&expression], |r| r.get(0))?;
        let mut stmt = self.prepare_cached(&format!(
            "{found} SELECT s.kind, s.item, s.title, s.lang, s.text
             FROM (SELECT * FROM found ORDER BY part, score, item LIMIT ?2 OFFSET ?3) f JOIN passage s ON s.id = f.id
             ORDER BY f.part, f.score, f.item"
        ))?;
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        let mut rows = stmt.query((&expression, i64::from(limit), offset))?;
        let mut items = Vec::new();
        while let Some(r) = rows.next()? {
            let item: String = r.get("item")?;
            items.push(SearchHit {
                kind: match r.get_ref("kind")?.as_str().unwrap_or_default() {
                    "course" => SearchKind::Course,
                    "story" => SearchKind::Story,
                    "section" => SearchKind::Section,
                    _ => SearchKind::StoryText,
                },
                item: ItemId::new(item).map_err(|e| StoreError::unreadable("passage", e))?,
                title: r.get("title")?,
                lang: r.get("lang")?,
                snippet: excerpt(
                    r.get_ref("text")?.as_str().unwrap_or_default(),
                    query,
                    EXCERPT_CHARS,
                )
                .text,
            });
        }
        Ok(Listed { items, total: total.unsigned_abs() })
    }
}
