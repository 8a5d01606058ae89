//! The texts of a question as Markdown, with their media.

use super::super::{EmbeddedFile, GAP, Kind, Question, Text, TextFormat};
use super::Context;
use crate::course::media::{MediaFolder, is_image};
use crate::error::{Refusal, Result};
use crate::html::markdown::{Converted, Loss, MediaFile, Resolver, TextOptions, convert};
use crate::html::{Element, Node, Syntax, is_markup, parse, plain};
use crate::remark::RemarkCode;

/// A prompt with what is shown beside it.
pub(super) struct Prompt {
    pub markdown: String,
    /// Path and alternative text.
    pub image: Option<(String, String)>,
    pub audio: Option<String>,
}

/// Converts the texts of one question.
pub(super) struct Texts<'q> {
    files: &'q [EmbeddedFile],
    /// `$$...$$` and `\(...\)` are formulas.
    tex: bool,
    /// The prompt of a typed answer: five underscores are the place of the answer, as in Moodle.
    has_typed_gap: bool,
    /// A formula was written.
    pub has_formulas: bool,
}

impl<'q> Texts<'q> {
    pub fn new(question: &'q Question, tex: bool) -> Self {
        let has_typed_gap = matches!(question.kind, Kind::Short { .. } | Kind::Numerical { .. });
        Self { files: &question.files, tex, has_typed_gap, has_formulas: false }
    }

    fn convert(
        &mut self,
        text: &Text,
        options: TextOptions,
        context: &mut Context<'_>,
    ) -> Result<Converted> {
        if text.is_empty() {
            return Ok(Converted::default());
        }
        if text.format == TextFormat::Markdown && is_simple_markdown(&text.text) {
            let markdown = match options.single_line {
                true => text.text.split_whitespace().collect::<Vec<_>>().join(" "),
                false => text.text.trim().to_owned(),
            };
            return Ok(Converted { markdown, ..Converted::default() });
        }
        let mut resolver =
            Files { files: self.files, media: context.media, index: context.index, error: None };
        let options = TextOptions { tex: self.tex, ..options };
        let converted = convert(&tree(text), options, &mut resolver);
        if let Some(error) = resolver.error {
            return Err(error);
        }
        self.has_formulas |= self.tex && converted.markdown.contains("\\(");
        for loss in &converted.losses {
            context.item.changed(loss.reason());
        }
        if text.format == TextFormat::Markdown {
            context.item.changed(RemarkCode::MarkdownAsText);
        }
        Ok(converted)
    }

    /// Returns the prompt of a question: one image and one recording are shown with it.
    pub fn prompt(&mut self, text: &Text, context: &mut Context<'_>) -> Result<Prompt> {
        let mut marked;
        let text = if self.has_typed_gap && !text.text.contains(GAP) && text.text.contains("_____")
        {
            marked = text.clone();
            if let Some(start) = marked.text.find("_____") {
                let length = marked.text[start..].bytes().take_while(|b| *b == b'_').count();
                marked.text.replace_range(start..start + length, GAP.encode_utf8(&mut [0; 4]));
            }
            &marked
        } else {
            text
        };
        let options = TextOptions { prompt: true, ..TextOptions::default() };
        let converted = self.convert(text, options, context)?;
        let mut prompt = Prompt { markdown: converted.markdown, image: None, audio: None };
        for (file, alt) in converted.media {
            let is_second = match (file.is_image, &prompt.image, &prompt.audio) {
                (true, None, _) => {
                    prompt.image = Some((file.path, alt));
                    false
                }
                (false, _, None) => {
                    prompt.audio = Some(file.path);
                    false
                }
                _ => true,
            };
            if is_second {
                context.item.changed(RemarkCode::OneMedium);
            }
        }
        Ok(prompt)
    }

    /// Returns the text with its media in their places, and as plain text.
    pub fn body(&mut self, text: &Text, context: &mut Context<'_>) -> Result<(String, String)> {
        let had_formulas = self.has_formulas;
        let converted =
            self.convert(text, TextOptions { heading: 3, ..TextOptions::default() }, context)?;
        self.has_formulas = had_formulas;
        Ok((converted.markdown, plain_text(text)))
    }

    /// Returns a text of one line. Its media are lost.
    pub fn line(&mut self, text: &Text, context: &mut Context<'_>) -> Result<String> {
        let options = TextOptions { single_line: true, ..TextOptions::default() };
        let converted = self.convert(text, options, context)?;
        if !converted.media.is_empty() {
            context.item.changed(Loss::MediaInline.reason());
        }
        Ok(converted.markdown)
    }

    /// Returns a feedback or an explanation.
    pub fn feedback(&mut self, text: &Text, context: &mut Context<'_>) -> Result<String> {
        let options = TextOptions { prompt: true, ..TextOptions::default() };
        let converted = self.convert(text, options, context)?;
        if !converted.media.is_empty() {
            context.item.changed(RemarkCode::FeedbackMedium);
        }
        Ok(converted.markdown)
    }
}

/// Links, images, HTML and reserved marks of Markdown would need files and targets that the package does not have.
fn is_simple_markdown(text: &str) -> bool {
    !text.contains("](")
        && !text.contains("]:")
        && !text.contains('<')
        && !text.contains("___")
        && !text.contains(GAP)
}

/// Returns the tree of a text.
fn tree(text: &Text) -> Element {
    let source = text.text.trim();
    let is_html = match text.format {
        TextFormat::Html => true,
        TextFormat::Moodle => is_markup(source),
        TextFormat::Markdown | TextFormat::Plain => false,
    };
    if !is_html {
        let mut root = Element::default();
        for (n, line) in source.split('\n').enumerate() {
            if n > 0 {
                let name = "br".to_owned();
                root.children.push(Node::Element(Element { name, ..Element::default() }));
            }
            root.children.push(Node::Text(line.to_owned()));
        }
        return root;
    }
    if text.format == TextFormat::Moodle {
        // Line ends are shown, except beside tags.
        let mut html = String::with_capacity(source.len());
        for (n, line) in source.split('\n').enumerate() {
            if n > 0 {
                let is_tag = html.ends_with('>') || line.starts_with('<');
                html.push_str(if is_tag { "\n" } else { "<br>" });
            }
            html.push_str(line);
        }
        return parse(&html, Syntax::Html);
    }
    parse(source, Syntax::Html)
}

/// Returns a text without markup.
pub(super) fn plain_text(text: &Text) -> String {
    plain::plain(&tree(text))
}

/// The files of a question, and those written as `data:` addresses.
struct Files<'a> {
    files: &'a [EmbeddedFile],
    media: &'a mut MediaFolder,
    index: usize,
    error: Option<Refusal>,
}

impl Files<'_> {
    fn add(&mut self, bytes: &[u8], name: &str) -> Option<MediaFile> {
        let is_image = is_image(bytes)?;
        match self.media.add(bytes, name, self.index) {
            Ok(path) => Some(MediaFile { path, is_image }),
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }
}

impl Resolver for Files<'_> {
    fn media(&mut self, address: &str) -> Option<MediaFile> {
        if let Some(data) = address.strip_prefix("data:") {
            let (kind, data) = data.split_once(";base64,")?;
            let bytes = crate::text::base64::decode(data)?;
            let extension = kind.rsplit('/').next().unwrap_or("bin").replace("jpeg", "jpg");
            return self.add(&bytes, &format!("data.{}", extension.replace("svg+xml", "svg")));
        }
        let name = address.strip_prefix("@@PLUGINFILE@@/")?;
        let name = crate::text::percent_decoded(name.split('?').next().unwrap_or(name));
        let file = self.files.iter().find(|file| file.name == name)?;
        self.add(&file.bytes, &name)
    }
}
