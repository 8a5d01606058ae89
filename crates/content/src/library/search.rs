//! Search as the user types, in the stored catalogue and in the text of downloaded content. No
//! network.

use carrel_model::{
    BlobHash, ItemId, Slug,
    content::{ManifestContent, SectionBody, Story},
    search_text::{BodyReader, search_text},
    wire::SearchKind,
};
use rusqlite::params;
use serde::de::DeserializeOwned;

use crate::{
    Error, Result,
    kind::Kind,
    library::{Library, OpenManifest},
};

const MAX_HITS: usize = 50;

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

impl Library {
    /// Returns at most 50 results: first courses and stories of the catalogue, then text, best matches
    /// first. Ignores case. In text, ignores accents, and each word matches as a prefix.
    pub fn search(&self, q: &str) -> Result<Vec<Hit>> {
        let words: Vec<String> = q.split_whitespace().take(8).map(str::to_lowercase).collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let mut hits = self.search_titles(&words)?;
        hits.extend(self.search_text(&words)?);
        let mut seen = std::collections::HashSet::new();
        hits.retain(|h| seen.insert(h.item.clone()));
        hits.truncate(MAX_HITS);
        Ok(hits)
    }

    fn search_titles(&self, words: &[String]) -> Result<Vec<Hit>> {
        let mut hits = Vec::new();
        for (kind, hit_kind) in [(Kind::Course, HitKind::Course), (Kind::Story, HitKind::Story)] {
            self.inner.lists.read_blocking(|conn| {
                let clause =
                    words.iter().map(|_| "instr(words, ?) > 0").collect::<Vec<_>>().join(" AND ");
                let sql = format!(
                    "SELECT id, title FROM listed WHERE kind = '{}' AND {clause}
                     ORDER BY instr(lower(title), ?) = 0, position LIMIT 20",
                    kind.as_str()
                );
                let values = words.iter().chain(words.first());
                let rows = conn
                    .prepare_cached(&sql)?
                    .query_map(rusqlite::params_from_iter(values), |r| {
                        Ok((r.get::<_, String>("id")?, r.get("title")?))
                    })?
                    .collect::<rusqlite::Result<Vec<(String, String)>>>()?;
                hits.extend(rows.into_iter().filter_map(|(id, title)| {
                    Some(Hit {
                        kind: hit_kind,
                        item: ItemId::new(id).ok()?,
                        title,
                        course_title: String::new(),
                        snippet: String::new(),
                    })
                }));
                Ok(())
            })?;
        }
        Ok(hits)
    }

    fn search_text(&self, words: &[String]) -> Result<Vec<Hit>> {
        // The tokenizer does not find words in scripts without spaces; they are searched as substrings.
        let spaced = words.iter().all(|w| w.chars().all(|c| c < '\u{2e80}'));
        self.inner.content.read_blocking(|conn| {
            let row = |r: &rusqlite::Row<'_>| {
                let kind: String = r.get("kind")?;
                Ok((kind, r.get::<_, String>("item")?, r.get("title")?, r.get("course_title")?, r.get("snippet")?))
            };
            let rows: Vec<(String, String, String, String, String)> = if spaced {
                let query = words.iter().map(|w| format!("\"{}\"*", w.replace('"', ""))).collect::<Vec<_>>().join(" ");
                conn.prepare_cached(
                    "SELECT t.kind, t.item, t.title, t.course_title,
                            snippet(page_words, 1, char(2), char(3), '…', 16) AS snippet
                     FROM page_words JOIN page_text t ON t.rowid = page_words.rowid
                     WHERE page_words MATCH ?1 AND t.account = ?2
                     ORDER BY bm25(page_words, 8.0, 1.0) LIMIT 40",
                )?
                .query_map(params![query, self.inner.account], row)?
                .collect::<rusqlite::Result<_>>()?
            } else {
                conn.prepare_cached(
                    "SELECT kind, item, title, course_title, substr(body, max(1, instr(body, ?1) - 20), 60) AS snippet
                     FROM page_text WHERE account = ?2 AND (instr(body, ?1) > 0 OR instr(title, ?1) > 0) LIMIT 40",
                )?
                .query_map(params![words.join(" "), self.inner.account], row)?
                .collect::<rusqlite::Result<_>>()?
            };
            Ok(rows
                .into_iter()
                .filter_map(|(kind, item, title, course_title, snippet)| {
                    let kind = if kind == "story" { HitKind::Story } else { HitKind::Section };
                    Some(Hit { kind, item: ItemId::new(item).ok()?, title, course_title, snippet })
                })
                .collect())
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
            tx.execute("DELETE FROM page_text WHERE account = ?1 AND root = ?2", params![self.inner.account, root.as_str()])?;
            for (entry, kind) in &pages {
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO page_text (account, root, item, kind, title, course_title, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![self.inner.account, root.as_str(), entry.item.as_str(), kind, entry.title, course_title, entry.text])?;
            }
            Ok(())
        })
    }

    /// Indexes ready content that has no indexed text, for example after `content.db` was rebuilt.
    pub fn index_missing(&self) -> Result<()> {
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
