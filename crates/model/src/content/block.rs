//! The body of a section: blocks in order, media by hash.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{BlobHash, ItemId, Slug};

/// The direction in which a language is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Dir {
    #[default]
    Ltr,
    Rtl,
}

impl Dir {
    /// The direction of a BCP 47 language tag: its script subtag if it has one, else the language's usual script.
    pub fn of_language(tag: &str) -> Self {
        let mut parts = tag.split('-');
        let language = parts.next().unwrap_or_default().to_ascii_lowercase();
        let script = parts.find(|p| p.len() == 4 && p.bytes().all(|b| b.is_ascii_alphabetic()));
        let rtl = match script.map(str::to_ascii_lowercase).as_deref() {
            Some("arab" | "hebr" | "thaa" | "syrc" | "nkoo" | "adlm" | "rohg") => true,
            Some(_) => false,
            None => matches!(
                language.as_str(),
                "ar" | "aeb"
                    | "arz"
                    | "ary"
                    | "fa"
                    | "prs"
                    | "ps"
                    | "ur"
                    | "he"
                    | "yi"
                    | "dv"
                    | "ckb"
                    | "sd"
                    | "ug"
                    | "syr"
                    | "nqo"
            ),
        };
        if rtl { Self::Rtl } else { Self::Ltr }
    }
}

/// A compiled section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SectionBody {
    pub lang: String,
    #[serde(default)]
    pub dir: Dir,
    pub blocks: Vec<Block>,
}

/// One block. HTML is sanitised at import; formulas are MathML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Block {
    /// Paragraphs, headings, lists, tables, inline MathML. `<a data-word="id">` opens a word's card,
    /// `<a data-section="lesson/section">` another section.
    RichText {
        html: String,
    },
    /// A formula on its own line.
    Math {
        mathml: String,
        tex: String,
    },
    Image {
        image: ImageRef,
    },
    Audio {
        audio: AudioRef,
    },
    Video {
        video: VideoRef,
    },
    Code {
        language: String,
        text: String,
        editable: bool,
    },
    /// A quiz of this course: `course/quiz` and its compiled blob.
    Quiz {
        quiz: ItemId,
        title: String,
        body: BlobHash,
    },
    /// A story of this course.
    Story {
        story: Slug,
        title: String,
        body: BlobHash,
    },
}

/// A blob that is played or shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BlobRef {
    pub hash: BlobHash,
    /// Bytes.
    pub size: u64,
    /// MIME type.
    #[serde(rename = "type")]
    pub media_type: String,
}

/// A picture in several widths, the narrowest first; the last is the widest there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImageRef {
    /// Empty for decoration.
    #[serde(default)]
    pub alt: String,
    #[serde(default)]
    pub caption: String,
    /// Pixels of the original, after EXIF orientation.
    pub width: u32,
    pub height: u32,
    /// Thumbhash (evanw/thumbhash), lower-case hex: a placeholder of about 25 bytes. Empty for SVG.
    #[serde(default)]
    pub thumbhash: String,
    pub variants: Vec<ImageVariant>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImageVariant {
    pub width: u32,
    #[serde(flatten)]
    pub blob: BlobRef,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AudioRef {
    #[serde(default)]
    pub title: String,
    #[serde(flatten)]
    pub blob: BlobRef,
    pub duration_ms: u64,
    /// How loud it is in equal stretches, 0 to 255: what its player draws. Empty where nothing is drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<u8>>", optional)]
    pub peaks: Vec<u8>,
    /// WebVTT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub captions: Option<BlobRef>,
    /// Sanitised HTML.
    #[serde(default)]
    pub transcript: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VideoRef {
    #[serde(default)]
    pub title: String,
    #[serde(flatten)]
    pub blob: BlobRef,
    pub duration_ms: u64,
    /// Pixels; 0 if the container did not say.
    pub width: u32,
    pub height: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub poster: Option<ImageRef>,
    /// WebVTT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub captions: Option<BlobRef>,
    /// Sanitised HTML.
    #[serde(default)]
    pub transcript: String,
}

/// A cover: drawn from colour and ornament, or a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Cover {
    /// `#rrggbb`: the cloth, and the background while a picture loads.
    pub color: String,
    pub ornament: Ornament,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub image: Option<ImageRef>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Ornament {
    Star,
    Peaks,
    Rings,
    Waves,
    Squares,
    Petals,
    Grid,
    Leaf,
    Sun,
    Steps,
}

impl Cover {
    const CLOTHS: [&'static str; 10] = [
        "#7a3b2e", "#2b3a67", "#4a4a3a", "#8a6417", "#5b2f55", "#5a4630", "#2f5d50", "#6b2737",
        "#34495e", "#28505a",
    ];
    const ORNAMENTS: [Ornament; 10] = [
        Ornament::Star,
        Ornament::Peaks,
        Ornament::Rings,
        Ornament::Waves,
        Ornament::Squares,
        Ornament::Petals,
        Ornament::Grid,
        Ornament::Leaf,
        Ornament::Sun,
        Ornament::Steps,
    ];
    /// The cover that is drawn when the author gave none: the same for the same title, everywhere.
    pub fn from_title(title: &str) -> Self {
        let hash = BlobHash::of(title.as_bytes()).0;
        Self {
            color: Self::CLOTHS[usize::from(hash[0]) % 10].to_owned(),
            ornament: Self::ORNAMENTS[usize::from(hash[1]) % 10],
            image: None,
        }
    }
}
