//! Checks packages again after each change of their files, and keeps the compiled content for the preview.
//!
//! Changes are found by comparing names, sizes and times of all files, which works on every file system. Not here: the
//! pages that show the content (`preview`).

use std::{
    collections::{VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use carrel_model::content::Manifest;
use carrel_package::{Compiler, DirSink, Limits, Options, catch_panic, find, is_no_package};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    preview,
    report::{CheckReport, CheckedPackage, Identity},
    snapshot::Snapshot,
};

/// Time between two looks at the files.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Compiles the packages under some paths again and again.
struct Checker {
    paths: Vec<PathBuf>,
    compiler: Compiler,
    sink: DirSink,
    _folder: tempfile::TempDir,
}

impl Checker {
    fn new(paths: Vec<PathBuf>) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let sink = DirSink::new(folder.path())?;
        let compiler = Compiler::new(Options::default());
        Ok(Self { paths, compiler, sink, _folder: folder })
    }

    fn check(&mut self, generation: u64) -> Snapshot {
        let mut snapshot = Snapshot { generation, ..Snapshot::default() };
        self.compiler.forget_ids();
        // A path, and whether it may be without a package.
        let mut queue: VecDeque<_> = self.paths.iter().map(|path| (path.clone(), false)).collect();
        while let Some((path, is_optional)) = queue.pop_front() {
            let name = path.display().to_string();
            let found = match catch_panic(&name, || find(&path, &Limits::default())) {
                Ok(found) => found,
                Err(problems) if is_optional && is_no_package(&problems) => continue,
                Err(problems) => {
                    snapshot.report.packages.push(CheckedPackage::not_found(name, problems));
                    continue;
                }
            };
            let has_packages = !found.packages.is_empty();
            for archive in found.archives.into_iter().rev() {
                queue.push_front((archive, has_packages));
            }
            for package in found.packages {
                let (path, root) = (package.name(), package.root());
                let kind = Some(if package.is_course() { "course" } else { "story" });
                let declared = package.declared();
                let compiled =
                    catch_panic(&path, || self.compiler.compile(&package, &mut self.sink));
                let (identity, problems) = match compiled {
                    Ok(compiled) => {
                        let identity = self.keep(compiled.manifest, &mut snapshot);
                        (Some(identity), compiled.warnings)
                    }
                    Err(problems) => (None, problems),
                };
                snapshot.report.packages.push(CheckedPackage {
                    path,
                    root,
                    kind,
                    declared,
                    identity,
                    problems,
                    conversion: None,
                });
            }
        }
        snapshot
    }

    /// Adds a manifest to the snapshot, for the package that is pushed next.
    fn keep(&self, manifest: Manifest, snapshot: &mut Snapshot) -> Identity {
        for blob in &manifest.blobs {
            let file = (self.sink.path(blob.hash), blob.media_type.clone());
            snapshot.blobs.insert(blob.hash, file);
        }
        let identity = Identity {
            id: manifest.id().as_str().to_owned(),
            title: manifest.title().to_owned(),
            is_unchanged: false,
        };
        snapshot.manifests.insert(snapshot.report.packages.len(), manifest);
        identity
    }
}

/// Returns a value that differs if any file below the paths was added, removed or written.
fn fingerprint(paths: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        // The path of a package's main file is accepted as the path of its folder.
        let is_main = path.file_name().is_some_and(|n| n == "course.json" || n == "story.json");
        let parent = path.parent().filter(|_| is_main).map(|parent| match parent.as_os_str() {
            name if name.is_empty() => Path::new("."),
            _ => parent,
        });
        for entry in walkdir::WalkDir::new(parent.unwrap_or(path)).sort_by_file_name() {
            let Ok(entry) = entry else { continue };
            entry.path().hash(&mut hasher);
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                metadata.len().hash(&mut hasher);
                metadata.modified().ok().hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

/// A check that is repeated, with the server of its preview.
pub struct Watch {
    checker: Checker,
    listener: TcpListener,
    address: SocketAddr,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

impl Watch {
    /// Binds the preview to a port of the loopback address; 0 selects a free port.
    pub async fn bind(paths: Vec<PathBuf>, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let checker = Checker::new(paths)?;
        let snapshots = watch::Sender::new(Arc::new(Snapshot::default()));
        Ok(Self { checker, listener, address, snapshots })
    }

    /// Returns the address of the preview, such as `http://127.0.0.1:40123/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Checks at once and after each change, and calls `on_check` with each result. Ends with the first error of the
    /// preview's server.
    pub async fn run(self, on_check: impl Fn(&CheckReport)) -> io::Result<()> {
        let Self { checker, listener, address, snapshots } = self;
        let router = preview::router(snapshots.subscribe(), address.port());
        let server = axum::serve(listener, router).into_future();
        tokio::select! {
            ended = server => ended,
            ended = follow(checker, &snapshots, on_check) => ended,
        }
    }
}

async fn follow(
    mut checker: Checker,
    snapshots: &watch::Sender<Arc<Snapshot>>,
    on_check: impl Fn(&CheckReport),
) -> io::Result<()> {
    let paths: Arc<[PathBuf]> = checker.paths.clone().into();
    let mut seen = None;
    let mut generation = 0;
    let mut poll = tokio::time::interval(POLL_INTERVAL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        poll.tick().await;
        let walked = Arc::clone(&paths);
        // A file that is written during the check changes the next fingerprint.
        let found = blocking(move || fingerprint(&walked)).await?;
        if seen == Some(found) {
            continue;
        }
        seen = Some(found);
        generation += 1;
        let snapshot;
        (checker, snapshot) = blocking(move || {
            let snapshot = checker.check(generation);
            (checker, snapshot)
        })
        .await?;
        on_check(&snapshot.report);
        snapshots.send_replace(Arc::new(snapshot));
    }
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(f).await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_change_of_a_file_changes_the_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let of = |path: &Path| fingerprint(&[path.to_owned()]);
        fs::write(root.join("course.json"), "{}").unwrap();
        let mut seen = vec![of(root)];
        assert_eq!(of(root), seen[0]);
        let main_file = of(&root.join("course.json"));
        for change in [
            &(|| fs::write(root.join("a.md"), "a").unwrap()) as &dyn Fn(),
            &|| fs::write(root.join("a.md"), "ab").unwrap(),
            &|| fs::create_dir(root.join("media")).unwrap(),
            &|| fs::rename(root.join("a.md"), root.join("media/a.md")).unwrap(),
            &|| fs::remove_file(root.join("media/a.md")).unwrap(),
        ] {
            change();
            let now = of(root);
            assert!(!seen.contains(&now));
            seen.push(now);
        }
        assert_ne!(of(&root.join("course.json")), main_file);
    }
}
