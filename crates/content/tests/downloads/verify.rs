//! Verification of downloads: damage is detected, located and repaired.

use carrel_content::{blobs::MediaKind, download::Phase};

use crate::{
    client::{TestClient, target_of},
    fake_server::{Course, FakeServer},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_and_missing_files_are_located_and_repaired() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[100, 90_000], &[80_000, 70_000]]);
    server.publish(&course);
    let client = TestClient::new(&server);
    client.start(&course);
    client.wait_ready(&course).await;
    let verification = client.downloads().verify(&target_of(&course)).await.unwrap();
    assert_eq!(
        (verification.files as usize, verification.bytes),
        (course.blobs.len(), course.bytes())
    );
    assert!(verification.missing_files.is_empty());
    assert_eq!(verification.media_types, ["audio/mpeg"]);
    assert_eq!(client.state(&course.id).checked_ms, Some(verification.checked_ms));

    // One flipped bit on the disk, one deleted file.
    let media = course.media();
    let path = |n: usize| {
        let hex = media[n].hash.to_hex();
        client.dir.path().join("shared/blobs").join(&hex[..2]).join(hex)
    };
    let mut bytes = std::fs::read(path(1)).unwrap();
    bytes[77_777] ^= 1;
    std::fs::write(path(1), bytes).unwrap();
    std::fs::remove_file(path(3)).unwrap();
    server.reset_counts();
    let verification = client.downloads().verify(&target_of(&course)).await.unwrap();
    let named: Vec<_> = verification
        .missing_files
        .iter()
        .map(|l| (l.first_use.title.as_str(), l.kind, l.bytes, l.damaged))
        .collect();
    assert_eq!(
        named,
        [
            ("Section 0.1", MediaKind::Audio, 90_000, true),
            ("Section 1.1", MediaKind::Audio, 70_000, false)
        ]
    );
    assert_eq!(verification.missing_files[0].first_use.item.as_ref(), Some(&course.item(0, 1)));
    let state =
        client.wait_until(&target_of(&course), "the repair", |s| s.phase == Phase::Ready).await;
    assert!(state.ready_version.is_some());
    client.assert_complete(&course);
    assert_eq!((server.sent(media[1].hash), server.sent(media[3].hash)), (90_000, 70_000));
    assert_eq!(server.requests().len(), 2, "only these are fetched");
    assert!(client.downloads().verify(&target_of(&course)).await.unwrap().missing_files.is_empty());
}
