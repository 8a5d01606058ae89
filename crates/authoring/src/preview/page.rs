//! The pages of the preview: a list of all packages with their problems, and the content of one package in reading
//! order.
//!
//! HTML of compiled content is sanitised by the compiler; all other text is escaped here.

use std::fmt::Write;

use carrel_model::{
    BlobHash,
    content::{
        AudioRef, Block, CourseOutline, Dir, Gap, ImageRef, ManifestContent, QuestionKind, Quiz,
        SectionBody, Story, VocabularyEntry,
    },
};
use serde::de::DeserializeOwned;

use crate::{
    report::{CheckedPackage, severity_name},
    snapshot::Snapshot,
};

/// Maximum width of an image in pixels; wider variants are not needed on the page.
const MAX_IMAGE_WIDTH: u32 = 1280;

/// Returns the list of all packages.
pub(super) fn index(snapshot: &Snapshot) -> String {
    let mut body = String::from("<h1>Preview</h1>");
    for (n, package) in snapshot.report.packages.iter().enumerate() {
        let name = package.identity.as_ref().map_or(&package.path, |identity| &identity.title);
        let _ = match snapshot.manifests.contains_key(&n) {
            true => write!(body, "<h2><a href=\"/package/{n}\">{}</a></h2>", escaped(name)),
            false => write!(body, "<h2>{}</h2>", escaped(name)),
        };
        problems(&mut body, package);
    }
    if snapshot.generation == 0 {
        body.push_str("<p>The first check is not finished.</p>");
    } else if snapshot.report.packages.is_empty() {
        body.push_str("<p>There is no package.</p>");
    }
    document("Preview", snapshot.generation, &body)
}

/// Returns the content of a package without errors, and the problems of any package.
pub(super) fn package(snapshot: &Snapshot, index: usize) -> Option<String> {
    let package = snapshot.report.packages.get(index)?;
    let mut body = String::from("<p><a href=\"/\">All packages</a></p>");
    problems(&mut body, package);
    let mut title = package.path.as_str();
    if let Some(manifest) = snapshot.manifests.get(&index) {
        title = manifest.title();
        let mut page = Page { snapshot, out: &mut body };
        match &manifest.content {
            ManifestContent::Course { meta, outline } => {
                page.heading(1, &meta.title);
                page.course(outline);
                page.out.push_str(&meta.credits);
            }
            ManifestContent::Story { body, .. } => page.story(*body, 1),
        }
    }
    Some(document(title, snapshot.generation, &body))
}

fn document(title: &str, generation: u64, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\" data-generation=\"{generation}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\
         <link rel=\"stylesheet\" href=\"/preview.css\"><script src=\"/preview.js\" defer></script></head>\
         <body>{body}</body></html>",
        escaped(title)
    )
}

fn problems(out: &mut String, package: &CheckedPackage) {
    if package.problems.is_empty() {
        return;
    }
    out.push_str("<ul class=\"problems\">");
    for problem in &package.problems {
        let severity = severity_name(problem.severity);
        let _ = write!(out, "<li class=\"{severity}\">{}</li>", escaped(&package.line(problem)));
    }
    out.push_str("</ul>");
}

struct Page<'a> {
    snapshot: &'a Snapshot,
    out: &'a mut String,
}

impl Page<'_> {
    /// Reads a compiled body. A body that is missing was replaced by a later check.
    fn body<T: DeserializeOwned>(&self, hash: BlobHash) -> Option<T> {
        let (path, _) = self.snapshot.blobs.get(&hash)?;
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    fn heading(&mut self, level: usize, title: &str) {
        let _ = write!(self.out, "<h{level}>{}</h{level}>", escaped(title));
    }

    fn open(&mut self, class: &str, lang: &str, dir: Dir) {
        let dir = if dir == Dir::Rtl { "rtl" } else { "ltr" };
        let _ =
            write!(self.out, "<div class=\"{class}\" lang=\"{}\" dir=\"{dir}\">", escaped(lang));
    }

    fn course(&mut self, outline: &CourseOutline) {
        for lesson in &outline.lessons {
            self.heading(2, &lesson.title);
            if !lesson.summary.is_empty() {
                let _ = write!(self.out, "<p>{}</p>", escaped(&lesson.summary));
            }
            for section in &lesson.sections {
                self.heading(3, &section.title);
                let Some(body) = self.body::<SectionBody>(section.body) else { continue };
                self.open("section", &body.lang, body.dir);
                body.blocks.iter().for_each(|block| self.block(block));
                self.out.push_str("</div>");
            }
        }
        let vocabulary: Option<Vec<VocabularyEntry>> =
            outline.vocabulary.and_then(|hash| self.body(hash));
        self.vocabulary(&vocabulary.unwrap_or_default());
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::RichText { html } => self.out.push_str(html),
            Block::Math { mathml, .. } => {
                let _ = write!(self.out, "<p>{mathml}</p>");
            }
            Block::Image { image } => self.image(image),
            Block::Audio { audio } => self.audio(audio),
            Block::Video { video } => {
                let _ = write!(
                    self.out,
                    "<figure><video controls preload=\"metadata\" src=\"/blob/{}\"></video>\
                     <figcaption>{}</figcaption></figure>{}",
                    video.blob.hash,
                    escaped(&video.title),
                    video.transcript
                );
            }
            Block::Code { text, .. } => {
                let _ = write!(self.out, "<pre><code>{}</code></pre>", escaped(text));
            }
            Block::Quiz { body, .. } => self.quiz(*body),
            Block::Story { body, .. } => self.story(*body, 4),
        }
    }

    fn image(&mut self, image: &ImageRef) {
        let fits = image.variants.iter().rev().find(|v| v.width <= MAX_IMAGE_WIDTH);
        let Some(variant) = fits.or(image.variants.first()) else { return };
        let _ = write!(
            self.out,
            "<figure><img src=\"/blob/{}\" alt=\"{}\" width=\"{}\" height=\"{}\" loading=\"lazy\">\
             <figcaption>{}</figcaption></figure>",
            variant.blob.hash,
            escaped(&image.alt),
            image.width,
            image.height,
            escaped(&image.caption)
        );
    }

    fn audio(&mut self, audio: &AudioRef) {
        let _ = write!(
            self.out,
            "<figure><audio controls preload=\"metadata\" src=\"/blob/{}\"></audio>\
             <figcaption>{}</figcaption></figure>{}",
            audio.blob.hash,
            escaped(&audio.title),
            audio.transcript
        );
    }

    fn quiz(&mut self, hash: BlobHash) {
        let Some(quiz) = self.body::<Quiz>(hash) else { return };
        self.open("quiz", &quiz.lang, quiz.dir);
        self.heading(4, &quiz.title);
        self.out.push_str("<ol>");
        for question in &quiz.questions {
            let _ = write!(self.out, "<li><p>{}</p>", question.prompt);
            question.image.iter().for_each(|image| self.image(image));
            question.audio.iter().for_each(|audio| self.audio(audio));
            self.answers(&question.kind);
            let _ = write!(self.out, "<p class=\"meta\">{}</p></li>", question.explanation);
        }
        self.out.push_str("</ol></div>");
    }

    fn answers(&mut self, kind: &QuestionKind) {
        let _ = write!(self.out, "<ul>{}</ul>", answers(kind).concat());
    }

    fn story(&mut self, hash: BlobHash, level: usize) {
        let Some(story) = self.body::<Story>(hash) else { return };
        self.open("story", &story.lang, story.dir);
        self.heading(level, &story.title);
        for page in &story.pages {
            self.out.push_str("<div class=\"page\">");
            page.image.iter().for_each(|image| self.image(image));
            page.narration.iter().for_each(|audio| self.audio(audio));
            for (n, sentence) in page.sentences.iter().enumerate() {
                let start = match (sentence.paragraph, n) {
                    (_, 0) => "<p>",
                    (true, _) => "</p><p>",
                    (false, _) => " ",
                };
                let _ = write!(self.out, "{start}<span>{}</span>", escaped(&sentence.text));
            }
            self.out.push_str(if page.sentences.is_empty() { "</div>" } else { "</p></div>" });
        }
        self.vocabulary(&story.vocabulary);
        if let Some(quiz) = &story.quiz {
            self.quiz(quiz.body);
        }
        let _ = write!(self.out, "<div class=\"meta\">{}</div></div>", story.credits);
    }

    fn vocabulary(&mut self, entries: &[VocabularyEntry]) {
        if entries.is_empty() {
            return;
        }
        self.heading(4, "Vocabulary");
        self.out.push_str("<dl>");
        for entry in entries {
            let (word, meaning) = (escaped(&entry.word), escaped(&entry.meaning));
            let _ = write!(self.out, "<dt>{word}</dt><dd>{meaning}</dd>");
        }
        self.out.push_str("</dl>");
    }
}

/// Escapes text for HTML, also in attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Returns the choices, accepted answers, items or pairs of a question as items of a list.
fn answers(kind: &QuestionKind) -> Vec<String> {
    let right = |text: String| format!("<li class=\"correct\">{text}</li>");
    match kind {
        QuestionKind::Single { choices } | QuestionKind::Multiple { choices } => choices
            .iter()
            .map(|choice| {
                let (class, mark) = if choice.correct { ("correct", "✓ ") } else { ("", "") };
                let (text, feedback) = (&choice.text, &choice.feedback);
                format!(
                    "<li class=\"{class}\">{mark}{text} <span class=\"meta\">{feedback}</span></li>"
                )
            })
            .collect(),
        QuestionKind::Fill { blanks, .. } => {
            blanks.iter().map(|blank| right(escaped(&blank.join(" / ")))).collect()
        }
        QuestionKind::Numeric { answers, .. } => answers
            .iter()
            .map(|answer| {
                let mut text = answer.value.clone();
                if let Some(to) = &answer.to {
                    let _ = write!(text, " … {to}");
                }
                if let Some(tolerance) = &answer.tolerance {
                    let times = if answer.relative { " ×" } else { "" };
                    let _ = write!(text, " ±{times} {tolerance}");
                }
                let text = escaped(&format!("{text} {}", answer.unit));
                right(format!("{text} ({} %)", answer.percent))
            })
            .collect(),
        QuestionKind::Cloze { gaps } => {
            let inner = |gap: &Gap| format!("<li><ul>{}</ul></li>", answers(&gap.kind).concat());
            gaps.iter().map(inner).collect()
        }
        QuestionKind::Order { items } => {
            items.iter().map(|item| format!("<li>{item}</li>")).collect()
        }
        QuestionKind::Match { pairs } => {
            pairs.iter().map(|(a, b)| format!("<li>{a} — {b}</li>")).collect()
        }
        QuestionKind::Hotspot { regions } => regions
            .iter()
            .map(|region| match region.correct {
                true => right(format!("✓ {}", region.label)),
                false => format!("<li>{}</li>", region.label),
            })
            .collect(),
        QuestionKind::Unknown => Vec::new(),
    }
}
