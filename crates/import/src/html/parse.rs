//! Builds a tree from HTML or XHTML. Every input has a tree: end tags without a start are ignored, elements without an
//! end are closed by their parent, and elements that are nested too deeply become children of the deepest one allowed.
//!
//! The tokens are those of the HTML standard (html5ever), so character references and attributes are read as in
//! browsers. The tree is simpler than the standard's: it has what reading text needs.

use std::cell::{Cell, RefCell};

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use super::{Element, Node};

/// Maximum nesting depth of the tree.
const MAX_DEPTH: usize = 128;

/// How `<a/>` and CDATA sections are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    Html,
    /// `<a/>` is an element without content, and `<![CDATA[` is text.
    Xhtml,
}

/// Returns the tree below an element without a name.
pub(crate) fn parse(source: &str, syntax: Syntax) -> Element {
    let sink =
        Builder { syntax, stack: RefCell::new(vec![Element::default()]), too_deep: Cell::new(0) };
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(source));
    // The sink never asks to pause, so one call reads everything.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.finish()
}

/// Returns true if a text contains HTML: a tag with a known name, or a character reference.
pub(crate) fn is_markup(text: &str) -> bool {
    const NAMES: [&str; 56] = [
        "a",
        "abbr",
        "b",
        "bdi",
        "big",
        "blockquote",
        "br",
        "center",
        "cite",
        "code",
        "dd",
        "del",
        "div",
        "dl",
        "dt",
        "em",
        "figure",
        "font",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "ruby",
        "rt",
        "s",
        "small",
        "script",
        "section",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
    ];
    let has_tag = text.match_indices('<').any(|(at, _)| {
        let rest = text[at + 1..].trim_start_matches('/');
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        let is_name = NAMES.contains(&name.as_str()) || matches!(name.as_str(), "audio" | "video");
        is_name && rest[end..].contains('>') && rest[end..].starts_with(['>', '/', ' ', '\n', '\t'])
    });
    let has_reference = text.match_indices('&').any(|(at, _)| {
        let rest = &text[at + 1..];
        rest.find(';').is_some_and(|end| {
            let name = rest[..end].trim_start_matches('#');
            (1..=10).contains(&end) && name.bytes().all(|b| b.is_ascii_alphanumeric())
        })
    });
    has_tag || has_reference
}

struct Builder {
    syntax: Syntax,
    /// The open elements; the first one is the root.
    stack: RefCell<Vec<Element>>,
    /// Number of open elements that are not in the tree, because they are nested too deeply.
    too_deep: Cell<usize>,
}

impl Builder {
    fn finish(&self) -> Element {
        let mut stack = self.stack.borrow_mut();
        while stack.len() > 1 {
            close(&mut stack);
        }
        stack.pop().unwrap_or_default()
    }

    fn text(&self, text: &str) {
        let mut stack = self.stack.borrow_mut();
        let Some(parent) = stack.last_mut() else { return };
        match parent.children.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ => parent.children.push(Node::Text(text.to_owned())),
        }
    }

    fn start(&self, tag: &Tag) -> TokenSinkResult<()> {
        let name = tag.name.to_string();
        let mut stack = self.stack.borrow_mut();
        close_implied(&mut stack, &name);
        let attributes = tag
            .attrs
            .iter()
            .map(|a| (a.name.local.to_string().to_ascii_lowercase(), a.value.to_string()))
            .collect();
        let element = Element { name, attributes, children: Vec::new() };
        let is_closed = is_void(&element.name)
            || tag.self_closing && (self.syntax == Syntax::Xhtml || is_foreign(&element.name));
        if is_closed {
            if let Some(parent) = stack.last_mut() {
                parent.children.push(Node::Element(element));
            }
            return TokenSinkResult::Continue;
        }
        let raw = match element.name.as_str() {
            "script" => Some(RawKind::ScriptData),
            "style" | "iframe" | "noembed" | "noframes" => Some(RawKind::Rawtext),
            "textarea" | "title" => Some(RawKind::Rcdata),
            _ => None,
        };
        if stack.len() > MAX_DEPTH {
            self.too_deep.set(self.too_deep.get() + 1);
        } else {
            stack.push(element);
        }
        match raw.filter(|_| self.syntax == Syntax::Html) {
            Some(kind) => TokenSinkResult::RawData(kind),
            None => TokenSinkResult::Continue,
        }
    }

    fn end(&self, name: &str) {
        let mut stack = self.stack.borrow_mut();
        if self.too_deep.get() > 0 {
            self.too_deep.set(self.too_deep.get() - 1);
            return;
        }
        // An end tag inside of a cell does not close what is around the table.
        let is_table_part =
            matches!(name, "table" | "tr" | "td" | "th" | "tbody" | "thead" | "tfoot");
        let open = stack
            .iter()
            .enumerate()
            .skip(1)
            .rev()
            .take_while(|(_, e)| {
                is_table_part || e.name == name || !matches!(e.name.as_str(), "td" | "th")
            })
            .find(|(_, element)| element.name == name)
            .map(|(index, _)| index);
        if let Some(index) = open {
            while stack.len() > index {
                close(&mut stack);
            }
        }
    }
}

impl TokenSink for Builder {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::CharacterTokens(text) => self.text(&text),
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return self.start(&tag),
            Token::TagToken(tag) => self.end(&tag.name),
            _ => {}
        }
        TokenSinkResult::Continue
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.syntax == Syntax::Xhtml
    }
}

/// Closes the innermost open element.
fn close(stack: &mut Vec<Element>) {
    if stack.len() > 1
        && let Some(element) = stack.pop()
        && let Some(parent) = stack.last_mut()
    {
        parent.children.push(Node::Element(element));
    }
}

/// Closes the elements that end where an element with this name starts.
fn close_implied(stack: &mut Vec<Element>, name: &str) {
    let (ends, limits): (&[&str], &[&str]) = match name {
        "li" => (&["li"], &["ul", "ol", "menu"]),
        "dt" | "dd" => (&["dt", "dd"], &["dl"]),
        "tr" => (&["tr"], &["table"]),
        "td" | "th" => (&["td", "th"], &["tr", "table"]),
        "tbody" | "thead" | "tfoot" => (&["tbody", "thead", "tfoot"], &["table"]),
        "rt" | "rp" => (&["rt", "rp"], &["ruby"]),
        "option" => (&["option"], &["select"]),
        _ if super::is_block(name) => {
            (&["p"], &["td", "th", "table", "li", "blockquote", "button"])
        }
        _ => return,
    };
    let open = stack
        .iter()
        .enumerate()
        .skip(1)
        .rev()
        .take_while(|(_, element)| !limits.contains(&element.name.as_str()))
        .find(|(_, element)| ends.contains(&element.name.as_str()))
        .map(|(index, _)| index);
    if let Some(index) = open {
        while stack.len() > index {
            close(stack);
        }
    }
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Elements of SVG and MathML may close themselves in HTML too.
fn is_foreign(name: &str) -> bool {
    matches!(
        name,
        "path" | "circle" | "rect" | "line" | "use" | "image" | "mspace" | "mprescripts" | "none"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(node: &Node) -> String {
        match node {
            Node::Text(text) => text.clone(),
            Node::Element(e) => {
                format!("({}{})", e.name, e.children.iter().map(shape).collect::<String>())
            }
        }
    }

    fn tree(source: &str, syntax: Syntax) -> String {
        parse(source, syntax).children.iter().map(shape).collect()
    }

    #[test]
    fn tag_soup_has_a_tree() {
        for (html, expected) in [
            ("<p>a<p>b", "(pa)(pb)"),
            ("<ul><li>a<li>b<ul><li>c</ul></ul>d", "(ul(lia)(lib(ul(lic))))d"),
            ("<table><tr><td>a<td>b<tr><td>c</table>", "(table(tr(tda)(tdb))(tr(tdc)))"),
            ("a</b>b<i>c", "ab(ic)"),
            ("<b>x<p>y</b>z", "(bx(py))z"),
            ("<script>if (a<b) '</p>'</script>x", "(scriptif (a<b) '</p>')x"),
            ("&eacute;&#8364;&amp;lt; a < b", "é€&lt; a < b"),
            ("<dl><dt>a<dd>b<dt>c</dl>", "(dl(dta)(ddb)(dtc))"),
            ("<!-- <p> --><!DOCTYPE html>x", "x"),
        ] {
            assert_eq!(tree(html, Syntax::Html), expected, "{html}");
        }
        assert_eq!(tree("<title/><a id=\"x\"/><![CDATA[<b>]]>c", Syntax::Xhtml), "(title)(a)<b>c");
        let deep = format!("{}x{}y", "<div>".repeat(100_000), "</div>".repeat(100_000));
        assert!(tree(&deep, Syntax::Html).ends_with("y"));
    }

    #[test]
    fn markup_is_told_from_comparisons() {
        for text in ["<b>x</b>", "a<br>b", "a<br/>b", "&nbsp;x", "<P CLASS=x>a", "&#233;"] {
            assert!(is_markup(text), "{text}");
        }
        for text in ["a < b", "x<y and y>z", "R&D", "a & b; c", "<name>", "#include <stdio.h>"] {
            assert!(!is_markup(text), "{text}");
        }
    }
}
