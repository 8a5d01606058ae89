//! The content of this device: where it lies, opened once, watched over, moved.
//!
//! Not here: what a store does with its space (`storage`).

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use carrel_content::storage::{Places, Steps, Storage, StorageOptions};
use carrel_sqlite::Change;
use carrel_system::{Disk, SystemDisk, blocking};
use futures_util::future::BoxFuture;

use crate::{Error, Result, core::Core};

/// How often it is looked whether a full disk has space again.
const LOOK_FOR_SPACE: Duration = Duration::from_secs(20);

/// Where content lies and how much it may take.
#[derive(Clone)]
pub struct Space {
    /// A folder for all users of this machine; none: `cache_dir`.
    pub content_dir: Option<PathBuf>,
    /// The most that the organisation allows, in bytes.
    pub policy_budget: Option<u64>,
    pub disk: Arc<dyn Disk>,
    /// Called at each step of a change of content; tests end the process there.
    pub steps: Option<Steps>,
}
impl Default for Space {
    fn default() -> Self {
        Self { content_dir: None, policy_budget: None, disk: Arc::new(SystemDisk), steps: None }
    }
}

impl Core {
    /// The content of this device, for all its learners. Opened (and then swept, in the background) at the first call.
    pub async fn storage(&self) -> Result<Storage> {
        let mut open = self.storage.lock().await;
        if let Some(storage) = open.as_ref() {
            return Ok(storage.clone());
        }
        let (places, space) = (self.places(), self.config.space.clone());
        let (clock, changes) = (self.config.clock.clone(), self.changes.clone());
        let storage = tokio::task::spawn_blocking(move || {
            // What the machine shares is used by whoever may write there; others read it, and keep the rest for themselves.
            let (dir, below) = match space.content_dir {
                Some(shared) if Storage::is_writable(&shared) => (shared, None),
                shared => (places.current(), shared),
            };
            Storage::open(StorageOptions {
                dir,
                policy_budget: space.policy_budget,
                disk: space.disk,
                clock,
                changes,
                steps: space.steps,
                below,
            })
        })
        .await
        .map_err(|e| Error::Internal(e.to_string()))??;
        tokio::spawn(watch_space(self.me.clone(), &storage, self.places()));
        *open = Some(storage.clone());
        Ok(storage)
    }
    fn places(&self) -> Places {
        Places::new(self.config.data_dir.join("content.json"), self.config.cache_dir.clone())
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
        let turn = self.turn.lock().await;
        let open = self.account().map(|a| a.id.clone());
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
        drop(turn);
        if let Some(id) = open {
            self.switch(&id).await?;
        }
        moved?;
        self.changes.tell_one(Change::Storage);
        Ok(())
    }

    /// False where the organisation says where content lies.
    pub fn can_move_content(&self) -> bool {
        self.config.space.content_dir.is_none()
    }
}

/// Sweeps content once after a start and goes on with a move that was cut short; then, while the disk is full, looks whether there is
/// space again and lets downloads go on.
fn watch_space(core: Weak<Core>, storage: &Storage, places: Places) -> BoxFuture<'static, ()> {
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
                if let Some(account) = core.upgrade().and_then(|c| c.account()) {
                    account.content.downloads.resume();
                }
            }
            Ok(_) => {}
            Err(e) => tracing::warn!(error = %e, "content could not be swept"),
        }
        if let (Some(to), Some(core)) = (places.pending(), core.upgrade())
            && let Err(e) = core.move_content(to).await
        {
            tracing::warn!(error = %e, "content was not moved");
        }
        loop {
            let Some(clock) = core.upgrade().map(|c| c.config.clock.clone()) else { return };
            clock.sleep(LOOK_FOR_SPACE).await;
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
            match (looked.await, core.upgrade().and_then(|c| c.account())) {
                (Ok(true), Some(account)) => account.content.downloads.resume(),
                (Ok(_), _) => {}
                (Err(e), _) => tracing::debug!(error = %e, "space could not be looked at"),
            }
        }
    })
}
