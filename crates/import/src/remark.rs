//! The sentences of reports, each with a code and parameters, so that the app can show them in the learner's language.
//!
//! Not here: the texts of the app (`remark.*` in `ui/src/i18n`), why a whole file is refused (`error`).

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use ts_rs::TS;

macro_rules! remarks {
    ($($code:ident: $text:literal;)*) => {
        /// Identifies the sentence of a remark.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, serde::Deserialize, TS)]
        #[serde(rename_all = "snake_case")]
        pub enum RemarkCode { $($code),* }

        impl RemarkCode {
            /// All codes in the order of their definition.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];

            /// Returns the sentence in English; `{name}` is the place of a parameter.
            pub fn template(self) -> &'static str {
                match self { $(Self::$code => $text),* }
            }
        }
    };
}

remarks! {
    // Questions of any format.
    NoText: "the question has no text";
    HintsRemoved: "hints were removed";
    ResultFeedbackRemoved: "feedback to right, partly right and wrong answers was removed";
    TooManyParts: "the question has {parts} parts; {max} are allowed";
    FreeText: "a free text cannot be graded by the app";
    UnsupportedKind: "questions of the kind \"{kind}\" are not supported";
    NoComparableAnswer: "no answer gives all points and can be compared as it is";
    OrderItemEmpty: "an item to order has no text";
    NoRightChoice: "no choice is right";
    FewChoices: "the question has fewer than two choices";
    SeveralRightChoices: "each of {n} choices was a right answer; now all of them must be chosen";
    BestChoicePartly: "the best choice gave a part of the points; now it gives all";
    PartlyChoices: "choices that gave or cost a part of the points now give none";
    ChoiceRule: "the points of the choices are replaced by the rule (right - wrong) / right";
    ChoiceEmpty: "a choice has no text, or only a picture";
    Wildcard: "the answer \"{answer}\" with a wildcard is not accepted";
    PercentRounded: "{from} % of the points became {to} %";
    WrongPairRemoved: "the wrong answer \"{answer}\" was removed";
    PairSideEmpty: "a side of a pair has no text";
    FewPairs: "there are fewer than two pairs";
    PointsRounded: "{from} points became {to}";
    HintCost: "each hint costs {percent} % of the points; before, each wrong try did";
    MarkdownAsText: "a Markdown text with links or HTML is shown as plain text";
    OneMedium: "a question can show one picture and one recording; others were removed";
    FeedbackMedium: "a picture or recording of a feedback was removed";
    NoFullNumber: "no number gives all points, or there are too many";
    NoGap: "the text has no gap";
    GapNotComparable: "a gap has no answer that can be compared";
    GapSeveralRight: "several choices of a gap are right";
    GapMultiple: "a gap of which several choices must be chosen is not supported";
    MixedShuffle: "{title}: some questions shuffle their choices and some do not; in the quiz, none does";
    // Aiken.
    NoAnswerLine: "the question has no line ANSWER: with its letter";
    AnswerNamesNoChoice: "ANSWER: names no choice of the question";
    AnswerAlone: "an answer without a question before it";
    ChoiceAlone: "a choice without a question before it";
    DoubleLetter: "two choices have the letter of the answer";
    // GIFT.
    TildeFewAnswers: "a question with ~ must have at least two answers";
    NoAnswer: "the question has no answer";
    PairForm: "each pair must be written as =left -> right";
    ArrowFewPairs: "a question with -> must have at least two pairs";
    NumberForm: "a number must be written as 3, 3:0.1 or 2.9..3.1, with a decimal point";
    NoNumber: "the question has no number";
    NotClosed: "the answers have no closing }; an empty line ends a question, and \\{ is the character";
    NotOpened: "a } has no { before it; write \\} for the character";
    QuestionEmpty: "the question is empty";
    // Moodle XML.
    NoType: "the question has no type";
    NoMoodleGap: "the text has no gap such as {1:SHORTANSWER:=word}";
    NoRightAnswer: "no answer is right";
    NotANumber: "the answer \"{answer}\" is no number";
    FileDamaged: "the file \"{name}\" is damaged or larger than {max} bytes";
    OtherLanguages: "texts in other languages were removed: {languages}";
    HiddenInMoodle: "the question was hidden in Moodle";
    // HTML.
    Script: "a script was removed";
    Frame: "an embedded page or object was removed";
    Form: "a form was removed";
    MediumMissing: "a picture or recording is missing in the file, or is of a kind that is not supported";
    MediumInline: "a picture cannot be shown in this place and was removed";
    FormulaAsText: "a formula is shown as text";
    TableCells: "a table with joined or nested cells was simplified";
    // Anki.
    NoteTypeMissing: "the type of the note is not in the package";
    CardTemplateMissing: "the card has no template";
    FrontEmpty: "the front has no text; the text of the back stands for it";
    CardEmpty: "the card has no text";
    BackEmpty: "the back has no text of its own";
    CardsJoined: "the {n} cards of the note became one word";
    LongText: "a long text was cut";
    MediaFileMissing: "the media file \"{name}\" is missing or damaged";
    MediaFileKind: "the media file \"{name}\" is of a kind that is not supported";
    OnePicture: "a word has one picture; the others were removed";
    OneRecording: "a word has one recording; the others were removed";
    CardScript: "a script of the card was removed";
    FormulaSource: "a formula is shown as its source";
    ReviewsNotImported: "{n} reviews were not imported";
    MediaListed: "the package lists {n} media files; those that words use are imported";
    DeckSettings: "tags, due dates and settings of decks are not imported";
    // EPUB.
    DocumentNotListed: "the document is not in the manifest of the book";
    ContentsDocument: "the table of contents is shown by the app itself";
    DocumentOutside: "the document is outside of the book";
    DocumentMissing: "the file \"{name}\" is missing";
    DocumentKind: "a document of the type \"{kind}\" is not supported";
    DocumentDamaged: "the document cannot be read";
    DocumentEmpty: "the document has no text and no picture";
    NarrationTimesMissing: "the file with the times of the narration is missing";
    NarrationDamaged: "the times of the narration cannot be read";
    NarrationShared: "it is not read along: its recording contains other documents too";
    NarrationSentences: "it is not read along: the narration has {n} sentences";
    NarrationParagraph: "it is not read along: a paragraph is read by several recordings";
    NarrationRecording: "it is not read along: a recording is missing or of a kind that is not supported";
    TimesEstimated: "the times of {estimated} of {sentences} sentences are estimated from clips that are not sentences";
    BookLanguage: "the book states no valid language; it was imported as {lang}";
    FixedLayout: "the pages have a fixed layout, which is not kept; text and pictures are";
    StylesNotUsed: "styles and fonts of the book are not used";
    // The whole file.
    NoLanguage: "the file does not state its language; it was imported as {lang}";
    Utf16Damaged: "the text is damaged UTF-16; some letters are missing";
    NotUtf8: "the text is not UTF-8 and was read as Windows-1252; if letters are wrong, save it as UTF-8 and import it again";
    OtherEncoding: "the text is not readable as {encoding} and was read as Windows-1252; if letters are wrong, save it as UTF-8 and import it again";
    // What the compiler refused.
    MediumRefused: "a picture or recording was removed";
    PartAsText: "a part is shown as plain text";
    FormulasAsText: "formulas are shown as text";
    QuestionRefused: "the question cannot be answered in the app";
    WordRefused: "the word cannot be imported";
    StoryRefused: "it is not read along";
}

/// A sentence of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    pub code: RemarkCode,
    pub params: BTreeMap<&'static str, String>,
    /// What the compiler or a reader says, in English. It is in reports for administrators and not shown by the app.
    detail: String,
}

impl Remark {
    /// Returns the sentence in English.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut rest = self.code.template();
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let found =
                after.split_once('}').and_then(|(name, rest)| Some((self.params.get(name)?, rest)));
            match found {
                Some((value, after)) => {
                    text.push_str(value);
                    rest = after;
                }
                None => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        if self.detail.is_empty() { text } else { format!("{text}: {}", self.detail) }
    }
    /// Adds a parameter.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        debug_assert!(self.code.template().contains(&format!("{{{name}}}")), "{name}");
        self.params.insert(name, value.to_string());
        self
    }
}

impl RemarkCode {
    /// Returns a remark with one parameter.
    pub(crate) fn with(self, name: &'static str, value: impl ToString) -> Remark {
        Remark::from(self).with(name, value)
    }
    /// Returns a remark with what the compiler or a reader says.
    pub(crate) fn because(self, detail: &str) -> Remark {
        Remark { detail: detail.to_owned(), ..Remark::from(self) }
    }
}

impl From<RemarkCode> for Remark {
    fn from(code: RemarkCode) -> Self {
        Self { code, params: BTreeMap::new(), detail: String::new() }
    }
}

impl Serialize for Remark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_has_its_parameters_and_a_detail() {
        let remark = RemarkCode::TooManyParts.with("parts", 3).with("max", 2);
        assert_eq!(remark.text(), "the question has 3 parts; 2 are allowed");
        let remark = RemarkCode::PartAsText.because("no such file");
        assert_eq!(remark.text(), "a part is shown as plain text: no such file");
        let remark = RemarkCode::Wildcard.with("answer", "{a}*");
        assert_eq!(remark.text(), "the answer \"{a}*\" with a wildcard is not accepted");
    }
}
