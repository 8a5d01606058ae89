//! The client as one thing: the accounts of this device, and the one that is open with everything that belongs to it.
//!
//! Not here: what is done with an account (`learning`, `library`, `sync`), and the commands of the window.

mod content;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use carrel_model::wire::{LoginRequest, RegisterRequest, TokenReply};
use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
};

use crate::{
    Change, Changes, Clock, Error, IdGen, Result,
    account::{self, AccountInfo, Accounts, SecretStore, Secrets, ServerCheck, Session, Tokens},
    cable::{Cable, Slot},
    download::{Conditions, Known, Sensors, guide},
    http::{FolderHttp, Http, Patient},
    learning::Learning,
    library::{Content, ContentConfig},
    media::MediaServer,
    storage::Storage,
    store::{self, Store},
    sync::{Engine, Machine, Sync, Transport},
};

/// How often the open file is looked after.
const CARE: Duration = Duration::from_secs(3600);

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
    slot: Slot,
    open: RwLock<Option<Arc<OpenAccount>>>,
    /// What is known of network and battery, and by whom.
    conditions: watch::Sender<Conditions>,
    known: std::sync::Mutex<[Known; 2]>,
    /// One change of account at a time.
    turn: Mutex<()>,
    me: Weak<Self>,
}

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
    /// An account that cannot be opened (a newer file, a full disk) is not a reason to fail: it is logged, and the accounts are there.
    pub async fn open(mut config: Config) -> Result<Arc<Self>> {
        config.http = Arc::new(Patient::new(config.http, config.clock.clone()));
        let (clock, ids) = (config.clock.clone(), config.ids.clone());
        let accounts =
            Accounts::open(&config.data_dir, &config.device_name, clock.as_ref(), ids.as_ref())?;
        let secrets = match &config.secrets {
            Some(secrets) => secrets.clone(),
            None => Arc::new(Secrets::system(&config.data_dir, ids)),
        };
        let media = MediaServer::start(config.ids.as_ref()).await?;
        let changes = Changes::new();
        let core = Arc::new_cyclic(|me| Self {
            media,
            storage: Mutex::new(None),
            cable: Cable::new(changes.clone(), config.clock.clone()),
            slot: Slot::new(&config.cache_dir),
            config,
            accounts,
            secrets,
            changes,
            open: RwLock::new(None),
            conditions: watch::Sender::new(Conditions::default()),
            known: std::sync::Mutex::default(),
            turn: Mutex::new(()),
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
        self.account().ok_or(Error::Unauthenticated)
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
    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }
    pub(crate) fn secrets(&self) -> &Arc<dyn SecretStore> {
        &self.secrets
    }
    /// Where the window puts a file that a person chose (`PUT`): good for this run.
    pub async fn slot_url(&self) -> Result<String> {
        self.slot.url(self.config.ids.as_ref()).await
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

    /// Asks whether a Carrel server is at an address as typed.
    pub async fn check_server(&self, typed: &str) -> Result<ServerCheck> {
        account::check_server(self.config.http.as_ref(), self.config.clock.as_ref(), typed).await
    }

    /// Signs in and opens the account: the same learner on the same server gets the same files again.
    pub async fn sign_in(
        &self,
        typed: &str,
        login: &str,
        password: &str,
    ) -> Result<Arc<OpenAccount>> {
        let server = self.check_server(typed).await?;
        let device = self.accounts.device();
        let request = LoginRequest {
            login: login.to_owned(),
            password: password.to_owned(),
            device_id: device.id,
            device_name: device.name,
        };
        let reply = account::login(self.config.http.as_ref(), &server.address, &request).await?;
        self.signed_in(&server, reply).await
    }

    /// Makes an account on a server, signs in, opens it.
    pub async fn register(
        &self,
        typed: &str,
        login: &str,
        name: &str,
        password: &str,
    ) -> Result<Arc<OpenAccount>> {
        let server = self.check_server(typed).await?;
        let device = self.accounts.device();
        let request = RegisterRequest {
            login: login.to_owned(),
            name: name.to_owned(),
            password: password.to_owned(),
            device_id: device.id,
            device_name: device.name,
        };
        let reply = account::register(self.config.http.as_ref(), &server.address, &request).await?;
        self.signed_in(&server, reply).await
    }

    async fn signed_in(&self, server: &ServerCheck, reply: TokenReply) -> Result<Arc<OpenAccount>> {
        let tokens = Tokens::from(&reply);
        let info = AccountInfo::of(&server.address, &server.meta.name, reply.user);
        let _turn = self.turn.lock().await;
        let open = self.account().filter(|a| a.id == info.id);
        let session = match open.as_ref().and_then(|a| a.session.clone()) {
            Some(session) => session,
            None => self.session(&info, &server.address),
        };
        // The tokens first: an account without tokens could do nothing.
        session.renew(tokens).await?;
        self.accounts.put(&info)?;
        if let Some(open) = open {
            self.changes.tell_one(Change::Account);
            return Ok(open);
        }
        self.close_open().await;
        let open = self.open_account(&info, Some(session)).await?;
        open.content.library.pin(&server.meta.signing_key)?;
        Ok(open)
    }

    /// Opens another account of this device. `Error::Unauthenticated` if its learner signed out: it opens by signing in.
    pub async fn switch(&self, id: &str) -> Result<Arc<OpenAccount>> {
        let _turn = self.turn.lock().await;
        let info = self.accounts.get(id).ok_or_else(|| Error::NotFound(format!("account {id}")))?;
        if let Some(open) = self.account().filter(|a| a.id == id) {
            return Ok(open);
        }
        if info.signed_out {
            return Err(Error::Unauthenticated);
        }
        self.accounts.set_active(Some(id))?;
        self.close_open().await;
        let session = info.server.as_ref().map(|base| self.session(&info, base));
        self.open_account(&info, session).await
    }

    /// Opens the library that came with this build, without any server.
    pub async fn open_demo(&self) -> Result<Arc<OpenAccount>> {
        if !self.demo_available() {
            return Err(Error::NotFound("the demo library is not part of this build".into()));
        }
        self.open_guest().await
    }

    /// Opens the desk without an account: the demo library if this build has one, and what came by cable.
    pub async fn open_guest(&self) -> Result<Arc<OpenAccount>> {
        let info = AccountInfo::demo("");
        if self.accounts.get(&info.id).is_none() {
            self.accounts.put(&info)?;
        }
        self.switch(&info.id).await
    }

    /// Signs out of the open account: its tokens are dropped, its work is kept and waits for the learner.
    pub async fn sign_out(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let Some(open) = self.account() else { return Ok(()) };
        let refresh = match &open.session {
            Some(session) => session.drop_tokens().await?,
            None => None,
        };
        self.accounts.mark(&open.id, false, open.session.is_some())?;
        self.accounts.set_active(None)?;
        if let Some(refresh) = refresh {
            let (http, base) = (self.config.http.clone(), open.base_url.clone());
            // Nobody waits for it: without a network the tokens end by themselves.
            tokio::spawn(async move {
                if let Err(e) = account::logout(http.as_ref(), &base, refresh).await {
                    tracing::info!(error = %e, "the server was not told of the sign-out");
                }
            });
        }
        self.close_open().await;
        self.changes.tell_one(Change::Account);
        Ok(())
    }

    /// Closes the open account's files, so that the app can end. It opens again at the next start.
    pub async fn close(&self) {
        let _turn = self.turn.lock().await;
        self.close_open().await;
    }

    fn session(&self, info: &AccountInfo, base: &str) -> Session {
        Session::new(self.config.http.clone(), base, &info.id, self.secrets.clone())
            .with_clock(self.config.clock.clone())
    }

    async fn close_open(&self) {
        let open = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        self.media.set_library(None);
        if let Some(open) = open {
            open.close().await;
        }
    }

    async fn open_account(
        &self,
        info: &AccountInfo,
        session: Option<Session>,
    ) -> Result<Arc<OpenAccount>> {
        let (clock, ids) = (self.config.clock.clone(), self.config.ids.clone());
        let options = store::Options {
            device: self.accounts.device().id,
            app_version: self.config.app_version.clone(),
            has_server: session.is_some(),
            clock: clock.clone(),
            changes: self.changes.clone(),
            page_limit: None,
        };
        let folder = self.accounts.folder(&info.id);
        let opened = tokio::task::spawn_blocking(move || Store::open(&folder, options)).await;
        let store = Arc::new(opened.map_err(|e| Error::Internal(e.to_string()))??);
        let (http, base_url): (Arc<dyn Http>, String) = match (&session, &self.config.demo_dir) {
            (Some(session), _) => {
                (Arc::new(session.clone()), info.server.clone().unwrap_or_default())
            }
            (None, demo) => {
                let nowhere = self.accounts.folder(&info.id).join("library");
                let demo = demo.as_ref().unwrap_or(&nowhere);
                (Arc::new(FolderHttp::new(demo)), FolderHttp::BASE.to_owned())
            }
        };
        let content = Content::open(ContentConfig {
            storage: self.storage().await?,
            account_dir: self.config.cache_dir.join("accounts").join(&info.id),
            account: info.id.clone(),
            base_url: base_url.clone(),
            http: http.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            changes: self.changes.clone(),
        })?;
        let sync = match &session {
            None => Sync::local(store.clone()),
            Some(session) => {
                let mut seed = [0; 8];
                ids.fill(&mut seed);
                let machine = Machine::new(u64::from_le_bytes(seed), self.config.listens);
                let transport =
                    Transport::new(http.clone(), &base_url, Some(session.clone()), clock.clone());
                let engine = Arc::new(Engine::new(store.clone(), transport, ids.clone(), machine));
                Sync::start(engine, Some(session.clone()))
            }
        };
        let mut tasks = vec![tokio::spawn(look_after(store.clone(), clock))];
        if let Some(session) = &session {
            tasks.push(tokio::spawn(watch_session(
                self.me.clone(),
                info.id.clone(),
                session.clone(),
            )));
        }
        let learning = Learning::new(store.clone(), ids.clone());
        let downloads = content.downloads.clone();
        downloads.set_conditions(*self.conditions.borrow());
        let settings = Learning::new(store.clone(), self.config.ids.clone());
        let (changes, conditions) = (self.changes.clone(), self.conditions.subscribe());
        tasks.push(tokio::spawn(guide(downloads, settings, changes, conditions)));
        if session.is_some() {
            learning.name_this_device(&self.accounts.device().name).await?;
        }
        self.media.set_library(Some(content.library.clone()));
        let reader = Learning::new(store.clone(), ids.clone());
        tasks.push(tokio::spawn(warm_up(reader, content.clone())));
        let id = info.id.clone();
        let account = Arc::new(OpenAccount {
            id,
            store,
            learning,
            sync,
            content,
            http,
            base_url,
            session,
            tasks,
        });
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Some(account.clone());
        self.changes.tell_one(Change::Account);
        Ok(account)
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

/// What was read last lies in memory before the window asks for it.
async fn warm_up(learning: Learning, content: Arc<Content>) {
    let latest = match learning.latest(8).await {
        Ok(latest) => latest,
        Err(e) => return tracing::warn!(error = %e, "what was read last is not known"),
    };
    for record in latest {
        match content.ahead.begin(&record.row.item).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(e) => {
                tracing::info!(ahead.item = %record.row.item, error = %e, "could not be warmed up")
            }
        }
    }
}

async fn look_after(store: Arc<Store>, clock: Arc<dyn Clock>) {
    loop {
        if let Err(e) = store.care().await {
            tracing::warn!(error = %e, "the daily backup was not made");
        }
        clock.sleep(CARE).await;
    }
}

/// Notes in the list of accounts how the session stands.
async fn watch_session(core: Weak<Core>, id: String, session: Session) {
    let mut ended = session.ended();
    drop(session);
    while ended.changed().await.is_ok() {
        let needs_sign_in = *ended.borrow_and_update();
        let Some(core) = core.upgrade() else { return };
        let Some(known) = core.accounts.get(&id).filter(|a| !a.signed_out) else { continue };
        if known.needs_sign_in != needs_sign_in
            && let Err(e) = core.accounts.mark(&id, needs_sign_in, false)
        {
            tracing::error!(error = %e, "the list of accounts could not be saved");
        }
        core.changes.tell_one(Change::Account);
    }
}
