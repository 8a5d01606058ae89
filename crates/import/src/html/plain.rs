//! Plain text of HTML: blocks and `<br>` end lines, white space is collapsed, scripts are dropped.

use super::{Element, HIDDEN, Node, Syntax, is_block, parse};

/// Returns the visible text of HTML.
pub(crate) fn to_plain(html: &str) -> String {
    plain(&parse(html, Syntax::Html))
}

/// Returns the visible text of an element.
pub(crate) fn plain(element: &Element) -> String {
    let mut out = String::new();
    push(element, &mut out);
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    let mut text = lines.join("\n");
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    text.trim().to_owned()
}

fn push(element: &Element, out: &mut String) {
    for node in &element.children {
        match node {
            Node::Text(text) => push_collapsed(text, out),
            Node::Element(child) if HIDDEN.contains(&child.name.as_str()) => {}
            Node::Element(child) => match child.name.as_str() {
                "br" => out.push('\n'),
                "rp" => {}
                "rt" => {
                    out.push('(');
                    push(child, out);
                    out.push(')');
                }
                "pre" => out.push_str(&child.text()),
                "td" | "th" => {
                    if !out.is_empty() && !out.ends_with(['\n', ' ']) {
                        out.push(' ');
                    }
                    push(child, out);
                }
                name if is_block(name) => {
                    end_line(out);
                    push(child, out);
                    end_line(out);
                }
                _ => push(child, out),
            },
        }
    }
}

fn end_line(out: &mut String) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

fn push_collapsed(text: &str, out: &mut String) {
    for c in text.chars() {
        let is_space = c.is_whitespace() && c != '\u{202f}' && c != '\u{3000}';
        if !is_space {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with([' ', '\n']) {
            out.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lines_and_scripts_are_dropped() {
        for (html, text) in [
            ("<p>a&nbsp;b</p><p>c<br>d</p>", "a b\nc\nd"),
            ("x<script>alert(1)</script><style>p{}</style>y", "xy"),
            ("<ruby>漢<rt>かん</rt></ruby>", "漢(かん)"),
            ("<div><div>a</div></div>\n <div>b</div>", "a\nb"),
            ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ] {
            assert_eq!(to_plain(html), text);
        }
    }
}
