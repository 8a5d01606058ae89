//! The background tasks of an open account. They end when the account is closed.
//!
//! Not here: the tasks of sync and downloads, which their crates start.

use std::{sync::Arc, time::Duration};

use carrel_content::{Content, Kind};
use carrel_learning::{Learning, store::Store};
use carrel_model::wire::UserInfo;
use carrel_sqlite::{Change, Changes};
use carrel_sync::{Phase, Sync};
use carrel_system::{Clock, blocking};
use tokio::sync::{broadcast::error::RecvError, watch};

use crate::{
    Result, account,
    account::Accounts,
    open_account::{Shared, store_identity},
};

/// How often to check whether a database backup is due.
const BACKUP_CHECK_INTERVAL: Duration = Duration::from_secs(3600);

/// Backs up the database once a day.
pub(super) async fn back_up_daily(store: Arc<Store>, clock: Arc<dyn Clock>) {
    loop {
        if let Err(e) = store.maintain().await {
            tracing::warn!(error = %e, "the daily backup failed");
        }
        clock.sleep(BACKUP_CHECK_INTERVAL).await;
    }
}

/// Prefetches the most recently read section or story into memory, so that it opens without delay.
pub(super) async fn prefetch_latest(learning: Arc<Learning>, content: Arc<Content>) {
    let latest = match learning.latest(8).await {
        Ok(latest) => latest,
        Err(e) => return tracing::warn!(error = %e, "the last reading position could not be read"),
    };
    for record in latest {
        match content.prefetcher.start(&record.row.item).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(e) => {
                tracing::info!(prefetch.item = %record.row.item, error = %e, "an item could not be prefetched");
            }
        }
    }
}

/// An account's entry in the list of accounts, which the tasks update.
#[derive(Clone)]
pub(super) struct AccountEntry {
    pub accounts: Arc<Accounts>,
    pub changes: Changes,
    pub id: String,
}

impl AccountEntry {
    /// Changes the entry, and publishes the change if `f` returns true.
    async fn change(&self, f: impl FnOnce(&Accounts, &str) -> Result<bool> + Send + 'static) {
        let (accounts, id) = (self.accounts.clone(), self.id.clone());
        match blocking(move || f(&accounts, &id)).await {
            Ok(true) => self.changes.publish_one(Change::Account),
            Ok(false) => {}
            Err(e) => tracing::error!(error = %e, "the list of accounts could not be saved"),
        }
    }
}

/// Stores the user and certificate that the server returned.
pub(super) async fn store_user(
    entry: AccountEntry,
    mut users: watch::Receiver<Option<(UserInfo, String)>>,
) {
    while users.changed().await.is_ok() {
        let Some((user, certificate)) = users.borrow_and_update().clone() else { continue };
        entry.change(move |accounts, id| accounts.update_user(id, &user, &certificate)).await;
    }
}

/// Stores whether the learner has to sign in again.
pub(super) async fn store_needs_sign_in(
    entry: AccountEntry,
    mut ended: watch::Receiver<bool>,
    mut found: watch::Receiver<bool>,
) {
    loop {
        // Until the session ends or tokens are found, which may be before this task starts, the stored state is kept.
        let needs_sign_in = *ended.borrow_and_update();
        let is_known = needs_sign_in || *found.borrow_and_update();
        if is_known {
            entry.change(move |accounts, id| accounts.set_needs_sign_in(id, needs_sign_in)).await;
        }
        tokio::select! {
            changed = ended.changed() => if changed.is_err() { return },
            changed = found.changed() => if changed.is_err() { return },
        }
    }
}

/// Requests the lists of courses and stories again when the server reports a revision of the catalogue that they do not
/// have yet. After a failure the next report counts: the server makes one when the stream is opened again.
pub(super) async fn refresh_catalogue(
    mut reported: watch::Receiver<Option<u64>>,
    content: Arc<Content>,
) {
    let mut refreshed = None;
    loop {
        let revision = *reported.borrow_and_update();
        if revision != refreshed {
            let mut done = Ok(());
            for kind in [Kind::Course, Kind::Story] {
                done = done.and(content.library.refresh(kind).await);
            }
            match done {
                Ok(()) => refreshed = revision,
                Err(e) => tracing::info!(error = %e, "the lists could not be refreshed"),
            }
        }
        if reported.changed().await.is_err() {
            return;
        }
    }
}

/// Requests the server's identity after a successful sync, for an account whose entry has none.
pub(super) async fn request_identity(
    shared: Shared,
    id: String,
    sync: Arc<Sync>,
    content: Arc<Content>,
) {
    let mut changes = shared.changes.subscribe();
    loop {
        // Missed changes are handled like a received change: the status is read.
        if matches!(changes.recv().await, Err(RecvError::Closed)) {
            return;
        }
        let has_synced = matches!(sync.status().await, Ok(s) if s.phase == Phase::Idle && s.last_ok_ms.is_some());
        if !has_synced {
            continue;
        }
        let (http, clock, ids) = (&shared.config.http, &shared.config.clock, &shared.config.ids);
        let address = content.library.base_url();
        match account::check_server(http.as_ref(), clock.as_ref(), address).await {
            Ok(server) => {
                let (address, meta) = (&server.address, &server.meta);
                let identity = account::identity(http.as_ref(), address, meta, ids.as_ref()).await;
                let stored = store_identity(&shared.accounts, &id, &content, identity).await;
                if let Err(e) = stored {
                    tracing::warn!(error = %e, "the server's identity could not be stored");
                }
                return;
            }
            Err(e) => tracing::info!(error = %e, "the server could not be checked"),
        }
    }
}
