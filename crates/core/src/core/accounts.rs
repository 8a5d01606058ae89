//! Which account is open: signing in and out, switching, and what belongs to an account while it is open.
//!
//! Not here: the list of accounts and their tokens (`account`), what is done with an open one (`learning`, `library`, `sync`).

use std::{
    sync::{Arc, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use carrel_model::wire::{LoginRequest, RegisterRequest, TokenReply};

use tokio::task::JoinHandle;

use super::{Core, OpenAccount, OpenFailure, OpenSteps};
use crate::{
    Change, Clock, Error, Result,
    account::{self, AccountInfo, ServerCheck, Session, Tokens},
    download::guide,
    http::{FolderHttp, Http},
    learning::Learning,
    library::{Content, ContentConfig},
    store::{self, Store},
    sync::{Engine, Machine, Sync, Transport},
};

/// How often the open file is looked after.
const CARE: Duration = Duration::from_secs(3600);

impl Core {
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
            account_certificate: self.accounts.certificate_of(&server.address, login),
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
        let mut info = AccountInfo::of(&server.address, &server.meta.name, reply.user);
        info.certificate = reply.account_certificate;
        let _turn = self.turn.lock().await;
        let open = self.account().filter(|a| a.id == info.id);
        let session = match open.as_ref().and_then(|a| a.session.clone()) {
            Some(session) => session,
            None => self.session(&info, &server.address),
        };
        // The tokens first: an account without tokens could do nothing.
        session.renew(tokens).await?;
        let before = self.accounts.active();
        self.accounts.put(&info)?;
        if let Some(open) = open {
            self.changes.tell_one(Change::Account);
            return Ok(open);
        }
        let opened = self.open_account(&info, Some(session)).await;
        if opened.is_err()
            && let Err(e) = self.accounts.set_active(before.as_ref().map(|a| a.id.as_str()))
        {
            tracing::warn!(error = %e, "the next start opens an account that could not be opened now");
        }
        let open = opened?;
        // A full disk for content does not keep anybody from signing in; the first manifest pins the key then.
        if let Err(e) = open.content.library.pin(&server.meta.signing_key) {
            tracing::warn!(error = %e, "the server's key was not noted");
        }
        self.adopt_lost_accounts(&open, &info).await;
        Ok(open)
    }

    /// Opens another account of this device; if that fails, the one that is open stays open. `Error::Unauthenticated` if its
    /// learner signed out: it opens by signing in.
    pub async fn switch(&self, id: &str) -> Result<Arc<OpenAccount>> {
        let _turn = self.turn.lock().await;
        let info = self.accounts.get(id).ok_or_else(|| Error::NotFound(format!("account {id}")))?;
        if let Some(open) = self.account().filter(|a| a.id == id) {
            return Ok(open);
        }
        if info.signed_out {
            return Err(Error::Unauthenticated);
        }
        let session = info.server.as_ref().map(|base| self.session(&info, base));
        let open = self.open_account(&info, session).await?;
        if let Err(e) = self.accounts.set_active(Some(id)) {
            // A full disk must not keep the learner from the work.
            tracing::warn!(error = %e, "the next start will not open the account that is open now");
        }
        Ok(open)
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

    pub(super) async fn close_open(&self) {
        let open = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        self.media.set_library(None);
        if let Some(open) = open {
            open.close().await;
        }
    }

    /// Opens an account, then closes the one that was open. If it fails, what was opened of it is closed again, and the other
    /// one is still open.
    async fn open_account(
        &self,
        info: &AccountInfo,
        session: Option<Session>,
    ) -> Result<Arc<OpenAccount>> {
        let mut opening = Opening::default();
        if let Err(e) = self.open_parts(info, session.as_ref(), &mut opening).await {
            opening.abandon().await;
            let (account, error) = (info.clone(), Arc::new(e.of_any()));
            *self.failed() = Some(OpenFailure { account, error });
            self.changes.tell_one(Change::Account);
            return Err(e);
        }
        let account = Arc::new(opening.finish(info, session)?);
        let before = {
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            open.replace(account.clone())
        };
        self.media.set_library(Some(account.content.library.clone()));
        *self.failed() = None;
        if let Some(before) = before {
            before.close().await;
        }
        self.changes.tell_one(Change::Account);
        Ok(account)
    }

    async fn open_parts(
        &self,
        info: &AccountInfo,
        session: Option<&Session>,
        opening: &mut Opening,
    ) -> Result<()> {
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
        self.at("store")?;
        let opened = tokio::task::spawn_blocking(move || Store::open(&folder, options)).await;
        let store = Arc::new(opened.map_err(|e| Error::Internal(e.to_string()))??);
        opening.store = Some(store.clone());
        self.at("content")?;
        let (http, base_url): (Arc<dyn Http>, String) = match (session, &self.config.demo_dir) {
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
        opening.content = Some(content.clone());
        (opening.http, opening.base_url) = (Some(http.clone()), base_url.clone());
        self.at("sync")?;
        let sync = match session {
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
        opening.sync = Some(sync);
        self.at("tasks")?;
        opening.tasks.push(tokio::spawn(look_after(store.clone(), clock)));
        if let Some(session) = session {
            opening.tasks.push(tokio::spawn(watch_session(
                self.me.clone(),
                info.id.clone(),
                session.clone(),
            )));
            tasks.push(tokio::spawn(watch_user(self.me.clone(), info.id.clone(), session.clone())));
        }
        let learning = Learning::new(store.clone(), ids.clone());
        opening.learning = Some(learning);
        let downloads = content.downloads.clone();
        downloads.set_conditions(*self.conditions.borrow());
        let settings = Learning::new(store.clone(), self.config.ids.clone());
        let (changes, conditions) = (self.changes.clone(), self.conditions.subscribe());
        opening.tasks.push(tokio::spawn(guide(downloads, settings, changes, conditions)));
        let reader = Learning::new(store.clone(), ids.clone());
        opening.tasks.push(tokio::spawn(warm_up(reader, content.clone())));
        self.at("name")?;
        if session.is_some()
            && let Some(learning) = &opening.learning
            && let Err(e) = learning.name_this_device(&self.accounts.device().name).await
        {
            tracing::warn!(error = %e, "this device's name could not be recorded");
        }
        self.at("end")
    }

    fn at(&self, step: &'static str) -> Result<()> {
        let steps = self.open_steps.lock().unwrap_or_else(PoisonError::into_inner).clone();
        steps.map_or(Ok(()), |steps| steps(step))
    }
    /// Tests let a step of opening an account fail here: `store`, `content`, `sync`, `tasks`, `name`, `end`.
    #[doc(hidden)]
    pub fn set_open_steps(&self, steps: OpenSteps) {
        *self.open_steps.lock().unwrap_or_else(PoisonError::into_inner) = Some(steps);
    }
    fn failed(&self) -> MutexGuard<'_, Option<OpenFailure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The account that could not be opened when it was last tried, if no account was opened since.
    pub fn open_failure(&self) -> Option<OpenFailure> {
        self.failed().clone()
    }
}

/// What is open of an account that is being opened. What is not finished is closed again.
#[derive(Default)]
struct Opening {
    store: Option<Arc<Store>>,
    content: Option<Arc<Content>>,
    http: Option<Arc<dyn Http>>,
    base_url: String,
    sync: Option<Sync>,
    learning: Option<Learning>,
    tasks: Vec<JoinHandle<()>>,
}

impl Opening {
    fn finish(mut self, info: &AccountInfo, session: Option<Session>) -> Result<OpenAccount> {
        let missing = || Error::Internal("an account was not opened to its end".into());
        Ok(OpenAccount {
            id: info.id.clone(),
            store: self.store.take().ok_or_else(missing)?,
            learning: self.learning.take().ok_or_else(missing)?,
            sync: self.sync.take().ok_or_else(missing)?,
            content: self.content.take().ok_or_else(missing)?,
            http: self.http.take().ok_or_else(missing)?,
            base_url: std::mem::take(&mut self.base_url),
            session,
            tasks: std::mem::take(&mut self.tasks),
        })
    }

    /// Closes what is open, so that it can be opened again at once.
    async fn abandon(mut self) {
        self.stop();
        if let Some(sync) = self.sync.take() {
            sync.stop().await;
        }
        if let Some(store) = self.store.take() {
            store.close().await;
        }
    }
    fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(content) = &self.content {
            content.close();
        }
    }
}

impl Drop for Opening {
    /// Also when whoever waited for the opening gave up.
    fn drop(&mut self) {
        self.stop();
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

/// Notes in the list of accounts what the server says of the learner.
async fn watch_user(core: Weak<Core>, id: String, session: Session) {
    let mut users = session.user();
    drop(session);
    while users.changed().await.is_ok() {
        let Some((user, certificate)) = users.borrow_and_update().clone() else { continue };
        let Some(core) = core.upgrade() else { return };
        match core.accounts.update_user(&id, &user, &certificate) {
            Ok(true) => core.changes.tell_one(Change::Account),
            Ok(false) => {}
            Err(e) => tracing::error!(error = %e, "the list of accounts could not be saved"),
        }
    }
}

/// Notes in the list of accounts how the session stands.
async fn watch_session(core: Weak<Core>, id: String, session: Session) {
    let mut ended = session.ended();
    drop(session);
    while ended.changed().await.is_ok() {
        let needs_sign_in = *ended.borrow_and_update();
        let Some(core) = core.upgrade() else { return };
        match core.accounts.session_ended(&id, needs_sign_in) {
            // The learner signed out meanwhile.
            Ok(false) => continue,
            Ok(true) => {}
            Err(e) => tracing::error!(error = %e, "the list of accounts could not be saved"),
        }
        core.changes.tell_one(Change::Account);
    }
}
