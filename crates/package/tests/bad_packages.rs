//! Every way to get a package wrong has its own code, file and line, and writes nothing.

mod support;

use support::{Tree, compile_tree, course, png, story, wav};

type Row = (&'static str, fn(&mut Tree), &'static str, &'static str, u32);

/// Name, what is spoiled, and the code, file and line that must be among the problems.
const COURSES: &[Row] = &[
    (
        "cut-off JSON",
        |t| {
            t.put("course.json", "{\n \"format\": \"carrel-course/1\",\n");
        },
        "json-syntax",
        "course.json",
        3,
    ),
    (
        "comma too many",
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
        "key twice",
        |t| {
            t.edit("course.json", "\"lang\": \"en\",", "\"lang\": \"en\",\n\"lang\": \"fr\",");
        },
        "json-duplicate-key",
        "course.json",
        7,
    ),
    (
        "not UTF-8",
        |t| {
            t.put("one/read.md", b"# A\n\n\xff\xfe\xfd\n");
        },
        "not-utf8",
        "one/read.md",
        3,
    ),
    (
        "UTF-16",
        |t| {
            t.put("one/check.json", b"\xff\xfe{\0}\0");
        },
        "not-utf8",
        "one/check.json",
        1,
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
        "no id",
        |t| {
            t.edit("course.json", "\"id\": \"small\",", "");
        },
        "missing-field",
        "course.json",
        1,
    ),
    (
        "bad id",
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
        "bad language",
        |t| {
            t.edit("course.json", "\"lang\": \"en\"", "\"lang\": \"en_US\"");
        },
        "bad-lang",
        "course.json",
        6,
    ),
    (
        "bad difficulty",
        |t| {
            t.edit("course.json", "BEGINNER", "EASY");
        },
        "bad-value",
        "course.json",
        7,
    ),
    (
        "no licence",
        |t| {
            t.edit("course.json", "\"license\": \"CC0-1.0\",", "");
        },
        "missing-field",
        "course.json",
        1,
    ),
    (
        "hours below zero",
        |t| {
            t.edit("course.json", "1.5", "-1");
        },
        "bad-value",
        "course.json",
        10,
    ),
    (
        "bad colour",
        |t| {
            t.edit("course.json", "#28505A", "blue");
        },
        "bad-value",
        "course.json",
        14,
    ),
    (
        "bad ornament",
        |t| {
            t.edit("course.json", "\"waves\"", "\"dragons\"");
        },
        "bad-value",
        "course.json",
        14,
    ),
    (
        "no vocabulary file",
        |t| {
            t.remove("vocabulary.json");
        },
        "missing-file",
        "course.json",
        15,
    ),
    (
        "no story folder",
        |t| {
            t.edit("course.json", "stories/tale", "stories/none");
        },
        "missing-file",
        "course.json",
        16,
    ),
    (
        "story twice",
        |t| {
            t.edit("course.json", "[\"stories/tale\"]", "[\"stories/tale\",\n\"stories/tale\"]");
        },
        "duplicate-id",
        "course.json",
        17,
    ),
    (
        "no lessons",
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
                support::COURSE.split("\"sections\"").next().unwrap().to_owned()
                    + "\"sections\": [] } ] }",
            );
        },
        "empty",
        "course.json",
        22,
    ),
    (
        "section id twice",
        |t| {
            t.edit("course.json", "\"id\": \"check\"", "\"id\": \"read\"");
        },
        "duplicate-id",
        "course.json",
        24,
    ),
    (
        "bad section type",
        |t| {
            t.edit("course.json", "\"TEXT\"", "\"READING\"");
        },
        "bad-value",
        "course.json",
        23,
    ),
    (
        "minutes not whole",
        |t| {
            t.edit("course.json", "\"minutes\": 6", "\"minutes\": 6.5");
        },
        "bad-value",
        "course.json",
        23,
    ),
    (
        "no file of a TEXT",
        |t| {
            t.edit("course.json", "\"file\": \"one/read.md\", ", "");
        },
        "missing-field",
        "course.json",
        23,
    ),
    (
        "no quiz of a QUIZ",
        |t| {
            t.edit("course.json", "\"quiz\": \"one/check.json\", ", "");
        },
        "missing-field",
        "course.json",
        24,
    ),
    (
        "quiz of a TEXT",
        |t| {
            t.edit("course.json", "\"type\": \"QUIZ\"", "\"type\": \"TEXT\"");
        },
        "quiz-misplaced",
        "course.json",
        24,
    ),
    (
        "no such section file",
        |t| {
            t.remove("one/read.md");
        },
        "missing-file",
        "course.json",
        23,
    ),
    (
        "other case",
        |t| {
            t.edit("course.json", "one/read.md", "one/Read.md");
        },
        "name-case",
        "course.json",
        23,
    ),
    (
        "out of the package",
        |t| {
            t.edit("course.json", "one/read.md", "../../etc/passwd");
        },
        "outside-package",
        "course.json",
        23,
    ),
    (
        "absolute path",
        |t| {
            t.edit("course.json", "one/read.md", "/etc/passwd");
        },
        "outside-package",
        "course.json",
        23,
    ),
    (
        "backslash",
        |t| {
            t.edit("course.json", "one/read.md", "one\\\\read.md");
        },
        "path-unsafe",
        "course.json",
        23,
    ),
    (
        "empty text",
        |t| {
            t.put("one/read.md", "\n \n");
        },
        "empty",
        "one/read.md",
        1,
    ),
    (
        "bad formula",
        |t| {
            t.edit("one/read.md", "$a^2$", "$\\frac{a}$");
        },
        "maths",
        "one/read.md",
        3,
    ),
    (
        "bad formula block",
        |t| {
            t.edit("one/read.md", "\\frac{a}{b}", "\\nosuch{b}");
        },
        "maths",
        "one/read.md",
        13,
    ),
    (
        "unknown word",
        |t| {
            t.edit("one/read.md", "word:bend", "word:bent");
        },
        "word-unknown",
        "one/read.md",
        3,
    ),
    (
        "unknown section",
        |t| {
            t.edit("one/read.md", "section:one/check", "section:one/chek");
        },
        "section-unknown",
        "one/read.md",
        3,
    ),
    (
        "script link",
        |t| {
            t.edit("one/read.md", "section:one/check", "javascript:alert");
        },
        "link-scheme",
        "one/read.md",
        3,
    ),
    (
        "dead link",
        |t| {
            t.edit("one/read.md", "section:one/check", "two.md");
        },
        "link-broken",
        "one/read.md",
        3,
    ),
    (
        "footnote without note",
        |t| {
            t.edit("one/read.md", "# Why\n", "# Why\n\nx[^1] and [^2]\n\n[^2]: y\n");
        },
        "",
        "",
        0,
    ),
    (
        "picture without alt",
        |t| {
            t.edit("one/read.md", "A blue square", "");
        },
        "alt-missing",
        "one/read.md",
        5,
    ),
    (
        "picture in a line",
        |t| {
            t.edit("one/read.md", "![A blue", "See ![A blue");
        },
        "media-inline",
        "one/read.md",
        5,
    ),
    (
        "no such picture",
        |t| {
            t.remove("media/square.png");
        },
        "missing-file",
        "one/read.md",
        5,
    ),
    (
        "picture on the web",
        |t| {
            t.edit("one/read.md", "../media/square.png", "https://example.org/a.png");
        },
        "remote-media",
        "one/read.md",
        5,
    ),
    (
        "text named png",
        |t| {
            t.put("media/square.png", "hello");
        },
        "media-type",
        "one/read.md",
        5,
    ),
    (
        "empty picture",
        |t| {
            t.put("media/square.png", "");
        },
        "media-type",
        "one/read.md",
        5,
    ),
    (
        "broken picture",
        |t| {
            let mut p = png(40, 40);
            p.truncate(60);
            t.put("media/square.png", p);
        },
        "image-broken",
        "media/square.png",
        1,
    ),
    (
        "huge picture",
        |t| {
            t.put("media/square.png", huge_png());
        },
        "image-huge",
        "media/square.png",
        1,
    ),
    (
        "broken drawing",
        |t| {
            t.put("media/square.png", "<svg xmlns=\"http://www.w3.org/2000/svg\">\n<rect>\n</svg>");
        },
        "svg-broken",
        "media/square.png",
        3,
    ),
    (
        "drawing without size",
        |t| {
            t.put("media/square.png", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
        },
        "svg-size",
        "media/square.png",
        1,
    ),
    (
        "cut-off sound",
        |t| {
            let mut w = wav(1000);
            w.truncate(4000);
            t.put("media/rain.wav", w);
        },
        "sound-broken",
        "media/rain.wav",
        1,
    ),
    (
        "mp3 that is none",
        |t| {
            t.put("media/rain.wav", b"ID3\x04\0\0\0\0\0\x0anothing at all in here");
        },
        "sound-broken",
        "media/rain.wav",
        1,
    ),
    (
        "cut-off film",
        |t| {
            t.put("media/rain.wav", b"\0\0\0\x10ftypisom\0\0\0\0\0\0\xff\xffmoov");
        },
        "film-broken",
        "media/rain.wav",
        1,
    ),
    (
        "webm of nothing",
        |t| {
            t.put("media/rain.wav", b"\x1a\x45\xdf\xa3\x80");
        },
        "film-broken",
        "media/rain.wav",
        1,
    ),
    (
        "bad captions",
        |t| {
            t.put("media/rain.vtt", "WEBVTT\n\n00:01,000 --> 00:02,000\nx\n");
        },
        "captions",
        "media/rain.vtt",
        3,
    ),
    (
        "captions without head",
        |t| {
            t.put("media/rain.vtt", "1\n00:01.000 --> 00:02.000\nx\n");
        },
        "captions",
        "media/rain.vtt",
        1,
    ),
    (
        "captions too long",
        |t| {
            t.put(
                "media/rain.vtt",
                "WEBVTT\n\n00:00.000 --> 00:01.000\nx\n\n00:09.000 --> 00:10.000\nx\n",
            );
        },
        "captions-range",
        "media/rain.vtt",
        6,
    ),
    (
        "media in a transcript",
        |t| {
            t.put("media/rain.md", "Text\n\n![x](square.png)\n");
        },
        "media-inline",
        "media/rain.md",
        3,
    ),
    (
        "story not listed",
        |t| {
            t.edit("course.json", "[\"stories/tale\"]", "[]");
        },
        "story-unlisted",
        "one/read.md",
        17,
    ),
    (
        "folder as media",
        |t| {
            t.edit("one/read.md", "../stories/tale", "../media");
        },
        "story-unlisted",
        "one/read.md",
        17,
    ),
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
        "two right of single",
        |t| {
            t.edit("one/check.json", "\"feedback\": \"No.\"", "\"correct\": true");
        },
        "correct-count",
        "one/check.json",
        7,
    ),
    (
        "correct is a text",
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
        "one item to order",
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
            t.put("one/again.json", support::CHECK);
            t.edit("one/read.md", "$$\n\\frac", "![Again](again.json)\n\n$$\n\\frac");
        },
        "duplicate-id",
        "one/check.json",
        3,
    ),
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
        "word id twice",
        |t| {
            t.edit("vocabulary.json", "\"id\": \"lamp\"", "\"id\": \"bend\"");
        },
        "duplicate-id",
        "vocabulary.json",
        4,
    ),
    (
        "translation into nothing",
        |t| {
            t.edit("vocabulary.json", "\"fr\"", "\"french language\"");
        },
        "bad-lang",
        "vocabulary.json",
        3,
    ),
    (
        "no story text",
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
        "no pages",
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
        "two pictures",
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
            t.put("stories/tale/01.vtt", format!("{}\n00:01.000 --> 00:02.000\nx\n", support::VTT));
        },
        "timing-count",
        "stories/tale/01.vtt",
        9,
    ),
    (
        "torn word",
        |t| {
            t.edit("stories/tale/story.md", "[lamp](word:lamp). It", "[lamp. It](word:lamp)");
        },
        "word-torn",
        "stories/tale/story.md",
        7,
    ),
    (
        "unknown word of a story",
        |t| {
            t.edit("stories/tale/story.md", "word:lamp", "word:light");
        },
        "word-unknown",
        "stories/tale/story.md",
        7,
    ),
    (
        "reserved name",
        |t| {
            t.put("media/aux.txt", "x");
        },
        "path-reserved",
        "media/aux.txt",
        1,
    ),
    (
        "long name",
        |t| {
            t.put(&format!("media/{}/{}", "a".repeat(120), "b".repeat(130)), "x");
        },
        "path-long",
        "",
        1,
    ),
];

/// A PNG that says it has 40,000 x 40,000 pixels.
fn huge_png() -> Vec<u8> {
    let mut bytes = png(4, 4);
    bytes[16..24].copy_from_slice(&[0, 0, 0x9c, 0x40, 0, 0, 0x9c, 0x40]);
    let crc = !bytes[12..29].iter().fold(!0u32, |crc, b| {
        (0..8).fold(
            crc ^ u32::from(*b),
            |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 },
        )
    });
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn the_course_that_is_spoiled_is_good() {
    let (compiled, _) = compile_tree(&course()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(compiled.warnings.is_empty(), "{:#?}", compiled.warnings);
    let (compiled, _) = compile_tree(&story()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(compiled.warnings.is_empty(), "{:#?}", compiled.warnings);
}

#[test]
fn every_fault_has_its_code_file_and_line() {
    assert!(COURSES.len() >= 40);
    let mut wrong = Vec::new();
    for (name, spoil, code, file, line) in COURSES {
        let mut tree = course();
        spoil(&mut tree);
        let result = compile_tree(&tree);
        if code.is_empty() {
            // What looks like a footnote and has no note is text.
            assert!(result.is_ok(), "{name}: {:#?}", result.map(|_| ()).unwrap_err());
            continue;
        }
        let problems = match result {
            Ok(_) => {
                wrong.push(format!("{name}: compiles"));
                continue;
            }
            Err(problems) => problems,
        };
        let hit = problems.iter().any(|p| {
            p.is_error()
                && p.code == *code
                && p.line == *line
                && (file.is_empty() || p.file == *file)
        });
        if !hit {
            let list: Vec<_> = problems.iter().map(ToString::to_string).collect();
            wrong.push(format!("{name}: no {file}:{line}: {code} in\n  {}", list.join("\n  ")));
        }
        for problem in &problems {
            assert!(
                !problem.message.contains('\n') && !problem.hint.contains('\n'),
                "{name}: {problem}"
            );
            assert!(!problem.to_string().contains(env!("CARGO_MANIFEST_DIR")), "{name}: {problem}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_for_authors_explains_every_code() {
    let page = include_str!("../../../docs/PACKAGE.md");
    for (name, _, code, ..) in COURSES {
        assert!(
            code.is_empty() || page.contains(&format!("`{code}`")),
            "{name}: {code} is not in docs/PACKAGE.md"
        );
    }
}

#[test]
fn all_problems_of_a_package_come_at_once_in_order() {
    let mut tree = course();
    tree.edit("course.json", "\"lang\": \"en\"", "\"lang\": \"english language\"")
        .edit("course.json", "BEGINNER", "EASY")
        .edit("one/read.md", "word:bend", "word:none")
        .edit("one/read.md", "$a^2$", "$\\frac{1}$")
        .edit("one/check.json", "\"pass\": 60", "\"pass\": 600")
        .edit("stories/tale/story.md", "word:lamp", "word:none")
        .put("media/rain.vtt", "x")
        .remove("media/square.png");
    let problems = compile_tree(&tree).map(|_| ()).unwrap_err();
    let found: Vec<_> = problems.iter().map(|p| (p.file.as_str(), p.line, p.code)).collect();
    assert_eq!(
        found,
        [
            ("course.json", 6, "bad-lang"),
            ("course.json", 7, "bad-value"),
            ("media/rain.vtt", 1, "captions"),
            ("one/check.json", 5, "bad-value"),
            ("one/read.md", 3, "maths"),
            ("one/read.md", 3, "word-unknown"),
            ("one/read.md", 5, "missing-file"),
            ("stories/tale/story.md", 7, "word-unknown"),
        ]
    );
    assert_eq!(
        problems[0].to_string(),
        "course.json:6: error[bad-lang]: \"lang\" is \"english language\"; a language tag such as en, fr-CA or zh-Hant"
    );
}

#[test]
fn warnings_do_not_stop() {
    let rows: &[Row] = &[
        (
            "transcript",
            |t| {
                t.remove("media/rain.md");
            },
            "transcript-missing",
            "media/rain.wav",
            1,
        ),
        (
            "unknown field",
            |t| {
                t.edit("course.json", "\"summary\"", "\"sumary\"");
            },
            "unknown-field",
            "course.json",
            21,
        ),
        (
            "raw HTML",
            |t| {
                t.edit("one/read.md", "# Why\n", "# Why\n\n<div>x</div>\n");
            },
            "html-removed",
            "one/read.md",
            3,
        ),
        (
            "code word",
            |t| {
                t.edit("one/read.md", "python editable", "python edit");
            },
            "code-word",
            "one/read.md",
            9,
        ),
        (
            "script in a drawing",
            |t| {
                t.put("media/square.png", "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\">\n<script>x()</script>\n</svg>");
            },
            "svg-removed",
            "media/square.png",
            2,
        ),
        (
            "no film",
            |t| {
                t.edit("course.json", "\"TEXT\"", "\"VIDEO\"");
            },
            "video-missing",
            "course.json",
            23,
        ),
        (
            "link in a story",
            |t| {
                t.edit("stories/tale/story.md", "The end.", "The [end](https://example.org).");
            },
            "story-markup",
            "stories/tale/story.md",
            10,
        ),
    ];
    for (name, spoil, code, file, line) in rows {
        let mut tree = course();
        spoil(&mut tree);
        let (compiled, _) =
            compile_tree(&tree).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
        let found: Vec<_> =
            compiled.warnings.iter().map(|p| (p.code, p.file.as_str(), p.line)).collect();
        assert_eq!(found, [(*code, *file, *line)], "{name}");
    }
}
