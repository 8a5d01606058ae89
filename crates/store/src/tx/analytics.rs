//! Stored figures of learners, the learners whose rows changed since they were stored, and exports of reports.

use std::collections::BTreeMap;

use carrel_analytics::{CourseFigures, DayFigures, LearnerFigures, LearnerName, LearnerRows};
use carrel_model::{DeviceId, Slug, UserId};
use uuid::Uuid;

use crate::Result;

/// Which details of courses are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Details<'d> {
    Nothing,
    Of(&'d Slug),
    All,
}

/// Figures to store in place of those with the same key.
#[derive(Debug, Clone, Default)]
pub struct FiguresChange {
    pub courses: Vec<(UserId, Slug, CourseFigures)>,
    pub days: Vec<(UserId, i32, DayFigures)>,
}

/// A sign-in of a learner that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    pub user: UserId,
    pub device: DeviceId,
    pub name: String,
    pub signed_in_ms: i64,
    /// The last renewal of the sign-in, or the sign-in.
    pub heard_ms: i64,
}

/// What the device of a sign-in last reported about itself.
#[derive(Debug, Clone)]
pub struct DeviceReportRow {
    pub user: UserId,
    pub device: DeviceId,
    pub reported_ms: i64,
    /// JSON of `DeviceReport`.
    pub report: String,
}

/// State of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportState {
    Waiting,
    Running,
    Finished,
    Failed,
    Cancelled,
}

impl ExportState {
    const ALL: [Self; 5] =
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

/// An export of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRow {
    pub id: Uuid,
    /// Who asked for it, and alone may read it.
    pub user: UserId,
    /// JSON of what it contains.
    pub spec: String,
    /// The lines name learners.
    pub names_learners: bool,
    pub created_ms: i64,
    pub state: ExportState,
    /// In percent.
    pub progress: u8,
    pub attempts: u32,
    /// Run that has the lease; empty: none.
    pub worker: String,
    pub lease_until_ms: i64,
    /// Number of pieces of the file, and of its lines without the header.
    pub pieces: u32,
    pub lines: u64,
    /// Why it failed; empty: it did not.
    pub error: String,
}

pub trait AnalyticsTx {
    /// Records that the stored figures of a learner lack rows that arrived now, unless that is recorded already. `courses`:
    /// the courses and stories of the rows.
    fn mark_dirty(&self, user: UserId, courses: &[&str], now_ms: i64) -> Result<()>;
    /// Records that the figures of all learners with figures in a course are to be computed again.
    fn mark_course_dirty(&self, course: &Slug) -> Result<()>;
    /// Records that the figures of all learners are to be computed again.
    fn mark_all_dirty(&self) -> Result<()>;
    /// Returns learners whose stored figures lack rows, with the time at which the first of these rows arrived; 0 if it is
    /// not known. At most `limit`, those with the earliest times first.
    fn dirty_learners(&self, limit: u32) -> Result<Vec<(UserId, i64)>>;
    /// Like `dirty_learners`, for some learners.
    fn dirty_among(&self, users: &[UserId]) -> Result<BTreeMap<UserId, i64>>;
    /// Removes the records of `mark_dirty`.
    fn clear_dirty(&self, users: &[UserId]) -> Result<()>;

    /// Returns the rows from which figures are computed. Learners without an account are left out.
    fn learner_rows(&self, users: &[UserId]) -> Result<BTreeMap<UserId, LearnerRows>>;
    /// Returns those of the learners whose change number is still the same, and lets no other transaction change their
    /// rows until the end of this one. Leaves out learners whose rows another transaction is changing.
    fn lock_unchanged(&self, seen: &[(UserId, u64)]) -> Result<Vec<UserId>>;
    /// Returns the stored figures, of days from `from` on. The last day with activity is that of all days.
    fn stored_figures(
        &self,
        users: &[UserId],
        from: i32,
        details: Details<'_>,
    ) -> Result<BTreeMap<UserId, LearnerFigures>>;
    fn put_figures(&self, change: &FiguresChange) -> Result<()>;

    /// Returns the learners who have requested enrolment in a course, by id.
    fn enrolled_after(
        &self,
        course: &Slug,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>>;
    /// Returns the accounts of students, by id.
    fn students_after(&self, after: Option<UserId>, limit: u32) -> Result<Vec<UserId>>;
    fn count_accounts(&self) -> Result<u64>;
    fn names_of(&self, users: &[UserId]) -> Result<Vec<LearnerName>>;
    /// Returns the sign-ins of learners that have not ended or expired.
    fn devices_of(&self, users: &[UserId], now_ms: i64) -> Result<Vec<DeviceRow>>;
    /// Returns the reports of the devices of these sign-ins, the oldest of each learner first.
    fn device_reports(&self, users: &[UserId], now_ms: i64) -> Result<Vec<DeviceReportRow>>;

    fn export(&self, id: Uuid) -> Result<Option<ExportRow>>;
    fn put_export(&self, export: &ExportRow) -> Result<()>;
    /// Returns the ids of exports that have not ended and have no valid lease.
    fn exports_to_run(&self, now_ms: i64) -> Result<Vec<Uuid>>;
    fn export_piece(&self, id: Uuid, number: u32) -> Result<Option<String>>;
    fn put_export_piece(&self, id: Uuid, number: u32, text: &str) -> Result<()>;
    fn delete_export_pieces(&self, id: Uuid) -> Result<()>;
    /// Deletes all exports whose lines name learners.
    fn delete_exports_of_names(&self) -> Result<()>;
    /// Deletes exports that were started before this time. Returns their number.
    fn delete_exports(&self, before_ms: i64, limit: Option<u32>) -> Result<u64>;
}
