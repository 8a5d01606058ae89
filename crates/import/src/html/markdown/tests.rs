use super::super::{Syntax, parse};
use super::*;

struct Files;

impl Resolver for Files {
    fn media(&mut self, address: &str) -> Option<MediaFile> {
        let is_image = address.ends_with(".png");
        let known = is_image || address.ends_with(".mp3");
        known.then(|| MediaFile { path: format!("media/{address}"), is_image })
    }
}

fn with(html: &str, options: TextOptions) -> Converted {
    convert(&parse(html, Syntax::Html), options, &mut Files)
}

fn markdown(html: &str) -> String {
    with(html, TextOptions::default()).markdown
}

#[test]
fn blocks_are_written_as_markdown() {
    for (html, expected) in [
        ("<h2>A &amp; B</h2><p>one</p><p>two<br>three</p>", "## A &amp; B\n\none\n\ntwo<br>three"),
        ("<ul><li>a<li>b<ol start=3><li>c</ol></ul>", "- a\n\n- b\n\n  3. c"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
        ("<pre>x\n  `y`</pre>", "```\nx\n  `y`\n```"),
        ("<table><tr><th>a<th>b|c<tr><td>d</table>", "| a | b&#124;c |\n| --- | --- |\n| d |  |"),
        (
            "<p>text <img src=x.png alt='A [b]'> more</p>",
            "text\n\n![A &#91;b&#93;](<media/x.png>)\n\nmore",
        ),
        (
            "<figure><img src=x.png><figcaption>The \"x\"</figcaption></figure>",
            "![decorative](<media/x.png> \"The 'x'\")",
        ),
        ("<audio src=a.mp3></audio>", "![Recording](<media/a.mp3>)"),
        ("<dl><dt>a<dd>b</dl>", "**a**\n\nb"),
        ("# 1<div>- x</div>", "\\# 1\n\n\\- x"),
    ] {
        assert_eq!(markdown(html), expected, "{html}");
    }
}

#[test]
fn emphasis_is_written_only_where_it_is_read_as_emphasis() {
    for (html, expected) in [
        ("a <b>bold </b>c", "a **bold** c"),
        ("<b>a</b><b>b</b>", "**a**b"),
        ("<b><b>a</b></b>", "**a**"),
        ("<b>a <i>b</i> c</b>", "**a *b* c**"),
        ("x<b>\"y\"</b>", "x\"y\""),
        ("<b>Note:</b>text", "Note:text"),
        ("<b>Note:</b> text", "**Note:** text"),
        ("<b></b>a", "a"),
        ("H<sub>2</sub>O 2*3", "H<sub>2</sub>O 2\\*3"),
        ("<code>a`b</code>", "``a`b``"),
    ] {
        assert_eq!(markdown(html), expected, "{html}");
    }
}

#[test]
fn links_keep_their_text_and_lose_dangerous_targets() {
    for (html, expected) in [
        ("<a href='https://a.org/x?y=1'>t</a>", "[t](<https://a.org/x?y=1>)"),
        ("<a href='javascript:alert(1)'>t</a>", "t"),
        ("<a href='https://a.org/ <b>'>t</a>", "t"),
        ("<a href='page2.html'>t</a>", "t"),
        ("<a href='mailto:a@b.org'>t</a>", "[t](<mailto:a@b.org>)"),
    ] {
        assert_eq!(markdown(html), expected, "{html}");
    }
}

#[test]
fn what_is_lost_is_reported() {
    for (html, loss) in [
        ("a<script>x</script>", Loss::Script),
        ("a<iframe src=x></iframe>", Loss::Frame),
        ("a<textarea>x</textarea>", Loss::Form),
        ("a<img src=x.bmp>", Loss::Media),
        ("a<math><mi>x</mi></math>", Loss::Formula),
        ("<table><tr><td colspan=2>a<td>b</table>", Loss::TableCells),
    ] {
        let converted = with(html, TextOptions::default());
        assert_eq!(converted.losses, [loss], "{html}");
        assert!(converted.markdown.contains('a'), "{html}");
        assert!(!converted.markdown.contains("script"), "{html}");
    }
}

#[test]
fn formulas_are_kept_where_the_format_has_them() {
    let tex = TextOptions { tex: true, ..TextOptions::default() };
    assert_eq!(
        with("a $$x^2$$ b \\(y\\) \\[z_1\\] $5", tex).markdown,
        "a \\(x^2\\) b \\(y\\) \\(z_1\\) &#36;5"
    );
    assert_eq!(markdown("\\(y\\)"), "&#92;(y&#92;)");
    let html = "<math><semantics><mi>x</mi><annotation encoding='application/x-tex'>\
                 x_1</annotation></semantics></math>";
    assert_eq!(markdown(html), "\\(x_1\\)");
}

#[test]
fn a_single_line_has_no_blocks_and_gives_its_media_separately() {
    let line = TextOptions { single_line: true, ..TextOptions::default() };
    let converted = with("<p>a</p><ul><li>b</ul><img src=x.png alt=A>", line);
    assert_eq!(converted.markdown, "a<br>• b");
    assert_eq!(converted.media.len(), 1);
    assert!(!converted.markdown.contains('\n'));
}
