//! A network that injects faults into another one, by a seed and in simulated time.
//!
//! Not here: the kinds of faults (`fault`), wrong replies (`hostile`).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use carrel_model::ErrorCode;
use carrel_net::{Failure, FailureKind, Http, NetworkSettings, Reply, Request};
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;
use tokio::sync::Notify;

use crate::{FakeClock, Fault, FaultRates, SeededRng, hostile, reply};

/// All clocks of a simulation: the server's and those of the devices. They advance together; each can
/// be set separately.
#[derive(Clone, Default)]
pub struct Timeline {
    clocks: Arc<Mutex<Vec<FakeClock>>>,
}

impl Timeline {
    pub fn add(&self, clock: &FakeClock) {
        self.clocks().push(clock.clone());
    }
    pub fn advance(&self, ms: i64) {
        for clock in self.clocks().iter() {
            clock.advance(ms);
        }
    }
    fn clocks(&self) -> MutexGuard<'_, Vec<FakeClock>> {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a request is held while the test changes or restarts the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldPoint {
    /// Before the request is sent.
    Before,
    /// After the server has processed the request, before the reply is returned.
    After,
}

/// The faulty network of one device.
pub struct FlakyHttp {
    inner: Arc<dyn Http>,
    time: Timeline,
    state: Mutex<NetworkState>,
    held: Notify,
}

struct NetworkState {
    rng: SeededRng,
    faults: FaultRates,
    fault_counts: BTreeMap<Fault, u64>,
    requests: u64,
    /// The network is disconnected.
    offline: bool,
    /// Requests that timed out and are not processed yet.
    late: Vec<Request>,
    /// Number of requests before the one to be held, and where it is held.
    hold: Option<(u64, HoldPoint)>,
    /// Releases the held request. A new one for each hold, so that an earlier held request, such as that
    /// of a crashed device, never continues.
    released: Arc<Notify>,
}

impl FlakyHttp {
    /// Creates a network without faults; see `set_faults`.
    pub fn new(inner: Arc<dyn Http>, time: &Timeline, rng: SeededRng) -> Self {
        let state = NetworkState {
            rng,
            faults: FaultRates::none(),
            fault_counts: BTreeMap::new(),
            requests: 0,
            offline: false,
            late: Vec::new(),
            hold: None,
            released: Arc::default(),
        };
        Self { inner, time: time.clone(), state: Mutex::new(state), held: Notify::new() }
    }

    pub fn set_faults(&self, faults: FaultRates) {
        self.state().faults = faults;
    }
    /// Disconnects or connects the network. While disconnected, every request fails immediately.
    pub fn set_offline(&self, offline: bool) {
        self.state().offline = offline;
    }
    /// Returns how often each fault occurred.
    pub fn fault_counts(&self) -> BTreeMap<Fault, u64> {
        self.state().fault_counts.clone()
    }
    /// Returns the number of requests, including failed ones.
    pub fn requests(&self) -> u64 {
        self.state().requests
    }
    /// Holds the `n`th request from now (0: the next one) until `release`. `wait_until_held` waits for
    /// it.
    pub fn hold_at(&self, n: u64, point: HoldPoint) {
        let mut state = self.state();
        state.hold = Some((n, point));
        state.released = Arc::default();
    }
    /// Cancels a hold that has not started.
    pub fn cancel_hold(&self) {
        self.state().hold = None;
    }
    pub async fn wait_until_held(&self) {
        self.held.notified().await;
    }
    pub fn release(&self) {
        self.state().released.notify_one();
    }
    /// Sends the late requests to the server.
    pub async fn deliver_late(&self) {
        let late = std::mem::take(&mut self.state().late);
        for request in late {
            let _ = self.forward(request).await;
        }
    }

    async fn forward(&self, request: Request) -> Result<(u16, HeaderMap, Bytes), Failure> {
        let reply = self.inner.send(request).await?;
        let (status, headers) = (reply.status, reply.headers.clone());
        Ok((status, headers, reply.bytes(64 * 1024 * 1024).await?))
    }
    /// Advances the time by the timeout and returns the failure.
    fn time_out(&self, timeout: Duration) -> Failure {
        self.time.advance(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
        Failure::new(FailureKind::Timeout, format!("no response within {} ms", timeout.as_millis()))
    }
    fn state(&self) -> MutexGuard<'_, NetworkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait_for_release(&self) {
        let released = self.state().released.clone();
        self.held.notify_one();
        released.notified().await;
    }

    async fn inject(&self, fault: Fault, request: Request) -> Result<Reply, Failure> {
        let timeout = request.timeout;
        match fault {
            Fault::LoseRequest => Err(self.time_out(timeout)),
            Fault::LoseReply => {
                let _ = self.forward(request).await;
                Err(self.time_out(timeout))
            }
            Fault::Duplicate => {
                let _ = self.forward(request.clone()).await;
                let (status, headers, body) = self.forward(request).await?;
                Ok(reply::complete(status, headers, body))
            }
            Fault::Late => {
                self.state().late.push(request);
                Err(self.time_out(timeout))
            }
            Fault::CutBody => {
                let (status, headers, body) = self.forward(request).await?;
                let at = self.state().rng.below(body.len() as u64) as usize;
                Ok(hostile::truncated(status, headers, &body, at))
            }
            Fault::Unauthorized => Ok(reply::problem(401, ErrorCode::Unauthenticated, None)),
            // Carrel servers refuse batches; a single small row is refused only by a proxy.
            Fault::TooLarge if pushed_rows(&request) > 1 => {
                Ok(reply::problem(413, ErrorCode::TooLarge, None))
            }
            Fault::TooLarge => {
                Ok(reply::reply(413, "text/html", "<h1>413 Request Entity Too Large</h1>"))
            }
            Fault::RateLimited => {
                let wait = 1 + self.state().rng.below(90);
                Ok(reply::problem(429, ErrorCode::RateLimited, Some(wait)))
            }
            Fault::Internal => Ok(reply::problem(500, ErrorCode::Internal, None)),
            Fault::Unavailable => {
                Ok(reply::reply(503, "text/html", "<h1>503 Service Unavailable</h1>"))
            }
            Fault::Portal => Ok(hostile::portal()),
            Fault::Redirect => Ok(hostile::redirect()),
            Fault::WrongJson => {
                let texts = [
                    "{}",
                    "[]",
                    "null",
                    "{\"ok\":true}",
                    "\"fine\"",
                    "{\"epoch\":1,\"usn\":\"x\",\"results\":{},\"rows\":7}",
                ];
                let text = *self.state().rng.pick(&texts);
                Ok(reply::json(text))
            }
            Fault::WrongType => {
                let (status, mut headers, body) = self.forward(request).await?;
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                Ok(reply::complete(status, headers, body))
            }
            Fault::EndlessBody => Ok(hostile::endless_body("application/json", b"[[[[[[[[")),
            Fault::SlowBody => {
                let (status, headers, body) = self.forward(request).await?;
                let first = body.slice(..body.len().min(3));
                let time = self.time.clone();
                let late = move |n: usize| {
                    // Each piece is received just before the timeout; the last one is not received.
                    time.advance(i64::try_from(timeout.as_millis()).unwrap_or(0) - 1);
                    match first.get(n..=n) {
                        Some(byte) => Ok(Bytes::copy_from_slice(byte)),
                        None => {
                            Err(Failure::new(FailureKind::Timeout, "the response body timed out"))
                        }
                    }
                };
                let pieces = futures_util::stream::iter((0..4).map(late));
                Ok(Reply { status, headers, body: Box::pin(pieces) })
            }
            Fault::WrongCount => {
                let (status, headers, body) = self.forward(request).await?;
                Ok(reply::complete(status, headers, without_last(&body)))
            }
        }
    }
}

impl NetworkState {
    /// Returns how the next request is handled: disconnected, fault, hold, and whether late requests are
    /// processed before it.
    fn draw(&mut self) -> (bool, Option<Fault>, Option<HoldPoint>, bool) {
        self.requests += 1;
        let hold = match self.hold {
            Some((0, point)) => {
                self.hold = None;
                Some(point)
            }
            Some((n, point)) => {
                self.hold = Some((n - 1, point));
                None
            }
            None => None,
        };
        let draw = self.rng.below(1_000);
        let fault = if self.offline { None } else { self.faults.draw(draw) };
        let sends_late = !self.offline && !self.late.is_empty() && self.rng.permille(500);
        (self.offline, fault, hold, sends_late)
    }
}

/// Returns the number of rows of a push; 0 for other requests.
fn pushed_rows(request: &Request) -> usize {
    let body = request.body.as_deref().and_then(|b| serde_json::from_slice::<Value>(b).ok());
    body.and_then(|b| Some(b.get("items")?.as_array()?.len())).unwrap_or(0)
}

/// Returns a push reply without its last result, or another object without its last field.
fn without_last(body: &Bytes) -> Bytes {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice::<Value>(body) else {
        return Bytes::from_static(b"{");
    };
    match fields.get_mut("results").and_then(Value::as_array_mut) {
        Some(results) if !results.is_empty() => {
            results.pop();
        }
        _ => {
            let last = fields.keys().next_back().cloned();
            last.and_then(|name| fields.remove(&name));
        }
    }
    serde_json::to_vec(&fields).unwrap_or_default().into()
}

#[async_trait]
impl Http for FlakyHttp {
    fn set_network(&self, settings: &NetworkSettings) -> carrel_net::Result<()> {
        self.inner.set_network(settings)
    }
    fn network_changed(&self) {
        self.inner.network_changed();
    }
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let (offline, fault, hold, sends_late) = self.state().draw();
        if hold == Some(HoldPoint::Before) {
            self.wait_for_release().await;
        }
        if offline {
            return Err(Failure::new(FailureKind::Connect, "no route to the server"));
        }
        if sends_late {
            self.deliver_late().await;
        }
        // Duration of a request.
        self.time.advance(20);
        let reply = match fault {
            None => self
                .forward(request)
                .await
                .map(|(status, headers, body)| reply::complete(status, headers, body)),
            Some(fault) => {
                *self.state().fault_counts.entry(fault).or_default() += 1;
                tracing::debug!(fault = ?fault, url = %request.url, "fault injected");
                self.inject(fault, request).await
            }
        };
        if hold == Some(HoldPoint::After) {
            self.wait_for_release().await;
        }
        reply
    }
}
