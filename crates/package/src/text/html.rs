//! Sanitises HTML. All HTML of compiled content is the output of [`clean`].
//!
//! Not here: Markdown.

use std::{borrow::Cow, collections::HashSet, sync::LazyLock};

use ammonia::{Builder, UrlRelative};
use pulldown_cmark_escape::escape_html;

/// Tags that authors may write as HTML inside Markdown.
pub(crate) const ALLOWED_RAW_TAGS: [&str; 5] = ["kbd", "sub", "sup", "abbr", "br"];

const ALLOWED_TAGS: &[&str] = &[
    "p",
    "br",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "blockquote",
    "pre",
    "code",
    "em",
    "strong",
    "del",
    "a",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "input",
    "section",
    "span",
    "kbd",
    "sub",
    "sup",
    "abbr",
    "dl",
    "dt",
    "dd",
];

const MATH_TAGS: &[&str] = &[
    "math",
    "mrow",
    "mi",
    "mn",
    "mo",
    "ms",
    "mtext",
    "mspace",
    "msup",
    "msub",
    "msubsup",
    "munder",
    "mover",
    "munderover",
    "mfrac",
    "msqrt",
    "mroot",
    "mtable",
    "mtr",
    "mtd",
    "mstyle",
    "mpadded",
    "mphantom",
    "mmultiscripts",
    "mprescripts",
    "none",
    "menclose",
];

const MATH_ATTRIBUTES: &[&str] = &[
    "accent",
    "accentunder",
    "columnalign",
    "columnlines",
    "columnspacing",
    "columnspan",
    "depth",
    "dir",
    "display",
    "displaystyle",
    "fence",
    "form",
    "height",
    "largeop",
    "linethickness",
    "lspace",
    "mathbackground",
    "mathcolor",
    "mathsize",
    "mathvariant",
    "maxsize",
    "minsize",
    "movablelimits",
    "notation",
    "rowalign",
    "rowlines",
    "rowspacing",
    "rowspan",
    "rspace",
    "scriptlevel",
    "separator",
    "stretchy",
    "symmetric",
    "voffset",
    "width",
    "class",
];

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut sanitizer = Builder::empty();
    sanitizer
        .tags(ALLOWED_TAGS.iter().chain(MATH_TAGS).copied().collect())
        .clean_content_tags(HashSet::from(["script", "style", "template", "iframe", "object"]))
        .generic_attributes(HashSet::from(["lang", "dir"]))
        .add_tag_attributes(
            "a",
            &["href", "title", "data-word", "data-section", "role", "tabindex", "id"],
        )
        .add_tag_attributes("abbr", &["title"])
        .add_tag_attributes("code", &["class"])
        .add_tag_attributes("section", &["class"])
        .add_tag_attributes("sup", &["class"])
        .add_tag_attributes("li", &["id"])
        .add_tag_attributes("ol", &["start"])
        .add_tag_attributes("th", &["align"])
        .add_tag_attributes("td", &["align"])
        .add_tag_attributes("input", &["disabled", "checked"])
        .add_tag_attribute_values("input", "type", &["checkbox"])
        .add_tag_attributes("span", &["data-blank"])
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::PassThrough)
        .link_rel(Some("noopener noreferrer"))
        .attribute_filter(|element, attribute, value| {
            let is_allowed = match (element, attribute) {
                // A link within the page may refer only to a footnote.
                ("a", "href") => match value.strip_prefix('#') {
                    Some(id) => is_footnote(id),
                    None => is_web_link(value),
                },
                ("a" | "li", "id") => is_footnote(value),
                ("code", "class") => value.starts_with("language-"),
                ("section", "class") => value == "footnotes",
                ("sup", "class") => value == "footnote-ref",
                (e, "class") if MATH_TAGS.contains(&e) => value
                    .split(' ')
                    .all(|c| c.starts_with("menv-") || c.starts_with("cell-") || c == "tml-prime"),
                _ => true,
            };
            is_allowed.then_some(Cow::Borrowed(value))
        });
    for tag in MATH_TAGS {
        sanitizer.add_tag_attributes(*tag, MATH_ATTRIBUTES);
    }
    sanitizer
});

/// Returns true for an absolute address that a browser may open.
pub(crate) fn is_web_link(link: &str) -> bool {
    let link = link.to_ascii_lowercase();
    ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| link.len() > scheme.len() && link.starts_with(scheme))
}

fn is_footnote(id: &str) -> bool {
    let number = id.strip_prefix("fn-").or_else(|| id.strip_prefix("fnref-"));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
}

/// Returns the sanitised HTML.
pub(crate) fn clean(html: &str) -> String {
    // The Markdown parser writes column alignment as an inline style, which the reader's content security policy
    // blocks. Text cannot contain an unescaped '<'.
    let mut html = Cow::Borrowed(html);
    for cell in ["th", "td"] {
        for side in ["left", "center", "right"] {
            let from = format!("<{cell} style=\"text-align: {side}\">");
            if html.contains(&from) {
                html = Cow::Owned(html.replace(&from, &format!("<{cell} align=\"{side}\">")));
            }
        }
    }
    SANITIZER.clean(&html).to_string()
}

/// Maximum nesting depth of elements; the reader (ui/src/components/content/sanitise.ts) rejects more than 100.
const MAX_DEPTH: usize = 90;
/// Maximum number of elements per block; the reader rejects more than 50,000.
const MAX_ELEMENTS: usize = 40_000;
/// Maximum size of a block in bytes; the reader rejects more than 8,000,000 characters.
const MAX_BYTES: usize = 7_500_000;

/// Maximum number of bytes that the serialiser scans: in a text between tags it scans up to the next tag for each `&`
/// and each character from U+0080 to U+00BF.
const MAX_SCANNED_BYTES: usize = 1_000_000_000;

/// Rejects HTML that is too large or nested too deeply for the reader. Called before the HTML is parsed; reads the text
/// once.
pub(crate) fn check_size(html: &str) -> Result<(), String> {
    if html.len() > MAX_BYTES {
        return Err(format!("it has {} bytes as HTML; {MAX_BYTES} are allowed", html.len()));
    }
    let (mut depth, mut elements) = (0_usize, 0_usize);
    let bytes = html.as_bytes();
    let scanned = bytes.split(|b| *b == b'<').fold(0_usize, |sum, text| {
        let special = text.iter().filter(|b| matches!(**b, b'&' | 0xC2)).count();
        sum.saturating_add(special.saturating_mul(text.len()))
    });
    if scanned > MAX_SCANNED_BYTES {
        return Err("a paragraph has too many special characters".to_owned());
    }
    for (at, _) in html.match_indices('<') {
        match bytes.get(at + 1) {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(c) if c.is_ascii_alphabetic() => {
                let name = html[at + 1..].split(|c: char| !c.is_ascii_alphanumeric()).next();
                elements += 1;
                let void_elements = ["br", "hr", "input", "mspace", "mprescripts", "none"];
                depth += usize::from(!name.is_some_and(|n| void_elements.contains(&n)));
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} levels deep"));
        }
        if elements > MAX_ELEMENTS {
            return Err(format!("it has more than {MAX_ELEMENTS} elements"));
        }
    }
    Ok(())
}

/// Returns the first position of `what`, ignoring case. The text after it is not read, so that successive searches read
/// each part of a text once.
fn find_ignoring_case(text: &str, what: &str) -> Option<usize> {
    let windows = text.as_bytes().windows(what.len());
    windows.into_iter().position(|w| w.eq_ignore_ascii_case(what.as_bytes()))
}

/// Escapes text for use in HTML elements and attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Writing to a `String` cannot fail.
    let _ = escape_html(&mut out, text);
    out
}

/// Removes the tags that authors may not write from raw HTML inside Markdown.
#[derive(Debug, Default)]
pub(crate) struct RawHtml {
    /// Name of the open `<script>` or similar element, whose content is removed up to its closing tag.
    removing: Option<String>,
}

impl RawHtml {
    /// Returns the part that is kept, and the names of the removed tags.
    pub fn filter(&mut self, html: &str) -> (String, Vec<String>) {
        let (mut kept, mut removed) = (String::new(), Vec::new());
        let mut rest = html;
        while !rest.is_empty() {
            if let Some(tag) = &self.removing {
                let end = format!("</{tag}");
                let Some(at) = find_ignoring_case(rest, &end) else { break };
                rest = rest[at..].split_once('>').map_or("", |(_, after)| after);
                self.removing = None;
                continue;
            }
            let Some(open) = rest.find('<') else {
                kept.push_str(rest);
                break;
            };
            kept.push_str(&rest[..open]);
            rest = &rest[open..];
            if let Some(comment) = rest.strip_prefix("<!--") {
                rest = comment.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            let (tag, after) = split_tag(rest);
            rest = after;
            let closing = tag.starts_with("</");
            let name: String = tag
                .trim_start_matches(['<', '/'])
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                .collect();
            let name = name.to_ascii_lowercase();
            if ALLOWED_RAW_TAGS.contains(&name.as_str()) {
                kept.push_str(tag);
            } else if !closing {
                if matches!(
                    name.as_str(),
                    "script" | "style" | "template" | "iframe" | "object" | "textarea" | "title"
                ) {
                    self.removing = Some(name.clone());
                }
                removed.push(if name.is_empty() {
                    "<!...>".to_owned()
                } else {
                    format!("<{name}>")
                });
            }
        }
        (kept, removed)
    }
    /// Returns true if the following text belongs to a removed element.
    pub fn is_removing(&self) -> bool {
        self.removing.is_some()
    }
    /// Ends a removed element at the end of a block.
    pub fn end_block(&mut self) {
        self.removing = None;
    }
}

/// Returns raw HTML with the tags that authors may write; everything else becomes text. Also returns the tags that are
/// shown as text.
pub(crate) fn escape_raw(html: &str) -> (String, Vec<String>) {
    let (mut kept, mut shown) = (String::new(), Vec::new());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        kept.push_str(&rest[..open]);
        let (tag, after) = split_tag(&rest[open..]);
        rest = after;
        let name: String = tag
            .trim_start_matches(['<', '/'])
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        if ALLOWED_RAW_TAGS.contains(&name.to_ascii_lowercase().as_str()) {
            kept.push_str(tag);
        } else {
            kept.push_str(&escaped(tag));
            shown.push(tag.to_owned());
        }
    }
    kept.push_str(rest);
    (kept, shown)
}

/// Returns true if a learner sees anything of sanitised HTML: text, a formula or a blank, and not only white space and
/// invisible characters.
pub(crate) fn has_visible_content(html: &str) -> bool {
    let mut rest = html;
    while !rest.is_empty() {
        let (text, tags) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        if text.replace("&nbsp;", "").chars().any(is_visible) {
            return true;
        }
        if tags.starts_with("<span data-blank") {
            return true;
        }
        rest = tags.split_once('>').map_or("", |(_, after)| after);
    }
    false
}

fn is_visible(c: char) -> bool {
    let is_invisible = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{fffc}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}');
    !(c.is_whitespace() || c.is_control() || is_invisible)
}

/// Splits `<tag a="x>y">rest` after the tag. A `>` inside quotes does not end the tag.
fn split_tag(html: &str) -> (&str, &str) {
    let mut quote = None;
    for (i, c) in html.char_indices() {
        match (quote, c) {
            (None, '>') => return html.split_at(i + 1),
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
    }
    (html, "")
}

#[cfg(test)]
mod tests;
