//! The text of a block to which the offsets of notes refer. The reader computes the same text from the nodes of the
//! page; `crates/learning/tests/learning/note_texts.json` contains cases that both have to pass.

use carrel_model::{
    content::{Block, Page},
    lattice::NoteAnchor,
};

/// Elements whose edges do not separate words. The edges of all other elements count as white space, so that the last
/// word of a paragraph and the first word of the next one, or two cells of a table, are not joined.
const INLINE: [&str; 14] = [
    "a", "abbr", "b", "code", "del", "em", "i", "input", "kbd", "mark", "span", "strong", "sub",
    "sup",
];

/// Returns the text of a block in the form of `NoteAnchor::fold`. Empty for a block without text.
pub fn block_text(block: &Block) -> String {
    match block {
        Block::RichText { html } => html_text(html),
        Block::Math { mathml, .. } => html_text(mathml),
        Block::Image { image } if image.caption.is_empty() => NoteAnchor::fold(&image.alt),
        Block::Image { image } => NoteAnchor::fold(&image.caption),
        Block::Audio { audio } => NoteAnchor::fold(&audio.title),
        Block::Video { video } => NoteAnchor::fold(&video.title),
        Block::Code { text, .. } => NoteAnchor::fold(text),
        Block::Quiz { title, .. } | Block::Story { title, .. } => NoteAnchor::fold(title),
    }
}

/// Returns the text of a page of a story in the same form: its sentences with spaces between them.
pub fn page_text(page: &Page) -> String {
    let sentences: Vec<&str> = page.sentences.iter().map(|s| s.text.as_str()).collect();
    NoteAnchor::fold(&sentences.join(" "))
}

/// Returns the text of sanitised HTML: tags removed, character references replaced. Knows the references that the
/// compiler writes, and numeric ones.
pub fn html_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    // Elements of MathML within `math`: letters of one formula are one word.
    let mut is_formula = false;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('&') {
            let (replaced, len) = reference(rest);
            text.push_str(&replaced);
            rest = &rest[len..];
        } else if let Some(len) = tag_len(rest) {
            let name = rest[1..len].trim_start_matches('/');
            let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let name = name.to_ascii_lowercase();
            if name == "math" {
                is_formula = !rest.starts_with("</");
            } else if !is_formula && !INLINE.contains(&name.as_str()) && !rest.starts_with("<!") {
                text.push(' ');
            }
            rest = &rest[len..];
        } else {
            text.push('<');
            rest = &rest[1..];
        }
    }
    text.push_str(rest);
    NoteAnchor::fold(&text)
}

/// Returns the length of the tag or comment at the start of `rest`; `None` if it is only a `<`. A `>` within a quoted
/// value does not end a tag.
fn tag_len(rest: &str) -> Option<usize> {
    if let Some(comment) = rest.strip_prefix("<!--") {
        return Some(comment.find("-->").map_or(rest.len(), |at| 4 + at + 3));
    }
    let first = rest[1..].chars().next()?;
    if !(first.is_ascii_alphabetic() || first == '/' || first == '!') {
        return None;
    }
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => return Some(at + 1),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    Some(rest.len())
}

/// Returns the text of the character reference at the start of `rest` and its length. What is not a reference is
/// returned as it is.
fn reference(rest: &str) -> (String, usize) {
    let end = rest.bytes().take(12).position(|b| b == b';');
    let known = end.and_then(|end| {
        let name = &rest[1..end];
        let text = match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "nbsp" => '\u{a0}',
            _ => {
                let digits = name.strip_prefix('#')?;
                let code = match digits.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => digits.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        };
        Some((text.to_string(), end + 1))
    });
    known.unwrap_or_else(|| ("&".to_owned(), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_block_is_that_of_the_page() {
        #[derive(serde::Deserialize)]
        struct Case {
            html: String,
            text: String,
        }
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/learning/note_texts.json")).unwrap();
        assert!(cases.len() >= 30);
        for case in cases {
            assert_eq!(html_text(&case.html), case.text, "{}", case.html);
            assert_eq!(block_text(&Block::RichText { html: case.html }), case.text);
        }
    }

    #[test]
    fn a_long_text_of_references_is_read_once() {
        // Quadratic work would take minutes.
        let html = "&".repeat(400_000);
        assert_eq!(html_text(&html), html);
        assert_eq!(html_text(&"<".repeat(400_000)).len(), 400_000);
    }
}
