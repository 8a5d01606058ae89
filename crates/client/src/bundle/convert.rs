//! Converts a file of another program (quiz questions, an Anki package, an EPUB book) to a course file of this device.
//!
//! The course is compiled as on a server, signed with this device's key, and written as a course file, which is then
//! inspected and imported like any other.
//!
//! Not here: the formats (`carrel_import`), the import (`import_courses`).

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_bundle::{BundledCourse, COURSE_FORMAT, CourseBundle, CourseHeader};
use carrel_import::{Format, Imported, Options, Report};
use carrel_model::content::{Manifest, ManifestContent, SignedManifest};
use carrel_package::{Blob, BlobSink, Compiler, DirSink, Package, Problem, catch_panic};
use carrel_system::blocking;
use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;

use crate::{
    ImportError, Result,
    bundle::{
        Context, EXTENSION,
        device_key::device_key,
        export::{write_error, write_file},
        transfer_task::TransferTask,
    },
};

/// Start of the ids of converted courses. It keeps them apart from those of a server that converted the same file.
const ID_PREFIX: &str = "own-";
/// Start of the address of the library of converted courses; the device's public key follows.
const OWN_LIBRARY: &str = "device:";
/// Number of problems of a file that are reported.
const MAX_PROBLEMS: usize = 5;

/// A file of another program that was converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// The course file.
    pub path: PathBuf,
    pub format: Format,
    /// BCP 47 tag of the course.
    pub lang: String,
    /// What became of the items of the file.
    pub report: Report,
    /// Number of reviews in the file.
    pub review_count: u64,
    /// The reviews are imported with the course.
    pub has_reviews: bool,
}

/// What the learner chose for a file of another program.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConversionChoice<'c> {
    /// BCP 47 tag of a file that does not state its language.
    pub lang: Option<&'c str>,
    /// Also take over the reviews of an Anki package.
    pub reviews: bool,
}

/// Returns the file with the reviews of a converted course, beside the course file.
pub(super) fn reviews_file(course_file: &Path) -> PathBuf {
    course_file.with_extension("reviews.json")
}

/// Converts `source` and writes a course file to `folder`, with the reviews beside it if the learner wants them.
///
/// # Errors
///
/// `ImportError::NotConverted` with the problems of the file; `NoSpace`, `Busy`; `Error::Cancelled`.
pub(super) async fn convert(
    context: &Context<'_>,
    source: &Path,
    format: Format,
    choice: ConversionChoice<'_>,
    folder: &Path,
) -> Result<Conversion> {
    let shared = context.shared;
    let running = context.transfers.begin()?;
    let task = running.task.clone();
    let key = device_key(&shared.secrets, &shared.config.ids).await?;
    let device = shared.accounts.device().name;
    let (now_ms, made_by) = (context.account.store.clock().now_ms(), context.made_by());
    let (source, folder) = (source.to_owned(), folder.to_owned());
    let lang = choice.lang.filter(|_| !format.states_language()).map(str::to_owned);
    let reviews = choice.reviews;
    let options = Options { lang, reviews, id_prefix: ID_PREFIX, ..Options::default() };
    blocking(move || {
        let blobs = tempfile::tempdir_in(&folder)?;
        let sink = DirSink::new(blobs.path())?;
        let imported = compile(&source, format, &options, &sink, &task)?;
        let Imported { compiled: manifest, report, review_count, .. } = &imported;
        task.check()?;
        let header = CourseHeader {
            format: COURSE_FORMAT.to_owned(),
            server: format!("{OWN_LIBRARY}{}", HEXLOWER.encode(key.verifying_key().as_bytes())),
            server_name: device,
            made_ms: now_ms,
            made_by,
            courses: vec![signed(manifest, &key, now_ms)],
        };
        let bundle = CourseBundle::new(header).map_err(ImportError::File)?;
        let path = folder.join(format!("{}.{EXTENSION}", manifest.id()));
        write(&bundle, &sink, &path, &task)?;
        // Those of an earlier conversion of this file are replaced, or removed if they are no longer wanted.
        let reviews_file = reviews_file(&path);
        let has_reviews = !imported.reviews.is_empty();
        if has_reviews {
            fs::write(&reviews_file, serde_json::to_vec(&imported.reviews)?)?;
        } else if reviews_file.exists() {
            fs::remove_file(&reviews_file)?;
        }
        let lang = match &manifest.content {
            ManifestContent::Course { meta, .. } => meta.lang.clone(),
            ManifestContent::Story { meta, .. } => meta.lang.clone(),
        };
        tracing::info!(format = format.as_str(), items = report.items.len(), "converted a file");
        Ok(Conversion {
            path,
            format,
            lang,
            review_count: *review_count as u64,
            has_reviews,
            report: imported.report,
        })
    })
    .await
}

fn signed(manifest: &Manifest, key: &SigningKey, as_of_ms: i64) -> BundledCourse {
    BundledCourse { as_of_ms, signed: SignedManifest::sign(manifest, key) }
}

fn compile(
    source: &Path,
    format: Format,
    options: &Options,
    sink: &DirSink,
    task: &Arc<TransferTask>,
) -> Result<Imported<Manifest>> {
    let mut compiler = Compiler::new(carrel_package::Options::without_decoder());
    let imported = carrel_import::import(source, format, options, &mut |package: &Package| {
        let mut sink = CancellableSink { sink, task };
        catch_panic(&package.name(), || compiler.compile(package, &mut sink))
    });
    // A cancelled conversion also fails with a problem.
    task.check()?;
    match imported {
        Ok(Imported { compiled, report, reviews, review_count }) => {
            Ok(Imported { compiled: compiled.manifest, report, reviews, review_count })
        }
        Err(failure) => {
            let first = failure.problems.iter().find(|problem| problem.is_error());
            let code = first.map(|problem| problem.code.to_string()).unwrap_or_default();
            Err(ImportError::NotConverted { code, problems: texts(&failure.problems) }.into())
        }
    }
}

/// Returns the first errors as sentences, without the paths of the converted package.
fn texts(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.is_error()).take(MAX_PROBLEMS);
    let text = |problem: &Problem| match problem.hint.as_str() {
        "" => format!("{}.", problem.message),
        hint => format!("{}; {hint}.", problem.message),
    };
    errors.map(text).collect::<Vec<_>>().join(" ")
}

/// Stores blobs until the task is cancelled.
struct CancellableSink<'s> {
    sink: &'s DirSink,
    task: &'s TransferTask,
}

impl BlobSink for CancellableSink<'_> {
    fn put(&mut self, blob: &Blob) -> io::Result<()> {
        self.task.check().map_err(|_| io::Error::from(io::ErrorKind::Interrupted))?;
        self.sink.store(blob)?;
        self.task.add(blob.size);
        Ok(())
    }
}

fn write(bundle: &CourseBundle, sink: &DirSink, target: &Path, task: &TransferTask) -> Result<()> {
    write_file(target, bundle.len(), task, |out| {
        let header = bundle.prefix_and_header().map_err(ImportError::File)?;
        out.write_all(&header).map_err(|e| write_error(e, target))?;
        for blob in &bundle.blobs {
            task.check()?;
            let mut file = File::open(sink.path(blob.hash))?;
            io::copy(&mut file, out).map_err(|e| write_error(e, target))?;
        }
        Ok(())
    })
}

/// Returns the format of a file of another program; `None` for a course file and everything else. Blocking.
pub(super) fn foreign_format(path: &Path) -> Option<Format> {
    let is_bundle = path.extension().is_some_and(|e| e.eq_ignore_ascii_case(EXTENSION));
    if is_bundle || !fs::metadata(path).is_ok_and(|m| m.is_file()) {
        return None;
    }
    carrel_import::detect(path)
}
