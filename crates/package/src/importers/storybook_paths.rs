//! Paths in the layouts of Global Storybooks: as published (`LANG/NNNN_title.md`), and collected by number
//! (`text/NNNN/LANG__NNNN_title.md`), with the images and recordings of a text.
//!
//! Not here: the content of the texts (`storybook`).

/// One text of a Global Storybooks folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storybook {
    /// Four digits.
    pub number: String,
    /// Language code: `en`, `ha-ne`, `tw-akua`.
    pub lang: String,
    /// Path of the text, relative to the root of the collection.
    pub file: String,
}

/// Parses the path of a text and returns the root folder of its collection. The texts may be in a folder `text`.
pub(super) fn parse(path: &str) -> Option<(&str, Storybook)> {
    let (folder, name) = path.rsplit_once('/')?;
    let title = name.strip_suffix(".md").or_else(|| name.strip_suffix(".MD"))?;
    let (above, own) = folder.rsplit_once('/').unwrap_or(("", folder));
    let (root, number, lang) = match title.split_once("__") {
        Some((lang, rest)) if rest.split('_').next() == Some(own) => (text_root(above)?, own, lang),
        _ => {
            let number = title.split('_').next().filter(|number| number.len() < title.len())?;
            (text_root(above).unwrap_or(above), number, own)
        }
    };
    if number.len() != 4 || !number.bytes().all(|b| b.is_ascii_digit()) || !is_language(lang) {
        return None;
    }
    let file = path.strip_prefix(root)?.trim_start_matches('/').to_owned();
    Some((root, Storybook { number: number.to_owned(), lang: lang.to_owned(), file }))
}

/// Returns the folder that contains the folder `text`.
fn text_root(folder: &str) -> Option<&str> {
    match folder.rsplit_once('/') {
        Some((root, "text")) => Some(root),
        None if folder == "text" => Some(""),
        _ => None,
    }
}

/// Returns true for a code of two or three letters, which a region or the name of a variant may follow.
fn is_language(code: &str) -> bool {
    let mut parts = code.split('-');
    let language = parts.next().unwrap_or_default();
    matches!(language.len(), 2 | 3)
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Returns the starts of the paths that the text of a story in another language can have.
pub(super) fn texts_in(lang: &str, number: &str) -> [String; 3] {
    [
        format!("text/{number}/{lang}__{number}_"),
        format!("{lang}/{number}_"),
        format!("text/{lang}/{number}_"),
    ]
}

/// Returns the paths that the image of a page can have: in a folder `images`, or in the published image bank.
pub(super) fn images(number: &str, page: usize) -> impl Iterator<Item = String> {
    let number = number.to_owned();
    let folders =
        ["images/", "asp-imagebank/", "", "asp-imagebank/medium/", "asp-imagebank/large/"];
    folders.into_iter().flat_map(move |folder| {
        let number = number.clone();
        ["jpg", "jpeg", "png", "webp", "JPG", "JPEG", "PNG", "WEBP"].into_iter().flat_map(
            move |e| {
                let folder = format!("{folder}{number}");
                [format!("{folder}/{page:02}.{e}"), format!("{folder}/{page}.{e}")]
            },
        )
    })
}

/// Returns the paths that the recording of a page can have: by number, or as published by language.
pub(super) fn recordings(book: &Storybook, page: usize) -> impl Iterator<Item = String> {
    let number = book.number.clone();
    recording_languages(&book.lang).into_iter().flat_map(move |lang| {
        let folders = [
            format!("audio/{number}/{lang}"),
            format!("audio/{lang}/{number}"),
            format!("audio/{lang}/{number}/mp3"),
        ];
        folders.into_iter().flat_map(move |folder| {
            ["mp3", "ogg", "m4a", "wav", "MP3"].map(|e| format!("{folder}/{page:02}.{e}"))
        })
    })
}

/// Returns the folders that may contain narrations in a language. Norwegian recordings (`no`) belong to the Bokmål
/// text.
fn recording_languages(lang: &str) -> Vec<String> {
    let mut codes = vec![lang.to_owned()];
    if lang == "nb" {
        codes.push("no".to_owned());
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_storybooks_are_parsed() {
        for (path, root, number, lang) in [
            ("a/b/text/0001/ha-ne__0001_wani.md", "a/b", "0001", "ha-ne"),
            ("text/0001/en__0001_x.md", "", "0001", "en"),
            ("sw/0240_ngombe.md", "", "0240", "sw"),
            ("asp-source/af/0001_n_baie__lang_man_0.md", "asp-source", "0001", "af"),
            ("tw-akua/0008_wo-reye-dɛn?.md", "", "0008", "tw-akua"),
            ("a/text/sw/0240_ngombe.md", "a", "0240", "sw"),
        ] {
            let (found, book) = parse(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((found, book.number.as_str(), book.lang.as_str()), (root, number, lang));
            assert!(
                path.ends_with(&book.file) && !book.file.starts_with('/'),
                "{path}: {}",
                book.file
            );
            assert_eq!(parse(&book.file), Some(("", book.clone())), "{path}");
        }
        for path in [
            "text/0001/en__0002_x.md",
            "text/1/en__1_x.md",
            "images/0001/en__0001_x.md",
            "text/0001/README.md",
            "sw/README.md",
            "0240_ngombe.md",
            "notes/2024_plan.md",
            "sw/0240.md",
            "sw/024_x.md",
            "sw/0240-x.md",
        ] {
            assert!(parse(path).is_none(), "{path}");
        }
    }
}
