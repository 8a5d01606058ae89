//! Makes a course of a collection: a word for each note (for each cloze of a cloze note), a lesson for each deck.

use std::{collections::BTreeMap, fs};

use super::archive::{Archive, Media};
use super::collection::{Card, Collection, Note, NoteType};
use super::template::{Values, cloze_numbers, render};
use crate::course::media::{MediaFolder, is_image};
use crate::course::{Block, Course, Lesson, Section, SectionContent, Word};
use crate::error::{Refusal, Result};
use crate::html::{Element, Node, Syntax, parse, plain};
use crate::ids::id_of;
use crate::remark::RemarkCode;
use crate::report::{Item, Level, Report};
use crate::text::escape::{escaped, plain_field, without_links};

/// Maximum number of words of one section.
const SECTION_WORDS: usize = 100;
/// Maximum number of words of a course, and of the bytes of their texts: the vocabulary is one file of 8 MiB.
const MAX_WORDS: usize = 30_000;
const MAX_WORD_BYTES: usize = 6 << 20;
/// Maximum number of characters of a word and of a meaning.
const MAX_WORD: usize = 300;
const MAX_MEANING: usize = 4_000;

/// Adds the words to the course. Returns the id of the word of each card.
pub(crate) fn add(
    archive: &Archive,
    collection: &Collection,
    course: &mut Course,
    report: &mut Report,
    media: &mut MediaFolder,
) -> Result<BTreeMap<i64, String>> {
    refuse_decoy(collection)?;
    let mut cards: BTreeMap<i64, Vec<&Card>> = BTreeMap::new();
    for card in &collection.cards {
        cards.entry(card.note).or_default().push(card);
    }
    let mut words_of_cards = BTreeMap::new();
    // Words in the order of decks.
    let mut decks: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut bytes = 0;
    for note in &collection.notes {
        let cards = cards.get(&note.id).map(Vec::as_slice).unwrap_or_default();
        let Some(note_type) = collection.note_types.get(&note.note_type) else {
            let mut item =
                Item::exact(&note.guid, "note", note.fields.first().map_or("", String::as_str));
            item.lower(Level::Refused, RemarkCode::NoteTypeMissing);
            report.items.push(item);
            continue;
        };
        let mut groups: Vec<Vec<&Card>> = match note_type.is_cloze {
            true => cards.iter().map(|card| vec![*card]).collect(),
            false if cards.is_empty() => Vec::new(),
            false => vec![cards.to_vec()],
        };
        let example;
        if groups.is_empty() {
            // A note without cards in the package; its first card is made.
            let ordinal =
                cloze_numbers(&note.fields.join(" ")).first().map_or(0, |n| n.saturating_sub(1));
            example = Card { id: 0, note: note.id, deck: 0, ordinal };
            groups.push(vec![&example]);
        }
        for group in groups {
            let deck = group
                .iter()
                .find_map(|card| collection.decks.get(&card.deck))
                .cloned()
                .unwrap_or_else(|| course.title.clone());
            let Some(word) = word(note, note_type, &group, &deck, archive, report, media)? else {
                continue;
            };
            bytes += word.word.len() + word.meaning.len() + word.pronunciation.len() + 200;
            if course.words.len() >= MAX_WORDS || bytes > MAX_WORD_BYTES {
                return Err(Refusal::limit(format!(
                    "the package has more words than a course can have ({MAX_WORDS} words, {MAX_WORD_BYTES} bytes)"
                )));
            }
            for card in &group {
                words_of_cards.insert(card.id, word.id.clone());
            }
            decks.entry(deck).or_default().push(course.words.len());
            course.words.push(word);
        }
    }
    if course.words.is_empty() {
        return Err(Refusal::empty("the package contains no note that can be read"));
    }
    lessons(decks, course, report);
    if collection.review_count > 0 && collection.reviews.is_empty() {
        report.note(RemarkCode::ReviewsNotImported.with("n", collection.review_count));
    }
    report.note(RemarkCode::MediaListed.with("n", archive.media_count()));
    report.note(RemarkCode::DeckSettings);
    report.source_version = format!("{} (schema {})", archive.form, collection.schema);
    Ok(words_of_cards)
}

/// Refuses the note that new packages contain for old versions of Anki.
fn refuse_decoy(collection: &Collection) -> Result<()> {
    let [note] = &collection.notes[..] else { return Ok(()) };
    let is_decoy =
        note.fields.iter().any(|field| field.contains("Please update to the latest Anki version"));
    if is_decoy {
        return Err(Refusal::broken(
            "the package contains only the note of Anki that asks for an update; its real database is missing",
        ));
    }
    Ok(())
}

fn lessons(decks: BTreeMap<String, Vec<usize>>, course: &mut Course, report: &mut Report) {
    for (deck, words) in decks {
        let title = deck.replace("::", " · ");
        let lesson_id = id_of(&title, &format!("deck:{deck}"));
        let mut sections = Vec::new();
        let count = words.len().div_ceil(SECTION_WORDS);
        for (number, chunk) in words.chunks(SECTION_WORDS).enumerate() {
            let id = if number == 0 { "words".to_owned() } else { format!("words-{}", number + 1) };
            let blocks = chunk
                .iter()
                .map(|index| {
                    let word = &course.words[*index];
                    if let Some(item) = report.items.get_mut(word.item)
                        && item.level != Level::Refused
                    {
                        item.target = Some(format!("{lesson_id}/{id}/{}", word.id));
                    }
                    let meaning = plain_field(&word.meaning, 200);
                    Block {
                        markdown: format!(
                            "- [{}](word:{}): {}",
                            escaped(&word.word),
                            word.id,
                            escaped(&meaning)
                        ),
                        plain: format!("{}: {meaning}", word.word),
                        item: word.item,
                    }
                })
                .collect();
            let title = if count > 1 { format!("{title} ({})", number + 1) } else { title.clone() };
            sections.push(Section { id, title, lang: None, content: SectionContent::Text(blocks) });
        }
        course.lessons.push(Lesson { id: lesson_id, title, sections });
    }
}

/// Makes the word of a note, or of a cloze, and its item of the report; `None` if it is refused.
fn word(
    note: &Note,
    note_type: &NoteType,
    cards: &[&Card],
    deck: &str,
    archive: &Archive,
    report: &mut Report,
    media: &mut MediaFolder,
) -> Result<Option<Word>> {
    let Some(card) = cards.first() else { return Ok(None) };
    let index = report.items.len();
    let title = note.fields.first().map(|field| plain::to_plain(field)).unwrap_or_default();
    let kind = if note_type.is_cloze { "cloze" } else { "note" };
    let original = match note_type.is_cloze {
        true => format!("{}#{}", note.guid, card.ordinal + 1),
        false => note.guid.clone(),
    };
    let mut item = Item::exact(original.clone(), kind, &title);
    let template = match note_type.is_cloze {
        true => note_type.templates.first(),
        false => note_type.templates.get(card.ordinal as usize),
    };
    let Some((name, question, answer)) = template else {
        item.lower(Level::Refused, RemarkCode::CardTemplateMissing);
        report.items.push(item);
        return Ok(None);
    };
    let mut values = Values {
        fields: note_type
            .fields
            .iter()
            .map(String::as_str)
            .zip(note.fields.iter().map(String::as_str))
            .collect(),
        front: None,
        cloze: if note_type.is_cloze { card.ordinal + 1 } else { 0 },
        deck,
        tags: &note.tags,
        note_type: &note_type.name,
        card: name,
    };
    let front_html = render(question, &values);
    values.front = Some(&front_html);
    let back_html = render(answer, &values);
    let (front, back) = (Side::read(&front_html, &mut item), Side::read(&back_html, &mut item));
    let mut meaning = without_front(&back.text, &front.text);
    let mut text = front.text.clone();
    if text.is_empty() {
        item.changed(RemarkCode::FrontEmpty);
        text.clone_from(&meaning);
    }
    if text.is_empty() {
        item.lower(Level::Refused, RemarkCode::CardEmpty);
        report.items.push(item);
        return Ok(None);
    }
    if meaning.is_empty() {
        item.changed(RemarkCode::BackEmpty);
        meaning.clone_from(&text);
    }
    if cards.len() > 1 {
        item.changed(RemarkCode::CardsJoined.with("n", cards.len()));
    }
    if text.chars().count() > MAX_WORD || meaning.chars().count() > MAX_MEANING {
        item.changed(RemarkCode::LongText);
    }
    let mut word = Word {
        id: id_of("w", &original),
        word: plain_field(&text, MAX_WORD),
        pronunciation: plain_field(&front.reading.or(back.reading).unwrap_or_default(), MAX_WORD),
        meaning: without_links(&meaning)
            .chars()
            .filter(|c| !c.is_control() || *c == '\n')
            .take(MAX_MEANING)
            .collect(),
        item: index,
        ..Word::default()
    };
    let mut names: Vec<&String> = front.media.iter().chain(&back.media).collect();
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.as_str()));
    for name in names {
        add_media(name, archive, media, &mut word, &mut item, index)?;
    }
    report.items.push(item);
    Ok(Some(word))
}

fn add_media(
    name: &str,
    archive: &Archive,
    media: &mut MediaFolder,
    word: &mut Word,
    item: &mut Item,
    index: usize,
) -> Result<()> {
    let Media::File(file) = archive.media(name)? else {
        item.changed(RemarkCode::MediaFileMissing.with("name", name));
        return Ok(());
    };
    let mut head = vec![0; 4_096];
    let n = std::io::Read::read(&mut fs::File::open(&file)?, &mut head)?;
    let (slot, others) = match is_image(&head[..n]) {
        Some(true) => (&mut word.image, RemarkCode::OnePicture),
        Some(false) => (&mut word.audio, RemarkCode::OneRecording),
        None => {
            item.changed(RemarkCode::MediaFileKind.with("name", name));
            return Ok(());
        }
    };
    if slot.is_some() {
        item.changed(others);
        return Ok(());
    }
    *slot = Some(media.add_file(&file, name, index)?);
    Ok(())
}

/// The text of a side of a card.
struct Side {
    text: String,
    /// Text with the readings instead of what they are above of, if there are any.
    reading: Option<String>,
    /// Names of media files in order.
    media: Vec<String>,
}

impl Side {
    fn read(html: &str, item: &mut Item) -> Self {
        let (html, mut media) = without_sounds(html);
        let html = without_latex(&html, item);
        let mut tree = parse(&html, Syntax::Html);
        let mut has_script = false;
        tree.visit(&mut |element| match element.name.as_str() {
            "img" => media.extend(element.attribute("src").map(str::to_owned)),
            "audio" | "video" | "source" => {
                media.extend(element.attribute("src").map(str::to_owned))
            }
            "script" => has_script = true,
            _ => {}
        });
        if has_script {
            item.changed(RemarkCode::CardScript);
        }
        media
            .retain(|name| !name.is_empty() && !name.contains("://") && !name.starts_with("data:"));
        let mut reading = None;
        if tree.find_named("rt").is_some() {
            let mut readings = tree.clone();
            keep_of_ruby(&mut readings, true);
            reading = Some(plain::plain(&readings));
            keep_of_ruby(&mut tree, false);
        }
        Self { text: plain::plain(&tree), reading, media }
    }
}

/// Keeps the readings of ruby text, or what they are above of.
fn keep_of_ruby(element: &mut Element, readings: bool) {
    if element.name == "ruby" {
        element.children.retain(|node| match node {
            Node::Element(child) => (child.name == "rt") == readings && child.name != "rp",
            Node::Text(_) => !readings,
        });
        for node in &mut element.children {
            if let Node::Element(child) = node
                && child.name == "rt"
            {
                child.name = "span".to_owned();
            }
        }
    }
    for node in &mut element.children {
        if let Node::Element(child) = node {
            keep_of_ruby(child, readings);
        }
    }
}

/// Removes `[sound:name]` and the like. Returns the names of the sounds.
fn without_sounds(html: &str) -> (String, Vec<String>) {
    let (mut out, mut names, mut rest) = (String::new(), Vec::new(), html);
    while let Some(at) = rest.find('[') {
        let (before, tag) = rest.split_at(at);
        let end = tag.find(']').filter(|_| {
            tag.starts_with("[sound:") || tag.starts_with("[anki:") || tag.starts_with("[/anki:")
        });
        let Some(end) = end else {
            out.push_str(before);
            out.push('[');
            rest = &tag[1..];
            continue;
        };
        out.push_str(before);
        if let Some(name) = tag[..end].strip_prefix("[sound:") {
            let name = parse(name, Syntax::Html).text();
            names.push(name);
        }
        rest = &tag[end + 1..];
        // The text of speech is shown elsewhere on the card.
        if tag.starts_with("[anki:tts")
            && let Some((_, after)) = rest.split_once("[/anki:tts]")
        {
            rest = after;
        }
    }
    out.push_str(rest);
    (out, names)
}

/// Removes the marks of LaTeX, which words show as source.
fn without_latex(html: &str, item: &mut Item) -> String {
    const MARKS: [&str; 6] = ["[latex]", "[/latex]", "[$$]", "[/$$]", "[$]", "[/$]"];
    let mut out = html.to_owned();
    for mark in MARKS {
        out = out.replace(mark, " ");
    }
    if out != html || html.contains("\\(") || html.contains("\\[") {
        item.changed(RemarkCode::FormulaSource);
    }
    out
}

/// Returns the text of the back without that of the front before it.
fn without_front(back: &str, front: &str) -> String {
    match back.strip_prefix(front) {
        Some(rest) if !front.is_empty() && rest.starts_with('\n') => rest.trim().to_owned(),
        _ => back.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_has_text_reading_and_media() {
        let mut item = Item::exact("1", "note", "x");
        let side = Side::read(
            "<style>b{}</style><ruby>日本<rt>にほん</rt></ruby><img src=\"a b.png\">[sound:c&amp;d.mp3][x]\
             <script>alert(1)</script>[anki:tts lang=ja_JP]日[/anki:tts]",
            &mut item,
        );
        assert_eq!(side.text, "日本[x]");
        assert_eq!(side.reading.as_deref(), Some("にほん[x]"));
        assert_eq!(side.media, ["c&d.mp3", "a b.png"]);
        assert_eq!(item.level, Level::Changed);
        assert_eq!(without_front("a\nb", "a"), "b");
        assert_eq!(without_front("ab", "a"), "ab");
    }
}
