//! The parser's events of a prepared text, with its formulas.
//!
//! Not here: what becomes of them (`reader`).

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

use super::Lines;
use super::delimiters::Mistake;
use super::prepare::{Content, Part, PreparedText, is_prepared, without_marks};
use crate::problem::Problems;

pub(crate) type Spanned<'t> = (Event<'t>, Range<usize>);

/// Maximum nesting depth of quotes, lists, emphasis and links.
const MAX_NESTING: usize = 48;
/// Maximum number of parser events per text. Limited separately, because a short table with many columns and incomplete
/// rows produces far more events than it has characters.
const MAX_EVENTS: usize = 1_000_000;

/// Returns the parser events of a text. Reports a problem and returns `None` if there are too many or they are nested
/// too deeply.
pub(crate) fn events<'t>(
    prepared: &'t PreparedText,
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
    if let Some(offset) = find_too_deep_line(&prepared.text) {
        return refuse(offset, too_deep_message());
    }
    let mut converter = Converter { prepared, lines, problems, is_code: false, events: Vec::new() };
    let mut depth = 0_usize;
    for (event, range) in Parser::new_ext(&prepared.text, options).into_offset_iter() {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_NESTING {
            return refuse(range.start, too_deep_message());
        }
        if converter.events.len() >= MAX_EVENTS {
            return refuse(range.start, format!("the text has more than {MAX_EVENTS} elements"));
        }
        converter.push(event, range);
    }
    Some(converter.events)
}

/// Converts placeholders to formulas, or to their source where no formula is possible.
struct Converter<'a, 't> {
    prepared: &'t PreparedText,
    lines: &'a Lines<'a>,
    problems: &'a Problems,
    is_code: bool,
    events: Vec<Spanned<'t>>,
}

impl<'t> Converter<'_, 't> {
    fn push(&mut self, event: Event<'t>, range: Range<usize>) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                self.is_code = true;
                let kind = match kind {
                    CodeBlockKind::Fenced(info) => CodeBlockKind::Fenced(self.restored(info)),
                    CodeBlockKind::Indented => CodeBlockKind::Indented,
                };
                self.events.push((Event::Start(Tag::CodeBlock(kind)), range));
            }
            Event::End(TagEnd::CodeBlock) => {
                self.is_code = false;
                self.events.push((event, range));
            }
            Event::Text(text) if self.is_code => {
                let text = self.restored(text);
                self.events.push((Event::Text(text), range));
            }
            Event::Text(text) if is_prepared(&text) => self.text(&text, range),
            Event::Code(text) => {
                let text = self.restored(text);
                self.events.push((Event::Code(text), range));
            }
            Event::Html(html) => {
                let html = self.restored(html);
                self.events.push((Event::Html(html), range));
            }
            Event::InlineHtml(html) => {
                let html = self.restored(html);
                self.events.push((Event::InlineHtml(html), range));
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let (dest_url, title) = (self.unescaped(dest_url), self.unescaped(title));
                let tag = Tag::Link { link_type, dest_url, title, id };
                self.events.push((Event::Start(tag), range));
            }
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                let (dest_url, title) = (self.unescaped(dest_url), self.unescaped(title));
                let tag = Tag::Image { link_type, dest_url, title, id };
                self.events.push((Event::Start(tag), range));
            }
            other => self.events.push((other, range)),
        }
    }

    /// Splits a text at its formulas.
    fn text(&mut self, text: &str, range: Range<usize>) {
        let prepared = self.prepared;
        for part in prepared.parts(text) {
            let (event, range) = match part {
                Part::Text(text) => (Event::Text(without_marks(text).into()), range.clone()),
                Part::Extract(extract) => {
                    let range = extract.offset..extract.offset;
                    match &extract.content {
                        Content::Formula { tex, display: true } => {
                            (Event::DisplayMath(tex.clone().into()), range)
                        }
                        Content::Formula { tex, display: false } => {
                            (Event::InlineMath(tex.clone().into()), range)
                        }
                        Content::Mistake(mistake) => {
                            self.report(*mistake, extract.offset);
                            (Event::Text(extract.source.clone().into()), range)
                        }
                    }
                }
            };
            if !matches!(&event, Event::Text(text) if text.is_empty()) {
                self.events.push((event, range));
            }
        }
    }

    fn report(&self, mistake: Mistake, offset: usize) {
        let at = self.lines.at(offset);
        match mistake {
            Mistake::Unclosed(open) => {
                let (close, literal) = match open {
                    "$" => ("$", "\\$ for a dollar sign"),
                    "$$" => ("$$", "\\$\\$ for two dollar signs"),
                    "\\(" => ("\\)", "( for a bracket"),
                    _ => ("\\]", "\\[ in backticks for text"),
                };
                let message = format!("the formula that starts with {open} has no end");
                let hint = match open {
                    "$" => format!(
                        "end it with $ after a character other than a space and not before a letter or digit, or write \
                         {literal}"
                    ),
                    _ => format!("end it with {close}, or write {literal}"),
                };
                self.problems.error(at, "maths-unclosed", message, hint);
            }
            Mistake::Spaces => self.problems.warn(
                at,
                "maths-spaces",
                "the formula has a space after its first $, so it is shown as text",
                "remove the spaces inside of the $, or write \\$ for a dollar sign",
            ),
        }
    }

    fn restored(&self, text: CowStr<'t>) -> CowStr<'t> {
        if is_prepared(&text) { self.prepared.restored(&text).into() } else { text }
    }

    /// Returns the source of a link target or title, in which a backslash escapes punctuation.
    fn unescaped(&self, text: CowStr<'t>) -> CowStr<'t> {
        if !is_prepared(&text) {
            return text;
        }
        let source = self.prepared.restored(&text);
        let mut out = String::with_capacity(source.len());
        let mut chars = source.chars().peekable();
        while let Some(c) = chars.next() {
            if !(c == '\\' && chars.peek().is_some_and(char::is_ascii_punctuation)) {
                out.push(c);
            } else if let Some(escaped) = chars.next() {
                out.push(escaped);
            }
        }
        out.into()
    }
}

/// Returns the byte offset of the first line that opens too many containers (quotes, lists). Called before the parser,
/// which checks each open container on each line and would be slow.
pub(super) fn find_too_deep_line(text: &str) -> Option<usize> {
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
