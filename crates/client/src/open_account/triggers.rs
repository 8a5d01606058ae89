//! Notifies downloads of changed settings, network and battery conditions, sign-ins, and a newer catalogue.
//!
//! Not here: how downloads react (`carrel_content::download`).

use std::sync::Arc;

use carrel_content::download::{Conditions, Downloads, Rules};
use carrel_learning::Learning;
use carrel_sqlite::{Change, Changes};
use carrel_system::blocking;
use tokio::sync::{broadcast::error::RecvError, watch};

use crate::policy::PolicyState;

/// Forwards changes to downloads until the account is closed.
pub(super) async fn forward(
    downloads: Downloads,
    learning: Arc<Learning>,
    changes: Changes,
    mut conditions: watch::Receiver<Conditions>,
    policies: PolicyState,
) {
    let mut changes = changes.subscribe();
    let (mut settings_changed, mut has_updated) = (true, false);
    loop {
        if settings_changed {
            match learning.settings().await {
                Ok(settings) => {
                    downloads.set_rules(policies.fix_rules(Rules::of_settings(&settings)));
                }
                Err(e) => {
                    tracing::warn!(error = %e, "the download settings could not be read");
                }
            }
        }
        if !std::mem::replace(&mut has_updated, true) {
            update(&downloads).await;
        }
        let set = tokio::select! {
            received = changes.recv() => match received {
                Ok(set) => set,
                // Changes were missed, so all kinds are assumed.
                Err(RecvError::Lagged(_)) => {
                    [Change::Settings, Change::Account, Change::Catalogue].into()
                }
                Err(RecvError::Closed) => return,
            },
            Ok(()) = conditions.changed() => {
                downloads.set_conditions(*conditions.borrow_and_update());
                settings_changed = false;
                continue;
            }
        };
        settings_changed = set.contains(&Change::Settings);
        if set.contains(&Change::Account) {
            downloads.resume();
        }
        if set.contains(&Change::Catalogue) {
            update(&downloads).await;
        }
    }
}

/// Downloads newer versions of the local content.
async fn update(downloads: &Downloads) {
    let downloads = downloads.clone();
    if let Err(e) = blocking(move || downloads.update()).await {
        tracing::warn!(error = %e, "the check for newer versions failed");
    }
}
