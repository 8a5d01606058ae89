//! Reads untrusted XML to a tree: no document type definition is evaluated, no address is opened, and depth, number of
//! elements and length of texts are limited.
//!
//! Not here: XHTML texts, which may be tag soup (`html`).

use quick_xml::{Reader, XmlVersion, events::Event};

use crate::error::{Refusal, Result};
use crate::html::{Element, Node};

const MAX_DEPTH: usize = 256;
const MAX_ELEMENTS: usize = 1_000_000;
/// Maximum length of one text in bytes.
const MAX_TEXT: usize = 8 << 20;
/// Maximum length of an embedded file in bytes.
const MAX_FILE: usize = 48 << 20;
const MAX_ATTRIBUTES: usize = 100;

/// Returns the root element. Names of elements and attributes lose the prefixes in `dc:title` and `opf:role`, but not
/// those of attributes with another meaning without it (`epub:type`, `xml:lang`).
pub(crate) fn parse(source: &str, what: &str) -> Result<Element> {
    let broken = |e: &dyn std::fmt::Display, at: u64| {
        let line = 1 + source.as_bytes()[..source.len().min(at as usize)]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        Refusal::broken(format!("{what} is not well-formed XML (line {line}): {e}"))
    };
    let mut reader = Reader::from_str(source);
    let mut stack = vec![Element::default()];
    let mut elements = 0;
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(e) => return Err(broken(&e, reader.error_position())),
        };
        match event {
            Event::Start(start) => {
                elements += 1;
                if stack.len() > MAX_DEPTH || elements > MAX_ELEMENTS {
                    return Err(Refusal::limit(format!(
                        "{what} has over {MAX_ELEMENTS} elements, or elements nested more than {MAX_DEPTH} levels deep"
                    )));
                }
                let element = element(&start)
                    .ok_or_else(|| broken(&"an attribute is damaged", reader.buffer_position()))?;
                stack.push(element);
            }
            Event::Empty(start) => {
                elements += 1;
                let element = element(&start)
                    .ok_or_else(|| broken(&"an attribute is damaged", reader.buffer_position()))?;
                if let Some(parent) = stack.last_mut().filter(|_| elements <= MAX_ELEMENTS) {
                    parent.children.push(Node::Element(element));
                }
            }
            Event::End(_) => {
                if stack.len() > 1
                    && let Some(element) = stack.pop()
                    && let Some(parent) = stack.last_mut()
                {
                    parent.children.push(Node::Element(element));
                }
            }
            Event::Text(text) => push_text(&mut stack, &text, what)?,
            Event::CData(text) => push_text(&mut stack, &text, what)?,
            Event::GeneralRef(reference) => {
                let text = match reference.resolve_char_ref() {
                    Ok(Some(c)) => c.to_string(),
                    // The names of HTML; others stay as they are written.
                    _ => {
                        crate::html::parse(&format!("&{};", &*reference), crate::html::Syntax::Html)
                            .text()
                    }
                };
                push_text(&mut stack, &text, what)?;
            }
            Event::DocType(definition) => {
                if definition.contains("<!ENTITY") {
                    return Err(Refusal::new(
                        "import-xml",
                        format!("{what} defines its own entities, which are not read"),
                        "export the file again without a document type definition",
                    ));
                }
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if stack.len() > 1 {
        return Err(broken(&"the file ends before its last element", source.len() as u64));
    }
    let root = stack.pop().unwrap_or_default();
    let first = root.children.into_iter().find_map(|node| match node {
        Node::Element(element) => Some(element),
        Node::Text(_) => None,
    });
    first.ok_or_else(|| Refusal::broken(format!("{what} has no element")))
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn element(start: &quick_xml::events::BytesStart<'_>) -> Option<Element> {
    let name = local(start.name().as_ref()).to_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes().take(MAX_ATTRIBUTES) {
        let attribute = attribute.ok()?;
        let key: &str = attribute.key.as_ref();
        let key = key.strip_prefix("opf:").unwrap_or(key);
        // A value with an unknown entity is kept as it is written.
        let value = match attribute.normalized_value(XmlVersion::Implicit1_0) {
            Ok(value) => value.into_owned(),
            Err(_) => attribute.value.to_string(),
        };
        attributes.push((key.to_owned(), value));
    }
    Some(Element { name, attributes, children: Vec::new() })
}

fn push_text(stack: &mut [Element], text: &str, what: &str) -> Result<()> {
    let Some(parent) = stack.last_mut() else { return Ok(()) };
    let limit = if parent.name == "file" { MAX_FILE } else { MAX_TEXT };
    let before = match parent.children.last() {
        Some(Node::Text(before)) => before.len(),
        _ => 0,
    };
    if before + text.len() > limit {
        return Err(Refusal::limit(format!("a text of {what} has over {limit} bytes")));
    }
    match parent.children.last_mut() {
        Some(Node::Text(before)) => before.push_str(text),
        _ => parent.children.push(Node::Text(text.to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_has_texts_references_and_sections() {
        let source = "<?xml version='1.0'?><!DOCTYPE a><r:a xml:lang='en' opf:role=\"x &amp; y\">1 &lt; &#233;\
                      <![CDATA[<b>&amp;]]>&nbsp;&unknown;<b/></r:a>";
        let root = parse(source, "x").unwrap();
        assert_eq!(root.name, "a");
        assert_eq!(root.attribute("role"), Some("x & y"));
        assert_eq!(root.attribute("xml:lang"), Some("en"));
        assert_eq!(root.text(), "1 < é<b>&amp;\u{a0}&unknown;");
        assert_eq!(root.elements().count(), 1);
    }

    #[test]
    fn hostile_and_damaged_xml_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(300), "</a>".repeat(300));
        let bomb = "<!DOCTYPE a [<!ENTITY l \"lol\"><!ENTITY m \"&l;&l;\">]><a>&m;</a>";
        for (source, code) in [
            (deep.as_str(), "import-limit"),
            (bomb, "import-xml"),
            ("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>", "import-xml"),
            ("<a><b></a></b>", "import-broken"),
            ("<a>", "import-broken"),
            ("", "import-broken"),
            ("text", "import-broken"),
            ("<a b=c>", "import-broken"),
        ] {
            assert_eq!(parse(source, "x").unwrap_err().code, code, "{source:.60}");
        }
    }
}
