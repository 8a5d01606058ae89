//! Errors and warnings about a media file.
//!
//! Not here: the location in the package (`problem`).

/// An error or a warning without a location; the caller adds file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaError {
    pub code: &'static str,
    pub message: String,
    pub hint: String,
}

pub(crate) fn media_error(
    code: &'static str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> MediaError {
    MediaError { code, message: message.into(), hint: hint.into() }
}

impl From<carrel_svg::SvgError> for MediaError {
    fn from(error: carrel_svg::SvgError) -> Self {
        Self { code: error.code, message: error.message, hint: error.hint }
    }
}
