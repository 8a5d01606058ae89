//! Reads texts in the Global Storybooks layout (github.com/global-asp): `text/NNNN/LANG__NNNN_title.md`,
//! `images/NNNN/kk.jpg`, `audio/NNNN/LANG/kk.mp3`. Page `01` is the title page; the last section of the text contains
//! the credits.
//!
//! Not here: Carrel's own stories (`course_format`).

use carrel_model::{
    Slug,
    content::{Cover, Dir},
};
use unicode_segmentation::UnicodeSegmentation;

use super::{Importer, Input};
use crate::{
    compile::{
        context::CompileContext,
        media_block::{AllowedMedia, MediaBlock},
    },
    draft::{Draft, Metadata, PageDraft, StoryDraft},
    problem::{Problems, SourceLocation},
    source::Source,
    text::{html, markdown::Scope, sentence::Paragraph},
};

pub(super) static IMPORTER: Importer = Importer { detect, draft, owns_folder: false };

/// One text of a Global Storybooks folder: `text/NNNN/LANG__NNNN_title.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Storybook {
    /// Four digits.
    number: String,
    /// Language code in the file name: `en`, `ha-ne`, `tw-akua`.
    lang: String,
    /// Path of the text, relative to the package's root.
    file: String,
}

/// Lists the texts, sorted by number and language.
fn detect(source: &Source) -> Vec<Input> {
    let mut books: Vec<_> = source.files.keys().filter_map(|path| parse_path(path)).collect();
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
    let (_, book) = parse_path(&input.file)?;
    read_book(context, &book).map(Draft::Story)
}

/// Parses a path such as `.../text/0001/en__0001_a-very-tall-man.md`.
fn parse_path(path: &str) -> Option<(&str, Storybook)> {
    let (rest, name) = path.rsplit_once('/')?;
    let (rest, number) = rest.rsplit_once('/').unwrap_or(("", rest));
    let folder = match rest.rsplit_once('/') {
        Some((folder, "text")) => folder,
        None if rest == "text" => "",
        _ => return None,
    };
    let (lang, title) = name.strip_suffix(".md")?.split_once("__")?;
    let digits = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
    let language = !lang.is_empty() && lang.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let file = path.strip_prefix(folder)?.trim_start_matches('/').to_owned();
    (digits && language && title.split('_').next() == Some(number))
        .then(|| (folder, Storybook { number: number.to_owned(), lang: lang.to_owned(), file }))
}

/// Reads one story in one language.
fn read_book(context: &mut CompileContext<'_>, book: &Storybook) -> Option<StoryDraft> {
    let file = book.file.as_str();
    let problems = context.problems;
    let text = context.read_text(file)?;
    let parts = parse_text(&text);
    let at = SourceLocation { file, line: 1 };
    let title = parts.title.clone().or_else(|| {
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
    let lang = language_tag(&book.lang);
    let slug = format!("gs-{}-{}", book.number, book.lang.to_ascii_lowercase());
    let id = Slug::new(&slug)
        .map_err(|_| {
            problems.error(
                at,
                "bad-id",
                format!("{file:?} cannot be converted to an id"),
                "rename the file to LANG__NNNN_title.md",
            )
        })
        .ok()?;
    let scope = Scope { root: Some(id.clone()), lang: lang.clone(), ..Scope::default() };

    let mut pages = Vec::new();
    let sections = std::iter::once((1, title.clone())).chain(parts.pages.iter().cloned());
    for (k, (line, text)) in sections.enumerate() {
        let number = k + 1;
        let paragraphs: Vec<_> = text
            .split("\n\n")
            .map(|text| {
                let mut paragraph = Paragraph::default();
                paragraph.text(text);
                paragraph
            })
            .collect();
        let sentences: Vec<_> = paragraphs.iter().flat_map(|p| p.sentences().0).collect();
        let alt: String = sentences.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ");
        let at = SourceLocation { file, line };
        let image = ["jpg", "jpeg", "png", "webp"]
            .iter()
            .map(|e| format!("images/{}/{number:02}.{e}", book.number))
            .find(|p| context.entry(p).is_some())
            .and_then(|path| {
                context.image(at, &path, if alt.is_empty() { &title } else { &alt }, "")
            });
        let narration = recording_languages(&book.lang)
            .into_iter()
            .flat_map(|lang| {
                ["mp3", "ogg"].map(|e| format!("audio/{}/{lang}/{number:02}.{e}", book.number))
            })
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
        pages.push(PageDraft { line, image, narration, timing: None, paragraphs });
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
    for (n, line) in text.lines().enumerate() {
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
        let mut value_html = html::escaped(value);
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

/// Converts a language code of a file name, such as `ha-ne` (a region) or `tw-akua` (an unregistered variant), to a
/// language tag.
fn language_tag(code: &str) -> String {
    match code.split_once('-') {
        Some((language, region)) if region.len() == 2 => {
            format!("{}-{}", language.to_ascii_lowercase(), region.to_ascii_uppercase())
        }
        Some((language, variant)) => {
            format!("{}-x-{}", language.to_ascii_lowercase(), variant.to_ascii_lowercase())
        }
        None => code.to_ascii_lowercase(),
    }
}

/// Returns the folders that may contain narrations in a language. Norwegian recordings (`no`) belong to the Bokmål
/// text.
fn recording_languages(lang: &str) -> Vec<&str> {
    match lang {
        "nb" => vec!["nb", "no"],
        _ => vec![lang],
    }
}

/// Returns the level, 1 to 5, by the mean number of words per page, according to the levels of the African Storybook
/// Project (up to 10, 25, 50, 75 words). All translations of a story have the level of its English text, if there is
/// one. Words are counted by Unicode word boundaries in all scripts.
fn level(context: &CompileContext<'_>, book: &Storybook, own_parts: &Parts) -> u8 {
    let prefix = format!("text/{}/en__{}_", book.number, book.number);
    let english = context
        .source
        .files_under(context.folder)
        .map(|(p, _)| p)
        .find(|p| p.starts_with(&prefix))
        .map(str::to_owned);
    let english = english
        .filter(|p| *p != book.file)
        .and_then(|p| context.read_text(&p))
        .map(|text| parse_text(&text));
    let parts = english.as_ref().unwrap_or(own_parts);
    let pages: Vec<usize> = parts
        .pages
        .iter()
        .map(|(_, text)| text.unicode_words().count())
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
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_into_title_pages_and_credits() {
        let parts = parse_text(
            "# A tall man\r\nBy the sea\r\n\r\n##\r\nOne.\r\n\r\nTwo.\r\n\r\n##\r\n* License: [CC-BY]\r\n* Text: A B, C D\r\n* Illustration: E <F>\r\n* Language: en\r\n",
        );
        assert_eq!(parts.title.as_deref(), Some("A tall man By the sea"));
        assert_eq!(parts.pages, [(4, "One.\n\nTwo.".to_owned())]);
        assert_eq!(parts.credits_line, 9);
        let problems = Problems::default();
        let credits = credits(&parts.credits, "en", "f", 9, &problems);
        assert_eq!(
            (credits.license.as_str(), credits.authors.as_slice()),
            ("CC-BY-4.0", &["A B".to_owned(), "C D".to_owned()][..])
        );
        assert!(credits.html.contains("<li>Illustration: E &lt;F&gt;</li>"), "{}", credits.html);
        assert!(
            credits.html.contains("href=\"https://creativecommons.org/licenses/by/4.0/\""),
            "{}",
            credits.html
        );
        assert!(!problems.has_errors());
    }

    #[test]
    fn language_codes_are_converted_to_tags() {
        for (code, tag) in [
            ("en", "en"),
            ("ha-ne", "ha-NE"),
            ("tw-akua", "tw-x-akua"),
            ("lgg-official", "lgg-x-official"),
        ] {
            assert_eq!(language_tag(code), tag);
        }
        assert_eq!(Dir::of_language("ar"), Dir::Rtl);
    }

    #[test]
    fn paths_of_storybooks_are_parsed() {
        let (folder, book) = parse_path("a/b/text/0001/ha-ne__0001_wani.md").unwrap();
        assert_eq!((folder, book.number.as_str(), book.lang.as_str()), ("a/b", "0001", "ha-ne"));
        assert_eq!(book.file, "text/0001/ha-ne__0001_wani.md");
        assert_eq!(parse_path("text/0001/en__0001_x.md").unwrap().0, "");
        for path in [
            "text/0001/en__0002_x.md",
            "text/1/en__1_x.md",
            "images/0001/en__0001_x.md",
            "text/0001/README.md",
        ] {
            assert!(parse_path(path).is_none(), "{path}");
        }
    }
}
