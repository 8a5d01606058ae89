//! A device with its files in a temporary folder, and names of rows and routes.

use std::{path::Path, sync::Arc};

use carrel_learning::{
    Learning, Step,
    store::{Options, Store},
};
use carrel_model::lattice::{ItemKind, Row, RowKey, RowType};
use carrel_sync::{Engine, Event, Machine, Transport};
use carrel_system::{Clock, IdGen};
use carrel_testkit::{
    FakeClock, FakeServer, SeededIds,
    work::{finished, item, options},
};
use tempfile::TempDir;

pub const PUSH: &str = "/api/sync/push";
pub const PULL: &str = "/api/sync/pull";

/// Returns the key of the progress of a section.
pub fn key(text: &str) -> RowKey {
    RowKey::of(RowType::Progress, &["section", text])
}
/// Returns a step to a percentage of a section, in hundredths.
pub fn percent(text: &str, percent: u16) -> Step {
    Step { percent: Some(percent), ..Step::at(ItemKind::Section, item(text)) }
}
/// Returns the percentage that the server has.
pub fn percent_at(server: &FakeServer, text: &str) -> Option<u16> {
    match server.row(&key(text)) {
        Some(Row::Progress(p)) => Some(p.percent),
        _ => None,
    }
}

/// A learner's device.
pub struct Device {
    pub clock: FakeClock,
    pub store: Arc<Store>,
    pub learning: Learning,
    pub engine: Arc<Engine>,
    number: u128,
    dir: Arc<TempDir>,
}

impl Device {
    pub fn new(number: u128, clock: &FakeClock, server: &Arc<FakeServer>) -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()), number, clock, server, None)
    }
    /// Creates a device whose `user.db` may have at most `pages` pages more than an empty one.
    pub fn with_page_limit(
        number: u128,
        clock: &FakeClock,
        server: &Arc<FakeServer>,
        pages: u32,
    ) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        drop(Store::open(dir.path(), options(number, clock)).unwrap());
        let empty = std::fs::metadata(dir.path().join("user.db")).unwrap().len() / 4096;
        Self::at(dir, number, clock, server, Some(empty as u32 + pages))
    }
    fn at(
        dir: Arc<TempDir>,
        number: u128,
        clock: &FakeClock,
        server: &Arc<FakeServer>,
        page_limit: Option<u32>,
    ) -> Self {
        server.state().clock.get_or_insert_with(|| clock.clone());
        let options = Options { page_limit, ..options(number, clock) };
        let store = Arc::new(Store::open(dir.path(), options).unwrap());
        let ids: Arc<dyn IdGen> = Arc::new(SeededIds::new(number as u64 ^ clock.now_ms() as u64));
        let transport =
            Transport::new(server.http(), FakeServer::BASE, None, Arc::new(clock.clone()));
        let machine = Machine::new(number as u64, false);
        let engine = Arc::new(Engine::new(store.clone(), transport, ids.clone(), machine));
        let learning = Learning::new(store.clone(), ids);
        Self { clock: clock.clone(), store, learning, engine, number, dir }
    }
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
    /// Closes the store and opens it again, as after a restart of the app.
    pub async fn restart(self, server: &Arc<FakeServer>) -> Self {
        self.store.close().await;
        let (dir, number, clock) = (self.dir.clone(), self.number, self.clock.clone());
        drop(self);
        Self::at(dir, number, &clock, server, None)
    }

    pub async fn finish(&self, text: &str) {
        self.learning.record(finished(text)).await.unwrap();
    }
    /// Runs "sync now" to completion.
    pub async fn sync(&self) {
        self.engine.step(Event::SyncNow).await.unwrap();
    }
    /// Syncs, advancing the clock during waits, until the outbox is empty. Returns the advanced time in ms.
    pub async fn sync_until_idle(&self) -> i64 {
        self.sync().await;
        let mut passed = 0;
        for _ in 0..2_000 {
            if self.waiting().await == 0 && self.engine.next_try_in().is_none() {
                return passed;
            }
            let wait_ms = self.engine.next_wake_in().expect("a timer while rows wait");
            self.clock.advance(wait_ms);
            passed += wait_ms;
            self.engine.step(Event::Timer).await.unwrap();
        }
        panic!("{} rows are left in the outbox", self.waiting().await);
    }
    pub async fn waiting(&self) -> u32 {
        self.store.read(carrel_learning::store::outbox::counts).await.unwrap().0
    }
    pub async fn refused(&self) -> Vec<carrel_learning::store::outbox::Refused> {
        self.store.read(carrel_learning::store::outbox::refused).await.unwrap()
    }
    pub async fn done(&self, root: &str) -> Vec<String> {
        let done = self.learning.done_sections(root).await.unwrap();
        done.into_iter().map(|i| i.to_string()).collect()
    }
}
