//! Sums over the learners of a group. Learners are added one after the other, so that a group of any size needs little
//! memory.

use std::collections::BTreeMap;

use carrel_model::{ItemId, Slug, UserId, content::CourseOutline, lattice::date_of_day};

use crate::{
    figures::{CourseFigures, DayFigures, LearnerFigures},
    replies::{
        ChangedDay, CourseCompletion, Engagement, LearnerLine, QuestionLine, SectionLine, TrendDay,
    },
    zone::Span,
};

/// Days without activity after which a learner is no longer active, recent, and inactive.
const ACTIVE_DAYS: i32 = 7;
const RECENT_DAYS: i32 = 30;
const INACTIVE_DAYS: i32 = 90;

/// How long ago a learner was active last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    Active,
    Recent,
    Inactive,
    Dormant,
}

impl Activity {
    pub fn of(last_day: Option<i32>, today: i32) -> Self {
        // A learner east of the school may already have tomorrow's date.
        match last_day.map(|day| today.saturating_sub(day)) {
            Some(days) if days < ACTIVE_DAYS => Self::Active,
            Some(days) if days < RECENT_DAYS => Self::Recent,
            Some(days) if days < INACTIVE_DAYS => Self::Inactive,
            _ => Self::Dormant,
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Recent => "recent",
            Self::Inactive => "inactive",
            Self::Dormant => "dormant",
        }
    }
}

/// Who a learner is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnerName {
    pub id: UserId,
    pub login: String,
    pub name: String,
}

/// Returns the line of a learner.
pub fn line(who: &LearnerName, figures: &LearnerFigures, span: Span) -> LearnerLine {
    let courses = figures.courses.values().filter(|course| course.is_enrolled());
    let (mut enrolled, mut completed, mut percent) = (0, 0, 0);
    for course in courses {
        enrolled += 1;
        completed += u32::from(course.is_completed());
        percent += i64::from(course.percent());
    }
    let (mut total, mut active_days) = (DayFigures::default(), 0);
    for (_, day) in figures.days.range(span.from..=span.today) {
        total.add(day);
        active_days += u32::from(day.is_active());
    }
    LearnerLine {
        id: who.id,
        login: who.login.clone(),
        name: who.name.clone(),
        enrolled,
        completed,
        mean_progress: percent.checked_div(i64::from(enrolled)),
        time_ms: total.time_ms,
        sections: total.sections,
        active_days,
        mean_score: total.mean_score(),
        last_day: figures.last_day.map(date),
        group: Activity::of(figures.last_day, span.today).name(),
    }
}

pub(crate) fn date(day: i32) -> String {
    date_of_day(day).to_string()
}

/// Sums over the days of a period, and the groups by activity.
#[derive(Debug, Clone)]
pub struct Group {
    span: Span,
    pub engagement: Engagement,
    days: BTreeMap<i32, (u32, DayFigures)>,
    active_learners: u32,
    changed: BTreeMap<i32, (i64, u32)>,
}

impl Group {
    pub fn new(span: Span) -> Self {
        Self {
            span,
            engagement: Engagement::default(),
            days: BTreeMap::new(),
            active_learners: 0,
            changed: BTreeMap::new(),
        }
    }
    pub fn add(&mut self, figures: &LearnerFigures) {
        let of = &mut self.engagement;
        of.learners += 1;
        match Activity::of(figures.last_day, self.span.today) {
            Activity::Active => of.active += 1,
            Activity::Recent => of.recent += 1,
            Activity::Inactive => of.inactive += 1,
            Activity::Dormant => of.dormant += 1,
        }
        let mut is_active = false;
        for (day, figures) in figures.days.range(self.span.from..=self.span.today) {
            let (learners, sum) = self.days.entry(*day).or_default();
            sum.add(figures);
            *learners += u32::from(figures.is_active());
            is_active |= figures.is_active();
            if figures.changed_ms > 0 {
                let (changed_ms, learners) = self.changed.entry(*day).or_default();
                *changed_ms = (*changed_ms).max(figures.changed_ms);
                *learners += 1;
            }
        }
        self.active_learners += u32::from(is_active);
    }
    /// Returns the days whose figures changed after they had ended.
    pub fn changed_since(&self) -> Vec<ChangedDay> {
        let changed = self.changed.iter().map(|(day, (changed_ms, learners))| ChangedDay {
            day: date(*day),
            changed_ms: *changed_ms,
            learners: *learners,
        });
        changed.collect()
    }
    /// Returns every day of the period, oldest first.
    pub fn days(&self) -> Vec<TrendDay> {
        let days = self.span.from..=self.span.today;
        days.map(|day| {
            let (learners, sum) = self.days.get(&day).copied().unwrap_or_default();
            trend(Some(date(day)), learners, sum)
        })
        .collect()
    }
    pub fn total(&self) -> TrendDay {
        let mut total = DayFigures::default();
        self.days.values().for_each(|(_, sum)| total.add(sum));
        trend(None, self.active_learners, total)
    }
}

fn trend(day: Option<String>, active_learners: u32, sum: DayFigures) -> TrendDay {
    TrendDay {
        day,
        active_learners,
        time_ms: sum.time_ms,
        sections: sum.sections,
        lessons: sum.lessons,
        attempts: sum.attempts,
        time_per_section_ms: sum.time_ms.checked_div(sum.sections),
        mean_score: sum.mean_score(),
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct QuestionSum {
    attempts: u32,
    answered: u32,
    right: u32,
    share_sum: i64,
}

/// Sums over the enrolled learners of a course.
#[derive(Debug, Clone)]
pub struct CourseSum {
    span: Span,
    completion: CourseCompletion,
    began: i64,
    time_ms: i64,
    time_completed_ms: i64,
    percent: i64,
    scored: i64,
    score_sum: i64,
    finished: BTreeMap<ItemId, (u32, u32)>,
    questions: BTreeMap<(ItemId, Slug), QuestionSum>,
}

impl CourseSum {
    pub fn new(span: Span) -> Self {
        Self {
            span,
            completion: CourseCompletion::default(),
            began: 0,
            time_ms: 0,
            time_completed_ms: 0,
            percent: 0,
            scored: 0,
            score_sum: 0,
            finished: BTreeMap::new(),
            questions: BTreeMap::new(),
        }
    }
    /// Adds a learner, if enrolled. `completed_day`: the day of `CourseFigures::completed_ms`.
    pub fn add(&mut self, of: &CourseFigures, completed_day: Option<i32>) {
        if !of.is_enrolled() {
            return;
        }
        let span = self.span;
        let sum = &mut self.completion;
        sum.enrolled += 1;
        sum.active += u32::from(of.last_day.is_some_and(|day| day >= span.from));
        sum.completed += u32::from(of.is_completed());
        sum.completed_in_period += u32::from(completed_day.is_some_and(|day| span.contains(day)));
        self.began += i64::from(of.time_ms > 0);
        self.time_ms += of.time_ms;
        self.percent += i64::from(of.percent());
        self.scored += i64::from(of.scored);
        self.score_sum += of.score_sum;
        if of.is_completed() {
            self.time_completed_ms += of.time_ms;
        }
        for section in &of.detail.sections {
            self.finished.entry(section.clone()).or_default().0 += 1;
        }
        if let Some(last) = of.detail.sections.last().filter(|_| !of.is_completed()) {
            self.finished.entry(last.clone()).or_default().1 += 1;
        }
        for (quiz, questions) in &of.detail.questions {
            for (question, points) in questions {
                let sum = self.questions.entry((quiz.clone(), question.clone())).or_default();
                sum.attempts += 1;
                sum.answered += u32::from(points.answered);
                sum.right += u32::from(points.answered && points.points >= points.max);
                sum.share_sum += (points.points * 10_000).checked_div(points.max).unwrap_or(0);
            }
        }
    }
    pub fn completion(&self) -> CourseCompletion {
        CourseCompletion {
            mean_time_ms: self.time_ms.checked_div(self.began),
            mean_time_completed_ms: self
                .time_completed_ms
                .checked_div(i64::from(self.completion.completed)),
            mean_progress: self.percent.checked_div(i64::from(self.completion.enrolled)),
            mean_score: self.score_sum.checked_div(self.scored),
            ..self.completion
        }
    }
    /// Returns the sections of a course in order.
    pub fn sections(&self, course: &Slug, outline: &CourseOutline) -> Vec<SectionLine> {
        let lessons = outline.lessons.iter();
        let sections = lessons.flat_map(|lesson| lesson.sections.iter().map(move |s| (lesson, s)));
        sections
            .map(|(lesson, section)| {
                let id = ItemId::section(course, &lesson.id, &section.id);
                let (finished, stopped_after) = self.finished.get(&id).copied().unwrap_or_default();
                SectionLine { id, title: section.title.clone(), finished, stopped_after }
            })
            .collect()
    }
    /// Returns the questions by quiz and id.
    pub fn questions(&self) -> Vec<QuestionLine> {
        let lines = self.questions.iter().map(|((quiz, question), sum)| QuestionLine {
            quiz: quiz.clone(),
            question: question.clone(),
            attempts: sum.attempts,
            answered: sum.answered,
            right: sum.right,
            mean_score: sum.share_sum.checked_div(i64::from(sum.attempts)).unwrap_or(0),
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use carrel_model::lattice::DecisionStatus;

    use super::*;
    use crate::{
        figures::CourseDetail,
        zone::{Period, Zone},
    };

    /// 2026-11-20T12:00:00Z, a day of number 20,777.
    const NOON: i64 = 1_795_176_000_000;
    const TODAY: i32 = 20_777;

    fn span() -> Span {
        Span::up_to(NOON, Period::Month, &Zone::default())
    }
    fn learner(days: &[(i32, DayFigures)]) -> LearnerFigures {
        let days: BTreeMap<i32, DayFigures> = days.iter().copied().collect();
        let last_day = days.keys().next_back().copied();
        LearnerFigures { days, last_day, ..LearnerFigures::default() }
    }

    #[test]
    fn each_learner_is_in_one_group_by_the_last_day() {
        for (days_ago, expected) in [
            (Some(-1), "active"),
            (Some(0), "active"),
            (Some(6), "active"),
            (Some(7), "recent"),
            (Some(29), "recent"),
            (Some(30), "inactive"),
            (Some(89), "inactive"),
            (Some(90), "dormant"),
            (None, "dormant"),
        ] {
            let last_day = days_ago.map(|days| TODAY - days);
            assert_eq!(Activity::of(last_day, TODAY).name(), expected, "{days_ago:?}");
        }
    }

    #[test]
    fn only_days_of_the_period_count() {
        let day = DayFigures {
            time_ms: 60_000,
            sections: 2,
            attempts: 1,
            scored: 1,
            score_sum: 5_000,
            ..DayFigures::default()
        };
        let late = DayFigures { changed_ms: 9, ..day };
        let mut group = Group::new(span());
        group.add(&learner(&[
            (TODAY - 30, day),
            (TODAY - 29, late),
            (TODAY, day),
            (TODAY + 1, day),
        ]));
        group.add(&learner(&[(TODAY, day)]));
        group.add(&learner(&[(TODAY - 40, day)]));
        let (days, total) = (group.days(), group.total());
        assert_eq!((days.len(), days[0].day.as_deref()), (30, Some("2026-10-22")));
        assert_eq!((days[0].active_learners, days[29].active_learners), (1, 2));
        assert_eq!((total.active_learners, total.time_ms, total.sections), (2, 180_000, 6));
        assert_eq!((total.time_per_section_ms, total.mean_score), (Some(30_000), Some(5_000)));
        assert_eq!((days[1].time_per_section_ms, days[1].mean_score), (None, None));
        let changed = ChangedDay { day: "2026-10-22".into(), changed_ms: 9, learners: 1 };
        assert_eq!(group.changed_since(), [changed]);
        let counts = group.engagement;
        assert_eq!((counts.learners, counts.active, counts.inactive), (3, 2, 1));
    }

    #[test]
    fn learners_who_stop_are_counted_at_the_last_section_that_they_finished() {
        let section = |name: &str| ItemId::new(format!("c/l/{name}")).unwrap();
        let course = |sections: &[&str], completed_ms| CourseFigures {
            status: Some(DecisionStatus::Active),
            done: sections.len() as u32,
            total: 3,
            time_ms: 10,
            completed_ms,
            detail: CourseDetail {
                sections: sections.iter().map(|name| section(name)).collect(),
                ..CourseDetail::default()
            },
            ..CourseFigures::default()
        };
        let mut sum = CourseSum::new(span());
        sum.add(&course(&["a", "b", "c"], Some(NOON)), Some(TODAY));
        sum.add(&course(&["a", "b", "c"], Some(1)), Some(0));
        sum.add(&course(&["a"], None), None);
        sum.add(&course(&["a", "c"], None), None);
        sum.add(&course(&[], None), None);
        sum.add(&CourseFigures { status: None, ..course(&["a", "b"], None) }, None);
        assert_eq!(sum.finished[&section("a")], (4, 1));
        assert_eq!(sum.finished[&section("b")], (2, 0));
        assert_eq!(sum.finished[&section("c")], (3, 1));
        let completion = sum.completion();
        assert_eq!((completion.enrolled, completion.completed), (5, 2));
        assert_eq!((completion.completed_in_period, completion.mean_time_ms), (1, Some(10)));
        assert_eq!(completion.mean_progress, Some((10_000 * 2 + 3_333 + 6_666) / 5));
    }
}
