//! Runs uploads: compiles a package that was uploaded to a draft of its course, or publishes its story. A run holds a lease
//! (`domain::uploads`), so that an upload is run again if its process ends.
//!
//! Not here: receiving the file (`http::uploads`).

use std::{
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use carrel_people::{
    PeopleError,
    permissions::{Caller, Rank},
};
use futures_util::FutureExt as _;
use uuid::Uuid;

use crate::{
    data_dir::DataDir,
    domain::{
        DomainError,
        courses::{CourseRefusal, NewDraft},
        uploads::{UPLOAD_LEASE_MS, UploadOutcome},
    },
    error::Error,
    import,
    store::{Kind, tx::UploadRow},
};

/// Folder with the files of uploads that have not ended.
const FOLDER: &str = "uploads";
/// Age at which a file without an upload is removed.
const MAX_FILE_AGE: Duration = Duration::from_secs(24 * 3_600);

pub(crate) fn path(data: &DataDir, id: Uuid) -> PathBuf {
    data.config.data_dir.join(FOLDER).join(format!("{id}.zip"))
}

pub(crate) async fn remove_file(data: &DataDir, id: Uuid) {
    let path = path(data, id);
    match tokio::fs::remove_file(&path).await {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(error = %e, upload.id = %id, "failed to remove the file of an upload");
        }
        _ => {}
    }
}

/// Runs an upload, unless it has ended or another run has its lease.
pub async fn run(data: DataDir, id: Uuid) {
    if let Err(e) = try_run(&data, id).await {
        tracing::error!(error = %e, upload.id = %id, "failed to run an upload");
    }
}

async fn try_run(data: &DataDir, id: Uuid) -> Result<(), Error> {
    // Until the end of the run.
    let _slot = Arc::clone(&data.upload_slot).acquire_owned().await;
    let worker = carrel_store::new_id().simple().to_string();
    let now = data.config.clock.now_ms();
    let Some(upload) = data.store.lease_upload(id, &worker, now).await? else { return Ok(()) };
    data.failpoint("upload leased");
    let work = AssertUnwindSafe(compile(data, &upload, &worker)).catch_unwind();
    let outcome = tokio::select! {
        ended = work => match ended {
            Ok(Ok(outcome)) => outcome,
            // Another run has the lease, or nobody waits any more.
            Ok(Err(Error::Domain(DomainError::Course(CourseRefusal::UploadEnded)))) => return Ok(()),
            Ok(Err(e)) => failure(&e.to_string(), e.hint()),
            Err(_) => failure("the server failed to compile the package", "report this package"),
        },
        () = keep_lease(data, &upload, &worker) => return Ok(()),
    };
    tracing::info!(
        upload.id = %id, course.id = outcome.course, upload.error = outcome.error, "upload ended"
    );
    data.store.end_upload(id, &worker, outcome).await?;
    remove_file(data, id).await;
    Ok(())
}

fn failure(error: &str, hint: &str) -> UploadOutcome {
    UploadOutcome { error: error.to_owned(), hint: hint.to_owned(), ..UploadOutcome::default() }
}

async fn compile(data: &DataDir, upload: &UploadRow, worker: &str) -> Result<UploadOutcome, Error> {
    let progress = async |percent: u8| {
        let now = data.config.clock.now_ms();
        data.store.continue_upload(upload.id, worker, Some(percent), now).await
    };
    let file = path(data, upload.id);
    if !file.is_file() {
        return Ok(failure("the file of the upload is missing", "upload the package again"));
    }
    // Until the blobs are recorded.
    let _lock = data.begin_import().await?;
    progress(10).await?;
    let (report, publication) = import::compile_upload(data, &file, &upload.name).await;
    progress(80).await?;
    let json = report.to_check_report(false).to_json();
    let Some(publication) = publication else {
        let found = report.packages.iter().flat_map(|package| &package.problems);
        let first = found.into_iter().find(|p| p.severity == carrel_package::Severity::Error);
        let (error, hint) = first.map_or_else(
            || ("the package has errors".to_owned(), String::new()),
            |problem| (problem.message.clone(), problem.hint.clone()),
        );
        return Ok(UploadOutcome { report: json, error, hint, ..UploadOutcome::default() });
    };
    // The rules use the present rank of the account, at most this one.
    let caller = Caller { id: Some(upload.user), rank: Rank::Operator };
    if publication.kind == Kind::Story {
        let story = publication.id.to_string();
        data.failpoint("upload compiled");
        let now = data.config.clock.now_ms();
        let published =
            data.store.publish_uploaded_story(upload.id, worker, caller, publication, now).await;
        return match published {
            Err(DomainError::People(PeopleError::Forbidden)) => {
                let hint = "a story has no draft and is published at once: ask an administrator to upload it";
                let error = "your role lacks the permission to publish stories".to_owned();
                Ok(UploadOutcome { report: json, ..failure(&error, hint) })
            }
            published => {
                published?;
                Ok(UploadOutcome { report: json, story, ..UploadOutcome::default() })
            }
        };
    }
    let draft = NewDraft {
        id: publication.id.clone(),
        title: publication.title,
        version: publication.version,
        manifest: publication.manifest,
        blobs: publication.blobs,
        notes: upload.notes.clone(),
        kept: data.config.settings.course_versions_kept,
    };
    data.failpoint("upload compiled");
    let now = data.config.clock.now_ms();
    data.store.add_uploaded_draft(upload.id, worker, caller, draft, now).await?;
    let course = publication.id.to_string();
    Ok(UploadOutcome { report: json, course, ..UploadOutcome::default() })
}

/// Extends the lease of a run until it is lost or the upload was cancelled.
async fn keep_lease(data: &DataDir, upload: &UploadRow, worker: &str) {
    let interval = Duration::from_millis(UPLOAD_LEASE_MS.unsigned_abs() / 3);
    let mut tick = tokio::time::interval(interval);
    tick.tick().await;
    loop {
        tick.tick().await;
        let now = data.config.clock.now_ms();
        let continued = data.store.continue_upload(upload.id, worker, None, now).await;
        if let Err(DomainError::Course(_)) = continued {
            return;
        }
    }
}

/// Runs the uploads whose runs were interrupted, and removes files that no upload needs. Returns the number of runs.
pub(crate) async fn run_interrupted(data: &DataDir) -> Result<usize, Error> {
    let ids = data.store.uploads_to_run(data.config.clock.now_ms()).await?;
    for id in &ids {
        try_run(data, *id).await?;
    }
    let folder = data.config.data_dir.join(FOLDER);
    let now = Duration::from_millis(data.config.clock.now_ms().unsigned_abs());
    let removed = tokio::task::spawn_blocking(move || {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let is_old = |entry: &std::fs::DirEntry| {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let modified = modified.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            modified.is_some_and(|at| at + MAX_FILE_AGE < now)
        };
        entries.filter(is_old).filter(|e| std::fs::remove_file(e.path()).is_ok()).count()
    });
    let removed = removed.await.map_err(|e| Error::Refused(e.to_string()))?;
    if removed > 0 {
        tracing::info!(uploads.removed = removed, "files without an upload removed");
    }
    Ok(ids.len())
}
