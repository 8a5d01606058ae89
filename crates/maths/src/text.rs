//! Rewrites the text inside of a formula, such as `\text{if $x$}`: the parser shows its content unchanged.

use unicode_normalization::UnicodeNormalization;

use super::reader::{TexReader, Token};
use super::rewrite::Rewriter;

/// Combining characters of the accents of LaTeX's text.
const ACCENTS: &[(&str, char)] = &[
    ("'", '\u{301}'),
    ("`", '\u{300}'),
    ("^", '\u{302}'),
    ("\"", '\u{308}'),
    ("~", '\u{303}'),
    ("=", '\u{304}'),
    (".", '\u{307}'),
    ("u", '\u{306}'),
    ("v", '\u{30c}'),
    ("H", '\u{30b}'),
    ("c", '\u{327}'),
    ("k", '\u{328}'),
    ("r", '\u{30a}'),
    ("d", '\u{323}'),
];

/// Returns LaTeX for a text with the font of `command`: `text`, `textbf`, ...
pub(super) fn rewrite(
    rewriter: &mut Rewriter<'_>,
    command: &str,
    text: &str,
) -> Result<String, String> {
    let mut reader = TexReader::new(text);
    let (mut out, mut run) = (String::new(), String::new());
    let end_run = |run: &mut String, out: &mut String| {
        if !run.is_empty() {
            out.push_str(&format!("\\{command}{{{run}}}"));
            run.clear();
        }
    };
    while let Some(token) = reader.next() {
        match token {
            Token::Char('$') => {
                end_run(&mut run, &mut out);
                let Some((formula, rest)) = reader.rest().split_once('$') else {
                    return Err(
                        "a $ inside of \\text has no end: write \\$ for a dollar sign".to_owned()
                    );
                };
                out.push_str(&format!("{{{}}}", rewriter.all(formula)?));
                reader = TexReader::new(rest);
            }
            Token::Char('{' | '}') => {}
            Token::Char('~') => run.push('\u{a0}'),
            Token::Char(c) => run.push(c),
            Token::Command(" " | "," | ";" | ":" | "quad" | "\n") => run.push('\u{a0}'),
            Token::Command("(") => {
                end_run(&mut run, &mut out);
                let Some((formula, rest)) = reader.rest().split_once("\\)") else {
                    return Err("\\( inside of \\text has no end".to_owned());
                };
                out.push_str(&format!("{{{}}}", rewriter.all(formula)?));
                reader = TexReader::new(rest);
            }
            // These characters cannot be part of a text for the parser.
            Token::Command(c @ ("%" | "{" | "}" | "$" | "#" | "&" | "_")) => {
                if matches!(c, "$" | "#" | "&" | "_") {
                    run.push_str(c);
                } else {
                    end_run(&mut run, &mut out);
                    out.push_str(&format!("\\{c}"));
                }
            }
            Token::Command(name) if ACCENTS.iter().any(|(n, _)| *n == name) => {
                let base = reader.argument().unwrap_or_default();
                let accent = ACCENTS.iter().find(|(n, _)| *n == name).map(|(_, accent)| *accent);
                run.extend(format!("{base}{}", accent.unwrap_or_default()).nfc());
            }
            Token::Command(
                name @ ("textbf" | "textit" | "textrm" | "textsf" | "texttt" | "text" | "emph"),
            ) => {
                end_run(&mut run, &mut out);
                let font = if name == "emph" { "textit" } else { name };
                out.push_str(&rewrite(rewriter, font, reader.argument().unwrap_or_default())?);
            }
            Token::Command("\\" | "newline") => run.push(' '),
            Token::Command(name) => {
                end_run(&mut run, &mut out);
                let has_argument = reader.rest().trim_start().starts_with('{');
                let argument =
                    if has_argument { reader.argument().unwrap_or_default() } else { "" };
                let command = if argument.is_empty() {
                    format!("\\{name} ")
                } else {
                    format!("\\{name}{{{argument}}}")
                };
                out.push_str(&format!("{{{}}}", rewriter.all(&command)?));
            }
        }
    }
    end_run(&mut run, &mut out);
    Ok(if out.is_empty() { "{}".to_owned() } else { format!("{{{out}}}") })
}
