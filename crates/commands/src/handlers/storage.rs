//! Commands for storage: space used, limits, removal, moving content.
//!
//! Not here: eviction (`carrel_content::storage`).

use carrel_client::{
    OpenAccount, content,
    content::{
        Kind, Limit,
        download::{DownloadTarget, Phase},
        storage::{CourseFigures, Storage, folder_bytes},
    },
    system::blocking,
};

use super::Result;
use crate::{
    api::{
        app::Empty,
        download::DownloadPhase,
        storage::{
            MoveContent, SetBudget, SharedContent, StorageCleared, StorageCourse, StorageKinds,
            StorageLimit, StorageRef, StorageRemoval, StorageRequest, StorageShortage, StorageView,
        },
    },
    host::{Host, account},
};

const DEFAULT_PAGE_SIZE: u32 = 50;

pub async fn get_storage(host: &dyn Host, request: StorageRequest) -> Result<StorageView> {
    let account = account(host)?;
    let (id, work) = (account.id().to_owned(), account.store.dir().to_owned());
    let (offset, limit) =
        (request.offset.unwrap_or(0), request.limit.unwrap_or(DEFAULT_PAGE_SIZE).min(500));
    let storage = account.content.library.storage().clone();
    let folder = storage.dir().display().to_string();
    let (figures, (courses, courses_total), work) = on_disk(storage, move |s| {
        Ok((s.figures(&id)?, s.courses(&id, offset, limit)?, folder_bytes(&work)))
    })
    .await?;
    let mut rows = Vec::with_capacity(courses.len());
    for course in courses {
        rows.push(row(&account, course).await);
    }
    let kinds = figures.by_kind.iter().map(|k| k.bytes).collect::<Vec<_>>();
    Ok(StorageView {
        budget: figures.budget,
        budget_chosen: figures.limits.budget,
        budget_policy: figures.limits.policy,
        floor: figures.limits.floor(),
        free: figures.measured.free,
        used: figures.measured.used,
        downloads: figures.mine,
        others: figures.others,
        cache: figures.cache,
        unfinished: figures.unfinished,
        index: figures.index,
        work,
        kinds: by_kind(&kinds),
        folder,
        can_move: host.client().can_move_content(),
        shortage: figures.shortage.map(|t| StorageShortage {
            limit: match t.limit {
                Limit::Budget => StorageLimit::Budget,
                Limit::Disk => StorageLimit::Disk,
                Limit::Index => StorageLimit::Index,
            },
            missing: t.missing,
        }),
        shared: figures.shared.map(|shared| SharedContent {
            folder: shared.folder.display().to_string(),
            bytes: shared.bytes,
        }),
        courses: rows,
        courses_total,
    })
}

async fn row(account: &OpenAccount, course: CourseFigures) -> StorageCourse {
    let CourseFigures { target, phase, bytes, total, by_kind: kinds, .. } = course;
    let library = &account.content.library;
    let (kind, id) = (target.kind, target.id.clone());
    let title = match library.blocking(move |library| library.title(kind, id.as_str())).await {
        Ok(Some(title)) => title,
        // Courses that the library no longer lists have their title in the stored manifest.
        _ => match library.known_manifest(target.kind, &target.id).await {
            Ok(Some(open)) => open.manifest.title().to_owned(),
            _ => target.id.to_string(),
        },
    };
    StorageCourse {
        is_story: target.kind == Kind::Story,
        lesson: (!target.is_whole()).then(|| target.scope.clone()),
        title,
        phase: match phase {
            Phase::Absent => DownloadPhase::Absent,
            Phase::Queued => DownloadPhase::Queued,
            Phase::Running => DownloadPhase::Running,
            Phase::Paused => DownloadPhase::Paused,
            Phase::Ready => DownloadPhase::Ready,
            Phase::Failed => DownloadPhase::Failed,
        },
        bytes,
        total,
        kinds: by_kind(&kinds),
        id: target.id,
    }
}

/// Converts bytes by kind, in the order of `MediaKind::ALL`.
fn by_kind(bytes: &[u64]) -> StorageKinds {
    let at = |n: usize| bytes.get(n).copied().unwrap_or(0);
    StorageKinds { text: at(0), pictures: at(1), audio: at(2), video: at(3), other: at(4) }
}

pub async fn check_removal(host: &dyn Host, request: StorageRef) -> Result<StorageRemoval> {
    let account = account(host)?;
    let kind = if request.is_story { Kind::Story } else { Kind::Course };
    let target = DownloadTarget {
        scope: request.lesson.unwrap_or_default(),
        ..DownloadTarget::whole(kind, &request.id)
    };
    let id = account.id().to_owned();
    let storage = account.content.library.storage().clone();
    let removal = on_disk(storage, move |s| s.removal(&id, &target)).await?;
    Ok(StorageRemoval { freed: removal.freed, shared: removal.shared })
}

pub async fn clear_cache(host: &dyn Host, _: Empty) -> Result<StorageCleared> {
    let storage = account(host)?.content.library.storage().clone();
    Ok(StorageCleared { freed: on_disk(storage, Storage::clear_cache).await? })
}

pub async fn set_budget(host: &dyn Host, request: SetBudget) -> Result<StorageView> {
    let account = account(host)?;
    let storage = account.content.library.storage().clone();
    on_disk(storage, move |s| {
        let floor = s.limits()?.floor;
        s.set_limits(request.budget, floor)?;
        s.recheck().map(|_| ())
    })
    .await?;
    account.content.downloads.resume();
    get_storage(host, StorageRequest::default()).await
}

pub async fn move_content(host: &dyn Host, request: MoveContent) -> Result<StorageView> {
    host.client().move_content(request.folder.trim().into()).await?;
    get_storage(host, StorageRequest::default()).await
}

/// Runs a slow read or deletion on a blocking thread.
async fn on_disk<T: Send + 'static>(
    storage: Storage,
    f: impl FnOnce(&Storage) -> content::Result<T> + Send + 'static,
) -> Result<T> {
    Ok(blocking(move || f(&storage)).await?)
}
