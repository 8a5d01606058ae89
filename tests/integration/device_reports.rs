//! What a device reports about itself: sent after a sync, again only after a change or a day, and shown to teachers.

use std::time::Duration;

use carrel_content::{Kind, download::Phase};
use carrel_learning::Step;
use carrel_model::{
    lattice::ItemKind,
    wire::{DeviceReport, RefusedRow},
};
use carrel_net::Request;
use carrel_testkit::{FakeClock, Network, TestServer, content, device::PASSWORD, scratch::scratch};
use http::Method;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{
    client::{self, sync, wait_until, within_a_minute},
    refused_rows::make_invalid,
};

const MINUTE_MS: i64 = 60_000;

/// Returns the next report. The app waits some minutes between two reports, so the clock is advanced until it comes.
async fn next(clock: &FakeClock, sent: &mut UnboundedReceiver<DeviceReport>) -> DeviceReport {
    within_a_minute("a device report", async {
        loop {
            let wait = tokio::time::timeout(Duration::from_millis(100), sent.recv());
            match wait.await {
                Ok(report) => return report.expect("a report"),
                Err(_) => clock.advance(5 * MINUTE_MS),
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_reports_refused_work_and_downloads_once_and_after_changes() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let http = Network::over(client::live_http());
    let client = client::open(dir.path(), http.clone(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    account.content.library.courses(&client::ALL).await.expect("the list of courses");
    account.content.downloads.start(Kind::Course, &content::course()).expect("a download");
    let version = wait_until(&client, "the download", || async {
        let state = account.content.downloads.state(Kind::Course, &content::course());
        let state = state.expect("its state");
        state.ready_version.filter(|_| state.phase == Phase::Ready)
    })
    .await;
    let (reports, mut sent) = unbounded_channel();
    http.intercept(move |request: &Request| {
        if request.method == Method::PUT && request.url.ends_with("/api/me/device") {
            let body = request.body.as_deref().expect("a body");
            let _ = reports.send(serde_json::from_slice(body).expect("a report"));
            return None;
        }
        make_invalid(request)
    });
    let item = content::item("rivers/bend/n50");
    let step = Step { percent: Some(100), ..Step::at(ItemKind::Section, item.clone()) };
    account.learning.record(step).await.expect("a step");
    assert_eq!(sync(&account).await.refused, 1);

    // A report from before the refusal may come first.
    let report = loop {
        let report = next(&clock, &mut sent).await;
        if report.refused > 0 {
            break report;
        }
    };
    assert_eq!((report.waiting, report.oldest_waiting_ms, report.refused), (0, None, 1));
    let [RefusedRow { row_type, item: of, code, reason, .. }] = &report.refusals[..] else {
        panic!("not exactly one refused row: {report:?}")
    };
    assert_eq!(
        (row_type.as_str(), of.as_ref(), code.as_str()),
        ("progress", Some(&item), "invalid")
    );
    assert!(reason.contains("percent"), "{reason}");
    let [download] = &report.downloads[..] else { panic!("not exactly one download: {report:?}") };
    assert_eq!((download.phase.as_str(), download.version), ("ready", Some(version)));

    // An unchanged report is not sent: the next one has the change.
    sync(&account).await;
    account.content.downloads.remove(Kind::Course, &content::course()).expect("removed");
    let changed = next(&clock, &mut sent).await;
    assert_eq!(changed, DeviceReport { downloads: Vec::new(), ..report });

    // After a day it is sent again.
    clock.advance(24 * 60 * MINUTE_MS);
    sync(&account).await;
    assert_eq!(next(&clock, &mut sent).await, changed);

    // The server keeps the last one.
    let user = client.account_info().expect("the account").user.id;
    let now = carrel_system::Clock::now_ms(&clock);
    let read =
        server.running().data().store.read("test", move |tx| tx.device_reports(&[user], now));
    let stored = read.await.expect("the reports");
    let [stored] = &stored[..] else { panic!("not exactly one report: {stored:?}") };
    let stored: Value = serde_json::from_str(&stored.report).expect("JSON");
    assert_eq!(stored, serde_json::to_value(&changed).expect("JSON"));
}
