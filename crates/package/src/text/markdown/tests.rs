use super::events::find_too_deep_line;
use super::*;

fn scope() -> Scope {
    Scope {
        root: None,
        lang: "en".into(),
        words: BTreeSet::from(["bend".to_owned()]),
        sections: BTreeSet::from(["one/read".to_owned()]),
    }
}

pub(super) fn pieces(text: &str) -> (Vec<Piece>, Vec<String>) {
    let problems = Problems::default();
    let read = read(text, Origin::File("a.md"), &scope(), &problems);
    (read, problems.into_sorted().iter().map(ToString::to_string).collect())
}

fn only_html(text: &str) -> String {
    let (pieces, problems) = pieces(text);
    assert!(problems.is_empty(), "{problems:?}");
    let [Piece::Rich(html)] = pieces.as_slice() else { panic!("{pieces:?}") };
    html.clone()
}

#[test]
fn consecutive_rich_text_is_one_piece_and_other_blocks_are_separate() {
    let (pieces, problems) = pieces(
        "# A\n\ntext $x$\n\n- one\n- two\n\n![Alt *text*](m/a.jpg \"Cap\")\n\n```python editable\nprint(1)\n```\n$$\na^2\n$$\n\nend\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let [
        Piece::Rich(first),
        Piece::Media(media),
        Piece::Code { language, text, editable, check: None },
        Piece::Math { mathml, tex },
        Piece::Rich(last),
    ] = pieces.as_slice()
    else {
        panic!("{pieces:?}")
    };
    assert!(
        first.starts_with("<h1>A</h1>") && first.contains("<math") && first.ends_with("</ul>"),
        "{first}"
    );
    assert_eq!(
        (media.alt.as_str(), media.link.as_str(), media.caption.as_str(), media.line),
        ("Alt text", "m/a.jpg", "Cap", 8)
    );
    assert_eq!((language.as_str(), text.as_str(), *editable), ("python", "print(1)\n", true));
    assert!(mathml.contains("display=\"block\"") && tex == "a^2");
    assert_eq!(last, "<p>end</p>");
}

#[test]
fn a_checked_program_has_its_input_and_output() {
    let of = |text: &str| -> (Vec<Piece>, Vec<String>) { pieces(text) };
    let (found, problems) = of(
        "```python check\nprint(1)\n```\n\n```input\n5\n```\n\n```output\n1\n\n2\n```\n\nend\n\n```output\nx\n```\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let [Piece::Code { text, editable, check: Some(check), .. }, Piece::Rich(_), after] =
        found.as_slice()
    else {
        panic!("{found:?}")
    };
    assert_eq!((text.as_str(), *editable), ("print(1)\n", true));
    assert_eq!((check.input.as_str(), check.output.as_str()), ("5\n", "1\n\n2\n"));
    // A block of its own after other text.
    assert!(matches!(after, Piece::Code { language, check: None, .. } if language == "output"));
    // Without `check`, output is shown.
    let (found, problems) = of("```python editable\nx\n```\n```output\n1\n```\n");
    assert_eq!((found.len(), problems.len()), (2, 0), "{problems:?}");

    for (text, problem) in [
        ("a\n\n```python check\nx\n```\n", "a.md:3: error[code-check]"),
        ("```python check\nx\n```\n\nb\n\n```output\n1\n```\n", "a.md:1: error[code-check]"),
        ("```python check\nx\n```\n```input\n1\n```\n", "a.md:1: error[code-check]"),
        ("```python check\nx\n```\n```output\n \n```\n", "a.md:1: error[code-check]"),
        ("```rust check\nx\n```\n```output\n1\n```\n", "a.md:1: error[code-check]"),
    ] {
        let (_, problems) = of(text);
        assert!(problems.iter().any(|p| p.starts_with(problem)), "{text:?}: {problems:?}");
    }
}

#[test]
fn several_media_in_one_paragraph_are_separate_pieces() {
    let (pieces, _) = pieces("![a](1.jpg)\n![b](1.mp3)\n");
    assert_eq!(pieces.len(), 2);
    assert!(matches!(&pieces[1], Piece::Media(m) if m.line == 2));
}

#[test]
fn tables_tasks_footnotes_and_links() {
    let table = only_html("| a | b |\n|--:|:-:|\n| 1 | 2 |\n");
    assert!(table.contains("<th align=\"right\">a</th>") && !table.contains("style="), "{table}");
    let tasks = only_html("- [x] done\n- [ ] open\n");
    assert!(
        tasks.contains("type=\"checkbox\"")
            && tasks.contains("disabled")
            && tasks.contains("checked"),
        "{tasks}"
    );
    let links = only_html(
        "[b](word:bend) [s](section:one/read) [w](https://example.org/?a=1&b=2) <m@example.org>",
    );
    assert!(links.contains("<a data-word=\"bend\" role=\"button\" tabindex=\"0\""), "{links}");
    assert!(links.contains("<a data-section=\"one/read\""), "{links}");
    assert!(
        links.contains("href=\"https://example.org/?a=1&amp;b=2\" rel=\"noopener noreferrer\""),
        "{links}"
    );
    assert!(links.contains("href=\"mailto:m@example.org\""), "{links}");

    let (notes, problems) = pieces(
        "One[^b] two[^a] again[^b].\n\n[^a]: The *a*.\n[^b]: The b.\n\n![x](y.jpg)\n\nLater[^a].\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let Some(Piece::Rich(last)) = notes.last() else { panic!("{notes:?}") };
    assert!(
        last.contains("<li id=\"fn-1\"><p>The b.")
            && last.contains("<li id=\"fn-2\"><p>The <em>a</em>."),
        "{last}"
    );
    assert!(
        matches!(&notes[2], Piece::Rich(later) if later.contains("href=\"#fn-2\"") && !later.contains("id=")),
        "{notes:?}"
    );
}

#[test]
fn hostile_text_is_sanitised() {
    for text in [
        "a <script>alert(1)</script> b",
        "<script>\nalert(1)\n</script>\n",
        "<img src=x onerror=alert(1)>",
        "<div onclick=\"alert(1)\">x</div>",
        "<iframe src=\"javascript:alert(1)\"></iframe>",
        "<style>p { background: url(javascript:alert(1)) }</style>\n\nx",
        "<kbd onclick=\"alert(1)\">x</kbd>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
    ] {
        let (pieces, _) = pieces(text);
        let output = format!("{pieces:?}").to_lowercase();
        for bad in [
            "<script",
            "alert(1)",
            "onerror",
            "onclick",
            "javascript:",
            "<iframe",
            "<style",
            "data:text",
        ] {
            assert!(!output.contains(bad), "{text}: {output}");
        }
    }
    let kept = only_html(
        "<kbd>Ctrl</kbd> H<sub>2</sub>O <abbr title=\"x\">y</abbr><br>z &copy; <!-- note -->",
    );
    assert!(
        kept.contains("<kbd>Ctrl</kbd> H<sub>2</sub>O <abbr title=\"x\">y</abbr><br>z ©"),
        "{kept}"
    );
}

#[test]
fn problems_have_the_right_line() {
    for (text, expected) in [
        ("a\n\nb $\\frac{1}$\n", "a.md:3: error[maths]"),
        ("a\n\n$$\n\\nosuch\n$$\n", "a.md:3: error[maths]"),
        ("a\r\n\r\nb [x](word:none)\r\n", "a.md:3: error[word-unknown]"),
        ("a\nb [x](section:one/none)\n", "a.md:2: error[section-unknown]"),
        ("a\nb ![x](y.jpg) c\n", "a.md:2: error[media-inline]"),
        ("- a\n- ![x](y.jpg)\n", "a.md:2: error[media-inline]"),
        ("a\n\n<div>\nx\n</div>\n", "a.md:3: warning[html-removed]"),
        ("a\n[x](other.md)\n", "a.md:2: error[link-broken]"),
        ("a\n[x](#top)\n", "a.md:2: error[link-broken]"),
        ("a\n[x](ftp://example.org)\n", "a.md:2: error[link-scheme]"),
        ("a\n\n```rust edit\n```\n", "a.md:3: warning[code-word]"),
    ] {
        let (_, problems) = pieces(text);
        assert!(problems.iter().any(|p| p.starts_with(expected)), "{text:?}: {problems:?}");
    }
}

#[test]
fn too_complex_texts_are_reported() {
    let indented =
        |n: usize, part: &str| (0..n).map(|i| format!("{}{part}\n", "  ".repeat(i))).collect();
    for (what, text) in [
        ("quotes in a line", format!("{}x", ">".repeat(100_000))),
        ("quotes with spaces", format!("{}x", "> ".repeat(3_000))),
        ("lists in a line", format!("{}x", "- ".repeat(3_000))),
        ("numbers in a line", format!("{}x", "1. ".repeat(3_000))),
        ("alternating quotes and lists", format!("{}x", "> - ".repeat(1_000))),
        ("lists by indentation", indented(300, "- x")),
        ("emphasis", format!("{}x{}", "*a **b ".repeat(200), "** c* d".repeat(200))),
        // Within the nesting limit of the HTML.
        ("some emphasis", format!("{}x{}", "*a **b ".repeat(30), "** c* d".repeat(30))),
        ("HTML that is allowed", format!("a{}x", "<sub>".repeat(3_000))),
        (
            "HTML that is allowed and closed",
            format!("a{}x{}", "<sup>".repeat(500), "</sup>".repeat(500)),
        ),
        ("many elements in a block", format!("a {}", "<br>".repeat(100_000))),
        (
            "a table of many columns and short rows",
            format!("{}|\n{}|\n{}", "|a".repeat(1_000), "|-".repeat(1_000), "|b|\n".repeat(1_000)),
        ),
        ("many character references", "&amp;".repeat(300_000)),
        ("many ampersands in code", format!("`{}`", "&".repeat(300_000))),
        ("many characters from U+0080 to U+00BF", "«".repeat(300_000)),
        ("a formula of nested groups", format!("a ${}x{}$", "{".repeat(3_000), "}".repeat(3_000))),
        ("a formula that defines itself", r"a $\def\a{\a\a}\a$".to_owned()),
    ] {
        let (pieces, problems) = pieces(&text);
        let reported =
            problems.iter().any(|p| p.contains("[too-complex]") || p.contains("[maths]"));
        assert!(reported, "{what}: {problems:?}");
        let size: usize =
            pieces.iter().map(|p| if let Piece::Rich(html) = p { html.len() } else { 0 }).sum();
        assert!(size < 100_000, "{what}: {size}");
    }
    // Similar texts within the limits.
    let emphasis = format!("{}x{}", "*a **b ".repeat(20), "** c* d".repeat(20));
    for text in [
        "- - - - -\n".repeat(20),
        "* ".repeat(200),
        "-".repeat(500),
        "1. a\n".repeat(200),
        emphasis,
    ] {
        let (_, problems) = pieces(&text);
        assert!(problems.is_empty(), "{text:?}: {problems:?}");
    }
}

#[test]
fn lines_with_many_containers_are_found_before_parsing() {
    for line in [">", "> ", "- ", "+ ", "1. ", "12) ", "> - "] {
        let text = format!("a\n\n{}x\n", line.repeat(100));
        assert_eq!(find_too_deep_line(&text), Some(3), "{line:?}");
        assert_eq!(find_too_deep_line(&format!("{}x\n", line.repeat(20))), None, "{line:?}");
    }
}

#[test]
fn repetitive_texts_are_parsed_in_linear_time() {
    // An earlier version parsed these texts in quadratic time. They are so large that the test would then exceed the
    // time limit of the test runner.
    let notes: String = (0..4_000)
        .map(|n| format!("x[^{n}]\n\n"))
        .chain((0..4_000).map(|n| format!("[^{n}]: y\n\n")))
        .collect();
    let (found, problems) = pieces(&notes);
    assert!(problems.is_empty(), "{problems:?}");
    let Some(Piece::Rich(last)) = found.last() else { panic!() };
    assert!(last.contains("id=\"fn-4000\""));
    let scripts = format!("<script>x</script>{}", "<script></script>".repeat(50_000));
    let (found, problems) = pieces(&scripts);
    assert_eq!((found.len(), problems.len()), (0, 1), "{problems:?}");
}
