//! Full-text search. The index contains the terms of `carrel_model::text::index_terms`, as in SQLite, so both engines
//! find the same texts; their order differs.
//!
//! The column `lexemes` with its GIN index finds the passages that have all terms of a query; the columns with the terms
//! in their order then decide which of them have its phrases.

use std::collections::{BTreeSet, HashSet};

use carrel_model::{
    ItemId,
    text::{Phrase, SearchQuery, excerpt, index_terms, single_term},
    wire::SearchHit,
};
use carrel_store::{
    Result, StoreError,
    tx::{Audience, EXCERPT_CHARS, Listed, SearchTx, passage_kind_of},
};
use tokio_postgres::{Row, types::ToSql};

use crate::{
    courses,
    tx::{Params, PgTx, get},
};

/// Maximum number of results of a query in publications, and in passages.
const MAX_FOUND: i64 = 500;
/// Maximum length of a lexeme in bytes; PostgreSQL allows 2 KiB.
const MAX_LEXEME: usize = 1024;
/// Maximum size of all lexemes of a text in bytes; PostgreSQL allows 1 MiB.
const MAX_LEXEMES: usize = 900_000;

/// The terms of a text as stored, each with a space on both sides.
pub(crate) fn stored_terms(text: &str) -> String {
    format!(" {} ", index_terms(text))
}

/// Returns the set of terms for the index, within the limits of PostgreSQL.
pub(crate) fn lexemes(terms: &str) -> Vec<String> {
    let mut size = 0;
    let set: BTreeSet<&str> = terms.split_ascii_whitespace().map(lexeme).collect();
    let fitting = set.into_iter().take_while(|term| {
        size += term.len();
        size <= MAX_LEXEMES
    });
    fitting.map(str::to_owned).collect()
}

/// Returns the beginning of a term that is short enough for the index.
fn lexeme(term: &str) -> &str {
    let mut end = term.len().min(MAX_LEXEME);
    while !term.is_char_boundary(end) {
        end -= 1;
    }
    &term[..end]
}

/// Conditions on passages `p`: `from` and `sql` contain the placeholders from `$first` on.
pub(crate) struct Condition {
    /// The passages with all terms: the function `find_passages` uses the index (migrations/server-postgres/0009).
    pub(crate) from: String,
    pub(crate) sql: String,
    /// Number of words in the title, an SQL expression: greater for better results.
    pub(crate) title_words: String,
    pub(crate) values: Vec<String>,
}

/// Returns the condition for a query. A phrase must be in the title or in the text, and each word in one of both.
pub(crate) fn condition(query: &SearchQuery, first: usize) -> Condition {
    let mut values = Vec::new();
    let mut place = |value: String| {
        values.push(value);
        format!("${}", first + values.len() - 1)
    };
    let (mut tsquery, mut phrases, mut titles) = (Vec::new(), Vec::new(), Vec::new());
    for forms in &query.words {
        let alternatives: Vec<String> = forms.iter().map(phrase_query).collect();
        tsquery.push(format!("({})", alternatives.join(" | ")));
        let (mut anywhere, mut in_title) = (Vec::new(), Vec::new());
        for phrase in forms {
            let place = place(phrase_text(phrase));
            anywhere.push(format!(
                "strpos(p.text_terms, {place}) > 0 OR strpos(p.title_terms, {place}) > 0"
            ));
            in_title.push(format!("strpos(p.title_terms, {place}) > 0"));
        }
        phrases.push(format!("({})", anywhere.join(" OR ")));
        titles.push(format!("({})::int", in_title.join(" OR ")));
    }
    let place = place(tsquery.join(" & "));
    Condition {
        from: format!("find_passages({place}::text::tsquery) p"),
        sql: phrases.join(" AND "),
        title_words: titles.join(" + "),
        values,
    }
}

/// Returns the terms of a phrase as in the columns of terms. A prefix has no space after it.
fn phrase_text(phrase: &Phrase) -> String {
    match phrase.single() {
        Some(c) => format!(" {} ", single_term(c)),
        None if phrase.is_prefix => format!(" {}", phrase.terms.join(" ")),
        None => format!(" {} ", phrase.terms.join(" ")),
    }
}

/// Returns the query for the set of lexemes: all terms of the phrase.
fn phrase_query(phrase: &Phrase) -> String {
    let quoted =
        |term: &str| format!("'{}'", lexeme(term).replace('\\', "\\\\").replace('\'', "''"));
    if let Some(c) = phrase.single() {
        return quoted(&single_term(c));
    }
    let last = phrase.terms.len().saturating_sub(1);
    let term = |(i, term): (usize, &String)| {
        let is_prefix = (phrase.is_prefix && i == last) || term.len() > MAX_LEXEME;
        format!("{}{}", quoted(term), if is_prefix { ":*" } else { "" })
    };
    let terms: Vec<String> = phrase.terms.iter().enumerate().map(term).collect();
    format!("({})", terms.join(" & "))
}

/// A passage that was found.
struct Found {
    id: i64,
    kind: String,
    item: String,
}

impl Found {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { id: get(row, 0)?, kind: get(row, 1)?, item: get(row, 2)? })
    }
}

impl PgTx<'_> {
    /// Finds passages of publications, or those in them, best first.
    fn passages(
        &self,
        query: &SearchQuery,
        hidden: &[String],
        publications: bool,
    ) -> Result<Vec<Found>> {
        let condition = condition(query, 2);
        let kinds = if publications { "IN" } else { "NOT IN" };
        let sql = format!(
            "SELECT p.id, p.kind, p.item FROM {}
             WHERE p.kind {kinds} ('course', 'story') AND NOT (p.root_kind = 'course' AND p.root = ANY($1)) AND {}
             ORDER BY {} DESC, length(p.title), p.item LIMIT {MAX_FOUND}",
            condition.from, condition.sql, condition.title_words
        );
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&hidden];
        values.extend(condition.values.iter().map(|v| v as &(dyn ToSql + Sync)));
        self.query(&sql, &values)?.iter().map(Found::read).collect()
    }
}

impl PgTx<'_> {
    /// Returns the ids of the courses that a reader does not find.
    fn hidden_courses(&self, audience: &Audience) -> Result<Vec<String>> {
        let (condition, ids) = match audience {
            Audience::All => return Ok(Vec::new()),
            Audience::Listed => ("listing = 0 AND $1::text[] = $1", Vec::new()),
            Audience::Reader(courses) => {
                ("(listing = 0 OR (listing = 1 AND NOT id = ANY($1)))", courses::ids(courses))
            }
        };
        let sql = format!("SELECT id FROM publication WHERE kind = 'course' AND {condition}");
        self.query(&sql, &[&ids])?.iter().map(|row| get(row, 0)).collect()
    }
}

impl SearchTx for PgTx<'_> {
    fn search(
        &self,
        query: &SearchQuery,
        audience: &Audience,
        offset: u64,
        limit: u32,
    ) -> Result<Listed<SearchHit>> {
        let hidden = self.hidden_courses(audience)?;
        let mut found = self.passages(query, &hidden, true)?;
        // The text of a story that is found by its title is not a hit of its own: both have the same item.
        let stories: HashSet<String> =
            found.iter().filter(|f| f.kind == "story").map(|f| f.item.clone()).collect();
        let is_other = |f: &Found| f.kind != "story_text" || !stories.contains(&f.item);
        found.extend(self.passages(query, &hidden, false)?.into_iter().filter(is_other));
        let total = found.len() as u64;
        let page = found
            .into_iter()
            .skip(usize::try_from(offset).unwrap_or(usize::MAX))
            .take(limit as usize);
        let mut items = Vec::new();
        for Found { id, kind, item } in page {
            let sql = "SELECT title, lang, text FROM passage WHERE id = $1";
            let params: &Params<'_> = &[&id];
            let Some(row) = self.query_opt(sql, params)? else { continue };
            items.push(SearchHit {
                kind: passage_kind_of(&kind),
                item: ItemId::new(item).map_err(|e| StoreError::unreadable("passage", e))?,
                title: get(&row, 0)?,
                lang: get(&row, 1)?,
                snippet: excerpt(get(&row, 2)?, query, EXCERPT_CHARS).text,
            });
        }
        Ok(Listed { items, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_within_the_limits_of_the_index() {
        let long = "é".repeat(MAX_LEXEME);
        assert_eq!(lexeme(&long).len(), MAX_LEXEME);
        assert_eq!(lexemes(&format!(" b a b {long} ")).len(), 3);
        let many: String = (0..200_000).map(|n| format!(" term{n:08}")).collect();
        let size: usize = lexemes(&many).iter().map(String::len).sum();
        assert!(size <= MAX_LEXEMES && size > MAX_LEXEMES - 20, "{size}");
        assert_eq!(stored_terms("An ox"), " an ox ");
    }
}
