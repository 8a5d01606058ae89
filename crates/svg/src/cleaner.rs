//! Writes the allowed elements and attributes of a drawing, and records what is removed.
//!
//! Not here: limits on size and complexity (`complexity`).

use roxmltree::{Attribute, Node};

use super::{
    MAX_DEPTH, SVG, XLINK,
    complexity::is_slow_filter,
    css::{self, is_plain},
};

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XHTML: &str = "http://www.w3.org/1999/xhtml";

const ALLOWED_ELEMENTS: &[&str] = &[
    "svg",
    "g",
    "defs",
    "symbol",
    "use",
    "title",
    "desc",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "text",
    "tspan",
    "textPath",
    "marker",
    "pattern",
    "clipPath",
    "mask",
    "linearGradient",
    "radialGradient",
    "stop",
    "image",
    "style",
    "switch",
    "filter",
    "feBlend",
    "feColorMatrix",
    "feComponentTransfer",
    "feComposite",
    "feConvolveMatrix",
    "feDiffuseLighting",
    "feDisplacementMap",
    "feDistantLight",
    "feDropShadow",
    "feFlood",
    "feFuncA",
    "feFuncB",
    "feFuncG",
    "feFuncR",
    "feGaussianBlur",
    "feMerge",
    "feMergeNode",
    "feMorphology",
    "feOffset",
    "fePointLight",
    "feSpecularLighting",
    "feSpotLight",
    "feTile",
    "feTurbulence",
    "animate",
    "animateTransform",
    "animateMotion",
    "mpath",
    "set",
];

/// Elements that drawing programs write for their own use: removed without a warning.
const IGNORED_ELEMENTS: &[&str] = &["metadata", "namedview", "RDF", "perspective", "path-effect"];

/// Line and name of each removed part.
pub(super) type Removed = Vec<(u32, String)>;

/// Writes the sanitised drawing `root`, which was parsed from `text`.
pub(super) fn clean(text: &str, root: Node<'_, '_>) -> Result<(String, Removed), String> {
    let mut cleaner = Cleaner {
        line_starts: text.match_indices('\n').map(|(at, _)| at + 1).collect(),
        out: String::with_capacity(text.len()),
        removed: Vec::new(),
    };
    cleaner.element(root, 0)?;
    Ok((cleaner.out, cleaner.removed))
}

struct Cleaner {
    /// Byte offsets of the line starts, except that of the first line.
    line_starts: Vec<usize>,
    out: String,
    removed: Vec<(u32, String)>,
}

impl Cleaner {
    fn remove(&mut self, node: &Node<'_, '_>, what: String) {
        // Limit the number of reported parts.
        if self.removed.len() < 2_000 {
            let at = node.range().start;
            let line = 1 + self.line_starts.partition_point(|start| *start <= at) as u32;
            self.removed.push((line, what));
        }
    }

    fn element(&mut self, node: Node<'_, '_>, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("the drawing is nested too deeply".to_owned());
        }
        let name = node.tag_name().name();
        if node.tag_name().namespace() != Some(SVG) || !ALLOWED_ELEMENTS.contains(&name) {
            // A link in a drawing is removed, but its content is kept.
            if name == "a" {
                return self.children(node, depth);
            }
            // Elements of editors are never shown.
            let is_shown = matches!(node.tag_name().namespace(), None | Some(SVG | XHTML));
            if is_shown && !IGNORED_ELEMENTS.contains(&name) && !has_alternative(&node) {
                let text: Vec<&str> = node
                    .descendants()
                    .filter(|n| name == "foreignObject" && n.is_text())
                    .flat_map(|n| n.text().unwrap_or_default().split_whitespace())
                    .take(8)
                    .collect();
                self.remove(
                    &node,
                    match text.is_empty() {
                        true => format!("<{name}>"),
                        false => format!("<{name}> with the text {:?}", text.join(" ")),
                    },
                );
            }
            return Ok(());
        }
        let animates = |what: &str| {
            node.attribute("attributeName").is_some_and(|a| a.to_ascii_lowercase().contains(what))
        };
        if animates("href")
            || node
                .attribute("attributeName")
                .is_some_and(|a| a.to_ascii_lowercase().starts_with("on"))
        {
            self.remove(&node, format!("<{name}> that animates an address"));
            return Ok(());
        }
        self.out.push('<');
        self.out.push_str(name);
        if depth == 0 {
            self.out.push_str(&format!(" xmlns=\"{SVG}\" xmlns:xlink=\"{XLINK}\""));
        }
        for attribute in node.attributes() {
            self.attribute(&node, name, &attribute);
        }
        if !node.has_children() {
            self.out.push_str("/>");
            return Ok(());
        }
        self.out.push('>');
        if name == "style" {
            let css: String = node.children().filter_map(|c| c.text()).collect();
            let css = css::sheet(&css);
            self.text(&css.text);
            for what in css.removed {
                self.remove(&node, format!("{what:?} in <style>"));
            }
        } else {
            self.children(node, depth)?;
        }
        self.out.push_str(&format!("</{name}>"));
        Ok(())
    }

    fn children(&mut self, node: Node<'_, '_>, depth: usize) -> Result<(), String> {
        for child in node.children() {
            if child.is_element() {
                self.element(child, depth + 1)?;
            } else if let (true, Some(text)) = (child.is_text(), child.text()) {
                self.text(text);
            }
        }
        Ok(())
    }

    fn attribute(&mut self, node: &Node<'_, '_>, element: &str, attribute: &Attribute<'_, '_>) {
        let (name, value) = (attribute.name(), attribute.value());
        let full_name = match attribute.namespace() {
            None | Some("") => name.to_owned(),
            Some(XLINK) if name == "href" => "xlink:href".to_owned(),
            Some(XML) if name == "space" || name == "lang" => format!("xml:{name}"),
            // Attributes of editors have no visual effect.
            Some(_) => return,
        };
        let lower = name.to_ascii_lowercase();
        // Diagram editors store the whole diagram once more.
        if element == "svg" && name == "content" {
            return;
        }
        let mut value = value.to_owned();
        if lower == "style" {
            let css = css::declarations(&value);
            for what in css.removed {
                self.remove(node, format!("{what:?} in a style"));
            }
            value = css.text;
        } else if element == "image" && lower == "href" && !value.starts_with('#') {
            value = without_metadata(&value).unwrap_or(value);
        }
        let value = value.as_str();
        let is_allowed = if lower.starts_with("on") || is_slow_filter(name, value) {
            false
        } else if lower == "href" {
            value.starts_with('#') || element == "image" && is_inline_image(value)
        } else if lower == "src" || lower == "xmlns" {
            false
        } else if matches!(lower.as_str(), "id" | "class")
            || lower.starts_with("data-")
            || lower.starts_with("aria-")
        {
            // Names, not CSS: editors name layers "Image (2)", for example.
            true
        } else {
            is_plain(value)
        };
        if !is_allowed {
            let start: String = value.chars().take(40).collect();
            self.remove(node, format!("{full_name}={start:?}"));
            return;
        }
        self.out.push_str(&format!(" {full_name}=\""));
        for c in value.chars() {
            match c {
                '\n' => self.out.push_str("&#10;"),
                '\t' => self.out.push_str("&#9;"),
                '"' => self.out.push_str("&quot;"),
                c => self.character(c),
            }
        }
        self.out.push('"');
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            self.character(c);
        }
    }
    fn character(&mut self, c: char) {
        match c {
            '&' => self.out.push_str("&amp;"),
            '<' => self.out.push_str("&lt;"),
            '>' => self.out.push_str("&gt;"),
            c => self.out.push(c),
        }
    }
}

/// Returns whether an element of a `switch` is followed by another one, which is shown instead.
fn has_alternative(node: &Node<'_, '_>) -> bool {
    node.parent_element().is_some_and(|parent| parent.tag_name().name() == "switch")
        && node.next_sibling_element().is_some()
}

const INLINE_IMAGES: [&str; 5] = [
    "data:image/png;base64,",
    "data:image/jpeg;base64,",
    // Not a registered type, but common.
    "data:image/jpg;base64,",
    "data:image/webp;base64,",
    "data:image/gif;base64,",
];

fn is_inline_image(value: &str) -> bool {
    INLINE_IMAGES.iter().any(|p| value.starts_with(p))
}

/// Returns an embedded image without EXIF and other metadata; `None` if it is not changed.
fn without_metadata(value: &str) -> Option<String> {
    let prefix = INLINE_IMAGES.iter().find(|p| value.starts_with(**p))?;
    let data: Vec<u8> = value.as_bytes()[prefix.len()..]
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    let bytes = data_encoding::BASE64.decode(&data).ok()?;
    let stripped = carrel_imaging::without_metadata(&bytes, true)?;
    Some(format!("{prefix}{}", data_encoding::BASE64.encode(&stripped)))
}
