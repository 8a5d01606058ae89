//! Extractors for handlers; invalid input becomes an `ApiError`.

use std::net::Ipv4Addr;

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use carrel_model::{
    DeviceId, ErrorCode, UserId, strict,
    wire::{MIN_SYNC_VERSION, SYNC_VERSION, UserInfo},
};
use carrel_people::permissions::{Caller, Rank};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{App, api_error::ApiError};
use crate::{domain::change_log::Author, password::token_hash};

/// Maximum size of an ordinary JSON body, in bytes after decompression.
pub const DEFAULT_MAX_BODY: usize = 64 * 1024;

/// A JSON body of at most `MAX` bytes after decompression.
pub struct Json<T, const MAX: usize = DEFAULT_MAX_BODY>(pub T);

impl<T: DeserializeOwned, const MAX: usize> FromRequest<App> for Json<T, MAX> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::invalid("the body must be application/json")
                .status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let bytes = to_bytes(request.into_body(), MAX).await.map_err(|e| body_error(&e, MAX))?;
        // Refuses an array in place of an object, which serde accepts.
        strict::from_slice(&bytes)
            .map(Self)
            .map_err(|e| ApiError::invalid(format!("the body: {e}")))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Returns the error for a body that is too large, incomplete or cannot be decompressed.
pub(super) fn body_error(e: &axum::Error, max: usize) -> ApiError {
    let mut source = std::error::Error::source(e);
    while let Some(inner) = source {
        if inner.is::<http_body_util::LengthLimitError>() {
            return ApiError::new(
                ErrorCode::TooLarge,
                format!("the body is larger than {max} bytes after decompression"),
            );
        }
        source = inner.source();
    }
    ApiError::invalid(format!("the body cannot be read: {e}"))
}

/// Parameters of the query string.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(q)| Self(q))
            .map_err(|e| ApiError::invalid(format!("the query: {}", e.body_text())))
    }
}

/// Parameters of the path.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let extracted = axum::extract::Path::from_request_parts(parts, app).await;
        extracted
            .map(|axum::extract::Path(p)| Self(p))
            .map_err(|e| ApiError::invalid(format!("the path: {}", e.body_text())))
    }
}

/// The signed-in user; handlers access only this user's rows. Added to the request by the guard of the route; without a
/// guard, the reply is 401.
#[derive(Debug, Clone)]
pub struct SignedInUser {
    pub user: UserInfo,
    pub sign_in: Uuid,
    pub device: DeviceId,
    pub expires_ms: i64,
    pub rank: Rank,
}

impl SignedInUser {
    /// Returns who asks, for the rules of permissions.
    pub fn caller(&self) -> Caller {
        Caller { id: Some(self.user.id), rank: self.rank }
    }
    /// Returns the author of rows written by this caller.
    pub fn author(&self) -> Author {
        Author { user: self.user.id, sign_in: Some(self.sign_in) }
    }
    /// Authenticates a request by its access token.
    pub(super) async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        let value = headers
            .get(header::AUTHORIZATION)
            .ok_or_else(|| ApiError::unauthenticated("no access token"))?;
        let token = value
            .to_str()
            .ok()
            .and_then(|t| t.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .filter(|t| !t.is_empty() && t.len() <= 200)
            .ok_or_else(|| {
                ApiError::unauthenticated("the Authorization header is not a bearer token")
            })?;
        let found = app.store.signed_in(token_hash(token), app.clock.now_ms()).await?;
        let found = found.ok_or_else(|| {
            ApiError::unauthenticated("the access token is unknown or has expired")
        })?;
        Ok(Self {
            rank: Rank::of(found.user.role, found.is_operator),
            user: found.user,
            sign_in: found.sign_in,
            device: found.device,
            expires_ms: found.expires_ms,
        })
    }
}

impl FromRequestParts<App> for SignedInUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| ApiError::unauthenticated("no access token"))
    }
}

/// Who reads the catalogue; `None`: nobody is signed in.
#[derive(Debug, Clone, Copy)]
pub struct Reader(pub Option<UserId>);

impl FromRequestParts<App> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        Ok(Self(parts.extensions.get::<SignedInUser>().map(|caller| caller.user.id)))
    }
}

/// Checks the client's sync version: the `Sync-Version` header, or 1 if it is absent.
pub struct SyncVersion;

impl FromRequestParts<App> for SyncVersion {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("sync-version") else { return Ok(Self) };
        let version: Option<u32> = value.to_str().ok().and_then(|v| v.trim().parse().ok());
        match version {
            Some(MIN_SYNC_VERSION..=SYNC_VERSION) => Ok(Self),
            Some(n) if n > SYNC_VERSION => Err(ApiError::new(
                ErrorCode::TooNew,
                format!(
                    "sync version {n} is newer than {SYNC_VERSION}, the newest that this server supports"
                ),
            )),
            _ => Err(ApiError::invalid("Sync-Version is not a version number")),
        }
    }
}

pub use carrel_listener::Peer;

impl FromRequestParts<App> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let direct =
            parts.extensions.get::<Self>().copied().unwrap_or(Self(Ipv4Addr::LOCALHOST.into()));
        if !app.settings.trust_forwarded_for {
            return Ok(direct);
        }
        // The last entry was written by the proxy in front of this server.
        let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
        let last = forwarded.and_then(|v| v.to_str().ok()).and_then(|v| v.rsplit(',').next());
        Ok(last.and_then(|ip| ip.trim().parse().ok()).map_or(direct, Self))
    }
}
