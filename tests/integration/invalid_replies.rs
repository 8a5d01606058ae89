//! Invalid replies at every endpoint that the client uses: each is reported with an error code, no row is lost, no call
//! waits forever, and after valid replies everything works again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use carrel_client::{Client, Error, OpenAccount};
use carrel_content::{Kind, library::Filter};
use carrel_model::{
    BlobHash, ErrorCode,
    content::SignedManifest,
    lattice::{Row, RowKey},
};
use carrel_net::{Failure, FailureKind, Reply, Request};
use carrel_sync::Phase;
use carrel_system::Clock;
use carrel_testkit::{
    Answer, FakeClock, Network, Rows, TestServer, content,
    device::PASSWORD,
    hostile::{endless_body, portal, redirect, slow_body, truncated},
    oracle::{check_no_loss, compare},
    reply::{header, json, problem, reply},
    scratch::scratch,
};
use http::{HeaderMap, header as names};
use serde_json::json;

use crate::client::{self, finish_section, sync};

/// A call of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Check,
    SignIn,
    Push,
    Pull,
    Refresh,
    Courses,
    Manifest,
    Blob,
}

impl Call {
    /// Returns the path that receives the invalid reply.
    fn path(self) -> &'static str {
        match self {
            Self::Check => "/api/meta",
            Self::SignIn => "/api/auth/login",
            Self::Push => "/api/sync/push",
            Self::Pull => "/api/sync/pull",
            Self::Refresh => "/api/auth/refresh",
            Self::Courses => "/api/courses?",
            Self::Manifest => "/api/courses/rivers/manifest",
            Self::Blob => "/api/blobs/",
        }
    }
}

/// Values that an invalid reply may contain.
#[derive(Clone)]
struct Context {
    clock: FakeClock,
    epoch: String,
    manifest: SignedManifest,
}

type MakeReply = fn(&Context, &Request) -> Result<Reply, Failure>;

/// Maximum duration of a call, in virtual time. Push, pull and a round of the scheduler may run concurrently, and each
/// slow reply advances the shared clock.
const MAX_WAIT_MS: i64 = 90 * 60_000;

fn slow(context: &Context) -> Result<Reply, Failure> {
    Ok(slow_body("application/json", context.clock.clone(), Duration::from_secs(20), 400))
}
fn deep_json() -> Bytes {
    "[".repeat(200_000).into()
}
fn pull(
    context: &Context,
    rows: serde_json::Value,
    next: serde_json::Value,
    more: bool,
) -> Result<Reply, Failure> {
    Ok(json(
        json!({ "epoch": context.epoch, "rows": rows, "next": next, "more": more }).to_string(),
    ))
}
fn since(request: &Request) -> u64 {
    let text = request.url.split("since=").nth(1).and_then(|s| s.split('&').next());
    text.and_then(|s| s.parse().ok()).unwrap_or(0)
}
fn progress(percent: u32) -> serde_json::Value {
    json!({ "type": "progress", "kind": "section", "item": "rivers/never/was", "percent": percent })
}
fn push(context: &Context, results: serde_json::Value) -> Result<Reply, Failure> {
    Ok(json(json!({ "epoch": context.epoch, "usn": 1_000, "results": results }).to_string()))
}
fn signed(change: impl FnOnce(&mut SignedManifest), context: &Context) -> Result<Reply, Failure> {
    let mut manifest = context.manifest.clone();
    change(&mut manifest);
    Ok(json(serde_json::to_vec(&manifest).unwrap_or_default()))
}

/// Call, description of the reply, the reply, and the error code that the UI receives.
type Case = (Call, &'static str, MakeReply, Option<ErrorCode>);

fn cases() -> Vec<Case> {
    use Call::{Blob, Check, Courses, Manifest, Pull, Push, Refresh, SignIn};
    use ErrorCode as E;
    vec![
        // Checking the server's address.
        (Check, "a captive portal page", |_, _| Ok(portal()), Some(E::BadReply)),
        (Check, "a redirect", |_, _| Ok(redirect()), Some(E::BadReply)),
        (Check, "unrelated JSON", |_, _| Ok(json("{\"ok\":true}")), Some(E::BadReply)),
        (Check, "an empty body", |_, _| Ok(json("")), Some(E::BadReply)),
        (Check, "truncated JSON", |_, _| Ok(json("{\"name\":\"Riv")), Some(E::BadReply)),
        (Check, "invalid UTF-8", |_, _| Ok(json(&b"\xff\xfe\x00\x01"[..])), Some(E::BadReply)),
        (
            Check,
            "an endless body",
            |_, _| Ok(endless_body("application/json", b" ")),
            Some(E::BadReply),
        ),
        (Check, "a slow body", |f, _| slow(f), Some(E::Offline)),
        (
            Check,
            "500 of a proxy",
            |_, _| Ok(reply(500, "text/html", "<h1>oops</h1>")),
            Some(E::Unavailable),
        ),
        (
            Check,
            "404 of another site",
            |_, _| Ok(reply(404, "text/html", "<h1>404</h1>")),
            Some(E::BadReply),
        ),
        (
            Check,
            "refused",
            |_, _| Err(Failure::new(FailureKind::Connect, "refused")),
            Some(E::Offline),
        ),
        // Signing in.
        (SignIn, "a captive portal page", |_, _| Ok(portal()), Some(E::BadReply)),
        (SignIn, "a redirect", |_, _| Ok(redirect()), Some(E::BadReply)),
        (SignIn, "unrelated JSON", |_, _| Ok(json("{\"user\":{}}")), Some(E::BadReply)),
        (SignIn, "deep JSON", |_, _| Ok(json(deep_json())), Some(E::BadReply)),
        (
            SignIn,
            "an endless body",
            |_, _| Ok(endless_body("application/json", b"[")),
            Some(E::BadReply),
        ),
        (SignIn, "a slow body", |f, _| slow(f), Some(E::Offline)),
        (
            SignIn,
            "too many attempts",
            |_, _| Ok(problem(429, E::RateLimited, Some(60))),
            Some(E::RateLimited),
        ),
        (
            SignIn,
            "a wrong password",
            |_, _| Ok(problem(401, E::BadCredentials, None)),
            Some(E::BadCredentials),
        ),
        (
            SignIn,
            "403 of a firewall",
            |_, _| Ok(reply(403, "text/html", "blocked")),
            Some(E::BadReply),
        ),
        // Pushing.
        (Push, "a captive portal page", |_, _| Ok(portal()), Some(E::BadReply)),
        (Push, "a redirect", |_, _| Ok(redirect()), Some(E::BadReply)),
        (Push, "unrelated JSON", |_, _| Ok(json("{}")), Some(E::BadReply)),
        (Push, "an empty body", |_, _| Ok(reply(204, "", "")), Some(E::BadReply)),
        (Push, "deep JSON", |_, _| Ok(json(deep_json())), Some(E::BadReply)),
        (
            Push,
            "an endless body",
            |_, _| Ok(endless_body("application/json", b"{\"epoch\":")),
            Some(E::BadReply),
        ),
        (Push, "a slow body", |f, _| slow(f), Some(E::Offline)),
        (
            Push,
            "a truncated body",
            |_, _| {
                Ok(truncated(
                    200,
                    HeaderMap::new(),
                    &Bytes::from_static(b"{\"epoch\":\"x\",\"usn\":1}"),
                    9,
                ))
            },
            Some(E::Offline),
        ),
        (Push, "no results", |f, _| push(f, json!([])), Some(E::BadReply)),
        (
            Push,
            "a duplicate result",
            |f, _| push(f, json!([{ "index": 0, "code": "ok" }, { "index": 0, "code": "ok" }])),
            Some(E::BadReply),
        ),
        (
            Push,
            "a result for an unknown index",
            |f, _| push(f, json!([{ "index": 7, "code": "ok" }])),
            Some(E::BadReply),
        ),
        (
            Push,
            "a negative index",
            |f, _| push(f, json!([{ "index": -1, "code": "ok" }])),
            Some(E::BadReply),
        ),
        (
            Push,
            "an unknown code",
            |f, _| push(f, json!([{ "index": 0, "code": "splendid" }])),
            Some(E::BadReply),
        ),
        (
            Push,
            "no epoch",
            |_, _| {
                Ok(json("{\"epoch\":\"\",\"usn\":1,\"results\":[{\"index\":0,\"code\":\"ok\"}]}"))
            },
            Some(E::BadReply),
        ),
        (
            Push,
            "401 of a proxy",
            |_, _| Ok(reply(401, "text/html", "who are you")),
            Some(E::BadReply),
        ),
        (
            Push,
            "401 without a reason",
            |_, _| Ok(problem(401, E::Unauthenticated, None)),
            Some(E::Unauthenticated),
        ),
        (
            Push,
            "413 of a proxy",
            |_, _| Ok(reply(413, "text/html", "too large")),
            Some(E::TooLarge),
        ),
        (Push, "429", |_, _| Ok(problem(429, E::RateLimited, Some(5))), Some(E::RateLimited)),
        (
            Push,
            "Retry-After of a year",
            |_, _| Ok(header(reply(503, "text/html", "later"), names::RETRY_AFTER, "31536000")),
            Some(E::Unavailable),
        ),
        (Push, "500", |_, _| Ok(problem(500, E::Internal, None)), Some(E::Unavailable)),
        (
            Push,
            "404: no such route",
            |_, _| Ok(problem(404, E::NotFound, None)),
            Some(E::Unavailable),
        ),
        (Push, "a newer protocol", |_, _| Ok(problem(426, E::TooNew, None)), Some(E::TooNew)),
        // Pulling.
        (Pull, "a captive portal page", |_, _| Ok(portal()), Some(E::BadReply)),
        (Pull, "unrelated JSON", |_, _| Ok(json("[]")), Some(E::BadReply)),
        (
            Pull,
            "an endless body",
            |_, _| Ok(endless_body("application/json", b"{\"rows\":[")),
            Some(E::BadReply),
        ),
        (Pull, "a slow body", |f, _| slow(f), Some(E::Offline)),
        (
            Pull,
            "a cursor that decreases",
            |f, _| pull(f, json!([{ "usn": 900_000, "row": progress(1) }]), json!(1), false),
            Some(E::BadReply),
        ),
        (
            Pull,
            "a cursor that does not advance",
            |f, r| pull(f, json!([]), json!(since(r)), true),
            Some(E::BadReply),
        ),
        (
            Pull,
            "a cursor beyond the last row",
            |f, _| pull(f, json!([]), json!(i64::MAX), false),
            Some(E::BadReply),
        ),
        (
            Pull,
            "a cursor out of range",
            |f, _| pull(f, json!([]), json!(u64::MAX), false),
            Some(E::BadReply),
        ),
        (Pull, "a negative cursor", |f, _| pull(f, json!([]), json!(-1), false), Some(E::BadReply)),
        (
            Pull,
            "rows before the cursor",
            |f, r| pull(f, json!([{ "usn": 0, "row": progress(1) }]), json!(since(r)), false),
            Some(E::BadReply),
        ),
        (
            Pull,
            "rows without change numbers",
            |f, r| pull(f, json!([{ "row": progress(1) }]), json!(since(r)), false),
            Some(E::BadReply),
        ),
        (
            Pull,
            "401 of a proxy",
            |_, _| Ok(reply(401, "text/html", "who are you")),
            Some(E::BadReply),
        ),
        (Pull, "503", |_, _| Ok(reply(503, "text/html", "later")), Some(E::Unavailable)),
        // Refreshing the token, after the access token has expired.
        (Refresh, "a captive portal page", |_, _| Ok(portal()), Some(E::Offline)),
        (Refresh, "a redirect", |_, _| Ok(redirect()), Some(E::BadReply)),
        (Refresh, "unrelated JSON", |_, _| Ok(json("{\"accessToken\":7}")), Some(E::Offline)),
        (
            Refresh,
            "an endless body",
            |_, _| Ok(endless_body("application/json", b"{")),
            Some(E::BadReply),
        ),
        (Refresh, "a slow body", |f, _| slow(f), Some(E::Offline)),
        (
            Refresh,
            "401 of a proxy",
            |_, _| Ok(reply(401, "text/html", "who are you")),
            Some(E::BadReply),
        ),
        (Refresh, "500", |_, _| Ok(problem(500, E::Internal, None)), Some(E::Unavailable)),
        (
            Refresh,
            "the session has ended",
            |_, _| Ok(problem(401, E::Unauthenticated, None)),
            Some(E::Unauthenticated),
        ),
        // The library.
        (Courses, "a captive portal page", |_, _| Ok(portal()), Some(E::BadReply)),
        (Courses, "unrelated JSON", |_, _| Ok(json("{\"ok\":true}")), Some(E::BadReply)),
        (Courses, "truncated JSON", |_, _| Ok(json("{\"items\":[")), Some(E::BadReply)),
        (
            Courses,
            "an endless body",
            |_, _| Ok(endless_body("application/json", b" ")),
            Some(E::BadReply),
        ),
        (Courses, "a slow body", |f, _| slow(f), Some(E::Offline)),
        (Courses, "500", |_, _| Ok(problem(500, E::Internal, None)), Some(E::Internal)),
        (Courses, "429", |_, _| Ok(problem(429, E::RateLimited, Some(5))), Some(E::RateLimited)),
        (Manifest, "a captive portal page", |_, _| Ok(portal()), Some(E::BadReply)),
        (Manifest, "unrelated JSON", |_, _| Ok(json("{}")), Some(E::Corrupt)),
        (
            Manifest,
            "one byte changed",
            |f, _| signed(|m| m.manifest = m.manifest.replacen("Rivers", "Rovers", 1), f),
            Some(E::Corrupt),
        ),
        (
            Manifest,
            "a wrong signature",
            |f, _| signed(|m| m.signature = "0".repeat(128), f),
            Some(E::Corrupt),
        ),
        (Manifest, "another key", |f, _| signed(|m| m.key = "ab".repeat(32), f), Some(E::Corrupt)),
        (Manifest, "404", |_, _| Ok(problem(404, E::NotFound, None)), Some(E::NotFound)),
        (Blob, "a captive portal page", |_, _| Ok(portal()), Some(E::BadReply)),
        (
            Blob,
            "other bytes",
            |_, _| Ok(reply(200, "application/octet-stream", "unrelated bytes")),
            Some(E::Corrupt),
        ),
        (Blob, "a redirect", |_, _| Ok(redirect()), Some(E::BadReply)),
        (Blob, "404", |_, _| Ok(problem(404, E::NotFound, None)), Some(E::NotFound)),
        (
            Blob,
            "an endless body",
            |_, _| Ok(endless_body("application/octet-stream", &[0; 1024])),
            Some(E::BadReply),
        ),
        (Blob, "a slow body", |f, _| slow(f), Some(E::NotDownloaded)),
        (
            Blob,
            "a truncated body",
            // Not the bytes of the partial file of an earlier case.
            |_, _| Ok(truncated(200, HeaderMap::new(), &Bytes::from_static(b"0123456789"), 5)),
            Some(E::BadReply),
        ),
    ]
}

/// Runs the call and returns the code of its error, if any.
async fn call(
    call: Call,
    client: &Arc<Client>,
    account: &OpenAccount,
    server: &TestServer,
    n: usize,
) -> Option<ErrorCode> {
    let library = &account.content.library;
    let all = Filter { limit: 50, ..Filter::default() };
    let code = |r: Result<(), Error>| r.err().map(|e| e.code());
    let of_content = |r: Result<(), carrel_content::Error>| r.err().map(|e| e.code());
    match call {
        Call::Check => code(client.check_server(&server.url()).await.map(drop)),
        Call::SignIn => code(client.sign_in(&server.url(), "asha", PASSWORD).await.map(drop)),
        Call::Push | Call::Pull | Call::Refresh => {
            account.learning.record(step(n)).await.expect("recorded");
            account.sync.sync_now().await.expect("the state of sync").error
        }
        Call::Courses => of_content(library.courses(&all).await.map(drop)),
        Call::Manifest => {
            of_content(library.manifest(Kind::Course, &content::course()).await.map(drop))
        }
        Call::Blob => of_content(library.blob(BlobHash::of(b"never seen")).await.map(drop)),
    }
}

/// Returns a step for case `n`.
fn step(n: usize) -> carrel_learning::Step {
    let item = content::item(&format!("rivers/row/n{n}"));
    carrel_learning::Step { item, ..finish_section(0) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_invalid_reply_has_its_error_code_and_changes_nothing() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let http = Network::over(server.direct());
    let client = client::open(dir.path(), http.clone(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let user = client.account_info().expect("the account").user.id;
    account.learning.record(step(9_999)).await.expect("recorded");
    assert_eq!(sync(&account).await.waiting, 0);
    let epoch =
        account.store.read(carrel_learning::store::state::load).await.expect("the state").epoch;
    let context = Context { clock: clock.clone(), epoch, manifest: server_manifest(&server).await };

    let cases = cases();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for (n, (what, name, make_reply, expected)) in cases.into_iter().enumerate() {
        // Retry delays of the previous case end; tokens expire.
        if what != Call::Refresh {
            clock.advance(16 * 60_000);
            sync(&account).await;
        }
        let before = client::rows(&account).await;
        let reply_context = context.clone();
        http.intercept(move |request| {
            let hit = request.url.contains(what.path());
            hit.then(|| make_reply(&reply_context, request))
        });
        if what == Call::Refresh {
            // Only now: otherwise a background round would refresh the token before the rule is set.
            clock.advance(16 * 60_000);
        }
        let started_ms = clock.monotonic_ms();
        let actual = call(what, &client, &account, &server, n).await;
        let took = clock.monotonic_ms() - started_ms;
        http.stop_intercepting();
        if actual != expected {
            failures.push(format!("{what:?}, {name}: error {actual:?}, expected {expected:?}"));
        }
        if took > MAX_WAIT_MS {
            failures.push(format!("{what:?}, {name}: took {} min", took / 60_000));
        }
        if let Err(e) = check_recovery(&client, &account, &server, &before, n).await {
            failures.push(format!("{what:?}, {name}: {e}"));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    compare(("server", &server.rows(user).await), ("device", &client::rows(&account).await))
        .expect("both agree");
    account
        .content
        .library
        .courses(&Filter { limit: 50, ..Filter::default() })
        .await
        .expect("the list of courses");
    account.content.library.manifest(Kind::Course, &content::course()).await.expect("the manifest");
}

/// Checks that the file is intact, that no row is lost or quarantined, and that all rows are sent after valid replies.
async fn check_recovery(
    client: &Client,
    account: &OpenAccount,
    server: &TestServer,
    before: &Rows,
    n: usize,
) -> Result<(), String> {
    let after = client::rows(account).await;
    check_no_loss("the device", before, &after, true)?;
    let integrity = account.store.read(|conn| Ok(carrel_sqlite::integrity_check(conn)?)).await;
    integrity.map_err(|e| e.to_string())?;
    if account.sync.sync_now().await.is_ok_and(|s| s.phase == Phase::SignedOut) {
        client
            .sign_in(&server.url(), "asha", PASSWORD)
            .await
            .map_err(|e| format!("cannot sign in again: {e}"))?;
    }
    // The next pull must contain a row from another device.
    let user = client.account_info().ok_or("no account is open")?.user.id;
    let pushed = push_from_another_device(server, user, n).await;
    let status = sync(account).await;
    if (status.waiting, status.refused, status.phase) != (0, 0, Phase::Idle) {
        return Err(format!("after valid replies: {status:?}"));
    }
    match client::rows(account).await.contains_key(&pushed) {
        true => Ok(()),
        false => Err("rows of other devices are no longer received".into()),
    }
}

/// Writes a row to the server as if another device had sent it.
async fn push_from_another_device(
    server: &TestServer,
    user: carrel_model::UserId,
    n: usize,
) -> RowKey {
    let progress = json!({ "type": "progress", "kind": "section", "item": format!("rivers/elsewhere/n{n}"), "percent": 100 });
    let row: Row = serde_json::from_value(progress).expect("a row");
    let key = row.key();
    let store = &server.running().data().store;
    store.push(user, vec![row], false, server.clock().now_ms()).await.expect("pushed");
    key
}

async fn server_manifest(server: &TestServer) -> SignedManifest {
    let store = &server.running().data().store;
    let kind = carrel_server::store::Kind::Course;
    let published = store.published(kind, &content::course()).await;
    serde_json::from_str(&published.expect("the catalogue").expect("the course").manifest)
        .expect("a manifest")
}

/// A valid stored reply stays in use after an invalid reply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_reply_does_not_replace_a_valid_one() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let http = Network::over(server.direct());
    let client = client::open(dir.path(), http.clone(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let library = &account.content.library;
    let all = || Filter { limit: 50, ..Filter::default() };
    library.courses(&all()).await.expect("the list");
    let good = library
        .manifest(Kind::Course, &content::course())
        .await
        .expect("the manifest")
        .value
        .version;
    type Bad = (&'static str, fn() -> Reply);
    let bad: [Bad; 9] = [
        ("a captive portal page", portal),
        ("unrelated JSON", || json("{\"ok\":true}")),
        ("an endless body", || endless_body("application/json", b" ")),
        ("500", || problem(500, ErrorCode::Internal, None)),
        ("an empty body", || json("")),
        ("404 of another site", || reply(404, "text/html", "<h1>404</h1>")),
        ("403 of a firewall", || reply(403, "text/html", "blocked")),
        ("a redirect", redirect),
        ("a list of something else", || json("[]")),
    ];
    for (name, make_reply) in bad {
        clock.advance(3_600_000);
        http.intercept(move |r| r.url.contains("/api/courses").then(make_reply));
        let _ = library.manifest(Kind::Course, &content::course()).await;
        let _ = library.courses(&all()).await;
        // Without a network, the stored valid reply must still be used.
        http.intercept(|_| Answer::refused());
        clock.advance(60_000);
        let stored = library.manifest(Kind::Course, &content::course()).await;
        let stored = stored
            .unwrap_or_else(|e| panic!("after {name:?} the course does not open offline: {e}"));
        assert_eq!(stored.value.version, good, "after {name:?}");
        let listed = library
            .courses(&all())
            .await
            .unwrap_or_else(|e| panic!("after {name:?} the library does not open: {e}"));
        assert_eq!(listed.value.items.len(), 1, "after {name:?}");
    }
}
