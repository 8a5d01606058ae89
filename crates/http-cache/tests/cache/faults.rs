//! Runs the fault table: stored state, behaviour of the network, result required by the RFCs, and number of requests.
//! The same file is run with Workbox in a browser (`tests/workbox`). `CARREL_FAULTS_OUT` names a file for the results.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bytes::Bytes;
use carrel_http_cache::{Cached, Error, Origin, Route, Strategy};
use carrel_system::Clock;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::fixture::{Fixture, Net, ScriptedReply};

const TABLE: &str = include_str!("../../../../tests/faults/cases.json");

#[derive(Deserialize)]
struct Table {
    replies: HashMap<String, Answer>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    rfc: String,
    strategy: String,
    #[serde(default)]
    route: Times,
    /// Explanation of the row for readers.
    #[serde(default, rename = "note")]
    _note: String,
    steps: Vec<Step>,
}

/// Times in seconds; None: the strategy's default.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct Times {
    fresh_s: Option<u64>,
    stale_s: Option<u64>,
    if_error_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Events before the call.
    #[serde(default)]
    wait_s: i64,
    #[serde(default)]
    jump_s: i64,
    #[serde(default)]
    restart: bool,
    #[serde(default)]
    network_changed: bool,
    #[serde(default)]
    fill_disk: bool,
    /// Late answers are released before the call (`true`) or while it waits (`"while"`).
    #[serde(default)]
    release: Option<ReleaseTime>,
    /// The call.
    strategy: Option<String>,
    path: Option<String>,
    /// Tokens that Workbox sends with the call; those of Carrel are added below the cache.
    #[serde(default, rename = "headers")]
    _headers: BTreeMap<String, String>,
    many: Option<usize>,
    /// Results of the network for the expected requests, and for further ones.
    net: Vec<Scripted>,
    #[serde(default)]
    further_net: Vec<Scripted>,
    /// Results that the RFCs allow.
    answer: OneOf<String>,
    requests: OneOf<usize>,
    /// Fields of the last request.
    #[serde(default)]
    request_headers: BTreeMap<String, String>,
    /// Carrel's result where it differs, or is one of several allowed ones, with the reason.
    carrel: Option<Seen>,
    #[serde(default)]
    reason: String,
    /// Status that Carrel reports with the answer.
    #[serde(default)]
    marks: Marks,
    /// Why other caches skip this step.
    #[serde(default, rename = "skip")]
    _skip: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ReleaseTime {
    Before(#[allow(dead_code, reason = "only its presence matters")] bool),
    While(#[allow(dead_code, reason = "only its presence matters")] String),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Marks {
    stale: Option<bool>,
    offline: Option<bool>,
    from: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum OneOf<T> {
    One(T),
    Several(Vec<T>),
}

impl<T: PartialEq + Clone> OneOf<T> {
    fn all(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(all) => all,
        }
    }
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum Scripted {
    /// A name of the table's replies, or `refused`, `hang`, `flood`.
    Named(String),
    Late {
        late: String,
    },
    Cut {
        cut: String,
    },
    /// With a `Content-Length` greater than the body.
    Short {
        short: String,
    },
    Answer(Answer),
}

#[derive(Deserialize, Clone)]
struct Answer {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    /// A body of about this many bytes.
    body_of: Option<usize>,
}

/// Result of a step.
#[derive(Deserialize, Serialize, Clone, PartialEq, Eq, Debug)]
struct Seen {
    answer: String,
    requests: usize,
}

impl Table {
    fn reply(&self, answer: &Answer, now_ms: i64) -> ScriptedReply {
        // Servers send a `Date` (RFC 9110, 6.6.1); an empty `date` removes it.
        let own = answer.headers.contains_key("date");
        let date = (!own).then(|| ("date".to_owned(), "{now}".to_owned()));
        let headers = answer.headers.clone().into_iter().chain(date).filter(|(_, v)| !v.is_empty());
        let headers = headers.map(|(n, v)| (n, with_date(&v, now_ms)));
        let body = match answer.body_of {
            Some(n) => format!("[\"{}\"]", "x".repeat(n)),
            None => answer.body.clone(),
        };
        ScriptedReply {
            status: answer.status,
            headers: headers.collect(),
            body: body.into(),
            takes_ms: 0,
        }
    }
    fn net(&self, wire: &Scripted, now_ms: i64) -> Net {
        let named = |name: &str| {
            let reply = self.replies.get(name);
            self.reply(reply.unwrap_or_else(|| panic!("no reply is called {name}")), now_ms)
        };
        match wire {
            Scripted::Named(name) => match name.as_str() {
                "refused" => Net::Refused,
                "hang" => Net::TimesOut,
                "flood" => Net::Endless,
                name => Net::Answer(named(name)),
            },
            Scripted::Late { late } => Net::Late(named(late)),
            Scripted::Cut { cut } => Net::Cut(Bytes::from(cut.clone())),
            Scripted::Short { short } => {
                let mut reply = super::fixture::scripted(200, &[], "");
                reply.headers.push(("content-length".into(), (short.len() + 9).to_string()));
                reply.body = short.clone().into();
                Net::Answer(reply)
            }
            Scripted::Answer(answer) => Net::Answer(self.reply(answer, now_ms)),
        }
    }
}

/// Replaces `{now}`, `{now+60}`, `{now-60}` by HTTP dates.
fn with_date(value: &str, now_ms: i64) -> String {
    let Some(shift) = value.strip_prefix("{now").and_then(|v| v.strip_suffix('}')) else {
        return value.to_owned();
    };
    let shift: i64 = if shift.is_empty() { 0 } else { shift.parse().expect("seconds") };
    let at = std::time::UNIX_EPOCH
        + Duration::from_millis(u64::try_from(now_ms + shift * 1000).unwrap());
    httpdate::fmt_http_date(at)
}

/// Builds a route table for one case. "network-first" is `Cache::refresh`, and "cache-only" is `Cache::stored`.
fn routes(strategy: &str, times: Times) -> &'static [Route] {
    let s = Duration::from_secs;
    let (strategy, fresh, stale) = match strategy {
        "stale-while-revalidate" => (Strategy::StaleWhileRevalidate, 600, s(7 * 86_400)),
        "network-first" => (Strategy::StaleWhileRevalidate, 300, Duration::MAX),
        "cache-first" => (Strategy::CacheFirst, 600, Duration::MAX),
        "network-only" => (Strategy::NetworkOnly, 0, Duration::ZERO),
        "cache-only" => (Strategy::StaleWhileRevalidate, 600, Duration::MAX),
        other => panic!("no strategy is called {other}"),
    };
    let route = Route {
        pattern: "/*/*",
        strategy,
        fresh: s(times.fresh_s.unwrap_or(fresh)),
        stale: times.stale_s.map_or(stale, s),
        if_error: times.if_error_s.map_or(Duration::MAX, s),
    };
    Vec::leak(vec![route])
}

async fn answer(fixture: &Fixture, strategy: &str, path: &str) -> Result<Cached, Error> {
    match strategy {
        "network-first" => fixture.cache.refresh(path).await,
        "cache-only" => fixture.cache.stored(path).await,
        _ => fixture.cache.get(path, || {}).await,
    }
}

fn describe(answer: &Result<Cached, Error>) -> String {
    match answer {
        Ok(cached) if cached.body.len() > 1000 => "long".into(),
        Ok(cached) => String::from_utf8_lossy(&cached.body).into_owned(),
        Err(Error::Net(carrel_net::Error::Offline(_)) | Error::NotStored(_)) => "none".into(),
        Err(Error::Net(carrel_net::Error::BadReply { .. }) | Error::Corrupt(_)) => "refused".into(),
        Err(Error::Net(carrel_net::Error::Unauthenticated)) => "401".into(),
        Err(Error::NotFound(_)) => "404".into(),
        Err(Error::Net(carrel_net::Error::Server { status, .. })) => status.to_string(),
        Err(e) => format!("{e:?}"),
    }
}

async fn run_step(
    fixture: &mut Fixture,
    table: &Table,
    case: &Case,
    step: &Step,
) -> (Seen, Option<Cached>) {
    fixture.clock.advance(step.wait_s * 1000);
    fixture.clock.jump(step.jump_s * 1000);
    if step.restart {
        fixture.restart();
    }
    if step.network_changed {
        fixture.cache.network_changed();
    }
    if step.fill_disk {
        fixture.fill_disk();
    }
    if matches!(step.release, Some(ReleaseTime::Before(_))) {
        fixture.net.gate.add_permits(1);
        fixture.settle().await;
    }
    let before = fixture.requests();
    let now = fixture.clock.now_ms();
    fixture.net.next.lock().unwrap().clear();
    fixture.enqueue(step.net.iter().chain(&step.further_net).map(|w| table.net(w, now)));
    let path = step.path.as_deref().unwrap_or("/api/thing");

    let strategy = step.strategy.as_ref().unwrap_or(&case.strategy);
    let pending = join_all((0..step.many.unwrap_or(1)).map(|_| answer(fixture, strategy, path)));
    tokio::pin!(pending);
    let mut rounds = 0;
    let answers = loop {
        tokio::select! {
            biased;
            answers = &mut pending => break answers,
            is_idle = fixture.run_tasks() => if is_idle { rounds += 1 } else { continue },
        }
        // All remaining waits are for time or for a late answer.
        if rounds % 50 == 0 {
            fixture.clock.advance(500);
            let waits = rounds >= 50 * 10 && matches!(step.release, Some(ReleaseTime::While(_)));
            if waits {
                fixture.net.gate.add_permits(1);
            }
        }
        assert!(rounds < 50 * 200, "{}: no answer", case.name);
    };
    fixture.settle().await;
    let texts: Vec<String> = answers.iter().map(describe).collect();
    assert!(
        texts.windows(2).all(|w| w[0] == w[1]),
        "{}: callers got different answers: {texts:?}",
        case.name
    );
    let seen = Seen { answer: texts[0].clone(), requests: fixture.requests() - before };
    (seen, answers.into_iter().next().and_then(Result::ok))
}

fn check(step: &Step, seen: &Seen, cached: Option<&Cached>, fixture: &Fixture) -> Vec<String> {
    let mut problems = Vec::new();
    let (answers, requests) = (step.answer.all(), step.requests.all());
    // Of several allowed results Carrel returns the first.
    let expected = step
        .carrel
        .clone()
        .unwrap_or_else(|| Seen { answer: answers[0].clone(), requests: requests[0] });
    if *seen != expected {
        problems.push(format!("got {seen:?}, expected {expected:?}"));
    }
    let right = answers.contains(&expected.answer) && requests.contains(&expected.requests);
    if step.carrel.is_some() && step.reason.is_empty() {
        problems.push("differs without a reason".into());
    }
    if !right && step.carrel.is_none() {
        problems.push("the table contradicts itself".into());
    }
    for (name, value) in &step.request_headers {
        let sent = fixture.last_header(name);
        if sent.as_deref() != Some(value) {
            problems.push(format!("sent {name}: {sent:?}"));
        }
    }
    let marks = &step.marks;
    let from = cached.map(|c| match c.origin {
        Origin::Memory => "memory",
        Origin::Disk => "disk",
        Origin::Network => "network",
        Origin::Revalidated => "revalidated",
    });
    if marks.from.is_some() && marks.from.as_deref() != from {
        problems.push(format!("from {from:?}"));
    }
    if marks.stale.is_some() && marks.stale != cached.map(|c| c.stale) {
        problems.push(format!("stale {:?}", cached.map(|c| c.stale)));
    }
    if marks.offline.is_some() && marks.offline != cached.map(|c| c.offline) {
        problems.push(format!("offline {:?}", cached.map(|c| c.offline)));
    }
    if let Some(status) = &marks.status {
        let text = cached.map(|c| c.status.to_string()).unwrap_or_default();
        if text != *status {
            problems.push(format!("status {text:?}"));
        }
    }
    problems
}

#[tokio::test]
async fn every_row_of_the_fault_table() {
    let table: Table = serde_json::from_str(TABLE).expect("the table can be read");
    assert!(table.cases.len() >= 100, "{} cases", table.cases.len());
    let (mut problems, mut results) = (Vec::new(), Vec::new());
    for case in &table.cases {
        assert!(!case.rfc.is_empty(), "{}: no source", case.name);
        let mut fixture = Fixture::with_routes(routes(&case.strategy, case.route));
        let mut all = Vec::new();
        for (n, step) in case.steps.iter().enumerate() {
            let (seen, cached) = run_step(&mut fixture, &table, case, step).await;
            for problem in check(step, &seen, cached.as_ref(), &fixture) {
                problems.push(format!(
                    "{}: {}: step {}: {problem}",
                    case.strategy,
                    case.name,
                    n + 1
                ));
            }
            all.push(seen);
        }
        results.push(
            serde_json::json!({ "strategy": case.strategy, "name": case.name, "steps": all }),
        );
    }
    if let Some(file) = std::env::var_os("CARREL_FAULTS_OUT") {
        std::fs::write(file, serde_json::to_vec(&results).unwrap())
            .expect("the results are written");
    }
    assert!(
        problems.is_empty(),
        "{} of {} cases:\n{}",
        problems.len(),
        table.cases.len(),
        problems.join("\n")
    );
}
