//! A shared store, and a user who may only read it. If its owner removes blobs that downloads of this
//! user need, they are fetched into the user's own store.

use carrel_content::{
    Kind,
    download::{Phase, Reason},
};
use carrel_model::ErrorCode;

use crate::{
    client::{TestClient, target_of},
    fake_server::{Course, FakeServer, Fault},
};

/// Downloads a course into the shared store, and then for a reader without a request.
async fn shared_library() -> (TestClient, TestClient, Course) {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[100, 90_000], &[80_000, 70_000]]);
    server.publish(&course);
    let writer = TestClient::new(&server);
    writer.start(&course);
    writer.wait_ready(&course).await;
    server.reset_counts();
    let reader = TestClient::with_shared_store(&writer);
    reader.start(&course);
    reader.wait_ready(&course).await;
    reader.assert_complete(&course);
    assert!(server.requests().is_empty(), "blobs of the shared store are not requested");
    (writer, reader, course)
}

fn remove_from_shared_store(writer: &TestClient, course: &Course) {
    writer.downloads().remove(Kind::Course, &course.id).expect("the download is removed");
    for (blob, _) in &course.blobs {
        assert!(!writer.content.library.blobs().has(blob.hash).expect("the store is read"));
    }
}

/// Asserts that all blobs are in the reader's own store, and were fetched once.
async fn assert_repaired(reader: &TestClient, course: &Course) {
    reader.wait_ready(course).await;
    reader.assert_complete(course);
    for (blob, bytes) in &course.blobs {
        assert_eq!(reader.server.sent(blob.hash), bytes.len() as u64, "{:?}", blob.hash);
    }
    let verification =
        reader.downloads().verify(&target_of(course)).await.expect("the verification succeeds");
    assert!(verification.missing_files.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_missing_in_the_shared_store_are_detected_on_open() {
    let (writer, reader, course) = shared_library().await;
    // Empties the memory.
    let reader = reader.restart().await;
    remove_from_shared_store(&writer, &course);
    let media = course.media()[1].hash;
    let location = reader.content.library.blob(media).await.expect("the blob is fetched");
    assert_eq!(location.size(), 90_000);
    assert_repaired(&reader, &course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_network_the_download_is_repaired_later() {
    let (writer, reader, course) = shared_library().await;
    let reader = reader.restart().await;
    remove_from_shared_store(&writer, &course);
    reader.server.set_fault(Some(Fault::Refused));
    let opened = reader.content.library.blob(course.media()[1].hash).await;
    assert_eq!(opened.err().map(|e| e.code()), Some(ErrorCode::NotDownloaded));
    let state = reader.wait_paused(&course, Reason::Offline).await;
    assert!(state.ready_version.is_some(), "the remaining blobs stay readable");
    let listed = reader.content.library.manifest(Kind::Course, &course.id).await;
    assert!(listed.is_ok(), "the course opens");
    reader.server.set_fault(None);
    reader.content.network_changed();
    assert_repaired(&reader, &course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sweep_detects_blobs_missing_in_the_shared_store() {
    let (writer, reader, course) = shared_library().await;
    let storage = reader.content.library.storage();
    assert_eq!(storage.sweep().expect("the sweep succeeds").lost, 0);
    assert_eq!(reader.state(&course.id).phase, Phase::Ready);
    remove_from_shared_store(&writer, &course);
    let lost = storage.sweep().expect("the sweep succeeds").lost;
    assert_eq!((lost, reader.state(&course.id).phase), (course.blobs.len(), Phase::Queued));
    reader.downloads().resume();
    assert_repaired(&reader, &course).await;
}

/// A deleted file in a user's own store is detected when it is opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_file_is_detected_on_open() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[100, 90_000], &[80_000, 70_000]]);
    server.publish(&course);
    let client = TestClient::new(&server);
    client.start(&course);
    client.wait_ready(&course).await;
    let client = client.restart().await;
    server.reset_counts();
    let path = |n: usize| {
        let hex = course.media()[n].hash.to_hex();
        client.dir.path().join("shared/blobs").join(&hex[..2]).join(hex)
    };
    std::fs::remove_file(path(1)).expect("the file is deleted");
    std::fs::remove_file(path(3)).expect("the file is deleted");
    client.content.library.blob(course.media()[1].hash).await.expect("the blob is fetched");
    client.wait_ready(&course).await;
    client.assert_complete(&course);
    let sent = [1, 3].map(|n: usize| server.sent(course.media()[n].hash));
    assert_eq!(sent, [90_000, 70_000], "each blob is fetched once");
}
