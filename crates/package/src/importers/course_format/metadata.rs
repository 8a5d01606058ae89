//! Reads the fields common to `course.json` and `story.json`: id, title, language, licence, credits, cover.
//!
//! Not here: lessons and pages.

use carrel_model::content::{Cover, Dir, Ornament};

use crate::{
    compile::{context::CompileContext, vocabulary},
    draft::Metadata,
    source::{fields::Fields, paths},
    text::markdown::{self, Origin, Scope},
};

pub(super) fn read(context: &mut CompileContext<'_>, fields: &Fields<'_>) -> Metadata {
    let id = fields.require_slug("id").map(|id| id.value);
    let title = fields.require_text("title").map(|t| t.value.to_owned()).unwrap_or_default();
    markdown::check_plain_fields(fields, &["title", "description"], context.problems);
    let lang = fields.require_language().unwrap_or_else(|| "und".to_owned());
    Metadata {
        id,
        dir: direction(fields, &lang),
        lang,
        description: fields.text_or_empty("description"),
        category: fields.text_or_empty("category"),
        tags: fields.string_list("tags"),
        authors: fields.string_list("authors"),
        license: fields.require_text("license").map(|t| t.value.to_owned()).unwrap_or_default(),
        credits: credits(context, fields),
        cover: cover(context, fields, &title),
        title,
    }
}

/// Returns the `dir` field, or the direction of the language.
pub(super) fn direction(fields: &Fields<'_>, lang: &str) -> Dir {
    match fields.node("dir") {
        Some(_) => {
            fields.one_of("dir", &[("ltr", Dir::Ltr), ("rtl", Dir::Rtl)]).unwrap_or_default()
        }
        None => Dir::of_language(lang),
    }
}

/// Compiles the credits, which are Markdown in the JSON file.
fn credits(context: &CompileContext<'_>, fields: &Fields<'_>) -> String {
    let Some(text) = fields.text("credits") else { return String::new() };
    markdown::to_html(
        text.value,
        Origin::JsonString(fields.at(text.line)),
        &Scope::default(),
        context.problems,
    )
}

/// Returns the cover generated from the title, changed by the fields of `cover`.
fn cover(context: &mut CompileContext<'_>, fields: &Fields<'_>, title: &str) -> Cover {
    const ORNAMENTS: [(&str, Ornament); 10] = [
        ("star", Ornament::Star),
        ("peaks", Ornament::Peaks),
        ("rings", Ornament::Rings),
        ("waves", Ornament::Waves),
        ("squares", Ornament::Squares),
        ("petals", Ornament::Petals),
        ("grid", Ornament::Grid),
        ("leaf", Ornament::Leaf),
        ("sun", Ornament::Sun),
        ("steps", Ornament::Steps),
    ];
    let mut cover = Cover::from_title(title);
    let Some(cover_fields) = fields
        .node("cover")
        .and_then(|node| Fields::new(node, fields.file, context.problems, "a cover"))
    else {
        return cover;
    };
    if let Some(color) = cover_fields.text("color") {
        let digits = color.value.strip_prefix('#').unwrap_or_default();
        if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            cover.color = color.value.to_ascii_lowercase();
        } else {
            cover_fields.error(
                color.line,
                "bad-value",
                format!("\"color\" is {:?}", color.value),
                "write #rrggbb",
            );
        }
    }
    if cover_fields.node("ornament").is_some()
        && let Some(ornament) = cover_fields.one_of("ornament", &ORNAMENTS)
    {
        cover.ornament = ornament;
    }
    let folder = paths::parent(fields.file);
    cover.image =
        vocabulary::image_and_audio(context, &cover_fields, folder, &Scope::default(), "").0;
    cover_fields.finish();
    cover
}
