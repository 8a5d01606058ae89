//! The word list as files for other programs: CSV, JSON.
//!
//! Not here: writing the file (`carrel_client::bundle`).

use std::{collections::BTreeMap, fmt::Write as _};

use carrel_model::{CardKey, ItemId, lattice::date_of_day};
use serde::Serialize;

use crate::{CardSummary, utc_text};

/// A word to be exported. The texts are empty if its entry is not on this device.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedWord {
    /// The word.
    pub word: String,
    /// Language of the word, as a BCP 47 tag.
    pub language: String,
    /// For example "noun".
    pub part_of_speech: String,
    /// As written by the author.
    pub pronunciation: String,
    /// Definition in the language of the content.
    pub meaning: String,
    /// Example sentence.
    pub example: String,
    /// Translations by language tag.
    pub translations: BTreeMap<String, String>,
    /// The word that was added, `root/word`.
    pub item: ItemId,
    /// Key of the card.
    pub card: CardKey,
    /// When it was added, in UTC: `2026-11-20T12:00:00Z`.
    pub added: String,
    /// `new`, `learning`, `known` (marked by the learner) or `suspended`.
    pub state: &'static str,
    /// 0 to 1, in hundredths.
    pub mastery: f64,
    /// Number of answers.
    pub reviews: u32,
    /// Number of times it was forgotten.
    pub lapses: u32,
    /// Study day on which it is due, `2026-11-20`; `None` for a new card.
    pub due: Option<String>,
}

impl ExportedWord {
    /// Creates a word without texts.
    pub fn new(item: ItemId, card: CardKey, saved_ms: i64, of: &CardSummary) -> Self {
        let state = match of {
            _ if of.marks.suspended => "suspended",
            _ if of.marks.known => "known",
            _ if of.reviews == 0 => "new",
            _ => "learning",
        };
        Self {
            word: String::new(),
            language: String::new(),
            part_of_speech: String::new(),
            pronunciation: String::new(),
            meaning: String::new(),
            example: String::new(),
            translations: BTreeMap::new(),
            item,
            card,
            added: utc_text(saved_ms),
            state,
            mastery: (of.mastery * 100.0).round() / 100.0,
            reviews: of.reviews,
            lapses: of.lapses,
            due: of.due_day.map(|day| date_of_day(day).to_string()),
        }
    }
}

#[derive(Serialize)]
struct WordFile<'a> {
    format: &'static str,
    words: &'a [ExportedWord],
}

/// Returns the words as JSON: an object with `format` and `words`.
pub fn to_json(words: &[ExportedWord]) -> Vec<u8> {
    let file = WordFile { format: "carrel-words/1", words };
    let mut out = serde_json::to_vec_pretty(&file).unwrap_or_default();
    out.push(b'\n');
    out
}

const COLUMNS: [&str; 15] = [
    "word",
    "language",
    "part_of_speech",
    "pronunciation",
    "meaning",
    "example",
    "translations",
    "item",
    "card",
    "added",
    "state",
    "mastery",
    "reviews",
    "lapses",
    "due",
];

/// Returns the words as CSV (RFC 4180) with a line of column names and a byte order mark, by which spreadsheets detect
/// UTF-8. A text that a spreadsheet would run as a formula gets an apostrophe in front.
pub fn to_csv(words: &[ExportedWord]) -> Vec<u8> {
    let mut out = String::from("\u{feff}");
    line(&mut out, COLUMNS.map(str::to_owned));
    for word in words {
        let translations = word.translations.iter().map(|(tag, text)| format!("{tag}: {text}"));
        let translations: Vec<String> = translations.collect();
        let texts = [
            word.word.clone(),
            word.language.clone(),
            word.part_of_speech.clone(),
            word.pronunciation.clone(),
            word.meaning.clone(),
            word.example.clone(),
            translations.join("; "),
            word.item.to_string(),
            word.card.to_string(),
            word.added.clone(),
            word.state.to_owned(),
            format!("{:.2}", word.mastery),
            word.reviews.to_string(),
            word.lapses.to_string(),
            word.due.clone().unwrap_or_default(),
        ];
        line(&mut out, texts);
    }
    out.into_bytes()
}

fn line(out: &mut String, cells: [String; COLUMNS.len()]) {
    let cells = cells.map(|cell| {
        let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let text = format!("{}{cell}", if is_formula { "'" } else { "" });
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    });
    // Writing to a `String` cannot fail.
    let _ = write!(out, "{}\r\n", cells.join(","));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CardMarks;

    fn word(text: &str, meaning: &str, marks: CardMarks, reviews: u32) -> ExportedWord {
        let summary = CardSummary {
            marks,
            is_leech: false,
            is_due: false,
            reviews,
            lapses: 1,
            mastery: 0.456,
            due_day: (reviews > 0).then_some(20_777),
            last_day: None,
        };
        let (item, card) =
            (ItemId::new("rivers/meander").unwrap(), CardKey::of_word("en", None, text));
        let translations = [("ar", "منعطف"), ("fr", "méandre")];
        ExportedWord {
            word: text.to_owned(),
            language: "en".to_owned(),
            meaning: meaning.to_owned(),
            translations: translations.map(|(tag, t)| (tag.to_owned(), t.to_owned())).into(),
            ..ExportedWord::new(item, card, 1_795_176_000_000, &summary)
        }
    }

    #[test]
    fn csv_quotes_cells_and_disarms_formulas() {
        let bend = word("meander", "a bend, \"winding\"\nof a river", CardMarks::default(), 3);
        let formula = word("x", "=HYPERLINK(1)", CardMarks::default(), 0);
        let csv = String::from_utf8(to_csv(&[bend, formula])).unwrap();
        let (head, rows) = csv.strip_prefix('\u{feff}').unwrap().split_once("\r\n").unwrap();
        assert_eq!(head.split(',').count(), COLUMNS.len());
        assert_eq!(
            rows,
            "meander,en,,,\"a bend, \"\"winding\"\"\nof a river\",,ar: منعطف; fr: méandre,rivers/meander,en//meander,\
             2026-11-20T12:00:00Z,learning,0.46,3,1,2026-11-20\r\n\
             x,en,,,'=HYPERLINK(1),,ar: منعطف; fr: méandre,rivers/meander,en//x,\
             2026-11-20T12:00:00Z,new,0.46,0,1,\r\n"
        );
    }

    #[test]
    fn json_has_all_fields_and_the_texts_as_they_are() {
        let known = CardMarks { known: true, ..CardMarks::default() };
        let both = CardMarks { suspended: true, ..known };
        let words = [word("a", "=1", known, 1), word("b", "", both, 1)];
        let file: serde_json::Value = serde_json::from_slice(&to_json(&words)).unwrap();
        assert_eq!(file["format"], "carrel-words/1");
        let first = &file["words"][0];
        assert_eq!((&first["meaning"], &first["state"]), (&"=1".into(), &"known".into()));
        assert_eq!((&first["due"], &first["mastery"]), (&"2026-11-20".into(), &0.46.into()));
        assert_eq!(first["translations"]["fr"], "méandre");
        assert_eq!(file["words"][1]["state"], "suspended");
    }
}
