//! Sign-in with an identity provider, in the system's browser.
//!
//! This device chooses a PKCE verifier and keeps it in memory. The code that the browser shows is sent only to the
//! server at which the sign-in began, and is useless on other devices.
//!
//! Not here: opening the browser (`carrel-commands`), the link with the code (`open_request`).

use std::sync::Arc;

use carrel_model::{ErrorCode, wire::ProviderSignInRequest};
use carrel_policy::SignInMethod;
use carrel_sqlite::Change;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use crate::{
    Error, Result, account, account::ServerCheck, client::Client, open_account::OpenAccount,
};

/// Time after which a sign-in has to be begun again.
const MAX_AGE_MS: i64 = 20 * 60_000;

/// A sign-in whose browser was opened.
#[derive(Clone)]
pub(super) struct BrowserSignIn {
    server: ServerCheck,
    verifier: String,
    begun_ms: i64,
    removes_pin: bool,
    token: Option<String>,
}

/// What a sign-in in the browser does besides signing in.
#[derive(Clone, Default)]
pub struct BrowserSignInOptions {
    /// Removes the PIN of the account, because it was forgotten.
    pub removes_pin: bool,
    /// Enrolment token of a link to the server.
    pub token: Option<String>,
}

impl Client {
    /// Begins a sign-in with the identity provider of a server, in place of an earlier one. Returns the address to open
    /// in the system's browser.
    ///
    /// # Errors
    ///
    /// `Error::Invalid` if the server has no identity provider.
    pub async fn begin_browser_sign_in(
        &self,
        typed: &str,
        options: BrowserSignInOptions,
    ) -> Result<String> {
        self.shared.policies.check_sign_in(SignInMethod::Provider)?;
        let server = self.check_server(typed).await?;
        if server.meta.external_sign_in.is_none() {
            let problem = "this server has no sign-in in the browser";
            return Err(Error::Invalid(problem.to_owned()));
        }
        let mut random = [0; 32];
        self.config().ids.fill(&mut random);
        let verifier = BASE64URL_NOPAD.encode(&random);
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
        let device = self.accounts().device().id;
        let url =
            format!("{}/api/auth/oidc/start?challenge={challenge}&device={device}", server.address);
        let BrowserSignInOptions { removes_pin, token } = options;
        let begun_ms = self.clock().now_ms();
        let begun = BrowserSignIn { server, verifier, begun_ms, removes_pin, token };
        *self.browser_sign_in.lock() = Some(begun);
        Ok(url)
    }

    /// Returns true while a sign-in in the browser is not finished.
    pub fn is_signing_in_with_browser(&self) -> bool {
        self.browser_sign_in.lock().is_some()
    }

    /// Forgets the sign-in in the browser: its code cannot be used any more.
    pub fn cancel_browser_sign_in(&self) {
        *self.browser_sign_in.lock() = None;
    }

    /// Finishes a sign-in with the code that the browser shows, and opens the account. If the server refuses the
    /// enrolment token, the sign-in succeeds, and the reason is returned.
    ///
    /// # Errors
    ///
    /// `BadCredentials` of the server for a wrong code, which can be typed again; `Error::Invalid` if no sign-in has
    /// begun.
    pub async fn finish_browser_sign_in(
        &self,
        code: &str,
    ) -> Result<(Arc<OpenAccount>, Option<ErrorCode>)> {
        self.shared.policies.check_sign_in(SignInMethod::Provider)?;
        let begun = self.browser_sign_in.lock().clone();
        let now_ms = self.clock().now_ms();
        // The clock may have been set back.
        let is_fresh = |begun: &BrowserSignIn| now_ms.saturating_sub(begun.begun_ms) <= MAX_AGE_MS;
        let Some(begun) = begun.filter(is_fresh) else {
            self.cancel_browser_sign_in();
            return Err(Error::Invalid("no sign-in in the browser has begun here".to_owned()));
        };
        let device = self.accounts().device();
        let request = ProviderSignInRequest {
            code: code.trim().to_owned(),
            verifier: begun.verifier.clone(),
            device_id: device.id,
            device_name: device.name,
            enrolment_token: self.enrolment_token(begun.token.as_deref(), &begun.server.address),
        };
        let http = self.config().http.as_ref();
        let reply = account::finish_provider_sign_in(http, &begun.server.address, &request).await?;
        self.cancel_browser_sign_in();
        let refused = reply.enrolment_refused;
        let open = self.signed_in(&begun.server, reply).await?;
        if begun.removes_pin {
            self.store_pin(open.id(), None).await?;
            self.changes().publish_one(Change::Account);
        }
        Ok((open, refused.filter(|_| begun.token.is_some())))
    }
}
