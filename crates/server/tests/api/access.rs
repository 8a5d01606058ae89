//! Access control: tests the access of each route in the table, so also of routes added later.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use carrel_model::{ErrorCode, wire::TokenReply};
use carrel_people::permissions::Rank;
use carrel_server::{
    Settings,
    http::{
        self, SignedInUser,
        access::{Access, Entry, Permission},
        routes::{Route, all_routes},
    },
};
use serde_json::{Value, json};
use utoipa_axum::routes;

use super::support::TestServer;

/// Returns the path with a valid value for each parameter.
pub fn uri(route: &Route) -> String {
    route
        .path
        .replace("{id}", "x")
        .replace("{hash}", &"ab".repeat(32))
        .replace("{userId}", "00000000-0000-0000-0000-000000000001")
        .replace("{classId}", "00000000-0000-0000-0000-000000000002")
        .replace("{courseId}", "x")
}

#[tokio::test]
async fn every_route_exists_and_checks_its_access() {
    for public_catalogue in [true, false] {
        let server = TestServer::with(Settings { public_catalogue, ..Settings::default() });
        let noor = server.learner("noor").await;
        for route in all_routes() {
            let needs_sign_in = match route.access {
                Access::Public => false,
                Access::Catalogue => !public_catalogue,
                _ => true,
            };
            for token in ["", "not a token"] {
                let reply = server.call(route.method.clone(), &uri(&route), token, None).await;
                let is_refused = reply.status == StatusCode::UNAUTHORIZED;
                // A token that is not valid is refused where a token matters.
                let needs_sign_in =
                    needs_sign_in || route.access == Access::Catalogue && !token.is_empty();
                assert_eq!(is_refused, needs_sign_in, "{route:?} {}", reply.status);
                if is_refused {
                    assert_eq!(reply.problem().code, ErrorCode::Unauthenticated, "{route:?}");
                    assert!(reply.header("www-authenticate").starts_with("Bearer"), "{route:?}");
                }
            }
            let reply =
                server.call(route.method.clone(), &uri(&route), &noor.access_token, None).await;
            assert_ne!(reply.status, StatusCode::UNAUTHORIZED, "{route:?}");
            assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{route:?}");
            let is_staff = route.access.permission().is_some();
            // On other routes the handler may also return 403 (the progress belongs to another learner).
            assert!(!is_staff || reply.status == StatusCode::FORBIDDEN, "{route:?}");
            // The pages for staff that are not installed are a page, not a problem.
            let is_problem = reply.header("content-type") == "application/problem+json";
            let is_unknown_route = reply.status == StatusCode::NOT_FOUND
                && is_problem
                && reply.problem().detail == "no such path";
            assert!(!is_unknown_route, "{route:?}");
        }
    }
}

#[tokio::test]
async fn other_methods_return_405_and_other_paths_404() {
    let server = TestServer::new();
    let mut methods: BTreeMap<String, Vec<Method>> = BTreeMap::new();
    for route in all_routes() {
        methods.entry(uri(&route)).or_default().push(route.method);
    }
    for (uri, allowed_methods) in methods {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if !allowed_methods.contains(&method) {
                let reply = server.call(method.clone(), &uri, "", None).await;
                assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {uri}");
                reply.problem();
            }
        }
    }
    for uri in ["/api", "/api/", "/api/courses/", "/api/users", "/api/sync", "/API/meta", "/x"] {
        let reply = server.get(uri, "").await;
        assert_eq!(
            (reply.status, reply.problem().code),
            (StatusCode::NOT_FOUND, ErrorCode::NotFound)
        );
    }
}

#[test]
fn the_document_states_the_access_of_each_route() {
    let document: Value = serde_json::to_value(http::openapi()).unwrap();
    let mut documented = 0;
    for route in all_routes() {
        let operation = &document["paths"][&route.path][route.method.as_str().to_lowercase()];
        let bearer = json!({"bearer": []});
        let security = match route.access {
            Access::Public => Value::Null,
            Access::Catalogue => json!([{}, bearer]),
            _ => json!([bearer]),
        };
        assert_eq!(operation["security"], security, "{route:?}");
        let has_401 = operation["responses"]["401"].is_object();
        assert!(has_401 || route.access == Access::Public, "{route:?}");
        documented += 1;
    }
    let paths = document["paths"].as_object().unwrap();
    let operations: usize = paths.values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(operations, documented);
}

#[utoipa::path(get, path = "/api/test/staff")]
async fn staff_only(caller: SignedInUser) -> String {
    caller.user.login
}

#[utoipa::path(get, path = "/api/test/public_by_mistake")]
async fn public_by_mistake(caller: SignedInUser) -> String {
    caller.user.login
}

#[tokio::test]
async fn staff_routes_require_the_permission_of_the_role() {
    for (permission, instructor) in [
        (Permission::ViewLearners, 200),
        (Permission::IssueCodes, 200),
        (Permission::EditCourses, 200),
        (Permission::ManageCatalogue, 403),
        (Permission::ManageAccounts, 403),
    ] {
        let mut server = TestServer::new();
        let tokens = [
            (server.staff("student", Rank::Student).await.token, 403),
            (server.staff("instructor", Rank::Instructor).await.token, instructor),
            (server.staff("administrator", Rank::Administrator).await.token, 200),
            (server.staff("operator", Rank::Operator).await.token, 200),
            (String::new(), 401),
        ];
        // A handler that requires a signed-in user but is mounted as public returns 401.
        let entries = vec![
            Entry::new(Access::Staff(permission), routes!(staff_only)),
            Entry::new(Access::Public, routes!(public_by_mistake)),
        ];
        server.router = http::layered(entries, server.data_dir.app().unwrap());
        for (token, expected) in tokens {
            let reply = server.get("/api/test/staff", &token).await;
            assert_eq!(reply.status.as_u16(), expected, "{permission:?}");
            assert_eq!(
                server.get("/api/test/public_by_mistake", &token).await.status.as_u16(),
                401
            );
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_on_a_public_catalogue_too() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    server.publish().await;
    let (hash, _) = server.blob_of_type("application/json").await;
    let paths = [
        "/api/courses".to_owned(),
        "/api/courses/how-rivers-work".to_owned(),
        "/api/search?q=river".to_owned(),
        format!("/api/blobs/{hash}"),
    ];
    for path in &paths {
        assert_eq!(server.get(path, &noor.access_token).await.status, 200, "{path}");
    }
    server.clock.advance(noor.expires_in_ms + 1);
    for path in &paths {
        for token in [noor.access_token.as_str(), "unknown"] {
            let reply = server.get(path, token).await;
            assert_eq!(reply.problem().code, ErrorCode::Unauthenticated, "{path}");
            assert!(reply.header("www-authenticate").starts_with("Bearer"), "{path}");
        }
        assert_eq!(server.get(path, "").await.status, 200, "{path}: everybody may read it");
    }
    // Routes that ask for nobody ignore it: a sign-in works, and so does a refresh.
    assert_eq!(server.get("/api/meta", &noor.access_token).await.status, 200);
    let body = json!({"refreshToken": noor.refresh_token});
    let fresh: TokenReply = server.post("/api/auth/refresh", "unknown", &body).await.ok();
    assert_eq!(server.get(&paths[1], &fresh.access_token).await.status, 200);
}
