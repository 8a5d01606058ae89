//! A client with a simulated server.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_content::{
    Content, ContentConfig, Kind,
    download::{DownloadTarget, Downloads, Phase, Reason, State},
    storage::{Storage, StorageOptions},
};
use carrel_model::{BlobHash, Slug};
use carrel_sqlite::Changes;
use carrel_testkit::{FakeClock, FakeDisk, SeededIds};
pub use carrel_testkit::{scratch::scratch, within_a_minute};
use tempfile::TempDir;

use crate::fake_server::{BASE, Course, FakeServer};

/// The folder of a client.
pub enum Dir {
    Owned(TempDir),
    Borrowed(PathBuf),
}
impl Dir {
    pub fn path(&self) -> &Path {
        match self {
            Self::Owned(dir) => dir.path(),
            Self::Borrowed(dir) => dir,
        }
    }
}

pub struct TestClient {
    pub server: Arc<FakeServer>,
    pub clock: FakeClock,
    pub disk: FakeDisk,
    pub content: Arc<Content>,
    pub changes: Changes,
    pub dir: Arc<Dir>,
    shared_store: Option<PathBuf>,
}

impl TestClient {
    pub fn new(server: &Arc<FakeServer>) -> Self {
        Self::with_disk(server, &FakeDisk::new(100_000_000_000))
    }
    pub fn with_disk(server: &Arc<FakeServer>, disk: &FakeDisk) -> Self {
        Self::open_at(server, Arc::new(Dir::Owned(scratch())), &FakeClock::noon(), disk, None)
    }
    /// Opens a client with a store of its own, and the store of `other` as its shared store.
    pub fn with_shared_store(other: &Self) -> Self {
        let shared_store = other.dir.path().join("shared");
        Self::open_at(
            &other.server,
            Arc::new(Dir::Owned(scratch())),
            &other.clock,
            &other.disk,
            Some(shared_store),
        )
    }
    /// Opens a client in a folder, which may contain a store.
    pub fn in_dir(server: &Arc<FakeServer>, dir: TempDir) -> Self {
        let disk = FakeDisk::new(100_000_000_000);
        Self::open_at(server, Arc::new(Dir::Owned(dir)), &FakeClock::noon(), &disk, None)
    }
    /// Opens a client in a folder owned by the caller.
    pub fn in_borrowed_dir(server: &Arc<FakeServer>, dir: &Path) -> Self {
        let disk = FakeDisk::new(100_000_000_000);
        Self::open_at(
            server,
            Arc::new(Dir::Borrowed(dir.to_owned())),
            &FakeClock::noon(),
            &disk,
            None,
        )
    }
    /// Opens a client in a folder, with a failpoint callback.
    pub fn with_failpoints(
        server: &Arc<FakeServer>,
        dir: &Path,
        failpoints: carrel_content::storage::Failpoints,
    ) -> Self {
        let disk = FakeDisk::new(100_000_000_000);
        let dir = Arc::new(Dir::Borrowed(dir.to_owned()));
        Self::open(server, dir, &FakeClock::noon(), &disk, None, Some(failpoints))
    }
    fn open_at(
        server: &Arc<FakeServer>,
        dir: Arc<Dir>,
        clock: &FakeClock,
        disk: &FakeDisk,
        shared_store: Option<PathBuf>,
    ) -> Self {
        Self::open(server, dir, clock, disk, shared_store, None)
    }
    fn open(
        server: &Arc<FakeServer>,
        dir: Arc<Dir>,
        clock: &FakeClock,
        disk: &FakeDisk,
        shared_store: Option<PathBuf>,
        failpoints: Option<carrel_content::storage::Failpoints>,
    ) -> Self {
        // The tests make blocking calls.
        carrel_system::allow_blocking();
        let changes = Changes::new();
        let storage = Storage::open(StorageOptions {
            dir: dir.path().join("shared"),
            policy_budget: None,
            disk: Arc::new(disk.clone()),
            clock: Arc::new(clock.clone()),
            changes: changes.clone(),
            failpoints,
            shared_store: shared_store.clone(),
        })
        .expect("the storage opens");
        let content = Content::open(ContentConfig {
            storage,
            account_dir: dir.path().join("account"),
            account: "asha".into(),
            base_url: BASE.into(),
            mirror_url: None,
            http: server.http(),
            clock: Arc::new(clock.clone()),
            ids: Arc::new(SeededIds::new(1)),
            changes: changes.clone(),
        })
        .expect("the content opens");
        let (server, clock, disk) = (server.clone(), clock.clone(), disk.clone());
        Self { server, clock, disk, content, changes, dir, shared_store }
    }
    /// Closes the app and opens it again.
    pub async fn restart(self) -> Self {
        self.restart_after(|_| ()).await
    }
    /// Closes the app, calls `between` with its folder, and opens it again.
    pub async fn restart_after(self, between: impl FnOnce(&Path)) -> Self {
        let (server, dir, clock) = (self.server.clone(), self.dir.clone(), self.clock.clone());
        let (disk, shared_store) = (self.disk.clone(), self.shared_store.clone());
        let root = self.dir.path().join("shared/blobs");
        let index = self.content.library.storage().db().clone();
        let cache = self.content.library.cache().database().clone();
        drop(self);
        // Tasks may still be closing their files.
        within_a_minute("the files to be closed", async {
            while is_locked(&root) {
                tokio::task::yield_now().await
            }
        })
        .await;
        // Tasks may still have the databases open, and Windows does not delete open files.
        index.close().await;
        cache.close().await;
        between(dir.path());
        Self::open_at(&server, dir, &clock, &disk, shared_store)
    }
    pub fn downloads(&self) -> &Downloads {
        &self.content.downloads
    }
    pub fn state(&self, id: &Slug) -> State {
        self.downloads().state(Kind::Course, id).expect("the state is read")
    }
    /// Returns the state of a course or story.
    pub fn state_of(&self, course: &Course) -> State {
        self.downloads().state_of(&target_of(course)).expect("the state is read")
    }
    pub fn start(&self, course: &Course) {
        self.downloads().start(course.kind(), &course.id).expect("the download starts");
    }

    /// Adds this version to the stored catalogue.
    pub fn add_to_catalogue(&self, course: &Course, version: BlobHash) {
        let summary = serde_json::json!({ "version": version }).to_string();
        let listed = self.content.library.cache().database().write_blocking("test", |conn| {
            conn.execute(
                "INSERT OR REPLACE INTO listed (kind, id, position, title, difficulty, level, category, lang, summary, only_here)
                 VALUES ('course', ?1, 0, '', '', 0, '', '', ?2, 0)",
                [course.id.as_str(), &summary],
            )?;
            Ok(())
        });
        listed.expect("the course is listed");
    }

    /// Waits until the state fulfils `fits`. Does not advance the clock.
    pub async fn wait_until(
        &self,
        target: &DownloadTarget,
        what: &str,
        fits: impl Fn(&State) -> bool,
    ) -> State {
        let mut changes = self.changes.subscribe();
        within_a_minute(what, async {
            loop {
                let state = self.downloads().state_of(target).expect("the state is read");
                if fits(&state) {
                    return state;
                }
                tokio::select! {
                    _ = changes.recv() => {}
                    () = tokio::task::yield_now() => {}
                }
            }
        })
        .await
    }
    /// Waits until the state fulfils `fits`; advances the clock while the download is paused.
    pub async fn wait_advancing(
        &self,
        target: &DownloadTarget,
        what: &str,
        fits: impl Fn(&State) -> bool,
    ) -> State {
        within_a_minute(what, async {
            loop {
                let state = self.downloads().state_of(target).expect("the state is read");
                if fits(&state) {
                    return state;
                }
                if state.phase == Phase::Paused
                    && let Some(ms) = self.clock.next_wake_in()
                {
                    self.clock.advance(ms);
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
    pub async fn wait_ready(&self, course: &Course) -> State {
        self.wait_advancing(&target_of(course), "the course is ready", |s| s.phase == Phase::Ready)
            .await
    }
    pub async fn wait_paused(&self, course: &Course, reason: Reason) -> State {
        self.wait_until(&target_of(course), "the download pauses", |s| {
            s.phase == Phase::Paused && s.reason == reason
        })
        .await
    }
    /// Asserts that all bytes of the course are stored and correct.
    pub fn assert_complete(&self, course: &Course) {
        for (blob, bytes) in &course.blobs {
            let stored = self.content.library.blobs().get(blob.hash).expect("the store is read");
            assert!(stored.as_ref() == Some(bytes), "blob {:?} of {}", blob.hash, course.id);
            assert!(self.content.library.blobs().verify(blob.hash).expect("the store is read"));
        }
    }
}

pub fn target_of(course: &Course) -> DownloadTarget {
    DownloadTarget::whole(course.kind(), &course.id)
}

/// Returns whether a partial file is locked.
fn is_locked(root: &Path) -> bool {
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut files = folders.filter_map(|f| std::fs::read_dir(f.path()).ok()).flatten().flatten();
    files.any(|f| {
        f.path().extension().is_some_and(|e| e == "part")
            && std::fs::File::open(f.path()).is_ok_and(|f| f.try_lock().is_err())
    })
}

/// Returns whether this is a long run (`CARREL_LONG`).
pub fn is_long_run() -> bool {
    std::env::var_os("CARREL_LONG").is_some()
}
