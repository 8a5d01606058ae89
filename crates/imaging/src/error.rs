//! The error type of this crate.

/// Why an image is not shown. The loopback server returns the text as the body of its response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Decoding would exceed `MEMORY_BUDGET` or `MAX_PIXELS`.
    #[error("image too large: {width} x {height} pixels")]
    TooLarge { width: u32, height: u32 },
    /// Not a supported image format.
    #[error("not a supported image format")]
    UnsupportedFormat,
    /// The file is malformed or too large; holds the reason.
    #[error("cannot decode image: {0}")]
    Decode(String),
    /// The file could not be read, or the variant not stored; a retry may succeed.
    #[error("{0}")]
    Storage(String),
}

impl ImageError {
    /// Returns the matching HTTP status: 413, 415, 422 or 500.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::UnsupportedFormat => 415,
            Self::Decode(_) => 422,
            Self::Storage(_) => 500,
        }
    }
}

impl From<std::io::Error> for ImageError {
    fn from(e: std::io::Error) -> Self {
        Self::Storage(e.to_string())
    }
}
