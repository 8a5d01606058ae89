//! Finding a server and asking it for tokens: what is done before there is a session.

use carrel_model::wire::{
    AdoptRequest, LoginRequest, LogoutRequest, Meta, RegisterRequest, TokenReply, identity_text,
};
use carrel_net::{Error, Failure, Http, Reply, Request, Result, reply::ClassifiedReply};
use carrel_system::{Clock, IdGen};
use data_encoding::HEXLOWER_PERMISSIVE;
use http::header;
use serde::{Serialize, de::DeserializeOwned};
use url::{Host, Url};

/// Replies to what is asked here are small.
const LIMIT: usize = 256 * 1024;

/// A server that answered.
#[derive(Debug, Clone)]
pub struct ServerCheck {
    /// The address as it will be used: no slash at the end.
    pub address: String,
    pub meta: Meta,
    /// How far this device's clock is ahead of the server's.
    pub clock_ahead_ms: i64,
}

/// The addresses that a typed one may mean, in the order in which they are tried.
///
/// Without a scheme: https for names of the internet, and nothing else, because a password follows; http, then https, for this machine,
/// private addresses, `.local` and names without a dot, which have no certificates as a rule.
pub fn addresses(typed: &str) -> Result<Vec<String>> {
    let typed = typed.trim();
    let wrong = |why: &str| {
        let typed: String = typed.chars().take(100).collect();
        Error::Invalid(format!(
            "{typed:?} is not an address: {why}; hint: type something like school.example or 192.168.1.4:7300"
        ))
    };
    if typed.is_empty() {
        return Err(wrong("it is empty"));
    }
    if typed.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("it contains spaces"));
    }
    let with_scheme = typed.contains("://");
    let text = if with_scheme { typed.to_owned() } else { format!("https://{typed}") };
    let url = Url::parse(&text).map_err(|e| wrong(&e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("only http and https are spoken"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("a name or password does not belong into it"));
    }
    let host = url.host().ok_or_else(|| wrong("there is no host"))?;
    let path = url.path().trim_end_matches('/');
    let path = path
        .strip_suffix("/api/meta")
        .or_else(|| path.strip_suffix("/api"))
        .unwrap_or(path)
        .trim_end_matches('/');
    // `Url::port` leaves out the default port of the scheme, which is 443 without one: typed after a name it is no different address.
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    let base = |scheme: &str| format!("{scheme}://{host}{port}{path}");
    Ok(if with_scheme {
        vec![base(url.scheme())]
    } else if is_near(&host) {
        vec![base("http"), base("https")]
    } else {
        vec![base("https")]
    })
}

/// This machine or this network.
fn is_near(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Host::Ipv6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Host::Domain(name) => {
            !name.contains('.')
                || name.ends_with(".local")
                || name.ends_with(".localhost")
                || name.ends_with(".home.arpa")
        }
    }
}

/// Asks whether a Carrel server is there. `Error::Offline`: nobody answered; `Error::BadReply`: something else did, for example the
/// sign-in page of a Wi-Fi.
pub async fn check_server(http: &dyn Http, clock: &dyn Clock, typed: &str) -> Result<ServerCheck> {
    let mut failed = None;
    for address in addresses(typed)? {
        match meta_of(http, &address).await {
            Ok((address, meta)) => {
                let clock_ahead_ms = clock.now_ms().saturating_sub(meta.now_ms);
                return Ok(ServerCheck { address, meta, clock_ahead_ms });
            }
            // An answer tells more than a silence.
            Err(e @ Error::Offline(_)) => failed = failed.or(Some(e)),
            Err(e) => failed = Some(e),
        }
    }
    Err(failed.unwrap_or_else(|| Error::Offline("nobody answers".into())))
}

/// Who a server is, whatever its address: proved, so that it can be compared with what was proved before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub server_id: String,
    /// The key that signs its manifests, hex.
    pub key: String,
}

/// The identity of the server at `address`, if it has one and proves it: it signs a random challenge with its key. A server that repeats the
/// id and the public key of another one cannot. (One that asks the other for each signature can; it would be between us and the server
/// then, and see the password too.)
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
            tracing::info!(error = %e, "the server did not prove its identity");
            return None;
        }
    };
    let text = identity_text(&meta.server_id, &challenge);
    if !is_signed(&meta.signing_key, &proof, &text) {
        tracing::warn!(server.id = %meta.server_id, "a server names an identity that it does not prove");
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

/// The description of the server, and its address: one redirect is followed if it leads to the same route, as from http to https.
async fn meta_of(http: &dyn Http, address: &str) -> Result<(String, Meta)> {
    let url = format!("{address}/api/meta");
    let reply = http.send(get(&url)).await?;
    let moved = match reply.status {
        301 | 302 | 307 | 308 => {
            reply.header(header::LOCATION).and_then(|l| Url::parse(&url).ok()?.join(l).ok())
        }
        _ => None,
    };
    let Some(moved) = moved else { return Ok((address.to_owned(), read(&url, reply).await?)) };
    let moved = moved.to_string();
    match moved.strip_suffix("/api/meta") {
        // Never from https down to http.
        Some(base) if base.starts_with("https://") || address.starts_with("http://") => {
            let reply = http.send(get(&moved)).await?;
            Ok((base.to_owned(), read(&moved, reply).await?))
        }
        _ => Err(Error::BadReply { url, problem: "it sends elsewhere".into() }),
    }
}

fn get(url: &str) -> Request {
    Request::get(url)
        .header(header::ACCEPT, "application/json")
        .timeout(std::time::Duration::from_secs(10))
}

/// Makes an account on a server and signs in.
pub async fn register(
    http: &dyn Http,
    address: &str,
    request: &RegisterRequest,
) -> Result<TokenReply> {
    post(http, &format!("{address}/api/auth/register"), request).await
}

/// Signs in. A wrong name or password is `Error::Server` with `bad_credentials`.
pub async fn login(http: &dyn Http, address: &str, request: &LoginRequest) -> Result<TokenReply> {
    post(http, &format!("{address}/api/auth/login"), request).await
}

/// Asks for the work of an account that the server does not know. `http` is signed in as the learner who is to have it.
pub async fn adopt(http: &dyn Http, address: &str, request: &AdoptRequest) -> Result<()> {
    let url = format!("{address}/api/auth/adopt");
    let reply = http.send(Request::post_json(&url, request)?).await?;
    if reply.status < 300 { Ok(()) } else { Err(error_of(&url, reply).await) }
}

/// Tells the server that a sign-in is over. If it cannot be reached, the tokens end by themselves.
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

/// The JSON of a good reply, or what the reply says went wrong.
async fn read<T: DeserializeOwned>(url: &str, reply: Reply) -> Result<T> {
    if !(200..300).contains(&reply.status) {
        return Err(error_of(url, reply).await);
    }
    let bytes = reply.bytes(LIMIT).await.map_err(|f| named(url, f))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::BadReply { url: url.to_owned(), problem: e.to_string() })
}

/// The error that a reply stands for. One without problem details is not from a Carrel server.
async fn error_of(url: &str, reply: Reply) -> Error {
    ClassifiedReply::read(reply, None).await.into_error(url)
}

fn named(url: &str, failure: Failure) -> Error {
    match failure.into() {
        Error::BadReply { problem, .. } => Error::BadReply { url: url.to_owned(), problem },
        other => other,
    }
}
