//! Lines of exports: CSV for spreadsheets, in which no cell is a formula (`carrel_roster::csv_line`). Each line names the
//! time zone of its dates.

use carrel_roster::csv_line;

use crate::{
    figures::LearnerFigures,
    groups::{CourseSum, Group, LearnerName, date, line},
    replies::{LearnerDevices, ReportedDevice},
    zone::{Span, Zone},
};

/// What an export contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exported {
    /// A line for each student of a class.
    Class,
    /// A line for each learner in a course.
    Course,
    /// A line for each question of the quizzes of a course.
    Questions,
    /// A line for each day.
    Trends,
    /// A line for each learner, with the group.
    Engagement,
    /// A line for each device of the students of a class.
    Devices,
}

impl Exported {
    pub const ALL: [Self; 6] =
        [Self::Class, Self::Course, Self::Questions, Self::Trends, Self::Engagement, Self::Devices];

    pub fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Course => "course",
            Self::Questions => "questions",
            Self::Trends => "trends",
            Self::Engagement => "engagement",
            Self::Devices => "devices",
        }
    }
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
    /// Returns true if the lines name learners.
    pub fn names_learners(self) -> bool {
        !matches!(self, Self::Questions | Self::Trends)
    }
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Class => &[
                "login",
                "name",
                "courses enrolled",
                "courses completed",
                "mean progress %",
                "study minutes",
                "sections finished",
                "active days",
                "mean score %",
                "last active day",
                "group",
            ],
            Self::Course => &[
                "login",
                "name",
                "enrolment",
                "sections finished",
                "sections",
                "progress %",
                "study minutes",
                "last study day",
                "completed on",
                "mean score %",
            ],
            Self::Questions => {
                &["quiz", "question", "attempts", "answered", "right", "mean score %"]
            }
            Self::Trends => &[
                "day",
                "active learners",
                "study minutes",
                "sections finished",
                "lessons completed",
                "attempts",
                "minutes per section",
                "mean score %",
            ],
            Self::Engagement => &["login", "name", "last active day", "group"],
            Self::Devices => &[
                "login",
                "name",
                "device",
                "signed in",
                "last heard",
                "app version",
                "waiting",
                "refused",
            ],
        }
    }
}

/// A table that is written line by line. Figures that concern all learners are kept until the end.
#[derive(Debug)]
pub struct CsvTable {
    kind: Exported,
    course: Option<carrel_model::Slug>,
    span: Span,
    zone: Zone,
    as_of: String,
    group: Group,
    sum: CourseSum,
    /// Lines without the header.
    pub lines: u64,
}

impl CsvTable {
    pub fn new(kind: Exported, course: Option<carrel_model::Slug>, span: Span, zone: Zone) -> Self {
        let as_of = zone.text(span.now_ms);
        let (group, sum) = (Group::new(span), CourseSum::new(span));
        Self { kind, course, span, zone, as_of, group, sum, lines: 0 }
    }
    /// Returns the byte order mark, without which Excel reads another encoding, and the names of the columns.
    pub fn header(&self) -> String {
        let mut cells = self.kind.columns().to_vec();
        cells.extend(["time zone", "as of"]);
        format!("\u{feff}{}", csv_line(&cells))
    }
    fn write(&mut self, out: &mut String, cells: &[String]) {
        let mut cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        cells.extend([self.zone.name(), &self.as_of]);
        out.push_str(&csv_line(&cells));
        self.lines += 1;
    }
    /// Adds a learner, and writes the learner's lines.
    pub fn add(
        &mut self,
        out: &mut String,
        who: &LearnerName,
        figures: &LearnerFigures,
        devices: &LearnerDevices,
    ) {
        let (login, name) = (who.login.clone(), who.name.clone());
        match self.kind {
            Exported::Class | Exported::Engagement => {
                let l = line(who, figures, self.span);
                let (last_day, group) = (l.last_day.unwrap_or_default(), l.group.to_owned());
                let cells = match self.kind {
                    Exported::Engagement => vec![login, name, last_day, group],
                    _ => vec![
                        login,
                        name,
                        l.enrolled.to_string(),
                        l.completed.to_string(),
                        percent(l.mean_progress),
                        minutes(l.time_ms),
                        l.sections.to_string(),
                        l.active_days.to_string(),
                        percent(l.mean_score),
                        last_day,
                        group,
                    ],
                };
                self.write(out, &cells);
            }
            Exported::Course => {
                let course = self.course.as_ref().and_then(|course| figures.courses.get(course));
                // Somebody who only looked into the course is not in it.
                let Some(of) = course.filter(|of| of.status.is_some()) else { return };
                let completed = of.completed_ms.map(|ms| date(self.zone.day_of(ms)));
                let cells = [
                    login,
                    name,
                    of.status.map_or("", |status| status.as_str()).to_owned(),
                    of.done.to_string(),
                    of.total.to_string(),
                    percent(Some(of.percent().into())),
                    minutes(of.time_ms),
                    of.last_day.map(date).unwrap_or_default(),
                    completed.unwrap_or_default(),
                    percent(of.score_sum.checked_div(of.scored.into())),
                ];
                self.write(out, &cells);
            }
            Exported::Questions => {
                let course = self.course.as_ref().and_then(|course| figures.courses.get(course));
                if let Some(of) = course {
                    self.sum.add(of, None);
                }
            }
            Exported::Trends => self.group.add(figures),
            Exported::Devices => {
                for device in &devices.devices {
                    let of_report = |text: fn(&ReportedDevice) -> String| {
                        device.report.as_ref().map(text).unwrap_or_default()
                    };
                    let cells = [
                        login.clone(),
                        name.clone(),
                        device.name.clone(),
                        self.zone.text(device.signed_in_ms),
                        self.zone.text(device.last_heard_ms),
                        of_report(|report| report.app_version.clone()),
                        of_report(|report| report.waiting.to_string()),
                        of_report(|report| report.refused.to_string()),
                    ];
                    self.write(out, &cells);
                }
            }
        }
    }
    /// Writes the lines that concern all learners.
    pub fn finish(&mut self, out: &mut String) {
        match self.kind {
            Exported::Questions => {
                for q in self.sum.questions() {
                    let cells = [
                        q.quiz.to_string(),
                        q.question.to_string(),
                        q.attempts.to_string(),
                        q.answered.to_string(),
                        q.right.to_string(),
                        percent(Some(q.mean_score)),
                    ];
                    self.write(out, &cells);
                }
            }
            Exported::Trends => {
                for d in self.group.days() {
                    let cells = [
                        d.day.unwrap_or_default(),
                        d.active_learners.to_string(),
                        minutes(d.time_ms),
                        d.sections.to_string(),
                        d.lessons.to_string(),
                        d.attempts.to_string(),
                        d.time_per_section_ms.map(minutes).unwrap_or_default(),
                        percent(d.mean_score),
                    ];
                    self.write(out, &cells);
                }
            }
            _ => {}
        }
    }
}

/// Returns hundredths of a percent with a decimal point.
fn percent(hundredths: Option<i64>) -> String {
    hundredths.map_or_else(String::new, |n| decimal(n / 100, format!("{:02}", n % 100)))
}

/// Returns minutes with at most one decimal place.
fn minutes(ms: i64) -> String {
    decimal(ms / 60_000, (ms % 60_000 / 6_000).to_string())
}

/// Returns a number without zeros at its end: `12.0` would be exported as a text, because imports refuse it.
fn decimal(whole: i64, fraction: String) -> String {
    match fraction.trim_end_matches('0') {
        "" => whole.to_string(),
        fraction => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use carrel_model::UserId;

    use super::*;
    use crate::zone::Period;

    #[test]
    fn lines_name_the_zone_and_no_name_becomes_a_formula() {
        let zone = Zone::of_name("Africa/Cairo").unwrap();
        let span = Span::up_to(1_795_176_000_000, Period::Month, &zone);
        let id = UserId::from_u128(1);
        let who = LearnerName { id, login: "noor".into(), name: "=HYPERLINK(\"x\")".into() };
        let devices =
            LearnerDevices { id, login: String::new(), name: String::new(), devices: Vec::new() };
        let mut table = CsvTable::new(Exported::Class, None, span, zone);
        let mut text = table.header();
        table.add(&mut text, &who, &LearnerFigures::default(), &devices);
        table.finish(&mut text);
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 2, "{text:?}");
        assert!(lines[0].starts_with("\u{feff}login,name,courses enrolled,"));
        assert!(lines[0].ends_with(",group,time zone,as of"));
        let expected = "noor,\"'=HYPERLINK(\"\"x\"\")\",0,0,,0,0,0,,,dormant,Africa/Cairo,2026-11-20T14:00:00+02:00";
        assert_eq!(lines[1], expected);
        let numbers =
            [percent(Some(3_305)), percent(Some(5_000)), minutes(90_000), minutes(60_001)];
        assert_eq!(numbers, ["33.05", "50", "1.5", "1"]);
    }
}
