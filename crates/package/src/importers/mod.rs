//! Importers: each detects the inputs of one format in a folder or zip and reads an input into a [`Draft`].
//!
//! A new format is one module and one line in [`IMPORTERS`]. Not here: compiling a draft (`compile::lower`).

mod course_format;
mod misnamed;
mod storybook;
mod storybook_paths;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    compile::context::CompileContext,
    draft::Draft,
    problem::{Problem, Problems, file_error},
    source::{Limits, Source, paths},
};

/// An importer for one format.
pub(crate) struct Importer {
    /// Lists the inputs of this format. Inputs in one folder are in the order of their import.
    detect: fn(&Source) -> Vec<Input>,
    /// Reads one input. Returns `None` after reporting problems to the context.
    draft: fn(&mut CompileContext<'_>, &Input) -> Option<Draft>,
    /// Reads id and title of an input, without checking them.
    identify: fn(&Source, &Input) -> Declared,
    /// True if an input is a whole folder: limits and names of all its files are checked, and other importers skip it.
    owns_folder: bool,
}

/// All formats. An earlier importer takes precedence inside the folders that it owns.
static IMPORTERS: [&Importer; 3] =
    [&course_format::IMPORTER, &storybook::IMPORTER, &misnamed::IMPORTER];

/// Id and title that a package states, as far as they can be read; the package may have errors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    pub id: Option<String>,
    pub title: Option<String>,
}

/// An input that an importer detected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// Root folder of the package inside the source; `""` for the root of the source.
    pub folder: String,
    /// File by which the package was detected, relative to `folder`.
    pub file: String,
    pub is_course: bool,
}

/// A package to compile.
#[derive(Clone)]
pub struct Package {
    pub(crate) source: Arc<Source>,
    input: Input,
    importer: &'static Importer,
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Package").field(&self.name()).finish()
    }
}

impl Package {
    /// Returns the name for messages: the path as given, and the folder or file inside it.
    pub fn name(&self) -> String {
        match self.importer.owns_folder {
            true => self.root(),
            false => format!("{}/{}", self.root(), self.input.file),
        }
    }
    /// Returns the root of the package as displayed: the path as given and the folder inside it. Problems name files
    /// relative to it.
    pub fn root(&self) -> String {
        match self.input.folder.as_str() {
            "" => self.source.display_name.clone(),
            folder => format!("{}/{folder}", self.source.display_name),
        }
    }
    /// Returns the file by which the package was detected, relative to its root.
    pub(crate) fn main_file(&self) -> &str {
        &self.input.file
    }
    /// Returns true for a course, false for a story.
    pub fn is_course(&self) -> bool {
        self.input.is_course
    }
    /// Returns the root folder of the package inside the source.
    pub(crate) fn folder(&self) -> &str {
        &self.input.folder
    }
    /// Checks the limits and names of all files of the package.
    pub(crate) fn check_files(&self, limits: &Limits, problems: &Problems) {
        if self.importer.owns_folder {
            self.source.check_package(&self.input.folder, &self.name(), limits, problems);
        }
    }
    /// Returns the id and title that the package states.
    pub fn declared(&self) -> Declared {
        (self.importer.identify)(&self.source, &self.input)
    }
    /// Runs the importer on the package.
    pub(crate) fn draft(&self, context: &mut CompileContext<'_>) -> Option<Draft> {
        (self.importer.draft)(context, &self.input)
    }
}

/// What a path contains.
#[derive(Debug)]
pub struct FoundPackages {
    /// Sorted by name.
    pub packages: Vec<Package>,
    /// Zips beside the packages of a folder; they may contain more packages.
    pub archives: Vec<PathBuf>,
}

/// Opens a path and lists its packages. The path may be a package, a zip, a folder of packages and zips (at any depth),
/// or a Global Storybooks folder (`LANG/NNNN_title.md` or `text/NNNN/LANG__NNNN_title.md`).
pub fn find(path: &Path, limits: &Limits) -> Result<FoundPackages, Vec<Problem>> {
    find_in(path, None, limits)
}

/// Like [`find`], with a name for messages instead of the path: that of the file from which a package was written to a
/// temporary folder.
pub fn find_as(path: &Path, name: &str, limits: &Limits) -> Result<FoundPackages, Vec<Problem>> {
    find_in(path, Some(name), limits)
}

fn find_in(
    path: &Path,
    name: Option<&str>,
    limits: &Limits,
) -> Result<FoundPackages, Vec<Problem>> {
    // The path of a package's main file is accepted as the path of its folder.
    let is_main_file =
        path.is_file() && path.file_name().is_some_and(|n| n == "course.json" || n == "story.json");
    let path = match path.parent() {
        Some(parent) if is_main_file && parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) if is_main_file => parent,
        _ => path,
    };
    let mut source = Source::open(path, limits)?;
    if let Some(name) = name {
        name.clone_into(&mut source.display_name);
    }
    let source = Arc::new(source);
    let packages = packages_in(&source);
    let archives = archives_beside(&source, &packages);
    if packages.is_empty() && archives.is_empty() {
        let what = if source.is_zip { "the zip" } else { "the folder" };
        let message = match source.foreign_format() {
            Some(format) => format!("the zip is {format}, which cannot be imported"),
            None => format!("{what} contains neither course.json nor story.json"),
        };
        let hint = "see docs/PACKAGE.md; carrel-server new course DIR writes an example";
        return Err(vec![file_error(&source.display_name, "no-package", message, hint)]);
    }
    Ok(FoundPackages { packages, archives })
}

/// Returns the zips of a folder that do not belong to a package.
fn archives_beside(source: &Source, packages: &[Package]) -> Vec<PathBuf> {
    let owned: BTreeSet<String> = packages.iter().map(|p| p.input.folder.clone()).collect();
    let zips = source.files.iter().filter(|(path, _)| {
        // A zip with the name of a package beside it is a copy of this package, perhaps an old one.
        let is_copy = path.rsplit_once('.').is_some_and(|(stem, _)| owned.contains(stem));
        let is_zip = !source.is_zip && paths::extension(path) == "zip";
        is_zip && !is_copy && !is_inside(&owned, paths::parent(path))
    });
    zips.map(|(_, file)| file.disk.clone()).collect()
}

fn packages_in(source: &Arc<Source>) -> Vec<Package> {
    let mut owned: BTreeSet<String> = BTreeSet::new();
    let mut packages: Vec<Package> = Vec::new();
    for importer in IMPORTERS {
        for input in (importer.detect)(source) {
            if is_inside(&owned, &input.folder) {
                continue;
            }
            if importer.owns_folder {
                owned.insert(input.folder.clone());
            }
            packages.push(Package { source: Arc::clone(source), input, importer });
        }
    }
    packages.sort_by(|a, b| a.input.folder.cmp(&b.input.folder));
    packages
}

/// Returns true if `folder` is one of `owned` or below one.
fn is_inside(owned: &BTreeSet<String>, folder: &str) -> bool {
    let mut current = folder;
    loop {
        if owned.contains(current) {
            return true;
        }
        if current.is_empty() {
            return false;
        }
        current = paths::parent(current);
    }
}
