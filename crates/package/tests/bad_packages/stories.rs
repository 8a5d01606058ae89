//! Problems in vocabularies and stories.

use crate::Case;

pub const CASES: &[Case] = &[
    (
        "word without meaning",
        |t| {
            t.edit("vocabulary.json", "\"meaning\": \"A light.\"", "\"meaning\": \"\"");
        },
        "missing-field",
        "vocabulary.json",
        4,
    ),
    (
        "duplicate word id",
        |t| {
            t.edit("vocabulary.json", "\"id\": \"lamp\"", "\"id\": \"bend\"");
        },
        "duplicate-id",
        "vocabulary.json",
        4,
    ),
    (
        "missing image of a page without alternative text",
        |t| {
            t.edit("stories/tale/story.md", "![A square]", "![]").remove("stories/tale/01.png");
        },
        "alt-missing",
        "stories/tale/story.md",
        4,
    ),
    (
        "missing image of a word without alternative text",
        |t| {
            t.edit("vocabulary.json", "\"A light.\"", "\"A light.\", \"image\": \"lamp.png\"");
        },
        "alt-missing",
        "vocabulary.json",
        4,
    ),
    (
        "image before the first page",
        |t| {
            t.edit("stories/tale/story.md", "\n##\n", "\n![A square](01.png)\n\n##\n");
        },
        "before-page",
        "stories/tale/story.md",
        3,
    ),
    (
        "translation into an invalid language",
        |t| {
            t.edit("vocabulary.json", "\"fr\"", "\"french language\"");
        },
        "bad-lang",
        "vocabulary.json",
        3,
    ),
    (
        "missing story text",
        |t| {
            t.remove("stories/tale/story.md");
        },
        "missing-file",
        "stories/tale/story.json",
        1,
    ),
    (
        "level 9",
        |t| {
            t.edit("stories/tale/story.json", "2", "9");
        },
        "bad-value",
        "stories/tale/story.json",
        6,
    ),
    (
        "text before a page",
        |t| {
            t.edit("stories/tale/story.md", "# A Tale\n", "# A Tale\n\nOnce\n");
        },
        "before-page",
        "stories/tale/story.md",
        3,
    ),
    (
        "story without pages",
        |t| {
            t.put("stories/tale/story.md", "# A Tale\n");
        },
        "empty",
        "stories/tale/story.md",
        1,
    ),
    (
        "empty page",
        |t| {
            t.edit("stories/tale/story.md", "The end.", "##\n\nThe end.");
        },
        "empty",
        "stories/tale/story.md",
        9,
    ),
    (
        "two images",
        |t| {
            t.edit(
                "stories/tale/story.md",
                "![Narration](01.wav)",
                "![Narration](01.wav)\n![B](01.png)",
            );
        },
        "page-media",
        "stories/tale/story.md",
        6,
    ),
    (
        "two narrations",
        |t| {
            t.edit("stories/tale/story.md", "![A square](01.png)", "![B](01.wav)");
        },
        "page-media",
        "stories/tale/story.md",
        5,
    ),
    (
        "too few cues",
        |t| {
            t.put("stories/tale/01.vtt", "WEBVTT\n\n00:00.000 --> 00:00.400\nx\n");
        },
        "timing-count",
        "stories/tale/01.vtt",
        3,
    ),
    (
        "too many cues",
        |t| {
            t.put(
                "stories/tale/01.vtt",
                format!("{}\n00:01.000 --> 00:02.000\nx\n", crate::support::VTT),
            );
        },
        "timing-count",
        "stories/tale/01.vtt",
        9,
    ),
    (
        "word across two sentences",
        |t| {
            t.edit("stories/tale/story.md", "[lamp](word:lamp). It", "[lamp. It](word:lamp)");
        },
        "word-torn",
        "stories/tale/story.md",
        7,
    ),
    (
        "unknown word in a story",
        |t| {
            t.edit("stories/tale/story.md", "word:lamp", "word:light");
        },
        "word-unknown",
        "stories/tale/story.md",
        7,
    ),
];
