//! Servers with known bugs. A run against each of them must fail: the simulation detects these bugs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use carrel_net::{Failure, Http, NetworkSettings, Reply, Request};
use carrel_testkit::{SeededRng, reply};
use http::header;
use serde_json::Value;

/// A bug of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerBug {
    /// `time_spent = old + new`: a retried request counts twice.
    CountsTimeTwice,
    /// Replies `ok` for rows that it does not store.
    DropsAcknowledged,
    /// `ON CONFLICT DO NOTHING`: a row never changes after its first version.
    KeepsFirstVersion,
    /// Omits some rows of a pull, as if they were committed in another order than that of the cursor.
    SkipsRows,
    /// Keeps its epoch after a restore.
    KeepsEpochAfterRestore,
    /// The register that arrives last wins instead of the one with the highest stamp.
    LastArrivalWins,
    /// Returns rows that no device sent.
    ReturnsUnsentRows,
    /// Reports after each push that all new rows are from this device, although other devices sent rows too.
    ReportsAllRowsAsOwn,
}

impl ServerBug {
    pub const ALL: [Self; 8] = [
        Self::CountsTimeTwice,
        Self::DropsAcknowledged,
        Self::KeepsFirstVersion,
        Self::SkipsRows,
        Self::KeepsEpochAfterRestore,
        Self::LastArrivalWins,
        Self::ReturnsUnsentRows,
        Self::ReportsAllRowsAsOwn,
    ];
}

/// A client's network that changes requests and replies as if the server had the bug `bug`.
pub struct FaultyServer {
    inner: std::sync::Arc<dyn Http>,
    bug: ServerBug,
    state: Mutex<State>,
}

struct State {
    rng: SeededRng,
    epoch: Option<Value>,
    seen: BTreeSet<String>,
    time: BTreeMap<String, i64>,
    /// Change number up to which this device has pulled.
    pulled: u64,
}

impl FaultyServer {
    pub fn new(inner: std::sync::Arc<dyn Http>, bug: ServerBug) -> Self {
        let state = State {
            rng: SeededRng::new(7),
            epoch: None,
            seen: BTreeSet::new(),
            time: BTreeMap::new(),
            pulled: 0,
        };
        Self { inner, bug, state: Mutex::new(state) }
    }

    /// Changes a push before it is sent. A dropped row is replaced by a row without effect, because the reply must
    /// contain a result for each row.
    fn change_push(&self, body: &mut Value) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(items) = body.get_mut("items").and_then(Value::as_array_mut) else { return };
        let no_effect = serde_json::json!({ "type": "review_void", "id": "00000000-0000-7000-8000-000000000000" });
        for item in items {
            let text =
                |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            match (self.bug, text("type").as_str()) {
                (ServerBug::CountsTimeTwice, "session") => {
                    let sum = state.time.entry(text("id")).or_default();
                    *sum += item["activeMs"].as_i64().unwrap_or(0);
                    item["activeMs"] = (*sum).into();
                }
                (ServerBug::DropsAcknowledged, _) if state.rng.permille(100) => {
                    *item = no_effect.clone()
                }
                (ServerBug::KeepsFirstVersion, "progress")
                    if !state.seen.insert(format!("{} {}", text("kind"), text("item"))) =>
                {
                    *item = no_effect.clone();
                }
                (ServerBug::LastArrivalWins, "kv") => {
                    let arrival = state.seen.len();
                    state.seen.insert(format!("arrival {arrival}"));
                    let late = 1_795_176_000_000_i64 + arrival as i64;
                    item["hlc"] = format!("{:016x}", late << 16 | 0xfff0).into();
                }
                _ => {}
            }
        }
    }

    fn change_reply(&self, body: &mut Value) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.bug {
            ServerBug::KeepsEpochAfterRestore if body.get("epoch").is_some() => {
                let first = state.epoch.get_or_insert_with(|| body["epoch"].clone()).clone();
                body["epoch"] = first;
            }
            ServerBug::SkipsRows => {
                let Some(rows) = body.get_mut("rows").and_then(Value::as_array_mut) else { return };
                rows.retain(|_| !state.rng.permille(50));
            }
            ServerBug::ReturnsUnsentRows => {
                let next = body.get("next").cloned();
                let Some(rows) = body.get_mut("rows").and_then(Value::as_array_mut) else { return };
                if !rows.is_empty() && state.rng.permille(200) {
                    let row = serde_json::json!({ "type": "progress", "kind": "section", "item": "rivers/unknown/section", "percent": 100 });
                    rows.push(serde_json::json!({ "usn": next, "row": row }));
                }
            }
            ServerBug::ReportsAllRowsAsOwn => match (body["next"].as_u64(), body["usn"].as_u64()) {
                (Some(next), _) => state.pulled = next,
                (_, Some(usn)) if body.get("results").is_some() => {
                    body["ownSince"] = state.pulled.into();
                    state.pulled = usn;
                }
                _ => {}
            },
            _ => {}
        }
    }
}

#[async_trait]
impl Http for FaultyServer {
    fn set_network(&self, settings: &NetworkSettings) -> carrel_net::Result<()> {
        self.inner.set_network(settings)
    }
    fn network_changed(&self) {
        self.inner.network_changed();
    }
    async fn send(&self, mut request: Request) -> Result<Reply, Failure> {
        if request.headers.contains_key(header::CONTENT_ENCODING) {
            // The client then sends the body uncompressed, so that it can be changed.
            return Ok(reply::reply(415, "text/plain", "compressed bodies are not supported"));
        }
        if request.url.ends_with("/api/sync/push")
            && let Some(mut body) =
                request.body.as_deref().and_then(|b| serde_json::from_slice::<Value>(b).ok())
        {
            self.change_push(&mut body);
            request.body = Some(body.to_string().into());
        }
        let is_sync = request.url.contains("/api/sync/");
        let reply = self.inner.send(request).await?;
        let (status, headers) = (reply.status, reply.headers.clone());
        let bytes = reply.bytes(64 * 1024 * 1024).await?;
        if !is_sync || status != 200 {
            return Ok(reply::complete(status, headers, bytes));
        }
        let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else {
            return Ok(reply::complete(status, headers, bytes));
        };
        self.change_reply(&mut body);
        Ok(reply::complete(status, headers, body.to_string().into()))
    }
}
