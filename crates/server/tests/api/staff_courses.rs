//! Courses of a school: states, versions, owners, visibility by class, enrolment policies.

use axum::http::{Method, StatusCode};
use carrel_people::permissions::Rank;
use carrel_roster::{Class, ClassId};
use carrel_server::{Settings, store::tx::ClassKey};
use serde_json::{Value, json};

use super::{
    permissions::Member,
    support::{NOW, TestServer, codes, device},
};

const COURSE: &str = "/api/v1/admin/courses/how-rivers-work";

/// Returns a request for enrolment that a device made offline.
fn request(course: &str) -> Value {
    let hlc = format!("{:016x}", NOW << 16);
    json!({"type": "kv", "ns": "enrolment", "key": course, "value": "true", "hlc": hlc, "device": device(1)})
}

impl TestServer {
    pub async fn patch(&self, uri: &str, token: &str, body: &Value) -> super::support::Reply {
        self.call(Method::PATCH, uri, token, Some(body)).await
    }
    async fn set_state(&self, token: &str, state: &str) -> StatusCode {
        self.patch(COURSE, token, &json!({"state": state})).await.status
    }
    async fn status(&self, uri: &str, token: &str) -> u16 {
        self.get(uri, token).await.status.as_u16()
    }
    /// Returns the number of courses in the list, in the search for courses, and of hits of a search for a text.
    async fn found(&self, token: &str) -> [u64; 3] {
        let mut totals = [0; 3];
        for (total, uri) in totals.iter_mut().zip([
            "/api/courses",
            "/api/courses/search?q=rivers",
            "/api/search?q=wander",
        ]) {
            *total = self.get(uri, token).await.ok::<Value>()["total"].as_u64().unwrap();
        }
        totals
    }
    /// Adds the course to a class.
    pub async fn add_course(&self, id: ClassId) {
        let write = self.data_dir.store.write("test", move |tx| {
            let class = tx.class(ClassKey::Id(id))?.unwrap();
            tx.put_class(&Class { courses: vec!["how-rivers-work".parse().unwrap()], ..class })
        });
        write.await.unwrap();
    }
    async fn enrol(&self, token: &str) -> Value {
        self.post("/api/courses/how-rivers-work/enrolment", token, &json!({})).await.ok()
    }
    /// Returns the decision that the devices of a learner pull.
    async fn decision(&self, token: &str) -> Value {
        let rows = self.pull(token, 0).await;
        let rows = rows["rows"].as_array().unwrap().clone();
        let found = rows.into_iter().find(|row| row["row"]["type"] == "decision");
        found.map_or(Value::Null, |row| row["row"].clone())
    }
    async fn audited(&self) -> Vec<String> {
        let lines = self.data_dir.store.audit(500).await.unwrap();
        lines.into_iter().rev().map(|line| line.action).collect()
    }
}

struct School {
    server: TestServer,
    tina: Member,
    otto: Member,
    ada: Member,
    sam: Member,
}

impl School {
    async fn new() -> Self {
        let server = TestServer::with(Settings { route_limits: false, ..Settings::default() });
        Self {
            tina: server.staff("tina", Rank::Instructor).await,
            otto: server.staff("otto", Rank::Instructor).await,
            ada: server.staff("ada", Rank::Administrator).await,
            sam: server.staff("sam", Rank::Student).await,
            server,
        }
    }
    /// Publishes the course by command, owned by Tina.
    async fn with_course() -> Self {
        let school = Self::new().await;
        school.server.publish().await;
        let body = json!({"owner": school.tina.id});
        let changed = school.server.patch(COURSE, &school.ada.token, &body).await;
        assert_eq!(changed.ok::<Value>()["owner"], json!(school.tina.id));
        school
    }
}

#[tokio::test]
async fn a_draft_is_seen_by_its_owner_and_administrators_until_it_is_published() {
    let School { server, tina, otto, ada, sam } = School::new().await;
    let report = server.upload(&tina.token, server.course_zip("Rivers wander.")).await;
    assert_eq!(report["state"], "finished", "{report}");
    let course: Value = server.get(COURSE, &tina.token).await.ok();
    assert_eq!((&course["state"], &course["owner"]), (&"draft".into(), &json!(tina.id)));
    assert_eq!(course["versions"][0]["notes"], "A new text");
    // Nobody else.
    assert_eq!(server.status(COURSE, &otto.token).await, 403);
    assert_eq!(server.status(COURSE, &ada.token).await, 200);
    let listed = async |token: &str| {
        let list: Value = server.get("/api/v1/admin/courses", token).await.ok();
        list["courses"].as_array().unwrap().len()
    };
    assert_eq!((listed(&tina.token).await, listed(&otto.token).await), (1, 0));
    for token in [&sam.token, &otto.token, &tina.token, &ada.token, ""] {
        assert_eq!(server.found(token).await, [0; 3]);
        assert_eq!(server.status("/api/courses/how-rivers-work", token).await, 404);
    }
    assert_eq!(
        server.post("/api/courses/how-rivers-work/enrolment", &sam.token, &json!({})).await.status,
        StatusCode::NOT_FOUND
    );
    // The owner asks for a review; administrators publish.
    assert_eq!(server.set_state(&tina.token, "published").await, StatusCode::FORBIDDEN);
    assert_eq!(server.set_state(&tina.token, "archived").await, StatusCode::CONFLICT);
    assert_eq!(server.set_state(&tina.token, "review").await, StatusCode::OK);
    assert_eq!(server.set_state(&ada.token, "published").await, StatusCode::OK);
    assert_eq!(server.found(&sam.token).await, [1, 1, 1]);
    let hits: Value = server.get("/api/courses/search", &sam.token).await.ok();
    assert_eq!(hits["items"][0]["instructorName"], "tina");
    // Another instructor cannot upload the course.
    let report = server.upload(&otto.token, server.course_zip("Mine.")).await;
    assert_eq!(report["state"], "failed");
    assert!(report["problem"]["detail"].as_str().unwrap().contains("belongs to another person"));
    assert_eq!(server.audited().await, ["course.upload", "course.state", "course.publish"]);
}

#[tokio::test]
async fn blobs_of_a_draft_are_served_to_its_owner_only() {
    let School { server, tina, otto, sam, .. } = School::new().await;
    server.upload(&tina.token, server.course_zip("Rivers wander.")).await;
    let blobs = server.data_dir.store.blobs().await.unwrap();
    assert!(blobs.len() > 3);
    for blob in blobs {
        let uri = format!("/api/blobs/{}", blob.hash);
        for (token, expected) in [(&tina.token, 200), (&otto.token, 404), (&sam.token, 404)] {
            assert_eq!(server.status(&uri, token).await, expected);
        }
        assert_eq!(server.status(&uri, "").await, 404);
    }
}

#[tokio::test]
async fn learners_keep_the_published_version_until_the_draft_is_published() {
    let School { server, tina, ada, sam, .. } = School::with_course().await;
    let reply: Value = server.get("/api/courses/how-rivers-work", &sam.token).await.ok();
    let first = reply["version"].as_str().unwrap().to_owned();
    server.clock.advance(1_000);
    let report = server.upload(&tina.token, server.course_zip("Oxbows wander, too.")).await;
    assert_eq!(report["state"], "finished", "{report}");
    let version = async || {
        let reply: Value = server.get("/api/courses/how-rivers-work", &sam.token).await.ok();
        reply["version"].as_str().unwrap().to_owned()
    };
    let oxbows = async || {
        server.get("/api/search?q=oxbows", &sam.token).await.ok::<Value>()["total"].clone()
    };
    assert_eq!((version().await, oxbows().await), (first.clone(), json!(0)));
    let course: Value = server.get(COURSE, &tina.token).await.ok();
    assert_eq!((&course["state"], &course["draftState"]), (&"published".into(), &"draft".into()));
    let second = course["draft"].as_str().unwrap().to_owned();
    assert_eq!(course["versions"].as_array().unwrap().len(), 2);
    // A version that was never published is no roll-back.
    let publish = |version: &str| format!("{COURSE}/versions/{version}/publish");
    let refused = server.post(&publish(&second), &tina.token, &json!({})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let published = server.post(&publish(&second), &ada.token, &json!({})).await;
    assert_eq!(published.status, StatusCode::OK, "{published:?}");
    assert_eq!((version().await, oxbows().await), (second.clone(), json!(1)));
    // Back to the first version, which the owner may do.
    let published = server.post(&publish(&first), &tina.token, &json!({})).await;
    assert_eq!(published.status, StatusCode::OK, "{published:?}");
    assert_eq!((version().await, oxbows().await), (first, json!(0)));
    let course: Value = server.get(COURSE, &tina.token).await.ok();
    assert_eq!(course["draft"], Value::Null);
}

#[tokio::test]
async fn only_the_content_of_the_last_versions_is_kept() {
    let settings = Settings { course_versions_kept: 2, route_limits: false, ..Settings::default() };
    let server = TestServer::with(settings);
    let ada = server.staff("ada", Rank::Administrator).await;
    for n in 0..4 {
        server.clock.advance(1_000);
        server.upload(&ada.token, server.course_zip(&format!("Text {n}."))).await;
        assert_eq!(server.set_state(&ada.token, "published").await, StatusCode::OK);
    }
    let course: Value = server.get(COURSE, &ada.token).await.ok();
    let versions = course["versions"].as_array().unwrap();
    let kept: Vec<&Value> = versions.iter().map(|version| &version["kept"]).collect();
    assert_eq!(kept, [&json!(true), &json!(true), &json!(false), &json!(false)]);
    let uri = format!("{COURSE}/versions/{}/publish", versions[3]["version"].as_str().unwrap());
    let refused = server.post(&uri, &ada.token, &json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.problem().detail.contains("no longer kept"));
}

#[tokio::test]
async fn a_withdrawn_course_stays_with_its_learners() {
    let School { server, tina, ada, sam, .. } = School::with_course().await;
    let maya = server.staff("maya", Rank::Student).await;
    assert_eq!(server.enrol(&sam.token).await["status"], "active");
    assert_eq!(server.set_state(&tina.token, "withdrawn").await, StatusCode::OK);
    let manifest = "/api/courses/how-rivers-work/manifest";
    for (member, expected) in [(&sam, 200), (&maya, 404), (&tina, 200), (&ada, 200)] {
        assert_eq!(server.found(&member.token).await, [0; 3]);
        assert_eq!(server.status(manifest, &member.token).await, expected);
    }
    assert_eq!(server.status(manifest, "").await, 404);
    let own: Value = server.get("/api/me/progress", &sam.token).await.ok();
    assert_eq!(own["items"][0]["title"], "How Rivers Work");
    // A request made offline is answered in words.
    let kv = request("how-rivers-work");
    let pushed: Value = server.push(&maya.token, &[kv]).await.ok();
    assert_eq!(codes(&pushed), ["ok"]);
    let decision = server.decision(&maya.token).await;
    assert_eq!(decision["status"], "refused");
    assert!(decision["reason"].as_str().unwrap().starts_with("course_withdrawn(): "));
    // Archived courses are listed on request.
    assert_eq!(server.set_state(&tina.token, "archived").await, StatusCode::OK);
    for (query, expected) in [("", 0), ("?archived=true", 1)] {
        let uri = format!("/api/v1/admin/courses{query}");
        let list: Value = server.get(&uri, &tina.token).await.ok();
        assert_eq!(list["courses"].as_array().unwrap().len(), expected);
    }
    assert_eq!(server.status(manifest, &sam.token).await, 200);
    assert_eq!(server.set_state(&ada.token, "withdrawn").await, StatusCode::OK);
    assert_eq!(server.set_state(&ada.token, "published").await, StatusCode::OK);
    assert_eq!(server.enrol(&maya.token).await["status"], "active");
}

#[tokio::test]
async fn a_course_for_classes_is_invisible_to_others() {
    let School { server, tina, otto, ada, sam } = School::with_course().await;
    let maya = server.staff("maya", Rank::Student).await;
    let noor = server.staff("noor", Rank::Student).await;
    assert_eq!(server.enrol(&noor.token).await["status"], "active");
    let class = server.class("5A", &otto, &[&sam]).await;
    server.add_course(class).await;
    let (blob, _) = server.blob_of_type("audio/wav").await;
    let before = server.get("/api/courses", &maya.token).await;
    let body = json!({"forClasses": true});
    let changed: Value = server.patch(COURSE, &tina.token, &body).await.ok();
    assert_eq!(changed["forClasses"], true);
    assert_ne!(server.get("/api/courses", &maya.token).await.header("etag"), before.header("etag"));
    let uris = [
        "/api/courses/how-rivers-work".to_owned(),
        "/api/courses/how-rivers-work/manifest".to_owned(),
        "/api/courses/how-rivers-work/content".to_owned(),
        format!("/api/blobs/{blob}"),
    ];
    // The members of the class, those who are enrolled, the owner, administrators.
    for (token, is_seen) in [
        (&sam.token, true),
        (&otto.token, true),
        (&noor.token, true),
        (&tina.token, true),
        (&ada.token, true),
        (&maya.token, false),
        (&String::new(), false),
    ] {
        assert_eq!(server.found(token).await, [u64::from(is_seen); 3], "{token}");
        for uri in &uris {
            let expected = if is_seen { 200 } else { 404 };
            assert_eq!(server.status(uri, token).await, expected, "{uri} {token}");
        }
    }
    let reply = server.get(&uris[3], &sam.token).await;
    assert!(reply.header("cache-control").starts_with("private"), "{reply:?}");
    let progress = |member: &Member| format!("/api/progress/{}/how-rivers-work", member.id);
    assert_eq!(server.status(&progress(&maya), &maya.token).await, 404);
    assert_eq!(server.status(&progress(&sam), &sam.token).await, 200);
    // A request for a course that is not seen is as one for a course that does not exist.
    server.push(&maya.token, &[request("how-rivers-work"), request("no-such-course")]).await;
    assert_eq!(server.decision(&maya.token).await, Value::Null);
    let own: Value = server.get("/api/me/dashboard", &maya.token).await.ok();
    assert_eq!(own["total"], 2);
    for item in own["items"].as_array().unwrap() {
        assert_eq!((&item["title"], &item["totalSections"]), (&Value::Null, &json!(0)));
    }
    // The class no longer has the course: who is enrolled keeps it.
    assert_eq!(server.enrol(&sam.token).await["status"], "active");
    let write = server.data_dir.store.write("test", move |tx| {
        let class = tx.class(ClassKey::Id(class))?.unwrap();
        tx.put_class(&Class { courses: Vec::new(), ..class })
    });
    write.await.unwrap();
    assert_eq!(server.found(&sam.token).await, [1; 3]);
    assert_eq!(server.found(&otto.token).await, [0; 3]);
}

#[tokio::test]
async fn an_enrolment_with_a_code_needs_a_token_of_the_course() {
    let School { server, tina, sam, .. } = School::with_course().await;
    let body = json!({"enrolment": "code"});
    assert_eq!(server.patch(COURSE, &tina.token, &body).await.status, StatusCode::OK);
    let refused = server.enrol(&sam.token).await;
    assert_eq!(refused["status"], "refused");
    assert!(refused["reason"].as_str().unwrap().starts_with("needs_code(): "), "{refused}");
    // The request is kept, and the same request gets the same answer.
    let usn = server.pull(&sam.token, 0).await["next"].clone();
    server.enrol(&sam.token).await;
    assert_eq!(server.pull(&sam.token, 0).await["next"], usn);
    let code = server.post(&format!("{COURSE}/code"), &tina.token, &json!({})).await;
    let code: Value = code.ok();
    let body = json!({"login": "noor", "name": "Noor", "password": "a good long password",
        "deviceId": device(2), "enrolmentToken": code["code"]});
    let noor: Value = server.post("/api/auth/register", "", &body).await.ok();
    let token = noor["accessToken"].as_str().unwrap();
    assert_eq!(server.decision(token).await["status"], "active");
    assert!(server.audited().await.contains(&"course.code".to_owned()));
}

#[tokio::test]
async fn the_owner_decides_on_requests_that_need_an_approval() {
    let School { server, tina, otto, sam, .. } = School::with_course().await;
    let body = json!({"enrolment": "approval"});
    assert_eq!(server.patch(COURSE, &tina.token, &body).await.status, StatusCode::OK);
    assert_eq!(server.enrol(&sam.token).await["status"], "pending");
    let requests = format!("{COURSE}/requests");
    let pending = async || {
        let list: Value = server.get(&requests, &tina.token).await.ok();
        list.as_array().unwrap().iter().map(|r| r["login"].as_str().unwrap().to_owned()).collect()
    };
    let list: Vec<String> = pending().await;
    assert_eq!(list, ["sam"]);
    assert_eq!(server.status(&requests, &otto.token).await, 403);
    let decide = format!("{COURSE}/enrolments/{}", sam.id);
    let refusal = json!({"status": "refused", "reason": "The course is full."});
    let other = server.call(Method::PUT, &decide, &otto.token, Some(&refusal)).await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
    let mut stream = server.data_dir.events.subscribe(sam.id, uuid::Uuid::from_u128(9)).unwrap();
    let decided = server.call(Method::PUT, &decide, &tina.token, Some(&refusal)).await;
    assert_eq!(decided.status, StatusCode::OK, "{decided:?}");
    assert!(stream.events.try_recv().is_ok(), "the devices of the learner are told at once");
    assert_eq!(server.decision(&sam.token).await["reason"], "The course is full.");
    assert!(pending().await.is_empty());
    // The same request again, as a device sends it, is not a new one.
    let rows = server.pull(&sam.token, 0).await;
    let rows = rows["rows"].as_array().unwrap();
    let kv = rows.iter().find(|row| row["row"]["type"] == "kv").unwrap()["row"].clone();
    server.push(&sam.token, &[kv]).await;
    assert!(pending().await.is_empty());
    // Whoever leaves and asks again is asked about again.
    let enrolment = "/api/courses/how-rivers-work/enrolment";
    server.call(Method::DELETE, enrolment, &sam.token, None).await;
    assert_eq!(server.enrol(&sam.token).await["status"], "pending");
    let list: Vec<String> = pending().await;
    assert_eq!(list, ["sam"]);
    let accepted = json!({"status": "active"});
    server.call(Method::PUT, &decide, &tina.token, Some(&accepted)).await;
    assert_eq!(server.decision(&sam.token).await["status"], "active");
    assert!(server.audited().await.ends_with(&["enrolment.decide".to_owned()]));
}

#[tokio::test]
async fn an_assigned_course_takes_its_classes_and_whom_staff_enrol() {
    let School { server, tina, ada, sam, .. } = School::with_course().await;
    let maya = server.staff("maya", Rank::Student).await;
    let class = server.class("5A", &tina, &[&sam]).await;
    server.add_course(class).await;
    let body = json!({"enrolment": "assigned"});
    assert_eq!(server.patch(COURSE, &tina.token, &body).await.status, StatusCode::OK);
    assert_eq!(server.enrol(&sam.token).await["status"], "active");
    assert_eq!(server.enrol(&maya.token).await["status"], "refused");
    // An instructor enrols the students of the own classes; administrators everybody.
    let decide = format!("{COURSE}/enrolments/{}", maya.id);
    let accepted = json!({"status": "active"});
    let refused = server.call(Method::PUT, &decide, &tina.token, Some(&accepted)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let decided = server.call(Method::PUT, &decide, &ada.token, Some(&accepted)).await;
    assert_eq!(decided.status, StatusCode::OK, "{decided:?}");
    assert_eq!(server.decision(&maya.token).await["status"], "active");
}

#[tokio::test]
async fn the_command_publishes_at_once_and_keeps_owner_and_visibility() {
    let School { server, tina, sam, .. } = School::with_course().await;
    let body = json!({"forClasses": true, "enrolment": "approval"});
    server.patch(COURSE, &tina.token, &body).await;
    let package = server.dir.path().join("package");
    std::fs::write(package.join("read.md"), "# Bends\n\nOxbows.\n").unwrap();
    assert!(server.data_dir.import(&[package]).await.unwrap().is_ok());
    let course: Value = server.get(COURSE, &tina.token).await.ok();
    assert_eq!(
        (&course["owner"], &course["forClasses"], &course["enrolment"], &course["state"]),
        (&json!(tina.id), &json!(true), &json!("approval"), &json!("published"))
    );
    assert_eq!(server.found(&sam.token).await, [0; 3]);
}

#[tokio::test]
async fn a_deleted_account_leaves_its_courses_without_an_owner() {
    let School { server, tina, ada, .. } = School::with_course().await;
    let uri = format!("/api/v1/admin/people/{}", tina.id);
    let deleted = server.call(Method::DELETE, &uri, &ada.token, None).await;
    assert_eq!(deleted.status, StatusCode::OK);
    let course: Value = server.get(COURSE, &ada.token).await.ok();
    assert_eq!(course["owner"], Value::Null);
}
