//! The real server in this process: on a loopback port, and without a socket for simulations. With
//! `CARREL_TEST_ENGINE=postgres`, each server is a tenant of its own in the cluster of `CARREL_TEST_POSTGRES`.
//!
//! Not here: faulty replies (`hostile`, `flaky`).

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use bytes::Bytes;
use carrel_model::{
    BlobHash, ItemId, UserId,
    content::{Block, Quiz, SectionBody},
    lattice::{Row, RowKey},
    wire::CourseReply,
};
use carrel_net::{Failure, FailureKind, Http, NetworkSettings, Reply, Request};
use carrel_server::{
    Config, DataDir, RunningServer, Server, Settings, backup, database,
    domain::DomainError,
    restore,
    store::{Engine, facts},
};
use carrel_system::Clock as _;
use futures_util::{StreamExt, TryStreamExt};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{
    FakeClock, content,
    scratch::{copy_dir, scratch},
};

/// The fake clock as the server's clock.
struct ServerClock(FakeClock);

impl carrel_server::Clock for ServerClock {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }
}

/// A server with a temporary folder. It keeps its port after `stop` and `start`.
pub struct TestServer {
    dir: TempDir,
    engine: Arc<dyn Engine>,
    clock: FakeClock,
    settings: Settings,
    addr: SocketAddr,
    running: Option<RunningServer>,
    /// The router for `direct`; `None` while the server is stopped.
    router: Arc<Mutex<Option<Router>>>,
}

impl TestServer {
    /// Starts a server without courses.
    pub async fn empty(clock: &FakeClock) -> Self {
        Self::with_settings(clock, Settings::default(), None).await
    }
    /// Starts a server with the course and the story of `content`, which are compiled once per process.
    pub async fn with_library(clock: &FakeClock) -> Self {
        Self::with_library_and(clock, Settings::default()).await
    }
    pub async fn with_library_and(clock: &FakeClock, settings: Settings) -> Self {
        static LIBRARY: OnceLock<tokio::sync::OnceCell<TempDir>> = OnceLock::new();
        let library =
            LIBRARY.get_or_init(tokio::sync::OnceCell::new).get_or_init(compile_library).await;
        Self::with_settings(clock, settings, Some(library.path())).await
    }
    pub async fn with_settings(
        clock: &FakeClock,
        settings: Settings,
        library: Option<&Path>,
    ) -> Self {
        let dir = scratch();
        let engine = new_engine();
        if let Some(library) = library {
            if engine.is_in_folder() {
                copy_dir(library, dir.path()).expect("the library is copied");
            } else {
                restore_library(library, engine.as_ref(), dir.path(), clock.now_ms());
            }
            new_epoch(dir.path(), &engine).await;
        }
        let mut server = Self {
            dir,
            engine,
            clock: clock.clone(),
            // The tests register their own accounts.
            settings: Settings { registration_open: true, run_jobs: false, ..settings },
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            running: None,
            router: Arc::default(),
        };
        server.start().await;
        server
    }

    /// Stops the server: closes the port and ends open requests.
    pub async fn stop(&mut self) {
        *self.router() = None;
        if let Some(running) = self.running.take() {
            running.shutdown().await;
        }
    }
    /// Starts the server again on the same port.
    pub async fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        let config = Config {
            listen: self.addr,
            clock: Arc::new(ServerClock(self.clock.clone())),
            settings: self.settings.clone(),
            engine: Arc::clone(&self.engine),
            ..Config::new(self.dir.path())
        };
        let running = Server::start(config).await.expect("the server starts");
        self.addr = running.addr;
        *self.router() = Some(carrel_server::http::app(running.app().clone()));
        self.running = Some(running);
    }
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }
    /// Restarts the server with closed registration.
    pub async fn close_registration(&mut self) {
        self.settings.registration_open = false;
        self.restart().await;
    }
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }
    /// Returns `http://127.0.0.1:PORT`. The port does not change after a restart.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
    pub fn clock(&self) -> &FakeClock {
        &self.clock
    }
    pub fn running(&self) -> &RunningServer {
        self.running.as_ref().expect("the server runs")
    }

    /// Returns an HTTP client that calls the router without a socket. While the server is stopped,
    /// requests fail as with a closed port.
    pub fn direct(&self) -> Arc<dyn Http> {
        Arc::new(InProcessHttp { router: self.router.clone() })
    }

    /// Makes a backup of the running server.
    pub fn backup(&self) -> Backup {
        let dir = scratch();
        let to = dir.path().join("backup");
        let now_ms = self.clock.now_ms();
        backup::backup(self.engine.as_ref(), self.dir.path(), &to, now_ms)
            .expect("the backup is made");
        Backup { _dir: dir, path: to }
    }
    /// Restores a backup and starts the server again, with a new epoch and without later data.
    pub async fn restore(&mut self, backup: &Backup) {
        let options = restore::Options { replace: true, ..restore::Options::default() };
        self.restore_with(backup, options).await;
    }
    pub async fn restore_with(&mut self, backup: &Backup, options: restore::Options) {
        self.stop().await;
        let now_ms = self.clock.now_ms();
        restore::restore(self.engine.as_ref(), &backup.path, self.dir.path(), options, now_ms)
            .expect("the backup is restored");
        self.start().await;
    }
    /// Compiles and publishes packages.
    pub async fn import(&self, paths: &[PathBuf]) {
        let report = self.running().import(paths).await.expect("the import runs");
        assert!(report.is_ok(), "{report:#?}");
    }

    /// Returns all rows of one learner, by key.
    pub async fn rows(&self, user: UserId) -> std::collections::BTreeMap<RowKey, Row> {
        let store = &self.running().data().store;
        match store.pull(user, 0, u32::MAX, usize::MAX).await {
            Ok((rows, _)) => rows.into_iter().map(|(_, row)| (row.key(), row)).collect(),
            // A restored server may not have the account.
            Err(DomainError::NoAccount(_)) => Default::default(),
            Err(e) => panic!("cannot read the rows: {e}"),
        }
    }
    /// Returns the epoch of the present database.
    pub async fn epoch(&self) -> String {
        self.running().data().store.epoch().await.expect("the epoch")
    }
    /// Returns the learner's change number; 0 if the account does not exist.
    pub async fn usn(&self, user: UserId) -> u64 {
        match self.running().data().store.usn(user).await {
            Ok(usn) => usn,
            // A restored server may not have the account.
            Err(DomainError::NoAccount(_)) => 0,
            Err(e) => panic!("cannot read the change number: {e}"),
        }
    }
    /// Returns the quizzes of the course: item, hash of the compiled blob, content.
    pub async fn quizzes(&self) -> Vec<(ItemId, BlobHash, Quiz)> {
        let library = self.running().data();
        let published =
            library.store.published(carrel_server::store::Kind::Course, &content::course()).await;
        let published = published.expect("the store is read").expect("the course is published");
        let course: CourseReply = serde_json::from_str(&published.reply).expect("a valid course");
        let blob = |hash| library.blobs.read(hash).expect("the blob is read");
        let mut quizzes = Vec::new();
        for section in course.outline.lessons.iter().flat_map(|l| &l.sections) {
            let body: SectionBody =
                serde_json::from_slice(&blob(section.body)).expect("a valid section");
            for block in body.blocks {
                if let Block::Quiz { quiz, body, .. } = block {
                    quizzes.push((
                        quiz,
                        body,
                        serde_json::from_slice(&blob(body)).expect("a valid quiz"),
                    ));
                }
            }
        }
        quizzes
    }

    fn router(&self) -> std::sync::MutexGuard<'_, Option<Router>> {
        self.router.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the engine of a new server.
fn new_engine() -> Arc<dyn Engine> {
    if std::env::var("CARREL_TEST_ENGINE").as_deref() != Ok("postgres") {
        return Config::new("").engine;
    }
    let cluster = std::env::var("CARREL_TEST_POSTGRES")
        .expect("CARREL_TEST_POSTGRES is set: run the tests with `cargo xtask with-postgres`");
    let settings = Settings { database_pool_min: 1, database_pool_max: 8, ..Settings::default() };
    let url = format!("{cluster} dbname=postgres");
    let engine = database::engine(Some(&url), &settings).expect("the cluster's address");
    engine.for_tenant(&format!("t{}", random_id()))
}

/// Restores the library, whose database is SQLite, into the database of another engine.
fn restore_library(library: &Path, engine: &dyn Engine, dir: &Path, now_ms: i64) {
    let copy = scratch();
    let copy = copy.path().join("backup");
    let sqlite = Config::new(library).engine;
    backup::backup(sqlite.as_ref(), library, &copy, now_ms).expect("a backup of the library");
    restore::restore(engine, &copy, dir, restore::Options::default(), now_ms)
        .expect("the library is restored");
}

/// Sets a new epoch and server id in a copied data folder, which belongs to another server.
async fn new_epoch(dir: &Path, engine: &Arc<dyn Engine>) {
    let config = Config { engine: Arc::clone(engine), ..Config::new(dir) };
    let data = DataDir::open(config).expect("the data folder opens");
    let ids = [facts::EPOCH, facts::SERVER_ID].map(|name| (name, random_id()));
    let write = data
        .store
        .write("new epoch", move |tx| ids.iter().try_for_each(|(name, id)| tx.set_fact(name, id)));
    write.await.expect("the epoch is written");
}

#[allow(clippy::disallowed_methods, reason = "two servers of one process must differ")]
fn random_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A backup of a server, deleted when dropped.
pub struct Backup {
    _dir: TempDir,
    path: PathBuf,
}

async fn compile_library() -> TempDir {
    let (sources, dir) = (scratch(), scratch());
    content::write_library(sources.path()).expect("the packages are written");
    let library = DataDir::open(Config::new(dir.path())).expect("the library opens");
    let report = library.import(&[sources.path().to_owned()]).await.expect("the import runs");
    assert!(report.is_ok(), "{report:#?}");
    drop(library);
    dir
}

struct InProcessHttp {
    router: Arc<Mutex<Option<Router>>>,
}

#[async_trait]
impl Http for InProcessHttp {
    fn set_network(&self, _settings: &NetworkSettings) -> carrel_net::Result<()> {
        Ok(())
    }
    fn network_changed(&self) {}
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let router = self.router.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let router =
            router.ok_or_else(|| Failure::new(FailureKind::Connect, "connection refused"))?;
        let invalid = |e: &dyn std::fmt::Display| Failure::new(FailureKind::Request, e.to_string());
        let mut inner = axum::http::Request::new(Body::from(request.body.unwrap_or_default()));
        *inner.method_mut() = request.method;
        let url: axum::http::Uri = request.url.parse().map_err(|e| invalid(&e))?;
        let path = url.path_and_query().map_or("/", |p| p.as_str());
        *inner.uri_mut() = path.parse().map_err(|e| invalid(&e))?;
        *inner.headers_mut() = request.headers;
        let reply = router.oneshot(inner).await.unwrap_or_else(|never| match never {});
        let (head, body) = reply.into_parts();
        let broken = |e: axum::Error| Failure::new(FailureKind::Broken, e.to_string());
        let body = body.into_data_stream().map_ok(Bytes::from).map_err(broken).boxed();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }
}
