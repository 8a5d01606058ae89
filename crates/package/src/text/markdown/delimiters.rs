//! Finds formulas in a paragraph: `$a$`, `$$a$$`, `\(a\)`, `\[a\]`, and tells them from prices and escaped brackets.
//!
//! All functions take a paragraph without container markers and the byte offset of an opening delimiter that is not
//! escaped. Not here: formulas of several lines with empty lines (`prepare`), LaTeX (`maths`).

use super::scripts::is_spaceless;

/// Maximum number of `$` that are tried as the end of one formula.
const MAX_CANDIDATES: usize = 8;

/// What follows the byte offset of an opening delimiter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A formula: the ends of its LaTeX and of its closing delimiter.
    Formula {
        tex_end: usize,
        end: usize,
    },
    /// Text that was probably meant as a formula.
    Mistake(Mistake),
    Text,
}

/// A formula that is not written correctly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// `$`, `$$`, `\(` or `\[` without an end.
    Unclosed(&'static str),
    /// White space inside of `$`.
    Spaces,
}

/// Returns what a single `$` at `at` starts.
pub(super) fn dollar(text: &str, at: usize) -> Found {
    let before = text[..at].chars().next_back();
    let inside = &text[at + 1..];
    // "US$5" and "10$" contain no formula.
    if before.is_some_and(is_word_char) || inside.is_empty() {
        return Found::Text;
    }
    // In a JSON file, a tab or form feed may be the start of a command with one backslash, which `reader` reports.
    if inside.starts_with(|c: char| c.is_whitespace() && !matches!(c, '\t' | '\u{c}')) {
        return spaced_formula(inside);
    }
    let mut first = None;
    for end in candidates(inside).take(MAX_CANDIDATES) {
        first = first.or(Some(end));
        if is_balanced(&inside[..end]) {
            first = Some(end);
            break;
        }
    }
    if let Some(end) = first.filter(|end| closes(inside, *end)) {
        return Found::Formula { tex_end: at + 1 + end, end: at + 2 + end };
    }
    let token = inside.split([' ', '\t', '\n', '$', '`']).next().unwrap_or_default();
    let rest = inside.split(['$', '`', '\n']).next().unwrap_or_default();
    if is_script(token) || has_command(rest) {
        return Found::Mistake(Mistake::Unclosed("$"));
    }
    Found::Text
}

/// Returns the offsets of the `$` that may end a formula. A code span takes precedence.
fn candidates(inside: &str) -> impl Iterator<Item = usize> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(byte) = inside.as_bytes().get(at) {
            match byte {
                b'\\' => at += 2,
                b'`' => return None,
                b'$' if inside[at..].starts_with("$$") => return None,
                b'$' => {
                    at += 1;
                    return Some(at - 1);
                }
                _ => at += 1,
            }
        }
        None
    })
}

fn closes(inside: &str, end: usize) -> bool {
    let (formula, rest) = (&inside[..end], &inside[end + 1..]);
    let Some(last) = formula.chars().next_back().filter(|c| !c.is_whitespace()) else {
        return false;
    };
    let is_word = |c: &char| is_word_char(*c);
    let word: String = rest.chars().take_while(is_word).collect();
    if word.is_empty() {
        return true;
    }
    // "the $n$th term" contains a formula; "$HOME/$USER" does not.
    let is_suffix = matches!(
        word.as_str(),
        "th" | "st"
            | "nd"
            | "rd"
            | "s"
            | "e"
            | "er"
            | "eme"
            | "ème"
            | "te"
            | "ten"
            | "ter"
            | "a"
            | "o"
    );
    is_suffix && !"/:;,.-".contains(last)
}

fn spaced_formula(inside: &str) -> Found {
    let Some(end) = candidates(inside).next() else { return Found::Text };
    let formula = &inside[..end];
    let is_formula = !formula.contains('\n')
        && (has_command(formula)
            || formula.split_whitespace().any(is_script)
            || is_short_formula(formula));
    if is_formula && !inside[end + 1..].starts_with(is_word_char) {
        Found::Mistake(Mistake::Spaces)
    } else {
        Found::Text
    }
}

/// Returns true for `x` and `a + b = 5`, but not for `5 and`.
fn is_short_formula(text: &str) -> bool {
    let text = text.trim();
    let mut words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    let has_short_words = words.clone().next().is_some() && words.all(|w| w.chars().count() == 1);
    has_short_words && (text.chars().count() == 1 || text.contains(['=', '+', '<', '>', '*', '/']))
}

/// Returns what a `$$` at `at` starts. The end is searched in the same paragraph.
pub(super) fn double_dollar(text: &str, at: usize) -> Found {
    match find_unescaped(&text[at + 2..], "$$") {
        Some(end) if text[at + 2..at + 2 + end].trim().is_empty() => Found::Text,
        Some(end) => Found::Formula { tex_end: at + 2 + end, end: at + 4 + end },
        None => Found::Mistake(Mistake::Unclosed("$$")),
    }
}

/// Finds formulas in brackets. Remembers which closing brackets do not occur any more.
#[derive(Debug, Default)]
pub(super) struct Brackets {
    exhausted: Vec<&'static str>,
}

impl Brackets {
    /// Returns what `\(`, `\[`, `\\(` or `\\[` at `at` starts. In CommonMark the first two are escaped brackets, so `\[`
    /// is a formula only if its content looks like one.
    pub fn find(&mut self, text: &str, at: usize) -> Found {
        let (before, rest) = text.split_at(at);
        let (open, close, is_round) = match rest.as_bytes() {
            [b'\\', b'(', ..] => ("\\(", "\\)", true),
            [b'\\', b'[', ..] => ("\\[", "\\]", false),
            [b'\\', b'\\', b'(', ..] => ("\\\\(", "\\\\)", true),
            [b'\\', b'\\', b'[', ..] => ("\\\\[", "\\\\]", false),
            _ => return Found::Text,
        };
        let inside = &rest[open.len()..];
        // An escaped image, link or footnote: `\!\[a\](b)`, `[a]\(b)`, `\[^1\]`.
        if before.ends_with(if is_round { ']' } else { '!' }) || inside.starts_with('^') {
            return Found::Text;
        }
        let is_doubled = open.len() == 3;
        let is_exhausted = self.exhausted.contains(&close);
        let end = if is_exhausted { None } else { find_closing(inside, close) };
        let Some(end) = end else {
            if !is_exhausted {
                self.exhausted.push(close);
            }
            let is_meant = (is_round && !is_doubled) || has_command(start_of_line(inside));
            let name = if is_round { "\\(" } else { "\\[" };
            return if is_meant { Found::Mistake(Mistake::Unclosed(name)) } else { Found::Text };
        };
        let (formula, after) = (&inside[..end], &inside[end + close.len()..]);
        let is_alone =
            before.trim().is_empty() && after.trim().is_empty() && formula.trim().len() > 1;
        let is_formula = match (is_round, is_doubled) {
            (true, false) => true,
            (false, false) => {
                (looks_like_formula(formula) || is_alone)
                    && !after.starts_with(['(', '[', ':', '\\'])
            }
            (_, true) => looks_like_formula(formula),
        };
        if !is_formula || formula.trim().is_empty() || formula.contains('`') {
            return Found::Text;
        }
        let tex_end = at + open.len() + end;
        Found::Formula { tex_end, end: tex_end + close.len() }
    }
}

/// Returns the offset of a closing bracket. A doubled one consists of an escaped backslash and the bracket.
fn find_closing(text: &str, close: &str) -> Option<usize> {
    if close.len() == 3 { text.find(close) } else { find_unescaped(text, close) }
}

/// Returns the first bytes of a text up to the end of the line.
fn start_of_line(text: &str) -> &str {
    let mut end = text.len().min(200);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].split(['\n', '`']).next().unwrap_or_default()
}

/// Returns the offset of a delimiter that is not escaped.
pub(super) fn find_unescaped(text: &str, delimiter: &str) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        let rest = text.as_bytes().get(at..)?;
        if rest.starts_with(delimiter.as_bytes()) {
            return Some(at);
        }
        at += if rest[0] == b'\\' { 2 } else { 1 };
    }
    None
}

/// Returns true if the braces of a formula are balanced.
fn is_balanced(formula: &str) -> bool {
    let (mut depth, mut at) = (0_i64, 0);
    let bytes = formula.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    depth == 0
}

/// A letter or digit of a script with spaces between words.
pub(super) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() && !is_spaceless(c)
}

/// Returns true for a LaTeX command of at least two letters.
pub(super) fn has_command(text: &str) -> bool {
    text.match_indices('\\').any(|(at, _)| {
        let letters = text[at + 1..].chars().take_while(char::is_ascii_alphabetic).count();
        letters >= 2
    })
}

/// Returns true for a power or index such as `x^2`, `a_{n}`.
fn is_script(token: &str) -> bool {
    token.match_indices(['^', '_']).any(|(at, mark)| {
        let before = token[..at].chars().next_back();
        let after = token[at + 1..].chars().next();
        let is_base = before.is_some_and(|c| c.is_alphanumeric() || ")]}|".contains(c));
        // An underscore also occurs in names: only `x_1` and `x_{n}` are formulas.
        let is_index = match mark {
            "^" => after.is_some_and(|c| c.is_alphanumeric() || "{-+\\*".contains(c)),
            _ => after == Some('{') || after.is_some_and(|c| c.is_ascii_digit()) && at == 1,
        };
        is_base && is_index
    })
}

/// Returns true if the content of brackets looks like a formula.
pub(super) fn looks_like_formula(text: &str) -> bool {
    let is_sum = |at: usize| {
        let is_operand = |c: char| c.is_alphanumeric() || "()".contains(c);
        text[..at].trim_end().ends_with(is_operand)
            && text[at + 1..].trim_start().starts_with(is_operand)
    };
    has_command(text)
        || text.split_whitespace().any(is_script)
        || text.contains(['=', '<', '>', '≤', '≥'])
        || text.match_indices('+').any(|(at, _)| is_sum(at))
}

/// Returns true if a formula reads like text: LaTeX ignores the spaces between its words.
pub(super) fn reads_like_prose(tex: &str) -> bool {
    let tex = without_text_arguments(tex);
    if tex.contains(['€', '£', '¥', '₹', '₽', '₩', '₦']) {
        return true;
    }
    for piece in tex.split(|c: char| "&{}()[]=/+*<>^_|".contains(c)) {
        let tokens: Vec<&str> = piece.split_whitespace().collect();
        let is_operand =
            |n: usize| tokens.get(n).is_some_and(|t| t.contains(char::is_alphanumeric));
        let is_word = |n: usize| tokens.get(n).is_some_and(|t| is_prose_word(t));
        let is_prose = |n: usize| {
            let is_between = n > 0 && is_operand(n - 1) && is_operand(n + 1);
            is_word(n) && (is_between || is_word(n + 1) || is_operand(n + 1) && is_word(n + 2))
        };
        if (0..tokens.len()).any(is_prose) {
            return true;
        }
    }
    // Without spaces between words, several letters without an operator are text.
    let letters = tex.chars().filter(|c| is_spaceless(*c) && c.is_alphabetic()).count();
    let has_operator = tex.contains(|c: char| "=+<>^_/*≤≥·".contains(c));
    !has_operator && (letters >= 6 || letters > 0 && tex.contains(|c: char| c.is_ascii_digit()))
}

fn is_prose_word(token: &str) -> bool {
    let word = token.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    word.chars().filter(|c| c.is_alphabetic()).count() >= 2
        && word.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | '’' | '-'))
}

/// Removes the commands of a formula, and the arguments of those that contain text or names.
fn without_text_arguments(tex: &str) -> String {
    let mut out = String::new();
    let mut rest = tex;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let letters =
            after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (name, tail) = after.split_at(letters);
        rest = tail.strip_prefix('*').filter(|_| letters > 0).unwrap_or(tail);
        // A command is an operand, not a word.
        out.push('·');
        if letters == 0 {
            let skipped = rest.chars().next().map_or(0, char::len_utf8);
            rest = &rest[skipped..];
        }
        let is_text = name.starts_with("text")
            || matches!(
                name,
                "mbox"
                    | "hbox"
                    | "fbox"
                    | "operatorname"
                    | "begin"
                    | "end"
                    | "color"
                    | "colorbox"
                    | "fcolorbox"
                    | "label"
                    | "tag"
                    | "href"
                    | "ce"
                    | "pu"
                    | "SI"
                    | "si"
                    | "unit"
                    | "qty"
                    | "num"
                    | "emph"
                    | "class"
                    | "hspace"
                    | "vspace"
                    | "rule"
                    | "enclose"
                    | "intertext"
            );
        let most = if name == "textcolor" { 1 } else { 3 };
        for _ in 0..if is_text { most } else { 0 } {
            let Some(inside) = rest.trim_start().strip_prefix('{') else { break };
            let mut depth = 1_usize;
            let end = inside.char_indices().find(|(_, c)| {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            rest = end.map_or("", |(at, _)| &inside[at + 1..]);
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
