//! From packages to the catalogue: compile, sign, publish. Each package whole or not at all; a bad one stands in the way of none.
//!
//! Not here: what is right or wrong in a package (`carrel-package`).

use std::{
    any::Any,
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
};

use carrel_model::{
    BlobHash, ItemId, Slug,
    content::{Block, Manifest, ManifestContent, SectionBody, Story},
    wire::{CourseReply, CourseSummary, SearchKind, StoryReply, StorySummary},
};
use carrel_package::{
    Blob, BlobSink, Compiled, Compiler, DirSink, Limits, NullSink, Options, Package, Problem,
    SearchDoc, Severity,
};
use futures_util::FutureExt;

use crate::{
    blobs::BlobFolder,
    carried,
    error::{Error, io},
    server::{Library, Steps},
    store::{Kind, Passage, Publication, PublishedQuiz, Store, StoreError},
};

/// What became of everything that was found under the paths.
#[derive(Debug, Default)]
pub struct ImportReport {
    pub packages: Vec<PackageReport>,
}

/// What became of one package.
#[derive(Debug)]
pub struct PackageReport {
    /// As it is called in messages: the path that was given and the folder inside.
    pub name: String,
    /// Errors and warnings, by file and line.
    pub problems: Vec<Problem>,
    /// None if there were errors.
    pub outcome: Option<Imported>,
}

/// A package without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub kind: Kind,
    pub id: Slug,
    pub title: String,
    pub version: BlobHash,
    /// False: this very version was there already, or it was only checked.
    pub changed: bool,
}

impl ImportReport {
    /// True if every package found was good, and there was one.
    pub fn is_ok(&self) -> bool {
        !self.packages.is_empty() && self.packages.iter().all(|p| p.outcome.is_some())
    }
    /// How many packages have errors.
    pub fn failed(&self) -> usize {
        self.packages.iter().filter(|p| p.outcome.is_none()).count()
    }
    fn refuse(&mut self, name: String, problems: Vec<Problem>) {
        self.packages.push(PackageReport { name, problems, outcome: None });
    }
}

/// One compilation on a thread that may block; the compiler comes back with what packages share.
type Step = (Box<Compiler>, Result<Compiled, Vec<Problem>>);

/// Compiles and publishes everything under the paths.
/// `accept`: fingerprints of other libraries' keys, for course files that they signed.
pub(crate) async fn import(
    library: &Library,
    paths: &[PathBuf],
    accept: &[String],
) -> Result<ImportReport, Error> {
    run(paths, Some(library), accept).await
}

/// Compiles everything under the paths and writes nothing.
pub async fn check(paths: &[PathBuf]) -> Result<ImportReport, Error> {
    run(paths, None, &[]).await
}

/// Every package by itself: whatever stops one of them becomes a line of the report, and the next one follows.
async fn run(
    paths: &[PathBuf],
    library: Option<&Library>,
    accept: &[String],
) -> Result<ImportReport, Error> {
    let mut report = ImportReport::default();
    let mut compiler = new_compiler();
    for path in paths {
        let files = carried::course_files(path);
        let any_file = !files.is_empty();
        for file in files {
            let name = file.display().to_string();
            let imported = AssertUnwindSafe(carried::import(library, &file, accept));
            match settled(&name, imported.catch_unwind().await) {
                Ok(packages) => report.packages.extend(packages),
                Err(problem) => report.refuse(name, vec![problem]),
            }
        }
        if any_file && !path.is_dir() {
            continue;
        }
        let shown = path.display().to_string();
        let (name, looked_at) = (shown.clone(), path.clone());
        let found = on_a_thread(&shown, move || {
            guarded(&name, || carrel_package::find(&looked_at, &Limits::default()))
        });
        let packages = match found.await {
            Ok(Ok(packages)) => packages,
            // A folder of course files need not have packages as well.
            Ok(Err(problems)) if any_file && problems.iter().all(|p| p.code == "no-package") => {
                continue;
            }
            Ok(Err(problems)) => {
                report.refuse(shown, problems);
                continue;
            }
            Err(problem) => {
                report.refuse(shown, vec![problem]);
                continue;
            }
        };
        for package in packages {
            let name = package.name();
            let root = library.map(|l| l.blobs.root().to_owned());
            let steps = library.and_then(Library::steps);
            let step =
                on_a_thread(&name, move || compile(compiler, &package, root.as_deref(), steps));
            let compiled = match step.await {
                Ok((back, compiled)) => {
                    compiler = back;
                    compiled
                }
                Err(problem) => {
                    compiler = new_compiler();
                    Err(vec![problem])
                }
            };
            let compiled = match compiled {
                Ok(compiled) => compiled,
                Err(problems) => {
                    report.refuse(name, problems);
                    continue;
                }
            };
            let outcome = match library {
                Some(library) => {
                    let published = AssertUnwindSafe(publish(library, &compiled));
                    settled(&name, published.catch_unwind().await)
                }
                None => Ok(imported(&compiled.manifest, false)),
            };
            let mut problems = compiled.warnings;
            let outcome = outcome.map_err(|problem| problems.insert(0, problem)).ok();
            report.packages.push(PackageReport { name, problems, outcome });
        }
    }
    Ok(report)
}

fn new_compiler() -> Box<Compiler> {
    Box::new(Compiler::new(Options::default()))
}

/// A folder for blobs that calls `steps` after each one.
struct SteppedSink {
    folder: DirSink,
    steps: Option<Steps>,
}

impl BlobSink for SteppedSink {
    fn put(&mut self, blob: &Blob) -> std::io::Result<()> {
        self.folder.put(blob)?;
        if let Some(steps) = &self.steps {
            steps("blob of a package named");
        }
        Ok(())
    }
}

fn compile(
    mut compiler: Box<Compiler>,
    package: &Package,
    root: Option<&Path>,
    steps: Option<Steps>,
) -> Step {
    let name = package.name();
    let compiled = match root.map(DirSink::new).transpose() {
        Ok(Some(folder)) => {
            let mut sink = SteppedSink { folder, steps };
            guarded(&name, || compiler.compile(package, &mut sink))
        }
        Ok(None) => guarded(&name, || compiler.compile(package, &mut NullSink)),
        Err(e) => Err(vec![problem(
            &name,
            "not-written",
            format!("the folder for blobs cannot be made: {e}"),
            "check who may write there, and the space",
        )]),
    };
    (compiler, compiled)
}

/// Runs what may block beside the tasks of the server.
async fn on_a_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|e| internal(name, &e.to_string()))
}

/// A panic of the compiler is a problem of this package alone.
fn guarded<T>(
    name: &str,
    work: impl FnOnce() -> Result<T, Vec<Problem>>,
) -> Result<T, Vec<Problem>> {
    std::panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(vec![internal(name, &said(panic.as_ref()))]))
}

/// The same for a step that has ended: its value, or the problem for the report.
fn settled<T>(
    name: &str,
    ended: Result<Result<T, Error>, Box<dyn Any + Send>>,
) -> Result<T, Problem> {
    match ended {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e @ Error::Refused(_))) => Err(problem(name, "refused", e.to_string(), e.hint())),
        Ok(Err(e)) => {
            tracing::error!(package.name = %name, error = %e, "a package could not be published");
            Err(problem(name, "not-published", e.to_string(), e.hint()))
        }
        Err(panic) => Err(internal(name, &said(panic.as_ref()))),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|t| (*t).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

fn internal(name: &str, what: &str) -> Problem {
    let hint = "please report this with the package";
    problem(name, "internal", format!("the compiler stopped: {what}"), hint)
}

fn problem(name: &str, code: &'static str, message: String, hint: &str) -> Problem {
    let (file, hint) = (name.to_owned(), hint.to_owned());
    Problem { file, line: 1, severity: Severity::Error, code, message, hint }
}

pub(crate) fn imported(manifest: &Manifest, changed: bool) -> Imported {
    let version = BlobHash::of(manifest.to_canonical().as_bytes());
    let (kind, id, title) = match &manifest.content {
        ManifestContent::Course { meta, .. } => (Kind::Course, &meta.id, &meta.title),
        ManifestContent::Story { meta, .. } => (Kind::Story, &meta.id, &meta.title),
    };
    Imported { kind, id: id.clone(), title: title.clone(), version, changed }
}

pub(crate) async fn publish(library: &Library, compiled: &Compiled) -> Result<Imported, Error> {
    let signed = carrel_package::sign(&compiled.manifest, &library.key);
    let version = signed.version();
    let outcome = imported(&compiled.manifest, true);
    let other = if outcome.kind == Kind::Course { Kind::Story } else { Kind::Course };
    if library.store.published(other, &outcome.id).await?.is_some() {
        // Progress hangs on the id alone.
        let message = format!(
            "{} is the id of a {} already: give this one another",
            outcome.id,
            other.as_str()
        );
        return Err(Error::Refused(message));
    }
    if library
        .store
        .published(outcome.kind, &outcome.id)
        .await?
        .is_some_and(|p| p.version == version)
    {
        return Ok(Imported { changed: false, ..outcome });
    }
    let manifest = serde_json::to_string(&signed).map_err(unwritten)?;
    let publication = publication(&library.blobs, compiled, &outcome, manifest)?;
    library.step("publication prepared");
    library.store.publish(publication, library.config.clock.now_ms()).await?;
    library.step("published");
    Ok(outcome)
}

fn publication(
    blobs: &BlobFolder,
    compiled: &Compiled,
    outcome: &Imported,
    manifest: String,
) -> Result<Publication, Error> {
    let content = &compiled.manifest.content;
    let version = outcome.version;
    let json = |value: serde_json::Result<String>| value.map_err(unwritten);
    let (lang, category, difficulty, level, about, summary, reply) = match content {
        ManifestContent::Course { meta, outline } => {
            let summary = CourseSummary { meta: meta.clone(), version };
            let reply = CourseReply { summary: summary.clone(), outline: outline.clone() };
            let about = format!("{} {} {}", meta.description, meta.category, meta.tags.join(" "));
            let (summary, reply) =
                (json(serde_json::to_string(&summary))?, json(serde_json::to_string(&reply))?);
            (&meta.lang, &meta.category, Some(meta.difficulty), 0, about, summary, reply)
        }
        ManifestContent::Story { meta, body } => {
            let summary = StorySummary { meta: meta.clone(), version };
            let reply = StoryReply { summary: summary.clone(), body: *body };
            let about = format!("{} {} {}", meta.description, meta.category, meta.tags.join(" "));
            let (summary, reply) =
                (json(serde_json::to_string(&summary))?, json(serde_json::to_string(&reply))?);
            (&meta.lang, &meta.category, None, meta.level, about, summary, reply)
        }
    };
    Ok(Publication {
        kind: outcome.kind,
        id: outcome.id.clone(),
        title: outcome.title.clone(),
        lang: lang.clone(),
        category: category.clone(),
        difficulty,
        level,
        summary,
        reply,
        manifest,
        version,
        blobs: compiled.manifest.blobs.clone(),
        quizzes: quizzes(blobs, content)?,
        passages: passages(outcome, lang, about, &compiled.search_text),
    })
}

fn passages(outcome: &Imported, lang: &str, about: String, texts: &[SearchDoc]) -> Vec<Passage> {
    let whole = Passage {
        kind: if outcome.kind == Kind::Course { SearchKind::Course } else { SearchKind::Story },
        item: outcome.id.clone().into(),
        lang: lang.to_owned(),
        title: outcome.title.clone(),
        text: about,
    };
    let texts = texts
        .iter()
        // A course's own text is its description: that is in `whole`.
        .filter(|d| outcome.kind == Kind::Story || d.item.as_str() != outcome.id.as_str())
        .map(|d| Passage {
            kind: if d.item.as_str().matches('/').count() >= 2 {
                SearchKind::Section
            } else {
                SearchKind::StoryText
            },
            item: d.item.clone(),
            lang: d.lang.clone(),
            title: d.title.clone(),
            text: d.text.clone(),
        });
    std::iter::once(whole).chain(texts).collect()
}

/// The compiled quizzes that the content's bodies name.
fn quizzes(blobs: &BlobFolder, content: &ManifestContent) -> Result<Vec<PublishedQuiz>, Error> {
    let mut named: BTreeMap<BlobHash, ItemId> = BTreeMap::new();
    let mut stories = Vec::new();
    match content {
        ManifestContent::Course { outline, .. } => {
            stories.extend(outline.stories.iter().map(|s| s.body));
            for section in outline.lessons.iter().flat_map(|l| &l.sections) {
                let body: SectionBody = read_json(blobs, section.body)?;
                for block in body.blocks {
                    match block {
                        Block::Quiz { quiz, body, .. } => drop(named.insert(body, quiz)),
                        Block::Story { body, .. } => stories.push(body),
                        _ => {}
                    }
                }
            }
        }
        ManifestContent::Story { body, .. } => stories.push(*body),
    }
    for body in stories {
        let story: Story = read_json(blobs, body)?;
        named.extend(story.quiz.map(|q| (q.body, q.id)));
    }
    named
        .into_iter()
        .map(|(hash, item)| {
            let path = blobs.path(hash);
            let body = std::fs::read_to_string(&path).map_err(io("read", path))?;
            Ok(PublishedQuiz { hash, item, body })
        })
        .collect()
}

pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
    blobs: &BlobFolder,
    hash: BlobHash,
) -> Result<T, Error> {
    let path = blobs.path(hash);
    let bytes = std::fs::read(&path).map_err(io("read", &path))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::Damaged { path, problem: e.to_string() })
}

fn unwritten(e: serde_json::Error) -> Error {
    StoreError::Unreadable { what: "reply", problem: e.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_problem_of_its_package() {
        type Compile = fn() -> Result<(), Vec<Problem>>;
        let panics: [Compile; 3] = [
            || panic!("a plain text"),
            || panic!("a text with {}", 1),
            || std::panic::panic_any(7_u8),
        ];
        for (work, message) in panics.into_iter().zip(["a plain text", "a text with 1", "panic"]) {
            let problems = guarded("school/rivers", work).unwrap_err();
            assert_eq!(problems.len(), 1);
            assert_eq!(
                (problems[0].file.as_str(), problems[0].code),
                ("school/rivers", "internal")
            );
            assert!(problems[0].message.ends_with(message), "{}", problems[0].message);
        }
        let refused = settled::<()>("a", Ok(Err(Error::Refused("taken".into())))).unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), ("refused", "taken"));
        assert_eq!(settled::<()>("a", Err(Box::new("x"))).unwrap_err().code, "internal");
    }
}
