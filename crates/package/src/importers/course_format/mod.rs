//! Carrel's own format: folders with `course.json` or `story.json`. See docs/PACKAGE.md.
//!
//! Not here: other formats (`importers`).

mod course;
mod metadata;
mod story;

use super::{Declared, Importer, Input};
use crate::{
    compile::context::CompileContext,
    draft::Draft,
    problem::Problems,
    source::{Source, encoding, fields::Fields, json, paths},
};

pub(super) static IMPORTER: Importer = Importer { detect, draft, identify, owns_folder: true };

/// Maximum size of a main file that is read for its id, in bytes.
const MAX_MAIN_FILE_BYTES: u64 = 8 << 20;

/// Lists packages, those nearest to the root first, so that a course owns the stories inside it. In a folder with both
/// files, the course takes precedence.
fn detect(source: &Source) -> Vec<Input> {
    let mut inputs: Vec<Input> = source
        .files
        .keys()
        .filter_map(|path| {
            let file = path.rsplit('/').next()?;
            let is_course = file == "course.json";
            (is_course || file == "story.json").then(|| Input {
                folder: paths::parent(path).to_owned(),
                file: file.to_owned(),
                is_course,
            })
        })
        .collect();
    inputs.sort_by_cached_key(|input| {
        let depth = match input.folder.as_str() {
            "" => 0,
            folder => folder.split('/').count(),
        };
        (depth, input.folder.clone(), !input.is_course)
    });
    inputs
}

fn draft(context: &mut CompileContext<'_>, input: &Input) -> Option<Draft> {
    if input.is_course {
        course::draft(context).map(Draft::Course)
    } else {
        story::draft(context, "", &[]).map(Draft::Story)
    }
}

fn identify(source: &Source, input: &Input) -> Declared {
    let path = match input.folder.as_str() {
        "" => input.file.clone(),
        folder => format!("{folder}/{}", input.file),
    };
    let problems = Problems::default();
    let text = source
        .files
        .get(&path)
        .filter(|file| file.size <= MAX_MAIN_FILE_BYTES)
        .and_then(|file| std::fs::read(&file.disk).ok())
        .and_then(|bytes| encoding::decode(bytes).ok());
    let node = text.and_then(|text| json::parse(&text, &input.file, &problems));
    let fields = node.as_ref().and_then(|node| Fields::new(node, &input.file, &problems, ""));
    let text = |key| fields.as_ref()?.text(key).map(|text| text.value.to_owned());
    Declared { id: text("id"), title: text("title") }
}
