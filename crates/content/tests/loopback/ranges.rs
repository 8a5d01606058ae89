//! Stored audio: ranges, concurrent requests, and access rules.

use axum::{Router, routing::put};
use carrel_content::media::MediaServer;
use carrel_testkit::SeededIds;
use carrel_testkit::SeededRng;

use super::client::{TestClient, recording, send};

const CHUNK: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_range_requests_get_the_right_bytes() {
    let client = TestClient::new().await;
    // One blob in a file and one in the database.
    for len in [5 * CHUNK + 12_345, 20_000] {
        let bytes = recording(len, 3);
        let hash = client.store(bytes.clone());
        let rng = SeededRng::new(len as u64);
        let seeks: Vec<(String, usize, usize)> = (0..64)
            .map(|n| {
                let from = rng.below(len as u64) as usize;
                match n % 4 {
                    0 => (format!("bytes={from}-"), from, len.min(from + CHUNK)),
                    1 => {
                        let last = rng.below(len as u64) as usize + 1;
                        (format!("bytes=-{last}"), len - last, len)
                    }
                    _ => {
                        let to = from + rng.below((len - from) as u64) as usize;
                        (format!("bytes={from}-{to}"), from, to + 1)
                    }
                }
            })
            .collect();
        let name = hash.to_string();
        let players = seeks.iter().map(|(range, start, end)| {
            let (client, bytes, name) = (&client, &bytes, &name);
            async move {
                let response = client.get(name, &[("Range", range)]).await;
                assert_eq!(response.status, 206, "{range}");
                let span = format!("bytes {start}-{}/{len}", end - 1);
                assert_eq!(response.header("content-range"), span);
                assert!(response.body == bytes[*start..*end], "{range}: wrong bytes");
            }
        });
        futures_util::future::join_all(players).await;
    }
}

#[tokio::test]
async fn ranges_and_preconditions_follow_rfc_9110() {
    let client = TestClient::new().await;
    let bytes = recording(100_000, 5);
    let hash = client.store(bytes.clone());
    let (tag, other) = (format!("\"{hash}\""), format!("\"{}\"", "0".repeat(64)));
    let weak = format!("W/{tag}");
    let date = "Fri, 20 Nov 2026 12:00:00 GMT";
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, Option<(usize, usize)>);
    let table: &[Row<'_>] = &[
        ("whole", &[], 200, Some((0, 100_000))),
        ("first byte", &[("Range", "bytes=0-0")], 206, Some((0, 1))),
        (
            "end after the last byte",
            &[("Range", "bytes=99990-200000")],
            206,
            Some((99_990, 100_000)),
        ),
        ("start after the end", &[("Range", "bytes=100000-")], 416, None),
        ("suffix of no bytes", &[("Range", "bytes=-0")], 416, None),
        ("suffix longer than the blob", &[("Range", "bytes=-200000")], 206, Some((0, 100_000))),
        // RFC 9110, 14.2: a server may ignore Range.
        ("several ranges", &[("Range", "bytes=0-9,20-29")], 200, Some((0, 100_000))),
        ("another unit", &[("Range", "pages=1-2")], 200, Some((0, 100_000))),
        ("end before start", &[("Range", "bytes=9-2")], 200, Some((0, 100_000))),
        ("If-Range matches", &[("Range", "bytes=5-9"), ("If-Range", &tag)], 206, Some((5, 10))),
        (
            "If-Range differs",
            &[("Range", "bytes=5-9"), ("If-Range", &other)],
            200,
            Some((0, 100_000)),
        ),
        // A weak entity tag and a date never match (RFC 9110, 13.1.5).
        ("weak If-Range", &[("Range", "bytes=5-9"), ("If-Range", &weak)], 200, Some((0, 100_000))),
        (
            "date in If-Range",
            &[("Range", "bytes=5-9"), ("If-Range", date)],
            200,
            Some((0, 100_000)),
        ),
        ("If-None-Match matches", &[("If-None-Match", &tag)], 304, None),
        ("If-None-Match differs", &[("If-None-Match", &other)], 200, Some((0, 100_000))),
    ];
    for (name, headers, status, span) in table {
        let response = client.get(&hash.to_string(), headers).await;
        assert_eq!(response.status, *status, "{name}");
        let expected = span.map_or(&[][..], |(start, end)| &bytes[start..end]);
        assert!(response.body == expected, "{name}: wrong bytes");
        assert_eq!(response.header("etag"), tag, "{name}");
        if *status == 416 {
            assert_eq!(response.header("content-range"), "bytes */100000", "{name}");
        }
        let head = client.head(&hash.to_string(), headers).await;
        assert_eq!((head.status, head.body.len()), (*status, 0), "{name}: HEAD");
        // A response to HEAD may omit fields that describe only the body (RFC 9110, 9.3.2).
        let body = ["content-length", "content-range", "content-type", "accept-ranges"];
        for field in body.into_iter().filter(|_| *status != 304 && *status != 416) {
            assert_eq!(head.header(field), response.header(field), "{name}: HEAD {field}");
        }
    }
    let response = client.get(&hash.to_string(), &[]).await;
    assert_eq!(response.header("content-type"), "audio/mpeg");
    assert_eq!(response.header("x-content-type-options"), "nosniff");
    assert!(response.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(response.header("cache-control").contains("immutable"));
}

#[tokio::test]
async fn requests_with_a_wrong_host_token_or_path_are_refused() {
    let client = TestClient::new().await;
    let hash = client.store(recording(1000, 1));
    let (host, path) = client.address();
    let status = async |host_header: &str, path: String| {
        send("GET", &host, host_header, &path, &[]).await.status
    };
    assert_eq!(status(&host, format!("{path}{hash}")).await, 200);
    let port = host.split(':').nth(1).unwrap();
    for other_host in ["evil.example", "localhost", &format!("localhost:{port}"), "127.0.0.1", ""] {
        assert_eq!(status(other_host, format!("{path}{hash}")).await, 404, "Host: {other_host}");
    }
    let token = path.trim_matches('/');
    let near: String =
        token.chars().enumerate().map(|(n, c)| if n == 63 { '!' } else { c }).collect();
    for wrong in [format!("/{near}/{hash}"), format!("/{hash}"), "/".to_owned()] {
        assert_eq!(status(&host, wrong.clone()).await, 404, "{wrong}");
    }
    for wrong in ["nothing", "../../etc/passwd", "%2e%2e%2fx"] {
        assert_eq!(status(&host, format!("{path}{wrong}")).await, 404, "{wrong}");
    }
    assert_eq!(send("POST", &host, &host, &format!("{path}{hash}"), &[]).await.status, 405);
    // Foreign origins may not read the response, even with the token.
    for (origin, allowed) in [
        ("tauri://localhost", true),
        ("http://tauri.localhost", true),
        ("https://evil.example", false),
        ("http://127.0.0.1.evil.example:80", false),
        ("null", false),
    ] {
        let response = client.get(&hash.to_string(), &[("Origin", origin)]).await;
        let allowed_origin = response.header("access-control-allow-origin");
        assert_eq!(allowed_origin, if allowed { origin } else { "" }, "{origin}");
        assert_eq!(response.header("vary"), "Origin");
    }
    client.media.set_library(None);
    assert_eq!(status(&host, format!("{path}{hash}")).await, 404, "signed out");
}

#[tokio::test]
async fn other_routes_have_the_same_access_rules() {
    let others = Router::new().route("/upload", put(|| async { "done" }));
    let media = MediaServer::start(&SeededIds::new(9), others).await.unwrap();
    let base = media.base_url();
    let (host, path) = base.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let (good, wrong) = (format!("/{path}upload"), format!("/{}/upload", "0".repeat(64)));
    let own = ("Origin", "tauri://localhost");
    for (method, host_header, path, origin, status) in [
        ("PUT", host, &good, own, 200),
        ("OPTIONS", host, &good, own, 204),
        ("GET", host, &good, own, 405),
        ("PUT", host, &good, ("Origin", "https://evil.example"), 404),
        ("OPTIONS", host, &good, ("Origin", "https://evil.example"), 404),
        ("PUT", "localhost", &good, own, 404),
        ("PUT", host, &wrong, own, 404),
    ] {
        let response =
            send(method, host, host_header, path, &[origin, ("Content-Length", "0")]).await;
        assert_eq!(response.status, status, "{method} {host_header} {path} {origin:?}");
        let allowed_origin = if status == 404 && origin != own { "" } else { own.1 };
        assert_eq!(response.header("access-control-allow-origin"), allowed_origin);
    }
    let response = send("OPTIONS", host, host, &good, &[own]).await;
    assert_eq!(response.header("access-control-allow-methods"), "GET, HEAD, PUT");
}
