//! A learner's study: the courses with the progress in each, totals, and the progress rows.
//!
//! Not here: how figures are derived from rows (`carrel_model::derive`, `carrel_overview`).

use std::collections::BTreeSet;

use carrel_model::{
    Slug, UserId,
    content::{Cover, Hours},
    derive::course_completion,
    lattice::{DecisionStatus, ItemKind, Progress, REVIEW, Row, RowKey, RowType},
    wire::CourseReply,
};
use carrel_overview::{DAY_START, Overview, StudyRows, Today, day_start_min};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{
    Audience, Freshness, Listed, Store, StoreError,
    tx::{EnrolledCourse, Tx},
};
use crate::{
    DomainError, DomainResult,
    courses::{audience, may_see},
};

/// A course in which a learner is enrolled, or has requested to be, with the learner's progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearnerCourse {
    /// Id of the course.
    pub course_id: Slug,
    /// Title, cover and hours are absent if the course was withdrawn from the catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Cover image or drawing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover: Option<Cover>,
    /// Estimated hours of study.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Decision on the request for enrolment.
    pub status: DecisionStatus,
    /// When enrolment was requested (UTC, ms since 1970).
    pub enrolled_ms: i64,
    /// Number of finished sections of the current version.
    pub completed_sections: u32,
    /// Number of sections of the current version; 0 if the course was withdrawn.
    pub total_sections: u32,
    /// Share of finished sections in hundredths of a percent, 0 to 10,000.
    pub percent: u16,
    /// Latest end of a session, or time of a change of progress (UTC, ms since 1970).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity_ms: Option<i64>,
}

fn learner_course(found: EnrolledCourse) -> DomainResult<LearnerCourse> {
    let EnrolledCourse { course, requested, status, reply, done, last_activity_ms } = found;
    let reply: Option<CourseReply> = reply
        .map(|reply| serde_json::from_str(&reply))
        .transpose()
        .map_err(|e| StoreError::unreadable("publication", e))?;
    let done: BTreeSet<_> = done.into_iter().collect();
    let completion =
        reply.as_ref().map(|r| course_completion(&course, &r.outline, &done).1).unwrap_or_default();
    let meta = reply.map(|reply| reply.summary.meta);
    Ok(LearnerCourse {
        course_id: course,
        status: status.unwrap_or(DecisionStatus::Pending),
        enrolled_ms: requested.ms(),
        completed_sections: completion.done,
        total_sections: completion.total,
        percent: completion.percent(),
        last_activity_ms,
        hours: meta.as_ref().map(|m| m.hours),
        title: meta.as_ref().map(|m| m.title.clone()),
        cover: meta.map(|m| m.cover),
    })
}

impl Store {
    /// Returns a page of the courses of a learner: the latest activity first and those without activity last, then the
    /// latest enrolment first. `course`: only this one. `is_report`: staff ask, who may get it as old as a replica is.
    /// Also returns which courses the learner finds, on which titles depend.
    ///
    /// # Errors
    /// `NoAccount` if there is no such learner.
    pub async fn learner_courses(
        &self,
        user: UserId,
        course: Option<Slug>,
        (offset, limit): (u64, u32),
        is_report: bool,
    ) -> DomainResult<(Listed<LearnerCourse>, Audience)> {
        let list = move |tx: &dyn Tx| {
            tx.usn(user)?.ok_or(DomainError::NoAccount(user))?;
            let viewer = tx.viewer(user)?;
            let Listed { items, total } =
                tx.enrolled_courses(user, course.as_ref(), offset, limit)?;
            let mut visible = Vec::with_capacity(items.len());
            for item in items {
                // A request for a course that the learner may not see tells nothing about it.
                let is_enrolled = item.status == Some(DecisionStatus::Active);
                let is_seen = is_enrolled
                    || tx.course(&item.course)?.is_some_and(|c| may_see(&c, viewer.as_ref()));
                let reply = item.reply.filter(|_| is_seen);
                visible.push(learner_course(EnrolledCourse { reply, ..item })?);
            }
            let items = visible;
            Ok::<_, DomainError>((Listed { items, total }, audience(viewer)))
        };
        if is_report {
            return self.read_replica("learner_courses", Freshness::Delayed, list).await;
        }
        self.read("learner_courses", list).await
    }
    /// Returns the totals of a learner up to the study day at `now_ms`. `off_min`: the learner's time zone; `None`: that
    /// of the last session, or UTC.
    pub async fn overview(
        &self,
        user: UserId,
        off_min: Option<i16>,
        now_ms: i64,
    ) -> DomainResult<(Today, Overview)> {
        let read = self.read("overview", move |tx| {
            let rows = StudyRows {
                sessions: tx.sessions(user)?,
                stories: tx.progress(user, Some(ItemKind::Story), 0, u32::MAX)?.items,
                sections_done: tx.count_finished_sections(user)?,
                quizzes_taken: tx.count_quizzes_taken(user)?,
            };
            let last = rows.sessions.iter().max_by_key(|s| (s.started_ms, s.id));
            let off_min = off_min.or_else(|| last?.off_min).unwrap_or(0);
            let today = Today::at(now_ms, off_min, day_start(tx, user)?);
            Ok::<_, StoreError>((today, Overview::of(&rows, today)))
        });
        Ok(read.await?)
    }
    /// Returns a page of a learner's progress, by kind and item.
    pub async fn progress_page(
        &self,
        user: UserId,
        kind: Option<ItemKind>,
        offset: u64,
        limit: u32,
    ) -> DomainResult<Listed<Progress>> {
        let read = self.read("progress_page", move |tx| tx.progress(user, kind, offset, limit));
        Ok(read.await?)
    }
}

/// Returns the minutes after midnight at which the learner's study day starts.
pub(crate) fn day_start(tx: &dyn Tx, user: UserId) -> Result<i32, StoreError> {
    let stored = tx.row(user, &RowKey::of(RowType::Kv, &[REVIEW, DAY_START]))?;
    Ok(day_start_min(match &stored {
        Some(Row::Kv(kv)) => Some(kv.value.as_str()),
        _ => None,
    }))
}
