//! Enrolment, the progress routes, and grades.

use axum::http::Method;
use carrel_model::{
    lattice::DecisionStatus,
    wire::{EnrolmentReply, ProgressReply, ProgressUpdateReply, ResultCode},
};
use serde_json::{Value, json};

use super::support::{NOW, TestServer, codes, device, progress};

const ENROLMENT: &str = "/api/courses/how-rivers-work/enrolment";

#[tokio::test]
async fn enrolling_stores_a_request_and_a_decision() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let token = &noor.access_token;
    let first: EnrolmentReply = server.call(Method::POST, ENROLMENT, token, None).await.ok();
    assert_eq!(first.status, Some(DecisionStatus::Active));
    let rows = server.pull(token, 0).await;
    let types: Vec<_> =
        rows["rows"].as_array().unwrap().iter().map(|r| r["row"]["type"].clone()).collect();
    assert_eq!(types, ["kv", "decision"]);
    // Enrolling again changes nothing.
    server.call(Method::POST, ENROLMENT, token, None).await.ok::<Value>();
    assert_eq!(server.pull(token, 2).await["rows"], json!([]));
    let withdrawn: EnrolmentReply = server.call(Method::DELETE, ENROLMENT, token, None).await.ok();
    assert_eq!(withdrawn.status, None);
    let after = server.pull(token, 2).await;
    assert_eq!(after["rows"][0]["row"]["value"], "null");
    let enrolled_again: EnrolmentReply =
        server.call(Method::POST, ENROLMENT, token, None).await.ok();
    assert_eq!(enrolled_again.status, Some(DecisionStatus::Active));
}

#[tokio::test]
async fn an_offline_request_is_decided_when_it_arrives() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let enrolment = |course: &str| json!({"type": "kv", "ns": "enrolment", "key": course, "value": "true", "hlc": "01a0000000000000", "device": device(1)});
    let rows = [enrolment("how-rivers-work"), enrolment("atlantis"), enrolment("no course at all")];
    assert_eq!(codes(&server.push(&noor.access_token, &rows).await.ok()), ["ok", "ok", "ok"]);
    let pulled = server.pull(&noor.access_token, 0).await;
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
async fn progress_replies_contain_the_merged_rows() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let token = &noor.access_token;
    let read = "how-rivers-work/meanders/read";
    let one = json!({"kind": "section", "item": read, "percent": 4000});
    let reply: ProgressUpdateReply = server.post("/api/progress/update", token, &one).await.ok();
    assert_eq!(reply.results[0].row.as_ref().unwrap().percent, 4000);
    let many = json!([
        {"kind": "section", "item": read, "percent": 3000},
        {"kind": "section", "item": "Not An Item", "percent": 1},
        {"kind": "section", "item": read, "percent": 10000, "doneMs": NOW},
        {"kind": "section", "item": read, "percent": 10001},
        7
    ]);
    let reply: ProgressUpdateReply = server.post("/api/progress/update", token, &many).await.ok();
    let result_codes: Vec<_> = reply.results.iter().map(|r| r.code).collect();
    use ResultCode::{Invalid, Ok};
    assert_eq!(result_codes, [Ok, Invalid, Ok, Invalid, Invalid]);
    // Both updates of the same row return the merged row.
    assert_eq!(reply.results[0].row, reply.results[2].row);
    assert_eq!(reply.results[0].row.as_ref().unwrap().percent, 10_000);
    assert!(reply.results[1].reason.contains("id"), "{:?}", reply.results[1]);

    let session = |id: u128, from: i64, ms: i64| {
        json!({"type": "session", "id": device(id), "item": read, "device": device(id), "startedMs": NOW + from,
            "day": "2026-09-21", "activeMs": ms})
    };
    // Sessions on two devices that overlap by ten seconds, and a session of another course whose id starts with the id
    // of this one.
    let mut other = session(3, 0, 99_000);
    other["item"] = json!("how-rivers-work-2/a/b");
    let rows = [session(1, 0, 30_000), session(2, 20_000, 30_000), other];
    assert_eq!(codes(&server.push(token, &rows).await.ok()), ["ok", "ok", "ok"]);
    let uri = format!("/api/progress/{}/how-rivers-work", noor.user.id);
    let reply: ProgressReply = server.get(&uri, token).await.ok();
    assert_eq!(
        (reply.percent, reply.completed, reply.time_spent_ms, reply.rows.len()),
        (5000, false, 50_000, 1)
    );
}

#[tokio::test]
async fn the_server_grades_submitted_attempts() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let token = &noor.access_token;
    let (hash, item) = quiz_of(&server).await;
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
    server.push(token, &[attempt(false), right.clone()]).await.ok::<Value>();
    assert_eq!(grades(&server.pull(token, 0).await), [], "an open attempt has no grade");
    server.push(token, &[attempt(true)]).await.ok::<Value>();
    assert_eq!(grades(&server.pull(token, 0).await), [(1, 1000, 2000)]);
    // The same rows again: no new grade, no new change number.
    let before = server.get("/api/sync/epoch", token).await.ok::<Value>();
    server.push(token, &[attempt(true), right]).await.ok::<Value>();
    assert_eq!(server.get("/api/sync/epoch", token).await.ok::<Value>(), before);
    // A first answer after the submission counts, because the attempt was submitted without its answers.
    let name = |seq: u32, value: Value| answer("name", seq, value);
    server
        .push(token, &[name(1, json!({"kind": "fill", "texts": [" OXBOW "]}))])
        .await
        .ok::<Value>();
    assert_eq!(grades(&server.pull(token, 0).await), [(2, 2000, 2000)]);
    // Later changes of graded answers do not count, whether correct or wrong.
    for late_row in [
        name(2, json!("oxbow")),
        name(3, json!({"kind": "fill", "texts": ["delta"]})),
        answer("fast", 9, json!({"kind": "choice", "chosen": ["in"]})),
    ] {
        assert_eq!(codes(&server.push(token, &[late_row]).await.ok()), ["ok"]);
        assert_eq!(grades(&server.pull(token, 0).await), [(2, 2000, 2000)]);
    }
    // An attempt at an unknown quiz is not graded.
    let unknown = json!({"type": "attempt", "id": device(6), "quiz": "a/b", "quizHash": "ab".repeat(32),
        "startedMs": NOW, "submittedMs": NOW});
    assert_eq!(
        codes(&server.push(token, &[unknown, progress("a/b/c", 1)]).await.ok()),
        ["ok", "ok"]
    );
    assert_eq!(grades(&server.pull(token, 0).await).len(), 1);
}

/// Returns the grades of one attempt as (revision, points).
async fn grades_of(server: &TestServer, token: &str, attempt: u128) -> Vec<(i64, i64)> {
    let pulled = server.pull(token, 0).await;
    let rows = pulled["rows"].as_array().unwrap().iter().map(|r| r["row"].clone());
    rows.filter(|r| r["type"] == "grade" && r["attempt"] == json!(device(attempt)))
        .map(|r| (r["rev"].as_i64().unwrap(), r["points"].as_i64().unwrap()))
        .collect()
}

const RIGHT: &str = r#"{"kind":"choice","chosen":["out"]}"#;
const WRONG: &str = r#"{"kind":"choice","chosen":["in"]}"#;
const OXBOW: &str = r#"{"kind":"fill","texts":["oxbow"]}"#;

/// Only answers submitted with the attempt count, whatever the order and number of pushes.
#[tokio::test]
async fn only_submitted_answers_are_graded() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await.access_token;
    let (hash, item) = quiz_of(&server).await;
    let rows = |id: u128| {
        let attempt = |submitted_ms: Option<i64>, answers: Option<Value>| {
            let mut row = json!({"type": "attempt", "id": device(id), "quiz": item, "quizHash": hash,
                "startedMs": NOW});
            if let Some(ms) = submitted_ms {
                row["submittedMs"] = json!(ms);
            }
            if let Some(answers) = answers {
                row["answers"] = answers;
            }
            row
        };
        let answer = |question: &str, seq: u32, value: &str| json!({"type": "answer", "attempt": device(id), "question": question, "seq": seq, "value": value});
        let submitted =
            attempt(Some(NOW + 60_000), Some(json!({"fast": RIGHT, "name": "not JSON"})));
        let submission = [
            attempt(None, None),
            answer("fast", 1, WRONG),
            answer("fast", 2, RIGHT),
            answer("name", 1, "not JSON"),
            submitted,
        ];
        let later_rows = [
            // Answers with greater sequence numbers: a wrong answer, and a correct answer instead of the submitted "not
            // JSON".
            answer("fast", 9, WRONG),
            answer("name", 9, OXBOW),
            // The attempt submitted again: earlier, at the same time and later with other answers; earlier without
            // answers.
            attempt(Some(NOW), Some(json!({"fast": RIGHT, "name": OXBOW}))),
            attempt(Some(NOW + 60_000), Some(json!({"fast": RIGHT, "a": OXBOW}))),
            attempt(Some(NOW + 70_000), Some(json!({}))),
            attempt(Some(NOW), None),
        ];
        (submission, later_rows)
    };
    // The rows of the submission in every order (every seventh unless CARREL_LONG is set), each in a separate push;
    // then rows that only a modified client would send.
    let step = if std::env::var_os("CARREL_LONG").is_some() { 1 } else { 7 };
    for (id, order) in (1000..).zip(permutations(5)).step_by(step) {
        let (submission, later_rows) = rows(id);
        for at in &order {
            server.push(&noor, &submission[*at..=*at]).await.ok::<Value>();
        }
        assert_eq!(grades_of(&server, &noor, id).await, [(1, 1000)], "{order:?}");
        if order[0] == 0 {
            for row in &later_rows {
                server.push(&noor, std::slice::from_ref(row)).await.ok::<Value>();
                assert_eq!(grades_of(&server, &noor, id).await, [(1, 1000)], "{order:?} {row}");
            }
        }
    }
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(n - 1);
    let insert = |p: &Vec<usize>, at: usize| {
        let mut p = p.clone();
        p.insert(at, n - 1);
        p
    };
    shorter.iter().flat_map(|p| (0..n).map(move |at| insert(p, at))).collect()
}

/// Attempts from a client release that submits attempts without answers: the rows may arrive in several batches and in
/// any order, and each question keeps the points of its first graded answer.
#[tokio::test]
async fn an_attempt_without_submitted_answers_is_graded_question_by_question() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await.access_token;
    let (hash, item) = quiz_of(&server).await;
    let answer = |id: u128, question: &str, seq: u32, value: &str| json!({"type": "answer", "attempt": device(id), "question": question, "seq": seq, "value": value});
    let submission = |id: u128| {
        let attempt = json!({"type": "attempt", "id": device(id), "quiz": item, "quizHash": hash,
            "startedMs": NOW, "submittedMs": NOW});
        [attempt, answer(id, "fast", 2, RIGHT), answer(id, "name", 1, OXBOW)]
    };
    for (id, order) in (1000..).zip(permutations(3)) {
        let rows = submission(id);
        for at in &order {
            server.push(&noor, &rows[*at..=*at]).await.ok::<Value>();
        }
        let graded = grades_of(&server, &noor, id).await;
        assert_eq!(graded[0].1, 2000, "{order:?}: {graded:?}");
        // Later changes, and the old rows again.
        let later_rows = [
            answer(id, "fast", 9, WRONG),
            answer(id, "name", 9, "\"x\""),
            answer(id, "fast", 2, RIGHT),
        ];
        for row in later_rows {
            server.push(&noor, &[row]).await.ok::<Value>();
            assert_eq!(grades_of(&server, &noor, id).await, graded, "{order:?}");
        }
    }
    // One day after the first grading, a first answer to a question no longer counts.
    let rows = submission(5);
    server.push(&noor, &rows[..2]).await.ok::<Value>();
    assert_eq!(grades_of(&server, &noor, 5).await, [(1, 1000)]);
    server.clock.advance(24 * 3_600_000 + 1);
    let noor = server.sign_in("noor", 1).await.access_token;
    server.push(&noor, &rows[2..]).await.ok::<Value>();
    assert_eq!(grades_of(&server, &noor, 5).await, [(1, 1000)]);
    // The sign-in has deleted the expired `open_grade` row. That does not reopen the attempt: neither answers nor
    // another submission count.
    assert_eq!(server.rows_of("open_grade"), 0, "all seven open grades are a day old");
    let later_rows = [answer(5, "name", 7, OXBOW), answer(5, "fast", 9, RIGHT), rows[0].clone()];
    for row in &later_rows {
        server.push(&noor, std::slice::from_ref(row)).await.ok::<Value>();
        assert_eq!(grades_of(&server, &noor, 5).await, [(1, 1000)], "{row}");
    }
    assert_eq!(server.rows_of("open_grade"), 0);
    // One sign-in deletes at most 20 open grades. Further answers do not count for the remaining expired ones either.
    for id in 100..140 {
        server.push(&noor, &submission(id)[..2]).await.ok::<Value>();
    }
    server.clock.advance(24 * 3_600_000 + 1);
    let noor = server.sign_in("noor", 1).await.access_token;
    assert_eq!(server.rows_of("open_grade"), 20);
    for id in 100..140 {
        server.push(&noor, &submission(id)[2..]).await.ok::<Value>();
        assert_eq!(grades_of(&server, &noor, id).await, [(1, 1000)], "{id}");
    }
    let noor = server.sign_in("noor", 1).await.access_token;
    // An open grade that is exactly 24 hours old is kept, and further answers count.
    server.push(&noor, &submission(6)[..2]).await.ok::<Value>();
    server.clock.advance(24 * 3_600_000);
    let noor = server.sign_in("noor", 1).await.access_token;
    assert_eq!(server.rows_of("open_grade"), 1);
    server.push(&noor, &submission(6)[2..]).await.ok::<Value>();
    assert_eq!(grades_of(&server, &noor, 6).await, [(2, 2000)]);
}

/// Publishes the course of `write_course` with a limit on attempts at its quiz (0: no limit). Another `title` creates
/// another version of the quiz. Returns hash and id of the quiz.
async fn publish_limited(server: &TestServer, limit: u32, title: &str) -> (String, String) {
    let package = server.dir.path().join("package");
    super::support::write_course(&package);
    let quiz = std::fs::read_to_string(package.join("check.json")).unwrap();
    let quiz = quiz
        .replace("\"pass\":60", &format!("\"pass\":60,\"attempts\":{limit}"))
        .replace("Check yourself", title);
    std::fs::write(package.join("check.json"), quiz).unwrap();
    // The clock is set back: the order of versions must not depend on it.
    server.clock.advance(-1_000);
    let report = server.data_dir.import(&[package]).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    quiz_of(server).await
}

/// Returns a submitted attempt with a correct answer to one of two questions.
fn submitted(id: u128, (hash, item): &(String, String), at: i64) -> Value {
    json!({"type": "attempt", "id": device(id), "quiz": item, "quizHash": hash, "startedMs": NOW,
        "submittedMs": NOW + at, "answers": {"fast": RIGHT}})
}

/// Returns the graded attempts of a learner, and the number of all attempts.
async fn graded(server: &TestServer, token: &str) -> (Vec<u128>, usize) {
    let pulled = server.pull(token, 0).await;
    let rows: Vec<&Value> = pulled["rows"].as_array().unwrap().iter().map(|r| &r["row"]).collect();
    let id = |v: &Value| v.as_str().unwrap().parse::<carrel_model::AttemptId>().unwrap();
    let mut graded: Vec<u128> = rows
        .iter()
        .filter(|r| r["type"] == "grade")
        .map(|r| id(&r["attempt"]).0.as_u128())
        .collect();
    graded.sort_unstable();
    (graded, rows.iter().filter(|r| r["type"] == "attempt").count())
}

#[tokio::test]
async fn only_as_many_attempts_are_graded_as_the_quiz_allows() {
    let server = TestServer::new();
    let quiz = publish_limited(&server, 2, "Two tries").await;
    let noor = server.learner("noor").await.access_token;
    // In one push the earliest attempts count; at equal times, the attempt with the lesser id.
    let rows = [
        submitted(1, &quiz, 50),
        submitted(2, &quiz, 40),
        submitted(3, &quiz, 40),
        submitted(4, &quiz, 30),
        submitted(5, &quiz, 60),
    ];
    assert_eq!(codes(&server.push(&noor, &rows).await.ok()), ["ok"; 5]);
    assert_eq!(
        graded(&server, &noor).await,
        (vec![2, 4], 5),
        "all attempts are stored, two are graded"
    );
    // Later attempts: with an earlier time, repeated, without answers (graded question by question), one row at a
    // time.
    let mut open = submitted(6, &quiz, 1);
    open.as_object_mut().unwrap().remove("answers");
    let answer = json!({"type": "answer", "attempt": device(6), "question": "fast", "seq": 1, "value": RIGHT});
    for row in [submitted(7, &quiz, 1), rows[0].clone(), open, answer, submitted(8, &quiz, 0)] {
        server.push(&noor, &[row]).await.ok::<Value>();
        assert_eq!(graded(&server, &noor).await.0, [2, 4]);
    }
    // Other versions of the quiz share its limit, including an earlier version without a limit.
    let unlimited = publish_limited(&server, 0, "No limit").await;
    let again = publish_limited(&server, 2, "Two tries again").await;
    assert!(unlimited.0 != quiz.0 && again.0 != unlimited.0 && again.1 == quiz.1);
    for (id, version) in [(20, &again), (21, &unlimited), (22, &quiz)] {
        server.push(&noor, &[submitted(id, version, 0)]).await.ok::<Value>();
        assert_eq!(graded(&server, &noor).await.0, [2, 4], "{id}");
    }
    // The limit applies to each learner separately.
    let sam = server.learner("sam").await.access_token;
    server
        .push(
            &sam,
            &[submitted(30, &unlimited, 9), submitted(31, &again, 8), submitted(32, &quiz, 7)],
        )
        .await
        .ok::<Value>();
    assert_eq!(graded(&server, &sam).await.0, [31, 32]);
    // Existing grades are kept when the limit is lowered to 1. A limit of 3 allows one more grade.
    publish_limited(&server, 1, "One try").await;
    server.push(&noor, &rows).await.ok::<Value>();
    assert_eq!(graded(&server, &noor).await.0, [2, 4]);
    publish_limited(&server, 3, "Three tries").await;
    server.push(&noor, &rows).await.ok::<Value>();
    assert_eq!(graded(&server, &noor).await.0, [2, 3, 4]);
    publish_limited(&server, 0, "No limit again").await;
    server.push(&noor, &rows).await.ok::<Value>();
    assert_eq!(graded(&server, &noor).await.0, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_attempt_graded_within_the_limit_may_be_regraded() {
    let server = TestServer::new();
    let quiz = publish_limited(&server, 1, "One try").await;
    let noor = server.learner("noor").await.access_token;
    let mut open = submitted(1, &quiz, 5);
    open.as_object_mut().unwrap().remove("answers");
    let answer = |question: &str, value: &str| json!({"type": "answer", "attempt": device(1), "question": question, "seq": 1, "value": value});
    server.push(&noor, &[open, answer("fast", RIGHT)]).await.ok::<Value>();
    server.push(&noor, &[submitted(2, &quiz, 0)]).await.ok::<Value>();
    server.push(&noor, &[answer("name", OXBOW)]).await.ok::<Value>();
    assert_eq!(grades_of(&server, &noor, 1).await, [(2, 2000)]);
    assert_eq!(graded(&server, &noor).await.0, [1]);
}

/// A merge could replace the quiz. The grade would then belong to another quiz, and the attempt would no longer count
/// towards the limit of its quiz.
#[tokio::test]
async fn the_quiz_of_an_attempt_cannot_change() {
    let server = TestServer::new();
    let quiz = publish_limited(&server, 1, "One try").await;
    let later = publish_limited(&server, 1, "One try again").await;
    let noor = server.learner("noor").await.access_token;
    server.push(&noor, &[submitted(1, &quiz, 5)]).await.ok::<Value>();
    let other_item = (quiz.0.clone(), "how-rivers-work/other".to_owned());
    for other in [&later, &other_item, &("ab".repeat(32), quiz.1.clone())] {
        let reply: Value = server.push(&noor, &[submitted(1, other, 5)]).await.ok();
        assert_eq!(codes(&reply), ["invalid"], "{other:?}");
        assert!(reply["results"][0]["reason"].as_str().unwrap().contains("quiz"), "{reply}");
    }
    server.push(&noor, &[submitted(2, &quiz, 5)]).await.ok::<Value>();
    assert_eq!(graded(&server, &noor).await, (vec![1], 2));
    // Another start time is accepted and merged: a device may send it after a correction of its clock.
    let mut other_start = submitted(1, &quiz, 5);
    other_start["startedMs"] = json!(NOW - 1);
    assert_eq!(codes(&server.push(&noor, &[other_start]).await.ok()), ["ok"]);
}

#[tokio::test]
async fn one_quiz_file_in_two_courses_is_graded_in_both() {
    let server = TestServer::new();
    let first = publish_limited(&server, 1, "One try").await;
    let package = server.dir.path().join("package");
    let course = std::fs::read_to_string(package.join("course.json")).unwrap();
    let course = course
        .replace("how-rivers-work", "how-rivers-flow")
        .replace("\"stories\":[\"stories/the-flood\"],", "");
    std::fs::write(package.join("course.json"), course).unwrap();
    let report = server.data_dir.import(&[package]).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    let second = (first.0.clone(), first.1.replace("how-rivers-work", "how-rivers-flow"));
    let noor = server.learner("noor").await.access_token;
    let rows = [submitted(1, &first, 1), submitted(2, &second, 1), submitted(3, &second, 2)];
    server.push(&noor, &rows).await.ok::<Value>();
    assert_eq!(graded(&server, &noor).await.0, [1, 2], "one attempt at each");
}

/// Rows of a device whose clock is ahead are refused: times of attempts may be at most 5 minutes in the future, others 31
/// days.
#[tokio::test]
async fn times_in_the_far_future_are_refused() {
    let server = TestServer::new();
    let quiz = publish_limited(&server, 0, "No limit").await;
    let noor = server.learner("noor").await.access_token;
    let month = 31 * 24 * 3_600_000_i64;
    // `publish_limited` has set the clock of the server to one second before NOW.
    let limit = month - 1_000;
    let limit_of_attempts = 5 * 60_000 - 1_000;
    let attempt = |started: i64, submitted_at: Option<i64>| {
        let mut row = submitted(1, &quiz, 0);
        row["startedMs"] = json!(NOW + started);
        match submitted_at {
            Some(at) => row["submittedMs"] = json!(NOW + at),
            None => {
                row.as_object_mut().unwrap().remove("submittedMs");
                row.as_object_mut().unwrap().remove("answers");
            }
        }
        row
    };
    let completed = |at: i64| {
        let mut row = progress("a/b/c", 10_000);
        row["doneMs"] = json!(NOW + at);
        row
    };
    let table = [
        (attempt(limit_of_attempts, None), "ok"),
        (attempt(limit_of_attempts + 1, None), "clock_skew"),
        (attempt(0, Some(limit_of_attempts)), "ok"),
        (attempt(0, Some(limit_of_attempts + 1)), "clock_skew"),
        (attempt(limit_of_attempts + 1, Some(0)), "clock_skew"),
        (attempt(0, Some(73 * 365 * 24 * 3_600_000)), "clock_skew"),
        (completed(limit), "ok"),
        (completed(limit + 1), "clock_skew"),
        (completed(73 * 365 * 24 * 3_600_000), "clock_skew"),
        (completed(-month), "ok"),
    ];
    for (row, code) in table {
        assert_eq!(
            codes(&server.push(&noor, std::slice::from_ref(&row)).await.ok()),
            [code],
            "{row}"
        );
    }
    let update =
        json!({"kind": "section", "item": "a/b/d", "percent": 10_000, "doneMs": NOW + limit + 1});
    let reply: ProgressUpdateReply = server.post("/api/progress/update", &noor, &update).await.ok();
    assert_eq!(reply.results[0].code, ResultCode::ClockSkew);
}

#[tokio::test]
async fn answers_outside_the_quiz_or_above_the_limit_are_refused() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let token = &noor.access_token;
    let (hash, item) = quiz_of(&server).await;
    let known = json!({"type": "attempt", "id": device(5), "quiz": item, "quizHash": hash, "startedMs": NOW});
    let answer = |attempt: u128, question: &str| json!({"type": "answer", "attempt": device(attempt), "question": question, "seq": 1, "value": RIGHT});
    let reply: Value = server
        .push(token, &[answer(5, "other"), known.clone(), answer(5, "fast"), answer(5, "x")])
        .await
        .ok();
    assert_eq!(codes(&reply), ["invalid", "ok", "ok", "invalid"]);
    assert!(reply["results"][0]["reason"].as_str().unwrap().contains("other"), "{reply}");
    // If the attempt or its quiz is unknown, a limited number of answers is accepted.
    let mut accepted = 0;
    for batch in 0..3 {
        let rows: Vec<Value> =
            (0..900).map(|n| answer(6, &format!("q{}", batch * 900 + n))).collect();
        let reply: Value = server.push(token, &rows).await.ok();
        accepted += codes(&reply).iter().filter(|c| *c == "ok").count();
    }
    assert_eq!(accepted, 1_000);
    // Stored answers may change. The limit applies to each attempt separately.
    let mut change = answer(6, "q7");
    change["seq"] = json!(2);
    let reply: Value =
        server.push(token, &[change, answer(6, "q2600"), answer(7, "q1")]).await.ok();
    assert_eq!(codes(&reply), ["ok", "invalid", "ok"]);
}

#[tokio::test]
async fn only_the_value_true_requests_enrolment() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let token = &noor.access_token;
    let enrolment = |value: &str, at: i64| json!({"type": "kv", "ns": "enrolment", "key": "how-rivers-work", "value": value, "hlc": format!("{:016x}", (NOW + at) << 16), "device": device(1)});
    let decided = async || {
        let pulled = server.pull(token, 0).await;
        pulled["rows"].as_array().unwrap().iter().any(|r| r["row"]["type"] == "decision")
    };
    for (at, invalid) in ["garbage", "1", "\"true\"", "[]", "TRUE", ""].into_iter().enumerate() {
        let reply: Value = server.push(token, &[enrolment(invalid, at as i64)]).await.ok();
        assert_eq!(codes(&reply), ["invalid"], "{invalid}");
    }
    for (at, value) in ["false", "null"].into_iter().enumerate() {
        let reply: Value = server.push(token, &[enrolment(value, 10 + at as i64)]).await.ok();
        assert_eq!(codes(&reply), ["ok"], "{value}");
    }
    assert!(!decided().await);
    server.push(token, &[enrolment("true", 20)]).await.ok::<Value>();
    assert!(decided().await);
}

/// Returns hash and id of the quiz in the course's second section.
pub async fn quiz_of(server: &TestServer) -> (String, String) {
    let course: Value = server.get("/api/courses/how-rivers-work", "").await.ok();
    let body = course["outline"]["lessons"][0]["sections"][1]["body"].as_str().unwrap().to_owned();
    let section: Value = server.get(&format!("/api/blobs/{body}"), "").await.ok();
    let block =
        section["blocks"].as_array().unwrap().iter().find(|b| b["kind"] == "quiz").unwrap().clone();
    (block["body"].as_str().unwrap().to_owned(), block["quiz"].as_str().unwrap().to_owned())
}
