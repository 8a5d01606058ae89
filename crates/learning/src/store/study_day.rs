//! The study day of an event: the learner's zone and start of the day at that moment, and the corrected clock.
//!
//! Not here: the clock of the server (`carrel-sync`).

use carrel_model::lattice::{REVIEW, RowKey, RowType, row_time, study_day};
use carrel_system::Clock;
use rusqlite::Connection;

use crate::{
    Result,
    store::{checked, state},
};

use carrel_overview::DAY_START;

/// When an event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Wall clock plus the known error of the clock: UTC, ms since 1970, within the range of rows.
    pub at_ms: i64,
    /// Study day: days since 1970-01-01.
    pub day: i32,
    /// Offset of the time zone from UTC, in minutes.
    pub off_min: i16,
}

impl Moment {
    pub(crate) fn new(at_ms: i64, clock: &dyn Clock, start_min: i32) -> Self {
        let at_ms = row_time(at_ms);
        let off_min = clock.zone_offset_min(at_ms).clamp(-12 * 60, 14 * 60);
        Self { at_ms, day: study_day(at_ms, off_min, start_min), off_min: off_min as i16 }
    }
}

/// Returns the minutes after midnight at which the learner's study day starts.
pub(crate) fn day_start_min(conn: &Connection) -> Result<i32> {
    let key = RowKey::of(RowType::Kv, &[REVIEW, DAY_START]);
    let stored = checked::get(conn, &key)?;
    let value = match stored {
        Some(carrel_model::lattice::Row::Kv(kv)) => Some(kv.value),
        _ => None,
    };
    Ok(carrel_overview::day_start_min(value.as_deref()))
}

/// Returns the present moment.
pub(crate) fn now(conn: &Connection, clock: &dyn Clock) -> Result<Moment> {
    let offset_ms = state::load(conn)?.clock_offset_ms;
    let at_ms = clock.now_ms().saturating_add(offset_ms);
    Ok(Moment::new(at_ms, clock, day_start_min(conn)?))
}
