//! Compiles Markdown to pieces (HTML, formulas, code, media) or to HTML only.
//!
//! Not here: compiling media (the caller does that for each [`Piece::Media`]), reading files, and which HTML is allowed
//! (`html`).

use std::collections::BTreeSet;

use carrel_model::{Slug, content::CodeCheck};
use pulldown_cmark::{Event, Options, Tag, TagEnd};

mod delimiters;
mod dialects;
mod events;
mod footnotes;
mod leftovers;
mod lines;
mod link;
mod prepare;
mod reader;
mod scripts;
mod writer;

pub(crate) use dialects::front_matter;
pub(crate) use events::{Spanned, events};
pub(crate) use leftovers::{check, check_plain, check_plain_fields};
pub(crate) use link::{LinkTarget, link_target};
pub(crate) use prepare::{PreparedText, Syntax};
use reader::BlockReader;

use crate::problem::{Problems, SourceLocation};
use crate::text::html;

/// The context of a text: its language, and the targets that its links may refer to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// Id of the course or story.
    pub root: Option<Slug>,
    pub lang: String,
    /// Ids of the words in the vocabulary.
    pub words: BTreeSet<String>,
    /// Sections of the course, as `lesson/section`.
    pub sections: BTreeSet<String>,
}

/// Source of a Markdown text: a Markdown file, or a string inside a JSON file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    File(&'a str),
    JsonString(SourceLocation<'a>),
}

impl<'a> Origin<'a> {
    pub fn file(self) -> &'a str {
        match self {
            Self::File(file) => file,
            Self::JsonString(at) => at.file,
        }
    }
}

/// Converts byte offsets of a prepared text to line numbers of its source.
pub(crate) struct Lines<'a> {
    origin: Origin<'a>,
    starts: &'a [(usize, u32)],
}

impl<'a> Lines<'a> {
    pub fn new(origin: Origin<'a>, prepared: &'a PreparedText) -> Self {
        Self { origin, starts: &prepared.lines }
    }
    /// Returns true for a string of a JSON file.
    pub fn is_json(&self) -> bool {
        matches!(self.origin, Origin::JsonString(_))
    }
    pub fn at(&self, offset: usize) -> SourceLocation<'a> {
        match self.origin {
            Origin::File(file) => {
                let next = self.starts.partition_point(|(start, _)| *start <= offset);
                let line = next.checked_sub(1).map_or(1, |n| self.starts[n].1);
                SourceLocation { file, line }
            }
            Origin::JsonString(at) => at,
        }
    }
}

/// A part of a compiled text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Sanitised HTML.
    Rich(String),
    Math {
        mathml: String,
        tex: String,
    },
    Code {
        language: String,
        text: String,
        editable: bool,
        check: Option<CodeCheck>,
    },
    Media(Media),
}

/// A media file `![alt](link "caption")` in a paragraph that contains only such media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Media {
    pub alt: String,
    pub link: String,
    pub caption: String,
    pub line: u32,
}

pub(crate) fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
}

/// Compiles a text to pieces. Problems are reported with their lines.
pub(crate) fn read(
    text: &str,
    origin: Origin<'_>,
    scope: &Scope,
    problems: &Problems,
) -> Vec<Piece> {
    read_with(text, Syntax::Blocks, origin, scope, problems)
}

fn read_with(
    text: &str,
    syntax: Syntax,
    origin: Origin<'_>,
    scope: &Scope,
    problems: &Problems,
) -> Vec<Piece> {
    let prepared = PreparedText::new(text, syntax);
    let lines = Lines::new(origin, &prepared);
    let Some(events) = events(&prepared, options(), &lines, problems) else {
        return Vec::new();
    };
    check(&events, &prepared, &lines, problems);
    let shows_html = matches!(syntax, Syntax::Inline | Syntax::Prompt);
    BlockReader::new(&events, &lines, shows_html, scope, problems).read(&events)
}

/// Returns the sanitised HTML of a text that must not contain media, such as credits or a transcript.
pub(crate) fn to_html(
    text: &str,
    origin: Origin<'_>,
    scope: &Scope,
    problems: &Problems,
) -> String {
    to_html_with(text, Syntax::Blocks, origin, scope, problems)
}

fn to_html_with(
    text: &str,
    syntax: Syntax,
    origin: Origin<'_>,
    scope: &Scope,
    problems: &Problems,
) -> String {
    let mut out = String::new();
    for piece in read_with(text, syntax, origin, scope, problems) {
        match piece {
            Piece::Rich(html) => out.push_str(&html),
            Piece::Math { mathml, .. } => out.push_str(&mathml),
            Piece::Code { language, text, .. } => {
                out.push_str(&html::clean(&format!(
                    "<pre><code class=\"language-{}\">{}</code></pre>",
                    html::escaped(&language),
                    html::escaped(&text)
                )));
            }
            Piece::Media(media) => {
                let at = SourceLocation { line: media.line, file: origin.file() };
                problems.error(
                    at,
                    "media-inline",
                    format!("{:?} cannot be shown here", media.link),
                    "media are allowed in section texts only",
                );
            }
        }
    }
    out.trim().to_owned()
}

/// Returns the sanitised HTML of a text without blocks: a choice, an item, or a prompt of one line.
pub(crate) fn to_inline_html(
    text: &str,
    origin: Origin<'_>,
    scope: &Scope,
    problems: &Problems,
) -> String {
    without_paragraph(to_html_with(text, Syntax::Inline, origin, scope, problems))
}

/// Returns the sanitised HTML of a prompt, feedback or explanation. One line has no blocks; a longer text may have
/// lists, tables and code.
pub(crate) fn to_prompt_html(
    text: &str,
    origin: Origin<'_>,
    scope: &Scope,
    problems: &Problems,
) -> String {
    let syntax = if text.contains('\n') { Syntax::Prompt } else { Syntax::Inline };
    without_paragraph(to_html_with(text, syntax, origin, scope, problems))
}

/// Returns a single paragraph without `<p>`.
fn without_paragraph(html: String) -> String {
    match html.strip_prefix("<p>").and_then(|h| h.strip_suffix("</p>")) {
        Some(inner) if !inner.contains("<p>") => inner.to_owned(),
        _ => html,
    }
}

fn push_plain_text(event: &Event<'_>, plain: &mut String) {
    match event {
        Event::Text(t) | Event::Code(t) | Event::InlineMath(t) | Event::DisplayMath(t) => {
            plain.push_str(t)
        }
        Event::SoftBreak | Event::HardBreak | Event::Rule => plain.push(' '),
        Event::End(
            TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::Item
            | TagEnd::TableCell
            | TagEnd::CodeBlock,
        ) => plain.push('\n'),
        _ => {}
    }
}

fn collapse_whitespace(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the index after the end of the group (a block with its contents) that starts at `i`.
pub(crate) fn group_end(events: &[Spanned<'_>], i: usize) -> usize {
    let mut depth = 0;
    for (n, (event, _)) in events[i..].iter().enumerate() {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
        if depth <= 0 {
            return i + n + 1;
        }
    }
    events.len()
}

/// Returns the media of a paragraph; `None` if it contains anything else.
pub(crate) fn media_of(inside: &[Spanned<'_>], lines: &Lines<'_>) -> Option<Vec<Media>> {
    let mut list = Vec::new();
    let mut i = 0;
    while i < inside.len() {
        match &inside[i] {
            (Event::SoftBreak | Event::HardBreak, _) => i += 1,
            (Event::Text(t), _) if t.trim().is_empty() => i += 1,
            (Event::Start(Tag::Image { dest_url, title, .. }), range) => {
                let end = group_end(inside, i);
                let mut alt = String::new();
                for (event, _) in &inside[i + 1..end] {
                    push_plain_text(event, &mut alt);
                }
                list.push(Media {
                    alt: collapse_whitespace(&alt),
                    link: dest_url.to_string(),
                    caption: title.trim().to_owned(),
                    line: lines.at(range.start).line,
                });
                i = end;
            }
            _ => return None,
        }
    }
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod formula_tests;
#[cfg(test)]
mod tests;
