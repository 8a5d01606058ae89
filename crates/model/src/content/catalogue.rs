//! Metadata of courses and stories, available without the content.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::block::{Cover, Dir};
use crate::{BlobHash, ItemId, Slug};

/// Level of a course, as declared by the author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Difficulty {
    /// No previous knowledge needed.
    Beginner,
    /// Basic knowledge needed.
    Intermediate,
    /// Solid knowledge needed.
    Advanced,
    /// Experience in the field needed.
    Expert,
}

impl CourseMeta {
    /// Returns true if no course may have this id, because a route of the server has this name.
    pub fn is_reserved_id(id: &Slug) -> bool {
        id.as_str() == "search"
    }
    /// Returns the level declared by the author.
    pub fn level(&self) -> Difficulty {
        if self.is_expert { Difficulty::Expert } else { self.difficulty }
    }
    /// Returns the fields `difficulty` and `is_expert` for a level.
    pub fn level_fields(level: Difficulty) -> (Difficulty, bool) {
        match level {
            Difficulty::Expert => (Difficulty::Advanced, true),
            level => (level, false),
        }
    }
}

/// Type of a section, as declared by the author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum SectionType {
    /// Text with media.
    Text,
    /// A video with text.
    Video,
    /// A quiz for practice.
    Quiz,
    /// An exercise.
    Activity,
    /// A quiz that assesses the learner.
    Assessment,
}

/// Catalogue entry of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CourseMeta {
    /// Id of the course.
    pub id: Slug,
    /// Title for display.
    pub title: String,
    /// Plain text; may be empty.
    #[serde(default)]
    pub description: String,
    /// BCP 47 language tag.
    pub lang: String,
    /// Writing direction of the texts.
    #[serde(default)]
    pub dir: Dir,
    /// Level declared by the author. Of an expert course `ADVANCED`, with `isExpert`: earlier releases do not know the
    /// level, and could not read the catalogue.
    pub difficulty: Difficulty,
    /// True for the level `EXPERT`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub is_expert: bool,
    /// Category for filtering; may be empty.
    #[serde(default)]
    pub category: String,
    /// Keywords for search.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Estimated hours of study.
    #[serde(default)]
    pub hours: Hours,
    /// Names of the authors.
    #[serde(default)]
    pub authors: Vec<String>,
    /// SPDX identifier or name of the licence.
    pub license: String,
    /// Sanitised HTML.
    #[serde(default)]
    pub credits: String,
    /// Cover image or drawing.
    pub cover: Cover,
    /// Number of lessons.
    pub lesson_count: u32,
    /// Number of sections in all lessons.
    pub section_count: u32,
    /// Size of all blobs in bytes: the size of the download.
    pub total_bytes: u64,
}

/// Catalogue entry of a story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoryMeta {
    /// Id of the story.
    pub id: Slug,
    /// Title for display.
    pub title: String,
    /// Plain text; may be empty.
    #[serde(default)]
    pub description: String,
    /// BCP 47 language tag.
    pub lang: String,
    /// Writing direction of the texts.
    #[serde(default)]
    pub dir: Dir,
    /// Reading level, 1 to 5.
    pub level: u8,
    /// Category for filtering; may be empty.
    #[serde(default)]
    pub category: String,
    /// Keywords for search.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Names of the authors.
    #[serde(default)]
    pub authors: Vec<String>,
    /// SPDX identifier or name of the licence.
    pub license: String,
    /// Sanitised HTML; displayed together with the story.
    #[serde(default)]
    pub credits: String,
    /// Cover image or drawing.
    pub cover: Cover,
    /// Name that the same story has in all its languages; empty if it is known in one language only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>", optional)]
    pub family: String,
    /// Number of pages.
    pub page_count: u32,
    /// True if any page has a narration.
    pub narrated: bool,
    /// Size of all blobs in bytes: the size of the download.
    pub total_bytes: u64,
}

/// Structure of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CourseOutline {
    /// Lessons in order.
    pub lessons: Vec<LessonOutline>,
    /// Stories that belong to the course.
    #[serde(default)]
    pub stories: Vec<StoryInCourse>,
    /// Hash of the course's vocabulary (JSON array of `VocabularyEntry`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub vocabulary: Option<BlobHash>,
}

/// A story within a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoryInCourse {
    /// Id of the story within the course.
    pub id: Slug,
    /// Title for display.
    pub title: String,
    /// Hash of the compiled `Story`.
    pub body: BlobHash,
}

/// A lesson of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LessonOutline {
    /// Id of the lesson within the course.
    pub id: Slug,
    /// Title for display.
    pub title: String,
    /// Plain text; may be empty.
    #[serde(default)]
    pub summary: String,
    /// Sections in order.
    pub sections: Vec<SectionOutline>,
}

/// A section of a lesson.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SectionOutline {
    /// Id of the section within the lesson.
    pub id: Slug,
    /// Type declared by the author.
    #[serde(rename = "type")]
    pub section_type: SectionType,
    /// Title for display.
    pub title: String,
    /// Estimated minutes of study; 0 if the author did not state any.
    #[serde(default)]
    pub minutes: u32,
    /// Hash of the compiled `SectionBody`.
    pub body: BlobHash,
    /// `course/quiz`, for sections of the types QUIZ and ASSESSMENT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quiz: Option<ItemId>,
}

pub use hours::Hours;

/// Hours with two decimals, stored as hundredths so that a manifest has one canonical form.
mod hours {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use ts_rs::TS;

    /// Hundredths of an hour; on the wire a JSON number of hours.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, TS)]
    #[ts(type = "number")]
    #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
    #[cfg_attr(feature = "schema", schema(value_type = f64))]
    pub struct Hours(pub u32);

    impl Serialize for Hours {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            if self.0.is_multiple_of(100) {
                s.serialize_u32(self.0 / 100)
            } else {
                s.serialize_f64(f64::from(self.0) / 100.0)
            }
        }
    }
    impl<'de> Deserialize<'de> for Hours {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            let hours = f64::deserialize(d)?;
            if (0.0..=10_000.0).contains(&hours) {
                Ok(Self((hours * 100.0).round() as u32))
            } else {
                Err(serde::de::Error::custom("hours must be between 0 and 10000"))
            }
        }
    }
}
