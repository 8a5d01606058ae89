//! Who may call a route, and the guard that checks it before the handler runs.
//!
//! A handler cannot be mounted without an access: an `Entry` has both.

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::MethodRouter,
};
use carrel_model::wire::Role;
use utoipa::openapi::{RefOr, path::Paths, schema::Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use super::{App, api_error::ApiError, extract::SignedInUser};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    /// Anybody, or with `public_catalogue = false` those who are signed in.
    Catalogue,
    SignedIn,
    /// Those who are signed in and have a role with this permission.
    Staff(Permission),
}

/// What staff may do.
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

/// A router with these entries, each behind the guard of its access. Any other address is answered with 404.
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

/// Lets a request through if its caller has the access. Who is signed in is left in the request for the handler.
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
        return Err(ApiError::forbidden("your role does not have the permission for this"));
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}
