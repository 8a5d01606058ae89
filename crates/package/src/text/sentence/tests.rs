use super::*;

fn split(text: &str) -> Vec<String> {
    let mut paragraph = Paragraph::default();
    paragraph.text(text);
    paragraph.sentences().0.into_iter().map(|s| s.text).collect()
}

#[test]
fn sentences_end_at_unicode_boundaries() {
    for (text, sentences) in [
        ("She counts. She stops!", vec!["She counts.", "She stops!"]),
        ("\"One hundred,\" she says.", vec!["\"One hundred,\" she says."]),
        ("It costs 3.50 in all. Yes.", vec!["It costs 3.50 in all.", "Yes."]),
        ("他的锄头太短了。他走了！好？", vec!["他的锄头太短了。", "他走了！", "好？"]),
        ("هل جاء؟ نعم.", vec!["هل جاء؟", "نعم."]),
        ("Who? \n Me.", vec!["Who?", "Me."]),
        ("« Viens\u{a0}! » Il part.", vec!["« Viens\u{a0}! »", "Il part."]),
        ("»Halt!« Er rief. »Komm!«", vec!["»Halt!«", "Er rief.", "»Komm!«"]),
        ("« Fin. »", vec!["« Fin. »"]),
        ("no end", vec!["no end"]),
        ("First. … Last.", vec!["First.", "… Last."]),
        ("!لمن سأقرأ؟ سأقرأ لنفسي", vec!["!لمن سأقرأ؟", "سأقرأ لنفسي"]),
        ("* * *", vec!["* * *"]),
        ("", vec![]),
    ] {
        assert_eq!(split(text), sentences, "{text}");
    }
}

#[test]
fn words_are_counted_in_utf16_and_forced_breaks_do_not_split() {
    let word = |w: &str| Slug::new(w).unwrap();
    let mut p = Paragraph::default();
    p.text("A 😀. The ");
    p.open_word(word("cat"), 4);
    p.text("cät😀");
    p.close_word();
    p.text(" runs.");
    let (sentences, crossing_lines) = p.sentences();
    assert_eq!(sentences.len(), 2);
    assert_eq!(sentences[1].words, [WordSpan { start: 4, end: 9, word: word("cat") }]);
    assert!(sentences[0].paragraph && !sentences[1].paragraph && crossing_lines.is_empty());

    let mut p = Paragraph::default();
    p.text("Stop.");
    p.forced_break();
    p.text("Go on.");
    assert_eq!(p.sentences().0.len(), 1);

    let mut p = Paragraph::default();
    p.open_word(word("x"), 7);
    p.text("One. Two");
    p.close_word();
    assert_eq!(p.sentences().1, [7]);
}
