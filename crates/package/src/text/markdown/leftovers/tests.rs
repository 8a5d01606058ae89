use super::super::tests::pieces;
use super::*;

fn problems(text: &str) -> Vec<String> {
    pieces(text).1
}

#[test]
fn text_that_looks_like_markup_is_reported_once_with_its_line() {
    for (text, expected) in [
        (
            "a\n\n![A river](media/my photo.png)\n",
            "a.md:3: error[link-syntax]: the text \"![A river](media/my photo.png)\" looks like an image; write ![A river](<media/my photo.png>), or ![A river](media/my%20photo.png)",
        ),
        (
            "![a](media/my photo (1).png \"Cap\")",
            "a.md:1: error[link-syntax]: the text \"![a](media/my photo (1).png \\\"Cap\\\")\" looks like an image; write ![a](<media/my photo (1).png> \"Cap\"), or ![a](media/my%20photo%20%281%29.png \"Cap\")",
        ),
        ("![a](b.png", "a.md:1: error[link-syntax]"),
        ("a ![a] (b.png) c", "a.md:1: warning[markup-text]: the text \"![\" looks like an image"),
        ("see [the page](https://a.b/my page) there", "a.md:1: error[link-syntax]"),
        ("f [x](a b) c", "a.md:1: warning[markup-text]: the text \"[x](a b)\" looks like a link"),
        ("a\nb **c** d **e\n", "a.md:2: warning[markup-text]: the text \"**\" looks like emphasis"),
        ("a **b:**c", "a.md:1: warning[markup-text]"),
        ("は__重要__です", "a.md:1: warning[markup-text]: the text \"__\" looks like emphasis"),
        (
            "a ~~b",
            "a.md:1: warning[markup-text]: the text \"~~\" looks like text to be struck through",
        ),
        (
            "a\n\n#Heading\n",
            "a.md:3: warning[markup-text]: the text \"#Heading\" looks like a heading",
        ),
        ("####### a", "a.md:1: warning[markup-text]"),
        (
            "a\n| b | c |\n",
            "a.md:2: warning[markup-text]: the text \"| b | c |\" looks like a row of a table",
        ),
        ("a | b\n---|---|---\n1 | 2\n", "a.md:2: warning[markup-text]"),
        (
            "a[^1] b",
            "a.md:1: warning[markup-text]: the text \"[^1]\" looks like a reference to a footnote, but is shown as it is; add a line `[^1]: ...`",
        ),
        ("a&nbps;b", "a.md:1: warning[markup-text]: the text \"&nbps;\" looks like an HTML entity"),
        (
            "a&amp;nbsp;b",
            "a.md:1: warning[markup-text]: the text \"&nbsp;\" looks like an HTML entity",
        ),
        (
            "\\begin{align}a\\end{align}",
            "a.md:1: warning[markup-text]: the text \"\\\\begin\" looks like a formula",
        ),
        ("so \\frac{1}{2} b", "a.md:1: warning[markup-text]"),
        (
            "a \\\\(x\\\\) b",
            "a.md:1: warning[markup-text]: the text \"\\\\(x\\\\)\" looks like a formula",
        ),
        ("$$$x$$$ a", "a.md:1: warning[markup-text]"),
        ("a ``` b", "a.md:1: warning[markup-text]: the text \"```\" looks like a code block"),
        ("::: note", "a.md:1: warning[markup-text]"),
        ("- a\n- b **c\n", "a.md:2: warning[markup-text]"),
        ("| a |\n|---|\n| b **c |\n", "a.md:3: warning[markup-text]"),
        ("$$\nx\n\ny\n$$\n\na **b", "a.md:7: warning[markup-text]"),
        (
            "so ** bold ** words",
            "a.md:1: warning[markup-text]: the text \"**\" looks like emphasis",
        ),
        ("これは_強調_。", "a.md:1: warning[markup-text]: the text \"_強調_\" looks like emphasis"),
        (
            "[text] (https://a.b)",
            "a.md:1: warning[markup-text]: the text \"[text] (\" looks like a link",
        ),
        ("(text)[https://a.b]", "a.md:1: warning[markup-text]"),
        (
            "a [[Page|text]] b",
            "a.md:1: warning[markup-text]: the text \"[[Page|text]]\" looks like a link",
        ),
        (
            "a ==b c== d",
            "a.md:1: warning[markup-text]: the text \"==b c==\" looks like highlighted text",
        ),
        ("H~2~O", "a.md:1: warning[markup-text]: the text \"~2~\" looks like a subscript"),
        ("x^2^ y", "a.md:1: warning[markup-text]: the text \"^2^\" looks like a superscript"),
        (
            "> [!NOTE]\n> a\n",
            "a.md:1: warning[markup-text]: the text \"[!NOTE]\" looks like a note",
        ),
        (
            "[TOC]\n",
            "a.md:1: warning[markup-text]: the text \"[TOC]\" looks like a table of contents",
        ),
        (
            "# A {#id}\n",
            "a.md:1: warning[markup-text]: the text \"{#id}\" looks like an instruction",
        ),
        ("{% include a.md %}", "a.md:1: warning[markup-text]"),
        ("{{ site.title }}", "a.md:1: warning[markup-text]"),
        (
            "a\n•\tb\n•\tc\n",
            "a.md:3: warning[markup-text]: the text \"•\\tc\" looks like an item of a list",
        ),
        ("-a\n-b\n", "a.md:2: warning[markup-text]"),
        ("1.a\n2.b\n", "a.md:2: warning[markup-text]"),
        ("1.项目\n2.项目\n", "a.md:2: warning[markup-text]"),
        ("a\n\n[^x]: b\n", "a.md:3: warning[footnote-unused]: no text refers to the footnote [^x]"),
        (
            "| a | b |\n|---|---|\n| 1 | 2 | 3 |\n",
            "a.md:3: warning[table-cells]: the row has 3 cells",
        ),
        ("> | a |\n> |---|\n> | b | c |\n", "a.md:3: warning[table-cells]"),
        (
            "---\ntitle: A\ntags: [a]\n---\n\n# A\n",
            "a.md:1: warning[front-matter]: the first 4 lines",
        ),
        ("a $ x $ b", "a.md:1: warning[maths-spaces]"),
        ("a $ x = 5 $ b", "a.md:1: warning[maths-spaces]"),
    ] {
        let found = problems(text);
        let codes: std::collections::BTreeSet<_> = found.iter().collect();
        assert_eq!(codes.len(), 1, "{text:?}: {found:?}");
        assert!(found[0].starts_with(expected), "{text:?}: {found:?}");
    }
}

#[test]
fn escaped_characters_code_and_other_text_are_not_reported() {
    for text in [
        "\\!\\[a\\](b c.png)",
        "!\\[a](b)",
        "\\*\\*a\\*\\* and \\_\\_b\\_\\_",
        "&#42;&#42;a",
        "`![a](b c)` and `**` and `&nbsp;`",
        "    ![a](b c)\n",
        "```\n**a\n```\n",
        "\\# a",
        "\\[^1]",
        "Name: ______ and ___",
        "snake__case and a__b",
        "#1 is best",
        "a & b; c &c.",
        "C:\\new{1}",
        "***\n",
        "a ** b",
        "* * *\n",
        "a[0] and b[i]",
        "x < y > z",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
        "a | b | c",
        "a == b and c == d",
        "x ** 2 + y ** 2",
        "about ~5~10 and ~/a/~",
        "{a, b} and {1} and { x }",
        "a[[1, 2], [3]]",
        "• one item",
        "• a\n\n• b\n",
        "1.5 kg\n2.5 kg\n",
        "-5\n-6\n",
        "図_1_説明",
        "变量_名_称",
        "a [b] (c)",
        "[x] [!] [a]",
        "---\n\nNote: a\n\n---\n",
        "| a |\n|---|\n| b \\| c |\n| d |\n",
        "| a | b |\n|---|---|\n| c |\n",
        "pay $ 5 and $ 10",
        "a[^1]\n\n[^1]: b\n",
        "\\&nbsp;",
        "Cheap $, dear $$$.",
    ] {
        assert_eq!(problems(text), Vec::<String>::new(), "{text:?}");
    }
}

#[test]
fn markup_is_searched_in_linear_time() {
    // With a search from each character to the end of the line, these would exceed the time limit of the test
    // runner.
    for part in ["[", "![", "](", "&", "[^", "[a](b ", "**a ", "`` ", "<b ", "$a"] {
        let line = part.repeat(1_000_000 / part.len());
        let problems = Problems::default();
        check_plain(&line, SourceLocation { file: "a.json", line: 1 }, &problems);
    }
}

#[test]
fn markup_in_plain_texts_is_reported() {
    let at = SourceLocation { file: "a.json", line: 7 };
    for (text, expected) in [
        ("A **bend**", 1),
        ("see [a](https://b.c)", 1),
        ("![a](b.png)", 1),
        ("solve $x^2=1$ now", 1),
        ("a<br>b", 1),
        ("one&nbsp;two", 1),
        ("US$5 and $10", 0),
        ("a < b and c > d", 0),
        ("C# and F#", 0),
        ("Names: a_b, __", 0),
    ] {
        let problems = Problems::default();
        check_plain(text, at, &problems);
        let found = problems.into_sorted();
        assert_eq!(found.len(), expected, "{text}: {found:?}");
        assert!(found.iter().all(|p| p.line == 7), "{found:?}");
    }
}
