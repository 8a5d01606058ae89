//! The table of routes: the handler of each method and path, and the access it requires.
//!
//! The OpenAPI document, its `security` and the access tests are generated from this table. Method and path of a
//! route are written once, at its handler.

use axum::http::Method;
use utoipa_axum::routes;

use super::{
    access::{Access, Entry},
    auth, blobs, catalogue, courses, dictionaries, health, learner, me, openapi, progress,
    start_page, sync, updates,
};

/// Returns all routes.
pub(super) fn table() -> Vec<Entry> {
    use Access::{Catalogue, Public, SignedIn};
    vec![
        Entry::new(Public, routes!(start_page::start_page)),
        Entry::new(Public, routes!(health::health)),
        Entry::new(Public, routes!(openapi::document)),
        Entry::new(Public, routes!(updates::file)),
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
        Entry::new(Catalogue, routes!(courses::search_courses)),
        Entry::new(Catalogue, routes!(courses::course_content)),
        Entry::new(SignedIn, routes!(courses::enroll)),
        Entry::new(SignedIn, routes!(courses::courses_of_learner)),
        Entry::new(Catalogue, routes!(catalogue::stories)),
        Entry::new(Catalogue, routes!(catalogue::story)),
        Entry::new(Catalogue, routes!(catalogue::story_manifest)),
        Entry::new(Catalogue, routes!(catalogue::search)),
        Entry::new(Catalogue, routes!(blobs::blob)),
        Entry::new(Catalogue, routes!(dictionaries::dictionaries)),
        Entry::new(SignedIn, routes!(me::profile)),
        Entry::new(SignedIn, routes!(me::progress)),
        Entry::new(SignedIn, routes!(me::dashboard)),
        Entry::new(SignedIn, routes!(me::own_analytics)),
        Entry::new(SignedIn, routes!(learner::update_progress)),
        Entry::new(SignedIn, routes!(learner::progress)),
        Entry::new(SignedIn, routes!(progress::own_progress)),
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
    /// Parameters are written as `{name}`.
    pub path: String,
    pub access: Access,
}

/// Returns every route of the table.
pub fn all_routes() -> Vec<Route> {
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
