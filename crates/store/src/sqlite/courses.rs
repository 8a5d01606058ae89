//! SQL statements for courses, requests for enrolment and uploads.

use std::collections::{BTreeMap, HashSet};

use carrel_model::{BlobHash, Slug, UserId, content::ManifestBlob, lattice::DecisionStatus};
use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::SqliteTx;
use crate::{
    Result, StoreError,
    tx::{
        Audience, BlobUse, CourseRow, CourseState, CourseTx, EnrolmentPolicy, Listing, RequestRow,
        UploadRow, UploadState, VersionRow, ViewerRow, decision_status_of,
    },
};

const COURSE: &str = "SELECT id, title, state, draft, draft_state, owner, for_classes, enrolment, changed_ms FROM course";
const VERSION: &str =
    "SELECT version, manifest, created_ms, author, notes, published_ms FROM course_version";
const REQUEST: &str = "SELECT r.course, r.user_id, r.stamp, r.requested_ms, r.status, r.decided_ms";
const UPLOAD: &str =
    "SELECT id, user_id, name, notes, created_ms, state, progress, attempts, worker,
    lease_until_ms, course, report, error, hint, story FROM course_upload";
const CLASS_COURSES: &str = "SELECT DISTINCT j.value FROM membership m
    JOIN class c ON c.id = m.class AND c.archived = 0, json_each(c.courses) j WHERE m.user_id = ?1";
const ENROLLED: &str = "SELECT course FROM decision WHERE user_id = ?1 AND status = 'active'";
const OWNED: &str = "SELECT id FROM course WHERE owner = ?1";

/// Returns ids as a JSON array.
pub(super) fn json_ids(ids: &[Slug]) -> String {
    let ids: Vec<&str> = ids.iter().map(Slug::as_str).collect();
    serde_json::to_string(&ids).unwrap_or_default()
}

fn slug(text: String) -> Result<Slug> {
    Slug::new(text).map_err(|e| StoreError::unreadable("course", e))
}

fn optional_user(r: &Row<'_>, name: &str) -> rusqlite::Result<Option<UserId>> {
    let bytes: Vec<u8> = r.get(name)?;
    Ok(Uuid::from_slice(&bytes).ok().map(UserId))
}

fn user_bytes(user: Option<UserId>) -> Vec<u8> {
    user.map(|user| user.0.as_bytes().to_vec()).unwrap_or_default()
}

fn user(r: &Row<'_>) -> Result<UserId> {
    let bytes: Vec<u8> = r.get("user_id")?;
    Uuid::from_slice(&bytes).map(UserId).map_err(|e| StoreError::unreadable("id", e))
}

fn course(r: &Row<'_>) -> Result<CourseRow> {
    let bad = |what: &str| StoreError::unreadable("course", what);
    let state: String = r.get("state")?;
    let draft: Vec<u8> = r.get("draft")?;
    let draft_state: String = r.get("draft_state")?;
    let draft = match (<[u8; 32]>::try_from(draft), CourseState::of_text(&draft_state)) {
        (Ok(hash), Some(state)) => Some((BlobHash(hash), state)),
        _ => None,
    };
    let policy: String = r.get("enrolment")?;
    Ok(CourseRow {
        id: slug(r.get("id")?)?,
        title: r.get("title")?,
        state: CourseState::of_text(&state).ok_or_else(|| bad("state"))?,
        draft,
        owner: optional_user(r, "owner")?,
        for_classes: r.get("for_classes")?,
        policy: EnrolmentPolicy::of_text(&policy).ok_or_else(|| bad("enrolment policy"))?,
        changed_ms: r.get("changed_ms")?,
    })
}

fn version(r: &Row<'_>) -> rusqlite::Result<VersionRow> {
    Ok(VersionRow {
        version: BlobHash(r.get("version")?),
        manifest: r.get("manifest")?,
        created_ms: r.get("created_ms")?,
        author: optional_user(r, "author")?,
        notes: r.get("notes")?,
        published_ms: r.get("published_ms")?,
    })
}

fn request(r: &Row<'_>) -> Result<RequestRow> {
    let status: String = r.get("status")?;
    Ok(RequestRow {
        course: slug(r.get("course")?)?,
        user: user(r)?,
        stamp: r.get("stamp")?,
        requested_ms: r.get("requested_ms")?,
        status: decision_status_of(&status).unwrap_or(DecisionStatus::Pending),
        decided_ms: r.get("decided_ms")?,
    })
}

fn upload(r: &Row<'_>) -> Result<UploadRow> {
    let id: Vec<u8> = r.get("id")?;
    let state: String = r.get("state")?;
    Ok(UploadRow {
        id: Uuid::from_slice(&id).map_err(|e| StoreError::unreadable("id", e))?,
        user: user(r)?,
        name: r.get("name")?,
        notes: r.get("notes")?,
        created_ms: r.get("created_ms")?,
        state: UploadState::of_text(&state)
            .ok_or_else(|| StoreError::unreadable("upload", "state"))?,
        progress: r.get("progress")?,
        attempts: r.get("attempts")?,
        worker: r.get("worker")?,
        lease_until_ms: r.get("lease_until_ms")?,
        course: r.get("course")?,
        report: r.get("report")?,
        error: r.get("error")?,
        hint: r.get("hint")?,
        story: r.get("story")?,
    })
}

impl SqliteTx<'_> {
    /// Returns the ids of the courses that a reader does not find.
    pub(super) fn hidden_courses(&self, audience: &Audience) -> Result<HashSet<String>> {
        let (condition, ids) = match audience {
            Audience::All => return Ok(HashSet::new()),
            Audience::Listed => ("listing = 0 AND ?1 = ?1", String::new()),
            Audience::Reader(ids) => (
                "(listing = 0 OR (listing = 1 AND id NOT IN (SELECT value FROM json_each(?1))))",
                json_ids(ids),
            ),
        };
        let sql = format!("SELECT id FROM publication WHERE kind = 'course' AND {condition}");
        let mut stmt = self.prepare_cached(&sql)?;
        Ok(stmt.query_map([ids], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?)
    }
    fn slugs(&self, sql: &str, user: UserId) -> Result<Vec<Slug>> {
        let mut stmt = self.prepare_cached(sql)?;
        let texts = stmt.query_map([user.0.as_bytes()], |r| r.get::<_, String>(0))?;
        texts.map(|text| slug(text?)).collect()
    }
}

impl CourseTx for SqliteTx<'_> {
    fn course(&self, id: &Slug) -> Result<Option<CourseRow>> {
        let mut stmt = self.prepare_cached(&format!("{COURSE} WHERE id = ?1"))?;
        let mut rows = stmt.query([id.as_str()])?;
        rows.next()?.map(course).transpose()
    }
    fn courses_after(
        &self,
        owner: Option<UserId>,
        archived: bool,
        after: &str,
        limit: u32,
    ) -> Result<Vec<CourseRow>> {
        let mut stmt = self.prepare_cached(&format!(
            "{COURSE} WHERE id > ?1 AND (?2 = x'' OR owner = ?2) AND (?3 OR state <> 'archived') ORDER BY id LIMIT ?4"
        ))?;
        let mut rows = stmt.query((after, user_bytes(owner), archived, limit))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(course(row)?);
        }
        Ok(found)
    }
    fn put_course(&self, c: &CourseRow) -> Result<()> {
        let (draft, draft_state) = c
            .draft
            .map_or((Vec::new(), ""), |(version, state)| (version.0.to_vec(), state.as_str()));
        self.prepare_cached(
            "INSERT INTO course (id, title, state, draft, draft_state, owner, for_classes, enrolment, changed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET title = excluded.title, state = excluded.state, draft = excluded.draft,
             draft_state = excluded.draft_state, owner = excluded.owner, for_classes = excluded.for_classes,
             enrolment = excluded.enrolment, changed_ms = excluded.changed_ms",
        )?
        .execute((
            c.id.as_str(),
            &c.title,
            c.state.as_str(),
            draft,
            draft_state,
            user_bytes(c.owner),
            c.for_classes,
            c.policy.as_str(),
            c.changed_ms,
        ))?;
        Ok(())
    }
    fn delete_course(&self, id: &Slug) -> Result<()> {
        for sql in [
            "DELETE FROM course_version_blob WHERE course = ?1",
            "DELETE FROM course_version WHERE course = ?1",
            "DELETE FROM enrolment_request WHERE course = ?1",
            "DELETE FROM course WHERE id = ?1",
        ] {
            self.prepare_cached(sql)?.execute([id.as_str()])?;
        }
        Ok(())
    }
    fn course_versions(&self, id: &Slug) -> Result<Vec<VersionRow>> {
        let mut stmt = self.prepare_cached(&format!(
            "{VERSION} WHERE course = ?1 ORDER BY created_ms DESC, version"
        ))?;
        Ok(stmt.query_map([id.as_str()], version)?.collect::<rusqlite::Result<_>>()?)
    }
    fn course_version(&self, id: &Slug, hash: BlobHash) -> Result<Option<VersionRow>> {
        let mut stmt =
            self.prepare_cached(&format!("{VERSION} WHERE course = ?1 AND version = ?2"))?;
        Ok(stmt.query_row((id.as_str(), hash.0), version).optional()?)
    }
    fn put_course_version(&self, id: &Slug, v: &VersionRow, blobs: &[ManifestBlob]) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO course_version (course, version, manifest, created_ms, author, notes, published_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (course, version) DO UPDATE SET manifest = excluded.manifest",
        )?
        .execute((
            id.as_str(),
            v.version.0,
            &v.manifest,
            v.created_ms,
            user_bytes(v.author),
            &v.notes,
            v.published_ms,
        ))?;
        let mut blob = self.prepare_cached(
            "INSERT INTO blob (hash, size, media_type, is_open) VALUES (?1, ?2, ?3, 0)
             ON CONFLICT (hash) DO UPDATE SET unused_since_ms = 0",
        )?;
        let mut of_version = self.prepare_cached(
            "INSERT OR IGNORE INTO course_version_blob (course, version, hash) VALUES (?1, ?2, ?3)",
        )?;
        for b in blobs {
            blob.execute((b.hash.0, b.size as i64, &b.media_type))?;
            of_version.execute((id.as_str(), v.version.0, b.hash.0))?;
        }
        Ok(())
    }
    fn set_version_published(&self, id: &Slug, hash: BlobHash, now_ms: i64) -> Result<()> {
        let sql = "UPDATE course_version SET published_ms = ?3 WHERE course = ?1 AND version = ?2";
        self.prepare_cached(sql)?.execute((id.as_str(), hash.0, now_ms))?;
        Ok(())
    }
    fn drop_version_content(&self, id: &Slug, hash: BlobHash) -> Result<()> {
        for sql in [
            "UPDATE course_version SET manifest = '' WHERE course = ?1 AND version = ?2",
            "DELETE FROM course_version_blob WHERE course = ?1 AND version = ?2",
        ] {
            self.prepare_cached(sql)?.execute((id.as_str(), hash.0))?;
        }
        Ok(())
    }
    fn set_listing(&self, id: &Slug, listing: Listing) -> Result<()> {
        self.prepare_cached(
            "UPDATE publication SET listing = ?2 WHERE kind = 'course' AND id = ?1",
        )?
        .execute((id.as_str(), listing as i64))?;
        // Withdrawing a course does not change who may get its blobs.
        if listing != Listing::Nobody {
            self.prepare_cached(
                "UPDATE blob SET is_open = ?2 WHERE hash IN
                 (SELECT hash FROM publication_blob WHERE kind = 'course' AND id = ?1)",
            )?
            .execute((id.as_str(), listing == Listing::Everybody))?;
        }
        Ok(())
    }
    fn viewer(&self, user: UserId) -> Result<Option<ViewerRow>> {
        let mut stmt = self.prepare_cached("SELECT role FROM account WHERE id = ?1")?;
        let role = stmt.query_row([user.0.as_bytes()], |r| r.get::<_, String>(0)).optional()?;
        let Some(role) = role else { return Ok(None) };
        Ok(Some(ViewerRow {
            is_administrator: role == "administrator",
            class_courses: self.slugs(CLASS_COURSES, user)?,
            enrolled: self.slugs(ENROLLED, user)?,
            owned: self.slugs(OWNED, user)?,
        }))
    }
    fn blob_use(&self, hash: BlobHash) -> Result<BlobUse> {
        let mut found = BlobUse::default();
        let mut stmt = self.prepare_cached(
            "SELECT p.kind, p.id, p.listing FROM publication_blob b
             JOIN publication p ON p.kind = b.kind AND p.id = b.id WHERE b.hash = ?1",
        )?;
        let mut rows = stmt.query([hash.0])?;
        let mut is_used = false;
        while let Some(row) = rows.next()? {
            is_used = true;
            if row.get::<_, i64>("listing")? == 2 || row.get::<_, String>("kind")? != "course" {
                found.is_public = true;
            } else {
                found.courses.push(slug(row.get("id")?)?);
            }
        }
        let mut stmt = self.prepare_cached(
            "SELECT v.course, v.published_ms FROM course_version_blob b
             JOIN course_version v ON v.course = b.course AND v.version = b.version WHERE b.hash = ?1",
        )?;
        let mut rows = stmt.query([hash.0])?;
        while let Some(row) = rows.next()? {
            is_used = true;
            let id = slug(row.get("course")?)?;
            let is_draft = row.get::<_, i64>("published_ms")? == 0;
            if is_draft { found.drafts.push(id) } else { found.courses.push(id) }
        }
        if !is_used {
            let mut stmt =
                self.prepare_cached("SELECT 1 FROM blob WHERE hash = ?1 AND is_open = 1")?;
            found.is_open = stmt.exists([hash.0])?;
        }
        Ok(found)
    }
    fn owner_names(&self, courses: &[Slug]) -> Result<BTreeMap<String, String>> {
        let mut stmt = self.prepare_cached(
            "SELECT c.id, a.name FROM course c JOIN account a ON a.id = c.owner
             WHERE c.id IN (SELECT value FROM json_each(?1))",
        )?;
        let names = stmt.query_map([json_ids(courses)], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    fn enrolment_request(&self, course: &Slug, user: UserId) -> Result<Option<RequestRow>> {
        let sql =
            format!("{REQUEST} FROM enrolment_request r WHERE r.course = ?1 AND r.user_id = ?2");
        let mut stmt = self.prepare_cached(&sql)?;
        let mut rows = stmt.query((course.as_str(), user.0.as_bytes()))?;
        rows.next()?.map(request).transpose()
    }
    fn put_enrolment_request(&self, r: &RequestRow) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO enrolment_request (course, user_id, stamp, requested_ms, status, decided_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (course, user_id) DO UPDATE SET stamp = excluded.stamp,
             requested_ms = excluded.requested_ms, status = excluded.status, decided_ms = excluded.decided_ms",
        )?
        .execute((
            r.course.as_str(),
            r.user.0.as_bytes(),
            r.stamp,
            r.requested_ms,
            r.status.as_str(),
            r.decided_ms,
        ))?;
        Ok(())
    }
    fn pending_requests(
        &self,
        course: &Slug,
        limit: u32,
    ) -> Result<Vec<(RequestRow, String, String)>> {
        let mut stmt = self.prepare_cached(&format!(
            "{REQUEST}, a.login, a.name FROM enrolment_request r JOIN account a ON a.id = r.user_id
             JOIN kv k ON k.user_id = r.user_id AND k.ns = 'enrolment' AND k.key = r.course AND k.value = 'true'
             WHERE r.course = ?1 AND r.status = 'pending' ORDER BY r.requested_ms, r.user_id LIMIT ?2"
        ))?;
        let mut rows = stmt.query((course.as_str(), limit))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((request(row)?, row.get("login")?, row.get("name")?));
        }
        Ok(found)
    }

    fn upload(&self, id: Uuid) -> Result<Option<UploadRow>> {
        let mut stmt = self.prepare_cached(&format!("{UPLOAD} WHERE id = ?1"))?;
        let mut rows = stmt.query([id.as_bytes()])?;
        rows.next()?.map(upload).transpose()
    }
    fn put_upload(&self, u: &UploadRow) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO course_upload (id, user_id, name, notes, created_ms, state, progress, attempts, worker,
             lease_until_ms, course, report, error, hint, story)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, progress = excluded.progress,
             attempts = excluded.attempts, worker = excluded.worker, lease_until_ms = excluded.lease_until_ms,
             course = excluded.course, report = excluded.report, error = excluded.error, hint = excluded.hint,
             story = excluded.story",
        )?
        .execute((
            u.id.as_bytes(),
            u.user.0.as_bytes(),
            &u.name,
            &u.notes,
            u.created_ms,
            u.state.as_str(),
            u.progress,
            u.attempts,
            &u.worker,
            u.lease_until_ms,
            &u.course,
            &u.report,
            &u.error,
            &u.hint,
            &u.story,
        ))?;
        Ok(())
    }
    fn uploads_to_run(&self, now_ms: i64) -> Result<Vec<Uuid>> {
        let mut stmt = self.prepare_cached(
            "SELECT id FROM course_upload WHERE state IN ('waiting', 'running') AND lease_until_ms <= ?1
             ORDER BY created_ms, id LIMIT 100",
        )?;
        let mut rows = stmt.query([now_ms])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id: Vec<u8> = row.get("id")?;
            found.push(Uuid::from_slice(&id).map_err(|e| StoreError::unreadable("id", e))?);
        }
        Ok(found)
    }
    fn delete_uploads(&self, before_ms: i64, limit: Option<u32>) -> Result<u64> {
        let sql = "DELETE FROM course_upload WHERE id IN
            (SELECT id FROM course_upload WHERE created_ms < ?1 ORDER BY created_ms LIMIT ?2)";
        let limit = limit.map_or(-1, i64::from);
        Ok(self.prepare_cached(sql)?.execute((before_ms, limit))? as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::tests::plan;

    #[test]
    fn what_a_person_sees_is_found_by_index() {
        for sql in [CLASS_COURSES, ENROLLED, OWNED] {
            let plan = plan(sql);
            for table in ["m", "c", "decision", "course"] {
                assert!(!plan.lines().any(|line| line == format!("SCAN {table}")), "{plan}");
            }
        }
    }
}
