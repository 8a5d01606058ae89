//! Audio during its download: played while it arrives, sought beyond the received bytes, and
//! discarded if it turns out wrong.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{
    desk::{DRIP, Desk, Offer, ask_then, recording},
    files::jpeg,
};

const MIB: usize = 1024 * 1024;

fn tap() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

#[tokio::test]
async fn audio_plays_before_it_is_complete() {
    let desk = Desk::new().await;
    let (bytes, tap) = (recording(MIB + 777, 1), tap());
    let hash = desk.offers(&bytes, Some(tap.clone()));
    let name = hash.to_string();
    tap.add_permits(2);
    let answer = desk.get(&name, &[("Range", "bytes=0-99999")]).await;
    assert_eq!((answer.status, answer.header("content-type")), (206, "audio/mpeg"));
    assert!(answer.body == bytes[..100_000]);
    assert_eq!(answer.header("content-range"), format!("bytes 0-99999/{}", bytes.len()));
    // The UI may not store unverified bytes.
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!desk.library.blobs().has(hash).unwrap(), "nothing is a blob before its end");
    // Bytes slightly ahead are waited for, without a second request.
    let (waiting, ()) = tokio::join!(desk.get(&name, &[("Range", "bytes=150000-400000")]), async {
        tokio::task::yield_now().await;
        tap.add_permits(5);
    });
    assert!(waiting.status == 206 && waiting.body == bytes[150_000..=400_000]);
    assert_eq!(desk.requests(), [None]);
    // The last bytes are served after verification.
    tap.add_permits(100);
    let end = desk.get(&name, &[("Range", "bytes=-1")]).await;
    assert!(end.body == bytes[bytes.len() - 1..]);
    assert!(desk.library.blobs().verify(hash).unwrap());
    let whole = desk.get(&name, &[]).await;
    assert!(whole.status == 200 && whole.body == bytes);
    assert!(whole.header("cache-control").contains("immutable"));
    assert_eq!(desk.requests(), [None], "one request for all of it");
}

#[tokio::test]
async fn bytes_far_ahead_are_requested_from_the_server() {
    let desk = Desk::new().await;
    let (bytes, tap) = (recording(8 * MIB, 2), tap());
    let hash = desk.offers(&bytes, Some(tap.clone()));
    tap.add_permits(1);
    let name = hash.to_string();
    let answer = desk.get(&name, &[("Range", "bytes=7000000-7099999")]).await;
    assert!(answer.status == 206 && answer.body == bytes[7_000_000..7_100_000]);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(desk.requests(), [None, Some("bytes=7000000-7099999".to_owned())]);
    // An open-ended range is limited to a chunk here, too.
    let answer = desk.get(&name, &[("Range", "bytes=5000000-")]).await;
    assert!(answer.body == bytes[5_000_000..5_000_000 + MIB]);
    assert!(!desk.library.blobs().has(hash).unwrap());
    tap.add_permits(1000);
    assert!(desk.get(&name, &[]).await.body == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_players_share_one_request() {
    let desk = Desk::new().await;
    let (bytes, tap) = (recording(3 * MIB, 3), tap());
    let hash = desk.offers(&bytes, Some(tap.clone()));
    let name = hash.to_string();
    let players = futures_util::future::join_all((0..8).map(|n| {
        let (desk, name, bytes) = (&desk, &name, &bytes);
        async move {
            let from = n * 100_000;
            let range = format!("bytes={from}-{}", from + 1_500_000);
            let answer = desk.get(name, &[("Range", &range)]).await;
            assert!(answer.body == bytes[from..=from + 1_500_000], "{range}");
        }
    }));
    let opens = async {
        for _ in 0..=(3 * MIB / DRIP) {
            tap.add_permits(1);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(players, opens);
    assert!(desk.get(&name, &[]).await.body == bytes);
    assert_eq!(desk.requests(), [None]);
}

/// The bytes do not match their hash: the response breaks before the end, and nothing is stored.
#[tokio::test]
async fn wrong_bytes_never_become_a_blob() {
    let desk = Desk::new().await;
    let good = recording(MIB, 4);
    let hash = desk.offers(&good, None);
    let (mut bad, tap) = (good.to_vec(), tap());
    bad[500_000] ^= 1;
    let offer = Offer { bytes: Bytes::from(bad.clone()), tap: Some(tap.clone()) };
    desk.shelf.offers.lock().unwrap().insert(hash, offer);
    tap.add_permits(10);
    let (host, path) = desk.address();
    let opens = || tap.add_permits(100);
    let answer = ask_then("GET", &host, &host, &format!("{path}{hash}"), &[], opens).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), MIB.to_string());
    assert!(answer.body.len() < MIB, "the body breaks off: {} bytes", answer.body.len());
    assert!(answer.body == bad[..answer.body.len()]);
    let blobs = desk.library.blobs();
    assert!(!blobs.has(hash).unwrap());
    assert_eq!(blobs.partial_len(hash), 0, "nothing of it is gone on from");
    // Once the server is repaired, the blob plays and is stored.
    // A request made just at the time of the failure shares it.
    desk.offers(&good, None);
    let mut last = desk.get(&hash.to_string(), &[]).await;
    while last.status == 502 {
        last = desk.get(&hash.to_string(), &[]).await;
    }
    assert!(last.status == 200 && last.body == good);
    assert!(blobs.verify(hash).unwrap());
}

/// Images and text are never served before verification.
#[tokio::test]
async fn only_audio_and_video_are_served_unverified() {
    let desk = Desk::new().await;
    let noise = image::RgbImage::from_fn(400, 400, |x, y| {
        image::Rgb([(x * y) as u8, (x ^ (y * 7)) as u8, (x * 13) as u8])
    });
    let picture = jpeg(&noise);
    assert!(picture.len() > 2 * DRIP, "{}", picture.len());
    let hash = desk.offers(&picture.clone().into(), None);
    let mut bad = picture.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    let offer = Offer { bytes: bad.into(), tap: None };
    desk.shelf.offers.lock().unwrap().insert(hash, offer);
    for what in [hash.to_string(), format!("{hash}?w=320")] {
        let answer = desk.get(&what, &[]).await;
        assert_eq!((answer.status, answer.body.len()), (502, 0), "{what}");
    }
    desk.offers(&picture.clone().into(), None);
    assert!(desk.get(&hash.to_string(), &[]).await.body == picture);
    assert_eq!(desk.get(&format!("{hash}?w=320"), &[]).await.status, 200);
}

/// A partial file of an earlier run is resumed, and played immediately.
#[tokio::test]
async fn a_partial_file_is_resumed() {
    let desk = Desk::new().await;
    let bytes = recording(MIB, 6);
    let hash = desk.offers(&bytes, None);
    let mut part = desk.library.blobs().part(hash).unwrap();
    part.write(&bytes[..700_000]).unwrap();
    drop(part);
    let answer = desk.get(&hash.to_string(), &[]).await;
    assert!(answer.body == bytes, "{} {:?} {}", answer.status, answer.headers, answer.body.len());
    assert_eq!(desk.requests(), [Some("bytes=700000-".to_owned())]);
    assert!(desk.library.blobs().verify(hash).unwrap());
    // A partial file longer than the whole cannot be resumed.
    let small = recording(100_000, 7);
    let hash = desk.offers(&small, None);
    let mut part = desk.library.blobs().part(hash).unwrap();
    part.write(&recording(200_000, 8)).unwrap();
    drop(part);
    let first = desk.get(&hash.to_string(), &[]).await;
    let again = desk.get(&hash.to_string(), &[]).await;
    assert!(first.body == small || first.status >= 500, "{}", first.status);
    assert!(again.body == small, "{}", again.status);
}

#[tokio::test]
async fn missing_blobs_without_a_network_are_503() {
    let desk = Desk::new().await;
    let hash = carrel_model::BlobHash::of(b"nowhere");
    for what in [hash.to_string(), format!("{hash}?w=320")] {
        assert_eq!(desk.get(&what, &[]).await.status, 503, "{what}");
    }
}
