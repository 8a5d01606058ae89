//! Tests of databases whose content can be downloaded again: files that are damaged or cannot be opened.

use carrel_sqlite::{StorageError, storage_error};

type Database = carrel_sqlite::Database<StorageError>;

const TABLE: &[carrel_sqlite::Migration] = &[carrel_sqlite::Migration {
    number: 1,
    name: "table",
    sql: "CREATE TABLE t (n INTEGER NOT NULL) STRICT;",
}];

fn numbers(db: &Database) -> i64 {
    db.read_blocking(|conn| {
        conn.query_row("SELECT coalesce(sum(n), 0) FROM t", [], |r| r.get(0))
            .map_err(|e| storage_error(&e))
    })
    .unwrap()
}
fn insert(db: &Database, n: i64) -> Result<(), StorageError> {
    db.write_blocking("insert", |tx| {
        tx.execute("INSERT INTO t VALUES (?1)", [n]).map(|_| ()).map_err(|e| storage_error(&e))
    })
}

#[test]
fn a_cache_that_cannot_be_opened_is_unchanged_and_a_database_in_memory_is_used() {
    for (what, sql) in [
        ("locked", "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT"),
        ("newer", "INSERT INTO schema_migration VALUES (2, 'later', x'00', 0)"),
        ("edited", "UPDATE schema_migration SET checksum = x'00'"),
        ("foreign", "DROP TABLE schema_migration"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache.db");
        let db = Database::open_disposable(&path, TABLE, 0).unwrap();
        insert(&db, 7).unwrap();
        drop(db);
        let kept = std::fs::read(&path).unwrap();
        let conn = carrel_sqlite::open(&path, carrel_sqlite::Options::default()).unwrap();
        conn.execute_batch(sql).unwrap();
        let holder = (what == "locked").then_some(conn);
        let db = Database::open_disposable(&path, TABLE, 0).unwrap();
        assert_eq!(numbers(&db), 0, "{what}");
        insert(&db, 1).unwrap();
        drop((db, holder));
        assert!(!dir.path().join("cache.db.damaged").exists(), "{what}");
        if what != "locked" {
            std::fs::write(&path, kept).unwrap();
        }
        assert_eq!(
            numbers(&Database::open_disposable(&path, TABLE, 0).unwrap()),
            7,
            "{what}: the file has its row"
        );
    }
}

#[test]
fn a_cache_with_a_damaged_schema_is_recreated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache.db");
    drop(Database::open_disposable(&path, TABLE, 0).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    let text = b"n INTEGER NOT NULL";
    let at = bytes.windows(text.len()).position(|w| w == text).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let db = Database::open_disposable(&path, TABLE, 0).unwrap();
    insert(&db, 1).unwrap();
    assert_eq!(numbers(&db), 1);
    assert!(dir.path().join("cache.db.damaged").exists());
}

#[test]
fn a_cache_on_a_full_disk_loses_nothing() {
    let Some(disk) = carrel_testkit::SmallDisk::new(4 << 20) else { return };
    let path = disk.path().join("cache.db");
    let (mut full, mut whole) = (0, 0);
    for free in (0..=512_u64).step_by(4) {
        disk.clear();
        let db = Database::open_disposable(&path, TABLE, 0).unwrap();
        insert(&db, 7).unwrap();
        drop(db);
        let filler = disk.fill(free * 1024);
        let db = Database::open_disposable(&path, TABLE, 0).unwrap();
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
            numbers(&Database::open_disposable(&path, TABLE, 0).unwrap()),
            7,
            "{free} KiB: the file has its row"
        );
    }
    assert!(full > 2 && whole > 2, "{full} and {whole}");
    disk.set_read_only(true);
    let db = Database::open_disposable(&path, TABLE, 0).unwrap();
    insert(&db, 1).unwrap();
    drop(db);
    disk.set_read_only(false);
    assert_eq!(numbers(&Database::open_disposable(&path, TABLE, 0).unwrap()), 7);
}

#[test]
fn a_cache_damaged_while_open_is_recreated() {
    for seed in 0..40_usize {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache.db");
        let db = Database::open_disposable(&path, TABLE, 0).unwrap();
        db.write_blocking("insert", |tx| {
            (0..2_000)
                .try_for_each(|n| tx.execute("INSERT INTO t VALUES (?1)", [n]).map(|_| ()))
                .map_err(|e| storage_error(&e))?;
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
        let db = Database::open_disposable(&path, TABLE, 0).unwrap();
        let read = || {
            db.read_blocking(|conn| {
                conn.query_row("SELECT count(*) FROM t", [], |r| r.get::<_, i64>(0))
                    .map_err(|e| storage_error(&e))
            })
        };
        let _ = read();
        insert(&db, 1).or_else(|_| insert(&db, 1)).unwrap();
        assert!(read().is_ok(), "{seed}");
    }
}

/// Opens the file without file descriptors, and as a user without permission. Uses child processes, because both affect
/// the whole process.
#[cfg(target_os = "linux")]
#[test]
fn without_descriptors_or_permission_the_cache_is_unchanged() {
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
            let db = Database::open_disposable(&path, TABLE, 0).unwrap();
            assert_eq!(numbers(&db), 0);
            insert(&db, 2).unwrap();
            assert_eq!(numbers(&db), 2, "the cache is in memory");
            return;
        }
        let mut held = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            held.push(file);
        }
        let (mut without, mut with) = (0, 0);
        for free in 0..16 {
            let db = Database::open_disposable(&path, TABLE, 0)
                .unwrap_or_else(|e| panic!("{free}: {e}"));
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
    let db = Database::open_disposable(&path, TABLE, 0).unwrap();
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
            .arg("disposable::without_descriptors_or_permission_the_cache_is_unchanged")
            .env(CHILD, what)
            .env(FILE, &path)
            .current_dir("/");
        if what == "denied" {
            if !is_root {
                #[expect(clippy::print_stderr, reason = "a skipped test prints a note")]
                {
                    eprintln!("skipped: a process of another user needs root");
                }
                continue;
            }
            child.uid(65_534).gid(65_534);
        }
        let done = child.output().unwrap();
        let output = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && output.contains("1 passed"), "{what}: {output}");
        let names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert!(
            names.iter().all(|n| !n.to_string_lossy().contains("damaged")),
            "{what}: no file was renamed: {names:?}"
        );
        assert_eq!(
            numbers(&Database::open_disposable(&path, TABLE, 0).unwrap()),
            7,
            "{what}: the file has its row"
        );
    }
}
