//! Audio during its download: played while it is received, requested beyond the received bytes, and
//! discarded if its hash is wrong.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{
    client::{PIECE, TestClient, recording, send_then},
    image_files::jpeg,
};

const MIB: usize = 1024 * 1024;

fn permits() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

#[tokio::test]
async fn audio_plays_before_it_is_complete() {
    let client = TestClient::new().await;
    let (bytes, permits) = (recording(MIB + 777, 1), permits());
    let hash = client.serve(&bytes, Some(permits.clone()));
    let name = hash.to_string();
    permits.add_permits(2);
    let response = client.get(&name, &[("Range", "bytes=0-99999")]).await;
    assert_eq!((response.status, response.header("content-type")), (206, "audio/mpeg"));
    assert!(response.body == bytes[..100_000]);
    assert_eq!(response.header("content-range"), format!("bytes 0-99999/{}", bytes.len()));
    // Unverified bytes must not be cached.
    assert_eq!(response.header("cache-control"), "no-store");
    assert!(!client.library.blobs().has(hash).unwrap(), "the blob is not stored before its end");
    // Bytes slightly ahead are waited for, without another request.
    let (waiting, ()) =
        tokio::join!(client.get(&name, &[("Range", "bytes=150000-400000")]), async {
            tokio::task::yield_now().await;
            permits.add_permits(5);
        });
    assert!(waiting.status == 206 && waiting.body == bytes[150_000..=400_000]);
    assert_eq!(client.requests(), [None]);
    // The last bytes are sent after verification.
    permits.add_permits(100);
    let end = client.get(&name, &[("Range", "bytes=-1")]).await;
    assert!(end.body == bytes[bytes.len() - 1..]);
    assert!(client.library.blobs().verify(hash).unwrap());
    let whole = client.get(&name, &[]).await;
    assert!(whole.status == 200 && whole.body == bytes);
    assert!(whole.header("cache-control").contains("immutable"));
    assert_eq!(client.requests(), [None], "one request for the whole blob");
}

#[tokio::test]
async fn bytes_far_ahead_are_requested_from_the_server() {
    let client = TestClient::new().await;
    let (bytes, permits) = (recording(8 * MIB, 2), permits());
    let hash = client.serve(&bytes, Some(permits.clone()));
    permits.add_permits(1);
    let name = hash.to_string();
    let response = client.get(&name, &[("Range", "bytes=7000000-7099999")]).await;
    assert!(response.status == 206 && response.body == bytes[7_000_000..7_100_000]);
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(client.requests(), [None, Some("bytes=7000000-7099999".to_owned())]);
    // The response to an open-ended range is one chunk.
    let response = client.get(&name, &[("Range", "bytes=5000000-")]).await;
    assert!(response.body == bytes[5_000_000..5_000_000 + MIB]);
    assert!(!client.library.blobs().has(hash).unwrap());
    permits.add_permits(1000);
    assert!(client.get(&name, &[]).await.body == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_players_share_one_request() {
    let client = TestClient::new().await;
    let (bytes, permits) = (recording(3 * MIB, 3), permits());
    let hash = client.serve(&bytes, Some(permits.clone()));
    let name = hash.to_string();
    let players = futures_util::future::join_all((0..8).map(|n| {
        let (client, name, bytes) = (&client, &name, &bytes);
        async move {
            let from = n * 100_000;
            let range = format!("bytes={from}-{}", from + 1_500_000);
            let response = client.get(name, &[("Range", &range)]).await;
            assert!(response.body == bytes[from..=from + 1_500_000], "{range}");
        }
    }));
    let release = async {
        for _ in 0..=(3 * MIB / PIECE) {
            permits.add_permits(1);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(players, release);
    assert!(client.get(&name, &[]).await.body == bytes);
    assert_eq!(client.requests(), [None]);
}

/// If the bytes do not match their hash, the response breaks before its end, and nothing is stored.
#[tokio::test]
async fn wrong_bytes_are_not_stored() {
    let client = TestClient::new().await;
    let good = recording(MIB, 4);
    let hash = client.serve(&good, None);
    let (mut bad, permits) = (good.to_vec(), permits());
    bad[500_000] ^= 1;
    client.serve_as(hash, bad.clone(), Some(permits.clone()));
    permits.add_permits(10);
    let (host, path) = client.address();
    let release = || permits.add_permits(100);
    let response = send_then("GET", &host, &host, &format!("{path}{hash}"), &[], release).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-length"), MIB.to_string());
    assert!(response.body.len() < MIB, "the body is truncated: {} bytes", response.body.len());
    assert!(response.body == bad[..response.body.len()]);
    let blobs = client.library.blobs();
    assert!(!blobs.has(hash).unwrap());
    assert_eq!(blobs.partial_len(hash), 0, "no partial file is kept");
    // With correct bytes the blob is served and stored. A concurrent request may share the failed fetch.
    client.serve(&good, None);
    let mut last = client.get(&hash.to_string(), &[]).await;
    while last.status == 502 {
        last = client.get(&hash.to_string(), &[]).await;
    }
    assert!(last.status == 200 && last.body == good);
    assert!(blobs.verify(hash).unwrap());
}

#[tokio::test]
async fn only_audio_and_video_are_served_unverified() {
    let client = TestClient::new().await;
    let noise = image::RgbImage::from_fn(400, 400, |x, y| {
        image::Rgb([(x * y) as u8, (x ^ (y * 7)) as u8, (x * 13) as u8])
    });
    let good = jpeg(&noise);
    assert!(good.len() > 2 * PIECE, "{}", good.len());
    let hash = client.serve(&good.clone().into(), None);
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    client.serve_as(hash, bad, None);
    for what in [hash.to_string(), format!("{hash}?w=320")] {
        let response = client.get(&what, &[]).await;
        assert_eq!((response.status, response.body.len()), (502, 0), "{what}");
    }
    client.serve(&good.clone().into(), None);
    assert!(client.get(&hash.to_string(), &[]).await.body == good);
    assert_eq!(client.get(&format!("{hash}?w=320"), &[]).await.status, 200);
}

#[tokio::test]
async fn a_partial_file_is_resumed() {
    let client = TestClient::new().await;
    let bytes = recording(MIB, 6);
    let hash = client.serve(&bytes, None);
    let mut part = client.library.blobs().part(hash).unwrap();
    part.write(&bytes[..700_000]).unwrap();
    drop(part);
    let response = client.get(&hash.to_string(), &[]).await;
    assert!(
        response.body == bytes,
        "{} {:?} {}",
        response.status,
        response.headers,
        response.body.len()
    );
    assert_eq!(client.requests(), [Some("bytes=700000-".to_owned())]);
    assert!(client.library.blobs().verify(hash).unwrap());
    // A partial file longer than the blob cannot be resumed.
    let small = recording(100_000, 7);
    let hash = client.serve(&small, None);
    let mut part = client.library.blobs().part(hash).unwrap();
    part.write(&recording(200_000, 8)).unwrap();
    drop(part);
    let first = client.get(&hash.to_string(), &[]).await;
    let again = client.get(&hash.to_string(), &[]).await;
    assert!(first.body == small || first.status >= 500, "{}", first.status);
    assert!(again.body == small, "{}", again.status);
}

#[tokio::test]
async fn missing_blobs_without_a_network_are_503() {
    let client = TestClient::new().await;
    let hash = carrel_model::BlobHash::of(b"nowhere");
    for what in [hash.to_string(), format!("{hash}?w=320")] {
        assert_eq!(client.get(&what, &[]).await.status, 503, "{what}");
    }
}
