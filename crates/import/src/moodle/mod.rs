//! Moodle XML: the export format of Moodle's question bank.
//!
//! Not here: the gaps of cloze texts (`cloze`), the kinds of quizzes (`question::lower`).

mod cloze;
mod multilang;

use std::{cell::RefCell, collections::BTreeSet};

use crate::error::{Refusal, Result};
use crate::gift::category_path;
use crate::html::{Element, Node, plain};
use crate::question::{
    Answer, Bank, ByResult, EmbeddedFile, Kind, Number, NumericAnswer, Pair, Question, Rejected,
    Text, TextFormat,
};
use crate::remark::{Remark, RemarkCode};
use crate::text::base64::{self, MAX_FILE_BYTES};
use crate::xml;

/// Maximum size of all embedded files of one question in bytes.
const MAX_FILES_BYTES: usize = 64 << 20;

/// Reads a file. Of texts in several languages, `lang` is kept.
pub(crate) fn parse(source: &str, lang: &str) -> Result<Bank> {
    let root = xml::parse(source, "the file")?;
    if root.name != "quiz" {
        return Err(Refusal::broken(format!(
            "the file is not Moodle XML: its first element is <{}>, not <quiz>",
            root.name
        )));
    }
    let mut bank = Bank::default();
    let mut category = Vec::new();
    let reader = Reader { lang, removed: RefCell::default() };
    for (number, element) in (1..).zip(root.elements().filter(|e| e.name == "question")) {
        let kind = element.attribute("type").unwrap_or_default();
        if kind == "category" {
            category = category_path(&reader.line(element, "category"));
            continue;
        }
        let name = reader.line(element, "name");
        reader.removed.take();
        match reader.question(element, kind, number) {
            Ok(mut question) => {
                question.category.clone_from(&category);
                bank.questions.push(question);
            }
            Err(reason) => bank.rejected.push(Rejected { line: number, text: name, reason }),
        }
    }
    Ok(bank)
}

fn child<'a>(element: &'a Element, name: &str) -> Option<&'a Element> {
    element.elements().find(|child| child.name == name)
}

/// Returns the plain text of `<name><text>...</text></name>` or `<name>...</name>`.
fn text_of(element: &Element, name: &str) -> String {
    let Some(child) = child(element, name) else { return String::new() };
    let text = self::child(child, "text").unwrap_or(child);
    text.text().trim().to_owned()
}

fn number_of(element: &Element, name: &str) -> Option<f64> {
    text_of(element, name).parse().ok().filter(|n: &f64| n.is_finite())
}

fn is_true(element: &Element, name: &str) -> bool {
    matches!(text_of(element, name).as_str(), "1" | "true")
}

/// Returns the text in `<text>`, or that of an element without it, which other programs write.
fn written(element: &Element) -> String {
    match child(element, "text") {
        Some(text) => text.text(),
        None => element
            .children
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect(),
    }
}

fn weight_of(answer: &Element) -> f64 {
    let weight = answer.attribute("fraction").and_then(|f| f.trim().parse().ok());
    weight.filter(|f: &f64| f.is_finite()).unwrap_or(0.0)
}

/// The sentences that Moodle writes into new questions. The app says the same.
fn is_default_feedback(text: &str) -> bool {
    matches!(
        text.trim(),
        "Your answer is correct."
            | "Your answer is partially correct."
            | "Your answer is incorrect."
    )
}

/// The texts of a question whose files are read, and where they are used.
fn files(element: &Element, question: &mut Question) {
    let mut total = 0;
    let mut found: Vec<&Element> = Vec::new();
    element.visit(&mut |e| {
        if e.name == "file" {
            found.push(e);
        }
    });
    for file in found {
        let name = file.attribute("name").unwrap_or_default();
        let folder = file.attribute("path").unwrap_or_default().trim_matches('/');
        let name = match folder {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        let is_base64 = file.attribute("encoding").unwrap_or("base64") == "base64";
        match base64::decode(&file.text())
            .filter(|bytes| is_base64 && total + bytes.len() <= MAX_FILES_BYTES)
        {
            Some(bytes) => {
                total += bytes.len();
                question.files.push(EmbeddedFile { name, bytes });
            }
            None => question
                .dropped
                .push(RemarkCode::FileDamaged.with("name", name).with("max", MAX_FILE_BYTES)),
        }
    }
}

/// Reads the texts of questions.
struct Reader<'l> {
    lang: &'l str,
    /// Languages of the current question that were removed.
    removed: RefCell<BTreeSet<String>>,
}

impl Reader<'_> {
    /// Returns a text in the language of the course.
    fn chosen(&self, text: &str) -> String {
        let (text, removed) = multilang::choose(text.trim(), self.lang);
        self.removed.borrow_mut().extend(removed);
        text
    }

    /// Returns the plain text of `<name>`.
    fn line(&self, element: &Element, name: &str) -> String {
        self.chosen(&text_of(element, name))
    }

    /// Reads a text with its format.
    fn text(&self, element: Option<&Element>) -> Text {
        let Some(element) = element else { return Text::default() };
        let format = match element.attribute("format") {
            Some("html") => TextFormat::Html,
            Some("markdown") => TextFormat::Markdown,
            Some("plain_text") => TextFormat::Plain,
            _ => TextFormat::Moodle,
        };
        Text::new(format, self.chosen(&written(element)))
    }

    fn question(
        &self,
        element: &Element,
        kind: &str,
        number: u32,
    ) -> std::result::Result<Question, Remark> {
        let mut prompt = self.text(child(element, "questiontext"));
        let kind = match kind {
            "" => return Err(RemarkCode::NoType.into()),
            "description" => Kind::Description,
            "essay" => Kind::Essay,
            "truefalse" => self.true_false(element)?,
            "multichoice" => self.choices(element),
            "shortanswer" => {
                Kind::Short { answers: self.answers(element), case: is_true(element, "usecase") }
            }
            "numerical" => self.numerical(element)?,
            "matching" => Kind::Match { pairs: self.pairs(element) },
            "ordering" => {
                Kind::Order { items: self.answers(element).into_iter().map(|a| a.text).collect() }
            }
            "cloze" => {
                let (text, gaps) = cloze::parse(&prompt.text);
                prompt.text = text;
                if gaps.is_empty() {
                    return Err(RemarkCode::NoMoodleGap.into());
                }
                Kind::Cloze { gaps }
            }
            other => Kind::Unsupported { name: other.to_owned() },
        };
        let mut question = Question::new(number, prompt, kind);
        question.id = text_of(element, "idnumber");
        question.title = Some(self.line(element, "name")).filter(|name| !name.is_empty());
        question.feedback = self.text(child(element, "generalfeedback"));
        question.by_result = ByResult {
            right: self.own_feedback(element, "correctfeedback"),
            partly: self.own_feedback(element, "partiallycorrectfeedback"),
            wrong: self.own_feedback(element, "incorrectfeedback"),
        };
        question.points = match question.kind {
            Kind::Description => 0.0,
            _ => number_of(element, "defaultgrade").unwrap_or(1.0),
        };
        if let Some(tags) = child(element, "tags") {
            question.tags = tags.elements().map(|tag| tag.text().trim().to_owned()).collect();
        }
        question.hints = element
            .elements()
            .filter(|e| e.name == "hint")
            .map(|hint| self.text(Some(hint)))
            .filter(|hint| !hint.is_empty())
            .collect();
        question.penalty = number_of(element, "penalty").unwrap_or(0.0).clamp(0.0, 1.0);
        if let Kind::Unsupported { .. } = question.kind {
            self.list_answers(element, &mut question.prompt);
        }
        files(element, &mut question);
        let removed = self.removed.take();
        if !removed.is_empty() {
            let langs = removed.into_iter().collect::<Vec<_>>().join(", ");
            question.dropped.push(RemarkCode::OtherLanguages.with("languages", langs));
        }
        if is_true(element, "hidden") {
            question.dropped.push(RemarkCode::HiddenInMoodle.into());
        }
        Ok(question)
    }

    /// Adds the answers of a question of an unsupported kind to its text.
    fn list_answers(&self, element: &Element, prompt: &mut Text) {
        let texts: Vec<String> = element
            .elements()
            .filter(|e| {
                matches!(e.name.as_str(), "answer" | "dragbox" | "selectoption" | "subquestion")
            })
            .map(|e| plain::to_plain(&self.line(e, "text")))
            .filter(|text| !text.is_empty())
            .collect();
        if !texts.is_empty() && prompt.format != TextFormat::Plain {
            let list: String =
                texts.iter().map(|t| format!("<li>{}</li>", escaped_html(t))).collect();
            prompt.text.push_str(&format!("<ul>{list}</ul>"));
        }
    }

    /// Returns the feedback to a result, without the sentences that Moodle writes itself.
    fn own_feedback(&self, element: &Element, name: &str) -> Text {
        let text = self.text(child(element, name));
        if is_default_feedback(&plain::to_plain(&text.text)) { Text::default() } else { text }
    }

    fn answers(&self, element: &Element) -> Vec<Answer> {
        element
            .elements()
            .filter(|e| e.name == "answer")
            .map(|answer| Answer {
                weight: weight_of(answer),
                text: self.text(Some(answer)),
                feedback: self.text(child(answer, "feedback")),
            })
            .collect()
    }

    fn true_false(&self, element: &Element) -> std::result::Result<Kind, Remark> {
        let answers = self.answers(element);
        let best = answers.iter().find(|a| a.weight >= 99.9).ok_or(RemarkCode::NoRightAnswer)?;
        let other = answers.iter().find(|a| a.weight < 99.9);
        Ok(Kind::TrueFalse {
            answer: best.text.text.trim().eq_ignore_ascii_case("true"),
            right: best.feedback.clone(),
            wrong: other.map(|a| a.feedback.clone()).unwrap_or_default(),
        })
    }

    fn choices(&self, element: &Element) -> Kind {
        Kind::Choice {
            single: child(element, "single").is_none_or(|_| is_true(element, "single")),
            answers: self.answers(element),
            shuffle: child(element, "shuffleanswers")
                .is_none_or(|_| is_true(element, "shuffleanswers")),
        }
    }

    fn numerical(&self, element: &Element) -> std::result::Result<Kind, Remark> {
        let mut list = Vec::new();
        for answer in element.elements().filter(|e| e.name == "answer") {
            let written = self.text(Some(answer)).text;
            let tolerance = number_of(answer, "tolerance").unwrap_or(0.0).abs();
            let number = match written.trim() {
                "*" => Number::Any,
                value => {
                    let value = value.parse().ok().filter(|n: &f64| n.is_finite());
                    let value =
                        value.ok_or_else(|| RemarkCode::NotANumber.with("answer", &written))?;
                    Number::Value { value, tolerance }
                }
            };
            let feedback = self.text(child(answer, "feedback"));
            list.push(NumericAnswer { weight: weight_of(answer), number, feedback });
        }
        let mut units = Vec::new();
        let mut multipliers = Vec::new();
        // 3: the question has no units, although some may be listed.
        let has_units = number_of(element, "showunits") != Some(3.0);
        let listed = child(element, "units").filter(|_| has_units).map(|units| units.elements());
        for unit in listed.into_iter().flatten() {
            let name = text_of(unit, "unit_name");
            let multiplier = number_of(unit, "multiplier").filter(|n| *n > 0.0);
            if let (false, Some(multiplier)) = (name.is_empty(), multiplier.or(Some(1.0))) {
                units.push(name);
                multipliers.push(multiplier);
            }
        }
        let unit_required = number_of(element, "unitgradingtype").is_some_and(|n| n > 0.0);
        Ok(Kind::Numerical { answers: list, units, multipliers, unit_required })
    }

    fn pairs(&self, element: &Element) -> Vec<Pair> {
        element
            .elements()
            .filter(|e| e.name == "subquestion")
            .map(|pair| Pair {
                left: self.text(Some(pair)),
                right: Text::new(TextFormat::Plain, self.line(pair, "answer")),
            })
            .collect()
    }
}

fn escaped_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests;
