//! Sign-in with an identity provider: the browser is sent to the provider and returns with a code, and the app redeems
//! a code of this server.
//!
//! The app chooses a PKCE verifier and sends its challenge with the first request; the code is useless without the
//! verifier. Not here: the protocol between this server and the provider (`carrel-oidc`), which account a person has
//! (`domain::external`), the pages (`oidc_pages`).

use std::sync::Arc;

use axum::{
    Json as Reply,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use carrel_model::{
    DeviceId,
    wire::{ProviderSignInRequest, TokenReply},
};
use carrel_oidc::{
    Callback, FlowSecrets, Identity, OidcError, OidcSettings, Provider, challenge_of,
};
use carrel_people::{codes, permissions::Rank};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    App,
    api_error::ApiError,
    auth::{self, enrolment_hash},
    extract::{Json, Peer, Query},
    oidc_pages::{self, Outcome, Problem},
};
use crate::{
    domain::{
        DomainError,
        enrolment_tokens::PresentedEnrolment,
        external::{ExternalPerson, ExternalRefusal, NewExternalCode},
    },
    error::Error,
    password::{new_token, random, token_hash},
    store::tx::ExternalFlowRow,
};

/// Time for which the browser may stay at the provider.
const FLOW_MS: i64 = 15 * 60_000;
/// Lifetime of the code with which the app finishes the sign-in.
const CODE_MS: i64 = 5 * 60_000;
const COOKIE: &str = "carrel_sign_in";
/// Length of a SHA-256 hash in base64url.
const CHALLENGE: usize = 43;
/// Lengths of a PKCE verifier (RFC 7636 4.1).
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// Returns the provider of the settings, if one is configured.
///
/// # Errors
/// If the settings cannot be used.
pub fn provider(settings: &crate::Settings) -> Result<Option<Arc<Provider>>, Error> {
    let Some(oidc) = &settings.oidc else { return Ok(None) };
    let address = settings.address.trim_end_matches('/');
    if address.is_empty() {
        return Err(Error::Refused(
            "address is missing: with [oidc], it must be the address at which browsers reach this server".to_owned(),
        ));
    }
    let provider = Provider::new(oidc.clone(), address);
    provider.map(|p| Some(Arc::new(p))).map_err(|e| Error::Refused(e.to_string()))
}

fn provider_of(app: &App) -> Result<&Arc<Provider>, ApiError> {
    let missing = || ApiError::not_found("this server has no sign-in with an identity provider");
    app.oidc.as_ref().ok_or_else(missing)
}

fn is_base64url(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StartQuery {
    /// PKCE challenge of the app (S256): 43 characters.
    challenge: String,
    /// The device that will redeem the code.
    #[param(value_type = String)]
    device: DeviceId,
}

/// Begins a sign-in with the identity provider: sends the browser to the provider.
#[utoipa::path(get, path = "/api/auth/oidc/start", tag = "auth", params(StartQuery),
    responses((status = 303, description = "to the provider"),
        (status = 404, description = "no provider is configured"),
        (status = 502, description = "the provider cannot be used: a page for people", content_type = "text/html")))]
pub async fn begin_provider_sign_in(
    State(app): State<App>,
    Query(query): Query<StartQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let provider = provider_of(&app)?;
    if query.challenge.len() != CHALLENGE || !is_base64url(&query.challenge) {
        return Err(ApiError::invalid("challenge: must be a SHA-256 hash in base64url"));
    }
    let now = app.clock.now_ms();
    let (state, state_hash) = new_token()?;
    let (browser, browser_hash) = new_token()?;
    let secrets = FlowSecrets { nonce: new_token()?.0, verifier: new_token()?.0 };
    let url = match provider.authorization_url(&state, &secrets, now).await {
        Ok(url) => url,
        Err(e) => return Ok(failed(&headers, &e)),
    };
    let flow = ExternalFlowRow {
        state: state_hash,
        browser: browser_hash,
        nonce: secrets.nonce,
        verifier: secrets.verifier,
        challenge: query.challenge,
        device: query.device,
        expires_ms: now + FLOW_MS,
    };
    app.store.begin_external(flow, now).await?;
    let mut reply = StatusCode::SEE_OTHER.into_response();
    let headers = reply.headers_mut();
    let internal = |_| ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR);
    headers.insert(header::LOCATION, HeaderValue::from_str(&url).map_err(internal)?);
    let cookie = cookie(&app, &browser, FLOW_MS / 1000);
    headers.insert(header::SET_COOKIE, HeaderValue::from_str(&cookie).map_err(internal)?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(reply)
}

/// Returns the cookie that identifies the browser in which a sign-in began. `Lax`: it is sent when the provider sends
/// the browser back.
fn cookie(app: &App, value: &str, seconds: i64) -> String {
    // A tenant may be reached by a path.
    let address = app.settings.address.trim_end_matches('/');
    let host = address.split_once("://").map_or(address, |(_, host)| host);
    let base = host.find('/').map_or("", |start| &host[start..]);
    let mut cookie = format!(
        "{COOKIE}={value}; Path={base}/api/auth/oidc; Max-Age={seconds}; HttpOnly; SameSite=Lax"
    );
    if app.settings.address.starts_with("https://") {
        cookie.push_str("; Secure");
    }
    cookie
}

fn cookie_value(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct CallbackQuery {
    state: String,
    code: String,
    iss: Option<String>,
    error: Option<String>,
}

/// Ends the part of a sign-in that is in the browser: verifies the reply of the provider, and shows a link to the app
/// and a code to type.
#[utoipa::path(get, path = "/api/auth/oidc/callback", tag = "auth", params(CallbackQuery),
    responses((status = 200, description = "a page with a link to the app and a code", content_type = "text/html"),
        (status = 400, description = "the sign-in is unknown or has expired", content_type = "text/html"),
        (status = 403, description = "the person has no account that can sign in", content_type = "text/html"),
        (status = 409, description = "the login of a new account is taken", content_type = "text/html"),
        (status = 404, description = "no provider is configured"),
        (status = 502, description = "the reply of the provider is refused", content_type = "text/html")))]
pub async fn provider_callback(
    State(app): State<App>,
    Query(query): Query<CallbackQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let provider = provider_of(&app)?;
    let now = app.clock.now_ms();
    let browser = cookie_value(&headers).map(token_hash).unwrap_or_default();
    let flow = match app.store.continue_external(token_hash(&query.state), browser, now).await {
        Ok(flow) => flow,
        Err(e) => return refused(&headers, e),
    };
    let reply = Callback { code: query.code, iss: query.iss, error: query.error };
    let secrets = FlowSecrets { nonce: flow.nonce, verifier: flow.verifier };
    let identity = match provider.redeem(&reply, &secrets, now).await {
        Ok(identity) => identity,
        Err(e) => return Ok(failed(&headers, &e)),
    };
    let person = person(provider.settings(), &identity);
    let code = codes::code_text(random()?);
    let stored = NewExternalCode {
        hash: code_hash(&code),
        challenge: flow.challenge,
        device: flow.device,
        expires_ms: now + CODE_MS,
    };
    let creates = provider.settings().create_accounts;
    match app.store.finish_external(person, creates, stored, now).await {
        Ok(user) => tracing::info!(user.id = %user, "signed in with the identity provider"),
        Err(e) => return refused(&headers, e),
    }
    let address = app.settings.address.trim_end_matches('/');
    let link = format!("carrel://sign-in?server={}&code={code}", crate::percent_encoded(address));
    let mut page = oidc_pages::page(&headers, Outcome::Done { link: &link, code: &code });
    if let Ok(ended) = HeaderValue::from_str(&cookie(&app, "", 0)) {
        page.headers_mut().insert(header::SET_COOKIE, ended);
    }
    Ok(page)
}

/// Returns the hash of a code as typed. The code is short, but the verifier of the app is not.
fn code_hash(code: &str) -> [u8; 32] {
    enrolment_hash(code)
}

/// Returns the page for a provider that cannot be used, or whose reply is refused.
fn failed(headers: &HeaderMap, e: &OidcError) -> Response {
    tracing::warn!(error = %e, "sign-in with the identity provider failed");
    let problem = match e {
        OidcError::Refused(_) => Problem::Declined,
        e if e.is_temporary() => Problem::Unreachable,
        _ => Problem::Untrusted,
    };
    let detail = e.to_string();
    oidc_pages::page(
        headers,
        Outcome::Failed { problem, detail: &detail, status: StatusCode::BAD_GATEWAY },
    )
}

/// Returns the page for a person who is refused; other errors are returned as they are.
fn refused(headers: &HeaderMap, e: DomainError) -> Result<Response, ApiError> {
    let DomainError::External(refusal) = &e else { return Err(e.into()) };
    tracing::warn!(error = %refusal, "sign-in with the identity provider refused");
    let problem = match refusal {
        ExternalRefusal::NoFlow => Problem::Expired,
        ExternalRefusal::Inactive => Problem::Inactive,
        _ => Problem::NotLinked,
    };
    let detail = refusal.to_string();
    let status = ApiError::new(refusal.code(), "").status;
    Ok(oidc_pages::page(headers, Outcome::Failed { problem, detail: &detail, status }))
}

/// Returns what the settings take from the claims of a person.
fn person(settings: &OidcSettings, identity: &Identity) -> ExternalPerson {
    let source_id = match settings.source_id_claim.as_str() {
        "" => None,
        claim => identity.text(claim),
    };
    let object =
        identity.object.as_ref().map(|(directory, object)| format!("{directory}/{object}"));
    ExternalPerson {
        issuer: identity.issuer.clone(),
        subject: identity.subject.clone(),
        object,
        login: identity.text(&settings.login_claim),
        name: identity.text(&settings.name_claim),
        source_id,
        rank: rank(settings, identity),
    }
}

/// Returns the highest rank that the groups of a person give; student without such a group. `None` if groups are not
/// configured or the provider did not send them.
fn rank(settings: &OidcSettings, identity: &Identity) -> Option<Rank> {
    if !settings.maps_groups() {
        return None;
    }
    let groups = identity.list(&settings.groups_claim)?;
    let is_in = |wanted: &[String]| groups.iter().any(|group| wanted.contains(group));
    Some(if is_in(&settings.administrator_groups) {
        Rank::Administrator
    } else if is_in(&settings.instructor_groups) {
        Rank::Instructor
    } else {
        Rank::Student
    })
}

/// Finishes a sign-in with the identity provider in the app. A code can be used once, also if it is refused.
#[utoipa::path(post, path = "/api/auth/oidc/redeem", tag = "auth", request_body = ProviderSignInRequest,
    responses((status = 200, body = TokenReply), (status = 404, description = "no provider is configured"),
        (status = 401, description = "bad_credentials: the code is unknown, has expired or was used, or it belongs to \
            another device or to another sign-in")))]
pub async fn finish_provider_sign_in(
    State(app): State<App>,
    peer: Peer,
    Json(request): Json<ProviderSignInRequest>,
) -> Result<Reply<TokenReply>, ApiError> {
    provider_of(&app)?;
    let now = app.clock.now_ms();
    let wrong = || ApiError {
        hint: "begin the sign-in again",
        ..ApiError::new(
            carrel_model::ErrorCode::BadCredentials,
            "the code is wrong, has expired or was used, or the sign-in began on another device",
        )
    };
    let is_code = codes::typed_code(&request.code).is_some();
    if !is_code || !VERIFIER.contains(&request.verifier.len()) {
        return Err(wrong());
    }
    let challenge = challenge_of(&request.verifier);
    let device = request.device_id;
    let found = app.store.redeem_external(code_hash(&request.code), challenge, device, now).await?;
    let account = found.ok_or_else(wrong)?;
    let (sign_in, mut reply) = auth::sign_in(&app, &account, device, &request.device_name, now)?;
    app.store.open_sign_in(sign_in, now).await?;
    if !request.enrolment_token.is_empty() {
        let token = PresentedEnrolment { hash: enrolment_hash(&request.enrolment_token), device };
        let network = carrel_rate_limits::network(peer.0).to_string();
        // The sign-in succeeded: a token that is refused must not keep the learner from their work.
        let redeemed = auth::redeem(&app, &network, token, reply.user.id, now).await;
        reply.enrolment_refused = redeemed.err().map(|e| e.code);
    }
    Ok(Reply(reply))
}
