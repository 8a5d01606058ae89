//! The five strategies against a network that does what each row of a table says. Expected answers are those of RFC 9111 and RFC 5861.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use carrel_core::{
    cache::{BlobStore, Cache, Cached, Db, Origin, Route, Strategy},
    http::{Body, Failure, FailureKind, Http, Reply, Request},
};
use carrel_model::{BlobHash, ErrorCode};
use carrel_testkit::{FakeClock, SeededIds};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};

/// What the network does next.
#[derive(Clone)]
enum Net {
    Answer(u16, &'static [(&'static str, &'static str)], &'static str),
    Refused,
    TimesOut,
    /// The body breaks off.
    Breaks,
    /// A body without end.
    Floods,
    /// Never answers.
    Hangs,
}

#[derive(Default)]
struct Script {
    next: Mutex<VecDeque<Net>>,
    seen: Mutex<Vec<Request>>,
}

#[async_trait]
impl Http for Script {
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        self.seen.lock().unwrap().push(request);
        let next = self.next.lock().unwrap().pop_front();
        let reply = |status, headers: &[(&'static str, &'static str)], body: Body| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            Ok(Reply { status, headers: map, body })
        };
        const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
        match next.expect("the network was asked more often than the row says") {
            Net::Answer(status, headers, body) => {
                let all: Vec<_> = JSON
                    .iter()
                    .filter(|_| !headers.iter().any(|h| h.0 == "content-type"))
                    .chain(headers)
                    .copied()
                    .collect();
                reply(
                    status,
                    &all,
                    Box::pin(stream::iter([Ok(Bytes::from_static(body.as_bytes()))])),
                )
            }
            Net::Refused => Err(Failure::new(FailureKind::Connect, "connection refused")),
            Net::TimesOut => Err(Failure::new(FailureKind::Timeout, "no answer")),
            Net::Breaks => {
                let broken = Failure::new(FailureKind::Broken, "connection reset");
                reply(
                    200,
                    JSON,
                    Box::pin(stream::iter([Ok(Bytes::from_static(b"[1,")), Err(broken)])),
                )
            }
            Net::Floods => reply(
                200,
                JSON,
                Box::pin(stream::repeat_with(|| Ok(Bytes::from(vec![b' '; 1 << 20])))),
            ),
            Net::Hangs => std::future::pending().await,
        }
    }
}

struct Bench {
    cache: Cache,
    net: Arc<Script>,
    clock: FakeClock,
    dir: tempfile::TempDir,
}

fn open(dir: &std::path::Path, net: &Arc<Script>, clock: &FakeClock, seed: u64) -> Cache {
    Cache::open(
        &dir.join("cache.db"),
        "http://x.test",
        net.clone(),
        Arc::new(clock.clone()),
        &SeededIds::new(seed),
    )
    .unwrap()
}

impl Bench {
    fn new() -> Self {
        let (dir, net, clock) =
            (tempfile::tempdir().unwrap(), Arc::new(Script::default()), FakeClock::noon());
        Self { cache: open(dir.path(), &net, &clock, 1), net, clock, dir }
    }
    fn will(&self, nets: &[Net]) {
        self.net.next.lock().unwrap().extend(nets.iter().cloned());
    }
    fn requests(&self) -> usize {
        self.net.seen.lock().unwrap().len()
    }
    fn last_header(&self, name: HeaderName) -> Option<String> {
        let seen = self.net.seen.lock().unwrap();
        seen.last()?.headers.get(name).map(|v| v.to_str().unwrap().to_owned())
    }
    async fn get(&self, path: &str) -> Result<Cached, ErrorCode> {
        self.cache.get(path, || {}).await.map_err(|e| e.code())
    }
}

const LIST: &str = "/api/courses";
const ONE: &str = "/api/courses/rivers/manifest";
const OTHER: &str = "/api/meta";
const FRESH: Net = Net::Answer(200, &[("cache-control", "max-age=600"), ("etag", "\"v1\"")], "[1]");
const NEXT: Net = Net::Answer(200, &[("etag", "\"v2\"")], "[2]");
const SAME: Net = Net::Answer(304, &[], "");
const MIN: i64 = 60_000;
const DAY: i64 = 1_440 * MIN;

type Expected = Result<(&'static str, bool, bool, Origin), ErrorCode>;

/// What was stored before, how much time passes, what the network does, what comes of it, how many requests that took.
struct Case {
    name: &'static str,
    path: &'static str,
    before: Option<Net>,
    wait_ms: i64,
    net: &'static [Net],
    expected: Expected,
    requests: usize,
}

const fn case(
    name: &'static str,
    path: &'static str,
    before: Option<Net>,
    wait_ms: i64,
    net: &'static [Net],
    expected: Expected,
    requests: usize,
) -> Case {
    Case { name, path, before, wait_ms, net, expected, requests }
}

const CASES: &[Case] = &[
    // stale-while-revalidate
    case(
        "list: first time",
        LIST,
        None,
        0,
        &[FRESH],
        Ok(("[1]", false, false, Origin::Network)),
        1,
    ),
    case(
        "list: fresh, no request at all",
        LIST,
        Some(FRESH),
        9 * MIN,
        &[],
        Ok(("[1]", false, false, Origin::Memory)),
        0,
    ),
    case(
        "list: stale in the window, served at once",
        LIST,
        Some(FRESH),
        11 * MIN,
        &[NEXT],
        Ok(("[1]", true, false, Origin::Memory)),
        1,
    ),
    case(
        "list: stale, network gone, still served",
        LIST,
        Some(FRESH),
        11 * MIN,
        &[Net::Refused],
        Ok(("[1]", true, false, Origin::Memory)),
        1,
    ),
    case(
        "list: beyond the window, waits",
        LIST,
        Some(FRESH),
        8 * DAY,
        &[NEXT],
        Ok(("[2]", false, false, Origin::Network)),
        1,
    ),
    case(
        "list: beyond the window, 304",
        LIST,
        Some(FRESH),
        8 * DAY,
        &[SAME],
        Ok(("[1]", false, false, Origin::Revalidated)),
        1,
    ),
    case(
        "list: beyond the window, offline",
        LIST,
        Some(FRESH),
        8 * DAY,
        &[Net::Refused],
        Ok(("[1]", true, true, Origin::Memory)),
        1,
    ),
    case(
        "list: beyond the window, 500",
        LIST,
        Some(FRESH),
        8 * DAY,
        &[Net::Answer(500, &[], "")],
        Ok(("[1]", true, false, Origin::Memory)),
        1,
    ),
    case(
        "list: beyond the window, gone",
        LIST,
        Some(FRESH),
        8 * DAY,
        &[Net::Answer(410, &[], "")],
        Err(ErrorCode::NotFound),
        1,
    ),
    case(
        "list: beyond the window, signed out",
        LIST,
        Some(FRESH),
        8 * DAY,
        &[Net::Answer(401, &[], "")],
        Err(ErrorCode::Unauthenticated),
        1,
    ),
    case(
        "list: nothing here and no network",
        LIST,
        None,
        0,
        &[Net::Refused],
        Err(ErrorCode::Offline),
        1,
    ),
    case(
        "list: must-revalidate is never served stale",
        LIST,
        Some(Net::Answer(200, &[("cache-control", "max-age=600, must-revalidate")], "[1]")),
        11 * MIN,
        &[NEXT],
        Ok(("[2]", false, false, Origin::Network)),
        1,
    ),
    case(
        "list: Age counts from where it began",
        LIST,
        Some(Net::Answer(200, &[("cache-control", "max-age=600"), ("age", "590")], "[1]")),
        MIN,
        &[NEXT],
        Ok(("[1]", true, false, Origin::Memory)),
        1,
    ),
    case(
        "list: no-store is not kept",
        LIST,
        Some(Net::Answer(200, &[("cache-control", "no-store")], "[1]")),
        0,
        &[NEXT],
        Ok(("[2]", false, false, Origin::Network)),
        1,
    ),
    case(
        "list: Vary * is not kept",
        LIST,
        Some(Net::Answer(200, &[("vary", "*")], "[1]")),
        0,
        &[NEXT],
        Ok(("[2]", false, false, Origin::Network)),
        1,
    ),
    case(
        "list: no-cache is asked for each time",
        LIST,
        Some(Net::Answer(200, &[("cache-control", "no-cache"), ("etag", "\"v1\"")], "[1]")),
        0,
        &[SAME],
        Ok(("[1]", true, false, Origin::Memory)),
        1,
    ),
    // network-first
    case(
        "one: the network's word",
        ONE,
        Some(FRESH),
        0,
        &[NEXT],
        Ok(("[2]", false, false, Origin::Network)),
        1,
    ),
    case(
        "one: 304",
        ONE,
        Some(FRESH),
        0,
        &[SAME],
        Ok(("[1]", false, false, Origin::Revalidated)),
        1,
    ),
    case(
        "one: refused",
        ONE,
        Some(FRESH),
        0,
        &[Net::Refused],
        Ok(("[1]", true, true, Origin::Memory)),
        1,
    ),
    case(
        "one: timed out",
        ONE,
        Some(FRESH),
        0,
        &[Net::TimesOut],
        Ok(("[1]", true, true, Origin::Memory)),
        1,
    ),
    case(
        "one: cut",
        ONE,
        Some(FRESH),
        0,
        &[Net::Breaks],
        Ok(("[1]", true, true, Origin::Memory)),
        1,
    ),
    case(
        "one: endless",
        ONE,
        Some(FRESH),
        0,
        &[Net::Floods],
        Ok(("[1]", true, true, Origin::Memory)),
        1,
    ),
    case(
        "one: 429",
        ONE,
        Some(FRESH),
        0,
        &[Net::Answer(429, &[("retry-after", "9")], "")],
        Ok(("[1]", true, false, Origin::Memory)),
        1,
    ),
    case(
        "one: 503",
        ONE,
        Some(FRESH),
        0,
        &[Net::Answer(503, &[], "")],
        Ok(("[1]", true, false, Origin::Memory)),
        1,
    ),
    case(
        "one: no limit on age",
        ONE,
        Some(FRESH),
        400 * DAY,
        &[Net::Refused],
        Ok(("[1]", true, true, Origin::Memory)),
        1,
    ),
    case(
        "one: 404 is believed",
        ONE,
        Some(FRESH),
        0,
        &[Net::Answer(404, &[], "")],
        Err(ErrorCode::NotFound),
        1,
    ),
    case(
        "one: 403 is believed",
        ONE,
        Some(FRESH),
        0,
        &[Net::Answer(403, &[], "")],
        Err(ErrorCode::Forbidden),
        1,
    ),
    case(
        "one: a captive portal is no answer",
        ONE,
        Some(FRESH),
        0,
        &[Net::Answer(200, &[("content-type", "text/html")], "<html>Sign in to the Wi-Fi")],
        Ok(("[1]", true, false, Origin::Memory)),
        1,
    ),
    case(
        "one: nor is a redirect",
        ONE,
        Some(FRESH),
        0,
        &[Net::Answer(302, &[], "")],
        Ok(("[1]", true, false, Origin::Memory)),
        1,
    ),
    case(
        "one: nor is half of JSON",
        ONE,
        Some(FRESH),
        0,
        &[Net::Answer(200, &[], "[1,")],
        Ok(("[1]", true, false, Origin::Memory)),
        1,
    ),
    case(
        "one: nothing here, captive portal",
        ONE,
        None,
        0,
        &[Net::Answer(302, &[], "")],
        Err(ErrorCode::BadReply),
        1,
    ),
    case("one: nothing here, endless", ONE, None, 0, &[Net::Floods], Err(ErrorCode::BadReply), 1),
    case(
        "one: nothing here, 503",
        ONE,
        None,
        0,
        &[Net::Answer(503, &[], "")],
        Err(ErrorCode::Unavailable),
        1,
    ),
    case(
        "one: 204 has nothing to show",
        ONE,
        None,
        0,
        &[Net::Answer(204, &[], "")],
        Err(ErrorCode::InvalidRequest),
        1,
    ),
    // network-only
    case(
        "other: never kept",
        OTHER,
        Some(FRESH),
        0,
        &[NEXT],
        Ok(("[2]", false, false, Origin::Network)),
        1,
    ),
    case(
        "other: offline is offline",
        OTHER,
        Some(FRESH),
        0,
        &[Net::Refused],
        Err(ErrorCode::Offline),
        1,
    ),
];

#[tokio::test]
async fn every_row_of_the_table() {
    assert!(CASES.len() >= 36);
    for c in CASES {
        let bench = Bench::new();
        if let Some(before) = &c.before {
            bench.will(std::slice::from_ref(before));
            bench.get(c.path).await.unwrap_or_else(|e| panic!("{}: before: {e:?}", c.name));
        }
        bench.clock.advance(c.wait_ms);
        let asked = bench.requests();
        bench.will(c.net);
        let got = bench.get(c.path).await;
        // What happens behind the learner's back happens now.
        while bench.requests() < asked + c.requests {
            tokio::task::yield_now().await;
        }
        let seen = got
            .as_ref()
            .map(|g| (std::str::from_utf8(&g.body).unwrap(), g.stale, g.offline, g.origin))
            .map_err(|e| *e);
        assert_eq!(seen, c.expected, "{}", c.name);
        assert_eq!(bench.requests() - asked, c.requests, "{}: requests", c.name);
    }
}

#[tokio::test]
async fn a_stale_answer_is_refreshed_behind_the_learners_back_and_told() {
    let bench = Bench::new();
    bench.will(&[FRESH, NEXT]);
    bench.get(LIST).await.unwrap();
    bench.clock.advance(11 * MIN);
    let (told, mut heard) = tokio::sync::mpsc::channel(1);
    let stale = bench.cache.get(LIST, move || told.try_send(()).unwrap()).await.unwrap();
    assert_eq!(&stale.body[..], b"[1]");
    heard.recv().await.expect("the change is told");
    assert_eq!(bench.last_header(http::header::IF_NONE_MATCH).as_deref(), Some("\"v1\""));
    let now = bench.get(LIST).await.unwrap();
    assert_eq!((&now.body[..], now.stale), (&b"[2]"[..], false));
    assert_eq!(bench.requests(), 2);
}

#[tokio::test]
async fn network_first_does_not_wait_longer_than_its_timeout_and_the_late_answer_is_kept() {
    let bench = Bench::new();
    bench.will(&[FRESH, Net::Hangs]);
    bench.get(ONE).await.unwrap();
    let asking = bench.get(ONE);
    tokio::pin!(asking);
    loop {
        tokio::select! {
            biased;
            got = &mut asking => {
                let got = got.unwrap();
                assert_eq!((&got.body[..], got.stale), (&b"[1]"[..], true));
                break;
            }
            () = tokio::task::yield_now() => bench.clock.advance(500),
        }
    }
    // It is still under way: whoever asks now waits for the same request and asks no second one.
    assert_eq!(bench.requests(), 2);
}

#[tokio::test]
async fn an_unreachable_server_is_left_alone_for_five_seconds_or_until_the_network_changes() {
    let bench = Bench::new();
    bench.will(&[Net::Refused]);
    assert_eq!(bench.get(ONE).await.unwrap_err(), ErrorCode::Offline);
    assert_eq!(bench.get(ONE).await.unwrap_err(), ErrorCode::Offline);
    assert_eq!(bench.requests(), 1);
    assert!(bench.cache.is_offline());
    bench.clock.advance(5_000);
    bench.will(&[Net::Refused]);
    assert_eq!(bench.get(ONE).await.unwrap_err(), ErrorCode::Offline);
    assert_eq!(bench.requests(), 2);
    bench.cache.network_changed();
    bench.will(&[FRESH]);
    assert!(bench.get(ONE).await.is_ok());
}

#[tokio::test]
async fn what_was_not_there_is_not_asked_for_again_for_a_minute() {
    let bench = Bench::new();
    bench.will(&[Net::Answer(404, &[], "")]);
    for _ in 0..3 {
        assert_eq!(bench.get(ONE).await.unwrap_err(), ErrorCode::NotFound);
    }
    assert_eq!(bench.requests(), 1);
    bench.clock.advance(MIN);
    bench.will(&[FRESH]);
    assert!(bench.get(ONE).await.is_ok());
}

#[tokio::test]
async fn age_counts_over_restarts_and_a_clock_that_ran_backwards_means_asking() {
    let bench = Bench::new();
    bench.will(&[FRESH]);
    bench.get(LIST).await.unwrap();
    bench.clock.advance(5 * MIN);
    let again = open(bench.dir.path(), &bench.net, &bench.clock, 2);
    let got = again.get(LIST, || {}).await.unwrap();
    assert_eq!((got.stale, got.origin), (false, Origin::Disk), "5 of 10 minutes");
    bench.clock.jump(-DAY);
    let third = open(bench.dir.path(), &bench.net, &bench.clock, 3);
    bench.will(&[SAME]);
    assert_eq!(third.get(LIST, || {}).await.unwrap().origin, Origin::Revalidated);
    // A jump within one run changes nothing: the monotonic clock counts.
    bench.clock.jump(300 * DAY);
    assert!(!third.get(LIST, || {}).await.unwrap().stale);
}

#[tokio::test]
async fn cache_first_and_cache_only() {
    let bench = Bench::new();
    let route = |strategy| Route { strategy, ..Route::of(LIST) };
    let only = bench.cache.get_by(route(Strategy::CacheOnly), LIST, || {}).await;
    assert_eq!(only.unwrap_err().code(), ErrorCode::NotDownloaded);
    bench.will(&[FRESH]);
    for _ in 0..3 {
        bench.clock.advance(400 * DAY);
        let got = bench.cache.get_by(route(Strategy::CacheFirst), LIST, || {}).await.unwrap();
        assert_eq!(&got.body[..], b"[1]");
    }
    assert_eq!(bench.requests(), 1);
    assert!(bench.cache.get_by(route(Strategy::CacheOnly), LIST, || {}).await.is_ok());
}

#[tokio::test]
async fn a_hundred_askers_are_one_request() {
    let bench = Bench::new();
    bench.will(&[FRESH]);
    let all = futures_util::future::join_all((0..100).map(|_| bench.get(ONE))).await;
    assert!(all.iter().all(|r| r.is_ok()));
    assert_eq!(bench.requests(), 1);
}

#[test]
fn a_damaged_cache_is_made_anew_and_the_old_one_set_aside() {
    let bench = Bench::new();
    drop(bench.cache);
    let file = bench.dir.path().join("cache.db");
    std::fs::write(&file, vec![7; 8192]).unwrap();
    let _ = std::fs::remove_file(bench.dir.path().join("cache.db-wal"));
    let cache = open(bench.dir.path(), &bench.net, &bench.clock, 2);
    assert_eq!(cache.counts(), Default::default());
    assert!(bench.dir.path().join("cache.db.damaged").exists());
}

#[test]
fn blobs_enter_only_with_the_right_hash_and_damage_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::noon());
    let content = [carrel_sqlite::Migration {
        number: 1,
        name: "content",
        sql: include_str!("../../../migrations/content/0001_content.sql"),
    }];
    let db = Db::open(&dir.path().join("content.db"), &content, 0).unwrap();
    let store = BlobStore::new(db, &dir.path().join("blobs"), clock).unwrap();
    for bytes in [Bytes::from_static(b"small"), Bytes::from(vec![3; 100_000])] {
        let hash = BlobHash::of(&bytes);
        let wrong = Bytes::from([b"x", &bytes[..]].concat());
        assert_eq!(store.put(hash, &wrong).unwrap_err().code(), ErrorCode::Corrupt);
        assert!(store.get(hash).unwrap().is_none());
        store.put(hash, &bytes).unwrap();
        assert_eq!(store.get(hash).unwrap().unwrap(), bytes);
        assert!(store.prove(hash).unwrap());
    }
    // A large blob in pieces: resumed after a cut, refused with a wrong end, then whole.
    let bytes = Bytes::from((0..200_000_u32).map(|n| n as u8).collect::<Vec<_>>());
    let hash = BlobHash::of(&bytes);
    store.part(hash).unwrap().write(&bytes[..70_000]).unwrap();
    let mut part = store.part(hash).unwrap();
    assert_eq!(part.len(), 70_000);
    part.write(&bytes[..130_000]).unwrap();
    assert_eq!(part.finish().unwrap_err().code(), ErrorCode::Corrupt);
    let mut part = store.part(hash).unwrap();
    assert!(part.is_empty(), "wrong bytes are not resumed");
    part.write(&bytes).unwrap();
    part.finish().unwrap();
    // One flipped bit on the disk.
    let hex = hash.to_hex();
    let file = dir.path().join("blobs").join(&hex[..2]).join(&hex);
    let mut damaged = std::fs::read(&file).unwrap();
    damaged[99_999] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    assert!(!store.prove(hash).unwrap());
    assert!(!store.has(hash).unwrap(), "a damaged blob is fetched again");
}
