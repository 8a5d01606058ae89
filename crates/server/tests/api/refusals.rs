//! The reasons of refused rows: the name and the parameters from which the UI makes its text.

use carrel_model::wire::RefusalReason;
use carrel_server::Settings;
use serde_json::{Value, json};

use super::support::{NOW, TestServer, device, progress};

/// Pushes rows, then another one. Returns the reason of the last one, as `name key=value`.
async fn reason(server: &TestServer, token: &str, rows: &[Value]) -> String {
    let (last, before) = rows.split_last().unwrap();
    if !before.is_empty() {
        server.push(token, before).await.ok::<Value>();
    }
    let reply: Value = server.push(token, std::slice::from_ref(last)).await.ok();
    let text = reply["results"][0]["reason"].as_str().unwrap_or_default().to_owned();
    let RefusalReason { name, params } =
        RefusalReason::parse(&text).unwrap_or_else(|| panic!("no reason in {text:?} for {last}"));
    let english = text.split_once("): ").map_or("", |(_, english)| english);
    assert!(english.len() > 10, "{text}: without a text for logs");
    params.iter().fold(name, |line, (key, value)| format!("{line} {key}={value}"))
}

#[tokio::test]
async fn each_refusal_has_a_name_and_its_parameters() {
    let server = TestServer::with(Settings {
        registration_open: true,
        max_rows_per_learner: 1_200,
        max_mib_per_learner: 3,
        ..Settings::default()
    });
    server.publish().await;
    let token = server.learner("noor").await.access_token;
    let stamped = |ahead_ms: i64| {
        let hlc = format!("{:016x}", (NOW + ahead_ms) << 16);
        json!({"type": "kv", "ns": "setting", "key": "k", "value": "1", "hlc": hlc, "device": device(1)})
    };
    let done = |ahead_ms: i64| {
        let mut row = progress("a/b/c", 10_000);
        row["doneMs"] = json!(NOW + ahead_ms);
        row
    };
    let attempt = |hash: &str| {
        json!({"type": "attempt", "id": device(5), "quiz": "how-rivers-work/check", "quizHash": hash.repeat(32),
            "startedMs": NOW})
    };
    let answer = |attempt: u128, question: &str| json!({"type": "answer", "attempt": device(attempt), "question": question, "seq": 1, "value": "\"x\""});
    let (hash, quiz) = super::learner::quiz_of(&server).await;
    let known = json!({"type": "attempt", "id": device(6), "quiz": quiz, "quizHash": hash, "startedMs": NOW});
    const DAY: i64 = 24 * 3_600_000;
    let table: Vec<(Vec<Value>, &str)> = vec![
        (vec![json!("no row")], "malformed"),
        (vec![json!([1, 2])], "malformed"),
        (vec![json!({"type": 7})], "malformed"),
        (vec![json!({"type": "progress", "item": "a"})], "malformed"),
        (vec![json!({"type": "hologram"})], "unknown_type type=hologram"),
        (vec![json!({"type": "a, b=c): d"})], "unknown_type type=a__b_c___d"),
        (
            vec![json!({"type": "x".repeat(500)})],
            "unknown_type type=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
        (vec![json!({"type": "decision"})], "server_only type=decision"),
        (
            vec![
                json!({"type": "grade", "attempt": device(1), "rev": 9, "points": 1, "maxPoints": 1, "gradedMs": NOW}),
            ],
            "server_only type=grade",
        ),
        (vec![progress("a/b/c", 10_001)], "field field=percent"),
        (vec![stamped(400_000)], "clock_seconds seconds=400"),
        (vec![stamped(400 * DAY)], "clock_seconds seconds=34560000"),
        (vec![done(40 * DAY)], "clock_days days=40"),
        (vec![done(73 * 365 * DAY)], "clock_days days=26645"),
        (vec![attempt("ab"), attempt("cd")], "quiz_changed"),
        (vec![known, answer(6, "other")], "unknown_question question=other"),
        ((0..=1_000).map(|n| answer(7, &format!("q{n}"))).collect(), "too_many_answers max=1000"),
        ((0..300).map(|n| progress(&format!("a/b/s{n}"), 1)).collect(), "quota mib=3 rows=1200"),
    ];
    for (rows, expected) in table {
        assert_eq!(reason(&server, &token, &rows).await, expected, "{:?}", rows.last());
    }
}
