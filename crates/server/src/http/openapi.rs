//! The OpenAPI document, generated from the handlers.

use axum::response::Response;
use utoipa::{
    OpenApi,
    openapi::{
        Components, ContentBuilder, Ref, RefOr, ResponseBuilder, Schema,
        path::Operation,
        schema::SchemaFormat,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    access::{Access, Entry},
    catalogue, document_text,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Carrel server",
        description = "Accounts, catalogue, blobs and sync. Errors are `application/problem+json` (`Problem`)."
    ),
    components(schemas(
        carrel_model::wire::Problem,
        carrel_model::lattice::Row,
        super::progress::StoryUpdate
    ))
)]
struct Document;

fn add_errors(access: Access, is_limited: bool, operation: &mut Operation) {
    let takes_body = operation.request_body.is_some();
    let takes_input = takes_body || operation.parameters.as_ref().is_some_and(|p| !p.is_empty());
    let mut statuses = vec![
        ("406", "Accept-Encoding allows no supported encoding"),
        ("408", "the request was not completed in time"),
        ("414", "path and query are longer than 8 KiB"),
        ("431", "the headers are too large"),
        ("500", "internal"),
        ("503", "unavailable: busy or shutting down"),
    ];
    if is_limited {
        statuses.push(("429", "rate_limited"));
    }
    if takes_input {
        statuses.push(("400", "invalid_request"));
    }
    if takes_body {
        statuses.push(("413", "too_large"));
        statuses.push(("415", "the body is not JSON, or its Content-Encoding is unknown"));
    }
    if access != Access::Public {
        let description = if access == Access::Catalogue {
            "unauthenticated: the catalogue is not public"
        } else {
            "unauthenticated"
        };
        statuses.push(("401", description));
        if access.permission().is_some() {
            statuses.push(("403", "forbidden: the role lacks the permission"));
        }
        let mut security = vec![SecurityRequirement::new("bearer", Vec::<String>::new())];
        if access == Access::Catalogue {
            // Two alternatives: no token (if the catalogue is public), or a token.
            security.insert(0, SecurityRequirement::default());
        }
        operation.security = Some(security);
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in statuses {
        let response = ResponseBuilder::new().description(description).build();
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

const SLUG: &str = "[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?";

/// Adds the patterns of the ids that `carrel-model` accepts.
fn add_patterns(components: &mut Components) {
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

/// Builds the document for these routes. Every error reply is a `Problem`.
pub(super) fn build(entries: Vec<Entry>) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let components = document.components.get_or_insert_default();
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    components.add_security_scheme("bearer", bearer);
    for Entry { access, limit, mut paths, schemas, .. } in entries {
        for item in paths.paths.values_mut() {
            let operations =
                [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                add_errors(access, limit.is_some(), operation);
            }
        }
        document.paths.paths.append(&mut paths.paths);
        components.schemas.extend(schemas);
    }
    add_patterns(components);
    document
}

/// Returns this document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "catalogue",
    responses((status = 200, description = "OpenAPI 3.1")))]
pub async fn document() -> Response {
    catalogue::json_text(document_text(), "public, max-age=3600")
}
