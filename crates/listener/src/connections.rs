//! Open connections: their deadlines, the limits on their number, and the choice of the connection to close at a limit.
//!
//! Deadlines depend on bytes and requests, not on the state of a parser. Each kind of incomplete exchange (a TLS hello
//! on the plain port, half of a request head, an HTTP/2 preface without a stream, a response that is never read) has
//! one of three deadlines. One task checks all connections.
//!
//! Not here: sockets and HTTP (`accept`), the time limit of handlers.

mod watched;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use watched::{WatchedBody, WatchedSocket};

/// Bytes that a client must read within the write deadline.
const MIN_PROGRESS: u64 = 8 * 1024;
/// File descriptors reserved for the database, blobs and the log.
const RESERVED_FILES: u64 = 128;

/// Time limits for the client of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From accept to a complete request head, and from the first byte of a later head to its end.
    pub head: Duration,
    /// From the end of a response to the next complete head.
    pub idle: Duration,
    /// Time in which the client must read `MIN_PROGRESS` bytes of a response.
    pub write: Duration,
}

impl Deadlines {
    /// Returns the interval between checks; a connection is closed at most this long after its deadline.
    pub fn tick(&self) -> Duration {
        (self.head.min(self.idle).min(self.write) / 4)
            .clamp(Duration::from_millis(50), Duration::from_secs(2))
    }
}

/// Why the server closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// No complete request head within the head deadline.
    Head,
    /// No request within the idle deadline.
    Idle,
    /// The client did not read the response within the write deadline.
    Write,
    /// Closed to free a slot or a file descriptor for another connection.
    Shed,
}

#[derive(Debug)]
struct ConnectionState {
    accepted: Instant,
    /// Number of requests whose response is not complete.
    open: usize,
    /// At least one request head was complete.
    served: bool,
    /// HTTP/2 connection: frames other than request heads can arrive at any time.
    http2: bool,
    /// End of the last response, or the time at which the client last completed `MIN_PROGRESS` bytes.
    progress: Instant,
    /// Time of the first byte after the last response.
    head_started: Option<Instant>,
    /// Bytes written since `progress`.
    written: u64,
    /// By request, from when hyper takes a part of the response until it polls for the next: the time at which it took
    /// the part.
    pending_frames: HashMap<u64, Instant>,
    next_request: u64,
    close_reason: Option<CloseReason>,
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    state: Mutex<ConnectionState>,
    /// True while no request is open: the next byte read starts a request head.
    waiting: AtomicBool,
    /// Cancelled when the server closes the connection.
    pub closing: CancellationToken,
}

impl Connection {
    fn new(now: Instant) -> Self {
        let state = ConnectionState {
            accepted: now,
            open: 0,
            served: false,
            http2: false,
            progress: now,
            head_started: None,
            written: 0,
            pending_frames: HashMap::new(),
            next_request: 0,
            close_reason: None,
        };
        let closing = CancellationToken::new();
        Self { state: Mutex::new(state), waiting: AtomicBool::new(true), closing }
    }
    fn state(&self) -> std::sync::MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Records a complete request head. The request is open until the returned value is dropped.
    pub fn begin(self: &Arc<Self>, http2: bool) -> OpenRequest {
        OpenRequest { id: self.request_started(http2), connection: Arc::clone(self) }
    }
    fn request_started(&self, http2: bool) -> u64 {
        let mut state = self.state();
        state.open += 1;
        state.served = true;
        state.http2 = http2;
        state.head_started = None;
        state.next_request += 1;
        self.waiting.store(false, Ordering::Relaxed);
        state.next_request
    }
    /// Records that hyper took a part of the response.
    fn frame_sent(&self, request: u64, now: Instant) {
        self.state().pending_frames.insert(request, now);
    }
    /// Records that hyper polls for the next part, because the previous one was written to the socket.
    fn frame_requested(&self, request: u64) {
        self.state().pending_frames.remove(&request);
    }
    fn request_ended(&self, request: u64, now: Instant) {
        let mut state = self.state();
        state.pending_frames.remove(&request);
        state.open -= 1;
        if state.open == 0 {
            state.progress = now;
            state.written = 0;
            state.head_started = None;
            self.waiting.store(true, Ordering::Relaxed);
        }
    }
    /// Returns why the server closed the connection, if it did.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.state().close_reason
    }
    fn close(&self, reason: CloseReason) {
        self.state().close_reason.get_or_insert(reason);
        self.closing.cancel();
    }
    fn bytes_read(&self, now: impl FnOnce() -> Instant) {
        if self.waiting.load(Ordering::Relaxed) {
            let mut state = self.state();
            if state.head_started.is_none() {
                state.head_started = Some(now());
            }
        }
    }
    fn bytes_written(&self, bytes: usize, now: impl FnOnce() -> Instant) {
        let mut state = self.state();
        state.written += bytes as u64;
        if state.written >= MIN_PROGRESS {
            state.written = 0;
            state.progress = now();
        }
    }
    /// Returns the deadline that has passed, if any.
    fn overdue(&self, now: Instant, deadlines: &Deadlines) -> Option<CloseReason> {
        let state = self.state();
        if state.open > 0 {
            let oldest = state.pending_frames.values().min()?;
            return (now >= (*oldest).max(state.progress) + deadlines.write)
                .then_some(CloseReason::Write);
        }
        if !state.served {
            return (now >= state.accepted + deadlines.head).then_some(CloseReason::Head);
        }
        let started = state.head_started.filter(|_| !state.http2);
        if started.is_some_and(|started| now >= started + deadlines.head) {
            return Some(CloseReason::Head);
        }
        (now >= state.progress + deadlines.idle).then_some(CloseReason::Idle)
    }
    /// Returns the time since which the connection has waited for a request, or `None` if a request is open or the
    /// connection is closed.
    fn waiting_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.open == 0 && state.close_reason.is_none()).then_some(state.progress)
    }
}

/// A request whose response is not complete.
#[derive(Debug)]
pub struct OpenRequest {
    connection: Arc<Connection>,
    id: u64,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.connection.request_ended(self.id, Instant::now());
    }
}

/// Limits on the number of connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    pub total: usize,
    /// `None` behind a proxy, because all connections then have the address of the proxy.
    pub per_address: Option<usize>,
}

impl ConnectionLimits {
    /// Returns the limits for at most `total` connections and `per_address` (0: a quarter of the total) from one address.
    /// The limit of open files applies, too.
    pub fn new(total: usize, per_address: Option<usize>) -> Self {
        let files =
            usize::try_from(open_files().saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX);
        let total = total.min(files).max(1);
        let per_address = per_address.map(|n| if n == 0 { total.div_ceil(4) } else { n }.max(1));
        Self { total, per_address }
    }
}

/// Raises the soft limit of open files (often 1,024) to the hard limit, and returns the resulting limit.
fn open_files() -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        let now = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
        now.current.unwrap_or(u64::MAX)
    }
    #[cfg(not(unix))]
    {
        u64::MAX
    }
}

/// All open connections.
#[derive(Debug)]
pub struct Connections {
    limits: ConnectionLimits,
    deadlines: Deadlines,
    open: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    by_id: HashMap<u64, (IpAddr, Arc<Connection>)>,
    /// Connections per address, excluding those closed by the server.
    by_address: HashMap<IpAddr, usize>,
    /// Number of connections not closed by the server.
    live: usize,
}

impl OpenConnections {
    fn release(&mut self, address: IpAddr) {
        self.live = self.live.saturating_sub(1);
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

/// An admitted connection; dropping it frees its slot.
pub struct Slot {
    connections: Arc<Connections>,
    id: u64,
    pub connection: Arc<Connection>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        if let Some((address, connection)) = open.by_id.remove(&self.id)
            && connection.close_reason().is_none()
        {
            open.release(address);
        }
    }
}

impl Connections {
    pub fn new(limits: ConnectionLimits, deadlines: Deadlines) -> Arc<Self> {
        Arc::new(Self { limits, deadlines, open: Mutex::default() })
    }
    fn open(&self) -> std::sync::MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn deadlines(&self) -> Deadlines {
        self.deadlines
    }
    /// Admits a new connection. At a limit, closes the connection that has waited longest for a request: one of the
    /// same address if that address is at its limit, else one of the address with the most connections. Returns
    /// `None` if all candidates have a request open.
    pub fn admit(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Option<Slot> {
        let address = counting_address(peer);
        let mut open = self.open();
        let own = open.by_address.get(&address).copied().unwrap_or_default();
        let limited = self.limits.per_address.filter(|_| !address.is_loopback());
        if limited.is_some_and(|max| own >= max) && !shed(&mut open, Some(address)) {
            return None;
        }
        if open.live >= self.limits.total && !shed(&mut open, None) {
            return None;
        }
        open.next += 1;
        open.live += 1;
        *open.by_address.entry(address).or_default() += 1;
        let id = open.next;
        let connection = Arc::new(Connection::new(now));
        open.by_id.insert(id, (address, Arc::clone(&connection)));
        Some(Slot { connections: Arc::clone(self), id, connection })
    }
    /// Closes up to `max` connections that wait for a request. Returns the number closed.
    pub fn shed(&self, max: usize) -> usize {
        let mut open = self.open();
        (0..max).take_while(|_| shed(&mut open, None)).count()
    }
    /// Closes connections whose deadline has passed.
    pub fn sweep(&self, now: Instant) {
        let mut open = self.open();
        let overdue: Vec<_> = open
            .by_id
            .values()
            .filter(|(_, connection)| connection.close_reason().is_none())
            .filter_map(|(address, connection)| {
                Some((*address, Arc::clone(connection), connection.overdue(now, &self.deadlines)?))
            })
            .collect();
        for (address, connection, reason) in overdue {
            connection.close(reason);
            open.release(address);
        }
    }
    /// Returns the number of connections not closed by the server.
    pub fn count(&self) -> usize {
        self.open().live
    }
}

/// Closes the connection that has waited longest for a request: one of `address`, or of the address with the most
/// connections. Returns false if there is none.
fn shed(open: &mut OpenConnections, address: Option<IpAddr>) -> bool {
    let count = |a: &IpAddr| open.by_address.get(a).copied().unwrap_or_default();
    let oldest = open
        .by_id
        .values()
        .filter(|(a, _)| address.is_none_or(|wanted| wanted == *a))
        .filter_map(|(a, connection)| {
            Some((std::cmp::Reverse(count(a)), connection.waiting_since()?, *a, connection))
        })
        .min_by_key(|(count, since, ..)| (*count, *since))
        .map(|(_, _, a, connection)| (a, Arc::clone(connection)));
    let Some((a, connection)) = oldest else { return false };
    connection.close(CloseReason::Shed);
    open.release(a);
    true
}

/// Returns the address used for counting: for IPv6 the /64 network, since one customer usually has a whole /64.
fn counting_address(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINES: Deadlines = Deadlines {
        head: Duration::from_secs(15),
        idle: Duration::from_secs(60),
        write: Duration::from_secs(30),
    };
    const S: fn(u64) -> Duration = Duration::from_secs;

    /// An event on a connection; each is followed by a wait of the given number of seconds.
    enum Step {
        Read,
        Begin,
        BeginH2,
        End,
        FrameSent,
        FrameRequested,
        Written(usize),
    }

    #[test]
    fn every_inactive_state_has_a_deadline() {
        use Step::*;
        type Case = (&'static str, &'static [(Step, u64)], Option<(u64, CloseReason)>);
        let cases: &[Case] = &[
            ("sends nothing", &[], Some((15, CloseReason::Head))),
            (
                "sends a head, one byte per second",
                &[(Read, 10), (Read, 4)],
                Some((1, CloseReason::Head)),
            ),
            ("sends an HTTP/2 preface and no stream", &[(Read, 0)], Some((15, CloseReason::Head))),
            ("sends no second request", &[(Begin, 1), (End, 0)], Some((60, CloseReason::Idle))),
            (
                "sends its second head slowly",
                &[(Begin, 1), (End, 20), (Read, 5), (Read, 5)],
                Some((5, CloseReason::Head)),
            ),
            (
                "HTTP/2 frames between requests do not count as a head",
                &[(BeginH2, 1), (End, 20), (Read, 20)],
                Some((20, CloseReason::Idle)),
            ),
            ("a handler runs for an hour", &[(Begin, 3_600)], None),
            (
                "an event stream without events",
                &[(Begin, 0), (FrameSent, 0), (FrameRequested, 3_600)],
                None,
            ),
            ("never reads", &[(Begin, 0), (FrameSent, 0)], Some((30, CloseReason::Write))),
            (
                "reads one byte every 10 s",
                &[(Begin, 0), (FrameSent, 10), (Written(1), 10), (Written(1), 9)],
                Some((1, CloseReason::Write)),
            ),
            (
                "reads 8 KiB every 29 s",
                &[(Begin, 0), (FrameSent, 29), (Written(8_192), 29), (Written(8_192), 0)],
                Some((30, CloseReason::Write)),
            ),
            (
                "reads the end of a large response, 8 KiB every 50 s",
                &[(Begin, 0), (FrameSent, 0), (End, 50), (Written(8_192), 50), (Written(8_192), 0)],
                Some((60, CloseReason::Idle)),
            ),
        ];
        for (name, steps, expected) in cases {
            let mut now = Instant::now();
            let connection = Connection::new(now);
            let mut requests = Vec::new();
            for (step, wait) in *steps {
                match step {
                    Read => connection.bytes_read(|| now),
                    Begin => requests.push(connection.request_started(false)),
                    BeginH2 => requests.push(connection.request_started(true)),
                    End => connection.request_ended(requests.pop().unwrap(), now),
                    FrameSent => connection.frame_sent(*requests.last().unwrap(), now),
                    FrameRequested => connection.frame_requested(*requests.last().unwrap()),
                    Written(n) => connection.bytes_written(*n, || now),
                }
                now += S(*wait);
                if *wait > 0 {
                    assert_eq!(connection.overdue(now, &DEADLINES), None, "{name}");
                }
            }
            match *expected {
                None => assert_eq!(connection.overdue(now + S(86_400), &DEADLINES), None, "{name}"),
                Some((left, reason)) => {
                    let early = now + S(left) - Duration::from_millis(1);
                    assert_eq!(connection.overdue(early, &DEADLINES), None, "{name}: early");
                    assert_eq!(
                        connection.overdue(now + S(left), &DEADLINES),
                        Some(reason),
                        "{name}"
                    );
                }
            }
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn at_a_limit_the_longest_waiting_connection_of_the_most_connected_address_is_closed() {
        let limits = ConnectionLimits { total: 4, per_address: Some(3) };
        let connections = Connections::new(limits, DEADLINES);
        let start = Instant::now();
        let at = |a: &str, s: u64| connections.admit(ip(a), start + S(s));
        let admit = |a: &str| at(a, 10);
        let client = admit("192.0.2.1").unwrap();
        let mut flood: Vec<_> = (11..14).map(|s| at("198.51.100.7", s).unwrap()).collect();
        // The address is at its limit: its own longest-waiting connection is closed.
        flood.push(at("198.51.100.7", 14).unwrap());
        let close_reason =
            |slots: &[Slot]| slots.iter().map(|s| s.connection.close_reason()).collect::<Vec<_>>();
        assert_eq!(close_reason(&flood), [Some(CloseReason::Shed), None, None, None]);
        // At the total limit, a connection of the address with the most connections is closed, not the older connection
        // of another address.
        let other = admit("203.0.113.9").unwrap();
        assert_eq!(
            close_reason(&flood),
            [Some(CloseReason::Shed), Some(CloseReason::Shed), None, None]
        );
        assert_eq!(
            (client.connection.close_reason(), other.connection.close_reason()),
            (None, None)
        );
        assert_eq!(connections.count(), 4);
        // All connections have an open request, so none can be closed.
        let busy: Vec<_> =
            [&client, &flood[2], &flood[3], &other].map(|slot| slot.connection.begin(false)).into();
        assert!(admit("203.0.113.10").is_none());
        drop(busy);
        assert!(admit("203.0.113.10").is_some());
        drop((client, flood, other));
        assert_eq!(connections.count(), 0);
        assert!(connections.open().by_address.is_empty() && connections.open().by_id.is_empty());
    }

    #[test]
    fn ipv6_addresses_are_counted_by_network() {
        let now = Instant::now();
        let limits = ConnectionLimits { total: 100, per_address: Some(1) };
        for (first, second, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("127.0.0.1", "127.0.0.1", false),
            ("::1", "::1", false),
        ] {
            let connections = Connections::new(limits, DEADLINES);
            let first_slot = connections.admit(ip(first), now).unwrap();
            let _second_slot = connections.admit(ip(second), now).unwrap();
            assert_eq!(first_slot.connection.close_reason().is_some(), same, "{first} {second}");
        }
        for (total, per_address, expected) in
            [(40, Some(0), (40, Some(10))), (40, Some(7), (40, Some(7))), (0, None, (1, None))]
        {
            let limits = ConnectionLimits::new(total, per_address);
            assert_eq!((limits.total, limits.per_address), expected);
        }
    }
}
