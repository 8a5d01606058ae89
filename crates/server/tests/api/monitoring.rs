//! Metrics, health checks, and alerts that are really sent: to a chat, a pager and by mail.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Request, StatusCode},
    routing::post,
};
use carrel_mail::{MailSettings, TlsMode};
use carrel_monitoring::{AlertSettings, Change, METRICS, Severity};
use carrel_server::{Settings, alerts::Watch, http::Peer};
use serde_json::{Value, json};

use super::{
    smtp_server::SmtpServer,
    support::{Reply, TestServer, engine, progress},
};

const MINUTE: i64 = 60_000;

async fn scrape(server: &TestServer, address: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().uri("/metrics");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer(address.parse().unwrap()));
    server.send(request).await
}

async fn metrics(server: &TestServer) -> String {
    let reply = scrape(server, "127.0.0.1", &[]).await;
    assert_eq!(reply.status, StatusCode::OK);
    String::from_utf8(reply.body).unwrap()
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}

#[tokio::test]
async fn requests_rows_streams_and_jobs_are_counted() {
    let server = TestServer::new();
    let learner = server.learner("amina").await;
    let rows = [progress("course/lesson/a", 50), json!({"type": "progress", "kind": "section"})];
    server.push(&learner.access_token, &rows).await.ok::<Value>();
    server.pull(&learner.access_token, 0).await;
    server.get("/api/courses/unknown", "").await;
    server.get("/nowhere", "").await;
    let request = Request::builder().method("BREW").uri("/nowhere").body(Body::empty()).unwrap();
    server.send(request).await;
    let runner = carrel_server::jobs::JobRunner::new(Arc::new(server.data_dir.clone()));
    runner.run_named("purge").await.unwrap();
    let text = metrics(&server).await;
    for line in [
        r#"carrel_http_requests_total{method="POST",route="/api/sync/push",status="200"} 1"#,
        r#"carrel_http_requests_total{method="GET",route="/api/courses/{id}",status="404"} 1"#,
        r#"carrel_http_requests_total{method="GET",route="-",status="404"} 1"#,
        r#"carrel_http_requests_total{method="other",route="-",status="404"} 1"#,
        r#"carrel_sync_rows_total{flow="accepted"} 1"#,
        r#"carrel_sync_rows_total{flow="refused"} 1"#,
        r#"carrel_sync_rows_total{flow="pulled"} 1"#,
        r#"carrel_job_runs_total{job="purge",result="ok"} 1"#,
        r#"carrel_http_request_seconds_count{method="POST",route="/api/sync/push"} 1"#,
    ] {
        assert!(has(&text, line), "{line} in\n{text}");
    }
    assert!(text.contains(r#"carrel_transaction_seconds_count{kind="educational"}"#), "{text}");
    assert_eq!(text.contains("carrel_database_connections{"), engine().name() == "postgres");
    // No login, name or id of a learner is in the metrics.
    assert!(!text.contains("amina") && !text.contains(&learner.user.id.to_string()), "{text}");
}

#[tokio::test]
async fn metrics_are_read_on_this_computer_or_with_the_token() {
    let server = TestServer::new();
    assert_eq!(scrape(&server, "::1", &[]).await.status, StatusCode::OK);
    for (address, header) in [
        ("192.168.1.4", None),
        ("127.0.0.1", Some(("x-forwarded-for", "192.168.1.4"))),
        ("127.0.0.1", Some(("forwarded", "for=192.168.1.4"))),
    ] {
        let reply = scrape(&server, address, header.as_slice()).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{address} {header:?}");
    }
    let file = server.dir.path().join("token");
    let settings = Settings { metrics_token_file: Some(file.clone()), ..Settings::default() };
    let server = TestServer::with(settings);
    let with = |token: &'static str| [("authorization", token)];
    assert_eq!(
        scrape(&server, "127.0.0.1", &with("Bearer s3cret")).await.status,
        StatusCode::NOT_FOUND
    );
    std::fs::write(&file, "s3cret\n").unwrap();
    assert_eq!(scrape(&server, "192.168.1.4", &with("Bearer s3cret")).await.status, StatusCode::OK);
    for token in ["Bearer s3cre", "Bearer ", "s3cret"] {
        assert_eq!(
            scrape(&server, "127.0.0.1", &with(token)).await.status,
            StatusCode::NOT_FOUND,
            "{token}"
        );
    }
    std::fs::write(&file, "\n").unwrap();
    assert_eq!(scrape(&server, "127.0.0.1", &with("Bearer ")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_metric_is_documented() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md");
    let text = std::fs::read_to_string(path).unwrap();
    for (name, labels, help) in METRICS {
        let labels = if labels.is_empty() { "-" } else { labels };
        let row = format!("| `{name}` | {labels} | {help} |");
        assert!(text.contains(&row), "docs/OPERATIONS.md: {row}");
    }
    let runbooks = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/RUNBOOKS.md");
    let runbooks = std::fs::read_to_string(runbooks).unwrap();
    let metrics: BTreeSet<_> = carrel_monitoring::RULES.iter().map(|rule| rule.metric).collect();
    for metric in metrics {
        let heading = format!("\n## {}\n", metric.replace('_', "-"));
        assert!(runbooks.contains(&heading), "docs/RUNBOOKS.md: {heading}");
    }
}

#[tokio::test]
async fn health_has_four_checks_and_readiness_ends_with_the_server() {
    let server = TestServer::new();
    let health: Value = server.get("/health", "").await.ok();
    let checks = health["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["course", "progress", "authentication", "analytics"]);
    assert!(
        checks.iter().all(|check| check["ok"] == true && check["ms"].as_f64().unwrap() > 0.0),
        "{health}"
    );
    let app = server.data_dir.app().unwrap();
    let router = carrel_server::http::app(app.clone());
    let server = TestServer { router, ..server };
    assert_eq!(server.get("/health/ready", "").await.status, StatusCode::OK);
    app.stopping.cancel();
    assert_eq!(server.get("/health/ready", "").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.get("/health/live", "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn durations_of_clients_are_counted_all_or_none() {
    let server = TestServer::new();
    let token = server.learner("amina").await.access_token;
    let report = |actions: Value| json!({ "transactions": actions });
    let good = json!([{"name": "course", "durationMs": 900, "ok": true}, {"name": "live", "durationMs": 40, "ok": false}]);
    let path = "/api/monitoring/transactions";
    assert_eq!(
        server.post(path, &token, &report(good.clone())).await.status,
        StatusCode::NO_CONTENT
    );
    for bad in [
        json!([good[0], {"name": "amina's notes", "durationMs": 1, "ok": true}]),
        json!([good[0], {"name": "course", "durationMs": 600_001, "ok": true}]),
        json!([good[0], {"name": "course", "durationMs": -1, "ok": true}]),
        Value::Array(vec![good[0].clone(); 101]),
    ] {
        assert_eq!(
            server.post(path, &token, &report(bad.clone())).await.status,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
    assert_eq!(server.post(path, "", &report(good)).await.status, StatusCode::UNAUTHORIZED);
    let text = metrics(&server).await;
    assert!(
        has(&text, r#"carrel_client_action_seconds_count{action="course",result="ok"} 1"#),
        "{text}"
    );
    assert!(
        has(&text, r#"carrel_client_action_seconds_count{action="live",result="failed"} 1"#),
        "{text}"
    );
}

/// Receives messages of alerts.
#[derive(Clone, Default)]
struct Receiver {
    messages: Arc<Mutex<Vec<Value>>>,
    status: Arc<Mutex<StatusCode>>,
}

impl Receiver {
    async fn start() -> (Self, String) {
        let receiver = Self::default();
        let receive =
            async |State(receiver): State<Receiver>, _: HeaderMap, Json(message): Json<Value>| {
                let status = *receiver.status.lock().unwrap();
                if status.is_success() {
                    receiver.messages.lock().unwrap().push(message);
                }
                status
            };
        let router = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }
    fn texts(&self, pointer: &str) -> Vec<String> {
        let text = |message: &Value| message.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        self.messages.lock().unwrap().iter().map(text).collect()
    }
}

#[tokio::test]
async fn three_alerts_reach_chat_pager_and_mail_once_and_end() {
    let (chat, chat_url) = Receiver::start().await;
    let (pager, pager_url) = Receiver::start().await;
    let smtp = SmtpServer::start(None).await;
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, "routing-key\n").unwrap();
    let mail = MailSettings {
        host: smtp.address.ip().to_string(),
        port: Some(smtp.address.port()),
        tls: TlsMode::None,
        user: String::new(),
        password_file: None,
        sender: "Rivers <carrel@rivers.example>".to_owned(),
        ca: None,
    };
    let server = TestServer::with(Settings {
        name: "Rivers".to_owned(),
        address: "https://rivers.example".to_owned(),
        mail: Some(mail),
        alerts: AlertSettings {
            chat_url,
            pager_url,
            pager_key_file: Some(key_file),
            mail: vec!["ops@rivers.example".to_owned()],
            runbook: "https://docs.example/runbooks".to_owned(),
            ..AlertSettings::default()
        },
        ..Settings::default()
    });
    let app = server.data_dir.app().unwrap();
    let mut watch = Watch::new(app).unwrap();
    let metrics = Arc::clone(&server.data_dir.config.metrics);
    // Requests with these durations and failures come each minute.
    let minute = async |watch: &mut Watch, failed: u64, ms: f64| {
        server.clock.advance(MINUTE);
        let now = server.data_dir.config.clock.now_ms();
        for n in 0..100 {
            let status = if n < failed { 500 } else { 200 };
            metrics.request("GET", "/api/courses", status, ms / 1000.0, false, now);
        }
        watch.step().await
    };
    assert!(minute(&mut watch, 0, 10.0).await.is_empty());
    // Errors above 5 %, p95 above 1 s and p99 above 2 s: three alerts, each once, however long they last.
    let mut notices = Vec::new();
    for _ in 0..20 {
        notices.extend(minute(&mut watch, 8, 2_500.0).await);
    }
    let found: BTreeSet<_> = notices.iter().map(|n| (n.alert.metric, n.alert.severity)).collect();
    let expected = BTreeSet::from([
        ("errors", Severity::Critical),
        ("latency_p95", Severity::Warning),
        ("latency_p99", Severity::Critical),
    ]);
    assert!(found.is_superset(&expected), "{notices:?}");
    let begun = notices.iter().filter(|notice| notice.change == Change::Begins).count();
    assert_eq!(begun, 3, "{notices:?}");
    let count =
        |texts: Vec<String>, part: &str| texts.iter().filter(|text| text.contains(part)).count();
    assert_eq!(count(chat.texts("/text"), "CRITICAL: latency_p99 on Rivers"), 1);
    assert!(chat.texts("/runbook").contains(&"https://docs.example/runbooks#errors".to_owned()));
    let mut keys = pager.texts("/dedup_key");
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 2, "the pager gets critical alerts only: {keys:?}");
    assert_eq!(pager.texts("/routing_key")[0], "routing-key");
    let mails = smtp.messages();
    assert!(
        mails.iter().any(|mail| mail.contains("latency_p95 on Rivers")
            && mail.contains("To: ops@rivers.example"))
    );
    // Present for staff, and after some quiet minutes over for everyone.
    let listed: Vec<_> =
        server.data_dir.config.alerts.alerts().iter().map(|alert| alert.metric).collect();
    assert_eq!(listed, ["errors", "latency_p95", "latency_p99"]);
    for _ in 0..12 {
        minute(&mut watch, 0, 10.0).await;
    }
    assert_eq!(chat.texts("/state").iter().filter(|state| *state == "resolved").count(), 3);
    assert_eq!(
        pager.texts("/event_action").iter().filter(|action| *action == "resolve").count(),
        2
    );
    assert_eq!(smtp.messages().iter().filter(|mail| mail.contains("RESOLVED")).count(), 3);
    assert!(server.data_dir.config.alerts.alerts().is_empty());
}

#[tokio::test]
async fn an_alert_waits_for_a_chat_that_fails_and_not_for_one_that_refuses() {
    let (chat, chat_url) = Receiver::start().await;
    let settings = Settings {
        alerts: AlertSettings { chat_url, ..AlertSettings::default() },
        // No disk has this much free space.
        min_free_disk_mib: u64::MAX / (1024 * 1024),
        ..Settings::default()
    };
    let server = TestServer::with(settings);
    let mut watch = Watch::new(server.data_dir.app().unwrap()).unwrap();
    *chat.status.lock().unwrap() = StatusCode::BAD_GATEWAY;
    watch.step().await;
    server.clock.advance(MINUTE);
    assert_eq!(watch.step().await.len(), 1, "the disk is low");
    assert!(chat.messages.lock().unwrap().is_empty());
    *chat.status.lock().unwrap() = StatusCode::OK;
    server.clock.advance(MINUTE);
    assert!(watch.step().await.is_empty());
    assert_eq!(chat.texts("/metric"), ["disk"]);
    // Four hours later it is sent again, and refused for good.
    *chat.status.lock().unwrap() = StatusCode::BAD_REQUEST;
    server.clock.advance(4 * 60 * MINUTE);
    assert_eq!(watch.step().await[0].change, Change::Stays);
    *chat.status.lock().unwrap() = StatusCode::OK;
    server.clock.advance(MINUTE);
    watch.step().await;
    assert_eq!(chat.messages.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn settings_of_alerts_that_cannot_be_used_are_refused() {
    let refused = |alerts: AlertSettings| {
        let server = TestServer::with(Settings { alerts, ..Settings::default() });
        Watch::new(server.data_dir.app().unwrap()).err().unwrap().to_string()
    };
    let bad = AlertSettings { chat_url: "ftp://chat".to_owned(), ..AlertSettings::default() };
    assert!(
        refused(bad).contains("alerts.chat_url \"ftp://chat\": must be an http or https address")
    );
    let no_key =
        AlertSettings { pager_url: "http://127.0.0.1:1".to_owned(), ..AlertSettings::default() };
    assert!(refused(no_key.clone()).contains("needs alerts.pager_key_file"));
    let missing = AlertSettings { pager_key_file: Some("/no/key".into()), ..no_key };
    assert!(refused(missing).contains("/no/key"));
}
