//! The screens for staff at `/staff/`.

use std::{fs, path::Path};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use carrel_server::Settings;
use tempfile::TempDir;

use super::{
    support::{Reply, TestServer},
    tenants::schools_with,
};

const PAGE: &str = "<!doctype html><script type=module src=./assets/staff-1a2b.js></script>";

/// Writes files as a build of the UI has them.
fn write_files(folder: &Path) {
    fs::create_dir_all(folder.join("assets/folder")).unwrap();
    for (name, text) in [
        ("staff.html", PAGE),
        ("icon.svg", "<svg/>"),
        ("assets/staff-1a2b.js", "let text = `a`;"),
        ("assets/staff-3c4d.css", "a{}"),
        ("assets/inter-5e6f.woff2", "font"),
        ("assets/.hidden.js", "secret"),
        ("assets/secret.txt", "secret"),
        ("assets/folder/a.js", "secret"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}
fn with_staff() -> (TestServer, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    write_files(&dir.path().join("staff"));
    fs::write(dir.path().join("secret.js"), "secret").unwrap();
    let staff_dir = Some(dir.path().join("staff"));
    (TestServer::with(Settings { staff_dir, ..Settings::default() }), dir)
}
async fn get(server: &TestServer, path: &str, header: (&str, &str)) -> Reply {
    server.send(Request::get(path).header(header.0, header.1).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_page_has_a_strict_policy_and_hashed_files_are_cached() {
    let (server, _dir) = with_staff();
    let page = server.get("/staff/", "").await;
    assert_eq!((page.status, &*page.body), (StatusCode::OK, PAGE.as_bytes()));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"));
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
    let again = get(&server, "/staff/", ("if-none-match", page.header("etag"))).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);

    for (name, media_type) in [
        ("assets/staff-1a2b.js", "text/javascript; charset=utf-8"),
        ("assets/staff-3c4d.css", "text/css; charset=utf-8"),
        ("assets/inter-5e6f.woff2", "font/woff2"),
    ] {
        let file = server.get(&format!("/staff/{name}"), "").await;
        assert_eq!((file.status, file.header("content-type")), (StatusCode::OK, media_type));
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable", "{name}");
    }
    assert_eq!(server.get("/staff/icon.svg", "").await.header("cache-control"), "no-cache");
    let without_slash = server.get("/staff", "").await;
    assert_eq!(without_slash.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(without_slash.header("location"), "/staff/");
    let start = String::from_utf8(server.get("/", "").await.body).unwrap();
    assert!(start.contains("<a href=\"/staff/\">"), "{start}");
}

#[tokio::test]
async fn no_other_file_is_served() {
    let (server, _dir) = with_staff();
    for path in [
        "../secret.js",
        "..%2fsecret.js",
        "%2e%2e%2fsecret.js",
        "assets/..%2f..%2fsecret.js",
        "assets/.hidden.js",
        "assets/secret.txt",
        "assets/folder",
        "assets/folder/a.js",
        "assets/a%00.js",
        "assets/",
        "assets",
        "staff.html",
    ] {
        let reply = server.get(&format!("/staff/{path}"), "").await;
        assert!(reply.status.is_client_error(), "{path}: {}", reply.status);
    }
}

#[tokio::test]
async fn a_server_without_the_screens_says_so_in_the_language_of_the_browser() {
    let empty = tempfile::tempdir().unwrap();
    let settings = Settings { staff_dir: Some(empty.path().to_owned()), ..Settings::default() };
    for server in [TestServer::new(), TestServer::with(settings)] {
        for (language, text) in
            [("en-GB", "not installed"), ("fr", "pas installées"), ("ar", "غير مثبّتة")]
        {
            let reply = get(&server, "/staff/", ("accept-language", language)).await;
            assert_eq!(reply.status, StatusCode::NOT_FOUND);
            assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
            assert!(String::from_utf8(reply.body).unwrap().contains(text), "{language}");
        }
        assert_eq!(server.get("/staff/assets/a.js", "").await.status, StatusCode::NOT_FOUND);
    }
    let start = String::from_utf8(TestServer::new().get("/", "").await.body).unwrap();
    assert!(!start.contains("/staff/"), "{start}");
}

#[tokio::test]
async fn a_tenant_has_the_screens_below_its_path() {
    let dir = tempfile::tempdir().unwrap();
    write_files(dir.path());
    let schools =
        schools_with(Settings { staff_dir: Some(dir.path().to_owned()), ..Settings::default() });
    let server = &schools.server;
    for path in ["/t/rivers/staff/", "/t/rivers/staff/assets/staff-1a2b.js", "/staff/"] {
        assert_eq!(server.get(path, "").await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(server.get("/t/rivers/staff", "").await.header("location"), "/t/rivers/staff/");
    let start = String::from_utf8(server.get("/t/rivers/", "").await.body).unwrap();
    assert!(start.contains("<a href=\"/t/rivers/staff/\">"), "{start}");
}
