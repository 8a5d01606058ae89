//! Imports packages into the catalogue: compile, sign, publish. Each package is published completely or not at all; an
//! invalid package does not block the others.
//!
//! The rules for packages are in `carrel-package`.

use std::{any::Any, collections::VecDeque, panic::AssertUnwindSafe, path::PathBuf, sync::Arc};

use carrel_package::{
    Blob, BlobSink, Compiled, Compiler, Declared, Limits, NullSink, Options, Package, Problem,
    Severity, catch_panic, is_no_package, panic_problem,
};
use futures_util::FutureExt;

use crate::{
    blobs::BlobStore,
    bundle_import,
    data_dir::{DataDir, Failpoints},
    error::Error,
    publish::{ImportReport, PackageReport, imported, publish},
    store::Kind,
};

/// Result of a compilation on a blocking thread: the compiler, for the next package, the compiled package, and what the
/// package states.
type CompileResult = (Box<Compiler>, Result<Compiled, Vec<Problem>>, Declared);

impl DataDir {
    /// Compiles and publishes packages: courses, stories, libraries of them, zips, Storybooks folders.
    pub async fn import(&self, paths: &[PathBuf]) -> Result<ImportReport, Error> {
        import(self, paths, &[]).await
    }
    /// Like `import`; also imports course files of other libraries if the fingerprint of their key is in `accept`.
    pub async fn import_from(
        &self,
        paths: &[PathBuf],
        accept: &[String],
    ) -> Result<ImportReport, Error> {
        import(self, paths, accept).await
    }
}

/// Compiles and publishes everything under the paths. `accept`: fingerprints of the keys of other libraries whose
/// course files are accepted.
async fn import(
    data: &DataDir,
    paths: &[PathBuf],
    accept: &[String],
) -> Result<ImportReport, Error> {
    run(paths, Some(data), accept).await
}

/// Compiles everything under the paths and writes nothing.
pub async fn check(paths: &[PathBuf]) -> Result<ImportReport, Error> {
    run(paths, None, &[]).await
}

/// Processes each package separately: an error is added to the report, and the next package is processed.
async fn run(
    paths: &[PathBuf],
    data: Option<&DataDir>,
    accept: &[String],
) -> Result<ImportReport, Error> {
    let _lock = match data {
        Some(data) => Some(data.begin_import().await?),
        None => None,
    };
    let mut report = ImportReport::default();
    let mut compiler = new_compiler();
    // A path, and whether it may be without a package.
    let mut queue: VecDeque<_> = paths.iter().map(|path| (path.clone(), false)).collect();
    while let Some((path, is_optional)) = queue.pop_front() {
        let files = bundle_import::course_files(&path);
        let has_bundles = !files.is_empty();
        for file in files {
            let name = file.display().to_string();
            let imported = AssertUnwindSafe(bundle_import::import(data, &file, accept));
            match publish_result(&name, imported.catch_unwind().await) {
                Ok(packages) => report.packages.extend(packages),
                Err(problem) => report.refuse(name, vec![problem]),
            }
        }
        if has_bundles && !path.is_dir() {
            continue;
        }
        let display = path.display().to_string();
        let (name, search_path) = (display.clone(), path.clone());
        let found = run_blocking(&display, move || {
            catch_panic(&name, || carrel_package::find(&search_path, &Limits::default()))
        });
        let found = match found.await {
            Ok(Ok(found)) => found,
            // A folder of course files need not contain packages.
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
                    });
                    continue;
                }
            };
            let outcome = match data {
                Some(data) => {
                    let published = AssertUnwindSafe(publish(data, &compiled.manifest));
                    publish_result(&name, published.catch_unwind().await)
                }
                None => Ok(imported(&compiled.manifest, false)),
            };
            let mut problems = compiled.warnings;
            let outcome = outcome.map_err(|problem| problems.insert(0, problem)).ok();
            report.packages.push(PackageReport { name, root, kind, declared, problems, outcome });
        }
    }
    Ok(report)
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
