//! Corrects the times of waiting sessions, attempts and reviews once the server's clock is known.
//!
//! Each waiting row has the clocks of the device at its first change. In the same run of the app, the monotonic clock
//! tells exactly how long ago that was, whatever happened to the wall clock since. For a row of an earlier run only the
//! wall clock remains: it is corrected if its time is in the future, or before any clock could have been set.
//!
//! A row that another replica may have is not changed.
//!
//! Not here: stamps of registers (`batch`), rows that the server refused (`batch`).

use carrel_learning::store::{Tx, outbox, outbox::Measured};
use carrel_model::lattice::{Row, Session, TIME_MS, date_of_day, row_time, study_day};
use carrel_system::Clock;
use parking_lot::Mutex;

use crate::{
    Result,
    batch::{MAX_AHEAD_MS, MIN_CLOCK_OFFSET_MS},
};

/// 2025-01-01. A clock before this time was never set.
const MIN_CLOCK_MS: i64 = 1_735_689_600_000;

/// The wall clock and the monotonic clock at the last contact with the server's clock in this run.
#[derive(Default)]
pub(super) struct LastContact(Mutex<Option<(i64, i64)>>);

impl LastContact {
    pub(super) fn store(&self, clock: &dyn Clock) {
        *self.0.lock() = Some((clock.now_ms(), clock.monotonic_ms()));
    }
    /// Returns true if the clocks do not show that the wall clock is still the same: no contact yet, or the wall clock
    /// moved otherwise than the monotonic clock since, because it was set or the device was suspended.
    pub(super) fn is_doubtful(&self, clock: &dyn Clock) -> bool {
        let Some((wall_ms, mono_ms)) = *self.0.lock() else { return true };
        let passed_ms = clock.monotonic_ms().saturating_sub(mono_ms);
        let moved_ms = clock.now_ms().saturating_sub(wall_ms).saturating_sub(passed_ms);
        moved_ms.unsigned_abs() >= MIN_CLOCK_OFFSET_MS.unsigned_abs()
    }
}

/// Corrects the times of the waiting rows that were written with another offset than the one in the state.
pub(super) fn correct_times(tx: &mut Tx<'_>) -> Result<()> {
    let (run, mono_ms, wall_ms) = (tx.state().run, tx.mono_ms(), tx.wall_ms());
    let offset_ms = tx.state().clock_offset_ms;
    let now_ms = in_range(wall_ms.saturating_add(offset_ms));
    let start_min = tx.day_start_min()?;
    let mut count = 0_u32;
    for (key, at) in outbox::measured(tx.conn(), &outbox::TIMED)? {
        let written_ms = row_time(at.wall_ms.saturating_add(at.offset_ms));
        let elapsed_ms = (at.run == run).then(|| mono_ms.saturating_sub(at.mono_ms).max(0));
        let error_ms = offset_ms.saturating_sub(at.offset_ms);
        let Some(true_ms) = true_time(at, written_ms, elapsed_ms, now_ms, error_ms) else {
            continue;
        };
        let Some(row) = tx.get(&key)? else { continue };
        let shift_ms = true_ms - written_ms;
        if let Some(row) = shifted(row, shift_ms, at.is_new, written_ms, now_ms, start_min) {
            tx.replace(&row)?;
            count += 1;
        }
        outbox::store_correction(tx, &key, true_ms.saturating_sub(offset_ms), offset_ms)?;
    }
    if count > 0 {
        tracing::info!(
            sync.rows = count,
            sync.offset_ms = offset_ms,
            "corrected the times of rows"
        );
    }
    Ok(())
}

/// Returns when a row that was written at `written_ms` was first changed, by the server's clock; `None` if its time may
/// be right. `elapsed_ms`: how long ago that was by the monotonic clock, in the same run. `error_ms`: how much the
/// correction of the wall clock has changed since.
fn true_time(
    at: Measured,
    written_ms: i64,
    elapsed_ms: Option<i64>,
    now_ms: i64,
    error_ms: i64,
) -> Option<i64> {
    let is_unset = at.wall_ms < MIN_CLOCK_MS;
    let is_other = error_ms.saturating_abs() >= MIN_CLOCK_OFFSET_MS;
    let true_ms = match elapsed_ms {
        Some(elapsed_ms) => {
            let measured_ms = now_ms.saturating_sub(elapsed_ms);
            let late_ms = written_ms.saturating_sub(measured_ms);
            // While the device is suspended, the monotonic clock stands still: the row may be older than measured, but
            // not younger.
            let may_be_suspended = late_ms < 0 && !is_other && !is_unset;
            if late_ms.saturating_abs() < MIN_CLOCK_OFFSET_MS || may_be_suspended {
                return None;
            }
            measured_ms
        }
        None if is_unset && is_other => {
            at.wall_ms.saturating_add(at.offset_ms).saturating_add(error_ms)
        }
        None if written_ms > now_ms.saturating_add(MAX_AHEAD_MS) => {
            written_ms.saturating_add(error_ms)
        }
        None => return None,
    };
    Some(in_range(true_ms.min(now_ms)))
}

/// Returns the row with its times moved; `None` if none of them may be.
fn shifted(
    row: Row,
    shift_ms: i64,
    is_new: bool,
    written_ms: i64,
    now_ms: i64,
    start_min: i32,
) -> Option<Row> {
    let moved = |ms: i64| in_range(ms.saturating_add(shift_ms).min(now_ms));
    let day = |ms: i64, off: i16| study_day(ms, off.into(), start_min);
    Some(match row {
        Row::Session(r) if is_new => {
            let latest_ms = now_ms.saturating_sub(r.active_ms);
            let started_ms = in_range(r.started_ms.saturating_add(shift_ms).min(latest_ms));
            match r.off_min {
                Some(off) => {
                    let day = date_of_day(day(started_ms, off)).to_string();
                    Session { started_ms, day, ..r }.into()
                }
                None => r.moved_to(started_ms).into(),
            }
        }
        Row::Review(mut r) if is_new => {
            r.at_ms = moved(r.at_ms);
            r.day = r.off_min.map(|off| day(r.at_ms, off));
            r.into()
        }
        Row::Attempt(mut r) => {
            let submitted_ms = r.submitted_ms;
            if is_new {
                r.started_ms = moved(r.started_ms);
                r.day = r.off_min.map(|off| day(r.started_ms, off));
                r.submitted_ms = submitted_ms.map(|ms| moved(ms).max(r.started_ms));
            } else {
                // The server has the start. The submission is later than the first unsent change.
                let is_unsent = submitted_ms.is_some_and(|ms| ms >= written_ms);
                r.submitted_ms = submitted_ms.filter(|_| is_unsent).map(moved);
                if !is_unsent {
                    return None;
                }
                r.submitted_ms = r.submitted_ms.map(|ms| ms.max(r.started_ms));
            }
            r.into()
        }
        _ => return None,
    })
}

fn in_range(ms: i64) -> i64 {
    ms.clamp(*TIME_MS.start(), *TIME_MS.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_176_000_000;
    const DAY: i64 = 24 * 3_600_000;

    #[test]
    fn a_time_is_corrected_if_the_clock_was_wrong() {
        // Wall clock and correction at the first change, time since by the monotonic clock in the same run, correction
        // now: the true time, or none if the stored one may be right.
        let same = Some(60_000);
        let minute_ago = Some(NOW - 60_000);
        let year_2099 = 4_090_000_000_000;
        let table = [
            ("a right clock", NOW - 60_000, 0, same, 0, None),
            ("20 s ahead", NOW - 40_000, 0, same, -20_000, None),
            ("2099, seen at the first contact", year_2099, 0, same, NOW - year_2099, minute_ago),
            ("2099, set right since", year_2099, 0, same, 0, minute_ago),
            ("1970, seen at the first contact", 60_000, 0, same, NOW - 120_000, minute_ago),
            ("1970, set right since", 60_000, 0, same, 0, minute_ago),
            ("25 h ahead since", NOW - 60_000, 0, same, -25 * 3_600_000, None),
            (
                "25 h ahead before",
                NOW - 60_000 + 25 * 3_600_000,
                0,
                same,
                -25 * 3_600_000,
                minute_ago,
            ),
            ("a day behind", NOW - 60_000 - DAY, 0, same, DAY, minute_ago),
            ("suspended for a day", NOW - 60_000 - DAY, 0, same, 0, None),
            ("suspended, corrected", NOW - 60_000 - DAY - 5 * DAY, 5 * DAY, same, 5 * DAY, None),
            ("corrected by a wrong server", NOW - 60_000, DAY, same, 0, minute_ago),
            ("an earlier run, 2099", year_2099, 0, None, NOW - 5 - year_2099, Some(NOW - 5)),
            ("an earlier run, set right since", year_2099, 0, None, 0, Some(NOW)),
            ("an earlier run, 1970", 60_000, 0, None, NOW - 120_000, minute_ago),
            ("an earlier run, right", NOW - DAY, 0, None, 0, None),
            ("an earlier run, behind", NOW - 3 * DAY, 0, None, DAY, None),
        ];
        for (name, wall_ms, offset_ms, elapsed_ms, offset_now_ms, expected) in table {
            let at = Measured { wall_ms, mono_ms: 0, run: 1, offset_ms, is_new: true };
            let written_ms = in_range(wall_ms + offset_ms);
            let found = true_time(at, written_ms, elapsed_ms, NOW, offset_now_ms - offset_ms);
            assert_eq!(found, expected, "{name}");
        }
    }
}
