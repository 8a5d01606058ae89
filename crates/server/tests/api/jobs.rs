//! Jobs: leases, retries, and the effects of each job.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use async_trait::async_trait;
use axum::http::StatusCode;
use carrel_model::{Slug, content::SignedManifest};
use carrel_server::{
    Config, DataDir, Error, Settings, backup,
    config::BackupSchedule,
    domain::{jobs::LEASE_MS, publishing},
    jobs::{Job, JobRunner},
    store::{Kind, Publication},
};
use serde_json::{Value, json};

use super::support::{NOW, TestServer, config, engine, object_store_of, write_course};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A job that counts its runs; the first `failures` runs fail.
struct CountingJob {
    runs: Arc<AtomicU32>,
    failures: u32,
}

#[async_trait]
impl Job for CountingJob {
    fn name(&self) -> &'static str {
        "counted"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(HOUR)
    }
    async fn run(&self, _: &DataDir) -> Result<String, Error> {
        let runs = self.runs.fetch_add(1, Ordering::SeqCst);
        if runs < self.failures { Err(Error::Refused("not yet".into())) } else { Ok("done".into()) }
    }
}

impl TestServer {
    /// Opens the data folder a second time, as another process would.
    fn open_again(&self) -> Arc<DataDir> {
        let settings = self.data_dir.config.settings.clone();
        let clock = Arc::clone(&self.clock) as _;
        Arc::new(DataDir::open(Config { settings, clock, ..config(self.folder()) }).unwrap())
    }
    fn runner(&self, runs: &Arc<AtomicU32>, failures: u32) -> JobRunner {
        let job = CountingJob { runs: Arc::clone(runs), failures };
        JobRunner::with(self.open_again(), vec![Box::new(job)])
    }
    pub async fn run_job(&self, name: &str) -> Result<String, String> {
        let ran = JobRunner::new(self.open_again()).run_named(name).await;
        ran.map_err(|e| e.to_string())?.result
    }
}

#[tokio::test]
async fn a_job_runs_when_it_is_due_and_in_one_process_at_a_time() {
    let server = TestServer::new();
    let runs = Arc::new(AtomicU32::new(0));
    let (a, b) = (server.runner(&runs, 0), server.runner(&runs, 0));
    a.schedule().await.unwrap();
    b.schedule().await.unwrap();
    for round in 1..=20 {
        let (first, second) = tokio::join!(a.run_due(), b.run_due());
        let ran = [first.unwrap(), second.unwrap()].into_iter().flatten().count();
        assert_eq!((ran, runs.load(Ordering::SeqCst)), (1, round));
        server.clock.advance(HOUR - 1);
        assert_eq!(a.run_due().await.unwrap(), None);
        server.clock.advance(1);
    }
}

#[tokio::test]
async fn a_process_leaves_the_jobs_of_a_newer_release_alone() {
    let server = TestServer::new();
    let store = &server.data_dir.store;
    store.schedule_jobs(vec![("new", Some(HOUR)), ("counted", Some(HOUR))], NOW).await.unwrap();
    let new =
        async || store.jobs().await.unwrap().into_iter().find(|job| job.name == "new").unwrap();
    let before = new().await;
    // The older process neither runs the job nor ends its schedule, also when it starts again.
    let runner = server.runner(&Arc::new(AtomicU32::new(0)), 0);
    runner.schedule().await.unwrap();
    assert_eq!(runner.run_due().await.unwrap().unwrap().name, "counted");
    assert_eq!(runner.run_due().await.unwrap(), None);
    assert_eq!(new().await, before);
    // After a day without a run it is a job of an earlier release.
    server.clock.advance(DAY + 1);
    runner.schedule().await.unwrap();
    assert_eq!(new().await.due_ms, i64::MAX);
}

#[tokio::test]
async fn the_job_of_a_dead_process_is_leased_again() {
    let server = TestServer::new();
    let runs = Arc::new(AtomicU32::new(0));
    let runner = server.runner(&runs, 0);
    runner.schedule().await.unwrap();
    let store = &server.data_dir.store;
    let dead = store.lease_due_job("dead", &["counted"], NOW).await.unwrap().unwrap();
    assert_eq!((dead.name.as_str(), dead.attempts), ("counted", 1));
    server.clock.advance(LEASE_MS - 1);
    assert_eq!(runner.run_due().await.unwrap(), None);
    let refused = runner.run_named("counted").await.unwrap_err().to_string();
    assert!(refused.contains("another process"), "{refused}");
    server.clock.advance(1);
    assert!(runner.run_due().await.unwrap().is_some());
    // A late result of the first process is ignored, and it can no longer extend the lease.
    let before = store.jobs().await.unwrap();
    assert!(!store.extend_lease(&dead, NOW + LEASE_MS).await.unwrap());
    store.finish_job(&dead, Some(1), Ok(()), NOW + LEASE_MS).await.unwrap();
    assert_eq!(store.jobs().await.unwrap(), before);
    // A process that extends its lease keeps it.
    server.clock.advance(HOUR);
    let now = NOW + LEASE_MS + HOUR;
    let running = store.lease_due_job("alive", &["counted"], now).await.unwrap().unwrap();
    assert!(store.extend_lease(&running, now + LEASE_MS - 1).await.unwrap());
    server.clock.advance(LEASE_MS + 1);
    assert_eq!(runner.run_due().await.unwrap(), None);
}

#[tokio::test]
async fn a_failed_job_is_retried_with_increasing_delays() {
    let server = TestServer::new();
    let runs = Arc::new(AtomicU32::new(0));
    let runner = server.runner(&runs, 3);
    runner.schedule().await.unwrap();
    for minutes in [1, 2, 4] {
        let ran = runner.run_due().await.unwrap().unwrap();
        assert_eq!(ran.result, Err("not yet".into()));
        server.clock.advance(minutes * 60_000 - 1);
        assert_eq!(runner.run_due().await.unwrap(), None, "{minutes} minutes");
        server.clock.advance(1);
    }
    assert_eq!(runner.run_due().await.unwrap().unwrap().result, Ok("done".into()));
    let job = server.data_dir.store.jobs().await.unwrap().remove(0);
    assert_eq!((job.attempts, job.error.as_str()), (0, ""));
    assert_eq!(job.due_ms, job.succeeded_ms + HOUR);
}

#[tokio::test]
async fn the_purge_deletes_expired_sign_ins() {
    let server = TestServer::new();
    server.learner("noor").await;
    for device in 2..30 {
        server.sign_in("noor", device).await;
    }
    assert_eq!(server.run_job("purge").await, Ok("0 rows deleted".into()));
    server.clock.advance(181 * DAY);
    assert_eq!(server.run_job("purge").await, Ok("29 rows deleted".into()));
    assert_eq!(server.rows_of("sign_in"), 0);
    let unknown = server.run_job("sweep").await.unwrap_err();
    assert!(
        unknown.contains("use one of purge, clean-up, check-rows, check-indices, analytics"),
        "{unknown}"
    );
}

fn files(root: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(root).into_iter().flatten();
    entries.filter(|e| e.file_type().is_file()).map(|e| e.into_path()).collect()
}

fn set_modified(path: &Path, ms: i64) {
    let at = UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs());
    File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

#[tokio::test]
async fn unreferenced_blobs_are_removed_after_a_week() {
    if object_store_of(Path::new("")).is_some() {
        // Looks at the files.
        return;
    }
    let server = TestServer::with(Settings { course_versions_kept: 1, ..Settings::default() });
    server.publish().await;
    let course: Value = server.get("/api/courses/how-rivers-work", "").await.ok();
    let old = course["outline"]["lessons"][0]["sections"][0]["body"].as_str().unwrap().to_owned();
    let package = server.dir.path().join("package");
    std::fs::write(package.join("read.md"), "# Bends\n\nAnother text.\n").unwrap();
    assert!(server.data_dir.import(std::slice::from_ref(&package)).await.unwrap().is_ok());
    let blobs = server.folder().join("blobs");
    let (old_partial, new_partial) = (blobs.join("ab/.tmpHalf"), blobs.join("ab/.tmpFresh"));
    std::fs::create_dir_all(blobs.join("ab")).unwrap();
    let unrelated = blobs.join("ab/note.txt");
    for path in [&old_partial, &new_partial, &unrelated] {
        std::fs::write(path, "unfinished").unwrap();
    }
    // Sets the modification times of the files to the fake clock.
    files(&blobs).iter().for_each(|path| set_modified(path, NOW));
    let status = async || server.get(&format!("/api/blobs/{old}"), "").await.status;
    for (days, expected) in [(0, StatusCode::OK), (6, StatusCode::OK), (1, StatusCode::NOT_FOUND)] {
        server.clock.advance(days * DAY + 1);
        set_modified(&new_partial, NOW + 7 * DAY);
        server.run_job("clean-up").await.unwrap();
        assert_eq!(status().await, expected, "after {days} more days");
    }
    assert!(!blobs.join(&old[..2]).join(&old).exists());
    assert!(!old_partial.exists() && new_partial.exists() && unrelated.exists());
    // All blobs of the catalogue are kept, and besides them only two files.
    let stored_blobs = server.data_dir.store.blobs().await.unwrap();
    assert!(
        stored_blobs.iter().all(|b| server.data_dir.blobs.size(b.hash).unwrap() == Some(b.size))
    );
    assert_eq!(files(&blobs).len(), stored_blobs.len() + 2);
}

#[tokio::test]
async fn no_blob_is_removed_while_an_import_runs() {
    let server = TestServer::new();
    let package = server.dir.path().join("package");
    write_course(&package);
    // Blobs without a publication, as after an import that was killed before it published.
    server.publish().await;
    let id: Slug = "how-rivers-work".parse().unwrap();
    assert!(server.data_dir.store.unpublish(Kind::Course, &id).await.unwrap());
    server.clock.advance(400 * DAY);
    assert!(server.run_job("clean-up").await.unwrap().starts_with("0 blobs"), "marked as unused");
    server.clock.advance(400 * DAY);
    // The next import does not write these blobs again.
    let lock = File::create(server.folder().join("import.lock")).unwrap();
    lock.lock_shared().unwrap();
    let refused = server.run_job("clean-up").await.unwrap_err();
    assert!(refused.contains("an import is running"), "{refused}");
    assert!(server.data_dir.import(&[package]).await.unwrap().is_ok());
    drop(lock);
    server.run_job("clean-up").await.unwrap();
    let stored_blobs = server.data_dir.store.blobs().await.unwrap();
    assert!(
        stored_blobs.len() > 3
            && stored_blobs.iter().all(|b| server.data_dir.blobs.size(b.hash).unwrap().is_some())
    );
}

impl TestServer {
    /// Stores the course as an earlier release would have, with a shorter reply.
    async fn store_as_older_release(&self) {
        let signed: SignedManifest =
            self.get("/api/courses/how-rivers-work/manifest", "").await.ok();
        let now = publishing::render(&signed, self.data_dir.blobs.as_ref()).unwrap();
        let old = Publication {
            summary: r#"{"id":"how-rivers-work"}"#.into(),
            reply: r#"{"id":"how-rivers-work","title":"?"}"#.into(),
            rendered_by: "0.0.1".into(),
            passages: Vec::new(),
            ..now
        };
        let write = self.data_dir.store.write("test", move |tx| {
            carrel_store::facts::increment(tx, carrel_store::facts::CATALOGUE)?;
            tx.put_publication(&old, 1, 0)
        });
        write.await.unwrap();
        let course: Value = self.get("/api/courses/how-rivers-work", "").await.ok();
        assert_eq!(course["title"], "?");
    }
}

#[tokio::test]
async fn publications_of_an_earlier_release_are_derived_again() {
    let server = TestServer::new();
    server.publish().await;
    let uri = "/api/courses/how-rivers-work";
    let current: Value = server.get(uri, "").await.ok();
    let hits = async || server.get("/api/search?q=wander", "").await.ok::<Value>()["total"].clone();
    let found = hits().await;
    // Derived again by the job.
    server.store_as_older_release().await;
    assert_eq!(hits().await, json!(0));
    let tag = server.get(uri, "").await.header("etag").to_owned();
    assert_eq!(server.run_job("render").await, Ok("1 publications derived again".into()));
    assert_eq!(server.get(uri, "").await.ok::<Value>(), current);
    assert_eq!(hits().await, found);
    assert_ne!(server.get(uri, "").await.header("etag"), tag, "the tag has changed");
    assert_eq!(server.run_job("render").await, Ok("0 publications derived again".into()));
    // Derived again by publishing the same version.
    server.store_as_older_release().await;
    let report = server.publish().await;
    assert!(report.packages.iter().all(|p| p.outcome.as_ref().is_some_and(|o| !o.changed)));
    assert_eq!(server.get(uri, "").await.ok::<Value>(), current);
    // Publishing an equal version changes nothing, not even the tags of lists.
    let revision = server.data_dir.store.catalogue_revision().await.unwrap();
    server.publish().await;
    assert_eq!(server.data_dir.store.catalogue_revision().await.unwrap(), revision);
}

#[tokio::test]
async fn an_unpublished_course_is_not_listed_and_its_blobs_are_kept() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let enrolment = "/api/courses/how-rivers-work/enrolment";
    let enrolled: Value = server.post(enrolment, &noor.access_token, &json!({})).await.ok();
    assert_eq!(enrolled["status"], "active");
    let (blob, _) = server.blob_of_type("audio/wav").await;
    let tag = server.get("/api/courses", "").await.header("etag").to_owned();
    let id: Slug = "how-rivers-work".parse().unwrap();
    assert!(!server.data_dir.store.unpublish(Kind::Story, &id).await.unwrap());
    assert!(server.data_dir.store.unpublish(Kind::Course, &id).await.unwrap());
    assert!(!server.data_dir.store.unpublish(Kind::Course, &id).await.unwrap());
    let list = server.get("/api/courses", "").await;
    assert_ne!(list.header("etag"), tag);
    assert_eq!(list.ok::<Value>()["total"], 0);
    assert_eq!(server.get("/api/search?q=wander", "").await.ok::<Value>()["total"], 0);
    for uri in ["/api/courses/how-rivers-work", "/api/courses/how-rivers-work/manifest"] {
        assert_eq!(server.get(uri, "").await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(
        server.post(enrolment, &noor.access_token, &json!({})).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(server.get(&format!("/api/blobs/{blob}"), "").await.status, StatusCode::OK);
    // Learners can still pull their rows.
    let rows = server.pull(&noor.access_token, 0).await["rows"].as_array().unwrap().len();
    assert_eq!(rows, 2);
    // The course can be published again.
    server.publish().await;
    assert_eq!(server.get("/api/courses", "").await.ok::<Value>()["total"], 1);
}

#[tokio::test]
async fn scheduled_backups_keep_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::with(Settings {
        backup: BackupSchedule::Daily,
        backup_dir: Some(dir.path().to_owned()),
        backups_kept: 2,
        ..Settings::default()
    });
    server.publish().await;
    let runner = JobRunner::new(server.open_again());
    runner.schedule().await.unwrap();
    std::fs::create_dir(dir.path().join("backup-1")).unwrap();
    for day in 0..4 {
        let mut ran = Vec::new();
        while let Some(done) = runner.run_due().await.unwrap() {
            assert!(done.result.is_ok(), "{done:?}");
            ran.push(done.name);
        }
        assert!(ran.contains(&"backup".to_owned()), "{ran:?} on day {day}");
        server.clock.advance(DAY);
    }
    let mut names: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let kept_names = [2, 3].map(|day| format!("backup-{}", NOW + day * DAY));
    assert_eq!(names, ["backup-1", &kept_names[0], &kept_names[1]], "an unrelated folder is kept");
    for name in kept_names {
        assert!(backup::check(engine(), &dir.path().join(name)).unwrap().blobs > 3);
    }
    // Off by default: the job runs only on request.
    let server = TestServer::new();
    let runner = JobRunner::new(server.open_again());
    runner.schedule().await.unwrap();
    while let Some(done) = runner.run_due().await.unwrap() {
        assert_ne!(done.name, "backup");
    }
    assert!(server.run_job("backup").await.unwrap().contains("scheduled-backups"));
}
