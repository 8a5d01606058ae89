//! Requests that check a server and its identity, register, sign in, adopt lost work, and sign out.
//!
//! Not here: the addresses (`address`), adding tokens to requests and refreshing them (`carrel_net`), storing tokens (`secrets`).

use carrel_model::Slug;
use carrel_model::wire::{
    AdoptRequest, EnrolmentCode, EnrolmentCodeReply, LoginRequest, LogoutRequest, Meta,
    ProviderSignInRequest, RegisterRequest, TokenReply, identity_text,
};
use carrel_net::{Error, Failure, Http, Reply, Request, Result, reply::ClassifiedReply};
use carrel_system::{Clock, IdGen};
use data_encoding::HEXLOWER_PERMISSIVE;
use http::header;
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::address::addresses;

/// Maximum size of a reply to these requests, in bytes.
const MAX_REPLY_BYTES: usize = 256 * 1024;

/// 2025-01-01, before the first release: an earlier clock was never set.
const MIN_CLOCK_MS: i64 = 1_735_689_600_000;

/// Result of a successful server check.
#[derive(Debug, Clone)]
pub struct ServerCheck {
    /// The address to use, without a trailing slash.
    pub address: String,
    pub meta: Meta,
    /// How far this device's clock is ahead of the server's, in milliseconds.
    pub clock_ahead_ms: i64,
}

/// Checks whether a Carrel server responds at an address as typed. See [`check_addresses`].
pub async fn check_server(http: &dyn Http, clock: &dyn Clock, typed: &str) -> Result<ServerCheck> {
    check_addresses(http, clock, addresses(typed)?).await
}

/// Checks whether a Carrel server responds at one of these addresses, in their order.
///
/// # Errors
///
/// `Error::Offline` if there was no reply; `Error::BadReply` if the reply is not from a Carrel server, for example the
/// sign-in page of a Wi-Fi network.
pub async fn check_addresses(
    http: &dyn Http,
    clock: &dyn Clock,
    addresses: Vec<String>,
) -> Result<ServerCheck> {
    let mut failed = None;
    for address in addresses {
        match meta_of(http, &address).await {
            Ok((address, meta)) => {
                // A server whose clock was never set is no reference for the clock of this device.
                let is_set = meta.now_ms >= MIN_CLOCK_MS;
                let ahead_ms = clock.now_ms().saturating_sub(meta.now_ms);
                let clock_ahead_ms = if is_set { ahead_ms } else { 0 };
                return Ok(ServerCheck { address, meta, clock_ahead_ms });
            }
            // A missing reply is reported only if no address returned an error reply.
            Err(e @ Error::Offline { .. }) => failed = failed.or(Some(e)),
            Err(e) => failed = Some(e),
        }
    }
    Err(failed.unwrap_or_else(|| Error::offline("no server replied")))
}

/// The verified identity of a server, which does not depend on its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub server_id: String,
    /// The public key that signs its manifests, in hex.
    pub key: String,
}

/// Returns the identity of the server at `address`, if it has one and proves it by signing a random challenge.
///
/// A server that copied the id and public key of another server cannot sign. A proxy that forwards the challenge to the
/// other server passes; it could read the password anyway.
pub async fn identity(
    http: &dyn Http,
    address: &str,
    meta: &Meta,
    ids: &dyn IdGen,
) -> Option<Identity> {
    if meta.server_id.is_empty() || meta.server_id.len() > 100 {
        return None;
    }
    let mut random = [0; 32];
    ids.fill(&mut random);
    let challenge = carrel_model::BlobHash(random).to_hex();
    let url = format!("{address}/api/meta?challenge={challenge}");
    let reply = match http.send(get(&url)).await {
        Ok(reply) => read::<Meta>(&url, reply).await,
        Err(f) => Err(f.into()),
    };
    let proof = match reply {
        Ok(reply) => reply.identity_proof.unwrap_or_default(),
        Err(e) => {
            tracing::info!(error = %e, "the server's proof of identity could not be fetched");
            return None;
        }
    };
    let text = identity_text(&meta.server_id, &challenge);
    if !is_signed(&meta.signing_key, &proof, &text) {
        tracing::warn!(server.id = %meta.server_id, "the server's proof of identity is invalid");
        return None;
    }
    Some(Identity { server_id: meta.server_id.clone(), key: meta.signing_key.clone() })
}

fn is_signed(key: &str, proof: &str, text: &str) -> bool {
    let check = || {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&from_hex::<32>(key)?).ok()?;
        let proof = ed25519_dalek::Signature::from_bytes(&from_hex::<64>(proof)?);
        key.verify_strict(text.as_bytes(), &proof).ok()
    };
    check().is_some()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Fetches the server's description and returns it with the server's address. One redirect is followed if it leads to
/// the same route, for example from http to https.
async fn meta_of(http: &dyn Http, address: &str) -> Result<(String, Meta)> {
    let url = format!("{address}/api/meta");
    let reply = http.send(get(&url)).await?;
    let redirect = match reply.status {
        301 | 302 | 307 | 308 => {
            reply.header(header::LOCATION).and_then(|l| Url::parse(&url).ok()?.join(l).ok())
        }
        _ => None,
    };
    let Some(redirect) = redirect else {
        return Ok((address.to_owned(), read(&url, reply).await?));
    };
    let redirect = redirect.to_string();
    match redirect.strip_suffix("/api/meta") {
        // A redirect from https to http is refused.
        Some(base) if base.starts_with("https://") || address.starts_with("http://") => {
            let reply = http.send(get(&redirect)).await?;
            Ok((base.to_owned(), read(&redirect, reply).await?))
        }
        _ => Err(Error::BadReply { url, problem: "redirects to another route or to http".into() }),
    }
}

fn get(url: &str) -> Request {
    Request::get(url)
        .header(header::ACCEPT, "application/json")
        .timeout(std::time::Duration::from_secs(10))
}

/// Creates an account on a server and signs in.
pub async fn register(
    http: &dyn Http,
    address: &str,
    request: &RegisterRequest,
) -> Result<TokenReply> {
    post(http, &format!("{address}/api/auth/register"), request).await
}

/// Signs in. Returns `Error::Server` with the code `bad_credentials` if the login or password is wrong.
pub async fn login(http: &dyn Http, address: &str, request: &LoginRequest) -> Result<TokenReply> {
    post(http, &format!("{address}/api/auth/login"), request).await
}

/// Finishes a sign-in in the browser. Returns `Error::Server` with the code `bad_credentials` if the code is wrong.
pub async fn finish_provider_sign_in(
    http: &dyn Http,
    address: &str,
    request: &ProviderSignInRequest,
) -> Result<TokenReply> {
    post(http, &format!("{address}/api/auth/oidc/redeem"), request).await
}

/// Requests a link for a new password by mail. The reply does not tell whether there is an account.
pub async fn request_password_reset(
    http: &dyn Http,
    address: &str,
    login: &str,
    language: &str,
) -> Result<()> {
    let url = format!("{address}/api/auth/reset");
    let request = Request::post_json(&url, &serde_json::json!({ "login": login }))?;
    let reply = http.send(request.header(header::ACCEPT_LANGUAGE, language)).await?;
    if reply.status < 300 { Ok(()) } else { Err(error_of(&url, reply).await) }
}

/// Assigns the work of an account that the server lost to the learner whose session `http` uses.
pub async fn adopt(http: &dyn Http, address: &str, request: &AdoptRequest) -> Result<()> {
    let url = format!("{address}/api/auth/adopt");
    let reply = http.send(Request::post_json(&url, request)?).await?;
    if reply.status < 300 { Ok(()) } else { Err(error_of(&url, reply).await) }
}

/// Enrols the learner whose session `http` uses in the courses of a code, and returns them.
pub async fn enter_code(http: &dyn Http, address: &str, code: &str) -> Result<Vec<Slug>> {
    let request = EnrolmentCode { code: code.to_owned() };
    let url = format!("{address}/api/me/enrolment-codes");
    Ok(post::<EnrolmentCodeReply>(http, &url, &request).await?.courses)
}

/// Ends a sign-in on the server. If the server cannot be reached, the tokens stay valid until they expire.
pub async fn logout(http: &dyn Http, address: &str, refresh_token: String) -> Result<()> {
    let url = format!("{address}/api/auth/logout");
    let request = Request::post_json(&url, &LogoutRequest { refresh_token })?;
    let reply = http.send(request.timeout(std::time::Duration::from_secs(5))).await?;
    if reply.status < 300 { Ok(()) } else { Err(error_of(&url, reply).await) }
}

pub(super) async fn post<T: DeserializeOwned>(
    http: &dyn Http,
    url: &str,
    body: &impl Serialize,
) -> Result<T> {
    let reply = http
        .send(Request::post_json(url, body)?.header(header::ACCEPT, "application/json"))
        .await?;
    read(url, reply).await
}

/// Returns the JSON of a successful reply, or the error that the reply describes.
async fn read<T: DeserializeOwned>(url: &str, reply: Reply) -> Result<T> {
    if !(200..300).contains(&reply.status) {
        return Err(error_of(url, reply).await);
    }
    let bytes = reply.bytes(MAX_REPLY_BYTES).await.map_err(|f| with_url(url, f))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::BadReply { url: url.to_owned(), problem: e.to_string() })
}

/// Returns the error of a reply. A reply without problem details is not from a Carrel server.
async fn error_of(url: &str, reply: Reply) -> Error {
    ClassifiedReply::read(reply, None).await.into_error(url)
}

fn with_url(url: &str, failure: Failure) -> Error {
    match failure.into() {
        Error::BadReply { problem, .. } => Error::BadReply { url: url.to_owned(), problem },
        other => other,
    }
}
