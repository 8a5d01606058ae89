//! Blobs: ranges, conditions, caching, compression.

use axum::{
    body::Body,
    http::{Method, Request},
};
use carrel_model::BlobHash;
use carrel_server::Settings;

use super::support::{Reply, TestServer};

async fn get_blob(
    server: &TestServer,
    method: Method,
    hash: BlobHash,
    headers: &[(&str, &str)],
) -> Reply {
    let mut request = Request::builder().method(method).uri(format!("/api/blobs/{hash}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn ranges_and_conditions() {
    let server = TestServer::new();
    server.publish().await;
    let (hash, size) = server.blob_of_type("audio/wav").await;
    let full = get_blob(&server, Method::GET, hash, &[]).await;
    assert_eq!((full.status.as_u16(), full.body.len() as u64), (200, size));
    assert_eq!(BlobHash::of(&full.body), hash);
    assert_eq!(full.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(full.header("content-type"), "audio/wav");
    let tag = format!("\"{hash}\"");
    let weak = format!("W/{tag}");
    let last = size - 1;
    let end = format!("bytes {}-{last}/{size}", size - 10);
    let huge_end = format!("bytes=10-{}", u64::MAX);
    type Row<'a> = (Vec<(&'a str, &'a str)>, u16, std::ops::Range<u64>, String);
    let table: Vec<Row<'_>> = vec![
        (vec![("range", "bytes=0-9")], 206, 0..10, format!("bytes 0-9/{size}")),
        (vec![("range", "bytes=10-")], 206, 10..size, format!("bytes 10-{last}/{size}")),
        (vec![("range", &huge_end)], 206, 10..size, format!("bytes 10-{last}/{size}")),
        (vec![("range", "bytes=-10")], 206, size - 10..size, end),
        (vec![("range", "bytes=-999999999")], 206, 0..size, format!("bytes 0-{last}/{size}")),
        (vec![("range", "bytes=0-1,5-6")], 200, 0..size, String::new()),
        (vec![("range", "bytes=5-1")], 200, 0..size, String::new()),
        (vec![("range", "lines=0-1")], 200, 0..size, String::new()),
        (vec![("range", "bytes=0-9"), ("if-range", &tag)], 206, 0..10, format!("bytes 0-9/{size}")),
        (vec![("range", "bytes=0-9"), ("if-range", "\"other\"")], 200, 0..size, String::new()),
        (vec![("range", "bytes=0-9"), ("if-range", &weak)], 200, 0..size, String::new()),
        (
            vec![("range", "bytes=0-9"), ("if-range", "Wed, 21 Oct 2026 07:28:00 GMT")],
            200,
            0..size,
            String::new(),
        ),
        (vec![("if-none-match", &tag)], 304, 0..0, String::new()),
        (vec![("if-none-match", &weak)], 304, 0..0, String::new()),
        (vec![("if-none-match", "\"x\", *")], 304, 0..0, String::new()),
        (vec![("if-none-match", "\"x\"")], 200, 0..size, String::new()),
        (vec![("range", "bytes=0-9"), ("if-none-match", &tag)], 304, 0..0, String::new()),
    ];
    for (headers, status, part, content_range) in table {
        let reply = get_blob(&server, Method::GET, hash, &headers).await;
        assert_eq!(reply.status.as_u16(), status, "{headers:?}");
        assert_eq!(reply.body, &full.body[part.start as usize..part.end as usize], "{headers:?}");
        assert_eq!(reply.header("content-range"), content_range, "{headers:?}");
        assert_eq!(reply.header("etag"), tag, "{headers:?}");
        assert_eq!(reply.header("accept-ranges"), "bytes");
        if status != 304 {
            assert_eq!(reply.header("content-length"), (part.end - part.start).to_string());
        }
        let head = get_blob(&server, Method::HEAD, hash, &headers).await;
        assert!(head.body.is_empty());
        assert_eq!(
            head.status.as_u16(),
            if status == 206 { 200 } else { status },
            "HEAD {headers:?}"
        );
    }
    for outside in [
        format!("bytes={size}-"),
        "bytes=-0".to_owned(),
        format!("bytes={}-{}", size + 5, size + 9),
    ] {
        let reply = get_blob(&server, Method::GET, hash, &[("range", &outside)]).await;
        assert_eq!(reply.status.as_u16(), 416, "{outside}");
        assert_eq!(reply.header("content-range"), format!("bytes */{size}"));
        reply.problem();
    }
}

#[tokio::test]
async fn text_is_compressed_with_a_weak_tag_and_media_is_not() {
    let server = TestServer::new();
    server.publish().await;
    let (text, size) = server.blob_of_type("application/json").await;
    let (audio, audio_size) = server.blob_of_type("audio/wav").await;
    for coding in ["gzip", "br", "zstd"] {
        let compressed = get_blob(&server, Method::GET, text, &[("accept-encoding", coding)]).await;
        assert_eq!(compressed.header("content-encoding"), coding);
        assert_eq!(compressed.header("etag"), format!("W/\"{text}\""));
        assert!((compressed.body.len() as u64) < size / 2, "{coding}");
        let uncompressed =
            get_blob(&server, Method::GET, audio, &[("accept-encoding", coding)]).await;
        assert_eq!(
            (uncompressed.header("content-encoding"), uncompressed.body.len() as u64),
            ("", audio_size)
        );
        let part = get_blob(
            &server,
            Method::GET,
            text,
            &[("accept-encoding", coding), ("range", "bytes=0-299")],
        )
        .await;
        assert_eq!(
            (part.status.as_u16(), part.header("content-encoding"), part.body.len()),
            (206, "", 300)
        );
    }
}

#[tokio::test]
async fn a_private_catalogue_requires_a_sign_in() {
    let server = TestServer::with(Settings { public_catalogue: false, ..Settings::default() });
    server.publish().await;
    let noor = server.learner("noor").await;
    let hash = {
        let signed: serde_json::Value =
            server.get("/api/courses/how-rivers-work/manifest", &noor.access_token).await.ok();
        let manifest: serde_json::Value =
            serde_json::from_str(signed["manifest"].as_str().unwrap()).unwrap();
        manifest["blobs"][0]["hash"].as_str().unwrap().to_owned()
    };
    let uris =
        ["/api/courses", "/api/courses/how-rivers-work", "/api/stories", "/api/search?q=river"];
    for uri in uris.map(str::to_owned).into_iter().chain([format!("/api/blobs/{hash}")]) {
        assert_eq!(server.get(&uri, "").await.status.as_u16(), 401, "{uri}");
        assert_eq!(server.get(&uri, &noor.access_token).await.status.as_u16(), 200, "{uri}");
    }
    let blob = server.get(&format!("/api/blobs/{hash}"), &noor.access_token).await;
    assert!(blob.header("cache-control").starts_with("private"));
    assert_eq!(server.get("/api/meta", "").await.status.as_u16(), 200);
}
