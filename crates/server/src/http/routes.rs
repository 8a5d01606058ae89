//! The table of routes: which handler answers which method and path, and who may call it.
//!
//! A handler cannot be mounted without an access, and the guard checks it before the handler runs. The OpenAPI document, its `security`
//! and the tests of access are made from this table; method and path of a route are written once, at its handler.

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::MethodRouter,
};
use carrel_model::wire::Role;
use utoipa::openapi::{RefOr, path::Paths, schema::Schema};
use utoipa_axum::{router::UtoipaMethodRouter, routes};

use super::{
    App, api_error::ApiError, auth, blobs, catalogue, extract::SignedInUser, learner, openapi, sync,
};

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
    pub(super) paths: Paths,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Entry {
    pub fn new(access: Access, (schemas, paths, handlers): UtoipaMethodRouter<App>) -> Self {
        Self { access, handlers, paths, schemas }
    }
}

/// All routes.
pub(super) fn table() -> Vec<Entry> {
    use Access::{Catalogue, Public, SignedIn};
    vec![
        Entry::new(Public, routes!(openapi::document)),
        Entry::new(Public, routes!(catalogue::meta)),
        Entry::new(Public, routes!(auth::register)),
        Entry::new(Public, routes!(auth::login)),
        Entry::new(Public, routes!(auth::refresh)),
        Entry::new(Public, routes!(auth::logout)),
        Entry::new(SignedIn, routes!(auth::adopt)),
        Entry::new(Catalogue, routes!(catalogue::courses)),
        Entry::new(Catalogue, routes!(catalogue::course)),
        Entry::new(Catalogue, routes!(catalogue::course_manifest)),
        Entry::new(SignedIn, routes!(learner::enrol, learner::leave)),
        Entry::new(Catalogue, routes!(catalogue::stories)),
        Entry::new(Catalogue, routes!(catalogue::story)),
        Entry::new(Catalogue, routes!(catalogue::story_manifest)),
        Entry::new(Catalogue, routes!(catalogue::search)),
        Entry::new(Catalogue, routes!(blobs::blob)),
        Entry::new(SignedIn, routes!(learner::update_progress)),
        Entry::new(SignedIn, routes!(learner::progress)),
        Entry::new(SignedIn, routes!(sync::push)),
        Entry::new(SignedIn, routes!(sync::pull)),
        Entry::new(SignedIn, routes!(sync::epoch)),
        Entry::new(SignedIn, routes!(sync::events)),
    ]
}

/// One route, for tests.
#[derive(Debug, Clone)]
pub struct Route {
    pub method: Method,
    /// With `{name}` for parameters.
    pub path: String,
    pub access: Access,
}

/// Every route of the table.
pub fn listed() -> Vec<Route> {
    let mut all = Vec::new();
    for Entry { access, paths, .. } in table() {
        for (path, item) in paths.paths {
            let operations = [
                (Method::GET, item.get),
                (Method::POST, item.post),
                (Method::PUT, item.put),
                (Method::PATCH, item.patch),
                (Method::DELETE, item.delete),
            ];
            for method in operations.into_iter().filter_map(|(m, operation)| operation.map(|_| m)) {
                all.push(Route { method, path: path.clone(), access });
            }
        }
    }
    all
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
