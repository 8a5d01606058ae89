//! The content of this device: opening it, moving it to another folder, and monitoring the free space of its disk.
//!
//! Not here: quotas and eviction (`carrel_content::storage`).

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Weak,
    time::Duration,
};

use carrel_content::storage::{ContentLocation, Storage, StorageOptions};
use carrel_sqlite::Change;
use carrel_system::blocking;
use futures_util::future::BoxFuture;

use crate::{Error, Result, client::Client, policy::refused};

/// How often a shortage of space is checked.
const SPACE_CHECK_INTERVAL: Duration = Duration::from_secs(20);

impl Client {
    /// Returns the content of this device, which all its learners share. The first call opens it and starts a sweep in
    /// the background.
    pub async fn storage(&self) -> Result<Storage> {
        let mut open = self.storage.lock().await;
        if let Some(storage) = open.as_ref() {
            return Ok(storage.clone());
        }
        let (location, space) = (self.content_location(), self.config().space.clone());
        let (clock, changes) = (self.clock().clone(), self.changes().clone());
        let policy_budget = self.policy_budget();
        let dictionaries = self.dictionaries().clone();
        let opened = blocking(move || {
            // Users with write permission store content in the folder shared by all users of the machine. Others read
            // that folder and store what it lacks in their own folder.
            let (dir, shared_store, problem) = match space.content_dir {
                None => (location.current(), None, None),
                Some(shared) if Storage::is_writable(&shared) => (shared, None, None),
                Some(shared) => match check_readable(&shared) {
                    Ok(()) => (location.current(), Some(shared), None),
                    Err(problem) => (location.current(), None, Some(problem)),
                },
            };
            let storage = Storage::open(StorageOptions {
                dir,
                policy_budget,
                disk: space.disk,
                clock,
                changes,
                failpoints: space.failpoints,
                shared_store,
            })?;
            for (_, wanted) in dictionaries.wanted().unwrap_or_default() {
                storage.keep_part(wanted.facts.hash);
            }
            Ok::<_, Error>((storage, problem))
        });
        let (storage, problem) = opened.await?;
        if let Some(problem) = &problem {
            tracing::warn!("{problem}");
        }
        *self.folder_problem.lock() = problem;
        tokio::spawn(watch_space(self.weak.clone(), &storage, self.content_location()));
        *open = Some(storage.clone());
        Ok(storage)
    }
    fn content_location(&self) -> ContentLocation {
        let config = self.config();
        ContentLocation::new(config.data_dir.join("content.json"), config.cache_dir.clone())
    }

    /// Moves all content to another folder: copies it while it is in use, then closes the open account briefly and
    /// reopens it. If the process is killed during the move, the next start resumes it.
    ///
    /// # Errors
    ///
    /// `Error::Invalid` if the folder is unsuitable, or if another process uses the content.
    pub async fn move_content(&self, to: PathBuf) -> Result<()> {
        if !self.can_move_content() {
            return Err(refused("moving the content", "ContentFolder"));
        }
        // A second move starts after the first one has ended.
        let _guard = self.moving.lock().await;
        let (storage, location) = (self.storage().await?, self.content_location());
        blocking({
            let (storage, location) = (storage.clone(), location.clone());
            move || {
                location.begin(&storage, &to)?;
                // Cancelled on an error, so that the next start does not repeat the move.
                location.copy_blobs(&storage).map(|_| ()).or_else(|e| location.cancel().and(Err(e)))
            }
        })
        .await?;
        let switching = self.switching.lock().await;
        let open = self.account().map(|a| a.id().to_owned());
        self.close_open().await;
        // Held until the new folder is active, so that no call opens the old folder.
        let mut opened = self.storage.lock().await;
        opened.take();
        let moved = blocking(move || match location.switch(&storage) {
            Ok(_) => location.empty_old_folder(&|_| {}),
            Err(e) => location.cancel().and(Err(e)),
        })
        .await;
        drop(opened);
        drop(switching);
        if let Some(id) = open {
            self.switch(&id).await?;
        }
        moved?;
        self.changes().publish_one(Change::Storage);
        Ok(())
    }

    /// Returns why the content folder of this machine cannot be used, for the administrator; none if it can, if there is
    /// none, and before the content is opened.
    pub fn content_folder_problem(&self) -> Option<String> {
        self.folder_problem.lock().clone()
    }

    /// Returns false if the organisation sets the content folder.
    pub fn can_move_content(&self) -> bool {
        self.config().space.content_dir.is_none()
    }
}

/// Checks that this user may read the content folder of the machine. Blocking.
fn check_readable(folder: &Path) -> std::result::Result<(), String> {
    let shown = folder.display();
    let problem = |what: &str, e: &std::io::Error, hint: &str| {
        format!(
            "the content folder {shown} {what}: {e}; content of this user is stored in their own folder; hint: {hint}"
        )
    };
    if let Err(e) = std::fs::read_dir(folder) {
        return Err(match e.kind() {
            ErrorKind::NotFound => problem(
                "does not exist, and this user may not create it",
                &e,
                "create the folder, and let all users of the machine read it",
            ),
            ErrorKind::NotADirectory => problem("is not a folder", &e, "name another folder"),
            _ => problem("cannot be read", &e, "let all users of the machine read the folder"),
        });
    }
    // A folder that nobody has written to yet is no problem.
    match std::fs::File::open(folder.join("content.db")) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(problem(
            "contains files that this user may not read",
            &e,
            "let all users of the machine read the files in it",
        )),
        _ => Ok(()),
    }
}

/// Sweeps content once after a start and resumes an interrupted move. Then checks at intervals whether a shortage of
/// space has ended or unreadable content is readable again, and resumes downloads.
fn watch_space(
    client: Weak<Client>,
    storage: &Storage,
    location: ContentLocation,
) -> BoxFuture<'static, ()> {
    let (swept_storage, weak_storage) = (storage.clone(), storage.downgrade());
    Box::pin(async move {
        let moved_location = location.clone();
        let sweep = blocking(move || {
            // The old folder is emptied only while the new one is readable.
            if swept_storage.degraded().is_none() {
                moved_location.empty_old_folder(&|_| {})?;
            }
            swept_storage.sweep()
        });
        match sweep.await {
            // Downloads that lost blobs are queued again. If their account was already open, they are resumed here.
            Ok(sweep) if sweep.lost > 0 => {
                if let Some(account) = client.upgrade().and_then(|c| c.account()) {
                    account.content.downloads.resume();
                }
            }
            Ok(_) => {}
            Err(e) => tracing::warn!(error = %e, "sweeping content failed"),
        }
        let pending = blocking(move || Ok::<_, Error>(location.pending())).await;
        if let (Ok(Some(to)), Some(client)) = (pending, client.upgrade())
            && let Err(e) = client.move_content(to).await
        {
            tracing::warn!(error = %e, "moving content failed");
        }
        loop {
            let Some(clock) = client.upgrade().map(|c| c.clock().clone()) else { return };
            clock.sleep(SPACE_CHECK_INTERVAL).await;
            // After a move, a new storage with its own task is used.
            let Some(storage) = weak_storage.upgrade() else { return };
            let was_degraded = storage.degraded().is_some();
            let has_space = blocking({
                let storage = storage.clone();
                move || {
                    let has_space = storage.recheck();
                    if was_degraded && matches!(has_space, Ok(true)) {
                        storage.sweep()?;
                    }
                    has_space
                }
            });
            match (has_space.await, client.upgrade().and_then(|c| c.account())) {
                (Ok(true), Some(account)) => account.content.downloads.resume(),
                (Ok(_), _) => {}
                (Err(e), _) => tracing::debug!(error = %e, "the free space could not be checked"),
            }
        }
    })
}
