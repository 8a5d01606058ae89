//! One compilation: the stage for blobs, and how a file of the package is found and read.
//!
//! Not here: what courses and stories are made of. [`Compiler`] keeps what packages share (pictures already scaled) between them.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
};

use carrel_model::{
    BlobHash, ItemId, Slug,
    content::{BlobRef, MANIFEST_FORMAT, Manifest, ManifestBlob, ManifestContent},
};

use crate::{
    course,
    find::{Kind, Package},
    json::{self, Node},
    paths,
    picture::PictureResult,
    problem::{Place, Problem, Problems, one},
    quiz::Quizzes,
    sink::{Blob, BlobSink},
    sound::SoundResult,
    source::{Entry, Limits},
    story, storybook,
};

/// How to compile.
#[derive(Debug, Clone)]
pub struct Options {
    pub limits: Limits,
    /// Of lossy WebP, 0 to 100.
    pub quality: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::default(), quality: 80.0 }
    }
}

/// Plain text for the full-text index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchDoc {
    /// A course, a section (`course/lesson/section`) or a story.
    pub item: ItemId,
    pub title: String,
    /// BCP 47.
    pub lang: String,
    pub text: String,
}

/// A package without errors. Its blobs are in the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    pub manifest: Manifest,
    /// In the order of reading.
    pub search_text: Vec<SearchDoc>,
    /// Sorted by file and line.
    pub warnings: Vec<Problem>,
}

/// Compiles packages one after the other. What they share is worked on once: a picture that 60 translations show is decoded and
/// scaled for the first of them.
#[derive(Debug)]
pub struct Compiler {
    options: Options,
    pub(crate) shared: Shared,
    /// Ids of this import and the packages that have them.
    ids: HashMap<Slug, String>,
}

/// What outlives a package. Scaled pictures lie in a temporary folder, so that memory stays flat however many there are.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub pictures: HashMap<BlobHash, PictureResult>,
    pub sounds: HashMap<BlobHash, SoundResult>,
    pub peaks: HashMap<BlobHash, Vec<u8>>,
    spill: Option<tempfile::TempDir>,
}

impl Shared {
    /// A blob that lies in the temporary folder.
    pub fn spill(&mut self, bytes: &[u8], media_type: &str) -> io::Result<Blob> {
        if self.spill.is_none() {
            self.spill = Some(tempfile::tempdir()?);
        }
        let path: PathBuf = self
            .spill
            .as_ref()
            .map(tempfile::TempDir::path)
            .unwrap_or_else(|| ".".as_ref())
            .join(BlobHash::of(bytes).to_hex());
        std::fs::write(&path, bytes)?;
        Blob::from_file(&path, media_type)
    }
}

/// Compiles one package with defaults that suit most: see [`Compiler`] for many.
pub fn compile(
    package: &Package,
    sink: &mut dyn BlobSink,
    options: &Options,
) -> Result<Compiled, Vec<Problem>> {
    Compiler::new(options.clone()).compile(package, sink)
}

impl Compiler {
    pub fn new(options: Options) -> Self {
        Self { options, shared: Shared::default(), ids: HashMap::new() }
    }

    /// Compiles a package and fills the sink. If there is an error, the sink gets nothing and the list has every problem found,
    /// warnings included, by file and line.
    pub fn compile(
        &mut self,
        package: &Package,
        sink: &mut dyn BlobSink,
    ) -> Result<Compiled, Vec<Problem>> {
        let problems = Problems::default();
        if !matches!(package.kind, Kind::Storybook(_)) {
            package.source.check_package(&package.folder, &self.options.limits, &problems);
        }
        let mut build = Build {
            package,
            problems: &problems,
            shared: &mut self.shared,
            options: &self.options,
            stage: BTreeMap::new(),
            folded: OnceCell::new(),
            search: Vec::new(),
            quizzes: Quizzes::default(),
        };
        let content = match &package.kind {
            Kind::Course => course::compile(&mut build),
            Kind::Story => story::compile_package(&mut build),
            Kind::Storybook(book) => storybook::compile(&mut build, book),
        };
        let (stage, search_text) = (build.stage, build.search);
        let Some(mut content) = content.filter(|_| !problems.has_errors()) else {
            if !problems.has_errors() {
                problems.add(one(
                    &package.name(),
                    "internal",
                    "the package cannot be compiled",
                    "please report this with the package",
                ));
            }
            return Err(problems.into_sorted());
        };
        let total: u64 = stage.values().map(|b| b.size).sum();
        match &mut content {
            ManifestContent::Course { meta, .. } => meta.total_bytes = total,
            ManifestContent::Story { meta, .. } => meta.total_bytes = total,
        }
        let blobs = stage
            .values()
            .map(|b| ManifestBlob { hash: b.hash, size: b.size, media_type: b.media_type.clone() })
            .collect();
        let manifest = Manifest { format: MANIFEST_FORMAT.to_owned(), content, blobs };
        if let Some(first) = self.ids.get(manifest.id()).filter(|first| **first != package.name()) {
            let file = if package.is_course() { "course.json" } else { "story.json" };
            let message = format!("the id {:?} is that of {first} too", manifest.id().as_str());
            problems.add(one(file, "duplicate-id", message, "give one of them another id"));
            return Err(problems.into_sorted());
        }
        for blob in stage.values() {
            if let Err(e) = sink.put(blob) {
                problems.add(one(
                    &package.name(),
                    "not-written",
                    format!("a blob cannot be written: {e}"),
                    "free some space and import again",
                ));
                return Err(problems.into_sorted());
            }
        }
        self.ids.insert(manifest.id().clone(), package.name());
        tracing::debug!(package.name = %package.name(), package.blobs = stage.len(), package.bytes = total, "compiled a package");
        Ok(Compiled { manifest, search_text, warnings: problems.into_sorted() })
    }
}

/// The room in which one package is compiled.
pub(crate) struct Build<'a> {
    pub package: &'a Package,
    pub problems: &'a Problems,
    pub shared: &'a mut Shared,
    pub options: &'a Options,
    stage: BTreeMap<BlobHash, Blob>,
    /// How files are spelled, by their folded paths; made for the first link that leads nowhere.
    folded: OnceCell<HashMap<String, String>>,
    pub search: Vec<SearchDoc>,
    pub quizzes: Quizzes,
}

impl<'a> Build<'a> {
    fn full(&self, path: &str) -> String {
        if self.package.folder.is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.package.folder)
        }
    }
    /// A file of the package by its resolved path.
    pub fn entry(&self, path: &str) -> Option<&'a Entry> {
        self.package.source.files.get(&self.full(path))
    }
    /// True if some file lies below this folder.
    pub fn is_folder(&self, path: &str) -> bool {
        self.package.source.below(&self.full(path)).next().is_some()
    }
    /// Stages a blob.
    pub fn put(&mut self, blob: Blob) -> BlobRef {
        let reference =
            BlobRef { hash: blob.hash, size: blob.size, media_type: blob.media_type.clone() };
        self.stage.entry(blob.hash).or_insert(blob);
        reference
    }
    /// Stages a compiled body.
    pub fn put_json<T: serde::Serialize>(&mut self, value: &T) -> BlobHash {
        let bytes = serde_json::to_vec(value).unwrap_or_default();
        self.put(Blob::from_bytes(bytes, "application/json")).hash
    }

    /// Finds the file that `link` names from `folder`, or reports why there is none.
    pub fn resolve(&self, at: Place<'_>, folder: &str, link: &str) -> Option<String> {
        let error = |code, message: String, hint: String| {
            self.problems.error(at, code, message, hint);
            None
        };
        if link.contains("://") || link.starts_with("data:") || link.starts_with("//") {
            let hint = "put the file into the package: learners are offline".to_owned();
            return error("remote-media", format!("{link:?} lies outside the package"), hint);
        }
        if link.contains('\\') {
            return error(
                "path-unsafe",
                format!("the path {link:?} has a backslash"),
                format!("write {:?}", link.replace('\\', "/")),
            );
        }
        let decoded = paths::percent_decoded(link);
        for spelling in [link, &decoded] {
            let Some(path) = paths::resolve(folder, spelling) else {
                let hint =
                    "put the file into the package and name it relative to this file".to_owned();
                return error(
                    "outside-package",
                    format!("the path {link:?} leaves the package"),
                    hint,
                );
            };
            if self.entry(&path).is_some() || (!path.is_empty() && self.is_folder(&path)) {
                return Some(path);
            }
        }
        let path = paths::resolve(folder, &decoded).unwrap_or_default();
        let near = self.folded.get_or_init(|| {
            let files = self.package.source.below(&self.package.folder);
            files.map(|(p, entry)| (paths::folded(p), entry.spelled.clone())).collect()
        });
        match near.get(&paths::folded(&path)) {
            Some(spelled) => {
                let name = spelled.rsplit('/').next().unwrap_or_default().to_owned();
                error(
                    "name-case",
                    format!("the file {path:?} is spelled otherwise on disk: {name:?}"),
                    "spell both alike: upper and lower case count".to_owned(),
                )
            }
            None => error(
                "missing-file",
                format!("there is no file {path:?}"),
                "add it, or correct the path".to_owned(),
            ),
        }
    }

    /// A whole file, for formats that are read at once. `limit` in bytes.
    pub fn read(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        let at = Place { file: path, line: 1 };
        let entry = self.entry(path)?;
        if entry.size > limit {
            let message =
                format!("the file has {} bytes; {limit} are allowed for this kind", entry.size);
            self.problems.error(at, "file-too-large", message, "make it smaller");
            return None;
        }
        match std::fs::read(&entry.disk) {
            Ok(bytes) => Some(bytes),
            Err(e) => {
                self.problems.error(
                    at,
                    "unreadable",
                    format!("it cannot be read: {e}"),
                    "check who may read it",
                );
                None
            }
        }
    }
    /// A text file: UTF-8, with or without a byte order mark, any line ends.
    pub fn read_text(&self, path: &str) -> Option<String> {
        let mut bytes = self.read(path, self.options.limits.text_bytes)?;
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(e) => {
                let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
                let line = 1 + good.iter().filter(|b| **b == b'\n').count() as u32;
                let what = if e.as_bytes().starts_with(b"\xff\xfe")
                    || e.as_bytes().starts_with(b"\xfe\xff")
                {
                    "this is UTF-16"
                } else {
                    "these bytes are not UTF-8"
                };
                self.problems.error(
                    Place { file: path, line },
                    "not-utf8",
                    what,
                    "save the file as UTF-8",
                );
                None
            }
        }
    }
    pub fn read_json(&self, path: &str) -> Option<Node> {
        let text = self.read_text(path)?;
        json::parse(&text, path, self.problems)
    }
}
