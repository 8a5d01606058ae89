//! SQL statements for the catalogue.

use carrel_model::{BlobHash, ItemId, Slug, content::ManifestBlob, text::language};
use carrel_store::{
    Result, StoreError,
    tx::{
        Audience, CatalogueTx, Filter, Kind, ListOrder, Listed, ListedPublication, Publication,
        Published, difficulty_text, passage_kind_text,
    },
};
use tokio_postgres::{Row, types::ToSql};

use crate::{
    search,
    tx::{Lock, Params, PgTx, get, hash, text},
};

/// The languages of the publications of a kind: one look into the index for each, instead of reading all publications.
const LANGUAGES: &str = "WITH RECURSIVE found AS (
        (SELECT lang FROM publication WHERE kind = $1 ORDER BY lang LIMIT 1)
        UNION ALL
        SELECT (SELECT p.lang FROM publication p WHERE p.kind = $1 AND p.lang > f.lang ORDER BY p.lang LIMIT 1)
        FROM found f WHERE f.lang IS NOT NULL)
    SELECT lang FROM found WHERE lang IS NOT NULL";

fn manifest_blob(row: &Row) -> Result<ManifestBlob> {
    Ok(ManifestBlob {
        hash: hash(row, 0)?,
        size: get::<i64>(row, 1)?.unsigned_abs(),
        media_type: get(row, 2)?,
    })
}

fn boxed(value: impl ToSql + Sync + 'static) -> Box<dyn ToSql + Sync> {
    Box::new(value)
}

impl PgTx<'_> {
    fn put_blobs(&self, p: &Publication) -> Result<()> {
        // In the order of the hashes, and each once.
        let mut blobs: Vec<&ManifestBlob> = p.blobs.iter().collect();
        blobs.sort_by_key(|b| b.hash.0);
        blobs.dedup_by_key(|b| b.hash.0);
        let hashes: Vec<&[u8]> = blobs.iter().map(|b| b.hash.0.as_slice()).collect();
        let sizes: Vec<i64> =
            blobs.iter().map(|b| i64::try_from(b.size).unwrap_or(i64::MAX)).collect();
        let types: Vec<String> = blobs.iter().map(|b| text(&b.media_type).into_owned()).collect();
        self.execute(
            "INSERT INTO blob (hash, size, media_type)
             SELECT * FROM unnest($1::bytea[], $2::int8[], $3::text[])
             ON CONFLICT (tenant, hash) DO UPDATE SET media_type = excluded.media_type, unused_since_ms = 0",
            &[&hashes, &sizes, &types],
        )?;
        self.execute(
            "INSERT INTO publication_blob (kind, id, hash) SELECT $1, $2, * FROM unnest($3::bytea[])",
            &[&p.kind.as_str(), &p.id.as_str(), &hashes],
        )?;
        Ok(())
    }
    fn put_passages(&self, p: &Publication) -> Result<()> {
        for t in &p.passages {
            let (title, body) = (text(&t.title), text(&t.text));
            let (title_terms, text_terms) =
                (search::stored_terms(&title), search::stored_terms(&body));
            let lexemes = search::lexemes(&format!("{title_terms}{text_terms}"));
            self.execute(
                "INSERT INTO passage
                 (root_kind, root, kind, item, lang, title, text, title_terms, text_terms, lexemes)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, array_to_tsvector($10::text[]))",
                &[
                    &p.kind.as_str(),
                    &p.id.as_str(),
                    &passage_kind_text(t.kind),
                    &t.item.as_str(),
                    &text(&t.lang),
                    &title,
                    &body,
                    &title_terms,
                    &text_terms,
                    &lexemes,
                ],
            )?;
        }
        Ok(())
    }
    fn delete_parts(&self, kind: Kind, id: &Slug) -> Result<()> {
        let key: &Params<'_> = &[&kind.as_str(), &id.as_str()];
        self.execute("DELETE FROM publication_blob WHERE kind = $1 AND id = $2", key)?;
        self.execute("DELETE FROM passage WHERE root_kind = $1 AND root = $2", key)?;
        Ok(())
    }
}

impl CatalogueTx for PgTx<'_> {
    fn put_publication(&self, p: &Publication, revision: u64, now_ms: i64) -> Result<()> {
        self.lock(Lock::Catalogue)?;
        self.execute(
            "INSERT INTO publication
             (kind, id, title, lang, category, difficulty, level, summary, reply, manifest, version,
              imported_ms, rendered_by, hours)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (tenant, kind, id) DO UPDATE SET title = excluded.title, lang = excluded.lang,
             category = excluded.category, difficulty = excluded.difficulty, level = excluded.level,
             summary = excluded.summary, reply = excluded.reply, manifest = excluded.manifest,
             version = excluded.version, imported_ms = excluded.imported_ms, rendered_by = excluded.rendered_by,
             hours = excluded.hours",
            &[
                &p.kind.as_str(),
                &p.id.as_str(),
                &text(&p.title),
                &text(&p.lang),
                &text(&p.category),
                &difficulty_text(p.difficulty),
                &i64::from(p.level),
                &text(&p.summary),
                &text(&p.reply),
                &text(&p.manifest),
                &p.version.0.as_slice(),
                &now_ms,
                &text(&p.rendered_by),
                &i64::from(p.hours.0),
            ],
        )?;
        self.delete_parts(p.kind, &p.id)?;
        self.put_blobs(p)?;
        for q in &p.quizzes {
            self.execute(
                "INSERT INTO quiz (hash, item, body, revision) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (tenant, hash, item) DO UPDATE SET revision = excluded.revision",
                &[
                    &q.hash.0.as_slice(),
                    &q.item.as_str(),
                    &text(&q.body),
                    &i64::try_from(revision).unwrap_or(i64::MAX),
                ],
            )?;
        }
        self.put_passages(p)
    }
    fn delete_publication(&self, kind: Kind, id: &Slug) -> Result<bool> {
        self.lock(Lock::Catalogue)?;
        self.delete_parts(kind, id)?;
        let sql = "DELETE FROM publication WHERE kind = $1 AND id = $2";
        Ok(self.execute(sql, &[&kind.as_str(), &id.as_str()])? > 0)
    }
    fn published(&self, kind: Kind, id: &Slug) -> Result<Option<Published>> {
        self.lock(Lock::Catalogue)?;
        let sql = "SELECT reply, manifest, version, rendered_by FROM publication WHERE kind = $1 AND id = $2";
        let row = self.query_opt(sql, &[&kind.as_str(), &id.as_str()])?;
        row.map(|row| {
            Ok(Published {
                reply: get(&row, 0)?,
                manifest: get(&row, 1)?,
                version: hash(&row, 2)?,
                rendered_by: get(&row, 3)?,
            })
        })
        .transpose()
    }
    fn rendered_by_others(
        &self,
        rendered_by: &str,
        after: Option<&(Kind, Slug)>,
        limit: u32,
    ) -> Result<Vec<(Kind, Slug)>> {
        let (kind, id) = after.map_or(("", ""), |(kind, id)| (kind.as_str(), id.as_str()));
        let sql = "SELECT kind, id FROM publication
            WHERE rendered_by <> $1 AND (kind, id) > ($2, $3) ORDER BY kind, id LIMIT $4";
        let rows = self.query(sql, &[&text(rendered_by), &kind, &id, &i64::from(limit)])?;
        let read = |row: &Row| {
            let is_course = get::<&str>(row, 0)? == Kind::Course.as_str();
            let id = Slug::new(get::<String>(row, 1)?);
            let id = id.map_err(|e| StoreError::unreadable("publication", e))?;
            Ok((if is_course { Kind::Course } else { Kind::Story }, id))
        };
        rows.iter().map(read).collect()
    }
    fn delete_unused_blobs(&self, now_ms: i64, before_ms: i64) -> Result<u64> {
        self.lock(Lock::Catalogue)?;
        let unused = "NOT EXISTS (SELECT 1 FROM publication_blob p WHERE p.hash = blob.hash)
            AND NOT EXISTS (SELECT 1 FROM course_version_blob v WHERE v.hash = blob.hash)";
        self.execute(
            &format!("UPDATE blob SET unused_since_ms = greatest($1::bigint, 1) WHERE unused_since_ms = 0 AND {unused}"),
            &[&now_ms],
        )?;
        self.execute(
            &format!(
                "DELETE FROM blob WHERE unused_since_ms > 0 AND unused_since_ms <= $1 AND {unused}"
            ),
            &[&before_ms],
        )
    }
    fn has_course(&self, id: &Slug) -> Result<bool> {
        let sql = "SELECT 1 FROM publication WHERE kind = 'course' AND id = $1";
        self.exists(sql, &[&id.as_str()])
    }
    fn publications(&self, kind: Kind, filter: &Filter) -> Result<Listed<ListedPublication>> {
        let kind_text = kind.as_str();
        let mut values: Vec<Box<dyn ToSql + Sync>> = vec![boxed(kind_text)];
        let mut from = "publication c".to_owned();
        let mut clauses = vec!["c.kind = $1".to_owned()];
        let mut order = match filter.order {
            ListOrder::Title => "lower(c.title), c.id",
            ListOrder::Learners => "c.learners DESC, c.imported_ms DESC, c.id",
        }
        .to_owned();
        if let Some(query) = &filter.search {
            let condition = search::condition(query, values.len() + 1);
            from = format!(
                "{} JOIN {from} ON p.root_kind = c.kind AND p.root = c.id AND p.kind = c.kind",
                condition.from
            );
            clauses.push(condition.sql);
            order = format!("{} DESC, {order}", condition.title_words);
            values.extend(condition.values.into_iter().map(boxed));
        }
        let mut add_clause = |clause: &str, value: Option<Box<dyn ToSql + Sync>>| {
            if let Some(value) = value {
                values.push(value);
                clauses.push(clause.replace('?', &format!("${}", values.len())));
            }
        };
        match &filter.audience {
            Audience::All => {}
            Audience::Listed => add_clause("c.listing > ?", Some(boxed(0_i64))),
            Audience::Reader(courses) => {
                let ids: Vec<String> = courses.iter().map(|id| id.as_str().to_owned()).collect();
                let clause = "(c.listing = 2 OR (c.listing = 1 AND c.id = ANY(?)))";
                add_clause(clause, Some(boxed(ids)));
            }
        }
        let difficulty = filter.difficulty.map(|d| boxed(difficulty_text(Some(d))));
        add_clause("c.difficulty = ?", difficulty);
        add_clause("c.level = ?", filter.level.map(|level| boxed(i64::from(level))));
        let category = filter.category.as_ref().map(|c| boxed(text(c).into_owned()));
        add_clause("c.category = ?", category);
        add_clause("c.hours >= ?", filter.min_hours.map(|h| boxed(i64::from(h.0))));
        add_clause("c.hours <= ?", filter.max_hours.map(|h| boxed(i64::from(h.0))));
        if let Some(wanted) = &filter.lang {
            let languages = self.query(LANGUAGES, &[&kind_text])?;
            let languages: Vec<String> =
                languages.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
            let accepted: Vec<String> =
                languages.into_iter().filter(|lang| language::is_accepted(wanted, lang)).collect();
            add_clause("c.lang = ANY(?)", Some(boxed(accepted)));
        }
        let from_where = format!("FROM {from} WHERE {}", clauses.join(" AND "));
        let params: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
        let total = self.query_opt(&format!("SELECT count(*) {from_where}"), &params)?;
        let total: i64 = total.map_or(Ok(0), |row| get(&row, 0))?;
        let (limit, offset) =
            (i64::from(filter.limit), i64::try_from(filter.offset).unwrap_or(i64::MAX));
        let sql = format!(
            "SELECT c.summary, c.learners {from_where} ORDER BY {order} LIMIT ${} OFFSET ${}",
            params.len() + 1,
            params.len() + 2
        );
        let mut params = params;
        params.extend([&limit as &(dyn ToSql + Sync), &offset]);
        let rows = self.query(&sql, &params)?;
        let read = |row: &Row| {
            let learners = get::<i64>(row, 1)?.unsigned_abs();
            Ok(ListedPublication { summary: get(row, 0)?, learners })
        };
        let items = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(Listed { items, total: total.unsigned_abs() })
    }
    fn changed_learner_counts(&self) -> Result<Vec<(String, u64)>> {
        let sql = "WITH counted AS MATERIALIZED (
                SELECT p.id, p.learners AS stored, (SELECT count(*) FROM kv k
                    JOIN decision d ON d.user_id = k.user_id AND d.course = k.key
                    WHERE k.ns = 'enrolment' AND k.value = 'true' AND k.key = p.id AND d.status = 'active') AS learners
                FROM publication p WHERE p.kind = 'course')
            SELECT id, learners FROM counted WHERE learners <> stored ORDER BY id";
        let read = |row: &Row| Ok((get(row, 0)?, get::<i64>(row, 1)?.unsigned_abs()));
        self.query(sql, &[])?.iter().map(read).collect()
    }
    fn set_learner_counts(&self, counts: &[(String, u64)]) -> Result<()> {
        let sql = "UPDATE publication SET learners = $2 WHERE kind = 'course' AND id = $1";
        for (id, learners) in counts {
            self.execute(sql, &[id, &i64::try_from(*learners).unwrap_or(i64::MAX)])?;
        }
        Ok(())
    }
    fn blob(&self, hash: BlobHash) -> Result<Option<ManifestBlob>> {
        let sql = "SELECT hash, size, media_type FROM blob WHERE hash = $1";
        self.query_opt(sql, &[&hash.0.as_slice()])?.as_ref().map(manifest_blob).transpose()
    }
    fn blobs(&self) -> Result<Vec<ManifestBlob>> {
        let sql = "SELECT hash, size, media_type FROM blob ORDER BY hash";
        self.query(sql, &[])?.iter().map(manifest_blob).collect()
    }
    fn quiz(&self, hash: BlobHash, item: &ItemId) -> Result<Option<String>> {
        let sql = "SELECT body FROM quiz WHERE hash = $1 AND item = $2";
        let row = self.query_opt(sql, &[&hash.0.as_slice(), &item.as_str()])?;
        row.map(|row| get(&row, 0)).transpose()
    }
    fn latest_quiz(&self, item: &ItemId, preferred: BlobHash) -> Result<Option<String>> {
        // In a database that was moved from an earlier release the revision is 0; then `preferred` is returned.
        let sql =
            "SELECT body FROM quiz WHERE item = $1 ORDER BY revision DESC, hash = $2 DESC LIMIT 1";
        let row = self.query_opt(sql, &[&item.as_str(), &preferred.0.as_slice()])?;
        row.map(|row| get(&row, 0)).transpose()
    }
}
