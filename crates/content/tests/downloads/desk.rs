//! The content of one learner in a folder, on the paper network.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use carrel_content::{
    Content, ContentConfig, Kind,
    download::{Downloads, Phase, Reason, State, Wish},
    storage::{Storage, StorageOptions},
};
use carrel_model::{BlobHash, Slug};
use carrel_sqlite::Changes;
use carrel_testkit::{FakeClock, FakeDisk, SeededIds};
use tempfile::TempDir;

use crate::net::{BASE, Course, Net, Wire};

/// The folder of a desk.
pub enum Folder {
    Own(TempDir),
    Lent(PathBuf),
}
impl Folder {
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(dir) => dir.path(),
            Self::Lent(dir) => dir,
        }
    }
}

pub struct Desk {
    pub net: Arc<Net>,
    pub clock: FakeClock,
    pub disk: FakeDisk,
    pub content: Arc<Content>,
    pub changes: Changes,
    pub dir: Arc<Folder>,
    below: Option<PathBuf>,
}

impl Desk {
    pub fn new(net: &Arc<Net>) -> Self {
        Self::on(net, &FakeDisk::new(100_000_000_000))
    }
    pub fn on(net: &Arc<Net>, disk: &FakeDisk) -> Self {
        Self::at(net, Arc::new(Folder::Own(scratch())), &FakeClock::noon(), disk, None)
    }
    /// Of a user who may only read the store of `other`, and has one of his own.
    pub fn above(other: &Self) -> Self {
        let below = other.dir.path().join("shared");
        Self::at(
            &other.net,
            Arc::new(Folder::Own(scratch())),
            &other.clock,
            &other.disk,
            Some(below),
        )
    }
    /// In a folder where a library may lie already.
    pub fn in_folder(net: &Arc<Net>, dir: TempDir) -> Self {
        let disk = FakeDisk::new(100_000_000_000);
        Self::at(net, Arc::new(Folder::Own(dir)), &FakeClock::noon(), &disk, None)
    }
    /// The same, in a folder of somebody else.
    pub fn in_folder_at(net: &Arc<Net>, dir: &Path) -> Self {
        let disk = FakeDisk::new(100_000_000_000);
        Self::at(net, Arc::new(Folder::Lent(dir.to_owned())), &FakeClock::noon(), &disk, None)
    }
    /// In a folder, with a call at each step of what must be safe under a kill.
    pub fn stepped(net: &Arc<Net>, dir: &Path, steps: carrel_content::storage::Steps) -> Self {
        let disk = FakeDisk::new(100_000_000_000);
        let dir = Arc::new(Folder::Lent(dir.to_owned()));
        Self::made(net, dir, &FakeClock::noon(), &disk, None, Some(steps))
    }
    fn at(
        net: &Arc<Net>,
        dir: Arc<Folder>,
        clock: &FakeClock,
        disk: &FakeDisk,
        below: Option<PathBuf>,
    ) -> Self {
        Self::made(net, dir, clock, disk, below, None)
    }
    fn made(
        net: &Arc<Net>,
        dir: Arc<Folder>,
        clock: &FakeClock,
        disk: &FakeDisk,
        below: Option<PathBuf>,
        steps: Option<carrel_content::storage::Steps>,
    ) -> Self {
        // Calls of the test itself are synchronous.
        carrel_system::allow_blocking();
        let changes = Changes::new();
        let storage = Storage::open(StorageOptions {
            dir: dir.path().join("shared"),
            policy_budget: None,
            disk: Arc::new(disk.clone()),
            clock: Arc::new(clock.clone()),
            changes: changes.clone(),
            steps,
            below: below.clone(),
        })
        .expect("the storage opens");
        let content = Content::open(ContentConfig {
            storage,
            account_dir: dir.path().join("account"),
            account: "asha".into(),
            base_url: BASE.into(),
            http: Arc::new(Wire(net.clone())),
            clock: Arc::new(clock.clone()),
            ids: Arc::new(SeededIds::new(1)),
            changes: changes.clone(),
        })
        .expect("the content opens");
        let (net, clock, disk) = (net.clone(), clock.clone(), disk.clone());
        Self { net, clock, disk, content, changes, dir, below }
    }
    /// The app is closed and opened again.
    pub async fn restart(self) -> Self {
        self.restart_after(|_| ()).await
    }
    /// The same; meanwhile something happens to its folder.
    pub async fn restart_after(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let (net, dir, clock) = (self.net.clone(), self.dir.clone(), self.clock.clone());
        let (disk, below) = (self.disk.clone(), self.below.clone());
        let root = self.dir.path().join("shared/blobs");
        let index = self.content.library.storage().db().clone();
        let cache = self.content.library.cache().database().clone();
        drop(self);
        // Whoever still writes puts it down first.
        soon("the files to be put down", async {
            while is_locked(&root) {
                tokio::task::yield_now().await
            }
        })
        .await;
        // Tasks that have not ended yet may still hold them, and Windows deletes no open file.
        index.close().await;
        cache.close().await;
        meanwhile(dir.path());
        Self::at(&net, dir, &clock, &disk, below)
    }
    pub fn downloads(&self) -> &Downloads {
        &self.content.downloads
    }
    pub fn state(&self, id: &Slug) -> State {
        self.downloads().state(Kind::Course, id).expect("a state")
    }
    /// The state of a course or story.
    pub fn state_of(&self, course: &Course) -> State {
        self.downloads().state_of(&whole(course)).expect("a state")
    }
    pub fn start(&self, course: &Course) {
        self.downloads().start(course.kind(), &course.id).expect("it is wanted");
    }

    /// The catalogue names this version now.
    pub fn catalogue(&self, course: &Course, version: BlobHash) {
        let summary = serde_json::json!({ "version": version }).to_string();
        let listed = self.content.library.cache().database().write_blocking("test", |conn| {
            conn.execute(
                "INSERT OR REPLACE INTO listed (kind, id, position, title, difficulty, level, category, lang, words, summary, only_here)
                 VALUES ('course', ?1, 0, '', '', 0, '', '', '', ?2, 0)",
                [course.id.as_str(), &summary],
            )?;
            Ok(())
        });
        listed.expect("it is listed");
    }

    /// Waits until the state is as `fits` says; time passes only while the download itself waits for it.
    pub async fn until(&self, wish: &Wish, what: &str, fits: impl Fn(&State) -> bool) -> State {
        let mut changes = self.changes.listen();
        soon(what, async {
            loop {
                let state = self.downloads().state_of(wish).expect("a state");
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
    /// The same, and time passes for whatever sleeps.
    pub async fn in_time(&self, wish: &Wish, what: &str, fits: impl Fn(&State) -> bool) -> State {
        soon(what, async {
            loop {
                let state = self.downloads().state_of(wish).expect("a state");
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
    pub async fn ready(&self, course: &Course) -> State {
        self.in_time(&whole(course), "the course to be ready", |s| s.phase == Phase::Ready).await
    }
    pub async fn paused(&self, course: &Course, reason: Reason) -> State {
        self.until(&whole(course), "the pause", |s| s.phase == Phase::Paused && s.reason == reason)
            .await
    }
    /// Every byte of the course is here, and is what it should be.
    pub fn assert_whole(&self, course: &Course) {
        for (blob, bytes) in &course.blobs {
            let here = self.content.library.blobs().get(blob.hash).expect("the store answers");
            assert!(here.as_ref() == Some(bytes), "blob {:?} of {}", blob.hash, course.id);
            assert!(self.content.library.blobs().prove(blob.hash).expect("the store answers"));
        }
    }
}

/// Waits in vain no longer than this.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap_or_else(|_| panic!("waited for {what} in vain"))
}

pub fn whole(course: &Course) -> Wish {
    Wish::whole(course.kind(), &course.id)
}

/// In memory where there is such a place: these tests write much and prove nothing about platters.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.expect("a folder")
}

/// True while somebody holds an unfinished file.
fn is_locked(root: &Path) -> bool {
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut files = folders.filter_map(|f| std::fs::read_dir(f.path()).ok()).flatten().flatten();
    files.any(|f| {
        f.path().extension().is_some_and(|e| e == "part")
            && std::fs::File::open(f.path()).is_ok_and(|f| f.try_lock().is_err())
    })
}

/// True in a run that may take long.
pub fn long() -> bool {
    std::env::var_os("CARREL_LONG").is_some()
}
