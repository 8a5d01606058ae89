//! Writes the allowed elements and attributes of a drawing, and records what is removed.
//!
//! Not here: limits on size and complexity (`complexity`).

use roxmltree::{Attribute, Node};

use super::{MAX_DEPTH, SVG, XLINK, complexity::is_slow_filter};

const XML: &str = "http://www.w3.org/XML/1998/namespace";

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
            if !IGNORED_ELEMENTS.contains(&name) {
                // A link in a drawing is removed, but its content is kept.
                if name == "a" {
                    return self.children(node, depth);
                }
                self.remove(&node, format!("<{name}>"));
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
            if is_plain_css(&css) {
                self.text(&css);
            } else {
                self.remove(&node, "<style> with an external address".to_owned());
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
            is_plain_css(value)
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

fn is_inline_image(value: &str) -> bool {
    [
        "data:image/png;base64,",
        "data:image/jpeg;base64,",
        "data:image/webp;base64,",
        "data:image/gif;base64,",
    ]
    .iter()
    .any(|p| value.starts_with(p))
}

/// Returns true if the value refers only to parts of this file and contains nothing that a browser might execute.
fn is_plain_css(value: &str) -> bool {
    let normalized: String = value
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .flat_map(char::to_lowercase)
        .collect();
    // An escape can encode any character.
    if normalized.contains('\\') && (normalized.contains(':') || normalized.contains('(')) {
        return false;
    }
    // Functions that load an address without `url()`.
    let fetching_functions = ["image-set(", "src(", "image(", "cross-fade(", "element(", "paint("];
    let script_tokens =
        ["javascript:", "vbscript:", "expression(", "@import", "-moz-binding", "behavior:"];
    if script_tokens.iter().chain(&fetching_functions).any(|w| normalized.contains(w)) {
        return false;
    }
    normalized
        .match_indices("url(")
        .all(|(at, _)| normalized[at + 4..].trim_start_matches(['"', '\'']).starts_with('#'))
}
