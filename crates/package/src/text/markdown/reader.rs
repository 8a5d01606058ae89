//! Converts the events of a text to pieces.
//!
//! Not here: the parser (`events`), media (the caller compiles them).

use carrel_model::content::CodeCheck;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Tag, TagEnd};

use super::events::Spanned;
use super::footnotes::Footnotes;
use super::link::{LinkTarget, link_target};
use super::{Lines, Piece, Scope, delimiters, group_end, media_of};
use crate::problem::{Problems, SourceLocation};
use crate::text::html::{self, RawHtml};

pub(super) struct BlockReader<'a, 't> {
    lines: &'a Lines<'a>,
    scope: &'a Scope,
    problems: &'a Problems,
    /// HTML that is not allowed is shown as text instead of removed.
    shows_html: bool,
    footnotes: Footnotes,
    raw: RawHtml,
    /// The closing tags of the open links.
    link_ends: Vec<&'static str>,
    rich: Vec<Event<'t>>,
    /// Byte offset at which the current run of rich text starts.
    rich_start: usize,
    pieces: Vec<Piece>,
    /// The last checked program, and where it starts.
    checked: Option<(usize, usize)>,
}

/// Languages of programs that the app can run, in lower case.
const RUNNABLE: [&str; 4] = ["javascript", "js", "python", "py"];

impl<'a, 't> BlockReader<'a, 't> {
    pub fn new(
        events: &[Spanned<'t>],
        lines: &'a Lines<'a>,
        shows_html: bool,
        scope: &'a Scope,
        problems: &'a Problems,
    ) -> Self {
        Self {
            lines,
            scope,
            problems,
            shows_html,
            footnotes: Footnotes::of(events),
            raw: RawHtml::default(),
            link_ends: Vec::new(),
            rich: Vec::new(),
            rich_start: 0,
            pieces: Vec::new(),
            checked: None,
        }
    }

    pub fn read(mut self, events: &[Spanned<'t>]) -> Vec<Piece> {
        let mut i = 0;
        while i < events.len() {
            let end = group_end(events, i);
            self.group(&events[i..end]);
            i = end;
        }
        self.flush();
        self.end_check();
        self.footnotes_section(events);
        self.pieces
    }

    /// Compiles a top-level block to a piece, or appends it to the current run of rich text.
    fn group(&mut self, events: &[Spanned<'t>]) {
        if self.rich.is_empty() {
            self.rich_start = events[0].1.start;
        }
        match &events[0].0 {
            Event::Start(Tag::Paragraph) => {
                let inside = &events[1..events.len() - 1];
                if let Some(media) = media_of(inside, self.lines) {
                    self.flush();
                    self.pieces.extend(media.into_iter().map(Piece::Media));
                    return;
                }
                let mut visible = inside.iter().filter(|(e, _)| !matches!(e, Event::SoftBreak));
                if let (Some((Event::DisplayMath(tex), range)), None) =
                    (visible.next(), visible.next())
                {
                    self.flush();
                    if let Some(mathml) = self.maths(tex, true, range.start) {
                        self.pieces.push(Piece::Math {
                            mathml: html::clean(&mathml),
                            tex: tex.trim().to_owned(),
                        });
                    }
                    return;
                }
                self.rich(events);
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                self.flush();
                let text: String = events
                    .iter()
                    .filter_map(
                        |(e, _)| if let Event::Text(t) = e { Some(t.as_ref()) } else { None },
                    )
                    .collect();
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.as_ref(),
                    CodeBlockKind::Indented => "",
                };
                let mut words = info.split_whitespace();
                let language = words.next().unwrap_or_default().to_owned();
                if self.add_to_check(&language, &text) {
                    return;
                }
                let (mut editable, mut check) = (false, None);
                for word in words {
                    if word == "editable" {
                        editable = true;
                    } else if word == "check" {
                        editable = true;
                        self.end_check();
                        check = Some(CodeCheck::default());
                        self.checked = Some((self.pieces.len(), events[0].1.start));
                    } else {
                        let message = format!("unknown option {word:?} after the language");
                        self.problems.warn(
                            self.lines.at(events[0].1.start),
                            "code-word",
                            message,
                            "the options are `editable` and `check`",
                        );
                    }
                }
                self.pieces.push(Piece::Code { language, text, editable, check });
            }
            Event::Start(Tag::FootnoteDefinition(_)) => {}
            _ => self.rich(events),
        }
    }

    /// Adds an `input` or `output` block to the check of the program before it. Returns false if there is none.
    fn add_to_check(&mut self, language: &str, text: &str) -> bool {
        let Some((at, _)) = self.checked else { return false };
        let is_next = at + 1 == self.pieces.len();
        let Some(Piece::Code { check: Some(check), .. }) = self.pieces.get_mut(at) else {
            return false;
        };
        match language {
            _ if !is_next => false,
            "input" if check.input.is_empty() => {
                text.clone_into(&mut check.input);
                true
            }
            "output" if check.output.is_empty() => {
                text.clone_into(&mut check.output);
                true
            }
            _ => false,
        }
    }

    /// Reports a check that has no output, or whose program cannot be run.
    fn end_check(&mut self) {
        let Some((at, start)) = self.checked.take() else { return };
        let Some(Piece::Code { language, check: Some(check), .. }) = self.pieces.get(at) else {
            return;
        };
        let line = self.lines.at(start);
        if !RUNNABLE.contains(&language.to_lowercase().as_str()) {
            let message = format!("a program in {language:?} cannot be run, so it is not checked");
            let hint = "only JavaScript and Python can be run; write `editable` or nothing";
            self.problems.error(line, "code-check", message, hint);
        } else if check.output.trim().is_empty() {
            let message = "the program is checked, but what it has to print is not stated";
            let hint = "add a block ```output directly after it, with the expected output";
            self.problems.error(line, "code-check", message, hint);
        }
    }

    /// Ends the current run of rich text and appends it as a piece.
    fn flush(&mut self) {
        self.raw.end_block();
        if self.rich.is_empty() {
            return;
        }
        let mut out = String::new();
        pulldown_cmark::html::push_html(&mut out, self.rich.drain(..));
        let Some(clean) = self.clean(&out, self.rich_start) else { return };
        let clean = clean.trim().to_owned();
        if !clean.is_empty() {
            self.pieces.push(Piece::Rich(clean));
        }
    }

    /// Returns sanitised HTML. Reports a problem at `offset` and returns `None` if the HTML is too large or nested too
    /// deeply to display.
    fn clean(&self, html: &str, offset: usize) -> Option<String> {
        match html::check_size(html) {
            Ok(()) => Some(html::clean(html)),
            Err(reason) => {
                let at = self.lines.at(offset);
                self.problems.error(at, "too-complex", reason, "simplify the text, or split it");
                None
            }
        }
    }

    fn html(&mut self, html: String) {
        self.rich.push(Event::InlineHtml(CowStr::from(html)));
    }

    fn maths(&self, tex: &str, display: bool, offset: usize) -> Option<String> {
        if delimiters::reads_like_prose(tex) {
            self.problems.warn(
                self.lines.at(offset),
                "maths-prose",
                format!(
                    "the formula {:?} reads like text; a formula has no spaces between words",
                    tex.trim()
                ),
                "write \\$ for a dollar sign, or \\text{...} around the words of a formula",
            );
        }
        if self.lines.is_json()
            && let Some(lost) = lost_backslash(tex)
        {
            self.problems.error(
                self.lines.at(offset),
                "maths",
                format!(
                    "the formula {:?} has a control character: JSON reads \\{lost} as one",
                    tex.trim()
                ),
                "in a JSON file, write each backslash of a formula twice: \\\\frac",
            );
            return None;
        }
        let rendered = carrel_maths::mathml(tex, display);
        match rendered.and_then(|mathml| html::check_size(&mathml).map(|()| mathml)) {
            Ok(mathml) => Some(mathml),
            Err(reason) => {
                let at = self.lines.at(offset);
                self.problems.error(
                    at,
                    "maths",
                    format!("the formula {:?} cannot be read: {reason}", tex.trim()),
                    "correct the LaTeX, or write \\$ for a dollar sign",
                );
                None
            }
        }
    }

    /// Appends events to the current run of rich text. Links, footnotes, raw HTML and formulas are converted here.
    fn rich(&mut self, events: &[Spanned<'t>]) {
        let mut i = 0;
        while i < events.len() {
            let (event, range) = &events[i];
            if self.raw.is_removing() && matches!(event, Event::Text(_) | Event::Code(_)) {
                i += 1;
                continue;
            }
            let at = self.lines.at(range.start);
            match event {
                Event::Start(Tag::FootnoteDefinition(_)) => {
                    i = group_end(events, i);
                    continue;
                }
                Event::Start(Tag::Image { dest_url, .. }) => {
                    let message =
                        format!("the image {:?} is inside a line of text", dest_url.as_ref());
                    self.problems.error(
                        at,
                        "media-inline",
                        message,
                        "put it into a separate paragraph, with an empty line before and after",
                    );
                    i = group_end(events, i);
                    continue;
                }
                Event::Start(Tag::Link { dest_url, .. }) => self.link(dest_url, at),
                Event::End(TagEnd::Link) => {
                    let end = self.link_ends.pop().unwrap_or_default();
                    self.html(end.to_owned());
                }
                Event::InlineMath(tex) => {
                    if let Some(mathml) = self.maths(tex, false, range.start) {
                        self.html(mathml);
                    }
                }
                Event::DisplayMath(tex) => {
                    if let Some(mathml) = self.maths(tex, true, range.start) {
                        self.html(mathml);
                    }
                }
                Event::Html(raw) | Event::InlineHtml(raw) if self.shows_html => {
                    let (kept, shown) = html::escape_raw(raw);
                    for tag in shown {
                        let hint = format!(
                            "write it between backticks as code; the only HTML tags allowed are {}",
                            html::ALLOWED_RAW_TAGS.map(|t| format!("<{t}>")).join(" ")
                        );
                        let message = format!("{tag} is shown as text");
                        self.problems.warn(at, "html-text", message, hint);
                    }
                    self.html(kept);
                }
                Event::Html(raw) | Event::InlineHtml(raw) => {
                    let (kept, removed) = self.raw.filter(raw);
                    for tag in removed {
                        let hint = format!(
                            "use Markdown; the only HTML tags allowed are {}",
                            html::ALLOWED_RAW_TAGS.map(|t| format!("<{t}>")).join(" ")
                        );
                        self.problems.warn(at, "html-removed", format!("{tag} was removed"), hint);
                    }
                    if !kept.is_empty() {
                        self.html(kept);
                    }
                }
                Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {
                    self.raw.end_block()
                }
                Event::FootnoteReference(name) => match self.footnotes.add_reference(name) {
                    Some((number, 1)) => {
                        self.html(format!("<sup class=\"footnote-ref\"><a href=\"#fn-{number}\" id=\"fnref-{number}\">{number}</a></sup>"));
                    }
                    Some((number, _)) => self.html(format!(
                        "<sup class=\"footnote-ref\"><a href=\"#fn-{number}\">{number}</a></sup>"
                    )),
                    None => {
                        let message = format!("there is no footnote {:?}", name.as_ref());
                        self.problems.error(
                            at,
                            "footnote-unknown",
                            message,
                            format!("add a line `[^{name}]: ...`"),
                        );
                    }
                },
                other => {
                    if matches!(other, Event::End(TagEnd::Paragraph)) {
                        self.raw.end_block();
                    }
                    self.rich.push(other.clone());
                }
            }
            i += 1;
        }
    }

    fn link(&mut self, dest: &str, at: SourceLocation<'_>) {
        let (open, end) = match link_target(dest, self.scope, at, self.problems) {
            Some(LinkTarget::Word(word)) => {
                (format!("<a data-word=\"{word}\" role=\"button\" tabindex=\"0\">"), "</a>")
            }
            Some(LinkTarget::Section(section)) => {
                (format!("<a data-section=\"{section}\" role=\"link\" tabindex=\"0\">"), "</a>")
            }
            Some(LinkTarget::Web(link)) => {
                (format!("<a href=\"{}\">", html::escaped(&link)), "</a>")
            }
            None => (String::new(), ""),
        };
        self.link_ends.push(end);
        self.html(open);
    }

    /// Appends the referenced footnotes, in the order of their numbers, as the last block.
    fn footnotes_section(&mut self, events: &[Spanned<'t>]) {
        // A footnote may refer to another one, which then extends `order` during the loop.
        let mut next = 0;
        let mut items: Vec<String> = Vec::new();
        while next < self.footnotes.order.len() {
            let range = self.footnotes.order[next].clone();
            next += 1;
            let saved: Vec<_> = std::mem::take(&mut self.rich);
            self.rich(&events[range]);
            let mut out = String::new();
            pulldown_cmark::html::push_html(&mut out, self.rich.drain(..));
            self.rich = saved;
            let back_link = format!("<a href=\"#fnref-{next}\">↩</a>");
            let out = out.trim();
            let body = match out.strip_suffix("</p>") {
                Some(open) => format!("{open} {back_link}</p>"),
                None => format!("{out} {back_link}"),
            };
            items.push(format!("<li id=\"fn-{next}\">{body}</li>"));
        }
        for (name, index) in self.footnotes.unused() {
            let at = self.lines.at(events[index].1.start);
            let message = format!("no text refers to the footnote [^{name}], so it is not shown");
            let hint = format!("write [^{name}] where the note belongs, or remove it");
            self.problems.warn(at, "footnote-unused", message, hint);
        }
        if !items.is_empty() {
            let notes =
                format!("<section class=\"footnotes\"><ol>{}</ol></section>", items.join(""));
            if let Some(clean) = self.clean(&notes, 0) {
                self.pieces.push(Piece::Rich(clean));
            }
        }
    }
}

/// Returns the escape of JSON that was meant as the start of a LaTeX command: `"\frac"` contains a form feed.
fn lost_backslash(tex: &str) -> Option<char> {
    tex.char_indices().find_map(|(at, c)| {
        let escape = match c {
            '\u{8}' => 'b',
            '\u{c}' => 'f',
            '\t' => 't',
            '\r' => 'r',
            '\n' => 'n',
            _ => return None,
        };
        let rest = &tex[at + 1..];
        let word = rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        // A formula may have several lines, so only the known commands with n are reported.
        let is_command = match escape {
            'n' => matches!(
                word,
                "abla"
                    | "eq"
                    | "e"
                    | "eg"
                    | "u"
                    | "ot"
                    | "otin"
                    | "i"
                    | "mid"
                    | "parallel"
                    | "subseteq"
            ),
            'r' | 't' => word.len() >= 2,
            _ => !word.is_empty(),
        };
        is_command.then_some(escape)
    })
}
