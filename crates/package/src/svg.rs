//! SVG: only drawing passes. Scripts, event handlers, foreign content and addresses outside the file do not.
//!
//! Not here: rendering. What is not on the list of drawing elements and attributes is left out with a warning.

use crate::picture::{Fault, fault};

const SVG: &str = "http://www.w3.org/2000/svg";
const XLINK: &str = "http://www.w3.org/1999/xlink";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const DEEPEST: usize = 200;
const MOST_NODES: u32 = 200_000;

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
        document: &document,
        out: String::with_capacity(text.len()),
        removed: Vec::new(),
    };
    cleaner
        .element(root, 0)
        .map_err(|what| (line, fault("svg-broken", what, "simplify the drawing")))?;
    Ok(Drawing { svg: cleaner.out, width, height, removed: cleaner.removed })
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

struct Cleaner<'a, 'i> {
    document: &'a roxmltree::Document<'i>,
    out: String,
    removed: Vec<(u32, String)>,
}

impl Cleaner<'_, '_> {
    fn remove(&mut self, node: &roxmltree::Node<'_, '_>, what: String) {
        self.removed.push((self.document.text_pos_at(node.range().start).row, what));
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
        let fine = if lower.starts_with("on") {
            false
        } else if lower == "href" {
            value.starts_with('#') || element == "image" && is_inline_picture(value)
        } else if lower == "src" || lower == "xmlns" {
            false
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
    if ["javascript:", "vbscript:", "expression(", "@import", "-moz-binding", "behavior:"]
        .iter()
        .any(|w| squeezed.contains(w))
    {
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
}
