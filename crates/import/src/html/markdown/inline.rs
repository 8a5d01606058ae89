//! Text inside of a block: emphasis, code, links, line breaks, formulas.

use super::super::{Element, HIDDEN, Node};
use super::{Loss, TextOptions, Writer};
use crate::text::escape::push_escaped;

/// The content of one paragraph.
pub(super) struct Inline {
    out: String,
    options: TextOptions,
    /// Positions of emphasis marks that end with punctuation: a letter directly after them makes them text.
    pending: Option<(usize, usize, usize)>,
    marks: Vec<&'static str>,
}

impl Inline {
    pub fn new(options: TextOptions) -> Self {
        Self { out: String::new(), options, pending: None, marks: Vec::new() }
    }

    /// Returns the Markdown, without spaces and line breaks at its ends.
    pub fn finish(self) -> String {
        let mut text = self.out.trim();
        while let Some(rest) = text.strip_suffix("<br>") {
            text = rest.trim_end();
        }
        while let Some(rest) = text.strip_prefix("<br>") {
            text = rest.trim_start();
        }
        text.to_owned()
    }

    fn is_at_start(&self) -> bool {
        self.out.trim_start_matches("<br>").trim().is_empty()
    }

    /// Appends plain text.
    pub fn text(&mut self, text: &str) {
        if !self.options.tex {
            return self.plain(text);
        }
        let mut rest = text;
        while let Some((before, formula, after)) = split_formula(rest) {
            self.plain(before);
            self.settle(None);
            self.out.push_str(&formula);
            rest = after;
        }
        self.plain(rest);
    }

    fn plain(&mut self, text: &str) {
        let mut collapsed = String::with_capacity(text.len());
        let ends_with_space =
            self.out.is_empty() || self.out.ends_with([' ', '\n']) || self.out.ends_with("<br>");
        let mut was_space = ends_with_space;
        for c in text.chars() {
            let is_space = c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{202f}' | '\u{3000}');
            if !is_space {
                collapsed.push(c);
            } else if !was_space {
                collapsed.push(' ');
            }
            was_space = is_space;
        }
        self.settle(collapsed.chars().next());
        let is_start = self.is_at_start();
        push_escaped(&mut self.out, &collapsed, is_start);
    }

    pub fn line_break(&mut self) {
        self.settle(None);
        let end = self.out.trim_end_matches(' ').len();
        self.out.truncate(end);
        self.out.push_str("<br>");
    }

    /// Appends code.
    pub fn code(&mut self, text: &str) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return;
        }
        self.settle(None);
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest + 1);
        let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
        self.out.push_str(&format!("{fence}{pad}{text}{pad}{fence}"));
    }

    /// Appends text that is Markdown already.
    pub fn raw(&mut self, markdown: &str) {
        self.settle(None);
        self.out.push_str(markdown);
    }

    /// Decides on emphasis whose last character is punctuation, now that the next character is known.
    fn settle(&mut self, next: Option<char>) {
        let Some((open, close, length)) = self.pending.take() else { return };
        if next.is_some_and(|c| !c.is_whitespace() && !c.is_ascii_punctuation()) {
            self.out.replace_range(close..close + length, "");
            self.out.replace_range(open..open + length, "");
        }
    }

    /// Writes the emphasis around what was appended since `start`.
    fn emphasise(&mut self, start: usize, mark: &'static str) {
        let inner = self.out[start..].to_owned();
        let trimmed = inner.trim();
        let before = self.out[..start].chars().next_back();
        let first = trimmed.chars().next();
        let is_word =
            |c: Option<char>| c.is_some_and(|c| !c.is_whitespace() && !c.is_ascii_punctuation());
        let opens = !(is_word(before) && first.is_some_and(|c| c.is_ascii_punctuation()));
        let is_safe = opens
            && !trimmed.is_empty()
            && before != Some('*')
            && !trimmed.starts_with('*')
            && !trimmed.ends_with('*')
            && !trimmed.contains("<br>")
            && !trimmed.contains('\n')
            && self.pending.is_none_or(|(open, ..)| open < start);
        if !is_safe {
            return;
        }
        let lead = inner.len() - inner.trim_start().len();
        let tail = inner[lead + trimmed.len()..].to_owned();
        let trimmed = trimmed.to_owned();
        let space = inner[..lead].to_owned();
        self.out.truncate(start);
        self.out.push_str(&space);
        let open = self.out.len();
        self.out.push_str(mark);
        self.out.push_str(&trimmed);
        let close = self.out.len();
        self.out.push_str(mark);
        if trimmed.ends_with(|c: char| c.is_ascii_punctuation() || !c.is_alphanumeric())
            && tail.is_empty()
        {
            self.pending = Some((open, close, mark.len()));
        }
        self.out.push_str(&tail);
    }
}

impl Writer<'_> {
    /// Appends a node that contains no blocks.
    pub(super) fn inline(&mut self, node: &Node, inline: &mut Inline, out: &mut Vec<String>) {
        let element = match node {
            Node::Text(text) => return inline.text(text),
            Node::Element(element) => element,
        };
        if self.resolver.is_elsewhere(element) {
            return;
        }
        match element.name.as_str() {
            name if HIDDEN.contains(&name) => self.hidden(name),
            "br" => inline.line_break(),
            "img" | "audio" | "video" | "image" => self.media(element, inline, out),
            "svg" => match element.find_named("image") {
                Some(image) => self.media(image, inline, out),
                None => self.losses.push(Loss::Media),
            },
            "math" => self.formula(element, inline),
            "code" | "tt" | "samp" => inline.code(&element.text()),
            "strong" | "b" => self.emphasis(element, "**", inline, out),
            "em" | "i" | "cite" | "var" | "dfn" => self.emphasis(element, "*", inline, out),
            "sub" | "sup" | "kbd" if element.find_named("img").is_none() => {
                if let Some(label) = self.footnote_in(element) {
                    return inline.raw(&format!("[^{label}]"));
                }
                inline.raw(&format!("<{}>", element.name));
                self.children(element, inline, out);
                inline.raw(&format!("</{}>", element.name));
            }
            "a" => self.link(element, inline, out),
            "q" => {
                inline.text("“");
                self.children(element, inline, out);
                inline.text("”");
            }
            "rp" => {}
            "rt" => {
                inline.text("(");
                self.children(element, inline, out);
                inline.text(")");
            }
            "input" | "button" => self.losses.push(Loss::Form),
            _ => self.children(element, inline, out),
        }
    }

    fn children(&mut self, element: &Element, inline: &mut Inline, out: &mut Vec<String>) {
        for child in &element.children {
            self.inline(child, inline, out);
        }
    }

    fn emphasis(
        &mut self,
        element: &Element,
        mark: &'static str,
        inline: &mut Inline,
        out: &mut Vec<String>,
    ) {
        // Emphasis that contains an image ends with its paragraph.
        let is_nested = inline.marks.contains(&mark);
        let is_split =
            element.find(&|e| matches!(e.name.as_str(), "img" | "audio" | "video" | "svg"));
        if is_nested || is_split.is_some() {
            return self.children(element, inline, out);
        }
        inline.settle(None);
        let start = inline.out.len();
        inline.marks.push(mark);
        self.children(element, inline, out);
        inline.marks.pop();
        inline.settle(None);
        inline.emphasise(start, mark);
    }

    /// Returns the footnote that the only child of an element refers to.
    fn footnote_in(&mut self, element: &Element) -> Option<String> {
        let mut children = element.elements();
        let link = children.next().filter(|e| e.name == "a")?.clone();
        if children.next().is_some() {
            return None;
        }
        self.resolver.footnote(&link)
    }

    fn link(&mut self, element: &Element, inline: &mut Inline, out: &mut Vec<String>) {
        if let Some(label) = self.resolver.footnote(element) {
            return inline.raw(&format!("[^{label}]"));
        }
        let has_media =
            element.find(&|e| matches!(e.name.as_str(), "img" | "svg" | "audio" | "video"));
        let target = element.attribute("href").and_then(|address| self.resolver.link(address));
        let Some(target) = target.filter(|_| has_media.is_none()) else {
            return self.children(element, inline, out);
        };
        inline.settle(None);
        let start = inline.out.len();
        self.children(element, inline, out);
        inline.settle(None);
        let text = inline.out.split_off(start.min(inline.out.len()));
        let label = text.trim();
        if label.is_empty() {
            inline.out.push_str(&text);
            return;
        }
        let lead = &text[..text.len() - text.trim_start().len()];
        let tail = &text[text.trim_end().len()..];
        inline.out.push_str(&format!("{lead}[{label}](<{target}>){tail}"));
    }

    /// Appends MathML: its TeX source if it has one, else its text.
    fn formula(&mut self, element: &Element, inline: &mut Inline) {
        let source = element
            .find(&|e| {
                e.name == "annotation"
                    && e.attribute("encoding")
                        .is_some_and(|kind| kind.to_ascii_lowercase().contains("tex"))
            })
            .map(Element::text);
        match source.map(|tex| tex.trim().to_owned()).filter(|tex| is_tex(tex)) {
            Some(tex) => inline.raw(&format!("\\({tex}\\)")),
            None => {
                self.losses.push(Loss::Formula);
                let text = match element.attribute("alttext") {
                    Some(text) => text.to_owned(),
                    None => element.text(),
                };
                inline.text(&text);
            }
        }
    }
}

fn is_tex(tex: &str) -> bool {
    !tex.is_empty() && !tex.contains(['\n', '$']) && !tex.contains("\\)") && tex.len() < 5_000
}

/// Splits a text at its first formula: `$$...$$`, `\(...\)` or `\[...\]`.
fn split_formula(text: &str) -> Option<(&str, String, &str)> {
    let found = [("$$", "$$"), ("\\(", "\\)"), ("\\[", "\\]")]
        .into_iter()
        .filter_map(|(open, close)| {
            let start = text.find(open)?;
            let inner = &text[start + open.len()..];
            let end = inner.find(close)?;
            let tex = inner[..end].trim();
            let is_formula = is_tex(tex) && !tex.contains("\n\n");
            is_formula.then_some((start, tex, start + open.len() + end + close.len()))
        })
        .min_by_key(|(start, ..)| *start)?;
    let (start, tex, end) = found;
    let tex = tex.replace(['\n', '\t'], " ");
    Some((&text[..start], format!("\\({tex}\\)"), &text[end..]))
}
