//! Problems in `course.json`.

use crate::Case;

pub const CASES: &[Case] = &[
    (
        "truncated JSON",
        |t| {
            t.put("course.json", "{\n \"format\": \"carrel-course/1\",\n");
        },
        "json-syntax",
        "course.json",
        3,
    ),
    (
        "trailing comma",
        |t| {
            t.edit("course.json", "\"tags\": [\"one\", \"two\"]", "\"tags\": [\"one\",]");
        },
        "json-syntax",
        "course.json",
        9,
    ),
    (
        "a list, not an object",
        |t| {
            t.put("course.json", "[]");
        },
        "wrong-type",
        "course.json",
        1,
    ),
    (
        "duplicate key",
        |t| {
            t.edit("course.json", "\"lang\": \"en\",", "\"lang\": \"en\",\n\"lang\": \"fr\",");
        },
        "json-duplicate-key",
        "course.json",
        7,
    ),
    (
        "wrong format",
        |t| {
            t.edit("course.json", "carrel-course/1", "course");
        },
        "format-unknown",
        "course.json",
        2,
    ),
    (
        "newer format",
        |t| {
            t.edit("course.json", "carrel-course/1", "carrel-course/2");
        },
        "format-newer",
        "course.json",
        2,
    ),
    (
        "missing id",
        |t| {
            t.edit("course.json", "\"id\": \"small\",", "");
        },
        "missing-field",
        "course.json",
        1,
    ),
    (
        "invalid id",
        |t| {
            t.edit("course.json", "\"id\": \"small\"", "\"id\": \"Small Course\"");
        },
        "bad-id",
        "course.json",
        3,
    ),
    (
        "empty title",
        |t| {
            t.edit("course.json", "\"title\": \"A Small Course\"", "\"title\": \" \"");
        },
        "missing-field",
        "course.json",
        4,
    ),
    (
        "title is a number",
        |t| {
            t.edit("course.json", "\"title\": \"A Small Course\"", "\"title\": 7");
        },
        "wrong-type",
        "course.json",
        4,
    ),
    (
        "name of a language",
        |t| {
            t.edit("course.json", "\"lang\": \"en\"", "\"lang\": \"english\"");
        },
        "bad-lang",
        "course.json",
        6,
    ),
    (
        "invalid language",
        |t| {
            t.edit("course.json", "\"lang\": \"en\"", "\"lang\": \"en_US\"");
        },
        "bad-lang",
        "course.json",
        6,
    ),
    (
        "invalid difficulty",
        |t| {
            t.edit("course.json", "BEGINNER", "EASY");
        },
        "bad-value",
        "course.json",
        7,
    ),
    (
        "missing licence",
        |t| {
            t.edit("course.json", "\"license\": \"CC0-1.0\",", "");
        },
        "missing-field",
        "course.json",
        1,
    ),
    (
        "the id of a route",
        |t| {
            t.edit("course.json", "\"id\": \"small\"", "\"id\": \"search\"");
        },
        "bad-id",
        "course.json",
        3,
    ),
    (
        "negative hours",
        |t| {
            t.edit("course.json", "1.5", "-1");
        },
        "bad-value",
        "course.json",
        10,
    ),
    (
        "invalid colour",
        |t| {
            t.edit("course.json", "#28505A", "blue");
        },
        "bad-value",
        "course.json",
        14,
    ),
    (
        "invalid ornament",
        |t| {
            t.edit("course.json", "\"waves\"", "\"dragons\"");
        },
        "bad-value",
        "course.json",
        14,
    ),
    (
        "missing vocabulary file",
        |t| {
            t.remove("vocabulary.json");
        },
        "missing-file",
        "course.json",
        15,
    ),
    (
        "missing story folder",
        |t| {
            t.edit("course.json", "stories/tale", "stories/none");
        },
        "missing-file",
        "course.json",
        16,
    ),
    (
        "story listed twice",
        |t| {
            t.edit("course.json", "[\"stories/tale\"]", "[\"stories/tale\",\n\"stories/tale\"]");
        },
        "duplicate-id",
        "course.json",
        17,
    ),
    (
        "missing lessons",
        |t| {
            t.edit("course.json", "\"lessons\"", "\"lesons\"");
        },
        "missing-field",
        "course.json",
        1,
    ),
    (
        "empty sections",
        |t| {
            t.put(
                "course.json",
                crate::support::COURSE.split("\"sections\"").next().unwrap().to_owned()
                    + "\"sections\": [] } ] }",
            );
        },
        "empty",
        "course.json",
        22,
    ),
    (
        "duplicate section id",
        |t| {
            t.edit("course.json", "\"id\": \"check\"", "\"id\": \"read\"");
        },
        "duplicate-id",
        "course.json",
        24,
    ),
    (
        "invalid section type",
        |t| {
            t.edit("course.json", "\"TEXT\"", "\"READING\"");
        },
        "bad-value",
        "course.json",
        23,
    ),
    (
        "fractional minutes",
        |t| {
            t.edit("course.json", "\"minutes\": 6", "\"minutes\": 6.5");
        },
        "bad-value",
        "course.json",
        23,
    ),
    (
        "TEXT section without file",
        |t| {
            t.edit("course.json", "\"file\": \"one/read.md\", ", "");
        },
        "missing-field",
        "course.json",
        23,
    ),
    (
        "QUIZ section without quiz",
        |t| {
            t.edit("course.json", "\"quiz\": \"one/check.json\", ", "");
        },
        "missing-field",
        "course.json",
        24,
    ),
    (
        "TEXT section with quiz",
        |t| {
            t.edit("course.json", "\"type\": \"QUIZ\"", "\"type\": \"TEXT\"");
        },
        "quiz-misplaced",
        "course.json",
        24,
    ),
    (
        "missing section file",
        |t| {
            t.remove("one/read.md");
        },
        "missing-file",
        "course.json",
        23,
    ),
];
