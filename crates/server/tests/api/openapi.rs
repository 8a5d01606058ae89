//! The OpenAPI document, as it is sent. `access` holds it to the table of routes.

#[test]
fn the_document_is_what_it_was() {
    insta::assert_json_snapshot!("openapi", carrel_server::http::openapi());
}
