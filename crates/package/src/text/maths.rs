//! Converts LaTeX to MathML.
//!
//! Not here: styles. The MathML has classes (`menv-*`, `cell-*`) for the reader's style sheet. Inline styles would be
//! blocked by the content security policy, so colours become MathML attributes and other styles are removed.

use pulldown_latex::{Parser, RenderConfig, Storage, config::DisplayMode, push_mathml};

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

/// Returns the formula as a `<math>` element, or one line that states why it cannot be parsed.
pub(crate) fn mathml(tex: &str, display: bool) -> Result<String, String> {
    check_source(tex)?;
    let rendered = render_catching_panics(tex, display)?;
    crate::text::html::check_size(&rendered)?;
    Ok(rendered)
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
            Err(e) => {
                let text = e.to_string();
                let what = text.rsplit("error: ").next().unwrap_or(&text);
                return Err(what
                    .lines()
                    .map(str::trim)
                    .filter(|l| !l.is_empty())
                    .collect::<Vec<_>>()
                    .join(" "));
            }
        }
    }
    let mode = if display { DisplayMode::Block } else { DisplayMode::Inline };
    let config = RenderConfig { display_mode: mode, ..RenderConfig::default() };
    let mut out = String::new();
    push_mathml(&mut out, events.into_iter(), config).map_err(|e| e.to_string())?;
    Ok(without_styles(&out))
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
mod tests {
    use super::*;

    #[test]
    fn formulas_are_converted_to_mathml() {
        let inline = mathml("a^2 + b^2", false).unwrap();
        assert!(inline.starts_with("<math") && inline.contains("<msup>"), "{inline}");
        let block =
            mathml(r"\frac{1}{\sqrt{2}} = \sum_{i=0}^n \begin{pmatrix}1&2\\3&4\end{pmatrix}", true)
                .unwrap();
        assert!(block.contains("display=\"block\"") && block.contains("<mtable"), "{block}");
        let red = mathml(r"\color{red} x", false).unwrap();
        assert!(red.contains("mathcolor=\"#ff0000\"") && !red.contains("style="), "{red}");
    }

    #[test]
    fn errors_of_formulas_have_one_line() {
        for tex in [r"\frac{1}", r"\nosuchcommand", r"{a", r"\begin{matrix}1", r"a^b^c", r"\left("]
        {
            let reason = mathml(tex, false).unwrap_err();
            assert!(!reason.is_empty() && !reason.contains('\n'), "{tex}: {reason}");
        }
    }

    #[test]
    fn unbounded_formulas_are_rejected_before_parsing() {
        let deep =
            |open: &str, close: &str, n: usize| format!("{}x{}", open.repeat(n), close.repeat(n));
        for (what, tex) in [
            ("braces", deep("{", "}", 3_000)),
            ("unclosed braces", "{".repeat(3_000)),
            ("fractions", deep(r"\frac{1}{", "}", 1_000)),
            ("powers", deep("x^{", "}", 3_000)),
            ("roots without braces", format!("{}x", r"\sqrt ".repeat(2_000))),
            ("fences", deep(r"\left(", r"\right)", 1_000)),
            ("matrices", deep(r"\begin{matrix}", r"\end{matrix}", 500)),
            ("a definition of itself", r"\def\a{\a\a}\a".into()),
            ("definitions that double", r"\newcommand{\a}{\b\b}\newcommand{\b}{\a\a}\a".into()),
            ("an alias of itself", r"\let\a=\a \a".into()),
            ("many symbols", "x".repeat(30_000)),
            ("many cells", format!(r"\begin{{matrix}}{}\end{{matrix}}", "&".repeat(19_000))),
        ] {
            let rendered = mathml(&tex, true);
            // The size of the output is limited in every case.
            assert!(rendered.as_ref().map_or(true, |m| m.len() < 2_000_000), "{what}");
            if what != "many cells" {
                assert!(rendered.is_err(), "{what}");
                assert!(check_source(&tex).is_err(), "{what}: rejected before parsing");
            }
        }
        // Formulas within the limits are accepted.
        let long = format!("{}x{}", r"\sqrt{1+".repeat(20), "}".repeat(20));
        assert!(mathml(&long, true).is_ok());
        assert!(mathml(&"a+b=".repeat(400), true).is_ok());
    }
}
