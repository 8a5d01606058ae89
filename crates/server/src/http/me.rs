//! The signed-in learner: profile, courses with progress, dashboard, and totals.

use axum::{
    Extension, Json as Reply,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use carrel_model::{
    Slug,
    lattice::date_of_day,
    wire::{DeviceReport, ListPage, UserInfo},
};
use carrel_overview::{Overview, RootTime, SUMMARY_DAYS, Today};
use carrel_response_cache::ValidUntil;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App,
    api_error::ApiError,
    courses::{PageQuery, learner_courses},
    extract::{Json, Query, SignedInUser},
};
use crate::domain::study::LearnerCourse;

/// Number of courses of the dashboard.
const DASHBOARD_COURSES: u32 = 10;

/// Maximum size of a report of a device.
const MAX_REPORT: usize = 512 * 1024;

/// Returns the profile of the signed-in user.
#[utoipa::path(get, path = "/api/users/profile", tag = "learner",
    responses((status = 200, body = UserInfo), (status = 401)))]
pub async fn profile(caller: SignedInUser) -> Reply<UserInfo> {
    Reply(caller.user)
}

/// Replaces what the device of this sign-in reported about itself. Staff who see the learner's devices see it.
#[utoipa::path(put, path = "/api/me/device", tag = "learner", request_body = DeviceReport,
    responses((status = 204), (status = 400), (status = 401)))]
pub async fn report_device(
    State(app): State<App>,
    caller: SignedInUser,
    Json(report): Json<DeviceReport, MAX_REPORT>,
) -> Result<StatusCode, ApiError> {
    app.store.report_device(caller.sign_in, &report, app.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Query string of `GET /api/me/progress`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProgressQuery {
    course_id: Option<Slug>,
    page: Option<u32>,
    page_size: Option<u32>,
}

/// Lists the learner's own courses with the progress in each, or one of them.
#[utoipa::path(get, path = "/api/me/progress", tag = "learner",
    params(("courseId" = Option<Slug>, Query), ("page" = Option<u32>, Query),
        ("pageSize" = Option<u32>, Query, maximum = 200)),
    responses((status = 200, body = ListPage<LearnerCourse>), (status = 400), (status = 401)))]
pub async fn progress(
    State(app): State<App>,
    caller: SignedInUser,
    Query(query): Query<ProgressQuery>,
) -> Result<Response, ApiError> {
    let ProgressQuery { course_id, page, page_size } = query;
    learner_courses(&app, caller.user.id, course_id, &PageQuery { page, page_size }, false).await
}

/// Lists the ten courses that the learner studied last.
#[utoipa::path(get, path = "/api/me/dashboard", tag = "learner",
    responses((status = 200, body = ListPage<LearnerCourse>), (status = 401)))]
pub async fn dashboard(State(app): State<App>, caller: SignedInUser) -> Result<Response, ApiError> {
    let page = PageQuery { page: None, page_size: Some(DASHBOARD_COURSES) };
    learner_courses(&app, caller.user.id, None, &page, false).await
}

/// Query string of `GET /api/me/analytics`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalyticsQuery {
    pub(super) off_min: Option<i16>,
}

/// Totals of the learner's study. Times are in milliseconds; overlapping time on several devices counts once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analytics {
    /// The server's time at which the figures were computed (UTC, ms since 1970).
    as_of_ms: i64,
    /// The learner's study day, such as `2026-11-20`.
    day: String,
    /// Offset of the learner's time zone from UTC, in minutes.
    off_min: i16,
    total_ms: i64,
    /// Consecutive days with study, up to today or yesterday.
    streak_days: u32,
    sections_done: u32,
    stories_done: u32,
    /// Number of distinct quizzes with a submitted attempt.
    quizzes_taken: u32,
    /// The last 28 days, oldest first.
    days: Vec<StudyDay>,
    /// Courses and stories with study time, most recent first.
    items: Vec<StudiedItem>,
    recent: RecentStudy,
}

/// Study time of a day.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StudyDay {
    /// Such as `2026-11-20`.
    day: String,
    active_ms: i64,
}

/// Study time of a course or story.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StudiedItem {
    id: String,
    is_story: bool,
    time_spent_ms: i64,
    /// End of the last session (UTC, ms since 1970).
    last_ms: i64,
}

/// Study of the last days, up to today.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecentStudy {
    /// Number of days.
    days: u32,
    /// Number of days with study.
    active_days: u32,
    time_ms: i64,
    stories_started: u32,
    stories_completed: u32,
    /// Mean progress of the studied stories, in hundredths of a percent.
    mean_completion: u16,
}

fn analytics(Today { day, off_min, .. }: Today, o: Overview, as_of_ms: i64) -> Analytics {
    let item = |RootTime { root, is_story, time_spent_ms, last_ms }| StudiedItem {
        id: root,
        is_story,
        time_spent_ms,
        last_ms,
    };
    Analytics {
        as_of_ms,
        day: date_of_day(day).to_string(),
        off_min,
        total_ms: o.total_ms,
        streak_days: o.streak_days,
        sections_done: o.sections_done,
        stories_done: o.stories_done,
        quizzes_taken: o.quizzes_taken,
        days: o.days.into_iter().map(|(day, active_ms)| StudyDay { day, active_ms }).collect(),
        items: o.roots.into_iter().map(item).collect(),
        recent: RecentStudy {
            days: SUMMARY_DAYS,
            active_days: o.summary.active_days,
            time_ms: o.summary.time_ms,
            stories_started: o.summary.stories_started,
            stories_completed: o.summary.stories_completed,
            mean_completion: o.summary.mean_completion,
        },
    }
}

/// Returns totals of the learner's study, as the Progress screen of the app computes them.
#[utoipa::path(get, path = "/api/me/analytics", tag = "learner", params(("offMin" = Option<i16>, Query)),
    responses((status = 200, body = Analytics), (status = 400), (status = 401)))]
pub async fn own_analytics(
    State(app): State<App>,
    caller: SignedInUser,
    Query(query): Query<AnalyticsQuery>,
) -> Result<impl IntoResponse, ApiError> {
    checked_offset(query.off_min)?;
    let now_ms = app.clock.now_ms();
    let (today, overview) = app.store.overview(caller.user.id, query.off_min, now_ms).await?;
    let valid_until = Extension(ValidUntil(today.end_ms()));
    Ok((valid_until, Reply(analytics(today, overview, now_ms))))
}

/// Refuses an offset that no time zone has.
pub(super) fn checked_offset(off_min: Option<i16>) -> Result<(), ApiError> {
    if off_min.is_some_and(|off_min| !(-720..=840).contains(&off_min)) {
        return Err(ApiError::invalid("offMin: must be -720 to 840"));
    }
    Ok(())
}
