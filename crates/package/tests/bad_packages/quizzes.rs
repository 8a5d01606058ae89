//! Problems in quiz files.

use crate::Case;

pub const CASES: &[Case] = &[
    (
        "quiz without title",
        |t| {
            t.edit("one/check.json", "\"title\": \"Check\",", "");
        },
        "missing-field",
        "one/check.json",
        1,
    ),
    (
        "quiz without questions",
        |t| {
            t.put("one/check.json", "{\"format\": \"carrel-quiz/1\", \"id\": \"c\", \"title\": \"t\",\n\"questions\": []}");
        },
        "empty",
        "one/check.json",
        2,
    ),
    (
        "pass above 100",
        |t| {
            t.edit("one/check.json", "\"pass\": 60", "\"pass\": 101");
        },
        "bad-value",
        "one/check.json",
        5,
    ),
    (
        "invalid question kind",
        |t| {
            t.edit("one/check.json", "\"order\"", "\"sort\"");
        },
        "bad-value",
        "one/check.json",
        16,
    ),
    (
        "duplicate question id",
        |t| {
            t.edit("one/check.json", "\"id\": \"b\"", "\"id\": \"a\"");
        },
        "duplicate-id",
        "one/check.json",
        13,
    ),
    (
        "duplicate choice id",
        |t| {
            t.edit("one/check.json", "\"id\": \"y\"", "\"id\": \"x\"");
        },
        "duplicate-id",
        "one/check.json",
        10,
    ),
    (
        "two correct choices of a single-choice question",
        |t| {
            t.edit("one/check.json", "\"feedback\": \"No.\"", "\"correct\": true");
        },
        "correct-count",
        "one/check.json",
        7,
    ),
    (
        "correct is a string",
        |t| {
            t.edit("one/check.json", "\"correct\": true", "\"correct\": \"yes\"");
        },
        "wrong-type",
        "one/check.json",
        9,
    ),
    (
        "more blanks than lists of answers",
        |t| {
            t.edit("one/check.json", "A ___ lake.", "A ___ ___.");
        },
        "blank-count",
        "one/check.json",
        15,
    ),
    (
        "prompt without blanks",
        |t| {
            t.edit("one/check.json", "A ___ lake.", "A lake.");
        },
        "blank-count",
        "one/check.json",
        15,
    ),
    (
        "blank without accepted answer",
        |t| {
            t.edit("one/check.json", "[[\"oxbow\", \"ox-bow\"]]", "[[]]");
        },
        "empty",
        "one/check.json",
        15,
    ),
    (
        "order with one item",
        |t| {
            t.edit("one/check.json", "[\"1\", \"2\"]", "[\"1\"]");
        },
        "too-few",
        "one/check.json",
        16,
    ),
    (
        "incomplete pair",
        |t| {
            t.edit("one/check.json", "[\"c\", \"d\"]", "[\"c\"]");
        },
        "wrong-type",
        "one/check.json",
        18,
    ),
    (
        "question with 0 points",
        |t| {
            t.edit("one/check.json", "\"points\": 2", "\"points\": 0");
        },
        "bad-value",
        "one/check.json",
        13,
    ),
    (
        "formula in a choice",
        |t| {
            t.edit("one/check.json", "\"That\"", "\"$\\\\frac{1}$\"");
        },
        "maths",
        "one/check.json",
        10,
    ),
    (
        "question's image without alt",
        |t| {
            t.edit(
                "one/check.json",
                "\"items\": [\"1\", \"2\"]",
                "\"items\": [\"1\", \"2\"],\n\"image\": \"../media/square.png\"",
            );
        },
        "alt-missing",
        "one/check.json",
        17,
    ),
    (
        "question's audio is an image",
        |t| {
            t.edit(
                "one/check.json",
                "\"items\": [\"1\", \"2\"]",
                "\"items\": [\"1\", \"2\"],\n\"audio\": \"../media/square.png\"",
            );
        },
        "media-type",
        "one/check.json",
        17,
    ),
    (
        "duplicate quiz id",
        |t| {
            t.put("one/again.json", crate::support::CHECK);
            t.edit("one/read.md", "$$\n\\frac", "![Again](again.json)\n\n$$\n\\frac");
        },
        "duplicate-id",
        "one/check.json",
        3,
    ),
    (
        "choice that is an HTML tag",
        |t| {
            t.edit("one/check.json", "\"That\"", "\"<kbd>\"");
        },
        "empty",
        "one/check.json",
        10,
    ),
    (
        "choice of invisible characters",
        |t| {
            t.edit("one/check.json", "\"That\"", "\"\\u200b\\u2060\"");
        },
        "empty",
        "one/check.json",
        10,
    ),
    (
        "prompt of a line break",
        |t| {
            t.edit("one/check.json", "\"Order.\"", "\"<br>\"");
        },
        "empty",
        "one/check.json",
        16,
    ),
    (
        "empty item",
        |t| {
            t.edit("one/check.json", "[\"1\", \"2\"]", "[\"1\", \" \"]");
        },
        "empty",
        "one/check.json",
        16,
    ),
    (
        "empty side of a pair",
        |t| {
            t.edit("one/check.json", "[\"c\", \"d\"]", "[\"c\", \"\"]");
        },
        "empty",
        "one/check.json",
        18,
    ),
    (
        "blank in a formula",
        |t| {
            t.edit("one/check.json", "A ___ lake.", "$x = ___$ is.");
        },
        "blank-count",
        "one/check.json",
        15,
    ),
    (
        "formula without end in a prompt",
        |t| {
            t.edit("one/check.json", "\"Order.\"", "\"Order $$x.\"");
        },
        "maths-unclosed",
        "one/check.json",
        16,
    ),
    (
        "formula with one backslash in JSON",
        |t| {
            t.edit("one/check.json", "\"That\"", "\"$\\frac{1}{2}$\"");
        },
        "maths",
        "one/check.json",
        10,
    ),
];
