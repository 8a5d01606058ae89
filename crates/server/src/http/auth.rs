//! Registration, sign-in, token refresh, sign-out, and adoption of the work of an account missing from a restored
//! database.

use axum::{Json as Reply, extract::State, http::StatusCode};
use carrel_model::{
    DeviceId, ErrorCode, Slug, UserId,
    wire::{
        AdoptRequest, LoginRequest, LogoutRequest, RefreshRequest, RegisterRequest, Role,
        TokenReply, UserInfo,
    },
};
use carrel_people::codes::typed_code;
use carrel_precis::{self as precis, PrecisError};

use super::{
    App,
    api_error::ApiError,
    codes,
    extract::{Json, Peer, SignedInUser},
};
use crate::{
    domain::{
        DomainError, DomainResult,
        accounts::{Account, Adoption, AdoptionResult, NewAccount},
        enrolment_tokens::{PresentedEnrolment, TokenRefusal},
        sessions::{NewSignIn, PresentedToken, Rotated, Rotation},
    },
    password::{PasswordError, Verified, new_token, random, token_hash},
    tokens::{AccountCertificate, RefreshToken},
};

/// Lifetime of an access token.
pub const ACCESS_MS: i64 = 15 * 60_000;
/// Lifetime of a refresh token: a device can be offline for half a year before it must sign in again.
pub const REFRESH_MS: i64 = 180 * 24 * 3_600_000;
/// Time within which a redeemed refresh token is accepted again, in case the reply was lost.
pub const GRACE_MS: i64 = 60_000;

/// Creates an account and signs in.
#[utoipa::path(post, path = "/api/auth/register", tag = "auth", request_body = RegisterRequest,
    responses((status = 201, body = TokenReply),
        (status = 400, description = "the login, name or password is not allowed"),
        (status = 403, description = "registration is closed and there is no enrolment token, or the token is refused: \
            token_unknown, token_expired, token_used_up"),
        (status = 409, description = "the login is taken or too similar to an existing one"), (status = 429),
        (status = 503, description = "too many registrations at once")))]
pub async fn register(
    State(app): State<App>,
    peer: Peer,
    Json(request): Json<RegisterRequest>,
) -> Result<(StatusCode, Reply<TokenReply>), ApiError> {
    let enrolment = presented_enrolment(&request.enrolment_token, request.device_id);
    if !app.settings.registration_open && enrolment.is_none() {
        return Err(ApiError {
            hint: "ask the administrator for an account or an enrolment token",
            ..ApiError::forbidden("registration is closed on this server")
        });
    }
    let now = app.clock.now_ms();
    let user = new_user(&request.login, &request.name, Role::Student)?;
    check_password(&request.password)?;
    let network = carrel_rate_limits::network(peer.0).to_string();
    match enrolment {
        // The number of its uses limits the registrations.
        Some(token) => check_token(&app, &network, token.hash, now).await?,
        None => app.registrations.take(&network, now).await.map(drop).map_err(rate_limited)?,
    }
    // Checked again in the transaction; this check only avoids hashing the password.
    if app.store.account(&user.login, None).await?.is_some() {
        return Err(DomainError::LoginTaken(user.login).into());
    }
    let password = app.passwords.hash(request.password).await?;
    let account = Account { user, password, is_known_device: false };
    let (sign_in, reply) = sign_in(&app, &account, request.device_id, &request.device_name, now)?;
    let Account { user, password, .. } = account;
    app.store.register(NewAccount { user, password }, Some(sign_in), enrolment, now).await?;
    Ok((StatusCode::CREATED, Reply(reply)))
}

/// Signs in with a password.
#[utoipa::path(post, path = "/api/auth/login", tag = "auth", request_body = LoginRequest,
    responses((status = 200, body = TokenReply), (status = 401, description = "bad_credentials"), (status = 429),
        (status = 503, description = "too many sign-ins at once")))]
pub async fn login(
    State(app): State<App>,
    peer: Peer,
    Json(request): Json<LoginRequest>,
) -> Result<Reply<TokenReply>, ApiError> {
    let now = app.clock.now_ms();
    if request.password.len() > MAX_PASSWORD * 4 {
        return Err(ApiError::invalid("password: must have at most 200 characters"));
    }
    let key = login_key(&request.login);
    let found = app.store.account(&request.login, Some(request.device_id)).await?;
    // Counted before the password is verified, so that concurrent guesses are all counted.
    let known =
        found.as_ref().filter(|a| a.is_known_device).map(|a| (a.user.id, request.device_id));
    let attempt =
        app.sign_ins.begin(key.clone(), peer.0, known, now).await.map_err(rate_limited)?;
    let device = (request.device_id, request.device_name.as_str());
    // A one-time code is typed in place of the password, so that every app has a field for it.
    let by_code = match typed_code(&request.password) {
        Some(code) => codes::sign_in_with(&app, found.as_ref(), &code, None, device, now).await?,
        None => None,
    };
    let mut reply = match by_code {
        Some(reply) => {
            attempt.refund();
            reply
        }
        None => {
            let account = match verify_login(&app, found, &request, &key, now).await {
                Ok(Some(account)) => account,
                Ok(None) => return Err(ApiError::bad_credentials()),
                Err(error) => {
                    attempt.refund();
                    return Err(error);
                }
            };
            attempt.refund();
            let (sign_in, reply) = sign_in(&app, &account, device.0, device.1, now)?;
            app.store.open_sign_in(sign_in, now).await?;
            reply
        }
    };
    // An app that opened the link of a sign-in sheet sends the code also as an enrolment token.
    let is_code = typed_code(&request.enrolment_token)
        .is_some_and(|code| typed_code(&request.password) == Some(code));
    let token = presented_enrolment(&request.enrolment_token, request.device_id);
    if let Some(token) = token.filter(|_| !is_code) {
        // The password was correct: a token that is refused must not keep the learner from their work.
        let network = carrel_rate_limits::network(peer.0).to_string();
        let redeemed = redeem(&app, &network, token, reply.user.id, now).await;
        reply.enrolment_refused = redeemed.err().map(|e| e.code);
    }
    Ok(Reply(reply))
}

/// Returns the key by which the attempts of a login are counted.
pub(super) fn login_key(login: &str) -> String {
    let key = precis::typed_username(login).unwrap_or_else(|_| login.trim().to_lowercase());
    key.chars().take(100).collect()
}

/// Returns the enrolment token of a request, if it has one.
fn presented_enrolment(token: &str, device: DeviceId) -> Option<PresentedEnrolment> {
    (!token.is_empty()).then(|| PresentedEnrolment { hash: enrolment_hash(token), device })
}

/// Returns the hash of an enrolment token; the code of a class may be typed in any case and with spaces.
pub(super) fn enrolment_hash(token: &str) -> [u8; 32] {
    token_hash(typed_code(token).as_deref().unwrap_or(token))
}

/// Checks that a new account can use an enrolment token. Unknown tokens are counted by network, against guessing.
async fn check_token(app: &App, network: &str, hash: [u8; 32], now: i64) -> Result<(), ApiError> {
    app.enrolments.take(network, now).await.map_err(rate_limited)?;
    let checked = app.store.check_enrolment_token(hash, now).await;
    Ok(count_token(app, network, checked)?)
}

/// Enrols an account in the courses of a token, and returns them.
pub(super) async fn redeem(
    app: &App,
    network: &str,
    token: PresentedEnrolment,
    user: UserId,
    now: i64,
) -> Result<Vec<Slug>, ApiError> {
    app.enrolments.take(network, now).await.map_err(rate_limited)?;
    let redeemed = app.store.redeem_enrolment_token(token, user, now).await;
    Ok(count_token(app, network, redeemed)?)
}

/// Removes a token from the count of its network if it is known, and logs a refusal.
fn count_token<T>(app: &App, network: &str, result: DomainResult<T>) -> DomainResult<T> {
    if let Err(DomainError::Token(refusal)) = &result {
        tracing::warn!(network, reason = %refusal, "enrolment token refused");
    }
    if !matches!(result, Err(DomainError::Token(TokenRefusal::Unknown))) {
        app.enrolments.refund(network);
    }
    result
}

/// Returns the account with this login if the password is its own, else the account of the certificate if the password
/// is that account's, else `None`.
async fn verify_login(
    app: &App,
    found: Option<Account>,
    request: &LoginRequest,
    key: &str,
    now: i64,
) -> Result<Option<Account>, ApiError> {
    let certificate = app.tokens.open_certificate(&request.account_certificate).filter(|c| {
        let same_login = precis::username(&c.user.login).is_ok_and(|login| login == key);
        same_login && found.as_ref().is_none_or(|a| a.user.id != c.user.id)
    });
    let stored = found.as_ref().map(|a| a.password.clone());
    if found.is_some() || certificate.is_none() {
        match app.passwords.verify(request.password.clone(), stored).await? {
            Verified::Correct => return Ok(found),
            Verified::CorrectRehashed(password) => {
                let Some(account) = found else { return Ok(None) };
                app.store.set_password(account.user.id, password.clone()).await?;
                return Ok(Some(Account { password, ..account }));
            }
            Verified::Wrong => {}
        }
    }
    let Some(certificate) = certificate else { return Ok(None) };
    // The login of the account may have changed since the certificate was issued.
    let known = app.store.account_by_id(certificate.user.id).await?;
    let stored =
        known.as_ref().map_or_else(|| certificate.password.clone(), |a| a.password.clone());
    match app.passwords.verify(request.password.clone(), Some(stored)).await? {
        Verified::Wrong => Ok(None),
        Verified::Correct | Verified::CorrectRehashed(_) => match known {
            Some(account) => Ok(Some(account)),
            None => Ok(Some(app.store.recreate_account(certificate, now).await?)),
        },
    }
}

/// Returns the next pair of tokens for a refresh token. Reusing a refresh token after 60 s revokes the sign-in.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", request_body = RefreshRequest,
    responses((status = 200, body = TokenReply), (status = 401, description = "unauthenticated: sign in again")))]
pub async fn refresh(
    State(app): State<App>,
    Json(request): Json<RefreshRequest>,
) -> Result<Reply<TokenReply>, ApiError> {
    let now = app.clock.now_ms();
    let (access_token, access) = new_token()?;
    let rotation = Rotation {
        presented: presented(&app, &request.refresh_token),
        certificate: app.tokens.open_certificate(&request.account_certificate),
        access: (access, now + ACCESS_MS),
        refresh_expires_ms: now + REFRESH_MS,
        new_branch: u32::from_be_bytes(random()?),
        grace_ms: GRACE_MS,
    };
    match app.store.rotate_refresh_token(rotation, now).await? {
        Rotated::Ok { account, next } => {
            Ok(Reply(token_reply(&app, account.into(), access_token, &next)?))
        }
        Rotated::Unknown => {
            Err(ApiError::unauthenticated("the refresh token is unknown or has expired"))
        }
        Rotated::Reused { user, sign_in } => {
            tracing::warn!(user.id = %user, sign_in.id = %sign_in, "refresh token reused; sign-in revoked");
            Err(ApiError::unauthenticated(
                "the refresh token was already used; the sign-in has been revoked",
            ))
        }
    }
}

/// Ends a sign-in and invalidates its tokens. The reply is the same whether or not the sign-in existed.
#[utoipa::path(post, path = "/api/auth/logout", tag = "auth", request_body = LogoutRequest,
    responses((status = 204)))]
pub async fn logout(
    State(app): State<App>,
    Json(request): Json<LogoutRequest>,
) -> Result<StatusCode, ApiError> {
    let presented = presented(&app, &request.refresh_token);
    app.store.sign_out(presented, app.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Assigns the work of an account missing from this server (created after the backup that was restored) to the
/// signed-in learner. If a refresh token proves that account, its sign-ins become sign-ins of the learner.
#[utoipa::path(post, path = "/api/auth/adopt", tag = "auth", request_body = AdoptRequest,
    responses((status = 204), (status = 400, description = "neither a refresh token nor a certificate of this server"),
        (status = 401), (status = 403, description = "the certificate names another login"),
        (status = 409, description = "the other account exists on this server, or was adopted by another account")))]
pub async fn adopt(
    State(app): State<App>,
    learner: SignedInUser,
    Json(request): Json<AdoptRequest>,
) -> Result<StatusCode, ApiError> {
    let now = app.clock.now_ms();
    let by_token =
        app.tokens.open_refresh_token(&request.refresh_token).filter(|t| !t.is_expired(now));
    let (other, required_login) = match by_token {
        Some(token) => (token.user, None),
        None => match app.tokens.open_certificate(&request.account_certificate) {
            Some(certificate) => (certificate.user.id, Some(certificate.user.login)),
            None => {
                return Err(ApiError::invalid(
                    "neither a refresh token nor an account certificate of this server",
                ));
            }
        },
    };
    let adoption = Adoption { user: learner.user.id, other, required_login };
    match app.store.adopt(adoption, now).await? {
        AdoptionResult::Done => {
            tracing::info!(user.id = %learner.user.id, user.adopted = %other, "adopted the work of an unknown account");
            Ok(StatusCode::NO_CONTENT)
        }
        AdoptionResult::AccountExists => Err(ApiError {
            hint: "sign in with the other account",
            ..ApiError::new(ErrorCode::Conflict, "the other account exists on this server")
        }),
        AdoptionResult::AdoptedByAnother => Err(ApiError::new(
            ErrorCode::Conflict,
            "the other account was adopted by another account",
        )),
        AdoptionResult::LoginMismatch => Err(ApiError {
            hint: "ask the administrator to accept the file with `accept-work --as LOGIN`",
            ..ApiError::forbidden("the certificate names another login")
        }),
    }
}

fn presented(app: &App, token: &str) -> PresentedToken {
    app.tokens
        .open_refresh_token(token)
        .map_or_else(|| PresentedToken::Opaque(token_hash(token)), PresentedToken::Signed)
}

pub(super) fn rate_limited(wait_ms: u64) -> ApiError {
    ApiError::new(ErrorCode::RateLimited, "too many attempts").retry_after(wait_ms)
}

const MAX_PASSWORD: usize = 200;

/// Checks that a password has 8 to 200 characters, all allowed by PRECIS.
pub fn check_password(password: &str) -> Result<(), ApiError> {
    let password =
        precis::opaque(password).map_err(|e| ApiError::invalid(format!("password: {e}")))?;
    if (8..=MAX_PASSWORD).contains(&password.chars().count()) {
        Ok(())
    } else {
        Err(ApiError::invalid("password: must have 8 to 200 characters"))
    }
}

/// Returns an account with a new id, if login and name are allowed.
pub fn new_user(login: &str, name: &str, role: Role) -> Result<UserInfo, ApiError> {
    let allowed = |text: Result<String, PrecisError>, field: &str| {
        text.map_err(|e| ApiError::invalid(format!("{field}: {e}")))
    };
    let login = allowed(precis::new_login(login), "login")?;
    let name = if name.trim().is_empty() {
        login.clone()
    } else {
        allowed(precis::new_name(name), "name")?
    };
    Ok(UserInfo { id: UserId(carrel_store::new_id()), login, name, role })
}

fn token_reply(
    app: &App,
    account: AccountCertificate,
    access_token: String,
    next: &RefreshToken,
) -> Result<TokenReply, PasswordError> {
    Ok(TokenReply {
        account_certificate: app.tokens.certificate(&account)?,
        user: account.user,
        access_token,
        expires_in_ms: ACCESS_MS,
        refresh_token: app.tokens.refresh_token(next),
        refresh_expires_in_ms: REFRESH_MS,
        enrolment_refused: None,
    })
}

pub(super) fn sign_in(
    app: &App,
    account: &Account,
    device: DeviceId,
    device_name: &str,
    now: i64,
) -> Result<(NewSignIn, TokenReply), PasswordError> {
    let (access_token, access) = new_token()?;
    let device_name = device_name.chars().filter(|c| !c.is_control()).take(100).collect();
    let (id, user) = (carrel_store::new_id(), account.user.id);
    let first = RefreshToken {
        sign_in: id,
        branch: 0,
        user,
        device,
        generation: 1,
        issued_ms: now,
        expires_ms: now + REFRESH_MS,
    };
    let new_sign_in = NewSignIn {
        id,
        user,
        device,
        device_name,
        access: (access, now + ACCESS_MS),
        refresh_expires_ms: first.expires_ms,
    };
    let account =
        AccountCertificate { user: account.user.clone(), password: account.password.clone() };
    Ok((new_sign_in, token_reply(app, account, access_token, &first)?))
}
