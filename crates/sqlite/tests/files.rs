//! Tests with real files: opening, backup and migration.

use std::{fs, io::Write, path::Path, process::Command, time::Duration};

use carrel_model::ErrorCode;
use carrel_sqlite::{
    Cause, Error, Migrated, Migration, Options, backup, cause_of, confirm_damage, integrity_check,
    migrate, open, quick_check,
    rusqlite::{self, Connection, ffi},
};
use carrel_testkit::SmallDisk;
use tempfile::TempDir;

const ONE: Migration =
    Migration { number: 1, name: "one", sql: "CREATE TABLE one (n INTEGER NOT NULL) STRICT;\n" };
const TWO: Migration = Migration {
    number: 2,
    name: "two",
    sql: "ALTER TABLE one ADD COLUMN m INTEGER NOT NULL DEFAULT 7;\nUPDATE one SET n = n + 1;",
};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}
fn at(dir: &Path) -> Connection {
    open(&dir.join("a.db"), Options::default()).unwrap()
}
fn number(conn: &Connection, sql: &str) -> rusqlite::Result<i64> {
    conn.query_row(sql, [], |r| r.get(0))
}

#[test]
fn a_file_is_opened_with_safe_settings() {
    let dir = folder();
    let conn = at(dir.path());
    for (pragma, value) in [
        ("foreign_keys", 1),
        ("synchronous", 2),
        ("temp_store", 2),
        ("busy_timeout", 5_000),
        ("trusted_schema", 0),
    ] {
        assert_eq!(number(&conn, &format!("PRAGMA {pragma}")).unwrap(), value, "{pragma}");
    }
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |r| r.get(0)).unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(
        number(
            &conn,
            "SELECT carrel_join_extra('{\"x\":1}', '{\"x\":2,\"y\":3}') = '{\"x\":2,\"y\":3}'"
        )
        .unwrap(),
        1
    );
    assert!(conn.prepare("SELECT \"misspelt\"").is_err(), "a misspelt column name is an error");
    quick_check(&conn).unwrap();
    integrity_check(&conn).unwrap();
}

#[cfg(unix)]
#[test]
fn files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder();
    let conn = at(dir.path());
    conn.execute_batch("CREATE TABLE t (n)").unwrap();
    backup(&conn, &dir.path().join("copy.db")).unwrap();
    for name in ["a.db", "a.db-wal", "copy.db"] {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_reader_cannot_write_or_create_files() {
    let dir = folder();
    let path = dir.path().join("a.db");
    assert!(open(&path, Options::reader()).is_err());
    assert!(open(&path, Options { create: false, ..Options::default() }).is_err());
    assert!(!path.exists());
    let writer = at(dir.path());
    writer.execute_batch("CREATE TABLE t (n)").unwrap();
    let reader = open(&path, Options::reader()).unwrap();
    assert!(reader.execute_batch("INSERT INTO t VALUES (1)").is_err());
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(number(&reader, "SELECT count(*) FROM t").unwrap(), 1);
}

#[test]
fn incremental_vacuum_is_set_before_the_first_page() {
    let dir = folder();
    let conn =
        open(&dir.path().join("c.db"), Options { incremental_vacuum: true, ..Options::default() })
            .unwrap();
    conn.execute_batch("CREATE TABLE t (n)").unwrap();
    assert_eq!(number(&conn, "PRAGMA auto_vacuum").unwrap(), 2);
}

#[test]
fn damage_and_files_that_are_not_databases_are_reported() {
    let dir = folder();
    let path = dir.path().join("a.db");
    fs::write(
        &path,
        "this is a text and not a database, longer than the header of a database".repeat(20),
    )
    .unwrap();
    let error = open(&path, Options::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");

    fs::remove_file(&path).unwrap();
    let conn = at(dir.path());
    let fill = "CREATE TABLE t (n); WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c LIMIT 5000) \
                INSERT INTO t SELECT n FROM c";
    conn.execute_batch(fill).unwrap();
    drop(conn);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let error = quick_check(&at(dir.path())).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");
    assert!(!error.hint().is_empty());
}

#[test]
fn a_backup_is_complete_or_absent() {
    let dir = folder();
    let conn = at(dir.path());
    conn.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)").unwrap();
    let to = dir.path().join("backups/copy.db");
    backup(&conn, &to).unwrap();
    conn.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    fs::write(dir.path().join("backups/copy.db.part"), "left by a crash").unwrap();
    backup(&conn, &to).unwrap();
    let copy = open(&to, Options::default()).unwrap();
    assert_eq!(number(&copy, "SELECT count(*) FROM t").unwrap(), 2);
    integrity_check(&copy).unwrap();
    // Inside a transaction SQLite returns an error: the old backup is kept, and no partial file is left.
    conn.execute_batch("BEGIN").unwrap();
    assert!(backup(&conn, &to).is_err());
    conn.execute_batch("ROLLBACK").unwrap();
    assert!(to.exists() && !dir.path().join("backups/copy.db.part").exists());
}

#[test]
fn migrations_are_applied_once_after_a_backup() {
    let dir = folder();
    let backups = dir.path().join("backups");
    let mut conn = at(dir.path());
    let first = migrate(&mut conn, &[ONE], Some(&backups), 10).unwrap();
    assert_eq!(first, Migrated { from: 0, to: 1, backup: None }, "a new file is not backed up");
    conn.execute_batch("INSERT INTO one VALUES (1)").unwrap();

    let second = migrate(&mut conn, &[ONE, TWO], Some(&backups), 20).unwrap();
    assert_eq!((second.from, second.to), (1, 2));
    assert_eq!(number(&conn, "SELECT n * 10 + m FROM one").unwrap(), 27);
    assert_eq!(
        number(&conn, "SELECT applied_ms FROM schema_migration WHERE number = 2").unwrap(),
        20
    );
    let copy = second.backup.unwrap();
    assert_eq!(copy, backups.join("before-0002-20.db"));
    let old = open(&copy, Options::reader()).unwrap();
    assert_eq!(number(&old, "SELECT n FROM one").unwrap(), 1);
    assert_eq!(number(&old, "SELECT max(number) FROM schema_migration").unwrap(), 1);

    let third = migrate(&mut conn, &[ONE, TWO], Some(&backups), 30).unwrap();
    assert_eq!(third, Migrated { from: 2, to: 2, backup: None });
    assert_eq!(number(&conn, "SELECT n FROM one").unwrap(), 2, "applied once");
    assert_eq!(number(&conn, "PRAGMA foreign_keys").unwrap(), 1);
    assert_eq!(fs::read_dir(&backups).unwrap().count(), 1);
}

#[test]
fn a_newer_file_is_rejected_and_unchanged() {
    let dir = folder();
    let mut conn = at(dir.path());
    migrate(&mut conn, &[ONE, TWO], None, 0).unwrap();
    let writes = conn.total_changes();
    let error = migrate(&mut conn, &[ONE], Some(dir.path()), 0).unwrap_err();
    assert!(matches!(error, Error::NewerFile { file: 2, app: 1 }), "{error}");
    assert_eq!(error.hint(), "update Carrel; the file is unchanged");
    assert_eq!(conn.total_changes(), writes);
}

#[test]
fn a_changed_migration_is_rejected_except_for_line_ends() {
    let dir = folder();
    let mut conn = at(dir.path());
    migrate(&mut conn, &[ONE], None, 0).unwrap();
    let edited = Migration { sql: "CREATE TABLE one (n INTEGER) STRICT;\n", ..ONE };
    let renamed = Migration { name: "uno", ..ONE };
    for wrong in [edited, renamed] {
        let error = migrate(&mut conn, &[wrong, TWO], None, 0).unwrap_err();
        assert!(
            matches!(&error, Error::MigrationChanged { number: 1, name } if name == "one"),
            "{error}"
        );
        assert_eq!(number(&conn, "SELECT count(*) FROM schema_migration").unwrap(), 1);
    }
    let windows = Migration { sql: "CREATE TABLE one (n INTEGER NOT NULL) STRICT;\r\n", ..ONE };
    assert_eq!(migrate(&mut conn, &[windows, TWO], None, 0).unwrap().to, 2);
}

#[test]
fn a_failed_migration_is_rolled_back() {
    let bad = |sql| Migration { number: 3, name: "bad", sql };
    let references = "CREATE TABLE child (n INTEGER NOT NULL REFERENCES one (n)) STRICT; \
                      CREATE UNIQUE INDEX one_n ON one (n); INSERT INTO child VALUES (99);";
    for (sql, expected) in [
        ("DELETE FROM one; CREATE TABLE one (n);", "already exists"),
        ("DELETE FROM one; SELEC 1;", "syntax error"),
        (references, "rows of child reference missing rows of one"),
    ] {
        let dir = folder();
        let backups = dir.path().join("backups");
        let mut conn = at(dir.path());
        migrate(&mut conn, &[ONE], None, 0).unwrap();
        conn.execute_batch("INSERT INTO one VALUES (1)").unwrap();
        let error = migrate(&mut conn, &[ONE, TWO, bad(sql)], Some(&backups), 5).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(
            matches!(error, Error::Failed { number: 3, .. } | Error::Refused { number: 3, .. }),
            "{error:?}"
        );
        assert_eq!(
            number(&conn, "SELECT max(number) FROM schema_migration").unwrap(),
            1,
            "no migration was applied"
        );
        assert_eq!(number(&conn, "SELECT n FROM one").unwrap(), 1);
        assert!(conn.prepare("SELECT m FROM one").is_err());
        assert_eq!(
            number(&conn, "PRAGMA foreign_keys").unwrap(),
            1,
            "references are enforced again"
        );
        assert!(backups.join("before-0002-5.db").exists());
        // A release with correct migrations can migrate the file.
        assert_eq!(migrate(&mut conn, &[ONE, TWO], None, 6).unwrap().to, 2);
    }
}

#[test]
fn a_migration_must_not_end_the_transaction() {
    let dir = folder();
    let mut conn = at(dir.path());
    let committing =
        Migration { number: 1, name: "committing", sql: "CREATE TABLE a (n); COMMIT;" };
    let error = migrate(&mut conn, &[committing], None, 0).unwrap_err();
    assert!(error.to_string().contains("transaction"), "{error}");
}

#[test]
fn a_referenced_table_can_be_rebuilt() {
    let dir = folder();
    let mut conn = at(dir.path());
    let one = Migration {
        number: 1,
        name: "one",
        sql: "CREATE TABLE p (id INTEGER PRIMARY KEY) STRICT; \
              CREATE TABLE c (p INTEGER NOT NULL REFERENCES p (id) ON DELETE CASCADE) STRICT;",
    };
    let two = Migration {
        number: 2,
        name: "two",
        sql: "CREATE TABLE p2 (id INTEGER PRIMARY KEY, x INTEGER) STRICT; INSERT INTO p2 (id) SELECT id FROM p; \
              DROP TABLE p; ALTER TABLE p2 RENAME TO p;",
    };
    migrate(&mut conn, &[one], None, 0).unwrap();
    conn.execute_batch("INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)").unwrap();
    migrate(&mut conn, &[one, two], None, 0).unwrap();
    assert_eq!(
        number(&conn, "SELECT count(*) FROM c").unwrap(),
        1,
        "rows that reference the table are kept"
    );
}

#[test]
fn foreign_databases_and_numbering_gaps_are_rejected() {
    let dir = folder();
    let mut conn = at(dir.path());
    conn.execute_batch("CREATE TABLE other_program (n)").unwrap();
    assert!(matches!(migrate(&mut conn, &[ONE], None, 0), Err(Error::ForeignDatabase)));
    let dir = folder();
    let mut conn = at(dir.path());
    assert!(matches!(migrate(&mut conn, &[TWO], None, 0), Err(Error::Numbering(2))));
    assert!(matches!(migrate(&mut conn, &[ONE, ONE], None, 0), Err(Error::Numbering(1))));
    migrate(&mut conn, &[ONE, TWO], None, 0).unwrap();
    conn.execute_batch("DELETE FROM schema_migration WHERE number = 1").unwrap();
    assert!(matches!(migrate(&mut conn, &[ONE, TWO], None, 0), Err(Error::Numbering(1))));
}

#[test]
fn concurrent_first_opens_migrate_once() {
    let dir = folder();
    let path = dir.path().join("a.db");
    open(&path, Options::default()).unwrap();
    let done: Vec<u32> = std::thread::scope(|s| {
        let each = || {
            let mut conn = open(&path, Options::default()).unwrap();
            migrate(&mut conn, &[ONE, TWO], None, 0).unwrap().to
        };
        let all: Vec<_> = (0..4).map(|_| s.spawn(each)).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(done, [2; 4]);
    assert_eq!(number(&at(dir.path()), "SELECT count(*) FROM schema_migration").unwrap(), 2);
}

#[test]
fn sqlite_codes_are_mapped_to_causes() {
    let failure = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    for (code, cause) in [
        (ffi::SQLITE_FULL, Cause::Full),
        (ffi::SQLITE_IOERR_SHMSIZE, Cause::Full),
        (ffi::SQLITE_IOERR_SHMMAP, Cause::Full),
        (ffi::SQLITE_IOERR_WRITE, Cause::Full),
        (ffi::SQLITE_IOERR_FSYNC, Cause::Full),
        (ffi::SQLITE_IOERR_DIR_FSYNC, Cause::Full),
        (ffi::SQLITE_IOERR_TRUNCATE, Cause::Full),
        (ffi::SQLITE_IOERR_READ, Cause::Other),
        (ffi::SQLITE_IOERR_SHMOPEN, Cause::Other),
        (ffi::SQLITE_CANTOPEN, Cause::Other),
        (ffi::SQLITE_CORRUPT, Cause::Corrupt),
        (ffi::SQLITE_CORRUPT_VTAB, Cause::Corrupt),
        (ffi::SQLITE_NOTADB, Cause::Corrupt),
        (ffi::SQLITE_BUSY, Cause::Busy),
        (ffi::SQLITE_BUSY_SNAPSHOT, Cause::Busy),
        (ffi::SQLITE_LOCKED, Cause::Busy),
        (ffi::SQLITE_PROTOCOL, Cause::Busy),
        (ffi::SQLITE_READONLY, Cause::Denied),
        (ffi::SQLITE_READONLY_DIRECTORY, Cause::Denied),
        (ffi::SQLITE_PERM, Cause::Denied),
        (ffi::SQLITE_IOERR_ACCESS, Cause::Denied),
        (ffi::SQLITE_CONSTRAINT, Cause::Other),
    ] {
        assert_eq!(cause_of(&failure(code)), cause, "{code}");
        let failed = Error::Failed { number: 1, name: "one", source: failure(code) };
        assert_eq!((failed.cause(), failed.code()), (cause, cause.code()), "{code}");
    }
    for (kind, cause) in [
        (std::io::ErrorKind::StorageFull, Cause::Full),
        (std::io::ErrorKind::QuotaExceeded, Cause::Full),
        (std::io::ErrorKind::PermissionDenied, Cause::Denied),
        (std::io::ErrorKind::ReadOnlyFilesystem, Cause::Denied),
        (std::io::ErrorKind::NotFound, Cause::Other),
    ] {
        assert_eq!(Cause::of_io(&kind.into()), cause, "{kind}");
    }
    assert_eq!(Cause::Full.code(), ErrorCode::DiskFull);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_has_its_cause() {
    let Some(disk) = SmallDisk::new(4 << 20) else { return };
    let (old, new) = (disk.path().join("old.db"), disk.path().join("new.db"));
    let mut conn = open(&old, Options::default()).unwrap();
    migrate(&mut conn, &[ONE], None, 0).unwrap();
    conn.execute_batch("INSERT INTO one VALUES (7)").unwrap();
    drop(conn);
    let mut filler = fs::File::create(disk.path().join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    let (mut full, mut whole) = (0, 0);
    // Starts with a full disk; in each round 4 KiB more are free.
    let len = filler.metadata().unwrap().len();
    for free in (0..=512).step_by(4) {
        filler.set_len(len - free * 1024).unwrap();
        for path in [&old, &new] {
            let opened = open(path, Options::default())
                .and_then(|mut conn| migrate(&mut conn, &[ONE, TWO], None, 0));
            match opened {
                Ok(_) => whole += 1,
                Err(e) => {
                    full += 1;
                    assert_eq!(e.cause(), Cause::Full, "{free} KiB: {e}");
                    assert_eq!(e.code(), ErrorCode::DiskFull, "{free} KiB: {e}");
                }
            }
            assert!(confirm_damage(path).is_ok_and(|d| d.is_none()) || free < 128, "{free} KiB");
        }
        let _ = fs::remove_file(&new);
    }
    assert!(full > 5 && whole > 5, "{full} and {whole}");
    let conn = open(&old, Options::default()).unwrap();
    assert_eq!(number(&conn, "SELECT n FROM one").unwrap(), 8, "the row is kept");
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_file_system_has_its_cause() {
    let Some(disk) = SmallDisk::new(4 << 20) else { return };
    let path = disk.path().join("a.db");
    migrate(&mut open(&path, Options::default()).unwrap(), &[ONE], None, 0).unwrap();
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status();
    assert!(remount.unwrap().success());
    for path in [path, disk.path().join("new.db")] {
        let error = open(&path, Options::default()).unwrap_err();
        assert_eq!(error.cause(), Cause::Denied, "{error}");
    }
}

/// Uses a child process, because the limit affects the whole process.
#[cfg(target_os = "linux")]
#[test]
fn missing_file_descriptors_have_their_cause() {
    const CHILD: &str = "CARREL_TEST_NO_FILES";
    if let Some(path) = std::env::var_os(CHILD) {
        let path = Path::new(&path);
        let mut held = Vec::new();
        while let Ok(file) = fs::File::open("/dev/null") {
            held.push(file);
        }
        for free in 0..8 {
            if let Err(error) = open(path, Options::default())
                .and_then(|mut conn| migrate(&mut conn, &[ONE], None, 0))
            {
                assert_eq!(error.cause(), Cause::TooManyFiles, "{free} free: {error}");
            }
            held.pop();
        }
        drop(held);
        assert!(confirm_damage(path).unwrap().is_none());
        return;
    }
    let dir = folder();
    let path = dir.path().join("a.db");
    drop(open(&path, Options::default()).unwrap());
    let done = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg("missing_file_descriptors_have_their_cause")
        .env(CHILD, &path)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && output.contains("1 passed"), "{output}");
}

#[test]
fn locked_and_newer_files_have_their_causes() {
    let dir = folder();
    let path = dir.path().join("a.db");
    let mut holder = at(dir.path());
    migrate(&mut holder, &[ONE, TWO], None, 0).unwrap();
    holder.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT").unwrap();
    let quick = Options { busy: Duration::ZERO, ..Options::default() };
    let error = open(&path, quick)
        .and_then(|mut conn| migrate(&mut conn, &[ONE, TWO], None, 0))
        .unwrap_err();
    assert_eq!((error.cause(), error.code()), (Cause::Busy, ErrorCode::Unavailable), "{error}");
    drop(holder);
    let error = migrate(&mut at(dir.path()), &[ONE], None, 0).unwrap_err();
    assert_eq!((error.cause(), error.code()), (Cause::Newer, ErrorCode::Storage), "{error}");
}

#[test]
fn damage_is_confirmed_by_reading_the_file() {
    let dir = folder();
    let path = dir.path().join("a.db");
    assert_eq!(confirm_damage(&path).unwrap(), None, "a missing file is not damaged");
    fs::write(&path, "").unwrap();
    assert_eq!(confirm_damage(&path).unwrap(), None, "an empty file is not damaged");
    at(dir.path())
        .execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (zeroblob(90000))")
        .unwrap();
    assert_eq!(confirm_damage(&path).unwrap(), None);
    let sound = fs::read(&path).unwrap();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = sound.clone();
        change(&mut bytes);
        bytes
    };
    for bytes in [
        changed(&|b| b[3] ^= 1),
        changed(&|b| b.truncate(50)),
        changed(&|b| b.truncate(4096)),
        changed(&|b| b[4096..4200].fill(0xff)),
        b"a text".to_vec(),
    ] {
        fs::write(&path, bytes).unwrap();
        assert!(confirm_damage(&path).unwrap().is_some());
    }
}
