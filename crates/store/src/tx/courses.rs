//! Courses as staff see them: state, owner, visibility, enrolment policy, versions; requests for enrolment; uploads.
//!
//! Not here: what readers get (`catalogue`).

use std::collections::BTreeMap;

use carrel_model::{BlobHash, Slug, UserId, content::ManifestBlob, lattice::DecisionStatus};
use uuid::Uuid;

use crate::Result;

/// State of a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CourseState {
    /// Never published, and being written.
    Draft,
    /// Never published, and ready to be reviewed.
    Review,
    Published,
    /// Takes no new learners and is in no list. Enrolled learners keep it.
    Withdrawn,
    /// Like `Withdrawn`, and in the lists of staff on request only.
    Archived,
}

impl CourseState {
    pub const ALL: [Self; 5] =
        [Self::Draft, Self::Review, Self::Published, Self::Withdrawn, Self::Archived];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Review => "review",
            Self::Published => "published",
            Self::Withdrawn => "withdrawn",
            Self::Archived => "archived",
        }
    }
    pub fn of_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// How learners are enrolled in a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrolmentPolicy {
    /// Whoever requests it is enrolled.
    Open,
    /// With an enrolment token of the course or of a class that has it.
    Code,
    /// The owner or an administrator decides.
    Approval,
    /// Students of the classes that have the course, and whom staff enrol.
    Assigned,
}

impl EnrolmentPolicy {
    pub const ALL: [Self; 4] = [Self::Open, Self::Code, Self::Approval, Self::Assigned];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Code => "code",
            Self::Approval => "approval",
            Self::Assigned => "assigned",
        }
    }
    pub fn of_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text)
    }
}

/// Who finds a publication in lists and searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    Nobody = 0,
    Classes = 1,
    Everybody = 2,
}

/// A course as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseRow {
    pub id: Slug,
    pub title: String,
    pub state: CourseState,
    /// The version that was not published yet, and its state: `Draft` or `Review`.
    pub draft: Option<(BlobHash, CourseState)>,
    pub owner: Option<UserId>,
    /// Only for the classes that have it; otherwise for everybody.
    pub for_classes: bool,
    pub policy: EnrolmentPolicy,
    pub changed_ms: i64,
}

/// A version of a course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    pub version: BlobHash,
    /// JSON of `SignedManifest`; empty if the content is no longer kept.
    pub manifest: String,
    pub created_ms: i64,
    /// `None`: the operator of the server.
    pub author: Option<UserId>,
    pub notes: String,
    /// When it was last published; 0: never.
    pub published_ms: i64,
}

/// What decides which courses a signed-in person sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ViewerRow {
    pub is_administrator: bool,
    /// Courses of the classes, not archived, of which the person is a member.
    pub class_courses: Vec<Slug>,
    /// Courses in which the person is enrolled.
    pub enrolled: Vec<Slug>,
    /// Courses of which the person is the owner.
    pub owned: Vec<Slug>,
}

/// Where a blob is used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlobUse {
    /// By a publication that everybody finds.
    pub is_public: bool,
    /// By other publications of courses, or by earlier versions of them.
    pub courses: Vec<Slug>,
    /// By versions of these courses that were never published.
    pub drafts: Vec<Slug>,
    /// Nobody uses it now, and a publication for everybody did.
    pub is_open: bool,
}

/// A request for enrolment in a course with the policy `Approval`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    pub course: Slug,
    pub user: UserId,
    /// Stamp of the request, by which a repeated one is recognised.
    pub stamp: i64,
    pub requested_ms: i64,
    pub status: DecisionStatus,
    /// 0: not decided.
    pub decided_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadState {
    Waiting,
    Running,
    Finished,
    Failed,
    Cancelled,
}

impl UploadState {
    pub const ALL: [Self; 5] =
        [Self::Waiting, Self::Running, Self::Finished, Self::Failed, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
    pub fn of_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
    pub fn is_ended(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

/// An upload of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    pub id: Uuid,
    pub user: UserId,
    /// Name of the file, for messages.
    pub name: String,
    pub notes: String,
    pub created_ms: i64,
    pub state: UploadState,
    /// In percent.
    pub progress: u8,
    /// Number of runs that were started.
    pub attempts: u32,
    /// The run that has the lease; empty: none.
    pub worker: String,
    pub lease_until_ms: i64,
    /// Id of the course; empty before the end, and for a story.
    pub course: String,
    /// Id of the story; empty before the end, and for a course.
    pub story: String,
    /// JSON; empty before the end.
    pub report: String,
    pub error: String,
    pub hint: String,
}

pub trait CourseTx {
    /// Returns a course. To change it, lock the catalogue first: read its revision.
    fn course(&self, id: &Slug) -> Result<Option<CourseRow>>;
    /// Returns at most `limit` courses by id, starting after `after`. `owner`: only theirs.
    fn courses_after(
        &self,
        owner: Option<UserId>,
        archived: bool,
        after: &str,
        limit: u32,
    ) -> Result<Vec<CourseRow>>;
    fn put_course(&self, course: &CourseRow) -> Result<()>;
    /// Deletes a course with its versions and requests. Blobs are kept until `delete_unused_blobs`.
    fn delete_course(&self, id: &Slug) -> Result<()>;
    /// Returns the versions, the newest first.
    fn course_versions(&self, id: &Slug) -> Result<Vec<VersionRow>>;
    fn course_version(&self, id: &Slug, version: BlobHash) -> Result<Option<VersionRow>>;
    /// Inserts a version with its blobs, or stores its content again if it was no longer kept.
    fn put_course_version(
        &self,
        id: &Slug,
        version: &VersionRow,
        blobs: &[ManifestBlob],
    ) -> Result<()>;
    fn set_version_published(&self, id: &Slug, version: BlobHash, now_ms: i64) -> Result<()>;
    /// Deletes manifest and blobs of a version, which stays in the list.
    fn drop_version_content(&self, id: &Slug, version: BlobHash) -> Result<()>;
    /// Sets who finds the publication of a course.
    fn set_listing(&self, id: &Slug, listing: Listing) -> Result<()>;
    /// Returns what decides which courses a person sees; `None` if there is no such account. Takes no lock.
    fn viewer(&self, user: UserId) -> Result<Option<ViewerRow>>;
    fn blob_use(&self, hash: BlobHash) -> Result<BlobUse>;
    /// Returns the names of the owners of these courses.
    fn owner_names(&self, courses: &[Slug]) -> Result<BTreeMap<String, String>>;

    fn enrolment_request(&self, course: &Slug, user: UserId) -> Result<Option<RequestRow>>;
    fn put_enrolment_request(&self, request: &RequestRow) -> Result<()>;
    /// Returns the pending requests for a course, the earliest first, with login and name of the person.
    fn pending_requests(
        &self,
        course: &Slug,
        limit: u32,
    ) -> Result<Vec<(RequestRow, String, String)>>;

    /// Returns an upload, which no other transaction changes until the end of this one.
    fn upload(&self, id: Uuid) -> Result<Option<UploadRow>>;
    fn put_upload(&self, upload: &UploadRow) -> Result<()>;
    /// Returns the uploads that wait, or whose lease has expired.
    fn uploads_to_run(&self, now_ms: i64) -> Result<Vec<Uuid>>;
    /// Deletes the uploads that were created before this time. Returns their number.
    fn delete_uploads(&self, before_ms: i64, limit: Option<u32>) -> Result<u64>;
}
