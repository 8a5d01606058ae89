//! The state shared by all steps of a compilation: options, problems, the staged blobs, and the files of the package.
//!
//! Not here: which steps run (`compiler`).

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap},
    path::Path,
};

use carrel_model::{BlobHash, ItemId, content::BlobRef};

use crate::media::raster::ImageResult;
use crate::media::recording::{RecordingDecoder, RecordingResult};
use crate::media::spill::Spill;
use crate::problem::{Problems, SourceLocation};
use crate::sink::Blob;
use crate::source::encoding;
use crate::source::json::{self, Node};
use crate::source::{Limits, PACK_HINT, Source, SourceFile, paths};

/// Options of a compilation.
#[derive(Debug, Clone)]
pub struct Options {
    pub limits: Limits,
    /// Quality of lossy WebP, 0 to 100.
    pub quality: f32,
    /// Without it, recordings get no waveform and narrations no estimated times.
    pub decoder: Option<RecordingDecoder>,
}

impl Options {
    /// Options of a program without decoders for recordings.
    pub fn without_decoder() -> Self {
        Self { limits: Limits::default(), quality: 80.0, decoder: None }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { decoder: Some(RecordingDecoder::default()), ..Self::without_decoder() }
    }
}

/// File of a package that states from which file of another program it was converted, and how.
const SOURCE_REPORT_FILE: &str = "source.json";
/// Media type of its blob.
pub const SOURCE_REPORT_TYPE: &str = "application/vnd.carrel.source+json";

/// Extensions of image files, for links whose file is missing.
const IMAGE_EXTENSIONS: [&str; 12] =
    ["png", "jpg", "jpeg", "webp", "gif", "svg", "bmp", "tif", "tiff", "heic", "heif", "avif"];

/// Results shared by the packages of one import.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub images: HashMap<BlobHash, ImageResult>,
    pub recordings: HashMap<BlobHash, RecordingResult>,
    pub peaks: HashMap<BlobHash, Vec<u8>>,
    pub spill: Spill,
}

/// A compiled quiz of this package.
#[derive(Debug, Clone)]
pub(crate) struct CompiledQuiz {
    pub item: ItemId,
    pub title: String,
    pub body: BlobHash,
}

/// The compiled quizzes, and the file of each id.
#[derive(Debug, Default)]
pub(crate) struct Quizzes {
    pub by_path: HashMap<String, Option<CompiledQuiz>>,
    pub ids: BTreeMap<ItemId, String>,
}

/// State shared by all steps of a compilation.
pub(crate) struct CompileContext<'a> {
    pub source: &'a Source,
    /// Root folder of the package inside the source; `""` for the root of the source.
    pub folder: &'a str,
    pub problems: &'a Problems,
    pub shared: &'a mut Shared,
    pub options: &'a Options,
    pub staged_blobs: BTreeMap<BlobHash, Blob>,
    /// Spelling on disk of each file by its case-folded path; computed for the first link whose file is missing.
    case_folded_paths: OnceCell<HashMap<String, String>>,
    pub quizzes: Quizzes,
}

impl<'a> CompileContext<'a> {
    pub fn new(
        source: &'a Source,
        folder: &'a str,
        problems: &'a Problems,
        shared: &'a mut Shared,
        options: &'a Options,
    ) -> Self {
        Self {
            source,
            folder,
            problems,
            shared,
            options,
            staged_blobs: BTreeMap::new(),
            case_folded_paths: OnceCell::new(),
            quizzes: Quizzes::default(),
        }
    }
    fn full(&self, path: &str) -> String {
        if self.folder.is_empty() { path.to_owned() } else { format!("{}/{path}", self.folder) }
    }
    /// Returns a file of the package by its resolved path.
    pub fn entry(&self, path: &str) -> Option<&'a SourceFile> {
        self.source.files.get(&self.full(path))
    }
    /// Returns the first file of the package, by path, whose path starts with `prefix`.
    pub fn first_with_prefix(&self, prefix: &str) -> Option<&'a str> {
        self.with_prefix(prefix).next()
    }
    /// Returns the files of the package whose paths start with `prefix`, in the order of the paths.
    pub fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let full = self.full(prefix);
        let start = full.len() - prefix.len();
        let paths = self.source.files.range(full.clone()..).map(|(path, _)| path.as_str());
        paths.take_while(move |path| path.starts_with(&full)).map(move |path| &path[start..])
    }
    /// Returns true if the package contains a file below this folder.
    pub fn is_folder(&self, path: &str) -> bool {
        self.source.files_under(&self.full(path)).next().is_some()
    }
    /// Stages a blob and returns a reference to it.
    pub fn put(&mut self, blob: Blob) -> BlobRef {
        let reference =
            BlobRef { hash: blob.hash, size: blob.size, media_type: blob.media_type.clone() };
        self.staged_blobs.entry(blob.hash).or_insert(blob);
        reference
    }
    /// Returns the file of a recording of the package.
    pub fn recording_file(&self, hash: BlobHash) -> Option<&Path> {
        let prepared = self.shared.recordings.values().filter_map(|found| found.as_ref().ok());
        prepared.filter(|found| found.blob.hash == hash).map(|found| found.disk.as_path()).next()
    }
    /// Stages a compiled body as JSON and returns its hash.
    pub fn put_json<T: serde::Serialize>(&mut self, value: &T) -> BlobHash {
        let bytes = serde_json::to_vec(value).unwrap_or_default();
        self.put(Blob::from_bytes(bytes, "application/json")).hash
    }

    /// Stages the report of a package that was converted from another format, so that it is published with the course.
    pub fn stage_source_report(&mut self) {
        let limit = self.options.limits.text_bytes;
        let bytes = self
            .entry(SOURCE_REPORT_FILE)
            .filter(|entry| entry.size <= limit)
            .and_then(|entry| std::fs::read(&entry.disk).ok());
        // Another program's file of this name is no part of the package.
        let is_report = |bytes: &Vec<u8>| {
            serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|json| {
                json["format"].as_str().is_some_and(|format| format.starts_with("carrel-source/"))
            })
        };
        if let Some(bytes) = bytes.filter(is_report) {
            self.put(Blob::from_bytes(bytes, SOURCE_REPORT_TYPE));
        }
    }

    /// Resolves `link` from `folder` to the path of a file or folder. Reports a problem and returns `None` if there is
    /// none.
    pub fn resolve(&self, at: SourceLocation<'_>, folder: &str, link: &str) -> Option<String> {
        let error = |code, message: String, hint: String| {
            self.problems.error(at, code, message, hint);
            None
        };
        if link.contains("://") || link.starts_with("data:") || link.starts_with("//") {
            let hint = "put the file into the package, because learners may be offline".to_owned();
            return error("remote-media", format!("{link:?} is outside the package"), hint);
        }
        let has_drive = link.as_bytes().get(1) == Some(&b':')
            && link.starts_with(|c: char| c.is_ascii_alphabetic());
        if has_drive {
            let hint =
                "put the file into the package and use a path relative to this file".to_owned();
            return error(
                "outside-package",
                format!("the path {link:?} is that of a file on one computer"),
                hint,
            );
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
                    "put the file into the package and use a path relative to this file".to_owned();
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
        let case_folded_paths = self.case_folded_paths.get_or_init(|| {
            let files = self.source.files_under(self.folder);
            files.map(|(p, entry)| (paths::case_folded(p), entry.original_path.clone())).collect()
        });
        match case_folded_paths.get(&paths::case_folded(&path)) {
            Some(original_path) => {
                let name = original_path.rsplit('/').next().unwrap_or_default().to_owned();
                error(
                    "name-case",
                    format!("the file {path:?} has a different spelling on disk: {name:?}"),
                    "use the same spelling, including upper and lower case".to_owned(),
                )
            }
            None => {
                let mut hint = "add it, or correct the path".to_owned();
                if self.source.has_guessed_names {
                    hint = format!(
                        "{hint}; the names in the zip are not UTF-8: if this one was read wrongly, {PACK_HINT}"
                    );
                }
                error("missing-file", format!("there is no file {path:?}"), hint)
            }
        }
    }

    /// Resolves the link of a media file. If an image is missing, its missing alternative text is reported too.
    pub fn resolve_media(
        &self,
        at: SourceLocation<'_>,
        folder: &str,
        link: &str,
        alt: &str,
    ) -> Option<String> {
        let path = self.resolve(at, folder, link);
        let is_image = IMAGE_EXTENSIONS.contains(&paths::extension(link).as_str());
        if path.is_none() && is_image && alt.is_empty() {
            self.report_missing_alt(at, link);
        }
        path
    }
    pub fn report_missing_alt(&self, at: SourceLocation<'_>, path: &str) {
        let hint = "describe the image for readers who cannot see it, \
                    or write ![decorative](...) if it conveys no information";
        let message = format!("the image {path:?} has no alternative text");
        self.problems.error(at, "alt-missing", message, hint);
    }

    /// Reads a whole file of at most `limit` bytes.
    pub fn read(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        let at = SourceLocation { file: path, line: 1 };
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
                    format!("the file cannot be read: {e}"),
                    "check its permissions",
                );
                None
            }
        }
    }
    /// Reads a text file in UTF-8, or in UTF-16 with a byte order mark; lines end with LF.
    pub fn read_text(&self, path: &str) -> Option<String> {
        let bytes = self.read(path, self.options.limits.text_bytes)?;
        encoding::decode(bytes)
            .map_err(|error| {
                let at = SourceLocation { file: path, line: error.line };
                self.problems.error(at, "not-utf8", error.message, encoding::SAVE_HINT);
            })
            .ok()
    }
    pub fn read_json(&self, path: &str) -> Option<Node> {
        let text = self.read_text(path)?;
        json::parse(&text, path, self.problems)
    }
}
