//! Push, pull, events and epoch (docs/SYNC.md). `push_validation` validates the rows, `domain` merges them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json as Reply,
    extract::State,
    http::{HeaderName, HeaderValue},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use carrel_model::{
    ErrorCode,
    lattice::Row,
    wire::{
        CatalogueEvent, ChangesEvent, EpochReply, MAX_PULL_ROWS, MAX_PUSH_BYTES, MAX_PUSH_ITEMS,
        PullReply, PulledRow, PushReply, PushRequest,
    },
};
use carrel_monitoring::RowFlow;
use serde::Deserialize;
use serde_json::value::to_raw_value;
use tokio::sync::broadcast::error::RecvError;

use super::{
    App,
    api_error::ApiError,
    catalogue::json_text,
    extract::{Json, Query, SignedInUser, SyncVersion},
};
use crate::{
    domain::admission::{Admitted, LARGE_PUSH},
    events::{Event, StreamEvent},
    push_validation,
};

/// Maximum size of a push, in bytes after decompression: the items and the envelope.
pub const PUSH_BODY: usize = MAX_PUSH_BYTES + 16 * 1024;
/// Default limit of a pull, in rows.
const PULL_DEFAULT: u32 = 500;
/// Maximum size of a page of pulled rows, in bytes.
const PULL_BYTES: usize = 4 * 1024 * 1024;
/// Interval of keep-alive messages on an idle stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Merges a batch of rows. Each row has its own result; an invalid row does not block the others.
#[utoipa::path(post, path = "/api/sync/push", tag = "sync", request_body = PushRequest,
    params(("Sync-Version" = Option<u32>, Header)),
    responses((status = 200, body = PushReply), (status = 400), (status = 401),
        (status = 413, description = "too_large: split the batch"), (status = 426, description = "too_new"),
        (status = 503, description = "unavailable: too many complete syncs; repeat after `Retry-After`")))]
pub async fn push(
    State(app): State<App>,
    caller: SignedInUser,
    _: SyncVersion,
    Json(request): Json<PushRequest, PUSH_BODY>,
) -> Result<Reply<PushReply>, ApiError> {
    if request.items.len() > MAX_PUSH_ITEMS {
        let detail =
            format!("{} rows in one push; the maximum is {MAX_PUSH_ITEMS}", request.items.len());
        return Err(ApiError {
            hint: "split the batch",
            ..ApiError::new(ErrorCode::TooLarge, detail)
        });
    }
    let _admitted = match request.items.len() {
        LARGE_PUSH.. => Some(admit(&app).await?),
        _ => None,
    };
    let now = app.clock.now_ms();
    let items = request.items;
    // Parsing a full batch takes some milliseconds, so it does not run on the async threads.
    let mut checked = blocking(move || push_validation::check(&items, now)).await?;
    let rows = std::mem::take(&mut checked.rows);
    let mut done = app.store.push(caller.author(), rows, false, now).await?;
    checked.refuse(std::mem::take(&mut done.refused));
    let refused =
        checked.results.iter().filter(|r| r.code != carrel_model::wire::ResultCode::Ok).count();
    let metrics = &app.data.config.metrics;
    metrics.rows(RowFlow::Accepted, checked.results.len() - refused);
    metrics.rows(RowFlow::Refused, refused);
    if done.payload_conflicts > 0 {
        tracing::warn!(
            user.id = %caller.user.id, device.id = %request.device_id, rows = done.payload_conflicts,
            "received different payloads for the same id"
        );
    }
    tracing::debug!(
        batch.id = %request.batch_id, batch.rows = checked.results.len(), batch.refused = refused,
        batch.changed = done.changed, "push"
    );
    Ok(Reply(PushReply {
        epoch: app.store.epoch().await?,
        usn: done.usn,
        own_since: done.own_since,
        results: checked.results,
    }))
}

/// Start and limit of a pull.
#[derive(Debug, Deserialize)]
pub struct PullQuery {
    #[serde(default)]
    since: u64,
    limit: Option<u32>,
}

/// Returns the rows changed after `since`, by change number.
#[utoipa::path(get, path = "/api/sync/pull", tag = "sync",
    params(("since" = Option<u64>, Query), ("limit" = Option<u32>, Query, maximum = 2000),
        ("Sync-Version" = Option<u32>, Header)),
    responses((status = 200, body = PullReply), (status = 400), (status = 401), (status = 426),
        (status = 503, description = "unavailable: too many complete syncs; repeat after `Retry-After`")))]
pub async fn pull(
    State(app): State<App>,
    caller: SignedInUser,
    _: SyncVersion,
    Query(query): Query<PullQuery>,
) -> Result<Response, ApiError> {
    let limit = query.limit.unwrap_or(PULL_DEFAULT);
    if !(1..=MAX_PULL_ROWS).contains(&limit) {
        return Err(ApiError::invalid(format!("limit: must be 1 to {MAX_PULL_ROWS}")));
    }
    let _admitted = match query.since {
        0 => Some(admit(&app).await?),
        _ => None,
    };
    let epoch = app.store.epoch().await?;
    let (found, more) = app.store.pull(caller.user.id, query.since, limit, PULL_BYTES).await?;
    app.data.config.metrics.rows(RowFlow::Pulled, found.len());
    let since = query.since;
    let body = blocking(move || page(epoch, since, found, more)).await?;
    let serialize_error = |e: serde_json::Error| ApiError::new(ErrorCode::Internal, e.to_string());
    Ok(json_text(body.map_err(serialize_error)?, "no-store"))
}

/// Admits a request of a complete sync.
async fn admit(app: &App) -> Result<Admitted, ApiError> {
    app.admission.admit(app.clock.now_ms()).await.map_err(|wait_ms| {
        let detail = "too many devices are syncing all their rows at the same time";
        ApiError::new(ErrorCode::Unavailable, detail).retry_after(wait_ms)
    })
}

/// Runs work of some milliseconds without blocking the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(f)
        .await
        .map_err(|e| ApiError::new(ErrorCode::Internal, e.to_string()))
}

/// Returns the reply to a pull as JSON: rows up to `PULL_BYTES`, but at least one.
fn page(
    epoch: String,
    since: u64,
    found: Vec<(u64, Row)>,
    mut more: bool,
) -> serde_json::Result<String> {
    let mut rows = Vec::with_capacity(found.len());
    let mut bytes = 0;
    for (usn, row) in found {
        let row = to_raw_value(&row)?;
        bytes += row.get().len();
        if bytes > PULL_BYTES && !rows.is_empty() {
            more = true;
            break;
        }
        rows.push(PulledRow { usn, row });
    }
    let next = rows.last().map_or(since, |r| r.usn);
    serde_json::to_string(&PullReply { epoch, rows, next, more })
}

/// Returns the epoch of the database and the learner's change number.
#[utoipa::path(get, path = "/api/sync/epoch", tag = "sync", params(("Sync-Version" = Option<u32>, Header)),
    responses((status = 200, body = EpochReply), (status = 401), (status = 426)))]
pub async fn epoch(
    State(app): State<App>,
    caller: SignedInUser,
    _: SyncVersion,
) -> Result<Reply<EpochReply>, ApiError> {
    Ok(Reply(EpochReply {
        epoch: app.store.epoch().await?,
        usn: app.store.usn(caller.user.id).await?,
    }))
}

/// Streams server-sent events: `changes` with `ChangesEvent` as data, once at the start and after each change that was
/// not made by this sign-in; `catalogue` with the revision after changes of the catalogue. The stream ends when the access token expires, the sign-in ends or the server stops.
#[utoipa::path(get, path = "/api/sync/events", tag = "sync", params(("Sync-Version" = Option<u32>, Header)),
    responses((status = 200, body = ChangesEvent, content_type = "text/event-stream"), (status = 401), (status = 426),
        (status = 429, description = "too many open streams")))]
pub async fn events(
    State(app): State<App>,
    caller: SignedInUser,
    _: SyncVersion,
) -> Result<Response, ApiError> {
    let user = caller.user.id;
    // Subscribes before reading the change number, so that a change between the two calls is reported twice, not
    // missed.
    let Some(mut subscription) = app.events.subscribe(user, caller.sign_in) else {
        return Err(ApiError::new(ErrorCode::RateLimited, "too many open event streams")
            .retry_after(60_000));
    };
    let epoch = app.store.epoch().await?;
    let mut usn = app.store.usn(user).await?;
    let revision = app.store.catalogue_revision().await?;
    let remaining =
        Duration::from_millis((caller.expires_ms - app.clock.now_ms()).max(0).unsigned_abs());
    let expired = tokio::time::sleep(remaining);
    let metrics = Arc::clone(&app.data.config.metrics);
    let open = metrics.open_stream();
    let stream = async_stream::stream! {
        let _open = open;
        tokio::pin!(expired);
        yield changes_event(usn, &epoch);
        // A device compares it with the revision of its last list.
        yield catalogue_event(revision);
        loop {
            let event = tokio::select! {
                event = subscription.events.recv() => Some(event),
                Ok(()) = subscription.catalogue.changed() => None,
                () = &mut expired => break,
                () = app.stopping.cancelled() => break,
            };
            let Some(event) = event else {
                let revision = *subscription.catalogue.borrow_and_update();
                yield catalogue_event(revision);
                continue;
            };
            match event {
                Ok(StreamEvent::Event(Event::RowsChanged { from, .. }))
                    if from == Some(caller.sign_in) => {}
                Ok(StreamEvent::Event(Event::RowsChanged { usn: now, .. })) => {
                    usn = usn.max(now);
                    yield changes_event(usn, &epoch);
                }
                // Reported by the channel of the catalogue.
                Ok(StreamEvent::Event(Event::CatalogueChanged { .. })) => {}
                Ok(StreamEvent::Event(Event::SignInEnded { sign_in, .. })) => {
                    if sign_in == caller.sign_in {
                        break;
                    }
                }
                Ok(StreamEvent::Replaced(stream)) => {
                    if stream == subscription.id {
                        break;
                    }
                }
                // Events were lost: what they would have reported is read.
                Ok(StreamEvent::Gap) | Err(RecvError::Lagged(_)) => {
                    if let Ok(true) = app.store.is_ended(caller.sign_in).await {
                        break;
                    }
                    if let Ok(revision) = app.store.catalogue_revision().await {
                        app.events.publish_local(Event::CatalogueChanged { revision });
                    }
                    let now = app.store.usn(user).await.unwrap_or(usn);
                    if now > usn {
                        usn = now;
                        yield changes_event(usn, &epoch);
                    }
                }
                Err(RecvError::Closed) => break,
            }
        }
    };
    let mut reply =
        Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // Proxies must not buffer events.
    reply
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(reply)
}

fn changes_event(usn: u64, epoch: &str) -> Result<sse::Event, Infallible> {
    let data =
        serde_json::to_string(&ChangesEvent { usn, epoch: epoch.to_owned() }).unwrap_or_default();
    Ok(sse::Event::default().event("changes").id(usn.to_string()).data(data))
}

fn catalogue_event(revision: u64) -> Result<sse::Event, Infallible> {
    let data = serde_json::to_string(&CatalogueEvent { revision }).unwrap_or_default();
    Ok(sse::Event::default().event("catalogue").data(data))
}
