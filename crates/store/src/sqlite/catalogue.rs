//! SQL statements for the catalogue.

use carrel_model::{BlobHash, ItemId, Slug, content::ManifestBlob, text::language};
use carrel_sqlite::search as terms;
use rusqlite::{OptionalExtension, Row, params_from_iter, types::Value};

use super::{SqliteTx, search};
use crate::{
    Result, StoreError,
    tx::{
        Audience, CatalogueTx, Filter, Kind, ListOrder, Listed, ListedPublication, Publication,
        Published, difficulty_text, passage_kind_text,
    },
};

/// Selects the courses whose number of enrolled learners differs from the stored one.
const CHANGED_COUNTS: &str = "WITH counted AS MATERIALIZED (
        SELECT p.id, p.learners AS stored, (SELECT count(*) FROM kv k
            JOIN decision d ON d.user_id = k.user_id AND d.course = k.key
            WHERE k.ns = 'enrolment' AND k.value = 'true' AND k.key = p.id AND d.status = 'active') AS learners
        FROM publication p WHERE p.kind = 'course')
    SELECT id, learners FROM counted WHERE learners <> stored ORDER BY id";

fn manifest_blob(r: &Row<'_>) -> rusqlite::Result<ManifestBlob> {
    let size: i64 = r.get("size")?;
    Ok(ManifestBlob {
        hash: BlobHash(r.get("hash")?),
        size: size.unsigned_abs(),
        media_type: r.get("media_type")?,
    })
}

impl SqliteTx<'_> {
    /// Returns `FROM ... WHERE ...` with its values, and the order of the rows, for a list of publications `p`.
    fn list_conditions(&self, kind: Kind, filter: &Filter) -> Result<(String, Vec<Value>, String)> {
        // `values` is in the order of the placeholders in the statement.
        let mut from = "publication p".to_owned();
        let mut clauses = vec!["p.kind = ?".to_owned()];
        let mut values: Vec<Value> = vec![kind.as_str().to_owned().into()];
        let mut order = match filter.order {
            ListOrder::Title => "p.title COLLATE NOCASE, p.id",
            ListOrder::Learners => "p.learners DESC, p.imported_ms DESC, p.id",
        }
        .to_owned();
        if let Some(query) = &filter.search {
            let index = search::PUBLICATIONS;
            from += &format!(
                " JOIN passage s ON s.root_kind = p.kind AND s.root = p.id AND s.kind = p.kind
                  JOIN {index} f ON f.rowid = s.id"
            );
            clauses.push(format!("{index} MATCH ?"));
            values.push(terms::match_expression(query).into());
            order = format!("{}, {order}", terms::rank(index));
        }
        let mut add_clause = |clause: &str, value: Option<Value>| {
            if let Some(value) = value {
                clauses.push(clause.to_owned());
                values.push(value);
            }
        };
        match &filter.audience {
            Audience::All => {}
            Audience::Listed => add_clause("p.listing > ?", Some(0_i64.into())),
            Audience::Reader(courses) => {
                let clause = "(p.listing = 2 OR (p.listing = 1 AND p.id IN (SELECT value FROM json_each(?))))";
                add_clause(clause, Some(super::courses::json_ids(courses).into()));
            }
        }
        let difficulty = filter.difficulty.map(|d| difficulty_text(Some(d)).to_owned());
        add_clause("p.difficulty = ?", difficulty.map(Value::from));
        add_clause("p.level = ?", filter.level.map(|l| i64::from(l).into()));
        add_clause("p.category = ?", filter.category.clone().map(Value::from));
        add_clause("p.hours >= ?", filter.min_hours.map(|h| i64::from(h.0).into()));
        add_clause("p.hours <= ?", filter.max_hours.map(|h| i64::from(h.0).into()));
        if let Some(wanted) = &filter.lang {
            let mut stmt =
                self.prepare_cached("SELECT DISTINCT lang FROM publication WHERE kind = ?1")?;
            let languages = stmt
                .query_map([kind.as_str()], |r| r.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()?;
            let accepted: Vec<&String> =
                languages.iter().filter(|lang| language::is_accepted(wanted, lang)).collect();
            let list = serde_json::to_string(&accepted).unwrap_or_default();
            add_clause("p.lang IN (SELECT value FROM json_each(?))", Some(list.into()));
        }
        Ok((format!("FROM {from} WHERE {}", clauses.join(" AND ")), values, order))
    }
}

impl CatalogueTx for SqliteTx<'_> {
    fn put_publication(&self, p: &Publication, revision: u64, now_ms: i64) -> Result<()> {
        let kind = p.kind.as_str();
        self.prepare_cached(
            "INSERT INTO publication
             (kind, id, title, lang, category, difficulty, level, hours, summary, reply, manifest, version, imported_ms,
              rendered_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (kind, id) DO UPDATE SET title = excluded.title, lang = excluded.lang,
             category = excluded.category, difficulty = excluded.difficulty, level = excluded.level,
             hours = excluded.hours, summary = excluded.summary, reply = excluded.reply, manifest = excluded.manifest,
             version = excluded.version, imported_ms = excluded.imported_ms, rendered_by = excluded.rendered_by",
        )?
        .execute((
            kind,
            p.id.as_str(),
            &p.title,
            &p.lang,
            &p.category,
            difficulty_text(p.difficulty),
            p.level,
            p.hours.0,
            &p.summary,
            &p.reply,
            &p.manifest,
            p.version.0,
            now_ms,
            &p.rendered_by,
        ))?;
        self.prepare_cached("DELETE FROM publication_blob WHERE kind = ?1 AND id = ?2")?
            .execute((kind, p.id.as_str()))?;
        let mut publication_blob = self.prepare_cached(
            "INSERT OR IGNORE INTO publication_blob (kind, id, hash) VALUES (?1, ?2, ?3)",
        )?;
        let mut blob = self.prepare_cached(
            "INSERT INTO blob (hash, size, media_type) VALUES (?1, ?2, ?3)
             ON CONFLICT (hash) DO UPDATE SET media_type = excluded.media_type, unused_since_ms = 0",
        )?;
        for b in &p.blobs {
            blob.execute((b.hash.0, b.size as i64, &b.media_type))?;
            publication_blob.execute((kind, p.id.as_str(), b.hash.0))?;
        }
        let mut quiz = self.prepare_cached(
            "INSERT INTO quiz (hash, item, body, revision) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (hash, item) DO UPDATE SET revision = excluded.revision",
        )?;
        for q in &p.quizzes {
            quiz.execute((q.hash.0, q.item.as_str(), &q.body, revision as i64))?;
        }
        self.prepare_cached("DELETE FROM passage WHERE root_kind = ?1 AND root = ?2")?
            .execute((kind, p.id.as_str()))?;
        let mut passage = self.prepare_cached(
            "INSERT INTO passage (root_kind, root, kind, item, lang, title, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for t in &p.passages {
            let passage_kind = passage_kind_text(t.kind);
            passage.execute((
                kind,
                p.id.as_str(),
                passage_kind,
                t.item.as_str(),
                &t.lang,
                &t.title,
                &t.text,
            ))?;
            let index = search::index_of(t.kind);
            terms::insert(self, index, self.last_insert_rowid(), &t.title, &t.text)?;
        }
        Ok(())
    }
    fn delete_publication(&self, kind: Kind, id: &Slug) -> Result<bool> {
        let key = (kind.as_str(), id.as_str());
        for sql in [
            "DELETE FROM publication_blob WHERE kind = ?1 AND id = ?2",
            "DELETE FROM passage WHERE root_kind = ?1 AND root = ?2",
        ] {
            self.prepare_cached(sql)?.execute(key)?;
        }
        let sql = "DELETE FROM publication WHERE kind = ?1 AND id = ?2";
        Ok(self.prepare_cached(sql)?.execute(key)? > 0)
    }
    fn published(&self, kind: Kind, id: &Slug) -> Result<Option<Published>> {
        let mut stmt = self.prepare_cached(
            "SELECT reply, manifest, version, rendered_by FROM publication WHERE kind = ?1 AND id = ?2",
        )?;
        let found = stmt.query_row((kind.as_str(), id.as_str()), |r| {
            Ok(Published {
                reply: r.get("reply")?,
                manifest: r.get("manifest")?,
                version: BlobHash(r.get("version")?),
                rendered_by: r.get("rendered_by")?,
            })
        });
        Ok(found.optional()?)
    }
    fn rendered_by_others(
        &self,
        rendered_by: &str,
        after: Option<&(Kind, Slug)>,
        limit: u32,
    ) -> Result<Vec<(Kind, Slug)>> {
        let mut stmt = self.prepare_cached(
            "SELECT kind, id FROM publication WHERE rendered_by <> ?1 AND (kind, id) > (?2, ?3)
             ORDER BY kind, id LIMIT ?4",
        )?;
        let (kind, id) = after.map_or(("", ""), |(kind, id)| (kind.as_str(), id.as_str()));
        let found = stmt.query_map((rendered_by, kind, id, limit), |r| {
            Ok((r.get::<_, String>("kind")?, r.get::<_, String>("id")?))
        })?;
        let read = |(kind, id): (String, String)| {
            let kind = if kind == Kind::Course.as_str() { Kind::Course } else { Kind::Story };
            let id = Slug::new(id).map_err(|e| StoreError::unreadable("publication", e))?;
            Ok((kind, id))
        };
        found.map(|row| read(row?)).collect()
    }
    fn delete_unused_blobs(&self, now_ms: i64, before_ms: i64) -> Result<u64> {
        let unused = "NOT EXISTS (SELECT 1 FROM publication_blob p WHERE p.hash = blob.hash)
            AND NOT EXISTS (SELECT 1 FROM course_version_blob v WHERE v.hash = blob.hash)";
        self.execute(
            &format!("UPDATE blob SET unused_since_ms = max(?1, 1) WHERE unused_since_ms = 0 AND {unused}"),
            [now_ms],
        )?;
        let deleted = self.execute(
            &format!(
                "DELETE FROM blob WHERE unused_since_ms > 0 AND unused_since_ms <= ?1 AND {unused}"
            ),
            [before_ms],
        )?;
        Ok(deleted as u64)
    }
    fn has_course(&self, id: &Slug) -> Result<bool> {
        let sql = "SELECT 1 FROM publication WHERE kind = 'course' AND id = ?1";
        Ok(self.prepare_cached(sql)?.exists([id.as_str()])?)
    }
    fn publications(&self, kind: Kind, filter: &Filter) -> Result<Listed<ListedPublication>> {
        let (from_where, mut values, order) = self.list_conditions(kind, filter)?;
        let total: i64 = self
            .prepare_cached(&format!("SELECT count(*) {from_where}"))?
            .query_row(params_from_iter(&values), |r| r.get(0))?;
        values.push(i64::from(filter.limit).into());
        values.push(i64::try_from(filter.offset).unwrap_or(i64::MAX).into());
        let sql =
            format!("SELECT p.summary, p.learners {from_where} ORDER BY {order} LIMIT ? OFFSET ?");
        let read = |r: &Row<'_>| {
            let learners: i64 = r.get("learners")?;
            Ok(ListedPublication { summary: r.get("summary")?, learners: learners.unsigned_abs() })
        };
        let items = self
            .prepare_cached(&sql)?
            .query_map(params_from_iter(&values), read)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Listed { items, total: total.unsigned_abs() })
    }
    fn changed_learner_counts(&self) -> Result<Vec<(String, u64)>> {
        let mut stmt = self.prepare_cached(CHANGED_COUNTS)?;
        let read = |r: &Row<'_>| Ok((r.get("id")?, r.get::<_, i64>("learners")?.unsigned_abs()));
        Ok(stmt.query_map([], read)?.collect::<rusqlite::Result<_>>()?)
    }
    fn set_learner_counts(&self, counts: &[(String, u64)]) -> Result<()> {
        let sql = "UPDATE publication SET learners = ?2 WHERE kind = 'course' AND id = ?1";
        let mut stmt = self.prepare_cached(sql)?;
        for (id, learners) in counts {
            stmt.execute((id, i64::try_from(*learners).unwrap_or(i64::MAX)))?;
        }
        Ok(())
    }
    fn blob(&self, hash: BlobHash) -> Result<Option<ManifestBlob>> {
        let sql = "SELECT hash, size, media_type FROM blob WHERE hash = ?1";
        Ok(self.prepare_cached(sql)?.query_row([hash.0], manifest_blob).optional()?)
    }
    fn blobs(&self) -> Result<Vec<ManifestBlob>> {
        let mut stmt = self.prepare("SELECT hash, size, media_type FROM blob ORDER BY hash")?;
        Ok(stmt.query_map([], manifest_blob)?.collect::<rusqlite::Result<_>>()?)
    }
    fn quiz(&self, hash: BlobHash, item: &ItemId) -> Result<Option<String>> {
        let mut stmt =
            self.prepare_cached("SELECT body FROM quiz WHERE hash = ?1 AND item = ?2")?;
        Ok(stmt.query_row((hash.0, item.as_str()), |r| r.get(0)).optional()?)
    }
    fn latest_quiz(&self, item: &ItemId, preferred: BlobHash) -> Result<Option<String>> {
        // In a database of an earlier release the revision is 0; then `preferred` is returned.
        let sql =
            "SELECT body FROM quiz WHERE item = ?1 ORDER BY revision DESC, hash = ?2 DESC LIMIT 1";
        let mut stmt = self.prepare_cached(sql)?;
        Ok(stmt.query_row((item.as_str(), preferred.0), |r| r.get(0)).optional()?)
    }
}

#[cfg(test)]
mod tests {
    use carrel_model::{
        content::{Difficulty, Hours},
        text::SearchQuery,
    };

    use super::*;
    use crate::sqlite::tests::{empty, plan};

    fn slug(id: &str) -> Slug {
        id.parse().unwrap()
    }

    /// The plan of a page of courses.
    fn plan_of(filter: &Filter) -> String {
        let conn = empty();
        let (from_where, _, order) = SqliteTx(&conn).list_conditions(Kind::Course, filter).unwrap();
        let page = format!("SELECT p.summary, p.learners {from_where} ORDER BY {order} LIMIT 50");
        format!("{}\n{}", plan(&page), plan(&format!("SELECT count(*) {from_where}")))
    }

    #[test]
    fn lists_of_courses_are_read_in_the_order_of_an_index() {
        let all = Filter { order: ListOrder::Learners, ..Filter::default() };
        let hours = Some(Hours(250));
        let filtered = Filter {
            difficulty: Some(Difficulty::Beginner),
            category: Some("Geography".into()),
            lang: Some("en".into()),
            min_hours: hours,
            max_hours: hours,
            ..all.clone()
        };
        let reader = Filter { audience: Audience::Reader(vec![slug("a")]), ..filtered.clone() };
        let listed = Filter { audience: Audience::Listed, ..all.clone() };
        for filter in [&all, &filtered, &listed, &reader] {
            let plan = plan_of(filter);
            assert!(plan.starts_with("SEARCH p USING INDEX publication_rank (kind=?"), "{plan}");
            // The rows of the table are not read for the number of courses.
            assert_eq!(plan.matches("SEARCH p USING COVERING INDEX").count(), 1, "{plan}");
            // The values of a filter may be scanned, publications may not.
            assert!(!plan.contains("SCAN p") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
        // A search reads the publications that the index of terms has found.
        let found = plan_of(&Filter { search: SearchQuery::parse("river"), ..filtered });
        assert!(found.contains("SCAN f VIRTUAL TABLE INDEX"), "{found}");
        assert!(!found.contains("SCAN p") && !found.contains("SCAN s\n"), "{found}");
    }

    #[test]
    fn learners_are_counted_by_index() {
        let plan = plan(CHANGED_COUNTS);
        assert!(plan.contains("COVERING INDEX publication_rank (kind=?"), "{plan}");
        assert!(plan.contains("INDEX kv_enrolment (key=?)"), "{plan}");
        for scan in ["SCAN p", "SCAN k", "SCAN d"] {
            assert!(!plan.lines().any(|line| line == scan), "{plan}");
        }
    }
}
