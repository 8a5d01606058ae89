//! Faulty servers: flipped bits, wrong lengths, wrong ranges, files that change during the
//! transfer, captive portals. Each fault is detected and recovered from.

use carrel_content::download::{Phase, Reason};
use carrel_model::ErrorCode;

use crate::{
    desk::{Desk, soon, whole},
    net::{Course, Fault, Net},
};

/// Faults of the large file (500,000 bytes), the most bytes transferred until it is right, and the
/// reason of the pause, if there is one.
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
    case(
        "an error page of a proxy as 200",
        &[Cut(100_000), Other { kind: "application/json", bytes: 900, told: false }],
        SIZE + PIECES,
        Some(Reason::Portal),
    ),
    case(
        "a page longer than what is here",
        &[Cut(100_000), Other { kind: "text/plain", bytes: 400_000, told: false }],
        SIZE + PIECES,
        Some(Reason::Portal),
    ),
    case(
        "other bytes of the same length",
        &[Cut(100_000), Other { kind: "audio/mpeg", bytes: SIZE as usize, told: true }],
        SIZE + 100_000 + PIECES,
        None,
    ),
    case(
        "an empty 200",
        &[Cut(100_000), Other { kind: "audio/mpeg", bytes: 0, told: true }],
        SIZE + 100_000,
        None,
    ),
    case(
        "an empty 200 without a length",
        &[Cut(100_000), Other { kind: "audio/mpeg", bytes: 0, told: false }],
        SIZE + 100_000,
        None,
    ),
    case("the part as 200", &[Cut(100_000), SliceAsWhole], SIZE + 100_000, None),
    case("other bytes as the right part", &[Cut(100_000), OtherBytes], 2 * SIZE, None),
    case("a packed part", &[Cut(100_000), Packed], SIZE + 100_000, None),
    case("a packed part each time", &[Cut(100_000), Packed, Cut(300_000)], SIZE + 300_000, None),
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
async fn one_unavailable_file_does_not_block_the_others() {
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
async fn a_manifest_with_another_key_is_rejected() {
    let net = Net::new();
    let course = Course::new("river", &[&[1_000]]);
    net.publish(&course);
    let desk = Desk::new(&net);
    desk.start(&course);
    let first = desk.ready(&course).await.ready_version;
    net.publish_by_stranger(&course.with_another(0, 0));
    net.forget_counts();
    desk.start(&course);
    // The library still shows the trusted version.
    assert_eq!(desk.ready(&course).await.ready_version, first);
    assert!(net.asked().is_empty(), "nothing that the stranger names is fetched");
    desk.assert_whole(&course);
    let fresh = Desk::new(&net);
    net.publish(&course);
    fresh.start(&course);
    fresh.ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_lengths_are_a_server_error() {
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

/// A paused download has a large partial file, and its blob is opened: no reply causes the loss of
/// the stored bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_a_paused_file_never_loses_its_partial_file() {
    const FILE: u64 = 900_000;
    const HELD: u64 = 300_000;
    let not_it = |kind, bytes, told| Other { kind, bytes, told };
    let redirect = Status(302, &[("location", "http://portal.invalid/")]);
    // Faults; whether the blob can be opened nevertheless; bytes transferred in excess of the
    // file's length.
    let table: Vec<(&str, Vec<Fault>, bool, u64)> = vec![
        ("honest", vec![], true, 0),
        ("the sign-in page", vec![Portal], false, 0),
        ("twice", vec![Portal, Portal], false, 0),
        ("a long page", vec![not_it("text/html", 700_000, true)], false, PIECES),
        ("a page that says nothing", vec![not_it("text/plain", 700_000, false)], false, PIECES),
        ("an error as 200", vec![not_it("application/json", 300, false)], false, PIECES),
        ("a redirect", vec![redirect], false, 0),
        ("a page as 401", vec![Status(401, &[("content-type", "text/html")])], false, 0),
        ("a page as 500", vec![Status(500, &[("content-type", "text/html")])], false, 0),
        ("another file", vec![Replaced], false, PIECES),
        ("nothing", vec![Refused], false, 0),
        ("an empty 200, always", vec![not_it("audio/mpeg", 0, true); 3], false, HELD),
        ("an empty 200 once", vec![not_it("audio/mpeg", 0, false)], true, HELD),
        // An attempt that received bytes is resumed.
        ("another length", vec![Short(9), Short(9)], true, FILE),
        ("the part as 200", vec![SliceAsWhole], true, HELD),
        ("another range", vec![OtherRange], true, HELD),
        ("another total", vec![OtherTotal], true, HELD),
        ("416", vec![Unsatisfiable], true, HELD),
        ("a packed part", vec![Packed], true, HELD),
        ("other bytes as the right part", vec![OtherBytes], true, FILE),
        (
            "other bytes of the right length, always",
            vec![not_it("audio/mpeg", FILE as usize, true); 2],
            false,
            FILE + PIECES,
        ),
        ("a cut", vec![Cut(100_000)], true, 0),
    ];
    for (name, faults, opens, more) in table {
        let net = Net::new();
        let course = Course::new("river", &[&[FILE as usize]]);
        net.publish(&course);
        let film = course.media()[0].clone();
        let bytes = course.blobs.iter().find(|(b, _)| *b == film).unwrap().1.clone();
        net.will(film.hash, &[Hold(HELD)]);
        let desk = Desk::new(&net);
        desk.start(&course);
        soon("the file to be under way", async {
            while net.sent(film.hash) < HELD {
                tokio::task::yield_now().await;
            }
        })
        .await;
        desk.downloads().pause(&whole(&course)).unwrap();
        let blobs = desk.content.library.blobs().clone();
        soon("its writer to let go", async {
            while blobs.partial_blobs().follow(film.hash).is_some() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let held = blobs.partial_len(film.hash);
        assert!(held > 0 && held < HELD + PIECES, "{name}: {held}");
        net.will(film.hash, &faults);
        let opened = soon("an answer", desk.content.library.blob(film.hash)).await;
        assert_eq!(opened.is_ok(), opens, "{name}: {:?}", opened.err().map(|e| e.code()));
        if !opens {
            let hex = film.hash.to_hex();
            let file = desk.dir.path().join(format!("shared/blobs/{}/{hex}.part", &hex[..2]));
            let part = std::fs::read(file).unwrap_or_default();
            assert!(part.len() as u64 >= held, "{name}: {} of {held} bytes are here", part.len());
            assert!(bytes.starts_with(&part), "{name}: only right bytes are here");
        }
        desk.start(&course);
        desk.ready(&course).await;
        desk.assert_whole(&course);
        let sent = net.sent(film.hash);
        assert!(sent <= FILE + more + HELD.abs_diff(held), "{name}: {sent} bytes for {FILE}");
    }
}

/// A partial file damaged on disk is detected, and is replaced only by a verified file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_partial_file_is_repaired() {
    for opens in [true, false] {
        let net = Net::new();
        let course = Course::new("river", &[&[SIZE as usize]]);
        net.publish(&course);
        let film = course.media()[0].clone();
        net.will(film.hash, &[Cut(200_000), Status(503, &[("retry-after", "60")])]);
        let desk = Desk::new(&net);
        desk.start(&course);
        desk.paused(&course, Reason::Server).await;
        desk.downloads().pause(&whole(&course)).unwrap();
        let blobs = desk.content.library.blobs().clone();
        soon("its writer to let go", async {
            while blobs.partial_blobs().follow(film.hash).is_some() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let hex = film.hash.to_hex();
        let file = desk.dir.path().join(format!("shared/blobs/{}/{hex}.part", &hex[..2]));
        let mut part = std::fs::read(&file).unwrap();
        part[70_000] ^= 1;
        std::fs::write(&file, part).unwrap();
        if opens {
            soon("an answer", desk.content.library.blob(film.hash)).await.unwrap();
        }
        desk.start(&course);
        desk.ready(&course).await;
        desk.assert_whole(&course);
        assert!(!file.exists(), "nothing is left of it");
    }
}

/// On a real connection, errors of decompression are distinguished from broken connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decompression_errors_are_not_connection_errors() {
    use carrel_net::{FailureKind, Http, LiveHttp, Request};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut head, mut piece) = (Vec::new(), [0; 4096]);
            while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                let read = stream.read(&mut piece).await.unwrap_or(0);
                if read == 0 {
                    break;
                }
                head.extend_from_slice(&piece[..read]);
            }
            let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or("").to_owned();
            let (packing, told) = path.trim_start_matches('/').split_once('-').unwrap();
            let packing = match packing {
                "plain" => String::new(),
                other => format!("Content-Encoding: {other}\r\n"),
            };
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\n{packing}Content-Length: {told}\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&[b'x'; 40]).await;
            let _ = stream.shutdown().await;
        }
    });
    let http = LiveHttp::new("Carrel/test").unwrap();
    let table = [
        ("gzip-40", Some(FailureKind::Decode)),
        ("br-40", Some(FailureKind::Decode)),
        ("zstd-40", Some(FailureKind::Decode)),
        ("plain-40", None),
        ("plain-4000", Some(FailureKind::Broken)),
    ];
    for (path, expected) in table {
        let reply =
            soon("an answer", http.send(Request::get(format!("http://{address}/{path}")))).await;
        let body = match reply {
            Ok(reply) => soon("its body", reply.bytes(100_000)).await.map(|b| b.len()),
            Err(f) => Err(f),
        };
        assert_eq!(body.as_ref().err().map(|f| f.kind), expected, "{path}: {body:?}");
    }
    server.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captive_portal_is_reported_when_a_file_is_opened() {
    let net = Net::new();
    let course = Course::new("river", &[&[SIZE as usize]]);
    net.publish(&course);
    let film = course.media()[0].clone();
    net.will(film.hash, &[Portal]);
    let desk = Desk::new(&net);
    let opened = soon("an answer", desk.content.library.blob(film.hash)).await;
    assert_eq!(opened.err().map(|e| e.code()), Some(ErrorCode::BadReply));
}
