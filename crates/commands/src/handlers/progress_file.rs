//! The progress overview as a file for other programs.

use carrel_client::learning::MASTERY_CLASSES;

use super::Result;
use crate::api::{
    error::CommandError,
    learning::{ProgressOverview, StudySummary},
};

/// The classes of mastery.
const MASTERY_NAMES: [&str; MASTERY_CLASSES] =
    ["new", "below 0.2", "below 0.4", "below 0.6", "below 0.8", "from 0.8"];

/// Returns the overview as JSON.
pub(super) fn to_json(overview: &ProgressOverview) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(overview).map_err(|e| CommandError::internal(&e))
}

/// Returns the overview as a table of single values: kind of row, its id, what was measured, value.
pub(super) fn to_csv(overview: &ProgressOverview) -> String {
    let mut csv = String::from("kind,id,measure,value\r\n");
    let mut row = |kind: &str, id: &str, measure: &str, value: i64| {
        csv.push_str(&format!("{kind},{id},{measure},{value}\r\n"));
    };
    for day in &overview.days {
        row("day", &day.day, "active_ms", day.active_ms);
    }
    for course in &overview.courses {
        let kind = if course.is_story { "story" } else { "course" };
        row(kind, course.item.as_str(), "percent_hundredths", course.percent.into());
        row(kind, course.item.as_str(), "time_ms", course.time_spent_ms);
    }
    for (class, words) in MASTERY_NAMES.iter().zip(&overview.mastery) {
        row("words", class, "count", (*words).into());
    }
    let all: [(&str, i64); 4] = [
        ("time_ms", overview.total_ms),
        ("sections_done", overview.sections_done.into()),
        ("stories_done", overview.stories_done.into()),
        ("quizzes_taken", overview.quizzes_taken.into()),
    ];
    for (measure, value) in all {
        row("total", "all", measure, value);
    }
    let StudySummary {
        days,
        active_days,
        time_ms,
        stories_started,
        stories_completed,
        mean_completion,
        words_learned,
        mean_mastery,
    } = &overview.summary;
    let period = format!("last {days} days");
    let recent: [(&str, i64); 7] = [
        ("active_days", (*active_days).into()),
        ("time_ms", *time_ms),
        ("stories_started", (*stories_started).into()),
        ("stories_completed", (*stories_completed).into()),
        ("mean_completion_hundredths", (*mean_completion).into()),
        ("words_learned", (*words_learned).into()),
        ("mean_mastery_hundredths", (*mean_mastery).into()),
    ];
    for (measure, value) in recent {
        row("summary", &period, measure, value);
    }
    csv
}

#[cfg(test)]
mod tests {
    use carrel_model::ItemId;

    use super::*;
    use crate::api::learning::{CourseProgress, DayTime};

    #[test]
    fn an_export_holds_each_value_of_the_overview() {
        let overview = ProgressOverview {
            days: vec![DayTime { day: "2026-11-20".into(), active_ms: 60_000 }],
            streak_days: 1,
            total_ms: 90_000,
            sections_done: 2,
            stories_done: 3,
            quizzes_taken: 4,
            courses: vec![CourseProgress {
                item: ItemId::new("the-lamp").unwrap(),
                title: "The \"Lamp\", lit".into(),
                is_story: true,
                percent: 5_000,
                time_spent_ms: 30_000,
            }],
            summary: StudySummary {
                days: 30,
                active_days: 5,
                time_ms: 6,
                stories_started: 7,
                stories_completed: 8,
                mean_completion: 9,
                words_learned: 10,
                mean_mastery: 11,
            },
            mastery: vec![1, 2, 3, 4, 5, 6],
        };
        let csv = to_csv(&overview);
        let rows: Vec<&str> = csv.split("\r\n").collect();
        assert_eq!(
            rows,
            [
                "kind,id,measure,value",
                "day,2026-11-20,active_ms,60000",
                "story,the-lamp,percent_hundredths,5000",
                "story,the-lamp,time_ms,30000",
                "words,new,count,1",
                "words,below 0.2,count,2",
                "words,below 0.4,count,3",
                "words,below 0.6,count,4",
                "words,below 0.8,count,5",
                "words,from 0.8,count,6",
                "total,all,time_ms,90000",
                "total,all,sections_done,2",
                "total,all,stories_done,3",
                "total,all,quizzes_taken,4",
                "summary,last 30 days,active_days,5",
                "summary,last 30 days,time_ms,6",
                "summary,last 30 days,stories_started,7",
                "summary,last 30 days,stories_completed,8",
                "summary,last 30 days,mean_completion_hundredths,9",
                "summary,last 30 days,words_learned,10",
                "summary,last 30 days,mean_mastery_hundredths,11",
                "",
            ]
        );
        let read: ProgressOverview = serde_json::from_slice(&to_json(&overview).unwrap()).unwrap();
        assert_eq!(read, overview);
    }
}
