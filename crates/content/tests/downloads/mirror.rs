//! Blobs are fetched from a mirror first. Whatever the mirror does, the download completes with the right bytes, and the
//! mirror receives no token.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use carrel_content::{
    Content, Kind,
    download::Phase,
    library::ContentConfig,
    storage::{Storage, StorageOptions},
};
use carrel_net::{Failure, FailureKind, Reply, Request};
use carrel_sqlite::Changes;
use carrel_testkit::{FakeClock, FakeDisk, Network, SeededIds, within_a_minute};
use futures_util::stream;
use http::HeaderMap;

use crate::{
    client::scratch,
    fake_server::{BASE, Course, FakeServer},
};

const MIRROR: &str = "http://mirror.test";

/// What the mirror does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mirror {
    Works,
    Down,
    Missing,
    Empty,
    WrongBytes,
    WrongLength,
    Html,
    Cut,
    ServerError,
}

/// A network with a server and a mirror, and the numbers of requests for blobs to each.
fn network(server: &Arc<FakeServer>, mirror: Mirror) -> (Arc<Network>, Arc<Mutex<[usize; 2]>>) {
    let counts = Arc::new(Mutex::new([0, 0]));
    let (server, counted) = (server.clone(), counts.clone());
    let network = Network::new(move |request: &Request| {
        let Some(path) = request.url.strip_prefix(MIRROR) else {
            if request.url.contains("/api/blobs/") {
                counted.lock().unwrap()[1] += 1;
            }
            return server.answer(request);
        };
        counted.lock().unwrap()[0] += 1;
        assert!(path.starts_with("/api/blobs/"), "{path}");
        assert!(!request.headers.contains_key("authorization"), "the mirror receives no token");
        let reply = |status, body: Vec<u8>, html| {
            let mut headers = HeaderMap::new();
            let kind = if html { "text/html" } else { "application/octet-stream" };
            headers.insert("content-type", kind.parse().unwrap());
            headers.insert("content-length", body.len().to_string().parse().unwrap());
            let body = Box::pin(stream::iter([Ok(Bytes::from(body))]));
            Ok(Reply { status, headers, body })
        };
        let right = || {
            let request = Request::get(format!("{BASE}{path}"));
            server.answer(&request).expect("the blob")
        };
        let size = || {
            right().header(http::header::CONTENT_LENGTH).and_then(|n| n.parse().ok()).unwrap_or(100)
        };
        match mirror {
            Mirror::Works => Ok(right()),
            Mirror::Down => Err(Failure::new(FailureKind::Connect, "connection refused")),
            Mirror::Missing => reply(404, b"not found".to_vec(), true),
            Mirror::Empty => reply(200, Vec::new(), false),
            Mirror::WrongBytes => reply(200, vec![7; size()], false),
            Mirror::WrongLength => reply(200, vec![7; size() + 1], false),
            Mirror::Html => reply(200, b"<html>Sign in to the Wi-Fi</html>".to_vec(), true),
            Mirror::Cut => {
                let mut cut = right();
                let failure = Failure::new(FailureKind::Broken, "connection reset");
                cut.body = Box::pin(stream::iter([Ok(Bytes::from(vec![7; 10])), Err(failure)]));
                Ok(cut)
            }
            Mirror::ServerError => reply(503, Vec::new(), false),
        }
    });
    (network, counts)
}

fn open(dir: &Path, http: Arc<Network>) -> Arc<Content> {
    carrel_system::allow_blocking();
    let (clock, changes) = (Arc::new(FakeClock::noon()), Changes::new());
    let storage = Storage::open(StorageOptions {
        dir: dir.join("shared"),
        policy_budget: None,
        disk: Arc::new(FakeDisk::new(100_000_000_000)),
        clock: clock.clone(),
        changes: changes.clone(),
        failpoints: None,
        shared_store: None,
    });
    let content = Content::open(ContentConfig {
        storage: storage.expect("the storage opens"),
        account_dir: dir.join("account"),
        account: "asha".into(),
        base_url: BASE.into(),
        mirror_url: Some(format!("{MIRROR}/")),
        http,
        clock,
        ids: Arc::new(SeededIds::new(1)),
        changes,
    });
    content.expect("the content opens")
}

#[tokio::test]
async fn a_download_completes_whatever_the_mirror_does() {
    let course = Course::new("river", &[&[40_000, 900], &[70_000], &[500; 6]]);
    let blobs = course.blobs.len();
    for mirror in [
        Mirror::Works,
        Mirror::Down,
        Mirror::Missing,
        Mirror::Empty,
        Mirror::WrongBytes,
        Mirror::WrongLength,
        Mirror::Html,
        Mirror::Cut,
        Mirror::ServerError,
    ] {
        let (server, dir) = (FakeServer::new(), scratch());
        server.publish(&course);
        let (http, counts) = network(&server, mirror);
        let content = open(dir.path(), http);
        content.downloads.start(Kind::Course, &course.id).expect("a download");
        within_a_minute("the download", async {
            while content.downloads.state(Kind::Course, &course.id).unwrap().phase != Phase::Ready {
                tokio::task::yield_now().await;
            }
        })
        .await;
        for (blob, bytes) in &course.blobs {
            let stored = content.library.blobs().get(blob.hash).unwrap();
            assert!(stored.as_ref() == Some(bytes), "{mirror:?}: a blob differs");
        }
        let [from_mirror, from_server] = *counts.lock().unwrap();
        match mirror {
            Mirror::Works => assert_eq!((from_mirror, from_server), (blobs, 0)),
            // Not asked again for five minutes; requests that started before the first failure are.
            Mirror::Down => {
                assert!(
                    from_mirror < blobs && from_server >= blobs,
                    "{from_mirror}, {from_server}"
                );
            }
            _ => assert!(
                from_mirror >= blobs && from_server >= blobs,
                "{mirror:?}: {from_mirror}, {from_server}"
            ),
        }
        content.close();
    }
}
