//! The learner's work: progress, study time, attempts, saved words, settings, enrolment. All of it is stored as rows in
//! `user.db`, durable before a call returns; displayed values are derived from rows.
//!
//! Not here: course and story content (`carrel-content`), sending (`carrel-sync`), titles and scores of quizzes, which
//! are computed where the content is available.

#![warn(missing_docs)]

mod attempts;
mod completion;
mod devices;
mod enrolment;
mod error;
mod exercises;
pub mod notes;
mod overview;
mod programs;
mod progress;
mod reviews;
mod sentence_times;
mod settings;
pub mod store;
mod time;
pub mod word_files;
mod word_notes;
mod words;

use std::sync::Arc;

pub use attempts::AttemptRecord;
pub use carrel_overview::{Overview, RootTime, SUMMARY_DAYS, Summary};
pub use carrel_scheduling::{
    MAX_RECOMMENDED, Recommendation, RecommendedWord, Urgency, WordCounts, WordFigures,
    course_level, learner_level, recommend,
};
use carrel_system::IdGen;
pub use completion::COMPLETED;
pub use enrolment::Enrolment;
pub use error::{Error, Result};
pub use exercises::{ExerciseAnswer, ExerciseRun};
pub use progress::{ProgressRecord, Step};
pub use reviews::{
    Absence, CardDetails, CardMarks, CardSummary, MASTERY_CLASSES, MAX_PAST_REVIEWS, PastReview,
    RecentReview, ReviewAnswer, ReviewCard, ReviewCounts, ReviewQueue, ReviewSettings, Training,
    WordMastery, WordSummaries, Workload,
};
use rusqlite::Connection;
pub use store::study_day::Moment;
use store::{Store, checked};
use time::StudyTimer;
use tokio::sync::Mutex;
pub use word_notes::{OWN_WORDS, WordNote};
pub use words::Word;

/// Reads and writes the work of one learner. One instance per open [`Store`].
pub struct Learning {
    store: Arc<Store>,
    ids: Arc<dyn IdGen>,
    /// The study session in progress.
    timer: Mutex<StudyTimer>,
}

impl Learning {
    /// Creates an instance. `store` has the rows and the clock; `ids` generates the ids of attempts, sessions and
    /// review events.
    pub fn new(store: Arc<Store>, ids: Arc<dyn IdGen>) -> Self {
        Self { store, ids, timer: Mutex::new(StudyTimer::default()) }
    }
}

/// SQL condition for the rows of the course or story `?1`: the item itself and all items below it. In byte order `/` is
/// followed by `0`, so the items below are a range.
const UNDER: &str = "(item = ?1 OR (item > ?1 || '/' AND item < ?1 || '0'))";

/// Returns the rows of one kind of a course or story.
fn under<T: carrel_model::lattice::RowKind>(conn: &Connection, root: &str) -> Result<Vec<T>> {
    checked::query(conn, &format!("WHERE {UNDER}"), [root])
}

/// Formats UTC milliseconds as `2026-11-20T12:00:00Z`, for files.
pub(crate) fn utc_text(ms: i64) -> String {
    let seconds = jiff::Timestamp::from_second(ms.div_euclid(1_000));
    seconds.map_or_else(|_| ms.to_string(), |time| time.to_string())
}
