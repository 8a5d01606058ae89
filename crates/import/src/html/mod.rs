//! HTML and XHTML of other programs: a tree that any input has (`parse`), and its conversion to Markdown (`markdown`)
//! and plain text (`plain`). Nothing of the HTML itself reaches the package.

pub(crate) mod markdown;
mod parse;
pub(crate) mod plain;

pub(crate) use parse::{Syntax, is_markup, parse};

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Text(String),
    Element(Element),
}

/// An element with lower-case names; prefixes of names are kept (`epub:type`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Node>,
}

impl Element {
    /// Returns the value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
    /// Returns true if the space-separated list of an attribute contains the value.
    pub fn has_value(&self, name: &str, value: &str) -> bool {
        self.attribute(name).is_some_and(|list| list.split_ascii_whitespace().any(|v| v == value))
    }
    /// Returns the child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }
    /// Returns the first element below this one, in reading order, for which `test` is true.
    pub fn find(&self, test: &dyn Fn(&Element) -> bool) -> Option<&Element> {
        self.elements().find_map(|child| if test(child) { Some(child) } else { child.find(test) })
    }
    /// Returns the first element with this name.
    pub fn find_named(&self, name: &str) -> Option<&Element> {
        self.find(&|element| element.name == name)
    }
    /// Calls `visit` for each element below this one in reading order.
    pub fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a Element)) {
        for child in self.elements() {
            visit(child);
            child.visit(visit);
        }
    }
    /// Returns the text of the element without markup and without collapsing white space.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.push_text(&mut out);
        out
    }
    fn push_text(&self, out: &mut String) {
        for node in &self.children {
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Element(element) => element.push_text(out),
            }
        }
    }
}

/// Elements whose content is never text for readers.
pub(crate) const HIDDEN: [&str; 12] = [
    "script", "style", "head", "template", "noscript", "iframe", "object", "embed", "applet",
    "select", "textarea", "title",
];

/// Elements that start and end a block.
pub(crate) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "center"
            | "dd"
            | "details"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "li"
            | "main"
            | "nav"
            | "ol"
            | "p"
            | "pre"
            | "section"
            | "summary"
            | "table"
            | "ul"
            | "menu"
            | "caption"
            | "tr"
            | "td"
            | "th"
            | "thead"
            | "tbody"
            | "tfoot"
    )
}
