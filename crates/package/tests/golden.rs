//! Tests the exact output for a valid package, and that it is reproducible.

mod support;

use carrel_model::{
    BlobHash,
    content::{
        Block, Difficulty, Dir, ManifestContent, Ornament, Page, QuestionKind, Quiz, SectionBody,
        SectionType, Story, VocabularyEntry,
    },
};
use carrel_package::{BlobSink, Compiler, DirSink, Limits, MemorySink, Options, find};
use support::{COURSE, Tree, compile, compile_tree, course, encoded, png, search_texts, story};

#[test]
fn a_course_is_compiled_to_a_manifest_and_blobs() {
    let mut tree = course();
    tree.put("media/square.png", png(700, 400));
    let (compiled, sink) = compile_tree(&tree).unwrap();
    let manifest = &compiled.manifest;
    let ManifestContent::Course { meta, outline } = &manifest.content else { panic!() };
    assert_eq!(
        (meta.id.as_str(), meta.title.as_str(), meta.lang.as_str(), meta.dir),
        ("small", "A Small Course", "en", Dir::Ltr)
    );
    assert_eq!((meta.hours.0, meta.lesson_count, meta.section_count), (150, 1, 2));
    assert_eq!((meta.cover.color.as_str(), meta.cover.ornament), ("#28505a", Ornament::Waves));
    assert_eq!(meta.credits, "<p>By <em>hand</em>.</p>");
    assert_eq!(meta.total_bytes, sink.blobs.values().map(|(_, b)| b.len() as u64).sum::<u64>());
    // The manifest lists exactly the blobs in the sink, with correct sizes and hashes.
    assert_eq!(manifest.blobs.len(), sink.blobs.len());
    for blob in &manifest.blobs {
        let bytes = sink.bytes(blob.hash).unwrap();
        assert_eq!((bytes.len() as u64, BlobHash::of(bytes)), (blob.size, blob.hash));
    }
    let sections = &outline.lessons[0].sections;
    assert_eq!((sections[0].section_type, sections[0].minutes), (SectionType::Text, 6));
    assert_eq!(sections[1].quiz.as_ref().unwrap().as_str(), "small/check");

    let body: SectionBody = sink.json(sections[0].body).unwrap();
    let [
        Block::RichText { html },
        Block::Image { image },
        Block::Audio { audio },
        Block::Code { language, text, editable: true, check: None },
        Block::Math { tex, .. },
        Block::Story { story, title, body: tale },
    ] = body.blocks.as_slice()
    else {
        panic!("{:#?}", body.blocks)
    };
    assert!(
        html.contains("<a data-word=\"bend\"")
            && html.contains("<a data-section=\"one/check\"")
            && html.contains("<math "),
        "{html}"
    );
    assert_eq!(
        (image.alt.as_str(), image.caption.as_str(), image.width, image.height),
        ("A blue square", "Blue", 700, 400)
    );
    assert_eq!(image.variants.iter().map(|v| v.width).collect::<Vec<_>>(), [320, 640, 700]);
    assert!((30..=60).contains(&image.thumbhash.len()), "{}", image.thumbhash);
    assert_eq!(
        (audio.title.as_str(), audio.duration_ms, audio.blob.media_type.as_str()),
        ("Rain", 1000, "audio/wav")
    );
    assert_eq!(audio.transcript, "<p>Rain <em>falls</em>.</p>");
    assert!(sink.bytes(audio.captions.as_ref().unwrap().hash).unwrap().starts_with(b"WEBVTT"));
    assert_eq!(
        (language.as_str(), text.as_str(), tex.as_str()),
        ("python", "print(1)\n", "\\frac{a}{b}")
    );
    assert_eq!(
        (story.as_str(), title.as_str(), *tale),
        ("tale", "A tale", outline.stories[0].body)
    );

    let check: SectionBody = sink.json(sections[1].body).unwrap();
    let [Block::Quiz { body, .. }] = check.blocks.as_slice() else { panic!("{:#?}", check.blocks) };
    let quiz: Quiz = sink.json(*body).unwrap();
    assert_eq!((quiz.pass, quiz.attempts, quiz.questions.len()), (60, 0, 5));
    assert_eq!(quiz.questions[0].prompt, "Which <strong>one</strong>?");
    assert_eq!(quiz.questions[2].prompt, "A <span data-blank=\"0\"></span> lake.");
    assert!(matches!(&quiz.questions[4].kind, QuestionKind::Match { pairs } if pairs.len() == 2));

    let words: Vec<VocabularyEntry> = sink.json(outline.vocabulary.unwrap()).unwrap();
    assert_eq!(words[0].translations["fr"], "courbe");

    let tale: Story = sink.json(outline.stories[0].body).unwrap();
    // The story uses one word of the course's vocabulary.
    assert_eq!(tale.vocabulary.iter().map(|w| w.id.as_str()).collect::<Vec<_>>(), ["lamp"]);
    let [Page { sentences, narration: Some(narration), image: Some(_), .. }, _] =
        tale.pages.as_slice()
    else {
        panic!("{tale:#?}")
    };
    assert_eq!(narration.duration_ms, 1000);
    let timed_sentences: Vec<_> =
        sentences.iter().map(|s| (s.text.as_str(), s.paragraph, s.start_ms, s.end_ms)).collect();
    assert_eq!(
        timed_sentences,
        [
            ("She lights a lamp.", true, Some(0), Some(400)),
            ("It burns.", false, Some(400), Some(1000))
        ]
    );
    assert_eq!((sentences[0].words[0].start, sentences[0].words[0].end), (13, 17));

    let texts = search_texts(manifest, &sink);
    let found: Vec<_> =
        texts.iter().map(|d| (d.item.as_str(), d.title.as_str(), d.text.as_str())).collect();
    assert_eq!(
        found,
        [
            ("small", "A Small Course", "To test with. Tests one two"),
            (
                "small/one/read",
                "Read",
                "Why A bend with a 2 in it, see the check. A blue square Blue Rain Rain falls. \
                 print(1) \\frac{a}{b} A tale"
            ),
            ("small/one/check", "Check", "Check"),
            ("small/tale", "A Tale", "She lights a lamp. It burns. The end."),
        ]
    );
}

#[test]
fn a_separate_story_is_compiled() {
    let (compiled, sink) = compile_tree(&story()).unwrap();
    let ManifestContent::Story { meta, body } = &compiled.manifest.content else { panic!() };
    assert_eq!((meta.level, meta.page_count, meta.narrated), (2, 2, true));
    assert_eq!(sink.json::<Story>(*body).unwrap().vocabulary.len(), 2);
    assert_eq!(meta.family, "");
    let mut tree = story();
    tree.edit("story.json", "\"level\"", "\"family\": \"one-tale\", \"level\"");
    let (compiled, _) = compile_tree(&tree).unwrap();
    let ManifestContent::Story { meta, .. } = &compiled.manifest.content else { panic!() };
    assert_eq!(meta.family, "one-tale");
}

#[test]
fn the_same_package_has_the_same_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let tree = course();
    tree.write(&folder.path().join("a"));
    tree.write_in_order(&folder.path().join("b"), tree.0.keys().rev());
    let canonical_manifest =
        |name: &str| compile(&folder.path().join(name)).unwrap().0.manifest.to_canonical();
    let first = canonical_manifest("a");
    assert_eq!(first, canonical_manifest("a"));
    assert_eq!(first, canonical_manifest("b"));
    // Byte order marks, Windows line endings and decomposed names do not change the output.
    let mut windows = tree.clone();
    for path in [
        "course.json",
        "one/check.json",
        "vocabulary.json",
        "one/read.md",
        "stories/tale/story.md",
        "stories/tale/story.json",
    ] {
        let text = String::from_utf8(tree.0[path].clone()).unwrap().replace('\n', "\r\n");
        windows.put(path, format!("\u{feff}{text}"));
    }
    windows.write(&folder.path().join("c"));
    assert_eq!(first, canonical_manifest("c"));
    let mut decomposed = tree.clone();
    decomposed.edit("one/read.md", "square.png", "caf\u{e9}.png").remove("media/square.png");
    decomposed.put("media/cafe\u{301}.png", &tree.0["media/square.png"]);
    decomposed.write(&folder.path().join("d"));
    let mut other = decomposed.clone();
    other.edit("one/read.md", "caf\u{e9}.png", "cafe%CC%81.png");
    other.write(&folder.path().join("e"));
    assert_eq!(canonical_manifest("d"), first);
    assert_eq!(canonical_manifest("e"), first);
}

#[test]
fn the_folder_sink_stores_blobs_by_hash() {
    let folder = tempfile::tempdir().unwrap();
    course().write(&folder.path().join("a"));
    let mut sink = DirSink::new(folder.path().join("blobs")).unwrap();
    let packages = find(&folder.path().join("a"), &Limits::default()).unwrap().packages;
    let compiled = Compiler::new(Options::default()).compile(&packages[0], &mut sink).unwrap();
    for blob in &compiled.manifest.blobs {
        assert_eq!(BlobHash::of(&std::fs::read(sink.path(blob.hash)).unwrap()), blob.hash);
    }
    let hex = compiled.manifest.blobs[0].hash.to_hex();
    assert!(folder.path().join("blobs").join(&hex[..2]).join(&hex).is_file());
}

#[test]
fn a_failed_write_is_an_error() {
    struct Full;
    impl BlobSink for Full {
        fn put(&mut self, _: &carrel_package::Blob) -> std::io::Result<()> {
            Err(std::io::Error::new(std::io::ErrorKind::StorageFull, "no space"))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    course().write(folder.path());
    let packages = find(folder.path(), &Limits::default()).unwrap().packages;
    let problems = Compiler::new(Options::default()).compile(&packages[0], &mut Full).unwrap_err();
    assert_eq!(problems[0].code, "not-written");
}

/// Compiles a course with the image `bytes`. Returns the image block, the blobs and the warnings.
fn compile_image(
    bytes: &[u8],
) -> (carrel_model::content::ImageRef, MemorySink, Vec<carrel_package::Problem>) {
    let mut tree = course();
    tree.put("media/square.png", bytes);
    let (compiled, sink) = compile_tree(&tree).unwrap_or_else(|p| panic!("{p:#?}"));
    let ManifestContent::Course { outline, .. } = &compiled.manifest.content else { panic!() };
    let body: SectionBody = sink.json(outline.lessons[0].sections[0].body).unwrap();
    let image = body
        .blocks
        .into_iter()
        .find_map(|b| if let Block::Image { image } = b { Some(image) } else { None });
    (image.unwrap(), sink, compiled.warnings)
}

/// Returns a JPEG with an EXIF orientation and a GPS location.
fn jpeg_with_exif(image: &image::DynamicImage, orientation: u8) -> Vec<u8> {
    let plain = encoded(image, image::ImageFormat::Jpeg);
    let mut tiff = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0]);
    tiff.extend(b"SECRET PLACE");
    let mut out = plain[..2].to_vec();
    out.extend([0xff, 0xe1]);
    out.extend((tiff.len() as u16 + 2).to_be_bytes());
    out.extend(tiff);
    out.extend(&plain[2..]);
    out
}

#[test]
fn exif_orientation_is_applied_and_exif_removed() {
    // Left half red, right half blue.
    let original = image::RgbImage::from_fn(80, 40, |x, _| {
        if x < 40 { image::Rgb([250, 0, 0]) } else { image::Rgb([0, 0, 250]) }
    });
    let original = image::DynamicImage::from(original);
    for (orientation, size, top_left_is_red) in
        [(1, (80, 40), true), (3, (80, 40), false), (6, (40, 80), true), (8, (40, 80), false)]
    {
        let (image, sink, _) = compile_image(&jpeg_with_exif(&original, orientation));
        assert_eq!((image.width, image.height), size, "{orientation}");
        let last = image.variants.last().unwrap();
        let bytes = sink.bytes(last.blob.hash).unwrap();
        assert_eq!(last.blob.media_type, "image/webp", "a file with EXIF is never kept unchanged");
        assert!(!bytes.windows(6).any(|w| w == b"SECRET"));
        let upright = image::load_from_memory(bytes).unwrap().into_rgb8();
        assert_eq!(upright.dimensions(), size);
        assert_eq!(upright.get_pixel(4, 4).0[0] > 128, top_left_is_red, "{orientation}");
    }
}

#[test]
fn variants_are_as_wide_as_screens_and_never_wider_than_the_original() {
    for (width, widths) in [
        (100, vec![100]),
        (320, vec![320]),
        (1000, vec![320, 640, 768, 1000]),
        (2400, vec![320, 640, 768, 1024, 1280, 1920]),
    ] {
        let (image, sink, _) = compile_image(&png(width, 60));
        assert_eq!(image.variants.iter().map(|v| v.width).collect::<Vec<_>>(), widths);
        assert_eq!(image.width, width);
        for variant in &image.variants {
            let decoded = image::load_from_memory(sink.bytes(variant.blob.hash).unwrap()).unwrap();
            assert_eq!(decoded.width(), variant.width);
        }
    }
    // WebP has at most 16,383 pixels on each side.
    let (image, _, _) = compile_image(&png(400, 20_000));
    assert_eq!(image.variants.iter().map(|v| v.width).collect::<Vec<_>>(), [320, 327]);
    assert_eq!((image.width, image.height), (400, 20_000));
}

#[test]
fn small_originals_and_animations_are_kept_and_large_images_reported() {
    let one_color = encoded(&image::DynamicImage::new_rgb8(300, 300), image::ImageFormat::Png);
    let transparent = encoded(&image::DynamicImage::new_rgba8(400, 10), image::ImageFormat::Png);
    let (image, _, _) = compile_image(&transparent);
    assert_eq!(image.variants.len(), 2);
    // One colour: no encoding is smaller than this GIF, and two frames make it an animation.
    let mut gif = Vec::new();
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut gif);
        for shade in [0, 255] {
            let frame = image::RgbaImage::from_pixel(500, 20, image::Rgba([shade, 0, 0, 255]));
            encoder.encode_frame(image::Frame::new(frame)).unwrap();
        }
    }
    let (image, sink, _) = compile_image(&gif);
    assert_eq!(image.variants.len(), 1);
    assert_eq!(image.variants[0].blob.media_type, "image/gif");
    assert_eq!(sink.bytes(image.variants[0].blob.hash).unwrap(), gif);
    let (image, _, warnings) = compile_image(&one_color);
    assert_eq!((image.variants.len(), warnings.len()), (1, 0));
    let large = encoded(&image::DynamicImage::new_luma8(4000, 2100), image::ImageFormat::Png);
    let (image, _, warnings) = compile_image(&large);
    assert_eq!((image.width, image.variants.last().unwrap().width), (4000, 1920));
    assert_eq!((warnings[0].code, warnings[0].file.as_str()), ("image-large", "media/square.png"));
}

#[test]
fn drawings_are_kept_without_scripts() {
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 300 200\" onload=\"x()\"><script>x()</script><path d=\"M0 0L9 9\"/></svg>";
    let (image, sink, warnings) = compile_image(svg.as_bytes());
    assert_eq!((image.width, image.height, image.thumbhash.as_str()), (300, 200, ""));
    assert_eq!(image.variants[0].blob.media_type, "image/svg+xml");
    let text =
        String::from_utf8(sink.bytes(image.variants[0].blob.hash).unwrap().to_vec()).unwrap();
    assert!(text.contains("M0 0L9 9") && !text.contains("x()"), "{text}");
    assert_eq!(warnings.len(), 2);
}

#[test]
fn sections_have_the_direction_of_their_language() {
    let mut tree = Tree::default();
    tree.put(
        "course.json",
        COURSE
            .replace("\"lang\": \"en\"", "\"lang\": \"ar\"")
            .replace("\"vocabulary\": \"vocabulary.json\",", "")
            .replace("[\"stories/tale\"]", "[]")
            .replace("\"minutes\": 6", "\"lang\": \"en\""),
    );
    tree.put("one/read.md", "Text.").put("one/check.json", support::CHECK);
    let (compiled, sink) = compile_tree(&tree).unwrap_or_else(|p| panic!("{p:#?}"));
    let ManifestContent::Course { meta, outline } = &compiled.manifest.content else { panic!() };
    assert_eq!(meta.dir, Dir::Rtl);
    let bodies: Vec<SectionBody> =
        outline.lessons[0].sections.iter().map(|s| sink.json(s.body).unwrap()).collect();
    assert_eq!(
        bodies.iter().map(|b| (b.lang.as_str(), b.dir)).collect::<Vec<_>>(),
        [("en", Dir::Ltr), ("ar", Dir::Rtl)]
    );
    assert_eq!(search_texts(&compiled.manifest, &sink)[1].lang, "en");
}

#[test]
fn an_expert_course_is_readable_by_earlier_releases() {
    // They know three levels; a fourth word would make the manifest and the catalogue unreadable for them.
    let meta = |level: &str| {
        let mut tree = course();
        tree.edit("course.json", "\"BEGINNER\"", &format!("\"{level}\""));
        let (compiled, _) = compile_tree(&tree).unwrap();
        let ManifestContent::Course { meta, .. } = compiled.manifest.content else { panic!() };
        (serde_json::to_value(&meta).unwrap(), meta.level())
    };
    let (json, level) = meta("EXPERT");
    assert_eq!((&json["difficulty"], &json["isExpert"]), (&"ADVANCED".into(), &true.into()));
    assert_eq!(level, Difficulty::Expert);
    let (json, level) = meta("ADVANCED");
    assert_eq!((json.get("isExpert"), level), (None, Difficulty::Advanced));
}
