//! The client as one thing: the accounts of this device, and the one that is open with everything that belongs to it.
//!
//! Not here: which account is open (`accounts`), where content lies (`content`), what is done with an account (`learning`, `library`, `sync`),
//! and the commands of the window.

mod accounts;
mod adopt;
mod content;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use carrel_content::{
    Content,
    download::{Conditions, Known, Sensors},
    media::MediaServer,
    storage::Storage,
};
use carrel_learning::{Learning, store::Store};
use carrel_net::{Http, MinThroughput, SecretStore, Session};
use carrel_sqlite::Changes;
use carrel_sync::Sync;
use carrel_system::{Clock, IdGen};
use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
};

use crate::{
    Error, Result,
    account::{AccountInfo, Accounts, Secrets},
    cable::{Cable, Uploads},
};

/// How often the machine is asked of network and battery.
const LOOK_AT_MACHINE: Duration = Duration::from_secs(60);

/// What the core needs to know of the world.
#[derive(Clone)]
pub struct Config {
    /// Accounts, learners' work, tokens: never deleted by the system.
    pub data_dir: PathBuf,
    /// Content: can be fetched again.
    pub cache_dir: PathBuf,
    pub space: Space,
    /// The library that came with this build.
    pub demo_dir: Option<PathBuf>,
    pub http: Arc<dyn Http>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGen>,
    /// None: the system's keychain, with an encrypted file to fall back to.
    pub secrets: Option<Arc<dyn SecretStore>>,
    /// For people: "Asha's laptop".
    pub device_name: String,
    pub app_version: String,
    /// Keep an event stream open, so that other devices' work shows at once.
    pub listens: bool,
}

pub use content::Space;

/// The client without a window. Clones of the `Arc` share it.
pub struct Core {
    config: Config,
    accounts: Accounts,
    secrets: Arc<dyn SecretStore>,
    changes: Changes,
    media: MediaServer,
    /// Opened with the first account.
    storage: Mutex<Option<Storage>>,
    cable: Cable,
    uploads: Arc<Uploads>,
    open: RwLock<Option<Arc<OpenAccount>>>,
    /// What is known of network and battery, and by whom.
    conditions: watch::Sender<Conditions>,
    known: std::sync::Mutex<[Known; 2]>,
    /// One move of content at a time.
    moving: Mutex<()>,
    /// One change of account at a time.
    turn: Mutex<()>,
    /// The account that could not be opened.
    failure: std::sync::Mutex<Option<OpenFailure>>,
    open_steps: std::sync::Mutex<Option<OpenSteps>>,
    me: Weak<Self>,
}

/// An account that could not be opened, and why.
#[derive(Debug, Clone)]
pub struct OpenFailure {
    pub account: AccountInfo,
    pub error: Arc<Error>,
}

/// Called before each step of opening an account; an error makes the step fail.
pub type OpenSteps = Arc<dyn Fn(&'static str) -> Result<()> + Send + std::marker::Sync>;

/// An account with its files and tasks.
pub struct OpenAccount {
    id: String,
    pub store: Arc<Store>,
    pub learning: Learning,
    pub sync: Sync,
    pub content: Arc<Content>,
    /// Signed in; in the demo library the folder.
    pub http: Arc<dyn Http>,
    /// Without a slash at its end.
    pub base_url: String,
    session: Option<Session>,
    tasks: Vec<JoinHandle<()>>,
}

impl Core {
    /// Opens the list of accounts, and the account that was open last. Call it inside a Tokio runtime.
    ///
    /// An account that cannot be opened (a newer file, a full disk) is not a reason to fail: `open_failure` tells which and why, and
    /// the accounts are there.
    pub async fn open(mut config: Config) -> Result<Arc<Self>> {
        config.http = Arc::new(MinThroughput::new(config.http, config.clock.clone()));
        let (clock, ids) = (config.clock.clone(), config.ids.clone());
        let accounts =
            Accounts::open(&config.data_dir, &config.device_name, clock.as_ref(), ids.as_ref())?;
        let secrets = match &config.secrets {
            Some(secrets) => secrets.clone(),
            None => Arc::new(Secrets::system(&config.data_dir, ids)),
        };
        let uploads = Uploads::new(&config.cache_dir);
        let media = MediaServer::start(config.ids.as_ref(), uploads.routes()).await?;
        let changes = Changes::new();
        let core = Arc::new_cyclic(|me| Self {
            media,
            storage: Mutex::new(None),
            cable: Cable::new(changes.clone(), config.clock.clone()),
            uploads,
            config,
            accounts,
            secrets,
            changes,
            open: RwLock::new(None),
            conditions: watch::Sender::new(Conditions::default()),
            known: std::sync::Mutex::default(),
            moving: Mutex::new(()),
            turn: Mutex::new(()),
            failure: std::sync::Mutex::default(),
            open_steps: std::sync::Mutex::default(),
            me: me.clone(),
        });
        if let Some(last) = core.accounts.active().filter(|a| !a.signed_out)
            && let Err(e) = core.switch(&last.id).await
        {
            tracing::error!(account.id = %last.id, error = %e, "the last account could not be opened");
        }
        Ok(core)
    }

    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }
    /// The account that is open; none: First run.
    pub fn account(&self) -> Option<Arc<OpenAccount>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// The open account, or `Error::Unauthenticated`.
    pub fn need_account(&self) -> Result<Arc<OpenAccount>> {
        self.account().ok_or(Error::UNAUTHENTICATED)
    }
    /// What is known of the open account now.
    pub fn account_info(&self) -> Option<AccountInfo> {
        self.accounts.get(&self.account()?.id)
    }
    pub fn changes(&self) -> &Changes {
        &self.changes
    }
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.config.clock
    }
    pub fn config(&self) -> &Config {
        &self.config
    }
    /// Files that come and go where there is no network.
    pub fn cable(&self) -> &Cable {
        &self.cable
    }
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.uploads
    }
    pub(crate) fn secrets(&self) -> &Arc<dyn SecretStore> {
        &self.secrets
    }
    /// The address to which the window uploads a file that a person chose (`PUT`): valid for this run.
    pub async fn upload_url(&self) -> Result<String> {
        self.uploads.url(&self.media.base_url()).await
    }
    /// Where pictures, audio and video of the open account are: this, then the blob's hash. Ends with `/`; good for this run.
    pub fn media_base(&self) -> String {
        self.media.base_url()
    }
    /// True if tokens lie in a file because there is no keychain. May ask the keychain: up to a few seconds the first time.
    pub async fn keychain_fallback(&self) -> bool {
        let secrets = self.secrets.clone();
        tokio::task::spawn_blocking(move || secrets.fallback_in_use()).await.unwrap_or(true)
    }
    pub fn demo_available(&self) -> bool {
        self.config.demo_dir.as_ref().is_some_and(|d| d.is_dir())
    }

    /// What the window says of network and battery: downloads go by it, and by what only the machine knows.
    pub fn set_conditions(&self, by_window: Known) {
        self.learn(0, by_window);
    }
    /// Asks the machine of network and battery from now on, as long as the core lives.
    pub fn watch_machine(&self, sensors: Arc<dyn Sensors>) {
        let (me, clock) = (self.me.clone(), self.config.clock.clone());
        tokio::spawn(async move {
            loop {
                let asked = sensors.clone();
                let read = tokio::task::spawn_blocking(move || asked.read()).await;
                let Some(core) = me.upgrade() else { return };
                core.learn(1, read.unwrap_or_default());
                drop(core);
                clock.sleep(LOOK_AT_MACHINE).await;
            }
        });
    }
    fn learn(&self, who: usize, what: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known[who] = what;
        let conditions = known[0].or(known[1]).conditions();
        self.conditions.send_if_modified(|c| std::mem::replace(c, conditions) != conditions);
    }
}

impl OpenAccount {
    /// The account's id on this device.
    pub fn id(&self) -> &str {
        &self.id
    }
    pub fn is_demo(&self) -> bool {
        self.session.is_none()
    }
    /// Until when the sign-in lasts if the server is not met meanwhile (UTC, ms). None: not known, over, or no server.
    pub async fn signed_in_until_ms(&self) -> Option<i64> {
        self.session.as_ref()?.good_until_ms().await
    }
    /// The network is another one, or is there again.
    pub fn network_changed(&self) {
        self.content.network_changed();
        self.sync.network_changed();
    }

    async fn close(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.content.close();
        self.sync.stop().await;
        self.store.close().await;
    }
}

impl Drop for OpenAccount {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
