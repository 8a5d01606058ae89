//! The state machine of sync: when to push, pull and listen, and how long to wait. `Machine::handle` is given an event
//! and the current time, and returns instructions.
//!
//! The three lanes are independent: a push without a reply never blocks a pull. A lane is idle, due, running, or
//! waiting after a fault. No timers are stored: `next_wake` computes the next time from the states of the lanes.
//!
//! | Event | Push | Pull | Listen |
//! |---|---|---|---|
//! | start, resume, network change, "Sync now", signed in | now; waits are reset | now; waits are reset | now |
//! | local change | in 1 s, unless waiting after a fault | - | - |
//! | changes reported by the server | - | now, unless waiting after a fault of the server | - |
//! | event stream lost, a request of the app failed | - | within 1 s, to check the server | - |
//! | server reached after it was unreachable | waits after `Offline` end | the same | the same |
//! | timer | what is due | what is due; both every 5 min | what is due |
//! | signed out | stop | stop | stop |
//!
//! | Result of a push | Next step |
//! |---|---|
//! | ok, rows remain | the next batch at once; the maximum size of a batch doubles, up to `MAX_PUSH_ITEMS` |
//! | ok, but no row was settled | repeat after 1 s, then after increasing waits |
//! | ok, no rows remain | idle |
//! | ok, and the server has rows of others, such as a decision about a row sent | pull now |
//! | offline, busy, bad reply, too new, 401 in a valid session | wait 1 s to 15 min, jittered; at least `Retry-After` |
//! | too large | half the batch at once; a single row: quarantine; wait if the reply is a proxy's |
//! | refused | half the batch at once; a single row: quarantine |
//! | signed out | stop; all rows are kept |
//!
//! Limits on repeated requests, whatever the replies:
//! - a round without progress (no row settled, cursor not advanced) is repeated once without backoff, then after
//!   increasing waits;
//! - after a change of epoch, push and pull continue at once; after another change within an hour, both wait;
//! - reported changes that a pull does not confirm, and streams that end soon after they opened, are handled after an
//!   increasing wait;
//! - pulls that check the server follow each other after increasing waits;
//! - a reached server ends the wait of a lane once, until the lane makes progress;
//! - one lane starts at most `MAX_ROUNDS` rounds in a minute.
//!
//! Not here: I/O (`engine`), sleeping (`scheduler`), the rows of a batch (`batch`).

mod lane;

use carrel_model::{ErrorCode, lattice::RowKey, wire::MAX_PUSH_ITEMS};
use carrel_net::{Backoff, RetryPolicy};

use crate::{
    Fault,
    machine::lane::{LaneSchedule, LaneState},
};

/// Delay of a push after the first local change; later changes are sent with it.
pub const DEBOUNCE_MS: i64 = 1_000;
/// Interval of push and pull if no other event causes them.
pub const POLL_MS: i64 = 5 * 60_000;
/// Initial and maximum number of rows of one pull.
pub const PULL_ROWS: u32 = carrel_model::wire::MAX_PULL_ROWS;
/// Number of rows quarantined without an accepted row between them. After more, a fault of the server is assumed, and
/// the lane waits after each quarantined row.
const MAX_REFUSALS: u32 = 8;
/// Wait before the repetition of a round without progress.
const NO_PROGRESS_WAIT_MS: i64 = 1_000;
/// Maximum number of rounds that one lane starts in a minute. A first sync needs far fewer: this many pages contain
/// 600,000 rows.
pub const MAX_ROUNDS: u32 = 300;
const MINUTE_MS: i64 = 60_000;
/// A second change of epoch within this time is attributed to two servers behind one address, not to a restored backup.
const MIN_EPOCH_INTERVAL_MS: i64 = 60 * MINUTE_MS;
/// A check of the server starts at a random time within this time, because all devices lose their streams at once when
/// a server restarts.
pub const CHECK_SPREAD_MS: i64 = 1_000;
/// An event stream that was open for at least this long resets the waits before reopening.
const MIN_STREAM_MS: i64 = 15_000;

/// Input of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The engine starts.
    Start,
    /// The device resumed from suspend, or the app was brought to the foreground.
    Resume,
    /// The device has another network address, or is online again.
    NetworkChanged,
    /// The user chose "Sync now".
    SyncNow,
    /// A session exists.
    SignedIn,
    /// The session ended.
    SignedOut,
    /// The outbox changed.
    LocalChange,
    /// The time returned by `next_wake` is reached.
    Timer,
    /// The server announced rows up to `usn`.
    Changes {
        /// Change number of the newest row.
        usn: u64,
        /// Epoch of the server's database.
        epoch: String,
    },
    /// A push succeeded.
    Pushed(Pushed),
    /// A push failed.
    PushFailed {
        /// Why it failed.
        fault: Fault,
        /// Number of rows in the batch.
        sent: usize,
        /// Key and local revision of its first row.
        first: Option<(RowKey, i64)>,
    },
    /// A row was quarantined.
    Quarantined,
    /// A pull succeeded.
    Pulled(Pulled),
    /// A pull failed.
    PullFailed(Fault),
    /// The event stream is open.
    ListenOpened {
        /// Number from `Instruction::Listen`.
        stream: u64,
    },
    /// The event stream ended, or could not be opened.
    ListenEnded {
        /// Number from `Instruction::Listen`.
        stream: u64,
        /// Why it ended.
        fault: Fault,
    },
    /// The store failed to read or write. Retried like an unavailable server.
    StoreFailed(Lane),
    /// A request of the app, not only of sync, failed or is not answered: the server cannot be reached.
    Unreachable,
    /// A request of the app failed, but the server may be reachable.
    Doubtful,
    /// The server replied to a request of the app.
    Reached,
}

impl Event {
    /// Returns true if a request failed because the session is over.
    pub fn is_signed_out(&self) -> bool {
        matches!(
            self,
            Self::PushFailed { fault: Fault::SignedOut, .. }
                | Self::PullFailed(Fault::SignedOut)
                | Self::ListenEnded { fault: Fault::SignedOut, .. }
        )
    }
}

/// Result of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pushed {
    /// Number of rows sent.
    pub sent: usize,
    /// Number of rows that left the outbox: accepted or quarantined.
    pub settled: usize,
    /// Number of rows accepted by the server.
    pub accepted: usize,
    /// Number of rows that remain in the outbox.
    pub left: u32,
    /// The epoch of the server's database changed: everything is pulled again.
    pub other_epoch: bool,
    /// Change number of the server's newest row, if this device has not pulled it: for example a decision about a row
    /// of this push.
    pub news: Option<u64>,
}

impl Pushed {
    /// Adds the result of `later`, a batch that was settled after this one.
    pub(super) fn plus(self, later: Self) -> Self {
        if later.sent == 0 {
            return self;
        }
        Self {
            sent: self.sent + later.sent,
            settled: self.settled + later.settled,
            accepted: self.accepted + later.accepted,
            left: later.left,
            other_epoch: self.other_epoch || later.other_epoch,
            news: later.news,
        }
    }
}

/// Result of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pulled {
    /// The server has more rows.
    pub more: bool,
    /// The cursor after the pull.
    pub usn: u64,
    /// Epoch of the server's database.
    pub epoch: String,
    /// The epoch of the server's database changed: the cursor was reset.
    pub other_epoch: bool,
}

/// Output of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Push the outbox.
    Push {
        /// Maximum number of rows per batch.
        limit: usize,
    },
    /// Quarantine a row: keep it, and do not send it until it changes.
    Quarantine {
        /// The row.
        key: RowKey,
        /// Local revision that was sent.
        rev: i64,
        /// `invalid` or `forbidden`.
        code: &'static str,
        /// Message of the server.
        reason: String,
    },
    /// Pull rows.
    Pull {
        /// Maximum number of rows.
        limit: u32,
    },
    /// Open the event stream, replacing an earlier one.
    Listen {
        /// Number for the events of this stream.
        stream: u64,
    },
    /// Close the event stream.
    CloseStream,
}

/// One of the three kinds of requests, scheduled separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Sends the outbox.
    Push,
    /// Fetches rows after the cursor.
    Pull,
    /// Keeps the event stream open.
    Listen,
}

/// State of sync for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The account has no server.
    Local,
    /// Nothing runs, and there is no fault.
    Idle,
    /// A push or pull is in progress.
    Running,
    /// The server could not be reached; retried later.
    Offline,
    /// Signing in is required.
    SignedOut,
    /// The server replied with an error or an invalid reply; retried later.
    ServerError,
}

/// The in-memory state of sync.
#[derive(Debug, Clone)]
pub struct Machine {
    push: LaneSchedule,
    pull: LaneSchedule,
    listen: LaneSchedule,
    signed_out: bool,
    next_poll: i64,
    push_limit: usize,
    pull_limit: u32,
    refusals: u32,
    /// Cursor and epoch after the last pull.
    pulled: Option<(u64, String)>,
    /// Change number that a push reported, and that the running or next pull may reach.
    news: Option<u64>,
    /// Changes were reported since the last pull started.
    has_changes: bool,
    /// The running pull was started because of them.
    is_pull_for_changes: bool,
    /// Number of successive pulls for reported changes without progress, and the waits after them.
    empty_change_pulls: u32,
    changes_retry: RetryPolicy,
    /// Reported changes start no pull before this time.
    no_changes_pull_before: i64,
    /// Neither push nor pull starts before this time.
    not_before: i64,
    /// When the epoch last changed, and the waits after further changes.
    epoch_changed: Option<i64>,
    epoch_retry: RetryPolicy,
    listens: bool,
    /// The number of the stream opened last.
    stream: u64,
    stream_opened: Option<i64>,
    /// Another part of the app could not reach the server, and nothing was received from it since.
    is_unreachable: bool,
    /// The next check of the server starts no earlier, and the waits between checks.
    no_check_before: i64,
    check_retry: Backoff,
}

impl Machine {
    /// Creates a machine with all lanes idle. `seed` determines the jitter of the waits; `listens`, whether an event
    /// stream is kept open.
    pub fn new(seed: u64, listens: bool) -> Self {
        Self {
            push: LaneSchedule::new(seed),
            pull: LaneSchedule::new(seed ^ 0x5555),
            listen: LaneSchedule::new(seed ^ 0xaaaa),
            signed_out: false,
            next_poll: i64::MAX,
            push_limit: MAX_PUSH_ITEMS,
            pull_limit: PULL_ROWS,
            refusals: 0,
            pulled: None,
            news: None,
            has_changes: false,
            is_pull_for_changes: false,
            empty_change_pulls: 0,
            changes_retry: RetryPolicy::new(seed ^ 0x6666),
            no_changes_pull_before: i64::MIN,
            not_before: i64::MIN,
            epoch_changed: None,
            epoch_retry: RetryPolicy::new(seed ^ 0x3333),
            listens,
            stream: 0,
            stream_opened: None,
            is_unreachable: false,
            no_check_before: i64::MIN,
            check_retry: Backoff::new(seed ^ 0x9999),
        }
    }

    /// Handles an event and returns the instructions to run. `now` is in milliseconds, by the same monotonic clock in
    /// all calls.
    pub fn handle(&mut self, now: i64, event: Event) -> Vec<Instruction> {
        let mut out = Vec::new();
        match event {
            Event::Start | Event::Resume | Event::SyncNow => self.start_all(now),
            Event::NetworkChanged => {
                // The stream's connection may use an address that is no longer valid.
                self.close_stream(&mut out);
                self.start_all(now);
            }
            Event::SignedIn => {
                self.signed_out = false;
                self.start_all(now);
            }
            Event::SignedOut => self.sign_out(&mut out),
            Event::LocalChange => self.push.due_by(now + DEBOUNCE_MS),
            Event::Timer => {}
            Event::Changes { usn, epoch } => self.handle_changes(now, usn, epoch),
            Event::Pushed(done) => self.pushed(now, done),
            Event::PushFailed { fault, sent, first } => {
                self.push_failed(now, fault, sent, first, &mut out)
            }
            Event::Quarantined if self.refusals > MAX_REFUSALS => {
                let fault = Fault::Busy { status: 400, retry_after_ms: None };
                self.push.failed(now, fault);
            }
            Event::Quarantined => self.push.state = LaneState::Due(now),
            Event::Pulled(done) => self.pulled(now, done),
            Event::PullFailed(fault) => self.pull_failed(now, fault, &mut out),
            // Ignore events of an earlier stream.
            Event::ListenOpened { stream } | Event::ListenEnded { stream, .. }
                if stream != self.stream || self.listen.state != LaneState::Running => {}
            Event::ListenOpened { .. } => {
                self.stream_opened = Some(now);
                self.listen.fault = None;
            }
            Event::ListenEnded { fault: Fault::SignedOut, .. } => self.sign_out(&mut out),
            Event::ListenEnded { fault, .. } => {
                if let Some(opened) = self.stream_opened.take() {
                    if now - opened >= MIN_STREAM_MS {
                        self.listen.retry.reset();
                        self.listen.stalls = 0;
                    }
                    self.check_server(now);
                }
                self.listen.failed(now, fault);
            }
            Event::Unreachable => {
                self.is_unreachable = true;
                self.check_server(now);
            }
            Event::Doubtful => self.check_server(now),
            Event::Reached => {
                if std::mem::take(&mut self.is_unreachable) {
                    // A request from before may still fail, which then means nothing.
                    for lane in [&mut self.push, &mut self.pull] {
                        lane.urgent |= lane.state == LaneState::Running;
                    }
                }
                for lane in [&mut self.push, &mut self.pull, &mut self.listen] {
                    lane.end_offline_wait(now);
                }
            }
            Event::StoreFailed(lane) => {
                self.lane(lane).failed(now, Fault::Busy { status: 0, retry_after_ms: None })
            }
        }
        self.start_due(now, &mut out);
        out
    }

    /// Returns the latest time for the next `handle(Event::Timer)`; `None` while signed out.
    pub fn next_wake(&self) -> Option<i64> {
        if self.signed_out {
            return None;
        }
        let poll = (self.next_poll < i64::MAX).then_some(self.next_poll);
        let lanes = [self.wake(&self.push), self.wake(&self.pull), self.listen.wake()];
        lanes.into_iter().chain([poll]).flatten().min()
    }
    /// Returns the state for display.
    pub fn phase(&self) -> Phase {
        let faults = || [&self.push.fault, &self.pull.fault].into_iter().flatten();
        let is_running = |l: &LaneSchedule| l.state == LaneState::Running;
        if self.signed_out {
            Phase::SignedOut
        } else if self.is_unreachable || faults().any(|f| matches!(f, Fault::Offline)) {
            Phase::Offline
        } else if faults().next().is_some() {
            Phase::ServerError
        } else if is_running(&self.push) || is_running(&self.pull) {
            Phase::Running
        } else {
            Phase::Idle
        }
    }
    /// Returns the fault that caused the phase, for display.
    pub fn error(&self) -> Option<ErrorCode> {
        let faults = [&self.push.fault, &self.pull.fault];
        match self.phase() {
            Phase::SignedOut => Some(ErrorCode::Unauthenticated),
            Phase::Offline => Some(ErrorCode::Offline),
            Phase::ServerError => faults.into_iter().flatten().next().map(Fault::code),
            _ => None,
        }
    }
    /// Returns when the first wait of push or pull after a fault ends.
    pub fn next_try(&self) -> Option<i64> {
        let waits = |l: &LaneSchedule| match l.state {
            LaneState::Waiting(at) => Some(at),
            _ => None,
        };
        [waits(&self.push), waits(&self.pull)].into_iter().flatten().min()
    }
    /// Returns true if neither push nor pull runs or is due at `now`, or while signed out.
    pub fn is_settled(&self, now: i64) -> bool {
        let is_idle = |l: &LaneSchedule| {
            l.state != LaneState::Running && self.wake(l).is_none_or(|at| at > now)
        };
        self.signed_out || (is_idle(&self.push) && is_idle(&self.pull))
    }

    /// Returns when push or pull starts its next round.
    fn wake(&self, lane: &LaneSchedule) -> Option<i64> {
        lane.wake().map(|at| at.max(self.not_before))
    }
    fn lane(&mut self, lane: Lane) -> &mut LaneSchedule {
        match lane {
            Lane::Push => &mut self.push,
            Lane::Pull => &mut self.pull,
            Lane::Listen => &mut self.listen,
        }
    }

    fn start_all(&mut self, now: i64) {
        if self.signed_out {
            return;
        }
        (self.not_before, self.no_changes_pull_before) = (i64::MIN, i64::MIN);
        self.no_check_before = i64::MIN;
        self.is_unreachable = false;
        self.push.start_now(now);
        self.pull.start_now(now);
        if self.listens && self.listen.state != LaneState::Running {
            self.listen.start_now(now);
        }
        self.next_poll = now + POLL_MS;
    }

    fn close_stream(&mut self, out: &mut Vec<Instruction>) {
        if self.listen.state == LaneState::Running {
            self.listen.stop();
            out.push(Instruction::CloseStream);
        }
    }

    fn sign_out(&mut self, out: &mut Vec<Instruction>) {
        self.close_stream(out);
        self.signed_out = true;
        for lane in [&mut self.push, &mut self.pull, &mut self.listen] {
            lane.stop();
            lane.fault = None;
        }
        self.next_poll = i64::MAX;
    }

    fn handle_changes(&mut self, now: i64, usn: u64, epoch: String) {
        if self.pulled.as_ref().is_some_and(|(have, of)| *of == epoch && *have >= usn) {
            return;
        }
        self.has_changes = true;
        // The event stream works, so the server can be reached. A wait requested by the server is kept.
        self.pull.end_offline_wait(now);
        self.pull.due_by(now.max(self.no_changes_pull_before));
    }

    /// Makes a pull due that checks whether the server can be reached, unless one runs, is due, or has failed.
    fn check_server(&mut self, now: i64) {
        if self.signed_out || self.pull.state != LaneState::Idle {
            return;
        }
        if self.no_check_before.saturating_add(POLL_MS) <= now {
            self.check_retry.reset();
        }
        let wait = self.check_retry.next_wait();
        let at = now.max(self.no_check_before) + wait % CHECK_SPREAD_MS;
        self.pull.due_by(at);
        self.no_check_before = at + wait;
    }

    /// Handles a changed epoch of the server's database. A restored backup changes the epoch once. A second change soon
    /// after is attributed to two servers behind one address, and push and pull wait, because each change makes them
    /// transfer everything again. Returns true if they wait.
    fn epoch_changed(&mut self, now: i64) -> bool {
        let first = self.epoch_changed.is_none_or(|at| now - at >= MIN_EPOCH_INTERVAL_MS);
        self.epoch_changed = Some(now);
        if first {
            self.epoch_retry.reset();
            return false;
        }
        self.not_before = now + self.epoch_retry.next_backoff();
        true
    }

    fn pushed(&mut self, now: i64, done: Pushed) {
        let again = self.push.again;
        // An empty outbox counts as progress.
        self.push.succeeded(done.settled > 0 || done.sent == 0);
        self.push.again = false;
        if done.accepted > 0 {
            self.refusals = 0;
        }
        self.push_limit = (self.push_limit * 2).min(MAX_PUSH_ITEMS);
        if done.other_epoch {
            self.pull.due_by(now);
            if self.epoch_changed(now) {
                return self.push.wait_until(self.not_before);
            }
        } else if done.news.is_some() {
            self.has_changes = true;
            self.news = self.news.max(done.news);
            if self.pull.state != LaneState::Running {
                self.pull.due_by(now.max(self.no_changes_pull_before));
            }
        }
        if done.left > 0 && done.settled > 0 {
            self.push.state = LaneState::Due(now);
        } else if done.left > 0 && !again {
            self.push.stalled(now, NO_PROGRESS_WAIT_MS);
        } else if done.left > 0 || again {
            // Rows that changed during the push are sent again.
            self.push.state = LaneState::Due(now + DEBOUNCE_MS);
        }
    }

    fn push_failed(
        &mut self,
        now: i64,
        fault: Fault,
        sent: usize,
        first: Option<(RowKey, i64)>,
        out: &mut Vec<Instruction>,
    ) {
        let (code, reason) = match &fault {
            Fault::SignedOut => return self.sign_out(out),
            Fault::TooLarge { .. } | Fault::Refused { .. } if sent > 1 => {
                self.push_limit = (sent / 2).max(1);
                self.push.state = LaneState::Due(now);
                return;
            }
            Fault::TooLarge { from_server: true } => {
                ("invalid", "the row is too large for the server".to_owned())
            }
            Fault::Refused { code: ErrorCode::Forbidden, reason } => ("forbidden", reason.clone()),
            Fault::Refused { reason, .. } => ("invalid", reason.clone()),
            _ => return self.push.failed(now, fault),
        };
        match first {
            Some((key, rev)) => {
                self.refusals += 1;
                // The lane is running until `Event::Quarantined`.
                out.push(Instruction::Quarantine { key, rev, code, reason });
            }
            None => self.push.failed(now, fault),
        }
    }

    fn pulled(&mut self, now: i64, done: Pulled) {
        let is_behind = self.news.take().is_some_and(|usn| !done.other_epoch && done.usn < usn);
        let again = self.pull.again || is_behind;
        let before = self.pulled.as_ref().filter(|(_, of)| *of == done.epoch).map(|(usn, _)| *usn);
        let has_progress = !done.other_epoch && done.usn > before.unwrap_or(0);
        self.pull.succeeded(has_progress || !(done.more || again));
        self.pull.again = false;
        self.pull_limit = (self.pull_limit * 2).min(PULL_ROWS);
        self.next_poll = now + POLL_MS;
        self.pulled = Some((done.usn, done.epoch));
        if has_progress {
            self.empty_change_pulls = 0;
            self.no_changes_pull_before = i64::MIN;
            self.changes_retry.reset();
        } else if self.is_pull_for_changes {
            self.empty_change_pulls += 1;
            if self.empty_change_pulls > 1 {
                self.no_changes_pull_before = now + self.changes_retry.next_backoff();
            }
        }
        if done.other_epoch && self.epoch_changed(now) {
            self.pull.wait_until(self.not_before);
        } else if has_progress && (done.more || again) {
            self.pull.state = LaneState::Due(now);
        } else if done.more || again {
            self.pull.stalled(now, 0);
        }
    }

    fn pull_failed(&mut self, now: i64, fault: Fault, out: &mut Vec<Instruction>) {
        match fault {
            Fault::SignedOut => self.sign_out(out),
            // The reply may be too large: request fewer rows. Wait first, because the server may be hostile.
            Fault::BadReply | Fault::TooLarge { .. } => {
                self.pull_limit = (self.pull_limit / 2).max(1);
                self.pull.failed(now, fault);
            }
            fault => self.pull.failed(now, fault),
        }
    }

    fn start_due(&mut self, now: i64, out: &mut Vec<Instruction>) {
        if self.signed_out {
            return;
        }
        if self.next_poll <= now {
            self.next_poll = now + POLL_MS;
            self.push.due_by(now);
            self.pull.due_by(now);
        }
        let is_paused = now < self.not_before;
        if !is_paused && self.push.try_start(now) {
            out.push(Instruction::Push { limit: self.push_limit });
        }
        if !is_paused && self.pull.try_start(now) {
            self.is_pull_for_changes = std::mem::take(&mut self.has_changes);
            out.push(Instruction::Pull { limit: self.pull_limit });
        }
        if self.listens && self.listen.try_start(now) {
            self.stream += 1;
            self.stream_opened = None;
            out.push(Instruction::Listen { stream: self.stream });
        }
    }
}
