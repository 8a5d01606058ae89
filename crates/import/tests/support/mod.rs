//! Makes small files of other programs and imports them with the real compiler.
#![allow(dead_code)]

pub mod anki;
pub mod epub;

use std::{
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
};

use carrel_import::{Failure, Format, Imported, Level, Options, Report, detect, import};
use carrel_model::content::{ManifestContent, Quiz, SectionBody, Story, VocabularyEntry};
use carrel_package::{Compiled, Compiler, MemorySink};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A file in a temporary folder.
pub struct File {
    pub path: PathBuf,
    _folder: tempfile::TempDir,
}

pub fn file(name: &str, bytes: impl AsRef<[u8]>) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    File { path, _folder: folder }
}

/// Returns a zip with the entries in order.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The result of an import.
pub struct Done {
    pub content: ManifestContent,
    pub sink: MemorySink,
    pub report: Report,
    pub reviews: Vec<carrel_import::ImportedReview>,
    pub warnings: Vec<carrel_package::Problem>,
}

pub fn try_import(path: &Path, options: &Options) -> Result<Done, Failure> {
    let format = detect(path).unwrap_or_else(|| panic!("{} is not detected", path.display()));
    import_as(path, format, options)
}

pub fn import_as(path: &Path, format: Format, options: &Options) -> Result<Done, Failure> {
    let mut compiler = Compiler::new(carrel_package::Options::default());
    let mut sink = MemorySink::default();
    let imported: Imported<Compiled> =
        import(path, format, options, &mut |package| compiler.compile(package, &mut sink))?;
    let Imported { compiled, report, reviews, .. } = imported;
    let Compiled { manifest, warnings } = compiled;
    Ok(Done { content: manifest.content, sink, report, reviews, warnings })
}

pub fn imported(name: &str, bytes: impl AsRef<[u8]>) -> Done {
    let file = file(name, bytes);
    try_import(&file.path, &Options::default()).unwrap_or_else(|failure| {
        panic!(
            "{:#?}\n{}",
            failure.problems,
            failure.report.map(|r| r.to_text()).unwrap_or_default()
        )
    })
}

impl Done {
    pub fn sections(&self) -> Vec<(String, SectionBody)> {
        let ManifestContent::Course { outline, .. } = &self.content else { panic!("no course") };
        outline
            .lessons
            .iter()
            .flat_map(|lesson| {
                lesson.sections.iter().map(|s| (s.title.clone(), self.sink.json(s.body).unwrap()))
            })
            .collect()
    }
    /// Returns the HTML of all texts.
    pub fn html(&self) -> String {
        let text = |(_, body): (String, SectionBody)| serde_json::to_string(&body.blocks).unwrap();
        self.sections().into_iter().map(text).collect::<Vec<_>>().join("\n")
    }
    pub fn quizzes(&self) -> Vec<Quiz> {
        let blobs = self.sink.blobs.values().filter(|(kind, _)| kind == "application/json");
        let mut quizzes: Vec<Quiz> =
            blobs.filter_map(|(_, bytes)| serde_json::from_slice(bytes).ok()).collect();
        quizzes.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
        quizzes
    }
    pub fn words(&self) -> Vec<VocabularyEntry> {
        let blobs = self.sink.blobs.values().filter(|(kind, _)| kind == "application/json");
        blobs
            .filter_map(|(_, bytes)| serde_json::from_slice::<Vec<VocabularyEntry>>(bytes).ok())
            .find(|list| !list.is_empty())
            .unwrap_or_default()
    }
    pub fn stories(&self) -> Vec<Story> {
        let blobs = self.sink.blobs.values().filter(|(kind, _)| kind == "application/json");
        blobs.filter_map(|(_, bytes)| serde_json::from_slice(bytes).ok()).collect()
    }
    pub fn id(&self) -> String {
        let ManifestContent::Course { meta, .. } = &self.content else { panic!("no course") };
        meta.id.as_str().to_owned()
    }
    /// Returns kind, title and level of each item.
    pub fn levels(&self) -> Vec<(String, String, Level)> {
        self.report.items.iter().map(|i| (i.kind.clone(), i.title.clone(), i.level)).collect()
    }
}

/// A picture of one pixel.
pub fn png() -> Vec<u8> {
    let hex = "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00\
               050001ff89993d1d0000000049454e44ae426082";
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A silent recording of some milliseconds.
pub fn wav(ms: u32) -> Vec<u8> {
    let data = vec![0_u8; (ms * 16) as usize];
    let mut out = Vec::new();
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16_u32.to_le_bytes());
    for value in [1_u16, 1] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.extend_from_slice(&8_000_u32.to_le_bytes());
    out.extend_from_slice(&16_000_u32.to_le_bytes());
    for value in [2_u16, 16] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.extend_from_slice(b"data");
    out.extend_from_slice(&(data.len() as u32).to_le_bytes());
    out.extend_from_slice(&data);
    out
}
