//! Snapshot of the OpenAPI document. `access` checks it against the table of routes.

#[test]
fn the_document_matches_its_snapshot() {
    insta::assert_json_snapshot!("openapi", carrel_server::http::openapi());
}
