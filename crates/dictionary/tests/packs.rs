//! Packs built from word lists: what is built, what is refused, and which entry a tap finds, in any script.

use std::{
    fs,
    io::{BufReader, Cursor},
    path::{Path, PathBuf},
};

use carrel_bundle::{Bundle, DictionaryBundle, Fault, copy_verified};
use carrel_dictionary::{
    BuildFault, Entry, Error, Facts, Found, Lexicon, LookUp, Pack, Sense, WordList, build, look_up,
    look_up_phrase,
    source::{Source, read_list_text, read_wordnet},
    utf16_offset,
};
use carrel_model::Slug;
use ed25519_dalek::SigningKey;
use rusqlite::Connection;

fn facts(lang: &str) -> Facts {
    Facts {
        id: Slug::new("test").unwrap(),
        name: "Test".into(),
        lang: lang.into(),
        gloss_lang: "en".into(),
        license: "CC0-1.0".into(),
        source: "made for tests".into(),
        made_ms: 1_790_000_000_000,
        skips_bad_lines: false,
    }
}
fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// Copies the database of a pack file to a file of its own, as the installation does.
fn install(file: &Path) -> (DictionaryBundle, PathBuf) {
    let bytes = fs::read(file).unwrap();
    let mut reader = BufReader::new(Cursor::new(&bytes));
    let Bundle::Dictionary(bundle) = carrel_bundle::open(&mut reader, bytes.len() as u64).unwrap()
    else {
        panic!("another kind of file")
    };
    let mut database = Vec::new();
    copy_verified(&mut reader, &bundle.database(), |piece| {
        database.extend_from_slice(piece);
        Ok::<_, Fault>(())
    })
    .unwrap();
    let path = file.with_extension("sqlite");
    fs::write(&path, database).unwrap();
    (bundle, path)
}
fn pack_of(source: Source, lang: &str) -> (tempfile::TempDir, Pack) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("test.carrel");
    build(source, &facts(lang), &key(), &file).unwrap();
    let (_, database) = install(&file);
    let pack = Pack::open(&database).unwrap();
    pack.check().unwrap();
    (dir, pack)
}
/// `rows`: headword, part of speech, gloss, forms.
fn pack(lang: &str, rows: &str) -> (tempfile::TempDir, Pack) {
    pack_of(read_list_text(rows), lang)
}
/// Looks up the word at `|` in a text.
fn tap(text: &str, lang: &str, lexicons: &[&dyn Lexicon]) -> Option<LookUp> {
    let at = text.find('|').unwrap();
    look_up(&text.replace('|', ""), at, lang, lexicons).unwrap()
}
/// The word with how it was found: "rivers>river Form".
fn told(text: &str, lang: &str, lexicons: &[&dyn Lexicon]) -> String {
    let Some(found) = tap(text, lang, lexicons) else { return "no word".to_owned() };
    let plain = text.replace('|', "");
    let word = &plain[found.range.clone()];
    match found.hits.first() {
        Some(hit) => {
            assert_eq!(found.is_guess, hit.found == Found::Guess, "{text}");
            format!("{}>{} {:?}", &plain[hit.range.clone()], hit.entry.headword, hit.found)
        }
        None if found.is_guess => format!("{word}? Guess"),
        None => format!("{word}?"),
    }
}

const ENGLISH: &str = "\
river\tnoun\ta large natural stream\trivers
run\tverb\tto move fast\truns|ran|running
run out of\tverb\tto have no more
look up\tverb\tto search for\tlooks up|looked up
polish\tverb\tto make smooth
Polish\tadjective\tof Poland
saw\tnoun\ta tool
see\tverb\tto use the eyes\tsees|saw|seen
ice cream\tnoun\ta cold sweet\tice creams
ox-bow lake\tnoun\ta lake
don't\tverb\tdo not
dog\tnoun\tan animal\tdogs
slink\tverb\tto move quietly
stealthy\tadjective\tquiet
r\u{e9}sum\u{e9}\tnoun\ta summary
resume\tverb\tto go on
caf\u{e9}\tnoun\ta place for coffee
";

#[test]
fn the_order_of_the_look_up_is_kept() {
    let (_dir, english) = pack("en", ENGLISH);
    for (text, expected) in [
        ("The r|iver flows.", "river>river Exact"),
        ("The |river flows.", "river>river Exact"),
        // Between the last letter and the full stop.
        ("It is a river|.", "river>river Exact"),
        ("RIV|ER", "RIVER>river Folded"),
        ("Two ri|vers meet.", "rivers>river Form"),
        ("They RA|N home.", "RAN>run Form"),
        // Exact before folded, headword before form.
        ("to p|olish shoes", "polish>polish Exact"),
        ("a P|olish town", "Polish>Polish Exact"),
        ("I s|aw it", "saw>saw Exact"),
        // Phrases; also by a form of their first word, and by any of their words.
        ("some ice cr|eam please", "ice cream>ice cream Phrase"),
        ("some i|ce cream", "ice cream>ice cream Phrase"),
        ("he loo|ked up the word", "looked up>look up Phrase"),
        ("we ran o|ut of it", "ran out of>run out of Phrase"),
        ("an ox-b|ow lake", "ox-bow lake>ox-bow lake Phrase"),
        ("an ox bow la|ke", "ox bow lake>ox-bow lake Phrase"),
        ("ice. Cr|eam", "Cream?"),
        // Apostrophes of any kind.
        ("I don\u{2019}|t know", "don\u{2019}t>don't Folded"),
        ("the d|og\u{2019}s tail", "dog>dog Exact"),
        ("the dog\u{2019}|s tail", "dog>dog Exact"),
        // Accents are ignored only if nothing else is found.
        ("to resu|me", "resume>resume Exact"),
        ("my r\u{e9}s|um\u{e9}", "r\u{e9}sum\u{e9}>r\u{e9}sum\u{e9} Exact"),
        ("a ca|fe", "cafe>caf\u{e9} Folded"),
        // A stem is a guess; never a word that is only similar.
        ("it was slin|king by", "slinking>slink Guess"),
        ("it was stealt|hing", "stealthing?"),
        ("the rove|r", "rover?"),
        ("a zz|zz", "zzzz?"),
        ("... |!", "no word"),
        ("|", "no word"),
    ] {
        assert_eq!(told(text, "en", &[&english]), expected, "{text}");
    }
    // All entries are returned: the noun first, then the verb whose form it is.
    let saw = tap("I s|aw it", "en", &[&english]).unwrap();
    let found: Vec<_> = saw.hits.iter().map(|h| (h.entry.headword.as_str(), h.found)).collect();
    assert_eq!(found, [("saw", Found::Exact), ("see", Found::Form)]);
    // A word with other accents is not shown beside the word itself.
    let resume = tap("to resu|me", "en", &[&english]).unwrap();
    let found: Vec<_> = resume.hits.iter().map(|h| h.entry.headword.as_str()).collect();
    assert_eq!(found, ["resume"]);
    // A phrase comes after the words of the pack.
    let ran = tap("we r|an out of it", "en", &[&english]).unwrap();
    let found: Vec<_> = ran.hits.iter().map(|h| (h.entry.headword.as_str(), h.found)).collect();
    assert_eq!(found, [("run", Found::Form), ("run out of", Found::Phrase)]);
}

#[test]
fn the_words_of_the_course_come_first_and_use_the_forms_of_the_pack() {
    let (_dir, english) = pack("en", ENGLISH);
    let entry = |word: &str, gloss: &str| Entry {
        headword: word.into(),
        senses: vec![Sense { gloss: gloss.into(), ..Sense::default() }],
        ..Entry::default()
    };
    let course =
        WordList::new("en", vec![entry("river", "of the course"), entry("delta", "a mouth")]);
    let lexicons: [&dyn Lexicon; 2] = [&course, &english];
    for (text, gloss) in [
        ("the ri|ver", "of the course"),
        ("two ri|vers", "of the course"),
        ("the del|ta", "a mouth"),
        ("three del|tas", "a mouth"),
        ("they ra|n", "to move fast"),
    ] {
        let found = tap(text, "en", &lexicons).unwrap();
        assert_eq!(found.hits[0].entry.senses[0].gloss, gloss, "{text}");
        assert_eq!(found.is_guess, text.contains("tas"), "{text}");
    }
}

/// Language, lines of its word list, and texts with the tapped place, each with the lemma.
type Taps = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Taps in 15 scripts: the lemma, or a guess that says so.
#[test]
fn a_tap_finds_the_word_in_every_script() {
    let table: &[Taps] = &[
        // Latin, with and without a table of forms.
        (
            "fr",
            "rivi\u{e8}re\tnom\triver\trivi\u{e8}res\neau\tnom\twater\n",
            &[
                ("les rivi|\u{e8}res", "rivi\u{e8}res>rivi\u{e8}re Form"),
                ("de l\u{2019}e|au", "eau>eau Exact"),
                ("de |l\u{2019}eau", "eau>eau Exact"),
            ],
        ),
        (
            "tr",
            "kap\u{131}\tisim\tdoor\nkapi\tisim\tother\n",
            &[
                ("KA|PI", "KAPI>kap\u{131} Folded"),
                ("kap|\u{131}lar", "kap\u{131}lar>kap\u{131} Guess"),
            ],
        ),
        // Greek, Cyrillic, Armenian, Georgian.
        (
            "el",
            "\u{3C0}\u{3BF}\u{3C4}\u{3AC}\u{3BC}\u{3B9}\tn\triver\n",
            &[(
                "\u{3A4}\u{3BF} \u{3A0}\u{3BF}\u{3C4}|\u{3AC}\u{3BC}\u{3B9}.",
                "\u{3A0}\u{3BF}\u{3C4}\u{3AC}\u{3BC}\u{3B9}>\u{3C0}\u{3BF}\u{3C4}\u{3AC}\u{3BC}\u{3B9} Folded",
            )],
        ),
        (
            "ru",
            "река\tn\triver\tреки|реке|реку|рекой\nёлка\tn\tfir\n",
            &[
                ("по реке|.", "реке>река Form"),
                ("зелёная ел|ка", "елка>ёлка Folded"),
                ("рек|ами", "реками>река Guess"),
            ],
        ),
        (
            "hy",
            "\u{563}\u{565}\u{57F}\tn\triver\n",
            &[
                ("\u{563}\u{565}|\u{57F}", "\u{563}\u{565}\u{57F}>\u{563}\u{565}\u{57F} Exact"),
                (
                    "\u{563}\u{565}|\u{57F}\u{568}",
                    "\u{563}\u{565}\u{57F}\u{568}>\u{563}\u{565}\u{57F} Guess",
                ),
            ],
        ),
        (
            "ka",
            "\u{10DB}\u{10D3}\u{10D8}\u{10DC}\u{10D0}\u{10E0}\u{10D4}\tn\triver\n",
            &[(
                "\u{10D4}\u{10E1} \u{10DB}\u{10D3}\u{10D8}|\u{10DC}\u{10D0}\u{10E0}\u{10D4}",
                "\u{10DB}\u{10D3}\u{10D8}\u{10DC}\u{10D0}\u{10E0}\u{10D4}>\u{10DB}\u{10D3}\u{10D8}\u{10DC}\u{10D0}\u{10E0}\u{10D4} Exact",
            )],
        ),
        // Arabic and Hebrew, with vowel marks.
        (
            "ar",
            "نهر\tn\triver\tأنهار|النهر\n",
            &[("عبر النَّهْ|رِ الكبير", "النَّهْرِ>نهر Form"), ("نَهْ|ر", "نَهْر>نهر Folded")],
        ),
        (
            "he",
            "נהר\tn\triver\tנהרות\n",
            &[("שני נה|רות", "נהרות>נהר Form"), ("נָ|הָר", "נָהָר>נהר Folded")],
        ),
        // Devanagari, Tamil, Ethiopic with its word space.
        (
            "hi",
            "नदी\tn\triver\tनदियाँ|नदियों\n",
            &[("यह न|दी है।", "नदी>नदी Exact"), ("नदि|यों में", "नदियों>नदी Form")],
        ),
        ("ta", "ஆறு\tn\triver\tஆறுகள்\n", &[("இந்த ஆறு|கள்", "ஆறுகள்>ஆறு Form")]),
        (
            "am",
            "ወንዝ\tn\triver\n",
            &[("ትልቅ፡ወን|ዝ፡ነው።", "ወንዝ>ወንዝ Exact"), ("ወንዞ|ች", "ወንዞች?"), ("ወንዝ|ን", "ወንዝን>ወንዝ Guess")],
        ),
        // Hangul: particles follow a word without a space.
        (
            "ko",
            "강\tn\triver\n물\tn\twater\n",
            &[
                ("큰 강|에서 물이", "강에서>강 Guess"),
                ("강|은", "강은>강 Guess"),
                ("강| 물", "강>강 Exact"),
            ],
        ),
        // Scripts without spaces: longest match, else one character as a guess.
        (
            "zh",
            "河流\tn\triver\n河\tn\tstream\n流入\tv\tflow into\n大海\tn\tsea\n入\tv\tenter\n",
            &[
                ("这条河|流流入大海。", "河流>河流 Exact"),
                ("这条河流流|入大海。", "流入>流入 Exact"),
                ("这条河流流入大|海。", "大海>大海 Exact"),
                ("|这条河流", "这? Guess"),
                ("小|河很长", "河>河 Exact"),
            ],
        ),
        (
            "ja",
            "川\tn\triver\n食べる\tv\teat\t食べました|食べた\n林檎\tn\tapple\tリンゴ\n",
            &[
                ("りんごを食|べました。", "食べました>食べる Form"),
                ("リン|ゴを", "リンゴ>林檎 Form"),
                ("りん|ごを", "りんご>林檎 Form"),
                ("スキ|ーに", "スキー? Guess"),
                ("|川で", "川>川 Exact"),
            ],
        ),
        (
            "th",
            "แม่น้ำ\tn\triver\nแม่\tn\tmother\nน้ำ\tn\twater\nใหญ่\tadj\tbig\n",
            &[
                ("แม่น้|ำใหญ่", "แม่น้ำ>แม่น้ำ Exact"),
                ("แม่น้ำให|ญ่", "ใหญ่>ใหญ่ Exact"),
                ("แม|่กิน", "แม่>แม่ Exact"),
                ("แม่ก|ิน", "กิ? Guess"),
            ],
        ),
        (
            "km",
            "ទន្លេ\tn\triver\nធំ\tadj\tbig\n",
            &[("ទន្|លេធំ", "ទន្លេ>ទន្លេ Exact"), ("ទន្លេធ|ំ", "ធំ>ធំ Exact")],
        ),
        (
            "lo",
            "ແມ່ນ້ຳ\tn\triver\nນ້ຳ\tn\twater\n",
            &[("ແມ່ນ້|ຳໃຫຍ່", "ແມ່ນ້ຳ>ແມ່ນ້ຳ Exact"), ("ດື່ມນ້|ຳ", "ນ້ຳ>ນ້ຳ Exact")],
        ),
        (
            "my",
            "မြစ်\tn\triver\nကြီး\tadj\tbig\n",
            &[("မြ|စ်ကြီး", "မြစ်>မြစ် Exact"), ("မြစ်ကြီ|း", "ကြီး>ကြီး Exact")],
        ),
    ];
    let mut taps = 0;
    for (lang, rows, cases) in table {
        let (_dir, pack) = pack(lang, rows);
        for (text, expected) in *cases {
            assert_eq!(told(text, lang, &[&pack]), *expected, "{lang} {text}");
            taps += 1;
        }
        // Every place of every text has an answer, and a range on the borders of characters.
        for (text, _) in *cases {
            let text = text.replace('|', "");
            for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                if let Some(found) = look_up(&text, at, lang, &[&pack]).unwrap() {
                    assert!(!text[found.range.clone()].trim().is_empty(), "{lang} {text} {at}");
                    assert!(utf16_offset(&text, found.range.end) <= text.encode_utf16().count());
                }
            }
        }
    }
    assert!(table.len() >= 12 && taps > 35, "{taps}");
}

#[test]
fn a_typed_text_is_looked_up_as_a_whole() {
    let (_dir, english) = pack("en", ENGLISH);
    for (text, headword) in [
        ("  Ice  cream ", Some("ice cream")),
        ("rivers", Some("river")),
        ("ran out of time", Some("run")),
        ("!", None),
    ] {
        let found = look_up_phrase(text, "en", &[&english]).unwrap();
        let first = found.and_then(|f| f.hits.into_iter().next()).map(|hit| hit.entry.headword);
        assert_eq!(first.as_deref(), headword, "{text}");
    }
}

#[test]
fn entries_that_point_to_another_word_become_its_forms() {
    let (_dir, pack) = pack(
        "en",
        "headword\tpos\tgloss\tform of\n\
         cat\tnoun\tan animal\t\n\
         cats\tnoun\tplural of cat\t\n\
         catses\tnoun\t\tcats\n\
         cat\tnoun\ta person\t\n\
         cat\tverb\tto raise an anchor\t\n\
         leaves\tnoun\tplural of leaf\t\n\
         slice\tnoun\tpart of cat\t\n",
    );
    assert_eq!(told("two cat|s", "en", &[&pack]), "cats>cat Form");
    assert_eq!(told("my cat|ses", "en", &[&pack]), "catses>cat Form");
    // The word is not an entry: the gloss stays.
    assert_eq!(told("the lea|ves", "en", &[&pack]), "leaves>leaves Exact");
    // Not a term of grammar.
    assert_eq!(told("a slic|e", "en", &[&pack]), "slice>slice Exact");
    let cat = tap("a ca|t", "en", &[&pack]).unwrap();
    let senses: Vec<_> =
        cat.hits.iter().map(|h| (h.entry.part_of_speech.as_str(), h.entry.senses.len())).collect();
    assert_eq!(
        senses,
        [("noun", 2), ("verb", 1)],
        "lines of one word and part of speech are one entry"
    );
}

#[test]
fn bad_lines_stop_the_build_unless_the_caller_skips_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.carrel");
    let rows = "headword\tgloss\tform of\nsea\tsalt water\t\nriver\t\t\nseas\t\tsea\nponds\t\tpond\n\
                loop\t\tpool\npool\t\tloop\n";
    let fault = build(read_list_text(rows), &facts("en"), &key(), &file).unwrap_err();
    let BuildFault::BadLines(bad) = fault else { panic!("{fault}") };
    assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [3, 5, 6, 7]);
    assert!(bad[1].reason.contains("\"ponds\" is a form of \"pond\""), "{}", bad[1].reason);
    assert!(!file.exists(), "nothing is written");
    let skipping = Facts { skips_bad_lines: true, ..facts("en") };
    let report = build(read_list_text(rows), &skipping, &key(), &file).unwrap();
    assert_eq!((report.entries, report.forms, report.skipped.len()), (1, 1, 4));
    assert_eq!(report.bytes, fs::metadata(&file).unwrap().len());
    assert!(matches!(build(read_list_text(""), &skipping, &key(), &file), Err(BuildFault::Empty)));
}

#[test]
fn a_changed_pack_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.carrel");
    build(read_list_text(ENGLISH), &facts("en"), &key(), &file).unwrap();
    let bytes = fs::read(&file).unwrap();
    let (bundle, _) = install(&file);
    assert_eq!((bundle.facts.license.as_str(), bundle.facts.entries), ("CC0-1.0", 17));
    let read = |bytes: &[u8]| -> Result<(), Fault> {
        let mut reader = Cursor::new(bytes);
        match carrel_bundle::open(&mut reader, bytes.len() as u64)? {
            Bundle::Dictionary(bundle) => {
                copy_verified(&mut reader, &bundle.database(), |_| Ok::<_, Fault>(()))
            }
            _ => panic!("another kind"),
        }
    };
    assert_eq!(read(&bytes), Ok(()));
    for (at, reason) in [(60, "head_damaged"), (bytes.len() - 1, "blob_damaged")] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(read(&changed).unwrap_err().reason(), reason, "{at}");
    }
    assert_eq!(read(&bytes[..bytes.len() - 1]).unwrap_err().reason(), "truncated");
    assert_eq!(read(&[&bytes[..], b"x"].concat()).unwrap_err().reason(), "too_long");
    // Another licence under the same signature.
    let mut header = bundle.header.clone();
    header.facts = header.facts.replace("CC0-1.0", "MIT-1.0");
    let forged = carrel_bundle::frame(&serde_json::to_vec(&header).unwrap()).unwrap();
    assert_eq!(read(&forged).unwrap_err(), Fault::SignatureWrong);
    for facts in [
        Facts { license: " ".into(), ..facts("en") },
        Facts { lang: "english".into(), ..facts("en") },
        Facts { name: "x".repeat(3_000), ..facts("en") },
    ] {
        let refused = build(read_list_text(ENGLISH), &facts, &key(), &file);
        assert!(matches!(refused, Err(BuildFault::Pack(Error::File(_)))), "{facts:?}");
    }
}

#[test]
fn a_database_with_anything_else_is_no_pack() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.carrel");
    build(read_list_text(ENGLISH), &facts("en"), &key(), &file).unwrap();
    let (_, database) = install(&file);
    let changes = [
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON entry BEGIN SELECT 1; END",
        "CREATE TABLE other (a)",
        "CREATE INDEX i ON entry (rank)",
        "DROP TABLE stem",
        "DROP TABLE headword; CREATE VIEW headword AS SELECT 'a' AS key, 1 AS entry, 'a' AS headword",
        "PRAGMA user_version = 2",
        "PRAGMA application_id = 1",
    ];
    for sql in changes {
        let copy = dir.path().join("copy.sqlite");
        fs::copy(&database, &copy).unwrap();
        Connection::open(&copy).unwrap().execute_batch(sql).unwrap();
        let opened = Pack::open(&copy);
        assert!(matches!(opened, Err(Error::NotPack(_))), "{sql}: {opened:?}");
    }
    fs::write(dir.path().join("text"), "no database").unwrap();
    assert!(Pack::open(&dir.path().join("text")).is_err());
    assert!(Pack::open(&dir.path().join("missing")).is_err());
    // Meanings that are no list of meanings are an error, not a crash.
    let copy = dir.path().join("copy.sqlite");
    fs::copy(&database, &copy).unwrap();
    Connection::open(&copy).unwrap().execute_batch("UPDATE entry SET senses = '{}'").unwrap();
    let pack = Pack::open(&copy).unwrap();
    assert!(matches!(pack.entry(1), Err(Error::NotPack(_))));
}

/// Runs only where the Debian package `wordnet-base` is installed.
#[test]
fn wordnet_becomes_a_pack() {
    let folder = std::env::var_os("WORDNET_DIR").map_or("/usr/share/wordnet".into(), PathBuf::from);
    if !folder.join("index.noun").is_file() {
        return;
    }
    let source = read_wordnet(&folder).unwrap();
    assert_eq!(source.bad, []);
    let (_dir, pack) = pack_of(source, "en");
    for (text, expected) in [
        ("two riv|ers", "rivers>river Form"),
        ("the ge|ese", "geese>goose Form"),
        ("they w|ent", "went>go Form"),
        ("they clap|ped", "clapped>clap Form"),
        ("the cit|ies", "cities>city Form"),
        ("hap|pier", "happier>happy Form"),
    ] {
        assert_eq!(told(text, "en", &[&pack]), expected, "{text}");
    }
    let city = tap("in New Y|ork City", "en", &[&pack]).unwrap();
    assert!(
        city.hits.iter().any(|h| h.entry.headword == "New York City" && h.found == Found::Phrase)
    );
    let river = tap("the riv|er", "en", &[&pack]).unwrap();
    assert!(river.hits[0].entry.senses[0].gloss.starts_with("a large natural stream"), "{river:?}");
    assert!(river.hits[0].entry.rank.is_some_and(|rank| rank < 3_000));
}
