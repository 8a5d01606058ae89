//! The catalogue: stored lists of the server's courses and stories, filtered on this device.

use std::collections::BTreeMap;

use bytes::Bytes;
use carrel_model::{
    content::Difficulty,
    search_text::metadata_text,
    text::{SearchQuery, language},
    wire::{CourseSummary, ListPage, StorySummary},
};
use carrel_net::Error as Net;
use carrel_sqlite::{Change, search};
use rusqlite::{Connection, OptionalExtension, Params, params, params_from_iter, types::Value};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Result,
    kind::Kind,
    library::{Dated, Library},
};

const PAGE_SIZE: u32 = 200;
/// The index of `listed`.
pub(super) const LISTED_TERMS: &str = "listed_terms";
/// Limits the number of requests if the server's total is wrong: 100,000 entries.
const MAX_PAGES: u32 = 500;

/// Filter of a list. `None` does not filter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Search text: entries must contain every word, the last one as a prefix.
    pub q: Option<String>,
    /// Difficulty of a course.
    pub difficulty: Option<Difficulty>,
    /// Level of a story.
    pub level: Option<u8>,
    /// Exact name of the category.
    pub category: Option<String>,
    /// Language tag, compared as by `text::language::is_accepted`.
    pub lang: Option<String>,
    /// Languages of the learner, in their order: entries that none of them accepts are left out. Empty: all languages.
    pub langs: Vec<String>,
    /// Family of a story.
    pub family: Option<String>,
    /// One entry for all languages of a story: the first of `langs` that it has, else the first of the list.
    pub grouped: bool,
    /// Ids of the entries to return.
    pub only: Option<Vec<String>>,
    /// Number of entries to skip.
    pub offset: u32,
    /// Largest number of entries to return, 1 to 1000.
    pub limit: u32,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// Entries of this page, in the server's order.
    pub items: Vec<T>,
    /// Number of entries that match the filter.
    pub total: u64,
    /// Categories of all entries, regardless of the filter.
    pub categories: Vec<String>,
    /// Languages of all entries, regardless of the filter.
    pub languages: Vec<String>,
    /// Languages of each family of this page, regardless of the filter.
    pub families: BTreeMap<String, Vec<String>>,
}

impl Library {
    /// Returns one page of the courses. Waits for the network only if no list is stored.
    pub async fn courses(&self, filter: &Filter) -> Result<Dated<Listing<CourseSummary>>> {
        self.list(Kind::Course, filter).await
    }
    /// Returns one page of the stories. Waits for the network only if no list is stored.
    pub async fn stories(&self, filter: &Filter) -> Result<Dated<Listing<StorySummary>>> {
        self.list(Kind::Story, filter).await
    }

    /// Returns one page of the stored list. Refreshes the list in the background if it is stale
    /// according to the route table.
    async fn list<T: DeserializeOwned + Send + 'static>(
        &self,
        kind: Kind,
        filter: &Filter,
    ) -> Result<Dated<Listing<T>>> {
        let mut state = self.blocking(move |library| library.list_state(kind)).await?;
        let mut offline = self.inner.cache.is_offline();
        let route = self.inner.cache.route(&format!("/api/{}", kind.path()));
        let age = |as_of: i64| {
            self.inner.clock.now_ms().checked_sub(as_of).and_then(|ms| u64::try_from(ms).ok())
        };
        match state {
            None => {
                if let Err(e) = self.refresh(kind).await {
                    // Without a list from the server, content on this device is listed.
                    if !self.blocking(move |library| library.add_local_to_list(kind)).await? {
                        return Err(e);
                    }
                    offline = true;
                    tracing::debug!(catalogue.kind = kind.as_str(), error = %e, "listing local content only");
                }
                state = self.blocking(move |library| library.list_state(kind)).await?;
            }
            Some((as_of, _))
                if age(as_of).is_none_or(|ms| u128::from(ms) >= route.fresh.as_millis()) =>
            {
                let library = self.clone();
                tokio::spawn(async move {
                    if let Err(e) = library.refresh(kind).await {
                        tracing::debug!(catalogue.kind = kind.as_str(), error = %e, "cannot refresh the list");
                    }
                });
            }
            Some(_) => {}
        }
        offline |= self.inner.cache.is_offline();
        let as_of_ms = state.map_or(0, |s| s.0);
        let stale = age(as_of_ms).is_none_or(|ms| u128::from(ms) >= route.fresh.as_millis());
        let filter = filter.clone();
        let value = self.blocking(move |library| library.read_list(kind, &filter)).await?;
        Ok(Dated { value, as_of_ms, stale, offline })
    }

    fn list_state(&self, kind: Kind) -> Result<Option<(i64, Vec<u8>)>> {
        self.inner.lists.read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT as_of_ms, digest FROM listed_state WHERE kind = ?1")?
                .query_row([kind.as_str()], |r| Ok((r.get("as_of_ms")?, r.get("digest")?)))
                .optional()?)
        })
    }

    /// Requests all pages (for unchanged pages the server replies 304) and replaces the stored list if it
    /// has changed.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached; the stored list is kept.
    pub async fn refresh(&self, kind: Kind) -> Result<()> {
        let mut bodies = Vec::new();
        let mut digest = blake3::Hasher::new();
        let mut as_of_ms = i64::MAX;
        for page in 1..=MAX_PAGES {
            let path = format!("/api/{}?page={page}&pageSize={PAGE_SIZE}", kind.path());
            let cached = self.inner.cache.refresh(&path).await?;
            // A stored response does not count: a stale list would be marked as fresh.
            if cached.fallback().is_some() {
                return Err(
                    Net::offline("cannot refresh the list: the server did not reply").into()
                );
            }
            as_of_ms = as_of_ms.min(cached.as_of_ms);
            let list_page: ListPage<serde::de::IgnoredAny> =
                serde_json::from_slice(&cached.body)
                    .map_err(|e| Net::BadReply { url: path, problem: e.to_string() })?;
            digest.update(&cached.body);
            bodies.push(cached.body);
            if list_page.items.is_empty()
                || u64::from(page) * u64::from(list_page.page_size.max(1)) >= list_page.total
            {
                break;
            }
        }
        let digest = *digest.finalize().as_bytes();
        self.blocking(move |library| library.store_list(kind, &bodies, digest, as_of_ms)).await
    }

    /// Replaces the list with the server's pages, unless `digest` is unchanged.
    fn store_list(
        &self,
        kind: Kind,
        pages: &[Bytes],
        digest: [u8; 32],
        as_of_ms: i64,
    ) -> Result<()> {
        let is_new = self.inner.lists.write_blocking("catalogue.store_list", |tx| {
            let same = tx.execute(
                "UPDATE listed_state SET as_of_ms = ?2 WHERE kind = ?1 AND digest = ?3",
                params![kind.as_str(), as_of_ms, digest],
            )?;
            if same > 0 {
                return Ok(false);
            }
            tx.execute("DELETE FROM listed WHERE kind = ?1", [kind.as_str()])?;
            let mut position = 0;
            for page in pages {
                let page: ListPage<Box<serde_json::value::RawValue>> =
                    serde_json::from_slice(page)?;
                for item in page.items {
                    // Entries that this release cannot read are left out.
                    if serde_json::from_str::<FilterFields>(item.get()).is_err() {
                        continue;
                    }
                    insert(tx, kind, position, item.get(), false)?;
                    position += 1;
                }
            }
            tx.execute(
                "INSERT OR REPLACE INTO listed_state (kind, as_of_ms, digest) VALUES (?1, ?2, ?3)",
                params![kind.as_str(), as_of_ms, digest],
            )?;
            Ok(true)
        })?;
        if is_new {
            self.add_local_to_list(kind)?;
            self.inner.changes.publish_one(Change::Catalogue);
        }
        Ok(())
    }

    /// Returns the title of an entry of the stored list, for receipts and progress. No network.
    pub fn title(&self, kind: Kind, id: &str) -> Result<Option<String>> {
        self.inner.lists.read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT title FROM listed WHERE kind = ?1 AND id = ?2")?
                .query_row([kind.as_str(), id], |r| r.get("title"))
                .optional()?)
        })
    }

    /// Returns the version in the stored list. No network.
    pub fn known_version(
        &self,
        kind: Kind,
        id: &carrel_model::Slug,
    ) -> Result<Option<carrel_model::BlobHash>> {
        let text: Option<String> = self.inner.lists.read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT summary ->> 'version' AS version FROM listed WHERE kind = ?1 AND id = ?2")?
                .query_row([kind.as_str(), id.as_str()], |r| r.get("version"))
                .optional()?)
        })?;
        Ok(text.and_then(|t| t.parse().ok()))
    }

    fn read_list<T: DeserializeOwned>(&self, kind: Kind, filter: &Filter) -> Result<Listing<T>> {
        self.inner.lists.read_blocking(|conn| {
            let distinct = |column: &str| {
                let sql = format!("SELECT DISTINCT {column} FROM listed WHERE kind = ?1 AND {column} <> '' ORDER BY 1");
                texts(conn, &sql, [kind.as_str()])
            };
            let languages = distinct("lang")?;
            let (clause, values) = conditions(kind, filter, &languages);
            let page = format!("LIMIT {} OFFSET {}", filter.limit.clamp(1, 1000), filter.offset);
            let (counted, sql) = if filter.grouped {
                ("DISTINCT grouped_by", grouped(&clause, &filter.langs, &languages, &page))
            } else {
                let sql = format!("SELECT summary FROM listed WHERE {clause} ORDER BY position {page}");
                ("*", sql)
            };
            let total: i64 = conn
                .prepare_cached(&format!("SELECT count({counted}) FROM listed WHERE {clause}"))?
                .query_row(params_from_iter(&values), |r| r.get(0))?;
            let texts = conn
                .prepare_cached(&sql)?
                .query_map(params_from_iter(&values), |r| r.get::<_, String>("summary"))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let mut families = BTreeMap::new();
            for text in &texts {
                let family = serde_json::from_str::<Family>(text).unwrap_or_default().family;
                if !family.is_empty() && !families.contains_key(&family) {
                    let languages = family_languages(conn, kind, &family)?;
                    families.insert(family, languages);
                }
            }
            let items = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
            Ok(Listing {
                items,
                total: total.unsigned_abs(),
                categories: distinct("category")?,
                languages,
                families,
            })
        })
    }
}

/// Returns the query for one entry of each group. The entry with the least rank, of equal ones the first, represents
/// its group; the group has the position of its first entry. The index `listed_group` contains all columns that are
/// read of entries outside the page.
fn grouped(clause: &str, langs: &[String], languages: &[String], page: &str) -> String {
    let rank = language_rank(langs, languages);
    format!(
        "WITH page AS (
           SELECT kind, min(position) AS first, min({rank} * {POSITIONS} + position) % {POSITIONS} AS position
           FROM listed WHERE {clause} GROUP BY grouped_by ORDER BY first {page}
         )
         SELECT l.summary FROM page p JOIN listed l ON l.kind = p.kind AND l.position = p.position ORDER BY p.first"
    )
}

/// More than the number of entries of a list.
const POSITIONS: i64 = 1 << 40;

/// Value of the column `grouped_by` for the entries of a family.
fn group_of(family: &str) -> String {
    format!("f:{family}")
}

#[derive(Default, Deserialize)]
struct Family {
    #[serde(default)]
    family: String,
}

fn family_languages(conn: &rusqlite::Connection, kind: Kind, family: &str) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT lang FROM listed WHERE kind = ?1 AND grouped_by = ?2 ORDER BY 1";
    texts(conn, sql, [kind.as_str(), &group_of(family)])
}

/// Returns the texts in the only column of a query.
pub(super) fn texts(conn: &Connection, sql: &str, values: impl Params) -> Result<Vec<String>> {
    let mut stmt = conn.prepare_cached(sql)?;
    Ok(stmt.query_map(values, |r| r.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Returns an SQL expression for the index in `langs` of the first language that accepts the entry's language.
fn language_rank(langs: &[String], languages: &[String]) -> String {
    let rank = |lang: &String| langs.iter().position(|wanted| language::is_accepted(wanted, lang));
    let cases: String = languages
        .iter()
        .filter_map(|lang| {
            Some(format!(" WHEN '{}' THEN {}", lang.replace('\'', "''"), rank(lang)?))
        })
        .collect();
    if cases.is_empty() { "0".to_owned() } else { format!("CASE lang{cases} ELSE 1000 END") }
}

/// The fields of a summary that filters use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilterFields {
    id: carrel_model::Slug,
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    category: String,
    lang: String,
    #[serde(default)]
    tags: Vec<String>,
    difficulty: Option<Difficulty>,
    #[serde(default)]
    is_expert: bool,
    level: Option<u8>,
    #[serde(default)]
    family: String,
}

fn difficulty_text(d: Difficulty) -> &'static str {
    match d {
        Difficulty::Beginner => "BEGINNER",
        Difficulty::Intermediate => "INTERMEDIATE",
        Difficulty::Advanced => "ADVANCED",
        Difficulty::Expert => "EXPERT",
    }
}

/// Inserts one entry; `summary` is a `CourseSummary` or `StorySummary` as JSON.
pub(super) fn insert(
    conn: &rusqlite::Connection,
    kind: Kind,
    position: i64,
    summary: &str,
    is_local: bool,
) -> Result<()> {
    let fields: FilterFields = serde_json::from_str(summary)?;
    // Not INSERT OR REPLACE, which would not remove the terms.
    conn.prepare_cached("DELETE FROM listed WHERE kind = ?1 AND id = ?2")?
        .execute([kind.as_str(), fields.id.as_str()])?;
    conn.prepare_cached(
        "INSERT INTO listed
         (kind, id, position, title, difficulty, level, category, lang, summary, only_here, grouped_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        kind.as_str(),
        fields.id.as_str(),
        position,
        fields.title,
        match fields.is_expert {
            true => difficulty_text(Difficulty::Expert),
            false => fields.difficulty.map_or("", difficulty_text),
        },
        fields.level.unwrap_or_default(),
        fields.category,
        fields.lang,
        summary,
        is_local,
        match fields.family.as_str() {
            "" => format!("i:{}", fields.id),
            family => group_of(family),
        }
    ])?;
    let text = metadata_text(&fields.description, &fields.category, &fields.tags);
    search::insert(conn, LISTED_TERMS, conn.last_insert_rowid(), &fields.title, &text)?;
    Ok(())
}

/// Indexes the entries that an earlier release stored.
pub(super) fn index_missing(conn: &rusqlite::Connection) -> Result<()> {
    let texts = "SELECT entry AS row, title, coalesce(summary ->> 'description', '') || ' ' || category || ' ' ||
        coalesce((SELECT group_concat(value, ' ') FROM json_each(summary, '$.tags')), '') AS text FROM listed";
    search::insert_missing(conn, LISTED_TERMS, texts, u32::MAX)?;
    Ok(())
}

/// Returns the condition of a filter and its values. `languages`: all languages of the list.
fn conditions(kind: Kind, filter: &Filter, languages: &[String]) -> (String, Vec<Value>) {
    let mut clause = "kind = ?".to_owned();
    let mut values = vec![Value::from(kind.as_str().to_owned())];
    let mut and = |condition: &str, value: Value| {
        clause.push_str(" AND ");
        clause.push_str(condition);
        values.push(value);
    };
    if let Some(d) = filter.difficulty {
        and("difficulty = ?", difficulty_text(d).to_owned().into());
    }
    if let Some(level) = filter.level {
        and("level = ?", i64::from(level).into());
    }
    if let Some(category) = &filter.category {
        and("category = ?", category.clone().into());
    }
    let mut accepts = |wanted: &[String]| {
        let is_accepted =
            |lang: &&String| wanted.iter().any(|wanted| language::is_accepted(wanted, lang));
        let accepted: Vec<&String> = languages.iter().filter(is_accepted).collect();
        let list = serde_json::json!(accepted).to_string();
        and("lang IN (SELECT value FROM json_each(?))", list.into());
    };
    if let Some(lang) = &filter.lang {
        accepts(std::slice::from_ref(lang));
    }
    if !filter.langs.is_empty() {
        accepts(&filter.langs);
    }
    if let Some(family) = &filter.family {
        and("grouped_by = ?", group_of(family).into());
    }
    if let Some(q) = filter.q.as_ref().filter(|q| !q.trim().is_empty()) {
        match SearchQuery::parse(q) {
            Some(query) => and(
                "entry IN (SELECT rowid FROM listed_terms WHERE listed_terms MATCH ?)",
                search::match_expression(&query).into(),
            ),
            // Punctuation alone finds nothing.
            None => and("? = 1", 0.into()),
        }
    }
    if let Some(ids) = &filter.only {
        and("id IN (SELECT value FROM json_each(?))", serde_json::json!(ids).to_string().into());
    }
    (clause, values)
}
