//! Problems that are warnings.

use crate::{
    Case,
    support::{compile_tree, course, encoded, photo},
};

#[test]
fn warnings_do_not_reject_a_package() {
    let rows: &[Case] = &[
        (
            "missing transcript",
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
            "unknown code option",
            |t| {
                t.edit("one/read.md", "python editable", "python edit");
            },
            "code-word",
            "one/read.md",
            9,
        ),
        (
            "script in an SVG",
            |t| {
                t.put("media/square.png", "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\">\n<script>x()</script>\n</svg>");
            },
            "svg-removed",
            "media/square.png",
            2,
        ),
        (
            "SVG without size",
            |t| {
                t.put("media/square.png", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
            },
            "svg-size",
            "media/square.png",
            1,
        ),
        (
            "a JPEG without its end marker",
            |t| {
                let jpeg = encoded(&photo(), image::ImageFormat::Jpeg);
                t.put("media/square.png", &jpeg[..jpeg.len() - 2]);
            },
            "image-cut",
            "media/square.png",
            1,
        ),
        (
            "captions with the name of a language",
            |t| {
                let captions = t.0.remove("media/rain.vtt").unwrap();
                t.put("media/rain.en.vtt", captions);
            },
            "captions-unused",
            "media/rain.en.vtt",
            1,
        ),
        (
            "front matter",
            |t| {
                t.edit("one/read.md", "# Why\n", "---\ntitle: Why\n---\n\n# Why\n");
            },
            "front-matter",
            "one/read.md",
            1,
        ),
        (
            "VIDEO section without video",
            |t| {
                t.edit("course.json", "\"TEXT\"", "\"VIDEO\"");
            },
            "video-missing",
            "course.json",
            23,
        ),
        (
            "text after a note in a story",
            |t| {
                let page = "<!-- a note\n\n![x](x.png) -->\n\nThe end.\n\n<!-- b --> Lost.";
                t.edit("stories/tale/story.md", "The end.", page);
            },
            "html-removed",
            "stories/tale/story.md",
            16,
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
        (
            "emphasis without end in a story",
            |t| {
                t.edit("stories/tale/story.md", "The end.", "The **end.");
            },
            "markup-text",
            "stories/tale/story.md",
            10,
        ),
        (
            "HTML in a choice",
            |t| {
                t.edit("one/check.json", "\"That\"", "\"<div>\"");
            },
            "html-text",
            "one/check.json",
            10,
        ),
        (
            "two choices with the same text",
            |t| {
                t.edit("one/check.json", "\"That\"", "\"This\"");
            },
            "choice-duplicate",
            "one/check.json",
            10,
        ),
        (
            "emphasis without end in feedback",
            |t| {
                t.edit("one/check.json", "\"No.\"", "\"No **way.\"");
            },
            "markup-text",
            "one/check.json",
            10,
        ),
        (
            "Markdown in a meaning of the vocabulary",
            |t| {
                t.edit("vocabulary.json", "A curve.", "A **curve**.");
            },
            "markup-text",
            "vocabulary.json",
            2,
        ),
        (
            "a formula in a summary",
            |t| {
                t.edit("course.json", "About.", "About $x^2$.");
            },
            "markup-text",
            "course.json",
            21,
        ),
    ];
    for (name, change, code, file, line) in rows {
        let mut tree = course();
        change(&mut tree);
        let (compiled, _) =
            compile_tree(&tree).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
        let found: Vec<_> =
            compiled.warnings.iter().map(|p| (p.code, p.file.as_str(), p.line)).collect();
        assert_eq!(found, [(*code, *file, *line)], "{name}");
    }
}
