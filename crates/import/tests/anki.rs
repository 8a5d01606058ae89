//! Anki packages of all forms become the same words.

mod support;

use carrel_import::{Level, Options};
use support::{anki, file, imported, png, try_import, wav};

const NOTES: [anki::Note<'_>; 5] = [
    ("g1", 1, &["<b>chat</b> &amp; chien", "cat<br>and dog[sound:a.wav]<img src=\"p.png\">"]),
    ("g2", 2, &["eau", "water"]),
    ("g3", 3, &["{{c1::Paris::city}} is in {{c2::France}}.", "extra"]),
    ("g4", 1, &["<script>steal()</script>nuit", "night<img src=x onerror=alert(1)>"]),
    ("g5", 1, &["", ""]),
];

#[test]
fn all_forms_and_schemas_give_the_same_words() {
    let (sound, picture) = (wav(200), png());
    let media: [(&str, &[u8]); 2] = [("a.wav", &sound), ("p.png", &picture)];
    let mut results = Vec::new();
    for (form, database) in [
        (1, anki::schema_11(&NOTES)),
        (2, anki::schema_11(&NOTES)),
        (3, anki::schema_18(&NOTES)),
        (3, anki::schema_11(&NOTES)),
        (1, anki::schema_18(&NOTES)),
    ] {
        let done = imported("deck.apkg", anki::package(form, &database, &media));
        results.push((serde_json::to_string(&done.words()).unwrap(), done.levels(), done.id()));
    }
    for result in &results[1..] {
        assert_eq!(result, &results[0]);
    }
    let done = imported("deck.colpkg", anki::package(3, &anki::schema_18(&NOTES), &media));
    let words = done.words();
    let texts: Vec<(&str, &str)> =
        words.iter().map(|w| (w.word.as_str(), w.meaning.as_str())).collect();
    assert_eq!(
        texts,
        [
            ("chat & chien", "cat\nand dog"),
            ("eau", "water"),
            ("[city] is in France.", "Paris is in France.\nextra"),
            ("Paris is in [...].", "Paris is in France.\nextra"),
            ("nuit", "night"),
        ]
    );
    assert!(words[0].image.is_some() && words[0].audio.is_some());
    assert_eq!(
        done.report.items.iter().map(|item| item.level).collect::<Vec<_>>(),
        [Level::Exact, Level::Changed, Level::Exact, Level::Exact, Level::Changed, Level::Refused],
        "{}",
        done.report.to_text()
    );
    assert!(!serde_json::to_string(&words).unwrap().contains("steal"));
    assert!(!done.html().contains("onerror"));
}

#[test]
fn reviews_are_read_only_on_request() {
    let package = anki::package(3, &anki::schema_18(&NOTES), &[]);
    let file = file("deck.apkg", package);
    let without = try_import(&file.path, &Options::default()).unwrap();
    assert_eq!(without.reviews, []);
    assert!(
        without.report.notes.iter().any(|n| n == "3 reviews were not imported"),
        "{:?}",
        without.report.notes
    );
    let with = try_import(&file.path, &Options { reviews: true, ..Options::default() }).unwrap();
    let [review] = &with.reviews[..] else { panic!("{:?}", with.reviews) };
    assert_eq!((review.at_ms, review.rating, review.duration_ms), (1_600_000_000_000, 3, 4_000));
    assert_eq!(with.words()[0].id.as_str(), review.word);
}

#[test]
fn missing_and_unsupported_media_are_reported_at_the_word() {
    let notes: [anki::Note<'_>; 3] = [
        ("a", 1, &["one", "1[sound:gone.mp3]"]),
        ("b", 1, &["two", "2<img src=\"x.bmp\">"]),
        ("c", 1, &["three", "3<img src=\"cut.png\">"]),
    ];
    let bmp = [b"BM".as_slice(), &[0; 60]].concat();
    let cut = &png()[..40];
    let done = imported(
        "d.apkg",
        anki::package(2, &anki::schema_11(&notes), &[("x.bmp", &bmp), ("cut.png", cut)]),
    );
    assert_eq!(done.words().len(), 3);
    for item in &done.report.items {
        assert_eq!(item.level, Level::Changed, "{item:?}");
    }
}

#[test]
fn ids_of_words_stay_when_notes_are_edited() {
    let ids = |front: &str| {
        let notes: [anki::Note<'_>; 1] = [("g1", 1, &[front, "x"])];
        let done = imported("d.apkg", anki::package(1, &anki::schema_11(&notes), &[]));
        (done.id(), done.words()[0].id.clone())
    };
    assert_eq!(ids("old"), ids("new"));
}
