//! Damages `user.db` in many ways, and interrupts a repair at each of its steps: every acknowledged change is restored
//! or reported by key. No network.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use carrel_learning::{
    Error, Learning, Step,
    store::{Failpoints, MIGRATIONS, Repair, Store, checked, outbox},
};
use carrel_model::{
    BlobHash,
    content::Response,
    lattice::{ItemKind, Join, Row, RowKey, RowType},
};
use carrel_sqlite::{Cause, DatabaseError, rows::SPECS};
use carrel_testkit::{
    FakeClock, SeededIds, SeededRng,
    scratch::{copy_dir, scratch},
    work::{finished, item, options, slug},
};
use tempfile::TempDir;

type Rows = BTreeMap<RowKey, Row>;

/// Returns the number of runs: `long` if `CARREL_LONG` is set.
fn runs(usual: u64, long: u64) -> u64 {
    if std::env::var_os("CARREL_LONG").is_some() { long } else { usual }
}
/// An account folder after a run, with the rows that were acknowledged.
struct Folder {
    dir: TempDir,
    clock: FakeClock,
    rows: Rows,
}

async fn all(store: &Store) -> Rows {
    let read = store.read(|conn| {
        let mut rows = Rows::new();
        for row_type in RowType::ALL {
            rows.extend(checked::all(conn, *row_type)?.into_iter().map(|r| (r.key(), r)));
        }
        Ok(rows)
    });
    read.await.unwrap()
}

async fn study(learning: &Learning, clock: &FakeClock, from: usize, to: usize) {
    for n in from..to {
        learning.record(finished(&format!("rivers/l{}/s{n}", n % 7))).await.unwrap();
        let read = item(&format!("rivers/story{}", n % 5));
        let pos = Some(format!("page {n}"));
        let percent = Some((n * 97 % 10_000) as u16);
        learning
            .record(Step { percent, pos, ..Step::at(ItemKind::Story, read.clone()) })
            .await
            .unwrap();
        learning.save_word(&item(&format!("rivers/word{n}")), None, true).await.unwrap();
        learning.study_heartbeat(&read, true).await.unwrap();
        clock.advance(5_000);
        learning.study_heartbeat(&read, true).await.unwrap();
        let theme = serde_json::json!(format!("theme {n}"));
        learning.set_settings(BTreeMap::from([("theme".to_owned(), theme)])).await.unwrap();
        if n % 4 == 0 {
            let quiz = item(&format!("rivers/quiz{n}"));
            let attempt = learning.start_attempt(&quiz, BlobHash::of(b"quiz")).await.unwrap();
            let response = Response::Fill { texts: vec![n.to_string()] };
            learning.save_answer(attempt.attempt.id, &slug("fast"), &response).await.unwrap();
            learning.submit_attempt(attempt.attempt.id).await.unwrap();
        }
    }
}

/// Creates a folder with two days of work. `closed`: the file was closed; otherwise its log is not checkpointed, as
/// after a kill.
async fn folder_with_work(closed: bool) -> Folder {
    let (live, dir, clock) = (scratch(), scratch(), FakeClock::noon());
    let store = Arc::new(Store::open(live.path(), options(1, &clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(7)));
    study(&learning, &clock, 0, 40).await;
    store.maintain().await.unwrap();
    study(&learning, &clock, 40, 80).await;
    clock.advance(25 * 3_600_000);
    store.maintain().await.unwrap();
    study(&learning, &clock, 80, 120).await;
    let rows = all(&store).await;
    if closed {
        store.close().await;
    }
    copy_dir(live.path(), dir.path()).unwrap();
    Folder { dir, clock, rows }
}

/// Opens the folder, and asserts that each acknowledged change is present or reported.
async fn check(what: &str, dir: &Path, clock: &FakeClock, rows: &Rows) -> Option<Repair> {
    let store = Store::open(dir, options(1, clock)).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(store.read_only().is_none(), "{what}: {:?}", store.read_only());
    let now = all(&store).await;
    let repair = store.last_repair();
    let reported = repair.as_ref().map(|r| r.lost.clone()).unwrap_or_default();
    for (key, row) in rows {
        if reported.contains(key) {
            continue;
        }
        let found = now.get(key).unwrap_or_else(|| {
            panic!("{what}: {key:?} is missing and not reported; {:?}", store.opened())
        });
        let mut joined = found.clone();
        joined.join(row);
        assert_eq!(&joined, found, "{what}: an acknowledged change of {key:?} is missing");
    }
    let store = Arc::new(store);
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(8)));
    assert!(learning.record(finished("after/l/s")).await.unwrap().row.done_ms.is_some(), "{what}");
    store.close().await;
    repair
}

fn flip_bits(path: &Path, rng: &SeededRng, times: u64) {
    let Ok(mut bytes) = fs::read(path) else { return };
    if bytes.is_empty() {
        return;
    }
    for _ in 0..times {
        let at = rng.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << rng.below(8);
    }
    fs::write(path, bytes).unwrap();
}

fn newest_backup(dir: &Path) -> PathBuf {
    let mut backups: Vec<PathBuf> =
        fs::read_dir(dir.join("backups")).unwrap().map(|f| f.unwrap().path()).collect();
    backups.sort();
    backups.pop().unwrap()
}

/// Damages files of the folder; returns a description.
fn damage(dir: &Path, seed: u64, rng: &SeededRng) -> String {
    let (db, log) = (dir.join("user.db"), dir.join("user.db-wal"));
    let what = match seed % 14 {
        0 => {
            flip_bits(&db, rng, 1 + rng.below(20));
            "a few bits of the file"
        }
        1 => {
            flip_bits(&db, rng, 500);
            "many bits of the file"
        }
        2 => {
            let bytes = fs::read(&db).unwrap();
            fs::write(&db, &bytes[..rng.below(bytes.len() as u64) as usize]).unwrap();
            "the end of the file"
        }
        3 => {
            fs::write(&db, b"").unwrap();
            "all bytes of the file"
        }
        4 => {
            fs::write(&db, "this is a text\n".repeat(rng.below(900) as usize + 1)).unwrap();
            "text instead of a database"
        }
        5 => {
            fs::remove_file(&db).unwrap();
            "the file is deleted"
        }
        6 => {
            flip_bits(&log, rng, 1 + rng.below(30));
            "bits of the log"
        }
        7 => {
            let _ = fs::remove_file(&log);
            "the log is deleted"
        }
        8 => {
            let mut bytes = fs::read(&db).unwrap();
            let page = rng.below(bytes.len() as u64 / 4096) as usize * 4096;
            bytes[page..page + 4096].fill(0xa5);
            fs::write(&db, bytes).unwrap();
            "a page of the file"
        }
        9 => {
            let mut bytes = fs::read(&db).unwrap();
            bytes[rng.below(100) as usize] ^= 0xff;
            fs::write(&db, bytes).unwrap();
            "the header of the file"
        }
        10 => {
            flip_bits(&db, rng, 50);
            flip_bits(&log, rng, 50);
            "the file and the log"
        }
        11 => {
            fs::write(&db, vec![0; 70_000]).unwrap();
            fs::write(newest_backup(dir), b"no backup").unwrap();
            "the file and the newest backup"
        }
        12 => {
            // A backup copied by hand, beside the log of the replaced file.
            fs::copy(newest_backup(dir), &db).unwrap();
            "an older file with a newer log"
        }
        _ => {
            fs::write(&db, b"").unwrap();
            let _ = fs::remove_file(&log);
            let _ = fs::remove_file(dir.join("user.lock"));
            "the file, the log and the lock"
        }
    };
    format!("seed {seed}: {what}")
}

#[tokio::test]
async fn damaged_files_are_repaired_without_loss() {
    let folders = [folder_with_work(true).await, folder_with_work(false).await];
    let mut repaired = 0;
    for seed in 0..runs(56, 200) {
        let folder = &folders[(seed / 14 % 2) as usize];
        let dir = scratch();
        copy_dir(folder.dir.path(), dir.path()).unwrap();
        let before: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path()).collect();
        let what = damage(dir.path(), seed, &SeededRng::new(seed));
        let damaged = fs::read(dir.path().join("user.db")).unwrap_or_default();
        let lost = check(&what, dir.path(), &folder.clock, &folder.rows).await;
        assert_eq!(lost, None, "{what}: backup and journal contain all changes");
        // The damaged file is kept.
        let kept = fs::read_dir(dir.path()).unwrap().flatten().find(|f| {
            f.file_name().to_string_lossy().starts_with("user.damaged-")
                && f.file_name().to_string_lossy().ends_with(".db")
        });
        if let Some(kept) = kept {
            repaired += 1;
            assert_eq!(
                fs::read(kept.path()).unwrap(),
                damaged,
                "{what}: the kept file is unchanged"
            );
        }
        assert!(before.iter().all(|f| f.exists() || f.extension().is_none_or(|e| e != "db")));
    }
    assert!(repaired > 10, "{repaired} files were repaired");
}

#[tokio::test]
async fn without_a_journal_unreadable_rows_are_reported() {
    let folder = folder_with_work(true).await;
    let (mut named, mut periods) = (0, 0);
    for seed in 0..runs(10, 60) {
        let dir = scratch();
        copy_dir(folder.dir.path(), dir.path()).unwrap();
        // Like the folder of an earlier release: only an old backup, no journal.
        fs::remove_dir_all(dir.path().join("journal")).unwrap();
        fs::remove_file(newest_backup(dir.path())).unwrap();
        let rng = SeededRng::new(seed);
        let path = dir.path().join("user.db");
        let mut bytes = fs::read(&path).unwrap();
        for _ in 0..6 {
            let page = (1 + rng.below(bytes.len() as u64 / 4096 - 1)) as usize * 4096;
            bytes[page..page + 4096].fill(0);
        }
        fs::write(&path, bytes).unwrap();
        let store = Store::open(dir.path(), options(1, &folder.clock)).unwrap();
        let now = all(&store).await;
        let missing: Vec<&RowKey> = folder.rows.keys().filter(|k| !now.contains_key(k)).collect();
        let Some(repair) = store.last_repair() else {
            assert!(missing.is_empty(), "seed {seed}: {missing:?} without a report");
            continue;
        };
        named += repair.lost.len();
        periods += usize::from(repair.unknown_since_ms.is_some());
        assert!(
            missing.iter().all(|k| repair.lost.contains(k)) || repair.unknown_since_ms.is_some(),
            "seed {seed}: {missing:?}"
        );
        assert!(
            repair.lost.iter().all(|k| !now.contains_key(k)),
            "present rows are not reported as lost"
        );
        // The report is kept until it is marked as read.
        store.close().await;
        drop(store);
        let store = Store::open(dir.path(), options(1, &folder.clock)).unwrap();
        assert_eq!(store.last_repair(), Some(repair));
        store.forget_repair().unwrap();
        assert_eq!(store.last_repair(), None);
        drop(store);
        let store = Store::open(dir.path(), options(1, &folder.clock)).unwrap();
        assert_eq!(store.last_repair(), None);
    }
    assert!(named > 0 && periods > 0, "{named} reported rows, {periods} reported periods");
}

#[tokio::test]
async fn unfinished_backups_are_removed_at_start_up() {
    let folder = folder_with_work(false).await;
    let backups = folder.dir.path().join("backups");
    let names = || -> Vec<_> {
        fs::read_dir(&backups)
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let before = names();
    for name in ["daily-7.db.part", "before-0003-9.db.part"] {
        fs::write(backups.join(name), "half a backup").unwrap();
    }
    let store = Store::open(folder.dir.path(), options(1, &folder.clock)).unwrap();
    let (mut before, mut after) = (before, names());
    before.sort();
    after.sort();
    assert_eq!(after, before, "finished backups are kept");
    store.close().await;
}

/// An earlier release renamed the damaged file before it wrote the new one: after a kill between the two there is no
/// `user.db`, only the renamed file and perhaps a backup.
#[tokio::test]
async fn a_file_renamed_but_not_replaced_by_an_earlier_release_is_recovered() {
    for closed in [true, false] {
        let folder = folder_with_work(closed).await;
        for (backup, journal) in [(true, true), (true, false), (false, true), (false, false)] {
            let what = format!("closed {closed}, backup {backup}, journal {journal}");
            let dir = scratch();
            copy_dir(folder.dir.path(), dir.path()).unwrap();
            for suffix in ["", "-wal", "-shm"] {
                let name = |start: &str| dir.path().join(format!("{start}.db{suffix}"));
                let _ = fs::rename(name("user"), name("user.damaged-7"));
            }
            if !backup {
                fs::remove_dir_all(dir.path().join("backups")).unwrap();
            }
            if !journal {
                fs::remove_dir_all(dir.path().join("journal")).unwrap();
            }
            let lost = check(&what, dir.path(), &folder.clock, &folder.rows).await;
            assert!(lost.is_none_or(|r| r.lost.is_empty()), "{what}: all rows are readable");
        }
    }
}

/// Writes the rows of `folder` to a file with only the first `schema` migrations: without later tables and columns, and
/// with the fields of later releases as unknown ones.
fn as_of_schema(folder: &Folder, schema: usize, path: &Path) {
    let mut conn = carrel_sqlite::open(path, Default::default()).unwrap();
    carrel_sqlite::migrate(&mut conn, &MIGRATIONS[..schema], None, 0).unwrap();
    let now = folder.dir.path().join("user.db");
    conn.execute("ATTACH ?1 AS now", [now.to_str().unwrap()]).unwrap();
    for spec in &SPECS {
        let mut stmt = conn.prepare("SELECT name FROM pragma_table_info(?1, 'main')").unwrap();
        let present = stmt.query_map([spec.table], |r| r.get(0)).unwrap();
        let present: Vec<String> = present.collect::<Result<_, _>>().unwrap();
        let has = |name: &str| present.iter().any(|column| column == name);
        let mut unknown: Vec<&str> = Vec::new();
        if spec.table == "attempt" && !has("answers") {
            unknown.push("iif(answers = '', '{}', json_object('answers', json(answers)))");
        }
        match spec.table {
            "attempt" if !has("day") => unknown.push("json_object('day', day, 'offMin', off_min)"),
            "study_session" if !has("off_min") => unknown.push("json_object('offMin', off_min)"),
            "review" if !has("day") => unknown.push(
                "json_object('day', day, 'offMin', off_min, 'kind', kind, 'card', card, \
                 'params', iif(params = '-', '', params))",
            ),
            _ => {}
        }
        let extra = match unknown.as_slice() {
            [] => "extra".to_owned(),
            [one] => (*one).to_owned(),
            [one, other, ..] => format!("json_patch({one}, {other})"),
        };
        let values: Vec<&str> = present
            .iter()
            .map(|name| if name == "extra" { extra.as_str() } else { name.as_str() })
            .collect();
        let (names, values) = (present.join(", "), values.join(", "));
        let sql =
            format!("INSERT INTO main.{0} ({names}) SELECT {values} FROM now.{0}", spec.table);
        conn.execute(&sql, []).unwrap();
    }
    conn.execute_batch("DETACH now; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// A damaged file of an earlier release, without backup and journal: its readable rows are read in the format of that
/// release.
#[tokio::test]
async fn a_damaged_file_of_an_earlier_schema_keeps_its_readable_rows() {
    let folder = folder_with_work(true).await;
    let attempts = |rows: &Rows| -> usize {
        rows.values()
            .filter(|r| matches!(r, Row::Attempt(a) if a.answers.as_ref().is_some_and(|a| !a.is_empty())))
            .count()
    };
    assert!(attempts(&folder.rows) >= 20, "attempts with submitted answers");
    for schema in 1..=MIGRATIONS.len() {
        for table in ["kv", "progress", "answer"] {
            let what = format!("schema {schema}, {table}");
            let dir = scratch();
            let path = dir.path().join("user.db");
            as_of_schema(&folder, schema, &path);
            let conn = carrel_sqlite::open(&path, Default::default()).unwrap();
            let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
            let page: i64 = conn.query_row(sql, [table], |r| r.get(0)).unwrap();
            let page = usize::try_from(page).unwrap();
            drop(conn);
            let mut bytes = fs::read(&path).unwrap();
            bytes[(page - 1) * 4096..page * 4096].fill(0xa5);
            fs::write(&path, bytes).unwrap();

            let store = Store::open(dir.path(), options(1, &folder.clock)).unwrap();
            let repair = store.last_repair().expect(&what);
            assert_eq!(
                repair.unknown_since_ms,
                Some(0),
                "{what}: rows may be missing since the beginning"
            );
            let now = all(&store).await;
            for (key, row) in &folder.rows {
                if key.row_type.as_str() != table {
                    assert_eq!(now.get(key), Some(row), "{what}");
                }
            }
            store.close().await;
        }
    }
}

/// Copies the folder at each step of a repair: the files that a kill at that step would leave.
fn copies_at_each_step(dir: &Path, clock: &FakeClock) -> Vec<(&'static str, TempDir)> {
    let taken: Arc<Mutex<Vec<(&'static str, TempDir)>>> = Arc::default();
    let (from, into) = (dir.to_owned(), taken.clone());
    let failpoints = Failpoints::new(move |step| {
        let copy = scratch();
        copy_dir(&from, copy.path()).unwrap();
        into.lock().unwrap().push((step, copy));
    });
    drop(Store::open_with_failpoints(dir, options(1, clock), failpoints).unwrap());
    std::mem::take(&mut *taken.lock().unwrap())
}

#[tokio::test]
async fn an_interrupted_repair_continues_at_the_next_start() {
    let folders = [folder_with_work(true).await, folder_with_work(false).await];
    let mut seen = BTreeMap::new();
    let (mut kills, min_kills) = (0, runs(80, 500));
    for seed in 0.. {
        if kills >= min_kills {
            break;
        }
        let folder = &folders[(seed % 2) as usize];
        let dir = scratch();
        copy_dir(folder.dir.path(), dir.path()).unwrap();
        let rng = SeededRng::new(seed);
        let db = dir.path().join("user.db");
        match seed % 4 {
            0 => fs::write(&db, b"").unwrap(),
            1 => fs::remove_file(&db).unwrap(),
            2 => fs::write(&db, "no database\n".repeat(900)).unwrap(),
            _ => {
                let mut bytes = fs::read(&db).unwrap();
                bytes[4096..].iter_mut().step_by(3).for_each(|b| *b ^= rng.next() as u8);
                fs::write(&db, bytes).unwrap();
            }
        }
        let damaged = fs::read(&db).ok().filter(|bytes| !bytes.is_empty());
        for (step, first) in copies_at_each_step(dir.path(), &folder.clock) {
            // A second kill, at a random step of the continued repair.
            let mut again = copies_at_each_step(first.path(), &folder.clock);
            let second = match again.is_empty() {
                true => first,
                false => again.swap_remove(rng.below(again.len() as u64) as usize).1,
            };
            let what = format!("seed {seed}, killed at {step:?}");
            let lost = check(&what, second.path(), &folder.clock, &folder.rows).await;
            assert_eq!(lost, None, "{what}");
            if let Some(damaged) = &damaged {
                let kept = fs::read_dir(second.path()).unwrap().flatten().any(|f| {
                    let name = f.file_name().into_string().unwrap();
                    name.starts_with("user.damaged-")
                        && name.ends_with(".db")
                        && fs::read(f.path()).unwrap() == *damaged
                });
                assert!(kept, "{what}: the damaged file is kept");
            }
            let left = fs::read_dir(second.path())
                .unwrap()
                .flatten()
                .find(|f| f.file_name().to_string_lossy().starts_with("user.recover"));
            assert!(left.is_none(), "{what}: a file of the repair is left: {left:?}");
            *seen.entry(step).or_insert(0) += 1;
            kills += 1;
        }
    }
    assert_eq!(seen.len(), 8, "steps of the repair: {seen:?}");
}

#[tokio::test]
async fn only_proven_damage_replaces_the_file() {
    let folder = folder_with_work(true).await;
    let dir = scratch();
    copy_dir(folder.dir.path(), dir.path()).unwrap();
    let path = dir.path().join("user.db");
    let conn = carrel_sqlite::open(&path, Default::default()).unwrap();
    conn.execute("INSERT INTO schema_migration VALUES (99, 'future', x'00', 1)", []).unwrap();
    drop(conn);
    let bytes = fs::read(&path).unwrap();
    let newer = Store::open(dir.path(), options(1, &folder.clock)).err().unwrap();
    assert!(newer.cause() == Some(Cause::Newer), "{newer:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "the file is unchanged");

    let conn = carrel_sqlite::open(&path, Default::default()).unwrap();
    conn.execute("DELETE FROM schema_migration WHERE number = 99", []).unwrap();
    conn.execute("UPDATE schema_migration SET checksum = x'00' WHERE number = 2", []).unwrap();
    drop(conn);
    let edited = Store::open(dir.path(), options(1, &folder.clock)).err().unwrap();
    assert!(matches!(edited, Error::Storage(_)), "{edited:?}");
    let kept = fs::read_dir(dir.path()).unwrap().flatten();
    assert!(!kept.into_iter().any(|f| f.file_name().to_string_lossy().contains("damaged")));
}

#[tokio::test]
async fn a_wrong_index_is_recreated() {
    let folder = folder_with_work(true).await;
    let dir = scratch();
    copy_dir(folder.dir.path(), dir.path()).unwrap();
    let path = dir.path().join("user.db");
    // The index has other values than the table: `quick_check` does not compare them, and a query would not find the
    // row.
    let bytes = fs::read(&path).unwrap();
    let conn = carrel_sqlite::open(&path, Default::default()).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'attempt_quiz'";
    let root: u32 = conn.query_row(sql, [], |r| r.get(0)).unwrap();
    let root = root as usize;
    drop(conn);
    let mut wrong = bytes.clone();
    let page = &mut wrong[(root - 1) * 4096..root * 4096];
    let mut changed = 0;
    for at in 0..page.len() - 11 {
        if &page[at..at + 11] == b"rivers/quiz" {
            page[at..at + 6].copy_from_slice(b"rixers");
            changed += 1;
        }
    }
    assert!(changed > 3, "keys in the first page of the index");
    fs::write(&path, wrong).unwrap();
    let store = Arc::new(Store::open(dir.path(), options(1, &folder.clock)).unwrap());
    assert!(!store.opened().damaged_file_kept && store.opened().unclean, "{:?}", store.opened());
    let learning = Learning::new(store, Arc::new(SeededIds::new(8)));
    assert_eq!(learning.attempts(&item("rivers/quiz4")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_unreadable_row_does_not_affect_others() {
    let dir = scratch();
    let clock = FakeClock::noon();
    let store = Arc::new(Store::open(dir.path(), options(1, &clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(7)));
    study(&learning, &clock, 0, 9).await;
    // Values that pass SQLite's checks.
    for (sql, at) in [
        ("UPDATE progress SET percent = 60000 WHERE item = ?1", "rivers/l3/s3"),
        ("UPDATE progress SET pos_device = x'0102' WHERE item = ?1", "rivers/l4/s4"),
        ("UPDATE review SET rating = 900 WHERE word = ?1", "rivers/word2"),
        ("UPDATE kv SET hlc = -5 WHERE key = ?1", "theme"),
        ("UPDATE study_session SET active_ms = -1 WHERE item = ?1", "rivers/story1"),
        ("UPDATE attempt SET quiz_hash = x'00' WHERE quiz = ?1", "rivers/quiz4"),
        ("UPDATE answer SET seq = -1 WHERE question = ?1", "fast"),
    ] {
        let changed = store.write("damage", move |tx| Ok(tx.conn().execute(sql, [at])?)).await;
        assert!(changed.unwrap() > 0, "{sql}");
    }
    assert_eq!(learning.done_sections("rivers").await.unwrap().len(), 7);
    assert_eq!(learning.words().await.unwrap().len(), 8);
    assert!(learning.settings().await.unwrap().is_empty());
    assert!(learning.overview().await.unwrap().total_ms > 0);
    assert_eq!(learning.attempts(&item("rivers/quiz4")).await.unwrap().len(), 0);
    // The answer row is unreadable; the attempt contains the submitted answers.
    assert_eq!(learning.attempts(&item("rivers/quiz8")).await.unwrap()[0].answers.len(), 1);
    // A new row replaces the removed one.
    let row = learning.record(finished("rivers/l3/s3")).await.unwrap().row;
    assert_eq!((row.percent, row.done_ms.is_some()), (10_000, true));
    let row = learning.record(finished("rivers/l4/s4")).await.unwrap().row;
    assert_eq!(row.percent, 10_000);
    let theme = BTreeMap::from([("theme".to_owned(), serde_json::json!("dark"))]);
    learning.set_settings(theme.clone()).await.unwrap();
    assert_eq!(learning.settings().await.unwrap(), theme);
    let kept: u32 = store
        .read(|c| Ok(c.query_row("SELECT count(*) FROM foreign_row", [], |r| r.get(0))?))
        .await
        .unwrap();
    assert_eq!(kept, 3, "the stored values are kept");
    assert_eq!(store.read(carrel_learning::store::state::load).await.unwrap().pulled, 0);
    drop((learning, store));

    // The next start after an unclean run restores the other rows from the journal.
    let path = dir.path().join("user.lock");
    fs::write(path, "open\n").unwrap();
    let store = Arc::new(Store::open(dir.path(), options(1, &clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(8)));
    assert_eq!(learning.words().await.unwrap().len(), 9);
    assert_eq!(learning.attempts(&item("rivers/quiz4")).await.unwrap()[0].answers.len(), 1);
    assert_eq!(store.last_repair(), None);
    assert!(store.read(outbox::counts).await.unwrap().0 > 9);
}

/// A changed byte in the text of the schema makes a column or a table "missing", which SQLite's checks do not find.
#[tokio::test]
async fn a_changed_byte_in_the_schema_is_repaired_from_the_file_alone() {
    let folder = folder_with_work(true).await;
    for text in [
        "percent INTEGER",
        "TABLE kv ",
        "app_version TEXT",
        "INDEX outbox_rev",
        "CREATE TABLE study_session",
    ] {
        for unclean in [false, true] {
            let dir = scratch();
            copy_dir(folder.dir.path(), dir.path()).unwrap();
            // Records the time of modification of the copy.
            Store::open(dir.path(), options(1, &folder.clock)).unwrap().close().await;
            fs::remove_dir_all(dir.path().join("journal")).unwrap();
            fs::remove_dir_all(dir.path().join("backups")).unwrap();
            let path = dir.path().join("user.db");
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            let mut bytes = fs::read(&path).unwrap();
            let found: Vec<usize> = (0..bytes.len() - text.len())
                .filter(|at| bytes[*at..].starts_with(text.as_bytes()))
                .collect();
            assert!(!found.is_empty(), "{text}");
            // All copies: freed pages may contain older ones.
            found.iter().for_each(|at| bytes[at + 2] ^= 2);
            fs::write(&path, bytes).unwrap();
            if unclean {
                fs::write(dir.path().join("user.lock"), "open\n").unwrap();
            } else {
                // Only the disk changed the file: nothing tells that it must be checked.
                fs::File::options()
                    .write(true)
                    .open(&path)
                    .unwrap()
                    .set_modified(modified)
                    .unwrap();
            }
            let what = format!("{text}, unclean {unclean}");
            let lost = check(&what, dir.path(), &folder.clock, &folder.rows).await;
            assert!(lost.is_none_or(|repair| repair.lost.is_empty()), "{what}");
        }
    }
}
