//! A provider: its metadata and keys, the address at which a sign-in begins, and the exchange of the code.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::{
    error::{OidcError, TokenProblem},
    keys::{Jwks, Keys},
    settings::{OidcSettings, SettingsProblem},
    token::{Expected, Identity, verify},
    web::{Web, parse},
};

/// Time for which metadata and keys are kept.
const KEEP_MS: i64 = 3_600_000;
/// Shortest time between two requests for the keys because of a token with an unknown key.
const MIN_REFRESH_MS: i64 = 30_000;
/// Time for which a failed request for the metadata or the keys is not repeated.
const FAILURE_MS: i64 = 5_000;

/// The metadata of a provider (OpenID Connect Discovery 1.0), as far as they are used.
#[derive(Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Debug)]
struct Metadata {
    authorization: Url,
    token: Url,
    jwks: Url,
    sends_issuer: bool,
    secret_in_form: bool,
}

#[derive(Default)]
struct Cache {
    metadata: Option<(Arc<Metadata>, i64)>,
    keys: Option<(Arc<Keys>, i64)>,
    failure: Option<(OidcError, i64)>,
}

/// The secrets of one sign-in, which the server keeps until the browser returns.
#[derive(Clone)]
pub struct FlowSecrets {
    pub nonce: String,
    /// PKCE code verifier.
    pub verifier: String,
}

/// The parameters with which the browser returns from the provider.
#[derive(Debug, Clone, Default)]
pub struct Callback {
    pub code: String,
    /// RFC 9207.
    pub iss: Option<String>,
    /// Error code of the provider.
    pub error: Option<String>,
}

/// Reply of the token endpoint.
#[derive(Deserialize)]
struct TokenDocument {
    #[serde(default)]
    id_token: Option<String>,
}

#[derive(Deserialize)]
struct ErrorDocument {
    error: String,
}

/// The configured provider.
pub struct Provider {
    settings: OidcSettings,
    secret: Option<String>,
    /// Address at this server to which the browser returns.
    redirect: String,
    metadata_url: Url,
    web: Web,
    cache: Mutex<Cache>,
}

/// Returns the PKCE challenge of a verifier (S256).
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

impl Provider {
    /// Checks the settings; contacts nobody, so that the server starts while the provider is unreachable. `address`:
    /// the public address of this server, without a trailing slash.
    ///
    /// # Errors
    /// The first mistake, with its key.
    pub fn new(settings: OidcSettings, address: &str) -> Result<Self, SettingsProblem> {
        let checked = settings.check()?;
        let problem = |problem: String| SettingsProblem { key: "issuer", problem };
        let base = settings.issuer.trim_end_matches('/');
        let metadata_url = Url::parse(&format!("{base}/.well-known/openid-configuration"))
            .map_err(|e| problem(e.to_string()))?;
        let web = Web::new(&settings, &checked.issuer)
            .map_err(|e| problem(format!("the HTTP client cannot be created: {e}")))?;
        let redirect = format!("{address}/api/auth/oidc/callback");
        let (secret, cache) = (checked.secret, Mutex::default());
        Ok(Self { settings, secret, redirect, metadata_url, web, cache })
    }

    pub fn settings(&self) -> &OidcSettings {
        &self.settings
    }

    /// Returns the address of the provider at which the browser begins a sign-in.
    ///
    /// # Errors
    /// If the metadata cannot be read.
    pub async fn authorization_url(
        &self,
        state: &str,
        secrets: &FlowSecrets,
        now_ms: i64,
    ) -> Result<String, OidcError> {
        let metadata = self.metadata(now_ms).await?;
        let mut url = metadata.authorization.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", state)
            .append_pair("nonce", &secrets.nonce)
            .append_pair("code_challenge", &challenge_of(&secrets.verifier))
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Redeems the code with which the browser returned, and verifies the ID token.
    ///
    /// # Errors
    /// Each reply that is not exactly the expected one.
    pub async fn redeem(
        &self,
        callback: &Callback,
        secrets: &FlowSecrets,
        now_ms: i64,
    ) -> Result<Identity, OidcError> {
        let metadata = self.metadata(now_ms).await?;
        match &callback.iss {
            Some(iss) if *iss != self.settings.issuer => {
                return Err(OidcError::OtherIssuer(shown(iss)));
            }
            None if metadata.sends_issuer => return Err(OidcError::OtherIssuer(String::new())),
            _ => {}
        }
        if let Some(error) = &callback.error {
            return Err(OidcError::Refused(shown(error)));
        }
        if callback.code.is_empty() {
            return Err(OidcError::Refused("it sent no code".to_owned()));
        }
        let token = self.exchange(&metadata, &callback.code, &secrets.verifier).await?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &secrets.nonce,
            now_ms,
        };
        let keys = self.keys(&metadata, now_ms, false).await?;
        match verify(&token, &keys, &expected) {
            // The provider may have new keys.
            Err(TokenProblem::UnknownKey) => {
                let keys = self.keys(&metadata, now_ms, true).await?;
                Ok(verify(&token, &keys, &expected)?)
            }
            verified => Ok(verified?),
        }
    }

    async fn exchange(
        &self,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
    ) -> Result<String, OidcError> {
        const DOCUMENT: &str = "reply of the token endpoint";
        let client_id = self.settings.client_id.as_str();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", verifier),
        ];
        let mut basic = None;
        match self.secret.as_deref() {
            None => form.push(("client_id", client_id)),
            Some(secret) if metadata.secret_in_form => {
                form.extend([("client_id", client_id), ("client_secret", secret)]);
            }
            Some(secret) => basic = Some((client_id, secret)),
        }
        let reply = self.web.post(DOCUMENT, metadata.token.clone(), &form, basic).await?;
        if !reply.is_success {
            // `invalid_grant`: the code is unknown, has expired or was used.
            let error = parse::<ErrorDocument>(DOCUMENT, &reply.body)?.error;
            return Err(OidcError::Refused(shown(&error)));
        }
        let document: TokenDocument = parse(DOCUMENT, &reply.body)?;
        document.id_token.ok_or(OidcError::Token(TokenProblem::Missing))
    }

    async fn metadata(&self, now_ms: i64) -> Result<Arc<Metadata>, OidcError> {
        let mut cache = self.cache.lock().await;
        if let Some((metadata, at)) = &cache.metadata
            && is_within(*at, now_ms, KEEP_MS)
        {
            return Ok(Arc::clone(metadata));
        }
        cache.check_failure(now_ms)?;
        match self.read_metadata().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                cache.metadata = Some((Arc::clone(&metadata), now_ms));
                Ok(metadata)
            }
            Err(e) => Err(cache.fail(e, now_ms)),
        }
    }

    async fn read_metadata(&self) -> Result<Metadata, OidcError> {
        let document: Document = self.web.get("metadata", self.metadata_url.clone()).await?;
        let bad = |problem: String| OidcError::BadReply { document: "metadata", problem };
        if document.issuer != self.settings.issuer {
            return Err(bad(format!(
                "the issuer is {:?}, but oidc.issuer is {:?}",
                shown(&document.issuer),
                self.settings.issuer
            )));
        }
        if let Some(methods) = &document.code_challenge_methods_supported
            && !methods.iter().any(|method| method == "S256")
        {
            return Err(bad("the provider does not support PKCE with S256".to_owned()));
        }
        let methods = document.token_endpoint_auth_methods_supported.as_deref();
        let has = |name: &str| methods.is_some_and(|all| all.iter().any(|method| method == name));
        let secret_in_form = methods.is_some() && !has("client_secret_basic");
        if self.secret.is_some() && secret_in_form && !has("client_secret_post") {
            return Err(bad(
                "the provider accepts no client secret at the token endpoint".to_owned()
            ));
        }
        Ok(Metadata {
            authorization: self
                .web
                .endpoint("authorization_endpoint", &document.authorization_endpoint)?,
            token: self.web.endpoint("token_endpoint", &document.token_endpoint)?,
            jwks: self.web.endpoint("jwks_uri", &document.jwks_uri)?,
            sends_issuer: document.authorization_response_iss_parameter_supported,
            secret_in_form,
        })
    }

    /// Returns the keys; reads them again if they are old or, with `is_unknown`, if a token has a key that is not among
    /// them.
    async fn keys(
        &self,
        metadata: &Metadata,
        now_ms: i64,
        is_unknown: bool,
    ) -> Result<Arc<Keys>, OidcError> {
        let mut cache = self.cache.lock().await;
        let keep_ms = if is_unknown { MIN_REFRESH_MS } else { KEEP_MS };
        if let Some((keys, at)) = &cache.keys
            && is_within(*at, now_ms, keep_ms)
        {
            return Ok(Arc::clone(keys));
        }
        cache.check_failure(now_ms)?;
        match self.web.get::<Jwks>("list of keys", metadata.jwks.clone()).await {
            Ok(document) => {
                let keys = Arc::new(Keys::of(document));
                cache.keys = Some((Arc::clone(&keys), now_ms));
                Ok(keys)
            }
            Err(e) => Err(cache.fail(e, now_ms)),
        }
    }
}

impl Cache {
    fn check_failure(&self, now_ms: i64) -> Result<(), OidcError> {
        match &self.failure {
            Some((e, at)) if is_within(*at, now_ms, FAILURE_MS) => Err(e.clone()),
            _ => Ok(()),
        }
    }
    fn fail(&mut self, e: OidcError, now_ms: i64) -> OidcError {
        self.failure = Some((e.clone(), now_ms));
        e
    }
}

/// Returns true if `at` is at most `ms` before now. A time in the future is not: the clock was set back.
fn is_within(at: i64, now_ms: i64, ms: i64) -> bool {
    (0..ms).contains(&now_ms.saturating_sub(at))
}

/// Returns the beginning of a text from outside, for a log or a message.
fn shown(text: &str) -> String {
    text.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
