//! LaTeX to MathML.
//!
//! Not here: styles. The MathML has classes (`menv-*`, `cell-*`) that the reader's style sheet aligns; inline styles would be
//! blocked by its content security policy, so colours become MathML attributes and the rest is left out.

use pulldown_latex::{Parser, RenderConfig, Storage, config::DisplayMode, push_mathml};

/// The formula as a `<math>` element, or one line that says why it cannot be read.
pub(crate) fn mathml(tex: &str, display: bool) -> Result<String, String> {
    // A formula that trips the parser's own assertions is an author's problem, not the end of an import.
    std::panic::catch_unwind(|| render(tex, display))
        .unwrap_or_else(|_| Err("the formula cannot be read".to_owned()))
}

fn render(tex: &str, display: bool) -> Result<String, String> {
    let storage = Storage::new();
    let mut events = Vec::new();
    for event in Parser::new(tex, &storage) {
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

/// `style="color: rgb(1 2 3)"` becomes `mathcolor="#010203"`.
fn without_styles(mathml: &str) -> String {
    let mut out = String::with_capacity(mathml.len());
    let mut rest = mathml;
    while let Some((before, after)) = rest.split_once(" style=\"") {
        out.push_str(before);
        let (style, tail) = after.split_once('"').unwrap_or((after, ""));
        // Text of the formula may spell the same; only an open tag has an attribute.
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
    fn formulas_become_mathml() {
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
    fn bad_formulas_say_why_in_one_line() {
        for tex in [r"\frac{1}", r"\nosuchcommand", r"{a", r"\begin{matrix}1", r"a^b^c", r"\left("]
        {
            let why = mathml(tex, false).unwrap_err();
            assert!(!why.is_empty() && !why.contains('\n'), "{tex}: {why}");
        }
    }
}
