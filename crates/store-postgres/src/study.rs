//! The courses of a learner in one statement.

use carrel_model::{
    BlobHash, EventId, Hlc, ItemId, Slug, UserId,
    lattice::{Attempt, Grade, ItemKind, Kv, Progress, Review, ReviewVoid, Session},
};
use carrel_sqlite::rows::NEVER;
use carrel_store::{
    Result, StoreError,
    tx::{EnrolledCourse, Kind, Listed, StudyTx, decision_status_of, kinds_of},
};
use tokio_postgres::Row;

use crate::tx::{Params, PgTx, bytes, get, hash};

/// Reads the rows of one learner once each, and groups them by course: the text of an item before the first `/`.
const COURSES: &str = "WITH studied AS MATERIALIZED (
        SELECT split_part(item, '/', 1) AS root, max(started_ms + active_ms) AS last_ms
        FROM study_session WHERE user_id = $1 GROUP BY root),
    worked AS MATERIALIZED (
        SELECT split_part(item, '/', 1) AS root,
            array_agg(item) FILTER (WHERE kind = 'section' AND done_ms < $2) AS done,
            max(greatest(CASE WHEN done_ms < $2 THEN done_ms ELSE 0 END, pos_hlc >> 16)) AS last_ms
        FROM progress WHERE user_id = $1 GROUP BY root)
    SELECT e.course, e.hlc, e.status, e.done, e.last_ms, p.reply FROM (
        SELECT k.key AS course, k.hlc, d.status, w.done,
            nullif(greatest(s.last_ms, w.last_ms, 0), 0) AS last_ms
        FROM kv k
        LEFT JOIN decision d ON d.user_id = k.user_id AND d.course = k.key
        LEFT JOIN studied s ON s.root = k.key
        LEFT JOIN worked w ON w.root = k.key
        WHERE k.user_id = $1 AND k.ns = 'enrolment' AND k.value = 'true' AND ($3::text IS NULL OR k.key = $3)
        ORDER BY last_ms DESC NULLS LAST, k.hlc DESC, k.key LIMIT $4 OFFSET $5) e
    LEFT JOIN publication p ON p.kind = 'course' AND p.id = e.course
    ORDER BY e.last_ms DESC NULLS LAST, e.hlc DESC, e.course";

const COUNT: &str = "SELECT count(*) FROM kv
    WHERE user_id = $1 AND ns = 'enrolment' AND value = 'true' AND ($2::text IS NULL OR key = $2)";

/// Returns `None` for a request that names no course: the key of a register may be any text.
fn enrolled_course(row: &Row) -> Result<Option<EnrolledCourse>> {
    let Ok(course) = Slug::new(get::<String>(row, 0)?) else { return Ok(None) };
    let done: Option<Vec<String>> = get(row, 3)?;
    let done = done.into_iter().flatten().map(ItemId::new).collect::<std::result::Result<_, _>>();
    Ok(Some(EnrolledCourse {
        course,
        requested: Hlc::from_raw(get(row, 1)?).unwrap_or(Hlc::ZERO),
        status: get::<Option<&str>>(row, 2)?.and_then(decision_status_of),
        reply: get(row, 5)?,
        done: done.map_err(|e| StoreError::unreadable("progress", e))?,
        last_activity_ms: get(row, 4)?,
    }))
}

impl StudyTx for PgTx<'_> {
    fn enrolled_courses(
        &self,
        user: UserId,
        course: Option<&Slug>,
        offset: u64,
        limit: u32,
    ) -> Result<Listed<EnrolledCourse>> {
        let course = course.map(Slug::as_str);
        let (offset, limit) = (i64::try_from(offset).unwrap_or(i64::MAX), i64::from(limit));
        let params: &Params<'_> = &[&bytes(&user.0), &NEVER, &course, &limit, &offset];
        let items = self.query(COURSES, params)?;
        let items: Vec<_> = items.iter().map(enrolled_course).collect::<Result<_>>()?;
        let total = self.query_opt(COUNT, &[&bytes(&user.0), &course])?;
        let total: i64 = total.map_or(Ok(0), |row| get(&row, 0))?;
        let items = items.into_iter().flatten().collect();
        Ok(Listed { items, total: total.unsigned_abs() })
    }
    fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        self.select("WHERE user_id = $1", &[&bytes(&user.0)])
    }
    fn progress(
        &self,
        user: UserId,
        kind: Option<ItemKind>,
        offset: u64,
        limit: u32,
    ) -> Result<Listed<Progress>> {
        let (user, kinds) = (bytes(&user.0), kinds_of(kind));
        let (offset, limit) = (i64::try_from(offset).unwrap_or(i64::MAX), i64::from(limit));
        let filter = "WHERE user_id = $1 AND kind = ANY($2)";
        let page = format!("{filter} ORDER BY kind, item LIMIT $3 OFFSET $4");
        let items = self.select(&page, &[&user, &kinds, &limit, &offset])?;
        let count = format!("SELECT count(*) FROM progress {filter}");
        let total = self.count(&count, &[&user, &kinds])? as u64;
        Ok(Listed { items, total })
    }
    fn reviews(&self, user: UserId, max: u32) -> Result<Vec<Review>> {
        self.select("WHERE user_id = $1 LIMIT $2", &[&bytes(&user.0), &i64::from(max)])
    }
    fn review_voids(&self, user: UserId, max: u32) -> Result<Vec<EventId>> {
        let voids: Vec<ReviewVoid> =
            self.select("WHERE user_id = $1 LIMIT $2", &[&bytes(&user.0), &i64::from(max)])?;
        Ok(voids.into_iter().map(|void| void.id).collect())
    }
    fn registers(&self, user: UserId, namespaces: &[&str], max: u32) -> Result<Vec<Kv>> {
        let filter = "WHERE user_id = $1 AND ns = ANY($2) LIMIT $3";
        self.select(filter, &[&bytes(&user.0), &namespaces, &i64::from(max)])
    }
    fn replies(&self, kind: Kind, ids: &[Slug]) -> Result<Vec<(Slug, String)>> {
        let ids: Vec<&str> = ids.iter().map(Slug::as_str).collect();
        let sql = "SELECT id, reply FROM publication WHERE kind = $1 AND id = ANY($2)";
        let rows = self.query(sql, &[&kind.as_str(), &ids])?;
        rows.iter()
            .map(|row| {
                let id = Slug::new(get::<String>(row, 0)?)
                    .map_err(|e| StoreError::unreadable("publication", e))?;
                Ok((id, get(row, 1)?))
            })
            .collect()
    }
    fn newest_quiz(&self, item: &ItemId) -> Result<Option<(BlobHash, String)>> {
        let sql =
            "SELECT hash, body FROM quiz WHERE item = $1 ORDER BY revision DESC, hash LIMIT 1";
        let row = self.query_opt(sql, &[&item.as_str()])?;
        row.map(|row| Ok((hash(&row, 0)?, get(&row, 1)?))).transpose()
    }
    fn attempts_at(&self, user: UserId, quiz: &ItemId, max: u32) -> Result<Vec<Attempt>> {
        let clause = "WHERE user_id = $1 AND quiz = $2 ORDER BY started_ms DESC, id LIMIT $3";
        self.select(clause, &[&bytes(&user.0), &quiz.as_str(), &i64::from(max)])
    }
    fn grades_at(&self, user: UserId, quiz: &ItemId) -> Result<Vec<Grade>> {
        let clause = "WHERE user_id = $1
            AND attempt IN (SELECT g.attempt FROM graded_attempt g WHERE g.user_id = $1 AND g.quiz = $2)";
        self.select(clause, &[&bytes(&user.0), &quiz.as_str()])
    }
    fn count_finished_sections(&self, user: UserId) -> Result<u32> {
        let sql = "SELECT count(*) FROM progress WHERE user_id = $1 AND kind = 'section' AND done_ms < $2";
        Ok(u32::try_from(self.count(sql, &[&bytes(&user.0), &NEVER])?).unwrap_or(u32::MAX))
    }
    fn count_quizzes_taken(&self, user: UserId) -> Result<u32> {
        let sql =
            "SELECT count(DISTINCT quiz) FROM attempt WHERE user_id = $1 AND submitted_ms < $2";
        Ok(u32::try_from(self.count(sql, &[&bytes(&user.0), &NEVER])?).unwrap_or(u32::MAX))
    }
}
