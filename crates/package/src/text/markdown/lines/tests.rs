use super::*;

fn kinds(text: &str) -> String {
    let mut lines = LineReader::new(text);
    let mut kinds = String::new();
    while let Some(line) = lines.next_line() {
        kinds.push(match line.kind {
            LineKind::Blank => '_',
            LineKind::Fence => 'f',
            LineKind::Indented => 'i',
            LineKind::First => 'P',
            LineKind::Continuation => 'c',
        });
    }
    kinds
}

#[test]
fn code_and_paragraphs_are_found() {
    for (text, expected) in [
        ("a\nb\n\nc", "Pc_P"),
        ("# a\nb\n## c\nd", "PPPP"),
        ("a\n\n    code\n\nb", "P_i_P"),
        ("a\n    b", "Pc"),
        ("```\n$$\n```\na", "fffP"),
        ("~~~ x\n```\n~~~\na", "fffP"),
        ("````\n```\n````\n", "fff"),
        ("- a\n  b\n\n  c\n\n      code\n\nd", "Pc_P_i_P"),
        ("1. ```\n   $\n   ```\n2. a", "fffP"),
        ("> a\nlazy\n\n> ```\n> $\nb", "Pc_ffP"),
        ("[^1]: a\n\n    b\n", "P_P"),
        ("a\n- b\n2. c", "PPc"),
        ("\tcode\n", "i"),
        ("```a`b\n", "P"),
    ] {
        assert_eq!(kinds(text), expected, "{text:?}");
    }
}

#[test]
fn prefixes_are_separate_from_the_content() {
    let mut lines = LineReader::new("> 1. a\r\n>    b\n");
    let first = lines.next_line().unwrap();
    assert_eq!(
        (first.prefix, first.content, first.ending, first.quotes),
        ("> 1. ", "a", "\r\n", 1)
    );
    let second = lines.next_line().unwrap();
    assert_eq!((second.prefix, second.content, second.ending), (">    ", "b", "\n"));
    assert!(lines.next_line().is_none());
}
