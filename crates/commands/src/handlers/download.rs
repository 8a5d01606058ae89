use carrel_core::{
    download::{Phase, Reason, State},
    library::Kind,
};
use carrel_model::BlobHash;

use super::Result;
use crate::{
    api::download::{DownloadPhase, DownloadReason, DownloadRef, DownloadState, OfflineCheck},
    host::{Host, account},
};

/// The core's state as the UI shows it. `latest` is the library's version, if it is known: another one here is outdated.
pub(crate) fn state_view(state: &State, total: u64, latest: Option<BlobHash>) -> DownloadState {
    let phase = match state.phase {
        Phase::Absent => DownloadPhase::Absent,
        Phase::Queued => DownloadPhase::Queued,
        Phase::Running => DownloadPhase::Running,
        Phase::Paused => DownloadPhase::Paused,
        Phase::Failed => DownloadPhase::Failed,
        Phase::Ready
            if state.ready_version.zip(latest).is_some_and(|(here, there)| here != there) =>
        {
            DownloadPhase::Outdated
        }
        Phase::Ready => DownloadPhase::Ready,
    };
    let reason = match state.reason {
        Reason::None => None,
        Reason::Offline => Some(DownloadReason::Offline),
        Reason::DiskFull => Some(DownloadReason::DiskFull),
        Reason::User => Some(DownloadReason::User),
        Reason::Server => Some(DownloadReason::Server),
        Reason::Corrupt => Some(DownloadReason::Corrupt),
        Reason::SignIn => Some(DownloadReason::SignIn),
    };
    DownloadState {
        phase,
        bytes_done: state.bytes_done,
        bytes_total: if state.bytes_total > 0 { state.bytes_total } else { total },
        reason,
        checked_ms: state.checked_ms,
    }
}

fn kind_of(request: &DownloadRef) -> Kind {
    if request.is_story { Kind::Story } else { Kind::Course }
}

pub async fn start_download(host: &dyn Host, request: DownloadRef) -> Result<DownloadState> {
    let account = account(host)?;
    Ok(state_view(&account.content.downloads.start(kind_of(&request), &request.id)?, 0, None))
}

pub async fn cancel_download(host: &dyn Host, request: DownloadRef) -> Result<DownloadState> {
    let account = account(host)?;
    Ok(state_view(&account.content.downloads.cancel(kind_of(&request), &request.id)?, 0, None))
}

pub async fn remove_download(host: &dyn Host, request: DownloadRef) -> Result<DownloadState> {
    let account = account(host)?;
    Ok(state_view(&account.content.downloads.remove(kind_of(&request), &request.id)?, 0, None))
}

pub async fn check_offline(host: &dyn Host, request: DownloadRef) -> Result<OfflineCheck> {
    let account = account(host)?;
    let proof = account.content.downloads.prove(kind_of(&request), &request.id).await?;
    Ok(OfflineCheck {
        ready: proof.missing == 0,
        checked_ms: proof.checked_ms,
        files: proof.files,
        bytes: proof.bytes,
        missing: proof.missing,
    })
}
