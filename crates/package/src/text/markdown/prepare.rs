//! Prepares a text for the Markdown parser: takes out the formulas, so that no character of them is read as Markdown,
//! and makes emphasis work next to scripts without spaces between words.
//!
//! A formula becomes a placeholder, which is converted back when the parser returns it in a text; in code, HTML and link
//! targets the source is restored. Not here: what is found
//! inside of a paragraph (`writer`), the events (`events`).

use std::collections::HashMap;

use super::delimiters::{self, Mistake};
use super::dialects;
use super::lines::{self, Line, LineKind, LineReader};
use super::scripts::is_spaceless;
use super::writer::{Writer, backtick_runs, end_of_code};

// Noncharacters of Unicode, which no text contains: `PreparedText` replaces them in the source.
const FORMULA_START: char = '\u{fdd0}';
const FORMULA_END: char = '\u{fdd1}';
/// Counts as a letter where the parser decides what `*` means.
pub(super) const LETTER_MARK: char = '\u{fdd2}';
/// Follows or precedes a `.` that counts as punctuation where the parser decides what `_` means.
pub(super) const STOP_MARK: char = '\u{fdd3}';
/// At the start of a line that must not become a list, heading, quote or code.
const GUARD: char = '\u{fdd4}';
const REPLACED: std::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdd5}';

/// Which blocks and formulas a text may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Everything.
    Blocks,
    /// Blocks without formulas.
    Story,
    /// Blocks without headings, rules and HTML: a prompt or explanation of several lines.
    Prompt,
    /// No blocks: a choice, or a prompt of one line.
    Inline,
}

/// A part of the source that the parser must not see.
#[derive(Debug)]
pub(super) struct Extract {
    pub content: Content,
    pub source: String,
    /// Byte offset of the placeholder in the prepared text.
    pub offset: usize,
}

#[derive(Debug)]
pub(super) enum Content {
    Formula {
        tex: String,
        display: bool,
    },
    /// Text that is reported, unless it turns out to be code.
    Mistake(Mistake),
}

/// A text in the form that the parser gets.
#[derive(Debug)]
pub(crate) struct PreparedText {
    pub(super) text: String,
    pub(super) extracts: Vec<Extract>,
    /// Byte offsets of the prepared text from which on another line of the source applies, from 1.
    pub(super) lines: Vec<(usize, u32)>,
    pub(super) syntax: Syntax,
    /// Number of lines of front matter, which were removed.
    pub(super) front_matter: Option<usize>,
}

impl PreparedText {
    pub fn new(source: &str, syntax: Syntax) -> Self {
        let replaced;
        let source = if source.contains(|c| REPLACED.contains(&c)) {
            replaced = source.replace(|c| REPLACED.contains(&c), "\u{fffd}");
            &replaced
        } else {
            source
        };
        let has_blocks = matches!(syntax, Syntax::Blocks | Syntax::Story);
        let front_matter = dialects::front_matter(source).filter(|_| has_blocks);
        let without_front_matter;
        let source = match front_matter {
            Some(removed) => {
                // Empty lines keep the numbers of the lines after them.
                let rest = source.splitn(removed + 1, '\n').nth(removed).unwrap_or_default();
                without_front_matter = format!("{}{rest}", "\n".repeat(removed));
                &without_front_matter
            }
            None => source,
        };
        let mut preparer = Preparer {
            out: Self {
                text: String::with_capacity(source.len()),
                extracts: Vec::new(),
                lines: Vec::new(),
                syntax,
                front_matter,
            },
            line: 1,
            unclosed: HashMap::new(),
        };
        if syntax == Syntax::Inline {
            preparer.inline(source)
        } else {
            preparer.blocks(source)
        }
        let mut prepared = preparer.out;
        for (at, _) in prepared.text.match_indices(FORMULA_START) {
            let after = &prepared.text[at + FORMULA_START.len_utf8()..];
            let index = after.split(FORMULA_END).next().and_then(|n| n.parse::<usize>().ok());
            if let Some(extract) = index.and_then(|n| prepared.extracts.get_mut(n)) {
                extract.offset = at;
            }
        }
        prepared
    }

    /// Returns the source of a part of the prepared text.
    pub(super) fn restored(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for part in self.parts(text) {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Extract(extract) => out.push_str(&extract.source),
            }
        }
        without_marks(&out)
    }

    /// Splits a text at its placeholders.
    pub(super) fn parts<'s>(&'s self, text: &'s str) -> Vec<Part<'s>> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(FORMULA_START) {
            if !before.is_empty() {
                parts.push(Part::Text(before));
            }
            let (index, tail) = after.split_once(FORMULA_END).unwrap_or((after, ""));
            let extract = index.parse::<usize>().ok().and_then(|n| self.extracts.get(n));
            parts.extend(extract.map(Part::Extract));
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest));
        }
        parts
    }
}

/// A part of a text returned by the parser.
pub(super) enum Part<'s> {
    Text(&'s str),
    Extract(&'s Extract),
}

/// Returns true if a text of the parser contains marks or placeholders.
pub(super) fn is_prepared(text: &str) -> bool {
    text.contains(|c| REPLACED.contains(&c))
}

/// Removes the marks that were inserted for the parser.
pub(super) fn without_marks(text: &str) -> String {
    let (before, after) = (format!(".{STOP_MARK}"), format!("{STOP_MARK}."));
    text.replace(&after, "").replace(&before, "").replace([LETTER_MARK, STOP_MARK, GUARD], "")
}

/// A paragraph without the markers of its containers.
#[derive(Debug, Default)]
pub(super) struct SourceParagraph {
    pub text: String,
    /// Offsets after a line ending or formula, with the markers that follow and the line of the source.
    pub marks: Vec<(usize, String, u32)>,
    prefix: String,
    line: u32,
    is_indented: bool,
}

pub(super) struct Preparer {
    pub out: PreparedText,
    /// Line of the source that is read next.
    line: u32,
    /// For a delimiter without an end: the number of bytes after the place up to which there is none.
    unclosed: HashMap<(&'static str, usize, bool), usize>,
}

impl Preparer {
    fn inline(&mut self, source: &str) {
        let mut paragraph =
            SourceParagraph { prefix: GUARD.to_string(), line: 1, ..SourceParagraph::default() };
        for line in source.split_inclusive('\n') {
            paragraph.text.push_str(line);
            self.line += 1;
            if line.ends_with('\n') {
                paragraph.marks.push((paragraph.text.len(), GUARD.to_string(), self.line));
            }
        }
        self.paragraph(&paragraph);
    }

    fn blocks(&mut self, source: &str) {
        let mut lines = LineReader::new(source);
        let mut paragraph: Option<SourceParagraph> = None;
        while let Some(line) = lines.next_line() {
            let starts = matches!(line.kind, LineKind::First | LineKind::Indented);
            let is_text = starts || line.kind == LineKind::Continuation;
            // A line of `-` after a formula is a rule, not the underline of a heading.
            let is_rule = is_text
                && lines::is_underline(line.content)
                && paragraph.as_ref().is_some_and(|p| p.text.trim_end().ends_with(FORMULA_END));
            if (starts || !is_text || is_rule)
                && let Some(paragraph) = paragraph.take()
            {
                self.paragraph(&paragraph);
            }
            if is_rule {
                self.out.text.push_str(line.prefix.trim_end());
                self.out.text.push('\n');
            }
            if !is_text {
                self.start_line();
                for part in [line.prefix, line.content, line.ending] {
                    self.out.text.push_str(part);
                }
                self.line += 1;
                continue;
            }
            let prefix = self.guarded(&line);
            let target = paragraph.get_or_insert_with(|| SourceParagraph {
                prefix: prefix.clone(),
                line: self.line,
                is_indented: line.kind == LineKind::Indented,
                ..SourceParagraph::default()
            });
            if !target.text.is_empty() {
                target.marks.push((target.text.len(), prefix, self.line));
            }
            self.add_line(target, line, &mut lines);
        }
        if let Some(paragraph) = paragraph {
            self.paragraph(&paragraph);
        }
    }

    /// Returns the prefix of a line, with a guard where the syntax has no such block.
    fn guarded(&self, line: &Line<'_>) -> String {
        let is_block = lines::heading_level(line.content) > 0
            || lines::is_rule(line.content)
            || lines::is_underline(line.content)
            || line.content.trim_start().starts_with('<');
        let is_guarded = self.out.syntax == Syntax::Prompt && is_block;
        if is_guarded { format!("{}{GUARD}", line.prefix) } else { line.prefix.to_owned() }
    }

    /// Appends a line to a paragraph, and the formula that begins on it and ends on a later one.
    fn add_line<'t>(
        &mut self,
        paragraph: &mut SourceParagraph,
        first: Line<'t>,
        lines: &mut LineReader<'t>,
    ) {
        let mut line = first;
        loop {
            self.line += 1;
            let takes_formulas = self.out.syntax != Syntax::Story && !paragraph.is_indented;
            let opening = if takes_formulas { Opening::find(line.content) } else { None };
            let Some(opening) = opening else {
                paragraph.text.push_str(line.content);
                break paragraph.text.push_str(line.ending);
            };
            let rest = lines.rest();
            let Some(end) = self.find_end(rest, &opening, line.quotes) else {
                paragraph.text.push_str(&line.content[..opening.at]);
                let mistake = Content::Mistake(Mistake::Unclosed(opening.open));
                paragraph.text.push_str(&self.extract(mistake, opening.open.to_owned()));
                paragraph.text.push_str(&line.content[opening.at + opening.open.len()..]);
                break paragraph.text.push_str(line.ending);
            };
            let mut tex = line.content[opening.at + opening.open.len()..].to_owned();
            for inner in rest[..end].split('\n') {
                let inner = strip_quotes(inner, line.quotes).unwrap_or(inner);
                if !inner.trim().is_empty() {
                    tex.push('\n');
                    tex.push_str(inner.trim_end());
                }
            }
            let after = end + opening.close.len();
            let source = [&line.content[opening.at..], line.ending, &rest[..after]].concat();
            self.line += rest[..after].matches('\n').count() as u32;
            paragraph.text.push_str(&line.content[..opening.at]);
            let placeholder = self.extract(Content::Formula { tex, display: true }, source);
            paragraph.text.push_str(&placeholder);
            paragraph.marks.push((paragraph.text.len(), String::new(), self.line));
            lines.resume(&rest[after..]);
            match lines.rest_of_line() {
                Some(next) => line = next,
                None => break,
            }
        }
    }

    /// Returns the offset of the closing delimiter of a formula that continues after its line.
    fn find_end(&mut self, rest: &str, opening: &Opening, quotes: usize) -> Option<usize> {
        let key = (opening.close, quotes, opening.is_block);
        // Bytes that remain after the place up to which an earlier search found no end.
        if self.unclosed.get(&key).is_some_and(|remaining| rest.len() > *remaining) {
            return None;
        }
        let (mut at, mut has_blank) = (0, false);
        for line in rest.split_inclusive('\n') {
            let Some(content) = strip_quotes(line, quotes) else { break };
            let trimmed = content.trim();
            has_blank |= trimmed.is_empty();
            let is_end = trimmed.starts_with("```")
                || trimmed.starts_with("~~~")
                || has_blank && (!opening.is_block || is_prose(trimmed));
            if is_end {
                break;
            }
            if let Some(found) = delimiters::find_unescaped(content, opening.close) {
                return Some(at + line.len() - content.len() + found);
            }
            at += line.len();
        }
        self.unclosed.insert(key, rest.len() - at);
        None
    }

    pub fn extract(&mut self, content: Content, source: String) -> String {
        self.out.extracts.push(Extract { content, source, offset: 0 });
        format!("{FORMULA_START}{}{FORMULA_END}", self.out.extracts.len() - 1)
    }

    fn start_line(&mut self) {
        self.out.lines.push((self.out.text.len(), self.line));
    }

    fn paragraph(&mut self, paragraph: &SourceParagraph) {
        self.out.lines.push((self.out.text.len(), paragraph.line));
        self.out.text.push_str(&paragraph.prefix);
        Writer::new(self, paragraph).write();
    }
}

/// The start of a formula that continues after its line.
struct Opening {
    at: usize,
    open: &'static str,
    close: &'static str,
    /// The delimiter is the first or last of its line, so empty lines may follow.
    is_block: bool,
}

impl Opening {
    fn find(line: &str) -> Option<Self> {
        let is_edge = |at: usize| line[..at].trim().is_empty() || line[at + 2..].trim().is_empty();
        let runs = backtick_runs(line);
        let mut open = None;
        let mut at = 0;
        while let Some(byte) = line.as_bytes().get(at) {
            // A byte inside of a character has none of these values.
            let Some(rest) = line.get(at..) else {
                at += 1;
                continue;
            };
            match byte {
                b'\\' if rest.starts_with("\\[") && open.is_none() && is_edge(at) => {
                    let inside = &rest[2..];
                    let is_formula =
                        inside.trim().is_empty() || delimiters::looks_like_formula(inside);
                    if is_formula && delimiters::find_unescaped(inside, "\\]").is_none() {
                        return Some(Self { at, open: "\\[", close: "\\]", is_block: true });
                    }
                    at += 2;
                }
                b'\\' => at += 2,
                b'`' if open.is_none() => {
                    at = end_of_code(&runs, rest, at);
                }
                b'$' => {
                    let run = rest.len() - rest.trim_start_matches('$').len();
                    if run == 2 {
                        open = if open.is_some() { None } else { Some(at) };
                    }
                    at += run;
                }
                _ => at += 1,
            }
        }
        open.map(|at| Self { at, open: "$$", close: "$$", is_block: is_edge(at) })
    }
}

/// Removes the markers of quotes; `None` if a line has fewer.
fn strip_quotes(line: &str, quotes: usize) -> Option<&str> {
    let mut rest = line;
    for _ in 0..quotes {
        rest = rest.trim_start_matches([' ', '\t']).strip_prefix('>')?;
    }
    Some(rest)
}

/// Returns true for a line of words.
fn is_prose(line: &str) -> bool {
    if line.contains(['\\', '=', '^', '&']) {
        return false;
    }
    let is_word = |token: &str| {
        let word = token.trim_matches(|c: char| !c.is_alphanumeric());
        word.chars().count() >= 2 && word.chars().all(char::is_alphabetic)
    };
    line.split_whitespace().filter(|token| is_word(token)).count() >= 3
        || line.chars().filter(|c| is_spaceless(*c)).count() >= 8
}
