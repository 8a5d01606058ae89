//! Measures search over 200,000 sections and 10,000 courses on the server and on a device, and grouped lists of stories.
//! `cargo xtask bench search`, `cargo xtask bench lists`.
//!
//! The texts have generated words with realistic frequencies (Zipf), in six scripts. The queries are words of these
//! frequencies, complete or typed in part, alone and combined, and the most common ones.

use std::{
    fmt::Write,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use carrel_content::{
    Content, ContentConfig,
    library::Filter,
    storage::{Storage, StorageOptions},
};
use carrel_net::LiveHttp;
use carrel_server::{Config, DataDir};
use carrel_sqlite::{Changes, rusqlite::Connection, search};
use carrel_system::{SystemClock, SystemDisk};
use carrel_testkit::SeededIds;
use serde_json::json;

use super::{Table, format_duration, median_and_p99};

const COURSES: u64 = 10_000;
const SECTIONS: u64 = 20;
const WORDS_PER_SECTION: usize = 60;
const VOCABULARY: usize = 30_000;
const MAX_MS: f64 = 20.0;
/// Stories of a library, and of a large one. Each family has five languages.
const STORIES: [u64; 2] = [2_000, 20_000];
const MAX_LIST_MS: f64 = 30.0;

/// A reproducible sequence of numbers (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n
    }
    /// Returns a rank with the frequency of Zipf's law: the n-th word is n times rarer than the first.
    fn rank(&mut self, n: usize) -> usize {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((n as f64).powf(unit) - 1.0) as usize
    }
}

struct Language {
    words: Vec<String>,
    has_spaces: bool,
}

impl Language {
    /// Makes words of the syllables; common words are short.
    fn new(numbers: &mut Numbers, syllables: &str) -> Self {
        let syllables: Vec<&str> = syllables.split(' ').collect();
        let mut words = Vec::with_capacity(VOCABULARY);
        let mut known = std::collections::HashSet::new();
        while words.len() < VOCABULARY {
            let digits = words.len().checked_ilog10().unwrap_or(0) as usize;
            let count = 1 + digits / 2 + numbers.below(3);
            let word: String =
                (0..count).map(|_| syllables[numbers.rank(syllables.len())]).collect();
            if known.insert(word.clone()) {
                words.push(word);
            }
        }
        Self { words, has_spaces: true }
    }
    /// A script without spaces, in which each character is a word.
    fn of_characters(first: u32, count: u32) -> Self {
        let words = (first..first + count).filter_map(char::from_u32).map(String::from).collect();
        Self { words, has_spaces: false }
    }
    fn text(&self, numbers: &mut Numbers, words: usize) -> String {
        let separator = if self.has_spaces { " " } else { "" };
        let words: Vec<&str> =
            (0..words).map(|_| &*self.words[numbers.rank(self.words.len())]).collect();
        words.join(separator)
    }
}

fn languages(numbers: &mut Numbers) -> Vec<Language> {
    let latin = "the in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi \
                 ri ro ic ne ea ra ce li ch ll be ma si om ur ca el ta la ns di fo ho pe ec pr no ct us ac ot il tr ly nc et \
                 ut ss so rs un lo wa ge ie wh ee wi em ad ol rt po we na ul ni ts mo ow pa im mi ai sh ir su id os iv ia \
                 am fi ci vi pl ig tu ev ld ry mp fe bl ab gh ty op wo sa ay ex ke fr oo av ag if ap gr od bo sp rd do uc \
                 bu ei ov by rm ep tt oc fa ef cu rn sc gi da yo cr cl du ga qu ue ff ba ey ls va um pp ua up lu go ht ru \
                 ug ds lt pi rc rr eg au ck ew mu br bi pt ak pu ui rg ib tl ny ki rk ys ob mm fu ph og ms ye ud mb ip ub oi \
                 rl gu dr hr cc tw ft wn nu af hu nn eo vo rv nf xp gn sm fl iz ok nl my gl aw ju oa eq sy sl ps jo lf nv je \
                 nk kn gs dy hy ze ks xt bs ik dd pt sw dv";
    let mut all = vec![Language::new(numbers, latin)];
    for (letters, count) in [("аоеинтсрвлкмдпу", 2), ("اليمونترهبسدكفع", 2), ("कनरसतमपलबदयव", 2)]
    {
        let letters: Vec<char> = letters.chars().collect();
        let syllables: Vec<String> = (0..60)
            .map(|_| (0..count).map(|_| letters[numbers.below(letters.len())]).collect())
            .collect();
        all.push(Language::new(numbers, &syllables.join(" ")));
    }
    all.push(Language::of_characters(0x4E00, 3_000));
    all.push(Language::of_characters(0xE01, 46));
    all
}

/// Language of a section: half of them Latin, a fifth Chinese.
fn language_of(section: u64) -> usize {
    [0, 1, 0, 2, 0, 4, 0, 3, 0, 4][section as usize % 10] + usize::from(section % 50 == 7) * 2
}

struct Texts {
    languages: Vec<Language>,
    numbers: Numbers,
}

impl Texts {
    fn new() -> Self {
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
        Self { languages: languages(&mut numbers), numbers }
    }
    /// Calls `insert` with course, section, title and text of each section.
    fn for_each(&mut self, mut insert: impl FnMut(u64, u64, &str, &str)) {
        for course in 0..COURSES {
            for section in 0..SECTIONS {
                let language = &self.languages[language_of(course * SECTIONS + section)];
                let words = WORDS_PER_SECTION / 2 + self.numbers.below(WORDS_PER_SECTION);
                let title = language.text(&mut self.numbers, 4);
                let text = language.text(&mut self.numbers, words);
                insert(course, section, &title, &text);
            }
        }
    }
    fn queries(&mut self) -> Vec<String> {
        let mut queries = Vec::new();
        for language in &self.languages {
            let word = |rank: usize| language.words[rank.min(language.words.len() - 1)].clone();
            for rank in [0, 1, 5, 20, 100, 1_000, 10_000] {
                let complete = word(rank);
                queries.extend([format!("{complete} {}", word(rank + 40)), complete.clone()]);
                // Typed letter by letter.
                for typed in 1..complete.chars().count() {
                    queries.push(complete.chars().take(typed).collect());
                }
            }
            queries.push((0..5).map(word).collect::<Vec<_>>().join(" "));
            queries.push(format!("{} {}", word(0), word(20_000)));
            for _ in 0..60 {
                let words = 1 + self.numbers.below(3);
                let mut query = language.text(&mut self.numbers, words);
                if self.numbers.below(2) == 0 && query.chars().count() > 2 {
                    query.pop();
                }
                queries.push(query);
            }
        }
        queries.push("not there at all zzz".to_owned());
        queries
    }
}

pub async fn measure(table: &mut Table, dir: &Path) {
    let server = server_with_sections(&dir.join("search-server"));
    let device = open_device(&dir.join("search-device"), fill_device);
    let queries = Texts::new().queries();
    let mut on_server = Times::default();
    let mut on_device = Times::default();
    for _ in 0..3 {
        for q in &queries {
            let start = Instant::now();
            server
                .store
                .search(q, carrel_server::store::Audience::All, 0, 50)
                .await
                .expect("found");
            on_server.add(q, start.elapsed());
            let start = Instant::now();
            device.library.search(q, 0, 50).expect("found");
            on_device.add(q, start.elapsed());
        }
    }
    on_server.row(table, "search in 200,000 sections, server: p99");
    on_device.row(table, "search in 200,000 sections, device: p99");
    device.close();
}

/// Measures the grouped list of stories of a library and of a large one. `cargo xtask bench lists`.
pub async fn measure_lists(table: &mut Table, dir: &Path) {
    let device = open_device(&dir.join("lists-device"), |_, _| {});
    for stories in STORIES {
        lists(table, &device, stories).await;
    }
    device.close();
}

#[derive(Default)]
struct Times {
    all: Vec<Duration>,
    slowest: (Duration, String),
}

impl Times {
    fn add(&mut self, q: &str, time: Duration) {
        self.all.push(time);
        if time > self.slowest.0 {
            self.slowest = (time, q.chars().take(12).collect());
        }
    }
    fn row(self, table: &mut Table, name: &str) {
        let (median, p99) = median_and_p99(self.all);
        let (slowest, q) = self.slowest;
        let p99_ms = p99.as_secs_f64() * 1e3;
        let slowest = format!("max {} {q:?}", format_duration(slowest));
        table.row(name, format!("p50 {}", format_duration(median)), slowest, p99_ms, MAX_MS, "ms");
    }
}

fn title_of(course: u64) -> String {
    format!("Course {course}")
}

fn server_with_sections(dir: &Path) -> DataDir {
    let data = DataDir::open(Config::new(dir)).expect("a data folder");
    let mut conn = Connection::open(dir.join("server.db")).expect("its database");
    let tx = conn.transaction().expect("a transaction");
    let insert = |course: u64, kind: &str, item: &str, title: &str, text: &str| {
        tx.prepare_cached(
            "INSERT INTO passage (root_kind, root, kind, item, lang, title, text) VALUES ('course', ?1, ?2, ?3, 'en', ?4, ?5)",
        )
        .and_then(|mut stmt| stmt.execute((format!("course-{course}"), kind, item, title, text)))
        .expect("inserted");
        let index = if kind == "course" { "publication_terms" } else { "passage_terms" };
        search::insert(&tx, index, tx.last_insert_rowid(), title, text).expect("indexed");
    };
    Texts::new().for_each(|course, section, title, text| {
        if section == 0 {
            insert(course, "course", &format!("course-{course}"), &title_of(course), title);
        }
        insert(course, "section", &format!("course-{course}/one/s{section}"), title, text);
    });
    tx.commit().expect("committed");
    data
}

/// Opens an empty device. `fill` adds texts to its storage and titles to its catalogue.
fn open_device(dir: &Path, fill: impl FnOnce(&Storage, &Content)) -> Arc<Content> {
    let changes = Changes::new();
    let clock = Arc::new(SystemClock::new());
    let storage = Storage::open(StorageOptions {
        dir: dir.to_owned(),
        policy_budget: None,
        disk: Arc::new(SystemDisk),
        clock: clock.clone(),
        changes: changes.clone(),
        failpoints: None,
        shared_store: None,
    })
    .expect("a store");
    let content = Content::open(ContentConfig {
        storage: storage.clone(),
        account_dir: dir.join("asha"),
        account: "asha".to_owned(),
        base_url: "http://127.0.0.1:9".to_owned(),
        mirror_url: None,
        http: Arc::new(LiveHttp::new("Carrel/bench").expect("a client")),
        clock,
        ids: Arc::new(SeededIds::new(1)),
        changes,
    })
    .expect("the content");
    fill(&storage, &content);
    content
}

fn fill_device(storage: &Storage, device: &Content) {
    let filled = storage.db().write_blocking("test", |tx| {
        // Another account has texts before and after those of this one.
        for (row, account) in [(1_i64 << 40, "before"), (3 << 40, "after")] {
            tx.execute(
                "INSERT INTO page_text (rowid, account, root, item, kind, title, course_title, body)
                 VALUES (?1, ?2, 'c', 'c/l/s', 'section', 'the', '', 'the')",
                (row, account),
            )?;
            search::insert(tx, "page_terms", row, "the", "the")?;
        }
        let mut row = 2 << 40;
        Texts::new().for_each(|course, section, title, text| {
            tx.prepare_cached(
                "INSERT INTO page_text (rowid, account, root, item, kind, title, course_title, body)
                 VALUES (?1, 'asha', ?2, ?3, 'section', ?4, ?5, ?6)",
            )
            .and_then(|mut stmt| {
                let item = format!("course-{course}/one/s{section}");
                stmt.execute((row, format!("course-{course}"), item, title, title_of(course), text))
            })
            .expect("inserted");
            search::insert(tx, "page_terms", row, title, text).expect("indexed");
            row += 1;
        });
        Ok(())
    });
    filled.expect("filled");
    let listed = device.library.cache().database().write_blocking("test", |tx| {
        Texts::new().for_each(|course, section, title, _| {
            if section == 0 {
                list(tx, "course", course as i64, &title_of(course), "en", title);
            }
        });
        Ok(())
    });
    listed.expect("listed");
}

fn list(conn: &Connection, kind: &str, n: i64, title: &str, lang: &str, description: &str) {
    let id = format!("{kind}-{n}");
    let family = if kind == "story" { format!("family-{}", n / 5) } else { String::new() };
    let group = if family.is_empty() { format!("i:{id}") } else { format!("f:{family}") };
    let mut summary = json!({
        "id": id, "title": title, "description": description, "category": "rivers", "lang": lang, "dir": "ltr",
        "level": n % 5 + 1, "license": "CC-BY-4.0", "version": "00".repeat(32), "tags": [],
        "family": family, "authors": ["A. Author"], "credits": "", "totalBytes": 1_000_000, "pageCount": 12, "narrated": true,
        "cover": { "color": "#28505a", "ornament": "waves" },
    })
    .to_string();
    // As long as the summary of a real story.
    let _ = write!(summary, "{:width$}", "", width = 700_usize.saturating_sub(summary.len()));
    conn.prepare_cached(
        "INSERT INTO listed (kind, id, position, title, difficulty, level, category, lang, summary, only_here, grouped_by)
         VALUES (?1, ?2, ?3, ?4, '', ?5, 'rivers', ?6, ?7, 0, ?8)",
    )
    .and_then(|mut stmt| stmt.execute((kind, &id, n, title, n % 5 + 1, lang, summary, group)))
    .expect("inserted");
    search::insert(conn, "listed_terms", conn.last_insert_rowid(), title, description)
        .expect("indexed");
}

/// Pages of the list with one entry for all languages of a story.
async fn lists(table: &mut Table, device: &Arc<Content>, stories: u64) {
    let now_ms = carrel_system::Clock::now_ms(&SystemClock::new());
    let filled = device.library.cache().database().write_blocking("test", |tx| {
        tx.execute("DELETE FROM listed WHERE kind = 'story'", [])?;
        tx.execute(
            "INSERT OR REPLACE INTO listed_state (kind, as_of_ms, digest) VALUES ('story', ?1, x'')",
            [now_ms],
        )?;
        for n in 0..stories as i64 {
            let lang = ["en", "fr", "sw", "pt-BR", "ar"][n as usize % 5];
            list(tx, "story", n, &format!("Story {n}"), lang, "A river and its sea");
        }
        Ok(())
    });
    filled.expect("filled");
    let all = Filter { grouped: true, limit: 60, ..Filter::default() };
    let languages = vec!["sw".to_owned(), "pt-PT".to_owned(), "pt".to_owned()];
    let filters = [
        ("one per family", all.clone()),
        ("in languages", Filter { langs: languages, ..all.clone() }),
        ("of a level", Filter { level: Some(2), ..all.clone() }),
        ("last page", Filter { offset: (stories / 5 - 60) as u32, ..all }),
    ];
    for (name, filter) in filters {
        let mut times = Vec::new();
        for _ in 0..21 {
            let start = Instant::now();
            let page = device.library.stories(&filter).await.expect("a page").value;
            times.push(start.elapsed());
            assert!(!page.items.is_empty() && page.total > 60, "{name}: {}", page.total);
        }
        let (median, p99) = median_and_p99(times);
        let name = format!("list of {stories} stories, {name}");
        let value = median.as_secs_f64() * 1e3;
        let p99 = format!("max {}", format_duration(p99));
        table.row(&name, format_duration(median), p99, value, MAX_LIST_MS, "ms");
    }
}
