//! The support bundle: a ZIP file of redacted texts. A person gives it to support; the app never sends it.

use std::{
    io::{self, Cursor, Write},
    path::Path,
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::redact::Redactor;

/// Texts of a bundle, by file name.
#[derive(Debug, Default)]
pub struct SupportBundle {
    parts: Vec<(String, String)>,
}

impl SupportBundle {
    /// Adds a file. `name` must not contain data of the user.
    pub fn add(&mut self, name: &str, text: impl Into<String>) {
        self.parts.push((name.to_owned(), text.into()));
    }

    /// Adds a file with a value as JSON.
    pub fn add_json(&mut self, name: &str, value: &impl serde::Serialize) {
        let text = serde_json::to_string_pretty(value);
        self.add(name, text.unwrap_or_else(|e| format!("cannot be written: {e}")));
    }

    /// Returns the ZIP file. Every text is redacted.
    pub fn to_zip(&self, redactor: &Redactor) -> io::Result<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, text) in &self.parts {
            zip.start_file(name.as_str(), options).map_err(io::Error::other)?;
            zip.write_all(redactor.redact(text).as_bytes())?;
        }
        Ok(zip.finish().map_err(io::Error::other)?.into_inner())
    }

    /// Writes the ZIP file to `path`.
    pub fn write(&self, path: &Path, redactor: &Redactor) -> io::Result<()> {
        carrel_system::files::write_atomic(path, &self.to_zip(redactor)?)
    }
}
