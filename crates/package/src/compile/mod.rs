//! The steps of a compilation, each over one [`context::CompileContext`]: media, vocabulary, quizzes, stories, courses.
//! A step uses only the steps before it in this list.

use carrel_model::content::ManifestContent;

use crate::draft::Draft;

pub(crate) mod context;
mod course;
pub(crate) mod media_block;
pub(crate) mod quiz;
mod story;
pub(crate) mod vocabulary;

/// Makes the content of a manifest of a draft. `None`: the reasons are among the problems of the context.
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
