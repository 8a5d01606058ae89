//! The content of this device: opening it, moving it to another folder, and watching the space on its disk.
//!
//! Not here: what is done with the space (`carrel_content::storage`).

use std::{path::PathBuf, sync::Weak, time::Duration};

use carrel_content::storage::{Places, Storage, StorageOptions};
use carrel_sqlite::Change;
use carrel_system::blocking;
use futures_util::future::BoxFuture;

use crate::{Error, Result, client::Client};

/// How often a full disk is checked for free space.
const SPACE_CHECK: Duration = Duration::from_secs(20);

impl Client {
    /// Returns the content of this device, for all its learners. Opened (and then swept, in the background) at the first call.
    pub async fn storage(&self) -> Result<Storage> {
        let mut open = self.storage.lock().await;
        if let Some(storage) = open.as_ref() {
            return Ok(storage.clone());
        }
        let (places, space) = (self.places(), self.config().space.clone());
        let (clock, changes) = (self.clock().clone(), self.changes().clone());
        let storage = blocking(move || {
            // The folder that the machine shares is used by whoever may write there; others read it, and store the rest in their own folder.
            let (dir, below) = match space.content_dir {
                Some(shared) if Storage::is_writable(&shared) => (shared, None),
                shared => (places.current(), shared),
            };
            Ok::<_, Error>(Storage::open(StorageOptions {
                dir,
                policy_budget: space.policy_budget,
                disk: space.disk,
                clock,
                changes,
                steps: space.steps,
                below,
            })?)
        })
        .await?;
        tokio::spawn(watch_space(self.me.clone(), &storage, self.places()));
        *open = Some(storage.clone());
        Ok(storage)
    }
    fn places(&self) -> Places {
        let config = self.config();
        Places::new(config.data_dir.join("content.json"), config.cache_dir.clone())
    }

    /// Moves all content to another folder: copies while it is in use, then closes the open account for a moment and opens it again.
    /// Killed in between, it goes on at the next start. `Error::Invalid` if the folder will not do, or if others use the content now.
    pub async fn move_content(&self, to: PathBuf) -> Result<()> {
        if !self.can_move_content() {
            return Err(Error::Invalid("the organisation says where content lies".into()));
        }
        // A second move begins where the first one ended.
        let _one = self.moving.lock().await;
        let (storage, places) = (self.storage().await?, self.places());
        blocking({
            let (storage, places) = (storage.clone(), places.clone());
            move || {
                places.begin(&storage, &to)?;
                // A disk that turned out to be too small would be no better at the next start.
                places.copy_ahead(&storage).map(|_| ()).or_else(|e| places.give_up().and(Err(e)))
            }
        })
        .await?;
        let switching = self.switching.lock().await;
        let open = self.account().map(|a| a.id().to_owned());
        self.close_open().await;
        // Held until the new folder counts: whoever asks for content meanwhile waits, and never opens the old folder.
        let mut opened = self.storage.lock().await;
        opened.take();
        let moved = blocking(move || match places.switch(&storage) {
            Ok(_) => places.tidy(&|_| {}),
            Err(e) => places.give_up().and(Err(e)),
        })
        .await;
        drop(opened);
        drop(switching);
        if let Some(id) = open {
            self.switch(&id).await?;
        }
        moved?;
        self.changes().tell_one(Change::Storage);
        Ok(())
    }

    /// False where the organisation says where content lies.
    pub fn can_move_content(&self) -> bool {
        self.config().space.content_dir.is_none()
    }
}

/// Sweeps content once after a start and goes on with a move that was cut short; then, while the disk is full, looks whether there is
/// space again and lets downloads go on.
fn watch_space(client: Weak<Client>, storage: &Storage, places: Places) -> BoxFuture<'static, ()> {
    let (sweeping, watched) = (storage.clone(), storage.downgrade());
    Box::pin(async move {
        let tidied = places.clone();
        let swept = blocking(move || {
            // The old folder is emptied only while the new one can be read.
            if sweeping.degraded().is_none() {
                tidied.tidy(&|_| {})?;
            }
            sweeping.sweep()
        });
        match swept.await {
            // The downloads that lost them were looked through before, when their account was opened.
            Ok(swept) if swept.lost > 0 => {
                if let Some(account) = client.upgrade().and_then(|c| c.account()) {
                    account.content.downloads.resume();
                }
            }
            Ok(_) => {}
            Err(e) => tracing::warn!(error = %e, "content could not be swept"),
        }
        let pending = blocking(move || Ok::<_, Error>(places.pending())).await;
        if let (Ok(Some(to)), Some(client)) = (pending, client.upgrade())
            && let Err(e) = client.move_content(to).await
        {
            tracing::warn!(error = %e, "content was not moved");
        }
        loop {
            let Some(clock) = client.upgrade().map(|c| c.clock().clone()) else { return };
            clock.sleep(SPACE_CHECK).await;
            // After a move there is another store, and another watch.
            let Some(storage) = watched.upgrade() else { return };
            let was_degraded = storage.degraded().is_some();
            let looked = blocking({
                let storage = storage.clone();
                move || {
                    let looked = storage.look_again();
                    if was_degraded && matches!(looked, Ok(true)) {
                        storage.sweep()?;
                    }
                    looked
                }
            });
            match (looked.await, client.upgrade().and_then(|c| c.account())) {
                (Ok(true), Some(account)) => account.content.downloads.resume(),
                (Ok(_), _) => {}
                (Err(e), _) => tracing::debug!(error = %e, "space could not be looked at"),
            }
        }
    })
}
