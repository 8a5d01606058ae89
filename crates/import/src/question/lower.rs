//! Maps questions of other programs to the kinds of quizzes. This is the only place that knows which kinds there are:
//! a question whose kind has no counterpart is kept as text, with the reason in its item of the report.

mod text;
mod typed;

use carrel_model::text::language::true_false;
use serde_json::{Map, Value, json};

use super::{Answer, ClozeGap, GAP, Kind, Number, NumericAnswer, Pair, Question};
use crate::course::{Block, ItemIndex, WrittenQuestion, media::MediaFolder};
use crate::error::Result;
use crate::ids::id_of;
use crate::remark::{Remark, RemarkCode};
use crate::report::{Item, Level};
use text::{Texts, plain_text};

/// What a question becomes.
pub(crate) enum Lowered {
    /// A question of a quiz.
    Question(WrittenQuestion),
    /// A text without a question: Moodle's description.
    Description(Block),
    /// The question as a text.
    Task(Block),
    /// Nothing.
    Refused,
}

/// Where a question comes from and goes to.
pub(crate) struct Context<'a> {
    pub lang: &'a str,
    pub media: &'a mut MediaFolder,
    pub item: &'a mut Item,
    pub index: ItemIndex,
}

/// Maximum number of choices, pairs or items of a question.
const MAX_PARTS: usize = 200;

/// A weight in percent that counts as all points.
const FULL: f64 = 99.9;

/// Maps one question.
pub(crate) fn lower(question: &Question, id: &str, context: &mut Context<'_>) -> Result<Lowered> {
    for dropped in &question.dropped {
        context.item.changed(dropped.clone());
    }
    let mut texts = Texts::new(question, true);
    let kind = kind(question, &mut texts, context)?;
    let prompt = texts.prompt(&question.prompt, context)?;
    let block = text_form(question, &mut texts, &prompt.markdown, context)?;
    let Some(kind) = kind else {
        if prompt.markdown.is_empty() && prompt.image.is_none() && block.markdown.is_empty() {
            context.item.lower(Level::Refused, RemarkCode::NoText);
            return Ok(Lowered::Refused);
        }
        if !question.hints.is_empty() {
            context.item.changed(RemarkCode::HintsRemoved);
        }
        if !question.by_result.is_empty() {
            context.item.changed(RemarkCode::ResultFeedbackRemoved);
        }
        return Ok(match question.kind {
            Kind::Description => Lowered::Description(block),
            _ => Lowered::Task(block),
        });
    };
    let has_formulas = texts.has_formulas;
    let json = written(question, id, kind, prompt, &mut texts, context)?;
    let without_formulas = if has_formulas {
        let mut texts = Texts::new(question, false);
        let prompt = texts.prompt(&question.prompt, context)?;
        match self::kind(question, &mut texts, context)? {
            Some(kind) => Some(written(question, id, kind, prompt, &mut texts, context)?),
            None => None,
        }
    } else {
        None
    };
    Ok(Lowered::Question(WrittenQuestion { json, without_formulas, text: block }))
}

/// The fields of a question that depend on its kind, and whether its prompt needs gaps.
struct Mapped {
    fields: Map<String, Value>,
    /// Number of blanks that the prompt must have.
    gaps: usize,
}

impl Mapped {
    fn new(kind: &str, fields: Value) -> Self {
        let mut map = Map::from_iter([("kind".to_owned(), json!(kind))]);
        if let Value::Object(fields) = fields {
            map.extend(fields);
        }
        Self { fields: map, gaps: 0 }
    }
}

/// Returns the fields of the kind; `None` if the question is kept as text, with the reason in the item.
fn kind(
    question: &Question,
    texts: &mut Texts<'_>,
    context: &mut Context<'_>,
) -> Result<Option<Mapped>> {
    let keep = |context: &mut Context<'_>, reason: Remark| {
        context.item.lower(Level::KeptAsText, reason);
        Ok(None)
    };
    let parts = match &question.kind {
        Kind::Choice { answers, .. } | Kind::Short { answers, .. } => answers.len(),
        Kind::Numerical { answers, .. } => answers.len(),
        Kind::Match { pairs } => pairs.len(),
        Kind::Order { items } => items.len(),
        Kind::Cloze { gaps } => gaps.len(),
        _ => 0,
    };
    if parts > MAX_PARTS {
        let reason = RemarkCode::TooManyParts.with("parts", parts).with("max", MAX_PARTS);
        return keep(context, reason);
    }
    match &question.kind {
        Kind::Description => Ok(None),
        Kind::Essay => keep(context, RemarkCode::FreeText.into()),
        Kind::Unsupported { name } => keep(context, RemarkCode::UnsupportedKind.with("kind", name)),
        Kind::TrueFalse { answer, right, wrong } => {
            let mut mapped = Mapped::new("true-false", json!({ "answer": answer }));
            let mut given = Map::new();
            for (id, value) in [("true", true), ("false", false)] {
                let feedback = if value == *answer { right } else { wrong };
                let feedback = texts.feedback(feedback, context)?;
                if !feedback.is_empty() {
                    given.insert(id.to_owned(), json!(feedback));
                }
            }
            if !given.is_empty() {
                mapped.fields.insert("feedback".to_owned(), Value::Object(given));
            }
            Ok(Some(mapped))
        }
        Kind::Choice { single, answers, .. } => choices(*single, answers, texts, context),
        Kind::Short { answers, case } => {
            let Some(accepted) = typed::spellings(answers, texts, context)? else {
                return keep(context, RemarkCode::NoComparableAnswer.into());
            };
            let mut mapped = Mapped::new("fill", json!({ "blanks": [accepted] }));
            mapped.gaps = 1;
            if *case {
                mapped.fields.insert("exact".to_owned(), json!(true));
            }
            Ok(Some(mapped))
        }
        Kind::Numerical { answers, units, multipliers, unit_required } => {
            let units: Vec<(&str, f64)> =
                units.iter().map(String::as_str).zip(multipliers.iter().copied()).collect();
            let fields = typed::numbers(answers, &units, *unit_required, texts, context)?;
            Ok(fields.map(|fields| Mapped::new("numeric", Value::Object(fields))))
        }
        Kind::Match { pairs } => matching(pairs, texts, context),
        Kind::Order { items } => {
            let mut list = Vec::new();
            for item in items {
                list.push(texts.line(item, context)?);
            }
            if list.len() < 2 || list.iter().any(String::is_empty) {
                return keep(context, RemarkCode::OrderItemEmpty.into());
            }
            Ok(Some(Mapped::new("order", json!({ "items": list }))))
        }
        Kind::Cloze { gaps } => typed::cloze(gaps, texts, context),
    }
}

fn choices(
    single: bool,
    answers: &[Answer],
    texts: &mut Texts<'_>,
    context: &mut Context<'_>,
) -> Result<Option<Mapped>> {
    let best = answers.iter().map(|a| a.weight).fold(0.0, f64::max);
    if best <= 0.0 {
        context.item.lower(Level::KeptAsText, RemarkCode::NoRightChoice);
        return Ok(None);
    }
    if answers.len() < 2 {
        context.item.lower(Level::KeptAsText, RemarkCode::FewChoices);
        return Ok(None);
    }
    let full = answers.iter().filter(|a| a.weight >= FULL).count();
    // In a question with one answer, the best choices are right; in others, all that give points.
    let is_right = |answer: &Answer| match single {
        true => answer.weight >= best - 0.1,
        false => answer.weight > 0.0,
    };
    let right = answers.iter().filter(|a| is_right(a)).count();
    let is_single = single && right == 1;
    if single {
        if right > 1 {
            context.item.changed(RemarkCode::SeveralRightChoices.with("n", right));
        }
        if full == 0 {
            context.item.changed(RemarkCode::BestChoicePartly);
        }
        if answers.iter().any(|a| a.weight != 0.0 && !is_right(a)) {
            context.item.changed(RemarkCode::PartlyChoices);
        }
    } else {
        let share = 100.0 / right as f64;
        let is_even = |weight: f64, expected: f64| (weight - expected).abs() < 0.2;
        let is_exact =
            answers.iter().all(|a| is_even(a.weight, if is_right(a) { share } else { -share }));
        if !is_exact {
            context.item.changed(RemarkCode::ChoiceRule);
        }
    }
    let mut list = Vec::new();
    for (n, answer) in answers.iter().enumerate() {
        let text = texts.line(&answer.text, context)?;
        if text.is_empty() {
            context.item.lower(Level::KeptAsText, RemarkCode::ChoiceEmpty);
            return Ok(None);
        }
        let feedback = texts.feedback(&answer.feedback, context)?;
        list.push(choice(format!("c{}", n + 1), text, is_right(answer), feedback));
    }
    let kind = if is_single { "single" } else { "multiple" };
    Ok(Some(Mapped::new(kind, json!({ "choices": list }))))
}

fn choice(id: String, text: String, is_right: bool, feedback: String) -> Value {
    let mut fields = json!({ "id": id, "text": text });
    if is_right {
        fields["correct"] = json!(true);
    }
    if !feedback.is_empty() {
        fields["feedback"] = json!(feedback);
    }
    fields
}

fn matching(
    pairs: &[Pair],
    texts: &mut Texts<'_>,
    context: &mut Context<'_>,
) -> Result<Option<Mapped>> {
    let mut list = Vec::new();
    for pair in pairs {
        let (left, right) = (texts.line(&pair.left, context)?, texts.line(&pair.right, context)?);
        match (left.is_empty(), right.is_empty()) {
            (false, false) => list.push(json!([left, right])),
            (true, false) => {
                context.item.changed(RemarkCode::WrongPairRemoved.with("answer", right));
            }
            _ => {
                context.item.lower(Level::KeptAsText, RemarkCode::PairSideEmpty);
                return Ok(None);
            }
        }
    }
    if list.len() < 2 {
        context.item.lower(Level::KeptAsText, RemarkCode::FewPairs);
        return Ok(None);
    }
    Ok(Some(Mapped::new("match", json!({ "pairs": list }))))
}

/// Returns the JSON of the question.
fn written(
    question: &Question,
    id: &str,
    mapped: Mapped,
    prompt: text::Prompt,
    texts: &mut Texts<'_>,
    context: &mut Context<'_>,
) -> Result<Value> {
    let mut markdown = prompt.markdown;
    if markdown.is_empty() {
        markdown = crate::text::escape::escaped(question.title.as_deref().unwrap_or("…"));
    }
    markdown = if mapped.gaps == 0 {
        markdown.replace(GAP, "\\_\\_\\_\\_\\_")
    } else {
        // A gap that the text does not have follows it.
        let missing = mapped.gaps.saturating_sub(markdown.matches(GAP).count());
        let is_line = !markdown.contains('\n');
        for _ in 0..missing {
            markdown.push_str(if is_line { " " } else { "\n\n" });
            markdown.push(GAP);
        }
        markdown.replace(GAP, "___")
    };
    let mut fields = mapped.fields;
    fields.insert("id".to_owned(), json!(id));
    fields.insert("prompt".to_owned(), json!(markdown));
    let points = question.points.round().clamp(1.0, 1000.0);
    if (points - question.points).abs() > 1e-6 && question.points > 0.0 {
        let remark = RemarkCode::PointsRounded.with("from", question.points);
        context.item.changed(remark.with("to", points));
    }
    if points > 1.0 {
        fields.insert("points".to_owned(), json!(points as u32));
    }
    if let Some((path, alt)) = prompt.image {
        fields.insert("image".to_owned(), json!(path));
        fields.insert(
            "alt".to_owned(),
            json!(if alt.is_empty() { "decorative".into() } else { alt }),
        );
    }
    if let Some(path) = prompt.audio {
        fields.insert("audio".to_owned(), json!(path));
    }
    let mut hints = Vec::new();
    for hint in &question.hints {
        hints.push(texts.feedback(hint, context)?);
    }
    hints.retain(|hint| !hint.is_empty());
    if !hints.is_empty() {
        fields.insert("hints".to_owned(), json!(hints));
        let penalty = (question.penalty * 100.0).round() as u32;
        if penalty > 0 {
            fields.insert("hintPenalty".to_owned(), json!(penalty));
            context.item.changed(RemarkCode::HintCost.with("percent", penalty));
        }
    }
    let explanation = texts.feedback(&question.feedback, context)?;
    if !explanation.is_empty() {
        fields.insert("explanation".to_owned(), json!(explanation));
    }
    let by_result = &question.by_result;
    let mut result_feedback = Map::new();
    for (key, text) in
        [("right", &by_result.right), ("partly", &by_result.partly), ("wrong", &by_result.wrong)]
    {
        let text = texts.feedback(text, context)?;
        if !text.is_empty() {
            result_feedback.insert(key.to_owned(), json!(text));
        }
    }
    if !result_feedback.is_empty() {
        fields.insert("resultFeedback".to_owned(), Value::Object(result_feedback));
    }
    Ok(Value::Object(fields))
}

/// Returns the question as a text with its answers, so that nothing is lost.
fn text_form(
    question: &Question,
    texts: &mut Texts<'_>,
    prompt: &str,
    context: &mut Context<'_>,
) -> Result<Block> {
    let mut parts = Vec::new();
    // The text may have media in their places.
    let (body, plain) = texts.body(&question.prompt, context)?;
    let body = if body.is_empty() { prompt.to_owned() } else { body };
    parts.push(body.replace(GAP, "\\_\\_\\_\\_\\_"));
    let mut lines = Vec::new();
    let mut plain_lines = vec![plain.replace(GAP, "_____")];
    for (is_right, text) in solution(&question.kind, context.lang).into_iter().take(MAX_PARTS) {
        let mark = if is_right { "✓ " } else { "" };
        lines.push(format!("- {mark}{}", crate::text::escape::escaped(&text)));
        plain_lines.push(format!("- {mark}{text}"));
    }
    parts.push(lines.join("\n"));
    let feedback = texts.feedback(&question.feedback, context)?;
    parts.push(feedback);
    plain_lines.push(plain_text(&question.feedback));
    parts.retain(|part| !part.is_empty());
    plain_lines.retain(|line| !line.is_empty());
    Ok(Block { markdown: parts.join("\n\n"), plain: plain_lines.join("\n"), item: context.index })
}

/// Returns the answers of a question as lines; true for a right one.
fn solution(kind: &Kind, lang: &str) -> Vec<(bool, String)> {
    let answers = |list: &[Answer]| -> Vec<(bool, String)> {
        list.iter().take(MAX_PARTS).map(|a| (a.weight > 0.0, plain_text(&a.text))).collect()
    };
    let numbers = |list: &[NumericAnswer]| -> Vec<(bool, String)> {
        let right = list.iter().filter(|a| a.weight > 0.0);
        right.map(|a| (true, number_text(&a.number))).collect()
    };
    match kind {
        Kind::Description | Kind::Essay | Kind::Unsupported { .. } => Vec::new(),
        Kind::TrueFalse { answer, .. } => {
            let (yes, no) = true_false(lang);
            vec![(*answer, yes.to_owned()), (!answer, no.to_owned())]
        }
        Kind::Choice { answers: list, .. } => answers(list),
        Kind::Short { answers: list, .. } => {
            answers(list).into_iter().filter(|(r, _)| *r).collect()
        }
        Kind::Numerical { answers: list, units, .. } => {
            let mut lines = numbers(list);
            lines.extend(units.iter().map(|unit| (false, unit.clone())));
            lines
        }
        Kind::Match { pairs } => pairs
            .iter()
            .map(|p| {
                (!p.left.is_empty(), format!("{} → {}", plain_text(&p.left), plain_text(&p.right)))
            })
            .collect(),
        Kind::Order { items } => items.iter().map(|item| (true, plain_text(item))).collect(),
        Kind::Cloze { gaps } => gaps
            .iter()
            .map(|gap| {
                let parts = match gap {
                    ClozeGap::Short { answers: list, .. }
                    | ClozeGap::Choice { answers: list, .. } => answers(list),
                    ClozeGap::Numerical { answers: list, .. } => numbers(list),
                };
                let right: Vec<String> =
                    parts.into_iter().filter(|(right, _)| *right).map(|(_, text)| text).collect();
                (true, right.join(" / "))
            })
            .collect(),
    }
}

fn number_text(number: &Number) -> String {
    match number {
        Number::Value { value, tolerance: 0.0 } => value.to_string(),
        Number::Value { value, tolerance } => format!("{value} ± {tolerance}"),
        Number::Range { low, high } => format!("{low} … {high}"),
        Number::Any => "*".to_owned(),
    }
}

/// Returns the id of a question in the package. It depends on nothing that changes while the original id is the same.
pub(crate) fn question_id(question: &Question, original: &str) -> String {
    match (question.id.as_str(), &question.title) {
        ("", Some(title)) => id_of(title, original),
        ("", None) => id_of(&plain_text(&question.prompt), original),
        (id, _) => id_of(id, original),
    }
}
