//! The OpenAPI document, made from the handlers themselves.

use axum::response::Response;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{auth, blobs, catalogue, learner, sync};

#[derive(OpenApi)]
#[openapi(
    info(title = "Carrel server", description = "Accounts, catalogue, blobs and sync. Errors are `application/problem+json` (`Problem`)."),
    paths(
        document, auth::register, auth::login, auth::refresh, auth::logout, auth::adopt, catalogue::meta, catalogue::courses,
        catalogue::course, catalogue::course_manifest, catalogue::stories, catalogue::story, catalogue::story_manifest,
        catalogue::search, blobs::blob, learner::enrol, learner::leave, learner::update_progress, learner::progress,
        sync::push, sync::pull, sync::events, sync::epoch,
    ),
    components(schemas(carrel_model::wire::Problem, carrel_model::lattice::Row)),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer =
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("bearer", bearer);
    }
}

/// The document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "catalogue", responses((status = 200, description = "OpenAPI 3.1")))]
pub async fn document() -> Response {
    catalogue::json_text(openapi().to_json().unwrap_or_default(), "public, max-age=3600")
}
