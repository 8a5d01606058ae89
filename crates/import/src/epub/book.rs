//! Makes a course of a book: sections of its documents, lessons of its table of contents, stories of its narrations.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    path::Path,
};

use carrel_model::language_tag::language_tag;

use super::chapter::{Document, Finder, collect_notes, references};
use super::contents::{Contents, read_contents};
use super::overlay::{self, Clip};
use super::package::{Book, ManifestItem, open, read};
use crate::course::media::{MediaFolder, is_image};
use crate::course::{Block, Course, Lesson, Section, SectionContent, Story, StoryPage};
use crate::error::{Refusal, Result};
use crate::html::markdown::{MediaFile, TextOptions, blocks};
use crate::html::{Element, plain};
use crate::ids::{OriginalIds, id_of};
use crate::remark::{Remark, RemarkCode};
use crate::report::{Item, Level, Report};
use crate::text::escape::{escaped, plain_field};

/// A document with more characters is split at its headings.
const LONG_SECTION: usize = 40_000;
/// Maximum number of sentences of a story.
const MAX_SENTENCES: usize = 1_500;

/// A document of the spine that becomes a section.
struct Chapter {
    item: usize,
    id: String,
    title: String,
    document: Document,
    overlay: Option<String>,
}

/// Adds the book to the course.
pub(crate) fn add(
    path: &Path,
    stated_lang: Option<&str>,
    course: &mut Course,
    report: &mut Report,
    media: &mut MediaFolder,
) -> Result<()> {
    let book = open(path)?;
    describe(&book, stated_lang, course, report);
    let contents = read_contents(&book)?;
    let chapters = chapters(&book, &contents, report);
    if chapters.is_empty() {
        let reason = report.items.iter().find_map(|item| item.reasons.first());
        return Err(Refusal::broken(format!(
            "none of the {} documents of the book can be read{}",
            book.spine.len(),
            reason.map(|r| format!(": {r}")).unwrap_or_default()
        )));
    }
    let lessons = group(&chapters, &contents, course);
    let mut sections = BTreeMap::new();
    for (lesson, _, members) in &lessons {
        for index in members {
            let chapter = &chapters[*index];
            sections.insert(chapter.document.path.clone(), format!("{lesson}/{}", chapter.id));
        }
    }
    let mut notes = BTreeMap::new();
    for chapter in &chapters {
        collect_notes(&chapter.document, &mut notes);
    }
    let referred: BTreeSet<String> =
        chapters.iter().flat_map(|chapter| references(&chapter.document, &notes)).collect();
    let clips = clips(&book, &chapters, report)?;
    let shared = Shared { book: &book, sections: &sections, notes: &notes, referred: &referred };
    for (id, title, members) in lessons {
        let mut lesson = Lesson { id, title, sections: Vec::new() };
        for index in members {
            let chapter = &chapters[index];
            let story = story(chapter, &clips, &shared, course, report, media)?;
            add_sections(chapter, story, &shared, &mut lesson, report, media)?;
        }
        if !lesson.sections.is_empty() {
            course.lessons.push(lesson);
        }
    }
    if course.lessons.is_empty() {
        return Err(Refusal::empty("the documents of the book contain no text and no picture"));
    }
    if let Some(cover) = &book.cover
        && let Some(file) = media_file(&book, cover, media, usize::MAX)?
        && file.is_image
    {
        course.cover = Some((file.path, course.title.clone()));
    }
    Ok(())
}

fn describe(book: &Book, stated_lang: Option<&str>, course: &mut Course, report: &mut Report) {
    report.source_version.clone_from(&book.version);
    if !book.title.is_empty() {
        course.title.clone_from(&book.title);
    }
    let original = match book.identifier.as_str() {
        "" => report.file.clone(),
        identifier => identifier.to_owned(),
    };
    // Titles may change in a new edition; the identifier does not.
    course.id = id_of("book", &format!("epub:{original}"));
    match (stated_lang, language_tag(book.language.trim())) {
        (None, Ok(lang)) => course.lang = lang,
        (None, Err(_)) => report.note(RemarkCode::BookLanguage.with("lang", &course.lang)),
        (Some(_), _) => {}
    }
    course.description.clone_from(&book.description);
    course.authors.clone_from(&book.creators);
    if is_free_license(&book.rights) {
        course.license.clone_from(&book.rights);
    }
    let credits: Vec<String> = [&book.publisher, &book.rights, &book.identifier]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| escaped(&plain_field(text, 500)))
        .collect();
    course.credits = credits.join("\n\n");
    if book.is_fixed {
        report.note(RemarkCode::FixedLayout);
    }
    report.note(RemarkCode::StylesNotUsed);
}

/// Returns true if a statement of rights allows to pass the book on. Any other one is shown, but is no licence.
fn is_free_license(rights: &str) -> bool {
    let rights = rights.to_lowercase();
    let names = [
        "creative commons",
        "creativecommons.org",
        "cc by",
        "cc-by",
        "cc0",
        "public domain",
        "free documentation license",
        "free art license",
    ];
    names.iter().any(|name| rights.contains(name))
}

/// Returns the documents that become sections, with an item of the report for each entry of the spine.
fn chapters(book: &Book, contents: &Contents, report: &mut Report) -> Vec<Chapter> {
    let mut originals = OriginalIds::default();
    let mut list = Vec::new();
    for (number, id) in book.spine.iter().enumerate() {
        let index = report.items.len();
        let manifest = readable(book, id);
        let path = manifest.map(|m| m.path.clone()).unwrap_or_default();
        let label = contents.label(&path).map(str::to_owned);
        let name = label.clone().unwrap_or_else(|| path.clone());
        let original = if path.is_empty() { id.clone() } else { path.clone() };
        let mut item = Item::exact(original, "document", &name);
        match manifest.map(|manifest| document(book, manifest)) {
            None => item.lower(Level::Refused, RemarkCode::DocumentNotListed),
            Some(Err(reason)) => item.lower(Level::Refused, reason),
            Some(Ok(_)) if path == contents.path => {
                item.changed(RemarkCode::ContentsDocument);
            }
            Some(Ok(document)) => {
                let title = label.or_else(|| document.heading());
                let original = originals.unique(&path);
                let stem = path.rsplit('/').next().unwrap_or(&path);
                let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
                list.push(Chapter {
                    item: index,
                    id: id_of(stem, &original),
                    title: title.unwrap_or_else(|| (number + 1).to_string()),
                    document,
                    overlay: manifest.and_then(|m| m.overlay.clone()),
                });
            }
        }
        report.items.push(item);
    }
    list
}

/// Returns the entry of the manifest for a document, or the first of its fallbacks that can be shown.
fn readable<'b>(book: &'b Book, id: &str) -> Option<&'b ManifestItem> {
    let first = book.items.get(id)?;
    let mut item = first;
    for _ in 0..8 {
        if is_document(item) || item.media_type.starts_with("image/") {
            return Some(item);
        }
        match item.fallback.as_ref().and_then(|id| book.items.get(id)) {
            Some(next) => item = next,
            None => break,
        }
    }
    Some(first)
}

fn is_document(item: &ManifestItem) -> bool {
    matches!(
        item.media_type.as_str(),
        "application/xhtml+xml" | "text/html" | "text/x-oeb1-document"
    ) || item.media_type.is_empty() && item.path.ends_with("html")
}

fn document(book: &Book, item: &ManifestItem) -> std::result::Result<Document, Remark> {
    if item.path.is_empty() {
        return Err(RemarkCode::DocumentOutside.into());
    }
    if book.source.file(&item.path).is_none() {
        return Err(RemarkCode::DocumentMissing.with("name", &item.path));
    }
    if item.media_type.starts_with("image/") {
        let name = item.path.rsplit('/').next().unwrap_or_default();
        let html = format!("<html><body><img src=\"{}\"/></body></html>", name.replace('%', "%25"));
        return Ok(Document::new(&item.path, &html));
    }
    if !is_document(item) {
        return Err(RemarkCode::DocumentKind.with("kind", &item.media_type));
    }
    let text = read(&book.source, &item.path)
        .map_err(|refusal| RemarkCode::DocumentDamaged.because(&refusal.message))?;
    Ok(Document::new(&item.path, &text.unwrap_or_default()))
}

/// Groups the chapters to lessons: id, title, and indices of the chapters.
fn group(
    chapters: &[Chapter],
    contents: &Contents,
    course: &Course,
) -> Vec<(String, String, Vec<usize>)> {
    let mut lessons: Vec<(String, String, Vec<usize>)> = Vec::new();
    let has_parts = contents.has_parts();
    for (index, chapter) in chapters.iter().enumerate() {
        let top = contents.top_entry(&chapter.document.path).filter(|_| has_parts);
        let title = match top {
            Some(top) => Some(contents.entries[top].label.clone()),
            None if lessons.is_empty() => Some(course.title.clone()),
            None => None,
        };
        if let Some(title) = title {
            let original =
                format!("part:{}", if has_parts { chapter.document.path.as_str() } else { "" });
            lessons.push((id_of("part", &original), title, Vec::new()));
        }
        if let Some((_, _, members)) = lessons.last_mut() {
            members.push(index);
        }
    }
    lessons
}

/// The clips of all documents, in order, and which documents use each recording.
struct Clips {
    by_document: BTreeMap<String, Vec<Clip>>,
    users: BTreeMap<String, BTreeSet<String>>,
}

fn clips(book: &Book, chapters: &[Chapter], report: &mut Report) -> Result<Clips> {
    let mut all = Clips { by_document: BTreeMap::new(), users: BTreeMap::new() };
    let mut seen = BTreeSet::new();
    for chapter in chapters {
        let Some(id) = chapter.overlay.as_ref().filter(|id| seen.insert((*id).clone())) else {
            continue;
        };
        let Some(item) = book.items.get(id) else { continue };
        let text = match read(&book.source, &item.path)? {
            Some(text) => text,
            None => {
                report.items[chapter.item].changed(RemarkCode::NarrationTimesMissing);
                continue;
            }
        };
        match overlay::read(&text, &item.path) {
            Ok(clips) => {
                for clip in clips {
                    all.users.entry(clip.audio.clone()).or_default().insert(clip.document.clone());
                    all.by_document.entry(clip.document.clone()).or_default().push(clip);
                }
            }
            Err(refusal) => report.items[chapter.item]
                .changed(RemarkCode::NarrationDamaged.because(&refusal.message)),
        }
    }
    Ok(all)
}

/// What the conversion of every document needs.
struct Shared<'a> {
    book: &'a Book,
    sections: &'a BTreeMap<String, String>,
    notes: &'a BTreeMap<String, Element>,
    referred: &'a BTreeSet<String>,
}

/// Makes the story of a narrated document. Returns its id.
fn story(
    chapter: &Chapter,
    clips: &Clips,
    shared: &Shared<'_>,
    course: &mut Course,
    report: &mut Report,
    media: &mut MediaFolder,
) -> Result<Option<String>> {
    let Some(list) = clips.by_document.get(&chapter.document.path) else { return Ok(None) };
    let item = &mut report.items[chapter.item];
    if list.iter().any(|clip| clips.users.get(&clip.audio).is_some_and(|users| users.len() > 1)) {
        item.changed(RemarkCode::NarrationShared);
        return Ok(None);
    }
    let narrations = narrations(chapter.document.body(), list);
    let sentences: usize = narrations.iter().map(|(_, narration)| narration.cues.len()).sum();
    if sentences == 0 || sentences > MAX_SENTENCES {
        item.changed(RemarkCode::NarrationSentences.with("n", sentences));
        return Ok(None);
    }
    if sentences != overlay::narration(chapter.document.body(), list).cues.len() {
        item.changed(RemarkCode::NarrationParagraph);
        return Ok(None);
    }
    let estimated: usize = narrations.iter().map(|(_, narration)| narration.estimated).sum();
    let mut pages = Vec::new();
    for (audio, narration) in narrations {
        let file = media_file(shared.book, audio, media, chapter.item)?.filter(|f| !f.is_image);
        let Some(file) = file else {
            item.changed(RemarkCode::NarrationRecording);
            return Ok(None);
        };
        pages.push(StoryPage {
            image: None,
            narration: Some(file.path),
            paragraphs: narration.paragraphs,
            cues: narration.cues,
        });
    }
    if estimated > 0 {
        let remark = RemarkCode::TimesEstimated.with("estimated", estimated);
        item.changed(remark.with("sentences", sentences));
    }
    let image = chapter.document.body().find(&|e| matches!(e.name.as_str(), "img" | "image"));
    let address = image.and_then(|e| e.attribute("src").or(e.attribute("xlink:href")));
    let image_path = address.and_then(|a| {
        super::package::resolve(super::package::folder_of(&chapter.document.path), a)
    });
    let picture = match image_path {
        Some(path) => media_file(shared.book, &path, media, chapter.item)?.filter(|f| f.is_image),
        None => None,
    };
    let alt = image.and_then(|e| e.attribute("alt")).unwrap_or_default().to_owned();
    let id = id_of(&chapter.id, &format!("story:{}", chapter.document.path));
    if let Some(page) = pages.first_mut() {
        page.image = picture.map(|file| (file.path, alt));
    }
    course.stories.push(Story {
        id: id.clone(),
        title: chapter.title.clone(),
        pages,
        item: chapter.item,
    });
    Ok(Some(id))
}

/// Returns the narration of each recording, in the order of the clips. Each becomes a page, because a page has one
/// recording.
fn narrations<'c>(body: &Element, clips: &'c [Clip]) -> Vec<(&'c str, overlay::Narration)> {
    let mut recordings: Vec<&str> = Vec::new();
    for clip in clips {
        if !recordings.contains(&clip.audio.as_str()) && recordings.len() < MAX_SENTENCES {
            recordings.push(&clip.audio);
        }
    }
    let narration = |audio: &str| {
        let clips: Vec<Clip> = clips.iter().filter(|clip| clip.audio == audio).cloned().collect();
        overlay::narration(body, &clips)
    };
    recordings.into_iter().map(|audio| (audio, narration(audio))).collect()
}

/// Converts a document to one or several sections.
fn add_sections(
    chapter: &Chapter,
    story: Option<String>,
    shared: &Shared<'_>,
    lesson: &mut Lesson,
    report: &mut Report,
    media: &mut MediaFolder,
) -> Result<()> {
    let mut failure = None;
    let mut find = |path: &str| match media_file(shared.book, path, media, chapter.item) {
        Ok(file) => file,
        Err(refusal) => {
            failure = Some(refusal);
            None
        }
    };
    let mut finder = Finder {
        path: &chapter.document.path,
        media: &mut find,
        sections: shared.sections,
        notes: shared.notes,
        used: Vec::new(),
        referred: shared.referred,
    };
    let body = chapter.document.body();
    let (parts, _, mut losses) =
        blocks(body, TextOptions { heading: 1, ..TextOptions::default() }, &mut finder);
    let mut list: Vec<Block> = parts
        .into_iter()
        .map(|markdown| Block { plain: readable_source(&markdown), markdown, item: chapter.item })
        .collect();
    let used = std::mem::take(&mut finder.used);
    let mut footnotes = Vec::new();
    for (number, key) in used.iter().enumerate() {
        let Some(note) = shared.notes.get(key) else { continue };
        finder.path = key.split('#').next().unwrap_or_default();
        let options = TextOptions { single_line: true, ..TextOptions::default() };
        let (parts, _, more) = blocks(note, options, &mut finder);
        losses.extend(more);
        footnotes.push(Block {
            markdown: format!("[^n{}]: {}", number + 1, parts.join(" ")),
            plain: plain::plain(note),
            item: chapter.item,
        });
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    let item = &mut report.items[chapter.item];
    for loss in losses {
        item.changed(loss.reason());
    }
    if list.is_empty() && story.is_none() {
        item.changed(RemarkCode::DocumentEmpty);
        return Ok(());
    }
    if let Some(story) = story {
        let markdown =
            format!("![{}](<stories/{story}>)", escaped(&plain_field(&chapter.title, 200)));
        list.insert(0, Block { markdown, plain: chapter.title.clone(), item: chapter.item });
    }
    let lang = chapter.document.language().and_then(|lang| language_tag(lang).ok());
    item.target = Some(format!("{}/{}", lesson.id, chapter.id));
    // A footnote belongs to the text that refers to it.
    let parts = if footnotes.is_empty() { split_long(list) } else { vec![list] };
    for (number, mut blocks) in parts.into_iter().enumerate() {
        let (mut id, mut title) = (chapter.id.clone(), chapter.title.clone());
        if number > 0 {
            id = format!("{id}-{}", number + 1);
            title = heading_of(&blocks).unwrap_or_else(|| format!("{title} ({})", number + 1));
        } else {
            blocks.append(&mut footnotes);
        }
        lesson.sections.push(Section {
            id,
            title,
            lang: lang.clone(),
            content: SectionContent::Text(blocks),
        });
    }
    Ok(())
}

/// Returns Markdown of this crate without its marks, for a text that the compiler refuses.
fn readable_source(markdown: &str) -> String {
    if let Some(rest) = markdown.strip_prefix("![") {
        let alt = rest.split("](").next().unwrap_or_default();
        return crate::html::parse(alt, crate::html::Syntax::Html).text();
    }
    let text = markdown.replace("<br>", "\n").replace(['*', '`', '#'], "");
    crate::html::parse(&text.replace('\\', ""), crate::html::Syntax::Html).text()
}

/// Splits a long text at its highest heading that occurs more than once.
fn split_long(blocks: Vec<Block>) -> Vec<Vec<Block>> {
    let length: usize = blocks.iter().map(|block| block.markdown.len()).sum();
    let level = |block: &Block| {
        let marks = block.markdown.bytes().take_while(|b| *b == b'#').count();
        (marks > 0 && block.markdown[marks..].starts_with(' ')).then_some(marks)
    };
    let counts = |wanted: usize| blocks.iter().filter(|b| level(b) == Some(wanted)).count();
    let split = (1..=3).find(|n| counts(*n) > 1).filter(|_| length > LONG_SECTION);
    let Some(split) = split else { return vec![blocks] };
    let mut parts: Vec<Vec<Block>> = vec![Vec::new()];
    for block in blocks {
        let starts = level(&block) == Some(split);
        let has_text = parts.last().is_some_and(|part| part.iter().any(|b| level(b).is_none()));
        if starts && has_text {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(block);
        }
    }
    parts
}

fn heading_of(blocks: &[Block]) -> Option<String> {
    let first = blocks.first()?;
    let title = first.markdown.trim_start_matches('#').trim();
    Some(readable_source(title)).filter(|title| !title.is_empty())
}

/// Adds a media file of the book to the package; `None` if it is missing or of another kind.
fn media_file(
    book: &Book,
    path: &str,
    media: &mut MediaFolder,
    item: usize,
) -> Result<Option<MediaFile>> {
    let Some((file, _)) = book.source.file(path) else { return Ok(None) };
    let mut head = vec![0; 4_096];
    let n = fs::File::open(file)?.read(&mut head)?;
    let Some(is_image) = is_image(&head[..n]) else { return Ok(None) };
    let path = media.add_file(file, path, item)?;
    Ok(Some(MediaFile { path, is_image }))
}
