//! Search as the user types, in the stored catalogue and in the text of downloaded content. No network.

use std::{collections::HashSet, ops::RangeInclusive};

use carrel_model::{
    BlobHash, ItemId, Slug,
    content::{ManifestContent, SectionBody, Story},
    search_text::{BodyReader, search_text},
    text::{SearchQuery, excerpt},
    wire::SearchKind,
};
use carrel_sqlite::search::{self, Source};
use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;

use crate::{
    Error, Result,
    kind::Kind,
    library::{
        Library, OpenManifest,
        catalogue::{self, LISTED_TERMS},
    },
};

/// Largest number of results on a page.
pub const MAX_HITS: u32 = 200;
/// The index of `page_text`.
const PAGE_TERMS: &str = "page_terms";
const PAGES: Source = Source { index: PAGE_TERMS, table: "page_text", row: "rowid", item: "item" };
const LISTED: Source = Source { index: LISTED_TERMS, table: "listed", row: "entry", item: "id" };
/// Number of row ids of `page_text` for each account. The texts of an account have consecutive ids, so that a search
/// does not read those of others.
const ROWS_PER_ACCOUNT: i64 = 1 << 40;
/// Length of an excerpt in characters.
const EXCERPT_CHARS: usize = 120;
/// Texts that are indexed in one transaction.
const BATCH: u32 = 200;

/// Kind of a search result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HitKind {
    /// A course, found in the catalogue.
    Course,
    /// A section, found by its text.
    Section,
    /// A story, found in the catalogue or by its text.
    Story,
}

/// One search result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Kind of the item.
    pub kind: HitKind,
    /// Id of the item.
    pub item: ItemId,
    /// Title of the item.
    pub title: String,
    /// Title of the course that contains the item; empty if there is none.
    pub course_title: String,
    /// Excerpt as plain text, with U+0002 and U+0003 around each match; empty for titles.
    pub snippet: String,
}

/// One page of search results.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchPage {
    /// Results of this page.
    pub hits: Vec<Hit>,
    /// Number of all results.
    pub total: u64,
}

impl Library {
    /// Returns a page of results: first courses and stories of the catalogue, then text, best matches first; at most
    /// `search::MAX_FOUND` of each. All words must be found, the last one also as a prefix. How words are compared:
    /// `carrel_model::text`. `limit` is at most `MAX_HITS`.
    pub fn search(&self, q: &str, offset: u32, limit: u32) -> Result<SearchPage> {
        let Some(query) = SearchQuery::parse(q) else { return Ok(SearchPage::default()) };
        let listed = self.inner.lists.read_blocking(|conn| {
            Ok(search::find(conn, &LISTED, &query, &(i64::MIN..=i64::MAX))?)
        })?;
        // The text of a story that is found in the catalogue is not a result of its own: both have the same item.
        let stories: HashSet<&str> =
            listed.iter().filter(|f| f.kind == "story").map(|f| f.item.as_str()).collect();
        let account = &self.inner.account;
        self.inner.content.read_blocking(|conn| {
            let mut texts = match rows_of(conn, account)? {
                Some(rows) => search::find(conn, &PAGES, &query, &rows)?,
                None => Vec::new(),
            };
            texts.retain(|f| f.kind != "story" || !stories.contains(f.item.as_str()));
            let total = (listed.len() + texts.len()) as u64;
            let page = listed
                .iter()
                .map(|found| (found, false))
                .chain(texts.iter().map(|found| (found, true)))
                .skip(usize::try_from(offset).unwrap_or(usize::MAX))
                .take(limit.clamp(1, MAX_HITS) as usize);
            let mut stmt =
                conn.prepare_cached("SELECT course_title, body FROM page_text WHERE rowid = ?1")?;
            let mut hits = Vec::new();
            for (found, is_text) in page {
                let Ok(item) = ItemId::new(found.item.clone()) else { continue };
                let mut hit = Hit {
                    kind: match Kind::of_str(&found.kind) {
                        Kind::Story => HitKind::Story,
                        Kind::Course if is_text => HitKind::Section,
                        Kind::Course => HitKind::Course,
                    },
                    item,
                    title: found.title.clone(),
                    course_title: String::new(),
                    snippet: String::new(),
                };
                if is_text {
                    let (course_title, body): (String, String) = stmt
                        .query_row([found.row], |r| Ok((r.get("course_title")?, r.get("body")?)))?;
                    hit.course_title = course_title;
                    hit.snippet = excerpt(&body, &query, EXCERPT_CHARS).marked("\u{2}", "\u{3}");
                }
                hits.push(hit);
            }
            Ok(SearchPage { hits, total })
        })
    }

    /// Replaces the indexed text of a downloaded course or story.
    pub fn index(&self, manifest: &OpenManifest) -> Result<()> {
        let root = manifest.manifest.id();
        let course_title = match &manifest.manifest.content {
            ManifestContent::Course { meta, .. } => meta.title.as_str(),
            ManifestContent::Story { .. } => "",
        };
        let entries = search_text(&manifest.manifest, &mut LocalBodies(self))?;
        let pages: Vec<_> = entries
            .into_iter()
            .filter_map(|entry| match entry.kind {
                SearchKind::Section => Some((entry, "section")),
                SearchKind::StoryText => Some((entry, "story")),
                // Titles and descriptions are searched in the catalogue.
                SearchKind::Course | SearchKind::Story => None,
            })
            .collect();
        self.inner.content.write_blocking("search.index", |tx| {
            tx.execute(
                "DELETE FROM page_text WHERE account = ?1 AND root = ?2",
                params![self.inner.account, root.as_str()],
            )?;
            for (entry, kind) in &pages {
                // Not INSERT OR REPLACE, which would not remove the terms.
                tx.prepare_cached("DELETE FROM page_text WHERE account = ?1 AND item = ?2")?
                    .execute(params![self.inner.account, entry.item.as_str()])?;
                tx.prepare_cached(
                    "INSERT INTO page_text (rowid, account, root, item, kind, title, course_title, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    next_row(tx, &self.inner.account)?,
                    self.inner.account,
                    root.as_str(),
                    entry.item.as_str(),
                    kind,
                    entry.title,
                    course_title,
                    entry.text
                ])?;
                search::insert(tx, PAGE_TERMS, tx.last_insert_rowid(), &entry.title, &entry.text)?;
            }
            Ok(())
        })
    }

    /// Indexes what an earlier release stored, and ready content that has no text, for example after `content.db` was
    /// rebuilt.
    pub fn index_missing(&self) -> Result<()> {
        self.inner
            .lists
            .write_blocking("search.index_listed", |tx| catalogue::index_missing(tx))?;
        let texts = "SELECT rowid AS row, title, body AS text FROM page_text";
        while self.inner.content.write_blocking("search.index_texts", |tx| {
            Ok(search::insert_missing(tx, PAGE_TERMS, texts, BATCH)? == BATCH)
        })? {}
        let missing: Vec<(String, String)> = self.inner.content.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT kind, id FROM download d WHERE account = ?1 AND scope = '' AND ready IS NOT NULL
                       AND NOT EXISTS (SELECT 1 FROM page_text p WHERE p.account = d.account AND p.root = d.id)",
                )?
                .query_map([&self.inner.account], |r| Ok((r.get(0)?, r.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?)
        })?;
        for (kind, id) in missing {
            if let Ok(id) = Slug::new(id)
                && let Some(manifest) = self.ready_manifest(Kind::of_str(&kind), &id)?
            {
                self.index(&manifest)?;
            }
        }
        Ok(())
    }

    /// Removes the text of a course or story from the index.
    pub fn unindex(&self, root: &Slug) -> Result<()> {
        self.inner.content.write_blocking("search.unindex", |conn| {
            conn.execute(
                "DELETE FROM page_text WHERE account = ?1 AND root = ?2",
                params![self.inner.account, root.as_str()],
            )?;
            Ok(())
        })
    }
}

/// Returns the row ids of the texts of an account. `None` if it has none.
fn rows_of(conn: &Connection, account: &str) -> rusqlite::Result<Option<RangeInclusive<i64>>> {
    let sql = "SELECT rowid FROM page_text WHERE account = ?1 LIMIT 1";
    let any: Option<i64> =
        conn.prepare_cached(sql)?.query_row([account], |r| r.get(0)).optional()?;
    Ok(any.map(|row| {
        let first = row - row % ROWS_PER_ACCOUNT;
        first..=first + ROWS_PER_ACCOUNT - 1
    }))
}

/// Returns the row id of the next text of an account.
fn next_row(conn: &Connection, account: &str) -> rusqlite::Result<i64> {
    let last = |sql: &str, end: i64| -> rusqlite::Result<Option<i64>> {
        conn.prepare_cached(sql)?.query_row([end], |r| r.get(0))
    };
    match rows_of(conn, account)? {
        Some(rows) => {
            let last = last("SELECT max(rowid) FROM page_text WHERE rowid <= ?1", *rows.end())?;
            Ok(last.map_or(*rows.start(), |row| row + 1))
        }
        None => {
            let last = last("SELECT max(rowid) FROM page_text WHERE rowid <= ?1", i64::MAX)?;
            Ok((last.unwrap_or(0) / ROWS_PER_ACCOUNT + 1) * ROWS_PER_ACCOUNT)
        }
    }
}

/// Reads bodies from this device. Missing and malformed bodies are left out of the index.
struct LocalBodies<'a>(&'a Library);

impl LocalBodies<'_> {
    fn read<T: DeserializeOwned>(&self, hash: BlobHash) -> Result<Option<T>> {
        let bytes = self.0.inner.blobs.get(hash)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }
}

impl BodyReader for LocalBodies<'_> {
    type Error = Error;
    fn section(&mut self, hash: BlobHash) -> Result<Option<SectionBody>> {
        self.read(hash)
    }
    fn story(&mut self, hash: BlobHash) -> Result<Option<Story>> {
        self.read(hash)
    }
}

#[cfg(test)]
mod tests;
