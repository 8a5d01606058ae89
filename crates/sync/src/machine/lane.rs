//! When one lane starts its next round: states, waits after faults and after rounds without progress, and the limit of
//! rounds in a minute.
//!
//! Not here: which events start a lane (`machine`).

use carrel_net::RetryPolicy;

use super::MAX_ROUNDS;
use crate::Fault;

const MINUTE_MS: i64 = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LaneState {
    Idle,
    Due(i64),
    Running,
    /// After a fault, until this time.
    Waiting(i64),
}

#[derive(Debug, Clone)]
pub(super) struct LaneSchedule {
    pub(super) state: LaneState,
    /// An event that requires another round arrived while the lane was running.
    pub(super) again: bool,
    /// An event that resets the waits arrived while the lane was running: if this round fails, it is repeated at once.
    pub(super) urgent: bool,
    pub(super) retry: RetryPolicy,
    /// Successive rounds that succeeded without progress.
    pub(super) stalls: u32,
    /// Rounds started since `minute_start`.
    rounds: u32,
    minute_start: i64,
    /// The last fault; `None` after a success or an event that resets the waits.
    pub(super) fault: Option<Fault>,
}

impl LaneSchedule {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: LaneState::Idle,
            again: false,
            urgent: false,
            retry: RetryPolicy::new(seed),
            stalls: 0,
            rounds: 0,
            minute_start: 0,
            fault: None,
        }
    }
    /// Makes the lane due now and resets its waits.
    pub(super) fn start_now(&mut self, now: i64) {
        self.retry.reset();
        self.stalls = 0;
        self.fault = None;
        match self.state {
            LaneState::Running => (self.again, self.urgent) = (true, true),
            _ => self.state = LaneState::Due(now),
        }
    }
    /// Makes the lane due at `at`, unless it is due earlier or waits after a fault.
    pub(super) fn due_by(&mut self, at: i64) {
        match self.state {
            LaneState::Idle => self.state = LaneState::Due(at),
            LaneState::Due(before) => self.state = LaneState::Due(before.min(at)),
            LaneState::Running => self.again = true,
            LaneState::Waiting(_) => {}
        }
    }
    /// Records a successful round. Only progress resets the waits.
    pub(super) fn succeeded(&mut self, has_progress: bool) {
        if has_progress {
            self.retry.reset();
            self.stalls = 0;
        }
        self.fault = None;
        self.state = LaneState::Idle;
    }
    /// Ends the wait after `Offline`, but only once until the next progress, because the lane's own requests may still
    /// fail.
    pub(super) fn end_offline_wait(&mut self, now: i64) {
        let is_waiting = matches!(self.state, LaneState::Waiting(_));
        if is_waiting && self.fault == Some(Fault::Offline) && self.stalls == 0 {
            self.stalls = 1;
            self.state = LaneState::Due(now);
        }
    }
    /// Schedules the next round after a round without progress: after `first_ms` the first time, then after increasing
    /// waits.
    pub(super) fn stalled(&mut self, now: i64, first_ms: i64) {
        if self.urgent {
            (self.urgent, self.state) = (false, LaneState::Due(now));
            return;
        }
        self.stalls += 1;
        if self.stalls == 1 {
            self.state = LaneState::Due(now + first_ms);
        } else {
            let wait = self.retry.next_backoff();
            self.wait_until(now + wait);
        }
    }
    /// Makes the lane wait until `at`, because the server's replies are inconsistent.
    pub(super) fn wait_until(&mut self, at: i64) {
        self.again = false;
        self.state = LaneState::Waiting(at);
        self.fault = Some(Fault::BadReply);
    }
    pub(super) fn failed(&mut self, now: i64, fault: Fault) {
        if self.urgent {
            // The failed round started before the event that resets the waits.
            (self.urgent, self.state) = (false, LaneState::Due(now));
            return;
        }
        let wait = self.retry.next_after(fault.retry_after_ms());
        self.again = false;
        self.state = LaneState::Waiting(now + wait);
        self.fault = Some(fault);
    }
    pub(super) fn stop(&mut self) {
        (self.again, self.urgent) = (false, false);
        self.state = LaneState::Idle;
    }
    pub(super) fn wake(&self) -> Option<i64> {
        match self.state {
            LaneState::Due(at) | LaneState::Waiting(at) => Some(at),
            LaneState::Idle | LaneState::Running => None,
        }
    }
    pub(super) fn try_start(&mut self, now: i64) -> bool {
        if self.wake().is_none_or(|at| at > now) {
            return false;
        }
        if now - self.minute_start >= MINUTE_MS {
            (self.minute_start, self.rounds) = (now, 0);
        }
        if self.rounds >= MAX_ROUNDS {
            self.state = LaneState::Due(self.minute_start + MINUTE_MS);
            return false;
        }
        self.rounds += 1;
        self.state = LaneState::Running;
        (self.again, self.urgent) = (false, false);
        true
    }
}
