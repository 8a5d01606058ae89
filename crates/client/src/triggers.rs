//! What downloads hear of the rest of the client: settings, network and battery, a sign-in, a newer catalogue.
//!
//! Not here: what they make of it (`rules`, `run`).

use carrel_content::download::{Conditions, Downloads, Rules};
use carrel_learning::Learning;
use carrel_sqlite::{Change, Changes};
use carrel_system::blocking;
use tokio::sync::{broadcast::error::RecvError, watch};

/// Runs as long as the account is open.
pub async fn guide(
    downloads: Downloads,
    learning: Learning,
    changes: Changes,
    mut conditions: watch::Receiver<Conditions>,
) {
    let mut changes = changes.listen();
    let (mut settings_changed, mut begun) = (true, false);
    loop {
        if settings_changed {
            match learning.settings().await {
                Ok(settings) => downloads.set_rules(Rules::of_settings(&settings)),
                Err(e) => {
                    tracing::warn!(error = %e, "the rules for downloads could not be read");
                }
            }
        }
        if !std::mem::replace(&mut begun, true) {
            look_for_updates(&downloads).await;
        }
        let set = tokio::select! {
            heard = changes.recv() => match heard {
                Ok(set) => set,
                // Too much at once: everything may have changed.
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
            look_for_updates(&downloads).await;
        }
    }
}

async fn look_for_updates(downloads: &Downloads) {
    let downloads = downloads.clone();
    if let Err(e) = blocking(move || downloads.update()).await {
        tracing::warn!(error = %e, "newer versions could not be looked for");
    }
}
