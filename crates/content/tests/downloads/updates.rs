//! Updates fetch only new blobs, and the old version is readable until the new one is complete.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use carrel_content::{
    Error, Kind,
    download::{Conditions, Network, Phase, Power, Reason, State},
};

use carrel_sqlite::Change;

use crate::{
    client::{TestClient, target_of, within_a_minute},
    fake_server::{Course, FakeServer, Fault},
};

#[tokio::test]
async fn a_library_without_waiting_fetches_in_the_background() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[20_000]]);
    server.publish(&course);
    let client = TestClient::new(&server);
    let library = client.content.library.without_waiting();
    let mut changes = client.changes.subscribe();
    let missing = library.manifest(Kind::Course, &course.id).await;
    assert!(matches!(missing, Err(Error::NotDownloaded { .. })), "{missing:?}");
    assert_eq!(server.total_sent(), 0, "the call does not wait for the request");
    let mut catalogue_changed =
        async || while !changes.recv().await.unwrap().contains(&Change::Catalogue) {};
    within_a_minute("the manifest", catalogue_changed()).await;
    let manifest =
        library.manifest(Kind::Course, &course.id).await.expect("the reply is stored").value;

    let body = manifest.manifest.blobs.iter().find(|b| b.media_type == "application/json").unwrap();
    let missing = library.blob(body.hash).await;
    assert!(matches!(missing, Err(Error::NotDownloaded { .. })));
    within_a_minute("the text", catalogue_changed()).await;
    assert_eq!(library.blob(body.hash).await.expect("the reply is stored").size(), body.size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_fetches_the_difference_and_both_versions_stay_readable() {
    let server = FakeServer::new();
    let old = Course::new("river", &[&[80_000; 25], &[80_000; 25], &[80_000; 25], &[80_000; 25]]);
    let new = old.with_another(2, 3);
    let first = server.publish(&old);
    let client = TestClient::new(&server);
    client.start(&old);
    client.wait_ready(&old).await;

    // Reads all blobs of the displayed version continuously.
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let reader = {
        let (library, id) = (client.content.library.clone(), old.id.clone());
        let (stop, rounds) = (stop.clone(), rounds.clone());
        tokio::spawn(async move {
            let mut versions = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                let shown =
                    library.manifest(Kind::Course, &id).await.expect("the manifest is read").value;
                if versions.last() != Some(&shown.version) {
                    versions.push(shown.version);
                }
                for blob in &shown.manifest.blobs {
                    let hash = blob.hash;
                    let stored = library.blocking(move |library| library.blobs().get(hash)).await;
                    let stored = stored.expect("the store is read");
                    assert_eq!(stored.map(|b| b.len() as u64), Some(blob.size));
                    tokio::task::yield_now().await;
                }
                rounds.fetch_add(1, Ordering::SeqCst);
            }
            versions
        })
    };
    let second = server.publish(&new);
    server.reset_counts();
    let changed = new.media().into_iter().find(|b| !old.media().contains(b)).unwrap();
    server.inject(changed.hash, &[Fault::Cut(30_000), Fault::Hold(20_000)]);
    client.start(&new);
    let read = |n: usize| {
        let from = rounds.load(Ordering::SeqCst);
        let rounds = rounds.clone();
        within_a_minute("the reader", async move {
            while rounds.load(Ordering::SeqCst) < from + n {
                tokio::task::yield_now().await;
            }
        })
    };
    let held =
        |s: &State| s.phase == Phase::Running && server.sent(changed.hash) >= 50_000 - 20_000;
    client.wait_until(&target_of(&new), "the update is running", held).await;
    read(2).await;
    let state = client.state(&old.id);
    assert_eq!((state.phase, state.ready_version), (Phase::Running, Some(first)));
    server.release_held();
    client.wait_ready(&new).await;
    read(2).await;
    stop.store(true, Ordering::SeqCst);
    assert_eq!(
        reader.await.expect("the reader succeeds"),
        [first, second],
        "the version changes once"
    );
    client.assert_complete(&new);
    let sent = server.total_sent();
    assert!(
        sent * 100 <= new.bytes() * 2,
        "{sent} of {} bytes, the manifest included",
        new.bytes()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_keeps_shared_blobs() {
    let server = FakeServer::new();
    let one = Course::new("one", &[&[50_000, 100]]);
    let mut two = Course::new("two", &[&[60_000]]);
    // Both courses contain this audio.
    let shared = one.blobs[0].clone();
    two.blobs.push(shared.clone());
    server.publish(&one);
    server.publish(&two);
    let client = TestClient::new(&server);
    for course in [&one, &two] {
        client.start(course);
        client.wait_ready(course).await;
    }
    assert_eq!(server.sent(shared.0.hash), shared.0.size, "shared bytes are sent once");
    client.downloads().remove(Kind::Course, &one.id).unwrap();
    assert_eq!(client.state(&one.id).phase, Phase::Absent);
    let blobs = client.content.library.blobs();
    assert!(blobs.has(shared.0.hash).unwrap() && !blobs.has(one.media()[1].hash).unwrap());
    client.assert_complete(&two);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_automatic_update_waits_for_an_unmetered_network() {
    let server = FakeServer::new();
    let old = Course::new("river", &[&[50_000, 60_000]]);
    server.publish(&old);
    let client = TestClient::new(&server);
    client.start(&old);
    let first = client.wait_ready(&old).await.ready_version;
    let new = old.with_another(0, 1);
    let second = server.publish(&new);
    client.add_to_catalogue(&new, second);
    client
        .downloads()
        .set_conditions(Conditions { network: Network::Metered, power: Power::Mains });
    assert_eq!(client.downloads().update().unwrap(), 1);
    let state = client.wait_paused(&new, Reason::Metered).await;
    assert_eq!(state.ready_version, first, "the old version is ready");
    client.downloads().set_conditions(Conditions::default());
    let state =
        client.wait_until(&target_of(&new), "the update", |s| s.phase == Phase::Ready).await;
    assert_eq!(state.ready_version, Some(second));
    assert_eq!(client.downloads().update().unwrap(), 0, "the update is started once");
}
