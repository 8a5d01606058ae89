//! The figures of one learner: for each course and for each day.
//!
//! Time is that of `carrel_model::derive`: overlapping time counts once. A session and an attempt belong to the
//! learner's day that they carry; a finished section belongs to the day of the school at the time at which it was finished.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::{
    AttemptId, BlobHash, ItemId, Slug,
    content::{CourseOutline, GivenAnswer, Quiz, grade},
    derive::{course_completion, time_by_day, time_studied},
    lattice::{
        Attempt, Decision, DecisionStatus, Grade, ItemKind, Kv, Progress, Session, day_of_date,
    },
};
use serde::{Deserialize, Serialize};

use crate::zone::Zone;

/// The rows of a learner from which figures are computed.
#[derive(Debug, Clone, Default)]
pub struct LearnerRows {
    /// The learner's change number at which the rows were read.
    pub usn: u64,
    pub sessions: Vec<Session>,
    pub progress: Vec<Progress>,
    pub attempts: Vec<Attempt>,
    pub grades: Vec<Grade>,
    /// Registers of the namespace `enrolment`.
    pub enrolments: Vec<Kv>,
    pub decisions: Vec<Decision>,
}

impl LearnerRows {
    /// Returns the courses and stories in the rows.
    pub fn roots(&self) -> BTreeSet<Slug> {
        let requested = self.enrolments.iter().filter(|register| register.value == "true");
        let requested = requested.map(|register| register.key.as_str());
        let items = self.sessions.iter().map(|session| &session.item);
        let items = items.chain(self.progress.iter().map(|progress| &progress.item));
        let items = items.chain(self.attempts.iter().map(|attempt| &attempt.quiz));
        let roots: BTreeSet<&str> = requested.chain(items.map(ItemId::root)).collect();
        roots.into_iter().filter_map(|root| Slug::new(root).ok()).collect()
    }
    fn has_requested(&self, course: &Slug) -> bool {
        self.enrolments.iter().any(|r| r.key == course.as_str() && r.value == "true")
    }
}

/// What is published: the outlines of courses, and quizzes by hash and id.
#[derive(Debug, Clone, Default)]
pub struct Library {
    pub courses: BTreeMap<Slug, CourseOutline>,
    pub quizzes: BTreeMap<(BlobHash, ItemId), Quiz>,
}

/// A learner in a course, now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CourseFigures {
    /// `None`: enrolment was not requested, or the request was withdrawn.
    pub status: Option<DecisionStatus>,
    /// Finished sections, and all sections, of the published version; 0 of 0 if there is none.
    pub done: u32,
    pub total: u32,
    pub time_ms: i64,
    /// The last day with a session, as days since 1970-01-01.
    pub last_day: Option<i32>,
    /// When the last section was finished, if all are.
    pub completed_ms: Option<i64>,
    /// Quizzes with a grade, and the sum of the best one of each, in hundredths of a percent.
    pub scored: u32,
    pub score_sum: i64,
    /// Stored apart, because only the report of a course needs it.
    #[serde(skip)]
    pub detail: CourseDetail,
}

impl CourseFigures {
    pub fn is_enrolled(&self) -> bool {
        self.status == Some(DecisionStatus::Active)
    }
    pub fn is_completed(&self) -> bool {
        self.completed_ms.is_some()
    }
    /// Returns the texts by which they are stored: figures and detail.
    pub fn texts(&self) -> (String, String) {
        let text = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
        (text(serde_json::to_string(self)), text(serde_json::to_string(&self.detail)))
    }
    /// Returns the figures of stored texts.
    ///
    /// # Errors
    /// If they are not those of `texts`.
    pub fn of_texts(figures: &str, detail: Option<&str>) -> Result<Self, serde_json::Error> {
        let figures: Self = serde_json::from_str(figures)?;
        let detail = detail.map(serde_json::from_str).transpose()?.unwrap_or_default();
        Ok(Self { detail, ..figures })
    }
    /// Returns the progress in hundredths of a percent, rounded down.
    pub fn percent(&self) -> u32 {
        (u64::from(self.done) * 10_000).checked_div(u64::from(self.total)).unwrap_or(0) as u32
    }
}

/// Points of an answer and the maximum, in thousandths, and whether there was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Points {
    pub points: i64,
    pub max: i64,
    pub answered: bool,
}

/// The finished sections of a learner in a course, and the points for each question of its quizzes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CourseDetail {
    /// Those of the published version, in its order.
    pub sections: Vec<ItemId>,
    /// By quiz and question: points in the learner's first graded attempt.
    pub questions: BTreeMap<ItemId, BTreeMap<Slug, Points>>,
}

/// A learner on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayFigures {
    pub time_ms: i64,
    /// Sections finished.
    pub sections: i64,
    /// Lessons whose last section was finished.
    pub lessons: i64,
    /// Attempts at quizzes that were submitted.
    pub attempts: i64,
    /// Those that were graded, and the sum of their shares of the points, in hundredths of a percent.
    pub scored: i64,
    pub score_sum: i64,
    /// When rows arrived that changed the figures after the end of the day; 0: none did.
    pub changed_ms: i64,
}

impl DayFigures {
    /// Returns true if the learner did anything.
    pub fn is_active(&self) -> bool {
        self.time_ms > 0 || self.sections > 0 || self.attempts > 0
    }
    pub fn add(&mut self, other: &Self) {
        self.time_ms += other.time_ms;
        self.sections += other.sections;
        self.lessons += other.lessons;
        self.attempts += other.attempts;
        self.scored += other.scored;
        self.score_sum += other.score_sum;
    }
    /// Returns the mean share of the points, in hundredths of a percent.
    pub fn mean_score(&self) -> Option<i64> {
        self.score_sum.checked_div(self.scored)
    }
}

/// The figures of a learner. Stories are among the courses, without a status. A course or day without an entry has figures of 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LearnerFigures {
    pub courses: BTreeMap<Slug, CourseFigures>,
    /// By days since 1970-01-01.
    pub days: BTreeMap<i32, DayFigures>,
    /// The last day on which the learner did anything.
    pub last_day: Option<i32>,
}

impl LearnerFigures {
    /// Returns the last day on which the learner did anything.
    fn last_active(days: &BTreeMap<i32, DayFigures>) -> Option<i32> {
        days.iter().rev().find(|(_, figures)| figures.is_active()).map(|(day, _)| *day)
    }
    /// Returns true if the figures are equal, whenever they changed.
    pub fn is_same(&self, other: &Self) -> bool {
        let courses = self.courses.keys().chain(other.courses.keys());
        let days = self.days.keys().chain(other.days.keys());
        let plain = |of: &Self, day: &i32| DayFigures {
            changed_ms: 0,
            ..of.days.get(day).copied().unwrap_or_default()
        };
        courses.into_iter().all(|course| {
            let of = |of: &Self| of.courses.get(course).cloned().unwrap_or_default();
            of(self) == of(other)
        }) && days.into_iter().all(|day| plain(self, day) == plain(other, day))
    }
}

/// Computes the figures of a learner. The times of changes (`changed_ms`) are 0.
pub fn figures(rows: &LearnerRows, library: &Library, zone: &Zone) -> LearnerFigures {
    let done = finished_sections(rows);
    let mut days: BTreeMap<i32, DayFigures> = BTreeMap::new();
    for (date, time_ms) in time_by_day(&rows.sessions) {
        if let Ok(date) = date.parse() {
            days.entry(day_of_date(date)).or_default().time_ms = time_ms;
        }
    }
    for done_ms in done.values() {
        days.entry(zone.day_of(*done_ms)).or_default().sections += 1;
    }
    let grades: BTreeMap<AttemptId, i64> = rows
        .grades
        .iter()
        .filter(|grade| grade.max_points > 0)
        .map(|grade| {
            let share = grade.points.clamp(0, grade.max_points) * 10_000 / grade.max_points;
            (grade.attempt, share)
        })
        .collect();
    for attempt in &rows.attempts {
        let Some(submitted_ms) = attempt.submitted_ms else { continue };
        let day = attempt.day.unwrap_or_else(|| zone.day_of(submitted_ms));
        let day = days.entry(day).or_default();
        day.attempts += 1;
        if let Some(share) = grades.get(&attempt.id) {
            day.scored += 1;
            day.score_sum += share;
        }
    }
    let mut courses: BTreeMap<Slug, CourseFigures> = BTreeMap::new();
    // A root that is not published is a story, or a course that may be published later.
    for course in rows.roots() {
        let none = CourseOutline { lessons: Vec::new(), stories: Vec::new(), vocabulary: None };
        let outline = library.courses.get(&course).unwrap_or(&none);
        add_lessons(&course, outline, &done, zone, &mut days);
        let of_course = course_figures(&course, outline, rows, &done, &grades, library);
        courses.insert(course, of_course);
    }
    let last_day = LearnerFigures::last_active(&days);
    LearnerFigures { courses, days, last_day }
}

/// Returns the figures to store in place of the stored ones. A day whose figures changed after its end gets the time of the
/// change. `since_ms`: when the first of the rows arrived that the stored figures lack; 0: that is not known.
pub fn refreshed(
    stored: &LearnerFigures,
    fresh: &LearnerFigures,
    since_ms: i64,
    zone: &Zone,
) -> LearnerFigures {
    let mut courses = fresh.courses.clone();
    for course in stored.courses.keys() {
        courses.entry(course.clone()).or_default();
    }
    let mut days = fresh.days.clone();
    for day in stored.days.keys() {
        days.entry(*day).or_default();
    }
    for (day, figures) in &mut days {
        let old = stored.days.get(day).copied().unwrap_or_default();
        let is_same = DayFigures { changed_ms: old.changed_ms, ..*figures } == old;
        let is_late = !is_same && since_ms >= zone.end_ms(*day);
        figures.changed_ms = if is_late { since_ms } else { old.changed_ms };
    }
    LearnerFigures { courses, days, last_day: fresh.last_day }
}

/// Returns the finished sections and when each was finished.
fn finished_sections(rows: &LearnerRows) -> BTreeMap<&ItemId, i64> {
    let sections = rows.progress.iter().filter(|progress| progress.kind == ItemKind::Section);
    sections.filter_map(|progress| Some((&progress.item, progress.done_ms?))).collect()
}

/// Counts a lesson on the day on which its last section was finished.
fn add_lessons(
    course: &Slug,
    outline: &CourseOutline,
    done: &BTreeMap<&ItemId, i64>,
    zone: &Zone,
    days: &mut BTreeMap<i32, DayFigures>,
) {
    for lesson in outline.lessons.iter().filter(|lesson| !lesson.sections.is_empty()) {
        let sections = lesson.sections.iter();
        let times =
            sections.map(|s| done.get(&ItemId::section(course, &lesson.id, &s.id)).copied());
        if let Some(finished) = times.collect::<Option<Vec<i64>>>() {
            let last_ms = finished.into_iter().max().unwrap_or_default();
            days.entry(zone.day_of(last_ms)).or_default().lessons += 1;
        }
    }
}

fn course_figures(
    course: &Slug,
    outline: &CourseOutline,
    rows: &LearnerRows,
    done: &BTreeMap<&ItemId, i64>,
    grades: &BTreeMap<AttemptId, i64>,
    library: &Library,
) -> CourseFigures {
    let finished: BTreeSet<ItemId> = done
        .keys()
        .filter(|item| item.root() == course.as_str())
        .map(|item| (*item).clone())
        .collect();
    let completion = course_completion(course, outline, &finished).1;
    let lessons = outline.lessons.iter();
    let in_order = lessons.flat_map(|lesson| {
        lesson.sections.iter().map(|section| ItemId::section(course, &lesson.id, &section.id))
    });
    let sections: Vec<ItemId> = in_order.filter(|section| finished.contains(section)).collect();
    let last_ms = sections.iter().filter_map(|section| done.get(section)).max().copied();
    let sessions: Vec<&Session> =
        rows.sessions.iter().filter(|session| session.item.root() == course.as_str()).collect();
    let decision = rows.decisions.iter().find(|decision| decision.course == *course);
    let mut best: BTreeMap<&ItemId, i64> = BTreeMap::new();
    let mut first: BTreeMap<&ItemId, &Attempt> = BTreeMap::new();
    for attempt in rows.attempts.iter().filter(|attempt| attempt.quiz.root() == course.as_str()) {
        let (Some(share), Some(_)) = (grades.get(&attempt.id), attempt.submitted_ms) else {
            continue;
        };
        let of_quiz = best.entry(&attempt.quiz).or_default();
        *of_quiz = (*of_quiz).max(*share);
        let order = |attempt: &Attempt| (attempt.submitted_ms, attempt.id);
        let earliest = first.entry(&attempt.quiz).or_insert(attempt);
        if order(attempt) < order(earliest) {
            *earliest = attempt;
        }
    }
    let questions = first.into_iter().filter_map(|(quiz, attempt)| {
        let answers = attempt.answers.as_ref()?;
        let body = library.quizzes.get(&(attempt.quiz_hash, quiz.clone()))?;
        let given: BTreeMap<&Slug, GivenAnswer> = answers
            .iter()
            .filter_map(|(question, value)| Some((question, serde_json::from_str(value).ok()?)))
            .collect();
        let score = grade(&body.for_attempt(attempt.id), |question| given.get(question));
        let points = score.questions.into_iter().map(|q| {
            (q.question, Points { points: q.points, max: q.max_points, answered: q.answered })
        });
        Some((quiz.clone(), points.collect()))
    });
    CourseFigures {
        status: rows
            .has_requested(course)
            .then(|| decision.map_or(DecisionStatus::Pending, |decision| decision.status)),
        done: completion.done,
        total: completion.total,
        time_ms: time_studied(sessions.iter().copied()),
        last_day: sessions.iter().filter_map(|session| session.study_day()).max(),
        completed_ms: last_ms.filter(|_| completion.is_complete()),
        scored: u32::try_from(best.len()).unwrap_or(u32::MAX),
        score_sum: best.values().sum(),
        detail: CourseDetail { questions: questions.collect(), sections },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * 3_600_000;
    /// 2026-11-20T12:00:00Z, a day of number 20,777.
    const NOON: i64 = 1_795_176_000_000;

    fn day(time_ms: i64, changed_ms: i64) -> DayFigures {
        DayFigures { time_ms, changed_ms, ..DayFigures::default() }
    }
    fn of_days(days: &[(i32, DayFigures)]) -> LearnerFigures {
        LearnerFigures { days: days.iter().copied().collect(), ..LearnerFigures::default() }
    }

    #[test]
    fn a_day_that_changed_after_its_end_states_when() {
        let zone = Zone::default();
        let (yesterday, today) = (20_776, 20_777);
        let stored = of_days(&[(yesterday - 1, day(5, 77)), (yesterday, day(5, 0))]);
        let fresh = of_days(&[(yesterday, day(9, 0)), (today, day(3, 0))]);
        let merged = refreshed(&stored, &fresh, NOON, &zone);
        assert_eq!(merged.days[&yesterday], day(9, NOON));
        // Not ended yet.
        assert_eq!(merged.days[&today], day(3, 0));
        // A figure that became 0 changed, too.
        assert_eq!(merged.days[&(yesterday - 1)], day(0, NOON));
        // Nothing changed since: the times are kept.
        assert_eq!(refreshed(&merged, &fresh, NOON + DAY_MS, &zone), merged);
        // The first computation does not know when the rows arrived.
        let first = refreshed(&LearnerFigures::default(), &fresh, 0, &zone);
        assert!(first.days.values().all(|figures| figures.changed_ms == 0));
        assert!(merged.is_same(&fresh) && !stored.is_same(&fresh));
    }
}
