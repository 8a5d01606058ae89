//! Compiles Markdown to pieces (HTML, formulas, code, media) or to HTML only.
//!
//! Not here: compiling media (the caller does that for each [`Piece::Media`]), reading files, and which HTML is allowed
//! (`html`).

use std::{collections::BTreeSet, ops::Range};

use carrel_model::Slug;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

mod footnotes;
mod link;

use footnotes::Footnotes;
pub(crate) use link::{LinkTarget, link_target};

use crate::problem::{Problems, SourceLocation};
use crate::text::html::{self, RawHtml};
use crate::text::maths;

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

/// Converts byte offsets to line numbers.
pub(crate) struct Lines<'a> {
    origin: Origin<'a>,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub fn new(origin: Origin<'a>, text: &str) -> Self {
        Self { origin, starts: text.match_indices('\n').map(|(i, _)| i + 1).collect() }
    }
    pub fn at(&self, offset: usize) -> SourceLocation<'a> {
        match self.origin {
            Origin::File(file) => SourceLocation {
                file,
                line: 1 + self.starts.partition_point(|s| *s <= offset) as u32,
            },
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
        | Options::ENABLE_MATH
}

pub(crate) type Spanned<'t> = (Event<'t>, Range<usize>);

/// Maximum nesting depth of quotes, lists, emphasis and links.
const MAX_NESTING: usize = 48;
/// Maximum number of parser events per text. Limited separately, because a short table with many columns and incomplete
/// rows produces far more events than it has characters.
const MAX_EVENTS: usize = 1_000_000;

/// Returns the parser events of a text. Reports a problem and returns `None` if there are too many or they are nested
/// too deeply.
pub(crate) fn events<'t>(
    text: &'t str,
    options: Options,
    lines: &Lines<'_>,
    problems: &Problems,
) -> Option<Vec<Spanned<'t>>> {
    let refuse = |offset: usize, message: String| {
        let hint = "simplify the text, or split it";
        problems.error(lines.at(offset), "too-complex", message, hint);
        None
    };
    let too_deep_message = || format!("the text is nested more than {MAX_NESTING} levels deep");
    if let Some(offset) = find_too_deep_line(text) {
        return refuse(offset, too_deep_message());
    }
    let mut events = Vec::new();
    let mut depth = 0_usize;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_NESTING {
            return refuse(range.start, too_deep_message());
        }
        if events.len() >= MAX_EVENTS {
            return refuse(range.start, format!("the text has more than {MAX_EVENTS} elements"));
        }
        events.push((event, range));
    }
    Some(events)
}

/// Returns the byte offset of the first line that opens too many containers (quotes, lists). Called before the parser,
/// which checks each open container on each line and would be slow.
fn find_too_deep_line(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let mut rest = line.trim_start();
        let mut markers = 0;
        loop {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let after = match rest.as_bytes().get(digits) {
                Some(b'>') if digits == 0 => 1,
                Some(b'-' | b'+' | b'*') if digits == 0 => 1,
                Some(b'.' | b')') if (1..10).contains(&digits) => digits + 1,
                _ => break,
            };
            let tail = &rest[after..];
            if !rest.starts_with('>') && !tail.starts_with([' ', '\t', '\n', '\r']) {
                break;
            }
            markers += 1;
            rest = tail.trim_start_matches([' ', '\t']);
        }
        // A line of only `-` or `*` is a thematic break. For a line of other list markers alone, `events` checks the
        // depth.
        let is_rule = rest.trim().is_empty() && !line.contains('>');
        if markers > MAX_NESTING && !is_rule {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// Compiles a text to pieces. Problems are reported with their lines.
pub(crate) fn read(
    text: &str,
    origin: Origin<'_>,
    scope: &Scope,
    problems: &Problems,
) -> Vec<Piece> {
    let lines = Lines::new(origin, text);
    let Some(events) = events(text, options(), &lines, problems) else {
        return Vec::new();
    };
    let mut reader = BlockReader {
        lines,
        scope,
        problems,
        footnotes: Footnotes::of(&events),
        raw: RawHtml::default(),
        link_ends: Vec::new(),
        rich: Vec::new(),
        rich_start: 0,
        pieces: Vec::new(),
    };
    let mut i = 0;
    while i < events.len() {
        let end = group_end(&events, i);
        reader.group(&events[i..end]);
        i = end;
    }
    reader.flush();
    reader.footnotes_section(&events);
    reader.pieces
}

/// Returns the sanitised HTML of a text that must not contain media, such as credits or a transcript.
pub(crate) fn to_html(
    text: &str,
    origin: Origin<'_>,
    scope: &Scope,
    problems: &Problems,
) -> String {
    let mut out = String::new();
    for piece in read(text, origin, scope, problems) {
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

/// Returns the sanitised HTML of a single line of text, such as a prompt or a choice.
pub(crate) fn to_inline_html(
    text: &str,
    origin: Origin<'_>,
    scope: &Scope,
    problems: &Problems,
) -> String {
    // "- 5" is an answer, not a list: a leading no-break space prevents the parser from treating it as a block.
    let protected = if opens_block(text) { format!("\u{a0}{text}") } else { text.to_owned() };
    let html = to_html(&protected, origin, scope, problems);
    let html = html.replacen("<p>&nbsp;", "<p>", usize::from(protected.len() > text.len()));
    // A single paragraph is returned without <p>.
    match html.strip_prefix("<p>").and_then(|h| h.strip_suffix("</p>")) {
        Some(inner) if !inner.contains("<p>") => inner.to_owned(),
        _ => html,
    }
}

fn opens_block(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = rest.len() < text.len() && rest.starts_with(['.', ')']);
    number
        || text.starts_with(['#', '>', '='])
        || ["-", "+", "*"].iter().any(|m| text == *m || text.starts_with(&format!("{m} ")))
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

struct BlockReader<'a, 't> {
    lines: Lines<'a>,
    scope: &'a Scope,
    problems: &'a Problems,
    footnotes: Footnotes,
    raw: RawHtml,
    /// The closing tags of the open links.
    link_ends: Vec<&'static str>,
    rich: Vec<Event<'t>>,
    /// Byte offset at which the current run of rich text starts.
    rich_start: usize,
    pieces: Vec<Piece>,
}

impl<'t> BlockReader<'_, 't> {
    /// Compiles a top-level block to a piece, or appends it to the current run of rich text.
    fn group(&mut self, events: &[Spanned<'t>]) {
        if self.rich.is_empty() {
            self.rich_start = events[0].1.start;
        }
        match &events[0].0 {
            Event::Start(Tag::Paragraph) => {
                let inside = &events[1..events.len() - 1];
                if let Some(media) = media_of(inside, &self.lines) {
                    self.flush();
                    self.pieces.extend(media.into_iter().map(Piece::Media));
                    return;
                }
                let mut visible = inside.iter().filter(|(e, _)| !matches!(e, Event::SoftBreak));
                if let (Some((Event::DisplayMath(tex), range)), None) =
                    (visible.next(), visible.next())
                {
                    self.flush();
                    if let Some(mathml) = self.maths(tex, true, range.start) {
                        self.pieces.push(Piece::Math {
                            mathml: html::clean(&mathml),
                            tex: tex.trim().to_owned(),
                        });
                    }
                    return;
                }
                self.rich(events);
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                self.flush();
                let text: String = events
                    .iter()
                    .filter_map(
                        |(e, _)| if let Event::Text(t) = e { Some(t.as_ref()) } else { None },
                    )
                    .collect();
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.as_ref(),
                    CodeBlockKind::Indented => "",
                };
                let mut words = info.split_whitespace();
                let language = words.next().unwrap_or_default().to_owned();
                let mut editable = false;
                for word in words {
                    if word == "editable" {
                        editable = true;
                    } else {
                        let message = format!("unknown option {word:?} after the language");
                        self.problems.warn(
                            self.lines.at(events[0].1.start),
                            "code-word",
                            message,
                            "the only option is `editable`",
                        );
                    }
                }
                self.pieces.push(Piece::Code { language, text, editable });
            }
            Event::Start(Tag::FootnoteDefinition(_)) => {}
            _ => self.rich(events),
        }
    }

    /// Ends the current run of rich text and appends it as a piece.
    fn flush(&mut self) {
        self.raw.end_block();
        if self.rich.is_empty() {
            return;
        }
        let mut out = String::new();
        pulldown_cmark::html::push_html(&mut out, self.rich.drain(..));
        let Some(clean) = self.clean(&out, self.rich_start) else { return };
        let clean = clean.trim().to_owned();
        if !clean.is_empty() {
            self.pieces.push(Piece::Rich(clean));
        }
    }

    /// Returns sanitised HTML. Reports a problem at `offset` and returns `None` if the HTML is too large or nested too
    /// deeply to display.
    fn clean(&self, html: &str, offset: usize) -> Option<String> {
        match html::check_size(html) {
            Ok(()) => Some(html::clean(html)),
            Err(reason) => {
                let at = self.lines.at(offset);
                self.problems.error(at, "too-complex", reason, "simplify the text, or split it");
                None
            }
        }
    }

    fn html(&mut self, html: String) {
        self.rich.push(Event::InlineHtml(CowStr::from(html)));
    }

    fn maths(&self, tex: &str, display: bool, offset: usize) -> Option<String> {
        match maths::mathml(tex, display) {
            Ok(mathml) => Some(mathml),
            Err(reason) => {
                let at = self.lines.at(offset);
                self.problems.error(
                    at,
                    "maths",
                    format!("the formula {:?} cannot be read: {reason}", tex.trim()),
                    "correct the LaTeX, or write \\$ for a dollar sign",
                );
                None
            }
        }
    }

    /// Appends events to the current run of rich text. Links, footnotes, raw HTML and formulas are converted here.
    fn rich(&mut self, events: &[Spanned<'t>]) {
        let mut i = 0;
        while i < events.len() {
            let (event, range) = &events[i];
            if self.raw.is_removing() && matches!(event, Event::Text(_) | Event::Code(_)) {
                i += 1;
                continue;
            }
            let at = self.lines.at(range.start);
            match event {
                Event::Start(Tag::FootnoteDefinition(_)) => {
                    i = group_end(events, i);
                    continue;
                }
                Event::Start(Tag::Image { dest_url, .. }) => {
                    let message =
                        format!("the image {:?} is inside a line of text", dest_url.as_ref());
                    self.problems.error(
                        at,
                        "media-inline",
                        message,
                        "put it into a separate paragraph, with an empty line before and after",
                    );
                    i = group_end(events, i);
                    continue;
                }
                Event::Start(Tag::Link { dest_url, .. }) => self.link(dest_url, at),
                Event::End(TagEnd::Link) => {
                    let end = self.link_ends.pop().unwrap_or_default();
                    self.html(end.to_owned());
                }
                Event::InlineMath(tex) => {
                    if let Some(mathml) = self.maths(tex, false, range.start) {
                        self.html(mathml);
                    }
                }
                Event::DisplayMath(tex) => {
                    if let Some(mathml) = self.maths(tex, true, range.start) {
                        self.html(mathml);
                    }
                }
                Event::Html(raw) | Event::InlineHtml(raw) => {
                    let (kept, removed) = self.raw.filter(raw);
                    for tag in removed {
                        let hint = format!(
                            "use Markdown; the only HTML tags allowed are {}",
                            html::ALLOWED_RAW_TAGS.map(|t| format!("<{t}>")).join(" ")
                        );
                        self.problems.warn(at, "html-removed", format!("{tag} was removed"), hint);
                    }
                    if !kept.is_empty() {
                        self.html(kept);
                    }
                }
                Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {
                    self.raw.end_block()
                }
                Event::FootnoteReference(name) => match self.footnotes.add_reference(name) {
                    Some((number, 1)) => {
                        self.html(format!("<sup class=\"footnote-ref\"><a href=\"#fn-{number}\" id=\"fnref-{number}\">{number}</a></sup>"));
                    }
                    Some((number, _)) => self.html(format!(
                        "<sup class=\"footnote-ref\"><a href=\"#fn-{number}\">{number}</a></sup>"
                    )),
                    None => {
                        let message = format!("there is no footnote {:?}", name.as_ref());
                        self.problems.error(
                            at,
                            "footnote-unknown",
                            message,
                            format!("add a line `[^{name}]: ...`"),
                        );
                    }
                },
                other => {
                    if matches!(other, Event::End(TagEnd::Paragraph)) {
                        self.raw.end_block();
                    }
                    self.rich.push(other.clone());
                }
            }
            i += 1;
        }
    }

    fn link(&mut self, dest: &str, at: SourceLocation<'_>) {
        let (open, end) = match link_target(dest, self.scope, at, self.problems) {
            Some(LinkTarget::Word(word)) => {
                (format!("<a data-word=\"{word}\" role=\"button\" tabindex=\"0\">"), "</a>")
            }
            Some(LinkTarget::Section(section)) => {
                (format!("<a data-section=\"{section}\" role=\"link\" tabindex=\"0\">"), "</a>")
            }
            Some(LinkTarget::Web(link)) => {
                (format!("<a href=\"{}\">", html::escaped(&link)), "</a>")
            }
            None => (String::new(), ""),
        };
        self.link_ends.push(end);
        self.html(open);
    }

    /// Appends the referenced footnotes, in the order of their numbers, as the last block.
    fn footnotes_section(&mut self, events: &[Spanned<'t>]) {
        // A footnote may refer to another one, which then extends `order` during the loop.
        let mut next = 0;
        let mut items: Vec<String> = Vec::new();
        while next < self.footnotes.order.len() {
            let range = self.footnotes.order[next].clone();
            next += 1;
            let saved: Vec<_> = std::mem::take(&mut self.rich);
            self.rich(&events[range]);
            let mut out = String::new();
            pulldown_cmark::html::push_html(&mut out, self.rich.drain(..));
            self.rich = saved;
            let back_link = format!("<a href=\"#fnref-{next}\">↩</a>");
            let out = out.trim();
            let body = match out.strip_suffix("</p>") {
                Some(open) => format!("{open} {back_link}</p>"),
                None => format!("{out} {back_link}"),
            };
            items.push(format!("<li id=\"fn-{next}\">{body}</li>"));
        }
        if !items.is_empty() {
            let notes =
                format!("<section class=\"footnotes\"><ol>{}</ol></section>", items.join(""));
            if let Some(clean) = self.clean(&notes, 0) {
                self.pieces.push(Piece::Rich(clean));
            }
        }
    }
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
mod tests;
