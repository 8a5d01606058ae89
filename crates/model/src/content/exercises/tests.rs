use std::collections::BTreeMap;

use super::*;
use crate::{
    BlobHash,
    content::{BlobRef, Dir, ImageRef},
};

fn blob(media_type: &str) -> BlobRef {
    BlobRef { hash: BlobHash::of(b"x"), size: 1, media_type: media_type.to_owned() }
}
fn sound() -> AudioRef {
    AudioRef {
        title: String::new(),
        blob: blob("audio/mpeg"),
        duration_ms: 9_000,
        peaks: Vec::new(),
        captions: None,
        transcript: String::new(),
    }
}
fn picture() -> ImageRef {
    serde_json::from_value(serde_json::json!({ "width": 4, "height": 3, "variants": [] })).unwrap()
}
/// Pages of sentences, with times, and with the words that the vocabulary has.
fn story(pages: &[&[&str]], words: &[(&str, &str)]) -> Story {
    let sentence = |(i, text): (usize, &&str)| {
        let spans = words.iter().filter_map(|(word, _)| {
            let at = text.find(word)?;
            let start = text[..at].encode_utf16().count() as u32;
            let end = start + word.encode_utf16().count() as u32;
            Some(WordSpan { start, end, word: slug(word) })
        });
        Sentence {
            text: (*text).to_owned(),
            paragraph: false,
            start_ms: Some(i as u64 * 1_000),
            end_ms: None,
            words: spans.collect(),
        }
    };
    let page = |texts: &&[&str]| Page {
        image: Some(picture()),
        narration: Some(sound()),
        sentences: texts.iter().enumerate().map(sentence).collect(),
        timing_confidence: None,
    };
    let entry = |(word, meaning): &(&str, &str)| VocabularyEntry {
        id: slug(word),
        word: (*word).to_owned(),
        pronunciation: String::new(),
        part_of_speech: String::new(),
        meaning: (*meaning).to_owned(),
        example: String::new(),
        translations: BTreeMap::new(),
        image: None,
        audio: None,
        level: None,
        frequency: None,
    };
    Story {
        id: slug("tale"),
        title: "Tale".to_owned(),
        lang: "en".to_owned(),
        dir: Dir::Ltr,
        level: 1,
        pages: pages.iter().map(page).collect(),
        vocabulary: words.iter().map(entry).collect(),
        quiz: None,
        license: "CC0-1.0".to_owned(),
        credits: String::new(),
    }
}
fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}
fn tale() -> Story {
    story(
        &[
            &["The lamp is lit.", "A \u{1f600} goat & a lamp!", "The sea sleeps."],
            &["The boat is <late>.", "Then it comes home."],
            &["All of them eat soup."],
        ],
        &[
            ("lamp", "it gives light"),
            ("goat", "an animal"),
            ("boat", "it swims"),
            ("soup", "food"),
        ],
    )
}
fn kinds(exercises: &[Exercise]) -> Vec<ExerciseKind> {
    exercises.iter().map(|exercise| exercise.kind).collect()
}
fn right_of(choices: &[Choice]) -> &str {
    choices.iter().find(|choice| choice.correct).map_or("", |choice| choice.text.as_str())
}
/// The answer that is right.
fn solution(exercise: &Exercise) -> Response {
    match &exercise.question.kind {
        QuestionKind::Single { choices } => {
            let right = choices.iter().filter(|choice| choice.correct);
            Response::Choice { chosen: right.map(|choice| choice.id.clone()).collect() }
        }
        QuestionKind::Fill { blanks, .. } => {
            Response::Fill { texts: blanks.iter().map(|blank| blank[0].clone()).collect() }
        }
        QuestionKind::Order { items } => {
            Response::Order { order: (0..items.len() as u32).collect() }
        }
        QuestionKind::Match { pairs } => {
            Response::Match { right: (0..pairs.len() as u32).map(Some).collect() }
        }
        kind => panic!("{kind:?}"),
    }
}
use ExerciseKind::{
    Choose, Fill, Listen, MatchMeanings, MatchPictures, Next, Order, PictureSentence, PictureWord,
    Say,
};

#[test]
fn the_same_seed_gives_the_same_exercises_and_each_can_be_solved() {
    let tale = tale();
    let mut different = BTreeSet::new();
    for seed in 0..200 {
        let exercises = story_exercises(&tale, None, seed);
        assert_eq!(
            kinds(&exercises),
            [Choose, Choose, Fill, Fill, Order, PictureSentence, MatchMeanings, Listen, Say]
        );
        assert_eq!(story_exercises(&tale, None, seed), exercises);
        let ids: BTreeSet<_> = exercises.iter().map(|e| &e.question.id).collect();
        assert_eq!(ids.len(), exercises.len());
        for exercise in &exercises {
            let points = i64::from(exercise.question.points) * 1000;
            assert_eq!(grade_exercise(exercise, &solution(exercise), "en").points, points);
            assert!(!exercise.question.prompt.contains("<late>"), "{exercise:?}");
            if let QuestionKind::Single { choices } = &exercise.question.kind {
                let texts: BTreeSet<_> = choices.iter().map(|choice| &choice.text).collect();
                assert!(exercise.kind == Say || texts.len() == choices.len(), "{choices:?}");
            }
        }
        different.insert(serde_json::to_string(&exercises).unwrap());
    }
    assert!(different.len() > 150, "{}", different.len());
}

#[test]
fn without_vocabulary_the_sentences_are_enough() {
    let tale = story(
        &[
            &["One comes first.", "Two comes right after it.", "Three ends it."],
            &["Four is the last."],
        ],
        &[],
    );
    for seed in 0..50 {
        let exercises = story_exercises(&tale, None, seed);
        assert_eq!(kinds(&exercises)[..3], [Next, Fill, Fill]);
        let QuestionKind::Single { choices } = &exercises[0].question.kind else { panic!() };
        let follows = [("One", "Two"), ("Two", "Three"), ("Three", "Four")];
        assert!(follows.iter().any(|(shown, right)| {
            exercises[0].question.prompt.starts_with(shown) && right_of(choices).starts_with(right)
        }));
        assert!(choices.iter().all(|choice| choice.text != exercises[0].question.prompt));
    }
    assert!(story_exercises(&story(&[], &[]), None, 7).is_empty());
    assert_eq!(kinds(&story_exercises(&story(&[&["啊。"]], &[]), None, 7)), [Listen, Say]);
}

#[test]
fn kinds_that_the_quiz_of_the_story_has_are_left_out() {
    let question = |kind| Question {
        id: slug("q"),
        prompt: String::new(),
        points: 1,
        image: None,
        audio: None,
        explanation: String::new(),
        result_feedback: ResultFeedback::default(),
        hints: Vec::new(),
        hint_penalty: 0,
        kind,
    };
    let quiz = Quiz {
        id: slug("quiz"),
        title: String::new(),
        lang: "en".to_owned(),
        dir: Dir::Ltr,
        attempts: 0,
        pass: 50,
        shuffle: false,
        shuffle_questions: false,
        pools: Vec::new(),
        time_limit_s: None,
        review: Default::default(),
        questions: vec![
            question(QuestionKind::Single { choices: Vec::new() }),
            question(QuestionKind::Order { items: Vec::new() }),
        ],
    };
    let exercises = story_exercises(&tale(), Some(&quiz), 1);
    assert_eq!(kinds(&exercises), [Fill, Fill, PictureSentence, MatchMeanings, Listen, Say]);
    let pairs = question(QuestionKind::Match { pairs: Vec::new() });
    let quiz = Quiz { questions: vec![pairs], ..quiz };
    assert!(!kinds(&story_exercises(&tale(), Some(&quiz), 1)).contains(&MatchMeanings));
}

#[test]
fn a_word_with_a_picture_is_matched_with_it() {
    let mut tale = tale();
    tale.vocabulary[1].image = Some(picture());
    for seed in 0..20 {
        let exercises = story_exercises(&tale, None, seed);
        let shown = exercises.iter().find(|e| e.kind == PictureWord).unwrap();
        let QuestionKind::Single { choices } = &shown.question.kind else { panic!() };
        assert_eq!((right_of(choices), choices.len()), ("goat", 4));
        assert!(shown.question.image.is_some());
    }
}

/// A picture that differs from those of other numbers.
fn picture_of(n: u32) -> ImageRef {
    ImageRef { width: n, ..picture() }
}

#[test]
fn words_are_matched_with_pictures_if_there_are_enough() {
    let mut tale = tale();
    let others = |story: &Story, seed| -> Vec<Exercise> {
        let all = story_exercises(story, None, seed).into_iter();
        all.filter(|e| !matches!(e.kind, MatchPictures | MatchMeanings)).collect()
    };
    for (n, entry) in (1..).zip(&mut tale.vocabulary[..3]) {
        entry.image = Some(picture_of(n));
    }
    // The same picture, and the same word in capital letters: neither is a side of its own.
    let twin = VocabularyEntry { image: Some(picture_of(2)), ..tale.vocabulary[3].clone() };
    let capital =
        VocabularyEntry { word: "LAMP".into(), image: Some(picture_of(9)), ..twin.clone() };
    tale.vocabulary.extend([VocabularyEntry { word: "twin".into(), ..twin }, capital]);
    let mut orders = BTreeSet::new();
    for seed in 0..50 {
        let exercises = story_exercises(&tale, None, seed);
        let found = exercises.iter().find(|e| e.kind == MatchPictures).unwrap();
        let QuestionKind::Match { pairs } = &found.question.kind else { panic!() };
        assert_eq!((pairs.len(), found.pictures.len()), (3, 3));
        for ((word, right), picture) in pairs.iter().zip(&found.pictures) {
            let entry = tale.vocabulary.iter().find(|entry| entry.word == *word).unwrap();
            assert_eq!((right.as_str(), Some(picture)), ("", entry.image.as_ref()));
        }
        orders.insert(pairs.clone());
        // Runs that were begun with an earlier release have these ids.
        for (n, other) in others(&tale, seed).iter().enumerate() {
            assert_eq!(other.question.id.as_str(), format!("exercise-{}", n + 1));
        }
        let swapped = Response::Match { right: vec![Some(1), Some(0), Some(2)] };
        let points = grade_exercise(found, &swapped, "en").points;
        assert!(points > 0 && points < 1_000, "{points}");
    }
    assert!(orders.len() > 3, "{orders:?}");

    tale.vocabulary[0].image = None;
    tale.vocabulary.truncate(3);
    let exercises = story_exercises(&tale, None, 1);
    let found = exercises.iter().find(|e| e.kind == MatchMeanings).unwrap();
    let QuestionKind::Match { pairs } = &found.question.kind else { panic!() };
    let mut sorted = pairs.clone();
    sorted.sort();
    let expected = [("boat", "it swims"), ("goat", "an animal"), ("lamp", "it gives light")];
    assert_eq!(sorted, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert!(found.pictures.is_empty());
    tale.vocabulary.truncate(2);
    assert!(!kinds(&story_exercises(&tale, None, 1)).contains(&MatchMeanings));
}

#[test]
fn heard_text_is_compared_without_punctuation() {
    let tale = story(&[&["Well, the “lamp” isn't lit!"]], &[]);
    let exercises = story_exercises(&tale, None, 3);
    let heard = exercises.iter().find(|e| e.kind == Listen).unwrap();
    assert_eq!(heard.sound.as_ref().map(|clip| (clip.start_ms, clip.end_ms)), Some((0, None)));
    let points = |text: &str| {
        let typed = Response::Fill { texts: vec![text.to_owned()] };
        let result = grade_exercise(heard, &typed, "en");
        (result.points, result.blanks)
    };
    for right in
        ["Well, the “lamp” isn't lit!", "well the lamp isn’t lit", "Well the \"lamp\" isn't lit ."]
    {
        assert_eq!(points(right), (1000, vec![true]), "{right}");
    }
    for wrong in ["well the lamp is lit", "", "..."] {
        assert_eq!(points(wrong), (0, vec![false]), "{wrong}");
    }
    assert_eq!(without_punctuation("海睡了，灯亮了。「好」"), "海睡了灯亮了好");
}

#[test]
fn saying_has_no_points_and_a_sentence_ends_where_the_next_one_starts() {
    let exercises = story_exercises(&tale(), None, 5);
    let said = exercises.last().unwrap();
    assert_eq!((said.kind, said.question.points), (Say, 0));
    for exercise in exercises.iter().filter_map(|e| e.sound.as_ref()) {
        let (start, end) = (exercise.start_ms, exercise.end_ms);
        assert!(end.is_none_or(|end| end == start + 1_000), "{start} {end:?}");
    }
}

#[test]
fn spans_are_units_of_utf_16() {
    let span = |start, end| WordSpan { start, end, word: slug("w") };
    let text = "a\u{1f600}bc";
    assert_eq!(byte_range(text, &span(3, 5)), Some((5, 7)));
    assert_eq!(byte_range(text, &span(0, 5)), Some((0, 7)));
    for (start, end) in [(2, 3), (3, 3), (4, 3), (4, 9)] {
        assert_eq!(byte_range(text, &span(start, end)), None, "{start}..{end}");
    }
}
