//! Tests of the phase after requests of other parts of the app, and after a lost event stream. All requests of a
//! session are observed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use carrel_net::{
    Contact, Failure, FailureKind, Http, PATIENCE, Request, Result, SecretStore, Session, Tokens,
};
use carrel_sqlite::Change;
use carrel_sync::{Engine, Machine, Phase, Sync, Transport, machine::CHECK_SPREAD_MS};
use carrel_testkit::{Answer, FakeClock, FakeServer, Network, SeededIds, reply, within_a_minute};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use crate::world::Device;

const BASE: &str = FakeServer::BASE;

/// Returns a session whose requests `network` answers.
async fn session(network: &Arc<Network>, clock: &FakeClock) -> Session {
    let session = Session::new(network.clone(), BASE, "me", Arc::new(NoSecrets))
        .with_clock(Arc::new(clock.clone()));
    let tokens = Tokens {
        access: "access".into(),
        refresh: "refresh".into(),
        refresh_ms: 0,
        good_until_ms: 0,
        certificate: String::new(),
    };
    session.renew(tokens).await.unwrap();
    session
}
fn list() -> Request {
    Request::get(format!("{BASE}/api/courses"))
}
fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "simulated")
}
/// Secrets that are not stored.
struct NoSecrets;

impl SecretStore for NoSecrets {
    fn get(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }
    fn set(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }
    fn delete(&self, _: &str) -> Result<()> {
        Ok(())
    }
}

/// Advances the clock by at most `within` until the phase is `expected`; returns the advanced time. The phase before is
/// one of `allowed`.
async fn time_until(
    sync: &Sync,
    clock: &FakeClock,
    (allowed, expected): (&[Phase], Phase),
    within: Duration,
) -> Duration {
    let mut passed = 0;
    within_a_minute("a phase", async {
        loop {
            for _ in 0..100 {
                let phase = sync.status().await.unwrap().phase;
                if phase == expected {
                    return;
                }
                assert!(allowed.contains(&phase), "{phase:?} after {passed} ms");
                tokio::task::yield_now().await;
            }
            assert!(passed < within.as_millis() as i64, "no {expected:?} after {passed} ms");
            clock.advance(100);
            passed += 100;
        }
    })
    .await;
    Duration::from_millis(passed.unsigned_abs())
}

#[tokio::test]
async fn each_outcome_of_a_request_has_its_contact() {
    use FailureKind::{Broken, Connect, Decode, Request as Invalid, Timeout, TooLarge};
    let table = [
        (Connect, Contact::Unreachable),
        (Timeout, Contact::Unreachable),
        (Broken, Contact::Unreachable),
        // The server replied, or the request was never sent.
        (Decode, Contact::Reached),
        (TooLarge, Contact::Reached),
        (Invalid, Contact::Reached),
    ];
    for (kind, expected) in table {
        let clock = FakeClock::noon();
        let network = Network::new(|_: &Request| Answer::from(reply::json("{}")));
        let session = session(&network, &clock).await;
        let contact = session.contact();
        assert_eq!(*contact.borrow(), Contact::Unknown);
        session.send(list()).await.unwrap();
        assert_eq!(*contact.borrow(), Contact::Reached);
        network.enqueue([failure(kind).into()]);
        session.send(list()).await.err().unwrap();
        assert_eq!(*contact.borrow(), expected, "{kind:?}");
        // A request to another server proves nothing.
        session.send(Request::get("http://elsewhere/x")).await.unwrap();
        assert_eq!(*contact.borrow(), expected, "{kind:?}");
        // Any reply ends the state, also an error.
        network.enqueue([(503, "busy").into()]);
        session.send(list()).await.unwrap();
        assert_eq!(*contact.borrow(), Contact::Reached, "{kind:?}");
    }
}

#[tokio::test]
async fn a_failure_beside_other_replies_is_only_doubtful() {
    let clock = FakeClock::noon();
    let network = Network::new(|_: &Request| Answer::from(reply::json("{}")));
    let session = session(&network, &clock).await;
    let contact = session.contact();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    network.enqueue([Answer::from(failure(FailureKind::Broken)).held(&gate)]);
    let held = tokio::spawn({
        let session = session.clone();
        async move { session.send(list()).await.map(|r| r.status) }
    });
    within_a_minute("the first request", async {
        while network.request_count() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    session.send(list()).await.unwrap();
    gate.add_permits(1);
    held.await.unwrap().unwrap_err();
    assert_eq!(*contact.borrow(), Contact::Doubtful);
    // A body that ends early.
    let body = stream::iter([Ok(Bytes::from("[")), Err(failure(FailureKind::Broken))]);
    network.enqueue([reply::with_body(200, "application/json", Box::pin(body)).into()]);
    let mut reply = session.send(list()).await.unwrap();
    assert_eq!(*contact.borrow(), Contact::Reached);
    while reply.body.next().await.is_some_and(|piece| piece.is_ok()) {}
    assert_eq!(*contact.borrow(), Contact::Doubtful);
}

#[tokio::test]
async fn a_request_without_a_reply_is_noticed_before_it_fails() {
    let clock = FakeClock::noon();
    let network = Network::new(|_: &Request| Answer::from(reply::json("{}")));
    let session = session(&network, &clock).await;
    let contact = session.contact();
    for (len, expected) in [(0, Contact::Unreachable), (1024 * 1024, Contact::Reached)] {
        session.send(list()).await.unwrap();
        network.enqueue([Answer::TimeOut(clock.clone())]);
        let mut request = list();
        request.body = Some(vec![b'x'; len].into());
        let sent = tokio::spawn({
            let session = session.clone();
            async move { session.send(request).await.map(|r| r.status) }
        });
        let sleepers = if len == 0 { 2 } else { 1 };
        within_a_minute("the request", async {
            while clock.sleepers() < sleepers {
                tokio::task::yield_now().await;
            }
        })
        .await;
        clock.advance(PATIENCE.as_millis() as i64);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*contact.borrow(), expected, "a body of {len} bytes");
        clock.advance(30_000);
        sent.await.unwrap().unwrap_err();
        assert_eq!(*contact.borrow(), Contact::Unreachable);
    }
}

/// The network of a device: it works, refuses connections, or drops all requests without a reply.
#[derive(Clone, Copy, PartialEq)]
enum Line {
    Works,
    Refuses,
    Silent,
}

#[tokio::test]
async fn a_lost_line_is_shown_within_five_seconds_and_a_reply_ends_the_state() {
    for (line, streams) in
        [(Line::Refuses, true), (Line::Silent, true), (Line::Refuses, false), (Line::Silent, false)]
    {
        let clock = FakeClock::noon();
        let server = FakeServer::new();
        let network = Network::over(server.http());
        let (open, mut opened) = mpsc::unbounded_channel();
        let line_now = Arc::new(std::sync::Mutex::new(Line::Works));
        network.intercept({
            let (clock, line) = (clock.clone(), line_now.clone());
            move |request: &Request| match *line.lock().unwrap() {
                Line::Refuses => Answer::refused(),
                Line::Silent => Answer::TimeOut(clock.clone()),
                Line::Works if request.url.ends_with("/api/sync/events") => {
                    let (sender, receiver) = mpsc::unbounded_channel::<Result<Bytes, Failure>>();
                    open.send(sender).unwrap();
                    let body =
                        stream::unfold(receiver, |mut r| async { Some((r.recv().await?, r)) });
                    reply::with_body(200, "text/event-stream", Box::pin(body)).into()
                }
                Line::Works => Answer::Forward,
            }
        });
        let session = session(&network, &clock).await;
        let device = Device::new(1, &clock, &server);
        let transport = Transport::new(
            Arc::new(session.clone()),
            BASE,
            Some(session.clone()),
            Arc::new(clock.clone()),
        );
        let ids = Arc::new(SeededIds::new(1));
        let machine = Machine::new(1, streams);
        let engine = Arc::new(Engine::new(device.store.clone(), transport, ids, machine));
        let sync = Sync::start(engine, Some(session.clone()));
        within_a_minute("a first sync", sync.sync_now()).await.unwrap();
        assert_eq!(sync.status().await.unwrap().phase, Phase::Idle);
        let mut changes = device.store.changes().subscribe();

        *line_now.lock().unwrap() = line;
        if streams {
            // The connection of the stream breaks; the app sends nothing by itself.
            let stream = within_a_minute("the stream", opened.recv()).await.unwrap();
            stream.send(Err(failure(FailureKind::Broken))).unwrap();
        } else {
            // A list is loaded, which sync does not know.
            let session = session.clone();
            tokio::spawn(async move { session.send(list()).await.map(|r| r.status) });
        }
        let limit = PATIENCE + Duration::from_millis(CHECK_SPREAD_MS.unsigned_abs());
        let online = [Phase::Idle, Phase::Running];
        let passed = time_until(&sync, &clock, (&online, Phase::Offline), limit).await;
        assert!(passed <= Duration::from_secs(5), "{passed:?}");
        within_a_minute("the event for the UI", async {
            while !changes.recv().await.unwrap().contains(&Change::Sync) {}
        })
        .await;

        *line_now.lock().unwrap() = Line::Works;
        // Any reply ends the state, without waiting for the next attempt of sync.
        session.send_without_token(Request::get(format!("{BASE}/api/meta"))).await.unwrap();
        within_a_minute("the end of the state", async {
            while sync.status().await.unwrap().phase == Phase::Offline {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // A request that was dropped fails after 30 s, and is repeated while the phase stays. The repetition uses the
        // threads of the store, during which the clock of this test runs on.
        let rest = Duration::from_secs(120);
        time_until(&sync, &clock, (&online, Phase::Idle), rest).await;
        within_a_minute("a stop", sync.stop()).await;
    }
}
