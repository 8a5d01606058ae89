//! Escapes plain text for the Markdown of packages (docs/PACKAGE.md), so that every character is shown as it is.

/// Appends a text as Markdown. `at_line_start`: nothing is before it on its line.
pub(crate) fn push_escaped(out: &mut String, text: &str, at_line_start: bool) {
    let mut is_start = at_line_start;
    let mut digits = 0;
    for (at, c) in text.char_indices() {
        let next = text[at + c.len_utf8()..].chars().next();
        match c {
            // A backslash or a bracket with a backslash before it would start a formula; character references are
            // never markup.
            '\\' => out.push_str("&#92;"),
            '[' => out.push_str("&#91;"),
            ']' => out.push_str("&#93;"),
            '$' => out.push_str("&#36;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '^' => out.push_str("&#94;"),
            '{' => out.push_str("&#123;"),
            '=' if is_start || next == Some('=') || out.ends_with("&#61;") => {
                out.push_str("&#61;");
            }
            '*' | '_' | '`' | '~' | '|' => {
                out.push('\\');
                out.push(c);
            }
            '#' | '+' | '-' | ':' | '•' if is_start => {
                if c.is_ascii() {
                    out.push('\\');
                }
                out.push(c);
            }
            '.' | ')' if is_start && digits > 0 => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
        digits = if c.is_ascii_digit() && is_start { digits + 1 } else { 0 };
        is_start = is_start && (c.is_whitespace() || digits > 0);
        if c == '\n' {
            (is_start, digits) = (true, 0);
        }
    }
}

/// Returns a text as Markdown that starts a line.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(&mut out, text, true);
    out
}

/// Returns a text for a field that is not Markdown: one line, without control characters, of at most `max` characters.
pub(crate) fn plain_field(text: &str, max: usize) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = without_links(&visible).split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    }
}

/// Separates the brackets of what looks like a link of Markdown by an invisible character: the compiler refuses links
/// in fields that cannot have one.
pub(crate) fn without_links(text: &str) -> String {
    text.replace("](", "]\u{2060}(").replace("![", "!\u{2060}[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_escaped_where_they_mean_something() {
        for (text, markdown) in [
            ("plain, text. 3.5 - 2", "plain, text. 3.5 - 2"),
            ("# 1", "\\# 1"),
            ("- a\n1. b\n12) c", "\\- a\n1\\. b\n12\\) c"),
            ("a_b *c* `d` ~e", "a\\_b \\*c\\* \\`d\\` \\~e"),
            ("\\(x\\) [a](b) $5", "&#92;(x&#92;) &#91;a&#93;(b) &#36;5"),
            ("<b> & {{x}} ==", "&lt;b&gt; &amp; &#123;&#123;x}} &#61;&#61;"),
            ("a = b", "a = b"),
        ] {
            assert_eq!(escaped(text), markdown);
        }
        assert_eq!(plain_field(" a\n\tb\u{7} ", 9), "a b");
        assert_eq!(plain_field("abcdef", 3), "abc…");
    }
}
