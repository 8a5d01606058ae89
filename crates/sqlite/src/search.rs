//! Full-text search with FTS5, for the databases of client and server. The index stores terms of
//! `carrel_model::text::index_terms`, not the texts: FTS5 only splits them at spaces. An index has the columns `title`
//! and `text`, and the row ids of the table with the texts:
//!
//! `CREATE VIRTUAL TABLE x_terms USING fts5 (title, text, content = '', contentless_delete = 1, tokenize = 'ascii')`
//!
//! Not here: which texts are indexed.

use std::{cmp::Ordering, ops::RangeInclusive};

use carrel_model::text::{Phrase, SearchQuery, index_terms, single_term};
use rusqlite::{Connection, Row, params};

/// Maximum number of results of a query.
pub const MAX_FOUND: u32 = 500;
/// A word in more texts than this does not influence the rank: counting all its matches would take too long, and it
/// distinguishes few texts.
const MAX_RANKED: u32 = 10_000;
/// In an index of more texts than this, the last word of a query must have `LONG_PREFIX` characters to be compared as a
/// prefix, and words of titles must be complete to be preferred. FTS5 merges the matches of all words with the prefix
/// before it returns the first one.
const MAX_TEXTS_FOR_SHORT_PREFIX: u32 = 20_000;
const LONG_PREFIX: usize = 4;

/// An index and the table of its texts, which has the columns `kind`, `title`, and those named here.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Name of the index.
    pub index: &'static str,
    /// Table of the texts.
    pub table: &'static str,
    /// Its column with the row id of the index.
    pub row: &'static str,
    /// Its column with the id of the item.
    pub item: &'static str,
}

/// A text that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Row id in the index.
    pub row: i64,
    /// Kind, item and title as in the table of texts.
    pub kind: String,
    pub item: String,
    pub title: String,
    /// The smaller, the better.
    score: f64,
    /// Number of characters of the title if titles of equal score are compared by length, otherwise 0.
    title_length: usize,
}

/// Finds the texts that contain all words of the query, in the `rows` of an index, best first: at most `MAX_FOUND`.
///
/// Of a query with more results, those with all words in the title come first, the shorter title before the longer one.
/// Which texts are left out then depends on the order in which they were indexed.
pub fn find(
    conn: &Connection,
    source: &Source,
    query: &SearchQuery,
    rows: &RangeInclusive<i64>,
) -> rusqlite::Result<Vec<Found>> {
    let index = source.index;
    let is_large = is_large(conn, index, query)?;
    let query = &if is_large { with_complete_words(query, LONG_PREFIX) } else { query.clone() };
    let expression = match_expression(query);
    let matching = |expression: &str| row_ids(conn, index, expression, rows);
    let mut scores: Vec<(i64, f64)> = Vec::new();
    let all = matching(&expression)?;
    let is_complete = all.len() <= MAX_FOUND as usize;
    if !is_complete {
        let words = if is_large { with_complete_words(query, usize::MAX) } else { query.clone() };
        let titles = matching(&format!("{{title}} : ({})", match_expression(&words)))?;
        scores.extend(titles.iter().map(|row| (*row, -1.0)));
        scores.extend(all.iter().filter(|row| !titles.contains(row)).map(|row| (*row, 0.0)));
        scores.truncate(MAX_FOUND as usize);
    } else if let Some(ranked) = ranked_words(conn, index, query, rows)? {
        let sql = format!(
            "SELECT rowid, {} FROM {index} WHERE {index} MATCH ?1 AND +rowid IN (SELECT value FROM json_each(?2))",
            rank(index)
        );
        let found = conn
            .prepare_cached(&sql)?
            .query_map(params![ranked, json_list(&all)], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        scores = found;
    } else {
        scores.extend(all.iter().map(|row| (*row, 0.0)));
    }
    let Source { table, row, item, .. } = source;
    let sql = format!("SELECT kind, {item} AS item, title FROM {table} WHERE {row} = ?1");
    let mut stmt = conn.prepare_cached(&sql)?;
    let mut found = Vec::with_capacity(scores.len());
    for (row, score) in scores {
        let read = |r: &Row<'_>| {
            let title: String = r.get("title")?;
            let title_length = if is_complete { 0 } else { title.chars().count() };
            Ok(Found {
                row,
                kind: r.get("kind")?,
                item: r.get("item")?,
                title,
                score,
                title_length,
            })
        };
        found.extend(stmt.query_map([row], read)?.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    found.sort_by(by_rank);
    Ok(found)
}

fn by_rank(a: &Found, b: &Found) -> Ordering {
    let by_score = a.score.total_cmp(&b.score);
    by_score.then(a.title_length.cmp(&b.title_length)).then_with(|| a.item.cmp(&b.item))
}

/// Returns the first `MAX_FOUND + 1` rows that match.
fn row_ids(
    conn: &Connection,
    index: &str,
    expression: &str,
    rows: &RangeInclusive<i64>,
) -> rusqlite::Result<Vec<i64>> {
    let sql = format!(
        "SELECT rowid FROM {index} WHERE {index} MATCH ?1 AND rowid BETWEEN ?2 AND ?3 LIMIT {}",
        MAX_FOUND + 1
    );
    let mut stmt = conn.prepare_cached(&sql)?;
    let found = stmt.query_map(params![expression, rows.start(), rows.end()], |r| r.get(0))?;
    found.collect()
}

fn json_list(rows: &[i64]) -> String {
    let texts: Vec<String> = rows.iter().map(i64::to_string).collect();
    format!("[{}]", texts.join(","))
}

/// Returns true if the query has a prefix and the index many texts.
fn is_large(conn: &Connection, index: &str, query: &SearchQuery) -> rusqlite::Result<bool> {
    if !query.words.iter().flatten().any(|phrase| phrase.is_prefix) {
        return Ok(false);
    }
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM {index}_docsize LIMIT {})",
        MAX_TEXTS_FOR_SHORT_PREFIX + 1
    );
    let texts: u32 = conn.prepare_cached(&sql)?.query_row([], |r| r.get(0))?;
    Ok(texts > MAX_TEXTS_FOR_SHORT_PREFIX)
}

/// Returns the query with only those prefixes that have at least `min_chars` characters.
fn with_complete_words(query: &SearchQuery, min_chars: usize) -> SearchQuery {
    let mut query = query.clone();
    for phrase in query.words.iter_mut().flatten().filter(|phrase| phrase.single().is_none()) {
        let last = phrase.terms.last().map_or(0, |term| term.chars().count());
        phrase.is_prefix &= last >= min_chars;
    }
    query
}

/// Returns the expression of the words that are in at most `MAX_RANKED` texts. `None` if there is none.
fn ranked_words(
    conn: &Connection,
    index: &str,
    query: &SearchQuery,
    rows: &RangeInclusive<i64>,
) -> rusqlite::Result<Option<String>> {
    let mut words: Vec<String> = query.words.iter().map(|forms| word_expression(forms)).collect();
    if words.len() > 1 {
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {index} WHERE {index} MATCH ?1 AND rowid BETWEEN ?2 AND ?3 LIMIT {})",
            MAX_RANKED + 1
        );
        let mut stmt = conn.prepare_cached(&sql)?;
        let mut is_ranked = Vec::with_capacity(words.len());
        for word in &words {
            let texts: u32 =
                stmt.query_row(params![word, rows.start(), rows.end()], |r| r.get(0))?;
            is_ranked.push(texts <= MAX_RANKED);
        }
        let mut is_ranked = is_ranked.into_iter();
        words.retain(|_| is_ranked.next() == Some(true));
    }
    Ok((!words.is_empty()).then(|| words.join(" AND ")))
}

/// Returns the expression of the rank of a row: the smaller, the better. A match in the title counts four times as much
/// as one in the text.
pub fn rank(index: &str) -> String {
    format!("bm25({index}, 4.0, 1.0)")
}

/// Returns the query as an FTS5 expression: all words must be found, each in one of its forms.
pub fn match_expression(query: &SearchQuery) -> String {
    query.words.iter().map(|forms| word_expression(forms)).collect::<Vec<_>>().join(" AND ")
}

fn word_expression(forms: &[Phrase]) -> String {
    let phrase = |phrase: &Phrase| match phrase.single() {
        // Its own term, because the pairs that begin with a common character are many.
        Some(c) => format!("\"{}\"", single_term(c)),
        None => {
            let prefix_operator = if phrase.is_prefix { " *" } else { "" };
            format!("\"{}\"{prefix_operator}", phrase.terms.join(" "))
        }
    };
    format!("({})", forms.iter().map(phrase).collect::<Vec<_>>().join(" OR "))
}

/// Adds a text to an index. `row`: row id of the text, which must not be in the index.
pub fn insert(
    conn: &Connection,
    index: &str,
    row: i64,
    title: &str,
    text: &str,
) -> rusqlite::Result<()> {
    conn.prepare_cached(&format!("INSERT INTO {index} (rowid, title, text) VALUES (?1, ?2, ?3)"))?
        .execute((row, index_terms(title), index_terms(text)))?;
    Ok(())
}

/// Adds up to `limit` texts that are not in the index, for example after a migration created it empty. `texts`: a query
/// with the columns `row`, `title` and `text`. Returns the number of added texts.
pub fn insert_missing(
    conn: &Connection,
    index: &str,
    texts: &str,
    limit: u32,
) -> rusqlite::Result<u32> {
    let sql = format!(
        "SELECT row, title, text FROM ({texts}) WHERE row NOT IN (SELECT id FROM {index}_docsize) LIMIT {limit}"
    );
    let mut stmt = conn.prepare(&sql)?;
    let rows = stmt
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(i64, String, String)>>>()?;
    for (row, title, text) in &rows {
        insert(conn, index, *row, title, text)?;
    }
    Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_found_and_removed() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, title TEXT, body TEXT);
             CREATE VIRTUAL TABLE terms USING fts5
               (title, text, content = '', contentless_delete = 1, tokenize = 'ascii');",
        )
        .unwrap();
        for (id, title, text) in [
            (1, "Straße", "河流入海"),
            (2, "x", "An ox-bow. STRASSE"),
            (3, "OR", "NEAR \"quoted\""),
        ] {
            conn.execute("INSERT INTO t VALUES (?1, ?2, ?3)", (id, title, text)).unwrap();
        }
        let texts = "SELECT id AS row, title, body AS text FROM t";
        assert_eq!(insert_missing(&conn, "terms", texts, 2).unwrap(), 2);
        assert_eq!(insert_missing(&conn, "terms", texts, 2).unwrap(), 1);
        assert_eq!(insert_missing(&conn, "terms", texts, 2).unwrap(), 0);
        let found = |q: &str| {
            let query = SearchQuery::parse(q).unwrap();
            let sql =
                format!("SELECT rowid FROM terms WHERE terms MATCH ?1 ORDER BY {}", rank("terms"));
            let mut stmt = conn.prepare(&sql).unwrap();
            let rows = stmt.query_map([match_expression(&query)], |r| r.get::<_, i64>(0)).unwrap();
            rows.collect::<rusqlite::Result<Vec<_>>>().unwrap()
        };
        for (q, rows) in [
            ("strass", vec![1, 2]),
            ("oxbow", vec![2]),
            ("入", vec![1]),
            ("海", vec![1]),
            ("流入", vec![1]),
            ("入流", vec![]),
            ("or near", vec![3]),
            ("\"quoted", vec![3]),
        ] {
            assert_eq!(found(q), rows, "{q}");
        }
        conn.execute("DELETE FROM terms WHERE rowid = 1", []).unwrap();
        assert_eq!(found("strasse"), [2]);
    }

    const SOURCE: Source = Source { index: "terms", table: "t", row: "id", item: "item" };
    const ALL: RangeInclusive<i64> = i64::MIN..=i64::MAX;

    fn index() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, kind TEXT, item TEXT, title TEXT);
             CREATE VIRTUAL TABLE terms USING fts5
               (title, text, content = '', contentless_delete = 1, tokenize = 'ascii');",
        )
        .unwrap();
        conn
    }
    fn add(conn: &Connection, row: i64, title: &str, text: &str) {
        let item = format!("item-{row:05}");
        conn.prepare_cached("INSERT INTO t VALUES (?1, 'section', ?2, ?3)")
            .unwrap()
            .execute((row, item, title))
            .unwrap();
        insert(conn, "terms", row, title, text).unwrap();
    }
    fn rows(conn: &Connection, q: &str, rows: &RangeInclusive<i64>) -> Vec<i64> {
        let query = SearchQuery::parse(q).unwrap();
        find(conn, &SOURCE, &query, rows).unwrap().into_iter().map(|found| found.row).collect()
    }

    #[test]
    fn a_query_with_few_results_is_ranked_over_all_of_them() {
        let conn = index();
        add(&conn, 1, "x", "a river in a long text about mountains, lakes, seas and other things");
        add(&conn, 2, "x", "river river");
        add(&conn, 3, "The river", "x");
        add(&conn, 4, "x", "mountain");
        add(&conn, 5, "x", "river river");
        assert_eq!(rows(&conn, "river", &ALL), [3, 2, 5, 1]);
        assert_eq!(rows(&conn, "rive", &(2..=4)), [3, 2]);
        assert_eq!(rows(&conn, "river mountain", &ALL), [1]);
        assert_eq!(rows(&conn, "sea", &(2..=5)), [] as [i64; 0]);
    }

    #[test]
    fn of_a_query_with_many_results_short_titles_come_first() {
        let conn = index();
        conn.execute_batch("BEGIN").unwrap();
        for row in 1..=30_000 {
            let title = match row {
                29_000 => "The water of the sea",
                29_001 => "Water",
                29_002 => "河",
                _ => "Section",
            };
            let text = if row % 100 == 7 {
                "water and the ox-bow 河流"
            } else {
                "water and the river 入海"
            };
            add(&conn, row, title, text);
        }
        conn.execute_batch("COMMIT").unwrap();
        let found = rows(&conn, "water", &ALL);
        assert_eq!(found.len(), MAX_FOUND as usize);
        assert_eq!(found[..3], [29_001, 29_000, 1]);
        // In a range only its own texts.
        let found = rows(&conn, "water", &(1_000..=29_000));
        assert_eq!((found.len(), found[0]), (MAX_FOUND as usize, 29_000));
        assert_eq!(rows(&conn, "water", &(30_001..=i64::MAX)), [] as [i64; 0]);
        // A rare word decides the rank, a common one only filters.
        let found = rows(&conn, "water oxbow", &ALL);
        assert_eq!((found.len(), found[0]), (300, 7));
        assert_eq!(rows(&conn, "the water sea", &ALL), [29_000]);
        assert_eq!(rows(&conn, "and the river 河", &ALL), [29_002]);
        // Single characters.
        assert_eq!(rows(&conn, "河", &ALL).len(), 301);
        assert_eq!(rows(&conn, "海", &ALL).len(), MAX_FOUND as usize);
        // A short prefix is compared as a word, a longer one as a prefix.
        assert_eq!(rows(&conn, "wat", &ALL), [] as [i64; 0]);
        assert_eq!(rows(&conn, "the", &ALL).len(), MAX_FOUND as usize);
        assert_eq!(rows(&conn, "wate", &ALL).len(), MAX_FOUND as usize);
        assert_eq!(rows(&conn, "oxbo", &ALL).len(), 300);
    }
}
