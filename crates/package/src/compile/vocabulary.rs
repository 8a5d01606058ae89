//! Compiles vocabulary files (`carrel-vocabulary/1`).
//!
//! Not here: where words are used (texts and stories).

use std::collections::BTreeMap;

use carrel_model::{content::VocabularyEntry, language_tag::language_tag};

use crate::compile::context::CompileContext;
use crate::compile::media_block::{AllowedMedia, MediaBlock};
use crate::problem::SourceLocation;
use crate::source::fields::{Fields, UniqueIds};
use crate::source::json::Value;
use crate::source::paths;
use crate::text::markdown::{self, Scope};

/// Compiles a vocabulary file; the entries keep their order.
pub(crate) fn compile(
    context: &mut CompileContext<'_>,
    path: &str,
    scope: &Scope,
) -> Vec<VocabularyEntry> {
    let problems = context.problems;
    let Some(node) = context.read_json(path) else { return Vec::new() };
    let Some(fields) = Fields::new(&node, path, problems, "a vocabulary") else {
        return Vec::new();
    };
    fields.format("carrel-vocabulary");
    fields.language();
    let mut entries = Vec::new();
    let mut ids = UniqueIds::default();
    if fields.node("entries").is_none() {
        fields.missing("entries");
    }
    for node in fields.list("entries") {
        if let Some(entry) = Fields::new(node, path, problems, "an entry")
            .and_then(|f| self::entry(context, f, &mut ids, scope))
        {
            entries.push(entry);
        }
    }
    fields.finish();
    entries
}

fn entry(
    context: &mut CompileContext<'_>,
    fields: Fields<'_>,
    ids: &mut UniqueIds,
    scope: &Scope,
) -> Option<VocabularyEntry> {
    let (file, folder) = (fields.file, paths::parent(fields.file));
    let problems = context.problems;
    let (id, word, meaning) =
        (fields.require_slug("id"), fields.require_text("word"), fields.require_text("meaning"));
    ids.add(&fields, id.as_ref(), "id");
    for text in [word, meaning, fields.text("example")].into_iter().flatten() {
        markdown::check_plain(text.value, fields.at(text.line), problems);
    }
    let mut translations = BTreeMap::new();
    if let Some(node) = fields.node("translations") {
        match &node.value {
            Value::Object(list) => {
                for entry in list {
                    let at = SourceLocation { file, line: entry.line };
                    let tag = match language_tag(&entry.key) {
                        Ok(tag) => tag,
                        Err(hint) => {
                            let message = format!("{:?} is not a language tag", entry.key);
                            problems.error(at, "bad-lang", message, hint);
                            continue;
                        }
                    };
                    match &entry.node.value {
                        Value::Text(text) => {
                            markdown::check_plain(text, at, problems);
                            translations.insert(tag, text.trim().to_owned());
                        }
                        other => problems.error(
                            at,
                            "wrong-type",
                            format!("a translation must be a string, not {}", other.kind()),
                            "",
                        ),
                    }
                }
            }
            other => problems.error(
                fields.at(node.line),
                "wrong-type",
                format!("\"translations\" must be an object, not {}", other.kind()),
                "",
            ),
        }
    }
    let (image, audio) =
        image_and_audio(context, &fields, folder, scope, word.map_or("", |w| w.value));
    let compiled = VocabularyEntry {
        id: id?.value,
        word: word?.value.to_owned(),
        pronunciation: fields.text_or_empty("pronunciation"),
        part_of_speech: fields.text_or_empty("partOfSpeech"),
        meaning: meaning?.value.to_owned(),
        example: fields.text_or_empty("example"),
        translations,
        level: fields.integer("level", 1..=5).map(|n| n.value as u8),
        frequency: fields.integer("frequency", 0..=1_000_000).map(|n| n.value),
        image,
        audio,
    };
    fields.finish();
    Some(compiled)
}

/// Compiles the `image`, `alt` and `audio` fields of an entry or a question.
pub(crate) fn image_and_audio(
    context: &mut CompileContext<'_>,
    fields: &Fields<'_>,
    folder: &str,
    scope: &Scope,
    title: &str,
) -> (Option<carrel_model::content::ImageRef>, Option<carrel_model::content::AudioRef>) {
    let alt = fields.text("alt");
    let image = fields.text("image").and_then(|link| {
        let at = fields.at(link.line);
        let alt = alt.map_or("", |a| a.value);
        let path = context.resolve_media(at, folder, link.value, alt)?;
        match context.media(at, &path, alt, "", scope, AllowedMedia::Image)? {
            MediaBlock::Image(image) => Some(image),
            _ => None,
        }
    });
    let audio = fields.text("audio").and_then(|link| {
        let at = fields.at(link.line);
        let path = context.resolve(at, folder, link.value)?;
        match context.media(at, &path, title, "", scope, AllowedMedia::Audio)? {
            MediaBlock::Audio(audio) => Some(audio),
            _ => None,
        }
    });
    (image, audio)
}
