//! Typed texts: right, right but for an accent, or nearly right. The author decides how much each of them counts.
//!
//! Not here: which texts are equal (`text::is_same_answer`).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::text::{differs_by_accents, differs_by_typo, fold_answer, fold_exact, is_same_answer};

/// How a typed text matches the accepted ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TextMatch {
    /// Equal to an accepted spelling.
    Right,
    /// Equal except for accents.
    Accent,
    /// One typing error in at least five letters.
    Nearly,
    /// None of these.
    Wrong,
}

/// What counts besides the accepted spellings, and what the learner is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TextRules {
    /// Inline HTML shown with a right answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>", optional)]
    pub right: String,
    /// An answer that is right except for accents.
    #[serde(default)]
    pub accent: TextRule,
    /// An answer with one typing error.
    #[serde(default)]
    pub nearly: TextRule,
}

/// How much an answer counts that is not quite right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TextRule {
    /// Percentage of the points, 0 to 100.
    #[serde(default)]
    pub percent: u8,
    /// Inline HTML shown with such an answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>", optional)]
    pub feedback: String,
}

impl TextRules {
    /// Returns true if only accepted spellings count and nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
    /// Returns the percentage of the points for a match.
    pub fn percent(&self, matched: TextMatch) -> u8 {
        match matched {
            TextMatch::Right => 100,
            TextMatch::Accent => self.accent.percent.min(100),
            TextMatch::Nearly => self.nearly.percent.min(100),
            TextMatch::Wrong => 0,
        }
    }
    /// Returns the feedback for a match; may be empty.
    pub fn feedback(&self, matched: TextMatch) -> &str {
        match matched {
            TextMatch::Right => &self.right,
            TextMatch::Accent => &self.accent.feedback,
            TextMatch::Nearly => &self.nearly.feedback,
            TextMatch::Wrong => "",
        }
    }
}

/// Returns the best match of a typed text with the accepted ones.
pub(super) fn match_text(accepted: &[String], typed: &str, exact: bool, lang: &str) -> TextMatch {
    if accepted.iter().any(|a| is_same_answer(a, typed, exact, lang)) {
        return TextMatch::Right;
    }
    let fold = |text: &str| if exact { fold_exact(text) } else { fold_answer(text, lang) };
    let typed = fold(typed);
    if typed.is_empty() {
        return TextMatch::Wrong;
    }
    let accepted: Vec<String> = accepted.iter().map(|a| fold(a)).collect();
    if accepted.iter().any(|a| differs_by_accents(a, &typed)) {
        TextMatch::Accent
    } else if accepted.iter().any(|a| differs_by_typo(a, &typed)) {
        TextMatch::Nearly
    } else {
        TextMatch::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_texts_have_three_results() {
        use TextMatch::{Accent, Nearly, Right, Wrong};
        for (accepted, typed, exact, lang, expected) in [
            ("café", " CAFÉ ", false, "fr", Right),
            ("café", "cafe", false, "fr", Accent),
            ("élève", "Eleve", false, "fr", Accent),
            ("élève", "éleve", false, "fr", Accent),
            ("élève", "élèv", false, "fr", Nearly),
            ("élève", "elev", false, "fr", Wrong),
            ("meander", "Meandar", false, "en", Nearly),
            ("lake", "lage", false, "en", Wrong),
            ("kapı", "kapi", false, "tr", Accent),
            ("1945", "1946", false, "en", Wrong),
            ("Paris", "paris", true, "fr", Nearly),
            ("Café", "Cafe", true, "fr", Accent),
            ("meander", "", false, "en", Wrong),
        ] {
            let accepted = ["zzz".to_owned(), accepted.to_owned()];
            assert_eq!(match_text(&accepted, typed, exact, lang), expected, "{accepted:?} {typed}");
        }
    }

    #[test]
    fn the_author_sets_what_counts() {
        let rule = |percent, feedback: &str| TextRule { percent, feedback: feedback.to_owned() };
        let rules = TextRules {
            right: "yes".into(),
            accent: rule(100, "accent"),
            nearly: rule(50, "nearly"),
        };
        let all = [TextMatch::Right, TextMatch::Accent, TextMatch::Nearly, TextMatch::Wrong];
        assert_eq!(all.map(|m| rules.percent(m)), [100, 100, 50, 0]);
        assert_eq!(all.map(|m| rules.feedback(m)), ["yes", "accent", "nearly", ""]);
        assert_eq!(all.map(|m| TextRules::default().percent(m)), [100, 0, 0, 0]);
    }
}
