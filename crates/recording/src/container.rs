//! The kinds of recordings and videos.
//!
//! Not here: detecting them (`detect`).

/// The container of a recording or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Mp3,
    /// AAC frames without a container.
    Adts,
    Wav,
    Flac,
    Ogg,
    Mp4,
    Matroska,
    Unsupported(Unsupported),
}

/// A known format that is not published, because not every device plays it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported {
    /// Name with an article, such as "an AIFF recording".
    pub name: &'static str,
    /// Formats to which it can be converted; none if it contains no sound or is protected.
    pub becomes: &'static [&'static str],
}

impl Unsupported {
    pub(crate) const fn sound(name: &'static str) -> Self {
        Self { name, becomes: &["mp3"] }
    }
    pub(crate) const fn film(name: &'static str) -> Self {
        Self { name, becomes: &["mp4"] }
    }
    /// A container of sound or film.
    pub(crate) const fn either(name: &'static str) -> Self {
        Self { name, becomes: &["mp4", "mp3"] }
    }
    pub(crate) const fn closed(name: &'static str) -> Self {
        Self { name, becomes: &[] }
    }
}
