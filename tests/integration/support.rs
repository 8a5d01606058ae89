//! Actions of the user, measured from the call to the disk and the network.

use std::{path::PathBuf, sync::Arc};

use carrel_client::Client;
use carrel_commands::{Host, api::error::CommandError, dispatch, dispatch_action};
use carrel_diagnostics::{
    Diagnostics,
    actions::{Action, SpanLayer},
    metrics::{Metric, MetricState},
};
use carrel_system::SystemClock;
use carrel_testkit::{FakeClock, TestServer, content, device::PASSWORD, scratch::scratch};
use serde_json::json;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::client::{self, sync};

/// The commands of the UI, with diagnostics.
struct MeasuredHost {
    client: Arc<Client>,
    diagnostics: Arc<Diagnostics>,
}
impl Host for MeasuredHost {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }
    fn open_url(&self, _: &str) -> Result<(), CommandError> {
        Ok(())
    }
    fn downloads_dir(&self) -> Option<PathBuf> {
        None
    }
    fn diagnostics(&self) -> Option<&Arc<Diagnostics>> {
        Some(&self.diagnostics)
    }
}

fn has_span(action: &Action, name: &str, label: &str) -> bool {
    action.spans.iter().any(|s| s.name == name && s.label == label && !s.failed)
}

/// The only test of this program that sets the subscriber of the whole process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_is_measured_from_the_ui_to_the_disk_and_the_network() {
    let diagnostics = Arc::new(Diagnostics::new(Arc::new(SystemClock::new())));
    let spans = SpanLayer::new(diagnostics.clone()).with_filter(SpanLayer::filter());
    tracing_subscriber::registry().with(spans).try_init().expect("no other subscriber");
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, true).await;
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let host = MeasuredHost { client: client.clone(), diagnostics: diagnostics.clone() };

    // Not downloaded: the text comes from the server.
    let item = content::sections()[0].to_string();
    let open = json!({ "item": item });
    dispatch_action(&host, "open_section", open.clone(), "ui-1").await.expect("a section");
    let step = json!({ "kind": "section", "item": item, "done": true, "restart": false });
    dispatch_action(&host, "record_progress", step, "ui-2").await.expect("recorded");
    assert!(dispatch_action(&host, "get_course", json!({ "course": "x" }), "ui-3").await.is_err());
    let times = json!({ "samples": [{ "metric": "vitals.lcp", "value": 2_600, "context": "read" }],
        "unsupported": ["vitals.inp"], "actions": [{ "id": "ui-2", "ms": 90_000 }] });
    dispatch_action(&host, "report_metrics", times, "ui-4").await.expect("recorded");

    let actions = diagnostics.actions.list();
    let ids: Vec<&str> = actions.iter().map(|a| a.id.as_str()).collect();
    assert_eq!(ids, ["ui-3", "ui-2", "ui-1"], "the diagnostics themselves are not listed");
    let [failed, progress, section] = &actions[..] else { panic!("{actions:#?}") };
    assert!(failed.failed && !progress.failed && !section.failed);
    assert!(has_span(section, "http", "get"), "{section:#?}");
    assert!(section.spans.iter().any(|s| s.name == "db.read"), "{section:#?}");
    assert!(progress.spans.iter().any(|s| s.name == "db.write"), "{progress:#?}");
    assert_eq!(progress.ui_us, Some(90_000_000));
    for action in &actions {
        for span in &action.spans {
            assert!(span.start_us + span.duration_us <= action.duration_us, "{action:#?}");
        }
    }

    // News from another device is measured from the announcement to the applied rows.
    sync(&client.account().expect("open")).await;
    let other_dir = scratch();
    let other = client::open(other_dir.path(), client::live_http(), &clock, 2, false).await;
    let account = other.sign_in(&server.url(), "asha", PASSWORD).await.expect("signed in");
    account.learning.record(client::finish_section(3)).await.expect("recorded");
    sync(&account).await;
    client::wait_until(&client, "the news is measured", || async {
        let live = diagnostics.metrics.report().swap_remove(Metric::LiveUpdate as usize);
        live.statistics.map(|_| ())
    })
    .await;

    let report = dispatch(&host, "diagnostics_report", json!({})).await.expect("a report");
    let metric = |metric: Metric| &report["metrics"][metric as usize];
    assert_eq!(metric(Metric::LessonLoad)["statistics"]["count"], 1);
    assert_eq!(metric(Metric::ProgressRecord)["statistics"]["count"], 1);
    assert_eq!(metric(Metric::CourseLoad)["state"], "empty", "the failed call does not count");
    assert_eq!(metric(Metric::InteractionDelay)["state"], "unsupported");
    for measured in [Metric::DatabaseTime, Metric::RequestTime, Metric::CacheHits] {
        assert_ne!(metric(measured)["state"], "empty", "{measured:?}");
    }
    assert_eq!(report["alerts"][0]["id"], "vitals.lcp:warning");
    let dismiss = json!({ "alert": "vitals.lcp:warning" });
    let report = dispatch(&host, "dismiss_alert", dismiss).await.expect("dismissed");
    assert_eq!(report["alerts"], json!([]));
    // A metric that the core measures cannot be reported by the UI.
    let foreign = json!({ "samples": [{ "metric": "course.load", "value": 1, "context": "x" }],
        "unsupported": [], "actions": [] });
    assert!(dispatch(&host, "report_metrics", foreign).await.is_err());
    assert_eq!(diagnostics.metrics.report()[0].state, MetricState::Empty);
    for client in [client, other] {
        client.close().await;
    }
}
