//! Word lists as a table of text: one line for each meaning of a word. See docs/BUNDLES.md for the columns.

use super::{
    BadLine, MAX_FORMS, MAX_GLOSS_CHARS, Source, SourceEntry,
    rows::{rows, separator},
    word_problem,
};
use crate::{Entry, Sense};

/// The columns, in the order of a table without a heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Headword,
    PartOfSpeech,
    Gloss,
    Forms,
    Ipa,
    Example,
    Rank,
    FormOf,
    GlossLang,
}

const DEFAULT_COLUMNS: [Column; 7] = [
    Column::Headword,
    Column::PartOfSpeech,
    Column::Gloss,
    Column::Forms,
    Column::Ipa,
    Column::Example,
    Column::Rank,
];

/// Returns the column with this heading.
fn column(heading: &str) -> Option<Column> {
    let plain: String =
        heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    Some(match plain.as_str() {
        "headword" | "word" | "lemma" => Column::Headword,
        "partofspeech" | "pos" => Column::PartOfSpeech,
        "gloss" | "meaning" | "definition" | "translation" => Column::Gloss,
        "forms" | "form" => Column::Forms,
        "ipa" | "pronunciation" => Column::Ipa,
        "example" | "examples" => Column::Example,
        "rank" | "frequencyrank" => Column::Rank,
        "formof" => Column::FormOf,
        "glosslang" | "glosslanguage" | "meaninglang" => Column::GlossLang,
        _ => return None,
    })
}

/// Reads a word list as bytes. Returns the reason if the file as a whole is no text.
pub fn read_list(bytes: &[u8]) -> Result<Source, BadLine> {
    let refused = |line, reason: &str| Err(BadLine { line, reason: reason.to_owned() });
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return refused(1, "the file is UTF-16; save it as UTF-8 (\"CSV UTF-8\" in a spreadsheet)");
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return refused(
            1,
            "the file is a spreadsheet or an archive; export the table as CSV or TSV",
        );
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(read_list_text(text.strip_prefix('\u{FEFF}').unwrap_or(text))),
        Err(e) => {
            let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u64;
            refused(
                line,
                "the file is not UTF-8; save it as UTF-8 (\"CSV UTF-8\" in a spreadsheet)",
            )
        }
    }
}

/// Reads a word list. Bad lines are left out and reported.
pub fn read_list_text(text: &str) -> Source {
    let mut source = Source::default();
    let mut rows = rows(text, separator(text)).into_iter().peekable();
    let mut columns = DEFAULT_COLUMNS.to_vec();
    if let Some(row) = rows.peek()
        && let Ok(cells) = &row.cells
        && cells.iter().any(|cell| column(cell) == Some(Column::Headword))
    {
        let found: Vec<Option<Column>> = cells.iter().map(|cell| column(cell)).collect();
        let unknown = cells.iter().zip(&found).find(|(_, column)| column.is_none());
        let repeated = (1..found.len()).any(|n| found[..n].contains(&found[n]));
        if let Some((cell, _)) = unknown {
            let reason = format!("unknown column {cell:?}; use the names of docs/BUNDLES.md");
            source.bad.push(BadLine { line: row.line, reason });
            return source;
        }
        if repeated {
            let reason = "two columns have one name".to_owned();
            source.bad.push(BadLine { line: row.line, reason });
            return source;
        }
        columns = found.into_iter().flatten().collect();
        rows.next();
    }
    for row in rows {
        let line = row.line;
        match row.cells.and_then(|cells| entry(line, &cells, &columns)) {
            Ok(entry) => source.entries.push(entry),
            Err(reason) => source.bad.push(BadLine { line, reason }),
        }
    }
    source
}

fn entry(line: u64, cells: &[String], columns: &[Column]) -> Result<SourceEntry, String> {
    let is_extra = cells.iter().skip(columns.len()).any(|cell| !cell.is_empty());
    if is_extra {
        let (have, may) = (cells.len(), columns.len());
        return Err(format!(
            "{have} cells, but the table has {may} columns; a separator inside a cell needs quotes"
        ));
    }
    let cell = |wanted: Column| -> &str {
        let at = columns.iter().position(|column| *column == wanted);
        at.and_then(|at| cells.get(at)).map_or("", String::as_str)
    };
    let headword = cell(Column::Headword);
    if let Some(problem) = word_problem(headword) {
        return Err(format!("the headword {problem}"));
    }
    let form_of = cell(Column::FormOf);
    if !form_of.is_empty()
        && let Some(problem) = word_problem(form_of)
    {
        return Err(format!("\"form of\" {problem}"));
    }
    let gloss = cell(Column::Gloss);
    if gloss.is_empty() && form_of.is_empty() {
        return Err(format!("{headword:?} has no gloss"));
    }
    for (name, text) in [("gloss", gloss), ("example", cell(Column::Example))] {
        if text.chars().count() > MAX_GLOSS_CHARS {
            return Err(format!("the {name} has more than {MAX_GLOSS_CHARS} characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(format!("the {name} contains a control character"));
        }
    }
    let lang = cell(Column::GlossLang);
    if !lang.is_empty()
        && let Err(hint) = carrel_model::language_tag::language_tag(lang)
    {
        return Err(format!("{lang:?} is not a language tag; {hint}"));
    }
    let rank = match cell(Column::Rank) {
        "" => None,
        text => match text.parse::<u32>() {
            Ok(rank) if rank > 0 => Some(rank),
            _ => return Err(format!("the rank is not a whole number from 1: {text:?}")),
        },
    };
    let forms: Vec<String> = cell(Column::Forms)
        .split(['|', ';', ','])
        .map(|form| form.trim().to_owned())
        .filter(|form| !form.is_empty())
        .collect();
    if forms.len() > MAX_FORMS {
        return Err(format!("{} forms; the limit is {MAX_FORMS}", forms.len()));
    }
    for form in &forms {
        if let Some(problem) = word_problem(form) {
            return Err(format!("the form {form:?} {problem}"));
        }
    }
    let example = cell(Column::Example);
    let senses = match gloss {
        "" => Vec::new(),
        gloss => vec![Sense {
            gloss: gloss.to_owned(),
            lang: lang.to_owned(),
            examples: (!example.is_empty()).then(|| example.to_owned()).into_iter().collect(),
        }],
    };
    Ok(SourceEntry {
        line,
        entry: Entry {
            headword: headword.to_owned(),
            part_of_speech: cell(Column::PartOfSpeech).to_owned(),
            ipa: cell(Column::Ipa).to_owned(),
            rank,
            senses,
        },
        forms,
        form_of: (!form_of.is_empty()).then(|| form_of.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_line_has_its_number_and_reason() {
        let long = format!("{}\tn\ta", "x".repeat(201));
        let rows: [(&str, &str); 16] = [
            ("river\tnoun", "\"river\" has no gloss"),
            ("\tnoun\twater", "the headword is empty"),
            ("...\tnoun\twater", "the headword has no letter: \"...\""),
            (&long, "the headword has more than 200 characters"),
            ("a\u{1}b\tnoun\twater", "the headword contains a control character"),
            ("river\tnoun\twater\t\t\t\tfirst", "the rank is not a whole number from 1: \"first\""),
            ("river\tnoun\twater\t\t\t\t0", "the rank is not a whole number from 1: \"0\""),
            ("river\tnoun\twater\t\t\t\t-3", "the rank is not a whole number from 1: \"-3\""),
            ("river\tnoun\twater\t\t\t\t1.5", "the rank is not a whole number from 1: \"1.5\""),
            ("river\tnoun\twater\t\t\t\t1\tmore", "8 cells, but the table has 7 columns"),
            ("river\tnoun\twater\t--", "the form \"--\" has no letter"),
            ("river\tnoun\twa\u{7}ter", "the gloss contains a control character"),
            ("river\tnoun\twater\t\t\te\u{7}", "the example contains a control character"),
            ("\u{301}\tnoun\twater", "the headword has no letter"),
            ("river", "\"river\" has no gloss"),
            (" \t \tgloss", "the headword is empty"),
        ];
        for (row, reason) in rows {
            let source =
                read_list_text(&format!("sea\tnoun\tsalt water\n\n{row}\nlake\tnoun\tstill water"));
            let [bad] = source.bad.as_slice() else { panic!("{row:?}: {:?}", source.bad) };
            assert_eq!(bad.line, 3, "{row:?}");
            assert!(bad.reason.contains(reason), "{row:?}: {}", bad.reason);
            let words: Vec<&str> =
                source.entries.iter().map(|e| e.entry.headword.as_str()).collect();
            assert_eq!(words, ["sea", "lake"], "the good lines");
        }
    }

    #[test]
    fn a_heading_names_the_columns() {
        let source = read_list_text(
            "Meaning,Word,Form of,Gloss language,Rank\n\
             \"a large, natural stream\",river,,en,120\n\
             ,rivers,river,,\n",
        );
        assert_eq!(source.bad, []);
        let [river, rivers] = source.entries.as_slice() else { panic!("{source:?}") };
        assert_eq!(river.entry.senses[0].gloss, "a large, natural stream");
        assert_eq!((river.entry.rank, river.entry.senses[0].lang.as_str()), (Some(120), "en"));
        assert_eq!(rivers.form_of.as_deref(), Some("river"));
        for (heading, reason) in [
            ("word,gloss,colour", "unknown column \"colour\""),
            ("word,gloss,meaning", "two columns have one name"),
        ] {
            let bad = read_list_text(&format!("{heading}\na,b,c")).bad;
            assert!(bad[0].line == 1 && bad[0].reason.contains(reason), "{bad:?}");
        }
        let bad = read_list_text("word,gloss,gloss lang\na,b,english language").bad;
        assert!(bad[0].line == 2 && bad[0].reason.contains("not a language tag"), "{bad:?}");
    }

    #[test]
    fn files_that_are_no_text_are_refused_with_the_line() {
        for (bytes, line) in
            [(&b"\xFF\xFEa\0"[..], 1), (b"PK\x03\x04\x14", 1), (b"a\tb\tc\nd\te\tcaf\xE9", 2)]
        {
            assert_eq!(read_list(bytes).unwrap_err().line, line);
        }
        assert_eq!(read_list("\u{FEFF}word,gloss\na,b".as_bytes()).unwrap().entries.len(), 1);
    }
}
