//! SQL statements for stored figures and exports. What concerns many learners is read and written in one statement.

use std::collections::BTreeMap;

use carrel_analytics::{CourseFigures, DayFigures, LearnerFigures, LearnerName, LearnerRows};
use carrel_model::{
    DeviceId, Slug, UserId,
    lattice::{Attempt, Decision, ENROLMENT, Grade, Kv, Progress, RowKind, Session},
};
use carrel_store::{
    Result, StoreError,
    tx::{AnalyticsTx, Details, DeviceReportRow, DeviceRow, ExportRow, ExportState, FiguresChange},
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::tx::{PgTx, bytes, get, text, user_id, uuid};

const EXPORT: &str =
    "SELECT id, user_id, spec, names_learners, created_ms, state, progress, attempts, worker,
    lease_until_ms, pieces, lines, error FROM report_export";

fn small<T: TryFrom<i64>>(row: &Row, index: usize) -> Result<T> {
    let number: i64 = get(row, index)?;
    T::try_from(number).map_err(|_| StoreError::unreadable("number", "out of range"))
}

fn export(row: &Row) -> Result<ExportRow> {
    Ok(ExportRow {
        id: uuid(row, 0)?,
        user: user_id(row, 1)?,
        spec: get(row, 2)?,
        names_learners: get::<i64>(row, 3)? != 0,
        created_ms: get(row, 4)?,
        state: ExportState::of_text(get(row, 5)?)
            .ok_or_else(|| StoreError::unreadable("export", "state"))?,
        progress: small(row, 6)?,
        attempts: small(row, 7)?,
        worker: get(row, 8)?,
        lease_until_ms: get(row, 9)?,
        pieces: small(row, 10)?,
        lines: small(row, 11)?,
        error: get(row, 12)?,
    })
}

fn ids(users: &[UserId]) -> Vec<&[u8]> {
    users.iter().map(|user| bytes(&user.0)).collect()
}

/// Returns the first id after which a page begins.
fn after_bytes(after: Option<&UserId>) -> &[u8] {
    after.map_or(&[], |id| bytes(&id.0))
}

impl PgTx<'_> {
    /// Adds the rows of one kind to those of their learners.
    fn add_rows<T: RowKind>(
        &self,
        all: &mut BTreeMap<UserId, LearnerRows>,
        clause: &str,
        users: &[&[u8]],
        of: impl Fn(&mut LearnerRows) -> &mut Vec<T>,
    ) -> Result<()> {
        for (user, row) in self.select_of_users(clause, users)? {
            if let Some(rows) = all.get_mut(&user) {
                of(rows).push(row);
            }
        }
        Ok(())
    }
}

impl AnalyticsTx for PgTx<'_> {
    fn mark_dirty(&self, user: UserId, courses: &[&str], now_ms: i64) -> Result<()> {
        let sql = "INSERT INTO analytics_dirty (user_id, course, since_ms)
            SELECT $1::bytea, course, $3::int8 FROM unnest($2::text[]) AS course ON CONFLICT DO NOTHING";
        self.execute(sql, &[&bytes(&user.0), &courses, &now_ms])?;
        Ok(())
    }
    fn mark_course_dirty(&self, course: &Slug) -> Result<()> {
        let sql = "INSERT INTO analytics_dirty (user_id, course, since_ms)
            SELECT user_id, '', 0 FROM analytics_course WHERE course = $1 ON CONFLICT DO NOTHING";
        self.execute(sql, &[&course.as_str()])?;
        Ok(())
    }
    fn mark_all_dirty(&self) -> Result<()> {
        let sql = "INSERT INTO analytics_dirty (user_id, course, since_ms)
            SELECT user_id, '', 0 FROM learner WHERE usn > 0 ON CONFLICT DO NOTHING";
        self.execute(sql, &[])?;
        Ok(())
    }
    fn dirty_learners(&self, limit: u32) -> Result<Vec<(UserId, i64)>> {
        let sql = "SELECT user_id FROM analytics_dirty ORDER BY since_ms LIMIT $1";
        let found = self.query(sql, &[&i64::from(limit)])?;
        let users: Vec<UserId> = found.iter().map(|row| user_id(row, 0)).collect::<Result<_>>()?;
        Ok(self.dirty_among(&users)?.into_iter().collect())
    }
    fn dirty_among(&self, users: &[UserId]) -> Result<BTreeMap<UserId, i64>> {
        let sql = "SELECT user_id, coalesce(min(nullif(since_ms, 0)), 0) FROM analytics_dirty
            WHERE user_id = ANY($1) GROUP BY user_id";
        let found = self.query(sql, &[&ids(users)])?;
        found.iter().map(|row| Ok((user_id(row, 0)?, get(row, 1)?))).collect()
    }
    fn clear_dirty(&self, users: &[UserId]) -> Result<()> {
        self.execute("DELETE FROM analytics_dirty WHERE user_id = ANY($1)", &[&ids(users)])?;
        Ok(())
    }

    fn learner_rows(&self, users: &[UserId]) -> Result<BTreeMap<UserId, LearnerRows>> {
        let sql = "SELECT user_id, usn FROM learner WHERE user_id = ANY($1)";
        let users = ids(users);
        let mut all = BTreeMap::new();
        for row in self.query(sql, &[&users])? {
            let usn = get::<i64>(&row, 1)?.unsigned_abs();
            all.insert(user_id(&row, 0)?, LearnerRows { usn, ..LearnerRows::default() });
        }
        self.add_rows::<Session>(&mut all, "", &users, |rows| &mut rows.sessions)?;
        self.add_rows::<Progress>(&mut all, "", &users, |rows| &mut rows.progress)?;
        self.add_rows::<Attempt>(&mut all, "", &users, |rows| &mut rows.attempts)?;
        self.add_rows::<Grade>(&mut all, "", &users, |rows| &mut rows.grades)?;
        let of_namespace = format!(" AND ns = '{ENROLMENT}'");
        self.add_rows::<Kv>(&mut all, &of_namespace, &users, |rows| &mut rows.enrolments)?;
        self.add_rows::<Decision>(&mut all, "", &users, |rows| &mut rows.decisions)?;
        Ok(all)
    }
    fn lock_unchanged(&self, seen: &[(UserId, u64)]) -> Result<Vec<UserId>> {
        let users: Vec<&[u8]> = seen.iter().map(|(user, _)| bytes(&user.0)).collect();
        let sql = "SELECT user_id, usn FROM learner WHERE user_id = ANY($1) ORDER BY user_id
            FOR UPDATE SKIP LOCKED";
        let found = self.query(sql, &[&users])?;
        let now: BTreeMap<UserId, u64> = found
            .iter()
            .map(|row| Ok((user_id(row, 0)?, get::<i64>(row, 1)?.unsigned_abs())))
            .collect::<Result<_>>()?;
        let is_same = |(user, usn): &&(UserId, u64)| now.get(user) == Some(usn);
        Ok(seen.iter().filter(is_same).map(|(user, _)| *user).collect())
    }
    fn stored_figures(
        &self,
        users: &[UserId],
        from: i32,
        details: Details<'_>,
    ) -> Result<BTreeMap<UserId, LearnerFigures>> {
        let mut all: BTreeMap<UserId, LearnerFigures> =
            users.iter().map(|user| (*user, LearnerFigures::default())).collect();
        let users = ids(users);
        let sql = "SELECT user_id, day, time_ms, sections, lessons, attempts, scored, score_sum, changed_ms
            FROM analytics_day WHERE user_id = ANY($1) AND day >= $2";
        for row in self.query(sql, &[&users, &i64::from(from)])? {
            let figures = DayFigures {
                time_ms: get(&row, 2)?,
                sections: get(&row, 3)?,
                lessons: get(&row, 4)?,
                attempts: get(&row, 5)?,
                scored: get(&row, 6)?,
                score_sum: get(&row, 7)?,
                changed_ms: get(&row, 8)?,
            };
            all.entry(user_id(&row, 0)?).or_default().days.insert(small(&row, 1)?, figures);
        }
        let sql = "SELECT u.id, d.day FROM unnest($1::bytea[]) AS u (id) CROSS JOIN LATERAL
            (SELECT day FROM analytics_day WHERE user_id = u.id
                AND (time_ms > 0 OR sections > 0 OR attempts > 0) ORDER BY day DESC LIMIT 1) AS d";
        for row in self.query(sql, &[&users])? {
            all.entry(user_id(&row, 0)?).or_default().last_day = Some(small(&row, 1)?);
        }
        // Details are larger than the figures.
        let (is_all, course) = match details {
            Details::Nothing => (false, ""),
            Details::Of(course) => (false, course.as_str()),
            Details::All => (true, ""),
        };
        let sql = "SELECT user_id, course, figures, CASE WHEN $2 OR course = $3 THEN detail END
            FROM analytics_course WHERE user_id = ANY($1)";
        for row in self.query(sql, &[&users, &is_all, &course])? {
            let course = Slug::new(get::<&str>(&row, 1)?)
                .map_err(|e| StoreError::unreadable("figures", e))?;
            let detail = get::<Option<&str>>(&row, 3)?;
            let figures = CourseFigures::of_texts(get(&row, 2)?, detail)
                .map_err(|e| StoreError::unreadable("figures", e))?;
            all.entry(user_id(&row, 0)?).or_default().courses.insert(course, figures);
        }
        Ok(all)
    }
    fn put_figures(&self, change: &FiguresChange) -> Result<()> {
        if !change.courses.is_empty() {
            let of = &change.courses;
            let users: Vec<&[u8]> = of.iter().map(|(user, ..)| bytes(&user.0)).collect();
            let courses: Vec<&str> = of.iter().map(|(_, course, _)| course.as_str()).collect();
            let texts = of.iter().map(|(.., figures)| figures.texts());
            let (figures, details): (Vec<String>, Vec<String>) = texts.unzip();
            self.execute(
                "INSERT INTO analytics_course (user_id, course, figures, detail)
                 SELECT v.* FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[]) AS v
                 ON CONFLICT (tenant, user_id, course)
                 DO UPDATE SET figures = excluded.figures, detail = excluded.detail",
                &[&users, &courses, &figures, &details],
            )?;
        }
        if !change.days.is_empty() {
            let of = &change.days;
            let users: Vec<&[u8]> = of.iter().map(|(user, ..)| bytes(&user.0)).collect();
            let column = |value: fn(&DayFigures) -> i64| -> Vec<i64> {
                of.iter().map(|(.., figures)| value(figures)).collect()
            };
            let days: Vec<i64> = of.iter().map(|(_, day, _)| i64::from(*day)).collect();
            self.execute(
                "INSERT INTO analytics_day
                     (user_id, day, time_ms, sections, lessons, attempts, scored, score_sum, changed_ms)
                 SELECT v.* FROM unnest($1::bytea[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[],
                     $7::int8[], $8::int8[], $9::int8[]) AS v
                 ON CONFLICT (tenant, user_id, day) DO UPDATE SET time_ms = excluded.time_ms,
                     sections = excluded.sections, lessons = excluded.lessons, attempts = excluded.attempts,
                     scored = excluded.scored, score_sum = excluded.score_sum, changed_ms = excluded.changed_ms",
                &[
                    &users,
                    &days,
                    &column(|f| f.time_ms),
                    &column(|f| f.sections),
                    &column(|f| f.lessons),
                    &column(|f| f.attempts),
                    &column(|f| f.scored),
                    &column(|f| f.score_sum),
                    &column(|f| f.changed_ms),
                ],
            )?;
        }
        Ok(())
    }

    fn enrolled_after(
        &self,
        course: &Slug,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>> {
        let sql = "SELECT user_id FROM kv WHERE ns = 'enrolment' AND value = 'true' AND key = $1 AND user_id > $2
            ORDER BY user_id LIMIT $3";
        let after = after_bytes(after.as_ref());
        let found = self.query(sql, &[&course.as_str(), &after, &i64::from(limit)])?;
        found.iter().map(|row| user_id(row, 0)).collect()
    }
    fn students_after(&self, after: Option<UserId>, limit: u32) -> Result<Vec<UserId>> {
        let sql = "SELECT id FROM account WHERE id > $1 AND role = 'student' ORDER BY id LIMIT $2";
        let found = self.query(sql, &[&after_bytes(after.as_ref()), &i64::from(limit)])?;
        found.iter().map(|row| user_id(row, 0)).collect()
    }
    fn count_accounts(&self) -> Result<u64> {
        Ok(self.count("SELECT count(*) FROM account", &[])? as u64)
    }
    fn names_of(&self, users: &[UserId]) -> Result<Vec<LearnerName>> {
        let sql = "SELECT id, login, name FROM account WHERE id = ANY($1)";
        let found = self.query(sql, &[&ids(users)])?;
        let name = |row: &Row| {
            Ok::<_, StoreError>(LearnerName {
                id: user_id(row, 0)?,
                login: get(row, 1)?,
                name: get(row, 2)?,
            })
        };
        found.iter().map(name).collect()
    }
    fn devices_of(&self, users: &[UserId], now_ms: i64) -> Result<Vec<DeviceRow>> {
        let sql = "SELECT s.user_id, s.device, s.device_name, s.created_ms,
                greatest(s.created_ms, (SELECT max(b.redeemed_ms) FROM sign_in_branch b WHERE b.sign_in = s.id))
                    AS heard_ms
            FROM sign_in s WHERE s.user_id = ANY($1) AND s.ended_ms = 0 AND s.expires_ms > $2
            ORDER BY s.user_id, heard_ms DESC, s.device";
        let found = self.query(sql, &[&ids(users), &now_ms])?;
        let device = |row: &Row| {
            Ok::<_, StoreError>(DeviceRow {
                user: user_id(row, 0)?,
                device: DeviceId(uuid(row, 1)?),
                name: get(row, 2)?,
                signed_in_ms: get(row, 3)?,
                heard_ms: get(row, 4)?,
            })
        };
        found.iter().map(device).collect()
    }
    fn device_reports(&self, users: &[UserId], now_ms: i64) -> Result<Vec<DeviceReportRow>> {
        let sql = "SELECT s.user_id, s.device, r.reported_ms, r.report
            FROM sign_in s JOIN device_report r ON r.sign_in = s.id
            WHERE s.user_id = ANY($1) AND s.ended_ms = 0 AND s.expires_ms > $2
            ORDER BY s.user_id, r.reported_ms, s.id";
        let found = self.query(sql, &[&ids(users), &now_ms])?;
        let report = |row: &Row| {
            Ok::<_, StoreError>(DeviceReportRow {
                user: user_id(row, 0)?,
                device: DeviceId(uuid(row, 1)?),
                reported_ms: get(row, 2)?,
                report: get(row, 3)?,
            })
        };
        found.iter().map(report).collect()
    }

    fn export(&self, id: Uuid) -> Result<Option<ExportRow>> {
        let sql = format!("{EXPORT} WHERE id = $1{}", self.for_update());
        self.query_opt(&sql, &[&bytes(&id)])?.as_ref().map(export).transpose()
    }
    fn put_export(&self, e: &ExportRow) -> Result<()> {
        self.execute(
            "INSERT INTO report_export (id, user_id, spec, names_learners, created_ms, state, progress, attempts,
                 worker, lease_until_ms, pieces, lines, error)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT (tenant, id) DO UPDATE SET state = excluded.state, progress = excluded.progress,
                 attempts = excluded.attempts, worker = excluded.worker, lease_until_ms = excluded.lease_until_ms,
                 pieces = excluded.pieces, lines = excluded.lines, error = excluded.error",
            &[
                &bytes(&e.id),
                &bytes(&e.user.0),
                &text(&e.spec),
                &i64::from(e.names_learners),
                &e.created_ms,
                &e.state.as_str(),
                &i64::from(e.progress),
                &i64::from(e.attempts),
                &text(&e.worker),
                &e.lease_until_ms,
                &i64::from(e.pieces),
                &i64::try_from(e.lines).unwrap_or(i64::MAX),
                &text(&e.error),
            ],
        )?;
        Ok(())
    }
    fn exports_to_run(&self, now_ms: i64) -> Result<Vec<Uuid>> {
        let sql = "SELECT id FROM report_export WHERE state IN ('waiting', 'running') AND lease_until_ms <= $1
            ORDER BY created_ms, id";
        self.query(sql, &[&now_ms])?.iter().map(|row| uuid(row, 0)).collect()
    }
    fn export_piece(&self, id: Uuid, number: u32) -> Result<Option<String>> {
        let sql = "SELECT text FROM report_export_piece WHERE export = $1 AND number = $2";
        let found = self.query_opt(sql, &[&bytes(&id), &i64::from(number)])?;
        found.map(|row| get(&row, 0)).transpose()
    }
    fn put_export_piece(&self, id: Uuid, number: u32, piece: &str) -> Result<()> {
        let sql = "INSERT INTO report_export_piece (export, number, text) VALUES ($1, $2, $3)
            ON CONFLICT (tenant, export, number) DO UPDATE SET text = excluded.text";
        self.execute(sql, &[&bytes(&id), &i64::from(number), &text(piece)])?;
        Ok(())
    }
    fn delete_export_pieces(&self, id: Uuid) -> Result<()> {
        self.execute("DELETE FROM report_export_piece WHERE export = $1", &[&bytes(&id)])?;
        Ok(())
    }
    fn delete_exports_of_names(&self) -> Result<()> {
        self.execute("DELETE FROM report_export WHERE names_learners = 1", &[])?;
        Ok(())
    }
    fn delete_exports(&self, before_ms: i64, limit: Option<u32>) -> Result<u64> {
        let sql = "DELETE FROM report_export WHERE id IN
            (SELECT id FROM report_export WHERE created_ms < $1 ORDER BY created_ms LIMIT $2)";
        self.execute(sql, &[&before_ms, &limit.map_or(i64::MAX, i64::from)])
    }
}
