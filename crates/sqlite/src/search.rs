//! Full-text search with FTS5, for the databases of client and server. The index stores terms of
//! `carrel_model::text::index_terms`, not the texts: FTS5 only splits them at spaces. An index has the columns `title`
//! and `text`, and the row ids of the table with the texts:
//!
//! `CREATE VIRTUAL TABLE x_terms USING fts5 (title, text, content = '', contentless_delete = 1, tokenize = 'ascii')`
//!
//! Not here: which texts are indexed.

use carrel_model::text::{Phrase, SearchQuery, index_terms};
use rusqlite::Connection;

/// Returns the expression of the rank of a row: the smaller, the better. A match in the title counts four times as much
/// as one in the text.
pub fn rank(index: &str) -> String {
    format!("bm25({index}, 4.0, 1.0)")
}

/// Returns the query as an FTS5 expression: all words must be found, each in one of its forms.
pub fn match_expression(query: &SearchQuery) -> String {
    let phrase = |phrase: &Phrase| {
        let prefix_operator = if phrase.is_prefix { " *" } else { "" };
        format!("\"{}\"{prefix_operator}", phrase.terms.join(" "))
    };
    let word = |forms: &Vec<Phrase>| {
        format!("({})", forms.iter().map(phrase).collect::<Vec<_>>().join(" OR "))
    };
    query.words.iter().map(word).collect::<Vec<_>>().join(" AND ")
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
}
