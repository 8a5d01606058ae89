//! Finds markup of other dialects of Markdown and of site generators, which is shown as text here.
//!
//! Not here: markup that CommonMark has, but that is not recognised in its place (`leftovers`).

use super::scripts::is_spaceless;

/// What a part of a text looks like, and what to write instead.
pub(super) struct Foreign {
    /// Length of the part in bytes.
    pub length: usize,
    pub what: &'static str,
    pub hint: &'static str,
}

/// Maximum number of characters of a subscript or superscript.
const MAX_SCRIPT: usize = 8;
/// Maximum number of lines of front matter.
const MAX_FRONT_MATTER: usize = 100;

/// Returns the foreign markup with which `rest` starts; `before` is the character before it.
pub(super) fn foreign(before: Option<char>, rest: &str) -> Option<Foreign> {
    let found = |length, what, hint| Some(Foreign { length, what, hint });
    let after_word = before.is_some_and(char::is_alphanumeric);
    match rest.chars().next()? {
        '{' => {
            let close = if rest.starts_with("{%") {
                "%}"
            } else if rest.starts_with("{{") {
                "}}"
            } else if rest.starts_with("{#") || rest.starts_with("{.") || rest.starts_with("{:") {
                "}"
            } else {
                return None;
            };
            let inside = rest.get(2..rest[1..].find(close)? + 1)?;
            let is_name =
                inside.trim().starts_with(|c: char| c.is_alphabetic() || "#.:_-\"'".contains(c));
            let hint = "it is not supported; remove it, or write it between backticks as code";
            if is_name {
                found(2 + inside.len() + close.len(), "an instruction of another program", hint)
            } else {
                None
            }
        }
        '[' if rest.starts_with("[[") => {
            let inside = rest[2..].split_once("]]")?.0;
            let is_page = inside.starts_with(char::is_alphabetic) && !inside.contains(['[', ']']);
            let hint = "write [text](section:LESSON/SECTION) for a link, or a backslash before each bracket";
            if is_page { found(inside.len() + 4, "a link of a wiki", hint) } else { None }
        }
        '[' => {
            let (label, target) = rest[1..].split_once("] (")?;
            let is_link = !label.contains(['[', ']']) && starts_with_address(target);
            let hint = "write [text](address) without a space between ] and (";
            if is_link { found(label.len() + 4, "a link", hint) } else { None }
        }
        ')' if rest.starts_with(")[") && starts_with_address(&rest[2..]) => found(
            2,
            "a link",
            "write [text](address): first the text in [], then the address in ()",
        ),
        '=' if rest.starts_with("==") && before != Some('=') && !after_word => {
            let inside = closed(rest, "==")?;
            found(inside + 4, "highlighted text", "write **bold** or *italic* text")
        }
        '~' if after_word && before != Some('~') => {
            let inside = script(rest)?;
            found(inside + 2, "a subscript", "write <sub>2</sub>, or a formula such as $x_2$")
        }
        '^' if after_word => {
            let inside = script(rest)?;
            found(inside + 2, "a superscript", "write <sup>2</sup>, or a formula such as $x^2$")
        }
        '_' if before != Some('_') => {
            let (inside, after) = rest[1..].split_once('_')?;
            // Letters on both sides are a name: `变量_名_称`.
            let is_between = before.is_some_and(char::is_alphanumeric)
                && after.starts_with(char::is_alphanumeric);
            let is_emphasis = inside.starts_with(is_spaceless)
                && inside.ends_with(is_spaceless)
                && !is_between
                && !after.starts_with('_');
            let hint = "write * instead of _, or a backslash before each _";
            if is_emphasis { found(inside.len() + 2, "emphasis", hint) } else { None }
        }
        _ => None,
    }
}

/// Returns the foreign markup that a whole line is.
pub(super) fn foreign_line(line: &str) -> Option<Foreign> {
    let inside = line.strip_prefix('[')?.split_once(']')?.0;
    let found = |what, hint| Some(Foreign { length: inside.len() + 2, what, hint });
    if let Some(name) = inside.strip_prefix('!') {
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase());
        let hint = "it is not supported; write a heading or **bold** text instead";
        return if is_name { found("a note of another dialect", hint) } else { None };
    }
    let is_contents = ["toc", "[toc"].contains(&inside.to_ascii_lowercase().as_str());
    if is_contents {
        return found("a table of contents", "remove it: the app lists the headings itself");
    }
    None
}

/// Returns what the marker of a list without a space after it would be: `-`, `•`, or `1.` as `1`.
pub(super) fn tight_marker(line: &str) -> Option<char> {
    let line = line.trim_start();
    let first = line.chars().next()?;
    let rest = &line[first.len_utf8()..];
    match first {
        '•' | '‣' | '◦' | '▪' | '●' | '■' | '·' | '‧' | '➢' | '✓' => Some(first),
        '-' | '–' | '—' => rest.starts_with(char::is_alphabetic).then_some(first),
        '0'..='9' => {
            let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
            let text = rest.strip_prefix(['.', ')', '、', '．', '）'])?;
            let has_no_space = text.starts_with(char::is_alphabetic);
            (has_no_space && line.len() - rest.len() < 3).then_some('1')
        }
        _ => None,
    }
}

/// Returns the number of lines of the front matter of a text, with its two `---`.
pub(crate) fn front_matter(source: &str) -> Option<usize> {
    let mut lines = source.lines().take(MAX_FRONT_MATTER);
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let mut has_field = false;
    for (n, line) in lines.enumerate() {
        let line = line.trim_end();
        if line == "---" || line == "..." {
            return has_field.then_some(n + 2);
        }
        let name = line.split_once(':').map(|(name, _)| name);
        let is_field = name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-".contains(c))
        });
        let is_value = line.starts_with([' ', '\t', '-', '#']);
        if !is_field && !is_value {
            return None;
        }
        has_field |= is_field;
    }
    None
}

fn starts_with_address(text: &str) -> bool {
    let text = text.trim_start_matches('<');
    ["http://", "https://", "mailto:", "word:", "section:", "www."]
        .iter()
        .any(|s| text.starts_with(s))
}

/// Returns the length of the text between `mark` and the next one, both directly beside words.
fn closed(rest: &str, mark: &str) -> Option<usize> {
    let inside = rest[mark.len()..].split_once(mark)?.0;
    let (first, last) = (inside.chars().next()?, inside.chars().next_back()?);
    let after = rest[mark.len() * 2 + inside.len()..].chars().next();
    let is_mark = |c: char| mark.contains(c) || c.is_whitespace();
    let is_closed = !is_mark(first) && !is_mark(last) && !after.is_some_and(char::is_alphanumeric);
    is_closed.then_some(inside.len())
}

/// Returns the length of the text between two equal marks of one character.
fn script(rest: &str) -> Option<usize> {
    let mark = rest.chars().next()?;
    let (inside, after) = rest[1..].split_once(mark)?;
    let is_script = !inside.is_empty()
        && inside.chars().count() <= MAX_SCRIPT
        && inside.chars().all(|c| c.is_alphanumeric() || "+-−".contains(c))
        && !after.starts_with(mark);
    is_script.then_some(inside.len())
}
