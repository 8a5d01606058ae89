//! Sanitises SVG files: only graphics are kept. Scripts, event handlers, foreign content and external addresses are
//! removed.
//!
//! `complexity` rejects drawings that are too expensive, `cleaner` writes what is allowed, `css` sanitises styles. Not
//! here: rendering, the encoding of files (`carrel-package`).

mod cleaner;
mod complexity;
mod css;

/// Namespace of SVG.
const SVG: &str = "http://www.w3.org/2000/svg";
const XLINK: &str = "http://www.w3.org/1999/xlink";
const MAX_NODES: u32 = 200_000;
/// Maximum nesting depth of elements.
const MAX_DEPTH: usize = 200;

/// Why a drawing is rejected; the codes are those of docs/PACKAGE.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SvgError {
    /// Code of the problem.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

fn svg_error(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> SvgError {
    SvgError { code, message: message.into(), hint: hint.into() }
}

/// A sanitised drawing.
#[derive(Debug, PartialEq, Eq)]
pub struct Drawing {
    /// The drawing as a file.
    pub svg: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Line and name of each removed part.
    pub removed: Vec<(u32, String)>,
    /// False if the size is the default.
    pub states_size: bool,
}

/// Size in pixels of a drawing that states none, as in browsers (CSS 2.2, 10.3.2).
const DEFAULT_SIZE: (f64, f64) = (300.0, 150.0);

/// Maximum number of prefixes that are declared for a drawing.
const MAX_REPAIRS: usize = 8;

/// Sanitises a drawing. Errors contain a line, which is 1 if it is unknown.
pub fn clean(text: &str) -> Result<Drawing, (u32, SvgError)> {
    clean_repaired(text, MAX_REPAIRS)
}

/// Sanitises a drawing after at most `repairs` corrections of its XML.
fn clean_repaired(text: &str, repairs: usize) -> Result<Drawing, (u32, SvgError)> {
    complexity::check_text(text).map_err(|(line, what)| {
        (line, svg_error("svg-too-complex", what, "export it again as plain SVG"))
    })?;
    let options =
        roxmltree::ParsingOptions { allow_dtd: true, nodes_limit: MAX_NODES, ..Default::default() };
    let document = match roxmltree::Document::parse_with_options(text, options) {
        Ok(document) => document,
        Err(error) => {
            if repairs > 0
                && let Some(repaired) = repaired(text, &error)
            {
                return clean_repaired(&repaired, repairs - 1);
            }
            let message = format!("the drawing is not well-formed XML: {error}");
            let error_line = error.pos().row.max(1);
            let hint = "export it again as plain SVG";
            return Err((error_line, svg_error("svg-broken", message, hint)));
        }
    };
    let root = document.root_element();
    if root.tag_name().name() == "svg" && root.tag_name().namespace().is_none() {
        // Drawings inside web pages have no namespace.
        let at = root.range().start + "<svg".len();
        let named = format!("{} xmlns=\"{SVG}\" {}", &text[..at], &text[at..]);
        return clean_repaired(&named, repairs);
    }
    if root.tag_name().name() != "svg" || root.tag_name().namespace() != Some(SVG) {
        let hint = "the first element must be <svg xmlns=\"http://www.w3.org/2000/svg\">";
        return Err((1, svg_error("svg-broken", "the file has no drawing", hint)));
    }
    let line = document.text_pos_at(root.range().start).row;
    let Some((width, height)) = size(&root) else {
        // Without a size, the drawing would not be scaled with its place on the page.
        let width = pixels(&root, "width").unwrap_or(DEFAULT_SIZE.0);
        let height = pixels(&root, "height").unwrap_or(DEFAULT_SIZE.1);
        let name = &text[root.range().start + 1..];
        let name = name.split(|c: char| c.is_whitespace() || "/>".contains(c)).next();
        let at = root.range().start + 1 + name.map_or(0, str::len);
        let mut without = text.to_owned();
        for attribute in root.attributes().filter(|a| SIZES.contains(&a.name())).rev() {
            without.replace_range(attribute.range(), "");
        }
        without.insert_str(at, &format!(" viewBox=\"0 0 {width} {height}\""));
        let drawing = clean_repaired(&without, repairs)?;
        return Ok(Drawing { states_size: false, ..drawing });
    };
    let pixel_size = |n: f64| (0.5..100_000.0).contains(&n).then_some(n.round().max(1.0) as u32);
    let (Some(width), Some(height)) = (pixel_size(width), pixel_size(height)) else {
        let message = format!("the drawing has an impossible size: {width} x {height} pixels");
        let hint = "write viewBox=\"0 0 WIDTH HEIGHT\" and no other size into <svg>";
        return Err((line, svg_error("svg-size", message, hint)));
    };
    let (svg, removed) = cleaner::clean(text, root)
        .map_err(|what| (line, svg_error("svg-broken", what, "simplify the drawing")))?;
    complexity::check_render_cost(root).map_err(|(node, what)| {
        let line = document.text_pos_at(node.range().start).row;
        (
            line,
            svg_error("svg-too-complex", what, "simplify the drawing, or export it as a PNG image"),
        )
    })?;
    Ok(Drawing { svg, width, height, removed, states_size: true })
}

const SIZES: [&str; 3] = ["width", "height", "viewBox"];

/// Returns the text without a fault that is easily corrected: a prefix that is not declared, or white space before the
/// XML declaration.
fn repaired(text: &str, error: &roxmltree::Error) -> Option<String> {
    let trimmed = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    match error {
        roxmltree::Error::UnexpectedDeclaration(_) if trimmed.starts_with("<?xml") => {
            let (start, rest) = text.split_at(text.len() - trimmed.len());
            let (_, rest) = rest.split_once("?>")?;
            Some(format!("{start}{rest}"))
        }
        roxmltree::Error::UnknownNamespace(prefix, _) => {
            let address = if prefix == "xlink" { XLINK } else { "urn:unknown" };
            let end = text.match_indices("svg").find_map(|(at, _)| {
                // The name of an element, possibly with a short prefix.
                let before = &text.as_bytes()[at.saturating_sub(32)..at];
                let open = before.iter().rposition(|byte| *byte == b'<')?;
                let name = &before[open + 1..];
                let is_root = name.is_empty()
                    || name.ends_with(b":")
                        && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b':');
                let has_end =
                    text[at + 3..].starts_with(|c: char| c.is_whitespace() || "/>".contains(c));
                (is_root && has_end).then_some(at + 3)
            })?;
            let (start, rest) = text.split_at(end);
            Some(format!("{start} xmlns:{prefix}=\"{address}\"{rest}"))
        }
        _ => None,
    }
}

/// Returns an attribute of the root element in pixels; `None` for a part of the page, such as `100%`.
fn pixels(root: &roxmltree::Node<'_, '_>, name: &str) -> Option<f64> {
    let text = root.attribute(name)?.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "" | "px" => 1.0,
        "pt" => 96.0 / 72.0,
        "pc" | "em" | "rem" => 16.0,
        "ex" | "ch" => 8.0,
        "mm" => 96.0 / 25.4,
        "cm" => 96.0 / 2.54,
        "in" => 96.0,
        _ => return None,
    };
    number.trim().parse::<f64>().ok().map(|n| n * unit)
}

/// Returns width and height in pixels, from the attributes or the viewBox.
fn size(root: &roxmltree::Node<'_, '_>) -> Option<(f64, f64)> {
    let view_box: Vec<f64> = root
        .attribute("viewBox")
        .unwrap_or_default()
        .split([' ', ',', '\t', '\n'])
        .filter(|t| !t.is_empty())
        .filter_map(|t| t.parse().ok())
        .collect();
    let view_box = if let [_, _, w, h] = view_box[..] { Some((w, h)) } else { None };
    Some(match (pixels(root, "width"), pixels(root, "height"), view_box) {
        (Some(w), Some(h), _) => (w, h),
        (Some(w), None, Some((bw, bh))) if bw > 0.0 => (w, w * bh / bw),
        (None, Some(h), Some((bw, bh))) if bh > 0.0 => (h * bw / bh, h),
        (_, _, Some(size)) => size,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
