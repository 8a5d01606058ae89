//! Moodle XML: the export format of Moodle's question bank.
//!
//! Not here: the gaps of cloze texts (`cloze`), the kinds of quizzes (`question::lower`).

mod cloze;

use crate::error::{Refusal, Result};
use crate::gift::category_path;
use crate::html::{Element, plain};
use crate::question::{
    Answer, Bank, EmbeddedFile, Kind, Number, NumericAnswer, Pair, Question, Rejected, Text,
    TextFormat,
};
use crate::text::base64::{self, MAX_FILE_BYTES};
use crate::xml;

/// Maximum size of all embedded files of one question in bytes.
const MAX_FILES_BYTES: usize = 64 << 20;

/// Reads a file.
pub(crate) fn parse(source: &str) -> Result<Bank> {
    let root = xml::parse(source, "the file")?;
    if root.name != "quiz" {
        return Err(Refusal::broken(format!(
            "the file is not Moodle XML: its first element is <{}>, not <quiz>",
            root.name
        )));
    }
    let mut bank = Bank::default();
    let mut category = Vec::new();
    for (number, element) in (1..).zip(root.elements().filter(|e| e.name == "question")) {
        let kind = element.attribute("type").unwrap_or_default();
        if kind == "category" {
            category = category_path(&text_of(element, "category"));
            continue;
        }
        let name = text_of(element, "name");
        match question(element, kind, number) {
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

/// Reads a text with its format.
fn text(element: Option<&Element>) -> Text {
    let Some(element) = element else { return Text::default() };
    let format = match element.attribute("format") {
        Some("html") => TextFormat::Html,
        Some("markdown") => TextFormat::Markdown,
        Some("plain_text") => TextFormat::Plain,
        _ => TextFormat::Moodle,
    };
    let text = child(element, "text").map(Element::text).unwrap_or_default();
    Text::new(format, text.trim())
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
        let name = file.attribute("name").unwrap_or_default().to_owned();
        let is_base64 = file.attribute("encoding").unwrap_or("base64") == "base64";
        match base64::decode(&file.text())
            .filter(|bytes| is_base64 && total + bytes.len() <= MAX_FILES_BYTES)
        {
            Some(bytes) => {
                total += bytes.len();
                question.files.push(EmbeddedFile { name, bytes });
            }
            None => question.dropped.push(format!(
                "the file {name:?} is damaged or larger than {MAX_FILE_BYTES} bytes"
            )),
        }
    }
}

fn question(element: &Element, kind: &str, number: u32) -> std::result::Result<Question, String> {
    let mut prompt = text(child(element, "questiontext"));
    let kind = match kind {
        "" => return Err("the question has no type".to_owned()),
        "description" => Kind::Description,
        "essay" => Kind::Essay,
        "truefalse" => true_false(element)?,
        "multichoice" => choices(element),
        "shortanswer" => {
            Kind::Short { answers: answers(element), case: is_true(element, "usecase") }
        }
        "numerical" => numerical(element)?,
        "matching" => Kind::Match { pairs: pairs(element) },
        "ordering" => Kind::Order { items: answers(element).into_iter().map(|a| a.text).collect() },
        "cloze" => {
            let (text, gaps) = cloze::parse(&prompt.text);
            prompt.text = text;
            if gaps.is_empty() {
                return Err("the text has no gap such as {1:SHORTANSWER:=word}".to_owned());
            }
            Kind::Cloze { gaps }
        }
        other => Kind::Unsupported { name: other.to_owned() },
    };
    let mut question = Question::new(number, prompt, kind);
    question.id = text_of(element, "idnumber");
    question.title = Some(text_of(element, "name")).filter(|name| !name.is_empty());
    question.feedback = text(child(element, "generalfeedback"));
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
        .map(|hint| text(Some(hint)))
        .filter(|hint| !hint.is_empty())
        .collect();
    question.penalty = number_of(element, "penalty").unwrap_or(0.0).clamp(0.0, 1.0);
    let combined = ["correctfeedback", "partiallycorrectfeedback", "incorrectfeedback"];
    let has_own = combined.iter().any(|name| {
        let text = text(child(element, name));
        !text.is_empty() && !is_default_feedback(&plain::to_plain(&text.text))
    });
    if has_own {
        question
            .dropped
            .push("feedback to right, partly right and wrong answers was removed".to_owned());
    }
    if let Kind::Unsupported { .. } = question.kind {
        let texts: Vec<String> = element
            .elements()
            .filter(|e| {
                matches!(e.name.as_str(), "answer" | "dragbox" | "selectoption" | "subquestion")
            })
            .map(|e| plain::to_plain(&text_of_any(e)))
            .filter(|text| !text.is_empty())
            .collect();
        if !texts.is_empty() && question.prompt.format != TextFormat::Plain {
            let list: String =
                texts.iter().map(|t| format!("<li>{}</li>", escaped_html(t))).collect();
            question.prompt.text.push_str(&format!("<ul>{list}</ul>"));
        }
    }
    files(element, &mut question);
    Ok(question)
}

fn escaped_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn text_of_any(element: &Element) -> String {
    child(element, "text").map_or_else(String::new, Element::text)
}

/// The sentences that Moodle writes into new questions.
fn is_default_feedback(text: &str) -> bool {
    matches!(
        text.trim(),
        "Your answer is correct."
            | "Your answer is partially correct."
            | "Your answer is incorrect."
    )
}

fn answers(element: &Element) -> Vec<Answer> {
    element
        .elements()
        .filter(|e| e.name == "answer")
        .map(|answer| {
            let weight = answer.attribute("fraction").and_then(|f| f.trim().parse().ok());
            let weight: f64 = weight.filter(|f: &f64| f.is_finite()).unwrap_or(0.0);
            let feedback = text(child(answer, "feedback"));
            Answer { weight, text: text(Some(answer)), feedback }
        })
        .collect()
}

fn true_false(element: &Element) -> std::result::Result<Kind, String> {
    let answers = answers(element);
    let best = answers.iter().find(|a| a.weight >= 99.9).ok_or("no answer is right")?;
    let other = answers.iter().find(|a| a.weight < 99.9);
    Ok(Kind::TrueFalse {
        answer: best.text.text.trim().eq_ignore_ascii_case("true"),
        right: best.feedback.clone(),
        wrong: other.map(|a| a.feedback.clone()).unwrap_or_default(),
    })
}

fn choices(element: &Element) -> Kind {
    Kind::Choice {
        single: child(element, "single").is_none_or(|_| is_true(element, "single")),
        answers: answers(element),
        shuffle: child(element, "shuffleanswers")
            .is_none_or(|_| is_true(element, "shuffleanswers")),
    }
}

fn numerical(element: &Element) -> std::result::Result<Kind, String> {
    let mut list = Vec::new();
    for answer in element.elements().filter(|e| e.name == "answer") {
        let written = text(Some(answer)).text;
        let tolerance = number_of(answer, "tolerance").unwrap_or(0.0).abs();
        let number = match written.trim() {
            "*" => Number::Any,
            value => {
                let value = value.parse().ok().filter(|n: &f64| n.is_finite());
                let value = value.ok_or_else(|| format!("the answer {written:?} is no number"))?;
                Number::Value { value, tolerance }
            }
        };
        let weight =
            answer.attribute("fraction").and_then(|f| f.trim().parse().ok()).unwrap_or(0.0);
        list.push(NumericAnswer { weight, number, feedback: text(child(answer, "feedback")) });
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

fn pairs(element: &Element) -> Vec<Pair> {
    element
        .elements()
        .filter(|e| e.name == "subquestion")
        .map(|pair| Pair {
            left: text(Some(pair)),
            right: Text::new(TextFormat::Plain, text_of(pair, "answer")),
        })
        .collect()
}

#[cfg(test)]
mod tests;
