//! Measures operations on a device's content in three sizes, 1x, 10x and 100x (10,000 courses, 200,000 sections, 50,000
//! blobs): open, sweep, storage page, list, search and eviction. `cargo xtask bench storage`.
//!
//! The budgets limit the time at 100x, and the exponent of its growth from 10x to 100x (1 is linear).
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use carrel_content::storage::{Storage, StorageOptions};
use carrel_model::BlobHash;
use carrel_sqlite::Changes;
use carrel_system::{SystemClock, SystemDisk};

use super::Table;

const COURSES: [u64; 3] = [100, 1_000, 10_000];
const SECTIONS: u64 = 20;
const BLOBS: u64 = 5;
/// Difference between the last uses of two consecutive courses.
const BETWEEN_USES_MS: i64 = 600_000;

/// (operation, maximum in ms at 100x)
const MAX_MS: [(&str, f64); 7] = [
    ("close and open", 100.0),
    // Compares every download with its record: 55 to 100 us each.
    ("open after a kill", 1_500.0),
    ("sweep", 3_000.0),
    ("storage page", 150.0),
    ("list of downloads", 30.0),
    ("search", 50.0),
    ("eviction of a tenth", 500.0),
];
/// Maximum exponent: cost must not grow faster than the data.
const MAX_EXPONENT: f64 = 1.15;
/// Name of the baseline of the eviction: the same number of rows deleted by two SQL statements. Its pages are ordered by
/// hash, so each deleted row writes pages of its own, and its exponent is above 1 too.
const DELETED_BY_HAND: &str = "the same rows deleted by SQL";
/// Maximum difference between the exponents of the eviction and of its baseline.
const MAX_OVER_BASELINE: f64 = 0.1;

pub fn measure(table: &mut Table, dir: &Path) {
    let rows: Vec<Vec<(&str, f64)>> =
        COURSES.iter().map(|n| measure_size(&dir.join(format!("content-{n}")), *n)).collect();
    for (n, (operation, max)) in MAX_MS.iter().enumerate() {
        let [one, ten, hundred] = [0, 1, 2].map(|size: usize| rows[size][n].1);
        assert_eq!(rows[0][n].0, *operation);
        let exponent = (hundred / ten).log10();
        let smaller = format!("1x {one:.2} ms, 10x {ten:.2} ms");
        let figure = format!("{hundred:.2} ms");
        table.row(&format!("100x content: {operation}"), figure, smaller, hundred, *max, "ms");
        // Below 1 ms the measurement is dominated by noise.
        if ten > 1.0 {
            let (baseline, max) = if *operation == "eviction of a tenth" {
                let by_hand = (rows[2][MAX_MS.len()].1 / rows[1][MAX_MS.len()].1).log10();
                let figures = format!("{DELETED_BY_HAND} {by_hand:.2}");
                (figures, MAX_EXPONENT.max(by_hand + MAX_OVER_BASELINE))
            } else {
                (String::new(), MAX_EXPONENT)
            };
            let growth = "  growth from 10x to 100x";
            table.row(growth, String::new(), baseline, exponent, max, "exponent");
        }
    }
}

fn measure_size(dir: &Path, courses: u64) -> Vec<(&'static str, f64)> {
    let filled = open(dir);
    fill(&filled, courses);
    // The sweep writes the records of the downloads, which `fill` does not write.
    filled.sweep().expect("swept");
    filled.close();
    drop(filled);
    let opened = median(5, || open(dir).close());
    let after_kill = median(5, || drop(open(dir)));
    let storage = open(dir);
    let swept = median(1, || assert_eq!(storage.sweep().expect("swept"), Default::default()));
    let page = median(5, || {
        let figures = storage.figures("asha").expect("figures");
        assert_eq!(figures.mine, courses * (BLOBS - 1) * 100);
        assert_eq!(storage.courses("asha", 0, 50).expect("rows").1, courses);
    });
    let list = median(5, || {
        let listed = storage.db().read_blocking(|conn| {
            let mut stmt = conn.prepare_cached("SELECT d.id, d.phase, v.hash FROM download d LEFT JOIN version v ON v.version = d.ready WHERE d.account = 'asha' AND d.kind = 'course' AND d.scope = ''")?;
            Ok(stmt.query_map([], |r| r.get::<_, String>(0))?.count())
        });
        assert_eq!(listed.expect("listed") as u64, courses);
    });
    let search = median(5, || {
        let hits = storage.db().read_blocking(|conn| {
            let mut stmt = conn.prepare_cached("SELECT t.item FROM page_terms JOIN page_text t ON t.rowid = page_terms.rowid WHERE page_terms MATCH 'meander7' ORDER BY bm25(page_terms) LIMIT 40")?;
            Ok(stmt.query_map([], |r| r.get::<_, String>(0))?.count())
        });
        assert!(hits.expect("found") > 0);
    });
    let evicted = median(1, || {
        let freed = storage.evict(courses * 100 / 10).expect("freed");
        assert!(freed >= courses * 10);
    });
    let by_hand = median(1, || delete_by_hand(&storage, courses / 10));
    vec![
        ("close and open", opened),
        ("open after a kill", after_kill),
        ("sweep", swept),
        ("storage page", page),
        ("list of downloads", list),
        ("search", search),
        ("eviction of a tenth", evicted),
        (DELETED_BY_HAND, by_hand),
    ]
}

/// Deletes the rows of the `count` blobs that were used the longest time ago, in one transaction.
fn delete_by_hand(storage: &Storage, count: u64) {
    const OLDEST: &str =
        "SELECT hash FROM blob b WHERE NOT EXISTS (SELECT 1 FROM need n WHERE n.hash = b.hash)
                          ORDER BY used_ms LIMIT ?1";
    let deleted = storage.db().write_blocking("test", |tx| {
        tx.execute(&format!("DELETE FROM blob_body WHERE hash IN ({OLDEST})"), [count as i64])?;
        Ok(tx.execute(&format!("DELETE FROM blob WHERE hash IN ({OLDEST})"), [count as i64])?)
    });
    assert_eq!(deleted.expect("deleted") as u64, count);
}

fn open(dir: &Path) -> Storage {
    let storage = Storage::open(StorageOptions {
        dir: dir.to_owned(),
        policy_budget: None,
        disk: Arc::new(SystemDisk),
        clock: Arc::new(SystemClock::new()),
        changes: Changes::new(),
        failpoints: None,
        shared_store: None,
    });
    storage.expect("a store")
}

/// Inserts the content: four blobs of each course are pinned (one of them a file), the fifth was only opened once.
fn fill(storage: &Storage, courses: u64) {
    let blobs = storage.dir().join("blobs");
    let filled = storage.db().write_blocking("test", |tx| {
        for n in 0..courses {
            let hashes: Vec<_> = (0..BLOBS).map(|b| BlobHash::of(format!("{n}/{b}").as_bytes())).collect();
            for (b, hash) in hashes.iter().enumerate() {
                let inline = b != 0;
                tx.prepare_cached("INSERT INTO blob (hash, size, inline, kind, origin, used_ms, proved_ms) VALUES (?1, 100, ?2, ?3, 1, ?4, 1)")?
                    .execute((hash.0, inline, b as i64 % 5, n as i64 * BETWEEN_USES_MS))?;
                if inline {
                    tx.prepare_cached("INSERT INTO blob_body (hash, body) VALUES (?1, ?2)")?.execute((hash.0, [7_u8; 100]))?;
                } else {
                    let hex = hash.to_hex();
                    std::fs::create_dir_all(blobs.join(&hex[..2]))?;
                    std::fs::write(blobs.join(&hex[..2]).join(hex), [7; 100])?;
                }
            }
            let bytes = (BLOBS - 1) as i64 * 100;
            tx.prepare_cached(
                "INSERT INTO version (hash, scope, signer, kind, id, files, bytes, text_bytes, picture_bytes, audio_bytes, video_bytes,
                                      other_bytes)
                 VALUES (?1, '', 'k', 'course', ?2, 4, ?3, ?3, 0, 0, 0, 0)",
            )?
            .execute((BlobHash::of(&n.to_le_bytes()).0, format!("course-{n}"), bytes))?;
            let version = tx.last_insert_rowid();
            tx.prepare_cached("INSERT INTO manifest (version, signed) VALUES (?1, ?2)")?
                .execute((version, "{}".repeat(2_000)))?;
            for hash in &hashes[..BLOBS as usize - 1] {
                tx.prepare_cached("INSERT INTO need (version, hash, size, kind) VALUES (?1, ?2, 100, 0)")?.execute((version, hash.0))?;
            }
            tx.prepare_cached(
                "INSERT INTO download (account, kind, id, scope, phase, reason, bytes_done, bytes_total, wanted, ready, pinned,
                                       requested_ms, used_ms, checked_ms)
                 VALUES ('asha', 'course', ?1, '', 'ready', '', ?2, ?2, NULL, ?3, 1, 0, 0, 1)",
            )?
            .execute((format!("course-{n}"), bytes, version))?;
            for s in 0..SECTIONS {
                let title = format!("Section {s}");
                let text = format!("the river{} takes from the outside of the meander{} and leaves sand{}", n % 97, (n * SECTIONS + s) % 1_009, s);
                tx.prepare_cached(
                    "INSERT INTO page_text (account, root, item, kind, title, course_title, body) VALUES ('asha', ?1, ?2, 'section', ?3, ?4, ?5)",
                )?
                .execute((
                    format!("course-{n}"),
                    format!("course-{n}/lesson/section-{s}"),
                    &title,
                    format!("Course {n}"),
                    &text,
                ))?;
                carrel_sqlite::search::insert(tx, "page_terms", tx.last_insert_rowid(), &title, &text)?;
            }
        }
        Ok(())
    });
    filled.expect("filled");
    storage
        .db()
        .with_connection(|conn| {
            Ok(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
        })
        .expect("checkpointed");
}

/// Returns the median of `n` runs in milliseconds.
fn median(n: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<Duration> = (0..n)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[n / 2].as_secs_f64() * 1e3
}
