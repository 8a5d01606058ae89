//! Compiles packages: an importer reads a package into a draft, the draft is compiled to the content of a manifest, and
//! the blobs are passed to the sink.
//!
//! Not here: the steps (`compile`), the formats (`importers`).

use std::collections::HashMap;

use carrel_model::{
    Slug,
    content::{MANIFEST_FORMAT, Manifest, ManifestBlob, ManifestContent},
};

use crate::{
    compile::{
        self,
        context::{CompileContext, Options, Shared},
    },
    importers::Package,
    problem::{Problem, Problems, file_error},
    sink::BlobSink,
};

/// The result for a package without errors. Its blobs are in the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    pub manifest: Manifest,
    /// Sorted by file and line.
    pub warnings: Vec<Problem>,
}

/// Compiles packages one after the other. Each media file is processed once: an image used in 60 translations is
/// decoded and scaled only for the first.
#[derive(Debug)]
pub struct Compiler {
    options: Options,
    shared: Shared,
    /// Name of the package by the id of its course or story.
    ids: HashMap<Slug, String>,
}

impl Compiler {
    pub fn new(options: Options) -> Self {
        Self { options, shared: Shared::default(), ids: HashMap::new() }
    }

    /// Forgets which ids were used, to compile packages again that may have been renamed. Results for media are kept.
    pub fn forget_ids(&mut self) {
        self.ids.clear();
    }

    /// Compiles a package and fills the sink.
    ///
    /// # Errors
    ///
    /// All problems found, including warnings, sorted by file and line. Nothing is written to the sink, unless writing
    /// a blob fails.
    pub fn compile(
        &mut self,
        package: &Package,
        sink: &mut dyn BlobSink,
    ) -> Result<Compiled, Vec<Problem>> {
        let problems = Problems::default();
        package.check_files(&self.options.limits, &problems);
        let mut context = CompileContext::new(
            &package.source,
            package.folder(),
            &problems,
            &mut self.shared,
            &self.options,
        );
        let content = package.draft(&mut context).and_then(|d| compile::lower(&mut context, d));
        context.stage_source_report();
        let staged_blobs = context.staged_blobs;
        let Some(mut content) = content.filter(|_| !problems.has_errors()) else {
            if !problems.has_errors() {
                problems.add(file_error(
                    &package.name(),
                    "internal",
                    "the package cannot be compiled",
                    "report this error with the package",
                ));
            }
            return Err(problems.into_sorted());
        };
        let total: u64 = staged_blobs.values().map(|b| b.size).sum();
        match &mut content {
            ManifestContent::Course { meta, .. } => meta.total_bytes = total,
            ManifestContent::Story { meta, .. } => meta.total_bytes = total,
        }
        let blobs = staged_blobs
            .values()
            .map(|b| ManifestBlob { hash: b.hash, size: b.size, media_type: b.media_type.clone() })
            .collect();
        let format = MANIFEST_FORMAT.to_owned();
        let manifest = Manifest { format, content, blobs, fonts: Vec::new() };
        if let Some(first) = self.ids.get(manifest.id()).filter(|first| **first != package.name()) {
            let file = package.main_file();
            let message = format!("the id {:?} is also used by {first}", manifest.id().as_str());
            problems.add(file_error(file, "duplicate-id", message, "give one of them another id"));
            return Err(problems.into_sorted());
        }
        for blob in staged_blobs.values() {
            if let Err(e) = sink.put(blob) {
                problems.add(file_error(
                    &package.name(),
                    "not-written",
                    format!("a blob cannot be written: {e}"),
                    "free some space and import again",
                ));
                return Err(problems.into_sorted());
            }
        }
        self.ids.insert(manifest.id().clone(), package.name());
        tracing::debug!(package.name = %package.name(), package.blobs = staged_blobs.len(), package.bytes = total, "compiled a package");
        Ok(Compiled { manifest, warnings: problems.into_sorted() })
    }
}
