//! Courses: search with filters and order, content, enrolment, and the courses of a learner.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use carrel_model::wire::{EnrolmentReply, Role};
use carrel_people::permissions::Rank;
use serde_json::{Value, json};

use super::support::{NOW, Reply, TestServer, device, progress, write_course};

impl TestServer {
    /// Publishes the course of `write_course` under another id, with other fields of `course.json`.
    pub async fn publish_as(&self, id: &str, fields: Value) {
        let package = self.dir.path().join(id);
        write_course(&package);
        let file = package.join("course.json");
        let mut course: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        course["id"] = json!(id);
        for (name, value) in fields.as_object().unwrap() {
            course[name] = value.clone();
        }
        std::fs::write(&file, course.to_string()).unwrap();
        let report = self.data_dir.import(&[package]).await.unwrap();
        assert!(report.is_ok(), "{report:?}");
    }
    async fn ids(&self, uri: &str) -> Vec<String> {
        let page: Value = self.get(uri, "").await.ok();
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }
    async fn enroll(&self, course: &str, token: &str) -> Reply {
        self.post(&format!("/api/courses/{course}/enroll"), token, &json!({})).await
    }
}

/// Three courses: `a` in French, `b` for beginners, `c` for experts. All are found by the word `river`.
async fn three_courses(server: &TestServer) {
    for (id, fields) in [
        ("a", json!({"lang": "fr", "hours": 0, "authors": []})),
        ("b", json!({"difficulty": "BEGINNER", "hours": 2.5, "authors": ["A. One", "B. Two"]})),
        ("c", json!({"difficulty": "EXPERT", "hours": 2.51, "category": "Physics"})),
    ] {
        server.publish_as(id, fields).await;
        server.clock.advance(1_000);
    }
}

#[tokio::test]
async fn courses_are_found_by_each_filter() {
    let server = TestServer::new();
    three_courses(&server).await;
    // Last published first, as long as nobody is enrolled.
    for (query, expected) in [
        ("", &["c", "b", "a"][..]),
        ("?q=", &["c", "b", "a"]),
        ("?q=RIVER", &["c", "b", "a"]),
        ("?q=riv", &["c", "b", "a"]),
        ("?q=volcano", &[]),
        ("?q=...", &[]),
        ("?difficulty=BEGINNER", &["b"]),
        ("?difficulty=EXPERT", &["c"]),
        ("?difficulty=ADVANCED", &[]),
        ("?category=Geography", &["b", "a"]),
        ("?language=fr", &["a"]),
        ("?lang=fr", &["a"]),
        ("?language=en-GB", &["c", "b"]),
        ("?minHours=0", &["c", "b", "a"]),
        ("?minHours=2.5", &["c", "b"]),
        ("?minHours=2.51", &["c"]),
        ("?maxHours=2.5", &["b", "a"]),
        ("?minHours=2.5&maxHours=2.5", &["b"]),
        ("?minHours=3&maxHours=2", &[]),
        ("?q=river&difficulty=BEGINNER&category=Geography&language=en&maxHours=3", &["b"]),
        ("?page=2&pageSize=2", &["a"]),
        ("?page=3&pageSize=2", &[]),
    ] {
        assert_eq!(server.ids(&format!("/api/courses/search{query}")).await, expected, "{query}");
    }
    let page: Value = server.get("/api/courses/search?page=9&pageSize=2", "").await.ok();
    assert_eq!((page["total"].as_u64(), page["page"].as_u64()), (Some(3), Some(9)));
    let b: Value = server.get("/api/courses/search?difficulty=BEGINNER", "").await.ok();
    let b = &b["items"][0];
    assert_eq!((&b["instructorName"], &b["enrolments"]), (&json!("A. One, B. Two"), &json!(0)));
    let a: Value = server.get("/api/courses/search?language=fr", "").await.ok();
    assert_eq!(a["items"][0].get("instructorName"), None);
    for query in ["minHours=-1", "maxHours=10001", "minHours=x", "difficulty=EASY", "page=0"] {
        let reply = server.get(&format!("/api/courses/search?{query}"), "").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        reply.problem();
    }
}

#[tokio::test]
async fn courses_with_more_learners_are_found_first() {
    let server = TestServer::new();
    three_courses(&server).await;
    let mut tokens = Vec::new();
    for (login, courses) in [("noor", &["a", "b"][..]), ("amin", &["a"]), ("lea", &["a", "c"])] {
        let token = server.learner(login).await.access_token;
        for course in courses {
            assert_eq!(server.enroll(course, &token).await.status, StatusCode::OK);
        }
        tokens.push(token);
    }
    // Enrolled and left.
    let uri = "/api/courses/c/enrolment";
    assert_eq!(server.call(Method::DELETE, uri, &tokens[2], None).await.status, StatusCode::OK);
    let tag = server.get("/api/courses/search", "").await.header("etag").to_owned();
    let conditional = || {
        let request = Request::get("/api/courses/search").header("if-none-match", &tag);
        server.send(request.body(Body::empty()).unwrap())
    };
    assert_eq!(conditional().await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(server.data_dir.store.count_learners().await.unwrap(), 2);
    let changed = conditional().await;
    assert_eq!(changed.status, StatusCode::OK);
    let found: Value = changed.json();
    let counts: Vec<_> =
        found["items"].as_array().unwrap().iter().map(|i| &i["enrolments"]).collect();
    assert_eq!(counts, [3, 1, 0]);
    for query in ["", "?q=river"] {
        let uri = format!("/api/courses/search{query}");
        assert_eq!(server.ids(&uri).await, ["a", "b", "c"], "{query}");
    }
    // Lists by title are not affected, and a count that changes nothing keeps the tag.
    assert_eq!(server.ids("/api/courses").await, ["a", "b", "c"]);
    let tag = changed.header("etag").to_owned();
    assert_eq!(server.data_dir.store.count_learners().await.unwrap(), 0);
    assert_eq!(server.get("/api/courses/search", "").await.header("etag"), tag);
    // A new version of the course keeps its learners.
    server.publish_as("a", json!({"title": "Rivers again"})).await;
    assert_eq!(server.ids("/api/courses/search").await, ["a", "b", "c"]);
}

#[tokio::test]
async fn enrolling_again_changes_nothing() {
    let server = TestServer::new();
    server.publish().await;
    let token = server.learner("noor").await.access_token;
    let first = server.enroll("how-rivers-work", &token).await;
    let rows = server.pull(&token, 0).await;
    server.clock.advance(60_000);
    let again = server.enroll("how-rivers-work", &token).await;
    assert_eq!(first.ok::<EnrolmentReply>(), again.ok::<EnrolmentReply>());
    let other: EnrolmentReply =
        server.post("/api/courses/how-rivers-work/enrolment", &token, &json!({})).await.ok();
    assert_eq!(other, first.ok());
    assert_eq!(server.pull(&token, 0).await, rows);
    assert_eq!(server.enroll("volcanoes", &token).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_content_of_a_course_contains_its_sections() {
    let server = TestServer::new();
    server.publish().await;
    let uri = "/api/courses/how-rivers-work/content";
    let reply = server.get(uri, "").await;
    let content: Value = reply.ok();
    assert_eq!(content["title"], "How Rivers Work");
    let lesson = &content["lessons"][0];
    let sections = lesson["sections"].as_array().unwrap();
    assert_eq!((&lesson["id"], sections.len()), (&json!("meanders"), 2));
    for section in sections {
        let hash = section["body"].as_str().unwrap();
        let blob: Value = server.get(&format!("/api/blobs/{hash}"), "").await.ok();
        assert_eq!(section["content"], blob);
    }
    let request = Request::get(uri).header("if-none-match", reply.header("etag"));
    let again = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    let one: Value = server.get(&format!("{uri}?lesson=meanders"), "").await.ok();
    assert_eq!(one, content);
    for unknown in [format!("{uri}?lesson=deltas"), "/api/courses/volcanoes/content".into()] {
        assert_eq!(server.get(&unknown, "").await.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test]
async fn no_course_can_have_the_name_of_a_route() {
    let server = TestServer::new();
    let package = server.dir.path().join("search");
    write_course(&package);
    let file = package.join("course.json");
    let text = std::fs::read_to_string(&file).unwrap().replacen("how-rivers-work", "search", 1);
    std::fs::write(&file, text).unwrap();
    let report = server.data_dir.import(&[package]).await.unwrap();
    assert!(!report.is_ok());
    assert_eq!(report.packages[0].problems[0].code, "bad-id");
    assert_eq!(server.ids("/api/courses/search").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_learners_courses_have_their_progress_and_the_last_studied_is_first() {
    let server = TestServer::new();
    three_courses(&server).await;
    let noor = server.learner("noor").await;
    let uri = format!("/api/users/{}/courses", noor.user.id);
    let none: Value = server.get(&uri, &noor.access_token).await.ok();
    assert_eq!((&none["items"], &none["total"]), (&json!([]), &json!(0)));
    for course in ["a", "b", "c"] {
        server.clock.advance(1_000);
        server.enroll(course, &noor.access_token).await;
    }
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|i| i["courseId"].as_str().unwrap().to_owned()).collect()
    };
    // Without activity: the last enrolment first.
    let page: Value = server.get(&uri, &noor.access_token).await.ok();
    assert_eq!(ids(&page), ["c", "b", "a"]);
    assert_eq!(page["items"][0].get("lastActivityMs"), None);
    let mut read = progress("b/meanders/read", 10_000);
    read["doneMs"] = json!(NOW + 5_000);
    // A finished section that the course no longer contains does not count.
    let mut gone = progress("b/meanders/gone", 10_000);
    gone["doneMs"] = json!(NOW + 1);
    let session = json!({"type": "session", "id": device(7), "item": "a/meanders/read",
        "device": device(1), "startedMs": NOW, "day": "2026-09-21", "activeMs": 4_000});
    let other_item = progress("c-2/meanders/read", 5_000);
    server.push(&noor.access_token, &[read, gone, session, other_item]).await.ok::<Value>();
    let page: Value = server.get(&uri, &noor.access_token).await.ok();
    assert_eq!(
        (ids(&page), page["total"].as_u64()),
        (vec!["b".into(), "a".into(), "c".into()], Some(3))
    );
    let b = &page["items"][0];
    assert_eq!(b["title"], "How Rivers Work");
    assert_eq!((&b["hours"], &b["status"]), (&json!(2.5), &json!("active")));
    assert_eq!((&b["completedSections"], &b["totalSections"]), (&json!(1), &json!(2)));
    assert_eq!((&b["percent"], &b["lastActivityMs"]), (&json!(5_000), &json!(NOW + 5_000)));
    assert!(b["cover"].is_object() && b["enrolledMs"].as_i64() > Some(NOW), "{b}");
    assert_eq!(page["items"][1]["lastActivityMs"], NOW + 4_000);
    assert_eq!(page["items"][1]["completedSections"], 0);
    let second: Value =
        server.get(&format!("{uri}?page=2&pageSize=2"), &noor.access_token).await.ok();
    assert_eq!((ids(&second), second["total"].as_u64()), (vec!["c".to_owned()], Some(3)));
    // Left, and withdrawn from the catalogue.
    server.call(Method::DELETE, "/api/courses/c/enrolment", &noor.access_token, None).await;
    let b: carrel_model::Slug = "b".parse().unwrap();
    server.data_dir.store.unpublish(carrel_server::store::Kind::Course, &b).await.unwrap();
    let page: Value = server.get(&uri, &noor.access_token).await.ok();
    assert_eq!(ids(&page), ["b", "a"]);
    let b = &page["items"][0];
    assert_eq!((b.get("title"), &b["totalSections"]), (None, &json!(0)));
}

#[tokio::test]
async fn students_see_their_own_courses_only() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    server.enroll("how-rivers-work", &noor.access_token).await;
    let uri = format!("/api/users/{}/courses", noor.user.id);
    let unknown = format!("/api/users/{}/courses", device(12345));
    for (role, expected) in
        [(Role::Student, 403), (Role::Instructor, 403), (Role::Administrator, 200)]
    {
        let token = server.staff(&format!("{role:?}"), Rank::of(role, false)).await.token;
        let reply = server.get(&uri, &token).await;
        assert_eq!(reply.status.as_u16(), expected, "{role:?}");
        let other = server.get(&unknown, &token).await;
        if expected == 200 {
            assert_eq!(reply.ok::<Value>()["total"], 1);
            assert_eq!(other.status, StatusCode::NOT_FOUND);
        } else {
            // Nothing tells whether the learner exists.
            assert_eq!(other.status, reply.status);
            assert_eq!(other.problem().detail, reply.problem().detail);
        }
    }
}

#[tokio::test]
async fn the_exercises_of_a_story_are_those_of_the_app() {
    use carrel_model::content::{Exercise, Story, story_exercises};
    let server = TestServer::new();
    let package = server.dir.path().join("the-ox");
    std::fs::create_dir_all(&package).unwrap();
    let story = r#"{"format":"carrel-story/1","id":"the-ox","title":"The Ox","lang":"en","level":2,"license":"CC0-1.0"}"#;
    std::fs::write(package.join("story.json"), story).unwrap();
    let text = "# The Ox\n\n##\n\nThe old ox walked slowly home. A dog barked behind the fence. \
        The farmer opened the heavy gate. Night came over the quiet valley.\n";
    std::fs::write(package.join("story.md"), text).unwrap();
    let report = server.data_dir.import(&[package]).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    let uri = "/api/learning/exercises/story/the-ox";
    let reply = server.get(&format!("{uri}?seed=7"), "").await;
    let found: Value = reply.ok();
    assert_eq!((&found["storyId"], &found["seed"]), (&json!("the-ox"), &json!(7)));
    let story: Value = server.get("/api/stories/the-ox", "").await.ok();
    let body = format!("/api/blobs/{}", story["body"].as_str().unwrap());
    let story: Story = server.get(&body, "").await.ok();
    let exercises: Vec<Exercise> = serde_json::from_value(found["exercises"].clone()).unwrap();
    assert!(!exercises.is_empty());
    assert_eq!(exercises, story_exercises(&story, None, 7));
    let request =
        Request::get(format!("{uri}?seed=7")).header("if-none-match", reply.header("etag"));
    let again = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    assert_eq!(server.get(uri, "").await.ok::<Value>()["seed"], 0);
    for (uri, expected) in [
        ("/api/learning/exercises/story/no-ox", StatusCode::NOT_FOUND),
        ("/api/learning/exercises/story/the-ox?seed=-1", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(server.get(uri, "").await.status, expected, "{uri}");
    }
}
