//! Converts LaTeX to MathML: [`mathml`] converts one formula. Commands that the parser does not know are first
//! rewritten to those that it knows (`rewrite`, `text`, `units`, `chemistry`).
//!
//! Not here: finding formulas in a text and sanitising HTML (`carrel-package`), and styles. The MathML has classes
//! (`menv-*`, `cell-*`) for the reader's style sheet. Inline styles would be blocked by the content security policy, so
//! colours become MathML attributes and other styles are removed.

mod chemistry;
mod reader;
mod rewrite;
mod text;
mod units;

use pulldown_latex::{Parser, RenderConfig, Storage, config::DisplayMode, push_mathml};
use reader::{TexReader, Token};
use rewrite::Tags;

/// Maximum size of a formula in bytes.
const MAX_BYTES: usize = 20_000;
/// Maximum nesting depth of groups, environments and `\left`.
const MAX_GROUPS: usize = 40;
/// Maximum number of consecutive commands without a symbol between them: each may contain the next.
const MAX_COMMANDS: usize = 200;
/// Maximum number of parser events per formula.
const MAX_EVENTS: usize = 20_000;
/// Commands that define others, which could expand without limit.
const FORBIDDEN_COMMANDS: &[&str] = &[
    "def",
    "edef",
    "gdef",
    "xdef",
    "let",
    "futurelet",
    "newcommand",
    "renewcommand",
    "providecommand",
    "newenvironment",
    "renewenvironment",
    "DeclareMathOperator",
];

/// Returns the formula as a `<math>` element, or one line that states why it cannot be parsed. `display` selects the
/// layout of a block. The formula has at most 20,000 bytes, and the result at most 20,000 elements of the parser.
pub fn mathml(tex: &str, display: bool) -> Result<String, String> {
    check_source(tex)?;
    let tex = tex.replace(|c| ('\u{fdd0}'..='\u{fdef}').contains(&c), "\u{fffd}");
    let mut tags = Tags::default();
    let rewritten = rewrite::rewrite(&tex, &mut tags)?;
    Ok(tags.insert(&render_catching_panics(&rewritten, display)?))
}

/// Rejects a source text for which the parser could take too long.
fn check_source(tex: &str) -> Result<(), String> {
    if tex.len() > MAX_BYTES {
        return Err(format!("it has {} bytes; {MAX_BYTES} are allowed", tex.len()));
    }
    let (mut depth, mut consecutive_commands) = (0_usize, 0_usize);
    let mut rest = tex;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '\\' => {
                let letters =
                    rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
                let (name, tail) = rest.split_at(letters);
                rest = tail;
                if name.is_empty() {
                    let skipped = rest.chars().next().map_or(0, char::len_utf8);
                    rest = &rest[skipped..];
                }
                if FORBIDDEN_COMMANDS.contains(&name) {
                    return Err(format!(
                        "\\{name} is not allowed: write the formula without definitions"
                    ));
                }
                match name {
                    "begin" | "left" => depth += 1,
                    "end" | "right" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                consecutive_commands += 1;
            }
            c if c.is_whitespace() || "^_[]".contains(c) => {}
            _ => consecutive_commands = 0,
        }
        if depth > MAX_GROUPS {
            return Err(format!("it is nested more than {MAX_GROUPS} levels deep"));
        }
        if consecutive_commands > MAX_COMMANDS {
            return Err(format!("it has more than {MAX_COMMANDS} consecutive commands"));
        }
    }
    Ok(())
}

fn render_catching_panics(tex: &str, display: bool) -> Result<String, String> {
    // A panic of the parser is reported to the author and does not end the import.
    std::panic::catch_unwind(|| render(tex, display))
        .unwrap_or_else(|_| Err("the formula cannot be read".to_owned()))
}

fn render(tex: &str, display: bool) -> Result<String, String> {
    let storage = Storage::new();
    let mut events = Vec::new();
    for event in Parser::new(tex, &storage) {
        if events.len() >= MAX_EVENTS {
            return Err(format!("it has more than {MAX_EVENTS} elements"));
        }
        match event {
            Ok(event) => events.push(Ok::<_, std::fmt::Error>(event)),
            Err(e) => return Err(reason(tex, &e.to_string())),
        }
    }
    let mode = if display { DisplayMode::Block } else { DisplayMode::Inline };
    let config = RenderConfig { display_mode: mode, ..RenderConfig::default() };
    let mut out = String::new();
    push_mathml(&mut out, events.into_iter(), config).map_err(|e| e.to_string())?;
    Ok(without_styles(&out))
}

/// Returns one line for an error of the parser, which has a drawing of the place after the first line.
fn reason(tex: &str, error: &str) -> String {
    let error = error.trim_start_matches("parsing error: ");
    let first = error.lines().next().unwrap_or_default().replace("unkown", "unknown");
    let mut reader = TexReader::new(tex);
    while let Some(token) = reader.next() {
        let Token::Command(name) = token else { continue };
        if first.contains("primitive") && is_first_error(&format!("\\{name}{{}}{{}}"), "primitive")
        {
            return match name {
                "limits" | "nolimits" => format!("\\{name} must follow an operator such as \\sum"),
                _ => format!("the command \\{name} is not known"),
            };
        }
        if first.contains("environment") && name == "begin" {
            let environment = reader.argument().unwrap_or_default();
            let source = format!("\\begin{{{environment}}}x\\end{{{environment}}}");
            if is_first_error(&source, "environment") {
                return format!("the environment {environment:?} is not known");
            }
        }
    }
    first
}

/// Returns true if the parser rejects a formula for a reason that contains `what`.
fn is_first_error(tex: &str, what: &str) -> bool {
    let storage = Storage::new();
    let mut events = Parser::new(tex, &storage).take(10);
    events
        .find_map(Result::err)
        .is_some_and(|e| e.to_string().lines().next().is_some_and(|line| line.contains(what)))
}

/// Replaces `style="color: rgb(1 2 3)"` by `mathcolor="#010203"` and removes other styles.
fn without_styles(mathml: &str) -> String {
    let mut out = String::with_capacity(mathml.len());
    let mut rest = mathml;
    while let Some((before, after)) = rest.split_once(" style=\"") {
        out.push_str(before);
        let (style, tail) = after.split_once('"').unwrap_or((after, ""));
        // The text of the formula may contain the same characters; only an open tag has an attribute.
        if before.rfind('<') < before.rfind('>') {
            out.push_str(" style=\"");
            rest = after;
            continue;
        }
        for declaration in style.split(';') {
            let Some((name, value)) = declaration.split_once(':') else { continue };
            let numbers: Vec<u8> = value
                .trim()
                .trim_start_matches("rgb(")
                .trim_end_matches(')')
                .split_whitespace()
                .filter_map(|n| n.parse().ok())
                .collect();
            let attribute = match name.trim() {
                "color" => "mathcolor",
                "background-color" => "mathbackground",
                _ => continue,
            };
            if let [r, g, b] = numbers[..] {
                out.push_str(&format!(" {attribute}=\"#{r:02x}{g:02x}{b:02x}\""));
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
