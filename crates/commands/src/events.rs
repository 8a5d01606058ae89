//! Converts changes of the client to events for the UI.
//!
//! Not here: how events reach the UI; each host sends them.

use std::{collections::BTreeSet, sync::Arc};

use carrel_client::{
    Change, Client, OpenAccount,
    content::{
        Kind,
        download::{DownloadTarget, Phase, State},
    },
};
use carrel_model::Slug;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    api::event::{Topic, UiEvent},
    handlers::{bundle, download::state_view, sync::status_view},
};

/// Calls `emit` for each event. The future keeps the client alive and never completes, so it needs its own task.
pub async fn forward(client: Arc<Client>, emit: impl Fn(UiEvent) + Send + Sync) {
    let mut changes = client.changes().subscribe();
    loop {
        match changes.recv().await {
            Ok(set) => events(&client, &set).await.into_iter().for_each(&emit),
            // Changes were missed, so every view has to repeat its queries.
            Err(RecvError::Lagged(_)) => all_events(&client).await.into_iter().for_each(&emit),
            Err(RecvError::Closed) => break,
        }
    }
}

/// Returns the events for a UI that missed some: all topics, and the state of the transfer, all downloads and sync.
pub async fn all_events(client: &Client) -> Vec<UiEvent> {
    let mut events = vec![UiEvent::Changed { topics: Topic::all() }];
    events.push(UiEvent::Transfer { state: bundle::state_view(client.transfers()) });
    if let Some(account) = client.account() {
        match account.content.blocking(|content| content.downloads.all_states()).await {
            Ok(states) => events.extend(states.into_iter().map(|(target, state)| {
                let id = target.name().to_owned();
                UiEvent::Download { id, state: state_view(&state, 0, None) }
            })),
            Err(e) => tracing::warn!(error = %e, "the download states could not be read"),
        }
        events.extend(sync_event(&account).await);
    }
    events
}

async fn sync_event(account: &OpenAccount) -> Option<UiEvent> {
    let status = account.sync.status().await.ok()?;
    Some(UiEvent::Sync { status: status_view(&status, account.network_cause()) })
}

async fn events(client: &Client, changes: &BTreeSet<Change>) -> Vec<UiEvent> {
    let mut topics = Vec::new();
    let mut events = Vec::new();
    let mut status_changed = false;
    let account = client.account();
    for change in changes {
        match change {
            Change::Account => topics.push(Topic::Account),
            Change::Catalogue => topics.push(Topic::Catalogue),
            Change::Progress(root) => topics.push(Topic::Progress { root: root.clone() }),
            Change::Enrolment(course) => {
                topics.push(Topic::Enrolment { course: course.to_string() })
            }
            Change::Words => topics.push(Topic::Words),
            Change::Notes => topics.push(Topic::Notes),
            Change::Settings => topics.push(Topic::Settings),
            Change::Receipts => topics.push(Topic::Receipts),
            Change::Downloads => topics.push(Topic::Downloads),
            Change::DownloadProgress(id) => {
                let state = state_view(&download_state(account.as_deref(), id).await, 0, None);
                events.push(UiEvent::Download { id: id.clone(), state });
            }
            Change::Storage => topics.push(Topic::Storage),
            Change::Updates => topics.push(Topic::Updates),
            Change::Transfer => {
                events.push(UiEvent::Transfer { state: bundle::state_view(client.transfers()) });
            }
            // The status includes the number of unsent changes; without a network no other event reports its growth.
            Change::Sync | Change::Outbox => status_changed = true,
        }
    }
    if status_changed && let Some(account) = &account {
        events.extend(sync_event(account).await);
    }
    if !topics.is_empty() {
        events.push(UiEvent::Changed { topics });
    }
    events
}

/// Returns the download state of the course, story or lesson (by its item id) in an event; absent if it is not on this
/// device.
async fn download_state(account: Option<&OpenAccount>, id: &str) -> State {
    let Some(account) = account else { return State::default() };
    let targets = match id.split_once('/') {
        Some((course, _)) => Slug::new(course).map(|c| vec![DownloadTarget::lesson(&c, id)]),
        None => Slug::new(id)
            .map(|id| [Kind::Course, Kind::Story].map(|k| DownloadTarget::whole(k, &id)).to_vec()),
    };
    let found = account.content.blocking(move |content| {
        let states =
            targets.into_iter().flatten().filter_map(|t| content.downloads.state_of(&t).ok());
        Ok(states.into_iter().find(|s| s.phase != Phase::Absent).unwrap_or_default())
    });
    found.await.unwrap_or_default()
}
