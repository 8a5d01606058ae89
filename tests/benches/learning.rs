//! What a learner waits for while they study: the card of a tapped word, the queue of the day, an answer, and the training
//! of the schedule.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use carrel_client::{
    Client, OpenAccount,
    learning::{OWN_WORDS, ReviewAnswer},
};
use carrel_commands::dispatch;
use carrel_dictionary::{
    Entry, Facts, Sense, build,
    source::{Source, SourceEntry},
};
use carrel_model::{
    CardKey, EventId, ItemId, Slug,
    lattice::{Review, ReviewKind},
};
use carrel_net::Http;
use carrel_testkit::content;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

use crate::{
    BenchHost, PASSWORD, format_duration, micros, open_client, table::Table, table::median_and_p99,
    timed,
};

/// Entries of each dictionary pack.
const ENTRIES: usize = 100_000;
const TAPS: usize = 5_000;
/// Cards and answers of a learner of several years.
const CARDS: usize = 5_000;
const ANSWERS_PER_CARD: usize = 20;

/// Measures with the accounts of two learners: one with 100,000 answers, one with 6,000.
pub async fn measure(table: &mut Table, http: Arc<dyn Http>, url: &str, dir: &Path) {
    let client = open_client(&dir.join("scholar"), http, 21).await;
    let few = client.register(url, "few", "Few", PASSWORD).await.expect("an account");
    add_reviews(&few, 300, 21).await;
    training(table, &few).await;
    let account = client.register(url, "many", "Many", PASSWORD).await.expect("an account");
    add_reviews(&account, CARDS, ANSWERS_PER_CARD).await;
    queue(table, &account).await;
    send_all(&account).await;
    answers(table, &account, dir).await;
    taps(table, &client, dir).await;
    client.close().await;
}

fn word(n: usize) -> String {
    const SYLLABLES: [&str; 10] = ["ka", "ri", "to", "men", "sul", "pa", "der", "ni", "vo", "lash"];
    (0..5_u32).map(|place| SYLLABLES[n / 10_usize.pow(place) % 10]).collect()
}

/// Adds cards to the review list and answers each `answers` times, the last time some days ago. All cards are due or
/// become due within weeks.
async fn add_reviews(account: &OpenAccount, cards: usize, answers: usize) {
    const DAY_MS: i64 = 86_400_000;
    let today = i32::try_from(account.store.clock().now_ms() / DAY_MS).expect("a day");
    let review = |n: u128, card: usize, day: i32, rating: u8, kind: ReviewKind| {
        let card = CardKey::of_word("en", None, &word(card));
        Review {
            id: EventId::from_u128(n),
            word: ItemId::new(format!("{OWN_WORDS}/w{n}")).expect("an id"),
            rating,
            at_ms: i64::from(day) * DAY_MS + (n % 80_000_000) as i64,
            duration_ms: 4_000,
            day: Some(day),
            off_min: Some(0),
            kind: Some(kind),
            card: Some(card),
            params: Some(String::new()),
            extra: Default::default(),
        }
    };
    account
        .store
        .write("bench", move |tx| {
            let mut n = 0;
            for card in 0..cards {
                let mut day = today - 420 - (card % 30) as i32;
                n += 1;
                let added = review(n, card, day, 0, ReviewKind::Learn);
                let item = added.word.clone();
                tx.join(added)?;
                for answer in 0..answers {
                    n += 1;
                    // Learners forget about one card in nine.
                    let rating = if (card * 7 + answer * 5) % 9 == 0 { 1 } else { 3 };
                    let given = review(n, card, day, rating, ReviewKind::Review);
                    tx.join(Review { word: item.clone(), ..given })?;
                    day += 1 + ((card + answer * answer) % 40) as i32;
                }
            }
            Ok(())
        })
        .await
        .expect("written");
}

async fn training(table: &mut Table, account: &OpenAccount) {
    let mut times = Vec::new();
    let mut count = 0;
    for _ in 0..9 {
        let start = Instant::now();
        count = account.learning.train_parameters().await.expect("trained").reviews;
        times.push(start.elapsed());
    }
    assert_eq!(count, 6_000, "answers that can be predicted");
    let (p50, _) = median_and_p99(times);
    table.row(
        "train the schedule with 6,000 answers",
        format_duration(p50),
        "reading, training, two comparisons".into(),
        micros(p50) / 1e3,
        100.0,
        "ms",
    );
}

async fn queue(table: &mut Table, account: &OpenAccount) {
    let start = Instant::now();
    let queue = account.learning.review_queue(20).await.expect("a queue");
    let first = start.elapsed();
    assert_eq!(queue.cards.len(), 20);
    let mut times = Vec::new();
    for _ in 0..100 {
        let start = Instant::now();
        account.learning.review_queue(20).await.expect("a queue");
        times.push(start.elapsed());
    }
    let (p50, p99) = median_and_p99(times);
    table.row(
        "queue of the day, 100,000 answers, 5,000 cards",
        format!("{} p99 {}", format_duration(p50), format_duration(p99)),
        format!("with all states computed: {}", format_duration(first)),
        micros(p99) / 1e3,
        50.0,
        "ms p99",
    );
}

/// Sends all rows to the server, so that nothing else writes while answers are measured.
async fn send_all(account: &OpenAccount) {
    while account.sync.sync_now().await.expect("synced").waiting > 0 {}
}

async fn answers(table: &mut Table, account: &OpenAccount, dir: &Path) {
    let conn = carrel_sqlite::open(&dir.join("answers.db"), Default::default()).expect("a file");
    conn.execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT NOT NULL)").expect("a table");
    let queue = account.learning.review_queue(100).await.expect("a queue");
    let (mut commits, mut stored, mut shown) = (Vec::new(), Vec::new(), Vec::new());
    for (n, card) in queue.cards.into_iter().enumerate() {
        commits.push(timed(|| {
            conn.execute(
                "INSERT OR REPLACE INTO t VALUES (?1, 'a row')",
                [i64::try_from(n).expect("a number")],
            )
            .expect("committed");
        }));
        let answer = ReviewAnswer {
            event: card.event,
            card: card.card,
            item: card.item,
            kind: card.kind,
            rating: 3,
            duration_ms: 2_000,
        };
        let start = Instant::now();
        account.learning.answer_card(answer).await.expect("stored");
        stored.push(start.elapsed());
        let start = Instant::now();
        account.learning.review_queue(20).await.expect("a queue");
        shown.push(start.elapsed());
    }
    let ((commit, _), (p50, p99)) = (median_and_p99(commits), median_and_p99(stored));
    table.row(
        "store an answer of a review, durable",
        format!("{} p99 {}", format_duration(p50), format_duration(p99)),
        format!("commit {}", format_duration(commit)),
        micros(p99) / 1e3,
        5.0,
        "ms p99",
    );
    let (p50, p99) = median_and_p99(shown);
    table.row(
        "  then the next cards (without paint)",
        format!("{} p99 {}", format_duration(p50), format_duration(p99)),
        "budget with paint 50 ms".into(),
        micros(p99) / 1e3,
        50.0,
        "ms p99",
    );
}

/// Writes a pack with 100,000 entries, each with two forms, and returns its words.
fn write_pack(file: &Path, lang: &str, word: impl Fn(usize) -> String) -> Vec<String> {
    let words: Vec<String> = (0..ENTRIES).map(word).collect();
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
    let source = Source { entries: words.iter().enumerate().map(entry).collect(), bad: Vec::new() };
    let facts = Facts {
        id: Slug::new(format!("pack-{lang}")).expect("an id"),
        name: "Pack".into(),
        lang: lang.into(),
        gloss_lang: "en".into(),
        license: "CC0-1.0".into(),
        source: "generated".into(),
        made_ms: 0,
        skips_bad_lines: false,
    };
    let report = build(source, &facts, &SigningKey::from_bytes(&[1; 32]), file).expect("a pack");
    assert_eq!(report.entries, ENTRIES as u64);
    words
}

/// Measures the command that the page calls for a tapped word: the words of the lesson's course, the pack, the meaning, and
/// what the learner set for the card.
async fn taps(table: &mut Table, client: &Arc<Client>, dir: &Path) {
    let host = BenchHost(client.clone());
    let run = |name: &'static str, request: Value| {
        let host = &host;
        async move { dispatch(host, name, request).await.expect(name) }
    };
    let han = |n: usize| -> String {
        let letter = |n: usize| char::from_u32(0x4E00 + (n % 20_000) as u32).expect("a letter");
        if n < 20_000 { letter(n).into() } else { [letter(n), letter(n / 5 + 7)].iter().collect() }
    };
    let item = content::sections()[0].to_string();
    for (lang, name, separator) in [("en", "with spaces", " "), ("zh", "without spaces", "")] {
        let file = dir.join(format!("{lang}.carrel"));
        let words = match lang {
            "en" => write_pack(&file, lang, word),
            _ => write_pack(&file, lang, han),
        };
        let path = file.to_str().expect("a path");
        let inspected = run("inspect_file", json!({ "path": path })).await;
        let accept = json!({ "path": path, "accept": inspected["fingerprint"] });
        run("import_dictionary", accept).await;
        let mut times: Vec<Duration> = Vec::with_capacity(TAPS);
        let mut found = 0;
        for tap in 0..TAPS {
            let text: Vec<&str> =
                (0..30).map(|n| &*words[(tap * 7_919 + n * 104_729) % ENTRIES]).collect();
            // Every tenth word is a form, every other one of these is not in the table of forms.
            let ending = if tap % 2 == 0 { "karis" } else { "karix" };
            let text = text.join(separator).replace("kari", ending);
            let at = (tap * 31) % text.encode_utf16().count();
            let request = json!({ "item": item, "lang": lang, "text": text, "at": at });
            let start = Instant::now();
            let reply = run("look_up_word", request).await;
            times.push(start.elapsed());
            found += usize::from(!reply["word"]["entries"][0]["entry"]["meaning"].is_null());
        }
        assert!(found > TAPS / 2, "only {found} taps found a word");
        let (p50, p99) = median_and_p99(times);
        table.row(
            &format!("word tap to card, 100,000 entries, {name}"),
            format!("{} p99 {}", format_duration(p50), format_duration(p99)),
            format!("{TAPS} taps, list of {CARDS} words"),
            micros(p99) / 1e3,
            10.0,
            "ms p99",
        );
    }
}
