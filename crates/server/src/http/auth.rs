//! Register, sign in, refresh, sign out.

use axum::{Json as Reply, extract::State, http::StatusCode};
use carrel_model::{
    DeviceId, ErrorCode, UserId,
    wire::{
        LoginRequest, LogoutRequest, RefreshRequest, RegisterRequest, Role, TokenReply, UserInfo,
    },
};

use super::{
    App,
    extract::{Json, Peer},
    fault::Fault,
};
use crate::{
    password::{PasswordError, new_token, token_hash},
    store::{NewAccount, NewSignIn, NewTokens, Redeemed},
};

/// How long an access token is good.
pub const ACCESS_MS: i64 = 15 * 60_000;
/// How long a device may stay away before it must sign in again: half a year at sea.
pub const REFRESH_MS: i64 = 180 * 24 * 3_600_000;
/// A refresh token may be used again for this long, in case the reply was lost.
pub const GRACE_MS: i64 = 60_000;

/// Makes an account and signs in.
#[utoipa::path(post, path = "/api/auth/register", tag = "auth", request_body = RegisterRequest,
    responses((status = 201, body = TokenReply), (status = 403, description = "registration is closed"),
        (status = 409, description = "the login is taken"), (status = 429)))]
pub async fn register(
    State(app): State<App>,
    peer: Peer,
    Json(request): Json<RegisterRequest>,
) -> Result<(StatusCode, Reply<TokenReply>), Fault> {
    if !app.settings.registration_open {
        return Err(Fault {
            hint: "ask for an account",
            ..Fault::forbidden("registration is closed on this server")
        });
    }
    let now = app.clock.now_ms();
    app.registrations.check(&peer.0, now).map_err(too_many)?;
    let user = new_user(&request.login, &request.name, Role::Student)?;
    check_password(&request.password)?;
    app.registrations.note(peer.0, now);
    let password = app.passwords.hash(request.password).await?;
    let (sign_in, reply) = sign_in(&user, request.device_id, &request.device_name, now)?;
    app.store.add_account(NewAccount { user, password }, Some(sign_in), now).await?;
    Ok((StatusCode::CREATED, Reply(reply)))
}

/// Signs in with a password.
#[utoipa::path(post, path = "/api/auth/login", tag = "auth", request_body = LoginRequest,
    responses((status = 200, body = TokenReply), (status = 401, description = "bad_credentials"), (status = 429)))]
pub async fn login(
    State(app): State<App>,
    peer: Peer,
    Json(request): Json<LoginRequest>,
) -> Result<Reply<TokenReply>, Fault> {
    let now = app.clock.now_ms();
    let key = (request.login.trim().to_lowercase().chars().take(100).collect::<String>(), peer.0);
    app.sign_ins.check(&key, now).map_err(too_many)?;
    if request.password.len() > MAX_PASSWORD * 4 {
        return Err(Fault::invalid("password: is over 200 characters"));
    }
    // Counted before the slow part, so that a hundred guesses at once are a hundred guesses.
    app.sign_ins.note(key.clone(), now);
    let found = app.store.account(&request.login).await?;
    let (user, stored) = found.map_or((None, None), |(user, stored)| (Some(user), Some(stored)));
    let right = app.passwords.verify(request.password, stored).await?;
    let Some(user) = user.filter(|_| right) else {
        return Err(Fault::new(ErrorCode::BadCredentials, "the login or the password is wrong"));
    };
    app.sign_ins.forget(&key);
    let (sign_in, reply) = sign_in(&user, request.device_id, &request.device_name, now)?;
    app.store.open_sign_in(sign_in, now).await?;
    Ok(Reply(reply))
}

/// The next pair of tokens for a refresh token. Used again after 60 s, the sign-in is revoked.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", request_body = RefreshRequest,
    responses((status = 200, body = TokenReply), (status = 401, description = "unauthenticated: sign in again")))]
pub async fn refresh(
    State(app): State<App>,
    Json(request): Json<RefreshRequest>,
) -> Result<Reply<TokenReply>, Fault> {
    let now = app.clock.now_ms();
    let (next, access_token, refresh_token) = new_tokens(now)?;
    match app.store.redeem(token_hash(&request.refresh_token), next, GRACE_MS, now).await? {
        Redeemed::Ok { user } => Ok(Reply(reply_of(user, access_token, refresh_token))),
        Redeemed::Unknown => {
            Err(Fault::unauthenticated("the refresh token is unknown or has expired"))
        }
        Redeemed::Reused { user, sign_in } => {
            tracing::warn!(user.id = %user, sign_in.id = %sign_in, "a refresh token was used twice: sign-in revoked");
            app.news.revoke(user, sign_in);
            Err(Fault::unauthenticated("the refresh token was used before: this sign-in is over"))
        }
    }
}

/// Ends a sign-in: its tokens are worth nothing from now on. Says the same whether there was one or not.
#[utoipa::path(post, path = "/api/auth/logout", tag = "auth", request_body = LogoutRequest,
    responses((status = 204)))]
pub async fn logout(
    State(app): State<App>,
    Json(request): Json<LogoutRequest>,
) -> Result<StatusCode, Fault> {
    if let Some((user, sign_in)) = app.store.sign_out(token_hash(&request.refresh_token)).await? {
        app.news.revoke(user, sign_in);
    }
    Ok(StatusCode::NO_CONTENT)
}

fn too_many(wait_ms: u64) -> Fault {
    Fault::new(ErrorCode::RateLimited, "too many tries").retry_after(wait_ms)
}

const MAX_PASSWORD: usize = 200;

/// 8 to 200 characters.
pub fn check_password(password: &str) -> Result<(), Fault> {
    if (8..=MAX_PASSWORD).contains(&password.chars().count()) {
        Ok(())
    } else {
        Err(Fault::invalid("password: is not 8 to 200 characters long"))
    }
}

/// An account with a new id, if login and name will do.
pub fn new_user(login: &str, name: &str, role: Role) -> Result<UserInfo, Fault> {
    let clean = |text: &str, field: &str| {
        let text = text.trim();
        let ok = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if ok {
            Ok(text.to_owned())
        } else {
            Err(Fault::invalid(format!("{field}: is not 1 to 100 characters long")))
        }
    };
    let login = clean(login, "login")?;
    let name = if name.trim().is_empty() { login.clone() } else { clean(name, "name")? };
    Ok(UserInfo { id: UserId(crate::clock::new_id()), login, name, role })
}

fn reply_of(user: UserInfo, access_token: String, refresh_token: String) -> TokenReply {
    TokenReply {
        user,
        access_token,
        expires_in_ms: ACCESS_MS,
        refresh_token,
        refresh_expires_in_ms: REFRESH_MS,
    }
}

fn new_tokens(now: i64) -> Result<(NewTokens, String, String), PasswordError> {
    let (access_token, access) = new_token()?;
    let (refresh_token, refresh) = new_token()?;
    let tokens = NewTokens {
        access,
        access_expires_ms: now + ACCESS_MS,
        refresh,
        refresh_expires_ms: now + REFRESH_MS,
    };
    Ok((tokens, access_token, refresh_token))
}

fn sign_in(
    user: &UserInfo,
    device: DeviceId,
    device_name: &str,
    now: i64,
) -> Result<(NewSignIn, TokenReply), PasswordError> {
    let (tokens, access_token, refresh_token) = new_tokens(now)?;
    let device_name = device_name.chars().filter(|c| !c.is_control()).take(100).collect();
    let opened =
        NewSignIn { id: crate::clock::new_id(), user: user.id, device, device_name, tokens };
    Ok((opened, reply_of(user.clone(), access_token, refresh_token)))
}
