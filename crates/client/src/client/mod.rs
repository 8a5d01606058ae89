//! The client: the accounts of this device, the open account, and its content.
//!
//! Not here: operations on an account (`learning`, `content`, `sync`), and the commands of the UI.

mod accounts;
mod adopt;
mod browser_sign_in;
mod bundles;
mod content_location;
mod dictionaries;
mod kiosk;
mod network;
mod policies;
mod removal;
mod updates;

use std::{
    path::Path,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

pub use browser_sign_in::BrowserSignInOptions;
use carrel_content::{
    download::{Conditions, ReportedConditions, Sensors},
    media::MediaServer,
    storage::Storage,
};
use carrel_net::{MinThroughput, SecretStore, TracedHttp};
use carrel_sqlite::Changes;
use carrel_system::{Clock, blocking};
use carrel_update::updater::Updater;
pub use kiosk::KeptWork;
use parking_lot::{Mutex, RwLock};
pub use removal::Unsynced;
use tokio::sync::watch;
pub use updates::updates_dir;

use crate::{
    Config, Error, Result,
    account::{AccountInfo, Accounts, Secrets},
    bundle::{Transfers, Uploads},
    dictionary::Dictionaries,
    open_account::{OpenAccount, Shared},
    policy::PolicyState,
};

/// How often network and battery state are read from the machine.
const SENSOR_INTERVAL: Duration = Duration::from_secs(60);

/// The client of this device, without a UI.
pub struct Client {
    shared: Shared,
    media: MediaServer,
    /// Opened with the first account.
    storage: tokio::sync::Mutex<Option<Storage>>,
    transfers: Transfers,
    dictionaries: Arc<Dictionaries>,
    uploads: Arc<Uploads>,
    open: RwLock<Option<Arc<OpenAccount>>>,
    conditions: watch::Sender<Conditions>,
    /// Network and battery state, as reported by the UI (0) and read from the machine (1).
    reported: Mutex<[ReportedConditions; 2]>,
    /// Held while content is moved.
    moving: tokio::sync::Mutex<()>,
    /// Held while the open account changes.
    switching: tokio::sync::Mutex<()>,
    failure: Mutex<Option<OpenFailure>>,
    /// The sign-in whose browser was opened.
    browser_sign_in: Mutex<Option<browser_sign_in::BrowserSignIn>>,
    updates: OnceLock<Arc<Updater>>,
    /// Work kept at sign-outs whose codes nobody has noted yet.
    kept: Mutex<Vec<KeptWork>>,
    /// Why the content folder of this machine cannot be used.
    folder_problem: Mutex<Option<String>>,
    weak: Weak<Self>,
}

/// An account that could not be opened, with the error.
#[derive(Debug, Clone)]
pub struct OpenFailure {
    pub account: AccountInfo,
    pub error: Arc<Error>,
}

impl Client {
    /// Opens the list of accounts, and the account that was open last, unless it has a PIN. Requires a Tokio runtime.
    ///
    /// Also succeeds if that account cannot be opened (a newer file, a full disk): `open_failure` then returns the
    /// account and the error.
    pub async fn open(mut config: Config) -> Result<Arc<Self>> {
        let http = Arc::new(MinThroughput::new(config.http, config.clock.clone()));
        config.http = Arc::new(TracedHttp::new(http));
        let sources = std::mem::take(&mut config.policies);
        let policies = blocking(move || Ok::<_, Error>(PolicyState::open(&sources))).await?;
        let in_force = policies.current();
        if let Some(folder) = &in_force.policies.content_folder {
            config.space.content_dir = Some(folder.clone());
        }
        let config = Arc::new(config);
        let (conditions, conditions_receiver) = watch::channel(Conditions::default());
        let (accounts, secrets) = blocking({
            let config = config.clone();
            move || open_accounts(&config)
        })
        .await?;
        network::apply_login(&config, &secrets);
        let shared = Shared::new(config.clone(), accounts, secrets, policies, conditions_receiver);
        let uploads = Uploads::new(&config.cache_dir);
        let media = MediaServer::start(config.ids.as_ref(), uploads.routes()).await?;
        let client = Arc::new_cyclic(|weak| Self {
            transfers: Transfers::new(shared.changes.clone(), config.clock.clone()),
            dictionaries: Arc::new(Dictionaries::new(&shared.config.data_dir)),
            shared,
            media,
            storage: Default::default(),
            uploads,
            open: RwLock::default(),
            conditions,
            reported: Mutex::default(),
            moving: Default::default(),
            switching: Default::default(),
            failure: Mutex::default(),
            browser_sign_in: Mutex::default(),
            updates: OnceLock::new(),
            kept: Mutex::default(),
            folder_problem: Mutex::default(),
            weak: weak.clone(),
        });
        client.watch_policies();
        client.read_kept_work().await;
        if client.is_kiosk() {
            client.clean_up_kiosk().await;
        }
        if let Some(active) =
            client.accounts().active().filter(|a| !a.signed_out && a.pin.is_none())
            && let Err(e) = client.switch(&active.id).await
        {
            tracing::error!(account.id = %active.id, error = %e, "the last account could not be opened");
        }
        Ok(client)
    }

    pub fn accounts(&self) -> &Accounts {
        &self.shared.accounts
    }
    /// Returns the open account; if none, the UI shows the Welcome screen.
    pub fn account(&self) -> Option<Arc<OpenAccount>> {
        self.open.read().clone()
    }
    /// Returns the open account, or `Error::UNAUTHENTICATED`.
    pub fn require_account(&self) -> Result<Arc<OpenAccount>> {
        self.account().ok_or(Error::UNAUTHENTICATED)
    }
    /// Returns the open account's entry in the list of accounts.
    pub fn account_info(&self) -> Option<AccountInfo> {
        self.accounts().get(self.account()?.id())
    }
    /// Returns the account that could not be opened at the last attempt, if none was opened since.
    pub fn open_failure(&self) -> Option<OpenFailure> {
        self.failure.lock().clone()
    }
    pub fn changes(&self) -> &Changes {
        &self.shared.changes
    }
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.config().clock
    }
    pub fn config(&self) -> &Config {
        &self.shared.config
    }
    /// Returns the exports and imports of bundles.
    pub fn transfers(&self) -> &Transfers {
        &self.transfers
    }
    /// Returns the dictionary packs of this device.
    pub fn dictionaries(&self) -> &Arc<Dictionaries> {
        &self.dictionaries
    }
    /// Returns the address to which the UI uploads a file that the user chose (`PUT`); valid for this run.
    pub async fn upload_url(&self) -> Result<String> {
        self.uploads.url(&self.media.base_url()).await
    }
    /// Reads a file that the UI uploaded, for a request with it.
    ///
    /// # Errors
    ///
    /// `Invalid` for a file that was not uploaded in this run, or that has more than `max_bytes`.
    pub async fn uploaded_file(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
        self.uploads.read(path, max_bytes).await
    }
    /// Deletes a file that the UI uploaded.
    pub async fn discard_upload(&self, path: &Path) {
        self.uploads.discard(path).await;
    }
    /// Returns the base address of the open account's images, audio and video, to which a blob's hash is appended.
    /// Ends with `/`; valid for this run.
    pub fn media_base(&self) -> String {
        self.media.base_url()
    }
    /// Returns true if tokens are stored in a file because the keychain is absent or unavailable. The call may probe
    /// the keychain, which takes up to a few seconds.
    pub async fn keychain_fallback(&self) -> bool {
        let secrets = self.shared.secrets.clone();
        blocking(move || Ok::<_, Error>(secrets.fallback_in_use())).await.unwrap_or(true)
    }
    pub fn demo_available(&self) -> bool {
        self.shared.demo_dir().is_some_and(|d| d.is_dir())
    }

    /// Sets the network and battery state that the UI reports.
    pub fn set_conditions(&self, from_ui: ReportedConditions) {
        self.set_reported(0, from_ui);
    }
    /// Reads network and battery state from the machine at intervals while the client exists.
    pub fn watch_sensors(&self, sensors: Arc<dyn Sensors>) {
        let (weak, clock) = (self.weak.clone(), self.clock().clone());
        tokio::spawn(async move {
            loop {
                let sensors = sensors.clone();
                let read = blocking(move || Ok::<_, Error>(sensors.read())).await;
                let Some(client) = weak.upgrade() else { return };
                client.set_reported(1, read.unwrap_or_default());
                drop(client);
                clock.sleep(SENSOR_INTERVAL).await;
            }
        });
    }
    fn set_reported(&self, source: usize, state: ReportedConditions) {
        let mut reported = self.reported.lock();
        reported[source] = state;
        let conditions = reported[0].or(reported[1]).conditions();
        self.conditions.send_if_modified(|c| std::mem::replace(c, conditions) != conditions);
    }
}

fn open_accounts(config: &Config) -> Result<(Accounts, Arc<dyn SecretStore>)> {
    let Config { data_dir, clock, ids, .. } = config;
    let accounts = Accounts::open(data_dir, &config.device_name, clock.as_ref(), ids.as_ref())?;
    let secrets = config.secrets.clone();
    let secrets = secrets.unwrap_or_else(|| Arc::new(Secrets::system(data_dir, ids.clone())));
    Ok((accounts, secrets))
}
