//! Study days: days since 1970-01-01 in the learner's time zone, where a day starts some hours after midnight.
//!
//! An event contains its day, so that a change of the zone, of the start of the day or of daylight saving time changes
//! no event of the past.

use jiff::civil::Date;

use super::TIME_MS;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 24 * 3_600_000;
const EPOCH: Date = Date::constant(1970, 1, 1);

/// Returns the study day of a moment in a zone `off_min` minutes ahead of UTC, if days start `start_min` minutes after
/// midnight (0 to 720).
pub fn study_day(at_ms: i64, off_min: i32, start_min: i32) -> i32 {
    let shift_ms = (i64::from(off_min) - i64::from(start_min)) * 60_000;
    let day = at_ms.saturating_add(shift_ms).div_euclid(DAY_MS);
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

/// Returns a time that a row may have for a time of a clock. Times of a clock that was never set, from 1970, become
/// times of the first year of the range, so that the differences between them are kept until they are corrected.
pub fn row_time(ms: i64) -> i64 {
    let (first, last) = (*TIME_MS.start(), *TIME_MS.end());
    if ms < first { first + ms.rem_euclid(365 * DAY_MS) } else { ms.min(last) }
}

/// Returns the number of days since 1970-01-01.
pub fn day_of_date(date: Date) -> i32 {
    (EPOCH.duration_until(date).as_hours() / 24) as i32
}

/// Returns the date of a day; the first or last possible date for a day out of range.
pub fn date_of_day(day: i32) -> Date {
    let date = EPOCH.checked_add(jiff::Span::new().days(day.clamp(-719_000, 2_900_000)));
    date.unwrap_or(EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T12:00:00Z.
    const NOON: i64 = 1_795_176_000_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn times_of_a_clock_that_was_never_set_keep_their_differences() {
        let first = *TIME_MS.start();
        assert_eq!((row_time(NOON), row_time(first)), (NOON, first));
        assert_eq!(row_time(70_000) - row_time(10_000), 60_000);
        for ms in [i64::MIN, -1, 0, first - 1, i64::MAX] {
            assert!(TIME_MS.contains(&row_time(ms)), "{ms}");
        }
    }

    #[test]
    fn a_study_day_starts_hours_after_midnight_in_the_zone() {
        let day = 20_777;
        let table = [
            (NOON, 0, 0, day),
            (NOON, 0, 240, day),
            (NOON + 15 * HOUR, 0, 240, day),
            (NOON + 16 * HOUR, 0, 240, day + 1),
            (NOON + 12 * HOUR, 0, 0, day + 1),
            (NOON - 9 * HOUR, 0, 240, day - 1),
            // Kiritimati and Samoa in 2011.
            (NOON, 14 * 60, 0, day + 1),
            (NOON, -11 * 60, 240, day - 1),
            (NOON, 5 * 60 + 45, 720, day),
            (-1, 0, 0, -1),
            (i64::MAX, 0, 0, i32::MAX),
        ];
        for (at, off, start, expected) in table {
            assert_eq!(study_day(at, off, start), expected, "{at} {off} {start}");
        }
        assert_eq!(date_of_day(day).to_string(), "2026-11-20");
        assert_eq!(day_of_date(date_of_day(day)), day);
        for day in [i32::MIN, -1, 0, 59, 84_006, i32::MAX] {
            let date = date_of_day(day);
            assert_eq!(date_of_day(day_of_date(date)), date, "{day}");
        }
    }
}
