//! Uploads of packages: one run at a time compiles an upload, under a lease. If its process ends, another run starts
//! when the lease has expired; after `MAX_ATTEMPTS` runs the upload has failed.
//!
//! Not here: compiling, and the files (`carrel-server`).

use carrel_people::permissions::{Caller, Permission, Subject, is_allowed, require};
use uuid::Uuid;

use crate::{
    DomainResult,
    courses::{CourseRefusal, NewDraft, add_draft},
    events::Event,
    publishing::put,
    store::{
        Publication, Store, StoreError,
        tx::{AuditRow, Tx, UploadRow, UploadState},
    },
};

/// Duration of a lease that is not extended.
pub const UPLOAD_LEASE_MS: i64 = 60_000;
/// Number of runs after which an upload has failed.
pub const MAX_ATTEMPTS: u32 = 3;

/// How an upload ended.
#[derive(Debug, Clone, Default)]
pub struct UploadOutcome {
    /// JSON of the report; empty: none.
    pub report: String,
    /// Id of the course; empty for a story.
    pub course: String,
    /// Id of the story; empty for a course.
    pub story: String,
    /// Why it failed; empty: it did not.
    pub error: String,
    pub hint: String,
}

fn running(tx: &dyn Tx, id: Uuid, worker: &str) -> DomainResult<UploadRow> {
    let upload = tx.upload(id)?.ok_or(CourseRefusal::NoUpload(id))?;
    if upload.state != UploadState::Running || upload.worker != worker {
        return Err(CourseRefusal::UploadEnded.into());
    }
    Ok(upload)
}

fn ended(upload: UploadRow, state: UploadState, outcome: UploadOutcome) -> UploadRow {
    let UploadOutcome { report, course, story, error, hint } = outcome;
    UploadRow {
        state,
        progress: 100,
        worker: String::new(),
        lease_until_ms: 0,
        report,
        course,
        story,
        error,
        hint,
        ..upload
    }
}

impl Store {
    pub async fn add_upload(&self, upload: UploadRow) -> DomainResult<()> {
        Ok(self.write("add_upload", move |tx| tx.put_upload(&upload)).await?)
    }

    /// Returns an upload of the caller, or any for administrators.
    ///
    /// # Errors
    /// `NoUpload`, also if it is another person's.
    pub async fn upload_of(&self, caller: Caller, id: Uuid) -> DomainResult<UploadRow> {
        self.read("upload_of", move |tx| {
            let found = tx.upload(id)?;
            let is_manager = is_allowed(tx, caller, Permission::ManageCatalogue, Subject::All)?;
            let found = found.filter(|upload| is_manager || Some(upload.user) == caller.id);
            found.ok_or_else(|| CourseRefusal::NoUpload(id).into())
        })
        .await
    }

    /// Returns the ids of the uploads that wait for a run.
    pub async fn uploads_to_run(&self, now_ms: i64) -> DomainResult<Vec<Uuid>> {
        Ok(self.read("uploads_to_run", move |tx| tx.uploads_to_run(now_ms)).await?)
    }

    /// Starts a run: leases an upload to `worker`. Returns `None` if it has ended, another run has the lease, or it was
    /// started too often; then it has failed.
    pub async fn lease_upload(
        &self,
        id: Uuid,
        worker: &str,
        now_ms: i64,
    ) -> DomainResult<Option<UploadRow>> {
        let worker = worker.to_owned();
        let write = self.write("lease_upload", move |tx| {
            let Some(upload) = tx.upload(id)? else { return Ok::<_, StoreError>(None) };
            if upload.state.is_ended() || upload.lease_until_ms > now_ms {
                return Ok(None);
            }
            if upload.attempts >= MAX_ATTEMPTS {
                let outcome = UploadOutcome {
                    error: format!("the server was stopped in each of {MAX_ATTEMPTS} runs"),
                    hint: "upload the package again, or import it with `carrel-server import`"
                        .to_owned(),
                    ..UploadOutcome::default()
                };
                tx.put_upload(&ended(upload, UploadState::Failed, outcome))?;
                return Ok(None);
            }
            let upload = UploadRow {
                state: UploadState::Running,
                progress: 0,
                attempts: upload.attempts + 1,
                worker,
                lease_until_ms: now_ms.saturating_add(UPLOAD_LEASE_MS),
                ..upload
            };
            tx.put_upload(&upload)?;
            Ok(Some(upload))
        });
        Ok(write.await?)
    }

    /// Extends the lease, and states the progress in percent.
    ///
    /// # Errors
    /// `UploadEnded` if it was cancelled or another run has the lease.
    pub async fn continue_upload(
        &self,
        id: Uuid,
        worker: &str,
        progress: Option<u8>,
        now_ms: i64,
    ) -> DomainResult<()> {
        let worker = worker.to_owned();
        self.write("continue_upload", move |tx| {
            let upload = running(tx, id, &worker)?;
            Ok(tx.put_upload(&UploadRow {
                progress: progress.unwrap_or(upload.progress).min(99),
                lease_until_ms: now_ms.saturating_add(UPLOAD_LEASE_MS),
                ..upload
            })?)
        })
        .await
    }

    /// Stores the draft of an upload. Returns false if this version is the published one.
    ///
    /// # Errors
    /// `UploadEnded`; `Forbidden` if the course is another person's.
    pub async fn add_uploaded_draft(
        &self,
        id: Uuid,
        worker: &str,
        caller: Caller,
        draft: NewDraft,
        now_ms: i64,
    ) -> DomainResult<bool> {
        let worker = worker.to_owned();
        self.write("add_uploaded_draft", move |tx| {
            let stored = add_draft(tx, caller, &draft, now_ms)?;
            running(tx, id, &worker)?;
            Ok(stored)
        })
        .await
    }

    /// Publishes the story of an upload, which has no draft. Returns false if this version is the published one.
    ///
    /// # Errors
    /// `UploadEnded`; `Forbidden` for somebody who may not publish.
    pub async fn publish_uploaded_story(
        &self,
        id: Uuid,
        worker: &str,
        caller: Caller,
        story: Publication,
        now_ms: i64,
    ) -> DomainResult<bool> {
        let worker = worker.to_owned();
        self.write_with_events("publish_uploaded_story", move |tx, events| {
            require(tx, caller, Permission::ManageCatalogue, Subject::All)?;
            running(tx, id, &worker)?;
            let detail = serde_json::json!({ "story": story.id, "title": story.title }).to_string();
            let (changed, is_new) = put(tx, &story, now_ms)?;
            events.extend(changed.map(|revision| Event::CatalogueChanged { revision }));
            let action = "story.publish".to_owned();
            tx.add_audit(&AuditRow {
                at_ms: now_ms,
                actor: caller.id,
                action,
                subject: None,
                detail,
            })?;
            Ok(is_new)
        })
        .await
    }

    /// Ends a run with its outcome. Does nothing if it was cancelled or another run has the lease.
    pub async fn end_upload(
        &self,
        id: Uuid,
        worker: &str,
        outcome: UploadOutcome,
    ) -> DomainResult<()> {
        let worker = worker.to_owned();
        self.write("end_upload", move |tx| {
            let Ok(upload) = running(tx, id, &worker) else { return Ok(()) };
            let is_failure = !outcome.error.is_empty();
            let state = if is_failure { UploadState::Failed } else { UploadState::Finished };
            Ok(tx.put_upload(&ended(upload, state, outcome))?)
        })
        .await
    }

    /// Cancels an upload that has not ended. Returns the upload.
    ///
    /// # Errors
    /// `NoUpload`, also if it is another person's.
    pub async fn cancel_upload(&self, caller: Caller, id: Uuid) -> DomainResult<UploadRow> {
        self.write("cancel_upload", move |tx| {
            let is_manager = is_allowed(tx, caller, Permission::ManageCatalogue, Subject::All)?;
            let found = tx.upload(id)?;
            let found = found.filter(|upload| is_manager || Some(upload.user) == caller.id);
            let upload = found.ok_or(CourseRefusal::NoUpload(id))?;
            if upload.state.is_ended() {
                return Ok(upload);
            }
            let upload = ended(upload, UploadState::Cancelled, UploadOutcome::default());
            tx.put_upload(&upload)?;
            Ok(upload)
        })
        .await
    }
}
