//! Isolation of learners: no route gives access to another learner's rows.

use carrel_model::wire::TokenReply;
use serde_json::{Value, json};

use super::support::{TestServer, codes, device, progress};

fn attempt(id: u128) -> Value {
    json!({"type": "attempt", "id": device(id), "quiz": "c/q", "quizHash": "ab".repeat(32),
        "startedMs": 1_790_000_000_000_i64})
}

#[tokio::test]
async fn a_learner_cannot_read_or_change_rows_of_another() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let amin = server.learner("amin").await;
    let rows = [
        progress("how-rivers-work/meanders/read", 10_000),
        attempt(5),
        json!({"type": "kv", "ns": "setting", "key": "k", "value": "\"noor\"",
            "hlc": "01a0000000000000", "device": device(1)}),
    ];
    let pushed: Value = server.push(&noor.access_token, &rows).await.ok();
    assert_eq!(codes(&pushed), ["ok", "ok", "ok"]);
    server
        .post("/api/courses/how-rivers-work/enrolment", &noor.access_token, &json!({}))
        .await
        .ok::<Value>();

    // Reading: another learner's rows are not returned.
    assert_eq!(server.pull(&amin.access_token, 0).await["rows"], json!([]));
    let epoch: Value = server.get("/api/sync/epoch", &amin.access_token).await.ok();
    assert_eq!(epoch["usn"], 0);
    let progress_uri =
        |learner: &TokenReply| format!("/api/progress/{}/how-rivers-work", learner.user.id);
    let other = server.get(&progress_uri(&noor), &amin.access_token).await;
    let unknown = server
        .get(&format!("/api/progress/{}/how-rivers-work", device(12345)), &amin.access_token)
        .await;
    assert_eq!((other.status.as_u16(), unknown.status.as_u16()), (403, 403));
    assert_eq!(other.problem().detail, unknown.problem().detail);
    let own: Value = server.get(&progress_uri(&amin), &amin.access_token).await.ok();
    assert_eq!((own["rows"].as_array().unwrap().len(), own["percent"].as_u64()), (0, Some(0)));

    // Writing: rows with the same keys are separate rows of each learner.
    let before = server.pull(&noor.access_token, 0).await;
    let same_keys = [
        progress("how-rivers-work/meanders/read", 1),
        json!({"type": "attempt", "id": device(5), "quiz": "c/other", "quizHash": "ff".repeat(32),
            "startedMs": 1_790_000_000_001_i64}),
        json!({"type": "kv", "ns": "setting", "key": "k", "value": "\"amin\"",
            "hlc": "01a0000000000009", "device": device(1)}),
    ];
    assert_eq!(codes(&server.push(&amin.access_token, &same_keys).await.ok()), ["ok", "ok", "ok"]);
    server
        .post(
            "/api/progress/update",
            &amin.access_token,
            &json!({"kind": "section", "item": "how-rivers-work/meanders/read", "percent": 2}),
        )
        .await
        .ok::<Value>();
    server
        .call(
            axum::http::Method::DELETE,
            "/api/courses/how-rivers-work/enrolment",
            &amin.access_token,
            None,
        )
        .await
        .ok::<Value>();
    assert_eq!(server.pull(&noor.access_token, 0).await, before);

    // A pushed row cannot set its owner: the field is stored as an unknown field.
    let mut with_owner = progress("how-rivers-work/meanders/check", 5);
    with_owner["userId"] = json!(noor.user.id);
    assert_eq!(codes(&server.push(&amin.access_token, &[with_owner]).await.ok()), ["ok"]);
    assert_eq!(server.pull(&noor.access_token, 0).await, before);

    // Signing out with one's own token does not end another learner's sign-in.
    server
        .post("/api/auth/logout", &amin.access_token, &json!({"refreshToken": amin.refresh_token}))
        .await;
    assert_eq!(server.get("/api/sync/epoch", &noor.access_token).await.status.as_u16(), 200);
}
