//! Faulty servers: flipped bits, wrong lengths, wrong ranges, files replaced during the transfer,
//! captive portals. Each download completes in the end.

use carrel_content::download::{Phase, Reason};
use carrel_model::ErrorCode;

use crate::{
    client::{TestClient, target_of, within_a_minute},
    fake_server::{Course, FakeServer, Fault},
};

/// Faults of requests for a file of 500,000 bytes, the largest number of bytes sent until it is
/// complete, and the reason of a pause.
struct Case {
    name: &'static str,
    faults: &'static [Fault],
    max_bytes: u64,
    pause: Option<Reason>,
}

const SIZE: u64 = 500_000;
const PIECES: u64 = 64 * 1024;

const fn case(
    name: &'static str,
    faults: &'static [Fault],
    max_bytes: u64,
    pause: Option<Reason>,
) -> Case {
    Case { name, faults, max_bytes, pause }
}

use Fault::*;
const CASES: &[Case] = &[
    case("no fault", &[], SIZE, None),
    case("a bit is flipped", &[Flip(123_456)], 2 * SIZE, None),
    case("a bit is flipped before a cut", &[Flip(9)], 2 * SIZE, None),
    case("bits are flipped in two replies", &[Flip(1), Flip(499_999)], 3 * SIZE, None),
    case(
        "bits are flipped in four replies",
        &[Flip(1), Flip(2), Flip(3), Flip(4)],
        5 * SIZE,
        Some(Reason::Corrupt),
    ),
    case("too short, with its length", &[Short(1_000)], SIZE, None),
    case("too long, with its length", &[Long(1_000)], SIZE, None),
    case(
        "longer than the file, without a length",
        &[LongWithoutLength(100_000)],
        SIZE + PIECES,
        None,
    ),
    case("too short after a cut", &[Cut(100_000), Short(10)], SIZE, None),
    case("another range than requested", &[Cut(100_000), OtherRange], SIZE + 100_000, None),
    case("another total in Content-Range", &[Cut(100_000), OtherTotal], SIZE + 100_000, None),
    case("an unrequested range", &[UnrequestedRange], SIZE, None),
    case("no support of ranges", &[Cut(100_000), NoRanges], SIZE + 100_000, None),
    case(
        "no support of ranges, and cut again",
        &[Cut(100_000), NoRangesCut(90_000)],
        SIZE + 100_000,
        None,
    ),
    case("range not satisfiable", &[Cut(100_000), Unsatisfiable], SIZE + 100_000, None),
    case(
        "the file is replaced during the transfer",
        &[Cut(100_000), Replaced],
        SIZE + 100_000,
        None,
    ),
    case("another file, always", &[Replaced, Replaced], SIZE, Some(Reason::Corrupt)),
    case(
        "the file is replaced, with the old entity tag",
        &[Cut(100_000), ReplacedWithOldTag],
        2 * SIZE,
        None,
    ),
    case("the page of a captive portal", &[Cut(100_000), Portal], SIZE, Some(Reason::Portal)),
    case(
        "a redirect",
        &[Cut(100_000), Status(302, &[("location", "http://portal.invalid/")])],
        SIZE,
        Some(Reason::Portal),
    ),
    case("repeated redirects", &[Status(301, &[]), Status(308, &[])], SIZE, Some(Reason::Portal)),
    case(
        "401 with HTML",
        &[Status(401, &[("content-type", "text/html")])],
        SIZE,
        Some(Reason::Portal),
    ),
    case(
        "404 with HTML",
        &[Status(404, &[("content-type", "text/html")])],
        SIZE,
        Some(Reason::Portal),
    ),
    case(
        "an error page of a proxy as 200",
        &[Cut(100_000), OtherBody { kind: "application/json", bytes: 900, with_length: false }],
        SIZE + 100_000 + PIECES,
        None,
    ),
    case(
        "a body longer than the stored bytes",
        &[Cut(100_000), OtherBody { kind: "text/plain", bytes: 400_000, with_length: false }],
        SIZE + 100_000 + PIECES,
        None,
    ),
    case(
        "other bytes of the same length",
        &[Cut(100_000), OtherBody { kind: "audio/mpeg", bytes: SIZE as usize, with_length: true }],
        SIZE + 100_000 + PIECES,
        None,
    ),
    case(
        "an empty 200",
        &[Cut(100_000), OtherBody { kind: "audio/mpeg", bytes: 0, with_length: true }],
        SIZE + 100_000,
        None,
    ),
    case(
        "an empty 200 without a length",
        &[Cut(100_000), OtherBody { kind: "audio/mpeg", bytes: 0, with_length: false }],
        SIZE + 100_000,
        None,
    ),
    case("the range as 200", &[Cut(100_000), RangeAs200], SIZE + 100_000, None),
    case("wrong bytes in the right range", &[Cut(100_000), WrongBytes], 2 * SIZE, None),
    case("an undecodable range", &[Cut(100_000), Undecodable], SIZE + 100_000, None),
    case(
        "an undecodable range and another cut",
        &[Cut(100_000), Undecodable, Cut(300_000)],
        SIZE + 300_000,
        None,
    ),
    case("500", &[Cut(100_000), Status(500, &[])], SIZE, Some(Reason::Server)),
    case(
        "503 with Retry-After",
        &[Status(503, &[("retry-after", "7")])],
        SIZE,
        Some(Reason::Server),
    ),
    case("429", &[Cut(1), Status(429, &[("retry-after", "2")])], SIZE, Some(Reason::Server)),
    case("404 once", &[Status(404, &[])], SIZE, Some(Reason::Server)),
    case("204", &[Status(204, &[])], SIZE, Some(Reason::Portal)),
    case("refused", &[Cut(3), Refused], SIZE, Some(Reason::Offline)),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_complete_after_faulty_replies() {
    for c in CASES {
        let server = FakeServer::new();
        let course = Course::new("river", &[&[SIZE as usize, 1_000]]);
        server.publish(&course);
        let audio = course.media()[0].clone();
        server.inject(audio.hash, c.faults);
        let client = TestClient::new(&server);
        client.start(&course);
        if let Some(reason) = c.pause {
            let name = format!("{}: a pause for {reason:?}", c.name);
            client
                .wait_until(&target_of(&course), &name, |s| {
                    s.phase == Phase::Paused && s.reason == reason
                })
                .await;
        }
        let state = client.wait_ready(&course).await;
        assert_eq!(
            (state.bytes_done, state.bytes_total),
            (course.bytes(), course.bytes()),
            "{}",
            c.name
        );
        client.assert_complete(&course);
        let sent = server.sent(audio.hash);
        assert!(sent <= c.max_bytes, "{}: {sent} bytes for {SIZE}", c.name);
        let requests = server.requests().iter().filter(|(hash, _)| *hash == audio.hash).count();
        assert!(requests >= c.faults.len().max(1), "{}: {requests} requests", c.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unavailable_file_does_not_block_the_others() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[40_000, 40_001, 40_002, 40_003, 40_004, 40_005]]);
    server.publish(&course);
    let media = course.media();
    server.inject(media[0].hash, &vec![Status(404, &[]); 4]);
    let client = TestClient::new(&server);
    client.start(&course);
    client.wait_paused(&course, Reason::Server).await;
    for blob in &media[1..] {
        assert!(
            client.content.library.blobs().has(blob.hash).unwrap(),
            "the other files are stored"
        );
    }
    client.wait_ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_with_another_key_is_rejected() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[1_000]]);
    server.publish(&course);
    let client = TestClient::new(&server);
    client.start(&course);
    let first = client.wait_ready(&course).await.ready_version;
    server.publish_with_other_key(&course.with_another(0, 0));
    server.reset_counts();
    client.start(&course);
    // The trusted version stays in use.
    assert_eq!(client.wait_ready(&course).await.ready_version, first);
    assert!(server.requests().is_empty(), "no blob of the rejected manifest is requested");
    client.assert_complete(&course);
    let fresh = TestClient::new(&server);
    server.publish(&course);
    fresh.start(&course);
    fresh.wait_ready(&course).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_lengths_are_server_errors() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[SIZE as usize]]);
    server.publish(&course);
    let audio = course.media()[0].clone();
    server.inject(audio.hash, &[Short(9), Short(8), Short(7)]);
    let client = TestClient::new(&server);
    client.start(&course);
    client.wait_paused(&course, Reason::Server).await;
    client.wait_ready(&course).await;
    assert_eq!(server.sent(audio.hash), audio.size, "bodies of a wrong length are not read");
}

/// Proxies that handle each request for a range wrongly: the whole file is requested in the same attempt, so that the
/// download does not wait for a proxy that will not change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_complete_behind_proxies_that_break_ranges() {
    let table: Vec<(&str, Fault)> = vec![
        ("the range as 200", RangeAs200),
        ("the range as 200, without a length", OpaqueRangeAs200),
        ("the range as 200, of another length", ShortRangeAs200),
        ("wrong bytes as 200", OtherBody { kind: "audio/mpeg", bytes: 5_000, with_length: false }),
        ("an empty 200", OtherBody { kind: "audio/mpeg", bytes: 0, with_length: true }),
        ("no ranges", NoRanges),
        ("206 without Content-Range", Multipart("application/octet-stream")),
        ("several ranges", Multipart("multipart/byteranges; boundary=x")),
        ("another range", OtherRange),
        ("another total", OtherTotal),
        ("the range in gzip that is not a whole gzip file", Undecodable),
        ("a range that breaks at once", Cut(0)),
        ("a request that breaks", Broken),
        ("wrong bytes in the right range", WrongBytes),
        ("another entity tag", Replaced),
        ("another file with the old tag", ReplacedWithOldTag),
        ("416", Unsatisfiable),
    ];
    for (name, fault) in table {
        for opens in [false, true] {
            let server = FakeServer::new();
            let course = Course::new("river", &[&[SIZE as usize]]);
            server.publish(&course);
            let audio = course.media()[0].clone();
            // The first transfer breaks, so that the rest is requested.
            server.inject(audio.hash, &[Cut(200_000), Status(503, &[("retry-after", "60")])]);
            let client = TestClient::new(&server);
            client.start(&course);
            client.wait_paused(&course, Reason::Server).await;
            server.break_ranges(fault.clone());
            if opens {
                client.downloads().pause(&target_of(&course)).unwrap();
                let blobs = client.content.library.blobs().clone();
                within_a_minute("the writer closes the file", async {
                    while blobs.partial_blobs().reader(audio.hash).is_some() {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
                let opened = client.content.library.blob(audio.hash);
                within_a_minute("the result", opened)
                    .await
                    .unwrap_or_else(|e| panic!("{name}: {e}"));
            }
            client.start(&course);
            // The clock stands still: the download does not wait.
            client.wait_until(&target_of(&course), name, |s| s.phase == Phase::Ready).await;
            client.assert_complete(&course);
            let sent = server.sent(audio.hash);
            assert!(sent <= 3 * SIZE, "{name}: {sent} bytes for {SIZE}");
        }
    }
}

/// A proxy compresses each reply and ends it too early. Each attempt sends a bounded number of requests, then the
/// download waits longer and longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undecodable_replies_are_retried_a_bounded_number_of_times() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[SIZE as usize]]);
    server.publish(&course);
    let audio = course.media()[0].clone();
    let client = TestClient::new(&server);
    server.inject(audio.hash, &vec![Undecodable; 100]);
    client.start(&course);
    client.wait_paused(&course, Reason::Server).await;
    let requests = || server.requests().iter().filter(|(hash, _)| *hash == audio.hash).count();
    let first = requests();
    assert!((2..=8).contains(&first), "{first} requests in one attempt");
    let mut waited_ms = 0;
    for _ in 0..5 {
        let before = requests();
        within_a_minute("the next attempt", async {
            while requests() == before {
                if let Some(ms) = client.clock.next_wake_in() {
                    client.clock.advance(ms);
                    waited_ms += ms;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        client.wait_paused(&course, Reason::Server).await;
        assert!(requests() - before <= 8, "{} requests in one attempt", requests() - before);
    }
    assert!(waited_ms > 10_000, "five attempts within {waited_ms} ms");
}

/// The blob of a paused download with a large partial file is opened: no reply causes the loss of stored
/// bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_a_paused_blob_never_loses_its_partial_file() {
    const FILE: u64 = 900_000;
    const HELD: u64 = 300_000;
    let other_body = |kind, bytes, with_length| OtherBody { kind, bytes, with_length };
    let redirect = Status(302, &[("location", "http://portal.invalid/")]);
    // Faults; whether the blob opens; the largest number of bytes sent in excess of its length.
    let table: Vec<(&str, Vec<Fault>, bool, u64)> = vec![
        ("no fault", vec![], true, 0),
        ("the page of a captive portal", vec![Portal], false, 0),
        ("two pages of a captive portal", vec![Portal, Portal], false, 0),
        ("a long HTML page", vec![other_body("text/html", 700_000, true)], false, PIECES),
        (
            "a long text without a length",
            vec![other_body("text/plain", 700_000, false); 2],
            false,
            2 * PIECES,
        ),
        ("an error as 200", vec![other_body("application/json", 300, false)], true, HELD + PIECES),
        ("a redirect", vec![redirect], false, 0),
        ("401 with HTML", vec![Status(401, &[("content-type", "text/html")])], false, 0),
        ("500 with HTML", vec![Status(500, &[("content-type", "text/html")])], false, 0),
        ("another file once", vec![Replaced], true, HELD + PIECES),
        ("another file, always", vec![Replaced, Replaced], false, PIECES),
        ("connection refused", vec![Refused], false, 0),
        ("an empty 200, always", vec![other_body("audio/mpeg", 0, true); 3], false, HELD),
        ("an empty 200 once", vec![other_body("audio/mpeg", 0, false)], true, HELD),
        // Retried, because the attempts received bytes.
        ("another length", vec![Short(9), Short(9)], true, FILE),
        ("the range as 200", vec![RangeAs200], true, HELD),
        ("another range", vec![OtherRange], true, HELD),
        ("another total", vec![OtherTotal], true, HELD),
        ("416", vec![Unsatisfiable], true, HELD),
        ("an undecodable range", vec![Undecodable], true, HELD),
        ("wrong bytes in the right range", vec![WrongBytes], true, FILE),
        (
            "other bytes of the right length, always",
            vec![other_body("audio/mpeg", FILE as usize, true); 2],
            false,
            FILE + PIECES,
        ),
        ("a cut", vec![Cut(100_000)], true, 0),
    ];
    for (name, faults, opens, excess) in table {
        let server = FakeServer::new();
        let course = Course::new("river", &[&[FILE as usize]]);
        server.publish(&course);
        let audio = course.media()[0].clone();
        let bytes = course.blobs.iter().find(|(b, _)| *b == audio).unwrap().1.clone();
        server.inject(audio.hash, &[Hold(HELD)]);
        let client = TestClient::new(&server);
        client.start(&course);
        within_a_minute("the transfer starts", async {
            while server.sent(audio.hash) < HELD {
                tokio::task::yield_now().await;
            }
        })
        .await;
        client.downloads().pause(&target_of(&course)).unwrap();
        let blobs = client.content.library.blobs().clone();
        within_a_minute("the writer closes the file", async {
            while blobs.partial_blobs().reader(audio.hash).is_some() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let held = blobs.partial_len(audio.hash);
        assert!(held > 0 && held < HELD + PIECES, "{name}: {held}");
        server.inject(audio.hash, &faults);
        let opened = within_a_minute("the result", client.content.library.blob(audio.hash)).await;
        assert_eq!(opened.is_ok(), opens, "{name}: {:?}", opened.err().map(|e| e.code()));
        if !opens {
            let hex = audio.hash.to_hex();
            let file = client.dir.path().join(format!("shared/blobs/{}/{hex}.part", &hex[..2]));
            let part = std::fs::read(file).unwrap_or_default();
            assert!(part.len() as u64 >= held, "{name}: {} of {held} bytes are stored", part.len());
            assert!(bytes.starts_with(&part), "{name}: only correct bytes are stored");
        }
        client.start(&course);
        client.wait_ready(&course).await;
        client.assert_complete(&course);
        let sent = server.sent(audio.hash);
        assert!(sent <= FILE + excess + HELD.abs_diff(held), "{name}: {sent} bytes for {FILE}");
    }
}

/// A damaged partial file is detected, and is replaced by a verified file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_partial_file_is_repaired() {
    for opens in [true, false] {
        let server = FakeServer::new();
        let course = Course::new("river", &[&[SIZE as usize]]);
        server.publish(&course);
        let audio = course.media()[0].clone();
        server.inject(audio.hash, &[Cut(200_000), Status(503, &[("retry-after", "60")])]);
        let client = TestClient::new(&server);
        client.start(&course);
        client.wait_paused(&course, Reason::Server).await;
        client.downloads().pause(&target_of(&course)).unwrap();
        let blobs = client.content.library.blobs().clone();
        within_a_minute("the writer closes the file", async {
            while blobs.partial_blobs().reader(audio.hash).is_some() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let hex = audio.hash.to_hex();
        let file = client.dir.path().join(format!("shared/blobs/{}/{hex}.part", &hex[..2]));
        let mut part = std::fs::read(&file).unwrap();
        part[70_000] ^= 1;
        std::fs::write(&file, part).unwrap();
        if opens {
            within_a_minute("the result", client.content.library.blob(audio.hash)).await.unwrap();
        }
        client.start(&course);
        client.wait_ready(&course).await;
        client.assert_complete(&course);
        assert!(!file.exists(), "the partial file is deleted");
    }
}

/// The first 17 of 27 bytes of a gzip file: the head, and a stored block of 4 bytes with 2 of them.
const TRUNCATED_GZIP: [u8; 17] =
    [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1, 4, 0, 0xFB, 0xFF, b't', b'e'];

/// On a real connection, decompression errors differ from broken connections.
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
            let (encoding, rest) = path.trim_start_matches('/').split_once('-').unwrap();
            let (length, sent) = rest.split_once('-').unwrap_or((rest, "40"));
            let body = match encoding {
                "stored" => TRUNCATED_GZIP.to_vec(),
                _ => vec![b'x'; sent.parse().unwrap()],
            };
            let encoding = match encoding {
                "plain" => String::new(),
                "stored" => "Content-Encoding: gzip\r\n".to_owned(),
                other => format!("Content-Encoding: {other}\r\n"),
            };
            let (framing, body) = match length {
                "chunked" => {
                    let head = format!("{:x}\r\n", body.len());
                    let chunks = [head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
                    ("Transfer-Encoding: chunked".to_owned(), chunks)
                }
                "cut" => {
                    let head = format!("{:x}\r\n", body.len() + 1_000);
                    ("Transfer-Encoding: chunked".to_owned(), [head.as_bytes(), &body].concat())
                }
                length => (format!("Content-Length: {length}"), body),
            };
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\n{encoding}{framing}\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body).await;
            let _ = stream.shutdown().await;
        }
    });
    let http = LiveHttp::new("Carrel/test").unwrap();
    let table = [
        ("gzip-40", Some(FailureKind::Decode)),
        ("br-40", Some(FailureKind::Decode)),
        ("zstd-40", Some(FailureKind::Decode)),
        // The connection delivers all bytes of a gzip file that ends too early.
        ("stored-17", Some(FailureKind::Decode)),
        ("stored-chunked", Some(FailureKind::Decode)),
        // The connection ends too early.
        ("stored-170", Some(FailureKind::Broken)),
        ("stored-cut", Some(FailureKind::Broken)),
        ("plain-40", None),
        ("plain-0-0", None),
        ("plain-4000", Some(FailureKind::Broken)),
        ("plain-cut", Some(FailureKind::Broken)),
    ];
    for (path, expected) in table {
        let reply = within_a_minute(
            "the result",
            http.send(Request::get(format!("http://{address}/{path}"))),
        )
        .await;
        let body = match reply {
            Ok(reply) => within_a_minute("the body", reply.bytes(100_000)).await.map(|b| b.len()),
            Err(f) => Err(f),
        };
        assert_eq!(body.as_ref().err().map(|f| f.kind), expected, "{path}: {body:?}");
    }
    server.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captive_portal_is_reported_when_a_file_is_opened() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[SIZE as usize]]);
    server.publish(&course);
    let audio = course.media()[0].clone();
    server.inject(audio.hash, &[Portal]);
    let client = TestClient::new(&server);
    let opened = within_a_minute("the result", client.content.library.blob(audio.hash)).await;
    assert_eq!(opened.err().map(|e| e.code()), Some(ErrorCode::BadReply));
}
