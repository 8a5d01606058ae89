//! Which account is open: signing in and out, and switching.
//!
//! Not here: the list of accounts and their tokens (`account`), the contents of an open account (`open_account`).

use std::sync::Arc;

use carrel_content::{Kind, download::DownloadTarget, library::Filter};
use carrel_model::{
    ErrorCode,
    wire::{LoginRequest, RegisterRequest, TokenReply},
};
use carrel_net::{Session, Tokens};
use carrel_policy::SignInMethod;
use carrel_sqlite::Change;
use carrel_system::blocking;

use crate::{
    Error, Result, account,
    account::{AccountInfo, Identity, Pin, ServerCheck},
    client::{Client, OpenFailure},
    open_account::{OpenAccount, store_identity},
    policy::refused,
};

impl Client {
    /// Checks whether a Carrel server responds at an address as typed.
    ///
    /// # Errors
    ///
    /// `Error::Managed` if the organisation does not allow the server.
    pub async fn check_server(&self, typed: &str) -> Result<ServerCheck> {
        let (config, policies) = (self.config(), &self.shared.policies);
        let mut refusal = None;
        let allowed = account::addresses(typed)?.into_iter().filter(|address| {
            let checked = policies.check_server(address);
            let is_allowed = checked.is_ok();
            refusal = refusal.take().or(checked.err());
            is_allowed
        });
        let allowed: Vec<String> = allowed.collect();
        if let (true, Some(refusal)) = (allowed.is_empty(), refusal) {
            return Err(refusal);
        }
        let http = config.http.as_ref();
        let server = account::check_addresses(http, config.clock.as_ref(), allowed).await?;
        // The server may have redirected to another address.
        policies.check_server(&server.address)?;
        Ok(server)
    }

    /// Requests a link for a new password, which the server sends by mail. `login`: a login or an e-mail address.
    /// `language`: a language tag, for the message. Succeeds as well if there is no such account.
    ///
    /// # Errors
    ///
    /// `Error::Managed` if the organisation does not allow the server or sign-ins with a password; `Error::Server` if the
    /// server sends no mail or there were too many requests.
    pub async fn request_password_reset(
        &self,
        address: &str,
        login: &str,
        language: &str,
    ) -> Result<()> {
        self.shared.policies.check_sign_in(SignInMethod::Password)?;
        let server = self.check_server(address).await?;
        let http = self.config().http.as_ref();
        let login = login.trim();
        Ok(account::request_password_reset(http, &server.address, login, language).await?)
    }

    /// Signs in and opens the account. If the learner's account is already on this device, its files are used.
    pub async fn sign_in(
        &self,
        typed: &str,
        login: &str,
        password: &str,
    ) -> Result<Arc<OpenAccount>> {
        Ok(self.sign_in_with_token(typed, login, password, None).await?.0)
    }
    /// Signs in as [`Self::sign_in`], and enrols the learner in the courses of an enrolment token: `token`, or that of
    /// the organisation. If the server refuses `token`, the sign-in succeeds, and the reason is returned.
    pub async fn sign_in_with_token(
        &self,
        typed: &str,
        login: &str,
        password: &str,
        token: Option<&str>,
    ) -> Result<(Arc<OpenAccount>, Option<ErrorCode>)> {
        self.shared.policies.check_sign_in(SignInMethod::Password)?;
        let server = self.check_server(typed).await?;
        let device = self.accounts().device();
        let request = LoginRequest {
            login: login.to_owned(),
            password: password.to_owned(),
            device_id: device.id,
            device_name: device.name,
            account_certificate: self.accounts().certificate_of(&server.address, login),
            enrolment_token: self.enrolment_token(token, &server.address),
        };
        let reply = account::login(self.config().http.as_ref(), &server.address, &request).await?;
        let refused = reply.enrolment_refused;
        let open = self.signed_in(&server, reply).await?;
        if let (Some(code), None) = (refused, token) {
            // The learner cannot do anything about it.
            tracing::warn!(
                error.code = code.as_str(),
                "the enrolment token of the organisation was refused"
            );
        }
        Ok((open, refused.filter(|_| token.is_some())))
    }
    /// Returns `token`, or else that of the organisation if the address is that of its server.
    pub(super) fn enrolment_token(&self, token: Option<&str>, address: &str) -> String {
        match token {
            Some(token) => token.to_owned(),
            None => self.shared.policies.enrolment_token(address).unwrap_or_default(),
        }
    }
    /// Returns true if the organisation has an enrolment token for the server with this address, which allows a
    /// registration also if it is closed.
    pub fn has_enrolment_token(&self, address: &str) -> bool {
        self.shared.policies.enrolment_token(address).is_some()
    }
    /// Signs in with the password instead of a forgotten PIN, which is removed.
    pub async fn sign_in_without_pin(
        &self,
        typed: &str,
        login: &str,
        password: &str,
    ) -> Result<Arc<OpenAccount>> {
        let open = self.sign_in(typed, login, password).await?;
        self.store_pin(open.id(), None).await?;
        self.changes().publish_one(Change::Account);
        Ok(open)
    }

    /// Creates an account on a server, signs in, and opens it.
    pub async fn register(
        &self,
        typed: &str,
        login: &str,
        name: &str,
        password: &str,
    ) -> Result<Arc<OpenAccount>> {
        self.register_with_token(typed, login, name, password, None).await
    }
    /// Registers as [`Self::register`] with an enrolment token: `token`, or that of the organisation.
    ///
    /// # Errors
    ///
    /// `TokenUnknown`, `TokenExpired` or `TokenUsedUp` of the server if it refuses the token.
    pub async fn register_with_token(
        &self,
        typed: &str,
        login: &str,
        name: &str,
        password: &str,
        token: Option<&str>,
    ) -> Result<Arc<OpenAccount>> {
        self.shared.policies.check_sign_in(SignInMethod::Registration)?;
        let server = self.check_server(typed).await?;
        let device = self.accounts().device();
        let mut request = RegisterRequest {
            login: login.to_owned(),
            name: name.to_owned(),
            password: password.to_owned(),
            device_id: device.id,
            device_name: device.name,
            enrolment_token: self.enrolment_token(token, &server.address),
        };
        let http = self.config().http.as_ref();
        let mut reply = account::register(http, &server.address, &request).await;
        if let Err(e) = &reply
            && is_token_refusal(e.code())
            && token.is_none()
            && server.meta.registration_open
        {
            // The learner does not need the token of the organisation, and cannot do anything about it.
            tracing::warn!(error = %e, "the enrolment token of the organisation was refused");
            request.enrolment_token.clear();
            reply = account::register(http, &server.address, &request).await;
        }
        self.signed_in(&server, reply?).await
    }

    pub(super) async fn signed_in(
        &self,
        server: &ServerCheck,
        reply: TokenReply,
    ) -> Result<Arc<OpenAccount>> {
        let tokens = Tokens::from(&reply);
        let identity = self.identity(server).await;
        let _switching = self.switching.lock().await;
        let (address, name) = (&server.address, &server.meta.name);
        let mut info =
            self.accounts().match_or_create(address, name, reply.user, identity.as_ref());
        info.certificate = reply.account_certificate;
        let mut open = self.account().filter(|a| a.id() == info.id);
        if open.as_ref().is_some_and(|a| a.base_url != server.address) {
            // The server has a new address, so the account is closed and opened with it.
            self.close_open().await;
            open = None;
        }
        let session = match open.as_ref().and_then(|a| a.session().cloned()) {
            Some(session) => session,
            None => self.shared.session(&info, &server.address),
        };
        // Tokens are stored first: an account without tokens would be unusable.
        session.renew(tokens).await?;
        let previous = self.accounts().active();
        self.put(&info).await?;
        if let Some(open) = open {
            self.store_identity(&open, identity).await?;
            self.changes().publish_one(Change::Account);
            return Ok(open);
        }
        let opened = self.open_account(&info, Some(session)).await;
        if opened.is_err()
            && let Err(e) = self.set_active(previous.map(|a| a.id)).await
        {
            tracing::warn!(error = %e, "the previous account could not be made the active one again");
        }
        let open = opened?;
        self.store_server(&open, server, identity).await;
        self.adopt_lost_accounts(&open, &info).await;
        Ok(open)
    }

    /// Stores the key and identity of the server of a newly opened account. A failure (a full disk) does not prevent
    /// the sign-in: the first manifest then pins the key, and the identity is requested again after a sync.
    async fn store_server(
        &self,
        open: &OpenAccount,
        server: &ServerCheck,
        identity: Option<Identity>,
    ) {
        let (content, key) = (open.content.clone(), server.meta.signing_key.clone());
        if let Err(e) = blocking(move || content.library.pin_key(&key)).await {
            tracing::warn!(error = %e, "the server's key could not be stored");
        }
        if let Err(e) = self.store_identity(open, identity).await {
            tracing::warn!(error = %e, "the server's identity could not be stored");
        }
    }

    async fn identity(&self, server: &ServerCheck) -> Option<Identity> {
        let (http, ids) = (self.config().http.as_ref(), self.config().ids.as_ref());
        account::identity(http, &server.address, &server.meta, ids).await
    }
    async fn store_identity(&self, open: &OpenAccount, identity: Option<Identity>) -> Result<()> {
        store_identity(&self.shared.accounts, open.id(), &open.content, identity).await
    }
    async fn put(&self, info: &AccountInfo) -> Result<()> {
        let info = info.clone();
        self.shared.with_accounts(move |accounts| accounts.put(&info)).await
    }
    async fn set_active(&self, id: Option<String>) -> Result<()> {
        self.shared.with_accounts(move |accounts| accounts.set_active(id.as_deref())).await
    }

    /// Moves the open account to another address of its server, which has to prove its identity there. The learner
    /// stays signed in, and unsent changes are sent to the new address.
    pub async fn move_server(&self, typed: &str) -> Result<Arc<OpenAccount>> {
        let server = self.check_server(typed).await?;
        let identity = self.identity(&server).await;
        let _switching = self.switching.lock().await;
        let open = self.require_account()?;
        let mut info = self
            .accounts()
            .get(open.id())
            .filter(|a| !a.is_demo())
            .ok_or_else(|| Error::Invalid("this account has no server".to_owned()))?;
        let (content, base_url) = (open.content.clone(), open.base_url.clone());
        let pinned = blocking(move || content.library.key_of(&base_url)).await?;
        let is_same = identity.as_ref().is_some_and(|found| match info.identity() {
            Some(known) => *found == known,
            None => pinned.as_ref() == Some(&found.key),
        });
        if !is_same {
            return Err(Error::Invalid(format!(
                "{} is a different server, or it did not prove its identity; hint: sign in there",
                server.address
            )));
        }
        info.server = Some(server.address.clone());
        info.server_name.clone_from(&server.meta.name);
        self.put(&info).await?;
        drop(open);
        self.close_open().await;
        let session = self.shared.session(&info, &server.address);
        let open = self.open_account(&info, Some(session)).await?;
        self.store_server(&open, &server, identity).await;
        Ok(open)
    }

    /// Switches to another account of this device that has no PIN. See [`Self::unlock`].
    pub async fn switch(&self, id: &str) -> Result<Arc<OpenAccount>> {
        self.unlock(id, None).await
    }

    /// Switches to another account of this device. No network is needed. On error the current account stays open.
    ///
    /// The PIN also opens an account whose learner signed out; it is then used without a session until the next
    /// sign-in.
    ///
    /// # Errors
    ///
    /// `Error::Pin` if the account has a PIN and `pin` is not it; `Error::UNAUTHENTICATED` if its learner signed out
    /// and it has no PIN: only a sign-in opens the account.
    pub async fn unlock(&self, id: &str, pin: Option<&str>) -> Result<Arc<OpenAccount>> {
        let _switching = self.switching.lock().await;
        let missing = || Error::NotFound(format!("account {id}"));
        let info = self.accounts().get(id).ok_or_else(missing)?;
        if let Some(open) = self.account().filter(|a| a.id() == id) {
            return Ok(open);
        }
        if info.pin.is_some() {
            self.check_pin(id, pin).await?;
        } else if info.signed_out {
            return Err(Error::UNAUTHENTICATED);
        }
        let session = info.server.as_ref().map(|address| self.shared.session(&info, address));
        let open = self.open_account(&info, session).await?;
        if let Err(e) = self.set_active(Some(id.to_owned())).await {
            // A full disk must not prevent the learner from working.
            tracing::warn!(error = %e, "the open account could not be stored as the active one");
        }
        if info.signed_out {
            let id = id.to_owned();
            let marked = self
                .shared
                .with_accounts(move |accounts| accounts.set_session_state(&id, true, false));
            if let Err(e) = marked.await {
                tracing::warn!(error = %e, "the account could not be stored as open without a session");
            }
        }
        Ok(open)
    }
    pub(super) async fn check_pin(&self, id: &str, pin: Option<&str>) -> Result<()> {
        let (id, pin, now_ms) = (id.to_owned(), pin.map(str::to_owned), self.clock().now_ms());
        let check = self
            .shared
            .with_accounts(move |accounts| accounts.check_pin(&id, pin.as_deref(), now_ms));
        check.await
    }

    /// Sets the PIN of the open account, or removes it (`pin` is none). `current` is the PIN it has, if any.
    ///
    /// # Errors
    ///
    /// `Error::Pin`; `Error::Invalid` for the account without a server, which nobody could open after a forgotten PIN.
    pub async fn set_pin(&self, current: Option<&str>, pin: Option<&str>) -> Result<()> {
        let _switching = self.switching.lock().await;
        let open = self.require_account()?;
        if open.is_demo() {
            return Err(Error::Invalid(
                "the account without a server cannot have a PIN".to_owned(),
            ));
        }
        self.check_pin(open.id(), current).await?;
        self.store_pin(open.id(), pin).await?;
        self.changes().publish_one(Change::Account);
        Ok(())
    }
    pub(super) async fn store_pin(&self, id: &str, pin: Option<&str>) -> Result<()> {
        let (id, pin, ids) = (id.to_owned(), pin.map(str::to_owned), self.config().ids.clone());
        let stored = self.shared.with_accounts(move |accounts| {
            let pin = pin.map(|text| Pin::new(&text, ids.as_ref())).transpose()?;
            accounts.set_pin(&id, pin)
        });
        stored.await
    }

    /// Opens the demo library of this build, which needs no server.
    pub async fn open_demo(&self) -> Result<Arc<OpenAccount>> {
        if !self.shared.policies.current().policies.demo_library {
            return Err(refused("the demo library", "DemoLibrary"));
        }
        if !self.demo_available() {
            return Err(Error::NotFound("this build does not include the demo library".into()));
        }
        self.open_guest().await
    }

    /// Opens the account without a server: the demo library, if this build includes one, and imported courses. The
    /// first time, all of the demo library is stored on this device.
    pub async fn open_guest(&self) -> Result<Arc<OpenAccount>> {
        self.shared.policies.check_sign_in(SignInMethod::Guest)?;
        if self.is_kiosk() {
            self.end_guest_session().await?;
        }
        let info = AccountInfo::demo("");
        let is_first = self.accounts().get(&info.id).is_none();
        if is_first {
            self.put(&info).await?;
        }
        let account = self.switch(&info.id).await?;
        if is_first && self.demo_available() {
            // Not awaited: the library can be read from its folder meanwhile.
            let account = account.clone();
            tokio::spawn(async move {
                if let Err(error) = store_demo(&account).await {
                    tracing::warn!(%error, "cannot store the demo library; it is read from its folder");
                }
            });
        }
        Ok(account)
    }

    /// Signs out of the open account. See [`Self::sign_out_of`].
    pub async fn sign_out(&self) -> Result<()> {
        match self.account() {
            Some(open) => self.sign_out_of(open.id()).await,
            None => Ok(()),
        }
    }
    /// Signs out of an account, open or not. Its tokens are deleted; its data, with unsent changes, stays until the
    /// learner signs in again or enters their PIN. On a kiosk, the account is deleted instead; see
    /// [`Self::kept_work`].
    pub async fn sign_out_of(&self, id: &str) -> Result<()> {
        let _switching = self.switching.lock().await;
        let info =
            self.accounts().get(id).ok_or_else(|| Error::NotFound(format!("account {id}")))?;
        let open = self.account().filter(|open| open.id() == id);
        if self.is_kiosk() {
            drop(open);
            return self.end_kiosk_session_of(info).await;
        }
        let refresh = self.drop_tokens(&info, open.as_deref()).await?;
        let (id, is_open, signed_out) = (id.to_owned(), open.is_some(), !info.is_demo());
        let marked = self.shared.with_accounts(move |accounts| {
            accounts.set_session_state(&id, false, signed_out)?;
            if is_open { accounts.set_active(None) } else { Ok(()) }
        });
        marked.await?;
        self.end_session(&info, refresh);
        if is_open {
            self.close_open().await;
        }
        self.changes().publish_one(Change::Account);
        Ok(())
    }
    /// Deletes the tokens of an account. Returns its refresh token, if any.
    pub(super) async fn drop_tokens(
        &self,
        info: &AccountInfo,
        open: Option<&OpenAccount>,
    ) -> Result<Option<String>> {
        let session = match open {
            Some(open) => open.session().cloned(),
            None => info.server.as_ref().map(|address| self.shared.session(info, address)),
        };
        match session {
            Some(session) => Ok(session.drop_tokens().await?),
            None => Ok(None),
        }
    }
    /// Ends a session on the server. Not awaited: if the server cannot be reached, the tokens expire.
    pub(super) fn end_session(&self, info: &AccountInfo, refresh: Option<String>) {
        let (Some(refresh), Some(base)) = (refresh, info.server.clone()) else { return };
        let http = self.config().http.clone();
        tokio::spawn(async move {
            if let Err(e) = account::logout(http.as_ref(), &base, refresh).await {
                tracing::info!(error = %e, "the session could not be ended on the server");
            }
        });
    }

    /// Closes the open account without ending its session, so that another learner of this device can continue. The next
    /// start opens no account. On a kiosk, this is a sign-out.
    pub async fn leave(&self) -> Result<()> {
        let _switching = self.switching.lock().await;
        if self.is_kiosk() {
            return self.end_kiosk_session(None).await;
        }
        if let Err(e) = self.set_active(None).await {
            // A full disk must not keep the learner's work open.
            tracing::warn!(error = %e, "the closed account is still stored as the active one");
        }
        self.close_open().await;
        self.changes().publish_one(Change::Account);
        Ok(())
    }

    /// Closes the open account and the storage before the app exits. The next start opens them again.
    pub async fn close(&self) {
        let _switching = self.switching.lock().await;
        self.close_open().await;
        if let Some(storage) = self.storage.lock().await.take() {
            let closed = blocking(move || {
                storage.close();
                Ok::<_, Error>(())
            });
            if let Err(e) = closed.await {
                tracing::error!(error = %e, "the storage could not be closed");
            }
        }
    }

    pub(super) async fn close_open(&self) {
        let open = self.open.write().take();
        self.media.set_library(None);
        if let Some(open) = open {
            open.close().await;
        }
    }

    /// Opens an account and then closes the previous one. On error the previous one stays open.
    async fn open_account(
        &self,
        info: &AccountInfo,
        session: Option<Session>,
    ) -> Result<Arc<OpenAccount>> {
        let opened = async {
            self.check_account(info)?;
            if self.is_kiosk() {
                self.end_kiosk_session(Some(&info.id)).await?;
            }
            let storage = self.storage().await?;
            OpenAccount::open(&self.shared, storage, info, session).await
        };
        let account = match opened.await {
            Ok(account) => Arc::new(account),
            Err(e) => {
                let (account, error) = (info.clone(), Arc::new(e.clone()));
                *self.failure.lock() = Some(OpenFailure { account, error });
                self.changes().publish_one(Change::Account);
                return Err(e);
            }
        };
        self.install(account.clone()).await;
        Ok(account)
    }
    /// Makes an account the open one, and closes the previous one.
    pub(super) async fn install(&self, account: Arc<OpenAccount>) {
        let library = account.content.library.clone();
        self.resume_dictionaries(&account).await;
        let previous = self.open.write().replace(account);
        self.media.set_library(Some(library));
        *self.failure.lock() = None;
        if let Some(previous) = previous {
            previous.close().await;
        }
        self.changes().publish_one(Change::Account);
    }

    /// Checks that the organisation allows an account that is already on this device.
    pub(super) fn check_account(&self, info: &AccountInfo) -> Result<()> {
        match &info.server {
            Some(address) => self.shared.policies.check_server(address),
            None => self.shared.policies.check_sign_in(SignInMethod::Guest),
        }
    }

    /// Sets a function with which tests make a step of opening an account fail: `store`, `content`, `sync`, `tasks`,
    /// `name`, `end`.
    #[doc(hidden)]
    pub fn set_open_failpoints(
        &self,
        failpoint: Arc<dyn Fn(&'static str) -> Result<()> + Send + std::marker::Sync>,
    ) {
        self.shared.failpoints.set(failpoint);
    }
}

fn is_token_refusal(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::TokenUnknown | ErrorCode::TokenExpired | ErrorCode::TokenUsedUp)
}

/// Downloads all of the demo library from its folder, so that it counts as content of this device, is searched and can be
/// copied to another device.
async fn store_demo(account: &OpenAccount) -> Result<()> {
    let all = Filter { limit: 1000, ..Filter::default() };
    let library = &account.content.library;
    let (courses, stories) =
        (library.courses(&all).await?.value, library.stories(&all).await?.value);
    let courses = courses.items.iter().map(|c| DownloadTarget::whole(Kind::Course, &c.meta.id));
    let stories = stories.items.iter().map(|s| DownloadTarget::whole(Kind::Story, &s.meta.id));
    let targets: Vec<_> = courses.chain(stories).collect();
    let requested = account.content.blocking(move |content| {
        targets.iter().try_for_each(|target| content.downloads.request(target, true).map(drop))
    });
    Ok(requested.await?)
}
