//! SVG: only drawing passes. Scripts, event handlers, foreign content and addresses outside the file do not.
//!
//! Not here: rendering. What is not on the list of drawing elements and attributes is left out with a warning.

use std::collections::HashMap;

use crate::picture::{Fault, fault};

const SVG: &str = "http://www.w3.org/2000/svg";
const XLINK: &str = "http://www.w3.org/1999/xlink";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const DEEPEST: usize = 200;
const MOST_NODES: u32 = 200_000;
/// Elements that a renderer draws, each reference to a part of the drawing counted as a copy of it.
const MAX_DRAWN: u64 = 200_000;

const ELEMENTS: &[&str] = &[
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

/// Elements of no use to a reader that editors leave behind: dropped without a word.
const SILENT: &[&str] = &["metadata", "namedview", "RDF", "perspective", "path-effect"];

/// A clean drawing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Drawing {
    pub svg: String,
    pub width: u32,
    pub height: u32,
    /// What was left out: line and what.
    pub removed: Vec<(u32, String)>,
}

/// Cleans a drawing. Errors carry the line where there is one.
pub(crate) fn clean(text: &str) -> Result<Drawing, (u32, Fault)> {
    if let Some(at) = crowded_tag(text) {
        let line = 1 + text[..at].matches('\n').count() as u32;
        let what = format!("an element has over {MAX_ATTRIBUTES} attributes");
        return Err((line, fault("svg-too-complex", what, "export it again as plain SVG")));
    }
    if joins_too_much(text) {
        let what = "the drawing has too many CDATA sections or entities of its own";
        return Err((1, fault("svg-too-complex", what, "export it again as plain SVG")));
    }
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        nodes_limit: MOST_NODES,
        ..Default::default()
    };
    let document = roxmltree::Document::parse_with_options(text, options).map_err(|e| {
        (
            e.pos().row.max(1),
            fault(
                "svg-broken",
                format!("the drawing is not well-formed XML: {e}"),
                "export it again as plain SVG",
            ),
        )
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "svg" || root.tag_name().namespace() != Some(SVG) {
        let hint = "the first element is <svg xmlns=\"http://www.w3.org/2000/svg\">";
        return Err((1, fault("svg-broken", "the file has no drawing", hint)));
    }
    let line = document.text_pos_at(root.range().start).row;
    let (width, height) = size(&root).ok_or_else(|| {
        (
            line,
            fault(
                "svg-size",
                "the drawing does not say how large it is",
                "add viewBox=\"0 0 WIDTH HEIGHT\" to <svg>",
            ),
        )
    })?;
    let mut cleaner = Cleaner {
        line_starts: text.match_indices('\n').map(|(at, _)| at + 1).collect(),
        out: String::with_capacity(text.len()),
        removed: Vec::new(),
    };
    cleaner
        .element(root, 0)
        .map_err(|what| (line, fault("svg-broken", what, "simplify the drawing")))?;
    check_drawn(root).map_err(|(node, what)| {
        let line = document.text_pos_at(node.range().start).row;
        (line, fault("svg-too-complex", what, "simplify the drawing, or export it as a picture"))
    })?;
    Ok(Drawing { svg: cleaner.out, width, height, removed: cleaner.removed })
}

/// Attributes of one element: the XML parser compares each with all before it.
const MAX_ATTRIBUTES: usize = 1_000;

/// Pieces of text that the XML parser joins one by one: CDATA sections, and references to entities of the document.
const MAX_JOINED: usize = 2_000;

fn joins_too_much(text: &str) -> bool {
    let own = |at: &usize| {
        let name = text[at + 1..].split(';').next().unwrap_or_default();
        !name.starts_with('#') && !["amp", "lt", "gt", "quot", "apos"].contains(&name)
    };
    let references = || text.match_indices('&').map(|(at, _)| at).filter(own).count();
    text.matches("<![CDATA[").count() > MAX_JOINED || references() > MAX_JOINED
}

/// Where an element with too many attributes begins.
fn crowded_tag(text: &str) -> Option<usize> {
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

/// Pixels: width and height, or those of the viewBox.
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
    let boxed: Vec<f64> = root
        .attribute("viewBox")
        .unwrap_or_default()
        .split([' ', ',', '\t', '\n'])
        .filter(|t| !t.is_empty())
        .filter_map(|t| t.parse().ok())
        .collect();
    let boxed = if let [_, _, w, h] = boxed[..] { Some((w, h)) } else { None };
    let (width, height) = match (pixels("width"), pixels("height"), boxed) {
        (Some(w), Some(h), _) => (w, h),
        (Some(w), None, Some((bw, bh))) if bw > 0.0 => (w, w * bh / bw),
        (None, Some(h), Some((bw, bh))) if bh > 0.0 => (h * bw / bh, h),
        (_, _, Some(both)) => both,
        _ => return None,
    };
    let good = |n: f64| (0.5..100_000.0).contains(&n).then_some(n.round().max(1.0) as u32);
    Some((good(width)?, good(height)?))
}

type Node<'a, 'i> = roxmltree::Node<'a, 'i>;

/// Counts what a renderer draws: `use`, patterns, masks, markers and filters repeat parts of the drawing, and those repeat others.
struct Drawn<'a, 'i> {
    by_id: HashMap<&'a str, Node<'a, 'i>>,
    /// Elements drawn for a node; none while it is being counted.
    counted: HashMap<roxmltree::NodeId, Option<u64>>,
}

fn check_drawn<'a, 'i>(root: Node<'a, 'i>) -> Result<(), (Node<'a, 'i>, String)> {
    let mut by_id = HashMap::new();
    for node in root.descendants().filter(roxmltree::Node::is_element) {
        if let Some(id) = node.attribute("id") {
            by_id.entry(id).or_insert(node);
        }
    }
    let mut drawn = Drawn { by_id, counted: HashMap::new() };
    // A rule of a style sheet may name a part for every element.
    let elements = root.descendants().filter(roxmltree::Node::is_element).count() as u64;
    let mut sheets = 0_u64;
    for sheet in root.descendants().filter(|n| n.tag_name().name() == "style") {
        for text in sheet.children().filter_map(|c| c.text()) {
            for id in references(text) {
                let Some(part) = drawn.by_id.get(id).copied() else { continue };
                sheets = sheets.saturating_add(drawn.count(part, 0)?.saturating_mul(elements));
            }
        }
    }
    let total = drawn.count(root, 0)?.saturating_add(sheets);
    if total > MAX_DRAWN {
        return Err((root, format!("the drawing draws over {MAX_DRAWN} elements")));
    }
    Ok(())
}

impl<'a, 'i> Drawn<'a, 'i> {
    fn count(&mut self, node: Node<'a, 'i>, depth: usize) -> Result<u64, (Node<'a, 'i>, String)> {
        if depth > DEEPEST {
            return Err((node, "parts of the drawing repeat each other too deeply".to_owned()));
        }
        match self.counted.insert(node.id(), None) {
            Some(Some(known)) => {
                self.counted.insert(node.id(), Some(known));
                return Ok(known);
            }
            Some(None) => return Err((node, "a part of the drawing repeats itself".to_owned())),
            None => {}
        }
        let mut total = 1_u64;
        for attribute in node.attributes() {
            let value = attribute.value();
            // A marker is drawn at every point of a path; each point has a digit.
            let copies = if attribute.name().starts_with("marker") || value.contains("marker") {
                let points = node.attribute("d").or_else(|| node.attribute("points")).unwrap_or("");
                points.len() as u64 / 2 + 1
            } else {
                1
            };
            let copied =
                attribute.name() == "href" && matches!(node.tag_name().name(), "use" | "pattern");
            let whole = copied.then(|| value.strip_prefix('#')).flatten();
            for id in whole.into_iter().chain(references(value)) {
                if let Some(part) = self.by_id.get(id).copied() {
                    let part = self.count(part, depth + 1)?;
                    total = total.saturating_add(part.saturating_mul(copies));
                }
            }
        }
        for child in node.children().filter(roxmltree::Node::is_element) {
            total = total.saturating_add(self.count(child, depth + 1)?);
        }
        self.counted.insert(node.id(), Some(total));
        Ok(total)
    }
}

/// The ids in `url(#id)`.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("url(").filter_map(|(at, found)| {
        let rest = text[at + found.len()..].trim_start().trim_start_matches(['"', '\'']);
        let id = rest.strip_prefix('#')?;
        id.split([')', '"', '\'', ' ']).next()
    })
}

/// A filter works on every pixel as often as these say.
fn is_slow_filter(name: &str, value: &str) -> bool {
    let most = match name {
        "numOctaves" => 10.0,
        "order" => 15.0,
        "stdDeviation" | "radius" => 250.0,
        _ => return false,
    };
    value
        .split([' ', ','])
        .filter(|n| !n.is_empty())
        .any(|n| !n.parse::<f64>().is_ok_and(|n| n <= most))
}

struct Cleaner {
    /// Offsets at which lines begin, after the first.
    line_starts: Vec<usize>,
    out: String,
    removed: Vec<(u32, String)>,
}

impl Cleaner {
    fn remove(&mut self, node: &roxmltree::Node<'_, '_>, what: String) {
        // As many as are ever reported.
        if self.removed.len() < 2_000 {
            let at = node.range().start;
            let line = 1 + self.line_starts.partition_point(|start| *start <= at) as u32;
            self.removed.push((line, what));
        }
    }

    fn element(&mut self, node: roxmltree::Node<'_, '_>, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err("the drawing is nested too deeply".to_owned());
        }
        let name = node.tag_name().name();
        if node.tag_name().namespace() != Some(SVG) || !ELEMENTS.contains(&name) {
            if !SILENT.contains(&name) {
                // A link in a drawing goes nowhere, but what it is drawn around stays.
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
            self.remove(&node, format!("<{name}> of an address"));
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
                self.remove(&node, "<style> with an outside address".to_owned());
            }
        } else {
            self.children(node, depth)?;
        }
        self.out.push_str(&format!("</{name}>"));
        Ok(())
    }

    fn children(&mut self, node: roxmltree::Node<'_, '_>, depth: usize) -> Result<(), String> {
        for child in node.children() {
            if child.is_element() {
                self.element(child, depth + 1)?;
            } else if let (true, Some(text)) = (child.is_text(), child.text()) {
                self.text(text);
            }
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        node: &roxmltree::Node<'_, '_>,
        element: &str,
        attribute: &roxmltree::Attribute<'_, '_>,
    ) {
        let (name, value) = (attribute.name(), attribute.value());
        let written = match attribute.namespace() {
            None | Some("") => name.to_owned(),
            Some(XLINK) if name == "href" => "xlink:href".to_owned(),
            Some(XML) if name == "space" || name == "lang" => format!("xml:{name}"),
            // Editors' own attributes draw nothing.
            Some(_) => return,
        };
        let lower = name.to_ascii_lowercase();
        let fine = if lower.starts_with("on") || is_slow_filter(name, value) {
            false
        } else if lower == "href" {
            value.starts_with('#') || element == "image" && is_inline_picture(value)
        } else if lower == "src" || lower == "xmlns" {
            false
        } else if matches!(lower.as_str(), "id" | "class")
            || lower.starts_with("data-")
            || lower.starts_with("aria-")
        {
            // Names, not CSS: "Image (2)" is what editors call a layer.
            true
        } else {
            is_plain_css(value)
        };
        if !fine {
            let start: String = value.chars().take(40).collect();
            self.remove(node, format!("{written}={start:?}"));
            return;
        }
        self.out.push_str(&format!(" {written}=\""));
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

fn is_inline_picture(value: &str) -> bool {
    [
        "data:image/png;base64,",
        "data:image/jpeg;base64,",
        "data:image/webp;base64,",
        "data:image/gif;base64,",
    ]
    .iter()
    .any(|p| value.starts_with(p))
}

/// No address but of this file's own parts, and nothing that some reader might run.
fn is_plain_css(value: &str) -> bool {
    let squeezed: String = value
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .flat_map(char::to_lowercase)
        .collect();
    // An escape can spell anything.
    if squeezed.contains('\\') && (squeezed.contains(':') || squeezed.contains('(')) {
        return false;
    }
    // Functions that take an address without `url()`.
    let fetching = ["image-set(", "src(", "image(", "cross-fade(", "element(", "paint("];
    let running =
        ["javascript:", "vbscript:", "expression(", "@import", "-moz-binding", "behavior:"];
    if running.iter().chain(&fetching).any(|w| squeezed.contains(w)) {
        return false;
    }
    squeezed
        .match_indices("url(")
        .all(|(at, _)| squeezed[at + 4..].trim_start_matches(['"', '\'']).starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<svg xmlns=\"{SVG}\" xmlns:xlink=\"{XLINK}\" viewBox=\"0 0 10 20\">\n{inside}\n</svg>"
        )
    }

    #[test]
    fn hostile_parts_go_with_their_line() {
        for inside in [
            "<script>alert(1)</script>",
            "<script href=\"x.js\"/>",
            "<rect onclick=\"alert(1)\"/>",
            "<rect ONLOAD=\"alert(1)\"/>",
            "<foreignObject><body xmlns=\"http://www.w3.org/1999/xhtml\">x</body></foreignObject>",
            "<image href=\"https://evil.example/a.png\"/>",
            "<image href=\"data:image/svg+xml;base64,AAAA\"/>",
            "<image xlink:href=\"../a.png\"/>",
            "<use href=\"https://evil.example/a.svg#x\"/>",
            "<use xlink:href=\"javascript:alert(1)\"/>",
            "<rect style=\"fill:url(https://evil.example/x)\"/>",
            "<rect fill=\"url( 'https://evil.example/x')\"/>",
            "<rect style=\"fill:u\\72l(https://evil.example)\"/>",
            "<style>@import url(https://evil.example/x.css);</style>",
            "<style>a { background: URL(//evil.example) }</style>",
            "<style>a { background: image-set(\"//evil.example/a.png\" 1x) }</style>",
            "<rect style=\"fill: -webkit-image-set('//evil.example' 1x)\"/>",
            "<rect style=\"fill: src('//evil.example')\"/>",
            "<rect style=\"background: Image ( '//evil.example' )\"/>",
            "<rect style=\"mask: cross-fade('//evil.example', red)\"/>",
            "<feTurbulence numOctaves=\"1000000\"/>",
            "<feGaussianBlur stdDeviation=\"1 1e9\"/>",
            "<set attributeName=\"href\" to=\"javascript:alert(1)\"/>",
            "<animate attributeName=\"xlink:href\" values=\"javascript:alert(1)\"/>",
            "<set attributeName=\"onload\" to=\"alert(1)\"/>",
            "<iframe xmlns=\"http://www.w3.org/1999/xhtml\" src=\"https://evil.example\"/>",
        ] {
            let drawing = clean(&wrap(inside)).unwrap();
            assert_eq!(drawing.removed.len(), 1, "{inside}: {drawing:?}");
            assert_eq!(drawing.removed[0].0, 3, "{inside}");
            let shown = drawing.svg.to_lowercase();
            for bad in ["alert", "evil", "script", "foreign", "../", "svg+xml"] {
                assert!(!shown.contains(bad), "{inside}: {shown}");
            }
        }
        let link = clean(&wrap("<a href=\"javascript:alert(1)\"><rect width=\"1\"/></a>")).unwrap();
        assert!(link.svg.contains("<rect width=\"1\"/>") && !link.svg.contains("alert"));
        let entity = format!(
            "<!DOCTYPE svg [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><svg xmlns=\"{SVG}\" viewBox=\"0 0 1 1\"><text>&x;</text></svg>"
        );
        assert!(clean(&entity).map_or(true, |d| !d.svg.contains("root:")));
        let mut laughs = String::from("<!DOCTYPE svg [<!ENTITY a0 \"ha\">");
        for n in 1..40 {
            laughs.push_str(&format!(
                "<!ENTITY a{n} \"&a{};&a{};&a{};&a{};\">",
                n - 1,
                n - 1,
                n - 1,
                n - 1
            ));
        }
        let laughs =
            format!("{laughs}]><svg xmlns=\"{SVG}\" viewBox=\"0 0 1 1\"><text>&a39;</text></svg>");
        assert_eq!(clean(&laughs).unwrap_err().1.code, "svg-broken");
        let deep = format!("{}{}", "<g>".repeat(400), "</g>".repeat(400));
        assert_eq!(clean(&wrap(&deep)).unwrap_err().1.code, "svg-broken");
    }

    #[test]
    fn drawing_passes_unharmed_and_sizes_are_read() {
        let inside = "<defs><marker id=\"m\" refX=\"1\"><path d=\"M0 0\"/></marker><linearGradient id=\"g\"><stop offset=\"0\"/></linearGradient></defs>\
            <path d=\"M0 0 L1 1\" marker-end=\"url(#m)\" style=\"fill:url(#g); stroke:#123\" stroke-width=\"2\"/><text x=\"1\" xml:space=\"preserve\">a &lt; b &amp; \"c\"</text>\
            <use href=\"#m\"/><image href=\"data:image/png;base64,AAAA\" width=\"1\"/><style>.a { fill: url(\"#g\") }</style>";
        let drawing = clean(&wrap(inside)).unwrap();
        assert_eq!(drawing.removed, []);
        assert_eq!((drawing.width, drawing.height), (10, 20));
        for part in [
            "marker-end=\"url(#m)\"",
            "style=\"fill:url(#g); stroke:#123\"",
            "a &lt; b &amp; \"c\"",
            "data:image/png;base64,AAAA",
            "xml:space=\"preserve\"",
        ] {
            assert!(drawing.svg.contains(part), "{part}: {}", drawing.svg);
        }
        // What comes out goes through unchanged.
        assert_eq!(clean(&drawing.svg).unwrap().svg, drawing.svg);
        let size = |attributes: &str| {
            clean(&format!("<svg xmlns=\"{SVG}\" {attributes}/>")).map(|d| (d.width, d.height)).ok()
        };
        assert_eq!(size("width=\"30px\" height=\"40\""), Some((30, 40)));
        assert_eq!(size("width=\"1in\" height=\"25.4mm\""), Some((96, 96)));
        assert_eq!(size("width=\"100%\" viewBox=\"0,0,12.4 7\""), Some((12, 7)));
        assert_eq!(size("width=\"50\" viewBox=\"0 0 100 30\""), Some((50, 15)));
        for none in [
            "",
            "width=\"100%\"",
            "viewBox=\"0 0 0 0\"",
            "viewBox=\"1 2\"",
            "width=\"1e9\" height=\"1\"",
        ] {
            assert_eq!(size(none), None, "{none}");
        }
        assert_eq!(clean("<svg><rect/></svg>").unwrap_err().1.code, "svg-broken");
        assert_eq!(clean("<svg>\n\n<rect>\n</svg>").unwrap_err().0, 4);
    }

    /// `levels` groups, each of which shows the one before `times` times.
    fn repeated(levels: usize, times: usize, show: impl Fn(usize) -> String) -> String {
        let mut out = String::from("<g id=\"p0\"><rect width=\"1\" height=\"1\"/></g>");
        for level in 1..=levels {
            out.push_str(&format!("<g id=\"p{level}\">{}</g>", show(level - 1).repeat(times)));
        }
        wrap(&out)
    }

    #[test]
    fn drawings_that_repeat_themselves_are_refused() {
        let inside = |part: &str, n: usize| match part {
            "use" => format!("<use href=\"#p{n}\"/>"),
            "xlink" => format!("<use xlink:href=\"#p{n}\"/>"),
            "style" => format!("<rect style=\"mask: url( '#p{n}' )\"/>"),
            attribute => format!("<rect {attribute}=\"url(#p{n})\"/>"),
        };
        for part in ["use", "xlink", "style", "fill", "mask", "clip-path", "filter"] {
            for (levels, times) in [(11, 10), (20, 2), (2, 1_000), (60, 2)] {
                let text = repeated(levels, times, |n| inside(part, n));
                let error = clean(&text).unwrap_err();
                assert_eq!(error.1.code, "svg-too-complex", "{part} {levels} {times}");
            }
            // The same shapes a few times are what people draw.
            let few = clean(&repeated(3, 10, |n| inside(part, n))).unwrap();
            assert_eq!(few.removed, [], "{part}");
        }
        let points = "1 1 ".repeat(20_000);
        for (what, text) in [
            ("itself", "<use id=\"a\" href=\"#a\"/>".to_owned()),
            ("its parent", "<g id=\"a\"><g><use href=\"#a\"/></g></g>".to_owned()),
            (
                "in a ring",
                "<g id=\"a\"><use href=\"#b\"/></g><g id=\"b\"><use href=\"#a\"/></g>".to_owned(),
            ),
            (
                "a pattern in itself",
                "<pattern id=\"a\"><rect fill=\"url(#a)\"/></pattern>".to_owned(),
            ),
            ("a mask in itself", "<mask id=\"a\" mask=\"url(#a)\"/>".to_owned()),
            (
                "a marker at every point",
                format!(
                    "<marker id=\"m\">{}</marker><polyline points=\"{points}\" marker-mid=\"url(#m)\"/>",
                    "<rect/>".repeat(20)
                ),
            ),
            (
                "a mask of every element",
                format!(
                    "<style>* {{ mask: url(#m) }}</style><mask id=\"m\">{}</mask>",
                    "<rect/>".repeat(600)
                ),
            ),
            (
                "an element with very many attributes",
                format!(
                    "<rect {}/>",
                    (0..2_000).map(|n| format!("a{n} = '1' ")).collect::<String>()
                ),
            ),
            ("pieces of text", format!("<text>{}</text>", "<![CDATA[x]]>".repeat(3_000))),
            (
                "a long chain",
                (0..400)
                    .map(|n| format!("<g id=\"a{n}\"><use href=\"#a{}\"/></g>", n + 1))
                    .collect(),
            ),
        ] {
            let error = clean(&wrap(&text)).unwrap_err();
            assert_eq!(error.1.code, "svg-too-complex", "{what}");
        }
        // An animation of its own parent and names with brackets are no repetition and no address.
        let fine = "<path id=\"a\" data-name=\"Image (2)\"><animateMotion><mpath href=\"#a\"/></animateMotion><set href=\"#a\"/></path>";
        assert_eq!(clean(&wrap(fine)).unwrap().removed, []);
    }

    #[test]
    fn what_is_removed_is_counted_without_reading_the_file_again() {
        let many = clean(&wrap(&"<script/>\n".repeat(50_000))).unwrap();
        assert_eq!((many.removed.len(), many.removed[1_999].0), (2_000, 2_002));
    }
}
