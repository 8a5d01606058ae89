//! One trace from the client to the SQL of the server, as a collector of OpenTelemetry receives it.
//!
//! With the variable `CARREL_TRACE_PICTURE`, the trace is also drawn into that file (docs/pictures/trace.svg).

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use carrel_commands::dispatch_action;
use carrel_monitoring::traces::Traces;
use carrel_system::{SPAN_TARGET, SQL_TARGET};
use carrel_testkit::{FakeClock, TestServer, content, device::PASSWORD, scratch::scratch};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message;
use serde_json::json;
use tracing_subscriber::{
    Layer, filter::LevelFilter, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::client::{self, CommandHost, sync};

type Received = Arc<Mutex<Vec<Bytes>>>;

/// Starts a collector. Returns its address and the bodies that it received.
async fn collector() -> (String, Received) {
    let received = Received::default();
    let receive = |State(received): State<Received>, body: Bytes| async move {
        received.lock().expect("the bodies").push(body);
    };
    let app = Router::new().route("/v1/traces", post(receive)).with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/v1/traces", listener.local_addr().expect("an address"));
    tokio::spawn(async { axum::serve(listener, app).await });
    (address, received)
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|a| a.key == key);
    match found.and_then(|a| a.value.clone()).and_then(|v| v.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn children<'s>(spans: &'s [Span], parent: &Span) -> Vec<&'s Span> {
    let is_child = |s: &&Span| s.trace_id == parent.trace_id && s.parent_span_id == parent.span_id;
    let mut found: Vec<&Span> = spans.iter().filter(is_child).collect();
    found.sort_by_key(|s| s.start_time_unix_nano);
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_traced_from_the_command_to_the_sql() {
    let (address, received) = collector().await;
    let runtime = tokio::runtime::Handle::current();
    let traces = Traces::open(runtime, "0.0.0", Some(&address)).expect("the settings");
    let targets = [SPAN_TARGET, SQL_TARGET].map(|target| (target, LevelFilter::DEBUG));
    let layer = traces.layer().with_filter(Targets::from_iter(targets));
    tracing_subscriber::registry().with(layer).try_init().expect("no other subscriber");

    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, true).await;
    client.register(&server.url(), "asha", "Asha Kanarek", PASSWORD).await.expect("an account");
    let account = client.account().expect("open");
    sync(&account).await;
    let host = CommandHost { client: client.clone() };
    let item = content::sections()[0].to_string();
    let step = json!({ "kind": "section", "item": item, "done": true, "restart": false });
    dispatch_action(&host, "record_progress", step, "tap-1").await.expect("recorded");
    sync(&account).await;
    client.close().await;
    tokio::task::spawn_blocking(|| traces.close()).await.expect("sent");

    let bodies = received.lock().expect("the bodies").clone();
    let spans: Vec<Span> = bodies
        .iter()
        .map(|body| ExportTraceServiceRequest::decode(&body[..]).expect("OTLP"))
        .flat_map(|request| request.resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();

    // On the device: the command and its transaction.
    let is_tap = |s: &&Span| s.name == "command" && attribute(s, "action") == "tap-1";
    let tap = spans.iter().find(is_tap).expect("the command");
    let writes = children(&spans, tap);
    let write = *writes.iter().find(|s| s.name == "db.write").expect("its transaction");
    // The push, which has the id of the server's trace.
    let is_push = |s: &&Span| {
        s.name == "http"
            && attribute(s, "label") == "post"
            && s.start_time_unix_nano >= write.start_time_unix_nano
    };
    let push = spans.iter().find(is_push).expect("a push");
    let id = attribute(push, "trace");
    let is_request = |s: &&Span| hex(&s.trace_id) == id && !attribute(s, "http.route").is_empty();
    let request = spans.iter().find(is_request).expect("the request, in the trace of the push");
    assert_eq!(hex(&request.parent_span_id), id[16..]);
    assert_eq!(request.name, "POST /api/sync/push");
    assert_eq!(attribute(request, "http.response.status_code"), "200");
    let transactions = children(&spans, request);
    let push_rows = transactions.iter().find(|s| s.name == "push").expect("the transaction");
    let statements = children(&spans, push_rows);
    let is_insert = |s: &&Span| attribute(s, "db.query.text").contains("INSERT INTO");
    assert!(statements.iter().copied().any(|s| is_insert(&s)), "{statements:#?}");

    let mut chain = vec![(tap, 0), (write, 1), (push, 0), (request, 1)];
    for transaction in &transactions {
        chain.push((*transaction, 2));
        chain.extend(children(&spans, transaction).into_iter().map(|s| (s, 3)));
    }
    for pair in [(push, request), (request, *push_rows)] {
        let (outer, inner) = pair;
        assert!(outer.start_time_unix_nano <= inner.start_time_unix_nano, "{pair:#?}");
        assert!(inner.end_time_unix_nano <= outer.end_time_unix_nano, "{pair:#?}");
    }
    // Nothing that the learner is called or has done is in a trace.
    for body in &bodies {
        let text = String::from_utf8_lossy(body);
        for private in ["asha", "Kanarek", PASSWORD, item.as_str()] {
            assert!(!text.contains(private), "{private:?} is in a trace");
        }
    }
    if let Some(path) = std::env::var_os("CARREL_TRACE_PICTURE") {
        std::fs::write(path, picture(&chain)).expect("the picture");
    }
}

/// Draws spans, each with its depth, as bars on a time axis. The time between the write and the push, in which the client
/// waits for further rows, is shortened.
fn picture(chain: &[(&Span, usize)]) -> String {
    const WIDTH: f64 = 1_000.0;
    const LEFT: f64 = 470.0;
    let start = chain[0].0.start_time_unix_nano;
    let written = chain[1].0.end_time_unix_nano.max(chain[0].0.end_time_unix_nano);
    let wait = chain[2].0.start_time_unix_nano.saturating_sub(written);
    let gap = 300_000;
    let ms = |nanos: u64| nanos as f64 / 1e6;
    let at = |nanos: u64| {
        let late = if nanos >= written + wait { wait.saturating_sub(gap) } else { 0 };
        ms(nanos - late.min(nanos) - start)
    };
    let end = chain.iter().map(|(s, _)| at(s.end_time_unix_nano)).fold(0.0, f64::max);
    let scale = (WIDTH - LEFT - 90.0) / end;
    let height = 30 * chain.len() + 70;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<title>One push, from the command on the device to the SQL of the server</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"24\" font-weight=\"bold\">device</text>\n"
    );
    for (row, (span, depth)) in chain.iter().enumerate() {
        let is_server = row >= 3;
        let y = 40 + 30 * row + if is_server { 20 } else { 0 };
        if row == 3 {
            let _ =
                writeln!(svg, "<text x=\"10\" y=\"{}\" font-weight=\"bold\">server</text>", y - 4);
        }
        let (label, sql) = (attribute(span, "label"), attribute(span, "db.query.text"));
        let words = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = match (span.name.as_str(), words.as_str()) {
            ("sql", words) => words.chars().take(52).collect(),
            (name, _) => format!("{name} {label}"),
        };
        let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let x = LEFT + at(span.start_time_unix_nano) * scale;
        let duration = ms(span.end_time_unix_nano - span.start_time_unix_nano);
        let width = (duration * scale).max(2.0);
        let color = if is_server { "#2b6e58" } else { "#7a4a21" };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\">{name}</text>\n<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" \
             fill=\"{color}\"/>\n<text x=\"{:.1}\" y=\"{}\">{duration:.2} ms</text>",
            10 + 14 * (depth + 1),
            y + 14,
            x + width + 6.0,
            y + 14,
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"24\">between write and push: {:.0} ms, drawn shorter</text>\n</svg>",
        ms(wait)
    );
    svg
}
