use super::*;
use crate::content::{AcceptedNumber, Choice, ResultFeedback, TextRule, TextRules, UnitPolicy};

fn slug(s: &str) -> Slug {
    Slug::new(s).unwrap()
}
fn question(points: u32, kind: QuestionKind) -> Question {
    Question {
        id: slug("q"),
        prompt: String::new(),
        points,
        image: None,
        audio: None,
        explanation: String::new(),
        result_feedback: ResultFeedback::default(),
        hints: Vec::new(),
        hint_penalty: 0,
        kind,
    }
}
fn choices(right: &[&str], wrong: &[&str]) -> Vec<Choice> {
    let make = |id: &&str, correct| Choice {
        id: slug(id),
        text: (*id).to_owned(),
        correct,
        feedback: String::new(),
    };
    right.iter().map(|c| make(c, true)).chain(wrong.iter().map(|c| make(c, false))).collect()
}
fn checked(question: &Question, response: &Response, lang: &str) -> QuestionResult {
    check_answer(question, &response.clone().into(), lang)
}
fn scored(question: &Question, response: &Response, lang: &str) -> i64 {
    checked(question, response, lang).points
}
fn chosen(ids: &[&str]) -> Response {
    Response::Choice { chosen: ids.iter().map(|s| slug(s)).collect() }
}

#[test]
fn scores_follow_the_rules_of_package_md() {
    let single = question(1, QuestionKind::Single { choices: choices(&["a"], &["b"]) });
    let multiple =
        question(2, QuestionKind::Multiple { choices: choices(&["a", "b"], &["c", "d"]) });
    let fill = question(
        2,
        QuestionKind::Fill {
            blanks: vec![vec!["Oxbow".into(), "ox-bow".into()], vec!["é".into()]],
            exact: false,
            rules: TextRules::default(),
        },
    );
    let order =
        question(3, QuestionKind::Order { items: (0..4).map(|n: u32| n.to_string()).collect() });
    let pairs = vec![("a".into(), "1".into()), ("b".into(), "2".into()), ("c".into(), "1".into())];
    let matching = question(3, QuestionKind::Match { pairs });
    let texts = |t: &[&str]| Response::Fill { texts: t.iter().map(|s| (*s).to_owned()).collect() };
    let table = [
        (&single, chosen(&["a"]), 1000),
        (&single, chosen(&["b"]), 0),
        (&single, chosen(&["a", "b"]), 0),
        (&single, chosen(&[]), 0),
        (&multiple, chosen(&["a", "b"]), 2000),
        (&multiple, chosen(&["a"]), 1000),
        (&multiple, chosen(&["a", "b", "c"]), 1000),
        (&multiple, chosen(&["c", "d"]), 0),
        (&fill, texts(&[" oxBOW ", "e\u{301}"]), 2000),
        (&fill, texts(&["ox-bow"]), 1000),
        (&fill, texts(&["lake", "e"]), 0),
        (&order, Response::Order { order: vec![0, 1, 2, 3] }, 3000),
        (&order, Response::Order { order: vec![1, 2, 3, 0] }, 2000),
        (&order, Response::Order { order: vec![3, 2, 1, 0] }, 0),
        (&order, Response::Order { order: vec![0, 0, 1, 2] }, 0),
        (&matching, Response::Match { right: vec![Some(2), Some(1), Some(0)] }, 3000),
        (&matching, Response::Match { right: vec![Some(1), None, Some(9)] }, 0),
        (&single, texts(&["a"]), 0),
    ];
    for (i, (question, response, points)) in table.into_iter().enumerate() {
        assert_eq!(scored(question, &response, "en"), points, "row {i}");
    }
}

#[test]
fn equal_items_of_an_order_are_interchangeable() {
    let items = |texts: &[&str]| QuestionKind::Order {
        items: texts.iter().map(|t| (*t).to_owned()).collect(),
    };
    let sentence = items(&["the", "cat", "saw", "<em>the</em>", "dog"]);
    let letters = items(&["a", "b", "a", "c", "a"]);
    let powers = items(&["10<sup>2</sup>", "102"]);
    let accents = items(&["caf\u{e9} x", "cafe\u{301}  x", "tea"]);
    for (kind, order, points) in [
        (&sentence, vec![0, 1, 2, 3, 4], 4000),
        (&sentence, vec![3, 1, 2, 0, 4], 4000),
        (&sentence, vec![0, 4, 2, 3, 1], 3000),
        (&sentence, vec![0, 3, 1, 2, 4], 2000),
        // The same pairs in another order are not the right order.
        (&letters, vec![0, 3, 2, 1, 4], 3000),
        (&letters, vec![4, 1, 0, 3, 2], 4000),
        (&powers, vec![1, 0], 0),
        (&accents, vec![1, 0, 2], 4000),
        (&items(&["a"]), vec![0], 4000),
        (&items(&[]), vec![], 4000),
        (&items(&["a", "a"]), vec![0, 0], 0),
    ] {
        let question = question(4, kind.clone());
        let response = Response::Order { order: order.clone() };
        assert_eq!(scored(&question, &response, "en"), points, "{kind:?} {order:?}");
    }
    let pairs = vec![("x".into(), "the".into()), ("y".into(), "<b>the</b>".into())];
    let question = question(2, QuestionKind::Match { pairs });
    let swapped = Response::Match { right: vec![Some(1), Some(0)] };
    assert_eq!(scored(&question, &swapped, "en"), 2000);
}

#[test]
fn typed_answers_are_compared_in_the_language_of_the_quiz() {
    let fill = |accepted: &str, exact| {
        question(
            1,
            QuestionKind::Fill {
                blanks: vec![vec![accepted.into()]],
                exact,
                rules: TextRules::default(),
            },
        )
    };
    for (accepted, typed, exact, lang, is_right) in [
        ("3.5", "3,5", false, "de", true),
        ("3,5", "3.5", false, "de", true),
        ("3.5", "3,5", false, "en", false),
        ("3.5", "3,5", true, "de", false),
        ("kapı", "KAPI", false, "tr", true),
        ("kapı", "kapi", false, "tr", false),
        ("don't", "don’t", false, "en", true),
        ("café", "cafe\u{301}", true, "fr", true),
    ] {
        let response = Response::Fill { texts: vec![typed.into()] };
        let (question, points) = (fill(accepted, exact), i64::from(is_right) * 1000);
        assert_eq!(scored(&question, &response, lang), points, "{accepted} {typed}");
        let blanks = checked(&question, &response, lang).blanks;
        assert_eq!(blanks, [is_right], "{accepted} {typed}");
    }
    let two = QuestionKind::Fill {
        blanks: vec![vec!["a".into()], vec!["b".into()]],
        exact: false,
        rules: TextRules::default(),
    };
    let response = Response::Fill { texts: vec!["A".into()] };
    assert_eq!(checked(&question(2, two), &response, "en").blanks, [true, false]);
}

fn number(text: &str) -> Response {
    Response::Number { text: text.to_owned(), lang: "en".to_owned(), decimal: None }
}
fn accepted(value: &str) -> AcceptedNumber {
    serde_json::from_value(serde_json::json!({ "value": value, "feedback": "yes" })).unwrap()
}

#[test]
fn the_gaps_of_a_cloze_text_score_by_their_weights() {
    let rule = |percent| TextRule { percent, feedback: "typo".to_owned() };
    let gaps = vec![
        Gap { weight: 1, kind: QuestionKind::Single { choices: choices(&["a"], &["b"]) } },
        Gap {
            weight: 2,
            kind: QuestionKind::Fill {
                blanks: vec![vec!["meander".into()]],
                exact: false,
                rules: TextRules { nearly: rule(50), ..Default::default() },
            },
        },
        Gap {
            weight: 1,
            kind: QuestionKind::Numeric { answers: vec![accepted("5")], unit: UnitPolicy::None },
        },
    ];
    let cloze = question(4, QuestionKind::Cloze { gaps });
    let fill = |text: &str| Response::Fill { texts: vec![text.to_owned()] };
    let all = [Some(chosen(&["a"])), Some(fill("meander")), Some(number("5"))];
    for (given, points, percents) in [
        (all.to_vec(), 4000, [100, 100, 100]),
        (vec![Some(chosen(&["b"])), Some(fill("meandar")), None], 1000, [0, 50, 0]),
        (vec![Some(number("5")), None, Some(number("5"))], 1000, [0, 0, 100]),
        (vec![], 0, [0, 0, 0]),
    ] {
        let result = checked(&cloze, &Response::Cloze { gaps: given.clone() }, "en");
        assert_eq!(result.points, points, "{given:?}");
        assert_eq!(result.parts.iter().map(|p| p.percent).collect::<Vec<_>>(), percents);
    }
    let nearly = Response::Cloze { gaps: vec![None, Some(fill("meandar")), Some(number("x"))] };
    let parts = checked(&cloze, &nearly, "en").parts;
    assert_eq!((parts[1].matched, parts[1].feedback.as_str()), (TextMatch::Nearly, "typo"));
    assert_eq!(parts[2].problem, Some(NumberProblem::NoNumber));
}

#[test]
fn a_number_scores_and_is_told_its_feedback() {
    let kind = QuestionKind::Numeric {
        answers: vec![accepted("16"), AcceptedNumber { percent: 25, ..accepted("17") }],
        unit: UnitPolicy::None,
    };
    let question = question(2, kind);
    for (text, points, feedback) in [("16", 2000, "yes"), ("17", 500, "yes"), ("18", 0, "")] {
        let result = checked(&question, &number(text), "en");
        assert_eq!((result.points, result.parts[0].feedback.as_str()), (points, feedback));
    }
    let asked = Response::Number { text: "1,600".into(), lang: "fr".into(), decimal: None };
    let result = checked(&question, &asked, "en");
    assert!(matches!(result.parts[0].problem, Some(NumberProblem::Ambiguous { .. })));
    assert_eq!(checked(&question, &number(" "), "en").parts[0].problem, None);
}

#[test]
fn a_question_of_an_unknown_kind_scores_nothing_and_the_others_are_graded() {
    let mut quiz: Quiz = serde_json::from_value(serde_json::json!({
        "id": "q", "title": "", "lang": "en", "pass": 50, "questions": [
            { "id": "a", "prompt": "", "points": 1, "kind": "fill", "blanks": [["x"]] },
            { "id": "b", "prompt": "", "points": 1, "kind": "drawing" } ] }))
    .unwrap();
    let response = Response::Fill { texts: vec!["x".into()] };
    let answer = GivenAnswer::from(response.clone());
    let score = grade(&quiz, |q| (q.as_str() == "a").then_some(&answer));
    assert_eq!((score.points, score.max_points, score.passed), (1000, 2000, Some(true)));
    assert_eq!(scored(&quiz.questions[1], &response, "en"), 0);
    quiz.pass = 51;
    assert_eq!(grade(&quiz, |q| (q.as_str() == "a").then_some(&answer)).passed, Some(false));
}

#[test]
fn regions_score_like_choices() {
    let region = |id: &str, correct: bool| {
        serde_json::from_value(serde_json::json!({ "id": id, "label": id, "x": 0, "y": 0,
            "width": 10, "height": 10, "correct": correct }))
        .unwrap()
    };
    let regions = |list: &[(&str, bool)]| {
        let regions = list.iter().map(|(id, correct)| region(id, *correct)).collect();
        question(2, QuestionKind::Hotspot { regions })
    };
    let one = regions(&[("a", true), ("b", false)]);
    let two = regions(&[("a", true), ("b", true), ("c", false)]);
    for (question, ids, expected) in [
        (&one, &["a"][..], 2000),
        (&one, &["b"], 0),
        (&one, &["a", "b"], 0),
        (&one, &[], 0),
        (&two, &["a", "b"], 2000),
        (&two, &["a"], 1000),
        (&two, &["a", "b", "c"], 1000),
    ] {
        assert_eq!(scored(question, &chosen(ids), "en"), expected, "{ids:?}");
    }
}

#[test]
fn each_hint_costs_its_part_of_the_scored_points() {
    let mut question = question(2, QuestionKind::Single { choices: choices(&["a"], &["b"]) });
    question.hints = vec!["one".into(), "two".into(), "three".into()];
    for (penalty, hints, right, expected) in [
        (0, 3, true, 2000),
        (25, 0, true, 2000),
        (25, 1, true, 1500),
        (25, 2, true, 1000),
        (25, 2, false, 0),
        (60, 2, true, 0),
        // More hints than there are cannot have been shown.
        (25, 99, true, 500),
    ] {
        question.hint_penalty = penalty;
        let response = chosen(if right { &["a"] } else { &["b"] });
        let given = GivenAnswer { response, hints };
        assert_eq!(check_answer(&question, &given, "en").points, expected, "{penalty} {hints}");
    }
}

#[test]
fn a_score_of_an_unknown_quiz_is_passed_or_not_known() {
    for (points, max_points, passed) in
        [(1000, 1000, Some(true)), (999, 1000, None), (0, 1000, None), (0, 0, Some(true))]
    {
        assert_eq!(Score::of_unknown_quiz(points, max_points).passed, passed, "{points}");
    }
}
