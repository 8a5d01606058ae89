//! GIFT, Aiken and Moodle XML.

use super::{
    Expected::{Code, Items},
    Row,
};
use carrel_import::{
    Format,
    Level::{Changed, Exact, KeptAsText, Refused},
};

fn gift(text: impl Into<Vec<u8>>) -> Vec<u8> {
    text.into()
}

fn moodle(questions: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\"?><quiz>{questions}</quiz>").into_bytes()
}

fn essay(text: &str) -> String {
    format!(
        "<question type='essay'><name><text>e</text></name><questiontext format='html'><text><![CDATA[{text}]]></text>\
         </questiontext></question>"
    )
}

pub fn rows() -> Vec<Row> {
    use Format::{Aiken, Gift, MoodleXml};
    let choice = "<question type='multichoice'><name><text>m</text></name><questiontext format='html'><text>a</text>\
                  </questiontext>";
    vec![
        ("an empty file", Gift, gift(""), Code("import-empty")),
        ("comments only", Gift, gift("// a\n// b\n"), Code("import-empty")),
        ("a category only", Gift, gift("$CATEGORY: a/b\n\n"), Code("import-empty")),
        ("no closing brace", Gift, gift("a {=b\n"), Code("import-empty")),
        ("one good, one without an end", Gift, gift("a {=b}\n\nc {=d\n"), Items(&[Exact, Refused])),
        ("UTF-32", Gift, gift(*b"\xff\xfe\0\0a\0\0\0"), Code("import-broken")),
        ("binary data", Gift, gift(*b"\x89PNG\0\0\0\x80"), Code("import-broken")),
        ("a million braces", Gift, gift("{".repeat(1_000_000)), Code("import-empty")),
        (
            "50,000 choices",
            Gift,
            gift(format!("a {{=b {}}}", "~x ".repeat(50_000))),
            Items(&[KeptAsText]),
        ),
        (
            "100,000 nested elements",
            Gift,
            gift(format!("[html]{}a {{=b}}", "<div>".repeat(100_000))),
            Items(&[Exact]),
        ),
        ("a script", Gift, gift("[html]<script>x()</script>a {T}"), Items(&[Changed])),
        (
            "a link with a script",
            Gift,
            gift("[html]<a href\\=\"javascript\\:x()\">a</a> {T}"),
            Items(&[Exact]),
        ),
        (
            "a nested formula",
            Gift,
            gift(format!("$${}x{}$$ {{T}}", "\\frac\\{".repeat(500), "\\}".repeat(500))),
            Items(&[Changed]),
        ),
        (
            "an unknown command of TeX",
            Gift,
            gift("$$\\\\input\\{/etc/passwd\\}$$ {T}"),
            Items(&[Changed]),
        ),
        (
            "damaged data addresses",
            Gift,
            gift("[html]<img src\\=\"data\\:image/png;base64,AAAA\">a {T}"),
            Items(&[Changed]),
        ),
        (
            "numbers that are none",
            Gift,
            gift("a {#NaN}\n\nb {#1:x}\n\nc {#inf}\n\nd {=e}"),
            Items(&[Exact, Refused, Refused, Refused]),
        ),
        (
            "a title of a megabyte",
            Gift,
            gift(format!("::{}:: a {{T}}", "t".repeat(1 << 20))),
            Items(&[Exact]),
        ),
        ("too many questions", Gift, gift("a {T}\n\n".repeat(20_001)), Code("import-limit")),
        ("a text of 65 MiB", Gift, vec![b'a'; 65 << 20], Code("import-limit")),
        ("text that looks like blanks", Gift, gift("a ___ ____ b {T}"), Items(&[Exact])),
        ("text that looks like formulas", Gift, gift("\\(x $5 $$ \\\\[ {T}"), Items(&[Exact])),
        (
            "text that looks like links",
            Gift,
            gift("![a](b.png) [c](word\\:x) <img src\\=x> {T}"),
            Items(&[Changed]),
        ),
        ("no answer", Aiken, gift("a\nA. x\nB. y\n"), Code("import-empty")),
        (
            "an answer without a choice",
            Aiken,
            gift("a\nA. x\nB. y\nANSWER: Z\n"),
            Code("import-empty"),
        ),
        (
            "choices without a question",
            Aiken,
            gift("A. x\nB. y\nANSWER: A\n"),
            Code("import-empty"),
        ),
        (
            "one broken question",
            Aiken,
            gift("a\nA. x\nB. y\nANSWER: A\nb\nANSWER: A\n"),
            Items(&[Exact, Refused]),
        ),
        ("no XML", MoodleXml, b"<quiz><question".to_vec(), Code("import-broken")),
        ("a truncated file", MoodleXml, moodle(&essay("a"))[..60].to_vec(), Code("import-broken")),
        ("another format", MoodleXml, b"<questestinterop/>".to_vec(), Code("import-broken")),
        ("no question", MoodleXml, moodle(""), Code("import-empty")),
        (
            "nested entities",
            MoodleXml,
            b"<!DOCTYPE q [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><quiz>&b;</quiz>".to_vec(),
            Code("import-xml"),
        ),
        (
            "an entity of a file",
            MoodleXml,
            b"<!DOCTYPE q [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><quiz>&a;</quiz>".to_vec(),
            Code("import-xml"),
        ),
        (
            "300 levels of elements",
            MoodleXml,
            moodle(&format!("{}{}", "<a>".repeat(300), "</a>".repeat(300))),
            Code("import-limit"),
        ),
        ("a text of 9 MiB", MoodleXml, moodle(&essay(&"a".repeat(9 << 20))), Code("import-limit")),
        ("wrong end tags", MoodleXml, moodle("<question></quiz>"), Code("import-broken")),
        (
            "a question without a type",
            MoodleXml,
            moodle(&format!("<question/>{}", essay("a"))),
            Items(&[KeptAsText, Refused]),
        ),
        (
            "a kind without a text",
            MoodleXml,
            moodle(&format!("<question type='stack'/>{}", essay("a"))),
            Items(&[Refused, KeptAsText]),
        ),
        (
            "a cloze without a gap",
            MoodleXml,
            moodle(&format!("<question type='cloze'/>{}", essay("a"))),
            Items(&[KeptAsText, Refused]),
        ),
        (
            "an embedded page",
            MoodleXml,
            moodle(&essay("a<iframe src=\"https://x.org\"></iframe>")),
            Items(&[KeptAsText]),
        ),
        (
            "attributes with scripts",
            MoodleXml,
            moodle(&essay("<p onclick=\"x()\">a</p>")),
            Items(&[KeptAsText]),
        ),
        (
            "no right choice",
            MoodleXml,
            moodle(&format!(
                "{choice}<answer fraction='0'><text>a</text></answer>\
                 <answer fraction='0'><text>b</text></answer></question>"
            )),
            Items(&[KeptAsText]),
        ),
        (
            "choices that are pictures",
            MoodleXml,
            moodle(&format!(
                "{choice}<answer fraction='100' format='html'><text>&lt;img src='x.png'&gt;</text></answer>\
                 <answer><text>b</text></answer></question>"
            )),
            Items(&[KeptAsText]),
        ),
        (
            "damaged base64",
            MoodleXml,
            moodle(
                "<question type='essay'><questiontext format='html'><text>a</text>\
                 <file name='x' encoding='base64'>!!</file></questiontext></question>",
            ),
            Items(&[KeptAsText]),
        ),
        (
            "one pair",
            MoodleXml,
            moodle(
                "<question type='matching'><questiontext><text>a</text></questiontext>\
                 <subquestion><text>x</text><answer><text>y</text></answer></subquestion></question>",
            ),
            Items(&[KeptAsText]),
        ),
        (
            "a huge exponent",
            MoodleXml,
            moodle(
                "<question type='numerical'><questiontext><text>a</text></questiontext>\
                 <answer fraction='100'><text>1e999</text></answer></question>",
            ),
            Code("import-empty"),
        ),
    ]
}
