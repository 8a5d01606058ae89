//! Finds text that looks like markup: it was probably meant as an image, a formula, emphasis and so on, but the learner
//! would read the characters.
//!
//! Characters that the author escaped, code and formulas are not searched. Not here: formulas without end (`events`).

use pulldown_cmark::{Event, Tag, TagEnd};

use super::dialects::{self, Foreign};
use super::events::Spanned;
use super::prepare::{PreparedText, Syntax, without_marks};
use super::writer::is_delimiter_row;
use super::{Lines, delimiters, group_end};
use crate::problem::{Problems, SourceLocation};
use crate::source::fields::Fields;

/// Stands for something that is not plain text.
const OBJECT: char = '\u{fffc}';
/// Maximum number of bytes of an image, link or entity, before and after a place.
const WINDOW: usize = 500;
/// Maximum number of characters of a quotation in a message.
const MAX_QUOTE: usize = 60;

/// Warns about markup in the texts of the events of a Markdown text.
pub(crate) fn check(
    events: &[Spanned<'_>],
    prepared: &PreparedText,
    lines: &Lines<'_>,
    problems: &Problems,
) {
    let mut collector = Collector {
        prepared,
        lines,
        problems,
        has_blocks: !matches!(prepared.syntax, Syntax::Inline | Syntax::Prompt),
        line: String::new(),
        offset: 0,
        is_reported: false,
        marker: None,
    };
    if let Some(removed) = prepared.front_matter {
        let message = format!("the first {removed} lines are front matter, which was removed");
        let hint = "write the title and the language into course.json or story.json";
        problems.warn(lines.at(0), "front-matter", message, hint);
    }
    let mut columns = 0;
    let mut i = 0;
    while i < events.len() {
        let (event, range) = &events[i];
        match event {
            Event::Start(Tag::CodeBlock(_) | Tag::Image { .. }) => {
                collector.push(OBJECT, range.start);
                i = group_end(events, i);
                continue;
            }
            Event::Text(text) => collector.text(text, range.clone()),
            Event::SoftBreak => collector.end_line(),
            Event::Start(Tag::Table(alignments)) => {
                columns = alignments.len();
                collector.flush();
            }
            Event::Start(Tag::TableRow) => {
                collector.flush();
                collector.row(range.clone(), columns);
            }
            Event::HardBreak | Event::Rule | Event::Html(_) => collector.flush(),
            Event::Start(Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. })
            | Event::End(
                TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link,
            ) => {
                collector.push(OBJECT, range.start);
            }
            Event::Start(_) | Event::End(_) => collector.flush(),
            _ => collector.push(OBJECT, range.start),
        }
        i += 1;
    }
    collector.flush();
}

/// Warns about markup in a text that is not Markdown, such as a summary.
pub(crate) fn check_plain(text: &str, at: SourceLocation<'_>, problems: &Problems) {
    for line in text.lines() {
        report(line, true, at, problems);
        let formula =
            line.match_indices('$').any(|(start, _)| match delimiters::dollar(line, start) {
                delimiters::Found::Formula { tex_end, .. } => {
                    let tex = &line[start + 1..tex_end];
                    delimiters::looks_like_formula(tex) || tex.chars().count() == 1
                }
                _ => false,
            });
        if formula {
            let message = format!(
                "the text {:?} contains a formula, which is not shown as one here",
                quoted(line)
            );
            problems.warn(
                at,
                "markup-text",
                message,
                "write it with plain characters, such as x² or ½",
            );
        }
        if let Some(tag) = html_tag(line) {
            let message = format!("the HTML {tag:?} is shown as text here");
            problems.warn(at, "markup-text", message, "remove it");
        }
    }
}

/// Warns about markup in the fields of an object that are not Markdown.
pub(crate) fn check_plain_fields(fields: &Fields<'_>, keys: &[&'static str], problems: &Problems) {
    for text in keys.iter().filter_map(|key| fields.text(key)) {
        check_plain(text.value, fields.at(text.line), problems);
    }
}

struct Collector<'a> {
    prepared: &'a PreparedText,
    lines: &'a Lines<'a>,
    problems: &'a Problems,
    has_blocks: bool,
    line: String,
    /// Byte offset of the line in the prepared text.
    offset: usize,
    /// The line has a formula without end, which is reported already.
    is_reported: bool,
    /// Marker of a list without a space in the line before, in the same paragraph.
    marker: Option<char>,
}

impl Collector<'_> {
    fn push(&mut self, c: char, offset: usize) {
        if self.line.is_empty() {
            self.offset = offset;
        }
        self.line.push(c);
    }

    fn text(&mut self, text: &str, range: std::ops::Range<usize>) {
        self.is_reported |= range.is_empty() && !text.is_empty();
        let source = self.prepared.text.get(range.clone()).unwrap_or_default();
        let is_literal = text == source || without_marks(source).contains(text);
        let backslashes =
            self.prepared.text[..range.start].bytes().rev().take_while(|b| *b == b'\\').count();
        for (n, c) in text.chars().enumerate() {
            let is_escaped = n == 0 && backslashes % 2 == 1 && c != '\\';
            // "&" remains of an entity that is encoded twice.
            let is_entity = (!is_literal || source.is_empty()) && text != "&";
            self.push(if is_escaped || is_entity { OBJECT } else { c }, range.start);
        }
    }

    /// Ends a line that the paragraph continues after.
    fn end_line(&mut self) {
        let marker = dialects::tight_marker(&self.line).filter(|_| self.has_blocks);
        self.flush();
        self.marker = marker;
    }

    fn list(&mut self) {
        let message = format!(
            "the text {:?} looks like an item of a list, but is shown in one paragraph with the line before it",
            quoted(&self.line)
        );
        let hint = "write - or 1. and a space before each item, or an empty line between the lines";
        self.problems.warn(self.lines.at(self.offset), "markup-text", message, hint);
    }

    /// Warns about cells of a row that the table has no column for: they are not shown.
    fn row(&self, range: std::ops::Range<usize>, columns: usize) {
        let row = self.prepared.text.get(range.clone()).unwrap_or_default().trim();
        let mut cells = 1;
        let mut is_escaped = false;
        for c in row.chars() {
            cells += usize::from(c == '|' && !is_escaped);
            is_escaped = c == '\\' && !is_escaped;
        }
        cells -= usize::from(row.starts_with('|'));
        cells -= usize::from(row.len() > 1 && row.ends_with('|') && !row.ends_with("\\|"));
        if cells > columns {
            let message = format!(
                "the row has {cells} cells, but the table has {columns} columns: the last cells are not shown"
            );
            let hint =
                "add columns to the first two lines of the table, or write \\| for the character |";
            self.problems.warn(self.lines.at(range.start), "table-cells", message, hint);
        }
    }

    fn flush(&mut self) {
        let marker = dialects::tight_marker(&self.line).filter(|_| self.has_blocks);
        if marker.is_some() && marker == self.marker {
            self.list();
        }
        self.marker = None;
        if !self.line.is_empty() && !self.is_reported {
            let at = self.lines.at(self.offset);
            report(&self.line, self.has_blocks, at, self.problems);
        }
        self.line.clear();
        self.is_reported = false;
    }
}

/// A part of a line that looks like markup.
struct Leftover {
    end: usize,
    code: &'static str,
    what: &'static str,
    hint: String,
}

fn report(line: &str, has_blocks: bool, at: SourceLocation<'_>, problems: &Problems) {
    // A line of marks only, such as `***` or `~~~`, is an ornament.
    let is_mark = |c: char| c.is_ascii_punctuation() || c.is_whitespace() || c == OBJECT;
    if line.chars().all(is_mark) && !is_delimiter_row(line) {
        return;
    }
    let mut start = 0;
    if has_blocks && let Some(found) = at_line_start(line) {
        warn(&line[..found.end], &found, at, problems);
        start = found.end;
    }
    while start < line.len() {
        let found = line.get(start..).and_then(|rest| {
            let from = line.floor_char_boundary(start.saturating_sub(WINDOW));
            find_at(&line[from..start], start, &rest[..rest.floor_char_boundary(WINDOW)])
        });
        match found {
            Some(found) => {
                warn(&line[start..found.end], &found, at, problems);
                start = found.end.max(start + 1);
            }
            None => start += 1,
        }
    }
}

fn warn(text: &str, found: &Leftover, at: SourceLocation<'_>, problems: &Problems) {
    let message = format!("the text {:?} looks like {}", quoted(text), found.what);
    if found.code == "link-syntax" {
        problems.error(at, found.code, message, found.hint.as_str());
    } else {
        problems.warn(
            at,
            found.code,
            format!("{message}, but is shown as it is"),
            found.hint.as_str(),
        );
    }
}

fn quoted(text: &str) -> String {
    let text = text.replace(OBJECT, "");
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn leftover(end: usize, what: &'static str, hint: &str) -> Option<Leftover> {
    Some(Leftover { end, code: "markup-text", what, hint: hint.to_owned() })
}

fn at_line_start(line: &str) -> Option<Leftover> {
    let trimmed = line.trim();
    let end = line.len();
    let level = trimmed.len() - trimmed.trim_start_matches('#').len();
    let title = trimmed[level..].trim_start();
    // "#1" is a number.
    let is_heading = (level == 1 && title.starts_with(char::is_alphabetic))
        || (level > 1 && title.starts_with(char::is_alphanumeric));
    if is_heading {
        return leftover(end, "a heading", "write a space after the #, or \\# for the character");
    }
    let pipes = trimmed.matches('|').count();
    if pipes >= 2 && trimmed.starts_with('|') && trimmed.ends_with('|') || is_delimiter_row(trimmed)
    {
        let hint = "a table needs an empty line before it, and a line such as |---|---| with the same number of columns \
                    below its first line";
        return leftover(end, "a row of a table", hint);
    }
    if trimmed.starts_with(":::") {
        return leftover(end, "a directive", "it is not supported; remove it");
    }
    let Foreign { length, what, hint } = dialects::foreign_line(trimmed)?;
    leftover(line.len() - line.trim_start().len() + length, what, hint)
}

/// Returns the markup that starts at a place of a line, between the text before it and the rest.
fn find_at(line: &str, start: usize, rest: &str) -> Option<Leftover> {
    let before = line.chars().next_back();
    let first = rest.chars().next()?;
    if let Some(Foreign { length, what, hint }) = dialects::foreign(before, rest) {
        return leftover(start + length, what, hint);
    }
    match first {
        '!' if rest.starts_with("![") => Some(link(start, rest, true)),
        '[' if rest.starts_with("[^") => {
            let (label, _) = rest[2..].split_once(']')?;
            let is_label =
                !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
            let hint = format!("add a line `[^{label}]: ...`, or write \\[^{label}]");
            is_label.then(|| Leftover {
                end: start + label.len() + 3,
                code: "markup-text",
                what: "a reference to a footnote",
                hint,
            })
        }
        '[' => {
            let label = rest.find("](")?;
            let is_nested = rest[1..label].contains('[');
            (!is_nested).then(|| link(start, rest, false))
        }
        // The opening bracket may be escaped.
        ']' if rest.starts_with("](") && (line.contains('[') || !line.contains(OBJECT)) => {
            Some(link(start, rest, false))
        }
        '$' if rest.starts_with("$$") && before != Some('$') => {
            let end = start + rest.len() - rest.trim_start_matches('$').len();
            let is_price = end - start > 2
                && !rest[end - start..].starts_with(|c: char| c.is_alphanumeric() || c == '\\');
            if is_price {
                return None;
            }
            leftover(
                end,
                "a formula",
                "write a formula between $ or $$, or \\$ for each dollar sign",
            )
        }
        '\\' => {
            let letters = rest[1..].chars().take_while(char::is_ascii_alphabetic).count();
            let is_bracket = rest[1..].starts_with(['(', '[', ')', ']']);
            let is_command = letters >= 2 && rest[1 + letters..].starts_with('{')
                // A path such as C:\new{1} has a colon or backslash before it.
                && !before.is_some_and(|c| c.is_alphanumeric() || c == ':');
            let closing = match rest[1..].chars().next() {
                Some('(') => rest.find("\\)"),
                Some('[') => rest.find("\\]"),
                _ => None,
            };
            let end = start + closing.map_or(1 + letters.max(1), |closing| closing + 2);
            let hint = "write a formula between $, or between $$ on lines of their own";
            if is_bracket || is_command { leftover(end, "a formula", hint) } else { None }
        }
        // A run is searched from its start only.
        '*' | '_' | '~' if before != Some(first) => {
            let run = rest.len() - rest.trim_start_matches(first).len();
            let after = rest[run..].chars().next();
            let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
            let is_word = |c: Option<char>| c.is_some_and(delimiters::is_word_char);
            let is_mark = match first {
                // `snake__case` is a name.
                '_' | '~' => run == 2 && !(is_word(before) && is_word(after)),
                _ => run == 2 || run == 3,
            };
            if !is_mark || is_space(before) && is_space(after) && !is_loose(line, &rest[run..]) {
                return None;
            }
            let hint = format!(
                "put it directly before the first and directly after the last word, with the same number on both sides, \
                 or write a backslash before each {first}"
            );
            leftover(
                start + run,
                if first == '~' { "text to be struck through" } else { "emphasis" },
                &hint,
            )
        }
        '`' if rest.starts_with("```") => {
            let end = start + rest.len() - rest.trim_start_matches('`').len();
            leftover(
                end,
                "a code block",
                "write ``` on lines of their own before and after the code",
            )
        }
        '&' => {
            let (name, _) = rest[1..].split_once(';')?;
            let is_number = name.strip_prefix('#').is_some_and(|n| {
                let digits = n.strip_prefix(['x', 'X']).unwrap_or(n);
                !digits.is_empty()
                    && digits.len() <= 7
                    && digits.bytes().all(|b| b.is_ascii_hexdigit())
            });
            let is_name = (2..=31).contains(&name.len())
                && name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|b| b.is_ascii_alphanumeric());
            let end = start + name.len() + 2;
            if is_number || is_name {
                leftover(end, "an HTML entity", "write the character itself")
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Returns true if `**` with a space on both sides is not an operator: `** a word **`, unlike `a ** b`.
fn is_loose(before: &str, after: &str) -> bool {
    let is_operand = |word: Option<&str>| {
        word.is_some_and(|word| {
            word.chars().count() == 1
                || word.contains(|c: char| c.is_numeric() || "()[]".contains(c))
        })
    };
    let has_other = before.contains("**") || after.contains("**");
    has_other
        && !(is_operand(before.split_whitespace().next_back())
            && is_operand(after.split_whitespace().next()))
}

/// Returns an image or link that was not recognised, with a way to write it.
fn link(start: usize, rest: &str, is_image: bool) -> Leftover {
    let what = if is_image { "an image" } else { "a link" };
    let (mark, place) = if is_image { ("!", "path") } else { ("", "address") };
    let plain = Leftover {
        end: start + if is_image { 2 } else { 1 },
        code: "markup-text",
        what,
        hint: format!(
            "write {mark}[text]({place}) without a space between ] and (, or a backslash before the brackets"
        ),
    };
    let Some((label, target)) = rest.split_once("](") else { return plain };
    let closing = target.rfind(')');
    let address = target[..closing.unwrap_or(target.len())].trim();
    let (address, title) = match address.split_once(" \"") {
        Some((address, title)) => (address.trim(), format!(" \"{title}")),
        None => (address, String::new()),
    };
    let end = start + label.len() + 2 + closing.map_or(target.len(), |at| at + 1);
    let is_file = address.contains(['.', '/', ':']) && !address.is_empty();
    let is_label = label.starts_with(['!', '[']) && !address.contains([OBJECT, '<', '>']);
    if !is_label || !(is_image || is_file) {
        return Leftover { end, ..plain };
    }
    let hint = if address.contains(char::is_whitespace) || address.contains(['(', ')']) {
        let encoded = address.replace(' ', "%20").replace('(', "%28").replace(')', "%29");
        format!("write {label}](<{address}>{title}), or {label}]({encoded}{title})")
            .replace(OBJECT, "")
    } else {
        format!("write {label}]({address}{title})").replace(OBJECT, "")
    };
    Leftover { end, code: "link-syntax", what, hint }
}

/// Returns the first HTML tag of a text.
fn html_tag(line: &str) -> Option<&str> {
    line.match_indices('<').find_map(|(at, _)| {
        let rest = &line[at..line.floor_char_boundary(at + WINDOW)];
        let end = rest.find('>')?;
        let name = rest[1..end].trim_start_matches('/').trim_end_matches('/');
        let word = name.split_whitespace().next()?;
        let is_tag = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|b| b.is_ascii_alphanumeric())
            && (name == word || name.contains('='));
        is_tag.then(|| &rest[..=end])
    })
}

#[cfg(test)]
mod tests;
