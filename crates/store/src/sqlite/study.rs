//! The courses of a learner in one statement.

use carrel_model::{
    BlobHash, EventId, Hlc, ItemId, Slug, UserId,
    lattice::{Attempt, Grade, ItemKind, Kv, Progress, Review, ReviewVoid, Session},
};
use carrel_sqlite::rows::{self, NEVER};
use rusqlite::{OptionalExtension, Row, named_params};

use super::SqliteTx;
use crate::{
    Result, StoreError,
    tx::{EnrolledCourse, Kind, Listed, StudyTx, decision_status_of, kinds_of},
};

/// Reads the rows of one learner once each, and groups them by course: the text of an item before the first `/`.
const COURSES: &str = "WITH studied AS MATERIALIZED (
        SELECT substr(item, 1, instr(item || '/', '/') - 1) AS root, max(started_ms + active_ms) AS last_ms
        FROM study_session WHERE user_id = :user GROUP BY root),
    worked AS MATERIALIZED (
        SELECT substr(item, 1, instr(item || '/', '/') - 1) AS root,
            json_group_array(item) FILTER (WHERE kind = 'section' AND done_ms < :never) AS done,
            max(max(iif(done_ms < :never, done_ms, 0), pos_hlc >> 16)) AS last_ms
        FROM progress WHERE user_id = :user GROUP BY root)
    SELECT e.*, p.reply FROM (
        SELECT k.key AS course, k.hlc, d.status, coalesce(w.done, '[]') AS done,
            nullif(max(coalesce(s.last_ms, 0), coalesce(w.last_ms, 0)), 0) AS last_ms
        FROM kv k
        LEFT JOIN decision d ON d.user_id = k.user_id AND d.course = k.key
        LEFT JOIN studied s ON s.root = k.key
        LEFT JOIN worked w ON w.root = k.key
        WHERE k.user_id = :user AND k.ns = 'enrolment' AND k.value = 'true' AND (:course IS NULL OR k.key = :course)
        ORDER BY last_ms DESC NULLS LAST, k.hlc DESC, k.key LIMIT :limit OFFSET :offset) e
    LEFT JOIN publication p ON p.kind = 'course' AND p.id = e.course
    ORDER BY e.last_ms DESC NULLS LAST, e.hlc DESC, e.course";

const COUNT: &str = "SELECT count(*) FROM kv
    WHERE user_id = ?1 AND ns = 'enrolment' AND value = 'true' AND (?2 IS NULL OR key = ?2)";

/// A learner's progress of some kinds, which are `?2` as JSON.
const PROGRESS: &str = "WHERE user_id = ?1 AND kind IN (SELECT value FROM json_each(?2))";
const FINISHED_SECTIONS: &str =
    "SELECT count(*) FROM progress WHERE user_id = ?1 AND kind = 'section' AND done_ms < ?2";
const NEWEST_QUIZ: &str =
    "SELECT hash, body FROM quiz WHERE item = ?1 ORDER BY revision DESC, hash LIMIT 1";
const ATTEMPTS_AT: &str = "WHERE user_id = ?1 AND quiz = ?2 ORDER BY started_ms DESC, id LIMIT ?3";
/// The grades of the attempts that count, which are few: `graded_attempt` has one row for each.
const GRADES_AT: &str = "WHERE user_id = ?1
    AND attempt IN (SELECT g.attempt FROM graded_attempt g WHERE g.user_id = ?1 AND g.quiz = ?2)";
/// Rows of a learner in a table, at most `?2`.
const OF_LEARNER: &str = "WHERE user_id = ?1 LIMIT ?2";
/// A learner's registers in some namespaces, which are `?2` as JSON.
const REGISTERS: &str = "WHERE user_id = ?1 AND ns IN (SELECT value FROM json_each(?2)) LIMIT ?3";
const REPLIES: &str = "SELECT id, reply FROM publication
    WHERE kind = ?1 AND id IN (SELECT value FROM json_each(?2))";
const QUIZZES_TAKEN: &str =
    "SELECT count(DISTINCT quiz) FROM attempt WHERE user_id = ?1 AND submitted_ms < ?2";

/// Returns `None` for a request that names no course: the key of a register may be any text.
fn enrolled_course(row: &Row<'_>) -> Result<Option<EnrolledCourse>> {
    let Ok(course) = Slug::new(row.get::<_, String>("course")?) else { return Ok(None) };
    let status: Option<String> = row.get("status")?;
    let done: String = row.get("done")?;
    Ok(Some(EnrolledCourse {
        course,
        requested: Hlc::from_raw(row.get("hlc")?).unwrap_or(Hlc::ZERO),
        status: status.as_deref().and_then(decision_status_of),
        reply: row.get("reply")?,
        done: serde_json::from_str::<Vec<ItemId>>(&done)
            .map_err(|e| StoreError::unreadable("progress", e))?,
        last_activity_ms: row.get("last_ms")?,
    }))
}

impl StudyTx for SqliteTx<'_> {
    fn enrolled_courses(
        &self,
        user: UserId,
        course: Option<&Slug>,
        offset: u64,
        limit: u32,
    ) -> Result<Listed<EnrolledCourse>> {
        let mut stmt = self.prepare_cached(COURSES)?;
        let mut rows = stmt.query(named_params! {
            ":user": user.0.as_bytes(),
            ":never": NEVER,
            ":course": course.map(Slug::as_str),
            ":limit": limit,
            ":offset": i64::try_from(offset).unwrap_or(i64::MAX),
        })?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            items.extend(enrolled_course(row)?);
        }
        let total: i64 = self
            .prepare_cached(COUNT)?
            .query_row((user.0.as_bytes(), course.map(Slug::as_str)), |r| r.get(0))?;
        Ok(Listed { items, total: total.unsigned_abs() })
    }
    fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        Ok(rows::query(self, "WHERE user_id = ?1", [user.0.as_bytes()])?)
    }
    fn progress(
        &self,
        user: UserId,
        kind: Option<ItemKind>,
        offset: u64,
        limit: u32,
    ) -> Result<Listed<Progress>> {
        let kinds = serde_json::to_string(&kinds_of(kind)).unwrap_or_default();
        let page = format!("{PROGRESS} ORDER BY kind, item LIMIT ?3 OFFSET ?4");
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        let items = rows::query(self, &page, (user.0.as_bytes(), &kinds, limit, offset))?;
        let total: i64 = self
            .prepare_cached(&format!("SELECT count(*) FROM progress {PROGRESS}"))?
            .query_row((user.0.as_bytes(), &kinds), |r| r.get(0))?;
        Ok(Listed { items, total: total.unsigned_abs() })
    }
    fn reviews(&self, user: UserId, max: u32) -> Result<Vec<Review>> {
        Ok(rows::query(self, OF_LEARNER, (user.0.as_bytes(), max))?)
    }
    fn review_voids(&self, user: UserId, max: u32) -> Result<Vec<EventId>> {
        let voids: Vec<ReviewVoid> = rows::query(self, OF_LEARNER, (user.0.as_bytes(), max))?;
        Ok(voids.into_iter().map(|void| void.id).collect())
    }
    fn registers(&self, user: UserId, namespaces: &[&str], max: u32) -> Result<Vec<Kv>> {
        let namespaces = serde_json::to_string(namespaces).unwrap_or_default();
        Ok(rows::query(self, REGISTERS, (user.0.as_bytes(), namespaces, max))?)
    }
    fn replies(&self, kind: Kind, ids: &[Slug]) -> Result<Vec<(Slug, String)>> {
        let ids = serde_json::to_string(ids).unwrap_or_default();
        let mut stmt = self.prepare_cached(REPLIES)?;
        let mut rows = stmt.query((kind.as_str(), ids))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id: String = row.get("id")?;
            let id = Slug::new(id).map_err(|e| StoreError::unreadable("publication", e))?;
            found.push((id, row.get("reply")?));
        }
        Ok(found)
    }
    fn newest_quiz(&self, item: &ItemId) -> Result<Option<(BlobHash, String)>> {
        let found = self
            .prepare_cached(NEWEST_QUIZ)?
            .query_row([item.as_str()], |r| Ok((BlobHash(r.get("hash")?), r.get("body")?)));
        Ok(found.optional()?)
    }
    fn attempts_at(&self, user: UserId, quiz: &ItemId, max: u32) -> Result<Vec<Attempt>> {
        Ok(rows::query(self, ATTEMPTS_AT, (user.0.as_bytes(), quiz.as_str(), max))?)
    }
    fn grades_at(&self, user: UserId, quiz: &ItemId) -> Result<Vec<Grade>> {
        Ok(rows::query(self, GRADES_AT, (user.0.as_bytes(), quiz.as_str()))?)
    }
    fn count_finished_sections(&self, user: UserId) -> Result<u32> {
        let mut stmt = self.prepare_cached(FINISHED_SECTIONS)?;
        Ok(stmt.query_row((user.0.as_bytes(), NEVER), |r| r.get(0))?)
    }
    fn count_quizzes_taken(&self, user: UserId) -> Result<u32> {
        let mut stmt = self.prepare_cached(QUIZZES_TAKEN)?;
        Ok(stmt.query_row((user.0.as_bytes(), NEVER), |r| r.get(0))?)
    }
}

#[cfg(test)]
mod tests {
    use crate::sqlite::tests::plan;

    use super::*;

    #[test]
    fn a_learners_courses_are_found_by_index() {
        let progress = format!("SELECT * FROM progress {PROGRESS} ORDER BY kind, item LIMIT 9");
        let sessions = "SELECT * FROM study_session WHERE user_id = ?1";
        let reviews = format!("SELECT id FROM review {OF_LEARNER}");
        let voids = format!("SELECT id FROM review_void {OF_LEARNER}");
        let registers = format!("SELECT key FROM kv {REGISTERS}");
        let attempts = format!("SELECT id FROM attempt {ATTEMPTS_AT}");
        let grades = format!("SELECT rev FROM grade {GRADES_AT}");
        let words =
            [reviews.as_str(), &voids, &registers, REPLIES, NEWEST_QUIZ, &attempts, &grades];
        let study = [COURSES, COUNT, &progress, sessions, FINISHED_SECTIONS, QUIZZES_TAKEN];
        for sql in study.into_iter().chain(words) {
            let plan = plan(sql);
            for table in [
                "kv",
                "decision",
                "study_session",
                "progress",
                "publication",
                "attempt",
                "review",
                "review_void",
                "quiz",
                "grade",
            ] {
                assert!(!plan.contains(&format!("SCAN {table}")), "{plan}");
            }
            for alias in ["k", "d", "p"] {
                assert!(
                    !plan.lines().any(|line| line.starts_with(&format!("SCAN {alias}"))),
                    "{plan}"
                );
            }
        }
    }
}
