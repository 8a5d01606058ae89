//! Updates fetch only what differs, and the old version can be read until the new one is complete.

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
    desk::{Desk, soon, whole},
    net::{Course, Fault, Net},
};

#[tokio::test]
async fn a_list_does_not_wait_for_missing_content() {
    let net = Net::new();
    let course = Course::new("river", &[&[20_000]]);
    net.publish(&course);
    let desk = Desk::new(&net);
    let library = desk.content.library.without_waiting();
    let mut changes = desk.changes.listen();
    let missing = library.manifest(Kind::Course, &course.id).await;
    assert!(matches!(missing, Err(Error::NotDownloaded { .. })), "{missing:?}");
    assert_eq!(net.sent_in_all(), 0, "nothing was waited for");
    let mut until_told =
        async || while !changes.recv().await.unwrap().contains(&Change::Catalogue) {};
    soon("the manifest", until_told()).await;
    let manifest = library.manifest(Kind::Course, &course.id).await.expect("it came").value;

    let body = manifest.manifest.blobs.iter().find(|b| b.media_type == "application/json").unwrap();
    let missing = library.blob(body.hash).await;
    assert!(matches!(missing, Err(Error::NotDownloaded { .. })));
    soon("the text", until_told()).await;
    assert_eq!(library.blob(body.hash).await.expect("it came").size(), body.size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_fetches_the_difference_and_both_versions_stay_readable() {
    let net = Net::new();
    let old = Course::new("river", &[&[80_000; 25], &[80_000; 25], &[80_000; 25], &[80_000; 25]]);
    let new = old.with_another(2, 3);
    let first = net.publish(&old);
    let desk = Desk::new(&net);
    desk.start(&old);
    desk.ready(&old).await;

    // A learner who reads all the time: every blob of the displayed version is stored.
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let reader = {
        let (library, id) = (desk.content.library.clone(), old.id.clone());
        let (stop, rounds) = (stop.clone(), rounds.clone());
        tokio::spawn(async move {
            let mut editions = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                let shown = library.manifest(Kind::Course, &id).await.expect("a manifest").value;
                if editions.last() != Some(&shown.version) {
                    editions.push(shown.version);
                }
                for blob in &shown.manifest.blobs {
                    let hash = blob.hash;
                    let here = library.blocking(move |library| library.blobs().get(hash)).await;
                    let here = here.expect("the store answers");
                    assert_eq!(here.map(|b| b.len() as u64), Some(blob.size));
                    tokio::task::yield_now().await;
                }
                rounds.fetch_add(1, Ordering::SeqCst);
            }
            editions
        })
    };
    let second = net.publish(&new);
    net.forget_counts();
    let changed = new.media().into_iter().find(|b| !old.media().contains(b)).unwrap();
    net.will(changed.hash, &[Fault::Cut(30_000), Fault::Hold(20_000)]);
    desk.start(&new);
    let read = |n: usize| {
        let from = rounds.load(Ordering::SeqCst);
        let rounds = rounds.clone();
        soon("the reader", async move {
            while rounds.load(Ordering::SeqCst) < from + n {
                tokio::task::yield_now().await;
            }
        })
    };
    let held = |s: &State| s.phase == Phase::Running && net.sent(changed.hash) >= 50_000 - 20_000;
    desk.until(&whole(&new), "the update to be under way", held).await;
    read(2).await;
    let state = desk.state(&old.id);
    assert_eq!((state.phase, state.ready_version), (Phase::Running, Some(first)));
    net.open_gate();
    desk.ready(&new).await;
    read(2).await;
    stop.store(true, Ordering::SeqCst);
    assert_eq!(reader.await.expect("it read without a fault"), [first, second], "one switch");
    desk.assert_whole(&new);
    let sent = net.sent_in_all();
    assert!(
        sent * 100 <= new.bytes() * 2,
        "{sent} of {} bytes, the manifest included",
        new.bytes()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_keeps_shared_blobs() {
    let net = Net::new();
    let one = Course::new("one", &[&[50_000, 100]]);
    let mut two = Course::new("two", &[&[60_000]]);
    // Both contain the same audio.
    let shared = one.blobs[0].clone();
    two.blobs.push(shared.clone());
    net.publish(&one);
    net.publish(&two);
    let desk = Desk::new(&net);
    for course in [&one, &two] {
        desk.start(course);
        desk.ready(course).await;
    }
    assert_eq!(net.sent(shared.0.hash), shared.0.size, "the same bytes come once");
    desk.downloads().remove(Kind::Course, &one.id).unwrap();
    assert_eq!(desk.state(&one.id).phase, Phase::Absent);
    let blobs = desk.content.library.blobs();
    assert!(blobs.has(shared.0.hash).unwrap() && !blobs.has(one.media()[1].hash).unwrap());
    desk.assert_whole(&two);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_automatic_update_waits_for_an_unmetered_network() {
    let net = Net::new();
    let old = Course::new("river", &[&[50_000, 60_000]]);
    net.publish(&old);
    let desk = Desk::new(&net);
    desk.start(&old);
    let first = desk.ready(&old).await.ready_version;
    let new = old.with_another(0, 1);
    let second = net.publish(&new);
    desk.catalogue(&new, second);
    desk.downloads().set_conditions(Conditions { network: Network::Metered, power: Power::Mains });
    assert_eq!(desk.downloads().update().unwrap(), 1);
    let state = desk.paused(&new, Reason::Metered).await;
    assert_eq!(state.ready_version, first, "the old one is read");
    desk.downloads().set_conditions(Conditions::default());
    let state = desk.until(&whole(&new), "the update", |s| s.phase == Phase::Ready).await;
    assert_eq!(state.ready_version, Some(second));
    assert_eq!(desk.downloads().update().unwrap(), 0, "once");
}
