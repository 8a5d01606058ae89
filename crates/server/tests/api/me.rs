//! The signed-in learner: profile, own progress, dashboard, totals, and reports of studying a story.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use carrel_model::Slug;
use serde_json::{Value, json};

use super::support::{NOW, Reply, TestServer, device, progress};

const HOUR: i64 = 3_600_000;

fn session(id: u128, item: &str, started_ms: i64, day: &str) -> Value {
    json!({"type": "session", "id": device(id), "item": item, "device": device(1),
        "startedMs": started_ms, "day": day, "offMin": 120, "activeMs": HOUR})
}

#[tokio::test]
async fn the_profile_is_that_of_the_caller() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let profile: Value = server.get("/api/users/profile", &noor.access_token).await.ok();
    let expected = json!({"id": noor.user.id, "login": "noor", "name": "noor", "role": "student"});
    assert_eq!(profile, expected);
}

#[tokio::test]
async fn the_dashboard_has_ten_courses_and_the_last_studied_is_first() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let amin = server.learner("amin").await;
    server.publish().await;
    let none: Value = server.get("/api/me/dashboard", &noor.access_token).await.ok();
    assert_eq!((&none["items"], &none["total"]), (&json!([]), &json!(0)));
    // Eleven requests for courses that are not in the catalogue, and one for a course that is.
    let mut rows: Vec<Value> = (0..11)
        .map(|n| {
            json!({"type": "kv", "ns": "enrolment", "key": format!("c{n}"), "value": "true",
                "hlc": format!("01a0000000{n:02x}0000"), "device": device(1)})
        })
        .collect();
    server.post("/api/courses/how-rivers-work/enroll", &noor.access_token, &json!({})).await;
    rows.push(session(1, "c3/one/read", NOW, "2026-09-21"));
    rows.push(session(2, "how-rivers-work/meanders/read", NOW - HOUR, "2026-09-21"));
    let mut done = progress("how-rivers-work/meanders/read", 10_000);
    done["doneMs"] = json!(NOW - HOUR);
    rows.push(done);
    server.push(&noor.access_token, &rows).await.ok::<Value>();
    let page: Value = server.get("/api/me/dashboard", &noor.access_token).await.ok();
    let items = page["items"].as_array().unwrap();
    let ids: Vec<&str> = items.iter().map(|i| i["courseId"].as_str().unwrap()).collect();
    let expected = ["c3", "how-rivers-work", "c10", "c9", "c8", "c7", "c6", "c5", "c4", "c2"];
    assert_eq!((&ids[..], &page["total"]), (&expected[..], &json!(12)));
    assert_eq!((&items[0]["status"], &items[1]["status"]), (&json!("pending"), &json!("active")));
    // The same courses with their progress, and one of them.
    let all: Value = server.get("/api/me/progress", &noor.access_token).await.ok();
    assert_eq!(all["items"].as_array().unwrap().len(), 12);
    let uri = "/api/me/progress?courseId=how-rivers-work";
    let one: Value = server.get(uri, &noor.access_token).await.ok();
    assert_eq!((&one["items"], &one["total"]), (&json!([items[1]]), &json!(1)));
    assert_eq!((&items[1]["percent"], &items[1]["completedSections"]), (&json!(5_000), &json!(1)));
    let other: Value = server.get(uri, &amin.access_token).await.ok();
    assert_eq!((&other["items"], &other["total"]), (&json!([]), &json!(0)));
    // The progress of the course and that in the list are the same figures.
    let course: Slug = "how-rivers-work".parse().unwrap();
    let uri = format!("/api/progress/{}/{course}", noor.user.id);
    let progress: Value = server.get(&uri, &noor.access_token).await.ok();
    assert_eq!(progress["percent"], items[1]["percent"]);
}

#[tokio::test]
async fn analytics_are_the_totals_of_the_learners_rows() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let amin = server.learner("amin").await;
    let none: Value = server.get("/api/me/analytics", &noor.access_token).await.ok();
    assert_eq!(
        (&none["totalMs"], &none["streakDays"], &none["offMin"]),
        (&json!(0), &json!(0), &json!(0))
    );
    let day = 24 * HOUR;
    let mut story =
        json!({"type": "progress", "kind": "story", "item": "the-flood", "percent": 10_000});
    story["doneMs"] = json!(NOW - HOUR);
    let mut section = progress("how-rivers-work/meanders/read", 10_000);
    section["doneMs"] = json!(NOW - HOUR);
    let attempt = |id: u128, submitted: Option<i64>| {
        let mut row = json!({"type": "attempt", "id": device(id), "quiz": "how-rivers-work/bends",
            "quizHash": "ab".repeat(32), "startedMs": NOW - HOUR});
        if let Some(ms) = submitted {
            row["submittedMs"] = json!(ms);
        }
        row
    };
    let rows = [
        session(1, "the-flood", NOW - HOUR, "2026-09-21"),
        // The same time on another device counts once.
        session(2, "the-flood", NOW - HOUR, "2026-09-21"),
        session(3, "how-rivers-work/meanders/read", NOW - day, "2026-09-20"),
        session(4, "how-rivers-work/meanders/read", NOW - 3 * day, "2026-09-18"),
        story,
        section,
        attempt(5, Some(NOW - HOUR)),
        attempt(6, Some(NOW - HOUR)),
        json!({"type": "kv", "ns": "review", "key": "dayStartMinutes", "value": "0",
            "hlc": "01a0000000000000", "device": device(1)}),
    ];
    server.push(&noor.access_token, &rows).await.ok::<Value>();
    let found: Value = server.get("/api/me/analytics", &noor.access_token).await.ok();
    assert_eq!((&found["asOfMs"], &found["offMin"]), (&json!(NOW), &json!(120)));
    assert_eq!((&found["totalMs"], &found["streakDays"]), (&json!(3 * HOUR), &json!(2)));
    for (name, expected) in [("sectionsDone", 1), ("storiesDone", 1), ("quizzesTaken", 1)] {
        assert_eq!(found[name], expected, "{name}");
    }
    let days = found["days"].as_array().unwrap();
    assert_eq!((days.len(), &days[27]), (28, &json!({"day": "2026-09-21", "activeMs": HOUR})));
    assert_eq!(found["recent"]["activeDays"], 3);
    assert_eq!(
        found["items"][0],
        json!({"id": "the-flood", "isStory": true, "timeSpentMs": HOUR, "lastMs": NOW})
    );
    // 2026-09-21T14:13:20Z is the next day 14 hours ahead, and yesterday is not studied in the streak twice.
    let ahead: Value = server.get("/api/me/analytics?offMin=840", &noor.access_token).await.ok();
    assert_eq!((&ahead["day"], &ahead["streakDays"]), (&json!("2026-09-22"), &json!(2)));
    for offset in ["-721", "841", "x"] {
        let uri = format!("/api/me/analytics?offMin={offset}");
        let reply = server.get(&uri, &noor.access_token).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{offset}");
    }
    let other: Value = server.get("/api/me/analytics", &amin.access_token).await.ok();
    assert_eq!(other["totalMs"], 0);
}

/// Reports studying a story under a request id.
async fn report(server: &TestServer, token: &str, id: &str, body: &Value) -> Reply {
    let request = Request::post("/api/progress/update")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("x-request-id", id);
    server.send(request.body(Body::from(body.to_string())).unwrap()).await
}

fn story_update(percent: f64, seconds: f64) -> Value {
    json!({"storyId": "the-flood", "completionPercentage": percent, "timeSpent": seconds})
}

#[tokio::test]
async fn a_repeated_report_of_study_counts_once() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let amin = server.learner("amin").await;
    let total = async || {
        let found: Value = server.get("/api/me/analytics", &noor.access_token).await.ok();
        found["totalMs"].as_i64().unwrap()
    };
    for id in ["first", "1b4e28ba-2fa1-11d2-883f-0016d3cca427"] {
        let mut rows = Value::Null;
        for repetition in 0..6 {
            let reply = report(&server, &noor.access_token, id, &story_update(40.0, 60.0)).await;
            let row = &reply.ok::<Value>()["results"][0];
            assert_eq!((&row["code"], &row["row"]["percent"]), (&json!("ok"), &json!(4_000)));
            server.clock.advance(60_000);
            // A repetition changes nothing, also not the start of the session.
            let pulled = server.pull(&noor.access_token, 0).await;
            assert!(repetition == 0 || pulled == rows, "{pulled}");
            rows = pulled;
        }
    }
    assert_eq!(total().await, 2 * 60_000);
    // Overlapping time counts once: the first contains the second session of before, the second is in the first.
    report(&server, &noor.access_token, "c", &story_update(41.0, 600.0)).await;
    report(&server, &noor.access_token, "d", &story_update(41.0, 300.0)).await;
    assert_eq!(total().await, 60_000 + 600_000);
    // The rows are those of a push: devices pull them, and the session has the id of the request.
    let pulled = server.pull(&noor.access_token, 0).await;
    let rows = pulled["rows"].as_array().unwrap();
    let sessions: Vec<&Value> =
        rows.iter().map(|r| &r["row"]).filter(|row| row["type"] == "session").collect();
    assert_eq!((rows.len(), sessions.len()), (5, 4));
    let session = sessions.iter().find(|s| s["id"] == "1b4e28ba-2fa1-11d2-883f-0016d3cca427");
    let session = session.unwrap();
    assert_eq!((&session["item"], &session["activeMs"]), (&json!("the-flood"), &json!(60_000)));
    assert_eq!((&session["day"], &session["device"]), (&json!("2026-09-21"), &json!(device(1))));
    // The same id of another learner is another session.
    report(&server, &amin.access_token, "first", &story_update(1.0, 60.0)).await;
    let other: Value = server.get("/api/me/analytics", &amin.access_token).await.ok();
    assert_eq!(other["totalMs"], 60_000);
}

#[tokio::test]
async fn reports_are_merged_like_pushed_rows() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let percent = async |id: &str, percent: f64| {
        let reply = report(&server, &noor.access_token, id, &story_update(percent, 0.0)).await;
        reply.ok::<Value>()["results"][0]["row"].clone()
    };
    assert_eq!(percent("a", 29.29).await["percent"], 2_929);
    assert_eq!(percent("b", 10.0).await["percent"], 2_929);
    let done = percent("c", 100.0).await;
    server.clock.advance(60_000);
    let again = percent("d", 100.0).await;
    assert_eq!((&done["percent"], &done["doneMs"]), (&json!(10_000), &json!(NOW)));
    assert_eq!(again["doneMs"], NOW);
    // The learner begins the story again on a device; a later report belongs to the new run.
    let row = json!({"type": "progress", "kind": "story", "item": "the-flood", "generation": 2, "percent": 0});
    server.push(&noor.access_token, &[row]).await.ok::<Value>();
    let restarted = percent("e", 25.0).await;
    assert_eq!((&restarted["generation"], &restarted["percent"]), (&json!(2), &json!(2_500)));
    // No time, no session.
    assert_eq!(server.rows_of("study_session"), 0);
    let list: Value = server.get("/api/progress", &noor.access_token).await.ok();
    assert_eq!((&list["total"], &list["items"][0]), (&json!(1), &restarted));
    let media: Value = server.get("/api/progress?kind=media", &noor.access_token).await.ok();
    assert_eq!(media["total"], 0);
    for (field, value) in [
        ("completionPercentage", json!(100.01)),
        ("completionPercentage", json!(-1)),
        ("completionPercentage", json!("40")),
        ("completionPercentage", Value::Null),
        ("timeSpent", json!(-1)),
        ("timeSpent", json!(86_401)),
        ("offMin", json!(841)),
        ("storyId", json!("The Flood")),
        ("storyId", json!(7)),
    ] {
        let mut body = story_update(1.0, 1.0);
        body[field] = value;
        let reply = report(&server, &noor.access_token, "x", &body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(server.rows_of("study_session"), 0);
}

#[tokio::test]
async fn own_progress_is_listed_by_kind_and_item() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let rows: Vec<Value> = (0..5).map(|n| progress(&format!("c/l/s{n}"), 1_000)).collect();
    server.push(&noor.access_token, &rows).await.ok::<Value>();
    report(&server, &noor.access_token, "a", &story_update(1.0, 0.0)).await;
    let items = async |query: &str| {
        let uri = format!("/api/progress?{query}");
        let page: Value = server.get(&uri, &noor.access_token).await.ok();
        let items = page["items"].as_array().unwrap().iter();
        let items: Vec<String> = items.map(|i| i["item"].as_str().unwrap().to_owned()).collect();
        (items.join(" "), page["total"].as_u64().unwrap())
    };
    assert_eq!(items("pageSize=2").await, ("c/l/s0 c/l/s1".into(), 6));
    assert_eq!(items("pageSize=2&page=3").await, ("c/l/s4 the-flood".into(), 6));
    assert_eq!(items("kind=story").await, ("the-flood".into(), 1));
    let reply = server.get("/api/progress?kind=book", &noor.access_token).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}
