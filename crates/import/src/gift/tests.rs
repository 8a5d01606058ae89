use super::*;
use crate::question::{Answer, Kind, Number};

/// Returns the answers as `weight|text|feedback`.
fn list(answers: &[Answer]) -> Vec<String> {
    let line = |a: &Answer| format!("{}|{}|{}", a.weight, a.text.text, a.feedback.text);
    answers.iter().map(line).collect()
}

fn one(source: &str) -> Question {
    let bank = parse(source);
    assert_eq!(bank.rejected, [], "{source}");
    assert_eq!(bank.questions.len(), 1, "{source}: {bank:?}");
    bank.questions.into_iter().next().unwrap()
}

#[test]
fn the_answers_decide_the_kind() {
    for (source, kind) in [
        ("Read this first.", "description"),
        ("Why? {}", "essay"),
        ("Why? {####Think.}", "essay"),
        ("The sun is hot.{T}", "truefalse"),
        ("The sun is cold.{FALSE#No.#Yes.}", "truefalse"),
        ("2+2? {=4 ~3}", "multichoice"),
        ("2+2? {~%50%4 ~%50%four ~5}", "multichoice"),
        ("2+2? {=4 =four}", "shortanswer"),
        ("2+2? {4}", "shortanswer"),
        ("True? {true}", "shortanswer"),
        ("T or F? {=T}", "shortanswer"),
        ("2+2? {#4}", "numerical"),
        ("Match. {=a -> b =c -> d}", "match"),
        ("Arrow? {=a -> b ~c}", "multichoice"),
    ] {
        assert_eq!(one(source).kind.name(), kind, "{source}");
    }
}

#[test]
fn escaped_characters_are_text_everywhere() {
    let question = one(
        "::A\\:\\:B::1 \\= 1 \\{x\\} \\# \\~ \\: C:\\\\new\\nline? {=\\{\\~\\=\\#\\}#a\\#b ~no}",
    );
    assert_eq!(question.title.as_deref(), Some("A::B"));
    assert_eq!(question.prompt.text, "1 = 1 {x} # ~ : C:\\new\nline?");
    let Kind::Choice { answers, .. } = &question.kind else { panic!() };
    assert_eq!(list(answers), ["100|{~=#}|a#b", "0|no|"]);
    // A backslash before any other character is a backslash, as in formulas.
    assert_eq!(one("\\(\\frac\\{1\\}\\{2\\}\\) {=a}").prompt.text, "\\(\\frac{1}{2}\\)");
}

#[test]
fn weights_may_be_negative_and_have_decimals() {
    let question = one("Two? {~%50%a#one ~%-33.33333%b ~%50%c ~%100%d ~d % e ~%x%f}");
    let Kind::Choice { single: false, answers, shuffle: true } = &question.kind else { panic!() };
    assert_eq!(
        list(answers),
        ["50|a|one", "-33.33333|b|", "50|c|", "100|d|", "0|d % e|", "0|%x%f|"]
    );
    let question = one("Half? {=whole =%50%half#almost}");
    let Kind::Short { answers, case: false } = &question.kind else { panic!() };
    assert_eq!(list(answers), ["100|whole|", "50|half|almost"]);
    let question = one("One? {=%100%a =%60%b ~c}");
    let Kind::Choice { single: true, answers, .. } = &question.kind else { panic!() };
    assert_eq!(list(answers), ["100|a|", "60|b|", "0|c|"]);
}

#[test]
fn numbers_have_a_tolerance_a_range_or_several_values() {
    let numbers = |source: &str| -> Vec<String> {
        let Kind::Numerical { answers, .. } = one(source).kind else { panic!("{source}") };
        let number = |n: &Number| match n {
            Number::Value { value, tolerance } => format!("{value}±{tolerance}"),
            Number::Range { low, high } => format!("{low}..{high}"),
            Number::Any => "*".to_owned(),
        };
        answers
            .iter()
            .map(|a| format!("{}|{}|{}", a.weight, number(&a.number), a.feedback.text))
            .collect()
    };
    for (source, expected) in [
        ("x {#3}", &["100|3±0|"][..]),
        ("x {#3.141:0.001}", &["100|3.141±0.001|"]),
        ("x {#-5..5}", &["100|-5..5|"]),
        ("x {# 5 .. -5}", &["100|-5..5|"]),
        ("x {#1e3:1}", &["100|1000±1|"]),
        ("x {#=1822:0 =%50%1822:2#close}", &["100|1822±0|", "50|1822±2|close"]),
        ("x {#3:0.1#right ~#wrong}", &["100|3±0.1|right", "0|*|wrong"]),
        ("x {#=%100%1..2 =%-5%*}", &["100|1..2|", "-5|*|"]),
    ] {
        assert_eq!(numbers(source), expected, "{source}");
    }
}

#[test]
fn an_answer_inside_of_a_sentence_leaves_a_gap() {
    assert_eq!(one("Two {=plus} two.").prompt.text, format!("Two {GAP} two."));
    assert_eq!(one("Two plus {=two}").prompt.text, "Two plus");
    assert_eq!(one("{=Two} plus two").prompt.text, format!("{GAP} plus two"));
    assert_eq!(one("[html]<b>a</b> {=b}.").prompt.format, TextFormat::Html);
}

#[test]
fn formats_apply_to_the_answers_unless_they_have_their_own() {
    let question = one("[html]<i>a</i>? {=[plain]<b> ~b#[markdown]*c* ~[unknown]d####[moodle]e}");
    let Kind::Choice { answers, .. } = &question.kind else { panic!() };
    let formats: Vec<_> = answers.iter().map(|a| a.text.format).collect();
    assert_eq!(formats, [TextFormat::Plain, TextFormat::Html, TextFormat::Html]);
    assert_eq!(answers[0].text.text, "<b>");
    assert_eq!(answers[1].feedback.format, TextFormat::Markdown);
    assert_eq!(answers[2].text.text, "[unknown]d");
    assert_eq!(
        (question.feedback.format, question.feedback.text.as_str()),
        (TextFormat::Moodle, "e")
    );
    assert_eq!(one("x {=a}").prompt.format, TextFormat::Moodle);
}

#[test]
fn true_false_feedback_is_for_wrong_then_right_answers() {
    let Kind::TrueFalse { answer, right, wrong } = one("x {F#wrong#right####general}").kind else {
        panic!()
    };
    assert_eq!((answer, wrong.text.as_str(), right.text.as_str()), (false, "wrong", "right"));
}

#[test]
fn pairs_are_split_at_the_arrow() {
    let question = one("Match {=[html]<b>1</b> -> one =2 -> two\\=2 =-> three}");
    let Kind::Match { pairs } = &question.kind else { panic!() };
    let sides: Vec<_> =
        pairs.iter().map(|p| (p.left.text.as_str(), p.right.text.as_str())).collect();
    assert_eq!(sides, [("<b>1</b>", "one"), ("2", "two=2"), ("", "three")]);
}

#[test]
fn categories_comments_ids_and_tags_belong_to_the_questions_after_them() {
    let bank = parse(
        "// A file\n\n$CATEGORY: $course$/top/Maths/One//Two\n\n// [id:q1] [tag:easy] [tag:a\\]b]\nA {=a}\n\n\
         $CATEGORY: tom/dick\nB {\n// inside\n=b\n}\n\n// only a comment\n\n",
    );
    assert_eq!(bank.rejected, []);
    let [a, b] = &bank.questions[..] else { panic!("{bank:?}") };
    assert_eq!(a.category, ["Maths", "One/Two"]);
    assert_eq!((a.id.as_str(), &a.tags[..]), ("q1", &["easy".to_owned(), "a]b".to_owned()][..]));
    assert_eq!((b.category.join("/").as_str(), b.line), ("tom/dick", 9));
}

#[test]
fn what_cannot_be_read_is_reported_with_its_line() {
    let bank = parse(
        "Good {=a}\n\nNo end {=a\n\n=b}\n\n} wrong {\n\nOne choice {~a}\n\nOne pair {=a->b}\n\nNo number {#x}\n\n\
         Nothing {#}\n\n::Only a title::\n\nNo arrow {=a -> b =c}\n",
    );
    let lines: Vec<u32> = bank.rejected.iter().map(|r| r.line).collect();
    assert_eq!((bank.questions.len(), lines), (1, vec![3, 5, 7, 9, 11, 13, 15, 17, 19]));
    assert!(bank.rejected.iter().all(|r| !r.text.is_empty()));
}

#[test]
fn any_text_is_accounted_for() {
    // Each block of lines is a question, a rejected part, a category or a comment.
    let parts = [
        "a", "{", "}", "=", "~", "#", "->", "::", "\\", "%50%", "T", "\n", "[html]", "é", "1..2",
        ":",
    ];
    let mut state = 7_u64;
    for _ in 0..3_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(parts[(state >> 33) as usize % parts.len()]);
        }
        let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty()).count();
        let bank = parse(&text);
        assert_eq!(bank.questions.len() + bank.rejected.len(), blocks, "{text:?}");
    }
}
