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
        "bad kind",
        |t| {
            t.edit("one/check.json", "\"order\"", "\"sort\"");
        },
        "bad-value",
        "one/check.json",
        16,
    ),
    (
        "question id twice",
        |t| {
            t.edit("one/check.json", "\"id\": \"b\"", "\"id\": \"a\"");
        },
        "duplicate-id",
        "one/check.json",
        13,
    ),
    (
        "choice id twice",
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
        "more blanks than lists",
        |t| {
            t.edit("one/check.json", "A ___ lake.", "A ___ ___.");
        },
        "blank-count",
        "one/check.json",
        15,
    ),
    (
        "no blank",
        |t| {
            t.edit("one/check.json", "A ___ lake.", "A lake.");
        },
        "blank-count",
        "one/check.json",
        15,
    ),
    (
        "blank without spelling",
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
        "half a pair",
        |t| {
            t.edit("one/check.json", "[\"c\", \"d\"]", "[\"c\"]");
        },
        "wrong-type",
        "one/check.json",
        18,
    ),
    (
        "no points",
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
        "question's picture without alt",
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
        "question's sound is a picture",
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
        "quiz id twice",
        |t| {
            t.put("one/again.json", crate::support::CHECK);
            t.edit("one/read.md", "$$\n\\frac", "![Again](again.json)\n\n$$\n\\frac");
        },
        "duplicate-id",
        "one/check.json",
        3,
    ),
];
