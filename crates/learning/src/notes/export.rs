//! Notes as files for other programs: W3C annotations, Markdown, HTML.
//!
//! Not here: writing the file (`carrel_client::bundle`).

use std::fmt::Write as _;

use carrel_model::{ItemId, RevisionId, lattice::NoteMark};
use serde_json::{Value, json};

use crate::utc_text as time;

/// A note to be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedNote {
    /// Id of the note.
    pub note: RevisionId,
    /// The section or story.
    pub item: ItemId,
    /// Titles of the course and of the section, or of the story.
    pub headings: Vec<String>,
    /// The marked text; empty for a note on the whole item.
    pub quote: String,
    /// The text before the quote.
    pub prefix: String,
    /// The text after the quote.
    pub suffix: String,
    /// Texts of the note: several if devices edited it at the same time. Empty for a highlight or a bookmark.
    pub texts: Vec<String>,
    /// How the passage is marked.
    pub mark: NoteMark,
    /// Time of the first revision, in UTC milliseconds.
    pub created_ms: i64,
    /// Time of the last revision, in UTC milliseconds.
    pub changed_ms: i64,
}

/// Returns the notes in the form of the W3C: a ZIP file that contains `annotations.json` (JSON-LD).
pub fn to_annotations(notes: &[ExportedNote], title: &str, id: RevisionId, now_ms: i64) -> Vec<u8> {
    let set = json!({
        "@context": CONTEXT,
        "id": format!("urn:uuid:{id}"),
        "type": "AnnotationSet",
        "generator": { "type": "Software", "name": "Carrel" },
        "generated": time(now_ms),
        "about": { "dc:title": title, "dc:format": "text/html" },
        "items": notes.iter().map(annotation).collect::<Vec<_>>(),
    });
    zip_of("annotations.json", format!("{set:#}\n").as_bytes())
}

const CONTEXT: &str = "http://www.w3.org/ns/anno.jsonld";

fn annotation(note: &ExportedNote) -> Value {
    let headings = note.headings.iter().zip(1..);
    let headings: Vec<Value> =
        headings.map(|(txt, level)| json!({ "level": level, "txt": txt })).collect();
    let mut target = json!({ "source": note.item.as_str(), "meta": { "headings": headings } });
    if !note.quote.is_empty() {
        target["selector"] = json!([{
            "type": "TextQuoteSelector",
            "exact": note.quote,
            "prefix": note.prefix,
            "suffix": note.suffix,
        }]);
    }
    let mut annotation = json!({
        "@context": CONTEXT,
        "id": format!("urn:uuid:{}", note.note),
        "type": "Annotation",
        "created": time(note.created_ms),
        "modified": time(note.changed_ms),
        "target": target,
    });
    let text = note.texts.join("\n\n");
    let motivation = match (note.mark, text.is_empty()) {
        (NoteMark::Bookmark, _) => "bookmarking",
        (_, true) => "highlighting",
        (_, false) => "commenting",
    };
    annotation["motivation"] = motivation.into();
    if note.mark != NoteMark::Bookmark || !text.is_empty() {
        let color = match note.mark {
            NoteMark::Yellow | NoteMark::Bookmark => "yellow",
            NoteMark::Green => "green",
            NoteMark::Blue => "blue",
            NoteMark::Pink => "pink",
        };
        annotation["body"] = json!({
            "type": "TextualBody", "value": text, "format": "text/plain", "color": color,
        });
    }
    annotation
}

/// Returns the notes as Markdown.
pub fn to_markdown(notes: &[ExportedNote], title: &str) -> String {
    let mut out = format!("# {}\n", markdown(title));
    let mut headings: &[String] = &[];
    for note in notes {
        if note.headings != headings {
            headings = &note.headings;
            // Writing to a `String` cannot fail.
            let _ = write!(out, "\n## {}\n", markdown(&headings.join(" \u{2013} ")));
        }
        out.push('\n');
        if !note.quote.is_empty() {
            let _ = writeln!(out, "> {}\n", markdown(&note.quote));
        }
        for text in &note.texts {
            let lines: Vec<String> = text.lines().map(markdown).collect();
            let _ = writeln!(out, "{}\n", lines.join("  \n"));
        }
        let _ = writeln!(out, "*{}*", time(note.changed_ms));
    }
    out
}

/// Returns the notes as an HTML page without scripts and external files.
pub fn to_html(notes: &[ExportedNote], title: &str) -> String {
    let title = html(title);
    let mut out = format!(
        "<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n</head>\n\
        <body>\n<h1 dir=\"auto\">{title}</h1>\n"
    );
    let mut headings: &[String] = &[];
    for note in notes {
        if note.headings != headings {
            headings = &note.headings;
            let _ = writeln!(out, "<h2 dir=\"auto\">{}</h2>", html(&headings.join(" \u{2013} ")));
        }
        out.push_str("<article>\n");
        if !note.quote.is_empty() {
            let quote = html(&note.quote);
            let _ = writeln!(out, "<blockquote dir=\"auto\"><mark>{quote}</mark></blockquote>");
        }
        for text in &note.texts {
            let text = html(text).replace('\n', "<br>\n");
            let _ = writeln!(out, "<p dir=\"auto\">{text}</p>");
        }
        let time = time(note.changed_ms);
        let _ = writeln!(out, "<p><time datetime=\"{time}\">{time}</time></p>\n</article>");
    }
    out.push_str("</body>\n</html>\n");
    out
}

/// Escapes the characters with which text would become markup.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let marks_a_line = at == 0 && matches!(c, '#' | '+' | '-' | '=' | '~' | '|');
        if marks_a_line || matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&') {
            out.push('\\');
        }
        out.push(c);
    }
    // A number at the start of a line with a full stop or a parenthesis begins a list.
    let digits = out.chars().take_while(char::is_ascii_digit).count();
    if digits > 0 && out[digits..].starts_with(['.', ')']) {
        out.insert(digits, '\\');
    }
    out
}

/// Returns a ZIP file with one stored (not compressed) file.
fn zip_of(name: &str, content: &[u8]) -> Vec<u8> {
    let crc = crc32(content);
    // Shared by both headers: version 2.0, names in UTF-8, stored, 1980-01-01 00:00.
    let mut facts = Vec::new();
    for field in [20_u16, 1 << 11, 0, 0, 0x21] {
        facts.extend(field.to_le_bytes());
    }
    for field in [crc, content.len() as u32, content.len() as u32] {
        facts.extend(field.to_le_bytes());
    }
    for field in [name.len() as u16, 0] {
        facts.extend(field.to_le_bytes());
    }
    let mut out = b"PK\x03\x04".to_vec();
    out.extend(&facts);
    out.extend(name.as_bytes());
    out.extend(content);
    let directory = out.len() as u32;
    out.extend(b"PK\x01\x02\x14\x00");
    out.extend(&facts);
    // No comment, first disk, no attributes, header at the start of the file.
    out.extend([0; 14]);
    out.extend(name.as_bytes());
    let directory_len = out.len() as u32 - directory;
    out.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    out.extend(directory_len.to_le_bytes());
    out.extend(directory.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> ExportedNote {
        ExportedNote {
            note: RevisionId::from_u128(7),
            item: ItemId::new("rivers/basin/read").unwrap(),
            headings: vec!["Rivers".into(), "The <basin>".into()],
            quote: "water & *stone*".into(),
            prefix: "of ".into(),
            suffix: ".".into(),
            texts: vec!["1. see <b>\n# two".into()],
            mark: NoteMark::Green,
            created_ms: 1_780_000_000_123,
            changed_ms: 1_780_000_060_000,
        }
    }

    #[test]
    fn annotations_are_json_ld_in_a_zip_file() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let bookmark = ExportedNote { texts: vec![], mark: NoteMark::Bookmark, ..note() };
        let highlight = ExportedNote { texts: vec![], mark: NoteMark::Pink, ..note() };
        let whole = ExportedNote { quote: String::new(), ..note() };
        let file = to_annotations(
            &[note(), bookmark, highlight, whole],
            "My notes",
            RevisionId::from_u128(1),
            0,
        );
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(file)).unwrap();
        assert_eq!(zip.len(), 1);
        let set: Value = serde_json::from_reader(zip.by_name("annotations.json").unwrap()).unwrap();
        assert_eq!((&set["type"], &set["@context"]), (&"AnnotationSet".into(), &CONTEXT.into()));
        let items = set["items"].as_array().unwrap();
        assert_eq!(items[0]["id"], "urn:uuid:00000000-0000-0000-0000-000000000007");
        assert_eq!(items[0]["created"], "2026-05-28T20:26:40Z");
        assert_eq!(items[0]["body"]["value"], "1. see <b>\n# two");
        assert_eq!(items[0]["body"]["color"], "green");
        let selector = &items[0]["target"]["selector"][0];
        assert_eq!(
            (&selector["exact"], &selector["prefix"]),
            (&"water & *stone*".into(), &"of ".into())
        );
        assert_eq!(items[0]["target"]["meta"]["headings"][1]["txt"], "The <basin>");
        let motivations: Vec<&Value> = items.iter().map(|i| &i["motivation"]).collect();
        assert_eq!(motivations, ["commenting", "bookmarking", "highlighting", "commenting"]);
        assert!(items[1].get("body").is_none());
        assert_eq!(
            (&items[2]["body"]["value"], &items[2]["body"]["color"]),
            (&"".into(), &"pink".into())
        );
        assert!(items[3]["target"].get("selector").is_none());
    }

    #[test]
    fn texts_do_not_become_markup() {
        let page = to_html(&[note()], "A & B");
        assert!(page.contains("<mark>water &amp; *stone*</mark>"), "{page}");
        assert!(page.contains("1. see &lt;b&gt;<br>\n# two"), "{page}");
        assert!(page.contains("<h2 dir=\"auto\">Rivers \u{2013} The &lt;basin&gt;</h2>"), "{page}");
        let text = to_markdown(&[note(), note()], "A & B");
        assert!(text.contains("> water \\& \\*stone\\*"), "{text}");
        assert!(text.contains("1\\. see \\<b\\>  \n\\# two"), "{text}");
        assert_eq!(text.matches("## Rivers").count(), 1, "one heading for both notes");
    }
}
