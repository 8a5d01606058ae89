//! The kinds of questions of a quiz file: what is compiled, and which mistakes are reported.

mod support;

use carrel_model::content::{
    Block, ManifestContent, QuestionKind, Quiz, RegionShape, ReviewPolicy, SectionBody, TextMatch,
    UnitPolicy,
};
use carrel_package::Problem;
use support::{compile_tree, course};

/// A quiz, and the codes of its warnings with their lines.
type CompiledQuiz = (Quiz, Vec<(String, u32)>);

/// Compiles a course whose quiz has these questions, one per line from line 3; returns the quiz and the codes of the
/// problems with their lines.
fn compiled(fields: &str, questions: &[&str]) -> Result<CompiledQuiz, Vec<Problem>> {
    let mut tree = course();
    let text = format!(
        "{{ \"format\": \"carrel-quiz/1\", \"id\": \"check\", \"title\": \"Check\" {fields},\n\
         \"questions\": [\n{}\n] }}",
        questions.join(",\n")
    );
    tree.put("one/check.json", text);
    let (compiled, sink) = compile_tree(&tree)?;
    let ManifestContent::Course { outline, .. } = &compiled.manifest.content else { panic!() };
    let body: SectionBody = sink.json(outline.lessons[0].sections[1].body).unwrap();
    let quiz = body.blocks.iter().find_map(|block| match block {
        Block::Quiz { body, .. } => sink.json(*body),
        _ => None,
    });
    let problems =
        compiled.warnings.iter().map(|p| (p.code.to_string(), p.line)).collect::<Vec<_>>();
    Ok((quiz.unwrap(), problems))
}

fn quiz(questions: &[&str]) -> Quiz {
    compiled("", questions).unwrap_or_else(|problems| panic!("{problems:?}")).0
}

/// Returns the problems of a question on line 3.
fn codes(question: &str) -> Vec<String> {
    let problems = match compiled("", &[question]) {
        Ok((_, problems)) => problems,
        Err(problems) => problems.iter().map(|p| (p.code.to_string(), p.line)).collect(),
    };
    problems.into_iter().map(|(code, line)| format!("{code}:{line}")).collect()
}

#[test]
fn numbers_have_tolerances_ranges_and_units() {
    let quiz = quiz(&[
        r#"{ "id": "a", "kind": "numeric", "prompt": "A", "answers": [5, "6.02e23", 0.5] }"#,
        r#"{ "id": "b", "kind": "numeric", "prompt": "B", "answers": [
            { "value": 20, "tolerance": "5%", "unit": "m/s", "feedback": "*Yes*" },
            { "value": 2, "tolerance": 0.1, "unit": "m/s", "percent": 0, "feedback": "Ten times" },
            { "from": 1, "to": 3, "unit": "km/h", "percent": 50 }] }"#,
        r#"{ "id": "c", "kind": "numeric", "prompt": "C", "units": "optional",
            "answers": [{ "value": "1e-7", "unit": "kg" }] }"#,
    ]);
    let numbers = |at: usize| match &quiz.questions[at].kind {
        QuestionKind::Numeric { answers, unit } => (answers.clone(), *unit),
        other => panic!("{other:?}"),
    };
    let (a, policy) = numbers(0);
    assert_eq!(a.iter().map(|a| a.value.as_str()).collect::<Vec<_>>(), ["5", "6.02e23", "0.5"]);
    assert_eq!(policy, UnitPolicy::None);
    let (b, policy) = numbers(1);
    assert_eq!(policy, UnitPolicy::Required, "because an answer has a unit");
    let first = (b[0].tolerance.as_deref(), b[0].relative, b[0].percent, b[0].feedback.as_str());
    assert_eq!(first, (Some("0.05"), true, 100, "<em>Yes</em>"));
    assert_eq!((b[1].tolerance.as_deref(), b[1].relative, b[1].percent), (Some("0.1"), false, 0));
    assert_eq!((b[2].value.as_str(), b[2].to.as_deref(), b[2].percent), ("1", Some("3"), 50));
    assert_eq!(numbers(2).1, UnitPolicy::Optional);
    assert_eq!(numbers(2).0[0].value, "1e-7");
}

#[test]
fn mistakes_in_numbers_are_reported() {
    let numeric = |rest: &str| {
        codes(&format!(r#"{{ "id": "a", "kind": "numeric", "prompt": "A", {rest} }}"#))
    };
    for (rest, expected) in [
        (r#""answers": [1]"#, &[][..]),
        (r#""answers": []"#, &["empty:3"]),
        (r#""units": "none""#, &["missing-field:3"]),
        (r#""answers": ["five"]"#, &["bad-value:3"]),
        (r#""answers": ["1,5"]"#, &["bad-value:3"]),
        (r#""answers": ["inf"]"#, &["bad-value:3"]),
        (r#""answers": [true]"#, &["wrong-type:3"]),
        (r#""answers": [{ "value": 1, "from": 2 }]"#, &["bad-value:3"]),
        (r#""answers": [{ "from": 2 }]"#, &["bad-value:3"]),
        (r#""answers": [{ "unit": "m" }]"#, &["missing-field:3"]),
        (r#""answers": [{ "value": 1, "tolerance": -1 }]"#, &["bad-value:3"]),
        (r#""answers": [{ "value": 1, "tolerance": "x%" }]"#, &["bad-value:3"]),
        (r#""answers": [{ "value": 1, "percent": 101 }]"#, &["bad-value:3"]),
        (r#""answers": [{ "value": 1, "unit": "apples" }]"#, &["unit-unknown:3"]),
        (r#""answers": [{ "value": 1, "unit": "m" }, 2]"#, &["unit-missing:3"]),
        (r#""answers": [1], "units": "required""#, &["unit-missing:3"]),
        (r#""answers": [1], "units": "maybe""#, &["bad-value:3"]),
        (r#""answers": [{ "value": 1, "tolerence": 2 }]"#, &["unknown-field:3"]),
    ] {
        assert_eq!(numeric(rest), expected, "{rest}");
    }
}

#[test]
fn typed_texts_have_rules_for_accents_and_typing_errors() {
    let quiz = quiz(&[
        r#"{ "id": "a", "kind": "fill", "prompt": "___", "blanks": ["café"] }"#,
        r#"{ "id": "b", "kind": "fill", "prompt": "___", "blanks": ["café"], "accent": 100,
            "nearly": { "percent": 50, "feedback": "Look **again**." }, "feedback": "Well done." }"#,
    ]);
    let rules = |at: usize| match &quiz.questions[at].kind {
        QuestionKind::Fill { rules, .. } => rules.clone(),
        other => panic!("{other:?}"),
    };
    assert!(rules(0).is_default());
    let matches = [TextMatch::Right, TextMatch::Accent, TextMatch::Nearly, TextMatch::Wrong];
    assert_eq!(matches.map(|m| rules(1).percent(m)), [100, 100, 50, 0]);
    assert_eq!(rules(1).feedback(TextMatch::Nearly), "Look <strong>again</strong>.");
    assert_eq!(rules(1).feedback(TextMatch::Right), "Well done.");
    let fill = |rest: &str| {
        codes(&format!(
            r#"{{ "id": "a", "kind": "fill", "prompt": "___", "blanks": ["x"], {rest} }}"#
        ))
    };
    assert_eq!(fill(r#""accent": 101"#), ["bad-value:3"]);
    assert_eq!(fill(r#""nearly": true"#), ["wrong-type:3"]);
    assert_eq!(fill(r#""nearly": { "percents": 3 }"#), ["unknown-field:3"]);
}

#[test]
fn a_statement_is_true_or_false_in_the_language_of_the_quiz() {
    let question = r#"{ "id": "a", "kind": "true-false", "prompt": "A", "answer": false,
        "feedback": { "true": "No." } }"#;
    let (quiz, _) = compiled(", \"lang\": \"fr-CA\"", &[question]).unwrap();
    let QuestionKind::Single { choices } = &quiz.questions[0].kind else { panic!() };
    let shown: Vec<_> = choices
        .iter()
        .map(|c| (c.id.as_str(), c.text.as_str(), c.correct, c.feedback.as_str()))
        .collect();
    assert_eq!(shown, [("true", "Vrai", false, "No."), ("false", "Faux", true, "")]);
    assert_eq!(codes(r#"{ "id": "a", "kind": "true-false", "prompt": "A" }"#), ["missing-field:3"]);
}

#[test]
fn a_cloze_text_has_gaps_of_several_kinds() {
    let gaps = r#"[{ "kind": "choose", "choices": [ { "id": "x", "text": "X", "correct": true },
        { "id": "y", "text": "Y" } ] },
        { "kind": "type", "accepted": "ship", "weight": 3, "nearly": 50 },
        { "kind": "number", "answers": [{ "value": 5, "unit": "m" }] }]"#;
    let cloze = |prompt: &str, gaps: &str| {
        format!(r#"{{ "id": "a", "kind": "cloze", "prompt": "{prompt}", "gaps": {gaps} }}"#)
    };
    let quiz = quiz(&[&cloze("A ___ b ___ c ___.", gaps)]);
    assert!(quiz.questions[0].prompt.starts_with("A <span data-blank=\"0\"></span> b"));
    let QuestionKind::Cloze { gaps: compiled } = &quiz.questions[0].kind else { panic!() };
    assert_eq!(compiled.iter().map(|gap| gap.weight).collect::<Vec<_>>(), [1, 3, 1]);
    assert!(matches!(&compiled[0].kind, QuestionKind::Single { choices } if choices.len() == 2));
    assert!(matches!(&compiled[1].kind, QuestionKind::Fill { blanks, rules, .. }
        if blanks[0] == ["ship"] && rules.nearly.percent == 50));
    assert!(matches!(&compiled[2].kind, QuestionKind::Numeric { unit: UnitPolicy::Required, .. }));
    for (question, expected) in [
        (cloze("A ___.", gaps), "blank-count:3"),
        (cloze("A.", gaps), "blank-count:3"),
        (cloze("A ___.", r#"[{ "kind": "draw" }]"#), "bad-value:3"),
        (cloze("A ___.", r#"[{ "accepted": "x" }]"#), "missing-field:3"),
        (cloze("A ___.", r#"[{ "kind": "type" }]"#), "missing-field:3"),
        (cloze("A ___.", r#"[{ "kind": "type", "accepted": [] }]"#), "empty:3"),
        (cloze("A ___.", r#"[{ "kind": "number", "answers": ["x"] }]"#), "bad-value:3"),
        (r#"{ "id": "a", "kind": "cloze", "prompt": "A ___" }"#.to_owned(), "missing-field:3"),
    ] {
        assert_eq!(codes(&question), [expected], "{question}");
    }
}

#[test]
fn pools_limits_and_hints_are_compiled() {
    let question = |id: &str, rest: &str| {
        format!(
            r#"{{ "id": "{id}", "kind": "true-false", "prompt": "A", "answer": true, {rest} }}"#
        )
    };
    let pool = r#""pool": "p", "points": 2"#;
    let fields = r#", "pools": [{ "id": "p", "draw": 2 }], "shuffleQuestions": true, "timeLimitMinutes": 15,
        "review": "graded""#;
    let questions = [
        question("a", pool),
        question("b", pool),
        question("c", pool),
        question("d", r#""hints": ["One", "*Two*"], "hintPenalty": 10"#),
    ];
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    let (quiz, problems) = compiled(fields, &questions).unwrap();
    assert_eq!(problems, []);
    assert_eq!((quiz.shuffle_questions, quiz.time_limit_s), (true, Some(900)));
    assert_eq!((quiz.review, quiz.question_count()), (ReviewPolicy::Graded, 3));
    assert_eq!(quiz.pools[0].questions.iter().map(|q| q.as_str()).collect::<String>(), "abc");
    assert_eq!(quiz.questions[3].hints, ["One", "<em>Two</em>"]);
    assert_eq!(quiz.questions[3].hint_penalty, 10);

    let codes = |fields: &str, questions: &[String]| -> Vec<String> {
        let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
        match compiled(fields, &questions) {
            Ok((_, problems)) => problems.into_iter().map(|(code, _)| code).collect(),
            Err(problems) => problems.iter().map(|p| p.code.to_owned()).collect(),
        }
    };
    let declared = r#", "pools": [{ "id": "p", "draw": 2 }]"#;
    let (a, b, c) = (question("a", pool), question("b", pool), question("c", r#""pool": "p""#));
    for (fields, questions, expected) in [
        ("", vec![a.clone()], "pool-unknown"),
        (declared, vec![a.clone()], "pool-small"),
        (declared, vec![a.clone(), b.clone()], "pool-whole"),
        (declared, vec![a.clone(), b.clone(), c], "pool-points"),
        (r#", "pools": [{ "id": "p" }]"#, vec![b.clone()], "missing-field"),
        (r#", "timeLimitMinutes": 0"#, vec![question("x", r#""points": 1"#)], "bad-value"),
        (r#", "review": "never""#, vec![question("x", r#""points": 1"#)], "bad-value"),
        ("", vec![question("x", r#""hintPenalty": 101"#)], "bad-value"),
    ] {
        assert_eq!(
            codes(fields, &questions).first().map(String::as_str),
            Some(expected),
            "{fields}"
        );
    }
}

#[test]
fn regions_of_a_picture_are_compiled() {
    let hotspot = |regions: &str, rest: &str| {
        format!(
            r#"{{ "id": "a", "kind": "hotspot", "prompt": "Where?", "regions": {regions}, {rest} }}"#
        )
    };
    let picture = r#""image": "../media/square.png", "alt": "Blue""#;
    let regions = r#"[{ "id": "x", "label": "Left *bank*", "area": [0, 12.5, 50, 25], "correct": true },
        { "id": "y", "label": "Right", "area": [50, 0, 50, 100], "shape": "ellipse", "feedback": "No." }]"#;
    let quiz = quiz(&[&hotspot(regions, picture)]);
    let QuestionKind::Hotspot { regions: compiled } = &quiz.questions[0].kind else { panic!() };
    let x = &compiled[0];
    assert_eq!((x.x, x.y, x.width, x.height, x.correct), (0, 125, 500, 250, true));
    assert_eq!((x.label.as_str(), x.shape), ("Left <em>bank</em>", RegionShape::Rectangle));
    assert_eq!((compiled[1].shape, compiled[1].feedback.as_str()), (RegionShape::Ellipse, "No."));
    assert!(quiz.questions[0].image.is_some());
    let one = |area: &str, rest: &str| {
        format!(
            r#"[{{ "id": "x", "label": "X", "area": {area}, "correct": true }}, {{ "id": "y", "label": "Y", {rest} }}]"#
        )
    };
    let whole = r#""area": [0, 0, 100, 100]"#;
    for (regions, rest, expected) in [
        (one("[0, 0, 10, 10]", whole), r#""points": 1"#, "missing-field:3"),
        (one("[0, 0, 10]", whole), picture, "bad-value:3"),
        (one("[95, 0, 10, 10]", whole), picture, "bad-value:3"),
        (one("[0, 0, 0, 10]", whole), picture, "bad-value:3"),
        (one("[0, 0, 10, 10]", r#""correct": false"#), picture, "missing-field:3"),
        (one("[0, 0, 10, 10]", whole).replace("true", "false"), picture, "correct-count:3"),
    ] {
        assert_eq!(codes(&hotspot(&regions, rest)), [expected], "{regions}");
    }
}

#[test]
fn the_author_says_something_about_results_and_single_texts() {
    let quiz = quiz(&[
        r#"{ "id": "a", "kind": "true-false", "prompt": "A", "answer": true,
            "resultFeedback": { "right": "*Yes*", "partly": "Half", "wrong": "No" } }"#,
        r#"{ "id": "b", "kind": "fill", "prompt": "___ and ___", "blanks": ["x", ["Berlin",
            { "text": "Spree" }, { "text": "Bonn", "percent": 50, "feedback": "**Once**" },
            { "text": "Rome", "percent": 0, "feedback": "No" }, { "feedback": "A city" }]] }"#,
        r#"{ "id": "c", "kind": "cloze", "prompt": "___", "gaps": [
            { "kind": "type", "accepted": ["x", { "text": "y", "percent": 20 }] }] }"#,
    ]);
    let feedback = &quiz.questions[0].result_feedback;
    let texts = [&*feedback.right, &*feedback.partly, &*feedback.wrong];
    assert_eq!(texts, ["<em>Yes</em>", "Half", "No"]);
    let QuestionKind::Fill { blanks, rules, .. } = &quiz.questions[1].kind else { panic!() };
    assert_eq!(blanks, &[vec!["x".to_owned()], vec!["Berlin".into(), "Spree".into()]]);
    assert_eq!(rules.answers[0], []);
    let known: Vec<(Option<&str>, u8, &str)> =
        rules.answers[1].iter().map(|a| (a.text.as_deref(), a.percent, &*a.feedback)).collect();
    let expected = [
        (Some("Spree"), 100, ""),
        (Some("Bonn"), 50, "<strong>Once</strong>"),
        (Some("Rome"), 0, "No"),
        (None, 0, "A city"),
    ];
    assert_eq!(known, expected);
    let QuestionKind::Cloze { gaps } = &quiz.questions[2].kind else { panic!() };
    assert!(
        matches!(&gaps[0].kind, QuestionKind::Fill { rules, .. } if rules.answers[0].len() == 1)
    );
}

#[test]
fn mistakes_in_feedback_are_reported() {
    for (rest, expected) in [
        (r#""resultFeedback": "x""#, "wrong-type:3"),
        (r#""resultFeedback": { "rihgt": "x" }"#, "unknown-field:3"),
        (r#""resultFeedback": { "right": 3 }"#, "wrong-type:3"),
    ] {
        let question = format!(
            r#"{{ "id": "a", "kind": "true-false", "prompt": "A", "answer": true, {rest} }}"#
        );
        assert_eq!(codes(&question), [expected], "{rest}");
    }
    for (blank, expected) in [
        (r#"[{ "text": "x", "percent": 50 }]"#, "empty:3"),
        (r#"["x", { "text": "y", "percent": 101 }]"#, "bad-value:3"),
        (r#"["x", { "txt": "y" }]"#, "unknown-field:3"),
        (r#"["x", 3]"#, "wrong-type:3"),
    ] {
        let question =
            format!(r#"{{ "id": "a", "kind": "fill", "prompt": "___", "blanks": [{blank}] }}"#);
        assert_eq!(codes(&question), [expected], "{blank}");
    }
}
