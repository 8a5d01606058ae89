//! An account while it is open: its database, content, sync and tasks.
//!
//! [`OpenAccount`] owns all of it. Dropping it, or cancelling [`OpenAccount::open`], stops the tasks and closes the
//! database.
//!
//! Not here: which account is open (`client`), the list of accounts (`account`).

mod device_report;
mod durations;
mod staff;
mod tasks;
mod timed_attempts;
mod triggers;

use std::{path::PathBuf, sync::Arc};

use carrel_content::{Content, ContentConfig, download::Conditions, storage::Storage};
use carrel_learning::{Learning, store, store::Store};
use carrel_model::Slug;
use carrel_net::{FolderHttp, Http, NetworkCause, SecretStore, Session};
use carrel_sqlite::Changes;
use carrel_sync::{Engine, Machine, Sync, Transport};
use carrel_system::blocking;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::watch, task::JoinSet};
use tokio_util::task::TaskTracker;

use crate::{
    Config, Error, Result,
    account::{AccountInfo, Accounts, Identity, enter_code},
    dictionary::DictionaryDownloads,
    policy::PolicyState,
};

pub use staff::{StaffChange, StaffReply};

/// State shared by all accounts of this device.
#[derive(Clone)]
pub(crate) struct Shared {
    pub config: Arc<Config>,
    pub accounts: Arc<Accounts>,
    pub secrets: Arc<dyn SecretStore>,
    pub changes: Changes,
    pub policies: PolicyState,
    /// Current network and battery conditions.
    pub conditions: watch::Receiver<Conditions>,
    pub failpoints: OpenFailpoints,
    /// Tracks the background tasks that close dropped accounts.
    closing: TaskTracker,
}

impl Shared {
    pub fn new(
        config: Arc<Config>,
        accounts: Accounts,
        secrets: Arc<dyn SecretStore>,
        policies: PolicyState,
        conditions: watch::Receiver<Conditions>,
    ) -> Self {
        let closing = TaskTracker::new();
        // A closed tracker can be awaited and still accepts tasks.
        closing.close();
        let accounts = Arc::new(accounts);
        let (changes, failpoints) = (Changes::new(), OpenFailpoints::default());
        Self { config, accounts, secrets, changes, policies, conditions, failpoints, closing }
    }

    /// Returns the folder of the demo library, if this build includes it and the organisation allows it.
    pub fn demo_dir(&self) -> Option<&PathBuf> {
        self.config.demo_dir.as_ref().filter(|_| self.policies.current().policies.demo_library)
    }

    /// Creates the session of an account with its server at `address`.
    pub fn session(&self, info: &AccountInfo, address: &str) -> Session {
        Session::new(self.config.http.clone(), address, &info.id, self.secrets.clone())
            .with_clock(self.config.clock.clone())
    }

    /// Waits until all accounts that were dropped are closed.
    pub async fn closed(&self) {
        self.closing.wait().await;
    }

    /// Reads or writes the list of accounts on a blocking thread.
    pub async fn with_accounts<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Accounts) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let accounts = self.accounts.clone();
        blocking(move || f(&accounts)).await
    }

    /// Returns the options for an account's database.
    pub fn store_options(&self, has_server: bool, changes: Changes) -> store::Options {
        store::Options {
            device: self.accounts.device().id,
            app_version: self.config.app_version.clone(),
            has_server,
            clock: self.config.clock.clone(),
            changes,
            page_limit: None,
        }
    }
}

type Failpoint = dyn Fn(&'static str) -> Result<()> + Send + std::marker::Sync;

/// Lets tests make a step of opening an account fail.
#[derive(Clone, Default)]
pub(crate) struct OpenFailpoints(Arc<Mutex<Option<Arc<Failpoint>>>>);

impl OpenFailpoints {
    pub fn set(&self, failpoint: Arc<Failpoint>) {
        *self.0.lock() = Some(failpoint);
    }
    fn at(&self, name: &'static str) -> Result<()> {
        let failpoint = self.0.lock().clone();
        failpoint.map_or(Ok(()), |failpoint| failpoint(name))
    }
}

/// An open account with its files and tasks. Dropping it closes it in the background.
pub struct OpenAccount {
    id: String,
    pub store: Arc<Store>,
    pub learning: Arc<Learning>,
    pub sync: Arc<Sync>,
    pub content: Arc<Content>,
    /// Sends requests with the learner's tokens; without a server, reads the files of the demo library.
    pub http: Arc<dyn Http>,
    /// Without a trailing slash.
    pub base_url: String,
    pub(crate) dictionary_downloads: Arc<DictionaryDownloads>,
    session: Option<Session>,
    tasks: Mutex<JoinSet<()>>,
    closing: TaskTracker,
}

impl OpenAccount {
    /// Opens an account's files and starts its tasks. `session` is none for an account without a server.
    ///
    /// After an error everything is closed again; the next call waits until the database is closed.
    pub(crate) async fn open(
        shared: &Shared,
        storage: Storage,
        info: &AccountInfo,
        session: Option<Session>,
    ) -> Result<Self> {
        shared.closed().await;
        let (config, failpoints) = (&shared.config, &shared.failpoints);
        let folder = shared.accounts.folder(&info.id);
        let (http, base_url): (Arc<dyn Http>, String) = match &session {
            Some(session) => (Arc::new(session.clone()), info.server.clone().unwrap_or_default()),
            None => {
                let library = shared.demo_dir().cloned().unwrap_or_else(|| folder.join("library"));
                (Arc::new(FolderHttp::new(&library)), FolderHttp::BASE.to_owned())
            }
        };
        failpoints.at("store")?;
        let options = shared.store_options(session.is_some(), shared.changes.clone());
        // The next call waits until the token is dropped: when this call has the database or, if this call is
        // cancelled, after the database is closed.
        let token = shared.closing.token();
        let opened = blocking(move || Ok::<_, Error>((Store::open(&folder, options)?, token)));
        let store = Arc::new(opened.await?.0);
        failpoints.at("content")?;
        let content_config = ContentConfig {
            storage,
            account_dir: config.cache_dir.join("accounts").join(&info.id),
            account: info.id.clone(),
            base_url: base_url.clone(),
            mirror_url: config.network.mirror.clone().filter(|_| session.is_some()),
            http: http.clone(),
            clock: config.clock.clone(),
            ids: config.ids.clone(),
            changes: shared.changes.clone(),
        };
        let content = blocking(move || Ok::<_, Error>(Content::open(content_config)?)).await?;
        // From here on, an error or a cancelled call drops `account`, which closes everything.
        let account = Self {
            id: info.id.clone(),
            learning: Arc::new(Learning::new(store.clone(), config.ids.clone())),
            sync: Arc::new(start_sync(shared, &store, session.as_ref(), &http, &base_url)),
            store,
            content,
            http,
            base_url,
            dictionary_downloads: Arc::default(),
            session,
            tasks: Mutex::default(),
            closing: shared.closing.clone(),
        };
        failpoints.at("sync")?;
        failpoints.at("tasks")?;
        account.start_tasks(shared, info);
        failpoints.at("name")?;
        if !account.is_demo()
            && let Err(e) = account.learning.name_this_device(&shared.accounts.device().name).await
        {
            tracing::warn!(error = %e, "the device's name could not be stored");
        }
        failpoints.at("end")?;
        Ok(account)
    }

    fn start_tasks(&self, shared: &Shared, info: &AccountInfo) {
        let mut tasks = self.tasks.lock();
        let (accounts, changes) = (&shared.accounts, &shared.changes);
        tasks.spawn(tasks::back_up_daily(self.store.clone(), shared.config.clock.clone()));
        tasks.spawn(tasks::prefetch_latest(self.learning.clone(), self.content.clone()));
        tasks.spawn(timed_attempts::watch(
            self.learning.clone(),
            self.content.clone(),
            changes.clone(),
            shared.config.clock.clone(),
        ));
        let mut conditions = shared.conditions.clone();
        self.content.downloads.set_conditions(*conditions.borrow_and_update());
        tasks.spawn(triggers::forward(
            self.content.downloads.clone(),
            self.learning.clone(),
            changes.clone(),
            conditions,
            shared.policies.clone(),
        ));
        let Some(session) = &self.session else { return };
        let entry = tasks::AccountEntry {
            accounts: accounts.clone(),
            changes: changes.clone(),
            id: info.id.clone(),
        };
        tasks.spawn(tasks::store_needs_sign_in(
            entry.clone(),
            session.ended(),
            session.tokens_found(),
        ));
        tasks.spawn(tasks::store_user(entry, session.user()));
        tasks.spawn(device_report::report(device_report::Reporter {
            sync: self.sync.clone(),
            store: self.store.clone(),
            content: self.content.clone(),
            http: self.http.clone(),
            base_url: self.base_url.clone(),
            app_version: shared.config.app_version.clone(),
            clock: shared.config.clock.clone(),
            changes: changes.clone(),
        }));
        if let Some(reported) = self.sync.catalogue() {
            tasks.spawn(tasks::refresh_catalogue(reported, self.content.clone()));
        }
        if info.identity().is_none() {
            tasks.spawn(tasks::request_identity(
                shared.clone(),
                self.id.clone(),
                self.sync.clone(),
                self.content.clone(),
            ));
        }
    }

    /// Runs a task until the account is closed.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().spawn(task);
    }

    /// The account's id on this device.
    pub fn id(&self) -> &str {
        &self.id
    }
    pub fn is_demo(&self) -> bool {
        self.session.is_none()
    }
    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }
    /// Returns why the last request to the server failed; none after a reply, or if the cause is not known.
    pub fn network_cause(&self) -> Option<NetworkCause> {
        self.session.as_ref()?.network_cause()
    }
    /// Returns the time at which the sign-in expires unless it is renewed before (UTC, ms). None if it is unknown or
    /// past, or if there is no server.
    pub async fn signed_in_until_ms(&self) -> Option<i64> {
        self.session.as_ref()?.good_until_ms().await
    }
    /// Enrols the learner in the courses of a code, and returns them. Their rows arrive with the sync that follows.
    ///
    /// # Errors
    /// `Server` with the code of a refusal, such as `token_unknown`; `Offline` without a server or a network.
    pub async fn enter_code(&self, code: &str) -> Result<Vec<Slug>> {
        if self.session.is_none() {
            return Err(carrel_net::Error::offline("the account has no server").into());
        }
        let courses = enter_code(self.http.as_ref(), &self.base_url, code).await?;
        if let Err(e) = self.sync.sync_now().await {
            tracing::warn!(error = %e, "the sync after a code failed; it is repeated later");
        }
        Ok(courses)
    }
    /// Notifies content and sync that the network changed or became available.
    pub fn network_changed(&self) {
        self.content.network_changed();
        self.sync.network_changed();
    }

    /// Stops the tasks and closes the database. Remaining handles to the database then return errors.
    pub(crate) async fn close(&self) {
        self.shut_down().await;
    }

    fn shut_down(&self) -> impl Future<Output = ()> + Send + use<> {
        self.content.close();
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.abort_all();
        let (sync, store, cache) =
            (self.sync.clone(), self.store.clone(), self.content.cache_database());
        async move {
            tasks.shutdown().await;
            sync.stop().await;
            cache.close().await;
            store.close().await;
        }
    }
}

impl Drop for OpenAccount {
    fn drop(&mut self) {
        let shut_down = self.shut_down();
        // Without a runtime no tasks run, and the database closes with its last handle.
        if let Ok(runtime) = Handle::try_current() {
            self.closing.spawn_on(shut_down, &runtime);
        }
    }
}

fn start_sync(
    shared: &Shared,
    store: &Arc<Store>,
    session: Option<&Session>,
    http: &Arc<dyn Http>,
    base_url: &str,
) -> Sync {
    let Some(session) = session else { return Sync::local(store.clone()) };
    let Config { clock, ids, event_stream, .. } = shared.config.as_ref();
    let mut seed = [0; 8];
    ids.fill(&mut seed);
    let machine = Machine::new(u64::from_le_bytes(seed), *event_stream);
    let transport = Transport::new(http.clone(), base_url, Some(session.clone()), clock.clone());
    let engine = Arc::new(Engine::new(store.clone(), transport, ids.clone(), machine));
    Sync::start(engine, Some(session.clone()))
}

/// Stores the identity that an account's server proved, unless a different signing key is pinned for the account.
pub(crate) async fn store_identity(
    accounts: &Arc<Accounts>,
    id: &str,
    content: &Arc<Content>,
    identity: Option<Identity>,
) -> Result<()> {
    let Some(identity) = identity else { return Ok(()) };
    let (accounts, content, id) = (accounts.clone(), content.clone(), id.to_owned());
    blocking(move || {
        let library = &content.library;
        match library.key_of(library.base_url())? {
            Some(pinned) if pinned != identity.key => Ok(()),
            _ => accounts.store_identity(&id, &identity),
        }
    })
    .await
}
