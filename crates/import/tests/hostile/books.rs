//! EPUB books.

use super::support::{self, epub::Book, png, zip};
use super::{
    Expected::{Code, Items},
    Row,
};
use carrel_import::{
    Format,
    Level::{Changed, Exact},
};

pub fn rows() -> Vec<Row> {
    use Format::Epub;
    let good = Book::new().chapter("a", "<p>x</p>").bytes();
    let one = |body: &str| Book::new().chapter("a", body).bytes();
    let with = |files: &[(&str, &str)]| {
        let mut book = Book::new().chapter("a", "<p>x</p>");
        for (path, text) in files {
            book = book.file(path, *text);
        }
        book.bytes()
    };
    let container = "META-INF/container.xml";
    let overlay = |smil: &str| {
        Book::new()
            .chapter_with("a", "<p id=\"p\">Some text.</p>", "media-overlay=\"mo\"")
            .item("mo", "a.smil", "media-type=\"application/smil+xml\"", smil)
            .bytes()
    };
    let mut no_spine = Book::new().chapter("a", "<p>x</p>");
    no_spine.spine.clear();
    let mut missing = Book::new().chapter("a", "<p>x</p>");
    missing.files.clear();
    let mut entities = Book::new().chapter("a", "<p>x</p>");
    entities.prologue = "<!DOCTYPE package [<!ENTITY a \"b\">]>".into();
    let mut twice = Book::new().chapter("a", "<p>x</p>");
    twice.spine.push("a".into());
    let mut cut = Book::new().chapter("a", "<p>x</p><img src=\"c.png\" alt=\"c\"/>");
    cut.files.push(("OEBPS/c.png".into(), png()[..40].to_vec()));
    let mut outside =
        Book::new().chapter("a", "<p>x</p><img src=\"../../../etc/passwd\" alt=\"c\"/>");
    outside.files.push(("OEBPS/c.png".into(), png()));
    let mut utf16 = Book::new().chapter("a", "");
    let text = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><html><body><p>é</p></body></html>";
    utf16.files[0].1 =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let mut latin = Book::new().chapter("a", "");
    latin.files[0].1 =
        b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><html><body><p>caf\xe9</p></body></html>"
            .to_vec();
    vec![
        ("no zip", Epub, b"hello".to_vec(), Code("no-package")),
        ("a truncated zip", Epub, good[..good.len() / 2].to_vec(), Code("zip-broken")),
        ("another zip", Epub, zip(&[("a.txt", b"x")]), Code("import-broken")),
        (
            "a container without a book",
            Epub,
            zip(&[(container, b"<container/>")]),
            Code("import-broken"),
        ),
        ("a damaged container", Epub, zip(&[(container, b"<container>")]), Code("import-broken")),
        (
            "a missing package document",
            Epub,
            zip(&[(container, support::epub::CONTAINER.as_bytes())]),
            Code("import-broken"),
        ),
        ("entities in the package document", Epub, entities.bytes(), Code("import-xml")),
        ("an empty spine", Epub, no_spine.bytes(), Code("import-broken")),
        ("all documents missing", Epub, missing.bytes(), Code("import-broken")),
        ("no text at all", Epub, one(""), Code("import-empty")),
        ("a document twice", Epub, twice.bytes(), Items(&[Exact, Exact])),
        (
            "protection of Readium",
            Epub,
            with(&[("META-INF/license.lcpl", "{}")]),
            Code("import-protected"),
        ),
        (
            "damaged encryption",
            Epub,
            with(&[("META-INF/encryption.xml", "<x")]),
            Code("import-broken"),
        ),
        ("a path out of the archive", Epub, with(&[("../evil", "x")]), Code("path-unsafe")),
        (
            "a bomb in the zip",
            Epub,
            with(&[("OEBPS/big.html", &"a".repeat(3 << 20))]),
            Code("zip-ratio"),
        ),
        ("an address out of the book", Epub, outside.bytes(), Items(&[Changed])),
        ("a broken picture", Epub, cut.bytes(), Items(&[Changed])),
        ("tag soup", Epub, one("<p>a<p>b</div><b><i>c</b></i><table><td>d"), Items(&[Exact])),
        (
            "100,000 nested elements",
            Epub,
            one(&format!("{}x", "<div>".repeat(100_000))),
            Items(&[Exact]),
        ),
        ("100 nested lists", Epub, one(&format!("{}x", "<ul><li>".repeat(100))), Items(&[Exact])),
        ("a script", Epub, one("<p>x</p><script>x()</script>"), Items(&[Changed])),
        (
            "a remote picture",
            Epub,
            one("<p>x</p><img src=\"https://x.org/a.png\"/>"),
            Items(&[Changed]),
        ),
        (
            "a drawing with a script",
            Epub,
            one("<p>x</p><svg><script>x()</script></svg>"),
            Items(&[Changed]),
        ),
        (
            "a form",
            Epub,
            one("<p>x</p><form action=\"https://x.org\"><input name=\"a\"/></form>"),
            Items(&[Changed]),
        ),
        (
            "links with scripts",
            Epub,
            one("<a href=\"javascript:x()\">a</a> <a href=\"file:///etc\">b</a>"),
            Items(&[Exact]),
        ),
        ("a damaged overlay", Epub, overlay("<smil>"), Items(&[Changed])),
        (
            "an overlay with entities",
            Epub,
            overlay("<!DOCTYPE s [<!ENTITY a \"b\">]><smil/>"),
            Items(&[Changed]),
        ),
        (
            "an overlay without its recording",
            Epub,
            overlay(
                "<smil><par><text src=\"a.xhtml#p\"/><audio src=\"x.mp3\" clipEnd=\"1s\"/></par></smil>",
            ),
            Items(&[Changed]),
        ),
        (
            "times that are none",
            Epub,
            overlay(
                "<smil><par><text src=\"a.xhtml#p\"/>\
                 <audio src=\"x.mp3\" clipBegin=\"9s\" clipEnd=\"x\"/></par></smil>",
            ),
            Items(&[Changed]),
        ),
        ("UTF-16", Epub, utf16.bytes(), Items(&[Exact])),
        ("ISO 8859-1", Epub, latin.bytes(), Items(&[Exact])),
        (
            "Markdown and footnote marks in the text",
            Epub,
            one("<p>[^1] ![x](y) # | a | $x$ `b` {{c}} \\[d\\] ---</p><p>1. - * &gt;</p>"),
            Items(&[Exact]),
        ),
    ]
}
