//! The report of an import: what became of each item of the foreign file. It is stored in `source.json` of the package.
//!
//! Not here: problems of the compiled package (`carrel_package::Problem`).

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::remark::Remark;

/// Format of `source.json`.
pub const SOURCE_FORMAT: &str = "carrel-source/1";

/// Maximum number of reasons of one item, and of notes of a file.
const MAX_REASONS: usize = 50;

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The item works as in the other program.
    Exact,
    /// The item is there, with a difference that the reasons state.
    Changed,
    /// The text of the item is there; what the learner did with it is not.
    KeptAsText,
    /// The item is not in the package.
    Refused,
}

impl Level {
    /// All levels in the order of the summary.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Changed, Self::KeptAsText, Self::Refused];

    /// Returns the words of the level for the text of a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Changed => "changed",
            Self::KeptAsText => "kept as text",
            Self::Refused => "refused",
        }
    }
}

/// An item of the foreign file: a question, a note with its cards, a chapter, a media file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Id of the item in the file; for a format without ids its place, such as `line 12`.
    pub original: String,
    /// Kind of the item in the words of the format, such as `multichoice`.
    pub kind: String,
    pub title: String,
    pub level: Level,
    /// Why the level is not `exact`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The same reasons with their codes, for the app. They are not in `source.json`.
    #[serde(skip)]
    pub remarks: Vec<Remark>,
    /// Place in the package, such as `lesson/section/question`; `None` if refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Item {
    /// Creates an item without a difference.
    pub fn exact(original: impl Into<String>, kind: &str, title: &str) -> Self {
        Self {
            original: original.into(),
            kind: kind.to_owned(),
            title: shortened(title),
            level: Level::Exact,
            reasons: Vec::new(),
            remarks: Vec::new(),
            target: None,
        }
    }
    /// Lowers the level to at least `level` and adds the reason.
    pub fn lower(&mut self, level: Level, reason: impl Into<Remark>) {
        self.level = self.level.max(level);
        let remark = reason.into();
        if !self.remarks.contains(&remark) && self.remarks.len() < MAX_REASONS {
            self.reasons.push(remark.text());
            self.remarks.push(remark);
        }
        if self.level == Level::Refused {
            self.target = None;
        }
    }
    /// Lowers the level to at least `Changed`.
    pub fn changed(&mut self, reason: impl Into<Remark>) {
        self.lower(Level::Changed, reason);
    }
}

/// The report of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `SOURCE_FORMAT`.
    pub format: String,
    /// Name of the foreign format, such as `gift` or `epub`.
    pub source_format: String,
    /// Version of the foreign format, if the file states one.
    pub source_version: String,
    /// Name of the file.
    pub file: String,
    /// BLAKE3 hash of the file in hexadecimal digits.
    pub hash: String,
    /// Facts about the whole file, such as its encoding.
    pub notes: Vec<String>,
    /// The same facts with their codes, for the app. They are not in `source.json`.
    #[serde(skip)]
    pub remarks: Vec<Remark>,
    pub items: Vec<Item>,
}

impl Report {
    /// Returns the number of items of a level.
    pub fn count(&self, level: Level) -> usize {
        self.items.iter().filter(|item| item.level == level).count()
    }

    /// Adds a fact about the whole file.
    pub fn note(&mut self, note: impl Into<Remark>) {
        let remark = note.into();
        if !self.remarks.contains(&remark) && self.remarks.len() < MAX_REASONS {
            self.notes.push(remark.text());
            self.remarks.push(remark);
        }
    }

    /// Returns the report as JSON, the form of `source.json`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).map(|json| json + "\n").unwrap_or_default()
    }

    /// Returns one line with the numbers: `quiz.gift: 4 items: 2 exact, 1 changed, 1 refused`.
    pub fn summary(&self) -> String {
        let counts: Vec<String> = Level::ALL
            .into_iter()
            .map(|level| (self.count(level), level.as_str()))
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        let items = self.items.len();
        let noun = if items == 1 { "item" } else { "items" };
        format!("{}: {items} {noun}: {}", self.file, counts.join(", "))
    }

    /// Returns the summary, the notes, and a line for each item that is not exact.
    pub fn to_text(&self) -> String {
        let mut out = self.summary();
        out.push('\n');
        for note in &self.notes {
            let _ = writeln!(out, "{}: note: {note}", self.file);
        }
        for item in self.items.iter().filter(|item| item.level != Level::Exact) {
            let _ = writeln!(
                out,
                "{}: {} {:?} ({}): {}: {}",
                self.file,
                item.kind,
                item.title,
                item.original,
                item.level.as_str(),
                item.reasons.join("; ")
            );
        }
        out
    }
}

fn shortened(title: &str) -> String {
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    match title.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &title[..end]),
        None => title,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remark::RemarkCode;

    #[test]
    fn the_level_never_rises_and_every_reason_is_kept() {
        let mut item = Item::exact("line 3", "multichoice", " A  title ");
        assert_eq!((item.title.as_str(), item.level), ("A title", Level::Exact));
        item.target = Some("a/b/c".into());
        item.lower(Level::KeptAsText, RemarkCode::NoText);
        item.changed(RemarkCode::Script);
        assert_eq!((item.level, item.reasons.len()), (Level::KeptAsText, 2));
        item.lower(Level::Refused, RemarkCode::QuestionEmpty);
        assert_eq!(item.target, None);
    }

    #[test]
    fn the_text_counts_all_levels_and_lists_what_is_not_exact() {
        let mut refused = Item::exact("line 9", "essay", "B");
        refused.lower(Level::Refused, RemarkCode::QuestionEmpty);
        let report = Report {
            format: SOURCE_FORMAT.into(),
            source_format: "gift".into(),
            source_version: String::new(),
            file: "a.gift".into(),
            hash: String::new(),
            notes: vec!["read as Windows-1252".into()],
            remarks: Vec::new(),
            items: vec![Item::exact("line 1", "essay", "A"), refused],
        };
        assert_eq!(
            report.to_text(),
            "a.gift: 2 items: 1 exact, 1 refused\na.gift: note: read as Windows-1252\n\
             a.gift: essay \"B\" (line 9): refused: the question is empty\n"
        );
    }
}
