//! Time studied. A session is one stretch without a pause, keyed by a random id, measured with the monotonic clock and saved at each beat.
//!
//! The interval of a session must be true, because overlapping devices are counted once: so whatever makes a stretch doubtful (a gap, a
//! long beat, the wall clock moving by itself, a sleeping machine, a new day) ends it, and the next one is a new row.

use carrel_model::{
    ItemId, SessionId,
    derive::time_studied,
    lattice::{Session, TIME_MS, day_of},
};
use carrel_system::Clock;

use crate::{Learning, Result, store::checked, under};

/// A pause longer than this ends the stretch, and is not counted.
const GAP_MS: i64 = 20_000;
/// The most that one beat counts.
const BEAT_MS: i64 = 15_000;
/// How far a session may start after the wall clock, so that a clock set back does not lay one over the one before.
const CHAIN_MS: i64 = 2 * 3_600_000;

/// What is being studied now, in memory.
#[derive(Default)]
pub(super) struct Stretch {
    open: Option<Open>,
    /// Wall time of the end of the last session of this run.
    last_end_ms: i64,
}

#[derive(Clone)]
struct Open {
    row: Session,
    /// Monotonic and wall time of the last beat.
    beat_mono_ms: i64,
    beat_wall_ms: i64,
}

impl Stretch {
    /// The learner is (or, with `reading` false, stops) reading `item` now. Gives the session that grew, if one did.
    fn beat(
        &mut self,
        item: &ItemId,
        reading: bool,
        clock: &dyn Clock,
        new_id: impl FnOnce(i64) -> Session,
    ) -> Option<Session> {
        let (mono, wall) =
            (clock.monotonic_ms(), clock.now_ms().clamp(*TIME_MS.start(), *TIME_MS.end()));
        let mut grown = None;
        let mut goes_on = false;
        if let Some(open) = self.open.as_mut().filter(|o| o.row.item == *item) {
            let passed = mono - open.beat_mono_ms;
            if (0..=GAP_MS).contains(&passed) {
                let room = Session::MAX_ACTIVE_MS - open.row.active_ms;
                open.row.active_ms += passed.min(BEAT_MS).min(room);
                let drift = (wall - open.beat_wall_ms) - passed;
                goes_on = passed <= BEAT_MS
                    && drift.abs() <= GAP_MS
                    && open.row.active_ms < Session::MAX_ACTIVE_MS
                    && day_of(clock.local_day(), wall) == open.row.day;
                (open.beat_mono_ms, open.beat_wall_ms) = (mono, wall);
                self.last_end_ms = open.row.started_ms + open.row.active_ms;
                // A session of no time says nothing.
                grown = (open.row.active_ms > 0).then(|| open.row.clone());
            }
        }
        if !reading {
            self.open = None;
        } else if !goes_on {
            let ahead = self.last_end_ms - wall;
            let started_ms = if (0..=CHAIN_MS).contains(&ahead) { self.last_end_ms } else { wall };
            self.open =
                Some(Open { row: new_id(started_ms), beat_mono_ms: mono, beat_wall_ms: wall });
        }
        grown
    }
}

impl Learning {
    /// "The learner is reading `item` now": call it every few seconds while the page is visible, and with `reading` false when it is left.
    /// Saves the session so far. Gives the time spent on the item over all devices, in ms.
    pub async fn study_beat(&self, item: &ItemId, reading: bool) -> Result<i64> {
        // Held over the save, so that two beats are saved in their order.
        let mut stretch = self.stretch.lock().await;
        let clock = self.store.clock().clone();
        let grown = stretch.beat(item, reading, clock.as_ref(), |started_ms| Session {
            id: SessionId(self.ids.uuid_v7(started_ms)),
            item: item.clone(),
            device: self.store.device(),
            started_ms,
            day: day_of(clock.local_day(), started_ms),
            active_ms: 0,
            extra: Default::default(),
        });
        if let Some(session) = grown {
            self.store.write("study_beat", move |tx| tx.join(session.clone())).await?;
        }
        drop(stretch);
        self.time_spent(item).await
    }

    /// Milliseconds on one item over all devices, overlaps counted once.
    pub async fn time_spent(&self, item: &ItemId) -> Result<i64> {
        let item = item.clone();
        self.store
            .read(move |conn| {
                let found: Vec<Session> = checked::query(conn, "WHERE item = ?1", [item.as_str()])?;
                Ok(time_studied(&found))
            })
            .await
    }

    /// Milliseconds on everything under a course or story.
    pub async fn time_spent_under(&self, root: &str) -> Result<i64> {
        let root = root.to_owned();
        self.store.read(move |conn| Ok(time_studied(&under::<Session>(conn, &root)?))).await
    }

    /// Milliseconds on everything.
    pub async fn time_spent_total(&self) -> Result<i64> {
        self.store
            .read(move |conn| Ok(time_studied(&checked::query::<Session>(conn, "", [])?)))
            .await
    }
}
