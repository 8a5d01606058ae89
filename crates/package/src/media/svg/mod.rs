//! Sanitises SVG files: only graphics are kept. Scripts, event handlers, foreign content and external addresses are
//! removed.
//!
//! `prologue` detects and decodes drawings, `complexity` rejects drawings that are too expensive, `cleaner` writes what
//! is allowed, `css` sanitises styles. Not here: rendering.

mod cleaner;
mod complexity;
mod css;
mod prologue;

pub(crate) use prologue::{decode, is_drawing};

use super::error::{MediaError, media_error};

/// Namespace of SVG.
const SVG: &str = "http://www.w3.org/2000/svg";
const XLINK: &str = "http://www.w3.org/1999/xlink";
const MAX_NODES: u32 = 200_000;
/// Maximum nesting depth of elements.
const MAX_DEPTH: usize = 200;

/// A sanitised drawing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Drawing {
    pub svg: String,
    pub width: u32,
    pub height: u32,
    /// Line and name of each removed part.
    pub removed: Vec<(u32, String)>,
}

/// Sanitises a drawing. Errors contain a line, which is 1 if it is unknown.
pub(crate) fn clean(text: &str) -> Result<Drawing, (u32, MediaError)> {
    complexity::check_text(text).map_err(|(line, what)| {
        (line, media_error("svg-too-complex", what, "export it again as plain SVG"))
    })?;
    let options =
        roxmltree::ParsingOptions { allow_dtd: true, nodes_limit: MAX_NODES, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(text, options).map_err(|e| {
        (
            e.pos().row.max(1),
            media_error(
                "svg-broken",
                format!("the drawing is not well-formed XML: {e}"),
                "export it again as plain SVG",
            ),
        )
    })?;
    let root = document.root_element();
    if root.tag_name().name() == "svg" && root.tag_name().namespace().is_none() {
        // Drawings inside web pages have no namespace.
        let at = root.range().start + "<svg".len();
        let named = format!("{} xmlns=\"{SVG}\" {}", &text[..at], &text[at..]);
        return clean(&named);
    }
    if root.tag_name().name() != "svg" || root.tag_name().namespace() != Some(SVG) {
        let hint = "the first element must be <svg xmlns=\"http://www.w3.org/2000/svg\">";
        return Err((1, media_error("svg-broken", "the file has no drawing", hint)));
    }
    let line = document.text_pos_at(root.range().start).row;
    let (width, height) = size(&root).ok_or_else(|| {
        (
            line,
            media_error(
                "svg-size",
                "the drawing has no size",
                "add viewBox=\"0 0 WIDTH HEIGHT\" to <svg>",
            ),
        )
    })?;
    let (svg, removed) = cleaner::clean(text, root)
        .map_err(|what| (line, media_error("svg-broken", what, "simplify the drawing")))?;
    complexity::check_render_cost(root).map_err(|(node, what)| {
        let line = document.text_pos_at(node.range().start).row;
        (
            line,
            media_error(
                "svg-too-complex",
                what,
                "simplify the drawing, or export it as a PNG image",
            ),
        )
    })?;
    Ok(Drawing { svg, width, height, removed })
}

/// Returns width and height in pixels, from the attributes or the viewBox.
fn size(root: &roxmltree::Node<'_, '_>) -> Option<(u32, u32)> {
    let pixels = |name: &str| {
        let text = root.attribute(name)?.trim();
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[number.len()..] {
            "" | "px" => 1.0,
            "pt" => 96.0 / 72.0,
            "pc" => 16.0,
            "mm" => 96.0 / 25.4,
            "cm" => 96.0 / 2.54,
            "in" => 96.0,
            _ => return None,
        };
        number.trim().parse::<f64>().ok().map(|n| n * unit)
    };
    let view_box: Vec<f64> = root
        .attribute("viewBox")
        .unwrap_or_default()
        .split([' ', ',', '\t', '\n'])
        .filter(|t| !t.is_empty())
        .filter_map(|t| t.parse().ok())
        .collect();
    let view_box = if let [_, _, w, h] = view_box[..] { Some((w, h)) } else { None };
    let (width, height) = match (pixels("width"), pixels("height"), view_box) {
        (Some(w), Some(h), _) => (w, h),
        (Some(w), None, Some((bw, bh))) if bw > 0.0 => (w, w * bh / bw),
        (None, Some(h), Some((bw, bh))) if bh > 0.0 => (h * bw / bh, h),
        (_, _, Some(size)) => size,
        _ => return None,
    };
    let pixel_size = |n: f64| (0.5..100_000.0).contains(&n).then_some(n.round().max(1.0) as u32);
    Some((pixel_size(width)?, pixel_size(height)?))
}

#[cfg(test)]
mod tests;
