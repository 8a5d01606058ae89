//! Splits a text into its lines, and finds which of them are code and which belong to one paragraph.
//!
//! Follows the container rules of CommonMark (quotes, list items, fences) closely enough to know where formulas may be.
//! Not here: formulas, and the parser, which decides in the end: what turns out to be code is restored.

/// Maximum number of open containers; deeper texts are rejected by `events`.
const MAX_CONTAINERS: usize = 64;

/// What a line of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    Blank,
    /// A fence, or a line inside of one.
    Fence,
    /// Probably code by its indentation.
    Indented,
    /// The first line of a paragraph or heading.
    First,
    /// A further line of a paragraph.
    Continuation,
}

/// A line of a text without its line ending.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'t> {
    /// Markers and indentation of the containers.
    pub prefix: &'t str,
    pub content: &'t str,
    /// `"\n"`, `"\r\n"`, or `""` at the end of the text.
    pub ending: &'t str,
    pub kind: LineKind,
    /// Number of quotes that contain the line.
    pub quotes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Quote,
    /// Columns of indentation of the content of a list item or footnote.
    Item(usize),
}

/// Reads the lines of a text from the start.
#[derive(Debug)]
pub(super) struct LineReader<'t> {
    rest: &'t str,
    containers: Vec<Container>,
    in_paragraph: bool,
    /// Character and length of the open fence, and the number of containers around it.
    fence: Option<(char, usize, usize)>,
}

impl<'t> LineReader<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { rest: text, containers: Vec::new(), in_paragraph: false, fence: None }
    }

    /// Continues after a formula that ended in the middle of a line. `rest` is the text after the formula.
    pub fn resume(&mut self, rest: &'t str) {
        self.rest = rest;
        self.in_paragraph = true;
    }

    /// The text after the last line.
    pub fn rest(&self) -> &'t str {
        self.rest
    }

    /// Returns the rest of the current line after a formula, as a continuation of the paragraph.
    pub fn rest_of_line(&mut self) -> Option<Line<'t>> {
        let (content, ending) = self.take_line()?;
        let quotes = self.quotes();
        Some(Line { prefix: "", content, ending, kind: LineKind::Continuation, quotes })
    }

    fn quotes(&self) -> usize {
        self.containers.iter().filter(|c| **c == Container::Quote).count()
    }

    fn take_line(&mut self) -> Option<(&'t str, &'t str)> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        let content = line.trim_end_matches(['\n', '\r']);
        Some((content, &line[content.len()..]))
    }

    /// Returns the next line; `None` at the end.
    pub fn next_line(&mut self) -> Option<Line<'t>> {
        let (line, ending) = self.take_line()?;
        let mut content = line;
        let mut matched = 0;
        for container in &self.containers {
            match container {
                Container::Quote => match strip_quote(content) {
                    Some(inside) => content = inside,
                    None => break,
                },
                Container::Item(_) if content.trim().is_empty() => {}
                Container::Item(columns) => match strip_columns(content, *columns) {
                    Some(inside) => content = inside,
                    None => break,
                },
            }
            matched += 1;
        }
        let is_inside = matched == self.containers.len();
        let is_lazy = !is_inside
            && self.in_paragraph
            && self.fence.is_none()
            && !content.trim().is_empty()
            && !opens_block(content, true);
        if !is_inside && !is_lazy {
            self.containers.truncate(matched);
            self.in_paragraph = false;
            if self.fence.is_some_and(|(.., depth)| depth > matched) {
                self.fence = None;
            }
        }
        let mut kind = None;
        if let Some((mark, length, _)) = self.fence {
            let trimmed = content.trim();
            let run = trimmed.len() - trimmed.trim_start_matches(mark).len();
            if run >= length && run == trimmed.len() && columns_of(content) < 4 {
                self.fence = None;
            }
            kind = Some(LineKind::Fence);
        } else if !is_lazy {
            content = self.open_containers(content);
            kind = self.leaf(content);
        }
        let kind = kind.unwrap_or_else(|| {
            // A heading is one line.
            let is_single = !is_lazy && (heading_level(content) > 0 || is_rule(content));
            let is_first = !self.in_paragraph || is_single;
            self.in_paragraph = !is_single;
            if is_first { LineKind::First } else { LineKind::Continuation }
        });
        let prefix = &line[..line.len() - content.len()];
        Some(Line { prefix, content, ending, kind, quotes: self.quotes() })
    }

    /// Opens the quotes and list items that begin on a line. Returns the rest of the line.
    fn open_containers(&mut self, line: &'t str) -> &'t str {
        let mut content = line;
        while self.containers.len() < MAX_CONTAINERS {
            if columns_of(content) >= 4 {
                break;
            }
            if let Some(inside) = strip_quote(content) {
                self.containers.push(Container::Quote);
                content = inside;
            } else if let Some((inside, columns)) = strip_item(content, self.in_paragraph) {
                self.containers.push(Container::Item(columns));
                content = inside;
            } else {
                break;
            }
            self.in_paragraph = false;
        }
        content
    }

    /// Returns the kind of a line that is not text.
    fn leaf(&mut self, content: &str) -> Option<LineKind> {
        if content.trim().is_empty() {
            self.in_paragraph = false;
            return Some(LineKind::Blank);
        }
        if columns_of(content) >= 4 && !self.in_paragraph {
            return Some(LineKind::Indented);
        }
        let (mark, length) = fence_of(content)?;
        self.fence = Some((mark, length, self.containers.len()));
        self.in_paragraph = false;
        Some(LineKind::Fence)
    }
}

/// Columns of the indentation; a tab counts as 4.
fn columns_of(line: &str) -> usize {
    line.bytes()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .map(|b| if b == b'\t' { 4 } else { 1 })
        .sum()
}

/// Removes an indentation; `None` if the line has less.
fn strip_columns(line: &str, columns: usize) -> Option<&str> {
    let (mut removed, mut rest) = (0, line);
    while removed < columns {
        removed += if rest.starts_with('\t') { 4 } else { 1 };
        rest = rest.strip_prefix([' ', '\t'])?;
    }
    Some(rest)
}

fn strip_quote(line: &str) -> Option<&str> {
    if columns_of(line) >= 4 {
        return None;
    }
    let inside = line.trim_start_matches([' ', '\t']).strip_prefix('>')?;
    Some(inside.strip_prefix([' ', '\t']).unwrap_or(inside))
}

/// Removes the marker of a list item or footnote. Returns the rest and the columns of its indentation.
fn strip_item(line: &str, in_paragraph: bool) -> Option<(&str, usize)> {
    let trimmed = line.trim_start_matches([' ', '\t']);
    let indentation = columns_of(line);
    if let Some(label) = trimmed.strip_prefix("[^") {
        let (label, inside) = label.split_once("]:")?;
        let is_label = !label.is_empty() && !label.contains(['[', ']', ' ']);
        return is_label.then(|| (inside.trim_start(), 4));
    }
    if is_rule(trimmed) {
        return None;
    }
    let digits = trimmed.len() - trimmed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let marker = match trimmed.as_bytes().get(digits)? {
        b'-' | b'+' | b'*' if digits == 0 => 1,
        b'.' | b')' if (1..10).contains(&digits) => digits + 1,
        _ => return None,
    };
    let inside = &trimmed[marker..];
    let spaces = columns_of(inside);
    let is_empty = inside.trim().is_empty();
    if spaces == 0 && !is_empty {
        return None;
    }
    // Only an item with text, and of a numbered list only the first one, may interrupt a paragraph.
    if in_paragraph && (is_empty || digits > 0 && trimmed[..digits] != *"1") {
        return None;
    }
    let width = if is_empty || spaces > 4 { 1 } else { spaces };
    let inside = strip_columns(inside, width).unwrap_or(inside);
    Some((inside, indentation + marker + width))
}

/// Returns the character and length of an opening fence.
fn fence_of(line: &str) -> Option<(char, usize)> {
    let trimmed = line.trim_start_matches(' ');
    let mark = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = trimmed.trim_start_matches(mark);
    let length = trimmed.len() - info.len();
    (length >= 3 && !(mark == '`' && info.contains('`'))).then_some((mark, length))
}

/// Returns true for a thematic break.
pub(super) fn is_rule(line: &str) -> bool {
    let mut marks = line.chars().filter(|c| !matches!(c, ' ' | '\t'));
    let Some(first) = marks.next().filter(|c| matches!(c, '-' | '_' | '*')) else { return false };
    let mut count = 1;
    for mark in marks {
        if mark != first {
            return false;
        }
        count += 1;
    }
    count >= 3
}

/// Returns true for a line that makes the line before it a heading.
pub(super) fn is_underline(line: &str) -> bool {
    let trimmed = line.trim();
    columns_of(line) < 4
        && (!trimmed.is_empty())
        && (trimmed.bytes().all(|b| b == b'=') || trimmed.bytes().all(|b| b == b'-'))
}

/// Returns the level of an ATX heading, or 0.
pub(super) fn heading_level(line: &str) -> usize {
    let trimmed = line.trim_start_matches(' ');
    let rest = trimmed.trim_start_matches('#');
    let level = trimmed.len() - rest.len();
    let is_heading = level <= 6 && (rest.is_empty() || rest.starts_with([' ', '\t']));
    if is_heading { level } else { 0 }
}

fn opens_block(line: &str, in_paragraph: bool) -> bool {
    strip_quote(line).is_some()
        || strip_item(line, in_paragraph).is_some()
        || fence_of(line).is_some()
        || heading_level(line) > 0
        || is_rule(line)
}

#[cfg(test)]
mod tests;
