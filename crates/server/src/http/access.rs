//! Access to routes, and the guard that checks it before the handler runs.
//!
//! An `Entry` combines handlers and their access, so that no handler can be mounted without an access.

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::MethodRouter,
};
use carrel_model::{
    UserId,
    wire::{Role, UserInfo},
};
use utoipa::openapi::{RefOr, path::Paths, schema::Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use super::{App, api_error::ApiError, extract::SignedInUser};

/// Access required to call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    /// Everyone; only signed-in users if `public_catalogue` is false.
    Catalogue,
    SignedIn,
    /// Signed-in users whose role has this permission.
    Staff(Permission),
}

/// A permission of staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    ViewLearners,
    ManageCatalogue,
    ManageAccounts,
}

impl Permission {
    pub fn is_granted_to(self, role: Role) -> bool {
        match role {
            Role::Student => false,
            Role::Instructor => self == Self::ViewLearners,
            Role::Administrator => true,
        }
    }
}

/// Returns true if the caller may read the courses and the progress of a learner: the learner, and administrators.
pub fn may_view(caller: &UserInfo, learner: UserId) -> bool {
    caller.id == learner || Permission::ManageAccounts.is_granted_to(caller.role)
}

/// Handlers that share a path.
pub struct Entry {
    pub access: Access,
    handlers: MethodRouter<App>,
    pub paths: Paths,
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

impl Entry {
    pub fn new(access: Access, (schemas, paths, handlers): UtoipaMethodRouter<App>) -> Self {
        Self { access, handlers, paths, schemas }
    }
}

/// Returns a router with these entries, each behind its guard. Any other path returns 404.
pub fn mount(entries: Vec<Entry>, app: &App) -> Router<App> {
    let mut router = Router::new();
    for Entry { access, handlers, paths, .. } in entries {
        let guarded = handlers.route_layer(from_fn_with_state((app.clone(), access), guard));
        for path in paths.paths.keys() {
            router = router.route(path, guarded.clone());
        }
    }
    router.fallback(|_: Request| async { StatusCode::NOT_FOUND })
}

/// Runs the handler if the caller has access. The signed-in user is added to the request's extensions.
async fn guard(
    State((app, access)): State<(App, Access)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let permission = match access {
        Access::Public => return Ok(next.run(request).await),
        Access::Catalogue if app.settings.public_catalogue => return Ok(next.run(request).await),
        Access::Catalogue | Access::SignedIn => None,
        Access::Staff(permission) => Some(permission),
    };
    let caller = SignedInUser::authenticate(&app, request.headers()).await?;
    if permission.is_some_and(|p| !p.is_granted_to(caller.user.role)) {
        return Err(ApiError::forbidden("your role lacks the required permission"));
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}
