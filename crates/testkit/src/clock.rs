//! A clock that is set by tests. It never waits for real time.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use carrel_system::Clock;
use tokio::sync::oneshot;

/// A fake clock. Clones share the time.
#[derive(Clone)]
pub struct FakeClock {
    state: Arc<Mutex<ClockState>>,
}

struct ClockState {
    wall_ms: i64,
    mono_ms: i64,
    /// Offset of the learner's time zone from UTC.
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

    /// Advances both clocks and wakes sleepers that are due.
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
    /// Sets the wall clock forwards, or backwards if `ms` is negative. The monotonic clock does not change.
    pub fn jump(&self, ms: i64) {
        self.state().wall_ms += ms;
    }
    /// Simulates a suspended machine: the wall clock advances, the monotonic clock does not.
    pub fn suspend(&self, ms: i64) {
        self.jump(ms);
    }
    /// Sets the offset of the time zone from UTC.
    pub fn set_zone(&self, ms: i64) {
        self.state().zone_ms = ms;
    }
    /// Returns the milliseconds until the first sleeper is due; `None` if there is none.
    pub fn next_wake_in(&self) -> Option<i64> {
        let mut s = self.state();
        s.sleepers.retain(|(_, wake)| !wake.is_closed());
        s.sleepers.iter().map(|(at, _)| (at - s.mono_ms).max(0)).min()
    }
    /// Returns the number of sleepers.
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
    fn zone_offset_min(&self, _: i64) -> i32 {
        (self.state().zone_ms / 60_000) as i32
    }
}

/// A fake clock whose waits end at once, for code that waits between attempts.
#[derive(Clone)]
pub struct NoWait(pub FakeClock);

impl Clock for NoWait {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }
    fn monotonic_ms(&self) -> i64 {
        self.0.monotonic_ms()
    }
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
    fn zone_offset_min(&self, at_ms: i64) -> i32 {
        self.0.zone_offset_min(at_ms)
    }
}
