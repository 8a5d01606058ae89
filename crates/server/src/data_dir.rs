//! An open data folder: database, blobs and signing key. Used by the server, by commands and by tests.

use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::{Arc, OnceLock},
};

use carrel_analytics::Zone;
use carrel_mail::Mailer;
use carrel_store::SharedLimits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::{
    blob_place,
    blobs::{BlobFolder, BlobStore},
    config::Config,
    database,
    erasure_ledger::LedgerFile,
    error::{Error, io},
    events::{EventBus, EventHub, SharedEvents},
    folders::{refuse_moved, refuse_unfinished, require_server},
    key_file, shared_limits,
    signing::{Signer, hex},
    store::{OpenOptions, Quota, Store},
    tokens::TokenKeys,
};

/// An open data folder. Its parts are behind traits; the local implementations are chosen in `open`. Clones share them.
#[derive(Clone)]
pub struct DataDir {
    pub config: Config,
    pub store: Store,
    pub signer: Arc<dyn Signer>,
    pub blobs: Arc<dyn BlobStore>,
    pub events: Arc<dyn EventBus>,
    /// The mail server, if one is configured.
    pub mailer: Option<Arc<Mailer>>,
    /// What continues after the reply to a request. A server that stops waits for it.
    pub tasks: TaskTracker,
    /// Counts of rate limits; `None` if only one process uses the database.
    pub(crate) limits: Option<Arc<dyn SharedLimits>>,
    failpoints: Arc<OnceLock<Failpoints>>,
    /// One upload is compiled at a time, because a compilation takes much memory.
    pub(crate) upload_slot: Arc<Semaphore>,
}

/// Lock file: shared by imports, exclusive for the removal of blobs.
const IMPORT_LOCK: &str = "import.lock";

/// Called at each step of an import, with the name of the step. Tests kill the process at a step.
pub type Failpoints = Arc<dyn Fn(&'static str) + Send + Sync>;

impl DataDir {
    /// Sets the function called at each step of an import. Only the first call has an effect.
    pub fn set_failpoints(&self, failpoints: Failpoints) {
        let _ = self.failpoints.set(failpoints);
    }
    pub(crate) fn failpoints(&self) -> Option<Failpoints> {
        self.failpoints.get().cloned()
    }
    pub(crate) fn failpoint(&self, name: &'static str) {
        if let Some(failpoints) = self.failpoints.get() {
            failpoints(name);
        }
    }
    /// Opens and migrates the data folder of an existing server. Returns `Error::NoServer` if there is none.
    pub fn open_existing(config: Config) -> Result<Self, Error> {
        require_server(config.engine.as_ref(), &config.data_dir)?;
        Self::open(config)
    }
    /// Opens, creates or migrates the data folder. Blocks for some milliseconds.
    ///
    /// # Errors
    /// `Unfinished` if a restore into the folder was interrupted; `NoDatabase` or `NoSigningKey` if an existing server
    /// lacks its database or key.
    pub fn open(config: Config) -> Result<Self, Error> {
        let dir = &config.data_dir;
        std::fs::create_dir_all(dir).map_err(io("create", dir))?;
        refuse_moved(dir)?;
        refuse_unfinished(config.engine.as_ref(), dir)?;
        database::refuse_other_engine(config.engine.as_ref(), dir)?;
        let has_server = config.engine.exists(dir)?;
        let blobs = BlobFolder::of(dir);
        if !has_server && has_leftover_files(dir, &blobs) {
            return Err(Error::NoDatabase(dir.clone()));
        }
        let blobs = blob_place::open(&config)?;
        let key = key_file::open(dir, has_server)?;
        let mailer = config.settings.mailer()?;
        let zone = config.settings.zone()?;
        let s = &config.settings;
        let quota = Quota {
            rows: s.max_rows_per_learner,
            bytes: s.max_mib_per_learner.saturating_mul(1024 * 1024),
        };
        let options = OpenOptions { readers: s.readers, now_ms: config.clock.now_ms() };
        let mut opened = config.engine.open(dir, options)?;
        database::mark(config.engine.as_ref(), dir)?;
        blob_place::mark(&config)?;
        let events: Arc<dyn EventBus> = match opened.messages.take() {
            Some(messages) => Arc::new(SharedEvents::new(messages)),
            None => Arc::new(EventHub::default()),
        };
        let limits = shared_limits::of(s, &hex(&key.public_key()), opened.limits.clone())?;
        let store = Store::new(opened, Arc::clone(&events), quota, s.slow_query_ms);
        store.set_metrics(Arc::clone(&config.metrics));
        let folder = s.erasure_dir.as_deref().unwrap_or(dir);
        store.set_erasure_ledger(Arc::new(LedgerFile::in_folder(folder)));
        prepare(&store, zone, config.clock.now_ms())?;
        Ok(Self {
            store,
            signer: Arc::new(key),
            blobs,
            events,
            mailer,
            tasks: TaskTracker::new(),
            limits,
            config,
            failpoints: Arc::default(),
            upload_slot: Arc::new(Semaphore::new(1)),
        })
    }
    /// Acquires the shared import lock, after waiting for a running removal of blobs. An import holds the lock, because
    /// it does not write blobs that are already stored.
    pub(crate) async fn begin_import(&self) -> Result<File, Error> {
        let path = self.config.data_dir.join(IMPORT_LOCK);
        let work = tokio::task::spawn_blocking(move || {
            let file = File::create(&path).map_err(io("create", &path))?;
            file.lock_shared().map_err(io("lock", &path))?;
            Ok(file)
        });
        work.await.map_err(|e| Error::Refused(e.to_string()))?
    }
    /// Acquires the exclusive import lock, for removing blobs. Returns `None` if an import is running.
    pub(crate) fn lock_blobs(&self) -> Result<Option<File>, Error> {
        let path = self.config.data_dir.join(IMPORT_LOCK);
        let file = File::create(&path).map_err(io("create", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(io("lock", &path)(e)),
        }
    }
    /// Lets no upload run in this process until the result is dropped, for tests.
    pub async fn hold_uploads(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.upload_slot).acquire_owned().await.ok()
    }
    /// Returns the fingerprint of this server's key, for users to compare.
    pub fn fingerprint(&self) -> String {
        carrel_bundle::fingerprint(&hex(&self.signer.public_key()))
    }
    /// Returns the keys of refresh tokens and account certificates.
    pub fn token_keys(&self) -> TokenKeys {
        TokenKeys::new(self.signer.as_ref(), self.store.token_salt())
    }
}

/// Deletes accounts again that a restored backup brought back, and sets the time zone of reports. Blocking.
fn prepare(store: &Store, zone: Zone, now_ms: i64) -> Result<(), Error> {
    // On a thread of its own, because the caller's may run async tasks.
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|e| Error::Refused(format!("start a runtime: {e}")))?;
        runtime.block_on(store.open_analytics(zone))?;
        let applied = runtime.block_on(store.apply_erasures(now_ms))?;
        if applied.deleted > 0 {
            tracing::warn!(
                accounts = applied.deleted,
                "deleted accounts that a backup had brought back"
            );
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Returns true if the folder contains other files of a server. Creating a new server there would hide the loss of the
/// database.
fn has_leftover_files(dir: &Path, blobs: &BlobFolder) -> bool {
    let has_entries =
        |path: &Path| std::fs::read_dir(path).is_ok_and(|mut found| found.next().is_some());
    let was_replaced = std::fs::read_dir(dir).is_ok_and(|found| {
        found.flatten().any(|e| e.file_name().to_string_lossy().starts_with("replaced-"))
    });
    has_entries(blobs.root())
        || blob_place::is_remote(dir)
        || has_entries(&dir.join("backups"))
        || was_replaced
}
