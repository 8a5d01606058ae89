//! Lookup of sections and stories in the manifest of their course.

use std::sync::Arc;

use carrel_model::{
    BlobHash, ItemId, Slug,
    content::{CourseMeta, CourseOutline, LessonOutline, ManifestContent, SectionOutline, Story},
};

use crate::{
    Error, Kind, Result,
    library::{Dated, Library, OpenManifest},
};

/// A section and its position in the course.
pub struct FoundSection {
    /// The manifest of the course.
    pub manifest: Dated<Arc<OpenManifest>>,
    /// Index of the lesson in the outline.
    pub lesson: usize,
    /// Index of the section in the lesson.
    pub section: usize,
}

impl FoundSection {
    /// Returns the course's metadata and outline.
    pub fn course(&self) -> (&CourseMeta, &CourseOutline) {
        match &self.manifest.value.manifest.content {
            ManifestContent::Course { meta, outline } => (meta, outline),
            ManifestContent::Story { .. } => unreachable!("sections exist only in courses"),
        }
    }
    /// Returns the lesson that contains the section.
    pub fn lesson(&self) -> &LessonOutline {
        &self.course().1.lessons[self.lesson]
    }
    /// Returns the section in the outline.
    pub fn section(&self) -> &SectionOutline {
        &self.lesson().sections[self.section]
    }
    /// Returns the previous and the next section, across lessons.
    pub fn neighbours(&self) -> [Option<(&LessonOutline, &SectionOutline)>; 2] {
        let all: Vec<_> = self
            .course()
            .1
            .lessons
            .iter()
            .flat_map(|l| l.sections.iter().map(move |s| (l, s)))
            .collect();
        let here =
            self.course().1.lessons[..self.lesson].iter().map(|l| l.sections.len()).sum::<usize>()
                + self.section;
        [here.checked_sub(1).and_then(|i| all.get(i).copied()), all.get(here + 1).copied()]
    }
}

impl Library {
    /// Looks up the section `course/lesson/section`.
    ///
    /// # Errors
    ///
    /// `Error::NotFound` if the section does not exist.
    pub async fn find_section(&self, item: &ItemId) -> Result<FoundSection> {
        let missing = || Error::NotFound(format!("section {item}"));
        let parts: Vec<&str> = item.as_str().split('/').collect();
        let [course, lesson, section] = parts[..] else { return Err(missing()) };
        let course = Slug::new(course).map_err(|e| Error::Invalid(e.to_string()))?;
        let manifest = self.manifest(Kind::Course, &course).await?;
        let ManifestContent::Course { outline, .. } = &manifest.value.manifest.content else {
            return Err(missing());
        };
        let lesson =
            outline.lessons.iter().position(|l| l.id.as_str() == lesson).ok_or_else(missing)?;
        let section = outline.lessons[lesson]
            .sections
            .iter()
            .position(|s| s.id.as_str() == section)
            .ok_or_else(missing)?;
        Ok(FoundSection { manifest, lesson, section })
    }

    /// Returns a stand-alone story (`story`) or a story of a course (`course/story`).
    ///
    /// # Errors
    ///
    /// `Error::NotFound` if the story does not exist.
    pub async fn find_story(&self, item: &ItemId) -> Result<Dated<Story>> {
        let Dated { value, as_of_ms, stale, offline } = self.story_body(item).await?;
        Ok(Dated { value: self.body(value).await?, as_of_ms, stale, offline })
    }
    /// Returns the compiled body of such a story, for `body`.
    pub async fn story_body(&self, item: &ItemId) -> Result<Dated<BlobHash>> {
        let parts: Vec<&str> = item.as_str().split('/').collect();
        let slug = |s: &str| Slug::new(s).map_err(|e| Error::Invalid(e.to_string()));
        let missing = || Error::NotFound(format!("story {item}"));
        let (value, manifest) = match parts[..] {
            [story] => {
                let manifest = self.manifest(Kind::Story, &slug(story)?).await?;
                let ManifestContent::Story { body, .. } = &manifest.value.manifest.content else {
                    return Err(missing());
                };
                (*body, manifest)
            }
            [course, story] => {
                let manifest = self.manifest(Kind::Course, &slug(course)?).await?;
                let ManifestContent::Course { outline, .. } = &manifest.value.manifest.content
                else {
                    return Err(missing());
                };
                let found = outline.stories.iter().find(|s| s.id.as_str() == story);
                (found.ok_or_else(missing)?.body, manifest)
            }
            _ => return Err(missing()),
        };
        let Dated { as_of_ms, stale, offline, .. } = manifest;
        Ok(Dated { value, as_of_ms, stale, offline })
    }
}
