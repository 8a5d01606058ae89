//! Imports packages into the catalogue: compile, sign, publish. Each package is published completely or not at all; an
//! invalid package does not block the others. Files of other programs are converted to packages first.
//!
//! The rules for packages are in `carrel-package`, the foreign formats in `carrel-import`.

use std::{
    any::Any,
    collections::VecDeque,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_model::{
    Slug, UserId,
    content::{Manifest, ManifestContent, SignedManifest},
};
use carrel_package::{
    Blob, BlobSink, Compiled, Compiler, Declared, Limits, NullSink, Options, Package, Problem,
    SOURCE_REPORT_TYPE, Severity, catch_panic, is_no_package, panic_problem,
};
use futures_util::FutureExt;

use crate::{
    blobs::BlobStore,
    bundle_import,
    data_dir::{DataDir, Failpoints},
    error::Error,
    publish::{ImportReport, PackageReport, PublishOptions, imported, prepare, publish},
    store::{Kind, Publication},
};

/// Result of a compilation on a blocking thread: the compiler, for the next package, the compiled package, and what the
/// package states.
type CompileResult = (Box<Compiler>, Result<Compiled, Vec<Problem>>, Declared);

impl DataDir {
    /// Compiles and publishes packages: courses, stories, libraries of them, zips, Storybooks folders.
    pub async fn import(&self, paths: &[PathBuf]) -> Result<ImportReport, Error> {
        run(paths, Some(self), &ImportOptions::default()).await
    }
    /// Like `import`; also imports course files of other libraries if the fingerprint of their key is in `accept`.
    pub async fn import_from(
        &self,
        paths: &[PathBuf],
        accept: &[String],
    ) -> Result<ImportReport, Error> {
        self.import_with(paths, &ImportOptions { accept: accept.to_vec(), ..Default::default() })
            .await
    }
    /// Like `import`, with options.
    pub async fn import_with(
        &self,
        paths: &[PathBuf],
        options: &ImportOptions,
    ) -> Result<ImportReport, Error> {
        run(paths, Some(self), options).await
    }
    /// Returns the report of the file of another program from which a published course was converted.
    ///
    /// # Errors
    /// `Refused` if there is no such course, or if it was not converted.
    pub async fn source_report(&self, id: &Slug) -> Result<carrel_import::Report, Error> {
        let refused = |what: &str| Error::Refused(format!("{id} {what}"));
        let published = self.store.published(Kind::Course, id).await?;
        let published = published.ok_or_else(|| refused("is no published course"))?;
        let unreadable =
            |e: serde_json::Error| refused(&format!("has an unreadable manifest: {e}"));
        let signed: SignedManifest =
            serde_json::from_str(&published.manifest).map_err(unreadable)?;
        let manifest: Manifest = serde_json::from_str(&signed.manifest).map_err(unreadable)?;
        let report = manifest.blobs.iter().find(|blob| blob.media_type == SOURCE_REPORT_TYPE);
        let hash = report.ok_or_else(|| refused("was not imported from another program"))?.hash;
        let blobs = Arc::clone(&self.blobs);
        let read = tokio::task::spawn_blocking(move || blobs.read(hash));
        let bytes = read
            .await
            .map_err(|e| Error::Refused(e.to_string()))?
            .map_err(|e| refused(&format!("has an unreadable report: {e}")))?;
        serde_json::from_slice(&bytes)
            .map_err(|e| refused(&format!("has an unreadable report: {e}")))
    }
}

/// Options of an import.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Fingerprints of the keys of other libraries whose course files are accepted.
    pub accept: Vec<String>,
    /// The new owner of the courses; `None`: unchanged.
    pub owner: Option<UserId>,
    /// For files of other programs.
    pub foreign: carrel_import::Options,
}

/// Compiles everything under the paths and writes nothing.
pub async fn check(paths: &[PathBuf]) -> Result<ImportReport, Error> {
    check_with(paths, &ImportOptions::default()).await
}

/// Like `check`, with options.
pub async fn check_with(paths: &[PathBuf], options: &ImportOptions) -> Result<ImportReport, Error> {
    run(paths, None, options).await
}

/// Processes each package separately: an error is added to the report, and the next package is processed.
async fn run(
    paths: &[PathBuf],
    data: Option<&DataDir>,
    options: &ImportOptions,
) -> Result<ImportReport, Error> {
    let _lock = match data {
        Some(data) => Some(data.begin_import().await?),
        None => None,
    };
    let how = PublishOptions { owner: options.owner, ..PublishOptions::default() };
    let mut report = ImportReport::default();
    let mut compiler = new_compiler();
    // A path, and whether it may be without a package.
    let mut queue: VecDeque<_> = paths.iter().map(|path| (path.clone(), false)).collect();
    while let Some((path, is_optional)) = queue.pop_front() {
        let files = bundle_import::course_files(&path);
        let has_bundles = !files.is_empty();
        for file in files {
            let name = file.display().to_string();
            let imported =
                AssertUnwindSafe(bundle_import::import(data, &file, &options.accept, how));
            match publish_result(&name, imported.catch_unwind().await) {
                Ok(packages) => report.packages.extend(packages),
                Err(problem) => report.refuse(name, vec![problem]),
            }
        }
        if has_bundles && !path.is_dir() {
            continue;
        }
        let display = path.display().to_string();
        if let Some(format) = carrel_import::detect(&path) {
            let foreign;
            (compiler, foreign) = convert(compiler, &path, format, data, options).await;
            report.packages.push(publish_foreign(foreign, data, how).await);
            continue;
        }
        let (name, search_path) = (display.clone(), path.clone());
        let found = run_blocking(&display, move || {
            catch_panic(&name, || carrel_package::find(&search_path, &Limits::default()))
        });
        let found = match found.await {
            Ok(Ok(found)) => found,
            // A folder of course files, or of files of other programs, need not contain packages.
            Ok(Err(problems)) if is_no_package(&problems) && path.is_dir() => {
                let files = foreign_files(&path, &[]);
                if files.is_empty() && !has_bundles && !is_optional {
                    report.refuse(display, problems);
                }
                queue.extend(files.into_iter().map(|file| (file, false)));
                continue;
            }
            Ok(Err(problems)) if (has_bundles || is_optional) && is_no_package(&problems) => {
                continue;
            }
            Ok(Err(problems)) => {
                report.refuse(display, problems);
                continue;
            }
            Err(problem) => {
                report.refuse(display, vec![problem]);
                continue;
            }
        };
        let has_packages = !found.packages.is_empty();
        for archive in found.archives.into_iter().rev() {
            queue.push_front((archive, has_packages));
        }
        let roots: Vec<PathBuf> = found.packages.iter().map(|p| PathBuf::from(p.root())).collect();
        queue.extend(foreign_files(&path, &roots).into_iter().map(|file| (file, false)));
        for package in found.packages {
            let (name, root) = (package.name(), package.root());
            let kind = Some(if package.is_course() { Kind::Course } else { Kind::Story });
            let blobs = data.map(|d| Arc::clone(&d.blobs));
            let failpoints = data.and_then(DataDir::failpoints);
            let step = run_blocking(&name, move || {
                compile(compiler, &package, blobs.as_deref(), failpoints)
            });
            let (compiled, declared) = match step.await {
                Ok((returned, compiled, declared)) => {
                    compiler = returned;
                    (compiled, declared)
                }
                Err(problem) => {
                    compiler = new_compiler();
                    (Err(vec![problem]), Declared::default())
                }
            };
            let compiled = match compiled {
                Ok(compiled) => compiled,
                Err(problems) => {
                    report.packages.push(PackageReport {
                        name,
                        root,
                        kind,
                        declared,
                        problems,
                        outcome: None,
                        source: None,
                    });
                    continue;
                }
            };
            let outcome = match data {
                Some(data) => {
                    let published = AssertUnwindSafe(publish(data, &compiled.manifest, how));
                    publish_result(&name, published.catch_unwind().await)
                }
                None => Ok(imported(&compiled.manifest, false)),
            };
            let mut problems = compiled.warnings;
            let outcome = outcome.map_err(|problem| problems.insert(0, problem)).ok();
            report.packages.push(PackageReport {
                name,
                root,
                kind,
                declared,
                problems,
                outcome,
                source: None,
            });
        }
    }
    Ok(report)
}

/// Compiles the one course of an uploaded zip, whose name in messages is `name`. Its blobs are stored; nothing is
/// published. Returns the report, and the publication if there are no errors.
///
/// The caller holds the import lock until the blobs are recorded.
pub(crate) async fn compile_upload(
    data: &DataDir,
    path: &Path,
    name: &str,
) -> (ImportReport, Option<Publication>) {
    let mut report = ImportReport::default();
    let (given, zip) = (name.to_owned(), path.to_owned());
    let found = run_blocking(name, move || {
        catch_panic(&given, || carrel_package::find_as(&zip, &given, &Limits::default()))
    });
    let package = match found.await {
        Ok(Ok(found)) if found.packages.len() == 1 => found.packages.into_iter().next(),
        Ok(Ok(_)) => {
            let hint =
                "pack the folder of one course or story: course.json or story.json and its files";
            let message = "the zip does not contain exactly one package".to_owned();
            report.refuse(name.to_owned(), vec![problem(name, "no-package", message, hint)]);
            return (report, None);
        }
        Ok(Err(problems)) => {
            report.refuse(name.to_owned(), problems);
            return (report, None);
        }
        Err(problem) => {
            report.refuse(name.to_owned(), vec![problem]);
            return (report, None);
        }
    };
    let Some(package) = package else { return (report, None) };
    let kind = if package.is_course() { Kind::Course } else { Kind::Story };
    let (package_name, root) = (package.name(), package.root());
    let (blobs, failpoints) = (Arc::clone(&data.blobs), data.failpoints());
    let step = run_blocking(&package_name, move || {
        compile(new_compiler(), &package, Some(blobs.as_ref()), failpoints)
    });
    let (compiled, declared) = match step.await {
        Ok((_, compiled, declared)) => (compiled, declared),
        Err(problem) => (Err(vec![problem]), Declared::default()),
    };
    let (mut problems, prepared) = match compiled {
        Ok(compiled) => {
            let prepared = AssertUnwindSafe(prepare(data, &compiled.manifest)).catch_unwind();
            let prepared = publish_result(&package_name, prepared.await);
            (compiled.warnings, prepared.map_err(Some))
        }
        Err(problems) => (problems, Err(None)),
    };
    let (outcome, publication) = match prepared {
        Ok((outcome, publication)) => (Some(outcome), Some(publication)),
        Err(refused) => {
            refused.into_iter().for_each(|problem| problems.insert(0, problem));
            (None, None)
        }
    };
    report.packages.push(PackageReport {
        name: package_name,
        root,
        kind: Some(kind),
        declared,
        problems,
        outcome,
        source: None,
    });
    (report, publication)
}

/// Returns the files of other programs in a folder that are not inside of a package. Text files are imported only if
/// they are named: many are no questions.
fn foreign_files(folder: &Path, packages: &[PathBuf]) -> Vec<PathBuf> {
    let is_foreign = |path: &Path| {
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        matches!(extension.as_deref(), Some("gift" | "epub" | "apkg" | "colpkg"))
    };
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if packages.contains(&folder) {
            continue;
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() && is_foreign(&path) => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// A converted and compiled file of another program.
struct Foreign {
    name: String,
    result: Result<Compiled, Vec<Problem>>,
    source: Option<carrel_import::Report>,
}

/// Converts and compiles a file of another program on a blocking thread.
async fn convert(
    compiler: Box<Compiler>,
    path: &Path,
    format: carrel_import::Format,
    data: Option<&DataDir>,
    options: &ImportOptions,
) -> (Box<Compiler>, Foreign) {
    let name = path.display().to_string();
    let blobs = data.map(|d| Arc::clone(&d.blobs));
    let failpoints = data.and_then(DataDir::failpoints);
    let (path, options) = (path.to_owned(), options.foreign.clone());
    let step = run_blocking(&name, move || {
        let mut slot = Some(compiler);
        let imported = carrel_import::import(&path, format, &options, &mut |package| {
            let compiler = slot.take().unwrap_or_else(new_compiler);
            let (returned, compiled, _) =
                compile(compiler, package, blobs.as_deref(), failpoints.clone());
            slot = Some(returned);
            compiled
        });
        (slot.unwrap_or_else(new_compiler), imported)
    });
    let (compiler, result, source) = match step.await {
        Ok((compiler, Ok(imported))) => (compiler, Ok(imported.compiled), Some(imported.report)),
        Ok((compiler, Err(failure))) => {
            (compiler, Err(failure.problems), failure.report.map(|report| *report))
        }
        Err(problem) => (new_compiler(), Err(vec![problem]), None),
    };
    (compiler, Foreign { name, result, source })
}

/// Publishes a converted file, unless its licence is unknown.
async fn publish_foreign(
    foreign: Foreign,
    data: Option<&DataDir>,
    how: PublishOptions,
) -> PackageReport {
    let Foreign { name, result, source } = foreign;
    let mut report = PackageReport {
        root: name.clone(),
        name,
        kind: None,
        declared: Declared::default(),
        problems: Vec::new(),
        outcome: None,
        source,
    };
    let compiled = match result {
        Ok(compiled) => compiled,
        Err(problems) => {
            report.problems = problems;
            return report;
        }
    };
    let manifest = &compiled.manifest;
    report.kind = Some(Kind::Course);
    report.declared = Declared {
        id: Some(manifest.id().as_str().to_owned()),
        title: Some(manifest.title().to_owned()),
    };
    report.problems = compiled.warnings;
    let is_unknown = matches!(&manifest.content, ManifestContent::Course { meta, .. }
        if meta.license == carrel_import::UNKNOWN_LICENSE);
    let outcome = match data {
        Some(_) if is_unknown => Err(problem(
            &report.name,
            "license-unknown",
            "the file states no licence, so it is not known whether learners may have it"
                .to_owned(),
            "state the licence with --license, such as --license CC-BY-4.0",
        )),
        Some(data) => {
            let published = AssertUnwindSafe(publish(data, manifest, how));
            publish_result(&report.name, published.catch_unwind().await)
        }
        None => Ok(imported(manifest, false)),
    };
    report.outcome = outcome.map_err(|problem| report.problems.insert(0, problem)).ok();
    report
}

fn new_compiler() -> Box<Compiler> {
    Box::new(Compiler::new(Options::default()))
}

/// A blob sink that calls `failpoints` after each stored blob.
struct FailpointSink {
    sink: Box<dyn BlobSink + Send>,
    failpoints: Option<Failpoints>,
}

impl BlobSink for FailpointSink {
    fn put(&mut self, blob: &Blob) -> std::io::Result<()> {
        self.sink.put(blob)?;
        if let Some(failpoints) = &self.failpoints {
            failpoints("package blob stored");
        }
        Ok(())
    }
}

fn compile(
    mut compiler: Box<Compiler>,
    package: &Package,
    blobs: Option<&dyn BlobStore>,
    failpoints: Option<Failpoints>,
) -> CompileResult {
    let name = package.name();
    let declared = package.declared();
    let compiled = match blobs.map(BlobStore::sink).transpose() {
        Ok(Some(sink)) => {
            let mut sink = FailpointSink { sink, failpoints };
            catch_panic(&name, || compiler.compile(package, &mut sink))
        }
        Ok(None) => catch_panic(&name, || compiler.compile(package, &mut NullSink)),
        Err(e) => Err(vec![problem(
            &name,
            "not-written",
            format!("failed to create the blobs folder: {e}"),
            "check the folder's permissions and the free disk space",
        )]),
    };
    (compiler, compiled, declared)
}

/// Runs blocking work on a separate thread.
async fn run_blocking<T: Send + 'static>(
    name: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(f).await.map_err(|e| match e.try_into_panic() {
        Ok(panic) => panic_problem(name, panic.as_ref()),
        Err(e) => problem(name, "internal", e.to_string(), "import again"),
    })
}

/// Returns the value of a finished step, or the problem for the report.
fn publish_result<T>(
    name: &str,
    result: Result<Result<T, Error>, Box<dyn Any + Send>>,
) -> Result<T, Problem> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e @ Error::Refused(_))) => Err(problem(name, "refused", e.to_string(), e.hint())),
        Ok(Err(e)) => {
            tracing::error!(package.name = %name, error = %e, "failed to publish a package");
            Err(problem(name, "not-published", e.to_string(), e.hint()))
        }
        Err(panic) => Err(panic_problem(name, panic.as_ref())),
    }
}

fn problem(name: &str, code: &'static str, message: String, hint: &str) -> Problem {
    let (file, hint) = (name.to_owned(), hint.to_owned());
    Problem { file, line: 1, severity: Severity::Error, code, message, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_and_a_panic_become_problems_of_their_package() {
        let refused =
            publish_result::<()>("a", Ok(Err(Error::Refused("taken".into())))).unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), ("refused", "taken"));
        assert_eq!(publish_result::<()>("a", Err(Box::new("x"))).unwrap_err().code, "internal");
    }
}
