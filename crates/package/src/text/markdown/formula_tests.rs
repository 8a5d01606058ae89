//! Formulas and emphasis in texts.

use super::tests::pieces;
use super::*;

/// Returns the kinds of the pieces, with the LaTeX of formula blocks.
fn blocks(text: &str) -> Vec<String> {
    let (found, problems) = pieces(text);
    assert!(problems.is_empty(), "{text:?}: {problems:?}");
    found
        .iter()
        .map(|piece| match piece {
            Piece::Rich(html) => html.clone(),
            Piece::Math { tex, .. } => format!("$${tex}$$"),
            Piece::Code { text, .. } => format!("`{text}`"),
            Piece::Media(media) => media.link.clone(),
        })
        .collect()
}

#[test]
fn lines_of_a_formula_are_not_markdown() {
    for (text, expected) in [
        ("$$\na + b\n- c\n= d\n$$\n", "$$a + b\n- c\n= d$$"),
        ("$$\nx\n=\ny\n$$\n", "$$x\n=\ny$$"),
        ("$$\nx\n---\ny\n$$\n", "$$x\n---\ny$$"),
        (
            "$$\n\\begin{aligned}\na &= b \\\\\n\nc &= d\n\\end{aligned}\n$$",
            "$$\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned}$$",
        ),
        ("$$\n+ 2\n$$", "$$+ 2$$"),
        ("$$\n\na\n\n\n> b\n$$", "$$a\n> b$$"),
        ("$$a\n1. b$$\n", "$$a\n1. b$$"),
        ("$$ a * b * c_d *e $$", "$$a * b * c_d *e$$"),
        ("\\[\na\n- b\n\n= c\n\\]\n", "$$a\n- b\n= c$$"),
        ("\\[ x = \\frac{1}{2} \\]", "$$x = \\frac{1}{2}$$"),
        ("$$\n    a\n\n    b\n$$", "$$a\n    b$$"),
    ] {
        let found = blocks(text);
        assert_eq!(found, [expected], "{text:?}");
    }
}

#[test]
fn formulas_stay_in_their_list_or_quote() {
    for (text, parts) in [
        (
            "- a\n\n  $$\n  x\n  - y\n\n  = z\n  $$\n\n- b\n",
            ["<li>", "<math display=\"block\"", "<p>b</p>"],
        ),
        (
            "> a\n>\n> $$\n> x\n> - y\n>\n> = z\n> $$\n>\n> b\n",
            ["<blockquote>", "<math display=\"block\"", "<p>b</p>\n</blockquote>"],
        ),
        ("1. $$\n   x\n   + y\n   $$\n2. b\n", ["<ol>", "<math display=\"block\"", "<li>b</li>"]),
        ("> - $$\n>   x\n>   $$\n", ["<blockquote>", "<li>", "<math display=\"block\""]),
    ] {
        let found = blocks(text);
        let [html] = found.as_slice() else { panic!("{text:?}: {found:?}") };
        assert!(parts.iter().all(|part| html.contains(part)), "{text:?}: {html}");
        assert_eq!(html.matches("<math").count(), 1, "{text:?}: {html}");
        assert!(!html.contains("$$") && !html.contains("<h"), "{text:?}: {html}");
    }
    // A quote ends its formula.
    let (_, problems) = pieces("> $$\n> x\n\n$$\ny\n$$\n");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("a.md:1: error[maths-unclosed]"), "{problems:?}");
}

#[test]
fn all_delimiters_of_formulas_work_in_a_line() {
    let found = blocks("E: \\(a^2\\), $b$, \\[c^2\\] and $$d$$; a `$x$` and \\$5, \\\\(e=f\\\\).");
    assert_eq!(found[0].matches("<math display=\"inline\"").count(), 3, "{found:?}");
    assert_eq!(found[0].matches("<math display=\"block\"").count(), 2, "{found:?}");
    assert!(found[0].contains("<code>$x$</code> and $5,"), "{found:?}");
    let found = blocks("| a | b |\n|---|---|\n| $|x|$ | $\\|y\\|$ |\n");
    assert_eq!(found[0].matches("<td><math").count(), 2, "{found:?}");
}

#[test]
fn dollars_of_other_texts_are_text() {
    for text in [
        "A pen is US$5 and a book CA$7.",
        "From $5-$10 each, or $20/$30.",
        "It costs $5 and you pay with $10.",
        "Use $PATH here. Give $50 to $100 now, or $HOME/$USER.",
        "10$ and 20$",
        "Cheap $, dear $$$.",
    ] {
        assert_eq!(blocks(text), [format!("<p>{text}</p>")], "{text}");
    }
    assert_eq!(blocks("\\$a\\$ and \\$\\$b\\$\\$"), ["<p>$a$ and $$b$$</p>"]);
}

#[test]
fn dollars_in_code_html_and_links_are_untouched() {
    for (text, expected) in [
        ("```\n$$\na\n\nb $x$ \\(y\\)\n```\n", "`$$\na\n\nb $x$ \\(y\\)\n`"),
        ("~~~\n$$\n~~~\n", "`$$\n`"),
        ("    $$\n    a **は「x」**は\n", "`$$\na **は「x」**は\n`"),
        ("a `$$` b `\\(`", "<p>a <code>$$</code> b <code>\\(</code></p>"),
        ("``a ` $x$``", "<p><code>a ` $x$</code></p>"),
        (
            "[a](https://b.c/?$d$=\\(e\\))",
            "<p><a href=\"https://b.c/?$d$=(e)\" rel=\"noopener noreferrer\">a</a></p>",
        ),
        (
            "<https://b.c/$d$>",
            "<p><a href=\"https://b.c/$d$\" rel=\"noopener noreferrer\">https://b.c/$d$</a></p>",
        ),
        (
            "<abbr title=\"$x$ **「a」**は\">y</abbr>",
            "<p><abbr title=\"$x$ **「a」**は\">y</abbr></p>",
        ),
        ("a<!-- $$ --> b", "<p>a b</p>"),
        ("- ```\n  $$\n  ```\n", "<ul>\n<li><pre><code>$$\n</code></pre></li>\n</ul>"),
    ] {
        let found: Vec<String> = blocks(text)
            .iter()
            .map(|b| b.replace("<li>\n", "<li>").replace("</pre>\n", "</pre>"))
            .collect();
        assert_eq!(found, [expected], "{text:?}");
    }
}

#[test]
fn formulas_without_end_are_errors_at_their_start() {
    for (text, expected) in [
        (
            "a\n\n$$\nx\n",
            "a.md:3: error[maths-unclosed]: the formula that starts with $$ has no end",
        ),
        ("a\n\nb $$x\n\nc\n\n$$\ny\n$$\n", "a.md:3: error[maths-unclosed]"),
        ("$$\nx\n\nSome more words here.\n\n$$\ny\n$$\n", "a.md:1: error[maths-unclosed]"),
        (
            "a\nb \\(x^2\n\nc \\(d\\)",
            "a.md:2: error[maths-unclosed]: the formula that starts with \\( has no end",
        ),
        (
            "a\n\n\\[\nx\n",
            "a.md:3: error[maths-unclosed]: the formula that starts with \\[ has no end",
        ),
        (
            "a\nso $x^2 is",
            "a.md:2: error[maths-unclosed]: the formula that starts with $ has no end",
        ),
        ("a\nso $\\frac{1}{2} is", "a.md:2: error[maths-unclosed]"),
        ("- a\n- $$ b\n", "a.md:2: error[maths-unclosed]"),
        ("a\nso $ x^2 $ is", "a.md:2: warning[maths-spaces]"),
        ("a\nso $5 and a book $x$ or 10$", ""),
        ("a\nIt costs $5 and you pay 10$ more.", "a.md:2: warning[maths-prose]"),
        ("a\n价格从$5到10$。", "a.md:2: warning[maths-prose]"),
        // Lines after a formula of several lines keep their number.
        ("$$\nx\n\ny\n$$ b $\\nosuch$\nc\n", "a.md:5: error[maths]"),
        ("$$\nx\n\ny\n$$ b\nc [x](word:none)\n", "a.md:6: error[word-unknown]"),
        (
            "> $$\r\n> x\r\n>\r\n> y\r\n> $$\r\n>\r\n> [x](word:none)\r\n",
            "a.md:7: error[word-unknown]",
        ),
        ("a $b\nc$ d\n[x](word:none)", "a.md:3: error[word-unknown]"),
        ("$$\nx\n\\nosuch\n$$\n", "a.md:1: error[maths]"),
    ] {
        let (_, problems) = pieces(text);
        if expected.is_empty() {
            assert!(problems.is_empty(), "{text:?}: {problems:?}");
        } else {
            assert_eq!(problems.len(), 1, "{text:?}: {problems:?}");
            assert!(problems[0].starts_with(expected), "{text:?}: {problems:?}");
        }
    }
}

#[test]
fn a_rule_after_a_formula_is_a_rule() {
    let found = blocks("$$\nx\n$$\n---\na\n");
    assert_eq!(found, ["$$x$$", "<hr>\n<p>a</p>"]);
}

#[test]
fn emphasis_works_in_scripts_without_spaces() {
    for (text, html) in [
        ("これは**「重要なこと」**です。", "これは<strong>「重要なこと」</strong>です。"),
        ("这是**我想做的事。**所以继续。", "这是<strong>我想做的事。</strong>所以继续。"),
        ("他说**“好”**就走了", "他说<strong>“好”</strong>就走了"),
        (
            "문서를 **마크다운(Markdown)**을 쓰세요.",
            "문서를 <strong>마크다운(Markdown)</strong>을 쓰세요.",
        ),
        ("이것은**\"중요\"**입니다", "이것은<strong>&quot;중요&quot;</strong>입니다"),
        ("これは*「斜体」*です", "これは<em>「斜体」</em>です"),
        ("これは~~「古い」~~です", "これは<del>「古い」</del>です"),
        ("これは__「重要」__です", "これは<strong>「重要」</strong>です"),
        ("これは_「重要」_です", "これは<em>「重要」</em>です"),
        ("문서는 __마크다운(Markdown)__을", "문서는 <strong>마크다운(Markdown)</strong>을"),
        ("ไทย**(คำ)**ไทย", "ไทย<strong>(คำ)</strong>ไทย"),
        ("**「a」***「b」*は", "<strong>「a」</strong><em>「b」</em>は"),
        ("***「a」***は", "<em><strong>「a」</strong></em>は"),
        ("**葛󠄀(x)**は", "<strong>葛󠄀(x)</strong>は"),
        ("**`x`**は", "<strong><code>x</code></strong>は"),
        ("变量_名_称", "变量_名_称"),
        ("**a**b", "<strong>a</strong>b"),
        ("2*3*4 = a*b*c", "2*3*4 = a*b*c"),
        ("un*frigging*believable", "un<em>frigging</em>believable"),
        ("\\*\\*「a」\\*\\*は", "**「a」**は"),
    ] {
        let expected = format!("<p>{html}</p>");
        assert_eq!(blocks(text), [expected.replace("&quot;", "\"")], "{text}");
    }
}

#[test]
fn reserved_characters_of_a_text_are_replaced() {
    assert_eq!(blocks("a\u{fdd0}0\u{fdd1} $x$\u{fdd4}")[0].matches('\u{fffd}').count(), 3);
}

#[test]
fn delimiters_are_searched_in_linear_time() {
    // With a search from each delimiter to the end of the text, these would exceed the time limit of the test runner.
    for part in [
        "\\(", "\\[", "\\[\n", "$$ ", "$ ", "$a ", "${", "<a'", "<!--", "`a``", "**「", "\\\\(",
        "$\\frac", "x^$",
    ] {
        let text = part.repeat(300_000 / part.len());
        let prepared = PreparedText::new(&text, Syntax::Blocks);
        assert!(prepared.text.len() < 20 * text.len(), "{part}");
    }
}
