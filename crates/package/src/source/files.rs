//! The limits of a package and the entry of one file.

use std::path::PathBuf;

/// How much is taken from a package. The defaults are those of docs/PACKAGE.md.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub files: u64,
    /// Bytes of all files, unpacked.
    pub total_bytes: u64,
    /// Bytes of one file, unpacked.
    pub file_bytes: u64,
    /// Unpacked to packed, for files over `ratio_from`.
    pub ratio: u64,
    /// Bytes below which the ratio does not matter.
    pub ratio_from: u64,
    /// Bytes of one Markdown, JSON, VTT or SVG file.
    pub text_bytes: u64,
    /// Pixels of one picture.
    pub pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 20_000,
            total_bytes: 4 << 30,
            file_bytes: 1 << 30,
            ratio: 200,
            ratio_from: 1 << 20,
            text_bytes: 8 << 20,
            pixels: 100_000_000,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// Where the bytes lie on this disk.
    pub disk: PathBuf,
    pub size: u64,
    /// The name as it was spelled, before NFC.
    pub spelled: String,
}
