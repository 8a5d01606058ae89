//! Writes the Markdown of packages from a tree of HTML.
//!
//! The compiler sanitises the result again; here, nothing but known elements is written. Not here: which files the
//! addresses of media mean (`Resolver`).

mod inline;
mod table;

use super::{Element, HIDDEN, Node, is_block};
use crate::remark::RemarkCode;
use inline::Inline;

/// Maximum nesting of lists and quotations; deeper ones continue on this level.
const MAX_LEVEL: usize = 8;

/// A media file of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaFile {
    /// Path for links of the text.
    pub path: String,
    pub is_image: bool,
}

/// Finds what the addresses of a text mean.
pub(crate) trait Resolver {
    /// Returns the file of the package for the address of an image or recording.
    fn media(&mut self, address: &str) -> Option<MediaFile>;
    /// Returns the target of a link in a package, such as `section:a/b`; `None` removes the link and keeps its text.
    fn link(&mut self, address: &str) -> Option<String> {
        is_web_link(address).then(|| address.to_owned())
    }
    /// Returns the name of the footnote to which a link refers; `None` if it is no reference to a footnote.
    fn footnote(&mut self, _link: &Element) -> Option<String> {
        None
    }
    /// Returns true if the element is shown elsewhere, such as the text of a footnote.
    fn is_elsewhere(&mut self, _element: &Element) -> bool {
        false
    }
}

/// Returns true for an address that opens in a browser or mail program.
pub(crate) fn is_web_link(address: &str) -> bool {
    let lower = address.trim().to_ascii_lowercase();
    let is_web = ["http://", "https://"]
        .iter()
        .any(|scheme| lower.strip_prefix(scheme).is_some_and(|rest| rest.len() > 3));
    let is_safe = !address.contains(|c: char| c.is_whitespace() || "<>\"\\`".contains(c));
    (is_web || lower.starts_with("mailto:") && lower.contains('@')) && is_safe
}

/// What a conversion gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    Script,
    Frame,
    Form,
    Media,
    MediaInline,
    Formula,
    TableCells,
}

impl Loss {
    /// Returns the reason for a report.
    pub fn reason(self) -> RemarkCode {
        match self {
            Self::Script => RemarkCode::Script,
            Self::Frame => RemarkCode::Frame,
            Self::Form => RemarkCode::Form,
            Self::Media => RemarkCode::MediumMissing,
            Self::MediaInline => RemarkCode::MediumInline,
            Self::Formula => RemarkCode::FormulaAsText,
            Self::TableCells => RemarkCode::TableCells,
        }
    }
}

/// Options of a conversion.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TextOptions {
    /// `$$...$$`, `\(...\)` and `\[...\]` in the text are formulas, as in Moodle.
    pub tex: bool,
    /// The text must fit into one line: a choice, or a side of a pair.
    pub single_line: bool,
    /// The text is a prompt or feedback of a quiz: media are beside it, and it has no headings.
    pub prompt: bool,
    /// Headings start at this level, from 1.
    pub heading: usize,
}

/// A converted text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Converted {
    pub markdown: String,
    /// Media that are not in the text, with `single_line` and `prompt`.
    pub media: Vec<(MediaFile, String)>,
    pub losses: Vec<Loss>,
}

/// Converts the children of an element.
pub(crate) fn convert(
    root: &Element,
    options: TextOptions,
    resolver: &mut dyn Resolver,
) -> Converted {
    let (blocks, media, losses) = blocks(root, options, resolver);
    let separator = if options.single_line { "<br>" } else { "\n\n" };
    Converted { markdown: blocks.join(separator), media, losses }
}

/// Returns the blocks of a text, such as headings, paragraphs and images, and what was lost.
pub(crate) fn blocks(
    root: &Element,
    options: TextOptions,
    resolver: &mut dyn Resolver,
) -> (Vec<String>, Vec<(MediaFile, String)>, Vec<Loss>) {
    let mut writer = Writer { options, resolver, losses: Vec::new(), media: Vec::new(), level: 0 };
    let blocks = writer.blocks(&root.children);
    let (mut losses, media) = (writer.losses, writer.media);
    losses.sort_unstable();
    losses.dedup();
    (blocks, media, losses)
}

struct Writer<'a> {
    options: TextOptions,
    resolver: &'a mut dyn Resolver,
    losses: Vec<Loss>,
    media: Vec<(MediaFile, String)>,
    level: usize,
}

impl Writer<'_> {
    /// Returns the blocks of a list of nodes. Inline content between blocks is a paragraph.
    fn blocks(&mut self, nodes: &[Node]) -> Vec<String> {
        let mut out = Vec::new();
        let mut inline = Inline::new(self.options);
        for node in nodes {
            match node {
                Node::Element(element) if self.has_blocks(element) => {
                    self.end_paragraph(&mut inline, &mut out);
                    self.block(element, &mut out);
                }
                node => self.inline(node, &mut inline, &mut out),
            }
        }
        self.end_paragraph(&mut inline, &mut out);
        out
    }

    fn has_blocks(&self, element: &Element) -> bool {
        is_block(&element.name)
            || element
                .elements()
                .any(|child| !HIDDEN.contains(&element.name.as_str()) && self.has_blocks(child))
    }

    fn end_paragraph(&mut self, inline: &mut Inline, out: &mut Vec<String>) {
        let text = std::mem::replace(inline, Inline::new(self.options)).finish();
        if !text.is_empty() {
            out.push(text);
        }
    }

    fn block(&mut self, element: &Element, out: &mut Vec<String>) {
        if self.resolver.is_elsewhere(element) {
            return;
        }
        match element.name.as_str() {
            name if HIDDEN.contains(&name) => self.hidden(name),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading(element, out),
            "hr" if self.options.single_line || self.options.prompt => {}
            "hr" => out.push("---".to_owned()),
            "ul" | "ol" | "menu" => self.list(element, out),
            "blockquote" if !self.options.single_line && self.level < MAX_LEVEL => {
                self.level += 1;
                let inner = self.blocks(&element.children).join("\n\n");
                self.level -= 1;
                if !inner.is_empty() {
                    out.push(prefixed(&inner, "> ", "> "));
                }
            }
            "pre" => self.code(element, out),
            "table" => self.table(element, out),
            "figure" => self.figure(element, out),
            "dt" => {
                let term = self.blocks(&element.children).join("<br>");
                if !term.is_empty() {
                    let is_plain = !term.contains(['*', '\n', '!', '`']);
                    out.push(if is_plain { format!("**{term}**") } else { term });
                }
            }
            _ => out.extend(self.blocks(&element.children)),
        }
    }

    fn hidden(&mut self, name: &str) {
        self.losses.extend(match name {
            "script" => Some(Loss::Script),
            "iframe" | "object" | "embed" | "applet" => Some(Loss::Frame),
            "select" | "textarea" => Some(Loss::Form),
            _ => None,
        });
    }

    fn heading(&mut self, element: &Element, out: &mut Vec<String>) {
        let level =
            usize::from(element.name.as_bytes()[1] - b'0') + self.options.heading.max(1) - 1;
        for block in self.blocks(&element.children) {
            let is_text = !block.contains('\n') && !block.starts_with("![");
            if is_text && self.options.prompt && !block.contains('*') {
                out.push(format!("**{block}**"));
            } else if is_text && !self.options.single_line && !self.options.prompt {
                out.push(format!("{} {block}", "#".repeat(level.clamp(1, 6))));
            } else {
                out.push(block);
            }
        }
    }

    fn list(&mut self, element: &Element, out: &mut Vec<String>) {
        let is_ordered = element.name == "ol";
        let mut number: usize = element
            .attribute("start")
            .and_then(|n| n.trim().parse().ok())
            .unwrap_or(1)
            .min(99_999_999);
        let is_deep = self.level >= MAX_LEVEL;
        let mut items = Vec::new();
        self.level += 1;
        for child in &element.children {
            let blocks = match child {
                Node::Text(text) if text.trim().is_empty() => continue,
                Node::Element(item) if self.resolver.is_elsewhere(item) => continue,
                Node::Element(item) => self.blocks(&item.children),
                node => self.blocks(std::slice::from_ref(node)),
            };
            if blocks.is_empty() {
                continue;
            }
            let marker = if is_ordered { format!("{number}. ") } else { "- ".to_owned() };
            number += 1;
            if self.options.single_line {
                let mark =
                    if is_ordered { marker.replace(". ", "\\. ") } else { "• ".to_owned() };
                items.push(format!("{mark}{}", blocks.join(" ")));
            } else if is_deep {
                items.extend(blocks);
            } else {
                let indent = " ".repeat(marker.len());
                items.push(prefixed(&blocks.join("\n\n"), &marker, &indent));
            }
        }
        self.level -= 1;
        if items.is_empty() {
            return;
        }
        let is_loose = items.iter().any(|item| item.contains("\n\n"));
        let separator = match (self.options.single_line, is_loose || is_deep) {
            (true, _) => "<br>",
            (false, true) => "\n\n",
            (false, false) => "\n",
        };
        out.push(items.join(separator));
    }

    fn code(&mut self, element: &Element, out: &mut Vec<String>) {
        let text = element.text();
        let text = text.trim_matches('\n');
        if text.trim().is_empty() {
            return;
        }
        if self.options.single_line {
            let mut inline = Inline::new(self.options);
            inline.code(text);
            out.push(inline.finish());
            return;
        }
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat((longest + 1).max(3));
        out.push(format!("{fence}\n{text}\n{fence}"));
    }

    fn figure(&mut self, element: &Element, out: &mut Vec<String>) {
        let caption = element.find_named("figcaption").map(super::plain::plain).unwrap_or_default();
        let caption = crate::text::escape::plain_field(&caption, 500);
        let before = out.len();
        let parts: Vec<Node> = element
            .children
            .iter()
            .filter(|node| !matches!(node, Node::Element(e) if e.name == "figcaption"))
            .cloned()
            .collect();
        out.extend(self.blocks(&parts));
        let is_image = out.len() == before + 1 && out[before].starts_with("![");
        if caption.is_empty() {
        } else if is_image && out[before].ends_with(')') && !out[before].ends_with("\")") {
            let title = caption.replace(['"', '\\'], "'");
            out[before].pop();
            out[before].push_str(&format!(" \"{}\")", title.replace('&', "&amp;")));
        } else {
            out.push(crate::text::escape::escaped(&caption));
        }
    }

    /// Adds an image or a recording: a block of a text, or one of the media beside a single line.
    fn media(&mut self, element: &Element, inline: &mut Inline, out: &mut Vec<String>) {
        let source = element.attribute("src").or(element.attribute("xlink:href")).or_else(|| {
            element.find(&|e| e.attribute("src").is_some()).and_then(|e| e.attribute("src"))
        });
        let source = source.or(element.attribute("href")).unwrap_or_default();
        let alt = element.attribute("alt").or(element.attribute("title"));
        let alt = crate::text::escape::plain_field(alt.unwrap_or_default(), 1_000);
        // Formulas of Moodle and Canvas are pictures with their source as the alternative text.
        let class = element.attribute("class").unwrap_or_default();
        if element.name == "img"
            && class.contains("equation")
            && !alt.is_empty()
            && !self.options.tex
        {
            inline.text(&alt);
            self.losses.push(Loss::Formula);
            return;
        }
        let Some(file) = self.resolver.media(source) else {
            self.losses.push(Loss::Media);
            inline.text(&alt);
            return;
        };
        if self.options.single_line || self.options.prompt {
            self.media.push((file, alt));
            return;
        }
        self.end_paragraph(inline, out);
        out.push(media_block(&file, &alt));
    }
}

/// Returns the block of a media file.
pub(crate) fn media_block(file: &MediaFile, alt: &str) -> String {
    let alt = match (alt.trim(), file.is_image) {
        ("", true) => "decorative".to_owned(),
        ("", false) => "Recording".to_owned(),
        (alt, _) => crate::text::escape::escaped(alt),
    };
    format!("![{alt}](<{}>)", file.path)
}

/// Returns a text with `first` before its first line and `rest` before the others.
fn prefixed(text: &str, first: &str, rest: &str) -> String {
    let mut out = String::new();
    for (n, line) in text.lines().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        let prefix = if n == 0 { first } else { rest };
        out.push_str(if line.is_empty() { prefix.trim_end() } else { prefix });
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests;
