//! The steps of a compilation, which share a [`context::CompileContext`]: media, vocabulary, quizzes, stories, courses.
//! A step uses only the steps before it in this list.
//!
//! Not here: reading a package's own format (`importers`).

use carrel_model::content::ManifestContent;

use crate::draft::Draft;

pub(crate) mod context;
mod course;
pub(crate) mod media_block;
pub(crate) mod quiz;
mod story;
pub(crate) mod vocabulary;

/// Compiles a draft to the content of a manifest. Returns `None` after reporting problems to the context.
pub(crate) fn lower(
    context: &mut context::CompileContext<'_>,
    draft: Draft,
) -> Option<ManifestContent> {
    match draft {
        Draft::Course(draft) => course::lower(context, draft),
        Draft::Story(draft) => {
            let story = story::lower(context, draft, &[])?;
            Some(ManifestContent::Story { meta: story.meta, body: story.body })
        }
    }
}
