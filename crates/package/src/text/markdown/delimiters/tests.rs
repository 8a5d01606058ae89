use super::*;

/// Returns the formula that starts at the first `$`, `\(` or `\[`; `!` for a mistake, `` for text.
fn first(text: &str) -> &str {
    let at = text.find(['$', '\\']).unwrap();
    let found = match &text[at..] {
        t if t.starts_with("$$") => double_dollar(text, at),
        t if t.starts_with('$') => dollar(text, at),
        _ => Brackets::default().find(text, at),
    };
    match found {
        Found::Formula { end, .. } => &text[at..end],
        Found::Mistake(_) => "!",
        Found::Text => "",
    }
}

#[test]
fn dollars_of_prices_and_shells_are_text() {
    for text in [
        "A pen is US$5 and a book CA$7.",
        "$5 and $10",
        "From $5-$10 each, or $20/$30.",
        "$HOME/$USER",
        "$PATH:$HOME",
        "10$ or 20$",
        "$ 5 or 6 $",
        "Give $50 to $100 now.",
        "$5",
        "$",
        "$user`s$",
        "A$AP and B$C",
        "(US$5/CA$7)",
        "Convert US$5 to CA$, please.",
    ] {
        assert_eq!(first(text), "", "{text}");
    }
}

#[test]
fn dollars_of_formulas_are_found() {
    for (text, formula) in [
        ("so $x$.", "$x$"),
        ("函数$f(x)$在", "$f(x)$"),
        ("값은 $x$이고", "$x$"),
        ("the $n$th term", "$n$"),
        ("two $x$s", "$x$"),
        ("($a\\$b$)", "$a\\$b$"),
        ("$\\text{if $y$ is}$ z", "$\\text{if $y$ is}$"),
        ("$5x=10$", "$5x=10$"),
        ("$a\nb$", "$a\nb$"),
        ("$\\frac{1$ x", "$\\frac{1$"),
        ("$$a$$ b", "$$a$$"),
        ("$$a\\$b$$", "$$a\\$b$$"),
    ] {
        assert_eq!(first(text), formula, "{text}");
    }
}

#[test]
fn formulas_without_end_are_mistakes() {
    for text in [
        "so $x^2 and",
        "$\\frac{1}{2} is",
        "a $$ b",
        "\\(a^2",
        "\\[\\frac{1}{2}",
        "$ x^2 $",
        "$x^2 $",
    ] {
        assert_eq!(first(text), "!", "{text}");
    }
}

#[test]
fn escaped_brackets_are_no_formulas() {
    for (text, formula) in [
        ("\\(a^2\\) b", "\\(a^2\\)"),
        ("\\(x\\)", "\\(x\\)"),
        ("and \\[b^2\\].", "\\[b^2\\]"),
        ("\\[ x \\cdot y \\]", "\\[ x \\cdot y \\]"),
        ("\\\\(a^2\\\\)", "\\\\(a^2\\\\)"),
        ("\\[1\\] a", ""),
        ("\\[sic\\]", "\\[sic\\]"),
        ("a \\[sic\\] b", ""),
        ("\\[a\\](b)", ""),
        ("\\[^1\\]", ""),
        ("\\[ \\] task", ""),
        ("\\[link](a)", ""),
        ("\\\\(a\\\\)", ""),
    ] {
        assert_eq!(first(text), formula, "{text}");
    }
    assert_eq!(Brackets::default().find("a!\\[b=c\\]", 2), Found::Text);
    assert_eq!(Brackets::default().find("[a]\\(b\\)", 3), Found::Text);
}

#[test]
fn formulas_that_read_like_prose_are_found() {
    for tex in [
        "5 and a book CA",
        "5 or 10",
        "x > 0 and y < 1",
        "distance travelled",
        "5 to pay 7",
        "\\frac{distance travelled}{time}",
        "5到10",
        "5, €6, 7",
        "де и как",
    ] {
        assert!(reads_like_prose(tex), "{tex}");
    }
    for tex in [
        "x",
        "sin x",
        "2 cm",
        "\\text{if } x > 0 \\text{ and so on}",
        "\\operatorname{some name} x",
        "a b c d",
        "速度 = 距離 / 時間",
        "ab = cd",
        "\\begin{pmatrix}aa & bb\\\\ cc & dd\\end{pmatrix}",
        "\\sin x \\cos y",
        "日本",
        "\\alpha \\beta \\gamma",
    ] {
        assert!(!reads_like_prose(tex), "{tex}");
    }
}
