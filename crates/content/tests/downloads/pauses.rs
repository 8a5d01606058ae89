//! Pauses of downloads, and how they end. Requests to the server are limited.

use carrel_content::download::{
    Conditions, Metered, Network, Phase, Power, Reason, Rules, SMALL_DOWNLOAD,
};
use carrel_testkit::FakeDisk;

use crate::{
    client::{TestClient, target_of, within_a_minute},
    fake_server::{Course, FakeServer, Fault},
};

const METERED: Conditions = Conditions { network: Network::Metered, power: Power::Mains };

fn setup(size: usize) -> (std::sync::Arc<FakeServer>, Course, TestClient) {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[size, 50_000]]);
    server.publish(&course);
    let client = TestClient::new(&server);
    (server, course, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_pauses_on_a_metered_network() {
    let (server, course, client) = setup(900_000);
    let audio = course.media()[0].clone();
    server.inject(audio.hash, &[Fault::Hold(300_000)]);
    client.start(&course);
    within_a_minute("the transfer starts", async {
        while server.sent(audio.hash) < 300_000 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.downloads().set_conditions(METERED);
    let state = client.wait_paused(&course, Reason::Metered).await;
    assert!(state.retry_at_ms.is_none(), "the pause has no timeout");
    let count = server.requests().len();
    client.clock.advance(24 * 3_600_000);
    client.content.network_changed();
    client.wait_paused(&course, Reason::Metered).await;
    assert_eq!(server.requests().len(), count, "no request over the metered network");
    client.downloads().set_conditions(Conditions::default());
    client.wait_ready(&course).await;
    assert_eq!(server.sent(audio.hash), audio.size, "the transfer resumed");
    client.assert_complete(&course);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_downloads_may_use_a_metered_network() {
    let (server, course, client) = setup(SMALL_DOWNLOAD as usize);
    let small = Course::new("pond", &[&[40_000, 40_000, 40_001, 40_002, 40_003]]);
    server.publish(&small);
    client.downloads().set_conditions(METERED);
    client.start(&small);
    client.wait_paused(&small, Reason::Metered).await;
    assert_eq!(server.total_sent(), 0, "not even a manifest");
    client.downloads().set_rules(Rules { metered: Metered::Small, ..Rules::default() });
    client.wait_ready(&small).await;
    assert!(server.max_concurrent() <= 2, "{} concurrent transfers", server.max_concurrent());
    client.start(&course);
    client.wait_paused(&course, Reason::Metered).await;
    assert!(course.media().iter().all(|b| server.sent(b.hash) == 0));
    // The learner allows the metered network for this download.
    client.downloads().request(&target_of(&course), true).unwrap();
    client.wait_ready(&course).await;
}

/// The learner allows a metered network just when the download starts to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_during_a_pause_is_not_missed() {
    let server = FakeServer::new();
    let client = TestClient::new(&server);
    client.downloads().set_conditions(METERED);
    for n in 0..40 {
        let course = Course::new(&format!("river-{n}"), &[&[500]]);
        server.publish(&course);
        client.start(&course);
        client.wait_paused(&course, Reason::Metered).await;
        client.downloads().request(&target_of(&course), true).unwrap();
        client.wait_ready(&course).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn battery_and_network_conditions() {
    let (server, course, client) = setup(100_000);
    let power = |power| Conditions { power, network: Network::Unmetered };
    client.downloads().set_conditions(power(Power::Battery(9)));
    client.start(&course);
    client.wait_paused(&course, Reason::Battery).await;
    client.downloads().set_rules(Rules { only_charging: true, ..Rules::default() });
    client.downloads().set_conditions(power(Power::Battery(90)));
    client.wait_paused(&course, Reason::Battery).await;
    client
        .downloads()
        .set_conditions(Conditions { network: Network::Offline, power: Power::Mains });
    client.wait_paused(&course, Reason::Offline).await;
    assert_eq!(server.requests().len(), 0);
    client.downloads().set_rules(Rules { forbidden: true, ..Rules::default() });
    client.downloads().set_conditions(Conditions::default());
    client.wait_paused(&course, Reason::Policy).await;
    client.downloads().set_rules(Rules::default());
    client.wait_ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_download_stays_paused_after_a_restart() {
    let (server, course, client) = setup(900_000);
    let audio = course.media()[0].clone();
    server.inject(audio.hash, &[Fault::Hold(200_000)]);
    client.start(&course);
    within_a_minute("the transfer starts", async {
        while server.sent(audio.hash) < 200_000 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.downloads().pause(&target_of(&course)).unwrap();
    let state = client.wait_paused(&course, Reason::User).await;
    assert!(state.bytes_done >= 200_000, "{state:?}");
    // The requests are counted after running tasks have ended.
    let mut count = 0;
    let client = client.restart_after(|_| count = server.requests().len()).await;
    client.content.network_changed();
    let state = client.state(&course.id);
    assert_eq!((state.phase, state.reason), (Phase::Paused, Reason::User));
    assert_eq!(server.requests().len(), count);
    client.start(&course);
    client.wait_ready(&course).await;
    assert_eq!(server.sent(audio.hash), audio.size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_is_honoured() {
    let (server, course, client) = setup(100_000);
    server.set_fault(Some(Fault::Status(429, &[("retry-after", "120")])));
    client.start(&course);
    client.wait_paused(&course, Reason::Server).await;
    let requests = |of: &Course| {
        let all = server.requests();
        all.iter().filter(|(hash, _)| of.blobs.iter().any(|(blob, _)| blob.hash == *hash)).count()
    };
    let count = requests(&course);
    while client.clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..11 {
        client.clock.advance(10_000);
        client.content.network_changed();
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    // Attempts run in order: if the first course were retried, its request would precede this one.
    let other = Course::new("stone", &[&[70_000, 60_000]]);
    server.publish(&other);
    client.start(&other);
    client.wait_paused(&other, Reason::Server).await;
    assert!(requests(&other) > 0);
    assert_eq!(requests(&course), count, "no request after 110 of 120 seconds");
    server.set_fault(None);
    client.wait_ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_errors_back_off() {
    let (server, course, client) = setup(100_000);
    server.set_fault(Some(Fault::Status(500, &[])));
    client.start(&course);
    let start = carrel_system::Clock::monotonic_ms(&client.clock);
    let passed = || carrel_system::Clock::monotonic_ms(&client.clock) - start;
    client.wait_advancing(&target_of(&course), "two hours", |_| passed() > 2 * 3_600_000).await;
    let count = server.requests().len();
    // Each attempt requests at most as many blobs as it has workers.
    assert!(count < 4 * 60, "{count} requests in two hours");
    server.set_fault(None);
    client.wait_ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_does_not_fit_waits_for_space() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[3_000_000, 50_000]]);
    server.publish(&course);
    let disk = FakeDisk::new(501_000_000);
    let client = TestClient::with_disk(&server, &disk);
    client.start(&course);
    client.wait_paused(&course, Reason::DiskFull).await;
    assert!(course.media().iter().all(|b| server.sent(b.hash) == 0), "no blob is fetched");
    disk.set_capacity(90_000_000_000);
    client.downloads().resume();
    client.wait_ready(&course).await;
    client.assert_complete(&course);
}
