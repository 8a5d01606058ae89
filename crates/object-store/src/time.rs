//! Times in the two formats of S3: `20260921T143000Z` in requests, `2026-09-21T14:30:00.000Z` in lists.

/// Formats a time, in UTC ms, as `20260921T143000Z`.
pub(crate) fn compact(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (year, month, day) = date_of(seconds.div_euclid(86_400));
    let s = seconds.rem_euclid(86_400);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", s / 3600, s / 60 % 60, s % 60)
}

/// Reads a time of either format as UTC ms; parts of a second are ignored.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
    if digits.len() < 14 || !text.ends_with('Z') {
        return None;
    }
    let part = |from: usize, to: usize| digits[from..to].parse::<i64>().ok();
    let days = days_of(part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let seconds = (part(8, 10)? * 60 + part(10, 12)?) * 60 + part(12, 14)?;
    Some((days * 86_400 + seconds) * 1000)
}

/// Returns the date of a day, counted from 1970-01-01. The year begins in March here, so that a leap day is its last.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Returns the number of days from 1970-01-01 to a date.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = (month + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "19700101T000000Z"),
            (1_369_353_600_000, "20130524T000000Z"),
            (951_782_400_000, "20000229T000000Z"),
            (951_868_799_999, "20000229T235959Z"),
            (951_868_800_000, "20000301T000000Z"),
            (4_107_542_400_000, "21000301T000000Z"),
            (-1, "19691231T235959Z"),
        ] {
            assert_eq!(compact(ms), text);
            assert_eq!(parse(text), Some(ms.div_euclid(1000) * 1000), "{text}");
        }
        assert_eq!(parse("2026-09-21T14:30:05.123Z"), parse("20260921T143005Z"));
        for text in ["", "2026-09-21", "20260921T143005", "2026-09-21T14:30Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
        for day in (-200_000..200_000).step_by(17) {
            let (year, month, of_month) = date_of(day);
            assert_eq!(days_of(year, month, of_month), day);
        }
    }
}
