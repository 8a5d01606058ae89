//! Commands for bundles: folders, files, exports and imports.
//!
//! Not here: their implementation (`carrel_client::bundle`).

use std::path::Path;

use carrel_client::{
    Error, ImportError,
    bundle::{
        self, BundleInfo, Conversion, ConversionChoice, CoursesInfo, DictionaryInfo,
        ExportedFile as Exported, FolderKind, ForeignFormat, ImportRemark, KeyTrust, Level,
        LocalState, Transfers, WorkInfo,
    },
    content::Kind,
    system::blocking,
};

use super::{Result, app::get_app_state, dictionary::facts_view};
use crate::{
    api::{
        app::{AppState, Empty},
        bundle::{
            BundleFileView, BundleFolderKind, BundleFolderList, BundleFolderView, ConversionLevel,
            ConvertedFile, ConvertedItem, CourseInFile, ExportCourses, ExportWork, ExportedFile,
            FileRef, FileRefusal, FileView, ImportCourses, ImportWork, ImportedCourse,
            ImportedCourses, ImportedWork, LocalVersion, RemarkView, TransferState, UploadUrl,
        },
    },
    host::Host,
};

pub async fn open_guest(host: &dyn Host, _: Empty) -> Result<AppState> {
    host.client().open_guest().await?;
    get_app_state(host, Empty {}).await
}

pub async fn list_removable_media(host: &dyn Host, _: Empty) -> Result<BundleFolderList> {
    let downloads = host.downloads_dir();
    // On a blocking thread, because a drive in standby responds slowly.
    let listed = blocking(move || {
        let folders = bundle::bundle_folders(downloads.as_deref());
        let files = folders.iter().flat_map(|folder| {
            bundle::files_in(&folder.path).into_iter().map(|file| BundleFileView {
                path: text(&file.path),
                name: file.name,
                bytes: file.bytes,
                folder: folder.name.clone(),
            })
        });
        let files = files.collect();
        let folders = folders.into_iter().map(|folder| BundleFolderView {
            path: text(&folder.path),
            name: folder.name,
            kind: match folder.kind {
                FolderKind::Removable => BundleFolderKind::Removable,
                FolderKind::Downloads => BundleFolderKind::Downloads,
            },
            free_bytes: folder.free_bytes,
        });
        Ok::<_, Error>(BundleFolderList { folders: folders.collect(), files })
    });
    Ok(listed.await?)
}

pub async fn export_courses(host: &dyn Host, request: ExportCourses) -> Result<ExportedFile> {
    let kind = |is_story| if is_story { Kind::Story } else { Kind::Course };
    let items: Vec<_> = request.items.into_iter().map(|i| (kind(i.is_story), i.id)).collect();
    Ok(file_view(host.client().export_courses(&items, Path::new(&request.folder)).await?))
}

pub async fn export_work(host: &dyn Host, request: ExportWork) -> Result<ExportedFile> {
    Ok(file_view(host.client().export_work(Path::new(&request.folder)).await?))
}

pub async fn get_upload_url(host: &dyn Host, _: Empty) -> Result<UploadUrl> {
    Ok(UploadUrl { url: host.client().upload_url().await? })
}

pub async fn inspect_file(host: &dyn Host, request: FileRef) -> Result<FileView> {
    let choice = ConversionChoice {
        lang: request.lang.as_deref(),
        reviews: request.reviews.unwrap_or(false),
    };
    Ok(match host.client().inspect_file(Path::new(&request.path), choice).await? {
        BundleInfo::Courses(info) => courses_view(info),
        BundleInfo::Work(info) => work_view(info),
        BundleInfo::Dictionary(info) => dictionary_view(*info),
    })
}

pub async fn import_courses(host: &dyn Host, request: ImportCourses) -> Result<ImportedCourses> {
    let path = Path::new(&request.path);
    let imported = host.client().import_courses(path, request.accept.as_deref()).await?;
    let courses = imported.into_iter().map(|course| ImportedCourse {
        id: course.id,
        is_story: course.kind == Kind::Story,
        title: course.title,
        imported: course.imported,
        reviews: course.reviews,
    });
    Ok(ImportedCourses { courses: courses.collect() })
}

pub async fn import_work(host: &dyn Host, request: ImportWork) -> Result<ImportedWork> {
    let imported = host.client().import_work(Path::new(&request.path), request.claim).await?;
    Ok(ImportedWork {
        rows: imported.rows,
        changed: imported.changed,
        unreadable: imported.unreadable,
    })
}

pub async fn cancel_transfer(host: &dyn Host, _: Empty) -> Result<Empty> {
    host.client().transfers().cancel();
    Ok(Empty {})
}

pub(crate) fn state_view(transfers: &Transfers) -> TransferState {
    match transfers.progress() {
        Some(t) => {
            TransferState { busy: true, bytes_done: t.bytes_done, bytes_total: t.bytes_total }
        }
        None => TransferState { busy: false, bytes_done: 0, bytes_total: 0 },
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(crate) fn file_view(file: Exported) -> ExportedFile {
    ExportedFile {
        file_name: file
            .path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default(),
        path: text(&file.path),
        bytes: file.bytes,
        count: file.count,
    }
}

fn refusal_view(refusal: &ImportError) -> FileRefusal {
    FileRefusal { reason: refusal.reason().to_owned(), subject: refusal.subject().to_owned() }
}

fn courses_view(info: CoursesInfo) -> FileView {
    let courses = info.courses.into_iter().map(|course| CourseInFile {
        id: course.id,
        is_story: course.kind == Kind::Story,
        title: course.title,
        bytes: course.bytes,
        local: match course.local {
            LocalState::Absent => LocalVersion::Absent,
            LocalState::Same => LocalVersion::Same,
            LocalState::Older => LocalVersion::Older,
            LocalState::Newer => LocalVersion::Newer,
            LocalState::OtherLibrary => LocalVersion::OtherLibrary,
        },
    });
    FileView::Courses {
        server_name: if info.server_name.is_empty() { info.server } else { info.server_name },
        fingerprint: info.fingerprint,
        needs_confirmation: info.trust == KeyTrust::NotAccepted,
        made_ms: info.made_ms,
        bytes: info.bytes,
        new_bytes: info.new_bytes,
        courses: courses.collect(),
        refusal: match &info.trust {
            KeyTrust::Rejected(refusal) => Some(refusal_view(refusal)),
            KeyTrust::Trusted | KeyTrust::NotAccepted => None,
        },
        converted: info.conversion.map(|conversion| converted_file(*conversion)),
    }
}

fn dictionary_view(info: DictionaryInfo) -> FileView {
    FileView::Dictionary {
        dictionary: facts_view(&info.facts),
        fingerprint: info.fingerprint,
        needs_confirmation: info.trust == KeyTrust::NotAccepted,
        replaces: info.installed.is_some(),
        refusal: match &info.trust {
            KeyTrust::Rejected(refusal) => Some(refusal_view(refusal)),
            KeyTrust::Trusted | KeyTrust::NotAccepted => None,
        },
    }
}

/// Maximum number of items of a converted file in a reply.
const MAX_ITEMS: usize = 200;

fn converted_file(conversion: Conversion) -> ConvertedFile {
    let Conversion { path, format, lang, report, review_count, has_reviews } = conversion;
    let exact = count(report.count(Level::Exact));
    let other_count = count(report.items.len()).saturating_sub(exact);
    let others = report.items.into_iter().filter(|item| item.level != Level::Exact);
    ConvertedFile {
        path: text(&path),
        format: match format {
            ForeignFormat::Gift => "GIFT",
            ForeignFormat::Aiken => "Aiken",
            ForeignFormat::MoodleXml => "Moodle XML",
            ForeignFormat::Anki => "Anki",
            ForeignFormat::Epub => "EPUB",
        }
        .to_owned(),
        lang,
        states_language: format.states_language(),
        exact,
        others: others.take(MAX_ITEMS).map(converted_item).collect(),
        other_count,
        notes: report.remarks.into_iter().map(remark_view).collect(),
        review_count,
        has_reviews,
    }
}

fn converted_item(item: bundle::Item) -> ConvertedItem {
    let line = item.original.strip_prefix("line ").and_then(|number| number.parse().ok());
    ConvertedItem {
        title: match item.title.is_empty() && line.is_none() {
            true => item.original,
            false => item.title,
        },
        line,
        level: match item.level {
            Level::Exact => ConversionLevel::Exact,
            Level::Changed => ConversionLevel::Changed,
            Level::KeptAsText => ConversionLevel::KeptAsText,
            Level::Refused => ConversionLevel::Refused,
        },
        reasons: item.remarks.into_iter().map(remark_view).collect(),
    }
}

fn remark_view(remark: ImportRemark) -> RemarkView {
    let params = remark.params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    RemarkView { code: remark.code, params }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn work_view(info: WorkInfo) -> FileView {
    let claim = info.refusal == Some(ImportError::Unclaimed);
    FileView::Work {
        learner: info.learner,
        server_name: info.server_name,
        device_name: info.device_name,
        device_known: info.device_known,
        made_ms: info.made_ms,
        rows: info.rows,
        claim,
        refusal: info.refusal.as_ref().filter(|_| !claim).map(refusal_view),
    }
}
