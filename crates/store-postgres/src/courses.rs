//! SQL statements for courses, requests for enrolment and uploads.

use std::collections::BTreeMap;

use carrel_model::{BlobHash, Slug, UserId, content::ManifestBlob, lattice::DecisionStatus};
use carrel_store::{
    Result, StoreError,
    tx::{
        BlobUse, CourseRow, CourseState, CourseTx, EnrolmentPolicy, Listing, RequestRow, UploadRow,
        UploadState, VersionRow, ViewerRow, decision_status_of,
    },
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::tx::{Lock, PgTx, bytes, get, hash, text, user_id, uuid};

const COURSE: &str = "SELECT id, title, state, draft, draft_state, owner, for_classes, enrolment, changed_ms FROM course";
const VERSION: &str =
    "SELECT version, manifest, created_ms, author, notes, published_ms FROM course_version";
const REQUEST: &str = "SELECT r.course, r.user_id, r.stamp, r.requested_ms, r.status, r.decided_ms";
const UPLOAD: &str =
    "SELECT id, user_id, name, notes, created_ms, state, progress, attempts, worker,
    lease_until_ms, course, report, error, hint, story FROM course_upload";

/// The role of an account, the courses of its classes, those in which it is enrolled, and those that it owns.
const VIEWER: &str = "SELECT 'account', role FROM account WHERE id = $1
    UNION ALL SELECT 'class', c.id FROM
        (SELECT DISTINCT jsonb_array_elements_text(c.courses::jsonb) AS id FROM membership m
         JOIN class c ON c.id = m.class AND NOT c.archived WHERE m.user_id = $1) c
    UNION ALL SELECT 'enrolled', course FROM decision WHERE user_id = $1 AND status = 'active'
    UNION ALL SELECT 'owned', id FROM course WHERE owner = $1";

/// Returns ids for a parameter.
pub(crate) fn ids(courses: &[Slug]) -> Vec<&str> {
    courses.iter().map(Slug::as_str).collect()
}

fn slug(row: &Row, index: usize) -> Result<Slug> {
    Slug::new(get::<String>(row, index)?).map_err(|e| StoreError::unreadable("course", e))
}

fn optional_user(row: &Row, index: usize) -> Result<Option<UserId>> {
    Ok(Uuid::from_slice(get(row, index)?).ok().map(UserId))
}

fn user_bytes(user: Option<UserId>) -> Vec<u8> {
    user.map(|user| user.0.as_bytes().to_vec()).unwrap_or_default()
}

fn course(row: &Row) -> Result<CourseRow> {
    let bad = |what: &str| StoreError::unreadable("course", what);
    let draft = <[u8; 32]>::try_from(get::<&[u8]>(row, 3)?);
    let draft = match (draft, CourseState::of_text(get(row, 4)?)) {
        (Ok(hash), Some(state)) => Some((BlobHash(hash), state)),
        _ => None,
    };
    Ok(CourseRow {
        id: slug(row, 0)?,
        title: get(row, 1)?,
        state: CourseState::of_text(get(row, 2)?).ok_or_else(|| bad("state"))?,
        draft,
        owner: optional_user(row, 5)?,
        for_classes: get(row, 6)?,
        policy: EnrolmentPolicy::of_text(get(row, 7)?).ok_or_else(|| bad("enrolment policy"))?,
        changed_ms: get(row, 8)?,
    })
}

fn version(row: &Row) -> Result<VersionRow> {
    Ok(VersionRow {
        version: hash(row, 0)?,
        manifest: get(row, 1)?,
        created_ms: get(row, 2)?,
        author: optional_user(row, 3)?,
        notes: get(row, 4)?,
        published_ms: get(row, 5)?,
    })
}

fn request(row: &Row) -> Result<RequestRow> {
    Ok(RequestRow {
        course: slug(row, 0)?,
        user: user_id(row, 1)?,
        stamp: get(row, 2)?,
        requested_ms: get(row, 3)?,
        status: decision_status_of(get(row, 4)?).unwrap_or(DecisionStatus::Pending),
        decided_ms: get(row, 5)?,
    })
}

fn upload(row: &Row) -> Result<UploadRow> {
    Ok(UploadRow {
        id: uuid(row, 0)?,
        user: user_id(row, 1)?,
        name: get(row, 2)?,
        notes: get(row, 3)?,
        created_ms: get(row, 4)?,
        state: UploadState::of_text(get(row, 5)?)
            .ok_or_else(|| StoreError::unreadable("upload", "state"))?,
        progress: u8::try_from(get::<i64>(row, 6)?).unwrap_or(100),
        attempts: u32::try_from(get::<i64>(row, 7)?).unwrap_or(u32::MAX),
        worker: get(row, 8)?,
        lease_until_ms: get(row, 9)?,
        course: get(row, 10)?,
        report: get(row, 11)?,
        error: get(row, 12)?,
        hint: get(row, 13)?,
        story: get(row, 14)?,
    })
}

impl CourseTx for PgTx<'_> {
    fn course(&self, id: &Slug) -> Result<Option<CourseRow>> {
        let sql = format!("{COURSE} WHERE id = $1");
        self.query_opt(&sql, &[&id.as_str()])?.as_ref().map(course).transpose()
    }
    fn courses_after(
        &self,
        owner: Option<UserId>,
        archived: bool,
        after: &str,
        limit: u32,
    ) -> Result<Vec<CourseRow>> {
        let sql = format!(
            "{COURSE} WHERE id > $1 AND ($2 = ''::bytea OR owner = $2) AND ($3 OR state <> 'archived')
             ORDER BY id LIMIT $4"
        );
        let owner = user_bytes(owner);
        let rows = self.query(&sql, &[&text(after), &owner, &archived, &i64::from(limit)])?;
        rows.iter().map(course).collect()
    }
    fn put_course(&self, c: &CourseRow) -> Result<()> {
        self.lock(Lock::Catalogue)?;
        let (draft, draft_state) = c
            .draft
            .map_or((Vec::new(), ""), |(version, state)| (version.0.to_vec(), state.as_str()));
        self.execute(
            "INSERT INTO course (id, title, state, draft, draft_state, owner, for_classes, enrolment, changed_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (tenant, id) DO UPDATE SET title = excluded.title, state = excluded.state, draft = excluded.draft,
             draft_state = excluded.draft_state, owner = excluded.owner, for_classes = excluded.for_classes,
             enrolment = excluded.enrolment, changed_ms = excluded.changed_ms",
            &[
                &c.id.as_str(),
                &text(&c.title),
                &c.state.as_str(),
                &draft,
                &draft_state,
                &user_bytes(c.owner),
                &c.for_classes,
                &c.policy.as_str(),
                &c.changed_ms,
            ],
        )?;
        Ok(())
    }
    fn delete_course(&self, id: &Slug) -> Result<()> {
        self.lock(Lock::Catalogue)?;
        for sql in [
            "DELETE FROM course_version_blob WHERE course = $1",
            "DELETE FROM course_version WHERE course = $1",
            "DELETE FROM enrolment_request WHERE course = $1",
            "DELETE FROM course WHERE id = $1",
        ] {
            self.execute(sql, &[&id.as_str()])?;
        }
        Ok(())
    }
    fn course_versions(&self, id: &Slug) -> Result<Vec<VersionRow>> {
        let sql = format!("{VERSION} WHERE course = $1 ORDER BY created_ms DESC, version");
        self.query(&sql, &[&id.as_str()])?.iter().map(version).collect()
    }
    fn course_version(&self, id: &Slug, hash: BlobHash) -> Result<Option<VersionRow>> {
        let sql = format!("{VERSION} WHERE course = $1 AND version = $2");
        let row = self.query_opt(&sql, &[&id.as_str(), &hash.0.as_slice()])?;
        row.as_ref().map(version).transpose()
    }
    fn put_course_version(&self, id: &Slug, v: &VersionRow, blobs: &[ManifestBlob]) -> Result<()> {
        self.lock(Lock::Catalogue)?;
        self.execute(
            "INSERT INTO course_version (course, version, manifest, created_ms, author, notes, published_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant, course, version) DO UPDATE SET manifest = excluded.manifest",
            &[
                &id.as_str(),
                &v.version.0.as_slice(),
                &text(&v.manifest),
                &v.created_ms,
                &user_bytes(v.author),
                &text(&v.notes),
                &v.published_ms,
            ],
        )?;
        // In the order of the hashes, and each once.
        let mut blobs: Vec<&ManifestBlob> = blobs.iter().collect();
        blobs.sort_by_key(|b| b.hash.0);
        blobs.dedup_by_key(|b| b.hash.0);
        let hashes: Vec<&[u8]> = blobs.iter().map(|b| b.hash.0.as_slice()).collect();
        let sizes: Vec<i64> =
            blobs.iter().map(|b| i64::try_from(b.size).unwrap_or(i64::MAX)).collect();
        let types: Vec<String> = blobs.iter().map(|b| text(&b.media_type).into_owned()).collect();
        self.execute(
            "INSERT INTO blob (hash, size, media_type, is_open)
             SELECT hash, size, media_type, false
             FROM unnest($1::bytea[], $2::int8[], $3::text[]) b (hash, size, media_type)
             ON CONFLICT (tenant, hash) DO UPDATE SET unused_since_ms = 0",
            &[&hashes, &sizes, &types],
        )?;
        self.execute(
            "INSERT INTO course_version_blob (course, version, hash) SELECT $1, $2, * FROM unnest($3::bytea[])
             ON CONFLICT (tenant, course, version, hash) DO NOTHING",
            &[&id.as_str(), &v.version.0.as_slice(), &hashes],
        )?;
        Ok(())
    }
    fn set_version_published(&self, id: &Slug, hash: BlobHash, now_ms: i64) -> Result<()> {
        let sql = "UPDATE course_version SET published_ms = $3 WHERE course = $1 AND version = $2";
        self.execute(sql, &[&id.as_str(), &hash.0.as_slice(), &now_ms])?;
        Ok(())
    }
    fn drop_version_content(&self, id: &Slug, hash: BlobHash) -> Result<()> {
        for sql in [
            "UPDATE course_version SET manifest = '' WHERE course = $1 AND version = $2",
            "DELETE FROM course_version_blob WHERE course = $1 AND version = $2",
        ] {
            self.execute(sql, &[&id.as_str(), &hash.0.as_slice()])?;
        }
        Ok(())
    }
    fn set_listing(&self, id: &Slug, listing: Listing) -> Result<()> {
        self.lock(Lock::Catalogue)?;
        self.execute(
            "UPDATE publication SET listing = $2 WHERE kind = 'course' AND id = $1",
            &[&id.as_str(), &(listing as i64)],
        )?;
        // Withdrawing a course does not change who may get its blobs.
        if listing != Listing::Nobody {
            self.execute(
                "UPDATE blob SET is_open = $2 WHERE hash IN
                 (SELECT hash FROM publication_blob WHERE kind = 'course' AND id = $1)",
                &[&id.as_str(), &(listing == Listing::Everybody)],
            )?;
        }
        Ok(())
    }
    fn viewer(&self, user: UserId) -> Result<Option<ViewerRow>> {
        let (mut viewer, mut is_known) = (ViewerRow::default(), false);
        for row in self.query(VIEWER, &[&bytes(&user.0)])? {
            match get::<&str>(&row, 0)? {
                "account" => {
                    is_known = true;
                    viewer.is_administrator = get::<&str>(&row, 1)? == "administrator";
                }
                "class" => viewer.class_courses.push(slug(&row, 1)?),
                "enrolled" => viewer.enrolled.push(slug(&row, 1)?),
                _ => viewer.owned.push(slug(&row, 1)?),
            }
        }
        Ok(is_known.then_some(viewer))
    }
    fn blob_use(&self, hash: BlobHash) -> Result<BlobUse> {
        let mut found = BlobUse::default();
        let hash = hash.0.as_slice();
        let publications = self.query(
            "SELECT p.kind, p.id, p.listing FROM publication_blob b
             JOIN publication p ON p.kind = b.kind AND p.id = b.id WHERE b.hash = $1",
            &[&hash],
        )?;
        for row in &publications {
            if get::<i64>(row, 2)? == 2 || get::<&str>(row, 0)? != "course" {
                found.is_public = true;
            } else {
                found.courses.push(slug(row, 1)?);
            }
        }
        let versions = self.query(
            "SELECT v.course, v.published_ms FROM course_version_blob b
             JOIN course_version v ON v.course = b.course AND v.version = b.version WHERE b.hash = $1",
            &[&hash],
        )?;
        for row in &versions {
            let id = slug(row, 0)?;
            let is_draft = get::<i64>(row, 1)? == 0;
            if is_draft { found.drafts.push(id) } else { found.courses.push(id) }
        }
        if publications.is_empty() && versions.is_empty() {
            found.is_open =
                self.exists("SELECT 1 FROM blob WHERE hash = $1 AND is_open", &[&hash])?;
        }
        Ok(found)
    }
    fn owner_names(&self, courses: &[Slug]) -> Result<BTreeMap<String, String>> {
        let sql = "SELECT c.id, a.name FROM course c JOIN account a ON a.id = c.owner WHERE c.id = ANY($1)";
        let rows = self.query(sql, &[&ids(courses)])?;
        rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
    }

    fn enrolment_request(&self, course: &Slug, user: UserId) -> Result<Option<RequestRow>> {
        let sql =
            format!("{REQUEST} FROM enrolment_request r WHERE r.course = $1 AND r.user_id = $2");
        let row = self.query_opt(&sql, &[&course.as_str(), &bytes(&user.0)])?;
        row.as_ref().map(request).transpose()
    }
    fn put_enrolment_request(&self, r: &RequestRow) -> Result<()> {
        self.execute(
            "INSERT INTO enrolment_request (course, user_id, stamp, requested_ms, status, decided_ms)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant, course, user_id) DO UPDATE SET stamp = excluded.stamp,
             requested_ms = excluded.requested_ms, status = excluded.status, decided_ms = excluded.decided_ms",
            &[
                &r.course.as_str(),
                &bytes(&r.user.0),
                &r.stamp,
                &r.requested_ms,
                &r.status.as_str(),
                &r.decided_ms,
            ],
        )?;
        Ok(())
    }
    fn pending_requests(
        &self,
        course: &Slug,
        limit: u32,
    ) -> Result<Vec<(RequestRow, String, String)>> {
        let sql = format!(
            "{REQUEST}, a.login, a.name FROM enrolment_request r JOIN account a ON a.id = r.user_id
             JOIN kv k ON k.user_id = r.user_id AND k.ns = 'enrolment' AND k.key = r.course AND k.value = 'true'
             WHERE r.course = $1 AND r.status = 'pending' ORDER BY r.requested_ms, r.user_id LIMIT $2"
        );
        let rows = self.query(&sql, &[&course.as_str(), &i64::from(limit)])?;
        rows.iter().map(|row| Ok((request(row)?, get(row, 6)?, get(row, 7)?))).collect()
    }

    fn upload(&self, id: Uuid) -> Result<Option<UploadRow>> {
        let sql = format!("{UPLOAD} WHERE id = $1{}", self.for_update());
        self.query_opt(&sql, &[&bytes(&id)])?.as_ref().map(upload).transpose()
    }
    fn put_upload(&self, u: &UploadRow) -> Result<()> {
        self.execute(
            "INSERT INTO course_upload (id, user_id, name, notes, created_ms, state, progress, attempts, worker,
             lease_until_ms, course, report, error, hint, story)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
             ON CONFLICT (tenant, id) DO UPDATE SET state = excluded.state, progress = excluded.progress,
             attempts = excluded.attempts, worker = excluded.worker, lease_until_ms = excluded.lease_until_ms,
             course = excluded.course, report = excluded.report, error = excluded.error, hint = excluded.hint,
             story = excluded.story",
            &[
                &bytes(&u.id),
                &bytes(&u.user.0),
                &text(&u.name),
                &text(&u.notes),
                &u.created_ms,
                &u.state.as_str(),
                &i64::from(u.progress),
                &i64::from(u.attempts),
                &text(&u.worker),
                &u.lease_until_ms,
                &u.course,
                &text(&u.report),
                &text(&u.error),
                &text(&u.hint),
                &u.story,
            ],
        )?;
        Ok(())
    }
    fn uploads_to_run(&self, now_ms: i64) -> Result<Vec<Uuid>> {
        let sql = "SELECT id FROM course_upload WHERE state IN ('waiting', 'running') AND lease_until_ms <= $1
             ORDER BY created_ms, id LIMIT 100";
        self.query(sql, &[&now_ms])?.iter().map(|row| uuid(row, 0)).collect()
    }
    fn delete_uploads(&self, before_ms: i64, limit: Option<u32>) -> Result<u64> {
        let sql = "DELETE FROM course_upload WHERE id IN
            (SELECT id FROM course_upload WHERE created_ms < $1 ORDER BY created_ms LIMIT $2)";
        self.execute(sql, &[&before_ms, &limit.map(i64::from)])
    }
}
