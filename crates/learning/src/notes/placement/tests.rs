use super::*;

/// Words of random letters.
fn long_text(chars: usize) -> Vec<String> {
    let mut state = 1_u64;
    let mut blocks = vec![String::new()];
    let mut len = 0;
    while len < chars {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let block = blocks.last_mut().unwrap();
        let letters = (state >> 40) % 7;
        let word = (0..=letters).map(|at| char::from(b'a' + ((state >> (5 * at + 8)) % 26) as u8));
        block.extend(word);
        block.push_str(if state >> 60 == 0 { ". " } else { " " });
        len += letters as usize + 2;
        if block.len() > 25_000 {
            blocks.push(String::new());
        }
    }
    blocks.iter().map(|block| NoteAnchor::fold(block)).collect()
}

#[test]
fn a_note_in_a_long_section_costs_two_steps_per_character() {
    let texts = long_text(500_000);
    let hash = BlobHash::of(b"one");
    let body = BodyText::new(&hash, &texts);
    let total = body.chars.len();
    assert!(total >= 490_000);
    let mut changed = texts.clone();
    changed[0] = format!("A new sentence comes first. {}", changed[0]);
    let edited = BodyText::new(&BlobHash::of(b"two"), &changed);
    for (start, len) in [(1_000, 4), (9_000, 30), (500, 64), (12_000, 400), (3, 24_000)] {
        let anchor = body.anchor(&hash, Passage { block: 7, start, end: start + len }).unwrap();
        let (start, end) = (anchor.start as usize, anchor.end as usize);
        let passage = Passage { block: 7, start, end };
        assert_eq!(body.place_counted(&anchor), (Placement::Exact(passage), 0));
        let (placement, compared) = edited.place_counted(&anchor);
        assert!(compared <= 2 * total + 100_000, "{len} characters: {compared} steps");
        if len >= 30 {
            assert_eq!(placement, Placement::Moved(passage), "{len} characters");
        }
    }
}

fn placed(before: &[&str], quote: &str, after: &[&str]) -> Option<String> {
    let hash = BlobHash::of(b"before");
    let body = BodyText::new(&hash, before);
    let found = before.iter().enumerate().find_map(|(block, text)| {
        let at = text.find(quote)?;
        let start = text[..at].chars().count();
        Some(Passage { block, start, end: start + quote.chars().count() })
    });
    let anchor = body.anchor(&hash, found.expect("the quote is in the text")).unwrap();
    let later = BodyText::new(&BlobHash::of(b"after"), after);
    later.passage_text(later.place(&anchor).passage()?)
}

#[test]
fn passages_are_found_by_quote_and_surroundings() {
    let text = "Rain falls on the hills. The river carries stones to the sea. Fish swim there.";
    let quote = "The river carries stones to the sea.";
    let found = |after: &[&str]| placed(&[text], quote, after);
    assert_eq!(found(&["New.", text]).as_deref(), Some(quote), "block moved");
    let edited = "Rain falls on the hills. The river carried stones to the sea. Fish swim there.";
    assert_eq!(found(&[edited]).as_deref(), Some("The river carried stones to the sea."));
    let merged = format!("Before that it is dry. {text} The end.");
    assert_eq!(found(&[&merged]).as_deref(), Some(quote), "blocks merged");
    let split = ["Rain falls on the hills.", quote, "Fish swim there."];
    assert_eq!(found(&split).as_deref(), Some(quote), "block split");
    let deleted = "Rain falls on the hills. Fish swim there.";
    assert_eq!(found(&[deleted]), None, "deleted");
    let unlike = "Rain falls on the hills. A lake has no stones at all. Fish swim there.";
    assert_eq!(found(&[unlike]), None, "another sentence in its place");
    let elsewhere = format!("{deleted} Lakes too. {quote} We saw it.");
    assert_eq!(found(&[&elsewhere]), None, "the surroundings are others");
}

#[test]
fn a_short_quote_needs_both_surroundings() {
    let text = "In spring the ice melts and the water rises.";
    let found = |after: &str| placed(&[text], "ice", &[after]);
    assert_eq!(found("Look: in spring the ice melts and the water rises.").as_deref(), Some("ice"));
    assert_eq!(found("In spring the ice cream costs two coins."), None);
    assert_eq!(found("We know that ice melts and the water rises? No, it does not."), None);
}

#[test]
fn a_passage_that_two_places_resemble_is_not_placed() {
    let quote = "Measure the depth of the river with a stick.";
    let text = format!("First: {quote} Write it down in your book.");
    let twice = [text.as_str(), "Between.", text.as_str()];
    assert_eq!(placed(&[&text], quote, &twice), None, "added twin");
    // The other passage was already there, and stays alone: it is not the marked one.
    assert_eq!(placed(&twice, quote, &["Between.", &text]), None, "deleted twin");
    assert_eq!(placed(&[&text], quote, &["Between.", &text]).as_deref(), Some(quote));
}

#[test]
fn the_double_of_a_deleted_passage_does_not_get_the_note() {
    let quote = "Measure the depth of the river with a stick.";
    let marked = format!("Stand on the old bridge. {quote} Write it down with a pen.");
    let double = format!("Stand on the old bridge. {quote} Write it down with a chalk.");
    let other = format!("Boats go to the harbour. {quote} Then we all eat some bread.");
    // Either the marked passage was kept and the double deleted, or the double was corrected and the marked one
    // deleted. The passage that is left resembles the marked one hardly more than the double did.
    assert_eq!(placed(&[&marked, &double], quote, &[&marked, &other]), None);
    assert_eq!(placed(&[&marked, &other], quote, &[&marked, &other]).as_deref(), Some(quote));
}

#[test]
fn a_passage_that_was_repeated_needs_unchanged_surroundings() {
    let quote = "Who can I read to?";
    let before = "I like to read. Who can I read to? My sister is asleep in the big bed. Who can I read to? \
                  My mother and my grandmother are busy. Who can I read to? My father and my uncle are busy.";
    let third = |after: &str| {
        let hash = BlobHash::of(b"before");
        let body = BodyText::new(&hash, [before]);
        let start = before.rfind(quote).unwrap();
        let passage = Passage { block: 0, start, end: start + quote.len() };
        let later = BodyText::new(&BlobHash::of(b"after"), [after]);
        let found = later.place(&body.anchor(&hash, passage).unwrap()).passage();
        found.map(|passage| passage.start)
    };
    let moved = format!("Once. {before}");
    assert_eq!(third(&moved), moved.rfind(quote));
    let other = before.replace("grandmother are busy", "grandmothers are busy");
    assert_eq!(third(&other), None);
}

#[test]
fn a_long_passage_is_found_by_its_ends() {
    let text = "One day the children went to the river. They took a net that their uncle had made \
        for them in winter. They took bread. \
        The water was cold and clear that morning. Nobody wanted to go home.";
    let start = text.find("They took a net").unwrap();
    let quote = &text[start..text.len() - " Nobody wanted to go home.".len()];
    let later =
        text.replace("They took bread.", "They took bread and a kite for the smallest one.");
    let expected =
        quote.replace("They took bread.", "They took bread and a kite for the smallest one.");
    assert_eq!(placed(&[text], quote, &[&later]), Some(expected));
    let cut = &text[..text.find("The water was").unwrap()];
    assert_eq!(placed(&[text], quote, &[cut]), None, "its end is missing");
    let end = "The water was cold and clear that morning.";
    for double in [end, "The water was cold and very clear that morning."] {
        let doubled = text.replace(end, &format!("{end} {double}"));
        assert_eq!(placed(&[text], quote, &[&doubled]), None, "two ends");
    }
}

#[test]
fn offsets_that_do_not_contain_the_quote_are_not_used() {
    let hash = BlobHash::of(b"x");
    let body = BodyText::new(&hash, ["The river bends to the north here."]);
    let anchor = body.anchor(&hash, Passage { block: 0, start: 4, end: 9 }).unwrap();
    let shifted = NoteAnchor { start: 5, end: 10, ..anchor.clone() };
    assert_eq!(body.place(&shifted).passage(), body.place(&anchor).passage());
    for bad in [
        NoteAnchor { s: String::new(), body: String::new(), ..anchor.clone() },
        NoteAnchor { s: "x".repeat(70), body: String::new(), ..anchor.clone() },
        NoteAnchor { e: "x".repeat(70), body: String::new(), ..anchor.clone() },
        NoteAnchor { block: u32::MAX, body: String::new(), s: "lake".into(), ..anchor.clone() },
    ] {
        assert_eq!(body.place(&bad), Placement::Orphan, "{bad:?}");
    }
    assert_eq!(body.anchor(&hash, Passage { block: 0, start: 3, end: 3 }), None);
    assert_eq!(body.anchor(&hash, Passage { block: 1, start: 0, end: 3 }), None);
    assert_eq!(body.anchor(&hash, Passage { block: 0, start: 30, end: 300 }), None);
}
