//! A small valid course, functions that change it, and zips written byte by byte.

#![allow(dead_code)]

use std::{collections::BTreeMap, convert::Infallible, path::Path};

use carrel_model::{
    BlobHash,
    content::{Manifest, SectionBody, Story},
    search_text::{BodyReader, SearchText, search_text},
};
use carrel_package::{Compiled, Compiler, Limits, MemorySink, Options, Problem, find};

/// File contents by path.
#[derive(Debug, Clone, Default)]
pub struct Tree(pub BTreeMap<String, Vec<u8>>);

pub const COURSE: &str = r##"{
  "format": "carrel-course/1",
  "id": "small",
  "title": "A Small Course",
  "description": "To test with.",
  "lang": "en",
  "difficulty": "BEGINNER",
  "category": "Tests",
  "tags": ["one", "two"],
  "hours": 1.5,
  "authors": ["A. Uthor"],
  "license": "CC0-1.0",
  "credits": "By *hand*.",
  "cover": { "color": "#28505A", "ornament": "waves" },
  "vocabulary": "vocabulary.json",
  "stories": ["stories/tale"],
  "lessons": [
    {
      "id": "one",
      "title": "First",
      "summary": "About.",
      "sections": [
        { "id": "read", "type": "TEXT", "title": "Read", "file": "one/read.md", "minutes": 6 },
        { "id": "check", "type": "QUIZ", "title": "Check", "quiz": "one/check.json", "minutes": 4 }
      ]
    }
  ]
}
"##;

pub const READ: &str = r##"# Why

A [bend](word:bend) with $a^2$ in it, see [the check](section:one/check).

![A blue square](../media/square.png "Blue")

![Rain](../media/rain.wav)

```python editable
print(1)
```

$$
\frac{a}{b}
$$

![A tale](../stories/tale)
"##;

pub const CHECK: &str = r##"{
  "format": "carrel-quiz/1",
  "id": "check",
  "title": "Check",
  "pass": 60,
  "questions": [
    { "id": "a", "kind": "single", "prompt": "Which **one**?",
      "choices": [
        { "id": "x", "text": "This", "correct": true },
        { "id": "y", "text": "That", "feedback": "No." }
      ],
      "explanation": "Because." },
    { "id": "b", "kind": "multiple", "prompt": "Which?", "points": 2,
      "choices": [ { "id": "x", "text": "1", "correct": true }, { "id": "y", "text": "2", "correct": true } ] },
    { "id": "c", "kind": "fill", "prompt": "A ___ lake.", "blanks": [["oxbow", "ox-bow"]] },
    { "id": "d", "kind": "order", "prompt": "Order.", "items": ["1", "2"] },
    { "id": "e", "kind": "match", "prompt": "Match.",
      "pairs": [["a", "b"], ["c", "d"]] }
  ]
}
"##;

pub const VOCABULARY: &str = r##"{ "format": "carrel-vocabulary/1", "lang": "en", "entries": [
  { "id": "bend", "word": "bend", "meaning": "A curve.",
    "translations": { "fr": "courbe" } },
  { "id": "lamp", "word": "lamp", "meaning": "A light." }
] }
"##;

pub const STORY: &str = r##"{
  "format": "carrel-story/1",
  "id": "tale",
  "title": "A Tale",
  "lang": "en",
  "level": 2,
  "license": "CC0-1.0"
}
"##;

pub const TALE: &str = r##"# A Tale

##
![A square](01.png)
![Narration](01.wav)

She lights a [lamp](word:lamp). It burns.

##
The end.
"##;

pub const VTT: &str =
    "WEBVTT\n\n00:00.000 --> 00:00.400\nShe lights a lamp.\n\n00:00.400 --> 00:01.000\nIt burns.\n";

/// Returns a valid course in which every file is used.
pub fn course() -> Tree {
    let mut tree = Tree::default();
    tree.put("course.json", COURSE);
    tree.put("one/read.md", READ);
    tree.put("one/check.json", CHECK);
    tree.put("vocabulary.json", VOCABULARY);
    tree.put("media/square.png", png(60, 40));
    tree.put("media/rain.wav", wav(1000));
    tree.put("media/rain.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nRain.\n");
    tree.put("media/rain.md", "Rain *falls*.");
    tree.put("stories/tale/story.json", STORY);
    tree.put("stories/tale/story.md", TALE);
    tree.put("stories/tale/01.png", png(40, 40));
    tree.put("stories/tale/01.wav", wav(1000));
    tree.put("stories/tale/01.vtt", VTT);
    tree
}

/// Returns a valid story that is a separate package.
pub fn story() -> Tree {
    let mut tree = Tree::default();
    tree.put(
        "story.json",
        STORY.replace("\"level\": 2,", "\"level\": 2, \"vocabulary\": \"vocabulary.json\","),
    );
    tree.put("vocabulary.json", VOCABULARY);
    tree.put("story.md", TALE);
    tree.put("01.png", png(40, 40));
    tree.put("01.wav", wav(1000));
    tree.put("01.vtt", VTT);
    tree
}

impl Tree {
    pub fn put(&mut self, path: &str, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.insert(path.to_owned(), bytes.as_ref().to_vec());
        self
    }
    pub fn remove(&mut self, path: &str) -> &mut Self {
        assert!(self.0.remove(path).is_some(), "{path} does not exist");
        self
    }
    /// Replaces the first `from` in a text file.
    pub fn edit(&mut self, path: &str, from: &str, to: &str) -> &mut Self {
        let text = String::from_utf8(self.0[path].clone()).unwrap();
        assert!(text.contains(from), "{path} has no {from:?}");
        self.put(path, text.replacen(from, to, 1))
    }
    pub fn write(&self, root: &Path) {
        self.write_in_order(root, self.0.keys());
    }
    pub fn write_in_order<'a>(&self, root: &Path, order: impl Iterator<Item = &'a String>) {
        for path in order {
            let file = root.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, &self.0[path]).unwrap();
        }
    }
    /// Returns a zip with stored entries, sorted by name.
    pub fn zip(&self) -> Vec<u8> {
        zip(&self.0.iter().map(|(name, bytes)| Entry::stored(name, bytes)).collect::<Vec<_>>())
    }
}

/// Compiles the only package at a path.
pub fn compile(path: &Path) -> Result<(Compiled, MemorySink), Vec<Problem>> {
    compile_with(path, &Limits::default())
}

pub fn compile_with(path: &Path, limits: &Limits) -> Result<(Compiled, MemorySink), Vec<Problem>> {
    let packages = find(path, limits)?.packages;
    assert_eq!(packages.len(), 1);
    let mut sink = MemorySink::default();
    let compiled = Compiler::new(Options { limits: *limits, ..Options::default() })
        .compile(&packages[0], &mut sink);
    assert!(compiled.is_ok() || sink.blobs.is_empty(), "an invalid package wrote blobs");
    compiled.map(|c| (c, sink))
}

pub fn compile_tree(tree: &Tree) -> Result<(Compiled, MemorySink), Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    tree.write(folder.path());
    compile(folder.path())
}

/// Returns the texts of the search index, as derived by server and client.
pub fn search_texts(manifest: &Manifest, sink: &MemorySink) -> Vec<SearchText> {
    let Ok(texts) = search_text(manifest, &mut Bodies(sink));
    texts
}

struct Bodies<'a>(&'a MemorySink);

impl BodyReader for Bodies<'_> {
    type Error = Infallible;
    fn section(&mut self, hash: BlobHash) -> Result<Option<SectionBody>, Infallible> {
        Ok(self.0.json(hash))
    }
    fn story(&mut self, hash: BlobHash) -> Result<Option<Story>, Infallible> {
        Ok(self.0.json(hash))
    }
}

/// Returns an image without uniform areas.
pub fn photo() -> image::DynamicImage {
    image::RgbImage::from_fn(320, 240, |x, y| {
        image::Rgb([(x * 7 + y * 3) as u8, (x ^ y) as u8, (y * 5) as u8])
    })
    .into()
}

/// Returns a PNG with varying colours.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x % 256) as u8, (y % 256) as u8, ((x * y) % 251) as u8])
    });
    encoded(&image.into(), image::ImageFormat::Png)
}

pub fn encoded(image: &image::DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    image.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// Returns a 16 bit mono WAV of `ms` milliseconds.
pub fn wav(ms: u32) -> Vec<u8> {
    let samples = 8 * ms;
    let data = samples * 2;
    let mut out = b"RIFF".to_vec();
    out.extend((36 + data).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16u32.to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(8000u32.to_le_bytes());
    out.extend(16000u32.to_le_bytes());
    out.extend(2u16.to_le_bytes());
    out.extend(16u16.to_le_bytes());
    out.extend(b"data");
    out.extend(data.to_le_bytes());
    out.extend((0..samples).flat_map(|n| ((n % 100) as i16 * 50).to_le_bytes()));
    out
}

/// An entry of a zip. Tests can set each field to a false value.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    pub size: u32,
    pub crc: u32,
    pub unix_mode: u32,
    /// Extra fields of the central directory.
    pub extra: Vec<u8>,
}

impl Entry {
    pub fn stored(name: &str, data: &[u8]) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            data: data.to_vec(),
            method: 0,
            // Flag: the name is UTF-8.
            flags: 0x800,
            size: data.len() as u32,
            crc: crc32(data),
            unix_mode: 0o100_644,
            extra: Vec::new(),
        }
    }
    /// Stores the name in any encoding, without the flag for UTF-8.
    pub fn named(name: &[u8], data: &[u8]) -> Self {
        Self { name: name.to_vec(), flags: 0, ..Self::stored("", data) }
    }
    /// Adds an Info-ZIP Unicode Path for the stored name `of`.
    pub fn with_unicode_path(mut self, of: &[u8], path: &str) -> Self {
        self.extra.extend(0x7075u16.to_le_bytes());
        self.extra.extend((5 + path.len() as u16).to_le_bytes());
        self.extra.push(1);
        self.extra.extend(crc32(of).to_le_bytes());
        self.extra.extend(path.as_bytes());
        self
    }
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 },
        )
    })
}

pub fn zip(entries: &[Entry]) -> Vec<u8> {
    let (mut out, mut table) = (Vec::new(), Vec::new());
    for e in entries {
        let offset = out.len() as u32;
        let mut common = Vec::new();
        common.extend(20u16.to_le_bytes());
        common.extend(e.flags.to_le_bytes());
        common.extend(e.method.to_le_bytes());
        common.extend([0, 0, 0x21, 0]);
        common.extend(e.crc.to_le_bytes());
        common.extend((e.data.len() as u32).to_le_bytes());
        common.extend(e.size.to_le_bytes());
        common.extend((e.name.len() as u16).to_le_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend([0, 0]);
        out.extend(&e.name);
        out.extend(&e.data);
        table.extend(b"PK\x01\x02\x14\x03");
        table.extend(&common);
        table.extend((e.extra.len() as u16).to_le_bytes());
        table.extend([0; 6]);
        table.extend((e.unix_mode << 16).to_le_bytes());
        table.extend(offset.to_le_bytes());
        table.extend(&e.name);
        table.extend(&e.extra);
    }
    let start = out.len() as u32;
    out.extend(&table);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((table.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// Returns `length` zero bytes as raw deflate data, produced by the zip writer.
pub fn deflated_zeros(length: usize) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    writer.start_file("z", options).unwrap();
    writer.write_all(&vec![0; length]).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    let table = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let name = u16::from_le_bytes([bytes[26], bytes[27]]) as usize
        + u16::from_le_bytes([bytes[28], bytes[29]]) as usize;
    bytes[30 + name..table].to_vec()
}
