//! Uploads of packages: drafts, reports, hostile zips, interrupted and cancelled runs.

use std::{io::Write as _, path::Path};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use carrel_people::permissions::Rank;
use carrel_server::{Settings, domain::uploads::UPLOAD_LEASE_MS, uploads};
use serde_json::Value;
use uuid::Uuid;

use super::support::{Reply, TestServer, write_course};

pub const UPLOADS: &str = "/api/v1/admin/courses/uploads";

/// Packs the files of a folder.
pub fn zip_of(folder: &Path) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let files = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten();
    for entry in files.filter(|entry| entry.file_type().is_file()) {
        let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        zip.start_file(name, options).unwrap();
        zip.write_all(&std::fs::read(entry.path()).unwrap()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Packs files with these names, each with this content.
fn zip_with(names: impl Iterator<Item = String>, content: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for name in names {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

impl TestServer {
    /// Returns the package of `write_course` with this text, as a zip.
    pub fn course_zip(&self, text: &str) -> Vec<u8> {
        let folder = self.dir.path().join("uploaded");
        write_course(&folder);
        std::fs::write(folder.join("read.md"), format!("# Bends\n\n{text}\n")).unwrap();
        zip_of(&folder)
    }
    pub async fn send_upload(&self, token: &str, body: Vec<u8>) -> Reply {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{UPLOADS}?name=rivers.zip&notes=A%20new%20text"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/zip");
        self.send(request.body(Body::from(body)).unwrap()).await
    }
    /// Uploads a package, waits for the end of its run, and returns the report.
    pub async fn upload(&self, token: &str, body: Vec<u8>) -> Value {
        let started = self.send_upload(token, body).await;
        assert_eq!(started.status, StatusCode::ACCEPTED, "{started:?}");
        let path = started.header("location").to_owned();
        let id: Uuid = started.json::<Value>()["id"].as_str().unwrap().parse().unwrap();
        // Waits for the run that the request started, or is the run itself.
        uploads::run(self.data_dir.clone(), id).await;
        self.get(&path, token).await.ok()
    }
}

fn files_left(server: &TestServer) -> usize {
    std::fs::read_dir(server.folder().join("uploads")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn the_report_of_an_upload_has_each_finding() {
    let server = TestServer::new();
    let tina = server.staff("tina", Rank::Instructor).await;
    let report = server.upload(&tina.token, server.course_zip("Rivers bend.")).await;
    assert_eq!(report["state"], "finished", "{report}");
    assert_eq!((&report["course"], &report["progress"]), (&"how-rivers-work".into(), &100.into()));
    assert_eq!(report["report"]["totals"]["failed"], 0);
    // A package with an error.
    let folder = server.dir.path().join("uploaded");
    std::fs::write(folder.join("check.json"), "{").unwrap();
    let report = server.upload(&tina.token, zip_of(&folder)).await;
    assert_eq!((&report["state"], &report["course"]), (&"failed".into(), &Value::Null));
    let finding = &report["report"]["packages"][0]["problems"][0];
    assert_eq!((&finding["file"], &finding["severity"]), (&"check.json".into(), &"error".into()));
    assert!(finding["line"].as_u64() > Some(0) && !finding["hint"].as_str().unwrap().is_empty());
    assert_eq!(report["problem"]["detail"], finding["message"]);
    assert!(!report.to_string().contains(server.dir.path().to_str().unwrap()), "{report}");
    assert_eq!(files_left(&server), 0);
}

#[tokio::test]
async fn a_story_is_published_by_who_may_publish() {
    let server = TestServer::new();
    let tina = server.staff("tina", Rank::Instructor).await;
    let ada = server.staff("ada", Rank::Administrator).await;
    let folder = server.dir.path().join("story");
    write_course(&folder);
    let story = zip_of(&folder.join("stories/the-flood"));
    let report = server.upload(&tina.token, story.clone()).await;
    assert_eq!((&report["state"], &report["story"]), (&"failed".into(), &Value::Null), "{report}");
    assert!(report["problem"]["hint"].as_str().unwrap().contains("administrator"), "{report}");
    assert_eq!(report["report"]["totals"]["failed"], 0, "{report}");
    assert_eq!(server.get("/api/stories/the-flood", "").await.status, StatusCode::NOT_FOUND);
    let report = server.upload(&ada.token, story.clone()).await;
    assert_eq!(report["state"], "finished", "{report}");
    assert_eq!((&report["story"], &report["course"]), (&"the-flood".into(), &Value::Null));
    let published: Value = server.get("/api/stories/the-flood", "").await.ok();
    assert_eq!(published["title"], "The Flood");
    // Uploading it again changes nothing.
    let revision = async || server.get("/api/stories", "").await.header("etag").to_owned();
    let before = revision().await;
    assert_eq!(server.upload(&ada.token, story).await["state"], "finished");
    assert_eq!(revision().await, before);
    // A story with an error has a report.
    std::fs::write(folder.join("stories/the-flood/story.json"), "{").unwrap();
    let report = server.upload(&ada.token, zip_of(&folder.join("stories/the-flood"))).await;
    assert_eq!((&report["state"], &report["story"]), (&"failed".into(), &Value::Null));
    assert_eq!(report["report"]["packages"][0]["problems"][0]["file"], "story.json", "{report}");
    let lines = server.data_dir.store.audit(10).await.unwrap();
    assert!(lines.iter().all(|line| line.action == "story.publish" && line.actor == Some(ada.id)));
    assert_eq!(files_left(&server), 0);
}

#[tokio::test]
async fn hostile_uploads_end_with_a_problem() {
    let server = TestServer::with(Settings { max_upload_mib: 8, ..Settings::default() });
    let tina = server.staff("tina", Rank::Instructor).await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let entries = (0..30_000).map(|n| format!("{n}"));
    for (what, zip) in [
        ("an unsafe name", zip_with(names(&["../../x", "course.json"]).into_iter(), b"{}")),
        ("too many entries", zip_with(entries, b"")),
        ("a bomb", zip_with(names(&["course.json"]).into_iter(), &vec![b' '; 64 << 20])),
        ("a damaged zip", b"PK\x03\x04 and nothing".to_vec()),
        ("no package", zip_with(names(&["read.md"]).into_iter(), b"text")),
        ("two packages", {
            zip_with(names(&["a/course.json", "b/course.json"]).into_iter(), b"{}")
        }),
        ("a story", zip_with(names(&["story.json", "story.md"]).into_iter(), b"{}")),
    ] {
        server.clock.advance(3_600_000);
        let report = server.upload(&tina.token, zip).await;
        assert_eq!(report["state"], "failed", "{what}: {report}");
        assert!(!report["problem"]["detail"].as_str().unwrap().is_empty(), "{what}: {report}");
        assert_eq!(report["problem"]["status"], 400);
    }
    let refused = server.send_upload(&tina.token, b"no zip".to_vec()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.problem().detail.contains("must be a zip"));
    let refused = server.send_upload(&tina.token, vec![b'P'; (8 << 20) + 1]).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    refused.problem();
    assert_eq!(files_left(&server), 0);
    let list: Value = server.get("/api/v1/admin/courses", &tina.token).await.ok();
    assert_eq!(list["courses"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn ten_uploads_an_hour_are_accepted() {
    let server = TestServer::new();
    let tina = server.staff("tina", Rank::Instructor).await;
    for _ in 0..10 {
        let refused = server.send_upload(&tina.token, b"no zip".to_vec()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    }
    let refused = server.send_upload(&tina.token, b"no zip".to_vec()).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
}

/// Stores an upload whose run was interrupted after it got the lease.
async fn interrupted(server: &TestServer, token: &str) -> (Uuid, String) {
    let slot = server.data_dir.hold_uploads().await;
    let started = server.send_upload(token, server.course_zip("Rivers bend.")).await;
    let path = started.header("location").to_owned();
    let id: Uuid = started.json::<Value>()["id"].as_str().unwrap().parse().unwrap();
    let now = server.data_dir.config.clock.now_ms();
    let leased = server.data_dir.store.lease_upload(id, "ended process", now).await.unwrap();
    assert!(leased.is_some());
    drop(slot);
    // The run that the request started ends, because another one has the lease.
    uploads::run(server.data_dir.clone(), id).await;
    (id, path)
}

#[tokio::test]
async fn an_interrupted_upload_is_run_again() {
    let server = TestServer::new();
    let tina = server.staff("tina", Rank::Instructor).await;
    let (id, path) = interrupted(&server, &tina.token).await;
    let state = async || server.get(&path, &tina.token).await.ok::<Value>()["state"].clone();
    // The lease has not expired.
    assert_eq!(server.run_job("uploads").await, Ok("0 uploads run".into()));
    assert_eq!(state().await, "running");
    server.clock.advance(UPLOAD_LEASE_MS);
    assert_eq!(server.run_job("uploads").await, Ok("1 uploads run".into()));
    assert_eq!(state().await, "finished");
    // The first run can no longer change anything.
    let store = &server.data_dir.store;
    let late = store.continue_upload(id, "ended process", Some(50), 0).await;
    assert!(late.unwrap_err().to_string().contains("another run"));
}

#[tokio::test]
async fn an_upload_that_is_interrupted_three_times_has_failed() {
    let server = TestServer::new();
    let tina = server.staff("tina", Rank::Instructor).await;
    let (id, path) = interrupted(&server, &tina.token).await;
    for run in 2..=3 {
        server.clock.advance(UPLOAD_LEASE_MS);
        let now = server.data_dir.config.clock.now_ms();
        let leased = server.data_dir.store.lease_upload(id, "ended process", now).await.unwrap();
        assert_eq!(leased.unwrap().attempts, run);
    }
    server.clock.advance(UPLOAD_LEASE_MS);
    assert_eq!(server.run_job("uploads").await, Ok("1 uploads run".into()));
    let report: Value = server.get(&path, &tina.token).await.ok();
    assert_eq!(report["state"], "failed");
    assert!(report["problem"]["hint"].as_str().unwrap().contains("again"), "{report}");
}

#[tokio::test]
async fn a_cancelled_upload_stores_nothing() {
    let server = TestServer::new();
    let tina = server.staff("tina", Rank::Instructor).await;
    let other = server.staff("otto", Rank::Instructor).await;
    let (id, path) = interrupted(&server, &tina.token).await;
    // Another instructor neither sees nor cancels it.
    for method in [Method::GET, Method::DELETE] {
        let refused = server.call(method, &path, &other.token, None).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
    }
    let cancelled: Value = server.call(Method::DELETE, &path, &tina.token, None).await.ok();
    assert_eq!(cancelled["state"], "cancelled");
    server.clock.advance(UPLOAD_LEASE_MS);
    assert_eq!(server.run_job("uploads").await, Ok("0 uploads run".into()));
    let store = &server.data_dir.store;
    assert!(store.continue_upload(id, "ended process", None, 0).await.is_err());
    assert_eq!(files_left(&server), 0);
    let list: Value = server.get("/api/v1/admin/courses", &tina.token).await.ok();
    assert_eq!(list["courses"], Value::Array(Vec::new()));
}
