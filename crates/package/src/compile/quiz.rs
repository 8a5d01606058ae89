//! Compiles quiz files (`carrel-quiz/1`).
//!
//! Not here: grading (`carrel_model::content::grade`).

use carrel_model::{
    ItemId, Slug,
    content::{Choice, Dir, Question, QuestionKind, Quiz, ResultFeedback, ReviewPolicy},
    text::language,
};

use crate::compile::context::{CompileContext, CompiledQuiz};
use crate::compile::vocabulary::image_and_audio;
use crate::problem::{Problems, SourceLocation};
use crate::source::fields::{Fields, UniqueIds};
use crate::source::json::{Node, Value};
use crate::source::paths;
use crate::text::html;
use crate::text::markdown::{self, Origin, Scope};

mod hotspot;
mod pools;
mod typed;

use pools::Pools;

/// Compiles a quiz file, once even if it is referenced several times.
pub(crate) fn compile(
    context: &mut CompileContext<'_>,
    path: &str,
    scope: &Scope,
) -> Option<CompiledQuiz> {
    if let Some(compiled) = context.quizzes.by_path.get(path) {
        return compiled.clone();
    }
    let compiled = read(context, path, scope);
    context.quizzes.by_path.insert(path.to_owned(), compiled.clone());
    compiled
}

fn read(context: &mut CompileContext<'_>, path: &str, scope: &Scope) -> Option<CompiledQuiz> {
    let problems = context.problems;
    let node = context.read_json(path)?;
    let fields = Fields::new(&node, path, problems, "a quiz")?;
    fields.format("carrel-quiz");
    let (id, title) = (fields.require_slug("id"), fields.require_text("title"));
    if let Some(title) = title {
        markdown::check_plain(title.value, fields.at(title.line), problems);
    }
    let lang = fields.language().unwrap_or_else(|| scope.lang.clone());
    let attempts = fields.integer("attempts", 0..=1000).map_or(0, |n| n.value);
    let pass = fields.integer("pass", 0..=100).map_or(60, |n| n.value);
    let shuffle = fields.bool("shuffle");
    let shuffle_questions = fields.bool("shuffleQuestions");
    let time_limit_s = fields.integer("timeLimitMinutes", 1..=1440).map(|n| n.value * 60);
    let review = match fields.node("review") {
        Some(_) => fields.one_of("review", &REVIEW).unwrap_or_default(),
        None => ReviewPolicy::default(),
    };
    let mut pools = Pools::read(&fields);
    let mut questions = Vec::new();
    let mut ids = UniqueIds::default();
    match fields.node("questions") {
        None => fields.missing("questions"),
        Some(Node { value: Value::List(list), line }) if list.is_empty() => {
            problems.error(fields.at(*line), "empty", "the quiz has no question", "add a question");
        }
        Some(_) => {}
    }
    for node in fields.list("questions") {
        if let Some(question) = Fields::new(node, path, problems, "a question")
            .and_then(|f| self::question(context, f, &mut ids, &mut pools, scope, &lang))
        {
            questions.push(question);
        }
    }
    let pools = pools.finish(&fields);
    fields.finish();
    let (id, title) = (id?, title?);
    let root = scope.root.as_ref()?;
    let item = ItemId::within(root, &id.value);
    if let Some(first) = context.quizzes.ids.insert(item.clone(), path.to_owned()) {
        let message = format!("the quiz {first:?} also has the id {:?}", id.value.as_str());
        problems.error(
            SourceLocation { file: path, line: id.line },
            "duplicate-id",
            message,
            "give one of them another id",
        );
    }
    let quiz = Quiz {
        id: id.value,
        title: title.value.to_owned(),
        dir: Dir::of_language(&lang),
        lang,
        attempts,
        pass: u8::try_from(pass).unwrap_or(100),
        shuffle,
        shuffle_questions,
        pools,
        time_limit_s,
        review,
        questions,
    };
    let body = context.put_json(&quiz);
    Some(CompiledQuiz { item, title: quiz.title, body })
}

fn question(
    context: &mut CompileContext<'_>,
    fields: Fields<'_>,
    ids: &mut UniqueIds,
    pools: &mut Pools<'_>,
    scope: &Scope,
    lang: &str,
) -> Option<Question> {
    let problems = context.problems;
    let id = fields.require_slug("id");
    ids.add(&fields, id.as_ref(), "id");
    let prompt = fields.require_text("prompt");
    let texts = Texts { file: fields.file, scope, problems };
    let points = fields.integer("points", 1..=1000).map_or(1, |n| n.value);
    let explanation =
        fields.text("explanation").map(|t| texts.prompt(t.value, t.line)).unwrap_or_default();
    let result_feedback = result_feedback(&fields, &texts);
    let kind = fields.one_of("kind", &KINDS);
    pools.add(&fields, id.as_ref(), points);
    let (hints, hint_penalty) = hints(&fields, &texts);
    let (mut html, mut blanks) = (String::new(), 0);
    if let Some(prompt) = prompt {
        let (marked, count) = match kind {
            Some(WrittenKind::Fill | WrittenKind::Cloze) => mark_blanks(prompt.value),
            _ => (prompt.value.to_owned(), 0),
        };
        let marked = texts.prompt(&marked, prompt.line);
        if count_blanks(&marked) != count {
            fields.error(
                prompt.line,
                "blank-count",
                "a blank is inside of a formula, an address or an HTML tag",
                "write ___ in the text of the prompt",
            );
        }
        html = render_blanks(&marked);
        texts.check_visible(&html, "prompt", prompt.value, prompt.line);
        blanks = count;
    }
    let compiled = match kind {
        Some(WrittenKind::Single | WrittenKind::Multiple) => {
            choices(&fields, &texts, kind == Some(WrittenKind::Single))
        }
        Some(WrittenKind::TrueFalse) => true_false(&fields, &texts, lang),
        Some(WrittenKind::Fill) => typed::fill(&fields, &texts, blanks),
        Some(WrittenKind::Numeric) => typed::numeric(&fields, &texts),
        Some(WrittenKind::Cloze) => typed::cloze(&fields, &texts, blanks),
        Some(WrittenKind::Order) => {
            let items = fields.strings("items");
            check_count(&fields, "items", items.len());
            let items = items.iter().map(|t| texts.inline("item", t.value, t.line)).collect();
            Some(QuestionKind::Order { items })
        }
        Some(WrittenKind::Hotspot) => hotspot::regions(&fields, &texts),
        Some(WrittenKind::Match) => pairs(&fields, &texts),
        None => {
            // Without a kind it is unknown which of these fields are valid, so none is reported.
            for key in KIND_FIELDS {
                fields.node(key);
            }
            None
        }
    };
    let (image, audio) = image_and_audio(context, &fields, paths::parent(fields.file), scope, "");
    if kind == Some(WrittenKind::Hotspot) && fields.node("image").is_none() {
        fields.missing("image");
    }
    fields.finish();
    Some(Question {
        id: id?.value,
        prompt: html,
        points,
        image,
        audio,
        explanation,
        result_feedback,
        hints,
        hint_penalty,
        kind: compiled?,
    })
}

/// The kinds of questions in a quiz file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WrittenKind {
    Single,
    Multiple,
    TrueFalse,
    Fill,
    Numeric,
    Cloze,
    Order,
    Match,
    Hotspot,
}

const KINDS: [(&str, WrittenKind); 9] = [
    ("single", WrittenKind::Single),
    ("multiple", WrittenKind::Multiple),
    ("true-false", WrittenKind::TrueFalse),
    ("fill", WrittenKind::Fill),
    ("numeric", WrittenKind::Numeric),
    ("cloze", WrittenKind::Cloze),
    ("order", WrittenKind::Order),
    ("match", WrittenKind::Match),
    ("hotspot", WrittenKind::Hotspot),
];

const REVIEW: [(&str, ReviewPolicy); 2] =
    [("submitted", ReviewPolicy::Submitted), ("graded", ReviewPolicy::Graded)];

/// Fields that some kinds have and others do not.
const KIND_FIELDS: [&str; 13] = [
    "choices", "blanks", "items", "pairs", "exact", "answers", "units", "gaps", "answer", "accent",
    "nearly", "feedback", "regions",
];

/// Compiles the texts of a question.
struct Texts<'a> {
    file: &'a str,
    scope: &'a Scope,
    problems: &'a Problems,
}

impl Texts<'_> {
    fn origin(&self, line: u32) -> Origin<'_> {
        Origin::JsonString(SourceLocation { file: self.file, line })
    }
    /// Returns the HTML of a prompt, feedback or explanation.
    fn prompt(&self, text: &str, line: u32) -> String {
        markdown::to_prompt_html(text, self.origin(line), self.scope, self.problems)
    }
    /// Returns the HTML of a choice, item or part of a pair. Text without visible content is reported as an error.
    fn inline(&self, what: &str, text: &str, line: u32) -> String {
        let html = markdown::to_inline_html(text, self.origin(line), self.scope, self.problems);
        self.check_visible(&html, what, text, line);
        html
    }
    /// Warns if learners cannot tell a text from one before it.
    fn check_different<'t>(
        &self,
        what: &str,
        mut before: impl Iterator<Item = &'t String>,
        html: &str,
        line: u32,
    ) {
        if !html.is_empty() && before.any(|other| other == html) {
            let message = format!("two {what} show the same");
            let at = SourceLocation { file: self.file, line };
            self.problems.warn(at, "choice-duplicate", message, "change or remove one of them");
        }
    }
    fn check_visible(&self, html: &str, what: &str, text: &str, line: u32) {
        if !html::has_visible_content(html) {
            let message = match text.trim() {
                "" => format!("the {what} is empty"),
                text => format!("the {what} {text:?} shows nothing"),
            };
            let hint = "write a text; HTML as a text is written between backticks: `<br>`";
            let at = SourceLocation { file: self.file, line };
            self.problems.error(at, "empty", message, hint);
        }
    }
}

/// Compiles the hints of a question, and the percentage of the points that each costs.
fn hints(fields: &Fields<'_>, texts: &Texts<'_>) -> (Vec<String>, u8) {
    let hints: Vec<String> =
        fields.strings("hints").iter().map(|t| texts.prompt(t.value, t.line)).collect();
    let penalty = fields.integer("hintPenalty", 0..=100).map_or(0, |n| n.value);
    (hints, u8::try_from(penalty).unwrap_or(100))
}

/// Compiles what the learner is told about an answer with all, a part or none of the points.
fn result_feedback(fields: &Fields<'_>, texts: &Texts<'_>) -> ResultFeedback {
    let inner = fields
        .node("resultFeedback")
        .and_then(|node| fields.inner(node, "the feedback to the result of a question"));
    let Some(inner) = inner else { return ResultFeedback::default() };
    let text = |key| inner.text(key).map(|t| texts.prompt(t.value, t.line)).unwrap_or_default();
    let (right, partly, wrong) = (text("right"), text("partly"), text("wrong"));
    inner.finish();
    ResultFeedback { right, partly, wrong }
}

/// Compiles a statement that is true or false to two choices in the language of the quiz.
fn true_false(fields: &Fields<'_>, texts: &Texts<'_>, lang: &str) -> Option<QuestionKind> {
    if fields.node("answer").is_none() {
        fields.missing("answer");
    }
    let answer = fields.bool("answer");
    let feedback = fields.node("feedback").and_then(|node| {
        Fields::new(node, fields.file, texts.problems, "the feedback of a true-false question")
    });
    let (yes, no) = language::true_false(lang);
    let choice = |id: &'static str, text: &str, value: bool| {
        let feedback = feedback.as_ref().and_then(|f| f.text(id));
        Some(Choice {
            id: Slug::new(id).ok()?,
            text: text.to_owned(),
            correct: value == answer,
            feedback: feedback.map(|t| texts.prompt(t.value, t.line)).unwrap_or_default(),
        })
    };
    let choices = vec![choice("true", yes, true)?, choice("false", no, false)?];
    if let Some(feedback) = feedback {
        feedback.finish();
    }
    Some(QuestionKind::Single { choices })
}

/// Reports a list that is missing or has fewer than two entries.
fn check_count(fields: &Fields<'_>, key: &'static str, n: usize) {
    match fields.node(key) {
        None => fields.missing(key),
        Some(node) if n < 2 && matches!(node.value, Value::List(_)) => {
            let message = format!("{key:?} has {n} entries; at least 2 are required");
            fields.error(node.line, "too-few", message, "add entries");
        }
        Some(_) => {}
    }
}

fn choices(fields: &Fields<'_>, texts: &Texts<'_>, is_single: bool) -> Option<QuestionKind> {
    let mut choices = Vec::new();
    let mut ids = UniqueIds::default();
    let nodes = fields.list("choices");
    check_count(fields, "choices", nodes.len());
    let mut correct_count = 0;
    for node in nodes {
        let Some(choice) = Fields::new(node, fields.file, texts.problems, "a choice") else {
            continue;
        };
        let (id, text) = (choice.require_slug("id"), choice.require_text("text"));
        ids.add(&choice, id.as_ref(), "id");
        let is_correct = choice.bool("correct");
        correct_count += usize::from(is_correct);
        let feedback =
            choice.text("feedback").map(|t| texts.prompt(t.value, t.line)).unwrap_or_default();
        let line = text.as_ref().map_or(choice.line, |t| t.line);
        let text = text.map(|t| texts.inline("choice", t.value, t.line));
        if let (Some(id), Some(text)) = (id, text) {
            texts.check_different("choices", choices.iter().map(|c: &Choice| &c.text), &text, line);
            choices.push(Choice { id: id.value, text, correct: is_correct, feedback });
        }
        choice.finish();
    }
    if !nodes.is_empty() {
        if is_single && correct_count != 1 {
            let message = format!(
                "{correct_count} choices are marked as correct; a single-choice question must have exactly one"
            );
            fields.error(
                fields.line,
                "correct-count",
                message,
                "set \"correct\": true on exactly one choice, or use \"kind\": \"multiple\"",
            );
        } else if correct_count == 0 {
            fields.error(
                fields.line,
                "correct-count",
                "no choice is marked as correct".to_owned(),
                "set \"correct\": true on the correct choices",
            );
        }
    }
    Some(if is_single {
        QuestionKind::Single { choices }
    } else {
        QuestionKind::Multiple { choices }
    })
}

fn pairs(fields: &Fields<'_>, texts: &Texts<'_>) -> Option<QuestionKind> {
    let nodes = fields.list("pairs");
    check_count(fields, "pairs", nodes.len());
    let mut pairs = Vec::new();
    for node in nodes {
        let sides: Vec<_> = match &node.value {
            Value::List(list) => list
                .iter()
                .filter_map(|n| match &n.value {
                    Value::Text(text) => Some((text.trim(), n.line)),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        match sides[..] {
            [left, right] if matches!(&node.value, Value::List(l) if l.len() == 2) => {
                let side = |(text, line)| texts.inline("side of the pair", text, line);
                let (line, left, right) = (left.1, side(left), side(right));
                let before = pairs.iter().map(|(left, _): &(String, String)| left);
                texts.check_different("pairs", before, &left, line);
                pairs.push((left, right));
            }
            _ => texts.problems.error(
                fields.at(node.line),
                "wrong-type",
                "a pair must be a list of two strings",
                "write [\"left\", \"right\"]",
            ),
        }
    }
    Some(QuestionKind::Match { pairs })
}

// Markdown would parse ___ as a rule or as emphasis, so blanks are marked with noncharacters, which no text contains.
const BLANK_START: char = '\u{fdd6}';
const BLANK_END: char = '\u{fdd7}';

/// Replaces each run of three or more underscores by a mark. Returns the text and the number of blanks.
fn mark_blanks(text: &str) -> (String, usize) {
    let (mut out, mut count) = (String::new(), 0);
    let text = text.replace([BLANK_START, BLANK_END], "\u{fffd}");
    let mut rest = text.as_str();
    while let Some(at) = rest.find("___") {
        out.push_str(&rest[..at]);
        out.push_str(&format!("{BLANK_START}{count}{BLANK_END}"));
        count += 1;
        rest = rest[at..].trim_start_matches('_');
    }
    out.push_str(rest);
    (out, count)
}

/// Counts the marks in the text of HTML, without those in tags and formulas.
fn count_blanks(html: &str) -> usize {
    let (mut count, mut in_formula) = (0, false);
    let mut rest = html;
    while !rest.is_empty() {
        let (text, tags) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        count += if in_formula { 0 } else { text.matches(BLANK_START).count() };
        in_formula = tags.starts_with("<math") || in_formula && !tags.starts_with("</math>");
        let tag = tags.find('>').map_or(tags.len(), |end| end + 1);
        rest = &tags[tag..];
    }
    count
}

fn render_blanks(html: &str) -> String {
    html.replace(BLANK_START, "<span data-blank=\"").replace(BLANK_END, "\"></span>")
}

#[cfg(test)]
mod tests;
