//! Reads texts of Global Storybooks (github.com/global-asp). Page `01` is the title page; the last section of the text
//! contains the credits. Entities such as `&rsquo;` are decoded, emphasis and other inline markup is removed.
//!
//! Not here: where texts, images and recordings are (`storybook_paths`), Carrel's own stories (`course_format`).

use carrel_model::{
    Slug,
    content::{Cover, Dir},
    text::language,
};
use pulldown_cmark::{Event, Options, Parser};
use unicode_segmentation::UnicodeSegmentation;

use super::{
    Declared, Importer, Input,
    storybook_paths::{self, Storybook},
};
use crate::{
    compile::{
        context::CompileContext,
        media_block::{AllowedMedia, MediaBlock},
    },
    draft::{Draft, Metadata, PageDraft, StoryDraft},
    problem::{Problems, SourceLocation},
    source::Source,
    text::{
        html,
        markdown::{self, Scope},
        sentence::Paragraph,
    },
};

pub(super) static IMPORTER: Importer = Importer { detect, draft, identify, owns_folder: false };

/// Lists the texts, sorted by number and language.
fn detect(source: &Source) -> Vec<Input> {
    let mut books: Vec<_> =
        source.files.keys().filter_map(|path| storybook_paths::parse(path)).collect();
    books.sort_by_cached_key(|(folder, book)| {
        (folder.to_string(), book.number.clone(), book.lang.clone(), book.file.clone())
    });
    books
        .into_iter()
        .map(|(folder, book)| Input {
            folder: folder.to_owned(),
            file: book.file,
            is_course: false,
        })
        .collect()
}

fn draft(context: &mut CompileContext<'_>, input: &Input) -> Option<Draft> {
    let (_, book) = storybook_paths::parse(&input.file)?;
    read_book(context, &book).map(Draft::Story)
}

/// Returns the id; the title is in the text.
fn identify(_: &Source, input: &Input) -> Declared {
    let book = storybook_paths::parse(&input.file).map(|(_, book)| book);
    Declared { id: book.map(|book| id_of(&book)), title: None }
}

fn id_of(book: &Storybook) -> String {
    format!("gs-{}-{}", book.number, book.lang.to_ascii_lowercase())
}

/// Reads one story in one language.
fn read_book(context: &mut CompileContext<'_>, book: &Storybook) -> Option<StoryDraft> {
    let file = book.file.as_str();
    let problems = context.problems;
    let text = context.read_text(file)?;
    let parts = parse_text(&text);
    let at = SourceLocation { file, line: 1 };
    let title_text = parts.title.clone().or_else(|| {
        problems.error(
            at,
            "missing-field",
            "the first line is not the title",
            "write # and the title in the first line",
        );
        None
    })?;
    if parts.pages.is_empty() {
        problems.error(at, "empty", "the story has no page", "start each page with a line ##");
        return None;
    }
    let credits = credits(&parts.credits, &book.lang, file, parts.credits_line, problems);
    let letters: String = parts.pages.iter().map(|(_, text)| text.as_str()).collect();
    let lang = language::with_script_of(&language_tag(&book.lang), &letters);
    let id = Slug::new(id_of(book))
        .map_err(|_| {
            problems.error(
                at,
                "bad-id",
                format!("{file:?} cannot be converted to an id"),
                "rename the file to LANG/NNNN_title.md",
            )
        })
        .ok()?;
    let scope = Scope { root: Some(id.clone()), lang: lang.clone(), ..Scope::default() };

    let mut pages = Vec::new();
    let mut without_image = Vec::new();
    let title = plain(&title_text);
    let sections = std::iter::once((1, title_text)).chain(parts.pages.iter().cloned());
    for (k, (line, text)) in sections.enumerate() {
        let number = k + 1;
        let at = SourceLocation { file, line };
        let paragraphs: Vec<_> = text.split("\n\n").map(|p| paragraph(p, at, problems)).collect();
        let sentences: Vec<_> = paragraphs.iter().flat_map(|p| p.sentences().0).collect();
        let alt: String = sentences.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ");
        let image_file = storybook_paths::images(&book.number, number)
            .find(|path| context.entry(path).is_some());
        let has_image_file = image_file.is_some();
        let image = image_file.and_then(|path| {
            context.image(at, &path, if alt.is_empty() { &title } else { &alt }, "")
        });
        let narration = storybook_paths::recordings(book, number)
            .find(|p| context.entry(p).is_some())
            .and_then(|path| {
                match context.media(at, &path, &title, "", &scope, AllowedMedia::Audio) {
                    Some(MediaBlock::Audio(audio)) => Some(audio),
                    _ => None,
                }
            });
        if sentences.is_empty() && image.is_none() {
            continue;
        }
        if !has_image_file {
            without_image.push(number);
        }
        pages.push(PageDraft { line, image, narration, timing: None, paragraphs });
    }
    // Some collections have no images at all.
    if without_image.len() < pages.len()
        && let Some(first) = without_image.first()
    {
        let message = match without_image.len() {
            1 => format!("there is no image for page {first}, but for other pages"),
            n => format!(
                "there is no image for {n} pages, such as page {first}, but for other pages"
            ),
        };
        let hint = format!("add images/{}/{first:02}.jpg", book.number);
        problems.warn(SourceLocation { file, line: 1 }, "image-missing", message, hint);
    }
    let mut cover = Cover::from_title(&title);
    cover.image = pages.first().and_then(|p| p.image.clone());
    let metadata = Metadata {
        id: Some(id),
        dir: Dir::of_language(&lang),
        lang,
        title,
        description: String::new(),
        category: "Stories".to_owned(),
        tags: vec!["African Storybook".to_owned()],
        authors: credits.authors,
        license: credits.license,
        credits: credits.html,
        cover,
    };
    Some(StoryDraft {
        file: book.file.clone(),
        metadata,
        family: format!("gs-{}", book.number),
        level: level(context, book, &parts),
        pages,
        vocabulary: Vec::new(),
        quiz: None,
    })
}

/// A part of a text without markup.
enum Inline {
    Text(String),
    Break,
    /// A tag or comment.
    Html(String),
}

/// Reads inline Markdown, with entities decoded. A line such as `- Come here!` is direct speech, not a list.
fn inline(text: &str) -> Vec<Inline> {
    // A no-break space at the start of each line prevents block structures.
    let lines: Vec<_> = text.lines().map(|line| format!("\u{a0}{line}")).collect();
    let source = lines.join("\n");
    let mut parts = Vec::new();
    let mut is_line_start = true;
    for event in Parser::new_ext(&source, Options::empty()) {
        let part = match event {
            Event::Text(t) if is_line_start => {
                Inline::Text(t.strip_prefix('\u{a0}').unwrap_or(&t).to_owned())
            }
            Event::Text(t) | Event::Code(t) => Inline::Text(t.into_string()),
            Event::SoftBreak => Inline::Text("\n".to_owned()),
            Event::HardBreak => Inline::Break,
            Event::InlineHtml(raw) if raw.to_ascii_lowercase().starts_with("<br") => Inline::Break,
            Event::InlineHtml(raw) | Event::Html(raw) => Inline::Html(raw.into_string()),
            _ => continue,
        };
        is_line_start =
            matches!(&part, Inline::Text(t) if t == "\n") || matches!(part, Inline::Break);
        parts.push(part);
    }
    parts
}

/// Returns a text in one line, without markup.
fn plain(text: &str) -> String {
    joined(inline(text).into_iter().filter(|part| !matches!(part, Inline::Html(_))))
}

/// Returns the value of a field of the credits: what looks like a tag may be a name or an address in angle brackets.
fn field_value(text: &str) -> String {
    joined(inline(text).into_iter())
}

fn joined(parts: impl Iterator<Item = Inline>) -> String {
    let text: String = parts
        .map(|part| match part {
            Inline::Text(text) | Inline::Html(text) => text,
            Inline::Break => " ".to_owned(),
        })
        .collect();
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn paragraph(text: &str, at: SourceLocation<'_>, problems: &Problems) -> Paragraph {
    let mut paragraph = Paragraph::default();
    for part in inline(text) {
        match part {
            Inline::Text(t) => paragraph.text(&t),
            Inline::Break => paragraph.forced_break(),
            Inline::Html(raw) if raw.starts_with("<!--") => {}
            Inline::Html(raw) => {
                let message = format!("{raw:?} was removed");
                problems.warn(at, "html-removed", message, "use only plain text");
            }
        }
    }
    paragraph
}

/// A parsed text. `pages` contains the line and the text of each page.
#[derive(Debug, Default)]
struct Parts {
    title: Option<String>,
    pages: Vec<(u32, String)>,
    credits: Vec<(String, String)>,
    credits_line: u32,
}

fn parse_text(text: &str) -> Parts {
    let mut parts = Parts::default();
    let mut sections: Vec<(u32, Vec<&str>)> = vec![(1, Vec::new())];
    let skipped = markdown::front_matter(text).unwrap_or(0);
    for (n, line) in text.lines().enumerate().skip(skipped) {
        let line = line.trim();
        match line.strip_prefix("##") {
            Some(rest) if !rest.starts_with('#') => {
                sections.push((n as u32 + 1, vec![rest.trim()]));
            }
            _ => {
                if let Some((_, lines)) = sections.last_mut() {
                    lines.push(line);
                }
            }
        }
    }
    let field = |line: &str| -> Option<(String, String)> {
        let (key, value) = line.strip_prefix(['*', '-'])?.split_once(':')?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    let is_credits = |lines: &[&str]| {
        lines.iter().filter_map(|l| field(l)).any(|(k, _)| k.eq_ignore_ascii_case("license"))
    };
    if let Some((line, lines)) = sections.pop_if(|(_, lines)| is_credits(lines)) {
        parts.credits_line = line;
        parts.credits = lines.iter().filter_map(|l| field(l)).collect();
    }
    let mut sections = sections.into_iter();
    if let Some((_, lines)) = sections.next() {
        // Lines between the title and the first page are a subtitle.
        let lines: Vec<&str> = lines
            .iter()
            .map(|l| l.trim_start_matches('#').trim())
            .filter(|l| !l.is_empty())
            .collect();
        parts.title = (!lines.is_empty()).then(|| lines.join(" "));
    }
    for (line, lines) in sections {
        let text = lines.join("\n");
        parts.pages.push((line, text.trim().to_owned()));
    }
    parts
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Credits {
    html: String,
    license: String,
    authors: Vec<String>,
}

fn credits(
    fields: &[(String, String)],
    lang: &str,
    file: &str,
    line: u32,
    problems: &Problems,
) -> Credits {
    let mut credits = Credits::default();
    let mut items = Vec::new();
    for (key, value) in fields {
        if value.is_empty() || key.eq_ignore_ascii_case("language") {
            continue;
        }
        let value = field_value(value);
        let mut value_html = html::escaped(&value);
        if key.eq_ignore_ascii_case("license") {
            let name = value.trim_matches(['[', ']']).to_ascii_uppercase().replace(' ', "-");
            let (license, address) = match name.as_str() {
                "CC-BY" => ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/"),
                "CC-BY-NC" => ("CC-BY-NC-4.0", "https://creativecommons.org/licenses/by-nc/4.0/"),
                "CC0" | "CC-0" => ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
                _ => (value.as_str(), ""),
            };
            license.clone_into(&mut credits.license);
            if !address.is_empty() {
                value_html = format!("<a href=\"{address}\">{license}</a>");
            }
        }
        if key.eq_ignore_ascii_case("text") {
            credits.authors = value
                .split(',')
                .map(str::trim)
                .filter(|a| !a.is_empty())
                .map(str::to_owned)
                .collect();
        }
        items.push(format!("<li>{}: {value_html}</li>", html::escaped(key)));
    }
    items.push("<li>From: <a href=\"https://globalstorybooks.net/\">Global Storybooks</a> and the <a href=\"https://www.africanstorybook.org/\">African Storybook Project</a></li>".to_owned());
    if credits.license.is_empty() {
        let hint = "add a line such as * License: [CC-BY] to the last section";
        problems.error(
            SourceLocation { file, line: line.max(1) },
            "missing-field",
            format!("the text ({lang}) does not state a licence"),
            hint,
        );
    }
    credits.html = html::clean(&format!("<ul>{}</ul>", items.concat()));
    credits
}

/// Converts a language code of a file name, such as `ha-ne` (a region), `zh-hant` (a script) or `tw-akua` (an
/// unregistered variant), to a language tag.
fn language_tag(code: &str) -> String {
    let code = code.to_ascii_lowercase();
    let Some((language, part)) = code.split_once('-') else { return code };
    let is_region = part.len() == 2 || part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit());
    match part {
        _ if is_region => format!("{language}-{}", part.to_ascii_uppercase()),
        "arab" | "cyrl" | "deva" | "hans" | "hant" | "latn" | "tfng" => {
            format!("{language}-{}{}", part[..1].to_ascii_uppercase(), &part[1..])
        }
        _ => format!("{language}-x-{part}"),
    }
}

/// Returns the level, 1 to 5, by the mean number of words per page, according to the levels of the African Storybook
/// Project (up to 10, 25, 50, 75 words). All translations of a story have the level of its English text, if there is
/// one. Words are counted by Unicode word boundaries in all scripts.
fn level(context: &CompileContext<'_>, book: &Storybook, own_parts: &Parts) -> u8 {
    let english = storybook_paths::texts_in("en", &book.number)
        .iter()
        .find_map(|prefix| context.first_with_prefix(prefix));
    let english = english
        .filter(|p| *p != book.file)
        .and_then(|p| context.read_text(p))
        .map(|text| parse_text(&text));
    let parts = english.as_ref().unwrap_or(own_parts);
    let pages: Vec<usize> = parts
        .pages
        .iter()
        .map(|(_, text)| plain(text).unicode_words().count())
        .filter(|n| *n > 0)
        .collect();
    let mean = pages.iter().sum::<usize>() / pages.len().max(1);
    match mean {
        0..=10 => 1,
        11..=25 => 2,
        26..=50 => 3,
        51..=75 => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests;
