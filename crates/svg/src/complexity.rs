//! Limits on the complexity of a drawing: the work of the XML parser, the number of drawn elements, and the cost of
//! filters.
//!
//! Not here: which elements are allowed (`cleaner`).

use std::collections::HashMap;

use roxmltree::{Node, NodeId};

use super::MAX_DEPTH;

/// Maximum number of drawn elements; each reference to a part of the drawing counts as a copy of it.
const MAX_RENDERED_ELEMENTS: u64 = 200_000;
/// Maximum number of attributes per element: the XML parser compares each with all previous ones.
const MAX_ATTRIBUTES: usize = 1_000;

/// Maximum number of text parts that the XML parser concatenates one by one: CDATA sections, and references to entities
/// of the document.
const MAX_TEXT_PARTS: usize = 2_000;

/// Checks the text before it is parsed. The error contains the line and the reason.
pub(super) fn check_text(text: &str) -> Result<(), (u32, String)> {
    if let Some(at) = find_tag_with_many_attributes(text) {
        let line = 1 + text[..at].matches('\n').count() as u32;
        return Err((line, format!("an element has more than {MAX_ATTRIBUTES} attributes")));
    }
    if has_too_many_text_parts(text) {
        let what = "the drawing has too many CDATA sections or custom entities";
        return Err((1, what.to_owned()));
    }
    Ok(())
}

fn has_too_many_text_parts(text: &str) -> bool {
    let is_custom_entity = |at: &usize| {
        let name = text[at + 1..].split(';').next().unwrap_or_default();
        !name.starts_with('#') && !["amp", "lt", "gt", "quot", "apos"].contains(&name)
    };
    let references = || text.match_indices('&').map(|(at, _)| at).filter(is_custom_entity).count();
    text.matches("<![CDATA[").count() > MAX_TEXT_PARTS || references() > MAX_TEXT_PARTS
}

/// Returns the start of an element with too many attributes.
fn find_tag_with_many_attributes(text: &str) -> Option<usize> {
    let mut at = 0;
    for piece in text.split('<') {
        let quoted = |(i, _): &(usize, &str)| piece[i + 1..].trim_start().starts_with(['"', '\'']);
        if piece.len() > MAX_ATTRIBUTES
            && piece.match_indices('=').filter(quoted).count() > MAX_ATTRIBUTES
        {
            return Some(at);
        }
        at += piece.len() + 1;
    }
    None
}

/// Counts the drawn elements: `use`, patterns, masks, markers and filters repeat parts of the drawing, which may
/// repeat others.
struct RenderCost<'a, 'i> {
    by_id: HashMap<&'a str, Node<'a, 'i>>,
    /// Number of elements drawn for a node; `None` while it is being counted.
    costs: HashMap<NodeId, Option<u64>>,
}

/// Checks the number of drawn elements. The error contains the element and the reason.
pub(super) fn check_render_cost<'a, 'i>(root: Node<'a, 'i>) -> Result<(), (Node<'a, 'i>, String)> {
    let mut by_id = HashMap::new();
    for node in root.descendants().filter(Node::is_element) {
        if let Some(id) = node.attribute("id") {
            by_id.entry(id).or_insert(node);
        }
    }
    let mut cost = RenderCost { by_id, costs: HashMap::new() };
    // A rule of a style sheet may apply a part to every element.
    let elements = root.descendants().filter(Node::is_element).count() as u64;
    let mut style_cost = 0_u64;
    for sheet in root.descendants().filter(|n| n.tag_name().name() == "style") {
        for text in sheet.children().filter_map(|c| c.text()) {
            for id in references(text) {
                let Some(part) = cost.by_id.get(id).copied() else { continue };
                style_cost =
                    style_cost.saturating_add(cost.count(part, 0)?.saturating_mul(elements));
            }
        }
    }
    let total = cost.count(root, 0)?.saturating_add(style_cost);
    if total > MAX_RENDERED_ELEMENTS {
        return Err((
            root,
            format!("the drawing renders more than {MAX_RENDERED_ELEMENTS} elements"),
        ));
    }
    Ok(())
}

impl<'a, 'i> RenderCost<'a, 'i> {
    fn count(&mut self, node: Node<'a, 'i>, depth: usize) -> Result<u64, (Node<'a, 'i>, String)> {
        if depth > MAX_DEPTH {
            return Err((node, "references in the drawing are nested too deeply".to_owned()));
        }
        match self.costs.insert(node.id(), None) {
            Some(Some(cached)) => {
                self.costs.insert(node.id(), Some(cached));
                return Ok(cached);
            }
            Some(None) => {
                return Err((node, "an element of the drawing refers to itself".to_owned()));
            }
            None => {}
        }
        let mut total = 1_u64;
        for attribute in node.attributes() {
            let value = attribute.value();
            // A marker is drawn at every point of a path; a point has at least two characters.
            let copies = if attribute.name().starts_with("marker") || value.contains("marker") {
                let points = node.attribute("d").or_else(|| node.attribute("points")).unwrap_or("");
                points.len() as u64 / 2 + 1
            } else {
                1
            };
            let copied =
                attribute.name() == "href" && matches!(node.tag_name().name(), "use" | "pattern");
            let referenced = copied.then(|| value.strip_prefix('#')).flatten();
            for id in referenced.into_iter().chain(references(value)) {
                if let Some(part) = self.by_id.get(id).copied() {
                    let part = self.count(part, depth + 1)?;
                    total = total.saturating_add(part.saturating_mul(copies));
                }
            }
        }
        for child in node.children().filter(Node::is_element) {
            total = total.saturating_add(self.count(child, depth + 1)?);
        }
        self.costs.insert(node.id(), Some(total));
        Ok(total)
    }
}

/// Returns the ids in `url(#id)`.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("url(").filter_map(|(at, found)| {
        let rest = text[at + found.len()..].trim_start().trim_start_matches(['"', '\'']);
        let id = rest.strip_prefix('#')?;
        id.split([')', '"', '\'', ' ']).next()
    })
}

/// Returns true if a filter attribute exceeds its limit; the value multiplies the work per pixel.
pub(super) fn is_slow_filter(name: &str, value: &str) -> bool {
    let max = match name {
        "numOctaves" => 10.0,
        "order" => 15.0,
        "stdDeviation" | "radius" => 250.0,
        _ => return false,
    };
    value
        .split([' ', ','])
        .filter(|n| !n.is_empty())
        .any(|n| !n.parse::<f64>().is_ok_and(|n| n <= max))
}
