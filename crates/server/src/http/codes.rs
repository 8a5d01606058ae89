//! Sign-in with a one-time code that staff issued.
//!
//! Not here: the rules of codes (`carrel_people::codes`), issuing them (`admin`).

use axum::{Json as Reply, extract::State};
use carrel_model::{
    DeviceId, UserId,
    wire::{TokenReply, UserInfo},
};
use carrel_people::codes::typed_code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App,
    api_error::ApiError,
    auth::{self, check_password, login_key, rate_limited},
    extract::{Json, Peer},
};
use crate::domain::{accounts::Account, people::Redemption};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeRequest {
    login: String,
    code: String,
    /// If not empty, replaces the password and ends all other sign-ins.
    #[serde(default)]
    new_password: String,
    device_id: DeviceId,
    #[serde(default)]
    device_name: String,
}

/// Signs in with a one-time code, and sets a new password if the request has one.
#[utoipa::path(post, path = "/api/auth/code", tag = "auth", request_body = CodeRequest,
    responses((status = 200, body = TokenReply),
        (status = 401, description = "bad_credentials: the login or the code is wrong, or the code has expired or was used"),
        (status = 429)))]
pub async fn redeem(
    State(app): State<App>,
    peer: Peer,
    Json(request): Json<CodeRequest>,
) -> Result<Reply<TokenReply>, ApiError> {
    let now = app.clock.now_ms();
    if !request.new_password.is_empty() {
        check_password(&request.new_password)?;
    }
    let found = app.store.account(&request.login, None).await?;
    // Counted like passwords, before anything is compared.
    let attempt = app
        .sign_ins
        .begin(login_key(&request.login), peer.0, None, now)
        .await
        .map_err(rate_limited)?;
    // Also hashed for a wrong code: the time does not tell whether the login exists.
    let password = match request.new_password {
        password if password.is_empty() => None,
        password => Some(app.passwords.hash(password).await?),
    };
    let code = typed_code(&request.code).unwrap_or_default();
    let device = (request.device_id, request.device_name.as_str());
    let signed_in = sign_in_with(&app, found.as_ref(), &code, password, device, now).await?;
    let reply = signed_in.ok_or_else(ApiError::bad_credentials)?;
    attempt.refund();
    Ok(Reply(reply))
}

/// Returns the tokens of a new sign-in if the code is that of the account. The same statements are executed for an
/// account that does not exist.
pub(super) async fn sign_in_with(
    app: &App,
    found: Option<&Account>,
    code: &str,
    password: Option<String>,
    (device, device_name): (DeviceId, &str),
    now: i64,
) -> Result<Option<TokenReply>, ApiError> {
    let nobody = || UserInfo {
        id: UserId(uuid::Uuid::nil()),
        login: String::new(),
        name: String::new(),
        role: carrel_model::wire::Role::Student,
    };
    let account = Account {
        user: found.map_or_else(nobody, |account| account.user.clone()),
        password: match (&password, found) {
            (Some(password), _) => password.clone(),
            (None, Some(account)) => account.password.clone(),
            (None, None) => String::new(),
        },
        is_known_device: false,
    };
    let hash = app.tokens.code_hash(account.user.id, code);
    let (sign_in, reply) = auth::sign_in(app, &account, device, device_name, now)?;
    let user = found.map(|account| account.user.id);
    let redemption = Redemption { user, hash, password, sign_in };
    Ok(app.store.redeem_code(redemption, now).await?.then_some(reply))
}
