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

use super::support::{NOW, World, config, engine, write_course};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Counts its runs; the first `failures` of them fail.
struct Counted {
    runs: Arc<AtomicU32>,
    failures: u32,
}

#[async_trait]
impl Job for Counted {
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

impl World {
    /// The data folder, opened a second time as by another process.
    fn opened_again(&self) -> Arc<DataDir> {
        let settings = self.data_dir.config.settings.clone();
        let clock = Arc::clone(&self.clock) as _;
        Arc::new(DataDir::open(Config { settings, clock, ..config(self.folder()) }).unwrap())
    }
    fn runner(&self, runs: &Arc<AtomicU32>, failures: u32) -> JobRunner {
        let job = Counted { runs: Arc::clone(runs), failures };
        JobRunner::with(self.opened_again(), vec![Box::new(job)])
    }
    async fn run_job(&self, name: &str) -> Result<String, String> {
        let ran = JobRunner::new(self.opened_again()).run_named(name).await;
        ran.map_err(|e| e.to_string())?.result
    }
}

#[tokio::test]
async fn a_job_runs_when_it_is_due_and_in_one_process_at_a_time() {
    let w = World::new();
    let runs = Arc::new(AtomicU32::new(0));
    let (a, b) = (w.runner(&runs, 0), w.runner(&runs, 0));
    a.schedule().await.unwrap();
    b.schedule().await.unwrap();
    for round in 1..=20 {
        let (one, two) = tokio::join!(a.run_due(), b.run_due());
        let ran = [one.unwrap(), two.unwrap()].into_iter().flatten().count();
        assert_eq!((ran, runs.load(Ordering::SeqCst)), (1, round));
        w.clock.advance(HOUR - 1);
        assert_eq!(a.run_due().await.unwrap(), None);
        w.clock.advance(1);
    }
}

#[tokio::test]
async fn the_job_of_a_dead_process_is_leased_again() {
    let w = World::new();
    let runs = Arc::new(AtomicU32::new(0));
    let runner = w.runner(&runs, 0);
    runner.schedule().await.unwrap();
    let store = &w.data_dir.store;
    let dead = store.lease_due_job("dead", NOW).await.unwrap().unwrap();
    assert_eq!((dead.name.as_str(), dead.attempts), ("counted", 1));
    w.clock.advance(LEASE_MS - 1);
    assert_eq!(runner.run_due().await.unwrap(), None);
    let refused = runner.run_named("counted").await.unwrap_err().to_string();
    assert!(refused.contains("another process"), "{refused}");
    w.clock.advance(1);
    assert!(runner.run_due().await.unwrap().is_some());
    // The first process was only slow: its result is ignored, and it can no longer extend the lease.
    let before = store.jobs().await.unwrap();
    assert!(!store.extend_lease(&dead, NOW + LEASE_MS).await.unwrap());
    store.finish_job(&dead, Some(1), Ok(()), NOW + LEASE_MS).await.unwrap();
    assert_eq!(store.jobs().await.unwrap(), before);
    // A running process keeps its lease.
    w.clock.advance(HOUR);
    let now = NOW + LEASE_MS + HOUR;
    let alive = store.lease_due_job("alive", now).await.unwrap().unwrap();
    assert!(store.extend_lease(&alive, now + LEASE_MS - 1).await.unwrap());
    w.clock.advance(LEASE_MS + 1);
    assert_eq!(runner.run_due().await.unwrap(), None);
}

#[tokio::test]
async fn a_failed_job_is_retried_with_increasing_delays() {
    let w = World::new();
    let runs = Arc::new(AtomicU32::new(0));
    let runner = w.runner(&runs, 3);
    runner.schedule().await.unwrap();
    for minutes in [1, 2, 4] {
        let ran = runner.run_due().await.unwrap().unwrap();
        assert_eq!(ran.result, Err("not yet".into()));
        w.clock.advance(minutes * 60_000 - 1);
        assert_eq!(runner.run_due().await.unwrap(), None, "{minutes} minutes");
        w.clock.advance(1);
    }
    assert_eq!(runner.run_due().await.unwrap().unwrap().result, Ok("done".into()));
    let job = w.data_dir.store.jobs().await.unwrap().remove(0);
    assert_eq!((job.attempts, job.error.as_str()), (0, ""));
    assert_eq!(job.due_ms, job.succeeded_ms + HOUR);
}

#[tokio::test]
async fn the_purge_deletes_expired_sign_ins() {
    let w = World::new();
    w.learner("noor").await;
    for device in 2..30 {
        w.sign_in("noor", device).await;
    }
    assert_eq!(w.run_job("purge").await, Ok("0 rows deleted".into()));
    w.clock.advance(181 * DAY);
    assert_eq!(w.run_job("purge").await, Ok("29 rows deleted".into()));
    assert_eq!(w.rows_of("sign_in"), 0);
    let unknown = w.run_job("sweep").await.unwrap_err();
    assert!(unknown.contains("purge, clean-up, render, backup"), "{unknown}");
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
    let w = World::new();
    w.publish().await;
    let course: Value = w.get("/api/courses/how-rivers-work", "").await.ok();
    let old = course["outline"]["lessons"][0]["sections"][0]["body"].as_str().unwrap().to_owned();
    let package = w.dir.path().join("package");
    std::fs::write(package.join("read.md"), "# Bends\n\nAnother text.\n").unwrap();
    assert!(w.data_dir.import(std::slice::from_ref(&package)).await.unwrap().is_ok());
    let blobs = w.folder().join("blobs");
    let (half, fresh) = (blobs.join("ab/.tmpHalf"), blobs.join("ab/.tmpFresh"));
    std::fs::create_dir_all(blobs.join("ab")).unwrap();
    let note = blobs.join("ab/note.txt");
    for path in [&half, &fresh, &note] {
        std::fs::write(path, "unfinished").unwrap();
    }
    // The server's clock is far behind that of the files, so their times are set to it.
    files(&blobs).iter().for_each(|path| set_modified(path, NOW));
    let status = async || w.get(&format!("/api/blobs/{old}"), "").await.status;
    for (days, expected) in [(0, StatusCode::OK), (6, StatusCode::OK), (1, StatusCode::NOT_FOUND)] {
        w.clock.advance(days * DAY + 1);
        set_modified(&fresh, NOW + 7 * DAY);
        w.run_job("clean-up").await.unwrap();
        assert_eq!(status().await, expected, "after {days} days more");
    }
    assert!(!blobs.join(&old[..2]).join(&old).exists());
    assert!(!half.exists() && fresh.exists() && note.exists());
    // All published blobs are kept, and no others.
    let known = w.data_dir.store.blobs().await.unwrap();
    assert!(known.iter().all(|b| w.data_dir.blobs.size(b.hash) == Some(b.size)));
    assert_eq!(files(&blobs).len(), known.len() + 2);
}

#[tokio::test]
async fn no_blob_is_removed_while_an_import_runs() {
    let w = World::new();
    let package = w.dir.path().join("package");
    write_course(&package);
    // The first import was killed before it published: its blobs have no publication.
    w.publish().await;
    let id: Slug = "how-rivers-work".parse().unwrap();
    assert!(w.data_dir.store.unpublish(Kind::Course, &id).await.unwrap());
    w.clock.advance(400 * DAY);
    assert!(w.run_job("clean-up").await.unwrap().starts_with("0 blobs"), "marked as unused");
    w.clock.advance(400 * DAY);
    // The second import relies on them.
    let lock = File::create(w.folder().join("import.lock")).unwrap();
    lock.lock_shared().unwrap();
    let refused = w.run_job("clean-up").await.unwrap_err();
    assert!(refused.contains("an import is running"), "{refused}");
    assert!(w.data_dir.import(&[package]).await.unwrap().is_ok());
    drop(lock);
    w.run_job("clean-up").await.unwrap();
    let known = w.data_dir.store.blobs().await.unwrap();
    assert!(known.len() > 3 && known.iter().all(|b| w.data_dir.blobs.size(b.hash).is_some()));
}

impl World {
    /// Stores the course as an earlier release would have: with a shorter reply.
    async fn publish_as_before(&self) {
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
        let write = self.data_dir.store.write("test", move |tx| tx.put_publication(&old, 1, 0));
        write.await.unwrap();
        let course: Value = self.get("/api/courses/how-rivers-work", "").await.ok();
        assert_eq!(course["title"], "?");
    }
}

#[tokio::test]
async fn publications_of_an_earlier_release_are_derived_again() {
    let w = World::new();
    w.publish().await;
    let uri = "/api/courses/how-rivers-work";
    let current: Value = w.get(uri, "").await.ok();
    let hits = async || w.get("/api/search?q=wander", "").await.ok::<Value>()["total"].clone();
    let found = hits().await;
    // Derived again by the job.
    w.publish_as_before().await;
    assert_eq!(hits().await, json!(0));
    let tag = w.get(uri, "").await.header("etag").to_owned();
    assert_eq!(w.run_job("render").await, Ok("1 publications derived again".into()));
    assert_eq!(w.get(uri, "").await.ok::<Value>(), current);
    assert_eq!(hits().await, found);
    assert_ne!(w.get(uri, "").await.header("etag"), tag, "clients revalidate the course");
    assert_eq!(w.run_job("render").await, Ok("0 publications derived again".into()));
    // Derived again by publishing the same version.
    w.publish_as_before().await;
    let report = w.publish().await;
    assert!(report.packages.iter().all(|p| p.outcome.as_ref().is_some_and(|o| !o.changed)));
    assert_eq!(w.get(uri, "").await.ok::<Value>(), current);
    // Publishing an equal version changes nothing, not even the tags of lists.
    let revision = w.data_dir.store.catalogue_revision().await.unwrap();
    w.publish().await;
    assert_eq!(w.data_dir.store.catalogue_revision().await.unwrap(), revision);
}

#[tokio::test]
async fn an_unpublished_course_leaves_the_catalogue_and_keeps_its_blobs() {
    let w = World::new();
    w.publish().await;
    let noor = w.learner("noor").await;
    let enrolment = "/api/courses/how-rivers-work/enrolment";
    let enrolled: Value = w.post(enrolment, &noor.access_token, &json!({})).await.ok();
    assert_eq!(enrolled["status"], "active");
    let (blob, _) = w.blob_of_type("audio/wav").await;
    let tag = w.get("/api/courses", "").await.header("etag").to_owned();
    let id: Slug = "how-rivers-work".parse().unwrap();
    assert!(!w.data_dir.store.unpublish(Kind::Story, &id).await.unwrap());
    assert!(w.data_dir.store.unpublish(Kind::Course, &id).await.unwrap());
    assert!(!w.data_dir.store.unpublish(Kind::Course, &id).await.unwrap());
    let list = w.get("/api/courses", "").await;
    assert_ne!(list.header("etag"), tag);
    assert_eq!(list.ok::<Value>()["total"], 0);
    assert_eq!(w.get("/api/search?q=wander", "").await.ok::<Value>()["total"], 0);
    for uri in ["/api/courses/how-rivers-work", "/api/courses/how-rivers-work/manifest"] {
        assert_eq!(w.get(uri, "").await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(
        w.post(enrolment, &noor.access_token, &json!({})).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(w.get(&format!("/api/blobs/{blob}"), "").await.status, StatusCode::OK);
    // Learners can still pull their rows.
    let rows = w.pull(&noor.access_token, 0).await["rows"].as_array().unwrap().len();
    assert_eq!(rows, 2);
    // The course can be published again.
    w.publish().await;
    assert_eq!(w.get("/api/courses", "").await.ok::<Value>()["total"], 1);
}

#[tokio::test]
async fn scheduled_backups_keep_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let w = World::with(Settings {
        backup: BackupSchedule::Daily,
        backup_dir: Some(dir.path().to_owned()),
        backups_kept: 2,
        ..Settings::default()
    });
    w.publish().await;
    let runner = JobRunner::new(w.opened_again());
    runner.schedule().await.unwrap();
    std::fs::create_dir(dir.path().join("backup-1")).unwrap();
    for day in 0..4 {
        let mut ran = Vec::new();
        while let Some(done) = runner.run_due().await.unwrap() {
            assert!(done.result.is_ok(), "{done:?}");
            ran.push(done.name);
        }
        assert!(ran.contains(&"backup".to_owned()), "{ran:?} on day {day}");
        w.clock.advance(DAY);
    }
    let mut names: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let made = [2, 3].map(|day| format!("backup-{}", NOW + day * DAY));
    assert_eq!(names, ["backup-1", &made[0], &made[1]], "an unrelated folder is kept");
    for name in made {
        assert!(backup::check(engine(), &dir.path().join(name)).unwrap().blobs > 3);
    }
    // Off by default: the job runs only on request.
    let w = World::new();
    let runner = JobRunner::new(w.opened_again());
    runner.schedule().await.unwrap();
    while let Some(done) = runner.run_due().await.unwrap() {
        assert_ne!(done.name, "backup");
    }
    assert!(w.run_job("backup").await.unwrap().contains("scheduled-backups"));
}
