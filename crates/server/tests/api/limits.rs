//! Limits of the requests to routes: by learner, by network without a sign-in, with the clock of the test.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use carrel_model::ErrorCode;
use carrel_server::{Settings, http::routes::all_routes};
use serde_json::json;

use super::support::{Reply, TestServer, device};

const MINUTE: i64 = 60_000;

impl TestServer {
    /// Requests a path from an address, signed in or not.
    async fn request_from(&self, ip: &str, token: &str, uri: &str) -> Reply {
        let mut request = Request::get(uri).header("x-forwarded-for", ip);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
    /// Returns the number of requests until one is refused, at most `max`.
    async fn allowed(&self, ip: &str, token: &str, uri: &str, max: usize) -> usize {
        for n in 0..max {
            if self.request_from(ip, token, uri).await.status == StatusCode::TOO_MANY_REQUESTS {
                return n;
            }
        }
        max
    }
}

fn behind_proxy() -> TestServer {
    let settings =
        Settings { trust_forwarded_for: true, registration_open: true, ..Settings::default() };
    TestServer::with(settings)
}

#[tokio::test]
async fn a_class_behind_one_address_is_not_locked_out() {
    let server = behind_proxy();
    let uri = "/api/users/profile";
    let mut tokens = Vec::new();
    for n in 0..40 {
        tokens.push(server.learner(&format!("pupil-{n}")).await.access_token);
    }
    // 40 learners with three requests a minute each exceed the limit of one learner.
    for token in &tokens {
        assert_eq!(server.allowed("192.0.2.1", token, uri, 3).await, 3);
    }
    // One learner cannot escape the limit by another address, and does not affect the others.
    assert_eq!(server.allowed("192.0.2.2", &tokens[0], uri, 200).await, 97);
    assert_eq!(
        server.request_from("192.0.2.1", &tokens[0], uri).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(server.request_from("192.0.2.1", &tokens[1], uri).await.status, StatusCode::OK);
    // The limit refills evenly.
    server.clock.advance(MINUTE / 2);
    assert_eq!(server.allowed("192.0.2.1", &tokens[0], uri, 200).await, 50);
    // Other routes have other limits.
    assert_eq!(
        server.request_from("192.0.2.1", &tokens[0], "/api/courses").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn without_a_sign_in_the_network_is_counted() {
    let server = behind_proxy();
    let uri = "/api/stories?q=x";
    assert_eq!(server.allowed("2001:db8:0:1::1", "", uri, 2_000).await, 1_000);
    let status = async |ip: &str, token: &str| server.request_from(ip, token, uri).await.status;
    let refused = StatusCode::TOO_MANY_REQUESTS;
    // All addresses of an IPv6 /64 are one network. An unknown token is refused before anything is counted.
    assert_eq!(status("2001:db8:0:1:ffff::9", "").await, refused);
    assert_eq!(status("2001:db8:0:1::1", "unknown").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status("2001:db8:0:2::1", "").await, StatusCode::OK);
    // A signed-in learner of the same network is counted alone.
    let token = server.learner("noor").await.access_token;
    assert_eq!(status("2001:db8:0:1::1", &token).await, StatusCode::OK);
    server.clock.advance(15 * MINUTE);
    assert_eq!(status("2001:db8:0:1::1", "").await, StatusCode::OK);
}

#[tokio::test]
async fn replies_state_the_limit_and_what_is_left() {
    let server = TestServer::new();
    let token = server.learner("noor").await.access_token;
    let first = server.get("/api/me/dashboard", &token).await;
    assert_eq!(first.header("ratelimit-policy"), "\"requests\";q=100;w=60");
    assert_eq!(first.header("ratelimit"), "\"requests\";r=99;t=1");
    for _ in 0..99 {
        server.get("/api/progress", &token).await;
    }
    let refused = server.get("/api/me/progress", &token).await;
    let problem = refused.problem();
    assert_eq!((problem.status, problem.code), (429, ErrorCode::RateLimited));
    assert_eq!((problem.retry_after_ms, refused.header("retry-after")), (Some(600), "1"));
    assert_eq!(refused.header("ratelimit"), "\"requests\";r=0;t=60");
    server.clock.advance(600);
    let next = server.get("/api/me/progress", &token).await;
    assert_eq!((next.status, next.header("ratelimit")), (StatusCode::OK, "\"requests\";r=0;t=60"));
    // Errors of the handler, too.
    server.clock.advance(MINUTE);
    let missing = server.post("/api/courses/volcanoes/enroll", &token, &json!({})).await;
    assert_eq!(
        (missing.status, missing.header("ratelimit")),
        (StatusCode::NOT_FOUND, "\"requests\";r=99;t=1")
    );
    assert_eq!(server.get("/health", "").await.header("ratelimit"), "");
}

#[tokio::test]
async fn five_sign_ins_a_minute_may_fail() {
    let server = TestServer::new();
    server.learner("noor").await;
    let wrong = json!({"login": "noor", "password": "wrong password", "deviceId": device(7)});
    let mut failed = 0;
    while server.post("/api/auth/login", "", &wrong).await.status == StatusCode::UNAUTHORIZED {
        failed += 1;
    }
    assert_eq!(failed, 5);
    let refused = server.post("/api/auth/login", "", &wrong).await.problem();
    assert_eq!((refused.status, refused.retry_after_ms), (429, Some(12_000)));
    // The learner's own device, and other learners of the network, are not affected.
    server.sign_in("noor", 1).await;
    server.learner("amin").await;
    server.sign_in("amin", 7).await;
    server.clock.advance(12_000);
    assert_eq!(server.post("/api/auth/login", "", &wrong).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let server = TestServer::with(Settings { route_limits: false, ..Settings::default() });
    assert_eq!(server.allowed("192.0.2.1", "", "/api/courses", 1_100).await, 1_100);
}

#[test]
fn each_route_has_a_limit_or_is_known_to_need_none() {
    let unlimited = [
        "/",
        "/health",
        "/health/",
        "/metrics",
        "/staff",
        "/staff/",
        "/api/openapi.json",
        "/api/updates/{file}",
        "/api/meta",
        "/api/auth/",
        "/api/blobs/",
        "/api/sync/",
    ];
    for route in all_routes() {
        let is_known = unlimited.iter().any(|path| {
            route.path == *path
                || (path.len() > 1 && path.ends_with('/') && route.path.starts_with(path))
        });
        // Sign-ins with an identity provider, and messages of new passwords, are limited by network.
        let is_limited = ["/api/auth/oidc/", "/api/auth/reset"];
        let is_known = is_known && !is_limited.iter().any(|path| route.path.starts_with(path));
        let is_update =
            route.path.starts_with("/updates") || route.path.starts_with("/api/updates");
        assert_eq!(route.limit.is_none(), is_known || is_update, "{route:?}");
    }
}
