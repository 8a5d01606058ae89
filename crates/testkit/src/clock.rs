//! A clock that a test moves by hand: it stands, jumps, and runs backwards. Nothing here waits for real time.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use carrel_system::Clock;
use tokio::sync::oneshot;

/// Clones share the time.
#[derive(Clone)]
pub struct FakeClock {
    state: Arc<Mutex<ClockState>>,
}

struct ClockState {
    wall_ms: i64,
    mono_ms: i64,
    /// What the learner's own zone adds to UTC.
    zone_ms: i64,
    sleepers: Vec<(i64, oneshot::Sender<()>)>,
}

impl FakeClock {
    /// Friday 20 November 2026, noon UTC.
    pub const NOON: i64 = 1_795_176_000_000;

    pub fn new(wall_ms: i64) -> Self {
        let state = ClockState { wall_ms, mono_ms: 0, zone_ms: 0, sleepers: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }
    pub fn noon() -> Self {
        Self::new(Self::NOON)
    }

    /// Time passes: both clocks move on, and who slept until then wakes.
    pub fn advance(&self, ms: i64) {
        let mut s = self.state();
        s.wall_ms += ms;
        s.mono_ms += ms;
        let now = s.mono_ms;
        let (due, later) =
            std::mem::take(&mut s.sleepers).into_iter().partition(|(at, _)| *at <= now);
        s.sleepers = later;
        drop(s);
        for (_, wake) in due {
            let _ = wake.send(());
        }
    }
    /// The wall clock alone is set: forwards, or (negative) backwards. No time passes.
    pub fn jump(&self, ms: i64) {
        self.state().wall_ms += ms;
    }
    /// The machine sleeps: the wall clock moves on, the monotonic one stands.
    pub fn suspend(&self, ms: i64) {
        self.jump(ms);
    }
    /// The learner travels.
    pub fn set_zone(&self, ms: i64) {
        self.state().zone_ms = ms;
    }
    /// Milliseconds until the first sleeper wakes; none if nobody sleeps.
    pub fn next_wake_in(&self) -> Option<i64> {
        let mut s = self.state();
        s.sleepers.retain(|(_, wake)| !wake.is_closed());
        s.sleepers.iter().map(|(at, _)| (at - s.mono_ms).max(0)).min()
    }
    /// How many sleep.
    pub fn sleepers(&self) -> usize {
        let mut s = self.state();
        s.sleepers.retain(|(_, wake)| !wake.is_closed());
        s.sleepers.len()
    }

    fn state(&self) -> MutexGuard<'_, ClockState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for FakeClock {
    fn now_ms(&self) -> i64 {
        self.state().wall_ms
    }
    fn monotonic_ms(&self) -> i64 {
        self.state().mono_ms
    }
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (wake, woken) = oneshot::channel();
        let mut s = self.state();
        let at = s.mono_ms.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
        if at <= s.mono_ms {
            let _ = wake.send(());
        } else {
            s.sleepers.push((at, wake));
        }
        drop(s);
        Box::pin(async move {
            let _ = woken.await;
        })
    }
    fn local_day(&self) -> String {
        let s = self.state();
        let at = jiff::Timestamp::from_millisecond(s.wall_ms.saturating_add(s.zone_ms))
            .unwrap_or_default();
        at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
    }
}
