//! The body of a section: blocks in order; media are referenced by hash.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{BlobHash, ItemId, Slug, text::language::is_right_to_left};

/// Writing direction of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Dir {
    /// Left to right.
    #[default]
    Ltr,
    /// Right to left.
    Rtl,
}

impl Dir {
    /// Returns the direction of a BCP 47 language tag: that of its script subtag if present, else of the script in which
    /// the language is usually written in its region (`text::language`).
    pub fn of_language(tag: &str) -> Self {
        if is_right_to_left(tag) { Self::Rtl } else { Self::Ltr }
    }
}

/// A compiled section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SectionBody {
    /// BCP 47 language tag.
    pub lang: String,
    /// Writing direction of the text.
    #[serde(default)]
    pub dir: Dir,
    /// Content in reading order.
    pub blocks: Vec<Block>,
}

impl SectionBody {
    /// Returns the programs that learners have to write: the index of the block, and an id within the section. The id
    /// depends on what the program reads and prints, so it stays the same in editions with other texts.
    pub fn programs(&self) -> Vec<(usize, String)> {
        let mut found: Vec<(usize, String)> = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let Block::Code { language, check: Some(check), .. } = block else { continue };
            let task = format!("{}\0{}\0{}", language, check.input, check.output);
            let mut id = BlobHash::of(task.as_bytes()).to_hex();
            id.truncate(16);
            let same = found.iter().filter(|(_, other)| other.starts_with(&id)).count();
            if same > 0 {
                id.push_str(&format!("-{}", same + 1));
            }
            found.push((index, id));
        }
        found
    }
}

/// A block of a section. HTML is sanitised at import; formulas are MathML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Block {
    /// Paragraphs, headings, lists, tables and inline MathML. `<a data-word="id">` opens the card of a word;
    /// `<a data-section="lesson/section">` opens another section.
    RichText {
        /// Sanitised HTML.
        html: String,
    },
    /// A formula in a separate line.
    Math {
        /// The formula as MathML with `display="block"`.
        mathml: String,
        /// The author's TeX source.
        tex: String,
    },
    /// An image with its alternative text.
    Image {
        /// The image.
        image: ImageRef,
    },
    /// A recording with controls.
    Audio {
        /// The recording.
        audio: AudioRef,
    },
    /// A video with controls.
    Video {
        /// The video.
        video: VideoRef,
    },
    /// Source code.
    Code {
        /// Language name for highlighting, as written by the author.
        language: String,
        /// The code as plain text.
        text: String,
        /// True if the learner may edit the code.
        editable: bool,
        /// What the program has to print.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        check: Option<CodeCheck>,
    },
    /// A quiz of this course.
    Quiz {
        /// Id of the quiz, `course/quiz`.
        quiz: ItemId,
        /// Title for display.
        title: String,
        /// Hash of the compiled `Quiz`.
        body: BlobHash,
    },
    /// A story of this course.
    Story {
        /// Id of the story within the course.
        story: Slug,
        /// Title for display.
        title: String,
        /// Hash of the compiled `Story`.
        body: BlobHash,
    },
}

/// A media file, stored as one blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BlobRef {
    /// Hash of the file.
    pub hash: BlobHash,
    /// Size in bytes.
    pub size: u64,
    /// MIME type.
    #[serde(rename = "type")]
    pub media_type: String,
}

/// An image in one or more widths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImageRef {
    /// Alternative text; empty for a decorative image.
    #[serde(default)]
    pub alt: String,
    /// Text below the image; may be empty.
    #[serde(default)]
    pub caption: String,
    /// Width of the original in pixels, after EXIF orientation.
    pub width: u32,
    /// Height of the original in pixels, after EXIF orientation.
    pub height: u32,
    /// Thumbhash (evanw/thumbhash), lower-case hex: a placeholder of about 25 bytes. Empty for SVG.
    #[serde(default)]
    pub thumbhash: String,
    /// The available widths, narrowest first.
    pub variants: Vec<ImageVariant>,
}

/// One width of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImageVariant {
    /// Width in pixels.
    pub width: u32,
    /// The image file.
    #[serde(flatten)]
    pub blob: BlobRef,
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AudioRef {
    /// Title for display; may be empty.
    #[serde(default)]
    pub title: String,
    /// The audio file.
    #[serde(flatten)]
    pub blob: BlobRef,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Loudness in equal time intervals, 0 to 255, drawn as a waveform by the player. Empty if no waveform is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<u8>>", optional)]
    pub peaks: Vec<u8>,
    /// Captions in WebVTT format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub captions: Option<BlobRef>,
    /// Transcript as sanitised HTML.
    #[serde(default)]
    pub transcript: String,
}

/// A video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VideoRef {
    /// Title for display; may be empty.
    #[serde(default)]
    pub title: String,
    /// The video file.
    #[serde(flatten)]
    pub blob: BlobRef,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Width in pixels; 0 if the container does not state it.
    pub width: u32,
    /// Height in pixels; 0 if the container does not state it.
    pub height: u32,
    /// Image shown before playback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub poster: Option<ImageRef>,
    /// Captions in WebVTT format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub captions: Option<BlobRef>,
    /// Transcript as sanitised HTML.
    #[serde(default)]
    pub transcript: String,
}

/// A cover: the author's image, or a drawing made from a colour and an ornament.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Cover {
    /// `#rrggbb`: the colour of the drawn cover, and the background while an image loads.
    pub color: String,
    /// Ornament of the drawn cover.
    pub ornament: Ornament,
    /// The author's image, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub image: Option<ImageRef>,
}

/// The ornaments of drawn covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Ornament {
    /// A star.
    Star,
    /// Mountain peaks.
    Peaks,
    /// Concentric rings.
    Rings,
    /// Wavy lines.
    Waves,
    /// Nested squares.
    Squares,
    /// Flower petals.
    Petals,
    /// A grid of lines.
    Grid,
    /// A leaf.
    Leaf,
    /// A sun with rays.
    Sun,
    /// Stairs.
    Steps,
}

impl Cover {
    const COLORS: [&'static str; 10] = [
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
    /// Returns the default cover, derived only from the title, so that it is the same on every device.
    pub fn from_title(title: &str) -> Self {
        let hash = BlobHash::of(title.as_bytes()).0;
        Self {
            color: Self::COLORS[usize::from(hash[0]) % 10].to_owned(),
            ornament: Self::ORNAMENTS[usize::from(hash[1]) % 10],
            image: None,
        }
    }
}

/// What a learner's program has to print. Compared without white space at the ends of lines and of the output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CodeCheck {
    /// The lines that the program reads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>", optional)]
    pub input: String,
    /// The output.
    pub output: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_keeps_its_id_in_other_editions() {
        let code = |text: &str, output: Option<&str>| Block::Code {
            language: "python".into(),
            text: text.into(),
            editable: true,
            check: output.map(|o| CodeCheck { input: String::new(), output: o.into() }),
        };
        let body = |blocks| SectionBody { lang: "en".into(), dir: Dir::Ltr, blocks };
        let first = body(vec![
            code("a", Some("1\n")),
            code("b", None),
            code("c", Some("1\n")),
            code("d", Some("2\n")),
        ]);
        let second = body(vec![
            Block::RichText { html: "<p>New</p>".into() },
            code("other", Some("1\n")),
            code("c", Some("1\n")),
            code("d", Some("3\n")),
        ]);
        let (first, second) = (first.programs(), second.programs());
        assert_eq!(first.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 2, 3]);
        assert_eq!(second.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((&first[0].1, &first[1].1), (&second[0].1, &second[1].1));
        assert_eq!(first[1].1, format!("{}-2", first[0].1));
        assert_ne!(first[2].1, second[2].1);
    }
}
