//! Finds main files with a wrong name, such as `course.json.txt`: the package would be missing without a word.
//!
//! Not here: packages (`course_format`).

use super::{Declared, Importer, Input};
use crate::{
    compile::context::CompileContext,
    draft::Draft,
    problem::SourceLocation,
    source::{Source, paths},
};

pub(super) static IMPORTER: Importer = Importer { detect, draft, identify, owns_folder: false };

fn detect(source: &Source) -> Vec<Input> {
    source
        .files
        .keys()
        .filter_map(|path| {
            let file = path.rsplit('/').next()?;
            let folder = paths::parent(path).to_owned();
            let is_course = right_name(file)? == "course.json";
            Some(Input { folder, file: file.to_owned(), is_course })
        })
        .collect()
}

/// Reports the name.
fn draft(context: &mut CompileContext<'_>, input: &Input) -> Option<Draft> {
    let right = right_name(&input.file)?;
    let hint = if input.file.to_lowercase().ends_with(".txt") {
        "rename it; on Windows, show file name extensions first (Explorer: View, Show)"
    } else {
        "rename it"
    };
    let message = format!("the file {:?} must have the name {right:?}", input.file);
    context.problems.error(
        SourceLocation { file: &input.file, line: 1 },
        "no-package",
        message,
        hint,
    );
    None
}

fn identify(_: &Source, _: &Input) -> Declared {
    Declared::default()
}

/// Returns the name that a file was meant to have: `course.json` for `Course.json`, `course.json.txt`,
/// `course (1).json` and `course - Copy.json`.
fn right_name(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let right = ["course.json", "story.json"];
    if right.contains(&name) {
        return None;
    }
    right.into_iter().find(|right| {
        let stem = right.trim_end_matches(".json");
        let between = lower.strip_prefix(stem).and_then(|rest| rest.split_once(".json"));
        between.is_some_and(|(between, after)| {
            let between = between.replace("copy", "");
            between.chars().all(|c| !c.is_alphabetic()) && matches!(after, "" | ".txt" | ".json")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misnamed_main_files_are_recognised() {
        for name in [
            "Course.json",
            "course.JSON",
            "course.json.txt",
            "course.json.json",
            "course (1).json",
            "course .json",
            "course - Copy.json",
        ] {
            assert_eq!(right_name(name), Some("course.json"), "{name}");
        }
        assert_eq!(right_name("story.json.txt"), Some("story.json"));
        for name in
            ["course.json", "story.json", "courses.json", "coursework.json", "story.md", "a.json"]
        {
            assert_eq!(right_name(name), None, "{name}");
        }
    }
}
