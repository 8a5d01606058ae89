//! Courses: their states, versions, owners, and who sees them.
//!
//! Not here: deriving publications (`publishing`), requests for enrolment (`enrolment`), uploads (`uploads`).

use carrel_model::{BlobHash, ErrorCode, Slug, UserId, content::ManifestBlob};
use carrel_people::{
    PeopleError,
    permissions::{self, Caller, Permission, Reach, Subject},
};

use crate::{
    DomainError, DomainResult,
    events::Event,
    facts::next_revision,
    publishing::put_and_mark,
    store::{
        Audience, Kind, Publication, Published, Store, StoreError, facts,
        tx::{
            AuditRow, BlobUse, CourseRow, CourseState, EnrolmentPolicy, Listing, PersonKey, Tx,
            VersionRow, ViewerRow,
        },
    },
};

/// Maximum length of the notes on a version, in characters.
pub const MAX_NOTES: usize = 2_000;
/// Maximum number of courses in one reply to staff.
pub const MAX_COURSES: u32 = 200;

/// A change of the state that is allowed, and who may make it: `EditCourses` includes the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub from: CourseState,
    pub to: CourseState,
    pub permission: Permission,
}

/// All changes of the state. The first four concern the draft if there is one.
pub const TRANSITIONS: [Transition; 8] = {
    use CourseState::{Archived, Draft, Published, Review, Withdrawn};
    use Permission::{EditCourses, ManageCatalogue};
    const fn t(from: CourseState, to: CourseState, permission: Permission) -> Transition {
        Transition { from, to, permission }
    }
    [
        t(Draft, Review, EditCourses),
        t(Review, Draft, EditCourses),
        t(Draft, Published, ManageCatalogue),
        t(Review, Published, ManageCatalogue),
        t(Published, Withdrawn, EditCourses),
        t(Withdrawn, Published, ManageCatalogue),
        t(Withdrawn, Archived, EditCourses),
        t(Archived, Withdrawn, ManageCatalogue),
    ]
};

/// Why a change of a course is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CourseRefusal {
    #[error("course {0} not found")]
    NotFound(Slug),
    #[error("a course in the state {from} cannot become {to}", from = .0.as_str(), to = .1.as_str())]
    Transition(CourseState, CourseState),
    #[error("the course {0} belongs to another person")]
    NotOwner(Slug),
    #[error("the course has no draft")]
    NoDraft,
    #[error("the course has no version {0}")]
    NoVersion(BlobHash),
    #[error("the content of version {0} is no longer kept")]
    NotKept(BlobHash),
    #[error("another version was uploaded or published meanwhile")]
    Changed,
    #[error("the upload was cancelled or given to another run")]
    UploadEnded,
    #[error("upload {0} not found")]
    NoUpload(uuid::Uuid),
    #[error("{0}")]
    Invalid(String),
}

impl CourseRefusal {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(_) | Self::NoVersion(_) | Self::NoUpload(_) => ErrorCode::NotFound,
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::NotOwner(_) => ErrorCode::Forbidden,
            _ => ErrorCode::Conflict,
        }
    }
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Transition(..) => "docs/OPERATIONS.md lists the states and their changes",
            Self::NotOwner(_) => "choose another id for the course, or ask an administrator",
            Self::NoDraft => "upload a package first",
            Self::NotKept(_) => "upload the package of this version again",
            Self::Changed => "read the course again",
            _ => "",
        }
    }
}

/// Returns the state from which a change to `to` starts: that of the draft, if the change concerns it.
fn state_before(course: &CourseRow, to: CourseState) -> CourseState {
    match course.draft {
        Some((_, state)) if to <= CourseState::Published => state,
        _ => course.state,
    }
}

/// Returns the transition to a state.
///
/// # Errors
/// `Transition` if there is none.
pub fn transition(course: &CourseRow, to: CourseState) -> Result<Transition, CourseRefusal> {
    let from = state_before(course, to);
    let found = TRANSITIONS.iter().find(|t| t.from == from && t.to == to);
    found.copied().ok_or(CourseRefusal::Transition(from, to))
}

fn listing(course: &CourseRow) -> Listing {
    match course.state {
        CourseState::Published if course.for_classes => Listing::Classes,
        CourseState::Published => Listing::Everybody,
        _ => Listing::Nobody,
    }
}

/// Returns true if a person (`None`: nobody is signed in) may read a course.
pub(crate) fn may_see(course: &CourseRow, viewer: Option<&ViewerRow>) -> bool {
    let is_in = |list: fn(&ViewerRow) -> &Vec<Slug>| {
        viewer.is_some_and(|viewer| list(viewer).contains(&course.id))
    };
    if viewer.is_some_and(|viewer| viewer.is_administrator) || is_in(|v| &v.owned) {
        return true;
    }
    match course.state {
        CourseState::Draft | CourseState::Review => false,
        // What a learner has, the learner keeps.
        _ if is_in(|v| &v.enrolled) => true,
        CourseState::Published => !course.for_classes || is_in(|v| &v.class_courses),
        CourseState::Withdrawn | CourseState::Archived => false,
    }
}

pub(crate) fn viewer(tx: &dyn Tx, user: Option<UserId>) -> Result<Option<ViewerRow>, StoreError> {
    user.map_or(Ok(None), |user| tx.viewer(user))
}

/// Returns which publications a person finds in lists; `None`: nobody is signed in.
pub(crate) fn audience(viewer: Option<ViewerRow>) -> Audience {
    match viewer {
        Some(viewer) if viewer.is_administrator => Audience::Listed,
        Some(viewer) => {
            let ViewerRow { class_courses, enrolled, owned, .. } = viewer;
            let mut ids = [class_courses, enrolled, owned].concat();
            ids.sort();
            ids.dedup();
            Audience::Reader(ids)
        }
        None => Audience::Reader(Vec::new()),
    }
}

/// Returns true if the person may read a course of the catalogue. Takes no lock.
pub(crate) fn sees(tx: &dyn Tx, user: Option<UserId>, id: &Slug) -> Result<bool, StoreError> {
    let Some(course) = tx.course(id)? else { return Ok(false) };
    Ok(may_see(&course, viewer(tx, user)?.as_ref()))
}

/// Returns a course that is about to be changed.
fn locked(tx: &dyn Tx, id: &Slug) -> DomainResult<CourseRow> {
    tx.fact(facts::CATALOGUE)?;
    let found = tx.course(id)?;
    found.ok_or_else(|| CourseRefusal::NotFound(id.clone()).into())
}

fn require(tx: &dyn Tx, caller: Caller, permission: Permission, id: &Slug) -> DomainResult<()> {
    Ok(permissions::require(tx, caller, permission, Subject::Course(id.clone()))?)
}

fn audit(
    tx: &dyn Tx,
    caller: Caller,
    action: &str,
    detail: serde_json::Value,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.add_audit(&AuditRow {
        at_ms: now_ms,
        actor: caller.id,
        action: action.to_owned(),
        subject: None,
        detail: detail.to_string(),
    })
}

/// Deletes the content of old versions: all but the newest `kept`, the published one and the draft.
fn drop_old_versions(tx: &dyn Tx, course: &CourseRow, kept: u32) -> Result<(), StoreError> {
    let published = tx.published(Kind::Course, &course.id)?.map(|found| found.version);
    let stored = tx.course_versions(&course.id)?.into_iter().filter(|v| !v.manifest.is_empty());
    let (needed, others): (Vec<_>, Vec<_>) = stored.partition(|v| {
        Some(v.version) == published || course.draft.is_some_and(|(draft, _)| draft == v.version)
    });
    for old in others.iter().skip((kept as usize).saturating_sub(needed.len())) {
        tx.drop_version_content(&course.id, old.version)?;
    }
    Ok(())
}

/// Who publishes, and what becomes of the course.
#[derive(Debug, Clone)]
pub struct Publishing {
    pub by: Caller,
    /// The new owner; `None`: unchanged.
    pub owner: Option<UserId>,
    /// Publishes a course that was withdrawn or archived; otherwise its state stays.
    pub reopens: bool,
    /// Number of versions whose content is kept.
    pub kept: u32,
}

/// Records that a course was published. Returns true if that changed who finds it.
pub(crate) fn record_published(
    tx: &dyn Tx,
    p: &Publication,
    how: &Publishing,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let stored = tx.course(&p.id)?;
    let before = stored.as_ref().map(listing);
    let mut course = stored.clone().unwrap_or_else(|| CourseRow {
        id: p.id.clone(),
        title: p.title.clone(),
        state: CourseState::Published,
        draft: None,
        owner: None,
        for_classes: false,
        policy: EnrolmentPolicy::Open,
        changed_ms: now_ms,
    });
    course.title.clone_from(&p.title);
    course.owner = how.owner.or(course.owner);
    if how.reopens || matches!(course.state, CourseState::Draft | CourseState::Review) {
        course.state = CourseState::Published;
    }
    course.draft = course.draft.filter(|(draft, _)| *draft != p.version);
    let known = tx.course_version(&p.id, p.version)?.filter(|v| !v.manifest.is_empty());
    if stored.as_ref() == Some(&course) && known.is_some_and(|v| v.published_ms != 0) {
        return Ok(false);
    }
    course.changed_ms = now_ms;
    tx.put_course(&course)?;
    let version = VersionRow {
        version: p.version,
        manifest: p.manifest.clone(),
        created_ms: now_ms,
        author: how.by.id,
        notes: String::new(),
        published_ms: now_ms,
    };
    tx.put_course_version(&p.id, &version, &p.blobs)?;
    tx.set_version_published(&p.id, p.version, now_ms)?;
    tx.set_listing(&p.id, listing(&course))?;
    drop_old_versions(tx, &course, how.kept)?;
    Ok(before != Some(listing(&course)) || stored.is_some_and(|s| s.owner != course.owner))
}

/// A version that is stored, but not published.
#[derive(Debug, Clone)]
pub struct NewDraft {
    pub id: Slug,
    pub title: String,
    pub version: BlobHash,
    /// JSON of the signed manifest.
    pub manifest: String,
    pub blobs: Vec<ManifestBlob>,
    pub notes: String,
    /// Number of versions whose content is kept.
    pub kept: u32,
}

/// Stores a draft. Returns false if this version is the published one.
pub(crate) fn add_draft(
    tx: &dyn Tx,
    caller: Caller,
    draft: &NewDraft,
    now_ms: i64,
) -> DomainResult<bool> {
    let id = &draft.id;
    // Locks accounts before the catalogue, as all changes of courses do.
    let is_author = permissions::is_allowed(tx, caller, Permission::EditCourses, Subject::All)?;
    if !is_author {
        return Err(PeopleError::Forbidden.into());
    }
    tx.fact(facts::CATALOGUE)?;
    let mut course = match tx.course(id)? {
        Some(course) => {
            let subject = Subject::Course(id.clone());
            if !permissions::is_allowed(tx, caller, Permission::EditCourses, subject)? {
                return Err(CourseRefusal::NotOwner(id.clone()).into());
            }
            course
        }
        None => CourseRow {
            id: id.clone(),
            title: draft.title.clone(),
            state: CourseState::Draft,
            draft: None,
            owner: caller.id,
            for_classes: false,
            policy: EnrolmentPolicy::Open,
            changed_ms: now_ms,
        },
    };
    if tx.published(Kind::Course, id)?.is_some_and(|found| found.version == draft.version) {
        return Ok(false);
    }
    course.draft = Some((draft.version, CourseState::Draft));
    if course.state == CourseState::Review {
        course.state = CourseState::Draft;
    }
    if course.state == CourseState::Draft {
        course.title.clone_from(&draft.title);
    }
    course.changed_ms = now_ms;
    tx.put_course(&course)?;
    let version = VersionRow {
        version: draft.version,
        manifest: draft.manifest.clone(),
        created_ms: now_ms,
        author: caller.id,
        notes: draft.notes.clone(),
        published_ms: 0,
    };
    tx.put_course_version(id, &version, &draft.blobs)?;
    drop_old_versions(tx, &course, draft.kept)?;
    let detail = serde_json::json!({ "course": id, "version": draft.version });
    audit(tx, caller, "course.upload", detail, now_ms)?;
    Ok(true)
}

/// New values of a course; `None`: unchanged.
#[derive(Debug, Clone, Copy, Default)]
pub struct CourseChange {
    pub owner: Option<UserId>,
    pub for_classes: Option<bool>,
    pub policy: Option<EnrolmentPolicy>,
}

/// A blob that a person may get.
#[derive(Debug, Clone)]
pub struct ReadableBlob {
    pub blob: ManifestBlob,
    /// Everybody may get it.
    pub is_public: bool,
}

impl Store {
    /// Returns a publication that a person may read; `None` also if it exists and the person may not see it.
    pub async fn readable(
        &self,
        kind: Kind,
        id: &Slug,
        user: Option<UserId>,
    ) -> DomainResult<Option<Published>> {
        let id = id.clone();
        let read = self.read("readable", move |tx| {
            if kind == Kind::Course && !sees(tx, user, &id)? {
                return Ok::<_, StoreError>(None);
            }
            tx.published(kind, &id)
        });
        Ok(read.await?)
    }

    /// Returns the record of a blob that a person may get.
    pub async fn readable_blob(
        &self,
        hash: BlobHash,
        user: Option<UserId>,
    ) -> DomainResult<Option<ReadableBlob>> {
        let read = self.read("readable_blob", move |tx| {
            let Some(blob) = tx.blob(hash)? else { return Ok::<_, StoreError>(None) };
            let BlobUse { is_public, is_open, courses, drafts } = tx.blob_use(hash)?;
            if is_public || is_open {
                return Ok(Some(ReadableBlob { blob, is_public: true }));
            }
            let viewer = viewer(tx, user)?;
            let found = Some(ReadableBlob { blob, is_public: false });
            for id in courses {
                if tx.course(&id)?.is_some_and(|course| may_see(&course, viewer.as_ref())) {
                    return Ok(found);
                }
            }
            let edits = |viewer: ViewerRow| {
                viewer.is_administrator || drafts.iter().any(|id| viewer.owned.contains(id))
            };
            Ok(found.filter(|_| viewer.is_some_and(edits) && !drafts.is_empty()))
        });
        Ok(read.await?)
    }

    /// Lists the courses that a caller may change, by id, starting after `after`.
    pub async fn staff_courses(
        &self,
        caller: Caller,
        archived: bool,
        after: String,
        limit: u32,
    ) -> DomainResult<Vec<CourseRow>> {
        let read = self.read("staff_courses", move |tx| {
            let rank = permissions::present_rank(tx, caller)?;
            let owner = match rank.map(|rank| Permission::EditCourses.reach(rank)) {
                Some(Reach::Everyone) => None,
                Some(Reach::OwnClasses) => caller.id,
                _ => return Ok::<_, StoreError>(Vec::new()),
            };
            tx.courses_after(owner, archived, &after, limit.min(MAX_COURSES))
        });
        Ok(read.await?)
    }

    /// Returns a course with its versions, the newest first, and the published one.
    ///
    /// # Errors
    /// `Course`.
    pub async fn course_with_versions(
        &self,
        id: &Slug,
    ) -> DomainResult<(CourseRow, Vec<VersionRow>, Option<BlobHash>)> {
        let id = id.clone();
        self.read("course_with_versions", move |tx| {
            let course = tx.course(&id)?.ok_or_else(|| CourseRefusal::NotFound(id.clone()))?;
            let published = tx.published(Kind::Course, &id)?.map(|found| found.version);
            Ok((course, tx.course_versions(&id)?, published))
        })
        .await
    }

    /// Returns a version whose content is kept.
    ///
    /// # Errors
    /// `Course`.
    pub async fn kept_version(&self, id: &Slug, version: BlobHash) -> DomainResult<VersionRow> {
        let id = id.clone();
        self.read("kept_version", move |tx| {
            let found = tx.course_version(&id, version)?;
            let found = found.ok_or(CourseRefusal::NoVersion(version))?;
            if found.manifest.is_empty() {
                return Err(CourseRefusal::NotKept(version).into());
            }
            Ok(found)
        })
        .await
    }

    /// Changes owner, visibility and enrolment policy. A new owner is set by administrators.
    ///
    /// # Errors
    /// `Course`, `Forbidden`.
    pub async fn change_course(
        &self,
        caller: Caller,
        id: &Slug,
        change: CourseChange,
        now_ms: i64,
    ) -> DomainResult<CourseRow> {
        let id = id.clone();
        self.write_with_events("change_course", move |tx, events| {
            require(tx, caller, Permission::EditCourses, &id)?;
            if let Some(owner) = change.owner {
                require(tx, caller, Permission::ManageCatalogue, &id)?;
                if tx.person(PersonKey::Id(owner))?.is_none() {
                    let text = format!("owner: account {owner} does not exist");
                    return Err(CourseRefusal::Invalid(text).into());
                }
            }
            let before = locked(tx, &id)?;
            let mut course = CourseRow {
                owner: change.owner.or(before.owner),
                for_classes: change.for_classes.unwrap_or(before.for_classes),
                policy: change.policy.unwrap_or(before.policy),
                ..before.clone()
            };
            if course == before {
                return Ok(course);
            }
            course.changed_ms = now_ms;
            tx.put_course(&course)?;
            if listing(&course) != listing(&before) {
                tx.set_listing(&id, listing(&course))?;
            }
            events.push(Event::CatalogueChanged { revision: next_revision(tx)? });
            let detail = serde_json::json!({
                "course": id,
                "owner": course.owner,
                "forClasses": course.for_classes,
                "enrolment": course.policy.as_str(),
            });
            audit(tx, caller, "course.change", detail, now_ms)?;
            Ok(course)
        })
        .await
    }

    /// Changes the state of a course or of its draft, without publishing a version: to review, back to draft, withdrawn,
    /// archived, and published again.
    ///
    /// # Errors
    /// `Course`, `Forbidden`.
    pub async fn set_course_state(
        &self,
        caller: Caller,
        id: &Slug,
        to: CourseState,
        now_ms: i64,
    ) -> DomainResult<CourseRow> {
        let id = id.clone();
        self.write_with_events("set_course_state", move |tx, events| {
            // Before the catalogue is locked.
            require(tx, caller, Permission::EditCourses, &id)?;
            let before = locked(tx, &id)?;
            let step = transition(&before, to)?;
            require(tx, caller, step.permission, &id)?;
            let mut course = CourseRow { changed_ms: now_ms, ..before.clone() };
            match course.draft {
                // Publishing a draft needs its publication.
                Some(_) if to == CourseState::Published => {
                    return Err(CourseRefusal::Changed.into());
                }
                Some((version, _)) if to < CourseState::Published => {
                    course.draft = Some((version, to));
                    if before.state < CourseState::Published {
                        course.state = to;
                    }
                }
                _ => course.state = to,
            }
            tx.put_course(&course)?;
            if listing(&course) != listing(&before) {
                tx.set_listing(&id, listing(&course))?;
                events.push(Event::CatalogueChanged { revision: next_revision(tx)? });
            }
            let detail = serde_json::json!({
                "course": id, "from": step.from.as_str(), "to": step.to.as_str(),
            });
            audit(tx, caller, "course.state", detail, now_ms)?;
            Ok(course)
        })
        .await
    }

    /// Publishes a stored version: the draft, or one that was published before.
    ///
    /// # Errors
    /// `Course`, `Forbidden`.
    pub async fn publish_version(
        &self,
        caller: Caller,
        publication: Publication,
        kept: u32,
        now_ms: i64,
    ) -> DomainResult<CourseRow> {
        self.write_with_events("publish_version", move |tx, events| {
            let p = &publication;
            require(tx, caller, Permission::EditCourses, &p.id)?;
            let before = locked(tx, &p.id)?;
            let version = tx.course_version(&p.id, p.version)?;
            let version = version.ok_or(CourseRefusal::NoVersion(p.version))?;
            let is_draft = before.draft.is_some_and(|(draft, _)| draft == p.version);
            let from = if is_draft {
                let step = transition(&before, CourseState::Published)?;
                require(tx, caller, step.permission, &p.id)?;
                step.from
            } else {
                // Content that was never reviewed is not published by a roll-back.
                if version.published_ms == 0 {
                    return Err(CourseRefusal::Changed.into());
                }
                if before.state != CourseState::Published {
                    let to = CourseState::Published;
                    return Err(CourseRefusal::Transition(before.state, to).into());
                }
                CourseState::Published
            };
            let revision = next_revision(tx)?;
            put_and_mark(tx, p, revision, now_ms)?;
            let how = Publishing { by: caller, owner: None, reopens: true, kept };
            record_published(tx, p, &how, now_ms)?;
            tx.set_version_published(&p.id, p.version, now_ms)?;
            events.push(Event::CatalogueChanged { revision });
            let detail = serde_json::json!({
                "course": p.id, "version": p.version, "from": from.as_str(),
            });
            audit(tx, caller, "course.publish", detail, now_ms)?;
            locked(tx, &p.id)
        })
        .await
    }

    /// Records that a caller created an enrolment token of a course.
    pub async fn record_course_code(
        &self,
        caller: Caller,
        id: &Slug,
        token: &str,
        now_ms: i64,
    ) -> DomainResult<()> {
        let detail = serde_json::json!({ "course": id, "token": token });
        let write = self.write("record_course_code", move |tx| {
            audit(tx, caller, "course.code", detail, now_ms)
        });
        Ok(write.await?)
    }

    /// Deletes the draft of a course, and the course if it was never published.
    ///
    /// # Errors
    /// `Course`, `Forbidden`.
    pub async fn discard_draft(&self, caller: Caller, id: &Slug, now_ms: i64) -> DomainResult<()> {
        let id = id.clone();
        self.write("discard_draft", move |tx| {
            require(tx, caller, Permission::EditCourses, &id)?;
            let course = locked(tx, &id)?;
            let (version, _) = course.draft.ok_or(CourseRefusal::NoDraft)?;
            if course.state < CourseState::Published {
                tx.delete_course(&id)?;
            } else {
                let stored = tx.course_version(&id, version)?;
                if stored.is_some_and(|stored| stored.published_ms == 0) {
                    tx.drop_version_content(&id, version)?;
                }
                tx.put_course(&CourseRow { draft: None, changed_ms: now_ms, ..course })?;
            }
            let detail = serde_json::json!({ "course": id, "version": version });
            audit(tx, caller, "course.discard", detail, now_ms)?;
            Ok::<_, DomainError>(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(state: CourseState, draft: Option<CourseState>) -> CourseRow {
        CourseRow {
            id: "rivers".parse().unwrap(),
            title: String::new(),
            state,
            draft: draft.map(|state| (BlobHash([1; 32]), state)),
            owner: None,
            for_classes: false,
            policy: EnrolmentPolicy::Open,
            changed_ms: 0,
        }
    }

    #[test]
    fn only_the_listed_changes_of_the_state_are_possible() {
        let mut allowed = 0;
        for from in CourseState::ALL {
            let draft = (from < CourseState::Published).then_some(from);
            for to in CourseState::ALL {
                let found = transition(&course(from, draft), to);
                allowed += usize::from(found.is_ok());
                let listed = TRANSITIONS.iter().any(|t| t.from == from && t.to == to);
                assert_eq!(found.is_ok(), listed, "{from:?} {to:?}");
            }
        }
        assert_eq!(allowed, TRANSITIONS.len());
    }

    #[test]
    fn a_draft_of_a_published_course_has_a_state_of_its_own() {
        use CourseState::{Draft, Published, Review, Withdrawn};
        let revised = course(Published, Some(Draft));
        assert_eq!(transition(&revised, Review).unwrap().from, Draft);
        assert_eq!(transition(&revised, Published).unwrap().from, Draft);
        assert_eq!(transition(&revised, Withdrawn).unwrap().from, Published);
        assert!(transition(&course(Published, None), Published).is_err());
    }

    /// Each state, for each kind of reader.
    #[test]
    fn a_course_is_seen_by_those_for_whom_it_is() {
        use CourseState::{Archived, Draft, Published, Review, Withdrawn};
        let ids = || vec!["rivers".parse().unwrap()];
        let none = ViewerRow::default();
        let readers = [
            None,
            Some(none.clone()),
            Some(ViewerRow { class_courses: ids(), ..none.clone() }),
            Some(ViewerRow { enrolled: ids(), ..none.clone() }),
            Some(ViewerRow { owned: ids(), ..none.clone() }),
            Some(ViewerRow { is_administrator: true, ..none }),
        ];
        for (state, for_classes, expected) in [
            (Draft, false, "....++"),
            (Review, false, "....++"),
            (Published, false, "++++++"),
            (Published, true, "..++++"),
            (Withdrawn, false, "...+++"),
            (Archived, true, "...+++"),
        ] {
            let course = CourseRow { for_classes, ..course(state, None) };
            let seen = readers.iter().map(|r| if may_see(&course, r.as_ref()) { '+' } else { '.' });
            assert_eq!(seen.collect::<String>(), expected, "{state:?} {for_classes}");
        }
    }
}
