//! Questions of other programs become quizzes, with the same right answers and a report of every difference.

mod support;

use carrel_import::{Level, RemarkCode};
use carrel_model::content::{AcceptedNumber, QuestionKind, UnitPolicy};
use support::{imported, png};

const GIFT: &str = "$CATEGORY: $course$/Rivers\n\n\
    // [id:q1]\n::Fast::Where is the water **fastest** & why? {=Outside#Yes. ~Inside#No.####Longer way.}\n\n\
    ::Both::Which two? {~%50%A ~%50%B ~%-50%C}\n\n\
    ::Lake::A cut-off bend is an {=oxbow =ox-bow} lake.\n\n\
    ::True::Rivers flow.{T}\n\n\
    ::Pairs::Match. {=cliff -> outside =beach -> inside}\n\n\
    ::Part::How? {=all ~%50%half ~none}\n\n\
    ::Number::How many? {#4:0.5}\n\n\
    ::Free::Why? {}\n\n\
    Read this first: 2 * 3 * 4 costs $5 and $6.\n\n\
    Broken {=x\n";

#[test]
fn every_kind_of_gift_question_is_accounted_for() {
    let done = imported("rivers.gift", GIFT);
    let levels: Vec<(String, Level)> =
        done.report.items.iter().map(|item| (item.kind.clone(), item.level)).collect();
    let expected = [
        ("multichoice", Level::Exact),
        ("multichoice", Level::Exact),
        ("shortanswer", Level::Exact),
        ("truefalse", Level::Exact),
        ("match", Level::Exact),
        ("multichoice", Level::Changed),
        ("numerical", Level::Exact),
        ("essay", Level::KeptAsText),
        ("description", Level::Exact),
        ("unreadable", Level::Refused),
    ];
    let expected: Vec<(String, Level)> =
        expected.into_iter().map(|(kind, level)| (kind.to_owned(), level)).collect();
    assert_eq!(levels, expected, "{}", done.report.to_text());
    let quiz = &done.quizzes()[0];
    assert_eq!((quiz.title.as_str(), quiz.questions.len(), quiz.shuffle), ("Rivers", 7, true));
    let QuestionKind::Single { choices } = &quiz.questions[0].kind else { panic!() };
    assert!(choices[0].correct && !choices[1].correct);
    assert_eq!(
        (choices[0].feedback.as_str(), quiz.questions[0].explanation.as_str()),
        ("Yes.", "Longer way.")
    );
    assert_eq!(quiz.questions[0].prompt, "Where is the water **fastest** &amp; why?");
    let QuestionKind::Multiple { choices } = &quiz.questions[1].kind else { panic!() };
    assert_eq!(choices.iter().filter(|c| c.correct).count(), 2);
    let QuestionKind::Fill { blanks, exact: false, .. } = &quiz.questions[2].kind else { panic!() };
    assert_eq!(blanks, &[vec!["oxbow".to_owned(), "ox-bow".to_owned()]]);
    assert_eq!(
        quiz.questions[2].prompt,
        "A cut-off bend is an <span data-blank=\"0\"></span> lake."
    );
    let QuestionKind::Match { pairs } = &quiz.questions[4].kind else { panic!() };
    assert_eq!(pairs[0], ("cliff".to_owned(), "outside".to_owned()));
    let html = done.html();
    let QuestionKind::Numeric { answers, .. } = &quiz.questions[6].kind else { panic!() };
    assert_eq!((answers[0].value.as_str(), answers[0].tolerance.as_deref()), ("4", Some("0.5")));
    for text in ["Why?", "2 * 3 * 4 costs $5 and $6."] {
        assert!(html.contains(text), "{text}: {html}");
    }
    assert_eq!(done.warnings, [], "the texts are written without leftovers of markup");
}

#[test]
fn ids_do_not_change_when_texts_do() {
    let first = imported("bank.gift", "::A::Old text {=a}\n\n::B::x {=b ~c}\n");
    let second = imported("bank.gift", "::B::new x {=b ~d}\n\n::A::New text {=a =aa}\n");
    let ids = |done: &support::Done| {
        let mut ids: Vec<String> =
            done.quizzes()[0].questions.iter().map(|q| q.id.as_str().to_owned()).collect();
        ids.sort();
        (done.id(), done.quizzes()[0].id.clone(), ids)
    };
    assert_eq!(ids(&first), ids(&second));
}

#[test]
fn letters_of_old_encodings_are_read_with_a_note() {
    let done = imported("old.gift", b"caf\xe9? {=na\xefve}\r\n\r\nb {=c}\r\n");
    assert!(
        done.report.notes.iter().any(|note| note.contains("Windows-1252")),
        "{:?}",
        done.report.notes
    );
    let quiz = &done.quizzes()[0];
    assert!(quiz.questions[0].prompt.starts_with("café?"));
    for bytes in [&b"\xef\xbb\xbfa {=b}"[..], b"\xff\xfea\0 \0{\0=\0b\0}\0"] {
        let done = imported("a.gift", bytes);
        assert_eq!(done.report.count(Level::Exact), 1);
        assert!(!done.report.notes.iter().any(|note| note.contains("1252")));
    }
}

#[test]
fn aiken_questions_are_single_choice() {
    let done = imported("q.txt", "What is 1 < 2?\nA. true & fine\nB. <b>false</b>\nANSWER: A\n");
    let quiz = &done.quizzes()[0];
    let QuestionKind::Single { choices } = &quiz.questions[0].kind else { panic!() };
    assert!(choices[0].correct);
    assert_eq!(choices[1].text, "&lt;b&gt;false&lt;/b&gt;");
    assert_eq!(done.report.source_format, "aiken");
}

fn moodle(questions: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><quiz>{questions}</quiz>")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(char::from(DIGITS[(n >> (18 - 6 * i)) as usize & 63]));
        }
        out.push_str(&"=".repeat(3 - chunk.len()));
    }
    out
}

#[test]
fn moodle_questions_have_pictures_formulas_and_clean_html() {
    let done = imported(
        "bank.xml",
        moodle(&format!(
            "<question type='multichoice'><name><text>Pic</text></name><questiontext format='html'>\
             <text><![CDATA[<h3>Look</h3><p>What is \\(x^2\\)? <script>alert(1)</script>\
             <img src=\"@@PLUGINFILE@@/a.png\" alt=\"A square\"></p>]]></text>\
             <file name='a.png' encoding='base64'>{}</file></questiontext><defaultgrade>2</defaultgrade>\
             <single>true</single><shuffleanswers>true</shuffleanswers>\
             <answer fraction='100' format='html'><text>&lt;p&gt;four&lt;/p&gt;</text></answer>\
             <answer fraction='0' format='html'><text>&lt;p&gt;five&lt;/p&gt;</text></answer></question>",
            base64(&png())
        )),
    );
    let question = &done.quizzes()[0].questions[0];
    assert_eq!(question.points, 2);
    assert_eq!(question.image.as_ref().map(|image| image.alt.as_str()), Some("A square"));
    assert!(question.prompt.contains("<math"), "{}", question.prompt);
    assert!(!question.prompt.contains("alert"));
    let QuestionKind::Single { choices } = &question.kind else { panic!() };
    assert_eq!(choices[0].text, "four");
    let item = &done.report.items[0];
    assert_eq!(
        (item.level, &item.reasons[..]),
        (Level::Changed, &["a script was removed".to_owned()][..])
    );
}

#[test]
fn what_the_compiler_refuses_is_replaced_and_reported() {
    let done = imported(
        "bank.xml",
        moodle(&format!(
            "<question type='essay'><name><text>ok</text></name><questiontext format='html'><text>fine</text>\
             </questiontext></question>\
             <question type='truefalse'><name><text>formula</text></name><questiontext format='html'>\
             <text>a \\(\\undefinedcommand{{x}}\\) b</text></questiontext>\
             <answer fraction='100'><text>true</text></answer>\
             <answer fraction='0'><text>false</text></answer></question>\
             <question type='truefalse'><name><text>picture</text></name><questiontext format='html'>\
             <text>&lt;img src=\"@@PLUGINFILE@@/b.png\" alt=\"b\"&gt; c</text>\
             <file name='b.png' encoding='base64'>{}</file></questiontext>\
             <answer fraction='100'><text>true</text></answer>\
             <answer fraction='0'><text>false</text></answer></question>",
            base64(&png()[..40])
        )),
    );
    let levels: Vec<Level> = done.report.items.iter().map(|item| item.level).collect();
    assert_eq!(
        levels,
        [Level::KeptAsText, Level::Changed, Level::Changed],
        "{}",
        done.report.to_text()
    );
    let quiz = &done.quizzes()[0];
    assert_eq!(quiz.questions.len(), 2);
    assert!(quiz.questions[0].prompt.contains("undefinedcommand"));
    assert!(quiz.questions[1].image.is_none());
}

#[test]
fn a_cloze_text_of_typed_gaps_is_a_fill_in_question() {
    let done = imported(
        "bank.xml",
        moodle(
            "<question type='cloze'><name><text>c</text></name><questiontext format='html'>\
             <text><![CDATA[<p>{1:SA:=Berlin~=berlin city} is in {1:SHORTANSWER:=Germany}.</p>]]></text>\
             </questiontext></question>\
             <question type='cloze'><name><text>d</text></name><questiontext format='html'>\
             <text>{1:MC:=a~b}</text></questiontext></question>",
        ),
    );
    let question = &done.quizzes()[0].questions[0];
    let QuestionKind::Fill { blanks, .. } = &question.kind else { panic!() };
    assert_eq!(blanks.len(), 2);
    assert_eq!(
        question.prompt,
        "<span data-blank=\"0\"></span> is in <span data-blank=\"1\"></span>."
    );
    let cloze = &done.quizzes()[0].questions[1];
    assert!(matches!(&cloze.kind, QuestionKind::Cloze { gaps } if gaps.len() == 1));
    assert_eq!(done.report.items[1].level, Level::Exact);
}

#[test]
fn numbers_of_moodle_keep_their_units_and_tolerances() {
    let answer = |weight: &str, value: &str, tolerance: &str| {
        format!(
            "<answer fraction='{weight}'><text>{value}</text><tolerance>{tolerance}</tolerance>\
             <feedback><text>F{weight}</text></feedback></answer>"
        )
    };
    let units = |list: &[(&str, &str)]| {
        let unit = |(name, factor): &(&str, &str)| {
            format!("<unit><multiplier>{factor}</multiplier><unit_name>{name}</unit_name></unit>")
        };
        format!("<units>{}</units>", list.iter().map(unit).collect::<String>())
    };
    let question = |name: &str, parts: &str| {
        format!(
            "<question type='numerical'><name><text>{name}</text></name>\
             <questiontext format='html'><text>{name}?</text></questiontext>{parts}</question>"
        )
    };
    let number = answer("100", "2.5", "0.1");
    let done = imported(
        "bank.xml",
        moodle(
            &[
                question("a", &format!("{number}{}", units(&[("m", "1"), ("cm", "100")]))),
                question(
                    "b",
                    &format!(
                        "{number}{}{}<unitgradingtype>1</unitgradingtype>",
                        answer("0", "*", "0"),
                        units(&[("apples", "1"), ("dozen", "0.5")])
                    ),
                ),
                question("c", &format!("{number}{}<showunits>3</showunits>", units(&[("m", "1")]))),
                question("d", &format!("{}{}", answer("50", "3", "0"), answer("100", "4", "0"))),
                question("e", &answer("50", "3", "0")),
            ]
            .concat(),
        ),
    );
    let levels: Vec<Level> = done.report.items.iter().map(|item| item.level).collect();
    use Level::{Exact, KeptAsText};
    assert_eq!(levels, [Exact, Exact, Exact, Exact, KeptAsText], "{}", done.report.to_text());
    let quiz = &done.quizzes()[0];
    let numbers = |at: usize| match &quiz.questions[at].kind {
        QuestionKind::Numeric { answers, unit } => (answers.clone(), *unit),
        other => panic!("{other:?}"),
    };
    let texts = |at: usize| -> Vec<(String, String, u8, String)> {
        let one = |a: AcceptedNumber| (a.value, a.unit, a.percent, a.feedback);
        numbers(at).0.into_iter().map(one).collect()
    };
    let row = |value: &str, unit: &str, percent, feedback: &str| {
        (value.to_owned(), unit.to_owned(), percent, feedback.to_owned())
    };
    assert_eq!(texts(0), [row("2.5", "m", 100, "F100")], "centimetres follow from metres");
    assert_eq!(numbers(0).1, UnitPolicy::Optional);
    assert_eq!(
        texts(1),
        [
            row("2.5", "apples", 100, "F100"),
            row("1.25", "dozen", 100, "F100"),
            row("-1e300", "apples", 0, "F0"),
            row("-1e300", "dozen", 0, "F0"),
        ]
    );
    assert_eq!(numbers(1).1, UnitPolicy::Required);
    assert_eq!((texts(2), numbers(2).1), (vec![row("2.5", "", 100, "F100")], UnitPolicy::None));
    assert_eq!(texts(3), [row("3", "", 50, "F50"), row("4", "", 100, "F100")]);
}

#[test]
fn hints_of_moodle_stay_hints_with_their_cost() {
    let done = imported(
        "bank.xml",
        moodle(
            "<question type='truefalse'><name><text>t</text></name><questiontext format='html'><text>T</text>\
             </questiontext><penalty>0.3333333</penalty><answer fraction='100'><text>true</text></answer>\
             <answer fraction='0'><text>false</text></answer><hint format='html'><text>First</text></hint>\
             <hint format='html'><text>&lt;b&gt;Second&lt;/b&gt;</text></hint></question>",
        ),
    );
    let question = &done.quizzes()[0].questions[0];
    assert_eq!(question.hints, ["First", "<strong>Second</strong>"]);
    assert_eq!((question.hint_penalty, done.report.items[0].level), (33, Level::Changed));
    let QuestionKind::Single { choices } = &question.kind else { panic!() };
    assert_eq!((choices[0].id.as_str(), choices[0].correct), ("true", true));
}

#[test]
fn a_cloze_text_keeps_its_kinds_of_gaps_and_their_points() {
    let done = imported(
        "bank.xml",
        moodle(
            "<question type='cloze'><name><text>c</text></name><questiontext format='html'>\
             <text><![CDATA[<p>{1:MC:=fast#Yes~slow#No} {2:NM:=5:0.5} {3:SAC:=Oder} end.</p>]]></text>\
             </questiontext></question>\
             <question type='cloze'><name><text>d</text></name><questiontext format='html'>\
             <text>{1:MULTIRESPONSE:=a~=b~c}</text></questiontext></question>",
        ),
    );
    let levels: Vec<Level> = done.report.items.iter().map(|item| item.level).collect();
    assert_eq!(levels, [Level::Exact, Level::KeptAsText], "{}", done.report.to_text());
    let QuestionKind::Cloze { gaps } = &done.quizzes()[0].questions[0].kind else { panic!() };
    assert_eq!(gaps.iter().map(|gap| gap.weight).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(matches!(&gaps[0].kind, QuestionKind::Single { choices }
        if choices[0].correct && choices[1].feedback == "No"));
    assert!(matches!(&gaps[1].kind, QuestionKind::Numeric { answers, .. }
        if answers[0].tolerance.as_deref() == Some("0.5")));
    assert!(matches!(&gaps[2].kind, QuestionKind::Fill { blanks, exact: true, .. }
        if blanks[0] == ["Oder"]));
}

/// Returns the feedback to a result as a tuple.
fn by_result(question: &carrel_model::content::Question) -> [&str; 3] {
    let feedback = &question.result_feedback;
    [&feedback.right, &feedback.partly, &feedback.wrong]
}

#[test]
fn feedback_of_moodle_is_kept_for_each_result_and_each_answer() {
    let combined = "<correctfeedback format='html'><text><![CDATA[<p>Well <b>done</b> &amp; quick.</p>]]></text></correctfeedback>\
         <partiallycorrectfeedback format='html'><text>&lt;p&gt;Not all.&lt;/p&gt;</text></partiallycorrectfeedback>\
         <incorrectfeedback format='html'><text><![CDATA[<p>No: &eacute;t&eacute;.</p>]]></text></incorrectfeedback>\
         <generalfeedback format='html'><text>Why.</text></generalfeedback>";
    let answer = |weight: &str, text: &str, feedback: &str| {
        format!(
            "<answer fraction='{weight}' format='html'><text>{text}</text>\
             <feedback format='html'><text>{feedback}</text></feedback></answer>"
        )
    };
    let question = |kind: &str, inside: &str| {
        format!(
            "<question type='{kind}'><name><text>{kind}</text></name><questiontext format='html'>\
             <text>Q</text></questiontext>{combined}{inside}</question>"
        )
    };
    let pair = |n: u32| {
        format!("<subquestion><text>l{n}</text><answer><text>r{n}</text></answer></subquestion>")
    };
    let source = [
        question(
            "multichoice",
            &format!("<single>true</single>{}{}", answer("100", "a", "A!"), answer("0", "b", "B!")),
        ),
        question("truefalse", &(answer("100", "true", "T!") + &answer("0", "false", "F!"))),
        question(
            "shortanswer",
            &[
                answer("100", "Berlin", "The capital."),
                answer("100", "Spree", ""),
                answer("50", "Bonn", "Until 1990."),
                answer("0", "Rome", "Italy."),
                answer("0", "*", "A city in Germany."),
            ]
            .concat(),
        ),
        question("numerical", &(answer("100", "5", "Five.") + &answer("0", "*", "No."))),
        question("matching", &(pair(1) + &pair(2))),
        question("ordering", &(answer("100", "one", "") + &answer("100", "two", ""))),
    ];
    let done = imported("bank.xml", moodle(&source.concat()));
    let quiz = &done.quizzes()[0];
    assert_eq!(
        (quiz.questions.len(), done.report.count(Level::Exact)),
        (6, 6),
        "{}",
        done.report.to_text()
    );
    for question in &quiz.questions {
        let expected = ["Well <strong>done</strong> &amp; quick.", "Not all.", "No: été."];
        assert_eq!(by_result(question), expected, "{:?}", question.id);
        assert_eq!(question.explanation, "Why.");
    }
    let QuestionKind::Single { choices } = &quiz.questions[0].kind else { panic!() };
    assert_eq!(choices.iter().map(|c| c.feedback.as_str()).collect::<Vec<_>>(), ["A!", "B!"]);
    let QuestionKind::Fill { blanks, rules, .. } = &quiz.questions[2].kind else { panic!() };
    assert_eq!(blanks, &[["Berlin", "Spree"]]);
    let known: Vec<(Option<&str>, u8, &str)> = rules.answers[0]
        .iter()
        .map(|a| (a.text.as_deref(), a.percent, a.feedback.as_str()))
        .collect();
    let expected = [
        (Some("Berlin"), 100, "The capital."),
        (Some("Bonn"), 50, "Until 1990."),
        (Some("Rome"), 0, "Italy."),
        (None, 0, "A city in Germany."),
    ];
    assert_eq!(known, expected);
}

#[test]
fn sentences_that_moodle_writes_itself_are_no_feedback() {
    let default = "<correctfeedback format='html'><text>Your answer is correct.</text></correctfeedback>\
         <partiallycorrectfeedback format='html'><text><![CDATA[<p>Your answer is partially correct.</p>]]></text></partiallycorrectfeedback>\
         <incorrectfeedback format='html'><text><![CDATA[<p><br></p>]]></text></incorrectfeedback>";
    let done = imported(
        "bank.xml",
        moodle(&format!(
            "<question type='multichoice'><name><text>a</text></name><questiontext format='html'><text>Q</text>\
             </questiontext>{default}<answer fraction='100'><text>x</text></answer>\
             <answer fraction='0'><text>y</text></answer></question>"
        )),
    );
    let question = &done.quizzes()[0].questions[0];
    assert!(question.result_feedback.is_empty(), "{:?}", question.result_feedback);
    assert_eq!(done.report.items[0].level, Level::Exact, "{}", done.report.to_text());
}

#[test]
fn what_has_no_place_in_a_text_is_reported() {
    let done = imported(
        "bank.xml",
        moodle(
            "<question type='ddwtos'><name><text>d</text></name><questiontext format='html'><text>Put [[1]].</text>\
             </questiontext><correctfeedback><text>Fine.</text></correctfeedback>\
             <dragbox><text>it</text></dragbox></question>",
        ),
    );
    let item = &done.report.items[0];
    assert_eq!(item.level, Level::KeptAsText);
    let codes: Vec<RemarkCode> = item.remarks.iter().map(|remark| remark.code).collect();
    assert_eq!(codes, [RemarkCode::UnsupportedKind, RemarkCode::ResultFeedbackRemoved]);
}

#[test]
fn a_text_in_several_languages_is_shown_in_that_of_the_course() {
    let span =
        |lang: &str, text: &str| format!("<span lang=\"{lang}\" class=\"multilang\">{text}</span>");
    let texts = span("en", "Which lake?") + " " + &span("fr", "Quel lac ?");
    let source = moodle(&format!(
        "<question type='multichoice'><name><text>{{mlang en}}Lake{{mlang}}{{mlang fr}}Lac{{mlang}}</text></name>\
         <questiontext format='html'><text><![CDATA[<p>{texts}</p>]]></text></questiontext><hidden>1</hidden>\
         <answer fraction='100' format='html'><text><![CDATA[{}{}]]></text></answer>\
         <answer fraction='0'><text>no</text></answer></question>",
        span("en", "this"),
        span("fr", "celui-ci"),
    ));
    let file = support::file("bank.xml", source);
    for (lang, title, prompt, first, removed) in
        [("en", "Lake", "Which lake?", "this", "fr"), ("fr", "Lac", "Quel lac ?", "celui-ci", "en")]
    {
        let options = carrel_import::Options { lang: Some(lang.into()), ..Default::default() };
        let done = support::try_import(&file.path, &options).unwrap_or_else(|f| panic!("{f:?}"));
        let question = &done.quizzes()[0].questions[0];
        let QuestionKind::Single { choices } = &question.kind else { panic!() };
        assert_eq!((question.prompt.as_str(), choices[0].text.as_str()), (prompt, first));
        let item = &done.report.items[0];
        assert_eq!((item.title.as_str(), item.level), (title, Level::Changed));
        let expected = [
            format!("texts in other languages were removed: {removed}"),
            "the question was hidden in Moodle".to_owned(),
        ];
        assert_eq!(item.reasons, expected);
    }
}

#[test]
fn typed_answers_of_gift_keep_their_feedback() {
    let done = imported(
        "a.gift",
        "Capital? {=Berlin#Yes. =%50%Bonn#Once. =%0%Rome#Italy. =%0%*#No.####It moved.}\n",
    );
    let question = &done.quizzes()[0].questions[0];
    let QuestionKind::Fill { rules, .. } = &question.kind else { panic!() };
    let known: Vec<(Option<&str>, u8, &str)> = rules.answers[0]
        .iter()
        .map(|a| (a.text.as_deref(), a.percent, a.feedback.as_str()))
        .collect();
    let expected = [
        (Some("Berlin"), 100, "Yes."),
        (Some("Bonn"), 50, "Once."),
        (Some("Rome"), 0, "Italy."),
        (None, 0, "No."),
    ];
    assert_eq!((known, question.explanation.as_str()), (expected.to_vec(), "It moved."));
    assert_eq!(done.report.items[0].level, Level::Exact, "{}", done.report.to_text());
}
