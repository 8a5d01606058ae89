//! A `user.db` that is destroyed in many ways, and a repair that is cut off at each of its steps: what was acknowledged is
//! there again, or is reported by name. No network.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use carrel_learning::{
    Error, Learning, Step,
    store::{MIGRATIONS, Repair, Steps, Store, checked, outbox},
};
use carrel_model::{
    BlobHash,
    content::Response,
    lattice::{ItemKind, Join, Row, RowKey, RowType},
};
use carrel_sqlite::{Cause, DatabaseError, rows::SPECS};
use carrel_testkit::{
    Chance, FakeClock, SeededIds,
    work::{item, options, slug, tick},
};
use tempfile::TempDir;

type Rows = BTreeMap<RowKey, Row>;

/// `CARREL_LONG` runs the long form.
fn runs(usual: u64, long: u64) -> u64 {
    if std::env::var_os("CARREL_LONG").is_some() { long } else { usual }
}
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A learner's folder, as a run left it.
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
        learning.record(tick(&format!("rivers/l{}/s{n}", n % 7))).await.unwrap();
        let read = item(&format!("rivers/story{}", n % 5));
        let pos = Some(format!("page {n}"));
        let percent = Some((n * 97 % 10_000) as u16);
        learning
            .record(Step { percent, pos, ..Step::at(ItemKind::Story, read.clone()) })
            .await
            .unwrap();
        learning.save_word(&item(&format!("rivers/word{n}")), true).await.unwrap();
        learning.study_beat(&read, true).await.unwrap();
        clock.advance(5_000);
        learning.study_beat(&read, true).await.unwrap();
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

/// Two days of work. `closed`: the run ended well; else as a kill leaves it, with a log beside the file.
async fn worked(closed: bool) -> Folder {
    let (live, dir, clock) = (scratch(), scratch(), FakeClock::noon());
    let store = Arc::new(Store::open(live.path(), options(1, &clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(7)));
    study(&learning, &clock, 0, 40).await;
    store.care().await.unwrap();
    study(&learning, &clock, 40, 80).await;
    clock.advance(25 * 3_600_000);
    store.care().await.unwrap();
    study(&learning, &clock, 80, 120).await;
    let rows = all(&store).await;
    if closed {
        store.close().await;
    }
    copy_dir(live.path(), dir.path());
    Folder { dir, clock, rows }
}

/// Opens the folder, and shows that nothing that was acknowledged is missing without a report.
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
            panic!("{what}: {key:?} is gone and not reported; {:?}", store.opened())
        });
        let mut joined = found.clone();
        joined.join(row);
        assert_eq!(&joined, found, "{what}: {key:?} is older than what was acknowledged");
    }
    let store = Arc::new(store);
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(8)));
    assert!(learning.record(tick("after/l/s")).await.unwrap().row.done_ms.is_some(), "{what}");
    store.close().await;
    repair
}

fn flip(path: &Path, chance: &Chance, times: u64) {
    let Ok(mut bytes) = fs::read(path) else { return };
    if bytes.is_empty() {
        return;
    }
    for _ in 0..times {
        let at = chance.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << chance.below(8);
    }
    fs::write(path, bytes).unwrap();
}

fn newest_backup(dir: &Path) -> PathBuf {
    let mut backups: Vec<PathBuf> =
        fs::read_dir(dir.join("backups")).unwrap().map(|f| f.unwrap().path()).collect();
    backups.sort();
    backups.pop().unwrap()
}

/// Destroys something; gives what.
fn destroy(dir: &Path, seed: u64, chance: &Chance) -> String {
    let (db, log) = (dir.join("user.db"), dir.join("user.db-wal"));
    let what = match seed % 14 {
        0 => {
            flip(&db, chance, 1 + chance.below(20));
            "a few bits of the file"
        }
        1 => {
            flip(&db, chance, 500);
            "many bits of the file"
        }
        2 => {
            let bytes = fs::read(&db).unwrap();
            fs::write(&db, &bytes[..chance.below(bytes.len() as u64) as usize]).unwrap();
            "the end of the file"
        }
        3 => {
            fs::write(&db, b"").unwrap();
            "all bytes of the file"
        }
        4 => {
            fs::write(&db, "this is a text\n".repeat(chance.below(900) as usize + 1)).unwrap();
            "a text in the place of the file"
        }
        5 => {
            fs::remove_file(&db).unwrap();
            "the file is deleted"
        }
        6 => {
            flip(&log, chance, 1 + chance.below(30));
            "bits of the log"
        }
        7 => {
            let _ = fs::remove_file(&log);
            "the log is deleted"
        }
        8 => {
            let mut bytes = fs::read(&db).unwrap();
            let page = chance.below(bytes.len() as u64 / 4096) as usize * 4096;
            bytes[page..page + 4096].fill(0xa5);
            fs::write(&db, bytes).unwrap();
            "a page of the file"
        }
        9 => {
            let mut bytes = fs::read(&db).unwrap();
            bytes[chance.below(100) as usize] ^= 0xff;
            fs::write(&db, bytes).unwrap();
            "the header of the file"
        }
        10 => {
            flip(&db, chance, 50);
            flip(&log, chance, 50);
            "the file and the log"
        }
        11 => {
            fs::write(&db, vec![0; 70_000]).unwrap();
            fs::write(newest_backup(dir), b"no backup").unwrap();
            "the file and the newest backup"
        }
        12 => {
            // Restored by hand, with the log of the other file still beside it.
            fs::copy(newest_backup(dir), &db).unwrap();
            "an older file in the place of the file"
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
async fn two_hundred_destroyed_files_open_with_all_that_was_acknowledged() {
    let folders = [worked(true).await, worked(false).await];
    let mut repaired = 0;
    for seed in 0..runs(56, 200) {
        let folder = &folders[(seed / 14 % 2) as usize];
        let dir = scratch();
        copy_dir(folder.dir.path(), dir.path());
        let before: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path()).collect();
        let what = destroy(dir.path(), seed, &Chance::new(seed));
        let damaged = fs::read(dir.path().join("user.db")).unwrap_or_default();
        let lost = check(&what, dir.path(), &folder.clock, &folder.rows).await;
        assert_eq!(lost, None, "{what}: with backup and journal nothing is missing");
        // What was damaged is still there.
        let aside = fs::read_dir(dir.path()).unwrap().flatten().find(|f| {
            f.file_name().to_string_lossy().starts_with("user.damaged-")
                && f.file_name().to_string_lossy().ends_with(".db")
        });
        if let Some(aside) = aside {
            repaired += 1;
            assert_eq!(fs::read(aside.path()).unwrap(), damaged, "{what}: nothing is changed");
        }
        assert!(before.iter().all(|f| f.exists() || f.extension().is_none_or(|e| e != "db")));
    }
    assert!(repaired > 10, "the damage was real: {repaired} files were set aside");
}

#[tokio::test]
async fn without_a_journal_what_cannot_be_read_is_reported() {
    let folder = worked(true).await;
    let (mut named, mut periods) = (0, 0);
    for seed in 0..runs(10, 60) {
        let dir = scratch();
        copy_dir(folder.dir.path(), dir.path());
        // As an earlier release left it: only an old backup, and no journal at all.
        fs::remove_dir_all(dir.path().join("journal")).unwrap();
        fs::remove_file(newest_backup(dir.path())).unwrap();
        let chance = Chance::new(seed);
        let path = dir.path().join("user.db");
        let mut bytes = fs::read(&path).unwrap();
        for _ in 0..6 {
            let page = (1 + chance.below(bytes.len() as u64 / 4096 - 1)) as usize * 4096;
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
        assert!(repair.lost.iter().all(|k| !now.contains_key(k)), "what is there is not lost");
        // The report stays until the learner has read it.
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
    assert!(named > 0 && periods > 0, "{named} rows by name, {periods} periods");
}

#[tokio::test]
async fn what_a_killed_backup_left_is_removed_at_the_next_start() {
    let folder = worked(false).await;
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
    assert_eq!(after, before, "and the finished ones stay");
    store.close().await;
}

/// An earlier release renamed the damaged file first and wrote the new one afterwards: killed in between it left no file, only what it
/// had set aside, and perhaps a backup.
#[tokio::test]
async fn a_file_that_an_earlier_release_set_aside_and_did_not_replace_is_read() {
    for closed in [true, false] {
        let folder = worked(closed).await;
        for (backup, journal) in [(true, true), (true, false), (false, true), (false, false)] {
            let what = format!("closed {closed}, backup {backup}, journal {journal}");
            let dir = scratch();
            copy_dir(folder.dir.path(), dir.path());
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
            assert!(lost.is_none_or(|r| r.lost.is_empty()), "{what}: all of it can be read");
        }
    }
}

/// The file of `folder` as a release with the first `schema` migrations kept it: without later tables and columns, and with submitted
/// answers as an unknown field.
fn as_of_schema(folder: &Folder, schema: usize, path: &Path) {
    let mut conn = carrel_sqlite::open(path, Default::default()).unwrap();
    carrel_sqlite::migrate(&mut conn, &MIGRATIONS[..schema], None, 0).unwrap();
    let now = folder.dir.path().join("user.db");
    conn.execute("ATTACH ?1 AS now", [now.to_str().unwrap()]).unwrap();
    for spec in &SPECS {
        let mut stmt = conn.prepare("SELECT name FROM pragma_table_info(?1, 'main')").unwrap();
        let there = stmt.query_map([spec.table], |r| r.get(0)).unwrap();
        let there: Vec<String> = there.collect::<Result<_, _>>().unwrap();
        let had_answers = spec.table == "attempt" && !there.contains(&"answers".to_owned());
        let values: Vec<&str> = there
            .iter()
            .map(|name| match name.as_str() {
                "extra" if had_answers => {
                    "iif(answers = '', extra, json_object('answers', json(answers)))"
                }
                name => name,
            })
            .collect();
        let (names, values) = (there.join(", "), values.join(", "));
        let sql =
            format!("INSERT INTO main.{0} ({names}) SELECT {values} FROM now.{0}", spec.table);
        conn.execute(&sql, []).unwrap();
    }
    conn.execute_batch("DETACH now; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// A damaged file of an earlier release, without backup and journal: what can be read of it is read as that release wrote it.
#[tokio::test]
async fn a_damaged_file_of_an_earlier_schema_loses_no_row_that_can_be_read() {
    let folder = worked(true).await;
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
            assert_eq!(repair.unknown_since_ms, Some(0), "{what}: nothing vouches for the rest");
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

/// Copies the folder at each step of a repair: what a kill at that step would leave.
fn pictures(dir: &Path, clock: &FakeClock) -> Vec<(&'static str, TempDir)> {
    let taken: Arc<Mutex<Vec<(&'static str, TempDir)>>> = Arc::default();
    let (from, into) = (dir.to_owned(), taken.clone());
    let steps = Steps::new(move |step| {
        let picture = scratch();
        copy_dir(&from, picture.path());
        into.lock().unwrap().push((step, picture));
    });
    drop(Store::open_with_steps(dir, options(1, clock), steps).unwrap());
    std::mem::take(&mut *taken.lock().unwrap())
}

#[tokio::test]
async fn a_repair_that_is_killed_at_any_step_goes_on_at_the_next_start() {
    let folders = [worked(true).await, worked(false).await];
    let mut seen = BTreeMap::new();
    let (mut kills, wanted) = (0, runs(80, 500));
    for seed in 0.. {
        if kills >= wanted {
            break;
        }
        let folder = &folders[(seed % 2) as usize];
        let dir = scratch();
        copy_dir(folder.dir.path(), dir.path());
        let chance = Chance::new(seed);
        let db = dir.path().join("user.db");
        match seed % 4 {
            0 => fs::write(&db, b"").unwrap(),
            1 => fs::remove_file(&db).unwrap(),
            2 => fs::write(&db, "no database\n".repeat(900)).unwrap(),
            _ => {
                let mut bytes = fs::read(&db).unwrap();
                bytes[4096..].iter_mut().step_by(3).for_each(|b| *b ^= chance.next() as u8);
                fs::write(&db, bytes).unwrap();
            }
        }
        let damaged = fs::read(&db).ok().filter(|bytes| !bytes.is_empty());
        for (step, first) in pictures(dir.path(), &folder.clock) {
            // Killed once more while it goes on, at a step of chance.
            let mut again = pictures(first.path(), &folder.clock);
            let second = match again.is_empty() {
                true => first,
                false => again.swap_remove(chance.below(again.len() as u64) as usize).1,
            };
            let what = format!("seed {seed}, killed at {step:?}");
            let lost = check(&what, second.path(), &folder.clock, &folder.rows).await;
            assert_eq!(lost, None, "{what}");
            if let Some(damaged) = &damaged {
                let aside = fs::read_dir(second.path()).unwrap().flatten().any(|f| {
                    let name = f.file_name().into_string().unwrap();
                    name.starts_with("user.damaged-")
                        && name.ends_with(".db")
                        && fs::read(f.path()).unwrap() == *damaged
                });
                assert!(aside, "{what}: the damaged file is kept");
            }
            let unplaced = fs::read_dir(second.path())
                .unwrap()
                .flatten()
                .find(|f| f.file_name().to_string_lossy().starts_with("user.recover"));
            assert!(
                unplaced.is_none(),
                "{what}: a new file was not put in its place: {unplaced:?}"
            );
            *seen.entry(step).or_insert(0) += 1;
            kills += 1;
        }
    }
    assert_eq!(seen.len(), 8, "each step was met: {seen:?}");
}

#[tokio::test]
async fn only_proven_damage_sets_a_file_aside() {
    let folder = worked(true).await;
    let dir = scratch();
    copy_dir(folder.dir.path(), dir.path());
    let path = dir.path().join("user.db");
    let conn = carrel_sqlite::open(&path, Default::default()).unwrap();
    conn.execute("INSERT INTO schema_migration VALUES (99, 'future', x'00', 1)", []).unwrap();
    drop(conn);
    let bytes = fs::read(&path).unwrap();
    let newer = Store::open(dir.path(), options(1, &folder.clock)).err().unwrap();
    assert!(newer.cause() == Some(Cause::Newer), "{newer:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "it was left as it is");

    let conn = carrel_sqlite::open(&path, Default::default()).unwrap();
    conn.execute("DELETE FROM schema_migration WHERE number = 99", []).unwrap();
    conn.execute("UPDATE schema_migration SET checksum = x'00' WHERE number = 2", []).unwrap();
    drop(conn);
    let edited = Store::open(dir.path(), options(1, &folder.clock)).err().unwrap();
    assert!(matches!(edited, Error::Storage(_)), "{edited:?}");
    let aside = fs::read_dir(dir.path()).unwrap().flatten();
    assert!(!aside.into_iter().any(|f| f.file_name().to_string_lossy().contains("damaged")));
}

#[tokio::test]
async fn an_index_that_is_wrong_is_made_again() {
    let folder = worked(true).await;
    let dir = scratch();
    copy_dir(folder.dir.path(), dir.path());
    let path = dir.path().join("user.db");
    // The index has other words than the table: quick_check does not look, and a query would find nothing.
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
    assert!(changed > 3, "the index is one page");
    fs::write(&path, wrong).unwrap();
    let store = Arc::new(Store::open(dir.path(), options(1, &folder.clock)).unwrap());
    assert!(!store.opened().set_aside && store.opened().unclean, "{:?}", store.opened());
    let learning = Learning::new(store, Arc::new(SeededIds::new(8)));
    assert_eq!(learning.attempts(&item("rivers/quiz4")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_no_other_and_does_not_stop_the_learner() {
    let dir = scratch();
    let clock = FakeClock::noon();
    let store = Arc::new(Store::open(dir.path(), options(1, &clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(7)));
    study(&learning, &clock, 0, 9).await;
    // Values that SQLite's checks let pass.
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
    // The row of the answer cannot be read; the attempt has what was submitted.
    assert_eq!(learning.attempts(&item("rivers/quiz8")).await.unwrap()[0].answers.len(), 1);
    // Recording goes on where the row was.
    let row = learning.record(tick("rivers/l3/s3")).await.unwrap().row;
    assert_eq!((row.percent, row.done_ms.is_some()), (10_000, true));
    let row = learning.record(tick("rivers/l4/s4")).await.unwrap().row;
    assert_eq!(row.percent, 10_000);
    let theme = BTreeMap::from([("theme".to_owned(), serde_json::json!("dark"))]);
    learning.set_settings(theme.clone()).await.unwrap();
    assert_eq!(learning.settings().await.unwrap(), theme);
    let kept: u32 = store
        .read(|c| Ok(c.query_row("SELECT count(*) FROM foreign_row", [], |r| r.get(0))?))
        .await
        .unwrap();
    assert_eq!(kept, 3, "what was stored is kept");
    assert_eq!(store.read(carrel_learning::store::state::load).await.unwrap().pulled, 0);
    drop((learning, store));

    // The next start after a kill brings the rest back from the journal.
    let path = dir.path().join("user.lock");
    fs::write(path, "open\n").unwrap();
    let store = Arc::new(Store::open(dir.path(), options(1, &clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(8)));
    assert_eq!(learning.words().await.unwrap().len(), 9);
    assert_eq!(learning.attempts(&item("rivers/quiz4")).await.unwrap()[0].answers.len(), 1);
    assert_eq!(store.last_repair(), None);
    assert!(store.read(outbox::counts).await.unwrap().0 > 9);
}
