//! The OpenAPI document says what the router does, no more and no less.

use std::collections::BTreeSet;

use super::support::World;

#[tokio::test]
async fn router_and_document_name_the_same_routes() {
    let w = World::new();
    let document: serde_json::Value = w.get("/api/openapi.json", "").await.ok();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            documented.insert((method.to_uppercase(), path.clone()));
        }
    }
    let routed: BTreeSet<_> =
        carrel_server::http::listed().into_iter().map(|(m, p)| (m, p.to_owned())).collect();
    assert_eq!(documented, routed);
    // And each is really there: anything but 404 without a reason of its own, and 405.
    for (method, path) in &routed {
        let uri = path
            .replace("{id}", "x")
            .replace("{hash}", &"ab".repeat(32))
            .replace("{userId}", "00000000-0000-0000-0000-000000000001")
            .replace("{courseId}", "x");
        let reply = w.call(method.parse().unwrap(), &uri, "", None).await;
        assert_ne!(reply.status.as_u16(), 405, "{method} {path}");
        let missing =
            reply.status.as_u16() == 404 && reply.problem().detail == "there is no such address";
        assert!(!missing, "{method} {path}");
    }
}

#[test]
fn the_document_is_what_it_was() {
    insta::assert_json_snapshot!("openapi", carrel_server::http::openapi());
}
