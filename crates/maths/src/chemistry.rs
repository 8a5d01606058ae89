//! Chemical formulas and equations of the LaTeX package mhchem (`\ce`): the usual part of its syntax.

use super::rewrite::Rewriter;

/// Arrows, the longest first.
const ARROWS: &[(&str, &str)] = &[
    ("<=>>", "\\rightleftharpoons"),
    ("<<=>", "\\rightleftharpoons"),
    ("<=>", "\\rightleftharpoons"),
    ("<->", "\\leftrightarrow"),
    ("<-->", "\\rightleftarrows"),
    ("->", "\\rightarrow"),
    ("<-", "\\leftarrow"),
    ("⇌", "\\rightleftharpoons"),
    ("→", "\\rightarrow"),
];

/// Returns LaTeX for the argument of `\ce`.
pub(super) fn formula(rewriter: &mut Rewriter<'_>, text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text.trim();
    // What is before the current place decides what digits and signs mean.
    let mut is_start = true;
    // Whether the last atom has an index and a charge already.
    let (mut has_index, mut has_charge) = (false, false);
    while let Some(c) = rest.chars().next() {
        if let Some((arrow, command)) = ARROWS.iter().find(|(arrow, _)| rest.starts_with(arrow)) {
            rest = &rest[arrow.len()..];
            let (above, tail) = bracketed(rest);
            let (below, tail) = bracketed(tail);
            rest = tail.trim_start();
            let mut tex = (*command).to_owned();
            if let Some(below) = below {
                tex = format!("\\underset{{{}}}{{{tex}}}", formula(rewriter, below)?);
            }
            if let Some(above) = above {
                tex = format!("\\overset{{{}}}{{{tex}}}", formula(rewriter, above)?);
            }
            out.push_str(&format!("\\;{tex}\\;"));
            is_start = true;
            continue;
        }
        let tail = &rest[c.len_utf8()..];
        let is_alone = is_start && (tail.is_empty() || tail.starts_with(' '));
        match c {
            ' ' => {
                rest = tail.trim_start();
                is_start = true;
                if !rest.starts_with(['+', '-', '<', '=', '→', '⇌', '^', 'v'])
                    && !out.ends_with("+\\;")
                {
                    out.push_str("\\hspace{0.17em}");
                }
                continue;
            }
            '+' if is_start => out.push_str("\\;+\\;"),
            '^' if is_alone => out.push_str("\\uparrow "),
            'v' if is_alone => out.push_str("\\downarrow "),
            '^' | '_' => {
                let (argument, after) = script(tail);
                let is_used = if c == '^' { has_charge } else { has_index };
                if is_start || is_used {
                    out.push_str("{}");
                    (has_index, has_charge) = (false, false);
                }
                if c == '^' {
                    has_charge = true;
                } else {
                    has_index = true;
                }
                out.push_str(&format!("{c}{{{}}}", argument.replace('-', "{-}")));
                rest = after;
                is_start = false;
                continue;
            }
            '0'..='9' => {
                let digits = rest.len()
                    - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
                let (number, after) = rest.split_at(digits);
                rest = after;
                if !is_start {
                    out.push_str(&if has_index {
                        format!("{{}}_{{{number}}}")
                    } else {
                        format!("_{{{number}}}")
                    });
                    has_index = true;
                } else if let Some(after) = rest.strip_prefix('/') {
                    let digits =
                        after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                    out.push_str(&format!("\\frac{{{number}}}{{{}}}", &after[..digits]));
                    rest = &after[digits..];
                } else {
                    out.push_str(&format!("{number}\\hspace{{0.1em}}"));
                }
                continue;
            }
            '+' | '-' if !is_start && ends_atom(tail) => {
                out.push_str(if has_charge { "{}" } else { "" });
                out.push_str(if c == '+' { "^{+}" } else { "^{-}" });
                has_charge = true;
            }
            '-' => out.push_str("{-}"),
            '=' => out.push_str("{=}"),
            '#' => out.push_str("{\\equiv}"),
            '*' | '.' | '·' => out.push_str("\\cdot "),
            '$' => {
                let Some((tex, after)) = tail.split_once('$') else {
                    return Err("a $ inside of \\ce has no end".to_owned());
                };
                out.push_str(&format!("{{{}}}", rewriter.all(tex)?));
                rest = after;
                is_start = false;
                continue;
            }
            '\\' => {
                let letters =
                    tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
                out.push_str(&rewriter.all(&format!("\\{} ", &tail[..letters]))?);
                rest = &tail[letters..];
                is_start = false;
                continue;
            }
            '(' | ')' | '[' | ']' | ',' | ';' | ':' => out.push(c),
            '{' | '}' => {}
            c if c.is_alphabetic() => {
                let lower =
                    tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
                out.push_str(&format!("\\mathrm{{{}}}", &rest[..c.len_utf8() + lower]));
                rest = &tail[lower..];
                (is_start, has_index, has_charge) = (false, false, false);
                continue;
            }
            c => return Err(format!("\\ce cannot read {c:?}")),
        }
        is_start =
            matches!(c, '(' | '[' | '*' | '.' | '·' | '{' | ',' | ';') || is_start && c == '+';
        if matches!(c, ')' | ']') {
            (has_index, has_charge) = (false, false);
        }
        rest = if is_start { tail.trim_start() } else { tail };
    }
    Ok(format!("{{{out}}}"))
}

/// Returns true if a sign before `tail` is a charge and no bond.
fn ends_atom(tail: &str) -> bool {
    tail.is_empty() || tail.starts_with([' ', ']', ')', '+', '-', '}', ','])
}

/// Splits `[...]` off.
fn bracketed(text: &str) -> (Option<&str>, &str) {
    match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((inside, rest)) => (Some(inside), rest),
        None => (None, text),
    }
}

/// Splits the index or charge off: `{...}`, or digits and signs.
fn script(text: &str) -> (&str, &str) {
    if let Some((inside, rest)) = text.strip_prefix('{').and_then(|t| t.split_once('}')) {
        return (inside, rest);
    }
    let length = text.len()
        - text.trim_start_matches(|c: char| c.is_ascii_digit() || "+-".contains(c)).len();
    let first = text.chars().next().map_or(0, char::len_utf8);
    text.split_at(if length > 0 { length } else { first })
}
