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
    /// For each blank, the texts about which the author says something, or which give a part of the points.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<Vec<TypedAnswer>>>", optional)]
    pub answers: Vec<Vec<TypedAnswer>>,
}

/// A typed text that the author expected, right or wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TypedAnswer {
    /// The text; `None` for every other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub text: Option<String>,
    /// Percentage of the points, 0 to 100.
    #[serde(default)]
    pub percent: u8,
    /// Inline HTML shown with such an answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>", optional)]
    pub feedback: String,
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
    /// Returns what the author says about this text in a blank.
    fn answer(&self, blank: usize, typed: &str, exact: bool, lang: &str) -> Option<&TypedAnswer> {
        let known = |a: &&TypedAnswer| {
            a.text.as_ref().is_some_and(|text| is_same_answer(text, typed, exact, lang))
        };
        self.answers.get(blank)?.iter().find(known)
    }
    /// Returns what the author says about every other text in a blank.
    fn other_answer(&self, blank: usize) -> Option<&TypedAnswer> {
        self.answers.get(blank)?.iter().find(|a| a.text.is_none())
    }
}

/// A typed text of a blank that is graded: how it matches, its percentage of the points, and the feedback.
pub(super) struct GradedText<'r> {
    pub matched: TextMatch,
    pub percent: u8,
    pub feedback: &'r str,
}

/// Grades the text of a blank. `accepted`: the spellings of the blank with this number.
pub(super) fn grade_text<'r>(
    rules: &'r TextRules,
    (blank, accepted): (usize, &[String]),
    typed: &str,
    exact: bool,
    lang: &str,
) -> GradedText<'r> {
    let matched = match_text(accepted, typed, exact, lang);
    let by_rule =
        GradedText { matched, percent: rules.percent(matched), feedback: rules.feedback(matched) };
    let is_empty = typed.trim().is_empty();
    match rules.answer(blank, typed, exact, lang).filter(|_| !is_empty) {
        Some(own) if matched == TextMatch::Right => {
            let feedback = if own.feedback.is_empty() { by_rule.feedback } else { &own.feedback };
            GradedText { feedback, ..by_rule }
        }
        // A wrong answer that the author expected is not taken for a typing error.
        Some(own) => GradedText {
            matched: TextMatch::Wrong,
            percent: own.percent.min(100),
            feedback: &own.feedback,
        },
        None => match rules.other_answer(blank) {
            Some(other)
                if !is_empty
                    && matched != TextMatch::Right
                    && by_rule.percent <= other.percent
                    && by_rule.feedback.is_empty() =>
            {
                GradedText { matched, percent: other.percent.min(100), feedback: &other.feedback }
            }
            _ => by_rule,
        },
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
            ..TextRules::default()
        };
        let all = [TextMatch::Right, TextMatch::Accent, TextMatch::Nearly, TextMatch::Wrong];
        assert_eq!(all.map(|m| rules.percent(m)), [100, 100, 50, 0]);
        assert_eq!(all.map(|m| rules.feedback(m)), ["yes", "accent", "nearly", ""]);
        assert_eq!(all.map(|m| TextRules::default().percent(m)), [100, 0, 0, 0]);
    }

    #[test]
    fn the_author_says_something_about_single_texts() {
        let answer = |text: Option<&str>, percent, feedback: &str| TypedAnswer {
            text: text.map(str::to_owned),
            percent,
            feedback: feedback.to_owned(),
        };
        let rules = TextRules {
            right: "right".into(),
            nearly: TextRule { percent: 0, feedback: "spelling".into() },
            answers: vec![
                vec![],
                vec![
                    answer(Some("Berlin"), 100, "the capital"),
                    answer(Some("Bonn"), 50, "until 1990"),
                    answer(Some("Merlin"), 0, "a bird"),
                    answer(None, 10, "no"),
                ],
            ],
            ..TextRules::default()
        };
        let accepted = ["Berlin".to_owned(), "Spree-Athen".to_owned()];
        for (blank, typed, matched, percent, feedback) in [
            (1, " berlin ", TextMatch::Right, 100, "the capital"),
            (1, "spree-athen", TextMatch::Right, 100, "right"),
            (1, "BONN", TextMatch::Wrong, 50, "until 1990"),
            // One letter from the right answer, but the author expected it.
            (1, "Merlin", TextMatch::Wrong, 0, "a bird"),
            (1, "Berlim", TextMatch::Nearly, 0, "spelling"),
            (1, "Bérlin", TextMatch::Accent, 10, "no"),
            (1, "Rome", TextMatch::Wrong, 10, "no"),
            (1, " ", TextMatch::Wrong, 0, ""),
            (0, "Bonn", TextMatch::Wrong, 0, ""),
            (2, "Bonn", TextMatch::Wrong, 0, ""),
        ] {
            let graded = grade_text(&rules, (blank, &accepted), typed, false, "de");
            let found = (graded.matched, graded.percent, graded.feedback);
            assert_eq!(found, (matched, percent, feedback), "{blank} {typed:?}");
        }
    }
}
