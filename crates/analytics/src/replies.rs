//! The reports, as they are sent.

use std::collections::BTreeMap;

use carrel_model::{
    BlobHash, ItemId, Slug, UserId,
    wire::{DeviceDownload, DeviceReport, RefusalReason, RefusedRow},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::zone::Period;

/// What every report states about its figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportHead {
    pub period: Period,
    /// First and last day, such as `2026-11-20`. The last one is today.
    pub from: String,
    pub to: String,
    /// IANA name of the time zone of the school, in which days start at 04:00.
    pub time_zone: String,
    /// The figures contain all rows that the server had received at this time (UTC, ms since 1970).
    pub as_of: i64,
    pub devices: Devices,
    /// Days of the period whose figures changed after the day had ended, because devices sent work later.
    pub changed_since: Vec<ChangedDay>,
}

/// How many of the devices of the learners were heard from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Devices {
    /// Devices that were heard from after `since`.
    pub heard: u32,
    /// Devices on which a learner is signed in.
    pub total: u32,
    /// Seven days ago (UTC, ms since 1970).
    pub since: i64,
}

/// A day whose figures changed after it had ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedDay {
    pub day: String,
    /// When the last such change arrived (UTC, ms since 1970).
    pub changed_ms: i64,
    /// Learners whose figures changed.
    pub learners: u32,
}

/// Learners by their last day with activity. Each learner is in one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Engagement {
    pub learners: u32,
    /// Active in the last 7 days.
    pub active: u32,
    /// Active in the last 30 days, but not in the last 7.
    pub recent: u32,
    /// Active in the last 90 days, but not in the last 30.
    pub inactive: u32,
    /// Not active in the last 90 days, or never.
    pub dormant: u32,
}

/// The line of a learner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearnerLine {
    #[schema(value_type = String)]
    pub id: UserId,
    pub login: String,
    pub name: String,
    /// Courses in which the learner is enrolled now, and those of them that are completed.
    pub enrolled: u32,
    pub completed: u32,
    /// Mean progress in these courses, in hundredths of a percent; absent without a course.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_progress: Option<i64>,
    /// In the period: study time, finished sections, days with activity.
    pub time_ms: i64,
    pub sections: i64,
    pub active_days: u32,
    /// Mean share of the points of the attempts of the period, in hundredths of a percent; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_score: Option<i64>,
    /// The last day with activity; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_day: Option<String>,
    /// `active`, `recent`, `inactive` or `dormant`.
    pub group: &'static str,
}

/// Reply of `GET /api/classes/{classId}/report`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassReport {
    #[schema(value_type = String)]
    pub class: carrel_roster::ClassId,
    pub name: String,
    #[serde(flatten)]
    pub head: ReportHead,
    pub engagement: Engagement,
    /// The students of the class, by name.
    pub learners: Vec<LearnerLine>,
}

/// Learners in a course. Except `active` and `completedInPeriod`, the figures are those of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CourseCompletion {
    pub enrolled: u32,
    /// Enrolled learners who studied the course in the period.
    pub active: u32,
    pub completed: u32,
    pub completed_in_period: u32,
    /// Mean study time of the enrolled learners who began, and of those who completed the course.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_time_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_time_completed_ms: Option<i64>,
    /// Mean progress of the enrolled learners, in hundredths of a percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_progress: Option<i64>,
    /// Mean of the best grades of the quizzes, in hundredths of a percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_score: Option<i64>,
}

/// A section of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SectionLine {
    #[schema(value_type = String)]
    pub id: ItemId,
    pub title: String,
    /// Enrolled learners who finished the section.
    pub finished: u32,
    /// Those who have not completed the course and finished no later section.
    pub stopped_after: u32,
}

/// A question of a quiz, over the first graded attempt of each enrolled learner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestionLine {
    #[schema(value_type = String)]
    pub quiz: ItemId,
    #[schema(value_type = String)]
    pub question: Slug,
    /// Attempts that contain the question, and those with an answer to it.
    pub attempts: u32,
    pub answered: u32,
    /// Attempts with all points of the question.
    pub right: u32,
    /// Mean share of the points, in hundredths of a percent.
    pub mean_score: i64,
}

/// Reply of `GET /api/courses/{id}/report`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CourseReport {
    #[schema(value_type = String)]
    pub course: Slug,
    pub title: String,
    #[serde(flatten)]
    pub head: ReportHead,
    pub completion: CourseCompletion,
    /// The sections of the published version, in order.
    pub sections: Vec<SectionLine>,
    pub questions: Vec<QuestionLine>,
}

/// All learners on a day, or in the whole period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrendDay {
    /// Absent in the totals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    pub active_learners: u32,
    pub time_ms: i64,
    pub sections: i64,
    pub lessons: i64,
    pub attempts: i64,
    /// Study time divided by the finished sections; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_per_section_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_score: Option<i64>,
}

/// Reply of `GET /api/reports/trends`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrendsReport {
    pub learners: u32,
    #[serde(flatten)]
    pub head: ReportHead,
    pub total: TrendDay,
    /// Every day of the period, oldest first.
    pub days: Vec<TrendDay>,
}

/// Reply of `GET /api/reports/engagement`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngagementReport {
    #[serde(flatten)]
    pub head: ReportHead,
    pub engagement: Engagement,
}

/// A device on which a learner is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    #[schema(value_type = String)]
    pub id: carrel_model::DeviceId,
    /// As the device calls itself; may be empty.
    pub name: String,
    pub signed_in_ms: i64,
    /// When the device last signed in or renewed its sign-in, which it does every 15 minutes while it sends requests.
    pub last_heard_ms: i64,
    /// None until the app has reported after a sync; apps of earlier releases never report.
    pub report: Option<ReportedDevice>,
}

/// What a device last reported about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportedDevice {
    /// A device reports after a sync if something changed, at least once a day.
    pub reported_ms: i64,
    pub app_version: String,
    /// `linux`, `windows`, `macos`, `android` or `ios`.
    pub platform: String,
    /// Number of rows on the device that the server has not accepted yet.
    pub waiting: u32,
    /// Time of the first change of the oldest of them.
    pub oldest_waiting_ms: Option<i64>,
    /// Number of rows that the server refused.
    pub refused: u32,
    /// The newest of them.
    pub refusals: Vec<DeviceRefusal>,
    /// The courses of the class.
    pub courses: Vec<DeviceCourse>,
}

impl ReportedDevice {
    /// Returns the report for the teacher of a class with these courses: their ids and published versions.
    pub fn of(report: DeviceReport, reported_ms: i64, courses: &[(Slug, BlobHash)]) -> Self {
        let course = |(id, published): &(Slug, BlobHash)| {
            let mut downloads = report.downloads.iter();
            let found = downloads.find(|found| found.kind == "course" && found.id == *id);
            let state = match found {
                None => DownloadState::Absent,
                Some(DeviceDownload { version: Some(version), .. }) if version == published => {
                    DownloadState::Current
                }
                Some(DeviceDownload { version: Some(_), .. }) => DownloadState::Older,
                Some(found) if found.phase == "failed" => DownloadState::Failed,
                Some(_) => DownloadState::Incomplete,
            };
            DeviceCourse { id: id.clone(), state }
        };
        Self {
            reported_ms,
            waiting: report.waiting,
            oldest_waiting_ms: report.oldest_waiting_ms,
            refused: report.refused,
            courses: courses.iter().map(course).collect(),
            app_version: report.app_version,
            platform: report.platform,
            refusals: report.refusals.into_iter().map(DeviceRefusal::of).collect(),
        }
    }
}

/// A row on a device that the server refused. The row itself stays on the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRefusal {
    /// Name of the row's type, such as `note_revision`.
    pub row_type: String,
    /// The course, story, section or word to which the row belongs, if it belongs to one.
    #[schema(value_type = Option<String>)]
    pub item: Option<ItemId>,
    /// `invalid`, `forbidden`, `too_new` or `clock_skew`; `damaged` if the device cannot read the row.
    pub code: String,
    /// Name of the reason, such as `quota`; empty if there is none.
    pub reason_name: String,
    pub reason_params: BTreeMap<String, String>,
    pub at_ms: i64,
}

impl DeviceRefusal {
    fn of(row: RefusedRow) -> Self {
        let RefusedRow { row_type, item, code, reason, at_ms } = row;
        let (reason_name, reason_params) = RefusalReason::parse(&reason)
            .map_or_else(Default::default, |reason| (reason.name, reason.params));
        Self { row_type, item, code, reason_name, reason_params, at_ms }
    }
}

/// A course of the class on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceCourse {
    #[schema(value_type = String)]
    pub id: Slug,
    pub state: DownloadState,
}

/// How much of a course is on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DownloadState {
    /// Not requested. Lessons that were downloaded alone are not counted.
    Absent,
    /// Waiting, paused or running.
    Incomplete,
    Failed,
    /// All files of an earlier version.
    Older,
    /// All files of the published version.
    Current,
}

/// The devices of a learner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearnerDevices {
    #[schema(value_type = String)]
    pub id: UserId,
    pub login: String,
    pub name: String,
    /// Those heard from last come first.
    pub devices: Vec<Device>,
}

/// Reply of `GET /api/classes/{classId}/devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DevicesReport {
    #[schema(value_type = String)]
    pub class: carrel_roster::ClassId,
    pub as_of: i64,
    pub time_zone: String,
    pub devices: Devices,
    /// The students of the class, by name; also those without a device.
    pub learners: Vec<LearnerDevices>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_on_a_device_is_compared_with_the_published_version() {
        let (published, earlier) = (BlobHash::of(b"2"), BlobHash::of(b"1"));
        let download = |kind: &str, id: &str, phase: &str, version| DeviceDownload {
            kind: kind.to_owned(),
            id: id.parse().unwrap(),
            phase: phase.to_owned(),
            version,
        };
        let downloads = vec![
            download("course", "a", "ready", Some(published)),
            // A newer version of the course is being fetched.
            download("course", "b", "running", Some(earlier)),
            download("course", "c", "paused", None),
            download("course", "d", "failed", None),
            download("story", "e", "ready", Some(published)),
        ];
        let report = DeviceReport { downloads, ..DeviceReport::default() };
        let courses = ["a", "b", "c", "d", "e"].map(|id| (id.parse().unwrap(), published));
        let states = ReportedDevice::of(report, 1, &courses).courses;
        let states: Vec<_> = states.iter().map(|course| course.state).collect();
        assert_eq!(
            states,
            [
                DownloadState::Current,
                DownloadState::Older,
                DownloadState::Incomplete,
                DownloadState::Failed,
                DownloadState::Absent,
            ]
        );
    }
}
