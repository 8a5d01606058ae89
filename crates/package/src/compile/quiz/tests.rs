use super::*;

#[test]
fn blanks_are_not_parsed_as_markdown() {
    let (marked, count) = mark_blanks("A ___ and _____, *so* __x__.");
    assert_eq!(count, 2);
    let problems = crate::problem::Problems::default();
    let html = markdown::to_inline_html(&marked, Origin::File("a"), &Scope::default(), &problems);
    assert_eq!(
        render_blanks(&html),
        "A <span data-blank=\"0\"></span> and <span data-blank=\"1\"></span>, <em>so</em> <strong>x</strong>."
    );
}

#[test]
fn answers_are_not_parsed_as_blocks() {
    let problems = crate::problem::Problems::default();
    for (text, html) in [
        ("- 5", "- 5"),
        ("3. Mai", "3. Mai"),
        ("# 1", "# 1"),
        ("+", "+"),
        ("-5", "-5"),
        ("---", "---"),
        ("...", "..."),
        ("***", "***"),
        ("* * *", "* * *"),
        ("===", "==="),
        ("> x", "&gt; x"),
        ("| a |", "| a |"),
        ("a|b", "a|b"),
        ("~~~", "~~~"),
        ("```", "```"),
        ("[1]: note", "[1]: note"),
        ("[^1]: note", "[^1]: note"),
        ("    x", "    x"),
        ("\tx", "\tx"),
        ("1) x", "1) x"),
        ("## x ##", "## x ##"),
        ("<p>", "&lt;p&gt;"),
        ("<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;"),
        ("<!-- x -->", "&lt;!-- x --&gt;"),
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("a<sub>1</sub>", "a<sub>1</sub>"),
        ("2*3*4", "2*3*4"),
        ("$5+$10", "$5+$10"),
        ("a\n\n- b\n# c", "a\n\n- b\n# c"),
        ("**a**", "<strong>a</strong>"),
    ] {
        assert_eq!(
            markdown::to_inline_html(text, Origin::File("a"), &Scope::default(), &problems),
            html
        );
    }
}
