//! Reasons for which a download waits, and that it resumes when they end. Servers are not requested
//! more often than they allow.

use carrel_content::download::{Conditions, Metered, Network, Phase, Power, Reason, Rules, SMALL};
use carrel_testkit::FakeDisk;

use crate::{
    desk::{Desk, soon, whole},
    net::{Course, Fault, Net},
};

const METERED: Conditions = Conditions { network: Network::Metered, power: Power::Mains };

fn shelf(size: usize) -> (std::sync::Arc<Net>, Course, Desk) {
    let net = Net::new();
    let course = Course::new("river", &[&[size, 50_000]]);
    net.publish(&course);
    let desk = Desk::new(&net);
    (net, course, desk)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_pauses_on_a_metered_network() {
    let (net, course, desk) = shelf(900_000);
    let film = course.media()[0].clone();
    net.will(film.hash, &[Fault::Hold(300_000)]);
    desk.start(&course);
    soon("the file to be under way", async {
        while net.sent(film.hash) < 300_000 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    desk.downloads().set_conditions(METERED);
    let state = desk.paused(&course, Reason::Metered).await;
    assert!(state.retry_at_ms.is_none(), "no clock ends it");
    let asked = net.asked().len();
    desk.clock.advance(24 * 3_600_000);
    desk.content.network_changed();
    desk.paused(&course, Reason::Metered).await;
    assert_eq!(net.asked().len(), asked, "nothing is asked for over it");
    desk.downloads().set_conditions(Conditions::default());
    desk.ready(&course).await;
    assert_eq!(net.sent(film.hash), film.size, "it went on where it was");
    desk.assert_whole(&course);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_downloads_may_use_a_metered_network() {
    let (net, course, desk) = shelf(SMALL as usize);
    let small = Course::new("pond", &[&[40_000, 40_000, 40_001, 40_002, 40_003]]);
    net.publish(&small);
    desk.downloads().set_conditions(METERED);
    desk.start(&small);
    desk.paused(&small, Reason::Metered).await;
    assert_eq!(net.sent_in_all(), 0, "not even a manifest");
    desk.downloads().set_rules(Rules { metered: Metered::Small, ..Rules::default() });
    desk.ready(&small).await;
    assert!(net.most_at_once() <= 2, "fewer at once: {}", net.most_at_once());
    desk.start(&course);
    desk.paused(&course, Reason::Metered).await;
    assert!(course.media().iter().all(|b| net.sent(b.hash) == 0));
    // The learner allows it regardless of the cost.
    desk.downloads().request(&whole(&course), true).unwrap();
    desk.ready(&course).await;
}

/// The learner allows it just as the download begins to wait, which must not be missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_during_a_pause_is_not_missed() {
    let net = Net::new();
    let desk = Desk::new(&net);
    desk.downloads().set_conditions(METERED);
    for n in 0..40 {
        let course = Course::new(&format!("river-{n}"), &[&[500]]);
        net.publish(&course);
        desk.start(&course);
        desk.paused(&course, Reason::Metered).await;
        desk.downloads().request(&whole(&course), true).unwrap();
        desk.ready(&course).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn battery_and_network_conditions() {
    let (net, course, desk) = shelf(100_000);
    let power = |power| Conditions { power, network: Network::Unmetered };
    desk.downloads().set_conditions(power(Power::Battery(9)));
    desk.start(&course);
    desk.paused(&course, Reason::Battery).await;
    desk.downloads().set_rules(Rules { only_charging: true, ..Rules::default() });
    desk.downloads().set_conditions(power(Power::Battery(90)));
    desk.paused(&course, Reason::Battery).await;
    desk.downloads().set_conditions(Conditions { network: Network::Offline, power: Power::Mains });
    desk.paused(&course, Reason::Offline).await;
    assert_eq!(net.asked().len(), 0);
    desk.downloads().set_rules(Rules { forbidden: true, ..Rules::default() });
    desk.downloads().set_conditions(Conditions::default());
    desk.paused(&course, Reason::Policy).await;
    desk.downloads().set_rules(Rules::default());
    desk.ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_download_stays_paused_after_a_restart() {
    let (net, course, desk) = shelf(900_000);
    let film = course.media()[0].clone();
    net.will(film.hash, &[Fault::Hold(200_000)]);
    desk.start(&course);
    soon("the file to be under way", async {
        while net.sent(film.hash) < 200_000 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    desk.downloads().pause(&whole(&course)).unwrap();
    let state = desk.paused(&course, Reason::User).await;
    assert!(state.bytes_done >= 200_000, "{state:?}");
    // Work begun just before the pause is complete by then.
    let mut asked = 0;
    let desk = desk.restart_after(|_| asked = net.asked().len()).await;
    desk.content.network_changed();
    let state = desk.state(&course.id);
    assert_eq!((state.phase, state.reason), (Phase::Paused, Reason::User));
    assert_eq!(net.asked().len(), asked);
    desk.start(&course);
    desk.ready(&course).await;
    assert_eq!(net.sent(film.hash), film.size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_is_honoured() {
    let (net, course, desk) = shelf(100_000);
    net.always(Some(Fault::Status(429, &[("retry-after", "120")])));
    desk.start(&course);
    desk.paused(&course, Reason::Server).await;
    let requests = |of: &Course| {
        let asked = net.asked();
        asked.iter().filter(|(hash, _)| of.blobs.iter().any(|(blob, _)| blob.hash == *hash)).count()
    };
    let asked = requests(&course);
    while desk.clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..11 {
        desk.clock.advance(10_000);
        desk.content.network_changed();
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    // Attempts run one after the other: one of the first course would have been made before this one.
    let other = Course::new("stone", &[&[70_000, 60_000]]);
    net.publish(&other);
    desk.start(&other);
    desk.paused(&other, Reason::Server).await;
    assert!(requests(&other) > 0);
    assert_eq!(requests(&course), asked, "110 of 120 seconds");
    net.always(None);
    desk.ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_errors_back_off() {
    let (net, course, desk) = shelf(100_000);
    net.always(Some(Fault::Status(500, &[])));
    desk.start(&course);
    let began = carrel_system::Clock::monotonic_ms(&desk.clock);
    let passed = || carrel_system::Clock::monotonic_ms(&desk.clock) - began;
    desk.in_time(&whole(&course), "two hours", |_| passed() > 2 * 3_600_000).await;
    let asked = net.asked().len();
    // Each attempt requests at most as many blobs as it has workers.
    assert!(asked < 4 * 60, "{asked} requests in two hours");
    net.always(None);
    desk.ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_does_not_fit_waits_for_space() {
    let net = Net::new();
    let course = Course::new("river", &[&[3_000_000, 50_000]]);
    net.publish(&course);
    let disk = FakeDisk::new(501_000_000);
    let desk = Desk::on(&net, &disk);
    desk.start(&course);
    desk.paused(&course, Reason::DiskFull).await;
    assert!(
        course.media().iter().all(|b| net.sent(b.hash) == 0),
        "not a byte of what does not fit"
    );
    disk.set_capacity(90_000_000_000);
    desk.downloads().resume();
    desk.ready(&course).await;
    desk.assert_whole(&course);
}
