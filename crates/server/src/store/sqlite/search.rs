//! Full-text search. Words are found whatever their case and accents, the last one also by its beginning; writing without spaces
//! (Chinese, Japanese, Thai ...) goes through trigrams, and one or two such characters through a plain scan.

use carrel_model::{
    ItemId,
    wire::{SearchHit, SearchKind},
};
use rusqlite::{Connection, params_from_iter, types::Value};

use super::unreadable;
use crate::store::{Listed, Result};

/// The most words of a query that count.
const WORDS: usize = 16;

/// How one query is asked: what stands behind `passage s`, and what is bound.
pub(super) struct Plan {
    pub join: &'static str,
    pub clause: String,
    pub order: &'static str,
    pub values: Vec<String>,
}

impl Plan {
    /// None if there is nothing to look for.
    pub fn new(q: &str) -> Option<Self> {
        let words: Vec<&str> =
            q.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).take(WORDS).collect();
        let last = words.last()?;
        if !words.iter().any(|w| w.chars().any(is_unspaced)) {
            // Quoted, so that no word is an operator of the query language.
            let mut query: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
            if last.chars().count() > 1 {
                query.last_mut()?.push('*');
            }
            return Some(Self {
                join: "JOIN passage_words f ON f.rowid = s.id",
                clause: "passage_words MATCH ?".into(),
                order: "bm25(passage_words, 4.0, 1.0)",
                values: vec![query.join(" ")],
            });
        }
        if words.iter().all(|w| w.chars().count() >= 3) {
            return Some(Self {
                join: "JOIN passage_trigrams f ON f.rowid = s.id",
                clause: "passage_trigrams MATCH ?".into(),
                order: "bm25(passage_trigrams, 4.0, 1.0)",
                values: vec![
                    words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(" "),
                ],
            });
        }
        Some(Self {
            join: "",
            clause: vec!["instr(s.title || ' ' || s.text, ?) > 0"; words.len()].join(" AND "),
            order: "s.id",
            values: words.iter().map(|w| (*w).to_owned()).collect(),
        })
    }
}

/// Scripts that put no spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(c as u32,
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x9FFF
        | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// Passages by relevance. One hit for each; a course and its sections may both be there.
pub(super) fn search(
    conn: &Connection,
    q: &str,
    offset: u64,
    limit: u32,
) -> Result<Listed<SearchHit>> {
    let Some(plan) = Plan::new(q) else { return Ok(Listed { items: Vec::new(), total: 0 }) };
    let tail = format!("FROM passage s {} WHERE {}", plan.join, plan.clause);
    let mut values: Vec<Value> = plan.values.iter().cloned().map(Value::from).collect();
    let total: i64 = conn
        .prepare_cached(&format!("SELECT count(*) {tail}"))?
        .query_row(params_from_iter(&values), |r| r.get(0))?;
    values.push(i64::from(limit).into());
    values.push(i64::try_from(offset).unwrap_or(i64::MAX).into());
    let snippet = match plan.join {
        "" => "substr(s.text, 1, 160)",
        join if join.contains("passage_words") => "snippet(passage_words, 1, '', '', '…', 24)",
        _ => "snippet(passage_trigrams, 1, '', '', '…', 60)",
    };
    let sql = format!(
        "SELECT s.kind, s.item, s.title, s.lang, {snippet} AS snippet {tail} ORDER BY {}, s.id LIMIT ? OFFSET ?",
        plan.order
    );
    let mut stmt = conn.prepare_cached(&sql)?;
    let mut rows = stmt.query(params_from_iter(&values))?;
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
            item: ItemId::new(item).map_err(|e| unreadable("passage", e))?,
            title: r.get("title")?,
            lang: r.get("lang")?,
            snippet: r.get("snippet")?,
        });
    }
    Ok(Listed { items, total: total.unsigned_abs() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_query_is_an_operator_or_an_error() {
        let conn = super::super::open_file(
            &tempfile::tempdir().unwrap().path().join("s.db"),
            std::path::Path::new("unused"),
            0,
        )
        .unwrap();
        let put = |item: &str, title: &str, text: &str| {
            conn.execute(
                "INSERT INTO passage (root_kind, root, kind, item, lang, title, text)
                 VALUES ('course', 'c', 'section', ?1, 'en', ?2, ?3)",
                (item, title, text),
            )
            .unwrap();
        };
        put("c/a/b", "Méandre", "Une boucle de la rivière.");
        put("c/a/c", "河流", "河流为什么弯曲");
        let found = |q: &str| {
            search(&conn, q, 0, 10)
                .unwrap()
                .items
                .into_iter()
                .map(|h| h.item.to_string())
                .collect::<Vec<_>>()
        };
        for (q, expected) in [
            ("meandre", vec!["c/a/b"]),
            ("MÉAN", vec!["c/a/b"]),
            ("rivi", vec!["c/a/b"]),
            ("boucle riviere", vec!["c/a/b"]),
            ("boucle montagne", vec![]),
            ("为什么", vec!["c/a/c"]),
            ("弯曲", vec!["c/a/c"]),
            ("弯", vec!["c/a/c"]),
            ("", vec![]),
            ("\" OR NOT * ( ) : ^ NEAR", vec![]),
            ("AND", vec![]),
            ("'; DROP TABLE passage; --", vec![]),
        ] {
            assert_eq!(found(q), expected, "{q}");
        }
    }
}
