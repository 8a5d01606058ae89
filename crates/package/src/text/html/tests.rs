use super::*;

/// Formulas with all commands of the tests of LaTeX.
const COMMANDS: &str = include_str!("../../../../maths/src/commands.txt");

#[test]
fn hostile_html_is_removed() {
    for (html, kept) in [
        ("<p>a<script>alert(1)</script>b</p>", "<p>ab</p>"),
        ("<p onclick=\"x()\" style=\"color:red\" class=\"c\">a</p>", "<p>a</p>"),
        ("<a href=\"javascript:alert(1)\">a</a>", "<a rel=\"noopener noreferrer\">a</a>"),
        ("<a href=\"data:text/html,x\">a</a>", "<a rel=\"noopener noreferrer\">a</a>"),
        ("<a href=\"//evil.example/x\">a</a>", "<a rel=\"noopener noreferrer\">a</a>"),
        ("<a href=\"//evil.example:80/x\">a</a>", "<a rel=\"noopener noreferrer\">a</a>"),
        ("<a href=\"é\">a</a>", "<a rel=\"noopener noreferrer\">a</a>"),
        ("<a href=\"/x\">a</a>", "<a rel=\"noopener noreferrer\">a</a>"),
        ("<a href=\"#top\" id=\"top\">a</a>", "<a rel=\"noopener noreferrer\">a</a>"),
        ("<img src=x onerror=alert(1)>", ""),
        ("<svg><script>alert(1)</script></svg>", ""),
        ("<input type=\"text\">", "<input>"),
        (
            "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
            "<math><mtext></mtext></math>",
        ),
        ("<math href=\"javascript:alert(1)\"><mi>x</mi></math>", "<math><mi>x</mi></math>"),
        (
            "<math><annotation-xml encoding=\"text/html\"><b>x</b></annotation-xml></math>",
            "<math></math>",
        ),
        ("<iframe src=\"https://example.org\"></iframe>x", "x"),
        ("<form action=\"https://example.org\"><button>a</button></form>", "a"),
    ] {
        assert_eq!(clean(html), kept, "{html}");
    }
}

#[test]
fn output_of_the_compiler_is_not_changed() {
    for html in [
        "<a data-word=\"meander\" role=\"button\" tabindex=\"0\" rel=\"noopener noreferrer\">m</a>",
        "<li id=\"fn-1\">x <a href=\"#fnref-1\" rel=\"noopener noreferrer\">back</a></li>",
        "<sup class=\"footnote-ref\"><a href=\"#fn-1\" id=\"fnref-1\" rel=\"noopener noreferrer\">1</a></sup>",
        "<pre><code class=\"language-rust\">a</code></pre>",
        "<span data-blank=\"0\"></span>",
        "<math display=\"block\"><mtable class=\"menv-arraylike\"><mtr><mtd><mn>1</mn></mtd></mtr></mtable></math>",
    ] {
        assert_eq!(clean(html), html);
    }
    assert_eq!(
        clean("<table><tbody><tr><td style=\"text-align: right\">1</td></tr></tbody></table>"),
        "<table><tbody><tr><td align=\"right\">1</td></tr></tbody></table>"
    );
}

#[test]
fn raw_html_is_shown_as_text() {
    assert_eq!(escape_raw("<p>"), ("&lt;p&gt;".into(), vec!["<p>".to_owned()]));
    assert_eq!(escape_raw("<!-- a -->").0, "&lt;!-- a --&gt;");
    assert_eq!(escape_raw("</DIV>x<br>"), ("&lt;/DIV&gt;x<br>".into(), vec!["</DIV>".to_owned()]));
}

#[test]
fn invisible_content_is_found() {
    for html in [
        "",
        " ",
        "<kbd></kbd>",
        "&nbsp;",
        "\u{200b}",
        "<br>",
        "<em>\u{2060} </em>",
        "\u{3164}\u{ad}",
    ] {
        assert!(!has_visible_content(html), "{html:?}");
    }
    for html in [
        "a",
        "<kbd>a</kbd>",
        "&lt;",
        "<span data-blank=\"0\"></span>",
        "<math><mi>x</mi></math>",
        "-",
    ] {
        assert!(has_visible_content(html), "{html:?}");
    }
}

#[test]
fn raw_html_is_reduced_to_allowed_tags() {
    let mut raw = RawHtml::default();
    assert_eq!(raw.filter("<KBD>a</KBD><br/>"), ("<KBD>a</KBD><br/>".into(), vec![]));
    assert_eq!(
        raw.filter("x<div title=\"a>b\">y</div><!-- <b> -->z"),
        ("xyz".into(), vec!["<div>".to_owned()])
    );
    assert_eq!(raw.filter("<script>"), (String::new(), vec!["<script>".to_owned()]));
    assert!(raw.is_removing());
    assert_eq!(raw.filter("1 < 2 <kbd></SCRIPT >x"), ("x".into(), vec![]));
    assert_eq!(raw.filter("<unfinished"), (String::new(), vec!["<unfinished>".to_owned()]));
}

#[test]
fn the_sanitiser_keeps_all_elements_and_attributes_of_formulas() {
    for tex in COMMANDS.lines() {
        let Ok(mathml) = carrel_maths::mathml(tex, true) else { continue };
        // The parser omits a space between two attributes of a sized delimiter.
        let mathml = mathml.replace("\"minsize", "\" minsize").replace(" />", ">");
        let count = |html: &str| {
            let elements = html.matches('<').count() - html.matches("</").count();
            (elements, html.matches("=\"").count())
        };
        let clean = clean(&mathml);
        assert_eq!(count(&clean), count(&mathml), "{tex}:\n{mathml}\n{clean}");
    }
}

/// Names and values of the attributes of a tag that the sanitiser wrote.
fn attributes(tag: &str) -> Vec<(String, String)> {
    let mut rest =
        tag.trim_start_matches(|c: char| matches!(c, '<' | '/') || c.is_ascii_alphanumeric());
    let mut found = Vec::new();
    while let Some((name, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"').unwrap();
        found.push((name.trim().to_owned(), value.to_owned()));
        rest = after;
    }
    assert_eq!(rest.trim_end_matches('>').trim(), "", "an attribute without a value in {tag}");
    found
}

#[test]
fn nothing_of_hostile_html_is_left_but_allowed_elements() {
    let vectors = include_str!("../../../../../tests/faults/hostile-html.json");
    let vectors: Vec<(String, String)> = serde_json::from_str(vectors).unwrap();
    assert!(vectors.len() >= 60, "{}", vectors.len());
    for (name, html) in &vectors {
        // As authors write it in Markdown, as choices of a quiz, and as an importer passes it.
        let filtered = RawHtml::default().filter(html).0;
        for html in [html, &filtered, &escape_raw(html).0] {
            let cleaned = clean(html);
            for (at, _) in cleaned.match_indices('<') {
                let tag = split_tag(&cleaned[at..]).0;
                let element = tag.trim_start_matches(['<', '/']);
                let element = element.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
                let is_allowed = ALLOWED_TAGS.contains(&element) || MATH_TAGS.contains(&element);
                assert!(is_allowed, "{name}: {cleaned}");
                for (attribute, value) in attributes(tag) {
                    let is_plain = [
                        "title",
                        "rel",
                        "role",
                        "lang",
                        "dir",
                        "data-word",
                        "data-section",
                        "data-blank",
                    ];
                    let is_allowed = match attribute.as_str() {
                        "href" => is_web_link(&value),
                        "id" | "class" => !value.contains("app") && !value.contains("button"),
                        name => is_plain.contains(&name) || MATH_ATTRIBUTES.contains(&name),
                    };
                    assert!(is_allowed, "{name}: {attribute} in {cleaned}");
                }
            }
            assert_eq!(clean(&cleaned), cleaned, "{name}: cleaning again changes nothing");
        }
    }
}
