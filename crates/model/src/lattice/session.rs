//! Study time. A row is one uninterrupted period of study; after a pause the next period is a new row.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    Canonical, Extra, Invalid, Join, Validate, check, check_time, day_of_date, review::check_day,
};
use crate::{BlobHash, DeviceId, ItemId, SessionId};

/// A study session. Lattice: the immutable fields of the row with the greatest payload hash; the greatest `active_ms`.
///
/// The key is a random id. Device and counter would not be unique: a cloned disk or a restored backup repeats counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Random id, the key of the row.
    pub id: SessionId,
    /// The item that was studied.
    pub item: ItemId,
    /// The device on which it was studied.
    pub device: DeviceId,
    /// UTC, ms since 1970.
    pub started_ms: i64,
    /// The learner's study day at the start, as a date such as `2026-11-20`.
    pub day: String,
    /// Offset of the learner's time zone from UTC, in minutes. Absent in rows of sync version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub off_min: Option<i16>,
    /// Study time since `started_ms` in milliseconds, measured with a monotonic clock.
    pub active_ms: i64,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}

impl Session {
    /// Maximum length of a session in milliseconds; longer ones are rejected.
    pub const MAX_ACTIVE_MS: i64 = 24 * 3_600_000;

    /// Returns the session with another start. The day keeps its offset from the UTC day of the start (-1, 0 or 1 day).
    #[must_use]
    pub fn moved_to(self, started_ms: i64) -> Self {
        let local_day = match (parse_day(&self.day), utc_day(self.started_ms), utc_day(started_ms))
        {
            (Some(local), Some(from), Some(to)) => to
                .checked_add(jiff::Span::new().days((days(local) - days(from)).clamp(-1, 1)))
                .map_or_else(|_| self.day.clone(), |day| day.to_string()),
            _ => self.day.clone(),
        };
        Self { started_ms, day: day_of(local_day, started_ms), ..self }
    }
    /// Returns the study day as days since 1970-01-01; `None` if `day` is no date.
    pub fn study_day(&self) -> Option<i32> {
        parse_day(&self.day).map(day_of_date)
    }
    /// Returns the hash of the fields that never change after the first write.
    pub fn payload_hash(&self) -> BlobHash {
        let mut c = Canonical::default();
        c.text(self.item.as_str())
            .bytes(self.device.0.as_bytes())
            .int(self.started_ms)
            .text(&self.day);
        // Without this field, the hash is that of sync version 1.
        if let Some(off_min) = self.off_min {
            c.int(off_min.into());
        }
        c.hash()
    }
    /// Returns the canonical bytes of all fields.
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.bytes(self.id.0.as_bytes()).bytes(&self.payload_hash().0).int(self.active_ms);
        c.text(&self.extra.to_text());
        c
    }
}

impl Join for Session {
    fn join(&mut self, other: &Self) {
        if other.payload_hash() > self.payload_hash() {
            self.item.clone_from(&other.item);
            self.device = other.device;
            self.started_ms = other.started_ms;
            self.day.clone_from(&other.day);
            self.off_min = other.off_min;
        }
        self.active_ms = self.active_ms.max(other.active_ms);
        self.extra.join(&other.extra);
    }
}

impl Validate for Session {
    fn validate(&self) -> Result<(), Invalid> {
        check_time(self.started_ms, "startedMs")?;
        let day = parse_day(&self.day);
        check(day.is_some(), "day", "is not a date such as 2026-11-20")?;
        // Local time is between 12 hours behind and 14 hours ahead of UTC: the dates differ by at most one day.
        let utc = utc_day(self.started_ms);
        let near = day.zip(utc).is_some_and(|(a, b)| (days(a) - days(b)).abs() <= 1);
        check(near, "day", "is not the day of startedMs in any time zone")?;
        check_day(None, self.off_min, self.started_ms)?;
        check(
            (0..=Self::MAX_ACTIVE_MS).contains(&self.active_ms),
            "activeMs",
            "is not between 0 and 24 hours",
        )?;
        self.extra.validate()
    }
}

/// Returns the local day if it differs by at most one day from the UTC day of `started_ms`, else the UTC day. The row
/// is then valid even if the clock of the device is out of range and `started_ms` was clamped.
pub fn day_of(local_day: String, started_ms: i64) -> String {
    match (parse_day(&local_day), utc_day(started_ms)) {
        (Some(local), Some(utc)) if (days(local) - days(utc)).abs() <= 1 => local_day,
        (_, Some(utc)) => utc.to_string(),
        (_, None) => local_day,
    }
}

/// Parses a calendar date in the exact format `YYYY-MM-DD`.
fn parse_day(day: &str) -> Option<Date> {
    let b = day.as_bytes();
    let is_digits = |b: &[u8]| b.iter().all(u8::is_ascii_digit);
    if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    if !(is_digits(&b[..4]) && is_digits(&b[5..7]) && is_digits(&b[8..])) {
        return None;
    }
    Date::new(day[..4].parse().ok()?, day[5..7].parse().ok()?, day[8..].parse().ok()?).ok()
}
fn utc_day(ms: i64) -> Option<Date> {
    let at = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(at).date())
}
fn days(date: Date) -> i64 {
    day_of_date(date).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lattice::Extra;

    /// 2026-11-20T12:00:00Z.
    const NOON: i64 = 1_795_176_000_000;

    fn session(started_ms: i64, day: &str) -> Session {
        Session {
            id: SessionId::from_u128(1),
            item: ItemId::new("a/b/c").unwrap(),
            device: DeviceId::from_u128(1),
            started_ms,
            day: day.into(),
            off_min: None,
            active_ms: 1,
            extra: Extra::default(),
        }
    }

    #[test]
    fn a_day_is_a_calendar_date_near_the_start() {
        let leap = 1_835_438_400_000; // 2028-02-29T12:00:00Z
        let century = 4_107_585_600_000; // 2100-03-01T12:00:00Z
        let table = [
            (NOON, "2026-11-20", true),
            (NOON, "2026-11-19", true),
            (NOON, "2026-11-21", true),
            (NOON, "2026-11-18", false),
            (NOON, "2026-11-22", false),
            (NOON, "2099-11-20", false),
            (NOON, "1970-01-01", false),
            (leap, "2028-02-29", true),
            (leap, "2028-02-30", false),
            (century, "2100-02-29", false),
            (century, "2100-02-28", true),
            (NOON, "2026-11-31", false),
            (NOON, "2026-00-20", false),
            (NOON, "2026-13-20", false),
            (NOON, "2026-11-00", false),
            (NOON, "2026-1-020", false),
            (NOON, "+026-11-20", false),
            (NOON, "2026-11-2\u{663}", false),
            (NOON, "2026/11/20", false),
            (NOON, "2026-11-20 ", false),
            (NOON, "", false),
        ];
        for (started_ms, day, ok) in table {
            let valid = session(started_ms, day).validate();
            assert_eq!(valid.is_ok(), ok, "{started_ms} {day:?}: {valid:?}");
        }
    }

    #[test]
    fn the_day_is_valid_if_the_clock_is_out_of_range() {
        let first = *super::super::TIME_MS.start();
        for (local, started_ms) in [("1970-01-01", first), ("9999-12-31", first), ("", NOON)] {
            let day = day_of(local.into(), started_ms);
            assert!(session(started_ms, &day).validate().is_ok(), "{local} {day}");
        }
        assert_eq!(day_of("2026-11-21".into(), NOON), "2026-11-21", "a time zone ahead of UTC");
        let moved = session(NOON, "2026-11-19").moved_to(NOON - 20 * 24 * 3_600_000);
        assert_eq!(moved.day, "2026-10-30", "one day behind UTC, as before");
        assert!(moved.validate().is_ok());
    }
}
