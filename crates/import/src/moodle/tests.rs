use super::*;

fn bank(questions: &str) -> Bank {
    parse(&format!("<?xml version=\"1.0\"?>\n<quiz>{questions}</quiz>"), "en").unwrap()
}

fn one(question: &str) -> Question {
    let bank = bank(question);
    assert_eq!(bank.rejected, []);
    bank.questions.into_iter().next().unwrap()
}

#[test]
fn each_kind_is_read() {
    for (kind, inside, name) in [
        ("description", "", "description"),
        ("essay", "", "essay"),
        ("truefalse", "<answer fraction='100'><text>false</text></answer>", "truefalse"),
        ("multichoice", "<single>false</single>", "multichoice"),
        ("shortanswer", "<usecase>1</usecase>", "shortanswer"),
        ("numerical", "<answer fraction='100'><text>3</text></answer>", "numerical"),
        ("matching", "", "match"),
        ("ordering", "", "ordering"),
        ("calculated", "", "calculated"),
        ("ddwtos", "", "ddwtos"),
    ] {
        let question = one(&format!("<question type='{kind}'>{inside}</question>"));
        assert_eq!(question.kind.name(), name);
    }
}

#[test]
fn texts_have_formats_files_and_sections() {
    let question = one("<question type='multichoice'><name><text>A &amp; B</text></name>\
         <questiontext format='html'><text><![CDATA[<p>x<img src=\"@@PLUGINFILE@@/a%20b.png\"></p>]]></text>\
         <file name='a b.png' path='/' encoding='base64'>iVBO\n Rw==</file></questiontext>\
         <generalfeedback format='plain_text'><text>1 &lt; 2</text></generalfeedback>\
         <defaultgrade>2.0000000</defaultgrade><shuffleanswers>0</shuffleanswers><idnumber>q-7</idnumber>\
         <answer fraction='100' format='moodle_auto_format'><text>yes</text>\
                 <feedback><text>ok</text></feedback></answer>\
         <answer fraction='-33.33333'><text>no</text></answer>\
         <hint><text>think</text></hint><tags><tag><text>easy</text></tag></tags></question>");
    assert_eq!(question.title.as_deref(), Some("A & B"));
    assert_eq!(
        (question.prompt.format, question.points, question.id.as_str()),
        (TextFormat::Html, 2.0, "q-7")
    );
    assert_eq!(question.files[0].bytes, b"\x89PNG");
    assert_eq!(
        (question.feedback.text.as_str(), question.feedback.format),
        ("1 < 2", TextFormat::Plain)
    );
    let Kind::Choice { single: true, answers, shuffle: false } = &question.kind else { panic!() };
    assert_eq!((answers[0].feedback.text.as_str(), answers[1].weight), ("ok", -33.33333));
    assert_eq!((question.tags.len(), question.hints.len(), question.dropped.len()), (1, 1, 0));
}

#[test]
fn categories_apply_to_the_questions_after_them() {
    let bank = bank(
        "<question type='category'><category><text>$course$/top/Rivers/Deltas</text></category></question>\
         <question type='essay'><name><text>a</text></name></question>\
         <question><name><text>none</text></name></question>",
    );
    assert_eq!(bank.questions[0].category, ["Rivers", "Deltas"]);
    assert_eq!((bank.rejected[0].line, bank.rejected[0].text.as_str()), (3, "none"));
}

#[test]
fn numbers_have_tolerances_and_units() {
    let question = one(
        "<question type='numerical'><answer fraction='100'><text>3.5</text><tolerance>0.1</tolerance></answer>\
         <answer fraction='0'><text>*</text></answer>\
         <units><unit><multiplier>1</multiplier><unit_name>m</unit_name></unit></units></question>",
    );
    let Kind::Numerical { answers, units, multipliers, unit_required } = &question.kind else {
        panic!()
    };
    assert_eq!(answers[0].number, Number::Value { value: 3.5, tolerance: 0.1 });
    assert_eq!((&answers[1].number, &units[..]), (&Number::Any, &["m".to_owned()][..]));
    assert_eq!((&multipliers[..], *unit_required), (&[1.0][..], false));
}

#[test]
fn damaged_and_large_files_are_dropped_with_a_reason() {
    for file in [
        "<file name='x' encoding='base64'>***</file>",
        "<file name='x' encoding='utf8'>abcd</file>",
    ] {
        let question = one(&format!(
            "<question type='essay'><questiontext><text>a</text>{file}</questiontext></question>"
        ));
        assert_eq!((question.files.len(), question.dropped.len()), (0, 1));
    }
}

#[test]
fn other_xml_is_refused() {
    assert_eq!(parse("<questestinterop/>", "en").unwrap_err().code, "import-broken");
    assert_eq!(parse("<quiz/>", "en").unwrap(), Bank::default());
}

#[test]
fn files_in_folders_are_named_by_their_path() {
    let file =
        |path: &str| format!("<file name='a.png' path='{path}' encoding='base64'>iVBORw==</file>");
    let source = format!(
        "<question type='essay'><questiontext><text>a</text>{}{}</questiontext></question>",
        file("/"),
        file("/pictures/small/")
    );
    let names: Vec<String> = one(&source).files.into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["a.png", "pictures/small/a.png"]);
}

#[test]
fn texts_of_other_programs_have_no_inner_element() {
    let question = one(
        "<question type='shortanswer'><questiontext format='html'><![CDATA[<b>Q</b>]]></questiontext>\
         <answer fraction='100'>yes<feedback format='html'>ok</feedback></answer></question>",
    );
    let Kind::Short { answers, .. } = &question.kind else { panic!("{question:?}") };
    assert_eq!(question.prompt.text, "<b>Q</b>");
    let read = (answers[0].text.text.as_str(), answers[0].feedback.text.as_str());
    assert_eq!(read, ("yes", "ok"));
}
