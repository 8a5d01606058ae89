//! Which account is open: signing in and out, switching, and what belongs to an account while it is open.
//!
//! Not here: the list of accounts and their tokens (`account`), what is done with an open one (`learning`, `library`, `sync`).

use std::{
    sync::{Arc, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use carrel_content::{Content, ContentConfig};
use carrel_learning::{Learning, store, store::Store};
use carrel_model::wire::{LoginRequest, RegisterRequest, TokenReply};
use carrel_net::{FolderHttp, Http, Session, Tokens};
use carrel_sqlite::Change;
use carrel_sync::{Engine, Machine, Phase, Sync, Transport};
use carrel_system::{Clock, blocking};
use tokio::{sync::broadcast::error::RecvError, task::JoinHandle};

use crate::{
    Error, Result, account,
    account::{AccountInfo, Identity, ServerCheck},
    core::{Core, OpenAccount, OpenFailure, OpenSteps},
    triggers::guide,
};

/// How often the open file is looked after.
const CARE: Duration = Duration::from_secs(3600);

impl Core {
    /// Asks whether a Carrel server is at an address as typed.
    pub async fn check_server(&self, typed: &str) -> Result<ServerCheck> {
        Ok(account::check_server(self.config.http.as_ref(), self.config.clock.as_ref(), typed)
            .await?)
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
        let identity = self.identity(server).await;
        let _turn = self.turn.lock().await;
        let (address, name) = (&server.address, &server.meta.name);
        let mut info = self.accounts.recognise(address, name, reply.user, identity.as_ref());
        info.certificate = reply.account_certificate;
        let mut open = self.account().filter(|a| a.id == info.id);
        if open.as_ref().is_some_and(|a| a.base_url != server.address) {
            // The server moved: the account is opened anew at its new address.
            self.close_open().await;
            open = None;
        }
        let session = match open.as_ref().and_then(|a| a.session.clone()) {
            Some(session) => session,
            None => self.session(&info, &server.address),
        };
        // The tokens first: an account without tokens could do nothing.
        session.renew(tokens).await?;
        let before = self.accounts.active();
        self.accounts.put(&info)?;
        if let Some(open) = open {
            self.note_identity(&open, identity.as_ref()).await?;
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
        self.note_server(&open, &server.meta.signing_key, identity.as_ref()).await;
        self.adopt_lost_accounts(&open, &info).await;
        Ok(open)
    }

    /// Notes the key and the identity of the server of an account that was just opened. A full disk keeps nobody from signing in: the
    /// first manifest pins the key then, and the identity is noted at the next contact.
    async fn note_server(&self, open: &OpenAccount, key: &str, identity: Option<&Identity>) {
        let pinned = key.to_owned();
        if let Err(e) = open.content.blocking(move |content| content.library.pin(&pinned)).await {
            tracing::warn!(error = %e, "the server's key was not noted");
        }
        if let Err(e) = self.note_identity(open, identity).await {
            tracing::warn!(error = %e, "the identity of the server was not noted");
        }
    }

    async fn identity(&self, server: &ServerCheck) -> Option<Identity> {
        let (http, ids) = (self.config.http.as_ref(), self.config.ids.as_ref());
        account::identity(http, &server.address, &server.meta, ids).await
    }
    /// An account from before servers had identities gets the one that its server proved, if its manifests were signed by the same key.
    async fn note_identity(&self, open: &OpenAccount, identity: Option<&Identity>) -> Result<()> {
        let Some(identity) = identity else { return Ok(()) };
        match pinned_key(open).await? {
            Some(pinned) if pinned != identity.key => Ok(()),
            _ => self.accounts.note_identity(&open.id, identity),
        }
    }

    /// The server of the open account is at another address now: it proves there that it is the same one. The learner stays signed in, and
    /// what waits is sent there.
    pub async fn move_server(&self, typed: &str) -> Result<Arc<OpenAccount>> {
        let server = self.check_server(typed).await?;
        let identity = self.identity(&server).await;
        let _turn = self.turn.lock().await;
        let open = self.need_account()?;
        let mut info = self
            .accounts
            .get(&open.id)
            .filter(|a| !a.is_demo())
            .ok_or_else(|| Error::Invalid("this account has no server".to_owned()))?;
        let pinned = pinned_key(&open).await?;
        let is_same = identity.as_ref().is_some_and(|found| match info.identity() {
            Some(known) => *found == known,
            None => pinned.as_ref() == Some(&found.key),
        });
        if !is_same {
            return Err(Error::Invalid(format!(
                "{} is another server, or cannot prove that it is the same; hint: sign in there",
                server.address
            )));
        }
        info.server = Some(server.address.clone());
        info.server_name.clone_from(&server.meta.name);
        self.accounts.put(&info)?;
        drop(open);
        self.close_open().await;
        let session = self.session(&info, &server.address);
        let open = self.open_account(&info, Some(session)).await?;
        self.note_server(&open, server.meta.signing_key.as_str(), identity.as_ref()).await;
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
            return Err(Error::UNAUTHENTICATED);
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
            let (account, error) = (info.clone(), Arc::new(e.clone()));
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
        let store = Arc::new(blocking(move || Store::open(&folder, options)).await?);
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
        let config = ContentConfig {
            storage: self.storage().await?,
            account_dir: self.config.cache_dir.join("accounts").join(&info.id),
            account: info.id.clone(),
            base_url: base_url.clone(),
            http: http.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            changes: self.changes.clone(),
        };
        let content = blocking(move || Content::open(config)).await?;
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
            opening.tasks.push(tokio::spawn(watch_user(
                self.me.clone(),
                info.id.clone(),
                session.clone(),
            )));
            if info.identity().is_none() {
                opening.tasks.push(tokio::spawn(meet_server(self.me.clone(), info.id.clone())));
            }
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

/// Asks the server of an account from an earlier release who it is, once after sync worked.
async fn meet_server(core: Weak<Core>, id: String) {
    let Some(mut changes) = core.upgrade().map(|core| core.changes.listen()) else { return };
    loop {
        // Whoever lags looks again.
        if matches!(changes.recv().await, Err(RecvError::Closed)) {
            return;
        }
        let Some(core) = core.upgrade() else { return };
        let Some(open) = core.account().filter(|a| a.id == id) else { continue };
        let works = matches!(open.sync.status().await, Ok(s) if s.phase == Phase::Idle && s.last_ok_ms.is_some());
        if !works {
            continue;
        }
        match core.check_server(&open.base_url).await {
            Ok(server) => {
                let identity = core.identity(&server).await;
                if let Err(e) = core.note_identity(&open, identity.as_ref()).await {
                    tracing::warn!(error = %e, "the identity of the server was not noted");
                }
                return;
            }
            Err(e) => tracing::info!(error = %e, "the server did not say who it is"),
        }
    }
}

/// The key that the manifests of the account's server were first signed with.
async fn pinned_key(open: &OpenAccount) -> Result<Option<String>> {
    let server = open.base_url.clone();
    let key = open.content.blocking(move |content| content.library.key_of(&server));
    Ok(key.await?)
}

/// Notes in the list of accounts how the session stands.
async fn watch_session(core: Weak<Core>, id: String, session: Session) {
    let (mut ended, mut found) = (session.ended(), session.found());
    drop(session);
    loop {
        // Tokens may have been found before this task began. An end that was told stays told.
        let needs_sign_in = *ended.borrow_and_update();
        let is_known = needs_sign_in || *found.borrow_and_update();
        if is_known {
            let Some(core) = core.upgrade() else { return };
            note_session(&core, &id, needs_sign_in);
        }
        tokio::select! {
            changed = ended.changed() => if changed.is_err() { return },
            changed = found.changed() => if changed.is_err() { return },
        }
    }
}

fn note_session(core: &Core, id: &str, needs_sign_in: bool) {
    match core.accounts.note_session(id, needs_sign_in) {
        Ok(true) => core.changes.tell_one(Change::Account),
        Ok(false) => {}
        Err(e) => tracing::error!(error = %e, "the list of accounts could not be saved"),
    }
}
