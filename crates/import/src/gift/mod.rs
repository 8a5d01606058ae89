//! GIFT, the text format of Moodle's questions. The rules are those of Moodle's documentation: questions are separated
//! by empty lines, the first `{` and `}` that are not escaped enclose the answers, and the answers decide the kind.
//!
//! Not here: decoding the file (`text::encoding`), the kinds of quizzes (`question::lower`).

mod answers;

pub(crate) use answers::number;

use crate::question::{Bank, GAP, Question, Rejected, Text, TextFormat};
use crate::remark::RemarkCode;

/// Escaped characters, and the private characters that stand for them while a question is split.
const ESCAPED: [(char, char); 7] = [
    (':', '\u{fde0}'),
    ('#', '\u{fde1}'),
    ('=', '\u{fde2}'),
    ('{', '\u{fde3}'),
    ('}', '\u{fde4}'),
    ('~', '\u{fde5}'),
    ('\n', '\u{fde6}'),
];

/// Maximum number of characters of a quotation in a report.
const MAX_QUOTE: usize = 80;

/// Reads a file. Lines end with LF.
pub fn parse(source: &str) -> Bank {
    let mut bank = Bank::default();
    let mut category = Vec::new();
    let mut block: Vec<(u32, &str)> = Vec::new();
    let lines = source.lines().map(str::trim).chain(std::iter::once(""));
    for (number, line) in (1..).zip(lines) {
        if !line.is_empty() {
            block.push((number, line));
            continue;
        }
        if !block.is_empty() {
            read_block(&block, &mut category, &mut bank);
            block.clear();
        }
    }
    bank
}

/// Reads the lines between two empty lines.
fn read_block(lines: &[(u32, &str)], category: &mut Vec<String>, bank: &mut Bank) {
    let mut comment = String::new();
    let mut kept: Vec<(u32, &str)> = Vec::new();
    for (number, line) in lines {
        if let Some(text) = line.strip_prefix("//") {
            comment.push_str(text);
            comment.push('\n');
        } else {
            kept.push((*number, line));
        }
    }
    // A category ends with its line, also without an empty line after it.
    while let Some((_, line)) = kept.first()
        && let Some(path) = line.strip_prefix("$CATEGORY:")
    {
        *category = category_path(&unescaped(&protected(path)));
        kept.remove(0);
    }
    let Some((line, _)) = kept.first() else { return };
    let text = kept.iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
    match question(&text, *line) {
        Ok(mut question) => {
            question.category.clone_from(category);
            (question.id, question.tags) = id_and_tags(&comment);
            bank.questions.push(question);
        }
        Err(reason) => bank.rejected.push(Rejected {
            line: *line,
            text: crate::text::escape::plain_field(&text, MAX_QUOTE),
            reason: reason.into(),
        }),
    }
}

/// Splits the path of a category: `/` separates the names, `//` is a slash.
pub(crate) fn category_path(path: &str) -> Vec<String> {
    let mark = '\u{fde7}';
    path.trim()
        .replace("//", &mark.to_string())
        .split('/')
        .map(|name| name.replace(mark, "/").trim().to_owned())
        // The context of Moodle's categories is no name.
        .filter(|name| !name.is_empty() && name != "top" && !is_context(name))
        .collect()
}

fn is_context(name: &str) -> bool {
    matches!(name, "$course$" | "$system$" | "$cat1$" | "$module$" | "$coursecat$")
        || name.starts_with('$') && name.ends_with('$') && name.len() > 2
}

fn question(text: &str, line: u32) -> Result<Question, RemarkCode> {
    let text = protected(text);
    let mut text = text.trim();
    let mut title = None;
    if let Some(rest) = text.strip_prefix("::") {
        text = rest;
        if let Some((name, rest)) = rest.split_once("::") {
            title = Some(unescaped(name).trim().to_owned()).filter(|name| !name.is_empty());
            text = rest.trim();
        }
    }
    let (before, answers, after) = match (text.find('{'), text.find('}')) {
        (None, None) => (text, None, ""),
        (Some(start), Some(end)) if start < end => {
            (&text[..start], Some(text[start + 1..end].trim()), &text[end + 1..])
        }
        (Some(_), None) => {
            return Err(RemarkCode::NotClosed);
        }
        _ => return Err(RemarkCode::NotOpened),
    };
    let prompt = match (answers, after.is_empty()) {
        (Some(_), false) => format!("{before}{GAP}{after}"),
        _ => before.to_owned(),
    };
    let prompt = formatted(&prompt, TextFormat::Moodle);
    let Some(answers) = answers else {
        if prompt.is_empty() {
            return Err(RemarkCode::QuestionEmpty);
        }
        let mut description = Question::new(line, prompt, crate::question::Kind::Description);
        (description.title, description.points) = (title, 0.0);
        return Ok(description);
    };
    let (answers, feedback) = match answers.rfind("####") {
        Some(at) => (answers[..at].trim(), &answers[at + 4..]),
        None => (answers, ""),
    };
    let format = prompt.format;
    let kind = answers::kind(answers, format)?;
    let mut question = Question::new(line, prompt, kind);
    question.title = title;
    question.feedback = formatted(feedback, format);
    Ok(question)
}

/// Replaces escaped characters by private ones, which no rule of the format sees.
fn protected(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = match chars.peek() {
            Some('\\') if c == '\\' => Some('\\'),
            Some('n') if c == '\\' => Some('\u{fde6}'),
            Some(next) if c == '\\' => {
                ESCAPED.iter().find(|(plain, _)| plain == next && *plain != '\n').map(|pair| pair.1)
            }
            _ => None,
        };
        match escaped {
            Some(escaped) => {
                chars.next();
                out.push(escaped);
            }
            None => out.push(c),
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    text.chars()
        .map(|c| ESCAPED.iter().find(|(_, mark)| *mark == c).map_or(c, |(plain, _)| *plain))
        .collect()
}

/// Reads a text with its format, such as `[html]<b>x</b>`. A word in brackets that is no format is text.
fn formatted(text: &str, default: TextFormat) -> Text {
    let text = text.trim();
    let named = text.strip_prefix('[').and_then(|rest| {
        let (name, rest) = rest.split_once(']')?;
        let format = match name {
            "html" => TextFormat::Html,
            "moodle" => TextFormat::Moodle,
            "plain" => TextFormat::Plain,
            "markdown" => TextFormat::Markdown,
            _ => return None,
        };
        Some((format, rest))
    });
    let (format, text) = named.unwrap_or((default, text));
    Text::new(format, unescaped(text).trim())
}

/// Finds `[id:...]` and `[tag:...]` in the comments of a question; `\]` is a bracket.
fn id_and_tags(comment: &str) -> (String, Vec<String>) {
    let (mut id, mut tags) = (String::new(), Vec::new());
    let mut rest = comment;
    while let Some((_, inside)) = rest.split_once('[') {
        rest = inside;
        let mut value = String::new();
        let mut chars = inside.char_indices();
        let end = loop {
            match chars.next() {
                Some((at, ']')) => break Some(at),
                Some((_, '\\')) => value.extend(chars.next().map(|(_, c)| c)),
                Some((_, c)) => value.push(c),
                None => break None,
            }
        };
        let Some(end) = end else { break };
        let value = value.trim();
        if let Some(name) = value.strip_prefix("id:") {
            if id.is_empty() {
                name.trim().clone_into(&mut id);
            }
        } else if let Some(tag) = value.strip_prefix("tag:") {
            tags.push(tag.trim().to_owned());
        } else {
            continue;
        }
        rest = &inside[end + 1..];
    }
    (id, tags)
}

#[cfg(test)]
mod tests;
