//! Tests: pools, hints, number answers, time limits and the review of answers, from the package to the server's grade.

use std::sync::Arc;

use carrel_client::Client;
use carrel_commands::dispatch;
use carrel_model::{BlobHash, ItemId};
use carrel_testkit::{FakeClock, TestServer, content, device::PASSWORD, scratch::scratch};
use serde_json::{Value, json};

use crate::client::{self, CommandHost, sync, wait_until};

/// Publishes the course with a quiz of these fields and questions. Returns the quiz and the hash of its version.
async fn publish(server: &TestServer, clock: &FakeClock, quiz: &Value) -> (ItemId, BlobHash) {
    let packages = scratch();
    content::write_course(packages.path(), content::COURSE, "Rivers").expect("a course");
    for lesson in content::LESSONS {
        let mut quiz = quiz.clone();
        quiz["format"] = json!("carrel-quiz/1");
        quiz["id"] = json!(format!("{lesson}-check"));
        quiz["title"] = json!("Test");
        let path = packages.path().join(lesson).join("check.json");
        std::fs::write(path, quiz.to_string()).expect("written");
    }
    clock.advance(1_000);
    server.import(&[packages.path().to_owned()]).await;
    let (item, hash, _) = server.quizzes().await.remove(0);
    (item, hash)
}

async fn call(host: &CommandHost, command: &str, request: Value) -> Value {
    dispatch(host, command, request).await.unwrap_or_else(|e| panic!("{command}: {e:?}"))
}

fn ids(attempt: &Value) -> Vec<String> {
    let questions = attempt["quiz"]["questions"].as_array().expect("questions");
    questions.iter().map(|q| q["id"].as_str().expect("an id").to_owned()).collect()
}

async fn reopen(client: Arc<Client>, dir: &std::path::Path, clock: &FakeClock) -> CommandHost {
    client.close().await;
    drop(client);
    CommandHost { client: client::open(dir, client::live_http(), clock, 9, false).await }
}

/// The device and the server draw the same questions, and count the same hints, also after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_grades_the_questions_that_the_attempt_drew() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let number = |n: usize| {
        json!({ "id": format!("n{n}"), "kind": "numeric", "prompt": format!("Number {n}"), "points": 2, "pool": "p",
            "hints": ["One", "Two"], "hintPenalty": 25,
            "answers": [{ "value": 1000 * n, "unit": "m" }] })
    };
    let mut questions: Vec<Value> = (1..=6).map(number).collect();
    questions.push(json!({ "id": "last", "kind": "single", "prompt": "Last", "choices": [
        { "id": "a", "text": "A", "correct": true }, { "id": "b", "text": "B" } ] }));
    let quiz = json!({ "pass": 60, "shuffle": true, "shuffleQuestions": true, "review": "graded",
        "pools": [{ "id": "p", "draw": 2 }], "questions": questions });
    let (item, body) = publish(&server, &clock, &quiz).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let host = CommandHost { client };
    let open = json!({ "quiz": item, "body": body });
    let view = call(&host, "open_quiz", open.clone()).await;
    assert_eq!(
        (&view["questionCount"], view["quiz"]["questions"].as_array().map(Vec::len)),
        (&json!(3), Some(7))
    );
    let started = call(&host, "start_attempt", open.clone()).await;
    let drawn = ids(&started);
    assert_eq!(drawn.len(), 3);

    let host = reopen(host.client, dir.path(), &clock).await;
    let continued = call(&host, "start_attempt", open.clone()).await;
    assert_eq!((ids(&continued), &continued["quiz"]), (drawn.clone(), &started["quiz"]));
    let attempt = &started["id"];
    let mut hints = 0;
    for question in &drawn {
        let response = match question.strip_prefix('n') {
            Some(n) => json!({ "kind": "number", "text": format!("{n} km"), "lang": "fr" }),
            None => json!({ "kind": "choice", "chosen": ["a"] }),
        };
        let empty = json!({ "kind": "number", "text": "", "lang": "fr" });
        if question != "last" {
            // A hint is recorded before there is an answer.
            let hint =
                json!({ "attempt": attempt, "question": question, "response": empty, "hints": 1 });
            call(&host, "save_answer", hint).await;
            hints += 1;
        }
        let seen = if question == "last" { 0 } else { 1 };
        let answer = json!({ "attempt": attempt, "question": question, "response": response, "hints": seen });
        let saved = call(&host, "save_answer", answer).await;
        assert_eq!(saved["points"], if seen == 1 { json!(1500) } else { json!(1000) });
    }
    assert_eq!(hints, 2);
    let done = call(&host, "submit_attempt", json!({ "attempt": attempt })).await;
    assert_eq!(
        (&done["score"]["points"], &done["score"]["maxPoints"]),
        (&json!(4000), &json!(5000))
    );
    assert_eq!((&done["provisional"], &done["mayReview"]), (&json!(true), &json!(false)));
    assert_eq!(done["score"]["questions"], json!([]));

    sync(&host.client.account().expect("the account")).await;
    let view = call(&host, "open_quiz", open).await;
    let graded = &view["attempts"][0];
    assert_eq!(
        (&graded["score"]["points"], &graded["score"]["maxPoints"]),
        (&json!(4000), &json!(5000))
    );
    assert_eq!((&graded["provisional"], &graded["mayReview"]), (&json!(false), &json!(true)));
    assert_eq!(ids(graded), drawn, "the review shows the questions in the same order");
    assert_eq!(graded["score"]["questions"].as_array().map(Vec::len), Some(3));
    host.client.close().await;
}

/// A number that the learner and the quiz read differently is asked for: it is saved but scores nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ambiguous_number_is_asked_for_before_it_is_graded() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let quiz = json!({ "pass": 100, "questions": [
        { "id": "n", "kind": "numeric", "prompt": "N", "answers": [16] },
        { "id": "m", "kind": "single", "prompt": "M", "choices": [
            { "id": "a", "text": "A", "correct": true }, { "id": "b", "text": "B" } ] } ] });
    let (item, body) = publish(&server, &clock, &quiz).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let host = CommandHost { client };
    let open = json!({ "quiz": item, "body": body });
    let started = call(&host, "start_attempt", open.clone()).await;
    let save = |decimal: Value| {
        let mut response = json!({ "kind": "number", "text": "16,000", "lang": "fr" });
        if !decimal.is_null() {
            response["decimal"] = decimal;
        }
        json!({ "attempt": started["id"], "question": "n", "response": response })
    };
    let asked = call(&host, "save_answer", save(Value::Null)).await;
    let problem = &asked["parts"][0]["problem"];
    assert_eq!((&asked["points"], &problem["problem"]), (&json!(0), &json!("ambiguous")));
    let readings: Vec<&Value> =
        problem["readings"].as_array().expect("a list").iter().map(|r| &r["plain"]).collect();
    assert_eq!(readings, [&json!("16"), &json!("16000")]);
    let wrong = call(&host, "save_answer", save(json!("point"))).await;
    assert_eq!((&wrong["points"], &wrong["parts"][0]["problem"]), (&json!(0), &Value::Null));
    let right = call(&host, "save_answer", save(json!("comma"))).await;
    assert_eq!(right["points"], 1000);
    call(&host, "submit_attempt", json!({ "attempt": started["id"] })).await;
    sync(&host.client.account().expect("the account")).await;
    let view = call(&host, "open_quiz", open).await;
    let score = &view["attempts"][0]["score"];
    assert_eq!(
        (&score["points"], &view["attempts"][0]["provisional"]),
        (&json!(1000), &json!(false))
    );
    host.client.close().await;
}

const LIMIT_MS: i64 = 60_000;

/// The deadline of an attempt is kept while the app is closed. The answers so far are submitted with its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_limit_survives_a_restart_and_submits_the_answers_so_far() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let choices = json!([{ "id": "a", "text": "A", "correct": true }, { "id": "b", "text": "B" }]);
    let question =
        |id: &str| json!({ "id": id, "kind": "single", "prompt": id, "choices": choices });
    let quiz = json!({ "pass": 50, "timeLimitMinutes": 1, "attempts": 3,
        "questions": [question("x"), question("y")] });
    let (item, body) = publish(&server, &clock, &quiz).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let host = CommandHost { client };
    let open = json!({ "quiz": item, "body": body });
    let answer = |attempt: &Value, question: &str| {
        json!({ "attempt": attempt["id"], "question": question,
            "response": { "kind": "choice", "chosen": ["a"] } })
    };
    let first = call(&host, "start_attempt", open.clone()).await;
    assert_eq!(first["leftMs"], LIMIT_MS);
    call(&host, "save_answer", answer(&first, "x")).await;
    clock.advance(20_000);

    let host = reopen(host.client, dir.path(), &clock).await;
    let continued = call(&host, "start_attempt", open.clone()).await;
    assert_eq!((&continued["id"], &continued["leftMs"]), (&first["id"], &json!(LIMIT_MS - 20_000)));
    host.client.close().await;
    clock.advance(3_600_000);

    let host = CommandHost {
        client: client::open(dir.path(), client::live_http(), &clock, 10, false).await,
    };
    // No command is needed for the submission.
    let account = host.client.account().expect("the account");
    let quiz_id: ItemId = item.clone();
    let submitted = wait_until(&host.client, "the submission", || async {
        let record = account.learning.attempts(&quiz_id).await.expect("attempts").remove(0);
        record.attempt.submitted_ms.map(|ms| (ms, record.attempt.started_ms, record.answers.len()))
    })
    .await;
    let (submitted_ms, started_ms, answers) = submitted;
    assert_eq!(answers, 1);
    assert!((LIMIT_MS..LIMIT_MS + 2_000).contains(&(submitted_ms - started_ms)), "{submitted:?}");
    let view = call(&host, "open_quiz", open.clone()).await;
    assert_eq!((&view["open"], &view["attemptsLeft"]), (&Value::Null, &json!(2)));
    assert_eq!(view["attempts"][0]["score"]["points"], 1000);
    let late = dispatch(&host, "save_answer", answer(&first, "y")).await;
    assert!(late.is_err(), "{late:?}");

    // While the app is open, the attempt is submitted when the time is over, and later answers are refused.
    let second = call(&host, "start_attempt", open.clone()).await;
    assert_ne!(second["id"], first["id"]);
    clock.advance(LIMIT_MS + 1);
    let late = dispatch(&host, "save_answer", answer(&second, "y")).await;
    assert!(late.is_err(), "{late:?}");
    wait_until(&host.client, "the second submission", || async {
        let records = account.learning.attempts(&quiz_id).await.expect("attempts");
        records[1].attempt.submitted_ms
    })
    .await;
    sync(&account).await;
    let view = call(&host, "open_quiz", open).await;
    let graded: Vec<(&Value, &Value)> = view["attempts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|a| (&a["score"]["points"], &a["provisional"]))
        .collect();
    assert_eq!(graded, [(&json!(1000), &json!(false)), (&json!(0), &json!(false))]);
    host.client.close().await;
}
