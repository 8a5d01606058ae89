//! The updates of the app.
//!
//! Not here: how they are found and installed (`carrel_update`).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_sqlite::Change;
use carrel_system::blocking;
use carrel_update::updater::{Services, Setup, Updater};

use super::Client;
use crate::{Error, Result};

/// Returns the folder of updates in the folder of the client's data.
pub fn updates_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("updates")
}

impl Client {
    /// Starts the updates of the app: a first check after a minute, later ones at intervals. Called at most once, by
    /// hosts whose program can be updated.
    pub async fn start_updates(&self, setup: Setup) -> Result<Arc<Updater>> {
        let (config, changes) = (self.config(), self.changes().clone());
        let services = Services {
            dir: updates_dir(&config.data_dir),
            http: config.http.clone(),
            clock: config.clock.clone(),
            disk: config.space.disk.clone(),
            ids: config.ids.clone(),
            changed: Arc::new(move || changes.publish_one(Change::Updates)),
        };
        let updater = blocking(move || Ok::<_, Error>(Updater::new(setup, services))).await?;
        let updater = self.updates.get_or_init(|| updater).clone();
        tokio::spawn(Updater::run(Arc::downgrade(&updater)));
        Ok(updater)
    }
    /// Returns the updates of the app, if the host started them.
    pub fn updates(&self) -> Option<&Arc<Updater>> {
        self.updates.get()
    }
}
