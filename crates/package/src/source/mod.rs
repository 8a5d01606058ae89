//! Opens a folder or a zip and lists its files by path. `zip` unpacks archives within the limits, with names by
//! `zip_directory` and `zip_names`; `paths` checks names, `encoding` decodes texts, `json` and `fields` read JSON with
//! line numbers.
//!
//! Not here: the meaning of the files (`importers`).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

mod archives;
pub(crate) mod encoding;
pub(crate) mod fields;
mod files;
pub(crate) mod json;
pub(crate) mod paths;
mod zip;
mod zip_directory;
mod zip_names;

pub use files::Limits;
pub(crate) use files::SourceFile;
pub(crate) use zip::PACK_HINT;

use crate::problem::{Problem, Problems, SourceLocation, file_error};

/// An opened folder or zip.
#[derive(Debug)]
pub struct Source {
    /// The path as given.
    pub(crate) display_name: String,
    /// The files by NFC path.
    pub(crate) files: BTreeMap<String, SourceFile>,
    /// Problems with names, reported with the package that contains the file.
    pub(crate) path_problems: Vec<(String, Problem)>,
    pub(crate) is_zip: bool,
    /// True if names of a zip are in a code page that the zip does not state.
    pub(crate) has_guessed_names: bool,
    _unpacked: Option<tempfile::TempDir>,
}

impl Source {
    /// Opens a folder or a zip. Errors concern the folder or zip as a whole: unreadable, a broken zip, an exceeded
    /// limit, an unsafe name in a zip.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, Vec<Problem>> {
        let given = path.display().to_string();
        let display_name = match given.trim_end_matches(['/', std::path::MAIN_SEPARATOR]) {
            "" => given,
            trimmed => trimmed.to_owned(),
        };
        let metadata = path.metadata().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                vec![file_error(
                    &display_name,
                    "not-found",
                    "there is no such file or folder",
                    "check the path",
                )]
            }
            _ => vec![file_error(
                &display_name,
                "unreadable",
                format!("the file or folder cannot be read: {e}"),
                "check its permissions",
            )],
        })?;
        if metadata.is_dir() {
            return Self::folder(path, display_name);
        }
        let mut head = [0; 4];
        let n = File::open(path).and_then(|mut f| f.read(&mut head)).map_err(|e| {
            vec![file_error(
                &display_name,
                "unreadable",
                format!("the file or folder cannot be read: {e}"),
                "check its permissions",
            )]
        })?;
        if head[..n].starts_with(b"PK") || paths::extension(&display_name) == "zip" {
            return zip::unpack(path, &display_name, limits).map(|unpacked| Self {
                display_name,
                files: unpacked.files,
                path_problems: Vec::new(),
                is_zip: true,
                has_guessed_names: unpacked.has_guessed_names,
                _unpacked: Some(unpacked.folder),
            });
        }
        let archive = File::open(path).ok().and_then(|mut f| archives::other_archive(&mut f));
        let (message, hint) = match archive {
            Some(kind) => (format!("this is {}, not a folder or a zip", kind.name), kind.hint),
            None => (
                "this is neither a folder nor a zip".to_owned(),
                "use the folder with course.json or story.json, or a zip of it",
            ),
        };
        Err(vec![file_error(&display_name, "no-package", message, hint)])
    }

    fn folder(root: &Path, display_name: String) -> Result<Self, Vec<Problem>> {
        let mut files = BTreeMap::new();
        let mut path_problems = Vec::new();
        let mut folded: BTreeMap<String, String> = BTreeMap::new();
        let walk =
            walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name().into_iter().filter_entry(
                |e| {
                    let name = e.file_name().to_string_lossy();
                    !paths::is_os_metadata(&name)
                },
            );
        for entry in walk {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => {
                    let at = e
                        .path()
                        .unwrap_or(root)
                        .strip_prefix(root)
                        .unwrap_or(root)
                        .display()
                        .to_string();
                    path_problems.push((
                        at.clone(),
                        file_error(
                            &at,
                            "unreadable",
                            format!("the file or folder cannot be read: {e}"),
                            "check its permissions",
                        ),
                    ));
                    continue;
                }
            };
            let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let parts: Vec<_> =
                relative.components().map(|c| c.as_os_str().to_string_lossy()).collect();
            let original_path = parts.join("/");
            let path = paths::nfc(&original_path);
            if entry.path_is_symlink() {
                path_problems.push((
                    path,
                    file_error(
                        &original_path,
                        "link",
                        "the file is a symbolic link",
                        "replace the link with the file",
                    ),
                ));
                continue;
            }
            if !entry.file_type().is_file() {
                continue;
            }
            if relative.to_str().is_none() {
                path_problems.push((
                    path,
                    file_error(
                        &original_path,
                        "path-name",
                        "the name is not Unicode",
                        "rename the file",
                    ),
                ));
                continue;
            }
            if let Err(error) = paths::check(&original_path) {
                path_problems.push((
                    path.clone(),
                    file_error(&original_path, error.code, error.message, error.hint),
                ));
            }
            if let Some(first) = folded.insert(paths::case_folded(&path), original_path.clone()) {
                let message = format!("this name and {first:?} are identical on Windows and macOS");
                path_problems.push((
                    path.clone(),
                    file_error(&original_path, "path-duplicate", message, "rename one of them"),
                ));
            }
            let size = entry.metadata().map_or(0, |m| m.len());
            files.insert(path, SourceFile { disk: entry.into_path(), size, original_path });
        }
        Ok(Self {
            display_name,
            files,
            path_problems,
            is_zip: false,
            has_guessed_names: false,
            _unpacked: None,
        })
    }

    /// Returns the paths of all files, in NFC, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Returns where the content of a file is on this disk, and its size in bytes.
    pub fn file(&self, path: &str) -> Option<(&Path, u64)> {
        self.files.get(path).map(|file| (file.disk.as_path(), file.size))
    }

    /// Returns the name of the format of a zip of another program.
    pub(crate) fn foreign_format(&self) -> Option<&'static str> {
        let paths = self.files.keys().map(String::as_str);
        archives::foreign_package(paths).filter(|_| self.is_zip)
    }

    /// Returns the files below a folder (`""` for all).
    pub(crate) fn files_under<'a>(
        &'a self,
        folder: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a SourceFile)> + 'a {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let start = prefix.clone();
        let length = prefix.len();
        self.files
            .range(start..)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .map(move |(path, entry)| (&path[length..], entry))
    }

    /// Checks number, sizes and names of the files of one package against the limits. `name` is that of the package.
    pub(crate) fn check_package(
        &self,
        folder: &str,
        name: &str,
        limits: &Limits,
        problems: &Problems,
    ) {
        let (mut count, mut total) = (0u64, 0u64);
        for (path, entry) in self.files_under(folder) {
            count += 1;
            total = total.saturating_add(entry.size);
            if entry.size > limits.file_bytes {
                let message =
                    format!("the file has {} bytes; {} are allowed", entry.size, limits.file_bytes);
                problems.error(
                    SourceLocation { file: path, line: 1 },
                    "file-too-large",
                    message,
                    "make it smaller or split it",
                );
            }
        }
        let at = SourceLocation { file: name, line: 1 };
        if count > limits.files {
            problems.error(
                at,
                "too-many-files",
                format!("the package has {count} files; {} are allowed", limits.files),
                "split the course",
            );
        }
        if total > limits.total_bytes {
            let message =
                format!("the package has {total} bytes; {} are allowed", limits.total_bytes);
            problems.error(at, "too-large", message, "make the media smaller or split the course");
        }
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        for (path, problem) in &self.path_problems {
            // The names of the folders above the package are not published.
            let is_above = paths::check(path).is_err_and(|error| error.code == problem.code)
                && paths::check_below(folder, path).is_ok();
            if let Some(inside) = path.strip_prefix(prefix.as_str()).filter(|_| !is_above) {
                problems.add(Problem { file: inside.to_owned(), ..problem.clone() });
            }
        }
    }
}
