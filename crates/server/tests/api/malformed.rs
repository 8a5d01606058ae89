//! Invalid requests: status and code of each reply, which is a problem with the id of the request.

use std::io::Write;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use carrel_model::{ErrorCode, wire::MAX_PUSH_ITEMS};
use serde_json::json;

use super::support::{TestServer, device, progress, push_body};

struct Case {
    name: &'static str,
    method: &'static str,
    uri: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
    code: ErrorCode,
    /// Text that the detail must contain.
    detail_contains: &'static str,
}

fn case(
    name: &'static str,
    method: &'static str,
    uri: impl Into<String>,
    status: u16,
    code: ErrorCode,
) -> Case {
    Case {
        name,
        method,
        uri: uri.into(),
        headers: vec![],
        body: vec![],
        status,
        code,
        detail_contains: "",
    }
}
impl Case {
    fn json(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.headers.push(("content-type", "application/json".into()));
        self.body = body.into();
        self
    }
    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
    fn detail_contains(mut self, detail_contains: &'static str) -> Self {
        self.detail_contains = detail_contains;
        self
    }
}

#[tokio::test]
async fn invalid_requests_get_the_expected_status_and_code() {
    use ErrorCode::{Forbidden, InvalidRequest, NotFound, TooLarge, TooNew, Unauthenticated};
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let bearer = format!("Bearer {}", noor.access_token);
    let me = noor.user.id;
    let register = |field: &str, value: serde_json::Value| {
        let mut body =
            json!({"login": "x", "name": "X", "password": "12345678", "deviceId": device(1)});
        body[field] = value;
        body.to_string()
    };
    let push = |body: serde_json::Value| body.to_string();
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let bomb = {
        let mut text = br#"{"items":["#.to_vec();
        text.write_all(&vec![b' '; 60 << 20]).unwrap();
        zstd(&text)
    };
    let many: Vec<_> = (0..=MAX_PUSH_ITEMS).map(|n| progress(&format!("c/l/s{n}"), 1)).collect();
    let large = vec![json!({"type": "note_revision", "body": "x".repeat(540 * 1024)})];
    let authorized = |c: Case| c.header("authorization", bearer.clone());
    let cases = vec![
        case("unknown path", "GET", "/nowhere", 404, NotFound),
        case("unknown path under /api", "GET", "/api/nowhere", 404, NotFound),
        case("wrong method", "POST", "/api/meta", 405, InvalidRequest).detail_contains("method"),
        case("GET on a POST route", "GET", "/api/auth/login", 405, InvalidRequest),
        case("no content type", "POST", "/api/auth/login", 415, InvalidRequest)
            .detail_contains("application/json"),
        case("form instead of JSON", "POST", "/api/auth/login", 415, InvalidRequest)
            .header("content-type", "application/x-www-form-urlencoded"),
        case("empty body", "POST", "/api/auth/login", 400, InvalidRequest)
            .json("")
            .detail_contains("EOF"),
        case("truncated JSON", "POST", "/api/auth/login", 400, InvalidRequest)
            .json(r#"{"login":"#)
            .detail_contains("line 1"),
        case("not UTF-8", "POST", "/api/auth/login", 400, InvalidRequest)
            .json(vec![b'"', 0xff, b'"']),
        case("missing field", "POST", "/api/auth/login", 400, InvalidRequest)
            .json(r#"{"login":"x"}"#)
            .detail_contains("password"),
        case("wrong type", "POST", "/api/auth/refresh", 400, InvalidRequest)
            .json(r#"{"refreshToken":7}"#)
            .detail_contains("string"),
        case("array instead of an object", "POST", "/api/auth/refresh", 400, InvalidRequest)
            .json("[1,2]"),
        case("nested too deeply", "POST", "/api/auth/refresh", 400, InvalidRequest)
            .json("[".repeat(10_000)),
        case("blank login", "POST", "/api/auth/register", 400, InvalidRequest)
            .json(register("login", json!("  ")))
            .detail_contains("login"),
        case("long login", "POST", "/api/auth/register", 400, InvalidRequest)
            .json(register("login", json!("x".repeat(101))))
            .detail_contains("login"),
        case("control character in the name", "POST", "/api/auth/register", 400, InvalidRequest)
            .json(register("name", json!("a\u{0}b")))
            .detail_contains("name"),
        case("short password", "POST", "/api/auth/register", 400, InvalidRequest)
            .json(register("password", json!("1234567")))
            .detail_contains("password"),
        case("invalid device id", "POST", "/api/auth/register", 400, InvalidRequest)
            .json(register("deviceId", json!("7")))
            .detail_contains("UUID"),
        case("body above the limit of the route", "POST", "/api/auth/login", 413, TooLarge)
            .json(vec![b' '; 70_000]),
        case("body above the limit of all routes", "POST", "/api/sync/push", 413, TooLarge)
            .header("authorization", bearer.clone())
            .header("content-length", "2000000")
            .json(vec![b' '; 2_000_000]),
        case("unknown encoding", "POST", "/api/auth/login", 415, InvalidRequest)
            .header("content-encoding", "lzma")
            .json("{}"),
        case("body is not zstd", "POST", "/api/auth/login", 400, InvalidRequest)
            .header("content-encoding", "zstd")
            .json("{}")
            .detail_contains("read"),
        case("body is not gzip", "POST", "/api/auth/login", 400, InvalidRequest)
            .header("content-encoding", "gzip")
            .json("{}")
            .detail_contains("read"),
        authorized(case("decompression bomb", "POST", "/api/sync/push", 413, TooLarge))
            .header("content-encoding", "zstd")
            .json(bomb)
            .detail_contains("decompression"),
        case("page 0", "GET", "/api/courses?page=0", 400, InvalidRequest).detail_contains("page"),
        case("page is not a number", "GET", "/api/courses?page=two", 400, InvalidRequest)
            .detail_contains("query"),
        case("negative page", "GET", "/api/courses?page=-1", 400, InvalidRequest),
        case("page size above the limit", "GET", "/api/courses?pageSize=201", 400, InvalidRequest)
            .detail_contains("pageSize"),
        case("unknown difficulty", "GET", "/api/courses?difficulty=HARD", 400, InvalidRequest)
            .detail_contains("HARD"),
        case("level out of range", "GET", "/api/stories?level=6", 400, InvalidRequest)
            .detail_contains("level"),
        case("search without q", "GET", "/api/search", 400, InvalidRequest).detail_contains("q"),
        case("invalid course id", "GET", "/api/courses/Not%20An%20Id", 400, InvalidRequest)
            .detail_contains("id"),
        case(
            "course id with path traversal",
            "GET",
            "/api/courses/..%2f..%2fetc",
            400,
            InvalidRequest,
        ),
        case("unknown course", "GET", "/api/courses/atlantis", 404, NotFound)
            .detail_contains("atlantis"),
        case("unknown manifest", "GET", "/api/courses/atlantis/manifest", 404, NotFound),
        case("course id as a story id", "GET", "/api/stories/how-rivers-work", 404, NotFound),
        case("invalid hash", "GET", "/api/blobs/abc", 400, InvalidRequest).detail_contains("64"),
        case(
            "hash in upper case",
            "GET",
            format!("/api/blobs/{}", "AB".repeat(32)),
            400,
            InvalidRequest,
        ),
        case("unknown blob", "GET", format!("/api/blobs/{}", "ab".repeat(32)), 404, NotFound),
        case("no token", "GET", "/api/sync/pull", 401, Unauthenticated),
        case("scheme other than Bearer", "GET", "/api/sync/pull", 401, Unauthenticated)
            .header("authorization", "Basic eDp5"),
        case("unknown token", "GET", "/api/sync/pull", 401, Unauthenticated)
            .header("authorization", "Bearer zzz"),
        case("overlong token", "GET", "/api/sync/pull", 401, Unauthenticated)
            .header("authorization", format!("Bearer {}", "z".repeat(5000))),
        authorized(case(
            "since is not a number",
            "GET",
            "/api/sync/pull?since=x",
            400,
            InvalidRequest,
        ))
        .detail_contains("query"),
        authorized(case("limit 0", "GET", "/api/sync/pull?limit=0", 400, InvalidRequest))
            .detail_contains("limit"),
        authorized(case(
            "limit above the maximum",
            "GET",
            "/api/sync/pull?limit=2001",
            400,
            InvalidRequest,
        ))
        .detail_contains("2000"),
        authorized(case("newer sync version", "GET", "/api/sync/pull", 426, TooNew))
            .header("sync-version", "3")
            .detail_contains("newer"),
        authorized(case("newer sync version on a push", "POST", "/api/sync/push", 426, TooNew))
            .header("sync-version", "99")
            .json("{}"),
        authorized(case("sync version 0", "GET", "/api/sync/epoch", 400, InvalidRequest))
            .header("sync-version", "0"),
        authorized(case(
            "sync version is not a number",
            "GET",
            "/api/sync/epoch",
            400,
            InvalidRequest,
        ))
        .header("sync-version", "one"),
        authorized(case("push without items", "POST", "/api/sync/push", 400, InvalidRequest))
            .json("{}")
            .detail_contains("deviceId"),
        authorized(case("too many rows", "POST", "/api/sync/push", 413, TooLarge))
            .json(push(push_body(&many)))
            .detail_contains("2000"),
        authorized(case("push too large", "POST", "/api/sync/push", 413, TooLarge))
            .json(push(push_body(&large))),
        authorized(case(
            "progress is a string",
            "POST",
            "/api/progress/update",
            400,
            InvalidRequest,
        ))
        .json("\"x\""),
        authorized(case("too many updates", "POST", "/api/progress/update", 413, TooLarge))
            .json(serde_json::to_vec(&vec![json!({}); MAX_PUSH_ITEMS + 1]).unwrap()),
        authorized(case(
            "invalid user id",
            "GET",
            "/api/progress/me/how-rivers-work",
            400,
            InvalidRequest,
        )),
        authorized(case(
            "progress in an unknown course",
            "GET",
            format!("/api/progress/{me}/atlantis"),
            404,
            NotFound,
        )),
        authorized(case(
            "progress of another learner",
            "GET",
            format!("/api/progress/{}/how-rivers-work", device(7)),
            403,
            Forbidden,
        )),
        authorized(case(
            "enrol in an unknown course",
            "POST",
            "/api/courses/atlantis/enrolment",
            404,
            NotFound,
        )),
        case(
            "enrol without a token",
            "POST",
            "/api/courses/how-rivers-work/enrolment",
            401,
            Unauthenticated,
        ),
    ];
    assert!(cases.len() >= 30);
    for c in cases {
        let mut request =
            Request::builder().method(Method::from_bytes(c.method.as_bytes()).unwrap()).uri(&c.uri);
        for (name, value) in &c.headers {
            request = request.header(*name, value);
        }
        let reply = server
            .send(request.header("x-request-id", "case-1").body(Body::from(c.body)).unwrap())
            .await;
        assert_eq!(
            reply.status.as_u16(),
            c.status,
            "{}: {}",
            c.name,
            String::from_utf8_lossy(&reply.body)
        );
        let problem = reply.problem();
        assert_eq!(problem.code, c.code, "{}: {problem:?}", c.name);
        assert!(problem.detail.contains(c.detail_contains), "{}: {problem:?}", c.name);
        assert_eq!(problem.correlation_id, "case-1", "{}", c.name);
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{}", c.name);
    }
    // None of these requests stored a row.
    assert_eq!(server.pull(&noor.access_token, 0).await["rows"], json!([]));
}

#[tokio::test]
async fn an_invalid_request_id_is_replaced() {
    let server = TestServer::new();
    for id in ["", "a b", "<script>", &"x".repeat(65)] {
        let request =
            Request::get("/api/meta").header("x-request-id", id).body(Body::empty()).unwrap();
        let reply = server.send(request).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("x-request-id").len(), 32, "{id:?}");
    }
}

#[tokio::test]
async fn compressed_bodies_are_accepted() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let body = serde_json::to_vec(&push_body(&[progress("a/b/c", 10)])).unwrap();
    let request = Request::post("/api/sync/push")
        .header("authorization", format!("Bearer {}", noor.access_token))
        .header("content-type", "application/json")
        .header("content-encoding", "zstd")
        .body(Body::from(zstd::encode_all(body.as_slice(), 3).unwrap()))
        .unwrap();
    let reply: serde_json::Value = server.send(request).await.ok();
    assert_eq!(reply["usn"], 1);
}
