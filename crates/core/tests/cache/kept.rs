//! What is kept: over restarts, when it is damaged, under several request fields; and the blobs.

use std::sync::Arc;

use bytes::Bytes;
use carrel_core::cache::{Ask, BlobStore, Db, Origin};
use carrel_model::{BlobHash, ErrorCode};
use carrel_testkit::FakeClock;
use http::header;

use super::desk::{DAY, Desk, LIST, MIN, ONE, answer, first, same, second, told};

#[tokio::test]
async fn a_stale_answer_is_refreshed_behind_the_learners_back_and_told() {
    let desk = Desk::new();
    desk.will([first(), second()]);
    desk.get(LIST).await.unwrap();
    desk.clock.advance(11 * MIN);
    let (told, mut heard) = tokio::sync::mpsc::channel(1);
    let stale = desk.cache.get(LIST, move || told.try_send(()).unwrap()).await.unwrap();
    assert_eq!(&stale.body[..], b"[1]");
    heard.recv().await.expect("the change is told");
    assert_eq!(desk.last_header("if-none-match").as_deref(), Some("\"v1\""));
    let now = desk.get(LIST).await.unwrap();
    assert_eq!((&now.body[..], now.stale, desk.requests()), (&b"[2]"[..], false, 2));
}

#[tokio::test]
async fn a_sleeping_machine_does_not_stay_young() {
    let desk = Desk::new();
    desk.will([first(), same()]);
    desk.get(LIST).await.unwrap();
    // The lid was closed for eight hours: the monotonic clock stood.
    desk.clock.suspend(8 * 60 * MIN);
    assert!(desk.get(LIST).await.unwrap().stale);
    desk.settle().await;
    assert_eq!(desk.requests(), 2);
}

#[tokio::test]
async fn the_time_that_a_request_took_counts_as_age() {
    let desk = Desk::new();
    let mut slow = told(200, &[("cache-control", "max-age=600"), ("age", "570")], "[1]");
    slow.takes_ms = 25_000;
    desk.will([super::desk::Net::Answer(slow), same()]);
    let asking = desk.get(LIST);
    tokio::pin!(asking);
    let got = loop {
        tokio::select! {
            biased;
            got = &mut asking => break got.unwrap(),
            () = tokio::task::yield_now() => desk.clock.advance(1_000),
        }
    };
    assert!(got.status.to_string().contains("ttl=5"), "{}", got.status);
    desk.clock.advance(5_000);
    assert!(desk.get(LIST).await.unwrap().stale, "570 + 25 + 5 seconds");
}

#[tokio::test]
async fn another_answers_clock_shows_that_the_clock_ran_back() {
    let mut desk = Desk::new();
    desk.will([first()]);
    desk.get(LIST).await.unwrap();
    desk.clock.advance(2 * DAY);
    desk.will([first()]);
    desk.get("/api/stories").await.unwrap();
    // Back to an hour after the first answer: it alone would look an hour old, but the file has seen later days.
    desk.clock.jump(-2 * DAY + 5 * MIN);
    desk.restart();
    desk.will([same()]);
    assert_eq!(desk.get(LIST).await.unwrap().origin, Origin::Revalidated);
}

#[tokio::test]
async fn answers_in_the_learners_language() {
    let mut desk = Desk::new();
    let vary =
        |body| answer(200, &[("vary", "Accept-Language"), ("cache-control", "max-age=600")], body);
    desk.cache.set_language("fr");
    desk.will([vary("[\"fr\"]")]);
    desk.get(LIST).await.unwrap();
    assert_eq!(desk.last_header("accept-language").as_deref(), Some("fr"));
    desk.cache.set_language("ar");
    desk.will([vary("[\"ar\"]")]);
    let arabic = desk.get(LIST).await.unwrap();
    assert!(arabic.status.to_string().contains("fwd=vary-miss"), "{}", arabic.status);
    desk.restart();
    desk.cache.set_language("fr");
    let french = desk.get(LIST).await.unwrap();
    assert_eq!(
        (&french.body[..], french.origin, desk.requests()),
        (&b"[\"fr\"]"[..], Origin::Disk, 2)
    );
    // No more than four of one path, the newest.
    for language in ["de", "en", "es"] {
        desk.cache.set_language(language);
        desk.will([vary("[0]")]);
        desk.get(LIST).await.unwrap();
    }
    desk.restart();
    desk.cache.set_language("fr");
    desk.will([vary("[\"again\"]")]);
    assert_eq!(desk.get(LIST).await.unwrap().origin, Origin::Network);
}

#[tokio::test]
async fn a_write_marks_what_it_names_on_this_server_and_nothing_else() {
    let desk = Desk::new();
    for path in [LIST, ONE, "/api/stories"] {
        desk.will([first()]);
        desk.get(path).await.unwrap();
    }
    let named = [
        ("location", "http://x.test/api/courses"),
        ("content-location", "//elsewhere.test/api/stories"),
    ];
    desk.will([answer(201, &named, "")]);
    let request = carrel_core::http::Request::new(http::Method::POST, "http://x.test/api/attempts");
    desk.cache.write(request).await.unwrap();
    let before = desk.requests();
    desk.get("/api/stories").await.unwrap();
    assert_eq!(desk.requests(), before, "another server's word about its own");
    desk.will([second()]);
    assert_eq!(&desk.get(LIST).await.unwrap().body[..], b"[2]");
    // Offline it is not used either: it is known to be wrong.
    desk.will([answer(204, &[], "")]);
    let request =
        carrel_core::http::Request::new(http::Method::DELETE, "http://x.test/api/courses");
    desk.cache.write(request).await.unwrap();
    desk.will([super::desk::Net::Refused]);
    assert_eq!(desk.get(LIST).await.unwrap_err(), ErrorCode::Offline);
}

#[tokio::test]
async fn a_request_field_goes_to_the_server_and_a_wish_too() {
    let desk = Desk::new();
    desk.will([first()]);
    desk.ask(
        Ask::of(LIST)
            .header(header::ACCEPT_LANGUAGE, "fr")
            .header(header::CACHE_CONTROL, "no-cache"),
    )
    .await
    .unwrap();
    assert_eq!(desk.last_header("accept-language").as_deref(), Some("fr"));
    assert_eq!(desk.last_header("cache-control").as_deref(), Some("no-cache"));
    assert_eq!(desk.last_header("accept").as_deref(), Some("application/json"));
}

#[test]
fn a_damaged_cache_is_made_anew_and_the_old_one_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cache.db"), vec![7; 8192]).unwrap();
    let desk = Desk::at(dir);
    assert_eq!(desk.cache.figures().disk_bytes, 0);
    assert!(desk.dir.path().join("cache.db.damaged").exists());
}

#[test]
fn blobs_enter_only_with_the_right_hash_and_damage_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::noon());
    let content = carrel_core::storage::MIGRATIONS;
    let db = Db::open(&dir.path().join("content.db"), content, 0).unwrap();
    let store = BlobStore::new(db, &dir.path().join("blobs"), clock);
    for bytes in [Bytes::from_static(b"small"), Bytes::from(vec![3; 100_000])] {
        let hash = BlobHash::of(&bytes);
        let wrong = Bytes::from([b"x", &bytes[..]].concat());
        assert_eq!(store.put(hash, &wrong).unwrap_err().code(), ErrorCode::Corrupt);
        assert!(store.get(hash).unwrap().is_none());
        store.put(hash, &bytes).unwrap();
        assert_eq!(store.get(hash).unwrap().unwrap(), bytes);
        assert!(store.prove(hash).unwrap());
    }
    // A large blob in pieces: resumed after a cut, refused with a wrong end, then whole.
    let bytes = Bytes::from((0..200_000_u32).map(|n| n as u8).collect::<Vec<_>>());
    let hash = BlobHash::of(&bytes);
    store.part(hash).unwrap().write(&bytes[..70_000]).unwrap();
    let mut part = store.part(hash).unwrap();
    assert_eq!(part.len(), 70_000);
    part.write(&bytes[..130_000]).unwrap();
    assert_eq!(part.finish().unwrap_err().code(), ErrorCode::Corrupt);
    let mut part = store.part(hash).unwrap();
    assert!(part.is_empty(), "wrong bytes are not resumed");
    part.write(&bytes).unwrap();
    part.finish().unwrap();
    // One flipped bit on the disk.
    let hex = hash.to_hex();
    let file = dir.path().join("blobs").join(&hex[..2]).join(&hex);
    let mut damaged = std::fs::read(&file).unwrap();
    damaged[99_999] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    assert!(!store.prove(hash).unwrap());
    assert!(!store.has(hash).unwrap(), "a damaged blob is fetched again");
}

const TABLE: &[carrel_sqlite::Migration] = &[carrel_sqlite::Migration {
    number: 1,
    name: "table",
    sql: "CREATE TABLE t (n INTEGER NOT NULL) STRICT;",
}];

fn numbers(db: &Db) -> i64 {
    db.read(|conn| Ok(conn.query_row("SELECT coalesce(sum(n), 0) FROM t", [], |r| r.get(0))?))
        .unwrap()
}
fn insert(db: &Db, n: i64) -> carrel_core::Result<()> {
    db.write(|tx| Ok(tx.execute("INSERT INTO t VALUES (?1)", [n]).map(|_| ())?))
}

#[test]
fn a_cache_that_cannot_be_opened_is_left_alone_and_the_run_does_without_it() {
    for (what, sql) in [
        ("locked", "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT"),
        ("newer", "INSERT INTO schema_migration VALUES (2, 'later', x'00', 0)"),
        ("edited", "UPDATE schema_migration SET checksum = x'00'"),
        ("foreign", "DROP TABLE schema_migration"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache.db");
        let db = Db::open(&path, TABLE, 0).unwrap();
        insert(&db, 7).unwrap();
        drop(db);
        let kept = std::fs::read(&path).unwrap();
        let conn = carrel_sqlite::open(&path, carrel_sqlite::Options::default()).unwrap();
        conn.execute_batch(sql).unwrap();
        let holder = (what == "locked").then_some(conn);
        let db = Db::open(&path, TABLE, 0).unwrap();
        assert_eq!(numbers(&db), 0, "{what}");
        insert(&db, 1).unwrap();
        drop((db, holder));
        assert!(!dir.path().join("cache.db.damaged").exists(), "{what}");
        if what != "locked" {
            std::fs::write(&path, kept).unwrap();
        }
        assert_eq!(numbers(&Db::open(&path, TABLE, 0).unwrap()), 7, "{what}: all of it is back");
    }
}

#[test]
fn a_cache_on_a_full_disk_loses_nothing() {
    let Some(disk) = crate::small_disk::SmallDisk::new(4 << 20) else { return };
    let path = disk.path().join("cache.db");
    let (mut full, mut whole) = (0, 0);
    for free in (0..=512_u64).step_by(4) {
        disk.clear();
        let db = Db::open(&path, TABLE, 0).unwrap();
        insert(&db, 7).unwrap();
        drop(db);
        let filler = disk.fill(free * 1024);
        let db = Db::open(&path, TABLE, 0).unwrap();
        match numbers(&db) {
            7 => whole += 1,
            found => {
                assert_eq!(found, 0, "{free} KiB");
                full += 1;
            }
        }
        let _ = insert(&db, 0);
        drop(db);
        assert!(!disk.path().join("cache.db.damaged").exists(), "{free} KiB");
        std::fs::remove_file(filler).unwrap();
        assert_eq!(
            numbers(&Db::open(&path, TABLE, 0).unwrap()),
            7,
            "{free} KiB: all of it is back"
        );
    }
    assert!(full > 2 && whole > 2, "{full} and {whole}");
    disk.set_read_only(true);
    let db = Db::open(&path, TABLE, 0).unwrap();
    insert(&db, 1).unwrap();
    drop(db);
    disk.set_read_only(false);
    assert_eq!(numbers(&Db::open(&path, TABLE, 0).unwrap()), 7);
}

#[test]
fn a_cache_that_is_damaged_while_it_is_open_is_made_anew() {
    for seed in 0..40_usize {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache.db");
        let db = Db::open(&path, TABLE, 0).unwrap();
        db.write(|tx| {
            (0..2_000)
                .try_for_each(|n| tx.execute("INSERT INTO t VALUES (?1)", [n]).map(|_| ()))?;
            Ok(())
        })
        .unwrap();
        drop(db);
        let mut bytes = std::fs::read(&path).unwrap();
        let len = bytes.len();
        for n in 0..=seed * 4 {
            bytes[(seed * 7919 + n * 104_729) % len] ^= 0x55;
        }
        std::fs::write(&path, bytes).unwrap();
        let db = Db::open(&path, TABLE, 0).unwrap();
        let read = || {
            db.read(
                |conn| Ok(conn.query_row("SELECT count(*) FROM t", [], |r| r.get::<_, i64>(0))?),
            )
        };
        let _ = read();
        insert(&db, 1).or_else(|_| insert(&db, 1)).unwrap();
        assert!(read().is_ok(), "{seed}");
    }
}

/// Without file descriptors, and as a user without permission: in another process, because both count for all of it.
#[cfg(target_os = "linux")]
#[test]
fn without_descriptors_or_permission_the_cache_is_left_alone() {
    use std::{
        fs::{self, File},
        os::unix::{
            fs::{MetadataExt, PermissionsExt},
            process::CommandExt,
        },
    };

    const CHILD: &str = "CARREL_TEST_OPEN";
    const FILE: &str = "CARREL_TEST_FILE";
    if let Ok(what) = std::env::var(CHILD) {
        let path = std::path::PathBuf::from(std::env::var(FILE).unwrap());
        if what == "denied" {
            let db = Db::open(&path, TABLE, 0).unwrap();
            assert_eq!(numbers(&db), 0);
            insert(&db, 2).unwrap();
            assert_eq!(numbers(&db), 2, "this run has a cache in memory");
            return;
        }
        let mut held = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            held.push(file);
        }
        let (mut without, mut with) = (0, 0);
        for free in 0..16 {
            let db = Db::open(&path, TABLE, 0).unwrap_or_else(|e| panic!("{free}: {e}"));
            match numbers(&db) {
                7 => with += 1,
                0 => without += 1,
                other => panic!("{free}: {other} rows"),
            }
            drop(db);
            held.pop();
        }
        assert!(without > 0 && with > 0, "{without} and {with}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let folder = dir.path().join("cache");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("cache.db");
    let db = Db::open(&path, TABLE, 0).unwrap();
    insert(&db, 7).unwrap();
    drop(db);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let program = dir.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let is_root = fs::metadata(dir.path()).unwrap().uid() == 0;
    for what in ["files", "denied"] {
        let mut child = std::process::Command::new("sh");
        child
            .args(["-c", "ulimit -n 96; exec \"$0\" --exact \"$1\""])
            .arg(&program)
            .arg("kept::without_descriptors_or_permission_the_cache_is_left_alone")
            .env(CHILD, what)
            .env(FILE, &path)
            .current_dir("/");
        if what == "denied" {
            if !is_root {
                #[expect(clippy::print_stderr, reason = "a skipped test says so")]
                {
                    eprintln!("skipped: a process of another user needs root");
                }
                continue;
            }
            child.uid(65_534).gid(65_534);
        }
        let done = child.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{what}: {said}");
        let names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert!(
            names.iter().all(|n| !n.to_string_lossy().contains("damaged")),
            "{what}: nothing was put aside: {names:?}"
        );
        assert_eq!(numbers(&Db::open(&path, TABLE, 0).unwrap()), 7, "{what}: all of it is back");
    }
}
