//! Servers that lie: flipped bits, wrong lengths, other ranges, files that change midway, pages of a Wi-Fi. Caught, and healed.

use carrel_core::download::{Phase, Reason};

use crate::{
    desk::{Desk, whole},
    net::{Course, Fault, Net},
};

/// What happens to the large file (500,000 bytes), how much of it may come over the line until it is right, and why it waited, if it did.
struct Case {
    name: &'static str,
    faults: &'static [Fault],
    most: u64,
    waited: Option<Reason>,
}

const SIZE: u64 = 500_000;
const PIECES: u64 = 64 * 1024;

const fn case(
    name: &'static str,
    faults: &'static [Fault],
    most: u64,
    waited: Option<Reason>,
) -> Case {
    Case { name, faults, most, waited }
}

use Fault::*;
const CASES: &[Case] = &[
    case("honest", &[], SIZE, None),
    case("a bit is flipped", &[Flip(123_456)], 2 * SIZE, None),
    case("a bit is flipped before a cut", &[Flip(9)], 2 * SIZE, None),
    case("twice", &[Flip(1), Flip(499_999)], 3 * SIZE, None),
    case(
        "always, for a while",
        &[Flip(1), Flip(2), Flip(3), Flip(4)],
        5 * SIZE,
        Some(Reason::Corrupt),
    ),
    case("too short, and says so", &[Short(1_000)], SIZE, None),
    case("too long, and says so", &[Long(1_000)], SIZE, None),
    case("goes on beyond the end", &[Runs(100_000)], SIZE + PIECES, None),
    case("too short after a cut", &[Cut(100_000), Short(10)], SIZE, None),
    case("another range than was asked for", &[Cut(100_000), OtherRange], SIZE + 100_000, None),
    case("another size in the range", &[Cut(100_000), OtherTotal], SIZE + 100_000, None),
    case("a range that nobody asked for", &[Unasked], SIZE, None),
    case("does not know ranges", &[Cut(100_000), NoRanges], SIZE + 100_000, None),
    case(
        "does not know ranges and is cut again",
        &[Cut(100_000), NoRangesCut(90_000)],
        SIZE + 100_000,
        None,
    ),
    case("says that there is no such range", &[Cut(100_000), Unsatisfiable], SIZE + 100_000, None),
    case("the file is replaced midway", &[Cut(100_000), Replaced], SIZE, Some(Reason::Corrupt)),
    case("the file is replaced midway under its old tag", &[Cut(100_000), Swapped], 2 * SIZE, None),
    case("the sign-in page of a Wi-Fi", &[Cut(100_000), Portal], SIZE, Some(Reason::Portal)),
    case(
        "a redirect",
        &[Cut(100_000), Status(302, &[("location", "http://portal.invalid/")])],
        SIZE,
        Some(Reason::Portal),
    ),
    case("a redirect for ever", &[Status(301, &[]), Status(308, &[])], SIZE, Some(Reason::Portal)),
    case(
        "401 of a page",
        &[Status(401, &[("content-type", "text/html")])],
        SIZE,
        Some(Reason::Portal),
    ),
    case(
        "404 of a page",
        &[Status(404, &[("content-type", "text/html")])],
        SIZE,
        Some(Reason::Portal),
    ),
    case("500", &[Cut(100_000), Status(500, &[])], SIZE, Some(Reason::Server)),
    case("503 with a time", &[Status(503, &[("retry-after", "7")])], SIZE, Some(Reason::Server)),
    case("429", &[Cut(1), Status(429, &[("retry-after", "2")])], SIZE, Some(Reason::Server)),
    case("404 for a while", &[Status(404, &[])], SIZE, Some(Reason::Server)),
    case("204", &[Status(204, &[])], SIZE, Some(Reason::Portal)),
    case("refused", &[Cut(3), Refused], SIZE, Some(Reason::Offline)),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_the_table() {
    for c in CASES {
        let net = Net::new();
        let course = Course::new("river", &[&[SIZE as usize, 1_000]]);
        net.publish(&course);
        let film = course.media()[0].clone();
        net.will(film.hash, c.faults);
        let desk = Desk::new(&net);
        desk.start(&course);
        if let Some(reason) = c.waited {
            let name = format!("{}: a pause for {reason:?}", c.name);
            desk.until(&whole(&course), &name, |s| s.phase == Phase::Paused && s.reason == reason)
                .await;
        }
        let state = desk.ready(&course).await;
        assert_eq!(
            (state.bytes_done, state.bytes_total),
            (course.bytes(), course.bytes()),
            "{}",
            c.name
        );
        desk.assert_whole(&course);
        let sent = net.sent(film.hash);
        assert!(sent <= c.most, "{}: {sent} bytes for {SIZE}", c.name);
        let asked = net.asked().iter().filter(|(hash, _)| *hash == film.hash).count();
        assert!(asked >= c.faults.len().max(1), "{}: {asked} requests", c.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_file_that_cannot_be_had_does_not_hold_up_the_others() {
    let net = Net::new();
    let course = Course::new("river", &[&[40_000, 40_001, 40_002, 40_003, 40_004, 40_005]]);
    net.publish(&course);
    let media = course.media();
    net.will(media[0].hash, &vec![Status(404, &[]); 4]);
    let desk = Desk::new(&net);
    desk.start(&course);
    desk.paused(&course, Reason::Server).await;
    for blob in &media[1..] {
        assert!(desk.content.library.blobs().has(blob.hash).unwrap(), "the others are here");
    }
    desk.ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_under_another_key_is_not_believed() {
    let net = Net::new();
    let course = Course::new("river", &[&[1_000]]);
    net.publish(&course);
    let desk = Desk::new(&net);
    desk.start(&course);
    let first = desk.ready(&course).await.ready_version;
    net.publish_by_stranger(&course.with_another(0, 0));
    net.forget_counts();
    desk.start(&course);
    // What the library showed before is shown on.
    assert_eq!(desk.ready(&course).await.ready_version, first);
    assert!(net.asked().is_empty(), "nothing that the stranger names is fetched");
    desk.assert_whole(&course);
    let fresh = Desk::new(&net);
    net.publish(&course);
    fresh.start(&course);
    fresh.ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_tells_the_right_length_is_a_broken_server() {
    let net = Net::new();
    let course = Course::new("river", &[&[SIZE as usize]]);
    net.publish(&course);
    let film = course.media()[0].clone();
    net.will(film.hash, &[Short(9), Short(8), Short(7)]);
    let desk = Desk::new(&net);
    desk.start(&course);
    desk.paused(&course, Reason::Server).await;
    desk.ready(&course).await;
    assert_eq!(net.sent(film.hash), film.size, "what it sent was not taken");
}
