//! The time zone of a school, and the days of a report.

use carrel_model::lattice::{date_of_day, study_day};
use carrel_overview::DEFAULT_DAY_START_MIN;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A time zone by its IANA name. A day of the school starts at 04:00 as the study day of a learner does by default, so
/// that an hour after midnight belongs to the same day for both.
#[derive(Debug, Clone)]
pub struct Zone {
    zone: TimeZone,
    name: String,
}

impl Default for Zone {
    fn default() -> Self {
        Self { zone: TimeZone::UTC, name: "UTC".to_owned() }
    }
}

impl Zone {
    /// Returns the zone with this name, such as `Africa/Cairo`; `None` if there is none.
    pub fn of_name(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name).ok()?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Some(Self { zone, name })
    }
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Returns the day of the school at a time, as days since 1970-01-01.
    pub fn day_of(&self, at_ms: i64) -> i32 {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
        let off_min = self.zone.to_offset(at).seconds().div_euclid(60);
        study_day(at_ms, off_min, DEFAULT_DAY_START_MIN)
    }
    /// Returns the time at which a day of the school ends: 04:00 on the next date (UTC, ms since 1970).
    pub fn end_ms(&self, day: i32) -> i64 {
        let hour = i8::try_from(DEFAULT_DAY_START_MIN / 60).unwrap_or(0);
        let end = date_of_day(day.saturating_add(1)).at(hour, 0, 0, 0).to_zoned(self.zone.clone());
        end.map_or(i64::MAX, |end| end.timestamp().as_millisecond())
    }
    /// Returns a time with the offset of the zone, such as `2026-11-20T12:00:00+02:00`.
    pub fn text(&self, at_ms: i64) -> String {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
        let at = at.to_zoned(self.zone.clone());
        at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

/// The days that a report covers, up to today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum Period {
    #[serde(rename = "7d")]
    Week,
    #[default]
    #[serde(rename = "30d")]
    Month,
    #[serde(rename = "90d")]
    Quarter,
    #[serde(rename = "1y")]
    Year,
}

impl Period {
    pub const ALL: [Self; 4] = [Self::Week, Self::Month, Self::Quarter, Self::Year];

    pub fn name(self) -> &'static str {
        match self {
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
            Self::Year => "1y",
        }
    }
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.name() == name)
    }
    /// Returns the number of days.
    pub fn days(self) -> i32 {
        match self {
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
            Self::Year => 365,
        }
    }
}

/// The first and the last day of a period, and when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub period: Period,
    pub from: i32,
    pub today: i32,
    pub now_ms: i64,
}

impl Span {
    pub fn up_to(now_ms: i64, period: Period, zone: &Zone) -> Self {
        let today = zone.day_of(now_ms);
        Self { period, from: today.saturating_sub(period.days() - 1), today, now_ms }
    }
    pub fn contains(self, day: i32) -> bool {
        (self.from..=self.today).contains(&day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }
    fn date(zone: &Zone, text: &str) -> String {
        date_of_day(zone.day_of(at(text))).to_string()
    }

    #[test]
    fn a_day_starts_at_four_in_the_zone() {
        for (name, text, expected) in [
            ("UTC", "2026-11-20T03:59:59Z", "2026-11-19"),
            ("UTC", "2026-11-20T04:00:00Z", "2026-11-20"),
            ("Africa/Cairo", "2026-11-20T01:59:59Z", "2026-11-19"),
            ("Africa/Cairo", "2026-11-20T02:00:00Z", "2026-11-20"),
            // On both sides of the date line at the same time.
            ("Pacific/Kiritimati", "2026-11-20T10:30:00Z", "2026-11-20"),
            ("Pacific/Kiritimati", "2026-11-20T15:00:00Z", "2026-11-21"),
            ("Pacific/Pago_Pago", "2026-11-20T14:59:59Z", "2026-11-19"),
            ("Pacific/Pago_Pago", "2026-11-20T15:00:00Z", "2026-11-20"),
            // Before and after the clocks go back.
            ("Europe/Paris", "2026-10-25T02:59:59Z", "2026-10-24"),
            ("Europe/Paris", "2026-10-25T03:00:00Z", "2026-10-25"),
            ("Europe/Paris", "2026-10-24T02:00:00Z", "2026-10-24"),
        ] {
            assert_eq!(date(&Zone::of_name(name).unwrap(), text), expected, "{name} {text}");
        }
        assert!(Zone::of_name("Europe/Atlantis").is_none());
    }

    #[test]
    fn each_day_ends_where_the_next_one_begins_also_when_clocks_change() {
        for name in
            ["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
        {
            let zone = Zone::of_name(name).unwrap();
            for day in 20_454..20_819 {
                let end = zone.end_ms(day);
                assert_eq!(
                    (zone.day_of(end - 1), zone.day_of(end)),
                    (day, day + 1),
                    "{name} {day}"
                );
            }
        }
    }

    #[test]
    fn a_period_ends_today() {
        let zone = Zone::of_name("Pacific/Auckland").unwrap();
        let span = Span::up_to(at("2026-11-19T16:00:00Z"), Period::Week, &zone);
        let dates = [span.from, span.today].map(|day| date_of_day(day).to_string());
        assert_eq!(dates, ["2026-11-14", "2026-11-20"]);
        assert!(span.contains(span.from) && !span.contains(span.today + 1));
        assert_eq!(zone.text(at("2026-11-19T16:00:00Z")), "2026-11-20T05:00:00+13:00");
    }
}
