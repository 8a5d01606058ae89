//! Where files may be: sticks that are plugged in, and the folder for downloads. A list instead of a dialog: docs/adr/0007.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::cable::EXTENSION;

/// The most files that are listed of one place.
const MOST: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlaceKind {
    /// A stick, a card, another disk.
    Stick,
    /// The system's folder for downloads, or the app's own documents on a phone.
    Downloads,
}

/// A folder that files are written to and looked for in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub kind: PlaceKind,
    pub path: PathBuf,
    /// The stick's label; the folder's name.
    pub name: String,
    /// None: the system does not say.
    pub free_bytes: Option<u64>,
}

/// A file that could be taken in, by its name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub path: PathBuf,
    pub name: String,
    pub bytes: u64,
}

/// Sticks first. `downloads`: the system's folder, if the program knows it.
pub fn places(downloads: Option<&Path>) -> Vec<Place> {
    let mut found: Vec<Place> = mounts()
        .into_iter()
        .filter(|p| is_writable_folder(p))
        .map(|p| place(PlaceKind::Stick, &p))
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    found.extend(downloads.filter(|d| d.is_dir()).map(|d| place(PlaceKind::Downloads, d)));
    found
}

/// Files of ours in a place, not in its folders; newest first.
pub fn files_in(place: &Path) -> Vec<Waiting> {
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let mut found: Vec<(std::time::SystemTime, Waiting)> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let ours = path.extension().is_some_and(|e| e.eq_ignore_ascii_case(EXTENSION));
            let about = fs::metadata(&path).ok().filter(|m| ours && m.is_file())?;
            let name = path.file_name()?.to_string_lossy().into_owned();
            let at = about.modified().unwrap_or(std::time::UNIX_EPOCH);
            // macOS leaves "._NAME" beside each file on a stick.
            if name.starts_with('.') {
                None
            } else {
                Some((at, Waiting { bytes: about.len(), path, name }))
            }
        })
        .take(MOST)
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    found.into_iter().map(|(_, file)| file).collect()
}

fn place(kind: PlaceKind, path: &Path) -> Place {
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    Place { kind, path: path.to_owned(), name, free_bytes: free_bytes(path) }
}

/// Bytes that this user may still write there.
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

/// Where desktops mount what is plugged in: `/media/USER/LABEL` and `/run/media/USER/LABEL`.
#[cfg(target_os = "linux")]
fn mounts() -> Vec<PathBuf> {
    let Some(user) = std::env::var_os("USER").filter(|u| !u.is_empty()) else { return Vec::new() };
    ["/media", "/run/media"].iter().flat_map(|top| children(&Path::new(top).join(&user))).collect()
}

/// All volumes but the one that the system runs from, which is a link.
#[cfg(target_os = "macos")]
fn mounts() -> Vec<PathBuf> {
    let is_link = |p: &PathBuf| fs::symlink_metadata(p).is_ok_and(|m| m.is_symlink());
    children(Path::new("/Volumes")).into_iter().filter(|p| !is_link(p)).collect()
}

/// Drive letters after the system's own.
#[cfg(windows)]
fn mounts() -> Vec<PathBuf> {
    ('D'..='Z').map(|c| PathBuf::from(format!("{c}:\\"))).filter(|p| p.is_dir()).collect()
}

/// Phones hand files over through their own chooser: see `upload`.
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn mounts() -> Vec<PathBuf> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_files_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["rivers.carrel", "LOUD.CARREL", "._rivers.carrel", "notes.txt", "x.carrel.part"]
        {
            fs::write(dir.path().join(name), "12345").unwrap();
        }
        fs::create_dir(dir.path().join("folder.carrel")).unwrap();
        let mut names: Vec<_> =
            files_in(dir.path()).into_iter().map(|f| (f.name, f.bytes)).collect();
        names.sort();
        assert_eq!(names, [("LOUD.CARREL".to_owned(), 5), ("rivers.carrel".to_owned(), 5)]);
        assert!(files_in(&dir.path().join("nowhere")).is_empty());
        let downloads = places(Some(dir.path()));
        let last = downloads.last().unwrap();
        assert_eq!((last.kind, last.path.as_path()), (PlaceKind::Downloads, dir.path()));
        assert!(last.free_bytes.is_some_and(|b| b > 0));
    }
}
