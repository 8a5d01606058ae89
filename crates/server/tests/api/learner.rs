//! Enrolment, the single-row routes of progress, and the server's grades.

use axum::http::Method;
use carrel_model::{
    lattice::DecisionStatus,
    wire::{EnrolmentReply, ProgressReply, ProgressUpdateReply, ResultCode},
};
use serde_json::{Value, json};

use super::support::{NOW, World, codes, device, progress};

const ENROLMENT: &str = "/api/courses/how-rivers-work/enrolment";

#[tokio::test]
async fn enrolment_is_a_wish_and_a_decision() {
    let w = World::new();
    w.publish().await;
    let noor = w.learner("noor").await;
    let token = &noor.access_token;
    let first: EnrolmentReply = w.call(Method::POST, ENROLMENT, token, None).await.ok();
    assert_eq!(first.status, Some(DecisionStatus::Active));
    let rows = w.pull(token, 0).await;
    let types: Vec<_> =
        rows["rows"].as_array().unwrap().iter().map(|r| r["row"]["type"].clone()).collect();
    assert_eq!(types, ["kv", "decision"]);
    // Again: no news.
    w.call(Method::POST, ENROLMENT, token, None).await.ok::<Value>();
    assert_eq!(w.pull(token, 2).await["rows"], json!([]));
    let gone: EnrolmentReply = w.call(Method::DELETE, ENROLMENT, token, None).await.ok();
    assert_eq!(gone.status, None);
    let after = w.pull(token, 2).await;
    assert_eq!(after["rows"][0]["row"]["value"], "null");
    let back: EnrolmentReply = w.call(Method::POST, ENROLMENT, token, None).await.ok();
    assert_eq!(back.status, Some(DecisionStatus::Active));
}

#[tokio::test]
async fn a_wish_that_was_made_offline_is_decided_when_it_arrives() {
    let w = World::new();
    w.publish().await;
    let noor = w.learner("noor").await;
    let wish = |course: &str| json!({"type": "kv", "ns": "enrolment", "key": course, "value": "true", "hlc": "01a0000000000000", "device": device(1)});
    let rows = [wish("how-rivers-work"), wish("atlantis"), wish("no course at all")];
    assert_eq!(codes(&w.push(&noor.access_token, &rows).await.ok()), ["ok", "ok", "ok"]);
    let pulled = w.pull(&noor.access_token, 0).await;
    let decisions: Vec<&Value> = pulled["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["row"])
        .filter(|r| r["type"] == "decision")
        .collect();
    assert_eq!(decisions.len(), 1);
    assert_eq!(
        (&decisions[0]["course"], &decisions[0]["status"]),
        (&json!("how-rivers-work"), &json!("active"))
    );
}

#[tokio::test]
async fn progress_comes_back_joined() {
    let w = World::new();
    w.publish().await;
    let noor = w.learner("noor").await;
    let token = &noor.access_token;
    let read = "how-rivers-work/meanders/read";
    let one = json!({"kind": "section", "item": read, "percent": 4000});
    let reply: ProgressUpdateReply = w.post("/api/progress/update", token, &one).await.ok();
    assert_eq!(reply.results[0].row.as_ref().unwrap().percent, 4000);
    let many = json!([
        {"kind": "section", "item": read, "percent": 3000},
        {"kind": "section", "item": "Not An Item", "percent": 1},
        {"kind": "section", "item": read, "percent": 10000, "doneMs": NOW},
        {"kind": "section", "item": read, "percent": 10001},
        7
    ]);
    let reply: ProgressUpdateReply = w.post("/api/progress/update", token, &many).await.ok();
    let seen: Vec<_> = reply.results.iter().map(|r| r.code).collect();
    use ResultCode::{Invalid, Ok};
    assert_eq!(seen, [Ok, Invalid, Ok, Invalid, Invalid]);
    // Both updates of the one row show what it is now.
    assert_eq!(reply.results[0].row, reply.results[2].row);
    assert_eq!(reply.results[0].row.as_ref().unwrap().percent, 10_000);
    assert!(reply.results[1].reason.contains("id"), "{:?}", reply.results[1]);

    let session = |id: u128, from: i64, ms: i64| {
        json!({"type": "session", "id": device(id), "item": read, "device": device(id), "startedMs": NOW + from,
            "day": "2026-09-21", "activeMs": ms})
    };
    // Two devices at once, ten seconds of which overlap; and a course whose id begins like this one.
    let mut other = session(3, 0, 99_000);
    other["item"] = json!("how-rivers-work-2/a/b");
    let rows = [session(1, 0, 30_000), session(2, 20_000, 30_000), other];
    assert_eq!(codes(&w.push(token, &rows).await.ok()), ["ok", "ok", "ok"]);
    let uri = format!("/api/progress/{}/how-rivers-work", noor.user.id);
    let reply: ProgressReply = w.get(&uri, token).await.ok();
    assert_eq!(
        (reply.percent, reply.completed, reply.time_spent_ms, reply.rows.len()),
        (5000, false, 50_000, 1)
    );
}

#[tokio::test]
async fn the_server_grades_what_was_handed_in() {
    let w = World::new();
    w.publish().await;
    let noor = w.learner("noor").await;
    let token = &noor.access_token;
    let (hash, item) = quiz_of(&w).await;
    let attempt = |submitted: bool| {
        let mut row = json!({"type": "attempt", "id": device(5), "quiz": item, "quizHash": hash, "startedMs": NOW});
        if submitted {
            row["submittedMs"] = json!(NOW + 60_000);
        }
        row
    };
    let answer = |question: &str, seq: u32, value: Value| json!({"type": "answer", "attempt": device(5), "question": question, "seq": seq, "value": value.to_string()});
    let grades = |pulled: &Value| -> Vec<(i64, i64, i64)> {
        let rows = pulled["rows"].as_array().unwrap().iter().map(|r| r["row"].clone());
        rows.filter(|r| r["type"] == "grade")
            .map(|r| {
                (
                    r["rev"].as_i64().unwrap(),
                    r["points"].as_i64().unwrap(),
                    r["maxPoints"].as_i64().unwrap(),
                )
            })
            .collect()
    };
    let right = answer("fast", 1, json!({"kind": "choice", "chosen": ["out"]}));
    w.push(token, &[attempt(false), right.clone()]).await.ok::<Value>();
    assert_eq!(grades(&w.pull(token, 0).await), [], "an open attempt has no grade");
    w.push(token, &[attempt(true)]).await.ok::<Value>();
    assert_eq!(grades(&w.pull(token, 0).await), [(1, 1000, 2000)]);
    // The same again: no new grade, no new number.
    let before = w.get("/api/sync/epoch", token).await.ok::<Value>();
    w.push(token, &[attempt(true), right]).await.ok::<Value>();
    assert_eq!(w.get("/api/sync/epoch", token).await.ok::<Value>(), before);
    // An answer that was still on its way.
    w.push(token, &[answer("name", 1, json!({"kind": "fill", "texts": [" OXBOW "]}))])
        .await
        .ok::<Value>();
    assert_eq!(grades(&w.pull(token, 0).await), [(2, 2000, 2000)]);
    // Nonsense scores nothing and breaks nothing.
    w.push(token, &[answer("name", 2, json!("oxbow"))]).await.ok::<Value>();
    assert_eq!(grades(&w.pull(token, 0).await), [(3, 1000, 2000)]);
    // An unknown quiz waits.
    let unknown = json!({"type": "attempt", "id": device(6), "quiz": "a/b", "quizHash": "ab".repeat(32), "startedMs": NOW, "submittedMs": NOW});
    assert_eq!(codes(&w.push(token, &[unknown, progress("a/b/c", 1)]).await.ok()), ["ok", "ok"]);
    assert_eq!(grades(&w.pull(token, 0).await).len(), 1);
}

/// The quiz block of the course's second section.
async fn quiz_of(w: &World) -> (String, String) {
    let course: Value = w.get("/api/courses/how-rivers-work", "").await.ok();
    let body = course["outline"]["lessons"][0]["sections"][1]["body"].as_str().unwrap().to_owned();
    let section: Value = w.get(&format!("/api/blobs/{body}"), "").await.ok();
    let block =
        section["blocks"].as_array().unwrap().iter().find(|b| b["kind"] == "quiz").unwrap().clone();
    (block["body"].as_str().unwrap().to_owned(), block["quiz"].as_str().unwrap().to_owned())
}
