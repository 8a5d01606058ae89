//! An in-memory sync server with the joins and change numbers of the real one, and injected faults.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Read,
    sync::{Arc, Mutex, MutexGuard},
};

use carrel_model::{
    ErrorCode,
    lattice::{Join, Row, RowKey},
    wire::{Meta, PullReply, PulledRow, PushReply, PushRequest, PushResult, ResultCode},
};
use carrel_net::{Failure, FailureKind, Request};
use http::header;
use serde_json::value::to_raw_value;
use tokio::sync::oneshot;

use crate::{Answer, Network, reply::problem_json};

/// How a request is handled.
pub enum Outcome {
    /// Not processed; the request times out.
    LoseRequest,
    /// Processed; the request times out.
    LoseReply,
    /// Not processed; this is the answer.
    Reply(Answer),
    /// Processed; this is the answer instead of the real one.
    ProcessAndReply(Answer),
    /// Processed; the reply is held until `resumed` resolves.
    Hold { processed: oneshot::Sender<()>, resumed: oneshot::Receiver<()> },
}

#[derive(Default)]
pub struct FakeServerState {
    pub epoch: String,
    pub usn: u64,
    pub rows: BTreeMap<RowKey, (u64, Row)>,
    /// JSON of rows of an unknown type, with their change numbers.
    pub unknown_rows: Vec<(u64, String)>,
    /// Outcomes of the next requests, by path.
    pub outcomes: BTreeMap<&'static str, VecDeque<Outcome>>,
    pub refuse: BTreeMap<RowKey, ResultCode>,
    /// A push that contains one of these keys is refused as a whole.
    pub reject_batches_with: Vec<RowKey>,
    pub max_items: Option<usize>,
    pub clock_ms: Option<i64>,
    /// The server's clock if `clock_ms` is not set: that of the first device.
    pub clock: Option<crate::FakeClock>,
    pub requests: BTreeMap<&'static str, usize>,
    pub pushed_items: usize,
    pub pulled_rows: usize,
    pub down: bool,
}

const PATHS: [&str; 4] = ["/api/sync/push", "/api/sync/pull", "/api/meta", "/api/sync/events"];

pub struct FakeServer {
    state: Mutex<FakeServerState>,
}

impl FakeServer {
    pub const BASE: &'static str = "http://fake.invalid";

    pub fn new() -> Arc<Self> {
        let state = FakeServerState { epoch: "e1".into(), ..FakeServerState::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }
    /// Returns a network that contains only this server.
    pub fn http(self: &Arc<Self>) -> Arc<Network> {
        let server = self.clone();
        Network::new(move |request| server.answer(request))
    }
    /// Handles a request to any address.
    pub fn answer(&self, request: &Request) -> Answer {
        let start = request.url.find("/api/").unwrap();
        let (path, query) = match request.url[start..].split_once('?') {
            Some(parts) => parts,
            None => (&request.url[start..], ""),
        };
        let path = *PATHS.iter().find(|p| **p == path).unwrap();
        let lost = || Answer::Fail(Failure::new(FailureKind::Timeout, "no response"));
        let outcome = {
            let mut state = self.state();
            *state.requests.entry(path).or_default() += 1;
            if state.down {
                return Answer::refused();
            }
            state.outcomes.get_mut(path).and_then(VecDeque::pop_front)
        };
        let handle = || Answer::from(self.state().handle(path, query, request));
        match outcome {
            None => handle(),
            Some(Outcome::LoseRequest) => lost(),
            Some(Outcome::LoseReply) => {
                handle();
                lost()
            }
            Some(Outcome::Reply(answer)) => answer,
            Some(Outcome::ProcessAndReply(answer)) => {
                handle();
                answer
            }
            Some(Outcome::Hold { processed, resumed }) => {
                let answer = handle();
                let _ = processed.send(());
                Answer::when(async move {
                    let _ = resumed.await;
                    answer
                })
            }
        }
    }
    pub fn state(&self) -> MutexGuard<'_, FakeServerState> {
        self.state.lock().unwrap()
    }
    pub fn enqueue(&self, path: &'static str, outcome: Outcome) {
        self.state().outcomes.entry(path).or_default().push_back(outcome);
    }
    pub fn row(&self, key: &RowKey) -> Option<Row> {
        self.state().rows.get(key).map(|(_, row)| row.clone())
    }
    pub fn put(&self, row: impl Into<Row>) {
        self.state().join(row.into());
    }
    /// Returns the number of rows.
    pub fn row_count(&self) -> usize {
        self.state().rows.len()
    }
    pub fn requests(&self, path: &'static str) -> usize {
        self.state().requests.get(path).copied().unwrap_or(0)
    }
}

impl FakeServerState {
    pub fn join(&mut self, row: Row) {
        let next = self.usn + 1;
        match self.rows.get_mut(&row.key()) {
            Some((usn, stored)) => {
                let before = stored.clone();
                stored.join(&row);
                if *stored != before {
                    (*usn, self.usn) = (next, next);
                }
            }
            None => {
                self.rows.insert(row.key(), (next, row));
                self.usn = next;
            }
        }
    }

    fn push(&mut self, request: &Request) -> (u16, Vec<u8>) {
        let body = request.body.clone().unwrap();
        let mut text = Vec::new();
        if request.headers.contains_key(header::CONTENT_ENCODING) {
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut text).unwrap();
        } else {
            text.extend_from_slice(&body);
        }
        let batch: PushRequest = serde_json::from_slice(&text).unwrap();
        if self.max_items.is_some_and(|max| batch.items.len() > max) {
            return (413, problem_json(413, ErrorCode::TooLarge));
        }
        let rows: Vec<Row> =
            batch.items.iter().map(|i| serde_json::from_str(i.get()).unwrap()).collect();
        self.pushed_items += rows.len();
        if rows.iter().any(|r| self.reject_batches_with.contains(&r.key())) {
            return (422, problem_json(422, ErrorCode::InvalidRequest));
        }
        let mut results = Vec::new();
        let before = self.usn;
        let mut own = true;
        for (index, row) in (0..).zip(rows) {
            let ahead = self.clock_ms.is_some_and(|now| {
                let minutes = 300_000;
                let most = match row {
                    Row::Progress(_) => 31 * 24 * 3_600_000,
                    _ => minutes,
                };
                row.stamp().is_some_and(|s| s.ms() > now.saturating_add(minutes))
                    || row.wall_ms().is_some_and(|ms| ms > now.saturating_add(most))
            });
            let code = match self.refuse.get(&row.key()) {
                Some(code) => *code,
                None if ahead => ResultCode::ClockSkew,
                None => ResultCode::Ok,
            };
            if code == ResultCode::Ok {
                let (sent, usn) = (row.clone(), self.usn);
                self.join(row);
                own &= self.usn == usn || self.rows[&sent.key()].1 == sent;
            }
            let reason =
                if code == ResultCode::Ok { String::new() } else { format!("simulated {code:?}") };
            results.push(PushResult { index, code, reason });
        }
        let reply = PushReply {
            epoch: self.epoch.clone(),
            usn: self.usn,
            own_since: own.then_some(before),
            results,
        };
        (200, serde_json::to_vec(&reply).unwrap())
    }

    fn pull(&mut self, query: &str) -> (u16, Vec<u8>) {
        let value = |name: &str| -> u64 {
            query
                .split('&')
                .find_map(|p| p.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
                .unwrap()
        };
        let (since, limit) = (value("since"), value("limit") as usize);
        let mut rows: Vec<PulledRow> = self
            .rows
            .values()
            .map(|(usn, row)| PulledRow { usn: *usn, row: to_raw_value(row).unwrap() })
            .chain(self.unknown_rows.iter().map(|(usn, text)| PulledRow {
                usn: *usn,
                row: serde_json::value::RawValue::from_string(text.clone()).unwrap(),
            }))
            .filter(|r| r.usn > since)
            .collect();
        rows.sort_by_key(|r| r.usn);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map_or(since, |r| r.usn);
        self.pulled_rows += rows.len();
        let reply = PullReply { epoch: self.epoch.clone(), rows, next, more };
        (200, serde_json::to_vec(&reply).unwrap())
    }

    fn handle(&mut self, path: &str, query: &str, request: &Request) -> (u16, Vec<u8>) {
        match path {
            "/api/sync/push" => self.push(request),
            "/api/sync/pull" => self.pull(query),
            "/api/meta" => {
                let meta = Meta {
                    external_sign_in: Some("School account".to_owned()),
                    password_reset: false,
                    name: "Fake".into(),
                    version: "1".into(),
                    epoch: self.epoch.clone(),
                    server_id: String::new(),
                    identity_proof: None,
                    sync_versions: vec![1],
                    signing_key: String::new(),
                    registration_open: true,
                    now_ms: self.clock_ms.unwrap_or_else(|| {
                        self.clock.as_ref().map_or(0, carrel_system::Clock::now_ms)
                    }),
                };
                (200, serde_json::to_vec(&meta).unwrap())
            }
            _ => (404, problem_json(404, ErrorCode::NotFound)),
        }
    }
}
