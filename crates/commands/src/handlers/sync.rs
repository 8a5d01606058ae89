//! Commands for sync status, receipts and refused changes.
//!
//! Not here: the sync itself (`carrel_sync`).

use carrel_client::{
    OpenAccount,
    content::Kind,
    learning::{COMPLETED, Error as LearningError},
    net::NetworkCause,
    sync::{Phase, Receipt as SyncReceipt, ReceiptState as SyncReceiptState, Status},
};
use carrel_model::{
    ItemId, Slug,
    content::ManifestContent,
    lattice::{ItemKind, NoteAnchor, NoteRevision, PROGRAM, Row},
    wire::RefusalReason,
};

use super::Result;
use crate::{
    api::{
        app::Empty,
        error::CommandError,
        sync::{
            ExportReply, Receipt, ReceiptList, ReceiptRef, ReceiptState, SyncPhase, SyncStatus,
        },
    },
    host::{Host, account},
};

/// `cause`: why the last request to the server failed.
pub(crate) fn status_view(status: &Status, cause: Option<NetworkCause>) -> SyncStatus {
    let phase = match status.phase {
        Phase::Local => SyncPhase::Local,
        Phase::Idle => SyncPhase::Idle,
        Phase::Running => SyncPhase::Running,
        Phase::Offline => SyncPhase::Offline,
        Phase::SignedOut => SyncPhase::SignedOut,
        Phase::ServerError => SyncPhase::ServerError,
    };
    SyncStatus {
        phase,
        since_ms: status.since_ms,
        waiting: status.waiting,
        refused: status.refused,
        last_ok_ms: status.last_ok_ms,
        next_try_ms: status.next_try_ms,
        error: status.error,
        network: cause.filter(|_| phase == SyncPhase::Offline).map(|c| c.name().to_owned()),
    }
}

pub async fn get_sync_status(host: &dyn Host, _: Empty) -> Result<SyncStatus> {
    let account = account(host)?;
    Ok(status_view(&account.sync.status().await?, account.network_cause()))
}

pub async fn sync_now(host: &dyn Host, _: Empty) -> Result<SyncStatus> {
    let account = account(host)?;
    // A manual sync also retries downloads and lists.
    host.client().network_changed();
    let status = account.sync.sync_now().await?;
    Ok(status_view(&status, account.network_cause()))
}

pub async fn list_receipts(host: &dyn Host, _: Empty) -> Result<ReceiptList> {
    let account = account(host)?;
    list(&account).await
}

pub async fn retry_refused(host: &dyn Host, request: ReceiptRef) -> Result<ReceiptList> {
    let account = account(host)?;
    account.sync.retry_refused(&request.id).await?;
    list(&account).await
}

pub async fn export_refused(host: &dyn Host, _: Empty) -> Result<ExportReply> {
    let export = account(host)?.sync.export_refused().await?;
    let text = serde_json::to_string_pretty(&export).map_err(|e| CommandError::internal(&e))?;
    Ok(ExportReply { file_name: "carrel-not-accepted.json".to_owned(), text })
}

async fn list(account: &OpenAccount) -> Result<ReceiptList> {
    let receipts = account.sync.receipts().await?;
    Ok(ReceiptList {
        waiting: views(account, receipts.waiting).await,
        refused: views(account, receipts.refused).await,
        accepted: views(account, receipts.accepted).await,
    })
}

/// Returns one view per receipt. A receipt whose title cannot be read is shown with its key, so that it does not hide
/// the others.
async fn views(account: &OpenAccount, receipts: Vec<SyncReceipt>) -> Vec<Receipt> {
    let mut views = Vec::with_capacity(receipts.len());
    for receipt in receipts {
        let names = match names(account, &receipt).await {
            Ok(names) => names,
            Err(e) => {
                let error = e.message;
                tracing::warn!(
                    sync.receipt = %receipt.id, %error,
                    "the title of a receipt could not be read; showing its key"
                );
                Names::of_key(&receipt)
            }
        };
        views.push(view(receipt, names));
    }
    views
}

/// The titles shown for a receipt.
struct Names {
    title: String,
    course_title: String,
}

impl Names {
    fn new(title: impl Into<String>, course_title: impl Into<String>) -> Self {
        Self { title: title.into(), course_title: course_title.into() }
    }
    fn of_key(receipt: &SyncReceipt) -> Self {
        Self::new(receipt.key.key.replace('\u{1f}', " "), "")
    }
}

async fn names(account: &OpenAccount, receipt: &SyncReceipt) -> Result<Names> {
    let Some(row) = &receipt.row else { return Ok(Names::of_key(receipt)) };
    Ok(match row {
        // A position in a recording is shown under the title of its course.
        Row::Progress(row) if row.kind == ItemKind::Media => {
            Names::new(root_title(account, &row.item).await?, "")
        }
        Row::Progress(row) => titles(account, row.kind == ItemKind::Story, &row.item).await?,
        Row::Session(row) => {
            // A session does not store the kind of its item; the ids of sections have three segments.
            let is_section = row.item.as_str().matches('/').count() == 2;
            titles(account, !is_section, &row.item).await?
        }
        Row::Attempt(row) => Names::new(root_title(account, &row.quiz).await?, ""),
        // An answer is shown under the title of its attempt's quiz, if the attempt is local: it may have been refused
        // or not synced yet.
        Row::Answer(row) => match account.learning.attempt(row.attempt).await {
            Ok(record) => Names::new(root_title(account, &record.attempt.quiz).await?, ""),
            Err(LearningError::NotFound(_)) => Names::new(row.question.as_str(), ""),
            Err(e) => return Err(e.into()),
        },
        Row::Review(row) => {
            let word = row.word.as_str().rsplit('/').next().unwrap_or_default();
            Names::new(word, root_title(account, &row.word).await?)
        }
        Row::Kv(row) => match row.ns.as_str() {
            "device" => {
                Names::new(serde_json::from_str::<String>(&row.value).unwrap_or_default(), "")
            }
            "enrolment" | COMPLETED => match ItemId::new(row.key.clone()) {
                Ok(course) => Names::new(root_title(account, &course).await?, ""),
                Err(_) => Names::new(row.key.as_str(), ""),
            },
            PROGRAM => match row.exercise_item() {
                Some(section) => titles(account, false, &section).await?,
                None => Names::new(row.key.as_str(), ""),
            },
            _ => Names::new(row.key.as_str(), ""),
        },
        Row::NoteRevision(row) => note_names(account, row).await?,
        // A deletion does not contain what was deleted; the revisions are kept.
        Row::NoteLife(row) => match account.learning.note_revision(row.note).await? {
            Some(row) => note_names(account, &row).await?,
            None => Names::of_key(receipt),
        },
        _ => Names::of_key(receipt),
    })
}

/// Maximum length of the text of a note in a receipt, in characters.
const MAX_NOTE_TITLE: usize = 60;

/// Returns the beginning of a note, or of the marked text, and the title of its section.
async fn note_names(account: &OpenAccount, row: &NoteRevision) -> Result<Names> {
    let is_section = row.item.as_str().matches('/').count() == 2;
    let place = titles(account, !is_section, &row.item).await?.title;
    let quote = NoteAnchor::parse(&row.anchor).map(|anchor| anchor.s).unwrap_or_default();
    let text = if row.body.trim().is_empty() { &quote } else { &row.body };
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Ok(Names::new(place, ""));
    }
    if let Some((end, _)) = text.char_indices().nth(MAX_NOTE_TITLE) {
        text.truncate(end);
        text.push('\u{2026}');
    }
    Ok(Names::new(text, place))
}

fn view(receipt: SyncReceipt, names: Names) -> Receipt {
    let (percent, active_ms) = match &receipt.row {
        Some(Row::Progress(row)) if row.kind != ItemKind::Media => (Some(row.percent), None),
        Some(Row::Session(row)) => (None, Some(row.active_ms)),
        _ => (None, None),
    };
    let reason = RefusalReason::parse(&receipt.reason)
        .unwrap_or(RefusalReason { name: String::new(), params: Default::default() });
    Receipt {
        id: receipt.id,
        row_type: receipt.key.row_type,
        title: names.title,
        course_title: names.course_title,
        percent,
        active_ms,
        state: match receipt.state {
            SyncReceiptState::SavedHere => ReceiptState::SavedHere,
            SyncReceiptState::Sent => ReceiptState::Sent,
            SyncReceiptState::Accepted => ReceiptState::Accepted,
            SyncReceiptState::Refused => ReceiptState::Refused,
        },
        at_ms: receipt.at_ms,
        reason_name: reason.name,
        reason_params: reason.params,
        reason: receipt.reason,
        code: receipt.code,
    }
}

/// Returns the title of the course or story that contains an item, or its id.
async fn root_title(account: &OpenAccount, item: &ItemId) -> Result<String> {
    let root = item.root().to_owned();
    let title = account.content.blocking(move |content| {
        for kind in [Kind::Course, Kind::Story] {
            if let Some(title) = content.library.title(kind, &root)? {
                return Ok(title);
            }
        }
        Ok(root)
    });
    Ok(title.await?)
}

/// Returns the titles of a section or story and of its course, without using the network.
async fn titles(account: &OpenAccount, is_story: bool, item: &ItemId) -> Result<Names> {
    let root = root_title(account, item).await?;
    let parts: Vec<&str> = item.as_str().split('/').collect();
    if is_story && parts.len() == 1 {
        return Ok(Names::new(root, ""));
    }
    let known = match Slug::new(item.root()) {
        Ok(course) => account.content.library.known_manifest(Kind::Course, &course).await?,
        Err(_) => None,
    };
    let found = known.as_ref().and_then(|m| match &m.manifest.content {
        ManifestContent::Course { outline, .. } => match parts[..] {
            [_, story] => {
                outline.stories.iter().find(|s| s.id.as_str() == story).map(|s| s.title.clone())
            }
            [_, lesson, section] => {
                let lesson = outline.lessons.iter().find(|l| l.id.as_str() == lesson)?;
                lesson.sections.iter().find(|s| s.id.as_str() == section).map(|s| s.title.clone())
            }
            _ => None,
        },
        ManifestContent::Story { .. } => None,
    });
    Ok(Names::new(found.unwrap_or_else(|| item.to_string()), root))
}
