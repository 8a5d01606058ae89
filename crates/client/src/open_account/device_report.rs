//! Reports this device to the server: version of the app, rows that wait or were refused, downloads. Staff of the school
//! see it for the learners of their classes.

use std::{sync::Arc, time::Duration};

use carrel_content::{Content, Kind, download::Downloads};
use carrel_learning::store::{Store, checked, outbox};
use carrel_model::{
    ItemId,
    lattice::Row,
    wire::{DeviceDownload, DeviceReport, RefusedRow},
};
use carrel_net::{Http, Request};
use carrel_sqlite::{Change, Changes};
use carrel_sync::{Phase, Sync};
use carrel_system::{Clock, blocking};
use http::{Method, header};
use tokio::sync::broadcast::error::RecvError;

use crate::{Error, Result};

/// Least time between two reports.
const MIN_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// An unchanged report is sent again after this time.
const REPEAT_AFTER_MS: i64 = 24 * 3_600_000;
/// Maximum length of the text of a refusal, in characters.
const MAX_REASON: usize = 150;

/// What the task works with.
pub(super) struct Reporter {
    pub sync: Arc<Sync>,
    pub store: Arc<Store>,
    pub content: Arc<Content>,
    pub http: Arc<dyn Http>,
    /// Without a trailing slash.
    pub base_url: String,
    pub app_version: String,
    pub clock: Arc<dyn Clock>,
    pub changes: Changes,
}

/// Sends a report after a sync, if it differs from the last one or that one is a day old. Ends if the server does not
/// accept reports.
pub(super) async fn report(reporter: Reporter) {
    let mut changes = reporter.changes.subscribe();
    let mut sent: Option<(DeviceReport, i64)> = None;
    loop {
        match reporter.due(sent.as_ref()).await {
            Ok(Some(report)) => {
                match reporter.send(&report).await {
                    Ok(true) => sent = Some((report, reporter.clock.now_ms())),
                    Ok(false) => return tracing::info!("the server accepts no device reports"),
                    Err(e) => tracing::info!(error = %e, "the device report could not be sent"),
                }
                // Changes of this time are in the next report.
                reporter.clock.sleep(MIN_INTERVAL).await;
                continue;
            }
            Ok(None) => {}
            Err(e) => tracing::warn!(error = %e, "the device report could not be read"),
        }
        loop {
            match changes.recv().await {
                Ok(set) if set.contains(&Change::Sync) || set.contains(&Change::Downloads) => break,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return,
            }
        }
    }
}

impl Reporter {
    /// Returns the report to send now; `None` if there is none.
    async fn due(&self, sent: Option<&(DeviceReport, i64)>) -> Result<Option<DeviceReport>> {
        let status = self.sync.status().await?;
        if status.phase != Phase::Idle || status.last_ok_ms.is_none() {
            return Ok(None);
        }
        let report = self.read().await?;
        let is_due = sent.is_none_or(|(last, at_ms)| {
            *last != report || self.clock.now_ms() - at_ms >= REPEAT_AFTER_MS
        });
        Ok(is_due.then_some(report))
    }

    async fn read(&self) -> Result<DeviceReport> {
        let downloads = self.content.downloads.clone();
        let downloads = blocking(move || read_downloads(&downloads)).await?;
        let read = self.store.read(|conn| {
            let (waiting, refused) = outbox::counts(conn)?;
            let oldest_waiting_ms = outbox::oldest_ms(conn)?;
            let mut refusals = Vec::new();
            for row in outbox::refused(conn)?.into_iter().take(DeviceReport::MAX_REFUSALS) {
                refusals.push(RefusedRow {
                    row_type: row.key.row_type.as_str().to_owned(),
                    item: checked::get(conn, &row.key)?.as_ref().and_then(item_of),
                    code: row.code,
                    reason: row.reason.chars().take(MAX_REASON).collect(),
                    at_ms: row.at_ms,
                });
            }
            Ok::<_, carrel_learning::Error>((waiting, refused, oldest_waiting_ms, refusals))
        });
        let (waiting, refused, oldest_waiting_ms, refusals) = read.await?;
        Ok(DeviceReport {
            app_version: self.app_version.clone(),
            platform: std::env::consts::OS.to_owned(),
            waiting,
            oldest_waiting_ms,
            refused,
            refusals,
            downloads,
        })
    }

    /// Sends a report. Returns false if the server has no such route, as servers of earlier releases.
    async fn send(&self, report: &DeviceReport) -> Result<bool> {
        let url = format!("{}/api/me/device", self.base_url);
        let mut request = Request::new(Method::PUT, &url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        request.body = Some(serde_json::to_vec(report).map_err(carrel_net::Error::from)?.into());
        let reply = self.http.send(request).await.map_err(carrel_net::Error::from)?;
        match reply.status {
            200..300 => Ok(true),
            404 | 405 => Ok(false),
            status => Err(Error::Internal(format!("{url}: status {status}"))),
        }
    }
}

/// Returns the whole courses and stories that the learner requested, courses first, by id.
fn read_downloads(downloads: &Downloads) -> Result<Vec<DeviceDownload>> {
    let mut found: Vec<DeviceDownload> = downloads
        .all_states()?
        .into_iter()
        .filter(|(target, _)| target.is_whole())
        .map(|(target, state)| DeviceDownload {
            kind: if target.kind == Kind::Course { "course" } else { "story" }.to_owned(),
            id: target.id,
            phase: state.phase.as_str().to_owned(),
            version: state.ready_version,
        })
        .collect();
    found.sort_by(|a, b| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)));
    found.truncate(DeviceReport::MAX_DOWNLOADS);
    Ok(found)
}

/// Returns the course, story, section or word to which a row belongs.
fn item_of(row: &Row) -> Option<ItemId> {
    match row {
        Row::Progress(row) => Some(row.item.clone()),
        Row::Session(row) => Some(row.item.clone()),
        Row::Attempt(row) => Some(row.quiz.clone()),
        Row::Review(row) => Some(row.word.clone()),
        Row::NoteRevision(row) => Some(row.item.clone()),
        _ => None,
    }
}
