//! Access to routes, and the guard that checks it before the handler runs.
//!
//! An `Entry` combines handlers and their access, so that no handler can be mounted without an access.

use axum::{
    RequestExt, Router,
    extract::{FromRequestParts, RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use carrel_model::{ErrorCode, Slug, UserId};
pub use carrel_people::permissions::Permission;
use carrel_people::permissions::Subject;
use carrel_roster::ClassId;
use utoipa::openapi::{RefOr, path::Paths, schema::Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use carrel_rate_limits::{Allowance, RouteLimit};
use carrel_response_cache::ReplyKind;

use super::{
    App,
    api_error::ApiError,
    extract::{Peer, SignedInUser},
    reply_cache::{CacheRule, keep},
};
use crate::domain::reply_state::DependsOn;

/// Access required to call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    /// Everyone; only signed-in users if `public_catalogue` is false.
    Catalogue,
    /// Signed-in users. The path must not name a person or a class.
    SignedIn,
    /// Staff who have the permission for at least their own classes; the handler limits its reply to these.
    Staff(Permission),
    /// Staff who have the permission about the person `{userId}` of the path.
    Person(Permission),
    /// The person `{userId}` of the path, and staff who have the permission about them.
    SelfOr(Permission),
    /// Staff who have the permission about the class `{classId}` of the path.
    Class(Permission),
    /// Staff who have the permission about the course `{courseId}` of the path.
    Course(Permission),
}

impl Access {
    /// Returns the parameter of the path that the guard compares with the caller.
    pub fn parameter(self) -> Option<&'static str> {
        match self {
            Self::Public | Self::Catalogue | Self::SignedIn | Self::Staff(_) => None,
            Self::Person(_) | Self::SelfOr(_) => Some("userId"),
            Self::Class(_) => Some("classId"),
            Self::Course(_) => Some("courseId"),
        }
    }
    pub fn permission(self) -> Option<Permission> {
        match self {
            Self::Public | Self::Catalogue | Self::SignedIn => None,
            Self::Staff(p)
            | Self::Person(p)
            | Self::SelfOr(p)
            | Self::Class(p)
            | Self::Course(p) => Some(p),
        }
    }
}

/// Handlers that share a path.
pub struct Entry {
    pub access: Access,
    /// `None`: requests are not counted.
    pub limit: Option<&'static RouteLimit>,
    /// The body is a package: it may be large, and receiving it may take long.
    pub is_upload: bool,
    /// `None`: replies are not kept.
    pub cache: Option<CacheRule>,
    handlers: MethodRouter<App>,
    pub paths: Paths,
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

impl Entry {
    pub fn new(access: Access, (schemas, paths, handlers): UtoipaMethodRouter<App>) -> Self {
        Self { access, limit: None, is_upload: false, cache: None, handlers, paths, schemas }
    }
    /// Keeps the replies to GET.
    #[must_use]
    pub fn cached(self, kind: ReplyKind, depends_on: DependsOn) -> Self {
        Self { cache: Some(CacheRule { kind, depends_on }), ..self }
    }
    /// Limits the requests of each caller.
    #[must_use]
    pub fn limited(self, limit: &'static RouteLimit) -> Self {
        Self { limit: Some(limit), ..self }
    }
    /// Allows a large body.
    #[must_use]
    pub fn with_upload(self) -> Self {
        Self { is_upload: true, ..self }
    }
}

/// Returns a router with these entries, each behind its guard.
pub fn mount(entries: Vec<Entry>, app: &App) -> Router<App> {
    let mut router = Router::new();
    for Entry { access, limit, cache, handlers, paths, .. } in entries {
        let limit = limit.filter(|_| app.settings.route_limits);
        let handlers = with_cache(handlers, cache, app);
        let guarded = handlers.route_layer(from_fn_with_state((app.clone(), access, limit), guard));
        for path in paths.paths.keys() {
            router = router.route(path, guarded.clone());
        }
    }
    router
}

/// Returns a router with the entries whose replies are kept, without guards, to fill the cache.
pub(super) fn without_guards(entries: Vec<Entry>, app: &App) -> Router<App> {
    let mut router = Router::new();
    for Entry { cache, handlers, paths, .. } in entries.into_iter().filter(|e| e.cache.is_some()) {
        let handlers = with_cache(handlers, cache, app);
        for path in paths.paths.keys() {
            router = router.route(path, handlers.clone());
        }
    }
    router
}

fn with_cache(
    handlers: MethodRouter<App>,
    cache: Option<CacheRule>,
    app: &App,
) -> MethodRouter<App> {
    match cache.filter(|_| app.reply_cache.is_some()) {
        Some(rule) => handlers.route_layer(from_fn_with_state((app.clone(), rule), keep)),
        None => handlers,
    }
}

/// Runs the handler if the caller has access and is below the limit of the route. The signed-in user is added to the
/// request's extensions.
async fn guard(
    State((app, access, limit)): State<(App, Access, Option<&'static RouteLimit>)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let is_open = match access {
        Access::Public => true,
        Access::Catalogue => app.settings.public_catalogue,
        _ => false,
    };
    // What an open route returns depends on the reader. An expired token is refused, so that the app refreshes it: for
    // nobody, the courses of the reader's classes would not exist.
    let has_token = request.headers().contains_key(header::AUTHORIZATION);
    let caller = if access == Access::Public || is_open && !has_token {
        None
    } else {
        let caller = SignedInUser::authenticate(&app, request.headers()).await?;
        if let Some(permission) = access.permission() {
            let subject = subject(access, &mut request).await?;
            let is_self =
                matches!(access, Access::SelfOr(_)) && subject == Subject::Person(caller.user.id);
            if !is_self && !app.store.is_allowed(caller.caller(), permission, subject).await? {
                // The same reply whether or not the person or class exists.
                return Err(ApiError::forbidden("your role lacks the required permission"));
            }
        }
        request.extensions_mut().insert(caller.clone());
        Some(caller)
    };
    let Some(limit) = limit else { return Ok(next.run(request).await) };
    let learner = match caller {
        Some(caller) => Some(caller.user.id),
        // Open routes are counted by learner, too.
        None => SignedInUser::authenticate(&app, request.headers()).await.ok().map(|c| c.user.id),
    };
    let (mut parts, body) = request.into_parts();
    let peer = Peer::from_request_parts(&mut parts, &app).await?;
    let request = Request::from_parts(parts, body);
    let taken = app.route_limits.take(limit, learner, peer.0, app.clock.now_ms()).await;
    let (mut reply, allowance) = match taken {
        Ok(allowance) => (next.run(request).await, allowance),
        Err(wait_ms) => {
            let error = ApiError::new(ErrorCode::RateLimited, "too many requests");
            let full_in_ms = limit.window_ms.unsigned_abs();
            (error.retry_after(wait_ms).into_response(), Allowance { remaining: 0, full_in_ms })
        }
    };
    set_limit_headers(reply.headers_mut(), limit, allowance);
    Ok(reply)
}

/// Sets the fields of draft-ietf-httpapi-ratelimit-headers-11: the policy, and what is left of it.
fn set_limit_headers(headers: &mut HeaderMap, limit: &RouteLimit, allowance: Allowance) {
    let RouteLimit { name, requests, window_ms } = limit;
    let reset_s = allowance.full_in_ms.div_ceil(1000);
    for (field, value) in [
        ("ratelimit-policy", format!("\"{name}\";q={requests};w={}", window_ms / 1000)),
        ("ratelimit", format!("\"{name}\";r={};t={reset_s}", allowance.remaining)),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(field), value);
        }
    }
}

/// Returns whom or what the path names.
async fn subject(access: Access, request: &mut Request) -> Result<Subject, ApiError> {
    let Some(name) = access.parameter() else { return Ok(Subject::All) };
    let parameters = request.extract_parts::<RawPathParams>().await.ok();
    let found = parameters.as_ref().and_then(|all| all.iter().find(|(key, _)| *key == name));
    let (_, text) = found.ok_or_else(|| ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    if let Access::Course(_) = access {
        let course = text.parse::<Slug>();
        let course = course.map_err(|e| ApiError::invalid(format!("the path: {name}: {e}")))?;
        return Ok(Subject::Course(course));
    }
    let id =
        text.parse().map_err(|_| ApiError::invalid(format!("the path: {name} must be a UUID")))?;
    Ok(match access {
        Access::Class(_) => Subject::Class(ClassId(id)),
        _ => Subject::Person(UserId(id)),
    })
}
