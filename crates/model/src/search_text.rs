//! Derives the entries of the full-text index from a manifest and its bodies, for the server and for devices.
//!
//! Not here: the index itself, and how the bodies are read.

use crate::{
    BlobHash, ItemId,
    content::{Block, Manifest, ManifestContent, SectionBody, Story},
    wire::SearchKind,
};

/// Must be increased if the same bodies result in other entries. An index stores this number and is rebuilt if it
/// differs.
pub const REVISION: u32 = 1;

/// One entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText {
    /// What the entry describes.
    pub kind: SearchKind,
    /// A course, a section (`course/lesson/section`), a story, or a story of a course (`course/story`).
    pub item: ItemId,
    /// Title for display.
    pub title: String,
    /// BCP 47 language tag.
    pub lang: String,
    /// Plain text; words are separated by single spaces.
    pub text: String,
}

/// Reads the compiled bodies of a manifest. A body that is read as `None` is not indexed.
pub trait BodyReader {
    /// Error of the underlying storage.
    type Error;
    /// Reads the body of a section.
    fn section(&mut self, body: BlobHash) -> Result<Option<SectionBody>, Self::Error>;
    /// Reads the body of a story.
    fn story(&mut self, body: BlobHash) -> Result<Option<Story>, Self::Error>;
}

/// Lists the entries of a course or story: first the item itself, then its sections and story texts.
pub fn search_text<R: BodyReader>(
    manifest: &Manifest,
    bodies: &mut R,
) -> Result<Vec<SearchText>, R::Error> {
    let mut entries = Vec::new();
    match &manifest.content {
        ManifestContent::Course { meta, outline } => {
            entries.push(SearchText {
                kind: SearchKind::Course,
                item: meta.id.clone().into(),
                title: meta.title.clone(),
                lang: meta.lang.clone(),
                text: metadata_text(&meta.description, &meta.category, &meta.tags),
            });
            for lesson in &outline.lessons {
                for s in &lesson.sections {
                    let Some(body) = bodies.section(s.body)? else { continue };
                    entries.push(SearchText {
                        kind: SearchKind::Section,
                        item: ItemId::section(&meta.id, &lesson.id, &s.id),
                        title: s.title.clone(),
                        text: section_text(&body),
                        lang: body.lang,
                    });
                }
            }
            for s in &outline.stories {
                let Some(body) = bodies.story(s.body)? else { continue };
                entries.push(story_entry(ItemId::within(&meta.id, &s.id), body));
            }
        }
        ManifestContent::Story { meta, body } => {
            entries.push(SearchText {
                kind: SearchKind::Story,
                item: meta.id.clone().into(),
                title: meta.title.clone(),
                lang: meta.lang.clone(),
                text: metadata_text(&meta.description, &meta.category, &meta.tags),
            });
            if let Some(body) = bodies.story(*body)? {
                entries.push(story_entry(meta.id.clone().into(), body));
            }
        }
    }
    Ok(entries)
}

/// Returns the text of an entry for a whole course or story.
pub fn metadata_text(description: &str, category: &str, tags: &[String]) -> String {
    collapse(&format!("{description} {category} {}", tags.join(" ")))
}

fn story_entry(item: ItemId, story: Story) -> SearchText {
    let sentences = story.pages.iter().flat_map(|page| &page.sentences);
    let text = sentences.map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ");
    SearchText {
        kind: SearchKind::StoryText,
        item,
        title: story.title,
        lang: story.lang,
        text: collapse(&text),
    }
}

/// Returns the text of a section: tags removed, entities resolved.
fn section_text(body: &SectionBody) -> String {
    let mut text = String::new();
    for block in &body.blocks {
        match block {
            Block::RichText { html } => push_html(&mut text, html),
            Block::Math { tex, .. } => text.push_str(tex),
            Block::Image { image } => {
                text.push_str(&image.alt);
                text.push(' ');
                push_html(&mut text, &image.caption);
            }
            Block::Audio { audio } => {
                text.push_str(&audio.title);
                text.push(' ');
                push_html(&mut text, &audio.transcript);
            }
            Block::Video { video } => {
                text.push_str(&video.title);
                text.push(' ');
                push_html(&mut text, &video.transcript);
            }
            Block::Code { text: code, .. } => text.push_str(code),
            Block::Quiz { title, .. } | Block::Story { title, .. } => text.push_str(title),
        }
        text.push('\n');
    }
    collapse(&text)
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tags that do not end a word: "H<sub>2</sub>O" is one word.
const INLINE_TAGS: [&str; 10] =
    ["a", "abbr", "code", "del", "em", "kbd", "span", "strong", "sub", "sup"];

fn push_html(out: &mut String, html: &str) {
    let mut rest = html;
    while let Some(c) = rest.chars().next() {
        if let Some(tag) = rest.strip_prefix('<') {
            let (tag, after) = tag.split_once('>').unwrap_or((tag, ""));
            let name =
                tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next();
            if !name.is_some_and(|name| INLINE_TAGS.contains(&name)) {
                out.push(' ');
            }
            rest = after;
        } else if let Some((entity, after)) =
            rest.strip_prefix('&').and_then(|r| r.split_once(';')).filter(|(e, _)| e.len() <= 8)
        {
            out.push_str(match entity {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "#39" | "apos" => "'",
                _ => " ",
            });
            rest = after;
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_converted_to_plain_text() {
        let rich = |html: &str| Block::RichText { html: html.into() };
        let table = [
            (
                rich("<p>Water &amp; <em>stone</em> &lt; 3 & more</p><p>next"),
                "Water & stone < 3 & more next",
            ),
            (rich("<ul><li>one</li><li>two</li></ul>a<br>b"), "one two a b"),
            (
                rich(
                    "<p>H<sub>2</sub>O &#39;x&#39;&nbsp;<a href=\"#y\">link</a>ed <abbr>un</abbr>done</p>",
                ),
                "H2O 'x' linked undone",
            ),
            (rich("<p>&quot;&eacute &unknownentity;</p><p"), "\"&eacute &unknownentity;"),
            (Block::Math { mathml: "<math>".into(), tex: "a^2".into() }, "a^2"),
            (
                Block::Code {
                    language: "rust".into(),
                    text: "a < b\n  c".into(),
                    editable: false,
                    check: None,
                },
                "a < b c",
            ),
            (
                Block::Quiz {
                    quiz: "c/q".parse().unwrap(),
                    title: "Check".into(),
                    body: BlobHash([0; 32]),
                },
                "Check",
            ),
        ];
        for (block, expected) in table {
            let body =
                SectionBody { lang: "en".into(), dir: Default::default(), blocks: vec![block] };
            assert_eq!(section_text(&body), expected);
        }
    }
}
