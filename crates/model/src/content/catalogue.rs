//! What a library shows of a course or story before any of it is opened.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::block::{Cover, Dir};
use crate::{BlobHash, ItemId, Slug};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Difficulty {
    Beginner,
    Intermediate,
    Advanced,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum SectionType {
    Text,
    Video,
    Quiz,
    Activity,
    Assessment,
}

/// A course as the library lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CourseMeta {
    pub id: Slug,
    pub title: String,
    #[serde(default)]
    pub description: String,
    pub lang: String,
    #[serde(default)]
    pub dir: Dir,
    pub difficulty: Difficulty,
    #[serde(default)]
    pub category: String,
    #[serde(default)]
    pub tags: Vec<String>,
    /// Estimated hours of study.
    #[serde(default)]
    pub hours: Hours,
    #[serde(default)]
    pub authors: Vec<String>,
    pub license: String,
    /// Sanitised HTML.
    #[serde(default)]
    pub credits: String,
    pub cover: Cover,
    pub lesson_count: u32,
    pub section_count: u32,
    /// Bytes of all blobs: what a download takes.
    pub total_bytes: u64,
}

/// A story as the library lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoryMeta {
    pub id: Slug,
    pub title: String,
    #[serde(default)]
    pub description: String,
    pub lang: String,
    #[serde(default)]
    pub dir: Dir,
    /// 1 to 5.
    pub level: u8,
    #[serde(default)]
    pub category: String,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub authors: Vec<String>,
    pub license: String,
    /// Sanitised HTML: shown wherever the story is.
    #[serde(default)]
    pub credits: String,
    pub cover: Cover,
    pub page_count: u32,
    pub narrated: bool,
    pub total_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CourseOutline {
    pub lessons: Vec<LessonOutline>,
    /// The stories that come with the course.
    #[serde(default)]
    pub stories: Vec<StoryInCourse>,
    /// The course's vocabulary (JSON array of `VocabularyEntry`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub vocabulary: Option<BlobHash>,
}

/// A story inside a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoryInCourse {
    pub id: Slug,
    pub title: String,
    /// The compiled `Story`.
    pub body: BlobHash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LessonOutline {
    pub id: Slug,
    pub title: String,
    #[serde(default)]
    pub summary: String,
    pub sections: Vec<SectionOutline>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SectionOutline {
    pub id: Slug,
    #[serde(rename = "type")]
    pub section_type: SectionType,
    pub title: String,
    /// Estimated minutes; 0 if the author gave none.
    #[serde(default)]
    pub minutes: u32,
    /// The compiled `SectionBody`.
    pub body: BlobHash,
    /// `course/quiz`, for QUIZ and ASSESSMENT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quiz: Option<ItemId>,
}

pub use hours::Hours;

/// Hours with two decimals, kept as hundredths so that a manifest has one spelling.
mod hours {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use ts_rs::TS;

    /// Hundredths of an hour; a JSON number of hours on the wire.
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
                Err(serde::de::Error::custom("hours are between 0 and 10000"))
            }
        }
    }
}
