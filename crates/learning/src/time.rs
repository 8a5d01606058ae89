//! Study time. A session is one period of reading without a pause. Its row has a random id and is stored at each
//! heartbeat; its length is measured with the monotonic clock.
//!
//! Overlapping sessions of several devices are counted once, so the start and end of a session must be accurate. What
//! makes them doubtful (a pause, a late heartbeat, a change of the wall clock, suspend) ends the session, and so does a
//! new day; a new row is started.

use carrel_model::{
    ItemId, SessionId,
    derive::time_studied,
    lattice::{Session, date_of_day},
};
use carrel_system::Clock;

use crate::{
    Learning, Moment, Result,
    store::{Tx, checked, study_day, study_day::day_start_min},
    under,
};

/// A longer pause ends the session and is not counted.
const MAX_PAUSE_MS: i64 = 20_000;
/// Maximum time that one heartbeat adds.
const MAX_HEARTBEAT_MS: i64 = 15_000;
/// After the wall clock was set back, a session starts at the end of the previous one instead of overlapping it, if
/// that is at most this far ahead of the clock.
const MAX_START_AHEAD_MS: i64 = 2 * 3_600_000;

/// The study session in progress, in memory.
#[derive(Default)]
pub(super) struct StudyTimer {
    open: Option<OpenSession>,
    /// Wall-clock end of the last session since start-up, uncorrected.
    last_end_ms: i64,
}

#[derive(Clone)]
struct OpenSession {
    row: Session,
    /// Monotonic and wall time of the last heartbeat.
    last_mono_ms: i64,
    last_wall_ms: i64,
}

impl StudyTimer {
    /// Records that the learner is reading `item` (`reading`) or has stopped. Returns the session if it became longer.
    fn heartbeat(
        &mut self,
        item: &ItemId,
        reading: bool,
        clock: &dyn Clock,
        new_id: impl FnOnce(i64) -> SessionId,
        new_row: impl Fn(i64) -> Session,
    ) -> Option<Session> {
        let (mono, wall) = (clock.monotonic_ms(), clock.now_ms());
        let mut extended = None;
        let mut continues = false;
        if let Some(open) = self.open.as_mut().filter(|o| o.row.item == *item) {
            let passed = mono - open.last_mono_ms;
            if (0..=MAX_PAUSE_MS).contains(&passed) {
                let left_ms = Session::MAX_ACTIVE_MS - open.row.active_ms;
                open.row.active_ms += passed.min(MAX_HEARTBEAT_MS).min(left_ms);
                let drift = (wall - open.last_wall_ms) - passed;
                continues = passed <= MAX_HEARTBEAT_MS
                    && drift.abs() <= MAX_PAUSE_MS
                    && open.row.active_ms < Session::MAX_ACTIVE_MS
                    && new_row(wall).day == open.row.day;
                (open.last_mono_ms, open.last_wall_ms) = (mono, wall);
                self.last_end_ms = open.row.started_ms + open.row.active_ms;
                // A session of 0 ms is not stored.
                extended = (open.row.active_ms > 0).then(|| open.row.clone());
            }
        }
        if !reading {
            self.open = None;
        } else if !continues {
            let ahead = self.last_end_ms - wall;
            let started_ms =
                if (0..=MAX_START_AHEAD_MS).contains(&ahead) { self.last_end_ms } else { wall };
            self.open = Some(OpenSession {
                row: Session { id: new_id(started_ms), ..new_row(started_ms) },
                last_mono_ms: mono,
                last_wall_ms: wall,
            });
        }
        extended
    }
}

/// Stores a session that became longer. Its start and day are corrected when it is first stored; afterwards those of
/// the stored row apply, because they may have been corrected since.
fn store_session(tx: &mut Tx<'_>, session: &Session) -> Result<bool> {
    let stored: Option<Session> = tx.find(&[session.id.to_string()])?;
    let row = match stored {
        Some(stored) => Session { active_ms: session.active_ms, ..stored },
        None => {
            let offset_ms = tx.state().clock_offset_ms;
            let start = tx.moment_at(session.started_ms.saturating_add(offset_ms))?;
            Session {
                started_ms: start.at_ms,
                day: date_of_day(start.day).to_string(),
                off_min: Some(start.off_min),
                ..session.clone()
            }
        }
    };
    tx.join(row)
}

impl Learning {
    /// Records that `item` is being read, and stores the session. To be called every few seconds while the page is
    /// visible, and with `reading` false when it is closed. Returns the time spent on the item over all devices, in ms.
    pub async fn study_heartbeat(&self, item: &ItemId, reading: bool) -> Result<i64> {
        // Locked until the row is stored: heartbeats are stored in order.
        let mut timer = self.timer.lock().await;
        let clock = self.store.clock().clone();
        let start_min = self.store.read(day_start_min).await?;
        // With the uncorrected clock; the row is corrected when it is first stored.
        let new_id = |started_ms| SessionId(self.ids.uuid_v7(started_ms));
        let extended = timer.heartbeat(item, reading, clock.as_ref(), new_id, |started_ms| {
            let at = Moment::new(started_ms, clock.as_ref(), start_min);
            Session {
                id: SessionId::from_u128(0),
                item: item.clone(),
                device: self.store.device(),
                started_ms,
                day: date_of_day(at.day).to_string(),
                off_min: Some(at.off_min),
                active_ms: 0,
                extra: Default::default(),
            }
        });
        if let Some(session) = extended {
            self.store.write("study_heartbeat", move |tx| store_session(tx, &session)).await?;
        }
        drop(timer);
        self.time_spent(item).await
    }

    /// Returns the present moment: the corrected time, the study day and the zone.
    pub async fn moment(&self) -> Result<Moment> {
        let clock = self.store.clock().clone();
        self.store.read(move |conn| study_day::now(conn, clock.as_ref())).await
    }

    /// Returns the time spent on one item over all devices, in ms; overlaps are counted once.
    pub async fn time_spent(&self, item: &ItemId) -> Result<i64> {
        let item = item.clone();
        self.store
            .read(move |conn| {
                let found: Vec<Session> = checked::query(conn, "WHERE item = ?1", [item.as_str()])?;
                Ok(time_studied(&found))
            })
            .await
    }

    /// Returns the time spent on a course or story, in ms.
    pub async fn time_spent_under(&self, root: &str) -> Result<i64> {
        let root = root.to_owned();
        self.store.read(move |conn| Ok(time_studied(&under::<Session>(conn, &root)?))).await
    }

    /// Returns the time spent on all items, in ms.
    pub async fn time_spent_total(&self) -> Result<i64> {
        self.store
            .read(move |conn| Ok(time_studied(&checked::query::<Session>(conn, "", [])?)))
            .await
    }
}
