//! Measures the look-up of words in packs of 100,000 entries, in a script with spaces and in one without. Prints the
//! median and the 99th percentile: `cargo run --release -p carrel-dictionary --example latency`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use carrel_bundle::{Bundle, Fault, copy_verified};
use carrel_dictionary::{
    Entry, Facts, Lexicon, Pack, Sense, build, look_up,
    source::{Source, SourceEntry},
};
use carrel_model::Slug;
use ed25519_dalek::SigningKey;

const ENTRIES: usize = 100_000;
const TAPS: usize = 20_000;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let syllables = ["ka", "ri", "to", "men", "sul", "pa", "der", "ni", "vo", "lash"];
    let latin = |mut n: usize| {
        let mut word = String::new();
        for _ in 0..5 {
            word.push_str(syllables[n % 10]);
            n /= 10;
        }
        word
    };
    let han = |n: usize| -> String {
        let c = |n: usize| char::from_u32(0x4E00 + (n % 20_000) as u32).unwrap();
        if n < 20_000 { c(n).into() } else { [c(n), c(n / 5 + 7)].iter().collect() }
    };
    for (lang, words, separator) in [
        ("en", (0..ENTRIES).map(latin).collect::<Vec<_>>(), " "),
        ("zh", (0..ENTRIES).map(han).collect(), ""),
    ] {
        let entry = |(n, word): (usize, &String)| SourceEntry {
            line: n as u64,
            entry: Entry {
                headword: word.clone(),
                senses: vec![Sense { gloss: "a meaning ".repeat(8), ..Sense::default() }],
                rank: Some(n as u32 + 1),
                ..Entry::default()
            },
            forms: vec![format!("{word}s"), format!("{word}ed")],
            form_of: None,
        };
        let source =
            Source { entries: words.iter().enumerate().map(entry).collect(), bad: Vec::new() };
        let file = dir.path().join("pack.carrel");
        let facts = Facts {
            id: Slug::new("pack").unwrap(),
            name: "Pack".into(),
            lang: lang.into(),
            gloss_lang: "en".into(),
            license: "CC0-1.0".into(),
            source: "generated".into(),
            made_ms: 0,
            skips_bad_lines: false,
        };
        let started = Instant::now();
        let report = build(source, &facts, &SigningKey::from_bytes(&[1; 32]), &file).unwrap();
        println!(
            "{lang}: built {} entries, {} bytes in {:?}",
            report.entries,
            report.bytes,
            started.elapsed()
        );
        let bytes = std::fs::read(&file).unwrap();
        let mut reader = &bytes[..];
        let Bundle::Dictionary(bundle) =
            carrel_bundle::open(&mut reader, bytes.len() as u64).unwrap()
        else {
            return;
        };
        let mut data = Vec::new();
        copy_verified(&mut reader, &bundle.database(), |piece| {
            data.extend_from_slice(piece);
            Ok::<_, Fault>(())
        })
        .unwrap();
        let database = dir.path().join(format!("{lang}.sqlite"));
        std::fs::write(&database, data).unwrap();
        let pack = Pack::open(&database).unwrap();
        let mut times = Vec::with_capacity(TAPS);
        for tap in 0..TAPS {
            let text: Vec<&str> =
                (0..30).map(|n| &*words[(tap * 7_919 + n * 104_729) % ENTRIES]).collect();
            // Every third word has an ending that the table of forms lists or does not list.
            let text =
                text.join(separator).replace("kari", if tap % 2 == 0 { "karis" } else { "karix" });
            let mut at = (tap * 31) % text.len();
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let started = Instant::now();
            let found = look_up(&text, at, lang, &[&pack as &dyn Lexicon]).unwrap();
            times.push(started.elapsed());
            std::hint::black_box(found);
        }
        times.sort_unstable();
        let at = |share: usize| -> Duration { times[(TAPS * share / 1_000).min(TAPS - 1)] };
        println!("{lang}: {TAPS} taps, p50 {:?}, p99 {:?}, max {:?}", at(500), at(990), at(999));
    }
}
