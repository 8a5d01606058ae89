//! Search as the user types, in the stored catalogue and in the text of downloaded content. No
//! network.

use carrel_model::{
    BlobHash, ItemId, Slug,
    content::{ManifestContent, SectionBody, Story},
    search_text::{BodyReader, search_text},
    text::{SearchQuery, excerpt},
    wire::SearchKind,
};
use carrel_sqlite::search;
use rusqlite::params;
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
    /// Returns a page of results: first courses and stories of the catalogue, then text, best matches first. All words
    /// must be found, the last one also as a prefix. How words are compared: `carrel_model::text`. `limit` is at most
    /// `MAX_HITS`.
    pub fn search(&self, q: &str, offset: u32, limit: u32) -> Result<SearchPage> {
        let Some(query) = SearchQuery::parse(q) else { return Ok(SearchPage::default()) };
        let limit = limit.clamp(1, MAX_HITS);
        let (mut hits, listed, stories) = self.search_listed(&query, offset, limit)?;
        let missing = limit.saturating_sub(u32::try_from(hits.len()).unwrap_or(limit));
        let skip = u64::from(offset).saturating_sub(listed);
        let (texts, found) = self.search_texts(&query, &stories, skip, missing)?;
        hits.extend(texts);
        Ok(SearchPage { hits, total: listed + found })
    }

    /// Searches the catalogue. Returns a page, the number of all results, and the ids of all stories among them as a
    /// JSON list.
    fn search_listed(
        &self,
        query: &SearchQuery,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<Hit>, u64, String)> {
        let expression = search::match_expression(query);
        let from = format!(
            "FROM {LISTED_TERMS} f JOIN listed l ON l.entry = f.rowid WHERE {LISTED_TERMS} MATCH ?1"
        );
        self.inner.lists.read_blocking(|conn| {
            let (total, stories): (i64, String) = conn
                .prepare_cached(&format!(
                    "SELECT count(*), json_group_array(l.id) FILTER (WHERE l.kind = 'story') {from}"
                ))?
                .query_row([&expression], |r| Ok((r.get(0)?, r.get(1)?)))?;
            let sql = format!(
                "SELECT l.kind, l.id, l.title {from} ORDER BY {}, l.id LIMIT ?2 OFFSET ?3",
                search::rank(LISTED_TERMS)
            );
            let rows = conn
                .prepare_cached(&sql)?
                .query_map(params![expression, limit, offset], |r| {
                    Ok((r.get("kind")?, r.get("id")?, r.get("title")?))
                })?
                .collect::<rusqlite::Result<Vec<(String, String, String)>>>()?;
            let hit = |(kind, id, title): (String, String, String)| {
                Some(Hit {
                    kind: match Kind::of_str(&kind) {
                        Kind::Course => HitKind::Course,
                        Kind::Story => HitKind::Story,
                    },
                    item: ItemId::new(id).ok()?,
                    title,
                    course_title: String::new(),
                    snippet: String::new(),
                })
            };
            Ok((rows.into_iter().filter_map(hit).collect(), total.unsigned_abs(), stories))
        })
    }

    /// Searches texts, except those of the `stories` that are found in the catalogue. Returns a page and the number of
    /// all results.
    fn search_texts(
        &self,
        query: &SearchQuery,
        stories: &str,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<Hit>, u64)> {
        let expression = search::match_expression(query);
        let from = format!(
            "FROM {PAGE_TERMS} f JOIN page_text t ON t.rowid = f.rowid
             WHERE {PAGE_TERMS} MATCH ?1 AND t.account = ?2
               AND NOT (t.kind = 'story' AND t.item IN (SELECT value FROM json_each(?3)))"
        );
        let account = &self.inner.account;
        self.inner.content.read_blocking(|conn| {
            let total: i64 = conn
                .prepare_cached(&format!("SELECT count(*) {from}"))?
                .query_row(params![expression, account, stories], |r| r.get(0))?;
            let sql = format!(
                "SELECT t.kind, t.item, t.title, t.course_title, t.body {from}
                 ORDER BY {}, t.item LIMIT ?4 OFFSET ?5",
                search::rank(PAGE_TERMS)
            );
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            let mut stmt = conn.prepare_cached(&sql)?;
            let mut rows = stmt.query(params![expression, account, stories, limit, offset])?;
            let mut hits = Vec::new();
            while let Some(r) = rows.next()? {
                let is_story = r.get_ref("kind")?.as_str().is_ok_and(|kind| kind == "story");
                let Ok(item) = ItemId::new(r.get::<_, String>("item")?) else { continue };
                let body = r.get_ref("body")?.as_str().unwrap_or_default();
                hits.push(Hit {
                    kind: if is_story { HitKind::Story } else { HitKind::Section },
                    item,
                    title: r.get("title")?,
                    course_title: r.get("course_title")?,
                    snippet: excerpt(body, query, EXCERPT_CHARS).marked("\u{2}", "\u{3}"),
                });
            }
            Ok((hits, total.unsigned_abs()))
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
                    "INSERT INTO page_text (account, root, item, kind, title, course_title, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
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
