//! Folders for bundles: mounted removable media, and the downloads folder. Why the UI lists them instead of opening a
//! dialog: docs/adr/0007.
//!
//! Not here: reading or writing the files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::bundle::{EXTENSION, convert::foreign_format};

/// Maximum number of files listed per folder.
const MAX_FILES: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FolderKind {
    /// A USB drive, memory card or external disk.
    Removable,
    /// The system's downloads folder, or the app's documents folder on a phone.
    Downloads,
}

/// A folder to which bundles are exported and in which they are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFolder {
    pub kind: FolderKind,
    pub path: PathBuf,
    /// The drive's label, or the folder's name.
    pub name: String,
    /// None if the system does not report it.
    pub free_bytes: Option<u64>,
}

/// A file with the extension of a bundle, or one of another program that can be converted. Its contents are not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    pub path: PathBuf,
    pub name: String,
    pub bytes: u64,
}

/// Lists the folders, removable media first. `downloads` is the system's downloads folder, if known. Blocking.
pub fn bundle_folders(downloads: Option<&Path>) -> Vec<BundleFolder> {
    let mut found: Vec<BundleFolder> = mounts()
        .into_iter()
        .filter(|p| is_writable_folder(p))
        .map(|p| folder(FolderKind::Removable, &p))
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    found.extend(downloads.filter(|d| d.is_dir()).map(|d| folder(FolderKind::Downloads, d)));
    found
}

/// Lists the bundles, and the files of other programs that can be converted, in a folder, not in its subfolders; newest first. Blocking.
pub fn files_in(folder: &Path) -> Vec<BundleFile> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<(std::time::SystemTime, BundleFile)> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
            let is_bundle = path.extension().is_some_and(|e| e.eq_ignore_ascii_case(EXTENSION));
            if !is_bundle && foreign_format(&path).is_none() {
                return None;
            }
            let name = path.file_name()?.to_string_lossy().into_owned();
            let at = metadata.modified().unwrap_or(std::time::UNIX_EPOCH);
            // On FAT drives macOS writes "._NAME" beside each file.
            if name.starts_with('.') {
                None
            } else {
                Some((at, BundleFile { bytes: metadata.len(), path, name }))
            }
        })
        .take(MAX_FILES)
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    found.into_iter().map(|(_, file)| file).collect()
}

fn folder(kind: FolderKind, path: &Path) -> BundleFolder {
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    BundleFolder { kind, path: path.to_owned(), name, free_bytes: free_bytes(path) }
}

/// Returns the number of bytes that this user can still write to the file system; none if not known.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    fs4::available_space(path).ok()
}

fn is_writable_folder(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_dir() && !m.permissions().readonly())
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect()
}

/// Returns the mount points of removable media on Linux desktops: `/media/USER/LABEL` and `/run/media/USER/LABEL`.
#[cfg(target_os = "linux")]
fn mounts() -> Vec<PathBuf> {
    let Some(user) = std::env::var_os("USER").filter(|u| !u.is_empty()) else { return Vec::new() };
    ["/media", "/run/media"].iter().flat_map(|top| children(&Path::new(top).join(&user))).collect()
}

/// Returns all volumes except the system volume, which is a link.
#[cfg(target_os = "macos")]
fn mounts() -> Vec<PathBuf> {
    let is_link = |p: &PathBuf| fs::symlink_metadata(p).is_ok_and(|m| m.is_symlink());
    children(Path::new("/Volumes")).into_iter().filter(|p| !is_link(p)).collect()
}

/// Returns the drives `D:` to `Z:`.
#[cfg(windows)]
fn mounts() -> Vec<PathBuf> {
    ('D'..='Z').map(|c| PathBuf::from(format!("{c}:\\"))).filter(|p| p.is_dir()).collect()
}

/// On phones, files are chosen in the system's file picker (`upload`).
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn mounts() -> Vec<PathBuf> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_can_be_imported_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("words.apkg"), "12345").unwrap();
        for name in
            ["rivers.carrel", "LOUD.CARREL", "._rivers.carrel", "notes.txt", "x.carrel.part"]
        {
            fs::write(dir.path().join(name), "12345").unwrap();
        }
        fs::create_dir(dir.path().join("folder.carrel")).unwrap();
        let mut names: Vec<_> =
            files_in(dir.path()).into_iter().map(|f| (f.name, f.bytes)).collect();
        names.sort();
        assert_eq!(
            names,
            [
                ("LOUD.CARREL".to_owned(), 5),
                ("rivers.carrel".to_owned(), 5),
                ("words.apkg".to_owned(), 5)
            ]
        );
        assert!(files_in(&dir.path().join("nowhere")).is_empty());
        let downloads = bundle_folders(Some(dir.path()));
        let last = downloads.last().unwrap();
        assert_eq!((last.kind, last.path.as_path()), (FolderKind::Downloads, dir.path()));
        assert!(last.free_bytes.is_some_and(|b| b > 0));
    }
}
