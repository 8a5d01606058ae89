//! SQL statements for stored figures and exports.

use std::collections::BTreeMap;

use carrel_analytics::{CourseFigures, DayFigures, LearnerFigures, LearnerName, LearnerRows};
use carrel_model::{DeviceId, Slug, UserId, lattice::ENROLMENT};
use carrel_sqlite::rows;
use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use super::{SqliteTx, accounts::uuid};
use crate::{
    Result, StoreError,
    tx::{
        AnalyticsTx, Details, DeviceReportRow, DeviceRow, ExportRow, ExportState, FiguresChange,
        RowTx as _,
    },
};

const DIRTY: &str = "SELECT coalesce(min(nullif(since_ms, 0)), 0) AS since_ms, count(*) AS marks
    FROM analytics_dirty WHERE user_id = ?1";
const COURSES: &str = "SELECT course, figures, detail FROM analytics_course WHERE user_id = ?1";
const DAYS: &str = "SELECT day, time_ms, sections, lessons, attempts, scored, score_sum, changed_ms
    FROM analytics_day WHERE user_id = ?1 AND day >= ?2";
const LAST_DAY: &str = "SELECT day FROM analytics_day
    WHERE user_id = ?1 AND (time_ms > 0 OR sections > 0 OR attempts > 0) ORDER BY day DESC LIMIT 1";
const ENROLLED: &str = "SELECT user_id FROM kv
    WHERE ns = 'enrolment' AND value = 'true' AND key = ?1 AND user_id > ?2 ORDER BY user_id LIMIT ?3";
const DEVICES: &str = "SELECT s.device, s.device_name, s.created_ms,
        max(s.created_ms, coalesce((SELECT max(b.redeemed_ms) FROM sign_in_branch b WHERE b.sign_in = s.id), 0)) AS heard_ms
    FROM sign_in s WHERE s.user_id = ?1 AND s.ended_ms = 0 AND s.expires_ms > ?2 ORDER BY heard_ms DESC, s.device";
const DEVICE_REPORTS: &str = "SELECT s.device, r.reported_ms, r.report
    FROM sign_in s JOIN device_report r ON r.sign_in = s.id
    WHERE s.user_id = ?1 AND s.ended_ms = 0 AND s.expires_ms > ?2 ORDER BY r.reported_ms, s.id";
const EXPORT: &str =
    "SELECT id, user_id, spec, names_learners, created_ms, state, progress, attempts, worker,
    lease_until_ms, pieces, lines, error FROM report_export";

fn export(r: &Row<'_>) -> Result<ExportRow> {
    let state: String = r.get("state")?;
    Ok(ExportRow {
        id: uuid(r, "id")?,
        user: UserId(uuid(r, "user_id")?),
        spec: r.get("spec")?,
        names_learners: r.get("names_learners")?,
        created_ms: r.get("created_ms")?,
        state: ExportState::of_text(&state)
            .ok_or_else(|| StoreError::unreadable("export", "state"))?,
        progress: r.get("progress")?,
        attempts: r.get("attempts")?,
        worker: r.get("worker")?,
        lease_until_ms: r.get("lease_until_ms")?,
        pieces: r.get("pieces")?,
        lines: r.get::<_, i64>("lines")?.unsigned_abs(),
        error: r.get("error")?,
    })
}

impl SqliteTx<'_> {
    fn stored_courses(
        &self,
        user: UserId,
        details: Details<'_>,
    ) -> Result<BTreeMap<Slug, CourseFigures>> {
        let mut stmt = self.prepare_cached(COURSES)?;
        let mut rows = stmt.query([user.0.as_bytes()])?;
        let mut courses = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let course: String = row.get("course")?;
            let course = Slug::new(course).map_err(|e| StoreError::unreadable("figures", e))?;
            let has_detail = details == Details::All || details == Details::Of(&course);
            let detail: Option<String> = if has_detail { Some(row.get("detail")?) } else { None };
            let figures: String = row.get("figures")?;
            let figures = CourseFigures::of_texts(&figures, detail.as_deref())
                .map_err(|e| StoreError::unreadable("figures", e))?;
            courses.insert(course, figures);
        }
        Ok(courses)
    }
}

impl AnalyticsTx for SqliteTx<'_> {
    fn mark_dirty(&self, user: UserId, courses: &[&str], now_ms: i64) -> Result<()> {
        let sql = "INSERT INTO analytics_dirty (user_id, course, since_ms) VALUES (?1, ?2, ?3)
            ON CONFLICT DO NOTHING";
        let mut stmt = self.prepare_cached(sql)?;
        for course in courses {
            stmt.execute((user.0.as_bytes(), course, now_ms))?;
        }
        Ok(())
    }
    fn mark_course_dirty(&self, course: &Slug) -> Result<()> {
        let sql = "INSERT INTO analytics_dirty (user_id, course, since_ms)
            SELECT user_id, '', 0 FROM analytics_course WHERE course = ?1 ON CONFLICT DO NOTHING";
        self.prepare_cached(sql)?.execute([course.as_str()])?;
        Ok(())
    }
    fn mark_all_dirty(&self) -> Result<()> {
        let sql = "INSERT INTO analytics_dirty (user_id, course, since_ms)
            SELECT id, '', 0 FROM account WHERE usn > 0 ON CONFLICT DO NOTHING";
        self.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
    fn dirty_learners(&self, limit: u32) -> Result<Vec<(UserId, i64)>> {
        let sql = "SELECT user_id FROM analytics_dirty ORDER BY since_ms LIMIT ?1";
        let mut stmt = self.prepare_cached(sql)?;
        let users = stmt.query_map([limit], |r| uuid(r, "user_id").map(UserId))?;
        let users = users.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(self.dirty_among(&users)?.into_iter().collect())
    }
    fn dirty_among(&self, users: &[UserId]) -> Result<BTreeMap<UserId, i64>> {
        let mut stmt = self.prepare_cached(DIRTY)?;
        let mut dirty = BTreeMap::new();
        for user in users {
            let (since_ms, marks): (i64, i64) =
                stmt.query_row([user.0.as_bytes()], |r| Ok((r.get("since_ms")?, r.get("marks")?)))?;
            if marks > 0 {
                dirty.insert(*user, since_ms);
            }
        }
        Ok(dirty)
    }
    fn clear_dirty(&self, users: &[UserId]) -> Result<()> {
        let mut stmt = self.prepare_cached("DELETE FROM analytics_dirty WHERE user_id = ?1")?;
        for user in users {
            stmt.execute([user.0.as_bytes()])?;
        }
        Ok(())
    }

    fn learner_rows(&self, users: &[UserId]) -> Result<BTreeMap<UserId, LearnerRows>> {
        let of_user = "WHERE user_id = ?1";
        let of_namespace = "WHERE user_id = ?1 AND ns = ?2";
        let mut found = BTreeMap::new();
        for user in users {
            let Some(usn) = self.usn(*user)? else { continue };
            let id = user.0.as_bytes();
            let rows = LearnerRows {
                usn,
                sessions: rows::query(self, of_user, [id])?,
                progress: rows::query(self, of_user, [id])?,
                attempts: rows::query(self, of_user, [id])?,
                grades: rows::query(self, of_user, [id])?,
                enrolments: rows::query(self, of_namespace, (id, ENROLMENT))?,
                decisions: rows::query(self, of_user, [id])?,
            };
            found.insert(*user, rows);
        }
        Ok(found)
    }
    fn lock_unchanged(&self, seen: &[(UserId, u64)]) -> Result<Vec<UserId>> {
        let mut unchanged = Vec::with_capacity(seen.len());
        for (user, usn) in seen {
            if self.usn(*user)? == Some(*usn) {
                unchanged.push(*user);
            }
        }
        Ok(unchanged)
    }
    fn stored_figures(
        &self,
        users: &[UserId],
        from: i32,
        details: Details<'_>,
    ) -> Result<BTreeMap<UserId, LearnerFigures>> {
        let mut all = BTreeMap::new();
        for user in users {
            let id = user.0.as_bytes();
            let mut stmt = self.prepare_cached(DAYS)?;
            let days = stmt.query_map((id, from), |r| {
                let figures = DayFigures {
                    time_ms: r.get("time_ms")?,
                    sections: r.get("sections")?,
                    lessons: r.get("lessons")?,
                    attempts: r.get("attempts")?,
                    scored: r.get("scored")?,
                    score_sum: r.get("score_sum")?,
                    changed_ms: r.get("changed_ms")?,
                };
                Ok((r.get("day")?, figures))
            })?;
            let days = days.collect::<rusqlite::Result<_>>()?;
            let mut last = self.prepare_cached(LAST_DAY)?;
            let last_day = last.query_row([id], |r| r.get("day")).optional()?;
            let courses = self.stored_courses(*user, details)?;
            all.insert(*user, LearnerFigures { courses, days, last_day });
        }
        Ok(all)
    }
    fn put_figures(&self, change: &FiguresChange) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO analytics_course (user_id, course, figures, detail)
            VALUES (?1, ?2, ?3, ?4)";
        let mut stmt = self.prepare_cached(sql)?;
        for (user, course, figures) in &change.courses {
            let (text, detail) = figures.texts();
            stmt.execute((user.0.as_bytes(), course.as_str(), text, detail))?;
        }
        let sql = "INSERT OR REPLACE INTO analytics_day
            (user_id, day, time_ms, sections, lessons, attempts, scored, score_sum, changed_ms)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let mut stmt = self.prepare_cached(sql)?;
        for (user, day, f) in &change.days {
            stmt.execute(params![
                user.0.as_bytes(),
                day,
                f.time_ms,
                f.sections,
                f.lessons,
                f.attempts,
                f.scored,
                f.score_sum,
                f.changed_ms
            ])?;
        }
        Ok(())
    }

    fn enrolled_after(
        &self,
        course: &Slug,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>> {
        let mut stmt = self.prepare_cached(ENROLLED)?;
        let after = after.map_or(Vec::new(), |id| id.0.as_bytes().to_vec());
        let found = stmt.query_map((course.as_str(), after, limit), |r| uuid(r, "user_id"))?;
        Ok(found.map(|id| id.map(UserId)).collect::<rusqlite::Result<_>>()?)
    }
    fn students_after(&self, after: Option<UserId>, limit: u32) -> Result<Vec<UserId>> {
        let sql = "SELECT id FROM account WHERE id > ?1 AND role = 'student' ORDER BY id LIMIT ?2";
        let after = after.map_or(Vec::new(), |id| id.0.as_bytes().to_vec());
        let mut stmt = self.prepare_cached(sql)?;
        let found = stmt.query_map((after, limit), |r| uuid(r, "id").map(UserId))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn count_accounts(&self) -> Result<u64> {
        let count: i64 =
            self.prepare_cached("SELECT count(*) FROM account")?.query_row([], |r| r.get(0))?;
        Ok(count.unsigned_abs())
    }
    fn names_of(&self, users: &[UserId]) -> Result<Vec<LearnerName>> {
        let mut stmt = self.prepare_cached("SELECT login, name FROM account WHERE id = ?1")?;
        let mut names = Vec::with_capacity(users.len());
        for id in users {
            let name = stmt.query_row([id.0.as_bytes()], |r| {
                Ok(LearnerName { id: *id, login: r.get("login")?, name: r.get("name")? })
            });
            names.extend(name.optional()?);
        }
        Ok(names)
    }
    fn devices_of(&self, users: &[UserId], now_ms: i64) -> Result<Vec<DeviceRow>> {
        let mut stmt = self.prepare_cached(DEVICES)?;
        let mut devices = Vec::new();
        for user in users {
            let found = stmt.query_map((user.0.as_bytes(), now_ms), |r| {
                Ok(DeviceRow {
                    user: *user,
                    device: DeviceId(uuid(r, "device")?),
                    name: r.get("device_name")?,
                    signed_in_ms: r.get("created_ms")?,
                    heard_ms: r.get("heard_ms")?,
                })
            })?;
            for device in found {
                devices.push(device?);
            }
        }
        Ok(devices)
    }
    fn device_reports(&self, users: &[UserId], now_ms: i64) -> Result<Vec<DeviceReportRow>> {
        let mut stmt = self.prepare_cached(DEVICE_REPORTS)?;
        let mut reports = Vec::new();
        for user in users {
            let found = stmt.query_map((user.0.as_bytes(), now_ms), |r| {
                Ok(DeviceReportRow {
                    user: *user,
                    device: DeviceId(uuid(r, "device")?),
                    reported_ms: r.get("reported_ms")?,
                    report: r.get("report")?,
                })
            })?;
            for report in found {
                reports.push(report?);
            }
        }
        Ok(reports)
    }

    fn export(&self, id: Uuid) -> Result<Option<ExportRow>> {
        let mut stmt = self.prepare_cached(&format!("{EXPORT} WHERE id = ?1"))?;
        let mut rows = stmt.query([id.as_bytes()])?;
        rows.next()?.map(export).transpose()
    }
    fn put_export(&self, e: &ExportRow) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO report_export (id, user_id, spec, names_learners, created_ms, state, progress, attempts,
                 worker, lease_until_ms, pieces, lines, error)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, progress = excluded.progress,
                 attempts = excluded.attempts, worker = excluded.worker, lease_until_ms = excluded.lease_until_ms,
                 pieces = excluded.pieces, lines = excluded.lines, error = excluded.error",
        )?
        .execute(params![
            e.id.as_bytes(),
            e.user.0.as_bytes(),
            e.spec,
            e.names_learners,
            e.created_ms,
            e.state.as_str(),
            e.progress,
            e.attempts,
            e.worker,
            e.lease_until_ms,
            e.pieces,
            i64::try_from(e.lines).unwrap_or(i64::MAX),
            e.error
        ])?;
        Ok(())
    }
    fn exports_to_run(&self, now_ms: i64) -> Result<Vec<Uuid>> {
        let sql = "SELECT id FROM report_export WHERE state IN ('waiting', 'running') AND lease_until_ms <= ?1
            ORDER BY created_ms, id";
        let mut stmt = self.prepare_cached(sql)?;
        let found = stmt.query_map([now_ms], |r| uuid(r, "id"))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn export_piece(&self, id: Uuid, number: u32) -> Result<Option<String>> {
        let sql = "SELECT text FROM report_export_piece WHERE export = ?1 AND number = ?2";
        let mut stmt = self.prepare_cached(sql)?;
        Ok(stmt.query_row((id.as_bytes(), number), |r| r.get("text")).optional()?)
    }
    fn put_export_piece(&self, id: Uuid, number: u32, text: &str) -> Result<()> {
        let sql =
            "INSERT OR REPLACE INTO report_export_piece (export, number, text) VALUES (?1, ?2, ?3)";
        self.prepare_cached(sql)?.execute((id.as_bytes(), number, text))?;
        Ok(())
    }
    fn delete_export_pieces(&self, id: Uuid) -> Result<()> {
        let sql = "DELETE FROM report_export_piece WHERE export = ?1";
        self.prepare_cached(sql)?.execute([id.as_bytes()])?;
        Ok(())
    }
    fn delete_exports_of_names(&self) -> Result<()> {
        self.prepare_cached("DELETE FROM report_export WHERE names_learners = 1")?.execute([])?;
        Ok(())
    }
    fn delete_exports(&self, before_ms: i64, limit: Option<u32>) -> Result<u64> {
        let sql = "DELETE FROM report_export WHERE id IN
            (SELECT id FROM report_export WHERE created_ms < ?1 ORDER BY created_ms LIMIT ?2)";
        let limit = limit.map_or(-1, i64::from);
        Ok(self.prepare_cached(sql)?.execute((before_ms, limit))? as u64)
    }
}

#[cfg(test)]
mod tests {
    use crate::sqlite::tests::plan;

    use super::*;

    #[test]
    fn figures_are_found_by_index() {
        for sql in [DIRTY, COURSES, DAYS, LAST_DAY, ENROLLED, DEVICES] {
            let plan = plan(sql);
            assert!(!plan.contains("SCAN"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE") || sql == DEVICES, "{plan}");
        }
    }
}
