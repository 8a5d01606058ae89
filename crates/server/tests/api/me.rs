//! The signed-in learner: profile, own progress, dashboard, and totals.

use axum::http::StatusCode;
use carrel_model::Slug;
use serde_json::{Value, json};

use super::support::{NOW, TestServer, device, progress};

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
