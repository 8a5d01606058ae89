//! Commands for downloads, and the conversion of their states.
//!
//! Not here: the downloads themselves (`carrel_content::download`).

use carrel_client::content::{
    Kind,
    blobs::MediaKind,
    download::{DownloadTarget, Phase, Power, Reason, ReportedConditions, State},
};
use carrel_model::{BlobHash, ItemId, Slug};

use super::Result;
use crate::{
    api::{
        app::Empty,
        download::{
            DownloadPhase, DownloadReason, DownloadRef, DownloadState, MissingFile,
            MissingFileKind, OfflineCheck, SetConditions, StartDownload,
        },
    },
    host::{Host, account},
};

/// Maximum number of missing files listed by name.
const MAX_MISSING_FILES: usize = 100;

/// Converts the state of a download. `latest` is the library's version, if known: a local version that differs is
/// outdated.
pub(crate) fn state_view(state: &State, total: u64, latest: Option<BlobHash>) -> DownloadState {
    let phase = match state.phase {
        Phase::Absent => DownloadPhase::Absent,
        Phase::Queued => DownloadPhase::Queued,
        Phase::Running => DownloadPhase::Running,
        Phase::Paused => DownloadPhase::Paused,
        Phase::Failed => DownloadPhase::Failed,
        Phase::Ready
            if state.ready_version.zip(latest).is_some_and(|(local, newest)| local != newest) =>
        {
            DownloadPhase::Outdated
        }
        Phase::Ready => DownloadPhase::Ready,
    };
    let reason = match state.reason {
        Reason::None => None,
        Reason::Offline => Some(DownloadReason::Offline),
        Reason::Portal => Some(DownloadReason::Portal),
        Reason::Metered => Some(DownloadReason::Metered),
        Reason::Battery => Some(DownloadReason::Battery),
        Reason::DiskFull => Some(DownloadReason::DiskFull),
        Reason::Policy => Some(DownloadReason::Policy),
        Reason::User => Some(DownloadReason::User),
        Reason::Server => Some(DownloadReason::Server),
        Reason::Corrupt => Some(DownloadReason::Corrupt),
        Reason::SignIn => Some(DownloadReason::SignIn),
        Reason::Storage => Some(DownloadReason::Storage),
    };
    DownloadState {
        phase,
        bytes_done: state.bytes_done,
        bytes_total: if state.bytes_total > 0 { state.bytes_total } else { total },
        reason,
        checked_ms: state.checked_ms,
        rate: state.rate,
        left_ms: state.left_ms,
        retry_at_ms: state.retry_at_ms,
        readable: state.ready_version.is_some(),
    }
}

/// Returns the download target of a request.
fn target(id: &Slug, is_story: bool, lesson: Option<&Slug>) -> DownloadTarget {
    match lesson {
        Some(lesson) if !is_story => {
            DownloadTarget::lesson(id, ItemId::within(id, lesson).as_str())
        }
        _ if is_story => DownloadTarget::whole(Kind::Story, id),
        _ => DownloadTarget::whole(Kind::Course, id),
    }
}
fn target_of(r: &DownloadRef) -> DownloadTarget {
    target(&r.id, r.is_story, r.lesson.as_ref())
}

pub async fn start_download(host: &dyn Host, request: StartDownload) -> Result<DownloadState> {
    let account = account(host)?;
    let target = target(&request.id, request.is_story, request.lesson.as_ref());
    let anyway = request.anyway.unwrap_or(false);
    let state = account.content.blocking(move |content| content.downloads.request(&target, anyway));
    Ok(state_view(&state.await?, 0, None))
}

pub async fn pause_download(host: &dyn Host, request: DownloadRef) -> Result<DownloadState> {
    let account = account(host)?;
    let target = target_of(&request);
    let state = account.content.blocking(move |content| content.downloads.pause(&target));
    Ok(state_view(&state.await?, 0, None))
}

pub async fn remove_download(host: &dyn Host, request: DownloadRef) -> Result<DownloadState> {
    let account = account(host)?;
    let target = target_of(&request);
    let state = account.content.blocking(move |content| content.downloads.remove_target(&target));
    Ok(state_view(&state.await?, 0, None))
}

pub async fn check_offline(host: &dyn Host, request: DownloadRef) -> Result<OfflineCheck> {
    let account = account(host)?;
    let verification = account.content.downloads.verify(&target_of(&request)).await?;
    let missing_files =
        verification.missing_files.iter().take(MAX_MISSING_FILES).map(|file| MissingFile {
            item: file.first_use.item.clone(),
            title: file.first_use.title.clone(),
            page: file.first_use.page,
            kind: match file.kind {
                MediaKind::Text => MissingFileKind::Text,
                MediaKind::Image => MissingFileKind::Picture,
                MediaKind::Audio => MissingFileKind::Audio,
                MediaKind::Video => MissingFileKind::Video,
                MediaKind::Other => MissingFileKind::Other,
            },
            bytes: file.bytes,
            damaged: file.damaged,
        });
    let measured = account.content.blocking(|content| content.library.storage().measure());
    Ok(OfflineCheck {
        ready: verification.missing_files.is_empty(),
        checked_ms: verification.checked_ms,
        files: verification.files,
        bytes: verification.bytes,
        missing: verification.missing(),
        missing_bytes: verification.missing_bytes(),
        missing_files: missing_files.collect(),
        media_types: verification.media_types,
        free_bytes: measured.await.ok().map(|m| m.free),
        signed_in_until_ms: account.signed_in_until_ms().await,
        needs_sign_in: host.client().account_info().is_some_and(|a| a.needs_sign_in),
    })
}

pub async fn set_conditions(host: &dyn Host, request: SetConditions) -> Result<Empty> {
    let power = request.on_battery.map(|percent| Power::Battery(percent.min(100)));
    let (online, metered) = (request.online, request.metered);
    host.client().set_conditions(ReportedConditions { online, metered, power });
    if request.online == Some(true) {
        host.client().network_changed();
    }
    Ok(Empty {})
}
