//! When to push, when to pull, when to listen, how long to wait. Events in, instructions out; time is a number that comes with the event.
//!
//! Three lanes that know nothing of each other: a stuck upload never blocks a download. A lane is idle, due, running, or waits after
//! a fault. Timers are not set but read from the lanes (`next_wake`), so that none can get lost.
//!
//! | Event | Push | Pull | Listen |
//! |---|---|---|---|
//! | start, resume, network change, tap, signed in | now, waits forgotten | now, waits forgotten | now |
//! | local change | in 1 s | - | - |
//! | news | - | now, unless it waits after a fault of the server | - |
//! | timer | what is due | what is due; both every 5 min | what is due |
//! | signed out | stop | stop | stop |
//!
//! | Push ends with | What follows |
//! |---|---|
//! | ok, rows are left | the next batch at once, twice as large again |
//! | ok, all sent | idle |
//! | offline, busy, bad reply, too new, stray 401 | wait: jitter 1 s to 15 min, `Retry-After` as a floor |
//! | too large | half the batch at once; a single row that the server itself finds too large: quarantine |
//! | refused | half the batch at once; a single row: quarantine |
//! | signed out | stop, everything is kept |
//!
//! Not here: I/O (`engine`), sleeping (`scheduler`), rows.

use carrel_model::{ErrorCode, lattice::RowKey, wire::MAX_PUSH_ITEMS};

use super::{Backoff, Fault};

/// After the first local change, so that what follows goes along.
pub const DEBOUNCE_MS: i64 = 1_000;
/// Without any other reason.
pub const POLL_MS: i64 = 5 * 60_000;
/// Rows of one pull at first.
pub const PULL_ROWS: u32 = carrel_model::wire::PULL_LIMIT;
/// So many refusals in a row without one row accepted may be the server's fault: from then on one per wait.
const REFUSALS: u32 = 8;
/// A round that moved nothing is not repeated at once.
const NOTHING_MOVED_MS: i64 = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Start,
    Resume,
    NetworkChanged,
    /// "Sync now".
    Tap,
    SignedIn,
    SignedOut,
    /// The outbox has something new.
    LocalChange,
    /// Time has passed.
    Timer,
    /// The server has rows up to `usn`.
    News {
        usn: u64,
        epoch: String,
    },
    Pushed(Pushed),
    /// A push of `sent` rows, the first of which is `first` at that local revision.
    PushFailed {
        fault: Fault,
        sent: usize,
        first: Option<(RowKey, i64)>,
    },
    /// A row was put into quarantine.
    Quarantined,
    Pulled(Pulled),
    PullFailed(Fault),
    ListenOpened,
    ListenEnded(Fault),
    /// The disk did not take what the network gave: as good as no reply.
    StoreFailed(Lane),
}

/// What a push did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pushed {
    pub sent: usize,
    /// Rows that do not wait any more: accepted, or in quarantine.
    pub settled: usize,
    /// Rows that the server has now.
    pub accepted: usize,
    /// Rows that wait still.
    pub left: u32,
    /// The server's database is another one: everything is pulled again.
    pub other_epoch: bool,
}

impl Pushed {
    /// This batch, and the one settled after it.
    pub(super) fn and(self, later: Self) -> Self {
        if later.sent == 0 {
            return self;
        }
        Self {
            sent: self.sent + later.sent,
            settled: self.settled + later.settled,
            accepted: self.accepted + later.accepted,
            left: later.left,
            other_epoch: self.other_epoch || later.other_epoch,
        }
    }
}

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pulled {
    pub more: bool,
    pub usn: u64,
    pub epoch: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// At most `limit` rows.
    Push {
        limit: usize,
    },
    /// Keep the row, do not send it as it is.
    Quarantine {
        key: RowKey,
        rev: i64,
        code: &'static str,
        reason: String,
    },
    Pull {
        limit: u32,
    },
    Listen,
    /// Close the event stream.
    Hangup,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Push,
    Pull,
    Listen,
}

/// What the learner sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No server behind this account.
    Local,
    Idle,
    Running,
    Offline,
    SignedOut,
    Trouble,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Idle,
    Due(i64),
    Running,
    /// After a fault.
    Waiting(i64),
}

#[derive(Debug, Clone)]
struct LaneState {
    doing: Doing,
    /// Something new came while it was running.
    again: bool,
    /// A tap or a new network came while it was running: if it fails now, it does not wait once.
    urgent: bool,
    backoff: Backoff,
    /// Since the last success or the last tap.
    fault: Option<Fault>,
}

impl LaneState {
    fn new(seed: u64) -> Self {
        Self {
            doing: Doing::Idle,
            again: false,
            urgent: false,
            backoff: Backoff::new(seed),
            fault: None,
        }
    }
    /// As soon as possible, whatever it waits for.
    fn now(&mut self, now: i64) {
        self.backoff.reset();
        self.fault = None;
        match self.doing {
            Doing::Running => (self.again, self.urgent) = (true, true),
            _ => self.doing = Doing::Due(now),
        }
    }
    /// At `at`, unless it is due before or waits after a fault.
    fn by(&mut self, at: i64) {
        match self.doing {
            Doing::Idle => self.doing = Doing::Due(at),
            Doing::Due(before) => self.doing = Doing::Due(before.min(at)),
            Doing::Running => self.again = true,
            Doing::Waiting(_) => {}
        }
    }
    fn worked(&mut self) {
        self.backoff.reset();
        self.fault = None;
        self.doing = Doing::Idle;
    }
    fn failed(&mut self, now: i64, fault: Fault) {
        if self.urgent {
            // What failed was begun before the tap.
            (self.urgent, self.doing) = (false, Doing::Due(now));
            return;
        }
        let wait = self.backoff.next_wait().max(fault.retry_after_ms().unwrap_or(0));
        self.again = false;
        self.doing = Doing::Waiting(now + wait);
        self.fault = Some(fault);
    }
    fn stop(&mut self) {
        (self.again, self.urgent) = (false, false);
        self.doing = Doing::Idle;
    }
    fn wake(&self) -> Option<i64> {
        match self.doing {
            Doing::Due(at) | Doing::Waiting(at) => Some(at),
            Doing::Idle | Doing::Running => None,
        }
    }
    fn starts(&mut self, now: i64) -> bool {
        let due = self.wake().is_some_and(|at| at <= now);
        if due {
            self.doing = Doing::Running;
            (self.again, self.urgent) = (false, false);
        }
        due
    }
}

/// The whole state of sync in memory.
#[derive(Debug, Clone)]
pub struct Machine {
    push: LaneState,
    pull: LaneState,
    listen: LaneState,
    signed_out: bool,
    next_poll: i64,
    push_limit: usize,
    pull_limit: u32,
    refusals: u32,
    /// What the last pull brought.
    pulled: Option<(u64, String)>,
    listens: bool,
}

impl Machine {
    /// `seed` for the jitter. `listens`: also keep an event stream open.
    pub fn new(seed: u64, listens: bool) -> Self {
        Self {
            push: LaneState::new(seed),
            pull: LaneState::new(seed ^ 0x5555),
            listen: LaneState::new(seed ^ 0xaaaa),
            signed_out: false,
            next_poll: i64::MAX,
            push_limit: MAX_PUSH_ITEMS,
            pull_limit: PULL_ROWS,
            refusals: 0,
            pulled: None,
            listens,
        }
    }

    /// What to do about it. `now`: any clock in ms that does not go back, always the same one.
    pub fn handle(&mut self, now: i64, event: Event) -> Vec<Instruction> {
        let mut out = Vec::new();
        match event {
            Event::Start | Event::Resume | Event::Tap => self.all_now(now),
            Event::NetworkChanged => {
                // The stream hangs on an address that may be gone.
                self.hang_up(&mut out);
                self.all_now(now);
            }
            Event::SignedIn => {
                self.signed_out = false;
                self.all_now(now);
            }
            Event::SignedOut => self.sign_out(&mut out),
            Event::LocalChange => self.push.by(now + DEBOUNCE_MS),
            Event::Timer => {}
            Event::News { usn, epoch } => self.news(now, usn, epoch),
            Event::Pushed(done) => self.pushed(now, done),
            Event::PushFailed { fault, sent, first } => {
                self.push_failed(now, fault, sent, first, &mut out)
            }
            Event::Quarantined if self.refusals > REFUSALS => {
                let fault = Fault::Busy { status: 400, retry_after_ms: None };
                self.push.failed(now, fault);
            }
            Event::Quarantined => self.push.doing = Doing::Due(now),
            Event::Pulled(done) => self.pulled(now, done),
            Event::PullFailed(fault) => self.pull_failed(now, fault, &mut out),
            Event::ListenOpened => {
                self.listen.backoff.reset();
                self.listen.fault = None;
            }
            Event::ListenEnded(Fault::SignedOut) => self.sign_out(&mut out),
            // Closed on purpose, and perhaps wanted again already.
            Event::ListenEnded(_) if self.listen.doing != Doing::Running => {}
            Event::ListenEnded(fault) => self.listen.failed(now, fault),
            Event::StoreFailed(lane) => {
                self.lane(lane).failed(now, Fault::Busy { status: 0, retry_after_ms: None })
            }
        }
        self.start_due(now, &mut out);
        out
    }

    /// When `handle` wants to be called with `Timer` at the latest.
    pub fn next_wake(&self) -> Option<i64> {
        if self.signed_out {
            return None;
        }
        let poll = (self.next_poll < i64::MAX).then_some(self.next_poll);
        [self.push.wake(), self.pull.wake(), self.listen.wake(), poll].into_iter().flatten().min()
    }
    pub fn phase(&self) -> Phase {
        let faults = || [&self.push.fault, &self.pull.fault].into_iter().flatten();
        let runs = |l: &LaneState| l.doing == Doing::Running;
        if self.signed_out {
            Phase::SignedOut
        } else if faults().any(|f| matches!(f, Fault::Offline)) {
            Phase::Offline
        } else if faults().next().is_some() {
            Phase::Trouble
        } else if runs(&self.push) || runs(&self.pull) {
            Phase::Running
        } else {
            Phase::Idle
        }
    }
    /// Why, for the UI: the fault that the phase comes from.
    pub fn error(&self) -> Option<ErrorCode> {
        let faults = [&self.push.fault, &self.pull.fault];
        match self.phase() {
            Phase::SignedOut => Some(ErrorCode::Unauthenticated),
            Phase::Offline => Some(ErrorCode::Offline),
            Phase::Trouble => faults.into_iter().flatten().next().map(Fault::code),
            _ => None,
        }
    }
    /// When a lane that waits after a fault tries again.
    pub fn next_try(&self) -> Option<i64> {
        let waits = |l: &LaneState| match l.doing {
            Doing::Waiting(at) => Some(at),
            _ => None,
        };
        [waits(&self.push), waits(&self.pull)].into_iter().flatten().min()
    }
    /// Neither push nor pull runs, or is about to at `now`.
    pub fn is_settled(&self, now: i64) -> bool {
        let quiet = |l: &LaneState| l.doing != Doing::Running && l.wake().is_none_or(|at| at > now);
        self.signed_out || (quiet(&self.push) && quiet(&self.pull))
    }

    fn lane(&mut self, lane: Lane) -> &mut LaneState {
        match lane {
            Lane::Push => &mut self.push,
            Lane::Pull => &mut self.pull,
            Lane::Listen => &mut self.listen,
        }
    }

    fn all_now(&mut self, now: i64) {
        if self.signed_out {
            return;
        }
        self.push.now(now);
        self.pull.now(now);
        if self.listens && self.listen.doing != Doing::Running {
            self.listen.now(now);
        }
        self.next_poll = now + POLL_MS;
    }

    fn hang_up(&mut self, out: &mut Vec<Instruction>) {
        if self.listen.doing == Doing::Running {
            self.listen.stop();
            out.push(Instruction::Hangup);
        }
    }

    fn sign_out(&mut self, out: &mut Vec<Instruction>) {
        self.hang_up(out);
        self.signed_out = true;
        for lane in [&mut self.push, &mut self.pull, &mut self.listen] {
            lane.stop();
            lane.fault = None;
        }
        self.next_poll = i64::MAX;
    }

    fn news(&mut self, now: i64, usn: u64, epoch: String) {
        if self.pulled.as_ref().is_some_and(|(have, of)| *of == epoch && *have >= usn) {
            return;
        }
        // News came over the network: so it is there again. A server that asked for patience gets it.
        if self.pull.fault == Some(Fault::Offline) {
            self.pull.now(now);
        } else {
            self.pull.by(now);
        }
    }

    fn pushed(&mut self, now: i64, done: Pushed) {
        let again = self.push.again;
        self.push.worked();
        self.push.again = false;
        if done.accepted > 0 {
            self.refusals = 0;
        }
        self.push_limit = (self.push_limit * 2).min(MAX_PUSH_ITEMS);
        if done.other_epoch {
            self.pull.by(now);
        }
        if done.left > 0 {
            let pause = if done.settled == 0 { NOTHING_MOVED_MS } else { 0 };
            self.push.doing = Doing::Due(now + pause);
        } else if again {
            self.push.doing = Doing::Due(now + DEBOUNCE_MS);
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
                self.push.doing = Doing::Due(now);
                return;
            }
            Fault::TooLarge { certain: true } => {
                ("invalid", "it is too large for the server".to_owned())
            }
            Fault::Refused { code: ErrorCode::Forbidden, reason } => ("forbidden", reason.clone()),
            Fault::Refused { reason, .. } => ("invalid", reason.clone()),
            _ => return self.push.failed(now, fault),
        };
        match first {
            Some((key, rev)) => {
                self.refusals += 1;
                // The lane runs until the row is put away.
                out.push(Instruction::Quarantine { key, rev, code, reason });
            }
            None => self.push.failed(now, fault),
        }
    }

    fn pulled(&mut self, now: i64, done: Pulled) {
        let again = self.pull.again;
        self.pull.worked();
        self.pull.again = false;
        self.pull_limit = (self.pull_limit * 2).min(PULL_ROWS);
        self.next_poll = now + POLL_MS;
        self.pulled = Some((done.usn, done.epoch));
        if done.more || again {
            self.pull.doing = Doing::Due(now);
        }
    }

    fn pull_failed(&mut self, now: i64, fault: Fault, out: &mut Vec<Instruction>) {
        match fault {
            Fault::SignedOut => self.sign_out(out),
            // Perhaps only large rows: fewer at a time, with a wait between, for it may be hostile.
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
            self.push.by(now);
            self.pull.by(now);
        }
        if self.push.starts(now) {
            out.push(Instruction::Push { limit: self.push_limit });
        }
        if self.pull.starts(now) {
            out.push(Instruction::Pull { limit: self.pull_limit });
        }
        if self.listens && self.listen.starts(now) {
            out.push(Instruction::Listen);
        }
    }
}
