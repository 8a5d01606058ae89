use super::*;

fn problems_of(text: &str) -> Vec<String> {
    let problems = Problems::default();
    parse(text, "f.json", &problems);
    problems.into_sorted().iter().map(ToString::to_string).collect()
}

#[test]
fn nodes_have_the_line_of_their_start() {
    let problems = Problems::default();
    let node = parse("{\n \"a\": 1,\r\n \"b\":\n  [true,\n  \"x\\n\\u00e9\"]\n}\n", "f", &problems)
        .unwrap();
    let Value::Object(entries) = node.value else { panic!() };
    assert_eq!((entries[0].line, entries[1].line, entries[1].node.line), (2, 3, 4));
    let Value::List(list) = &entries[1].node.value else { panic!() };
    assert_eq!(list[1].line, 5);
    assert!(matches!(&list[1].value, Value::Text(t) if t == "x\né"));
}

#[test]
fn syntax_problems_have_the_right_line() {
    for (text, line, part) in [
        ("{\n\"a\": 1\n\"b\": 2}", 3, "a comma or '}'"),
        ("{\n\"a\": [1,\n]}", 2, "a comma after the last entry; remove this comma"),
        ("{\n\"a\": 1,\n\n}", 2, "a comma after the last entry; remove this comma"),
        ("{\"a\": 1,, \"b\": 2}", 1, "remove one of the commas"),
        ("[1,\n,2]", 2, "remove one of the commas"),
        ("[,]", 1, "remove one of the commas"),
        ("{\n// x\n\"a\": 1}", 2, "not '/'; remove the comment"),
        ("{\n\"a\": 1 # x\n}", 2, "not '#'; remove the comment"),
        ("{“a”: 1}", 1, "not '“'; write straight double quotes"),
        ("{'a': 1}", 1, "not '''; write straight double quotes"),
        ("{\"a\": True}", 1, "in lower case"),
        ("{\u{a0}\"a\": 1}", 1, "the invisible character U+00A0"),
        ("{\"a\": \"media\\x.png\"}", 1, "write / between folders, and \\\\ for a backslash"),
        ("{\"a\": \"x\n\"}", 1, "past the end of the line"),
        ("{} {}", 1, "after the end"),
        ("", 1, "the file is empty"),
        (" \n\n", 1, "the file is empty"),
        ("{\"a\": 1", 1, "the end of the file"),
        ("{\"a\": 01}", 1, "not a number"),
        ("{\"a\"：1}", 1, "write the colon of an English keyboard"),
        ("{\"a\": 1،\n\"b\": 2}", 1, "not '،'; write the comma of an English keyboard"),
        ("{\"a\": \"x\"\n\"b\": 2}", 2, "write a comma before it"),
        ("{\"a\": 3,5}", 1, "write a decimal point instead of the comma"),
        ("{a: 1}", 1, "not 'a'; write the name in double quotes"),
        ("{\"a\": yes}", 1, "not 'y'; write a text in double quotes"),
        ("{\"a\": +3}", 1, "write a number without +"),
        ("{\"a\": NaN}", 1, "write a number, or remove the field"),
        ("{\u{200b}\"a\": 1}", 1, "the invisible character U+200B; remove it"),
        ("{\"a\": \"x\ty\"}", 1, "contains the control character U+0009; write \\t for a tab"),
        ("<!doctype html>", 1, "this is a web page"),
        ("{\"a\": \"\\q\"}", 1, "invalid escape"),
        ("{\"a\": tru}", 1, "a value is expected"),
        ("\"\\", 1, "no closing quote"),
    ] {
        let problems = problems_of(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(
            problems[0].starts_with(&format!("f.json:{line}: error[json-syntax]")),
            "{text}: {problems:?}"
        );
        assert!(problems[0].contains(part), "{text}: {problems:?}");
    }
    // After a comma at the end, the rest of the file is read.
    let list = problems_of("{\"a\": [1,],\n\"b\": {\"c\": 1,\n},\n\"b\": 2,}");
    let lines: Vec<_> = list.iter().map(|p| p[..9].to_owned()).collect();
    assert_eq!(lines, ["f.json:1:", "f.json:2:", "f.json:4:", "f.json:4:"], "{list:?}");
    assert!(problems_of(&"[".repeat(100_000))[0].contains("too deeply"));
    assert!(
        problems_of("{\"a\":1,\n\"a\":2}")[0].starts_with("f.json:2: error[json-duplicate-key]")
    );
}
