//! The reports, as they are sent.

use carrel_model::{ItemId, Slug, UserId};
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
