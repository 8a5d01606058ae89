//! The organisation's policies while the client runs: reading them again and applying what changed.
//!
//! Not here: what the policies allow (`policy`).

use std::sync::Arc;

use carrel_policy::Loaded;
use carrel_sqlite::Change;
use carrel_system::blocking;

use crate::{Error, client::Client, policy::RELOAD_INTERVAL};

impl Client {
    /// Returns the policies in force, with their report.
    pub fn policies(&self) -> Arc<Loaded> {
        self.shared.policies.current()
    }

    /// Reads the policies again, and applies those that changed. Called at intervals, and by the host when the app
    /// returns to the foreground. If anything changed, `Change::Settings` is published.
    pub async fn reload_policies(&self) {
        let policies = self.shared.policies.clone();
        match blocking(move || Ok::<_, Error>(policies.reload())).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(e) => {
                tracing::warn!(error = %e, "the policies could not be read again");
                return;
            }
        }
        tracing::info!("the policies changed");
        let open = self.storage.lock().await.clone();
        if let Some(storage) = open {
            let budget = self.policy_budget();
            if let Err(e) = blocking(move || storage.set_policy_budget(budget)).await {
                tracing::warn!(error = %e, "content beyond the new quota could not be removed");
            }
        }
        if let Some(info) = self.account_info()
            && let Err(e) = self.check_account(&info)
        {
            tracing::warn!(error = %e, "the open account is no longer allowed and is closed");
            if let Err(e) = self.leave().await {
                tracing::warn!(error = %e, "the open account could not be closed");
            }
        }
        if let Some(account) = self.account() {
            account.content.downloads.resume();
        }
        self.changes().publish_one(Change::Settings);
    }

    /// Returns the largest budget for content that the organisation allows, in bytes.
    pub(super) fn policy_budget(&self) -> Option<u64> {
        self.policies().policies.content_quota.or(self.config().space.policy_budget)
    }

    /// Reads the policies again at intervals while the client exists.
    pub(super) fn watch_policies(&self) {
        let (weak, clock) = (self.weak.clone(), self.clock().clone());
        tokio::spawn(async move {
            loop {
                clock.sleep(RELOAD_INTERVAL).await;
                let Some(client) = weak.upgrade() else { return };
                client.reload_policies().await;
            }
        });
    }
}
