//! The folder of updates.

use std::fs;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use carrel_server::Settings;

use super::support::{Reply, TestServer};

const FEED: &str = "/updates/stable.json";
const PACKAGE: &str = "/updates/Carrel_1.2.0_amd64.AppImage";

async fn get(server: &TestServer, path: &str, header: (&str, &str)) -> Reply {
    server.send(Request::get(path).header(header.0, header.1).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn updates_are_served_with_ranges_and_cache_rules() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("stable.json"), "{}").unwrap();
    fs::write(dir.path().join("stable.json.minisig"), "s").unwrap();
    fs::write(dir.path().join("Carrel_1.2.0_amd64.AppImage"), "0123456789").unwrap();
    let settings = Settings { updates_dir: Some(dir.path().to_owned()), ..Settings::default() };
    let server = TestServer::with(settings);
    let feed = server.get(FEED, "").await;
    assert_eq!((feed.status, &*feed.body), (StatusCode::OK, &b"{}"[..]));
    assert_eq!(feed.header("cache-control"), "no-cache");
    assert_eq!(
        server.get(&format!("{FEED}.minisig"), "").await.header("cache-control"),
        "no-cache"
    );
    let again = get(&server, FEED, ("if-none-match", feed.header("etag"))).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);

    let package = server.get(PACKAGE, "").await;
    assert_eq!((package.status, &*package.body), (StatusCode::OK, &b"0123456789"[..]));
    assert_eq!(package.header("cache-control"), "public, max-age=31536000, immutable");
    let rest = get(&server, PACKAGE, ("range", "bytes=4-")).await;
    assert_eq!((rest.status, &*rest.body), (StatusCode::PARTIAL_CONTENT, &b"456789"[..]));
    assert_eq!(rest.header("content-range"), "bytes 4-9/10");
    let beyond = get(&server, PACKAGE, ("range", "bytes=10-")).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn no_file_outside_the_folder_of_updates_is_served() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("updates")).unwrap();
    fs::create_dir(dir.path().join("updates/folder")).unwrap();
    for name in ["secret", "updates/.hidden", "updates/folder/file"] {
        fs::write(dir.path().join(name), "secret").unwrap();
    }
    let updates_dir = Some(dir.path().join("updates"));
    let server = TestServer::with(Settings { updates_dir, ..Settings::default() });
    for path in
        ["..%2fsecret", "%2e%2e%2fsecret", "..", ".hidden", "folder", "folder/file", "", "a%00"]
    {
        let reply = server.get(&format!("/updates/{path}"), "").await;
        assert!(reply.status.is_client_error(), "{path}: {}", reply.status);
    }
    let without = TestServer::new();
    assert_eq!(without.get(FEED, "").await.status, StatusCode::NOT_FOUND);
}
