//! Writes a paragraph for the Markdown parser: replaces its formulas, and marks its emphasis.
//!
//! Not here: formulas with empty lines (`prepare`).

use std::collections::HashMap;

use super::delimiters::{self, Brackets, Found};
use super::prepare::{Content, LETTER_MARK, Preparer, STOP_MARK, SourceParagraph, Syntax};
use super::scripts::{is_spaceless, is_variation_selector};

/// Writes a paragraph to the prepared text.
pub(super) struct Writer<'a> {
    preparer: &'a mut Preparer,
    paragraph: &'a SourceParagraph,
    /// Everything before this offset is written or dropped.
    from: usize,
    next_mark: usize,
}

impl<'a> Writer<'a> {
    pub fn new(preparer: &'a mut Preparer, paragraph: &'a SourceParagraph) -> Self {
        Self { preparer, paragraph, from: 0, next_mark: 0 }
    }

    pub fn write(mut self) {
        let paragraph = self.paragraph;
        let text = paragraph.text.as_str();
        let takes_formulas = self.preparer.out.syntax != Syntax::Story;
        let is_table = text.lines().nth(1).is_some_and(is_delimiter_row);
        let runs = backtick_runs(text);
        let mut brackets = Brackets::default();
        let last_comment = text.rfind("-->").unwrap_or(0);
        let mut at = 0;
        while let Some(byte) = text.as_bytes().get(at) {
            // A byte inside of a character has none of these values.
            let Some(rest) = text.get(at..) else {
                at += 1;
                continue;
            };
            match byte {
                b'\\' => {
                    let found = if takes_formulas { brackets.find(text, at) } else { Found::Text };
                    let doubled = usize::from(rest.starts_with("\\\\"));
                    let length = 2 + doubled;
                    let display = rest[1 + doubled..].starts_with('[');
                    at = self.found(found, at, length, display, is_table).unwrap_or_else(|| {
                        at + 1 + rest[1..].chars().next().map_or(0, char::len_utf8)
                    });
                }
                b'`' => {
                    at = end_of_code(&runs, rest, at);
                }
                b'<' if rest.starts_with("<!--") && at < last_comment => {
                    at += rest.find("-->").map_or(1, |end| end + 3);
                }
                b'<' => at += tag_length(rest),
                b'$' if takes_formulas => {
                    let run = rest.len() - rest.trim_start_matches('$').len();
                    let found = match run {
                        1 => delimiters::dollar(text, at),
                        2 => delimiters::double_dollar(text, at),
                        _ => Found::Text,
                    };
                    at = self.found(found, at, run.min(2), run == 2, is_table).unwrap_or(at + run);
                }
                b'*' | b'_' | b'~' => {
                    let run = rest.len() - rest.trim_start_matches(*byte as char).len();
                    self.emphasis(at, run, *byte);
                    at += run;
                }
                _ => at += 1,
            }
        }
        self.copy(text.len());
    }

    /// Writes a formula or mistake, and returns the offset after it; `None` for text. `length` is that of a delimiter.
    fn found(
        &mut self,
        found: Found,
        at: usize,
        length: usize,
        display: bool,
        is_table: bool,
    ) -> Option<usize> {
        let text = self.paragraph.text.as_str();
        let (content, end) = match found {
            Found::Text => return None,
            Found::Mistake(mistake) => (Content::Mistake(mistake), at + length),
            Found::Formula { tex_end, end } => {
                let mut tex = text[at + length..tex_end].to_owned();
                if is_table {
                    // In a table `|` is written with a backslash.
                    tex = tex.replace("\\|", "|");
                }
                (Content::Formula { tex, display }, end)
            }
        };
        self.copy(at);
        let placeholder = self.preparer.extract(content, text[at..end].to_owned());
        self.preparer.out.text.push_str(&placeholder);
        self.drop(end);
        Some(end)
    }

    /// Makes a run of `*`, `_` or `~` work as emphasis where the rules of CommonMark do not expect a script without
    /// spaces, and a `*` between two numbers or single letters a multiplication sign.
    fn emphasis(&mut self, at: usize, run: usize, mark: u8) {
        let text = self.paragraph.text.as_str();
        let mut before = text[..at].chars().rev().skip_while(|c| is_variation_selector(*c));
        let (Some(before), Some(after)) = (before.next(), text[at + run..].chars().next()) else {
            return;
        };
        if before.is_whitespace() || after.is_whitespace() {
            return;
        }
        if mark == b'*' && run == 1 && is_product(&text[..at], &text[at + 1..]) {
            self.copy(at);
            return self.preparer.out.text.push('\\');
        }
        let (opening, closing) = if mark == b'_' {
            let is_letter = |c: char| is_spaceless(c) && c.is_alphanumeric();
            let is_mark = |c: char| !c.is_alphanumeric() && c != '_';
            let opens = is_letter(before) && is_mark(after);
            let closes = is_mark(before) && is_letter(after);
            if opens == closes {
                return;
            }
            let stop = if opens { format!("{STOP_MARK}.") } else { format!(".{STOP_MARK}") };
            if opens { (stop, String::new()) } else { (String::new(), stop) }
        } else if is_spaceless(before) || is_spaceless(after) {
            (LETTER_MARK.to_string(), LETTER_MARK.to_string())
        } else {
            return;
        };
        self.copy(at);
        self.preparer.out.text.push_str(&opening);
        self.copy(at + run);
        self.preparer.out.text.push_str(&closing);
    }

    /// Writes the text up to an offset.
    fn copy(&mut self, end: usize) {
        let text = self.paragraph.text.as_str();
        while let Some((mark, prefix, line)) = self.paragraph.marks.get(self.next_mark) {
            if *mark > end {
                break;
            }
            self.preparer.out.text.push_str(&text[self.from..*mark]);
            self.from = *mark;
            self.preparer.out.lines.push((self.preparer.out.text.len(), *line));
            self.preparer.out.text.push_str(prefix);
            self.next_mark += 1;
        }
        self.preparer.out.text.push_str(&text[self.from..end]);
        self.from = end;
    }

    /// Skips the text up to an offset.
    fn drop(&mut self, end: usize) {
        let marks = &self.paragraph.marks[self.next_mark..];
        let dropped = marks.partition_point(|(mark, ..)| *mark <= end);
        if let Some((.., line)) = marks[..dropped].last() {
            self.preparer.out.lines.push((self.preparer.out.text.len(), *line));
        }
        self.next_mark += dropped;
        self.from = end;
    }
}

/// Returns true for a `*` between two numbers, single letters or brackets.
fn is_product(before: &str, after: &str) -> bool {
    let is_operand = |c: Option<char>, next: Option<char>| match c {
        Some(c) if c.is_ascii_digit() => true,
        Some(c) if c.is_ascii_alphabetic() => !next.is_some_and(char::is_alphanumeric),
        _ => false,
    };
    let (mut back, mut on) = (before.chars().rev(), after.chars());
    is_operand(back.next(), back.next()) && is_operand(on.next(), on.next())
}

/// Maximum length of a tag or address whose content is not searched for formulas.
const MAX_TAG: usize = 500;

/// Returns the length of the tag or address in angle brackets at the start of a text, or 1.
fn tag_length(text: &str) -> usize {
    let is_tag = text[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let name = text[1..].split(|c: char| !(c.is_ascii_alphanumeric() || "+.-".contains(c))).next();
    let is_address = name.is_some_and(|name| text[1 + name.len()..].starts_with(':'));
    let mut quote = None;
    for (at, c) in text.char_indices().skip(1).take(MAX_TAG) {
        match (quote, c) {
            _ if !is_tag => break,
            (None, '>') => return at + 1,
            (None, ' ' | '\n') if is_address => break,
            (None, '"' | '\'') if !is_address => quote = Some(c),
            (None, '$') if !is_address => break,
            (None, '<' | '\n') => break,
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
    }
    1
}

/// Returns the offsets of the runs of backticks by their length.
pub(super) fn backtick_runs(text: &str) -> HashMap<usize, Vec<usize>> {
    let mut runs: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let rest = &text[at + found..];
        let run = rest.len() - rest.trim_start_matches('`').len();
        runs.entry(run).or_default().push(at + found);
        at += found + run;
    }
    runs
}

/// Returns the end of the code span that starts at `at`, or of its backticks if there is no end.
pub(super) fn end_of_code(runs: &HashMap<usize, Vec<usize>>, rest: &str, at: usize) -> usize {
    let run = rest.len() - rest.trim_start_matches('`').len();
    let close = runs.get(&run).and_then(|all| all.get(all.partition_point(|p| *p <= at)));
    close.copied().unwrap_or(at) + run
}

/// Returns true for the line below the head of a table.
pub(super) fn is_delimiter_row(line: &str) -> bool {
    let line = line.trim();
    line.contains('|')
        && line.contains('-')
        && line.bytes().all(|b| matches!(b, b'|' | b'-' | b':' | b' ' | b'\t'))
}
