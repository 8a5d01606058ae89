//! The server as an axum router: the table of routes (`routes`), the shared state, and the layers.
//!
//! Not here: sockets (`server`), rows (`store`).

pub mod access;
mod admin;
pub mod api_error;
mod assessments;
pub mod auth;
mod blobs;
mod byte_ranges;
pub(crate) mod catalogue;
mod codes;
mod consents;
mod courses;
mod dictionaries;
mod exercises;
mod extract;
pub(crate) mod health;
mod identities;
mod invitations;
mod layers;
mod learner;
mod me;
pub mod monitoring;
pub mod oidc;
mod oidc_pages;
mod openapi;
mod pages;
mod passwords;
mod progress;
mod reply_cache;
mod reports;
mod roster_routes;
pub mod routes;
mod sheets;
mod staff_courses;
mod staff_pages;
pub mod start_page;
mod sync;
pub mod tenants;
mod updates;
mod uploads;
mod vocabulary;

use std::{
    ops::Deref,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use api_error::ApiError;
use axum::{Router, http::StatusCode, middleware::from_fn};
use carrel_bundle::OfferedPacks;
use carrel_model::ErrorCode;
use carrel_oidc::Provider;
use carrel_rate_limits::{RateLimiter, RateLimiters, RouteLimits, SignInLimits, WINDOW_MS};
use carrel_redis::{RedisUrl, RedisValues};
use carrel_response_cache::{ResponseCache, TenantCache};
use tokio_util::sync::CancellationToken;
use tower_http::{
    compression::CompressionLayer, decompression::RequestDecompressionLayer,
    limit::RequestBodyLimitLayer, timeout::TimeoutLayer,
};

pub use extract::{Peer, SignedInUser};

use crate::{
    blobs::BlobStore, clock::Clock, config::Settings, data_dir::DataDir,
    domain::admission::Admission, error::Error, events::EventBus, mail, password::Passwords,
    shared_limits::ProcessRateLimiters, signing::Signer, store::Store, tokens::TokenKeys,
};

/// Maximum number of registrations from one network in `WINDOW_MS`. Allows a class behind one router to register within
/// one lesson.
const MAX_REGISTRATIONS: u32 = 200;
/// Maximum number of requests for a new password of one account in `RESET_WINDOW_MS`, whether it exists or not.
const MAX_RESETS: u32 = 5;
const RESET_WINDOW_MS: i64 = 3_600_000;
/// Maximum number of unknown enrolment tokens from one network in `WINDOW_MS`.
const MAX_UNKNOWN_TOKENS: u32 = 50;

/// State shared by all handlers.
#[derive(Clone)]
pub struct App(Arc<State>);

/// The services and settings that the handlers use.
pub struct State {
    /// For uploads, which are compiled.
    pub data: DataDir,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    /// `/health` reports the free space of the disk with this folder.
    pub data_dir: PathBuf,
    pub blobs: Arc<dyn BlobStore>,
    pub dictionaries: Arc<OfferedPacks>,
    /// Signs the identity proof in the reply to `GET /api/meta`.
    pub signer: Arc<dyn Signer>,
    pub passwords: Arc<Passwords>,
    pub tokens: TokenKeys,
    pub sign_ins: SignInLimits,
    /// Limits the requests to routes (`Entry::limited`).
    pub route_limits: RouteLimits,
    /// Limits the complete syncs of the process.
    pub admission: Arc<Admission>,
    /// Limits the registrations from each network.
    pub registrations: Box<dyn RateLimiter>,
    /// Limits the unknown enrolment tokens from each network.
    pub enrolments: Box<dyn RateLimiter>,
    /// Limits the requests for a new password by what was typed.
    pub resets: Box<dyn RateLimiter>,
    /// The identity provider, if one is configured.
    pub oidc: Option<Arc<Provider>>,
    pub events: Arc<dyn EventBus>,
    /// Kept replies; `None` if the cache is off.
    pub reply_cache: Option<TenantCache>,
    pub stopping: CancellationToken,
}

/// Purpose of the key that separates the replies of servers and tenants, and authenticates those in Redis.
const CACHE_CONTEXT: &str = "carrel 2026-12 response cache";

/// Returns the cache of a process; `None` if it is off.
///
/// # Errors
/// If the URL of Redis cannot be used.
pub fn response_cache(settings: &Settings) -> Result<Option<ResponseCache>, Error> {
    if settings.cache_mib == 0 {
        return Ok(None);
    }
    let redis = settings.redis_url.as_deref().map(RedisUrl::new).transpose();
    let redis = redis.map_err(|e| Error::Refused(e.to_string()))?;
    let max_bytes = settings.cache_mib.saturating_mul(1024 * 1024);
    Ok(Some(ResponseCache::new(max_bytes, redis.as_ref().map(RedisValues::new))))
}

impl DataDir {
    /// Creates the state of the handlers.
    pub fn app(&self) -> Result<App, Error> {
        let admission = Admission::new(self.config.settings.complete_syncs);
        let cache = response_cache(&self.config.settings)?;
        self.app_with(Arc::new(Passwords::new()?), Arc::new(admission), cache.as_ref())
    }
    /// Like `app`, with what the tenants of a process share: threads that hash passwords, the limit of complete syncs,
    /// and the memory for replies.
    pub fn app_with(
        &self,
        passwords: Arc<Passwords>,
        admission: Arc<Admission>,
        cache: Option<&ResponseCache>,
    ) -> Result<App, Error> {
        let name = crate::tenants::name_of(&self.config.data_dir).unwrap_or_default();
        let secret = || self.signer.derive_key(CACHE_CONTEXT, name.as_bytes());
        let limiters = ProcessRateLimiters(self.limits.clone());
        let settings = self.config.settings.clone();
        Ok(App(Arc::new(State {
            data: self.clone(),
            store: self.store.clone(),
            data_dir: self.config.data_dir.clone(),
            clock: Arc::clone(&self.config.clock),
            blobs: Arc::clone(&self.blobs),
            dictionaries: Arc::new(OfferedPacks::of(&self.config.data_dir)),
            signer: Arc::clone(&self.signer),
            passwords,
            tokens: self.token_keys(),
            sign_ins: SignInLimits::new(&limiters, settings.login_attempts),
            route_limits: RouteLimits::new(&limiters),
            admission,
            registrations: limiters.limiter(
                "registration by network",
                WINDOW_MS,
                MAX_REGISTRATIONS,
            ),
            enrolments: limiters.limiter(
                "unknown enrolment tokens by network",
                WINDOW_MS,
                MAX_UNKNOWN_TOKENS,
            ),
            resets: limiters.limiter("password resets by login", RESET_WINDOW_MS, MAX_RESETS),
            oidc: oidc::provider(&settings)?,
            events: Arc::clone(&self.events),
            reply_cache: cache.map(|cache| cache.for_tenant(secret())),
            stopping: CancellationToken::new(),
            settings,
        })))
    }
}
impl Deref for App {
    type Target = State;
    fn deref(&self) -> &State {
        &self.0
    }
}

impl App {
    /// Sends the messages that wait, if this process runs jobs; else the process that does sends them soon.
    pub(crate) fn send_mail_soon(&self) {
        if !self.settings.run_jobs {
            return;
        }
        let app = self.clone();
        self.data.tasks.spawn(async move {
            // A message whose result is unknown after a stop is sent again with the same id.
            tokio::select! {
                () = app.stopping.cancelled() => {}
                // Errors were logged, and are stored with the message.
                _ = mail::send_due(&app.data) => {}
            }
        });
    }
}

/// Maximum length of a request's path and query, in bytes.
pub const MAX_URI_BYTES: usize = 8 * 1024;
/// Maximum total size of a request's headers, in bytes.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Maximum number of headers of a request.
pub const MAX_HEADERS: usize = 100;
/// Maximum size of a body as sent, in bytes. The size after decompression is limited where the body is read.
const MAX_BODY: usize = 1024 * 1024;
/// Interval at which it is tried to open data that cannot be opened.
pub(crate) const REOPEN: Duration = Duration::from_secs(5);
/// Time limit for receiving an uploaded package.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Returns the OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::build(routes::table())
}

/// Returns the OpenAPI document as JSON, serialized once per process.
fn document_text() -> String {
    static TEXT: LazyLock<String> = LazyLock::new(|| openapi().to_json().unwrap_or_default());
    TEXT.clone()
}

/// Returns the router with all routes and layers, for a socket or, in tests, for `tower::ServiceExt::oneshot`.
pub fn app(app: App) -> Router {
    layered(routes::table(), app)
}

/// Like `app`, but with the given routes; for tests of the access check.
pub fn layered(entries: Vec<access::Entry>, app: App) -> Router {
    let (uploads, others): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.is_upload);
    let max_upload = app.settings.max_upload_mib.saturating_mul(1024 * 1024);
    let max_upload = usize::try_from(max_upload).unwrap_or(usize::MAX);
    let others = access::mount(others, &app)
        .fallback(|_: axum::extract::Request| async { StatusCode::NOT_FOUND });
    let uploads = access::mount(uploads, &app);
    // The layer added last is the outermost.
    limited(others, MAX_BODY, app.settings.request_timeout())
        .merge(limited(uploads, max_upload, UPLOAD_TIMEOUT))
        .layer(axum::middleware::from_fn_with_state(app.clone(), layers::require_plausible_clock))
        .layer(CompressionLayer::new().compress_when(layers::Compressible))
        .layer(from_fn(layers::weaken_tags))
        .layer(axum::middleware::from_fn_with_state(app.clone(), layers::finish))
        .with_state(app)
}

/// Returns a router that replies with 503: the data could not be opened yet. `app`: of the server.
pub fn unavailable(app: App) -> Router {
    let reply = |_: axum::extract::Request| async {
        let detail = "the database cannot be reached";
        ApiError::new(ErrorCode::Unavailable, detail).retry_after(REOPEN.as_millis() as u64)
    };
    Router::new().fallback(reply).layer(axum::middleware::from_fn_with_state(app, layers::finish))
}

/// Adds the limits of bodies and of the time for a request.
fn limited(router: Router<App>, max_body: usize, timeout: Duration) -> Router<App> {
    router
        .layer(RequestDecompressionLayer::new())
        .layer(RequestBodyLimitLayer::new(max_body))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout))
}
