//! The OpenAPI document, made from the handlers themselves.

use std::sync::LazyLock;

use axum::response::Response;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, Ref, RefOr, ResponseBuilder, Schema,
        path::{HttpMethod, Operation},
        schema::SchemaFormat,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
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
    modifiers(&Bearer, &Errors, &Patterns)
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

/// What an operation needs from its caller; the extractors of its handler enforce it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Public,
    /// Anybody, or with `public_catalogue = false` those who are signed in.
    Catalogue,
    SignedIn,
}

fn access(path: &str) -> Access {
    if path.starts_with("/api/auth/") || matches!(path, "/api/meta" | "/api/openapi.json") {
        Access::Public
    } else if path.starts_with("/api/sync/")
        || path.starts_with("/api/progress/")
        || path.ends_with("/enrolment")
    {
        Access::SignedIn
    } else {
        Access::Catalogue
    }
}

/// Every error reply is a `Problem`; what each operation can answer follows from what it takes.
struct Errors;

impl Modify for Errors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let operations = [
                (HttpMethod::Get, &mut item.get),
                (HttpMethod::Post, &mut item.post),
                (HttpMethod::Put, &mut item.put),
                (HttpMethod::Patch, &mut item.patch),
                (HttpMethod::Delete, &mut item.delete),
            ];
            for (_, operation) in operations {
                if let Some(operation) = operation {
                    add_errors(path, operation);
                }
            }
        }
    }
}

fn add_errors(path: &str, operation: &mut Operation) {
    let access = access(path);
    let takes_body = operation.request_body.is_some();
    let takes_input = takes_body || operation.parameters.as_ref().is_some_and(|p| !p.is_empty());
    let mut statuses = vec![
        ("406", "Accept-Encoding allows no encoding that can be sent"),
        ("408", "the request did not arrive in time"),
        ("414", "the address is over 8 KiB"),
        ("431", "the headers are too large"),
        ("500", "internal"),
        ("503", "unavailable: busy or shutting down"),
    ];
    if takes_input {
        statuses.push(("400", "invalid_request"));
    }
    if takes_body {
        statuses.push(("413", "too_large"));
        statuses.push(("415", "the body is not JSON, or its Content-Encoding is unknown"));
    }
    if access != Access::Public {
        let when = if access == Access::SignedIn {
            "unauthenticated"
        } else {
            "unauthenticated: the catalogue is not public"
        };
        statuses.push(("401", when));
        let mut security = vec![SecurityRequirement::new("bearer", Vec::<String>::new())];
        if access == Access::Catalogue {
            // Either of them: without a token where the catalogue is public.
            security.insert(0, SecurityRequirement::default());
        }
        operation.security = Some(security);
    }
    let responses = &mut operation.responses.responses;
    for (status, when) in statuses {
        let response = ResponseBuilder::new().description(when).build();
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(response));
    }
    let problem = || {
        let schema = Some(Ref::from_schema_name("Problem"));
        RefOr::T(ContentBuilder::new().schema(schema).build())
    };
    for (status, response) in responses {
        if let (true, RefOr::T(response)) = (status.starts_with(['4', '5']), response) {
            response.content.entry("application/problem+json".to_owned()).or_insert_with(problem);
            if response.description.is_empty() {
                let code = axum::http::StatusCode::from_bytes(status.as_bytes()).ok();
                let reason = code.and_then(|code| code.canonical_reason()).unwrap_or_default();
                response.description = reason.to_lowercase();
            }
        }
    }
}

/// What `carrel-model` accepts as an id.
struct Patterns;

const SLUG: &str = "[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?";

impl Modify for Patterns {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let Some(components) = &mut document.components else { return };
        for (name, pattern) in [
            ("Slug", format!("^{SLUG}$")),
            ("ItemId", format!("^{SLUG}(?:/{SLUG}){{0,3}}$")),
            ("BlobHash", "^[0-9a-f]{64}$".to_owned()),
            ("Hlc", "^[0-9a-f]{16}$".to_owned()),
        ] {
            if let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get_mut(name) {
                debug_assert!(!matches!(schema.format, Some(SchemaFormat::KnownFormat(_))));
                schema.pattern = Some(pattern);
            }
        }
    }
}

/// The document, as it is sent: it never changes while the server runs.
static TEXT: LazyLock<String> = LazyLock::new(|| openapi().to_json().unwrap_or_default());

/// The document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "catalogue", responses((status = 200, description = "OpenAPI 3.1")))]
pub async fn document() -> Response {
    catalogue::json_text(TEXT.clone(), "public, max-age=3600")
}
