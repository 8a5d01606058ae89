//! Runs the fault table: stored state, behaviour of the network, result required by the RFCs, and number of requests.
//! The same file is run with Workbox in a browser (`tests/workbox`). `CARREL_FAULTS_OUT` names a file for the results.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bytes::Bytes;
use carrel_http_cache::{Cached, Error, Origin, Route, Strategy};
use carrel_system::Clock;
use carrel_testkit::{
    Answer,
    hostile::{endless_body, truncated},
    reply::{json, with_headers},
};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::fixture::{Fixture, reply};

const TABLE: &str = include_str!("../../../../tests/faults/cases.json");

#[derive(Deserialize)]
struct Table {
    replies: HashMap<String, ReplySpec>,
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

/// Times in seconds. `None`: the default of the strategy.
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
    /// Events before the call: this and the next four fields.
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
    /// Late replies are sent before the call (`true`) or while it waits (`"while"`).
    #[serde(default)]
    release: Option<ReleaseTime>,
    /// The call: this and the next three fields.
    strategy: Option<String>,
    path: Option<String>,
    /// Tokens that Workbox sends with the call. Carrel adds tokens below the cache.
    #[serde(default, rename = "headers")]
    _headers: BTreeMap<String, String>,
    many: Option<usize>,
    /// Results of the network for the expected requests; `further_net` for additional ones.
    net: Vec<Scripted>,
    #[serde(default)]
    further_net: Vec<Scripted>,
    /// Results that the RFCs allow.
    response: OneOf<String>,
    requests: OneOf<usize>,
    /// Fields of the last request.
    #[serde(default)]
    request_headers: BTreeMap<String, String>,
    /// Carrel's result if it differs, or is not the first of the allowed ones; `reason` explains it.
    carrel: Option<StepResult>,
    #[serde(default)]
    reason: String,
    /// Status that Carrel reports with the response.
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
    /// A key of `Table::replies`, or `refused`, `hang` or `flood`.
    Named(String),
    Late {
        late: String,
    },
    Cut {
        cut: String,
    },
    /// A body shorter than its `Content-Length`.
    Short {
        short: String,
    },
    Inline(ReplySpec),
}

#[derive(Deserialize, Clone)]
struct ReplySpec {
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
struct StepResult {
    response: String,
    requests: usize,
}

impl Table {
    fn reply(&self, spec: &ReplySpec, now_ms: i64) -> Answer {
        // Servers send a `Date` (RFC 9110, 6.6.1); an empty `date` removes it.
        let own = spec.headers.contains_key("date");
        let date = (!own).then(|| ("date".to_owned(), "{now}".to_owned()));
        let headers = spec.headers.clone().into_iter().chain(date).filter(|(_, v)| !v.is_empty());
        let headers: Vec<_> = headers.map(|(n, v)| (n, with_date(&v, now_ms))).collect();
        let body = match spec.body_of {
            Some(n) => format!("[\"{}\"]", "x".repeat(n)),
            None => spec.body.clone(),
        };
        let headers = headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        with_headers(spec.status, headers, body).into()
    }
    fn answer(&self, scripted: &Scripted, fixture: &Fixture) -> Answer {
        let now_ms = fixture.clock.now_ms();
        let named = |name: &str| {
            let reply = self.replies.get(name);
            self.reply(reply.unwrap_or_else(|| panic!("no reply is called {name}")), now_ms)
        };
        match scripted {
            Scripted::Named(name) => match name.as_str() {
                "refused" => Answer::refused(),
                "hang" => Answer::TimeOut(fixture.clock.clone()),
                "flood" => endless_body("application/json", b" ").into(),
                name => named(name),
            },
            Scripted::Late { late } => named(late).held(&fixture.gate),
            Scripted::Cut { cut } => {
                let whole = json("");
                truncated(whole.status, whole.headers, &Bytes::from(cut.clone()), cut.len()).into()
            }
            Scripted::Short { short } => {
                let length = (short.len() + 9).to_string();
                reply(200, &[("content-length", &length)], short.clone())
            }
            Scripted::Inline(spec) => self.reply(spec, now_ms),
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

/// Builds a route table for one case. `cache-only` is tested with `Cache::stored`.
fn routes(strategy: &str, times: Times) -> &'static [Route] {
    let s = Duration::from_secs;
    let (strategy, fresh, stale) = match strategy {
        "stale-while-revalidate" => (Strategy::StaleWhileRevalidate, 600, s(7 * 86_400)),
        "network-first" => (Strategy::NetworkFirst, 300, Duration::MAX),
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

async fn call(fixture: &Fixture, strategy: &str, path: &str) -> Result<Cached, Error> {
    match strategy {
        "cache-only" => fixture.cache.stored(path).await,
        _ => fixture.cache.get(path, || {}).await,
    }
}

fn describe(result: &Result<Cached, Error>) -> String {
    match result {
        Ok(cached) if cached.body.len() > 1000 => "long".into(),
        Ok(cached) => String::from_utf8_lossy(&cached.body).into_owned(),
        Err(Error::Net(carrel_net::Error::Offline { .. }) | Error::NotStored(_)) => "none".into(),
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
) -> (StepResult, Option<Cached>) {
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
        fixture.gate.add_permits(1);
        fixture.settle().await;
    }
    let before = fixture.requests();
    fixture.net.clear_queue();
    fixture.enqueue(step.net.iter().chain(&step.further_net).map(|s| table.answer(s, fixture)));
    let path = step.path.as_deref().unwrap_or("/api/thing");

    let strategy = step.strategy.as_ref().unwrap_or(&case.strategy);
    let pending = join_all((0..step.many.unwrap_or(1)).map(|_| call(fixture, strategy, path)));
    tokio::pin!(pending);
    let mut rounds = 0;
    let results = loop {
        tokio::select! {
            biased;
            results = &mut pending => break results,
            is_idle = fixture.run_tasks() => if is_idle { rounds += 1 } else { continue },
        }
        // All tasks wait for time or for a late reply.
        if rounds % 50 == 0 {
            fixture.clock.advance(500);
            let waits = rounds >= 50 * 10 && matches!(step.release, Some(ReleaseTime::While(_)));
            if waits {
                fixture.gate.add_permits(1);
            }
        }
        assert!(rounds < 50 * 200, "{}: no result", case.name);
    };
    fixture.settle().await;
    let texts: Vec<String> = results.iter().map(describe).collect();
    assert!(
        texts.windows(2).all(|w| w[0] == w[1]),
        "{}: callers received different responses: {texts:?}",
        case.name
    );
    let result = StepResult { response: texts[0].clone(), requests: fixture.requests() - before };
    (result, results.into_iter().next().and_then(Result::ok))
}

fn check(
    step: &Step,
    result: &StepResult,
    cached: Option<&Cached>,
    fixture: &Fixture,
) -> Vec<String> {
    let mut problems = Vec::new();
    let (responses, requests) = (step.response.all(), step.requests.all());
    // Of several allowed results Carrel returns the first.
    let expected = step
        .carrel
        .clone()
        .unwrap_or_else(|| StepResult { response: responses[0].clone(), requests: requests[0] });
    if *result != expected {
        problems.push(format!("got {result:?}, expected {expected:?}"));
    }
    let right = responses.contains(&expected.response) && requests.contains(&expected.requests);
    if step.carrel.is_some() && step.reason.is_empty() {
        problems.push("`carrel` without a `reason`".into());
    }
    if !right && step.carrel.is_none() {
        problems.push("the expected result is not one of the allowed ones".into());
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
async fn every_case_of_the_fault_table_has_the_expected_result() {
    let table: Table = serde_json::from_str(TABLE).expect("the table can be read");
    assert!(table.cases.len() >= 100, "{} cases", table.cases.len());
    let (mut problems, mut results) = (Vec::new(), Vec::new());
    for case in &table.cases {
        assert!(!case.rfc.is_empty(), "{}: no section of an RFC", case.name);
        let mut fixture = Fixture::with_routes(routes(&case.strategy, case.route));
        let mut all = Vec::new();
        for (n, step) in case.steps.iter().enumerate() {
            let (result, cached) = run_step(&mut fixture, &table, case, step).await;
            for problem in check(step, &result, cached.as_ref(), &fixture) {
                problems.push(format!(
                    "{}: {}: step {}: {problem}",
                    case.strategy,
                    case.name,
                    n + 1
                ));
            }
            all.push(result);
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
