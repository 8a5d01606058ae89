//! Actions of the user, measured from the call to the disk and the network.

use std::{path::PathBuf, sync::Arc};

use carrel_client::{Client, account::FileSecrets};
use carrel_commands::{Host, api::error::CommandError, dispatch, dispatch_action};
use carrel_diagnostics::{
    Diagnostics,
    actions::{Action, SpanLayer},
    crash::{self, CrashReporter},
    logs::{self, LogFiles},
    metrics::{Metric, MetricState},
};
use carrel_model::lattice::Row;
use carrel_net::{Request, SecretStore};
use carrel_system::SystemClock;
use carrel_testkit::{
    Answer, FakeClock, Network, SeededIds, TestServer, content, device::PASSWORD, scratch::scratch,
};
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;
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
        Some(self.client.config().data_dir.clone())
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durations_are_sent_only_after_the_learner_allowed_it() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let net = Network::over(client::live_http());
    let client = client::open(dir.path(), net.clone(), &clock, 1, true).await;
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let diagnostics = Arc::new(Diagnostics::new(Arc::new(SystemClock::new())));
    let host = MeasuredHost { client: client.clone(), diagnostics: diagnostics.clone() };
    let (sender, mut sent) = tokio::sync::mpsc::unbounded_channel();
    net.intercept(move |request: &Request| {
        if request.url.ends_with("/api/monitoring/transactions") {
            let body = request.body.as_deref().expect("a body");
            let _ = sender.send(serde_json::from_slice::<Value>(body).expect("JSON"));
        }
        None::<Answer>
    });
    let measure = async |ms: f64| {
        for _ in 0..60 {
            diagnostics.metrics.record(Metric::CourseLoad, ms, "get_course");
            diagnostics.metrics.record(Metric::DatabaseTime, ms, "read");
        }
        let nothing = json!({ "samples": [], "unsupported": [], "actions": [] });
        dispatch(&host, "report_metrics", nothing).await.expect("recorded");
    };
    measure(10.0).await;
    dispatch(&host, "set_settings", json!({ "sendDurations": true })).await.expect("set");
    measure(20.0).await;
    let first = client::within_a_minute("durations", sent.recv()).await.expect("a request");
    let values = first["transactions"].as_array().expect("durations");
    let expected = json!({ "name": "course", "durationMs": 20, "ok": true });
    assert!(values.len() == 60 && values.iter().all(|value| *value == expected), "{first}");
    // The server counts them, and gets nothing after a withdrawal.
    dispatch(&host, "set_settings", json!({ "sendDurations": false })).await.expect("set");
    measure(30.0).await;
    dispatch(&host, "set_settings", json!({ "sendDurations": true })).await.expect("set");
    measure(40.0).await;
    let second = client::within_a_minute("durations", sent.recv()).await.expect("a request");
    assert_eq!(second["transactions"][0]["durationMs"], 40, "{second}");
    client.close().await;
}

/// A text that a learner can type, with characters that JSON, URLs and Base64 change.
const MARKERS: [&str; 6] = [
    "kanarek-login",
    "Kanarek \"Ptak\" Żółty",
    "kanarek answer: 42 żółw/ryba?",
    "kanarek+search & more",
    "kanarek note\nwith lines",
    "kanarekhome",
];
const PASSWORD_MARKER: &str = "kanarek password 1";

/// Returns the forms in which a text may leak: plain, JSON, URL, hex, Base64 at each of three positions.
fn forms(text: &str) -> Vec<String> {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let json = serde_json::to_string(text).expect("JSON");
    let url: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
    let mut forms = vec![
        text.to_owned(),
        json[1..json.len() - 1].to_owned(),
        url.replace('+', "%20"),
        url,
        hex,
    ];
    for offset in 0..3usize {
        let mut bytes = vec![0; offset];
        bytes.extend(text.as_bytes());
        let encoded = STANDARD_NO_PAD.encode(&bytes);
        let from = (offset * 4).div_ceil(3);
        let to = bytes.len() * 4 / 3;
        forms.push(encoded[from..to].to_owned());
    }
    forms
}

fn leaks(texts: &[(String, String)], markers: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in texts {
        for marker in markers {
            for form in forms(marker).into_iter().filter(|form| text.contains(form.as_str())) {
                let at = text.find(&form).unwrap_or_default();
                let line = text[..at].lines().count();
                found.push(format!("{marker:?} as {form:?} in {file}, line {line}"));
            }
        }
    }
    found
}

/// Everything that a learner can type, names, tokens and the path of the home folder are in the stores of this device.
/// None of it is in the log file, in a report of a crash, or in the support bundle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_support_bundle_contains_nothing_private() {
    let scratch = scratch();
    let home = scratch.path().join("home").join(MARKERS[5]);
    let data = home.join("data");
    std::fs::create_dir_all(&data).expect("a folder");
    let clock = FakeClock::noon();
    let diagnostics = Arc::new(Diagnostics::new(Arc::new(clock.clone())));
    let redactor = diagnostics.redactor.clone();
    let log = LogFiles::new(Some(data.join(logs::FOLDER)), redactor.clone());
    // The most detailed log that a policy can set.
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(log.clone())
        .with_filter(logs::filter(LevelFilter::TRACE));
    let spans = SpanLayer::new(diagnostics.clone()).with_filter(SpanLayer::filter());
    tracing_subscriber::registry().with(lines).with(spans).try_init().expect("no other subscriber");
    let reporter = CrashReporter {
        folder: data.join(crash::FOLDER),
        version: "0.2.0".into(),
        clock: Arc::new(clock.clone()),
        log,
        redactor,
    };
    reporter.install();

    let server = TestServer::with_library(&clock).await;
    let client = client::open(&home, client::live_http(), &clock, 1, true).await;
    let host = MeasuredHost { client: client.clone(), diagnostics: diagnostics.clone() };
    let run = |name: &'static str, request: serde_json::Value| {
        let host = &host;
        async move { dispatch_action(host, name, request, MARKERS[2]).await }
    };
    let register = json!({ "address": server.url(), "login": MARKERS[0], "name": MARKERS[1],
        "password": PASSWORD_MARKER });
    run("register", register).await.expect("an account");
    let account = client.account().expect("open");
    sync(&account).await;
    // Rows of every type that holds a text, the answer to an open question among them.
    let id = |n: u8| format!("0190a000-0000-7000-8000-0000000000{n:02}");
    let answer = json!({ "kind": "text", "text": MARKERS[2] }).to_string();
    let rows = [
        json!({ "type": "answer", "attempt": id(1), "question": "q", "seq": 1, "value": answer }),
        json!({ "type": "setting", "key": "note", "value": MARKERS[4],
            "at": carrel_model::Hlc::new(FakeClock::NOON, 0) }),
    ];
    let _ = account
        .store
        .write("test", move |tx| {
            for row in rows.iter().filter_map(|row| Row::from_json(&row.to_string()).ok()) {
                tx.join(row)?;
            }
            Ok(())
        })
        .await;
    // Calls that fail with these texts in their requests.
    let wrong = json!({ "address": server.url(), "login": MARKERS[0], "password": MARKERS[2] });
    assert!(run("sign_in", wrong).await.is_err());
    for (name, request) in [
        ("search", json!({ "query": MARKERS[3], "limit": 5 })),
        ("check_server", json!({ "address": MARKERS[3] })),
        ("open_url", json!({ "url": MARKERS[3] })),
        (
            "save_answer",
            json!({ "attempt": id(1), "question": "q", "response": { "kind": "text", "text": MARKERS[2] } }),
        ),
        ("save_word", json!({ "word": MARKERS[4], "saved": true })),
        ("get_course", json!({ "course": MARKERS[0] })),
        ("inspect_file", json!({ "path": home.join("missing.carrel") })),
    ] {
        let _ = run(name, request).await;
    }
    let _ = dispatch_action(&host, MARKERS[2], json!({}), MARKERS[2]).await;
    sync(&account).await;
    let text = MARKERS[2].to_owned();
    let panicked = std::thread::spawn(move || panic!("cannot grade {text:?}")).join();
    assert!(panicked.is_err());
    tracing::warn!(target: "carrel_sync", error = %format!("the learner {} is unknown", MARKERS[1]), "a");

    let saved = run("save_support_bundle", json!({})).await.expect("a bundle");
    let path = saved["path"].as_str().expect("a path");
    let mut zip =
        zip::ZipArchive::new(std::fs::File::open(path).expect("the file")).expect("a ZIP");
    let mut texts = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).expect("a file");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut file, &mut text).expect("text");
        texts.push((file.name().to_owned(), text));
    }
    let names: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
    for expected in ["doctor.txt", "doctor.json", "metrics.json", "counts.json", "logs/carrel.log"]
    {
        assert!(names.contains(&expected), "{expected} in {names:?}");
    }
    assert!(names.iter().any(|n| n.starts_with("crashes/")), "{names:?}");
    let of = |name: &str| &texts.iter().find(|(n, _)| n == name).expect("a file").1;
    assert!(of("metrics.json").contains("save_answer"), "the actions are listed");
    assert!(of("doctor.txt").contains("database.user.db"), "{}", of("doctor.txt"));
    for file in logs::files(&data.join(logs::FOLDER)) {
        texts.push(("the log file".into(), std::fs::read_to_string(file).expect("the log")));
    }
    for report in crash::reports(&data.join(crash::FOLDER)) {
        texts.push(("the report of a crash".into(), report.text));
    }

    let mut markers: Vec<String> = MARKERS.iter().map(|m| (*m).to_owned()).collect();
    markers.push(PASSWORD_MARKER.into());
    // The tokens of the session and the certificate of the account.
    let info = client.account_info().expect("the account");
    let secrets = FileSecrets::new(&home, Arc::new(SeededIds::new(1)));
    let tokens = SecretStore::get(&secrets, &info.id).expect("readable").expect("tokens");
    let tokens: serde_json::Value = serde_json::from_str(&tokens).expect("JSON");
    let tokens: Vec<&str> =
        ["access", "refresh"].iter().filter_map(|t| tokens[*t].as_str()).collect();
    assert!(!tokens.is_empty());
    markers.extend(tokens.iter().map(|t| (*t).to_owned()));
    if !info.certificate.is_empty() {
        markers.push(info.certificate.clone());
    }
    assert!(markers.len() >= 8, "{}", markers.len());
    let found = leaks(&texts, &markers);
    assert!(found.is_empty(), "{found:#?}");
    client.close().await;
}
