//! Carrel's own format: folders with `course.json` or `story.json`. See docs/PACKAGE.md.
//!
//! Not here: other formats (`importers`).

mod course;
mod metadata;
mod story;

use super::{Importer, Input};
use crate::{
    compile::context::CompileContext,
    draft::Draft,
    source::{Source, paths},
};

pub(super) static IMPORTER: Importer = Importer { detect, draft, owns_folder: true };

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
