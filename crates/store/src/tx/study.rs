//! The courses of one learner with the progress in each, and the rows from which totals are computed.

use carrel_model::{
    BlobHash, EventId, Hlc, ItemId, Slug, UserId,
    lattice::{Attempt, DecisionStatus, Grade, ItemKind, Kv, Progress, Review, Session},
};

use super::{Kind, Listed};
use crate::Result;

/// A course in which a learner requested enrolment and has not withdrawn the request.
#[derive(Debug, Clone)]
pub struct EnrolledCourse {
    pub course: Slug,
    /// Stamp of the request.
    pub requested: Hlc,
    /// `None`: not decided.
    pub status: Option<DecisionStatus>,
    /// JSON of `CourseReply`; `None` if the course is not in the catalogue.
    pub reply: Option<String>,
    /// Finished sections, of all versions of the course.
    pub done: Vec<ItemId>,
    /// Latest end of a session, or time of a change of progress; `None` without any.
    pub last_activity_ms: Option<i64>,
}

pub trait StudyTx {
    /// Returns a page of a learner's courses in one statement: the latest activity first and those without activity
    /// last, then the latest request first, then by id. `course`: only this one.
    fn enrolled_courses(
        &self,
        user: UserId,
        course: Option<&Slug>,
        offset: u64,
        limit: u32,
    ) -> Result<Listed<EnrolledCourse>>;
    /// Returns all sessions of a learner.
    fn sessions(&self, user: UserId) -> Result<Vec<Session>>;
    /// Returns a page of a learner's progress, by kind and item. `kind`: only this kind.
    fn progress(
        &self,
        user: UserId,
        kind: Option<ItemKind>,
        offset: u64,
        limit: u32,
    ) -> Result<Listed<Progress>>;
    /// Returns reviews of a learner, at most `max`, voided ones too, in any order.
    fn reviews(&self, user: UserId, max: u32) -> Result<Vec<Review>>;
    /// Returns the ids of voided reviews of a learner, at most `max`.
    fn review_voids(&self, user: UserId, max: u32) -> Result<Vec<EventId>>;
    /// Returns registers of a learner in some namespaces, at most `max`, in any order.
    fn registers(&self, user: UserId, namespaces: &[&str], max: u32) -> Result<Vec<Kv>>;
    /// Returns the replies (JSON of `CourseReply` or `StoryReply`) of those of `ids` that are in the catalogue.
    fn replies(&self, kind: Kind, ids: &[Slug]) -> Result<Vec<(Slug, String)>>;
    /// Returns hash and body of the version of a quiz that was published last.
    fn newest_quiz(&self, item: &ItemId) -> Result<Option<(BlobHash, String)>>;
    /// Returns a learner's attempts at a quiz, those that began last first, at most `max`.
    fn attempts_at(&self, user: UserId, quiz: &ItemId, max: u32) -> Result<Vec<Attempt>>;
    /// Returns the grades of a learner's attempts at a quiz.
    fn grades_at(&self, user: UserId, quiz: &ItemId) -> Result<Vec<Grade>>;
    /// Returns the number of finished sections of a learner.
    fn count_finished_sections(&self, user: UserId) -> Result<u32>;
    /// Returns the number of distinct quizzes with a submitted attempt of a learner.
    fn count_quizzes_taken(&self, user: UserId) -> Result<u32>;
}
