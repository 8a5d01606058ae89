//! The catalogue in SQL: publish, list, read.

use carrel_model::{
    BlobHash, Slug,
    content::{Difficulty, ManifestBlob},
    wire::SearchKind,
};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter, types::Value};

use super::{fact, search};
use crate::store::{Filter, Kind, Listed, Publication, Published, Result};

pub(super) fn difficulty_text(difficulty: Option<Difficulty>) -> &'static str {
    match difficulty {
        Some(Difficulty::Beginner) => "BEGINNER",
        Some(Difficulty::Intermediate) => "INTERMEDIATE",
        Some(Difficulty::Advanced) => "ADVANCED",
        None => "",
    }
}

pub(super) fn kind_text(kind: SearchKind) -> &'static str {
    match kind {
        SearchKind::Course => "course",
        SearchKind::Story => "story",
        SearchKind::Section => "section",
        SearchKind::StoryText => "story_text",
    }
}

pub(super) fn revision(conn: &Connection) -> Result<u64> {
    Ok(fact(conn, "catalogue")?.and_then(|t| t.parse().ok()).unwrap_or(0))
}

pub(super) fn publish(conn: &Connection, p: &Publication, now_ms: i64) -> Result<()> {
    let kind = p.kind.as_str();
    let next = i64::try_from(revision(conn)?).unwrap_or(i64::MAX).saturating_add(1);
    conn.prepare_cached(
        "INSERT OR REPLACE INTO publication
         (kind, id, title, lang, category, difficulty, level, summary, reply, manifest, version, imported_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute((
        kind,
        p.id.as_str(),
        &p.title,
        &p.lang,
        &p.category,
        difficulty_text(p.difficulty),
        p.level,
        &p.summary,
        &p.reply,
        &p.manifest,
        p.version.0,
        now_ms,
    ))?;
    let mut keep = conn.prepare_cached(
        "INSERT INTO blob (hash, size, media_type) VALUES (?1, ?2, ?3)
         ON CONFLICT (hash) DO UPDATE SET media_type = excluded.media_type",
    )?;
    for b in &p.blobs {
        keep.execute((b.hash.0, b.size as i64, &b.media_type))?;
    }
    let mut quiz = conn.prepare_cached(
        "INSERT INTO quiz (hash, item, body, revision) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (hash, item) DO UPDATE SET revision = excluded.revision",
    )?;
    for q in &p.quizzes {
        quiz.execute((q.hash.0, q.item.as_str(), &q.body, next))?;
    }
    conn.prepare_cached("DELETE FROM passage WHERE root_kind = ?1 AND root = ?2")?
        .execute((kind, p.id.as_str()))?;
    let mut passage = conn.prepare_cached(
        "INSERT INTO passage (root_kind, root, kind, item, lang, title, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for t in &p.passages {
        let of = kind_text(t.kind);
        passage.execute((kind, p.id.as_str(), of, t.item.as_str(), &t.lang, &t.title, &t.text))?;
    }
    conn.prepare_cached(
        "INSERT OR REPLACE INTO server_fact (name, value) VALUES ('catalogue', ?1)",
    )?
    .execute([next.to_string()])?;
    Ok(())
}

pub(super) fn list(conn: &Connection, kind: Kind, filter: &Filter) -> Result<Listed<String>> {
    // Bound in the order in which they stand in the text.
    let mut from = "publication p".to_owned();
    let mut clauses = vec!["p.kind = ?".to_owned()];
    let mut values: Vec<Value> = vec![kind.as_str().to_owned().into()];
    let mut order = "p.title COLLATE NOCASE, p.id".to_owned();
    if let Some(q) = filter.q.as_deref().filter(|q| !q.trim().is_empty()) {
        let Some(found) = search::Plan::new(q) else {
            return Ok(Listed { items: Vec::new(), total: 0 });
        };
        from += &format!(
            " JOIN passage s ON s.root_kind = p.kind AND s.root = p.id AND s.kind = p.kind {}",
            found.join
        );
        clauses.push(found.clause);
        values.extend(found.values.into_iter().map(Value::from));
        order = format!("{}, {order}", found.order);
    }
    let mut also = |clause: &str, value: Option<Value>| {
        if let Some(value) = value {
            clauses.push(clause.to_owned());
            values.push(value);
        }
    };
    also("p.difficulty = ?", filter.difficulty.map(|d| difficulty_text(Some(d)).to_owned().into()));
    also("p.level = ?", filter.level.map(|l| i64::from(l).into()));
    also("p.category = ?", filter.category.clone().map(Value::from));
    also("p.lang = ?", filter.lang.clone().map(Value::from));
    let tail = format!("FROM {from} WHERE {}", clauses.join(" AND "));
    let total: i64 = conn
        .prepare_cached(&format!("SELECT count(*) {tail}"))?
        .query_row(params_from_iter(&values), |r| r.get(0))?;
    values.push(i64::from(filter.limit).into());
    values.push(i64::try_from(filter.offset).unwrap_or(i64::MAX).into());
    let mut stmt =
        conn.prepare_cached(&format!("SELECT p.summary {tail} ORDER BY {order} LIMIT ? OFFSET ?"))?;
    let items = stmt
        .query_map(params_from_iter(&values), |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Listed { items, total: total.unsigned_abs() })
}

pub(super) fn published(conn: &Connection, kind: Kind, id: &Slug) -> Result<Option<Published>> {
    let mut stmt = conn.prepare_cached(
        "SELECT reply, manifest, version FROM publication WHERE kind = ?1 AND id = ?2",
    )?;
    let found = stmt.query_row((kind.as_str(), id.as_str()), |r| {
        Ok(Published {
            reply: r.get("reply")?,
            manifest: r.get("manifest")?,
            version: BlobHash(r.get("version")?),
        })
    });
    Ok(found.optional()?)
}

fn manifest_blob(r: &Row<'_>) -> rusqlite::Result<ManifestBlob> {
    let size: i64 = r.get("size")?;
    Ok(ManifestBlob {
        hash: BlobHash(r.get("hash")?),
        size: size.unsigned_abs(),
        media_type: r.get("media_type")?,
    })
}

pub(super) fn blob(conn: &Connection, hash: BlobHash) -> Result<Option<ManifestBlob>> {
    let mut stmt =
        conn.prepare_cached("SELECT hash, size, media_type FROM blob WHERE hash = ?1")?;
    Ok(stmt.query_row([hash.0], manifest_blob).optional()?)
}

pub(super) fn blobs(conn: &Connection) -> Result<Vec<ManifestBlob>> {
    let mut stmt = conn.prepare("SELECT hash, size, media_type FROM blob ORDER BY hash")?;
    Ok(stmt.query_map([], manifest_blob)?.collect::<rusqlite::Result<_>>()?)
}
