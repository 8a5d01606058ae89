//! Sends push, pull, epoch and event requests over `Http`. Replies are limited in bytes and time, and validated.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use carrel_model::wire::{MIN_SYNC_VERSION, Meta, PullReply, PushReply, PushRequest, SYNC_VERSION};
use carrel_net::{Http, Reply, Request, Session, reply::ClassifiedReply};
use carrel_system::Clock;
use futures_util::future::{Either, select};
use http::{HeaderName, HeaderValue, Method, header};
use serde::de::DeserializeOwned;

use crate::Fault;

/// Limit of a push reply in bytes: enough for 2,000 results with a reason each.
const MAX_PUSH_REPLY_BYTES: usize = 1024 * 1024;
/// Limit of a pull reply in bytes: enough for 2,000 ordinary rows. The machine requests fewer if rows are larger.
const MAX_PULL_REPLY_BYTES: usize = 8 * 1024 * 1024;
const MAX_SMALL_REPLY_BYTES: usize = 64 * 1024;
/// Maximum duration of one exchange, up to the last byte of the reply.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(120);
/// Maximum time without data on the event stream: three keep-alive intervals of the server.
const STREAM_TIMEOUT: Duration = Duration::from_secs(45);
/// Minimum size in bytes of a body that is compressed.
const MIN_COMPRESSED_BYTES: usize = 1024;
const SYNC_HEADER: HeaderName = HeaderName::from_static("sync-version");
/// `MIN_SYNC_VERSION` as the value of the header.
const OLDEST_VERSION: &str = "1";
const _: () = assert!(MIN_SYNC_VERSION == 1, "OLDEST_VERSION is the oldest version");

/// Requests of the sync protocol to one server.
pub struct Transport {
    http: Arc<dyn Http>,
    base: String,
    session: Option<Session>,
    clock: Arc<dyn Clock>,
    /// The server does not accept compressed bodies.
    uncompressed_only: AtomicBool,
    /// The sync version of the requests.
    version: AtomicU32,
}

/// A batch of rows, encoded for sending.
pub struct EncodedBatch {
    items: usize,
    json: Bytes,
    compressed: Option<Bytes>,
}

impl Transport {
    /// Creates a transport. `http` adds the access token; `base` has no trailing slash. A 401 is `Fault::SignedOut`
    /// only if there is a `session` and it ended.
    pub fn new(
        http: Arc<dyn Http>,
        base: &str,
        session: Option<Session>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            http,
            base: base.to_owned(),
            session,
            clock,
            uncompressed_only: AtomicBool::new(false),
            version: AtomicU32::new(SYNC_VERSION),
        }
    }

    /// Encodes a batch. Separate from `push`, so that it can run while another batch is in flight.
    pub fn encode(&self, batch: &PushRequest) -> Result<EncodedBatch, Fault> {
        let json: Bytes = serde_json::to_vec(batch).map_err(|_| Fault::BadReply)?.into();
        let is_compressed =
            json.len() >= MIN_COMPRESSED_BYTES && !self.uncompressed_only.load(Ordering::Relaxed);
        let compressed = is_compressed.then(|| compress(&json)).flatten();
        Ok(EncodedBatch { items: batch.items.len(), json, compressed })
    }

    /// Sends a batch. Returns `BadReply` unless the reply has exactly one result for each item.
    pub async fn push(&self, batch: &EncodedBatch) -> Result<PushReply, Fault> {
        let mut reply = self.exchange(self.push_request(batch), MAX_PUSH_REPLY_BYTES).await;
        if reply == Err(Fault::UnsupportedEncoding) {
            self.uncompressed_only.store(true, Ordering::Relaxed);
            reply = self.exchange(self.push_request(batch), MAX_PUSH_REPLY_BYTES).await;
        }
        let mut reply: PushReply = read(&reply?)?;
        reply.results.sort_by_key(|r| r.index);
        let is_complete = reply.results.len() == batch.items
            && reply.results.iter().zip(0..).all(|(r, i): (_, u32)| r.index == i);
        if !is_complete || reply.epoch.is_empty() {
            tracing::warn!(
                sync.results = reply.results.len(),
                sync.items = batch.items,
                "invalid reply to a push"
            );
            return Err(Fault::BadReply);
        }
        Ok(reply)
    }

    /// Fetches the rows after change number `since`. Returns `BadReply` for rows out of order or an invalid cursor.
    pub async fn pull(&self, since: u64, limit: u32) -> Result<PullReply, Fault> {
        let request =
            self.request(Method::GET, &format!("/api/sync/pull?since={since}&limit={limit}"));
        let reply: PullReply = read(&self.exchange(request, MAX_PULL_REPLY_BYTES).await?)?;
        let mut last = since;
        let in_order = reply.rows.iter().all(|r| {
            let ok = r.usn > since && r.usn >= last;
            last = r.usn;
            ok
        });
        // The cursor must be the change number of the last row: a greater one would skip rows.
        let is_cursor_valid = reply.next == last
            && (!reply.more || reply.next > since)
            && i64::try_from(reply.next).is_ok();
        if !in_order
            || !is_cursor_valid
            || reply.epoch.is_empty()
            || reply.rows.len() > limit as usize
        {
            tracing::warn!(
                sync.since = since,
                sync.next = reply.next,
                sync.rows = reply.rows.len(),
                "invalid reply to a pull"
            );
            return Err(Fault::BadReply);
        }
        Ok(reply)
    }

    /// Returns the server's clock minus the local one, in ms.
    pub async fn clock_offset(&self) -> Result<i64, Fault> {
        let sent_ms = self.clock.now_ms();
        let meta: Meta = read(
            &self.exchange(self.request(Method::GET, "/api/meta"), MAX_SMALL_REPLY_BYTES).await?,
        )?;
        let received_ms = self.clock.now_ms();
        // Assumes that the server read its clock halfway through the exchange.
        Ok(meta.now_ms.saturating_sub(sent_ms.saturating_add(received_ms) / 2))
    }

    /// Returns the epoch of the server's database. Sent without a token, so that it works after the session ended.
    pub async fn epoch(&self) -> Result<String, Fault> {
        let request = self.request(Method::GET, "/api/meta");
        let meta = async {
            let reply = match &self.session {
                Some(session) => session.send_without_token(request).await?,
                None => self.http.send(request).await?,
            };
            self.body(reply, MAX_SMALL_REPLY_BYTES).await
        };
        match select(Box::pin(meta), self.clock.sleep(EXCHANGE_TIMEOUT)).await {
            Either::Left((body, _)) => Ok(read::<Meta>(&body?)?.epoch),
            Either::Right(_) => Err(Fault::Offline),
        }
    }

    /// Opens the event stream.
    pub async fn events(&self) -> Result<Reply, Fault> {
        let request = self
            .request(Method::GET, "/api/sync/events")
            .header(header::ACCEPT, "text/event-stream")
            .timeout(STREAM_TIMEOUT);
        match self.stream(request.clone()).await {
            Ok(reply) => Ok(reply),
            Err(fault) => match self.older_request(Some(&fault), request) {
                Some(request) => self.stream(request).await,
                None => Err(fault),
            },
        }
    }
    async fn stream(&self, request: Request) -> Result<Reply, Fault> {
        let reply = self.http.send(request).await?;
        let is_stream =
            reply.header(header::CONTENT_TYPE).is_some_and(|t| t.starts_with("text/event-stream"));
        if reply.status == 200 && is_stream {
            return Ok(reply);
        }
        match self.body(reply, MAX_SMALL_REPLY_BYTES).await {
            Ok(_) => Err(Fault::BadReply),
            Err(fault) => Err(fault),
        }
    }

    fn request(&self, method: Method, path: &str) -> Request {
        Request::new(method, format!("{}{path}", self.base))
            .header(SYNC_HEADER, &self.version.load(Ordering::Relaxed).to_string())
            .header(header::ACCEPT, "application/json")
    }
    fn push_request(&self, batch: &EncodedBatch) -> Request {
        let mut request = self
            .request(Method::POST, "/api/sync/push")
            .header(header::CONTENT_TYPE, "application/json");
        let compressed =
            batch.compressed.clone().filter(|_| !self.uncompressed_only.load(Ordering::Relaxed));
        if compressed.is_some() {
            request.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        request.body = Some(compressed.unwrap_or_else(|| batch.json.clone()));
        request
    }

    async fn exchange(&self, request: Request, limit: usize) -> Result<Bytes, Fault> {
        let reply = self.exchange_once(request.clone(), limit).await;
        match self.older_request(reply.as_ref().err(), request) {
            Some(request) => self.exchange_once(request, limit).await,
            None => reply,
        }
    }
    /// Returns the request in the oldest sync version if the server supports no newer one. It keeps the fields of this
    /// version as unknown ones. The newest version is tried again after a restart.
    fn older_request(&self, fault: Option<&Fault>, mut request: Request) -> Option<Request> {
        let is_refused = fault == Some(&Fault::TooNew)
            && request.headers.get(SYNC_HEADER).is_some_and(|v| v != OLDEST_VERSION);
        if is_refused {
            tracing::info!("the server supports only an older version of the protocol");
            self.version.store(MIN_SYNC_VERSION, Ordering::Relaxed);
            request.headers.insert(SYNC_HEADER, HeaderValue::from_static(OLDEST_VERSION));
        }
        is_refused.then_some(request)
    }
    async fn exchange_once(&self, request: Request, limit: usize) -> Result<Bytes, Fault> {
        let whole = Box::pin(async {
            let reply = self.http.send(request).await?;
            self.body(reply, limit).await
        });
        match select(whole, self.clock.sleep(EXCHANGE_TIMEOUT)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(Fault::Offline),
        }
    }

    /// Returns the body of a 200; for other statuses, the fault.
    async fn body(&self, reply: Reply, limit: usize) -> Result<Bytes, Fault> {
        let status = reply.status;
        if status == 200 {
            return Ok(reply.bytes(limit).await?);
        }
        let reply = ClassifiedReply::read(reply, Some(self.clock.now_ms())).await;
        let is_ended = self.session.as_ref().is_some_and(Session::is_ended);
        let fault = Fault::of(reply, is_ended);
        tracing::debug!(http.status = status, sync.fault = ?fault, "sync request failed");
        Err(fault)
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|e| {
        tracing::warn!(error = %e, "the reply is not from a Carrel server");
        Fault::BadReply
    })
}

fn compress(body: &[u8]) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(
        Vec::with_capacity(body.len() / 4),
        flate2::Compression::fast(),
    );
    encoder.write_all(body).ok()?;
    Some(encoder.finish().ok()?.into())
}
