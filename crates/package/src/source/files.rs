//! The limits of a package, and the entry of one file.
//!
//! Not here: reading folders and archives (`source`, `zip`).

use std::path::PathBuf;

/// Limits of a package. The defaults are those of docs/PACKAGE.md.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub files: u64,
    /// Total size of all files in bytes, unpacked.
    pub total_bytes: u64,
    /// Size of one file in bytes, unpacked.
    pub file_bytes: u64,
    /// Maximum ratio of unpacked to packed size, for files over `ratio_min_bytes`.
    pub ratio: u64,
    /// Size in bytes below which the ratio is ignored.
    pub ratio_min_bytes: u64,
    /// Size of one Markdown, JSON, VTT or SVG file in bytes.
    pub text_bytes: u64,
    /// Number of pixels of one image.
    pub pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 20_000,
            total_bytes: 4 << 30,
            file_bytes: 1 << 30,
            ratio: 200,
            ratio_min_bytes: 1 << 20,
            text_bytes: 8 << 20,
            pixels: 100_000_000,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// Path of the file on this disk.
    pub disk: PathBuf,
    pub size: u64,
    /// Original spelling of the path, before normalisation to NFC.
    pub original_path: String,
}
