//! Media kinds of blobs, for usage figures, the order of fetching, and lists of missing files.

/// The discriminants are the values stored in `content.db`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaKind {
    /// Text, including JSON bodies.
    Text,
    /// Images, including SVG.
    Image,
    /// Audio.
    Audio,
    /// Video.
    Video,
    /// Anything else.
    Other,
}

impl MediaKind {
    /// All kinds, ordered by number.
    pub const ALL: [Self; 5] = [Self::Text, Self::Image, Self::Audio, Self::Video, Self::Other];

    pub(crate) fn number(self) -> i64 {
        self as i64
    }
    pub(crate) fn of_number(n: i64) -> Self {
        Self::ALL.into_iter().find(|k| k.number() == n).unwrap_or(Self::Other)
    }
    /// Returns the kind of a media type, such as `image/webp` or `application/json`.
    pub fn of_type(media_type: &str) -> Self {
        match media_type.split('/').next().unwrap_or_default() {
            "text" => Self::Text,
            "image" => Self::Image,
            "audio" => Self::Audio,
            "video" => Self::Video,
            _ if media_type.contains("json") => Self::Text,
            _ => Self::Other,
        }
    }
    /// Detects the kind from the first bytes of a blob.
    pub fn of_prefix(prefix: &[u8]) -> Self {
        let is = |at: usize, magic: &[u8]| prefix.get(at..at + magic.len()) == Some(magic);
        if is(0, b"\x89PNG") || is(0, b"\xff\xd8\xff") || is(0, b"GIF8") || is(8, b"WEBP") {
            Self::Image
        } else if is(0, b"ID3")
            || is(0, b"OggS")
            || is(0, b"fLaC")
            || is(8, b"WAVE")
            || is(4, b"ftypM4A")
        {
            Self::Audio
        } else if is(4, b"ftyp") || is(0, b"\x1aE\xdf\xa3") {
            Self::Video
        } else if prefix.windows(4).any(|w| w == b"<svg") {
            Self::Image
        } else if prefix.first() == Some(&0xff) && prefix.get(1).is_some_and(|b| b & 0xe0 == 0xe0) {
            Self::Audio
        } else if !prefix.contains(&0) && prefix.first().is_some_and(|b| *b < 0x80 || *b == 0xef) {
            Self::Text
        } else {
            Self::Other
        }
    }
}
