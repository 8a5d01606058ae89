//! Assessments by name: the quiz, submissions and results.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use carrel_model::{
    AttemptId, ErrorCode,
    content::{GivenAnswer, Quiz, grade},
    wire::TokenReply,
};
use serde_json::{Value, json};

use super::support::{NOW, Reply, TestServer, device, write_course};

const BENDS: &str = "/api/assessments/how-rivers-work.bends";

/// Publishes the course with a quiz that has at most two attempts.
async fn publish(server: &TestServer) {
    let package = server.dir.path().join("package");
    write_course(&package);
    let quiz = std::fs::read_to_string(package.join("check.json")).unwrap();
    let quiz = quiz.replace("\"pass\":60", "\"pass\":60,\"attempts\":2");
    std::fs::write(package.join("check.json"), quiz).unwrap();
    assert!(server.data_dir.import(&[package]).await.unwrap().is_ok());
}

async fn submit(server: &TestServer, noor: &TokenReply, request: &str, body: &Value) -> Reply {
    let request = Request::post(format!("{BENDS}/submissions"))
        .header("authorization", format!("Bearer {}", noor.access_token))
        .header("content-type", "application/json")
        .header("x-request-id", request);
    server.send(request.body(Body::from(body.to_string())).unwrap()).await
}

fn answers(fast: &str, name: &str) -> Value {
    json!({"fast": {"kind": "choice", "chosen": [fast]}, "name": {"kind": "fill", "texts": [name]}})
}

#[tokio::test]
async fn a_repeated_submission_counts_once() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    publish(&server).await;
    let found: Value = server.get(BENDS, &noor.access_token).await.ok();
    assert_eq!(
        (&found["id"], &found["title"]),
        (&json!("how-rivers-work/bends"), &json!("Check yourself"))
    );
    assert_eq!((&found["attempts"], &found["attemptsLeft"]), (&json!(2), &json!(2)));

    let body = json!({"answers": answers("out", "lake"), "startedMs": NOW - 60_000, "quizHash": found["quizHash"]});
    let first: Value = submit(&server, &noor, "first", &body).await.ok();
    assert_eq!((&first["percent"], &first["passed"]), (&json!(5_000), &json!(false)));
    assert_eq!((&first["startedMs"], &first["submittedMs"]), (&json!(NOW - 60_000), &json!(NOW)));
    // The reply was lost: the same request again, later, and even with other answers.
    server.clock.advance(5_000);
    let again: Value = submit(&server, &noor, "first", &body).await.ok();
    assert_eq!(again, first);
    let other = json!({"answers": answers("out", "oxbow")});
    let again: Value = submit(&server, &noor, "first", &other).await.ok();
    assert_eq!(again, first);
    let results: Value = server.get(&format!("{BENDS}/results"), &noor.access_token).await.ok();
    assert_eq!((&results["items"], &results["attemptsLeft"]), (&json!([first]), &json!(1)));

    let second: Value = submit(&server, &noor, "second", &other).await.ok();
    assert_eq!((&second["percent"], &second["passed"]), (&json!(10_000), &json!(true)));
    // An attempt over the limit is stored without a grade.
    server.clock.advance(5_000);
    let third: Value = submit(&server, &noor, "third", &body).await.ok();
    assert_eq!((third.get("percent"), third.get("passed")), (None, None));
    let results: Value = server.get(&format!("{BENDS}/results"), &noor.access_token).await.ok();
    assert_eq!(results["best"], second);
    assert_eq!(results["items"], json!([third, second, first]));
    assert_eq!(results["attemptsLeft"], 0);
    // Devices pull the attempts and the grades.
    let pulled = server.pull(&noor.access_token, 0).await;
    let count = |name: &str| {
        pulled["rows"].as_array().unwrap().iter().filter(|row| row["row"]["type"] == name).count()
    };
    assert_eq!((count("attempt"), count("grade")), (3, 2));
    // Another learner has no results.
    let amin = server.learner("amin").await;
    let other: Value = server.get(&format!("{BENDS}/results"), &amin.access_token).await.ok();
    assert_eq!((&other["items"], other.get("best")), (&json!([]), None));
}

#[tokio::test]
async fn an_attempt_is_graded_by_its_own_questions_as_on_a_device() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    publish(&server).await;
    let attempt = device(77);
    let uri = format!("{BENDS}?attempt={attempt}");
    let found: Value = server.get(&uri, &noor.access_token).await.ok();
    let quiz: Quiz = serde_json::from_value(found["quiz"].clone()).unwrap();
    let given: GivenAnswer = serde_json::from_value(answers("out", "")["fast"].clone()).unwrap();
    let expected = grade(&quiz, |question| (question.as_str() == "fast").then_some(&given));
    let body = json!({"attempt": attempt, "answers": {"fast": answers("out", "")["fast"]}});
    let result: Value = submit(&server, &noor, "r", &body).await.ok();
    assert_eq!(result["attempt"], json!(AttemptId(attempt.0)));
    assert_eq!(
        (&result["points"], &result["maxPoints"]),
        (&json!(expected.points), &json!(expected.max_points))
    );
    // A device that has begun the same attempt at another quiz keeps it.
    let row = json!({"type": "attempt", "id": device(78), "quiz": "how-rivers-work/other",
        "quizHash": "ab".repeat(32), "startedMs": NOW});
    server.push(&noor.access_token, &[row]).await.ok::<Value>();
    let body = json!({"attempt": device(78), "answers": {}});
    let reply = submit(&server, &noor, "s", &body).await;
    assert_eq!(reply.problem().code, ErrorCode::Conflict);
}

#[tokio::test]
async fn submissions_that_make_no_sense_are_refused() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    publish(&server).await;
    for (body, code) in [
        (json!({}), ErrorCode::InvalidRequest),
        (json!({"answers": {}, "more": 1}), ErrorCode::InvalidRequest),
        (json!({"answers": {}, "startedMs": NOW + 1}), ErrorCode::InvalidRequest),
        (json!({"answers": {}, "offMin": 900}), ErrorCode::InvalidRequest),
        (json!({"answers": {}, "quizHash": "ab".repeat(32)}), ErrorCode::InvalidRequest),
        (json!({"answers": {"fast": "x".repeat(70_000)}}), ErrorCode::TooLarge),
    ] {
        let reply = submit(&server, &noor, "r", &body).await;
        assert_eq!(reply.problem().code, code, "{body:.200}");
    }
    for unknown in ["how-rivers-work.nothing", "nothing.bends", "how-rivers-work", "a.b.c", "A"] {
        for path in ["", "/results"] {
            let uri = format!("/api/assessments/{unknown}{path}");
            let reply = server.get(&uri, &noor.access_token).await;
            assert_eq!(reply.status, StatusCode::NOT_FOUND, "{uri}");
        }
    }
    let slash = server.get("/api/assessments/how-rivers-work%2Fbends", &noor.access_token).await;
    assert_eq!(slash.status, StatusCode::OK);
    let results: Value = server.get(&format!("{BENDS}/results"), &noor.access_token).await.ok();
    assert_eq!(results["items"], json!([]));
}
